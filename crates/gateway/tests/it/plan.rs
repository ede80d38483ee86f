//! The plan of a shop with more SKUs than one thread takes at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde_json::{Value, json};
use tradewind_connector::{Bounds, Capabilities, Facet, Support};
use tradewind_domain::{
    AccountId, ChangeState, ListingRef, ListingState, LiveListing, Product, Sku, Variant,
};
use tradewind_gateway::Engines;
use tradewind_gateway::config::Config;
use tradewind_gateway::plan::{Action, Inputs, Plan};
use tradewind_gateway::pricing::Prices;
use tradewind_gateway::records::{OfferRecord, StockRecord, offer_key};

const CONFIG: &str = r#"
[guard]
customs_facts = false
mass_delete = "1"
[pricing]
book = "prices.toml"
[landed]
goods = "goods.toml"
[landed.to.DE]
channel = "courier"
incoterm = "DDP"
[[account]]
id = "market"
connector = "none"
[account.offers]
currency = "EUR"
channel = "market"
sold_via = "marketplace"
[[account]]
id = "shop"
connector = "none"
[account.offers]
currency = "EUR"
channel = "shop"
sold_via = "marketplace"
"#;

/// One channel with a markup, one whose price is solved for.
const BOOK: &str = r#"
[costs]
packing = "0.40 EUR"
[channels.market]
currency = "EUR"
market = "DE"
vat = "landed"
floor = "0.05"
markup = "1"
ending = ".99"
[channels.shop]
currency = "EUR"
market = "DE"
vat = "landed"
floor = "0.05"
target = "0.20"
"#;

/// Above 150 EUR the tariff decides: of mugs from China and from Viet Nam it is known, of teapots it is not.
const GOODS: &str = r#"
[[goods]]
hs = "691200"
origin = ["CN"]
rates = { duty = "0.12" }
source = "test"
[[goods]]
hs = "691200"
origin = ["VN"]
rates = { duty = "0.05" }
source = "test"
"#;

const NOW: &str = "2026-08-01T10:00:00Z";

struct Shop {
    config: Config,
    engines: Engines,
    variants: BTreeMap<Sku, (Product, Variant)>,
    offers: BTreeMap<String, OfferRecord>,
    stock: BTreeMap<Sku, StockRecord>,
    capabilities: BTreeMap<AccountId, Capabilities>,
}

fn variant(n: usize) -> Value {
    let money = |amount: String| json!({"amount": amount, "currency": "EUR"});
    let (hs, origin) = [("691200", "CN"), ("691200", "VN"), ("691110", "CN")][n % 3];
    let mut variant = json!({"sku": format!("SKU-{n:04}"), "price": money(format!("{}.00", 20 + n % 11 * 20)),
        "cost": money(format!("{}.00", 4 + n % 7 * 30)), "hs": hs, "origin": origin, "weight": 250, "quantity": 5,
        "source": {"file": "catalogue.csv", "row": n + 2}});
    match n % 50 {
        // Guards have something to stop.
        7 => variant["price"] = money("0.00".to_owned()),
        8 => variant["hs"] = Value::Null,
        _ => {}
    }
    variant
}

impl Shop {
    fn new(skus: usize) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("prices.toml"), BOOK).unwrap();
        std::fs::write(dir.path().join("goods.toml"), GOODS).unwrap();
        let config = Config::parse(CONFIG, "tradewind.toml").unwrap();
        let engines = Engines::load(&config, dir.path()).unwrap();
        let able = Capabilities::new(&[(Facet::Offers, Support::Native)], Bounds::default());
        let accounts: Vec<AccountId> = config.account.iter().map(|a| a.id.clone()).collect();
        let mut shop = Shop {
            capabilities: accounts.iter().map(|a| (a.clone(), able.clone())).collect(),
            config,
            engines,
            variants: BTreeMap::new(),
            offers: BTreeMap::new(),
            stock: BTreeMap::new(),
        };
        let each = accounts.iter().map(|a| (a.clone(), 1)).collect();
        for n in 0..skus {
            let variant: Variant = serde_json::from_value(variant(n)).unwrap();
            let product = serde_json::from_value(json!({"id": format!("P-{n}"), "variants": [],
                "content": {"en": {"title": format!("Mug {n}"), "description": "", "bullets": []}}}))
            .unwrap();
            let mut stock = StockRecord {
                sku: variant.sku.clone(),
                on_hand: 30,
                reserved: 0,
                allotted: BTreeMap::new(),
                oversold: 0,
            };
            stock.allot(&each, 0);
            shop.stock.insert(variant.sku.clone(), stock);
            shop.variants.insert(variant.sku.clone(), (product, variant));
        }
        // One listing whose SKU left the catalogue.
        for account in accounts {
            let sku: Sku = "OLD-1".parse().unwrap();
            let live = LiveListing {
                key: ListingRef { sku: sku.clone(), listing: None },
                state: ListingState::Live,
                price: None,
                quantity: Some(1),
                title: None,
                issues: Vec::new(),
            };
            let record = OfferRecord {
                account,
                sku,
                desired: None,
                state: ChangeState::Live,
                plan: String::new(),
                listing: None,
                sent_at: None,
                in_bulk: false,
                live: Some(live),
                read_at: None,
                note: None,
                withdrawn: false,
            };
            shop.offers.insert(offer_key(&record.account, &record.sku), record);
        }
        shop
    }

    /// A plan of engines that remember nothing.
    fn plan(&self, threads: usize) -> Plan {
        let inputs = Inputs {
            config: &self.config,
            variants: &self.variants,
            offers: &self.offers,
            stock: &self.stock,
            capabilities: &self.capabilities,
            engines: &self.engines.clone(),
        };
        inputs.plan_on(NonZeroUsize::new(threads).unwrap(), NOW.parse().unwrap())
    }
}

#[test]
fn a_plan_is_the_same_on_any_number_of_threads() {
    let shop = Shop::new(520);
    let text = |threads| serde_json::to_string(&shop.plan(threads)).unwrap();
    let one = text(1);
    for threads in [2, 5] {
        assert!(text(threads) == one, "{threads} threads make another plan");
    }
    let plan: Plan = serde_json::from_str(&one).unwrap();
    assert_eq!(plan.totals.withdraw, 2);
    // In the order of accounts and SKUs, what left the catalogue last.
    let order: Vec<(&str, bool, &str)> = plan
        .changes
        .iter()
        .map(|c| (c.account.as_str(), matches!(c.action, Some(Action::Withdraw { .. })), c.sku.as_str()))
        .collect();
    assert!(order.is_sorted());
    // Each SKU once for each account, whatever becomes of it, and two listings to withdraw.
    assert_eq!(order.len(), 2 * 520 + 2);
}

/// Goods that are alike share a question at the border; those that are not must not.
#[test]
fn a_price_in_a_plan_is_the_price_of_the_sku_alone() {
    let shop = Shop::new(60);
    let plan = shop.plan(2);
    let mut priced = 0;
    for change in &plan.changes {
        let Some((_, variant)) = shop.variants.get(&change.sku) else { continue };
        let prices = Prices::new(&shop.config, &shop.engines, NOW.parse().unwrap());
        let alone = prices.explain(prices.terms(&change.account).unwrap(), variant);
        let planned = match &change.action {
            Some(Action::Create { offer }) => Ok(offer.price),
            other => Err(change.stop.clone().unwrap_or_else(|| panic!("{other:?} without stop"))),
        };
        priced += i32::from(planned.is_ok());
        assert_eq!(planned, alone.map(|p| p.price), "{} {}", change.account, change.sku);
    }
    assert!(priced > 40, "{priced} prices");
}
