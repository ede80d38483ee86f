//! Formulas applied to lines. Each function adds charges, or says what is missing; a missing figure makes the
//! amount `None`, never zero.
//!
//! `duty` holds the duty formulas, `tariff` the rates that a tariff prints, `layers` the additional duties on top,
//! `tax` the taxes of the VAT kind, `japan` the truncated declaration; here is what they share.

mod duty;
mod japan;
mod layers;
mod tariff;
mod tax;

use std::sync::Arc;

use rust_decimal::Decimal;
use tradewind_domain::{Currency, Exact, Money, Rounding};

use super::QuoteError;
use super::answer::{Charge, RateSource};
use super::prepare::{Order, Work};
use crate::pack::{Formula, Part, Provenance, Steps};

pub(super) use duty::duty;
pub(super) use layers::layers;
pub(super) use tax::tax;

/// What a line owes: a share of the base, and an amount that does not depend on it (44¢ each).
#[derive(Debug, Clone)]
struct Rated {
    rate: Decimal,
    /// In the currency of the quote, unrounded.
    fixed: Decimal,
    source: RateSource,
    note: Option<String>,
    /// The exchange rate of the fixed part.
    fx: Option<Arc<str>>,
}

impl Rated {
    fn new(rate: Decimal, source: RateSource) -> Rated {
        Rated { rate, fixed: Decimal::ZERO, source, note: None, fx: None }
    }

    /// Taken for a bound, never for an answer.
    fn assumed(rate: Decimal) -> Rated {
        Rated::new(rate, RateSource::None)
    }

    /// A plain share of the base, which a cap can be compared with.
    fn ad_valorem(&self) -> Option<Decimal> {
        self.fixed.is_zero().then_some(self.rate)
    }
}

/// `None` while it is not known.
type Resolved = Option<Rated>;

fn to_step(raw: Decimal, step: Option<Decimal>, steps: Steps, cur: Currency) -> Result<Money, QuoteError> {
    let value = step.map_or(raw, |s| steps.mode.to_step(raw, s));
    Exact::new(value, cur).round(steps.mode).map_err(|e| QuoteError(e.to_string()))
}

/// Steps count in the destination's currency; in another one only the minor unit rounds.
fn steps_of(order: &Order<'_>) -> Steps {
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
    let mut out = Vec::with_capacity(base.len());
    out.extend(base.iter().filter_map(|p| {
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
    }));
    out
}

/// The base of a duty. A valuation factor (Japan's 0.6 of the retail price) replaces freight and insurance.
fn base_of(line: &Work<'_>, base: &[Part], factor: Option<Decimal>) -> Option<Decimal> {
    if let Some(f) = factor
        && base.contains(&Part::Goods)
        && base.contains(&Part::Freight)
    {
        return Some(line.goods.decimal() * f);
    }
    base.iter().map(|p| part(line, *p, false)).sum()
}

/// Makes charges of one rule.
pub(super) struct Maker<'a> {
    pub(super) meta: &'a Provenance,
    pub(super) collector: &'a Arc<str>,
    /// Digest of the pack.
    pub(super) pack: &'a Arc<str>,
}

/// The arithmetic of one charge.
struct Sum {
    layer: Arc<str>,
    base: Decimal,
    components: Vec<(Part, Money)>,
    rate: Option<Decimal>,
    source: RateSource,
    raw: Decimal,
    amount: Money,
    note: Option<Arc<str>>,
    /// The exchange rate of an amount of the rule itself, such as 3 EUR.
    fx: Option<Arc<str>>,
}

impl Maker<'_> {
    fn charge(&self, f: &Formula, sum: Sum) -> Charge {
        Charge {
            kind: f.charge.clone(),
            layer: sum.layer,
            rule_id: self.meta.row.clone(),
            title: self.meta.title.clone(),
            formula: f.kind.name(),
            base: sum.base,
            components: sum.components,
            rate: sum.rate,
            rate_source: sum.source,
            raw: sum.raw,
            amount: sum.amount,
            collector: self.collector.clone(),
            note: sum.note,
            fx: sum.fx,
            pack: self.pack.clone(),
        }
    }
}

fn mul(a: Decimal, b: Decimal) -> Result<Decimal, QuoteError> {
    a.checked_mul(b).ok_or_else(|| QuoteError(format!("{a} × {b} is out of range")))
}

fn add(a: Decimal, b: Decimal) -> Result<Decimal, QuoteError> {
    a.checked_add(b).ok_or_else(|| QuoteError(format!("{a} + {b} is out of range")))
}

/// Adds a duty to a line; the first one is the base of surcharges on it.
fn add_duty(line: &mut Work<'_>, c: Charge, first: bool) {
    if first {
        line.basic_duty = c.amount;
    }
    line.duty_raw += c.raw;
    line.duty = line.duty.and_then(|d| d.try_add(c.amount).ok());
    line.charges.push(c);
}
