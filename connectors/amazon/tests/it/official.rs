//! Amazon's own examples, as answers to our calls: each must be understood. The models are not part of the project; without
//! them this is skipped, and says so.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tradewind_connector::{
    AccountConfig, Clock, Error, Runtime, Secrets, Transport, TransportError, VirtualClock, WireRequest,
    WireResponse,
};
use tradewind_testkit::spec::SpecSet;
use tradewind_testkit::{Call, calls};

/// One answer to everything but the token.
struct Says {
    status: u16,
    body: String,
    clock: VirtualClock,
}

#[async_trait]
impl Transport for Says {
    async fn send(&self, request: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        let mut answer = if request.url.path().contains("/auth/o2/token") {
            WireResponse::json_text(200, r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#)
        } else {
            WireResponse::json_text(self.status, self.body.clone())
        };
        answer.received_at = self.clock.now();
        Ok(answer)
    }
}

fn runtime(status: u16, body: String) -> Runtime {
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    Runtime::in_memory(Arc::new(clock.clone()), Arc::new(Says { status, body, clock }))
}

async fn drive(call: &Call, input: &Value, status: u16, body: &Value) -> Result<Value, Error> {
    let secrets = Secrets::of(&[("client_secret", "s"), ("refresh_token", "r")]);
    let config = AccountConfig::of("official", tradewind_amazon::FACTORY.example, secrets)?;
    let connector = (tradewind_amazon::FACTORY.open)(config, runtime(status, body.to_string()))?;
    call.drive(connector, input.clone()).await
}

/// Each example of a read or a withdrawal; those of the other writes are answers of sandbox pairs as well.
#[tokio::test]
async fn official_examples_are_understood() {
    use tradewind_connector::Safety::Read;
    let Some(set) = tradewind_material::found(SpecSet::for_channel("amazon")) else { return };
    let window =
        json!({"window": {"from": "2026-07-10T00:00:00Z", "to": "2026-07-11T00:00:00Z"}, "cursor": null});
    let keys = json!([{"sku": "GM-ZDPI-9B4E"}]);
    let (listings, orders) = ("listingsItems_2021-08-01", "orders_2026-01-01");
    let of_sku = "/listings/2021-08-01/items/{sellerId}/{sku}";
    let operations = [
        (listings, of_sku, "get", calls::read("", Read), keys.clone()),
        (listings, "/listings/2021-08-01/items/{sellerId}", "get", calls::sweep("", Read), json!({})),
        (listings, of_sku, "delete", calls::withdraw("", Read), keys),
        (orders, "/orders/2026-01-01/orders", "get", calls::orders("", Read), window),
        (orders, "/orders/2026-01-01/orders/{orderId}", "get", calls::order("", Read), json!("1")),
        (
            "definitionsProductTypes_2020-09-01",
            "/definitions/2020-09-01/productTypes",
            "get",
            calls::categories("", Read),
            json!("cup"),
        ),
    ];
    let mut failed = Vec::new();
    let count = operations.len();
    for (model, path, method, call, input) in operations {
        let document = set.documents.iter().find(|d| d.name == format!("{model}.json")).unwrap().document();
        let body = &document["paths"][path][method]["responses"]["200"]["examples"]["application/json"];
        assert!(body.is_object(), "{model} {method} {path} has no example");
        match drive(&call, &input, 200, body).await {
            Ok(value) if !value.to_string().contains("\"error\"") => {}
            other => failed.push(format!("{model} {method} {path}: {other:?}")),
        }
    }
    println!("amazon official examples: {count}, {} of which are not understood: {failed:#?}", failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}
