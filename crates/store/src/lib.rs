//! Persistence. [`Store`] is the interface that the gateway knows; [`SqliteStore`] stands behind it with no
//! set-up. A second database follows by implementing the same trait and passing `tests/it/conformance.rs`.
//!
//! The unit of change is a [`Batch`]: it is committed whole or not at all, and `commit` returns when it is
//! durable. Records carry versions, so two writers cannot silently overwrite each other.

mod batch;
mod calls;
mod seal;
mod sqlite;

use async_trait::async_trait;
use tradewind_connector::Journal;

pub use batch::{Batch, Collection, Expect, Filter, Row, Write};
pub use calls::{CallFilter, CallOutcome, KeptCall, KeptWrite};
pub use seal::{KeySource, Sealer};
pub use sqlite::SqliteStore;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A record is not in the version that the batch expected: somebody else was first. Nothing was written.
    #[error("{collection} '{key}' changed meanwhile: read it again")]
    Conflict {
        /// Table.
        collection: &'static str,
        /// Key.
        key: String,
    },
    /// The database file is from a newer program, or was tampered with.
    #[error("the store at {path} cannot be used: {why}")]
    Unusable {
        /// File.
        path: String,
        /// Reason and remedy.
        why: String,
    },
    /// A stored body does not have the shape of its type.
    #[error("{collection} '{key}' is not readable: {why}")]
    Corrupt {
        /// Table.
        collection: &'static str,
        /// Key.
        key: String,
        /// Reason.
        why: String,
    },
    /// The key of the store is missing or wrong.
    #[error("the store's key: {0}")]
    Key(String),
    /// The database failed.
    #[error("database: {0}")]
    Database(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> StoreError {
        StoreError::Database(e.to_string())
    }
}

impl From<StoreError> for tradewind_connector::Error {
    fn from(e: StoreError) -> Self {
        tradewind_connector::Error::new(tradewind_connector::Kind::Internal, e.to_string())
    }
}

/// A row of the audit chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// When.
    pub at: jiff::Timestamp,
    /// What was done.
    pub action: String,
    /// With what.
    pub detail: String,
}

/// The interface of persistence.
#[async_trait]
pub trait Store: Journal {
    /// Writes a batch, whole or not at all. Returns when it is durable.
    async fn commit(&self, batch: Batch) -> Result<(), StoreError>;
    /// One record.
    async fn get(&self, collection: Collection, key: &str) -> Result<Option<Row>, StoreError>;
    /// Records that fit, by key.
    async fn list(&self, collection: Collection, filter: Filter) -> Result<Vec<Row>, StoreError>;
    /// How many records fit.
    async fn count(&self, collection: Collection, filter: Filter) -> Result<u64, StoreError>;
    /// A kept payload by its hash, uncompressed.
    async fn payload(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps a payload; its hash.
    async fn keep_payload(&self, bytes: &[u8]) -> Result<String, StoreError>;
    /// Kept calls that name what is looked for, oldest first.
    async fn calls(&self, filter: CallFilter) -> Result<Vec<KeptCall>, StoreError>;
    /// The kept call of this id.
    async fn call(&self, id: &str) -> Result<Option<KeptCall>, StoreError>;
    /// What the audit chain tells of a subject, oldest first.
    async fn audit_of(&self, subject: &str) -> Result<Vec<Audited>, StoreError>;
    /// Walks the audit chain; the number of rows, or the number of the first that does not fit. A chain that was cut off at
    /// its end is whole, and so is one that was made anew from the place of a change on: it has no key.
    async fn verify_audit(&self) -> Result<Result<u64, u64>, StoreError>;
}

/// Typed access over [`Store`].
pub mod typed {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{Batch, Collection, Expect, Filter, Row, Store, StoreError};

    /// A type that is stored in one collection.
    pub trait Record: Serialize + DeserializeOwned {
        /// Where.
        const COLLECTION: Collection;
        /// Key.
        fn key(&self) -> String;
        /// Account to filter by.
        fn account(&self) -> String {
            String::new()
        }
        /// State to filter by.
        fn state(&self) -> String {
            String::new()
        }
    }

    /// A record with the version it was read in.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Versioned<T> {
        /// The record.
        pub value: T,
        /// Its version; 0 for one that is not stored yet.
        pub version: i64,
    }

    impl<T> Versioned<T> {
        /// What must still be stored when this one is written back: nobody else was faster.
        #[must_use]
        pub const fn expect(&self) -> Expect {
            match self.version {
                0 => Expect::Absent,
                version => Expect::Version(version),
            }
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// The database, or a body that is not readable.
    pub async fn get<T: Record>(store: &dyn Store, key: &str) -> Result<Option<Versioned<T>>, StoreError> {
        store.get(T::COLLECTION, key).await?.map(|row| read(&row)).transpose()
    }

    /// Reads all that fit.
    ///
    /// # Errors
    /// The database, or a body that is not readable.
    pub async fn list<T: Record>(store: &dyn Store, filter: Filter) -> Result<Vec<Versioned<T>>, StoreError> {
        store.list(T::COLLECTION, filter).await?.iter().map(read).collect()
    }

    fn read<T: Record>(row: &Row) -> Result<Versioned<T>, StoreError> {
        serde_json::from_str(&row.body).map(|value| Versioned { value, version: row.version }).map_err(|e| {
            StoreError::Corrupt {
                collection: T::COLLECTION.table(),
                key: row.key.clone(),
                why: e.to_string(),
            }
        })
    }

    impl Batch {
        /// Puts a typed record, whatever is there.
        ///
        /// # Errors
        /// It cannot be serialised.
        pub fn put<T: Record>(&mut self, value: &T) -> Result<&mut Batch, StoreError> {
            self.put_expecting(value, Expect::Any)
        }

        /// Writes a record back in whose stored version it was read; after the commit it is one version on.
        ///
        /// # Errors
        /// It cannot be serialised.
        pub fn put_back<T: Record>(&mut self, record: &Versioned<T>) -> Result<&mut Batch, StoreError> {
            self.put_expecting(&record.value, record.expect())
        }

        /// Puts a typed record if the stored one is as expected.
        ///
        /// # Errors
        /// It cannot be serialised.
        pub fn put_expecting<T: Record>(
            &mut self,
            value: &T,
            expect: Expect,
        ) -> Result<&mut Batch, StoreError> {
            let body = serde_json::to_string(value).map_err(|e| StoreError::Corrupt {
                collection: T::COLLECTION.table(),
                key: value.key(),
                why: e.to_string(),
            })?;
            Ok(self.put_row(T::COLLECTION, value.key(), value.account(), value.state(), body, expect))
        }
    }
}
