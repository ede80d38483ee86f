//! The catalogue: products, their variants, their words in several languages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Country, Dimensions, Exact, Grams, Gtin, HsCode, Money, ProductId, Sku};

/// A language tag of BCP 47 in its short form: `en`, `de`, `zh-CN`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Locale(pub String);

impl Locale {
    /// A tag in the case that BCP 47 gives it (RFC 5646, section 2.1.1), by the shortest code of its language: `zh-cn` and
    /// `ZH_CN` are `zh-CN`, `deu` is `de`. `None` for what is no tag.
    #[must_use]
    pub fn parse(text: &str) -> Option<Locale> {
        let mut tag = String::with_capacity(text.len());
        let mut in_extension = false;
        for (n, part) in text.split(['-', '_']).enumerate() {
            let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
            if part.is_empty() || part.len() > 8 || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return None;
            }
            let part = part.to_ascii_lowercase();
            let part = match (n, part.len()) {
                (0, 2..=8) if letters => crate::two_letter_language(&part).map_or(part, str::to_owned),
                (0, _) => return None,
                (_, 2) if !in_extension => part.to_ascii_uppercase(),
                (_, 4) if !in_extension && letters => {
                    let (first, rest) = part.split_at(1);
                    first.to_ascii_uppercase() + rest
                }
                _ => part,
            };
            in_extension |= n > 0 && part.len() == 1;
            if n > 0 {
                tag.push('-');
            }
            tag.push_str(&part);
        }
        Some(Locale(tag))
    }
}

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
    /// Words of its own, in all languages there are for it; empty where the product's are said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub content: BTreeMap<Locale, Content>,
    /// Row of the source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Provenance>,
    /// What the import found wrong without refusing the row (an invalid GTIN). A variant with problems is held
    /// back from channels until its source is mended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl Product {
    /// The product's words in the wanted language, else in the same language without region, else in English, else in
    /// the first language there is. For a listing that shows all variants under one title.
    #[must_use]
    pub fn words(&self, locale: &Locale) -> Option<&Content> {
        best(&self.content, locale)
    }

    /// The words of one variant: its own, where its rows say others than the product's. The two are never mixed: words of
    /// the product in a better language may be another variant's ("…, schwarz").
    #[must_use]
    pub fn words_of<'a>(&'a self, variant: &'a Variant, locale: &Locale) -> Option<&'a Content> {
        best(if variant.content.is_empty() { &self.content } else { &variant.content }, locale)
    }
}

fn best<'a>(content: &'a BTreeMap<Locale, Content>, locale: &Locale) -> Option<&'a Content> {
    let short = Locale(locale.0.split('-').next().unwrap_or_default().to_owned());
    content
        .get(locale)
        .or_else(|| content.get(&short))
        .or_else(|| content.get(&Locale("en".to_owned())))
        .or_else(|| content.values().next())
}
