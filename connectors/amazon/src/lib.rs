//! Connector: amazon.
