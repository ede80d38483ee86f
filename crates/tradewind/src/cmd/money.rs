//! `tradewind money OP`: the small laws of money, one JSON object in, one out.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use tradewind_ledger::facts::{Facts, read};
use tradewind_ledger::ops;
use tradewind_ledger::rates::Rates;

use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operation. JSON on standard input: one object, or one per line.
    #[arg(value_parser = ops::OPS)]
    op: String,
    /// Rate table (`date,base,quote,rate,source`) for conversions by date.
    #[arg(long, value_name = "FILE")]
    fx: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let mut facts = Facts::default();
    let fx = args.fx.clone().or_else(|| Some(PathBuf::from("fx.csv")).filter(|p| p.is_file()));
    if let Some(path) = fx {
        let bytes = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        read::rates(&path.display().to_string(), &bytes, &mut facts);
        if let Some(e) = facts.errors.first() {
            anyhow::bail!("{}:{}: {}", e.file, e.row, e.message);
        }
    }
    let rates = Rates::new(&facts.rates);
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).context("standard input cannot be read as UTF-8")?;
    if input.trim().is_empty() {
        anyhow::bail!("standard input is empty: give a JSON object, or one per line");
    }
    let mut failed = false;
    for item in serde_json::Deserializer::from_str(&input).into_iter::<Box<serde_json::value::RawValue>>() {
        let item = item.context("standard input is not JSON")?;
        match ops::run(&args.op, item.get(), &rates) {
            Ok(answer) => out.json(&answer)?,
            Err(why) => {
                failed = true;
                out.json(&serde_json::json!({"error": {"message": why}}))?;
            }
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}
