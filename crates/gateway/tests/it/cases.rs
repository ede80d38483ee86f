//! Returns and disputes: kept once, read on from where the last look ended, and linked with what names their order.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tradewind_connector::role::{Disputes, Payments, Returns};
use tradewind_connector::{CallCx, Cursor, Facet, Kind, Page, Result, Window};
use tradewind_domain::{BalanceTransaction, Dispute, DisputeState, OrderState, Return, ReturnState};
use tradewind_gateway::cases::OrderRef;
use tradewind_gateway::records::{CursorRecord, DisputeRecord, ReturnRecord, TransactionRecord};
use tradewind_store::Batch;

use crate::fakes::Fake;
use crate::fulfil::{Trade, order};

/// Everything, one by one: a page each.
fn page<T: Clone>(all: &[T], cursor: Option<&Cursor>) -> Page<Result<T>> {
    let from: usize = cursor.map_or(0, |c| c.0.parse().unwrap());
    let next = (from + 1 < all.len()).then(|| Cursor((from + 1).to_string()));
    Page { items: all.get(from).cloned().map(Ok).into_iter().collect(), next }
}

#[async_trait]
impl Returns for Fake {
    async fn changed(&self, _: &CallCx, _: Window, cursor: Option<&Cursor>) -> Result<Page<Result<Return>>> {
        self.enter("returns").await;
        let found = page(&self.other().returns, cursor);
        self.leave("returns", found)
    }
}

impl Payments for Fake {
    fn disputes(&self) -> Option<&dyn Disputes> {
        Some(self)
    }
}

#[async_trait]
impl Disputes for Fake {
    async fn changed(&self, _: &CallCx, _: Window, cursor: Option<&Cursor>) -> Result<Page<Result<Dispute>>> {
        self.enter("disputes").await;
        let found = page(&self.other().disputes, cursor);
        self.leave("disputes", found)
    }
}

fn a_return(id: &str, state: ReturnState, day: u8) -> Return {
    serde_json::from_value(json!({"id": id, "order": "A-1", "state": state, "raw_status": state.name(),
        "lines": [{"line": "1", "quantity": 2}], "opened_at": {"utc": format!("2026-07-{day:02}T00:00:00Z")}}))
    .unwrap()
}

fn dispute(id: &str, payment: &str, state: DisputeState, due: Option<u8>) -> Dispute {
    let due = due.map(|day| format!("2026-08-{day:02}T00:00:00Z"));
    serde_json::from_value(json!({"id": id, "transaction": payment, "amount": {"amount": "108.00", "currency": "EUR"},
        "state": state, "raw_status": state.name(), "opened_at": {"utc": "2026-07-30T00:00:00Z"}, "respond_by": due}))
    .unwrap()
}

/// A shop, its order A-1 that names the payment P-1, and two accounts that tell of cases.
async fn trade() -> (Trade, Arc<Fake>, Arc<Fake>) {
    let market = Fake::new("market", &[Facet::Offers, Facet::Returns]);
    let wallet = Fake::new("wallet", &[Facet::Disputes]);
    let t = Trade::with("", &[("market", market.clone()), ("wallet", wallet.clone())], &[]).await;
    let mut paid = order(OrderState::Delivered, 9);
    let payment = json!([{"provider": "wallet", "transaction": "P-1", "amount": {"amount": "108.00", "currency": "EUR"}}]);
    paid.payments = serde_json::from_value(payment).unwrap();
    paid.number = Some("gid://shop/Order/1001".to_owned());
    t.take(paid).await;
    (t, market, wallet)
}

#[tokio::test]
async fn a_return_is_kept_once_and_its_order_may_follow() {
    let (t, market, _) = trade().await;
    market.other().returns = vec![
        a_return("R-1", ReturnState::Closed, 1),
        a_return("R-2", ReturnState::Requested, 3),
        a_return("R-3", ReturnState::InTransit, 2),
    ];
    let pulled = t.gateway.pull_returns().await.unwrap();
    assert_eq!((pulled.asked, pulled.new, pulled.failed), (1, 3, 0), "{pulled:?}");
    // The window overlaps: the same cases come again.
    assert_eq!(t.gateway.pull_returns().await.unwrap().new, 0);
    let mine = |r: &tradewind_gateway::cases::ReturnCase| r.case.id.to_string();
    let all = t.gateway.returns().await.unwrap();
    // What waits for us, what is under way, what is over.
    assert_eq!(all.iter().map(mine).collect::<Vec<_>>(), ["R-2", "R-3", "R-1"]);
    assert!(!all[0].order_known && all[0].goods.is_empty(), "A-1 is an order of the shop, not of the market");
    let mut ours = order(OrderState::Delivered, 9);
    ours.account = "market".parse().unwrap();
    t.take(ours).await;
    let all = t.gateway.returns().await.unwrap();
    assert_eq!(
        (all[0].order_known, all[0].goods.iter().next()),
        (true, Some((&"BAG-1".parse().unwrap(), &2)))
    );
    // Refused: the state moves on in its record, and the audit chain tells both states.
    market.other().returns[1] = a_return("R-2", ReturnState::Declined, 3);
    assert_eq!(t.gateway.pull_returns().await.unwrap().new, 1);
    let (returns, disputes) = t.gateway.cases_of(&"market".parse().unwrap(), "A-1").await.unwrap();
    assert_eq!((returns.len(), disputes.len()), (3, 0));
    assert!(returns.iter().all(|r| !r.waits_for_us()));
    let key = |r: &ReturnRecord| tradewind_store::typed::Record::key(r);
    assert_eq!(
        key(&ReturnRecord { account: "market".parse().unwrap(), case: returns[0].case.clone() }),
        "market/R-3"
    );
}

#[tokio::test]
async fn an_account_that_fails_is_read_again_from_where_it_stood() {
    let (t, market, wallet) = trade().await;
    wallet.other().disputes = vec![dispute("D-1", "P-1", DisputeState::NeedsResponse, Some(9))];
    wallet.other().fail.push(("disputes", Kind::Unavailable));
    market.other().fail.push(("returns", Kind::Unavailable));
    let failed = t.gateway.pull_disputes().await.unwrap();
    assert_eq!((failed.asked, failed.failed, failed.new), (1, 1, 0));
    assert!(failed.errors[0].contains("disputes of wallet"), "{:?}", failed.errors);
    assert_eq!(t.gateway.pull_returns().await.unwrap().failed, 1);
    let cursors =
        tradewind_store::typed::list::<CursorRecord>(&*t.gateway.store, tradewind_store::Filter::all());
    assert!(cursors.await.unwrap().is_empty(), "nothing counts as read");
    assert_eq!(t.gateway.pull_disputes().await.unwrap().new, 1);
    assert_eq!(t.one::<DisputeRecord>().await.case.id, "D-1");
    let cursor = t.one::<CursorRecord>().await;
    assert_eq!((cursor.stream.as_str(), cursor.until), ("disputes", Some(t.gateway.now())));
}

#[tokio::test]
async fn a_dispute_finds_its_order_by_the_payment_or_by_a_movement() {
    let (t, _, wallet) = trade().await;
    wallet.other().disputes = vec![
        dispute("D-1", "P-1", DisputeState::UnderReview, Some(2)),
        // Named by the movement of the payment, which carries our number of the order.
        dispute("D-2", "P-2", DisputeState::NeedsResponse, Some(9)),
        // By a movement that refers to it; by one of several movements of its number.
        dispute("D-3", "P-3", DisputeState::NeedsResponse, Some(5)),
        dispute("D-4", "P-4", DisputeState::NeedsResponse, None),
        // By a movement whose number lost what its provider does not like.
        dispute("D-6", "P-6", DisputeState::NeedsResponse, Some(20)),
        // By nothing; a number that begins alike is another payment.
        dispute("D-5", "P", DisputeState::Won, None),
    ];
    t.gateway.pull_disputes().await.unwrap();
    let order_of = |all: &[tradewind_gateway::cases::DisputeCase], id: &str| {
        all.iter().find(|d| d.case.id == id).unwrap().order.clone()
    };
    let ours = Some(OrderRef { account: "shop".parse().unwrap(), id: "A-1".to_owned() });
    let before = t.gateway.disputes().await.unwrap();
    // What waits for us comes first, by its deadline.
    let ids: Vec<&str> = before.iter().map(|d| d.case.id.as_str()).collect();
    assert_eq!(ids, ["D-3", "D-2", "D-6", "D-4", "D-1", "D-5"]);
    assert_eq!((order_of(&before, "D-1"), order_of(&before, "D-2")), (ours.clone(), None));
    let movement = |id: &str, refers: Option<&str>, order: &str| TransactionRecord {
        account: "wallet".parse().unwrap(),
        transaction: serde_json::from_value::<BalanceTransaction>(json!({"id": id, "kind": "payment",
            "occurred_at": {"utc": "2026-07-30T00:00:00Z"}, "amount": {"amount": "108.00", "currency": "EUR"},
            "order": order, "refers_to": refers, "balance_affecting": true}))
        .unwrap(),
    };
    let mut batch = Batch::new();
    for m in [
        movement("P-2", None, "gid://shop/Order/1001"),
        movement("HOLD-3", Some("P-3"), "A-1"),
        movement("P-4:T0006:EUR", None, "A-1"),
        movement("P-6", None, "gid:shopOrder1001"),
    ] {
        batch.put(&m).unwrap();
    }
    t.gateway.store.commit(batch).await.unwrap();
    let after = t.gateway.disputes().await.unwrap();
    for id in ["D-1", "D-2", "D-3", "D-4", "D-6"] {
        assert_eq!(order_of(&after, id), ours, "{id}");
    }
    assert_eq!(order_of(&after, "D-5"), None);
    let (_, of_order) = t.gateway.cases_of(&"shop".parse().unwrap(), "A-1").await.unwrap();
    assert_eq!(of_order.len(), 5);
}

#[tokio::test]
async fn the_books_hear_of_a_lost_dispute() {
    let (t, _, wallet) = trade().await;
    let word = async || t.gateway.facts().await.unwrap().orders[0].payment_state.clone();
    for (state, told) in [
        (DisputeState::NeedsResponse, "Delivered"),
        (DisputeState::Lost, "dispute lost"),
        // An appeal that succeeded.
        (DisputeState::Won, "Delivered"),
        (DisputeState::Accepted, "dispute lost"),
    ] {
        wallet.other().disputes = vec![dispute("D-1", "P-1", state, None)];
        t.gateway.pull_disputes().await.unwrap();
        assert_eq!(word().await.as_deref(), Some(told), "{state}");
    }
}
