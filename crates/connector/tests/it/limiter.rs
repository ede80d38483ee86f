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
    Caller { connector: "toy".into(), app: "app".into(), account: account.into() }
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
        let draw = Draw { caller, limits: &self.limits, buckets, object, weight };
        self.limiter.acquire(&draw, Priority::Stock, Timestamp::MAX).await
    }
    fn tell(&self, caller: &Caller, bucket: &str, signal: Signal) {
        let draw = Draw { caller, limits: &self.limits, buckets: &[bucket], object: None, weight: 1 };
        self.limiter.observe(&draw, &[signal]);
    }
    fn left(&self, caller: &Caller, bucket: &str) -> u32 {
        self.limiter.available(caller, &self.limits, bucket).unwrap()
    }
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
    let draw = Draw { caller: &a, limits: &b.limits, buckets: &["calls", "daily"], object: None, weight: 1 };
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
            let draw = Draw { caller: &a, limits: &b.limits, buckets: &["calls"], object: None, weight: 1 };
            b.limiter.acquire(&draw, priority, Timestamp::MAX).await.unwrap();
            order.lock().unwrap().push(name);
        }));
    }
    for t in tasks {
        t.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["first", "stock", "content"]);
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
