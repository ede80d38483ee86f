//! The store's money as facts: three accounts of one seller, their settlement, their interface's rows, an order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tradewind_connector::{Clock, VirtualClock};
use tradewind_domain::{AccountId, BalanceTransaction, Order, Payout, Statement};
use tradewind_gateway::config::Config;
use tradewind_gateway::records::{
    CursorRecord, OrderRecord, PayoutRecord, Stage, StatementRecord, TransactionRecord,
};
use tradewind_gateway::{Engines, Gateway};
use tradewind_ledger::recon::{self, Options};
use tradewind_store::{Batch, KeySource, SqliteStore};

const SETTLEMENT: &[u8] = include_bytes!("../../../ledger/tests/fixtures/amazon-eur.txt");

const CONFIG: &str = r#"
[[account]]
id = "amazon-de"
connector = "amazon"
[account.offers]
currency = "EUR"
[[account]]
id = "amazon-us"
connector = "amazon"
[account.offers]
currency = "USD"
[[account]]
id = "dhl"
connector = "dhl-express"
"#;

fn from<T: serde::de::DeserializeOwned>(v: Value) -> T {
    serde_json::from_value(v).unwrap()
}

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

async fn gateway(dir: &Path) -> Gateway {
    gateway_of(dir, CONFIG).await
}

async fn gateway_of(dir: &Path, config: &str) -> Gateway {
    let store = SqliteStore::open(&dir.join("store.sqlite"), &KeySource::File(dir.join("key"))).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting("2026-06-20T00:00:00Z".parse().unwrap()));
    let config = Config::parse(config, "test.toml").unwrap();
    let engines = Arc::new(Engines::load(&config, dir).unwrap());
    Gateway { config, accounts: BTreeMap::new(), store: Arc::new(store), clock, engines }
}

/// A movement of the interface: settled ones stand in the document, the last one came after its end.
fn movement(id: &str, order: &str, at: &str, amount: &str, group: &str) -> BalanceTransaction {
    from(
        json!({"id": id, "kind": "Shipment", "event_code": "RELEASED", "occurred_at": {"utc": at}, "amount": eur(amount), "net": eur(amount),
        "order": order, "payout": group, "balance_affecting": true,
        "components": [{"code": "ItemPrice/Principal", "amount": eur(amount)}]}),
    )
}

#[tokio::test]
async fn the_same_money_seen_by_several_accounts_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path()).await;
    let payload = g.store.keep_payload(SETTLEMENT).await.unwrap();
    let mut batch = Batch::new();
    // Both accounts list the document, the group and the rows: they are one seller's.
    for account in ["amazon-us", "amazon-de"] {
        let statement: Statement = from(
            json!({"id": "R1:D1", "currency": "EUR", "from": "2026-06-01T00:00:00Z", "to": "2026-06-15T00:00:00Z"}),
        );
        batch
            .put(&StatementRecord {
                account: account.parse().unwrap(),
                statement,
                provider: "amazon".to_owned(),
                format: "settlement-v2".to_owned(),
                file_name: "R1-D1.txt".to_owned(),
                payload: payload.clone(),
            })
            .unwrap();
        // The group of the settlement names the bank's trace; the open one is a balance and no payout.
        let payout: Payout = from(
            json!({"id": "GROUP1", "amount": eur("1033.45"), "state": "paid", "raw_status": "Succeeded",
            "initiated_at": {"utc": "2026-06-15T00:00:00Z"}, "arrival": "2026-06-16T00:00:00Z", "trace_id": "TRACE9"}),
        );
        batch.put(&PayoutRecord { account: account.parse().unwrap(), payout }).unwrap();
        for t in [
            movement("T1", "302-0000001-0000001", "2026-06-02T10:00:00Z", "1200.00", "GROUP1"),
            movement("T2", "302-0000003-0000003", "2026-06-18T10:00:00Z", "12.50", "GROUP2"),
        ] {
            batch.put(&TransactionRecord { account: account.parse().unwrap(), transaction: t }).unwrap();
        }
    }
    let order: Order = from(
        json!({"account": "amazon-de", "id": "302-0000001-0000001", "placed_at": {"utc": "2026-06-01T08:00:00Z"},
        "updated_at": {"utc": "2026-06-02T08:00:00Z"}, "state": "shipped", "raw_status": "Shipped", "currency": "EUR", "lines": [],
        "shipping": eur("0.00"), "total": eur("1428.00"), "refunded": eur("0.00")}),
    );
    batch
        .put(&OrderRecord {
            order,
            stage: Stage::Confirmed,
            imported_at: "2026-06-01T09:00:00Z".parse().unwrap(),
            shipment: None,
            declaration: None,
            confirm_attempt: 0,
            confirm: None,
            cancel: None,
            cancel_attempt: 0,
            elsewhere: false,
            stuck_on: None,
            note: None,
        })
        .unwrap();
    g.store.commit(batch).await.unwrap();

    let facts = g.facts().await.unwrap();
    assert_eq!((facts.statements.len(), facts.orders.len(), facts.errors.len()), (1, 1, 0));
    // The account that sells in the document's currency; the trace of the group that paid it.
    assert_eq!(facts.statements[0].account, "amazon-de");
    assert_eq!(facts.statements[0].trace.as_deref(), Some("TRACE9"));
    assert!(facts.payouts.is_empty(), "the group informed the settlement");
    let open: Vec<(&str, Option<&str>)> = facts
        .transactions
        .iter()
        .filter(|t| t.statement.is_none())
        .map(|t| (t.id.as_str(), t.payout.as_deref()))
        .collect();
    assert_eq!(open, [("T2", None)], "what the document settles is not counted again");

    let outcome = recon::run(&facts, &Options::default()).unwrap();
    let s = &outcome.statements[0];
    assert!(s.foots && !s.refused);
    // 1,033.45 sent; the open row of 12.50 is still there; 1,200.00 + 12.50 of sales.
    let balance = outcome.journal.trial_balance().unwrap();
    let eur = &balance[&tradewind_domain::Currency::EUR];
    let at = |name: &str| eur.iter().find(|(a, _)| a.starts_with(name)).map(|(_, m)| m.amount());
    assert_eq!(at("assets:in-transit").as_deref(), Some("1033.45"));
    assert_eq!(at("assets:clearing").as_deref(), Some("12.50"));
    assert_eq!(at("income:sales").as_deref(), Some("-1212.50"));
    // The document gives 20.00 back on order 302-0000002-0000002, which is not here; it does so once. Nothing else is left.
    let left: Vec<(String, i64)> =
        outcome.unexplained.iter().filter(|(_, m)| **m != 0).map(|(c, m)| (c.to_string(), *m)).collect();
    assert_eq!(left, [("EUR".to_owned(), -2000)], "{:?}", outcome.differences);
}

/// Two stores of one seller in one currency: each account lists all event groups of it, and nothing says whose they are.
#[tokio::test]
async fn an_event_group_of_two_stores_in_one_currency_is_booked_once() {
    let config = CONFIG.replace("amazon-us", "amazon-fr").replace("USD", "EUR");
    let dir = tempfile::tempdir().unwrap();
    let g = gateway_of(dir.path(), &config).await;
    let mut batch = Batch::new();
    // Written in the order that does not decide: the books take the first by name.
    for account in ["amazon-fr", "amazon-de"] {
        let payout: Payout = from(
            json!({"id": "GROUP1", "amount": eur("1200.00"), "state": "paid", "raw_status": "Succeeded",
            "initiated_at": {"utc": "2026-06-15T00:00:00Z"}, "arrival": "2026-06-16T00:00:00Z", "trace_id": "TRACE9"}),
        );
        batch.put(&PayoutRecord { account: account.parse().unwrap(), payout }).unwrap();
        let row = movement("T1", "302-0000001-0000001", "2026-06-02T10:00:00Z", "1200.00", "GROUP1");
        batch.put(&TransactionRecord { account: account.parse().unwrap(), transaction: row }).unwrap();
    }
    g.store.commit(batch).await.unwrap();

    let facts = g.facts().await.unwrap();
    let payouts: Vec<_> = facts.payouts.iter().map(|p| (p.id.as_str(), p.account.as_str())).collect();
    assert_eq!(payouts, [("GROUP1", "amazon-de")]);
    let rows: Vec<_> = facts.transactions.iter().map(|t| (t.id.as_str(), t.payout.as_deref())).collect();
    assert_eq!(rows, [("T1", Some("GROUP1"))]);
    // 1,200.00 were earned and are on their way to the bank, once.
    let outcome = recon::run(&facts, &Options::default()).unwrap();
    let balance = outcome.journal.trial_balance().unwrap();
    let eur = &balance[&tradewind_domain::Currency::EUR];
    let at = |name: &str| eur.iter().find(|(a, _)| a.starts_with(name)).map(|(_, m)| m.amount());
    assert_eq!(at("assets:in-transit").as_deref(), Some("1200.00"));
    assert_eq!(at("income:sales").as_deref(), Some("-1200.00"));
}

/// A shop was closed and its [[account]] taken out: what it sold was paid all the same.
#[tokio::test]
async fn money_of_an_account_that_left_the_configuration_stays_in_the_books() {
    for kept in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let g = gateway(dir.path()).await;
        let old: AccountId = "closed".parse().unwrap();
        let mut batch = Batch::new();
        let payout: Payout = from(
            json!({"id": "GROUP1", "amount": eur("1200.00"), "state": "paid", "raw_status": "Succeeded",
            "initiated_at": {"utc": "2026-06-15T00:00:00Z"}, "arrival": "2026-06-16T00:00:00Z"}),
        );
        batch.put(&PayoutRecord { account: old.clone(), payout }).unwrap();
        let row = movement("T1", "302-0000001-0000001", "2026-06-02T10:00:00Z", "1200.00", "GROUP1");
        batch.put(&TransactionRecord { account: old.clone(), transaction: row }).unwrap();
        // As it was written while the account was there; versions before did not say of which provider it is.
        let cursor: CursorRecord = from(
            json!({"account": old, "stream": "payouts", "until": "2026-06-16T00:00:00Z", "cursor": null}),
        );
        let connector = kept.then(|| "amazon".to_owned());
        batch.put(&CursorRecord { connector, ..cursor }).unwrap();
        g.store.commit(batch).await.unwrap();
        let facts = g.facts().await.unwrap();
        let payouts: Vec<_> = facts.payouts.iter().map(|p| (p.id.as_str(), p.account.as_str())).collect();
        if kept {
            assert_eq!(payouts, [("GROUP1", "closed")]);
            assert_eq!((facts.transactions.len(), facts.errors.len()), (1, 0), "{:?}", facts.errors);
        } else {
            // A payout and a movement: not silently.
            assert_eq!((payouts.len(), facts.errors.len()), (0, 1), "{:?}", facts.errors);
            let told = &facts.errors[0].message;
            assert!(
                told.contains("2 movements") && told.contains("'closed'") && told.contains("put its"),
                "{told}"
            );
        }
    }
}

/// An Amazon order has no total before it is paid: it is expected, and its total is not known, which is not zero.
#[tokio::test]
async fn an_unpaid_order_without_a_total_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let g = gateway(dir.path()).await;
    let mut batch = Batch::new();
    for (id, state) in [("U-1", "pending_payment"), ("U-2", "cancelled")] {
        let record: OrderRecord = from(json!({
            "order": {"account": "amazon-de", "id": id, "placed_at": {"utc": "2026-06-01T08:00:00Z"},
                "updated_at": {"utc": "2026-06-01T08:00:00Z"}, "state": state, "raw_status": "", "currency": "EUR",
                "lines": [], "shipping": eur("0.00"), "total": eur("0.00"), "refunded": eur("0.00")},
            "stage": "waiting", "imported_at": "2026-06-01T09:00:00Z"
        }));
        assert_eq!(record.order.told_total(), None);
        batch.put(&record).unwrap();
    }
    g.store.commit(batch).await.unwrap();
    let outcome = recon::run(&g.facts().await.unwrap(), &Options::default()).unwrap();
    let told: Vec<_> = outcome.orders.iter().map(|o| (o.id.as_str(), o.state, o.total_told)).collect();
    assert_eq!(told, [("U-1", "Expected", false), ("U-2", "Void", false)]);
    assert!(outcome.differences.is_empty(), "{:?}", outcome.differences);
}

/// AliExpress tells what it releases, weeks after it was paid, and no payout: the release settles the order, and lies in the balance
/// there. An order that nothing was released of in forty days is not missing there; elsewhere it is.
#[tokio::test]
async fn what_is_released_settles_an_order_and_stays_in_the_balance() {
    let dir = tempfile::tempdir().unwrap();
    let g =
        gateway_of(dir.path(), &format!("{CONFIG}[[account]]\nid = \"ali\"\nconnector = \"aliexpress\"\n"))
            .await;
    let usd = |amount: &str| json!({"amount": amount, "currency": "USD"});
    let mut batch = Batch::new();
    for (account, id) in [("ali", "A-1"), ("ali", "A-2"), ("amazon-us", "Z-1")] {
        let record: OrderRecord = from(json!({
            "order": {"account": account, "id": id, "placed_at": {"utc": "2026-05-01T08:00:00Z"},
                "updated_at": {"utc": "2026-05-01T08:00:00Z"}, "state": "delivered", "raw_status": "FINISH", "currency": "USD",
                "lines": [], "shipping": usd("5.00"), "total": usd("44.98"), "refunded": usd("0.00")},
            "stage": "confirmed", "imported_at": "2026-05-01T09:00:00Z"
        }));
        batch.put(&record).unwrap();
    }
    // 44.98 − 3.60 − 2.25 = 39.13.
    let parts = [
        ("order_amount", "39.98"),
        ("logistics_amount", "5.00"),
        ("escrow_fee", "-3.60"),
        ("affiliate_commission", "-2.25"),
    ];
    let parts: Vec<Value> = parts.map(|(code, amount)| json!({"code": code, "amount": usd(amount)})).to_vec();
    let transaction: BalanceTransaction = from(
        json!({"id": "A-1:1", "kind": "loan", "occurred_at": {"utc": "2026-06-10T10:00:00Z"},
        "amount": usd("39.13"), "net": usd("39.13"), "order": "A-1", "balance_affecting": true, "components": parts}),
    );
    batch.put(&TransactionRecord { account: "ali".parse().unwrap(), transaction }).unwrap();
    g.store.commit(batch).await.unwrap();
    let facts = g.facts().await.unwrap();
    assert!(facts.errors.is_empty(), "{:?}", facts.errors);
    let outcome = recon::run(&facts, &Options::default()).unwrap();
    let states: BTreeMap<&str, &str> = outcome.orders.iter().map(|o| (o.id.as_str(), o.state)).collect();
    assert_eq!(states, BTreeMap::from([("A-1", "Settled"), ("A-2", "Expected"), ("Z-1", "Missing")]));
    assert!(outcome.unexplained.values().all(|m| *m == 0), "{:?}", outcome.unexplained);
    let about = |id: &str| {
        outcome
            .differences
            .iter()
            .filter(|d| d.records.iter().any(|r| r == id))
            .map(|d| d.reason)
            .collect::<Vec<_>>()
    };
    assert_eq!((about("A-1"), about("A-2")), (vec![], vec![recon::Reason::Timing]));
    // 120 days from the first of May.
    let due = outcome.ageing.iter().find(|e| e.id == "A-2").unwrap();
    assert_eq!(due.due.to_string(), "2026-08-29");
    let balance = outcome.journal.trial_balance().unwrap();
    let usd = &balance[&tradewind_domain::Currency::USD];
    let at = |name: &str| usd.iter().find(|(a, _)| a.starts_with(name)).map(|(_, m)| m.amount());
    let want = [
        ("assets:clearing:aliexpress:ali", "39.13"),
        ("income:sales:aliexpress", "-39.98"),
        ("income:shipping:aliexpress", "-5.00"),
        ("expenses:fees:commission:aliexpress", "3.60"),
        ("expenses:fees:advertising:aliexpress", "2.25"),
    ];
    for (name, amount) in want {
        assert_eq!(at(name).as_deref(), Some(amount), "{name}: {usd:?}");
    }
}

/// The rates of `[fx] files` measure exchange in the books: 1200.00 USD at 1.20 USD for a euro are 1000.00 EUR.
#[tokio::test]
async fn the_configured_rates_are_the_books_reference_rates() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "date,base,quote,rate,source\n2026-06-02,EUR,USD,1.20,ECB\n2026-06-02,EUR,USD,9.00,OTHER\n";
    std::fs::write(dir.path().join("rates.csv"), rows).unwrap();
    let with = |files: &str| format!("{CONFIG}[fx]\nfiles = [{files}]\n");
    let row: BalanceTransaction = from(json!({"id": "T1", "kind": "Shipment", "event_code": "RELEASED",
        "occurred_at": {"utc": "2026-06-02T10:00:00Z"}, "amount": {"amount": "1200.00", "currency": "USD"},
        "net": {"amount": "1200.00", "currency": "USD"}, "balance_affecting": true,
        "components": [{"code": "ItemPrice/Principal", "amount": {"amount": "1200.00", "currency": "USD"}}]}));
    let mut options = Options::default();
    options.policy.base = Some(tradewind_domain::Currency::EUR);
    let g = gateway_of(dir.path(), &with("\"rates.csv\"")).await;
    let mut batch = Batch::new();
    batch.put(&TransactionRecord { account: "amazon-us".parse().unwrap(), transaction: row }).unwrap();
    g.store.commit(batch).await.unwrap();
    let facts = g.facts().await.unwrap();
    // Of the publisher that prices use, and no other.
    assert_eq!((facts.rates.len(), facts.rates[0].rate.to_string().as_str()), (1, "1.20"));
    let outcome = recon::run(&facts, &options).unwrap();
    assert!(outcome.fx.unrevalued.is_empty(), "{:?}", outcome.fx.unrevalued);
    drop(g);
    let g = gateway_of(dir.path(), &with("")).await;
    let outcome = recon::run(&g.facts().await.unwrap(), &options).unwrap();
    assert_eq!(outcome.fx.unrevalued.len(), 1, "nobody knows a rate");
}
