//! Listings and orders at the simulated Amazon, over real HTTP, every exchange held against Amazon's models.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tradewind_connector::role::{Cancellation, Draft, ItemOutcome, PriceChange, StockChange};
use tradewind_connector::{CallCx, Error, Handle, Kind, Patience, Submitted, Window, all_pages, all_records};
use tradewind_domain::{
    CancelReason, Content, Currency, ListingRef, ListingState, Locale, Money, Offer, Order, OrderState,
    RefundRequest, ReturnState, ShipmentNotice,
};
use tradewind_simulator::{Demand, Fault, Simulator};
use tradewind_testkit::{Follow, Live};

async fn start(more_settings: &str) -> (Arc<Simulator>, Live) {
    let sim = simulator().await;
    let live = open(&sim, "DE", more_settings);
    (sim, live)
}

async fn simulator() -> Arc<Simulator> {
    selling(8, 0).await
}

/// Orders on the first day, and how many of a thousand of them come back.
async fn selling(orders_per_day: u32, refund_per_mille: u32) -> Arc<Simulator> {
    let demand =
        Demand { orders_per_day, days: 1, cancel_per_mille: 0, refund_per_mille, ..Demand::default() };
    Arc::new(Simulator::builder().seed(5).demand(demand).channels(["amazon"]).start().await.unwrap())
}

/// An account of the one seller, for a store.
fn open(sim: &Arc<Simulator>, store: &str, more_settings: &str) -> Live {
    let login = sim.credentials("amazon");
    let base = sim.base_url("amazon");
    let settings = format!(
        "marketplace = \"{store}\"\nseller_id = \"{}\"\nclient_id = \"{}\"\nendpoint = \"{base}\"\ntoken_endpoint = \"{base}/auth/o2/token\"\n{more_settings}",
        login.get("seller_id"),
        login.get("client_id"),
    );
    let (a, b) = (sim.clone(), sim.clone());
    let clock = Arc::new(Follow { now: move || a.now(), wait: move |d| b.advance(d) });
    let secrets =
        [("client_secret", login.get("client_secret")), ("refresh_token", login.get("refresh_token"))];
    // Pre-signed addresses are no operations of the API.
    let apart = ["/auth/o2/token", "/document/"];
    Live::open(&tradewind_amazon::FACTORY, &settings, &secrets, clock, &apart).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::from_minor(minor, Currency::new("EUR").unwrap())
}

fn offer(sku: &str, quantity: u32, brand: Option<&str>) -> Offer {
    Offer {
        sku: sku.parse().unwrap(),
        product: "cup".parse().unwrap(),
        price: eur(1_999),
        quantity,
        locale: Locale("de-DE".into()),
        content: Content { title: "Teetasse".into(), description: "Eine Tasse.".into(), bullets: vec![] },
        brand: brand.map(str::to_owned),
        category: Some("CUP".into()),
        gtin: None,
        hs: None,
        origin: None,
        weight: None,
        dimensions: None,
        images: vec!["https://img.example.com/1.jpg".into()],
        attributes: std::collections::BTreeMap::new(),
    }
}

fn done(said: Submitted<Vec<ItemOutcome>>) -> Vec<ItemOutcome> {
    match said {
        Submitted::Done(items) => items,
        Submitted::Deferred(handle) => panic!("deferred: {handle:?}"),
    }
}

fn deferred<T: std::fmt::Debug>(said: Submitted<T>) -> Handle {
    match said {
        Submitted::Deferred(handle) => handle,
        Submitted::Done(what) => panic!("done at once: {what:?}"),
    }
}

fn accepted(said: Submitted<Vec<ItemOutcome>>) {
    for item in done(said) {
        item.result.unwrap();
    }
}

async fn read(live: &Live, sku: &str) -> tradewind_domain::LiveListing {
    let key = ListingRef { sku: sku.parse().unwrap(), listing: None };
    let listings = live.connector.marketplace().unwrap().listings().unwrap();
    listings.read(&CallCx::new(), &[key]).await.unwrap().remove(0)
}

async fn orders(live: &Live, window: Window) -> Vec<Order> {
    tradewind_testkit::orders(&*live.connector, window).await.unwrap()
}

#[tokio::test]
async fn publish_change_sell_ship_cancel_settle() {
    let (sim, live) = start("").await;
    let from = sim.now();
    let market = live.connector.marketplace().unwrap();
    let offers = market.offers().unwrap();
    assert_eq!(read(&live, "CUP").await.state, ListingState::Absent);
    // `INVALID` in a 200: no brand.
    let refused =
        done(offers.put(&CallCx::keyed("put-0"), &Draft::of([offer("CUP", 500, None)])).await.unwrap());
    assert_eq!(refused[0].result.as_ref().unwrap_err().kind(), Kind::Rejected);
    accepted(
        offers.put(&CallCx::keyed("put-1"), &Draft::of([offer("CUP", 500, Some("Acme"))])).await.unwrap(),
    );
    sim.advance(Duration::from_secs(3_600));
    let shown = read(&live, "CUP").await;
    assert_eq!((shown.state, shown.price, shown.quantity), (ListingState::Live, Some(eur(1_999)), Some(500)));
    let key = shown.key.clone();
    let stock = StockChange { key: key.clone(), quantity: 450, expected: None };
    accepted(market.stock().unwrap().set(&CallCx::keyed("stock-1"), &[stock]).await.unwrap());
    let price = PriceChange { key: key.clone(), price: eur(1_850) };
    accepted(market.prices().unwrap().set(&CallCx::keyed("price-1"), &[price]).await.unwrap());
    sim.advance(Duration::from_secs(3_600));
    let shown = read(&live, "CUP").await;
    // Buyers were there already; Amazon counts its own sales down.
    let sold: u32 = sim.ledger().orders["amazon"].values().flat_map(|o| &o.lines).map(|l| l.quantity).sum();
    assert_eq!((shown.price, shown.quantity), (Some(eur(1_850)), Some(450 - sold)));

    sim.advance(Duration::from_secs(36 * 3_600));
    let found = orders(&live, Window { from, to: sim.now() }).await;
    assert_eq!(found.len(), sim.ledger().orders["amazon"].len());
    for order in &found {
        assert_eq!(order.footing().unwrap(), order.total, "{}", order.id);
        let truth = &sim.ledger().orders["amazon"][order.id.as_str()];
        assert_eq!(order.total.minor(), truth.total, "{}", order.id);
    }
    let mut ready = found.iter().filter(|o| o.state == OrderState::ReadyToShip);
    let (first, second) = (ready.next().unwrap(), ready.next().unwrap());
    let actions = market.order_actions().unwrap();
    let notice = notice(first, &sim);
    assert_eq!(actions.ship(&CallCx::keyed("ship-1"), &notice).await.unwrap(), Submitted::Done(()));
    let get = async |id| market.orders().unwrap().get(&CallCx::new(), id).await.unwrap();
    assert_eq!(get(&first.id).await.state, OrderState::Shipped);

    // A cancellation is a feed: not done until its report says so.
    let cx = CallCx::keyed("cancel-1");
    let mut handle = deferred(
        actions.cancel(&cx, &Cancellation::whole(second.clone(), CancelReason::OutOfStock)).await.unwrap(),
    );
    assert_eq!(get(&second.id).await.state, OrderState::ReadyToShip);
    for _ in 0..20 {
        sim.advance(Duration::from_secs(60));
        match actions.poll(&CallCx::new(), &handle).await.unwrap() {
            Submitted::Deferred(next) => handle = next,
            Submitted::Done(()) => break,
        }
    }
    assert_eq!(get(&second.id).await.state, OrderState::Cancelled);

    // A settlement report a week later, byte for byte as Amazon published it; what it pays is in the event groups.
    sim.advance(Duration::from_secs(9 * 24 * 3_600));
    let window = Window { from, to: sim.now() };
    let statements = market.statements().unwrap();
    let reports = all_records(|c| async move { statements.list(&CallCx::new(), window, c.as_ref()).await });
    let reports = reports.await.unwrap();
    assert!(!reports.is_empty());
    let file = market.statements().unwrap().fetch(&CallCx::new(), &reports[0].id).await.unwrap();
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    assert!(text.starts_with("settlement-id\t") && text.contains(first.id.as_str()));

    accepted(offers.withdraw(&CallCx::keyed("off-1"), std::slice::from_ref(&key)).await.unwrap());
    sim.advance(Duration::from_secs(3_600));
    assert_eq!(read(&live, "CUP").await.state, ListingState::Absent);
    live.assert_exchanges(20);
}

#[tokio::test]
async fn a_first_load_is_one_feed_of_which_a_part_is_refused() {
    let (sim, live) = start("bulk_from = 2").await;
    let bounds = &live.connector.capabilities().bounds;
    assert_eq!((bounds.bulk_from, bounds.bulk_batch), (Some(2), Some(2_000)));
    let offers = live.connector.marketplace().unwrap().offers().unwrap();
    // The second has no brand: Amazon refuses it. The third is priced in a currency of another store: we do.
    let mut foreign = offer("C-3", 5, Some("Acme"));
    foreign.price = Money::from_minor(100, Currency::new("USD").unwrap());
    let batch = Draft::of([
        offer("C-1", 5, Some("Acme")),
        offer("C-2", 5, None),
        foreign,
        offer("C-4", 7, Some("Acme")),
    ]);
    let mut handle = deferred(offers.list(&CallCx::keyed("load"), &batch).await.unwrap());
    assert_eq!(read(&live, "C-1").await.state, ListingState::Absent);
    let mut polls = 0;
    let items = loop {
        assert!(polls < 20, "the feed never ends");
        polls += 1;
        // A restart between: all that is needed stands in the handle.
        handle = serde_json::from_str(&serde_json::to_string(&handle).unwrap()).unwrap();
        sim.advance(Duration::from_secs(60));
        match offers.poll(&CallCx::new(), &handle).await.unwrap() {
            Submitted::Deferred(next) => handle = next,
            Submitted::Done(items) => break items,
        }
    };
    assert!(polls > 1, "a feed takes its time");
    let said: Vec<(String, Option<Kind>)> =
        items.iter().map(|i| (i.sku.to_string(), i.result.as_ref().err().map(|e| e.kind()))).collect();
    let expected =
        [("C-1", None), ("C-2", Some(Kind::Rejected)), ("C-3", Some(Kind::InvalidRequest)), ("C-4", None)];
    assert_eq!(said, expected.map(|(sku, kind)| (sku.to_owned(), kind)));
    sim.advance(Duration::from_secs(3_600));
    assert_eq!(read(&live, "C-4").await.quantity, Some(7));
    for (sku, state) in
        [("C-1", ListingState::Live), ("C-2", ListingState::Absent), ("C-4", ListingState::Live)]
    {
        assert_eq!(read(&live, sku).await.state, state, "{sku}");
    }
    live.assert_exchanges(8);
}

/// How often the simulator was asked for something.
fn asked(sim: &Simulator, operation: &str) -> usize {
    sim.world().journal().iter().filter(|line| line.operation == operation).count()
}

/// How often the simulator was asked to make a feed.
fn feeds(sim: &Simulator) -> usize {
    asked(sim, "createFeed")
}

/// The search pages through a thousand listings and counts more: the report has them all.
#[tokio::test]
async fn a_sweep_of_more_than_a_thousand_listings_has_them_all() {
    let sim = selling(0, 0).await;
    let live = open(&sim, "DE", "bulk_from = 2");
    let market = live.connector.marketplace().unwrap();
    let (offers, listings) = (market.offers().unwrap(), market.listings().unwrap());
    let cx = CallCx::new();
    let cx = &cx;
    let sweep = async || all_records(|c| async move { listings.sweep(cx, c.as_ref()).await }).await.unwrap();
    let load = async |from: u32, to: u32, key: &str| {
        let batch = Draft::of((from..to).map(|n| offer(&format!("L-{n:04}"), n % 50 + 1, Some("Acme"))));
        let mut handle = deferred(offers.list(&CallCx::keyed(key), &batch).await.unwrap());
        for _ in 0..20 {
            sim.advance(Duration::from_secs(60));
            match offers.poll(&CallCx::new(), &handle).await.unwrap() {
                Submitted::Deferred(next) => handle = next,
                Submitted::Done(_) => break,
            }
        }
        sim.advance(Duration::from_secs(3_600));
    };
    load(0, 1_000, "load-1").await;
    assert_eq!((sweep().await.len(), asked(&sim, "createReport")), (1_000, 0));
    load(1_000, 1_003, "load-2").await;
    let found = sweep().await;
    assert_eq!(asked(&sim, "createReport"), 1);
    // One to five minutes in the queue, a question in 7.5 seconds.
    assert!((8..=41).contains(&asked(&sim, "getReport")), "{}", asked(&sim, "getReport"));
    let skus: BTreeSet<String> = found.iter().map(|l| l.key.sku.to_string()).collect();
    assert_eq!(skus, (0..1_003).map(|n| format!("L-{n:04}")).collect());
    let last = found.iter().find(|l| l.key.sku.as_str() == "L-1002").unwrap();
    // 1,002 modulo 50 and one more.
    assert_eq!((last.quantity, last.price, &last.state), (Some(3), Some(eur(1_999)), &ListingState::Live));
    live.assert_exchanges(70);
}

/// Buyers send everything back, and Amazon gives them their money.
#[tokio::test]
async fn what_buyers_send_back_is_told() {
    let sim = selling(8, 1_000).await;
    let live = open(&sim, "DE", "");
    let from = sim.now();
    sell(&sim, &[(&live, "EUR", "de-DE")]).await;
    let window = Window { from, to: sim.now() };
    let facet = live.connector.marketplace().unwrap().returns().unwrap();
    let cx = CallCx::new();
    let cx = &cx;
    let read = async |window: Window| {
        all_pages(|c| async move { facet.changed(cx, window, c.as_ref()).await }).await.unwrap()
    };
    let found = read(window).await;
    assert!(!found.is_empty());
    let sold = orders(&live, window).await;
    for case in found {
        let case = case.unwrap();
        let order = sold.iter().find(|o| o.id == case.order).unwrap();
        assert_eq!((case.state, case.amount), (ReturnState::Approved, Some(order.total)));
        let goods: Vec<_> = case.skus.iter().map(|s| (Some(&s.sku), s.quantity)).collect();
        let lines: Vec<_> = order.lines.iter().map(|l| (l.sku.as_ref(), l.quantity)).collect();
        assert_eq!(goods, lines);
    }
    // A week before anything was sold: the report cancels itself.
    let week = Duration::from_secs(7 * 24 * 3_600);
    let before = Window { from: from - 2 * week, to: from - week };
    assert!(read(before).await.is_empty());
}

/// A refund is done when the report of its feed says so, for the cent; what Amazon refuses is refused.
#[tokio::test]
async fn a_refund_is_a_feed() {
    let (sim, live) = start("").await;
    let from = sim.now();
    sell(&sim, &[(&live, "EUR", "de-DE")]).await;
    let actions = live.connector.marketplace().unwrap().order_actions().unwrap();
    let sold = orders(&live, Window { from, to: sim.now() }).await;
    let order = sold.iter().find(|o| o.state == OrderState::Shipped).unwrap();
    let request = |id: &str, amount: Money| RefundRequest {
        id: id.parse().unwrap(),
        order: order.id.clone(),
        lines: Vec::new(),
        amount,
        reason: CancelReason::BuyerRequest,
        transaction: None,
    };
    let settle = async |mut handle: Handle| {
        for _ in 0..20 {
            sim.advance(Duration::from_secs(60));
            match actions.poll(&CallCx::new(), &handle).await? {
                Submitted::Deferred(next) => handle = next,
                Submitted::Done(()) => return Ok::<(), Error>(()),
            }
        }
        panic!("the feed never ends")
    };
    let given = || sim.ledger().orders["amazon"][order.id.as_str()].refunded;
    // Again under the same key: the same feed.
    let (key, part) = (CallCx::keyed("refund-1"), request("R-1", eur(123)));
    let handle = deferred(actions.refund(&key, &part).await.unwrap());
    assert_eq!(deferred(actions.refund(&key, &part).await.unwrap()).id, handle.id);
    assert_eq!((feeds(&sim), given()), (1, 0));
    settle(handle).await.unwrap();
    assert_eq!(given(), 123);
    // All of it after a part: Amazon has not so much left, and says so.
    let all = request("R-2", order.total);
    let handle = deferred(actions.refund(&CallCx::keyed("refund-2"), &all).await.unwrap());
    assert_eq!(settle(handle).await.unwrap_err().kind(), Kind::Rejected);
    assert_eq!(given(), 123);
    let rest = request("R-3", order.total.try_sub(eur(123)).unwrap());
    settle(deferred(actions.refund(&CallCx::keyed("refund-3"), &rest).await.unwrap())).await.unwrap();
    assert_eq!(given(), order.total.minor());
    // More than was paid does not leave the house.
    let more = request("R-4", order.total.try_add(eur(1)).unwrap());
    let error = actions.refund(&CallCx::keyed("refund-4"), &more).await.unwrap_err();
    assert_eq!((error.kind(), feeds(&sim)), (Kind::InvalidRequest, 3));
    // A lost answer is not sent again.
    sim.set_fault("amazon", Some("createFeed"), Fault::DropAfter, 1);
    let key = CallCx::keyed("refund-5");
    for _ in 0..2 {
        let error = actions.refund(&key, &request("R-5", eur(1))).await.unwrap_err();
        assert_eq!((error.kind(), feeds(&sim)), (Kind::Indeterminate, 4));
    }
}

#[tokio::test]
async fn a_feed_whose_answer_is_lost_is_not_sent_again() {
    let (sim, live) = start("bulk_from = 2").await;
    let offers = live.connector.marketplace().unwrap().offers().unwrap();
    let batch = Draft::of([offer("D-1", 5, Some("Acme")), offer("D-2", 6, Some("Acme"))]);
    sim.set_fault("amazon", Some("createFeed"), Fault::DropAfter, 1);
    let cx = CallCx::keyed("load");
    assert_eq!(offers.list(&cx, &batch).await.unwrap_err().kind(), Kind::Indeterminate);
    // Nor by a later process that carries out the same intention.
    assert_eq!(offers.list(&cx, &batch).await.unwrap_err().kind(), Kind::Indeterminate);
    assert_eq!(feeds(&sim), 1);
    assert_eq!(read(&live, "D-1").await.state, ListingState::Absent);
    // It takes effect minutes later, as reading shows.
    sim.advance(Duration::from_secs(3_600));
    assert_eq!(read(&live, "D-1").await.state, ListingState::Live);
}

#[tokio::test]
async fn an_upload_that_fails_leaves_no_doubt_and_is_made_anew() {
    let (sim, live) = start("bulk_from = 2").await;
    let offers = live.connector.marketplace().unwrap().offers().unwrap();
    let batch = Draft::of([offer("E-1", 5, Some("Acme")), offer("E-2", 6, Some("Acme"))]);
    let cx = CallCx::keyed("load");
    for operation in ["createFeedDocument", "uploadDocument"] {
        // As often as one call is tried.
        sim.set_fault("amazon", Some(operation), Fault::DropAfter, Patience::default().attempts);
        let kind = offers.list(&cx, &batch).await.unwrap_err().kind();
        assert_eq!(kind, Kind::Transport, "{operation}");
        assert_eq!(feeds(&sim), 0);
        // The address of the upload has expired by then.
        sim.advance(Duration::from_secs(3_600));
    }
    deferred(offers.list(&cx, &batch).await.unwrap());
    assert_eq!(feeds(&sim), 1);
}

/// Sells in stores for a day, ships what was bought (Amazon pays no earlier), and lets the settlement come.
async fn sell(sim: &Simulator, lives: &[(&Live, &str, &str)]) {
    for (live, currency, locale) in lives {
        let mut offer = offer("CUP", 500, Some("Acme"));
        offer.price = Money::from_minor(1_999, Currency::new(currency).unwrap());
        offer.locale = Locale((*locale).into());
        let offers = live.connector.marketplace().unwrap().offers().unwrap();
        accepted(offers.put(&CallCx::keyed("put-1"), &Draft::of([offer])).await.unwrap());
    }
    let from = sim.now();
    sim.advance(Duration::from_secs(36 * 3_600));
    for (live, ..) in lives {
        let found = orders(live, Window { from, to: sim.now() }).await;
        for order in found.iter().filter(|o| o.state == OrderState::ReadyToShip) {
            let actions = live.connector.marketplace().unwrap().order_actions().unwrap();
            let notice = notice(order, sim);
            actions.ship(&CallCx::keyed(order.id.as_str()), &notice).await.unwrap();
        }
    }
    sim.advance(Duration::from_secs(10 * 24 * 3_600));
}

/// Everything of an order, in one parcel.
fn notice(order: &Order, sim: &Simulator) -> ShipmentNotice {
    let line = |l: &tradewind_domain::OrderLine| tradewind_domain::LineQuantity {
        line: l.id.clone(),
        quantity: l.open(),
    };
    ShipmentNotice {
        order: order.id.clone(),
        shipment: "S-1".parse().unwrap(),
        fulfilment: None,
        lines: order.lines.iter().map(line).collect(),
        carrier: "dhl-express".into(),
        waybill: "1234567890".parse().unwrap(),
        shipped_at: sim.now(),
    }
}

/// What an account is told of its money: currencies of movements and of payouts, orders in movements, documents.
async fn money(
    live: &Live,
    window: Window,
) -> (BTreeSet<String>, BTreeSet<String>, BTreeSet<String>, Vec<String>) {
    let market = live.connector.marketplace().unwrap();
    let cx = &CallCx::new();
    let facet = market.transactions().unwrap();
    let moves = all_records(|c| async move { facet.changed(cx, window, c.as_ref()).await }).await.unwrap();
    let facet = market.payouts().unwrap();
    let payouts = all_records(|c| async move { facet.changed(cx, window, c.as_ref()).await }).await.unwrap();
    let facet = market.statements().unwrap();
    let listed = all_records(|c| async move { facet.list(cx, window, c.as_ref()).await }).await.unwrap();
    let mut files = Vec::new();
    for statement in listed {
        let text = String::from_utf8(facet.fetch(cx, &statement.id).await.unwrap().bytes.to_vec()).unwrap();
        // The label says what the file says, in its column "currency", the sixth, of the row of totals.
        let currency = text.lines().nth(1).unwrap().split('\t').nth(5).unwrap().to_owned();
        assert_eq!(statement.currency.code(), currency);
        files.push(currency);
    }
    let code = |m: Money| m.currency().code().to_owned();
    (
        moves.iter().map(|t| code(t.amount)).collect(),
        payouts.iter().map(|p| code(p.amount)).collect(),
        moves.iter().filter_map(|t| t.order.as_ref().map(ToString::to_string)).collect(),
        files,
    )
}

/// Both accounts are of one seller and one region: each reads its own store's money, and only that.
#[tokio::test]
async fn two_stores_of_one_seller_keep_their_money_apart() {
    let sim = simulator().await;
    let (de, gb) = (open(&sim, "DE", ""), open(&sim, "GB", ""));
    let from = sim.now();
    sell(&sim, &[(&de, "EUR", "de-DE"), (&gb, "GBP", "en-GB")]).await;
    let window = Window { from, to: sim.now() };
    let only = |code: &str| BTreeSet::from([code.to_owned()]);
    for (live, code) in [(&de, "EUR"), (&gb, "GBP")] {
        let (moves, payouts, _, files) = money(live, window).await;
        assert_eq!((moves, payouts), (only(code), only(code)));
        assert!(!files.is_empty() && files.iter().all(|f| f == code), "{code}: {files:?}");
    }
}

/// "If you want to retrieve MFN orders in the US store, do not supply the marketplaceId parameter": the answer has the
/// region's other stores too, and they are left out here.
#[tokio::test]
async fn orders_of_the_us_store_are_in_the_transactions_and_no_others() {
    let sim = simulator().await;
    let (us, ca) = (open(&sim, "US", ""), open(&sim, "CA", ""));
    let from = sim.now();
    sell(&sim, &[(&us, "USD", "en-US"), (&ca, "CAD", "en-CA")]).await;
    let window = Window { from, to: sim.now() };
    let shown =
        |orders: Vec<Order>| -> BTreeSet<String> { orders.iter().map(|o| o.id.to_string()).collect() };
    let (moves, _, told, _) = money(&us, window).await;
    assert_eq!(moves, BTreeSet::from(["USD".to_owned()]));
    let of_us = shown(orders(&us, window).await);
    assert!(!told.is_empty() && told.is_subset(&of_us), "{told:?} {of_us:?}");
    let (moves, _, told, _) = money(&ca, window).await;
    assert_eq!(moves, BTreeSet::from(["CAD".to_owned()]));
    assert!(!told.is_empty());
}
