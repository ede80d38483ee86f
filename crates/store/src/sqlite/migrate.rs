//! Migrations: numbered files, each applied once, with a checksum that must not change afterwards.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::StoreError;

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/0001_foundation.sql")),
    (2, include_str!("../../migrations/0002_sealed.sql")),
    (3, include_str!("../../migrations/0003_hooks.sql")),
    (4, include_str!("../../migrations/0004_intents.sql")),
    (5, include_str!("../../migrations/0005_cases.sql")),
    (6, include_str!("../../migrations/0006_generations.sql")),
    (7, include_str!("../../migrations/0007_allowances.sql")),
    (8, include_str!("../../migrations/0008_audit_subject.sql")),
    (9, include_str!("../../migrations/0009_intents_by_key.sql")),
];

pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let unusable = |why: String| StoreError::Unusable { path: path.display().to_string(), why };
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, checksum TEXT NOT NULL)",
        )
        .map_err(|e| unusable(e.to_string()))?;
    let newest: i64 =
        connection.query_row("SELECT coalesce(max(version), 0) FROM migrations", [], |r| r.get(0))?;
    if newest > MIGRATIONS.len() as i64 {
        return Err(unusable(format!(
            "its schema is version {newest}, this program knows {}: use the newer program",
            MIGRATIONS.len()
        )));
    }
    for (version, sql) in MIGRATIONS {
        let checksum = hex::encode(digest(&SHA256, sql.as_bytes()));
        let differs = || unusable(format!("migration {version} differs from the one that was applied"));
        // What is applied is only read: an open waits for no writer.
        match applied(connection, *version)? {
            Some(known) if known == checksum => continue,
            Some(_) => return Err(differs()),
            None => {}
        }
        // Two programs that start together after an update: the second waits for the first, and looks again. A transaction
        // that begins by reading could not become a writing one any more.
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match applied(&tx, *version)? {
            Some(known) if known == checksum => continue,
            Some(_) => return Err(differs()),
            None => {
                tx.execute_batch(sql)?;
                tx.execute(
                    "INSERT INTO migrations (version, checksum) VALUES (?1, ?2)",
                    params![version, checksum],
                )?;
                tx.commit()?;
            }
        }
    }
    Ok(())
}

fn applied(connection: &Connection, version: i64) -> Result<Option<String>, StoreError> {
    let sql = "SELECT checksum FROM migrations WHERE version = ?1";
    Ok(connection.query_row(sql, [version], |r| r.get(0)).optional()?)
}
