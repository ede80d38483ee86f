//! Double-entry journal, matching, reconciliation and exports.

pub mod export;
pub mod import;
