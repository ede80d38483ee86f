//! Bank statements: CSV of any bank ([`csv`]) and MT940 ([`mt940`]); camt.053 stands beside them in `camt`.
//!
//! camt.053 (ISO 20022) and MT940 (SWIFT) carry opening and closing balances and must roll forward. A CSV is read by its
//! column titles, or by the names that the sidecar gives; a running balance, where there is one, is checked.

mod csv;
mod mt940;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tradewind_domain::Money;

pub(super) use self::csv::csv;
pub(super) use self::mt940::mt940;

/// An id for a line whose bank gives none: its content, and its place among equal lines of the document. The
/// same day exported twice gives the same ids; two equal lines of one day stay two.
pub(super) struct Ids {
    seen: BTreeMap<String, u32>,
}

impl Ids {
    pub(super) fn new() -> Ids {
        Ids { seen: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, account: &str, date: &str, amount: Money, text: &str) -> String {
        let mut hash = Sha256::new();
        for part in [account, date, &amount.to_string(), text] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hex::encode(hash.finalize());
        let base = format!("{date}/{}", digest.get(..12).unwrap_or(&digest));
        let n = self.seen.entry(base.clone()).or_insert(0);
        *n += 1;
        if *n == 1 { base } else { format!("{base}#{n}") }
    }
}
