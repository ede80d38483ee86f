//! The pipeline: one fixed order for every call of every connector.
//!
//! ```text
//! capability guard → intent & idempotency key (persisted) → deadline →
//!   attempt loop { token (single-flight) → limiter → encode + sign (skew-corrected clock)
//!                  → transport → keep → verify → classify → limiter.observe → decode }
//! → outcome (persisted)
//! ```
//!
//! Nothing is signed outside the attempt, retried around the limiter, or sent by any other HTTP client.

mod tokens;

pub use tokens::{Login, Logins};

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tradewind_domain::AccountId;

use crate::capability::{Capabilities, Facet, Support};
use crate::classify::{Classified, ErrorTable};
use crate::error::{Error, Kind, Phase, RetryClass};
use crate::journal::{Begun, Exchange, Intent, Outcome};
use crate::limiter::{Caller, Draw, Refusal};
use crate::limits::Limits;
use crate::operation::{CallCx, OpCx, OpSpec, Operation, Safety};
use crate::protocol::{Protocol, SignCx, TokenSet};
use crate::role::ConnectorInfo;
use crate::runtime::Runtime;
use crate::scrub::Scrubber;
use crate::signals::{self, http_date, retry_after, their_now};
use crate::wire::{WireRequest, WireResponse, segment};

/// May an account be written to?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reads only: how a real channel starts.
    #[default]
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// How patient the pipeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts of one call, the first included.
    pub attempts: u32,
    /// Time for one attempt's answer.
    pub timeout: Duration,
    /// Time for the whole call, waits included, unless the caller says otherwise.
    pub total: Duration,
    /// Back-off: after the nth attempt anything up to 2ⁿ times this (full jitter).
    pub backoff: Duration,
    /// Longest back-off, and longest `Retry-After` that is waited for inside a call.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            attempts: 5,
            timeout: Duration::from_secs(30),
            total: Duration::from_secs(300),
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(120),
        }
    }
}

/// What a pipeline is built of; [`Factory::pipeline`](crate::Factory::pipeline) puts it together.
pub struct Parts {
    /// The connector.
    pub info: ConnectorInfo,
    /// Account.
    pub account: AccountId,
    /// Application registration, for quotas and logins that its accounts share.
    pub app: String,
    /// Read-only or not.
    pub access: Access,
    /// What the account can do.
    pub capabilities: Arc<Capabilities>,
    /// Tokens and signatures.
    pub protocol: Arc<dyn Protocol>,
    /// Quotas.
    pub limits: Limits,
    /// Error table.
    pub errors: ErrorTable,
    /// Patience.
    pub patience: Patience,
}

/// Counters of one account, for `demo`, metrics and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Requests that left.
    pub sent: u64,
    /// Answers that said "too many".
    pub throttled: u64,
    /// Writes whose outcome was unknown.
    pub indeterminate: u64,
    /// Requests repeated.
    pub retried: u64,
    /// Token refreshes.
    pub refreshed: u64,
}

#[derive(Default)]
struct Meters {
    sent: AtomicU64,
    throttled: AtomicU64,
    indeterminate: AtomicU64,
    retried: AtomicU64,
    refreshed: AtomicU64,
}

/// Carries the calls of one account.
pub struct Pipeline {
    parts: Parts,
    runtime: Runtime,
    caller: Caller,
    /// Whose the tokens are: the account, or the login that it shares.
    owner: String,
    tokens: Mutex<HashMap<&'static str, Arc<tokens::Slot>>>,
    /// What to add to our clock to have the channel's, in milliseconds.
    skew_ms: AtomicI64,
    budget: Mutex<u32>,
    /// Abilities taken away since it was opened, a bit each.
    revoked: AtomicU32,
    meters: Meters,
}

/// Retry budget of an account: full at 100, a retry costs 10, a success gives 1 back. A channel that is down
/// therefore gets ten extra calls and then one for every ten that succeed.
const BUDGET_FULL: u32 = 100;
const BUDGET_COST: u32 = 10;

impl Pipeline {
    /// A pipeline for one account.
    #[must_use]
    pub fn new(parts: Parts, runtime: Runtime) -> Pipeline {
        let login = parts.protocol.shared_login();
        let owner = match &login {
            // No account's name begins with a blank. A refresh token is of one application (RFC 6749 §6).
            Some(login) => format!(" {}/{}/{login}", parts.info.id, segment(&parts.app)),
            None => parts.account.to_string(),
        };
        let caller = Caller {
            connector: parts.info.id.to_string(),
            app: parts.app.clone(),
            login,
            account: parts.account.to_string(),
        };
        Pipeline {
            parts,
            runtime,
            caller,
            owner,
            tokens: Mutex::default(),
            skew_ms: AtomicI64::new(0),
            budget: Mutex::new(BUDGET_FULL),
            revoked: AtomicU32::new(0),
            meters: Meters::default(),
        }
    }

    /// Account.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.parts.account
    }

    /// The connector.
    #[must_use]
    pub fn info(&self) -> &ConnectorInfo {
        &self.parts.info
    }

    /// Capabilities.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.parts.capabilities
    }

    /// Quotas.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// Error table.
    #[must_use]
    pub fn errors(&self) -> &ErrorTable {
        &self.parts.errors
    }

    /// Now, on the channel's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let skew = SignedDuration::from_millis(self.skew_ms.load(Ordering::Relaxed));
        self.runtime.clock.now().checked_add(skew).unwrap_or(Timestamp::MAX)
    }

    /// Counters so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let get = |a: &AtomicU64| a.load(Ordering::Relaxed);
        Counts {
            sent: get(&self.meters.sent),
            throttled: get(&self.meters.throttled),
            indeterminate: get(&self.meters.indeterminate),
            retried: get(&self.meters.retried),
            refreshed: get(&self.meters.refreshed),
        }
    }

    /// Units that a bucket of this account would give now.
    #[must_use]
    pub fn available(&self, bucket: &str) -> Option<u32> {
        self.runtime.limiter.available(&self.caller, &self.parts.limits, bucket)
    }

    /// Carries one call.
    ///
    /// # Errors
    /// See [`Kind`]. For a write, `Indeterminate` says that it may have been carried out: settle it by reading.
    pub async fn call<O: Operation>(&self, op: &O, input: &O::In, cx: &CallCx) -> Result<O::Out, Error> {
        let spec = op.spec();
        let result = self.guarded(op, input, cx, spec).await;
        result.map_err(|e| {
            if e.kind() == Kind::Indeterminate {
                bump(&self.meters.indeterminate);
            }
            tracing::debug!(account = %self.parts.account, operation = spec.name, kind = e.kind().name(), "call failed");
            e.at(&self.parts.info.id, &self.parts.account, spec.name)
        })
    }

    /// Whether the guard lets a call through, before anything is done for it: for a flow that prepares a write by a call
    /// that is harmless alone, as a signature is.
    ///
    /// # Errors
    /// The account cannot do it, or is read-only and it writes.
    pub fn check(&self, spec: &OpSpec) -> Result<(), Error> {
        self.guard(spec).map_err(|e| e.at(&self.parts.info.id, &self.parts.account, spec.name))
    }

    /// Takes an ability away from the opened account: every call of it is refused from now on.
    pub fn revoke(&self, facet: Facet) {
        self.revoked.fetch_or(1 << facet as u32, Ordering::Relaxed);
    }

    fn guard(&self, spec: &OpSpec) -> Result<(), Error> {
        if self.revoked.load(Ordering::Relaxed) & (1 << spec.facet as u32) != 0 {
            let text = format!("{:?} was taken away from this account", spec.facet);
            return Err(Error::new(Kind::Unsupported, text));
        }
        match self.parts.capabilities.support(spec.facet) {
            Support::Native | Support::Emulated => {}
            Support::Unsupported => {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!("{:?} is not available for this account", spec.facet),
                ));
            }
            Support::NotImplemented => {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!("{:?} is not implemented in this connector", spec.facet),
                ));
            }
        }
        if !spec.safety.is_read() && self.parts.access == Access::ReadOnly {
            let text = "the account is read-only: set access = \"read-write\" for it in the configuration to let it write";
            return Err(Error::config(text));
        }
        self.parts.limits.check(spec.buckets)
    }

    async fn guarded<O: Operation>(
        &self,
        op: &O,
        input: &O::In,
        cx: &CallCx,
        spec: &OpSpec,
    ) -> Result<O::Out, Error> {
        self.guard(spec)?;
        let start = self.runtime.clock.now();
        let default_deadline = start
            .checked_add(SignedDuration::try_from(self.parts.patience.total).unwrap_or(SignedDuration::MAX));
        let deadline = cx.deadline_or(default_deadline.unwrap_or(Timestamp::MAX));
        let call = Call { op, input, cx, spec, key: "", deadline };
        if spec.safety.is_read() {
            return self.attempts(&call, false).await.map(|(out, _)| out);
        }
        let key = cx.key().map_or_else(|| self.runtime.chance.nonce(), str::to_owned);
        let intent = Arc::new(Intent {
            account: self.parts.account.clone(),
            operation: spec.name,
            key,
            subject: op.subject(input),
            at: start,
        });
        let (unfinished, generation) = match self.runtime.journal.begin(&intent).await? {
            Begun::Fresh => (false, 0),
            Begun::Again { generation } => (false, generation),
            Begun::Unfinished { since, generation } if spec.safety.repeatable_since(since, start) => {
                (true, generation)
            }
            Begun::Unfinished { .. } => {
                let text = "this write was begun before and its outcome is not known: settle it by reading";
                return Err(Error::new(Kind::Indeterminate, text).after_send());
            }
            Begun::Finished { response, generation } => {
                let (now, key) = (self.now(), intent.sent_as(generation));
                let cx = OpCx { account: &self.parts.account, now, nonce: "", key: &key };
                return op.decode(&cx, input, &response);
            }
        };
        let key = intent.sent_as(generation);
        let call = Call { key: &key, ..call };
        let (result, outcome) = match self.attempts(&call, unfinished).await {
            Ok((out, response)) => (Ok(out), Outcome::Done(response)),
            Err(e) => {
                let why = e.to_string();
                let outcome = if e.kind() == Kind::Indeterminate {
                    Outcome::Indeterminate(why)
                } else if self.remembered(spec, &e) {
                    Outcome::Refused(why)
                } else {
                    Outcome::Failed(why)
                };
                (Err(e), outcome)
            }
        };
        // What the channel did is told although we could not note it: without an outcome the intent is read with care.
        if let Err(error) = self.runtime.journal.finish(&intent, generation, outcome).await {
            tracing::error!(account = %intent.account, operation = intent.operation, key = intent.key, %error, "the outcome of a write could not be kept");
        }
        result
    }

    /// The channel refused a keyed write for good, and would repeat that whenever it sees the key.
    fn remembered(&self, spec: &OpSpec, refusal: &Error) -> bool {
        matches!(spec.safety, Safety::Keyed { .. })
            && refusal.phase() == Phase::AfterSend
            && self.parts.protocol.remembers(spec.name, refusal)
    }

    /// `in_doubt`: a try of this write by an earlier call may have been carried out.
    async fn attempts<O: Operation>(
        &self,
        call: &Call<'_, O>,
        mut in_doubt: bool,
    ) -> Result<(O::Out, WireResponse), Error> {
        let patience = self.parts.patience;
        let safety = call.spec.safety;
        let (mut refreshed, mut corrected) = (false, false);
        let mut number = 0_u32;
        loop {
            number += 1;
            let mut used = None;
            let error = match self.attempt(call, &mut used).await {
                Ok(done) => {
                    self.earn();
                    return Ok(done);
                }
                Err(e) => e,
            };
            // A write that may have been carried out is repeated only where that is harmless, and stays in doubt whatever the
            // next try meets: a refused connection or an empty bucket says nothing about the one before.
            if leaves_doubt(&error) && !safety.is_read() {
                in_doubt = true;
                if !safety.repeatable() {
                    return Err(error.into_indeterminate());
                }
            }
            let wait = match error.kind().retry() {
                RetryClass::Never => None,
                RetryClass::OnceRefreshed => {
                    let done = if error.kind() == Kind::ClockSkew { &mut corrected } else { &mut refreshed };
                    if error.kind() == Kind::Unauthenticated && !*done {
                        self.forget_token(call.op.audience(), used.as_ref()).await;
                    }
                    (!std::mem::replace(done, true)).then_some(Duration::ZERO)
                }
                RetryClass::AfterWait => {
                    let wait = error.wait().unwrap_or_else(|| self.backoff(number));
                    (wait <= patience.longest_wait).then_some(wait)
                }
                RetryClass::IfSafe => {
                    let wait = error.wait().unwrap_or_else(|| self.backoff(number));
                    // The budget is spent last: only on a retry that will be made.
                    (wait <= patience.longest_wait && number < patience.attempts && self.spend())
                        .then_some(wait)
                }
            };
            let give_up = |error: Error| {
                let certain = refuses_this_write(&error)
                    // A key that is answered with a refusal for good did nothing, whatever the refusal says.
                    || (!leaves_doubt(&error) && self.remembered(call.spec, &error));
                let open = in_doubt && !certain;
                if open { error.into_indeterminate() } else { error }
            };
            let Some(wait) = wait else { return Err(give_up(error)) };
            let until = self.runtime.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
            if number >= patience.attempts || until > call.deadline {
                return Err(give_up(error));
            }
            bump(&self.meters.retried);
            if !wait.is_zero() {
                self.runtime.clock.sleep(wait).await;
            }
        }
    }

    fn draw<'a>(&'a self, buckets: &'a [&'a str], object: Option<&'a str>, weight: u32) -> Draw<'a> {
        Draw { caller: &self.caller, limits: &self.parts.limits, buckets, object, weight, takes: None }
    }

    /// One attempt: everything that must be fresh each time. `used` becomes the token that it carried.
    async fn attempt<O: Operation>(
        &self,
        call: &Call<'_, O>,
        used: &mut Option<TokenSet>,
    ) -> Result<(O::Out, WireResponse), Error> {
        let Call { op, input, spec, .. } = *call;
        let token = self.token(op.audience(), call.deadline).await?;
        let token = token.map(|token| &*used.insert(token));
        let (object, takes) = (op.object(input), op.draws(input));
        let limiter = &self.runtime.limiter;
        let draw =
            Draw { takes: takes.as_deref(), ..self.draw(spec.buckets, object.as_deref(), op.weight(input)) };
        // A bucket that nobody announced would give without a limit.
        if let Some(stray) = takes.iter().flatten().find(|take| !spec.buckets.contains(&take.bucket)) {
            let text = format!("it draws from '{}', which is none of its buckets", stray.bucket);
            return Err(Error::config(text));
        }
        limiter.acquire(&draw, call.cx.priority_or(spec.priority), call.deadline).await?;
        let nonce = self.runtime.chance.nonce();
        let opcx = OpCx { account: &self.parts.account, now: self.now(), nonce: &nonce, key: call.key };
        let made = op.encode(&opcx, input).and_then(|mut request| {
            let signing = SignCx { op: opcx, operation: spec.name, token };
            self.parts.protocol.sign(&signing, &mut request).map(|()| request)
        });
        let request = made.map_err(|e| {
            limiter.undo(&draw);
            e.unsent()
        })?;
        bump(&self.meters.sent);
        let time = self.time_for_an_answer(op.timeout(), call.deadline);
        let sent = self.runtime.transport.send(&request, time).await;
        if sent.as_ref().is_err_and(|e| !e.maybe_sent) {
            limiter.undo(&draw);
        }
        let response = sent?;
        if spec.keep {
            // An answer that is not kept is not decoded (invariant 5); the channel has acted all the same.
            self.keep(spec.name, &response).await.map_err(Error::after_send)?;
        }
        if let Err(error) = self.verify(&SignCx { op: opcx, operation: spec.name, token }, &response) {
            // What it says of quotas is not believed either.
            self.keep_for_a_person(spec, &response).await;
            return Err(error.without(&Scrubber::of_request(&request)));
        }
        let mut told = signals::headers(&self.parts.limits.header, &response, self.runtime.clock.now());
        told.signals.extend(self.parts.protocol.signals(spec.name, &response));
        limiter.observe(&draw, &told.signals);
        if let Some(Classified { mut error, bucket, scope }) =
            self.upstream_error(spec.name, &request, &response, told.reset)
        {
            let exhausted = error.kind() == Kind::QuotaExhausted;
            if exhausted || error.kind() == Kind::RateLimited {
                bump(&self.meters.throttled);
                let (bucket, pause) = (bucket.as_deref(), self.parts.patience.backoff);
                let refusal = Refusal { bucket, scope, wait: error.wait(), exhausted, pause };
                error = error.retry_after(limiter.refused(&draw, &refusal));
            } else {
                limiter.passed(&draw);
            }
            if error.kind() == Kind::UnknownCode {
                self.keep_for_a_person(spec, &response).await;
            }
            return Err(error);
        }
        limiter.passed(&draw);
        match op.decode(&opcx, input, &response) {
            Ok(out) => Ok((out, response)),
            Err(error) => {
                if error.kind() == Kind::Decode {
                    self.keep_for_a_person(spec, &response).await;
                }
                Err(error.after_send().without(&Scrubber::of_request(&request)))
            }
        }
    }

    /// An answer that is not proven to be the channel's is none: nobody knows what became of the request. A front that answers
    /// for a broken server signs nothing; that is no more than that the channel is not to be had.
    fn verify(&self, cx: &SignCx<'_>, response: &WireResponse) -> Result<(), Error> {
        self.parts.protocol.verify(cx, response).map_err(|e| {
            let text = format!("it is not proven to be the channel's, and not believed: {}", e.message());
            match response.status {
                500.. => {
                    Error::new(Kind::Unavailable, format!("status {}; {text}", response.status)).after_send()
                }
                _ => Error::decode(text),
            }
        })
    }

    /// Whether an answer of this operation must be proven ([`Protocol::verify`]): one without a signature is not believed. The
    /// conformance suite asks.
    #[must_use]
    pub fn wants_proof(&self, operation: &str) -> bool {
        let op = OpCx { account: &self.parts.account, now: self.now(), nonce: "", key: "" };
        let bare = WireResponse::json_text(200, "{}");
        self.parts.protocol.verify(&SignCx { op, operation, token: None }, &bare).is_err()
    }

    /// How long one attempt may wait for its answer: no longer than the call. `own`: the operation's.
    fn time_for_an_answer(&self, own: Option<Duration>, deadline: Timestamp) -> Duration {
        let left = Duration::try_from(deadline.duration_since(self.runtime.clock.now()));
        // At the deadline itself a request may still be made; it gets a moment.
        own.unwrap_or(self.parts.patience.timeout).min(left.unwrap_or_default().max(Duration::from_secs(1)))
    }

    /// The channel's error in a response, classified, with the wait it asks for. Corrects the clock when the
    /// channel says that ours is off. `reset`: when the quota headers say that it goes on.
    fn upstream_error(
        &self,
        operation: &str,
        request: &WireRequest,
        response: &WireResponse,
        reset: Option<Duration>,
    ) -> Option<Classified> {
        let upstream = self.parts.protocol.upstream(operation, response)?;
        let Classified { error, bucket, scope } = self.parts.errors.of(operation, upstream);
        let error = error.without(&Scrubber::of_request(request));
        let theirs = their_now(response, self.runtime.clock.now());
        let named = response.header("retry-after").and_then(|v| retry_after(v, theirs));
        let throttled = matches!(error.kind(), Kind::RateLimited | Kind::QuotaExhausted);
        let wait = named.or(reset.filter(|_| throttled));
        if error.kind() == Kind::ClockSkew
            && let Some(theirs) = response.header("date").and_then(http_date)
        {
            let off = theirs.duration_since(self.runtime.clock.now()).as_millis();
            self.skew_ms.store(i64::try_from(off).unwrap_or(0), Ordering::Relaxed);
        }
        Some(Classified { error: error.retry_after(wait), bucket, scope })
    }

    async fn keep(&self, operation: &str, response: &WireResponse) -> Result<(), Error> {
        let exchange = Exchange {
            account: self.parts.account.clone(),
            connector: self.parts.info.id.clone(),
            operation: operation.to_owned(),
            at: response.received_at,
            status: response.status,
            body: response.body.clone(),
        };
        self.runtime.journal.keep(exchange).await
    }

    /// Keeps an answer that nobody understood, unless it is kept already. A store that cannot is not what the caller must hear
    /// of: the answer is.
    async fn keep_for_a_person(&self, spec: &OpSpec, response: &WireResponse) {
        if !spec.keep
            && let Err(error) = self.keep(spec.name, response).await
        {
            tracing::error!(account = %self.parts.account, operation = spec.name, %error, "an answer that could not be read could not be kept either");
        }
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let p = &self.parts.patience;
        let ceiling = p.backoff.saturating_mul(1_u32 << attempt.min(10)).min(p.longest_wait);
        self.runtime.chance.up_to(ceiling)
    }

    fn spend(&self) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        match budget.checked_sub(BUDGET_COST) {
            Some(left) => {
                *budget = left;
                true
            }
            None => false,
        }
    }

    fn earn(&self) {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        *budget = (*budget + 1).min(BUDGET_FULL);
    }
}

/// One call, from its intent to its outcome.
struct Call<'a, O: Operation> {
    op: &'a O,
    input: &'a O::In,
    cx: &'a CallCx,
    spec: &'a OpSpec,
    key: &'a str,
    deadline: Timestamp,
}

/// The channel may have carried it out: bytes left, and no answer of its own says that it did not.
fn leaves_doubt(error: &Error) -> bool {
    error.phase() == Phase::AfterSend
        && (error.kind().retry() == RetryClass::IfSafe
            || matches!(error.kind(), Kind::Decode | Kind::UnknownCode | Kind::Internal))
}

/// The channel looked at this very write and said no. That there is no such object, that it is another by now or that it was done
/// already may all be the work of the try before; that a login or a quota does not suffice says nothing of it.
fn refuses_this_write(error: &Error) -> bool {
    error.phase() == Phase::AfterSend
        && matches!(error.kind(), Kind::InvalidRequest | Kind::Rejected | Kind::Unsupported)
}

fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
