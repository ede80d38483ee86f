//! The limiter on virtual time. Expected instants are the bucket arithmetic written out.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use tradewind_connector::*;

const TABLE: &str = "
[[bucket]]
name = 'calls'
scope = 'account'
burst = 10
refill = { units = 5, every = '1s' }
[[bucket]]
name = 'sku'
scope = 'object'
burst = 1
refill = { units = 1, every = '30s' }
[[window]]
name = 'daily'
scope = 'app'
limit = 3
every = 'day'
zone = 'America/Los_Angeles'
";

fn caller(account: &str) -> Caller {
    Caller { connector: "toy".into(), app: "app".into(), login: None, account: account.into() }
}

struct Bench {
    clock: VirtualClock,
    limiter: Limiter,
    limits: Limits,
}

fn bench() -> Bench {
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    Bench { limiter: Limiter::new(Arc::new(clock.clone())), limits: Limits::parse(TABLE).unwrap(), clock }
}

impl Bench {
    async fn draw(
        &self,
        caller: &Caller,
        buckets: &[&str],
        object: Option<&str>,
        weight: u32,
    ) -> Result<Duration> {
        let draw = Draw { caller, limits: &self.limits, buckets, object, weight, takes: None };
        self.limiter.acquire(&draw, Priority::Stock, Timestamp::MAX).await
    }
    fn tell(&self, caller: &Caller, bucket: &str, signal: Signal) {
        let draw =
            Draw { caller, limits: &self.limits, buckets: &[bucket], object: None, weight: 1, takes: None };
        self.limiter.observe(&draw, &[signal]);
    }
    fn left(&self, caller: &Caller, bucket: &str) -> u32 {
        self.limiter.available(caller, &self.limits, bucket).unwrap()
    }
}

/// As Amazon counts: the application and the seller together, whichever of the seller's stores is called.
#[tokio::test]
async fn accounts_of_one_login_share_its_quotas_and_no_other_login_does() {
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    let limiter = Limiter::new(Arc::new(clock));
    let table = "[[window]]\nname='w'\nscope='login'\nlimit=10\nevery='day'";
    let limits = Limits::parse(table).unwrap();
    let of =
        |account: &str, login: Option<&str>| Caller { login: login.map(str::to_owned), ..caller(account) };
    let other_app = Caller { app: "app 2".into(), ..of("e", Some("seller 1")) };
    let one = Some("seller 1");
    let callers = [of("a", one), of("b", one), of("c", Some("seller 2")), of("d", None), other_app];
    for caller in callers.iter().take(3) {
        let draw = Draw { caller, limits: &limits, buckets: &["w"], object: None, weight: 3, takes: None };
        limiter.acquire(&draw, Priority::Stock, Timestamp::MAX).await.unwrap();
    }
    let left: Vec<_> = callers.iter().map(|c| limiter.available(c, &limits, "w").unwrap()).collect();
    // 10 − 2·3 twice, 10 − 3, and nothing was drawn by the last two.
    assert_eq!(left, [4, 4, 7, 10, 10]);
    assert!(Scope::App < Scope::Login && Scope::Login < Scope::Account, "a refusal parks the narrowest");
}

#[tokio::test]
async fn a_burst_then_the_steady_rate() {
    let (b, a) = (bench(), caller("a"));
    for _ in 0..10 {
        assert_eq!(b.draw(&a, &["calls"], None, 1).await.unwrap(), Duration::ZERO);
    }
    // 5 per second: the eleventh waits 200 ms, a call of weight 3 then 600 ms.
    assert_eq!(b.draw(&a, &["calls"], None, 1).await.unwrap(), Duration::from_millis(200));
    assert_eq!(b.draw(&a, &["calls"], None, 3).await.unwrap(), Duration::from_millis(600));
    // Another account has its own bucket.
    assert_eq!(b.draw(&caller("b"), &["calls"], None, 10).await.unwrap(), Duration::ZERO);
}

#[tokio::test]
async fn idle_time_refills_and_is_not_a_block_after_long_uptime() {
    let (b, a) = (bench(), caller("a"));
    b.draw(&a, &["calls"], None, 10).await.unwrap();
    b.clock.advance(Duration::from_secs(86_400));
    assert_eq!(b.draw(&a, &["calls"], None, 10).await.unwrap(), Duration::ZERO);
    b.tell(&a, "calls", Signal::Rate { bucket: None, units: 1, every: Duration::from_secs(2) });
    // At one per two seconds the spent burst keeps its place in time: ten cells of 200 ms were 2 s ahead.
    let waited = b.draw(&a, &["calls"], None, 1).await.unwrap();
    assert!(waited <= Duration::from_secs(2), "{waited:?}");
}

#[tokio::test]
async fn what_the_channel_says_is_believed_downwards() {
    let (b, a) = (bench(), caller("a"));
    b.draw(&a, &["calls"], None, 1).await.unwrap();
    assert_eq!(b.left(&a, "calls"), 9);
    b.tell(&a, "calls", Signal::Remaining { bucket: None, units: 4 });
    assert_eq!(b.left(&a, "calls"), 4);
    b.tell(&a, "calls", Signal::Remaining { bucket: None, units: 8 });
    assert_eq!(b.left(&a, "calls"), 4);
    b.tell(&a, "calls", Signal::Wait { bucket: Some("calls".into()), wait: Duration::from_secs(5) });
    assert_eq!(b.draw(&a, &["calls"], None, 1).await.unwrap(), Duration::from_secs(5));
}

#[tokio::test]
async fn objects_and_applications_are_shared_rightly() {
    let (b, a) = (bench(), caller("a"));
    b.draw(&a, &["sku"], Some("A"), 1).await.unwrap();
    assert_eq!(b.draw(&a, &["sku"], Some("B"), 1).await.unwrap(), Duration::ZERO);
    assert_eq!(b.draw(&a, &["sku"], Some("A"), 1).await.unwrap(), Duration::from_secs(30));
    // The daily window is the application's: 3 calls by whichever account.
    for account in ["a", "b", "c"] {
        b.draw(&caller(account), &["daily"], None, 1).await.unwrap();
    }
    // 2026-08-01T00:00:30Z is 17:00:30 of 31 July in Los Angeles: the day there ends at 07:00Z.
    let waited = b.draw(&a, &["daily"], None, 1).await.unwrap();
    assert_eq!(waited, Duration::from_secs(7 * 3600 - 30));
}

#[tokio::test]
async fn a_wait_past_the_deadline_draws_nothing() {
    let (b, a) = (bench(), caller("a"));
    for _ in 0..3 {
        b.draw(&a, &["daily"], None, 1).await.unwrap();
    }
    let soon = b.clock.now().checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
    let draw = Draw {
        caller: &a,
        limits: &b.limits,
        buckets: &["calls", "daily"],
        object: None,
        weight: 1,
        takes: None,
    };
    let e = b.limiter.acquire(&draw, Priority::Stock, soon).await.unwrap_err();
    assert_eq!(e.kind(), Kind::QuotaExhausted);
    assert_eq!(b.left(&a, "calls"), 10, "what was drawn from the first bucket is given back");
    let e = b.draw(&a, &["calls"], None, 11).await.unwrap_err();
    assert_eq!(e.kind(), Kind::Config);
}

#[tokio::test]
async fn stock_goes_before_content() {
    let b = Arc::new(bench());
    let a = caller("a");
    b.draw(&a, &["calls"], None, 10).await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    // The first waiter holds the turn; of the rest, stock overtakes content.
    for (name, priority) in
        [("first", Priority::Content), ("content", Priority::Content), ("stock", Priority::Stock)]
    {
        let (b, a, order) = (b.clone(), a.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let draw = Draw {
                caller: &a,
                limits: &b.limits,
                buckets: &["calls"],
                object: None,
                weight: 1,
                takes: None,
            };
            b.limiter.acquire(&draw, priority, Timestamp::MAX).await.unwrap();
            order.lock().unwrap().push(name);
        }));
    }
    for t in tasks {
        t.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["first", "stock", "content"]);
}

/// A clock that moves only when the test says so.
#[derive(Clone)]
struct Manual(Arc<tokio::sync::watch::Sender<Timestamp>>);

impl Manual {
    fn new() -> Manual {
        Manual(Arc::new(tokio::sync::watch::Sender::new("2026-08-01T00:00:00Z".parse().unwrap())))
    }
    async fn advance(&self, seconds: i64) {
        settle().await;
        self.0.send_modify(|now| *now = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap());
        settle().await;
    }
}

/// Lets every task of the runtime go on as far as it can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[async_trait::async_trait]
impl Clock for Manual {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }
    async fn sleep(&self, wait: Duration) {
        let until = self.now().checked_add(wait).unwrap();
        self.0.subscribe().wait_for(|now| *now >= until).await.unwrap();
    }
}

/// One unit each ten seconds, and callers of several priorities.
const SLOW: &str = "[[bucket]]\nname = 'calls'\nscope = 'account'\nburst = 1\nrefill = { units = 1, every = '10s' }\n\
                    [[bucket]]\nname = 'other'\nscope = 'account'\nburst = 9\nrefill = { units = 1, every = '1h' }\n";

type Done = Arc<std::sync::Mutex<Vec<(&'static str, Result<Duration>)>>>;

fn spawn(
    limiter: &Arc<Limiter>,
    buckets: &'static [&'static str],
    name: &'static str,
    priority: Priority,
    deadline: Timestamp,
    done: &Done,
) -> tokio::task::JoinHandle<()> {
    let (limiter, done) = (limiter.clone(), done.clone());
    tokio::spawn(async move {
        let (a, limits) = (caller("a"), Limits::parse(SLOW).unwrap());
        let draw = Draw { caller: &a, limits: &limits, buckets, object: None, weight: 1, takes: None };
        let got = limiter.acquire(&draw, priority, deadline).await;
        done.lock().unwrap().push((name, got));
    })
}

#[tokio::test]
async fn a_sleeping_content_call_gives_its_turn_to_stock() {
    let clock = Manual::new();
    let limiter = Arc::new(Limiter::new(Arc::new(clock.clone())));
    let done = Done::default();
    for (name, priority) in [
        ("drains", Priority::Content),
        ("content", Priority::Content),
        ("later", Priority::Content),
        ("stock", Priority::Stock),
    ] {
        spawn(&limiter, &["calls"], name, priority, Timestamp::MAX, &done);
        settle().await;
    }
    // `content` sleeps since the start; the unit of second 10 is nevertheless stock's, and `content` keeps its place.
    for _ in 0..3 {
        clock.advance(10).await;
    }
    let names: Vec<_> = done.lock().unwrap().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["drains", "stock", "content", "later"]);
}

#[tokio::test]
async fn who_cannot_be_served_in_time_is_told_in_the_queue() {
    let clock = Manual::new();
    let limiter = Arc::new(Limiter::new(Arc::new(clock.clone())));
    let done = Done::default();
    let soon = clock.now().checked_add(jiff::SignedDuration::from_secs(5)).unwrap();
    spawn(&limiter, &["calls"], "drains", Priority::Orders, Timestamp::MAX, &done);
    spawn(&limiter, &["calls"], "waits", Priority::Orders, Timestamp::MAX, &done);
    settle().await;
    // The next unit comes at second 10; nobody behind `waits` has it before. Nothing moves the clock here.
    spawn(&limiter, &["calls"], "hurries", Priority::Orders, soon, &done);
    settle().await;
    let (name, got) = done.lock().unwrap().last().cloned().unwrap();
    let e = got.unwrap_err();
    assert_eq!((name, e.kind(), e.wait()), ("hurries", Kind::RateLimited, Some(Duration::from_secs(10))));
}

#[tokio::test]
async fn who_is_not_waited_for_any_more_draws_nothing() {
    let clock = Manual::new();
    let limiter = Arc::new(Limiter::new(Arc::new(clock.clone())));
    let done = Done::default();
    let left = || limiter.available(&caller("a"), &Limits::parse(SLOW).unwrap(), "other").unwrap();
    spawn(&limiter, &["calls"], "drains", Priority::Orders, Timestamp::MAX, &done);
    settle().await;
    let given_up = spawn(&limiter, &["other", "calls"], "given up", Priority::Orders, Timestamp::MAX, &done);
    settle().await;
    assert_eq!(left(), 8, "drawn from the first, waiting at the second");
    given_up.abort();
    settle().await;
    assert_eq!(left(), 9);
}

const WINDOWS: &str = "[[window]]\nname = 'month'\nscope = 'app'\nlimit = 10\nevery = 'month'\n\
                       reserve = { orders = '0.3', stock = '0.1' }\n\
                       [[bucket]]\nname = 'shop'\nscope = 'account'\nburst = 5\nrefill = { units = 1, every = '1s' }\n";

fn windows() -> Bench {
    Bench { limits: Limits::parse(WINDOWS).unwrap(), ..bench() }
}

#[tokio::test]
async fn a_window_keeps_a_part_for_higher_priorities() {
    let (b, a) = (windows(), caller("a"));
    let draw =
        Draw { caller: &a, limits: &b.limits, buckets: &["month"], object: None, weight: 1, takes: None };
    // The end of August: 2026-09-01T00:00:00Z is 31 days away.
    let month = Some(Duration::from_secs(31 * 86_400));
    // Of ten, four are kept from content and prices (0.3 + 0.1), one from orders (0.1), none from stock.
    for (priority, units) in
        [(Priority::Content, 6), (Priority::Price, 0), (Priority::Orders, 3), (Priority::Stock, 1)]
    {
        for _ in 0..units {
            b.limiter.acquire(&draw, priority, b.clock.now()).await.unwrap();
        }
        let e = b.limiter.acquire(&draw, priority, b.clock.now()).await.unwrap_err();
        assert_eq!((e.kind(), e.wait()), (Kind::QuotaExhausted, month), "{priority:?}");
    }
}

#[tokio::test]
async fn a_named_pause_outlasts_the_end_of_the_window() {
    let (b, a) = (bench(), caller("a"));
    // The day in Los Angeles ends in seven hours; the channel wants a whole one.
    b.draw(&a, &["daily"], None, 1).await.unwrap();
    b.tell(&a, "daily", Signal::Wait { bucket: None, wait: Duration::from_secs(86_400) });
    b.clock.advance(Duration::from_secs(7 * 3600));
    assert_eq!(b.draw(&a, &["daily"], None, 1).await.unwrap(), Duration::from_secs(17 * 3600));
}

fn refusal() -> Refusal<'static> {
    Refusal { bucket: None, scope: None, wait: None, exhausted: false, pause: Duration::from_millis(500) }
}

#[tokio::test]
async fn one_shops_refusal_parks_that_shop_alone() {
    let wait = Some(Duration::from_secs(60));
    let cases = [
        (Refusal { wait, ..refusal() }, (60, 0)),
        (Refusal { wait, scope: Some(Scope::App), ..refusal() }, (60, 60)),
        (Refusal { wait, bucket: Some("month"), ..refusal() }, (60, 60)),
        // A name that was not drawn from says nothing.
        (Refusal { wait, bucket: Some("elsewhere"), ..refusal() }, (60, 0)),
    ];
    for (refusal, (own, other)) in cases {
        let both = ["month", "shop"];
        for (account, seconds) in [("a", own), ("b", other)] {
            let (b, a) = (windows(), caller("a"));
            let draw =
                Draw { caller: &a, limits: &b.limits, buckets: &both, object: None, weight: 1, takes: None };
            assert_eq!(b.limiter.refused(&draw, &refusal), None);
            let waited = b.draw(&caller(account), &both, None, 1).await.unwrap();
            assert_eq!(waited, Duration::from_secs(seconds), "{account}: {refusal:?}");
        }
    }
}

#[tokio::test]
async fn a_window_that_refuses_without_a_time_is_closed_in_the_end() {
    let (b, a) = (bench(), caller("a"));
    let draw =
        Draw { caller: &a, limits: &b.limits, buckets: &["daily"], object: None, weight: 1, takes: None };
    // Used up, it says: to the end of the day in Los Angeles, seven hours away.
    let exhausted = Refusal { exhausted: true, ..refusal() };
    assert_eq!(b.limiter.refused(&draw, &exhausted), Some(Duration::from_secs(7 * 3600)));
    // Too many, it says: four times that is a pace, the fifth time in a row it is not. Asked again after 15 minutes.
    let b = bench();
    let draw = Draw { limits: &b.limits, ..draw };
    let refused = || {
        b.clock.advance(Duration::from_secs(1));
        b.limiter.refused(&draw, &refusal())
    };
    let quarter = Some(Duration::from_secs(15 * 60));
    assert_eq!([(); 5].map(|()| refused()), [None, None, None, None, quarter]);
    b.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(refused(), quarter);
    // One call that passes, and it counts anew. Those that were under way together count once.
    b.clock.advance(Duration::from_secs(15 * 60));
    b.limiter.passed(&draw);
    assert_eq!([(); 8].map(|()| b.limiter.refused(&draw, &refusal())), [None; 8]);
}

proptest! {
    /// In no window of time do more calls pass than burst + rate × time.
    #[test]
    fn never_above_the_quota(steps in prop::collection::vec((1_u32..4, 0_u64..900), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (b, a) = (bench(), caller("a"));
        let mut passed: Vec<(i64, u32)> = Vec::new();
        for (weight, pause) in steps {
            b.clock.advance(Duration::from_millis(pause));
            runtime.block_on(b.draw(&a, &["calls"], None, weight)).unwrap();
            passed.push((b.clock.now().as_millisecond(), weight));
        }
        for (i, (start, _)) in passed.iter().enumerate() {
            let mut sum = 0_i64;
            for (at, weight) in &passed[i..] {
                sum += i64::from(*weight);
                // 10 at once, 5 per 1000 ms; 1 ms for the rounding of the clock's reading.
                prop_assert!(sum * 1000 <= 10_000 + 5 * (at - start + 1));
            }
        }
    }
}
