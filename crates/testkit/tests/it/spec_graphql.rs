//! The GraphQL validator bites: each rule broken once, on a small schema.

use serde_json::{Value, json};
use tradewind_testkit::spec::{Finding, GraphQl, Violation};

fn named(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name, "ofType": null})
}
fn must(inner: Value) -> Value {
    json!({"kind": "NON_NULL", "name": null, "ofType": inner})
}
fn list(inner: Value) -> Value {
    json!({"kind": "LIST", "name": null, "ofType": inner})
}
fn field(name: &str, of: Value, args: Value) -> Value {
    json!({"name": name, "type": of, "args": args})
}
fn arg(name: &str, of: Value) -> Value {
    json!({"name": name, "type": of, "defaultValue": null})
}

fn schema() -> GraphQl {
    let types = json!([
        {"kind":"OBJECT","name":"Query","fields":[
            field("item", named("OBJECT","Item"), json!([arg("id", must(named("SCALAR","ID")))])),
            field("nodes", must(list(named("INTERFACE","Node"))), json!([arg("first", named("SCALAR","Int"))]))]},
        {"kind":"OBJECT","name":"Mutation","fields":[
            field("save", named("OBJECT","Item"), json!([arg("input", must(named("INPUT_OBJECT","ItemInput")))]))]},
        {"kind":"INTERFACE","name":"Node","fields":[field("id", must(named("SCALAR","ID")), json!([]))],
         "possibleTypes":[{"name":"Item"},{"name":"Shop"}]},
        {"kind":"OBJECT","name":"Item","fields":[
            field("id", must(named("SCALAR","ID")), json!([])),
            field("price", must(named("SCALAR","Decimal")), json!([])),
            field("state", named("ENUM","State"), json!([])),
            field("tags", must(list(must(named("SCALAR","String")))), json!([]))]},
        {"kind":"OBJECT","name":"Shop","fields":[
            field("id", must(named("SCALAR","ID")), json!([])),
            field("name", must(named("SCALAR","String")), json!([]))]},
        {"kind":"INPUT_OBJECT","name":"ItemInput","inputFields":[
            arg("price", must(named("SCALAR","Decimal"))), arg("state", named("ENUM","State")),
            arg("tags", list(must(named("SCALAR","String"))))]},
        {"kind":"ENUM","name":"State","enumValues":[{"name":"LIVE"},{"name":"DRAFT"}]},
        {"kind":"SCALAR","name":"ID"},{"kind":"SCALAR","name":"Int"},{"kind":"SCALAR","name":"String"},
        {"kind":"SCALAR","name":"Boolean"},{"kind":"SCALAR","name":"Decimal"}]);
    let text = json!({"data":{"__schema":{"queryType":{"name":"Query"},"mutationType":{"name":"Mutation"},
        "types":types,"directives":[{"name":"idempotent","args":[arg("key", must(named("SCALAR","String")))]}]}}});
    GraphQl::parse(&text.to_string()).unwrap()
}

fn findings(found: &[Violation]) -> Vec<Finding> {
    found.iter().map(|v| v.finding).collect()
}

const SAVE: &str =
    "mutation($i: ItemInput!, $k: String!) { save(input: $i) @idempotent(key: $k) { id price } }";

#[test]
fn requests() {
    use Finding::*;
    let good = json!({"i": {"price": "1.00", "state": "LIVE", "tags": ["a"]}, "k": "x"});
    let cases: Vec<(&str, Value, &[Finding])> = vec![
        (SAVE, good.clone(), &[]),
        (SAVE, json!({"i": {"price": "1.00", "prise": 1}, "k": "x"}), &[UnknownField]),
        (SAVE, json!({"i": {"state": "LIVE"}, "k": "x"}), &[MissingField]),
        (SAVE, json!({"i": {"price": "1.00", "state": "GONE"}, "k": "x"}), &[BadValue]),
        (SAVE, json!({"i": {"price": "abc"}, "k": "x"}), &[BadValue]),
        (SAVE, json!({"i": {"price": "1", "tags": [1]}, "k": "x"}), &[BadValue]),
        (SAVE, json!({"i": {"price": "1.00"}}), &[MissingField]),
        (SAVE, json!({"i": {"price": "1.00"}, "k": "x", "z": 1}), &[UnknownField]),
        ("{ item(id: \"1\") { id colour } }", json!({}), &[UnknownField]),
        ("{ item { id } }", json!({}), &[MissingField]),
        ("{ item(id: 1, at: 2) { id } }", json!({}), &[UnknownField]),
        ("{ item(id: \"1\") }", json!({}), &[Syntax]),
        ("{ item(id: \"1\") { id { x } } }", json!({}), &[Syntax]),
        ("{ nodes(first: \"x\") { id } }", json!({}), &[BadValue]),
        ("query($n: String) { nodes(first: $n) { id } }", json!({}), &[BadValue]),
        ("query($n: Int) { nodes { id } }", json!({}), &[Syntax]),
        ("{ nodes(first: $n) { id } }", json!({}), &[Syntax]),
        ("{ nodes { ... on Shop { name } } }", json!({}), &[]),
        ("{ nodes { ... on State { name } } }", json!({}), &[BadValue, UnknownField]),
        ("{ nodes { ...F } }", json!({}), &[Syntax]),
        ("{ item(id: 1) @cached { id } }", json!({}), &[UnknownField]),
        ("{ item(id: ", json!({}), &[Syntax]),
    ];
    let s = schema();
    for (query, variables, expected) in cases {
        let found = s.request(query, &variables);
        assert_eq!(findings(&found), expected, "{query}: {found:?}");
    }
}

#[test]
fn responses() {
    use Finding::*;
    let item = "{ item(id: 1) { id p: price state tags } }";
    let nodes = "{ nodes { __typename id ... on Shop { name } } }";
    let cases: Vec<(&str, Value, &[Finding])> = vec![
        (item, json!({"data":{"item":{"id":"1","p":"1.00","state":"LIVE","tags":[]}}}), &[]),
        (item, json!({"data":{"item":null}}), &[]),
        (item, json!({"data":{"item":{"id":"1","p":1.0,"state":"LIVE","tags":[]}}}), &[BadValue]),
        (item, json!({"data":{"item":{"id":"1","p":"1.00","state":"GONE","tags":[]}}}), &[BadValue]),
        (item, json!({"data":{"item":{"id":"1","p":null,"state":null,"tags":[]}}}), &[MissingField]),
        (item, json!({"data":{"item":{"id":"1","state":null,"tags":[]}}}), &[MissingField]),
        (
            item,
            json!({"data":{"item":{"id":"1","p":"1","price":"1","state":null,"tags":[]}}}),
            &[UnknownField],
        ),
        (item, json!({"data":{"item":{"id":"1","p":"1","state":null,"tags":"a"}}}), &[BadValue]),
        (item, json!({"data":null,"errors":[{"message":"no"}]}), &[]),
        (item, json!({}), &[MissingField]),
        (item, json!({"data":{"item":null},"cost":1}), &[UnknownField]),
        (
            nodes,
            json!({"data":{"nodes":[{"__typename":"Shop","id":"1","name":"n"},{"__typename":"Item","id":"2"}]}}),
            &[],
        ),
        (nodes, json!({"data":{"nodes":[{"__typename":"Shop","id":"1"}]}}), &[MissingField]),
        (nodes, json!({"data":{"nodes":[{"__typename":"Item","id":"1","name":"n"}]}}), &[UnknownField]),
    ];
    let s = schema();
    for (query, answer, expected) in cases {
        let found = s.response(query, &answer);
        assert_eq!(findings(&found), expected, "{answer}: {found:?}");
    }
}
