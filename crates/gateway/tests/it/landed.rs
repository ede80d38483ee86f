//! The landed cost of an order: hand arithmetic, pinned, reproduced after packs and rates changed.

use std::sync::Arc;

use serde_json::json;
use tradewind_connector::VirtualClock;
use tradewind_domain::{Currency, Money, Product};
use tradewind_gateway::config::Config;
use tradewind_gateway::records::{OrderRecord, ProductRecord};
use tradewind_gateway::{Engines, Gateway};
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::Status;
use tradewind_landed_cost::rates::{Lookup, tariff};
use tradewind_store::{Batch, KeySource, SqliteStore, Store};

const CONFIG: &str = r#"
[landed.to."*"]
channel = "courier"
[[account]]
id = "shop"
connector = "none"
[account.offers]
currency = "EUR"
sold_via = "marketplace"
"#;

pub(crate) async fn gateway(dir: &std::path::Path, config: &str, hs: Option<&str>) -> Gateway {
    let config = Config::parse(config, "tradewind.toml").unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&dir.join("t.db"), &KeySource::File(dir.join("key"))).unwrap());
    let mut bag = json!({"id": "BAG", "content": {"en": {"title": "Bag"}}, "variants": [
        {"sku": "BAG-1", "price": {"amount": "36.00", "currency": "EUR"}, "origin": "CN"}]});
    if let Some(hs) = hs {
        bag["variants"][0]["hs"] = json!(hs);
    }
    let bag: Product = serde_json::from_value(bag).unwrap();
    let mut batch = Batch::new();
    batch.put(&ProductRecord(bag)).unwrap();
    store.commit(batch).await.unwrap();
    let engines = Arc::new(Engines::load(&config, dir).unwrap());
    // Noon in Paris on 1 August 2026: the instant of the issue's example.
    let clock = Arc::new(VirtualClock::starting("2026-08-01T10:00:00Z".parse().unwrap()));
    Gateway { config, accounts: Default::default(), store, clock, engines }
}

/// 30.00 of goods and 5.00 of freight without tax, in prices that contain 20 % VAT.
fn order(currency: &str) -> OrderRecord {
    let money = |amount: &str| json!({"amount": amount, "currency": currency});
    let vat = |amount: &str| json!([{"kind": "vat", "amount": money(amount), "collector": "marketplace", "included": true}]);
    let at = json!({"utc": "2026-08-01T08:00:00Z"});
    serde_json::from_value(json!({
        "order": {
            "account": "shop", "id": "A-1", "placed_at": at, "updated_at": at, "state": "ready_to_ship",
            "raw_status": "paid", "currency": currency, "ship_to": {"country": "FR", "region": "Bretagne"},
            "lines": [{"id": "1", "sku": "BAG-1", "quantity": 1, "unit_price": money("36.00"), "total": money("36.00"),
                "discount": money("0.00"), "taxes": vat("6.00")}],
            "shipping": money("6.00"), "taxes": vat("1.00"), "total": money("42.00"), "refunded": money("0.00"),
            "registrations": [{"kind": "ioss", "value": "IM2500000000"}]
        },
        "stage": "to_book", "imported_at": "2026-08-01T09:00:00Z"
    }))
    .unwrap()
}

#[tokio::test]
async fn an_order_is_quoted_once_and_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path(), CONFIG, Some("420222")).await;
    let first = gateway.landed_cost(&order("EUR")).await.unwrap();
    // 3 EUR for one HS6; VAT 20 % of 30.00 + 5.00 + 3.00; landed 30.00 + 5.00 + 3.00 + 7.60.
    let t = &first.quote.totals;
    let amounts = [t.duty, t.vat, t.landed].map(|m| m.unwrap().amount());
    assert_eq!(
        (first.quote.status, amounts),
        (Status::Complete, ["3.00", "7.60", "45.60"].map(str::to_owned))
    );
    assert_eq!(first.quote.tax_treatment.collector.as_deref(), Some("marketplace"));
    // A later pack: 4 EUR instead of 3. The stored quote does not move.
    let eu = gateway.engines.packs.current().iter().find(|p| p.jurisdiction.as_ref() == "EU").unwrap();
    let dearer = eu.text.replace("amount = \"3\", currency = \"EUR\"", "amount = \"4\", currency = \"EUR\"");
    assert_ne!(*dearer, *eu.text);
    let mut engines = (*gateway.engines).clone();
    engines.packs = PackSet::from_texts([("eu.toml", dearer.as_str())], []).unwrap();
    gateway.engines = Arc::new(engines);
    let again = gateway.landed_cost(&order("EUR")).await.unwrap();
    assert_eq!(again.record.answer, first.record.answer);
    assert_eq!(serde_json::to_string(&again.quote).unwrap(), first.record.answer);
    // Forgotten, it is quoted under the new law: VAT 20 % of 39.00.
    gateway.forget_landed_cost(&order("EUR")).await.unwrap();
    let t = gateway.landed_cost(&order("EUR")).await.unwrap().quote.totals;
    assert_eq!([t.duty, t.vat].map(|m| m.unwrap().amount()), ["4.00", "7.80"].map(str::to_owned));
}

/// Half of the money goes back, so half of each charge is reversed: of the 3.00 duty 1.50, of the 7.60 VAT 3.80. In thirds,
/// rounded each time from the sum of all: 1.00 duty and 2.53 VAT after 14.00 of 42.00, 2.00 and 5.07 after 28.00, then all.
#[tokio::test]
async fn a_refund_reverses_charges_in_proportion() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(dir.path(), CONFIG, Some("420222")).await;
    let landed = gateway.landed_cost(&order("EUR")).await.unwrap();
    let back = |refunded: &str| -> Vec<String> {
        let mut o = order("EUR").order;
        o.refunded = Money::parse(refunded, Currency::EUR).unwrap();
        let lines = landed.given_back(&o).unwrap();
        lines.into_iter().flat_map(|(_, r)| r).map(|r| format!("{} {}", r.kind, r.amount.amount())).collect()
    };
    assert_eq!(back("0.00"), [""; 0]);
    assert_eq!(back("21.00"), ["duty 1.50", "vat 3.80"]);
    assert_eq!(back("14.00"), ["duty 1.00", "vat 2.53"]);
    assert_eq!(back("28.00"), ["duty 2.00", "vat 5.07"]);
    assert_eq!(back("42.00"), ["duty 3.00", "vat 7.60"]);
}

#[tokio::test]
async fn an_exchange_rate_is_pinned_with_its_publication() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fx.csv"), "date,base,quote,rate,source\n2026-07-31,USD,EUR,0.9,desk\n")
        .unwrap();
    let config = format!("[fx]\nfiles = [\"fx.csv\"]\nsource = \"DESK\"\n{CONFIG}");
    let mut gateway = gateway(dir.path(), &config, Some("420222")).await;
    let first = gateway.landed_cost(&order("USD")).await.unwrap();
    // 27.00 + 4.50 EUR; VAT 20 % of 27.00 + 4.50 + 3.00.
    assert_eq!(first.quote.currency, "EUR");
    assert_eq!(first.quote.totals.vat.unwrap().amount(), "6.90");
    assert!(first.record.fx[0].id.starts_with("DESK 2026-07-31 USD/EUR"), "{:?}", first.record.fx);
    let mut engines = (*gateway.engines).clone();
    engines.rates = Default::default();
    gateway.engines = Arc::new(engines);
    assert_eq!(gateway.landed_cost(&order("USD")).await.unwrap().record.answer, first.record.answer);
}

/// Poland takes the rates of its own bank, which the book does not hold; the thresholds of the EU are in euro all the same.
#[tokio::test]
async fn a_country_with_a_currency_of_its_own_is_quoted_at_the_rates_of_the_day() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fx.csv"), "date,base,quote,rate,source\n2026-07-31,USD,EUR,0.9,desk\n")
        .unwrap();
    let config = format!("[fx]\nfiles = [\"fx.csv\"]\nsource = \"DESK\"\n{CONFIG}");
    let gateway = gateway(dir.path(), &config, Some("420222")).await;
    let mut polish = order("USD");
    polish.order.ship_to = Some(serde_json::from_value(json!({"country": "PL"})).unwrap());
    let quote = gateway.landed_cost(&polish).await.unwrap().quote;
    assert_eq!(quote.status, Status::Complete, "{:?} {:?}", quote.missing, quote.reason);
    // 27.00 + 4.50 EUR; VAT 23 % of 27.00 + 4.50 + 3.00 is 7.935.
    assert_eq!((quote.currency.as_str(), quote.totals.vat.unwrap().amount()), ("EUR", "7.94".to_owned()));
    assert!(quote.flags.contains(&"NOT_IN_DESTINATION_CURRENCY:PLN".to_owned()), "{:?}", quote.flags);
}

#[tokio::test]
async fn what_is_missing_is_never_zero() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(dir.path(), CONFIG, None).await;
    let quote = gateway.landed_cost(&order("EUR")).await.unwrap().quote;
    assert_eq!(quote.status, Status::Indeterminate);
    assert!(quote.missing.contains(&"lines.1.hs".to_owned()), "{:?}", quote.missing);
    assert_eq!(quote.totals.duty, None);
}

#[tokio::test]
async fn an_order_that_cannot_be_quoted_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(dir.path(), CONFIG, Some("420222")).await;
    let mut hidden = order("EUR");
    hidden.order.ship_to = None;
    let told = gateway.landed_cost(&hidden).await.unwrap_err().to_string();
    assert!(told.contains("order 'A-1' of 'shop'") && told.contains("no address"), "{told}");
    let mut gone = order("EUR");
    gone.order.lines[0].cancelled = 1;
    let told = gateway.landed_cost(&gone).await.unwrap_err().to_string();
    assert!(told.contains("no unit"), "{told}");
}

#[tokio::test]
async fn a_chinese_buyers_year_is_counted_and_a_refund_gives_back() {
    let dir = tempfile::tempdir().unwrap();
    let lane = "[landed.to.CN]\nchannel = \"courier\"\nscheme = \"cbec_9610\"\n";
    let config = CONFIG.replace("[landed.to.\"*\"]\nchannel = \"courier\"\n", lane).replace("EUR", "CNY");
    let gateway = gateway(dir.path(), &config, Some("420222")).await;
    let chinese = |id: &str| {
        let mut o = order("CNY");
        (o.order.id, o.order.taxes) = (tradewind_domain::OrderId::new(id).unwrap(), Vec::new());
        o.order.lines[0].taxes = Vec::new();
        o.order.registrations = Vec::new();
        o.order.ship_to = Some(serde_json::from_value(json!({"country": "CN"})).unwrap());
        let id = json!([{"kind": "chinese_id", "value": "110101199003072316"}]);
        o.order.buyer.tax_ids = serde_json::from_value(id).unwrap();
        o
    };
    let after = async |o: &OrderRecord| {
        let quote = gateway.landed_cost(o).await.unwrap().quote;
        quote.year_total_after.unwrap_or_else(|| panic!("{:?} {:?}", quote.missing, quote.reason)).amount()
    };
    // 36.00 of goods and 6.00 of freight are 42.00 of dutiable value.
    let first = chinese("C-1");
    assert_eq!(after(&first).await, "42.00");
    assert_eq!(after(&chinese("C-2")).await, "84.00");
    // Asked again, an order does not count itself.
    assert_eq!(after(&first).await, "42.00");
    // 21.00 of the first order's 42.00 are refunded: half of it counts no longer.
    let mut refunded = first.clone();
    refunded.order.refunded = Money::parse("21.00", Currency::CNY).unwrap();
    let mut batch = Batch::new();
    batch.put(&refunded).unwrap();
    gateway.store.commit(batch).await.unwrap();
    assert_eq!(after(&chinese("C-3")).await, "105.00");
    // Who the buyer is stands nowhere in the record.
    let record = gateway.landed_cost(&first).await.unwrap().record;
    assert!(!serde_json::to_string(&record).unwrap().contains("110101199003072316"));
    // Nor in the store's files, although the orders themselves hold it; nor the hash, which anybody can compute who tries
    // the numbers there are.
    let hash = record.counted.unwrap().buyer;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in ["110101199003072316", hash.as_str()] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret}");
        }
    }
}

/// The HTS of two editions, and an order of one bag from Vietnam to the United States.
const HTS: &str = "HTS Number,Indent,Description,Unit of Quantity,General Rate of Duty,Special Rate of Duty,Column 2 Rate of Duty,Quota Quantity,Additional Duties\n4202.22.45.00,0,Bags,,RATE,,45%,,\n";

fn import(dir: &std::path::Path, edition: &str, rate: &str, from: &str) {
    let file = dir.join(format!("hts-{edition}.csv"));
    std::fs::write(&file, HTS.replace("RATE", rate)).unwrap();
    let from = from.parse().unwrap();
    tariff::folder::import(&dir.join("tariffs"), &file, None, edition, from).unwrap();
}

fn american() -> OrderRecord {
    let mut o = order("USD");
    (o.order.taxes, o.order.registrations) = (Vec::new(), Vec::new());
    o.order.lines[0].taxes = Vec::new();
    o.order.ship_to = Some(serde_json::from_value(json!({"country": "US"})).unwrap());
    o
}

#[tokio::test]
async fn the_stored_tariff_gives_the_rate_that_the_facts_leave_out() {
    let dir = tempfile::tempdir().unwrap();
    import(dir.path(), "2026-01", "6.3%", "2026-01-01T05:00:00Z");
    let facts = "[[goods]]\nhs = \"4202\"\nto = [\"US\"]\nfacts = { ad_cvd = \"none\", section_301_list = \"none\" }\nsource = \"a test\"\n";
    std::fs::write(dir.path().join("goods.toml"), facts).unwrap();
    let config = CONFIG
        .replace("channel = \"courier\"", "channel = \"courier\"\nentry_type = \"11\"")
        .replace("EUR", "USD");
    let config = format!("[landed]\ntariffs = \"tariffs\"\ngoods = \"goods.toml\"\n{config}");
    let mut gateway = gateway(dir.path(), &config, Some("4202224500")).await;
    let first = gateway.landed_cost(&american()).await.unwrap();
    // 36.00 × 6.3 % = 2.268; Section 301 for China 36.00 × 12.5 % = 4.50.
    assert_eq!((first.quote.status, first.quote.missing.len()), (Status::Complete, 0), "{:?}", first.quote);
    assert_eq!(first.quote.totals.duty.unwrap().amount(), "6.77");
    let row = &first.record.tariff.rows[0];
    let version = gateway.engines.tariff.versions().next().unwrap().sha256.to_owned();
    assert!(matches!(&row.answer, Lookup::Found { sha256, .. } if *sha256 == version), "{row:?}");
    assert!(first.record.answer.contains(&format!("sha256:{version}")), "{}", first.record.answer);
    // The facts' own rate goes before the tariff's: 36.00 × 1 % and 4.50.
    std::fs::write(
        dir.path().join("goods.toml"),
        facts.replace("facts =", "rates = { duty = \"0.01\" }\nfacts ="),
    )
    .unwrap();
    let digest = gateway.engines.digest.clone();
    gateway.engines = Arc::new(Engines::load(&gateway.config, dir.path()).unwrap());
    assert_ne!(gateway.engines.digest, digest);
    gateway.forget_landed_cost(&american()).await.unwrap();
    assert_eq!(gateway.landed_cost(&american()).await.unwrap().quote.totals.duty.unwrap().amount(), "4.86");
    std::fs::write(dir.path().join("goods.toml"), facts).unwrap();
    gateway.engines = Arc::new(Engines::load(&gateway.config, dir.path()).unwrap());
    gateway.forget_landed_cost(&american()).await.unwrap();
    let again = gateway.landed_cost(&american()).await.unwrap();
    assert_eq!(again.record.answer, first.record.answer);
    // A later edition, in force before the order: the stored quote keeps its row, byte for byte; asked anew it is 7 %:
    // 36.00 × 7 % = 2.52. Plans made with the old tariff are stale.
    import(dir.path(), "2026-07", "7%", "2026-07-01T04:00:00Z");
    let digest = gateway.engines.digest.clone();
    gateway.engines = Arc::new(Engines::load(&gateway.config, dir.path()).unwrap());
    assert_ne!(gateway.engines.digest, digest);
    assert_eq!(gateway.landed_cost(&american()).await.unwrap().record.answer, first.record.answer);
    gateway.forget_landed_cost(&american()).await.unwrap();
    assert_eq!(gateway.landed_cost(&american()).await.unwrap().quote.totals.duty.unwrap().amount(), "7.02");
}

#[tokio::test]
async fn a_tariff_folder_that_is_not_there_or_was_edited_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        Config::parse(&format!("[landed]\ntariffs = \"tariffs\"\n{CONFIG}"), "tradewind.toml").unwrap();
    let told = |dir: &std::path::Path| Engines::load(&config, dir).unwrap_err().to_string();
    assert!(told(dir.path()).contains("duty tariff import"), "{}", told(dir.path()));
    import(dir.path(), "2026-01", "6.3%", "2026-01-01T05:00:00Z");
    let kept = std::fs::read_dir(dir.path().join("tariffs")).unwrap().map(|f| f.unwrap().path());
    let kept = kept.into_iter().find(|p| p.extension().is_some_and(|e| e == "csv")).unwrap();
    std::fs::write(kept, HTS.replace("RATE", "Free")).unwrap();
    assert!(told(dir.path()).contains("checksum"), "{}", told(dir.path()));
}
