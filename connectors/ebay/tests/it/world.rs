//! The simulator on one side, the connector on the other, and every exchange between them held against eBay's OpenAPI
//! documents.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tradewind_connector::{
    AccountConfig, Clock, Connector, HttpTransport, Limiter, Memory, Runtime, Secrets, SeededChance,
    Transport, TransportError, WireRequest, WireResponse,
};
use tradewind_domain::{ListingRef, Offer};
use tradewind_simulator::{Demand, Simulator};
use tradewind_testkit::spec::SpecSet;
use url::Url;

/// The simulator's clock: whoever waits moves it.
struct SimClock(Arc<Simulator>);

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    async fn sleep(&self, wait: Duration) {
        self.0.advance(wait);
        tokio::task::yield_now().await;
    }
}

/// A transport that checks what goes through it.
pub(crate) struct Checked {
    inner: HttpTransport,
    spec: Option<Arc<SpecSet>>,
    pub(crate) exchanges: AtomicUsize,
    pub(crate) wrong: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Checked {
    async fn send(&self, request: &WireRequest, timeout: Duration) -> Result<WireResponse, TransportError> {
        let response = self.inner.send(request, timeout).await?;
        let path = request.url.path();
        // Tokens and Trading have no OpenAPI document.
        let apart = path == "/ws/api.dll" || path.starts_with("/identity/");
        // A scripted outage may answer anything.
        if let (Some(spec), false, true) =
            (&self.spec, apart, response.status < 500 && response.status != 429)
        {
            let (content_type, body) = request.body_bytes().unwrap_or_default();
            let mut headers = request.headers.clone();
            if !content_type.is_empty() {
                headers.insert(http::header::CONTENT_TYPE, content_type.parse().unwrap());
            }
            let asked = spec.request(&request.method, &request.full_url(), &headers, &body);
            let told =
                spec.response(&request.method, path, response.status, &response.headers, &response.body);
            self.exchanges.fetch_add(1, Ordering::Relaxed);
            let mut wrong = self.wrong.lock().unwrap();
            wrong.extend(asked.violations.iter().map(|v| format!("request {} {path}: {v}", request.method)));
            // 401 is documented nowhere and answered everywhere.
            if response.status != 401 {
                wrong
                    .extend(told.violations.iter().map(|v| format!("answer {} {path}: {v}", request.method)));
            }
        }
        Ok(response)
    }
}

pub(crate) struct World {
    pub(crate) sim: Arc<Simulator>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) transport: Arc<Checked>,
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
        let clock: Arc<dyn Clock> = Arc::new(SimClock(Arc::clone(&sim)));
        let spec = SpecSet::for_channel("ebay").map_err(|why| println!("skipped: {why}")).ok();
        let transport = Arc::new(Checked {
            inner: HttpTransport::new(clock.clone()).unwrap(),
            spec,
            exchanges: AtomicUsize::new(0),
            wrong: Mutex::default(),
        });
        let runtime = Runtime {
            clock: clock.clone(),
            chance: Arc::new(SeededChance::new(seed)),
            transport: transport.clone(),
            journal: Arc::new(Memory::default()),
            limiter: Arc::new(Limiter::new(clock)),
        };
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
        let secrets = Secrets::of(&[
            ("client_secret", c.get("client_secret")),
            ("refresh_token", c.get("refresh_token")),
            ("signing_key", c.get("signing_key")),
        ]);
        let config = AccountConfig::of("ebay-de", &settings, secrets).unwrap();
        let connector = (tradewind_ebay::FACTORY.open)(config, runtime).unwrap();
        World { sim, connector, transport }
    }

    pub(crate) fn sleep(&self, seconds: u64) {
        self.sim.advance(Duration::from_secs(seconds));
    }

    /// Nothing that went over the wire contradicts the documents.
    pub(crate) fn assert_specified(&self) {
        let wrong = self.transport.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{} deviations, first {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
        if self.transport.spec.is_some() {
            assert!(self.transport.exchanges.load(Ordering::Relaxed) > 0);
        }
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
        let answer = self.transport.inner.send(&login, Duration::from_secs(5)).await.unwrap();
        let token = answer.json::<Value>().unwrap()["access_token"].as_str().unwrap().to_owned();
        let request = request
            .header("authorization", &format!("Bearer {token}"))
            .unwrap()
            .header("x-ebay-api-iaf-token", &token)
            .unwrap();
        self.transport.inner.send(&request, Duration::from_secs(5)).await.unwrap()
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
