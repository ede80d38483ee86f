//! Between its label and its leaving: what keeps a parcel back, and what is never done twice.

use serde_json::json;
use tradewind_connector::{Facet, Kind};
use tradewind_domain::{DeclarationState, Order, OrderState, ShipmentState, TrackingState, Waybill};
use tradewind_gateway::Gateway;
use tradewind_gateway::fulfil::Fulfilled;
use tradewind_gateway::records::{DeclarationRecord, OrderRecord, ShipmentRecord, Stage, StockRecord};
use tradewind_store::{Batch, Filter, typed};

use crate::customs;
use crate::fulfil::{Trade, order, stock};

const KEY: &str = "shop/A-1";
/// What may come of an order after its label was booked.
const HELD: [OrderState; 4] =
    [OrderState::OnHold, OrderState::PendingPayment, OrderState::Exception, OrderState::CancelRequested];

/// On the heap: a test that turns many rounds has a stack of two megabytes.
async fn round(t: &Trade) -> Fulfilled {
    Box::pin(t.gateway.fulfil()).await.unwrap()
}

async fn stage(t: &Trade) -> Stage {
    t.one::<OrderRecord>().await.stage
}

/// Three bags, their label booked; the marketplace could not be told yet.
async fn labelled() -> Trade {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.channel.other().fail.push(("ship", Kind::Unavailable));
    let done = round(&t).await;
    assert_eq!((done.booked, done.confirmed, t.channel.count("ship")), (1, 0, 1), "{done:?}");
    assert_eq!(t.gateway.waiting_for_courier().await.unwrap().len(), 1);
    t
}

#[tokio::test]
async fn a_parcel_whose_order_is_held_after_its_label_was_booked_is_kept_back() {
    for state in HELD {
        let t = labelled().await;
        t.take(order(state, 11)).await;
        for _ in 0..2 {
            let done = round(&t).await;
            assert_eq!((done.confirmed, done.kept_back, t.channel.count("ship")), (0, 1, 1), "{done:?}");
            let told = done.notes.iter().find(|n| n.contains("keep the parcel back")).unwrap();
            assert!(told.contains(KEY) && told.contains("W1") && told.contains(&state.to_string()), "{told}");
            assert!(t.gateway.waiting_for_courier().await.unwrap().is_empty(), "{state}");
        }
        t.take(order(OrderState::ReadyToShip, 12)).await;
        assert_eq!(t.gateway.waiting_for_courier().await.unwrap().len(), 1, "{state}");
        assert_eq!(round(&t).await.confirmed, 1, "{state}");
        // It counts as sent: no round would tell that it is kept back.
        t.take(order(state, 13)).await;
        assert_eq!(t.gateway.waiting_for_courier().await.unwrap().len(), 1, "{state}");
    }
    // With the carrier it is too late: the marketplace is told what happened.
    for (tracking, with_it) in SCANS {
        let t = labelled().await;
        t.take(order(OrderState::OnHold, 11)).await;
        scanned(&t, tracking).await;
        let done = round(&t).await;
        assert_eq!((done.confirmed, done.kept_back), (with_it, 1 - with_it), "{tracking:?}");
    }
}

/// What scans tell of a parcel whose label stands, and whether its carrier has it. One that was called off or that nothing more is
/// told of is with nobody that we know of.
const SCANS: [(TrackingState, u32); 4] = [
    (TrackingState::InTransit, 1),
    (TrackingState::InfoReceived, 0),
    (TrackingState::Cancelled, 0),
    (TrackingState::Expired, 0),
];

async fn scanned(t: &Trade, tracking: TrackingState) {
    let parcel = ShipmentRecord { tracking, ..t.one().await };
    let mut batch = Batch::new();
    batch.put(&parcel).unwrap();
    t.gateway.store.commit(batch).await.unwrap();
}

/// The same rule says what a cancellation gives back: of ten bags three left with the parcel, or go on sale again.
#[tokio::test]
async fn a_cancelled_orders_units_are_here_unless_its_carrier_has_them() {
    for (tracking, with_it) in SCANS {
        let t = labelled().await;
        scanned(&t, tracking).await;
        t.take(order(OrderState::Cancelled, 11)).await;
        let left = 10 - 3 * with_it;
        assert_eq!(stock(&t).await, (left, 0, left), "{tracking:?}");
    }
}

/// An order that changes in what its lines do not say takes no shelf: another order's sale is not overtaken by it.
#[tokio::test]
async fn a_shelf_that_an_order_does_not_change_is_not_written() {
    let t = labelled().await;
    let version = async || {
        let shelf = typed::get::<StockRecord>(&*t.gateway.store, "BAG-1").await.unwrap().unwrap();
        shelf.version
    };
    let before = version().await;
    t.take(order(OrderState::OnHold, 11)).await;
    assert_eq!(version().await, before);
    t.take(order(OrderState::Cancelled, 12)).await;
    assert_ne!(version().await, before);
}

#[tokio::test]
async fn nothing_is_filed_or_goes_on_from_customs_for_an_order_that_is_held() {
    let (t, customs) = customs::trade().await;
    let take = async |state: OrderState, hour: u8| {
        let mut paid = order(state, hour);
        paid.payments = customs::paid();
        t.take(paid).await;
    };
    customs.other().fail.push(("file", Kind::Unavailable));
    round(&t).await;
    assert_eq!((stage(&t).await, customs.count("file")), (Stage::ToDeclare, 1));
    take(OrderState::PendingPayment, 10).await;
    let done = round(&t).await;
    assert!(done.notes.iter().any(|n| n.contains("keep the parcel back")), "{done:?}");
    assert_eq!(customs.count("file"), 1);
    take(OrderState::ReadyToShip, 11).await;
    assert_eq!(round(&t).await.filed, 1);
    // Released while its buyer wants out.
    take(OrderState::CancelRequested, 12).await;
    let released = customs::to_declaration(&customs, DeclarationState::Released);
    customs.other().receipts.push(released);
    let done = round(&t).await;
    assert_eq!((stage(&t).await, t.channel.count("ship")), (Stage::Declared, 0), "{done:?}");
    assert_eq!(t.one::<DeclarationRecord>().await.state, DeclarationState::Released);
    take(OrderState::ReadyToShip, 13).await;
    let done = round(&t).await;
    assert_eq!((done.released, done.confirmed), (1, 1), "{done:?}");
}

type Change = fn(&mut Order);

/// Three bags are in the parcel, and it goes where the order said.
const CHANGES: [(Change, &str); 3] = [
    (|o| o.ship_to.as_mut().unwrap().lines = vec!["Neue Str. 2".to_owned()], "another address (street)"),
    (|o| o.ship_to.as_mut().unwrap().city = Some("Kiel".to_owned()), "another address (city)"),
    (|o| o.lines[0].cancelled = 1, "2 of line 1 instead of 3"),
];

fn changed(change: Change, hour: u8) -> Order {
    let mut now = order(OrderState::ReadyToShip, hour);
    change(&mut now);
    now
}

#[tokio::test]
async fn a_parcel_that_is_not_what_its_order_is_by_now_is_for_a_person() {
    for (change, why) in CHANGES {
        let t = labelled().await;
        t.take(changed(change, 11)).await;
        assert!(t.gateway.waiting_for_courier().await.unwrap().is_empty(), "{why}");
        for _ in 0..2 {
            let done = round(&t).await;
            assert_eq!((done.stuck, done.confirmed, t.channel.count("ship")), (1, 0, 1), "{done:?}");
            let told = done.notes.iter().find(|n| n.contains("is stuck")).unwrap();
            assert!(told.contains(why) && told.contains("fulfil --again shop/A-1"), "{told}");
            assert!(!told.contains("Neue Str.") && !told.contains("Kiel"), "notes are in the open: {told}");
        }
        // As it was: it goes on by itself.
        t.take(order(OrderState::ReadyToShip, 12)).await;
        assert_eq!(round(&t).await.confirmed, 1, "{why}");
    }
    // What a channel does not tell any more did not change; a telephone is not where it goes.
    let t = labelled().await;
    let silent = |o: &mut Order| {
        let to = o.ship_to.as_mut().unwrap();
        (to.lines, to.phone) = (Vec::new(), Some("+49 40 123".to_owned()));
    };
    t.take(changed(silent, 11)).await;
    assert_eq!(round(&t).await.confirmed, 1);
}

#[tokio::test]
async fn a_person_lets_a_parcel_go_though_its_order_changed() {
    for (change, why) in CHANGES {
        let t = labelled().await;
        t.take(changed(change, 11)).await;
        round(&t).await;
        assert_eq!(Box::pin(t.gateway.try_again(KEY)).await.unwrap(), Stage::ToConfirm);
        assert_eq!(round(&t).await.confirmed, 1, "{why}");
    }
    // For the order of that moment alone.
    let t = labelled().await;
    t.take(changed(CHANGES[2].0, 11)).await;
    round(&t).await;
    Box::pin(t.gateway.try_again(KEY)).await.unwrap();
    t.take(changed(CHANGES[0].0, 12)).await;
    assert_eq!(round(&t).await.stuck, 1);
}

/// The same store and world; `[shipping.customs]` names nobody any more.
fn without_customs(t: &Trade) -> Gateway {
    let mut gateway = t.without("customs");
    gateway.config.shipping.as_mut().unwrap().customs.clear();
    gateway
}

#[tokio::test]
async fn an_order_that_was_to_be_declared_waits_for_a_person_when_no_customs_are_named_any_more() {
    let (t, customs) = customs::trade().await;
    // Booked while the customs' account was away.
    t.without("customs").fulfil().await.unwrap();
    assert_eq!(stage(&t).await, Stage::ToDeclare);
    let gateway = without_customs(&t);
    for hour in [10, 11] {
        let done = gateway.fulfil().await.unwrap();
        assert_eq!((done.stuck, stage(&t).await), (1, Stage::Stuck), "{done:?}");
        let why = "[shipping.customs] names no account for DE";
        assert!(done.notes.iter().any(|n| n.contains(why)), "{done:?}");
        // However the order changes: nobody is told that it left.
        let mut changed = order(OrderState::ReadyToShip, hour);
        changed.payments = customs::paid();
        t.take(changed).await;
    }
    assert_eq!((customs.count("file"), t.channel.count("ship")), (0, 0));
    assert_eq!(round(&t).await.filed, 1);
    // What was begun with them stays with them: asked for, not filed elsewhere.
    let (t, customs) = customs::trade().await;
    customs.other().fail.push(("file", Kind::Unavailable));
    round(&t).await;
    let mut gateway = without_customs(&t);
    gateway.accounts = t.gateway.accounts.clone();
    assert_eq!(gateway.fulfil().await.unwrap().filed, 1);
}

#[tokio::test]
async fn a_deferred_booking_whose_job_the_carrier_does_not_know_is_looked_up_and_not_made_again() {
    for kind in [Kind::NotFound, Kind::InvalidRequest, Kind::Unsupported] {
        let t = Trade::new(&[Facet::Shipments]).await;
        t.carrier.other().defer.push("book");
        round(&t).await;
        assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::LabelPending);
        // Not in its index yet.
        let labels = std::mem::take(&mut t.carrier.other().labels);
        t.carrier.other().fail.push(("label?", kind));
        let done = round(&t).await;
        assert_eq!(
            (done.stuck, done.postponed, stage(&t).await),
            (0, 1, Stage::ToBook),
            "{kind:?}: {done:?}"
        );
        assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::CreateUnknown, "{kind:?}");
        t.carrier.other().labels = labels;
        let done = round(&t).await;
        assert_eq!((done.booked, done.confirmed), (1, 1), "{kind:?}: {done:?}");
        assert_eq!((t.carrier.count("book"), t.carrier.count("label?")), (1, 1), "{kind:?}");
    }
}

#[tokio::test]
async fn a_second_label_is_kept_where_it_is_found_again() {
    let t = Trade::new(&[Facet::Shipments]).await;
    let (gateway, carrier) = (t.gateway.clone(), t.carrier.clone());
    t.carrier.before("book", move || async move {
        // Another process finds a label of this reference; then the booking makes one of its own.
        let all = typed::list::<ShipmentRecord>(&*gateway.store, Filter::all()).await.unwrap();
        carrier.other().labels.insert(all[0].value.request.id.clone(), Waybill::new("W9").unwrap());
        gateway.fulfil().await.unwrap();
    });
    let done = round(&t).await;
    assert!(done.notes.iter().any(|n| n.contains("two labels, W9 and W2")), "{done:?}");
    let parcel = t.one::<ShipmentRecord>().await;
    let spare: Vec<&str> = parcel.spare.iter().map(Waybill::as_str).collect();
    assert_eq!((parcel.booked.unwrap().waybill.as_str(), spare), ("W9", vec!["W2"]));
    let history = t.gateway.history(&"shop".parse().unwrap(), "A-1").await.unwrap().unwrap();
    assert!(
        history.timeline.iter().any(|h| h.what.contains("two labels W9 and W2: void one")),
        "{history:?}"
    );
}

#[tokio::test]
async fn a_marketplace_that_answers_and_shows_the_order_open_is_not_told_for_ever() {
    for (kind, stage_then) in [
        (Kind::Duplicate, Stage::Stuck),
        (Kind::Conflict, Stage::Stuck),
        // No answer proves nothing.
        (Kind::Indeterminate, Stage::ToConfirm),
    ] {
        let t = Trade::new(&[Facet::Shipments]).await;
        let open = order(OrderState::ReadyToShip, 9);
        t.channel.other().orders.insert(open.id.clone(), open);
        for n in 1..=5 {
            assert_ne!(stage(&t).await, Stage::Stuck, "{n}");
            t.channel.other().fail.push(("ship", kind));
            round(&t).await;
        }
        let record = t.one::<OrderRecord>().await;
        assert_eq!((record.stage, t.channel.count("ship")), (stage_then, 5), "{kind:?}");
        if stage_then == Stage::Stuck {
            assert!(record.note.unwrap().contains("told 5 times"));
            round(&t).await;
            assert_eq!(t.channel.count("ship"), 5, "{kind:?}");
            Box::pin(t.gateway.try_again(KEY)).await.unwrap();
        }
        assert_eq!(round(&t).await.confirmed, 1, "{kind:?}");
    }
}

/// As versions before wrote it.
#[test]
fn a_parcel_of_an_earlier_version_is_read() {
    let eur = json!({"amount": "0.00", "currency": "EUR"});
    let parcel: ShipmentRecord = serde_json::from_value(json!({"account": "carrier", "order": KEY, "state": "label_created",
        "request": {"id": "TW1", "order": "A-1", "from": {"country": "DE"}, "to": {"country": "DE"}, "parcels": [], "contents": [],
            "incoterm": "DAP", "invoice": {"number": "TW1", "date": "2026-08-01", "total": eur, "freight": eur},
            "ship_at": "2026-08-01T10:00:00Z"},
        "booked": null, "events": [], "tracking": "unknown", "missing_since": null, "attempt": 1, "handle": null}))
    .unwrap();
    assert!(
        !parcel.declares
            && parcel.ordered.is_empty()
            && parcel.spare.is_empty()
            && parcel.agreed.is_none()
            && parcel.tracked_at.is_none()
    );
}
