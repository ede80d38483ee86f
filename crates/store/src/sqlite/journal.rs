//! The pipeline's memory in SQLite: intents, tokens, exchanges.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use tradewind_connector::{
    Begun, Error, Exchange, Intent, Journal, Kind, Outcome, Over, TokenSet, WireResponse, is_secret_header,
};

use super::writer::Desk;
use super::{SqliteStore, keep_payload, payload, payload_hash, sealed};
use crate::StoreError;
use crate::seal::Sealer;

#[async_trait]
impl Journal for SqliteStore {
    async fn begin(&self, intent: &Arc<Intent>) -> Result<Begun, Error> {
        let (intent, sealer) = (Arc::clone(intent), Arc::clone(&self.sealer));
        Ok(self.writer.run_single(move |desk| begin(desk, &sealer, &intent)).await?)
    }

    async fn finish(&self, intent: &Arc<Intent>, generation: u32, outcome: Outcome) -> Result<(), Error> {
        // Not waited for: whatever the caller commits next stands behind it in the same queue, and an outcome that a
        // crash takes leaves the intent unfinished, which is read as "may have been sent".
        let (intent, told) = (Arc::clone(intent), Arc::clone(intent));
        let sealer = Arc::clone(&self.sealer);
        let what = move || format!("outcome of {} {} {}", told.account, told.operation, told.key);
        let ended = Ended::from(outcome);
        let work = move |desk: &Desk<'_>| finish(desk, &sealer, &intent, generation, &ended);
        Ok(self.writer.run_behind(what, work)?)
    }

    async fn keep(&self, exchange: Exchange) -> Result<(), Error> {
        let sealer = Arc::clone(&self.sealer);
        let hash = payload_hash(&exchange.body);
        let kept = self.writer.run_single(move |connection| {
            keep_payload(connection, &sealer, &hash, &exchange.body)?;
            connection
                .prepare_cached("INSERT INTO exchanges (account, connector, operation, at, status, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    exchange.account.as_str(),
                    exchange.connector.as_str(),
                    exchange.operation,
                    exchange.at.to_string(),
                    exchange.status,
                    hash
                ])?;
            Ok(())
        });
        Ok(kept.await?)
    }

    async fn load_token(&self, owner: &str, audience: &str) -> Result<Option<TokenSet>, Error> {
        let (owner, audience) = (owner.to_owned(), audience.to_owned());
        let sealer = Arc::clone(&self.sealer);
        Ok(self.read(move |connection| token(connection, &sealer, &owner, &audience)).await?)
    }

    async fn save_token(
        &self,
        owner: &str,
        audience: &str,
        token: &TokenSet,
        over: Over<'_>,
    ) -> Result<bool, Error> {
        let (owner, audience) = (owner.to_owned(), audience.to_owned());
        let plain = serde_json::to_vec(&StoredToken::from(token))
            .map_err(|e| Error::new(Kind::Internal, format!("token not storable: {e}")))?;
        let sealed = self.sealer.seal(&token_place(&owner, &audience), &plain)?;
        // A token that cannot be opened any more is no reason to refuse a person's new login: only the other case looks.
        let expected = match over {
            Over::Any => None,
            Over::Only(expected) => Some(expected.cloned()),
        };
        let sealer = Arc::clone(&self.sealer);
        // The transaction is one that writes from its beginning: no other process writes between the look and the save.
        let saved = self.writer.run_single(move |connection| {
            if let Some(expected) = &expected {
                let there = self::token(connection, &sealer, &owner, &audience)?;
                if !Over::Only(expected.as_ref()).allows(there.as_ref()) {
                    return Ok(false);
                }
            }
            connection
                .prepare_cached("INSERT INTO tokens (account, audience, sealed) VALUES (?1, ?2, ?3) ON CONFLICT (account, audience) DO UPDATE SET sealed = ?3")?
                .execute(params![owner, audience, sealed])?;
            Ok(true)
        });
        Ok(saved.await?)
    }
}

/// The tokens of an audience, opened.
fn token(
    connection: &Connection,
    sealer: &Sealer,
    owner: &str,
    audience: &str,
) -> Result<Option<TokenSet>, StoreError> {
    let sealed: Option<Vec<u8>> = connection
        .prepare_cached("SELECT sealed FROM tokens WHERE account = ?1 AND audience = ?2")?
        .query_row([owner, audience], |r| r.get(0))
        .optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    let place = token_place(owner, audience);
    let plain = sealer.unseal(&place, &sealed)?;
    let stored: StoredToken = serde_json::from_slice(&plain).map_err(|e| StoreError::Corrupt {
        collection: "tokens",
        key: place,
        why: e.to_string(),
    })?;
    Ok(Some(stored.into()))
}

/// Where a token is bound to.
pub(super) fn token_place(account: &str, audience: &str) -> String {
    format!("tokens/{account}/{audience}")
}

/// What of a token is sealed. Only this module serialises secrets, and only into the sealer.
#[derive(Serialize, Deserialize)]
struct StoredToken {
    access: String,
    refresh: Option<String>,
    expires_at: Option<Timestamp>,
    extra: BTreeMap<String, String>,
}

impl From<&TokenSet> for StoredToken {
    fn from(t: &TokenSet) -> StoredToken {
        StoredToken {
            access: t.access.expose_secret().to_owned(),
            refresh: t.refresh.as_ref().map(|r| r.expose_secret().to_owned()),
            expires_at: t.expires_at,
            extra: t.extra.clone(),
        }
    }
}

impl From<StoredToken> for TokenSet {
    fn from(t: StoredToken) -> TokenSet {
        TokenSet {
            access: SecretString::from(t.access),
            refresh: t.refresh.map(SecretString::from),
            expires_at: t.expires_at,
            extra: t.extra,
        }
    }
}

fn begin(desk: &Desk<'_>, sealer: &Sealer, intent: &Intent) -> Result<Begun, StoreError> {
    // Most intents are new: one look at the key, not two.
    const INSERT: &str = "INSERT INTO intents (account, operation, key, subject, state, begun_at) VALUES (?1, ?2, ?3, ?4, 'begun', ?5) ON CONFLICT (account, operation, key) DO NOTHING";
    let (account, at) = (intent.account.as_str(), intent.at.to_string());
    let fresh = desk.with(INSERT, |insert| {
        insert.execute(params![account, intent.operation, intent.key, intent.subject, at])
    })?;
    let connection: &Connection = desk;
    if fresh == 1 {
        return Ok(Begun::Fresh);
    }
    type Known = (String, Option<u16>, Option<String>, Option<String>, String, u32);
    let (state, status, headers, hash, begun_at, generation): Known = connection
        .prepare_cached("SELECT state, status, headers, payload, begun_at, generation FROM intents WHERE account = ?1 AND operation = ?2 AND key = ?3")?
        .query_row([intent.account.as_str(), intent.operation, &intent.key], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
        })?;
    if state == "refused" {
        connection
            .prepare_cached("UPDATE intents SET state = 'begun', subject = ?4, begun_at = ?5, note = NULL WHERE account = ?1 AND operation = ?2 AND key = ?3")?
            .execute(params![intent.account.as_str(), intent.operation, intent.key, intent.subject, intent.at.to_string()])?;
        return Ok(Begun::Again { generation });
    }
    let corrupt = |why: String| StoreError::Corrupt { collection: "intents", key: intent.key.clone(), why };
    let since: Timestamp = begun_at.parse().map_err(|e: jiff::Error| corrupt(e.to_string()))?;
    let (Some(status), Some(hash), "done") = (status, hash, state.as_str()) else {
        return Ok(Begun::Unfinished { since, generation });
    };
    let body =
        payload(connection, sealer, &hash)?.ok_or_else(|| corrupt(format!("payload {hash} is gone")))?;
    let pairs: Vec<(String, String)> = serde_json::from_str(&headers.unwrap_or_else(|| "[]".to_owned()))
        .map_err(|e| corrupt(e.to_string()))?;
    let mut headers = http::HeaderMap::new();
    for (name, value) in pairs {
        if let (Ok(n), Ok(v)) =
            (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_str(&value))
        {
            headers.append(n, v);
        }
    }
    let response = WireResponse { status, headers, body: Bytes::from(body), received_at: since };
    Ok(Begun::Finished { response, generation })
}

/// An outcome as its row has it.
enum Ended {
    Done { status: u16, headers: String, hash: String, body: Bytes },
    Failed(String),
    Refused(String),
    Indeterminate(String),
}

/// A body up to this size is copied, in bytes.
const COPIED: usize = 4096;

impl From<Outcome> for Ended {
    /// Made by whoever tells of it, not on the writer's thread, and the answer is let go of: it stands in the buffer that its
    /// connection reads into, and as long as it is held the connection needs a new one for every answer.
    fn from(outcome: Outcome) -> Ended {
        match outcome {
            Outcome::Done(response) => Ended::Done {
                status: response.status,
                headers: headers(&response),
                hash: payload_hash(&response.body),
                body: match response.body.len() {
                    ..=COPIED => Bytes::copy_from_slice(&response.body),
                    _ => response.body,
                },
            },
            Outcome::Failed(why) => Ended::Failed(why),
            Outcome::Refused(why) => Ended::Refused(why),
            Outcome::Indeterminate(why) => Ended::Indeterminate(why),
        }
    }
}

/// An outcome is of the generation that went out: another process may have begun the next one since, or ended this one.
fn finish(
    desk: &Desk<'_>,
    sealer: &Sealer,
    intent: &Intent,
    generation: u32,
    ended: &Ended,
) -> Result<(), StoreError> {
    let (account, operation, key) = (intent.account.as_str(), intent.operation, intent.key.as_str());
    let connection: &Connection = desk;
    match ended {
        // Done in an earlier generation than the one under way is done.
        Ended::Done { status, headers, hash, body } => {
            const UPDATE: &str = "UPDATE intents SET state = 'done', status = ?4, headers = ?5, payload = ?6, generation = ?7, note = NULL WHERE account = ?1 AND operation = ?2 AND key = ?3 AND state <> 'done'";
            keep_payload(desk, sealer, hash, body)?;
            desk.with(UPDATE, |update| {
                update.execute(params![account, operation, key, status, headers, hash, generation])
            })?;
        }
        Ended::Indeterminate(note) => {
            connection
                .prepare_cached("UPDATE intents SET state = 'indeterminate', note = ?4 WHERE account = ?1 AND operation = ?2 AND key = ?3 AND generation = ?5 AND state <> 'done'")?
                .execute(params![account, operation, key, sealed::text(sealer, "intents", key, note)?, generation])?;
        }
        // Certainly not carried out: the key is free again, in the generation that it has.
        Ended::Failed(_) if generation == 0 => {
            connection
                .prepare_cached("DELETE FROM intents WHERE account = ?1 AND operation = ?2 AND key = ?3 AND generation = 0 AND state <> 'done'")?
                .execute(params![account, operation, key])?;
        }
        Ended::Failed(why) => refused(connection, sealer, intent, generation, generation, why)?,
        Ended::Refused(why) => refused(connection, sealer, intent, generation, generation + 1, why)?,
    }
    Ok(())
}

/// It was not carried out in this generation; the next try is of the generation `next`.
fn refused(
    connection: &Connection,
    sealer: &Sealer,
    intent: &Intent,
    generation: u32,
    next: u32,
    why: &str,
) -> Result<(), StoreError> {
    let (account, operation, key) = (intent.account.as_str(), intent.operation, intent.key.as_str());
    connection
        .prepare_cached("UPDATE intents SET state = 'refused', generation = ?6, note = ?4 WHERE account = ?1 AND operation = ?2 AND key = ?3 AND generation = ?5 AND state <> 'done'")?
        .execute(params![account, operation, key, sealed::text(sealer, "intents", key, why)?, generation, next])?;
    Ok(())
}

/// The headers of an answer that hold no secret, as JSON: pairs of name and value.
fn headers(response: &WireResponse) -> String {
    let shown = response.headers.iter().filter(|(name, _)| !is_secret_header(name.as_str()));
    let pairs = shown.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let mut json = Vec::with_capacity(256);
    // Texts always serialise, and a vector takes them all.
    let written = serde_json::Serializer::new(&mut json).collect_seq(pairs);
    written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_else(|| "[]".to_owned())
}
