//! Margin → price, exact to the minor unit.
//!
//! Between two break points (fee tiers, fee minimums, duty thresholds) the unrounded surplus `margin − share × net`
//! is linear in the price. Rounding moves it by less than one minor unit per component. So per piece: find where the
//! unrounded surplus comes within that distance of zero, then walk the rounded one until it is met. The first price
//! found is the lowest there is.

use tradewind_domain::{Decimal, Money};

use crate::engine::overflow;
use crate::{Derivation, Pricer, PricingError};

/// Above the answer, prices that fall short again: the duty or a fee jumps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cliff {
    /// The last price before the jump.
    pub last_good: Money,
    /// The first price after it that earns the margin again; `None` when none does.
    pub good_again: Option<Money>,
}

/// The lowest price that earns a margin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution {
    /// That price, with the channel's ending.
    pub price: Money,
    /// It taken apart.
    pub derivation: Derivation,
    /// Jumps above it.
    pub cliffs: Vec<Cliff>,
}

/// Ten thousand million minor units: no listing is dearer.
const LIMIT: i64 = 10_000_000_000;
/// The walk over rounding is a few units; a share within 0.00001 of "all" would make it long.
const WALK: i64 = 200_000;

impl Pricer<'_> {
    /// The lowest price with a margin of at least `share` of the net price, and the cliffs above it.
    ///
    /// # Errors
    /// [`PricingError::Unreachable`]; a duty that is not known; overflow.
    pub fn price_for(&self, share: Decimal) -> Result<Solution, PricingError> {
        let money = |minor| Money::from_minor(minor, self.channel.currency);
        let unreachable = || PricingError::Unreachable { margin: share, limit: money(LIMIT) };
        let ends = self.pieces()?;
        let mut found: Option<i64> = None;
        let mut start = 1;
        for end in &ends {
            if let Some(minor) = self.first_in(start, *end, share)? {
                found = Some(minor);
                break;
            }
            start = end + 1;
        }
        let mut minor = found.ok_or_else(unreachable)?;
        if let Some(ending) = self.channel.ending {
            // up to the next price that ends so; a cliff in between sends it on to the one after
            let mut tries = 0;
            loop {
                minor += (ending.rest - minor).rem_euclid(ending.modulus);
                if self.earns(minor, share)? {
                    break;
                }
                tries += 1;
                if tries > WALK || minor >= LIMIT {
                    return Err(unreachable());
                }
                minor += 1;
            }
        }
        let mut cliffs = Vec::new();
        for (n, end) in ends.iter().enumerate().filter(|(_, e)| **e >= minor && **e < LIMIT) {
            if self.earns(*end, share)? && !self.earns(end + 1, share)? {
                let mut again = None;
                let mut from = end + 1;
                for later in ends.iter().skip(n + 1) {
                    again = self.first_in(from, *later, share)?;
                    if again.is_some() {
                        break;
                    }
                    from = later + 1;
                }
                cliffs.push(Cliff { last_good: money(*end), good_again: again.map(money) });
            }
        }
        Ok(Solution { price: money(minor), derivation: self.derive(money(minor))?, cliffs })
    }

    /// The price for the channel's target margin.
    ///
    /// # Errors
    /// As [`Pricer::price_for`].
    pub fn target_price(&self) -> Result<Solution, PricingError> {
        self.price_for(self.channel.target.value)
    }

    fn earns(&self, minor: i64, share: Decimal) -> Result<bool, PricingError> {
        Ok(self.derive(Money::from_minor(minor, self.channel.currency))?.earns(share))
    }

    /// Last prices of the linear pieces, in minor units, rising, the limit last.
    fn pieces(&self) -> Result<Vec<i64>, PricingError> {
        let over = || overflow("break point");
        let mut points: Vec<Decimal> = Vec::new();
        for fee in &self.channel.fees {
            points.extend(fee.tiers.iter().filter_map(|(end, _)| *end));
            if let Some(minimum) = fee.minimum {
                // where the share grows past its minimum: inside some tier
                let (mut below, mut start) = (Decimal::ZERO, Decimal::ZERO);
                for (end, rate) in &fee.tiers {
                    if *rate > Decimal::ZERO {
                        let at = start + (minimum - below).checked_div(*rate).ok_or_else(over)?;
                        if at >= start && end.is_none_or(|e| at <= e) {
                            points.push(at);
                        }
                    }
                    if let Some(end) = end {
                        below += (*end - start).checked_mul(*rate).ok_or_else(over)?;
                        start = *end;
                    }
                }
            }
        }
        if let Some(duty) = self.duty {
            for net in duty.thresholds() {
                points.push(net.checked_mul(Decimal::ONE + self.channel.vat.value).ok_or_else(over)?);
            }
        }
        let unit = Decimal::from(10_i64.pow(self.channel.currency.exponent()));
        let mut ends: Vec<i64> = points
            .into_iter()
            .filter_map(|p| i64::try_from(p.checked_mul(unit)?.floor()).ok())
            .filter(|e| (1..LIMIT).contains(e))
            .collect();
        ends.push(LIMIT);
        ends.sort_unstable();
        ends.dedup();
        Ok(ends)
    }

    /// The lowest price in a piece that earns the share.
    fn first_in(&self, start: i64, end: i64, share: Decimal) -> Result<Option<i64>, PricingError> {
        if start > end {
            return Ok(None);
        }
        let exponent = self.channel.currency.exponent();
        // components rounded: VAT counts twice (in the margin and in the net price)
        let slack = Decimal::new(
            i64::try_from(self.channel.fees.len()).unwrap_or(i64::MAX).saturating_add(5),
            exponent,
        );
        let near = |minor: i64| -> Result<bool, PricingError> {
            let price = Decimal::new(minor, exponent);
            let (net, shares) = self.shares(price)?;
            let taken: Decimal = shares.iter().map(|(_, v, _)| *v).sum();
            let least = net.checked_mul(share).ok_or_else(|| overflow("margin"))?;
            Ok(price - taken + self.cost_total() - least + slack >= Decimal::ZERO)
        };
        let mut low = start;
        if !near(start)? {
            if !near(end)? {
                return Ok(None);
            }
            let mut high = end;
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if near(middle)? { high = middle } else { low = middle }
            }
            low = high;
        }
        for minor in low..=end.min(low.saturating_add(WALK)) {
            if self.earns(minor, share)? {
                return Ok(Some(minor));
            }
            if !near(minor)? {
                break; // a falling piece: it only gets worse
            }
        }
        Ok(None)
    }
}
