//! The roles: one small object-safe trait for identity, one trait per role, optional abilities as facets.
//!
//! An adapter implements [`Connector`] and the facets it has. Every accessor of a role or facet has a default of `None`, so a new
//! facet edits no existing adapter. A facet that exists is declared in [`Capabilities`]; the conformance suite
//! proves that the two agree.

mod cancellation;
mod customs;
mod inbound;
mod logistics;
mod market;
mod money;

pub use cancellation::Cancellation;
pub use customs::{Customs, Declare, Receipts, TaxBills};
pub use inbound::{ChallengeAnswer, Hint, Inbound, InboundRequest};
pub use logistics::{
    Logistics, Paperwork, Pickup, Pickups, RateRequest, Rates, Shipments, Tracking, TrackingReport,
};
pub use market::{
    Accepted, Categories, Category, CategoryAttribute, Draft, DraftOffer, FeeEstimate, FeeEstimates,
    ItemOutcome, Listed, Listings, Marketplace, Offers, OrderActions, Orders, PriceChange, Prices, Returns,
    Stock, StockChange, offers_of, read_each,
};
pub use money::{
    CustomsPayment, CustomsPayments, Disputes, MoneyDocument, Payments, Payouts, Refunds, Statements,
    Transactions,
};

use serde::{Deserialize, Serialize};
use tradewind_domain::ConnectorId;

use crate::capability::Capabilities;

/// A role that a connector plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sells.
    Marketplace,
    /// Takes and moves money.
    Payment,
    /// Moves parcels.
    Logistics,
    /// Files declarations.
    Customs,
}

/// Identity of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorInfo {
    /// Short name: the folder, the `connector =` of the configuration.
    pub id: ConnectorId,
    /// Name for people.
    pub name: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Version of the channel's API.
    pub api_version: String,
    /// The vendor's documentation.
    pub docs: String,
}

/// One account of one channel, ready to be called.
pub trait Connector: Send + Sync {
    /// The pipeline that carries this account's calls; the conformance suite and `doctor` look at it.
    fn pipeline(&self) -> &crate::Pipeline;
    /// Identity.
    fn info(&self) -> &ConnectorInfo {
        self.pipeline().info()
    }
    /// What this account can do.
    fn capabilities(&self) -> &Capabilities {
        self.pipeline().capabilities()
    }
    /// Marketplace role.
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        None
    }
    /// Payment role.
    fn payments(&self) -> Option<&dyn Payments> {
        None
    }
    /// Logistics role.
    fn logistics(&self) -> Option<&dyn Logistics> {
        None
    }
    /// Customs role.
    fn customs(&self) -> Option<&dyn Customs> {
        None
    }
    /// Webhooks: verify, then a hint to read again.
    fn inbound(&self) -> Option<&dyn Inbound> {
        None
    }
}
