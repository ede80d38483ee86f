//! Order actions: ship, cancel, refund.

use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::signing::uuid8;
use tradewind_connector::{Error, Facet, OpCx, OpSpec, Priority, Safety, WireResponse};
use tradewind_domain::{CancelReason, Money, OrderId, RefundRequest, ShipmentNotice};

use crate::config::Shop;
use crate::gql::{Connection, data, gone};
use crate::orders::stands;

// ---- what can be shipped and refunded ------------------------------------------------------------

pub(crate) static OPEN: OpSpec = LIKE;
const LIKE: OpSpec = OpSpec {
    name: "orders.open",
    facet: Facet::Ship,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/objects/FulfillmentOrder",
};
/// Plain lists have no `first`: it would cut them, and nothing would tell.
pub(crate) const OPEN_TEXT: &str = "query FO($id: ID!, $c: String) { order(id: $id) { id cancelledAt \
fulfillments { id status trackingInfo { number } } transactions { id kind status gateway } \
fulfillmentOrders(first: 10, after: $c) { pageInfo { hasNextPage endCursor } nodes { id status \
lineItems(first: 100) { pageInfo { hasNextPage endCursor } nodes { id remainingQuantity lineItem { id } } } } } } }";

/// Further lines of a fulfilment order.
pub(crate) static OPEN_LINES: OpSpec = OpSpec { name: "orders.open_lines", ..LIKE };
pub(crate) const OPEN_LINES_TEXT: &str = "query FOLines($id: ID!, $c: String) { fulfillmentOrder(id: $id) { id \
lineItems(first: 250, after: $c) { pageInfo { hasNextPage endCursor } nodes { id remainingQuantity lineItem { id } } } } }";

/// The order as far as actions need it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Open {
    pub(crate) cancelled_at: Option<String>,
    #[serde(default)]
    pub(crate) fulfillments: Vec<Done>,
    #[serde(default)]
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) fulfillment_orders: Connection<FulfillmentOrder>,
}
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) tracking_info: Vec<Tracking>,
}
#[derive(Debug, Deserialize)]
pub(crate) struct Tracking {
    pub(crate) number: Option<String>,
}
#[derive(Debug, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) gateway: Option<String>,
}
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FulfillmentOrder {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) line_items: Connection<FulfillmentLine>,
}
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FulfillmentLine {
    pub(crate) id: String,
    pub(crate) remaining_quantity: u32,
    pub(crate) line_item: Ref,
}
#[derive(Debug, Deserialize)]
pub(crate) struct Ref {
    pub(crate) id: String,
}

impl FulfillmentOrder {
    /// Units of it can be fulfilled.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "OPEN" | "IN_PROGRESS" | "SCHEDULED")
    }
}

impl Open {
    /// The order was already fulfilled with this tracking number.
    pub(crate) fn has_tracking(&self, number: &str) -> bool {
        self.fulfillments
            .iter()
            .filter(|f| stands(&f.status))
            .any(|f| f.tracking_info.iter().any(|t| t.number.as_deref() == Some(number)))
    }
}

/// A page of what hangs on an order or a fulfilment order.
#[derive(Debug)]
pub(crate) struct PageOf {
    pub(crate) id: String,
    pub(crate) after: Option<String>,
}

pub(crate) fn open_variables(_: &Shop, _: &OpCx<'_>, input: &PageOf) -> Result<Value, Error> {
    Ok(json!({"id": input.id, "c": input.after}))
}

pub(crate) fn open(_: &Shop, _: &OpCx<'_>, input: &PageOf, response: &WireResponse) -> Result<Open, Error> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<Open>,
    }
    data::<Data>(response)?.order.ok_or_else(|| gone("order", &input.id))
}

pub(crate) fn open_lines(
    _: &Shop,
    _: &OpCx<'_>,
    input: &PageOf,
    response: &WireResponse,
) -> Result<Connection<FulfillmentLine>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        fulfillment_order: Option<Lines>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Lines {
        line_items: Connection<FulfillmentLine>,
    }
    let order = data::<Data>(response)?.fulfillment_order;
    order.map(|o| o.line_items).ok_or_else(|| gone("fulfilment order", &input.id))
}

// ---- ship ----------------------------------------------------------------------------------------

pub(crate) static SHIP: OpSpec = OpSpec {
    name: "orders.ship",
    facet: Facet::Ship,
    // Twice ships twice (or fails when nothing is left); the tracking number can be looked up.
    safety: Safety::ReadBack,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/fulfillmentCreate",
};
pub(crate) const SHIP_TEXT: &str = "mutation Ship($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) { fulfillment { id status trackingInfo { number company } } userErrors { field message } } }";

/// A notice with the fulfilment-order lines that it covers: (fulfilment order, [(line, units)]).
#[derive(Debug)]
pub(crate) struct ShipIn<'a> {
    pub(crate) notice: &'a ShipmentNotice,
    pub(crate) lines: Vec<(String, Vec<(String, u32)>)>,
}

/// Spreads the units of a notice over the open fulfilment orders.
pub(crate) fn spread<'a>(open: &Open, notice: &'a ShipmentNotice) -> Result<ShipIn<'a>, Error> {
    let mut left: Vec<(&str, u32)> = notice.lines.iter().map(|l| (l.line.as_str(), l.quantity)).collect();
    let mut lines = Vec::new();
    for fo in open.fulfillment_orders.nodes.iter().filter(|f| f.is_open()) {
        let mut taken = Vec::new();
        for line in &fo.line_items.nodes {
            let Some(want) = left.iter_mut().find(|(id, q)| *id == line.line_item.id && *q > 0) else {
                continue;
            };
            let units = want.1.min(line.remaining_quantity);
            if units > 0 {
                want.1 -= units;
                taken.push((line.id.clone(), units));
            }
        }
        if !taken.is_empty() {
            lines.push((fo.id.clone(), taken));
        }
    }
    match left.iter().find(|(_, q)| *q > 0) {
        None if !lines.is_empty() => Ok(ShipIn { notice, lines }),
        Some((id, q)) => Err(Error::new(
            tradewind_connector::Kind::Conflict,
            format!("{q} unit(s) of line {id} are not open for fulfilment in Shopify: read the order again"),
        )),
        None => Err(Error::invalid("the notice names no units")),
    }
}

/// Shopify's name of a carrier; it makes the tracking link from it.
fn company(carrier: &str) -> &str {
    match carrier {
        "dhl-express" => "DHL Express",
        "dhl-parcel" => "DHL",
        "royal-mail" => "Royal Mail",
        "sf-express" => "SF Express",
        "yunexpress" => "YunExpress",
        "yanwen" => "Yanwen",
        "4px" => "4PX",
        "ups" => "UPS",
        "usps" => "USPS",
        "fedex" => "FedEx",
        other => other,
    }
}

pub(crate) fn ship_variables(_: &Shop, _: &OpCx<'_>, input: &ShipIn<'_>) -> Result<Value, Error> {
    let orders: Vec<Value> = input
        .lines
        .iter()
        .map(|(fo, lines)| {
            let lines: Vec<Value> = lines.iter().map(|(id, q)| json!({"id": id, "quantity": q})).collect();
            json!({"fulfillmentOrderId": fo, "fulfillmentOrderLineItems": lines})
        })
        .collect();
    Ok(json!({"f": {"lineItemsByFulfillmentOrder": orders, "notifyCustomer": true,
        "trackingInfo": {"company": company(&input.notice.carrier), "number": input.notice.waybill.as_str()}}}))
}

// ---- cancel --------------------------------------------------------------------------------------

pub(crate) static CANCEL: OpSpec = OpSpec {
    name: "orders.cancel",
    facet: Facet::Cancel,
    // An order is cancelled or it is not; a second request is refused as already done.
    safety: Safety::Natural,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/orderCancel",
};
pub(crate) const CANCEL_TEXT: &str = "mutation Cancel($o: ID!, $r: OrderCancelReason!, $m: OrderCancelRefundMethodInput!) { orderCancel(orderId: $o, reason: $r, restock: true, refundMethod: $m, notifyCustomer: true) { \
job { id done } orderCancelUserErrors { field message code } } }";

pub(crate) fn cancel_variables(
    _: &Shop,
    _: &OpCx<'_>,
    input: &(OrderId, CancelReason),
) -> Result<Value, Error> {
    let reason = match input.1 {
        CancelReason::OutOfStock => "INVENTORY",
        CancelReason::BuyerRequest => "CUSTOMER",
        CancelReason::Undeliverable | CancelReason::PricingError | CancelReason::Restricted => "OTHER",
    };
    Ok(json!({"o": input.0.as_str(), "r": reason, "m": {"originalPaymentMethodsRefund": true}}))
}

// ---- refund --------------------------------------------------------------------------------------

pub(crate) static REFUND: OpSpec = OpSpec {
    name: "orders.refund",
    facet: Facet::Refund,
    safety: Safety::Keyed { ttl: std::time::Duration::from_secs(24 * 3600) },
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/refundCreate",
};
pub(crate) const REFUND_TEXT: &str = "mutation Refund($in: RefundInput!, $k: String!) { refundCreate(input: $in) @idempotent(key: $k) { \
refund { id totalRefundedSet { shopMoney { amount currencyCode } } } userErrors { field message } } }";

/// A refund and the payment it goes back to: (transaction id, gateway).
#[derive(Debug)]
pub(crate) struct RefundIn<'a> {
    pub(crate) refund: &'a RefundRequest,
    pub(crate) parent: (String, String),
}

/// The captured payment of the order, or the one the request names.
pub(crate) fn parent(open: &Open, refund: &RefundRequest) -> Result<(String, String), Error> {
    let wanted = refund.transaction.as_ref().map(tradewind_domain::TransactionId::as_str);
    let mut paid = open
        .transactions
        .iter()
        .filter(|t| matches!(t.kind.as_str(), "SALE" | "CAPTURE") && t.status == "SUCCESS");
    let found = match wanted.filter(|w| w.starts_with("gid://shopify/OrderTransaction/")) {
        Some(id) => paid.find(|t| t.id == id),
        None => paid.next(),
    };
    found.map(|t| (t.id.clone(), t.gateway.clone().unwrap_or_default())).ok_or_else(|| {
        Error::new(tradewind_connector::Kind::Rejected, "the order has no captured payment to refund")
            .after_send()
    })
}

pub(crate) fn refund_variables(shop: &Shop, cx: &OpCx<'_>, input: &RefundIn<'_>) -> Result<Value, Error> {
    let refund = input.refund;
    let amount: Money = refund.amount;
    if amount.currency() != shop.currency || !amount.is_positive() {
        return Err(Error::invalid(format!("a refund must be a positive amount in {}", shop.currency)));
    }
    let lines: Vec<Value> = refund
        .lines
        .iter()
        // Whether goods come back is the returns process's business; money and stock are not tied together here.
        .map(|l| json!({"lineItemId": l.line.as_str(), "quantity": l.quantity, "restockType": "NO_RESTOCK"}))
        .collect();
    Ok(
        json!({"in": {"orderId": refund.order.as_str(), "refundLineItems": lines, "notify": true, "note": refund.id.as_str(),
            "transactions": [{"orderId": refund.order.as_str(), "parentId": input.parent.0, "amount": amount.amount(),
                "kind": "REFUND", "gateway": input.parent.1}]},
        "k": uuid8(cx.key)}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `FulfillmentStatus` of the Admin API 2026-10: of one that was called off or failed nothing left, whatever number it has.
    #[test]
    fn a_number_of_a_fulfilment_that_failed_ships_nothing() {
        for (status, shipped) in
            [("SUCCESS", true), ("PENDING", true), ("CANCELLED", false), ("ERROR", false), ("FAILURE", false)]
        {
            let open = json!({"fulfillments": [{"status": status, "trackingInfo": [{"number": "WB-1"}]}],
                "fulfillmentOrders": {"nodes": [], "pageInfo": null}});
            let open: Open = serde_json::from_value(open).unwrap();
            assert_eq!(open.has_tracking("WB-1"), shipped, "{status}");
            assert!(!open.has_tracking("WB-2"), "{status}");
        }
    }
}
