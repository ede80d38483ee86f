//! The AliExpress fake, through plain HTTP, with a signer of its own.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tradewind_simulator::{Demand, Simulator};

fn demand(cancel: u32, refund: u32) -> Demand {
    Demand {
        orders_per_day: 8,
        days: 1,
        cancel_per_mille: cancel,
        refund_per_mille: refund,
        ..Demand::default()
    }
}

async fn start(demand: Demand) -> Simulator {
    Simulator::builder().seed(5).demand(demand).channels(["aliexpress"]).start().await.unwrap()
}

async fn call(sim: &Simulator, path: Option<&str>, extra: &[(&str, &str)]) -> Value {
    let mut params: BTreeMap<String, String> =
        extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    params.insert("app_key".into(), "501234".into());
    params.insert("timestamp".into(), sim.now().as_millisecond().to_string());
    params.insert("sign_method".into(), "sha256".into());
    let mut base = path.unwrap_or_default().to_owned();
    for (k, v) in &params {
        base.push_str(k);
        base.push_str(v);
    }
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"sim-aliexpress-secret").unwrap();
    mac.update(base.as_bytes());
    params.insert("sign".into(), hex::encode_upper(mac.finalize().into_bytes()));
    let url = match path {
        Some(p) => format!("{}/rest{p}", sim.base_url("aliexpress")),
        None => format!("{}/sync", sim.base_url("aliexpress")),
    };
    let response = reqwest::Client::new().post(url).form(&params).send().await.unwrap();
    assert_eq!(response.status(), 200, "errors live inside 200");
    response.json().await.unwrap()
}

async fn token(sim: &Simulator) -> String {
    let t = call(sim, Some("/auth/token/refresh"), &[("refresh_token", "50001001simRefresh0")]).await;
    assert_eq!(t["code"], "0");
    t["access_token"].as_str().unwrap().to_owned()
}

fn product(sku: &str, stock: u32) -> String {
    json!({"language": "en", "subject": "Tea cup", "aliexpress_category_id": 200135143,
        "main_image_urls_list": ["https://img.example.com/1.jpg"], "inventory_deduction_strategy": "place_order_withhold",
        "weight": "0.400", "package_length": 10, "package_height": 10, "package_width": 10, "freight_template_id": 1,
        "shipping_lead_time": 3, "service_policy_id": 0,
        "sku_info_list": [{"sku_code": sku, "price": "19.99", "inventory": stock}]})
    .to_string()
}

async fn sync(sim: &Simulator, token: &str, method: &str, extra: &[(&str, &str)]) -> Value {
    let mut all = vec![("method", method), ("access_token", token), ("simplify", "true")];
    all.extend_from_slice(extra);
    call(sim, None, &all).await
}

#[tokio::test]
async fn signature_token_and_wrapping() {
    let sim = start(demand(0, 0)).await;
    let token = token(&sim).await;
    let method = "aliexpress.solution.merchant.profile.get";
    let plain = call(&sim, None, &[("method", method), ("access_token", &token)]).await;
    assert_eq!(plain["aliexpress_solution_merchant_profile_get_response"]["shop_name"], "Sim Shop");
    assert_eq!(sync(&sim, &token, method, &[]).await["shop_name"], "Sim Shop");
    assert_eq!(sync(&sim, "no", method, &[]).await["error_response"]["code"], "IllegalAccessToken");
    // A day later the token has run out.
    sim.advance(Duration::from_secs(86_400));
    assert_eq!(sync(&sim, &token, method, &[]).await["error_response"]["code"], "IllegalAccessToken");
    let unsigned: Value = reqwest::get(format!(
        "{}/sync?method=x&app_key=501234&timestamp={}&sign_method=sha256&sign=AA",
        sim.base_url("aliexpress"),
        sim.now().as_millisecond()
    ))
    .await
    .unwrap()
    .json()
    .await
    .unwrap();
    assert_eq!(unsigned["error_response"]["code"], "IncompleteSignature");
}

#[tokio::test]
async fn a_product_is_audited_then_seen_and_changes_are_seen_late() {
    let sim = start(demand(0, 0)).await;
    let token = token(&sim).await;
    let posted = sync(
        &sim,
        &token,
        "aliexpress.solution.product.post",
        &[("post_product_request", &product("CUP", 9))],
    )
    .await;
    let id = posted["result"]["product_id"].as_u64().unwrap();
    let info = async || {
        sync(&sim, &token, "aliexpress.solution.product.info.get", &[("product_id", &id.to_string())]).await
    };
    assert_eq!(info().await["result"]["product_status_type"], "auditing");
    sim.advance(Duration::from_secs(2_400));
    assert_eq!(info().await["result"]["product_status_type"], "onSelling");
    let list = json!([{"product_id": id, "multiple_sku_update_list": [{"sku_code": "CUP", "inventory": 4}]},
                      {"product_id": 1, "multiple_sku_update_list": [{"sku_code": "X", "inventory": 4}]}])
    .to_string();
    let answer = sync(
        &sim,
        &token,
        "aliexpress.solution.batch.product.inventory.update",
        &[("mutiple_product_update_list", &list)],
    )
    .await;
    assert_eq!(answer["update_success"], false);
    assert_eq!(answer["update_successful_list"][0]["product_id"], id);
    assert_eq!(answer["update_failed_list"][0]["error_code"], "F00-00-10003-001");
    assert_eq!(info().await["result"]["aeop_ae_product_s_k_us"][0]["ipm_sku_stock"], 9);
    sim.advance(Duration::from_secs(120));
    assert_eq!(info().await["result"]["aeop_ae_product_s_k_us"][0]["ipm_sku_stock"], 4);
    let doubled = product("CUP", 9).replace(
        "[{\"inventory\"",
        "[{\"sku_code\":\"CUP\",\"price\":\"1.00\",\"inventory\":1},{\"inventory\"",
    );
    let error =
        sync(&sim, &token, "aliexpress.solution.product.post", &[("post_product_request", &doubled)]).await;
    assert_eq!(error["error_response"]["sub_code"], "F00-00-10007-007");
    let replica = product("R", 1).replace("Tea cup", "Replica cup");
    let id = sync(&sim, &token, "aliexpress.solution.product.post", &[("post_product_request", &replica)])
        .await["result"]["product_id"]
        .as_u64()
        .unwrap();
    sim.advance(Duration::from_secs(2_400));
    let refused =
        sync(&sim, &token, "aliexpress.solution.product.info.get", &[("product_id", &id.to_string())]).await;
    assert_eq!(refused["result"]["product_status_type"], "editingRequired");
}

async fn sell(demand: Demand) -> (Simulator, String, Vec<Value>) {
    let sim = start(demand).await;
    let t = token(&sim).await;
    sync(&sim, &t, "aliexpress.solution.product.post", &[("post_product_request", &product("CUP", 500))])
        .await;
    sim.advance(Duration::from_secs(86_400 + 43_200));
    let t = token(&sim).await;
    let query =
        json!({"modified_date_start": "2026-03-01 00:00:00", "page_size": 50, "current_page": 1}).to_string();
    let list = sync(&sim, &t, "aliexpress.solution.order.get", &[("param0", &query)]).await;
    let rows = list["result"]["target_list"].as_array().unwrap().clone();
    assert!(!rows.is_empty());
    (sim, t, rows)
}

#[tokio::test]
async fn orders_are_shipped_received_and_released_to_the_cent() {
    let (sim, token, rows) = sell(demand(0, 0)).await;
    let ledger = sim.ledger();
    assert_eq!(rows.len(), ledger.orders["aliexpress"].len());
    for row in &rows {
        let id = row["order_id"].as_u64().unwrap();
        assert!(id > 1 << 53);
        if row["order_status"] == "RISK_CONTROL" {
            continue;
        }
        assert_eq!(row["order_status"], "WAIT_SELLER_SEND_GOODS");
        let id = id.to_string();
        let args = [
            ("out_ref", id.as_str()),
            ("service_name", "DHL"),
            ("send_type", "all"),
            ("logistics_no", "1234567890"),
        ];
        let first = sync(&sim, &token, "aliexpress.solution.order.fulfill", &args).await;
        assert_eq!(first["result"]["result_success"], true);
        let again = sync(&sim, &token, "aliexpress.solution.order.fulfill", &args).await;
        assert_eq!(again["error_response"]["sub_code"], "F00-00-20002-001");
        sim.advance(Duration::from_secs(1));
    }
    sim.advance(Duration::from_secs(40 * 86_400));
    let money = sim.ledger().money["aliexpress"]["USD"].clone();
    let shipped = sim.ledger().orders["aliexpress"]
        .values()
        .filter(|o| o.shipped.is_some())
        .map(|o| o.total)
        .sum::<i64>();
    assert_eq!(money.paid_out + money.fees, shipped);
    assert!(money.fees > 0);

    let token = self::token(&sim).await;
    let loans = async |from: &str, to: &str| {
        let query = json!({"loan_status": "loan_ok", "create_date_start": from, "create_date_end": to, "page": 1, "page_size": 200});
        let method = "aliexpress.trade.redefining.findloanlistquery";
        sync(&sim, &token, method, &[("param1", &query.to_string())]).await["result"].clone()
    };
    let all = loans("03/01/2026 00:00:00", "12/31/2026 00:00:00").await;
    let sons: Vec<&Value> = all["order_list"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|o| o["son_order_list"].as_array().unwrap())
        .collect();
    let sum = |field: &str| sons.iter().map(|s| s[field]["cent"].as_i64().unwrap()).sum::<i64>();
    assert_eq!((sum("real_loan_amount"), sum("escrow_fee")), (money.paid_out, money.fees));
    // Searched by the day of release; a bound that is not exact to the second is none.
    assert_eq!(loans("03/01/2026 00:00:00", "03/02/2026 00:00:00").await["total_item"], 0);
    assert_eq!(loans("03/01/2026", "03/02/2026").await["total_item"], all["total_item"]);

    // Details tell when, if asked; the list of orders tells nothing of it.
    let order = &all["order_list"][0];
    let query = |flags: u32| json!({"order_id": order["order_id"], "ext_info_bit_flag": flags}).to_string();
    let detail = async |flags: u32| {
        let method = "aliexpress.solution.order.info.get";
        sync(&sim, &token, method, &[("param1", &query(flags))]).await["result"]["data"].clone()
    };
    let told = detail(2).await;
    let child = &told["child_order_list"][0]["loan_info"];
    assert_eq!(child["loan_amount"]["cent"], order["son_order_list"][0]["real_loan_amount"]["cent"]);
    assert_eq!(child["loan_time"], told["loan_info"]["loan_time"]);
    assert!(told["logistic_info_list"].is_null() && told["buyer_info"].is_null());
    assert!(detail(31 - 2).await["loan_info"].is_null());
    let finished = json!({"modified_date_start": "2026-03-01 00:00:00", "page_size": 50, "current_page": 1, "order_status": "FINISH"});
    let rows =
        sync(&sim, &token, "aliexpress.solution.order.get", &[("param0", &finished.to_string())]).await;
    assert!(rows["result"]["target_list"].as_array().unwrap().iter().all(|r| r["loan_amount"].is_null()));
}

#[tokio::test]
async fn cancellations_and_disputes_end_in_the_books() {
    let (sim, _, rows) = sell(demand(1_000, 0)).await;
    assert!(rows.iter().all(|r| r["order_status"] == "FINISH" && r["end_reason"] == "buyer_cancel_order"));
    assert_eq!(sim.ledger().money["aliexpress"]["USD"].sold, 0);
    let (sim, token, rows) = sell(demand(0, 1_000)).await;
    for row in &rows {
        let id = row["order_id"].to_string();
        sync(
            &sim,
            &token,
            "aliexpress.solution.order.fulfill",
            &[("out_ref", &id), ("service_name", "DHL"), ("send_type", "all"), ("logistics_no", "1")],
        )
        .await;
        sim.advance(Duration::from_secs(1));
    }
    sim.advance(Duration::from_secs(15 * 86_400));
    let money = sim.ledger().money["aliexpress"]["USD"].clone();
    assert!(money.refunded > 0);
    let t = self::token(&sim).await;
    let shipped: Vec<_> = sim.ledger().orders["aliexpress"]
        .iter()
        .filter(|(_, o)| o.refunded > 0)
        .map(|(k, o)| (k.clone(), o.clone()))
        .collect();
    let (id, order) = shipped.first().unwrap();
    let detail = sync(
        &sim,
        &t,
        "aliexpress.solution.order.info.get",
        &[("param1", &json!({"order_id": id.parse::<u64>().unwrap()}).to_string())],
    )
    .await;
    let data = &detail["result"]["data"];
    assert_eq!(data["refund_info"]["refund_cash_amt"]["cent"], order.refunded);
    let parts: i64 = data["child_order_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["refund_info"]["refund_cash_amt"]["cent"].as_i64().unwrap())
        .sum();
    assert_eq!(parts, order.refunded);
}

/// Simplified or wrapped, the list is the same.
#[tokio::test]
async fn orders_are_told_twice_and_backwards() {
    let (sim, token, _) = sell(demand(0, 0)).await;
    let query =
        json!({"modified_date_start": "2026-03-01 00:00:00", "page_size": 50, "current_page": 1}).to_string();
    let method = "aliexpress.solution.order.get";
    let names = |rows: &Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|o| o["order_id"].to_string()).collect()
    };
    let simple =
        async || names(&sync(&sim, &token, method, &[("param0", &query)]).await["result"]["target_list"]);
    crate::faults::told_otherwise(&sim, "aliexpress", method, simple).await;
    let wrapped = async || {
        let all = [("method", method), ("access_token", token.as_str()), ("param0", query.as_str())];
        let told = call(&sim, None, &all).await;
        names(&told["aliexpress_solution_order_get_response"]["result"]["target_list"]["order_dto"])
    };
    crate::faults::told_otherwise(&sim, "aliexpress", method, wrapped).await;
}
