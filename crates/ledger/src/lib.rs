//! Double-entry journal, matching, reconciliation and exports.

pub mod import;
