//! The rate limiter: who may call now, and who waits how long.
//!
//! Buckets are [`governor`]'s, over a state cell of our own that can be read and written: that is what lets
//! headers, bodies and 429s correct it, which governor's stock state does not (its quota cannot be changed at
//! run time and a new limiter forgets what was spent). All limiters of a process share one origin of time, so a
//! cell keeps its meaning when its quota changes. A waiter queue per bucket is first-in-first-out within a
//! priority ([`crate::turnstile`]).

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::limits::{Bucket, Every, FixedWindow, Limits, Scope, Signal};
use crate::operation::{Priority, Take};
use crate::turnstile::{Late, Turnstile};

/// All quotas of a process. Accounts that share an application share its `app` buckets through this.
pub struct Limiter {
    clock: Arc<dyn Clock>,
    origin: Timestamp,
    /// By connector, bucket, and who shares it: the application, the login, the account, or an object of the account.
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    /// Some window was refused without a time since the last call that passed; spares every other call the look.
    struck: AtomicBool,
}

/// Who calls: decides which cells a call draws from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Connector.
    pub connector: String,
    /// Application registration (client id, app key); accounts with the same one share `app` quotas.
    pub app: String,
    /// Login that it shares with other accounts; those of one application share `login` quotas.
    pub login: Option<String>,
    /// Account.
    pub account: String,
}

/// What a call draws.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The connector's quota table.
    pub limits: &'a Limits,
    /// Buckets and windows to draw from. Names that the table does not have are not limited: the pipeline refuses an
    /// operation that has one, the name `token` excepted.
    pub buckets: &'a [&'a str],
    /// Object of per-object buckets.
    pub object: Option<&'a str>,
    /// Units from each.
    pub weight: u32,
    /// Instead of `object` and `weight`: what it draws from which of the buckets.
    pub takes: Option<&'a [Take]>,
}

/// The channel refused a call for quota.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The bucket that refused, where the error table knows.
    pub bucket: Option<&'a str>,
    /// Or who shares it.
    pub scope: Option<Scope>,
    /// How long the channel wants to be left alone.
    pub wait: Option<Duration>,
    /// It speaks of a used-up allowance, not of a pace.
    pub exhausted: bool,
    /// How long to pause where no time is named.
    pub pause: Duration,
}

/// So many refusals in a row without a time, each after a pause, and a window is taken to be used up.
const STRIKES: u32 = 5;
/// How often it is then asked again: it may have been a pace after all.
const ASK_AGAIN: Duration = Duration::from_secs(15 * 60);

/// One quota cell with its queue.
struct Gate {
    scope: Scope,
    rule: Mutex<Rule>,
    turn: Turnstile,
    /// Draws so far, whatever was refilled since.
    drawn: AtomicU64,
}

enum Rule {
    Bucket { burst: u32, every: Duration, cell: Cell },
    Window { rule: FixedWindow, start: Timestamp, used: u32, blocked_until: Option<Timestamp>, strikes: u32 },
}

/// What a call drew so far. Gives it back when it is dropped before the call is let through, also because nobody waits for
/// it any more.
struct Drawn(Vec<(Arc<Gate>, u32)>);

impl Drop for Drawn {
    fn drop(&mut self) {
        for (gate, units) in &self.0 {
            lock(&gate.rule).give_back(*units);
        }
    }
}

impl Limiter {
    /// An empty limiter on a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Limiter {
        // One year before now: a cell can then be set into the past (a full bucket) without underflow.
        let now = clock.now();
        let origin = now.checked_sub(jiff::SignedDuration::from_hours(24 * 365)).unwrap_or(now);
        Limiter { clock, origin, gates: Mutex::default(), struck: AtomicBool::new(false) }
    }

    fn gate(
        &self,
        caller: &Caller,
        scope: Scope,
        name: &str,
        object: Option<&str>,
        make: impl FnOnce() -> Rule,
    ) -> Arc<Gate> {
        let (owner, object) = match (scope, object) {
            (Scope::App, _) => (("app", caller.app.as_str()), ""),
            (Scope::Login, _) => match &caller.login {
                Some(login) => (("login", login.as_str()), caller.app.as_str()),
                None => (("account", caller.account.as_str()), ""),
            },
            (Scope::Object, Some(object)) => (("object", caller.account.as_str()), object),
            (Scope::Account | Scope::Object, _) => (("account", caller.account.as_str()), ""),
        };
        let key = [caller.connector.as_str(), name, owner.0, owner.1, object].join("\u{1f}");
        let mut gates = lock(&self.gates);
        Arc::clone(gates.entry(key).or_insert_with(|| {
            let (rule, turn, drawn) = (Mutex::new(make()), Turnstile::default(), AtomicU64::new(0));
            Arc::new(Gate { scope, rule, turn, drawn })
        }))
    }

    /// What a call draws from, with the units.
    fn gates<'a>(&self, draw: &Draw<'a>) -> Vec<(&'a str, Arc<Gate>, u32)> {
        let Draw { buckets, object, weight, takes, .. } = *draw;
        let mut found = Vec::with_capacity(takes.map_or(buckets.len(), <[Take]>::len));
        match takes {
            Some(takes) => {
                for take in takes {
                    found.extend(self.named(draw, take.bucket, take.object.as_deref(), take.units));
                }
            }
            None => {
                for name in buckets {
                    found.extend(self.named(draw, name, object, weight));
                }
            }
        }
        found
    }

    fn named<'a>(
        &self,
        draw: &Draw<'a>,
        name: &str,
        object: Option<&str>,
        units: u32,
    ) -> Option<(&'a str, Arc<Gate>, u32)> {
        let Draw { caller, limits, .. } = *draw;
        if let Some(b) = limits.bucket.iter().find(|b| b.name == *name) {
            let gate = self.gate(caller, b.scope, &b.name, object, || Rule::from_bucket(b));
            return Some((b.name.as_str(), gate, units));
        }
        let w = limits.window.iter().find(|w| w.name == *name)?;
        let gate = self.gate(caller, w.scope, &w.name, object, || Rule::from_window(w, self.clock.now()));
        Some((w.name.as_str(), gate, units))
    }

    /// Waits until all buckets give their units, and draws them. Draws nothing when it fails.
    ///
    /// # Errors
    /// [`Kind::Config`] when a bucket can never hold `weight`; [`Kind::RateLimited`] or
    /// [`Kind::QuotaExhausted`] when the wait would pass `deadline`: the caller parks the job, not a thread.
    pub async fn acquire(
        &self,
        draw: &Draw<'_>,
        priority: Priority,
        deadline: Timestamp,
    ) -> Result<Duration, Error> {
        let mut waited = Duration::ZERO;
        let mut drawn = Drawn(Vec::new());
        for (name, gate, units) in self.gates(draw) {
            waited += self.pass(name, &gate, units, priority, deadline).await?;
            gate.drawn.fetch_add(1, Ordering::Relaxed);
            drawn.0.push((gate, units));
        }
        drawn.0.clear();
        Ok(waited)
    }

    /// Draws from one bucket.
    async fn pass(
        &self,
        name: &str,
        gate: &Gate,
        weight: u32,
        priority: Priority,
        deadline: Timestamp,
    ) -> Result<Duration, Error> {
        let too_late = |until: Timestamp| {
            let wait = Duration::try_from(until.duration_since(self.clock.now())).unwrap_or(Duration::ZERO);
            let kind = if lock(&gate.rule).is_window() { Kind::QuotaExhausted } else { Kind::RateLimited };
            let text = format!("bucket '{name}' is empty for {} more seconds", wait.as_secs() + 1);
            Error::new(kind, text).retry_after(Some(wait))
        };
        let mut waited = Duration::ZERO;
        let mut turn =
            gate.turn.enter(priority, None, deadline).await.map_err(|Late(until)| too_late(until))?;
        loop {
            let now = self.clock.now();
            let verdict = lock(&gate.rule).draw(weight, priority, self.since_origin(now), now);
            let wait = match verdict {
                Verdict::Go => return Ok(waited),
                Verdict::Wait(wait) => wait,
                Verdict::Never => {
                    let text = format!(
                        "a call of weight {weight} never fits bucket '{name}': raise its burst in limits.toml or send smaller batches"
                    );
                    return Err(Error::config(text));
                }
            };
            let ready = now.checked_add(wait).unwrap_or(Timestamp::MAX);
            if ready > deadline {
                return Err(too_late(ready));
            }
            let woken = turn.sleeps(ready);
            let overtaken = matches!(select(self.clock.sleep(wait), woken).await, Either::Right((Ok(()), _)));
            let slept = self.clock.now().duration_since(now);
            waited += Duration::try_from(slept).unwrap_or(Duration::ZERO);
            if overtaken {
                // Somebody who goes first arrived: to the back of it, at the old place among our own.
                let place = turn.place();
                drop(turn);
                let again = gate.turn.enter(priority, Some(place), deadline).await;
                turn = again.map_err(|Late(until)| too_late(until))?;
            } else {
                turn.awake();
            }
        }
    }

    /// Gives back what a request drew that never left: the channel did not count it.
    pub fn undo(&self, draw: &Draw<'_>) {
        for (_, gate, units) in self.gates(draw) {
            lock(&gate.rule).give_back(units);
        }
    }

    /// Takes in what a response told.
    pub fn observe(&self, draw: &Draw<'_>, signals: &[Signal]) {
        if signals.is_empty() {
            return;
        }
        let now = self.clock.now();
        for (name, gate, _) in self.gates(draw) {
            for signal in signals {
                let target = match signal {
                    Signal::Remaining { bucket, .. }
                    | Signal::Rate { bucket, .. }
                    | Signal::Wait { bucket, .. } => bucket,
                };
                if target.as_ref().is_none_or(|t| *t == name) {
                    lock(&gate.rule).learn(signal, self.since_origin(now), now);
                }
            }
        }
    }

    /// Parks what refused a call: by default the narrowest of what it drew from, so that one shop's trouble is not that of
    /// all shops of an application. What is returned is how long a window is closed for, where the answer named no time.
    pub fn refused(&self, draw: &Draw<'_>, refusal: &Refusal<'_>) -> Option<Duration> {
        let now = self.clock.now();
        let elapsed = self.since_origin(now);
        let gates = self.gates(draw);
        let bucket = refusal.bucket.filter(|b| gates.iter().any(|(name, ..)| name == b));
        let scope = refusal.scope.filter(|s| gates.iter().any(|(_, gate, _)| gate.scope == *s));
        let narrowest = gates.iter().map(|(_, gate, _)| gate.scope).max();
        let mut closed = None;
        for (name, gate, _) in &gates {
            let meant = match bucket {
                Some(bucket) => *name == bucket,
                None => Some(gate.scope) == scope.or(narrowest),
            };
            if meant {
                closed = closed.max(lock(&gate.rule).refused(refusal, elapsed, now));
            }
        }
        if refusal.wait.is_none() {
            self.struck.store(true, Ordering::Release);
        }
        closed
    }

    /// The channel did not refuse a call for quota.
    pub fn passed(&self, draw: &Draw<'_>) {
        if self.struck.load(Ordering::Acquire) {
            for (_, gate, _) in self.gates(draw) {
                if let Rule::Window { strikes, .. } = &mut *lock(&gate.rule) {
                    *strikes = 0;
                }
            }
        }
    }

    /// Units that a bucket would give now, for `quota` displays and tests. `None`: not used yet.
    #[must_use]
    pub fn available(&self, caller: &Caller, limits: &Limits, bucket: &str) -> Option<u32> {
        let now = self.clock.now();
        let draw = Draw { caller, limits, buckets: &[bucket], object: None, weight: 0, takes: None };
        let (_, gate, _) = self.gates(&draw).into_iter().next()?;
        Some(lock(&gate.rule).available(self.since_origin(now), now))
    }

    /// How often each bucket and window was drawn from, by its name and over all who share it, whatever was refilled
    /// since: for the conformance suite.
    #[must_use]
    pub fn draws(&self) -> BTreeMap<String, u64> {
        let mut draws = BTreeMap::new();
        for (key, gate) in lock(&self.gates).iter() {
            let name = key.split('\u{1f}').nth(1).unwrap_or_default();
            *draws.entry(name.to_owned()).or_default() += gate.drawn.load(Ordering::Relaxed);
        }
        draws
    }

    fn since_origin(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.origin)).unwrap_or(Duration::ZERO)
    }
}

enum Verdict {
    Go,
    Wait(Duration),
    Never,
}

impl Rule {
    fn from_bucket(b: &Bucket) -> Rule {
        Rule::Bucket { burst: b.burst, every: b.refill.every / b.refill.units, cell: Cell::default() }
    }

    fn from_window(w: &FixedWindow, now: Timestamp) -> Rule {
        Rule::Window {
            rule: w.clone(),
            start: window_bounds(w, now).0,
            used: 0,
            blocked_until: None,
            strikes: 0,
        }
    }

    fn is_window(&self) -> bool {
        matches!(self, Rule::Window { .. })
    }

    fn draw(&mut self, weight: u32, priority: Priority, elapsed: Duration, now: Timestamp) -> Verdict {
        let Some(n) = NonZeroU32::new(weight) else { return Verdict::Go };
        match self {
            Rule::Bucket { burst, every, cell } => {
                if weight > *burst {
                    return Verdict::Never;
                }
                let Some(quota) = quota(*burst, *every) else { return Verdict::Never };
                let limiter: RateLimiter<NotKeyed, Cell, FixedNow, NoOpMiddleware<Moment>> =
                    RateLimiter::new(quota, cell.clone(), FixedNow::at(elapsed));
                match limiter.check_n(n) {
                    Ok(Ok(())) => Verdict::Go,
                    Ok(Err(not_until)) => {
                        let wait = not_until.wait_time_from(Moment(elapsed));
                        Verdict::Wait(wait.max(Duration::from_micros(1)))
                    }
                    Err(_) => Verdict::Never,
                }
            }
            Rule::Window { rule, start, used, blocked_until, .. } => {
                let open = rule.open_to(priority);
                if weight > open {
                    return Verdict::Never;
                }
                let (begin, end) = window_bounds(rule, now);
                if begin > *start {
                    (*start, *used) = (begin, 0);
                }
                // A time that the channel named holds although our window ends before: theirs may slide.
                let blocked = blocked_until.filter(|t| *t > now);
                if let Some(until) = blocked.or((used.saturating_add(weight) > open).then_some(end)) {
                    return Verdict::Wait(
                        Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO),
                    );
                }
                *used += weight;
                Verdict::Go
            }
        }
    }

    /// Returns for how long a window is taken to be used up, where the channel named no time.
    fn refused(&mut self, refusal: &Refusal<'_>, elapsed: Duration, now: Timestamp) -> Option<Duration> {
        let (mut wait, mut closed) = (refusal.wait.unwrap_or(refusal.pause), None);
        if let (Rule::Window { rule, blocked_until, strikes, .. }, None) = (&mut *self, refusal.wait) {
            let end = window_bounds(rule, now).1.duration_since(now);
            let end = Duration::try_from(end).unwrap_or(Duration::ZERO);
            // Those under way while it was parked already say nothing new.
            if blocked_until.is_none_or(|t| t <= now) {
                *strikes = strikes.saturating_add(1);
            }
            if refusal.exhausted {
                closed = Some(end);
            } else if *strikes >= STRIKES {
                closed = Some(end.min(ASK_AGAIN));
            }
            wait = closed.unwrap_or(wait);
        }
        self.learn(&Signal::Wait { bucket: None, wait }, elapsed, now);
        closed
    }

    fn give_back(&mut self, weight: u32) {
        match self {
            Rule::Bucket { every, cell, .. } => cell.shift_back(*every * weight),
            Rule::Window { used, .. } => *used = used.saturating_sub(weight),
        }
    }

    fn learn(&mut self, signal: &Signal, elapsed: Duration, now: Timestamp) {
        match (self, signal) {
            // The theoretical arrival time that leaves `units`: burst − units cells are spent.
            (Rule::Bucket { burst, every, cell }, Signal::Remaining { units, .. }) => {
                let spent = burst.saturating_sub(*units);
                // Only ever believe that less is left than we thought: calls in flight are not in the answer.
                cell.raise_to(elapsed + *every * spent);
            }
            (Rule::Bucket { every, .. }, Signal::Rate { units, every: time, .. }) => {
                if *units > 0 && !time.is_zero() {
                    *every = *time / *units;
                }
            }
            (Rule::Bucket { burst, every, cell }, Signal::Wait { wait, .. }) => {
                cell.raise_to(elapsed + *wait + *every * (*burst).saturating_sub(1));
            }
            (Rule::Window { rule, used, .. }, Signal::Remaining { units, .. }) => {
                *used = (*used).max(rule.limit.saturating_sub(*units));
            }
            (Rule::Window { blocked_until, .. }, Signal::Wait { wait, .. }) => {
                let until = now.checked_add(*wait).unwrap_or(Timestamp::MAX);
                *blocked_until = Some(blocked_until.map_or(until, |t| t.max(until)));
            }
            (Rule::Window { .. }, Signal::Rate { .. }) => {}
        }
    }

    fn available(&self, elapsed: Duration, now: Timestamp) -> u32 {
        match self {
            Rule::Bucket { burst, every, cell } => {
                let ahead = cell.get().saturating_sub(elapsed);
                let spent = ahead.as_nanos().div_ceil(every.as_nanos().max(1));
                burst.saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX))
            }
            Rule::Window { rule, start, used, blocked_until, .. } => {
                if blocked_until.is_some_and(|t| t > now) {
                    0
                } else if window_bounds(rule, now).0 > *start {
                    rule.limit
                } else {
                    rule.limit.saturating_sub(*used)
                }
            }
        }
    }
}

fn quota(burst: u32, every: Duration) -> Option<Quota> {
    Some(Quota::with_period(every)?.allow_burst(NonZeroU32::new(burst)?))
}

/// Begin and end of the window that contains `now`.
fn window_bounds(rule: &FixedWindow, now: Timestamp) -> (Timestamp, Timestamp) {
    let local = now.to_zoned(rule.zone.clone());
    let begin = match rule.every {
        Every::Day => local.start_of_day(),
        Every::Hour => local.date().at(local.hour(), 0, 0, 0).to_zoned(rule.zone.clone()),
        Every::Month => local.first_of_month().and_then(|first| first.start_of_day()),
    };
    let Ok(begin) = begin else { return (now, now) };
    let span = match rule.every {
        Every::Day => jiff::Span::new().days(1),
        Every::Hour => jiff::Span::new().hours(1),
        Every::Month => jiff::Span::new().months(1),
    };
    let end = begin.checked_add(span).map_or(Timestamp::MAX, |z| z.timestamp());
    (begin.timestamp(), end)
}

/// The theoretical arrival time of one bucket, since the origin: governor's state, open to be written.
#[derive(Debug, Clone, Default)]
struct Cell(Arc<AtomicU64>);

impl Cell {
    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Acquire))
    }
    fn raise_to(&self, tat: Duration) {
        self.0.fetch_max(nanos(tat), Ordering::AcqRel);
    }
    fn shift_back(&self, by: Duration) {
        let by = nanos(by);
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |v| Some(v.saturating_sub(by)));
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

impl StateStore for Cell {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut old = self.0.load(Ordering::Acquire);
        loop {
            let (value, new) = f((old != 0).then(|| Nanos::new(old)))?;
            match self.0.compare_exchange_weak(old, new.as_u64(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(value),
                Err(now) => old = now,
            }
        }
    }
}

/// An instant as time since the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Duration);

impl std::ops::Add<Nanos> for Moment {
    type Output = Moment;
    fn add(self, n: Nanos) -> Moment {
        Moment(self.0 + Duration::from_nanos(n.as_u64()))
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        Nanos::new(nanos(self.0.saturating_sub(earlier.0)))
    }
    fn saturating_sub(&self, by: Nanos) -> Self {
        Moment(self.0.saturating_sub(Duration::from_nanos(by.as_u64())))
    }
}

/// Reports the origin when a limiter is built (governor stores times relative to that) and `now` afterwards.
#[derive(Debug)]
struct FixedNow {
    now: Duration,
    built: Arc<AtomicBool>,
}

impl FixedNow {
    fn at(now: Duration) -> FixedNow {
        FixedNow { now, built: Arc::new(AtomicBool::new(false)) }
    }
}

impl Clone for FixedNow {
    fn clone(&self) -> FixedNow {
        FixedNow { now: self.now, built: Arc::clone(&self.built) }
    }
}

impl GovernorClock for FixedNow {
    type Instant = Moment;
    fn now(&self) -> Moment {
        if self.built.swap(true, Ordering::AcqRel) { Moment(self.now) } else { Moment(Duration::ZERO) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
