//! The fakes, one folder each. Adding one: a folder, a `pub mod` line, a line in [`all`].

pub mod aliexpress;
pub mod amazon;
pub mod china_ceb;
pub mod dhl_express;
pub mod ebay;
pub mod paypal;
pub mod shopify;

use crate::core::channel::Channel;
use std::sync::Arc;

/// A new instance of every fake there is.
#[must_use]
pub fn all() -> Vec<Arc<dyn Channel>> {
    vec![
        Arc::new(aliexpress::AliExpress::default()),
        Arc::new(amazon::Amazon::default()),
        Arc::new(china_ceb::ChinaCeb::default()),
        Arc::new(dhl_express::DhlExpress::default()),
        Arc::new(ebay::Ebay::default()),
        Arc::new(paypal::PayPal::default()),
        Arc::new(shopify::Shopify::default()),
    ]
}
