//! `tradewind duty tariff`: official tariff files and what they say; and the tariffs and rate files a quote uses.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tradewind_domain::{Country, HsCode};
use tradewind_fx::{Policy, RateBook, import};
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::rates::tariff::fx::CustomsRates;
use tradewind_landed_cost::rates::tariff::{TariffStore, folder};
use tradewind_landed_cost::rates::{Lookup, TariffSource as _};

use crate::output::{Exit, Output};

/// Where rates come from that a request leaves out.
#[derive(clap::Args)]
pub(super) struct SourceArgs {
    /// Folder of imported tariffs (`tradewind duty tariff import`).
    #[arg(long, value_name = "DIR", env = "TRADEWIND_TARIFFS")]
    tariffs: Option<PathBuf>,
    /// Exchange rate file (ECB or HMRC XML, ECB CSV, or date,base,quote,rate,source); may be repeated.
    #[arg(long = "rates", value_name = "FILE")]
    rates: Vec<PathBuf>,
}

/// Those rates, loaded.
pub(super) struct Sources {
    pub(super) tariff: TariffStore,
    book: RateBook,
}

impl SourceArgs {
    pub(super) fn load(&self) -> anyhow::Result<Sources> {
        let tariff = match &self.tariffs {
            Some(dir) => folder::load(dir)?,
            None => TariffStore::default(),
        };
        let mut book = RateBook::new();
        for path in &self.rates {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
            import::any(&text, &name)?.into_book(&mut book);
        }
        Ok(Sources { tariff, book })
    }
}

impl Sources {
    pub(super) fn rates(&self) -> CustomsRates<'_> {
        CustomsRates { book: &self.book, policy: Policy::default() }
    }
}

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Read a published tariff file and keep it, by its checksum.
    Import {
        /// USITC HTS export (CSV or JSON), a commodity of the UK Trade Tariff API (JSON), or the HS nomenclature (CSV).
        file: PathBuf,
        /// In force from this day (legal time of the jurisdiction).
        #[arg(long)]
        from: Date,
        /// What the publisher calls it, such as 2025-04.
        #[arg(long, default_value = "unnamed")]
        edition: String,
        /// Pack name, when the format does not say it (XI for the UK's Northern Ireland tariff).
        #[arg(long)]
        jurisdiction: Option<String>,
        /// Where to keep it.
        #[arg(long, value_name = "DIR", env = "TRADEWIND_TARIFFS", default_value = "tariffs")]
        tariffs: PathBuf,
    },
    /// List what is kept.
    List {
        /// Folder of imported tariffs.
        #[arg(long, value_name = "DIR", env = "TRADEWIND_TARIFFS", default_value = "tariffs")]
        tariffs: PathBuf,
    },
    /// What a tariff says of a commodity.
    Show {
        /// Pack name: US, GB.
        jurisdiction: String,
        /// Commodity code.
        hs: HsCode,
        /// Country of origin.
        #[arg(long)]
        origin: Option<Country>,
        /// The instant; now when absent.
        #[arg(long)]
        at: Option<Timestamp>,
        /// Folder of imported tariffs.
        #[arg(long, value_name = "DIR", env = "TRADEWIND_TARIFFS", default_value = "tariffs")]
        tariffs: PathBuf,
    },
}

pub(super) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::Import { file, from, edition, jurisdiction, tariffs } => {
            let packs = PackSet::embedded()?;
            let name = jurisdiction.as_deref();
            if let Some(j) = name
                && !packs.current().iter().any(|p| p.jurisdiction.as_ref() == j)
            {
                bail!("--jurisdiction {j}: no rule pack has this name (tradewind duty packs lists them)");
            }
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let which = name.or(folder::Format::of(&text).map(folder::Format::jurisdiction)).unwrap_or("");
            let zone = packs.current().iter().find(|p| p.jurisdiction.as_ref() == which);
            let zone = zone.map_or(TimeZone::UTC, |p| p.zone.clone());
            let start = from.to_zoned(zone)?.timestamp();
            let (entry, store, new) = folder::import(tariffs, file, name, edition, start)?;
            let codes: usize = store.versions().map(|v| v.codes).sum();
            let unread: usize = store.versions().map(|v| v.indeterminate).sum();
            let texts = store.nomenclature().map_or(0, |n| n.len());
            if out.is_json() {
                out.json(&serde_json::json!({"new": new, "entry": entry, "codes": codes, "indeterminate": unread, "nomenclature": texts}))?;
            } else {
                let what = if texts > 0 {
                    format!("{texts} texts of the nomenclature")
                } else {
                    format!(
                        "{codes} codes, {unread} of them with a rate that is not read (a quote is then indeterminate)"
                    )
                };
                let kept = if new { "kept as" } else { "already there as" };
                out.text(format!(
                    "{} {}: {what}\n{kept} {}  sha256:{}",
                    entry.jurisdiction,
                    entry.edition,
                    tariffs.join(&entry.file).display(),
                    entry.sha256
                ))?;
            }
        }
        What::List { tariffs } => {
            let store = folder::load(tariffs)?;
            if out.is_json() {
                let rows: Vec<_> = store
                    .versions()
                    .map(|v| serde_json::json!({"jurisdiction": v.jurisdiction, "name": v.name, "from": v.from, "codes": v.codes,
                        "indeterminate": v.indeterminate, "sha256": v.sha256}))
                    .collect();
                out.json(&rows)?;
            } else {
                let mut t = Table::new();
                t.load_style(presets::ASCII_MARKDOWN);
                t.set_header(["tariff", "name", "from", "codes", "not read", "sha256"]);
                for v in store.versions() {
                    t.add_row([
                        v.jurisdiction.to_owned(),
                        v.name.to_owned(),
                        v.from.to_string(),
                        v.codes.to_string(),
                        v.indeterminate.to_string(),
                        v.sha256.chars().take(12).collect(),
                    ]);
                }
                out.text(t.to_string())?;
                if let Some(n) = store.nomenclature() {
                    out.text(format!("nomenclature: {} codes", n.len()))?;
                }
            }
        }
        What::Show { jurisdiction, hs, origin, at, tariffs } => {
            let store = folder::load(tariffs)?;
            let at = at.unwrap_or_else(Timestamp::now);
            let found = store.lookup(jurisdiction, hs, *origin, at);
            for (code, text) in store.nomenclature().map(|n| n.path(hs.as_str())).unwrap_or_default() {
                out.note(format!("{code:<6} {text}"));
            }
            let (body, text) = match found {
                Lookup::Found { rate, source, sha256, section_301_list, preference } => {
                    let remedy = store.remedy(jurisdiction, hs, *origin, at);
                    let preference = preference.map(|p| format!("{} ({})", p.rate, p.programme));
                    let mut text = format!("{rate}\n{source}");
                    if let Some(l) = &section_301_list {
                        text.push_str(&format!("\nSection 301 list: {l}"));
                    }
                    if let Some(p) = &preference {
                        text.push_str(&format!("\nwith a proof of origin: {p}"));
                    }
                    if remedy {
                        text.push_str("\nan anti-dumping or countervailing measure stands for this origin");
                    }
                    (
                        serde_json::json!({"rate": rate.to_string(), "source": source, "sha256": sha256, "section_301_list": section_301_list,
                            "preference": preference, "trade_remedy": remedy}),
                        text,
                    )
                }
                Lookup::Ambiguous { codes, .. } => (
                    serde_json::json!({"ambiguous": codes}),
                    format!("{hs} is too short; the codes below it differ: {}", codes.join(", ")),
                ),
                Lookup::Missing => {
                    bail!("{jurisdiction} has no {hs} at {at}: import a tariff that is in force then")
                }
            };
            if out.is_json() { out.json(&body)? } else { out.text(text)? }
        }
    }
    Ok(Exit::Ok)
}
