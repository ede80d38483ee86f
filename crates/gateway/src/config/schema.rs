//! What the JSON schema says of values whose types have none of their own: an editor that knows it marks what the reader
//! would refuse. Ranges are those of [`super::rule`]; the test holds the two against each other.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use tradewind_domain::{Country, Currency};

use super::read::{CHANNELS, MODES};

/// From `"0"` to `"1"`.
const SHARE: &str = r"0+|0*\.[0-9]+|0+\.[0-9]*|0*1(\.0*)?";
/// From `"0"` to below `"1"`.
const PART: &str = r"0+|0*\.[0-9]+|0+\.[0-9]*";
/// Above zero.
const FACTOR: &str = r"(?=.*[1-9])[0-9]*\.?[0-9]*";

fn text(pattern: &str) -> Schema {
    json_schema!({"type": "string", "pattern": format!("^({pattern})$")})
}

/// The same, or nothing.
fn or_null(mut schema: Schema) -> Schema {
    schema.insert("type".to_owned(), json!(["string", "null"]));
    if let Some(Value::Array(known)) = schema.get_mut("enum") {
        known.push(Value::Null);
    }
    schema
}

fn one_of<T: serde::Serialize + ?Sized>(known: &T) -> Schema {
    json_schema!({"type": "string", "enum": known})
}

pub(super) fn share(_: &mut SchemaGenerator) -> Schema {
    text(SHARE)
}

pub(super) fn share_or_none(_: &mut SchemaGenerator) -> Schema {
    text(&format!("none|{SHARE}"))
}

pub(super) fn part(_: &mut SchemaGenerator) -> Schema {
    text(PART)
}

pub(super) fn part_option(g: &mut SchemaGenerator) -> Schema {
    or_null(part(g))
}

pub(super) fn factor(_: &mut SchemaGenerator) -> Schema {
    text(FACTOR)
}

fn currencies() -> Vec<String> {
    Currency::all().map(|c| c.code().to_owned()).collect()
}

pub(super) fn currency(_: &mut SchemaGenerator) -> Schema {
    one_of(&currencies())
}

pub(super) fn currency_option(g: &mut SchemaGenerator) -> Schema {
    or_null(currency(g))
}

fn countries() -> Vec<&'static str> {
    Country::all().map(Country::code).collect()
}

/// Texts by country.
pub(super) fn by_country(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "propertyNames": {"enum": countries()}, "additionalProperties": {"type": "string", "minLength": 1}})
}

/// A language: two letters, or three where it has no two; then a script, then a region.
pub(super) fn locale(_: &mut SchemaGenerator) -> Schema {
    text(&format!(
        "(?!({})(-|$))[a-z]{{2,3}}(-[A-Za-z]{{4}})?(-({}|[0-9]{{3}}))?",
        tradewind_domain::three_letter_codes_to_shorten().join("|"),
        countries().join("|")
    ))
}

pub(super) fn account(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^\S(.*\S)?$"})
}

pub(super) fn account_option(g: &mut SchemaGenerator) -> Schema {
    or_null(account(g))
}

pub(super) fn access(_: &mut SchemaGenerator) -> Schema {
    one_of(&["read-only", "read-write"])
}

pub(super) fn incoterm_option(_: &mut SchemaGenerator) -> Schema {
    or_null(one_of(&["DAP", "DDP"]))
}

pub(super) fn channel_option(_: &mut SchemaGenerator) -> Schema {
    or_null(one_of(CHANNELS))
}

pub(super) fn mode_option(_: &mut SchemaGenerator) -> Schema {
    or_null(one_of(MODES))
}

/// Lanes by country, or `"*"`.
pub(super) fn lanes(g: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = std::iter::once("*").chain(countries()).collect();
    let lane = g.subschema_for::<super::Lane>();
    json_schema!({"type": "object", "propertyNames": {"enum": names}, "additionalProperties": lane})
}

/// Rates by currency.
pub(super) fn rates(g: &mut SchemaGenerator) -> Schema {
    let rate = g.subschema_for::<super::PinnedRate>();
    json_schema!({"type": "object", "propertyNames": {"enum": currencies()}, "additionalProperties": rate})
}

pub(super) fn sides(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "integer", "minimum": 1}})
}

pub(super) fn address(_: &mut SchemaGenerator) -> Schema {
    let text = json!({"type": "string"});
    json_schema!({
        "type": "object",
        "properties": {
            "name": text, "company": text, "lines": {"type": "array", "items": text}, "city": text, "region": text, "postcode": text,
            "country": {"enum": countries()}, "phone": text, "email": text,
        },
        "required": ["country"],
    })
}

pub(super) fn registrations(_: &mut SchemaGenerator) -> Schema {
    let kinds = [
        "ioss",
        "eori",
        "vat",
        "voec",
        "gst",
        "ein",
        "pccc",
        "cpf",
        "chinese_id",
        "chinese_customs",
        "other",
    ];
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"kind": {"enum": kinds}, "value": {"type": "string"}, "country": {"enum": countries()}},
            "required": ["kind", "value"],
        },
    })
}

pub(super) fn settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}
