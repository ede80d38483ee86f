//! The journal: double entry, append-only, balanced per currency, chained by hash.
//!
//! A correction is a new entry that reverses an old one; nothing is ever changed. A period can be closed: what is dated into it
//! afterwards is booked on the first open day, and says for which day it was meant.

use std::collections::BTreeMap;

use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tradewind_domain::{Currency, Money};

/// One account moved by one amount; positive is debit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posting {
    /// Account of the chart.
    pub account: String,
    /// Currency.
    pub currency: Currency,
    /// Minor units; debit positive.
    pub minor: i64,
}

impl Posting {
    /// A posting of an amount.
    #[must_use]
    pub fn new(account: impl Into<String>, amount: Money) -> Posting {
        Posting { account: account.into(), currency: amount.currency(), minor: amount.minor() }
    }

    /// The amount.
    #[must_use]
    pub fn amount(&self) -> Money {
        Money::from_minor(self.minor, self.currency)
    }
}

/// An entry before it is in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Stable id, unique in the journal.
    pub id: String,
    /// The day that it belongs to.
    pub date: Date,
    /// What happened.
    pub text: String,
    /// Ids of the facts that prove it.
    pub trace: Vec<String>,
    /// The entry that this one takes back, or what it corrects of one that is closed.
    pub reverses: Option<String>,
    /// The postings.
    pub postings: Vec<Posting>,
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was booked.
    pub draft: Draft,
    /// The day on which it is booked: [`Draft::date`], or the first open day after it.
    pub booked: Date,
    /// SHA-256 over the hash before and the entry, hex.
    pub hash: String,
}

/// Why an entry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Postings do not sum to zero in a currency.
    #[error("entry {id} does not balance: {currency} is off by {off} minor units")]
    Unbalanced {
        /// The entry.
        id: String,
        /// The currency.
        currency: Currency,
        /// Σ of its postings.
        off: i128,
    },
    /// The id is taken by an entry with other content.
    #[error("entry {0} exists with other content: corrections are reversing entries")]
    Exists(String),
    /// Nothing to reverse.
    #[error("entry {0} does not exist, or is reversed already")]
    NoSuch(String),
    /// A balance does not fit.
    #[error("the balance of {0} is out of range")]
    Overflow(String),
    /// The chain of hashes is broken.
    #[error("entry {0} was changed after it was booked")]
    Broken(String),
}

/// The journal.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    by_id: foldhash::HashMap<String, usize>,
    reversed: foldhash::HashSet<String>,
    closed_until: Option<Date>,
}

impl Journal {
    /// Empty.
    #[must_use]
    pub fn new() -> Journal {
        Journal::default()
    }

    /// The entries, in the order in which they were booked.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Closes the books up to a day, that day included. Closing never moves backwards.
    pub fn close(&mut self, until: Date) {
        self.closed_until = Some(self.closed_until.map_or(until, |d| d.max(until)));
    }

    /// Books an entry. The same entry again has no effect.
    ///
    /// # Errors
    /// It does not balance in a currency, or its id is taken by another one.
    pub fn post(&mut self, draft: Draft) -> Result<(), JournalError> {
        self.book(draft, None)
    }

    /// Books an entry on the day on which it was booked when its period was closed.
    ///
    /// # Errors
    /// As [`Journal::post`].
    pub fn keep(&mut self, draft: Draft, booked: Date) -> Result<(), JournalError> {
        self.book(draft, Some(booked))
    }

    fn book(&mut self, mut draft: Draft, on: Option<Date>) -> Result<(), JournalError> {
        draft.postings.retain(|p| p.minor != 0);
        draft.postings.sort();
        draft.trace.sort();
        draft.trace.dedup();
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for p in &draft.postings {
            *sums.entry(p.currency).or_default() += i128::from(p.minor);
        }
        if let Some((currency, off)) = sums.into_iter().find(|(_, s)| *s != 0) {
            return Err(JournalError::Unbalanced { id: draft.id, currency, off });
        }
        if let Some(at) = self.by_id.get(&draft.id) {
            return match self.entries.get(*at) {
                Some(had) if had.draft == draft => Ok(()),
                _ => Err(JournalError::Exists(draft.id)),
            };
        }
        let booked = match (on, self.closed_until) {
            (Some(day), _) => day,
            (None, Some(closed)) if draft.date <= closed => closed.tomorrow().unwrap_or(closed),
            _ => draft.date,
        };
        let before = self.entries.last().map(|e| e.hash.as_str()).unwrap_or_default();
        let hash = chain(before, &draft, booked);
        self.by_id.insert(draft.id.clone(), self.entries.len());
        if let Some(of) = &draft.reverses {
            self.reversed.insert(of.clone());
        }
        self.entries.push(Entry { draft, booked, hash });
        Ok(())
    }

    /// Takes an entry back with a reversing one.
    ///
    /// # Errors
    /// The entry does not exist or is reversed already.
    pub fn reverse(&mut self, id: &str, date: Date, why: &str) -> Result<(), JournalError> {
        let gone = || JournalError::NoSuch(id.to_owned());
        let old = self.by_id.get(id).and_then(|i| self.entries.get(*i)).ok_or_else(gone)?;
        if self.reversed.contains(id) {
            return Err(gone());
        }
        let draft = Draft {
            id: format!("{id}!reversed"),
            date,
            text: why.to_owned(),
            trace: old.draft.trace.clone(),
            reverses: Some(id.to_owned()),
            postings: old
                .draft
                .postings
                .iter()
                .map(|p| Posting { minor: p.minor.saturating_neg(), ..p.clone() })
                .collect(),
        };
        self.post(draft)
    }

    /// Σ per currency and account; accounts at zero are left out.
    ///
    /// # Errors
    /// A balance is out of range.
    pub fn trial_balance(&self) -> Result<BTreeMap<Currency, BTreeMap<String, Money>>, JournalError> {
        let mut sums: BTreeMap<(Currency, &str), i128> = BTreeMap::new();
        for p in self.entries.iter().flat_map(|e| &e.draft.postings) {
            *sums.entry((p.currency, &p.account)).or_default() += i128::from(p.minor);
        }
        let mut out: BTreeMap<Currency, BTreeMap<String, Money>> = BTreeMap::new();
        for ((currency, account), sum) in sums {
            if sum != 0 {
                let minor = i64::try_from(sum).map_err(|_| JournalError::Overflow(account.to_owned()))?;
                out.entry(currency)
                    .or_default()
                    .insert(account.to_owned(), Money::from_minor(minor, currency));
            }
        }
        Ok(out)
    }

    /// The hash of the last entry: of everything.
    #[must_use]
    pub fn head(&self) -> &str {
        self.entries.last().map(|e| e.hash.as_str()).unwrap_or_default()
    }

    /// The journal as it stood at the end of a day, and what is booked after it. What takes back an entry that is not there yet is not
    /// there either.
    ///
    /// # Errors
    /// As [`Journal::post`].
    pub fn until(self, day: Date) -> Result<(Journal, Vec<Entry>), JournalError> {
        if self.entries.iter().all(|e| e.booked <= day) {
            return Ok((self, Vec::new()));
        }
        let mut kept = Journal { closed_until: self.closed_until, ..Journal::default() };
        let mut later: Vec<Entry> = Vec::new();
        for e in self.entries {
            let taken_back = e.draft.reverses.as_deref();
            if e.booked > day || taken_back.is_some_and(|r| !kept.by_id.contains_key(r)) {
                later.push(e);
            } else {
                kept.keep(e.draft, e.booked)?;
            }
        }
        Ok((kept, later))
    }

    /// Recomputes the chain.
    ///
    /// # Errors
    /// The first entry that is not what was booked.
    pub fn verify(&self) -> Result<(), JournalError> {
        let mut before = "";
        for e in &self.entries {
            if chain(before, &e.draft, e.booked) != e.hash {
                return Err(JournalError::Broken(e.draft.id.clone()));
            }
            before = &e.hash;
        }
        Ok(())
    }
}

/// The hash over a list of entries, as a journal of them alone has it.
#[must_use]
pub fn chained<'a>(entries: impl Iterator<Item = (&'a Draft, Date)>) -> String {
    entries.fold(String::new(), |before, (draft, booked)| chain(&before, draft, booked))
}

fn chain(before: &str, draft: &Draft, booked: Date) -> String {
    let mut sha = Sha256::new();
    let mut field = |bytes: &[u8]| {
        sha.update((bytes.len() as u64).to_be_bytes());
        sha.update(bytes);
    };
    field(before.as_bytes());
    field(draft.id.as_bytes());
    field(draft.date.to_string().as_bytes());
    field(booked.to_string().as_bytes());
    field(draft.text.as_bytes());
    field(draft.reverses.as_deref().unwrap_or_default().as_bytes());
    for t in &draft.trace {
        field(t.as_bytes());
    }
    for p in &draft.postings {
        field(p.account.as_bytes());
        field(p.currency.code().as_bytes());
        field(&p.minor.to_be_bytes());
    }
    hex::encode(sha.finalize())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft(id: &str, day: i8, postings: &[(&str, Currency, i64)]) -> Draft {
        Draft {
            id: id.to_owned(),
            date: jiff::civil::date(2026, 1, day),
            text: "t".to_owned(),
            trace: vec![id.to_owned()],
            reverses: None,
            postings: postings
                .iter()
                .map(|(a, c, m)| Posting { account: (*a).to_owned(), currency: *c, minor: *m })
                .collect(),
        }
    }

    #[test]
    fn an_entry_balances_in_every_currency_or_is_refused() {
        let mut j = Journal::new();
        let off = draft("a", 1, &[("x", Currency::EUR, 100), ("y", Currency::USD, -100)]);
        assert!(matches!(j.post(off), Err(JournalError::Unbalanced { .. })));
        assert!(j.entries().is_empty() && j.head().is_empty());
    }

    #[test]
    fn an_id_is_taken_once() {
        let mut j = Journal::new();
        let one = draft("a", 1, &[("x", Currency::EUR, 100), ("y", Currency::EUR, -100)]);
        j.post(one.clone()).unwrap();
        let head = j.head().to_owned();
        // The same again has no effect; another content under the id is refused: corrections are reversals.
        j.post(one).unwrap();
        let other = draft("a", 1, &[("x", Currency::EUR, 99), ("y", Currency::EUR, -99)]);
        assert_eq!(j.post(other), Err(JournalError::Exists("a".to_owned())));
        assert_eq!((j.entries().len(), j.head()), (1, head.as_str()));
    }

    #[test]
    fn a_reversal_takes_an_entry_back_once() {
        let mut j = Journal::new();
        j.post(draft("a", 1, &[("x", Currency::EUR, 100), ("y", Currency::EUR, -100)])).unwrap();
        j.reverse("a", jiff::civil::date(2026, 1, 2), "it came back").unwrap();
        assert!(j.trial_balance().unwrap().is_empty());
        assert_eq!(j.entries()[1].draft.reverses.as_deref(), Some("a"));
        assert!(matches!(
            j.reverse("a", jiff::civil::date(2026, 1, 2), "again"),
            Err(JournalError::NoSuch(_))
        ));
        assert!(matches!(j.reverse("b", jiff::civil::date(2026, 1, 2), "no"), Err(JournalError::NoSuch(_))));
    }

    #[test]
    fn whatever_is_changed_breaks_the_chain() {
        let mut j = Journal::new();
        for id in ["a", "b", "c"] {
            j.post(draft(id, 1, &[("x", Currency::EUR, 100), ("y", Currency::EUR, -100)])).unwrap();
        }
        j.verify().unwrap();
        let mut moved = j.clone();
        moved.entries[1].draft.postings[0].minor += 1;
        moved.entries[1].draft.postings[1].minor -= 1;
        assert_eq!(moved.verify(), Err(JournalError::Broken("b".to_owned())));
        let mut dated = j.clone();
        dated.entries[1].booked = jiff::civil::date(2026, 3, 1);
        assert_eq!(dated.verify(), Err(JournalError::Broken("b".to_owned())));
        let mut gone = j;
        gone.entries.remove(0);
        assert_eq!(gone.verify(), Err(JournalError::Broken("b".to_owned())));
    }

    #[test]
    fn closing_never_moves_backwards() {
        let mut j = Journal::new();
        j.close(jiff::civil::date(2026, 1, 31));
        j.close(jiff::civil::date(2026, 1, 15));
        j.post(draft("a", 20, &[("x", Currency::EUR, 1), ("y", Currency::EUR, -1)])).unwrap();
        assert_eq!(j.entries()[0].booked, jiff::civil::date(2026, 2, 1));
        assert_eq!(j.entries()[0].draft.date, jiff::civil::date(2026, 1, 20));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        /// Random operations, and a crash after any of them: what is there is a whole chain of balanced entries, and doing the
        /// operations again from there ends in the same books.
        #[test]
        fn every_prefix_is_sound_and_resumes(
            ops in prop::collection::vec((0..8_u8, 0..6_usize, -500_i64..500, 1..28_i8, any::<bool>()), 1..24),
            crash in any::<prop::sample::Index>(),
        ) {
            let apply = |j: &mut Journal, (kind, n, m, day, usd): &(u8, usize, i64, i8, bool)| {
                let c = if *usd { Currency::USD } else { Currency::EUR };
                let id = format!("e{n}");
                // Refusals are part of the story: they must leave no trace.
                let _ = match kind {
                    0..=4 => j.post(draft(&id, *day, &[("a", c, *m), ("b", c, m.saturating_neg())])),
                    5 => j.post(draft(&id, *day, &[("a", c, *m), ("b", c, 1)])),
                    6 => j.reverse(&id, jiff::civil::date(2026, 1, *day), "back"),
                    _ => { j.close(jiff::civil::date(2026, 1, *day)); Ok(()) }
                };
            };
            let mut whole = Journal::new();
            ops.iter().for_each(|op| apply(&mut whole, op));
            whole.verify().unwrap();
            let at = crash.index(ops.len());
            let mut part = Journal::new();
            ops[..at].iter().for_each(|op| apply(&mut part, op));
            part.verify().unwrap();
            for e in part.entries() {
                let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
                e.draft.postings.iter().for_each(|p| *sums.entry(p.currency).or_default() += p.minor);
                prop_assert!(sums.values().all(|s| *s == 0));
            }
            ops[at..].iter().for_each(|op| apply(&mut part, op));
            prop_assert_eq!(part.head(), whole.head());
            prop_assert_eq!(part.trial_balance().unwrap(), whole.trial_balance().unwrap());
        }
    }
}
