//! How a channel is written.
//!
//! One folder `src/channels/<name>/` with a struct that implements [`Channel`], and one line in
//! `src/channels/mod.rs`. The struct keeps its state behind its own lock and answers HTTP with an
//! ordinary [`axum::Router`]. Everything around it is the core's work, in this order, for each
//! request that arrives on the channel's port:
//!
//! 1. [`Channel::classify`] names the request ([`Call`]): operation, a key that is *stable over
//!    retries* (no nonce, no timestamp, no signature), the quota bucket it draws on;
//! 2. the call is counted and written to the journal;
//! 3. a fault may strike before handling: connection dropped or hung, [`Channel::throttled`],
//!    [`Channel::broken`], [`Channel::lie`], [`Channel::expired`];
//! 4. the quota is asked; an empty bucket answers [`Channel::throttled`];
//! 5. the router handles it;
//! 6. [`Channel::decorate`] adds headers (rate limit, request id);
//! 7. a fault may strike after handling: answer lost, truncated or late.
//!
//! Rules for a fake:
//!
//! - Read time only from [`World::now`]; draw only from [`World::stream`] named by *what* is decided
//!   (an order id, a SKU), so that the order of concurrent requests cannot change the outcome.
//! - Make ids from the content (`world.stream(&["amazon", "feed", &digest])` or a counter per key),
//!   never from a counter over all requests.
//! - Later effects (publication, receipts, scans) are [`World::schedule`]d and come back through
//!   [`Channel::on_event`].
//! - Take your own lock first, the world's (any `World` method) second; never hold your lock while
//!   calling a `World` method that runs events (`advance`), and keep both short.
//! - Write to the ledger (`world.ledger(|l| ...)`) when a thing happens to the channel.
//! - Do not reject a request because its timestamp differs from the virtual clock by less than the
//!   channel's documented window; the client is given the virtual clock.

use super::buyers::{Afterthought, Offer, Purchase};
use super::quota::{Bucket, Verdict};
use super::world::{Event, World};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A request, named.
#[derive(Debug, Clone)]
pub struct Call {
    /// The channel's operation name, e.g. `getListingsItem`.
    pub operation: String,
    /// What distinguishes this request from others of the operation; equal for its retries.
    pub key: String,
    /// Bucket name, bucket and cost, when the core shall enforce a quota.
    pub bucket: Option<(String, Bucket, u32)>,
    /// Whether faults may strike it (`false` for helper endpoints such as document downloads that
    /// are not the channel itself; default `true`).
    pub faults: bool,
}

impl Call {
    /// A call that faults may strike, without a quota.
    #[must_use]
    pub fn new(operation: impl Into<String>, key: impl Into<String>) -> Self {
        Self { operation: operation.into(), key: key.into(), bucket: None, faults: true }
    }

    /// The call drawing `cost` tokens on the bucket `name` (unique within the channel).
    #[must_use]
    pub fn on(mut self, name: impl Into<String>, bucket: Bucket, cost: u32) -> Self {
        self.bucket = Some((name.into(), bucket, cost));
        self
    }
}

/// The test credentials a fake accepts: names as the channel's documents call them
/// (`client_id`, `refresh_token`, `webhook_secret`, ...).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Credentials(pub BTreeMap<String, String>);

impl Credentials {
    /// Credentials from pairs.
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    /// The value called `name`, empty if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Something that happened at one channel and matters to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A buyer paid an order of `channel` through the payment service `through`.
    Paid {
        /// Channel of the order.
        channel: String,
        /// Its order id.
        order: String,
        /// Payment service, e.g. `paypal`.
        through: String,
        /// ISO 4217.
        currency: String,
        /// Minor units.
        amount: i64,
        /// Who pays.
        payer: Box<super::buyers::Buyer>,
    },
    /// Money went back to the buyer of an order paid through `through`.
    Refunded {
        /// Channel of the order.
        channel: String,
        /// Its order id.
        order: String,
        /// Payment service.
        through: String,
        /// ISO 4217.
        currency: String,
        /// Minor units, positive.
        amount: i64,
    },
    /// A carrier delivered a parcel.
    Delivered {
        /// Carrier channel.
        carrier: String,
        /// Tracking number.
        tracking: String,
        /// Shipper's reference.
        reference: String,
    },
    /// A seller told a marketplace that an order shipped.
    Shipped {
        /// Marketplace.
        channel: String,
        /// Order id.
        order: String,
        /// Tracking number.
        tracking: String,
    },
}

/// One fake channel. See the module documentation.
pub trait Channel: Send + Sync + 'static {
    /// The channel's name as in the connector list: `amazon`, `dhl-express`.
    fn name(&self) -> &'static str;

    /// Its HTTP interface. Called once.
    fn router(self: Arc<Self>, world: World) -> Router;

    /// Names a request before it is handled.
    fn classify(&self, parts: &Parts, body: &Bytes) -> Call;

    /// The credentials it accepts.
    fn credentials(&self) -> Credentials;

    /// "Too many requests" in the channel's own words (headers, body).
    fn throttled(&self, call: &Call, verdict: Verdict) -> Response;

    /// A passing server error in the channel's own words.
    fn broken(&self, call: &Call) -> Response;

    /// A success status with an error inside, in the channel's own words. `None`: the channel has
    /// no such thing for this call, and the request is handled, with [`super::faults::Fault::Lie`]
    /// in the request's extensions for a handler that lies in a way of its own: accepts but never
    /// publishes, tells what was true some time ago, says half of what it did.
    fn lie(&self, call: &Call) -> Option<Response> {
        let _ = call;
        None
    }

    /// "Your access token has expired" in the channel's own words; `None`: handled honestly. Said
    /// of a valid token; a client that refreshes and retries gets through.
    fn expired(&self, call: &Call) -> Option<Response> {
        let _ = call;
        None
    }

    /// Operations that answer with a list, and where in the JSON it is (each place, where that depends on how it was asked): such a list may tell a record twice
    /// ([`super::faults::Fault::Duplicate`]), in another order ([`super::faults::Fault::Reorder`]), or move before its next page is read
    /// ([`super::faults::Fault::Shift`]). Whatever else the
    /// channel answers cannot, and these faults do not strike it.
    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Names of its operations, where they are a closed set; a fault set for another one would never strike.
    fn operations(&self) -> Option<Vec<&'static str>> {
        None
    }

    /// Adds headers to an honest answer. `verdict` is there when the call drew on a bucket.
    fn decorate(&self, call: &Call, verdict: Option<Verdict>, response: &mut Response<Body>) {
        let _ = (call, verdict, response);
    }

    /// A scheduled event of this channel is due.
    fn on_event(&self, world: &World, event: &Event) {
        let _ = (world, event);
    }

    /// Virtual midnight (UTC); `day` counts from 1 at the end of the first day. Payouts and
    /// settlement reports belong here.
    fn on_day(&self, world: &World, day: u32) {
        let _ = (world, day);
    }

    /// What buyers see now. Empty for channels without buyers.
    fn offers(&self, world: &World) -> Vec<Offer> {
        let _ = world;
        Vec::new()
    }

    /// A buyer places an order; returns the channel's order id, `None` if it cannot be placed.
    /// The channel lowers its own stock and writes the ledger.
    fn place(&self, world: &World, purchase: &Purchase) -> Option<String> {
        let _ = (world, purchase);
        None
    }

    /// A buyer has second thoughts about an order. The channel decides whether it still can be.
    fn afterthought(&self, world: &World, order: &str, what: Afterthought) {
        let _ = (world, order, what);
    }

    /// The seller registers an address for notifications, in the channel's pages or by its API. `false`: the channel sends
    /// to no address.
    fn subscribe(&self, world: &World, address: &str) -> bool {
        let _ = (world, address);
        false
    }

    /// Something happened at another channel.
    fn on_news(&self, world: &World, news: &News) {
        let _ = (world, news);
    }
}

/// A JSON answer. What every channel needs, kept here so that fakes stay short.
#[must_use]
pub fn json(status: u16, value: &serde_json::Value) -> Response {
    raw(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// An answer with any content type.
#[must_use]
pub fn raw(status: u16, content_type: &str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    set(&mut response, "content-type", content_type);
    response
}

/// Sets a header; a value that is no header value is left out.
pub fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        response.headers_mut().insert(http::HeaderName::from_static(name), value);
    }
}
