//! Taxes of the VAT kind: on top of their base, inside it, or China's pair of consumption tax and VAT.

use std::borrow::Cow;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::super::answer::{Charge, RateSource};
use super::super::prepare::{Order, Work};
use super::super::{Known, QuoteError, bad};
use super::japan::{Split, truncated_tax};
use super::{Maker, Sum, add, components, mul, part, steps_of, to_step};
use crate::pack::{Formula, Kind, Rule, TaxRate, expand};

/// The rate of a tax on a line.
pub(super) struct TaxFound {
    pub(super) rate: Decimal,
    pub(super) source: RateSource,
    /// The row of the rate table, or the name the rule asks for when the request states the rate.
    pub(super) name: Arc<str>,
    /// Kind of the charge, where the row says so (`hst`).
    pub(super) kind: Option<Arc<str>>,
}

/// The row of the rate table that a rule refers to, for this destination and instant: the same for every line.
struct Row<'p> {
    template: &'p str,
    name: Cow<'p, str>,
    row: Option<&'p TaxRate>,
    /// Its flag, when the rate is graded K.
    unverified: Option<String>,
}

impl<'p> Row<'p> {
    fn of(order: &Order<'p>, template: &'p str) -> Row<'p> {
        // `request:NAME` has no row: the rate depends on the goods and comes with the request.
        let stated = template.strip_prefix("request:");
        let name = expand(stated.unwrap_or(template), order.country.code(), order.region);
        let row = order.pack.tax_rate(&name, order.at).filter(|_| stated.is_none());
        let unverified =
            row.filter(|r| r.meta.confidence.contains('K')).map(|_| format!("UNVERIFIED_RATE:{name}"));
        Row { template, name, row, unverified }
    }

    /// The request's rate before the pack's.
    fn rate(&self, order: &Order<'_>, line: &Work<'_>, known: &mut Known) -> Option<TaxFound> {
        let kind = self.row.and_then(|r| r.kind.clone());
        if let Some(also) = self.row.and_then(|r| r.also.as_ref()) {
            known.soft(also.to_string());
        }
        if let Some(r) = line.req.rates.vat.or(order.req.rates.vat) {
            let name = self.row.map_or_else(|| self.name.as_ref().into(), |r| r.meta.id.clone());
            return Some(TaxFound { rate: r.0, source: RateSource::Request, name, kind });
        }
        if let Some(row) = self.row {
            if let Some(flag) = &self.unverified {
                known.flag_as(flag);
            }
            return Some(TaxFound {
                rate: row.rate,
                source: RateSource::Pack,
                name: row.meta.id.clone(),
                kind,
            });
        }
        let want = if self.template.contains("{region}") {
            "destination.region".to_owned()
        } else {
            format!("lines.{}.rates.vat", line.req.id)
        };
        let rate = known.lacks(want, Decimal::ZERO, None)?;
        Some(TaxFound { rate, source: RateSource::None, name: self.name.as_ref().into(), kind })
    }
}

/// The tax of a rule on every line.
pub(in crate::quote) fn tax(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    collector: &Arc<str>,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let maker = Maker { meta: &rule.meta, collector, pack: &order.pack.digest };
    let Some(template) = f.kind.rate_ref() else { return Ok(()) };
    let row = Row::of(order, template);
    match &f.kind {
        Kind::CbecTaxes { factor, ask, .. } => return cbec(order, f, &maker, &row, *factor, ask, known),
        Kind::Truncated { national_share, local_num, local_den, .. } => {
            let found = order.lines.iter().map(|l| row.rate(order, l, known)).collect();
            let split = Split { national: *national_share, local_num: *local_num, local_den: *local_den };
            return truncated_tax(order, rule, f, &maker, found, split);
        }
        _ => {}
    }
    for i in 0..order.lines.len() {
        let Some(line) = order.lines.get(i) else { break };
        let charge = match row.rate(order, line, known) {
            Some(found) => plain(order, line, f, &maker, found)?,
            None => None,
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

/// A tax on top of its base, or inside it; `None` when part of the base is not known.
fn plain(
    order: &Order<'_>,
    line: &Work<'_>,
    f: &Formula,
    maker: &Maker<'_>,
    found: TaxFound,
) -> Result<Option<Charge>, QuoteError> {
    let steps = steps_of(order);
    let rate = found.rate;
    let base: Option<Decimal> = f.base.iter().map(|p| part(line, *p, steps.base_unrounded)).sum();
    let Some(base) = base else { return Ok(None) };
    let (raw, note) = match (&f.kind, line.contained_tax) {
        (Kind::Inclusive(_), _) => {
            let net = Decimal::ONE - rate;
            let gross =
                base.checked_div(net).ok_or_else(|| QuoteError(format!("rate {rate} leaves no base")))?;
            // Multiplied before divided: one rounding of the 28th digit less.
            let raw = mul(base, rate)?.checked_div(net).unwrap_or_default();
            let note =
                format!("inside its own base: {base} / (1 − {rate}) × {rate}, of {}", gross.round_dp(4));
            (raw, Some(Arc::from(note)))
        }
        // C8: the tax inside the price is gross − net; the rest of the base is taxed on top.
        (_, Some(inside)) => {
            let rest = base - line.goods.decimal();
            (add(inside, mul(rest, rate)?)?, Some(Arc::from("price includes the tax: gross − net")))
        }
        _ => (mul(base, rate)?, None),
    };
    let sum = Sum {
        layer: found.name,
        base,
        components: components(line, &f.base),
        rate: Some(rate),
        source: found.source,
        raw,
        amount: to_step(raw, steps.tax, steps, order.cur)?,
        note,
        fx: None,
    };
    let mut c = maker.charge(f, sum);
    if let Some(kind) = found.kind {
        c.kind = kind;
    }
    Ok(Some(c))
}

/// China: consumption tax c inside its base, VAT on value and the whole consumption tax; of both a share is due.
fn cbec(
    order: &mut Order<'_>,
    f: &Formula,
    maker: &Maker<'_>,
    row: &Row<'_>,
    factor: Decimal,
    ask: &str,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let steps = steps_of(order);
    let cur = order.cur;
    for i in 0..order.lines.len() {
        let Some(line) = order.lines.get(i) else { break };
        let id = &line.req.id;
        let c = match (line.req.rates.consumption_tax, &line.hs) {
            (Some(c), _) => Some((c.0, RateSource::Request)),
            (None, Some(hs)) if !order.pack.in_set(ask, hs.as_str()) => {
                known.flag(format!("UNVERIFIED_RATE:{id}.consumption_tax=0"));
                Some((Decimal::ZERO, RateSource::Pack))
            }
            (None, _) => known
                .lacks(format!("lines.{id}.rates.consumption_tax"), Decimal::ZERO, None)
                .map(|r| (r, RateSource::None)),
        };
        let found = row.rate(order, line, known);
        let base: Option<Decimal> = f.base.iter().map(|p| part(line, *p, true)).sum();
        let (Some((c, c_source)), Some(found), Some(dv)) = (c, found, base) else {
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
        let share: Option<Arc<str>> = (factor != Decimal::ONE).then(|| {
            format!("{} % of the full tax is due", (factor * Decimal::ONE_HUNDRED).normalize()).into()
        });
        let ct_raw = mul(full, factor)?;
        let consumption = Sum {
            layer: "CN.CT".into(),
            base: dv,
            components: components(line, &f.base),
            rate: Some(c),
            source: c_source,
            raw: ct_raw,
            amount: to_step(ct_raw, steps.tax, steps, cur)?,
            note: share.clone(),
            fx: None,
        };
        let vat_raw = mul(mul(dv + full, found.rate)?, factor)?;
        let vat = Sum {
            layer: found.name,
            base: dv + full,
            components: components(line, &f.base),
            rate: Some(found.rate),
            source: found.source,
            raw: vat_raw,
            amount: to_step(vat_raw, steps.tax, steps, cur)?,
            note: share,
            fx: None,
        };
        let (mut consumption, mut vat) = (maker.charge(f, consumption), maker.charge(f, vat));
        (consumption.kind, vat.kind) = ("consumption_tax".into(), "vat".into());
        if let Some(line) = order.lines.get_mut(i) {
            line.vat = line.vat.and_then(|s| s.try_add(vat.amount).ok());
            if !c.is_zero() {
                line.consumption = line.consumption.and_then(|s| s.try_add(consumption.amount).ok());
                line.charges.push(consumption);
            }
            line.charges.push(vat);
        }
    }
    Ok(())
}
