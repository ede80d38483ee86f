//! A shop in memory: configuration, engines, catalogue, stock, listings. The plan's bench has it too (`benches/plan.rs`).

use std::collections::BTreeMap;

use serde_json::Value;
use tradewind_connector::{Bounds, Capabilities, Facet, Support};
use tradewind_domain::{
    AccountId, ChangeState, ListingRef, ListingState, LiveListing, Offer, Product, Sku, Variant,
};
use tradewind_gateway::Engines;
use tradewind_gateway::config::Config;
use tradewind_gateway::plan::Inputs;
use tradewind_gateway::records::{OfferRecord, StockRecord, offer_key};

#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) config: Config,
    pub(crate) engines: Engines,
    pub(crate) variants: BTreeMap<Sku, (Product, Variant)>,
    pub(crate) offers: BTreeMap<String, OfferRecord>,
    pub(crate) stock: BTreeMap<Sku, StockRecord>,
    pub(crate) capabilities: BTreeMap<AccountId, Capabilities>,
}

impl Shop {
    /// A shop that sells nothing yet, with the files that its configuration names.
    pub(crate) fn open(config: &str, files: &[(&str, &str)]) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let config = Config::parse(config, "tradewind.toml").unwrap();
        let able = Capabilities::new(&[(Facet::Offers, Support::Native)], Bounds::default());
        Shop {
            engines: Engines::load(&config, dir.path()).unwrap(),
            capabilities: config.account.iter().map(|a| (a.id.clone(), able.clone())).collect(),
            config,
            variants: BTreeMap::new(),
            offers: BTreeMap::new(),
            stock: BTreeMap::new(),
        }
    }

    /// Puts a variant into the catalogue, 30 units of it on the shelf, allotted to all accounts in equal parts.
    pub(crate) fn put(&mut self, product: Value, variant: Value) {
        let product: Product = serde_json::from_value(product).unwrap();
        let variant: Variant = serde_json::from_value(variant).unwrap();
        let mut stock = StockRecord { on_hand: 30, ..StockRecord::new(variant.sku.clone()) };
        stock.allot(&self.config.account.iter().map(|a| (a.id.clone(), 1)).collect(), 0);
        self.stock.insert(variant.sku.clone(), stock);
        self.variants.insert(variant.sku.clone(), (product, variant));
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        self.inputs_with(&self.engines)
    }

    pub(crate) fn inputs_with<'a>(&'a self, engines: &'a Engines) -> Inputs<'a> {
        Inputs {
            config: &self.config,
            variants: &self.variants,
            offers: &self.offers,
            stock: &self.stock,
            capabilities: &self.capabilities,
            engines,
        }
    }
}

/// The record of a listing that shows exactly an offer.
pub(crate) fn live(account: &AccountId, offer: Box<Offer>, plan: &str) -> (String, OfferRecord) {
    let live = LiveListing {
        key: ListingRef { sku: offer.sku.clone(), listing: None },
        state: ListingState::Live,
        price: Some(offer.price),
        quantity: Some(offer.quantity),
        title: Some(offer.content.title.clone()),
        issues: Vec::new(),
    };
    let record = OfferRecord {
        desired: Some(offer),
        state: ChangeState::Live,
        plan: plan.to_owned(),
        ..OfferRecord::new(account.clone(), live.key.sku.clone())
    };
    let record = OfferRecord { live: Some(live), ..record };
    (offer_key(&record.account, &record.sku), record)
}
