//! An order as queries see it, and by which of its fields a search finds it.

use super::CURRENCY;
use super::graphql::conn;
use super::resolve::{amount, legacy, location, when};
use super::search::Filter;
use super::shop::{Fulfilment, Order, Refund, Transaction, sub, tax_per_mille};
use crate::core::buyers::Buyer;
use crate::core::money;
use serde_json::{Value, json as j};

pub(super) fn matches(filter: &Filter, o: &Order) -> bool {
    filter.holds(|field| match field {
        "updated_at" => Some(when(o.updated_ms)),
        "created_at" | "processed_at" => Some(when(o.created_ms)),
        "id" => Some(legacy(&o.id)),
        "name" => Some(format!("#{}", o.number)),
        "financial_status" => Some(financial(o).to_owned()),
        "fulfillment_status" => Some(fulfilled(o).to_owned()),
        "gateway" => Some(o.gateway.to_owned()),
        "status" => None,
        _ => None,
    })
}

pub(super) fn financial(o: &Order) -> &'static str {
    match o.refunded() {
        0 => "PAID",
        r if r >= o.total => "REFUNDED",
        _ => "PARTIALLY_REFUNDED",
    }
}

fn fulfilled(o: &Order) -> &'static str {
    match (o.fulfilments.is_empty(), o.open_quantity()) {
        (true, _) => "UNFULFILLED",
        (false, 0) => "FULFILLED",
        (false, _) => "PARTIALLY_FULFILLED",
    }
}

/// Shop money beside what the buyer saw.
fn bag(o: &Order, minor: i64) -> Value {
    let (currency, rate) = o.shown_in;
    j!({"shopMoney": amount(minor, CURRENCY), "presentmentMoney": amount(money::share(minor, rate, 100), currency)})
}

pub(super) fn fulfilment_tree(o: &Order, f: &Fulfilment) -> Value {
    let lines = f
        .lines
        .iter()
        .map(|(id, quantity)| j!({"id": id.replace("/LineItem/", "/FulfillmentLineItem/"), "quantity": quantity, "lineItem": {"id": id}}))
        .collect();
    j!({"id": f.id, "legacyResourceId": legacy(&f.id), "name": format!("#{}.1", o.number), "status": "SUCCESS", "displayStatus": if f.delivered_ms.is_some() { "DELIVERED" } else { "FULFILLED" },
        "createdAt": when(f.at_ms), "updatedAt": when(f.delivered_ms.unwrap_or(f.at_ms)), "deliveredAt": f.delivered_ms.map(when),
        "trackingInfo": [{"number": f.number, "company": f.company, "url": f.url}], "totalQuantity": f.lines.iter().map(|l| l.1).sum::<i64>(),
        "location": location(), "fulfillmentLineItems": conn(lines)})
}

pub(super) fn refund_tree(o: &Order, r: &Refund) -> Value {
    let lines = r.lines.iter().map(|(id, quantity)| {
        let line = o.lines.iter().find(|l| l.id == *id);
        let unit = line.map_or(0, |l| l.unit);
        j!({"id": id.replace("/LineItem/", "/RefundLineItem/"), "lineItem": {"id": id, "sku": line.map(|l| l.sku.clone())}, "quantity": quantity, "restockType": "RETURN", "subtotalSet": bag(o, unit * quantity)})
    });
    j!({"id": r.id, "legacyResourceId": legacy(&r.id), "createdAt": when(r.at_ms), "updatedAt": when(r.at_ms), "note": null, "totalRefundedSet": bag(o, r.amount),
        "refundLineItems": conn(lines.collect()), "transactions": conn(o.transactions.iter().filter(|t| t.id == r.transaction).map(|t| transaction_tree(o, t)).collect())})
}

fn transaction_tree(o: &Order, t: &Transaction) -> Value {
    j!({"id": t.id, "kind": t.kind, "status": "SUCCESS", "gateway": o.gateway, "formattedGateway": o.gateway, "test": false, "amountSet": bag(o, t.amount), "createdAt": when(t.at_ms), "processedAt": when(t.at_ms),
        "paymentId": legacy(&t.id), "authorizationCode": null, "receiptJson": null, "parentTransaction": t.parent.as_ref().map(|p| j!({"id": p}))})
}

/// What the checkout asked of the buyer beside the address: China's customs want the number of the identity card.
fn localized_fields(b: &Buyer) -> Value {
    let card = b.identity.as_ref().map(|number| {
        j!({"key": "SHIPPING_CREDENTIAL_CN", "countryCode": "CN", "purpose": "SHIPPING", "title": "ID number", "value": number})
    });
    conn(card.into_iter().collect())
}

/// The whole tree of an order; a query cuts what it wants from it.
pub(super) fn tree(o: &Order) -> Value {
    let b = &o.buyer;
    let address = j!({"name": b.name(), "firstName": b.first_name, "lastName": b.last_name, "company": null, "address1": b.street, "address2": null, "city": b.city,
        "province": b.region, "provinceCode": b.region, "country": b.country, "countryCode": b.country, "countryCodeV2": b.country, "zip": b.postal_code, "phone": b.phone});
    let tax_rate = tax_per_mille(&b.country);
    let tax_lines = |minor: i64| {
        if o.tax == 0 {
            j!([])
        } else {
            let number = |divisor: i64| -> Value {
                let exact = rust_decimal::Decimal::from(tax_rate) / rust_decimal::Decimal::from(divisor);
                serde_json::from_str(&exact.normalize().to_string()).unwrap_or(Value::Null)
            };
            j!([{"title": "VAT", "rate": number(1_000), "ratePercentage": number(10), "priceSet": bag(o, minor), "channelLiable": false, "source": "Shopify"}])
        }
    };
    let lines: Vec<Value> = o
        .lines
        .iter()
        .map(|l| {
            let open = (l.quantity - l.refunded - l.shipped).max(0);
            let unit = bag(o, l.unit);
            j!({"id": l.id, "sku": l.sku, "title": l.title, "name": l.title, "variantTitle": null, "quantity": l.quantity, "currentQuantity": l.quantity - l.refunded,
                "refundableQuantity": l.quantity - l.refunded, "unfulfilledQuantity": open, "fulfillableQuantity": open, "nonFulfillableQuantity": 0, "requiresShipping": true, "taxable": true,
                "originalUnitPriceSet": unit, "discountedUnitPriceSet": unit, "discountedUnitPriceAfterAllDiscountsSet": unit, "originalTotalSet": bag(o, l.unit * l.quantity),
                "discountedTotalSet": bag(o, l.unit * l.quantity), "totalDiscountSet": bag(o, 0), "taxLines": tax_lines(l.tax), "duties": [], "discountAllocations": [], "customAttributes": [],
                "variant": {"id": l.variant, "sku": l.sku}, "product": {"id": l.product}, "vendor": null})
        })
        .collect();
    let order_lines: Vec<Value> = o
        .lines
        .iter()
        .map(|l| {
            j!({"id": l.id.replace("/LineItem/", "/FulfillmentOrderLineItem/"), "totalQuantity": l.quantity, "remainingQuantity": (l.quantity - l.refunded - l.shipped).max(0),
                "sku": l.sku, "lineItem": {"id": l.id, "sku": l.sku}})
        })
        .collect();
    let state = match (o.cancelled_ms.is_some(), o.open_quantity(), o.fulfilments.is_empty()) {
        (true, ..) => "CANCELLED",
        (_, 0, _) => "CLOSED",
        (_, _, false) => "IN_PROGRESS",
        _ => "OPEN",
    };
    let fulfilment_order = j!({"id": o.fulfilment_order(), "status": state, "requestStatus": "UNSUBMITTED", "createdAt": when(o.created_ms), "assignedLocation": {"name": "Warehouse", "location": location()},
        "supportedActions": [{"action": "CREATE_FULFILLMENT"}], "lineItems": conn(order_lines)});
    let fulfilments: Vec<Value> = o.fulfilments.iter().map(|f| fulfilment_tree(o, f)).collect();
    let refunds: Vec<Value> = o.refunds.iter().map(|r| refund_tree(o, r)).collect();
    let transactions: Vec<Value> = o.transactions.iter().map(|t| transaction_tree(o, t)).collect();
    let goods = o.total - o.tax - o.shipping;
    let left = o.total - o.refunded();
    let zero = bag(o, 0);
    let head = j!({"id": o.id, "legacyResourceId": legacy(&o.id), "name": format!("#{}", o.number), "number": o.number, "confirmationNumber": format!("SIM{}", o.number), "createdAt": when(o.created_ms), "processedAt": when(o.created_ms),
        "updatedAt": when(o.updated_ms), "cancelledAt": o.cancelled_ms.map(when), "cancelReason": o.cancel_reason, "closedAt": null, "closed": false, "confirmed": true, "currencyCode": CURRENCY,
        "presentmentCurrencyCode": o.shown_in.0, "taxesIncluded": false, "dutiesIncluded": false, "test": false, "email": b.email, "phone": b.phone, "note": null, "tags": [], "customAttributes": [],
        "sourceName": "web", "sourceIdentifier": null, "displayFinancialStatus": financial(o), "displayFulfillmentStatus": fulfilled(o), "returnStatus": "NO_RETURN", "paymentGatewayNames": [o.gateway],
        "fullyPaid": true, "unpaid": false, "localizedFields": localized_fields(b), "customer": {"id": sub(&o.id, "Customer", 1), "displayName": b.name(), "firstName": b.first_name, "lastName": b.last_name, "email": b.email}});
    let rest = j!({"totalPriceSet": bag(o, o.total), "subtotalPriceSet": bag(o, goods), "totalTaxSet": bag(o, o.tax), "totalShippingPriceSet": bag(o, o.shipping), "totalDiscountsSet": zero,
        "totalRefundedSet": bag(o, o.refunded()), "totalReceivedSet": bag(o, o.total), "netPaymentSet": bag(o, left), "currentTotalPriceSet": bag(o, left), "currentSubtotalPriceSet": bag(o, goods),
        "currentTotalTaxSet": bag(o, o.tax), "totalOutstandingSet": zero, "currentTotalDutiesSet": null, "originalTotalDutiesSet": null, "totalCashRoundingAdjustment": {"paymentSet": zero, "refundSet": zero},
        "shippingAddress": address, "billingAddress": address, "shippingLine": {"title": "Standard", "code": "STD", "carrierIdentifier": null, "originalPriceSet": bag(o, o.shipping), "discountedPriceSet": bag(o, o.shipping), "taxLines": []},
        "shippingLines": conn(vec![j!({"title": "Standard", "code": "STD", "carrierIdentifier": null, "originalPriceSet": bag(o, o.shipping), "discountedPriceSet": bag(o, o.shipping)})]),
        "taxLines": tax_lines(o.tax), "transactions": transactions, "refunds": refunds, "returns": conn(vec![]), "fulfillments": fulfilments,
        "fulfillmentOrders": conn(vec![fulfilment_order]), "lineItems": conn(lines)});
    let mut tree = head;
    if let (Some(a), Value::Object(b)) = (tree.as_object_mut(), rest) {
        a.extend(b);
    }
    tree
}
