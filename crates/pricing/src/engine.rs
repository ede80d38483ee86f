//! Price → margin: the derivation, the guard, promotions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tradewind_domain::{Currency, Decimal, Exact, Grams, Money, MoneyError, Rounding};
use tradewind_fx::{Policy, RateBook};

use crate::PricingError;
use crate::book::{Channel, Cost, Edition, Fee, Input, PriceBook, Promotion, Vat};

/// What the seller bears when one unit, sold at a price, is imported: a landed-cost engine behind a channel's market.
/// Between two break points each amount is linear in the price, but for [`ImportCharges::noise`].
pub trait ImportCharges {
    /// The charges at a price, rounded as they will be charged, in the price's currency.
    ///
    /// # Errors
    /// [`PricingError::Landed`] when one is not known: never zero instead.
    fn charges(&self, price: Money) -> Result<Vec<Charged>, PricingError>;
    /// The last prices, in minor units below `limit`, up to which one set of formulas holds.
    ///
    /// # Errors
    /// The order itself cannot be quoted at any price.
    fn breaks(&self, currency: Currency, limit: i64) -> Result<Vec<i64>, PricingError>;
    /// How far rounding and truncation can move the sum of the charges off a straight line, in major units.
    fn noise(&self, currency: Currency) -> Decimal;
}

/// One charge at the border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// Such as `duty EU-LV-3EUR`.
    pub label: String,
    /// Zero or more.
    pub amount: Money,
    /// `file:line` of the rule and of what else it was computed from.
    pub origin: String,
    /// A tax that the price contains: the net price is the price without it.
    pub contained: bool,
}

/// What is priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// SKU.
    pub sku: String,
    /// Purchase cost as the catalogue has it; a `purchase` in the book goes before it.
    pub purchase: Option<Input<Exact>>,
    /// Packed weight, for costs per kilogram.
    pub weight: Option<Input<Grams>>,
}

/// Where exchange rates come from.
#[derive(Debug, Clone, Copy)]
pub struct Fx<'a> {
    /// The book.
    pub rates: &'a RateBook,
    /// The publisher.
    pub source: &'a str,
    /// The day.
    pub date: Date,
    /// How old a publication may be.
    pub policy: Policy,
}

/// A part of the price that grows with it.
pub(crate) struct Share {
    pub(crate) label: String,
    /// Zero or more.
    pub(crate) value: Decimal,
    pub(crate) origin: String,
    pub(crate) contained: bool,
}

pub(crate) fn overflow(what: &str) -> PricingError {
    PricingError::Money(MoneyError::Overflow(what.to_owned()))
}

/// One row of a derivation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it is, such as `purchase 78.40 CNY × 0.1078`.
    pub label: String,
    /// Signed: costs are negative.
    pub amount: Money,
    /// `file:line` of every input.
    pub origin: String,
}

/// A price taken apart. The lines add up: price + Σ lines = margin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Derivation {
    /// What the buyer pays.
    pub price: Money,
    /// Price without the tax it contains, rounded.
    pub net: Money,
    /// Contained tax first, then costs, import charges, fees, returns.
    pub lines: Vec<Line>,
    /// What is left.
    pub margin: Money,
}

impl Derivation {
    /// The margin as a share of the net price; `None` when that is zero.
    #[must_use]
    pub fn share(&self) -> Option<Decimal> {
        self.margin.decimal().checked_div(self.net.decimal())
    }

    /// Whether the margin is at least `share` of the net price: compared exactly, no division.
    #[must_use]
    pub fn earns(&self, share: Decimal) -> bool {
        self.net.decimal().checked_mul(share).is_some_and(|least| self.margin.decimal() >= least)
    }

    /// A table for people: label, amount, where it stands. The amounts add up.
    #[must_use]
    pub fn table(&self) -> String {
        let percent = self.share().map_or_else(String::new, |s| {
            format!("{} % of net {}", (s * Decimal::ONE_HUNDRED).round_dp(2).normalize(), self.net.amount())
        });
        let mut rows = vec![(format!("price {}", self.price.currency()), self.price.amount(), String::new())];
        rows.extend(
            self.lines.iter().map(|l| (format!("  {}", l.label), l.amount.amount(), l.origin.clone())),
        );
        rows.push((format!("= margin {}", self.margin.currency()), self.margin.amount(), percent));
        let width = rows.iter().map(|(l, ..)| l.chars().count()).max().unwrap_or_default();
        let mut out = String::new();
        for (label, amount, origin) in rows {
            let pad = width - label.chars().count();
            out.push_str(format!("{label}{:pad$}  {amount:>12}   {origin}", "").trim_end());
            out.push('\n');
        }
        out
    }
}

/// What the guard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The floor is kept.
    Pass(Derivation),
    /// It is not: do not plan it, do not send it.
    Blocked {
        /// Why: the numbers.
        derivation: Derivation,
        /// The lowest price that keeps the floor, where there is one.
        needs: Option<Money>,
    },
}

/// The engine for one article on one channel at one instant, costs already in the channel's currency.
pub struct Pricer<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) import: Option<&'a dyn ImportCharges>,
    fx: Fx<'a>,
    costs: Vec<Line>,
    promotions: Vec<&'a Promotion>,
}

impl<'a> Pricer<'a> {
    /// Prepares an article on a channel, by the edition in force at `at`.
    ///
    /// # Errors
    /// Unknown channel; a cost, weight or rate that is missing; a market without landed cost.
    pub fn new(
        book: &'a PriceBook,
        at: Timestamp,
        channel_name: &str,
        article: &Article,
        fx: Fx<'a>,
        import: Option<&'a dyn ImportCharges>,
    ) -> Result<Pricer<'a>, PricingError> {
        let edition = book.at(at);
        let unknown = || PricingError::UnknownChannel(channel_name.to_owned());
        let channel = edition.channels.get(channel_name).ok_or_else(unknown)?;
        if let (Some(market), None) = (&channel.market, import) {
            let why = format!(
                "{}: channel {channel_name} sells to {}, and no landed cost was given for it",
                market.origin, market.value
            );
            return Err(PricingError::Landed { why, lacks: None });
        }
        let costs = costs(edition, channel, article, fx)?;
        let mine = |p: &&Promotion| {
            p.channel == channel_name && (p.skus.is_empty() || p.skus.contains(&article.sku))
        };
        let promotions = book.promotions.iter().filter(mine).collect();
        let import = if channel.market.is_some() { import } else { None };
        Ok(Pricer { channel, import, fx, costs, promotions })
    }

    /// The channel's terms.
    #[must_use]
    pub fn terms(&self) -> &'a Channel {
        self.channel
    }

    /// Fixed costs, as one amount (negative).
    pub(crate) fn cost_total(&self) -> Decimal {
        self.costs.iter().map(|l| l.amount.decimal()).sum()
    }

    /// Taxes, duty, fees and returns of a price, zero or more. Import charges are rounded already.
    pub(crate) fn shares(&self, price: Money) -> Result<Vec<Share>, PricingError> {
        let over = || overflow("price");
        let c = self.channel;
        let gross = price.decimal();
        let mut out = Vec::with_capacity(c.fees.len() + 4);
        let mut put = |label: String, value: Decimal, origin: &str, contained: bool| {
            out.push(Share { label, value, origin: origin.to_owned(), contained });
        };
        if let Some(import) = self.import {
            for charge in import.charges(price)? {
                put(format!("- {}", charge.label), charge.amount.decimal(), &charge.origin, charge.contained);
            }
        } else if let Vat::Rate(vat) = &c.vat {
            let net = gross.checked_div(Decimal::ONE + vat.value).ok_or_else(over)?;
            if !vat.value.is_zero() {
                put(format!("- VAT {}", percent(vat.value)), gross - net, &vat.origin, true);
            }
            if let Some(duty) = &c.duty {
                let due = if net <= duty.above { Some(Decimal::ZERO) } else { net.checked_mul(duty.rate) };
                put(format!("- duty {}", percent(duty.rate)), due.ok_or_else(over)?, &duty.origin, false);
            }
        }
        for fee in &c.fees {
            put(format!("- {}", fee.name), fee_of(fee, gross).ok_or_else(over)?, &fee.origin, false);
        }
        if let Some(r) = &c.returns {
            let reserve = gross.checked_mul(r.value).ok_or_else(over)?;
            put(format!("- returns reserve {}", percent(r.value)), reserve, &r.origin, false);
        }
        Ok(out)
    }

    /// Takes a price apart.
    ///
    /// # Errors
    /// A price of zero or less, or in another currency; an import charge that is not known; overflow.
    pub fn derive(&self, price: Money) -> Result<Derivation, PricingError> {
        let currency = self.channel.currency;
        if price.currency() != currency || !price.is_positive() {
            return Err(PricingError::BadPrice { price, currency });
        }
        let (mut taxes, mut rest) = (Vec::new(), Vec::new());
        for share in self.shares(price)? {
            let amount = Exact::new(share.value, currency).round(Rounding::HalfUp)?.negated();
            let line = Line { label: share.label, amount, origin: share.origin };
            if share.contained { taxes.push(line) } else { rest.push(line) }
        }
        let net = price.try_add(Money::try_sum(currency, taxes.iter().map(|l| l.amount))?)?;
        let mut lines = taxes;
        lines.extend(self.costs.iter().cloned());
        lines.append(&mut rest);
        let margin = price.try_add(Money::try_sum(currency, lines.iter().map(|l| l.amount))?)?;
        Ok(Derivation { price, net, lines, margin })
    }

    /// The price that a catalogue price makes here where the channel has no target: times rate and markup, up to the
    /// ending. With the steps that led to it.
    ///
    /// # Errors
    /// No rate, no markup, overflow.
    pub fn marked_up(
        &self,
        catalogue: &Input<Money>,
    ) -> Result<(Money, Vec<(String, String)>), PricingError> {
        let Some(markup) = &self.channel.markup else {
            return Err(PricingError::NoPriceRule);
        };
        let mut steps = vec![(format!("catalogue price {}", catalogue.value), catalogue.origin.clone())];
        let mut exact = catalogue.value.decimal();
        if catalogue.value.currency() != self.channel.currency {
            let (rate, shown, origin) =
                self.fx.rate(catalogue.value.currency(), self.channel.currency, &catalogue.origin)?;
            exact = exact.checked_mul(rate).ok_or_else(|| overflow("price"))?;
            steps.push((format!("× {shown}"), origin));
        }
        exact = exact.checked_mul(markup.value).ok_or_else(|| overflow("price"))?;
        if markup.value != Decimal::ONE {
            steps.push((format!("× markup {}", markup.value), markup.origin.clone()));
        }
        let exact = Exact::new(exact, self.channel.currency);
        let price = match &self.channel.ending {
            Some(ending) => {
                let up = exact.round(Rounding::Up)?;
                steps.push(("up to the ending".to_owned(), ending.origin.clone()));
                Money::from_minor(ending.up(up.minor()), self.channel.currency)
            }
            None => exact.round(Rounding::HalfUp)?,
        };
        Ok((price, steps))
    }

    /// What a plan and a send ask before a price goes out.
    ///
    /// # Errors
    /// As [`Pricer::derive`].
    pub fn guard(&self, price: Money) -> Result<Guard, PricingError> {
        let derivation = self.derive(price)?;
        let floor = self.channel.floor.value;
        if derivation.earns(floor) {
            return Ok(Guard::Pass(derivation));
        }
        Ok(Guard::Blocked { derivation, needs: self.price_for(floor).ok().map(|s| s.price) })
    }

    /// The price at an instant with its promotions, through the guard: a promotion below the floor is blocked.
    ///
    /// Of the promotions running, the one with the highest priority applies (of equals the first in the book); if it
    /// stacks, every other that stacks is taken off what is left.
    ///
    /// # Errors
    /// As [`Pricer::derive`].
    pub fn promoted(
        &self,
        regular: Money,
        at: Timestamp,
    ) -> Result<(Guard, Vec<&'a Promotion>), PricingError> {
        let mut running: Vec<&Promotion> =
            self.promotions.iter().copied().filter(|p| p.from <= at && at < p.until).collect();
        running.sort_by_key(|p| std::cmp::Reverse(p.priority));
        let Some(first) = running.first().copied() else { return Ok((self.guard(regular)?, Vec::new())) };
        running.retain(|p| std::ptr::eq(*p, first) || (first.stacks && p.stacks));
        let mut price = regular.exact();
        for p in &running {
            price = price.times(Decimal::ONE - p.off)?;
        }
        Ok((self.guard(price.round(Rounding::HalfUp)?)?, running))
    }
}

impl Fx<'_> {
    /// Rate, its text for a person, and where it stands.
    fn rate(
        &self,
        from: Currency,
        to: Currency,
        origin: &str,
    ) -> Result<(Decimal, String, String), PricingError> {
        let found = self.rates.rate(self.source, from, to, self.date, self.policy);
        let rate = found.map_err(|error| PricingError::Fx { origin: origin.to_owned(), error })?;
        let shown = format!("{} {}", rate.rate.round_sf(5).unwrap_or(rate.rate).normalize(), to);
        Ok((rate.rate, shown, format!("{} ({})", rate.origin, rate.id)))
    }
}

/// The costs of one unit: those of every SKU, overridden by the channel's, overridden by the SKU's own; `purchase` from
/// the catalogue when nobody says otherwise.
fn costs(
    edition: &Edition,
    channel: &Channel,
    article: &Article,
    fx: Fx<'_>,
) -> Result<Vec<Line>, PricingError> {
    let own = edition.skus.get(&article.sku);
    let tables = [Some(&edition.costs), Some(&channel.costs), own];
    let all: BTreeMap<&str, &Input<Cost>> =
        tables.into_iter().flatten().flatten().map(|(name, cost)| (name.as_str(), cost)).collect();
    let mut lines = Vec::with_capacity(all.len() + 1);
    if !all.contains_key("purchase") {
        let cost = article.purchase.as_ref().ok_or_else(|| PricingError::NoPurchase(article.sku.clone()))?;
        lines.push(in_channel("purchase", cost.value, &cost.value.to_string(), &cost.origin, channel, fx)?);
    }
    for (name, cost) in all {
        let (exact, shown, origin) = unit_cost(name, cost, article)?;
        lines.push(in_channel(name, exact, &shown, &origin, channel, fx)?);
    }
    // The purchase comes first, the rest in the order of the alphabet.
    lines.sort_by_key(|l| !l.label.starts_with("- purchase"));
    Ok(lines)
}

/// A cost of one unit, before conversion: amount, its text, where it stands.
fn unit_cost(
    name: &str,
    cost: &Input<Cost>,
    article: &Article,
) -> Result<(Exact, String, String), PricingError> {
    let over = || overflow(name);
    let Cost { flat, per_kg } = cost.value;
    let Some(per_kg) = per_kg else {
        let flat = flat.ok_or_else(over)?;
        return Ok((flat.exact(), flat.to_string(), cost.origin.clone()));
    };
    let weight = article.weight.as_ref().ok_or_else(|| PricingError::NoWeight {
        sku: article.sku.clone(),
        cost: name.to_owned(),
        origin: cost.origin.clone(),
    })?;
    let kg = Decimal::from(weight.value.0).checked_div(Decimal::ONE_THOUSAND).ok_or_else(over)?.normalize();
    let mut exact = per_kg.exact().times(kg)?;
    let mut shown = format!("{per_kg}/kg × {kg} kg");
    if let Some(flat) = flat {
        exact = exact.try_add(flat.exact())?;
        shown = format!("{flat} + {shown}");
    }
    Ok((exact, shown, format!("{}, {}", cost.origin, weight.origin)))
}

fn in_channel(
    name: &str,
    exact: Exact,
    shown: &str,
    origin: &str,
    channel: &Channel,
    fx: Fx<'_>,
) -> Result<Line, PricingError> {
    let (from, to) = (exact.currency(), channel.currency);
    let (value, label, origin) = if from == to {
        let plain = shown.strip_suffix(&format!(" {to}")).unwrap_or(shown);
        let label = if shown.contains("/kg") { format!("- {name} {plain}") } else { format!("- {name}") };
        (exact.value(), label, origin.to_owned())
    } else {
        let (rate, rate_shown, rate_origin) = fx.rate(from, to, origin)?;
        let value = exact.value().checked_mul(rate).ok_or_else(|| overflow(name))?;
        (value, format!("- {name} {shown} × {rate_shown}"), format!("{origin}, {rate_origin}"))
    };
    let amount = Exact::new(value, to).round(Rounding::HalfUp)?.negated();
    Ok(Line { label, amount, origin })
}

fn percent(share: Decimal) -> String {
    format!("{} %", (share * Decimal::ONE_HUNDRED).normalize())
}

/// A fee's share by marginal tiers, not below its minimum, plus the fixed part.
fn fee_of(fee: &Fee, price: Decimal) -> Option<Decimal> {
    let (mut share, mut start) = (Decimal::ZERO, Decimal::ZERO);
    for (end, rate) in &fee.tiers {
        let top = end.map_or(price, |e| e.min(price));
        if top > start {
            share = share.checked_add((top - start).checked_mul(*rate)?)?;
            start = top;
        }
    }
    share.max(fee.minimum.unwrap_or_default()).checked_add(fee.fixed)
}
