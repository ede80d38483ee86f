//! The catalogue: products, their variants, their words in several languages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Country, Dimensions, Exact, Grams, Gtin, HsCode, Money, ProductId, Sku};

/// A language tag of BCP 47 in its short form: `en`, `de`, `zh-CN`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Locale(pub String);

/// Words about a product in one language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// Title.
    pub title: String,
    /// Description; plain text or the channel's HTML subset.
    #[serde(default)]
    pub description: String,
    /// Selling points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bullets: Vec<String>,
}

/// Where a row of the catalogue came from, so that a message can point at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// File as the user named it.
    pub file: String,
    /// Line or row, counted from 1.
    pub row: u64,
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.row)
    }
}

/// A product groups variants that differ in size, colour and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Key.
    pub id: ProductId,
    /// Brand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Category in the seller's own words or the source's taxonomy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Words per language. Never empty in a checked catalogue.
    pub content: BTreeMap<Locale, Content>,
    /// Variants; at least one.
    pub variants: Vec<Variant>,
}

/// What is actually sold: one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Key in every channel.
    pub sku: Sku,
    /// Global trade item number, when the article has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtin: Option<Gtin>,
    /// Base price the seller asks, before channel rules.
    pub price: Money,
    /// Purchase cost per unit, any currency; needed by the margin floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Exact>,
    /// Units in stock when the file was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Commodity code; required to cross a border.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hs: Option<HsCode>,
    /// Country of origin; required to cross a border.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Country>,
    /// Weight of one unit, packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Grams>,
    /// Dimensions of one unit, packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Dimensions>,
    /// Image addresses, the main one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Options and attributes: `colour` → `blue`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Row of the source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Provenance>,
    /// What the import found wrong without refusing the row (an invalid GTIN). A variant with problems is held
    /// back from channels until its source is mended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl Product {
    /// The words in the wanted language, else in the same language without region, else in English, else in
    /// the first language there is.
    #[must_use]
    pub fn words(&self, locale: &Locale) -> Option<&Content> {
        let short = Locale(locale.0.split('-').next().unwrap_or_default().to_owned());
        self.content
            .get(locale)
            .or_else(|| self.content.get(&short))
            .or_else(|| self.content.get(&Locale("en".to_owned())))
            .or_else(|| self.content.values().next())
    }
}
