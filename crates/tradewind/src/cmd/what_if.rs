//! `tradewind duty what-if`: which SKUs' margins flip under the law of another day, at the prices of today.

use anyhow::bail;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::time};
use serde::Serialize;
use tradewind_domain::{Decimal, Money, Variant};
use tradewind_gateway::Gateway;
use tradewind_gateway::pricing::{Judged, Prices, Terms};
use tradewind_pricing::Derivation;

use crate::context::{ConfigArg, block_on};
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The day whose law is tried: a date (noon, legal time of each destination) or an instant with its offset, such as
    /// 2026-07-24T00:01:00-04:00. Exchange rates stay those of today; scheduled editions of the price book count.
    #[arg(long)]
    date: String,
    /// The day it is compared with; now when absent.
    #[arg(long)]
    from: Option<String>,
    /// Also SKUs whose margin moves without crossing the floor.
    #[arg(long)]
    all: bool,
}

/// A SKU whose margin is another.
#[derive(Serialize)]
struct Row {
    account: String,
    sku: String,
    price: Option<Money>,
    before: State,
    after: State,
    flips: bool,
    /// The lowest price that keeps the floor then.
    needs: Option<Money>,
}

#[derive(Serialize, PartialEq, Clone)]
#[serde(rename_all = "snake_case", tag = "state")]
enum State {
    /// The floor is kept.
    Keeps { margin: Money, share: String },
    /// It is not.
    Below { margin: Money, share: String },
    /// There is no answer.
    Stopped { why: String },
}

impl State {
    fn of(d: &Derivation, keeps: bool) -> State {
        let share = d.share().map(|s| (s * Decimal::ONE_HUNDRED).round_dp(1).normalize().to_string());
        let (margin, share) = (d.margin, share.unwrap_or_default());
        if keeps { State::Keeps { margin, share } } else { State::Below { margin, share } }
    }

    fn keeps(&self) -> bool {
        matches!(self, State::Keeps { .. })
    }

    fn text(&self) -> String {
        match self {
            State::Keeps { margin, share } => format!("{} ({share} %)", margin.amount()),
            State::Below { margin, share } => format!("{} ({share} %) below the floor", margin.amount()),
            State::Stopped { why } => why.chars().take(70).collect(),
        }
    }
}

/// The instant a text means in a destination: its own, or noon of the date in legal time.
fn instant(text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    if let Ok(t) = text.parse::<Timestamp>() {
        return Ok(t);
    }
    let Ok(day) = text.parse::<Date>() else {
        bail!(
            "'{text}' is neither a date (2026-07-24) nor an instant with offset (2026-07-24T00:01:00-04:00)"
        )
    };
    Ok(day.to_datetime(time(12, 0, 0, 0)).to_zoned(zone.clone())?.timestamp())
}

fn row(
    gateway: &Gateway,
    terms: Terms<'_>,
    variant: &Variant,
    (before, after): (Timestamp, Timestamp),
) -> Row {
    let now = gateway.now();
    let at = |law| Prices::new(&gateway.config, &gateway.engines, now).under(law);
    let row = |price, before: State, after: State, needs| Row {
        account: terms.0.id.to_string(),
        sku: variant.sku.to_string(),
        price,
        flips: before.keeps() != after.keeps(),
        before,
        after,
        needs,
    };
    match at(before).explain(terms, variant) {
        Ok(today) => {
            let first = State::of(&today.derivation, true);
            let (then, needs) = match at(after).judge(terms, variant, today.price) {
                Ok(Judged::Keeps(d)) => (State::of(&d, true), None),
                Ok(Judged::Falls(d, needs)) => (State::of(&d, false), needs),
                Ok(Judged::Unknown(why)) => (State::Stopped { why }, None),
                Err(stop) => (State::Stopped { why: stop.why }, None),
            };
            row(Some(today.price), first, then, needs)
        }
        // Not for sale today; it may be then.
        Err(today) => match at(after).explain(terms, variant) {
            Ok(then) => {
                let state = State::of(&then.derivation, true);
                row(Some(then.price), State::Stopped { why: today.why }, state, None)
            }
            Err(then) => row(None, State::Stopped { why: today.why }, State::Stopped { why: then.why }, None),
        },
    }
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    let Some(book) = &gateway.engines.book else {
        bail!(
            "no price book is configured: add [pricing] book = \"prices.toml\" to {}",
            args.config.config.display()
        );
    };
    let variants = block_on(async { Ok(gateway.variants().await?) })?;
    if variants.is_empty() {
        bail!("the catalogue is empty: run tradewind import");
    }
    let prices = Prices::new(&gateway.config, &gateway.engines, gateway.now());
    let (mut rows, mut asked) = (Vec::new(), 0_usize);
    for terms in prices.accounts() {
        let market = book.first.channels.get(terms.2).and_then(|c| c.market.as_ref());
        let pack = market.and_then(|m| gateway.engines.packs.for_country(m.value));
        let zone = pack.map_or(TimeZone::UTC, |p| p.zone.clone());
        let before = args.from.as_deref().map(|t| instant(t, &zone)).transpose()?;
        let span = (before.unwrap_or_else(|| gateway.now()), instant(&args.date, &zone)?);
        for (product, variant) in variants.values() {
            let only = &terms.1.only;
            if !only.is_empty() && !product.category.as_ref().is_some_and(|c| only.contains(c)) {
                continue;
            }
            asked += 1;
            let found = row(gateway, terms, variant, span);
            if found.flips || (args.all && found.before != found.after) {
                rows.push(found);
            }
        }
    }
    let flips = rows.iter().filter(|r| r.flips).count();
    if out.is_json() {
        out.json(&serde_json::json!({"date": args.date, "asked": asked, "flips": flips, "rows": rows}))?;
    } else {
        if !rows.is_empty() {
            out.text(table(&rows).to_string())?;
        }
        out.text(format!("{flips} of {asked} offers flip"))?;
    }
    Ok(if flips > 0 { Exit::Changes } else { Exit::Ok })
}

fn table(rows: &[Row]) -> Table {
    let mut t = Table::new();
    t.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
    t.set_header(["", "account", "sku", "price", "margin before", "margin then", "needs"]);
    let money = |m: Option<Money>| m.map(|m| m.to_string()).unwrap_or_default();
    for r in rows {
        t.add_row(vec![
            Cell::new(if r.flips { "!" } else { "" }),
            Cell::new(&r.account),
            Cell::new(&r.sku),
            Cell::new(money(r.price)).set_alignment(CellAlignment::Right),
            Cell::new(r.before.text()),
            Cell::new(r.after.text()),
            Cell::new(money(r.needs)).set_alignment(CellAlignment::Right),
        ]);
    }
    t
}
