//! The rate limiter: who may call now, and who waits how long.
//!
//! Buckets are [`governor`]'s, over a state cell of our own that can be read and written: that is what lets
//! headers, bodies and 429s correct it, which governor's stock state does not (its quota cannot be changed at
//! run time and a new limiter forgets what was spent). All limiters of a process share one origin of time, so a
//! cell keeps its meaning when its quota changes. A waiter queue per bucket is first-in-first-out within a
//! priority.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::limits::{Bucket, Every, FixedWindow, Limits, Scope, Signal};
use crate::operation::Priority;

/// All quotas of a process. Accounts that share an application share its `app` buckets through this.
pub struct Limiter {
    clock: Arc<dyn Clock>,
    origin: Timestamp,
    /// By connector, bucket, and who shares it: the application, the account, or an object of the account.
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

/// Who calls: decides which cells a call draws from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Connector.
    pub connector: String,
    /// Application registration (client id, app key); accounts with the same one share `app` quotas.
    pub app: String,
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
    /// Buckets and windows to draw from; names that the table does not have are not limited.
    pub buckets: &'a [&'a str],
    /// Object of per-object buckets.
    pub object: Option<&'a str>,
    /// Units from each.
    pub weight: u32,
}

/// One quota cell with its queue.
struct Gate {
    rule: Mutex<Rule>,
    turn: Turnstile,
    /// Draws so far, whatever was refilled since.
    drawn: AtomicU64,
}

enum Rule {
    Bucket { burst: u32, every: Duration, cell: Cell },
    Window { rule: FixedWindow, start: Timestamp, used: u32, blocked_until: Option<Timestamp> },
}

impl Limiter {
    /// An empty limiter on a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Limiter {
        // One year before now: a cell can then be set into the past (a full bucket) without underflow.
        let now = clock.now();
        let origin = now.checked_sub(jiff::SignedDuration::from_hours(24 * 365)).unwrap_or(now);
        Limiter { clock, origin, gates: Mutex::new(HashMap::new()) }
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
            (Scope::Object, Some(object)) => (("object", caller.account.as_str()), object),
            (Scope::Account | Scope::Object, _) => (("account", caller.account.as_str()), ""),
        };
        let key = [caller.connector.as_str(), name, owner.0, owner.1, object].join("\u{1f}");
        let mut gates = lock(&self.gates);
        Arc::clone(gates.entry(key).or_insert_with(|| {
            let (rule, turn, drawn) = (Mutex::new(make()), Turnstile::default(), AtomicU64::new(0));
            Arc::new(Gate { rule, turn, drawn })
        }))
    }

    fn gates<'a>(&self, draw: &Draw<'a>) -> Vec<(&'a str, Arc<Gate>)> {
        let Draw { caller, limits, buckets, object, .. } = *draw;
        let mut found = Vec::with_capacity(buckets.len());
        for name in buckets {
            if let Some(b) = limits.bucket.iter().find(|b| b.name == *name) {
                found.push((
                    b.name.as_str(),
                    self.gate(caller, b.scope, &b.name, object, || Rule::from_bucket(b)),
                ));
            } else if let Some(w) = limits.window.iter().find(|w| w.name == *name) {
                let now = self.clock.now();
                found.push((
                    w.name.as_str(),
                    self.gate(caller, w.scope, &w.name, object, || Rule::from_window(w, now)),
                ));
            }
        }
        found
    }

    /// Waits until all buckets give the weight, and draws it. Draws nothing when it fails.
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
        let weight = draw.weight;
        let gates = self.gates(draw);
        let mut waited = Duration::ZERO;
        let mut drawn: Vec<Arc<Gate>> = Vec::with_capacity(gates.len());
        for (name, gate) in &gates {
            let _turn = gate.turn.enter(priority).await;
            loop {
                let now = self.clock.now();
                let verdict = lock(&gate.rule).draw(weight, self.since_origin(now), now);
                let wait = match verdict {
                    Verdict::Go => break,
                    Verdict::Wait(wait) => wait,
                    Verdict::Never => {
                        self.give_back(&drawn, weight);
                        let text = format!(
                            "a call of weight {weight} never fits bucket '{name}': raise its burst in limits.toml or send smaller batches"
                        );
                        return Err(Error::config(text));
                    }
                };
                let ready = now.checked_add(wait).unwrap_or(Timestamp::MAX);
                if ready > deadline {
                    self.give_back(&drawn, weight);
                    let kind =
                        if lock(&gate.rule).is_window() { Kind::QuotaExhausted } else { Kind::RateLimited };
                    let text = format!("bucket '{name}' is empty for {} more seconds", wait.as_secs() + 1);
                    return Err(Error::new(kind, text).retry_after(Some(wait)));
                }
                waited += wait;
                self.clock.sleep(wait).await;
            }
            gate.drawn.fetch_add(1, Ordering::Relaxed);
            drawn.push(Arc::clone(gate));
        }
        Ok(waited)
    }

    /// Gives back what a request drew that never left: the channel did not count it.
    pub fn undo(&self, draw: &Draw<'_>) {
        for (_, gate) in self.gates(draw) {
            lock(&gate.rule).give_back(draw.weight);
        }
    }

    fn give_back(&self, drawn: &[Arc<Gate>], weight: u32) {
        for gate in drawn {
            lock(&gate.rule).give_back(weight);
        }
    }

    /// Takes in what a response told.
    pub fn observe(&self, draw: &Draw<'_>, signals: &[Signal]) {
        if signals.is_empty() {
            return;
        }
        let now = self.clock.now();
        for (name, gate) in self.gates(draw) {
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

    /// Units that a bucket would give now, for `quota` displays and tests. `None`: not used yet.
    #[must_use]
    pub fn available(&self, caller: &Caller, limits: &Limits, bucket: &str) -> Option<u32> {
        let now = self.clock.now();
        let draw = Draw { caller, limits, buckets: &[bucket], object: None, weight: 0 };
        let (_, gate) = self.gates(&draw).into_iter().next()?;
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
        Rule::Window { rule: w.clone(), start: window_bounds(w, now).0, used: 0, blocked_until: None }
    }

    fn is_window(&self) -> bool {
        matches!(self, Rule::Window { .. })
    }

    fn draw(&mut self, weight: u32, elapsed: Duration, now: Timestamp) -> Verdict {
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
            Rule::Window { rule, start, used, blocked_until } => {
                if weight > rule.limit {
                    return Verdict::Never;
                }
                let (begin, end) = window_bounds(rule, now);
                if begin > *start {
                    (*start, *used, *blocked_until) = (begin, 0, None);
                }
                let blocked = blocked_until.filter(|t| *t > now);
                if let Some(until) = blocked.or((used.saturating_add(weight) > rule.limit).then_some(end)) {
                    return Verdict::Wait(
                        Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO),
                    );
                }
                *used += weight;
                Verdict::Go
            }
        }
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
            Rule::Window { rule, start, used, blocked_until } => {
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
    };
    let Ok(begin) = begin else { return (now, now) };
    let span = match rule.every {
        Every::Day => jiff::Span::new().days(1),
        Every::Hour => jiff::Span::new().hours(1),
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

/// One at a time; the rest wait by priority, then in order of arrival.
#[derive(Default)]
struct Turnstile(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    busy: bool,
    next: u64,
    waiting: BTreeMap<(std::cmp::Reverse<Priority>, u64), oneshot::Sender<Turn>>,
}

/// The right to draw. Dropping it hands it to the next waiter, also when it is dropped unread inside the
/// channel because its waiter gave up.
struct Turn(Option<Arc<Mutex<Queue>>>);

impl Turnstile {
    async fn enter(&self, priority: Priority) -> Turn {
        let handed = {
            let mut q = lock(&self.0);
            if !q.busy {
                q.busy = true;
                return Turn(Some(Arc::clone(&self.0)));
            }
            let (tx, rx) = oneshot::channel();
            let seq = q.next;
            q.next += 1;
            q.waiting.insert((std::cmp::Reverse(priority), seq), tx);
            rx
        };
        // A sender is only dropped after it sent, so the channel always delivers.
        handed.await.unwrap_or(Turn(None))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = {
                let mut q = lock(&queue);
                match q.waiting.pop_first() {
                    Some((_, tx)) => tx,
                    None => {
                        q.busy = false;
                        return;
                    }
                }
            };
            match next.send(Turn(Some(Arc::clone(&queue)))) {
                Ok(()) => return,
                // That waiter gave up: disarm its turn and try the next.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
