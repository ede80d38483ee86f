//! Connector: China's customs for cross-border e-commerce (GACC unified edition, "CEB" messages of May 2022), retail
//! imports: bonded stock (1210) and direct purchase (9610).
//!
//! A filing is up to four messages: order (311), payment (411), waybill (511) and the signed declaration list (621).
//! Customs match the three papers with the list; so do we before anything is sent ([`Declaration::pre_match`]).
//! Acceptance by the transport is not acceptance by customs: everything after it comes as receipts.
//!
//! [`Declaration::pre_match`]: tradewind_domain::Declaration::pre_match

mod auth;
mod bills;
mod codes;
mod config;
mod envelope;
mod filing;
mod mailbox;
mod message;
mod receipts;
mod sign;
mod sm3;
mod status;
mod xml;

use std::sync::Arc;

use tradewind_connector::role::{Connector, ConnectorInfo, Customs, Declare, Receipts, Role, TaxBills};
use tradewind_connector::{
    AccountConfig, Bounds, Capabilities, Error, ErrorTable, Facet, Factory, Opening, Pipeline, Runtime,
    Support,
};
use tradewind_domain::{ConnectorId, Currency, CustomsReceipt};

/// This connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "china-ceb",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["bridge_password", "signer_token"],
    example: include_str!("../example.toml"),
    open,
};

/// An account at the exchange platform, ready to be called.
pub struct ChinaCeb {
    settings: config::Settings,
    pipeline: Pipeline,
}

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: ConnectorId::literal("china-ceb"),
        name: "China customs (CEB)".to_owned(),
        roles: vec![Role::Customs],
        api_version: "CEB messages 2022-05".to_owned(),
        docs: "http://www.customs.gov.cn".to_owned(),
    }
}

fn capabilities() -> Capabilities {
    let support = [
        (Facet::Declare, Support::Native),
        (Facet::Amend, Support::Native),
        (Facet::CancelDeclaration, Support::Native),
        (Facet::Receipts, Support::Native),
        (Facet::TaxBills, Support::Native),
    ];
    let bounds = Bounds { currencies: Currency::new("CNY").into_iter().collect(), ..Bounds::default() };
    Capabilities::new(&support, bounds)
}

fn open(account: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let settings: config::Settings = account.settings()?;
    settings.check()?;
    let opening = Opening {
        app: settings.dxp_id.clone(),
        capabilities: capabilities(),
        protocol: Arc::new(auth::Bridge::new(&settings.dxp_id, &account.secrets)?),
    };
    let pipeline = FACTORY.pipeline(&account, opening, runtime)?;
    Ok(Arc::new(ChinaCeb { settings, pipeline }))
}

impl Connector for ChinaCeb {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn customs(&self) -> Option<&dyn Customs> {
        Some(self)
    }
}

impl Customs for ChinaCeb {
    fn declare(&self) -> Option<&dyn Declare> {
        Some(self)
    }
    fn receipts(&self) -> Option<&dyn Receipts> {
        Some(self)
    }
    fn tax_bills(&self) -> Option<&dyn TaxBills> {
        Some(self)
    }
}

/// Receipts in a business message, as [`Receipts::ingest`] reads them from an envelope. For benchmarks and tools that
/// hold bare messages.
///
/// # Errors
/// Not a receipt of customs.
pub fn read_receipts(business: &str, errors: &ErrorTable) -> Result<Vec<CustomsReceipt>, Error> {
    answers(business, errors)?.into_iter().collect()
}

/// The same, each by itself.
fn answers(business: &str, errors: &ErrorTable) -> Result<Vec<receipts::Answer>, Error> {
    receipts::read(business, errors)?.ok_or_else(|| Error::decode("not a message that answers a declaration"))
}
