//! The writer: one thread owns the write connection. What waits is committed together, each piece in its own
//! savepoint, so a refused piece takes no other with it. A piece is answered after the commit is durable.
//!
//! A commit costs one flush of the disk whatever is in it, so the thread gathers: while several callers are at work it
//! looks for more for a moment before it commits. A lone caller never waits for company.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;

/// At most so many pieces in one transaction: bounds how long the first one waits.
const TOGETHER: usize = 512;
/// How long a batch is gathered while others are at work: a fraction of a flush.
const GATHER: Duration = Duration::from_micros(500);
/// How long a piece that nobody waits for may stay uncommitted.
const PATIENCE: Duration = Duration::from_millis(20);

type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;
/// Runs inside the transaction. `None`: there is no transaction, nothing runs, and the reply tells why.
type Execute = Box<dyn FnOnce(Option<&Connection>) -> Reply + Send>;

struct Work {
    execute: Execute,
    /// Somebody waits for the commit.
    awaited: bool,
}

pub(super) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Writer, StoreError> {
        let (queue, incoming) = mpsc::channel::<Work>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&connection, &incoming))
            .map_err(|e| StoreError::Database(format!("writer thread: {e}")))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Writes, and returns when it is durable.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (tx, rx) = oneshot::channel();
        let execute: Execute = Box::new(move |connection| {
            let result = connection.map(|c| in_savepoint(c, work));
            Box::new(move |committed: Result<(), String>| {
                let _ = tx.send(told(committed, result));
            })
        });
        self.send(Work { execute, awaited: true })?;
        rx.await.map_err(|_| stopped())?
    }

    /// Writes in the order of the calls, and does not wait: it is durable no later than whatever is written next. For
    /// facts whose loss is only a loss of comfort: a failure is logged under the name `what` and told to nobody.
    pub(super) fn run_behind<F>(&self, what: String, work: F) -> Result<(), StoreError>
    where
        F: FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    {
        let execute: Execute = Box::new(move |connection| {
            let result = connection.map(|c| in_savepoint(c, work));
            Box::new(move |committed: Result<(), String>| {
                if let Err(error) = told(committed, result) {
                    tracing::error!(what, %error, "a write that nobody waits for was lost");
                }
            })
        });
        self.send(Work { execute, awaited: false })
    }

    fn send(&self, work: Work) -> Result<(), StoreError> {
        self.queue.as_ref().and_then(|q| q.send(work).ok()).ok_or_else(stopped)
    }
}

/// What was handed over is written before the store is gone.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a piece's caller is told: the failure of the transaction goes before the piece's own result.
fn told<T>(committed: Result<(), String>, result: Option<Result<T, StoreError>>) -> Result<T, StoreError> {
    committed.map_err(StoreError::Database)?;
    result.unwrap_or_else(|| Err(StoreError::Database("the piece was not executed".to_owned())))
}

fn stopped() -> StoreError {
    StoreError::Database("the writer has stopped".to_owned())
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Prepared once: parsing these would cost more than many a piece.
    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    run("SAVEPOINT piece")?;
    let result = work(connection);
    if result.is_err() {
        run("ROLLBACK TO piece")?;
    }
    run("RELEASE piece")?;
    result
}

fn serve(connection: &Connection, incoming: &mpsc::Receiver<Work>) {
    // Callers seen in the last batch: more than one means that gathering pays.
    let mut company = 0_usize;
    while let Ok(first) = incoming.recv() {
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| e.to_string());
        // Outside a transaction the outermost savepoint commits by itself: a piece that runs there is written although
        // its caller is told that it is not.
        let inside = begun.is_ok().then_some(connection);
        let mut awaited = usize::from(first.awaited);
        let mut replies = vec![(first.execute)(inside)];
        let start = Instant::now();
        while replies.len() < TOGETHER {
            let longest = match (awaited, company) {
                (0, _) => PATIENCE,
                (_, 0..=1) => Duration::ZERO,
                _ => GATHER,
            };
            match incoming.recv_timeout(longest.saturating_sub(start.elapsed())) {
                Ok(next) => {
                    awaited += usize::from(next.awaited);
                    replies.push((next.execute)(inside));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        company = awaited;
        let committed = begun.and_then(|()| connection.execute_batch("COMMIT").map_err(|e| e.to_string()));
        if inside.is_some() && committed.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        for reply in replies {
            reply(committed.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn table() -> (TempDir, Connection, Connection) {
        let dir = TempDir::new().unwrap();
        let open = || {
            let c = Connection::open(dir.path().join("t.db")).unwrap();
            c.execute_batch("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 0").unwrap();
            c
        };
        let (ours, other) = (open(), open());
        ours.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        (dir, ours, other)
    }

    fn rows(dir: &TempDir) -> i64 {
        let c = Connection::open(dir.path().join("t.db")).unwrap();
        c.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap()
    }

    fn insert(c: &Connection) -> Result<(), StoreError> {
        c.execute("INSERT INTO t VALUES (1)", [])?;
        Ok(())
    }

    #[tokio::test]
    async fn a_piece_without_a_transaction_is_not_executed() {
        let (dir, ours, other) = table();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let writer = Writer::start(ours).unwrap();
        // By the time the piece would run, the other process is done: it could write, alone.
        let refused = writer.run(move |c| {
            other.execute_batch("ROLLBACK")?;
            insert(c)
        });
        let told = refused.await.unwrap_err().to_string();
        assert!(told.contains("locked"), "{told}");
        assert_eq!(rows(&dir), 0, "the caller was told that nothing was written");
        // The lock went with the piece that was not run; the writer goes on.
        writer.run(insert).await.unwrap();
        assert_eq!(rows(&dir), 1);
    }

    #[tokio::test]
    async fn a_lost_write_behind_fails_nobody_else() {
        let (dir, ours, _other) = table();
        let writer = Writer::start(ours).unwrap();
        writer.run_behind("test".to_owned(), |_| Err(StoreError::Database("lost".to_owned()))).unwrap();
        writer.run(insert).await.unwrap();
        writer.run_behind("test".to_owned(), insert).unwrap();
        drop(writer);
        assert_eq!(rows(&dir), 2, "what was handed over is written before the writer is gone");
    }
}
