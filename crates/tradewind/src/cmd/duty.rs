//! `tradewind duty`: check the rule packs, list their versions, list what changes when.

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tradewind_landed_cost::calendar;

use super::quote::packs;
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check rule packs: overlaps, gaps, unknown references, missing sources.
    Check(Dir),
    /// List the packs and their versions.
    Packs(Dir),
    /// List what changes when.
    Calendar(CalendarArgs),
    /// Which SKUs' margins flip under the law of another day.
    #[command(name = "what-if")]
    Flips(super::what_if::Args),
    /// Official tariff files: import, list, look up.
    Tariff(super::tariff::Args),
}

#[derive(clap::Args)]
struct Dir {
    /// Folder of rule packs; the program's own when absent.
    #[arg(long, value_name = "DIR", env = "TRADEWIND_PACKS")]
    packs: Option<PathBuf>,
}

#[derive(clap::Args)]
struct CalendarArgs {
    #[command(flatten)]
    dir: Dir,
    /// First day, such as 2026-07-01 (UTC).
    #[arg(long)]
    from: Option<Date>,
    /// Day after the last.
    #[arg(long)]
    to: Option<Date>,
    /// Only this jurisdiction.
    #[arg(long)]
    jurisdiction: Option<String>,
}

fn start(day: Option<Date>) -> anyhow::Result<Option<Timestamp>> {
    Ok(day.map(|d| d.to_zoned(TimeZone::UTC)).transpose()?.map(|z| z.timestamp()))
}

/// One change a line, under its day and pack, short enough for a terminal of 100 columns.
fn calendar_text(changes: &[calendar::Change]) -> String {
    let mut text = String::new();
    let mut last = ("", "");
    for c in changes {
        if last != (c.at.as_str(), c.jurisdiction.as_str()) {
            text.push_str(&format!("{}  {}\n", c.at, c.jurisdiction));
            last = (&c.at, &c.jurisdiction);
        }
        let grade = if c.enabled { c.confidence.clone() } else { format!("{} disabled", c.confidence) };
        let line = format!("    {:<6} {} ({grade}): {}", c.what, c.rule, c.title);
        let short: String = line.chars().take(99).collect();
        text.push_str(short.trim_end());
        text.push_str(if short.len() < line.len() { "…\n" } else { "\n" });
    }
    if changes.is_empty() {
        text.push_str("nothing changes in that span");
    }
    text.trim_end().to_owned()
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::Check(dir) => {
            let set = packs(dir.packs.as_deref())?;
            let rules: usize =
                set.current().iter().map(|p| p.rules.len() + p.layers.len() + p.fees.len()).sum();
            let rates: usize = set.current().iter().map(|p| p.rates.len()).sum();
            if out.is_json() {
                out.json(&serde_json::json!({"ok": true, "packs": set.current().len(), "older": set.older().len(), "rules": rules, "rates": rates}))?;
            } else {
                out.text(format!(
                    "ok    {} packs · {rules} rules · {rates} rates · {} older versions",
                    set.current().len(),
                    set.older().len()
                ))?;
            }
        }
        What::Packs(dir) => {
            let set = packs(dir.packs.as_deref())?;
            let all = set.current().iter().map(|p| (p, true)).chain(set.older().iter().map(|p| (p, false)));
            if out.is_json() {
                let rows: Vec<_> = all
                    .map(|(p, current)| {
                        serde_json::json!({"jurisdiction": p.jurisdiction, "name": p.name, "version": p.version, "digest": p.digest,
                            "current": current, "file": p.file, "rules": p.rules.len(), "destinations": p.destinations})
                    })
                    .collect();
                out.json(&rows)?;
            } else {
                let mut t = Table::new();
                t.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
                t.set_header(["pack", "version", "", "rules", "digest", "file"]);
                for (p, current) in all {
                    let state = if current { "current" } else { "older" };
                    t.add_row([
                        p.jurisdiction.to_string(),
                        p.version.clone(),
                        state.to_owned(),
                        p.rules.len().to_string(),
                        // The whole digest is in the JSON; nobody compares 64 digits by eye.
                        p.digest.chars().take(19).collect(),
                        p.file.clone(),
                    ]);
                }
                out.text(t.to_string())?;
            }
        }
        What::Calendar(args) => {
            let set = packs(args.dir.packs.as_deref())?;
            let wanted = |j: &str| args.jurisdiction.as_deref().is_none_or(|w| w == j);
            let chosen = set
                .current()
                .iter()
                .map(AsRef::as_ref)
                .filter(|p: &&tradewind_landed_cost::pack::Pack| wanted(&p.jurisdiction));
            let changes = calendar::changes(chosen, start(args.from)?, start(args.to)?);
            if out.is_json() {
                out.json(&changes)?;
            } else {
                out.text(calendar_text(&changes))?;
            }
        }
        What::Tariff(args) => return super::tariff::run(args, out),
        What::Flips(args) => return super::what_if::run(args, out),
    }
    Ok(Exit::Ok)
}
