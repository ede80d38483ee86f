//! Time and chance, injected: tests and the demo run on virtual time, and a golden test freezes the nonce.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// A clock that can also wait.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits. Virtual clocks move instead.
    async fn sleep(&self, wait: Duration);
    /// Whoever waits moves the clock for all: what happens at once would depend on who comes first, so it is done in turn.
    fn moves_for_all(&self) -> bool {
        false
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// A clock that stands still until somebody waits or moves it: waiting takes no real time.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// A clock that starts at an instant after 1970.
    #[must_use]
    pub fn starting(at: Timestamp) -> VirtualClock {
        VirtualClock(Arc::new(AtomicU64::new(u64::try_from(at.as_nanosecond()).unwrap_or(0))))
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0.load(Ordering::SeqCst))).unwrap_or(Timestamp::MAX)
    }
    async fn sleep(&self, wait: Duration) {
        self.advance(wait);
        tokio::task::yield_now().await;
    }
    fn moves_for_all(&self) -> bool {
        true
    }
}

/// Where nonces and jitter come from.
pub trait Chance: Send + Sync {
    /// 64 fresh bits.
    fn next_u64(&self) -> u64;

    /// A fresh nonce: 32 hexadecimal digits.
    fn nonce(&self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        crate::signing::hex(&bytes)
    }

    /// A duration between zero and `most`, evenly spread (full jitter).
    fn up_to(&self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(if nanos == 0 { 0 } else { self.next_u64() % nanos })
    }
}

/// The operating system's randomness, through a generator that it seeds.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsChance;

thread_local! {
    /// Fresh bytes and how many of them are left: asking for each number alone costs more than a short call's other work.
    static POOL: RefCell<([u8; 512], usize)> = const { RefCell::new(([0; 512], 0)) };
}

impl Chance for OsChance {
    fn next_u64(&self) -> u64 {
        POOL.with_borrow_mut(|(pool, left)| {
            if *left == 0 && aws_lc_rs::rand::fill(pool).is_ok() {
                *left = pool.len();
            }
            match pool.get(..*left).and_then(<[u8]>::last_chunk::<8>) {
                Some(fresh) => {
                    *left -= fresh.len();
                    u64::from_be_bytes(*fresh)
                }
                None => {
                    // The generator refused: straight from the system. Version 4 UUIDs carry 122 random bits; the low half
                    // holds 62 of them and the variant.
                    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
                    high ^ low.rotate_left(32)
                }
            }
        })
    }
}

/// A repeatable sequence (SplitMix64) for tests and the demo. Not for secrets.
#[derive(Debug, Clone)]
pub struct SeededChance(Arc<AtomicU64>);

impl SeededChance {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> SeededChance {
        SeededChance(Arc::new(AtomicU64::new(seed)))
    }
}

impl Chance for SeededChance {
    fn next_u64(&self) -> u64 {
        let mut z =
            self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
