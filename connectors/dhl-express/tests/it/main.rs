//! The conformance suite over the fixtures beside this file, and a parcel's life at the simulated carrier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic is the failure report

mod conformance;
mod scenario;
