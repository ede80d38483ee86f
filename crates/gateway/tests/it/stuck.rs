//! Orders that are stuck: each has a way out by itself when its cause is gone, one that a person can use, and says so.

use serde_json::json;
use tradewind_connector::{Facet, Kind};
use tradewind_domain::{DeclarationState, OrderState, Product};
use tradewind_gateway::fulfil::Fulfilled;
use tradewind_gateway::records::{
    DeclarationRecord, OrderRecord, ProductRecord, Reservation, ReservationState, ShipmentRecord, Stage,
};
use tradewind_store::Batch;

use crate::customs;
use crate::fulfil::{Trade, order, stock};

const KEY: &str = "shop/A-1";

async fn trade() -> Trade {
    Trade::new(&[Facet::Shipments]).await
}

async fn round(t: &Trade) -> Fulfilled {
    t.gateway.fulfil().await.unwrap()
}

/// Stuck, for this reason, and told with this remedy; so does `why order`.
async fn is_stuck(t: &Trade, done: &Fulfilled, why: &str, what: &str) {
    let record = t.one::<OrderRecord>().await;
    assert_eq!((record.stage, done.stuck), (Stage::Stuck, 1), "{done:?}");
    let needs = t.gateway.what_it_needs(&record).await.unwrap().unwrap();
    assert!(needs.contains(what), "{needs}");
    let told = format!("order {KEY} is stuck: ");
    let told = done.notes.iter().find(|n| n.starts_with(&told)).unwrap();
    assert!(told.contains(why) && told.contains(&needs), "{told}");
}

async fn bag(t: &Trade, hs: Option<&str>) {
    let bag: Product = serde_json::from_value(json!({"id": "BAG", "content": {"en": {"title": "Bag"}}, "variants": [
        {"sku": "BAG-1", "price": {"amount": "36.00", "currency": "EUR"}, "origin": "CN", "hs": hs, "weight": 400}]}))
    .unwrap();
    let mut batch = Batch::new();
    batch.put(&ProductRecord(bag)).unwrap();
    t.gateway.store.commit(batch).await.unwrap();
}

fn calls(t: &Trade, name: &str) -> usize {
    t.channel.count(name) + t.carrier.count(name)
}

#[tokio::test]
async fn an_order_that_the_catalogue_stopped_goes_on_when_that_is_mended() {
    let t = trade().await;
    // Abroad: within the Union nobody asks for an HS code.
    let mut abroad = order(OrderState::ReadyToShip, 10);
    abroad.ship_to.as_mut().unwrap().country = "CH".parse().unwrap();
    t.take(abroad).await;
    bag(&t, None).await;
    for _ in 0..2 {
        is_stuck(&t, &round(&t).await, "has no HS code", "booked by itself").await;
    }
    bag(&t, Some("420222")).await;
    let done = round(&t).await;
    assert_eq!((done.booked, done.confirmed, done.stuck), (1, 1, 0), "{done:?}");
}

#[tokio::test]
async fn a_parcel_that_the_carrier_refused_is_asked_for_again_when_something_changed_or_a_person_says_so() {
    let t = trade().await;
    t.carrier.other().fail.push(("book", Kind::InvalidRequest));
    is_stuck(&t, &round(&t).await, "told to fail", "fulfil --again shop/A-1").await;
    // The same is not asked again, however often it is looked at.
    is_stuck(&t, &round(&t).await, "told to fail", "the carrier refused it").await;
    assert_eq!(calls(&t, "book"), 1);
    // By itself: the buyer gives another address.
    let mut moved = order(OrderState::ReadyToShip, 11);
    moved.ship_to.as_mut().unwrap().lines = vec!["Neue Str. 2".to_owned()];
    t.take(moved).await;
    t.carrier.other().fail.push(("book", Kind::InvalidRequest));
    assert_eq!((round(&t).await.stuck, calls(&t, "book")), (1, 2));
    // By a person, who put something right at the carrier.
    assert_eq!(t.gateway.try_again(KEY).await.unwrap(), Stage::ToBook);
    let done = round(&t).await;
    assert_eq!((done.booked, done.confirmed, done.stuck), (1, 1, 0), "{done:?}");
    let told = t.gateway.try_again(KEY).await.unwrap_err().to_string();
    assert!(told.contains("is confirmed: only a stuck one"), "{told}");
}

#[tokio::test]
async fn a_shipment_that_the_marketplace_refused_is_told_again_when_the_order_changed_or_a_person_says_so() {
    let t = trade().await;
    t.channel.other().fail.push(("ship", Kind::Rejected));
    is_stuck(&t, &round(&t).await, "told to fail", "fulfil --again shop/A-1").await;
    round(&t).await;
    assert_eq!(calls(&t, "ship"), 1);
    t.channel.other().fail.push(("ship", Kind::Rejected));
    t.take(order(OrderState::ReadyToShip, 11)).await;
    assert_eq!((round(&t).await.stuck, calls(&t, "ship")), (1, 2));
    assert_eq!(t.gateway.try_again(KEY).await.unwrap(), Stage::ToConfirm);
    assert_eq!((round(&t).await.confirmed, stock(&t).await), (1, (7, 0, 7)));
}

#[tokio::test]
async fn a_stuck_order_that_was_shipped_by_hand_is_done() {
    let t = trade().await;
    t.channel.other().fail.push(("ship", Kind::Rejected));
    round(&t).await;
    // Three of ten are held for it still.
    assert_eq!(stock(&t).await, (10, 3, 7));
    t.take(order(OrderState::Shipped, 11)).await;
    let done = round(&t).await;
    assert_eq!((done.confirmed, done.stuck), (1, 0), "{done:?}");
    assert!(done.notes.iter().any(|n| n.contains("was not used, void it")), "{done:?}");
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed);
    assert_eq!(t.one::<Reservation>().await.state, ReservationState::Shipped);
    assert_eq!(stock(&t).await, (7, 0, 7));
}

#[tokio::test]
async fn an_order_whose_buyer_stays_after_all_is_shipped() {
    let t = Trade::with("", &[], &[Facet::Shipments]).await;
    t.take(order(OrderState::CancelRequested, 9)).await;
    is_stuck(&t, &round(&t).await, "wants to cancel", "in the channel's own pages").await;
    let told = t.gateway.try_again(KEY).await.unwrap_err().to_string();
    assert!(told.contains("not to be shipped now") && told.contains("own pages"), "{told}");
    t.take(order(OrderState::ReadyToShip, 11)).await;
    assert_eq!(round(&t).await.confirmed, 1);
}

#[tokio::test]
async fn what_customs_refused_goes_on_when_they_release_it_after_all() {
    let (t, customs) = customs::trade().await;
    round(&t).await;
    let mut said = customs::to_declaration(&customs, DeclarationState::Rejected);
    customs.other().receipts.push(said.clone());
    is_stuck(&t, &round(&t).await, "said", "customs refused it").await;
    said.state = Some(DeclarationState::Released);
    (said.at, said.key) = ("2026-08-01T11:00:00Z".parse().unwrap(), "later".to_owned());
    customs.other().receipts.push(said);
    let done = round(&t).await;
    assert_eq!((done.released, done.confirmed, done.stuck), (1, 1, 0), "{done:?}");
    assert_eq!(t.channel.other().shipped.len(), 1);
    assert!(t.one::<ShipmentRecord>().await.cleared.is_some());
}

#[tokio::test]
async fn what_customs_refused_is_filed_again_when_a_person_says_so() {
    let (t, customs) = customs::trade().await;
    round(&t).await;
    let said = customs::to_declaration(&customs, DeclarationState::Rejected);
    customs.other().receipts.push(said);
    round(&t).await;
    assert_eq!(t.gateway.try_again(KEY).await.unwrap(), Stage::ToDeclare);
    assert_eq!(round(&t).await.filed, 1);
    let filed = t.one::<DeclarationRecord>().await;
    assert_eq!((filed.state, filed.filings), (DeclarationState::Sent, 1));
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Declared);
    let numbers: Vec<_> = customs.other().filed.iter().map(|d| d.id.clone()).collect();
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "under the same number: {numbers:?}");
}

#[tokio::test]
async fn what_cannot_be_declared_is_filed_when_it_can() {
    let (t, customs) = customs::trade().await;
    // Customs want a payment.
    let mut unpaid = order(OrderState::ReadyToShip, 10);
    t.take(unpaid.clone()).await;
    is_stuck(&t, &round(&t).await, "no payment", "filed by itself").await;
    unpaid.payments = customs::paid();
    unpaid.updated_at.utc = "2026-08-01T11:00:00Z".parse().unwrap();
    t.take(unpaid).await;
    assert_eq!((round(&t).await.filed, customs.other().filed.len()), (1, 1));
}
