//! What is counted, what orders hold of it, what leaves and what comes back.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tradewind_connector::Facet;
use tradewind_domain::{AccountId, Order, OrderState, ShipmentState};
use tradewind_gateway::Gateway;
use tradewind_gateway::catalogue::Problem;
use tradewind_gateway::orders::Pulled;
use tradewind_gateway::records::{
    OfferRecord, OrderRecord, Reservation, ReservationState, ShipmentRecord, Stage, StockRecord,
    reservation_key,
};
use tradewind_store::typed::{self, Versioned};
use tradewind_store::{Batch, Collection};

use crate::fakes::Fake;
use crate::fulfil::{Trade, order, stock};

const FILE: &str = "[[catalogue]]\npath = \"c.csv\"\n";

async fn shelf(gateway: &Gateway, sku: &str) -> StockRecord {
    typed::get::<StockRecord>(&*gateway.store, sku).await.unwrap().unwrap().value
}

/// On the shelf, promised, for sale.
async fn counts(gateway: &Gateway, sku: &str) -> (u32, u32, u32) {
    let s = shelf(gateway, sku).await;
    (s.on_hand, s.reserved, s.allotted.values().sum())
}

/// Imports a file with so many of each SKU. The bags of the shop are always in it, none of them counted.
async fn import(gateway: &Gateway, dir: &Path, rows: &[(&str, u32)]) -> Vec<Problem> {
    let mut file = "sku,product,title,price,currency,quantity,hs,origin,weight\n".to_owned();
    for (sku, units) in rows.iter().chain(&[("BAG-1", 0)]) {
        file += &format!("{sku},{sku}-P,Hat,36.00,EUR,{units},650500,CN,400\n");
    }
    std::fs::write(dir.join("c.csv"), file).unwrap();
    gateway.import(dir).await.unwrap().1
}

/// The order of three, of another SKU, in a state.
fn hats(state: OrderState, hour: u8) -> Order {
    let mut order = order(state, hour);
    order.lines[0].sku = Some("HAT-1".parse().unwrap());
    order
}

async fn reservation(t: &Trade) -> Versioned<Reservation> {
    let key = reservation_key(&"shop".parse().unwrap(), "A-1", "1");
    typed::get::<Reservation>(&*t.gateway.store, &key).await.unwrap().unwrap()
}

/// Ten hats are counted, four sell and go; the row is missing for one import and then back.
#[tokio::test]
async fn a_sku_that_comes_back_with_its_old_count_is_not_counted_again() {
    let (t, dir) = (Trade::with(FILE, &[], &[]).await, tempfile::tempdir().unwrap());
    import(&t.gateway, dir.path(), &[("HAT-1", 10)]).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (10, 0, 10));
    let mut four = hats(OrderState::ReadyToShip, 9);
    four.lines[0].quantity = 4;
    t.take(four.clone()).await;
    (four.state, four.updated_at.utc) = (OrderState::Shipped, "2026-08-01T11:00:00Z".parse().unwrap());
    t.take(four).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (6, 0, 6));
    import(&t.gateway, dir.path(), &[]).await;
    import(&t.gateway, dir.path(), &[("HAT-1", 10)]).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (6, 0, 6), "four of these ten are gone");
    // Another count is news, also of a SKU that was away.
    import(&t.gateway, dir.path(), &[]).await;
    import(&t.gateway, dir.path(), &[("HAT-1", 9)]).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (9, 0, 9));
}

/// Earlier versions kept the count with the product: gone with it, it only takes away, and is told.
#[tokio::test]
async fn a_count_of_which_the_last_one_is_not_known_only_takes_away() {
    for (counted, there, warned) in [(10, 6, 1), (6, 6, 0), (5, 5, 0)] {
        let (t, dir) = (Trade::with(FILE, &[], &[]).await, tempfile::tempdir().unwrap());
        let was =
            json!({"sku": "HAT-1", "on_hand": 6, "reserved": 0, "allotted": {"shop": 6}, "oversold": 0});
        let was: StockRecord = serde_json::from_value(was).unwrap();
        let mut batch = Batch::new();
        batch.put(&was).unwrap();
        t.gateway.store.commit(batch).await.unwrap();
        let warnings = import(&t.gateway, dir.path(), &[("HAT-1", counted)]).await;
        assert_eq!(counts(&t.gateway, "HAT-1").await, (there, 0, there), "{counted}");
        assert_eq!(warnings.len(), warned, "{warnings:?}");
        // The next one is compared with this.
        import(&t.gateway, dir.path(), &[("HAT-1", counted + 10)]).await;
        assert_eq!(counts(&t.gateway, "HAT-1").await, (counted + 10, 0, counted + 10));
    }
}

/// Six of ten bags are the part of an account whose [account.offers] was taken out: they are promised as long as it may show them.
#[tokio::test]
async fn units_of_an_account_that_sells_no_more_are_for_others_once_its_listing_is_down() {
    const READ: &str = "2026-08-01T10:00:00Z";
    let (shop, old): (AccountId, AccountId) = ("shop".parse().unwrap(), "old".parse().unwrap());
    let listing = |state: &str, asked: serde_json::Value, change: &str| {
        json!({"account": "old", "sku": "BAG-1", "desired": null, "asked": asked, "state": change, "plan": "", "listing": null,
            "read_at": READ, "note": null,
            "live": {"sku": "BAG-1", "state": state, "quantity": if state == "absent" { None } else { Some(6) }, "issues": []}})
    };
    let (offer, withdrawal) = (json!("offer"), json!("withdrawal"));
    // Whether the account is configured, its listing, what the shop has after an import at once and one after a pull.
    for (n, (configured, known, at_once, pulled)) in [
        (true, None, 10, 10),
        (true, Some(listing("live", offer.clone(), "live")), 4, 4),
        // Off sale, and not by our word: the channel may put it on again.
        (true, Some(listing("inactive", offer.clone(), "live")), 4, 4),
        (true, Some(listing("inactive", withdrawal.clone(), "live")), 4, 10),
        (true, Some(listing("absent", withdrawal.clone(), "live")), 4, 10),
        // Something that we sent may come late.
        (true, Some(listing("absent", offer, "indeterminate")), 4, 4),
        (false, Some(listing("absent", withdrawal, "live")), 4, 4),
    ]
    .into_iter()
    .enumerate()
    {
        let fake = Fake::new("old", &[Facet::Offers, Facet::Orders]);
        let more = if configured { vec![("old", fake)] } else { vec![] };
        let (t, dir) = (Trade::with(FILE, &more, &[]).await, tempfile::tempdir().unwrap());
        let mut bags = shelf(&t.gateway, "BAG-1").await;
        bags.allotted = [(shop.clone(), 4), (old.clone(), 6)].into();
        let mut batch = Batch::new();
        batch.put(&bags).unwrap();
        if let Some(known) = known {
            let offer: OfferRecord = serde_json::from_value(known).unwrap();
            batch.put(&offer).unwrap();
        }
        t.gateway.store.commit(batch).await.unwrap();
        // Pulled when it was read, and fourteen minutes later: what it sold before may turn up a quarter of an hour late.
        for wait in [0, 14] {
            t.gateway.clock.sleep(Duration::from_secs(60 * wait)).await;
            t.gateway.pull().await.unwrap();
            import(&t.gateway, dir.path(), &[]).await;
            assert_eq!(shelf(&t.gateway, "BAG-1").await.allotted_to(&shop), at_once, "{n}");
        }
        t.gateway.clock.sleep(Duration::from_secs(60)).await;
        t.gateway.pull().await.unwrap();
        import(&t.gateway, dir.path(), &[]).await;
        let bags = shelf(&t.gateway, "BAG-1").await;
        let all: u32 = bags.allotted.values().sum();
        assert_eq!((bags.allotted_to(&shop), bags.fresh_of(&shop), all), (pulled, pulled - 4, 10), "{n}");
    }
}

/// Three hats of an order that came in before anybody had imported them, ten on the shelf.
#[tokio::test]
async fn an_order_is_held_for_when_its_sku_is_imported_later() {
    let (t, dir) = (Trade::with(FILE, &[], &[Facet::Shipments]).await, tempfile::tempdir().unwrap());
    t.take(hats(OrderState::ReadyToShip, 9)).await;
    assert!(import(&t.gateway, dir.path(), &[("HAT-1", 10)]).await.is_empty());
    assert_eq!(counts(&t.gateway, "HAT-1").await, (10, 3, 7));
    let done = t.gateway.fulfil().await.unwrap();
    assert_eq!(done.confirmed, 1, "{done:?}");
    t.take(hats(OrderState::Shipped, 12)).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (7, 0, 7));
    // The shelf is counted: all seven are for sale.
    import(&t.gateway, dir.path(), &[("HAT-1", 7)]).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (7, 0, 7));
    // Two on the shelf, three promised.
    let (t, dir) = (Trade::with(FILE, &[], &[]).await, tempfile::tempdir().unwrap());
    t.take(hats(OrderState::ReadyToShip, 9)).await;
    let warnings = import(&t.gateway, dir.path(), &[("HAT-1", 2)]).await;
    assert!(warnings[0].to_string().contains("wait for 1 units of HAT-1 more than the 2"), "{warnings:?}");
    assert_eq!(counts(&t.gateway, "HAT-1").await, (2, 3, 0));
}

/// What had left when its SKU was counted first is not taken off that count.
#[tokio::test]
async fn what_left_before_its_sku_was_imported_was_not_counted() {
    let (t, dir) = (Trade::with(FILE, &[], &[]).await, tempfile::tempdir().unwrap());
    t.take(hats(OrderState::Shipped, 9)).await;
    // Another of three, of which one is gone: two are waited for.
    let mut part = hats(OrderState::PartiallyShipped, 9);
    part.id = "A-2".parse().unwrap();
    part.lines[0].shipped = 1;
    t.take(part).await;
    import(&t.gateway, dir.path(), &[("HAT-1", 10)]).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (10, 2, 8));
    t.take(hats(OrderState::Delivered, 12)).await;
    assert_eq!(counts(&t.gateway, "HAT-1").await, (10, 2, 8));
}

/// An earlier version reserved nothing for an order whose SKU was imported after it; its parcel took three of ten.
#[tokio::test]
async fn what_was_never_held_and_left_in_a_parcel_of_ours_leaves_the_stock() {
    let t = Trade::new(&[Facet::Shipments]).await;
    let mut batch = Batch::new();
    batch.delete(Collection::Reservations, reservation_key(&"shop".parse().unwrap(), "A-1", "1"));
    let mut none = t.one::<StockRecord>().await;
    none.release(3);
    none.allotted = [("shop".parse().unwrap(), 10)].into();
    batch.put(&none).unwrap();
    t.gateway.store.commit(batch).await.unwrap();
    t.gateway.fulfil().await.unwrap();
    assert_eq!(stock(&t).await, (10, 0, 10));
    t.take(order(OrderState::Shipped, 12)).await;
    assert_eq!(stock(&t).await, (7, 0, 7));
    t.take(order(OrderState::Delivered, 13)).await;
    assert_eq!(stock(&t).await, (7, 0, 7));
}

fn grown(state: OrderState, hour: u8, quantity: u32) -> Order {
    let mut order = order(state, hour);
    order.lines[0].quantity = quantity;
    order
}

/// A buyer takes five bags where it was three.
#[tokio::test]
async fn a_line_that_grows_holds_more() {
    let t = Trade::new(&[Facet::Shipments]).await;
    t.take(grown(OrderState::ReadyToShip, 10, 5)).await;
    assert_eq!(stock(&t).await, (10, 5, 5));
    t.gateway.fulfil().await.unwrap();
    assert_eq!(stock(&t).await, (5, 0, 5));
    // One more after they went: it is held, and told, for no parcel of ours takes it.
    let mut pulled = Pulled::default();
    t.gateway.take_order(grown(OrderState::PartiallyShipped, 11, 6), &mut pulled).await.unwrap();
    assert_eq!(stock(&t).await, (5, 1, 4));
    assert!(pulled.errors[0].contains("grew by 1 of BAG-1 after it was shipped"), "{pulled:?}");
    t.take(grown(OrderState::Shipped, 12, 6)).await;
    assert_eq!(stock(&t).await, (4, 0, 4));
    // Shipped by hand, all at once.
    let t = Trade::new(&[]).await;
    t.take(grown(OrderState::Shipped, 10, 5)).await;
    assert_eq!(stock(&t).await, (5, 0, 5));
}

/// The first pull finds three of which one had left: two are held, whatever is read later, and one of an earlier version does not
/// say so.
#[tokio::test]
async fn what_had_left_before_we_came_is_not_held_later() {
    for told in [true, false] {
        let t = Trade::with("", &[], &[]).await;
        let part = |hour: u8, quantity: u32| {
            let mut order = grown(OrderState::PartiallyShipped, hour, quantity);
            order.lines[0].shipped = 1;
            order
        };
        t.take(part(9, 3)).await;
        assert_eq!(stock(&t).await, (10, 2, 8));
        if !told {
            let mut held = reservation(&t).await;
            held.value.gone = None;
            let mut batch = Batch::new();
            batch.put_back(&held).unwrap();
            t.gateway.store.commit(batch).await.unwrap();
        }
        t.take(part(10, 3)).await;
        assert_eq!(stock(&t).await, (10, 2, 8), "{told}");
        t.take(part(11, 4)).await;
        assert_eq!(stock(&t).await, (10, 3, 7), "{told}");
        t.take(grown(OrderState::Shipped, 12, 4)).await;
        assert_eq!(stock(&t).await, (7, 0, 7), "{told}");
    }
}

#[tokio::test]
async fn units_that_are_not_there_are_told() {
    let t = Trade::with("", &[], &[]).await;
    let mut many = order(OrderState::ReadyToShip, 9);
    many.lines[0].quantity = 12;
    t.channel.other().orders.insert(many.id.clone(), many);
    let pulled = t.gateway.pull().await.unwrap();
    assert_eq!((pulled.oversold, pulled.failed), (2, 0), "{pulled:?}");
    assert!(pulled.errors[0].contains("order shop/A-1 takes 2 of BAG-1 that are not there"), "{pulled:?}");
    // Once.
    t.gateway.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(t.gateway.pull().await.unwrap().oversold, 0);
}

/// The courier has the parcel, the confirmation was refused, and the channel cancels: three of ten are not here.
#[tokio::test]
async fn units_that_are_with_the_carrier_do_not_go_on_sale_again() {
    for (state, there) in [
        (ShipmentState::LabelCreated, (10, 0, 10)),
        (ShipmentState::InTransit, (7, 0, 7)),
        (ShipmentState::Delivered, (7, 0, 7)),
        (ShipmentState::Voided, (10, 0, 10)),
    ] {
        let t = Trade::new(&[Facet::Shipments]).await;
        t.channel.other().fail.push(("ship", tradewind_connector::Kind::Rejected));
        t.gateway.fulfil().await.unwrap();
        assert_eq!(t.one::<OrderRecord>().await.stage, Stage::Stuck);
        let mut parcel = t.one::<ShipmentRecord>().await;
        parcel.state = state;
        let mut batch = Batch::new();
        batch.put(&parcel).unwrap();
        t.gateway.store.commit(batch).await.unwrap();
        t.take(order(OrderState::Cancelled, 12)).await;
        assert_eq!(stock(&t).await, there, "{state}");
        // It is on after all, for a person: what is gone is not held a second time.
        t.take(order(OrderState::ReadyToShip, 13)).await;
        let (on_hand, reserved, _) = stock(&t).await;
        assert_eq!((on_hand, reserved), (there.0, there.0 - 7), "{state}");
    }
}

/// One of three had left when the rest was cancelled.
#[tokio::test]
async fn what_left_is_not_given_back_by_a_cancellation() {
    let t = Trade::new(&[]).await;
    let mut rest = order(OrderState::Cancelled, 12);
    (rest.lines[0].shipped, rest.lines[0].cancelled) = (1, 2);
    t.take(rest).await;
    assert_eq!(stock(&t).await, (9, 0, 9));
    let held = reservation(&t).await.value;
    assert_eq!((held.state, held.quantity), (ReservationState::Shipped, 1));
    // A channel that counts what was refunded as cancelled, though it left.
    let t = Trade::new(&[]).await;
    let mut rest = order(OrderState::PartiallyShipped, 12);
    (rest.lines[0].shipped, rest.lines[0].cancelled) = (3, 1);
    t.take(rest).await;
    assert_eq!(stock(&t).await, (10, 3, 7));
}
