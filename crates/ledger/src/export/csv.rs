//! CSV: RFC 4180, UTF-8, dot decimals, ISO dates.
//!
//! A text cell that a spreadsheet would run as a formula gets an apostrophe in front; amounts never do.

use std::path::{Path, PathBuf};

use tradewind_domain::Money;

use super::{Books, ExportError, save};
use crate::facts::Quoted;

/// A text cell as it is safe to open in a spreadsheet.
pub(super) fn guard(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// A table in memory.
pub(super) struct Sheet {
    writer: ::csv::Writer<Vec<u8>>,
}

impl Sheet {
    pub(super) fn new(titles: &[&str]) -> Sheet {
        let mut sheet = Sheet {
            writer: ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new()),
        };
        sheet.row(titles.iter().map(|t| (*t).to_owned()));
        sheet
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        // Writing into memory does not fail, and rows have one length by construction.
        let _ = self.writer.write_record(&cells);
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.writer.into_inner().unwrap_or_default()
    }
}

pub(super) fn write(books: &Books, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut files = Vec::new();
    let mut put = |name: &str, sheet: Sheet| -> Result<(), ExportError> {
        let path = out.join(name);
        save(&path, &sheet.bytes())?;
        files.push(path);
        Ok(())
    };
    let mut s = Sheet::new(&[
        "date",
        "entry",
        "posting",
        "account",
        "amount",
        "currency",
        "group",
        "channel",
        "text",
        "trace",
        "meant_for",
        "reverses",
        "number",
        "hash",
    ]);
    for e in &books.journal {
        for (n, p) in e.postings.iter().enumerate() {
            s.row([
                e.date.to_string(),
                guard(&e.id),
                (n + 1).to_string(),
                guard(&p.account),
                p.amount.amount(),
                p.amount.currency().to_string(),
                guard(&e.group),
                guard(&e.channel),
                guard(&e.text),
                guard(&e.trace.join(" ")),
                e.meant.to_string(),
                guard(&e.reverses),
                e.number.to_string(),
                e.hash.clone(),
            ]);
        }
    }
    put("journal.csv", s)?;
    let mut s = Sheet::new(&["date", "match", "rule", "left", "right", "amount", "residual", "currency"]);
    for m in &books.matches {
        s.row([
            m.date.to_string(),
            guard(&m.id),
            guard(&m.rule),
            guard(&m.left.join(" ")),
            guard(&m.right.join(" ")),
            m.amount.amount(),
            m.residual.amount(),
            m.amount.currency().to_string(),
        ]);
    }
    put("matches.csv", s)?;
    let mut s = Sheet::new(&[
        "date",
        "reason",
        "amount",
        "currency",
        "unexplained",
        "state",
        "records",
        "explanation",
        "evidence",
    ]);
    for e in &books.exceptions {
        s.row([
            e.date.to_string(),
            e.reason.clone(),
            e.amount.amount(),
            e.amount.currency().to_string(),
            e.unexplained.amount(),
            e.state.to_owned(),
            guard(&e.records.join(" ")),
            guard(&e.explanation),
            guard(&e.evidence),
        ]);
    }
    put("differences.csv", s)?;
    let mut s = Sheet::new(&[
        "date", "channel", "account", "id", "kind", "code", "class", "order", "group", "amount", "currency",
        "entry",
    ]);
    for l in &books.lines {
        s.row([
            l.date.to_string(),
            guard(&l.channel),
            guard(&l.account),
            guard(&l.id),
            guard(&l.kind),
            guard(&l.code),
            guard(&l.class),
            guard(&l.order),
            guard(&l.group),
            l.amount.amount(),
            l.amount.currency().to_string(),
            guard(&l.entry),
        ]);
    }
    put("lines.csv", s)?;
    if !books.landed.is_empty() {
        put("landed-cost.csv", landed_cost(books))?;
    }
    if !books.not_taken.is_empty() {
        let mut s = Sheet::new(&["file", "row", "message"]);
        for n in &books.not_taken {
            s.row([guard(&n.file), n.row.to_string(), guard(&n.message)]);
        }
        put("not-taken.csv", s)?;
    }
    Ok(files)
}

/// Quoted, charged, assessed, and by what they differ.
fn landed_cost(books: &Books) -> Sheet {
    let mut s = Sheet::new(&[
        "date",
        "order",
        "account",
        "invoice",
        "quoted_duty",
        "quoted_import_vat",
        "quoted_brokerage",
        "quoted_currency",
        "collected",
        "collected_currency",
        "assessed",
        "brokerage",
        "currency",
        "variance",
        "causes",
    ]);
    for d in &books.landed {
        let quoted =
            |pick: fn(&Quoted) -> Money| d.quoted.as_ref().map(pick).map(Money::amount).unwrap_or_default();
        let causes: Vec<String> = d.causes.iter().map(|(k, m)| format!("{k} {}", m.amount())).collect();
        s.row([
            d.date.to_string(),
            guard(d.order.as_deref().unwrap_or_default()),
            guard(&d.account),
            guard(d.invoice.as_deref().unwrap_or_default()),
            quoted(|q| q.duty),
            quoted(|q| q.vat),
            quoted(|q| q.fee),
            d.quoted.map(|q| q.duty.currency().to_string()).unwrap_or_default(),
            d.collected.amount(),
            d.collected.currency().to_string(),
            d.assessed.amount(),
            d.fee.amount(),
            d.assessed.currency().to_string(),
            d.variance.map(Money::amount).unwrap_or_default(),
            causes.join("; "),
        ]);
    }
    s
}
