//! What must survive a crash: intents, tokens, raw exchanges. The store implements these traits; [`Memory`]
//! serves tests.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tradewind_domain::{AccountId, ConnectorId};

use crate::error::Error;
use crate::protocol::TokenSet;
use crate::wire::WireResponse;

/// A write that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Account.
    pub account: AccountId,
    /// Operation.
    pub operation: &'static str,
    /// Idempotency key: unique per account and operation.
    pub key: String,
    /// What it is about, for people.
    pub subject: String,
    /// Now.
    pub at: Timestamp,
}

impl Intent {
    /// The key as the channel is told it: of the first generation as it stands. No two keys and generations give the same:
    /// a key may end in a SKU, and a `~` of its own is doubled.
    #[must_use]
    pub fn sent_as(&self, generation: u32) -> Cow<'_, str> {
        let key = match self.key.contains('~') {
            true => Cow::Owned(self.key.replace('~', "~~")),
            false => Cow::Borrowed(self.key.as_str()),
        };
        match generation {
            0 => key,
            n => Cow::Owned(format!("{key}~{n}")),
        }
    }

    /// Account, operation, key: what names it.
    fn identity(&self) -> (String, String, String) {
        (self.account.to_string(), self.operation.to_owned(), self.key.clone())
    }
}

/// What the journal knows of a key.
///
/// A key has generations: what leaves is not the intent's key but [`Intent::sent_as`] of its generation. The next one begins
/// only where a refusal was certain and the channel remembers it under the key ([`Outcome::Refused`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Never seen, or free again; it is persisted now.
    Fresh,
    /// It was refused before, and would be for ever under the keys of earlier generations; this one is persisted now.
    Again {
        /// The generation that it goes out in.
        generation: u32,
    },
    /// It was begun before and no outcome is known: it may have been sent.
    Unfinished {
        /// When it was first begun: a channel remembers a key only for so long.
        since: Timestamp,
        /// The generation that it went out in.
        generation: u32,
    },
    /// It ended before with this answer, which is decoded again instead of sending.
    Finished {
        /// The answer.
        response: WireResponse,
        /// The generation that it went out in.
        generation: u32,
    },
}

/// How a write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The channel answered with success.
    Done(WireResponse),
    /// It was certainly not carried out; the key may be used again.
    Failed(String),
    /// It was certainly not carried out, and the channel would answer its key with the same refusal again: the next try is of the
    /// next generation.
    Refused(String),
    /// Nobody knows.
    Indeterminate(String),
}

/// One exchange, for the record. Bodies byte for byte; secrets of headers are left out.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Account.
    pub account: AccountId,
    /// Connector.
    pub connector: ConnectorId,
    /// Operation.
    pub operation: String,
    /// When the answer was complete.
    pub at: Timestamp,
    /// HTTP status.
    pub status: u16,
    /// Answer.
    pub body: Bytes,
}

/// Durable memory of the pipeline. Every method but [`Journal::finish`] returns after the fact is durable.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Persists the intent before a byte is sent, or tells what is known of its key.
    async fn begin(&self, intent: &Arc<Intent>) -> Result<Begun, Error>;
    /// Persists how it ended, before anything that is written later through the same journal. A crash may take an
    /// outcome that was not followed by another write; the intent is then unfinished again, the careful reading.
    ///
    /// `generation`: the one that went out ([`Journal::begin`] told it). Two processes may have the same one under way: what
    /// comes late says nothing of a generation that began since, unless it is a success, and nothing undoes a success.
    async fn finish(&self, intent: &Arc<Intent>, generation: u32, outcome: Outcome) -> Result<(), Error>;
    /// Keeps an answer before it is decoded.
    async fn keep(&self, exchange: Exchange) -> Result<(), Error>;
    /// The last tokens of an audience. `owner`: an account, or the login that several share.
    async fn load_token(&self, owner: &str, audience: &str) -> Result<Option<TokenSet>, Error>;
    /// Persists tokens before they are used, unless others than `over` are there by now: then nothing is written, and `false`
    /// is returned. Looked at and written in one step, whatever other process saves at that instant.
    async fn save_token(
        &self,
        owner: &str,
        audience: &str,
        token: &TokenSet,
        over: Over<'_>,
    ) -> Result<bool, Error>;
}

/// What a token that is saved takes the place of.
#[derive(Debug, Clone, Copy)]
pub enum Over<'a> {
    /// Whatever is there: a person has logged in.
    Any,
    /// These tokens alone, or none at all: a refresh of these. A login that a person saved meanwhile stays.
    Only(Option<&'a TokenSet>),
}

impl Over<'_> {
    /// It may take the place of what is there.
    #[must_use]
    pub fn allows(self, there: Option<&TokenSet>) -> bool {
        match (self, there) {
            (Over::Any, _) | (Over::Only(None), None) => true,
            (Over::Only(Some(expected)), Some(there)) => expected.is(there),
            (Over::Only(_), _) => false,
        }
    }
}

/// A journal in memory, for tests and examples.
#[derive(Default)]
pub struct Memory {
    state: Mutex<MemoryState>,
}

#[derive(Default)]
struct MemoryState {
    intents: HashMap<(String, String, String), Remembered>,
    tokens: HashMap<(String, String), TokenSet>,
    kept: Vec<Exchange>,
    begun: Vec<Intent>,
}

struct Remembered {
    since: Timestamp,
    generation: u32,
    ended: Option<Outcome>,
}

impl Memory {
    fn lock(&self) -> std::sync::MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exchanges kept so far.
    #[must_use]
    pub fn kept(&self) -> Vec<Exchange> {
        self.lock().kept.clone()
    }

    /// The keys begun so far, in order, repeated ones repeated.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.lock().begun.iter().map(|i| i.key.clone()).collect()
    }

    /// The intents begun so far, in order, repeated ones repeated.
    #[must_use]
    pub fn begun(&self) -> Vec<Intent> {
        self.lock().begun.clone()
    }
}

#[async_trait]
impl Journal for Memory {
    async fn begin(&self, intent: &Arc<Intent>) -> Result<Begun, Error> {
        let mut state = self.lock();
        state.begun.push(Intent::clone(intent));
        let key = intent.identity();
        let fresh = Remembered { since: intent.at, generation: 0, ended: None };
        let Some(known) = state.intents.get_mut(&key) else {
            state.intents.insert(key, fresh);
            return Ok(Begun::Fresh);
        };
        let generation = known.generation;
        Ok(match &known.ended {
            Some(Outcome::Done(response)) => Begun::Finished { response: response.clone(), generation },
            Some(Outcome::Refused(_)) => {
                *known = Remembered { generation, ..fresh };
                Begun::Again { generation }
            }
            _ => Begun::Unfinished { since: known.since, generation },
        })
    }

    async fn finish(&self, intent: &Arc<Intent>, generation: u32, outcome: Outcome) -> Result<(), Error> {
        let key = intent.identity();
        let mut state = self.lock();
        let Some(known) = state.intents.get_mut(&key) else { return Ok(()) };
        let done = matches!(outcome, Outcome::Done(_));
        if matches!(known.ended, Some(Outcome::Done(_))) || (known.generation != generation && !done) {
            return Ok(());
        }
        known.generation = generation + u32::from(matches!(outcome, Outcome::Refused(_)));
        match outcome {
            Outcome::Failed(_) if generation == 0 => {
                state.intents.remove(&key);
            }
            // What failed in a later generation goes out in that one again.
            Outcome::Failed(why) => known.ended = Some(Outcome::Refused(why)),
            ended => known.ended = Some(ended),
        }
        Ok(())
    }

    async fn keep(&self, exchange: Exchange) -> Result<(), Error> {
        self.lock().kept.push(exchange);
        Ok(())
    }

    async fn load_token(&self, owner: &str, audience: &str) -> Result<Option<TokenSet>, Error> {
        Ok(self.lock().tokens.get(&(owner.to_owned(), audience.to_owned())).cloned())
    }

    async fn save_token(
        &self,
        owner: &str,
        audience: &str,
        token: &TokenSet,
        over: Over<'_>,
    ) -> Result<bool, Error> {
        let mut state = self.lock();
        let place = (owner.to_owned(), audience.to_owned());
        if !over.allows(state.tokens.get(&place)) {
            return Ok(false);
        }
        state.tokens.insert(place, token.clone());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `k/A~1` is a SKU's own key, or the second generation of its neighbour's.
    #[test]
    fn no_generation_is_sent_under_the_key_of_another_write() {
        let sent = |key: &str, generation| {
            let at = Timestamp::UNIX_EPOCH;
            let (account, key) = ("toy-1".parse().unwrap(), key.to_owned());
            let intent = Intent { account, operation: "toy.op", key, subject: String::new(), at };
            intent.sent_as(generation).into_owned()
        };
        assert_eq!((sent("k/A", 0), sent("k/A", 1)), ("k/A".to_owned(), "k/A~1".to_owned()));
        let mut all: Vec<String> = ["A", "A~", "A~1", "A~~1", "A~1~1"]
            .iter()
            .flat_map(|sku| (0..3).map(move |n| sent(&format!("k/{sku}"), n)))
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 15, "{all:?}");
    }
}
