//! Kept calls, found for a person. No index serves this: whoever asks is in trouble and waits a second, and an index on what
//! bodies name would cost every call.

use std::collections::HashMap;

use aws_lc_rs::digest;
use rusqlite::{Connection, Row, params};
use tradewind_connector::signing::hex;

use super::{payload, sealed};
use crate::StoreError;
use crate::calls::{CallFilter, CallOutcome, KeptCall, KeptWrite};
use crate::seal::Sealer;

const ANSWER: &str = "SELECT id, account, operation, at, status, payload FROM exchanges";
const WRITE: &str = "SELECT account, operation, key, subject, state, begun_at, status, headers, payload, note, generation FROM intents";

/// Those that fit, oldest first.
pub(super) fn list(
    connection: &Connection,
    sealer: &Sealer,
    filter: &CallFilter,
) -> Result<Vec<KeptCall>, StoreError> {
    let mut found = Vec::new();
    let mut bodies = Bodies { connection, sealer, filter, known: HashMap::new() };
    // Instants as text sort as instants do up to the second; what is younger than asked for is cut exactly.
    let since = filter.since.to_string();
    let since = since.get(..19).unwrap_or_default();
    let mut writes = connection.prepare_cached(&format!("{WRITE} WHERE account = ?1 AND begun_at >= ?2"))?;
    let mut rows = writes.query(params![filter.account, since])?;
    while let Some(row) = rows.next()? {
        let call = write(row, sealer)?;
        let named =
            call.write.as_ref().is_some_and(|w| filter.is_in_text(&w.subject) || filter.is_in_text(&w.key));
        if named || bodies.name(call.payload.as_deref())? {
            found.push(call);
        }
    }
    let mut answers = connection.prepare_cached(&format!("{ANSWER} WHERE account = ?1 AND at >= ?2"))?;
    let mut rows = answers.query(params![filter.account, since])?;
    while let Some(row) = rows.next()? {
        let call = answer(row)?;
        if bodies.name(call.payload.as_deref())? {
            found.push(call);
        }
    }
    found.retain(|call| call.at >= filter.since);
    found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(found)
}

/// The one of this id.
pub(super) fn get(
    connection: &Connection,
    sealer: &Sealer,
    id: &str,
) -> Result<Option<KeptCall>, StoreError> {
    if let Some(number) = id.strip_prefix('a').and_then(|n| n.parse::<i64>().ok()) {
        let mut statement = connection.prepare_cached(&format!("{ANSWER} WHERE id = ?1"))?;
        let mut rows = statement.query([number])?;
        return rows.next()?.map(answer).transpose();
    }
    let mut statement = connection.prepare_cached("SELECT account, operation, key FROM intents")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let identity: (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if id_of(&identity.0, &identity.1, &identity.2) != id {
            continue;
        }
        let sql = format!("{WRITE} WHERE account = ?1 AND operation = ?2 AND key = ?3");
        let mut one = connection.prepare_cached(&sql)?;
        let mut rows = one.query(params![identity.0, identity.1, identity.2])?;
        return rows.next()?.map(|row| write(row, sealer)).transpose();
    }
    Ok(None)
}

/// A write is named by account, operation and key, each preceded by its length.
fn id_of(account: &str, operation: &str, key: &str) -> String {
    let mut hasher = digest::Context::new(&digest::SHA256);
    for part in [account, operation, key] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hex(hasher.finish().as_ref());
    format!("w{}", hash.get(..16).unwrap_or_default())
}

fn corrupt(table: &'static str, key: &str, why: impl ToString) -> StoreError {
    StoreError::Corrupt { collection: table, key: key.to_owned(), why: why.to_string() }
}

fn answer(row: &Row<'_>) -> Result<KeptCall, StoreError> {
    let (id, at): (i64, String) = (row.get(0)?, row.get(3)?);
    let id = format!("a{id}");
    Ok(KeptCall {
        at: at.parse().map_err(|e: jiff::Error| corrupt("exchanges", &id, e))?,
        id,
        account: row.get(1)?,
        operation: row.get(2)?,
        outcome: CallOutcome::Answered,
        status: row.get(4)?,
        write: None,
        payload: row.get(5)?,
    })
}

fn write(row: &Row<'_>, sealer: &Sealer) -> Result<KeptCall, StoreError> {
    let (account, operation, key): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (state, at, headers): (String, String, Option<String>) = (row.get(4)?, row.get(5)?, row.get(7)?);
    let note: Option<Vec<u8>> = row.get(9)?;
    let note = note.map(|note| sealed::open_text(sealer, "intents", &key, &note)).transpose()?;
    let headers = headers.map_or_else(|| Ok(Vec::new()), |text| serde_json::from_str(&text));
    Ok(KeptCall {
        id: id_of(&account, &operation, &key),
        at: at.parse().map_err(|e: jiff::Error| corrupt("intents", &key, e))?,
        account,
        operation,
        outcome: match state.as_str() {
            "done" => CallOutcome::Done,
            "refused" => CallOutcome::Refused,
            "indeterminate" => CallOutcome::InDoubt,
            "begun" => CallOutcome::Begun,
            other => return Err(corrupt("intents", &key, format!("its state is '{other}'"))),
        },
        status: row.get(6)?,
        payload: row.get(8)?,
        write: Some(KeptWrite {
            subject: row.get(3)?,
            generation: row.get(10)?,
            note,
            headers: headers.map_err(|e| corrupt("intents", &key, e))?,
            key,
        }),
    })
}

/// Bodies that are looked into, each once: a poll that finds nothing new has the same answer as the one before.
struct Bodies<'a> {
    connection: &'a Connection,
    sealer: &'a Sealer,
    filter: &'a CallFilter,
    known: HashMap<String, bool>,
}

impl Bodies<'_> {
    fn name(&mut self, hash: Option<&str>) -> Result<bool, StoreError> {
        let Some(hash) = hash else { return Ok(false) };
        if let Some(known) = self.known.get(hash) {
            return Ok(*known);
        }
        let body = payload(self.connection, self.sealer, hash)?
            .ok_or_else(|| corrupt("payloads", hash, "it is gone"))?;
        let told = self.filter.is_in_body(&body);
        self.known.insert(hash.to_owned(), told);
        Ok(told)
    }
}
