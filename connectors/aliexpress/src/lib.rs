//! Connector: aliexpress.
