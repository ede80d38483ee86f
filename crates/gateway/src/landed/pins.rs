//! A tariff that remembers what it was asked, and one that answers from that memory: a stored quote is computed anew from
//! the rows it was made from, whatever tariffs are loaded then.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_domain::{Country, HsCode};
use tradewind_landed_cost::rates::{Lookup, TariffSource};

/// One answer of a tariff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffRow {
    /// Whose tariff: a pack's name.
    pub jurisdiction: String,
    /// Commodity asked about.
    pub hs: HsCode,
    /// Origin asked about.
    pub origin: Option<Country>,
    /// The row, with the checksum of its file.
    pub answer: Lookup,
    /// A trade remedy stands for the origin.
    pub remedy: bool,
}

/// What the tariffs answered to one quote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffPins {
    /// Rows.
    pub rows: Vec<TariffRow>,
    /// Codes looked up in the nomenclature, and whether they exist.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<String, bool>,
}

impl TariffPins {
    /// Nothing was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.codes.is_empty()
    }

    fn row(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>) -> Option<&TariffRow> {
        self.rows.iter().find(|r| r.jurisdiction == jurisdiction && r.hs == *hs && r.origin == origin)
    }
}

impl TariffSource for TariffPins {
    fn lookup(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, _: Timestamp) -> Lookup {
        self.row(jurisdiction, hs, origin).map_or(Lookup::Missing, |r| r.answer.clone())
    }

    fn remedy(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, _: Timestamp) -> bool {
        self.row(jurisdiction, hs, origin).is_some_and(|r| r.remedy)
    }

    fn knows(&self, hs: &HsCode) -> Option<bool> {
        self.codes.get(hs.as_str()).copied()
    }
}

/// Passes questions on and keeps the answers.
pub(crate) struct Recording<'a> {
    inner: &'a dyn TariffSource,
    pins: Mutex<TariffPins>,
}

impl<'a> Recording<'a> {
    pub(crate) fn new(inner: &'a dyn TariffSource) -> Recording<'a> {
        Recording { inner, pins: Mutex::default() }
    }

    pub(crate) fn pins(self) -> TariffPins {
        self.pins.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(
        &self,
        jurisdiction: &str,
        hs: &HsCode,
        origin: Option<Country>,
        at: Timestamp,
    ) -> (Lookup, bool) {
        let answer = self.inner.lookup(jurisdiction, hs, origin, at);
        let remedy = self.inner.remedy(jurisdiction, hs, origin, at);
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        // "Nothing known" is what the absence of a row says.
        if (answer != Lookup::Missing || remedy) && pins.row(jurisdiction, hs, origin).is_none() {
            let (jurisdiction, answer) = (jurisdiction.to_owned(), answer.clone());
            pins.rows.push(TariffRow { jurisdiction, hs: *hs, origin, answer, remedy });
        }
        (answer, remedy)
    }
}

impl TariffSource for Recording<'_> {
    fn lookup(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, at: Timestamp) -> Lookup {
        self.asked(jurisdiction, hs, origin, at).0
    }

    fn remedy(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, at: Timestamp) -> bool {
        self.asked(jurisdiction, hs, origin, at).1
    }

    fn knows(&self, hs: &HsCode) -> Option<bool> {
        let known = self.inner.knows(hs)?;
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.codes.insert(hs.as_str().to_owned(), known);
        Some(known)
    }
}
