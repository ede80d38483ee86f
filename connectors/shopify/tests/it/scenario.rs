//! A shop's day at the simulated Shopify, over real HTTP, every exchange held against the schema 2026-10.

use std::sync::Arc;
use std::time::Duration;

use tradewind_connector::role::{Cancellation, Draft, ItemOutcome, PriceChange, StockChange};
use tradewind_connector::{CallCx, Kind, Submitted, Window, all_records};
use tradewind_domain::{
    CancelReason, Content, Currency, LineQuantity, ListingRef, ListingState, LiveListing, Locale, Money,
    Offer, Order, OrderState, RefundRequest, ShipmentNotice,
};
use tradewind_simulator::{Demand, Fault, Simulator};
use tradewind_testkit::{Follow, Live};

async fn start() -> (Arc<Simulator>, Live) {
    start_with(3).await
}

/// Buyers take at most so many units of a line.
async fn start_with(max_quantity: u32) -> (Arc<Simulator>, Live) {
    let demand = Demand {
        orders_per_day: 12,
        days: 1,
        max_quantity,
        cancel_per_mille: 0,
        refund_per_mille: 0,
        ..Demand::default()
    };
    let sim =
        Arc::new(Simulator::builder().seed(9).demand(demand).channels(["shopify"]).start().await.unwrap());
    let live = open(&sim, "", &["client_secret", "refresh_token"]);
    (sim, live)
}

/// An account of the shop, with further settings and these secrets.
fn open(sim: &Arc<Simulator>, more: &str, secrets: &[&str]) -> Live {
    let login = sim.credentials("shopify");
    let settings = format!(
        "shop = '{}'\nendpoint = '{}'\napi_version = '{}'\ncurrency = '{}'\nlocation = '{}'\npublication = '{}'\nclient_id = '{}'\n{more}",
        login.get("shop_domain"),
        sim.base_url("shopify"),
        login.get("api_version"),
        "USD",
        login.get("location_id"),
        login.get("publication_id"),
        login.get("client_id"),
    );
    let (a, b) = (sim.clone(), sim.clone());
    let clock = Arc::new(Follow { now: move || a.now(), wait: move |d| b.advance(d) });
    let secrets: Vec<(&str, &str)> = secrets.iter().map(|name| (*name, login.get(name))).collect();
    Live::open(&tradewind_shopify::FACTORY, &settings, &secrets, clock, &["/admin/oauth/"]).unwrap()
}

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::new("USD").unwrap())
}

fn offer(sku: &str, price: i64, quantity: u32) -> Offer {
    Offer {
        sku: sku.parse().unwrap(),
        product: "tea-cup".parse().unwrap(),
        price: usd(price),
        quantity,
        locale: Locale("en".into()),
        content: Content {
            title: "Tea cup".into(),
            description: "A cup.".into(),
            bullets: vec!["Stoneware".into()],
        },
        brand: Some("Entrepot".into()),
        category: None,
        gtin: None,
        hs: None,
        origin: None,
        weight: None,
        dimensions: None,
        images: vec!["https://img.example.com/1.jpg".into()],
        attributes: [("Color".to_owned(), sku.to_owned())].into(),
    }
}

fn accepted(done: Submitted<Vec<ItemOutcome>>) {
    let Submitted::Done(items) = done else { panic!("deferred") };
    for item in items {
        item.result.unwrap();
    }
}

async fn orders(live: &Live, window: Window) -> Vec<Order> {
    tradewind_testkit::orders(&*live.connector, window).await.unwrap()
}

#[tokio::test]
async fn put_sell_ship_cancel_refund_pay() {
    let (sim, live) = start().await;
    let from = sim.now();
    let market = live.connector.marketplace().unwrap();
    let listings = market.listings().unwrap();
    let keys: Vec<ListingRef> =
        ["RED", "BLUE"].iter().map(|s| ListingRef { sku: s.parse().unwrap(), listing: None }).collect();
    let read = async || listings.read(&CallCx::new(), &keys).await.unwrap();
    assert!(read().await.iter().all(|l| l.state == ListingState::Absent));
    let offers = market.offers().unwrap();
    accepted(
        offers
            .put(&CallCx::keyed("put-1"), &Draft::of([offer("RED", 1_999, 500), offer("BLUE", 2_100, 500)]))
            .await
            .unwrap(),
    );
    // Active at once, and on the sales channel one to five minutes later: no buyer sees it before.
    assert!(read().await.iter().all(|l| l.state == ListingState::Inactive));
    sim.advance(Duration::from_secs(300));
    let live_now = read().await;
    // Buyers are there already.
    let on_sale =
        |l: &tradewind_domain::LiveListing| l.state == ListingState::Live && l.quantity <= Some(500);
    assert!(live_now.iter().all(on_sale), "{live_now:?}");
    assert_eq!((live_now[0].price, live_now[1].price), (Some(usd(1_999)), Some(usd(2_100))));
    // One variant again: the other stays, because what exists is kept.
    accepted(offers.put(&CallCx::keyed("put-2"), &Draft::of([offer("RED", 1_950, 480)])).await.unwrap());
    assert_eq!(read().await[1].price, Some(usd(2_100)));
    // A put compares as well: made up from more units than there are by now, it gives no sold one back.
    let there = read().await[0].quantity.unwrap();
    let believed = |price, quantity, shown| {
        let mut drafts = Draft::of([offer("RED", price, quantity)]);
        drafts[0].offers[0].shown = Some(shown);
        drafts
    };
    accepted(offers.put(&CallCx::keyed("put-3"), &believed(1_960, there + 1, there + 1)).await.unwrap());
    let now = &read().await[0];
    assert_eq!((now.quantity, now.price), (Some(there), Some(usd(1_960))));
    let Submitted::Done(raised) =
        offers.put(&CallCx::keyed("put-4"), &believed(1_950, there + 9, there + 1)).await.unwrap()
    else {
        panic!("deferred")
    };
    assert_eq!(raised[0].result.as_ref().unwrap_err().kind(), Kind::Conflict);
    assert_eq!(read().await[0].quantity, Some(there));
    // Compare-and-set: a wrong belief is a conflict of that item alone.
    let change = |sku: usize, quantity, expected| StockChange { key: keys[sku].clone(), quantity, expected };
    let shown = read().await[0].quantity;
    let changes = [change(0, 470, shown), change(1, 9, Some(7))];
    let set = market.stock().unwrap().set(&CallCx::keyed("s-1"), &changes).await.unwrap();
    let Submitted::Done(done) = set else { panic!("deferred") };
    assert!(done[0].result.is_ok());
    assert_eq!(done[1].result.as_ref().unwrap_err().kind(), Kind::Conflict);
    let price = PriceChange { key: keys[1].clone(), price: usd(2_050) };
    accepted(market.prices().unwrap().set(&CallCx::keyed("p-1"), &[price]).await.unwrap());
    let live_now = read().await;
    assert_eq!((live_now[0].quantity, live_now[1].price), (Some(470), Some(usd(2_050))));

    sim.advance(Duration::from_secs(30 * 3_600));
    let found = orders(&live, Window { from, to: sim.now() }).await;
    assert_eq!(found.len(), sim.ledger().orders["shopify"].len());
    assert!(found.len() > 3, "{}", found.len());
    for order in &found {
        assert_eq!(order.footing().unwrap(), order.total, "{}", order.id);
        assert_eq!(
            order.total.minor(),
            sim.ledger().orders["shopify"][order.id.as_str()].total,
            "{}",
            order.id
        );
    }
    let open: Vec<&Order> = found.iter().filter(|o| o.state == OrderState::ReadyToShip).collect();
    let actions = market.order_actions().unwrap();
    let notice = ShipmentNotice {
        order: open[0].id.clone(),
        shipment: "S-1".parse().unwrap(),
        fulfilment: None,
        lines: open[0]
            .lines
            .iter()
            .map(|l| LineQuantity { line: l.id.clone(), quantity: l.open() })
            .collect(),
        carrier: "dhl-express".into(),
        waybill: "1234567890".parse().unwrap(),
        shipped_at: sim.now(),
    };
    for key in ["ship-1", "ship-2"] {
        assert_eq!(actions.ship(&CallCx::keyed(key), &notice).await.unwrap(), Submitted::Done(()));
    }
    let facet = market.orders().unwrap();
    assert_eq!(facet.get(&CallCx::new(), &open[0].id).await.unwrap().state, OrderState::Shipped);
    // A cancellation is a job.
    let cancel = actions
        .cancel(&CallCx::keyed("c-1"), &Cancellation::whole(open[1].clone(), CancelReason::OutOfStock))
        .await
        .unwrap();
    sim.advance(Duration::from_secs(60));
    if let Submitted::Deferred(handle) = cancel {
        assert_eq!(actions.poll(&CallCx::new(), &handle).await.unwrap(), Submitted::Done(()));
    }
    assert_eq!(facet.get(&CallCx::new(), &open[1].id).await.unwrap().state, OrderState::Cancelled);
    assert!(sim.ledger().orders["shopify"][open[1].id.as_str()].cancelled);
    let refund = RefundRequest {
        id: "r-1".parse().unwrap(),
        order: open[2].id.clone(),
        lines: Vec::new(),
        amount: usd(100),
        reason: CancelReason::BuyerRequest,
        transaction: None,
    };
    assert_eq!(actions.refund(&CallCx::keyed("r-1"), &refund).await.unwrap(), Submitted::Done(()));
    assert_eq!(facet.get(&CallCx::new(), &open[2].id).await.unwrap().refunded, usd(100));

    sim.advance(Duration::from_secs(12 * 86_400));
    let window = Window { from, to: sim.now() };
    let cx = CallCx::new();
    let cx = &cx;
    let (rows, paid) = (market.transactions().unwrap(), market.payouts().unwrap());
    let rows =
        all_records(|cursor| async move { rows.changed(cx, window, cursor.as_ref()).await }).await.unwrap();
    let paid =
        all_records(|cursor| async move { paid.changed(cx, window, cursor.as_ref()).await }).await.unwrap();
    assert!(!paid.is_empty());
    for payout in &paid {
        // The transfer to the bank is a row of the payout as well, and takes out what the others put in.
        let of = rows
            .iter()
            .filter(|t| t.payout.as_ref() == Some(&payout.id) && t.kind != "TRANSFER")
            .filter_map(|t| t.net);
        assert_eq!(Money::try_sum(payout.amount.currency(), of).unwrap(), payout.amount, "{}", payout.id);
    }
    // One variant of a product that stays, and then the rest of it.
    accepted(offers.withdraw(&CallCx::keyed("w-0"), &keys[..1]).await.unwrap());
    let states: Vec<_> = read().await.into_iter().map(|l| (l.key.sku, l.state)).collect();
    for (sku, state) in &states {
        let gone = *sku == keys[0].sku;
        assert_eq!(*state, if gone { ListingState::Absent } else { ListingState::Live }, "{sku}");
    }
    assert!(states.len() > 1, "a variant stays");
    accepted(offers.withdraw(&CallCx::keyed("w-1"), &keys).await.unwrap());
    assert!(read().await.iter().all(|l| l.state != ListingState::Live));
    live.assert_exchanges(30);
}

/// Payments and fulfilments are plain lists: with a `first` the rest of them is cut, here as there, and nothing tells.
#[tokio::test]
async fn an_order_of_many_parcels_and_refunds_is_read_whole() {
    let (sim, live) = start_with(40).await;
    let from = sim.now();
    let market = live.connector.marketplace().unwrap();
    let offers = market.offers().unwrap();
    accepted(offers.put(&CallCx::keyed("put"), &Draft::of([offer("RED", 1_999, 2_000)])).await.unwrap());
    sim.advance(Duration::from_secs(30 * 3_600));
    let found = orders(&live, Window { from, to: sim.now() }).await;
    let large =
        found.iter().filter(|o| o.lines[0].quantity > 21).min_by_key(|o| o.lines[0].quantity).unwrap();
    let (line, units) = (large.lines[0].id.clone(), large.lines[0].quantity);
    let actions = market.order_actions().unwrap();
    for n in 1..=units {
        let notice = ShipmentNotice {
            order: large.id.clone(),
            shipment: format!("S-{n}").parse().unwrap(),
            fulfilment: None,
            lines: vec![LineQuantity { line: line.clone(), quantity: 1 }],
            carrier: "dhl-express".into(),
            waybill: format!("W-{n}").parse().unwrap(),
            shipped_at: sim.now(),
        };
        let shipped = actions.ship(&CallCx::keyed(format!("ship-{n}")), &notice).await.unwrap();
        assert_eq!(shipped, Submitted::Done(()));
    }
    for n in 1..=21 {
        let refund = RefundRequest {
            id: format!("r-{n}").parse().unwrap(),
            order: large.id.clone(),
            lines: vec![LineQuantity { line: line.clone(), quantity: 1 }],
            amount: usd(1),
            reason: CancelReason::BuyerRequest,
            transaction: None,
        };
        let refunded = actions.refund(&CallCx::keyed(format!("refund-{n}")), &refund).await.unwrap();
        assert_eq!(refunded, Submitted::Done(()));
    }
    // All left, one by one; that 21 of them were refunded takes none of them back.
    let one = market.orders().unwrap().get(&CallCx::new(), &large.id).await.unwrap();
    let listed = orders(&live, Window { from, to: sim.now() }).await;
    let listed = listed.iter().find(|o| o.id == large.id).unwrap();
    for order in [&one, listed] {
        assert_eq!((order.lines[0].cancelled, order.lines[0].shipped), (0, units));
        assert_eq!((order.state, order.refunded), (OrderState::Shipped, usd(21)));
        // The one payment, among the 22 transactions.
        assert_eq!(order.payments.iter().map(|p| p.amount).collect::<Vec<_>>(), [order.total]);
    }
    live.assert_exchanges(100);
}

async fn swept(live: &Live) -> Vec<LiveListing> {
    let listings = live.connector.marketplace().unwrap().listings().unwrap();
    let cx = &CallCx::new();
    let all = all_records(|c| async move { listings.sweep(cx, c.as_ref()).await });
    let mut all = all.await.unwrap();
    all.sort_by(|a, b| a.key.sku.cmp(&b.key.sku));
    all
}

#[tokio::test]
async fn a_large_catalogue_comes_in_one_file() {
    let (sim, paged) = start().await;
    let offers = paged.connector.marketplace().unwrap().offers().unwrap();
    let lamp = Offer { product: "lamp".parse().unwrap(), ..offer("LAMP", 5_999, 3) };
    let all = Draft::of([offer("CUP-RED", 1_999, 7), offer("CUP-BLUE", 2_099, 0), lamp]);
    offers.put(&CallCx::keyed("put"), &all).await.unwrap();
    sim.advance(Duration::from_secs(300));
    let pages = swept(&paged).await;
    assert_eq!(pages.len(), 3);
    // The same shop for one to whom three variants are many.
    let bulk = open(&sim, "bulk_from = 3", &["access_token"]);
    let before = sim.now();
    // An outage in between is the pipeline's business.
    sim.set_fault("shopify", Some("bulkOperation"), Fault::ServerError, 1);
    assert_eq!(swept(&bulk).await, pages);
    // The job took its minute, and was asked about every twenty seconds, once more for the outage.
    let waited = sim.now().duration_since(before).as_secs();
    assert!((60..120).contains(&waited), "{waited} s");
    // First page, start, questions, file.
    let sent = bulk.connector.pipeline().counts().sent;
    assert!((7..12).contains(&sent), "{sent} requests");
    // Questions and answers, but for the file.
    bulk.assert_exchanges(8);
}

#[tokio::test]
async fn categories_are_found_and_described() {
    let (_, live) = start().await;
    let categories = live.connector.marketplace().unwrap().categories().unwrap();
    let found = categories.find(&CallCx::new(), "t-shirts").await.unwrap();
    // The id and the name of Shopify's taxonomy.
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].leaf), ("gid://shopify/TaxonomyCategory/aa-1-13-8", true));
    assert_eq!(found[0].path, ["Apparel & Accessories", "Clothing", "Clothing Tops", "T-Shirts"]);
    assert_eq!(categories.find(&CallCx::new(), "steam engines").await.unwrap(), []);
    // Twelve attributes are two pages, a hundred values of one two more queries; a measurement has no list.
    let attributes = categories.attributes(&CallCx::new(), &found[0].id).await.unwrap();
    assert_eq!(attributes.len(), 12);
    let of = |name: &str| attributes.iter().find(|a| a.name == name).unwrap();
    assert_eq!(of("Neckline").values, ["Crew", "Henley", "V-neck"]);
    assert_eq!(of("Pattern").values.len(), 100);
    assert_eq!(of("Pattern").values[99], "Pattern 100");
    assert_eq!(of("Garment length").values, Vec::<String>::new());
    assert!(attributes.iter().all(|a| !a.required));
    let none = "gid://shopify/TaxonomyCategory/zz-9";
    assert_eq!(categories.attributes(&CallCx::new(), none).await.unwrap_err().kind(), Kind::NotFound);
    // A product type is no category: said before anything is sent.
    assert_eq!(categories.attributes(&CallCx::new(), "Mugs").await.unwrap_err().kind(), Kind::InvalidRequest);
    live.assert_exchanges(1);
}
