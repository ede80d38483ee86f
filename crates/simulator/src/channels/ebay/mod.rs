//! eBay: Sell Inventory, Fulfillment with payment disputes, Finances, Taxonomy, Analytics, Notification,
//! Post-Order (cancellations, the search of returns) and the Trading XML API, on one port.
//!
//! Real eBay spreads these over `api.ebay.com` and `apiz.ebay.com`; the paths do not collide, so the
//! fake serves both hosts from one address.
//!
//! Credentials: `client_id`, `client_secret`, `refresh_token`, `signing_key` (PKCS #8, base64,
//! Ed25519), `signing_jwe`, `merchant_location_key`, `fulfillment_policy_id`, `payment_policy_id`,
//! `return_policy_id`, `seller_username`. Policies are valid on every marketplace (a simplification:
//! real ids belong to one).
//!
//! By hand: `POST /sim/payment_dispute {"order"}`, `POST /sim/return {"order","line","quantity"}`.
//!
//! What is enforced, and where it is written down:
//!
//! - scopes and token life (2 h of virtual time); digital signatures on every Finances call and on
//!   `issueRefund` (`auth`);
//! - SKU, title, picture, brand, price, category, policy and quantity rules at the step at which
//!   eBay checks them (`inventory`, `offers`);
//! - one SKU per `bulkUpdatePriceQuantity`, 25 entries per bulk call, 250 revisions of a listing per
//!   Pacific day, daily call limits per API (`limits`);
//! - a published listing is seen by buyers after 20 to 90 s, a changed quantity or price after 5 to
//!   60 s; a quantity counts from the moment at which it was sent, less what was sold since;
//! - buyers pay at once, except one in ten, who pays 5 to 30 minutes later;
//! - a buyer's cancellation within an hour is granted by eBay; later it is a request that the seller
//!   approves, rejects, or answers by shipping;
//! - funds are available two days after the sale and leave at the next midnight (UTC), one payout per
//!   marketplace and day, in the marketplace's currency.

mod auth;
mod cancellations;
mod disputes;
mod errors;
mod finances;
mod inventory;
mod limits;
mod listing_view;
mod misc;
mod notifications;
mod offers;
mod order_view;
mod orders;
mod returns;
mod route;
mod site;
mod state;
mod trading;
mod trading_xml;
pub(in crate::channels) mod xml;

use crate::core::buyers::{Afterthought, Offer, Purchase};
use crate::core::channel::{Call, Channel, Credentials, News, raw, set};
use crate::core::quota::Verdict;
use crate::core::world::{Event, World};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use errors::{Fail, fail};
use http::request::Parts;
use route::{Req, Style};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) const NAME: &str = "ebay";

/// The fake. See the module documentation.
#[derive(Debug)]
pub struct Ebay {
    state: Mutex<State>,
    keys: notifications::Keys,
}

impl Default for Ebay {
    fn default() -> Self {
        Self { state: Mutex::default(), keys: notifications::Keys::new() }
    }
}

impl Ebay {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, world: &World, parts: &Parts, body: Bytes) -> Response {
        let Some(req) = Req::of(parts, body) else {
            return fail(404, 2002, "API_RESOURCE", "REQUEST", "Resource not found", parts.uri.path()).into();
        };
        let mut state = self.lock();
        if !limits::take(&mut state, world, req.op.api) {
            world.count_throttled(NAME, req.op.name);
            return self.throttled(
                &Call::new(req.op.name, ""),
                Verdict { allowed: false, remaining: 0, wait_ms: 0 },
            );
        }
        let answer = auth::check(&state, world, &req).and_then(|()| match req.op.style {
            Style::Token => Ok(auth::token(&mut state, world, &req)),
            Style::Consent => Ok(auth::consent(&mut state, world, &req)),
            Style::Trading => Ok(trading::handle(world, &mut state, &req)),
            Style::Rest => self.rest(world, &mut state, &req),
        });
        match answer {
            Ok(response) => response,
            Err(refusal) if req.op.style == Style::Trading => trading_xml::refusal(world, &req, &refusal),
            Err(refusal) => refusal.into(),
        }
    }

    fn rest(&self, world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
        match req.op.name {
            "createOrReplaceInventoryItem" => inventory::put(world, state, req),
            "getInventoryItem" => inventory::get(world, state, req),
            "getInventoryItems" => inventory::list(world, state, req),
            "deleteInventoryItem" => inventory::delete(world, state, req),
            "bulkCreateOrReplaceInventoryItem" => inventory::bulk_put(world, state, req),
            "bulkGetInventoryItem" => inventory::bulk_get(world, state, req),
            "bulkUpdatePriceQuantity" => inventory::bulk_price_quantity(world, state, req),
            "createOffer" => offers::create(world, state, req),
            "bulkCreateOffer" => offers::bulk_create(world, state, req),
            "updateOffer" => offers::update(world, state, req),
            "getOffer" => offers::get(world, state, req),
            "getOffers" => offers::list(world, state, req),
            "deleteOffer" => offers::delete(world, state, req),
            "publishOffer" => offers::publish(world, state, req),
            "bulkPublishOffer" => offers::bulk_publish(world, state, req),
            "withdrawOffer" => offers::withdraw(world, state, req),
            "getListingFees" => offers::fees(world, state, req),
            "createInventoryLocation" => misc::create_location(state, req),
            "getInventoryLocation" => misc::get_location(state, req),
            "getInventoryLocations" => misc::list_locations(state),
            "getFulfillmentPolicies" | "getPaymentPolicies" | "getReturnPolicies" => misc::policies(req),
            "getOrders" => orders::list(world, state, req),
            "getOrder" => orders::get(world, state, req),
            "createShippingFulfillment" => orders::ship(world, state, req, &self.keys),
            "getShippingFulfillments" => orders::fulfillments(state, req),
            "getShippingFulfillment" => orders::fulfillment(state, req),
            "issueRefund" => orders::issue_refund(world, state, req),
            "checkCancellationEligibility" => cancellations::check(state, req),
            "createCancellation" => cancellations::create(world, state, req),
            "getCancellation" => cancellations::get(state, req),
            "approveCancellationRequest" => cancellations::decide(world, state, req, true),
            "rejectCancellationRequest" => cancellations::decide(world, state, req, false),
            "getPaymentDisputeSummaries" => disputes::list(world, state, req),
            "getPaymentDispute" => disputes::get(state, req),
            "contestPaymentDispute" => disputes::answer(world, state, req, false),
            "acceptPaymentDispute" => disputes::answer(world, state, req, true),
            "simDispute" => disputes::open(world, state, req),
            "searchReturns" => returns::search(world, state, req),
            "simReturn" => returns::open(world, state, req),
            "getTransactions" => finances::transactions(world, state, req),
            "getTransactionSummary" => finances::transaction_summary(state, req),
            "getPayouts" => finances::payouts(world, state, req),
            "getPayout" => finances::payout(state, req),
            "getPayoutSummary" => finances::payout_summary(state, req),
            "getSellerFundsSummary" => finances::funds(state, req),
            "getDefaultCategoryTreeId" => misc::category_tree(req),
            "getCategorySuggestions" => misc::suggestions(req),
            "getItemAspectsForCategory" => misc::aspects(req),
            "getRateLimits" | "getUserRateLimits" => Ok(limits::report(state, world, req)),
            "getPublicKey" => self.keys.public(req),
            other => notifications::handle(world, state, other, req),
        }
    }
}

impl Channel for Ebay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>, world: World) -> Router {
        Router::new().fallback(move |request: http::Request<Body>| {
            let (ebay, world) = (Arc::clone(&self), world.clone());
            async move {
                let (parts, body) = request.into_parts();
                match axum::body::to_bytes(body, usize::MAX).await {
                    Ok(body) => ebay.handle(&world, &parts, body),
                    Err(_) => raw(400, "text/plain", "unreadable body"),
                }
            }
        })
    }

    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[("getOrders", "/orders"), ("getTransactions", "/transactions"), ("getPayouts", "/payouts")]
    }

    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(route::names())
    }

    fn classify(&self, parts: &Parts, body: &Bytes) -> Call {
        let name = route::name(parts);
        // Signatures, tokens and dates live in headers, so path, query and body are stable over retries.
        let key =
            format!("{}?{}#{}", parts.uri.path(), parts.uri.query().unwrap_or_default(), route::digest(body));
        let mut call = Call::new(name, key);
        call.faults = name != "getPublicKey" && !name.starts_with("sim");
        call
    }

    fn credentials(&self) -> Credentials {
        let mut all = auth::credentials();
        all.0.extend(self.keys.pem().map(|pem| ("notification_key".to_owned(), pem)));
        all
    }

    fn subscribe(&self, world: &World, address: &str) -> bool {
        notifications::subscribe(world, &mut self.lock(), address);
        true
    }

    fn throttled(&self, call: &Call, _: Verdict) -> Response {
        // Documented text of errorId 2001; eBay sends no Retry-After.
        if call.operation.starts_with("Trading.") {
            let text = "Call usage limit has been reached.";
            return trading_xml::plain_failure(&call.operation, "518", text, "RequestError");
        }
        fail(
            429,
            2001,
            "ACCESS",
            "REQUEST",
            "Too many requests.",
            "The request limit has been reached for the resource.",
        )
        .into()
    }

    fn broken(&self, call: &Call) -> Response {
        if call.operation.starts_with("Trading.") {
            return trading_xml::system_error(&call.operation);
        }
        let (id, domain) = match call.operation.as_str() {
            "getOrders" | "getOrder" | "createShippingFulfillment" | "issueRefund" => {
                (30500, "API_FULFILLMENT")
            }
            "token" => return raw(503, "text/html", "<html><body>Service Unavailable</body></html>"),
            _ => (25001, "API_INVENTORY"),
        };
        fail(
            500,
            id,
            domain,
            "APPLICATION",
            "A system error has occurred.",
            "Internal error. Please try again later.",
        )
        .into()
    }

    fn lie(&self, call: &Call) -> Option<Response> {
        match call.operation.as_str() {
            name if name.starts_with("Trading.") => Some(trading_xml::system_error(name)),
            // 207 with a system error inside; the caller learns nothing about single items but that.
            "bulkUpdatePriceQuantity" => Some(errors::lying_bulk()),
            _ => None,
        }
    }

    fn expired(&self, call: &Call) -> Option<Response> {
        match call.operation.as_str() {
            "token" | "getPublicKey" | "simDispute" | "simReturn" => None,
            name if name.starts_with("Trading.") => {
                Some(trading_xml::plain_failure(name, "21917053", "Expired IAF token.", "RequestError"))
            }
            _ => Some(auth::invalid_token().into()),
        }
    }

    fn decorate(&self, call: &Call, _: Option<Verdict>, response: &mut Response<Body>) {
        let id = route::digest(call.key.as_bytes());
        set(response, "rlogid", &format!("t6q%60-{}", id.get(..16).unwrap_or_default()));
    }

    fn on_event(&self, world: &World, event: &Event) {
        let mut state = self.lock();
        match event.kind.as_str() {
            "live" => offers::go_live(world, &mut state, &event.key),
            "visible" => offers::settle(world, &mut state, &event.key),
            "paid" => orders::paid(world, &mut state, &event.key, &self.keys),
            "request-lapses" => cancellations::lapse(world, &mut state, &event.key),
            "dispute-unanswered" => disputes::unanswered(world, &mut state, &event.key),
            "dispute-ends" => disputes::ends(world, &mut state, &event.key),
            "return-ends" => returns::ends(world, &mut state, &event.key),
            "payout-arrives" => finances::arrived(&mut state, &event.key),
            _ => {}
        }
    }

    fn on_day(&self, world: &World, _: u32) {
        finances::pay_out(world, &mut self.lock());
    }

    fn offers(&self, world: &World) -> Vec<Offer> {
        offers::for_sale(world, &self.lock())
    }

    fn place(&self, world: &World, purchase: &Purchase) -> Option<String> {
        orders::place(world, &mut self.lock(), purchase, &self.keys)
    }

    fn afterthought(&self, world: &World, order: &str, what: Afterthought) {
        let mut state = self.lock();
        match what {
            Afterthought::Cancel => cancellations::buyer_asks(world, &mut state, order),
            Afterthought::Return => orders::returned(world, &mut state, order),
        }
    }

    fn on_news(&self, world: &World, news: &News) {
        if let News::Delivered { tracking, .. } = news {
            orders::delivered(world, &mut self.lock(), tracking);
        }
    }
}
