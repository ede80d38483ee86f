//! Tests of the pipeline and the limiter on virtual time, against a scripted transport.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic is the failure report

mod doubt;
mod limiter;
mod network;
mod pipeline;
mod proof;
mod quota;
mod record;
mod script;
mod tokens;
