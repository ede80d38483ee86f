//! Duty formulas: rates from request, pack or tariff; flat amounts per commodity group; a percentage less a fixed amount.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use tradewind_domain::{Country, Money};

use super::super::answer::RateSource;
use super::super::prepare::{Order, Work, round, weights};
use super::super::{Known, QuoteError, bad};
use super::{Maker, Resolved, add_duty, base_of, components, japan, mul, steps_of, to_step};
use crate::pack::{Formula, Kind, Part, Rule};
use crate::rates::{Lookup, Rate, TariffSource};

/// The tariff's ad valorem rate of a line: the request's, else the store's.
fn tariff_rate(order: &Order<'_>, line: &Work<'_>, tariff: &dyn TariffSource, known: &mut Known) -> Resolved {
    if let Some(r) = line.req.rates.duty.or(order.req.rates.duty) {
        return Some((r.0, RateSource::Request));
    }
    let id = &line.req.id;
    let Some(hs) = &line.hs else {
        known.missing(format!("lines.{id}.hs"));
        return None;
    };
    let Some(origin) = line.origin else {
        known.missing(format!("lines.{id}.origin"));
        return None;
    };
    match tariff.lookup(&order.pack.jurisdiction, hs, Country::new(origin).ok(), order.at) {
        Lookup::Found { rate, source, .. } => match rate.ad_valorem() {
            Some(r) => Some((r, RateSource::Tariff(source.into()))),
            None => {
                if let Rate::Unparsed(text) = &rate {
                    known.flag(format!("RATE_NOT_PARSED:{id}:{text}"));
                }
                known.missing(format!("lines.{id}.rates.duty"));
                None
            }
        },
        Lookup::Ambiguous(_) => {
            known.flag(format!("HS_TOO_SHORT:{id}"));
            known.missing(format!("lines.{id}.rates.duty"));
            None
        }
        Lookup::Missing => {
            known.missing(format!("lines.{id}.rates.duty"));
            None
        }
    }
}

fn prefix_rate(table: &[(Arc<str>, Decimal)], hs: &str) -> Option<Decimal> {
    table.iter().find(|(p, _)| hs.starts_with(p.as_ref())).map(|(_, r)| *r)
}

fn class_rate(table: &[(Arc<str>, Decimal)], given: Decimal) -> Option<Decimal> {
    let key = given.normalize().to_string();
    table
        .iter()
        .find(|(k, r)| k.as_ref() == key || *r == given || *r * Decimal::ONE_HUNDRED == given)
        .map(|(_, r)| *r)
}

/// One duty formula over all lines.
pub(in crate::quote) fn duty(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    maker: &Maker<'_>,
    tariff: &dyn TariffSource,
    known: &mut Known,
    first: bool,
) -> Result<(), QuoteError> {
    let steps = steps_of(order);
    match &f.kind {
        Kind::Free => return Ok(()),
        Kind::FlatPerHsGroup { amount, currency, digits, by_entry } => {
            let entry = order.req.entry_type.as_deref().unwrap_or("");
            let digits = by_entry.iter().find(|(e, _)| e.as_ref() == entry).map_or(*digits, |(_, d)| *d);
            return flat(order, f, maker, *amount, *currency, digits, known);
        }
        Kind::PercentMinusFixed { minus, currency, .. } => {
            let Some(off) = order.fx.convert(*minus, *currency, order.cur) else {
                known.missing(format!("fx.{currency}.{}", order.cur));
                order.lines.iter_mut().for_each(|l| l.duty = None);
                return Ok(());
            };
            let off = round(off, order.cur)?;
            let values: Vec<Money> = order.lines.iter().map(|l| l.goods).collect();
            let shares = off.allocate(&weights(values.into_iter())).map_err(|e| QuoteError(e.to_string()))?;
            let Kind::PercentMinusFixed { rate, .. } = &f.kind else { return Ok(()) };
            for (line, share) in order.lines.iter_mut().zip(shares) {
                let base = base_of(line, &f.base, rule.factor).unwrap_or_default();
                let raw = (base * rate - share.decimal()).max(Decimal::ZERO);
                let amount = to_step(raw, steps.duty, steps, order.cur)?;
                let note = Some(format!("less {} of the fixed deduction", share.decimal()));
                let c = maker.charge(
                    f,
                    maker.meta.row.clone(),
                    base,
                    components(line, &f.base),
                    Some(*rate),
                    RateSource::Pack,
                    raw,
                    amount,
                    note,
                );
                add_duty(line, c, first);
            }
            return Ok(());
        }
        _ => {}
    }
    let mut resolved: Vec<Resolved> = Vec::with_capacity(order.lines.len());
    for line in &order.lines {
        let id = &line.req.id;
        let given =
            line.req.rates.duty.or(order.req.rates.duty).filter(|_| first && f.charge.as_ref() == "duty");
        let rate = match (&f.kind, given) {
            (Kind::Tariff, _) => tariff_rate(order, line, tariff, known),
            (Kind::AdValorem(_) | Kind::ByChapter(..), Some(r)) => Some((r.0, RateSource::Request)),
            (Kind::AdValorem(r), None) => {
                if f.unverified {
                    known.flag(format!("UNVERIFIED_RATE:{}", maker.meta.row));
                }
                Some((*r, RateSource::Pack))
            }
            (Kind::ByChapter(table, default), None) => match &line.hs {
                None => {
                    known.missing(format!("lines.{id}.hs"));
                    None
                }
                Some(hs) => match prefix_rate(table, hs.as_str()) {
                    Some(r) if !r.is_sign_negative() => {
                        if f.unverified {
                            known.flag(format!("UNVERIFIED_RATE:{}", maker.meta.row));
                        }
                        Some((r, RateSource::Pack))
                    }
                    // A negative entry marks goods that the table leaves to the tariff.
                    Some(_) => tariff_rate(order, line, tariff, known),
                    None => match default {
                        Some(d) => {
                            if f.unverified {
                                known.flag(format!("UNVERIFIED_RATE:{}", maker.meta.row));
                            }
                            Some((*d, RateSource::Pack))
                        }
                        None => tariff_rate(order, line, tariff, known),
                    },
                },
            },
            (Kind::ByClass(table), _) => match line.req.rates.postal_class {
                Some(class) => match class_rate(table, class.0) {
                    Some(r) => Some((r, RateSource::Request)),
                    None => {
                        let classes: Vec<String> = table.iter().map(|(k, r)| format!("{k} ({r})")).collect();
                        return Err(bad(
                            &format!("lines.{id}.rates.postal_class"),
                            format!("{} is no class: {}", class.0, classes.join(", ")),
                        ));
                    }
                },
                None => {
                    known.missing(format!("lines.{id}.rates.postal_class"));
                    None
                }
            },
            (Kind::Unknown, _) => {
                known.missing(format!("rule {}", maker.meta.row));
                None
            }
            _ => {
                known.missing(format!("rule {}: formula '{}' is no duty", maker.meta.row, f.kind.name()));
                None
            }
        };
        resolved.push(rate);
    }
    if steps.base.is_some() && first {
        return japan::truncated_duty(order, rule, f, maker, &resolved, steps);
    }
    let cur = order.cur;
    for (line, rate) in order.lines.iter_mut().zip(resolved) {
        let (Some((rate, source)), Some(base)) = (rate, base_of(line, &f.base, rule.factor)) else {
            line.duty = None;
            continue;
        };
        let raw = mul(base, rate)?;
        let amount = to_step(raw, steps.duty, steps, cur)?;
        let c = maker.charge(
            f,
            maker.meta.row.clone(),
            base,
            components(line, &f.base),
            Some(rate),
            source,
            raw,
            amount,
            None,
        );
        if first {
            line.mfn = Some(rate);
        }
        add_duty(line, c, first);
    }
    Ok(())
}

/// C12: a flat amount per commodity group, shared inside the group by value.
fn flat(
    order: &mut Order<'_>,
    f: &Formula,
    maker: &Maker<'_>,
    amount: Decimal,
    currency: tradewind_domain::Currency,
    digits: usize,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let Some(each) = order.fx.convert(amount, currency, order.cur) else {
        known.missing(format!("fx.{currency}.{}", order.cur));
        order.lines.iter_mut().for_each(|l| l.duty = None);
        return Ok(());
    };
    let rounded = round(each, order.cur)?;
    if let [line] = order.lines.as_mut_slice()
        && line.hs.as_ref().is_some_and(|h| h.len() >= digits)
    {
        let base = line.goods.decimal();
        let parts = vec![(Part::Goods, line.goods)];
        let c =
            maker.charge(f, maker.meta.row.clone(), base, parts, None, RateSource::None, each, rounded, None);
        add_duty(line, c, true);
        return Ok(());
    }
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, line) in order.lines.iter_mut().enumerate() {
        match line.hs.as_ref().and_then(|h| h.as_str().get(..digits).map(str::to_owned)) {
            Some(group) => groups.entry(group).or_default().push(i),
            None => {
                known.missing(format!("lines.{}.hs", line.req.id));
                line.duty = None;
            }
        }
    }
    for (group, members) in groups {
        let values: Vec<Money> =
            members.iter().filter_map(|i| order.lines.get(*i)).map(|l| l.goods).collect();
        let w = weights(values.into_iter());
        let total: Decimal = w.iter().sum();
        let shares = rounded.allocate(&w).map_err(|e| QuoteError(e.to_string()))?;
        for ((i, share), weight) in members.iter().zip(shares).zip(&w) {
            let Some(line) = order.lines.get_mut(*i) else { continue };
            let raw = if members.len() == 1 { each } else { each * weight / total };
            let note = (members.len() > 1).then(|| {
                format!("{} for HS {group}, shared by value among {} lines", rounded, members.len())
            });
            let parts = vec![(Part::Goods, line.goods)];
            let c = maker.charge(
                f,
                maker.meta.row.clone(),
                line.goods.decimal(),
                parts,
                None,
                RateSource::None,
                raw,
                share,
                note,
            );
            add_duty(line, c, true);
        }
    }
    Ok(())
}
