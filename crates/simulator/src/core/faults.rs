//! Fault injection: which request is disturbed, and how.
//!
//! The decision is a function of (seed, channel, operation, key, quarter of an hour, ordinal of the
//! request under that key in that quarter), so it does not depend on how requests of different keys
//! interleave, and a client that asks once more now meets no other faults later. A budget ends every
//! streak: after `max_streak` disturbed requests in a row under one key the next one is served
//! honestly, so a client that retries always gets through.

use super::rng::{Stream, number};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;

/// How unfriendly the network and the channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Nothing is disturbed, except by hand.
    #[default]
    None,
    /// About one request in 20.
    Mild,
    /// About one request in 4, streaks of up to three.
    Hostile,
}

impl FromStr for Profile {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "mild" => Ok(Self::Mild),
            "hostile" => Ok(Self::Hostile),
            other => Err(format!("unknown fault profile `{other}`: use none, mild or hostile")),
        }
    }
}

impl Profile {
    /// Disturbed requests per thousand.
    fn per_mille(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Mild => 50,
            Self::Hostile => 250,
        }
    }

    /// Most disturbed requests in a row under one key.
    fn max_streak(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Mild => 1,
            Self::Hostile => 3,
        }
    }
}

/// One way to disturb a request or a pushed hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The connection closes before the request is handled.
    Drop,
    /// The request is handled, its answer is lost.
    DropAfter,
    /// The answer is late (a few real milliseconds).
    Delay,
    /// Too many requests, in the channel's own words; not handled.
    Throttle,
    /// A server error in the channel's own words; not handled.
    ServerError,
    /// No answer for a bounded time, then the connection closes; not handled.
    Hang,
    /// Handled; half of the answer arrives, then the connection closes.
    Truncate,
    /// A success status and not the truth, in the channel's own words: an error inside and nothing
    /// handled ([`super::channel::Channel::lie`]), or a handler that accepts and never publishes,
    /// tells what was true some time ago, or says half of what it did. A call for which a channel
    /// has no such thing is served honestly.
    Lie,
    /// The client's access token is declared expired although it is not; not handled.
    ExpireToken,
    /// A hook is delivered twice; a list tells its first record once more at its end.
    Duplicate,
    /// A hook is delivered after its successor; a list is told backwards.
    Reorder,
    /// Half an hour passes once a page of a list was told: orders come in, are paid and called off, money moves, and the
    /// pages behind it are no longer what they were. By hand alone: the lists of a profile's worlds have one page.
    Shift,
}

impl FromStr for Fault {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == text)
            .ok_or_else(|| format!("unknown fault `{text}`: there are {}", Self::names()))
    }
}

impl Fault {
    /// All names, for a message.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Drop,
        Self::DropAfter,
        Self::Delay,
        Self::Throttle,
        Self::ServerError,
        Self::Hang,
        Self::Truncate,
        Self::Lie,
        Self::ExpireToken,
        Self::Duplicate,
        Self::Reorder,
        Self::Shift,
    ];

    /// As the control interface calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::DropAfter => "drop_after",
            Self::Delay => "delay",
            Self::Throttle => "throttle",
            Self::ServerError => "server_error",
            Self::Hang => "hang",
            Self::Truncate => "truncate",
            Self::Lie => "lie",
            Self::ExpireToken => "expire_token",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Shift => "shift",
        }
    }

    /// Strikes only what is answered with a list.
    #[must_use]
    pub fn of_lists(self) -> bool {
        matches!(self, Self::Duplicate | Self::Reorder | Self::Shift)
    }

    /// Can befall a hook.
    #[must_use]
    pub fn of_hooks(self) -> bool {
        matches!(self, Self::Duplicate | Self::Reorder)
    }
}

/// What a profile draws from, with weights: common troubles weigh more; `Hang` costs real time. A list that is served may in
/// addition be told otherwise ([`Faults::retold`]).
const MENU: &[(Fault, u64)] = &[
    (Fault::Drop, 3),
    (Fault::DropAfter, 3),
    (Fault::Delay, 3),
    (Fault::Throttle, 4),
    (Fault::ServerError, 4),
    (Fault::Hang, 1),
    (Fault::Truncate, 2),
    (Fault::Lie, 2),
    (Fault::ExpireToken, 1),
];

/// The name under which hooks are disturbed by hand: no channel has an operation of this name.
pub const HOOKS: &str = "hooks";

/// The fault plan of the whole world.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    base: Profile,
    by_channel: BTreeMap<String, Profile>,
    /// Faults set by hand, in order: (channel, operation or any, fault, how many more times).
    scripted: VecDeque<(String, Option<String>, Fault, u32)>,
    /// By channel, operation and key.
    seen: BTreeMap<(String, String, String), Seen>,
}

/// What was seen of one key.
#[derive(Debug, Default)]
struct Seen {
    /// The quarter of an hour of its last request.
    quarter: i64,
    /// Requests in that quarter.
    requests: u64,
    /// Disturbed requests in a row, whenever they came.
    streak: u32,
}

const QUARTER_MS: i64 = 15 * 60_000;

impl Faults {
    pub(crate) fn new(seed: u64, base: Profile) -> Self {
        Self { seed, base, ..Self::default() }
    }

    /// Sets the profile of one channel.
    pub fn set_profile(&mut self, channel: &str, profile: Profile) {
        self.by_channel.insert(channel.to_owned(), profile);
    }

    /// Sets the profile of every channel.
    pub fn set_all(&mut self, profile: Profile) {
        self.base = profile;
        self.by_channel.clear();
    }

    /// Disturbs the next `times` matching requests with `fault`, whatever the profile says.
    pub fn script(&mut self, channel: &str, operation: Option<&str>, fault: Fault, times: u32) {
        self.scripted.push_back((channel.to_owned(), operation.map(str::to_owned), fault, times));
    }

    /// The profile of channels that have none of their own.
    #[must_use]
    pub fn base(&self) -> Profile {
        self.base
    }

    fn profile(&self, channel: &str) -> Profile {
        self.by_channel.get(channel).copied().unwrap_or(self.base)
    }

    /// Decides about the next request of `operation` under `key`, at `now` milliseconds; `list`: it is answered with one.
    pub fn decide(
        &mut self,
        channel: &str,
        operation: &str,
        key: &str,
        list: bool,
        now: i64,
    ) -> Option<Fault> {
        let at = self.scripted.iter().position(|(c, op, fault, times)| {
            let strikes = list || !fault.of_lists();
            *times > 0 && strikes && c == channel && op.as_deref().is_none_or(|op| op == operation)
        });
        if let Some(fault) = self.take(at) {
            return Some(fault);
        }
        let profile = self.profile(channel);
        if profile == Profile::None {
            return None;
        }
        let seen = self.seen.entry((channel.to_owned(), operation.to_owned(), key.to_owned())).or_default();
        let quarter = now.div_euclid(QUARTER_MS);
        if seen.quarter != quarter {
            (seen.quarter, seen.requests) = (quarter, 0);
        }
        let (quarter, ordinal) = (quarter.to_string(), seen.requests.to_string());
        seen.requests += 1;
        if seen.streak >= profile.max_streak() {
            seen.streak = 0;
            return None;
        }
        let request = [channel, operation, key, &quarter, &ordinal];
        let mut stream = Stream::open(self.seed, &[&["fault"], &request[..]].concat());
        if !stream.chance(profile.per_mille()) {
            seen.streak = 0;
            return if list { self.retold(profile, &request) } else { None };
        }
        seen.streak += 1;
        let total: u64 = MENU.iter().map(|(_, weight)| weight).sum();
        let mut draw = stream.below(total);
        for (fault, weight) in MENU {
            if draw < *weight {
                return Some(*fault);
            }
            draw -= weight;
        }
        None
    }

    /// Whether a list that is served is told with a record twice, or in another order: as often as a request is disturbed,
    /// and by draws of its own, so that lists change nothing of what befalls the requests.
    fn retold(&self, profile: Profile, request: &[&str]) -> Option<Fault> {
        let name: Vec<&str> = ["list"].iter().chain(request).copied().collect();
        let draw = number(self.seed, &name);
        if draw % 1_000 >= u64::from(profile.per_mille()) {
            return None;
        }
        Some(if (draw >> 32) & 1 == 0 { Fault::Duplicate } else { Fault::Reorder })
    }

    /// Takes one time off a fault that was set by hand.
    fn take(&mut self, at: Option<usize>) -> Option<Fault> {
        let at = at?;
        let entry = self.scripted.get_mut(at)?;
        let fault = entry.2;
        entry.3 -= 1;
        if entry.3 == 0 {
            self.scripted.remove(at);
        }
        Some(fault)
    }

    /// Decides what befalls a hook: delivered once, twice, or after its successor. A fault set by hand strikes one when its
    /// operation is [`HOOKS`].
    pub fn decide_hook(&mut self, channel: &str, hook_id: &str) -> Option<Fault> {
        let at = self.scripted.iter().position(|(c, op, ..)| c == channel && op.as_deref() == Some(HOOKS));
        if let Some(fault) = self.take(at) {
            return Some(fault);
        }
        let per_mille = self.profile(channel).per_mille();
        let draw = number(self.seed, &["hook", channel, hook_id]);
        if draw % 1_000 >= u64::from(per_mille) {
            return None;
        }
        Some(if (draw >> 32) & 1 == 0 { Fault::Duplicate } else { Fault::Reorder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_ignore_how_keys_interleave() {
        let run = |keys: &[&str]| {
            let mut faults = Faults::new(9, Profile::Hostile);
            let mut out: BTreeMap<String, Vec<Option<Fault>>> = BTreeMap::new();
            for key in keys {
                out.entry((*key).to_owned()).or_default().push(faults.decide("amazon", "put", key, false, 0));
            }
            out
        };
        let a = run(&["x", "y"].repeat(50));
        let mut one_by_one = vec!["y"; 50];
        one_by_one.extend(vec!["x"; 50]);
        assert_eq!(a, run(&one_by_one));
    }

    #[test]
    fn who_asks_once_more_meets_no_other_faults_later() {
        let later = |asked: usize| {
            let mut faults = Faults::new(9, Profile::Hostile);
            for _ in 0..asked {
                faults.decide("amazon", "orders", "", false, QUARTER_MS - 1);
            }
            // The streak is over: what the first quarter leaves is nothing but its number of requests.
            faults.seen.values_mut().for_each(|seen| seen.streak = 0);
            (0..50).map(|_| faults.decide("amazon", "orders", "", false, QUARTER_MS)).collect::<Vec<_>>()
        };
        assert_eq!(later(1), later(2));
        assert!(later(1).iter().any(Option::is_some));
    }

    #[test]
    fn streaks_end_and_rates_are_about_right() {
        let mut faults = Faults::new(3, Profile::Hostile);
        let (mut hit, mut streak) = (0_u32, 0_u32);
        for _ in 0..4_000 {
            if faults.decide("c", "op", "k", false, 0).is_some() {
                hit += 1;
                streak += 1;
                assert!(streak <= 3);
            } else {
                streak = 0;
            }
        }
        // 25 % less the forced honest answers; a wide band is enough.
        assert!((800..=1_100).contains(&hit), "{hit}");
        assert_eq!(Faults::new(3, Profile::None).decide("c", "op", "k", false, 0), None);
    }

    #[test]
    fn a_profile_tells_lists_otherwise_and_nothing_else() {
        let mut faults = Faults::new(3, Profile::Mild);
        let mut hit: BTreeMap<&str, u32> = BTreeMap::new();
        for n in 0..2_000 {
            let fault = faults.decide("c", "list", &n.to_string(), true, 0);
            *hit.entry(fault.map_or("none", Fault::name)).or_default() += 1;
            // The same request without a list: the same fault, or none.
            let plain = Faults::new(3, Profile::Mild).decide("c", "list", &n.to_string(), false, 0);
            let told = matches!(fault, Some(Fault::Duplicate | Fault::Reorder));
            assert_eq!(plain, if told { None } else { fault });
        }
        // 5 % of the 95 % that are served, half of them each way: 47.5 of 2,000 each; a wide band is enough.
        for way in ["duplicate", "reorder"] {
            assert!((25..=75).contains(&hit[way]), "{hit:?}");
        }
        assert_eq!(Faults::new(3, Profile::None).decide("c", "list", "k", true, 0), None);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
        assert!("dorp".parse::<Fault>().unwrap_err().contains("there are drop, drop_after,"));
    }

    #[test]
    fn scripted_faults_come_first_and_run_out() {
        let mut faults = Faults::new(3, Profile::None);
        faults.script("c", Some("op"), Fault::Hang, 2);
        assert_eq!(faults.decide("c", "other", "k", false, 0), None);
        assert_eq!(faults.decide("c", "op", "k", false, 0), Some(Fault::Hang));
        assert_eq!(faults.decide("c", "op", "k", false, 0), Some(Fault::Hang));
        assert_eq!(faults.decide("c", "op", "k", false, 0), None);
    }
}
