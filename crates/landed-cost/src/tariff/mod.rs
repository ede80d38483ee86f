//! The tariff store: official tariffs read from the files their publishers export, kept by version.
//!
//! [`grammar`] reads a printed rate, [`hts`] the USITC table (CSV and JSON), [`uk`] the UK Trade Tariff's answers, [`hs`]
//! the nomenclature, [`folder`] keeps the files with their checksums, [`fx`] lends the rate book to quotes. What cannot
//! be read stays [`Rate::Unparsed`]: a quote is then indeterminate, never zero.

pub mod folder;
pub mod fx;
pub mod grammar;
pub mod hs;
pub mod hts;
pub mod uk;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};
use tradewind_domain::{Country, HsCode};

use crate::rates::{Lookup, Preference, Rate, TariffSource};

/// Why a tariff file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", if *line == 0 { String::new() } else { format!(":{line}") })]
pub struct TariffError {
    /// The file as named.
    pub file: String,
    /// Line (CSV) or row (JSON) from 1; 0 where it is about the whole file.
    pub line: u64,
    /// What is wrong and what was expected.
    pub what: String,
}

/// SHA-256 of a text, hexadecimal.
fn checksum(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// One declarable code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Leaf {
    /// Digits without dots.
    code: Box<str>,
    /// Rows of [`Table::rates`]: general, and column 2 (US only).
    general: Option<u32>,
    column2: Option<u32>,
    /// Row of [`Table::specials`] (US only).
    special: Option<u32>,
    /// Section 301 list, where the file says so (US JSON only).
    list: Option<Box<str>>,
    /// When the rate holds; outside, the code has no rate.
    from: Timestamp,
    until: Timestamp,
    /// Line of the file.
    line: u64,
}

/// A measure for some origins (UK): a preference, or a trade remedy.
#[derive(Debug, Clone)]
struct Measure {
    code: Box<str>,
    origins: Origins,
    from: Timestamp,
    until: Timestamp,
    what: What,
}

impl Measure {
    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

#[derive(Debug, Clone)]
enum Origins {
    Of(Vec<Box<str>>),
    /// Erga omnes, with exceptions.
    AllBut(Vec<Box<str>>),
}

impl Origins {
    fn contains(&self, origin: Country) -> bool {
        let listed = |list: &[Box<str>]| list.iter().any(|o| o.as_ref() == origin.code());
        match self {
            Origins::Of(list) => listed(list),
            Origins::AllBut(list) => !listed(list),
        }
    }
}

#[derive(Debug, Clone)]
enum What {
    Preference(Preference),
    /// Anti-dumping, countervailing or additional duty.
    Remedy,
}

/// One file's content.
#[derive(Debug, Clone)]
pub struct Table {
    /// What the source is called in a quote, such as `HTS 2025-04`.
    pub name: String,
    /// SHA-256 of the file, hexadecimal: the version.
    pub sha256: String,
    /// The whole tariff, as against some of its codes: what it does not hold does not exist.
    whole: bool,
    /// Column 2 stands in it (the United States).
    column2: bool,
    rates: Vec<Rate>,
    /// The special column as printed; read when it is asked for.
    specials: Vec<Box<str>>,
    /// Sorted by code.
    leaves: Vec<Leaf>,
    measures: Vec<Measure>,
}

/// The United States deny normal trade relations to these: column 2 applies (HTS General Note 3(b), with Public Law
/// 117-110 for Russia and Belarus). No other tariff has the column.
const COLUMN_2: [&str; 4] = ["BY", "CU", "KP", "RU"];

impl Table {
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

    fn rate_of(&self, leaf: &Leaf, second: bool) -> Option<&Rate> {
        let index = if second { leaf.column2 } else { leaf.general };
        index.and_then(|i| self.rates.get(i as usize))
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
        let second = self.column2 && origin.is_some_and(|c| COLUMN_2.contains(&c.code()));
        let Some(first) = below.first() else { return Lookup::Missing };
        let found = self.rate_of(first, second);
        if !self.whole && below.iter().any(|l| l.code.len() > hs.len()) {
            // Other codes below the same heading may stand in files that were not imported.
            let mut codes: Vec<String> = below.iter().map(|l| l.code.to_string()).collect();
            codes.dedup();
            return Lookup::Ambiguous { codes, ad_valorem: None };
        }
        if below.iter().any(|l| self.rate_of(l, second) != found || l.list != first.list) {
            let rates: Option<Vec<Decimal>> =
                below.iter().map(|l| self.rate_of(l, second)?.ad_valorem()).collect();
            let ad_valorem = rates.and_then(|r| Some((r.iter().min().copied()?, r.iter().max().copied()?)));
            let mut codes: Vec<String> = below.iter().map(|l| l.code.to_string()).collect();
            codes.dedup();
            return Lookup::Ambiguous { codes, ad_valorem };
        }
        let version = self.sha256.get(..12).unwrap_or(&self.sha256);
        let mut preference = None;
        if let Some(origin) = origin.filter(|_| !second) {
            let special = first.special.and_then(|i| self.specials.get(i as usize));
            preference = special.and_then(|text| grammar::special(text, origin.code()));
        }
        if let Some(origin) = origin.filter(|_| !second && preference.is_none()) {
            preference = self.measures.iter().find_map(|m| match &m.what {
                What::Preference(p)
                    if m.code.starts_with(hs) && m.holds(at) && m.origins.contains(origin) =>
                {
                    Some(p.clone())
                }
                _ => None,
            });
        }
        Lookup::Found {
            // a row without any rate, own or inherited, is not free: nobody stated a zero
            rate: found.cloned().unwrap_or_else(|| Rate::Unparsed("no rate printed".to_owned())),
            source: format!("{} {} line {} sha256:{version}", self.name, first.code, first.line),
            sha256: self.sha256.clone(),
            section_301_list: first.list.as_deref().map(str::to_owned),
            preference,
        }
    }

    /// A trade remedy stands, or may stand, for the origin: one that is no single country ("EU") may be the one meant.
    fn remedy(&self, hs: &str, origin: Option<Country>, at: Timestamp) -> bool {
        self.measures.iter().any(|m| {
            matches!(m.what, What::Remedy)
                && m.code.starts_with(hs)
                && m.holds(at)
                && origin.is_none_or(|o| m.origins.contains(o))
        })
    }
}

/// A version that is loaded.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// Pack name: `US`, `GB`.
    pub jurisdiction: &'a str,
    /// What the source is called.
    pub name: &'a str,
    /// The version.
    pub sha256: &'a str,
    /// In force from.
    pub from: Timestamp,
    /// Declarable codes.
    pub codes: usize,
    /// Codes without a rate that can be read.
    pub indeterminate: usize,
}

/// Every tariff loaded, by jurisdiction; of two versions the newest in force answers.
#[derive(Debug, Clone, Default)]
pub struct TariffStore {
    tables: BTreeMap<String, Vec<(Timestamp, Table)>>,
    nomenclature: Option<hs::Nomenclature>,
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

    /// Sets the nomenclature that codes are checked against.
    pub fn set_nomenclature(&mut self, nomenclature: hs::Nomenclature) {
        self.nomenclature = Some(nomenclature);
    }

    /// The nomenclature, when one is loaded.
    #[must_use]
    pub fn nomenclature(&self) -> Option<&hs::Nomenclature> {
        self.nomenclature.as_ref()
    }

    /// Every instant at which an answer may change: a version comes into force, a rate or measure begins or ends.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        self.tables
            .values()
            .flatten()
            .flat_map(|(from, t)| {
                let spans = t.leaves.iter().map(|l| (l.from, l.until));
                let spans = spans.chain(t.measures.iter().map(|m| (m.from, m.until)));
                std::iter::once(*from).chain(spans.flat_map(|(from, until)| [from, until]))
            })
            .filter(|t| *t != Timestamp::MIN && *t != Timestamp::MAX)
    }

    /// Every version.
    pub fn versions(&self) -> impl Iterator<Item = Version<'_>> {
        self.tables.iter().flat_map(|(j, v)| {
            v.iter().map(move |(from, t)| Version {
                jurisdiction: j,
                name: &t.name,
                sha256: &t.sha256,
                from: *from,
                codes: t.len(),
                indeterminate: t.indeterminate(),
            })
        })
    }
}

impl TariffSource for TariffStore {
    fn lookup(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, at: Timestamp) -> Lookup {
        let versions = self.tables.get(jurisdiction).map(Vec::as_slice).unwrap_or_default();
        // A whole table is the only one that speaks. The UK's come one commodity a file.
        for (_, table) in versions.iter().rev().filter(|(from, _)| *from <= at) {
            let answer = table.lookup(hs.as_str(), origin, at);
            if table.whole || answer != Lookup::Missing {
                return answer;
            }
        }
        Lookup::Missing
    }

    fn remedy(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, at: Timestamp) -> bool {
        let versions = self.tables.get(jurisdiction).map(Vec::as_slice).unwrap_or_default();
        // Of several files of one commodity the newest speaks; of several commodities below a short code each does.
        let mut heard: Vec<&str> = Vec::new();
        for (_, table) in versions.iter().rev().filter(|(from, _)| *from <= at) {
            if table.whole {
                return table.remedy(hs.as_str(), origin, at);
            }
            let code = table.leaves.first().map(|l| &*l.code).or(table.measures.first().map(|m| &*m.code));
            let Some(code) = code.filter(|c| c.starts_with(hs.as_str()) && !heard.contains(c)) else {
                continue;
            };
            heard.push(code);
            if table.remedy(hs.as_str(), origin, at) {
                return true;
            }
        }
        false
    }

    fn knows(&self, hs: &HsCode) -> Option<bool> {
        self.nomenclature.as_ref().map(|n| n.contains(hs))
    }
}

#[cfg(test)]
mod tests;
