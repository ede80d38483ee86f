//! Names of operations: method and path → operation, API (for daily limits), scope, style.

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Rest,
    Token,
    /// The page on which a seller agrees.
    Consent,
    Trading,
}

/// What token a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    None,
    /// Application or user token, any scope.
    Any,
    /// User token.
    User,
    /// User token with this scope (suffix of the scope URL).
    Scope(&'static str),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Op {
    method: &'static str,
    path: &'static str,
    pub(super) name: &'static str,
    pub(super) api: &'static str,
    pub(super) need: Need,
    pub(super) style: Style,
    /// Needs a digital signature.
    pub(super) signed: bool,
}

const fn op(
    method: &'static str,
    path: &'static str,
    name: &'static str,
    api: &'static str,
    need: Need,
) -> Op {
    Op { method, path, name, api, need, style: Style::Rest, signed: false }
}

const fn signed(op: Op) -> Op {
    Op { signed: true, ..op }
}

const INV: Need = Need::Scope("sell.inventory");
const FUL: Need = Need::Scope("sell.fulfillment");
const FIN: Need = Need::Scope("sell.finances");
const DIS: Need = Need::Scope("sell.payment.dispute");
const ACC: Need = Need::Scope("sell.account");

const OPS: &[Op] = &[
    Op { style: Style::Token, ..op("POST", "/identity/v1/oauth2/token", "token", "Identity", Need::None) },
    Op { style: Style::Consent, ..op("GET", "/oauth2/authorize", "consent", "Identity", Need::None) },
    Op { style: Style::Trading, ..op("POST", "/ws/api.dll", "Trading", "Trading", Need::User) },
    op("PUT", "/sell/inventory/v1/inventory_item/{}", "createOrReplaceInventoryItem", "Inventory", INV),
    op("GET", "/sell/inventory/v1/inventory_item/{}", "getInventoryItem", "Inventory", INV),
    op("GET", "/sell/inventory/v1/inventory_item", "getInventoryItems", "Inventory", INV),
    op("DELETE", "/sell/inventory/v1/inventory_item/{}", "deleteInventoryItem", "Inventory", INV),
    op(
        "POST",
        "/sell/inventory/v1/bulk_create_or_replace_inventory_item",
        "bulkCreateOrReplaceInventoryItem",
        "Inventory",
        INV,
    ),
    op("POST", "/sell/inventory/v1/bulk_get_inventory_item", "bulkGetInventoryItem", "Inventory", INV),
    op("POST", "/sell/inventory/v1/bulk_update_price_quantity", "bulkUpdatePriceQuantity", "Inventory", INV),
    op("POST", "/sell/inventory/v1/offer", "createOffer", "Inventory", INV),
    op("POST", "/sell/inventory/v1/bulk_create_offer", "bulkCreateOffer", "Inventory", INV),
    op("POST", "/sell/inventory/v1/bulk_publish_offer", "bulkPublishOffer", "Inventory", INV),
    op("POST", "/sell/inventory/v1/offer/get_listing_fees", "getListingFees", "Inventory", INV),
    op("GET", "/sell/inventory/v1/offer", "getOffers", "Inventory", INV),
    op("PUT", "/sell/inventory/v1/offer/{}", "updateOffer", "Inventory", INV),
    op("GET", "/sell/inventory/v1/offer/{}", "getOffer", "Inventory", INV),
    op("DELETE", "/sell/inventory/v1/offer/{}", "deleteOffer", "Inventory", INV),
    op("POST", "/sell/inventory/v1/offer/{}/publish", "publishOffer", "Inventory", INV),
    op("POST", "/sell/inventory/v1/offer/{}/withdraw", "withdrawOffer", "Inventory", INV),
    op("POST", "/sell/inventory/v1/location/{}", "createInventoryLocation", "Inventory", INV),
    op("GET", "/sell/inventory/v1/location/{}", "getInventoryLocation", "Inventory", INV),
    op("GET", "/sell/inventory/v1/location", "getInventoryLocations", "Inventory", INV),
    op("GET", "/sell/account/v1/fulfillment_policy", "getFulfillmentPolicies", "Account", ACC),
    op("GET", "/sell/account/v1/payment_policy", "getPaymentPolicies", "Account", ACC),
    op("GET", "/sell/account/v1/return_policy", "getReturnPolicies", "Account", ACC),
    op("GET", "/sell/fulfillment/v1/order", "getOrders", "Fulfillment", FUL),
    op("GET", "/sell/fulfillment/v1/order/{}", "getOrder", "Fulfillment", FUL),
    op(
        "POST",
        "/sell/fulfillment/v1/order/{}/shipping_fulfillment",
        "createShippingFulfillment",
        "Fulfillment",
        FUL,
    ),
    op(
        "GET",
        "/sell/fulfillment/v1/order/{}/shipping_fulfillment",
        "getShippingFulfillments",
        "Fulfillment",
        FUL,
    ),
    op(
        "GET",
        "/sell/fulfillment/v1/order/{}/shipping_fulfillment/{}",
        "getShippingFulfillment",
        "Fulfillment",
        FUL,
    ),
    signed(op("POST", "/sell/fulfillment/v1/order/{}/issue_refund", "issueRefund", "Fulfillment", FIN)),
    op(
        "GET",
        "/sell/fulfillment/v1/payment_dispute_summary",
        "getPaymentDisputeSummaries",
        "Fulfillment",
        DIS,
    ),
    op("GET", "/sell/fulfillment/v1/payment_dispute/{}", "getPaymentDispute", "Fulfillment", DIS),
    op(
        "POST",
        "/sell/fulfillment/v1/payment_dispute/{}/contest",
        "contestPaymentDispute",
        "Fulfillment",
        DIS,
    ),
    op("POST", "/sell/fulfillment/v1/payment_dispute/{}/accept", "acceptPaymentDispute", "Fulfillment", DIS),
    op("GET", "/post-order/v2/return/search", "searchReturns", "PostOrder", Need::User),
    // Not eBay's: what buyers do, by hand.
    op("POST", "/sim/payment_dispute", "simDispute", "Simulator", Need::None),
    op("POST", "/sim/return", "simReturn", "Simulator", Need::None),
    op(
        "POST",
        "/post-order/v2/cancellation/check_eligibility",
        "checkCancellationEligibility",
        "PostOrder",
        Need::User,
    ),
    signed(op("POST", "/post-order/v2/cancellation", "createCancellation", "PostOrder", Need::User)),
    op("GET", "/post-order/v2/cancellation/{}", "getCancellation", "PostOrder", Need::User),
    signed(op(
        "POST",
        "/post-order/v2/cancellation/{}/approve",
        "approveCancellationRequest",
        "PostOrder",
        Need::User,
    )),
    op("POST", "/post-order/v2/cancellation/{}/reject", "rejectCancellationRequest", "PostOrder", Need::User),
    signed(op("GET", "/sell/finances/v1/transaction", "getTransactions", "Finances", FIN)),
    signed(op("GET", "/sell/finances/v1/transaction_summary", "getTransactionSummary", "Finances", FIN)),
    signed(op("GET", "/sell/finances/v1/payout", "getPayouts", "Finances", FIN)),
    signed(op("GET", "/sell/finances/v1/payout/{}", "getPayout", "Finances", FIN)),
    signed(op("GET", "/sell/finances/v1/payout_summary", "getPayoutSummary", "Finances", FIN)),
    signed(op("GET", "/sell/finances/v1/seller_funds_summary", "getSellerFundsSummary", "Finances", FIN)),
    op(
        "GET",
        "/commerce/taxonomy/v1/get_default_category_tree_id",
        "getDefaultCategoryTreeId",
        "Taxonomy",
        Need::Any,
    ),
    op(
        "GET",
        "/commerce/taxonomy/v1/category_tree/{}/get_category_suggestions",
        "getCategorySuggestions",
        "Taxonomy",
        Need::Any,
    ),
    op(
        "GET",
        "/commerce/taxonomy/v1/category_tree/{}/get_item_aspects_for_category",
        "getItemAspectsForCategory",
        "Taxonomy",
        Need::Any,
    ),
    op("GET", "/developer/analytics/v1_beta/rate_limit/", "getRateLimits", "Analytics", Need::Any),
    op("GET", "/developer/analytics/v1_beta/user_rate_limit/", "getUserRateLimits", "Analytics", Need::User),
    op("GET", "/commerce/notification/v1/public_key/{}", "getPublicKey", "Notification", Need::Any),
    op("POST", "/commerce/notification/v1/destination", "createDestination", "Notification", Need::Any),
    op("GET", "/commerce/notification/v1/destination", "getDestinations", "Notification", Need::Any),
    op("POST", "/commerce/notification/v1/subscription", "createSubscription", "Notification", Need::Any),
    op("GET", "/commerce/notification/v1/subscription", "getSubscriptions", "Notification", Need::Any),
    op(
        "DELETE",
        "/commerce/notification/v1/subscription/{}",
        "deleteSubscription",
        "Notification",
        Need::Any,
    ),
];

fn find(parts: &Parts) -> Option<(Op, Vec<String>)> {
    let segments: Vec<&str> = parts.uri.path().split('/').collect();
    OPS.iter().find_map(|op| {
        let wanted: Vec<&str> = op.path.split('/').collect();
        if op.method != parts.method.as_str() || wanted.len() != segments.len() {
            return None;
        }
        let mut params = Vec::new();
        for (want, got) in wanted.iter().zip(&segments) {
            if *want == "{}" {
                params.push(percent_encoding::percent_decode_str(got).decode_utf8_lossy().into_owned());
            } else if want != got {
                return None;
            }
        }
        Some((*op, params))
    })
}

/// The Trading calls the fake knows, named for faults and the journal.
const TRADING: &[(&str, &str)] = &[
    ("GeteBayOfficialTime", "Trading.GeteBayOfficialTime"),
    ("AddFixedPriceItem", "Trading.AddFixedPriceItem"),
    ("GetItem", "Trading.GetItem"),
    ("GetSellerList", "Trading.GetSellerList"),
    ("ReviseInventoryStatus", "Trading.ReviseInventoryStatus"),
    ("EndFixedPriceItem", "Trading.EndFixedPriceItem"),
    ("EndItem", "Trading.EndItem"),
    ("GetOrders", "Trading.GetOrders"),
    ("CompleteSale", "Trading.CompleteSale"),
];

/// Every operation.
pub(super) fn names() -> Vec<&'static str> {
    OPS.iter().map(|op| op.name).chain(TRADING.iter().map(|(_, name)| *name)).collect()
}

/// The operation's name, for faults and the journal.
pub(super) fn name(parts: &Parts) -> &'static str {
    match find(parts) {
        Some((op, _)) if op.style == Style::Trading => {
            let wanted = parts.headers.get("x-ebay-api-call-name").and_then(|v| v.to_str().ok());
            TRADING.iter().find(|(n, _)| Some(*n) == wanted).map_or("Trading.unknown", |(_, name)| name)
        }
        Some((op, _)) => op.name,
        None => "unknown",
    }
}

/// Hexadecimal SHA-256.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Req {
    pub(super) op: Op,
    params: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    pub(super) method: String,
    /// As sent, still encoded.
    pub(super) path: String,
    pub(super) raw_query: String,
    pub(super) body: Bytes,
}

impl Req {
    pub(super) fn of(parts: &Parts, body: Bytes) -> Option<Self> {
        let (op, params) = find(parts)?;
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let query = url::form_urlencoded::parse(raw_query.as_bytes())
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect();
        Some(Self {
            op,
            params,
            query,
            headers: parts.headers.clone(),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            raw_query,
            body,
        })
    }

    pub(super) fn part(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A whole number between bounds; `Err` is the value that is not one.
    pub(super) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, String> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(n) if n <= most => Ok(n),
                _ => Err(text.to_owned()),
            },
        }
    }

    /// Reads eBay's filter language over all `filter` parameters: `name:[a..b],other:{X|Y}`.
    pub(super) fn filters(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for text in self.all("filter") {
            let (mut depth, mut start) = (0_i32, 0_usize);
            for (at, c) in text.char_indices().chain([(text.len(), ',')]) {
                match c {
                    '[' | '{' => depth += 1,
                    ']' | '}' => depth -= 1,
                    ',' if depth == 0 => {
                        if let Some((name, value)) = text.get(start..at).and_then(|t| t.split_once(':')) {
                            let value = value.trim_matches(|c| matches!(c, '[' | ']' | '{' | '}'));
                            out.push((name.trim().to_owned(), value.to_owned()));
                        }
                        start = at + 1;
                    }
                    _ => {}
                }
            }
        }
        out
    }
}

/// `a..b` of a date filter, in milliseconds; an open end is `None`.
pub(super) fn range(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let (from, to) = text.split_once("..")?;
    let read = |t: &str| -> Option<Option<i64>> {
        if t.is_empty() {
            Some(None)
        } else {
            t.parse::<jiff::Timestamp>().ok().map(|t| Some(t.as_millisecond()))
        }
    };
    Some((read(from)?, read(to)?))
}
