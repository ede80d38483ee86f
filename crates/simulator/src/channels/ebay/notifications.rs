//! Notification API: destinations, subscriptions, signed pushes.
//!
//! Pushes are signed with ECDSA P-256; the header states the digest. Real eBay states SHA-1, the fake
//! SHA-256 (its library signs no SHA-1); a client must go by what is stated. The key is made at
//! start and ECDSA draws a nonce, so signatures, alone of all things here, differ between equal runs.

use super::NAME;
use super::errors::{Fail, fail};
use super::order_view::date;
use super::route::Req;
use super::state::{Order, State};
use crate::core::channel::{json, raw, set};
use crate::core::world::World;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use serde_json::{Value, json as j};

/// Id of the key that signs.
const KEY_ID: &str = "7f1a52d6-5c1f-4c5e-9a4d-0d6f1f6f2a10";
/// `SubjectPublicKeyInfo` of a P-256 point (RFC 5480), up to the point.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const TOPICS: &[&str] = &[
    "ORDER_CONFIRMATION",
    "ITEM_MARKED_SHIPPED",
    "MARKETPLACE_ACCOUNT_DELETION",
    "AUTHORIZATION_REVOCATION",
];

#[derive(Debug)]
pub(super) struct Keys(Option<EcdsaKeyPair>);

impl Keys {
    pub(super) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok())
    }

    /// The public key, the way eBay gives it: PEM without line breaks.
    pub(super) fn pem(&self) -> Option<String> {
        let mut der = SPKI.to_vec();
        der.extend_from_slice(self.0.as_ref()?.public_key().as_ref());
        Some(format!("-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----", B64.encode(der)))
    }

    /// The public key of an id.
    pub(super) fn public(&self, req: &Req) -> Result<Response, Fail> {
        let pem = self.pem().filter(|_| req.part(0) == KEY_ID);
        let pem = pem.ok_or_else(|| {
            fail(
                404,
                195_000,
                "API_NOTIFICATION",
                "REQUEST",
                "Not found",
                "The specified key id does not exist.",
            )
        })?;
        Ok(json(200, &j!({"key": pem, "algorithm": "ECDSA", "digest": "SHA256"})))
    }

    fn push(&self, world: &World, state: &State, topic: &str, id: &str, data: Value) {
        let text = |s: &Value, name: &str| s.get(name).and_then(Value::as_str).map(str::to_owned);
        let wanted = state.subscriptions.values().find(|s| {
            text(s, "topicId").as_deref() == Some(topic) && text(s, "status").as_deref() == Some("ENABLED")
        });
        let (Some(wanted), Some(key)) = (wanted, self.0.as_ref()) else { return };
        let destination = text(wanted, "destinationId").and_then(|id| state.destinations.get(&id));
        let to = destination.and_then(|d| text(d.get("deliveryConfig")?, "endpoint")).unwrap_or_default();
        let now = date(world.now_ms());
        let body = j!({"metadata": {"topic": topic, "schemaVersion": "1.0", "deprecated": false},
            "notification": {"notificationId": id, "eventDate": now, "publishDate": now, "publishAttemptCount": 1, "data": data}});
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let Ok(signature) = key.sign(&SystemRandom::new(), &body) else { return };
        let header = j!({"alg": "ecdsa", "kid": KEY_ID, "signature": B64.encode(signature.as_ref()), "digest": "SHA256"});
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-ebay-signature".to_owned(), B64.encode(header.to_string())),
        ];
        world.hook(NAME, id, topic, &to, headers, body);
    }
}

fn order_data(order: &Order, line: &str) -> Value {
    j!({"user": {"userId": super::auth::SELLER, "username": super::auth::SELLER}, "order": {"orderId": order.id,
        "orderLineItems": [{"orderLineItemId": line}]}})
}

/// One message per line item, as eBay sends them.
pub(super) fn order_confirmed(world: &World, state: &State, keys: &Keys, order: &Order) {
    for line in &order.lines {
        keys.push(
            world,
            state,
            "ORDER_CONFIRMATION",
            &format!("oc-{}-{}", order.id, line.id),
            order_data(order, &line.id),
        );
    }
}

pub(super) fn shipped(world: &World, state: &State, keys: &Keys, order: &Order) {
    let n = order.parcels.len();
    let line = order.lines.first().map(|l| l.id.clone()).unwrap_or_default();
    keys.push(world, state, "ITEM_MARKED_SHIPPED", &format!("ms-{}-{n}", order.id), order_data(order, &line));
}

fn refuse(status: u16, id: u32, text: &str) -> Fail {
    fail(status, id, "API_NOTIFICATION", "REQUEST", text, text)
}

/// An address for all topics, as the seller's program registers it.
pub(super) fn subscribe(world: &World, state: &mut State, address: &str) {
    let id = world.stream(&[NAME, "destination", address]).hex(32);
    let destination = j!({"destinationId": id, "name": "listener", "status": "ENABLED", "deliveryConfig": {"endpoint": address}});
    state.destinations.insert(id.clone(), destination);
    for topic in TOPICS {
        let own = world.stream(&[NAME, "subscription", topic]).hex(32);
        let subscription = j!({"subscriptionId": own, "topicId": topic, "status": "ENABLED", "destinationId": id,
            "creationDate": date(world.now_ms())});
        state.subscriptions.insert(own, subscription);
    }
}

/// Destinations and subscriptions.
pub(super) fn handle(world: &World, state: &mut State, name: &str, req: &Req) -> Result<Response, Fail> {
    let body = req.json().unwrap_or_default();
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let created = |path: &str, id: &str| {
        let mut response = raw(201, "application/json", "{}");
        set(
            &mut response,
            "location",
            &format!("{}/commerce/notification/v1/{path}/{id}", world.base_url(NAME)),
        );
        Ok(response)
    };
    match name {
        "createDestination" => {
            let endpoint = body
                .get("deliveryConfig")
                .and_then(|d| d.get("endpoint"))
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !endpoint.starts_with("https://") {
                return Err(refuse(400, 195_003, "Invalid or missing endpoint: an https address is needed."));
            }
            let id = world.stream(&[NAME, "destination", endpoint]).hex(32);
            let mut record = body.clone();
            if let Some(map) = record.as_object_mut() {
                map.insert("destinationId".into(), id.clone().into());
            }
            state.destinations.insert(id.clone(), record);
            created("destination", &id)
        }
        "getDestinations" => {
            let all: Vec<Value> = state.destinations.values().cloned().collect();
            Ok(json(200, &j!({"href": req.path, "limit": 20, "total": all.len(), "destinations": all})))
        }
        "createSubscription" => {
            let topic = field("topicId");
            if !TOPICS.contains(&topic.as_str()) {
                return Err(refuse(400, 195_012, "Invalid or missing topic id."));
            }
            if !state.destinations.contains_key(&field("destinationId")) {
                return Err(refuse(400, 195_018, "Invalid or missing destination id."));
            }
            if state.subscriptions.values().any(|s| s.get("topicId").and_then(Value::as_str) == Some(&topic))
            {
                return Err(refuse(409, 195_021, "The subscription already exists."));
            }
            let id = world.stream(&[NAME, "subscription", &topic]).hex(32);
            let mut record = body.clone();
            if let Some(map) = record.as_object_mut() {
                map.insert("subscriptionId".into(), id.clone().into());
                map.insert("creationDate".into(), date(world.now_ms()).into());
            }
            state.subscriptions.insert(id.clone(), record);
            created("subscription", &id)
        }
        "getSubscriptions" => {
            let all: Vec<Value> = state.subscriptions.values().cloned().collect();
            Ok(json(200, &j!({"href": req.path, "limit": 20, "total": all.len(), "subscriptions": all})))
        }
        "deleteSubscription" => match state.subscriptions.remove(req.part(0)) {
            Some(_) => Ok(raw(204, "application/json", "")),
            None => Err(refuse(404, 195_001, "The subscription does not exist.")),
        },
        _ => Err(refuse(404, 195_000, "Not found.")),
    }
}
