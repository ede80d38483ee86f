//! The one list of connectors. A new channel is its folder and its line here.

use tradewind_connector::Factory;

/// Every connector of this program, by name.
pub(crate) const CONNECTORS: &[&Factory] = &[
    &tradewind_amazon::FACTORY,
    &tradewind_ebay::FACTORY,
    &tradewind_shopify::FACTORY,
    &tradewind_aliexpress::FACTORY,
    &tradewind_paypal::FACTORY,
    &tradewind_dhl_express::FACTORY,
    &tradewind_china_ceb::FACTORY,
];

/// The connector of a name.
pub(crate) fn find(name: &str) -> anyhow::Result<&'static Factory> {
    CONNECTORS.iter().copied().find(|f| f.id == name).ok_or_else(|| {
        let known: Vec<&str> = CONNECTORS.iter().map(|f| f.id).collect();
        anyhow::anyhow!("no connector is called '{name}': there are {}", known.join(", "))
    })
}
