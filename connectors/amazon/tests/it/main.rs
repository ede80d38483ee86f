//! Conformance with the contract and Amazon's models.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // tests

mod conformance;
mod login;
mod official;
mod sandbox;
mod scenario;
