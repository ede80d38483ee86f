//! The conformance suite that every adapter passes.
//!
//! - [`spec`]: official specifications as validators.

pub mod spec;
