//! Reading by the day on which a case was opened. eBay has no search by change of disputes and returns, takes at most 90
//! days at once, and goes 18 months back: a look begins as far back as a case may still change.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tradewind_connector::{Cursor, Error, Window};

/// Longest range of dates in one call.
const SPAN: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How far back eBay looks: 18 months, kept a little short of it.
const REACH: SignedDuration = SignedDuration::from_hours(540 * 24);

/// Where a reading goes on: in the range that begins at `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) from: Timestamp,
    pub(crate) offset: u32,
}

/// One call's dates and first row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) offset: u32,
}

impl Place {
    /// Where a cursor points, or where a window's look begins when a case changes for `life` after it was opened.
    pub(crate) fn of(
        cursor: Option<&Cursor>,
        window: &Window,
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<Place, Error> {
        if let Some(c) = cursor {
            return serde_json::from_str(&c.0)
                .map_err(|_| Error::invalid(format!("'{}' is not a cursor of this connector", c.0)));
        }
        let back = |from: Timestamp, by| from.checked_sub(by).unwrap_or(Timestamp::MIN);
        Ok(Place { from: back(window.from, life).max(back(now, REACH)), offset: 0 })
    }

    /// What to ask for; nothing when all of the window is out of eBay's reach.
    pub(crate) fn span(&self, window: &Window, now: Timestamp) -> Option<Span> {
        let to = self.from.checked_add(SPAN).unwrap_or(Timestamp::MAX).min(window.to).min(now);
        (self.from < to).then_some(Span { from: self.from, to, offset: self.offset })
    }

    /// After a page of `span`: its next page begins at row `more`; without one the next range does.
    pub(crate) fn after(
        span: &Span,
        more: Option<u32>,
        window: &Window,
        now: Timestamp,
    ) -> Result<Option<Cursor>, Error> {
        let next = match more {
            Some(offset) => Place { from: span.from, offset },
            None => Place { from: span.to, offset: 0 },
        };
        if more.is_none() && next.span(window, now).is_none() {
            return Ok(None);
        }
        serde_json::to_string(&next).map(|t| Some(Cursor(t))).map_err(|e| Error::invalid(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: &str) -> Timestamp {
        format!("{day}T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_look_goes_back_a_life_in_ranges_of_ninety_days() {
        let (window, now) = (Window { from: at("2026-07-31"), to: at("2026-08-01") }, at("2026-08-01"));
        let life = SignedDuration::from_hours(180 * 24);
        let mut place = Place::of(None, &window, life, now).unwrap();
        let mut days = vec![place.from];
        loop {
            let span = place.span(&window, now).unwrap();
            days.push(span.to);
            match Place::after(&span, None, &window, now).unwrap() {
                Some(next) => place = Place::of(Some(&next), &window, life, now).unwrap(),
                None => break,
            }
        }
        // 31 July less 180 days is 1 February (28 + 31 + 30 + 31 + 30 + 30); 90 days on it is 2 May, then 31 July.
        assert_eq!(days, [at("2026-02-01"), at("2026-05-02"), at("2026-07-31"), at("2026-08-01")]);
        // A page of the same range.
        let span = Span { from: at("2026-02-01"), to: at("2026-05-02"), offset: 0 };
        let more = Place::after(&span, Some(200), &window, now).unwrap().unwrap();
        let place = Place::of(Some(&more), &window, life, now).unwrap();
        assert_eq!(place.span(&window, now).unwrap(), Span { offset: 200, ..span });
        assert!(Place::of(Some(&Cursor("7".to_owned())), &window, life, now).is_err());
    }

    #[test]
    fn what_ebay_has_forgotten_is_not_asked_for() {
        let now = at("2026-08-01");
        let old = Window { from: at("2020-01-01"), to: at("2020-02-01") };
        let place = Place::of(None, &old, SignedDuration::ZERO, now).unwrap();
        // 540 days before 1 August 2026: 365 lead to 1 August 2025, 175 more to 7 February.
        assert_eq!((place.from, place.span(&old, now)), (at("2025-02-07"), None));
        // Nothing is asked of days to come.
        let ahead = Window { from: at("2026-07-01"), to: at("2027-01-01") };
        let place = Place::of(None, &ahead, SignedDuration::ZERO, now).unwrap();
        assert_eq!(place.span(&ahead, now).unwrap().to, now);
    }
}
