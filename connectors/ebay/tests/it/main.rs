//! Tests of the connector against the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)] // a panic is the failure report

mod cases;
mod conformance;
mod hooks;
mod login;
mod scenario;
mod trading;
mod world;
