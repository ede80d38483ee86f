//! The engine: prepare the order, select the rule, apply its formulas, add up.

mod answer;
mod charges;
mod fees;
mod fx;
mod prepare;
mod select;

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use tradewind_domain::{Country, Money};

pub use answer::*;

use crate::pack::{Outcome, Pack, PackSet, Part, Rule};
use crate::rates::{FxSource, NoFx, NoTariff, TariffSource};
use crate::request::Request;
use prepare::Order;

/// The request itself cannot be answered: the message names the field and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuoteError(pub String);

pub(crate) fn bad(field: &str, message: impl std::fmt::Display) -> QuoteError {
    QuoteError(format!("{field}: {message}"))
}

/// What is learnt on the way: gaps, flags, reasons.
#[derive(Default)]
pub(crate) struct Known {
    hard: Vec<String>,
    soft: Vec<String>,
    flags: Vec<String>,
    reason: Option<String>,
}

fn push(list: &mut Vec<String>, s: String) {
    if !list.contains(&s) {
        list.push(s);
    }
}

impl Known {
    /// An amount cannot be known without it.
    pub(crate) fn missing(&mut self, s: String) {
        push(&mut self.hard, s);
    }
    /// Something may come on top.
    pub(crate) fn soft(&mut self, s: String) {
        push(&mut self.soft, s);
    }
    pub(crate) fn flag(&mut self, s: String) {
        push(&mut self.flags, s);
    }
    pub(crate) fn reason(&mut self, s: &str) {
        self.reason.get_or_insert_with(|| s.to_owned());
    }
}

/// Packs with a tariff and a rate book: answers requests.
pub struct Engine<'a> {
    packs: &'a PackSet,
    tariff: &'a dyn TariffSource,
    book: &'a dyn FxSource,
}

impl<'a> Engine<'a> {
    /// An engine in which every rate comes from the request or the packs.
    #[must_use]
    pub fn new(packs: &'a PackSet) -> Engine<'a> {
        Engine { packs, tariff: &NoTariff, book: &NoFx }
    }

    /// With a tariff for rates that the request leaves out.
    #[must_use]
    pub fn with_tariff(self, tariff: &'a dyn TariffSource) -> Engine<'a> {
        Engine { tariff, ..self }
    }

    /// With a rate book for exchange rates that the request leaves out.
    #[must_use]
    pub fn with_fx(self, book: &'a dyn FxSource) -> Engine<'a> {
        Engine { book, ..self }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The request contradicts itself or names what does not exist (country, currency, region, pack version,
    /// negative price). What is merely missing is in the answer.
    pub fn quote(&self, req: &Request) -> Result<Quote, QuoteError> {
        let mut whole = self.one(req)?;
        if let Some(split) = &req.parcels {
            whole.parcels = Some(self.split(req, split, &mut whole)?);
        }
        Ok(whole)
    }

    fn split(
        &self,
        req: &Request,
        split: &[Vec<String>],
        whole: &mut Quote,
    ) -> Result<Vec<Quote>, QuoteError> {
        let mut seen: Vec<&str> = Vec::new();
        for id in split.iter().flatten() {
            if !req.lines.iter().any(|l| &l.id == id) {
                return Err(bad("parcels", format!("'{id}' is no line of the order")));
            }
            if seen.contains(&id.as_str()) {
                return Err(bad("parcels", format!("line '{id}' is in two parcels")));
            }
            seen.push(id);
        }
        if let Some(line) = req.lines.iter().find(|l| !seen.contains(&l.id.as_str())) {
            return Err(bad("parcels", format!("line '{}' is in no parcel", line.id)));
        }
        let source = tradewind_domain::Currency::new(&req.currency).map_err(|e| bad("currency", e))?;
        // Freight of the order is shared by value in the request's currency, so that parcels add up to the order.
        let values: Vec<Money> = req
            .lines
            .iter()
            .map(|l| {
                let v = l.unit_price.0 * l.quantity.0 - l.discount.map_or(Decimal::ZERO, |d| d.0);
                prepare::round(v, source)
            })
            .collect::<Result<_, _>>()?;
        let w = prepare::weights(values.into_iter());
        let share = |n: Option<crate::request::Num>| -> Result<Vec<Money>, QuoteError> {
            let total = prepare::round(n.map_or(Decimal::ZERO, |n| n.0), source)?;
            total.allocate(&w).map_err(|e| QuoteError(e.to_string()))
        };
        let (freight, insurance) = (share(req.freight)?, share(req.insurance)?);
        let mut out = Vec::with_capacity(split.len());
        let mut year = req.buyer.year_total_before.map(|n| n.0);
        for ids in split.iter().filter(|p| !p.is_empty()) {
            let mine = |m: &[Money]| -> Decimal {
                req.lines.iter().zip(m).filter(|(l, _)| ids.contains(&l.id)).map(|(_, m)| m.decimal()).sum()
            };
            let mut part = req.clone();
            part.parcels = None;
            part.lines.retain(|l| ids.contains(&l.id));
            part.freight = Some(crate::request::Num(mine(&freight)));
            part.insurance = Some(crate::request::Num(mine(&insurance)));
            part.buyer.year_total_before = year.map(crate::request::Num);
            let mut quote = self.one(&part)?;
            if let Some(after) = quote.year_total_after {
                year = Some(after.decimal());
            }
            quote.parcel = Some(ids.clone());
            out.push(quote);
        }
        let known = |q: &Quote| q.totals.taxes.map(Money::decimal);
        let parts: Option<Decimal> = out.iter().map(known).sum();
        let slips =
            out.iter().any(|q| q.rule != whole.rule || !q.waived.is_empty() && whole.waived.is_empty());
        let cheaper = matches!((parts, known(whole)), (Some(p), Some(w)) if p < w);
        if out.len() > 1 && (slips || cheaper) {
            push(&mut whole.flags, "SPLIT_RISK".to_owned());
            for q in &mut out {
                push(&mut q.flags, "SPLIT_RISK".to_owned());
            }
        }
        Ok(out)
    }

    fn pack_for(&self, req: &Request, country: Country) -> Result<Option<&'a Arc<Pack>>, QuoteError> {
        let Some(pack) = self.packs.for_country(country) else { return Ok(None) };
        match req.pack_versions.as_ref().and_then(|v| v.get(pack.jurisdiction.as_ref())) {
            None => Ok(Some(pack)),
            Some(version) => match self.packs.version(&pack.jurisdiction, version) {
                Some(p) => Ok(Some(p)),
                None => Err(bad(
                    "pack_versions",
                    format!(
                        "{} {version} is not loaded: put the old file under versions/ of the packs folder and give --packs",
                        pack.jurisdiction
                    ),
                )),
            },
        }
    }

    fn one(&self, req: &Request) -> Result<Quote, QuoteError> {
        let code = req.destination.country.as_str();
        let region = req.destination.region.as_deref().unwrap_or("");
        let code = if code == "GB" && matches!(region, "NI" | "NIR" | "XI") { "XI" } else { code };
        let country = Country::new(code).map_err(|e| bad("destination.country", e))?;
        if let Some(from) = &req.ship_from {
            Country::new(from).map_err(|e| bad("ship_from", e))?;
        }
        closed("flow", req.flow.as_deref(), &["import_b2c", "import_b2b", "gift", "personal_effects"])?;
        closed("channel", req.channel.as_deref(), &["courier", "express_hub", "post", "freight"])?;
        closed(
            "mode_of_transport",
            req.mode_of_transport.as_deref(),
            &["air", "ocean", "rail", "road", "post"],
        )?;
        let Some(pack) = self.pack_for(req, country)? else { return Ok(no_pack(req, country)) };
        if !region.is_empty()
            && !pack.regions.is_empty()
            && !pack.regions.iter().any(|r| r.as_ref() == region)
        {
            let all: Vec<&str> = pack.regions.iter().map(AsRef::as_ref).collect();
            return Err(bad(
                "destination.region",
                format!("'{region}' is no region of {country}: {}", all.join(", ")),
            ));
        }
        let at = prepare::instant(&req.legal_event_at, pack)?;
        let order = Order::new(req, pack, country, at, self.book)?;
        self.evaluate(order)
    }

    fn evaluate(&self, mut order: Order<'_>) -> Result<Quote, QuoteError> {
        let mut known = Known::default();
        let selection = select::select(&order);
        if selection.near {
            known.flag("NEAR_THRESHOLD".to_owned());
        }
        if selection.assumed_channel {
            known.flag("CHANNEL_ASSUMED:courier".to_owned());
        }
        if order.cur != order.pack.currency_of(order.country) && order.req.quote_currency.is_none() {
            known.flag(format!("NOT_IN_DESTINATION_CURRENCY:{}", order.pack.currency_of(order.country)));
        }
        for m in selection.missing {
            known.missing(m);
        }
        let Some(rule) = selection.rule.filter(|_| known.hard.is_empty()) else {
            if known.hard.is_empty() {
                known.missing(format!("rules.{}", order.pack.jurisdiction));
                known.reason(&format!(
                    "no rule of {} {} covers this order at that instant",
                    order.pack.jurisdiction, order.pack.version
                ));
            }
            return Ok(finish(order, None, known, Outcome::Indeterminate, Vec::new(), Vec::new()));
        };
        for f in &rule.flags {
            known.flag(f.to_string());
        }
        if !rule.meta.enabled {
            known.flag(format!("DISABLED_RULE:{}", rule.meta.row));
            known.missing(format!("rule {}", rule.meta.row));
            known.reason(&format!(
                "rule {} is disabled (confidence {}): {}",
                rule.meta.row, rule.meta.confidence, rule.meta.title
            ));
            return Ok(finish(order, Some(rule), known, Outcome::Indeterminate, Vec::new(), Vec::new()));
        }
        if rule.outcome != Outcome::Quote {
            if let Some(r) = &rule.reason {
                known.reason(r);
            }
            if rule.outcome == Outcome::Indeterminate {
                known.missing(format!("rule {}", rule.meta.row));
            }
            return Ok(finish(order, Some(rule), known, rule.outcome, Vec::new(), Vec::new()));
        }
        if order.pack.steps.base.is_some() && order.cur != order.pack.currency_of(order.country) {
            known.missing(format!("fx.{}.{}", order.source_cur, order.pack.currency_of(order.country)));
            return Ok(finish(order, Some(rule), known, Outcome::Indeterminate, Vec::new(), Vec::new()));
        }
        let treatment = treatment(&order, rule);
        let maker = charges::Maker { meta: &rule.meta, collector: &treatment.duty };
        charges::duty(&mut order, rule, &rule.duty, &maker, self.tariff, &mut known, true)?;
        for f in &rule.extra {
            charges::duty(&mut order, rule, f, &maker, self.tariff, &mut known, false)?;
        }
        if rule.layers {
            charges::layers(&mut order, rule, self.tariff, &mut known)?;
        }
        if rule.ad_cvd {
            charges::ad_cvd(&mut order, rule, &mut known)?;
        }
        if let Some(set) = &rule.excise {
            for line in &mut order.lines {
                if line.hs.as_ref().is_some_and(|h| order.pack.in_set(set, h.as_str())) {
                    known.soft(format!("lines.{}.excise", line.req.id));
                    line.excise = None;
                }
            }
        }
        for p in &rule.partial {
            known.soft(p.to_string());
        }
        if let Some(f) = &rule.tax {
            if treatment.nobody {
                known.flag("NO_TAX_AT_SALE:SELLER_NOT_REGISTERED".to_owned());
            } else if treatment.reverse_charge {
                known.flag("REVERSE_CHARGE".to_owned());
            } else {
                // A missing excise does not hide the tax that is known; the status says that more may come.
                let unknown: Vec<bool> = order.lines.iter().map(|l| l.excise.is_none()).collect();
                for line in &mut order.lines {
                    line.excise = Some(Money::zero(order.cur));
                }
                charges::tax(&mut order, rule, f, &treatment.tax, &mut known)?;
                for (line, u) in order.lines.iter_mut().zip(unknown) {
                    if u {
                        line.excise = None;
                    }
                }
            }
        }
        let waived = waive(&mut order, rule, &mut known)?;
        let fees = if rule.layers { fees::fees(&order, &mut known)? } else { Vec::new() };
        Ok(finish(order, Some(rule), known, Outcome::Quote, fees, waived))
    }
}

fn closed(field: &str, value: Option<&str>, known: &[&str]) -> Result<(), QuoteError> {
    match value {
        Some(v) if !known.contains(&v) => Err(bad(field, format!("'{v}' is unknown: {}", known.join(", ")))),
        _ => Ok(()),
    }
}

struct Treatment {
    at_sale: bool,
    scheme: Option<Arc<str>>,
    tax: Arc<str>,
    duty: Arc<str>,
    reverse_charge: bool,
    nobody: bool,
}

/// Who collects: at sale through a scheme, or at the border.
fn treatment(order: &Order<'_>, rule: &Rule) -> Treatment {
    let req = order.req;
    let marketplace = req.sold_via.as_deref() == Some("marketplace");
    let seller: Arc<str> = if marketplace { "marketplace".into() } else { "seller".into() };
    let ddp = req.incoterm.as_deref() == Some("DDP");
    let border = |c: &Arc<str>| -> Arc<str> {
        if ddp && c.as_ref() == "importer" { "ddp_carrier".into() } else { c.clone() }
    };
    let mut t = Treatment {
        at_sale: false,
        scheme: None,
        tax: border(&rule.tax_collector),
        duty: border(&rule.duty_collector),
        reverse_charge: false,
        nobody: false,
    };
    let Some(sale) = &rule.sale else { return t };
    let stated = req.scheme.as_deref() == Some(sale.scheme.as_ref());
    if sale.only_with_scheme && !stated {
        return t;
    }
    if sale.reverse_charge && req.buyer.vat_number.as_deref().is_some_and(|v| !v.is_empty()) {
        t.reverse_charge = true;
        t.tax = "buyer".into();
        return t;
    }
    if sale.nothing_if_unregistered && !marketplace && !stated && req.seller.registered == Some(false) {
        t.nobody = true;
        return t;
    }
    t.at_sale = true;
    t.scheme = Some(sale.scheme.clone());
    t.tax = seller;
    t
}

/// A tax so small that it is not collected (China's post, Switzerland).
fn waive(order: &mut Order<'_>, rule: &Rule, known: &mut Known) -> Result<Vec<Waived>, QuoteError> {
    let Some(w) = &rule.waive else { return Ok(Vec::new()) };
    let scheme = order.req.scheme.as_deref().unwrap_or("none");
    if w.scheme_not.iter().any(|s| s.as_ref() == scheme) {
        return Ok(Vec::new());
    }
    let sums: Option<Decimal> = order.lines.iter().map(|l| Some(l.duty?.decimal() + l.vat?.decimal())).sum();
    let Some(total) = sums.filter(|t| !t.is_zero()) else { return Ok(Vec::new()) };
    let Some(measured) = order.fx.convert(total, order.cur, w.currency) else {
        known.missing(format!("fx.{}.{}", order.cur, w.currency));
        return Ok(Vec::new());
    };
    let inside = measured < w.limit.amount || (w.limit.inclusive && measured == w.limit.amount);
    if !inside {
        return Ok(Vec::new());
    }
    let zero = Money::zero(order.cur);
    let mut by_kind: BTreeMap<Arc<str>, Decimal> = BTreeMap::new();
    for line in &mut order.lines {
        for c in &mut line.charges {
            *by_kind.entry(c.kind.clone()).or_default() += c.amount.decimal();
            c.amount = zero;
            c.note = Some("not collected: the tax of the consignment is within the exemption".to_owned());
        }
        (line.duty, line.vat, line.consumption) = (Some(zero), Some(zero), Some(zero));
    }
    let sign = if w.limit.inclusive { "≤" } else { "<" };
    by_kind
        .into_iter()
        .map(|(kind, computed)| {
            Ok(Waived {
                kind,
                computed: prepare::round(computed, order.cur)?,
                why: format!(
                    "{}: tax {total} {sign} {} {}: not collected",
                    rule.meta.row, w.limit.amount, w.currency
                ),
            })
        })
        .collect()
}

fn no_pack(req: &Request, country: Country) -> Quote {
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

fn finish(
    order: Order<'_>,
    rule: Option<&Rule>,
    known: Known,
    outcome: Outcome,
    fees: Vec<FeeLine>,
    waived: Vec<Waived>,
) -> Quote {
    let cur = order.cur;
    let zero = Money::zero(cur);
    let quoted = outcome == Outcome::Quote;
    let status = match outcome {
        Outcome::NotEligible => Status::NotEligible,
        Outcome::Blocked => Status::Blocked,
        Outcome::Indeterminate => Status::Indeterminate,
        Outcome::Quote if !known.hard.is_empty() => Status::Indeterminate,
        Outcome::Quote if !known.soft.is_empty() => Status::Partial,
        Outcome::Quote => Status::Complete,
    };
    // Excise without a figure leaves a partial answer: the amounts that stand are shown, the bound is open.
    let soft_excise = status == Status::Partial;
    let plus = |a: Option<Money>, b: Option<Money>| a?.try_add(b?).ok();
    let add = |a: Money, b: Money| a.try_add(b).unwrap_or(a);
    let valuation = rule.map(|r| valuation(&order, r));
    let treatment = rule.filter(|_| quoted).map(|r| treatment(&order, r));
    let year_total_after = rule
        .filter(|r| r.counter && quoted)
        .and_then(|_| prepare::round(order.req.buyer.year_total_before?.0 + order.cif(), cur).ok());
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
    let mut low = zero;
    let mut lines = Vec::with_capacity(order.lines.len());
    for w in order.lines {
        let excise = if soft_excise { w.excise.or(Some(zero)) } else { w.excise };
        let (duty, excise, ct, vat) =
            if quoted { (w.duty, excise, w.consumption, w.vat) } else { (None, None, None, None) };
        let cost = add(add(w.goods, w.freight), w.insurance);
        let taxes = plus(plus(duty, excise), plus(ct, vat));
        low = w.charges.iter().fold(low, |s, c| add(s, c.amount));
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
        taxes: Range { low, high: None },
        landed: Range { low: add(add(cost, low), fee_sum), high: None },
    });
    let mut missing = known.hard;
    missing.extend(known.soft);
    Quote {
        status,
        missing,
        flags: known.flags,
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
        fx: order.fx.into_used(),
        packs: BTreeMap::from([(order.pack.jurisdiction.to_string(), order.pack.digest.to_string())]),
        legal_event_at: order.req.legal_event_at.clone(),
        parcel: None,
        rule: rule.map(|r| r.meta.id.clone()),
    }
}

fn valuation(order: &Order<'_>, rule: &Rule) -> Valuation {
    let band = rule.when.value.first();
    let measured = band.map(|b| select::measure(order, rule, b));
    let customs = match (rule.factor, rule.duty.base.contains(&Part::Freight)) {
        (Some(f), _) => order.goods() * f,
        (None, true) => order.cif(),
        (None, false) => order.goods(),
    };
    let customs = prepare::round(customs, order.cur).unwrap_or(Money::zero(order.cur));
    let plain = match rule.metric {
        crate::pack::Metric::Cif => order.cif(),
        crate::pack::Metric::CustomsValue => customs.decimal(),
        _ => order.goods(),
    };
    let (threshold_value, threshold_currency) = match (measured, band) {
        (Some(select::Measured::Value(v)), Some(b)) => {
            let text = prepare::round(v, b.currency).map(Money::amount).ok();
            (text, (b.currency != order.cur).then(|| b.currency.to_string()))
        }
        (Some(select::Measured::Missing(_)), _) => (None, None),
        _ => (prepare::round(plain, order.cur).map(Money::amount).ok(), None),
    };
    Valuation {
        metric: band.map_or(rule.metric, |b| b.metric).name(),
        threshold_value,
        threshold_currency,
        customs_value: customs,
    }
}
