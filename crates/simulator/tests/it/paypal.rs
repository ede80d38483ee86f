//! The PayPal fake, driven by plain HTTP calls.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use tradewind_simulator::{Demand, Fault, Simulator};

struct Api {
    sim: Simulator,
    client: Client,
    token: String,
}

impl Api {
    async fn start() -> Self {
        let demand = Demand { orders_per_day: 0, ..Demand::default() };
        let sim = Simulator::builder().seed(5).demand(demand).channels(["paypal"]).start().await.unwrap();
        let mut api = Self { sim, client: Client::new(), token: String::new() };
        api.login().await;
        api
    }

    async fn login(&mut self) {
        let c = self.sim.credentials("paypal");
        let url = format!("{}/v1/oauth2/token", self.sim.base_url("paypal"));
        let sent = self
            .client
            .post(url)
            .basic_auth(c.get("client_id"), Some(c.get("client_secret")))
            .form(&[("grant_type", "client_credentials")]);
        let body: Value = sent.send().await.unwrap().json().await.unwrap();
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.sim.base_url("paypal"));
        let mut request =
            self.client.request(method, url).bearer_auth(&self.token).header("paypal-request-id", "r-1");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    async fn pay(&self, order: &str, value: &str, currency: &str) -> String {
        let body = json!({"channel": "shop", "order": order, "currency": currency, "value": value, "email": "b@example.com"});
        self.call(Method::POST, "/sim/pay", Some(body)).await.1["capture_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_payment_appears_late_and_a_refund_happens_once() {
    let api = Api::start().await;
    let id = api.pay("1001", "100.00", "USD").await;
    // 3.49 % of 100.00 + 0.49 = 3.98.
    let (_, capture) = api.call(Method::GET, &format!("/v2/payments/captures/{id}"), None).await;
    assert_eq!(capture["seller_receivable_breakdown"]["paypal_fee"]["value"], "3.98");
    assert_eq!(capture["seller_receivable_breakdown"]["net_amount"]["value"], "96.02");
    let search =
        "/v1/reporting/transactions?start_date=2026-03-02T00:00:00-0000&end_date=2026-03-20T00:00:00-0000";
    assert_eq!(api.call(Method::GET, search, None).await.1["total_items"], 0);
    api.sim.advance(Duration::from_secs(3 * 3_600));
    let (_, page) = api.call(Method::GET, search, None).await;
    let info = &page["transaction_details"][0]["transaction_info"];
    assert_eq!(
        (info["invoice_id"].as_str(), info["fee_amount"]["value"].as_str()),
        (Some("1001"), Some("-3.98"))
    );
    // The end is cut to what is fresh: five minutes before 03:00.
    assert_eq!(page["end_date"], "2026-03-02T02:55:00Z");
    let wide = search.replace("2026-03-20", "2026-04-20");
    assert_eq!(api.call(Method::GET, &wide, None).await.0, 400);
    let path = format!("/v2/payments/captures/{id}/refund");
    let body = json!({"amount": {"currency_code": "USD", "value": "40.00"}});
    let (status, first) = api.call(Method::POST, &path, Some(body.clone())).await;
    let (_, again) = api.call(Method::POST, &path, Some(body)).await;
    assert_eq!((status, &first["id"]), (201, &again["id"]));
    let (_, capture) = api.call(Method::GET, &format!("/v2/payments/captures/{id}"), None).await;
    assert_eq!(capture["status"], "PARTIALLY_REFUNDED");
}

#[tokio::test]
async fn the_settlement_report_foots() {
    let mut api = Api::start().await;
    api.pay("1001", "100.00", "USD").await;
    api.pay("1002", "5000", "JPY").await;
    api.sim.advance(Duration::from_secs(86_400));
    // The token of yesterday is over: nine hours.
    assert_eq!(api.call(Method::GET, "/v1/customer/disputes", None).await.0, 401);
    api.login().await;
    // The drop of reports has a login of its own: no token is sent there.
    let (_, list) = api.call(Method::GET, "/ppreports/outgoing", None).await;
    assert_eq!(list["files"][0], "STL-20260302.01.009.CSV");
    let url = format!("{}/ppreports/outgoing/STL-20260302.01.009.CSV", api.sim.base_url("paypal"));
    let text = api.client.get(url).send().await.unwrap().text().await.unwrap();
    // Two implied decimals for yen too: ¥5000 → 500000; fee 3.49 % = 174.5 → 175, + 40 = ¥215 → 21500.
    assert!(text.contains("SF,JPY,500000,0,0,21500,CR,0,CR,478500"), "{text}");
    assert!(text.contains("SF,USD,10000,0,0,398,CR,0,CR,9602"), "{text}");
    // Then the balance went to the bank.
    assert_eq!(api.sim.ledger().money["paypal"]["USD"].paid_out, 9602);
    assert_eq!(api.sim.ledger().money["paypal"]["JPY"].paid_out, 4785);
}

#[tokio::test]
async fn webhooks_verify_and_a_changed_body_does_not() {
    let api = Api::start().await;
    let hook = json!({"url": "https://shop.example/hook", "event_types": [{"name": "*"}]});
    let (status, made) = api.call(Method::POST, "/v1/notifications/webhooks", Some(hook)).await;
    assert_eq!(status, 201);
    api.pay("1001", "10.00", "EUR").await;
    let hooks = api.sim.take_hooks("paypal");
    let get = |name: &str| hooks[0].headers.iter().find(|(k, _)| k == name).unwrap().1.clone();
    let envelope = |body: &str| {
        format!(
            "{{\"auth_algo\":\"SHA256withRSA\",\"cert_url\":\"{}\",\"transmission_id\":\"{}\",\"transmission_sig\":\"{}\",\"transmission_time\":\"{}\",\"webhook_id\":{},\"webhook_event\":{body}}}",
            get("paypal-cert-url"),
            get("paypal-transmission-id"),
            get("paypal-transmission-sig"),
            get("paypal-transmission-time"),
            made["id"]
        )
    };
    let body = String::from_utf8(hooks[0].body.clone()).unwrap();
    for (body, verdict) in [(body.clone(), "SUCCESS"), (body.replace("10.00", "99.00"), "FAILURE")] {
        let url = format!("{}/v1/notifications/verify-webhook-signature", api.sim.base_url("paypal"));
        let answer: Value = api
            .client
            .post(url)
            .bearer_auth(&api.token)
            .body(envelope(&body))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(answer["verification_status"], verdict);
    }
}

/// All of the first days.
const SEARCH: &str =
    "/v1/reporting/transactions?start_date=2026-03-02T00:00:00-0000&end_date=2026-03-20T00:00:00-0000";

#[tokio::test]
async fn a_lie_tells_less_than_the_truth_and_the_truth_is_told_later() {
    let api = Api::start().await;
    let early = api.pay("1001", "100.00", "USD").await;
    api.sim.advance(Duration::from_secs(5 * 3_600));
    api.pay("1002", "50.00", "USD").await;
    api.sim.advance(Duration::from_secs(3 * 3_600 + 1_800));
    let orders = async || {
        let (status, page) = api.call(Method::GET, SEARCH, None).await;
        assert_eq!(status, 200);
        let rows = page["transaction_details"].as_array().cloned().unwrap_or_default();
        let name = |r: &Value| r["transaction_info"]["invoice_id"].as_str().unwrap().to_owned();
        (rows.iter().map(name).collect::<Vec<_>>(), page["last_refreshed_datetime"].clone())
    };
    // At 08:30 the index stands at 02:30 and, by its five minutes, at 02:25: only what was paid at midnight is in it, and
    // that only if its own lag of up to three hours is over.
    api.sim.set_fault("paypal", Some("search.get"), Fault::Lie, 1);
    let (told, at) = orders().await;
    assert!(!told.contains(&"1002".to_owned()), "{told:?}");
    assert_eq!(at, "2026-03-02T02:25:00Z");
    assert_eq!(orders().await.0, ["1001", "1002"]);
    // A refund is made and told as one that is still under way; the same request again tells the truth.
    let path = format!("/v2/payments/captures/{early}/refund");
    let body = json!({"amount": {"currency_code": "USD", "value": "40.00"}});
    api.sim.set_fault("paypal", Some("captures.refund"), Fault::Lie, 1);
    let (status, told) = api.call(Method::POST, &path, Some(body.clone())).await;
    assert_eq!((status, told["status"].as_str()), (201, Some("PENDING")));
    let (_, again) = api.call(Method::POST, &path, Some(body)).await;
    assert_eq!((&again["id"], again["status"].as_str()), (&told["id"], Some("COMPLETED")));
    let (_, capture) = api.call(Method::GET, &format!("/v2/payments/captures/{early}"), None).await;
    assert_eq!(capture["status"], "PARTIALLY_REFUNDED");
    // A case of this hour is not in a list of six hours ago.
    api.call(Method::POST, "/sim/dispute", Some(json!({"capture_id": early}))).await;
    api.sim.set_fault("paypal", Some("disputes"), Fault::Lie, 1);
    let cases = async || api.call(Method::GET, "/v1/customer/disputes", None).await.1["items"].clone();
    assert_eq!(cases().await, Value::Null);
    assert_eq!(cases().await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_lying_folder_lacks_the_newest_report() {
    let api = Api::start().await;
    api.sim.advance(Duration::from_secs(2 * 86_400));
    let files = async || api.call(Method::GET, "/ppreports/outgoing", None).await.1["files"].clone();
    api.sim.set_fault("paypal", Some("reports"), Fault::Lie, 1);
    assert_eq!(files().await, json!(["STL-20260302.01.009.CSV"]));
    assert_eq!(files().await, json!(["STL-20260302.01.009.CSV", "STL-20260303.01.009.CSV"]));
}

#[tokio::test]
async fn rows_are_told_twice_and_backwards() {
    let api = Api::start().await;
    for order in ["1001", "1002", "1003"] {
        api.pay(order, "10.00", "USD").await;
        api.sim.advance(Duration::from_secs(60));
    }
    api.sim.advance(Duration::from_secs(4 * 3_600));
    let ids = async || {
        let (_, page) = api.call(Method::GET, SEARCH, None).await;
        let name = |r: &Value| r["transaction_info"]["transaction_id"].as_str().unwrap().to_owned();
        page["transaction_details"].as_array().unwrap().iter().map(name).collect()
    };
    crate::faults::told_otherwise(&api.sim, "paypal", "search.get", ids).await;
}
