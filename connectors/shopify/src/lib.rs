//! Connector: shopify.
