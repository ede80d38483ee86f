//! Orders in. Amounts are `shopMoney` (the shop's currency); what the buyer paid in another currency is kept.

mod map;
mod wire;

use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::{Error, Facet, OpCx, OpSpec, Page, Priority, Safety, Window, WireResponse};
use tradewind_domain::{Currency, Order, OrderId, OrderLine, TaxId};

use self::map::{credential, line, partial};
use self::wire::{LocalizedField, WireLine, WireOrder};
use crate::config::Shop;
use crate::gql::{Connection, Each, data, gone};
pub(crate) use map::stands;
pub(crate) use wire::MoneyV2;

/// Plain lists (payments, fulfilments, taxes) have no `first`: it would cut them, and nothing would tell. Connections tell where to go on.
macro_rules! order_fields {
    () => {
        "id name createdAt updatedAt cancelledAt currencyCode taxesIncluded displayFinancialStatus displayFulfillmentStatus test email \
totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
totalRefundedSet { shopMoney { amount currencyCode } } \
totalShippingPriceSet { shopMoney { amount currencyCode } } \
shippingLine { taxLines { title channelLiable priceSet { shopMoney { amount currencyCode } } } } \
shippingAddress { firstName lastName company address1 address2 city provinceCode zip countryCodeV2 phone } \
localizedFields(first: 5) { pageInfo { hasNextPage endCursor } nodes { key countryCode value } } \
transactions { id kind status gateway processedAt paymentId amountSet { shopMoney { amount currencyCode } } } \
fulfillments { status totalQuantity displayStatus } \
lineItems(first: 50) { pageInfo { hasNextPage endCursor } nodes { id sku title quantity currentQuantity unfulfilledQuantity \
originalUnitPriceSet { shopMoney { amount currencyCode } } discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount currencyCode } } \
originalTotalSet { shopMoney { amount currencyCode } } taxLines { title channelLiable priceSet { shopMoney { amount currencyCode } } } } }"
    };
}

pub(crate) static SEARCH: OpSpec = OpSpec {
    name: "orders.search",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/orders",
};
/// Ten orders with fifty lines stay below the 1,000 points that one query may cost.
pub(crate) const SEARCH_TEXT: &str = concat!(
    "query Orders($c: String, $q: String!) { orders(first: 10, after: $c, sortKey: UPDATED_AT, query: $q) { pageInfo { hasNextPage endCursor } nodes { ",
    order_fields!(),
    " } } }"
);

pub(crate) static GET: OpSpec = OpSpec {
    name: "orders.get",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/order",
};
pub(crate) const GET_TEXT: &str =
    concat!("query Order($id: ID!) { order(id: $id) { ", order_fields!(), " } }");

pub(crate) static LINES: OpSpec = OpSpec {
    name: "orders.lines",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/order",
};
pub(crate) const LINES_TEXT: &str = "query Lines($id: ID!, $c: String) { order(id: $id) { cancelledAt test currencyCode taxesIncluded lineItems(first: 100, after: $c) { pageInfo { hasNextPage endCursor } \
nodes { id sku title quantity currentQuantity unfulfilledQuantity originalUnitPriceSet { shopMoney { amount currencyCode } } \
discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount currencyCode } } originalTotalSet { shopMoney { amount currencyCode } } \
taxLines { title channelLiable priceSet { shopMoney { amount currencyCode } } } } } } }";

pub(crate) static FIELDS: OpSpec = OpSpec { name: "orders.localized_fields", ..LINES };
/// The schema has fewer keys than this.
pub(crate) const FIELDS_TEXT: &str = "query Fields($id: ID!, $c: String) { order(id: $id) { localizedFields(first: 50, after: $c) { \
pageInfo { hasNextPage endCursor } nodes { key countryCode value } } } }";

/// One page of a window.
#[derive(Debug)]
pub(crate) struct SearchIn {
    pub(crate) window: Window,
    pub(crate) after: Option<String>,
}

/// An order whose lines and numbers of the buyer may go on.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) order: Order,
    pub(crate) more_lines: Option<String>,
    pub(crate) more_fields: Option<String>,
    /// Units that left, over all its lines.
    pub(crate) fulfilled: u32,
}

/// Units that were refunded without coming back are removed in Shopify's words, and left all the same: of a line it tells only what is
/// removed and what is to be fulfilled, of a fulfilment how many units it has. What of these no line shows as shipped is among
/// what was removed. Where several lines have something removed, each may be the one: what left must not be taken for back.
///
/// UNVERIFIED: that `currentQuantity` leaves out refunded units that were fulfilled (the schema says "excluding refunded and
/// removed units"), and that a fulfilment's `totalQuantity` stays as it was.
pub(crate) fn left_and_refunded(order: &mut Order, fulfilled: u32) {
    let shown: u32 = order.lines.iter().map(|l| l.shipped).fold(0, u32::saturating_add);
    let hidden = fulfilled.saturating_sub(shown);
    for line in &mut order.lines {
        let left = line.cancelled.min(hidden);
        line.cancelled -= left;
        line.shipped += left;
    }
}

pub(crate) fn search_variables(_: &Shop, _: &OpCx<'_>, input: &SearchIn) -> Result<Value, Error> {
    // Filtered by time alone: a status filter loses orders whose status moved on meanwhile.
    let query = format!("updated_at:>='{}' AND updated_at:<'{}'", input.window.from, input.window.to);
    Ok(json!({"c": input.after, "q": query}))
}

pub(crate) fn search(
    _: &Shop,
    cx: &OpCx<'_>,
    _: &SearchIn,
    response: &WireResponse,
) -> Result<Page<Result<Partial, Error>>, Error> {
    #[derive(Deserialize)]
    struct Data {
        orders: Each,
    }
    let orders = data::<Data>(response)?.orders;
    let next = orders.next().map(tradewind_connector::Cursor);
    let items = orders.nodes.read("order", "id", |o| partial(cx.account, o)).collect();
    Ok(Page { items, next })
}

pub(crate) fn get_variables(_: &Shop, _: &OpCx<'_>, id: &OrderId) -> Result<Value, Error> {
    Ok(json!({"id": id.as_str()}))
}

pub(crate) fn get(_: &Shop, cx: &OpCx<'_>, id: &OrderId, response: &WireResponse) -> Result<Partial, Error> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<WireOrder>,
    }
    let order = data::<Data>(response)?.order;
    let order = order.ok_or_else(|| gone("order", id.as_str()))?;
    partial(cx.account, order)
}

pub(crate) fn rest_variables(_: &Shop, _: &OpCx<'_>, input: &(OrderId, String)) -> Result<Value, Error> {
    Ok(json!({"id": input.0.as_str(), "c": input.1}))
}

/// More lines.
pub(crate) fn lines(
    _: &Shop,
    _: &OpCx<'_>,
    _: &(OrderId, String),
    response: &WireResponse,
) -> Result<Page<OrderLine>, Error> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<Order2>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Order2 {
        cancelled_at: Option<String>,
        test: bool,
        currency_code: String,
        taxes_included: bool,
        line_items: Connection<WireLine>,
    }
    let order = data::<Data>(response)?.order.ok_or_else(|| Error::decode("the order is gone"))?;
    let next = order.line_items.next().map(tradewind_connector::Cursor);
    let currency = Currency::new(&order.currency_code).map_err(Error::decode)?;
    let cancelled = order.cancelled_at.is_some() || order.test;
    let lines =
        order.line_items.nodes.into_iter().map(|l| line(l, currency, order.taxes_included, cancelled));
    Ok(Page { items: lines.collect::<Result<_, _>>()?, next })
}

/// More numbers of the buyer.
pub(crate) fn fields(
    _: &Shop,
    _: &OpCx<'_>,
    _: &(OrderId, String),
    response: &WireResponse,
) -> Result<Page<TaxId>, Error> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<Order2>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Order2 {
        localized_fields: Connection<LocalizedField>,
    }
    let order = data::<Data>(response)?.order.ok_or_else(|| Error::decode("the order is gone"))?;
    let next = order.localized_fields.next().map(tradewind_connector::Cursor);
    Ok(Page { items: order.localized_fields.nodes.into_iter().filter_map(credential).collect(), next })
}
