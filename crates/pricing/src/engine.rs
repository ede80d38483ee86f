//! Price → margin: the derivation, the guard, promotions.

use jiff::Timestamp;
use jiff::civil::Date;
use tradewind_domain::{Decimal, Exact, Money, MoneyError, Rounding};
use tradewind_fx::{Policy, RateBook, convert};

use crate::{Channel, DutyRule, Fee, PriceBook, PricingError, Promotion};

/// Duty on a net price: linear between the break points. A landed-cost engine or a [`DutyRule`].
pub trait DutySource {
    /// Unrounded duty on a net price, in the channel's currency.
    ///
    /// # Errors
    /// [`PricingError::Duty`] when it is not known: never zero instead.
    fn duty(&self, net: Decimal) -> Result<Decimal, PricingError>;
    /// Net prices up to and including which one formula holds.
    fn thresholds(&self) -> Vec<Decimal>;
    /// Where the rule stands.
    fn origin(&self) -> String;
}

impl DutySource for DutyRule {
    fn duty(&self, net: Decimal) -> Result<Decimal, PricingError> {
        if net <= self.above {
            return Ok(Decimal::ZERO);
        }
        net.checked_mul(self.rate).ok_or_else(|| overflow("duty"))
    }
    fn thresholds(&self) -> Vec<Decimal> {
        vec![self.above]
    }
    fn origin(&self) -> String {
        self.origin.clone()
    }
}

/// Label, unrounded amount, origin.
pub(crate) type Share = (String, Decimal, String);

pub(crate) fn overflow(what: &str) -> PricingError {
    PricingError::Money(MoneyError::Overflow(what.to_owned()))
}

/// One row of a derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is, such as `purchase 78.40 CNY × 0.1078`.
    pub label: String,
    /// Signed: costs are negative.
    pub amount: Money,
    /// `file:line` of every input.
    pub origin: String,
}

/// A price taken apart. The lines add up: price + Σ lines = margin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    /// What the buyer pays.
    pub price: Money,
    /// Price without VAT, rounded.
    pub net: Money,
    /// VAT first, then costs, duty, fees, returns.
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

    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!("price {:>44}\n", self.price.amount());
        for l in &self.lines {
            out.push_str(&format!("{:<38} {:>11}   {}\n", l.label, l.amount.amount(), l.origin));
        }
        out.push_str(&format!(
            "{:<38} {:>11} {}\n",
            "= margin",
            self.margin.amount(),
            self.margin.currency()
        ));
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

/// The engine for one SKU on one channel, costs already in the channel's currency.
pub struct Pricer<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) duty: Option<&'a dyn DutySource>,
    costs: Vec<Line>,
    promotions: Vec<&'a Promotion>,
}

impl<'a> Pricer<'a> {
    /// Prepares a SKU on a channel. `duty` takes the place of the channel's own rule.
    ///
    /// # Errors
    /// Unknown SKU or channel, or a cost without a rate (missing or stale).
    #[allow(clippy::too_many_arguments)] // each is one independent input of the sum
    pub fn new(
        book: &'a PriceBook,
        sku: &str,
        channel_name: &str,
        rates: &RateBook,
        source: &str,
        date: Date,
        policy: Policy,
        duty: Option<&'a dyn DutySource>,
    ) -> Result<Pricer<'a>, PricingError> {
        let channel = book
            .channels
            .get(channel_name)
            .ok_or_else(|| PricingError::UnknownChannel(channel_name.to_owned()))?;
        let inputs = book.skus.get(sku).filter(|c| !c.is_empty());
        let inputs = inputs.ok_or_else(|| PricingError::UnknownSku(sku.to_owned()))?;
        let mut costs = Vec::new();
        for (name, cost) in inputs {
            let fx = |error| PricingError::Fx { origin: cost.origin.clone(), error };
            if cost.value.currency() == channel.currency {
                costs.push(Line {
                    label: format!("- {name}"),
                    amount: cost.value.negated(),
                    origin: cost.origin.clone(),
                });
                continue;
            }
            let rate =
                rates.rate(source, cost.value.currency(), channel.currency, date, policy).map_err(fx)?;
            let done = convert(cost.value, &rate, Rounding::HalfUp).map_err(fx)?;
            costs.push(Line {
                label: format!("- {name} {} × {}", cost.value, rate.rate.round_sf(5).unwrap_or(rate.rate)),
                amount: done.to.negated(),
                origin: format!("{}, {} ({})", cost.origin, rate.origin, rate.id),
            });
        }
        let own = channel.duty.as_ref().map(|d| d as &dyn DutySource);
        let promotions = book.promotions.iter().filter(|p| p.channel == channel_name).collect();
        Ok(Pricer { channel, duty: duty.or(own), costs, promotions })
    }

    /// Fixed costs, as one amount (negative).
    pub(crate) fn cost_total(&self) -> Decimal {
        self.costs.iter().map(|l| l.amount.decimal()).sum()
    }

    /// VAT, duty, fees and returns of a price, unrounded and above zero, with label and origin.
    pub(crate) fn shares(&self, price: Decimal) -> Result<(Decimal, Vec<Share>), PricingError> {
        let over = || overflow("price");
        let c = self.channel;
        let net = price.checked_div(Decimal::ONE + c.vat.value).ok_or_else(over)?;
        let mut out = vec![(format!("- VAT {}", c.vat.value), price - net, c.vat.origin.clone())];
        if let Some(duty) = self.duty {
            out.push(("- duty".to_owned(), duty.duty(net)?, duty.origin()));
        }
        for fee in &c.fees {
            out.push((format!("- {}", fee.name), fee_of(fee, price).ok_or_else(over)?, fee.origin.clone()));
        }
        if let Some(r) = &c.returns {
            let reserve = price.checked_mul(r.value).ok_or_else(over)?;
            out.push((format!("- returns reserve {}", r.value), reserve, r.origin.clone()));
        }
        Ok((net, out))
    }

    /// Takes a price apart.
    ///
    /// # Errors
    /// A price of zero or less, or in another currency; a duty that is not known; overflow.
    pub fn derive(&self, price: Money) -> Result<Derivation, PricingError> {
        let currency = self.channel.currency;
        if price.currency() != currency || !price.is_positive() {
            return Err(PricingError::BadPrice { price, currency });
        }
        let mut lines = Vec::new();
        let mut net = price;
        for (n, (label, value, origin)) in self.shares(price.decimal())?.1.into_iter().enumerate() {
            let amount = Exact::new(value, currency).round(Rounding::HalfUp)?.negated();
            if n == 0 {
                net = price.try_add(amount)?;
                lines.push(Line { label, amount, origin });
                lines.extend(self.costs.iter().cloned());
            } else {
                lines.push(Line { label, amount, origin });
            }
        }
        let margin = price.try_add(Money::try_sum(currency, lines.iter().map(|l| l.amount))?)?;
        Ok(Derivation { price, net, lines, margin })
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
    pub fn promoted(&self, regular: Money, at: Timestamp) -> Result<(Guard, Vec<&'a str>), PricingError> {
        let mut running: Vec<&Promotion> =
            self.promotions.iter().copied().filter(|p| p.from <= at && at < p.until).collect();
        running.sort_by_key(|p| std::cmp::Reverse(p.priority));
        let Some(first) = running.first().copied() else { return Ok((self.guard(regular)?, Vec::new())) };
        running.retain(|p| std::ptr::eq(*p, first) || (first.stacks && p.stacks));
        let mut price = regular.exact();
        for p in &running {
            price = price.times(Decimal::ONE - p.off)?;
        }
        let names = running.iter().map(|p| p.name.as_str()).collect();
        Ok((self.guard(price.round(Rounding::HalfUp)?)?, names))
    }
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
