//! Which day's rate customs uses.
//!
//! EU: Regulation (EU) 2015/2447 art. 146, the rate published on the second-last Wednesday of a month applies for the
//! whole next month. UK: HMRC's monthly rate of the month of the declaration. China: the third Wednesday of the
//! month before. Publications of those days are looked up with "the newest on or before".

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan as _};

/// Whose rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regime {
    /// The customs union, from ECB reference rates.
    Eu,
    /// Great Britain, from HMRC's monthly list.
    Uk,
}

impl Regime {
    /// The publisher the rule names.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Regime::Eu => "ECB",
            Regime::Uk => "HMRC",
        }
    }

    /// The day whose publication a declaration of `date` uses.
    #[must_use]
    pub fn rate_date(self, date: Date) -> Date {
        match self {
            Regime::Eu => penultimate_wednesday(shift(date.first_of_month(), -1.day())),
            Regime::Uk => date,
        }
    }
}

/// The second-last Wednesday of the month that `any` lies in.
#[must_use]
pub fn penultimate_wednesday(any: Date) -> Date {
    let last = any.last_of_month();
    let back = i64::from(last.weekday().since(Weekday::Wednesday));
    shift(last, -(back + 7).days())
}

/// The third Wednesday of the month that `any` lies in.
#[must_use]
pub fn third_wednesday(any: Date) -> Date {
    let first = any.first_of_month();
    let ahead = i64::from(first.weekday().until(Weekday::Wednesday));
    shift(first, (ahead + 14).days())
}

/// Only the first month of jiff's calendar (year -9999) has no day before it: it keeps its own.
fn shift(date: Date, by: Span) -> Date {
    date.saturating_add(by)
}
