//! Webhooks: a push is a hint, a poll is the truth.

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_domain::{ListingId, OrderId, PayoutId, ReturnId, Sku, StatementId, TransactionId, Waybill};

use crate::error::Error;

/// A request that reached our address for an account.
#[derive(Debug, Clone)]
pub struct InboundRequest {
    /// Full address it was sent to: some channels sign it.
    pub url: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, byte for byte.
    pub body: Bytes,
    /// When it came.
    pub received_at: Timestamp,
}

/// What to read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// An order.
    Order(OrderId),
    /// A listing.
    Listing(ListingId),
    /// A SKU.
    Sku(Sku),
    /// A return.
    Return(ReturnId),
    /// A payment.
    Transaction(TransactionId),
    /// A payout.
    Payout(PayoutId),
    /// A settlement document that can be fetched now.
    Statement(StatementId),
    /// A parcel.
    Parcel(Waybill),
    /// The account was disconnected by its owner.
    Disconnected,
    /// Verified, but of a topic that this version does not know; kept, nothing else is done.
    Unknown(String),
}

/// Webhooks.
pub trait Inbound: Send + Sync {
    /// Verifies the signature in constant time, and says what to read again. Pure: keys that must be fetched
    /// are fetched by the connector at start and on rotation.
    ///
    /// # Errors
    /// `Unauthenticated` for a bad, missing or stale signature. Nothing of the body may be believed then.
    fn verify(&self, request: &InboundRequest) -> Result<Vec<Hint>, Error>;
}
