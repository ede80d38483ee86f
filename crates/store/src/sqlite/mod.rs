//! The SQLite store: one writer thread that commits what waits together, a few readers, WAL.

mod calls;
mod journal;
mod migrate;
mod sealed;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_lc_rs::digest;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params, params_from_iter};
use tradewind_connector::signing::hex;

use crate::batch::{Batch, Collection, Expect, Filter, Row, Write};
use crate::calls::{CallFilter, KeptCall};
use crate::seal::{KeySource, Sealer};
use crate::{Audited, Store, StoreError};
use sealed::Stored;
use writer::{Desk, Writer};

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
    sealer: Arc<Sealer>,
    path: PathBuf,
}

/// Idle read connections; one is opened when none is left.
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteStore {
    /// Opens or creates the file, and brings its schema up to date.
    ///
    /// # Errors
    /// The file is no database of ours, is from a newer program, or the key is missing or another one.
    pub fn open(path: &Path, key: &KeySource) -> Result<SqliteStore, StoreError> {
        let unusable = |e: rusqlite::Error| StoreError::Unusable {
            path: path.display().to_string(),
            why: e.to_string(),
        };
        let mut connection = Connection::open(path).map_err(unusable)?;
        configure(&connection).map_err(unusable)?;
        migrate::run(&mut connection, path)?;
        let sealer = sealed::bring_up(&mut connection, path, key)?;
        Ok(SqliteStore {
            writer: Writer::start(connection, path)?,
            readers: Arc::new(Readers { path: path.to_owned(), idle: Mutex::default() }),
            sealer: Arc::new(sealer),
            path: path.to_owned(),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let joined = tokio::task::spawn_blocking(move || readers.with(work)).await;
        joined.map_err(|e| StoreError::Database(e.to_string()))?
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // FULL: a commit that returned survives a power cut, which intents need (invariant 3). The writer flushes by itself.
    // Cache of 4 MiB: where a tree's pages change places SQLite looks through the whole cache at the commit, so a larger one
    // costs every commit more than the pages that it spares to read again.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;",
    )?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

impl Readers {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags)?;
                connection.execute_batch("PRAGMA busy_timeout = 5000;")?;
                connection
            }
        };
        let result = work(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }
}

/// Applies a batch inside the writer's transaction.
fn apply(connection: &Connection, sealer: &Sealer, batch: &Batch) -> Result<(), StoreError> {
    for write in &batch.writes {
        match write {
            Write::Put { collection, key, account, state, body, expect } => {
                let state = sealed::state(sealer, *collection, state);
                let body = sealed::body(sealer, *collection, key, body)?;
                put(connection, *collection, key, account, &state, &body, *expect)?;
            }
            Write::Delete { collection, key } => {
                let sql = format!("DELETE FROM {} WHERE key = ?1", collection.table());
                connection.prepare_cached(&sql)?.execute([key])?;
            }
            Write::Audit { at, action, subject, detail } => audit(connection, *at, action, subject, detail)?,
        }
    }
    Ok(())
}

fn put(
    connection: &Connection,
    collection: Collection,
    key: &str,
    account: &str,
    state: &str,
    body: &Value,
    expect: Expect,
) -> Result<(), StoreError> {
    let table = collection.table();
    let changed = match expect {
        Expect::Any => {
            let sql = format!(
                "INSERT INTO {table} (key, account, state, body, version) VALUES (?1, ?2, ?3, ?4, 1)
                 ON CONFLICT (key) DO UPDATE SET account = ?2, state = ?3, body = ?4, version = version + 1"
            );
            connection.prepare_cached(&sql)?.execute(params![key, account, state, body])?
        }
        Expect::Absent => {
            let sql = format!(
                "INSERT INTO {table} (key, account, state, body, version) VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT (key) DO NOTHING"
            );
            connection.prepare_cached(&sql)?.execute(params![key, account, state, body])?
        }
        Expect::Version(version) => {
            let sql = format!(
                "UPDATE {table} SET account = ?2, state = ?3, body = ?4, version = version + 1 WHERE key = ?1 AND version = ?5"
            );
            connection.prepare_cached(&sql)?.execute(params![key, account, state, body, version])?
        }
    };
    if changed == 0 {
        return Err(StoreError::Conflict { collection: table, key: key.to_owned() });
    }
    Ok(())
}

fn audit(
    connection: &Connection,
    at: Timestamp,
    action: &str,
    subject: &str,
    detail: &str,
) -> Result<(), StoreError> {
    let last: Option<(i64, String)> = connection
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (seq, previous) = last.unwrap_or((0, String::new()));
    let seq = seq + 1;
    let at = at.to_string();
    let hash = chain(&previous, seq, &at, action, subject, detail);
    connection
        .prepare_cached(
            "INSERT INTO audit (seq, at, action, subject, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![seq, at, action, subject, detail, hash])?;
    Ok(())
}

/// Each part is preceded by its length, so that no two rows give the same bytes.
fn chain(previous: &str, seq: i64, at: &str, action: &str, subject: &str, detail: &str) -> String {
    let mut hasher = digest::Context::new(&digest::SHA256);
    hasher.update(previous.as_bytes());
    hasher.update(&seq.to_be_bytes());
    for part in [at, action, subject, detail] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(hasher.finish().as_ref())
}

/// What a payload is kept under.
fn payload_hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// `hash`: its own ([`payload_hash`]), made before by whoever asks: the writer's thread is everybody's.
fn keep_payload(desk: &Desk<'_>, sealer: &Sealer, hash: &str, bytes: &[u8]) -> Result<(), StoreError> {
    const KNOWN: &str = "SELECT 1 FROM payloads WHERE hash = ?1";
    let known: Option<i64> = desk.with(KNOWN, |known| known.query_row([hash], |r| r.get(0)).optional())?;
    if known.is_none() {
        let zstd =
            zstd::bulk::compress(bytes, 3).map_err(|e| StoreError::Database(format!("compress: {e}")))?;
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        desk.prepare_cached("INSERT INTO payloads (hash, size, zstd, sealed) VALUES (?1, ?2, ?3, 1)")?
            .execute(params![hash, size, sealed::payload(sealer, hash, &zstd)?])?;
    }
    Ok(())
}

fn payload(connection: &Connection, sealer: &Sealer, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(i64, Vec<u8>, bool)> = connection
        .prepare_cached("SELECT size, zstd, sealed FROM payloads WHERE hash = ?1")?
        .query_row([hash], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .optional()?;
    let Some((size, stored, is_sealed)) = row else { return Ok(None) };
    let zstd = sealed::open_payload(sealer, hash, is_sealed, stored)?;
    let size = usize::try_from(size).unwrap_or(0);
    let bytes = zstd::bulk::decompress(&zstd, size)
        .map_err(|e| StoreError::Database(format!("payload {hash}: {e}")))?;
    Ok(Some(bytes))
}

fn conditions(sealer: &Sealer, collection: Collection, filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = String::from(" WHERE 1 = 1");
    let mut values = Vec::new();
    if let Some(account) = &filter.account {
        sql.push_str(" AND account = ?");
        values.push(Value::from(account.clone()));
    }
    if !filter.states.is_empty() {
        let marks = vec!["?"; filter.states.len()].join(", ");
        sql.push_str(&format!(" AND state IN ({marks})"));
        values.extend(filter.states.iter().map(|s| Value::from(sealed::state(sealer, collection, s))));
    }
    if let Some(prefix) = &filter.prefix {
        // A range instead of LIKE: the prefix may hold % or _, and the range uses the primary key.
        sql.push_str(" AND key >= ? AND key < ?");
        values.push(Value::from(prefix.clone()));
        values.push(Value::from(format!("{prefix}\u{10ffff}")));
    }
    if let Some(after) = &filter.after {
        sql.push_str(" AND key > ?");
        values.push(Value::from(after.clone()));
    }
    (sql, values)
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let sealer = Arc::clone(&self.sealer);
        if batch.writes.len() == 1 {
            return self.writer.run_single(move |connection| apply(connection, &sealer, &batch)).await;
        }
        self.writer.run(move |connection| apply(connection, &sealer, &batch)).await
    }

    async fn get(&self, collection: Collection, key: &str) -> Result<Option<Row>, StoreError> {
        let (key, sealer) = (key.to_owned(), Arc::clone(&self.sealer));
        self.read(move |connection| {
            let sql = format!(
                "SELECT key, account, state, body, version FROM {} WHERE key = ?1",
                collection.table()
            );
            let found = connection.prepare_cached(&sql)?.query_row([&key], Stored::read).optional()?;
            found.map(|row| row.open(&sealer, collection)).transpose()
        })
        .await
    }

    async fn list(&self, collection: Collection, filter: Filter) -> Result<Vec<Row>, StoreError> {
        let sealer = Arc::clone(&self.sealer);
        self.read(move |connection| {
            let (conditions, mut values) = conditions(&sealer, collection, &filter);
            values.push(Value::from(filter.limit.map_or(-1, i64::from)));
            let sql = format!(
                "SELECT key, account, state, body, version FROM {}{conditions} ORDER BY key LIMIT ?",
                collection.table()
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), Stored::read)?;
            rows.map(|row| row?.open(&sealer, collection)).collect()
        })
        .await
    }

    async fn count(&self, collection: Collection, filter: Filter) -> Result<u64, StoreError> {
        let sealer = Arc::clone(&self.sealer);
        self.read(move |connection| {
            let (conditions, values) = conditions(&sealer, collection, &filter);
            let sql = format!("SELECT count(*) FROM {}{conditions}", collection.table());
            let n: i64 =
                connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |r| r.get(0))?;
            Ok(u64::try_from(n).unwrap_or(0))
        })
        .await
    }

    async fn payload(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (hash, sealer) = (hash.to_owned(), Arc::clone(&self.sealer));
        self.read(move |connection| payload(connection, &sealer, &hash)).await
    }

    async fn keep_payload(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let (bytes, sealer) = (bytes.to_vec(), Arc::clone(&self.sealer));
        let hash = payload_hash(&bytes);
        let kept = hash.clone();
        self.writer.run_single(move |connection| keep_payload(connection, &sealer, &hash, &bytes)).await?;
        Ok(kept)
    }

    async fn calls(&self, filter: CallFilter) -> Result<Vec<KeptCall>, StoreError> {
        let sealer = Arc::clone(&self.sealer);
        self.read(move |connection| calls::list(connection, &sealer, &filter)).await
    }

    async fn call(&self, id: &str) -> Result<Option<KeptCall>, StoreError> {
        let (id, sealer) = (id.to_owned(), Arc::clone(&self.sealer));
        self.read(move |connection| calls::get(connection, &sealer, &id)).await
    }

    async fn audit_of(&self, subject: &str) -> Result<Vec<Audited>, StoreError> {
        let subject = subject.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, at, action, detail FROM audit WHERE subject = ?1 ORDER BY seq",
            )?;
            let mut rows = statement.query([&subject])?;
            let mut told = Vec::new();
            while let Some(r) = rows.next()? {
                let (seq, at): (i64, String) = (r.get(0)?, r.get(1)?);
                let at = at.parse().map_err(|e: jiff::Error| StoreError::Corrupt {
                    collection: "audit",
                    key: seq.to_string(),
                    why: e.to_string(),
                })?;
                told.push(Audited { at, action: r.get(2)?, detail: r.get(3)? });
            }
            Ok(told)
        })
        .await
    }

    async fn verify_audit(&self) -> Result<Result<u64, u64>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare("SELECT seq, at, action, subject, detail, hash FROM audit ORDER BY seq")?;
            let mut rows = statement.query([])?;
            let (mut previous, mut expected) = (String::new(), 1_i64);
            while let Some(r) = rows.next()? {
                let seq: i64 = r.get(0)?;
                // What is no text any more was changed, as was a text that is another.
                let text = |i| r.get::<_, String>(i).unwrap_or_default();
                let hash = chain(&previous, seq, &text(1), &text(2), &text(3), &text(4));
                if seq != expected || hash != text(5) {
                    return Ok(Err(u64::try_from(expected).unwrap_or(0)));
                }
                previous = hash;
                expected += 1;
            }
            Ok(Ok(u64::try_from(expected - 1).unwrap_or(0)))
        })
        .await
    }
}
