//! From the request's text to checked, converted, allocated line values (C2, C3, C8).

use jiff::Timestamp;
use jiff::civil::DateTime;
use rust_decimal::Decimal;
use tradewind_domain::{Country, Currency, Exact, HsCode, Money, Rounding};

use super::fx::Converter;
use super::{QuoteError, bad};
use crate::pack::{Pack, expand};
use crate::request::{Fact, LineRequest, Num, Request};

/// A line, valued in the currency of the quote.
pub(super) struct Work<'a> {
    pub(super) req: &'a LineRequest,
    pub(super) hs: Option<HsCode>,
    pub(super) origin: Option<&'a str>,
    pub(super) goods: Money,
    pub(super) freight: Money,
    pub(super) insurance: Money,
    /// Goods in the request's currency, before conversion.
    pub(super) source: Decimal,
    /// Tax contained in a tax-inclusive price: gross − net.
    pub(super) contained_tax: Option<Decimal>,
    pub(super) mfn: Option<Decimal>,
    /// Rounded amounts so far; `None` when it cannot be known.
    pub(super) duty: Option<Money>,
    pub(super) duty_raw: Decimal,
    pub(super) basic_duty: Money,
    pub(super) excise: Option<Money>,
    pub(super) consumption: Option<Money>,
    pub(super) vat: Option<Money>,
    pub(super) charges: Vec<super::answer::Charge>,
}

impl Work<'_> {
    pub(super) fn fact(&self, name: &str) -> Option<&Fact> {
        self.req.facts.get(name).and_then(Option::as_ref)
    }

    pub(super) fn yes(&self, name: &str) -> bool {
        matches!(self.fact(name), Some(Fact::Yes))
    }

    /// A fact that is a figure, zero or more.
    pub(super) fn number(&self, name: &str) -> Option<Decimal> {
        let Some(Fact::Text(t)) = self.fact(name) else { return None };
        tradewind_domain::parse_decimal(t).ok().filter(|d| d.is_zero() || d.is_sign_positive())
    }
}

/// The whole order, prepared.
pub(super) struct Order<'a> {
    pub(super) req: &'a Request,
    pub(super) pack: &'a Pack,
    pub(super) country: Country,
    pub(super) region: &'a str,
    pub(super) at: Timestamp,
    pub(super) cur: Currency,
    pub(super) source_cur: Currency,
    pub(super) fx: Converter<'a>,
    pub(super) freight_source: Decimal,
    pub(super) lines: Vec<Work<'a>>,
}

pub(super) fn round(value: Decimal, cur: Currency) -> Result<Money, QuoteError> {
    Exact::new(value, cur).round(Rounding::HalfUp).map_err(|e| QuoteError(e.to_string()))
}

/// The instant of `legal_event_at`; a local time without offset is the destination's legal time.
pub(super) fn instant(text: &str, pack: &Pack) -> Result<Timestamp, QuoteError> {
    if let Ok(t) = text.parse::<Timestamp>() {
        return Ok(t);
    }
    let local = text.parse::<DateTime>().ok().and_then(|l| l.to_zoned(pack.zone.clone()).ok());
    local.map(|z| z.timestamp()).ok_or_else(|| {
        bad("legal_event_at", format!("'{text}' is no instant: write it like 2026-08-01T12:00:00+02:00"))
    })
}

fn currency(field: &str, code: &str) -> Result<Currency, QuoteError> {
    Currency::new(code).map_err(|e| bad(field, e.to_string()))
}

/// Zero when absent; never below, and never more than money holds: sums of amounts cannot overflow then. The field is
/// named only when it is wrong.
fn amount(field: impl FnOnce() -> String, value: Option<Num>, cur: Currency) -> Result<Decimal, QuoteError> {
    let Some(Num(v)) = value else { return Ok(Decimal::ZERO) };
    if v.is_sign_negative() && !v.is_zero() {
        return Err(bad(&field(), format!("{v} is negative: amounts are zero or more")));
    }
    if !fits(v, cur) {
        return Err(bad(&field(), format!("{v} is more than {cur} amounts can be")));
    }
    Ok(v)
}

/// Money holds the value. What is below a million millions does in every currency, and is not rounded to find out.
fn fits(v: Decimal, cur: Currency) -> bool {
    v < Decimal::from(1_000_000_000_000_u64) || round(v, cur).is_ok()
}

/// A rate is a share: 0.20 for 20 %. `most` is beyond what any law has, and below what a percentage looks like.
fn share(field: impl FnOnce() -> String, value: Option<Num>, most: u32) -> Result<(), QuoteError> {
    match value {
        Some(Num(v)) if v.is_sign_negative() && !v.is_zero() => {
            Err(bad(&field(), format!("{v} is negative: rates are zero or more")))
        }
        Some(Num(v)) if v > Decimal::from(most) => {
            Err(bad(&field(), format!("{v} is more than {most}00 %: a rate is a share, 0.20 for 20 %")))
        }
        _ => Ok(()),
    }
}

const MOST_VAT: u32 = 1;
const MOST_DUTY: u32 = 100;

/// A line as the request values it: price × quantity − discount, in the request's currency, checked.
fn valued(line: &LineRequest, cur: Currency) -> Result<Decimal, QuoteError> {
    let at = |f: &str| format!("lines.{}.{f}", line.id);
    let price = amount(|| at("unit_price"), Some(line.unit_price), cur)?;
    let quantity = line.quantity.0;
    if quantity <= Decimal::ZERO {
        return Err(bad(&at("quantity"), format!("{quantity} is not above zero")));
    }
    let discount = amount(|| at("discount"), line.discount, cur)?;
    let value = price
        .checked_mul(quantity)
        .and_then(|v| v.checked_sub(discount))
        .filter(|v| fits(*v, cur))
        .ok_or_else(|| {
        bad(&at("unit_price"), format!("{price} × {quantity} is more than {cur} amounts can be"))
    })?;
    if value.is_sign_negative() && !value.is_zero() {
        return Err(bad(&at("discount"), format!("{discount} is more than the line's {}", price * quantity)));
    }
    share(|| at("rates.duty"), line.rates.duty, MOST_DUTY)?;
    share(|| at("rates.vat"), line.rates.vat, MOST_VAT)?;
    share(|| at("rates.consumption_tax"), line.rates.consumption_tax, MOST_VAT)?;
    share(|| at("rates.postal_class"), line.rates.postal_class, MOST_DUTY)?;
    Ok(value)
}

/// What holds for every request, whatever the destination: its currency, and that the order makes sense.
fn checked(req: &Request) -> Result<Currency, QuoteError> {
    let cur = currency("currency", &req.currency)?;
    for (i, f) in req.fx.iter().enumerate() {
        currency(&format!("fx[{i}].from"), &f.from)?;
        currency(&format!("fx[{i}].to"), &f.to)?;
        if f.rate.0 <= Decimal::ZERO {
            return Err(bad(&format!("fx[{i}].rate"), format!("{} is not above zero", f.rate.0)));
        }
    }
    share(|| "rates.vat".to_owned(), req.rates.vat, MOST_VAT)?;
    share(|| "rates.duty".to_owned(), req.rates.duty, MOST_DUTY)?;
    if req.lines.is_empty() {
        return Err(bad("lines", "the order has no line".to_owned()));
    }
    // Most orders have one line: nothing to compare, and no table to make.
    if req.lines.len() > 1 {
        let mut seen = std::collections::HashSet::with_capacity(req.lines.len());
        for line in &req.lines {
            if !seen.insert(line.id.as_str()) {
                return Err(bad(&format!("lines.{}", line.id), "the line id is used twice".to_owned()));
            }
        }
    }
    Ok(cur)
}

/// Goods, freight and insurance of each line in the request's currency, for a destination without rules.
pub(super) fn worth(req: &Request) -> Result<(Currency, Vec<[Money; 3]>), QuoteError> {
    let cur = checked(req)?;
    let mut goods = Vec::with_capacity(req.lines.len());
    for line in &req.lines {
        let value = valued(line, cur)?;
        let contained = match line.rates.vat.or(req.rates.vat) {
            _ if !req.prices_include_tax => Decimal::ZERO,
            Some(rate) => rate.0,
            None => {
                let field = format!("lines.{}.rates.vat", line.id);
                return Err(bad(&field, "prices include tax, and its rate is not known: give rates.vat"));
            }
        };
        goods.push(round(value.checked_div(Decimal::ONE + contained).unwrap_or(value), cur)?);
    }
    let weights = weights(goods.iter().copied());
    let shared = |field: &str, value: Option<Num>| -> Result<Vec<Money>, QuoteError> {
        let value = round(amount(|| field.to_owned(), value, cur)?, cur)?;
        value.allocate(&weights).map_err(|e| QuoteError(e.to_string()))
    };
    let (freight, insurance) = (shared("freight", req.freight)?, shared("insurance", req.insurance)?);
    let rows = goods.into_iter().zip(freight).zip(insurance).map(|((g, f), i)| [g, f, i]);
    Ok((cur, rows.collect()))
}

impl<'a> Order<'a> {
    pub(super) fn new(
        req: &'a Request,
        pack: &'a Pack,
        country: Country,
        at: Timestamp,
        book: &'a dyn crate::rates::FxSource,
    ) -> Result<Order<'a>, QuoteError> {
        let source_cur = checked(req)?;
        // The pack's rule is that of the states that share its currency; the others have their own authority's.
        let regime = pack.fx.filter(|_| pack.currency_of(country) == pack.currency);
        let fx = Converter::new(&req.fx, book, at, regime);
        let wanted = req.quote_currency.as_deref().map(|c| currency("quote_currency", c)).transpose()?;
        let choice = [wanted, Some(pack.currency_of(country)), Some(pack.currency), Some(source_cur)];
        let cur = choice.into_iter().flatten().find(|c| fx.can(source_cur, *c)).unwrap_or(source_cur);
        let region = req.destination.region.as_deref().unwrap_or("");
        amount(|| "buyer.year_total_before".to_owned(), req.buyer.year_total_before, pack.currency)?;
        let mut order = Order {
            req,
            pack,
            country,
            region,
            at,
            cur,
            source_cur,
            fx,
            freight_source: Decimal::ZERO,
            lines: Vec::with_capacity(req.lines.len()),
        };
        for line in &req.lines {
            let work = order.line(line)?;
            order.lines.push(work);
        }
        order.allocate()?;
        Ok(order)
    }

    fn to_cur(&self, value: Decimal) -> Result<Money, QuoteError> {
        let converted = self.fx.convert(value, self.source_cur, self.cur);
        round(converted.ok_or_else(|| QuoteError("amount out of range".to_owned()))?, self.cur)
    }

    fn line(&self, line: &'a LineRequest) -> Result<Work<'a>, QuoteError> {
        let at = |f: &str| format!("lines.{}.{f}", line.id);
        let mut source = valued(line, self.source_cur)?;
        let hs = match line.hs.as_deref().map(str::trim).filter(|h| !h.is_empty()) {
            None => None,
            Some(text) => Some(HsCode::new(text).map_err(|e| bad(&at("hs"), e.to_string()))?),
        };
        let origin = match line.origin.as_deref().filter(|o| !o.is_empty()) {
            None => None,
            Some("EU") => Some("EU"),
            Some(code) => Some(Country::new(code).map_err(|e| bad(&at("origin"), e.to_string()))?.code()),
        };
        let mut goods = self.to_cur(source)?;
        let mut contained_tax = None;
        if self.req.prices_include_tax {
            let rate = self.vat_rate(line).ok_or_else(|| {
                bad(
                    &at("rates.vat"),
                    "prices include tax, and its rate is not known: give rates.vat".to_owned(),
                )
            })?;
            let one = Decimal::ONE + rate;
            // Divided by one or more: always in range.
            let net = round(goods.decimal().checked_div(one).unwrap_or(goods.decimal()), self.cur)?;
            contained_tax = Some(goods.decimal() - net.decimal());
            goods = net;
            source = source.checked_div(one).map_or(source, |v| {
                Exact::new(v, self.source_cur).round(Rounding::HalfUp).map_or(v, Money::decimal)
            });
        }
        let zero = Money::zero(self.cur);
        Ok(Work {
            req: line,
            hs,
            origin,
            goods,
            freight: zero,
            insurance: zero,
            source,
            contained_tax,
            mfn: None,
            duty: Some(zero),
            duty_raw: Decimal::ZERO,
            basic_duty: zero,
            excise: Some(zero),
            consumption: Some(zero),
            vat: Some(zero),
            charges: Vec::with_capacity(4),
        })
    }

    /// The rate a tax-inclusive price contains: the line's, the order's, or the destination's standard rate.
    fn vat_rate(&self, line: &LineRequest) -> Option<Decimal> {
        line.rates.vat.or(self.req.rates.vat).map(|n| n.0).or_else(|| {
            let tax = self
                .pack
                .rules
                .iter()
                .find(|r| r.meta.when.contains(self.at) && r.tax.is_some())?
                .tax
                .as_ref()?;
            if matches!(tax.kind, crate::pack::Kind::Inclusive(_)) {
                return None;
            }
            let name = expand(tax.kind.rate_ref()?, self.country.code(), self.region);
            self.pack.tax_rate(&name, self.at).map(|r| r.rate)
        })
    }

    fn allocate(&mut self) -> Result<(), QuoteError> {
        let freight = amount(|| "freight".to_owned(), self.req.freight, self.source_cur)?;
        let insurance = amount(|| "insurance".to_owned(), self.req.insurance, self.source_cur)?;
        self.freight_source = freight + insurance;
        if self.freight_source.is_zero() {
            return Ok(());
        }
        let weights = weights(self.lines.iter().map(|l| l.goods));
        for (value, is_freight) in [(freight, true), (insurance, false)] {
            if value.is_zero() {
                continue;
            }
            let parts = self.to_cur(value)?.allocate(&weights).map_err(|e| QuoteError(e.to_string()))?;
            for (line, part) in self.lines.iter_mut().zip(parts) {
                *(if is_freight { &mut line.freight } else { &mut line.insurance }) = part;
            }
        }
        Ok(())
    }

    /// Sum over the lines.
    pub(super) fn sum(&self, f: impl Fn(&Work<'_>) -> Money) -> Decimal {
        self.lines.iter().map(|l| f(l).decimal()).sum()
    }

    pub(super) fn goods(&self) -> Decimal {
        self.sum(|l| l.goods)
    }

    pub(super) fn cif(&self) -> Decimal {
        self.lines.iter().map(|l| l.goods.decimal() + l.freight.decimal() + l.insurance.decimal()).sum()
    }
}

/// Weights by value; equal when everything is free of charge.
pub(super) fn weights(values: impl Iterator<Item = Money>) -> Vec<Decimal> {
    let w: Vec<Decimal> = values.map(Money::decimal).collect();
    if w.iter().all(Decimal::is_zero) { vec![Decimal::ONE; w.len()] } else { w }
}
