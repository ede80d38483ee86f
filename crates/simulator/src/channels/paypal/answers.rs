//! What PayPal says: errors, captures and refunds.

use super::{Capture, NAME, State};
use crate::core::channel::json;
use crate::core::clock::{instant, iso_seconds};
use crate::core::money::text;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

/// An error body; `issue` and its text go into `details`.
pub(super) fn fail(status: u16, name: &str, message: &str, issue: &str, text: &str) -> Response {
    let mut value = j!({"name": name, "message": message, "debug_id": "90957fca61718", "links": []});
    if let Some(map) = value.as_object_mut().filter(|_| !issue.is_empty()) {
        map.insert("details".into(), j!([{"issue": issue, "description": text}]));
    }
    json(status, &value)
}

pub(super) fn not_found() -> Response {
    fail(
        404,
        "RESOURCE_NOT_FOUND",
        "The specified resource does not exist.",
        "INVALID_RESOURCE_ID",
        "Specified resource ID does not exist. Please check the resource ID and try again.",
    )
}

pub(super) fn invalid(issue: &str, text: &str) -> Response {
    fail(
        400,
        "INVALID_REQUEST",
        "Request is not well-formed, syntactically incorrect, or violates schema.",
        issue,
        text,
    )
}

pub(super) fn money(minor: i64, currency: &str) -> Value {
    j!({"currency_code": currency, "value": text(minor, currency)})
}

/// Only what the schema allows in an invoice id.
pub(super) fn invoice(order: &str) -> String {
    order.chars().filter(|c| c.is_ascii_alphanumeric() || "_'-., \":;!?".contains(*c)).collect()
}

pub(super) fn unprocessable(issue: &str, text: &str) -> Response {
    fail(
        422,
        "UNPROCESSABLE_ENTITY",
        "The requested action could not be performed, semantically incorrect, or failed business validation.",
        issue,
        text,
    )
}

pub(super) fn invalid_token() -> Response {
    json(401, &j!({"error": "invalid_token", "error_description": "Token signature verification failed"}))
}

pub(super) fn capture_view(world: &World, c: &Capture) -> Value {
    let back: i64 = c.refunds.iter().map(|r| r.1).sum();
    let status = if back == 0 {
        "COMPLETED"
    } else if back < c.amount {
        "PARTIALLY_REFUNDED"
    } else {
        "REFUNDED"
    };
    let base = world.base_url(NAME);
    let last = c.refunds.last().map_or(c.at_ms, |r| r.2);
    j!({"id": c.id, "status": status, "amount": money(c.amount, &c.currency), "invoice_id": invoice(&c.order), "final_capture": true,
        "seller_protection": {"status": "ELIGIBLE", "dispute_categories": ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"]},
        "seller_receivable_breakdown": {"gross_amount": money(c.amount, &c.currency), "paypal_fee": money(c.fee, &c.currency), "net_amount": money(c.amount - c.fee, &c.currency)},
        "links": [{"href": format!("{base}/v2/payments/captures/{}", c.id), "rel": "self", "method": "GET"},
                  {"href": format!("{base}/v2/payments/captures/{}/refund", c.id), "rel": "refund", "method": "POST"}],
        "create_time": iso_seconds(instant(c.at_ms)), "update_time": iso_seconds(instant(last))})
}

pub(super) fn refund_view(world: &World, c: &Capture, id: &str) -> Value {
    let Some(at) = c.refunds.iter().position(|r| r.0 == id) else { return Value::Null };
    let total: i64 = c.refunds.iter().take(at + 1).map(|r| r.1).sum();
    let (amount, when) = c.refunds.get(at).map_or((0, 0), |r| (r.1, r.2));
    let base = world.base_url(NAME);
    j!({"id": id, "status": "COMPLETED", "amount": money(amount, &c.currency), "invoice_id": invoice(&c.order),
        "seller_payable_breakdown": {"gross_amount": money(amount, &c.currency), "paypal_fee": money(0, &c.currency),
            "net_amount": money(amount, &c.currency), "total_refunded_amount": money(total, &c.currency)},
        "links": [{"href": format!("{base}/v2/payments/refunds/{id}"), "rel": "self", "method": "GET"},
                  {"href": format!("{base}/v2/payments/captures/{}", c.id), "rel": "up", "method": "GET"}],
        "create_time": iso_seconds(instant(when)), "update_time": iso_seconds(instant(when))})
}

/// The refund of a request, told as if it were still on its way; without a name of the request the newest of the capture.
pub(super) fn pending(state: &State, capture: &str, request: &str) -> Response {
    let named = state.answered.get(request).and_then(|told| told["id"].as_str());
    let newest = || state.captures.get(capture)?.refunds.last().map(|r| r.0.as_str());
    let id = named.or_else(newest);
    id.map_or_else(not_found, |id| json(201, &j!({"id": id, "status": "PENDING"})))
}
