//! Notifications v1, as far as `ORDER_CHANGE`: a destination, a subscription, and messages that the
//! driver takes from the world's hook queue in place of an SQS queue.

use super::NAME;
use super::errors::{fail, invalid, missing};
use super::route::Req;
use super::state::{Order, State, Status};
use crate::core::channel::json;
use crate::core::clock::{instant, iso_millis};
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

/// `createDestination` and `getDestinations` (grantless).
pub(super) fn destinations(world: &World, state: &mut State, req: &Req) -> Response {
    let show = |id: &str, (name, resource): &(String, Value)| j!({"destinationId": id, "name": name, "resource": resource});
    if req.operation == "getDestinations" {
        let all: Vec<Value> = state.destinations.iter().map(|(id, d)| show(id, d)).collect();
        return json(200, &j!({"payload": all}));
    }
    let body: Value = serde_json::from_slice(&req.body).unwrap_or(Value::Null);
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let arn = body.pointer("/resourceSpecification/sqs/arn").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || !arn.starts_with("arn:aws:sqs:") {
        return invalid("name and resourceSpecification.sqs.arn are required");
    }
    let id = world.stream(&[NAME, "destination", name]).hex(32);
    if state.destinations.values().any(|(n, _)| n == name) {
        return fail(409, "Conflict", "A destination of this name exists", "");
    }
    let destination = (name.to_owned(), j!({"sqs": {"arn": arn}}));
    let body = j!({"payload": show(&id, &destination)});
    state.destinations.insert(id, destination);
    json(200, &body)
}

/// `createSubscription`, `getSubscription`, `deleteSubscriptionById`.
pub(super) fn subscriptions(world: &World, state: &mut State, req: &Req) -> Response {
    let kind = req.part(0).to_owned();
    let show = |(id, destination, version): &(String, String, String)| j!({"payload": {"subscriptionId": id, "destinationId": destination, "payloadVersion": version}});
    match req.operation {
        "getSubscription" => match state.subscriptions.get(&kind) {
            Some(subscription) => json(200, &show(subscription)),
            None => missing("No subscription of this type"),
        },
        "deleteSubscriptionById" => {
            let found = state.subscriptions.get(&kind).is_some_and(|s| s.0 == req.part(1));
            if found {
                state.subscriptions.remove(&kind);
                json(200, &j!({}))
            } else {
                missing("No such subscription")
            }
        }
        _ => {
            let body: Value = serde_json::from_slice(&req.body).unwrap_or(Value::Null);
            let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let destination = text("destinationId");
            if !state.destinations.contains_key(&destination) || text("payloadVersion").is_empty() {
                return invalid("destinationId and payloadVersion are required");
            }
            if state.subscriptions.contains_key(&kind) {
                return fail(409, "Conflict", "A subscription of this type exists", "");
            }
            let subscription =
                (world.stream(&[NAME, "subscription", &kind]).hex(32), destination, text("payloadVersion"));
            let body = show(&subscription);
            state.subscriptions.insert(kind, subscription);
            json(200, &body)
        }
    }
}

/// Tells a subscriber that an order changed.
pub(super) fn order_change(world: &World, state: &State, order: &Order, kind: &str) {
    let Some((subscription, _, _)) = state.subscriptions.get("ORDER_CHANGE") else { return };
    let status = match order.status {
        Status::Pending => "Pending",
        Status::Unshipped => "Unshipped",
        Status::PartiallyShipped => "PartiallyShipped",
        Status::Shipped => "Shipped",
        Status::Cancelled => "Canceled",
    };
    let at = iso_millis(world.now());
    let id = world.stream(&[NAME, "notification", &order.id, status, kind, &at]).hex(32);
    let shipped: u32 = order.lines.iter().map(|l| l.shipped).sum();
    let ordered: u32 = order.lines.iter().map(|l| l.quantity).sum();
    let items: Vec<Value> = order
        .lines
        .iter()
        .map(|l| {
            j!({"OrderItemId": l.item, "SellerSKU": l.sku, "SupplySourceId": "", "OrderItemStatus": status, "Quantity": l.quantity,
                "QuantityShipped": l.shipped, "IsBuyerRequestedCancel": order.cancel_requested})
        })
        .collect();
    let body = j!({
        "NotificationVersion": "1.0", "NotificationType": "ORDER_CHANGE", "PayloadVersion": "1.0", "EventTime": at,
        "Payload": {"OrderChangeNotification": {
            "NotificationLevel": "OrderLevel", "SellerId": super::SELLER_ID, "AmazonOrderId": order.id, "OrderChangeType": kind,
            "OrderChangeTrigger": {"TimeOfOrderChange": at, "ChangeReason": if kind == "BuyerRequestedChange" { "Buyer Requested Cancel" } else { "Status Change" }},
            "Summary": {"MarketplaceId": order.site, "OrderStatus": status, "PurchaseDate": iso_millis(instant(order.created_ms)),
                "DestinationPostalCode": order.buyer.postal_code, "FulfillmentType": "MFN", "OrderType": "StandardOrder",
                "NumberOfItemsShipped": shipped, "NumberOfItemsUnshipped": ordered - shipped, "OrderItems": items}}},
        "NotificationMetadata": {"ApplicationId": "amzn1.sellerapps.app.sim", "SubscriptionId": subscription, "PublishTime": at,
            "NotificationId": id},
    });
    world.hook(NAME, &id, "ORDER_CHANGE", "", Vec::new(), serde_json::to_vec(&body).unwrap_or_default());
}
