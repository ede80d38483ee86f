//! Shopify's Admin GraphQL API, version 2026-10, of one shop that uses Shopify Payments and PayPal.
//!
//! What a client must learn here: failures in three layers (HTTP, `errors`, `userErrors` inside 200); the cost
//! bucket told in the body of every answer; `@idempotent` demanded at run time where the schema says so;
//! stock set by compare-and-set; `productSet` deletes the variants it is not told of; a product is for sale only
//! when it is active *and* published, some minutes later; cancelling is a job; a fulfilment is not idempotent;
//! payouts carry only what Shopify Payments took in.
//!
//! Sources: the 2026-10 schema and the fact sheets built from it. Unknown to both, and chosen here: the exact
//! arithmetic of query cost (see `graphql`), delays, fees (2.9 % + 0.30), presentment rates, that one of three
//! buyers who pay in the shop's currency pays through PayPal.

mod bulk;
mod catalogue;
mod finance;
mod graphql;
mod orders;
mod resolve;
mod search;
mod shop;
mod taxonomy;
mod tree;

use crate::core::buyers::{Afterthought, Offer, Purchase};
use crate::core::channel::{Call, Channel, Credentials, News, json, raw, set};
use crate::core::quota::{Bucket, Verdict};
use crate::core::world::{Event, World};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderMap;
use http::request::Parts;
use serde_json::{Map, Value, json as j};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The channel's name.
pub const NAME: &str = "shopify";
/// The one version served.
pub const VERSION: &str = "2026-10";
const DOMAIN: &str = "sim-shop.myshopify.com";
const CLIENT_ID: &str = "sim-shopify-client";
const CLIENT_SECRET: &str = "sim-shopify-secret";
/// A custom app's token; never expires.
const STATIC_TOKEN: &str = "shpat_simstatictoken";
const FIRST_REFRESH: &str = "shprt_simrefresh0";
/// The standard plan: 100 points a second.
const BUCKET: Bucket = Bucket { burst: 2_000, rate_micro: 100_000_000 };
const MAX_COST: u32 = 1_000;
const CURRENCY: &str = "USD";

/// The fake.
#[derive(Debug, Default)]
pub struct Shopify {
    shop: Mutex<shop::Shop>,
}

impl Shopify {
    fn shop(&self) -> MutexGuard<'_, shop::Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(serde::Deserialize, Default)]
struct Posted {
    #[serde(default)]
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

fn posted(body: &[u8]) -> Option<(graphql::Operation, Posted)> {
    let posted: Posted = serde_json::from_slice(body).ok()?;
    let operation = graphql::read(&posted.query, &posted.variables.clone().unwrap_or_default()).ok()?;
    Some((operation, posted))
}

fn errors(message: &str, code: &str) -> Value {
    j!([{"message": message, "locations": [{"line": 1, "column": 1}], "extensions": {"code": code}}])
}

fn throttle_status(available: u32) -> Value {
    j!({"maximumAvailable": BUCKET.burst, "currentlyAvailable": available, "restoreRate": 100})
}

impl Channel for Shopify {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subscribe(&self, _: &World, address: &str) -> bool {
        let topics = [
            "ORDERS_CREATE",
            "ORDERS_PAID",
            "ORDERS_UPDATED",
            "ORDERS_CANCELLED",
            "ORDERS_FULFILLED",
            "REFUNDS_CREATE",
        ];
        self.shop().subscriptions.extend(topics.map(|t| (t.to_owned(), address.to_owned())));
        true
    }

    fn router(self: Arc<Self>, world: World) -> Router {
        Router::new()
            .route("/admin/api/{version}/graphql.json", post(answer))
            .route("/admin/oauth/access_token", post(token))
            .route("/bulk/{file}", get(download))
            .with_state((self, world))
    }

    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[("orders", "/data/orders/nodes")]
    }

    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(resolve::OPERATIONS.to_vec())
    }

    fn classify(&self, parts: &Parts, body: &Bytes) -> Call {
        if parts.uri.path().starts_with("/bulk/") {
            let mut call = Call::new("bulkDownload", parts.uri.path());
            call.faults = false;
            return call;
        }
        if parts.uri.path().ends_with("/access_token") {
            return Call::new("oauth", "token");
        }
        // A token that never expires is not declared expired.
        let fixed = parts.headers.get("x-shopify-access-token").is_some_and(|t| t == STATIC_TOKEN);
        let mark = if fixed { "static" } else { "" };
        match posted(body) {
            Some((operation, posted)) => {
                let name = operation.fields.first().map_or("", |f| f.name.as_str()).to_owned();
                let variables = posted.variables.map(Value::Object).unwrap_or_default().to_string();
                let cost = graphql::cost(&operation).min(MAX_COST);
                Call::new(name, format!("{mark}|{}|{variables}", posted.query.len()))
                    .on("graphql", BUCKET, cost)
            }
            None => Call::new("unreadable", mark),
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(&[
            ("access_token", STATIC_TOKEN),
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("refresh_token", FIRST_REFRESH),
            ("shop_domain", DOMAIN),
            ("api_version", VERSION),
            ("location_id", shop::LOCATION),
            ("publication_id", shop::PUBLICATION),
        ])
    }

    fn throttled(&self, call: &Call, verdict: Verdict) -> Response {
        let asked = call.bucket.as_ref().map_or(10, |b| b.2);
        json(
            200,
            &j!({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}}],
                 "extensions": {"cost": {"requestedQueryCost": asked, "actualQueryCost": null, "throttleStatus": throttle_status(verdict.remaining)}}}),
        )
    }

    fn broken(&self, _call: &Call) -> Response {
        raw(503, "text/html", "<html><body>Service Unavailable</body></html>")
    }

    fn lie(&self, call: &Call) -> Option<Response> {
        (call.operation != "oauth").then(|| {
            json(
                200,
                &j!({"errors": [{"message": "Internal error. Looks like something went wrong on our end. Request ID: sim (include this in support requests).",
                    "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": "sim"}}]}),
            )
        })
    }

    fn expired(&self, call: &Call) -> Option<Response> {
        (call.operation != "oauth" && !call.key.starts_with("static")).then(unauthorized)
    }

    fn decorate(&self, call: &Call, _verdict: Option<Verdict>, response: &mut Response<Body>) {
        set(response, "x-request-id", &format!("sim-{}", call.operation));
        set(response, "x-shopify-api-version", VERSION);
    }

    fn on_event(&self, world: &World, event: &Event) {
        match event.kind.as_str() {
            "publish" | "show" => self.shown(world, &event.key),
            "bulk" => self.bulk_done(&event.key),
            "payout" => self.payout_paid(world, &event.key),
            "cancel" => self.cancel_now(world, &event.key, "seller", &event.data),
            _ => {}
        }
    }

    fn on_day(&self, world: &World, day: u32) {
        self.payout(world, day);
    }

    fn offers(&self, _world: &World) -> Vec<Offer> {
        self.shop().offers()
    }

    fn place(&self, world: &World, purchase: &Purchase) -> Option<String> {
        self.place_order(world, purchase)
    }

    fn afterthought(&self, world: &World, order: &str, what: Afterthought) {
        self.second_thought(world, order, what);
    }

    fn on_news(&self, world: &World, news: &News) {
        if let News::Delivered { tracking, .. } = news {
            self.delivered(world, tracking);
        }
    }
}

fn unauthorized() -> Response {
    json(401, &j!({"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}))
}

async fn answer(
    State((fake, world)): State<(Arc<Shopify>, World)>,
    Path(version): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get("x-shopify-access-token").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !fake.shop().token_valid(token, world.now_ms()) {
        return unauthorized();
    }
    if version != VERSION {
        return json(404, &j!({"errors": "Not Found"}));
    }
    let Ok(posted) = serde_json::from_slice::<Posted>(&body) else {
        return json(400, &j!({"errors": {"query": "Required parameter missing or invalid"}}));
    };
    let variables = posted.variables.unwrap_or_default();
    let operation = match graphql::read(&posted.query, &variables) {
        Ok(operation) => operation,
        Err(e) => return json(200, &j!({"errors": errors(&e.message, e.code)})),
    };
    let asked = graphql::cost(&operation);
    if asked > MAX_COST {
        let message =
            format!("Query cost is {asked}, which exceeds the single query max cost limit ({MAX_COST}).");
        return json(200, &j!({"errors": errors(&message, "MAX_COST_EXCEEDED")}));
    }
    let mut cutter = graphql::Cutter { all: false, items: 0 };
    let result = fake.run(&world, &operation, &mut cutter);
    let actual = if operation.mutation { 10 } else { (1 + cutter.items).min(asked) };
    let name = format!("{NAME}/graphql");
    let left = world.quotas(|q| {
        q.give_back(&name, BUCKET, asked.saturating_sub(actual));
        q.take(&name, BUCKET, 0, world.now_ms()).remaining
    });
    let extensions = j!({"cost": {"requestedQueryCost": asked, "actualQueryCost": actual, "throttleStatus": throttle_status(left)}});
    match result {
        Ok(data) => json(200, &j!({"data": data, "extensions": extensions})),
        Err(e) => json(200, &j!({"errors": errors(&e.message, e.code), "extensions": extensions})),
    }
}

async fn token(
    State((fake, world)): State<(Arc<Shopify>, World)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form =
        headers.get("content-type").is_some_and(|c| c.as_bytes().starts_with(b"application/x-www-form"));
    let fields: Map<String, Value> = if form {
        url::form_urlencoded::parse(&body)
            .map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())))
            .collect()
    } else {
        serde_json::from_slice(&body).unwrap_or_default()
    };
    let given = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    if given("client_id") != CLIENT_ID || given("client_secret") != CLIENT_SECRET {
        return json(
            401,
            &j!({"error": "invalid_client", "error_description": "The client credentials are invalid"}),
        );
    }
    let mut shop = fake.shop();
    match given("grant_type") {
        "client_credentials" => {
            let token = shop.new_token(world.now_ms(), 86_400);
            json(200, &j!({"access_token": token, "scope": shop::SCOPES, "expires_in": 86_399}))
        }
        "refresh_token" => match shop.rotate(given("refresh_token"), world.now_ms()) {
            Some((access, refresh)) => json(
                200,
                &j!({"access_token": access, "expires_in": 3_600, "refresh_token": refresh,
                    "refresh_token_expires_in": 7_776_000, "scope": shop::SCOPES}),
            ),
            None => json(
                400,
                &j!({"error": "invalid_grant", "error_description": "The refresh token is invalid or was used"}),
            ),
        },
        _ => json(400, &j!({"error": "unsupported_grant_type"})),
    }
}

async fn download(State((fake, _)): State<(Arc<Shopify>, World)>, Path(file): Path<String>) -> Response {
    match fake.shop().bulk_file(&file) {
        Some(text) => raw(200, "application/jsonl", text),
        None => raw(404, "text/plain", "not found"),
    }
}
