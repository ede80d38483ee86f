//! Effective-dated duty and tax rules; a quote with every line explained.

pub mod rates;
