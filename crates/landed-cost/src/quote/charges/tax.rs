//! Taxes of the VAT kind: on top of their base, inside it, or China's pair of consumption tax and VAT.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::super::answer::RateSource;
use super::super::prepare::{Order, Work};
use super::super::{Known, QuoteError, bad};
use super::japan::truncated_tax;
use super::{Maker, components, mul, part, steps_of, to_step};
use crate::pack::{Formula, Kind, Rule, expand};

/// The rate of a tax on a line.
pub(super) struct TaxFound {
    pub(super) rate: Decimal,
    pub(super) source: RateSource,
    /// The row of the rate table, or the name the rule asks for when the request states the rate.
    pub(super) name: Arc<str>,
    /// Kind of the charge, where the row says so (`hst`).
    pub(super) kind: Option<Arc<str>>,
}

/// The rate of a tax for a line: the request's before the pack's.
pub(super) fn tax_rate(
    order: &Order<'_>,
    line: &Work<'_>,
    template: &str,
    known: &mut Known,
) -> Option<TaxFound> {
    let pack = order.pack;
    let name = expand(template, order.country.code(), order.region);
    let row = pack.tax_rate(&name, order.at);
    let kind = row.and_then(|r| r.kind.clone());
    if let Some(also) = row.and_then(|r| r.also.as_ref()) {
        known.soft(also.to_string());
    }
    if let Some(r) = line.req.rates.vat.or(order.req.rates.vat) {
        return Some(TaxFound { rate: r.0, source: RateSource::Request, name: name.into(), kind });
    }
    if let Some(row) = row {
        if row.meta.confidence.contains('K') {
            known.flag(format!("UNVERIFIED_RATE:{name}"));
        }
        return Some(TaxFound { rate: row.rate, source: RateSource::Pack, name: row.meta.id.clone(), kind });
    }
    known.missing(if template.contains("{region}") {
        "destination.region".to_owned()
    } else {
        format!("lines.{}.rates.vat", line.req.id)
    });
    None
}

/// The tax of a rule on every line.
pub(in crate::quote) fn tax(
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
            (Some(TaxFound { rate, source, name, kind }), Some(base)) => {
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
        let (Some((c, c_source)), Some(TaxFound { rate: v, source: v_source, name, .. }), Some(dv)) =
            (c, v, base)
        else {
            if let Some(l) = order.lines.get_mut(i) {
                (l.vat, l.consumption) = (None, None);
            }
            continue;
        };
        if c >= Decimal::ONE {
            return Err(bad(
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
