//! A product's and an order's life at the simulated AliExpress, over real HTTP, every exchange held against the
//! published metadata of the methods.

use std::sync::Arc;
use std::time::Duration;

use tradewind_connector::role::{Cancellation, Draft, PriceChange, StockChange};
use tradewind_connector::{CallCx, Kind, Submitted, Window, all_records};
use tradewind_domain::{
    BalanceTransaction, CancelReason, Content, Currency, Dimensions, Grams, LineQuantity, ListingRef,
    ListingState, Locale, Money, Offer, Order, OrderState, Return, ReturnState, ShipmentNotice,
};
use tradewind_simulator::{Demand, Simulator};
use tradewind_testkit::{Follow, Live};

/// Tokens, and the methods whose metadata is not published.
const UNSPECIFIED: [&str; 3] = ["/rest/", "method=aliexpress.issue.", "method=aliexpress.trade."];

async fn start() -> (Arc<Simulator>, Live) {
    start_with(Demand {
        orders_per_day: 8,
        days: 1,
        cancel_per_mille: 0,
        refund_per_mille: 0,
        ..Demand::default()
    })
    .await
}

async fn start_with(demand: Demand) -> (Arc<Simulator>, Live) {
    let sim =
        Arc::new(Simulator::builder().seed(5).demand(demand).channels(["aliexpress"]).start().await.unwrap());
    let login = sim.credentials("aliexpress");
    let example = tradewind_aliexpress::FACTORY.example;
    let settings = example
        .replace("https://api-sg.aliexpress.com", &sim.base_url("aliexpress"))
        .replace("\"12345678\"", &format!("\"{}\"", login.get("app_key")));
    let (a, b) = (sim.clone(), sim.clone());
    let clock = Arc::new(Follow { now: move || a.now(), wait: move |d| b.advance(d) });
    let secrets = [("app_secret", login.get("app_secret")), ("refresh_token", login.get("refresh_token"))];
    let live = Live::open(&tradewind_aliexpress::FACTORY, &settings, &secrets, clock, &UNSPECIFIED).unwrap();
    (sim, live)
}

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::new("USD").unwrap())
}

fn offer(sku: &str, quantity: u32) -> Offer {
    Offer {
        sku: sku.parse().unwrap(),
        product: "cup".parse().unwrap(),
        price: usd(1_999),
        quantity,
        locale: Locale("en".into()),
        content: Content { title: "Tea cup".into(), description: "A cup.".into(), bullets: vec![] },
        brand: None,
        category: Some("200135143".into()),
        gtin: None,
        hs: None,
        origin: None,
        weight: Some(Grams(400)),
        dimensions: Some(Dimensions { length_mm: 100, width_mm: 100, height_mm: 101 }),
        images: vec!["https://img.example.com/1.jpg".into()],
        attributes: std::collections::BTreeMap::new(),
    }
}

fn accepted(done: Submitted<Vec<tradewind_connector::role::ItemOutcome>>) {
    let Submitted::Done(items) = done else { panic!("deferred") };
    for item in items {
        item.result.unwrap();
    }
}

async fn orders(live: &Live, window: Window) -> Vec<Order> {
    tradewind_testkit::orders(&*live.connector, window).await.unwrap()
}

#[tokio::test]
async fn publish_change_sell_ship_withdraw() {
    let (sim, live) = start().await;
    let market = live.connector.marketplace().unwrap();
    let listings = market.listings().unwrap();
    let key = ListingRef { sku: "CUP".parse().unwrap(), listing: None };
    let read = async || listings.read(&CallCx::new(), std::slice::from_ref(&key)).await.unwrap().remove(0);
    assert_eq!(read().await.state, ListingState::Absent);
    accepted(
        market.offers().unwrap().put(&CallCx::keyed("put-1"), &Draft::of([offer("CUP", 500)])).await.unwrap(),
    );
    // Accepted is not live: the channel audits first.
    assert_eq!(read().await.state, ListingState::Pending);
    sim.advance(Duration::from_secs(2_400));
    let live_now = read().await;
    assert_eq!(
        (live_now.state, live_now.price, live_now.quantity),
        (ListingState::Live, Some(usd(1_999)), Some(500))
    );
    // Put again finds the product and edits it: there is still one.
    accepted(
        market.offers().unwrap().put(&CallCx::keyed("put-2"), &Draft::of([offer("CUP", 400)])).await.unwrap(),
    );
    let stock = StockChange { key: key.clone(), quantity: 450, expected: None };
    accepted(market.stock().unwrap().set(&CallCx::keyed("stock-1"), &[stock]).await.unwrap());
    let price = PriceChange { key: key.clone(), price: usd(1_850) };
    accepted(market.prices().unwrap().set(&CallCx::keyed("price-1"), &[price]).await.unwrap());
    sim.advance(Duration::from_secs(3_600));
    let live_now = read().await;
    assert_eq!((live_now.price, live_now.quantity), (Some(usd(1_850)), Some(450)));

    let from = sim.now();
    sim.advance(Duration::from_secs(36 * 3_600));
    let window = Window { from, to: sim.now() };
    let found = orders(&live, window).await;
    assert_eq!(found.len(), sim.ledger().orders["aliexpress"].len());
    assert!(!found.is_empty());
    for order in &found {
        assert_eq!(order.footing().unwrap(), order.total, "{}", order.id);
        let truth = &sim.ledger().orders["aliexpress"][order.id.as_str()];
        assert_eq!(order.total.minor(), truth.total, "{}", order.id);
        assert!(order.ship_to.is_some());
    }
    let order = found.iter().find(|o| o.state == OrderState::ReadyToShip).unwrap();
    let notice = ShipmentNotice {
        order: order.id.clone(),
        shipment: "S-1".parse().unwrap(),
        fulfilment: None,
        lines: order.lines.iter().map(|l| LineQuantity { line: l.id.clone(), quantity: l.open() }).collect(),
        carrier: "dhl-express".into(),
        waybill: "1234567890".parse().unwrap(),
        shipped_at: sim.now(),
    };
    let actions = market.order_actions().unwrap();
    assert_eq!(actions.ship(&CallCx::keyed("ship-1"), &notice).await.unwrap(), Submitted::Done(()));
    let after = market.orders().unwrap().get(&CallCx::new(), &order.id).await.unwrap();
    assert_eq!(after.state, OrderState::Shipped);
    // The same parcel told again (another process, after a lost answer) is found there and not told twice.
    assert_eq!(actions.ship(&CallCx::keyed("ship-2"), &notice).await.unwrap(), Submitted::Done(()));

    accepted(
        market.offers().unwrap().withdraw(&CallCx::keyed("off-1"), std::slice::from_ref(&key)).await.unwrap(),
    );
    sim.advance(Duration::from_secs(3_600));
    assert_eq!(read().await.state, ListingState::Absent);
    live.assert_exchanges(20);
}

fn notice(order: &Order, now: jiff::Timestamp) -> ShipmentNotice {
    ShipmentNotice {
        order: order.id.clone(),
        shipment: format!("S-{}", order.id).parse().unwrap(),
        fulfilment: None,
        lines: order.lines.iter().map(|l| LineQuantity { line: l.id.clone(), quantity: l.open() }).collect(),
        carrier: "dhl-express".into(),
        waybill: order.id.as_str()[..10].parse().unwrap(),
        shipped_at: now,
    }
}

#[tokio::test]
async fn a_buyers_wish_to_cancel_is_granted() {
    let (sim, live) = start_with(Demand {
        orders_per_day: 12,
        days: 1,
        cancel_per_mille: 900,
        refund_per_mille: 0,
        ..Demand::default()
    })
    .await;
    let market = live.connector.marketplace().unwrap();
    accepted(
        market.offers().unwrap().put(&CallCx::keyed("put"), &Draft::of([offer("CUP", 500)])).await.unwrap(),
    );
    let from = sim.now();
    let (mut granted, mut ours) = (0, 0);
    for quarter in 0..140 {
        sim.advance(Duration::from_secs(900));
        let window = Window { from, to: sim.now() };
        for order in orders(&live, window).await {
            let cx = CallCx::keyed(format!("{}/{quarter}", order.id));
            let actions = market.order_actions().unwrap();
            let by_buyer = Cancellation::whole(order.clone(), CancelReason::BuyerRequest);
            if order.state == OrderState::CancelRequested {
                let done = actions.cancel(&cx, &by_buyer).await.unwrap();
                assert_eq!(done, Submitted::Done(()));
                let now = market.orders().unwrap().get(&CallCx::new(), &order.id).await.unwrap();
                assert_eq!(now.state, OrderState::Cancelled);
                // Told again, as after an answer that was lost: it is done.
                let again = CallCx::keyed(format!("{}/again", order.id));
                let done = actions.cancel(&again, &by_buyer).await.unwrap();
                assert_eq!(done, Submitted::Done(()));
                granted += 1;
            } else if order.state == OrderState::ReadyToShip && ours == 0 {
                let refused = actions
                    .cancel(&cx, &Cancellation::whole(order.clone(), CancelReason::OutOfStock))
                    .await
                    .unwrap_err();
                assert_eq!(refused.kind(), Kind::Unsupported);
                ours += 1;
            }
        }
    }
    assert!(granted > 0 && ours > 0, "{granted} {ours}");
    live.assert_exchanges(20);
}

/// A shop that sold for a day and shipped all of it, and from when until when; of a thousand buyers so many think again.
async fn shipped(orders_per_day: u32, refund_per_mille: u32) -> (Arc<Simulator>, Live, Window) {
    let demand =
        Demand { orders_per_day, days: 1, cancel_per_mille: 0, refund_per_mille, ..Demand::default() };
    let (sim, live) = start_with(demand).await;
    let market = live.connector.marketplace().unwrap();
    accepted(
        market.offers().unwrap().put(&CallCx::keyed("put"), &Draft::of([offer("CUP", 500)])).await.unwrap(),
    );
    let from = sim.now();
    sim.advance(Duration::from_secs(60 * 3_600));
    let window = Window { from, to: sim.now() };
    for order in orders(&live, window).await {
        if order.state == OrderState::ReadyToShip {
            let cx = CallCx::keyed(format!("ship-{}", order.id));
            market.order_actions().unwrap().ship(&cx, &notice(&order, window.to)).await.unwrap();
        }
    }
    (sim, live, window)
}

#[tokio::test]
async fn a_claim_is_followed_to_its_end() {
    let (sim, live, _) = shipped(8, 1_000).await;
    let market = live.connector.marketplace().unwrap();
    // Buyers think again after six to ten days; the simulator's platform decides after one.
    let mut first: std::collections::BTreeMap<String, ReturnState> = std::collections::BTreeMap::new();
    let mut last: std::collections::BTreeMap<String, Return> = std::collections::BTreeMap::new();
    for _ in 0..14 {
        sim.advance(Duration::from_secs(24 * 3_600));
        let to = sim.now();
        let day = Window { from: to.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap(), to };
        let facet = market.returns().unwrap();
        let seen = all_records(|c| async move { facet.changed(&CallCx::new(), day, c.as_ref()).await });
        for r in seen.await.unwrap() {
            first.entry(r.id.to_string()).or_insert(r.state);
            last.insert(r.id.to_string(), r);
        }
    }
    assert!(!last.is_empty());
    assert!(first.values().any(|s| *s == ReturnState::Requested), "{first:?}");
    let truth = sim.ledger().orders["aliexpress"].clone();
    let mut back: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    for r in last.values() {
        assert_eq!((r.state, r.lines.len()), (ReturnState::Refunded, 1), "{}", r.id);
        *back.entry(r.order.to_string()).or_default() += r.amount.unwrap().minor();
    }
    // What the claims of an order give back is what the platform took.
    for (order, amount) in &back {
        assert_eq!(*amount, truth[order].refunded, "{order}");
    }
    assert_eq!(back.len(), truth.values().filter(|o| o.refunded > 0).count());
    live.assert_exchanges(20);
}

#[tokio::test]
async fn what_was_released_is_told_to_the_cent() {
    let (sim, live, Window { from, to: shipped }) = shipped(70, 300).await;
    let market = live.connector.marketplace().unwrap();
    let facet = market.transactions().unwrap();
    let read = async |from, to| {
        let window = Window { from, to };
        all_records(|c| async move { facet.changed(&CallCx::new(), window, c.as_ref()).await }).await.unwrap()
    };
    // Nothing is released before it was received; nobody confirms, which takes a month.
    assert!(read(from, shipped).await.is_empty());
    sim.advance(Duration::from_secs(45 * 24 * 3_600));
    let all = read(from, sim.now()).await;
    let truth = sim.ledger();
    let (placed, released) = (&truth.orders["aliexpress"], &truth.payouts["aliexpress"]);
    // A second page of the list.
    assert!(released.len() > 50 && placed.values().any(|o| o.refunded > 0 && o.refunded < o.total));
    assert!(placed.values().any(|o| o.refunded == o.total), "all went back of some order");
    let part = |of: &[&BalanceTransaction], codes: &[&str]| -> i64 {
        let parts = of.iter().flat_map(|t| &t.components);
        parts.filter(|c| codes.contains(&c.code.as_str())).map(|c| c.amount.minor()).sum()
    };
    for payout in released.values() {
        let [id] = payout.orders.as_slice() else { panic!("of one order: {payout:?}") };
        let mine: Vec<&BalanceTransaction> =
            all.iter().filter(|t| t.order.as_ref().is_some_and(|o| o.as_str() == id)).collect();
        let order = &placed[id];
        assert_eq!(mine.iter().map(|t| t.net.unwrap().minor()).sum::<i64>(), payout.amount, "{id}");
        assert_eq!(part(&mine, &["order_amount", "logistics_amount"]), order.total, "{id}");
        assert_eq!(part(&mine, &["logistics_amount"]), order.shipping, "{id}");
        assert_eq!(part(&mine, &["refund_cash_amt"]), -order.refunded, "{id}");
        // In whole seconds, as the channel's wall clock has them.
        let at: jiff::Timestamp = payout.at.parse().unwrap();
        assert!(mine.iter().all(|t| t.occurred_at.utc.as_second() == at.as_second()), "{id}");
    }
    let whole: Vec<&BalanceTransaction> = all.iter().collect();
    let money = &truth.money["aliexpress"]["USD"];
    assert_eq!(part(&whole, &["escrow_fee"]), -money.fees);
    assert_eq!(whole.iter().map(|t| t.net.unwrap().minor()).sum::<i64>(), money.paid_out);
    let ids: std::collections::BTreeSet<&str> = all.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(ids.len(), all.len(), "an id is of one movement");
    live.assert_exchanges(20);
}
