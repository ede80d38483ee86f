//! Payment disputes (Fulfillment API): opened by hand, contested or accepted by the seller, ended after ten days.
//!
//! Who accepts, or does not answer in time, loses: the buyer gets back what is left of the order. That is booked as a
//! refund; real eBay books a DISPUTE (a simplification).

use super::errors::{Fail, fulfillment as refuse};
use super::order_view::{date, money};
use super::route::Req;
use super::state::{Dispute, State};
use super::{NAME, orders};
use crate::core::channel::{json, raw};
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

const DAY_MS: i64 = 86_400_000;
/// To be answered within five days; decided after ten.
const ANSWER_MS: i64 = 5 * DAY_MS;
const TERM_MS: i64 = 10 * DAY_MS;

/// `POST /sim/payment_dispute {"order"}`.
pub(super) fn open(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let body = req.json().unwrap_or_default();
    let id = body.get("order").and_then(Value::as_str).unwrap_or_default();
    let order = state.orders.get(id).filter(|o| o.paid_ms.is_some() && !o.cancelled());
    let order = order.ok_or_else(|| refuse(404, 32100, format!("No paid order {id}")))?;
    let dispute = Dispute {
        id: world.stream(&[NAME, "dispute", id]).digits(10),
        order: order.id.clone(),
        currency: order.currency,
        amount: order.basis() + order.tax() - order.refunded(),
        username: order.username.clone(),
        lines: order.lines.iter().map(|l| (l.listing.clone(), l.id.clone())).collect(),
        opened_ms: world.now_ms(),
        answer: None,
        outcome: None,
        revision: 1,
    };
    let number = dispute.id.clone();
    state.disputes.insert(number.clone(), dispute);
    world.schedule(NAME, ANSWER_MS, "dispute-unanswered", &number, Value::Null);
    world.schedule(NAME, TERM_MS, "dispute-ends", &number, Value::Null);
    Ok(json(200, &j!({"paymentDisputeId": number})))
}

fn close(world: &World, state: &mut State, id: &str, outcome: &'static str) {
    let Some(d) = state.disputes.get_mut(id).filter(|d| d.outcome.is_none()) else { return };
    d.outcome = Some((outcome, world.now_ms()));
    d.revision += 1;
    let order = d.order.clone();
    let left = state.orders.get(&order).map_or(0, |o| o.basis() - o.refunded());
    if outcome != "SELLER_WON" && left > 0 {
        orders::refund(world, state, &order, left, None);
    }
}

/// The seller did not answer.
pub(super) fn unanswered(world: &World, state: &mut State, id: &str) {
    if state.disputes.get(id).is_some_and(|d| d.answer.is_none()) {
        close(world, state, id, "SELLER_LOST");
    }
}

/// A contested case ends for the seller.
pub(super) fn ends(world: &World, state: &mut State, id: &str) {
    close(world, state, id, "SELLER_WON");
}

fn find<'a>(state: &'a State, req: &Req) -> Result<&'a Dispute, Fail> {
    state.disputes.get(req.part(0)).ok_or_else(|| refuse(404, 33001, "Invalid Payment Dispute Id"))
}

/// The seller's answer. It names the revision that it was made from.
pub(super) fn answer(world: &World, state: &mut State, req: &Req, accepts: bool) -> Result<Response, Fail> {
    let d = find(state, req)?;
    let (id, revision) = (d.id.clone(), d.revision);
    if d.answer.is_some() || d.outcome.is_some() {
        return Err(refuse(409, 33101, "Invalid payment dispute state"));
    }
    if req.json().and_then(|b| b.get("revision").and_then(Value::as_u64)) != Some(u64::from(revision)) {
        return Err(refuse(409, 33011, "There was a change in payment dispute attributes."));
    }
    if let Some(d) = state.disputes.get_mut(&id) {
        d.answer = Some(if accepts { "ACCEPT" } else { "CONTEST" });
        d.revision += 1;
    }
    if accepts {
        close(world, state, &id, "SELLER_ACCEPT");
    }
    Ok(raw(204, "application/json", ""))
}

fn view(d: &Dispute, full: bool) -> Value {
    let status = match (&d.outcome, d.answer) {
        (Some(_), _) => "CLOSED",
        (None, Some(_)) => "OPEN",
        (None, None) => "ACTION_NEEDED",
    };
    let mut value = j!({"paymentDisputeId": d.id, "paymentDisputeStatus": status, "reason": "ITEM_NOT_RECEIVED",
        "amount": money(d.amount, d.currency), "buyerUsername": d.username, "orderId": d.order, "openDate": date(d.opened_ms)});
    let Some(map) = value.as_object_mut() else { return value };
    if status == "ACTION_NEEDED" {
        map.insert("respondByDate".into(), date(d.opened_ms + ANSWER_MS).into());
    }
    if let Some((_, at)) = d.outcome {
        map.insert("closedDate".into(), date(at).into());
    }
    if !full {
        return value;
    }
    let lines: Vec<Value> = d.lines.iter().map(|(i, l)| j!({"itemId": i, "lineItemId": l})).collect();
    map.insert("lineItems".into(), lines.into());
    map.insert("revision".into(), d.revision.into());
    if status == "ACTION_NEEDED" {
        map.insert("availableChoices".into(), j!(["CONTEST", "ACCEPT"]));
    }
    if let Some(answer) = d.answer {
        map.insert("sellerResponse".into(), answer.into());
    }
    if let Some((outcome, _)) = d.outcome {
        map.insert(
            "resolution".into(),
            j!({"reasonForClosure": outcome, "protectionStatus": "NOT_PROTECTED"}),
        );
    }
    value
}

pub(super) fn get(state: &State, req: &Req) -> Result<Response, Fail> {
    Ok(json(200, &view(find(state, req)?, true)))
}

pub(super) fn list(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let bad = |text: String| refuse(400, 33001, format!("Invalid input request: {text}"));
    let limit = req.count("limit", 200, 200).map_err(bad)?;
    let offset = req.count("offset", 0, usize::MAX).map_err(bad)?;
    if limit == 0 {
        return Err(bad("limit".to_owned()));
    }
    let mut rows: Vec<&Dispute> = state.disputes.values().collect();
    if let Some(order) = req.get("order_id") {
        rows.retain(|d| d.order == order);
    } else {
        let (from, to) = super::returns::dates(world, req, "open_date_from", "open_date_to").map_err(bad)?;
        rows.retain(|d| from.is_none_or(|f| d.opened_ms >= f) && to.is_none_or(|t| d.opened_ms <= t));
        let statuses: Vec<&str> = req.all("payment_dispute_status").collect();
        rows.retain(|d| {
            let view = view(d, false);
            statuses.is_empty() || statuses.iter().any(|s| view.get("paymentDisputeStatus") == Some(&j!(s)))
        });
    }
    rows.sort_by(|a, b| (b.opened_ms, &b.id).cmp(&(a.opened_ms, &a.id)));
    let total = rows.len();
    let page: Vec<Value> = rows.into_iter().skip(offset).take(limit).map(|d| view(d, false)).collect();
    let link = |offset: usize| {
        let kept = req
            .raw_query
            .split('&')
            .filter(|p| !p.is_empty() && !p.starts_with("limit=") && !p.starts_with("offset="));
        let kept: String = kept.map(|p| format!("{p}&")).collect();
        format!(
            "https://apiz.ebay.com/sell/fulfillment/v1/payment_dispute_summary?{kept}limit={limit}&offset={offset}"
        )
    };
    let mut answer = j!({"href": link(offset), "limit": limit, "offset": offset, "total": total, "paymentDisputeSummaries": page});
    if let Some(map) = answer.as_object_mut().filter(|_| offset + limit < total) {
        map.insert("next".into(), link(offset + limit).into());
    }
    Ok(json(200, &answer))
}
