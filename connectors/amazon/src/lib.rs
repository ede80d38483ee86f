//! Connector: Amazon Selling Partner API (SP-API).
//!
//! Covers listings (Listings Items 2021-08-01), orders in (Orders 2026-01-01), shipment confirmation (Orders v0,
//! the only version that has it), cancelling and refunding (feeds), returns (a report), settlement reports (V2 flat
//! file), balance transactions (Finances 2024-06-19) and payouts (Finances v0 event groups). What is not covered is in
//! the README.
//!
//! One account is one seller in one marketplace: prices, stock and orders of two marketplaces are two accounts.

mod auth;
mod bulk;
mod cancel;
mod config;
mod definitions;
mod feeds;
mod fees;
mod finances;
mod inbound;
mod listings;
mod listings_report;
mod map;
mod orders;
mod paging;
mod refund;
mod reports;
mod returns;
mod wanted;
mod wire;

use std::sync::Arc;

use tradewind_connector::role::{
    Categories, Connector, ConnectorInfo, FeeEstimates, Listings, Marketplace, Offers, OrderActions, Orders,
    Payouts, Prices, Returns, Role, Statements, Stock, Transactions,
};
use tradewind_connector::{
    AccountConfig, Bounds, Capabilities, Effort, Efforts, Error, Facet, Factory, Inbound, Opening, Pipeline,
    Runtime, Support,
};
use tradewind_domain::ConnectorId;

use crate::config::Site;

/// This connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "amazon",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["client_secret", "refresh_token", "notification_key"],
    example: include_str!("../example.toml"),
    open,
};

/// An Amazon account, ready to be called.
pub struct Amazon {
    site: Site,
    hooks: Option<inbound::Hooks>,
    pipeline: Pipeline,
}

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: ConnectorId::literal("amazon"),
        name: "Amazon".to_owned(),
        roles: vec![Role::Marketplace],
        api_version: "SP-API: listings 2021-08-01, orders 2026-01-01, finances 2024-06-19".to_owned(),
        docs: "https://developer-docs.amazon.com/sp-api".to_owned(),
    }
}

fn capabilities() -> Capabilities {
    use Support::{Emulated, Native};
    let support = [
        (Facet::Offers, Native),
        (Facet::Withdraw, Native),
        (Facet::Stock, Native),
        (Facet::Prices, Native),
        (Facet::Listings, Native),
        (Facet::Orders, Native),
        (Facet::Ship, Native),
        (Facet::Statements, Native),
        (Facet::Transactions, Native),
        // Payouts are read out of financial event groups.
        (Facet::Payouts, Emulated),
        (Facet::Categories, Native),
        (Facet::Cancel, Native),
        (Facet::Refund, Native),
        (Facet::Returns, Native),
        (Facet::FeeEstimates, Native),
        // Forwarded by the seller's AWS account: Amazon has no webhooks of its own.
        (Facet::Webhooks, Emulated),
    ];
    let bounds = Bounds {
        // Offers, quantities and prices go one by one, a call each.
        offers_batch: None,
        bulk_batch: Some(bulk::MOST),
        stock_batch: None,
        prices_batch: None,
        listings_batch: Some(20),
        // A feed: its document, that one's bytes, the feed itself; later its state, the report's document, and its bytes.
        efforts: Efforts {
            create: Effort::item(1),
            update: Effort::item(1),
            bulk: Effort::batch(6),
            quantity: Effort::item(1),
            withdraw: Effort::item(1),
            read: Effort::item(1),
        },
        title_chars: Some(200),
        images: Some(9),
        // Finances allow 180 days, orders have no limit: 40 days keep pages small, and hold what money looks back in one.
        window_hours: Some(40 * 24),
        // Upper bounds of time filters must lie two minutes back.
        visibility_lag_minutes: Some(5),
        // Two days pass before a movement is shown ("might not include orders from the last 48 hours"); but its status turns from
        // DEFERRED to DEFERRED_RELEASED, and its event group closes, whenever the goods were delivered and the settlement
        // period ends, and it is found by the day on which it was posted: three weeks for the way and the deferral, two for the
        // period.
        // `listTransactions` also lists the members of an event group, whenever they were posted. That does not serve instead:
        // nothing says that a transaction names a group once it is released (a release may be one of its own,
        // RELEASE_TRANSACTION_ID), so its change might never be read; and a group can only be looked for by when it started.
        money_lag_hours: Some(35 * 24),
        ..Bounds::default()
    };
    Capabilities::new(&support, bounds)
}

fn open(account: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let settings: config::Settings = account.settings()?;
    let site = Site::new(&settings)?;
    let protocol = auth::Lwa::new(&settings, &site, &account.secrets)?;
    let hooks = account.secrets.get("notification_key").cloned().map(|key| inbound::Hooks {
        key,
        seller_id: site.seller_id.clone(),
        marketplace_id: site.marketplace_id,
    });
    let mut granted = capabilities();
    granted.bounds.bulk_from = Some(settings.bulk_from.unwrap_or(config::BULK_FROM));
    if hooks.is_none() {
        granted.revoke(Facet::Webhooks);
    }
    let opening = Opening {
        // Quotas are per application and selling partner, whichever of its stores is called.
        app: format!("{}/{}", settings.client_id, settings.seller_id),
        capabilities: granted,
        protocol: Arc::new(protocol),
    };
    let pipeline = FACTORY.pipeline(&account, opening, runtime)?;
    Ok(Arc::new(Amazon { site, hooks, pipeline }))
}

impl Connector for Amazon {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn inbound(&self) -> Option<&dyn Inbound> {
        self.hooks.as_ref().map(|h| h as &dyn Inbound)
    }
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        Some(self)
    }
}

impl Marketplace for Amazon {
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
    fn orders(&self) -> Option<&dyn Orders> {
        Some(self)
    }
    fn order_actions(&self) -> Option<&dyn OrderActions> {
        Some(self)
    }
    fn returns(&self) -> Option<&dyn Returns> {
        Some(self)
    }
    fn statements(&self) -> Option<&dyn Statements> {
        Some(self)
    }
    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }
    fn payouts(&self) -> Option<&dyn Payouts> {
        Some(self)
    }
    fn categories(&self) -> Option<&dyn Categories> {
        Some(self)
    }
    fn fee_estimates(&self) -> Option<&dyn FeeEstimates> {
        Some(self)
    }
}
