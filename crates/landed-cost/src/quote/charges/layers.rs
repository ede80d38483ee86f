//! Additional duties on top of the tariff, line by line: all on the same value, so they add and never compound.

use rust_decimal::Decimal;
use tradewind_domain::Country;

use super::super::answer::RateSource;
use super::super::prepare::Order;
use super::super::{Known, QuoteError};
use super::{Maker, add_duty, mul, steps_of, to_step};
use crate::pack::{Formula, Kind, Part, Rule};
use crate::rates::{Lookup, TariffSource};
use crate::request::Fact;

/// Layers of additional duty on each line (US).
pub(in crate::quote) fn layers(
    order: &mut Order<'_>,
    rule: &Rule,
    tariff: &dyn TariffSource,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let pack = order.pack;
    let (at, cur) = (order.at, order.cur);
    let steps = steps_of(order);
    for i in 0..order.lines.len() {
        let Some(line) = order.lines.get(i) else { break };
        let id = line.req.id.clone();
        let Some(origin) = line.origin else {
            known.missing(format!("lines.{id}.origin"));
            if let Some(l) = order.lines.get_mut(i) {
                l.duty = None;
            }
            continue;
        };
        let looked = || match (&line.hs, line.fact("section_301_list")) {
            (_, Some(Fact::Text(t))) => Some(t.clone()),
            (_, Some(Fact::No)) => Some("none".to_owned()),
            (_, Some(Fact::Yes)) => None,
            (Some(hs), None) => match tariff.lookup(&pack.jurisdiction, hs, Country::new(origin).ok(), at) {
                Lookup::Found { section_301_list, .. } => section_301_list,
                _ => None,
            },
            (None, None) => None,
        };
        let mut list: Option<Option<String>> = None;
        let mut new = Vec::new();
        let mut unknown = false;
        for layer in &pack.layers {
            if !layer.meta.when.contains(at) || !layer.origin.as_ref().is_none_or(|s| s.accepts(origin)) {
                continue;
            }
            if layer.meta.invalidated {
                known.flag(format!("INVALIDATED:{}", layer.meta.row));
                continue;
            }
            if let Some(wanted) = &layer.list {
                match list.get_or_insert_with(looked) {
                    Some(l) if l == wanted.as_ref() => {}
                    Some(_) => continue,
                    None => {
                        known.missing(format!("lines.{id}.facts.section_301_list"));
                        unknown = true;
                        continue;
                    }
                }
            }
            if layer.unless.iter().any(|fact| line.yes(fact)) {
                continue;
            }
            if line.yes("in_transit_exception") && layer.in_transit_until.is_some_and(|t| at < t) {
                continue;
            }
            if !layer.meta.enabled && matches!(layer.formula.kind, Kind::Unknown) {
                known.flag(format!("DISABLED_RULE:{}", layer.meta.row));
            } else if !layer.meta.enabled {
                known.flag(format!("DISABLED_RULE:{}", layer.meta.row));
                known.soft(format!("lines.{id}.{}", layer.meta.row));
                continue;
            }
            let base = line.goods.decimal();
            let rate = match &layer.formula.kind {
                Kind::AdValorem(r) => *r,
                Kind::CapNetOfMfn(cap) => match line.mfn {
                    Some(mfn) => (*cap - mfn).max(Decimal::ZERO),
                    None => {
                        unknown = true;
                        continue;
                    }
                },
                _ => {
                    known.missing(format!("lines.{id}.{}", layer.meta.row));
                    if let Some(r) = &layer.reason {
                        known.reason(r);
                    }
                    unknown = true;
                    continue;
                }
            };
            let raw = mul(base, rate)?;
            let amount = to_step(raw, steps.duty, steps, cur)?;
            let maker = Maker { meta: &layer.meta, collector: &rule.duty_collector };
            let note = match (&layer.formula.kind, line.mfn) {
                (Kind::CapNetOfMfn(cap), Some(mfn)) => {
                    Some(format!("cap {cap} less general rate {mfn}, at least 0"))
                }
                _ => None,
            };
            new.push(maker.charge(
                &layer.formula,
                layer.meta.row.clone(),
                base,
                vec![(Part::Goods, line.goods)],
                Some(rate),
                RateSource::Pack,
                raw,
                amount,
                note,
            ));
        }
        if line.yes("section_232") {
            known.missing(format!("lines.{id}.US-232"));
            known.flag("DISABLED_RULE:US-232".to_owned());
            unknown = true;
        }
        if let Some(line) = order.lines.get_mut(i) {
            for c in new {
                add_duty(line, c, false);
            }
            if unknown {
                line.duty = None;
            }
        }
    }
    Ok(())
}

/// Anti-dumping and countervailing duty: an explicit answer, or the quote is partial.
pub(in crate::quote) fn ad_cvd(
    order: &mut Order<'_>,
    rule: &Rule,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let steps = steps_of(order);
    let cur = order.cur;
    for line in &mut order.lines {
        let id = &line.req.id;
        match line.fact("ad_cvd") {
            Some(Fact::No) => {}
            Some(Fact::Text(t)) if tradewind_domain::parse_decimal(t).is_ok() => {
                let rate = tradewind_domain::parse_decimal(t).unwrap_or_default();
                if rate.is_zero() {
                    continue;
                }
                let base = line.goods.decimal();
                let raw = mul(base, rate)?;
                let amount = to_step(raw, steps.duty, steps, cur)?;
                let f = Formula {
                    kind: Kind::AdValorem(rate),
                    charge: "additional_duty".into(),
                    base: vec![Part::Goods],
                    unverified: false,
                };
                let maker = Maker { meta: &rule.meta, collector: &rule.duty_collector };
                let mut c = maker.charge(
                    &f,
                    "US-AD/CVD".into(),
                    base,
                    vec![(Part::Goods, line.goods)],
                    Some(rate),
                    RateSource::Request,
                    raw,
                    amount,
                    Some("cash deposit; formal entry".to_owned()),
                );
                c.rule_id = "US-AD/CVD".into();
                add_duty(line, c, false);
            }
            _ => known.soft(format!("lines.{id}.facts.ad_cvd")),
        }
    }
    Ok(())
}
