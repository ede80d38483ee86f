//! `limits.toml`: a channel's quotas as data.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use tradewind_domain::{Decimal, parse_decimal};

use crate::error::Error;
use crate::operation::Priority;

/// The quota table of one connector.
///
/// ```toml
/// [[bucket]]
/// name = "orders.search"
/// scope = "account"            # app | login | account | object
/// burst = 20                   # calls at once
/// refill = { units = 1, every = "60s" }
///
/// [[window]]                   # a fixed window: so many calls a day
/// name = "daily"
/// scope = "app"
/// limit = 5000
/// every = "day"                # hour | day | month
/// zone = "America/Los_Angeles" # where the day begins
/// # Kept back for calls of this priority and above: who comes below leaves it untouched.
/// reserve = { orders = "0.3", stock = "0.1" }
///
/// [[header]]
/// name = "x-ratelimit-reset"
/// means = "reset_at"           # rate | remaining | reset_after | reset_at
/// bucket = "orders.search"     # needed where an operation draws from several
/// unit = "ms"                  # of the two resets: s | ms; reset_at may be a date as well
/// ```
///
/// What a window has given is not kept over a restart of the process: the channel's own answers correct it.
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
    /// All accounts of one application and one login at the channel, as [`crate::Protocol::shared_login`] names it; of an account
    /// that names none, the account's.
    Login,
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

/// A quota that starts anew each hour, day or month.
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
    /// Shares of `limit` that are kept for calls of a priority and those above it.
    #[serde(default, deserialize_with = "shares")]
    pub reserve: BTreeMap<Priority, Decimal>,
}

impl FixedWindow {
    /// Units of a window that calls of this priority may use: all but what is kept for higher ones.
    #[must_use]
    pub fn open_to(&self, priority: Priority) -> u32 {
        let kept: Decimal =
            self.reserve.iter().filter(|(p, _)| **p > priority).map(|(_, share)| *share).sum();
        let units = (Decimal::from(self.limit) * (Decimal::ONE - kept)).floor();
        u32::try_from(units).unwrap_or(0)
    }
}

/// Length of a fixed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// From the full hour.
    Hour,
    /// From midnight in the zone.
    Day,
    /// From the first midnight of the month in the zone.
    Month,
}

/// A header that tells about a quota.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Name, in any case.
    pub name: String,
    /// Meaning.
    pub means: Meaning,
    /// The bucket or window that it speaks of. Without it, the only one that the operation draws from.
    pub bucket: Option<String>,
    /// Unit of a reset.
    #[serde(default)]
    pub unit: Unit,
}

/// Unit of a time in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds; may be a decimal.
    #[default]
    S,
    /// Milliseconds.
    Ms,
}

/// What the number in a header means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Steady refill, in calls per second; may be a decimal.
    Rate,
    /// Calls left now.
    Remaining,
    /// Time until it is full or usable again. Waited for only where nothing is left, or where the answer refuses.
    ResetAfter,
    /// The same as an instant: Unix time, an HTTP date, or RFC 3339.
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
    /// Not TOML of this shape (the message names line and column), a name twice, a burst or refill of zero, a reserve that
    /// leaves nothing, a header of a bucket that is not there.
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
        if let Some(w) = limits.window.iter().find(|w| w.open_to(Priority::Content) == 0) {
            let text = format!(
                "limits.toml: the reserves of window '{}' leave nothing to others: together they must be less than 1",
                w.name
            );
            return Err(Error::config(text));
        }
        for h in &limits.header {
            if let Some(bucket) = &h.bucket {
                limits
                    .known(bucket)
                    .map_err(|e| Error::config(format!("header '{}': {}", h.name, e.message())))?;
            }
        }
        Ok(limits)
    }

    fn known(&self, bucket: &str) -> Result<(), Error> {
        if self.names().any(|n| n == bucket) {
            return Ok(());
        }
        Err(Error::config(format!(
            "limits.toml has no bucket or window '{bucket}': add it, or correct the name"
        )))
    }

    /// Whether an operation can draw from these.
    ///
    /// # Errors
    /// [`crate::Kind::Config`]: a name that the table does not have would mean no limit at all, and a header that names no
    /// bucket says nothing to an operation that draws from several.
    pub fn check(&self, buckets: &[&str]) -> Result<(), Error> {
        for bucket in buckets {
            self.known(bucket)?;
        }
        match self.header.iter().find(|h| h.bucket.is_none()) {
            Some(h) if buckets.len() > 1 => {
                let text = format!(
                    "limits.toml: header '{}' must name its bucket: operations draw from {}",
                    h.name,
                    buckets.join(" and ")
                );
                Err(Error::config(text))
            }
            _ => Ok(()),
        }
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

/// Shares as text, so that they are what is written: `"0.1"`.
fn shares<'de, D: serde::Deserializer<'de>>(d: D) -> Result<BTreeMap<Priority, Decimal>, D::Error> {
    let written = BTreeMap::<Priority, String>::deserialize(d)?;
    let share = |(priority, text): (Priority, String)| {
        let share = parse_decimal(&text).ok().filter(|s| (Decimal::ZERO..Decimal::ONE).contains(s));
        let bad = || serde::de::Error::custom(format!("'{text}' is no share from 0 to less than 1"));
        Ok((priority, share.ok_or_else(bad)?))
    };
    written.into_iter().map(share).collect()
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
            "[[window]]\nname='d'\nscope='app'\nlimit=5\nevery='month'\nreserve={stock='0.5',orders='0.5'}",
            "[[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'\nreserve={stock='-0.1'}",
            "[[header]]\nname='x'\nmeans='remaining'\nbucket='nowhere'",
            "[[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'\n[[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'",
        ] {
            assert!(Limits::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_operation_draws_from_is_there() {
        let table = "[[bucket]]\nname='a'\nscope='app'\nburst=2\nrefill={units=1,every='1s'}\n\
                     [[window]]\nname='d'\nscope='app'\nlimit=5\nevery='day'\n";
        let limits = Limits::parse(table).unwrap();
        limits.check(&["a", "d"]).unwrap();
        let e = limits.check(&["a", "dd"]).unwrap_err();
        assert!(e.to_string().contains("'dd'"), "{e}");
        // Whose rest the header tells cannot be guessed where there are two.
        let limits = Limits::parse(&format!("{table}[[header]]\nname='x'\nmeans='remaining'\n")).unwrap();
        limits.check(&["a"]).unwrap();
        limits.check(&["a", "d"]).unwrap_err();
        let named = format!("{table}[[header]]\nname='x'\nmeans='remaining'\nbucket='d'\n");
        Limits::parse(&named).unwrap().check(&["a", "d"]).unwrap();
    }
}
