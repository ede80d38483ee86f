//! eBay's error bodies (`ErrorDetailV3` in all REST specifications).

use crate::core::channel::json;
use axum::response::Response;
use serde_json::{Value, json as j};

/// A refusal, not yet an answer: bulk calls put it into an item, Trading into XML.
#[derive(Debug, Clone)]
pub(super) struct Fail {
    pub(super) status: u16,
    pub(super) id: u32,
    pub(super) domain: &'static str,
    pub(super) category: &'static str,
    pub(super) message: String,
    pub(super) long: String,
}

pub(super) fn fail(
    status: u16,
    id: u32,
    domain: &'static str,
    category: &'static str,
    message: impl Into<String>,
    long: impl Into<String>,
) -> Fail {
    Fail { status, id, domain, category, message: message.into(), long: long.into() }
}

/// A request that Inventory refuses.
pub(super) fn inventory(id: u32, message: impl Into<String>) -> Fail {
    let message = message.into();
    fail(400, id, "API_INVENTORY", "REQUEST", message.clone(), message)
}

/// 404 of Inventory.
pub(super) fn no_offer(offer: &str) -> Fail {
    let mut refusal = inventory(25713, format!("This Offer is not available : {offer}."));
    refusal.status = 404;
    refusal
}

/// 404 of Inventory.
pub(super) fn no_sku(sku: &str) -> Fail {
    let mut refusal =
        inventory(25702, format!("{sku} could not be found or is not available in the system."));
    refusal.status = 404;
    refusal
}

/// A request that Fulfillment refuses.
pub(super) fn fulfillment(status: u16, id: u32, message: impl Into<String>) -> Fail {
    let message = message.into();
    fail(status, id, "API_FULFILLMENT", "REQUEST", message.clone(), message)
}

impl Fail {
    pub(super) fn detail(&self) -> Value {
        j!({"errorId": self.id, "domain": self.domain, "subdomain": "Selling", "category": self.category,
            "message": self.message, "longMessage": self.long})
    }
}

impl From<Fail> for Response {
    fn from(refusal: Fail) -> Response {
        json(refusal.status, &j!({"errors": [refusal.detail()]}))
    }
}

/// 207 whose only entry is a system error: a success status with a failure inside.
pub(super) fn lying_bulk() -> Response {
    let error =
        fail(500, 25001, "API_INVENTORY", "APPLICATION", "A system error has occurred.", "Internal error");
    json(207, &j!({"responses": [{"statusCode": 500, "errors": [error.detail()]}]}))
}
