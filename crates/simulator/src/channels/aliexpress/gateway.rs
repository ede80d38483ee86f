//! The gateway: parameters, signature, timestamp, tokens, and which method is whose.

use super::shapes::{text, wrapped};
use super::{APP_KEY, APP_SECRET, AliExpress, CODE, FIRST_REFRESH, NAME, gateway_error};
use crate::core::channel::json;
use crate::core::world::World;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Uri;
use serde_json::{Value, json as j};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

const ACCESS_S: i64 = 86_400;
const REFRESH_S: i64 = 60 * 86_400;
/// Tolerance of the request's timestamp.
const SKEW_MS: i64 = 7_200_000;

/// Query and form body, merged.
pub(super) fn params(query: &str, body: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes())
        .chain(url::form_urlencoded::parse(body))
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect()
}

/// The signature of IOP: HMAC-SHA256 in upper hex over the path (system calls only) and the sorted pairs.
fn signature(path: Option<&str>, params: &BTreeMap<String, String>) -> String {
    let mut base = path.unwrap_or_default().to_owned();
    for (k, v) in params.iter().filter(|(k, v)| *k != "sign" && !v.is_empty()) {
        base.push_str(k);
        base.push_str(v);
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()) else { return String::new() };
    mac.update(base.as_bytes());
    hex::encode_upper(mac.finalize().into_bytes())
}

/// Code and message of a request that the gateway refuses before looking at the method.
fn refused(
    path: Option<&str>,
    params: &BTreeMap<String, String>,
    now_ms: i64,
) -> Option<(&'static str, String)> {
    for name in ["app_key", "timestamp", "sign_method", "sign"] {
        if params.get(name).is_none_or(String::is_empty) {
            return Some(("MissingParameter", format!("The input parameter {name} is missing")));
        }
    }
    if params.get("app_key").map(String::as_str) != Some(APP_KEY) {
        return Some(("IllegalAppKey", "The specified app_key is invalid".into()));
    }
    if params.get("sign_method").map(String::as_str) != Some("sha256") {
        return Some(("InvalidSignMethod", "The sign_method must be sha256".into()));
    }
    match params.get("timestamp").and_then(|t| t.parse::<i64>().ok()) {
        Some(t) if (t - now_ms).abs() <= SKEW_MS => {}
        _ => return Some(("IllegalTimestamp", "The specified timestamp is invalid or expired".into())),
    }
    if params.get("sign").map(String::as_str) != Some(signature(path, params).as_str()) {
        return Some((
            "IncompleteSignature",
            "The request signature does not conform to platform standards".into(),
        ));
    }
    None
}

/// What is served: paths under `/rest`, methods of `/sync`.
pub(super) const OPERATIONS: &[&str] = &[
    "/auth/token/create",
    "/auth/token/refresh",
    "aliexpress.solution.merchant.profile.get",
    "aliexpress.solution.seller.category.tree.query",
    "aliexpress.solution.product.category.suggest",
    "aliexpress.solution.sku.attribute.query",
    "aliexpress.logistics.redefining.listlogisticsservice",
    "aliexpress.solution.product.post",
    "aliexpress.solution.product.edit",
    "aliexpress.solution.batch.product.inventory.update",
    "aliexpress.solution.batch.product.price.update",
    "aliexpress.solution.batch.product.delete",
    "aliexpress.postproduct.redefining.offlineaeproduct",
    "aliexpress.postproduct.redefining.onlineaeproduct",
    "aliexpress.solution.product.list.get",
    "aliexpress.solution.product.info.get",
    "aliexpress.solution.order.get",
    "aliexpress.solution.order.info.get",
    "aliexpress.solution.order.receiptinfo.get",
    "aliexpress.issue.issuelist.get",
    "aliexpress.issue.detail.get",
    "aliexpress.trade.seller.order.acceptcancel",
    "aliexpress.trade.redefining.findloanlistquery",
    "aliexpress.solution.order.fulfill",
];

pub(super) async fn handle(
    State((fake, world)): State<(Arc<AliExpress>, World)>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let params = params(uri.query().unwrap_or_default(), &body);
    if uri.path() == "/oauth/authorize" {
        return consent(&params);
    }
    let now = world.now_ms();
    if let Some(path) = uri.path().strip_prefix("/rest") {
        if let Some((code, message)) = refused(Some(path), &params, now) {
            return json(
                200,
                &j!({"code": code, "type": "ISV", "message": message, "request_id": "2101simulated"}),
            );
        }
        return json(200, &fake.token(path, &params, now));
    }
    if uri.path() != "/sync" {
        return json(404, &gateway_error("InvalidApiPath", "ISV", "The specified API path is invalid"));
    }
    if let Some((code, message)) = refused(None, &params, now) {
        return json(200, &gateway_error(code, "ISV", &message));
    }
    let token = params.get("access_token").or_else(|| params.get("session")).cloned().unwrap_or_default();
    if fake.shop().access.get(&token).is_none_or(|end| *end <= now) {
        return json(
            200,
            &gateway_error("IllegalAccessToken", "ISV", "The specified access token is invalid or expired"),
        );
    }
    let method = params.get("method").cloned().unwrap_or_default();
    let answer = match fake.method(&world, &method, &params) {
        Ok(value) => value,
        Err(error) => return json(200, &error),
    };
    if params.get("simplify").map(String::as_str) == Some("true") {
        let mut answer = answer;
        if let Some(map) = answer.as_object_mut() {
            map.insert("request_id".into(), "2101simulated".into());
        }
        return json(200, &answer);
    }
    let mut inner = wrapped(answer);
    if let Some(map) = inner.as_object_mut() {
        map.insert("request_id".into(), "2101simulated".into());
    }
    json(200, &j!({format!("{}_response", method.replace('.', "_")): inner}))
}

/// The page on which the seller agrees: he does so at once, and is sent to the app's callback with a code.
fn consent(params: &BTreeMap<String, String>) -> Response {
    let given = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    let callback = url::Url::parse(given("redirect_uri"));
    let (APP_KEY, "code", Ok(mut to)) = (given("client_id"), given("response_type"), callback) else {
        return json(
            400,
            &gateway_error("InvalidParameter", "ISV", "client_id, response_type or redirect_uri"),
        );
    };
    to.query_pairs_mut().append_pair("code", CODE).append_pair("state", given("state"));
    let mut response = json(302, &j!({}));
    if let Ok(to) = http::HeaderValue::from_str(to.as_str()) {
        response.headers_mut().insert(http::header::LOCATION, to);
    }
    response
}

/// A parameter that is a JSON document in a string.
pub(super) fn document(params: &BTreeMap<String, String>, name: &str) -> Result<Value, Value> {
    let raw = params.get(name).map(String::as_str).unwrap_or_default();
    if raw.is_empty() {
        return Err(gateway_error(
            "MissingParameter",
            "ISV",
            &format!("The input parameter {name} is missing"),
        ));
    }
    serde_json::from_str(raw).map_err(|e| {
        gateway_error(
            "InvalidParameter",
            "ISV",
            &format!("The specified value of {name} is not valid JSON: {e}"),
        )
    })
}

impl AliExpress {
    /// `/auth/token/create` and `/auth/token/refresh`. The refresh token's own end never moves.
    fn token(&self, path: &str, params: &BTreeMap<String, String>, now: i64) -> Value {
        let fail = |code: &str, message: &str| j!({"code": code, "type": "ISV", "message": message, "request_id": "2101simulated"});
        let given = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
        let mut shop = self.shop();
        match path {
            "/auth/token/create" if given("code") == CODE => {}
            "/auth/token/create" => return fail("InvalidCode", "Invalid authorization code"),
            "/auth/token/refresh" => {
                let token = given("refresh_token");
                if token != FIRST_REFRESH && !shop.refresh.iter().any(|t| t == token) {
                    return fail("IllegalRefreshToken", "The specified refresh token is invalid or expired");
                }
            }
            _ => return fail("InvalidApiPath", "The specified API path is invalid"),
        }
        let n = shop.refresh.len() + 1;
        let (access, refresh) = (format!("50000001simAccess{n}"), format!("50001001simRefresh{n}"));
        shop.access.insert(access.clone(), now + ACCESS_S * 1_000);
        shop.refresh.push(refresh.clone());
        j!({"code": "0", "access_token": access, "expires_in": ACCESS_S, "expire_time": now + ACCESS_S * 1_000,
            "refresh_token": refresh, "refresh_expires_in": REFRESH_S, "refresh_token_valid_time": now + REFRESH_S * 1_000,
            "seller_id": "2200000001", "user_id": "2200000001", "havana_id": "2200000001", "user_nick": "simshop",
            "account": "seller@example.com", "account_platform": "seller_center", "locale": "zh_CN", "sp": "ae",
            "request_id": "2101simulated"})
    }

    fn method(&self, world: &World, method: &str, params: &BTreeMap<String, String>) -> Result<Value, Value> {
        match method {
            "aliexpress.solution.merchant.profile.get" => Ok(
                j!({"country_code": "CN", "product_posting_forbidden": false, "merchant_login_id": "cnsim",
                "shop_id": 910000001, "shop_name": "Sim Shop", "shop_type": "official", "shop_url": "https://shop.example.com"}),
            ),
            "aliexpress.solution.seller.category.tree.query" => Ok(
                j!({"children_category_list": [{"children_category_id": 200135143, "is_leaf_category": true, "level": 2,
                "multi_language_names": "{\"en\":\"Cups\"}"}], "is_success": true}),
            ),
            "aliexpress.solution.product.category.suggest" => {
                if params.get("title").is_none_or(String::is_empty) {
                    return Err(gateway_error(
                        "MissingParameter",
                        "ISV",
                        "The input parameter title is missing",
                    ));
                }
                Ok(
                    j!({"suggest_category_list": [{"id_path": [15, 200135143], "name_path": ["Home & Garden", "Cups"], "name": "Cups", "id": 200135143}]}),
                )
            }
            "aliexpress.solution.sku.attribute.query" => {
                Ok(j!({"result": {"supporting_sku_attribute_list": [{
                "aliexpress_sku_name": "Color", "required": false, "aliexpress_sku_value_list": [{"aliexpress_sku_value_name": "Red"}],
                "support_customized_name": true, "support_customized_picture": true}],
                "supporting_common_attribute_list": []}}))
            }
            "aliexpress.logistics.redefining.listlogisticsservice" => {
                let services: Vec<Value> = super::orders::SERVICES
                    .iter()
                    .map(|s| j!({"service_name": s, "display_name": s, "logistics_company": s}))
                    .collect();
                Ok(j!({"result_list": services, "result_success": true}))
            }
            "aliexpress.solution.product.post" => self.post(world, document(params, "post_product_request")?),
            "aliexpress.solution.product.edit" => self.edit(world, document(params, "edit_product_request")?),
            "aliexpress.solution.batch.product.inventory.update" => {
                self.batch(world, document(params, "mutiple_product_update_list")?, true)
            }
            "aliexpress.solution.batch.product.price.update" => {
                self.batch(world, document(params, "mutiple_product_update_list")?, false)
            }
            "aliexpress.solution.batch.product.delete" => {
                self.delete(world, params.get("product_ids").map(String::as_str).unwrap_or_default())
            }
            "aliexpress.postproduct.redefining.offlineaeproduct" => {
                self.shelve(world, params.get("product_ids").map(String::as_str).unwrap_or_default(), false)
            }
            "aliexpress.postproduct.redefining.onlineaeproduct" => {
                self.shelve(world, params.get("product_ids").map(String::as_str).unwrap_or_default(), true)
            }
            "aliexpress.solution.product.list.get" => {
                self.list_products(document(params, "aeop_a_e_product_list_query")?)
            }
            "aliexpress.solution.product.info.get" => {
                self.product_info(params.get("product_id").map(String::as_str).unwrap_or_default())
            }
            "aliexpress.solution.order.get" => self.list_orders(document(params, "param0")?),
            "aliexpress.solution.order.info.get" => self.order_info(&document(params, "param1")?),
            "aliexpress.solution.order.receiptinfo.get" => {
                self.receipt_info(&text(document(params, "param1")?.get("order_id").unwrap_or(&Value::Null)))
            }
            "aliexpress.issue.issuelist.get" => self.list_issues(world, &document(params, "query_dto")?),
            "aliexpress.issue.detail.get" => {
                let given = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
                self.issue(world, given("buyer_login_id"), given("issue_id"))
            }
            "aliexpress.trade.seller.order.acceptcancel" => {
                self.accept_cancel(world, &document(params, "param_order_cancel_request")?)
            }
            "aliexpress.trade.redefining.findloanlistquery" => self.list_loans(&document(params, "param1")?),
            "aliexpress.solution.order.fulfill" => self.fulfil(world, params),
            _ => Err(gateway_error(
                "InvalidApiPath",
                "ISV",
                &format!("The specified API {method} does not exist in {NAME}"),
            )),
        }
    }
}
