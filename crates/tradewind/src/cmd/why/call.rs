//! `tradewind why call`, and `--calls` of the others: what was sent about an order or an offer, and what a channel answered.

use anyhow::Context as _;
use serde_json::{Value, json};
use tradewind_gateway::Gateway;
use tradewind_store::{CallOutcome, KeptCall};

use crate::context::block_on;
use crate::mask::Masker;
use crate::output::{self, Entry, Exit, Output};

/// Calls as a program reads them: all but their bodies.
pub(super) fn rows(gateway: &Gateway, calls: &[KeptCall]) -> anyhow::Result<Vec<Value>> {
    let masker = masker(gateway, calls)?;
    calls.iter().map(|call| row(call, &masker)).collect()
}

/// Calls for a person, below what they are about.
pub(super) fn list(gateway: &Gateway, calls: &[KeptCall], out: &Output) -> anyhow::Result<()> {
    if calls.is_empty() {
        return out.text("\nno call about it is kept");
    }
    let masker = masker(gateway, calls)?;
    let entries = calls.iter().map(|call| {
        let note = call.write.as_ref().and_then(|w| w.note.as_deref());
        Entry {
            cells: vec![
                call.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                call.id.clone(),
                call.account.clone(),
                call.operation.clone(),
                call.outcome.name().to_owned(),
                call.status.map_or_else(|| "–".to_owned(), |s| s.to_string()),
            ],
            below: note.map(|n| masker.text(n)).unwrap_or_default(),
        }
    });
    let entries: Vec<Entry> = entries.collect();
    let header = ["call (UTC)", "id", "account", "operation", "outcome", "status"];
    out.text(format!("\n{}", output::listing(&header, &entries, output::width())))?;
    out.note("one of them, with what was answered: tradewind why call ID --raw");
    Ok(())
}

/// One call, whole.
pub(super) fn one(gateway: &Gateway, id: &str, raw: bool, out: &Output) -> anyhow::Result<Exit> {
    let (call, body) = block_on(async {
        let call = gateway.store.call(id).await?;
        let call = call.with_context(|| {
            format!("no call '{id}' is kept: tradewind why order ORDER --calls lists those of an order")
        })?;
        let body = match &call.payload {
            Some(hash) => gateway.store.payload(hash).await?,
            None => None,
        };
        Ok((call, body))
    })?;
    let masker = block_on(async { Masker::of(&*gateway.store).await })?;
    // A document or an archive is no text: it would say nothing, and nothing could be hidden in it.
    let text = body.as_deref().and_then(|b| std::str::from_utf8(b).ok()).map(|b| masker.text(b));
    let bytes = body.as_ref().map(Vec::len);
    if out.is_json() {
        let mut told = row(&call, &masker)?;
        told["bytes"] = json!(bytes);
        if raw {
            told["body"] = json!(text);
        }
        return out.json(&told).map(|()| Exit::Ok);
    }
    let when = if call.write.is_some() { "begun" } else { "answered" };
    out.text(format!("call         {}, {when} {}", call.id, call.at))?;
    out.text(format!("operation    {} at {}", call.operation, call.account))?;
    let status = call.status.map(|s| format!(", status {s}")).unwrap_or_default();
    out.text(format!("outcome      {}{status}{}", call.outcome.name(), meaning(call.outcome)))?;
    if let Some(write) = &call.write {
        if !write.subject.is_empty() {
            out.text(format!("about        {}", write.subject))?;
        }
        let again = match write.generation {
            0 => String::new(),
            n => format!(" (generation {n})"),
        };
        out.text(format!("key          {}{again}", write.key))?;
        if let Some(note) = &write.note {
            out.text(format!("note         {}", masker.text(note)))?;
        }
        for (name, value) in &write.headers {
            out.text(format!("header       {name}: {}", masker.text(value)))?;
        }
    }
    match (bytes, text) {
        (None, _) => out.text("answer       none is kept")?,
        (Some(n), None) => out.text(format!("answer       {n} bytes that are no text, not shown"))?,
        (Some(n), Some(_)) if !raw => out.text(format!("answer       {n} bytes, shown with --raw"))?,
        (Some(n), Some(text)) => out.text(format!("answer       {n} bytes\n\n{text}"))?,
    }
    Ok(Exit::Ok)
}

fn meaning(outcome: CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Answered | CallOutcome::Done | CallOutcome::Refused => "",
        CallOutcome::InDoubt | CallOutcome::Begun => {
            ": it may have been carried out. What became of it is settled by reading, and stands in the order or offer that it is about"
        }
    }
}

/// Numbers of persons are looked up only where something is told that may name one.
fn masker(gateway: &Gateway, calls: &[KeptCall]) -> anyhow::Result<Masker> {
    let quotes =
        |call: &KeptCall| call.write.as_ref().is_some_and(|w| w.note.is_some() || !w.headers.is_empty());
    if calls.iter().any(quotes) {
        return block_on(async { Masker::of(&*gateway.store).await });
    }
    Ok(Masker::default())
}

fn row(call: &KeptCall, masker: &Masker) -> anyhow::Result<Value> {
    let mut call = call.clone();
    if let Some(write) = &mut call.write {
        write.note = write.note.as_deref().map(|n| masker.text(n));
        for (_, value) in &mut write.headers {
            *value = masker.text(value);
        }
    }
    Ok(serde_json::to_value(&call)?)
}
