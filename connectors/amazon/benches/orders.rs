//! Orders in: a page of a hundred through the connector — pipeline, exact money, normalised into the domain — against
//! `serde_json` into plain structs of strings over the same bytes.
//!
//! `cargo bench -p tradewind-amazon --bench orders`. The figure to read is the ratio in one run; `docs/performance.md`
//! has it.
#![allow(missing_docs, clippy::unwrap_used)] // a bench has no callers

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use tradewind_connector::{
    AccountConfig, CallCx, Connector, Memory, Runtime, Secrets, Transport, TransportError, VirtualClock,
    Window, WireRequest, WireResponse,
};

const ORDERS: usize = 100;

/// A page of the shape of Orders API 2026-01-01 `searchOrders`, two items an order.
fn page() -> String {
    let mut text = String::from(r#"{"orders":["#);
    for n in 0..ORDERS {
        let comma = if n == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"orderId":"114-{n:07}-7654321","createdTime":"2026-08-01T09:12:33Z","lastUpdatedTime":"2026-08-01T10:02:11Z","salesChannel":{{"channelName":"AMAZON","marketplaceId":"A1PA6795UKMFR9","marketplaceName":"Amazon.de"}},"buyer":{{"buyerName":"Jörg Müller {n}","buyerEmail":"x{n}@marketplace.example"}},"recipient":{{"deliveryAddress":{{"name":"Jörg Müller {n}","addressLine1":"Hauptstraße {n}","city":"Köln","postalCode":"50667","countryCode":"DE","phone":"+49221{n:07}"}}}},"proceeds":{{"grandTotal":{{"amount":"64.97","currencyCode":"EUR"}}}},"fulfillment":{{"fulfillmentStatus":"UNSHIPPED","fulfilledBy":"MERCHANT","shipByWindow":{{"earliestDateTime":"2026-08-01T22:00:00Z","latestDateTime":"2026-08-03T21:59:59Z"}}}},"orderItems":["#
        )
        .unwrap();
        for i in 0..2 {
            let comma = if i == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"orderItemId":"{n:011}{i}","quantityOrdered":1,"product":{{"asin":"B0{n:08}","title":"Desk lamp, LED, dimmable — model {i}","sellerSku":"DS-{n:05}-{i}","price":{{"unitPrice":{{"amount":"29.99","currencyCode":"EUR"}}}}}},"proceeds":{{"proceedsTotal":{{"amount":"32.49","currencyCode":"EUR"}},"breakdowns":[{{"type":"ITEM","subtotal":{{"amount":"29.99","currencyCode":"EUR"}}}},{{"type":"SHIPPING","subtotal":{{"amount":"2.50","currencyCode":"EUR"}}}},{{"type":"TAX","subtotal":{{"amount":"5.18","currencyCode":"EUR"}}}}]}},"fulfillment":{{"quantityFulfilled":0,"quantityUnfulfilled":1}},"tax":{{"taxCollections":[{{"model":"MARKETPLACE_FACILITATOR","responsibleParty":"AMAZON"}}]}}}}"#
            )
            .unwrap();
        }
        text.push_str("]}");
    }
    text.push_str(r#"],"pagination":{"nextToken":"more"}}"#);
    text
}

/// The same fields as plain structs: what a script would do.
#[allow(dead_code)] // read by nobody: that is the point of the baseline
mod plain {
    use super::Deserialize;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Page {
        pub(super) orders: Vec<Order>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Order {
        pub(super) order_id: String,
        pub(super) created_time: String,
        pub(super) last_updated_time: String,
        pub(super) buyer: Buyer,
        pub(super) recipient: Recipient,
        pub(super) proceeds: Proceeds,
        pub(super) fulfillment: Fulfillment,
        pub(super) order_items: Vec<Item>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Buyer {
        pub(super) buyer_name: String,
        pub(super) buyer_email: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Recipient {
        pub(super) delivery_address: Address,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Address {
        pub(super) name: String,
        pub address_line1: String,
        pub(super) city: String,
        pub(super) postal_code: String,
        pub(super) country_code: String,
        pub(super) phone: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Proceeds {
        pub(super) grand_total: Money,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Money {
        pub(super) amount: String,
        pub(super) currency_code: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Fulfillment {
        pub(super) fulfillment_status: String,
        pub(super) fulfilled_by: String,
        pub(super) ship_by_window: Span,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Span {
        pub(super) latest_date_time: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Item {
        pub(super) order_item_id: String,
        pub(super) quantity_ordered: u32,
        pub(super) product: Product,
        pub(super) proceeds: Parts,
        pub(super) fulfillment: Done,
        pub(super) tax: Tax,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Product {
        pub(super) title: String,
        pub(super) seller_sku: String,
        pub(super) price: Price,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Price {
        pub(super) unit_price: Money,
    }
    #[derive(Deserialize)]
    pub(super) struct Parts {
        pub(super) breakdowns: Vec<Part>,
    }
    #[derive(Deserialize)]
    pub(super) struct Part {
        #[serde(rename = "type")]
        pub(super) kind: String,
        pub(super) subtotal: Money,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Done {
        pub(super) quantity_fulfilled: u32,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Tax {
        pub(super) tax_collections: Vec<Collection>,
    }
    #[derive(Deserialize)]
    pub(super) struct Collection {
        pub(super) model: String,
    }
}

/// Answers everything with the page, token requests with a token.
struct Canned {
    page: Bytes,
    clock: VirtualClock,
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        use tradewind_connector::Clock as _;
        let token = r#"{"access_token":"T","token_type":"bearer","expires_in":3600}"#;
        let mut response = WireResponse::json_text(200, token);
        if !request.url.path().ends_with("/token") {
            response.body = self.page.clone();
        }
        response.received_at = self.clock.now();
        Ok(response)
    }
}

fn connector(page: &str) -> Arc<dyn Connector> {
    let clock = VirtualClock::starting("2026-08-02T00:00:00Z".parse().unwrap());
    let canned = Canned { page: Bytes::copy_from_slice(page.as_bytes()), clock: clock.clone() };
    let journal = Arc::new(Forgetful(Memory::default()));
    let runtime = Runtime { journal, ..Runtime::in_memory(Arc::new(clock), Arc::new(canned)) };
    let secrets = Secrets::of(&[("client_secret", "s"), ("refresh_token", "r")]);
    let config = AccountConfig::of("amazon-de", tradewind_amazon::FACTORY.example, secrets).unwrap();
    (tradewind_amazon::FACTORY.open)(config, runtime).unwrap()
}

/// A journal that keeps no payloads: what the store costs is measured in its own bench, and a million kept pages would
/// measure the allocator.
struct Forgetful(Memory);

#[async_trait]
impl tradewind_connector::Journal for Forgetful {
    async fn begin(
        &self,
        intent: &Arc<tradewind_connector::Intent>,
    ) -> Result<tradewind_connector::Begun, tradewind_connector::Error> {
        self.0.begin(intent).await
    }
    async fn finish(
        &self,
        intent: &Arc<tradewind_connector::Intent>,
        generation: u32,
        outcome: tradewind_connector::Outcome,
    ) -> Result<(), tradewind_connector::Error> {
        self.0.finish(intent, generation, outcome).await
    }
    async fn keep(&self, _: tradewind_connector::Exchange) -> Result<(), tradewind_connector::Error> {
        Ok(())
    }
    async fn load_token(
        &self,
        owner: &str,
        audience: &str,
    ) -> Result<Option<tradewind_connector::TokenSet>, tradewind_connector::Error> {
        self.0.load_token(owner, audience).await
    }
    async fn save_token(
        &self,
        owner: &str,
        audience: &str,
        token: &tradewind_connector::TokenSet,
        over: tradewind_connector::Over<'_>,
    ) -> Result<bool, tradewind_connector::Error> {
        self.0.save_token(owner, audience, token, over).await
    }
}

fn orders(c: &mut Criterion) {
    let text = page();
    let connector = connector(&text);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let window =
        Window { from: "2026-08-01T00:00:00Z".parse().unwrap(), to: "2026-08-01T23:00:00Z".parse().unwrap() };
    let mut group = c.benchmark_group("orders");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("plain serde_json", |b| {
        b.iter(|| serde_json::from_slice::<plain::Page>(text.as_bytes()).unwrap().orders.len());
    });
    group.bench_function("connector", |b| {
        let market = connector.marketplace().unwrap().orders().unwrap();
        b.iter(|| {
            let page = tokio.block_on(market.changed(&CallCx::new(), window, None)).unwrap();
            assert_eq!(page.items.len(), ORDERS);
            page
        });
    });
    group.finish();
}

criterion_group!(benches, orders);
criterion_main!(benches);
