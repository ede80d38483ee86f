//! Token buckets on the virtual clock. Channels render the verdict in their own headers and words.

use std::collections::BTreeMap;

/// A bucket: size and refill. Rates are millionths of a token per second, so that Amazon's 0.0056
/// per second is 5,600 and nothing is a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Tokens the full bucket holds.
    pub burst: u32,
    /// Refill in millionths of a token per second.
    pub rate_micro: u64,
}

/// What the bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The request may pass.
    pub allowed: bool,
    /// Whole tokens left.
    pub remaining: u32,
    /// Milliseconds until the asked cost would be there (0 when allowed).
    pub wait_ms: u64,
}

/// All buckets of the world, by name.
#[derive(Debug, Default)]
pub struct Quotas {
    /// name → (tokens in millionths, last refill in ms).
    cells: BTreeMap<String, (u64, i64)>,
    off: bool,
}

impl Quotas {
    /// Switches all quotas off (every request passes) or on.
    pub fn set_off(&mut self, off: bool) {
        self.off = off;
    }

    /// Takes `cost` tokens from the bucket `name` at `now_ms`.
    pub fn take(&mut self, name: &str, bucket: Bucket, cost: u32, now_ms: i64) -> Verdict {
        if self.off {
            return Verdict { allowed: true, remaining: bucket.burst, wait_ms: 0 };
        }
        let full = u64::from(bucket.burst) * 1_000_000;
        let cell = self.cells.entry(name.to_owned()).or_insert((full, now_ms));
        let elapsed = u64::try_from(now_ms - cell.1).unwrap_or(0);
        // Refill only in whole micro-tokens and keep the rest of the time for later.
        let gained = u128::from(elapsed) * u128::from(bucket.rate_micro) / 1_000;
        if gained > 0 {
            cell.0 = full.min(cell.0.saturating_add(u64::try_from(gained).unwrap_or(u64::MAX)));
            cell.1 = now_ms;
        }
        let need = u64::from(cost) * 1_000_000;
        let allowed = cell.0 >= need;
        if allowed {
            cell.0 -= need;
        }
        let lack = if allowed { 0 } else { need - cell.0 };
        let wait_ms = (u128::from(lack) * 1_000).div_ceil(u128::from(bucket.rate_micro.max(1)));
        Verdict {
            allowed,
            remaining: u32::try_from(cell.0 / 1_000_000).unwrap_or(u32::MAX),
            wait_ms: u64::try_from(wait_ms).unwrap_or(u64::MAX),
        }
    }

    /// Gives `cost` tokens back (a channel that charges the estimate and returns the difference).
    pub fn give_back(&mut self, name: &str, bucket: Bucket, cost: u32) {
        if let Some(cell) = self.cells.get_mut(name) {
            cell.0 = (cell.0 + u64::from(cost) * 1_000_000).min(u64::from(bucket.burst) * 1_000_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_on_virtual_time() {
        // searchOrders: burst 20, 0.0056/s → one token in 178,572 ms (1 / 0.0056 s, rounded up).
        let bucket = Bucket { burst: 20, rate_micro: 5_600 };
        let mut quotas = Quotas::default();
        for left in (0..20).rev() {
            let v = quotas.take("x", bucket, 1, 0);
            assert!(v.allowed);
            assert_eq!(v.remaining, left);
        }
        let v = quotas.take("x", bucket, 1, 0);
        assert_eq!((v.allowed, v.wait_ms), (false, 178_572));
        assert!(!quotas.take("x", bucket, 1, 178_571).allowed);
        assert!(quotas.take("x", bucket, 1, 178_573).allowed);
        quotas.give_back("x", bucket, 50);
        assert_eq!(quotas.take("x", bucket, 1, 178_573).remaining, 19);
    }
}
