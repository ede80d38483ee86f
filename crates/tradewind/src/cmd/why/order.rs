//! `tradewind why order`: what an order is, and everything that happened to it.

use anyhow::bail;
use jiff::Timestamp;
use serde_json::Value;
use tradewind_domain::AccountId;
use tradewind_gateway::Gateway;
use tradewind_gateway::history::{Happened, History};
use tradewind_ledger::why;

use super::call;
use crate::cmd::reconcile::Sources;
use crate::context::{self, block_on};
use crate::mask;
use crate::output::{Exit, Output, words};

pub(super) fn run(
    gateway: &Gateway,
    order: &str,
    channel: Option<&AccountId>,
    (sources, calls): (&Sources, bool),
    out: &Output,
) -> anyhow::Result<Exit> {
    let mut accounts: Vec<AccountId> = gateway.config.account.iter().map(|a| a.id.clone()).collect();
    if let Some(channel) = channel {
        // Also one that was taken out of the configuration since: what it sold is kept.
        accounts = vec![channel.clone()];
    }
    let mut found = block_on(async {
        let mut found: Vec<History> = Vec::new();
        for account in &accounts {
            found.extend(gateway.history(account, order).await?);
        }
        Ok(found)
    })?;
    if found.len() > 1 {
        let all: Vec<&str> = found.iter().map(|h| h.order.order.account.as_str()).collect();
        bail!(
            "order '{order}' is of several accounts: say which with --channel, there are {}",
            all.join(", ")
        );
    }
    let Some(mut history) = found.pop() else {
        if let Some(channel) = channel {
            context::known(&gateway.config, channel)?;
            bail!("order '{order}' of '{channel}' was never imported: run tradewind orders")
        }
        // The books may know it all the same: from files, or of an account that is not configured any more.
        let books = sources.of_store(gateway)?;
        let Some(money) = books.and_then(|b| why::order(&b, order)) else {
            bail!("order '{order}' was never imported from any account: run tradewind orders")
        };
        if out.is_json() {
            return out.json(&serde_json::json!({"money": money})).map(|()| Exit::Ok);
        }
        return out.text(why::text(&money)).map(|()| Exit::Ok);
    };
    let needs = block_on(async { Ok(gateway.what_it_needs(&history.order).await?) })?;
    let calls = match calls {
        true => Some(block_on(async { Ok(gateway.calls_of_order(&history).await?) })?),
        false => None,
    };
    let account = history.order.order.account.clone();
    let books = sources.of_store(gateway)?;
    let money = books.and_then(|b| why::order_of(&b, order, Some(account.as_str())));
    if let Some(money) = &money {
        history.timeline.extend(rows(money));
        history.timeline.sort_by_key(|line| line.at);
    }
    if out.is_json() {
        let mut all = mask::json(&history)?;
        all["order"] = mask::order(&history.order)?;
        all["needs"] = serde_json::to_value(needs)?;
        all["money"] = money.unwrap_or_default();
        if let Some(calls) = &calls {
            all["calls"] = call::rows(gateway, calls)?.into();
        }
        return out.json(&all).map(|()| Exit::Ok);
    }
    show(&history, out)?;
    if let Some(needs) = needs {
        out.text(format!("needs        {needs}"))?;
    }
    out.text("")?;
    for line in &history.timeline {
        let at = line.at.strftime("%Y-%m-%d %H:%M:%S");
        out.text(format!("{at}  {}  [{}]", line.what, line.source))?;
    }
    if let Some(money) = &money {
        out.text("")?;
        out.text(why::text(money))?;
    }
    if let Some(calls) = &calls {
        call::list(gateway, calls, out)?;
    }
    Ok(Exit::Ok)
}

/// What the books know of its money, row by row.
fn rows(money: &Value) -> Vec<Happened> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let rows = money["rows"].as_array().into_iter().flatten();
    rows.filter_map(|row| {
        let at: Timestamp = row["at"].as_str()?.parse().ok()?;
        let net = &row["net"];
        let booked = if row["booked"] == false { ", not booked" } else { "" };
        Some(Happened {
            at,
            what: format!(
                "money: {} {} {} net (row {}{booked})",
                text(&row["kind"]),
                text(&net["amount"]),
                text(&net["currency"]),
                text(&row["id"])
            ),
            source: format!("{}:{}", text(&row["file"]), row["row"]),
        })
    })
    .collect()
}

/// What it is now.
fn show(history: &History, out: &Output) -> anyhow::Result<()> {
    let History { order: record, shipments, declarations, returns, disputes, .. } = history;
    let o = &record.order;
    let total = o.told_total().map_or_else(|| "total not told yet".to_owned(), |t| t.to_string());
    out.text(format!(
        "order        {} at {}, placed {}, {total} ({})",
        o.id, o.account, o.placed_at.utc, o.raw_status
    ))?;
    out.text(format!("imported     {}", record.imported_at))?;
    for line in &o.lines {
        let total = o.told_total().map_or_else(String::new, |_| format!(" = {}", line.total));
        out.text(format!("  line {:<12} {} × {}{total}", line.id, line.quantity, line.channel_sku))?;
    }
    for s in shipments {
        // Not booked yet, it has none.
        let waybill = s.booked.as_ref().map(|b| format!("waybill {}, ", b.waybill)).unwrap_or_default();
        let asked = s.tracked_at.map(|at| format!(", asked {at}")).unwrap_or_default();
        out.text(format!(
            "shipment     {} {} {waybill}parcel {:?}{asked}",
            s.request.id, s.state, s.tracking
        ))?;
        if let Some(note) = &s.note {
            out.text(format!("  {note}"))?;
        }
    }
    for d in declarations {
        let number = behind(d.authority_ref.as_deref());
        out.text(format!("declaration  {} {}{number}", d.declaration.id, d.state))?;
        for r in &d.declaration.references {
            out.text(format!("  {} {} since {}", r.kind, r.value, r.at))?;
        }
        if d.waits.is_some() {
            out.text("  customs have not taken it in yet: asked again in the next round")?;
        }
    }
    for r in returns {
        let refund = r.case.amount.map(|m| format!(", refund {m}")).unwrap_or_default();
        out.text(format!(
            "return       {} opened {}, {} ({}){refund}",
            r.case.id,
            r.case.opened_at.utc,
            words(r.case.state.name()),
            r.case.raw_status
        ))?;
    }
    for d in disputes {
        let due = d.case.respond_by.filter(|_| d.waits_for_us());
        let due = due.map(|t| format!(", answer by {t}")).unwrap_or_default();
        out.text(format!(
            "dispute      {} at {}: {} since {}, {} ({}){due}",
            d.case.id,
            d.account,
            d.case.amount,
            d.case.opened_at.utc,
            words(d.case.state.name()),
            d.case.raw_status
        ))?;
    }
    out.text(format!("stage        {}{}", record.stage.name(), behind(record.note.as_deref())))
}

/// What stands behind a word, with its blank; where there is nothing, nothing.
fn behind(more: Option<&str>) -> String {
    more.filter(|m| !m.is_empty()).map(|m| format!(" {m}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn no_line_ends_in_a_blank() {
        let line = |note| format!("stage        confirmed{}", behind(note));
        assert_eq!(line(None), "stage        confirmed");
        assert_eq!(line(Some("")), "stage        confirmed");
        assert_eq!(line(Some("by hand")), "stage        confirmed by hand");
    }
}
