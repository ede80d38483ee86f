//! Reference rates: what a conversion would have cost nothing at. They measure; they never book cash.
//!
//! A pair is read directly, backwards, or across one common currency, both legs of the same day; the day is the last one
//! published on or before the day asked for, at most [`STALE_DAYS`] back (weekends and holidays have no rate; fx-rates.md §2.1).

use std::collections::BTreeMap;

use jiff::civil::Date;
use tradewind_domain::{Currency, Decimal, Exact, Money, Rounding};

use crate::facts::RateRow;

/// How far back a rate may lie: the longest run of days without publication, with room for monthly tables.
pub const STALE_DAYS: i32 = 31;

/// A rate with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// One unit of the first currency in the second.
    pub rate: Decimal,
    /// The day of the rate.
    pub date: Date,
    /// Who says so, and how it was derived.
    pub source: String,
}

type Day = BTreeMap<(Currency, Currency), (Decimal, String)>;

/// Rates by day.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    days: BTreeMap<Date, Day>,
}

impl Rates {
    /// Takes the rows. Of two rows for one day and pair the one whose source sorts first counts, whatever their order.
    #[must_use]
    pub fn new(rows: &[RateRow]) -> Rates {
        let mut days: BTreeMap<Date, Day> = BTreeMap::new();
        for r in rows {
            let new = (r.rate, r.source.clone());
            let slot =
                days.entry(r.date).or_default().entry((r.base, r.quote)).or_insert_with(|| new.clone());
            if (&new.1, new.0) < (&slot.1, slot.0) {
                *slot = new;
            }
        }
        Rates { days }
    }

    /// Nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// One unit of `from` in `to` on a day.
    #[must_use]
    pub fn find(&self, from: Currency, to: Currency, on: Date) -> Option<Found> {
        if from == to {
            return Some(Found { rate: Decimal::ONE, date: on, source: "identity".to_owned() });
        }
        for (date, table) in self.days.range(..=on).rev() {
            if date.until(on).map_or(true, |span| span.get_days() > STALE_DAYS) {
                return None;
            }
            if let Some((rate, source)) = table.get(&(from, to)) {
                return Some(Found { rate: *rate, date: *date, source: source.clone() });
            }
            if let Some((rate, source)) = table.get(&(to, from)) {
                let rate = Decimal::ONE.checked_div(*rate)?;
                return Some(Found { rate, date: *date, source: format!("{source} (inverse)") });
            }
            // Across one currency: value of each side in it.
            let value = |c: Currency, x: Currency| -> Option<(Decimal, String)> {
                if let Some((rate, s)) = table.get(&(x, c)) {
                    return Some((*rate, s.clone()));
                }
                let (rate, s) = table.get(&(c, x))?;
                Some((Decimal::ONE.checked_div(*rate)?, s.clone()))
            };
            let mut over: Vec<Currency> = table.keys().flat_map(|(a, b)| [*a, *b]).collect();
            over.sort();
            over.dedup();
            for x in over {
                if let (Some((a, source)), Some((b, _))) = (value(from, x), value(to, x)) {
                    let rate = b.checked_div(a)?;
                    return Some(Found { rate, date: *date, source: format!("{source} (cross over {x})") });
                }
            }
        }
        None
    }

    /// An amount in another currency, half up at its exponent.
    #[must_use]
    pub fn convert(&self, amount: Money, to: Currency, on: Date) -> Option<(Money, Found)> {
        let found = self.find(amount.currency(), to, on)?;
        let money = times(amount, found.rate, to)?;
        Some((money, found))
    }
}

/// `amount × rate` in `to`, half up.
#[must_use]
pub fn times(amount: Money, rate: Decimal, to: Currency) -> Option<Money> {
    let value = amount.decimal().checked_mul(rate)?;
    Exact::new(value, to).round(Rounding::HalfUp).ok()
}
