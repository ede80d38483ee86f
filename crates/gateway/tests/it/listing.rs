//! What a listing's record says after calls that failed, that nobody knows of, and whose effect comes late: nothing that was not
//! taken passes for there (ADR 61).

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tradewind_connector::Kind;
use tradewind_domain::{ChangeState, ListingIssue, ListingState};
use tradewind_gateway::Gateway;
use tradewind_gateway::apply::Settled;
use tradewind_gateway::config::Config;
use tradewind_gateway::desired::Guard;
use tradewind_gateway::plan::{Action, Plan};
use tradewind_gateway::records::{Asked, Made, OfferRecord, ProductRecord};
use tradewind_store::{Batch, Collection};

use crate::apply::{CONFIG, deliver_six, offer, product, put, shop, sku};
use crate::fakes::Fake;
use crate::overlap::left;

async fn hours(gateway: &Gateway, n: u64) {
    gateway.clock.sleep(Duration::from_secs(n * 3_600)).await;
}

async fn settle(gateway: &Gateway) -> Settled {
    gateway.settle().await.unwrap().0
}

/// What is stored of the listing is read again, and a plan made.
async fn replan(gateway: &Gateway) -> Plan {
    gateway.refresh(&"shop".parse().unwrap()).await.unwrap();
    gateway.plan().await.unwrap()
}

fn guarded(gateway: &mut Gateway, mass_delete: &str) {
    let config = format!("[guard]\nmass_delete = \"{mass_delete}\"\n{CONFIG}");
    gateway.config = Config::parse(&config, "tradewind.toml").unwrap();
}

/// Ten bags, live, that left the catalogue.
async fn dropped(dir: &std::path::Path) -> (Gateway, Arc<Fake>) {
    let (mut gateway, channel) = shop(dir).await;
    guarded(&mut gateway, "1");
    let mut batch = Batch::new();
    batch.delete(Collection::Products, "BAG");
    gateway.store.commit(batch).await.unwrap();
    (gateway, channel)
}

#[tokio::test]
async fn a_withdrawal_that_failed_is_asked_for_again() {
    for kind in [Kind::Unavailable, Kind::QuotaExhausted, Kind::Rejected, Kind::Indeterminate] {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, channel) = dropped(dir.path()).await;
        let there = channel.other().listings[&sku()].clone();
        channel.other().fail.push(("withdraw", kind));
        assert_eq!(gateway.plan().await.unwrap().totals.withdraw, 1, "{kind:?}");
        gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
        // It was not carried out.
        channel.other().listings.insert(sku(), there);
        settle(&gateway).await;
        let plan = replan(&gateway).await;
        assert_eq!(plan.totals.withdraw, 1, "{kind:?}: {plan:?}");
        assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
        assert_eq!(settle(&gateway).await.live, 1, "{kind:?}");
        assert!(replan(&gateway).await.changes.is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_withdrawal_that_takes_its_time_is_waited_for_and_then_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = dropped(dir.path()).await;
    let there = channel.other().listings[&sku()].clone();
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    channel.other().listings.insert(sku(), there);
    let settled = settle(&gateway).await;
    assert_eq!((settled.live, settled.waiting), (0, 1), "{settled:?}");
    assert_eq!(replan(&gateway).await.totals.withdraw, 0);
    // A channel works on nothing for more than three hours (`apply::judge::PROCESSING`).
    hours(&gateway, 4).await;
    assert_eq!(settle(&gateway).await.again, 1);
    assert_eq!(replan(&gateway).await.totals.withdraw, 1);
}

fn described(text: &str) -> ProductRecord {
    let mut bag = product("36.00");
    for content in bag.0.content.values_mut() {
        content.description = text.to_owned();
    }
    bag
}

/// Fields and texts of the one update of a plan.
fn update(plan: &Plan) -> Vec<(String, String, String)> {
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    let Some(Action::Update { fields, .. }) = &change.action else { panic!("{change:?}") };
    fields.iter().map(|f| (f.field.clone(), f.from.clone(), f.to.clone())).collect()
}

/// No channel tells a description back. Price, title and quantity are as they were all the time.
#[tokio::test]
async fn a_field_that_is_not_read_back_is_sent_until_it_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    let fields = |from: &str, to: &str| vec![("description".to_owned(), from.to_owned(), to.to_owned())];
    put(&gateway, &described("Leather.")).await;
    for kind in [Kind::Unavailable, Kind::QuotaExhausted] {
        let plan = gateway.plan().await.unwrap();
        assert_eq!(update(&plan), fields("", "Leather."), "{kind:?}");
        channel.other().fail.push(("put", kind));
        assert_eq!(gateway.apply(&plan).await.unwrap().postponed, 1, "{kind:?}");
        settle(&gateway).await;
    }
    // Given up, nothing is to be done: the listing is what it was.
    put(&gateway, &described("")).await;
    assert!(replan(&gateway).await.changes.is_empty());
    put(&gateway, &described("Leather.")).await;
    // The answer is lost. That price and title are as they should be says nothing.
    channel.other().fail.push(("put", Kind::Indeterminate));
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().indeterminate, 1);
    let settled = settle(&gateway).await;
    assert_eq!((settled.live, settled.again), (0, 1), "{settled:?}");
    // One may be there or the other: whichever is wanted is sent.
    let doubtful = vec![("content".to_owned(), "no answer tells".to_owned(), "sent again".to_owned())];
    for wanted in ["Leather.", ""] {
        put(&gateway, &described(wanted)).await;
        assert_eq!(update(&replan(&gateway).await), doubtful, "{wanted}");
    }
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().accepted, 1);
    assert_eq!(settle(&gateway).await.live, 1);
    assert!(replan(&gateway).await.changes.is_empty());
}

#[tokio::test]
async fn a_price_that_goes_back_and_forth_is_sent_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    for price in ["40.00", "36.00", "40.00", "36.00"] {
        hours(&gateway, 1).await;
        put(&gateway, &product(price)).await;
        assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().accepted, 1);
        assert_eq!(settle(&gateway).await.live, 1);
        assert_eq!(channel.other().listings[&sku()].price.unwrap().amount(), price);
    }
    // Each under a key of its own, or the journal answers that it is done.
    let mut keys = channel.other().keys.clone();
    let writes = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), writes, "{keys:?}");
}

/// That it is on sale, as it was before, does not say that the channel takes the new price after all.
#[tokio::test]
async fn a_refused_price_stays_refused_while_the_old_one_is_on_sale() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    let there = channel.other().listings[&sku()].clone();
    put(&gateway, &product("40.00")).await;
    channel.other().fail.push(("put", Kind::Rejected));
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().rejected, 1);
    // The double carries out what it then refuses.
    channel.other().listings.insert(sku(), there);
    for _ in 0..2 {
        hours(&gateway, 1).await;
        let plan = replan(&gateway).await;
        let stops: Vec<_> = plan.changes.iter().map(|c| c.stop.as_ref().map(|s| s.guard)).collect();
        assert_eq!(stops, [Some(Guard::Refused)], "{plan:?}");
    }
    // Another one is sent, and seen.
    put(&gateway, &product("41.00")).await;
    assert_eq!(gateway.apply(&replan(&gateway).await).await.unwrap().accepted, 1);
    assert_eq!(settle(&gateway).await.live, 1);
    assert!(replan(&gateway).await.changes.is_empty());
}

/// Taken, published, and the last one bought before we looked.
#[tokio::test]
async fn an_offer_that_sold_out_before_it_was_seen_is_no_refused_one() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    put(&gateway, &product("40.00")).await;
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().accepted, 1);
    {
        let mut other = channel.other();
        let listing = other.listings.get_mut(&sku()).unwrap();
        (listing.state, listing.quantity) = (ListingState::Inactive, Some(0));
    }
    // A channel works on nothing for more than three hours (`apply::judge::PROCESSING`).
    hours(&gateway, 4).await;
    let settled = settle(&gateway).await;
    assert_eq!((settled.live, settled.rejected), (1, 0), "{settled:?}");
}

#[tokio::test]
async fn a_listing_that_is_off_sale_is_put_on_sale_again() {
    // Withdrawn, and back in the catalogue unchanged; or taken down by a hand.
    for ours in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, channel) = if ours { dropped(dir.path()).await } else { shop(dir.path()).await };
        let mut there = channel.other().listings[&sku()].clone();
        there.state = ListingState::Inactive;
        if ours {
            gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
        }
        channel.other().listings.insert(sku(), there.clone());
        assert_eq!(settle(&gateway).await.live, u32::from(ours));
        put(&gateway, &product("36.00")).await;
        let plan = replan(&gateway).await;
        assert_eq!(update(&plan), [("state".to_owned(), "off sale".to_owned(), "on sale".to_owned())]);
        assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
        assert_eq!(settle(&gateway).await.live, 1);
        assert!(replan(&gateway).await.changes.is_empty());
        // A channel that takes the offer and leaves the listing off sale is not asked for ever.
        channel.other().listings.insert(sku(), there.clone());
        gateway.apply(&replan(&gateway).await).await.unwrap();
        channel.other().listings.insert(sku(), there.clone());
        assert_eq!(settle(&gateway).await.waiting, 1);
        hours(&gateway, 4).await;
        assert_eq!(settle(&gateway).await.rejected, 1);
        let plan = replan(&gateway).await;
        assert_eq!(plan.changes[0].stop.as_ref().unwrap().guard, Guard::Refused, "{plan:?}");
        // A person does it.
        channel.other().listings.get_mut(&sku()).unwrap().state = ListingState::Live;
        assert!(replan(&gateway).await.changes.is_empty());
        assert_eq!(offer(&gateway).await.state, ChangeState::Live);
    }
}

#[tokio::test]
async fn an_objection_to_what_was_there_before_is_none_to_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    let issue = ListingIssue {
        code: "8541".to_owned(),
        message: "the title is not allowed".to_owned(),
        blocking: true,
        attribute: None,
    };
    let turns = |state: ListingState, issues: Vec<ListingIssue>| {
        let mut other = channel.other();
        let listing = other.listings.get_mut(&sku()).unwrap();
        (listing.state, listing.issues) = (state, issues);
    };
    let objects = || turns(ListingState::Invalid, vec![issue.clone()]);
    objects();
    gateway.refresh(&"shop".parse().unwrap()).await.unwrap();
    put(&gateway, &described("Not the old one.")).await;
    assert_eq!(gateway.apply(&gateway.plan().await.unwrap()).await.unwrap().accepted, 1);
    // The channel has not looked at it yet.
    objects();
    let settled = settle(&gateway).await;
    assert_eq!((settled.rejected, settled.waiting), (0, 1), "{settled:?}");
    // It keeps to it: a refusal, until it lists it after all.
    hours(&gateway, 4).await;
    assert_eq!(settle(&gateway).await.rejected, 1);
    let plan = replan(&gateway).await;
    assert!(plan.changes[0].stop.as_ref().unwrap().why.contains("8541"), "{plan:?}");
    turns(ListingState::Live, Vec::new());
    assert!(replan(&gateway).await.changes.is_empty());
    assert_eq!(offer(&gateway).await.state, ChangeState::Live);
}

/// The offer is as it was, or all that differs is told back: to see it on sale so is answer enough, whatever was said before.
#[tokio::test]
async fn an_offer_that_was_refused_and_is_listed_as_it_was_sent_is_refused_no_more() {
    for doubt in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, channel) = shop(dir.path()).await;
        let turns = |state: ListingState| channel.other().listings.get_mut(&sku()).unwrap().state = state;
        let price = if doubt { "40.00" } else { "36.00" };
        if doubt {
            // The answer to a new price is lost, and the channel objects.
            put(&gateway, &product(price)).await;
            channel.other().fail.push(("put", Kind::Indeterminate));
            gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
            turns(ListingState::Invalid);
            assert_eq!(settle(&gateway).await.rejected, 1);
        } else {
            // Off sale, and the channel refuses to put it on.
            turns(ListingState::Inactive);
            channel.other().fail.push(("put", Kind::Rejected));
            assert_eq!(gateway.apply(&replan(&gateway).await).await.unwrap().rejected, 1);
            turns(ListingState::Inactive);
        }
        let plan = replan(&gateway).await;
        assert_eq!(plan.changes[0].stop.as_ref().unwrap().guard, Guard::Refused, "{plan:?}");
        turns(ListingState::Live);
        let plan = replan(&gateway).await;
        assert!(plan.changes.is_empty(), "{doubt}: {plan:?}");
        let record = offer(&gateway).await;
        assert_eq!(
            (record.state, record.made, record.note),
            (ChangeState::Live, Made::Sent, None),
            "{doubt}"
        );
        let live = record.live.unwrap();
        assert_eq!(live.price.unwrap().amount(), price);
    }
}

#[tokio::test]
async fn a_new_objection_is_a_refusal_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    put(&gateway, &described("Fur.")).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    channel.other().listings.get_mut(&sku()).unwrap().state = ListingState::Invalid;
    assert_eq!(settle(&gateway).await.rejected, 1);
}

#[tokio::test]
async fn what_is_on_its_way_keeps_no_quantity_up() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    let there = channel.other().listings[&sku()].clone();
    put(&gateway, &product("40.00")).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    // Accepted, and not to be seen yet. Six are left of ten.
    channel.other().listings.insert(sku(), there);
    assert_eq!(settle(&gateway).await.waiting, 1);
    left(&gateway, 6).await;
    let plan = replan(&gateway).await;
    assert_eq!(plan.totals.lower, 1, "{plan:?}");
    assert_eq!(gateway.apply(&plan).await.unwrap().accepted, 1);
    assert_eq!(channel.other().listings[&sku()].quantity, Some(6));
    // The price is still to come, and is asked for again in the end.
    assert_eq!(settle(&gateway).await.waiting, 1);
    hours(&gateway, 4).await;
    assert_eq!(settle(&gateway).await.again, 1);
    assert_eq!(update(&replan(&gateway).await)[0].0, "price");
}

/// Six are delivered. The update writes the new quantity, and a later step of it fails: the units are not given a second time.
#[tokio::test]
async fn units_of_an_update_that_was_made_in_part_are_not_given_twice() {
    for kind in [Kind::Unavailable, Kind::QuotaExhausted, Kind::Rejected] {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, channel) = shop(dir.path()).await;
        deliver_six(&gateway).await;
        put(&gateway, &product("40.00")).await;
        channel.other().in_part = true;
        channel.other().fail.push(("put", kind));
        gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
        // 10 + 6 were shown and four of them sold; the orders are not imported.
        let sold = || {
            let mut other = channel.other();
            let listing = other.listings.get_mut(&sku()).unwrap();
            assert_eq!(listing.quantity, Some(16));
            listing.quantity = Some(12);
        };
        sold();
        put(&gateway, &product("41.00")).await;
        gateway.apply(&replan(&gateway).await).await.unwrap();
        let live = channel.other().listings[&sku()].clone();
        assert_eq!((live.quantity, live.price.unwrap().amount().as_str()), (Some(12), "41.00"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_title_that_the_channel_words_itself_is_not_sent_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, channel) = shop(dir.path()).await;
    let words = |text: &str| {
        channel.other().listings.get_mut(&sku()).unwrap().title = Some(text.to_owned());
    };
    put(&gateway, &product("40.00")).await;
    gateway.apply(&gateway.plan().await.unwrap()).await.unwrap();
    words("BAG, brown");
    assert_eq!(settle(&gateway).await.waiting, 1);
    hours(&gateway, 4).await;
    assert_eq!(settle(&gateway).await.live, 1);
    assert!(replan(&gateway).await.changes.is_empty());
    // An edit by a hand is another one.
    words("Cheap bag!");
    assert_eq!(update(&replan(&gateway).await)[0].0, "title");
}

/// `offers.only` is narrowed: what it leaves out goes, or sells no more than there is.
#[tokio::test]
async fn what_the_rules_leave_out_does_not_stay_on_sale() {
    let dir = tempfile::tempdir().unwrap();
    let (mut gateway, _channel) = shop(dir.path()).await;
    left(&gateway, 6).await;
    let narrow = |mass_delete: &str| {
        let only = CONFIG.replacen("[account.offers]", "[account.offers]\nonly = [\"Hats\"]", 1);
        Config::parse(&format!("[guard]\nmass_delete = \"{mass_delete}\"\n{only}"), "tradewind.toml").unwrap()
    };
    gateway.config = narrow("1");
    let plan = gateway.plan().await.unwrap();
    assert_eq!((plan.totals.withdraw, plan.totals.lower), (1, 0), "{plan:?}");
    gateway.config = narrow("0");
    let plan = gateway.plan().await.unwrap();
    assert_eq!((plan.totals.withdraw, plan.totals.lower, plan.totals.blocked), (0, 1, 1), "{plan:?}");
}

/// As earlier versions wrote them.
#[test]
fn records_of_earlier_versions_are_read() {
    let read = |state: &str, more: serde_json::Value| -> OfferRecord {
        let desired = json!({"sku": "BAG-1", "product": "BAG", "price": {"amount": "36.00", "currency": "EUR"},
            "quantity": 10, "locale": "en", "content": {"title": "Bag"}});
        let mut record = json!({"account": "shop", "sku": "BAG-1", "desired": desired, "state": state, "plan": "",
            "listing": null, "sent_at": null, "live": null, "read_at": null, "note": null});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let read: OfferRecord = serde_json::from_value(record).unwrap();
        let again = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(read, again);
        read
    };
    let plain = read("live", json!({"withdrawn": false}));
    assert_eq!((plain.asked, plain.made), (Asked::Offer, Made::Sent));
    assert_eq!(read("live", json!({"withdrawn": true})).asked, Asked::Withdrawal);
    assert_eq!(read("sent", json!({"withdrawn": false, "in_bulk": true, "took": 3})).asked, Asked::Bulk);
    // What was about to be sent was written over what was there.
    for state in ["intended", "indeterminate", "rejected"] {
        assert_eq!(read(state, json!({"withdrawn": false})).made, Made::Unknown, "{state}");
    }
}
