//! Margin → price, exact to the minor unit.
//!
//! Between two break points (fee tiers, fee minimums, duty thresholds) the unrounded surplus `margin − share × net`
//! is linear in the price. Rounding moves it by less than one minor unit per component. So per piece: find where the
//! unrounded surplus comes within that distance of zero, then walk the rounded one until it is met. The first price
//! found is the lowest there is.

use serde::Serialize;
use tradewind_domain::{Decimal, Money};

use crate::engine::overflow;
use crate::{Derivation, Pricer, PricingError};

/// Above the answer, prices that fall short again: the duty or a fee jumps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// The lowest price above it whose import charges are not known, and why.
    pub unknown: Option<(Money, String)>,
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
        let mut unknown = None;
        for end in &ends {
            match self.first_in(start, *end, share) {
                Ok(None) => {}
                Ok(minor) => {
                    found = minor;
                    break;
                }
                // Not known here; it may be in a later piece.
                Err(e @ PricingError::Landed { .. }) => unknown = unknown.or(Some(e)),
                Err(e) => return Err(e),
            }
            start = end + 1;
        }
        let mut minor = found.ok_or_else(|| unknown.unwrap_or_else(unreachable))?;
        if let Some(ending) = &self.channel.ending {
            // up to the next price that ends so; a cliff in between sends it on to the one after
            let mut tries = 0;
            loop {
                minor = ending.up(minor);
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
        let (cliffs, unknown) = self.cliffs(&ends, minor, share)?;
        let derivation = self.derive(money(minor))?;
        Ok(Solution { price: money(minor), derivation, cliffs, unknown })
    }

    /// The jumps above a price, and the first price whose charges are not known.
    #[allow(clippy::type_complexity)] // two answers of one walk
    fn cliffs(
        &self,
        ends: &[i64],
        minor: i64,
        share: Decimal,
    ) -> Result<(Vec<Cliff>, Option<(Money, String)>), PricingError> {
        let money = |minor| Money::from_minor(minor, self.channel.currency);
        let mut cliffs = Vec::new();
        for (n, end) in ends.iter().enumerate().filter(|(_, e)| **e >= minor && **e < LIMIT) {
            let next = match self.earns(end + 1, share) {
                Ok(next) => next,
                Err(PricingError::Landed { why, .. }) => return Ok((cliffs, Some((money(end + 1), why)))),
                Err(e) => return Err(e),
            };
            if next || !self.earns(*end, share)? {
                continue;
            }
            let mut again = None;
            let mut from = end + 1;
            for later in ends.iter().skip(n + 1) {
                again = match self.first_in(from, *later, share) {
                    Err(PricingError::Landed { .. }) => None,
                    other => other?,
                };
                if again.is_some() {
                    break;
                }
                from = later + 1;
            }
            cliffs.push(Cliff { last_good: money(*end), good_again: again.map(money) });
        }
        Ok((cliffs, None))
    }

    /// The price for the channel's target margin.
    ///
    /// # Errors
    /// As [`Pricer::price_for`]; [`PricingError::NoPriceRule`] when it has none.
    pub fn target_price(&self) -> Result<Solution, PricingError> {
        self.price_for(self.channel.target.as_ref().ok_or(PricingError::NoPriceRule)?.value)
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
        if let (Some(duty), None) = (&self.channel.duty, self.import) {
            let vat = self.channel.vat.rate().unwrap_or_default();
            points.push(duty.above.checked_mul(Decimal::ONE + vat).ok_or_else(over)?);
        }
        let unit = Decimal::from(10_i64.pow(self.channel.currency.exponent()));
        let mut ends: Vec<i64> =
            points.into_iter().filter_map(|p| i64::try_from(p.checked_mul(unit)?.floor()).ok()).collect();
        if let Some(import) = self.import {
            ends.extend(import.breaks(self.channel.currency, LIMIT)?);
        }
        ends.retain(|e| (1..LIMIT).contains(e));
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
        let currency = self.channel.currency;
        let unit = Decimal::new(1, currency.exponent());
        let noise = self.import.map_or(Decimal::ZERO, |i| i.noise(currency));
        // The surplus plus so many times what rounding may hide of it.
        let within = |minor: i64, times: i64| -> Result<bool, PricingError> {
            let price = Money::from_minor(minor, currency);
            let shares = self.shares(price)?;
            let taken: Decimal = shares.iter().map(|s| s.value).sum();
            let contained: Decimal = shares.iter().filter(|s| s.contained).map(|s| s.value).sum();
            let net = price.decimal() - contained;
            let least = net.checked_mul(share).ok_or_else(|| overflow("margin"))?;
            // Every component may be half a unit off twice over (here and where it is rounded), a contained tax
            // counts in the net price too, and charges at the border may be off by their own noise.
            let slack = unit * Decimal::from(shares.len() + 5) + noise + noise;
            let slack = slack * Decimal::from(times);
            Ok(price.decimal() - taken + self.cost_total() - least + slack >= Decimal::ZERO)
        };
        let near = |minor| within(minor, 1);
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
            if !within(minor, 3)? {
                break; // farther off than noise explains: a falling piece, it only gets worse
            }
        }
        Ok(None)
    }
}
