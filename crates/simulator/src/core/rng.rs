//! Randomness: one seed, many independent streams, each named by what it decides.
//!
//! A stream is `ChaCha8(SHA-256(seed, parts...))`. Nobody holds a stream across requests: the
//! decision "what does buyer 7 of day 2 on channel `ebay` want" opens the stream named by exactly
//! that, so neither another channel's draws nor the order in which requests arrive can shift it.

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

/// One named stream of draws. Whole numbers only: the world has no use for floats.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream that `parts` name under `seed`.
    #[must_use]
    pub fn open(seed: u64, parts: &[&str]) -> Self {
        Self(ChaCha8Rng::from_seed(digest(seed, parts)))
    }

    /// A whole number below `bound` (0 when `bound` is 0). Modulo bias is below 2^-32 for the
    /// bounds used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.next_u64() % bound }
    }

    /// A whole number in `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0).saturating_add(1);
        low.saturating_add(i64::try_from(self.below(span)).unwrap_or(0))
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let len = u64::try_from(items.len()).unwrap_or(0);
        items.get(usize::try_from(self.below(len)).unwrap_or(0))
    }

    /// `n` decimal digits, the first not zero.
    pub fn digits(&mut self, n: usize) -> String {
        (0..n)
            .map(
                |i| if i == 0 { char::from(b'1' + self.small(9)) } else { char::from(b'0' + self.small(10)) },
            )
            .collect()
    }

    /// `n` lower-case hexadecimal digits.
    pub fn hex(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from_digit(u32::from(self.small(16)), 16).unwrap_or('0')).collect()
    }

    /// `n` characters from `A-Z0-9`.
    pub fn alnum(&mut self, n: usize) -> String {
        const SET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..n).map(|_| char::from(SET.get(usize::from(self.small(36))).copied().unwrap_or(b'A'))).collect()
    }

    fn small(&mut self, bound: u8) -> u8 {
        u8::try_from(self.below(u64::from(bound))).unwrap_or(0)
    }
}

/// A number that `parts` name under `seed`: a stable hash for ids and one-off decisions.
#[must_use]
pub fn number(seed: u64, parts: &[&str]) -> u64 {
    let d = digest(seed, parts);
    let (head, _) = d.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*head)
}

fn digest(seed: u64, parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in parts {
        // The length keeps ("ab","c") apart from ("a","bc").
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeatable_and_independent() {
        let mut a = Stream::open(7, &["ebay", "day", "1"]);
        let mut b = Stream::open(7, &["ebay", "day", "1"]);
        let mut c = Stream::open(7, &["ebayday", "", "1"]);
        let (xs, ys, zs) = (a.digits(24), b.digits(24), c.digits(24));
        assert_eq!(xs, ys);
        assert_ne!(xs, zs);
        assert_ne!(number(7, &["a"]), number(8, &["a"]));
    }

    #[test]
    fn bounds_hold() {
        let mut s = Stream::open(1, &["bounds"]);
        for _ in 0..1_000 {
            assert!((-3..=3).contains(&s.between(-3, 3)));
            assert!(s.below(5) < 5);
        }
        assert_eq!(s.below(0), 0);
        assert!(!s.chance(0) && s.chance(1_000));
        assert_eq!(s.pick::<u8>(&[]), None);
    }
}
