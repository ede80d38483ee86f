//! Helpers for the closures of [`Call`](super::Call).

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tradewind_connector::role::ItemOutcome;
use tradewind_connector::{Error, Kind, Submitted};

/// The case's input as a type.
///
/// # Errors
/// The fixture's `input.json` is not of that type.
pub fn read<T: DeserializeOwned>(input: Value) -> Result<T, Error> {
    serde_json::from_value(input).map_err(|e| Error::config(format!("input.json: {e}")))
}

/// A serialisable outcome.
///
/// # Errors
/// It is not serialisable.
pub fn write<T: Serialize>(value: T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|e| Error::config(format!("outcome: {e}")))
}

/// Outcomes of items, which hold errors.
///
/// # Errors
/// None today; the signature is that of the closures.
pub fn outcomes(outcome: Submitted<Vec<ItemOutcome>>) -> Result<Value, Error> {
    let items = match outcome {
        Submitted::Done(items) => items,
        Submitted::Deferred(handle) => return write(json!({ "deferred": handle })),
    };
    let item = |i: &ItemOutcome| match &i.result {
        Ok(accepted) => json!({ "sku": i.sku, "accepted": accepted }),
        Err(e) => json!({ "sku": i.sku, "error": error(e) }),
    };
    Ok(Value::Array(items.iter().map(item).collect()))
}

/// Records of a list, of which some may be errors.
///
/// # Errors
/// One is not serialisable.
pub fn records<T: Serialize>(records: Vec<Result<T, Error>>) -> Result<Value, Error> {
    let show = |r: Result<T, Error>| r.map_or_else(|e| Ok(json!({ "error": error(&e) })), write);
    records.into_iter().map(show).collect::<Result<Vec<Value>, Error>>().map(Value::Array)
}

/// An error as goldens show it.
#[must_use]
pub fn error(e: &Error) -> Value {
    let upstream = e.upstream_ref().map(|u| json!({ "http": u.http, "code": u.code, "message": u.message }));
    json!({ "kind": e.kind().name(), "message": e.message(), "upstream": upstream })
}

/// The facet is not there.
#[must_use]
pub fn absent() -> Error {
    Error::new(Kind::Unsupported, "the facet is not there")
}
