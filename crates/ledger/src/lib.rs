//! Double-entry journal, matching, reconciliation and exports.
