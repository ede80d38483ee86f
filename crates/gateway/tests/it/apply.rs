//! Plan and apply against a channel that goes on selling: what is sent never raises a listing, and only the plan that
//! was made is sent.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tradewind_connector::{Bounds, Facet, Handle, Kind, SystemClock, VirtualClock};
use tradewind_domain::{ChangeState, Product, Sku};
use tradewind_gateway::config::Config;
use tradewind_gateway::plan::{Action, Plan};
use tradewind_gateway::records::{JobFacet, JobRecord, OfferRecord, ProductRecord, StockRecord, offer_key};
use tradewind_gateway::{Engines, Gateway, GatewayError};
use tradewind_store::{Batch, Collection, Filter, KeySource, SqliteStore, Store, typed};

use crate::fakes::Fake;

pub(crate) const CONFIG: &str = r#"
[[account]]
id = "shop"
connector = "fake"
[account.offers]
currency = "EUR"
margin_floor = "0"
[[account]]
id = "carrier"
connector = "fake"
[shipping]
from = { country = "CN" }
carrier = "carrier"
parcel_mm = [200, 150, 100]
"#;

pub(crate) fn product(price: &str) -> ProductRecord {
    let eur = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    let bag: Product = serde_json::from_value(json!({"id": "BAG", "content": {"en": {"title": "Bag"}},
        "variants": [{"sku": "BAG-1", "price": eur(price), "cost": eur("6.00"), "hs": "420222", "origin": "CN", "quantity": 10}]}))
    .unwrap();
    ProductRecord(bag)
}

pub(crate) async fn put(gateway: &Gateway, product: &ProductRecord) {
    let mut batch = Batch::new();
    batch.put(product).unwrap();
    gateway.store.commit(batch).await.unwrap();
}

/// Ten bags of 36.00 EUR, live in one shop.
pub(crate) async fn shop(dir: &std::path::Path) -> (Gateway, Arc<Fake>) {
    let channel = Fake::new("shop", &FACETS);
    let gateway = stocked(dir, channel.clone()).await;
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.create, 1, "{plan:?}");
    gateway.apply(&plan).await.unwrap();
    gateway.settle().await.unwrap();
    assert_eq!(channel.other().listings[&sku()].quantity, Some(10));
    (gateway, channel)
}

pub(crate) const FACETS: [Facet; 3] = [Facet::Offers, Facet::Stock, Facet::Listings];

/// Ten bags of 36.00 EUR for a shop that shows nothing yet.
pub(crate) async fn stocked(dir: &std::path::Path, channel: Arc<Fake>) -> Gateway {
    let config = Config::parse(CONFIG, "tradewind.toml").unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&dir.join("t.db"), &KeySource::File(dir.join("key"))).unwrap());
    let stock = StockRecord {
        on_hand: 10,
        allotted: [("shop".parse().unwrap(), 10)].into(),
        ..StockRecord::new(sku())
    };
    let mut batch = Batch::new();
    batch.put(&product("36.00")).unwrap().put(&stock).unwrap();
    store.commit(batch).await.unwrap();
    let engines = Arc::new(Engines::load(&config, dir).unwrap());
    let clock = Arc::new(VirtualClock::starting("2026-08-01T10:00:00Z".parse().unwrap()));
    let accounts = [("shop".parse().unwrap(), channel as Arc<dyn tradewind_connector::Connector>)];
    Gateway { config, accounts: accounts.into(), store, clock, engines }
}

pub(crate) fn sku() -> Sku {
    "BAG-1".parse().unwrap()
}

fn sell(channel: &Fake, units: u32) {
    let mut other = channel.other();
    let listing = other.listings.get_mut(&sku()).unwrap();
    listing.quantity = listing.quantity.map(|q| q - units);
}

#[tokio::test]
async fn an_update_never_raises_a_listing_over_sales_that_were_not_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    put(&gateway, &product("40.00")).await;
    let plan = gateway.plan().await.unwrap();
    let Some(Action::Update { offer, .. }) = &plan.changes[0].action else { panic!("{plan:?}") };
    assert_eq!(offer.quantity, 10, "as it was read when it went live");
    // Four are sold, the orders are not imported.
    sell(&channel, 4);
    let applied = gateway.apply(&plan).await.unwrap();
    assert_eq!((applied.accepted, applied.postponed), (1, 0), "{applied:?}");
    let live = channel.other().listings[&sku()].clone();
    // 10 − 4; the price is the new one.
    assert_eq!((live.quantity, live.price.unwrap().amount().as_str()), (Some(6), "40.00"));
    // What was sent is what is now intended: the read-back finds it live.
    let (settled, _) = gateway.settle().await.unwrap();
    assert_eq!(settled.live, 1, "{settled:?}");
}

/// Two shops, each with five of the ten bags live. The first one's channel does not answer before the second one's was asked.
#[tokio::test]
async fn a_slow_channel_keeps_no_other_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Fake::new("shop", &FACETS), Fake::new("stall", &FACETS));
    let mut gateway = stocked(dir.path(), one.clone()).await;
    let stall = "[[account]]\nid = \"stall\"\nconnector = \"fake\"\n[account.offers]\ncurrency = \"EUR\"\nmargin_floor = \"0\"\n";
    gateway.config = Config::parse(&format!("{CONFIG}{stall}"), "tradewind.toml").unwrap();
    gateway.accounts.insert("stall".parse().unwrap(), two.clone());
    // On a virtual clock there is no at once.
    gateway.clock = Arc::new(SystemClock);
    let halves = StockRecord {
        allotted: [("shop".parse().unwrap(), 5), ("stall".parse().unwrap(), 5)].into(),
        on_hand: 10,
        ..StockRecord::new(sku())
    };
    let mut batch = Batch::new();
    batch.put(&halves).unwrap();
    gateway.store.commit(batch).await.unwrap();
    let (asked, heard) = tokio::sync::oneshot::channel();
    one.before("put", || async { heard.await.unwrap() });
    two.before("put", || async { asked.send(()).unwrap() });
    let plan = gateway.plan().await.unwrap();
    let applied = tokio::time::timeout(Duration::from_secs(60), gateway.apply(&plan)).await;
    assert_eq!(applied.expect("the second shop waits for the first").unwrap().accepted, 2);
}

/// A delivery of six: sixteen on the shelf.
pub(crate) async fn deliver_six(gateway: &Gateway) {
    let shelf = typed::get::<StockRecord>(&*gateway.store, sku().as_str()).await.unwrap();
    let mut shelf = shelf.unwrap();
    shelf.value.recount(16);
    shelf.value.allot(&gateway.stock_parts(), 0);
    let mut batch = Batch::new();
    batch.put_back(&shelf).unwrap();
    gateway.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn a_delivery_raises_a_listing_and_not_over_sales_that_were_not_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    deliver_six(&gateway).await;
    let plan = gateway.plan().await.unwrap();
    assert_eq!((plan.totals.raise, plan.totals.update), (1, 0), "{plan:?}");
    // Four are sold, the orders are not imported.
    sell(&channel, 4);
    let applied = gateway.apply(&plan).await.unwrap();
    assert_eq!((applied.accepted, applied.postponed), (1, 0), "{applied:?}");
    // 10 − 4 + 6, which with the four that are sold makes the sixteen.
    assert_eq!(channel.other().listings[&sku()].quantity, Some(12));
    let (settled, _) = gateway.settle().await.unwrap();
    assert_eq!(settled.live, 1, "{settled:?}");
    // Only once.
    sell(&channel, 1);
    gateway.refresh(&"shop".parse().unwrap()).await.unwrap();
    let plan = gateway.plan().await.unwrap();
    assert!(plan.changes.is_empty(), "{plan:?}");
}

#[tokio::test]
async fn a_raise_that_failed_is_made_later_and_one_in_doubt_is_not_made_twice() {
    // The channel's answer, whether the units are to be shown still, whether the next plan does it.
    for (kind, again, planned) in [
        (Kind::Unavailable, 1, 1),
        // It sold meanwhile.
        (Kind::Conflict, 1, 1),
        // Said in the plan, and not sent again as it was.
        (Kind::Rejected, 1, 0),
        (Kind::Indeterminate, 0, 0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, channel) = shop(dir.path()).await;
        deliver_six(&gateway).await;
        let plan = gateway.plan().await.unwrap();
        channel.other().fail.push(("stock", kind));
        gateway.apply(&plan).await.unwrap();
        gateway.settle().await.unwrap();
        let shelf = typed::get::<StockRecord>(&*gateway.store, sku().as_str()).await.unwrap().unwrap();
        let fresh = shelf.value.fresh_of(&"shop".parse().unwrap());
        assert_eq!(fresh, 6 * again, "{kind:?}");
        assert_eq!(gateway.plan().await.unwrap().totals.raise, planned, "{kind:?}");
    }
}

/// The answer to a submission in bulk is lost; the channel may work on it for three hours (`apply::judge::PROCESSING`).
#[tokio::test]
async fn a_first_load_in_doubt_is_not_listed_again_while_it_may_still_take_effect() {
    let dir = tempfile::tempdir().unwrap();
    let channel = Fake::bounded("shop", &FACETS, Bounds { bulk_from: Some(1), ..Bounds::default() });
    let gateway = stocked(dir.path(), channel.clone()).await;
    let plan = gateway.plan().await.unwrap();
    channel.other().fail.push(("list", Kind::Indeterminate));
    assert_eq!(gateway.apply(&plan).await.unwrap().indeterminate, 1);
    // At once, and 2 h 59 min later: nothing to be seen of it, and nothing is sent a second time.
    for minutes in [0, 2 * 60 + 59] {
        gateway.clock.sleep(Duration::from_secs(minutes * 60)).await;
        let (settled, _) = gateway.settle().await.unwrap();
        assert_eq!((settled.waiting, settled.again), (1, 0), "after {minutes} min");
        assert_eq!(gateway.plan().await.unwrap().totals.create, 0, "after {minutes} min");
    }
    // 3 h 1 min: it will not come any more.
    gateway.clock.sleep(Duration::from_secs(2 * 60)).await;
    let (settled, _) = gateway.settle().await.unwrap();
    assert_eq!((settled.waiting, settled.again), (0, 1));
    assert_eq!(gateway.plan().await.unwrap().totals.create, 1);
    assert_eq!(channel.count("list"), 1);
}

/// The same account puts a few listings one by one: such a call can be read back at once.
#[tokio::test]
async fn a_single_listing_in_doubt_is_settled_at_once_also_where_first_loads_go_in_bulk() {
    let dir = tempfile::tempdir().unwrap();
    let channel = Fake::bounded("shop", &FACETS, Bounds { bulk_from: Some(2), ..Bounds::default() });
    let gateway = stocked(dir.path(), channel.clone()).await;
    channel.other().fail.push(("put", Kind::Indeterminate));
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().indeterminate, 1);
    // It was not carried out.
    let mut late = channel.other().listings.remove(&sku()).unwrap();
    let (settled, _) = gateway.settle().await.unwrap();
    assert_eq!((settled.waiting, settled.again), (0, 1), "{settled:?}");
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.create, 1);
    // Or it was, and comes late: nine of its ten are sold before it is put again, and are not put up a second time.
    late.quantity = Some(1);
    channel.other().listings.insert(sku(), late);
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(1));
}

#[tokio::test]
async fn an_update_that_cannot_be_read_first_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    put(&gateway, &product("40.00")).await;
    let plan = gateway.plan().await.unwrap();
    channel.other().fail.push(("read", Kind::Unavailable));
    let applied = gateway.apply(&plan).await.unwrap();
    assert_eq!((applied.accepted, applied.postponed), (0, 1), "{applied:?}");
    assert_eq!(channel.other().listings[&sku()].price.unwrap().amount(), "36.00");
    // Sold out and taken down by the channel: nothing is put up again on old knowledge.
    channel.other().listings.clear();
    let applied = gateway.apply(&plan).await.unwrap();
    assert_eq!((applied.accepted, applied.postponed), (0, 1), "{applied:?}");
    assert!(channel.other().listings.is_empty());
}

/// Four variants, live in one shop.
async fn four_bags(dir: &std::path::Path, channel: &Arc<Fake>) -> Gateway {
    let gateway = stocked(dir, channel.clone()).await;
    let mut bags = product("36.00");
    for n in 2..=4 {
        let mut variant = bags.0.variants[0].clone();
        variant.sku = format!("BAG-{n}").parse().unwrap();
        bags.0.variants.push(variant);
    }
    put(&gateway, &bags).await;
    for n in 2..=4 {
        let stock = StockRecord {
            on_hand: 10,
            allotted: [("shop".parse().unwrap(), 10)].into(),
            ..StockRecord::new(format!("BAG-{n}").parse().unwrap())
        };
        let mut batch = Batch::new();
        batch.put(&stock).unwrap();
        gateway.store.commit(batch).await.unwrap();
    }
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.create, 4, "{plan:?}");
    gateway.apply(&plan).await.unwrap();
    gateway.settle().await.unwrap();
    gateway
}

/// One listing of a sweep is odd: the others are read, it is named, and what is known of it stays, also where it is not
/// found by its name. Without a sweep it is the same.
#[tokio::test]
async fn a_listing_that_cannot_be_read_keeps_back_no_other_and_is_not_gone() {
    for (lost, bounds) in [
        (false, Bounds { sweep_from: Some(3), ..Bounds::default() }),
        (true, Bounds { sweep_from: Some(3), ..Bounds::default() }),
        (false, Bounds::default()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let channel = Fake::bounded("shop", &FACETS, bounds);
        let gateway = four_bags(dir.path(), &channel).await;
        let shop = "shop".parse().unwrap();
        let odd: Sku = "BAG-3".parse().unwrap();
        {
            let mut other = channel.other();
            other.odd_listings.push(odd.clone());
            other.lost = lost;
            for sku in [&sku(), &odd] {
                let one = Some(tradewind_domain::Money::parse("1.00", "EUR".parse().unwrap()).unwrap());
                other.listings.get_mut(sku).unwrap().price = one;
            }
        }
        let done = gateway.refresh(&shop).await.unwrap();
        assert_eq!(done.read, 3, "{done:?}");
        let told: Vec<String> = done.unread.iter().map(ToString::to_string).collect();
        assert!(
            told.len() == 1 && told[0].contains("listing BAG-3") && told[0].contains("no price"),
            "{told:?}"
        );
        // It stands as it was known; the one whose price was changed behind our back is put right.
        let stored: OfferRecord =
            typed::get(&*gateway.store, &offer_key(&shop, &odd)).await.unwrap().unwrap().value;
        assert_eq!(stored.live.unwrap().price.unwrap().amount(), "36.00");
        let plan = gateway.plan().await.unwrap();
        let changed: Vec<&str> = plan.changes.iter().map(|c| c.sku.as_str()).collect();
        assert_eq!(changed, ["BAG-1"], "{plan:?}");
    }
}

#[tokio::test]
async fn many_listings_are_refreshed_in_one_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let channel = Fake::new("shop", &FACETS);
    let gateway = four_bags(dir.path(), &channel).await;
    // Four are known. One price is changed behind our back; one listing is on no page of the sweep, one is gone.
    {
        let mut other = channel.other();
        other.listings.get_mut(&sku()).unwrap().price =
            Some(tradewind_domain::Money::parse("1.00", "EUR".parse().unwrap()).unwrap());
        other.listings.remove(&"BAG-3".parse::<Sku>().unwrap());
        other.hidden.push("BAG-4".parse().unwrap());
        other.calls.clear();
    }
    assert_eq!(gateway.refresh(&"shop".parse().unwrap()).await.unwrap().read, 4);
    // Two pages, and by name what was on none.
    assert_eq!(channel.other().calls, ["sweep", "sweep", "read"]);
    let plan = gateway.plan().await.unwrap();
    let mut changed: Vec<(String, &str)> = plan
        .changes
        .iter()
        .map(|c| {
            (
                c.sku.to_string(),
                if matches!(c.action, Some(Action::Create { .. })) { "create" } else { "update" },
            )
        })
        .collect();
    changed.sort();
    assert_eq!(changed, [("BAG-1".to_owned(), "update"), ("BAG-3".to_owned(), "create")], "{plan:?}");
}

/// An offer as it is stored.
pub(crate) async fn offer(gateway: &Gateway) -> OfferRecord {
    typed::get(&*gateway.store, &offer_key(&"shop".parse().unwrap(), &sku())).await.unwrap().unwrap().value
}

#[tokio::test]
async fn what_is_sent_while_listings_are_read_is_not_overwritten() {
    // By name, and in a sweep (`sweep_from` of one).
    for bounds in [Bounds::default(), Bounds { sweep_from: Some(1), ..Bounds::default() }] {
        let dir = tempfile::tempdir().unwrap();
        let channel = Fake::bounded("shop", &FACETS, bounds.clone());
        let gateway = stocked(dir.path(), channel.clone()).await;
        gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
        gateway.settle().await.unwrap();
        put(&gateway, &product("40.00")).await;
        let gateway = Arc::new(gateway);
        // Another process applies a new price while this one reads; the answer to it is lost.
        let (other, at) = (gateway.clone(), channel.clone());
        let call = if bounds.sweep_from.is_some() { "sweep" } else { "read" };
        channel.before(call, move || async move {
            let plan = other.plan().await.unwrap();
            at.other().fail.push(("put", Kind::Indeterminate));
            assert_eq!(other.apply(&plan).await.unwrap().indeterminate, 1);
        });
        assert_eq!(gateway.refresh(&"shop".parse().unwrap()).await.unwrap().read, 1);
        let stored = offer(&gateway).await;
        assert_eq!(stored.state, ChangeState::Indeterminate, "{call}");
        assert_eq!(stored.desired.unwrap().price.amount(), "40.00", "{call}");
        assert_eq!(stored.live.unwrap().price.unwrap().amount(), "40.00", "{call}: as it was read");
    }
}

#[tokio::test]
async fn what_is_sent_while_a_read_back_is_on_its_way_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    put(&gateway, &product("40.00")).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    put(&gateway, &product("41.00")).await;
    let gateway = Arc::new(gateway);
    let (other, at) = (gateway.clone(), channel.clone());
    channel.before("read", move || async move {
        // Another process finds the price of 40.00 live, and applies the next one; the answer is lost.
        assert_eq!(other.settle().await.unwrap().0.live, 1);
        other.clock.sleep(Duration::from_secs(60)).await;
        let plan = other.plan().await.unwrap();
        at.other().fail.push(("put", Kind::Indeterminate));
        assert_eq!(other.apply(&plan).await.unwrap().indeterminate, 1);
    });
    // What was read for the price of 40.00 says nothing of the one of 41.00.
    let (settled, _) = gateway.settle().await.unwrap();
    assert_eq!((settled.live, settled.waiting), (0, 1), "{settled:?}");
    let stored = offer(&gateway).await;
    assert_eq!(stored.state, ChangeState::Indeterminate);
    assert_eq!(stored.desired.unwrap().price.amount(), "41.00");
    assert_eq!(gateway.settle().await.unwrap().0.live, 1);
}

#[tokio::test]
async fn what_is_being_sent_is_left_alone_by_who_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let channel = Fake::new("shop", &FACETS);
    let gateway = Arc::new(stocked(dir.path(), channel.clone()).await);
    let other = gateway.clone();
    channel.before("put", move || async move {
        // Not to be seen yet, and not therefore to be put up again.
        let (settled, _) = other.settle().await.unwrap();
        assert_eq!((settled.waiting, settled.again), (1, 0), "{settled:?}");
        assert_eq!(other.plan().await.unwrap().totals.create, 0);
    });
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().accepted, 1);
    assert_eq!(offer(&gateway).await.state, ChangeState::Accepted);
    // A process that died in the call: after ten minutes what is to be seen counts.
    let mut died = offer(&gateway).await;
    died.state = ChangeState::Sent;
    let mut batch = Batch::new();
    batch.put(&died).unwrap();
    gateway.store.commit(batch).await.unwrap();
    assert_eq!(gateway.settle().await.unwrap().0.waiting, 1);
    gateway.clock.sleep(Duration::from_secs(600)).await;
    assert_eq!(gateway.settle().await.unwrap().0.live, 1);
}

#[tokio::test]
async fn a_listing_is_put_up_with_no_more_than_may_be_sold_by_then() {
    for bounds in [
        Bounds { offers_batch: Some(1), ..Bounds::default() },
        Bounds { bulk_from: Some(1), bulk_batch: Some(1), ..Bounds::default() },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let channel = Fake::bounded("shop", &FACETS, bounds.clone());
        let gateway = stocked(dir.path(), channel.clone()).await;
        let mut bags = product("36.00");
        for n in 2..=3 {
            let mut variant = bags.0.variants[0].clone();
            variant.sku = format!("BAG-{n}").parse().unwrap();
            bags.0.variants.push(variant);
        }
        put(&gateway, &bags).await;
        let shelf = |n: u32, left: u32| StockRecord {
            on_hand: 10,
            reserved: 10 - left,
            allotted: [("shop".parse().unwrap(), left)].into(),
            ..StockRecord::new(format!("BAG-{n}").parse().unwrap())
        };
        let store = gateway.store.clone();
        let write = async move |left: [u32; 2]| {
            let mut batch = Batch::new();
            batch.put(&shelf(2, left[0])).unwrap().put(&shelf(3, left[1])).unwrap();
            store.commit(batch).await.unwrap();
        };
        write([10, 10]).await;
        let plan = gateway.plan().await.unwrap();
        assert_eq!(plan.totals.create, 3, "{plan:?}");
        // While the first goes up, six of the second and all of the third are sold elsewhere.
        let call = if bounds.bulk_from.is_some() { "list" } else { "put" };
        channel.before(call, move || async move { write([4, 0]).await });
        let applied = gateway.apply(&plan).await.unwrap();
        assert_eq!((applied.accepted, applied.postponed), (2, 1), "{call}: {applied:?}");
        let key = offer_key(&"shop".parse().unwrap(), &"BAG-2".parse().unwrap());
        let second = typed::get::<OfferRecord>(&*gateway.store, &key).await.unwrap().unwrap().value;
        assert_eq!(second.desired.unwrap().quantity, 4, "{call}");
    }
}

#[tokio::test]
async fn a_channel_that_is_away_when_it_is_read_back_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    put(&gateway, &product("40.00")).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    channel.other().fail.push(("read", Kind::Unavailable));
    let (settled, asked) = gateway.settle().await.unwrap();
    assert_eq!((settled.waiting, settled.unread), (1, 1));
    assert_eq!(asked.errors.len(), 1, "{asked:?}");
}

/// The plan as its file holds it, changed by a hand.
async fn edited(gateway: &Gateway, plan: &Plan, edit: impl FnOnce(&mut Value)) -> Result<u32, GatewayError> {
    let mut file = serde_json::to_value(plan).unwrap();
    edit(&mut file);
    let read: Plan = serde_json::from_str(&file.to_string()).unwrap();
    gateway.apply(&read).await.map(|a| a.accepted)
}

#[tokio::test]
async fn a_plan_that_was_edited_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    // From 36.00 to 90.00 is a jump of 150 %: stopped.
    put(&gateway, &product("90.00")).await;
    let plan = gateway.plan().await.unwrap();
    assert!(plan.changes[0].stop.is_some(), "{plan:?}");
    let refused = |r| matches!(r, Err(GatewayError::Edited { .. }));
    let let_go = |file: &mut Value| drop(file["changes"][0].as_object_mut().unwrap().remove("stop"));
    assert!(refused(edited(&gateway, &plan, let_go).await));
    let more = |file: &mut Value| file["changes"][0]["offer"]["quantity"] = json!(99);
    assert!(refused(edited(&gateway, &plan, more).await));
    // A quantity that is no quantity would read as a change without an action.
    let broken = |file: &mut Value| file["changes"][0]["offer"]["quantity"] = json!("many");
    assert!(refused(edited(&gateway, &plan, broken).await));
    assert_eq!(channel.other().listings[&sku()].price.unwrap().amount(), "36.00");
    // The file as it was written, of a plan with every kind of value in it, is taken.
    put(&gateway, &product("40.00")).await;
    let plan = gateway.plan().await.unwrap();
    assert_eq!(edited(&gateway, &plan, |_| ()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_plan_is_stale_when_the_goods_leave_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (mut gateway, _channel) = shop(dir.path()).await;
    put(&gateway, &product("40.00")).await;
    let plan = gateway.plan().await.unwrap();
    // Duty is asked by where the goods come from: the same plan is another one.
    let moved = CONFIG.replace("from = { country = \"CN\" }", "from = { country = \"DE\" }");
    gateway.config = Config::parse(&moved, "tradewind.toml").unwrap();
    let told = gateway.apply(&plan).await.unwrap_err();
    assert!(matches!(told, GatewayError::Stale(_)), "{told}");
}

/// A count is of the day it was written: only another count is news, also of a SKU that moved to another product.
#[tokio::test]
async fn a_sku_that_moves_to_another_product_is_not_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = stocked(dir.path(), Fake::new("shop", &FACETS)).await;
    let config = format!("[[catalogue]]\npath = \"c.csv\"\n{CONFIG}");
    gateway.config = Config::parse(&config, "tradewind.toml").unwrap();
    let import = async |product: &str, count: u32| {
        let rows =
            format!("sku,product,title,price,currency,quantity\nBAG-1,{product},Bag,36.00,EUR,{count}\n");
        std::fs::write(dir.path().join("c.csv"), rows).unwrap();
        gateway.import(dir.path()).await.unwrap();
        let shelf = typed::get::<StockRecord>(&*gateway.store, "BAG-1").await.unwrap().unwrap().value;
        (shelf.on_hand, shelf.allotted.values().sum::<u32>())
    };
    // Four of the ten are sold and gone.
    let mut shelf = typed::get::<StockRecord>(&*gateway.store, "BAG-1").await.unwrap().unwrap();
    shelf.value.reserve(&"shop".parse().unwrap(), 4);
    shelf.value.ship(4);
    let mut batch = Batch::new();
    batch.put_back(&shelf).unwrap();
    gateway.store.commit(batch).await.unwrap();
    assert_eq!(import("BAG", 10).await, (6, 6));
    assert_eq!(import("LUGGAGE", 10).await, (6, 6));
    assert_eq!(import("LUGGAGE", 9).await, (9, 9));
}

/// The bag was sent in a submission that an account works on.
async fn submitted(gateway: &Gateway, account: &str) {
    let key = offer_key(&"shop".parse().unwrap(), &sku());
    let mut offer = typed::get::<OfferRecord>(&*gateway.store, &key).await.unwrap().unwrap().value;
    offer.state = ChangeState::Sent;
    offer.sent_at = Some(gateway.now());
    let (flow, id, step) = ("feed".to_owned(), "F1".to_owned(), "poll".to_owned());
    let job = JobRecord {
        facet: JobFacet::Offers,
        id: format!("{account}/1"),
        account: account.parse().unwrap(),
        handle: Handle { flow, id, step, state: json!(null), not_before: None },
        skus: vec![sku()],
    };
    let mut batch = Batch::new();
    batch.put(&offer).unwrap().put(&job).unwrap();
    gateway.store.commit(batch).await.unwrap();
}

async fn jobs(gateway: &Gateway) -> usize {
    typed::list::<JobRecord>(&*gateway.store, Filter::all()).await.unwrap().len()
}

#[tokio::test]
async fn a_submission_that_nobody_will_tell_of_is_settled_by_reading() {
    for kind in [Kind::NotFound, Kind::InvalidRequest, Kind::Unsupported, Kind::UnknownCode] {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, channel) = shop(dir.path()).await;
        submitted(&gateway, "shop").await;
        channel.other().fail.push(("job", kind));
        let (settled, applied) = gateway.settle().await.unwrap();
        assert_eq!(
            (settled.live, applied.indeterminate, applied.deferred),
            (1, 1, 0),
            "{kind:?} {applied:?}"
        );
        assert_eq!(jobs(&gateway).await, 0, "{kind:?}");
    }
    // An outage says nothing of it: asked again, for three days from when it was sent.
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    submitted(&gateway, "shop").await;
    for (hours, left) in [(0, 1), (72, 1), (1, 0)] {
        gateway.clock.sleep(Duration::from_secs(hours * 3_600)).await;
        channel.other().fail.push(("job", Kind::Unavailable));
        gateway.settle().await.unwrap();
        assert_eq!(jobs(&gateway).await, left, "{hours}");
    }
}

#[tokio::test]
async fn a_submission_of_an_account_that_is_gone_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, _) = shop(dir.path()).await;
    submitted(&gateway, "old").await;
    let (_, applied) = gateway.settle().await.unwrap();
    assert_eq!((applied.deferred, jobs(&gateway).await), (1, 1));
    assert!(applied.errors[0].contains("account 'old' is not configured any more"), "{applied:?}");
}

/// Two submissions and two listings that are not known to be live: the channel says once that it knows the account no more.
#[tokio::test]
async fn an_account_that_its_channel_knows_no_more_is_asked_once() {
    for kind in [Kind::NeedsReauth, Kind::AccountSuspended] {
        let dir = tempfile::tempdir().unwrap();
        let one_by_one = Bounds { listings_batch: Some(1), ..Bounds::default() };
        let channel = Fake::bounded("shop", &FACETS, one_by_one);
        let gateway = stocked(dir.path(), channel.clone()).await;
        gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
        submitted(&gateway, "shop").await;
        let job = typed::list::<JobRecord>(&*gateway.store, Filter::all()).await.unwrap().remove(0).value;
        let mut batch = Batch::new();
        batch.put(&JobRecord { id: "shop/2".to_owned(), ..job }).unwrap();
        for sku in ["BAG-2", "BAG-3"] {
            let key = offer_key(&"shop".parse().unwrap(), &crate::apply::sku());
            let known = typed::get::<OfferRecord>(&*gateway.store, &key).await.unwrap().unwrap().value;
            let state = ChangeState::Accepted;
            batch.put(&OfferRecord { sku: sku.parse().unwrap(), state, ..known }).unwrap();
        }
        gateway.store.commit(batch).await.unwrap();
        channel.other().calls.clear();
        channel.other().fail.push(("job", kind));
        let (settled, applied) = gateway.settle().await.unwrap();
        assert_eq!(channel.other().calls, ["job"], "{kind:?}");
        assert_eq!((applied.deferred, settled.waiting, settled.unread), (2, 2, 2), "{kind:?} {applied:?}");
        assert_eq!((jobs(&gateway).await, applied.errors.len()), (2, 1), "{applied:?}");
        // The same where it is the listings that are asked for first.
        let mut batch = Batch::new();
        for n in 1..=2 {
            batch.delete(Collection::Jobs, format!("shop/{n}"));
        }
        gateway.store.commit(batch).await.unwrap();
        channel.other().calls.clear();
        channel.other().fail.push(("read", kind));
        let (settled, applied) = gateway.settle().await.unwrap();
        assert_eq!(
            (channel.other().calls.clone(), settled.unread),
            (vec!["read"], 2),
            "{kind:?} {applied:?}"
        );
    }
}
