//! Disputes and returns through the binary, against a simulated shop that is paid through PayPal.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;
use tradewind_simulator::{Demand, Simulator};

use crate::{json, text, tradewind};

/// A shop of two SKUs whose offers are up, and a day of buyers.
struct Shop {
    folder: tempfile::TempDir,
    simulator: Simulator,
    _runtime: Runtime,
}

impl Shop {
    fn with_orders() -> Shop {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let demand = Demand { orders_per_day: 24, days: 1, cancel_per_mille: 0, ..Demand::default() };
        // The program lives on the machine's clock. The world begins a day before, and is advanced to it: PayPal tells
        // movements hours late.
        let day = Duration::from_secs(24 * 3600);
        let builder = Simulator::builder()
            .demand(demand)
            .start_at(jiff::Timestamp::now() - day)
            .channels(["shopify", "paypal"]);
        let simulator = runtime.block_on(builder.start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let (shopify, paypal) = (simulator.credentials("shopify"), simulator.credentials("paypal"));
        write("token", shopify.get("access_token"));
        write("hooks", shopify.get("client_secret"));
        write("paypal", paypal.get("client_secret"));
        write(
            "c.csv",
            "sku,title,brand,price,currency,cost,cost_currency,quantity,hs,origin\n\
             A,Mug A,Harbour,20.00,USD,5,USD,300,691200,CN\nB,Mug B,Harbour,30.00,USD,5,USD,300,691200,CN\n",
        );
        let (shop, wallet) = (simulator.base_url("shopify"), simulator.base_url("paypal"));
        let (domain, location, publication) =
            (shopify.get("shop_domain"), shopify.get("location_id"), shopify.get("publication_id"));
        let client = paypal.get("client_id");
        let config = format!(
            "[[catalogue]]\npath = \"c.csv\"\n[guard]\nmargin_floor = \"0.10\"\n\
             [[account]]\nid = \"shop\"\nconnector = \"shopify\"\naccess = \"read-write\"\n\
             settings = {{ currency = \"USD\", endpoint = \"{shop}\", shop = \"{domain}\", location = \"{location}\", publication = \"{publication}\" }}\n\
             secrets = {{ access_token = {{ file = \"token\" }}, client_secret = {{ file = \"hooks\" }} }}\n\
             [account.offers]\ncurrency = \"USD\"\n\
             [[account]]\nid = \"paypal\"\nconnector = \"paypal\"\n\
             settings = {{ currency = \"USD\", endpoint = \"{wallet}\", reports = \"{wallet}/ppreports/outgoing\", client_id = \"{client}\" }}\n\
             secrets = {{ client_secret = {{ file = \"paypal\" }} }}\n"
        );
        write("tradewind.toml", &config);
        let shop = Shop { folder, simulator, _runtime: runtime };
        shop.run(&["import"], 0);
        shop.run(&["plan", "--out", "p"], 2);
        shop.run(&["apply", "p"], 0);
        shop.simulator.advance(day);
        shop
    }

    fn run(&self, args: &[&str], code: i32) -> Output {
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
