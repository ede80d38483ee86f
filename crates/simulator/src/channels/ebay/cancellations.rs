//! Cancellations: the buyer's wish, the seller's decision (Post-Order API v2).

use super::errors::{Fail, fail};
use super::route::Req;
use super::state::{Cancel, Order, Pay, State};
use super::{NAME, finances, offers, order_view as view};
use crate::core::channel::json;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

/// Within this time eBay cancels by itself.
const GRACE_MS: i64 = 3_600_000;
/// A request that nobody answers ends after three days.
const LAPSE_MS: i64 = 3 * 86_400_000;

fn refuse(status: u16, text: &str) -> Fail {
    fail(status, 1616, "marketplacePostOrder", "REQUEST", text, text)
}

fn new_id(world: &World, order: &str) -> String {
    world.stream(&[NAME, "cancel", order]).digits(10)
}

pub(super) fn buyer_asks(world: &World, state: &mut State, id: &str) {
    let Some(order) = state.orders.get_mut(id) else { return };
    if !order.untouched() || order.cancel != Cancel::None {
        return;
    }
    let request = new_id(world, id);
    if order.pay == Pay::Pending || world.now_ms() - order.created_ms < GRACE_MS {
        cancel(world, state, id, &request, "buyer");
    } else {
        order.cancel = Cancel::Asked(request, world.now_ms());
        order.updated_ms = world.now_ms();
        world.schedule(NAME, LAPSE_MS, "request-lapses", id, Value::Null);
    }
}

/// The seller shipped: the request is declined by that.
pub(super) fn shipped_instead(order: &mut Order) {
    if matches!(order.cancel, Cancel::Asked(..)) {
        order.cancel = Cancel::None;
    }
}

pub(super) fn lapse(world: &World, state: &mut State, id: &str) {
    if let Some(order) = state.orders.get_mut(id).filter(|o| matches!(o.cancel, Cancel::Asked(..))) {
        order.cancel = Cancel::None;
        order.updated_ms = world.now_ms();
    }
}

fn cancel(world: &World, state: &mut State, id: &str, request: &str, by: &'static str) {
    let Some(order) = state.orders.get_mut(id) else { return };
    order.cancel = Cancel::Done(request.to_owned(), by, world.now_ms());
    order.updated_ms = world.now_ms();
    let was_paid = order.paid_ms.is_some();
    order.pay = if was_paid { Pay::Refunded } else { Pay::Failed };
    let order = order.clone();
    for line in &order.lines {
        if let Some(legacy) = state.legacy.get_mut(&line.listing) {
            legacy.quantity += u64::from(line.quantity);
        } else {
            offers::sold(world, state, &line.sku, order.site, -i64::from(line.quantity));
        }
    }
    if was_paid {
        finances::cancelled(world, state, &order);
    }
    world.ledger(|l| l.cancelled(NAME, id, by));
}

fn body_order(req: &Req) -> String {
    let body = req.json().unwrap_or_default();
    body.get("legacyOrderId").and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn check(state: &State, req: &Req) -> Result<Response, Fail> {
    let id = body_order(req);
    let order = state.orders.get(&id).ok_or_else(|| refuse(404, "Order not found"))?;
    let eligible = order.untouched() && !order.cancelled();
    let reasons = if eligible { j!([]) } else { j!(["ORDER_SHIPPED_OR_CANCELLED"]) };
    Ok(json(200, &j!({"legacyOrderId": id, "eligible": eligible, "failureReason": reasons})))
}

pub(super) fn create(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let id = body_order(req);
    let reason = req.json().and_then(|b| b.get("cancelReason").and_then(Value::as_str).map(str::to_owned));
    if !reason.is_some_and(|r| {
        ["OUT_OF_STOCK_OR_CANNOT_FULFILL", "BUYER_ASKED_CANCEL", "ADDRESS_ISSUES"].contains(&r.as_str())
    }) {
        return Err(refuse(400, "Invalid cancelReason"));
    }
    let order = state.orders.get(&id).ok_or_else(|| refuse(404, "Order not found"))?;
    match &order.cancel {
        Cancel::Done(request, ..) => return Ok(json(200, &j!({"cancelId": request}))),
        _ if !order.untouched() => return Err(refuse(400, "The order was shipped and cannot be cancelled")),
        _ => {}
    }
    let request = new_id(world, &id);
    cancel(world, state, &id, &request, "seller");
    Ok(json(200, &j!({"cancelId": request})))
}

fn find(state: &State, request: &str) -> Result<Order, Fail> {
    let has = |o: &&Order| matches!(&o.cancel, Cancel::Asked(id, _) | Cancel::Done(id, ..) if id == request);
    state.orders.values().find(has).cloned().ok_or_else(|| refuse(404, "Cancellation not found"))
}

pub(super) fn get(state: &State, req: &Req) -> Result<Response, Fail> {
    let order = find(state, req.part(0))?;
    let (status, by, at) = match &order.cancel {
        Cancel::Asked(_, at) => ("CANCEL_PENDING", "BUYER", *at),
        Cancel::Done(_, by, at) => {
            ("CANCEL_CLOSED_FOR_COMMITMENT", if *by == "buyer" { "BUYER" } else { "SELLER" }, *at)
        }
        Cancel::None => ("CANCEL_CLOSED_UNKNOWN_REFUND", "BUYER", order.updated_ms),
    };
    Ok(json(
        200,
        &j!({"cancelDetail": {"cancelId": req.part(0), "legacyOrderId": order.id, "cancelState": status,
        "requestorType": by, "cancelRequestDate": {"value": view::date(at)}}}),
    ))
}

/// The seller approves or rejects a buyer's request.
pub(super) fn decide(world: &World, state: &mut State, req: &Req, yes: bool) -> Result<Response, Fail> {
    let order = find(state, req.part(0))?;
    match (&order.cancel, yes) {
        (Cancel::Asked(..), true) => cancel(world, state, &order.id, req.part(0), "buyer"),
        (Cancel::Asked(..), false) => lapse(world, state, &order.id),
        (Cancel::Done(..), true) => {}
        _ => return Err(refuse(400, "The request is closed")),
    }
    Ok(json(200, &j!({})))
}
