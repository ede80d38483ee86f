//! MyDHL API 3.1.1 of DHL Express: rates, shipments with label and customs block, paperless trade,
//! tracking over simulated days, pickups, a minimal landed cost.
//!
//! What a client must learn here: there is no void; a second create with the same reference is a second,
//! billable shipment; a shipment can be found by reference only some minutes after its creation; tracking by
//! number answers 404 before the first scan; paperless documents are refused in the first ten minutes; event
//! times are local without a zone unless the offset is asked for.
//!
//! A lie ([`Fault::Lie`]) answers with less than the truth: a booking is made and answered as if it had only been checked, a
//! pickup is ordered and its number left out, tracking tells what was scanned by yesterday, the search by reference
//! stands nearly an hour ago.
//!
//! Sources: the OpenAPI document of MyDHL 3.1.1 and the fact sheet built from it. Unknown to both, and chosen
//! here: the lag of the reference search ([`REFERENCE_LAG_MS`]), the rate limit, prices.

mod pdf;
mod rates;
mod scans;
mod shipments;
mod tracking;

use crate::core::channel::{Call, Channel, Credentials, json, set};
use crate::core::faults::Fault;
use crate::core::quota::{Bucket, Verdict};
use crate::core::world::{Event, World};
use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::response::Response;
use axum::{Extension, Router};
use base64::Engine as _;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json as j};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The channel's name.
pub const NAME: &str = "dhl-express";
/// How long a new shipment cannot be found by its reference.
pub const REFERENCE_LAG_MS: i64 = 3 * 60_000;
/// How long it cannot be, where the search lies.
const STALE_REFERENCE_MS: i64 = 50 * 60_000;
/// How old the scans are that a lying answer tells.
const STALE_SCANS_MS: i64 = 24 * 3_600_000;
/// Between create and upload of paperless documents, and between two uploads.
const UPLOAD_GAP_MS: i64 = 10 * 60_000;
const USER: &str = "sim-dhl-user";
const PASSWORD: &str = "sim-dhl-password";
const ACCOUNT: &str = "950000001";
/// Not published by DHL; generous.
const BUCKET: Bucket = Bucket { burst: 100, rate_micro: 20_000_000 };

/// One scan, past or future.
#[derive(Debug, Clone)]
struct Scan {
    at_ms: i64,
    code: &'static str,
    text: &'static str,
    area: String,
    country: String,
}

#[derive(Debug, Clone)]
struct Shipment {
    awb: String,
    pieces: Vec<String>,
    reference: String,
    account: String,
    product: String,
    created_ms: i64,
    planned_ms: i64,
    paperless: bool,
    /// An invoice goes along electronically: drawn by the carrier on request, or sent with the booking.
    invoiced: bool,
    uploaded_ms: Option<i64>,
    from: String,
    to: String,
    from_city: String,
    to_city: String,
    receiver: String,
    grams: i64,
    scans: Vec<Scan>,
    label: String,
}

#[derive(Debug, Default)]
struct Books {
    shipments: BTreeMap<String, Shipment>,
    /// Reference → AWBs in order of creation.
    references: BTreeMap<String, Vec<String>>,
    pickups: BTreeMap<String, bool>,
    /// Pickups per content, so that equal requests get different numbers.
    pickup_counts: BTreeMap<String, u32>,
}

/// The fake.
#[derive(Debug, Default)]
pub struct DhlExpress {
    books: Mutex<Books>,
}

impl DhlExpress {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, as handlers see it.
struct Ask<'a> {
    path: &'a str,
    query: Vec<(String, String)>,
    body: Value,
    instance: String,
    lie: bool,
}

impl Ask<'_> {
    /// The instant as of which a lying answer speaks: `by` before the true one.
    fn as_of(&self, world: &World, by: i64) -> i64 {
        world.now_ms() - if self.lie { by } else { 0 }
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
}

/// MyDHL's problem shape; `status` is a string.
fn problem(instance: &str, status: u16, title: &str, detail: &str) -> Response {
    let message = match status {
        422 => "Unprocessable Entity",
        404 => "Not data found",
        401 => "Unauthorized",
        429 => "Too Many Requests",
        _ => "Bad request",
    };
    json(
        status,
        &j!({"instance": format!("/expressapi{instance}"), "detail": detail, "title": title, "message": message,
             "status": status.to_string()}),
    )
}

fn bad(ask: &Ask<'_>, detail: &str) -> Response {
    problem(&ask.instance, 400, "Bad request", detail)
}

fn schema(ask: &Ask<'_>, detail: &str) -> Response {
    problem(&ask.instance, 422, "Validation error", detail)
}

fn absent(ask: &Ask<'_>, detail: &str) -> Response {
    problem(&ask.instance, 404, "Not data found", detail)
}

/// The path below the API's base; both documented bases and the bare host are served.
fn below(path: &str) -> &str {
    let path = path.strip_prefix("/mydhlapi").unwrap_or(path);
    path.strip_prefix("/test").unwrap_or(path)
}

/// Text of a JSON scalar, empty for anything else.
fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        _ => String::new(),
    }
}

/// A JSON number with exactly the digits of `text`.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// A decimal with at most three places, in thousandths: kilograms to grams, prices for sums.
fn milli(value: &Value) -> Option<i64> {
    crate::core::money::minor(&text(value), "KWD")
}

/// What [`operation`] knows.
const OPERATIONS: &[&str] = &[
    "rates",
    "products",
    "landedCost",
    "createShipment",
    "track",
    "trackMany",
    "uploadImage",
    "proofOfDelivery",
    "getImage",
    "createPickup",
    "updatePickup",
    "cancelPickup",
    "addressValidate",
    "identifiers",
];

fn operation(method: &Method, path: &str) -> &'static str {
    let path = below(path);
    match (method.as_str(), path) {
        ("GET" | "POST", "/rates") => "rates",
        ("GET", "/products") => "products",
        ("POST", "/landed-cost") => "landedCost",
        ("POST", "/shipments") => "createShipment",
        ("GET", "/tracking") => "trackMany",
        ("POST", "/pickups") => "createPickup",
        ("GET", "/address-validate") => "addressValidate",
        ("GET", "/identifiers") => "identifiers",
        ("PATCH", p) if p.starts_with("/pickups/") => "updatePickup",
        ("DELETE", p) if p.starts_with("/pickups/") => "cancelPickup",
        (_, p) if p.ends_with("/tracking") => "track",
        (_, p) if p.ends_with("/upload-image") => "uploadImage",
        (_, p) if p.ends_with("/proof-of-delivery") => "proofOfDelivery",
        (_, p) if p.ends_with("/get-image") => "getImage",
        _ => "unknown",
    }
}

impl Channel for DhlExpress {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>, world: World) -> Router {
        Router::new().fallback(handle).with_state((self, world))
    }

    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(OPERATIONS.to_vec())
    }

    fn classify(&self, parts: &Parts, body: &Bytes) -> Call {
        let operation = operation(&parts.method, parts.uri.path());
        // A retry carries the same references; dates in the body may have moved.
        let key = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|v| v.pointer("/customerReferences/0/value").map(text))
            .filter(|r| !r.is_empty())
            .unwrap_or_else(|| {
                format!("{}?{}", below(parts.uri.path()), parts.uri.query().unwrap_or_default())
            });
        Call::new(operation, key).on("account", BUCKET, 1)
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(&[("username", USER), ("password", PASSWORD), ("account_number", ACCOUNT)])
    }

    fn throttled(&self, call: &Call, verdict: Verdict) -> Response {
        let mut response =
            problem(&format!("/{}", call.operation), 429, "Too Many Requests", "Rate limit exceeded");
        set(&mut response, "retry-after", &verdict.wait_ms.div_ceil(1_000).max(1).to_string());
        response
    }

    fn broken(&self, call: &Call) -> Response {
        // Some of MyDHL's own 500s say `code` where all others say `status`.
        json(
            500,
            &j!({"instance": format!("/expressapi/{}", call.operation),
                 "detail": "999: Process failure occurred. Process ID associated for that transaction (1234567890)",
                 "title": "Internal Server Error", "message": "Internal Server Error", "code": "500"}),
        )
    }

    fn decorate(&self, call: &Call, _verdict: Option<Verdict>, response: &mut Response<Body>) {
        set(response, "invocation-id", &format!("sim-{}", call.operation));
    }

    fn on_event(&self, world: &World, event: &Event) {
        if event.kind == "scan" {
            self.scanned(world, &event.key, event.at_ms);
        }
    }
}

/// What was done, or the half of it that a lie tells.
fn half(done: Response, ask: &Ask<'_>, told: &Value) -> Response {
    if ask.lie && done.status().is_success() { json(done.status().as_u16(), told) } else { done }
}

async fn handle(
    Shared((fake, world)): Shared<(Arc<DhlExpress>, World)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    fault: Option<Extension<Fault>>,
    body: Bytes,
) -> Response {
    let lie = fault.is_some_and(|Extension(fault)| fault == Fault::Lie);
    let path = below(uri.path()).to_owned();
    let instance = match uri.query() {
        Some(q) => format!("{path}?{q}"),
        None => path.clone(),
    };
    let mut response = answer(&fake, &world, &method, &uri, &headers, &body, &path, instance, lie);
    if let Some(reference) = headers.get("message-reference").and_then(|v| v.to_str().ok()) {
        set(&mut response, "message-reference", reference);
    }
    response
}

#[allow(clippy::too_many_arguments)] // one call, from the function above
fn answer(
    fake: &DhlExpress,
    world: &World,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    path: &str,
    instance: String,
    lie: bool,
) -> Response {
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let given = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if given != format!("Basic {expected}") {
        return problem(&instance, 401, "Unauthorized", "Invalid Credentials");
    }
    if !headers.contains_key("x-version") {
        return problem(
            &instance,
            400,
            "Missing parameters",
            "Missing mandatory header parameters: x-version",
        );
    }
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect();
    let mut ask = Ask { path, query, body: Value::Null, instance, lie };
    if matches!(*method, Method::POST | Method::PATCH) {
        match serde_json::from_slice(body) {
            Ok(value) => ask.body = value,
            Err(error) => return schema(&ask, &format!("#: the body is not JSON: {error}")),
        }
    }
    match operation(method, path) {
        "rates" | "products" => rates::rates(&ask, method == Method::GET, world),
        "landedCost" => rates::landed_cost(&ask),
        "createShipment" => half(fake.create(&ask, world), &ask, &j!({"warnings": []})),
        "track" => fake.track_one(&ask, world),
        "trackMany" => fake.track_many(&ask, world),
        "uploadImage" => fake.upload(&ask, world),
        "getImage" => fake.image(&ask),
        "proofOfDelivery" => fake.proof(&ask, world),
        "createPickup" => half(fake.pickup(&ask, world), &ask, &j!({"warnings": []})),
        "updatePickup" => fake.update_pickup(&ask, world),
        "cancelPickup" => fake.cancel_pickup(&ask),
        "addressValidate" => rates::address(&ask),
        "identifiers" => bad(&ask, "3501: Identifiers are not allowed for this account"),
        _ => absent(&ask, "The requested resource does not exist"),
    }
}
