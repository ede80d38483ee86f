//! Stock: compare-and-set with an idempotency key.

use serde_json::{Value, json};
use tradewind_connector::signing::uuid8;
use tradewind_connector::{Error, Facet, OpCx, OpSpec, Priority, Safety};

use crate::config::Shop;

pub(crate) static SET_STOCK: OpSpec = OpSpec {
    name: "stock.set",
    facet: Facet::Stock,
    // How long a key is remembered is not documented; a day is what other APIs of the vendor promise (UNVERIFIED).
    // Beyond it, the compare value refuses a repetition.
    safety: Safety::Keyed { ttl: std::time::Duration::from_secs(24 * 3600) },
    priority: Priority::Stock,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/inventorySetQuantities",
};
pub(crate) const SET_STOCK_TEXT: &str = "mutation Stock($in: InventorySetQuantitiesInput!, $k: String!) { inventorySetQuantities(input: $in) @idempotent(key: $k) { \
inventoryAdjustmentGroup { id reason } userErrors { field message code } } }";

/// One quantity to set: the inventory item, the new value, and what we believe is there now.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) item: String,
    pub(crate) quantity: u32,
    /// The compare value; `None` sets without comparing.
    pub(crate) from: Option<i64>,
}

pub(crate) fn variables(shop: &Shop, cx: &OpCx<'_>, input: &[Level]) -> Result<Value, Error> {
    let quantities: Vec<Value> = input
        .iter()
        // The key must be there even when nothing is compared: an explicit null skips the check.
        .map(|l| json!({"inventoryItemId": l.item, "locationId": shop.location, "quantity": l.quantity, "changeFromQuantity": l.from}))
        .collect();
    // A key may only ever come with the same parameters. After a lost answer a later process reads another compare
    // value and therefore needs another key; the compare value keeps that safe.
    let quantities = Value::from(quantities);
    let key = uuid8(&format!("{} {quantities}", cx.key));
    Ok(json!({
        "in": {"name": "available", "reason": "correction", "referenceDocumentUri": "tradewind://stock", "quantities": quantities},
        "k": key,
    }))
}
