//! `tradewind reconcile`: every cent of every payout, explained.

use std::path::PathBuf;

use anyhow::Context as _;
use tradewind_domain::Currency;
use tradewind_ledger::recon::{Options, Policy};
use tradewind_ledger::{answer, facts, import, recon};

use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with the normalised files and, under `settlements/<provider>/`, native documents.
    #[arg(long, value_name = "DIR")]
    input: PathBuf,
    /// The day of the report; later facts are not looked at. By default the last day that a fact names.
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// Currency of the books.
    #[arg(long, value_name = "CUR")]
    base: Option<String>,
    /// Policy file (TOML): tolerances, windows, closed period.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Report the payments by the day of each of these zones, comma separated.
    #[arg(long, value_name = "ZONES", value_delimiter = ',')]
    zones: Vec<String>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let dir = &args.input;
    let mut all = facts::read::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    if dir.join("settlements").is_dir() {
        let native = import::read_dir(dir).map_err(|r| anyhow::anyhow!(r))?;
        all.extend(facts::native::from_import(&native));
    }
    let mut policy = match &args.policy {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            Policy::parse(&text).map_err(anyhow::Error::msg)?
        }
        None => Policy::default(),
    };
    if let Some(base) = &args.base {
        policy.base = Some(Currency::new(base)?);
    }
    let as_of = match args.as_of.as_deref() {
        Some(d) => Some(
            d.get(..10).unwrap_or(d).parse().with_context(|| format!("--as-of {d}: expected YYYY-MM-DD"))?,
        ),
        None => None,
    };
    let outcome = recon::run(&all, &Options { as_of, policy, zones: args.zones.clone() })?;
    if out.is_json() {
        out.json(&answer::json(&outcome)?)?;
    } else {
        out.text(answer::waterfall(&outcome)?)?;
    }
    Ok(if outcome.errors.is_empty() { Exit::Ok } else { Exit::Partial })
}
