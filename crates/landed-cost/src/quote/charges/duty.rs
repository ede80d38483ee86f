//! Duty formulas: rates from request, pack or tariff; flat amounts per commodity group; a percentage less a fixed amount.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use tradewind_domain::{Currency, Money};

use super::super::answer::RateSource;
use super::super::prepare::{Order, Work, round, weights};
use super::super::{Known, QuoteError, Side, bad};
use super::tariff::{remedy, tariff_rate};
use super::{Maker, Rated, Resolved, Sum, add, add_duty, base_of, components, japan, mul, steps_of, to_step};
use crate::pack::{Formula, Kind, Part, Rule};
use crate::rates::TariffSource;

/// One duty formula over all lines. `first` marks the rule's own duty, which the request's rate overrides.
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
            return flat(order, f, maker, (*amount, *currency), digits, known);
        }
        Kind::PercentMinusFixed { rate, minus, currency } => {
            return percent_minus_fixed(order, rule, f, maker, (*rate, *minus, *currency), known);
        }
        _ => {}
    }
    let mut resolved: Vec<Resolved> = Vec::with_capacity(order.lines.len());
    for line in &order.lines {
        resolved.push(resolve(order, line, f, maker, tariff, known, first)?);
    }
    let asked = first && matches!(f.kind, Kind::Tariff);
    let mut remedies: Vec<Option<Decimal>> = Vec::new();
    if asked {
        remedies.extend(order.lines.iter().map(|line| remedy(order, line, tariff, known)));
    }
    if steps.base.is_some() && first {
        for ((line, rated), _) in
            order.lines.iter().zip(&mut resolved).zip(&remedies).filter(|(_, r)| r.is_some())
        {
            // How a second duty is truncated is not in the rule sheet.
            known.missing(format!("lines.{}.rates.duty", line.req.id));
            *rated = None;
        }
        return japan::truncated_duty(order, rule, f, maker, &resolved, steps, known);
    }
    let cur = order.cur;
    let remedies = remedies.into_iter().chain(std::iter::repeat(None));
    for ((line, rated), remedy) in order.lines.iter_mut().zip(resolved).zip(remedies) {
        let (Some(rated), Some(base)) = (rated, base_of(line, &f.base, rule.factor)) else {
            line.duty = None;
            continue;
        };
        let raw = add(mul(base, rated.rate)?, rated.fixed)?;
        if first {
            line.mfn = rated.ad_valorem();
        }
        let sum = Sum {
            layer: maker.meta.row.clone(),
            base,
            components: components(line, &f.base),
            rate: (rated.fixed.is_zero() || !rated.rate.is_zero()).then_some(rated.rate),
            source: rated.source,
            raw,
            amount: to_step(raw, steps.duty, steps, cur)?,
            note: rated.note.map(Into::into),
            fx: rated.fx,
        };
        add_duty(line, maker.charge(f, sum), first);
        if let Some(rate) = remedy.filter(|r| !r.is_zero()) {
            let raw = mul(base, rate)?;
            let sum = Sum {
                layer: "AD/CVD".into(),
                base,
                components: components(line, &f.base),
                rate: Some(rate),
                source: RateSource::Request,
                raw,
                amount: to_step(raw, steps.duty, steps, cur)?,
                note: Some("trade remedy that the tariff names for this origin: facts.ad_cvd".into()),
                fx: None,
            };
            let mut charge = maker.charge(f, sum);
            charge.kind = "additional_duty".into();
            add_duty(line, charge, false);
        }
    }
    Ok(())
}

/// The rate of a formula on one line.
fn resolve(
    order: &Order<'_>,
    line: &Work<'_>,
    f: &Formula,
    maker: &Maker<'_>,
    tariff: &dyn TariffSource,
    known: &mut Known,
    first: bool,
) -> Result<Resolved, QuoteError> {
    let id = &line.req.id;
    let row = &maker.meta.row;
    let given = line.req.rates.duty.or(order.req.rates.duty).filter(|_| first && f.charge.as_ref() == "duty");
    let mut from_pack = |r: Decimal| {
        if f.unverified {
            known.flag(format!("UNVERIFIED_RATE:{row}"));
        }
        Some(Rated::new(r, RateSource::Pack))
    };
    Ok(match (&f.kind, given) {
        (Kind::Tariff, _) => tariff_rate(order, line, tariff, known),
        (Kind::AdValorem(_) | Kind::ByChapter(..), Some(r)) => Some(Rated::new(r.0, RateSource::Request)),
        (Kind::AdValorem(r), None) => from_pack(*r),
        (Kind::ByChapter(table, default), None) => match &line.hs {
            Some(hs) => match prefix_rate(table, hs.as_str()).unwrap_or(*default) {
                Some(r) => from_pack(r),
                None => tariff_rate(order, line, tariff, known),
            },
            None => {
                let all: Option<Vec<Decimal>> = table.iter().map(|(_, r)| *r).chain([*default]).collect();
                let low = all.as_ref().and_then(|a| a.iter().min().copied()).unwrap_or_default();
                let high = all.and_then(|a| a.into_iter().max());
                known.lacks(format!("lines.{id}.hs"), low, high).map(Rated::assumed)
            }
        },
        (Kind::ByClass(table), _) => match line.req.rates.postal_class {
            Some(class) => match class_rate(table, class.0) {
                Some(r) => Some(Rated::new(r, RateSource::Request)),
                None => {
                    let classes: Vec<String> = table.iter().map(|(k, r)| format!("{k} ({r})")).collect();
                    return Err(bad(
                        &format!("lines.{id}.rates.postal_class"),
                        format!("{} is no class: {}", class.0, classes.join(", ")),
                    ));
                }
            },
            None => {
                let low = table.iter().map(|(_, r)| *r).min().unwrap_or_default();
                let high = table.iter().map(|(_, r)| *r).max();
                known.lacks(format!("lines.{id}.rates.postal_class"), low, high).map(Rated::assumed)
            }
        },
        _ => known.lacks(format!("rule {row}"), Decimal::ZERO, None).map(Rated::assumed),
    })
}

/// The entry of the longest prefix; its rate is `None` where the tariff's holds.
fn prefix_rate(table: &[(Arc<str>, Option<Decimal>)], hs: &str) -> Option<Option<Decimal>> {
    table.iter().find(|(p, _)| hs.starts_with(p.as_ref())).map(|(_, r)| *r)
}

fn class_rate(table: &[(Arc<str>, Decimal)], given: Decimal) -> Option<Decimal> {
    let key = given.normalize().to_string();
    table
        .iter()
        .find(|(k, r)| k.as_ref() == key || *r == given || *r * Decimal::ONE_HUNDRED == given)
        .map(|(_, r)| *r)
}

/// Brazil: a rate less an amount per consignment, which is shared by value.
fn percent_minus_fixed(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    maker: &Maker<'_>,
    (rate, minus, currency): (Decimal, Decimal, Currency),
    known: &mut Known,
) -> Result<(), QuoteError> {
    let steps = steps_of(order);
    let Some((off, fx)) = order.fx.exchange(minus, currency, order.cur) else {
        known.missing(format!("fx.{currency}.{}", order.cur));
        order.lines.iter_mut().for_each(|l| l.duty = None);
        return Ok(());
    };
    let off = round(off, order.cur)?;
    let values: Vec<Money> = order.lines.iter().map(|l| l.goods).collect();
    let shares = off.allocate(&weights(values.into_iter())).map_err(|e| QuoteError(e.to_string()))?;
    for (line, share) in order.lines.iter_mut().zip(shares) {
        let base = base_of(line, &f.base, rule.factor).unwrap_or_default();
        let raw = (mul(base, rate)? - share.decimal()).max(Decimal::ZERO);
        let sum = Sum {
            layer: maker.meta.row.clone(),
            base,
            components: components(line, &f.base),
            rate: Some(rate),
            source: RateSource::Pack,
            raw,
            amount: to_step(raw, steps.duty, steps, order.cur)?,
            note: Some(format!("less {} of the fixed deduction", share.decimal()).into()),
            fx: fx.clone(),
        };
        add_duty(line, maker.charge(f, sum), true);
    }
    Ok(())
}

/// What makes lines one commodity: the leading digits of their code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Code([u8; 10]),
    /// A line without a code, when bounds are computed.
    Unknown(usize),
}

impl Group {
    fn of(digits: &str) -> Group {
        let mut code = [b' '; 10];
        for (to, from) in code.iter_mut().zip(digits.bytes()) {
            *to = from;
        }
        Group::Code(code)
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Group::Code(c) => f.write_str(String::from_utf8_lossy(c).trim_end()),
            Group::Unknown(_) => f.write_str("?"),
        }
    }
}

/// C12: a flat amount per commodity group, shared inside the group by value.
fn flat(
    order: &mut Order<'_>,
    f: &Formula,
    maker: &Maker<'_>,
    (amount, currency): (Decimal, Currency),
    digits: usize,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let Some((each, fx)) = order.fx.exchange(amount, currency, order.cur) else {
        known.missing(format!("fx.{currency}.{}", order.cur));
        order.lines.iter_mut().for_each(|l| l.duty = None);
        return Ok(());
    };
    let rounded = round(each, order.cur)?;
    let sum = |line: &Work<'_>, raw: Decimal, amount: Money, note: Option<Arc<str>>| Sum {
        layer: maker.meta.row.clone(),
        base: line.goods.decimal(),
        components: vec![(Part::Goods, line.goods)],
        rate: None,
        source: RateSource::None,
        raw,
        amount,
        note,
        fx: fx.clone(),
    };
    if let [line] = order.lines.as_mut_slice()
        && line.hs.as_ref().is_some_and(|h| h.len() >= digits)
    {
        let c = maker.charge(f, sum(line, each, rounded, None));
        add_duty(line, c, true);
        return Ok(());
    }
    let mut groups: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
    let mut nameless: Vec<usize> = Vec::new();
    for (i, line) in order.lines.iter_mut().enumerate() {
        match line.hs.as_ref().and_then(|h| h.as_str().get(..digits)).map(Group::of) {
            Some(group) => groups.entry(group).or_default().push(i),
            None => match known.side() {
                None => {
                    known.missing(format!("lines.{}.hs", line.req.id));
                    line.duty = None;
                }
                Some(Side::Low) => nameless.push(i),
                Some(Side::High) => groups.entry(Group::Unknown(i)).or_default().push(i),
            },
        }
    }
    // At best the lines without a code fall into a group that is paid for anyway.
    if !nameless.is_empty() {
        match groups.values_mut().next() {
            Some(first) => first.extend(nameless),
            None => drop(groups.insert(Group::Unknown(0), nameless)),
        }
    }
    for (group, members) in groups {
        let values: Vec<Money> =
            members.iter().filter_map(|i| order.lines.get(*i)).map(|l| l.goods).collect();
        let w = weights(values.into_iter());
        let total: Decimal = w.iter().sum();
        let shares = rounded.allocate(&w).map_err(|e| QuoteError(e.to_string()))?;
        let note: Option<Arc<str>> = (members.len() > 1).then(|| {
            format!("{rounded} for HS {group}, shared by value among {} lines", members.len()).into()
        });
        for ((i, share), weight) in members.iter().zip(shares).zip(&w) {
            let Some(line) = order.lines.get_mut(*i) else { continue };
            let raw = if members.len() == 1 { each } else { each * weight / total };
            let c = maker.charge(f, sum(line, raw, share, note.clone()));
            add_duty(line, c, true);
        }
    }
    Ok(())
}
