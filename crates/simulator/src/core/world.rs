//! The world: clock, scheduler, ledger, faults, quotas, hooks, journal, shared by all channels.
//!
//! Due events run in the order (instant, channel, kind, key, sequence within that key): content
//! first, so that concurrent requests that schedule events for the same instant cannot reorder them.

use super::buyers::{Afterthought, Demand, choose, plan_day};
use super::channel::{Call, Channel, News};
use super::clock::{Clock, DAY_MS, instant, iso_millis};
use super::deliver::{Delivery, Outgoing};
use super::faults::{Fault, Faults, Profile};
use super::ledger::Ledger;
use super::quota::{Quotas, Verdict};
use super::rng::Stream;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Something due at a virtual instant.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at_ms: i64,
    /// What, in the channel's words.
    pub kind: String,
    /// About which object.
    pub key: String,
    /// Anything else the channel wants to remember.
    pub data: serde_json::Value,
}

/// A message a channel pushes to its client (webhook). Kept for the driver to collect, with
/// duplication and reordering already applied, unless somebody listens at its address ([`World::proxy`]).
#[derive(Debug, Clone, Serialize)]
pub struct Hook {
    /// Which channel sends it.
    pub channel: String,
    /// Stable id of the message.
    pub id: String,
    /// Topic in the channel's words.
    pub topic: String,
    /// The address it is sent to; empty where the channel sends to none (a queue).
    pub to: String,
    /// Headers, with signature.
    pub headers: Vec<(String, String)>,
    /// Body, byte for byte.
    pub body: Vec<u8>,
}

/// One line of the journal: a request as the world saw it.
#[derive(Debug, Clone, Serialize)]
pub struct JournalLine {
    /// Virtual instant.
    pub at: String,
    /// Channel.
    pub channel: String,
    /// Operation.
    pub operation: String,
    /// Key.
    pub key: String,
    /// Method and path with query.
    pub request: String,
    /// Status answered; 0 when the connection was closed instead.
    pub status: u16,
    /// Fault injected, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// When a trap springs: before its request is handled, or after, when the answer is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The request arrived and is not handled: its connection closes without an answer.
    Before,
    /// The request was handled; its answer is lost.
    After,
    /// The request was handled and its answer leaves, whatever happens meanwhile.
    Answered,
}

type Act = Box<dyn FnOnce() + Send>;

/// The channel under which requests to the control interface are known to traps; their operation is the last part of the path.
pub const CONTROL: &str = "_sim";

/// A request, by its number among all and among those of its operation.
#[derive(Debug)]
pub(crate) struct Arrival {
    of: (String, String),
    number: u64,
    of_its: u64,
}

/// What to do at a request: the `at`-th of an operation, or of all.
struct Trap {
    of: Option<(String, String)>,
    at: u64,
    when: Moment,
    act: Act,
}

/// Things to do at chosen requests.
#[derive(Default)]
struct Traps {
    seen: u64,
    by_operation: BTreeMap<(String, String), u64>,
    set: Vec<Trap>,
}

/// Most lines the journal keeps; older ones fall out.
const JOURNAL_LINES: usize = 50_000;

#[derive(Debug)]
enum Due {
    Channel(Event),
    Visit { day: u32, index: u32, afterthought: Option<(Afterthought, i64)> },
    After { order: String, what: Afterthought },
    News(Box<News>),
    Midnight { day: u32 },
}

/// (instant, channel, kind, key, sequence): total and independent of arrival order across keys.
type Slot = (i64, String, String, String, u64);

#[derive(Debug, Default)]
struct Inner {
    due: BTreeMap<Slot, Due>,
    sequence: u64,
    ledger: Ledger,
    faults: Faults,
    quotas: Quotas,
    hooks: BTreeMap<String, VecDeque<Hook>>,
    journal: VecDeque<JournalLine>,
    /// Hooks handed over to be sent by real requests, a doubled one twice.
    outgoing: usize,
}

struct Shared {
    seed: u64,
    clock: Clock,
    /// Virtual seconds that pass by themselves in a real one.
    scale: AtomicU32,
    demand: Demand,
    channels: OnceLock<BTreeMap<&'static str, Arc<dyn Channel>>>,
    /// Ports by channel, known once the servers listen.
    bases: Mutex<BTreeMap<String, String>>,
    inner: Mutex<Inner>,
    traps: Mutex<Traps>,
    /// Local addresses by the public ones that lead there.
    proxies: Mutex<BTreeMap<String, String>>,
    post: OnceLock<UnboundedSender<Outgoing>>,
    deliveries: Mutex<Vec<Delivery>>,
    /// Only one `advance` at a time.
    turn: Mutex<()>,
}

/// A handle on the world; clones share it.
#[derive(Clone)]
pub struct World(Arc<Shared>);

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("seed", &self.0.seed).field("now", &self.now()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world of `channels` that stands at `start`.
    #[must_use]
    pub fn new(
        seed: u64,
        start: Timestamp,
        profile: Profile,
        demand: Demand,
        channels: Vec<Arc<dyn Channel>>,
    ) -> Self {
        let world = Self(Arc::new(Shared {
            seed,
            clock: Clock::new(start),
            scale: AtomicU32::new(0),
            demand,
            channels: OnceLock::new(),
            bases: Mutex::default(),
            inner: Mutex::new(Inner { faults: Faults::new(seed, profile), ..Inner::default() }),
            traps: Mutex::default(),
            proxies: Mutex::default(),
            post: OnceLock::new(),
            deliveries: Mutex::default(),
            turn: Mutex::new(()),
        }));
        let map: BTreeMap<_, _> = channels.into_iter().map(|c| (c.name(), c)).collect();
        for name in map.keys() {
            world.plan_visits(name, 0);
        }
        let _ = world.0.channels.set(map);
        let first = world.0.clock.start_ms() + DAY_MS;
        world.push(first, "", "midnight", "", Due::Midnight { day: 1 });
        world
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Who comes to buy.
    #[must_use]
    pub fn demand(&self) -> &Demand {
        &self.0.demand
    }

    /// The virtual now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The virtual now in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// Virtual seconds that pass by themselves in a real one; 0: time stands until somebody moves it.
    #[must_use]
    pub fn scale(&self) -> u32 {
        self.0.scale.load(Ordering::Relaxed)
    }

    pub(super) fn set_scale(&self, scale: u32) {
        self.0.scale.store(scale, Ordering::Relaxed);
    }

    /// The instant at which the world began.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        instant(self.0.clock.start_ms())
    }

    /// The stream of draws that `parts` name. Name it by what is decided, starting with the channel.
    #[must_use]
    pub fn stream(&self, parts: &[&str]) -> Stream {
        Stream::open(self.0.seed, parts)
    }

    /// Reads or writes the ledger.
    pub fn ledger<T>(&self, f: impl FnOnce(&mut Ledger) -> T) -> T {
        f(&mut lock(&self.0.inner).ledger)
    }

    /// Reads or changes the fault plan.
    pub fn faults<T>(&self, f: impl FnOnce(&mut Faults) -> T) -> T {
        f(&mut lock(&self.0.inner).faults)
    }

    /// Asks or changes the quotas.
    pub fn quotas<T>(&self, f: impl FnOnce(&mut Quotas) -> T) -> T {
        f(&mut lock(&self.0.inner).quotas)
    }

    /// The channel called `name`.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<Arc<dyn Channel>> {
        self.0.channels.get()?.get(name).cloned()
    }

    /// All channels, by name.
    #[must_use]
    pub fn channels(&self) -> Vec<Arc<dyn Channel>> {
        self.0.channels.get().map(|m| m.values().cloned().collect()).unwrap_or_default()
    }

    /// `http://127.0.0.1:PORT` of a channel, without a trailing slash; empty before it listens. A
    /// fake that hands out links (documents, labels) builds them on this.
    #[must_use]
    pub fn base_url(&self, channel: &str) -> String {
        lock(&self.0.bases).get(channel).cloned().unwrap_or_default()
    }

    pub(crate) fn set_base(&self, channel: &str, url: String) {
        lock(&self.0.bases).insert(channel.to_owned(), url);
    }

    /// Runs [`Channel::on_event`] of `channel` in `after_ms` virtual milliseconds.
    pub fn schedule(&self, channel: &str, after_ms: i64, kind: &str, key: &str, data: serde_json::Value) {
        let at = self.now_ms().saturating_add(after_ms.max(0));
        let event = Event { at_ms: at, kind: kind.to_owned(), key: key.to_owned(), data };
        self.push(at, channel, kind, key, Due::Channel(event));
    }

    /// Tells all other channels. They hear it at the current instant, after this event.
    pub fn tell(&self, from: &str, news: News) {
        let key = format!("{news:?}");
        self.push(self.now_ms(), from, "~news", &key, Due::News(Box::new(news)));
    }

    fn push(&self, at: i64, channel: &str, kind: &str, key: &str, due: Due) {
        let mut inner = lock(&self.0.inner);
        inner.sequence += 1;
        let sequence = inner.sequence;
        inner.due.insert((at, channel.to_owned(), kind.to_owned(), key.to_owned(), sequence), due);
    }

    /// Pushes a hook to the client of `channel`. `id` must be stable (made from what happened).
    pub fn hook(
        &self,
        channel: &str,
        id: &str,
        topic: &str,
        to: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) {
        let hook = Hook {
            channel: channel.to_owned(),
            id: id.to_owned(),
            topic: topic.to_owned(),
            to: to.to_owned(),
            headers,
            body,
        };
        let leads = self.leads(to);
        let mut inner = lock(&self.0.inner);
        let fault = inner.faults.decide_hook(channel, id);
        if let (Some(url), Some(post)) = (leads, self.0.post.get()) {
            for out in super::deliver::outgoing(&hook, &url, fault) {
                if post.send(out).is_ok() {
                    inner.outgoing += 1;
                }
            }
            return;
        }
        let queue = inner.hooks.entry(channel.to_owned()).or_default();
        match fault {
            Some(Fault::Duplicate) => {
                queue.push_back(hook.clone());
                queue.push_back(hook);
            }
            // Before its predecessor: the two arrive in the wrong order.
            Some(Fault::Reorder) => {
                let at = queue.len().saturating_sub(1);
                queue.insert(at, hook);
            }
            _ => queue.push_back(hook),
        }
    }

    /// From now on hooks to addresses that begin with `public` are sent, by real requests, to `local` instead: what a TLS
    /// proxy does that stands before a client on this machine.
    pub fn proxy(&self, public: &str, local: &str) {
        lock(&self.0.proxies).insert(public.to_owned(), local.to_owned());
    }

    /// Where an address leads on this machine.
    fn leads(&self, to: &str) -> Option<String> {
        let proxies = lock(&self.0.proxies);
        proxies
            .iter()
            .find_map(|(public, local)| Some(format!("{local}{}", to.strip_prefix(public.as_str())?)))
    }

    pub(super) fn set_post(&self, post: UnboundedSender<Outgoing>) {
        let _ = self.0.post.set(post);
    }

    pub(super) fn delivered(&self, delivery: Delivery) {
        lock(&self.0.deliveries).push(delivery);
    }

    /// How many deliveries to listening clients there will have been, repetitions of failed ones aside.
    #[must_use]
    pub fn outgoing(&self) -> usize {
        lock(&self.0.inner).outgoing
    }

    /// What was sent to listening clients so far, each try, in the order of the answers.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.0.deliveries).clone()
    }

    /// Takes the hooks waiting for the client of `channel`, in order of delivery.
    #[must_use]
    pub fn take_hooks(&self, channel: &str) -> Vec<Hook> {
        lock(&self.0.inner).hooks.remove(channel).map(Vec::from).unwrap_or_default()
    }

    /// The journal so far.
    #[must_use]
    pub fn journal(&self) -> Vec<JournalLine> {
        lock(&self.0.inner).journal.iter().cloned().collect()
    }

    /// Does `act` at the `n`-th request from now (1 is the next one); see [`Moment`] for what becomes of its answer. For
    /// tests that kill a client, or take its network down, at a chosen point.
    pub fn trap(&self, n: u64, when: Moment, act: impl FnOnce() + Send + 'static) {
        let mut traps = lock(&self.0.traps);
        let at = traps.seen + n.max(1);
        traps.set.push(Trap { of: None, at, when, act: Box::new(act) });
    }

    /// The same at the `n`-th request from now of one operation of a channel, or of the control interface ([`CONTROL`]).
    pub fn trap_on(
        &self,
        channel: &str,
        operation: &str,
        n: u64,
        when: Moment,
        act: impl FnOnce() + Send + 'static,
    ) {
        let mut traps = lock(&self.0.traps);
        let of = (channel.to_owned(), operation.to_owned());
        let at = traps.by_operation.get(&of).copied().unwrap_or(0) + n.max(1);
        traps.set.push(Trap { of: Some(of), at, when, act: Box::new(act) });
    }

    /// Requests that reached any channel so far; those to the control interface are none.
    #[must_use]
    pub fn requests(&self) -> u64 {
        lock(&self.0.traps).seen
    }

    /// The request that just arrived.
    pub(crate) fn arrived(&self, channel: &str, operation: &str) -> Arrival {
        let mut traps = lock(&self.0.traps);
        traps.seen += u64::from(channel != CONTROL);
        let of = (channel.to_owned(), operation.to_owned());
        let number = traps.seen;
        let of_its = traps.by_operation.entry(of.clone()).or_default();
        *of_its += 1;
        Arrival { number, of_its: *of_its, of }
    }

    /// Springs the trap of this request and moment; whether there was one.
    pub(crate) fn spring(&self, it: &Arrival, when: Moment) -> bool {
        let act = {
            let mut traps = lock(&self.0.traps);
            let fits = |t: &Trap| match &t.of {
                None => t.at == it.number && it.of.0 != CONTROL,
                Some(of) => t.at == it.of_its && *of == it.of,
            };
            let at = traps.set.iter().position(|t| t.when == when && fits(t));
            at.map(|at| traps.set.swap_remove(at).act)
        };
        act.map(|act| act()).is_some()
    }

    pub(crate) fn decide(&self, channel: &str, call: &Call, list: bool) -> Option<Fault> {
        let now = self.now_ms();
        let mut inner = lock(&self.0.inner);
        inner.ledger.call(channel, &call.operation).received += 1;
        let fault = if call.faults {
            inner.faults.decide(channel, &call.operation, &call.key, list, now)
        } else {
            None
        };
        if let Some(fault) = fault {
            let record = inner.ledger.call(channel, &call.operation);
            record.faulted += 1;
            if fault == Fault::Throttle {
                record.throttled += 1;
            }
        }
        fault
    }

    pub(crate) fn take_quota(&self, channel: &str, call: &Call) -> Option<Verdict> {
        let (name, bucket, cost) = call.bucket.as_ref()?;
        let now = self.now_ms();
        let mut inner = lock(&self.0.inner);
        let verdict = inner.quotas.take(&format!("{channel}/{name}"), *bucket, *cost, now);
        if !verdict.allowed {
            inner.ledger.call(channel, &call.operation).throttled += 1;
        }
        Some(verdict)
    }

    /// Counts a "too many requests" that the channel decided by itself.
    pub fn count_throttled(&self, channel: &str, operation: &str) {
        lock(&self.0.inner).ledger.call(channel, operation).throttled += 1;
    }

    pub(crate) fn note(
        &self,
        channel: &str,
        call: &Call,
        request: String,
        status: u16,
        fault: Option<Fault>,
    ) {
        let line = JournalLine {
            at: iso_millis(self.now()),
            channel: channel.to_owned(),
            operation: call.operation.clone(),
            key: call.key.clone(),
            request,
            status,
            fault,
        };
        let mut inner = lock(&self.0.inner);
        if inner.journal.len() >= JOURNAL_LINES {
            inner.journal.pop_front();
        }
        inner.journal.push_back(line);
    }

    /// Moves the clock forward by `by`, running what falls due on the way.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        self.advance_to_ms(self.now_ms().saturating_add(ms));
    }

    /// Moves the clock forward to `to` (never back), running what falls due on the way. Several
    /// callers that wait for overlapping spans may use this: the clock goes to the latest of them.
    pub fn advance_to(&self, to: Timestamp) {
        self.advance_to_ms(to.as_millisecond());
    }

    fn advance_to_ms(&self, to: i64) {
        let _turn = lock(&self.0.turn);
        loop {
            let next = {
                let mut inner = lock(&self.0.inner);
                match inner.due.first_key_value() {
                    Some((slot, _)) if slot.0 <= to => inner.due.pop_first(),
                    _ => None,
                }
            };
            let Some((slot, due)) = next else { break };
            self.0.clock.move_to(slot.0);
            self.run(&slot.1, due);
        }
        self.0.clock.move_to(to);
    }

    /// The instant of the next thing that will happen by itself, if any.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        lock(&self.0.inner).due.first_key_value().map(|(slot, _)| instant(slot.0))
    }

    fn run(&self, channel: &str, due: Due) {
        match due {
            Due::Channel(event) => {
                if let Some(channel) = self.channel(channel) {
                    channel.on_event(self, &event);
                }
            }
            Due::Visit { day, index, afterthought } => self.visit(channel, day, index, afterthought),
            Due::After { order, what } => {
                if let Some(channel) = self.channel(channel) {
                    channel.afterthought(self, &order, what);
                }
            }
            Due::News(news) => {
                for other in self.channels() {
                    if other.name() != channel {
                        other.on_news(self, &news);
                    }
                }
            }
            Due::Midnight { day } => {
                for channel in self.channels() {
                    channel.on_day(self, day);
                    self.plan_visits(channel.name(), day);
                }
                let at = self.0.clock.start_ms().saturating_add(i64::from(day + 1).saturating_mul(DAY_MS));
                self.push(at, "", "midnight", "", Due::Midnight { day: day + 1 });
            }
        }
    }

    fn plan_visits(&self, channel: &str, day: u32) {
        let start = self.0.clock.start_ms() + i64::from(day) * DAY_MS;
        for visit in plan_day(self.0.seed, channel, day, &self.0.demand) {
            let due = Due::Visit { day, index: visit.index, afterthought: visit.afterthought };
            self.push(start + visit.offset_ms, channel, "~visit", &format!("{:06}", visit.index), due);
        }
    }

    fn visit(&self, name: &str, day: u32, index: u32, afterthought: Option<(Afterthought, i64)>) {
        let Some(channel) = self.channel(name) else { return };
        let offers = channel.offers(self);
        let Some(purchase) = choose(self.0.seed, name, day, index, &self.0.demand, offers) else { return };
        let Some(order) = channel.place(self, &purchase) else { return };
        if let Some((what, after)) = afterthought {
            let key = order.clone();
            let start = self.0.clock.start_ms();
            let at = start + self.0.demand.thinks_twice(self.now_ms() - start, what, after);
            self.push(at, name, "~after", &key, Due::After { order, what });
        }
    }
}
