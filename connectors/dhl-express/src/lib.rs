//! Connector: dhl-express.
