//! `tradewind export`: the books as files for finance.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::civil::Date;
use tradewind_ledger::export::{AccountMap, Books, Kind, write};
use tradewind_ledger::import::read_dir;

use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// xlsx, csv, parquet, beancount, hledger, xero, quickbooks, netsuite or datev.
    kind: String,
    /// Folder with settlements/<provider>/… as downloaded.
    #[arg(short, long)]
    input: PathBuf,
    /// File (xlsx, beancount, hledger) or folder (the others) to write.
    #[arg(short, long)]
    out: PathBuf,
    /// Last day of the books; without it the last day that the documents speak of.
    #[arg(long)]
    as_of: Option<Date>,
    /// Legal entity, as the files should name it.
    #[arg(long, default_value = "Books")]
    title: String,
    /// TOML: our account = "their account", the longest prefix wins.
    #[arg(long)]
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
    let import = read_dir(&args.input)?;
    anyhow::ensure!(
        !import.files.is_empty() || !import.refused.is_empty(),
        "{}: no documents found; put them in settlements/<provider>/",
        args.input.display()
    );
    let as_of = args.as_of.or_else(|| last_day(&import)).unwrap_or(Date::constant(1970, 1, 1));
    let books = Books::from_import(&import, &args.title, as_of)?;
    let files = write(kind, &books, &map, &args.out)?;
    for refusal in &import.refused {
        out.note(format!("refused: {refusal}"));
    }
    if out.is_json() {
        out.json(&serde_json::json!({
            "status": if import.refused.is_empty() { "ok" } else { "partial" },
            "files": files,
            "documents": import.files.len(),
            "duplicates": import.duplicates,
            "refused": import.refused.iter().map(|r| serde_json::json!({
                "path": r.path, "line": r.line, "reason": r.kind.code(), "message": r.message,
            })).collect::<Vec<_>>(),
            "entries": books.journal.len(),
            "exceptions": books.exceptions.len(),
        }))?;
    } else {
        out.text(format!(
            "{} documents, {} entries, {} exceptions, {} refused",
            import.files.len(),
            books.journal.len(),
            books.exceptions.len(),
            import.refused.len()
        ))?;
        for file in &files {
            out.text(format!("  {}", file.display()))?;
        }
    }
    Ok(if import.refused.is_empty() { Exit::Ok } else { Exit::Partial })
}

fn last_day(import: &tradewind_ledger::import::Import) -> Option<Date> {
    import
        .files
        .iter()
        .flat_map(|f| {
            let d = &f.document;
            d.transactions
                .iter()
                .map(|t| t.occurred.day())
                .chain(d.statements.iter().filter_map(|s| s.deposit_date))
                .chain(d.payouts.iter().filter_map(|p| p.arrival))
                .chain(d.bank.iter().map(|b| b.date))
        })
        .max()
}
