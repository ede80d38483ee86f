//! Fulfilment while the channel goes on: a cancellation that comes during a call is not overwritten, and a parcel whose
//! order was cancelled is voided or told of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tradewind_connector::{Connector, Facet, Kind, VirtualClock};
use tradewind_domain::{
    AccountId, ListingRef, ListingState, LiveListing, Order, OrderState, Product, ShipmentState,
};
use tradewind_gateway::config::Config;
use tradewind_gateway::orders::Pulled;
use tradewind_gateway::records::{
    OfferRecord, OrderRecord, ProductRecord, Reservation, ReservationState, ShipmentRecord, Stage,
    StockRecord,
};
use tradewind_gateway::{Engines, Gateway};
use tradewind_store::typed::{self, Record};
use tradewind_store::{Batch, Filter, KeySource, SqliteStore, Store};

use crate::fakes::Fake;

const CONFIG: &str = r#"
[[account]]
id = "shop"
connector = "fake"
[account.offers]
currency = "EUR"
[[account]]
id = "carrier"
connector = "fake"
[shipping]
from = { country = "DE" }
carrier = "carrier"
parcel_mm = [200, 150, 100]
"#;

pub(crate) struct Trade {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) channel: Arc<Fake>,
    pub(crate) carrier: Arc<Fake>,
    _dir: tempfile::TempDir,
}

/// Three units in an order of one line, to be shipped within a country.
pub(crate) fn order(state: OrderState, hour: u8) -> Order {
    let eur = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    serde_json::from_value(json!({
        "account": "shop", "id": "A-1", "placed_at": {"utc": "2026-08-01T08:00:00Z"},
        "updated_at": {"utc": format!("2026-08-01T{hour:02}:00:00Z")}, "state": state, "raw_status": state.to_string(),
        "currency": "EUR", "ship_to": {"country": "DE", "lines": ["Teststr. 1"]},
        "lines": [{"id": "1", "sku": "BAG-1", "quantity": 3, "unit_price": eur("36.00"), "total": eur("108.00"), "discount": eur("0.00")}],
        "shipping": eur("0.00"), "total": eur("108.00"), "refunded": eur("0.00")
    }))
    .unwrap()
}

impl Trade {
    /// The same store and world, an account taken out of the configuration.
    pub(crate) fn without(&self, id: &str) -> Gateway {
        let g = &self.gateway;
        let mut accounts = g.accounts.clone();
        accounts.remove(id).unwrap();
        Gateway {
            config: g.config.clone(),
            accounts,
            store: g.store.clone(),
            clock: g.clock.clone(),
            engines: g.engines.clone(),
        }
    }

    /// Ten bags on the shelf, all allotted to the shop, and an order for three of them.
    pub(crate) async fn new(carrier_can: &[Facet]) -> Trade {
        let trade = Trade::with("", &[], carrier_can).await;
        trade.take(order(OrderState::ReadyToShip, 9)).await;
        trade
    }

    /// Without an order; with lines more of `[shipping]`, and more accounts.
    pub(crate) async fn with(shipping: &str, more: &[(&str, Arc<Fake>)], carrier_can: &[Facet]) -> Trade {
        let dir = tempfile::tempdir().unwrap();
        let accounts: String = more
            .iter()
            .map(|(id, _)| format!("[[account]]\nid = \"{id}\"\nconnector = \"fake\"\n"))
            .collect();
        let config = Config::parse(&format!("{accounts}{CONFIG}{shipping}"), "tradewind.toml").unwrap();
        let key = KeySource::File(dir.path().join("key"));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir.path().join("t.db"), &key).unwrap());
        let bag: Product = serde_json::from_value(json!({"id": "BAG", "content": {"en": {"title": "Bag"}}, "variants": [
            {"sku": "BAG-1", "price": {"amount": "36.00", "currency": "EUR"}, "origin": "CN", "hs": "420222", "weight": 400}]}))
        .unwrap();
        let stock = StockRecord {
            on_hand: 10,
            allotted: [("shop".parse().unwrap(), 10)].into(),
            ..StockRecord::new("BAG-1".parse().unwrap())
        };
        let mut batch = Batch::new();
        batch.put(&ProductRecord(bag)).unwrap().put(&stock).unwrap();
        store.commit(batch).await.unwrap();
        let channel = Fake::new("shop", &[Facet::Offers, Facet::Orders, Facet::Ship, Facet::Webhooks]);
        let carrier = Fake::new("carrier", carrier_can);
        let mut accounts: BTreeMap<AccountId, Arc<dyn Connector>> =
            more.iter().map(|(id, fake)| (id.parse().unwrap(), fake.clone() as Arc<dyn Connector>)).collect();
        accounts.insert("shop".parse().unwrap(), channel.clone());
        accounts.insert("carrier".parse().unwrap(), carrier.clone());
        let engines = Arc::new(Engines::load(&config, dir.path()).unwrap());
        let clock = Arc::new(VirtualClock::starting("2026-08-01T10:00:00Z".parse().unwrap()));
        let gateway = Arc::new(Gateway { config, accounts, store, clock, engines });
        Trade { gateway, channel, carrier, _dir: dir }
    }

    pub(crate) async fn take(&self, order: Order) {
        self.gateway.take_order(order, &mut Pulled::default()).await.unwrap();
    }

    /// A cancellation that the pull brings in while a call is on its way.
    pub(crate) fn cancel_during(&self, fake: &Fake, call: &'static str) {
        let (gateway, channel) = (self.gateway.clone(), self.channel.clone());
        fake.before(call, move || async move {
            let cancelled = order(OrderState::Cancelled, 11);
            channel.other().orders.insert(cancelled.id.clone(), cancelled.clone());
            gateway.take_order(cancelled, &mut Pulled::default()).await.unwrap();
        });
    }

    pub(crate) async fn one<T: Record>(&self) -> T {
        let mut all = typed::list::<T>(&*self.gateway.store, Filter::all()).await.unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0).value
    }

    /// On the shelf, and promised.
    async fn shelf(&self) -> (u32, u32) {
        let s = self.one::<StockRecord>().await;
        (s.on_hand, s.reserved)
    }
}

#[tokio::test]
async fn units_leave_when_the_marketplace_knows() {
    let t = Trade::new(&[Facet::Shipments]).await;
    assert_eq!(t.shelf().await, (10, 3));
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.booked, done.confirmed, done.after_cancellation), (1, 1, 0), "{done:?}");
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed);
    assert_eq!(t.shelf().await, (7, 0));
}

#[tokio::test]
async fn a_confirmation_that_is_done_later_is_asked_about() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.channel.other().defer.extend(["ship", "told?"]);
    // Told, and then asked about: it works on it still.
    for round in 0..2 {
        let done = t.gateway.fulfil().await.unwrap();
        assert_eq!((done.confirmed, done.postponed), (0, 1), "{round}: {done:?}");
        let record = t.one::<OrderRecord>().await;
        assert_eq!((record.stage, record.confirm.unwrap().id.as_str()), (Stage::ToConfirm, "job-1"));
        assert_eq!(t.shelf().await, (10, 3));
    }
    assert_eq!(t.gateway.fulfil().await.unwrap().confirmed, 1);
    let record = t.one::<OrderRecord>().await;
    assert_eq!((record.stage, record.confirm), (Stage::Confirmed, None));
    assert_eq!(t.shelf().await, (7, 0));
    assert_eq!((t.channel.count("ship"), t.channel.count("told?")), (1, 2));
}

#[tokio::test]
async fn a_cancellation_during_the_booking_is_not_overwritten() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.cancel_during(&t.carrier, "book");
    let done = t.gateway.fulfil().await.unwrap();
    let record = t.one::<OrderRecord>().await;
    assert_eq!((record.stage, record.order.state), (Stage::Cancelled, OrderState::Cancelled));
    assert_eq!((done.booked, done.confirmed), (1, 0), "{done:?}");
    assert!(
        t.channel.other().shipped.is_empty(),
        "the marketplace is not told of a parcel that nobody wants"
    );
    assert_eq!(t.one::<Reservation>().await.state, ReservationState::Released);
    assert_eq!(t.shelf().await, (10, 0));
    // The label exists, the carrier cannot void it: both sides say so, once.
    assert_eq!(done.after_cancellation, 1, "{done:?}");
    let note = record.note.unwrap();
    assert!(note.contains("W1") && note.contains("keep it back"), "{note}");
    assert_eq!(t.one::<ShipmentRecord>().await.note.unwrap(), note);
    assert_eq!(t.gateway.fulfil().await.unwrap().after_cancellation, 0);
}

/// A channel took the order for cancelled, and the buyer paid after all.
#[tokio::test]
async fn an_order_that_is_on_after_all_is_shipped_and_its_units_are_held_again() {
    let t = Trade::new(&[Facet::Shipments]).await;
    assert_eq!(t.shelf().await, (10, 3));
    t.take(order(OrderState::Cancelled, 10)).await;
    assert_eq!(t.shelf().await, (10, 0));
    // However often it is told, three units are held.
    for hour in [11, 12] {
        t.take(order(OrderState::ReadyToShip, hour)).await;
        assert_eq!(t.one::<OrderRecord>().await.stage, Stage::ToBook);
        assert_eq!(t.shelf().await, (10, 3));
        let held = t.one::<Reservation>().await;
        assert_eq!((held.state, held.quantity), (ReservationState::Held, 3));
    }
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed);
    assert_eq!(t.shelf().await, (7, 0));
}

/// Its label is void: neither customs nor the marketplace hear of it, by itself or by a person's word.
#[tokio::test]
async fn an_order_that_is_on_again_after_its_parcel_was_called_back_is_for_a_person() {
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.cancel_during(&t.carrier, "book");
    assert_eq!(t.gateway.fulfil().await.unwrap().voided, 1);
    t.take(order(OrderState::ReadyToShip, 12)).await;
    let record = t.one::<OrderRecord>().await;
    assert_eq!(record.stage, Stage::Stuck);
    assert!(record.note.unwrap().contains("called back"));
    for _ in 0..2 {
        let done = t.gateway.fulfil().await.unwrap();
        assert_eq!((done.filed, done.confirmed, done.stuck), (0, 0, 1), "{done:?}");
    }
    let refused = t.gateway.try_again("shop/A-1").await.unwrap_err().to_string();
    assert!(refused.contains("called back"), "{refused}");
    // By hand, as it is asked for: what was reserved anew leaves.
    t.take(order(OrderState::Shipped, 13)).await;
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed);
    assert_eq!(stock(&t).await, (7, 0, 7));
}

/// Cancelled, and shipped by hand before the next pull: it left all the same.
#[tokio::test]
async fn a_cancelled_order_that_is_shipped_there_leaves_the_stock() {
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.cancel_during(&t.carrier, "book");
    t.gateway.fulfil().await.unwrap();
    t.take(order(OrderState::Shipped, 12)).await;
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed);
    assert_eq!(stock(&t).await, (7, 0, 7));
}

#[tokio::test]
async fn nothing_is_booked_for_an_order_that_is_held_back_meanwhile() {
    for state in [OrderState::OnHold, OrderState::PendingPayment, OrderState::Exception] {
        let t = Trade::new(&[Facet::Shipments]).await;
        t.take(order(state, 10)).await;
        t.gateway.fulfil().await.unwrap();
        assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Waiting, "{state}");
        assert!(t.carrier.other().labels.is_empty(), "{state}");
        t.take(order(OrderState::ReadyToShip, 11)).await;
        assert_eq!(t.one::<OrderRecord>().await.stage, Stage::ToBook, "{state}");
    }
}

#[tokio::test]
async fn a_cancellation_during_the_confirmation_releases_once() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.cancel_during(&t.channel, "ship");
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Cancelled);
    assert_eq!((done.confirmed, done.after_cancellation), (0, 1), "{done:?}");
    // Released by the pull: they did not leave as well.
    assert_eq!(t.one::<Reservation>().await.state, ReservationState::Released);
    assert_eq!(t.shelf().await, (10, 0));
}

#[tokio::test]
async fn a_sale_during_the_confirmation_stays_reserved() {
    let t = Trade::new(&[Facet::Shipments]).await;
    let gateway = t.gateway.clone();
    t.channel.before("ship", move || async move {
        let mut second = order(OrderState::PendingPayment, 11);
        second.id = "A-2".parse().unwrap();
        gateway.take_order(second, &mut Pulled::default()).await.unwrap();
    });
    t.gateway.fulfil().await.unwrap();
    // Three left, three more are promised.
    assert_eq!(t.shelf().await, (7, 3));
}

#[tokio::test]
async fn nothing_is_booked_for_an_order_cancelled_since_it_was_listed() {
    let t = Trade::new(&[Facet::Shipments]).await;
    let mut second = order(OrderState::ReadyToShip, 9);
    second.id = "A-2".parse().unwrap();
    t.take(second).await;
    // While the first parcel is booked, the second order is cancelled.
    let gateway = t.gateway.clone();
    t.carrier.before("book", move || async move {
        let mut cancelled = order(OrderState::Cancelled, 11);
        cancelled.id = "A-2".parse().unwrap();
        gateway.take_order(cancelled, &mut Pulled::default()).await.unwrap();
    });
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.carrier.other().labels.len(), 1);
}

#[tokio::test]
async fn a_label_is_voided_where_the_carrier_can() {
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.cancel_during(&t.carrier, "book");
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.voided, done.after_cancellation), (1, 0), "{done:?}");
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::Voided);
    assert!(t.one::<OrderRecord>().await.note.unwrap().contains("void"));
    assert_eq!(t.carrier.other().voided.len(), 1);
    // A lost answer is settled by looking: the label is gone.
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.cancel_during(&t.carrier, "book");
    t.carrier.other().fail.push(("void", Kind::Indeterminate));
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::VoidPending);
    // Not at once: an index that lags (by an hour, where nothing is said) may not show a young label yet.
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.voided, done.postponed), (0, 1), "{done:?}");
    t.gateway.clock.sleep(Duration::from_secs(61 * 60)).await;
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.voided, t.carrier.other().voided.len()), (1, 1), "{done:?}");
}

#[tokio::test]
async fn a_label_that_is_not_there_when_it_is_voided_again_is_void() {
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.cancel_during(&t.carrier, "book");
    t.carrier.other().fail.push(("void", Kind::Indeterminate));
    t.gateway.fulfil().await.unwrap();
    // The index still shows it, the carrier itself does not know it any more.
    let id = t.one::<ShipmentRecord>().await.request.id;
    let waybill = t.carrier.other().voided[0].clone();
    t.carrier.other().labels.insert(id, waybill);
    t.gateway.fulfil().await.unwrap();
    t.carrier.other().fail.push(("void", Kind::NotFound));
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.voided, done.after_cancellation), (1, 0), "{done:?}");
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::Voided);
}

#[tokio::test]
async fn a_label_is_not_lost_to_a_process_that_looks_for_it_during_the_booking() {
    let t = Trade::new(&[Facet::Shipments]).await;
    let gateway = t.gateway.clone();
    t.carrier.before("book", move || async move {
        // Not there yet: written on the parcel.
        gateway.fulfil().await.unwrap();
    });
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.booked, done.confirmed), (1, 1), "{done:?}");
    let parcel = t.one::<ShipmentRecord>().await;
    assert_eq!(parcel.booked.unwrap().waybill.as_str(), "W1");
    assert_eq!((parcel.state, parcel.missing_since), (ShipmentState::LabelCreated, None));
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed);
    // A carrier's refusal is not overwritten by the other's look either.
    let t = Trade::new(&[Facet::Shipments]).await;
    let (gateway, carrier) = (t.gateway.clone(), t.carrier.clone());
    t.carrier.before("book", move || async move {
        gateway.fulfil().await.unwrap();
        carrier.other().fail.push(("book", Kind::InvalidRequest));
    });
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Stuck);
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::Draft);
}

#[tokio::test]
async fn an_account_that_is_gone_stops_nobody_else() {
    let able = [Facet::Offers, Facet::Orders, Facet::Ship];
    let t = Trade::with("", &[("old", Fake::new("old", &able))], &[Facet::Shipments]).await;
    // In the order of their keys the old shop's come first: one to be confirmed, one that its buyer wants cancelled.
    for (id, state) in [("A-1", OrderState::ReadyToShip), ("A-2", OrderState::CancelRequested)] {
        let mut theirs = order(state, 9);
        (theirs.account, theirs.id) = ("old".parse().unwrap(), id.parse().unwrap());
        t.take(theirs).await;
    }
    t.take(order(OrderState::ReadyToShip, 9)).await;
    let done = t.without("old").fulfil().await.unwrap();
    assert_eq!((done.booked, done.confirmed, done.postponed), (2, 1, 2), "{done:?}");
    assert_eq!(done.gone, [("old".parse().unwrap(), 2)].into());
    assert!(done.notes.iter().any(|n| n.contains("'old' is not configured any more")), "{done:?}");
    // A carrier that is gone: its parcels are not tracked, and that is all.
    let done = t.without("carrier").fulfil().await.unwrap();
    assert!(done.gone.contains_key("carrier") && done.confirmed == 0, "{done:?}");
    // It is in the configuration again, and goes on.
    assert_eq!(t.gateway.fulfil().await.unwrap().confirmed, 1);
}

#[tokio::test]
async fn a_booking_that_failed_is_made_anew_from_the_order_of_now() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.carrier.other().fail.push(("book", Kind::Unavailable));
    assert_eq!(t.gateway.fulfil().await.unwrap().postponed, 1);
    // The buyer moves, and one of three bags is cancelled.
    let mut moved = order(OrderState::ReadyToShip, 11);
    moved.ship_to.as_mut().unwrap().lines = vec!["Neue Str. 2".to_owned()];
    moved.lines[0].cancelled = 1;
    t.take(moved).await;
    assert_eq!(t.gateway.fulfil().await.unwrap().booked, 1);
    let request = t.one::<ShipmentRecord>().await.request;
    assert_eq!(
        (&request.to.lines[0][..], request.invoice.total.to_string()),
        ("Neue Str. 2", "72.00 EUR".to_owned())
    );
    // Two bags of 400 g; the packing weighs nothing here.
    assert_eq!(request.parcels[0].weight.0, 800);
}

#[tokio::test]
async fn a_label_is_called_back_when_somebody_else_shipped_while_its_booking_was_in_doubt() {
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.carrier.other().fail.push(("book", Kind::Indeterminate));
    t.gateway.fulfil().await.unwrap();
    t.take(order(OrderState::Shipped, 11)).await;
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.booked, done.voided, done.confirmed), (1, 1, 0), "{done:?}");
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::Voided);
    let record = t.one::<OrderRecord>().await;
    assert_eq!(record.stage, Stage::Confirmed);
    assert!(record.note.unwrap().contains("shipped by somebody else"));
    assert_eq!(stock(&t).await, (7, 0, 7));
    // The news comes during the booking, and this carrier cannot void: told, and no courier fetches it.
    let t = Trade::new(&[Facet::Shipments]).await;
    let gateway = t.gateway.clone();
    t.carrier.before("book", move || async move {
        gateway.take_order(order(OrderState::Shipped, 11), &mut Pulled::default()).await.unwrap();
    });
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.booked, done.after_cancellation, done.confirmed), (1, 1, 0), "{done:?}");
    assert!(done.notes.iter().any(|n| n.contains("shipped by somebody else after parcel W1")), "{done:?}");
    assert!(t.gateway.waiting_for_courier().await.unwrap().is_empty());
    assert_eq!(t.gateway.fulfil().await.unwrap().after_cancellation, 0, "told once");
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Confirmed);
}

#[tokio::test]
async fn no_courier_fetches_a_parcel_whose_label_could_not_be_voided_yet() {
    let t = Trade::new(&[Facet::Shipments, Facet::VoidShipment]).await;
    t.cancel_during(&t.carrier, "book");
    t.carrier.other().fail.push(("void", Kind::Unavailable));
    t.gateway.fulfil().await.unwrap();
    assert_eq!(t.one::<ShipmentRecord>().await.state, ShipmentState::LabelCreated);
    assert!(t.gateway.waiting_for_courier().await.unwrap().is_empty());
}

/// On the shelf, promised, and what the shop may still sell of ten.
pub(crate) async fn stock(t: &Trade) -> (u32, u32, u32) {
    let s = t.one::<StockRecord>().await;
    (s.on_hand, s.reserved, s.allotted.values().sum())
}

#[tokio::test]
async fn what_leaves_without_a_parcel_of_ours_leaves_the_stock() {
    // Sold from our offers, shipped by hand: three of ten are gone.
    let t = Trade::new(&[Facet::Shipments]).await;
    t.take(order(OrderState::Shipped, 11)).await;
    assert_eq!(stock(&t).await, (7, 0, 7));
    assert_eq!(t.one::<Reservation>().await.state, ReservationState::Shipped);
    // Told again, they leave once.
    t.take(order(OrderState::Delivered, 12)).await;
    assert_eq!(stock(&t).await, (7, 0, 7));
}

#[tokio::test]
async fn nothing_is_held_for_what_had_left_or_stands_on_another_shelf() {
    // The first pull finds an order that was shipped before we came; it also holds none of it later.
    for end in [OrderState::Shipped, OrderState::Delivered, OrderState::AwaitingPickup] {
        let t = Trade::with("", &[], &[Facet::Shipments]).await;
        let shipped = order(end, 9);
        t.channel.other().orders.insert(shipped.id.clone(), shipped);
        assert_eq!(t.gateway.pull().await.unwrap().new, 1);
        assert_eq!(stock(&t).await, (10, 0, 10), "{end}");
        // One that was placed since, and was shipped before the next pull: sold from what we offer. (10:00 less the overlap
        // of a quarter of an hour is the beginning.)
        t.gateway.clock.sleep(Duration::from_secs(7_200)).await;
        let mut next = order(end, 11);
        next.id = "A-2".parse().unwrap();
        next.placed_at.utc = "2026-08-01T10:30:00Z".parse().unwrap();
        t.channel.other().orders.insert(next.id.clone(), next);
        assert_eq!(t.gateway.pull().await.unwrap().new, 1);
        assert_eq!(stock(&t).await, (7, 0, 7), "{end}");
    }
    // Shipped by the channel from its own shelf.
    let t = Trade::with("", &[], &[Facet::Shipments]).await;
    for state in [OrderState::ReadyToShip, OrderState::Shipped] {
        let mut theirs = order(state, if state == OrderState::Shipped { 10 } else { 9 });
        theirs.channel_fulfilled = true;
        t.take(theirs).await;
        assert_eq!(stock(&t).await, (10, 0, 10), "{state}");
    }
}

#[tokio::test]
async fn a_booking_in_doubt_is_found_although_its_order_was_cancelled() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.cancel_during(&t.carrier, "book");
    // The label was made, the answer was lost.
    t.carrier.other().fail.push(("book", Kind::Indeterminate));
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.booked, done.after_cancellation), (1, 1), "{done:?}");
    let record = t.one::<OrderRecord>().await;
    assert_eq!(record.stage, Stage::Cancelled);
    assert!(record.shipment.is_some() && record.note.unwrap().contains("W1"));
}

#[tokio::test]
async fn a_cancellation_found_by_reading_after_a_refusal_releases_the_units() {
    let t = Trade::new(&[Facet::Shipments]).await;
    // The pull has not seen it; the channel refuses the shipment of a cancelled order.
    let channel = t.channel.clone();
    t.channel.before("ship", move || async move {
        let cancelled = order(OrderState::Cancelled, 11);
        let mut other = channel.other();
        other.orders.insert(cancelled.id.clone(), cancelled);
        other.fail.push(("ship", Kind::Conflict));
    });
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.confirmed, done.after_cancellation), (0, 1), "{done:?}");
    assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Cancelled);
    assert_eq!(t.shelf().await, (10, 0));
    // The pull that comes later finds nothing left to do.
    t.gateway.clock.sleep(Duration::from_secs(7_200)).await;
    t.gateway.pull().await.unwrap();
    assert_eq!(t.shelf().await, (10, 0));
}

/// Read while a confirmation is settled, an order takes more than is there: nobody else tells it.
#[tokio::test]
async fn what_an_order_read_while_confirming_takes_too_much_is_told() {
    let t = Trade::new(&[Facet::Shipments]).await;
    let channel = t.channel.clone();
    t.channel.before("ship", move || async move {
        // Twelve of ten.
        let mut grown = order(OrderState::ReadyToShip, 11);
        grown.lines[0].quantity = 12;
        let mut other = channel.other();
        other.orders.insert(grown.id.clone(), grown);
        other.fail.push(("ship", Kind::Conflict));
    });
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!((done.confirmed, done.postponed, done.oversold), (0, 1, 2), "{done:?}");
    let told = "order shop/A-1 takes 2 of BAG-1 that are not there: get them, or cancel it on the channel";
    assert_eq!(done.notes.iter().filter(|n| *n == told).count(), 1, "{done:?}");
    // The pull finds it as it is known.
    t.gateway.clock.sleep(Duration::from_secs(7_200)).await;
    assert_eq!(t.gateway.pull().await.unwrap().oversold, 0);
}

/// Three bags of a cancelled order go back to the shop. Its channel shows ten again by itself, or seven: only what it does not
/// show may be added, once a reading later than all that we heard of tells (an overlap of 15 minutes on both sides).
#[tokio::test]
async fn units_of_a_cancelled_order_are_for_sale_again() {
    // Sold out, a listing may be off sale: nothing is shown there either.
    for (state, shown, fresh, most) in
        [(ListingState::Live, 10, 0, 10), (ListingState::Live, 7, 3, 10), (ListingState::Inactive, 0, 3, 3)]
    {
        let t = Trade::new(&[Facet::Shipments]).await;
        assert_eq!(stock(&t).await, (10, 3, 7));
        t.take(order(OrderState::Cancelled, 10)).await;
        assert_eq!(stock(&t).await, (10, 0, 10), "for sale, at the shop that had sold them");
        let shop: AccountId = "shop".parse().unwrap();
        show(&t, state, shown).await;
        // The read-back reads it once that can tell, and once.
        let read = async |minutes: u64| {
            t.gateway.clock.sleep(Duration::from_secs(60 * minutes)).await;
            t.gateway.settle().await.unwrap();
            t.channel.other().calls.iter().filter(|c| **c == "read").count()
        };
        let pull = async |minutes: u64| {
            t.gateway.clock.sleep(Duration::from_secs(60 * minutes)).await;
            t.gateway.pull().await.unwrap();
            let shelf = t.one::<StockRecord>().await;
            (shelf.fresh_of(&shop), shelf.returned.is_empty())
        };
        // Too early to read, then to pull.
        assert_eq!(read(14).await, 0);
        assert_eq!(pull(60).await, (0, false));
        assert_eq!((read(0).await, read(0).await), (1, 1));
        assert_eq!(pull(14).await, (0, false));
        assert_eq!(pull(1).await, (fresh, true), "{shown}");
        assert_eq!(t.one::<StockRecord>().await.may_show(&shop, shown), most);
    }
}

/// A listing that was read at this moment, and what its channel shows of it.
async fn show(t: &Trade, state: ListingState, shown: u32) {
    let listing = LiveListing {
        key: ListingRef { sku: "BAG-1".parse().unwrap(), listing: None },
        state,
        price: None,
        quantity: Some(shown),
        title: None,
        issues: Vec::new(),
    };
    let offer: OfferRecord = serde_json::from_value(json!({"account": "shop", "sku": "BAG-1", "desired": null,
        "state": "live", "plan": "", "listing": null, "live": listing, "read_at": t.gateway.now(), "note": null}))
    .unwrap();
    let mut batch = Batch::new();
    batch.put(&offer).unwrap();
    t.gateway.store.commit(batch).await.unwrap();
    t.channel.other().listings.insert(offer.sku.clone(), listing);
}

/// The courier has three of ten when their order is cancelled; its channel shows ten again by itself. That is read, so that a plan
/// sees it and lowers it to seven, and nothing is for sale that is not here.
#[tokio::test]
async fn a_listing_of_units_that_left_with_a_cancelled_order_is_read() {
    let t = Trade::new(&[Facet::Shipments]).await;
    show(&t, ListingState::Live, 7).await;
    t.channel.other().fail.push(("ship", Kind::Rejected));
    t.gateway.fulfil().await.unwrap();
    let mut parcel = t.one::<ShipmentRecord>().await;
    parcel.state = ShipmentState::InTransit;
    let mut batch = Batch::new();
    batch.put(&parcel).unwrap();
    t.gateway.store.commit(batch).await.unwrap();
    t.take(order(OrderState::Cancelled, 12)).await;
    t.channel.other().listings.get_mut("BAG-1").unwrap().quantity = Some(10);
    t.gateway.clock.sleep(Duration::from_secs(15 * 60)).await;
    t.gateway.settle().await.unwrap();
    let offer = t.one::<OfferRecord>().await;
    assert_eq!(offer.live.unwrap().quantity, Some(10), "as its channel shows it by now");
    // The pull that reaches past the reading is done with it, and nothing came back.
    t.gateway.clock.sleep(Duration::from_secs(15 * 60)).await;
    t.gateway.pull().await.unwrap();
    let shelf = t.one::<StockRecord>().await;
    let shop: AccountId = "shop".parse().unwrap();
    assert_eq!((shelf.on_hand, shelf.allotted_to(&shop), shelf.fresh_of(&shop)), (7, 7, 0));
    assert!(shelf.returned.is_empty());
}
