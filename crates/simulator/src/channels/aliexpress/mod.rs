//! AliExpress seller API on the IOP gateway: `/rest` for tokens, `/sync` for business, everything signed.
//!
//! What a client must learn here: errors arrive inside HTTP 200 in three layers (gateway, remote service,
//! per item of a batch); lists are wrapped once more unless `simplify=true`; order numbers exceed 2^53; order
//! times are wall clock of Los Angeles without an offset; a product passes an audit before buyers see it, and
//! reads and buyers see stock and price two minutes late; `FINISH` is not money, `loan_info` is.
//!
//! Sources: the per-method metadata of the seller methods and the fact sheet built from it. Unknown to both,
//! and chosen here: how long an audit lasts, which orders wait in `RISK_CONTROL`, rates of commission, the
//! quota (one bucket of `BUCKET` per seller), access tokens of one day so that a short run sees a refresh.

mod gateway;
mod issues;
mod loans;
mod orders;
mod products;
mod shapes;

use crate::core::buyers::{Afterthought, Offer, Purchase};
use crate::core::channel::{Call, Channel, Credentials, News, json, raw};
use crate::core::quota::{Bucket, Verdict};
use crate::core::world::{Event, World};
use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use http::request::Parts;
use serde_json::{Value, json as j};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The channel's name.
pub const NAME: &str = "aliexpress";
const APP_KEY: &str = "501234";
const APP_SECRET: &str = "sim-aliexpress-secret";
const CODE: &str = "3_501234_simConsentCode";
const FIRST_REFRESH: &str = "50001001simRefresh0";
/// Not published; a guess on the generous side.
const BUCKET: Bucket = Bucket { burst: 40, rate_micro: 10_000_000 };
/// The shop's product currency.
const CURRENCY: &str = "USD";
/// Until buyers and readers see a change of stock or price.
const LAG_MS: i64 = 120_000;

#[derive(Debug, Clone, Default)]
struct Sku {
    code: String,
    price: i64,
    stock: u64,
    ean: String,
    /// What reads and buyers see.
    shown_price: i64,
    shown_stock: u64,
}

#[derive(Debug, Clone, Default)]
struct Product {
    id: u64,
    status: String,
    refusal: String,
    subject: String,
    request: Value,
    skus: Vec<Sku>,
    created_ms: i64,
    modified_ms: i64,
}

impl Product {
    fn sku(&mut self, code: &str) -> Option<&mut Sku> {
        self.skus.iter_mut().find(|s| s.code == code)
    }
}

#[derive(Debug, Clone)]
struct Line {
    child: u64,
    product: u64,
    sku: String,
    name: String,
    quantity: u32,
    unit: i64,
}

#[derive(Debug, Clone)]
struct Order {
    id: u64,
    status: String,
    before: String,
    end_reason: String,
    issue: String,
    issue_opened_ms: Option<i64>,
    issue_changed_ms: Option<i64>,
    buyer: crate::core::buyers::Buyer,
    lines: Vec<Line>,
    shipping: i64,
    total: i64,
    refunded: i64,
    created_ms: i64,
    updated_ms: i64,
    paid_ms: Option<i64>,
    shipped_ms: Option<i64>,
    ended_ms: Option<i64>,
    /// Released to the seller, and the commission that was kept.
    loan: Option<(i64, i64)>,
    parcels: Vec<(String, String, i64)>,
}

impl Order {
    fn goods(&self) -> i64 {
        self.lines.iter().map(|l| l.unit * i64::from(l.quantity)).sum()
    }
}

#[derive(Debug, Default)]
struct Shop {
    products: BTreeMap<u64, Product>,
    /// How many products were posted under a first SKU, so that a repeated post gets its own id.
    posts: BTreeMap<String, u32>,
    orders: BTreeMap<u64, Order>,
    /// Access token → end, refresh tokens issued.
    access: BTreeMap<String, i64>,
    refresh: Vec<String>,
}

/// The fake.
#[derive(Debug, Default)]
pub struct AliExpress {
    shop: Mutex<Shop>,
}

impl AliExpress {
    fn shop(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gateway_error(code: &str, kind: &str, message: &str) -> Value {
    j!({"error_response": {"type": kind, "code": code, "msg": message, "request_id": "2101simulated"}})
}

/// An error of the service behind the gateway.
fn remote_error(sub_code: &str, sub_message: &str) -> Value {
    j!({"error_response": {"code": "15", "msg": "Remote service error", "sub_code": sub_code,
        "sub_msg": sub_message, "request_id": "2101simulated"}})
}

fn said(call: &Call, code: &str, kind: &str, message: &str) -> Response {
    if call.operation.starts_with("/auth/") {
        json(200, &j!({"code": code, "type": kind, "message": message, "request_id": "2101simulated"}))
    } else {
        json(200, &gateway_error(code, kind, message))
    }
}

impl Channel for AliExpress {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>, world: World) -> Router {
        Router::new().fallback(gateway::handle).with_state((self, world))
    }

    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        // Simplified, and wrapped.
        &[
            ("aliexpress.solution.order.get", "/result/target_list"),
            (
                "aliexpress.solution.order.get",
                "/aliexpress_solution_order_get_response/result/target_list/order_dto",
            ),
            ("aliexpress.trade.redefining.findloanlistquery", "/result/order_list"),
            (
                "aliexpress.trade.redefining.findloanlistquery",
                "/aliexpress_trade_redefining_findloanlistquery_response/result/order_list/order_loan_item_vo",
            ),
        ]
    }

    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(gateway::OPERATIONS.to_vec())
    }

    fn classify(&self, parts: &Parts, body: &Bytes) -> Call {
        let mut params = gateway::params(parts.uri.query().unwrap_or_default(), body);
        let operation = match parts.uri.path().strip_prefix("/rest") {
            Some(path) => path.to_owned(),
            None => params.get("method").cloned().unwrap_or_default(),
        };
        for volatile in ["sign", "timestamp", "access_token", "session"] {
            params.remove(volatile);
        }
        let key = params.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
        Call::new(operation, key).on("seller", BUCKET, 1)
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(&[
            ("app_key", APP_KEY),
            ("app_secret", APP_SECRET),
            ("code", CODE),
            ("callback", "https://shop.example/aliexpress"),
            ("refresh_token", FIRST_REFRESH),
        ])
    }

    fn throttled(&self, call: &Call, verdict: Verdict) -> Response {
        let seconds = verdict.wait_ms.div_ceil(1_000).max(1);
        said(
            call,
            "ApiCallLimit",
            "SYSTEM",
            &format!("Api access frequency exceeds the limit. this ban will last {seconds} seconds"),
        )
    }

    fn broken(&self, _call: &Call) -> Response {
        raw(502, "text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>")
    }

    fn lie(&self, call: &Call) -> Option<Response> {
        Some(said(call, "ServiceTimeout", "ISP", "The remote service did not answer in time"))
    }

    fn expired(&self, call: &Call) -> Option<Response> {
        (!call.operation.starts_with("/auth/")).then(|| {
            said(call, "IllegalAccessToken", "ISV", "The specified access token is invalid or expired")
        })
    }

    fn on_event(&self, world: &World, event: &Event) {
        match event.kind.as_str() {
            "audit" => self.audited(world, &event.key),
            "show" => self.show(world, &event.key),
            _ => self.order_event(world, event),
        }
    }

    fn offers(&self, _world: &World) -> Vec<Offer> {
        let shop = self.shop();
        let live = shop.products.values().filter(|p| p.status == "onSelling");
        live.flat_map(|p| p.skus.iter().map(move |s| (p.id, s)))
            .map(|(id, s)| Offer {
                sku: s.code.clone(),
                listing: id.to_string(),
                site: "ae_global".to_owned(),
                currency: CURRENCY.to_owned(),
                price: s.shown_price,
                available: s.shown_stock,
                countries: ["US", "ES", "FR", "BR", "PL", "KR"].map(str::to_owned).to_vec(),
            })
            .collect()
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
