//! A seller's days against the simulator, over real HTTP.

use std::collections::BTreeMap;

use tradewind_connector::role::{Cancellation, Draft, ItemOutcome, PriceChange, StockChange};
use tradewind_connector::{CallCx, Kind, Submitted, Window, all_records};
use tradewind_domain::{
    CancelReason, Currency, LineQuantity, ListingId, ListingRef, ListingState, Money, Order, OrderState,
    RefundRequest, ShipmentNotice,
};
use tradewind_simulator::{Demand, Fault};

use crate::world::{World, key, offer, quiet};

fn done(outcome: Submitted<Vec<ItemOutcome>>) -> Vec<ItemOutcome> {
    match outcome {
        Submitted::Done(items) => items,
        Submitted::Deferred(h) => panic!("deferred: {h:?}"),
    }
}

fn eur(minor: i64) -> Money {
    Money::from_minor(minor, Currency::new("EUR").unwrap())
}

impl World {
    pub(crate) async fn put(&self, step: &str, sku: &str, quantity: u32, price: &str) -> ItemOutcome {
        let offers = self.connector.marketplace().unwrap().offers().unwrap();
        let cx = CallCx::keyed(step);
        done(offers.put(&cx, &Draft::of([offer(sku, quantity, price)])).await.unwrap()).remove(0)
    }

    pub(crate) async fn read(&self, key: &ListingRef) -> tradewind_domain::LiveListing {
        let listings = self.connector.marketplace().unwrap().listings().unwrap();
        listings.read(&CallCx::new(), std::slice::from_ref(key)).await.unwrap().remove(0)
    }

    pub(crate) async fn orders(&self) -> Vec<Order> {
        let window = Window { from: "2026-01-01T00:00:00Z".parse().unwrap(), to: self.sim.now() };
        tradewind_testkit::orders(&*self.connector, window).await.unwrap()
    }

    pub(crate) fn notice(&self, order: &Order, waybill: &str) -> ShipmentNotice {
        ShipmentNotice {
            order: order.id.clone(),
            shipment: format!("shp-{}", order.id).parse().unwrap(),
            fulfilment: None,
            lines: order
                .lines
                .iter()
                .map(|l| LineQuantity { line: l.id.clone(), quantity: l.open() })
                .collect(),
            carrier: "dhl-express".to_owned(),
            waybill: waybill.parse().unwrap(),
            shipped_at: self.sim.now(),
        }
    }
}

#[tokio::test]
async fn a_listing_is_live_only_when_ebay_shows_it() {
    let w = World::start(3, quiet()).await;
    let market = w.connector.marketplace().unwrap();
    assert_eq!(w.read(&key("MUG-1")).await.state, ListingState::Absent);
    let outcome = w.put("p1", "MUG-1", 5, "19.99").await;
    let listing = outcome.result.unwrap().listing.unwrap();
    // Published, not yet in search: the simulator shows a listing after 20 to 90 s.
    assert_eq!(w.read(&key("MUG-1")).await.state, ListingState::Pending);
    w.sleep(91);
    let live = w.read(&key("MUG-1")).await;
    assert_eq!((live.state, live.price, live.quantity), (ListingState::Live, Some(eur(1_999)), Some(5)));
    assert_eq!((live.title.as_deref(), live.key.listing.as_ref()), (Some("Tasse MUG-1"), Some(&listing)));
    // Stock and price alone; the buyer sees them after at most a minute.
    let stock = StockChange { key: key("MUG-1"), quantity: 3, expected: Some(5) };
    done(market.stock().unwrap().set(&CallCx::keyed("s1"), &[stock]).await.unwrap())
        .remove(0)
        .result
        .unwrap();
    let price = PriceChange { key: key("MUG-1"), price: eur(1_850) };
    done(market.prices().unwrap().set(&CallCx::keyed("c1"), &[price]).await.unwrap())
        .remove(0)
        .result
        .unwrap();
    w.sleep(61);
    let seen = w.sim.ledger().listings["ebay"]["EBAY_DE/MUG-1"].clone();
    assert_eq!((seen.state.as_str(), seen.price, seen.quantity), ("live", 1_850, 3));
    // Putting it again changes the offer that is there; the listing keeps its number.
    assert_eq!(w.put("p2", "MUG-1", 4, "21.00").await.result.unwrap().listing.unwrap(), listing);
    w.sleep(61);
    let live = w.read(&key("MUG-1")).await;
    assert_eq!((live.price, live.quantity), (Some(eur(2_100)), Some(4)));
    // Every listing, page by page: 26 SKUs are two pages of 25.
    let many = Draft::of((2..27).map(|n| offer(&format!("MUG-{n}"), 1, "9.90")));
    let outcomes = done(market.offers().unwrap().put(&CallCx::keyed("many"), &many).await.unwrap());
    assert!(outcomes.iter().all(|o| o.result.is_ok()), "{outcomes:?}");
    let all = all_records(|cursor| async move {
        market.listings().unwrap().sweep(&CallCx::new(), cursor.as_ref()).await
    });
    assert_eq!(all.await.unwrap().len(), 26);
    // Off sale, twice: the second time there is nothing to do.
    for step in ["w1", "w2"] {
        let keys = [key("MUG-1")];
        done(market.offers().unwrap().withdraw(&CallCx::keyed(step), &keys).await.unwrap())
            .remove(0)
            .result
            .unwrap();
    }
    assert_eq!(w.sim.ledger().listings["ebay"]["EBAY_DE/MUG-1"].state, "ended");
    assert_eq!(w.read(&key("MUG-1")).await.state, ListingState::Absent);
    w.assert_specified();
}

#[tokio::test]
async fn a_lost_answer_never_makes_a_second_offer() {
    let w = World::start(4, quiet()).await;
    for (n, operation) in
        ["bulkCreateOrReplaceInventoryItem", "bulkCreateOffer", "bulkPublishOffer"].iter().enumerate()
    {
        let sku = format!("MUG-{n}");
        w.sim.set_fault("ebay", Some(operation), Fault::DropAfter, 1);
        let outcome = w.put(&format!("p{n}"), &sku, 5, "19.99").await;
        outcome.result.unwrap_or_else(|e| panic!("{operation}: {e}"));
        w.sleep(91);
        assert_eq!(w.read(&key(&sku)).await.state, ListingState::Live, "{operation}");
    }
    // Lost before it did anything: in doubt, and a later plan makes it good.
    w.sim.set_fault("ebay", Some("bulkCreateOffer"), Fault::Hang, 1);
    let outcome = w.put("p9", "MUG-9", 5, "19.99").await;
    assert_eq!(outcome.result.unwrap_err().kind(), Kind::Indeterminate);
    assert_eq!(w.read(&key("MUG-9")).await.state, ListingState::Absent);
    w.sleep(1);
    w.put("p9", "MUG-9", 5, "19.99").await.result.unwrap();
    w.sleep(91);
    assert_eq!(w.read(&key("MUG-9")).await.state, ListingState::Live);
    w.assert_specified();
}

/// Item first, offer second: the quantity is the item's, and a published offer shows it whatever becomes of the second step.
#[tokio::test]
async fn a_put_that_ends_after_its_first_step_says_so() {
    let w = World::start(6, quiet()).await;
    w.put("p1", "MUG-1", 5, "19.99").await.result.unwrap();
    w.sleep(91);
    w.sim.set_fault("ebay", Some("updateOffer"), Fault::Throttle, 99);
    let refused = w.put("p2", "MUG-1", 8, "19.99").await.result.unwrap_err();
    assert_eq!((refused.kind(), refused.is_in_part()), (Kind::RateLimited, true), "{refused}");
    w.sleep(61);
    assert_eq!(w.sim.ledger().listings["ebay"]["EBAY_DE/MUG-1"].quantity, 8);
}

#[tokio::test]
async fn refusals_reach_the_item_they_are_about() {
    let w = World::start(5, quiet()).await;
    let offers = w.connector.marketplace().unwrap().offers().unwrap();
    let mut long = offer("MUG-2", 1, "9.90");
    long.content.title = "x".repeat(81);
    let mut nameless = offer("MUG-3", 1, "9.90");
    nameless.category = None;
    let all = Draft::of([offer("MUG-1", 1, "9.90"), long, nameless, offer("MUG-4", 0, "9.90")]);
    let outcomes = done(offers.put(&CallCx::keyed("p"), &all).await.unwrap());
    let kinds: Vec<Option<Kind>> =
        outcomes.iter().map(|o| o.result.as_ref().err().map(|e| e.kind())).collect();
    // A title is 80 characters at most (25709 of eBay); a category is ours to map; nothing in stock is no failure.
    assert_eq!(kinds, [None, Some(Kind::InvalidRequest), Some(Kind::InvalidRequest), None]);
    assert_eq!(outcomes[3].result.as_ref().unwrap().listing, None);
    w.assert_specified();
}

#[tokio::test]
async fn orders_are_shipped_once_and_the_money_foots() {
    let demand =
        Demand { orders_per_day: 6, days: 2, cancel_per_mille: 0, refund_per_mille: 0, ..Demand::default() };
    let w = World::start(6, demand).await;
    let market = w.connector.marketplace().unwrap();
    let actions = market.order_actions().unwrap();
    for (sku, price) in [("MUG-1", "19.99"), ("MUG-2", "35.00")] {
        w.put(sku, sku, 200, price).await.result.unwrap();
    }
    w.sleep(2 * 86_400);
    let orders = w.orders().await;
    let truth = w.sim.ledger().orders["ebay"].clone();
    assert!(orders.len() > 3);
    assert_eq!(orders.len(), truth.len());
    for order in &orders {
        let placed = &truth[order.id.as_str()];
        assert_eq!(order.total.minor(), placed.total, "what the buyer pays, as the simulator books it");
        assert_eq!(order.footing().unwrap(), order.total, "goods, shipping and taxes on top make the total");
        // eBay collects the VAT of small parcels into Germany under its own IOSS number.
        let remitted = order.all_taxes().any(|t| t.scheme.is_some());
        assert_eq!(remitted, !order.registrations.is_empty());
    }
    let paid: Vec<&Order> = orders.iter().filter(|o| o.state == OrderState::ReadyToShip).collect();
    // The answer to the first is lost after eBay acted, that to the second before: no second parcel either way.
    w.sim.set_fault("ebay", Some("createShippingFulfillment"), Fault::DropAfter, 1);
    for (n, order) in paid.iter().enumerate() {
        let notice = w.notice(order, &format!("9000{n:06}"));
        assert_eq!(actions.ship(&CallCx::keyed(format!("{n}")), &notice).await.unwrap(), Submitted::Done(()));
        // Told again under another key, as after a crash: looked up, not sent.
        assert_eq!(
            actions.ship(&CallCx::keyed(format!("{n}/again")), &notice).await.unwrap(),
            Submitted::Done(())
        );
    }
    for (n, order) in paid.iter().enumerate() {
        let now = market.orders().unwrap().get(&CallCx::new(), &order.id).await.unwrap();
        assert_eq!(now.state, OrderState::Shipped);
        assert_eq!(
            w.sim.ledger().orders["ebay"][order.id.as_str()].shipped.as_deref(),
            Some(&*format!("9000{n:06}"))
        );
    }
    // A refund of 5.00 is worked on, then done.
    let refund = RefundRequest {
        id: "ret-1".parse().unwrap(),
        order: paid[0].id.clone(),
        lines: vec![LineQuantity { line: paid[0].lines[0].id.clone(), quantity: 1 }],
        amount: eur(500),
        reason: CancelReason::BuyerRequest,
        transaction: None,
    };
    let Submitted::Deferred(handle) = actions.refund(&CallCx::keyed("r1"), &refund).await.unwrap() else {
        panic!("eBay says PENDING first")
    };
    assert_eq!(actions.poll(&CallCx::new(), &handle).await.unwrap(), Submitted::Done(()));
    let now = market.orders().unwrap().get(&CallCx::new(), &paid[0].id).await.unwrap();
    assert_eq!(now.refunded, eur(500));
    let too_much = RefundRequest { amount: eur(9_999_900), lines: Vec::new(), ..refund };
    let refused = actions.refund(&CallCx::keyed("r2"), &too_much).await.unwrap_err();
    assert!(refused.kind().is_business(), "{refused}");
    // Four days later the money has left. What each payout is made of sums to it, and what was sold is either
    // fees, taxes that eBay remits, refunded, or paid out.
    w.sleep(5 * 86_400);
    let window = Window { from: "2026-01-01T00:00:00Z".parse().unwrap(), to: w.sim.now() };
    let transactions = all_records(|c| async move {
        market.transactions().unwrap().changed(&CallCx::new(), window, c.as_ref()).await
    });
    let transactions = transactions.await.unwrap();
    let payouts = all_records(|c| async move {
        market.payouts().unwrap().changed(&CallCx::new(), window, c.as_ref()).await
    });
    let payouts = payouts.await.unwrap();
    assert!(!payouts.is_empty());
    // By key: those of a payout come twice, by date and with it.
    let unique: BTreeMap<String, _> = transactions.into_iter().map(|t| (t.id.to_string(), t)).collect();
    for payout in &payouts {
        let members = unique.values().filter(|t| t.payout.as_ref() == Some(&payout.id)).filter_map(|t| t.net);
        assert_eq!(
            Money::try_sum(payout.amount.currency(), members).unwrap(),
            payout.amount,
            "{}",
            payout.id
        );
    }
    let m = w.sim.ledger().money["ebay"]["EUR"].clone();
    let paid_out: i64 = payouts.iter().map(|p| p.amount.minor()).sum();
    assert_eq!(paid_out, m.paid_out);
    let fees: i64 = unique.values().filter_map(|t| t.fee).map(Money::minor).sum();
    assert_eq!(fees, m.fees, "fees of sales less those given back");
    w.assert_specified();
}

#[tokio::test]
async fn a_buyers_wish_to_cancel_is_granted() {
    let demand = Demand {
        orders_per_day: 12,
        days: 1,
        cancel_per_mille: 900,
        refund_per_mille: 0,
        ..Demand::default()
    };
    let w = World::start(8, demand).await;
    w.put("p", "MUG-1", 500, "19.99").await.result.unwrap();
    let actions = w.connector.marketplace().unwrap().order_actions().unwrap();
    let mut granted = 0;
    let mut by_us = 0;
    for hour in 0..40 {
        w.sleep(3_600);
        for order in w.orders().await {
            let (wish, free) = match order.state {
                OrderState::CancelRequested => (CancelReason::BuyerRequest, true),
                // One of our own, for want of stock.
                OrderState::ReadyToShip if hour > 30 && by_us == 0 => (CancelReason::OutOfStock, false),
                _ => continue,
            };
            let cx = CallCx::keyed(format!("{}/{hour}", order.id));
            assert_eq!(
                actions.cancel(&cx, &Cancellation::whole(order.clone(), wish)).await.unwrap(),
                Submitted::Done(())
            );
            if free {
                granted += 1
            } else {
                by_us += 1
            }
            let now = w.connector.marketplace().unwrap().orders().unwrap();
            assert_eq!(now.get(&CallCx::new(), &order.id).await.unwrap().state, OrderState::Cancelled);
        }
    }
    assert!(granted > 0, "no buyer asked late enough");
    w.assert_specified();
}

#[tokio::test]
async fn a_legacy_listing_is_served_through_trading() {
    let w = World::start(9, quiet()).await;
    let add = "<Item><Quantity>4</Quantity><StartPrice currencyID=\"EUR\">9.99</StartPrice><Title>Tee &amp; mehr</Title>\
               <SKU>OLD-1</SKU></Item>";
    let (_, text) = w.trading("AddFixedPriceItem", add).await;
    let id = text.split("<ItemID>").nth(1).unwrap().split('<').next().unwrap();
    let old = ListingRef { sku: "OLD-1".parse().unwrap(), listing: Some(ListingId::new(id).unwrap()) };
    let market = w.connector.marketplace().unwrap();
    let live = w.read(&old).await;
    assert_eq!((live.state, live.price, live.quantity), (ListingState::Live, Some(eur(999)), Some(4)));
    assert_eq!(live.title.as_deref(), Some("Tee & mehr"));
    let stock = StockChange { key: old.clone(), quantity: 2, expected: None };
    done(market.stock().unwrap().set(&CallCx::keyed("s"), &[stock]).await.unwrap()).remove(0).result.unwrap();
    let price = PriceChange { key: old.clone(), price: eur(850) };
    done(market.prices().unwrap().set(&CallCx::keyed("c"), &[price]).await.unwrap())
        .remove(0)
        .result
        .unwrap();
    let live = w.read(&old).await;
    assert_eq!((live.price, live.quantity), (Some(eur(850)), Some(2)));
    let keys = [old.clone()];
    done(market.offers().unwrap().withdraw(&CallCx::keyed("w"), &keys).await.unwrap())
        .remove(0)
        .result
        .unwrap();
    assert_eq!(w.read(&old).await.state, ListingState::Inactive);
    w.assert_specified();
}

#[tokio::test]
async fn categories_are_found_and_described() {
    let w = World::start(10, quiet()).await;
    let categories = w.connector.marketplace().unwrap().categories().unwrap();
    let found = categories.find(&CallCx::new(), "kitchen gadgets").await.unwrap();
    assert_eq!((found[0].id.as_str(), found[0].leaf), ("20625", true));
    let attributes = categories.attributes(&CallCx::new(), "20625").await.unwrap();
    assert!(attributes.iter().any(|a| a.name == "Brand" && a.required));
    w.assert_specified();
}
