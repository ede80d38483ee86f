//! The writer: one thread owns the write connection. What waits is committed together, each piece in its own
//! savepoint, so a refused piece takes no other with it. A piece is answered after the commit is durable.
//!
//! A commit costs one flush of the disk whatever is in it, so the thread gathers: while several callers are at work it
//! looks for more for a moment before it commits. A lone caller never waits for company.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
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
type Execute = Box<dyn FnOnce(&Connection) -> Reply + Send>;

struct Work {
    execute: Execute,
    /// Somebody waits for the commit.
    awaited: bool,
}

pub(super) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// Why a piece that nobody waited for was not written; told to the next caller.
    failed: Arc<Mutex<Option<String>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Writer, StoreError> {
        let (queue, incoming) = mpsc::channel::<Work>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&connection, &incoming))
            .map_err(|e| StoreError::Database(format!("writer thread: {e}")))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread), failed: Arc::default() })
    }

    /// Writes, and returns when it is durable.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let earlier = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(why) = earlier {
            return Err(StoreError::Database(format!("an earlier write was lost: {why}")));
        }
        let (tx, rx) = oneshot::channel();
        let execute: Execute = Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |committed: Result<(), String>| {
                let result = committed.map_err(StoreError::Database).and(result);
                let _ = tx.send(result);
            })
        });
        self.send(Work { execute, awaited: true })?;
        rx.await.map_err(|_| stopped())?
    }

    /// Writes in the order of the calls, and does not wait: it is durable no later than whatever is written next. For
    /// facts whose loss in a crash is only a loss of comfort.
    pub(super) fn run_behind<F>(&self, work: F) -> Result<(), StoreError>
    where
        F: FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    {
        let failed = Arc::clone(&self.failed);
        let execute: Execute = Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |committed: Result<(), String>| {
                if let Err(e) = committed.map_err(StoreError::Database).and(result) {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e.to_string());
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

fn stopped() -> StoreError {
    StoreError::Database("the writer has stopped".to_owned())
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT piece")?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE piece" } else { "ROLLBACK TO piece; RELEASE piece" };
    connection.execute_batch(end)?;
    result
}

fn serve(connection: &Connection, incoming: &mpsc::Receiver<Work>) {
    // Callers seen in the last batch: more than one means that gathering pays.
    let mut company = 0_usize;
    while let Ok(first) = incoming.recv() {
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| e.to_string());
        let mut awaited = usize::from(first.awaited);
        let mut replies = vec![(first.execute)(connection)];
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
                    replies.push((next.execute)(connection));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        company = awaited;
        let committed = begun.and_then(|()| connection.execute_batch("COMMIT").map_err(|e| e.to_string()));
        if committed.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        for reply in replies {
            reply(committed.clone());
        }
    }
}
