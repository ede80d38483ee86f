//! The simulator from outside: plain HTTP against it.
// Helpers outside #[test] functions may panic: a panic is the failure report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aliexpress;
mod amazon;
mod china_ceb;
mod core;
mod dhl;
mod ebay;
mod faults;
mod paypal;
mod shopify;
