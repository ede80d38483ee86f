//! The plan of a large shop: 50,000 SKUs in three markets, one SKU in a hundred changed since everything went live.
//!
//! `cargo bench -p tradewind-gateway --bench plan`. Prints the time of a plan and the process's peak of memory;
//! `docs/performance.md` has both. The first plan, where everything is new, stands beside it. Each is measured in a process
//! that has planned before and remembers the prices it found, and in one that starts, as each `tradewind plan` does.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)] // a bench has no callers and talks to its terminal

#[path = "../tests/it/shop.rs"]
mod shop;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tradewind_domain::{Currency, Money};
use tradewind_gateway::plan::Action;

use crate::shop::{Shop, live};

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

fn shop() -> Shop {
    let mut shop = Shop::open(CONFIG, &[("prices.toml", &book())]);
    for n in 0..SKUS {
        // No two SKUs cost and weigh the same, so that no two share a price that was found before: 250 costs × 200 weights.
        let cost = Money::from_minor(600 + i64::try_from(n % 250).unwrap(), Currency::EUR).amount();
        let price = format!("{}.50", 25 + n % 60);
        let money = |amount: &str| json!({"amount": amount, "currency": "EUR"});
        let variant = json!({"sku": format!("SKU-{n:06}"), "price": money(&price), "cost": money(&cost),
            "hs": "691200", "origin": "CN", "weight": 200 + n / 250, "quantity": 30, "source": {"file": "catalogue.csv", "row": n + 2}});
        let product = json!({"id": format!("P-{n:06}"), "brand": "Nordlicht", "variants": [],
            "content": {"en": {"title": format!("Mug, glazed, 300 ml, colour {n}"), "description": "A mug of stoneware.", "bullets": []}}});
        shop.put(product, variant);
    }
    shop
}

impl Shop {
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
        let offers = plan.changes.into_iter().filter_map(|change| {
            let Some(Action::Create { offer }) = change.action else { return None };
            Some(live(&change.account, offer, &id))
        });
        self.offers = offers.collect();
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
    let mut shop = shop();
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
