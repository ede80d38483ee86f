//! The plan of a large shop: 50,000 SKUs in three markets, one SKU in a hundred changed since everything went live.
//!
//! `cargo bench -p tradewind-gateway --bench plan`. Prints the time of a plan and the process's peak of memory;
//! `docs/performance.md` has both. The first plan, where everything is new, stands beside it. Each is measured in a process
//! that has planned before and remembers the prices it found, and in one that starts, as each `tradewind plan` does.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)] // a bench has no callers and talks to its terminal

use std::collections::BTreeMap;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tradewind_connector::{Bounds, Capabilities, Facet, Support};
use tradewind_domain::{
    AccountId, ChangeState, Currency, ListingRef, ListingState, LiveListing, Money, Product, Sku, Variant,
};
use tradewind_gateway::Engines;
use tradewind_gateway::config::Config;
use tradewind_gateway::plan::{Action, Inputs};
use tradewind_gateway::records::{OfferRecord, StockRecord, offer_key};

const SKUS: usize = 50_000;

const CONFIG: &str = r#"
[pricing]
book = "prices.toml"
[landed.to.DE]
channel = "courier"
incoterm = "DDP"
[landed.to.FR]
channel = "courier"
incoterm = "DDP"
[landed.to.ES]
channel = "courier"
incoterm = "DDP"
[[account]]
id = "de"
connector = "none"
[account.offers]
currency = "EUR"
channel = "de"
sold_via = "marketplace"
[[account]]
id = "fr"
connector = "none"
[account.offers]
currency = "EUR"
channel = "fr"
sold_via = "marketplace"
[[account]]
id = "es"
connector = "none"
[account.offers]
currency = "EUR"
channel = "es"
sold_via = "marketplace"
"#;

fn book() -> String {
    let channel = |id: &str, market: &str| {
        format!(
            "[channels.{id}]\ncurrency = \"EUR\"\nmarket = \"{market}\"\nvat = \"landed\"\nfloor = \"0.05\"\nmarkup = \"1\"\nending = \".99\"\nreturns = \"0.02\"\nfees = [{{ name = \"referral\", percent = \"0.15\" }}]\n[channels.{id}.costs]\nfreight = \"1.00 EUR + 4.00 EUR/kg\"\n"
        )
    };
    format!(
        "[costs]\npacking = \"0.40 EUR\"\n{}{}{}",
        channel("de", "DE"),
        channel("fr", "FR"),
        channel("es", "ES")
    )
}

struct Shop {
    config: Config,
    engines: Engines,
    variants: BTreeMap<Sku, (Product, Variant)>,
    offers: BTreeMap<String, OfferRecord>,
    stock: BTreeMap<Sku, StockRecord>,
    capabilities: BTreeMap<AccountId, Capabilities>,
}

impl Shop {
    fn new() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("prices.toml"), book()).unwrap();
        let config = Config::parse(CONFIG, "tradewind.toml").unwrap();
        let engines = Engines::load(&config, dir.path()).unwrap();
        let accounts: Vec<AccountId> = config.account.iter().map(|a| a.id.clone()).collect();
        let all = Capabilities::new(&[(Facet::Offers, Support::Native)], Bounds::default());
        let mut shop = Shop {
            capabilities: accounts.iter().map(|a| (a.clone(), all.clone())).collect(),
            config,
            engines,
            variants: BTreeMap::new(),
            offers: BTreeMap::new(),
            stock: BTreeMap::new(),
        };
        for n in 0..SKUS {
            // No two SKUs cost and weigh the same, so that no two share a price that was found before: 250 costs × 200 weights.
            let cost = Money::from_minor(600 + i64::try_from(n % 250).unwrap(), Currency::EUR).amount();
            let weight = 200 + n / 250;
            let sku: Sku = format!("SKU-{n:06}").parse().unwrap();
            let price = format!("{}.50", 25 + n % 60);
            let money = |amount: &str| json!({"amount": amount, "currency": "EUR"});
            let variant = serde_json::from_value(json!({"sku": sku, "price": money(&price), "cost": money(&cost),
                "hs": "691200", "origin": "CN", "weight": weight, "quantity": 30, "source": {"file": "catalogue.csv", "row": n + 2}}))
            .unwrap();
            let product = serde_json::from_value(json!({"id": format!("P-{n:06}"), "brand": "Nordlicht",
                "content": {"en": {"title": format!("Mug, glazed, 300 ml, colour {n}"), "description": "A mug of stoneware.", "bullets": []}},
                "variants": []}))
            .unwrap();
            shop.variants.insert(sku.clone(), (product, variant));
            let mut stock = StockRecord {
                sku: sku.clone(),
                on_hand: 30,
                reserved: 0,
                allotted: BTreeMap::new(),
                oversold: 0,
            };
            stock.allot(&accounts.iter().map(|a| (a.clone(), 1)).collect(), 0);
            shop.stock.insert(sku, stock);
        }
        shop
    }

    fn inputs(&self) -> Inputs<'_> {
        self.inputs_with(&self.engines)
    }

    fn inputs_with<'a>(&'a self, engines: &'a Engines) -> Inputs<'a> {
        Inputs {
            config: &self.config,
            variants: &self.variants,
            offers: &self.offers,
            stock: &self.stock,
            capabilities: &self.capabilities,
            engines,
        }
    }

    /// Everything the first plan wants is live, exactly so.
    fn go_live(&mut self) {
        let plan = self.inputs().plan("2026-08-01T10:00:00Z".parse().unwrap());
        assert_eq!(
            plan.totals.create as usize,
            SKUS * 3,
            "{:?}",
            plan.changes.iter().find(|c| c.stop.is_some())
        );
        // Collected, as the gateway collects what it reads from the store.
        let id = plan.id;
        let live = plan.changes.into_iter().filter_map(|change| {
            let Some(Action::Create { offer }) = change.action else { return None };
            let live = LiveListing {
                key: ListingRef { sku: offer.sku.clone(), listing: None },
                state: ListingState::Live,
                price: Some(offer.price),
                quantity: Some(offer.quantity),
                title: Some(offer.content.title.clone()),
                issues: Vec::new(),
            };
            let record = OfferRecord {
                account: change.account.clone(),
                sku: offer.sku.clone(),
                desired: Some(offer),
                state: ChangeState::Live,
                plan: id.clone(),
                listing: None,
                sent_at: None,
                in_bulk: false,
                live: Some(live),
                read_at: None,
                note: None,
                withdrawn: false,
            };
            Some((offer_key(&record.account, &record.sku), record))
        });
        self.offers = live.collect();
    }

    /// One SKU in a hundred costs a euro more.
    fn change_one_percent(&mut self) {
        for (_, variant) in self.variants.values_mut().step_by(100) {
            variant.price = Money::from_minor(variant.price.minor() + 100, variant.price.currency());
        }
    }
}

/// Peak resident memory of this process in MiB, from the kernel's own count.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

fn plans(c: &mut Criterion) {
    let now = "2026-08-01T10:00:00Z".parse().unwrap();
    let mut shop = Shop::new();
    let mut group = c.benchmark_group("plan");
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements((SKUS * 3) as u64));
    let measure = |group: &mut BenchmarkGroup<'_, WallTime>, name: &str, shop: &Shop| {
        // Engines that were cloned remember nothing.
        let starting = || shop.engines.clone();
        group.bench_function(format!("{name}, a process that starts"), |b| {
            b.iter_batched_ref(
                starting,
                |engines| shop.inputs_with(engines).plan(now).totals,
                BatchSize::PerIteration,
            )
        });
        group.bench_function(format!("{name}, prices remembered"), |b| {
            b.iter(|| shop.inputs().plan(now).totals)
        });
    };
    measure(&mut group, "everything new", &shop);
    shop.go_live();
    shop.change_one_percent();
    let totals = shop.inputs().plan(now).totals;
    assert_eq!((totals.update as usize, totals.create), (SKUS / 100 * 3, 0), "{totals:?}");
    measure(&mut group, "one percent changed", &shop);
    group.finish();
    if let Some(peak) = peak_mib() {
        println!("peak resident memory of the whole bench: {peak} MiB");
    }
}

criterion_group!(benches, plans);
criterion_main!(benches);
