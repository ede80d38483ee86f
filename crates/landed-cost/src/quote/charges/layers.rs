//! Additional duties on top of the tariff, line by line: all on the same value, so they add and never compound.

use rust_decimal::Decimal;
use tradewind_domain::Country;

use super::super::answer::{Charge, RateSource};
use super::super::prepare::{Order, Work};
use super::super::{Known, QuoteError};
use super::{Maker, Sum, add_duty, mul, steps_of, to_step};
use crate::pack::{Kind, Layer, Part, Rule};
use crate::rates::{Lookup, TariffSource};
use crate::request::Fact;

/// Layers of additional duty on each line (US).
pub(in crate::quote) fn layers(
    order: &mut Order<'_>,
    rule: &Rule,
    tariff: &dyn TariffSource,
    known: &mut Known,
) -> Result<(), QuoteError> {
    for i in 0..order.lines.len() {
        let Some(line) = order.lines.get(i) else { break };
        let Some(origin) = line.origin else {
            let id = &line.req.id;
            // Without an origin no layer can be ruled in or out: nothing on top at best, no known end at worst.
            let assumed = known.lacks(format!("lines.{id}.origin"), Decimal::ZERO, None);
            if assumed.is_none()
                && let Some(l) = order.lines.get_mut(i)
            {
                l.duty = None;
            }
            continue;
        };
        let (charges, complete) = of_line(order, line, origin, rule, tariff, known)?;
        if let Some(line) = order.lines.get_mut(i) {
            for c in charges {
                add_duty(line, c, false);
            }
            if !complete {
                line.duty = None;
            }
        }
    }
    Ok(())
}

/// The Section 301 list of a line.
enum Listed {
    In(String),
    Unknown,
}

fn listed(order: &Order<'_>, line: &Work<'_>, origin: &str, tariff: &dyn TariffSource) -> Listed {
    match (&line.hs, line.fact("section_301_list")) {
        (_, Some(Fact::Text(t))) => Listed::In(t.clone()),
        (_, Some(Fact::No)) => Listed::In("none".to_owned()),
        (Some(hs), None) => {
            match tariff.lookup(&order.pack.jurisdiction, hs, Country::new(origin).ok(), order.at) {
                Lookup::Found { section_301_list: Some(list), .. } => Listed::In(list),
                _ => Listed::Unknown,
            }
        }
        (_, Some(Fact::Yes)) | (None, None) => Listed::Unknown,
    }
}

/// The layer's conditions that need no list: its time, the origin, and facts that take a line in or out.
fn concerns(layer: &Layer, order: &Order<'_>, line: &Work<'_>, origin: &str) -> bool {
    layer.meta.when.contains(order.at)
        && layer.origin.as_ref().is_none_or(|s| s.accepts(origin))
        && layer.needs.iter().all(|fact| line.yes(fact))
        && !layer.unless.iter().any(|fact| line.yes(fact))
        && !(line.yes("in_transit_exception") && layer.in_transit_until.is_some_and(|t| order.at < t))
}

/// Whether the facts that a layer needs must be answered for this line.
fn asks(layer: &Layer, order: &Order<'_>, line: &Work<'_>, origin: &str) -> bool {
    let Some(hs) = line.hs.as_ref().filter(|_| !layer.asked_of.is_empty()) else { return false };
    layer.asked_of.iter().any(|prefix| hs.as_str().starts_with(prefix.as_ref()))
        && layer.meta.when.contains(order.at)
        && layer.origin.as_ref().is_none_or(|s| s.accepts(origin))
}

/// The charges of one line, and whether they are all of them.
fn of_line(
    order: &Order<'_>,
    line: &Work<'_>,
    origin: &str,
    rule: &Rule,
    tariff: &dyn TariffSource,
    known: &mut Known,
) -> Result<(Vec<Charge>, bool), QuoteError> {
    let id = &line.req.id;
    let pack = order.pack;
    let steps = steps_of(order);
    let base = line.goods.decimal();
    for fact in pack.layers.iter().filter(|l| asks(l, order, line, origin)).flat_map(|l| &l.needs) {
        if !matches!(line.fact(fact), Some(Fact::Yes | Fact::No)) {
            known.soft(format!("lines.{id}.facts.{fact}"));
        }
    }
    let mut out = Vec::new();
    let mut complete = true;
    let mut list: Option<Listed> = None;
    let mut asked = false;
    for layer in pack.layers.iter().filter(|l| concerns(l, order, line, origin)) {
        let row = &layer.meta.row;
        if layer.meta.invalidated {
            known.flag(format!("INVALIDATED:{row}"));
            continue;
        }
        let mut assumed = None;
        if let Some(wanted) = &layer.list {
            match list.get_or_insert_with(|| listed(order, line, origin, tariff)) {
                Listed::In(l) if l == wanted.as_ref() => {}
                Listed::In(_) => continue,
                Listed::Unknown if asked => continue,
                Listed::Unknown => {
                    asked = true;
                    // Not on any list at best; on the dearest one at worst.
                    let dearest = pack
                        .layers
                        .iter()
                        .filter(|l| l.list.is_some() && concerns(l, order, line, origin))
                        .filter_map(|l| match l.formula.kind {
                            Kind::AdValorem(r) => Some(r),
                            _ => None,
                        })
                        .max();
                    let want = format!("lines.{id}.facts.section_301_list");
                    match known.lacks(want, Decimal::ZERO, dearest) {
                        Some(rate) => assumed = Some(rate),
                        None => {
                            complete = false;
                            continue;
                        }
                    }
                }
            }
        }
        if !layer.meta.enabled {
            known.flag(format!("DISABLED_RULE:{row}"));
            // A disabled row with a figure may come on top; one without leaves the duty unknown.
            if !matches!(layer.formula.kind, Kind::Unknown) {
                known.soft(format!("lines.{id}.{row}"));
                continue;
            }
        }
        let (rate, source, note) = match (assumed, &layer.formula.kind) {
            (Some(rate), _) => (rate, RateSource::None, None),
            (None, Kind::AdValorem(r)) => (*r, RateSource::Pack, None),
            (None, Kind::CapNetOfMfn(cap)) => match line.mfn {
                Some(mfn) => (
                    (*cap - mfn).max(Decimal::ZERO),
                    RateSource::Pack,
                    Some(format!("cap {cap} less general rate {mfn}, at least 0").into()),
                ),
                None => {
                    if line.duty.is_some() {
                        known.missing(format!("lines.{id}.general_rate_ad_valorem"));
                    }
                    complete = false;
                    continue;
                }
            },
            (None, Kind::Stated(fact)) => match line.fact(fact) {
                Some(Fact::No) => continue,
                Some(Fact::Text(_)) if line.number(fact).is_some() => {
                    let rate = line.number(fact).unwrap_or_default();
                    (rate, RateSource::Request, Some(format!("facts.{fact}").into()))
                }
                _ => {
                    known.soft(format!("lines.{id}.facts.{fact}"));
                    continue;
                }
            },
            (None, _) => {
                if let Some(r) = &layer.reason {
                    known.reason(r);
                }
                if known.lacks(format!("lines.{id}.{row}"), Decimal::ZERO, None).is_none() {
                    complete = false;
                }
                continue;
            }
        };
        if matches!(layer.formula.kind, Kind::Stated(_)) && rate.is_zero() {
            continue;
        }
        for flag in &layer.flags {
            known.flag_as(flag);
        }
        let raw = mul(base, rate)?;
        let sum = Sum {
            layer: row.clone(),
            base,
            components: vec![(Part::Goods, line.goods)],
            rate: Some(rate),
            source,
            raw,
            amount: to_step(raw, steps.duty, steps, order.cur)?,
            note,
            fx: None,
        };
        let maker = Maker { meta: &layer.meta, collector: &rule.duty_collector, pack: &pack.digest };
        out.push(maker.charge(&layer.formula, sum));
    }
    Ok((out, complete))
}
