//! The question: what `tradewind quote --request` reads. Amounts and rates are decimal strings (a JSON number is
//! read from its text, never through a float).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tradewind_domain::parse_decimal;

use crate::fields;

/// A decimal from a JSON string or number, by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Num(pub Decimal);

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        let text = raw.trim_matches('"');
        if text.eq_ignore_ascii_case("free") {
            return Ok(Num(Decimal::ZERO));
        }
        parse_decimal(text).map(Num).map_err(serde::de::Error::custom)
    }
}

/// An answer to a question of fact: yes, no, or a text (a list, a rate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// `false`, `"no"` or `"none"`.
    No,
    /// `true` or `"yes"`.
    Yes,
    /// Anything else, as text.
    Text(String),
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get().trim_matches('"');
        Ok(match raw.to_ascii_lowercase().as_str() {
            "false" | "no" | "none" | "n" => Fact::No,
            "true" | "yes" | "y" => Fact::Yes,
            _ => Fact::Text(raw.to_owned()),
        })
    }
}

/// Where to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Province, state or part (`ON`, `NI`).
    pub region: Option<String>,
}

/// An exchange rate: an amount in `from` times `rate` is the amount in `to`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fx {
    /// ISO 4217.
    pub from: String,
    /// ISO 4217.
    pub to: String,
    /// Multiplier.
    pub rate: Num,
}

/// What is known of the buyer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Buyer {
    /// China: dutiable value bought this year before this order.
    pub year_total_before: Option<Num>,
    /// For own use.
    pub personal_use: Option<bool>,
    /// VAT number of a business buyer.
    pub vat_number: Option<String>,
}

/// What is known of the seller.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seller {
    /// Registered for the destination's tax at sale.
    pub registered: Option<bool>,
}

/// Rates for the whole order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderRates {
    /// VAT, GST, ...
    pub vat: Option<Num>,
    /// Duty.
    pub duty: Option<Num>,
}

/// Rates for one line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineRates {
    /// Duty, ad valorem.
    pub duty: Option<Num>,
    /// VAT.
    pub vat: Option<Num>,
    /// China's consumption tax.
    pub consumption_tax: Option<Num>,
    /// China's postal class: the rate (`0.20`), the percentage (`20`) or the class (`1`, `2`, `3`).
    pub postal_class: Option<Num>,
}

/// Facts of a line that rules ask about.
pub type Facts = BTreeMap<String, Option<Fact>>;

/// One line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineRequest {
    /// Id, unique in the order.
    pub id: String,
    /// Price of one.
    pub unit_price: Num,
    /// How many.
    #[serde(default = "one", deserialize_with = "or_one")]
    pub quantity: Num,
    /// Taken off the line.
    pub discount: Option<Num>,
    /// Commodity code.
    pub hs: Option<String>,
    /// Country of origin.
    pub origin: Option<String>,
    /// Rates that override the tariff.
    #[serde(default, deserialize_with = "nullable")]
    pub rates: LineRates,
    /// `section_301_list`, `ad_cvd`, `indivisible`, `in_transit_exception`, `section_232`, `usmca`, ...
    #[serde(default, deserialize_with = "nullable")]
    pub facts: Facts,
}

fn one() -> Num {
    Num(Decimal::ONE)
}

fn or_one<'de, D: Deserializer<'de>>(d: D) -> Result<Num, D::Error> {
    Ok(Option::<Num>::deserialize(d)?.unwrap_or_else(one))
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// A request for a quote.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Where to.
    pub destination: Destination,
    /// Country the parcel is sent from.
    pub ship_from: Option<String>,
    /// The instant whose law applies.
    pub legal_event_at: String,
    /// `import_b2c` when absent.
    pub flow: Option<String>,
    /// Customs channel.
    pub channel: Option<String>,
    /// Tax scheme.
    pub scheme: Option<String>,
    /// Its number.
    pub scheme_id: Option<String>,
    /// `marketplace`, or anything else for the seller's own shop.
    pub sold_via: Option<String>,
    /// The destination's own entry type.
    pub entry_type: Option<String>,
    /// How it travels.
    pub mode_of_transport: Option<String>,
    /// Delivery term.
    pub incoterm: Option<String>,
    /// Currency of prices, freight and insurance.
    pub currency: String,
    /// Currency of the answer; the destination's when absent.
    pub quote_currency: Option<String>,
    /// Exchange rates.
    #[serde(default, deserialize_with = "nullable")]
    pub fx: Vec<Fx>,
    /// Unit prices contain VAT.
    #[serde(default, deserialize_with = "nullable")]
    pub prices_include_tax: bool,
    /// Freight of the order.
    pub freight: Option<Num>,
    /// Insurance of the order.
    pub insurance: Option<Num>,
    /// The buyer.
    #[serde(default, deserialize_with = "nullable")]
    pub buyer: Buyer,
    /// The seller.
    #[serde(default, deserialize_with = "nullable")]
    pub seller: Seller,
    /// Rates for the whole order.
    #[serde(default, deserialize_with = "nullable")]
    pub rates: OrderRates,
    /// Pack versions to use instead of the current ones.
    pub pack_versions: Option<BTreeMap<String, String>>,
    /// A split into parcels, by line ids.
    pub parcels: Option<Vec<Vec<String>>>,
    /// The lines.
    pub lines: Vec<LineRequest>,
}

/// The text is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// Line of the text, from 1.
    pub line: usize,
    /// The field, what is wrong with it, and what to write instead.
    pub message: String,
}

impl Request {
    /// One request from its JSON text.
    ///
    /// # Errors
    /// The text is no such request: the message names the field, and for one that no request has the nearest that is.
    pub fn parse(json: &str) -> Result<Request, RequestError> {
        serde_json::from_str(json).map_err(|e| {
            // Read again without types only when something is wrong: the path is worth more than the column.
            let unknown = match serde_json::from_str::<serde_json::Value>(json) {
                Ok(value) if e.is_data() && e.to_string().starts_with("unknown field") => {
                    fields::unknown(&value)
                }
                _ => None,
            };
            RequestError { line: e.line().max(1), message: unknown.unwrap_or_else(|| e.to_string()) }
        })
    }
}
