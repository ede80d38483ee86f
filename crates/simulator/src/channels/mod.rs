//! The fakes, one folder each. Adding one: a folder, a `pub mod` line, a line in [`all`].

pub mod aliexpress;
pub mod amazon;
pub mod dhl_express;
pub mod shopify;

pub mod china_ceb;
pub mod ebay;

use crate::core::channel::Channel;
use std::sync::Arc;

/// A new instance of every fake there is.
#[must_use]
pub fn all() -> Vec<Arc<dyn Channel>> {
    vec![
        Arc::new(aliexpress::AliExpress::default()),
        Arc::new(amazon::Amazon::default()),
        Arc::new(dhl_express::DhlExpress::default()),
        Arc::new(shopify::Shopify::default()),
    ]
}
