//! How orders look to a client (Fulfillment specification, `Order`).

use super::route::Req;
use super::site;
use super::state::{Cancel, Line, Order, Pay};
use crate::core::clock::{instant, iso_millis};
use crate::core::money::text;
use serde_json::{Map, Value, json as j};

pub(super) fn date(ms: i64) -> String {
    iso_millis(instant(ms))
}

pub(super) fn money(minor: i64, currency: &str) -> Value {
    j!({"value": text(minor, currency), "currency": currency})
}

/// Whether the caller asked for the collected tax inside totals.
pub(super) fn breakdown(req: &Req) -> bool {
    req.all("fieldGroups").any(|g| g.split(',').any(|g| g == "TAX_BREAKDOWN"))
}

pub(super) fn fulfillment_status(order: &Order) -> &'static str {
    if order.fulfilled() {
        "FULFILLED"
    } else if order.untouched() {
        "NOT_STARTED"
    } else {
        "IN_PROGRESS"
    }
}

fn payment_status(order: &Order) -> &'static str {
    match order.pay {
        Pay::Pending => "PENDING",
        Pay::Paid => "PAID",
        Pay::PartlyRefunded => "PARTIALLY_REFUNDED",
        Pay::Refunded => "FULLY_REFUNDED",
        Pay::Failed => "FAILED",
    }
}

/// Requests are listed by getOrder alone; getOrders leaves the array empty (CancelStatus of the specification).
fn cancel(order: &Order, requests: bool) -> Value {
    let request = |id: &str, initiator: &str, state: &str, asked: i64| {
        let reason = if initiator == "Seller" { "OUT_OF_STOCK_OR_CANNOT_FULFILL" } else { "ORDER_MISTAKE" };
        j!({"cancelRequestId": id, "cancelInitiator": initiator, "cancelReason": reason, "cancelRequestedDate": date(asked), "cancelRequestState": state})
    };
    let listed = |one: Value| if requests { vec![one] } else { Vec::new() };
    match &order.cancel {
        Cancel::None => j!({"cancelState": "NONE_REQUESTED", "cancelRequests": []}),
        Cancel::Asked(id, at) => {
            j!({"cancelState": "IN_PROGRESS", "cancelRequests": listed(request(id, "Buyer", "REQUESTED", *at))})
        }
        Cancel::Done(id, by, at) => {
            let initiator = if *by == "seller" { "Seller" } else { "Buyer" };
            j!({"cancelState": "CANCELED", "cancelledDate": date(*at), "cancelRequests": listed(request(id, initiator, "COMPLETED", *at))})
        }
    }
}

fn line(order: &Order, line: &Line, breakdown: bool) -> Value {
    let currency = order.currency;
    let site = site::find(order.site);
    let total = line.net + line.shipping + if breakdown { line.tax } else { 0 };
    let mut value = j!({
        "lineItemId": line.id,
        "legacyItemId": line.listing,
        "sku": line.sku,
        "title": line.title,
        "quantity": line.quantity,
        "lineItemCost": money(line.net, currency),
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": order.site,
        "purchaseMarketplaceId": order.site,
        "lineItemFulfillmentStatus": if line.shipped == 0 { "NOT_STARTED" } else if line.shipped >= line.quantity { "FULFILLED" } else { "IN_PROGRESS" },
        "total": money(total, currency),
        "deliveryCost": {"shippingCost": money(line.shipping, currency)},
        "appliedPromotions": [],
        "taxes": [],
        "properties": {"buyerProtection": true},
        "lineItemFulfillmentInstructions": {
            "minEstimatedDeliveryDate": date(order.created_ms + 4 * 86_400_000),
            "maxEstimatedDeliveryDate": date(order.created_ms + 9 * 86_400_000),
            "shipByDate": date(order.created_ms + 3 * 86_400_000),
            "guaranteedDelivery": false,
        },
        "itemLocation": {"location": "Hangzhou", "countryCode": "CN", "postalCode": "310000"},
    });
    let Some(map) = value.as_object_mut() else { return value };
    if order.collects && line.tax > 0 {
        let kind = site.map_or("VAT", |s| s.tax_type);
        let mut collected =
            j!({"taxType": kind, "amount": money(line.tax, currency), "collectionMethod": "NET"});
        if let (Some((name, number)), Some(tax)) =
            (site.and_then(|s| s.registration), collected.as_object_mut())
        {
            tax.insert("ebayReference".into(), j!({"name": name, "value": number}));
        }
        map.insert("ebayCollectAndRemitTaxes".into(), j!([collected]));
        if breakdown {
            map.insert("taxes".into(), j!([{"taxType": kind, "amount": money(line.tax, currency)}]));
        }
    }
    if line.refunded > 0 {
        let refunds: Vec<Value> = order
            .refunds
            .iter()
            .map(|r| j!({"refundId": r.id, "refundDate": date(r.at_ms), "amount": money(r.amount, currency)}))
            .collect();
        map.insert("refunds".into(), refunds.into());
    }
    value
}

fn address(order: &Order) -> Value {
    let b = &order.buyer;
    let mut value = Map::new();
    for (name, text) in [
        ("addressLine1", &b.street),
        ("city", &b.city),
        ("stateOrProvince", &b.region),
        ("postalCode", &b.postal_code),
        ("countryCode", &b.country),
    ] {
        if !text.is_empty() {
            value.insert(name.into(), text.clone().into());
        }
    }
    Value::Object(value)
}

/// One order; `breakdown` puts the tax that eBay collects into the totals, `alone` shows what getOrders leaves out.
pub(super) fn order(base: &str, order: &Order, breakdown: bool, alone: bool) -> Value {
    let currency = order.currency;
    let goods: i64 = order.lines.iter().map(|l| l.net).sum();
    let shipping: i64 = order.lines.iter().map(|l| l.shipping).sum();
    let (tax, basis) = (order.tax(), order.basis());
    let mut pricing = j!({"priceSubtotal": money(goods, currency), "deliveryCost": money(shipping, currency),
        "total": money(basis + if breakdown { tax } else { 0 }, currency)});
    if let Some(map) = pricing.as_object_mut().filter(|_| breakdown && tax > 0) {
        map.insert("tax".into(), money(tax, currency));
    }
    let mut payment = j!({"paymentMethod": "EBAY", "amount": money(basis + tax, currency),
        "paymentStatus": match order.pay { Pay::Pending => "PENDING", Pay::Failed => "FAILED", _ => "PAID" }});
    if let (Some(at), Some(map)) = (order.paid_ms, payment.as_object_mut()) {
        map.insert("paymentDate".into(), date(at).into());
        map.insert("paymentReferenceId".into(), format!("PAY-{}", order.id).into());
    }
    let refunds: Vec<Value> = order
        .refunds
        .iter()
        .map(|r| j!({"refundId": r.id, "refundDate": date(r.at_ms), "amount": money(r.amount, currency), "refundStatus": "REFUNDED", "refundReferenceId": r.id}))
        .collect();
    let hrefs: Vec<String> = order
        .parcels
        .iter()
        .map(|p| format!("{base}/sell/fulfillment/v1/order/{}/shipping_fulfillment/{}", order.id, p.id))
        .collect();
    let ship_to = j!({"fullName": order.buyer.name(), "contactAddress": address(order),
        "primaryPhone": {"phoneNumber": order.buyer.phone}, "email": order.buyer.email});
    let mut tax_address = address(order);
    if let Some(map) = tax_address.as_object_mut() {
        map.remove("addressLine1");
    }
    j!({
        "orderId": order.id,
        "creationDate": date(order.created_ms),
        "lastModifiedDate": date(order.updated_ms),
        "orderFulfillmentStatus": fulfillment_status(order),
        "orderPaymentStatus": payment_status(order),
        "sellerId": super::auth::SELLER,
        "buyer": {"username": order.username, "taxAddress": tax_address},
        "pricingSummary": pricing,
        "cancelStatus": cancel(order, alone),
        "paymentSummary": {"totalDueSeller": money(basis + tax - order.refunded(), currency), "refunds": refunds, "payments": [payment]},
        "fulfillmentStartInstructions": [{
            "fulfillmentInstructionsType": "SHIP_TO",
            "minEstimatedDeliveryDate": date(order.created_ms + 4 * 86_400_000),
            "maxEstimatedDeliveryDate": date(order.created_ms + 9 * 86_400_000),
            "ebaySupportedFulfillment": false,
            "shippingStep": {"shipTo": ship_to, "shippingCarrierCode": "Other", "shippingServiceCode": "StandardInternational"},
        }],
        "fulfillmentHrefs": hrefs,
        "lineItems": order.lines.iter().map(|l| line(order, l, breakdown)).collect::<Vec<_>>(),
        "ebayCollectAndRemitTax": order.collects && tax > 0,
        "salesRecordReference": "0",
        "totalFeeBasisAmount": money(basis + tax, currency),
        "totalMarketplaceFee": money(order.fee(), currency),
    })
}
