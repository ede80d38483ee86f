//! Japan: lines of one rate are one item of the declaration; values, duty and taxes are truncated per item, then shared.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use tradewind_domain::{Money, Rounding};

use super::super::answer::RateSource;
use super::super::prepare::{Order, round};
use super::super::{Known, QuoteError};
use super::tax::tax_rate;
use super::{Maker, Resolved, add_duty, base_of, components, mul, steps_of};
use crate::pack::{Formula, Part, Rule, Steps};

/// Japan: lines of one rate are one item of the declaration; its value is truncated, then its duty.
pub(super) fn truncated_duty(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    maker: &Maker<'_>,
    resolved: &[Resolved],
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
        let total = round(down(raw, steps.duty), cur)?;
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

/// Japan's consumption tax: national and local part, each truncated, on the declaration's total per rate.
pub(super) fn truncated_tax(
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
            Some(t) => groups.entry(t.rate).or_insert_with(|| (t.source, Vec::new())).1.push(i),
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
        let national = round(down(national_raw, steps.tax), cur)?;
        let local_raw = mul(national.decimal(), num)?.checked_div(den).unwrap_or_default();
        let local = round(down(local_raw, steps.tax), cur)?;
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
