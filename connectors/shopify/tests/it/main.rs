//! Conformance with the contract and the vendor's specification, and scenarios against the simulated channel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic is the failure report

mod conformance;
mod scenario;
