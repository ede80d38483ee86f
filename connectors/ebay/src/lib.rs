//! Connector: eBay.
//!
//! Sell Inventory (items, offers, publication), Fulfillment (orders, parcels, refunds, payment disputes), Finances
//! (transactions, payouts; digitally signed), Taxonomy, notifications; Post-Order for cancellations and returns, and the
//! Trading API for listings that the Inventory API does not know. What is not covered is in the README.
//!
//! One account is one seller on one marketplace: eBay lists a SKU on one marketplace only.
//!
//! Reading order: `config`, `auth` and `signature`, `map`, then the nouns: `items`, `offers`, `stock`, `listings`,
//! `orders`, `actions`, `returns` and `disputes` (with `spans`), `finances`, `categories`, `trading`, `inbound`.

mod actions;
mod auth;
mod categories;
mod config;
mod disputes;
mod finances;
mod inbound;
mod items;
mod listings;
mod map;
mod offers;
mod orders;
mod returns;
mod signature;
mod spans;
mod stock;
mod trading;
mod wire;

use std::sync::Arc;

use tradewind_connector::role::{
    Categories, Connector, ConnectorInfo, Disputes, Inbound, Listings, Marketplace, Offers, OrderActions,
    Orders, Payments, Payouts, Prices, Returns, Role, Stock, Transactions,
};
use tradewind_connector::{
    AccountConfig, Bounds, Capabilities, Effort, Efforts, Error, Facet, Factory, Opening, Pipeline, Runtime,
    Support,
};
use tradewind_domain::ConnectorId;

use crate::config::Site;
pub use crate::inbound::challenge_response;

/// This connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "ebay",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["client_secret", "refresh_token", "signing_key", "verification_token"],
    example: include_str!("../example.toml"),
    open,
};

/// An eBay account, ready to be called.
pub struct Ebay {
    site: Site,
    pipeline: Pipeline,
    hooks: Option<inbound::Hooks>,
}

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: ConnectorId::literal("ebay"),
        name: "eBay".to_owned(),
        roles: vec![Role::Marketplace],
        api_version: "Inventory v1, Fulfillment v1, Finances v1, Taxonomy v1, Post-Order v2, Trading 1331"
            .to_owned(),
        docs: "https://developer.ebay.com/api-docs/sell/static/selling-ig-landing.html".to_owned(),
    }
}

fn capabilities() -> Capabilities {
    use Support::Native;
    let support = [
        (Facet::Offers, Native),
        (Facet::Withdraw, Native),
        (Facet::Stock, Native),
        (Facet::Prices, Native),
        (Facet::Listings, Native),
        (Facet::Categories, Native),
        (Facet::Orders, Native),
        (Facet::Ship, Native),
        (Facet::Cancel, Native),
        (Facet::Refund, Native),
        (Facet::Transactions, Native),
        (Facet::Payouts, Native),
        (Facet::Webhooks, Native),
        (Facet::Returns, Native),
        (Facet::Disputes, Native),
    ];
    let bounds = Bounds {
        offers_batch: Some(25),
        // One SKU per call: these batches are the facets', not a request's.
        stock_batch: Some(25),
        prices_batch: Some(25),
        listings_batch: Some(25),
        // Items, offers and their publication go in bulk; which offer a SKU has is asked one by one, and offers are replaced,
        // withdrawn and given quantities so.
        efforts: Efforts {
            create: Effort::item(1).and_batch(3),
            update: Effort::item(2).and_batch(1),
            quantity: Effort::item(1),
            withdraw: Effort::item(2),
            read: Effort::item(1).and_batch(1),
            ..Efforts::default()
        },
        title_chars: Some(80),
        images: Some(24),
        // Transactions without an end of the window reach 90 days; 30 keep pages small.
        window_hours: Some(30 * 24),
        // How late an order may show is not documented: UNVERIFIED, generous.
        visibility_lag_minutes: Some(15),
        ..Bounds::default()
    };
    Capabilities::new(&support, bounds)
}

fn open(account: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let settings: config::Settings = account.settings()?;
    let site = Site::new(&settings)?;
    let protocol = auth::Ebay::new(&settings, &site, &account.secrets)?;
    let keys = config::notification_keys(&settings)?;
    let token = account.secrets.get("verification_token").cloned();
    let hooks = (!keys.is_empty()).then_some(inbound::Hooks { keys, token });
    let mut granted = capabilities();
    granted.bounds.currencies = vec![site.currency];
    if hooks.is_none() {
        granted.revoke(Facet::Webhooks);
    }
    if !config::sees_disputes(&settings.scopes()?) {
        granted.revoke(Facet::Disputes);
    }
    let opening =
        Opening { app: settings.client_id.clone(), capabilities: granted, protocol: Arc::new(protocol) };
    let pipeline = FACTORY.pipeline(&account, opening, runtime)?;
    Ok(Arc::new(Ebay { site, pipeline, hooks }))
}

impl Connector for Ebay {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        Some(self)
    }
    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }
    fn inbound(&self) -> Option<&dyn Inbound> {
        self.hooks.as_ref().map(|h| h as &dyn Inbound)
    }
}

/// Transactions and payouts are the marketplace's.
impl Payments for Ebay {
    fn disputes(&self) -> Option<&dyn Disputes> {
        Some(self)
    }
}

impl Marketplace for Ebay {
    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }
    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
    fn prices(&self) -> Option<&dyn Prices> {
        Some(self)
    }
    fn listings(&self) -> Option<&dyn Listings> {
        Some(self)
    }
    fn categories(&self) -> Option<&dyn Categories> {
        Some(self)
    }
    fn orders(&self) -> Option<&dyn Orders> {
        Some(self)
    }
    fn order_actions(&self) -> Option<&dyn OrderActions> {
        Some(self)
    }
    fn returns(&self) -> Option<&dyn Returns> {
        Some(self)
    }
    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }
    fn payouts(&self) -> Option<&dyn Payouts> {
        Some(self)
    }
}
