//! Notifications: each delivery once, each hint followed once however often it was told, and none lost by a failure.

use std::time::Duration;

use tradewind_connector::{InboundRequest, Kind};
use tradewind_domain::{Order, OrderState};
use tradewind_gateway::hints::{DeliveryRecord, Followed, HintRecord, Outcome, Reading, Taken};
use tradewind_gateway::records::{OfferRecord, OrderRecord, Reservation, StockRecord};
use tradewind_store::typed;
use tradewind_store::{Batch, Filter};

use crate::fulfil::{Trade, order};

impl Trade {
    fn request(&self, body: &str) -> InboundRequest {
        let mut headers = http::HeaderMap::new();
        headers.insert("signed", http::HeaderValue::from_static("yes"));
        InboundRequest {
            url: "https://hooks.example/hooks/shop".to_owned(),
            headers,
            body: body.to_owned().into(),
            received_at: self.gateway.now(),
        }
    }

    async fn told(&self, body: &str) -> Taken {
        self.gateway.take_delivery(&"shop".parse().unwrap(), &self.request(body)).await.unwrap()
    }

    /// Later: the crowd has come.
    async fn later(&self, seconds: u64) -> Followed {
        self.gateway.clock.sleep(Duration::from_secs(seconds)).await;
        self.gateway.follow(&"shop".parse().unwrap()).await.unwrap()
    }

    fn there(&self, order: Order) {
        self.channel.other().orders.insert(order.id.clone(), order);
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.channel.other().calls)
    }

    async fn all<T: typed::Record>(&self) -> Vec<T> {
        let all = typed::list::<T>(&*self.gateway.store, Filter::all()).await.unwrap();
        all.into_iter().map(|r| r.value).collect()
    }
}

async fn trade() -> Trade {
    Trade::with("", &[], &[]).await
}

fn new(taken: &Taken) -> bool {
    matches!(taken, Taken::New { .. })
}

#[tokio::test]
async fn an_order_that_is_told_twice_is_read_once() {
    let trade = trade().await;
    trade.there(order(OrderState::ReadyToShip, 9));
    assert!(new(&trade.told("1 order A-1").await));
    assert!(matches!(trade.told("1 order A-1").await, Taken::Again { .. }));
    assert!(new(&trade.told("2 order A-1").await), "another delivery, the same order");
    // Created, paid: the crowd is waited for.
    let waiting = trade.later(0).await;
    assert!(waiting.tried.is_empty() && waiting.next.is_some());
    let round = trade.later(3).await;
    assert_eq!(round.tried, [(Reading::Order("A-1".parse().unwrap()), Outcome::Read)]);
    assert_eq!((round.pulled.new, round.next), (1, None));
    assert_eq!(trade.calls(), ["order"]);
    assert_eq!(trade.one::<Reservation>().await.quantity, 3);
    assert_eq!(trade.one::<StockRecord>().await.reserved, 3);
    // It is done: nothing is owed, and a repetition makes nobody read again.
    assert!(matches!(trade.told("1 order A-1").await, Taken::Again { .. }));
    assert!(trade.later(3).await.tried.is_empty());
    assert!(trade.calls().is_empty());
}

#[tokio::test]
async fn what_is_not_signed_leaves_nothing() {
    let trade = trade().await;
    let mut forged = trade.request("1 order A-1");
    forged.headers.clear();
    let at = |id: &str| id.parse().unwrap();
    let refused = trade.gateway.take_delivery(&at("shop"), &forged).await.unwrap();
    assert!(matches!(refused, Taken::Refused(_)));
    // An account that takes none, and one that is not there.
    for account in ["carrier", "nobody"] {
        let request = trade.request("1 order A-1");
        let refused = trade.gateway.take_delivery(&at(account), &request).await.unwrap();
        assert!(matches!(refused, Taken::Refused(_)));
    }
    assert_eq!((trade.all::<DeliveryRecord>().await, trade.all::<HintRecord>().await), (vec![], vec![]));
    // The id of the forged one is free.
    assert!(new(&trade.told("1 order A-1").await));
}

#[tokio::test]
async fn a_topic_nobody_reads_is_kept_with_its_payload_and_without_its_words() {
    let trade = trade().await;
    for (body, unread) in [("1 weather", "weather"), ("2 odd", "not understood (decode)")] {
        assert!(matches!(trade.told(body).await, Taken::New { unread: told, .. } if told == [unread]));
    }
    let kept = trade.all::<DeliveryRecord>().await;
    let payload = |d: &DeliveryRecord| d.payload.clone();
    for delivery in &kept {
        let bytes = trade.gateway.store.payload(&payload(delivery)).await.unwrap().unwrap();
        assert!(["1 weather", "2 odd"].contains(&String::from_utf8(bytes).unwrap().as_str()));
    }
    assert_eq!((kept.len(), trade.all::<HintRecord>().await.len()), (2, 0));
}

#[tokio::test]
async fn a_reading_that_fails_is_put_off_and_made_later() {
    let trade = trade().await;
    // Told before the channel's other servers know it.
    assert!(new(&trade.told("1 order A-1").await));
    let round = trade.later(3).await;
    assert!(matches!(round.tried[..], [(_, Outcome::PutOff { .. })]) && round.halted.is_none());
    // Fifteen seconds, then thirty (the first wait, doubled).
    assert!(trade.later(14).await.tried.is_empty());
    assert!(matches!(trade.later(2).await.tried[..], [(_, Outcome::PutOff { .. })]));
    assert!(trade.later(29).await.tried.is_empty());
    trade.there(order(OrderState::ReadyToShip, 9));
    assert!(matches!(trade.later(2).await.tried[..], [(_, Outcome::Read)]));
    assert_eq!(trade.all::<OrderRecord>().await.len(), 1);
}

#[tokio::test]
async fn a_channel_that_is_away_is_asked_for_one_thing_only() {
    let trade = trade().await;
    let mut other = order(OrderState::ReadyToShip, 9);
    other.id = "A-2".parse().unwrap();
    trade.there(order(OrderState::ReadyToShip, 9));
    trade.there(other);
    trade.told("1 order A-1").await;
    trade.told("2 order A-2").await;
    trade.channel.other().fail.push(("order", Kind::Unavailable));
    let round = trade.later(3).await;
    assert_eq!(round.halted.map(|e| e.kind()), Some(Kind::Unavailable));
    assert_eq!(trade.calls(), ["order"]);
    // The next round begins with the other one; the first waits for its time.
    let round = trade.later(0).await;
    assert_eq!(round.tried, [(Reading::Order("A-2".parse().unwrap()), Outcome::Read)]);
    assert_eq!(trade.later(15).await.tried.len(), 1);
    assert_eq!(trade.all::<OrderRecord>().await.len(), 2);
}

#[tokio::test]
async fn what_is_told_while_it_is_read_is_read_again() {
    let trade = std::sync::Arc::new(trade().await);
    trade.there(order(OrderState::ReadyToShip, 9));
    trade.told("1 order A-1").await;
    let gateway = trade.gateway.clone();
    let second = trade.request("2 order A-1");
    trade.channel.before("order", move || async move {
        gateway.take_delivery(&"shop".parse().unwrap(), &second).await.unwrap();
    });
    trade.later(3).await;
    // What the call returned may be older than the second notification.
    assert_eq!(trade.all::<HintRecord>().await.len(), 1);
    assert!(matches!(trade.later(3).await.tried[..], [(_, Outcome::Read)]));
    assert_eq!(trade.calls(), ["order", "order"]);
    assert!(trade.all::<HintRecord>().await.is_empty());
}

#[tokio::test]
async fn many_orders_are_one_list_and_what_it_lacks_is_asked_by_number() {
    let trade = trade().await;
    for n in 0..30 {
        let mut one = order(OrderState::ReadyToShip, 9);
        one.id = format!("B-{n:02}").parse().unwrap();
        one.lines.clear();
        // The list reaches thirty days back; one of them changed long before, as far as it says.
        if n == 7 {
            one.updated_at.utc = "2026-05-01T00:00:00Z".parse().unwrap();
        }
        trade.there(one);
        trade.told(&format!("{n} order B-{n:02}")).await;
    }
    let round = trade.later(3).await;
    assert_eq!((round.tried.len(), round.pulled.new), (30, 30));
    // Thirty days and the overlap are two windows of thirty days.
    assert_eq!(trade.calls(), ["orders", "orders", "order"]);
    assert!(trade.all::<HintRecord>().await.is_empty());
}

#[tokio::test]
async fn a_login_that_is_said_to_be_gone_is_found_out_by_reading() {
    let trade = trade().await;
    trade.there(order(OrderState::ReadyToShip, 9));
    trade.told("1 gone").await;
    let round = trade.later(3).await;
    assert_eq!(round.tried, [(Reading::Orders, Outcome::Read)]);
    assert_eq!((trade.calls(), round.pulled.new), (vec!["orders", "orders"], 1));
}

#[tokio::test]
async fn only_the_listings_that_are_told_are_read() {
    let trade = trade().await;
    let offer: OfferRecord = serde_json::from_value(serde_json::json!({
        "account": "shop", "sku": "BAG-1", "desired": null, "state": "accepted", "plan": "", "listing": "L1", "live": null,
        "read_at": null, "note": null}))
    .unwrap();
    let mut batch = Batch::new();
    batch.put(&offer).unwrap();
    batch.put(&OfferRecord { sku: "BAG-2".parse().unwrap(), ..offer }).unwrap();
    trade.gateway.store.commit(batch).await.unwrap();
    trade.told("1 sku BAG-1").await;
    trade.told("2 sku NOT-OURS").await;
    // An account that has no disputes owes none.
    trade.told("3 dispute D-1").await;
    let tried = trade.later(3).await.tried;
    assert!(tried.len() == 3 && tried.iter().all(|(_, outcome)| *outcome == Outcome::Read), "{tried:?}");
    assert_eq!(trade.calls(), ["read"]);
    let read: Vec<bool> = trade.all::<OfferRecord>().await.iter().map(|o| o.read_at.is_some()).collect();
    assert_eq!(read, [true, false]);
}

#[tokio::test]
async fn deliveries_are_forgotten_after_a_month_and_hints_given_up() {
    let trade = trade().await;
    trade.told("1 order NEVER").await;
    let day = 24 * 3_600;
    trade.later(30 * day).await;
    assert_eq!(trade.gateway.forget_deliveries().await.unwrap(), 0);
    let round = trade.later(day).await;
    assert!(matches!(round.tried[..], [(_, Outcome::GivenUp { .. })]));
    assert_eq!(trade.gateway.forget_deliveries().await.unwrap(), 1);
    assert_eq!((trade.all::<DeliveryRecord>().await, trade.all::<HintRecord>().await), (vec![], vec![]));
}
