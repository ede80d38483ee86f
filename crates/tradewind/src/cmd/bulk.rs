//! `tradewind bulk`: settlement files too large to hold, footed and matched by reference and amount in one stream.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tradewind_ledger::bulk::{OpenItems, Report, read_open_items};
use tradewind_ledger::import::Provider;

use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// CSV of what is due, with a title row: id, currency, total.
    #[arg(long, value_name = "FILE")]
    orders: PathBuf,
    /// Settlement reports as downloaded (Amazon, flat file V2, unpacked).
    #[arg(required = true, value_name = "FILE")]
    settlements: Vec<PathBuf>,
    /// CSV to write of what is not settled: reference, currency, due, paid.
    #[arg(long, value_name = "FILE")]
    unsettled: Option<PathBuf>,
}

/// A file that was named, or what to name.
fn opened(path: &Path, remedy: &str) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("{} cannot be read: {remedy}", path.display()))
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let mut open = OpenItems::new();
    let file = opened(&args.orders, "give --orders the CSV of what is due: id, currency, total")?;
    let rows = read_open_items(file, &mut open).map_err(|r| anyhow::anyhow!(r.at(&args.orders)))?;
    let mut reports: Vec<(&PathBuf, Report)> = Vec::new();
    let mut refused = Vec::new();
    for path in &args.settlements {
        let file = opened(path, "give the settlement report as it was downloaded and unpacked")?;
        match open.settle(Provider::Amazon, file) {
            Ok(report) => reports.push((path, report)),
            Err(refusal) => refused.push(refusal.at(path)),
        }
    }
    let unsettled = open.unsettled().count();
    let whole = refused.is_empty() && reports.iter().all(|(_, r)| r.conflicts.is_empty());
    if let Some(path) = &args.unsettled {
        let file = File::create(path).with_context(|| {
            format!(
                "{} cannot be written: name a file in a folder that is there for --unsettled",
                path.display()
            )
        })?;
        let mut w = std::io::BufWriter::new(file);
        writeln!(w, "reference,currency,due,paid")?;
        for i in open.unsettled() {
            // References of channels hold no comma or quote; one that does is quoted.
            let reference = if i.reference.contains(['"', ',', '\n', '\r']) {
                format!("\"{}\"", i.reference.replace('"', "\"\""))
            } else {
                i.reference.to_owned()
            };
            writeln!(w, "{reference},{},{},{}", i.due.currency(), i.due.amount(), i.paid.amount())?;
        }
        w.flush()?;
    }
    if out.is_json() {
        out.json(&serde_json::json!({
            "status": match (whole, reports.len()) { (true, _) => "ok", (_, 0) => "refused", _ => "partial" },
            "orders": {"rows": rows, "items": open.len(), "conflicts": open.conflicts(), "unsettled": unsettled},
            "files": reports.iter().map(|(path, r)| serde_json::json!({
                "path": path, "lines": r.lines, "matched": r.matched, "mismatched": r.mismatched,
                "provider_only": r.provider_only, "currency_mismatch": r.currency_mismatch, "unmapped": r.unmapped,
                "unknown": r.unknown, "repeated": r.repeated, "conflicts": r.conflicts,
                "settlements": r.settlements.iter().map(|s| serde_json::json!({
                    "id": s.id, "lines": s.lines, "currency": s.total.currency(), "total": s.total.amount(),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "refused": refused.iter().map(|r| serde_json::json!({
                "path": r.path, "line": r.line, "reason": r.kind.code(), "message": r.message,
            })).collect::<Vec<_>>(),
        }))?;
    } else {
        for (path, r) in &reports {
            out.text(format!(
                "{}: {} lines in {} settlements foot; {} orders settled, {} with another amount, {} lines of unknown orders",
                path.display(),
                r.lines,
                r.settlements.len(),
                r.matched,
                r.mismatched,
                r.provider_only
            ))?;
        }
        for (path, r) in &reports {
            if !r.repeated.is_empty() {
                out.text(format!(
                    "{}: read before, without effect: {}",
                    path.display(),
                    r.repeated.join(", ")
                ))?;
            }
            if !r.conflicts.is_empty() {
                let list = r.conflicts.join(", ");
                out.text(format!("{}: CONFLICT, the first version is kept: {list}", path.display()))?;
            }
        }
        for r in &refused {
            out.text(format!("refused whole: {r}"))?;
        }
        out.text(format!("{unsettled} of {} orders are not settled", open.len()))?;
    }
    Ok(match (whole, reports.len()) {
        (true, _) => Exit::Ok,
        // Not one report could be read: nothing was settled.
        (_, 0) => Exit::Failed,
        _ => Exit::Partial,
    })
}
