#![allow(clippy::unwrap_used, clippy::panic)] // a panic is the failure report

use std::path::Path;
use std::sync::Arc;

use tradewind_connector::VirtualClock;
use tradewind_domain::{Currency, DeclarationState, Money};
use tradewind_landed_cost::pack::PackSet;
use tradewind_store::{Batch, KeySource, SqliteStore, Store};

use super::*;
use crate::config::Config;
use crate::landed::Engines;
use crate::records::{Counted, DeclarationRecord, OrderRecord, QuoteRecord};

const SCHEME: &str = "cbec_1210";

fn gateway(dir: &Path) -> Gateway {
    let config = Config::parse("[landed.to.CN]\nscheme = \"cbec_1210\"\n", "tradewind.toml").unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&dir.join("t.db"), &KeySource::File(dir.join("key"))).unwrap());
    let engines = Arc::new(Engines::load(&config, dir).unwrap());
    let clock = Arc::new(VirtualClock::starting("2026-03-15T02:30:00Z".parse().unwrap()));
    Gateway { config, accounts: Default::default(), store, clock, engines }
}

fn yuan(amount: &str) -> Money {
    Money::parse(amount, Currency::new("CNY").unwrap()).unwrap()
}

fn declaration(id: &str, unit: &str, quantity: u32, card: &str, at: &str) -> Declaration {
    let unit = yuan(unit);
    let goods = unit.try_mul(i64::from(quantity)).unwrap();
    let zero = yuan("0.00");
    serde_json::from_value(serde_json::json!({
        "id": id, "flow": "import", "order": id, "platform": "p", "ordered_at": at,
        "buyer": {"tax_ids": [{"kind": "chinese_id", "value": card}]}, "from": {"country": "CN"}, "to": {"country": "CN"},
        "lines": [{"sku": "S", "name": "shirt", "hs": "6109100021", "origin": "CN", "quantity": quantity, "net": 100, "unit_value": unit, "value": goods}],
        "goods": goods, "freight": zero, "discount": zero, "taxes": zero, "paid": goods, "gross": 200
    }))
    .unwrap()
}

async fn file(g: &Gateway, declaration: Declaration, state: DeclarationState) {
    let record = record(declaration, state);
    let mut batch = Batch::new();
    batch.put(&record).unwrap().put(&g.allowance(&record.declaration)).unwrap();
    g.store.commit(batch).await.unwrap();
}

fn record(declaration: Declaration, state: DeclarationState) -> DeclarationRecord {
    let order = format!("shop/{}", declaration.id);
    DeclarationRecord { state, ..DeclarationRecord::new("customs".parse().unwrap(), order, declaration) }
}

async fn refused(g: &Gateway, d: &Declaration) -> Option<String> {
    g.scheme_refuses(d, SCHEME, &format!("shop/{}", d.id)).await.unwrap()
}

const MARCH: &str = "2026-03-15T02:25:00Z";

/// 财关税〔2018〕49号: 5,000 yuan in one purchase. The limit itself is still open.
#[tokio::test]
async fn one_purchase() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path());
    assert_eq!(refused(&g, &declaration("A", "2500.00", 2, "1", MARCH)).await, None);
    let why = refused(&g, &declaration("A", "2500.01", 2, "1", MARCH)).await.unwrap();
    assert!(why.contains("5,000 CNY"), "{why}");
}

/// The same, 26,000 yuan a person and calendar year: five purchases of 5,000 and one of 1,000.
#[tokio::test]
async fn one_year() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path());
    for n in 0..5 {
        let d = declaration(&format!("B{n}"), "2500.00", 2, "1", MARCH);
        file(&g, d, DeclarationState::Released).await;
    }
    assert_eq!(refused(&g, &declaration("C", "500.00", 2, "1", MARCH)).await, None);
    let next = declaration("C", "500.01", 2, "1", MARCH);
    let why = refused(&g, &next).await.unwrap();
    assert!(why.contains("26,000 CNY"), "{why}");
    // Another buyer; another year, which in China begins at 16:00 UTC; the declaration itself: none of them counts.
    assert_eq!(refused(&g, &declaration("C", "500.01", 2, "2", MARCH)).await, None);
    assert_eq!(refused(&g, &declaration("C", "500.01", 2, "1", "2026-12-31T16:00:00Z")).await, None);
    assert!(refused(&g, &declaration("C", "500.01", 2, "1", "2026-12-31T15:59:59Z")).await.is_some());
    assert_eq!(refused(&g, &declaration("B0", "2500.00", 2, "1", MARCH)).await, None);
    // A refused purchase does not either.
    file(&g, declaration("B0", "2500.00", 2, "1", MARCH), DeclarationState::Rejected).await;
    assert_eq!(refused(&g, &next).await, None);
}

/// A buyer's declarations are found by the buyer: those of a store that had no such record yet too, which are looked through
/// once and never again.
#[tokio::test]
async fn no_order_looks_through_all_declarations() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path());
    let put = async |id: &str| {
        let mut batch = Batch::new();
        let d = declaration(id, "2500.00", 2, "1", MARCH);
        batch.put(&record(d, DeclarationState::Released)).unwrap();
        g.store.commit(batch).await.unwrap();
    };
    for n in 0..5 {
        put(&format!("B{n}")).await;
    }
    let (fits, more) = (declaration("C", "500.00", 2, "1", MARCH), declaration("C", "500.01", 2, "1", MARCH));
    assert_eq!(refused(&g, &fits).await, None);
    assert!(refused(&g, &more).await.is_some());
    // One that no record leads to is not met by chance.
    put("hidden").await;
    assert_eq!(refused(&g, &fits).await, None);
    // What is filed has its record.
    file(&g, declaration("D", "500.00", 2, "1", MARCH), DeclarationState::Sent).await;
    assert!(refused(&g, &fits).await.is_some());
}

/// A refund gives its share back: 25,000.00 less 2.00 leave room for 1,002.00.
#[tokio::test]
async fn a_refund_gives_back() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path());
    for n in 0..5 {
        let d = declaration(&format!("B{n}"), "2500.00", 2, "1", MARCH);
        file(&g, d, DeclarationState::Released).await;
    }
    let next = declaration("C", "501.00", 2, "1", MARCH);
    assert!(refused(&g, &next).await.is_some());
    let at = serde_json::json!({"utc": MARCH});
    let order: OrderRecord = serde_json::from_value(serde_json::json!({
        "order": {"account": "shop", "id": "B3", "placed_at": at, "updated_at": at, "state": "ready_to_ship", "raw_status": "paid",
            "currency": "CNY", "lines": [], "shipping": yuan("0.00"), "total": yuan("5000.00"), "refunded": yuan("2.00")},
        "stage": "confirmed", "imported_at": MARCH
    }))
    .unwrap();
    assert_eq!(tradewind_store::typed::Record::key(&order), "shop/B3");
    let mut batch = Batch::new();
    batch.put(&order).unwrap();
    g.store.commit(batch).await.unwrap();
    assert_eq!(refused(&g, &next).await, None);
    assert!(refused(&g, &declaration("C", "501.01", 2, "1", MARCH)).await.is_some());
}

/// The packs are the configured ones: a law that lowers the yearly limit is the law of both.
#[tokio::test]
async fn the_configured_packs_decide() {
    let dir = tempfile::tempdir().unwrap();
    let mut g = gateway(dir.path());
    let d = declaration("A", "500.00", 2, "1", MARCH);
    assert_eq!(refused(&g, &d).await, None);
    let cn = g.engines.packs.current().iter().find(|p| p.jurisdiction.as_ref() == "CN").unwrap();
    let lower = cn.text.replace("\"26000\"", "\"999\"");
    assert_ne!(*lower, *cn.text);
    let mut engines = (*g.engines).clone();
    engines.packs = PackSet::from_texts([("cn.toml", lower.as_str())], []).unwrap();
    g.engines = Arc::new(engines);
    assert!(refused(&g, &d).await.is_some());
}

/// An order that is quoted: of 3,000, placed at an instant.
async fn quoted(g: &Gateway, id: &str, at: &str, stage: &str, value: Money) {
    let d = declaration(id, "1500.00", 2, "1", at);
    let who = g.engines.limited(&d.buyer, d.to.country, d.ordered_at).unwrap();
    let placed = serde_json::json!({"utc": at});
    let order: OrderRecord = serde_json::from_value(serde_json::json!({
        "order": {"account": "shop", "id": id, "placed_at": placed, "updated_at": placed, "state": "ready_to_ship", "raw_status": "paid",
            "currency": "CNY", "lines": [], "shipping": yuan("0.00"), "total": yuan("3000.00"), "refunded": yuan("0.00")},
        "stage": stage, "imported_at": MARCH
    }))
    .unwrap();
    let quote = QuoteRecord {
        account: "shop".parse().unwrap(),
        order: format!("shop/{id}"),
        made_at: MARCH.parse().unwrap(),
        request: String::new(),
        fx: Vec::new(),
        packs: Default::default(),
        tariff: Default::default(),
        answer: String::new(),
        counted: Some(Counted { buyer: who.key.to_string(), year: who.year, value }),
    };
    let mut batch = Batch::new();
    batch.put(&order).unwrap().put(&quote).unwrap();
    g.store.commit(batch).await.unwrap();
}

/// 22,000 of 26,000 are used, and two orders of 3,000 are quoted: the first takes what is left. Stopped, it leaves it to the
/// second.
#[tokio::test]
async fn of_two_orders_that_do_not_fit_together_the_first_is_filed() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path());
    for (n, unit) in ["2500.00", "2500.00", "2500.00", "2500.00", "1000.00"].into_iter().enumerate() {
        file(&g, declaration(&format!("B{n}"), unit, 2, "1", MARCH), DeclarationState::Released).await;
    }
    let later = "2026-03-15T02:26:00Z";
    quoted(&g, "X", MARCH, "to_declare", yuan("3000.00")).await;
    quoted(&g, "A", later, "to_declare", yuan("3000.00")).await;
    let (first, second) =
        (declaration("X", "1500.00", 2, "1", MARCH), declaration("A", "1500.00", 2, "1", later));
    assert_eq!(refused(&g, &first).await, None);
    assert!(refused(&g, &second).await.unwrap().contains("26,000 CNY"));
    quoted(&g, "X", MARCH, "stuck", yuan("3000.00")).await;
    assert_eq!(refused(&g, &second).await, None);
}

/// An order in dollars, and no rate: what is known decides where it can, and nothing is filed on hope.
#[tokio::test]
async fn an_order_without_a_rate_does_not_switch_the_limit_off() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path());
    let dollars = Money::parse("100.00", Currency::new("USD").unwrap()).unwrap();
    quoted(&g, "U", "2026-03-15T02:24:00Z", "to_declare", dollars).await;
    let next = declaration("C", "500.01", 2, "1", MARCH);
    let why = refused(&g, &next).await.unwrap();
    assert!(why.contains("shop/U") && why.contains("USD"), "{why}");
    for n in 0..5 {
        file(&g, declaration(&format!("B{n}"), "2500.00", 2, "1", MARCH), DeclarationState::Released).await;
    }
    // 25,000.00 and 1,000.02 are over it whatever the dollars are.
    let why = refused(&g, &next).await.unwrap();
    assert!(why.contains("26,000 CNY"), "{why}");
}
