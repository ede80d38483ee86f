//! Inventory API v1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tradewind_connector::{Num, Records};

use super::{Amount, NewAmount, Problem};

/// Body of a bulk call.
#[derive(Debug, Serialize)]
pub(crate) struct Requests<'a, T> {
    pub(crate) requests: &'a [T],
}

/// Answer of a bulk call that was made for one item.
#[derive(Debug, Deserialize)]
pub(crate) struct Responses {
    #[serde(default = "Vec::new")]
    pub(crate) responses: Vec<Answer>,
}

/// The same of one for several: one answer that is odd keeps back no other.
#[derive(Debug, Deserialize)]
pub(crate) struct EachResponse {
    #[serde(default)]
    pub(crate) responses: Records,
}

/// One item's answer; which fields there are depends on the call.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) status_code: Option<u16>,
    #[serde(default)]
    pub(crate) sku: Option<String>,
    #[serde(default)]
    pub(crate) offer_id: Option<String>,
    #[serde(default)]
    pub(crate) listing_id: Option<String>,
    #[serde(default)]
    pub(crate) inventory_item: Option<ReadItem>,
    #[serde(default)]
    pub(crate) errors: Option<Vec<Problem>>,
    #[serde(default)]
    pub(crate) warnings: Option<Vec<Problem>>,
}

impl Answer {
    /// Of an item that went through.
    pub(crate) fn is_fine(&self) -> bool {
        self.status_code.is_some_and(|s| (200..300).contains(&s))
    }

    pub(crate) fn remarks(&self) -> Vec<String> {
        self.warnings.iter().flatten().map(|w| format!("{}: {}", w.error_id, w.message)).collect()
    }
}

/// `InventoryItem`. A replacement is whole: what is left out is cleared, the quantity too.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) availability: Availability,
    pub(crate) condition: &'static str,
    pub(crate) product: Product,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) package_weight_and_size: Option<Package>,
}

/// `InventoryItemWithSkuLocale`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewItem {
    pub(crate) sku: String,
    pub(crate) locale: String,
    #[serde(flatten)]
    pub(crate) item: Item,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Availability {
    pub(crate) ship_to_location_availability: Quantity,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Quantity {
    pub(crate) quantity: u32,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    pub(crate) title: String,
    pub(crate) description: String,
    /// Name → values; the published schema says `string` and is wrong.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) aspects: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) brand: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ean: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) upc: Vec<String>,
    pub(crate) image_urls: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Package {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dimensions: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<Weight>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Size {
    pub(crate) length: Num,
    pub(crate) width: Num,
    pub(crate) height: Num,
    pub(crate) unit: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Weight {
    pub(crate) value: u64,
    pub(crate) unit: &'static str,
}

/// `EbayOfferDetailsWithKeys`; without the key it is `EbayOfferDetailsWithId`, the body of an update.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewOffer {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<OfferKey>,
    pub(crate) category_id: String,
    pub(crate) include_catalog_product_details: bool,
    pub(crate) listing_description: String,
    pub(crate) listing_duration: &'static str,
    pub(crate) listing_policies: Policies,
    pub(crate) merchant_location_key: String,
    pub(crate) pricing_summary: Pricing,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferKey {
    pub(crate) sku: String,
    pub(crate) marketplace_id: &'static str,
    pub(crate) format: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policies {
    pub(crate) fulfillment_policy_id: String,
    pub(crate) payment_policy_id: String,
    pub(crate) return_policy_id: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pricing {
    pub(crate) price: NewAmount,
}

/// `OfferKeyWithId`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferId {
    pub(crate) offer_id: String,
}

/// `PriceQuantity`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceQuantity<'a> {
    pub(crate) sku: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ship_to_location_availability: Option<Quantity>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) offers: Vec<OfferPrice<'a>>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferPrice<'a> {
    pub(crate) offer_id: &'a str,
    pub(crate) price: NewAmount,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sku<'a> {
    pub(crate) sku: &'a str,
}

/// `Offers`.
#[derive(Debug, Deserialize)]
pub(crate) struct Offers {
    #[serde(default = "Vec::new")]
    pub(crate) offers: Vec<ReadOffer>,
}

/// `EbayOfferDetailsWithAll`, what we read of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadOffer {
    pub(crate) offer_id: String,
    #[serde(default)]
    pub(crate) marketplace_id: String,
    #[serde(default)]
    pub(crate) format: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) available_quantity: Option<u32>,
    #[serde(default)]
    pub(crate) pricing_summary: Option<ReadPricing>,
    #[serde(default)]
    pub(crate) listing: Option<ReadListing>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReadPricing {
    #[serde(default)]
    pub(crate) price: Option<Amount>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadListing {
    #[serde(default)]
    pub(crate) listing_id: Option<String>,
    #[serde(default)]
    pub(crate) listing_status: Option<String>,
    #[serde(default)]
    pub(crate) listing_on_hold: bool,
}

/// `InventoryItems`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Items {
    #[serde(default)]
    pub(crate) inventory_items: Records,
    #[serde(default)]
    pub(crate) next: Option<String>,
    #[serde(default)]
    pub(crate) total: Option<u32>,
}

/// An item, what we read of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReadItem {
    #[serde(default)]
    pub(crate) sku: Option<String>,
    #[serde(default)]
    pub(crate) availability: Option<ReadAvailability>,
    #[serde(default)]
    pub(crate) product: Option<ReadProduct>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadAvailability {
    #[serde(default)]
    pub(crate) ship_to_location_availability: Option<ReadQuantity>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReadQuantity {
    #[serde(default)]
    pub(crate) quantity: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReadProduct {
    #[serde(default)]
    pub(crate) title: Option<String>,
}

impl ReadItem {
    pub(crate) fn quantity(&self) -> Option<u32> {
        self.availability.as_ref()?.ship_to_location_availability.as_ref()?.quantity
    }

    pub(crate) fn title(&self) -> Option<String> {
        self.product.as_ref()?.title.clone()
    }
}
