//! Orders API 2026-01-01 (read) and v0 (confirm).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_connector::{Num, Records};

use super::listings::Pagination;

/// Each order is read by itself: one that is odd keeps back no other.
#[derive(Debug, Deserialize)]
pub(crate) struct Orders {
    #[serde(default)]
    pub(crate) orders: Records,
    #[serde(default)]
    pub(crate) pagination: Option<Pagination>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneOrder {
    pub(crate) order: Order,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) order_id: String,
    pub(crate) created_time: Timestamp,
    pub(crate) last_updated_time: Timestamp,
    #[serde(default)]
    pub(crate) buyer: Option<Buyer>,
    #[serde(default)]
    pub(crate) recipient: Option<Recipient>,
    #[serde(default)]
    pub(crate) proceeds: Option<Proceeds>,
    #[serde(default)]
    pub(crate) fulfillment: Option<Fulfillment>,
    #[serde(default)]
    pub(crate) order_items: Vec<Item>,
    #[serde(default)]
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Buyer {
    #[serde(default)]
    pub(crate) buyer_name: Option<String>,
    #[serde(default)]
    pub(crate) buyer_email: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recipient {
    #[serde(default)]
    pub(crate) delivery_address: Option<DeliveryAddress>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryAddress {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) company_name: Option<String>,
    #[serde(default)]
    pub(crate) address_line1: Option<String>,
    #[serde(default)]
    pub(crate) address_line2: Option<String>,
    #[serde(default)]
    pub(crate) address_line3: Option<String>,
    #[serde(default)]
    pub(crate) city: Option<String>,
    #[serde(default)]
    pub(crate) state_or_region: Option<String>,
    #[serde(default)]
    pub(crate) postal_code: Option<String>,
    #[serde(default)]
    pub(crate) country_code: Option<String>,
    #[serde(default)]
    pub(crate) phone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proceeds {
    #[serde(default)]
    pub(crate) grand_total: Option<Money>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Money {
    pub(crate) amount: Num,
    pub(crate) currency_code: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fulfillment {
    #[serde(default)]
    pub(crate) fulfillment_status: Option<String>,
    #[serde(default)]
    pub(crate) fulfilled_by: Option<String>,
    #[serde(default)]
    pub(crate) ship_by_window: Option<TimeWindow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimeWindow {
    #[serde(default)]
    pub(crate) latest_date_time: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Package {
    #[serde(default)]
    pub(crate) package_status: Option<PackageStatus>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PackageStatus {
    #[serde(default)]
    pub(crate) status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) order_item_id: String,
    pub(crate) quantity_ordered: u32,
    pub(crate) product: Product,
    #[serde(default)]
    pub(crate) proceeds: Option<ItemProceeds>,
    #[serde(default)]
    pub(crate) fulfillment: Option<ItemFulfillment>,
    #[serde(default)]
    pub(crate) cancellation: Option<Cancellation>,
    #[serde(default)]
    pub(crate) tax: Option<ItemTax>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) seller_sku: Option<String>,
    #[serde(default)]
    pub(crate) price: Option<ProductPrice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductPrice {
    #[serde(default)]
    pub(crate) unit_price: Option<Money>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemProceeds {
    #[serde(default)]
    pub(crate) breakdowns: Vec<Breakdown>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Breakdown {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) subtotal: Money,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemFulfillment {
    #[serde(default)]
    pub(crate) quantity_fulfilled: u32,
    #[serde(default)]
    pub(crate) shipping: Option<ItemShipping>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemShipping {
    #[serde(default)]
    pub(crate) international_shipping: Option<InternationalShipping>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InternationalShipping {
    #[serde(default)]
    pub(crate) ioss_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cancellation {
    #[serde(default)]
    pub(crate) cancellation_request: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(crate) cancellation_execution: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemTax {
    #[serde(default)]
    pub(crate) tax_collections: Vec<TaxCollection>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TaxCollection {
    #[serde(default)]
    pub(crate) model: Option<String>,
}

/// Body of v0 shipmentConfirmation. Optional texts are omitted: null fails the schema.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Confirmation<'a> {
    pub(crate) marketplace_id: &'a str,
    pub(crate) package_detail: PackageDetail<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageDetail<'a> {
    pub(crate) package_reference_id: String,
    pub(crate) carrier_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) carrier_name: Option<&'a str>,
    pub(crate) tracking_number: &'a str,
    pub(crate) ship_date: String,
    pub(crate) order_items: Vec<ConfirmedItem<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfirmedItem<'a> {
    pub(crate) order_item_id: &'a str,
    pub(crate) quantity: u32,
}
