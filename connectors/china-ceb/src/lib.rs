//! Connector: china-ceb.
