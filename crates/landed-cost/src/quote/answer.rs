//! The answer: amounts as decimal strings at the currency's exponent, every charge with its reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use tradewind_domain::Money;

use crate::pack::Part;

/// How much of the answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything.
    Complete,
    /// The amounts that are shown stand, and something that is not zero may come on top: see `missing`. What consists of
    /// the unknown alone, or rests on it, is `null`.
    Partial,
    /// An amount cannot be known: see `missing`.
    Indeterminate,
    /// The scheme is not open to this order: see `reason` and `fallback`.
    NotEligible,
    /// May not be imported this way.
    Blocked,
}

/// Money as its text without currency.
pub(crate) fn text<S: Serializer>(m: &Money, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&m.decimal())
}

pub(crate) fn maybe<S: Serializer>(m: &Option<Money>, s: S) -> Result<S::Ok, S::Error> {
    match m {
        Some(m) => s.collect_str(&m.decimal()),
        None => s.serialize_none(),
    }
}

/// Where a rate came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateSource {
    /// No rate is involved.
    None,
    /// The rule pack.
    Pack,
    /// The request, over tariff and pack.
    Request,
    /// The tariff store: row and version.
    Tariff(Arc<str>),
}

/// One charge on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// `duty`, `additional_duty`, `combined_tax`, `vat`, `gst`, ...
    pub kind: Arc<str>,
    /// The layer, or the rate row for a tax.
    pub layer: Arc<str>,
    /// The rule.
    pub rule_id: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
    /// Formula kind.
    pub formula: &'static str,
    /// Base before any truncation the rule makes.
    pub base: Decimal,
    /// What the base is made of.
    pub components: Vec<(Part, Money)>,
    /// Rate; `None` for flat amounts.
    pub rate: Option<Decimal>,
    /// Where the rate came from.
    pub rate_source: RateSource,
    /// Before rounding.
    pub raw: Decimal,
    /// After rounding.
    pub amount: Money,
    /// Who collects.
    pub collector: Arc<str>,
    /// What else to know.
    pub note: Option<Arc<str>>,
    /// The exchange rate that the order was converted with, when it was.
    pub fx: Option<Arc<str>>,
    /// The pack, by digest.
    pub pack: Arc<str>,
}

impl Charge {
    /// The sentence for a person: which rule, what on what, and where the rate is from.
    #[must_use]
    pub fn why(&self) -> String {
        let mut s = String::with_capacity(96);
        let _ = write!(s, "{}: {}", self.rule_id, self.title);
        if let Some(rate) = self.rate {
            let _ = write!(s, "; {} % of {}", (rate * Decimal::ONE_HUNDRED).normalize(), self.base);
            if self.components.len() > 1 {
                let parts: Vec<String> = self
                    .components
                    .iter()
                    .filter(|(_, m)| !m.is_zero())
                    .map(|(p, m)| format!("{} {}", p.name().replace('_', " "), m.decimal()))
                    .collect();
                let _ = write!(s, " ({})", parts.join(" + "));
            }
        }
        match &self.rate_source {
            RateSource::Request => s.push_str("; rate given in the request"),
            RateSource::Tariff(row) => {
                let _ = write!(s, "; rate from {row}");
            }
            RateSource::Pack | RateSource::None => {}
        }
        if let Some(note) = &self.note {
            let _ = write!(s, "; {note}");
        }
        s
    }
}

impl Serialize for Charge {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        struct Text(Decimal);
        impl Serialize for Text {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }
        let components: BTreeMap<&str, String> =
            self.components.iter().map(|(p, m)| (p.name(), m.amount())).collect();
        let source = match &self.rate_source {
            RateSource::None => None,
            RateSource::Pack => Some("pack"),
            RateSource::Request => Some("request"),
            RateSource::Tariff(row) => Some(row.as_ref()),
        };
        let mut out = s.serialize_struct("Charge", 14)?;
        out.serialize_field("kind", &self.kind)?;
        out.serialize_field("layer", &self.layer)?;
        out.serialize_field("rule_id", &self.rule_id)?;
        out.serialize_field("formula", self.formula)?;
        out.serialize_field("base", &Text(self.base))?;
        out.serialize_field("components", &components)?;
        out.serialize_field("rate", &self.rate.map(Text))?;
        out.serialize_field("rate_source", &source)?;
        out.serialize_field("raw", &Text(self.raw.normalize()))?;
        out.serialize_field("amount", &Text(self.amount.decimal()))?;
        out.serialize_field("collector", &self.collector)?;
        out.serialize_field("fx", &self.fx)?;
        out.serialize_field("pack", &self.pack)?;
        out.serialize_field("why", &self.why())?;
        out.end()
    }
}

/// One line of the answer. An amount that is not known is `null`, never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Id of the request.
    pub id: String,
    /// Goods after discount, without tax.
    #[serde(serialize_with = "text")]
    pub goods: Money,
    /// Share of the freight.
    #[serde(serialize_with = "text")]
    pub freight: Money,
    /// Share of the insurance.
    #[serde(serialize_with = "text")]
    pub insurance: Money,
    /// Duty with all layers.
    #[serde(serialize_with = "maybe")]
    pub duty: Option<Money>,
    /// Excise.
    #[serde(serialize_with = "maybe")]
    pub excise: Option<Money>,
    /// Consumption tax.
    #[serde(serialize_with = "maybe")]
    pub consumption_tax: Option<Money>,
    /// VAT, GST, sales tax at import.
    #[serde(serialize_with = "maybe")]
    pub vat: Option<Money>,
    /// All of it.
    #[serde(serialize_with = "maybe")]
    pub landed: Option<Money>,
    /// Each charge.
    pub charges: Vec<Charge>,
}

/// Sums over the lines, and fees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Totals {
    #[serde(serialize_with = "text")]
    pub goods: Money,
    #[serde(serialize_with = "text")]
    pub freight: Money,
    #[serde(serialize_with = "text")]
    pub insurance: Money,
    #[serde(serialize_with = "maybe")]
    pub duty: Option<Money>,
    #[serde(serialize_with = "maybe")]
    pub excise: Option<Money>,
    #[serde(serialize_with = "maybe")]
    pub consumption_tax: Option<Money>,
    #[serde(serialize_with = "maybe")]
    pub vat: Option<Money>,
    /// duty + excise + consumption tax + vat.
    #[serde(serialize_with = "maybe")]
    pub taxes: Option<Money>,
    #[serde(serialize_with = "maybe")]
    pub fees: Option<Money>,
    /// goods + freight + insurance + taxes + fees.
    #[serde(serialize_with = "maybe")]
    pub landed: Option<Money>,
}

/// A fee per entry. With a clamp, the figure per line stays visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct FeeLine {
    pub kind: Arc<str>,
    #[serde(serialize_with = "text")]
    pub amount: Money,
    pub why: String,
    pub rule_id: Arc<str>,
    /// Unrounded share per line id, before the clamp.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<FeeShare>,
}

/// A line's share of a fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct FeeShare {
    pub id: String,
    pub raw: String,
}

/// A tax that was computed and is not collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Waived {
    pub kind: Arc<str>,
    #[serde(serialize_with = "text")]
    pub computed: Money,
    pub why: String,
}

/// What the threshold was measured on, and the customs value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Valuation {
    pub metric: &'static str,
    /// In the currency of the threshold.
    pub threshold_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_currency: Option<String>,
    #[serde(serialize_with = "text")]
    pub customs_value: Money,
}

/// Who collects the tax, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct TaxTreatment {
    pub collected_at_sale: bool,
    pub scheme: Option<Arc<str>>,
    pub collector: Option<Arc<str>>,
}

/// A rate that the quote used, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct FxUsed {
    pub id: String,
    pub from: String,
    pub to: String,
    pub rate: String,
}

/// Lower and upper end of what is not known; `high` is `null` when it has no known end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Range {
    #[serde(serialize_with = "text")]
    pub low: Money,
    #[serde(serialize_with = "maybe")]
    pub high: Option<Money>,
}

/// Bounds of an answer that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Bounds {
    pub taxes: Range,
    pub landed: Range,
}

/// A quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// How much is known.
    pub status: Status,
    /// What to find out, as paths of the request.
    pub missing: Vec<String>,
    /// What to know.
    pub flags: Vec<String>,
    /// When not complete.
    pub bounds: Option<Bounds>,
    /// Why there is no quote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Lines in the order of the request.
    pub lines: Vec<Line>,
    /// Sums.
    pub totals: Totals,
    /// Fees.
    pub fees: Vec<FeeLine>,
    /// Taxes not collected.
    pub waived: Vec<Waived>,
    /// A quote per parcel, when a split was given.
    pub parcels: Option<Vec<Quote>>,
    /// China: the buyer's year with this order, in CNY.
    #[serde(serialize_with = "maybe")]
    pub year_total_after: Option<Money>,
    /// Valuation.
    pub valuation: Option<Valuation>,
    /// Tax treatment.
    pub tax_treatment: TaxTreatment,
    /// Currency of every amount.
    pub currency: String,
    /// Exchange rates used.
    pub fx: Vec<FxUsed>,
    /// Pack versions used.
    pub packs: BTreeMap<String, String>,
    /// Tariff files that gave a rate, by jurisdiction: their checksums. The row stands in the charge.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tariffs: BTreeMap<String, Vec<String>>,
    /// As in the request.
    pub legal_event_at: String,
    /// Line ids of a parcel's quote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parcel: Option<Vec<String>>,
    /// The rule that decided.
    #[serde(skip)]
    pub rule: Option<Arc<str>>,
}
