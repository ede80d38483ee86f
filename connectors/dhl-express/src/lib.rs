//! Connector: DHL Express, MyDHL API (REST 3.1.1).
//!
//! Covers rates, booking with label and customs block, lookup by reference, tracking, pickups, and paperless-trade
//! documents. There is no call to void a label: an unused waybill is simply never handed over, and the connector
//! says so instead of pretending.

mod auth;
mod config;
mod pickups;
mod rates;
mod shipments;
mod tracking;
mod wire;

use std::sync::Arc;

use tradewind_connector::role::{
    Connector, ConnectorInfo, Logistics, Paperwork, Pickups, Rates, Role, Shipments, Tracking,
};
use tradewind_connector::{
    AccountConfig, Bounds, Capabilities, Error, Facet, Factory, Opening, Pipeline, Runtime, Support,
};
use tradewind_domain::{ConnectorId, Incoterm};

/// This connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "dhl-express",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["username", "password"],
    example: include_str!("../example.toml"),
    open,
};

/// A DHL Express account, ready to be called.
pub struct DhlExpress {
    settings: config::Settings,
    pipeline: Pipeline,
}

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: ConnectorId::literal("dhl-express"),
        name: "DHL Express".to_owned(),
        roles: vec![Role::Logistics],
        api_version: "MyDHL API 3.1.1".to_owned(),
        docs: "https://developer.dhl.com/api-reference/dhl-express-mydhl-api".to_owned(),
    }
}

fn capabilities() -> Capabilities {
    let support = [
        (Facet::Rates, Support::Native),
        (Facet::Shipments, Support::Native),
        (Facet::VoidShipment, Support::Unsupported),
        (Facet::Tracking, Support::Native),
        (Facet::Pickups, Support::Native),
        (Facet::Paperwork, Support::Native),
    ];
    let bounds = Bounds {
        tracking_batch: Some(1),
        incoterms: vec![Incoterm::Dap, Incoterm::Ddp],
        // How long a new waybill stays invisible to a lookup by reference is not documented: UNVERIFIED, generous.
        visibility_lag_minutes: Some(60),
        ..Bounds::default()
    };
    Capabilities::new(&support, bounds)
}

fn open(account: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let settings: config::Settings = account.settings()?;
    settings.check()?;
    let opening = Opening {
        app: settings.account_number.clone(),
        capabilities: capabilities(),
        protocol: Arc::new(auth::Basic::new(&account.secrets)?),
    };
    let pipeline = FACTORY.pipeline(&account, opening, runtime)?;
    Ok(Arc::new(DhlExpress { settings, pipeline }))
}

impl Connector for DhlExpress {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn logistics(&self) -> Option<&dyn Logistics> {
        Some(self)
    }
}

impl Logistics for DhlExpress {
    fn rates(&self) -> Option<&dyn Rates> {
        Some(self)
    }
    fn shipments(&self) -> Option<&dyn Shipments> {
        Some(self)
    }
    fn tracking(&self) -> Option<&dyn Tracking> {
        Some(self)
    }
    fn pickups(&self) -> Option<&dyn Pickups> {
        Some(self)
    }
    fn paperwork(&self) -> Option<&dyn Paperwork> {
        Some(self)
    }
}
