//! What is sealed at rest, how it is read, and how a store from before is brought to it.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::StoreError;
use crate::batch::{Collection, Row};
use crate::seal::{KeySource, Sealer};

/// Sealed once, opened by everybody who opens the store.
const PROBE: (&str, &[u8]) = ("sealing/probe", b"tradewind");

/// Where a value of a table is bound to.
fn place(table: &str, key: &str) -> String {
    format!("{table}/{key}")
}

/// A body as it is stored.
pub(super) fn body(
    sealer: &Sealer,
    collection: Collection,
    key: &str,
    body: &str,
) -> Result<Value, StoreError> {
    if !collection.is_personal() {
        return Ok(Value::Text(body.to_owned()));
    }
    Ok(Value::Blob(sealer.seal(&place(collection.table(), key), body.as_bytes())?))
}

/// A state as it is stored and looked for.
pub(super) fn state(sealer: &Sealer, collection: Collection, state: &str) -> String {
    // No state is no secret, and lists of those without one stay possible.
    if collection.state_names_a_person() && !state.is_empty() {
        return sealer.blind(collection.table(), state);
    }
    state.to_owned()
}

/// A text that is written for people and read by nobody else.
pub(super) fn text(sealer: &Sealer, table: &str, key: &str, text: &str) -> Result<Vec<u8>, StoreError> {
    sealer.seal(&place(table, key), text.as_bytes())
}

/// Such a text again.
pub(super) fn open_text(
    sealer: &Sealer,
    table: &'static str,
    key: &str,
    sealed: &[u8],
) -> Result<String, StoreError> {
    let plain = sealer.unseal(&place(table, key), sealed)?;
    String::from_utf8(plain).map_err(|e| StoreError::Corrupt {
        collection: table,
        key: key.to_owned(),
        why: e.to_string(),
    })
}

/// A row as it is stored: key, account, state, body, version.
pub(super) struct Stored(String, String, String, Value, i64);

impl Stored {
    pub(super) fn read(r: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored(r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
    }

    pub(super) fn open(self, sealer: &Sealer, collection: Collection) -> Result<Row, StoreError> {
        let Stored(key, account, state, body, version) = self;
        let corrupt =
            |why: String| StoreError::Corrupt { collection: collection.table(), key: key.clone(), why };
        let body = match body {
            Value::Text(body) => body,
            Value::Blob(sealed) => {
                let plain = sealer.unseal(&place(collection.table(), &key), &sealed)?;
                String::from_utf8(plain).map_err(|e| corrupt(e.to_string()))?
            }
            other => return Err(corrupt(format!("its body is {:?}", other.data_type()))),
        };
        Ok(Row { key, account, state, body, version })
    }
}

/// Checks that the key is the one the store was sealed with, and seals what an older program left in plain.
pub(super) fn bring_up(
    connection: &mut Connection,
    path: &Path,
    key: &KeySource,
) -> Result<Sealer, StoreError> {
    let known = probe(connection)?;
    // Also of a store from before, in which only tokens are sealed: a new key would open none of them.
    if let KeySource::File(file) = key
        && !file.exists()
        && (known.is_some() || token(connection)?.is_some())
    {
        return Err(StoreError::Key(format!(
            "{} is missing, and {} is sealed with it: put the file back, or give the key in TRADEWIND_KEY",
            file.display(),
            path.display()
        )));
    }
    let sealer = Sealer::open(key)?;
    let another = || {
        StoreError::Key(format!(
            "it is not the one {} was sealed with: put that key file back, or give that key in TRADEWIND_KEY",
            path.display()
        ))
    };
    let clean = match known {
        Some((sealed, clean)) => {
            sealer.unseal(PROBE.0, &sealed).map_err(|_| another())?;
            clean
        }
        None => seal_all(connection, &sealer, &another)?,
    };
    if !clean && let Err(e) = clean_up(connection) {
        // The rows are sealed; a full disk or a busy file must not keep the program from its work.
        tracing::warn!(store = %path.display(), error = %e, "what stood in plain is still in free pages or in the log of the store; cleaned when it is opened next");
    }
    Ok(sealer)
}

/// What stood there in plain is still in free pages and in the log: both are written anew.
fn clean_up(connection: &Connection) -> Result<(), StoreError> {
    // The copy that VACUUM makes is as large as the store: not in memory. All that names persons is sealed in it by now.
    connection.execute_batch("PRAGMA temp_store = FILE")?;
    let copied = connection.execute_batch("VACUUM");
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    copied?;
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0))?;
    if busy != 0 {
        return Err(StoreError::Database(
            "another program reads in it: its log cannot be emptied".to_owned(),
        ));
    }
    Ok(connection.execute_batch("UPDATE sealing SET clean = 1")?)
}

/// A token: account, audience, sealed.
fn token(connection: &Connection) -> Result<Option<(String, String, Vec<u8>)>, StoreError> {
    let sql = "SELECT account, audience, sealed FROM tokens LIMIT 1";
    Ok(connection.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional()?)
}

fn probe(connection: &Connection) -> Result<Option<(Vec<u8>, bool)>, StoreError> {
    let sql = "SELECT probe, clean FROM sealing WHERE id = 1";
    Ok(connection.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?))).optional()?)
}

/// Seals every row in one transaction: a process that dies leaves all or nothing. Whether nothing was there in plain.
fn seal_all(
    connection: &mut Connection,
    sealer: &Sealer,
    another: &dyn Fn() -> StoreError,
) -> Result<bool, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some((sealed, clean)) = probe(&tx)? {
        // Another process was faster.
        sealer.unseal(PROBE.0, &sealed).map_err(|_| another())?;
        return Ok(clean);
    }
    // Tokens were sealed before anything else was: their key is the store's.
    if let Some((account, audience, sealed)) = token(&tx)? {
        sealer.unseal(&super::journal::token_place(&account, &audience), &sealed).map_err(|_| another())?;
    }
    let mut changed = 0_usize;
    for collection in Collection::ALL {
        changed += seal_bodies(&tx, sealer, collection)?;
    }
    changed += seal_payloads(&tx, sealer)?;
    changed += seal_notes(&tx, sealer)?;
    let probe = sealer.seal(PROBE.0, PROBE.1)?;
    tx.execute("INSERT INTO sealing (id, probe, clean) VALUES (1, ?1, ?2)", params![probe, changed == 0])?;
    tx.commit()?;
    if changed > 0 {
        tracing::info!(changed, "rows that stood in plain were sealed");
    }
    Ok(changed == 0)
}

fn column(tx: &Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = tx.prepare(sql)?;
    let rows = statement.query_map([], |r| r.get(0))?;
    Ok(rows.collect::<rusqlite::Result<Vec<String>>>()?)
}

fn seal_bodies(tx: &Connection, sealer: &Sealer, collection: Collection) -> Result<usize, StoreError> {
    if !collection.is_personal() {
        return Ok(0);
    }
    let table = collection.table();
    let keys = column(tx, &format!("SELECT key FROM {table} WHERE typeof(body) = 'text'"))?;
    let mut read = tx.prepare(&format!("SELECT state, body FROM {table} WHERE key = ?1"))?;
    let mut write = tx.prepare(&format!("UPDATE {table} SET state = ?2, body = ?3 WHERE key = ?1"))?;
    for key in &keys {
        let (plain, text): (String, String) = read.query_row([key], |r| Ok((r.get(0)?, r.get(1)?)))?;
        write.execute(params![
            key,
            state(sealer, collection, &plain),
            body(sealer, collection, key, &text)?
        ])?;
    }
    Ok(keys.len())
}

fn seal_payloads(tx: &Connection, sealer: &Sealer) -> Result<usize, StoreError> {
    let hashes = column(tx, "SELECT hash FROM payloads WHERE sealed = 0")?;
    let mut read = tx.prepare("SELECT zstd FROM payloads WHERE hash = ?1")?;
    let mut write = tx.prepare("UPDATE payloads SET zstd = ?2, sealed = 1 WHERE hash = ?1")?;
    for hash in &hashes {
        let zstd: Vec<u8> = read.query_row([hash], |r| r.get(0))?;
        write.execute(params![hash, payload(sealer, hash, &zstd)?])?;
    }
    Ok(hashes.len())
}

fn seal_notes(tx: &Connection, sealer: &Sealer) -> Result<usize, StoreError> {
    let mut all =
        tx.prepare("SELECT account, operation, key, note FROM intents WHERE typeof(note) = 'text'")?;
    let rows = all.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<(String, String, String, String)>>>()?;
    let sql = "UPDATE intents SET note = ?4 WHERE account = ?1 AND operation = ?2 AND key = ?3";
    let mut write = tx.prepare(sql)?;
    for (account, operation, key, note) in &rows {
        write.execute(params![account, operation, key, text(sealer, "intents", key, note)?])?;
    }
    Ok(rows.len())
}

/// A compressed payload as it is stored.
pub(super) fn payload(sealer: &Sealer, hash: &str, zstd: &[u8]) -> Result<Vec<u8>, StoreError> {
    sealer.seal(&place("payloads", hash), zstd)
}

/// A stored payload, still compressed.
pub(super) fn open_payload(
    sealer: &Sealer,
    hash: &str,
    sealed: bool,
    stored: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    if sealed { sealer.unseal(&place("payloads", hash), &stored) } else { Ok(stored) }
}
