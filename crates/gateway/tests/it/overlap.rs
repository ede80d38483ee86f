//! Two writes of one listing: one after the other, at the same time, and one that was refused.

use std::sync::Arc;
use std::time::Duration;

use tradewind_connector::Kind;
use tradewind_domain::ChangeState;
use tradewind_gateway::Gateway;
use tradewind_gateway::desired::Guard;
use tradewind_gateway::plan::Action;
use tradewind_gateway::records::StockRecord;
use tradewind_store::{Batch, typed};

use crate::apply::{deliver_six, offer, product, put, shop, sku};

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
