//! Connector: shopify, the Admin GraphQL API of one shop.
//!
//! Reading order: [`config`](Settings), `auth` (tokens, three layers of errors), `gql` (one call), then the nouns:
//! `products`, `bulk`, `inventory`, `categories`, `orders`, `actions`, `finance`, `inbound`. The facets (`catalogue`, `sales`)
//! only string calls together.

mod actions;
mod auth;
mod bulk;
mod catalogue;
mod categories;
mod config;
mod disputes;
mod finance;
mod gql;
mod inbound;
mod inventory;
mod orders;
mod products;
mod returns;
mod sales;
mod variants;

use std::sync::Arc;

use tradewind_connector::role::{
    Categories, Disputes, Listings, Marketplace, Offers, OrderActions, Orders, Payments, Payouts, Prices,
    Returns, Stock, Transactions,
};
use tradewind_connector::{
    AccountConfig, Bounds, Capabilities, Connector, ConnectorInfo, Effort, Efforts, Error, Facet, Factory,
    Inbound, Opening, Pipeline, Role, Runtime, Support,
};
use tradewind_domain::ConnectorId;

pub use config::Settings;
use config::Shop;

/// Version of the Admin API that this connector is written for.
pub const API_VERSION: &str = "2026-10";

/// The connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "shopify",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["access_token", "client_secret", "refresh_token", "previous_client_secret"],
    example: include_str!("../example.toml"),
    open,
};

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: ConnectorId::literal("shopify"),
        name: "Shopify".to_owned(),
        roles: vec![Role::Marketplace],
        api_version: API_VERSION.to_owned(),
        docs: "https://shopify.dev/docs/api/admin-graphql".to_owned(),
    }
}

fn capabilities() -> Capabilities {
    use Support::{Emulated, Native, Unsupported};
    Capabilities::new(
        &[
            (Facet::Offers, Native),
            (Facet::Withdraw, Emulated),
            (Facet::Stock, Native),
            (Facet::Prices, Native),
            (Facet::Listings, Native),
            (Facet::Categories, Native),
            (Facet::Orders, Native),
            (Facet::Acknowledge, Unsupported),
            (Facet::Ship, Native),
            (Facet::Cancel, Native),
            (Facet::Refund, Native),
            (Facet::Returns, Native),
            (Facet::FeeEstimates, Unsupported),
            (Facet::Statements, Unsupported),
            (Facet::Transactions, Native),
            (Facet::Payouts, Native),
            (Facet::Disputes, Native),
            (Facet::Webhooks, Native),
        ],
        Bounds {
            offers_batch: Some(25),
            stock_batch: Some(250),
            prices_batch: Some(250),
            listings_batch: Some(READ_BATCH_U32),
            // A product is read, set and published; variants that were there are read, and given their quantity.
            efforts: Efforts {
                create: Effort::product(3),
                update: Effort::product(5),
                quantity: Effort::batch(2),
                withdraw: Effort::product(2).and_batch(1),
                ..Efforts::default()
            },
            title_chars: Some(255),
            variants_share_words: true,
            whole_products: true,
            images: Some(products::IMAGES),
            max_quantity: Some(1_000_000_000),
            visibility_lag_minutes: Some(5),
            // A movement gets its payout when that is scheduled, up to a month later (payouts may be monthly), and a payout is
            // paid or fails days after it was issued; both are found by when they began alone.
            money_lag_hours: Some(35 * 24),
            ..Bounds::default()
        },
    )
}

/// SKUs in one query of the search syntax.
const READ_BATCH: usize = 25;
const READ_BATCH_U32: u32 = 25;
/// Items in one array argument.
const WRITE_BATCH: usize = 250;

/// Operations whose answer may carry `userErrors`.
pub(crate) fn is_mutation(operation: &str) -> bool {
    [
        &products::SET_PRODUCT,
        &products::PUBLISH,
        &products::ARCHIVE,
        &products::DELETE_VARIANTS,
        &products::SET_PRICES,
        &inventory::SET_STOCK,
        &actions::SHIP,
        &actions::CANCEL,
        &actions::REFUND,
        &bulk::START,
    ]
    .iter()
    .any(|s| s.name == operation)
}

fn open(config: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let shop = Arc::new(Shop::open(&config)?);
    let protocol = Arc::new(auth::Shopify::open(Arc::clone(&shop), &config)?);
    let mut granted = capabilities();
    granted.bounds.currencies = vec![shop.currency];
    granted.bounds.sweep_from = Some(shop.bulk_from);
    let hooks = config.secrets.get("client_secret").cloned().map(|secret| inbound::Hooks {
        domain: shop.domain.clone(),
        secret,
        previous: config.secrets.get("previous_client_secret").cloned(),
    });
    if hooks.is_none() {
        granted.revoke(Facet::Webhooks);
    }
    let opening = Opening {
        app: shop.client_id.clone().unwrap_or_else(|| "custom".to_owned()),
        capabilities: granted,
        protocol,
    };
    let pipeline = FACTORY.pipeline(&config, opening, runtime)?;
    Ok(Arc::new(Shopify { pipeline, shop, hooks }))
}

/// One shop.
struct Shopify {
    pipeline: Pipeline,
    shop: Arc<Shop>,
    hooks: Option<inbound::Hooks>,
}

impl Connector for Shopify {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        Some(self)
    }
    /// Only the disputes of Shopify Payments; its transactions and payouts are facets of the shop.
    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }
    fn inbound(&self) -> Option<&dyn Inbound> {
        self.hooks.as_ref().map(|h| h as &dyn Inbound)
    }
}

impl Payments for Shopify {
    fn disputes(&self) -> Option<&dyn Disputes> {
        Some(self)
    }
}

impl Marketplace for Shopify {
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

#[cfg(test)]
mod tests {
    use tradewind_connector::{ErrorTable, Kind, Upstream};

    #[test]
    fn a_spent_key_and_a_wrong_secret_are_no_refusal_of_an_offer() {
        let table = ErrorTable::parse(super::FACTORY.errors).unwrap();
        for (code, kind) in [
            // "New key" (fact sheet §5).
            ("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", Kind::Conflict),
            ("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", Kind::InvalidRequest),
            ("invalid_client", Kind::Unauthenticated),
        ] {
            let told = Upstream { http: 200, code: code.to_owned(), ..Upstream::default() };
            assert_eq!(table.classify(told).kind(), kind, "{code}");
        }
    }
}
