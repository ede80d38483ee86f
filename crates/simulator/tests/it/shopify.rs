//! The Shopify fake, through plain HTTP.

use serde_json::{Value, json};
use std::time::Duration;
use tradewind_simulator::{Demand, Simulator};

async fn start(cancel: u32, refund: u32) -> Simulator {
    let demand = Demand {
        orders_per_day: 12,
        days: 1,
        cancel_per_mille: cancel,
        refund_per_mille: refund,
        ..Demand::default()
    };
    Simulator::builder().seed(9).demand(demand).channels(["shopify"]).start().await.unwrap()
}

async fn gql(sim: &Simulator, query: &str, variables: Value) -> Value {
    let response = reqwest::Client::new()
        .post(format!("{}/admin/api/2026-10/graphql.json", sim.base_url("shopify")))
        .header("x-shopify-access-token", "shpat_simstatictoken")
        .json(&json!({"query": query, "variables": variables}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

const SET: &str = "mutation Upsert($id: ProductSetIdentifiers, $in: ProductSetInput!) { productSet(identifier: $id, input: $in, synchronous: true) { product { id variants(first: 50) { nodes { id sku price inventoryItem { id } } } } userErrors { field message code } } }";

fn cup() -> Value {
    json!({"id": {"handle": "tea-cup"}, "in": {"title": "Tea cup", "handle": "tea-cup", "status": "ACTIVE",
        "productOptions": [{"name": "Color", "position": 1, "values": [{"name": "Red"}, {"name": "Blue"}]}],
        "variants": [{"sku": "RED", "price": "19.99", "optionValues": [{"optionName": "Color", "name": "Red"}], "inventoryItem": {"tracked": true, "harmonizedSystemCode": "691110"}},
                     {"sku": "BLUE", "price": "21.00", "optionValues": [{"optionName": "Color", "name": "Blue"}]}]}})
}

const STOCK: &str = "mutation S($in: InventorySetQuantitiesInput!, $k: String!) { inventorySetQuantities(input: $in) @idempotent(key: $k) { inventoryAdjustmentGroup { id } userErrors { field message code } } }";

fn stock(item: &Value, quantity: i64, from: Value) -> Value {
    json!({"in": {"name": "available", "reason": "correction", "quantities": [{"inventoryItemId": item, "locationId": "gid://shopify/Location/70010001", "quantity": quantity, "changeFromQuantity": from}]}, "k": format!("k-{quantity}")})
}

/// The product's id, published, with plenty of stock.
async fn shelf(sim: &Simulator) -> String {
    let set = gql(sim, SET, cup()).await;
    let product = &set["data"]["productSet"]["product"];
    for v in product["variants"]["nodes"].as_array().unwrap() {
        let mut s = stock(&v["inventoryItem"]["id"], 500, json!(0));
        s["k"] = v["id"].clone();
        assert_eq!(gql(sim, STOCK, s).await["data"]["inventorySetQuantities"]["userErrors"], json!([]));
    }
    let id = product["id"].as_str().unwrap().to_owned();
    let done = gql(sim, "mutation P($id: ID!, $p: ID!) { publishablePublish(id: $id, input: [{publicationId: $p}]) { userErrors { message } } }",
        json!({"id": id, "p": "gid://shopify/Publication/80010001"})).await;
    assert_eq!(done["data"]["publishablePublish"]["userErrors"], json!([]));
    id
}

#[tokio::test]
async fn products_are_whole_lists_and_live_only_after_publication() {
    let sim = start(0, 0).await;
    let id = shelf(&sim).await;
    let live = "query($id: ID!) { product(id: $id) { status publishedOnPublication(publicationId: \"gid://shopify/Publication/80010001\") } }";
    assert_eq!(gql(&sim, live, json!({"id": id})).await["data"]["product"]["publishedOnPublication"], false);
    sim.advance(Duration::from_secs(300));
    assert_eq!(gql(&sim, live, json!({"id": id})).await["data"]["product"]["publishedOnPublication"], true);
    let mut less = cup();
    less["in"]["variants"].as_array_mut().unwrap().pop();
    let set = gql(&sim, SET, less).await;
    assert_eq!(set["data"]["productSet"]["product"]["variants"]["nodes"].as_array().unwrap().len(), 1);
    let found =
        gql(&sim, "{ productVariants(first: 5, query: \"sku:'BLUE'\") { nodes { id } } }", json!({})).await;
    assert_eq!(found["data"]["productVariants"]["nodes"], json!([]));
    let mut bad = cup();
    bad["in"]["variants"][0]["price"] = json!("-1");
    assert_eq!(gql(&sim, SET, bad).await["data"]["productSet"]["userErrors"][0]["code"], "INVALID_VARIANT");
}

#[tokio::test]
async fn stock_is_compare_and_set_under_a_key_and_cost_is_told() {
    let sim = start(0, 0).await;
    let set = gql(&sim, SET, cup()).await;
    let item = set["data"]["productSet"]["product"]["variants"]["nodes"][0]["inventoryItem"]["id"].clone();
    let done = gql(&sim, STOCK, stock(&item, 7, json!(0))).await;
    assert_eq!(done["data"]["inventorySetQuantities"]["userErrors"], json!([]));
    // The same key again is answered from memory, not compared again.
    assert_eq!(gql(&sim, STOCK, stock(&item, 7, json!(0))).await["data"], done["data"]);
    let stale = gql(&sim, STOCK, stock(&item, 8, json!(0))).await;
    assert_eq!(
        stale["data"]["inventorySetQuantities"]["userErrors"][0]["code"],
        "CHANGE_FROM_QUANTITY_STALE"
    );
    let bare = STOCK.replace("@idempotent(key: $k)", "").replace(", $k: String!", "");
    assert_eq!(
        gql(&sim, &bare, stock(&item, 9, json!(7))).await["errors"][0]["extensions"]["code"],
        "BAD_REQUEST"
    );
    let mut missing = stock(&item, 9, json!(7));
    missing["in"]["quantities"][0].as_object_mut().unwrap().remove("changeFromQuantity");
    assert_eq!(gql(&sim, STOCK, missing).await["errors"][0]["extensions"]["code"], "INVALID_FIELD_ARGUMENTS");
    let level = gql(&sim, "{ inventoryItems(first: 1, query: \"sku:RED\") { nodes { inventoryLevels(first: 1) { nodes { quantities(names: [\"available\"]) { name quantity } } } } } }", json!({})).await;
    assert_eq!(
        level["data"]["inventoryItems"]["nodes"][0]["inventoryLevels"]["nodes"][0]["quantities"],
        json!([{"name": "available", "quantity": 7}])
    );
    let cost = &level["extensions"]["cost"];
    assert_eq!(cost["throttleStatus"]["restoreRate"], 100);
    assert!(cost["actualQueryCost"].as_u64() <= cost["requestedQueryCost"].as_u64());
    // 2,000 points hold 200 mutations; the one after is told to wait.
    let mut throttled = false;
    for _ in 0..220 {
        let answer =
            gql(&sim, "mutation { productDelete(input: {id: \"x\"}) { userErrors { code } } }", json!({}))
                .await;
        throttled |= answer["errors"][0]["extensions"]["code"] == "THROTTLED";
    }
    assert!(throttled);
    let wide = "{ orders(first: 250) { nodes { a: lineItems(first: 1) { nodes { id } } b: lineItems(first: 1) { nodes { id } } fulfillmentOrders(first: 1) { nodes { id } } refunds { id } x: lineItems(first: 1) { nodes { id } } } } }";
    sim.advance(Duration::from_secs(60));
    assert_eq!(gql(&sim, wide, json!({})).await["errors"][0]["extensions"]["code"], "MAX_COST_EXCEEDED");
}

const ORDERS: &str = "query O($c: String, $q: String!) { orders(first: 5, after: $c, sortKey: UPDATED_AT, query: $q) { pageInfo { hasNextPage endCursor } nodes { id name cancelledAt displayFinancialStatus paymentGatewayNames
    totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } fulfillmentOrders(first: 5) { nodes { id status lineItems(first: 20) { nodes { id remainingQuantity } } } } transactions { id kind gateway } lineItems(first: 20) { nodes { id sku quantity } } } } }";

async fn orders(sim: &Simulator) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = gql(sim, ORDERS, json!({"c": cursor, "q": "updated_at:>='2026-03-02T00:00:00Z'"})).await;
        let orders = &page["data"]["orders"];
        all.extend(orders["nodes"].as_array().unwrap().iter().cloned());
        if orders["pageInfo"]["hasNextPage"] != true {
            return all;
        }
        cursor = orders["pageInfo"]["endCursor"].clone();
    }
}

const SHIP: &str = "mutation F($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) { fulfillment { id status trackingInfo { number } } userErrors { field message } } }";

#[tokio::test]
async fn orders_ship_once_and_the_payout_foots() {
    let sim = start(0, 500).await;
    let hook = gql(&sim, "mutation { webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {uri: \"https://me.example/h\"}) { userErrors { message } webhookSubscription { id } } }", json!({})).await;
    assert_eq!(hook["data"]["webhookSubscriptionCreate"]["userErrors"], json!([]));
    shelf(&sim).await;
    sim.advance(Duration::from_secs(86_400));
    let all = orders(&sim).await;
    assert_eq!(all.len(), sim.ledger().orders["shopify"].len());
    assert!(!all.is_empty());
    let hooks = sim.take_hooks("shopify");
    assert_eq!(hooks.len(), all.len());
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"sim-shopify-secret").unwrap();
    mac.update(&hooks[0].body);
    let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    assert!(hooks[0].headers.contains(&("X-Shopify-Hmac-Sha256".into(), expected)));
    for o in &all {
        let fo = &o["fulfillmentOrders"]["nodes"][0];
        assert_eq!(fo["status"], "OPEN");
        let f = json!({"f": {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": fo["id"]}], "trackingInfo": {"company": "DHL Express", "number": "1234567890"}}});
        assert_eq!(gql(&sim, SHIP, f.clone()).await["data"]["fulfillmentCreate"]["userErrors"], json!([]));
        assert_ne!(gql(&sim, SHIP, f).await["data"]["fulfillmentCreate"]["userErrors"], json!([]));
    }
    sim.advance(Duration::from_secs(13 * 86_400));
    let ledger = sim.ledger();
    // Σ over orders that Shopify Payments took in = fees + what the bank got.
    let own: Vec<&str> = all
        .iter()
        .filter(|o| o["paymentGatewayNames"][0] == "shopify_payments")
        .map(|o| o["id"].as_str().unwrap())
        .collect();
    let net: i64 = own.iter().map(|id| &ledger.orders["shopify"][*id]).map(|o| o.total - o.refunded).sum();
    let money = &ledger.money["shopify"]["USD"];
    assert_eq!(net, money.fees + money.paid_out);
    assert!(money.refunded > 0);
    let rows = gql(&sim, "{ shopifyPaymentsAccount { balanceTransactions(first: 100, hideTransfers: true) { nodes { type net { amount } associatedPayout { id status } } } payouts(first: 10) { nodes { id net { amount } status } } } }", json!({})).await;
    let account = &rows["data"]["shopifyPaymentsAccount"];
    let cents = |v: &Value| v["amount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    for p in account["payouts"]["nodes"].as_array().unwrap() {
        let sum: i64 = account["balanceTransactions"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|b| b["associatedPayout"]["id"] == p["id"])
            .map(|b| cents(&b["net"]))
            .sum();
        assert_eq!(sum, cents(&p["net"]));
    }
}

#[tokio::test]
async fn cancel_is_a_job_refund_needs_a_key_and_bulk_gives_lines() {
    let sim = start(0, 0).await;
    shelf(&sim).await;
    sim.advance(Duration::from_secs(86_400));
    let all = orders(&sim).await;
    let (first, second) = (&all[0], &all[1]);
    let cancel = "mutation C($o: ID!) { orderCancel(orderId: $o, reason: INVENTORY, restock: true, refundMethod: {originalPaymentMethodsRefund: true}, notifyCustomer: false) { job { id done } orderCancelUserErrors { code message } } }";
    let answer = gql(&sim, cancel, json!({"o": first["id"]})).await;
    assert_eq!(answer["data"]["orderCancel"]["job"]["done"], false);
    sim.advance(Duration::from_secs(10));
    let done = gql(
        &sim,
        "query($id: ID!) { job(id: $id) { done } }",
        json!({"id": answer["data"]["orderCancel"]["job"]["id"]}),
    )
    .await;
    assert_eq!(done["data"]["job"]["done"], true);
    assert!(sim.ledger().orders["shopify"][first["id"].as_str().unwrap()].cancelled);
    let refund = "mutation R($in: RefundInput!, $k: String!) { refundCreate(input: $in) @idempotent(key: $k) { refund { id totalRefundedSet { shopMoney { amount } } } userErrors { message } } }";
    let args = json!({"k": "r1", "in": {"orderId": second["id"], "refundLineItems": [], "transactions": [{"orderId": second["id"], "parentId": second["transactions"][0]["id"], "amount": "1.00", "kind": "REFUND", "gateway": second["transactions"][0]["gateway"]}]}});
    for _ in 0..2 {
        assert_eq!(
            gql(&sim, refund, args.clone()).await["data"]["refundCreate"]["refund"]["totalRefundedSet"]["shopMoney"]
                ["amount"],
            "1.00"
        );
    }
    assert_eq!(sim.ledger().orders["shopify"][second["id"].as_str().unwrap()].refunded, 100);
    let bulk = "mutation B($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id status } userErrors { message } } }";
    gql(
        &sim,
        bulk,
        json!({"q": "{ products { edges { node { id title variants { edges { node { id sku } } } } } } }"}),
    )
    .await;
    sim.advance(Duration::from_secs(60));
    let now = gql(&sim, "{ currentBulkOperation { status url objectCount } }", json!({})).await;
    let operation = &now["data"]["currentBulkOperation"];
    assert_eq!((&operation["status"], &operation["objectCount"]), (&json!("COMPLETED"), &json!("3")));
    let text = reqwest::get(operation["url"].as_str().unwrap()).await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[1]["__parentId"], lines[0]["id"]);
}

#[tokio::test]
async fn orders_are_told_twice_and_backwards() {
    let sim = start(0, 0).await;
    shelf(&sim).await;
    sim.advance(Duration::from_secs(86_400));
    let ids = async || {
        let page = gql(&sim, ORDERS, json!({"c": null, "q": "updated_at:>='2026-03-02T00:00:00Z'"})).await;
        let nodes = page["data"]["orders"]["nodes"].as_array().unwrap();
        nodes.iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect()
    };
    crate::faults::told_otherwise(&sim, "shopify", "orders", ids).await;
}
