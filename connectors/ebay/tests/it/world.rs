//! The simulator on one side, the connector on the other, and every exchange between them held against eBay's OpenAPI
//! documents and the service definition of Trading.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tradewind_connector::{Clock, Connector, HttpTransport, Transport, WireRequest, WireResponse};
use tradewind_domain::{ListingRef, Offer};
use tradewind_simulator::{Demand, Simulator};
use tradewind_testkit::{Follow, Live};
use url::Url;

pub(crate) struct World {
    pub(crate) sim: Arc<Simulator>,
    pub(crate) connector: Arc<dyn Connector>,
    live: Live,
    /// For calls that the connector does not make.
    http: HttpTransport,
}

impl World {
    pub(crate) async fn start(seed: u64, demand: Demand) -> World {
        World::with(seed, demand, |_| String::new()).await
    }

    /// With further settings, made from the simulator's address.
    pub(crate) async fn with(seed: u64, demand: Demand, more: impl Fn(&str) -> String) -> World {
        let sim = Simulator::builder()
            .seed(seed)
            .demand(demand)
            .channels(["ebay"])
            .hang(Duration::from_millis(20))
            .start()
            .await
            .unwrap();
        let sim = Arc::new(sim);
        let (a, b) = (Arc::clone(&sim), Arc::clone(&sim));
        let clock: Arc<dyn Clock> = Arc::new(Follow { now: move || a.now(), wait: move |d| b.advance(d) });
        let (url, c) = (sim.base_url("ebay"), sim.credentials("ebay"));
        let settings = format!(
            "marketplace = 'EBAY_DE'\nclient_id = '{}'\nmerchant_location = '{}'\nfulfillment_policy = '{}'\npayment_policy = '{}'\n\
             return_policy = '{}'\nsigning_jwe = '{}'\nendpoint = '{url}'\nfinances_endpoint = '{url}'\n{}",
            c.get("client_id"),
            c.get("merchant_location_key"),
            c.get("fulfillment_policy_id"),
            c.get("payment_policy_id"),
            c.get("return_policy_id"),
            c.get("signing_jwe"),
            more(&url),
        );
        let secrets = [
            ("client_secret", c.get("client_secret")),
            ("refresh_token", c.get("refresh_token")),
            ("signing_key", c.get("signing_key")),
        ];
        let http = HttpTransport::new(clock.clone()).unwrap();
        // Tokens have no document.
        let apart = ["/identity/"];
        let live = Live::open(&tradewind_ebay::FACTORY, &settings, &secrets, clock, &apart).unwrap();
        World { sim, connector: live.connector.clone(), live, http }
    }

    pub(crate) fn sleep(&self, seconds: u64) {
        self.sim.advance(Duration::from_secs(seconds));
    }

    /// Nothing that went over the wire contradicts the documents.
    pub(crate) fn assert_specified(&self) {
        self.live.assert_exchanges(1);
    }

    /// A call that the connector does not make, with a token of our own.
    pub(crate) async fn raw(&self, request: WireRequest) -> WireResponse {
        let url = Url::parse(&self.sim.base_url("ebay")).unwrap();
        let c = self.sim.credentials("ebay");
        let pair = format!("{}:{}", c.get("client_id"), c.get("client_secret"));
        let basic = tradewind_connector::signing::base64(pair.as_bytes());
        let login = WireRequest::new(http::Method::POST, &url, "/identity/v1/oauth2/token")
            .unwrap()
            .header("authorization", &format!("Basic {basic}"))
            .unwrap()
            .form(vec![
                ("grant_type".into(), "refresh_token".into()),
                ("refresh_token".into(), c.get("refresh_token").to_owned()),
            ]);
        let answer = self.http.send(&login, Duration::from_secs(5)).await.unwrap();
        let token = answer.json::<Value>().unwrap()["access_token"].as_str().unwrap().to_owned();
        let request = request
            .header("authorization", &format!("Bearer {token}"))
            .unwrap()
            .header("x-ebay-api-iaf-token", &token)
            .unwrap();
        self.http.send(&request, Duration::from_secs(5)).await.unwrap()
    }

    /// A Trading call of our own, at the German site: what is sent and what is answered.
    pub(crate) async fn trading(&self, call: &str, inner: &str) -> (String, String) {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><{call}Request xmlns=\"urn:ebay:apis:eBLBaseComponents\">{inner}</{call}Request>"
        );
        let mut request = self.request(http::Method::POST, "/ws/api.dll").xml(body.clone());
        for (name, value) in [("call-name", call), ("siteid", "77"), ("compatibility-level", "1331")] {
            request = request.header(&format!("x-ebay-api-{name}"), value).unwrap();
        }
        let answer = self.raw(request).await;
        (body, answer.text().unwrap().to_owned())
    }

    pub(crate) fn request(&self, method: http::Method, path: &str) -> WireRequest {
        WireRequest::new(method, &Url::parse(&self.sim.base_url("ebay")).unwrap(), path).unwrap()
    }
}

pub(crate) fn offer(sku: &str, quantity: u32, price: &str) -> Offer {
    serde_json::from_value(serde_json::json!({
        "sku": sku, "product": "MUG", "price": {"amount": price, "currency": "EUR"}, "quantity": quantity, "locale": "de",
        "content": {"title": format!("Tasse {sku}"), "description": "Eine Tasse aus Steingut."}, "brand": "Harbour",
        "category": "20625", "gtin": "5900000000015", "weight": 380, "images": ["https://images.example/mug.jpg"],
        "attributes": {"colour": "black"},
    }))
    .unwrap()
}

pub(crate) fn key(sku: &str) -> ListingRef {
    ListingRef { sku: sku.parse().unwrap(), listing: None }
}

pub(crate) fn quiet() -> Demand {
    Demand { orders_per_day: 0, ..Demand::default() }
}
