//! The Amazon fake, driven by plain HTTP calls.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::io::Read as _;
use std::time::Duration;
use tradewind_simulator::{Demand, Fault, Profile, Simulator};

const US: &str = "ATVPDKIKX0DER";
const DE: &str = "A1PA6795UKMFR9";

struct Api {
    sim: Simulator,
    client: Client,
    token: String,
}

impl Api {
    async fn start(seed: u64, demand: Demand) -> Self {
        let sim = Simulator::builder().seed(seed).demand(demand).channels(["amazon"]).start().await.unwrap();
        let client = Client::builder().user_agent("tradewind-test/1 (Language=Rust)").build().unwrap();
        let mut api = Self { sim, client, token: String::new() };
        api.login().await;
        api
    }

    async fn login(&mut self) {
        let c = self.sim.credentials("amazon");
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", c.get("refresh_token")),
            ("client_id", c.get("client_id")),
            ("client_secret", c.get("client_secret")),
        ];
        let url = format!("{}/auth/o2/token", self.sim.base_url("amazon"));
        let body: Value = self.client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        assert_eq!(body["expires_in"], 3600);
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.sim.base_url("amazon"))
        };
        let mut request = self.client.request(method, url).header("x-amz-access-token", &self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    fn item(&self, sku: &str) -> String {
        format!("/listings/2021-08-01/items/{}/{sku}", self.sim.credentials("amazon").get("seller_id"))
    }

    async fn put(&self, sku: &str, marketplace: &str, price: &str, quantity: u32) -> (u16, Value) {
        let currency = if marketplace == US { "USD" } else { "EUR" };
        let price: Value = serde_json::from_str(price).unwrap();
        let body = json!({"productType": "PRODUCT", "requirements": "LISTING", "attributes": {
            "item_name": [{"value": format!("Thing {sku}"), "marketplace_id": marketplace}],
            "brand": [{"value": "Acme"}], "condition_type": [{"value": "new_new"}],
            "fulfillment_availability": [{"fulfillment_channel_code": "DEFAULT", "quantity": quantity}],
            "purchasable_offer": [{"marketplace_id": marketplace, "currency": currency,
                "our_price": [{"schedule": [{"value_with_tax": price}]}]}]}});
        self.call(Method::PUT, &format!("{}?marketplaceIds={marketplace}", self.item(sku)), Some(body)).await
    }

    fn hours(&self, hours: u64) {
        self.sim.advance(Duration::from_secs(hours * 3600));
    }
}

fn no_demand() -> Demand {
    Demand { orders_per_day: 0, ..Demand::default() }
}

#[tokio::test]
async fn a_listing_is_accepted_at_once_and_live_later() {
    let mut api = Api::start(1, no_demand()).await;
    let (status, body) = api.put("RED 1", US, "29.99", 7).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("ACCEPTED")));
    let path = format!(
        "{}?marketplaceIds={US}&includedData=summaries,offers,fulfillmentAvailability",
        api.item("RED%201")
    );
    let (_, early) = api.get(&path).await;
    assert_eq!(early["summaries"][0]["status"], json!([]));
    assert_eq!(early["offers"], json!([]));
    api.hours(1);
    api.login().await;
    let (_, live) = api.get(&path).await;
    assert_eq!(live["summaries"][0]["status"], json!(["BUYABLE", "DISCOVERABLE"]));
    assert_eq!(live["offers"][0]["price"], json!({"currencyCode": "USD", "amount": "29.99"}));
    assert_eq!(
        live["fulfillmentAvailability"],
        json!([{"fulfillmentChannelCode": "DEFAULT", "quantity": 7}])
    );

    // A stock patch lags, too.
    let patch = json!({"productType": "PRODUCT", "patches": [{"op": "replace", "path": "/attributes/fulfillment_availability",
        "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": 3}]}]});
    let (_, body) =
        api.call(Method::PATCH, &format!("{}?marketplaceIds={US}", api.item("RED%201")), Some(patch)).await;
    assert_eq!(body["status"], "ACCEPTED");
    assert_eq!(api.get(&path).await.1["fulfillmentAvailability"][0]["quantity"], 7);
    api.hours(1);
    api.login().await;
    assert_eq!(api.get(&path).await.1["fulfillmentAvailability"][0]["quantity"], 3);
    assert_eq!(api.sim.ledger().listings["amazon"][&format!("{US}/RED 1")].state, "live");

    let (_, body) =
        api.call(Method::DELETE, &format!("{}?marketplaceIds={US}", api.item("RED%201")), None).await;
    assert_eq!(body["status"], "ACCEPTED");
    assert_eq!(api.get(&path).await.0, 404);
}

#[tokio::test]
async fn success_with_invalid_inside() {
    let api = Api::start(1, no_demand()).await;
    let body = json!({"productType": "PRODUCT", "requirements": "LISTING", "attributes": {
        "fulfillmentAvailability": [{"quantity": 1}], "item_name": [{"value": "x"}]}});
    let (status, body) =
        api.call(Method::PUT, &format!("{}?marketplaceIds={US}", api.item("A")), Some(body)).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("INVALID")));
    let codes: Vec<&str> =
        body["issues"].as_array().unwrap().iter().map(|i| i["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"90000900") && codes.contains(&"90220"), "{codes:?}");
    // Patching what does not exist; an object where an array belongs.
    let patch = json!({"productType": "PRODUCT", "patches": [{"op": "replace", "path": "/attributes/brand", "value": [{"value": "b"}]}]});
    let (_, body) =
        api.call(Method::PATCH, &format!("{}?marketplaceIds={US}", api.item("A")), Some(patch)).await;
    assert_eq!(body["issues"][0]["code"], "13013");
    let patch = json!({"productType": "PRODUCT", "patches": [{"op": "replace", "path": "/attributes/brand", "value": {"value": "b"}}]});
    let (status, body) =
        api.call(Method::PATCH, &format!("{}?marketplaceIds={US}", api.item("A")), Some(patch)).await;
    assert_eq!((status, body["errors"][0]["code"].as_str()), (400, Some("InvalidInput")));
}

#[tokio::test]
async fn a_lie_is_accepted_and_never_live() {
    let mut api = Api::start(1, no_demand()).await;
    api.sim.set_fault("amazon", Some("putListingsItem"), Fault::Lie, 1);
    assert_eq!(api.put("A", US, "10.00", 1).await.1["status"], "ACCEPTED");
    api.hours(2);
    api.login().await;
    assert_eq!(api.get(&format!("{}?marketplaceIds={US}", api.item("A"))).await.0, 404);
}

#[tokio::test]
async fn tokens_expire_and_grants_differ() {
    let mut api = Api::start(1, no_demand()).await;
    assert_eq!(api.get("/sellers/v1/marketplaceParticipations").await.0, 200);
    // Grantless only.
    assert_eq!(api.get("/notifications/v1/destinations").await.0, 403);
    api.hours(1);
    let (status, body) = api.get("/sellers/v1/marketplaceParticipations").await;
    assert_eq!((status, body["errors"][0]["code"].as_str()), (403, Some("Unauthorized")));
    api.login().await;
    assert_eq!(api.get("/sellers/v1/marketplaceParticipations").await.0, 200);
    let bad =
        [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "y"), ("client_secret", "z")];
    let url = format!("{}/auth/o2/token", api.sim.base_url("amazon"));
    let body: Value = api.client.post(url).form(&bad).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["error"], "invalid_client");
}

#[tokio::test]
async fn quotas_have_amazons_headers_and_body() {
    let api = Api::start(1, no_demand()).await;
    let url = format!("{}{}?marketplaceIds={US}", api.sim.base_url("amazon"), api.item("none"));
    let send = || api.client.patch(&url).header("x-amz-access-token", &api.token).json(&json!({})).send();
    for _ in 0..5 {
        let response = send().await.unwrap();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["x-amzn-ratelimit-limit"], "5.0");
    }
    let response = send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(!response.headers().contains_key("x-amzn-ratelimit-limit"));
    assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["code"], "QuotaExceeded");
    api.sim.advance(Duration::from_millis(200));
    assert_eq!(send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_feed_succeeds_message_by_message() {
    let api = Api::start(1, no_demand()).await;
    let (status, document) = api
        .call(
            Method::POST,
            "/feeds/2021-06-30/documents",
            Some(json!({"contentType": "application/json; charset=UTF-8"})),
        )
        .await;
    assert_eq!(status, 201);
    let attributes = |price: f64| {
        json!({"item_name": [{"value": "x"}], "brand": [{"value": "b"}], "condition_type": [{"value": "new_new"}],
            "fulfillment_availability": [{"fulfillment_channel_code": "DEFAULT", "quantity": 4}],
            "purchasable_offer": [{"currency": "EUR", "our_price": [{"schedule": [{"value_with_tax": price}]}]}]})
    };
    let message = |id: u32, sku: &str, price: f64| {
        json!({"messageId": id, "sku": sku, "operationType": "UPDATE", "productType": "PRODUCT",
            "requirements": "LISTING", "attributes": attributes(price)})
    };
    let feed = json!({"header": {"sellerId": api.sim.credentials("amazon").get("seller_id"), "version": "2.0"},
        "messages": [message(1, "GOOD", 12.5), message(2, "BAD", -1.0)]});
    let upload = api
        .client
        .put(document["url"].as_str().unwrap())
        .header("content-type", "application/json; charset=UTF-8")
        .body(feed.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(upload.status(), 200);
    let spec = json!({"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": [DE], "inputFeedDocumentId": document["feedDocumentId"]});
    let (status, created) = api.call(Method::POST, "/feeds/2021-06-30/feeds", Some(spec)).await;
    assert_eq!(status, 202);
    let path = format!("/feeds/2021-06-30/feeds/{}", created["feedId"].as_str().unwrap());
    assert_eq!(api.get(&path).await.1["processingStatus"], "IN_QUEUE");
    api.sim.advance(Duration::from_secs(600));
    let (_, feed) = api.get(&path).await;
    assert_eq!(feed["processingStatus"], "DONE");
    let (_, result) = api
        .get(&format!("/feeds/2021-06-30/documents/{}", feed["resultFeedDocumentId"].as_str().unwrap()))
        .await;
    assert_eq!(result["compressionAlgorithm"], "GZIP");
    let report: Value = serde_json::from_str(&download(&api, result["url"].as_str().unwrap()).await).unwrap();
    assert_eq!(report["summary"]["messagesAccepted"], 1);
    assert_eq!(
        (report["issues"][0]["messageId"].as_u64(), report["issues"][0]["sku"].as_str()),
        (Some(2), Some("BAD"))
    );
}

async fn download(api: &Api, url: &str) -> String {
    let bytes = api.client.get(url).send().await.unwrap().bytes().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

/// Lists two SKUs on two marketplaces, lets three days of buyers come, ships everything.
async fn trade(seed: u64) -> Api {
    let mut api = Api::start(seed, Demand { orders_per_day: 12, ..Demand::default() }).await;
    for (marketplace, price) in [(US, "25.00"), (DE, "59.50")] {
        for sku in ["A", "B"] {
            assert_eq!(api.put(sku, marketplace, price, 500).await.1["status"], "ACCEPTED");
        }
    }
    for _ in 0..4 {
        api.hours(24);
        api.login().await;
        ship_all(&api).await;
    }
    api
}

async fn ship_all(api: &Api) {
    let data = "BUYER,RECIPIENT,PROCEEDS,FULFILLMENT,CANCELLATION,TAX,PACKAGES,PAYMENT";
    let mut token = String::new();
    loop {
        let (status, page) = api
            .get(&format!(
                "/orders/2026-01-01/orders?lastUpdatedAfter=2026-03-01T00:00:00Z&fulfillmentStatuses=UNSHIPPED&maxResultsPerPage=5&includedData={data}{token}"
            ))
            .await;
        assert_eq!(status, 200, "{page}");
        for order in page["orders"].as_array().unwrap() {
            let items: Vec<Value> = order["orderItems"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| json!({"orderItemId": i["orderItemId"], "quantity": i["quantityOrdered"]}))
                .collect();
            let id = order["orderId"].as_str().unwrap();
            let body = json!({"marketplaceId": order["salesChannel"]["marketplaceId"], "packageDetail": {"packageReferenceId": "1",
                "carrierCode": "DHL", "trackingNumber": format!("T{id}"), "shipDate": "2026-03-03T00:00:00Z", "orderItems": items}});
            let (status, answer) = api
                .call(Method::POST, &format!("/orders/v0/orders/{id}/shipmentConfirmation"), Some(body))
                .await;
            assert_eq!(status, 204, "{answer}");
            api.sim.advance(Duration::from_millis(500));
        }
        match page["pagination"]["nextToken"].as_str() {
            Some(next) => token = format!("&paginationToken={next}"),
            None => break,
        }
        api.sim.advance(Duration::from_secs(180));
    }
}

#[tokio::test]
async fn orders_come_are_shipped_and_settle_to_the_cent() {
    let mut api = trade(5).await;
    // Three settlement ends: activity, reserve release, and the last reserve.
    for _ in 0..24 {
        api.hours(24);
    }
    api.login().await;
    let ledger = api.sim.ledger();
    let orders = &ledger.orders["amazon"];
    assert!(orders.len() >= 30, "{}", orders.len());
    assert!(orders.values().all(|o| o.cancelled || o.shipped.is_some()));
    for (currency, money) in &ledger.money["amazon"] {
        assert_eq!(
            money.sold - money.refunded - money.fees - money.withheld_tax,
            money.paid_out,
            "{currency}"
        );
    }
    // The files foot: Σ amount = total-amount, in each file's own number format.
    let (_, list) = api
        .get(
            "/reports/2021-06-30/reports?reportTypes=GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2&pageSize=100",
        )
        .await;
    let reports = list["reports"].as_array().unwrap();
    assert!(reports.len() >= 4);
    let mut paid = 0;
    for report in reports {
        let (status, document) = api
            .get(&format!("/reports/2021-06-30/documents/{}", report["reportDocumentId"].as_str().unwrap()))
            .await;
        assert_eq!(status, 200);
        let text = download(&api, document["url"].as_str().unwrap()).await;
        let mut lines = text.lines().map(|l| l.split('\t').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        assert_eq!(header.len(), 24);
        let cents = |t: &str| t.replace(['.', ','], "").parse::<i64>().unwrap();
        let summary = lines.next().unwrap();
        assert_eq!(summary.len(), 24);
        assert_eq!(summary[4].contains(','), summary[5] == "EUR");
        let sum: i64 = lines
            .map(|l| {
                assert_eq!(l.len(), 24);
                cents(l[14])
            })
            .sum();
        assert_eq!(sum, cents(summary[4]));
        paid += sum;
    }
    assert_eq!(paid, ledger.money["amazon"].values().map(|m| m.paid_out).sum::<i64>());
    // The finances API tells the same shipments.
    let (_, body) = api.get("/finances/2024-06-19/transactions?postedAfter=2026-03-01T00:00:00Z").await;
    let shipments = body["payload"]["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["transactionType"] == "Shipment")
        .count();
    assert_eq!(shipments, orders.values().filter(|o| o.shipped.is_some()).count());
}

#[tokio::test]
async fn same_seed_same_ledger_bytes() {
    let (a, b) = (trade(9).await, trade(9).await);
    assert_eq!(
        String::from_utf8(a.sim.ledger().to_json()).unwrap(),
        String::from_utf8(b.sim.ledger().to_json()).unwrap()
    );
    let other = trade(10).await;
    assert_ne!(a.sim.ledger().to_json(), other.sim.ledger().to_json());
}

#[tokio::test]
async fn v0_hides_persons_without_a_restricted_token() {
    let api = trade(5).await;
    let ledger = api.sim.ledger();
    let (id, _) = ledger.orders["amazon"].iter().find(|(_, o)| !o.cancelled).unwrap();
    let (_, plain) = api.get(&format!("/orders/v0/orders/{id}")).await;
    assert!(plain["payload"]["BuyerInfo"].is_null() && plain["payload"]["ShippingAddress"]["Name"].is_null());
    assert_eq!(api.get(&format!("/orders/v0/orders/{id}/address")).await.0, 403);
    let wish = json!({"restrictedResources": [{"method": "GET", "path": "/orders/v0/orders/{orderId}", "dataElements": ["buyerInfo", "shippingAddress"]}]});
    let (_, rdt) = api.call(Method::POST, "/tokens/2021-03-01/restrictedDataToken", Some(wish)).await;
    let url = format!("{}/orders/v0/orders/{id}", api.sim.base_url("amazon"));
    let body: Value = api
        .client
        .get(url)
        .header("x-amz-access-token", rdt["restrictedDataToken"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(body["payload"]["BuyerInfo"]["BuyerEmail"].as_str().unwrap().ends_with("@example.com"));
    assert!(body["payload"]["ShippingAddress"]["Name"].is_string());
}

#[tokio::test]
async fn hostile_faults_leave_the_oracle_consistent() {
    let api = Api::start(2, no_demand()).await;
    api.sim.set_profile(Profile::Hostile);
    for index in 0..30 {
        let url =
            format!("{}{}?marketplaceIds={US}", api.sim.base_url("amazon"), api.item(&format!("S{index}")));
        let body = json!({"productType": "PRODUCT", "requirements": "LISTING_OFFER_ONLY", "attributes": {
            "condition_type": [{"value": "new_new"}],
            "fulfillment_availability": [{"fulfillment_channel_code": "DEFAULT", "quantity": 1}],
            "purchasable_offer": [{"currency": "USD", "our_price": [{"schedule": [{"value_with_tax": 5}]}]}]}});
        let mut done = false;
        for _ in 0..5 {
            api.sim.advance(Duration::from_millis(300));
            let sent = api.client.put(&url).header("x-amz-access-token", &api.token).json(&body).send().await;
            if let Ok(r) = sent
                && r.status() == 200
                && r.bytes().await.is_ok()
            {
                done = true;
                break;
            }
        }
        assert!(done, "S{index}");
    }
    let ledger = api.sim.ledger();
    let calls = &ledger.calls["amazon"]["putListingsItem"];
    assert!(calls.faulted > 0 && calls.received > 30);
    // A lied-to item is not listed, and nothing is listed twice.
    assert!(ledger.listings["amazon"].len() <= 30);
}

#[tokio::test]
async fn orders_are_told_twice_and_backwards() {
    let mut api = Api::start(5, Demand { orders_per_day: 12, ..Demand::default() }).await;
    assert_eq!(api.put("A", US, "25.00", 500).await.1["status"], "ACCEPTED");
    api.hours(24);
    api.login().await;
    let ids = async || {
        let (_, page) = api.get("/orders/2026-01-01/orders?lastUpdatedAfter=2026-03-01T00:00:00Z").await;
        page["orders"].as_array().unwrap().iter().map(|o| o["orderId"].as_str().unwrap().to_owned()).collect()
    };
    crate::faults::told_otherwise(&api.sim, "amazon", "searchOrders", ids).await;
}
