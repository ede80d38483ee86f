//! What the headers of an answer say about time and quota.

use std::time::Duration;

use jiff::Timestamp;

use crate::limits::{Meaning, Signal};

/// `Retry-After` of RFC 9110 §10.2.3: seconds or an HTTP date.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = http_date(text)?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// An HTTP date (RFC 9110 §5.6.7, IMF-fixdate).
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|z| z.timestamp())
}

pub(crate) fn header_signal(means: Meaning, text: &str, now: Timestamp) -> Option<Signal> {
    let number = tradewind_domain::parse_decimal(text.trim()).ok()?;
    let seconds = |n: tradewind_domain::Decimal| {
        let millis = n.checked_mul(tradewind_domain::Decimal::ONE_THOUSAND)?.trunc();
        u64::try_from(millis).ok().map(Duration::from_millis)
    };
    match means {
        Meaning::Remaining => {
            let units = u32::try_from(number.trunc()).ok()?;
            Some(Signal::Remaining { bucket: None, units })
        }
        Meaning::Rate => {
            // A decimal rate per second, as whole units per so many nanoseconds: 0.0167 → 167 per 10,000 s.
            let scale = number.normalize().scale().min(6);
            let units = number.normalize().mantissa();
            let units = u32::try_from(units).ok().filter(|u| *u > 0)?;
            Some(Signal::Rate { bucket: None, units, every: Duration::from_secs(10_u64.pow(scale)) })
        }
        Meaning::ResetAfter => Some(Signal::Wait { bucket: None, wait: seconds(number)? }),
        Meaning::ResetAt => {
            let at = Timestamp::from_second(i64::try_from(number.trunc()).ok()?).ok()?;
            Some(Signal::Wait { bucket: None, wait: Duration::try_from(at.duration_since(now)).ok()? })
        }
    }
}
