//! Scans in: each parcel is asked about by the age of what is known of it, and what was told is kept whatever happens beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use tradewind_connector::{Bounds, Connector, Facet, InboundRequest, Kind};
use tradewind_domain::{AccountId, OrderState, ShipmentState, TrackingEvent, TrackingState};
use tradewind_gateway::Gateway;
use tradewind_gateway::fulfil::Fulfilled;
use tradewind_gateway::hints::{Outcome, Reading};
use tradewind_gateway::records::ShipmentRecord;
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
    scan(&t, "TR", TrackingState::InTransit);
    assert_eq!(asked_after(&t, 12 * HOUR - 15).await, 1);
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
    let mut headers = http::HeaderMap::new();
    headers.insert("signed", http::HeaderValue::from_static("yes"));
    for delivery in ["1 parcel W1", "2 parcel W1"] {
        let (url, body) = ("https://hooks.example/hooks/carrier".to_owned(), delivery.to_owned().into());
        let request = InboundRequest { url, headers: headers.clone(), body, received_at: gateway.now() };
        gateway.take_delivery(&id, &request).await.unwrap();
        gateway.clock.sleep(Duration::from_secs(3)).await;
        let followed = gateway.follow(&id).await.unwrap();
        assert_eq!(followed.tried, [(Reading::Parcels, Outcome::Read)]);
    }
    assert_eq!(carrier.count("track"), 2);
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
