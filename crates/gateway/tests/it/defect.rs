//! A state that takes a step which its table lacks: a test stops at it, a running shop refuses it, tells it and goes on.

use tradewind_connector::{Facet, Kind};
use tradewind_domain::{OrderId, OrderState, ShipmentState};
use tradewind_gateway::records::{OrderRecord, ShipmentRecord, Stage};
use tradewind_store::Batch;
use tradewind_store::typed;

use crate::fulfil::{Trade, order};

/// Built as a shop runs it (`debug-assertions = false`), it ends; the panic of any other build is what it is for.
#[tokio::test]
#[cfg_attr(debug_assertions, should_panic(expected = "ShipmentState cannot go from Voided to CreatePending"))]
async fn a_step_that_cannot_be_books_nothing_and_stops_nobody_else() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.carrier.other().fail.push(("book", Kind::Unavailable));
    assert_eq!(t.gateway.fulfil().await.unwrap().booked, 0);
    // No flow makes such a parcel: its label is void, and it never had one.
    let parcel = ShipmentRecord { state: ShipmentState::Voided, ..t.one().await };
    let mut batch = Batch::new();
    batch.put(&parcel).unwrap();
    t.gateway.store.commit(batch).await.unwrap();
    let mut other = order(OrderState::ReadyToShip, 9);
    other.id = OrderId::new("B-1").unwrap();
    t.take(other).await;

    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.booked, done.confirmed, done.defects), (1, 1, 1), "{done:?}");
    let note = done.notes.iter().find(|n| n.contains("shop/A-1")).unwrap();
    assert!(note.contains("cannot go from Voided to CreatePending, and stays Voided"), "{note}");
    // The carrier heard of the first try, which failed, and of the other order's parcel.
    assert_eq!(t.carrier.count("book"), 2);
    let stays = typed::get::<ShipmentRecord>(&*t.gateway.store, parcel.request.id.as_str()).await.unwrap();
    assert_eq!(stays.unwrap().value, parcel);
    let stage = typed::get::<OrderRecord>(&*t.gateway.store, "shop/A-1").await.unwrap().unwrap().value.stage;
    assert_eq!(stage, Stage::ToBook);
}
