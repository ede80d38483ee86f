//! Pulling orders: one that cannot be read, or is refused, keeps back no other, and is asked for again.

use std::time::Duration;

use tradewind_connector::{Facet, Kind};
use tradewind_domain::OrderState;
use tradewind_gateway::records::CursorRecord;
use tradewind_store::typed;

use crate::fulfil::{Trade, order};

#[tokio::test]
async fn an_order_that_cannot_be_read_keeps_back_no_other() {
    let trade = Trade::new(&[Facet::Shipments]).await;
    {
        let mut other = trade.channel.other();
        other.one_by_one = true;
        for id in ["A-2", "A-3"] {
            let mut more = order(OrderState::ReadyToShip, 9);
            more.id = id.parse().unwrap();
            other.orders.insert(more.id.clone(), more);
        }
        other.fail.push(("order", Kind::Unavailable));
    }
    let cursor = async || {
        let key = "shop/orders";
        typed::get::<CursorRecord>(&*trade.gateway.store, key).await.unwrap().and_then(|c| c.value.until)
    };
    // A-2 breaks, A-3 is imported; the window is done with, and A-2 owed by its number.
    let pulled = trade.gateway.pull().await.unwrap();
    assert_eq!((pulled.new, pulled.failed, cursor().await), (1, 1, Some(trade.gateway.now())), "{pulled:?}");
    trade.channel.other().calls.clear();
    // Not at once again; what is owed is told, and the account counts as not read.
    let pulled = trade.gateway.pull().await.unwrap();
    assert_eq!((pulled.new, pulled.failed), (0, 1), "{pulled:?}");
    assert!(pulled.errors.len() == 1 && pulled.errors[0].contains("order A-2"), "{pulled:?}");
    trade.gateway.clock.sleep(Duration::from_secs(16)).await;
    let pulled = trade.gateway.pull().await.unwrap();
    assert_eq!((pulled.new, pulled.failed), (1, 0), "{pulled:?}");
    assert_eq!(trade.channel.other().calls, ["orders", "orders", "order"]);
    // A login that is refused ends the round at once.
    {
        let mut other = trade.channel.other();
        let mut late = order(OrderState::ReadyToShip, 10);
        late.id = "A-4".parse().unwrap();
        other.orders.insert(late.id.clone(), late);
        other.fail.push(("order", Kind::NeedsReauth));
        other.calls.clear();
    }
    assert_eq!(trade.gateway.pull().await.unwrap().failed, 1);
    assert_eq!(trade.channel.other().calls, ["orders", "order"]);
}

/// Whatever a channel answers to one order, others come in; only what the next call would meet as well ends the pull.
#[tokio::test]
async fn an_order_that_is_refused_keeps_back_no_other() {
    for kind in [Kind::InvalidRequest, Kind::PermissionDenied, Kind::Unsupported, Kind::Conflict] {
        let trade = Trade::with("", &[], &[Facet::Shipments]).await;
        {
            let mut other = trade.channel.other();
            other.one_by_one = true;
            for id in ["A-1", "A-2"] {
                let mut more = order(OrderState::ReadyToShip, 9);
                more.id = id.parse().unwrap();
                other.orders.insert(more.id.clone(), more);
            }
            other.fail.push(("order", kind));
        }
        let pulled = trade.gateway.pull().await.unwrap();
        assert_eq!((pulled.new, pulled.failed), (1, 1), "{kind:?} {pulled:?}");
        assert_eq!(trade.one::<CursorRecord>().await.until, Some(trade.gateway.now()), "{kind:?}");
        trade.gateway.clock.sleep(Duration::from_secs(16)).await;
        assert_eq!(trade.gateway.pull().await.unwrap().new, 1, "{kind:?}");
    }
}

/// An order whose number is told although it cannot be read is asked for by it, the window going on: nothing is listed
/// again for its sake.
#[tokio::test]
async fn an_order_that_cannot_be_decoded_is_asked_for_by_its_number() {
    let trade = Trade::with("", &[], &[Facet::Shipments]).await;
    {
        let mut other = trade.channel.other();
        let odd = order(OrderState::ReadyToShip, 9);
        other.odd.push(odd.id.clone());
        other.numbered = true;
        other.orders.insert(odd.id.clone(), odd);
    }
    let hour = Duration::from_secs(3_600);
    let pulled = trade.gateway.pull().await.unwrap();
    assert_eq!((pulled.new, pulled.failed), (0, 1));
    assert!(pulled.errors[0].contains("order A-1") && pulled.errors[0].contains("no total"), "{pulled:?}");
    let cursor = trade.one::<CursorRecord>().await;
    assert_eq!((cursor.until, cursor.listed_to), (Some(trade.gateway.now()), None));
    // Each time it is due, and told each time.
    for _ in 0..3 {
        trade.gateway.clock.sleep(hour).await;
        trade.channel.other().calls.clear();
        let pulled = trade.gateway.pull().await.unwrap();
        assert_eq!((pulled.new, pulled.failed, pulled.errors.len()), (0, 1, 1), "{pulled:?}");
        assert_eq!(trade.channel.other().calls, ["orders", "order"]);
    }
    // A month after it was met it is told for the last time.
    trade.gateway.clock.sleep(hour * 24 * 30).await;
    let pulled = trade.gateway.pull().await.unwrap();
    assert!(pulled.errors.iter().any(|e| e.contains("not asked for any more")), "{pulled:?}");
    assert_eq!(trade.gateway.pull().await.unwrap().failed, 0);
}

/// The same for a channel that tells orders whole, and for what changed later: the first pull reads 30 days and the
/// overlap of 15 minutes in parts of 30 days, so the second part begins at 09:45.
#[tokio::test]
async fn an_order_that_cannot_be_decoded_keeps_back_no_other() {
    let trade = Trade::new(&[Facet::Shipments]).await;
    {
        let mut other = trade.channel.other();
        for (id, hour) in [("A-2", 9), ("A-3", 9), ("A-4", 10)] {
            let mut more = order(OrderState::ReadyToShip, hour);
            more.id = id.parse().unwrap();
            other.orders.insert(more.id.clone(), more);
        }
        other.odd.push("A-2".parse().unwrap());
    }
    let cursor = async || {
        let key = "shop/orders";
        typed::get::<CursorRecord>(&*trade.gateway.store, key).await.unwrap().and_then(|c| c.value.until)
    };
    for new in [2, 0] {
        let pulled = trade.gateway.pull().await.unwrap();
        assert_eq!((pulled.new, pulled.failed, cursor().await), (new, 1, None), "{pulled:?}");
        // Shown each time, with account and order.
        let told = &pulled.errors[0];
        assert!(pulled.errors.len() == 1 && told.contains("shop ") && told.contains("order A-2"), "{told}");
    }
    trade.channel.other().odd.clear();
    let pulled = trade.gateway.pull().await.unwrap();
    assert_eq!((pulled.new, pulled.failed), (1, 0), "{pulled:?}");
    assert!(cursor().await.is_some());
}

/// An order that is never read is asked for while a first pull would see it (30 days from what was listed last), and then
/// no more: the window does not grow for ever.
#[tokio::test]
async fn an_order_that_is_never_read_does_not_hold_the_window_open() {
    let trade = Trade::with("", &[], &[Facet::Shipments]).await;
    {
        let mut other = trade.channel.other();
        let odd = order(OrderState::ReadyToShip, 9);
        other.odd.push(odd.id.clone());
        other.orders.insert(odd.id.clone(), odd);
    }
    let day = Duration::from_secs(24 * 3_600);
    assert_eq!(trade.gateway.pull().await.unwrap().failed, 1);
    // Away for a month: what was listed last is a month ago, it is asked for again.
    trade.gateway.clock.sleep(day * 31).await;
    assert_eq!(trade.gateway.pull().await.unwrap().failed, 1);
    trade.gateway.clock.sleep(day).await;
    assert_eq!(trade.gateway.pull().await.unwrap().failed, 0);
    let cursor = trade.one::<CursorRecord>().await;
    assert_eq!((cursor.until, cursor.listed_to), (Some(trade.gateway.now()), None));
}
