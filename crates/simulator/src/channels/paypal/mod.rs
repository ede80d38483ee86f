//! PayPal: payments that happen elsewhere, seen through its APIs, reports and webhooks.
//!
//! Payments arrive as [`News::Paid`] with `through == "paypal"` (the own store tells it when a buyer
//! pays), through [`PayPal::pay`], or over HTTP with `POST /sim/pay`
//! `{"channel","order","currency","value","email"}`; `POST /sim/dispute {"capture_id"}` opens a case.
//!
//! - Fee 3.49 % plus a fixed part; kept on refunds. Every midnight (UTC) each positive balance is
//!   swept to the bank (`T0400` with a bank reference).
//! - Transaction Search: windows of at most 31 days, `end_date` cut at `last_refreshed_datetime`
//!   (five minutes ago), rows visible up to three hours late, at most 10,000 matches.
//! - `PayPal-Request-Id` makes refunds idempotent.
//! - Settlement reports lie under `GET /ppreports/outgoing`, which stands for the SFTP drop: a JSON
//!   list of names; each file under `/ppreports/outgoing/{name}`. One STL file per UTC day. The TRR
//!   report is not simulated.
//! - Webhooks are signed with an RSA key made at start; the certificate is served under `/certs/`.
//!   They go out once a webhook is registered. PKCS #1 v1.5 signatures are deterministic, but the
//!   key is not: bodies are equal between equal runs, signatures are not.
//!
//! - A lie ([`Fault::Lie`]) answers 200 with less than the truth: the search, the list of disputes and the report
//!   folder as they stood some hours ago, a refund that was made and is told as pending.
//!
//! Credentials: `client_id`, `client_secret`, `account`, `webhook_id` (of the first webhook made).

mod answers;
mod disputes;
mod reports;
mod search;
mod webhooks;

use self::answers::{
    capture_view, fail, invalid, invalid_token, invoice, not_found, pending, refund_view, unprocessable,
};
use crate::core::buyers::Buyer;
use crate::core::channel::{Call, Channel, Credentials, News, json, raw, set};
use crate::core::clock::iso_seconds;
use crate::core::faults::Fault;
use crate::core::money::{minor, share};
use crate::core::quota::Verdict;
use crate::core::world::{Event, World};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json as j};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) const NAME: &str = "paypal";
const CLIENT_ID: &str = "AXsimulatedClientId";
const SECRET: &str = "EKsimulatedSecret";
const ACCOUNT: &str = "SIMTRADEWIND1";
const WEBHOOK: &str = "1SIM4291016473214C";
/// Life of an access token (9 hours).
const LIFE_S: i64 = 32_400;
/// How far back a lying list stands.
const STALE_MS: i64 = 6 * 3_600_000;

/// The operations that faults may strike.
const OPERATIONS: &[&str] = &[
    "token",
    "search.get",
    "balances.get",
    "captures.get",
    "captures.refund",
    "refunds.get",
    "disputes",
    "verify-webhook-signature.post",
    "webhooks",
    "reports",
];

/// Where an order came from and what it cost.
#[derive(Debug, Clone)]
struct Row {
    id: String,
    /// `T0006`, `T1107`, `T0400`.
    code: &'static str,
    at_ms: i64,
    visible_ms: i64,
    currency: String,
    /// Signed, minor units.
    amount: i64,
    /// Signed: negative is charged.
    fee: i64,
    invoice: String,
    reference: String,
    bank: String,
    payer: String,
    country: String,
}

#[derive(Debug, Clone)]
struct Capture {
    id: String,
    channel: String,
    order: String,
    currency: String,
    amount: i64,
    fee: i64,
    at_ms: i64,
    /// (refund id, amount, at).
    refunds: Vec<(String, i64, i64)>,
}

#[derive(Debug, Default)]
struct State {
    tokens: BTreeMap<String, i64>,
    issued: u64,
    rows: Vec<Row>,
    captures: BTreeMap<String, Capture>,
    /// Balance by currency.
    balances: BTreeMap<String, i64>,
    /// Answers by `PayPal-Request-Id`.
    answered: BTreeMap<String, Value>,
    webhooks: BTreeMap<String, Value>,
    disputes: BTreeMap<String, disputes::Dispute>,
    reports: BTreeMap<String, String>,
    /// Captures since the last sweep: (channel, order) by currency.
    unswept: BTreeMap<String, Vec<(String, String)>>,
}

/// The fake. See the module documentation.
#[derive(Debug, Default)]
pub struct PayPal {
    state: Mutex<State>,
    signer: webhooks::Signer,
}

impl PayPal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buyer pays `amount` minor units for an order of `channel`; the capture's id. Twice is once.
    pub fn pay(
        &self,
        world: &World,
        channel: &str,
        order: &str,
        currency: &str,
        amount: i64,
        payer: &Buyer,
    ) -> String {
        let mut state = self.lock();
        let id = world.stream(&[NAME, "capture", channel, order]).alnum(17);
        if state.captures.contains_key(&id) {
            return id;
        }
        let fixed = if crate::core::money::exponent(currency) == 0 { 40 } else { 49 };
        let fee = share(amount, 349, 10_000) + fixed;
        let capture = Capture {
            id: id.clone(),
            channel: channel.to_owned(),
            order: order.to_owned(),
            currency: currency.to_owned(),
            amount,
            fee,
            at_ms: world.now_ms(),
            refunds: Vec::new(),
        };
        let row = Row {
            id: id.clone(),
            code: "T0006",
            currency: currency.to_owned(),
            amount,
            fee: -fee,
            invoice: invoice(order),
            reference: String::new(),
            ..blank(world, payer)
        };
        book(world, &mut state, row);
        state.unswept.entry(currency.to_owned()).or_default().push((channel.to_owned(), order.to_owned()));
        world.ledger(|l| {
            l.fee(NAME, currency, fee);
            l.through(channel, NAME, currency, amount);
        });
        let view = capture_view(world, &capture);
        self.signer.push(world, &state.webhooks, "PAYMENT.CAPTURE.COMPLETED", "capture", &id, &view);
        state.captures.insert(id.clone(), capture);
        id
    }

    /// Money goes back; the refund's id. `None`: no such capture, or more than what is left.
    fn refund(&self, world: &World, state: &mut State, capture_id: &str, amount: i64) -> Option<String> {
        let capture = state.captures.get_mut(capture_id)?;
        let back: i64 = capture.refunds.iter().map(|r| r.1).sum();
        if amount <= 0 || back + amount > capture.amount {
            return None;
        }
        let id = world.stream(&[NAME, "refund", capture_id, &capture.refunds.len().to_string()]).alnum(17);
        capture.refunds.push((id.clone(), amount, world.now_ms()));
        let capture = capture.clone();
        let row = Row {
            id: id.clone(),
            code: "T1107",
            currency: capture.currency.clone(),
            amount: -amount,
            invoice: invoice(&capture.order),
            reference: capture.id.clone(),
            ..blank(world, &nobody())
        };
        book(world, state, row);
        world.ledger(|l| l.through(&capture.channel, NAME, &capture.currency, -amount));
        let view = refund_view(world, &capture, &id);
        self.signer.push(world, &state.webhooks, "PAYMENT.CAPTURE.REFUNDED", "refund", &id, &view);
        Some(id)
    }

    fn token(&self, world: &World, parts: &Parts, body: &Bytes) -> Response {
        let basic = format!("Basic {}", B64.encode(format!("{CLIENT_ID}:{SECRET}")));
        if header(parts, "authorization") != basic {
            return json(
                401,
                &j!({"error": "invalid_client", "error_description": "Client Authentication failed"}),
            );
        }
        if !url::form_urlencoded::parse(body).any(|(k, v)| k == "grant_type" && v == "client_credentials") {
            return json(
                400,
                &j!({"error": "unsupported_grant_type", "error_description": "Grant Type is NULL"}),
            );
        }
        let mut state = self.lock();
        state.issued += 1;
        let token = format!(
            "A21AA{}",
            hex::encode(Sha256::digest(format!("{}/{}/{}", world.seed(), world.now_ms(), state.issued)))
        );
        state.tokens.insert(token.clone(), world.now_ms() + LIFE_S * 1_000);
        json(
            200,
            &j!({"scope": "https://uri.paypal.com/services/reporting/search/read https://uri.paypal.com/services/payments/refund https://uri.paypal.com/services/disputes/read-seller https://uri.paypal.com/services/applications/webhooks",
            "access_token": token, "token_type": "Bearer", "app_id": "APP-80W284485P519543T", "expires_in": LIFE_S, "nonce": format!("{}simulated", iso_seconds(world.now()))}),
        )
    }

    fn handle(&self, world: &World, parts: &Parts, body: &Bytes) -> Response {
        let path = parts.uri.path().to_owned();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let method = parts.method.as_str();
        let stale = if parts.extensions.get::<Fault>() == Some(&Fault::Lie) { STALE_MS } else { 0 };
        match (method, segments.as_slice()) {
            ("POST", ["v1", "oauth2", "token"]) => return self.token(world, parts, body),
            ("GET", ["certs", _]) => return self.signer.certificate(),
            ("POST", ["sim", what]) => return self.by_hand(world, what, body),
            // The drop has a login of its own (SSH keys); an access token is never sent there.
            ("GET", ["ppreports", "outgoing"]) => {
                let state = self.lock();
                // A mirror that was not filled yet lacks the newest file; names go by days.
                let lacks = usize::from(stale > 0);
                let told = state.reports.len().saturating_sub(lacks);
                return json(200, &j!({"files": state.reports.keys().take(told).collect::<Vec<_>>()}));
            }
            ("GET", ["ppreports", "outgoing", name]) => {
                return match self.lock().reports.get(*name) {
                    Some(text) => raw(200, "text/csv; charset=utf-8", text.clone()),
                    None => not_found(),
                };
            }
            _ => {}
        }
        let given = header(parts, "authorization").strip_prefix("Bearer ").unwrap_or_default();
        if self.lock().tokens.get(given).is_none_or(|end| *end <= world.now_ms()) {
            return invalid_token();
        }
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut state = self.lock();
        match (method, segments.as_slice()) {
            ("GET", ["v1", "reporting", "transactions"]) => {
                search::transactions(world, &state, &query, stale)
            }
            ("GET", ["v1", "reporting", "balances"]) => search::balances(world, &state, &query),
            ("GET", ["v2", "payments", "captures", id]) => match state.captures.get(*id) {
                Some(capture) => json(200, &capture_view(world, capture)),
                None => not_found(),
            },
            ("POST", ["v2", "payments", "captures", id, "refund"]) => {
                let request = header(parts, "paypal-request-id");
                let made = self.refund_call(world, &mut state, id, request, &sent);
                if stale > 0 && made.status() == 201 { pending(&state, id, request) } else { made }
            }
            ("GET", ["v2", "payments", "refunds", id]) => {
                let found = state.captures.values().find(|c| c.refunds.iter().any(|r| r.0 == *id));
                found.map_or_else(not_found, |c| json(200, &refund_view(world, c, id)))
            }
            ("GET", ["v1", "customer", "disputes"]) => disputes::list(world, &state, &query, stale),
            ("GET", ["v1", "customer", "disputes", id]) => disputes::get(world, &state, id),
            ("POST", ["v1", "customer", "disputes", id, what]) => {
                self.dispute_action(world, &mut state, id, what)
            }
            ("POST", ["v1", "notifications", "webhooks"]) => webhooks::register(&mut state.webhooks, &sent),
            ("GET", ["v1", "notifications", "webhooks"]) => {
                json(200, &j!({"webhooks": state.webhooks.values().collect::<Vec<_>>()}))
            }
            ("POST", ["v1", "notifications", "verify-webhook-signature"]) => {
                self.signer.verify(&state.webhooks, body, &sent)
            }
            _ => not_found(),
        }
    }

    fn refund_call(
        &self,
        world: &World,
        state: &mut State,
        id: &str,
        request: &str,
        sent: &Value,
    ) -> Response {
        if request.len() > 108 {
            return invalid("INVALID_STRING_LENGTH", "PayPal-Request-Id is longer than 108 characters.");
        }
        if let Some(answer) = state.answered.get(request).filter(|_| !request.is_empty()) {
            return json(201, answer);
        }
        let Some(capture) = state.captures.get(id).cloned() else { return not_found() };
        let left = capture.amount - capture.refunds.iter().map(|r| r.1).sum::<i64>();
        let amount = match sent.get("amount") {
            None => left,
            Some(m) => {
                let same = m.get("currency_code").and_then(Value::as_str) == Some(capture.currency.as_str());
                match m
                    .get("value")
                    .and_then(Value::as_str)
                    .and_then(|v| minor(v, &capture.currency))
                    .filter(|_| same)
                {
                    Some(amount) => amount,
                    None => {
                        return unprocessable(
                            "CURRENCY_MISMATCH",
                            "The currency of the refund differs from that of the capture, or the amount is malformed.",
                        );
                    }
                }
            }
        };
        if left == 0 {
            return unprocessable("CAPTURE_FULLY_REFUNDED", "The capture has already been fully refunded.");
        }
        let Some(refund) = self.refund(world, state, id, amount) else {
            return unprocessable(
                "REFUND_AMOUNT_EXCEEDED",
                "The refund amount must be less than or equal to the capture amount that has not yet been refunded.",
            );
        };
        world.ledger(|l| l.refunded(&capture.channel, &capture.order, amount));
        let view = state.captures.get(id).map(|c| refund_view(world, c, &refund)).unwrap_or_default();
        if !request.is_empty() {
            state.answered.insert(request.to_owned(), view.clone());
        }
        json(201, &view)
    }

    fn dispute_action(&self, world: &World, state: &mut State, id: &str, what: &str) -> Response {
        let Some(dispute) = state.disputes.get(id).cloned() else { return not_found() };
        match what {
            "accept-claim" if dispute.open() => {
                let refund = self.refund(world, state, &dispute.capture, dispute.amount);
                if let (Some(_), Some(c)) = (refund, state.captures.get(&dispute.capture)) {
                    let (channel, order) = (c.channel.clone(), c.order.clone());
                    world.ledger(|l| l.refunded(&channel, &order, dispute.amount));
                }
                disputes::resolve(world, state, id, "RESOLVED_BUYER_FAVOUR");
            }
            "provide-evidence" if dispute.open() => {
                disputes::resolve(world, state, id, "RESOLVED_SELLER_FAVOUR")
            }
            "accept-claim" | "provide-evidence" => {
                return unprocessable(
                    "ACTION_NOT_ALLOWED_IN_CURRENT_DISPUTE_STATE",
                    "The dispute is resolved.",
                );
            }
            _ => return not_found(),
        }
        json(
            200,
            &j!({"links": [{"href": format!("{}/v1/customer/disputes/{id}", world.base_url(NAME)), "rel": "self", "method": "GET"}]}),
        )
    }

    /// What the world does to PayPal from outside.
    fn by_hand(&self, world: &World, what: &str, body: &Bytes) -> Response {
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let get = |name: &str| sent.get(name).and_then(Value::as_str).unwrap_or_default();
        match what {
            "pay" => {
                let Some(amount) = minor(get("value"), get("currency")).filter(|a| *a > 0) else {
                    return invalid("INVALID_PARAMETER_VALUE", "value or currency");
                };
                let mut payer = nobody();
                payer.email = get("email").to_owned();
                let id = self.pay(world, get("channel"), get("order"), get("currency"), amount, &payer);
                json(200, &j!({"capture_id": id}))
            }
            "dispute" => disputes::open(world, &mut self.lock(), get("capture_id")),
            _ => not_found(),
        }
    }
}

fn nobody() -> Buyer {
    Buyer {
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        phone: String::new(),
        street: String::new(),
        city: String::new(),
        region: String::new(),
        postal_code: String::new(),
        country: String::new(),
        identity: None,
    }
}

fn blank(world: &World, payer: &Buyer) -> Row {
    Row {
        id: String::new(),
        code: "",
        at_ms: world.now_ms(),
        visible_ms: 0,
        currency: String::new(),
        amount: 0,
        fee: 0,
        invoice: String::new(),
        reference: String::new(),
        bank: String::new(),
        payer: payer.email.clone(),
        country: payer.country.clone(),
    }
}

/// Books a row; it becomes visible to the search up to three hours later.
fn book(world: &World, state: &mut State, mut row: Row) {
    row.visible_ms = row.at_ms + world.stream(&[NAME, "lag", &row.id]).between(300_000, 3 * 3_600_000);
    *state.balances.entry(row.currency.clone()).or_default() += row.amount + row.fee;
    world.ledger(|l| l.money(NAME, &row.currency).held += row.amount + row.fee);
    state.rows.push(row);
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

impl Channel for PayPal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subscribe(&self, _: &World, address: &str) -> bool {
        let sent = j!({"url": address, "event_types": [{"name": "*"}]});
        let _ = webhooks::register(&mut self.lock().webhooks, &sent);
        true
    }

    fn router(self: Arc<Self>, world: World) -> Router {
        Router::new().fallback(move |request: http::Request<Body>| {
            let (paypal, world) = (Arc::clone(&self), world.clone());
            async move {
                let (parts, body) = request.into_parts();
                match axum::body::to_bytes(body, usize::MAX).await {
                    Ok(body) => paypal.handle(&world, &parts, &body),
                    Err(_) => raw(400, "text/plain", "unreadable body"),
                }
            }
        })
    }

    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[("search.get", "/transaction_details")]
    }

    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(OPERATIONS.to_vec())
    }

    fn classify(&self, parts: &Parts, body: &Bytes) -> Call {
        let path = parts.uri.path();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let operation = match segments.as_slice() {
            ["v1", "oauth2", "token"] => "token",
            ["v1", "reporting", "transactions"] => "search.get",
            ["v1", "reporting", "balances"] => "balances.get",
            ["v2", "payments", "captures", _] => "captures.get",
            ["v2", "payments", "captures", _, "refund"] => "captures.refund",
            ["v2", "payments", "refunds", _] => "refunds.get",
            ["v1", "customer", "disputes", ..] => "disputes",
            ["v1", "notifications", "verify-webhook-signature"] => "verify-webhook-signature.post",
            ["v1", "notifications", ..] => "webhooks",
            ["ppreports", ..] => "reports",
            ["sim" | "certs", ..] => "outside",
            _ => "unknown",
        };
        let request = header(parts, "paypal-request-id");
        let key = format!(
            "{path}?{}#{request}{}",
            parts.uri.query().unwrap_or_default(),
            hex::encode(Sha256::digest(body))
        );
        let mut call = Call::new(operation, key);
        call.faults = operation != "outside";
        call
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(&[
            ("client_id", CLIENT_ID),
            ("client_secret", SECRET),
            ("account", ACCOUNT),
            ("webhook_id", WEBHOOK),
        ])
    }

    fn throttled(&self, _: &Call, _: Verdict) -> Response {
        fail(429, "RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting.", "", "")
    }

    fn broken(&self, _: &Call) -> Response {
        fail(
            500,
            "INTERNAL_SERVER_ERROR",
            "An internal server error has occurred.",
            "INTERNAL_SERVICE_ERROR",
            "An internal service error has occurred.",
        )
    }

    fn expired(&self, call: &Call) -> Option<Response> {
        (call.operation != "token").then(invalid_token)
    }

    fn decorate(&self, call: &Call, _: Option<Verdict>, response: &mut Response<Body>) {
        let id = hex::encode(Sha256::digest(call.key.as_bytes()));
        set(response, "paypal-debug-id", id.get(..13).unwrap_or_default());
    }

    fn on_day(&self, world: &World, _: u32) {
        let mut state = self.lock();
        // The day's report first: the sweep belongs to the new day.
        reports::settlement(world, &mut state);
        reports::sweep(world, &mut state);
    }

    fn on_event(&self, world: &World, event: &Event) {
        if event.kind == "dispute-ends" {
            disputes::resolve(world, &mut self.lock(), &event.key, "RESOLVED_SELLER_FAVOUR");
        }
    }

    fn on_news(&self, world: &World, news: &News) {
        match news {
            News::Paid { channel, order, through, currency, amount, payer } if through == NAME => {
                self.pay(world, channel, order, currency, *amount, payer);
            }
            News::Refunded { channel, order, through, amount, .. } if through == NAME => {
                let mut state = self.lock();
                let id = state
                    .captures
                    .values()
                    .find(|c| c.channel == *channel && c.order == *order)
                    .map(|c| c.id.clone());
                if let Some(id) = id {
                    self.refund(world, &mut state, &id, *amount);
                }
            }
            _ => {}
        }
    }
}
