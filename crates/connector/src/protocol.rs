//! What a channel's API has in common over all its operations: tokens, signatures, the shape of its errors.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::consent::{Consent, ConsentAnswer};
use crate::error::{Error, Upstream};
use crate::limits::Signal;
use crate::operation::OpCx;
use crate::wire::{WireRequest, WireResponse};

/// Tokens of one audience. Its debug form shows no secret.
#[derive(Clone)]
pub struct TokenSet {
    /// What a request carries.
    pub access: SecretString,
    /// What fetches the next one.
    pub refresh: Option<SecretString>,
    /// When `access` ends; `None`: it does not.
    pub expires_at: Option<Timestamp>,
    /// What else the channel told (shop id, granted scopes). Nothing secret.
    pub extra: BTreeMap<String, String>,
}

impl TokenSet {
    /// A token that does not end.
    #[must_use]
    pub fn fixed(access: SecretString) -> TokenSet {
        TokenSet { access, refresh: None, expires_at: None, extra: BTreeMap::new() }
    }

    /// The access token, for a signer.
    #[must_use]
    pub fn access(&self) -> &str {
        self.access.expose_secret()
    }

    /// It is this very token: of two logins or two refreshes none has the secrets of the other.
    #[must_use]
    pub fn is(&self, other: &TokenSet) -> bool {
        // Compared where they are: a copy in a plain text would stay in memory behind them.
        fn refresh(token: &TokenSet) -> Option<&str> {
            token.refresh.as_ref().map(ExposeSecret::expose_secret)
        }
        self.access() == other.access() && refresh(self) == refresh(other)
    }
}

impl std::fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSet").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// How a token is had.
#[derive(Debug)]
pub enum TokenPlan {
    /// No token: the signature alone authenticates. Where nothing is stored, this is asked for before every call and the
    /// store is not looked into again: answer it by the audience and the settings, not by `current`.
    None,
    /// From configuration, never expires.
    Fixed(TokenSet),
    /// By this request; its answer goes to [`Protocol::read_token`].
    Fetch(Box<WireRequest>),
}

/// What a signer may know.
#[derive(Debug, Clone, Copy)]
pub struct SignCx<'a> {
    /// The operation's context of this attempt.
    pub op: OpCx<'a>,
    /// Name of the operation, for channels that sign some calls otherwise.
    pub operation: &'a str,
    /// The token of the operation's audience, and of no other.
    pub token: Option<&'a TokenSet>,
}

/// The protocol of a channel: everything its operations share. Pure.
pub trait Protocol: Send + Sync {
    /// The login at the channel, where several accounts may have the same one: a seller whose shops in several countries are
    /// accounts here. Those of one application ([`crate::Opening::app`]) share its tokens, of which one is fetched at a time, and
    /// the quotas of scope `login`. Made from the settings, without a secret in it. Where an adapter begins to name one, a token
    /// stored for the account serves until the first that is stored for the login. Default: the account has a login of its own.
    fn shared_login(&self) -> Option<String> {
        None
    }

    /// How to get a token. `current` is the last one, of which the refresh token may serve; `None` where there is none, or
    /// where the last answer was [`TokenPlan::None`] and none was stored then.
    ///
    /// # Errors
    /// A secret is missing: [`crate::Kind::Config`].
    fn token_plan(
        &self,
        _cx: &OpCx<'_>,
        _audience: &str,
        _current: Option<&TokenSet>,
    ) -> Result<TokenPlan, Error> {
        Ok(TokenPlan::None)
    }

    /// Reads the answer of a token request. A rotated refresh token must be in the result: the pipeline
    /// persists it before it uses the access token.
    ///
    /// # Errors
    /// `NeedsReauth` when the refresh token is dead.
    fn read_token(
        &self,
        _cx: &OpCx<'_>,
        _audience: &str,
        _current: Option<&TokenSet>,
        _response: &WireResponse,
    ) -> Result<TokenSet, Error> {
        Err(Error::decode("this protocol has no token endpoint"))
    }

    /// The page on which the seller lets us in, for channels that give refresh tokens in no other way; `cx.nonce` is the
    /// `state` that must come back. `None`: the secrets of the configuration are all there is.
    ///
    /// # Errors
    /// A setting is missing: [`crate::Kind::Config`].
    fn consent(&self, _cx: &OpCx<'_>) -> Result<Option<Consent>, Error> {
        Ok(None)
    }

    /// The request that turns the answer of that page into tokens, of the audience `""`. Its answer goes to
    /// [`Protocol::read_token`].
    ///
    /// # Errors
    /// The answer is not of this channel.
    fn exchange(&self, _cx: &OpCx<'_>, _answer: &ConsentAnswer) -> Result<WireRequest, Error> {
        Err(Error::config("this channel has no page to agree on"))
    }

    /// Adds credentials and signature to a complete request. Called once per attempt, last of all.
    ///
    /// # Errors
    /// A secret is missing or unusable.
    fn sign(&self, _cx: &SignCx<'_>, _request: &mut WireRequest) -> Result<(), Error> {
        Ok(())
    }

    /// Proves that an answer is the channel's, where it signs its answers. Asked first of all, also of the token endpoint's
    /// (operation `token`); an answer that fails is neither success nor refusal: a read fails, a write is in doubt. So whatever is
    /// not proven fails here, an error as well: a 400 that somebody else wrote would let a payment that was made be made again.
    /// That a server behind its front has broken down (status 500 and above) says nothing of the request, whoever says it: the
    /// pipeline takes it for an unavailable channel, proven or not. Keys that the channel changes can stand in
    /// [`TokenSet::extra`] of [`SignCx::token`]. Default: everything passes.
    ///
    /// # Errors
    /// The signature is missing, wrong, or too old; the words say which.
    fn verify(&self, _cx: &SignCx<'_>, _response: &WireResponse) -> Result<(), Error> {
        Ok(())
    }

    /// Finds the channel's error in a response, also in one with status 200. `None` means success. The
    /// default takes every status but 2xx and 304 for an error and reads nothing of the body.
    fn upstream(&self, _operation: &str, response: &WireResponse) -> Option<Upstream> {
        if !response.is_refusal() {
            return None;
        }
        Some(Upstream { http: response.status, message: snippet(&response.body), ..Upstream::default() })
    }

    /// Whether the channel answers the key of a [`crate::Safety::Keyed`] write with this refusal from now on, whatever the
    /// reason of it has become: the next try of the same intention then goes out under a key of its own. After a lost answer,
    /// too, what is remembered is a certain refusal, of whatever kind; only an error that itself leaves open what became of the
    /// write (unavailable, unreadable, not known) is not asked about. Default: the channel forgets what it refused.
    fn remembers(&self, _operation: &str, _refusal: &Error) -> bool {
        false
    }

    /// What a response tells about quotas beyond the headers named in `limits.toml` (Shopify tells in the body).
    fn signals(&self, _operation: &str, _response: &WireResponse) -> Vec<Signal> {
        Vec::new()
    }
}

/// The beginning of a body as text, for messages: at most 200 characters, control characters replaced.
#[must_use]
pub fn snippet(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(800)]);
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
