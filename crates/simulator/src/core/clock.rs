//! The virtual clock: the only time a fake may read.
//!
//! It starts at an instant fixed by the seed's configuration and moves only when somebody
//! advances it (the driver, the control API, or the optional real-time ticker of a standalone
//! run). Two runs that advance alike therefore see the same instants.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds in one virtual day.
pub const DAY_MS: i64 = 86_400_000;

/// A clock in whole milliseconds since the Unix epoch.
#[derive(Debug)]
pub struct Clock {
    start_ms: i64,
    now_ms: AtomicI64,
}

impl Clock {
    /// A clock that stands at `start` (cut to whole milliseconds).
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        let ms = start.as_millisecond();
        Self { start_ms: ms, now_ms: AtomicI64::new(ms) }
    }

    /// Now, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// Now, as an instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        instant(self.now_ms())
    }

    /// Where the clock started, in milliseconds since the epoch.
    #[must_use]
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Whole virtual days since the start.
    #[must_use]
    pub fn day(&self) -> u32 {
        u32::try_from((self.now_ms() - self.start_ms) / DAY_MS).unwrap_or(u32::MAX)
    }

    /// Moves forward to `ms`; a clock never goes back.
    pub(crate) fn move_to(&self, ms: i64) {
        self.now_ms.fetch_max(ms, Ordering::SeqCst);
    }
}

/// The instant `ms` milliseconds after the epoch (the epoch itself if out of range).
#[must_use]
pub fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `at` moved by `ms` milliseconds (unchanged if out of range).
#[must_use]
pub fn plus_ms(at: Timestamp, ms: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(ms)).unwrap_or(at)
}

/// `2026-03-02T08:00:00Z`: whole seconds, UTC.
#[must_use]
pub fn iso_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-03-02T08:00:00.123Z`: milliseconds, UTC.
#[must_use]
pub fn iso_millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `at` on the clock of a zone given as minutes east of UTC, by a strftime pattern.
#[must_use]
pub fn local(at: Timestamp, minutes_east: i32, pattern: &str) -> String {
    let offset =
        jiff::tz::Offset::from_seconds(minutes_east.saturating_mul(60)).unwrap_or(jiff::tz::Offset::UTC);
    at.to_zoned(TimeZone::fixed(offset)).strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_goes_back_and_counts_days() {
        let clock = Clock::new("2026-03-02T00:00:00Z".parse().unwrap());
        clock.move_to(clock.start_ms() + 3 * DAY_MS + 5);
        assert_eq!(clock.day(), 3);
        clock.move_to(0);
        assert_eq!(clock.day(), 3);
        assert_eq!(iso_seconds(clock.now()), "2026-03-05T00:00:00Z");
        assert_eq!(iso_millis(clock.now()), "2026-03-05T00:00:00.005Z");
        // Shanghai is UTC+8.
        assert_eq!(local(clock.now(), 480, "%Y-%m-%d %H:%M:%S"), "2026-03-05 08:00:00");
    }
}
