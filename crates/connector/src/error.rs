//! One error for everything that can go wrong between us and a channel.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tradewind_domain::{AccountId, ConnectorId, Filed};

use crate::scrub::Scrubber;

/// What went wrong, in words that the daemon can act on. The table of design is in [`Kind::retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Our configuration is wrong or forbids the call (a read-only account).
    Config,
    /// The channel says that the request is malformed or a field is wrong.
    InvalidRequest,
    /// Neither we nor the channel can do this.
    Unsupported,
    /// A business rule of the channel says no.
    Rejected,
    /// There is no such object.
    NotFound,
    /// The object changed meanwhile (compare-and-set failed, version conflict).
    Conflict,
    /// It was done already.
    Duplicate,
    /// The token or signature was not accepted.
    Unauthenticated,
    /// A person must log in again: the refresh token is dead. Pauses this account alone.
    NeedsReauth,
    /// The login lacks a right or scope.
    PermissionDenied,
    /// The channel closed or suspended the account.
    AccountSuspended,
    /// Too many calls; wait a little.
    RateLimited,
    /// The quota of the day (or month) is used up; wait for its reset.
    QuotaExhausted,
    /// A fault on the channel's side.
    Unavailable,
    /// Announced downtime.
    Maintenance,
    /// Our clock is off in the channel's eyes; retried once with the channel's time.
    ClockSkew,
    /// No connection, or it broke.
    Transport,
    /// The answer is not what the documentation promises.
    Decode,
    /// The channel answered with a code that no table knows. Neither success nor failure.
    UnknownCode,
    /// A write went out and nobody knows whether it was carried out. Settled by reading, never by sending again.
    Indeterminate,
    /// Our own store failed.
    Internal,
}

/// What may be done about an error of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// Sending the same again gives the same.
    Never,
    /// Once, after a fresh token or a corrected clock.
    OnceRefreshed,
    /// After the time that the channel names.
    AfterWait,
    /// With back-off, if the operation is safe to repeat.
    IfSafe,
}

impl Kind {
    /// The retry class: one row of the error table in `ARCHITECTURE.md`.
    #[must_use]
    pub const fn retry(self) -> RetryClass {
        match self {
            Kind::Unauthenticated | Kind::ClockSkew => RetryClass::OnceRefreshed,
            Kind::RateLimited | Kind::QuotaExhausted => RetryClass::AfterWait,
            Kind::Unavailable | Kind::Maintenance | Kind::Transport => RetryClass::IfSafe,
            _ => RetryClass::Never,
        }
    }

    /// A business failure: the channel understood and said no. Never an outage.
    #[must_use]
    pub const fn is_business(self) -> bool {
        matches!(
            self,
            Kind::InvalidRequest
                | Kind::Unsupported
                | Kind::Rejected
                | Kind::NotFound
                | Kind::Conflict
                | Kind::Duplicate
        )
    }

    /// The name as in `errors.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Config => "config",
            Kind::InvalidRequest => "invalid_request",
            Kind::Unsupported => "unsupported",
            Kind::Rejected => "rejected",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Duplicate => "duplicate",
            Kind::Unauthenticated => "unauthenticated",
            Kind::NeedsReauth => "needs_reauth",
            Kind::PermissionDenied => "permission_denied",
            Kind::AccountSuspended => "account_suspended",
            Kind::RateLimited => "rate_limited",
            Kind::QuotaExhausted => "quota_exhausted",
            Kind::Unavailable => "unavailable",
            Kind::Maintenance => "maintenance",
            Kind::ClockSkew => "clock_skew",
            Kind::Transport => "transport",
            Kind::Decode => "decode",
            Kind::UnknownCode => "unknown_code",
            Kind::Indeterminate => "indeterminate",
            Kind::Internal => "internal",
        }
    }
}

/// Whether bytes had left when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was sent: the channel cannot have acted.
    BeforeSend,
    /// Something was sent: it may have.
    AfterSend,
}

/// What the channel said, verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Upstream {
    /// HTTP status.
    pub http: u16,
    /// The channel's code; empty when it gave none.
    #[serde(default)]
    pub code: String,
    /// A finer code below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_code: Option<String>,
    /// Its words.
    #[serde(default)]
    pub message: String,
    /// Its id of the request, for a support ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Fields it complains about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
}

/// A complaint about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Path of the field in the channel's words.
    pub field: String,
    /// Code, when there is one.
    #[serde(default)]
    pub code: String,
    /// Words.
    pub message: String,
}

/// The error of the contract. Boxed inside: a `Result` stays small.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    cause: Option<Kind>,
    phase: Phase,
    connector: Option<ConnectorId>,
    account: Option<AccountId>,
    operation: Option<String>,
    upstream: Option<Upstream>,
    record: Option<String>,
    retry_after: Option<Duration>,
    in_part: bool,
    given: Filed,
    message: String,
}

impl Error {
    /// An error of a kind with words that say what happened and what to do. Nothing was sent, unless
    /// [`Error::after_send`] says so.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            cause: None,
            phase: Phase::BeforeSend,
            connector: None,
            account: None,
            operation: None,
            upstream: None,
            record: None,
            retry_after: None,
            in_part: false,
            given: Filed::default(),
            message: message.into(),
        }))
    }

    /// The answer could not be read. `what` names the field or the shape that was expected.
    #[must_use]
    pub fn decode(what: impl fmt::Display) -> Error {
        Error::new(Kind::Decode, format!("unexpected answer: {what}")).after_send()
    }

    /// The configuration is wrong.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Error {
        Error::new(Kind::Config, message)
    }

    /// The input cannot be expressed on this channel.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::InvalidRequest, message)
    }

    /// What the channel said, classified.
    #[must_use]
    pub fn upstream(kind: Kind, upstream: Upstream) -> Error {
        let message = match (upstream.code.is_empty(), upstream.message.is_empty()) {
            (true, true) => format!("HTTP {}", upstream.http),
            (false, true) => upstream.code.clone(),
            (true, false) => upstream.message.clone(),
            (false, false) => format!("{}: {}", upstream.code, upstream.message),
        };
        let mut e = Error::new(kind, message).after_send();
        e.0.upstream = Some(upstream);
        e
    }

    /// A write whose outcome nobody knows, because of `self`.
    #[must_use]
    pub fn into_indeterminate(mut self) -> Error {
        if self.0.kind != Kind::Indeterminate {
            self.0.cause = Some(self.0.kind);
            self.0.kind = Kind::Indeterminate;
        }
        self.0.phase = Phase::AfterSend;
        self
    }

    /// Marks that bytes were sent.
    #[must_use]
    pub fn after_send(mut self) -> Error {
        self.0.phase = Phase::AfterSend;
        self
    }

    /// Of a write of several steps: earlier ones were carried out, and may show at the channel by themselves. What they were given
    /// (units, above all) is not given back for this error.
    #[must_use]
    pub fn in_part(mut self) -> Error {
        self.0.in_part = true;
        self
    }

    /// Earlier steps of the write were carried out, see [`Error::in_part`].
    #[must_use]
    pub fn is_in_part(&self) -> bool {
        self.0.in_part
    }

    /// Of a filing or a cancellation that is not yet what was asked for: what the authority gave for the messages that it took.
    #[must_use]
    pub fn having(mut self, given: Filed) -> Error {
        self.0.given = given;
        self
    }

    /// What an authority gave all the same, see [`Error::having`].
    #[must_use]
    pub fn given(&self) -> &Filed {
        &self.0.given
    }

    /// Of a request that was being made: nothing was sent, and what could not be read was the input.
    #[must_use]
    pub(crate) fn unsent(mut self) -> Error {
        self.0.phase = Phase::BeforeSend;
        if self.0.kind == Kind::Decode {
            self.0.kind = Kind::InvalidRequest;
            self.0.message = self.0.message.trim_start_matches("unexpected answer: ").to_owned();
        }
        self
    }

    /// Without what its request carried and nobody may see: a channel that repeats a token in its error would otherwise have
    /// it in a log, a notice and a finance file.
    #[must_use]
    pub(crate) fn without(mut self, carried: &Scrubber) -> Error {
        let cut = |text: &mut String| *text = carried.text(text);
        cut(&mut self.0.message);
        if let Some(upstream) = &mut self.0.upstream {
            cut(&mut upstream.code);
            cut(&mut upstream.message);
            upstream.sub_code.iter_mut().chain(&mut upstream.request_id).for_each(cut);
            for field in &mut upstream.fields {
                [&mut field.field, &mut field.code, &mut field.message].into_iter().for_each(cut);
            }
        }
        self
    }

    /// Attaches who and what.
    #[must_use]
    pub fn at(mut self, connector: &ConnectorId, account: &AccountId, operation: &str) -> Error {
        self.0.connector.get_or_insert_with(|| connector.clone());
        self.0.account.get_or_insert_with(|| account.clone());
        self.0.operation.get_or_insert_with(|| operation.to_owned());
        self
    }

    /// Puts in front of the words what they are about: `order 17-3`.
    #[must_use]
    pub fn about(mut self, what: &str) -> Error {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Says which record of a list it is about: the number under which that can be read by itself.
    #[must_use]
    pub fn of_record(mut self, number: impl Into<String>) -> Error {
        self.0.record.get_or_insert_with(|| number.into());
        self
    }

    /// Names the record of a list that it is about, in the words and by its number: `order 17-3: …`.
    #[must_use]
    pub fn of_named(self, what: &str, number: impl Into<String>) -> Error {
        let number = number.into();
        self.about(&format!("{what} {number}")).of_record(number)
    }

    /// Which record of a list it is about, when that is known.
    #[must_use]
    pub fn record(&self) -> Option<&str> {
        self.0.record.as_deref()
    }

    /// Whether it says nothing about the next call: a broken connection, one record that is odd or that the channel refuses
    /// (also with "forbidden": a right may be lacking for one). A quota, a login or an account does.
    #[must_use]
    pub fn of_this_call(&self) -> bool {
        !matches!(
            self.kind(),
            Kind::Config
                | Kind::Unauthenticated
                | Kind::NeedsReauth
                | Kind::AccountSuspended
                | Kind::RateLimited
                | Kind::QuotaExhausted
                | Kind::ClockSkew
                | Kind::Internal
        )
    }

    /// Attaches how long to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Error {
        self.0.retry_after = wait.or(self.0.retry_after);
        self
    }

    /// Kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// For [`Kind::Indeterminate`]: what made it so.
    #[must_use]
    pub fn cause(&self) -> Option<Kind> {
        self.0.cause
    }

    /// Phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// What the channel said.
    #[must_use]
    pub fn upstream_ref(&self) -> Option<&Upstream> {
        self.0.upstream.as_ref()
    }

    /// Complaints about fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        self.0.upstream.as_ref().map_or(&[], |u| &u.fields)
    }

    /// How long the channel asks to wait.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Which operation.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// Which account.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId> {
        self.0.account.as_ref()
    }

    /// The words alone.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let i = &self.0;
        if let (Some(account), Some(operation)) = (&i.account, &i.operation) {
            write!(f, "{account} {operation}: ")?;
        }
        write!(f, "{}: {}", i.kind.name().replace('_', " "), i.message)?;
        if let Some(request) = i.upstream.as_ref().and_then(|u| u.request_id.as_ref()) {
            write!(f, " (request {request})")?;
        }
        for field in self.fields() {
            write!(f, "; {}: {}", field.field, field.message)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}

impl From<tradewind_domain::MoneyError> for Error {
    fn from(e: tradewind_domain::MoneyError) -> Error {
        Error::decode(e)
    }
}

impl From<tradewind_domain::InvalidId> for Error {
    fn from(e: tradewind_domain::InvalidId) -> Error {
        Error::decode(e)
    }
}

impl From<tradewind_domain::UnknownCurrency> for Error {
    fn from(e: tradewind_domain::UnknownCurrency) -> Error {
        Error::decode(e)
    }
}

impl From<tradewind_domain::UnknownCountry> for Error {
    fn from(e: tradewind_domain::UnknownCountry) -> Error {
        Error::decode(e)
    }
}
