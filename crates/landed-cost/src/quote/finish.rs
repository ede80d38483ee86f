//! Adding up: from charged lines to the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use tradewind_domain::{Country, Money};

use super::answer::*;
use super::collect::Treatment;
use super::known::{Known, push};
use super::prepare::{Order, round};
use super::select;
use crate::pack::{Metric, Outcome, Part, Rule};
use crate::request::Request;

pub(super) fn no_pack(req: &Request, country: Country) -> Quote {
    let cur = tradewind_domain::Currency::new(&req.currency).unwrap_or(tradewind_domain::Currency::USD);
    let zero = Money::zero(cur);
    Quote {
        status: Status::Indeterminate,
        missing: vec![format!("rules.{country}")],
        flags: Vec::new(),
        bounds: None,
        reason: Some(format!(
            "no rule pack covers {country} ({}): add one to the packs folder",
            country.name()
        )),
        fallback: None,
        lines: Vec::new(),
        totals: Totals {
            goods: zero,
            freight: zero,
            insurance: zero,
            duty: None,
            excise: None,
            consumption_tax: None,
            vat: None,
            taxes: None,
            fees: None,
            landed: None,
        },
        fees: Vec::new(),
        waived: Vec::new(),
        parcels: None,
        year_total_after: None,
        valuation: None,
        tax_treatment: TaxTreatment { collected_at_sale: false, scheme: None, collector: None },
        currency: req.currency.clone(),
        fx: Vec::new(),
        packs: BTreeMap::new(),
        legal_event_at: req.legal_event_at.clone(),
        parcel: None,
        rule: None,
    }
}

/// An answer with what its bounds are made of.
pub(super) struct Finished {
    pub(super) quote: Quote,
    /// Sum of the charges that are known.
    charged: Money,
    fees: Money,
    /// Goods, freight and insurance.
    cost: Money,
    unbounded: bool,
}

impl Finished {
    /// The answer, with bounds from two evaluations that filled every gap with its best and its worst value.
    pub(super) fn between(mut self, low: Finished, high: Finished) -> Quote {
        let add = |a: Money, b: Money| a.try_add(b).ok();
        let most = high.quote.totals.taxes.filter(|_| !high.unbounded);
        let landed = |f: &Finished, taxes: Money| add(add(f.cost, taxes)?, f.fees);
        self.quote.bounds = landed(&low, low.charged).map(|least| Bounds {
            taxes: Range { low: low.charged, high: most },
            landed: Range { low: least, high: most.and_then(|t| landed(&high, t)) },
        });
        self.quote
    }
}

pub(super) fn finish(
    order: Order<'_>,
    rule: Option<&Rule>,
    mut known: Known,
    outcome: Outcome,
    treatment: Option<Treatment>,
    fees: Vec<FeeLine>,
    waived: Vec<Waived>,
) -> Finished {
    let cur = order.cur;
    let zero = Money::zero(cur);
    let quoted = outcome == Outcome::Quote;
    if quoted && known.side().is_none() && known.hard.is_empty() {
        // An amount that could not be computed (out of range) is missing too, never zero.
        for w in order.lines.iter().filter(|w| w.duty.is_none() || w.consumption.is_none() || w.vat.is_none())
        {
            push(&mut known.hard, format!("lines.{}.duty", w.req.id));
        }
    }
    let status = match outcome {
        Outcome::NotEligible => Status::NotEligible,
        Outcome::Blocked => Status::Blocked,
        Outcome::Indeterminate => Status::Indeterminate,
        Outcome::Quote if !known.hard.is_empty() => Status::Indeterminate,
        Outcome::Quote if !known.soft.is_empty() => Status::Partial,
        Outcome::Quote => Status::Complete,
    };
    let valuation = rule.map(|r| valuation(&order, r));
    let year_total_after = rule
        .filter(|r| r.counter && quoted)
        .and_then(|_| round(order.req.buyer.year_total_before?.0 + order.cif(), cur).ok());
    let plus = |a: Option<Money>, b: Option<Money>| a?.try_add(b?).ok();
    let add = |a: Money, b: Money| a.try_add(b).unwrap_or(a);
    let mut totals = Totals {
        goods: zero,
        freight: zero,
        insurance: zero,
        duty: Some(zero),
        excise: Some(zero),
        consumption_tax: Some(zero),
        vat: Some(zero),
        taxes: None,
        fees: None,
        landed: None,
    };
    let (fx, failures) = order.fx.into_used();
    let converted: Option<Arc<str>> = fx.first().map(|f| f.id.as_str().into());
    let mut charged = zero;
    let mut lines = Vec::with_capacity(order.lines.len());
    for mut w in order.lines {
        for c in &mut w.charges {
            c.fx.clone_from(&converted);
        }
        // Excise without a figure leaves a partial answer: the amounts that stand are shown, the bound is open.
        let excise = if status == Status::Partial { w.excise.or(Some(zero)) } else { w.excise };
        let (duty, excise, ct, vat) =
            if quoted { (w.duty, excise, w.consumption, w.vat) } else { (None, None, None, None) };
        let cost = add(add(w.goods, w.freight), w.insurance);
        let taxes = plus(plus(duty, excise), plus(ct, vat));
        charged = w.charges.iter().fold(charged, |s, c| add(s, c.amount));
        totals.goods = add(totals.goods, w.goods);
        totals.freight = add(totals.freight, w.freight);
        totals.insurance = add(totals.insurance, w.insurance);
        totals.duty = plus(totals.duty, duty);
        totals.excise = plus(totals.excise, excise);
        totals.consumption_tax = plus(totals.consumption_tax, ct);
        totals.vat = plus(totals.vat, vat);
        lines.push(Line {
            id: w.req.id.clone(),
            goods: w.goods,
            freight: w.freight,
            insurance: w.insurance,
            duty,
            excise,
            consumption_tax: ct,
            vat,
            landed: plus(Some(cost), taxes),
            charges: w.charges,
        });
    }
    let fee_sum = fees.iter().fold(zero, |s, f| add(s, f.amount));
    let cost = add(add(totals.goods, totals.freight), totals.insurance);
    totals.taxes = plus(plus(totals.duty, totals.excise), plus(totals.consumption_tax, totals.vat));
    totals.fees = quoted.then_some(fee_sum);
    totals.landed = plus(plus(Some(cost), totals.taxes), totals.fees);
    let bounds = matches!(status, Status::Partial | Status::Indeterminate).then(|| Bounds {
        taxes: Range { low: charged, high: None },
        landed: Range { low: add(add(cost, charged), fee_sum), high: None },
    });
    let unbounded = known.unbounded || !known.soft.is_empty();
    let mut missing = known.hard;
    missing.extend(known.soft);
    if missing.iter().any(|m| m.starts_with("fx.")) && known.reason.is_none() && !failures.is_empty() {
        known.reason = Some(failures.join("; "));
    }
    let mut flags = known.flags;
    if order.pack.fx_unverified && !fx.is_empty() {
        push(&mut flags, format!("UNVERIFIED_FX_RULE:{}", order.pack.jurisdiction));
    }
    let quote = Quote {
        status,
        missing,
        flags,
        bounds,
        reason: known.reason,
        fallback: rule.filter(|_| !quoted).and_then(|r| r.fallback.as_ref().map(ToString::to_string)),
        lines,
        totals,
        fees,
        waived,
        parcels: None,
        year_total_after,
        valuation,
        tax_treatment: TaxTreatment {
            collected_at_sale: treatment.as_ref().is_some_and(|t| t.at_sale),
            scheme: treatment.as_ref().and_then(|t| t.scheme.clone()),
            collector: treatment.map(|t| t.tax),
        },
        currency: cur.to_string(),
        fx,
        packs: BTreeMap::from([(order.pack.jurisdiction.to_string(), order.pack.digest.to_string())]),
        legal_event_at: order.req.legal_event_at.clone(),
        parcel: None,
        rule: rule.map(|r| r.meta.id.clone()),
    };
    Finished { quote, charged, fees: fee_sum, cost, unbounded }
}

fn valuation(order: &Order<'_>, rule: &Rule) -> Valuation {
    let band = rule.when.value.first();
    let measured = band.map(|b| select::measure(order, rule, b));
    let customs = match (rule.factor, rule.duty.base.contains(&Part::Freight)) {
        (Some(f), _) => order.goods() * f,
        (None, true) => order.cif(),
        (None, false) => order.goods(),
    };
    let customs = round(customs, order.cur).unwrap_or(Money::zero(order.cur));
    let plain = match rule.metric {
        Metric::Cif => order.cif(),
        Metric::CustomsValue => customs.decimal(),
        _ => order.goods(),
    };
    let (threshold_value, threshold_currency) = match (measured, band) {
        (Some(select::Measured::Value(v)), Some(b)) => {
            let text = round(v, b.currency).map(Money::amount).ok();
            (text, (b.currency != order.cur).then(|| b.currency.to_string()))
        }
        (Some(select::Measured::Missing(_)), _) => (None, None),
        _ => (round(plain, order.cur).map(Money::amount).ok(), None),
    };
    Valuation {
        metric: band.map_or(rule.metric, |b| b.metric).name(),
        threshold_value,
        threshold_currency,
        customs_value: customs,
    }
}
