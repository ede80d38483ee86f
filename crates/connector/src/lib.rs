//! The contract that adapters implement, and the one pipeline that runs them.
//!
//! # Reading order for the author of an adapter
//!
//! 1. [`Operation`]: one call of the channel. You write `encode` and `decode`, both pure; [`OpSpec`] says what it
//!    serves and what happens when it is sent twice.
//! 2. [`Protocol`]: what all calls share — tokens, signature, where the channel hides its errors.
//! 3. `limits.toml` ([`Limits`]) and `errors.toml` ([`ErrorTable`]): quotas and codes, as data.
//! 4. The [`role`] facets: your domain-facing methods. Each calls operations through [`Pipeline::call`].
//! 5. [`Factory`]: your line in the registry.
//!
//! Everything between `encode` and `decode` is the pipeline's: intents, tokens, quotas, signing, retries, error
//! classes, keeping payloads. An adapter that opens a socket, sleeps, reads the clock or retries is wrong.
//! `docs/connector-guide.md` walks through an adapter from nothing to green.

mod account;
mod capability;
mod classify;
mod clock;
mod consent;
mod error;
mod journal;
mod limiter;
mod limits;
mod oauth;
mod operation;
mod page;
mod pipeline;
mod protocol;
mod records;
pub mod role;
mod runtime;
mod scrub;
mod signals;
pub mod signing;
mod transport;
mod turnstile;
mod wire;

pub use account::{AccountConfig, Factory, Opening, Secrets};
pub use capability::{Bounds, Cancels, Capabilities, Effort, Efforts, Facet, Support};
pub use classify::ErrorTable;
pub use clock::{Chance, Clock, OsChance, SeededChance, SystemClock, VirtualClock};
pub use consent::{Consent, ConsentAnswer, LOGIN_UNTIL, refresh_token};
pub use error::{Error, FieldError, Kind, Phase, RetryClass, Upstream};
pub use journal::{Begun, Exchange, Intent, Journal, Memory, Outcome, Over};
pub use limiter::{Caller, Draw, Limiter, Refusal};
pub use limits::{Bucket, Every, FixedWindow, Header, Limits, Meaning, Refill, Scope, Signal, Unit};
pub use oauth::{ClientAuth, OAuth2};
pub use operation::{CallCx, Handle, OpCx, OpSpec, Operation, Priority, Safety, Submitted, Take};
pub use page::{Cursor, Page, Window, all_pages, all_records, backwards};
pub use pipeline::{Access, Counts, Login, Logins, Parts, Patience, Pipeline};
pub use protocol::{Protocol, SignCx, TokenPlan, TokenSet, snippet};
pub use records::Records;
pub use role::{ChallengeAnswer, Connector, ConnectorInfo, Hint, Inbound, InboundRequest, Role};
pub use runtime::Runtime;
pub use scrub::Scrubber;
pub use secrecy::{ExposeSecret, SecretString};
pub use transport::{
    HttpTransport, MAX_BODY, Network, Recorded, RecordingTransport, ReplayTransport, Transport,
    TransportError,
};
pub use wire::{Body, Num, Part, WireRequest, WireResponse, is_secret_header, segment};

/// A result of the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The guide's snippets run as tests of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/connector-guide.md")]
struct ConnectorGuide;
