//! A request of ours against the parameters of a sandbox pair.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use tradewind_connector::WireRequest;
use tradewind_domain::parse_decimal;

/// An operation of a model.
#[derive(Clone)]
pub(crate) struct Operation<'a> {
    /// `get`, as the model writes it.
    pub(crate) method: &'a str,
    /// With its parameters in braces.
    pub(crate) template: &'a str,
    pub(crate) id: &'a str,
    pub(crate) json: &'a Value,
}

impl Operation<'_> {
    /// The values of the template's parameters, where method and path are this operation's.
    pub(crate) fn takes(&self, method: &str, path: &str) -> Option<Vec<(&str, String)>> {
        let (want, got): (Vec<&str>, Vec<&str>) =
            (self.template.split('/').collect(), path.split('/').collect());
        if !method.eq_ignore_ascii_case(self.method) || want.len() != got.len() {
            return None;
        }
        let mut values = Vec::new();
        for (want, got) in want.into_iter().zip(got) {
            match want.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                Some(name) => values.push((name, unescaped(got))),
                None if want != got => return None,
                None => {}
            }
        }
        Some(values)
    }

    /// Where the model has a parameter: `path`, `query`, `body`.
    fn place(&self, name: &str) -> Option<&str> {
        let all = self.json["parameters"].as_array()?;
        // The pairs call the body "body", whatever its parameter is called.
        let declared = all
            .iter()
            .find(|p| p["name"] == name)
            .or_else(|| all.iter().find(|p| name == "body" && p["in"] == "body"))?;
        declared["in"].as_str()
    }
}

/// A segment as it was before it was put into the path.
fn unescaped(segment: &str) -> String {
    let form = segment.replace('+', "%2B");
    url::form_urlencoded::parse(form.as_bytes()).map(|(k, _)| k.into_owned()).collect()
}

/// How a parameter of a pair stands to what we send, where they are not the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Apart {
    /// Sent under the same name in the same place, with a value of our own.
    Ours,
    /// Not sent.
    Unsent,
}

/// A parameter (`marketplaceIds`), or a leaf of the body (`body/packageDetail/shipDate`), and why it is not the same.
pub(crate) type Exception = (&'static str, Apart, &'static str);

/// What a comparison found.
#[derive(Default, Debug)]
pub(crate) struct Found {
    pub(crate) same: usize,
    pub(crate) ours: usize,
    pub(crate) unsent: usize,
    pub(crate) wrong: Vec<String>,
}

/// Holds a request against a pair's parameters. Whatever is not the same must be among the exceptions, as it is, and an
/// exception must be one.
pub(crate) fn compare(
    operation: &Operation<'_>,
    parameters: &Value,
    request: &WireRequest,
    exceptions: &[Exception],
) -> Found {
    let mut found = Found::default();
    let url = request.full_url();
    let Some(path) = operation.takes(request.method.as_str(), url.path()) else {
        found.wrong.push(format!(
            "{} {} is not {} {}",
            request.method,
            url.path(),
            operation.method,
            operation.template
        ));
        return found;
    };
    let body: Value =
        request.body_bytes().and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut left: BTreeSet<&str> = exceptions.iter().map(|(name, ..)| *name).collect();
    let mut judge = |name: &str, given: &Value, sent: Option<Value>| {
        let exception = exceptions.iter().find(|(n, ..)| *n == name);
        left.remove(name);
        let now = match &sent {
            None => Some(Apart::Unsent),
            Some(sent) if same(given, sent) => None,
            Some(_) => Some(Apart::Ours),
        };
        match now {
            None => found.same += 1,
            Some(Apart::Ours) => found.ours += 1,
            Some(Apart::Unsent) => found.unsent += 1,
        }
        if now != exception.map(|(_, apart, _)| *apart) {
            let sent = sent.map_or_else(|| "nothing".to_owned(), |s| s.to_string());
            let said = exception.map_or_else(|| "the same".to_owned(), |e| format!("{:?} ({})", e.1, e.2));
            found.wrong.push(format!("{name}: the pair has {given}, we send {sent}; said to be {said}"));
        }
    };
    for (name, held) in parameters.as_object().into_iter().flatten() {
        // `"body": {}`: any will do.
        let Some(given) = held.get("value") else { continue };
        match operation.place(name) {
            Some("path") => {
                let sent = path.iter().find(|(n, _)| n == name).map(|(_, v)| Value::from(v.as_str()));
                judge(name, given, sent);
            }
            Some("query") => {
                let sent = url.query_pairs().find(|(n, _)| n == name).map(|(_, v)| Value::from(v.as_ref()));
                judge(name, given, sent);
            }
            Some("body") => {
                for (at, given) in leaves(given) {
                    let sent = body.pointer(&at).cloned().filter(|v| !v.is_null());
                    judge(&format!("body{at}"), given, sent);
                }
            }
            other => judge(&format!("{name} in {other:?}"), given, None),
        }
    }
    found.wrong.extend(left.into_iter().map(|name| format!("{name}: the pair has no such parameter")));
    found
}

/// The values of a body with their places. A list of texts is one value.
fn leaves(value: &Value) -> Vec<(String, &Value)> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) if list.iter().any(Value::is_object) => {
            list.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect()
        }
        _ => return vec![(String::new(), value)],
    };
    inner
        .into_iter()
        .flat_map(|(k, v)| leaves(v).into_iter().map(move |(at, v)| (format!("/{k}{at}"), v)))
        .collect()
}

/// The same value, however it is written: a list in a query with commas and in any order, a number with more or fewer
/// zeros, an instant with more or fewer digits, a day as its first instant.
fn same(given: &Value, sent: &Value) -> bool {
    if let Value::Array(list) = given {
        let all: BTreeSet<String> = list.iter().map(text).collect();
        let sent: BTreeSet<String> = match sent {
            Value::Array(sent) => sent.iter().map(text).collect(),
            other => text(other).split(',').map(str::to_owned).collect(),
        };
        return all == sent;
    }
    let (given, sent) = (text(given), text(sent));
    let instant = |t: &str| {
        let whole = if t.len() == 10 { format!("{t}T00:00:00Z") } else { t.to_owned() };
        whole.parse::<Timestamp>().ok()
    };
    given == sent
        || parse_decimal(&given).ok().zip(parse_decimal(&sent).ok()).is_some_and(|(a, b)| a == b)
        || instant(&given).zip(instant(&sent)).is_some_and(|(a, b)| a == b)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;
    use url::Url;

    use super::*;

    /// Each kind of mistake, made once.
    #[test]
    fn a_wrong_request_is_found() {
        let model = json!({"parameters": [
            {"name": "id", "in": "path"}, {"name": "stores", "in": "query"}, {"name": "size", "in": "query"},
            {"name": "payload", "in": "body"},
        ]});
        let operation =
            Operation { method: "post", template: "/v0/orders/{id}/confirm", id: "confirm", json: &model };
        let pair = json!({
            "id": {"value": "A 1+2"}, "stores": {"value": ["X", "Y"]}, "size": {"value": 1},
            "body": {"value": {"price": {"amount": 10}, "at": "2022-02-11T01:00:00.000Z", "lines": [{"sku": "S", "codes": ["c"]}]}},
        });
        let base = Url::parse("https://example.test").unwrap();
        let request = |method: Method, path: &str, query: &[(&'static str, &str)], body: Value| {
            let mut request = WireRequest::new(method, &base, path).unwrap().json(&body).unwrap();
            for (name, value) in query {
                request = request.query(name, *value);
            }
            request
        };
        let (path, query) = ("/v0/orders/A%201%2B2/confirm", [("stores", "Y,X"), ("size", "20")]);
        let body =
            json!({"price": {"amount": "10.00"}, "at": "2022-02-11T01:00:00Z", "lines": [{"sku": "S"}]});
        let except: &[Exception] =
            &[("size", Apart::Ours, "fixed"), ("body/lines/0/codes", Apart::Unsent, "no input has it")];
        let good = compare(&operation, &pair, &request(Method::POST, path, &query, body.clone()), except);
        assert_eq!(good.wrong, Vec::<String>::new());
        // id, stores, amount, at, sku.
        assert_eq!((good.same, good.ours, good.unsent), (5, 1, 1));
        let wrong = |method, path: &str, query: &[(&'static str, &str)], body: &Value, except| {
            let found = compare(&operation, &pair, &request(method, path, query, body.clone()), except);
            assert_eq!(found.wrong.len(), 1, "{:#?}", found.wrong);
            found.wrong[0].clone()
        };
        let said = |text: String, word: &str| assert!(text.starts_with(word), "{text}");
        said(wrong(Method::PUT, path, &query, &body, except), "PUT /v0/orders");
        said(wrong(Method::POST, "/v0/order/A%201%2B2/confirm", &query, &body, except), "POST /v0/order/");
        said(wrong(Method::POST, "/v0/orders/A1/confirm", &query, &body, except), "id: ");
        // A name that is not the parameter's is not it.
        said(wrong(Method::POST, path, &[("store", "X,Y"), ("size", "20")], &body, except), "stores: ");
        said(wrong(Method::POST, path, &[("stores", "X"), ("size", "20")], &body, except), "stores: ");
        let misnamed = json!({"price": {"value": 10}, "at": "2022-02-11T01:00:00Z", "lines": [{"sku": "S"}]});
        said(wrong(Method::POST, path, &query, &misnamed, except), "body/price/amount: ");
        let later = json!({"price": {"amount": 10}, "at": "2022-02-11T02:00:00Z", "lines": [{"sku": "S"}]});
        said(wrong(Method::POST, path, &query, &later, except), "body/at: ");
        // What is said to be apart is so, in the way that is said.
        said(wrong(Method::POST, path, &[("stores", "X,Y"), ("size", "1")], &body, except), "size: ");
        said(wrong(Method::POST, path, &[("stores", "X,Y")], &body, except), "size: ");
        let more: &[Exception] = &[except[0], except[1], ("colour", Apart::Unsent, "made up")];
        said(wrong(Method::POST, path, &query, &body, more), "colour: ");
        // A parameter that the model does not have is nowhere.
        let pair = json!({"colour": {"value": "red"}});
        let found = compare(&operation, &pair, &request(Method::POST, path, &query, body), &[]);
        assert!(found.wrong[0].starts_with("colour in None: "), "{:?}", found.wrong);
    }
}
