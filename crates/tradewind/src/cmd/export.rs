//! `tradewind export`: the reconciled books as files for finance.

use std::path::PathBuf;

use anyhow::Context as _;
use tradewind_domain::Money;
use tradewind_ledger::answer;
use tradewind_ledger::export::{AccountMap, Books, Kind, write};

use super::reconcile::Sources;
use crate::context::ConfigArg;
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    sources: Sources,
    /// xlsx, csv, parquet, beancount, hledger, xero, quickbooks, netsuite or datev.
    kind: String,
    /// File (xlsx, beancount, hledger) or folder (the others) to write.
    #[arg(short, long, value_name = "PATH", alias = "to")]
    out: PathBuf,
    /// Legal entity, as the files should name it.
    #[arg(long, default_value = "Books")]
    title: String,
    /// TOML: our account = "their account", the longest prefix wins.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let kind = Kind::parse(&args.kind)?;
    let map: AccountMap = match &args.accounts {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?
        }
        None => AccountMap::default(),
    };
    let (facts, outcome) = args.sources.with_facts(&args.config, &[])?;
    let books = Books::from_outcome(&outcome, &facts, &args.title)?;
    drop(facts);
    let files = write(kind, &books, &map, &args.out)?;
    for n in &books.not_taken {
        // Row 0 is the whole file.
        let row = if n.row == 0 { String::new() } else { format!(":{}", n.row) };
        out.note(format!("not taken: {}{row}: {}", n.file, n.message));
    }
    let unexplained: Vec<Money> = outcome
        .unexplained
        .iter()
        .filter(|(_, m)| **m != 0)
        .map(|(c, m)| Money::from_minor(*m, *c))
        .collect();
    let refused: Vec<&str> = outcome.statements.iter().filter(|s| s.refused).map(|s| s.id.as_str()).collect();
    for id in &refused {
        out.note(format!("not taken: settlement {id} does not sum to its total; none of its rows is booked"));
    }
    let whole = answer::status(&outcome) != "incomplete";
    if out.is_json() {
        out.json(&serde_json::json!({
            "status": if whole { "ok" } else { "partial" },
            "refused_statements": refused,
            "files": files,
            "entries": books.journal.len(),
            "matches": books.matches.len(),
            "differences": books.exceptions.len(),
            "not_taken": books.not_taken.iter().map(|n| serde_json::json!({
                "file": n.file, "row": n.row, "message": n.message,
            })).collect::<Vec<_>>(),
            "unexplained": unexplained.iter().map(|m| serde_json::json!({
                "amount": m.amount(), "currency": m.currency(),
            })).collect::<Vec<_>>(),
            "input_hash": outcome.input_hash,
        }))?;
    } else {
        let left = if unexplained.is_empty() {
            "nothing unexplained".to_owned()
        } else {
            let list: Vec<String> = unexplained.iter().map(ToString::to_string).collect();
            format!("unexplained: {}", list.join(", "))
        };
        out.text(format!(
            "{} entries, {} matches, {} differences, {} not taken; {left}",
            books.journal.len(),
            books.matches.len(),
            books.exceptions.len(),
            books.not_taken.len() + refused.len()
        ))?;
        for file in &files {
            out.text(format!("  {}", file.display()))?;
        }
    }
    Ok(if whole { Exit::Ok } else { Exit::Partial })
}
