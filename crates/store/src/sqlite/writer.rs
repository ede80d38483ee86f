//! The writer: one thread owns the write connection and executes, a second one flushes what was committed.
//!
//! A flush of the disk costs the same whatever is in it, and no processor time. So while one commit is being flushed the
//! writer executes what comes next, all of it in one transaction that it commits when the flush is done. A piece is
//! answered after the flush of its commit. A lone caller never waits for company: with no flush under way, a transaction
//! is committed as soon as nothing more is queued.
//!
//! SQLite does not flush commits itself here (`synchronous = NORMAL`): the second thread flushes the write-ahead log, which
//! is what `FULL` would do within the commit (SQLite, "Write-Ahead Logging", Performance Considerations; "PRAGMA
//! synchronous"). The log is one file that is read from its front, so a flush makes every earlier commit of any process durable
//! too: whoever has seen a commit and writes something that follows from it has both on the disk, or neither. See ADR 26.

use std::cell::RefCell;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement};
use tokio::sync::oneshot;

use crate::StoreError;
use crate::seal::sync_folder;

/// At most so many pieces in one transaction: bounds how long the first one waits.
const TOGETHER: usize = 512;
/// How long a piece that nobody waits for may stay uncommitted.
const PATIENCE: Duration = Duration::from_millis(20);

/// So many pieces are worth waking the writer for while a flush is under way: it cannot commit before that is done, and to wake
/// it for each costs more than the piece.
const WORTH_IT: usize = 16;

/// One caller's work.
trait Piece: Send {
    /// Runs inside the transaction. `None`: there is no transaction, nothing runs, and [`Piece::tell`] says why.
    fn execute(&mut self, desk: Option<&Desk<'_>>);
    /// Tells the caller how it ended.
    fn tell(self: Box<Self>, durable: Result<(), String>);
}

/// A piece whose caller waits.
struct Awaited<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Desk<'_>) -> Result<T, StoreError> + Send> Piece for Awaited<T, F> {
    fn execute(&mut self, desk: Option<&Desk<'_>>) {
        self.result = desk.zip(self.work.take()).map(|(desk, work)| work(desk));
    }

    fn tell(self: Box<Self>, durable: Result<(), String>) {
        let _ = self.caller.send(told(durable, self.result));
    }
}

/// A piece that nobody waits for.
struct Behind<N, F> {
    work: Option<F>,
    result: Option<Result<(), StoreError>>,
    what: N,
}

impl<N, F> Piece for Behind<N, F>
where
    N: FnOnce() -> String + Send,
    F: FnOnce(&Desk<'_>) -> Result<(), StoreError> + Send,
{
    fn execute(&mut self, desk: Option<&Desk<'_>>) {
        self.result = desk.zip(self.work.take()).map(|(desk, work)| work(desk));
    }

    fn tell(self: Box<Self>, durable: Result<(), String>) {
        if let Err(error) = told(durable, self.result) {
            tracing::error!(what = (self.what)(), %error, "a write that nobody waits for was lost");
        }
    }
}

type Pieces = Vec<Box<dyn Piece>>;

/// What the writer waits for.
#[derive(Default, PartialEq, Eq)]
enum Waits {
    /// Nothing: it looks at the queue before it does.
    #[default]
    No,
    ForWork,
    ForTheFlush,
}

/// What the callers, the writer and the flusher share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// For the writer: a piece that somebody waits for, a flush that is done, the end.
    to_writer: Condvar,
    /// For the flusher: a commit, the end.
    to_flusher: Condvar,
}

#[derive(Default)]
struct State {
    queue: Pieces,
    /// Somebody waits for a piece of the queue.
    awaited: bool,
    /// What the writer waits for: a wake costs a call of the system, whether somebody waits or not.
    waits: Waits,
    /// The pieces of a commit that is to be flushed, or is being flushed (then empty).
    flushing: Option<Pieces>,
    /// The disk refused a flush. What it holds of later ones cannot be known, so there are none.
    broken: Option<String>,
    /// No more pieces come.
    closed: bool,
    /// No more commits come: the writer has ended.
    drained: bool,
    /// Nobody flushes any more: the flusher has ended.
    deaf: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// On the only connection that writes to this file in this process.
    pub(super) fn start(connection: Connection, path: &Path) -> Result<Writer, StoreError> {
        let unusable = |why: String| StoreError::Unusable { path: path.display().to_string(), why };
        // A transaction makes the log's file be there; it stays as long as the connection.
        connection
            .execute_batch("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT")
            .map_err(|e| unusable(e.to_string()))?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = File::options()
            .write(true)
            .open(&log)
            .map_err(|e| unusable(format!("its write-ahead log {}: {e}", Path::new(&log).display())))?;
        // Its entry in the folder too: SQLite would see to that with its first flush of the log, which is ours now.
        sync_folder(path).map_err(|e| unusable(format!("its folder: {e}")))?;
        Writer::with_flush(connection, move || log.sync_data().map_err(|e| e.to_string()))
    }

    /// `flush`: makes durable what is committed.
    fn with_flush<F>(connection: Connection, flush: F) -> Result<Writer, StoreError>
    where
        F: Fn() -> Result<(), String> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
            thread.map_err(|e| StoreError::Database(format!("thread {name}: {e}")))
        };
        let (ours, theirs) = (Arc::clone(&shared), Arc::clone(&shared));
        let thread = spawn("store-writer", Box::new(move || serve(&connection, &ours)))?;
        let mut writer = Writer { shared, threads: vec![thread] };
        writer.threads.push(spawn("store-flusher", Box::new(move || flush_commits(&theirs, &flush)))?);
        Ok(writer)
    }

    /// Writes, and returns when it is durable. All of it is written or nothing.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Desk<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.run_single(move |desk: &Desk<'_>| in_savepoint(desk, work)).await
    }

    /// [`Writer::run`] of work that takes no harm when it stops between two of its statements.
    pub(super) async fn run_single<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Desk<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (caller, told) = oneshot::channel();
        self.send(Box::new(Awaited { work: Some(work), result: None, caller }), true)?;
        told.await.map_err(|_| stopped())?
    }

    /// Writes in the order of the calls, and does not wait: it is durable no later than whatever is written next. For
    /// facts whose loss is only a loss of comfort, and that take no harm when they stop between two of their statements: a failure
    /// is logged under the name that `what` gives and told to nobody.
    pub(super) fn run_behind<N, F>(&self, what: N, work: F) -> Result<(), StoreError>
    where
        N: FnOnce() -> String + Send + 'static,
        F: FnOnce(&Desk<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        self.send(Box::new(Behind { work: Some(work), result: None, what }), false)
    }

    fn send(&self, piece: Box<dyn Piece>, awaited: bool) -> Result<(), StoreError> {
        let mut state = self.shared.lock();
        if let Some(why) = &state.broken {
            return Err(StoreError::Database(why.clone()));
        }
        if state.closed {
            return Err(stopped());
        }
        let wake = match state.waits {
            Waits::No => false,
            // It looks up by itself for what nobody waits for.
            Waits::ForWork => awaited && !state.awaited || state.queue.is_empty(),
            Waits::ForTheFlush => state.queue.len() + 1 == WORTH_IT,
        };
        state.queue.push(piece);
        state.awaited |= awaited;
        drop(state);
        if wake {
            self.shared.to_writer.notify_one();
        }
        Ok(())
    }
}

/// What was handed over is written before the store is gone.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.to_writer.notify_one();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What a piece's caller is told: the failure of the transaction goes before the piece's own result.
fn told<T>(durable: Result<(), String>, result: Option<Result<T, StoreError>>) -> Result<T, StoreError> {
    durable.map_err(StoreError::Database)?;
    result.unwrap_or_else(|| Err(StoreError::Database("the piece was not executed".to_owned())))
}

fn stopped() -> StoreError {
    StoreError::Database("the writer has stopped".to_owned())
}

fn in_savepoint<T>(
    desk: &Desk<'_>,
    work: impl FnOnce(&Desk<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    desk.run("SAVEPOINT piece")?;
    let result = work(desk);
    if result.is_err() {
        desk.run("ROLLBACK TO piece")?;
    }
    desk.run("RELEASE piece")?;
    result
}

/// What a piece works with: the connection, and the statements of nearly every transaction, which stay prepared.
/// [`Connection::prepare_cached`] looks each up by its text, twice, and copies that.
pub(super) struct Desk<'c> {
    connection: &'c Connection,
    kept: RefCell<Vec<(&'static str, Statement<'c>)>>,
}

impl<'c> Desk<'c> {
    fn new(connection: &'c Connection) -> Desk<'c> {
        Desk { connection, kept: RefCell::default() }
    }

    /// Does something with a statement that stays prepared. For the few that most pieces have, and not within another such one.
    pub(super) fn with<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut Statement<'c>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut kept = self.kept.borrow_mut();
        if let Some((_, statement)) = kept.iter_mut().find(|(text, _)| std::ptr::eq(*text, sql)) {
            return work(statement);
        }
        let mut statement = self.connection.prepare(sql)?;
        let done = work(&mut statement);
        kept.push((sql, statement));
        done
    }

    /// A statement without an answer.
    fn run(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.with(sql, |statement| statement.execute([])).map(drop)
    }
}

impl Deref for Desk<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// Sets what the others must know when a thread ends, be it by a panic: nobody waits for it any more.
struct Ending<'a>(&'a Shared, fn(&mut State));

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        (self.1)(&mut state);
        drop(state);
        self.0.to_writer.notify_one();
        self.0.to_flusher.notify_one();
    }
}

/// The writer's thread.
fn serve(connection: &Connection, shared: &Shared) {
    let _ending = Ending(shared, |state| {
        state.queue.clear();
        state.drained = true;
    });
    let desk = Desk::new(connection);
    while let Some(mut pieces) = next_pieces(shared) {
        let begun = desk.run("BEGIN IMMEDIATE").map_err(|e| e.to_string());
        // Outside a transaction each statement commits by itself: a piece that runs there is written although its caller is
        // told that it is not.
        // So it is after a failure that made SQLite roll back by itself (SQLite, "Transaction", §3.2: a full disk is one).
        let inside = || (begun.is_ok() && !connection.is_autocommit()).then_some(&desk);
        pieces.iter_mut().for_each(|piece| piece.execute(inside()));
        while let Some(mut more) = company(shared, pieces.len()) {
            more.iter_mut().for_each(|piece| piece.execute(inside()));
            pieces.append(&mut more);
        }
        let committed = begun.clone().and_then(|()| desk.run("COMMIT").map_err(|e| e.to_string()));
        if let Err(why) = committed {
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
            pieces.into_iter().for_each(|piece| piece.tell(Err(why.clone())));
            continue;
        }
        let mut state = shared.lock();
        if state.deaf {
            return;
        }
        state.flushing = Some(pieces);
        drop(state);
        shared.to_flusher.notify_one();
    }
}

/// Waits for work; `None`: there is no more.
fn next_pieces(shared: &Shared) -> Option<Pieces> {
    let mut state = shared.lock();
    let mut since = None;
    loop {
        let patience = match since {
            None => PATIENCE,
            Some(at) => PATIENCE.saturating_sub(Instant::elapsed(&at)),
        };
        if state.awaited || state.closed || patience.is_zero() {
            state.awaited = false;
            let pieces = std::mem::take(&mut state.queue);
            return (!pieces.is_empty() || !state.closed).then_some(pieces);
        }
        state.waits = Waits::ForWork;
        state = if state.queue.is_empty() {
            shared.to_writer.wait(state).unwrap_or_else(PoisonError::into_inner)
        } else {
            since.get_or_insert_with(Instant::now);
            shared.to_writer.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
        };
        state.waits = Waits::No;
    }
}

/// Waits until the last commit is flushed; what comes meanwhile goes into the transaction that waits.
fn company(shared: &Shared, so_far: usize) -> Option<Pieces> {
    let mut state = shared.lock();
    loop {
        let flushed = state.flushing.is_none();
        let worth_it = state.queue.len() >= if flushed { 1 } else { WORTH_IT };
        if worth_it && so_far < TOGETHER {
            state.awaited = false;
            return Some(std::mem::take(&mut state.queue));
        }
        if flushed {
            return None;
        }
        state.waits = Waits::ForTheFlush;
        state = shared.to_writer.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waits = Waits::No;
    }
}

/// The flusher's thread.
fn flush_commits(shared: &Shared, flush: &dyn Fn() -> Result<(), String>) {
    let _ending = Ending(shared, |state| {
        state.flushing = None;
        state.deaf = true;
    });
    let mut state = shared.lock();
    loop {
        let Some(pieces) = state.flushing.as_mut().map(std::mem::take) else {
            if state.drained {
                return;
            }
            state = shared.to_flusher.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let broken = state.broken.clone();
        drop(state);
        let durable = match broken {
            Some(why) => Err(why),
            None => flush().map_err(|e| {
                format!("the disk refused to keep what was written ({e}): look at the disk, then start again")
            }),
        };
        // The writer first: it has work to go on with while the callers are told.
        let mut done = shared.lock();
        done.flushing = None;
        if let Err(why) = &durable {
            done.broken = Some(why.clone());
        }
        drop(done);
        shared.to_writer.notify_one();
        pieces.into_iter().for_each(|piece| piece.tell(durable.clone()));
        state = shared.lock();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

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

    fn insert(c: &Desk<'_>) -> Result<(), StoreError> {
        c.execute("INSERT INTO t VALUES (1)", [])?;
        Ok(())
    }

    #[tokio::test]
    async fn a_piece_without_a_transaction_is_not_executed() {
        let (dir, ours, other) = table();
        let writer = Writer::start(ours, &dir.path().join("t.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
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
    async fn what_follows_a_rollback_of_sqlites_own_is_not_written_alone() {
        let (dir, ours, _other) = table();
        let (flush, begun, leave) = gated();
        let writer = Writer::with_flush(ours, flush).unwrap();
        // All three in one transaction: they come while the first commit is being flushed.
        let mut opening = Box::pin(writer.run(insert));
        assert!(futures::poll!(&mut opening).is_pending());
        begun.recv().unwrap();
        let mut before = Box::pin(writer.run_single(insert));
        let full = writer.run_single(|c| {
            // As SQLite does by itself when the disk is full.
            c.execute_batch("ROLLBACK")?;
            Err::<(), _>(StoreError::Database("disk full".to_owned()))
        });
        let (mut full, mut after) = (Box::pin(full), Box::pin(writer.run(insert)));
        for piece in [futures::poll!(&mut before).is_pending(), futures::poll!(&mut full).is_pending()] {
            assert!(piece);
        }
        assert!(futures::poll!(&mut after).is_pending());
        leave.send(Ok(())).unwrap();
        opening.await.unwrap();
        assert!(before.await.is_err() && full.await.is_err() && after.await.is_err());
        assert_eq!(rows(&dir), 1, "who was told of a failure has written nothing");
        // The writer goes on.
        leave.send(Ok(())).unwrap();
        writer.run(insert).await.unwrap();
        assert_eq!(rows(&dir), 2);
    }

    #[tokio::test]
    async fn a_lost_write_behind_fails_nobody_else() {
        let (dir, ours, _other) = table();
        let writer = Writer::start(ours, &dir.path().join("t.db")).unwrap();
        let what = || "test".to_owned();
        writer.run_behind(what, |_| Err(StoreError::Database("lost".to_owned()))).unwrap();
        writer.run(insert).await.unwrap();
        writer.run_behind(what, insert).unwrap();
        drop(writer);
        assert_eq!(rows(&dir), 2, "what was handed over is written before the writer is gone");
    }

    type Flushed = Result<(), String>;

    /// A flush that waits for leave and tells when it begins.
    fn gated() -> (impl Fn() -> Flushed + Send + 'static, mpsc::Receiver<()>, mpsc::Sender<Flushed>) {
        let (begins, begun) = mpsc::channel();
        let (leave, may) = mpsc::channel();
        let may = Mutex::new(may);
        let flush = move || {
            let _ = begins.send(());
            may.lock().unwrap().recv().unwrap_or(Ok(()))
        };
        (flush, begun, leave)
    }

    #[tokio::test]
    async fn nobody_is_told_before_the_flush_and_what_comes_meanwhile_is_flushed_once() {
        let (dir, ours, _other) = table();
        let (flush, begun, leave) = gated();
        let writer = Writer::with_flush(ours, flush).unwrap();
        let mut first = Box::pin(writer.run(insert));
        assert!(futures::poll!(&mut first).is_pending());
        begun.recv().unwrap();
        // Committed, so another connection sees it; not flushed, so the caller does not hear of it.
        assert_eq!(rows(&dir), 1);
        assert!(futures::poll!(&mut first).is_pending());
        let mut others: Vec<_> = (0..5).map(|_| Box::pin(writer.run(insert))).collect();
        for other in &mut others {
            assert!(futures::poll!(other).is_pending());
        }
        leave.send(Ok(())).unwrap();
        first.await.unwrap();
        // One flush for all five.
        begun.recv().unwrap();
        leave.send(Ok(())).unwrap();
        for other in others {
            other.await.unwrap();
        }
        assert_eq!(rows(&dir), 6);
        drop(writer);
        assert!(begun.try_recv().is_err(), "no third flush");
    }

    #[tokio::test]
    async fn whatever_comes_during_a_flush_few_or_many_is_in_the_next_commit() {
        for many in [1, WORTH_IT - 1, WORTH_IT, WORTH_IT + 1, TOGETHER + WORTH_IT] {
            let (dir, ours, _other) = table();
            let (flush, begun, leave) = gated();
            let writer = Writer::with_flush(ours, flush).unwrap();
            let mut first = Box::pin(writer.run(insert));
            assert!(futures::poll!(&mut first).is_pending());
            begun.recv().unwrap();
            // All but the last are such that nobody waits for.
            for _ in 1..many {
                writer.run_behind(|| "test".to_owned(), insert).unwrap();
            }
            let mut last = Box::pin(writer.run(insert));
            assert!(futures::poll!(&mut last).is_pending());
            for _ in 0..3 {
                leave.send(Ok(())).unwrap();
            }
            first.await.unwrap();
            last.await.unwrap();
            assert_eq!(usize::try_from(rows(&dir)).unwrap(), 1 + many);
        }
    }

    #[tokio::test]
    async fn after_a_refused_flush_nothing_is_promised_any_more() {
        let (dir, ours, _other) = table();
        let (flush, _begun, leave) = gated();
        let writer = Writer::with_flush(ours, flush).unwrap();
        leave.send(Err("EIO".to_owned())).unwrap();
        let told = writer.run(insert).await.unwrap_err().to_string();
        assert!(told.contains("EIO") && told.contains("start again"), "{told}");
        // A disk that would take the next one may have lost the one before.
        leave.send(Ok(())).unwrap();
        assert!(writer.run(insert).await.unwrap_err().to_string().contains("EIO"));
        assert_eq!(rows(&dir), 1, "the second was not even executed");
    }

    #[tokio::test]
    async fn a_piece_that_panics_hangs_nobody() {
        let (dir, ours, _other) = table();
        let writer = Writer::start(ours, &dir.path().join("t.db")).unwrap();
        let dies = writer.run(|_| -> Result<(), StoreError> { panic!("a defect of ours") });
        assert!(dies.await.unwrap_err().to_string().contains("stopped"));
        assert!(writer.run(insert).await.unwrap_err().to_string().contains("stopped"));
    }
}
