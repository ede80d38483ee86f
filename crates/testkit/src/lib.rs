//! The conformance suite that every adapter passes.
//!
//! - [`suite`]: the suite; start there to test a connector.
//! - [`spec`]: official specifications as validators.

pub mod spec;
pub mod suite;

pub use suite::{Answer, Call, CaseKind, Follow, Group, Live, Report, Suite, calls, cx, json, orders};
