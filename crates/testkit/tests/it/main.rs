//! Integration tests of the test kit: that its validators bite, and that official examples pass them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // tests

mod corner;
mod obligations;
mod official;
mod spec_graphql;
mod spec_openapi;
mod spec_xsd;
mod suite_bites;
