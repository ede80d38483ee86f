//! Amazon's static sandbox pairs, each of every operation that the connector calls: the answer goes through the call that
//! it answers and has to mean what is said here by hand; the request that the call makes is held against the pair's.
//!
//! Which operations the connector calls is read from the requests of `tests/fixtures`: an operation that is new there, and has
//! pairs, fails until it has rows in `rows.rs`. The models are not part of the project; without them this is skipped, and says so.

mod compare;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tradewind_connector::{
    AccountConfig, Clock, Error, Runtime, Secrets, Transport, TransportError, VirtualClock, WireRequest,
    WireResponse,
};
use tradewind_testkit::json;
use tradewind_testkit::spec::{OpenApi, SpecSet};

use compare::{Found, Operation, compare};
use rows::{Expect, Row};

/// Operations of all models.
fn operations(documents: &[OpenApi]) -> Vec<(&str, Operation<'_>)> {
    let mut all = Vec::new();
    for document in documents {
        let paths = document.document().get("paths").and_then(Value::as_object);
        for (template, item) in paths.into_iter().flatten() {
            for (method, json) in item.as_object().into_iter().flatten() {
                if let Some(id) = json.get("operationId").and_then(Value::as_str) {
                    all.push((
                        document.name.trim_end_matches(".json"),
                        Operation { method, template, id, json },
                    ));
                }
            }
        }
    }
    all
}

/// The pairs of an operation: status, number among those of the status, request, answer.
fn pairs<'a>(operation: &Operation<'a>) -> Vec<(u16, usize, &'a Value)> {
    let mut all = Vec::new();
    for (status, response) in operation.json["responses"].as_object().into_iter().flatten() {
        let pairs = response.pointer("/x-amzn-api-sandbox/static").and_then(Value::as_array);
        let status = status.parse().unwrap();
        all.extend(pairs.into_iter().flatten().enumerate().map(|(n, pair)| (status, n, pair)));
    }
    all
}

/// Method and path of every request that the fixtures hold.
fn called(fixtures: &Path) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    let mut folders = vec![fixtures.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.starts_with("request") || name.starts_with("asked") {
                let text = std::fs::read_to_string(&path).unwrap();
                let line = text.lines().next().unwrap_or_default();
                let (method, target) = line.split_once(' ').unwrap_or_default();
                let path = target.split('?').next().unwrap_or_default();
                all.insert((method.to_owned(), path.to_owned()));
            }
        }
    }
    all
}

/// The operation that a request is of. Where a literal and a parameter both fit, the literal is meant.
fn operation_of<'a>(
    all: &'a [(&'a str, Operation<'a>)],
    method: &str,
    path: &str,
) -> Option<&'a (&'a str, Operation<'a>)> {
    let fitting = all.iter().filter_map(|one| Some((one.1.takes(method, path)?.len(), one)));
    fitting.min_by_key(|(parameters, _)| *parameters).map(|(_, one)| one)
}

/// Answers by operation: that of the pair, those of the steps around it, and the documents that they point to.
struct Sandbox {
    clock: VirtualClock,
    /// Method, template, status, body.
    answers: Vec<(String, String, u16, Value)>,
    /// What a pre-signed address holds.
    document: &'static str,
    seen: Mutex<Vec<WireRequest>>,
}

#[async_trait]
impl Transport for Sandbox {
    async fn send(&self, request: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        let path = request.url.path();
        let ours = self.answers.iter().find(|(method, template, ..)| {
            let none = Value::Null;
            Operation { method, template, id: "", json: &none }.takes(request.method.as_str(), path).is_some()
        });
        let host = request.url.host_str().unwrap_or_default();
        let mut answer = if path == "/auth/o2/token" {
            WireResponse::json_text(200, r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#)
        } else if let Some((_, _, status, body)) = ours {
            self.seen.lock().unwrap().push(request.clone());
            WireResponse::json_text(*status, body.to_string())
        } else if !host.starts_with("sellingpartnerapi-") {
            WireResponse::json_text(200, self.document)
        } else {
            panic!("{} {path}: no answer is scripted", request.method)
        };
        answer.received_at = self.clock.now();
        Ok(answer)
    }
}

/// Makes the call of a row with the pair's answer; gives the outcome and the requests.
async fn replay(
    row: &Row,
    operation: &Operation<'_>,
    all: &[(&str, Operation<'_>)],
    answer: &Value,
) -> (Result<Value, Error>, Vec<WireRequest>) {
    let mut answers =
        vec![(operation.method.to_owned(), operation.template.to_owned(), row.status, answer.clone())];
    for (model, id, status, body) in &row.around {
        let (_, step) = all.iter().find(|(m, o)| m == model && o.id == *id).unwrap();
        answers.push((step.method.to_owned(), step.template.to_owned(), *status, body.clone()));
    }
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    let sandbox =
        Arc::new(Sandbox { clock: clock.clone(), answers, document: row.document, seen: Mutex::default() });
    let runtime = Runtime::in_memory(Arc::new(clock), sandbox.clone());
    let settings = format!("marketplace = '{}'\nseller_id = '{}'\nclient_id = 'c'", row.store, row.seller);
    let secrets = Secrets::of(&[("client_secret", "s"), ("refresh_token", "r")]);
    let config = AccountConfig::of("sandbox", &settings, secrets).unwrap();
    let connector = (tradewind_amazon::FACTORY.open)(config, runtime).unwrap();
    let outcome = row.call.drive(connector, row.input.clone()).await;
    let seen = std::mem::take(&mut *sandbox.seen.lock().unwrap());
    (outcome, seen)
}

/// Where an outcome does not say what is expected. An object has to hold what the expected one holds, a list has as many.
fn missing(expected: &Value, got: &Value, at: &str) -> Vec<String> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => expected
            .iter()
            .flat_map(|(k, v)| missing(v, got.get(k).unwrap_or(&Value::Null), &format!("{at}/{k}")))
            .collect(),
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => expected
            .iter()
            .zip(got)
            .enumerate()
            .flat_map(|(n, (e, g))| missing(e, g, &format!("{at}/{n}")))
            .collect(),
        (expected, got) if expected == got => Vec::new(),
        (expected, got) => vec![format!("{at}: expected {expected}, got {got}")],
    }
}

fn judged(expect: &Expect, outcome: &Result<Value, Error>) -> Vec<String> {
    match (expect, outcome) {
        (Expect::Shows(expected), Ok(got)) => missing(expected, got, ""),
        // Of a call about items, the error is that of the item.
        (Expect::Fails(expected), Ok(got)) => missing(expected, got.pointer("/0/error").unwrap_or(got), ""),
        (Expect::Fails(expected), Err(e)) => missing(expected, &json::error(e), ""),
        (Expect::Shows(_), Err(e)) => vec![format!("failed: {e}")],
    }
}

/// The operations with pairs among those that are called, by model and id.
fn to_look_at<'a>(
    all: &'a [(&'a str, Operation<'a>)],
    called: &BTreeSet<(String, String)>,
) -> BTreeSet<(&'a str, &'a str)> {
    called
        .iter()
        .filter_map(|(method, path)| operation_of(all, method, path))
        .filter(|(_, operation)| !pairs(operation).is_empty())
        .map(|(model, operation)| (*model, operation.id))
        .collect()
}

#[tokio::test]
async fn sandbox_pairs_are_replayed() {
    let Some(set) = tradewind_material::found(SpecSet::for_channel("amazon")) else { return };
    let all = operations(&set.documents);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let rows = rows::all();
    // Nobody calls what no row looks at, and no row looks at what nobody calls.
    let looked: BTreeSet<(&str, &str)> = rows.iter().map(|r| (r.model, r.operation)).collect();
    assert_eq!(looked, to_look_at(&all, &called(&fixtures)));
    let mut wrong = Vec::new();
    let mut total = Found::default();
    let mut silent = 0;
    let mut replayed: BTreeMap<(&str, &str, u16, usize), usize> = BTreeMap::new();
    for row in &rows {
        let what = format!("{} {} #{} ({})", row.operation, row.status, row.nth, row.store);
        let (_, operation) =
            all.iter().find(|(model, o)| *model == row.model && o.id == row.operation).unwrap();
        let Some((.., pair)) = pairs(operation).into_iter().find(|p| (p.0, p.1) == (row.status, row.nth))
        else {
            wrong.push(format!("{what}: the model has no such pair"));
            continue;
        };
        *replayed.entry((row.model, row.operation, row.status, row.nth)).or_default() += 1;
        let (outcome, seen) = replay(row, operation, &all, &pair["response"]).await;
        wrong.extend(judged(&row.expect, &outcome).iter().map(|w| format!("{what}: outcome{w}")));
        let request = seen.iter().find(|r| operation.takes(r.method.as_str(), r.url.path()).is_some());
        let Some(request) = request else {
            wrong.push(format!("{what}: the operation was not called"));
            continue;
        };
        let found = compare(operation, &pair["request"]["parameters"], request, &row.apart);
        wrong.extend(found.wrong.iter().map(|w| format!("{what}: {w}")));
        silent += usize::from(found.same + found.ours + found.unsent == 0);
        total.same += found.same;
        total.ours += found.ours;
        total.unsent += found.unsent;
    }
    let mut count = 0;
    for (model, operation) in all.iter().filter(|(model, o)| looked.contains(&(*model, o.id))) {
        for (status, nth, _) in pairs(operation) {
            count += 1;
            if !replayed.contains_key(&(*model, operation.id, status, nth)) {
                wrong.push(format!("{} {status} #{nth}: no row looks at it", operation.id));
            }
        }
    }
    println!(
        "amazon sandbox: {} operations, {count} pairs, {} replayed in {} calls, {silent} of which have nothing to compare; \
         of the parameters {} are the same, {} have a value of ours, {} are not sent",
        looked.len(),
        replayed.len(),
        rows.len(),
        total.same,
        total.ours,
        total.unsent
    );
    for (row, (name, apart, why)) in rows.iter().flat_map(|r| r.apart.iter().map(move |a| (r, a))) {
        println!("  {} {} #{}: {name} {apart:?}: {why}", row.operation, row.status, row.nth);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((looked.len(), count, replayed.len()), (21, 50, 50));
    assert_eq!((total.same, total.ours, total.unsent, silent), rows::PARAMETERS);
}

/// An operation that is called and has pairs is looked at, or the test above fails.
#[test]
fn an_operation_that_is_new_is_noticed() {
    let model = serde_json::json!({"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {
        "/a/{id}": {"get": {"operationId": "getA", "responses": {"200": {"description": "",
            "x-amzn-api-sandbox": {"static": [{"request": {"parameters": {}}, "response": {}}]}}}}},
        "/a/all": {"get": {"operationId": "getAll", "responses": {"200": {"description": ""}}}},
    }});
    let documents = [OpenApi::parse("m", &model.to_string()).unwrap()];
    let all = operations(&documents);
    let called = |path: &str| BTreeSet::from([("GET".to_owned(), path.to_owned())]);
    assert_eq!(to_look_at(&all, &called("/a/1")), BTreeSet::from([("m", "getA")]));
    // Without pairs there is nothing to look at; a literal is no parameter.
    assert_eq!(to_look_at(&all, &called("/a/all")), BTreeSet::new());
}

/// An outcome that says something else is found.
#[test]
fn a_wrong_outcome_is_found() {
    let expect = Expect::Shows(serde_json::json!({"items": [{"id": "1", "price": null}], "next": "n"}));
    let says = |got: Value| judged(&expect, &Ok(got)).len();
    assert_eq!(says(serde_json::json!({"items": [{"id": "1", "more": 2}], "next": "n"})), 0);
    for got in [
        serde_json::json!({"items": [{"id": "2"}], "next": "n"}),
        serde_json::json!({"items": [{"id": "1", "price": "9"}], "next": "n"}),
        serde_json::json!({"items": [], "next": "n"}),
        serde_json::json!({"items": [{"id": "1"}], "next": null}),
    ] {
        assert_eq!(says(got.clone()), 1, "{got}");
    }
    let refused = Expect::Fails(serde_json::json!({"kind": "invalid_request"}));
    assert_eq!(judged(&refused, &Err(Error::decode("x"))).len(), 1);
    assert_eq!(judged(&refused, &Ok(serde_json::json!([{"sku": "A", "accepted": {}}]))).len(), 1);
    assert_eq!(judged(&refused, &Ok(serde_json::json!([{"error": {"kind": "invalid_request"}}]))).len(), 0);
}
