//! Japan: lines of one rate are one item of the declaration; values, duty and taxes are truncated per item, then shared.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use tradewind_domain::{Money, Rounding};

use super::super::answer::RateSource;
use super::super::prepare::{Order, round};
use super::super::{Known, QuoteError};
use super::tax::TaxFound;
use super::{Maker, Resolved, Sum, add_duty, base_of, components, mul, steps_of};
use crate::pack::{Formula, Part, Rule, Steps};

fn down(v: Decimal, step: Option<Decimal>) -> Decimal {
    step.map_or(v, |s| Rounding::Down.to_step(v, s))
}

/// Duty on the truncated value of each rate's lines, truncated, shared by value.
pub(super) fn truncated_duty(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    maker: &Maker<'_>,
    resolved: &[Resolved],
    steps: Steps,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let mut groups: BTreeMap<Decimal, Vec<usize>> = BTreeMap::new();
    for (i, r) in resolved.iter().enumerate() {
        match r.as_ref().map(|r| (r, r.ad_valorem())) {
            Some((_, Some(rate))) => groups.entry(rate).or_default().push(i),
            other => {
                if let Some(l) = order.lines.get_mut(i) {
                    if other.is_some() {
                        // How an amount per unit is truncated is not in the rule sheet.
                        known.missing(format!("lines.{}.rates.duty", l.req.id));
                    }
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
            let source =
                resolved.get(*i).and_then(Option::as_ref).map_or(RateSource::None, |r| r.source.clone());
            let sum = Sum {
                layer: maker.meta.row.clone(),
                base,
                components: components(line, &f.base),
                rate: Some(rate),
                source,
                raw: if members.len() == 1 { raw } else { mul(base, rate)? },
                amount: share,
                note: Some(
                    format!("value truncated to {truncated}, duty {raw} truncated to {}", total.decimal())
                        .into(),
                ),
                fx: None,
            };
            add_duty(line, maker.charge(f, sum), true);
        }
    }
    Ok(())
}

/// National share of the combined rate, and the local tax as a fraction of the national one.
pub(super) struct Split {
    pub(super) national: Decimal,
    pub(super) local_num: Decimal,
    pub(super) local_den: Decimal,
}

/// Consumption tax: national and local part, each truncated, on the declaration's total per rate. `found` has the
/// rate of each line.
pub(super) fn truncated_tax(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    maker: &Maker<'_>,
    found: Vec<Option<TaxFound>>,
    split: Split,
) -> Result<(), QuoteError> {
    let steps = steps_of(order);
    let mut groups: BTreeMap<Decimal, (RateSource, Vec<usize>)> = BTreeMap::new();
    for ((i, line), tax) in order.lines.iter_mut().enumerate().zip(found) {
        match tax.filter(|_| line.duty.is_some()) {
            Some(t) => groups.entry(t.rate).or_insert_with(|| (t.source, Vec::new())).1.push(i),
            None => line.vat = None,
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
        let national_rate = rate * split.national;
        let national_raw = mul(truncated, national_rate)?;
        let national = round(down(national_raw, steps.tax), cur)?;
        let local_raw =
            mul(national.decimal(), split.local_num)?.checked_div(split.local_den).unwrap_or_default();
        let local = round(down(local_raw, steps.tax), cur)?;
        let w = if total.is_zero() { vec![Decimal::ONE; members.len()] } else { bases.clone() };
        let local_rate = split.local_num.checked_div(split.local_den).unwrap_or_default();
        for (kind, layer, whole, tax, raw, tax_rate) in [
            ("consumption_tax_national", "JP.CT.national", truncated, national, national_raw, national_rate),
            ("consumption_tax_local", "JP.CT.local", national.decimal(), local, local_raw, local_rate),
        ] {
            let shares = tax.allocate(&w).map_err(|e| QuoteError(e.to_string()))?;
            let tax_rate = tax_rate.round_dp(6).normalize();
            for ((i, share), base) in members.iter().zip(shares).zip(&bases) {
                let Some(line) = order.lines.get_mut(*i) else { continue };
                let sum = Sum {
                    layer: layer.into(),
                    base: *base,
                    components: components(line, &f.base),
                    rate: Some(tax_rate),
                    source: source.clone(),
                    raw,
                    amount: share,
                    note: Some(
                        format!("{whole} × {tax_rate} = {raw}, truncated to {}", tax.decimal()).into(),
                    ),
                    fx: None,
                };
                let mut c = maker.charge(f, sum);
                c.kind = kind.into();
                line.vat = line.vat.and_then(|v| v.try_add(share).ok());
                line.charges.push(c);
            }
        }
    }
    Ok(())
}
