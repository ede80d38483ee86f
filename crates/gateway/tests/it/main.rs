//! Tests of the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic is the failure report

mod apply;
mod books;
mod border;
mod cases;
mod catalogue;
mod config;
mod customs;
mod defect;
mod fakes;
mod fulfil;
mod held;
mod hints;
mod history;
mod landed;
mod listing;
mod money;
mod overlap;
mod plan;
mod pricing;
mod pull;
mod relist;
mod reserve;
mod shop;
mod stuck;
mod track;
