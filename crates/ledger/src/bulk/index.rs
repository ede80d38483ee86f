//! Open items in as little memory as they need: references one behind the other in one buffer, items of 40 bytes, and a table of
//! eight bytes a slot with open addressing. Ten million items take about 900 MB.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use tradewind_domain::{Currency, Money};

use crate::recon::orders::side::settles;

/// An item that waits for its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// The reference that lines name it by.
    pub reference: &'a str,
    /// What it is due.
    pub due: Money,
    /// What lines have brought so far.
    pub paid: Money,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    at: u32,
    len: u8,
    pub(super) currency: Currency,
    /// The pass that touched it last.
    pub(super) pass: u32,
    pub(super) due: i64,
    pub(super) paid: i64,
    /// Of `paid`: tax that the marketplace withheld.
    pub(super) collected: i64,
}

impl Entry {
    pub(super) fn settled(&self) -> bool {
        settles(self.paid, self.collected, self.due)
    }
}

/// A settlement that was read: the same again has no effect, another content under its id is a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) currency: Currency,
    pub(super) total: i64,
    pub(super) lines: u64,
    /// Of its lines, whatever their order.
    pub(super) digest: u64,
}

/// Open items by reference. Hash values never show in any result: items keep the order in which they were added.
#[derive(Debug, Default)]
pub struct OpenItems {
    text: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// High half of the hash, then index + 1; 0 is empty. The length is a power of two.
    slots: Vec<u64>,
    hasher: foldhash::fast::RandomState,
    pub(super) passes: u32,
    conflicts: u64,
    pub(super) seen: BTreeMap<Vec<u8>, Seen>,
}

impl OpenItems {
    /// None yet.
    #[must_use]
    pub fn new() -> OpenItems {
        OpenItems::default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How often a reference came again with another amount; the first version is kept.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Adds an item. The same again has no effect; the same reference with another amount is a conflict, and the first is kept.
    ///
    /// # Errors
    /// The reference is empty, longer than 255 bytes or not UTF-8, or there are too many items.
    pub fn add(&mut self, reference: &[u8], due: Money) -> Result<(), String> {
        let hash = self.hasher.hash_one(reference);
        if let Some(had) = self.find_hashed(reference, hash).and_then(|i| self.entries.get(i)) {
            if had.due != due.minor() || had.currency != due.currency() {
                self.conflicts += 1;
            }
            return Ok(());
        }
        if reference.is_empty() {
            return Err("the reference is empty".to_owned());
        }
        let shown = || String::from_utf8_lossy(reference).chars().take(40).collect::<String>();
        if std::str::from_utf8(reference).is_err() {
            return Err(format!("the reference '{}' is not UTF-8", shown()));
        }
        let len = u8::try_from(reference.len())
            .map_err(|_| format!("the reference '{}…' is longer than 255 bytes", shown()))?;
        let at = u32::try_from(self.text.len())
            .map_err(|_| "the references need more than 4 GiB: split the items".to_owned())?;
        self.text.extend_from_slice(reference);
        self.entries.push(Entry {
            at,
            len,
            currency: due.currency(),
            pass: 0,
            due: due.minor(),
            paid: 0,
            collected: 0,
        });
        if self.entries.len().saturating_mul(4) > self.slots.len().saturating_mul(3) {
            self.grow();
        } else {
            place(&mut self.slots, hash, self.entries.len());
        }
        Ok(())
    }

    fn grow(&mut self) {
        let n = (self.entries.len().saturating_mul(2)).next_power_of_two().max(64);
        // The old table goes first, so that the two never exist together.
        self.slots = Vec::new();
        let mut slots = vec![0_u64; n];
        for (i, e) in self.entries.iter().enumerate() {
            place(&mut slots, self.hasher.hash_one(self.bytes(e)), i + 1);
        }
        self.slots = slots;
    }

    fn bytes(&self, e: &Entry) -> &[u8] {
        let at = e.at as usize;
        self.text.get(at..at + usize::from(e.len)).unwrap_or_default()
    }

    /// The index of the item with exactly this reference.
    pub(super) fn find(&self, reference: &[u8]) -> Option<usize> {
        self.find_hashed(reference, self.hasher.hash_one(reference))
    }

    fn find_hashed(&self, reference: &[u8], hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = usize::try_from(hash & u64::from(u32::MAX)).ok()? & mask;
        loop {
            let found = *self.slots.get(slot)?;
            if found == 0 {
                return None;
            }
            if found >> 32 == hash >> 32 {
                let i = usize::try_from(found & u64::from(u32::MAX)).ok()?.checked_sub(1)?;
                if self.entries.get(i).is_some_and(|e| self.bytes(e) == reference) {
                    return Some(i);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn item<'a>(&'a self, e: &Entry) -> Item<'a> {
        Item {
            reference: std::str::from_utf8(self.bytes(e)).unwrap_or_default(),
            due: Money::from_minor(e.due, e.currency),
            paid: Money::from_minor(e.paid, e.currency),
        }
    }

    /// The item with this reference.
    #[must_use]
    pub fn get(&self, reference: &str) -> Option<Item<'_>> {
        self.find(reference.as_bytes()).and_then(|i| self.entries.get(i)).map(|e| self.item(e))
    }

    /// The items that are not settled, in the order in which they were added: nothing has come (`paid` is zero), or something else
    /// than what is due. A due amount may hold the tax that the marketplace withholds, or leave it out.
    pub fn unsettled(&self) -> impl Iterator<Item = Item<'_>> {
        self.entries.iter().filter(|e| !e.settled()).map(|e| self.item(e))
    }

    /// Hash of a line's cells and amount; the same within one process only.
    pub(super) fn digest(&self, cells: [&[u8]; 4], minor: i64) -> u64 {
        self.hasher.hash_one((cells, minor))
    }
}

fn place(slots: &mut [u64], hash: u64, index_plus_one: usize) {
    let Some(mask) = slots.len().checked_sub(1) else { return };
    let mut slot = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & mask;
    while let Some(s) = slots.get_mut(slot) {
        if *s == 0 {
            *s = (hash >> 32) << 32 | (index_plus_one as u64 & u64::from(u32::MAX));
            return;
        }
        slot = (slot + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_added_and_nothing_else() {
        let mut open = OpenItems::new();
        // Enough to grow several times.
        for i in 0..10_000_i64 {
            open.add(format!("order-{i}").as_bytes(), Money::from_minor(i, Currency::EUR)).unwrap();
        }
        for i in 0..10_000_i64 {
            assert_eq!(open.get(&format!("order-{i}")).unwrap().due, Money::from_minor(i, Currency::EUR));
        }
        assert!(open.get("order-10000").is_none() && open.get("").is_none());
        assert_eq!(open.len(), 10_000);
    }

    #[test]
    fn the_first_version_is_kept() {
        let mut open = OpenItems::new();
        let eur = |m| Money::from_minor(m, Currency::EUR);
        open.add(b"a", eur(100)).unwrap();
        open.add(b"a", eur(100)).unwrap();
        assert_eq!((open.len(), open.conflicts()), (1, 0));
        open.add(b"a", eur(101)).unwrap();
        assert_eq!((open.len(), open.conflicts()), (1, 1));
        assert_eq!(open.get("a").unwrap().due, eur(100));
        assert!(open.add(b"", eur(1)).is_err() && open.add(&[b'x'; 256], eur(1)).is_err());
        assert!(open.add(b"\xff", eur(1)).is_err());
    }
}
