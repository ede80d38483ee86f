//! Tests of the connector: the conformance suite, the schemas of customs, and filings against the simulated port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)] // a panic is the failure report

mod conformance;
mod sample;
mod scenario;
mod validation;
