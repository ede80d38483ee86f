//! Listings that were there and are gone, or came late: what they sold that nobody has heard of is not put up a second time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tradewind_connector::{Bounds, Facet, Kind};
use tradewind_domain::{ListingRef, ListingState, LiveListing, Money, OrderState};
use tradewind_gateway::Gateway;
use tradewind_gateway::config::Config;
use tradewind_gateway::records::{Gone, OfferRecord};
use tradewind_store::{Batch, Collection};

use crate::apply::{CONFIG, FACETS, deliver_six, offer, product, put, shop, sku, stocked};
use crate::fakes::Fake;
use crate::fulfil::order;
use crate::overlap::left;

async fn minutes(gateway: &Gateway, n: u64) {
    gateway.clock.sleep(Duration::from_secs(n * 60)).await;
}

async fn drop_product(gateway: &Gateway) {
    let mut batch = Batch::new();
    batch.delete(Collection::Products, "BAG");
    gateway.store.commit(batch).await.unwrap();
}

/// Ten bags are live, three are sold that we have not heard of. They leave the catalogue, are taken down and come back.
async fn taken_down(dir: &std::path::Path, facets: &[Facet]) -> (Gateway, Arc<Fake>) {
    let channel = Fake::new("shop", facets);
    let mut gateway = stocked(dir, channel.clone()).await;
    let config = format!("[guard]\nmass_delete = \"1\"\n{CONFIG}");
    gateway.config = Config::parse(&config, "tradewind.toml").unwrap();
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    gateway.settle().await.unwrap();
    channel.other().listings.get_mut(&sku()).unwrap().quantity = Some(7);
    let sold = order(OrderState::ReadyToShip, 9);
    channel.other().orders.insert(sold.id.clone(), sold);
    drop_product(&gateway).await;
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.withdraw, 1, "{plan:?}");
    gateway.apply(&plan).await.unwrap();
    gateway.settle().await.unwrap();
    put(&gateway, &product("36.00")).await;
    (gateway, channel)
}

#[tokio::test]
async fn a_listing_that_was_taken_down_is_put_up_again_when_all_it_sold_is_heard_of() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = taken_down(dir.path(), &[&FACETS[..], &[Facet::Orders]].concat()).await;
    let gone = offer(&gateway).await.gone;
    assert_eq!(gone, Gone::Since("2026-08-01T10:00:00Z".parse().unwrap()));
    // Nothing was pulled since; then it was, but orders turn up a quarter of an hour late.
    for wait in [0, 14] {
        minutes(&gateway, wait).await;
        let plan = gateway.plan().await.unwrap();
        assert_eq!(plan.totals.create, 1, "{plan:?}");
        let applied = gateway.apply(&plan).await.unwrap();
        assert_eq!((applied.accepted, applied.postponed), (0, 1), "{wait}: {applied:?}");
        assert!(
            applied.errors[0].contains("BAG-1 at shop waits: its listing was seen to be gone"),
            "{applied:?}"
        );
        assert!(channel.other().listings.is_empty());
        // The listing is read again meanwhile, and is gone since it was first.
        gateway.refresh(&"shop".parse().unwrap()).await.unwrap();
        assert_eq!(offer(&gateway).await.gone, gone);
        assert_eq!(gateway.pull().await.unwrap().new, u32::from(wait == 0));
    }
    // 10:15 less the overlap is 10:00.
    minutes(&gateway, 1).await;
    gateway.pull().await.unwrap();
    let applied = gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    assert_eq!((applied.accepted, applied.postponed), (1, 0), "{applied:?}");
    // 10 less the 3 that the order holds.
    assert_eq!(channel.other().listings[&sku()].quantity, Some(7));
    gateway.settle().await.unwrap();
    assert_eq!(offer(&gateway).await.gone, Gone::No);
}

/// Its channel tells no orders: there is nothing to wait for.
#[tokio::test]
async fn a_listing_of_a_channel_without_orders_does_not_wait_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = taken_down(dir.path(), &FACETS).await;
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().accepted, 1);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(10));
}

/// Earlier versions did not write since when: at the latest since the last reading.
#[test]
fn a_record_of_an_earlier_version_is_gone_since_it_was_last_read() {
    let at = "2026-08-01T10:00:00Z";
    for (state, quantity, gone) in [
        ("absent", None, Gone::Since(at.parse().unwrap())),
        ("inactive", None, Gone::Since(at.parse().unwrap())),
        ("inactive", Some(3), Gone::No),
        ("live", Some(3), Gone::No),
    ] {
        let live = json!({"sku": "BAG-1", "state": state, "quantity": quantity, "issues": []});
        let offer = json!({"sku": "BAG-1", "product": "BAG", "quantity": 3, "price": {"amount": "36.00", "currency": "EUR"},
            "locale": "en", "content": {"title": "Bag"}});
        let read: OfferRecord = serde_json::from_value(
            json!({"account": "shop", "sku": "BAG-1", "desired": offer, "state": "live",
            "plan": "", "listing": null, "live": live, "read_at": at, "note": null}),
        )
        .unwrap();
        assert_eq!(read.gone, gone, "{state}");
        // As this version writes it, it is read as it is.
        let again: OfferRecord = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }
}

/// The answer to a first load is lost; it comes after more than three hours, when it is intended again, and sells three.
#[tokio::test]
async fn a_first_load_that_comes_late_is_read_before_it_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let channel = Fake::bounded("shop", &FACETS, Bounds { bulk_from: Some(1), ..Bounds::default() });
    let gateway = stocked(dir.path(), channel.clone()).await;
    channel.other().fail.push(("list", Kind::Indeterminate));
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    minutes(&gateway, 3 * 60 + 1).await;
    assert_eq!(gateway.settle().await.unwrap().0.again, 1);
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.create, 1);
    let late = LiveListing {
        key: ListingRef { sku: sku(), listing: None },
        state: ListingState::Live,
        price: Some(Money::parse("36.00", "EUR".parse().unwrap()).unwrap()),
        quantity: Some(7),
        title: Some("Bag".to_owned()),
        issues: Vec::new(),
    };
    channel.other().listings.insert(sku(), late);
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(7));
    assert_eq!(channel.count("list"), 1);
}

/// Its record does not say that it was sent (an earlier version wrote it), but that it was seen: it may have sold as well.
#[tokio::test]
async fn a_listing_that_was_seen_and_is_gone_is_not_listed_again_in_bulk_before_its_orders_are_heard_of() {
    let dir = tempfile::tempdir().unwrap();
    let facets = [&FACETS[..], &[Facet::Orders]].concat();
    let channel = Fake::bounded("shop", &facets, Bounds { bulk_from: Some(1), ..Bounds::default() });
    let gateway = stocked(dir.path(), channel.clone()).await;
    let at = gateway.now();
    let seen = OfferRecord {
        live: Some(LiveListing::absent(ListingRef { sku: sku(), listing: None })),
        read_at: Some(at),
        gone: Gone::Since(at),
        ..OfferRecord::new("shop".parse().unwrap(), sku())
    };
    let mut batch = Batch::new();
    batch.put(&seen).unwrap();
    gateway.store.commit(batch).await.unwrap();
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.create, 1, "{plan:?}");
    let applied = gateway.apply(&plan).await.unwrap();
    assert_eq!((applied.accepted, applied.postponed, channel.count("list")), (0, 1, 0), "{applied:?}");
    // Twice the quarter of an hour that orders may be late.
    minutes(&gateway, 30).await;
    gateway.pull().await.unwrap();
    let applied = gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    assert_eq!((applied.accepted, channel.count("list")), (1, 0), "{applied:?}");
}

/// What is not sent is counted, and said; but nothing has to be lowered of what is not there.
#[tokio::test]
async fn a_quantity_that_cannot_be_set_now_is_counted() {
    for (raise, there) in [(true, true), (false, true), (false, false)] {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, channel) = shop(dir.path()).await;
        if raise {
            deliver_six(&gateway).await
        } else {
            left(&gateway, 6).await
        }
        let plan = gateway.plan().await.unwrap();
        assert_eq!((plan.totals.raise, plan.totals.lower), (u32::from(raise), u32::from(!raise)), "{plan:?}");
        {
            let mut other = channel.other();
            let listing = other.listings.get_mut(&sku()).unwrap();
            match raise {
                true => listing.state = ListingState::Inactive,
                false => listing.quantity = None,
            }
            if !there {
                other.listings.clear();
            }
        }
        let applied = gateway.apply(&plan).await.unwrap();
        assert_eq!((applied.accepted, applied.postponed), (0, u32::from(there)), "{applied:?}");
        let told = applied.errors.iter().any(|e| e.starts_with("BAG-1 at shop: its quantity is not set"));
        assert_eq!(told, there, "{applied:?}");
    }
}
