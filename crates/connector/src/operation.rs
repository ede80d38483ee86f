//! Operations: one call of a channel's API, pure at both ends.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_domain::AccountId;

use crate::capability::Facet;
use crate::error::Error;
use crate::wire::{WireRequest, WireResponse};

/// What happens when the same request reaches the channel twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// Reads only.
    Read,
    /// Sets an absolute value: twice is the same as once.
    Natural,
    /// The channel remembers our key for a time and answers the same again.
    Keyed {
        /// How long it remembers.
        ttl: Duration,
    },
    /// Twice does it twice, but our reference can be looked up afterwards.
    ReadBack,
    /// Twice does it twice and nothing can be looked up. Avoid where the channel has any other way.
    Unsafe,
}

impl Safety {
    /// Changes nothing at the channel.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Safety::Read)
    }

    /// May be sent again although the first try may have been carried out.
    #[must_use]
    pub const fn repeatable(self) -> bool {
        matches!(self, Safety::Read | Safety::Natural | Safety::Keyed { .. })
    }

    /// May be sent again `now` although it was first begun at `since` and may have been carried out then. A key
    /// that the channel may have forgotten makes a repetition a second write.
    #[must_use]
    pub fn repeatable_since(self, since: Timestamp, now: Timestamp) -> bool {
        match self {
            Safety::Keyed { ttl } => since.checked_add(ttl).is_ok_and(|forgotten| now < forgotten),
            _ => self.repeatable(),
        }
    }
}

/// Which call goes first when quota is scarce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Titles, images, anything nobody waits for.
    Content,
    /// Reports and statements.
    Report,
    /// Prices.
    Price,
    /// Orders in and order actions.
    Orders,
    /// Stock: a late one oversells.
    Stock,
}

/// What is fixed about an operation.
#[derive(Debug, Clone, Copy)]
pub struct OpSpec {
    /// Name, unique in the connector: `orders.search`. Appears in errors, metrics, fixtures folder.
    pub name: &'static str,
    /// The ability it serves; the capability guard asks for it.
    pub facet: Facet,
    /// Safety.
    pub safety: Safety,
    /// Default priority.
    pub priority: Priority,
    /// Buckets of `limits.toml` it draws from.
    pub buckets: &'static [&'static str],
    /// Its answer is kept byte for byte before it is decoded (orders, money, receipts).
    pub keep: bool,
    /// The vendor's page.
    pub doc: &'static str,
}

/// A call of the channel's API. Everything between `encode` and `decode` is the pipeline's.
///
/// Both ends are pure: the clock, the nonce and the key come from [`OpCx`], so a golden test can freeze them.
pub trait Operation: Send + Sync {
    /// Input.
    type In: ?Sized + Sync;
    /// Output.
    type Out: Send;

    /// What is fixed about it.
    fn spec(&self) -> &OpSpec;

    /// The request, unsigned: [`crate::Protocol::sign`] adds credentials inside each attempt.
    ///
    /// # Errors
    /// The input cannot be expressed on this channel.
    fn encode(&self, cx: &OpCx<'_>, input: &Self::In) -> Result<WireRequest, Error>;

    /// The output. Only called when [`crate::Protocol::upstream`] found no error in the response.
    ///
    /// # Errors
    /// The answer is not what the documentation promises, or says no to the whole call. Failures of single
    /// items belong into the output.
    fn decode(&self, cx: &OpCx<'_>, input: &Self::In, response: &WireResponse) -> Result<Self::Out, Error>;

    /// Units drawn from each bucket. Default 1.
    fn weight(&self, _input: &Self::In) -> u32 {
        1
    }

    /// The object of a per-object bucket (a SKU, a listing). Default none.
    fn object(&self, _input: &Self::In) -> Option<String> {
        None
    }

    /// What one call draws, where that is not [`Operation::weight`] from each of its buckets: other weights from other
    /// buckets, the buckets of several objects. It names buckets of its [`OpSpec`] alone; one that it leaves out gives
    /// nothing. Default: by weight and object.
    fn draws(&self, _input: &Self::In) -> Option<Vec<Take>> {
        None
    }

    /// Time for one attempt's answer, where the pipeline's ([`crate::Patience`]) does not fit: a report that is made while
    /// we wait, a wallet whose buyer types a password.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// What the call is about, for people reading the intent journal: a SKU, an order. No personal data.
    fn subject(&self, _input: &Self::In) -> String {
        String::new()
    }

    /// Which token it wants, where the protocol has several. Default `""`.
    fn audience(&self) -> &'static str {
        ""
    }
}

/// What a call draws from one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Bucket or window of `limits.toml`.
    pub bucket: &'static str,
    /// Object of a per-object bucket.
    pub object: Option<String>,
    /// Units.
    pub units: u32,
}

/// What an operation may know besides its input.
#[derive(Debug, Clone, Copy)]
pub struct OpCx<'a> {
    /// Account.
    pub account: &'a AccountId,
    /// Now, corrected for the channel's clock. Frozen during the attempt.
    pub now: Timestamp,
    /// Fresh per attempt.
    pub nonce: &'a str,
    /// The idempotency key of a write; the same in every attempt.
    pub key: &'a str,
}

/// What the caller says about one call or flow. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CallCx {
    key: Option<String>,
    priority: Option<Priority>,
    deadline: Option<Timestamp>,
}

impl CallCx {
    /// For a read, or for a write whose repetition by a later process does not matter.
    #[must_use]
    pub fn new() -> CallCx {
        CallCx::default()
    }

    /// For a write: `key` names the intention and is the same whenever it is tried again, by any process.
    #[must_use]
    pub fn keyed(key: impl Into<String>) -> CallCx {
        CallCx { key: Some(key.into()), ..CallCx::default() }
    }

    /// The context of one step of a flow of several writes: its key is derived.
    #[must_use]
    pub fn step(&self, step: &str) -> CallCx {
        CallCx { key: self.key.as_ref().map(|k| format!("{k}/{step}")), ..self.clone() }
    }

    /// With another priority than the operation's.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> CallCx {
        self.priority = Some(priority);
        self
    }

    /// Give up at this instant.
    #[must_use]
    pub fn deadline(mut self, deadline: Timestamp) -> CallCx {
        self.deadline = Some(deadline);
        self
    }

    /// The key, when the caller gave one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(crate) fn priority_or(&self, default: Priority) -> Priority {
        self.priority.unwrap_or(default)
    }

    pub(crate) fn deadline_or(&self, default: Timestamp) -> Timestamp {
        self.deadline.unwrap_or(default)
    }
}

/// An answer now, or a handle to ask with later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submitted<T> {
    /// Done.
    Done(T),
    /// The channel works on it. Persist the handle, ask again with the facet's `poll`.
    Deferred(Handle),
}

/// A persisted step of a flow that takes longer than one call (upload → poll → result). Opaque to the core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Which flow, in the connector's words.
    pub flow: String,
    /// The channel's id of the job.
    pub id: String,
    /// Which step comes next.
    #[serde(default)]
    pub step: String,
    /// What the flow needs to go on (SKUs in order, a document id).
    #[serde(default)]
    pub state: serde_json::Value,
    /// Not worth asking before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}
