//! Alibaba's method metadata (TOP and IOP): a method's parameters and the fields of its answer, nested.
//!
//! Checked: that the method exists, that every parameter is known and every required one is there, that a structured
//! parameter is JSON text of the right shape, and types all the way down. Of an answer, that its fields are known and
//! of their type; a required field of an answer is not asked for, because the gateway leaves out what is null.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Finding, SpecError, Violation};

/// Methods by name.
#[derive(Debug, Default)]
pub struct Top {
    methods: BTreeMap<String, Method>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Method {
    name: String,
    #[serde(default)]
    request_params: Vec<Param>,
    #[serde(default)]
    response_params: Vec<Param>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    #[serde(rename = "type")]
    of: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    sub_params: Vec<Param>,
}

/// Parameters of every call; no method lists them.
const COMMON: &[&str] = &[
    "access_token",
    "app_key",
    "format",
    "method",
    "partner_id",
    "session",
    "sign",
    "sign_method",
    "simplify",
    "timestamp",
    "v",
];
/// Fields beside the answer proper.
const ENVELOPE: &[&str] = &["code", "request_id", "_trace_id_"];

impl Top {
    /// Adds a file of metadata.
    ///
    /// # Errors
    /// It cannot be read or is of another shape.
    pub fn add(&mut self, path: &Path) -> Result<(), SpecError> {
        let text = std::fs::read_to_string(path).map_err(|e| SpecError::new(path.display(), e))?;
        self.parse(&text).map_err(|e| SpecError::new(path.display(), e))
    }

    /// Adds a text of metadata.
    ///
    /// # Errors
    /// It is of another shape.
    pub fn parse(&mut self, text: &str) -> Result<(), String> {
        let method: Method = serde_json::from_str(text).map_err(|e| e.to_string())?;
        self.methods.insert(method.name.clone(), method);
        Ok(())
    }

    /// Number of methods.
    #[must_use]
    pub fn methods(&self) -> usize {
        self.methods.len()
    }

    /// Checks a call: all its parameters, of query and form.
    #[must_use]
    pub fn request(&self, params: &[(String, String)]) -> Vec<Violation> {
        let mut found = Vec::new();
        let Some(method) = self.of(params, &mut found) else { return found };
        for (name, text) in params.iter().filter(|(n, _)| !COMMON.contains(&n.as_str())) {
            let Some(param) = method.request_params.iter().find(|p| p.name == *name) else {
                found.push(Violation::new(Finding::UnknownField, name, "no such parameter"));
                continue;
            };
            if param.sub_params.is_empty() && !param.of.ends_with("[]") {
                let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
                let value = if param.of == "String" { Value::String(text.clone()) } else { value };
                scalar(param, &value, name, &mut found);
            } else if param.sub_params.is_empty() {
                // A list of plain values: separated by commas, each is of the type.
                for item in text.split(',') {
                    scalar(param, &Value::String(item.to_owned()), name, &mut found);
                }
            } else {
                match serde_json::from_str::<Value>(text) {
                    Ok(value) => check(param, &value, name, true, &mut found),
                    Err(e) => found.push(Violation::new(Finding::Syntax, name, format!("not JSON: {e}"))),
                }
            }
        }
        missing(&method.request_params, |n| params.iter().any(|(k, _)| k == n), "", &mut found);
        found
    }

    /// Checks an answer to a call. An `error_response` is no answer of the method.
    #[must_use]
    pub fn response(&self, params: &[(String, String)], body: &[u8]) -> Vec<Violation> {
        let mut found = Vec::new();
        let Some(method) = self.of(params, &mut found) else { return found };
        let mut value: Value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(e) => return vec![Violation::new(Finding::Syntax, "body", format!("not JSON: {e}"))],
        };
        let root = format!("{}_response", method.name.replace('.', "_"));
        if let Some(inner) = value.get_mut(&root) {
            value = inner.take();
        }
        let Some(map) = value.as_object() else {
            return vec![Violation::new(Finding::BadValue, "body", "not an object")];
        };
        if map.contains_key("error_response") {
            return found;
        }
        for (name, value) in map.iter().filter(|(n, _)| !ENVELOPE.contains(&n.as_str())) {
            match method.response_params.iter().find(|p| p.name == *name) {
                Some(param) => check(param, value, name, false, &mut found),
                None => found.push(Violation::new(Finding::UnknownField, name, "no such field")),
            }
        }
        found
    }

    fn of(&self, params: &[(String, String)], found: &mut Vec<Violation>) -> Option<&Method> {
        let name = params.iter().find(|(k, _)| k == "method").map(|(_, v)| v.as_str()).unwrap_or_default();
        let method = self.methods.get(name);
        if method.is_none() {
            let text = format!("no metadata describes the method '{name}'");
            found.push(Violation::new(Finding::UnknownOperation, name, text));
        }
        method
    }
}

fn missing(params: &[Param], has: impl Fn(&str) -> bool, at: &str, found: &mut Vec<Violation>) {
    for param in params.iter().filter(|p| p.required && !has(&p.name)) {
        let here = format!("{at}/{}", param.name);
        found.push(Violation::new(Finding::MissingField, here, "required"));
    }
}

fn check(param: &Param, value: &Value, at: &str, strict: bool, found: &mut Vec<Violation>) {
    if value.is_null() {
        return;
    }
    if !param.of.ends_with("[]") {
        return one(param, value, at, strict, found);
    }
    // A list, or a list wrapped in an object with one member (`{"order_dto": […]}`), which `simplify` takes away.
    let list = match value {
        Value::Object(map) if map.len() == 1 && !strict => map.values().next().and_then(Value::as_array),
        other => other.as_array(),
    };
    match list {
        Some(items) => {
            for (n, item) in items.iter().enumerate() {
                one(param, item, &format!("{at}/{n}"), strict, found);
            }
        }
        None => found.push(Violation::new(Finding::BadValue, at, format!("not a list of {}", param.of))),
    }
}

fn one(param: &Param, value: &Value, at: &str, strict: bool, found: &mut Vec<Violation>) {
    if param.sub_params.is_empty() {
        return scalar(param, value, at, found);
    }
    let Some(map) = value.as_object() else {
        return found.push(Violation::new(Finding::BadValue, at, format!("not an object {}", param.of)));
    };
    for (name, child) in map {
        let here = format!("{at}/{name}");
        match param.sub_params.iter().find(|p| p.name == *name) {
            Some(sub) => check(sub, child, &here, strict, found),
            None => found.push(Violation::new(
                Finding::UnknownField,
                here,
                format!("{} has no such field", param.of),
            )),
        }
    }
    if strict {
        missing(&param.sub_params, |n| map.contains_key(n), at, found);
    }
}

fn scalar(param: &Param, value: &Value, at: &str, found: &mut Vec<Violation>) {
    let text = value.as_str();
    let number = |t: &str| t.parse::<rust_decimal::Decimal>().is_ok();
    let fits = match param.of.trim_end_matches("[]").trim() {
        "Number" | "Price" | "Long" | "Integer" => value.is_number() || text.is_some_and(number),
        "Boolean" => value.is_boolean() || matches!(text, Some("true" | "false")),
        // `yyyy-MM-dd HH:mm:ss`
        "Date" => text.is_some_and(|t| t.replacen(' ', "T", 1).parse::<jiff::civil::DateTime>().is_ok()),
        "String" | "Json" => value.is_string() || value.is_number() || value.is_boolean(),
        // A type without fields in the metadata: nothing is said of its inside.
        _ => true,
    };
    if !fits {
        found.push(Violation::new(Finding::BadValue, at, format!("{value} is not a {}", param.of)));
    }
}
