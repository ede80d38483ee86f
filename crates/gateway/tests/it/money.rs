//! Money in, of a provider of which some records cannot be read: they keep back no other, and are asked for again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tradewind_connector::role::{MoneyDocument, Payments, Statements, Transactions};
use tradewind_connector::*;
use tradewind_domain::{AccountId, BalanceTransaction, Statement, StatementId};
use tradewind_gateway::config::Config;
use tradewind_gateway::money::Collected;
use tradewind_gateway::records::{CursorRecord, PayoutRecord, StatementRecord, TransactionRecord};
use tradewind_gateway::{Engines, Gateway, GatewayError};
use tradewind_store::typed::{self, Record};
use tradewind_store::{Batch, Filter, KeySource, SqliteStore, Store};

use crate::fakes::Fake;

/// A provider whose list has three movements and three documents; those named in `odd` cannot be read.
struct Till {
    fake: Arc<Fake>,
    odd: Mutex<Vec<&'static str>>,
    /// What the channel answers to a document that is odd.
    refusal: Mutex<Kind>,
    asked: Mutex<Vec<Window>>,
    /// How often the list of documents was asked for.
    listed: Mutex<u32>,
    /// It knows the account no more.
    dead: bool,
    /// Answers nobody before so many have asked.
    gate: Option<Arc<tokio::sync::Barrier>>,
}

impl Till {
    fn readable<T>(&self, id: &str, what: T) -> Result<T> {
        let odd = self.odd.lock().unwrap().contains(&id);
        if odd { Err(Error::decode("a word that nobody knows").about(id)) } else { Ok(what) }
    }
}

impl Connector for Till {
    fn pipeline(&self) -> &Pipeline {
        self.fake.pipeline()
    }
    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }
}

impl Payments for Till {
    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }
    fn statements(&self) -> Option<&dyn Statements> {
        Some(self)
    }
}

#[async_trait]
impl Transactions for Till {
    async fn changed(
        &self,
        _: &CallCx,
        window: Window,
        _: Option<&Cursor>,
    ) -> Result<Page<Result<BalanceTransaction>>> {
        self.asked.lock().unwrap().push(window);
        if let Some(gate) = &self.gate {
            gate.wait().await;
        }
        if self.dead {
            return Err(Error::new(Kind::NeedsReauth, "the channel refuses our login"));
        }
        let eur = json!({"amount": "10.00", "currency": "EUR"});
        let movement = |id: &str| {
            let at = json!({"utc": "2026-08-01T00:00:00Z"});
            let row = json!({"id": id, "kind": "sale", "occurred_at": at, "amount": eur, "balance_affecting": true, "components": []});
            self.readable(id, serde_json::from_value(row).unwrap())
        };
        Ok(Page::last(["T-1", "T-2", "T-3"].map(movement).into()))
    }
}

#[async_trait]
impl Statements for Till {
    async fn list(&self, _: &CallCx, _: Window, _: Option<&Cursor>) -> Result<Page<Result<Statement>>> {
        *self.listed.lock().unwrap() += 1;
        let statement = |id: &str| {
            Ok(Statement {
                id: id.parse().unwrap(),
                currency: "EUR".parse().unwrap(),
                from: Timestamp::UNIX_EPOCH,
                to: Timestamp::UNIX_EPOCH,
                total: None,
            })
        };
        Ok(Page::last(["D-1", "D-2", "D-3"].map(statement).into()))
    }
    async fn fetch(&self, _: &CallCx, id: &StatementId) -> Result<MoneyDocument> {
        let document = MoneyDocument {
            id: id.clone(),
            provider: "till".to_owned(),
            format: "rows".to_owned(),
            file_name: format!("{id}.csv"),
            bytes: id.to_string().into(),
        };
        let refusal = *self.refusal.lock().unwrap();
        self.readable(id.as_str(), document).map_err(|e| match refusal {
            Kind::Decode => e,
            refused => Error::new(refused, e.message()),
        })
    }
}

struct Shop {
    till: Arc<Till>,
    clock: Arc<VirtualClock>,
    gateway: Gateway,
    _dir: tempfile::TempDir,
}

impl Shop {
    fn new(odd: &[&'static str]) -> Shop {
        Shop::of(Fake::new("till", &[]), odd)
    }

    fn of(fake: Arc<Fake>, odd: &[&'static str]) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let key = KeySource::File(dir.path().join("key"));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir.path().join("t.db"), &key).unwrap());
        let config =
            Config::parse("[[account]]\nid = \"till\"\nconnector = \"fake\"\n", "tradewind.toml").unwrap();
        let till = Arc::new(Till {
            fake,
            odd: Mutex::new(odd.to_vec()),
            refusal: Mutex::new(Kind::Decode),
            asked: Mutex::default(),
            listed: Mutex::default(),
            dead: false,
            gate: None,
        });
        let accounts: BTreeMap<_, Arc<dyn Connector>> =
            [("till".parse().unwrap(), till.clone() as Arc<dyn Connector>)].into();
        let clock = Arc::new(VirtualClock::starting("2026-08-01T10:00:00Z".parse().unwrap()));
        let engines = Arc::new(Engines::load(&config, dir.path()).unwrap());
        let gateway = Gateway { config, accounts, store, clock: clock.clone(), engines };
        Shop { till, clock, gateway, _dir: dir }
    }

    async fn collect(&self) -> Collected {
        self.gateway.collect().await.unwrap()
    }

    async fn keys<R: Record>(&self) -> Vec<String> {
        let all = typed::list::<R>(&*self.gateway.store, Filter::all()).await.unwrap();
        all.into_iter().map(|r| r.value.key()).collect()
    }

    async fn until(&self, stream: &str) -> Option<Timestamp> {
        let key = format!("till/{stream}");
        typed::get::<CursorRecord>(&*self.gateway.store, &key).await.unwrap().and_then(|c| c.value.until)
    }
}

#[tokio::test]
async fn what_cannot_be_read_keeps_back_no_other_and_is_asked_for_again() {
    let shop = Shop::new(&["T-2", "D-1"]);
    for kept in [2, 0] {
        let collected = shop.collect().await;
        assert_eq!(collected.failed, 2, "{collected:?}");
        // What was kept of a stream that was not read whole is told.
        assert_eq!((collected.transactions, collected.statements), (kept, kept), "{collected:?}");
        // Both are named, with account and what they are.
        let told = collected.errors.join("\n");
        for part in
            ["till transactions: decode: T-2: ", "till statements: decode: D-1: ", "tried again next time"]
        {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(shop.keys::<TransactionRecord>().await, ["till/T-1", "till/T-3"]);
        assert_eq!(shop.keys::<StatementRecord>().await, ["till/D-2", "till/D-3"]);
        assert_eq!((shop.until("transactions").await, shop.until("statements").await), (None, None));
    }
    shop.till.odd.lock().unwrap().clear();
    let collected = shop.collect().await;
    assert_eq!((collected.failed, collected.transactions, collected.statements), (0, 1, 1), "{collected:?}");
    let now = Some(shop.gateway.now());
    assert_eq!((shop.until("transactions").await, shop.until("statements").await), (now, now));
    // The books ask when the account is not configured any more.
    let kept = typed::list::<CursorRecord>(&*shop.gateway.store, Filter::all()).await.unwrap();
    assert!(kept.iter().all(|c| c.value.connector.as_deref() == Some("fake")), "{kept:?}");
}

#[tokio::test]
async fn an_account_whose_login_is_refused_is_asked_for_one_stream_alone() {
    let mut shop = Shop::new(&[]);
    let dead = Till {
        fake: Fake::new("till", &[]),
        odd: Mutex::default(),
        refusal: Mutex::new(Kind::Decode),
        asked: Mutex::default(),
        listed: Mutex::default(),
        dead: true,
        gate: None,
    };
    let dead = Arc::new(dead);
    shop.gateway.accounts.insert("till".parse().unwrap(), dead.clone());
    let collected = shop.collect().await;
    let asked = (dead.asked.lock().unwrap().len(), *dead.listed.lock().unwrap());
    assert_eq!((asked, collected.asked, collected.failed), ((1, 0), 1, 1), "{collected:?}");
    assert_eq!(collected.errors.len(), 1, "{collected:?}");
}

/// First looks go back 30 days, windows overlap by a day. What is never read is asked for again for 30 days from what was
/// listed last, then told and given up.
#[tokio::test]
async fn what_is_never_read_does_not_hold_the_window_open() {
    let day = SignedDuration::from_hours(24);
    let shop = Shop::new(&[]);
    let read = shop.gateway.now();
    assert_eq!(shop.collect().await.failed, 0);
    shop.till.odd.lock().unwrap().push("T-2");
    for days in [1, 20, 20] {
        shop.till.asked.lock().unwrap().clear();
        shop.clock.advance((day * days).unsigned_abs());
        let collected = shop.collect().await;
        assert_eq!(collected.failed, 1, "{collected:?}");
        assert_eq!(shop.till.asked.lock().unwrap()[0].from, read - day);
        assert!(!collected.errors[0].contains("not asked for any more"), "{collected:?}");
    }
    // Listed to 41 days after; the next look goes back 30 days from there and a day, and says what it leaves out.
    shop.clock.advance((day * 1).unsigned_abs());
    shop.till.asked.lock().unwrap().clear();
    let collected = shop.collect().await;
    assert_eq!(shop.till.asked.lock().unwrap()[0].from, read + day * 11 - day);
    let gone = format!("what changed there from {read} to {} and could not be read", read + day * 11);
    assert!(collected.errors[0].contains(&gone), "{collected:?}");
}

/// A document that the channel refuses to give, for whatever reason of its own, is one document.
#[tokio::test]
async fn a_document_that_is_refused_keeps_back_no_other() {
    for kind in [Kind::InvalidRequest, Kind::PermissionDenied, Kind::Unsupported, Kind::Conflict] {
        let shop = Shop::new(&["D-1"]);
        *shop.till.refusal.lock().unwrap() = kind;
        let collected = shop.collect().await;
        assert_eq!((collected.failed, collected.statements), (1, 2), "{kind:?} {collected:?}");
        assert_eq!(shop.keys::<StatementRecord>().await, ["till/D-2", "till/D-3"]);
    }
}

/// "Transactions of the last 48 hours may be missing": polls of every hour that go back one day would never ask again.
#[tokio::test]
async fn the_overlap_is_as_long_as_the_channel_is_late() {
    let hours = SignedDuration::from_hours;
    for (bound, overlap) in [(None, 24), (Some(6), 24), (Some(72), 72)] {
        let bounds = Bounds { money_lag_hours: bound, ..Bounds::default() };
        let shop = Shop::of(Fake::bounded("till", &[], bounds), &[]);
        let read = shop.gateway.now();
        shop.collect().await;
        shop.till.asked.lock().unwrap().clear();
        shop.clock.advance(hours(1).unsigned_abs());
        shop.collect().await;
        assert_eq!(shop.till.asked.lock().unwrap()[0].from, read - hours(overlap), "{bound:?}");
    }
}

#[tokio::test]
async fn only_what_was_paid_reached_the_bank_and_each_payout_once() {
    let mut shop = Shop::new(&[]);
    let till = shop.till.clone();
    shop.gateway.accounts.insert("till2".parse().unwrap(), till);
    let payout = |account: &str, id: &str, amount: &str, state: &str| {
        let eur = json!({"amount": amount, "currency": "EUR"});
        let at = json!({"utc": "2026-08-01T00:00:00Z"});
        let payout =
            json!({"id": id, "amount": eur, "state": state, "raw_status": state, "initiated_at": at});
        PayoutRecord { account: account.parse().unwrap(), payout: serde_json::from_value(payout).unwrap() }
    };
    let mut batch = Batch::new();
    for row in [
        payout("till", "P-1", "10.00", "paid"),
        // The same one, as the seller's other account sees it.
        payout("till2", "P-1", "10.00", "paid"),
        payout("till", "P-2", "5.00", "scheduled"),
        payout("till", "P-3", "3.00", "in_transit"),
        payout("till2", "P-4", "2.00", "paid"),
        // And as a third one saw it, which is not configured any more.
        payout("till3", "P-1", "10.00", "paid"),
    ] {
        batch.put(&row).unwrap();
    }
    let read: CursorRecord = serde_json::from_value(
        json!({"account": "till3", "stream": "payouts", "until": null, "cursor": null,
        "connector": "fake"}),
    )
    .unwrap();
    batch.put(&read).unwrap();
    shop.gateway.store.commit(batch).await.unwrap();
    let paid = shop.gateway.paid_out().await.unwrap();
    let minor = |account: &str| -> Vec<i64> {
        paid[&account.parse::<AccountId>().unwrap()].iter().map(|m| m.minor()).collect()
    };
    assert_eq!((minor("till"), minor("till2"), paid.len()), (vec![1_000], vec![200], 2));
}

/// In real time no account waits for another: each of two answers only once both were asked.
#[tokio::test]
async fn accounts_are_asked_at_once() {
    let shop = Shop::new(&[]);
    let gate = Arc::new(tokio::sync::Barrier::new(2));
    let till = |id: &str| {
        let till = Till {
            fake: Fake::new(id, &[]),
            odd: Mutex::default(),
            refusal: Mutex::new(Kind::Decode),
            asked: Mutex::default(),
            listed: Mutex::default(),
            dead: false,
            gate: Some(gate.clone()),
        };
        (id.parse().unwrap(), Arc::new(till) as Arc<dyn Connector>)
    };
    let g = shop.gateway;
    let accounts: BTreeMap<_, _> = ["one", "two"].map(till).into();
    let gateway = Gateway { accounts, clock: Arc::new(SystemClock), ..g };
    let read = tokio::time::timeout(std::time::Duration::from_secs(30), gateway.collect());
    assert_eq!(read.await.expect("both are asked").unwrap().transactions, 6);
}

/// A store that fails in a call is no fault of the channel, which would be counted and asked again: nothing goes on.
#[tokio::test]
async fn a_failure_of_our_own_store_is_not_the_channels() {
    let shop = Shop::new(&["D-1"]);
    *shop.till.refusal.lock().unwrap() = Kind::Internal;
    let error = shop.gateway.collect().await.unwrap_err();
    assert!(matches!(&error, GatewayError::Journal(_)), "{error:?}");
    assert!(error.to_string().starts_with("the store failed: "), "{error}");
}
