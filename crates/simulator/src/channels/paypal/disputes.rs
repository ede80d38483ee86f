//! Disputes: opened by hand, answered by the seller, or decided for the seller after ten days.

use super::answers::{money, not_found};
use super::{NAME, State};
use crate::core::channel::json;
use crate::core::clock::{instant, iso_millis};
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

const TERM_MS: i64 = 10 * 86_400_000;

#[derive(Debug, Clone)]
pub(super) struct Dispute {
    id: String,
    pub(super) capture: String,
    currency: String,
    pub(super) amount: i64,
    opened_ms: i64,
    updated_ms: i64,
    outcome: Option<&'static str>,
}

impl Dispute {
    pub(super) fn open(&self) -> bool {
        self.outcome.is_none()
    }
}

fn view(world: &World, d: &Dispute, full: bool) -> Value {
    let time = |ms: i64| iso_millis(instant(ms));
    let mut value = j!({"dispute_id": d.id, "create_time": time(d.opened_ms), "update_time": time(d.updated_ms),
        "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED", "status": if d.open() { "WAITING_FOR_SELLER_RESPONSE" } else { "RESOLVED" },
        "dispute_state": if d.open() { "REQUIRED_ACTION" } else { "RESOLVED" },
        "dispute_amount": money(d.amount, &d.currency), "dispute_life_cycle_stage": "CHARGEBACK", "dispute_channel": "INTERNAL",
        "seller_response_due_date": time(d.opened_ms + TERM_MS),
        "links": [{"href": format!("{}/v1/customer/disputes/{}", world.base_url(NAME), d.id), "rel": "self", "method": "GET"}]});
    if let Some(map) = value.as_object_mut().filter(|_| full) {
        map.remove("dispute_state");
        map.insert(
            "disputed_transactions".into(),
            j!([{"seller_transaction_id": d.capture, "gross_amount": money(d.amount, &d.currency)}]),
        );
        if let Some(outcome) = d.outcome {
            map.insert("dispute_outcome".into(), j!({"outcome_code": outcome}));
        }
    }
    value
}

pub(super) fn open(world: &World, state: &mut State, capture: &str) -> Response {
    let Some(c) = state.captures.get(capture) else { return not_found() };
    let id = format!("PP-D-{}", world.stream(&[NAME, "dispute", capture]).digits(5));
    let left = c.amount - c.refunds.iter().map(|r| r.1).sum::<i64>();
    let now = world.now_ms();
    let dispute = Dispute {
        id: id.clone(),
        capture: c.id.clone(),
        currency: c.currency.clone(),
        amount: left,
        opened_ms: now,
        updated_ms: now,
        outcome: None,
    };
    state.disputes.insert(id.clone(), dispute);
    world.schedule(NAME, TERM_MS, "dispute-ends", &id, Value::Null);
    json(200, &j!({"dispute_id": id}))
}

pub(super) fn resolve(world: &World, state: &mut State, id: &str, outcome: &'static str) {
    if let Some(d) = state.disputes.get_mut(id).filter(|d| d.open()) {
        d.outcome = Some(outcome);
        d.updated_ms = world.now_ms();
    }
}

/// `stale_ms`: as the list stood so long ago.
pub(super) fn list(world: &World, state: &State, query: &[(String, String)], stale_ms: i64) -> Response {
    let of = query.iter().find(|(k, _)| k == "disputed_transaction_id").map(|(_, v)| v.as_str());
    let items: Vec<Value> = state
        .disputes
        .values()
        .filter(|d| of.is_none_or(|o| o == d.capture))
        .filter(|d| d.opened_ms <= world.now_ms() - stale_ms)
        .map(|d| view(world, d, false))
        .collect();
    let own = j!({"href": format!("{}/v1/customer/disputes", world.base_url(NAME)), "rel": "self", "method": "GET"});
    let mut answer = j!({"items": items, "links": [own]});
    // The schema knows no empty list: without cases the member is left out.
    if let Some(map) = answer.as_object_mut().filter(|_| items.is_empty()) {
        map.remove("items");
    }
    json(200, &answer)
}

pub(super) fn get(world: &World, state: &State, id: &str) -> Response {
    state.disputes.get(id).map_or_else(not_found, |d| json(200, &view(world, d, true)))
}
