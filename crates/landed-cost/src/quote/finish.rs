//! Adding up: from charged lines to the answer.

use std::collections::BTreeMap;

use tradewind_domain::{Country, Money};

use super::QuoteError;
use super::answer::*;
use super::known::{Known, push};
use super::owed::Owed;
use super::prepare::{self, Order, Work, round};
use super::select;
use crate::pack::{Metric, Outcome, Part, Rule};
use crate::request::Request;

/// A country without rules: what the request itself says is shown, everything else is not known.
pub(super) fn no_pack(req: &Request, country: Country) -> Result<Quote, QuoteError> {
    let (cur, worth) = prepare::worth(req)?;
    let none = |goods, freight, insurance| Totals {
        goods,
        freight,
        insurance,
        duty: None,
        excise: None,
        consumption_tax: None,
        vat: None,
        taxes: None,
        fees: None,
        landed: None,
    };
    let sum = |f: fn(&[Money; 3]) -> Money| Money::try_sum(cur, worth.iter().map(f));
    let out_of_range = |e: tradewind_domain::MoneyError| QuoteError(e.to_string());
    let totals = none(
        sum(|w| w[0]).map_err(out_of_range)?,
        sum(|w| w[1]).map_err(out_of_range)?,
        sum(|w| w[2]).map_err(out_of_range)?,
    );
    let lines = req.lines.iter().zip(&worth).map(|(l, [goods, freight, insurance])| Line {
        id: l.id.clone(),
        goods: *goods,
        freight: *freight,
        insurance: *insurance,
        duty: None,
        excise: None,
        consumption_tax: None,
        vat: None,
        landed: None,
        charges: Vec::new(),
    });
    Ok(Quote {
        status: Status::Indeterminate,
        missing: vec![format!("rules.{country}")],
        flags: Vec::new(),
        bounds: None,
        reason: Some(format!(
            "no rule pack covers {country} ({}): add one to the packs folder",
            country.name()
        )),
        fallback: None,
        lines: lines.collect(),
        totals,
        fees: Vec::new(),
        waived: Vec::new(),
        parcels: None,
        year_total_after: None,
        valuation: None,
        tax_treatment: TaxTreatment { collected_at_sale: false, scheme: None, collector: None },
        currency: cur.to_string(),
        fx: Vec::new(),
        packs: BTreeMap::new(),
        tariffs: BTreeMap::new(),
        legal_event_at: req.legal_event_at.clone(),
        parcel: None,
        rule: None,
    })
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

/// What is added up.
pub(super) enum Answer<'p> {
    /// The amounts that a rule gives.
    Amounts(&'p Rule, Owed),
    /// No amounts: by the rule, where one was found, or for want of something.
    Nothing(Option<&'p Rule>, Outcome),
}

pub(super) fn finish(order: Order<'_>, mut known: Known, answer: Answer<'_>) -> Finished {
    let (rule, outcome, treatment, fees, waived) = match answer {
        Answer::Amounts(rule, Owed { treatment, fees, waived }) => {
            (Some(rule), Outcome::Quote, Some(treatment), fees, waived)
        }
        Answer::Nothing(rule, outcome) => (rule, outcome, None, Vec::new(), Vec::new()),
    };
    let cur = order.cur;
    let zero = Money::zero(cur);
    let quoted = outcome == Outcome::Quote;
    if quoted && known.side().is_none() && known.hard.is_empty() {
        // An amount that could not be computed (out of range) is missing too, never zero.
        // (Without its excise a line has no VAT either: that is said already.)
        let lost = |w: &&Work<'_>| {
            w.duty.is_none() || w.consumption.is_none() || (w.vat.is_none() && w.excise.is_some())
        };
        for w in order.lines.iter().filter(lost) {
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
    let limit = order.pack.currency;
    let year_total_after = rule.filter(|r| r.counter && quoted).and_then(|_| {
        let value = order.fx.convert(order.cif(), cur, limit)?;
        round(order.req.buyer.year_total_before?.0.checked_add(value)?, limit).ok()
    });
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
    // The rate that the order's amounts were converted with; other rates of the quote belong to the amounts of rules,
    // or only compared a threshold.
    let converted = if order.source_cur == cur { None } else { order.fx.between(order.source_cur, cur) };
    let (fx, failures) = order.fx.into_used();
    let mut charged = zero;
    let mut lines = Vec::with_capacity(order.lines.len());
    for mut w in order.lines {
        for c in &mut w.charges {
            c.fx = match (c.fx.take(), &converted) {
                (Some(own), Some(all)) if own != *all => Some(format!("{all}; {own}").into()),
                (own, all) => own.or_else(|| all.clone()),
            };
        }
        let (duty, excise, ct, vat) =
            if quoted { (w.duty, w.excise, w.consumption, w.vat) } else { (None, None, None, None) };
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
    totals.fees = Some(fee_sum).filter(|_| quoted && !known.fees_unknown);
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
    let mut tariffs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (jurisdiction, sha256) in known.tariffs {
        tariffs.entry(jurisdiction.to_string()).or_default().push(format!("sha256:{sha256}"));
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
        tariffs,
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
