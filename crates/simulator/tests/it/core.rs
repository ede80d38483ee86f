//! The core, through the smallest possible fake: a shop that sells one thing.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::request::Parts;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use tradewind_simulator::core::buyers::{Afterthought, Offer, Purchase};
use tradewind_simulator::core::channel::{json, raw};
use tradewind_simulator::core::ledger::{LineRecord, OrderRecord};
use tradewind_simulator::core::quota::{Bucket, Verdict};
use tradewind_simulator::{Call, Channel, Credentials, Fault, Profile, Simulator, World};

struct Shop {
    stock: Mutex<u64>,
}

impl Channel for Shop {
    fn name(&self) -> &'static str {
        "shop"
    }
    fn router(self: Arc<Self>, _world: World) -> Router {
        Router::new()
            .route(
                "/hello/{who}",
                get(|Path(who): Path<String>| async move { format!("hello {who}, good to see you") }),
            )
            .route("/limited", get(|| async { "ok" }))
            .route("/list", get(|| async { json(200, &serde_json::json!({"rows": [1, 2, 3]})) }))
    }
    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[("list", "/rows")]
    }
    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(vec!["hello", "limited", "list"])
    }
    fn classify(&self, parts: &Parts, _body: &Bytes) -> Call {
        let path = parts.uri.path();
        let call = Call::new(path.split('/').nth(1).unwrap_or_default(), path);
        if path == "/limited" {
            call.on("limited", Bucket { burst: 2, rate_micro: 1_000_000 }, 1)
        } else {
            call
        }
    }
    fn credentials(&self) -> Credentials {
        Credentials::of(&[("key", "k")])
    }
    fn throttled(&self, _call: &Call, verdict: Verdict) -> Response {
        raw(429, "text/plain", format!("wait {}", verdict.wait_ms))
    }
    fn broken(&self, _call: &Call) -> Response {
        json(500, &serde_json::json!({"error": "broken"}))
    }
    fn offers(&self, _world: &World) -> Vec<Offer> {
        vec![Offer {
            sku: "S".into(),
            listing: "1".into(),
            site: "x".into(),
            currency: "EUR".into(),
            price: 100,
            available: *self.stock.lock().unwrap(),
            countries: vec!["DE".into()],
        }]
    }
    fn place(&self, world: &World, purchase: &Purchase) -> Option<String> {
        let id = purchase.stream.clone().digits(10);
        let quantity = purchase.lines[0].quantity;
        *self.stock.lock().unwrap() -= u64::from(quantity);
        let record = OrderRecord {
            placed_at: world.now().to_string(),
            currency: "EUR".into(),
            country: purchase.buyer.country.clone(),
            total: 100 * i64::from(quantity),
            lines: vec![LineRecord { id: "1".into(), sku: "S".into(), quantity, unit_price: 100 }],
            ..OrderRecord::default()
        };
        world.ledger(|l| l.placed("shop", &id, record));
        Some(id)
    }
    fn afterthought(&self, world: &World, order: &str, what: Afterthought) {
        if what == Afterthought::Cancel {
            world.ledger(|l| l.cancelled("shop", order, "buyer"));
        }
    }
}

async fn start(profile: Profile) -> Simulator {
    Simulator::builder()
        .seed(11)
        .faults(profile)
        .start_with(vec![Arc::new(Shop { stock: Mutex::new(1_000) })])
        .await
        .unwrap()
}

#[tokio::test]
async fn same_seed_same_ledger_whatever_the_steps() {
    let (a, b) = (start(Profile::None).await, start(Profile::None).await);
    a.own("S", 1_000);
    b.own("S", 1_000);
    a.advance(Duration::from_secs(5 * 86_400));
    for _ in 0..5 * 24 * 4 {
        b.advance(Duration::from_secs(900));
    }
    assert_eq!(String::from_utf8(a.ledger().to_json()), String::from_utf8(b.ledger().to_json()));
    // Default demand: six buyers a day for three days, all served.
    assert_eq!(a.ledger().placed_count(), 18);
    assert_eq!(a.ledger().oversold(), 0);
}

#[tokio::test]
async fn every_fault_looks_like_itself() {
    let sim = start(Profile::None).await;
    let url = format!("{}/hello/ann", sim.base_url("shop"));
    let client = reqwest::Client::new();
    let text = "hello ann, good to see you";
    for fault in [Fault::Drop, Fault::DropAfter, Fault::Hang, Fault::Truncate] {
        sim.set_fault("shop", Some("hello"), fault, 1);
        // A pooled connection that closes may be retried by the client library itself: one fresh
        // connection each.
        let fresh = reqwest::Client::builder().retry(reqwest::retry::never()).build().unwrap();
        let failed = match fresh.get(&url).send().await {
            Err(_) => true,
            Ok(response) => response.text().await.is_err(),
        };
        assert!(failed, "{fault:?}");
    }
    for (fault, status) in
        [(Fault::Throttle, 429), (Fault::ServerError, 500), (Fault::Delay, 200), (Fault::Lie, 200)]
    {
        sim.set_fault("shop", None, fault, 1);
        assert_eq!(client.get(&url).send().await.unwrap().status(), status, "{fault:?}");
    }
    assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), text);
    let ledger = sim.ledger();
    let calls = &ledger.calls["shop"]["hello"];
    assert_eq!((calls.received, calls.throttled, calls.faulted), (9, 1, 8));
    assert_eq!(sim.world().journal().len(), 9);
}

#[tokio::test]
async fn hostile_retries_always_end() {
    let sim = start(Profile::Hostile).await;
    let client = reqwest::Client::new();
    for who in 0..40 {
        let url = format!("{}/hello/{who}", sim.base_url("shop"));
        let mut ok = false;
        for _ in 0..4 {
            if let Ok(r) = client.get(&url).send().await
                && r.status() == 200
                && r.text().await.is_ok()
            {
                ok = true;
                break;
            }
        }
        assert!(ok, "four tries must be enough for {who}");
    }
}

#[tokio::test]
async fn quotas_live_on_virtual_time() {
    let sim = start(Profile::None).await;
    let url = format!("{}/limited", sim.base_url("shop"));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(reqwest::get(&url).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    sim.advance(Duration::from_secs(1));
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
    assert_eq!(sim.ledger().calls["shop"]["limited"].throttled, 1);
}

#[tokio::test]
async fn the_control_interface_drives_the_world() {
    let sim = start(Profile::None).await;
    let base = sim.base_url("shop");
    let client = reqwest::Client::new();
    let post = async |path: &str, body: &str| {
        let r = client.post(format!("{base}/_sim/{path}")).body(body.to_owned()).send().await.unwrap();
        (r.status().as_u16(), r.json::<serde_json::Value>().await.unwrap())
    };
    assert_eq!(post("own", r#"{"S": 5}"#).await.1["skus"], 1);
    let (status, time) = post("advance", r#"{"to": "2026-03-03T00:00:00Z"}"#).await;
    assert_eq!((status, time["now"].as_str()), (200, Some("2026-03-03T00:00:00.000Z")));
    assert_eq!(post("advance", r#"{"hours": 1}"#).await.0, 400);
    assert_eq!(post("faults", r#"{"channel":"shop","fault":"server_error"}"#).await.0, 200);
    assert_eq!(client.get(format!("{base}/hello/x")).send().await.unwrap().status(), 500);
    // A fault that would never strike is refused; one that tells a list otherwise waits for a list.
    for (fault, status, why) in [
        (r#"{"channel":"shpo","fault":"drop"}"#, 404, "there are shop"),
        (r#"{"channel":"shpo","profile":"mild"}"#, 404, "there are shop"),
        (r#"{"channel":"shop","operation":"helo","fault":"drop"}"#, 400, "there are hello, limited, list"),
        (r#"{"channel":"shop","operation":"hello","fault":"reorder"}"#, 400, "these do: list"),
    ] {
        let (answered, told) = post("faults", fault).await;
        assert!(answered == status && told["error"].as_str().unwrap().contains(why), "{fault}: {told}");
    }
    for (fault, rows) in [("duplicate", [1, 2, 3, 1].as_slice()), ("reorder", &[3, 2, 1])] {
        let set = format!(r#"{{"channel":"shop","fault":"{fault}"}}"#);
        assert_eq!(post("faults", &set).await.0, 200);
        assert_eq!(client.get(format!("{base}/hello/y")).send().await.unwrap().status(), 200);
        let told: serde_json::Value =
            client.get(format!("{base}/list")).send().await.unwrap().json().await.unwrap();
        assert_eq!(told["rows"], serde_json::json!(rows), "{fault}");
    }
    let made: serde_json::Value =
        client.get(format!("{base}/_sim/world")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&made["faults"], &made["seed"]), (&"none".into(), &11.into()));
    let ledger: serde_json::Value =
        client.get(format!("{base}/_sim/ledger")).send().await.unwrap().json().await.unwrap();
    // Six buyers came, but only five units existed: at least one unit too many was sold.
    assert_eq!(ledger["orders"]["shop"].as_object().unwrap().len(), 6);
    assert!(ledger["stock"]["S"]["oversold"].as_u64().unwrap() >= 1);
    let channels: serde_json::Value =
        client.get(format!("{base}/_sim/channels")).send().await.unwrap().json().await.unwrap();
    assert_eq!(channels["shop"]["credentials"]["key"], "k");
    assert_eq!(channels["shop"]["base_url"], base);
}
