//! Scans in: each parcel is asked about by the age of what is known of it, and what was told is kept whatever happens beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use tradewind_connector::{Bounds, Connector, Facet, InboundRequest, Kind};
use tradewind_domain::{AccountId, OrderState, ShipmentState, TrackingEvent, TrackingState};
use tradewind_gateway::Gateway;
use tradewind_gateway::fulfil::Fulfilled;
use tradewind_gateway::hints::{Followed, Outcome, Reading};
use tradewind_gateway::records::{OrderRecord, ShipmentRecord, Stage, StockRecord};
use tradewind_store::{Batch, Filter, typed};

use crate::fakes::Fake;
use crate::fulfil::{Trade, order};

const ABLE: [Facet; 2] = [Facet::Shipments, Facet::Tracking];

/// On the heap: a test that turns many rounds has a stack of two megabytes.
async fn round(t: &Trade) -> Fulfilled {
    Box::pin(t.gateway.fulfil()).await.unwrap()
}

/// The carrier scanned the parcel at this moment.
fn scan(t: &Trade, code: &str, state: TrackingState) {
    let (now, state) = (t.gateway.now(), Some(state));
    let local = now.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let (code, text, place) = (code.to_owned(), String::new(), String::new());
    t.carrier.other().scans.push(TrackingEvent { code, text, state, local, utc: Some(now), place });
}

/// How often the carrier was asked in a round so many minutes later.
async fn asked_after(t: &Trade, minutes: u64) -> usize {
    let before = t.carrier.count("track");
    t.gateway.clock.sleep(Duration::from_secs(60 * minutes)).await;
    round(t).await;
    t.carrier.count("track") - before
}

#[tokio::test]
async fn a_parcel_is_asked_about_by_the_age_of_what_is_known() {
    const HOUR: u64 = 60;
    let t = Trade::new(&ABLE).await;
    round(&t).await;
    // Booked this minute: nobody has scanned it.
    assert_eq!((t.carrier.count("book"), t.carrier.count("track")), (1, 0));
    // Fresh 4 h, on its way 6 h, with the courier 1 h; a quarter of an hour early, because a round takes its time.
    assert_eq!((asked_after(&t, 4 * HOUR - 16).await, asked_after(&t, 1).await), (0, 1));
    assert_eq!(t.one::<ShipmentRecord>().await.tracked_at, Some(t.gateway.now()), "no news is an answer");
    scan(&t, "PU", TrackingState::Accepted);
    assert_eq!((asked_after(&t, 4 * HOUR - 16).await, asked_after(&t, 1).await), (0, 1));
    scan(&t, "WC", TrackingState::OutForDelivery);
    assert_eq!((asked_after(&t, 6 * HOUR - 16).await, asked_after(&t, 1).await), (0, 1));
    assert_eq!((asked_after(&t, HOUR - 16).await, asked_after(&t, 1).await), (0, 1));
    // Nothing new for fourteen days: twice a day, whatever was last told.
    assert_eq!(asked_after(&t, 14 * 24 * HOUR).await, 1);
    assert_eq!((asked_after(&t, 12 * HOUR - 16).await, asked_after(&t, 1).await), (0, 1));
    // For sixty days: once a week.
    assert_eq!(asked_after(&t, 46 * 24 * HOUR).await, 1);
    assert_eq!((asked_after(&t, 7 * 24 * HOUR - 16).await, asked_after(&t, 1).await), (0, 1));
    scan(&t, "TR", TrackingState::InTransit);
    assert_eq!(asked_after(&t, 7 * 24 * HOUR - 15).await, 1);
    scan(&t, "OK", TrackingState::Delivered);
    assert_eq!((asked_after(&t, 6 * HOUR - 16).await, asked_after(&t, 1).await), (0, 1));
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::Delivered);
    assert_eq!(asked_after(&t, 30 * 24 * HOUR).await, 0);
}

#[tokio::test]
async fn who_did_not_answer_is_asked_in_the_next_round() {
    let t = Trade::new(&ABLE).await;
    round(&t).await;
    t.carrier.other().fail.push(("track", Kind::Unavailable));
    assert_eq!(asked_after(&t, 240).await, 1);
    assert_eq!(t.one::<ShipmentRecord>().await.tracked_at, None);
    assert_eq!(asked_after(&t, 1).await, 1);
    assert_eq!(t.one::<ShipmentRecord>().await.tracked_at, Some(t.gateway.now()));
}

#[tokio::test]
async fn a_scan_that_moves_nothing_is_kept() {
    let t = Trade::new(&ABLE).await;
    round(&t).await;
    scan(&t, "PL", TrackingState::InTransit);
    t.gateway.clock.sleep(Duration::from_secs(6 * 3_600)).await;
    assert_eq!(round(&t).await.moved, 1);
    scan(&t, "DF", TrackingState::InTransit);
    t.gateway.clock.sleep(Duration::from_secs(6 * 3_600)).await;
    assert_eq!(round(&t).await.moved, 0);
    let parcel = t.one::<ShipmentRecord>().await;
    let codes: Vec<&str> = parcel.events.iter().map(|e| e.code.as_str()).collect();
    assert_eq!(codes, ["PL", "DF"]);
}

#[tokio::test]
async fn a_person_asks_now() {
    let t = Trade::new(&ABLE).await;
    round(&t).await;
    scan(&t, "PU", TrackingState::Accepted);
    Box::pin(t.gateway.fulfil_and_track_all()).await.unwrap();
    assert_eq!((t.carrier.count("track"), t.one::<ShipmentRecord>().await.events.len()), (1, 1));
}

/// The same store and world, with another carrier under the same name.
fn with_carrier(t: &Trade, carrier: std::sync::Arc<Fake>) -> Gateway {
    let mut gateway = t.without("carrier");
    gateway
        .accounts
        .insert("carrier".parse::<AccountId>().unwrap(), carrier as std::sync::Arc<dyn Connector>);
    gateway
}

#[tokio::test]
async fn a_carriers_word_is_followed_at_once() {
    let t = Trade::new(&ABLE).await;
    round(&t).await;
    let carrier = Fake::new("carrier", &[ABLE[0], ABLE[1], Facet::Webhooks]);
    let gateway = with_carrier(&t, carrier.clone());
    let id: AccountId = "carrier".parse().unwrap();
    for delivery in ["1 parcel W1", "2 parcel W1"] {
        let followed = word_of(&gateway, &id, delivery).await;
        assert_eq!(followed.tried, [(Reading::Parcel("W1".parse().unwrap()), Outcome::Read)]);
    }
    assert_eq!(carrier.count("track"), 2);
    // Of a parcel that is not ours, or not on its way, there is nothing to ask.
    let followed = word_of(&gateway, &id, "3 parcel W9").await;
    assert_eq!(followed.tried, [(Reading::Parcel("W9".parse().unwrap()), Outcome::Read)]);
    assert_eq!(carrier.count("track"), 2);
}

/// A carrier with a thousand parcels under way sends word of each scan: one word is one question.
#[tokio::test]
async fn only_the_parcel_that_the_word_names_is_asked_about() {
    let t = Trade::new(&ABLE).await;
    let mut second = order(OrderState::ReadyToShip, 9);
    second.id = "A-2".parse().unwrap();
    t.take(second).await;
    round(&t).await;
    let carrier = Fake::new("carrier", &[ABLE[0], ABLE[1], Facet::Webhooks]);
    let gateway = with_carrier(&t, carrier.clone());
    let id: AccountId = "carrier".parse().unwrap();
    word_of(&gateway, &id, "1 parcel W2").await;
    let asked: Vec<String> = t
        .gateway
        .parcels()
        .await
        .unwrap()
        .into_iter()
        .filter(|p| p.tracked_at.is_some())
        .map(|p| p.booked.unwrap().waybill.to_string())
        .collect();
    assert_eq!(asked, ["W2"]);
    // Without an answer the word is not forgotten.
    carrier.other().fail.push(("track", Kind::Unavailable));
    let followed = word_of(&gateway, &id, "2 parcel W1").await;
    assert!(matches!(followed.tried[..], [(_, Outcome::PutOff { .. })]), "{followed:?}");
}

#[tokio::test]
async fn a_scan_that_cannot_be_read_is_told_and_keeps_back_no_other() {
    let t = Trade::new(&ABLE).await;
    round(&t).await;
    scan(&t, "OK", TrackingState::Delivered);
    t.carrier.other().odd_scans = vec!["scan CR: no time".to_owned()];
    t.gateway.clock.sleep(Duration::from_secs(6 * 3_600)).await;
    let done = round(&t).await;
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::Delivered);
    assert!(
        done.notes.iter().any(|n| n.contains("W1") && n.contains("A-1") && n.contains("scan CR: no time")),
        "{done:?}"
    );
}

/// A notification comes in and is followed.
async fn word_of(gateway: &Gateway, id: &AccountId, delivery: &'static str) -> Followed {
    let mut headers = http::HeaderMap::new();
    headers.insert("signed", http::HeaderValue::from_static("yes"));
    let (url, body) = ("https://hooks.example/hooks/carrier".to_owned(), delivery.to_owned().into());
    let request = InboundRequest { url, headers, body, received_at: gateway.now() };
    gateway.take_delivery(id, &request).await.unwrap();
    gateway.clock.sleep(Duration::from_secs(3)).await;
    gateway.follow(id).await.unwrap()
}

#[tokio::test]
async fn what_somebody_writes_to_a_parcel_meanwhile_costs_no_scan() {
    let t = Trade::new(&ABLE).await;
    let mut second = order(OrderState::ReadyToShip, 9);
    second.id = "A-2".parse().unwrap();
    t.take(second).await;
    round(&t).await;
    scan(&t, "PU", TrackingState::Accepted);
    t.gateway.clock.sleep(Duration::from_secs(6 * 3_600)).await;
    // Both are asked about in one call.
    let bounds = Bounds { tracking_batch: Some(10), ..Bounds::default() };
    let carrier = Fake::bounded("carrier", &ABLE, bounds);
    carrier.other().scans = t.carrier.other().scans.clone();
    let gateway = with_carrier(&t, carrier.clone());
    let (store, key) = (t.gateway.store.clone(), "shop/A-1");
    carrier.before("track", move || async move {
        let all = typed::list::<ShipmentRecord>(&*store, Filter::all()).await.unwrap();
        let mut parcel = all.into_iter().find(|p| p.value.order == key).unwrap();
        parcel.value.note = Some("keep it back".to_owned());
        let mut batch = Batch::new();
        batch.put_back(&parcel).unwrap();
        store.commit(batch).await.unwrap();
    });
    let done = Box::pin(gateway.fulfil()).await.unwrap();
    assert_eq!((carrier.count("track"), done.moved), (1, 2), "{done:?}");
    let all = typed::list::<ShipmentRecord>(&*gateway.store, Filter::all()).await.unwrap();
    let all: BTreeMap<String, ShipmentRecord> =
        all.into_iter().map(|p| (p.value.order.clone(), p.value)).collect();
    for parcel in all.values() {
        assert_eq!((parcel.events.len(), parcel.state), (1, ShipmentState::InTransit));
        assert!(parcel.tracked_at.is_some());
    }
    assert_eq!(all[key].note.as_deref(), Some("keep it back"));
}

/// What is on the shelf by our count, and what of it is for sale.
async fn shelf(t: &Trade) -> (u32, u32) {
    let shelf = t.one::<StockRecord>().await;
    (shelf.on_hand, shelf.allotted.values().sum())
}

/// Three of ten were given back when the order was cancelled; the parcel went out all the same.
#[tokio::test]
async fn a_parcel_of_a_cancelled_order_that_is_scanned_is_told_once() {
    let t = Trade::new(&ABLE).await;
    t.cancel_during(&t.carrier, "book");
    let done = round(&t).await;
    assert_eq!((done.after_cancellation, done.left_after_all), (1, 0), "{done:?}");
    assert_eq!(shelf(&t).await, (10, 10));
    // The data came first, and say nothing of the parcel.
    scan(&t, "DUMMY_PU", TrackingState::InfoReceived);
    t.gateway.clock.sleep(Duration::from_secs(4 * 3_600)).await;
    let done = round(&t).await;
    assert_eq!((t.carrier.count("track"), done.left_after_all), (1, 0), "{done:?}");
    let scanned = t.gateway.now();
    scan(&t, "PU", TrackingState::Accepted);
    t.gateway.clock.sleep(Duration::from_secs(4 * 3_600)).await;
    let done = round(&t).await;
    assert_eq!((done.left_after_all, done.after_cancellation), (1, 0), "{done:?}");
    let [note] = &done.notes[..] else { panic!("{done:?}") };
    for part in ["order shop/A-1", "parcel W1", &scanned.to_string(), "3 of BAG-1", "count the shelf"] {
        assert!(note.contains(part), "{part}: {note}");
    }
    let parcel = t.one::<ShipmentRecord>().await;
    assert_eq!(parcel.state, ShipmentState::InTransit);
    assert_eq!(Some(note.trim_start_matches("order shop/A-1: ")), parcel.note.as_deref());
    assert_eq!(t.one::<OrderRecord>().await.note, parcel.note);
    // A person may have counted by now.
    assert_eq!(shelf(&t).await, (10, 10));
    scan(&t, "DF", TrackingState::InTransit);
    t.gateway.clock.sleep(Duration::from_secs(6 * 3_600)).await;
    let done = round(&t).await;
    assert_eq!((t.carrier.count("track"), done.left_after_all), (3, 0), "{done:?}");
    assert!(done.notes.is_empty(), "{done:?}");
}

/// The cancellation comes while the carrier is asked: the parcel was here by what we knew.
#[tokio::test]
async fn a_parcel_that_is_scanned_as_its_order_is_cancelled_is_told() {
    let t = Trade::new(&ABLE).await;
    t.channel.other().fail.push(("ship", Kind::Rejected));
    round(&t).await;
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Stuck);
    scan(&t, "PU", TrackingState::Accepted);
    t.gateway.clock.sleep(Duration::from_secs(4 * 3_600)).await;
    t.cancel_during(&t.carrier, "track");
    let done = round(&t).await;
    assert_eq!((done.left_after_all, done.after_cancellation), (1, 0), "{done:?}");
    assert_eq!((t.one::<OrderRecord>().await.stage, shelf(&t).await), (Stage::Cancelled, (10, 10)));
    // It is not told a second time by the step that calls parcels back.
    let done = round(&t).await;
    assert_eq!((done.left_after_all, done.after_cancellation), (0, 0), "{done:?}");
}

/// Heard of by the carrier's own word, between two rounds.
#[tokio::test]
async fn a_notification_of_a_parcel_that_left_after_all_reaches_a_person() {
    let t = Trade::new(&ABLE).await;
    t.cancel_during(&t.carrier, "book");
    round(&t).await;
    scan(&t, "PU", TrackingState::Accepted);
    let carrier = Fake::new("carrier", &[ABLE[0], ABLE[1], Facet::Webhooks]);
    carrier.other().scans = t.carrier.other().scans.clone();
    let gateway = with_carrier(&t, carrier.clone());
    let followed = word_of(&gateway, &"carrier".parse().unwrap(), "1 parcel W1").await;
    assert_eq!(followed.tried, [(Reading::Parcel("W1".parse().unwrap()), Outcome::Read)]);
    assert!(followed.pulled.errors[0].contains("count the shelf"), "{followed:?}");
}
