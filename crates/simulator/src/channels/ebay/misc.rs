//! Locations, business policies, and the little taxonomy that the fake knows.

use super::auth::{LOCATION, POLICIES};
use super::errors::{Fail, fail, inventory as refuse};
use super::route::Req;
use super::site;
use super::state::State;
use crate::core::channel::{json, raw};
use axum::response::Response;
use serde_json::{Value, json as j};

/// Leaf categories of the fake's tree, the same on every marketplace. Names are matched by words.
const CATEGORIES: &[(&str, &str)] = &[
    ("9355", "Cell Phones & Smartphones"),
    ("20349", "Cases, Covers & Skins"),
    ("112529", "Headphones"),
    ("15687", "T-Shirts"),
    ("57988", "Coats, Jackets & Vests"),
    ("63852", "Handbags"),
    ("20625", "Kitchen Tools & Gadgets"),
    ("33034", "Decor & Home Textiles"),
    ("11854", "Skin Care"),
    ("19006", "Toys & Building Sets"),
    ("29223", "Everything Else"),
];

/// The root is no leaf; any other number of the real tree is taken on trust.
pub(super) fn known_category(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) && id != "0"
}

fn location(key: &str, record: &Value) -> Value {
    let mut value = record.clone();
    if let Some(map) = value.as_object_mut() {
        map.insert("merchantLocationKey".into(), key.into());
        map.entry("merchantLocationStatus").or_insert_with(|| "ENABLED".into());
    }
    value
}

fn default_location() -> Value {
    j!({"name": "Simulated warehouse", "locationTypes": ["WAREHOUSE"],
        "location": {"address": {"city": "Hangzhou", "country": "CN", "postalCode": "310000"}}})
}

pub(super) fn create_location(state: &mut State, req: &Req) -> Result<Response, Fail> {
    let key = req.part(0);
    if key == LOCATION || state.locations.contains_key(key) {
        let text = "A location with this merchantLocationKey already exists.";
        return Err(fail(409, 25803, "API_INVENTORY", "REQUEST", text, text));
    }
    let record = req
        .json()
        .filter(Value::is_object)
        .ok_or_else(|| refuse(25709, "Could not serialize request body."))?;
    state.locations.insert(key.to_owned(), record);
    Ok(raw(204, "application/json", ""))
}

pub(super) fn get_location(state: &State, req: &Req) -> Result<Response, Fail> {
    let key = req.part(0);
    match state.locations.get(key) {
        Some(record) => Ok(json(200, &location(key, record))),
        None if key == LOCATION => Ok(json(200, &location(key, &default_location()))),
        None => {
            let text = "merchantLocationKey not found.";
            Err(fail(404, 25805, "API_INVENTORY", "REQUEST", text, text))
        }
    }
}

pub(super) fn list_locations(state: &State) -> Result<Response, Fail> {
    let mut all = vec![location(LOCATION, &default_location())];
    all.extend(state.locations.iter().map(|(k, v)| location(k, v)));
    let href = "/sell/inventory/v1/location";
    Ok(json(200, &j!({"href": href, "limit": 100, "offset": 0, "total": all.len(), "locations": all})))
}

pub(super) fn policies(req: &Req) -> Result<Response, Fail> {
    let marketplace = req.get("marketplace_id").unwrap_or_default();
    if site::find(marketplace).is_none() {
        return Err(fail(
            400,
            20403,
            "API_ACCOUNT",
            "REQUEST",
            "Invalid marketplace",
            "Invalid {marketplace_id}",
        ));
    }
    let at = match req.op.name {
        "getFulfillmentPolicies" => 0,
        "getPaymentPolicies" => 1,
        _ => 2,
    };
    let (kind, id) = POLICIES.get(at).copied().unwrap_or(("fulfillment", ""));
    let policy = j!({"name": format!("Simulated {kind}"), "marketplaceId": marketplace, (format!("{kind}PolicyId")): id,
        "categoryTypes": [{"name": "ALL_EXCLUDING_MOTORS_VEHICLES"}]});
    Ok(json(
        200,
        &j!({"total": 1, "href": req.path, "limit": 20, "offset": 0, (format!("{kind}Policies")): [policy]}),
    ))
}

pub(super) fn category_tree(req: &Req) -> Result<Response, Fail> {
    let site = site::find(req.get("marketplace_id").unwrap_or_default());
    let site = site.ok_or_else(|| {
        fail(
            400,
            62_002,
            "API_TAXONOMY",
            "REQUEST",
            "Invalid marketplace",
            "The specified marketplace ID was not found.",
        )
    })?;
    Ok(json(200, &j!({"categoryTreeId": site.number, "categoryTreeVersion": "129"})))
}

pub(super) fn suggestions(req: &Req) -> Result<Response, Fail> {
    let words = req.get("q").unwrap_or_default().to_lowercase();
    let hits = |name: &str| {
        let name = name.to_lowercase();
        words.split_whitespace().any(|w| w.len() > 2 && name.contains(w.trim_end_matches('s')))
    };
    let mut found: Vec<&(&str, &str)> = CATEGORIES.iter().filter(|(_, name)| hits(name)).collect();
    if found.is_empty() {
        found.extend(CATEGORIES.last());
    }
    let list: Vec<Value> = found
        .iter()
        .map(|(id, name)| {
            j!({"category": {"categoryId": id, "categoryName": name}, "categoryTreeNodeLevel": 2, "categoryTreeNodeAncestors": [
                {"categoryId": "99", "categoryName": "All Categories", "categoryTreeNodeLevel": 1,
                 "categorySubtreeNodeHref": format!("https://api.ebay.com/commerce/taxonomy/v1/category_tree/{}/get_category_subtree?category_id=99", req.part(0))}]})
        })
        .collect();
    Ok(json(
        200,
        &j!({"categorySuggestions": list, "categoryTreeId": req.part(0), "categoryTreeVersion": "129"}),
    ))
}

pub(super) fn aspects(req: &Req) -> Result<Response, Fail> {
    if !known_category(req.get("category_id").unwrap_or_default()) {
        return Err(fail(
            404,
            62_005,
            "API_TAXONOMY",
            "REQUEST",
            "Category not found",
            "The category ID was not found in the category tree.",
        ));
    }
    let aspect = |name: &str, required: bool| {
        j!({"localizedAspectName": name, "aspectConstraint": {"aspectDataType": "STRING", "aspectMode": "FREE_TEXT",
            "aspectRequired": required, "aspectUsage": if required { "RECOMMENDED" } else { "OPTIONAL" }, "aspectEnabledForVariations": !required,
            "itemToAspectCardinality": "SINGLE", "aspectApplicableTo": ["PRODUCT"]}, "aspectValues": []})
    };
    Ok(json(
        200,
        &j!({"aspects": [aspect("Brand", true), aspect("Colour", false), aspect("Material", false)]}),
    ))
}
