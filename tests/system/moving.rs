//! What moves while it is read, through the gateway and over real HTTP: pages from under the reader, and movements of money
//! that learn only later which payout they are in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tradewind_connector::role::Draft;
use tradewind_connector::{
    AccountConfig, CallCx, Clock, Connector, Factory, HttpTransport, Limiter, Runtime, Secrets, SeededChance,
    Submitted,
};
use tradewind_domain::{LineQuantity, Offer, OrderState, ShipmentNotice};
use tradewind_gateway::config::Config;
use tradewind_gateway::records::{OrderRecord, TransactionRecord};
use tradewind_gateway::{Engines, Gateway};
use tradewind_simulator::{Demand, Fault, Simulator};
use tradewind_store::typed::{self, Record};
use tradewind_store::{Filter, KeySource, SqliteStore};

/// The world's time; who waits moves it.
struct InWorld(Arc<Simulator>);

#[async_trait]
impl Clock for InWorld {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }
    async fn sleep(&self, wait: Duration) {
        self.0.advance(wait);
    }
    fn moves_for_all(&self) -> bool {
        true
    }
}

/// One account at a simulated channel.
struct Shop {
    channel: &'static str,
    simulator: Arc<Simulator>,
    gateway: Gateway,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn open(channel: &'static str, demand: Demand) -> Shop {
        let simulator =
            Simulator::builder().seed(5).demand(demand).channels([channel]).start().await.unwrap();
        let simulator = Arc::new(simulator);
        let folder = tempfile::tempdir().unwrap();
        let config = format!("[[account]]\nid = \"{channel}\"\nconnector = \"{channel}\"\n");
        let config = Config::parse(&config, "tradewind.toml").unwrap();
        let key = KeySource::File(folder.path().join("key"));
        let store = Arc::new(SqliteStore::open(&folder.path().join("t.db"), &key).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(InWorld(simulator.clone()));
        let runtime = Runtime {
            transport: Arc::new(HttpTransport::new(clock.clone()).unwrap()),
            chance: Arc::new(SeededChance::new(1)),
            journal: store.clone(),
            limiter: Arc::new(Limiter::new(clock.clone())),
            logins: Arc::default(),
            clock: clock.clone(),
        };
        let connector = connect(channel, &simulator, runtime);
        let accounts = BTreeMap::from([(channel.parse().unwrap(), connector)]);
        let engines = Arc::new(Engines::load(&config, Path::new(".")).unwrap());
        Shop {
            channel,
            simulator,
            gateway: Gateway { config, accounts, store, clock, engines },
            _folder: folder,
        }
    }

    fn connector(&self) -> &Arc<dyn Connector> {
        self.gateway.accounts.values().next().unwrap()
    }

    fn wait(&self, hours: u64) {
        self.simulator.advance(Duration::from_secs(hours * 3_600));
    }

    /// Puts a mug on sale, of which there are enough for all who come.
    async fn sell(&self, offer: serde_json::Value) {
        let mut all = json!({
            "sku": "MUG-1", "product": "MUG", "quantity": 9_000, "brand": "Harbour",
            "content": {"title": "Mug", "description": "A mug of stoneware."}, "weight": 380,
            "dimensions": {"length_mm": 100, "width_mm": 100, "height_mm": 100},
            "images": ["https://images.example/mug.jpg"],
        });
        all.as_object_mut().unwrap().extend(offer.as_object().unwrap().clone());
        let offer: Offer = serde_json::from_value(all).unwrap();
        let offers = self.connector().marketplace().unwrap().offers().unwrap();
        let Submitted::Done(said) = offers.put(&CallCx::keyed("put"), &Draft::of([offer])).await.unwrap()
        else {
            panic!("deferred")
        };
        said.into_iter().for_each(|item| drop(item.result.unwrap()));
    }

    async fn all<R: Record>(&self) -> Vec<R> {
        let all = typed::list::<R>(&*self.gateway.store, Filter::all()).await.unwrap();
        all.into_iter().map(|row| row.value).collect()
    }

    /// Ships all that waits for it, in one parcel each.
    async fn ship(&self) {
        let actions = self.connector().marketplace().unwrap().order_actions().unwrap();
        for OrderRecord { order, .. } in self.all().await {
            if order.state != OrderState::ReadyToShip {
                continue;
            }
            let line =
                |l: &tradewind_domain::OrderLine| LineQuantity { line: l.id.clone(), quantity: l.open() };
            let notice = ShipmentNotice {
                order: order.id.clone(),
                shipment: "S-1".parse().unwrap(),
                fulfilment: None,
                lines: order.lines.iter().map(line).collect(),
                carrier: "dhl-express".to_owned(),
                waybill: "1234567890".parse().unwrap(),
                shipped_at: self.simulator.now(),
            };
            let done = actions.ship(&CallCx::keyed(order.id.as_str()), &notice).await.unwrap();
            assert_eq!(done, Submitted::Done(()));
        }
    }
}

fn connect(channel: &str, simulator: &Simulator, runtime: Runtime) -> Arc<dyn Connector> {
    let (login, url) = (simulator.credentials(channel), simulator.base_url(channel));
    let of = |name: &str| login.get(name).to_owned();
    let (factory, settings): (&'static Factory, String) = match channel {
        "aliexpress" => (
            &tradewind_aliexpress::FACTORY,
            tradewind_aliexpress::FACTORY
                .example
                .replace("https://api-sg.aliexpress.com", &url)
                .replace("\"12345678\"", &format!("\"{}\"", of("app_key"))),
        ),
        "amazon" => (
            &tradewind_amazon::FACTORY,
            format!(
                "marketplace = \"DE\"\nseller_id = \"{}\"\nclient_id = \"{}\"\nendpoint = \"{url}\"\ntoken_endpoint = \"{url}/auth/o2/token\"",
                of("seller_id"),
                of("client_id")
            ),
        ),
        "ebay" => (
            &tradewind_ebay::FACTORY,
            format!(
                "marketplace = 'EBAY_DE'\nclient_id = '{}'\nmerchant_location = '{}'\nfulfillment_policy = '{}'\npayment_policy = '{}'\n\
                 return_policy = '{}'\nsigning_jwe = '{}'\nendpoint = '{url}'\nfinances_endpoint = '{url}'",
                of("client_id"),
                of("merchant_location_key"),
                of("fulfillment_policy_id"),
                of("payment_policy_id"),
                of("return_policy_id"),
                of("signing_jwe")
            ),
        ),
        "shopify" => (
            &tradewind_shopify::FACTORY,
            format!(
                "shop = '{}'\nendpoint = '{url}'\napi_version = '{}'\ncurrency = 'USD'\nlocation = '{}'\npublication = '{}'",
                of("shop_domain"),
                of("api_version"),
                of("location_id"),
                of("publication_id")
            ),
        ),
        other => panic!("{other}"),
    };
    let secrets =
        factory.secrets.iter().map(|name| (*name, login.get(name))).filter(|(_, value)| !value.is_empty());
    let secrets: Vec<(&str, &str)> = secrets.collect();
    let account = AccountConfig::of(channel, &settings, Secrets::of(&secrets)).unwrap();
    factory.opened(account, runtime).unwrap()
}

fn amount(amount: &str, currency: &str) -> serde_json::Value {
    json!({"amount": amount, "currency": currency})
}

/// Of the orders of one morning half are called off within six hours, and some are paid late: all of which moves them out of
/// the window that is read, and what stands behind them up, over the edge of a page. What nobody touched is not changed again,
/// so that no later poll would bring what a reader missed.
async fn nothing_is_missed(shop: &Shop, operation: &str, pages: usize) {
    shop.wait(8);
    shop.simulator.world().faults(|f| f.script(shop.channel, Some(operation), Fault::Shift, 1));
    let placed: BTreeSet<String> = shop.simulator.ledger().orders[shop.channel].keys().cloned().collect();
    let called_off = || {
        let ledger = shop.simulator.ledger();
        ledger.orders[shop.channel].values().filter(|order| order.cancelled).count()
    };
    let before = called_off();
    let pulled = shop.gateway.pull().await.unwrap();
    assert_eq!(pulled.failed, 0, "{pulled:?}");
    assert!(called_off() > before, "nobody called anything off while {} was read", shop.channel);
    let asked = shop.simulator.world().journal();
    let asked = asked.iter().filter(|l| l.operation == operation && l.status == 200).count();
    assert!(asked >= pages, "{asked} pages of {} orders", placed.len());
    // A later poll brings what was touched during the first.
    shop.wait(1);
    shop.gateway.pull().await.unwrap();
    let known: BTreeSet<String> =
        shop.all::<OrderRecord>().await.iter().map(|o| o.order.id.to_string()).collect();
    let missed: Vec<&String> = placed.difference(&known).collect();
    assert!(missed.is_empty(), "{} of {}: {missed:?}", missed.len(), placed.len());
}

fn fickle(orders_per_day: u32) -> Demand {
    Demand { orders_per_day, days: 1, cancel_per_mille: 500, refund_per_mille: 0, ..Demand::default() }
}

/// 200 orders a page: of 1,800 a day, some 600 in eight hours.
#[tokio::test]
async fn orders_that_leave_the_window_while_ebay_is_read_hide_no_others() {
    let shop = Shop::open("ebay", fickle(1_800)).await;
    shop.sell(
        json!({"price": amount("19.99", "EUR"), "locale": "de", "category": "20625", "gtin": "5900000000015",
        "attributes": {"colour": "black"}}),
    )
    .await;
    nothing_is_missed(&shop, "getOrders", 3).await;
}

/// 50 orders a page: of 450 a day, some 150.
#[tokio::test]
async fn orders_that_leave_the_window_while_aliexpress_is_read_hide_no_others() {
    let shop = Shop::open("aliexpress", fickle(450)).await;
    shop.sell(json!({"price": amount("19.99", "USD"), "locale": "en", "category": "200135143"})).await;
    nothing_is_missed(&shop, "aliexpress.solution.order.get", 3).await;
}

/// Collects after some hours, then every day; of each movement, whether it named a payout when it was first seen. In the end
/// all do, and name those that the world paid out.
async fn payouts_are_learnt(shop: &Shop, hours: u64, days: usize) {
    let mut first: BTreeMap<String, bool> = BTreeMap::new();
    for wait in [hours].into_iter().chain(std::iter::repeat_n(24, days)) {
        shop.wait(wait);
        let collected = shop.gateway.collect().await.unwrap();
        assert_eq!(collected.failed, 0, "{collected:?}");
        for t in shop.all::<TransactionRecord>().await {
            first.entry(t.transaction.id.to_string()).or_insert(t.transaction.payout.is_some());
        }
    }
    let late = first.values().filter(|named| !**named).count();
    assert!(late >= 3, "{late} of {} movements came without a payout", first.len());
    let paid = shop.simulator.ledger().payouts[shop.channel].clone();
    for t in shop.all::<TransactionRecord>().await {
        let t = t.transaction;
        let payout =
            t.payout.as_ref().unwrap_or_else(|| panic!("{} of {} names none", t.id, t.occurred_at.utc));
        assert!(paid.contains_key(payout.as_str()), "{payout}");
    }
    // Every order that a payout is for has a movement in it.
    let all = shop.all::<TransactionRecord>().await;
    for (id, payout) in &paid {
        for order in &payout.orders {
            let named = |t: &&TransactionRecord| {
                t.transaction.order.as_ref().is_some_and(|o| o.as_str() == order)
                    && t.transaction.payout.as_ref().is_some_and(|p| p.as_str() == id)
            };
            assert!(all.iter().any(|t| named(&t)), "{order} in {id}");
        }
    }
}

fn buyers() -> Demand {
    Demand { orders_per_day: 12, days: 1, cancel_per_mille: 0, refund_per_mille: 0, ..Demand::default() }
}

/// "payoutId: absent until payout processing begins" (fact sheet): two days after the sale, here.
#[tokio::test]
async fn ebay_names_the_payout_of_a_sale_when_that_begins() {
    let shop = Shop::open("ebay", buyers()).await;
    shop.sell(
        json!({"price": amount("19.99", "EUR"), "locale": "de", "category": "20625", "gtin": "5900000000015",
        "attributes": {"colour": "black"}}),
    )
    .await;
    payouts_are_learnt(&shop, 24, 5).await;
}

/// "payout_id (null until assigned)" (fact sheet): at midnight, here.
#[tokio::test]
async fn shopify_names_the_payout_of_a_charge_when_it_is_assigned() {
    let shop = Shop::open("shopify", buyers()).await;
    shop.sell(json!({"price": amount("19.99", "USD"), "locale": "en", "attributes": {"Color": "black"}}))
        .await;
    payouts_are_learnt(&shop, 20, 3).await;
}

/// A movement is in an event group that closes a settlement period after its first: a week here, two at Amazon.
#[tokio::test]
async fn amazon_names_the_event_group_of_a_movement_when_that_closes() {
    let shop = Shop::open("amazon", buyers()).await;
    shop.sell(json!({"price": amount("19.99", "EUR"), "locale": "de-DE", "category": "CUP"})).await;
    shop.wait(30);
    shop.gateway.pull().await.unwrap();
    shop.ship().await;
    payouts_are_learnt(&shop, 24, 8).await;
}
