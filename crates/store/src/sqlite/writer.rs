//! The writer: one thread owns the write connection. What waits is committed together, each piece in its own
//! savepoint, so a refused piece takes no other with it. A piece is answered after the commit is durable.

use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;

/// At most so many pieces in one transaction: bounds how long the first one waits.
const TOGETHER: usize = 256;

type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;
type Work = Box<dyn FnOnce(&Connection) -> Reply + Send>;

pub(super) struct Writer {
    queue: mpsc::Sender<Work>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Writer, StoreError> {
        let (queue, incoming) = mpsc::channel::<Work>();
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&connection, &incoming))
            .map_err(|e| StoreError::Database(format!("writer thread: {e}")))?;
        Ok(Writer { queue })
    }

    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (tx, rx) = oneshot::channel();
        let piece: Work = Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |committed: Result<(), String>| {
                let result = committed.map_err(StoreError::Database).and(result);
                let _ = tx.send(result);
            })
        });
        let stopped = || StoreError::Database("the writer has stopped".to_owned());
        self.queue.send(piece).map_err(|_| stopped())?;
        rx.await.map_err(|_| stopped())?
    }
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
    while let Ok(first) = incoming.recv() {
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| e.to_string());
        let mut replies = vec![first(connection)];
        while replies.len() < TOGETHER {
            let Ok(next) = incoming.try_recv() else { break };
            replies.push(next(connection));
        }
        let committed = begun.and_then(|()| connection.execute_batch("COMMIT").map_err(|e| e.to_string()));
        if committed.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        for reply in replies {
            reply(committed.clone());
        }
    }
}
