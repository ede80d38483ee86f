//! Inventory items: the seller's SKUs with their content and total quantity.

use super::errors::{Fail, inventory as refuse, no_sku};
use super::route::Req;
use super::state::State;
use super::{limits, listing_view as view, offers};
use crate::core::channel::{json, raw};
use crate::core::money::minor;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Map, Value, json as j};

/// Most entries of one bulk call.
pub(super) const BULK: usize = 25;

const CONDITIONS: &[&str] = &[
    "NEW",
    "LIKE_NEW",
    "NEW_OTHER",
    "NEW_WITH_DEFECTS",
    "CERTIFIED_REFURBISHED",
    "EXCELLENT_REFURBISHED",
    "VERY_GOOD_REFURBISHED",
    "GOOD_REFURBISHED",
    "SELLER_REFURBISHED",
    "USED_EXCELLENT",
    "USED_VERY_GOOD",
    "USED_GOOD",
    "USED_ACCEPTABLE",
    "FOR_PARTS_OR_NOT_WORKING",
];

/// The `Content-Language` header, which three calls require.
pub(super) fn language(req: &Req) -> Result<String, Fail> {
    let given = req.header("content-language");
    let ok = given.len() == 5 && given.as_bytes().get(2) == Some(&b'-');
    if ok {
        Ok(given.replace('-', "_"))
    } else {
        Err(refuse(25709, "Invalid value for header Content-Language."))
    }
}

fn valid_sku(sku: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_./ ".contains(c);
    !sku.trim().is_empty() && sku.len() <= 50 && sku.chars().all(fine)
}

/// GTIN check digit (GS1 general specifications: weights 3 and 1 from the right).
fn valid_gtin(text: &str) -> bool {
    if !matches!(text.len(), 8 | 12 | 13 | 14) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = text
        .bytes()
        .rev()
        .enumerate()
        .map(|(n, b)| u32::from(b - b'0') * if n % 2 == 0 { 1 } else { 3 })
        .sum();
    sum.is_multiple_of(10)
}

fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    value
        .get(name)
        .and_then(Value::as_array)
        .map(|a| a.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

fn check(record: &Map<String, Value>) -> Result<Option<u64>, Fail> {
    if let Some(condition) = record.get("condition")
        && !condition.as_str().is_some_and(|c| CONDITIONS.contains(&c))
    {
        return Err(refuse(25709, "Invalid value for condition."));
    }
    if let Some(product) = record.get("product") {
        if product.get("title").and_then(Value::as_str).is_some_and(|t| t.chars().count() > 80) {
            return Err(refuse(
                25709,
                "Invalid value for title. The length should be between 1 and 80 characters.",
            ));
        }
        if product.get("description").and_then(Value::as_str).is_some_and(|t| t.chars().count() > 4_000) {
            return Err(refuse(
                25709,
                "Invalid value for description. The length should be between 1 and 4000 characters.",
            ));
        }
        let images = texts(product, "imageUrls");
        if images.iter().any(|url| !url.starts_with("https://")) || images.len() > 24 {
            return Err(refuse(25709, "Invalid value for imageUrls. Only https, at most 24."));
        }
        if let Some(aspects) = product.get("aspects") {
            let list = |v: &Value| v.as_array().is_some_and(|a| a.iter().all(Value::is_string));
            if !aspects.as_object().is_some_and(|o| o.values().all(list)) {
                return Err(refuse(25709, "Invalid value for aspects. Each aspect is a list of strings."));
            }
        }
        for (name, length) in [("ean", 13), ("upc", 12)] {
            for code in texts(product, name) {
                let absent = ["Does not apply", "Does Not Apply"].contains(&code);
                if !absent && (!valid_gtin(code) || (code.len() != length && code.len() != 8)) {
                    return Err(refuse(25709, format!("Invalid value for {name}.")));
                }
            }
        }
    }
    match record
        .get("availability")
        .and_then(|a| a.get("shipToLocationAvailability"))
        .and_then(|s| s.get("quantity"))
    {
        None => Ok(None),
        Some(quantity) => {
            quantity.as_u64().map(Some).ok_or_else(|| refuse(25709, "Invalid value for quantity."))
        }
    }
}

/// Stores a record; `true` when the SKU is new.
fn store(
    world: &World,
    state: &mut State,
    sku: &str,
    locale: String,
    record: Map<String, Value>,
) -> Result<bool, Fail> {
    if !valid_sku(sku) {
        return Err(refuse(
            25707,
            "This is an invalid value for a SKU. Only alphanumeric characters can be used for SKUs, and their length must not exceed 50 characters.",
        ));
    }
    // The record replaces the old one whole: a quantity that is not sent is cleared.
    let quantity = check(&record)?.unwrap_or(0);
    let fresh = !state.items.contains_key(sku);
    revise_all(state, world, sku, None)?;
    let item = state.items.entry(sku.to_owned()).or_default();
    item.record = record;
    item.locale = locale;
    item.quantity = quantity;
    offers::touch_sku(world, state, sku);
    Ok(fresh)
}

/// Counts a revision of the published listings of a SKU (only of `offer`, if given).
pub(super) fn revise_all(
    state: &mut State,
    world: &World,
    sku: &str,
    offer: Option<&str>,
) -> Result<(), Fail> {
    let listings: Vec<String> = state
        .offers
        .values()
        .filter(|o| o.sku == sku && offer.is_none_or(|id| id == o.id))
        .filter_map(|o| o.listing.as_ref().filter(|l| !l.ended).map(|l| l.id.clone()))
        .collect();
    for listing in listings {
        if !limits::revise(state, world, &listing) {
            return Err(refuse(
                25019,
                format!("Cannot revise listing. Listing {listing} has reached 250 revisions today."),
            ));
        }
    }
    Ok(())
}

pub(super) fn object(req: &Req) -> Result<Map<String, Value>, Fail> {
    match req.json() {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(refuse(25709, "Could not serialize request body.")),
    }
}

pub(super) fn put(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let locale = language(req)?;
    let record = object(req)?;
    let fresh = store(world, state, req.part(0), locale, record)?;
    Ok(raw(if fresh { 201 } else { 204 }, "application/json", ""))
}

pub(super) fn bulk_put(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let default = language(req)?;
    let body = object(req)?;
    let requests = body.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    if requests.is_empty() || requests.len() > BULK {
        return Err(refuse(25709, "Invalid value for requests. Between 1 and 25 entries."));
    }
    let mut answers = Vec::new();
    for entry in requests {
        let Value::Object(mut record) = entry else {
            return Err(refuse(25709, "Invalid value for requests."));
        };
        let sku = record.remove("sku").and_then(|s| s.as_str().map(str::to_owned)).unwrap_or_default();
        let locale = record
            .remove("locale")
            .and_then(|s| s.as_str().map(str::to_owned))
            .unwrap_or_else(|| default.clone());
        answers.push(match store(world, state, &sku, locale.clone(), record) {
            Ok(_) => j!({"statusCode": 200, "sku": sku, "locale": locale, "errors": [], "warnings": []}),
            Err(refusal) => j!({"statusCode": refusal.status, "sku": sku, "locale": locale, "errors": [refusal.detail()], "warnings": []}),
        });
    }
    Ok(bulk(answers))
}

/// 200 when all went well, else 207.
pub(super) fn bulk(answers: Vec<Value>) -> Response {
    let fine = answers.iter().all(|a| a.get("statusCode").and_then(Value::as_u64).is_some_and(|c| c < 300));
    json(if fine { 200 } else { 207 }, &j!({"responses": answers}))
}

pub(super) fn get(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let sku = req.part(0);
    let item = state.items.get(sku).ok_or_else(|| no_sku(sku))?;
    Ok(json(200, &view::item(world, sku, item)))
}

pub(super) fn bulk_get(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let body = object(req)?;
    let requests = body.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    if requests.is_empty() || requests.len() > BULK {
        return Err(refuse(25709, "Invalid value for requests. Between 1 and 25 entries."));
    }
    let answers = requests
        .iter()
        .map(|r| {
            let sku = r.get("sku").and_then(Value::as_str).unwrap_or_default();
            match state.items.get(sku) {
                Some(item) => j!({"statusCode": 200, "sku": sku, "inventoryItem": view::item(world, sku, item), "errors": [], "warnings": []}),
                None => j!({"statusCode": 404, "sku": sku, "errors": [no_sku(sku).detail()], "warnings": []}),
            }
        })
        .collect();
    Ok(bulk(answers))
}

pub(super) fn list(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let bad = |v: String| refuse(25709, format!("Invalid value for limit or offset: {v}."));
    let limit = req.count("limit", 25, 200).map_err(bad)?.max(1);
    // Here `offset` counts pages, not items (Inventory specification).
    let page = req.count("offset", 0, usize::MAX).map_err(bad)?;
    let total = state.items.len();
    let items: Vec<Value> = state
        .items
        .iter()
        .skip(page.saturating_mul(limit))
        .take(limit)
        .map(|(sku, item)| view::item(world, sku, item))
        .collect();
    let path = "/sell/inventory/v1/inventory_item";
    let mut answer = j!({"href": format!("{path}?limit={limit}&offset={page}"), "limit": limit, "size": items.len(),
        "total": total, "inventoryItems": items});
    view::paging(&mut answer, path, "", limit, page, total.div_ceil(limit));
    Ok(json(200, &answer))
}

pub(super) fn delete(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let sku = req.part(0).to_owned();
    state.items.get(&sku).ok_or_else(|| no_sku(&sku))?;
    let ids: Vec<String> = state.offers.values().filter(|o| o.sku == sku).map(|o| o.id.clone()).collect();
    for id in ids {
        offers::end(world, state, &id);
        state.offers.remove(&id);
    }
    state.items.remove(&sku);
    Ok(raw(204, "application/json", ""))
}

/// Price and quantity of one SKU and its offers.
pub(super) fn bulk_price_quantity(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let body = object(req)?;
    let requests = body.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    let [request] = requests.as_slice() else {
        return Err(refuse(25709, "Invalid value for requests. Only one SKU can be updated per call."));
    };
    let sku = request.get("sku").and_then(Value::as_str).unwrap_or_default().to_owned();
    let changes = request.get("offers").and_then(Value::as_array).cloned().unwrap_or_default();
    if changes.len() > BULK {
        return Err(refuse(25709, "Invalid value for offers. At most 25 entries."));
    }
    let quantity = request.get("shipToLocationAvailability").and_then(|a| a.get("quantity"));
    let mut answers = Vec::new();
    if let Some(quantity) = quantity {
        let done = (|| {
            let units = quantity.as_u64().ok_or_else(|| refuse(25709, "Invalid value for quantity."))?;
            let item = state.items.get_mut(&sku).ok_or_else(|| no_sku(&sku))?;
            item.quantity = units;
            if changes.is_empty() { revise_all(state, world, &sku, None) } else { Ok(()) }
        })();
        answers.push(match done {
            Ok(()) => j!({"statusCode": 200, "sku": sku, "errors": [], "warnings": []}),
            Err(refusal) => {
                j!({"statusCode": refusal.status, "sku": sku, "errors": [refusal.detail()], "warnings": []})
            }
        });
    }
    for change in &changes {
        let id = change.get("offerId").and_then(Value::as_str).unwrap_or_default();
        answers.push(match change_offer(world, state, &sku, id, change) {
            Ok(()) => j!({"statusCode": 200, "sku": sku, "offerId": id, "errors": [], "warnings": []}),
            Err(refusal) => {
                j!({"statusCode": refusal.status, "sku": sku, "offerId": id, "errors": [refusal.detail()], "warnings": []})
            }
        });
    }
    if answers.is_empty() {
        return Err(refuse(25709, "Invalid value for requests. Neither quantity nor offers are given."));
    }
    offers::touch_sku(world, state, &sku);
    Ok(bulk(answers))
}

fn change_offer(world: &World, state: &mut State, sku: &str, id: &str, change: &Value) -> Result<(), Fail> {
    let offer = state.offers.get(id).filter(|o| o.sku == sku).ok_or_else(|| super::errors::no_offer(id))?;
    let currency = offers::currency(offer);
    if let Some(price) = change.get("price") {
        let given = price.get("currency").and_then(Value::as_str);
        let value = price.get("value").and_then(Value::as_str).and_then(|v| minor(v, currency));
        if given != Some(currency) || value.is_none_or(|v| v <= 0) {
            return Err(refuse(
                25003,
                "Invalid price. The price must be positive and in the currency of the marketplace.",
            ));
        }
    }
    let quantity = match change.get("availableQuantity") {
        None => None,
        Some(q) => Some(q.as_u64().ok_or_else(|| refuse(25004, "Invalid quantity."))?),
    };
    revise_all(state, world, sku, Some(id))?;
    let Some(offer) = state.offers.get_mut(id) else { return Ok(()) };
    if let Some(quantity) = quantity {
        offer.quantity = Some(quantity);
    }
    if let Some(price) = change.get("price") {
        let summary = offer.record.entry("pricingSummary").or_insert_with(|| j!({}));
        if let Some(summary) = summary.as_object_mut() {
            summary.insert("price".into(), price.clone());
        }
    }
    Ok(())
}
