//! A parcel's life at the simulated DHL, over real HTTP, every exchange held against MyDHL's OpenAPI document.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tradewind_connector::role::{Logistics, Pickup, RateRequest};
use tradewind_connector::{CallCx, Kind, Submitted};
use tradewind_domain::{Currency, Document, Money, ShipmentRequest, TrackingState};
use tradewind_simulator::{Fault, Simulator};
use tradewind_testkit::{Follow, Live};

async fn start() -> (Arc<Simulator>, Live) {
    let sim = Arc::new(Simulator::builder().seed(5).channels(["dhl-express"]).start().await.unwrap());
    let login = sim.credentials("dhl-express");
    let settings = tradewind_dhl_express::FACTORY
        .example
        .replace("123456789\"  ", &format!("{}\"  ", login.get("account_number")))
        .replace("# endpoint = \"https://express.api.dhl.com/mydhlapi/test\"", "");
    let settings = format!("endpoint = \"{}\"\n{settings}", sim.base_url("dhl-express"));
    let (a, b) = (sim.clone(), sim.clone());
    let clock = Arc::new(Follow { now: move || a.now(), wait: move |d| b.advance(d) });
    let secrets = [("username", login.get("username")), ("password", login.get("password"))];
    let live = Live::open(&tradewind_dhl_express::FACTORY, &settings, &secrets, clock, &[]).unwrap();
    (sim, live)
}

fn sender() -> serde_json::Value {
    json!({"name": "Demo Trading", "company": "Demo Trading Co Ltd", "lines": ["88 Keyuan Road"], "city": "Shenzhen",
        "postcode": "518057", "country": "CN", "phone": "+8675512345678", "email": "shipping@demo.example"})
}

fn parcels() -> serde_json::Value {
    json!([{"weight": 1250, "dimensions": {"length_mm": 301, "width_mm": 200, "height_mm": 120}}])
}

fn request(sim: &Simulator, id: &str) -> ShipmentRequest {
    let day = sim.now() + Duration::from_secs(24 * 3_600);
    serde_json::from_value(json!({
        "id": id, "order": "114-0000001-0000001", "from": sender(),
        "to": {"name": "Erika Muster", "lines": ["Musterstrasse 12"], "city": "Berlin", "postcode": "10115",
            "country": "DE", "phone": "+493012345678"},
        "parcels": parcels(),
        "contents": [{"sku": "DS-1", "description": "Desk lamp, LED", "hs": "940521", "origin": "CN", "quantity": 3,
            "unit_value": {"amount": "20.00", "currency": "EUR"}, "line_value": {"amount": "59.99", "currency": "EUR"},
            "net": 1100}],
        "incoterm": "DDP",
        "registrations": [{"kind": "ioss", "value": "IM2760000742"}],
        "sender_registrations": [{"kind": "eori", "value": "CN000000000", "country": "CN"}],
        "invoice": {"number": "INV-1001", "date": day.to_string()[..10], "total": {"amount": "59.99", "currency": "EUR"},
            "freight": {"amount": "0.00", "currency": "EUR"}},
        "ship_at": day,
    }))
    .unwrap()
}

fn logistics(live: &Live) -> &dyn Logistics {
    live.connector.logistics().unwrap()
}

fn parcels_of(sim: &Simulator, reference: &str) -> usize {
    let ledger = sim.ledger();
    ledger.parcels["dhl-express"].values().filter(|p| p.reference == reference).count()
}

#[tokio::test]
async fn quote_book_paper_track() {
    let (sim, live) = start().await;
    let request = request(&sim, "TW-1-1");
    let lane = RateRequest {
        from: request.from.clone(),
        to: request.to.clone(),
        parcels: request.parcels.clone(),
        value: Some(Money::parse("59.99", Currency::EUR).unwrap()),
        incoterm: request.incoterm,
        ship_at: request.ship_at,
    };
    let quotes = logistics(&live).rates().unwrap().quote(&CallCx::new(), &lane).await.unwrap();
    assert!(quotes.iter().flatten().any(|q| q.product == "P" && q.delivery.is_some()), "{quotes:?}");

    let shipments = logistics(&live).shipments().unwrap();
    let booked = match shipments.create(&CallCx::keyed("book-1"), &request).await.unwrap() {
        Submitted::Done(booked) => booked,
        Submitted::Deferred(handle) => panic!("{handle:?}"),
    };
    assert!(booked.documents.iter().any(|d| d.bytes.starts_with(b"%PDF")), "a label");
    let invoice = booked.documents.iter().find(|d| d.kind == "invoice").expect("the invoice that DHL drew");
    assert!(invoice.media_type == "application/pdf" && invoice.bytes.starts_with(b"%PDF"));
    let find = async || shipments.find(&CallCx::new(), &request.id, request.ship_at).await.unwrap();
    // The search by reference lags; the connector says how long.
    let lag = live.connector.capabilities().bounds.visibility_lag_minutes.unwrap();
    assert!(find().await.is_none());
    sim.advance(Duration::from_secs(u64::from(lag) * 60));
    assert_eq!(find().await.unwrap().waybill, booked.waybill);

    let tracking = logistics(&live).tracking().unwrap();
    let waybills = [booked.waybill.clone()];
    let track = async || tracking.track(&CallCx::new(), &waybills).await.unwrap().remove(0).events;
    assert!(track().await.is_empty(), "no scan yet is an answer");
    let invoice = Document {
        kind: "invoice".to_owned(),
        media_type: "application/pdf".to_owned(),
        bytes: b"%PDF-1.4".to_vec(),
    };
    let paperwork = logistics(&live).paperwork().unwrap();
    paperwork.upload(&CallCx::keyed("paper-1"), &booked.waybill, request.ship_at, &invoice).await.unwrap();

    sim.advance(Duration::from_secs(12 * 24 * 3_600));
    let events = track().await;
    assert!(events.iter().any(|e| e.state == Some(TrackingState::Delivered)), "{events:?}");
    assert!(sim.ledger().parcels["dhl-express"][booked.waybill.as_str()].delivered);
    live.assert_exchanges(7);
}

/// Within the Union a parcel is no export: product `U` (fact sheet), nothing for customs, and so no invoice.
#[tokio::test]
async fn nothing_is_declared_within_the_union() {
    let (sim, live) = start().await;
    let mut request = request(&sim, "TW-EU-1");
    request.from =
        serde_json::from_value(json!({"name": "Shop", "company": "Shop GmbH", "lines": ["Werkstrasse 1"],
        "city": "Berlin", "postcode": "10115", "country": "DE", "phone": "+493012345678"}))
        .unwrap();
    request.to = serde_json::from_value(json!({"name": "Marie Muster", "lines": ["1 Rue de Test"],
        "city": "Paris", "postcode": "75001", "country": "FR", "phone": "+33123456789"}))
    .unwrap();
    let shipments = logistics(&live).shipments().unwrap();
    let answer = shipments.create(&CallCx::keyed("eu-1"), &request).await.unwrap();
    let Submitted::Done(booked) = answer else { panic!("{answer:?}") };
    assert!(booked.documents.iter().all(|d| d.kind != "invoice") && booked.warnings.is_empty(), "{booked:?}");
}

#[tokio::test]
async fn a_lost_answer_is_not_a_second_parcel() {
    let (sim, live) = start().await;
    let shipments = logistics(&live).shipments().unwrap();
    let request = request(&sim, "TW-2-1");
    sim.set_fault("dhl-express", None, Fault::DropAfter, 1);
    let error = shipments.create(&CallCx::keyed("book-2"), &request).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Indeterminate);
    let lag = live.connector.capabilities().bounds.visibility_lag_minutes.unwrap();
    sim.advance(Duration::from_secs(u64::from(lag) * 60));
    let found = shipments.find(&CallCx::new(), &request.id, request.ship_at).await.unwrap().unwrap();
    assert_eq!(parcels_of(&sim, "TW-2-1"), 1);
    assert!(sim.ledger().parcels["dhl-express"].contains_key(found.waybill.as_str()));
    // A label cannot be voided: said, not pretended.
    let void = shipments.void(&CallCx::keyed("void-2"), &found.waybill).await.unwrap_err();
    assert_eq!(void.kind(), Kind::Unsupported);
}

/// The booking is made and answered as a mere check of it is: no waybill, no label, and no error either.
#[tokio::test]
async fn half_an_answer_is_not_a_second_parcel() {
    let (sim, live) = start().await;
    let shipments = logistics(&live).shipments().unwrap();
    let request = request(&sim, "TW-3-1");
    let lie = |operation: &str| sim.set_fault("dhl-express", Some(operation), Fault::Lie, 1);
    lie("createShipment");
    let error = shipments.create(&CallCx::keyed("book-3"), &request).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Indeterminate);
    // Within the lag that the connector names, a search that stands behind may find nothing; after it, it does.
    let lag = live.connector.capabilities().bounds.visibility_lag_minutes.unwrap();
    let find = async || shipments.find(&CallCx::new(), &request.id, request.ship_at).await.unwrap();
    sim.advance(Duration::from_secs(600));
    lie("trackMany");
    assert_eq!(find().await, None);
    sim.advance(Duration::from_secs(u64::from(lag) * 60));
    lie("trackMany");
    let found = find().await.unwrap();
    assert_eq!(parcels_of(&sim, "TW-3-1"), 1);
    // Tracking that tells what was scanned by yesterday says less, and nothing that is not so.
    let tracking = logistics(&live).tracking().unwrap();
    let waybills = [found.waybill];
    let track = async || tracking.track(&CallCx::new(), &waybills).await.unwrap().remove(0).events;
    let mut said_less = false;
    for _ in 0..10 {
        sim.advance(Duration::from_secs(24 * 3_600));
        lie("track");
        let (yesterday, today) = (track().await, track().await);
        assert!(yesterday.iter().all(|e| today.contains(e)), "{yesterday:?} {today:?}");
        said_less |= yesterday.len() < today.len();
    }
    assert!(said_less);
    assert!(track().await.iter().any(|e| e.state == Some(TrackingState::Delivered)));
}

/// A pickup from 14:00 to 18:00 in Shenzhen, tomorrow.
fn tomorrow(sim: &Simulator) -> Pickup {
    let day = (sim.now() + Duration::from_secs(24 * 3_600)).to_string()[..10].to_owned();
    serde_json::from_value(json!({
        "at": sender(), "ready": format!("{day}T06:00:00Z"), "close": format!("{day}T10:00:00Z"), "parcels": parcels(),
    }))
    .unwrap()
}

/// The courier comes, and the number that calls him off is left out: nobody may order a second one blindly.
#[tokio::test]
async fn a_pickup_without_its_number_is_in_doubt() {
    let (sim, live) = start().await;
    let pickup = tomorrow(&sim);
    let pickups = logistics(&live).pickups().unwrap();
    sim.set_fault("dhl-express", Some("createPickup"), Fault::Lie, 1);
    let error = pickups.order(&CallCx::keyed("pickup-3"), &pickup).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Indeterminate);
}

#[tokio::test]
async fn a_pickup_is_ordered_and_called_off() {
    let (sim, live) = start().await;
    let pickup = tomorrow(&sim);
    let pickups = logistics(&live).pickups().unwrap();
    let confirmation = pickups.order(&CallCx::keyed("pickup-1"), &pickup).await.unwrap();
    assert!(!confirmation.is_empty());
    pickups.cancel(&CallCx::keyed("pickup-2"), &confirmation, "Demo Trading", "not ready").await.unwrap();
    live.assert_exchanges(2);
}
