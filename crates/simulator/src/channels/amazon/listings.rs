//! Listings Items 2021-08-01: accepted at once, live later.
//!
//! `attributes` shows what was submitted; `offers`, `fulfillmentAvailability` and
//! `summaries[].status` show what is live. The lag is drawn per submission: 5 to 30 minutes for a
//! new SKU, 2 to 10 for a change. Issue codes 90220, 90000900, 99022 and 13013 are Amazon's; where
//! no documented code was at hand the code starts with `SIM`.

use super::NAME;
use super::errors::{invalid, missing};
use super::route::Req;
use super::site::{Site, find};
use super::state::{Listing, State};
use crate::core::channel::json;
use crate::core::clock::{instant, iso_seconds};
use crate::core::ledger::ListingRecord;
use crate::core::money;
use crate::core::world::{Event, World};
use axum::response::Response;
use serde_json::{Map, Value, json as j};

/// What a submission does, wherever it came from (API or feed).
pub(super) enum Submission {
    Put { product_type: String, requirements: String, attributes: Map<String, Value> },
    Patch { product_type: String, patches: Vec<Value> },
    Delete,
}

fn issue(code: &str, message: String, attribute: &str, category: &str) -> Value {
    j!({"code": code, "message": message, "severity": "ERROR", "attributeNames": [attribute], "categories": [category]})
}

/// Parses a PUT or PATCH body (also a feed message, whose fields are the same).
pub(super) fn parse(operation: &str, body: &Value) -> Result<Submission, String> {
    let product_type = body.get("productType").and_then(Value::as_str).map(str::to_owned);
    let wanted = || "productType is required".to_owned();
    match operation {
        "put" => {
            let Some(Value::Object(attributes)) = body.get("attributes") else {
                return Err("attributes must be an object".into());
            };
            let requirements = body.get("requirements").and_then(Value::as_str).unwrap_or("LISTING");
            if !["LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY"].contains(&requirements) {
                return Err(format!("requirements has no value {requirements}"));
            }
            Ok(Submission::Put {
                product_type: product_type.ok_or_else(wanted)?,
                requirements: requirements.to_owned(),
                attributes: attributes.clone(),
            })
        }
        "patch" => {
            let Some(Value::Array(patches)) = body.get("patches") else {
                return Err("patches must be an array".into());
            };
            if patches.is_empty() {
                return Err("patches must not be empty".into());
            }
            for patch in patches {
                let op = patch.get("op").and_then(Value::as_str).unwrap_or_default();
                let path = patch.get("path").and_then(Value::as_str).unwrap_or_default();
                let fine = patch
                    .get("value")
                    .is_none_or(|v| v.as_array().is_some_and(|a| a.iter().all(Value::is_object)));
                if !["add", "replace", "merge", "delete"].contains(&op) || !fine {
                    return Err("Invalid parameters provided: each patch needs an op and an array of objects as value".into());
                }
                // Only top-level attributes may be addressed.
                if path.strip_prefix("/attributes/").is_none_or(|name| name.is_empty() || name.contains('/'))
                {
                    return Err(format!("path {path} does not address a top-level attribute"));
                }
            }
            Ok(Submission::Patch { product_type: product_type.ok_or_else(wanted)?, patches: patches.clone() })
        }
        _ => Ok(Submission::Delete),
    }
}

/// Checks a submission and, unless it is a preview or has errors, takes it in. Returns the issues.
pub(super) fn submit(
    world: &World,
    state: &mut State,
    site: &'static Site,
    sku: &str,
    submission: Submission,
    preview: bool,
    lie: bool,
) -> Vec<Value> {
    let key = (site.id.to_owned(), sku.to_owned());
    let old = state.listings.get(&key).cloned();
    let (product_type, requirements, attributes) = match submission {
        Submission::Delete => {
            if old.is_some() && !preview {
                state.listings.remove(&key);
                world.ledger(|l| {
                    l.listing(
                        NAME,
                        site.id,
                        sku,
                        ListingRecord { state: "ended".into(), ..ListingRecord::default() },
                    );
                });
            }
            return Vec::new();
        }
        Submission::Put { product_type, requirements, attributes } => {
            (product_type, requirements, attributes)
        }
        Submission::Patch { product_type, patches } => {
            let Some(old) = &old else {
                return vec![issue(
                    "13013",
                    format!("SKU {sku} does not match any listing"),
                    "sku",
                    "INVALID_ATTRIBUTE",
                )];
            };
            let mut attributes = old.attributes.clone();
            for patch in patches {
                let name = patch
                    .get("path")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .trim_start_matches("/attributes/");
                if patch.get("op").and_then(Value::as_str) == Some("delete") {
                    attributes.remove(name);
                } else if let Some(value) = patch.get("value") {
                    attributes.insert(name.to_owned(), value.clone());
                }
            }
            let product_type =
                if product_type == "PRODUCT" { old.product_type.clone() } else { product_type };
            (product_type, String::new(), attributes)
        }
    };
    let issues = check(site, sku, &requirements, &attributes);
    if !issues.is_empty() || preview {
        return issues;
    }
    if lie {
        // Accepted, and never heard of again: only reading back shows it.
        return issues;
    }
    let now = world.now_ms();
    let number = state.submissions.entry(key.clone()).or_default();
    *number += 1;
    let number = *number;
    let is_new = old.is_none();
    let listing = state.listings.entry(key.clone()).or_insert_with(|| Listing {
        asin: format!("B0{}", world.stream(&[NAME, "asin", sku]).alnum(8)),
        created_ms: now,
        ..Listing::default()
    });
    let price = price_of(site, &attributes);
    let quantity = quantity_of(&attributes);
    listing.product_type = product_type;
    listing.attributes = attributes;
    listing.updated_ms = now;
    let mut draw = world.stream(&[NAME, "lag", site.id, sku, &number.to_string()]);
    let lag = if is_new { draw.between(300_000, 1_800_000) } else { draw.between(120_000, 600_000) };
    let data = j!({"site": site.id, "sku": sku, "number": number, "price": price, "quantity": quantity, "sold": listing.sold});
    world.schedule(NAME, lag, "publish", &format!("{}/{sku}/{number:08}", site.id), data);
    if is_new {
        world.ledger(|l| {
            let record = ListingRecord {
                state: "pending".into(),
                id: listing.asin.clone(),
                ..ListingRecord::default()
            };
            l.listing(NAME, site.id, sku, record);
        });
    }
    issues
}

/// A submission becomes live.
pub(super) fn publish(world: &World, state: &mut State, event: &Event) {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let whole = |name: &str| event.data.get(name).and_then(Value::as_i64);
    let (site, sku) = (text("site"), text("sku"));
    let number = event.data.get("number").and_then(Value::as_u64).unwrap_or_default();
    let now = world.now_ms();
    let Some(listing) = state.listings.get_mut(&(site.clone(), sku.clone())) else { return };
    if now < listing.created_ms {
        return;
    }
    listing.published = true;
    listing.updated_ms = now;
    // A later submission may have become live already; an old one must not undo it.
    if number > listing.price_from
        && let Some(price) = whole("price")
    {
        listing.price = Some(price);
        listing.price_from = number;
    }
    if number > listing.stock_from
        && let Some(quantity) = whole("quantity")
    {
        // What was ordered while the submission waited is gone.
        let ordered = listing.sold - whole("sold").unwrap_or_default();
        listing.available = u64::try_from(quantity - ordered).unwrap_or(0);
        listing.stock_from = number;
    }
    note(world, &site, &sku, listing);
}

/// Writes the listing's live state to the ledger.
pub(super) fn note(world: &World, site: &str, sku: &str, listing: &Listing) {
    let record = ListingRecord {
        state: if listing.published && listing.price.is_some() { "live" } else { "pending" }.into(),
        id: listing.asin.clone(),
        currency: find(site).map_or("", |s| s.currency).to_owned(),
        price: listing.price.unwrap_or_default(),
        quantity: listing.available,
    };
    world.ledger(|l| l.listing(NAME, site, sku, record));
}

fn first<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    attributes.get(name)?.as_array()?.first()
}

fn price_of(site: &Site, attributes: &Map<String, Value>) -> Option<i64> {
    let offers = attributes.get("purchasable_offer")?.as_array()?;
    let offer = offers
        .iter()
        .find(|o| o.get("marketplace_id").and_then(Value::as_str).is_none_or(|m| m == site.id))?;
    let value = offer.pointer("/our_price/0/schedule/0/value_with_tax")?;
    // The text of the JSON number; a price has far fewer digits than a double holds.
    money::minor(&value.to_string(), site.currency)
}

fn quantity_of(attributes: &Map<String, Value>) -> Option<i64> {
    let all = attributes.get("fulfillment_availability")?.as_array()?;
    let own =
        all.iter().find(|f| f.get("fulfillment_channel_code").and_then(Value::as_str) == Some("DEFAULT"))?;
    own.get("quantity")?.as_i64()
}

fn check(site: &Site, sku: &str, requirements: &str, attributes: &Map<String, Value>) -> Vec<Value> {
    let mut issues = Vec::new();
    if sku.is_empty() || sku.chars().count() > 40 {
        issues.push(issue("SIM001", "A SKU has 1 to 40 characters.".into(), "sku", "INVALID_ATTRIBUTE"));
    }
    for (name, value) in attributes {
        if name.chars().any(|c| c.is_ascii_uppercase()) {
            issues.push(issue(
                "90000900",
                format!("The attributes are invalid: '{name}' is not recognised."),
                name,
                "INVALID_ATTRIBUTE",
            ));
        } else if !value.as_array().is_some_and(|a| a.iter().all(Value::is_object)) {
            issues.push(issue(
                "90000900",
                format!("The attributes are invalid: '{name}' must be an array of objects."),
                name,
                "INVALID_ATTRIBUTE",
            ));
        }
    }
    let need: &[&str] = match requirements {
        "LISTING" => {
            &["item_name", "brand", "condition_type", "purchasable_offer", "fulfillment_availability"]
        }
        "LISTING_PRODUCT_ONLY" => &["item_name", "brand"],
        "LISTING_OFFER_ONLY" => &["condition_type", "purchasable_offer", "fulfillment_availability"],
        _ => &[],
    };
    for name in need.iter().filter(|n| first(attributes, n).is_none()) {
        issues.push(issue(
            "90220",
            format!("'[{name}]' is required but not supplied."),
            name,
            "MISSING_ATTRIBUTE",
        ));
    }
    if let Some(title) = first(attributes, "item_name").and_then(|v| v.get("value")).and_then(Value::as_str)
        && title.chars().count() > 200
    {
        issues.push(issue(
            "SIM002",
            "'item_name' has more than 200 characters.".into(),
            "item_name",
            "INVALID_ATTRIBUTE",
        ));
    }
    if let Some(gtin) = first(attributes, "externally_assigned_product_identifier")
        .and_then(|v| v.get("value"))
        .and_then(Value::as_str)
        && !gtin_valid(gtin)
    {
        let message = format!("'{gtin}' is not a valid product identifier.");
        issues.push(issue("SIM003", message, "externally_assigned_product_identifier", "INVALID_ATTRIBUTE"));
    }
    if let Some(offer) = first(attributes, "purchasable_offer") {
        if offer.pointer("/our_price/0/schedule/0/value_with_tax").is_none() {
            let message = "The field '\"prices\"' for the attribute 'purchasable_offer.our_price' does not have enough values. The required minimum is '1' value(s).";
            issues.push(issue("99022", message.into(), "purchasable_offer", "INVALID_ATTRIBUTE"));
        } else if offer.get("currency").and_then(Value::as_str) != Some(site.currency) {
            let message = format!("The currency of this marketplace is {}.", site.currency);
            issues.push(issue("SIM004", message, "purchasable_offer", "INVALID_PRICE"));
        } else if price_of(site, attributes).is_none_or(|p| p <= 0) {
            issues.push(issue(
                "SIM005",
                "The price must be above zero, in the currency's decimals.".into(),
                "purchasable_offer",
                "INVALID_PRICE",
            ));
        }
    }
    if let Some(availability) = first(attributes, "fulfillment_availability") {
        if availability.get("fulfillment_channel_code").and_then(Value::as_str).is_none() {
            let message = "'fulfillment_channel_code' is required but not supplied.";
            issues.push(issue("90220", message.into(), "fulfillment_availability", "MISSING_ATTRIBUTE"));
        } else if availability.get("quantity").is_some_and(|q| q.as_u64().is_none()) {
            issues.push(issue(
                "SIM006",
                "'quantity' must be a whole number from 0.".into(),
                "fulfillment_availability",
                "INVALID_ATTRIBUTE",
            ));
        }
    }
    issues
}

/// GTIN-8, -12, -13, -14 with its check digit (GS1 General Specifications §7.9: weights 3 and 1
/// from the right).
fn gtin_valid(gtin: &str) -> bool {
    let digits: Vec<u32> = gtin.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != gtin.chars().count() || ![8, 12, 13, 14].contains(&digits.len()) {
        return false;
    }
    let sum: u32 =
        digits.iter().rev().skip(1).enumerate().map(|(i, d)| if i % 2 == 0 { d * 3 } else { *d }).sum();
    digits.last().is_some_and(|last| (10 - sum % 10) % 10 == *last)
}

/// PUT, PATCH and DELETE of one item.
pub(super) fn write(world: &World, state: &mut State, req: &Req) -> Response {
    let marketplaces = req.list("marketplaceIds");
    let [marketplace] = marketplaces.as_slice() else {
        return invalid("marketplaceIds must have exactly one value");
    };
    let Some(site) = find(marketplace) else {
        return invalid(&format!("Invalid marketplaceIds: {marketplace}"));
    };
    if req.part(0) != super::SELLER_ID {
        return super::errors::fail(403, "Unauthorized", "Access to requested resource is denied.", "");
    }
    let sku = req.part(1).to_owned();
    let operation = match req.operation {
        "putListingsItem" => "put",
        "patchListingsItem" => "patch",
        _ => "delete",
    };
    let body = if operation == "delete" {
        Value::Null
    } else {
        serde_json::from_slice(&req.body).unwrap_or(Value::Null)
    };
    let submission = match parse(operation, &body) {
        Ok(submission) => submission,
        Err(message) => return invalid(&message),
    };
    let preview = req.get("mode") == Some("VALIDATION_PREVIEW");
    let issues = submit(world, state, site, &sku, submission, preview, req.lie);
    let status = match (issues.is_empty(), preview) {
        (false, _) => "INVALID",
        (true, true) => "VALID",
        (true, false) => "ACCEPTED",
    };
    let stamp = world.now_ms().to_string();
    let id = world
        .stream(&[NAME, "submission", site.id, &sku, &stamp, &String::from_utf8_lossy(&req.body)])
        .hex(32);
    json(200, &j!({"sku": sku, "status": status, "submissionId": id, "issues": issues}))
}

/// GET of one item.
pub(super) fn read(state: &State, req: &Req) -> Response {
    let sku = req.part(1);
    let marketplaces = req.list("marketplaceIds");
    if marketplaces.is_empty() {
        return invalid("marketplaceIds is required");
    }
    let found: Vec<_> = marketplaces
        .iter()
        .filter_map(|m| Some((find(m)?, state.listings.get(&((*m).to_owned(), sku.to_owned()))?)))
        .collect();
    if found.is_empty() {
        return missing(&format!("SKU '{sku}' not found in marketplace {}", marketplaces.join(",")));
    }
    json(200, &show(sku, &found, &included(req)))
}

fn included(req: &Req) -> Vec<String> {
    let list = req.list("includedData");
    if list.is_empty() { vec!["summaries".into()] } else { list.into_iter().map(str::to_owned).collect() }
}

fn show(sku: &str, found: &[(&'static Site, &Listing)], included: &[String]) -> Value {
    let wants = |name: &str| included.iter().any(|i| i == name);
    let mut item = Map::new();
    item.insert("sku".into(), sku.into());
    if wants("summaries") {
        let summaries: Vec<Value> = found
            .iter()
            .map(|(site, l)| {
                let mut status = Vec::new();
                if l.published && l.price.is_some() && l.available > 0 {
                    status.push("BUYABLE");
                }
                if l.published {
                    status.push("DISCOVERABLE");
                }
                let mut summary = j!({"marketplaceId": site.id, "productType": l.product_type, "conditionType": "new_new",
                    "status": status, "createdDate": iso_seconds(instant(l.created_ms)),
                    "lastUpdatedDate": iso_seconds(instant(l.updated_ms))});
                if let Some(map) = summary.as_object_mut() {
                    if l.published {
                        map.insert("asin".into(), l.asin.clone().into());
                    }
                    if let Some(title) = title(l) {
                        map.insert("itemName".into(), title.into());
                    }
                }
                summary
            })
            .collect();
        item.insert("summaries".into(), summaries.into());
    }
    if let Some((_, listing)) = found.first() {
        if wants("attributes") {
            item.insert("attributes".into(), Value::Object(listing.attributes.clone()));
        }
        if wants("fulfillmentAvailability") {
            let all = if listing.stock_from > 0 {
                j!([{"fulfillmentChannelCode": "DEFAULT", "quantity": listing.available}])
            } else {
                j!([])
            };
            item.insert("fulfillmentAvailability".into(), all);
        }
    }
    if wants("issues") {
        item.insert("issues".into(), j!([]));
    }
    if wants("offers") {
        let offers: Vec<Value> = found
            .iter()
            .filter_map(|(site, l)| {
                let amount = money::text(l.price?, site.currency);
                Some(j!({"marketplaceId": site.id, "offerType": "B2C",
                    "price": {"currencyCode": site.currency, "amount": amount},
                    "audience": {"value": "ALL", "displayName": "Sell on Amazon"}}))
            })
            .collect();
        item.insert("offers".into(), offers.into());
    }
    if wants("productTypes") {
        let types: Vec<Value> = found
            .iter()
            .map(|(site, l)| j!({"marketplaceId": site.id, "productType": l.product_type}))
            .collect();
        item.insert("productTypes".into(), types.into());
    }
    Value::Object(item)
}

/// The submitted title.
pub(super) fn title(listing: &Listing) -> Option<String> {
    Some(first(&listing.attributes, "item_name")?.get("value")?.as_str()?.to_owned())
}

/// `searchListingsItems`: all items of one marketplace, by SKU, paged.
pub(super) fn search(state: &State, req: &Req) -> Response {
    let marketplaces = req.list("marketplaceIds");
    let Some(site) = marketplaces.first().and_then(|m| find(m)) else {
        return invalid("marketplaceIds is required");
    };
    let size = req.get("pageSize").and_then(|s| s.parse::<usize>().ok()).unwrap_or(10);
    if !(1..=20).contains(&size) {
        return invalid("pageSize must be between 1 and 20");
    }
    let wanted = req.list("identifiers");
    if wanted.len() > 20 || (!wanted.is_empty() && req.get("identifiersType").is_none()) {
        return invalid("identifiers takes up to 20 values and needs identifiersType");
    }
    // The token is the hexadecimal form of the last SKU shown.
    let after = match req.get("pageToken").map(hex::decode) {
        None => String::new(),
        Some(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Err(_)) => return invalid("pageToken is invalid"),
    };
    let all: Vec<(&String, &Listing)> = state
        .listings
        .iter()
        .filter(|((m, sku), _)| m == site.id && (wanted.is_empty() || wanted.contains(&sku.as_str())))
        .map(|((_, sku), listing)| (sku, listing))
        .collect();
    // "The maximum number of items (SKUs) that can be returned and paged through is 1000"; all of them are counted.
    let mut rest = all.iter().take(1_000).filter(|(sku, _)| **sku > after);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let items: Vec<Value> = page.iter().map(|(sku, l)| show(sku, &[(site, l)], &included(req))).collect();
    let mut body = j!({"numberOfResults": all.len(), "items": items});
    if rest.next().is_some()
        && let (Some((last, _)), Some(map)) = (page.last(), body.as_object_mut())
    {
        map.insert("pagination".into(), j!({"nextToken": hex::encode(last)}));
    }
    json(200, &body)
}

#[cfg(test)]
mod tests {
    use super::gtin_valid;

    #[test]
    fn check_digits() {
        // GS1's own example 629104150021 → check digit 3.
        assert!(gtin_valid("6291041500213"));
        assert!(!gtin_valid("6291041500214"));
        assert!(!gtin_valid("62910415002"));
        assert!(gtin_valid("036000291452"));
    }
}
