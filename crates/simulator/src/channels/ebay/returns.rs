//! Returns (Post-Order v2): the search. A buyer who sends a whole order back is refunded at once, and the case is closed with
//! that; a case opened by hand takes a week: asked for, approved by eBay's rules after a day, shipped after three, back
//! after six, refunded and closed after seven.

use super::errors::{Fail, fail};
use super::order_view::{date, money};
use super::route::Req;
use super::state::{ReturnCase, State};
use super::{NAME, orders};
use crate::core::channel::json;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

const DAY_MS: i64 = 86_400_000;
/// (day, state, status).
const STEPS: [(i64, &str, &str); 4] = [
    (0, "RETURN_REQUESTED", "RETURN_REQUESTED"),
    (1, "ITEM_READY_TO_SHIP", "READY_FOR_SHIPPING"),
    (3, "ITEM_SHIPPED", "ITEM_SHIPPED"),
    (6, "ITEM_DELIVERED", "ITEM_DELIVERED"),
];
const END_MS: i64 = 7 * DAY_MS;

fn refuse(status: u16, text: impl Into<String>) -> Fail {
    let text = text.into();
    fail(status, 1616, "marketplacePostOrder", "REQUEST", text.clone(), text)
}

fn case(
    world: &World,
    state: &State,
    order: &str,
    line: &str,
    quantity: u32,
    amount: i64,
) -> Option<ReturnCase> {
    let o = state.orders.get(order)?;
    let l = o.lines.iter().find(|l| l.id == line)?;
    Some(ReturnCase {
        id: world.stream(&[NAME, "return", order, line]).digits(10),
        order: order.to_owned(),
        item: l.listing.clone(),
        transaction: world.stream(&[NAME, "transaction", line]).digits(13),
        quantity: quantity.min(l.quantity),
        currency: o.currency,
        amount,
        username: o.username.clone(),
        opened_ms: world.now_ms(),
        closed: false,
    })
}

/// All of an order came back and was refunded: one closed case for each line.
pub(super) fn finished(world: &World, state: &mut State, order: &str) {
    let Some(o) = state.orders.get(order) else { return };
    let lines: Vec<(String, u32, i64)> =
        o.lines.iter().map(|l| (l.id.clone(), l.quantity, l.net + l.shipping)).collect();
    for (line, quantity, amount) in lines {
        if let Some(c) = case(world, state, order, &line, quantity, amount) {
            state.returns.insert(c.id.clone(), ReturnCase { closed: true, ..c });
        }
    }
}

/// `POST /sim/return {"order","line","quantity"}`: the buyer asks to send units of a line back.
pub(super) fn open(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let body = req.json().unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let quantity =
        body.get("quantity").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    let (order, line) = (text("order"), text("line"));
    let whole = state.orders.get(order).and_then(|o| o.lines.iter().find(|l| l.id == line));
    let whole = whole.ok_or_else(|| refuse(404, format!("order {order} has no line {line}")))?;
    let share = whole.net * i64::from(quantity.min(whole.quantity)) / i64::from(whole.quantity.max(1));
    let made = case(world, state, order, line, quantity, share);
    let made = made.ok_or_else(|| refuse(404, "order not found"))?;
    let id = made.id.clone();
    state.returns.insert(id.clone(), made);
    world.schedule(NAME, END_MS, "return-ends", &id, Value::Null);
    Ok(json(200, &j!({"returnId": id})))
}

/// The seller's refund, which closes the case.
pub(super) fn ends(world: &World, state: &mut State, id: &str) {
    let Some(c) = state.returns.get_mut(id).filter(|c| !c.closed) else { return };
    c.closed = true;
    let (order, amount) = (c.order.clone(), c.amount);
    orders::refund(world, state, &order, amount, None);
}

fn view(world: &World, c: &ReturnCase) -> Value {
    let age = world.now_ms() - c.opened_ms;
    let step = STEPS.iter().rev().find(|(day, ..)| age >= day * DAY_MS);
    let (state, status) = match step {
        Some((_, state, status)) if !c.closed => (*state, *status),
        _ => ("CLOSED", "CLOSED"),
    };
    // Numbers, not text, in this API.
    let amount = |minor: i64| {
        let text = money(minor, c.currency);
        let text = text.get("value").and_then(Value::as_str).unwrap_or_default().to_owned();
        j!({"value": serde_json::from_str::<Value>(&text).unwrap_or_default(), "currency": c.currency})
    };
    let mut refund = j!({"estimatedRefundAmount": amount(c.amount)});
    if let Some(map) = refund.as_object_mut().filter(|_| c.closed) {
        map.insert("actualRefundAmount".into(), amount(c.amount));
    }
    j!({"returnId": c.id, "buyerLoginName": c.username, "sellerLoginName": super::auth::SELLER, "currentType": "MONEY_BACK",
        "state": state, "status": status, "orderId": c.order,
        "creationInfo": {"item": {"itemId": c.item, "transactionId": c.transaction, "returnQuantity": c.quantity},
            "type": "MONEY_BACK", "reason": "NO_LONGER_NEED_ITEM", "reasonType": "REMORSE", "creationDate": {"value": date(c.opened_ms)}},
        "sellerTotalRefund": refund, "buyerTotalRefund": refund})
}

/// Two query parameters as a range of dates: at most 90 days wide, at most 18 months old; one that is left open reaches
/// 90 days. `Err` is the text that is wrong.
pub(super) fn dates(
    world: &World,
    req: &Req,
    from: &str,
    to: &str,
) -> Result<(Option<i64>, Option<i64>), String> {
    let read = |name: &str| match req.get(name) {
        None => Ok(None),
        Some(text) => {
            text.parse::<jiff::Timestamp>().map(|t| Some(t.as_millisecond())).map_err(|_| text.to_owned())
        }
    };
    let (from, to) = (read(from)?, read(to)?);
    let to = to.or(from.map(|f| f + 90 * DAY_MS));
    match (from, to) {
        (Some(f), Some(t)) if f > t || t - f > 90 * DAY_MS => Err("date range".to_owned()),
        (Some(f), _) if f < world.now_ms() - 548 * DAY_MS => Err("date more than 18 months ago".to_owned()),
        range => Ok(range),
    }
}

pub(super) fn search(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let bad = |text: String| refuse(400, format!("Invalid value: {text}"));
    let limit = req.count("limit", 25, 200).map_err(bad)?.max(1);
    let offset = req.count("offset", 0, usize::MAX).map_err(bad)?;
    let mut rows: Vec<&ReturnCase> = state.returns.values().collect();
    if req.get("role").is_some_and(|r| r != "SELLER") {
        rows.clear();
    }
    let (from, to) = dates(world, req, "creation_date_range_from", "creation_date_range_to").map_err(bad)?;
    rows.retain(|c| from.is_none_or(|f| c.opened_ms >= f) && to.is_none_or(|t| c.opened_ms <= t));
    for (name, of) in [("return_id", 0), ("order_id", 1), ("item_id", 2)] {
        if let Some(wanted) = req.get(name) {
            rows.retain(|c| [&c.id, &c.order, &c.item].get(of).is_some_and(|v| v.as_str() == wanted));
        }
    }
    rows.sort_by(|a, b| (a.opened_ms, &a.id).cmp(&(b.opened_ms, &b.id)));
    if req.get("sort") == Some("-FILING_DATE") {
        rows.reverse();
    }
    let total = rows.len();
    let members: Vec<Value> = rows.into_iter().skip(offset).take(limit).map(|c| view(world, c)).collect();
    let pages = total.div_ceil(limit);
    Ok(json(
        200,
        &j!({"members": members, "total": total,
        "paginationOutput": {"limit": limit, "offset": offset, "totalEntries": total, "totalPages": pages}}),
    ))
}
