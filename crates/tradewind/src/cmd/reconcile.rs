//! `tradewind reconcile`: every cent of every payout, explained. Over a folder of files, or over what the store knows.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::civil::Date;
use tradewind_domain::Currency;
use tradewind_gateway::Gateway;
use tradewind_ledger::facts::Facts;
use tradewind_ledger::recon::{Options, Outcome, Policy};
use tradewind_ledger::{answer, facts, import, recon, report};

use crate::context::{ConfigArg, block_on};
use crate::output::{self, Exit, Output};

/// What is reconciled, and how; shared with `why`.
#[derive(clap::Args)]
pub(crate) struct Sources {
    /// Folder with the normalised files and, under `settlements/<provider>/`, native documents. Without it: what the store of
    /// the configuration knows.
    #[arg(long, value_name = "DIR")]
    pub(crate) input: Option<PathBuf>,
    /// A folder of the same shape that is added to what the store knows: bank statements, carriers' invoices, decisions, rates.
    #[arg(long, value_name = "DIR", conflicts_with = "input")]
    with: Option<PathBuf>,
    /// The day of the report; later facts are not looked at. By default the last day that a fact names.
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// Currency of the books.
    #[arg(long, value_name = "CUR")]
    base: Option<String>,
    /// Policy file (TOML): tolerances, windows, agreed fees, closed period.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    sources: Sources,
    /// Report the payments by the day of each of these zones, comma separated.
    #[arg(long, value_name = "ZONES", value_delimiter = ',')]
    zones: Vec<String>,
    /// Close the books up to this day: writes closed-DATE.jsonl into the folder. What is booked up to that day stays as it is from then
    /// on, and what comes later is booked after it.
    #[arg(long, value_name = "DATE")]
    close: Option<String>,
}

fn folder(dir: &Path) -> anyhow::Result<Facts> {
    let mut all = facts::read::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    if dir.join("settlements").is_dir() {
        let native = import::read_dir(dir).map_err(|r| anyhow::anyhow!(r))?;
        all.extend(facts::native::from_import(&native));
    }
    Ok(all)
}

impl Sources {
    pub(crate) fn reconcile(&self, config: &ConfigArg, zones: &[String]) -> anyhow::Result<Outcome> {
        Ok(self.with_facts(config, zones)?.1)
    }

    /// The facts beside what they lead to: exports show both.
    pub(crate) fn with_facts(
        &self,
        config: &ConfigArg,
        zones: &[String],
    ) -> anyhow::Result<(Facts, Outcome)> {
        self.run(config, zones, None)
    }

    /// A period is closed by the report of a day that is not before its end: by default of the last day that a fact names, or of
    /// the period's end where no fact is that late.
    fn run(
        &self,
        config: &ConfigArg,
        zones: &[String],
        close: Option<Date>,
    ) -> anyhow::Result<(Facts, Outcome)> {
        let all = match &self.input {
            Some(dir) => folder(dir)?,
            None => self.stored(&config.open()?.gateway)?,
        };
        self.over(all, zones, close)
    }

    /// The books of what the store knows; `None` where it knows nothing yet.
    pub(crate) fn of_store(&self, gateway: &Gateway) -> anyhow::Result<Option<Outcome>> {
        let all = self.stored(gateway)?;
        if nothing(&all) {
            return Ok(None);
        }
        Ok(Some(self.over(all, &[], None)?.1))
    }

    fn stored(&self, gateway: &Gateway) -> anyhow::Result<Facts> {
        let mut all = block_on(async { Ok(gateway.facts().await?) })?;
        if let Some(dir) = &self.with {
            all.extend(folder(dir)?);
        }
        Ok(all)
    }

    fn over(&self, all: Facts, zones: &[String], close: Option<Date>) -> anyhow::Result<(Facts, Outcome)> {
        let mut policy = match &self.policy {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("{} cannot be read", path.display()))?;
                Policy::parse(&text).map_err(anyhow::Error::msg)?
            }
            None => Policy::default(),
        };
        if let Some(base) = &self.base {
            policy.base = Some(Currency::new(base)?);
        }
        let as_of = match self.as_of.as_deref() {
            Some(d) => {
                let day = d.get(..10).unwrap_or(d).parse();
                Some(day.with_context(|| format!("--as-of {d}: expected YYYY-MM-DD"))?)
            }
            None => match close.filter(|until| *until > recon::last_day(&all)) {
                Some(until) => {
                    anyhow::ensure!(
                        until < jiff::Zoned::now().date(),
                        "not closed until {until}: that day is not over, close a day before today"
                    );
                    Some(until)
                }
                None => None,
            },
        };
        anyhow::ensure!(
            !nothing(&all),
            match &self.input {
                Some(dir) => format!(
                    "nothing to reconcile in {}: put orders.jsonl, transactions.jsonl, bank.jsonl … into it, or native documents into settlements/<provider>/",
                    dir.display()
                ),
                None => "nothing to reconcile: the store holds no orders and no money yet, run tradewind orders and tradewind settle".to_owned(),
            }
        );
        let outcome = recon::run(&all, &Options { as_of, policy, zones: zones.to_vec() })?;
        Ok((all, outcome))
    }
}

/// Neither a fact nor a word on one that could not be taken.
fn nothing(all: &Facts) -> bool {
    all.given.values().all(|n| *n == 0) && all.errors.is_empty() && all.refused.is_empty()
}

/// The whole file or none, and never over one that is there: written beside it, brought to the disk, then given its name.
fn write_once(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::{Error, ErrorKind, Write as _};
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let dir = path.parent().unwrap_or(Path::new("."));
    let beside = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::create_new(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match std::fs::hard_link(&beside, path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                // A file system without hard links: nothing that is there is replaced all the same.
                if path.exists() {
                    return Err(Error::from(ErrorKind::AlreadyExists));
                }
                std::fs::rename(&beside, path)
            }
            other => other,
        }
    })();
    // Gone already where it was renamed.
    let _ = std::fs::remove_file(&beside);
    written?;
    #[cfg(unix)]
    std::fs::File::open(dir)?.sync_all()?;
    Ok(())
}

/// Writes what is booked up to a day beside the facts. A period that was closed is closed.
fn close(sources: &Sources, outcome: &Outcome, until: Date, out: &Output) -> anyhow::Result<()> {
    let dir = sources.input.as_ref().or(sources.with.as_ref());
    let dir =
        dir.context("--close needs a folder to write to: --input DIR, or --with DIR beside the store")?;
    let path = dir.join(format!("closed-{until}.jsonl"));
    let text = answer::closing(outcome, until)?;
    write_once(&path, text.as_bytes())
        .with_context(|| format!("{} cannot be written: is {until} closed already?", path.display()))?;
    out.note(format!("closed until {until}: {}", path.display()));
    Ok(())
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let until = match &args.close {
        Some(day) => Some(day.parse().with_context(|| format!("--close {day}: expected YYYY-MM-DD"))?),
        None => None,
    };
    let outcome = args.sources.run(&args.config, &args.zones, until)?.1;
    if let Some(until) = until {
        close(&args.sources, &outcome, until, out)?;
    }
    if out.is_json() {
        out.json(&answer::Answer::of(&outcome)?)?;
    } else {
        out.text(report::text_in(&outcome, output::width().map_or(report::WIDTH, |w| w.min(report::WIDTH))))?;
    }
    // A statement that was refused whole is not taken either, and stands in no list of rows.
    Ok(if answer::status(&outcome) == "incomplete" { Exit::Partial } else { Exit::Ok })
}
