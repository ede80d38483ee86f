//! Where rates come from when the request does not give them: the seams to the tariff store and the FX book.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tradewind_domain::{Country, Currency, HsCode};
use tradewind_fx::calendar::Regime;

/// A duty rate as a tariff prints it, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// "Free": a stated zero.
    Free,
    /// A share of the customs value: 0.165 for 16.5 %.
    AdValorem(Decimal),
    /// An amount per unit of quantity, such as 0.44 USD per `kg`. The unit is lower case as the tariff
    /// abbreviates it; `each` (or `no.`) counts pieces.
    Specific {
        /// Amount per unit, in major units of `currency`.
        amount: Decimal,
        /// Its currency.
        currency: Currency,
        /// The unit of quantity.
        unit: String,
    },
    /// The sum of several rates.
    Compound(Vec<Rate>),
    /// Text that the grammar does not cover. Never read as zero: a quote is indeterminate.
    Unparsed(String),
}

impl Rate {
    /// The ad valorem part, when the whole rate is ad valorem or free; `None` otherwise.
    #[must_use]
    pub fn ad_valorem(&self) -> Option<Decimal> {
        match self {
            Rate::Free => Some(Decimal::ZERO),
            Rate::AdValorem(r) => Some(*r),
            Rate::Compound(parts) => parts.iter().map(Rate::ad_valorem).sum(),
            Rate::Specific { .. } | Rate::Unparsed(_) => None,
        }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rate::Free => f.write_str("free"),
            Rate::AdValorem(r) => write!(f, "{} %", (r * Decimal::ONE_HUNDRED).normalize()),
            Rate::Specific { amount, currency, unit } => {
                write!(f, "{} {currency} per {unit}", amount.normalize())
            }
            Rate::Compound(parts) => {
                for (i, p) in parts.iter().enumerate() {
                    write!(f, "{}{p}", if i == 0 { "" } else { " + " })?;
                }
                Ok(())
            }
            Rate::Unparsed(text) => write!(f, "'{text}' (not read)"),
        }
    }
}

/// A rate that needs a proof of origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preference {
    /// The rate.
    pub rate: Rate,
    /// The programme, as the tariff names it (`AU`, `S`, `GB 142 JP`).
    pub programme: String,
}

/// A tariff's answer for one commodity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// The rate that applies (most favoured nation unless a preference is proven elsewhere).
    Found {
        /// The rate.
        rate: Rate,
        /// The row and version it came from, such as `HTS 2025-04 8518.30.20 sha256:ab12…`.
        source: String,
        /// The whole checksum of the file, hexadecimal.
        sha256: String,
        /// The China Section 301 list of the commodity (`1`, `2`, `3`, `4A`, `none`), where the tariff knows it.
        section_301_list: Option<String>,
        /// A lower rate for this origin, for which proof is needed.
        preference: Option<Preference>,
    },
    /// The code is too short: the codes below it have different rates.
    Ambiguous {
        /// Those codes.
        codes: Vec<String>,
        /// Least and greatest of their rates, when all are ad valorem.
        ad_valorem: Option<(Decimal, Decimal)>,
    },
    /// The tariff of this jurisdiction is not loaded, or has no such code at that instant.
    Missing,
}

/// A versioned tariff.
pub trait TariffSource: Send + Sync {
    /// The rate for a commodity. `jurisdiction` is a pack's name: `US`, `GB`, `EU`; `origin` is the
    /// non-preferential origin, `None` when unknown.
    fn lookup(&self, jurisdiction: &str, hs: &HsCode, origin: Option<Country>, at: Timestamp) -> Lookup;

    /// An anti-dumping, countervailing or additional duty stands, or may stand, for this origin: the request must answer
    /// `facts.ad_cvd`. Asked whatever the rate of the duty is, and where that comes from.
    fn remedy(&self, _jurisdiction: &str, _hs: &HsCode, _origin: Option<Country>, _at: Timestamp) -> bool {
        false
    }

    /// Whether the nomenclature has the code's subheading; `None` when no nomenclature is loaded.
    fn knows(&self, _hs: &HsCode) -> Option<bool> {
        None
    }
}

/// No tariff at all: every rate must be in the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTariff;

impl TariffSource for NoTariff {
    fn lookup(&self, _: &str, _: &HsCode, _: Option<Country>, _: Timestamp) -> Lookup {
        Lookup::Missing
    }
}

/// An exchange rate with the publication it came from: an amount in `from` times `rate` is the amount in `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FxRate {
    /// Multiplier.
    pub rate: Decimal,
    /// The publication, pinned on the quote, such as `ECB 2026-07-22 USD/EUR`.
    pub id: String,
}

/// A rate book that answers with the rate customs would use at an instant.
pub trait FxSource: Send + Sync {
    /// The rate that customs of a regime uses.
    ///
    /// # Errors
    /// The book has none, or none that is fresh enough: what is missing and what to import.
    fn rate(&self, regime: Regime, from: Currency, to: Currency, at: Timestamp) -> Result<FxRate, String>;
}

/// No rate book: every rate must be in the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFx;

impl FxSource for NoFx {
    fn rate(&self, _: Regime, from: Currency, to: Currency, _: Timestamp) -> Result<FxRate, String> {
        Err(format!("no rate book is loaded for {from}/{to}: give fx in the request, or a rate file"))
    }
}

#[path = "tariff/mod.rs"]
pub mod tariff;
