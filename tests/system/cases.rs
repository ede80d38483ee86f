//! What happens around an order, through the binary: disputes and returns, rates, couriers. The simulated shop is paid through
//! PayPal and ships with DHL.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;
use tradewind_simulator::{Demand, Fault, Simulator};

use crate::{json, text, tradewind};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The world's time that a command takes: in it Shopify's bucket of query cost fills again (2,000 points at 100 a second), for
/// which the program would wait in vain, on the machine's clock, in a world that stands still.
const MEANWHILE: Duration = Duration::from_secs(20);
/// Of these in a test, and a few more: the world begins so much earlier.
const COMMANDS: u32 = 60;

/// A shop of two SKUs whose offers are up, and a day of buyers.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    _runtime: Runtime,
}

impl Shop {
    /// Nothing imported yet.
    pub(crate) fn connected() -> Shop {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let demand = Demand { orders_per_day: 24, days: 1, cancel_per_mille: 0, ..Demand::default() };
        // The program lives on the machine's clock. The world begins a day before, and is advanced to it: PayPal tells
        // movements hours late.
        let start = jiff::Timestamp::now() - DAY - MEANWHILE * COMMANDS;
        let builder = Simulator::builder().demand(demand).start_at(start).channels([
            "shopify",
            "paypal",
            "dhl-express",
        ]);
        let simulator = runtime.block_on(builder.start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let (shopify, paypal) = (simulator.credentials("shopify"), simulator.credentials("paypal"));
        write("token", shopify.get("access_token"));
        write("hooks", shopify.get("client_secret"));
        write("paypal", paypal.get("client_secret"));
        let dhl = simulator.credentials("dhl-express");
        write("dhl-user", dhl.get("username"));
        write("dhl-password", dhl.get("password"));
        write(
            "c.csv",
            "sku,title,brand,price,currency,cost,cost_currency,quantity,hs,origin,weight\n\
             A,Mug A,Harbour,20.00,USD,5,USD,300,691200,CN,300\nB,Mug B,Harbour,30.00,USD,5,USD,300,691200,CN,300\n",
        );
        let (shop, wallet) = (simulator.base_url("shopify"), simulator.base_url("paypal"));
        let (domain, location, publication) =
            (shopify.get("shop_domain"), shopify.get("location_id"), shopify.get("publication_id"));
        let client = paypal.get("client_id");
        let (carrier, number) = (simulator.base_url("dhl-express"), dhl.get("account_number"));
        let config = format!(
            "[[catalogue]]\npath = \"c.csv\"\n[guard]\nmargin_floor = \"0.10\"\n\
             [[account]]\nid = \"shop\"\nconnector = \"shopify\"\naccess = \"read-write\"\n\
             settings = {{ currency = \"USD\", endpoint = \"{shop}\", shop = \"{domain}\", location = \"{location}\", publication = \"{publication}\" }}\n\
             secrets = {{ access_token = {{ file = \"token\" }}, client_secret = {{ file = \"hooks\" }} }}\n\
             [account.offers]\ncurrency = \"USD\"\n\
             [[account]]\nid = \"paypal\"\nconnector = \"paypal\"\n\
             settings = {{ currency = \"USD\", endpoint = \"{wallet}\", reports = \"{wallet}/ppreports/outgoing\", client_id = \"{client}\" }}\n\
             secrets = {{ client_secret = {{ file = \"paypal\" }} }}\n\
             [[account]]\nid = \"dhl\"\nconnector = \"dhl-express\"\naccess = \"read-write\"\n\
             settings = {{ endpoint = \"{carrier}\", account_number = \"{number}\", origin_zone = \"Asia/Shanghai\", default_phone = \"+8675512345678\" }}\n\
             secrets = {{ username = {{ file = \"dhl-user\" }}, password = {{ file = \"dhl-password\" }} }}\n\
             [shipping]\ncarrier = \"dhl\"\nparcel_mm = [300, 200, 120]\n\
             [shipping.from]\nname = \"Ada\"\nlines = [\"1 Road\"]\ncity = \"Shenzhen\"\npostcode = \"518057\"\ncountry = \"CN\"\nphone = \"+8675512345678\"\n"
        );
        write("tradewind.toml", &config);
        Shop { folder, simulator, _runtime: runtime }
    }

    pub(crate) fn with_orders() -> Shop {
        let shop = Shop::connected();
        shop.run(&["import"], 0);
        shop.run(&["plan", "--out", "p"], 2);
        shop.run(&["apply", "p"], 0);
        shop.simulator.advance(DAY);
        shop
    }

    pub(crate) fn run(&self, args: &[&str], code: i32) -> Output {
        self.simulator.advance(MEANWHILE);
        let output = tradewind(self.folder.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        output
    }

    /// What a buyer does at PayPal.
    fn at_paypal(&self, what: &str, body: &Value) -> Value {
        let url = self.simulator.base_url("paypal");
        let host = url.strip_prefix("http://").unwrap();
        let body = body.to_string();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "POST /sim/{what} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }
}

/// Everything that is about one order, on a shop where nothing has happened yet, and after.
#[test]
fn a_dispute_is_pulled_once_names_its_order_and_asks_for_a_person() {
    let shop = Shop::with_orders();
    let orders = json(&shop.run(&["orders", "--json"], 0));
    let paid_by = |o: &Value| o["order"]["payments"][0]["provider"].as_str().unwrap_or_default().to_owned();
    let orders = orders["orders"].as_array().unwrap();
    let order =
        &orders.iter().find(|o| paid_by(o) == "paypal").expect("one of three pays through PayPal")["order"];
    // Nothing yet: no case, no decision.
    let none = shop.run(&["disputes"], 0);
    assert!(text(&none).contains("no disputes; of 2 accounts 0 could not be read"), "{}", text(&none));

    // The buyer disputes what was captured for the order; which order that was stands in PayPal's books alone.
    shop.run(&["settle"], 0);
    let (id, total) = (order["id"].as_str().unwrap(), order["total"]["amount"].as_str().unwrap());
    let capture = shop.at_paypal(
        "pay",
        &serde_json::json!({"channel": "shopify", "order": id, "currency": "USD", "value": total}),
    );
    let opened = shop.at_paypal("dispute", &serde_json::json!({"capture_id": capture["capture_id"]}));

    let told = json(&shop.run(&["disputes", "--json"], 3));
    assert_eq!(told["pulled"]["new"], 1, "{told}");
    let case = &told["disputes"][0];
    assert_eq!((&case["id"], &case["state"]), (&opened["dispute_id"], &"needs_response".into()));
    assert_eq!((&case["order"]["account"], &case["order"]["id"]), (&"shop".into(), &order["id"]), "{case}");
    assert_eq!(case["amount"], order["total"]);
    // disputes.rs of the simulator, after PayPal's documents: ten days to answer.
    let at = |v: &Value| v.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let due = at(&case["respond_by"]).duration_since(at(&case["opened_at"]["utc"]));
    assert_eq!(due.as_hours(), 240);
    // The window overlaps, and the case is there already; without a call it is told all the same.
    assert_eq!(json(&shop.run(&["disputes", "--json"], 3))["pulled"]["new"], 0);
    let shown = text(&shop.run(&["disputes", "--offline", "--open"], 3));
    for needle in [opened["dispute_id"].as_str().unwrap(), id, "needs response", "1 to be answered", total] {
        assert!(shown.contains(needle), "{needle} in {shown}");
    }
    let why = text(&shop.run(&["why", "order", id, "--channel", "shop"], 0));
    assert!(why.contains("dispute      PP-D-") && why.contains("answer by"), "{why}");
    // Returns are the shop's own.
    let returns = json(&shop.run(&["returns", "--json"], 0));
    assert_eq!((&returns["pulled"]["asked"], &returns["pulled"]["failed"]), (&1.into(), &0.into()));
    let offline = text(&shop.run(&["returns", "--offline"], 0));
    assert_eq!(offline.trim(), "no returns");
}

/// The simulated tariff (dhl_express/rates.rs): 14.50 EUR, 9.80 more over a border, 3.75 per started half kilogram; before
/// noon 12.00 more and a day earlier.
#[test]
fn carriers_quote_and_a_courier_is_ordered_once() {
    let shop = Shop::with_orders();
    let cents = |v: &Value| v["amount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    // 1.2 kg are three halves: 14.50 + 9.80 + 3 × 3.75 = 35.55.
    let osaka = [
        "rates",
        "--parcel",
        "1.2kg,30x20x12",
        "--to",
        "JP,530-0001,Osaka",
        "--value",
        "40.00 USD",
        "--json",
    ];
    let told = json(&shop.run(&osaka, 0));
    let offer = |n: usize, name: &str| told["offers"][n][name].clone();
    assert_eq!((told["asked"].as_u64(), told["offers"].as_array().unwrap().len()), (Some(1), 2), "{told}");
    assert_eq!((offer(0, "product"), cents(&offer(0, "price"))), ("P".into(), 3_555));
    assert_eq!((offer(1, "product"), cents(&offer(1, "price"))), ("T".into(), 4_755));
    assert_eq!((offer(0, "cheapest"), offer(0, "fastest")), (true.into(), false.into()));
    assert_eq!((offer(1, "cheapest"), offer(1, "fastest")), (false.into(), true.into()));
    // Without a value nobody knows what customs will see.
    let told = text(&shop.run(&["rates", "--parcel", "1.2kg", "--to", "JP,530-0001,Osaka"], 1));
    assert!(told.contains("--value"), "{told}");
    assert!(text(&shop.run(&["rates", "nobody"], 1)).contains("was never imported"));

    // The parcel of an order: the same as it is booked.
    let orders = json(&shop.run(&["orders", "--json"], 0));
    let abroad = |o: &&Value| o["order"]["ship_to"]["country"] != "CN";
    let order = orders["orders"].as_array().unwrap().iter().find(abroad).unwrap();
    let id = order["order"]["id"].as_str().unwrap();
    let quoted = json(&shop.run(&["rates", id, "--json"], 0));
    let units: u64 =
        order["order"]["lines"].as_array().unwrap().iter().map(|l| l["quantity"].as_u64().unwrap()).sum();
    assert_eq!(quoted["parcels"][0]["weight"], units * 300);
    let halves = i64::try_from((units * 300).div_ceil(500)).unwrap();
    assert_eq!(cents(&quoted["offers"][0]["price"]), 1_450 + 980 + 375 * halves);
    let shown = text(&shop.run(&["rates", id], 0));
    assert!(shown.contains("cheapest") && shown.contains("fastest"), "{shown}");

    // Nothing is booked: no courier.
    assert!(text(&shop.run(&["pickup"], 0)).contains("no parcel waits for a courier"));
    let booked = json(&shop.run(&["fulfil", "--json"], 0))["booked"].as_u64().unwrap();
    assert!(booked > 0);
    let waiting =
        || json(&shop.run(&["pickup", "list", "--json"], 0))["waiting"].as_array().unwrap().len() as u64;
    assert_eq!(waiting(), booked);
    let after = |hours: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string();
    let (ready, until) = (after(3), after(7));
    let book = ["pickup", "book", "--ready", &ready, "--until", &until, "--json"];
    // The hours are over, or the wrong way round: nothing is sent.
    shop.run(&["pickup", "book", "--ready", &until, "--until", &ready], 1);
    shop.run(&["pickup", "book", "--ready", &after(-1), "--until", &until], 1);
    // The answer is lost: a courier may come. No second one is ordered until somebody has asked.
    shop.simulator.set_fault("dhl-express", Some("createPickup"), Fault::DropAfter, 1);
    let lost = json(&shop.run(&book, 3));
    assert_eq!((&lost["unknown"], &lost["pickups"][0]["state"]), (&1.into(), &"unknown".into()), "{lost}");
    assert!(lost["notes"][0].as_str().unwrap().contains("pickup settle P1"), "{lost}");
    assert_eq!(json(&shop.run(&book, 0))["pickups"], serde_json::json!([]));
    let list = shop.run(&["pickup"], 3);
    assert!(text(&list).contains("unknown"), "{}", text(&list));
    shop.run(&["pickup", "settle", "P1", "--none"], 0);
    assert_eq!(waiting(), booked);
    // Ordered, and with it all parcels; called off, and they wait again.
    let ordered = json(&shop.run(&book, 0));
    let p = &ordered["pickups"][0];
    assert_eq!(
        (&p["id"], &p["state"], p["shipments"].as_array().unwrap().len() as u64),
        (&"P2".into(), &"booked".into(), booked)
    );
    assert!(p["confirmation"].as_str().unwrap().starts_with("PRG"), "{p}");
    assert_eq!(waiting(), 0);
    shop.run(&["pickup", "settle", "P2", "--none"], 1);
    shop.run(&["pickup", "cancel", "P2", "--reason", "closed today"], 0);
    assert_eq!(waiting(), booked);
    shop.run(&["pickup", "cancel", "P2"], 1);
    // A real account starts read-only: nothing is ordered.
    let path = shop.folder.path().join("tradewind.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let (head, tail) = config.split_once("id = \"dhl\"").unwrap();
    std::fs::write(&path, format!("{head}id = \"dhl\"{}", tail.replace("read-write", "read-only"))).unwrap();
    let refused = text(&shop.run(&book[..6], 4));
    assert!(refused.contains("read-only") && refused.contains("read-write"), "{refused}");
}
