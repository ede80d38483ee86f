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
    /// Full address it was sent to, as the channel knows it: some channels sign it. Behind a proxy that is not what
    /// arrived, so whoever listens must be told its public address.
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
    /// A disputed payment, by the provider's id of the case.
    Dispute(String),
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
    /// `Unauthenticated` for a bad, missing or stale signature. Nothing of the body may be believed then. Any other error
    /// says that the request is the channel's and was not understood: the signature comes first.
    fn verify(&self, request: &InboundRequest) -> Result<Vec<Hint>, Error>;

    /// The channel's own id of a delivery, by which a repetition is known; asked after [`Inbound::verify`] said yes. It
    /// must be covered by the signature, or hold a digest of what is: else anybody who saw one delivery could claim the id
    /// of the next. `None`: every delivery counts as a new one.
    fn delivery(&self, _request: &InboundRequest) -> Option<String> {
        None
    }

    /// The answer to a `GET` with which the channel asks, when the address is registered, whether it is ours. `None`: this
    /// is no such question, or not one that this account can answer.
    fn challenge(&self, _request: &InboundRequest) -> Option<ChallengeAnswer> {
        None
    }
}

/// What a channel wants to hear before it sends to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeAnswer {
    /// `application/json`, `text/plain`.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}
