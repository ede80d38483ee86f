//! Tests of the ledger's outside: documents in, reports out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // helpers outside #[test] functions

mod bad_files;
mod bulk;
mod bulk_rule;
mod china_bills;
mod datev;
mod exports;
mod hostile;
mod importers;
mod properties;
mod recon;
mod samples;
