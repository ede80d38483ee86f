//! `limits.toml`: a channel's quotas as data.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::error::Error;

/// The quota table of one connector.
///
/// ```toml
/// [[bucket]]
/// name = "orders.search"
/// scope = "account"            # app | account | object
/// burst = 20                   # calls at once
/// refill = { units = 1, every = "60s" }
///
/// [[window]]                   # a fixed window: so many calls a day
/// name = "daily"
/// scope = "app"
/// limit = 5000
/// every = "day"                # hour | day
/// zone = "America/Los_Angeles" # where the day begins
///
/// [[header]]
/// name = "x-amzn-ratelimit-limit"
/// means = "rate"               # rate | remaining | reset_after | reset_at
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Leaky buckets.
    #[serde(default)]
    pub bucket: Vec<Bucket>,
    /// Fixed windows.
    #[serde(default)]
    pub window: Vec<FixedWindow>,
    /// Headers that tell about quotas. `Retry-After` is always understood.
    #[serde(default)]
    pub header: Vec<Header>,
}

/// Who shares a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All accounts of one application registration.
    App,
    /// One account.
    Account,
    /// One object of an account (a SKU, a listing), as [`crate::Operation::object`] names it.
    Object,
}

/// A bucket that refills steadily.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Name that operations refer to.
    pub name: String,
    /// Who shares it.
    pub scope: Scope,
    /// Units at once. At least 1.
    pub burst: u32,
    /// Steady refill.
    pub refill: Refill,
}

/// So many units in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refill {
    /// Units.
    pub units: u32,
    /// Time.
    #[serde(deserialize_with = "duration::required")]
    pub every: Duration,
}

/// A quota that starts anew each hour or day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedWindow {
    /// Name that operations refer to.
    pub name: String,
    /// Who shares it.
    pub scope: Scope,
    /// Calls in one window.
    pub limit: u32,
    /// Length.
    pub every: Every,
    /// Zone in which the day begins.
    #[serde(default = "utc", deserialize_with = "zone")]
    pub zone: TimeZone,
}

/// Length of a fixed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// From the full hour.
    Hour,
    /// From midnight in the zone.
    Day,
}

/// A header that tells about a quota.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Name, in any case.
    pub name: String,
    /// Meaning.
    pub means: Meaning,
}

/// What the number in a header means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Steady refill, in calls per second; may be a decimal.
    Rate,
    /// Calls left now.
    Remaining,
    /// Seconds until it is full or usable again.
    ResetAfter,
    /// The same as Unix seconds.
    ResetAt,
}

/// What a response told about the buckets of its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Units left now, in the named bucket or (`None`) in all of the operation's.
    Remaining {
        /// Bucket.
        bucket: Option<String>,
        /// Units.
        units: u32,
    },
    /// The steady refill is now this.
    Rate {
        /// Bucket.
        bucket: Option<String>,
        /// Units.
        units: u32,
        /// Time for these units.
        every: Duration,
    },
    /// Nothing goes for this long.
    Wait {
        /// Bucket.
        bucket: Option<String>,
        /// How long.
        wait: Duration,
    },
}

impl Limits {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// Not TOML of this shape (the message names line and column), a name twice, a burst or refill of zero.
    pub fn parse(text: &str) -> Result<Limits, Error> {
        let limits: Limits = toml::from_str(text).map_err(|e| Error::config(format!("limits.toml: {e}")))?;
        let mut names: Vec<&str> = limits.names().collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(Error::config(format!("limits.toml: '{}' stands twice", twice[0])));
        }
        for b in &limits.bucket {
            if b.burst == 0 || b.refill.units == 0 || b.refill.every.is_zero() {
                return Err(Error::config(format!(
                    "limits.toml: bucket '{}' never lets a call through",
                    b.name
                )));
            }
        }
        if let Some(w) = limits.window.iter().find(|w| w.limit == 0) {
            return Err(Error::config(format!("limits.toml: window '{}' never lets a call through", w.name)));
        }
        Ok(limits)
    }

    /// Names of buckets and windows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.bucket.iter().map(|b| b.name.as_str()).chain(self.window.iter().map(|w| w.name.as_str()))
    }
}

fn utc() -> TimeZone {
    TimeZone::UTC
}

fn zone<'de, D: serde::Deserializer<'de>>(d: D) -> Result<TimeZone, D::Error> {
    let name = String::deserialize(d)?;
    TimeZone::get(&name).map_err(|_| serde::de::Error::custom(format!("unknown time zone '{name}'")))
}

/// Durations such as `"2s"`, `"1m"`, `"500ms"`.
pub(crate) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    pub(crate) fn required<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(d)?;
        let bad = || serde::de::Error::custom(format!("'{text}' is no duration such as \"2s\" or \"1m\""));
        let signed: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
        Duration::try_from(signed).map_err(|_| bad())
    }

    pub(crate) fn option<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        required(d).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_checked() {
        let ok = "[[bucket]]\nname='a'\nscope='account'\nburst=2\nrefill={units=1,every='500ms'}\n\
                  [[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'\nzone='America/Los_Angeles'";
        assert_eq!(Limits::parse(ok).unwrap().bucket[0].refill.every, Duration::from_millis(500));
        for bad in [
            "[[bucket]]\nname='a'\nscope='account'\nburst=0\nrefill={units=1,every='1s'}",
            "[[bucket]]\nname='a'\nscope='account'\nburst=1\nrefill={units=1,every='soon'}",
            "[[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'\nzone='Mars/Olympus'",
            "[[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'\n[[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'",
        ] {
            assert!(Limits::parse(bad).is_err(), "{bad}");
        }
    }
}
