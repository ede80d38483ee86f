//! The store's tests: one suite that every back end must pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic is the failure report

mod conformance;
mod sealed;
