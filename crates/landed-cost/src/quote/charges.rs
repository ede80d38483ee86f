//! Formulas applied to lines. Each function adds charges, or says what is missing; a missing figure makes the
//! amount `None`, never zero.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use tradewind_domain::{Country, Exact, Money, Rounding};

use super::answer::{Charge, RateSource};
use super::prepare::{Order, Work, weights};
use super::{Known, QuoteError};
use crate::pack::{Formula, Kind, Part, Provenance, Rule, Steps, expand};
use crate::rates::{Lookup, Rate, TariffSource};
use crate::request::Fact;

pub(super) fn to_step(
    raw: Decimal,
    step: Option<Decimal>,
    steps: Steps,
    cur: tradewind_domain::Currency,
) -> Result<Money, QuoteError> {
    let value = step.map_or(raw, |s| steps.mode.to_step(raw, s));
    Exact::new(value, cur).round(steps.mode).map_err(|e| QuoteError(e.to_string()))
}

/// Steps count in the destination's currency; in another one only the minor unit rounds.
pub(super) fn steps_of(order: &Order<'_>) -> Steps {
    if order.cur == order.pack.currency_of(order.country) {
        order.pack.steps
    } else {
        Steps { mode: Rounding::HalfUp, duty: None, tax: None, base: None, ..order.pack.steps }
    }
}

fn part(line: &Work<'_>, p: Part, raw_duty: bool) -> Option<Decimal> {
    match p {
        Part::Goods => Some(line.goods.decimal()),
        Part::Freight => Some(line.freight.decimal()),
        Part::Insurance => Some(line.insurance.decimal()),
        Part::Duty if raw_duty => line.duty.map(|_| line.duty_raw),
        Part::Duty => line.duty.map(Money::decimal),
        Part::Excise => line.excise.map(Money::decimal),
        Part::ConsumptionTax => line.consumption.map(Money::decimal),
        Part::BasicDuty => line.duty.map(|_| line.basic_duty.decimal()),
    }
}

fn components(line: &Work<'_>, base: &[Part]) -> Vec<(Part, Money)> {
    base.iter()
        .filter_map(|p| {
            let m = match p {
                Part::Goods => line.goods,
                Part::Freight => line.freight,
                Part::Insurance => line.insurance,
                Part::Duty => line.duty?,
                Part::Excise => line.excise?,
                Part::ConsumptionTax => line.consumption?,
                Part::BasicDuty => line.basic_duty,
            };
            Some((*p, m))
        })
        .collect()
}

fn base_of(line: &Work<'_>, base: &[Part], factor: Option<Decimal>) -> Option<Decimal> {
    if let Some(f) = factor
        && base.contains(&Part::Goods)
        && base.contains(&Part::Freight)
    {
        return Some(line.goods.decimal() * f);
    }
    base.iter().map(|p| part(line, *p, false)).sum()
}

pub(super) struct Maker<'a> {
    pub(super) meta: &'a Provenance,
    pub(super) collector: &'a Arc<str>,
}

impl Maker<'_> {
    #[allow(clippy::too_many_arguments)]
    fn charge(
        &self,
        f: &Formula,
        layer: Arc<str>,
        base: Decimal,
        components: Vec<(Part, Money)>,
        rate: Option<Decimal>,
        rate_source: RateSource,
        raw: Decimal,
        amount: Money,
        note: Option<String>,
    ) -> Charge {
        Charge {
            kind: f.charge.clone(),
            layer,
            rule_id: self.meta.row.clone(),
            title: self.meta.title.clone(),
            formula: f.kind.name(),
            base,
            components,
            rate,
            rate_source,
            raw,
            amount,
            collector: self.collector.clone(),
            note,
        }
    }
}

/// The tariff's ad valorem rate of a line: the request's, else the store's.
pub(super) fn tariff_rate(
    order: &Order<'_>,
    line: &Work<'_>,
    tariff: &dyn TariffSource,
    known: &mut Known,
) -> Option<(Decimal, RateSource)> {
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
pub(super) fn duty(
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
            let off = super::prepare::round(off, order.cur)?;
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
    let mut resolved: Vec<Option<(Decimal, RateSource)>> = Vec::with_capacity(order.lines.len());
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
                        return Err(super::bad(
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
        return truncated_duty(order, rule, f, maker, &resolved, steps);
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

fn mul(a: Decimal, b: Decimal) -> Result<Decimal, QuoteError> {
    a.checked_mul(b).ok_or_else(|| QuoteError(format!("{a} × {b} is out of range")))
}

pub(super) fn add_duty(line: &mut Work<'_>, c: Charge, first: bool) {
    if first {
        line.basic_duty = c.amount;
    }
    line.duty_raw += c.raw;
    line.duty = line.duty.and_then(|d| d.try_add(c.amount).ok());
    line.charges.push(c);
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
    let rounded = super::prepare::round(each, order.cur)?;
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

/// Japan: lines of one rate are one item of the declaration; its value is truncated, then its duty.
fn truncated_duty(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    maker: &Maker<'_>,
    resolved: &[Option<(Decimal, RateSource)>],
    steps: Steps,
) -> Result<(), QuoteError> {
    let down = |v: Decimal, step: Option<Decimal>| step.map_or(v, |s| Rounding::Down.to_step(v, s));
    let mut groups: BTreeMap<Decimal, Vec<usize>> = BTreeMap::new();
    for (i, r) in resolved.iter().enumerate() {
        match r {
            Some((rate, _)) => groups.entry(*rate).or_default().push(i),
            None => {
                if let Some(l) = order.lines.get_mut(i) {
                    l.duty = None;
                }
            }
        }
    }
    let cur = order.cur;
    for (rate, members) in groups {
        let bases: Vec<Decimal> = members
            .iter()
            .filter_map(|i| order.lines.get(*i))
            .map(|l| base_of(l, &f.base, rule.factor).unwrap_or_default())
            .collect();
        let cv: Decimal = bases.iter().sum();
        let truncated = down(cv, steps.base);
        let raw = mul(truncated, rate)?;
        let total = super::prepare::round(down(raw, steps.duty), cur)?;
        let w = if cv.is_zero() { vec![Decimal::ONE; members.len()] } else { bases.clone() };
        let shares = total.allocate(&w).map_err(|e| QuoteError(e.to_string()))?;
        for ((i, share), base) in members.iter().zip(shares).zip(bases) {
            let Some(line) = order.lines.get_mut(*i) else { continue };
            let source = resolved.get(*i).and_then(|r| r.as_ref()).map_or(RateSource::None, |r| r.1.clone());
            let note =
                Some(format!("value truncated to {truncated}, duty {raw} truncated to {}", total.decimal()));
            let line_raw = if members.len() == 1 { raw } else { mul(base, rate)? };
            let c = maker.charge(
                f,
                maker.meta.row.clone(),
                base,
                components(line, &f.base),
                Some(rate),
                source,
                line_raw,
                share,
                note,
            );
            add_duty(line, c, true);
        }
    }
    Ok(())
}

/// Layers of additional duty on each line (US).
pub(super) fn layers(
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
pub(super) fn ad_cvd(order: &mut Order<'_>, rule: &Rule, known: &mut Known) -> Result<(), QuoteError> {
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

/// The rate of a tax for a line, with the name of its row and its kind.
fn tax_rate(
    order: &Order<'_>,
    line: &Work<'_>,
    template: &str,
    known: &mut Known,
) -> Option<(Decimal, RateSource, Arc<str>, Option<Arc<str>>)> {
    let pack = order.pack;
    let name = expand(template, order.country.code(), order.region);
    let row = pack.tax_rate(&name, order.at);
    let kind = row.and_then(|r| r.kind.clone());
    if let Some(also) = row.and_then(|r| r.also.as_ref()) {
        known.soft(also.to_string());
    }
    if let Some(r) = line.req.rates.vat.or(order.req.rates.vat) {
        return Some((r.0, RateSource::Request, name.into(), kind));
    }
    if let Some(row) = row {
        if row.meta.confidence.contains('K') {
            known.flag(format!("UNVERIFIED_RATE:{name}"));
        }
        return Some((row.rate, RateSource::Pack, row.meta.id.clone(), kind));
    }
    known.missing(if template.contains("{region}") {
        "destination.region".to_owned()
    } else {
        format!("lines.{}.rates.vat", line.req.id)
    });
    None
}

/// The tax of a rule on every line.
pub(super) fn tax(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    collector: &Arc<str>,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let maker = Maker { meta: &rule.meta, collector };
    match &f.kind {
        Kind::CbecTaxes { rate_ref, factor, ask } => {
            return cbec(order, f, &maker, rate_ref, *factor, ask, known);
        }
        Kind::Truncated { rate_ref, national_share, local_num, local_den } => {
            return truncated_tax(
                order,
                rule,
                f,
                &maker,
                rate_ref,
                (*national_share, *local_num, *local_den),
                known,
            );
        }
        _ => {}
    }
    let steps = steps_of(order);
    let (Kind::Vat(template) | Kind::Inclusive(template)) = &f.kind else { return Ok(()) };
    for i in 0..order.lines.len() {
        let Some(line) = order.lines.get(i) else { break };
        let found = tax_rate(order, line, template, known);
        let raw_duty = steps.base_unrounded;
        let base: Option<Decimal> = f.base.iter().map(|p| part(line, *p, raw_duty)).sum();
        let charge = match (found, base) {
            (Some((rate, source, name, kind)), Some(base)) => {
                let (raw, note) = match (&f.kind, line.contained_tax) {
                    (Kind::Inclusive(_), _) => {
                        let net = Decimal::ONE - rate;
                        let gross = base
                            .checked_div(net)
                            .ok_or_else(|| QuoteError(format!("rate {rate} leaves no base")))?;
                        // Multiplied before divided: one rounding of the 28th digit less.
                        let raw = mul(base, rate)?.checked_div(net).unwrap_or_default();
                        (
                            raw,
                            Some(format!(
                                "inside its own base: {} / (1 − {rate}) × {rate}, of {}",
                                base,
                                gross.round_dp(4)
                            )),
                        )
                    }
                    // C8: the tax inside the price is gross − net; the rest of the base is taxed on top.
                    (_, Some(inside)) => {
                        let rest = base - line.goods.decimal();
                        (inside + mul(rest, rate)?, Some("price includes the tax: gross − net".to_owned()))
                    }
                    _ => (mul(base, rate)?, None),
                };
                let amount = to_step(raw, steps.tax, steps, order.cur)?;
                let mut c = maker.charge(
                    f,
                    name,
                    base,
                    components(line, &f.base),
                    Some(rate),
                    source,
                    raw,
                    amount,
                    note,
                );
                if let Some(kind) = kind {
                    c.kind = kind;
                }
                Some(c)
            }
            _ => None,
        };
        if let Some(line) = order.lines.get_mut(i) {
            match charge {
                Some(c) => {
                    line.vat = line.vat.and_then(|v| v.try_add(c.amount).ok());
                    line.charges.push(c);
                }
                None => line.vat = None,
            }
        }
    }
    Ok(())
}

fn cbec(
    order: &mut Order<'_>,
    f: &Formula,
    maker: &Maker<'_>,
    rate_ref: &str,
    factor: Decimal,
    ask: &str,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let steps = steps_of(order);
    for i in 0..order.lines.len() {
        let Some(line) = order.lines.get(i) else { break };
        let id = &line.req.id;
        let c = match (line.req.rates.consumption_tax, &line.hs) {
            (Some(c), _) => Some((c.0, RateSource::Request)),
            (None, Some(hs)) if !order.pack.in_set(ask, hs.as_str()) => {
                known.flag(format!("UNVERIFIED_RATE:{id}.consumption_tax=0"));
                Some((Decimal::ZERO, RateSource::Pack))
            }
            (None, _) => {
                known.missing(format!("lines.{id}.rates.consumption_tax"));
                None
            }
        };
        let v = tax_rate(order, line, rate_ref, known);
        let base: Option<Decimal> = f.base.iter().map(|p| part(line, *p, true)).sum();
        let (Some((c, c_source)), Some((v, v_source, name, _)), Some(dv)) = (c, v, base) else {
            if let Some(l) = order.lines.get_mut(i) {
                (l.vat, l.consumption) = (None, None);
            }
            continue;
        };
        if c >= Decimal::ONE {
            return Err(super::bad(
                &format!("lines.{id}.rates.consumption_tax"),
                format!("{c} leaves no base: a rate below 1"),
            ));
        }
        let full = mul(dv, c)?.checked_div(Decimal::ONE - c).unwrap_or_default();
        let share = (factor != Decimal::ONE)
            .then(|| format!("{} % of the full tax is due", (factor * Decimal::ONE_HUNDRED).normalize()));
        let mut charges = Vec::with_capacity(2);
        let cur = order.cur;
        if !c.is_zero() {
            let raw = mul(full, factor)?;
            let mut ct = maker.charge(
                f,
                "CN.CT".into(),
                dv,
                components(line, &f.base),
                Some(c),
                c_source,
                raw,
                to_step(raw, steps.tax, steps, cur)?,
                share.clone(),
            );
            ct.kind = "consumption_tax".into();
            charges.push(ct);
        }
        let raw = mul(mul(dv + full, v)?, factor)?;
        let mut vat = maker.charge(
            f,
            name,
            dv + full,
            components(line, &f.base),
            Some(v),
            v_source,
            raw,
            to_step(raw, steps.tax, steps, cur)?,
            share,
        );
        vat.kind = "vat".into();
        charges.push(vat);
        if let Some(line) = order.lines.get_mut(i) {
            for c in charges {
                let slot = if c.kind.as_ref() == "vat" { &mut line.vat } else { &mut line.consumption };
                *slot = slot.and_then(|s| s.try_add(c.amount).ok());
                line.charges.push(c);
            }
        }
    }
    Ok(())
}

/// Japan's consumption tax: national and local part, each truncated, on the declaration's total per rate.
fn truncated_tax(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    maker: &Maker<'_>,
    rate_ref: &str,
    (national_share, num, den): (Decimal, Decimal, Decimal),
    known: &mut Known,
) -> Result<(), QuoteError> {
    let steps = steps_of(order);
    let down = |v: Decimal, step: Option<Decimal>| step.map_or(v, |s| Rounding::Down.to_step(v, s));
    let mut groups: BTreeMap<Decimal, (RateSource, Vec<usize>)> = BTreeMap::new();
    for i in 0..order.lines.len() {
        let Some(line) = order.lines.get(i) else { break };
        match tax_rate(order, line, rate_ref, known).filter(|_| line.duty.is_some()) {
            Some((rate, source, ..)) => groups.entry(rate).or_insert_with(|| (source, Vec::new())).1.push(i),
            None => {
                if let Some(l) = order.lines.get_mut(i) {
                    l.vat = None;
                }
            }
        }
    }
    let cur = order.cur;
    let value_parts = [Part::Goods, Part::Freight, Part::Insurance];
    for (rate, (source, members)) in groups {
        let bases: Vec<Decimal> = members
            .iter()
            .filter_map(|i| order.lines.get(*i))
            .map(|l| {
                base_of(l, &value_parts, rule.factor).unwrap_or_default()
                    + l.duty.map_or(Decimal::ZERO, Money::decimal)
            })
            .collect();
        let total: Decimal = bases.iter().sum();
        let truncated = down(total, steps.base);
        let national_rate = rate * national_share;
        let national_raw = mul(truncated, national_rate)?;
        let national = super::prepare::round(down(national_raw, steps.tax), cur)?;
        let local_raw = mul(national.decimal(), num)?.checked_div(den).unwrap_or_default();
        let local = super::prepare::round(down(local_raw, steps.tax), cur)?;
        let w = if total.is_zero() { vec![Decimal::ONE; members.len()] } else { bases.clone() };
        for (kind, layer, tax, raw, tax_rate) in [
            ("consumption_tax_national", "JP.CT.national", national, national_raw, national_rate),
            ("consumption_tax_local", "JP.CT.local", local, local_raw, num / den),
        ] {
            let shares = tax.allocate(&w).map_err(|e| QuoteError(e.to_string()))?;
            for ((i, share), base) in members.iter().zip(shares).zip(&bases) {
                let Some(line) = order.lines.get_mut(*i) else { continue };
                let whole = if kind == "consumption_tax_national" { truncated } else { national.decimal() };
                let note = Some(format!(
                    "{whole} × {} = {raw}, truncated to {}",
                    tax_rate.round_dp(6).normalize(),
                    tax.decimal()
                ));
                let mut c = maker.charge(
                    f,
                    layer.into(),
                    *base,
                    components(line, &f.base),
                    Some(tax_rate.round_dp(6)),
                    source.clone(),
                    raw,
                    share,
                    note,
                );
                c.kind = kind.into();
                line.vat = line.vat.and_then(|v| v.try_add(share).ok());
                line.charges.push(c);
            }
        }
    }
    Ok(())
}
