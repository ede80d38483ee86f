//! What the headers of an answer say about time and quota.

use std::time::Duration;

use jiff::Timestamp;
use tradewind_domain::{Decimal, parse_decimal};

use crate::limits::{Header, Meaning, Signal, Unit};
use crate::wire::WireResponse;

/// What the headers of one answer told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// For the buckets, whatever the answer says.
    pub(crate) signals: Vec<Signal>,
    /// When the quota is whole again: how long to wait where the answer refuses and names no other time.
    pub(crate) reset: Option<Duration>,
}

/// `Retry-After` of RFC 9110 §10.2.3: seconds (some send decimals) or an HTTP date. `None` for no time at all, and for one that
/// is over: a pause of nothing would be no pause.
pub(crate) fn retry_after(text: &str, theirs: Timestamp) -> Option<Duration> {
    let wait = match parse_decimal(text.trim()) {
        Ok(number) => span(number, Unit::S)?,
        Err(_) => Duration::try_from(http_date(text)?.duration_since(theirs)).ok()?,
    };
    (!wait.is_zero()).then_some(wait)
}

/// An HTTP date (RFC 9110 §5.6.7, IMF-fixdate).
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|z| z.timestamp())
}

/// Now, on the clock that wrote the answer's times: its `Date`, or ours where it has none.
pub(crate) fn their_now(response: &WireResponse, ours: Timestamp) -> Timestamp {
    response.header("date").and_then(http_date).unwrap_or(ours)
}

/// Reads the headers that a quota table names.
pub(crate) fn headers(rules: &[Header], response: &WireResponse, ours: Timestamp) -> Told {
    // Most tables name no instant, and reading a date takes longer than all the rest.
    let theirs = || their_now(response, ours);
    let mut told = Told::default();
    let mut resets: Vec<(Option<&String>, Duration)> = Vec::new();
    for rule in rules {
        let Some(text) = response.header(&rule.name) else { continue };
        match read(rule, text.trim(), theirs) {
            Some(Read::Signal(signal)) => told.signals.push(signal),
            Some(Read::Reset(wait)) => resets.push((rule.bucket.as_ref(), wait)),
            None => {
                let value: String = text.chars().take(40).collect();
                tracing::warn!(header = rule.name, value, means = ?rule.means, "a quota header could not be read: correct its row in limits.toml");
            }
        }
    }
    // Channels send the reset with each answer: that nothing goes until then is only so where nothing is left.
    let empty = |bucket: Option<&String>| {
        told.signals
            .iter()
            .any(|s| matches!(s, Signal::Remaining { bucket: of, units: 0 } if of.as_ref() == bucket))
    };
    let spent: Vec<(Option<String>, Duration)> =
        resets.iter().filter(|(b, _)| empty(*b)).map(|(b, wait)| (b.cloned(), *wait)).collect();
    told.reset = match (spent.iter().map(|(_, wait)| *wait).max(), resets.as_slice()) {
        (Some(longest), _) => Some(longest),
        (None, [(_, only)]) => Some(*only),
        // Of several, none says which of them refused.
        _ => None,
    };
    told.reset = told.reset.filter(|wait| !wait.is_zero());
    told.signals.extend(spent.into_iter().map(|(bucket, wait)| Signal::Wait { bucket, wait }));
    told
}

enum Read {
    Signal(Signal),
    Reset(Duration),
}

fn read(rule: &Header, text: &str, theirs: impl FnOnce() -> Timestamp) -> Option<Read> {
    let number = parse_decimal(text);
    let bucket = rule.bucket.clone();
    match rule.means {
        Meaning::Remaining => {
            // Below nothing is nothing: some count on while they refuse.
            let units = number.ok()?.trunc().max(Decimal::ZERO);
            Some(Read::Signal(Signal::Remaining { bucket, units: u32::try_from(units).ok()? }))
        }
        Meaning::Rate => {
            let (units, every) = rate(number.ok()?)?;
            Some(Read::Signal(Signal::Rate { bucket, units, every }))
        }
        Meaning::ResetAfter => Some(Read::Reset(span(number.ok()?, rule.unit)?)),
        Meaning::ResetAt => {
            let at = match number {
                Ok(number) => Timestamp::from_millisecond(millis(number, rule.unit)?).ok()?,
                Err(_) => http_date(text).or_else(|| text.parse().ok())?,
            };
            Some(Read::Reset(Duration::try_from(at.duration_since(theirs())).unwrap_or(Duration::ZERO)))
        }
    }
}

/// A rate per second as whole units per so many seconds, never more than it says: 0.01666667 → 1,666,667 in 10^8 s.
fn rate(number: Decimal) -> Option<(u32, Duration)> {
    let number = number.normalize();
    // Fewer digits where the units would not fit; at nine, a unit in thirty years is still told apart from none.
    (0..=number.scale().min(9)).rev().find_map(|scale| {
        let cut = number.trunc_with_scale(scale).normalize();
        let units = u32::try_from(cut.mantissa()).ok().filter(|u| *u > 0)?;
        Some((units, Duration::from_secs(10_u64.pow(cut.scale()))))
    })
}

fn millis(number: Decimal, unit: Unit) -> Option<i64> {
    let number = match unit {
        Unit::Ms => number,
        Unit::S => number.checked_mul(Decimal::ONE_THOUSAND)?,
    };
    i64::try_from(number.ceil()).ok()
}

fn span(number: Decimal, unit: Unit) -> Option<Duration> {
    u64::try_from(millis(number, unit)?).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    const NOON: &str = "2026-08-01T12:00:00Z";

    fn told(table: &str, values: &[(&'static str, &str)]) -> Told {
        let limits = Limits::parse(table).unwrap();
        let mut response = WireResponse::json_text(200, "{}");
        for (name, value) in values {
            response.headers.insert(*name, value.parse().unwrap());
        }
        headers(&limits.header, &response, NOON.parse().unwrap())
    }

    #[test]
    fn a_pause_is_understood_in_all_its_forms() {
        let at = |text: &str| retry_after(text, NOON.parse().unwrap());
        assert_eq!(at("12"), Some(Duration::from_secs(12)));
        assert_eq!(at("2.0"), Some(Duration::from_secs(2)));
        assert_eq!(at("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(at("Sat, 01 Aug 2026 12:00:20 GMT"), Some(Duration::from_secs(20)));
        // No pause is none: the caller backs off instead.
        for none in ["0", "0.0", "-3", "soon", "Sat, 01 Aug 2026 11:59:00 GMT"] {
            assert_eq!(at(none), None, "{none}");
        }
    }

    #[test]
    fn a_reset_is_no_wait_while_something_is_left() {
        let table = "[[header]]\nname = 'x-left'\nmeans = 'remaining'\n[[header]]\nname = 'x-reset'\nmeans = 'reset_after'\n";
        let left = |bucket: Option<String>, units| Signal::Remaining { bucket, units };
        let wait = Duration::from_secs(30);
        let some = told(table, &[("x-left", "7"), ("x-reset", "30")]);
        assert_eq!(some, Told { signals: vec![left(None, 7)], reset: Some(wait) });
        let none = told(table, &[("x-left", "0"), ("x-reset", "30")]);
        let signals = vec![left(None, 0), Signal::Wait { bucket: None, wait }];
        assert_eq!(none, Told { signals, reset: Some(wait) });
    }

    #[test]
    fn a_reset_is_read_in_its_unit() {
        // Half a minute after noon, 2026-08-01T12:00:30Z: 1,785,585,630 s, as `date -u -d … +%s` has it.
        for (unit, text) in [
            ("s", "1785585630"),
            ("ms", "1785585630000"),
            ("s", "Sat, 01 Aug 2026 12:00:30 GMT"),
            ("s", "2026-08-01T12:00:30Z"),
        ] {
            let table = format!("[[header]]\nname = 'x-reset'\nmeans = 'reset_at'\nunit = '{unit}'\n");
            assert_eq!(told(&table, &[("x-reset", text)]).reset, Some(Duration::from_secs(30)), "{text}");
        }
        let table = "[[header]]\nname = 'x-reset'\nmeans = 'reset_after'\nunit = 'ms'\n";
        assert_eq!(told(table, &[("x-reset", "1500")]).reset, Some(Duration::from_millis(1500)));
        // The answer's own clock is ten seconds ahead of ours: twenty are left.
        let table = "[[header]]\nname = 'x-reset'\nmeans = 'reset_at'\n";
        let ahead = [("x-reset", "1785585630"), ("date", "Sat, 01 Aug 2026 12:00:10 GMT")];
        assert_eq!(told(table, &ahead).reset, Some(Duration::from_secs(20)));
    }

    #[test]
    fn what_is_left_of_one_bucket_is_told_to_that_one() {
        let table = "[[bucket]]\nname = 'second'\nscope = 'app'\nburst = 5\nrefill = { units = 5, every = '1s' }\n\
                     [[header]]\nname = 'x-left'\nmeans = 'remaining'\nbucket = 'second'\n";
        let of = |units| Signal::Remaining { bucket: Some("second".into()), units };
        assert_eq!(told(table, &[("x-left", "3")]).signals, [of(3)]);
        assert_eq!(told(table, &[("x-left", "-1")]).signals, [of(0)]);
    }

    #[test]
    fn a_rate_keeps_its_size_whatever_its_digits() {
        let of = |text: &str| rate(parse_decimal(text).unwrap());
        assert_eq!(of("2.0"), Some((2, Duration::from_secs(1))));
        assert_eq!(of("0.0167"), Some((167, Duration::from_secs(10_000))));
        // Eight digits: 1,666,667 in 10^8 s is one a minute, not 1.67 a second.
        assert_eq!(of("0.01666667"), Some((1_666_667, Duration::from_secs(100_000_000))));
        // 5.123456789 would be 5,123,456,789 in 10^9 s, which no u32 holds: one digit less.
        assert_eq!(of("5.123456789"), Some((512_345_678, Duration::from_secs(100_000_000))));
        assert_eq!(of("0"), None);
        assert_eq!(of("-1"), None);
    }
}
