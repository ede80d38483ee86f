//! The Chinese customs port for cross-border e-commerce (CEB messages, edition 2022-05), import side.
//!
//! # Transport
//!
//! The data exchange platform itself speaks AS2, MQ or JMS. Simulated is the HTTP bridge that local
//! E-ports offer, a vendor profile and not the standard (fact sheet, section 14):
//!
//! | request | answer |
//! |---|---|
//! | `POST /cebcmsg`, body a `DxpMsg` (`application/xml`) | `200 OK` with the body `OK`: taken in, nothing more. Envelope trouble: `200` with a `DxpRep` |
//! | `GET /receipts?after=N&limit=M` (at most 100) | `200`, JSON `{"last": N, "messages": ["<DxpMsg ...>", ...]}`: the mailbox of the caller's DXP id after position `N` |
//! | `GET /receipts?orderNo=X` | the same, only receipts that concern that order |
//! | `POST /sign`, JSON `{"method": URI, "signed_info": base64}` | `200`, JSON `{"value", "cert_no", "certificate"}`: the signing service that a declarant runs beside the key |
//!
//! All but the last take HTTP Basic with `dxp_id` and `bridge_password`; the signing service takes `signer_token` as a
//! bearer token. Every receipt is also pushed as a hook
//! (topic: its message type, body: the `DxpMsg`).
//!
//! # What customs does
//!
//! - A `CopMsgId` that was seen is answered `OK` and not processed again.
//! - Format: missing, empty or overlong fields, bad decimals, wrong enumerations → `CEB900` with a
//!   negative status, and nothing else happens.
//! - `311`, `411`, `511`: receipts `2`, `3`, `120`; or one negative receipt.
//! - `621`: `2`, `3`; then the three documents are matched by exact equality. They may come later:
//!   customs looks every 30 minutes for a day, then answers `100`. A mismatch is `100` at once, with
//!   the reasons. Limits (5,000 per order, 26,000 per buyer and year) are `-621005`, `-621018`.
//!   Matched: `120`, for some `300` or `500` for hours, `399`, `800`, the tax bill (`816`), two days
//!   later `899`. After `100` the list can be sent again with `appType` 2.
//! - `623` withdraws before `399`; `625` refunds after `800`; both answer `2`, `120`, `399`.
//!
//! Taxes: duty 0, consumption tax 0, VAT 13 % (9 % for chapters 04, 07, 08, 10 and 49) × 70 %, per
//! line on price plus freight share. The signature of a `621` must be there; it is not verified
//! (SM2 certificates are not simulated).
//!
//! Credentials: `dxp_id`, `bridge_password`, `signer_token`, `receiver_id`, `cop_code`, `cop_name`, `ebp_code`,
//! `pay_code`, `logistics_code`, `customs_code`.

mod documents;
mod fields;
mod matching;
mod receipts;
mod state;

use super::ebay::xml::Node;
use crate::core::channel::{Call, Channel, Credentials, json, raw};
use crate::core::quota::{Bucket, Verdict};
use crate::core::world::{Event, World};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use bytes::Bytes;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) const NAME: &str = "china-ceb";
const DXP_ID: &str = "DXPENT0000000001";
const PASSWORD: &str = "simulated-bridge-password";
const SIGNER_TOKEN: &str = "simulated-signer-token";
/// The platform for imports.
const RECEIVER: &str = "DXPEDCCEB0000002";
/// 250 messages a minute: the pace of a hardware signing key (specification, annex 3).
const PACE: Bucket = Bucket { burst: 250, rate_micro: 4_166_667 };

/// The fake. See the module documentation.
#[derive(Debug, Default)]
pub struct ChinaCeb(Mutex<State>);

impl ChinaCeb {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, world: &World, parts: &Parts, body: &Bytes) -> Response {
        let header = parts.headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        if (parts.method.as_str(), parts.uri.path()) == ("POST", "/sign") {
            return sign(header, body);
        }
        if header != format!("Basic {}", B64.encode(format!("{DXP_ID}:{PASSWORD}"))) {
            return raw(401, "text/plain; charset=utf-8", "DXP id or password is wrong");
        }
        match (parts.method.as_str(), parts.uri.path()) {
            ("POST", "/cebcmsg") => self.take_in(world, body),
            ("GET", "/receipts") => {
                let query: Vec<(String, String)> =
                    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                        .into_owned()
                        .collect();
                receipts::mailbox(&self.lock(), &query)
            }
            _ => raw(404, "text/plain; charset=utf-8", "no such address"),
        }
    }

    /// Envelope checks; the rest happens later, out of the caller's sight.
    fn take_in(&self, world: &World, body: &Bytes) -> Response {
        let Some(message) = Node::parse(body).filter(|n| n.name == "DxpMsg") else {
            return receipts::rejected("0002", "not a DxpMsg", "", "");
        };
        let (id, kind) = (message.get(&["TransInfo", "CopMsgId"]), message.get(&["TransInfo", "MsgType"]));
        let refuse = |code: &str, why: &str| receipts::rejected(code, why, id, kind);
        if id.is_empty() || id.len() > 255 || kind.is_empty() {
            return refuse("0001", "CopMsgId or MsgType is missing");
        }
        if message.get(&["TransInfo", "SenderId"]) != DXP_ID {
            return refuse("2002", "SenderId is not the connected client");
        }
        let to = message.child("TransInfo").and_then(|t| t.child("ReceiverIds"));
        if !to.is_some_and(|r| r.all("ReceiverId").any(|r| r.text.trim() == RECEIVER)) {
            return refuse("2001", "unknown ReceiverId");
        }
        let Ok(business) = B64.decode(message.get(&["Data"]).split_whitespace().collect::<String>()) else {
            return refuse("0001", "Data is not Base64");
        };
        let mut state = self.lock();
        if state.seen.insert(id.to_owned()) {
            state.inbox.insert(id.to_owned(), (kind.to_owned(), business));
            let wait = world.stream(&[NAME, "ingest", id]).between(1_000, 8_000);
            world.schedule(NAME, wait, "ingest", id, serde_json::Value::Null);
        }
        raw(200, "text/plain; charset=utf-8", "OK")
    }
}

/// The signing service: a value that depends on every byte of the question, by a key that is none.
fn sign(header: &str, body: &Bytes) -> Response {
    if header != format!("Bearer {SIGNER_TOKEN}") {
        return raw(401, "text/plain; charset=utf-8", "token is wrong");
    }
    let question: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| question.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let info = B64.decode(text("signed_info")).unwrap_or_default();
    if !info.starts_with(b"<ds:SignedInfo xmlns:ceb=") || text("method").is_empty() {
        return raw(400, "text/plain; charset=utf-8", "signed_info is not a canonical SignedInfo");
    }
    let value = B64.encode(Sha256::digest([text("method").as_bytes(), &info].concat()));
    let certificate = B64.encode("a simulated certificate");
    json(200, &serde_json::json!({"value": value, "cert_no": "0300000000000001", "certificate": certificate}))
}

impl Channel for ChinaCeb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>, world: World) -> Router {
        Router::new().fallback(move |request: http::Request<Body>| {
            let (port, world) = (Arc::clone(&self), world.clone());
            async move {
                let (parts, body) = request.into_parts();
                match axum::body::to_bytes(body, usize::MAX).await {
                    Ok(body) => port.handle(&world, &parts, &body),
                    Err(_) => raw(400, "text/plain", "unreadable body"),
                }
            }
        })
    }

    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[("receipts", "/messages")]
    }

    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(vec!["submit", "sign", "receipts"])
    }

    fn classify(&self, parts: &Parts, body: &Bytes) -> Call {
        match (parts.method.as_str(), parts.uri.path()) {
            ("POST", "/cebcmsg") => {
                // The client's own id is stable over retries; without one, the body is.
                let key = Node::parse(body)
                    .map(|n| n.get(&["TransInfo", "CopMsgId"]).to_owned())
                    .filter(|k| !k.is_empty());
                let key = key.unwrap_or_else(|| hex::encode(Sha256::digest(body)));
                Call::new("submit", key).on("submit", PACE, 1)
            }
            ("POST", "/sign") => Call::new("sign", hex::encode(Sha256::digest(body))),
            (_, path) => Call::new("receipts", format!("{path}?{}", parts.uri.query().unwrap_or_default())),
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(&[
            ("dxp_id", DXP_ID),
            ("bridge_password", PASSWORD),
            ("signer_token", SIGNER_TOKEN),
            ("receiver_id", RECEIVER),
            ("cop_code", "3301960DEF"),
            ("cop_name", "示例电商企业有限公司"),
            ("ebp_code", "3301960ABC"),
            ("pay_code", "312226T001"),
            ("logistics_code", "3301980LOG"),
            ("customs_code", "2923"),
        ])
    }

    fn throttled(&self, _: &Call, _: Verdict) -> Response {
        raw(503, "text/plain; charset=utf-8", "BUSY")
    }

    fn broken(&self, _: &Call) -> Response {
        raw(500, "text/plain; charset=utf-8", "ERROR")
    }

    fn lie(&self, call: &Call) -> Option<Response> {
        (call.operation == "submit").then(|| receipts::rejected("3001", "system error", &call.key, ""))
    }

    fn on_event(&self, world: &World, event: &Event) {
        let mut state = self.lock();
        match event.kind.as_str() {
            "ingest" => documents::ingest(world, &mut state, &event.key),
            "receipt" => receipts::due(world, &mut state, event),
            "match" => matching::look(world, &mut state, &event.key),
            "step" => matching::step(world, &mut state, event),
            _ => {}
        }
    }
}
