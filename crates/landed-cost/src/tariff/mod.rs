//! The tariff store: official tariffs read from the files their publishers export, kept by version.
//!
//! [`grammar`] reads a printed rate, [`hts`] the USITC table, [`uk`] the UK Trade Tariff's answers, [`fx`] lends the
//! rate book to quotes. What cannot be read stays [`Rate::Unparsed`]: a quote is then indeterminate, never zero.

pub mod fx;
pub mod grammar;
pub mod hts;
pub mod uk;

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tradewind_domain::{Country, HsCode};

use crate::rates::{Lookup, Rate, TariffSource};

/// Why a tariff file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct TariffError {
    /// The file as named.
    pub file: String,
    /// Line from 1.
    pub line: u64,
    /// What is wrong and what was expected.
    pub what: String,
}

/// One declarable code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Digits without dots.
    pub(crate) code: Box<str>,
    /// Rows of [`Table::rates`]: general, and column 2 (US only).
    pub(crate) general: Option<u32>,
    pub(crate) column2: Option<u32>,
    /// When the rate holds; outside, the code has no rate.
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    /// Line of the file.
    pub(crate) line: u64,
}

/// One file's content.
#[derive(Debug, Clone)]
pub struct Table {
    /// What the source is called in a quote, such as `HTS 2025-04`.
    pub name: String,
    /// SHA-256 of the file, hexadecimal: the version.
    pub sha256: String,
    pub(crate) rates: Vec<Rate>,
    /// Sorted by code.
    pub(crate) leaves: Vec<Leaf>,
}

/// Normal trade relations are denied to these: column 2 applies (HTS General Note 3(b), with Public Law 117-110
/// for Russia and Belarus).
const COLUMN_2: [&str; 4] = ["BY", "CU", "KP", "RU"];

impl Table {
    fn new(name: &str, text: &str, rates: Vec<Rate>, mut leaves: Vec<Leaf>) -> Table {
        leaves.sort_by(|a, b| a.code.cmp(&b.code).then(a.line.cmp(&b.line)));
        let sha256 = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        Table { name: name.to_owned(), sha256, rates, leaves }
    }

    /// Number of declarable codes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether the table holds no code.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Number of codes whose general rate the grammar does not cover, or that have none.
    #[must_use]
    pub fn indeterminate(&self) -> usize {
        let readable = |i: &u32| self.rates.get(*i as usize).is_some_and(|r| !matches!(r, Rate::Unparsed(_)));
        self.leaves.iter().filter(|l| !l.general.as_ref().is_some_and(readable)).count()
    }

    fn lookup(&self, hs: &str, origin: Option<Country>, at: Timestamp) -> Lookup {
        let start = self.leaves.partition_point(|l| &*l.code < hs);
        let below: Vec<&Leaf> = self
            .leaves
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|l| l.code.starts_with(hs))
            .filter(|l| l.from <= at && at < l.until)
            .collect();
        let second = origin.is_some_and(|c| COLUMN_2.contains(&c.code()));
        let rate = |l: &Leaf| {
            let index = if second && self.name.starts_with("HTS") { l.column2 } else { l.general };
            index.and_then(|i| self.rates.get(i as usize))
        };
        let Some(first) = below.first() else { return Lookup::Missing };
        let found = rate(first);
        if below.iter().any(|l| rate(l) != found) {
            let mut codes: Vec<String> = below.iter().map(|l| l.code.to_string()).collect();
            codes.dedup();
            return Lookup::Ambiguous(codes);
        }
        let version = self.sha256.get(..12).unwrap_or(&self.sha256);
        Lookup::Found {
            // a row without any rate, own or inherited, is not free: nobody stated a zero
            rate: found.cloned().unwrap_or_else(|| Rate::Unparsed("no rate printed".to_owned())),
            source: format!("{} {} line {} sha256:{version}", self.name, first.code, first.line),
            section_301_list: None,
        }
    }
}

/// Every tariff loaded, by jurisdiction; of two versions the newest in force answers.
#[derive(Debug, Clone, Default)]
pub struct TariffStore {
    tables: BTreeMap<String, Vec<(Timestamp, Table)>>,
}

impl TariffStore {
    /// Adds a table that is in force from an instant on. The same version again changes nothing.
    pub fn add(&mut self, jurisdiction: &str, valid_from: Timestamp, table: Table) {
        let versions = self.tables.entry(jurisdiction.to_owned()).or_default();
        if !versions.iter().any(|(from, t)| *from == valid_from && t.sha256 == table.sha256) {
            versions.push((valid_from, table));
            versions.sort_by_key(|(from, _)| *from);
        }
    }

    /// Jurisdiction, name, checksum and start of every version.
    pub fn versions(&self) -> impl Iterator<Item = (&str, &str, &str, Timestamp)> {
        self.tables.iter().flat_map(|(j, v)| {
            v.iter().map(move |(from, t)| (j.as_str(), t.name.as_str(), t.sha256.as_str(), *from))
        })
    }
}

impl TariffSource for TariffStore {
    fn lookup(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, at: Timestamp) -> Lookup {
        let versions = self.tables.get(jurisdiction).map(Vec::as_slice).unwrap_or_default();
        // The US table is whole: only its newest version speaks. The UK's come one commodity a file.
        for (_, table) in versions.iter().rev().filter(|(from, _)| *from <= at) {
            let answer = table.lookup(hs.as_str(), origin, at);
            if table.name.starts_with("HTS") || answer != Lookup::Missing {
                return answer;
            }
        }
        Lookup::Missing
    }
}

#[cfg(test)]
mod tests;
