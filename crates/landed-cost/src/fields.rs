//! The fields that a request may have. A name that is none of them is refused, with the nearest that is: a field nobody
//! reads would be a fact that silently does not count.

use serde_json::Value;
use tradewind_domain::nearest;

/// An object of the request: its fields, and those of them that are objects or lists of objects themselves.
struct Shape {
    fields: &'static [&'static str],
    inside: &'static [(&'static str, &'static Shape)],
}

static DESTINATION: Shape = Shape { fields: &["country", "region"], inside: &[] };
static FX: Shape = Shape { fields: &["from", "to", "rate"], inside: &[] };
static BUYER: Shape = Shape { fields: &["year_total_before", "personal_use", "vat_number"], inside: &[] };
static SELLER: Shape = Shape { fields: &["registered"], inside: &[] };
static RATES: Shape = Shape { fields: &["vat", "duty"], inside: &[] };
static LINE_RATES: Shape = Shape { fields: &["duty", "vat", "consumption_tax", "postal_class"], inside: &[] };
static LINE: Shape = Shape {
    fields: &["id", "unit_price", "quantity", "discount", "hs", "origin", "rates", "facts"],
    inside: &[("rates", &LINE_RATES)],
};
static REQUEST: Shape = Shape {
    fields: &[
        "destination",
        "ship_from",
        "legal_event_at",
        "flow",
        "channel",
        "scheme",
        "scheme_id",
        "sold_via",
        "entry_type",
        "mode_of_transport",
        "incoterm",
        "currency",
        "quote_currency",
        "fx",
        "prices_include_tax",
        "freight",
        "insurance",
        "buyer",
        "seller",
        "rates",
        "pack_versions",
        "parcels",
        "lines",
    ],
    inside: &[
        ("destination", &DESTINATION),
        ("fx", &FX),
        ("buyer", &BUYER),
        ("seller", &SELLER),
        ("rates", &RATES),
        ("lines", &LINE),
    ],
};

/// The first field that no request has: its path, and what to write instead.
pub(crate) fn unknown(request: &Value) -> Option<String> {
    search(request, &REQUEST, "")
}

fn search(value: &Value, shape: &Shape, path: &str) -> Option<String> {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(i, v)| search(v, shape, &format!("{path}[{i}]")))
        }
        Value::Object(object) => object.iter().find_map(|(name, inner)| {
            let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if !shape.fields.contains(&name.as_str()) {
                return Some(format!("{here}: no such field{}", instead(name, shape.fields)));
            }
            let (_, below) = shape.inside.iter().find(|(n, _)| n == name)?;
            search(inner, below, &here)
        }),
        _ => None,
    }
}

/// `; did you mean 'x'? Known here: ...`
pub(crate) fn instead(name: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(name, known) {
        Some(k) => format!("; did you mean '{k}'? Known here: {all}"),
        None => format!("; known here: {all}"),
    }
}

/// What a reader's message about an unknown name (``unknown field `titel`, expected one of `id`, `title` ``) lacks: which one
/// was meant. Empty for any other message.
pub(crate) fn meant(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let (Some(name), true) = (names.next(), message.starts_with("unknown ")) else { return String::new() };
    nearest(name, &names.collect::<Vec<_>>()).map_or_else(String::new, |k| format!("; did you mean '{k}'?"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::request::Request;

    /// The shapes here and the structures that are read are the same: each field is accepted, with null or a value.
    #[test]
    fn every_field_is_one_that_is_read() {
        let read = |text: &str| Request::parse(text).map(|_| ()).map_err(|e| e.to_string());
        let with = |object: &str, field: &str| {
            let mut r = serde_json::json!({"destination": {"country": "FR"}, "legal_event_at": "x", "currency": "EUR",
                "fx": [{"from": "USD", "to": "EUR", "rate": "1"}], "buyer": {}, "seller": {}, "rates": {},
                "lines": [{"id": "1", "unit_price": "1", "rates": {}}]});
            let at = r.pointer_mut(object).unwrap().as_object_mut().unwrap();
            if !at.contains_key(field) {
                at.insert(field.to_owned(), Value::Null);
            }
            r.to_string()
        };
        for (object, shape) in [
            ("", &REQUEST),
            ("/destination", &DESTINATION),
            ("/fx/0", &FX),
            ("/buyer", &BUYER),
            ("/seller", &SELLER),
            ("/rates", &RATES),
            ("/lines/0", &LINE),
            ("/lines/0/rates", &LINE_RATES),
        ] {
            for field in shape.fields {
                assert_eq!(read(&with(object, field)), Ok(()), "{object} {field}");
            }
            let told = read(&with(object, "nonsense")).unwrap_err();
            assert!(told.contains("nonsense: no such field"), "{told}");
            // What the structure itself expects is what stands here.
            let serde = serde_json::from_str::<Request>(&with(object, "nonsense")).unwrap_err().to_string();
            let named = serde.matches('`').count() / 2 - 1;
            assert_eq!(named, shape.fields.len(), "{serde}");
        }
    }
}
