//! Persistence: SQLite embedded; PostgreSQL can follow behind the same interface.
