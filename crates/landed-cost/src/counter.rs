//! China's yearly limit per buyer, as a prediction: customs keeps the authoritative counter, over all platforms.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

/// A buyer's identity, hashed with the installation's salt: the number itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuyerKey([u8; 32]);

impl BuyerKey {
    /// The key of an identity number.
    #[must_use]
    pub fn new(salt: &[u8], identity: &str) -> BuyerKey {
        let mut h = Sha256::new();
        h.update((salt.len() as u64).to_be_bytes());
        h.update(salt);
        h.update(identity.trim().to_uppercase().as_bytes());
        BuyerKey(h.finalize().into())
    }
}

impl std::fmt::Display for BuyerKey {
    /// Hexadecimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Dutiable value per buyer and calendar year (Beijing time), in CNY.
#[derive(Debug, Clone, Default)]
pub struct YearCounter {
    totals: BTreeMap<(BuyerKey, i16), Decimal>,
}

impl YearCounter {
    /// Total so far.
    #[must_use]
    pub fn total(&self, buyer: &BuyerKey, year: i16) -> Decimal {
        self.totals.get(&(buyer.clone(), year)).copied().unwrap_or_default()
    }

    /// An order's dutiable value counts.
    pub fn add(&mut self, buyer: BuyerKey, year: i16, value: Decimal) {
        *self.totals.entry((buyer, year)).or_default() += value;
    }

    /// A refund gives back, never below zero.
    pub fn give_back(&mut self, buyer: BuyerKey, year: i16, value: Decimal) {
        let slot = self.totals.entry((buyer, year)).or_default();
        *slot = (*slot - value).max(Decimal::ZERO);
    }
}
