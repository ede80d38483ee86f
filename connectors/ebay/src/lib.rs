//! Connector: ebay.
