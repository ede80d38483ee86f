//! A notification that the simulator signed, verified with the key that it hands out.

use serde_json::{Value, json};
use tradewind_connector::{Hint, InboundRequest, Kind};
use tradewind_simulator::Demand;

use crate::world::{World, offer};
use tradewind_connector::CallCx;
use tradewind_connector::role::Draft;

fn demand() -> Demand {
    Demand { orders_per_day: 4, days: 1, ..Demand::default() }
}

#[tokio::test]
async fn an_order_is_announced_and_a_forged_one_refused() {
    let w = World::start(11, demand()).await;
    let destination = json!({"name": "us", "status": "ENABLED", "deliveryConfig": {"endpoint": "https://seller.example/hook", "verificationToken": "71745723-d031-455c-bfa5-f90d11b4f20a"}});
    let path = "/commerce/notification/v1/destination";
    let answer = w.raw(w.request(http::Method::POST, path).json(&destination).unwrap()).await;
    assert_eq!(answer.status, 201);
    let id = answer.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    let wanted = json!({"topicId": "ORDER_CONFIRMATION", "status": "ENABLED", "destinationId": id,
        "payload": {"format": "JSON", "schemaVersion": "1.0", "deliveryProtocol": "HTTPS"}});
    let path = "/commerce/notification/v1/subscription";
    assert_eq!(w.raw(w.request(http::Method::POST, path).json(&wanted).unwrap()).await.status, 201);
    let offers = w.connector.marketplace().unwrap().offers().unwrap();
    offers.put(&CallCx::keyed("p"), &Draft::of([offer("MUG-1", 50, "19.99")])).await.unwrap();
    w.sleep(86_400);
    let hook = w.sim.take_hooks("ebay").into_iter().next().expect("buyers came, and each line was announced");
    let mut headers = http::HeaderMap::new();
    for (name, value) in &hook.headers {
        headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    // The header names the key; its owner hands it out on one line.
    let signature = headers["x-ebay-signature"].to_str().unwrap();
    let signature: Value =
        serde_json::from_slice(&tradewind_connector::signing::from_base64(signature).unwrap()).unwrap();
    let kid = signature["kid"].as_str().unwrap();
    let key =
        w.raw(w.request(http::Method::GET, &format!("/commerce/notification/v1/public_key/{kid}"))).await;
    let pem = key.json::<Value>().unwrap()["key"].as_str().unwrap().to_owned();
    let listening =
        World::with(11, demand(), |_| format!("notification_keys = {{ '{kid}' = '{pem}' }}\n")).await;
    let inbound = listening.connector.inbound().unwrap();
    let request = |body: Vec<u8>| InboundRequest {
        url: "https://seller.example/hook".to_owned(),
        headers: headers.clone(),
        body: body.into(),
        received_at: w.sim.now(),
    };
    let hints = inbound.verify(&request(hook.body.clone())).unwrap();
    let Hint::Order(id) = &hints[0] else { panic!("{hints:?}") };
    assert!(w.sim.ledger().orders["ebay"].contains_key(id.as_str()));
    let mut forged = hook.body.clone();
    forged[10] ^= 1;
    assert_eq!(inbound.verify(&request(forged)).unwrap_err().kind(), Kind::Unauthenticated);
    // Without configured keys nothing is listened to.
    assert!(w.connector.inbound().is_none());
}
