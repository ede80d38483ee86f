//! The OpenAPI validator bites: each rule broken once, on a small document of both kinds.

use http::{HeaderMap, HeaderValue, Method};
use tradewind_testkit::spec::{Finding, OpenApi, Violation};
use url::Url;

const V3: &str = r#"
openapi: 3.0.3
info: {title: t, version: "1"}
servers: [{url: "https://api.example{base}", variables: {base: {default: /shop/v1}}}]
paths:
  /items/{sku}:
    put:
      parameters:
        - {name: sku, in: path, required: true, schema: {type: string, maxLength: 5}}
        - {name: market, in: query, required: true, schema: {type: string, enum: [DE, NO]}}
        - {name: limit, in: query, schema: {type: integer, maximum: 50}}
        - {name: X-Trace, in: header, required: true, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Item'}
      responses:
        200: {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Item'}}}}
        4XX: {description: no}
  /items/search:
    get:
      parameters:
        - {name: q, in: query, schema: {type: array, items: {type: string, enum: [a, b]}}}
      responses: {200: {description: ok}}
components:
  schemas:
    Base: {type: object, properties: {id: {type: string}}, required: [id]}
    Item:
      allOf:
        - $ref: '#/components/schemas/Base'
        - type: object
          required: [price]
          properties:
            price: {type: string, pattern: '^[0-9]+\.[0-9]{2}$'}
            note: {type: string, nullable: true}
            tags: {type: array, items: {type: object, properties: {k: {type: string}}}}
            free: {type: object, additionalProperties: {type: string}}
	        # a tab, as in vendors' files
"#;

fn item(body: &str) -> Vec<Violation> {
    put("/shop/v1/items/A1?market=DE", body, true)
}

fn put(target: &str, body: &str, trace: bool) -> Vec<Violation> {
    let spec = OpenApi::parse("v3.yaml", V3).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
    if trace {
        headers.insert("x-trace", HeaderValue::from_static("1"));
    }
    let url = Url::parse(&format!("https://localhost:1{target}")).unwrap();
    spec.request(&Method::PUT, &url, &headers, body.as_bytes())
}

fn findings(found: &[Violation]) -> Vec<Finding> {
    found.iter().map(|v| v.finding).collect()
}

const GOOD: &str = r#"{"id":"A1","price":"1.00","note":null,"tags":[{"k":"v"}],"free":{"any":"x"}}"#;

#[test]
fn a_right_request_passes() {
    assert_eq!(item(GOOD), []);
    // `NO` is Norway, not false.
    assert_eq!(put("/shop/v1/items/A1?market=NO&limit=50", GOOD, true), []);
}

#[test]
fn each_wrong_request_is_found() {
    use Finding::*;
    let cases: Vec<(Vec<Violation>, &[Finding])> = vec![
        (item(r#"{"id":"A1","price":"1.00","prise":"2.00"}"#), &[UnknownField]),
        (item(r#"{"id":"A1","price":"1.00","tags":[{"q":"v"}]}"#), &[UnknownField]),
        (item(r#"{"price":"1.00"}"#), &[MissingField]),
        (item(r#"{"id":"A1","price":1.00}"#), &[BadValue]),
        (item(r#"{"id":null,"price":"1.00"}"#), &[BadValue]),
        (item(r#"{"id":"A1","price":"1.0"}"#), &[BadValue]),
        (item("{"), &[Syntax]),
        (item(""), &[BadBody]),
        (put("/shop/v1/items/A1", GOOD, true), &[MissingQuery]),
        (put("/shop/v1/items/A1?market=SE", GOOD, true), &[BadQuery]),
        (put("/shop/v1/items/A1?market=DE&limit=51", GOOD, true), &[BadQuery]),
        (put("/shop/v1/items/A1?market=DE&limit=many", GOOD, true), &[BadQuery]),
        (put("/shop/v1/items/A1?market=DE&colour=red", GOOD, true), &[UnknownQuery]),
        (put("/shop/v1/items/A12345?market=DE", GOOD, true), &[BadPath]),
        (put("/shop/v1/items/A1?market=DE", GOOD, false), &[BadHeader]),
        (put("/shop/v1/goods/A1?market=DE", GOOD, true), &[UnknownOperation]),
    ];
    for (found, expected) in cases {
        assert_eq!(findings(&found), expected, "{found:?}");
    }
}

#[test]
fn the_literal_path_wins_and_lists_are_checked_by_item() {
    let spec = OpenApi::parse("v3.yaml", V3).unwrap();
    let get = |q: &str| {
        let url = Url::parse(&format!("https://x/shop/v1/items/search{q}")).unwrap();
        findings(&spec.request(&Method::GET, &url, &HeaderMap::new(), b""))
    };
    assert_eq!(get("?q=a,b"), []);
    assert_eq!(get("?q=a&q=b"), []);
    assert_eq!(get("?q=a,c"), [Finding::BadQuery]);
    let url = Url::parse("https://x/shop/v1/items/search").unwrap();
    assert_eq!(findings(&spec.request(&Method::GET, &url, &HeaderMap::new(), b"{}")), [Finding::BadBody]);
}

#[test]
fn responses_are_held_to_status_and_schema() {
    let spec = OpenApi::parse("v3.yaml", V3).unwrap();
    let answer = |status, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        findings(&spec.response(&Method::PUT, "/shop/v1/items/A1", status, &headers, body.as_bytes()))
    };
    assert_eq!(answer(200, GOOD), []);
    assert_eq!(answer(404, "anything"), []);
    assert_eq!(answer(500, ""), [Finding::UnknownStatus]);
    assert_eq!(answer(200, ""), [Finding::BadBody]);
    assert_eq!(answer(200, r#"{"id":"A1","price":"1.00","x":1}"#), [Finding::UnknownField]);
}

#[test]
fn swagger_2_is_read_too() {
    let text = r##"{"swagger":"2.0","basePath":"/v0","info":{},"paths":{"/o/{id}":{
        "parameters":[{"name":"id","in":"path","type":"string","required":true}],
        "post":{"parameters":[
            {"name":"ids","in":"query","type":"array","items":{"type":"integer"},"collectionFormat":"csv","required":true},
            {"name":"b","in":"body","required":true,"schema":{"$ref":"#/definitions/B"}}],
          "responses":{"200":{"description":"","schema":{"$ref":"#/definitions/B"}}}}}},
        "definitions":{"B":{"type":"object","required":["s"],"properties":{"s":{"type":"string","enum":["X"]},"b":{"$ref":"#/definitions/B"}}}}}"##;
    let spec = OpenApi::parse("v2.json", text).unwrap();
    let post = |target: &str, body: &str| {
        let url = Url::parse(&format!("https://x{target}")).unwrap();
        findings(&spec.request(&Method::POST, &url, &HeaderMap::new(), body.as_bytes()))
    };
    assert_eq!(post("/v0/o/1?ids=1,2", r#"{"s":"X","b":{"s":"X"}}"#), []);
    assert_eq!(post("/v0/o/1?ids=1,z", r#"{"s":"X"}"#), [Finding::BadQuery]);
    assert_eq!(post("/v0/o/1?ids=1", r#"{"s":"Y"}"#), [Finding::BadValue]);
    assert_eq!(post("/v0/o/1?ids=1", r#"{"s":"X","b":{"s":"X","t":1}}"#), [Finding::UnknownField]);
    assert!(OpenApi::parse("x.json", "{}").is_err());
}
