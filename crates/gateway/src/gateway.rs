//! The gateway: configuration, open accounts and store together. Each use case is a module with an `impl`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tradewind_connector::role::Marketplace;
use tradewind_connector::{Capabilities, Clock, Connector, Error, Kind};
use tradewind_domain::{AccountId, IllegalStep, Product, Sku, Variant};
use tradewind_store::typed::{self, Versioned};
use tradewind_store::{Batch, Expect, Filter, Store, StoreError};

use crate::catalogue::{Catalogue, Problem, Refused};
use crate::config::Config;
use crate::landed::Engines;
use crate::orders::Waiting;
use crate::plan::Inputs;
use crate::records::{OfferRecord, ProductRecord, StockRecord};

/// What a use case can end with.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The catalogue was refused; nothing was imported.
    #[error(transparent)]
    Catalogue(#[from] Refused),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A channel failed.
    #[error(transparent)]
    Channel(Error),
    /// The store failed in the middle of a call, whose intents, tokens and payloads it keeps: no fault of the channel's.
    #[error("the store failed: {0}")]
    Journal(String),
    /// The world moved since the plan was made.
    #[error("the plan is stale: {0}. Run plan again")]
    Stale(String),
    /// The plan file is not what `plan` wrote.
    #[error(
        "the plan was changed after it was made: its id is {id}, what it holds gives {name}. A plan is not edited: change catalogue, rules or guards, and run plan again"
    )]
    Edited {
        /// The id it states.
        id: String,
        /// The id of its content.
        name: String,
    },
    /// There is no landed cost.
    #[error("{0}")]
    Quote(String),
    /// Something that is stored belongs to an account that is not open: it was taken out of the configuration.
    #[error("account '{0}' is not configured")]
    Gone(AccountId),
    /// Something is missing in the configuration.
    #[error("{0}")]
    Config(String),
    /// A state was to take a step that it cannot: what was to be written with it is not written, and no call is made that was to
    /// follow.
    #[error(transparent)]
    Defect(#[from] IllegalStep),
}

impl From<Error> for GatewayError {
    fn from(e: Error) -> GatewayError {
        match e.kind() {
            Kind::Internal => GatewayError::Journal(e.message().to_owned()),
            _ => GatewayError::Channel(e),
        }
    }
}

/// No call of a channel takes longer, retries and waits included: a record that says "sent" and is younger may belong to a
/// process that waits for the answer. (`Patience`: five minutes in all, and one attempt of half a minute.)
pub(crate) const LONGEST_CALL: SignedDuration = SignedDuration::from_mins(10);

/// A result of a use case.
pub type Result<T, E = GatewayError> = std::result::Result<T, E>;

/// Configuration, open accounts and store.
pub struct Gateway {
    /// Configuration.
    pub config: Config,
    /// Open accounts.
    pub accounts: BTreeMap<AccountId, Arc<dyn Connector>>,
    /// Store.
    pub store: Arc<dyn Store>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Rule packs, exchange rates and goods facts.
    pub engines: Arc<Engines>,
}

/// Numbers of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Products.
    pub products: usize,
    /// Variants.
    pub variants: usize,
    /// Variants that were not there before.
    pub new: usize,
}

/// The channel knows us no more: whatever else is asked of this account ends the same way, until a person has acted.
pub(crate) fn ends_all(error: &tradewind_connector::Error) -> bool {
    matches!(error.kind(), Kind::Unauthenticated | Kind::NeedsReauth | Kind::AccountSuspended)
}

impl Gateway {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An open account.
    ///
    /// # Errors
    /// It is not open.
    pub fn account(&self, id: &AccountId) -> Result<&Arc<dyn Connector>> {
        self.accounts.get(id).ok_or_else(|| GatewayError::Gone(id.clone()))
    }

    /// Marketplaces among the open accounts, by id.
    pub fn marketplaces(&self) -> impl Iterator<Item = (&AccountId, &dyn Marketplace, &Arc<dyn Connector>)> {
        self.accounts.iter().filter_map(|(id, c)| Some((id, c.marketplace()?, c)))
    }

    /// Which secrets to renew when a channel refused the login, and where they come from; else nothing.
    #[must_use]
    pub fn login_hint(&self, id: &AccountId, error: &tradewind_connector::Error) -> String {
        if !matches!(error.kind(), Kind::Unauthenticated | Kind::NeedsReauth) {
            return String::new();
        }
        let entry = self.config.account.iter().find(|a| a.id == *id);
        let login = entry.map(crate::config::AccountEntry::login).filter(|l| !l.is_empty());
        login.map_or_else(String::new, |l| {
            format!("; the login of account '{id}' is made of {l}: put new values there")
        })
    }

    /// An error for people; of a refused login, with what to renew.
    pub(crate) fn told(&self, error: &tradewind_connector::Error) -> String {
        let login = error.account().map(|id| self.login_hint(id, error)).unwrap_or_default();
        format!("{error}{login}")
    }

    /// Capabilities of the open accounts.
    #[must_use]
    pub fn capabilities(&self) -> BTreeMap<AccountId, Capabilities> {
        self.accounts.iter().map(|(id, c)| (id.clone(), c.capabilities().clone())).collect()
    }

    /// Imports the configured catalogue files: whole or not at all. Importing the same files again changes
    /// nothing. Stock counts come in as a recount, new units are allotted to accounts.
    ///
    /// # Errors
    /// A file is refused, or the store failed.
    pub async fn import(&self, folder: &Path) -> Result<(Imported, Vec<crate::catalogue::Problem>)> {
        let mut catalogue = Catalogue::load(&self.config.catalogue, folder)?;
        loop {
            match self.take_catalogue(&catalogue).await {
                // An order took from the same shelf meanwhile: its reservation must not be overwritten.
                Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                done => {
                    let (numbers, more) = done?;
                    catalogue.warnings.extend(more);
                    return Ok((numbers, catalogue.warnings));
                }
            }
        }
    }

    async fn take_catalogue(&self, catalogue: &Catalogue) -> Result<(Imported, Vec<Problem>)> {
        let known = self.products().await?;
        let stock = self.stock().await?;
        // As earlier versions kept them, where a shelf is still as they wrote it; by SKU alone, for one may move to another product.
        let earlier = stock.values().any(|s| s.value.counted.is_none());
        let counts: BTreeMap<&Sku, u32> = known
            .values()
            .filter(|_| earlier)
            .flat_map(|p| p.variants.iter().map(|v| (&v.sku, v.quantity.unwrap_or(0))))
            .collect();
        let parts = self.stock_parts();
        let mut batch = Batch::new();
        let mut waiting: Option<Waiting> = None;
        let mut warnings = Vec::new();
        let mut numbers = Imported { products: catalogue.products.len(), variants: 0, new: 0 };
        for product in catalogue.products.values() {
            if known.get(product.id.as_str()) != Some(product) {
                batch.put(&ProductRecord(product.clone()))?;
            }
            for variant in &product.variants {
                numbers.variants += 1;
                let before = stock.get(&variant.sku);
                numbers.new += usize::from(before.is_none());
                let mut record =
                    before.map_or_else(|| StockRecord::new(variant.sku.clone()), |b| b.value.clone());
                let counted = variant.quantity.unwrap_or(0);
                let warn = |message: String| {
                    let (file, row) =
                        variant.source.as_ref().map_or_else(Default::default, |s| (s.file.clone(), s.row));
                    Problem { file, row, field: "quantity".to_owned(), message }
                };
                let taken = record.count(counted, counts.get(&variant.sku).copied(), before.is_none());
                if before.is_none() {
                    // What orders wait for is on the shelf that was counted, and not for sale.
                    let waiting = match &mut waiting {
                        Some(waiting) => waiting,
                        none => none.insert(self.waiting().await?),
                    };
                    self.hold_for(waiting, &mut record, &mut batch).await?;
                    if record.oversold > 0 {
                        warnings.push(warn(format!(
                            "orders wait for {} units of {} more than the {counted} that are counted: get them, or cancel on the channel",
                            record.oversold, variant.sku
                        )));
                    }
                }
                let freed = self.take_back(&mut record, &mut batch).await?;
                if taken || freed {
                    record.allot(&parts, self.config.stock.buffer);
                }
                if !taken
                    && record.on_hand < counted
                    && before.is_some_and(|b| b.value.counted.is_none())
                    && !counts.contains_key(&variant.sku)
                {
                    warnings.push(warn(format!(
                        "{} was in no file for a while, and it is not known how many of these {counted} were sold before: {} are taken \
                         to be there. Count them, and import that",
                        variant.sku, record.on_hand
                    )));
                }
                if before.map(|b| &b.value) != Some(&record) {
                    let expect = before.map_or(Expect::Absent, |b| Expect::Version(b.version));
                    batch.put_expecting(&record, expect)?;
                }
            }
        }
        for id in known.keys().filter(|id| !catalogue.products.keys().any(|k| k.as_str() == id.as_str())) {
            batch.delete(tradewind_store::Collection::Products, id.clone());
        }
        if !batch.is_empty() {
            batch.audit(self.now(), "import", "catalogue", format!("{} variants", numbers.variants));
            self.store.commit(batch).await?;
        }
        Ok((numbers, warnings))
    }

    /// Accounts that sell, with their parts of the stock.
    #[must_use]
    pub fn stock_parts(&self) -> BTreeMap<AccountId, u32> {
        let entries = self.config.account.iter();
        entries.filter_map(|a| Some((a.id.clone(), a.offers.as_ref()?.stock_parts))).collect()
    }

    async fn products(&self) -> Result<BTreeMap<String, Product>> {
        let all = typed::list::<ProductRecord>(&*self.store, Filter::all()).await?;
        Ok(all.into_iter().map(|p| (p.value.0.id.to_string(), p.value.0)).collect())
    }

    /// The stock ledger.
    ///
    /// # Errors
    /// The store failed.
    pub async fn stock(&self) -> Result<BTreeMap<Sku, Versioned<StockRecord>>> {
        let all = typed::list::<StockRecord>(&*self.store, Filter::all()).await?;
        Ok(all.into_iter().map(|s| (s.value.sku.clone(), s)).collect())
    }

    /// The catalogue by SKU.
    ///
    /// # Errors
    /// The store failed.
    pub async fn variants(&self) -> Result<BTreeMap<Sku, (Product, Variant)>> {
        let mut found = BTreeMap::new();
        for product in self.products().await?.into_values() {
            let head = Product { variants: Vec::new(), ..product.clone() };
            for variant in product.variants {
                found.insert(variant.sku.clone(), (head.clone(), variant));
            }
        }
        Ok(found)
    }

    /// Known offers by key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn offers(&self) -> Result<BTreeMap<String, OfferRecord>> {
        let all = typed::list::<OfferRecord>(&*self.store, Filter::all()).await?;
        Ok(all
            .into_iter()
            .map(|o| (crate::records::offer_key(&o.value.account, &o.value.sku), o.value))
            .collect())
    }

    /// Everything that is stored and a plan is made from, read once.
    pub(crate) async fn world(&self) -> Result<World> {
        let stock = self.stock().await?;
        Ok(World {
            variants: self.variants().await?,
            offers: self.offers().await?,
            stock: stock.into_iter().map(|(k, v)| (k, v.value)).collect(),
            capabilities: self.capabilities(),
        })
    }

    /// Makes a plan from what is stored. Makes no call.
    ///
    /// # Errors
    /// The store failed.
    pub async fn plan(&self) -> Result<crate::plan::Plan> {
        Ok(self.world().await?.inputs(self).plan(self.now()))
    }
}

/// What is stored of the world, in memory.
pub(crate) struct World {
    pub(crate) variants: BTreeMap<Sku, (Product, Variant)>,
    pub(crate) offers: BTreeMap<String, OfferRecord>,
    stock: BTreeMap<Sku, StockRecord>,
    capabilities: BTreeMap<AccountId, Capabilities>,
}

impl World {
    pub(crate) fn inputs<'a>(&'a self, gateway: &'a Gateway) -> Inputs<'a> {
        Inputs {
            config: &gateway.config,
            variants: &self.variants,
            offers: &self.offers,
            stock: &self.stock,
            capabilities: &self.capabilities,
            engines: &gateway.engines,
        }
    }
}
