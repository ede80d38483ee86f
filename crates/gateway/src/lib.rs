//! The use cases: import, plan, apply, pull, fulfil, declare, settle, reconcile.
