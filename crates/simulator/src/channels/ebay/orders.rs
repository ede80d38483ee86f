//! Orders: placed, paid, shipped, delivered, refunded. How they look to a client is in `order_view`.

use super::errors::{Fail, fail, fulfillment as refuse};
use super::notifications::{self, Keys};
use super::route::{Req, range};
use super::state::{Cancel, Line, Order, Pay, Refund, ShippedParcel, State};
use super::{NAME, cancellations, finances, offers, order_view as view, returns, site};
use crate::core::buyers::Purchase;
use crate::core::channel::{News, json, raw, set};
use crate::core::clock::iso_seconds;
use crate::core::ledger::{LineRecord, OrderRecord};
use crate::core::money::{minor, share};
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};
use std::collections::BTreeSet;

/// Final value fee: 13.25 % of what the buyer pays, tax included.
const FEE_PER_10_000: i64 = 1_325;
/// International fee: 1.65 %, when the buyer lives outside the site's country.
const INTERNATIONAL_PER_10_000: i64 = 165;

pub(super) fn place(world: &World, state: &mut State, purchase: &Purchase, keys: &Keys) -> Option<String> {
    let first = &purchase.lines.first()?.offer;
    let site = site::find(&first.site)?;
    let mut s = purchase.stream.clone();
    let id = format!("{:02}-{}-{}", s.between(1, 27), s.digits(5), s.digits(5));
    let listed: i64 = purchase.lines.iter().map(|l| l.offer.price * i64::from(l.quantity)).sum();
    let collects = site.collects(listed, &purchase.buyer);
    let mut shipping = site.shipping(listed);
    let mut lines = Vec::new();
    for wanted in &purchase.lines {
        let value = wanted.offer.price * i64::from(wanted.quantity);
        let (net, tax) = site.split(value, collects);
        let legacy = state.legacy.get_mut(&wanted.offer.listing);
        let title = match legacy {
            Some(legacy) => {
                legacy.quantity = legacy.quantity.saturating_sub(u64::from(wanted.quantity));
                legacy.sold += u64::from(wanted.quantity);
                legacy.title.clone()
            }
            None => {
                offers::sold(world, state, &wanted.offer.sku, site.id, i64::from(wanted.quantity));
                offers::title(state, &wanted.offer.sku)
            }
        };
        lines.push(Line {
            id: s.digits(14),
            sku: wanted.offer.sku.clone(),
            listing: wanted.offer.listing.clone(),
            title,
            quantity: wanted.quantity,
            unit_price: wanted.offer.price,
            net,
            tax,
            // The first line carries the delivery charge.
            shipping: std::mem::take(&mut shipping),
            shipped: 0,
            refunded: 0,
        });
    }
    let mut order = Order {
        id: id.clone(),
        site: site.id,
        currency: site.currency,
        username: format!("buyer_{}", s.hex(6)),
        buyer: purchase.buyer.clone(),
        created_ms: world.now_ms(),
        updated_ms: world.now_ms(),
        paid_ms: None,
        pay: Pay::Pending,
        cancel: Cancel::None,
        lines,
        collects,
        fees: Vec::new(),
        parcels: Vec::new(),
        delivered: BTreeSet::new(),
        refunds: Vec::new(),
    };
    let paid = order.basis() + order.tax();
    order.fees.push(("FINAL_VALUE_FEE", share(paid, FEE_PER_10_000, 10_000)));
    order.fees.push(("FINAL_VALUE_FEE_FIXED_PER_ORDER", site.fixed_fee));
    if site.countries.first() != Some(&order.buyer.country.as_str()) {
        order.fees.push(("INTERNATIONAL_FEE", share(paid, INTERNATIONAL_PER_10_000, 10_000)));
    }
    let record = OrderRecord {
        placed_at: iso_seconds(world.now()),
        site: site.id.into(),
        country: order.buyer.country.clone(),
        currency: site.currency.into(),
        total: paid,
        goods: order.lines.iter().map(|l| l.net).sum(),
        shipping: order.lines.iter().map(|l| l.shipping).sum(),
        tax: order.tax(),
        lines: order
            .lines
            .iter()
            .map(|l| LineRecord {
                id: l.id.clone(),
                sku: l.sku.clone(),
                quantity: l.quantity,
                unit_price: l.unit_price,
            })
            .collect(),
        ..OrderRecord::default()
    };
    world.ledger(|l| l.placed(NAME, &id, record));
    state.orders.insert(id.clone(), order);
    if s.chance(100) {
        world.schedule(NAME, s.between(300_000, 1_800_000), "paid", &id, Value::Null);
    } else {
        paid_now(world, state, &id, keys);
    }
    Some(id)
}

pub(super) fn paid(world: &World, state: &mut State, id: &str, keys: &Keys) {
    if state.orders.get(id).is_some_and(|o| o.pay == Pay::Pending && !o.cancelled()) {
        paid_now(world, state, id, keys);
    }
}

fn paid_now(world: &World, state: &mut State, id: &str, keys: &Keys) {
    let Some(order) = state.orders.get_mut(id) else { return };
    order.pay = Pay::Paid;
    order.paid_ms = Some(world.now_ms());
    order.updated_ms = world.now_ms();
    let order = order.clone();
    finances::sale(world, state, &order);
    notifications::order_confirmed(world, state, keys, &order);
}

pub(super) fn delivered(world: &World, state: &mut State, tracking: &str) {
    for order in state.orders.values_mut() {
        if order.parcels.iter().any(|p| p.tracking == tracking) && order.delivered.insert(tracking.to_owned())
        {
            let all =
                order.fulfilled() && order.parcels.iter().all(|p| order.delivered.contains(&p.tracking));
            let id = order.id.clone();
            world.ledger(|l| {
                if let Some(order) = l.order(NAME, &id) {
                    order.delivered = all;
                }
            });
        }
    }
}

/// The buyer sends a shipped order back; eBay refunds all of it.
pub(super) fn returned(world: &World, state: &mut State, id: &str) {
    let Some(order) = state.orders.get(id) else { return };
    if order.fulfilled() && !order.cancelled() && order.refunds.is_empty() {
        let left = order.basis();
        refund(world, state, id, left, None);
        returns::finished(world, state, id);
    }
}

/// Gives `amount` (without collected tax) back; the refund's id.
pub(super) fn refund(
    world: &World,
    state: &mut State,
    id: &str,
    amount: i64,
    line: Option<&str>,
) -> Option<String> {
    let order = state.orders.get_mut(id)?;
    let number = order.refunds.len() + 1;
    let refund_id = world.stream(&[NAME, "refund", id, &number.to_string()]).digits(12);
    order.refunds.push(Refund { id: refund_id.clone(), at_ms: world.now_ms(), amount });
    order.updated_ms = world.now_ms();
    order.pay = if order.refunded() >= order.basis() { Pay::Refunded } else { Pay::PartlyRefunded };
    if let Some(line) = line.and_then(|id| order.lines.iter_mut().find(|l| l.id == id)) {
        line.refunded += amount;
    }
    let order = order.clone();
    finances::refunded(world, state, &order, &refund_id, amount);
    Some(refund_id)
}

pub(super) fn list(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let limit =
        req.count("limit", 50, 200).map_err(|v| refuse(400, 31100, format!("Invalid limit: {v}")))?.max(1);
    let offset =
        req.count("offset", 0, usize::MAX).map_err(|v| refuse(400, 31000, format!("Invalid offset: {v}")))?;
    let breakdown = view::breakdown(req);
    let mut wanted: Vec<&Order> = state.orders.values().collect();
    if let Some(ids) = req.get("orderIds") {
        let ids: Vec<&str> = ids.split(',').collect();
        if ids.len() > 50 {
            return Err(refuse(400, 30900, "Exceeded maximum number of order IDs (the current limit is 50)"));
        }
        wanted.retain(|o| ids.contains(&o.id.as_str()));
    } else {
        let filters = req.filters();
        let by_creation = filters.iter().any(|(name, _)| name == "creationdate");
        for (name, value) in &filters {
            match name.as_str() {
                "creationdate" | "lastmodifieddate" => {
                    let (from, to) = range(value)
                        .ok_or_else(|| refuse(400, 30800, format!("Invalid date range: {value}.")))?;
                    if from.is_some_and(|f| f > world.now_ms()) {
                        return Err(refuse(400, 30850, "Start and end dates can't be in the future"));
                    }
                    // If both are given, only creationdate counts.
                    if name == "creationdate" || !by_creation {
                        wanted.retain(|o| {
                            let at = if by_creation { o.created_ms } else { o.updated_ms };
                            from.is_none_or(|f| at >= f) && to.is_none_or(|t| at <= t)
                        });
                    }
                }
                "orderfulfillmentstatus" => {
                    let states: Vec<&str> = value.split('|').collect();
                    let pair =
                        |a: &str, b: &str| states.len() == 2 && states.contains(&a) && states.contains(&b);
                    if !pair("NOT_STARTED", "IN_PROGRESS") && !pair("FULFILLED", "IN_PROGRESS") {
                        return Err(refuse(
                            400,
                            30800,
                            format!("Invalid filter value {value} for filter {name}"),
                        ));
                    }
                    wanted.retain(|o| states.contains(&view::fulfillment_status(o)));
                }
                other => return Err(refuse(400, 30700, format!("Invalid filter name: {other}"))),
            }
        }
    }
    wanted.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
    let total = wanted.len();
    let base = world.base_url(NAME);
    let orders: Vec<Value> =
        wanted.iter().skip(offset).take(limit).map(|o| view::order(&base, o, breakdown, false)).collect();
    let rest: Vec<&str> = req
        .raw_query
        .split('&')
        .filter(|p| !p.is_empty() && !p.starts_with("limit=") && !p.starts_with("offset="))
        .collect();
    let link = |offset: usize| {
        let mut query = rest.join("&");
        if !query.is_empty() {
            query.push('&');
        }
        format!("{base}/sell/fulfillment/v1/order?{query}limit={limit}&offset={offset}")
    };
    let mut answer =
        j!({"href": link(offset), "total": total, "limit": limit, "offset": offset, "orders": orders});
    if let Some(map) = answer.as_object_mut() {
        if offset + limit < total {
            map.insert("next".into(), link(offset + limit).into());
        }
        if offset > 0 {
            map.insert("prev".into(), link(offset.saturating_sub(limit)).into());
        }
    }
    Ok(json(200, &answer))
}

fn need<'a>(state: &'a State, id: &str) -> Result<&'a Order, Fail> {
    state.orders.get(id).ok_or_else(|| refuse(404, 32100, format!("Invalid order ID: {id}")))
}

pub(super) fn get(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let order = need(state, req.part(0))?;
    Ok(json(200, &view::order(&world.base_url(NAME), order, view::breakdown(req), true)))
}

pub(super) fn ship(world: &World, state: &mut State, req: &Req, keys: &Keys) -> Result<Response, Fail> {
    let body = req.json().unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let shipped = match text("shippedDate") {
        t if t.is_empty() => None,
        t => Some(
            t.parse::<jiff::Timestamp>()
                .map_err(|_| refuse(400, 32500, format!("Invalid shipped date: {t}")))?
                .as_millisecond(),
        ),
    };
    let lines: Vec<(String, Option<u32>)> = body
        .get("lineItems")
        .and_then(Value::as_array)
        .map(|a| {
            a.iter()
                .map(|l| {
                    let id = l.get("lineItemId").and_then(Value::as_str).unwrap_or_default().to_owned();
                    (id, l.get("quantity").and_then(Value::as_u64).and_then(|q| u32::try_from(q).ok()))
                })
                .collect()
        })
        .unwrap_or_default();
    let id = mark_shipped(
        world,
        state,
        req.part(0),
        &lines,
        &text("shippingCarrierCode"),
        &text("trackingNumber"),
        shipped,
    )?;
    if let Some(order) = state.orders.get(req.part(0)) {
        notifications::shipped(world, state, keys, order);
    }
    let mut response = raw(201, "application/json", "{}");
    let place = format!(
        "{}/sell/fulfillment/v1/order/{}/shipping_fulfillment/{id}",
        world.base_url(NAME),
        req.part(0)
    );
    set(&mut response, "location", &place);
    Ok(response)
}

/// Units left the seller. The fulfillment's id: the tracking number, or 999 without one.
pub(super) fn mark_shipped(
    world: &World,
    state: &mut State,
    order_id: &str,
    wanted: &[(String, Option<u32>)],
    carrier: &str,
    tracking: &str,
    shipped_ms: Option<i64>,
) -> Result<String, Fail> {
    let now = world.now_ms();
    let order = state
        .orders
        .get_mut(order_id)
        .ok_or_else(|| refuse(400, 32100, format!("Invalid order ID: {order_id}")))?;
    if carrier.is_empty() != tracking.is_empty() || !tracking.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(refuse(400, 32300, "Invalid shipment tracking number or carrier."));
    }
    if order.cancelled() || order.pay == Pay::Pending {
        world.ledger(|l| {
            l.complain(NAME, &format!("order {order_id} was marked as shipped, but is cancelled or not paid"))
        });
        return Err(refuse(400, 32100, format!("Invalid order ID: {order_id} is not ready to be shipped.")));
    }
    if shipped_ms.is_some_and(|at| at < order.created_ms || at > now + 86_400_000) {
        return Err(refuse(400, 32500, "Invalid shipped date."));
    }
    let all: Vec<(String, Option<u32>)> = order.lines.iter().map(|l| (l.id.clone(), None)).collect();
    let wanted = if wanted.is_empty() { &all } else { wanted };
    let mut parcel_lines = Vec::new();
    for (id, units) in wanted {
        let line = order
            .lines
            .iter()
            .find(|l| l.id == *id)
            .ok_or_else(|| refuse(400, 32200, format!("Invalid line item id: {id}")))?;
        let units = units.unwrap_or(line.quantity - line.shipped);
        if units == 0 || line.shipped + units > line.quantity {
            // The same tracking number for the same lines again: the first answer again.
            if order.parcels.iter().any(|p| p.tracking == tracking && p.lines.iter().any(|(l, _)| l == id))
                && !tracking.is_empty()
            {
                return Ok(tracking.to_owned());
            }
            return Err(refuse(400, 32600, format!("Invalid input data: quantity of line item {id}")));
        }
        parcel_lines.push((id.clone(), units));
    }
    for (id, units) in &parcel_lines {
        if let Some(line) = order.lines.iter_mut().find(|l| l.id == *id) {
            line.shipped += units;
        }
    }
    let id = if tracking.is_empty() { "999".to_owned() } else { tracking.to_owned() };
    order.parcels.push(ShippedParcel {
        id: id.clone(),
        carrier: carrier.to_owned(),
        tracking: tracking.to_owned(),
        shipped_ms: shipped_ms.unwrap_or(now),
        lines: parcel_lines,
    });
    order.updated_ms = now;
    cancellations::shipped_instead(order);
    let order = order.clone();
    if order.fulfilled() {
        world.ledger(|l| l.shipped(NAME, order_id, tracking));
    }
    world.tell(
        NAME,
        News::Shipped { channel: NAME.into(), order: order_id.into(), tracking: tracking.into() },
    );
    Ok(id)
}

fn parcel(p: &ShippedParcel) -> Value {
    let lines: Vec<Value> = p.lines.iter().map(|(id, n)| j!({"lineItemId": id, "quantity": n})).collect();
    let mut value = j!({"fulfillmentId": p.id, "lineItems": lines, "shippedDate": view::date(p.shipped_ms)});
    if let Some(map) = value.as_object_mut().filter(|_| !p.tracking.is_empty()) {
        map.insert("shipmentTrackingNumber".into(), p.tracking.clone().into());
        map.insert("shippingCarrierCode".into(), p.carrier.clone().into());
    }
    value
}

pub(super) fn fulfillments(state: &State, req: &Req) -> Result<Response, Fail> {
    let order = need(state, req.part(0))?;
    let all: Vec<Value> = order.parcels.iter().map(parcel).collect();
    Ok(json(200, &j!({"total": all.len(), "fulfillments": all})))
}

pub(super) fn fulfillment(state: &State, req: &Req) -> Result<Response, Fail> {
    let order = need(state, req.part(0))?;
    let found = order.parcels.iter().find(|p| p.id == req.part(1));
    let found =
        found.ok_or_else(|| refuse(404, 32110, format!("Invalid fulfillment ID: {}", req.part(1))))?;
    Ok(json(200, &parcel(found)))
}

pub(super) fn issue_refund(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let order = need(state, req.part(0))?;
    let (id, currency) = (order.id.clone(), order.currency);
    let body = req.json().unwrap_or_default();
    if body.get("reasonForRefund").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(refuse(400, 34903, "The refund reason must be specified."));
    }
    if body.get("comment").and_then(Value::as_str).is_some_and(|c| c.chars().count() > 100) {
        return Err(refuse(400, 34921, "The comment exceeds the length limit."));
    }
    let amount = |value: &Value| -> Result<i64, Fail> {
        if value.get("currency").and_then(Value::as_str) != Some(currency) {
            return Err(refuse(400, 34909, "The amount currency isn't correct."));
        }
        let amount = value.get("value").and_then(Value::as_str).and_then(|v| minor(v, currency));
        amount
            .filter(|a| *a > 0)
            .ok_or_else(|| refuse(400, 34907, "The amount value must be positive and within two decimals."))
    };
    let mut parts: Vec<(Option<String>, i64)> = Vec::new();
    if let Some(value) = body.get("orderLevelRefundAmount") {
        parts.push((None, amount(value)?));
    }
    for item in body.get("refundItems").and_then(Value::as_array).into_iter().flatten() {
        let line = item.get("lineItemId").and_then(Value::as_str).unwrap_or_default();
        let known = order
            .lines
            .iter()
            .find(|l| l.id == line)
            .ok_or_else(|| refuse(400, 34914, "Can't find the item in the order."))?;
        let value = amount(item.get("refundAmount").unwrap_or(&Value::Null))?;
        if known.refunded + value > known.net + known.shipping {
            let text = "The item refund amount exceeds the item remaining amount.";
            return Err(fail(409, 34924, "API_FULFILLMENT", "BUSINESS", text, text));
        }
        parts.push((Some(line.to_owned()), value));
    }
    let sum: i64 = parts.iter().map(|(_, a)| a).sum();
    if parts.is_empty() {
        return Err(refuse(400, 34905, "Either orderLevelRefundAmount or refundItems must be specified."));
    }
    if order.pay == Pay::Pending {
        let text = "You cannot refund this order yet since the buyer payment has not been processed.";
        return Err(refuse(409, 34929, text));
    }
    if order.cancelled() || order.refunded() >= order.basis() {
        let text = "This order was already refunded.";
        return Err(fail(400, 34917, "API_FULFILLMENT", "BUSINESS", text, text));
    }
    if order.refunded() + sum > order.basis() {
        return Err(refuse(400, 34915, "The refund amount exceeds order amount."));
    }
    let mut refund_id = String::new();
    for (line, value) in parts {
        refund_id = refund(world, state, &id, value, line.as_deref()).unwrap_or_default();
    }
    // Refunds are worked on asynchronously: the answer says PENDING, the order shows the end.
    Ok(json(200, &j!({"refundId": refund_id, "refundStatus": "PENDING"})))
}
