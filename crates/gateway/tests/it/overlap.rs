//! Two writes of one listing: one after the other, at the same time; one that was refused, one that is done later, and one that
//! takes its siblings with it.

use std::sync::Arc;
use std::time::Duration;

use tradewind_connector::role::DraftOffer;
use tradewind_connector::{Bounds, Kind};
use tradewind_domain::{ChangeState, ListingState, Sku, Variant};
use tradewind_gateway::Gateway;
use tradewind_gateway::desired::Guard;
use tradewind_gateway::plan::Action;
use tradewind_gateway::records::{ProductRecord, StockRecord};
use tradewind_store::{Batch, typed};

use crate::apply::{FACETS, deliver_six, offer, product, put, shop, sku, stocked};
use crate::fakes::Fake;

/// So many of the ten bags are left for the shop: the others were sold elsewhere and went.
pub(crate) async fn left(gateway: &Gateway, units: u32) {
    let shelf = StockRecord {
        on_hand: units,
        allotted: [("shop".parse().unwrap(), units)].into(),
        ..StockRecord::new(sku())
    };
    let mut batch = Batch::new();
    batch.put(&shelf).unwrap();
    gateway.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn a_quantity_that_is_raised_again_by_a_hand_is_lowered_again() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    left(&gateway, 6).await;
    let mut plans = Vec::new();
    for _ in 0..2 {
        // In the channel's own pages, the second time from the six that we had set.
        channel.other().listings.get_mut(&sku()).unwrap().quantity = Some(10);
        gateway.clock.sleep(Duration::from_secs(3_600)).await;
        gateway.refresh(&"shop".parse().unwrap()).await.unwrap();
        let plan = gateway.plan().await.unwrap();
        assert_eq!(plan.totals.lower, 1, "{plan:?}");
        plans.push(plan.id.clone());
        gateway.apply(&plan).await.unwrap();
        gateway.settle().await.unwrap();
    }
    // The same world gives the same plan, and yet these are two intentions: under the key of the first, the journal would say
    // that the second is done.
    assert_eq!(plans[0], plans[1]);
    let keys = channel.other().keys.clone();
    let [.., first, second] = keys.as_slice() else { panic!("{keys:?}") };
    assert_ne!(first, second);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(6));
}

/// Some channels take an offer and put it on sale minutes later, with the units that it has by then: what was sold elsewhere
/// meanwhile must not be among them.
#[tokio::test]
async fn a_listing_on_its_way_on_sale_is_lowered_before_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let channel = Fake::new("shop", &FACETS);
    let gateway = stocked(dir.path(), channel.clone()).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    let listing = |state: ListingState| channel.other().listings.get_mut(&sku()).unwrap().state = state;
    listing(ListingState::Inactive);
    assert_eq!(gateway.settle().await.unwrap().0.waiting, 1);
    // Ten would be on sale, and six are there.
    left(&gateway, 6).await;
    let plan = gateway.plan().await.unwrap();
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    assert!(matches!(change.action, Some(Action::Lower { from: 10, to: 6, .. })), "{change:?}");
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(6));
    // Once, and the offer is waited for as before.
    assert_eq!(gateway.settle().await.unwrap().0.waiting, 1);
    assert!(gateway.plan().await.unwrap().changes.is_empty());
    listing(ListingState::Live);
    assert_eq!(gateway.settle().await.unwrap().0.live, 1);
    assert!(gateway.plan().await.unwrap().changes.is_empty());
    assert_eq!(offer(&gateway).await.state, ChangeState::Live);
    // Taken off sale there, it is put on sale again with what there is: nothing has to be lowered first.
    listing(ListingState::Inactive);
    left(&gateway, 4).await;
    gateway.refresh(&"shop".parse().unwrap()).await.unwrap();
    let plan = gateway.plan().await.unwrap();
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    let Some(Action::Update { offer: sent, .. }) = &change.action else { panic!("{change:?}") };
    assert_eq!(sent.quantity, 4);
}

/// That it was lowered meanwhile changes nothing of what is said of an offer that never came on sale; a person who puts it there
/// by hand puts six there, and later three.
#[tokio::test]
async fn a_listing_that_was_lowered_and_never_came_on_sale_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let channel = Fake::new("shop", &FACETS);
    let gateway = stocked(dir.path(), channel.clone()).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    channel.other().listings.get_mut(&sku()).unwrap().state = ListingState::Inactive;
    gateway.settle().await.unwrap();
    left(&gateway, 6).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    gateway.clock.sleep(Duration::from_secs(4 * 3_600)).await;
    assert_eq!(gateway.settle().await.unwrap().0.rejected, 1);
    let note = offer(&gateway).await.note.unwrap();
    assert!(note.contains("still not on sale"), "{note}");
    left(&gateway, 3).await;
    let plan = gateway.plan().await.unwrap();
    assert_eq!((plan.totals.blocked, plan.totals.lower), (1, 1), "{plan:?}");
    gateway.apply(&plan).await.unwrap();
    assert_eq!(channel.other().listings[&sku()].quantity, Some(3));
    // Out of the catalogue, it is not left for anybody to put on sale.
    let mut gateway = gateway;
    gateway.config.guard.mass_delete = "1".parse().unwrap();
    let mut none = product("36.00");
    none.0.variants.clear();
    put(&gateway, &none).await;
    gateway.clock.sleep(Duration::from_secs(4 * 3_600)).await;
    gateway.settle().await.unwrap();
    assert_eq!(gateway.plan().await.unwrap().totals.withdraw, 1);
}

/// Both held the plan against the same world. The late one reads the listing when the early one's write is on its way, and by then
/// three are left of six: whichever write came last would stay.
#[tokio::test]
async fn a_write_is_not_sent_beside_one_that_is_on_its_way() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    gateway.clock.sleep(Duration::from_secs(3_600)).await;
    left(&gateway, 6).await;
    let plan = gateway.plan().await.unwrap();
    let gateway = Arc::new(gateway);
    let (on_its_way, there) = tokio::sync::oneshot::channel();
    let (land, landed) = tokio::sync::oneshot::channel();
    channel.before("stock", move || async move {
        on_its_way.send(()).unwrap();
        landed.await.unwrap();
    });
    let (early, its) = (gateway.clone(), plan.clone());
    let (first, answer) = tokio::sync::oneshot::channel();
    channel.before("read", move || async move {
        let shelf = early.clone();
        first.send(tokio::spawn(async move { early.apply(&its).await.unwrap() })).unwrap();
        there.await.unwrap();
        left(&shelf, 3).await;
    });
    let late = gateway.apply(&plan).await.unwrap();
    assert_eq!((late.accepted, late.postponed), (0, 1), "{late:?}");
    land.send(()).unwrap();
    assert_eq!(answer.await.unwrap().await.unwrap().accepted, 1);
    let stock = |calls: &[&str]| calls.iter().filter(|c| **c == "stock").count();
    assert_eq!(stock(&channel.other().calls), 1);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(6));
    // What it is by now is set when it is known what the first one did.
    gateway.settle().await.unwrap();
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().accepted, 1);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(3));
}

#[tokio::test]
async fn a_refused_quantity_blocks_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    deliver_six(&gateway).await;
    channel.other().fail.push(("stock", Kind::Rejected));
    let applied = gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    channel.other().listings.get_mut(&sku()).unwrap().quantity = Some(10);
    assert_eq!((applied.rejected, applied.accepted), (1, 0), "{applied:?}");
    // The offer is what it was; sixteen are not asked for again, and the plan says why.
    assert_eq!(offer(&gateway).await.state, ChangeState::Live);
    let plan = gateway.plan().await.unwrap();
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    let stop = change.stop.as_ref().unwrap();
    assert_eq!(stop.guard, Guard::Refused);
    assert!(stop.why.contains("a quantity of 16") && stop.why.contains("told to fail"), "{stop:?}");
    // A new price goes, with the ten that the listing shows.
    put(&gateway, &product("40.00")).await;
    let plan = gateway.plan().await.unwrap();
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    let Some(Action::Update { offer: sent, .. }) = &change.action else { panic!("{change:?}") };
    assert_eq!((sent.quantity, change.stop.is_none()), (10, true));
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
    let live = channel.other().listings[&sku()].clone();
    assert_eq!((live.quantity, live.price.unwrap().amount().as_str()), (Some(10), "40.00"));
    // What it was never given is still to be given.
    let shelf = typed::get::<StockRecord>(&*gateway.store, sku().as_str()).await.unwrap().unwrap();
    assert_eq!(shelf.value.fresh_of(&"shop".parse().unwrap()), 6);
}

/// A channel that takes quantities as a feed.
#[tokio::test]
async fn a_quantity_that_is_done_later_is_asked_about() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    left(&gateway, 6).await;
    channel.other().defer.push("stock");
    let applied = gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    assert_eq!((applied.deferred, applied.accepted), (1, 0), "{applied:?}");
    assert_eq!(offer(&gateway).await.state, ChangeState::Sent);
    let (settled, asked) = gateway.settle().await.unwrap();
    assert_eq!((asked.accepted, settled.live), (1, 1), "{settled:?} {asked:?}");
    let asked = |call: &str| channel.count(call);
    assert_eq!((asked("stock"), asked("feed"), asked("job")), (1, 1, 0));
    gateway.settle().await.unwrap();
    assert_eq!(asked("feed"), 1);
}

/// Three variants of a product, ten of each, at a channel that takes a product as one document.
async fn product_of_three(dir: &std::path::Path) -> (Gateway, Arc<Fake>) {
    let bounds = Bounds { whole_products: true, offers_batch: Some(2), ..Bounds::default() };
    let channel = Fake::bounded("shop", &FACETS, bounds);
    let gateway = stocked(dir, channel.clone()).await;
    put(&gateway, &three("36.00")).await;
    let mut batch = Batch::new();
    for sku in ["BAG-2", "BAG-3"] {
        let shelf = StockRecord {
            on_hand: 10,
            allotted: [("shop".parse().unwrap(), 10)].into(),
            ..StockRecord::new(sku.parse().unwrap())
        };
        batch.put(&shelf).unwrap();
    }
    gateway.store.commit(batch).await.unwrap();
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.create, 3);
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 3);
    gateway.settle().await.unwrap();
    (gateway, channel)
}

/// Of which the first has another price.
fn three(price: &str) -> ProductRecord {
    let mut bags = product("36.00");
    for sku in ["BAG-2", "BAG-3"] {
        bags.0.variants.push(Variant { sku: sku.parse().unwrap(), ..bags.0.variants[0].clone() });
    }
    bags.0.variants[0].price = product(price).0.variants[0].price;
    bags
}

#[tokio::test]
async fn a_product_goes_with_its_siblings_where_a_channel_takes_it_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = product_of_three(dir.path()).await;
    // Three in one document, though a call takes two: nothing was there, so no id is known.
    let calls = channel.other().drafts.clone();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    let [draft] = call.as_slice() else { panic!("{call:?}") };
    assert_eq!((draft.offers.len(), draft.siblings.len(), draft.listing()), (3, 0, None));
    // The first gets another price; of the second four are sold that we have not heard of.
    put(&gateway, &three("40.00")).await;
    let plan = gateway.plan().await.unwrap();
    assert_eq!(plan.totals.update, 1, "{plan:?}");
    let second: Sku = "BAG-2".parse().unwrap();
    channel.other().listings.get_mut(&second).unwrap().quantity = Some(6);
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
    let last = channel.other().drafts.last().unwrap().clone();
    let [draft] = last.as_slice() else { panic!("{last:?}") };
    let told = |all: &[DraftOffer]| -> Vec<(String, String, u32)> {
        let id = |o: &DraftOffer| o.listing.as_ref().unwrap().to_string();
        all.iter().map(|o| (id(o), o.offer.price.amount(), o.offer.quantity)).collect()
    };
    let row = |id: &str, price: &str, units| (id.to_owned(), price.to_owned(), units);
    assert_eq!(told(&draft.offers), [row("BAG/BAG-1", "40.00", 10)]);
    assert_eq!(told(&draft.siblings), [row("BAG/BAG-2", "36.00", 6), row("BAG/BAG-3", "36.00", 10)]);
    // All three are on sale, and nobody's sold units came back.
    let shown: Vec<Option<u32>> = channel.other().listings.values().map(|l| l.quantity).collect();
    assert_eq!(shown, [Some(10), Some(6), Some(10)]);
}

#[tokio::test]
async fn a_product_waits_for_a_sibling_of_which_nothing_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = product_of_three(dir.path()).await;
    put(&gateway, &three("40.00")).await;
    let plan = gateway.plan().await.unwrap();
    // Neither the offer nor its siblings can be read: told without them, the product would lose two of its variants.
    channel.other().fail.push(("read", Kind::Unavailable));
    let applied = gateway.apply(&plan).await.unwrap();
    // One change was planned, and it waits; of the siblings none was.
    assert_eq!((applied.accepted, applied.postponed), (0, 1), "{applied:?}");
    assert_eq!(channel.other().drafts.len(), 1);
    assert_eq!(channel.other().listings.len(), 3);
    // One that left the catalogue is no sibling any more, though it is going in the same plan.
    let mut two = three("40.00");
    two.0.variants.remove(2);
    put(&gateway, &two).await;
    let mut gateway = gateway;
    gateway.config.guard.mass_delete = "1".parse().unwrap();
    let plan = gateway.plan().await.unwrap();
    assert_eq!((plan.totals.update, plan.totals.withdraw, plan.totals.blocked), (1, 1, 0), "{plan:?}");
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 2);
    let left: Vec<String> = channel.other().listings.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["BAG-1", "BAG-2"]);
}

/// Its withdrawal was refused, and by now it is in the catalogue again: a document without it would take it off sale after all.
#[tokio::test]
async fn a_variant_that_is_wanted_again_stays_in_its_product() {
    let dir = tempfile::tempdir().unwrap();
    let (mut gateway, channel) = product_of_three(dir.path()).await;
    gateway.config.guard.mass_delete = "1".parse().unwrap();
    let mut two = three("36.00");
    two.0.variants.remove(2);
    put(&gateway, &two).await;
    let third: Sku = "BAG-3".parse().unwrap();
    let there = channel.other().listings[&third].clone();
    channel.other().fail.push(("withdraw", Kind::Rejected));
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().rejected, 1);
    // The double carries out what it then refuses.
    channel.other().listings.insert(third.clone(), there);
    put(&gateway, &three("40.00")).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    let last = channel.other().drafts.last().unwrap().clone();
    let [draft] = last.as_slice() else { panic!("{last:?}") };
    let whole: Vec<_> = draft.whole().iter().map(|o| o.offer.sku.to_string()).collect();
    assert_eq!(whole, ["BAG-1", "BAG-2", "BAG-3"]);
}
