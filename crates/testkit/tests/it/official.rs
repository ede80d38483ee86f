//! Official examples pass the validators made from the same specification, and are counted. An example that
//! contradicts its own schema is listed with the first reason, and the number of those is bounded: a change of the
//! validator that makes it blind or over-strict shows here.

use std::path::Path;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use tradewind_testkit::spec::{Finding, SpecSet, root};
use url::Url;

fn specs(channel: &str) -> Option<std::sync::Arc<SpecSet>> {
    tradewind_material::found(SpecSet::for_channel(channel))
}

fn json_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
}

impl Tally {
    fn add(&mut self, what: String, found: &[tradewind_testkit::spec::Violation]) {
        match found.first() {
            None => self.passed += 1,
            Some(v) => self.failed.push(format!("{what}: {v}")),
        }
    }
    /// At least `passed` examples pass; at most `failed` contradict their own schema.
    fn settle(self, name: &str, passed: usize, failed: usize) {
        println!(
            "{name}: {} official examples pass, {} contradict their own schema",
            self.passed,
            self.failed.len()
        );
        for f in self.failed.iter().take(12) {
            println!("  {}", f.chars().take(300).collect::<String>());
        }
        assert!(self.passed >= passed, "{name}: only {} pass", self.passed);
        assert!(self.failed.len() <= failed, "{name}: {} fail: {:#?}", self.failed.len(), self.failed);
    }
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, Method, &Value)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().filter_map(move |(method, operation)| {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
            operation.get("responses").map(|_| (path, method, operation))
        })
    })
}

#[test]
fn amazon_examples_pass() {
    let Some(set) = specs("amazon") else { return };
    let mut tally = Tally::default();
    for doc in &set.documents {
        for (path, method, operation) in operations(doc.document()) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let Some(body) = response.pointer("/examples/application~1json") else { continue };
                let found = doc.response(
                    &method,
                    path,
                    status.parse().unwrap(),
                    &json_headers(),
                    body.to_string().as_bytes(),
                );
                tally.add(format!("{} {method} {path} {status}", doc.name), &found);
            }
        }
    }
    tally.settle("amazon responses", 233, 14);
}

#[test]
fn amazon_static_sandbox_pairs_pass() {
    let Some(set) = specs("amazon") else { return };
    let (mut requests, mut responses) = (Tally::default(), Tally::default());
    for doc in &set.documents {
        for (path, method, operation) in operations(doc.document()) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let pairs = response.pointer("/x-amzn-api-sandbox/static").and_then(Value::as_array);
                for (n, pair) in pairs.into_iter().flatten().enumerate() {
                    let what = format!("{} {method} {path} {status} #{n}", doc.name);
                    if let Some(body) = pair.get("response").filter(|b| !b.is_null()) {
                        let found = doc.response(
                            &method,
                            path,
                            status.parse().unwrap(),
                            &json_headers(),
                            body.to_string().as_bytes(),
                        );
                        responses.add(what.clone(), &found);
                    }
                    // What the sandbox refuses on purpose is not an example of a right request.
                    if status.starts_with('2')
                        && let Some((url, body)) = sandbox_request(path, operation, pair)
                    {
                        requests.add(what, &doc.request(&method, &url, &json_headers(), body.as_bytes()));
                    }
                }
            }
        }
    }
    requests.settle("amazon sandbox requests", 114, 10);
    responses.settle("amazon sandbox responses", 252, 10);
}

/// The request of a sandbox pair, where it names every path parameter.
fn sandbox_request(path: &str, operation: &Value, pair: &Value) -> Option<(Url, String)> {
    let given = pair.pointer("/request/parameters")?.as_object()?;
    let mut target = path.to_owned();
    let (mut query, mut body) = (Vec::new(), String::new());
    for (name, held) in given {
        let value = held.get("value")?;
        let text = match value {
            Value::String(s) => s.clone(),
            Value::Array(a) => a
                .iter()
                .map(|v| v.as_str().map_or(v.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            other => other.to_string(),
        };
        let template = format!("{{{name}}}");
        let declared =
            operation["parameters"].as_array().into_iter().flatten().find(|p| p["name"] == name.as_str());
        if path.contains(&template) {
            target = target.replace(&template, &text);
        } else if name == "body" || declared.is_some_and(|p| p["in"] == "body") {
            body = value.to_string();
        } else {
            query.push((name.clone(), text));
        }
    }
    let mut url = Url::parse(&format!("https://x{target}")).ok()?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(&query);
    }
    (!target.contains('{')).then_some((url, body))
}

#[test]
fn ebay_paypal_dhl_examples_pass() {
    for (channel, at_least, at_most) in [("ebay", 0, 0), ("paypal", 12, 5), ("dhl-express", 61, 27)] {
        let Some(set) = specs(channel) else { continue };
        let mut tally = Tally::default();
        for doc in &set.documents {
            for (path, method, operation) in operations(doc.document()) {
                for (place, holder) in [("request", operation.get("requestBody"))].into_iter().chain(
                    operation["responses"].as_object().unwrap().iter().map(|(s, r)| (s.as_str(), Some(r))),
                ) {
                    let Some(media) = holder.and_then(|h| h.pointer("/content/application~1json")) else {
                        continue;
                    };
                    let Some(schema) = media.get("schema") else { continue };
                    let examples = media.get("examples").and_then(Value::as_object).into_iter().flatten();
                    let named = examples.filter_map(|(_, e)| {
                        let e = e
                            .get("$ref")
                            .and_then(Value::as_str)
                            .and_then(|r| doc.document().pointer(&r[1..]))
                            .unwrap_or(e);
                        e.get("value")
                    });
                    for example in media.get("example").into_iter().chain(named) {
                        let parsed: Value = match example {
                            Value::String(s) => match serde_json::from_str(s) {
                                Ok(v) => v,
                                Err(_) => continue,
                            },
                            other => other.clone(),
                        };
                        tally.add(
                            format!("{} {method} {path} {place}", doc.name),
                            &doc.check_value(schema, &parsed, ""),
                        );
                    }
                }
            }
        }
        tally.settle(channel, at_least, at_most);
    }
}

#[test]
fn ceb_samples_pass() {
    let (Some(set), Ok(root)) = (specs("china-ceb"), root()) else { return };
    let xsd = set.xsd.as_ref().unwrap();
    println!("china-ceb: {} global elements", xsd.elements());
    for name in ["example-ceb311.xml", "example-ceb621.xml", "example-dxpmsg.xml"] {
        let found = xsd.check(&std::fs::read_to_string(root.join("china-ceb").join(name)).unwrap());
        assert_eq!(found, [], "{name}");
    }
    let mut tally = Tally::default();
    let mut pending = vec![root.join("china-ceb/samples202205")];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                tally.add(name(&path), &xsd.check(&text));
            }
        }
    }
    tally.settle("china-ceb samples", 29, 10);
    // And it bites on the real schema.
    let good = std::fs::read_to_string(root.join("china-ceb/example-ceb311.xml")).unwrap();
    for (from, to, finding) in [
        ("<ceb:orderType>I</ceb:orderType>", "", Finding::MissingField),
        ("<ceb:appType>1</ceb:appType>", "<ceb:appType>12</ceb:appType>", Finding::BadValue),
        (
            "<ceb:orderType>I</ceb:orderType>",
            "<ceb:orderType>I</ceb:orderType><ceb:colour/>",
            Finding::MissingField,
        ),
    ] {
        let found = xsd.check(&good.replacen(from, to, 1));
        assert!(found.iter().any(|v| v.finding == finding), "{from} -> {to}: {found:?}");
    }
}

/// Requests and answers as the definition's own notes describe them, and each kind of mistake once.
#[test]
fn ebay_trading_is_read_and_bites() {
    let Some(set) = specs("ebay") else { return };
    let xsd = set.xsd.as_ref().unwrap();
    println!("ebay trading: {} global elements", xsd.elements());
    // Requests and answers of 90 operations, the credentials of a SOAP envelope, a notification.
    assert_eq!(xsd.elements(), 182);
    let envelope = |name: &str, inner: &str| {
        format!("<{name} xmlns=\"urn:ebay:apis:eBLBaseComponents\">{inner}</{name}>")
    };
    let end = envelope(
        "EndFixedPriceItemRequest",
        "<ErrorLanguage>de_DE</ErrorLanguage><ItemID>220000000001</ItemID><EndingReason>NotAvailable</EndingReason>",
    );
    let told = envelope(
        "EndFixedPriceItemResponse",
        "<Timestamp>2026-07-31T12:00:00.000Z</Timestamp><Ack>Warning</Ack><Errors><ShortMessage>s</ShortMessage>\
         <ErrorCode>21917091</ErrorCode><SeverityCode>Warning</SeverityCode><ErrorParameters ParamID=\"0\"><Value>x</Value>\
         </ErrorParameters><ErrorClassification>RequestError</ErrorClassification></Errors><Version>1331</Version>\
         <EndTime>2026-07-31T12:00:00.000Z</EndTime>",
    );
    let revise = envelope(
        "ReviseInventoryStatusRequest",
        "<InventoryStatus><ItemID>1</ItemID><StartPrice currencyID=\"EUR\">8.50</StartPrice><Quantity>3</Quantity></InventoryStatus>",
    );
    for document in [&end, &told, &revise] {
        assert_eq!(xsd.check(document), [], "{document}");
    }
    assert_eq!(xsd.exchange(&end, Some(&told)), None);
    assert!(xsd.exchange(&revise, Some(&told)).is_some());
    for (good, from, to, finding) in [
        (&end, "ItemID", "ItemId", Finding::UnknownField),
        (
            &end,
            "<ErrorLanguage>de_DE</ErrorLanguage><ItemID>220000000001</ItemID>",
            "<ItemID>1</ItemID><ErrorLanguage>de_DE</ErrorLanguage>",
            Finding::UnknownField,
        ),
        (&end, "NotAvailable", "SoldOut", Finding::BadValue),
        (&end, "EndFixedPriceItemRequest", "EndFixedPriceRequest", Finding::UnknownField),
        (&told, "<Ack>Warning", "<Ack>Warned", Finding::BadValue),
        (&told, "2026-07-31T12", "31.07.2026 12", Finding::BadValue),
        (&told, "ParamID", "ParamId", Finding::UnknownField),
        (&revise, "EUR", "EURO", Finding::BadValue),
        (&revise, " currencyID=\"EUR\"", "", Finding::MissingField),
        (&revise, "8.50", "8,50", Finding::BadValue),
        (&revise, "<Quantity>3", "<Quantity>3.0", Finding::BadValue),
    ] {
        let found = xsd.check(&good.replace(from, to));
        assert!(found.iter().any(|v| v.finding == finding), "{from} -> {to}: {found:?}");
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn shopify_schema_is_read_and_bites() {
    let Some(set) = specs("shopify") else { return };
    let schema = set.graphql.as_ref().unwrap();
    println!("shopify: {} types", schema.types());
    assert!(schema.types() > 1000);
    let query = "query($n: Int!) { orders(first: $n, query: \"updated_at:>2026-01-01\") { edges { cursor node { id name totalPriceSet { shopMoney { amount currencyCode } } } } pageInfo { hasNextPage } } }";
    let variables = serde_json::json!({"n": 10});
    assert_eq!(schema.request(query, &variables), []);
    let answer = serde_json::json!({"data":{"orders":{"edges":[{"cursor":"c","node":{"id":"gid://shopify/Order/1","name":"#1",
        "totalPriceSet":{"shopMoney":{"amount":"1.00","currencyCode":"EUR"}}}}],"pageInfo":{"hasNextPage":false}}}});
    assert_eq!(schema.response(query, &answer), []);
    assert_eq!(schema.request(&query.replace("name", "nume"), &variables)[0].finding, Finding::UnknownField);
    let wrong: Value = serde_json::from_str(&answer.to_string().replace("\"EUR\"", "\"EURO\"")).unwrap();
    assert_eq!(schema.response(query, &wrong)[0].finding, Finding::BadValue);
}
