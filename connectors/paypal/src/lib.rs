//! Connector: paypal.
