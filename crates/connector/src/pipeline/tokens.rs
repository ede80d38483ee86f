//! The pipeline's tokens: one slot per audience, one request for a token in flight.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tradewind_domain::AccountId;

use super::{Pipeline, bump};
use crate::consent::{Consent, ConsentAnswer};
use crate::error::{Error, Kind, RetryClass};
use crate::journal::Over;
use crate::operation::{OpCx, Priority};
use crate::protocol::{SignCx, TokenPlan, TokenSet};
use crate::scrub::Scrubber;
use crate::wire::WireRequest;

/// A token is fetched anew this long before it ends.
const TOKEN_MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A login that the channel refused is not tried again this long: a person has to act, and a channel that counts refused logins
/// locks the account.
const REFUSED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// So long before the seller's consent ends, it is told.
const END_IN_SIGHT: SignedDuration = SignedDuration::from_hours(14 * 24);

/// So often a renewed token is offered to a store in which another one is saved each time between looking and saving.
const SAVES: u32 = 8;

/// What a login brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// When the seller has to consent again, where the channel says so.
    pub login_until: Option<Timestamp>,
    /// What else the channel told: who the seller is. Nothing secret.
    pub extra: BTreeMap<String, String>,
}

/// Tokens of logins that several accounts of a process share, by owner and audience.
#[derive(Default)]
pub struct Logins(Mutex<HashMap<(String, &'static str), Arc<Slot>>>);

/// The token of one audience.
#[derive(Default)]
pub(super) struct Slot {
    /// The channel wanted none when it was last asked: nothing is looked up before it is asked again.
    without: AtomicBool,
    /// How often a token could not be had: whoever waited for another's try shares its failure.
    failures: AtomicU64,
    /// One lock per audience: one refresh in flight.
    held: tokio::sync::Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<TokenSet>,
    /// It is not in the journal yet; it is not used before.
    unsaved: bool,
    /// What the journal held in the login's own place when it was last looked into, or was given it: a save takes the place of
    /// that alone.
    seen: Option<TokenSet>,
    /// The refresh token that the journal held then, be it in the place from before the login had a name.
    stored: Option<SecretString>,
    /// Why there is none.
    failed: Option<Failed>,
}

/// A token that could not be had.
struct Failed {
    at: Timestamp,
    error: Error,
    /// The account alone that it concerns: one that lacks a setting says nothing of the others of its login.
    of: Option<AccountId>,
}

/// Why a token could not be had.
enum Failure {
    /// No request could be made: something is missing in the account's configuration.
    Unasked(Error),
    /// It was asked for, or the store failed.
    Asked(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Asked(error)
    }
}

impl Pipeline {
    fn slot(&self, audience: &'static str) -> Arc<Slot> {
        let mut slots = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(audience).or_insert_with(|| {
            if self.caller.login.is_none() {
                return Arc::default();
            }
            let mut shared = self.runtime.logins.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shared.entry((self.owner.clone(), audience)).or_default())
        }))
    }

    /// What the journal holds.
    async fn stored(&self, audience: &str, held: &mut Held) -> Result<Option<TokenSet>, Error> {
        let journal = &self.runtime.journal;
        let own = journal.load_token(&self.owner, audience).await?;
        let mut stored = own.clone();
        if stored.is_none() && self.caller.login.is_some() {
            // From before the account's login had a name: a rotated refresh token may be its only way in.
            stored = journal.load_token(self.parts.account.as_str(), audience).await?;
        }
        held.seen = own;
        held.stored = stored.as_ref().and_then(|t| t.refresh.clone());
        Ok(stored)
    }

    /// What is stored by now, where that is not what is held: another process has renewed it.
    async fn renewed_elsewhere(&self, audience: &str, held: &mut Held) -> Result<bool, Error> {
        if held.unsaved {
            return Ok(false);
        }
        let stored = self.stored(audience, held).await?;
        let ours = held.token.as_ref().map(TokenSet::access);
        let Some(stored) = stored.filter(|s| Some(s.access()) != ours) else { return Ok(false) };
        held.token = Some(stored);
        Ok(true)
    }

    /// Keeps the refresh token, forgets the access token, if it is still the one that was refused: another call may have
    /// fetched the next one meanwhile.
    pub(super) async fn forget_token(&self, audience: &'static str, refused: Option<&TokenSet>) {
        let slot = self.slot(audience);
        let mut held = slot.held.lock().await;
        if let (Some(token), Some(refused)) = (held.token.as_mut(), refused)
            && token.access() == refused.access()
        {
            token.expires_at = Some(Timestamp::MIN);
        }
    }

    /// The token of an audience, fetched if need be. The lock is held over the fetch: one refresh in flight.
    pub(super) async fn token(
        &self,
        audience: &'static str,
        deadline: Timestamp,
    ) -> Result<Option<TokenSet>, Error> {
        let slot = self.slot(audience);
        if slot.without.load(Ordering::Relaxed) {
            if matches!(self.plan(audience, None)?, TokenPlan::None) {
                return Ok(None);
            }
            slot.without.store(false, Ordering::Relaxed);
        }
        let failures = slot.failures.load(Ordering::Acquire);
        let mut held = slot.held.lock().await;
        let found = held.token.is_none();
        if found {
            held.token = self.stored(audience, &mut held).await?;
            held.token.iter().for_each(|token| self.warn_of_the_end(token));
        }
        self.keep_renewed(audience, &mut held).await?;
        let now = self.now();
        let usable = |t: &TokenSet| lasts(t, now);
        // A refresh token may serve once: what another process had for it goes before using it again.
        let stale = !found && held.token.as_ref().is_some_and(|t| t.refresh.is_some() && !usable(t));
        if stale {
            self.renewed_elsewhere(audience, &mut held).await?;
        }
        if held.token.as_ref().is_some_and(usable) {
            return Ok(held.token.clone());
        }
        let ours = |failed: &&Failed| failed.of.as_ref().is_none_or(|of| *of == self.parts.account);
        if let Some(Failed { at, error, .. }) = held.failed.as_ref().filter(ours) {
            let refused = error.kind() == Kind::NeedsReauth && now.duration_since(*at) < REFUSED_FOR;
            if refused || slot.failures.load(Ordering::Acquire) != failures {
                return Err(error.clone());
            }
        }
        let had = self.renew(audience, &slot, &mut held, deadline).await;
        held.failed = None;
        let (error, of) = match had {
            Ok(token) => return Ok(token),
            Err(Failure::Unasked(error)) => (error, Some(self.parts.account.clone())),
            Err(Failure::Asked(error)) => (error, None),
        };
        held.failed = Some(Failed { at: self.now(), error: error.clone(), of });
        slot.failures.fetch_add(1, Ordering::Release);
        Err(error)
    }

    /// The page on which the seller lets this account in. `None`: the channel has none, the secrets of the configuration do.
    ///
    /// # Errors
    /// A setting is missing.
    pub fn consent(&self) -> Result<Option<Consent>, Error> {
        let state = self.runtime.chance.nonce();
        let cx = OpCx { account: &self.parts.account, now: self.now(), nonce: &state, key: "" };
        let asked = self.parts.protocol.consent(&cx);
        asked.map_err(|e| e.at(&self.parts.info.id, &self.parts.account, "login"))
    }

    /// Turns the answer of that page into tokens, and keeps them: they go before what the configuration holds. The access
    /// token's part that is no secret is returned.
    ///
    /// # Errors
    /// The channel refuses the code (it lives for minutes and serves once), or the tokens could not be kept: then the seller has
    /// to agree again.
    pub async fn login(&self, answer: &ConsentAnswer) -> Result<Login, Error> {
        let done = self.exchange(answer).await;
        done.map_err(|e| e.at(&self.parts.info.id, &self.parts.account, "login"))
    }

    async fn exchange(&self, answer: &ConsentAnswer) -> Result<Login, Error> {
        let audience = "";
        let slot = self.slot(audience);
        let mut held = slot.held.lock().await;
        let nonce = self.runtime.chance.nonce();
        let make = || {
            let cx = OpCx { account: &self.parts.account, now: self.now(), nonce: &nonce, key: "" };
            self.parts.protocol.exchange(&cx, answer).map(Box::new)
        };
        let patience = SignedDuration::try_from(self.parts.patience.total).unwrap_or(SignedDuration::MAX);
        let deadline = self.runtime.clock.now().checked_add(patience).unwrap_or(Timestamp::MAX);
        let again = || make().map(Some);
        let token = self.fetch_token(audience, None, make()?, &again, deadline).await.map_err(|e| {
            if !refuses_login(&e) && !matches!(e.kind(), Kind::InvalidRequest | Kind::Rejected) {
                return e;
            }
            let text = format!(
                "the channel refuses the code, which serves once and for some minutes: {}. Log in again",
                e.message()
            );
            Error::new(Kind::NeedsReauth, text).after_send()
        })?;
        if token.refresh.is_none() {
            let text = "the channel gave no refresh token: this login would end within hours. Look at what your app may do";
            return Err(Error::new(Kind::NeedsReauth, text).after_send());
        }
        let told = Login { login_until: token.login_until(), extra: token.extra.clone() };
        held.token = Some(token);
        held.unsaved = true;
        held.failed = None;
        slot.without.store(false, Ordering::Relaxed);
        // A person's word: it goes before whatever a refresh saved meanwhile.
        self.save(audience, &mut held, Over::Any).await?;
        Ok(told)
    }

    /// A login that ends is told in time, by every process that uses its token: no refresh saves it, a person has to act.
    fn warn_of_the_end(&self, token: &TokenSet) {
        match end_in_sight(token, self.now()) {
            Some(End::Soon(until)) => {
                tracing::warn!(account = %self.parts.account, %until, "the seller's consent ends: run `tradewind login` for this account before");
            }
            Some(End::Over(until)) => {
                tracing::warn!(account = %self.parts.account, %until, "the seller's consent has ended: run `tradewind login` for this account");
            }
            None => {}
        }
    }

    /// How the channel wants a token to be had, now.
    fn plan(&self, audience: &str, current: Option<&TokenSet>) -> Result<TokenPlan, Error> {
        let nonce = self.runtime.chance.nonce();
        let cx = OpCx { account: &self.parts.account, now: self.now(), nonce: &nonce, key: "" };
        self.parts.protocol.token_plan(&cx, audience, current).map_err(Error::unsent)
    }

    async fn renew(
        &self,
        audience: &str,
        slot: &Slot,
        held: &mut Held,
        deadline: Timestamp,
    ) -> Result<Option<TokenSet>, Failure> {
        let (mut number, mut looked) = (0_u32, false);
        loop {
            number += 1;
            let request = match self.plan(audience, held.token.as_ref()).map_err(Failure::Unasked)? {
                TokenPlan::None => {
                    // Only where nothing is stored either: a stored token may be what the plan was made from.
                    slot.without.store(held.token.is_none(), Ordering::Relaxed);
                    return Ok(None);
                }
                TokenPlan::Fixed(token) => {
                    held.token = Some(token.clone());
                    return Ok(Some(token));
                }
                TokenPlan::Fetch(request) => request,
            };
            let again = || match self.plan(audience, held.token.as_ref())? {
                TokenPlan::Fetch(fresh) => Ok(Some(fresh)),
                _ => Ok(None),
            };
            match self.fetch_token(audience, held.token.as_ref(), request, &again, deadline).await {
                Ok(token) => {
                    bump(&self.meters.refreshed);
                    // What it said before was told when it was found.
                    if held.token.as_ref().and_then(TokenSet::login_until) != token.login_until() {
                        self.warn_of_the_end(&token);
                    }
                    // Held before it is saved: a refresh token serves once, and the one before is spent.
                    held.token = Some(token);
                    held.unsaved = true;
                    let ours = self.keep_renewed(audience, held).await?;
                    if ours || held.token.as_ref().is_some_and(|t| lasts(t, self.now())) {
                        return Ok(held.token.clone());
                    }
                }
                Err(e) if refuses_login(&e) => {
                    // Another process may have spent it while this one asked.
                    let rotates = held.token.as_ref().is_some_and(|t| t.refresh.is_some());
                    if rotates
                        && !std::mem::replace(&mut looked, true)
                        && self.renewed_elsewhere(audience, held).await?
                    {
                        if held.token.as_ref().is_some_and(|t| lasts(t, self.now())) {
                            return Ok(held.token.clone());
                        }
                        continue;
                    }
                    // A person may have put a new login into the configuration; what is stored from the old one goes before it
                    // only as long as it is accepted.
                    if held.token.take().is_some() {
                        continue;
                    }
                    // A person must act.
                    let text = format!("the channel refuses our login, log in again: {}", e.message());
                    return Err(Error::new(Kind::NeedsReauth, text).after_send().into());
                }
                Err(e) => {
                    // Nothing of the caller's was sent, so a doubtful token request only costs another one.
                    let wait = e.wait().unwrap_or_else(|| self.backoff(number));
                    // A channel that is away is tried again by the call, out of the account's budget: tried here as
                    // well, its five attempts would be twenty-five.
                    let again = matches!(e.kind().retry(), RetryClass::AfterWait)
                        && number < self.parts.patience.attempts
                        && wait <= self.parts.patience.longest_wait
                        && self.runtime.clock.now().checked_add(wait).is_ok_and(|t| t <= deadline);
                    if !again {
                        return Err(before_send(e).into());
                    }
                    bump(&self.meters.retried);
                    self.runtime.clock.sleep(wait).await;
                }
            }
        }
    }

    /// Persists a renewed token before it is used. Not if the journal holds another refresh token by now, from a new login of the
    /// seller or a refresh that was faster: that is held then, and `false` is returned.
    async fn keep_renewed(&self, audience: &str, held: &mut Held) -> Result<bool, Error> {
        if !held.unsaved {
            return Ok(true);
        }
        // Compared where they are: a copy in a plain text would stay in memory behind them.
        fn plain(secret: Option<&SecretString>) -> Option<&str> {
            secret.map(ExposeSecret::expose_secret)
        }
        for _ in 0..SAVES {
            let seen = held.seen.clone();
            if self.save(audience, held, Over::Only(seen.as_ref())).await? {
                return Ok(true);
            }
            let before = held.stored.clone();
            let stored = self.stored(audience, held).await?;
            if held.stored.is_some() && plain(held.stored.as_ref()) != plain(before.as_ref()) {
                held.token = stored;
                held.unsaved = false;
                return Ok(false);
            }
            // The same login with another access token: ours is as good, and the younger.
        }
        let text = format!(
            "the token of '{}' could not be kept: other processes saved theirs {SAVES} times meanwhile. Tried again with the next call; \
             look at how many processes work on this store",
            self.owner
        );
        Err(Error::new(Kind::Internal, text))
    }

    /// Persists the token that is held before it is used. `false`: the journal holds another one than it may take the place of.
    async fn save(&self, audience: &str, held: &mut Held, over: Over<'_>) -> Result<bool, Error> {
        let Some(token) = &held.token else { return Ok(true) };
        let saved = self.runtime.journal.save_token(&self.owner, audience, token, over).await?;
        if saved {
            held.stored.clone_from(&token.refresh);
            held.seen.clone_from(&held.token);
            held.unsaved = false;
        }
        Ok(saved)
    }

    async fn fetch_token(
        &self,
        audience: &str,
        current: Option<&TokenSet>,
        mut request: Box<WireRequest>,
        again: &(dyn Fn() -> Result<Option<Box<WireRequest>>, Error> + Sync),
        deadline: Timestamp,
    ) -> Result<TokenSet, Error> {
        let draw = self.draw(&["token"], None, 1);
        let waited = self.runtime.limiter.acquire(&draw, Priority::Stock, deadline).await?;
        // A signature made before the wait may be too old by now.
        if !waited.is_zero()
            && let Some(fresh) = again()?
        {
            request = fresh;
        }
        bump(&self.meters.sent);
        let sent = self.runtime.transport.send(&request, self.time_for_an_answer(None, deadline)).await;
        if sent.as_ref().is_err_and(|e| !e.maybe_sent) {
            self.runtime.limiter.undo(&draw);
        }
        let response = sent?;
        let cx = OpCx { account: &self.parts.account, now: self.now(), nonce: "", key: "" };
        let read = || {
            self.verify(&SignCx { op: cx, operation: "token", token: current }, &response)?;
            match self.upstream_error("token", &request, &response, None) {
                Some(refused) => Err(refused.error),
                None => self.parts.protocol.read_token(&cx, audience, current, &response),
            }
        };
        read().map_err(|e| e.without(&Scrubber::of_login(&request, &response)))
    }
}

/// The end of the seller's consent.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Soon(Timestamp),
    Over(Timestamp),
}

/// The end of the seller's consent, where it is in sight.
fn end_in_sight(token: &TokenSet, now: Timestamp) -> Option<End> {
    let until = token.login_until().filter(|until| until.duration_since(now) < END_IN_SIGHT)?;
    Some(if until > now { End::Soon(until) } else { End::Over(until) })
}

/// It does not end within the next moments.
fn lasts(token: &TokenSet, now: Timestamp) -> bool {
    token.expires_at.is_none_or(|e| e.checked_sub(TOKEN_MARGIN).is_ok_and(|e| e > now))
}

/// The token endpoint refuses the login. A bare 403 is what a wall in front of the channel answers.
fn refuses_login(error: &Error) -> bool {
    match error.kind() {
        Kind::Unauthenticated | Kind::NeedsReauth => true,
        Kind::PermissionDenied => error.upstream_ref().is_some_and(|u| !u.code.is_empty()),
        _ => false,
    }
}

/// The same error, for a call of which nothing was sent although its token request was.
fn before_send(e: Error) -> Error {
    let kind = match e.kind() {
        Kind::Decode | Kind::PermissionDenied => Kind::Unavailable,
        kind => kind,
    };
    Error::new(kind, format!("no token: {}", e.message())).retry_after(e.wait())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::LOGIN_UNTIL;

    #[test]
    fn the_end_of_a_consent_is_in_sight_for_two_weeks() {
        let at = |day: &str| format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap();
        let mut token = TokenSet::fixed("t".to_owned().into());
        assert_eq!(end_in_sight(&token, at("2026-08-01")), None, "a channel that names no end");
        token.extra.insert(LOGIN_UNTIL.to_owned(), "2026-08-31T00:00:00Z".to_owned());
        // 31 − 14 = 17
        assert_eq!(end_in_sight(&token, at("2026-08-17")), None);
        assert_eq!(end_in_sight(&token, at("2026-08-18")), Some(End::Soon(at("2026-08-31"))));
        // Over is told as well, in other words.
        for day in ["2026-08-31", "2026-09-01"] {
            assert_eq!(end_in_sight(&token, at(day)), Some(End::Over(at("2026-08-31"))));
        }
    }
}
