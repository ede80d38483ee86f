//! Listings Items API 2021-08-01.

use serde::{Deserialize, Serialize};
use tradewind_connector::{Num, Records};

/// Body of PUT.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Put {
    pub(crate) product_type: String,
    pub(crate) requirements: &'static str,
    pub(crate) attributes: serde_json::Map<String, serde_json::Value>,
}

/// Body of PATCH. `patches` and each `value` must be arrays of objects, or Amazon answers a bare InvalidInput.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Patch {
    pub(crate) product_type: &'static str,
    pub(crate) patches: Vec<PatchOp>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PatchOp {
    pub(crate) op: &'static str,
    pub(crate) path: &'static str,
    pub(crate) value: Vec<serde_json::Value>,
}

/// Answer to PUT, PATCH, DELETE. A `status` of INVALID in a 200 is a failure.
#[derive(Debug, Deserialize)]
pub(crate) struct Submission {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) issues: Vec<Issue>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Issue {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) severity: String,
    #[serde(default)]
    pub(crate) attribute_names: Vec<String>,
}

/// One listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) sku: String,
    #[serde(default)]
    pub(crate) summaries: Vec<Summary>,
    #[serde(default)]
    pub(crate) issues: Vec<Issue>,
    #[serde(default)]
    pub(crate) offers: Vec<ItemOffer>,
    #[serde(default)]
    pub(crate) fulfillment_availability: Vec<Availability>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    pub(crate) marketplace_id: String,
    #[serde(default)]
    pub(crate) asin: Option<String>,
    #[serde(default)]
    pub(crate) status: Vec<String>,
    #[serde(default)]
    pub(crate) item_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemOffer {
    pub(crate) marketplace_id: String,
    pub(crate) offer_type: String,
    pub(crate) price: ItemMoney,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemMoney {
    pub(crate) currency_code: String,
    pub(crate) amount: Num,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Availability {
    pub(crate) fulfillment_channel_code: String,
    #[serde(default)]
    pub(crate) quantity: Option<u32>,
}

/// A page of the enumeration.
#[derive(Debug, Deserialize)]
pub(crate) struct Items {
    /// Of all pages, also of those that cannot be had.
    #[serde(rename = "numberOfResults")]
    pub(crate) number_of_results: u64,
    #[serde(default)]
    pub(crate) items: Records,
    #[serde(default)]
    pub(crate) pagination: Option<Pagination>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    #[serde(default)]
    pub(crate) next_token: Option<String>,
}
