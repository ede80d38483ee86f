//! Offers: a SKU on a marketplace, published in two steps, shown with a lag.

use super::auth::{LOCATION, POLICIES};
use super::errors::{Fail, inventory as refuse, no_offer, no_sku};
use super::inventory::{BULK, bulk, language, object, revise_all};
use super::route::Req;
use super::state::{EbayOffer, Listing, State};
use super::{NAME, listing_view as view, misc, site};
use crate::core::buyers::Offer;
use crate::core::channel::{json, raw};
use crate::core::clock::{instant, iso_millis};
use crate::core::ledger::ListingRecord;
use crate::core::money::minor;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Map, Value, json as j};

pub(super) fn currency(offer: &EbayOffer) -> &'static str {
    site::find(&offer.site).map_or("USD", |s| s.currency)
}

fn price(offer: &EbayOffer) -> Option<i64> {
    let price = offer.record.get("pricingSummary")?.get("price")?;
    let currency = currency(offer);
    if price.get("currency")?.as_str()? != currency {
        return None;
    }
    minor(price.get("value")?.as_str()?, currency).filter(|p| *p > 0)
}

/// Units that the records allow to be sold: the smaller of the item's and the offer's.
fn units(state: &State, offer: &EbayOffer) -> u64 {
    let item = state.items.get(&offer.sku).map_or(0, |i| i.quantity);
    offer.quantity.map_or(item, |q| q.min(item))
}

fn make(world: &World, state: &mut State, mut record: Map<String, Value>) -> Result<String, Fail> {
    let take = |record: &mut Map<String, Value>, name: &str| {
        record.remove(name).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let sku = take(&mut record, "sku");
    let marketplace = take(&mut record, "marketplaceId");
    let format = take(&mut record, "format");
    if format != "FIXED_PRICE" {
        return Err(refuse(25709, "Invalid value for format. The fake sells at fixed prices only."));
    }
    if site::find(&marketplace).is_none() {
        return Err(refuse(25709, "Invalid value for marketplaceId."));
    }
    if !state.items.contains_key(&sku) {
        return Err(no_sku(&sku));
    }
    if let Some(old) = state.offers.values().find(|o| o.sku == sku && o.site == marketplace) {
        // The message carries the offer that is there; clients find it with getOffers as well.
        return Err(refuse(25729, format!("Offer entity already exists. (offerId {})", old.id)));
    }
    let quantity = read_quantity(&mut record)?;
    let made = state.made.entry((sku.clone(), marketplace.clone())).or_default();
    *made += 1;
    let id = world.stream(&[NAME, "offer", &sku, &marketplace, &made.to_string()]).digits(11);
    let offer = EbayOffer {
        id: id.clone(),
        sku,
        site: marketplace,
        record,
        quantity,
        listing: None,
        publications: *made * 1_000,
    };
    state.offers.insert(id.clone(), offer);
    Ok(id)
}

fn read_quantity(record: &mut Map<String, Value>) -> Result<Option<u64>, Fail> {
    match record.remove("availableQuantity") {
        None => Ok(None),
        Some(quantity) => {
            quantity.as_u64().map(Some).ok_or_else(|| refuse(25709, "Invalid value for availableQuantity."))
        }
    }
}

pub(super) fn create(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    language(req)?;
    let id = make(world, state, object(req)?)?;
    Ok(json(201, &j!({"offerId": id, "warnings": []})))
}

pub(super) fn bulk_create(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    language(req)?;
    let answers = entries(req)?
        .into_iter()
        .map(|entry| {
            let record = entry.as_object().cloned().unwrap_or_default();
            let mut answer = j!({"sku": record.get("sku"), "marketplaceId": record.get("marketplaceId"), "format": record.get("format"), "warnings": []});
            let (status, rest) = match make(world, state, record) {
                Ok(id) => (201, ("offerId", Value::from(id))),
                Err(refusal) => (refusal.status, ("errors", j!([refusal.detail()]))),
            };
            if let Some(map) = answer.as_object_mut() {
                map.insert("statusCode".into(), status.into());
                map.insert(rest.0.into(), rest.1);
            }
            answer
        })
        .collect();
    Ok(bulk(answers))
}

fn entries(req: &Req) -> Result<Vec<Value>, Fail> {
    let requests = object(req)?.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    if requests.is_empty() || requests.len() > BULK {
        return Err(refuse(25709, "Invalid value for requests. Between 1 and 25 entries."));
    }
    Ok(requests)
}

/// Replaces the offer whole; a published one must stay publishable.
pub(super) fn update(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    language(req)?;
    let mut record = object(req)?;
    let id = req.part(0).to_owned();
    let quantity = read_quantity(&mut record)?;
    let old = state.offers.get(&id).cloned().ok_or_else(|| no_offer(&id))?;
    for name in ["sku", "marketplaceId", "format"] {
        record.remove(name);
    }
    let mut changed = old.clone();
    changed.record = record;
    changed.quantity = quantity;
    if old.listing.as_ref().is_some_and(|l| !l.ended) {
        publishable(state, &changed)?;
        revise_all(state, world, &old.sku, Some(&id))?;
    }
    state.offers.insert(id.clone(), changed);
    touch(world, state, &id);
    Ok(json(200, &j!({"offerId": id, "warnings": []})))
}

pub(super) fn get(_: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let offer = state.offers.get(req.part(0)).ok_or_else(|| no_offer(req.part(0)))?;
    Ok(json(200, &view::offer(offer)))
}

pub(super) fn list(_: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    // Without a SKU the real API answers with this misleading message.
    let sku = req.get("sku").filter(|s| !s.is_empty()).ok_or_else(|| {
        refuse(25707, "This is an invalid value for a SKU. Only alphanumeric characters can be used for SKUs, and their length must not exceed 50 characters.")
    })?;
    let offers: Vec<Value> = state
        .offers
        .values()
        .filter(|o| o.sku == sku && req.get("marketplace_id").is_none_or(|m| m == o.site))
        .map(view::offer)
        .collect();
    if offers.is_empty() {
        let mut refusal = no_offer(sku);
        refusal.message = "This Offer is not available.".into();
        return Err(refusal);
    }
    Ok(json(
        200,
        &j!({"href": format!("/sell/inventory/v1/offer?sku={sku}"), "limit": offers.len(), "size": offers.len(), "total": offers.len(), "offers": offers}),
    ))
}

pub(super) fn delete(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let id = req.part(0).to_owned();
    state.offers.get(&id).ok_or_else(|| no_offer(&id))?;
    end(world, state, &id);
    state.offers.remove(&id);
    Ok(raw(204, "application/json", ""))
}

fn text<'a>(record: &'a Map<String, Value>, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Everything that eBay asks for at publication.
fn publishable(state: &State, offer: &EbayOffer) -> Result<(), Fail> {
    let item = state.items.get(&offer.sku).ok_or_else(|| no_sku(&offer.sku))?;
    let product = item.record.get("product").and_then(Value::as_object).cloned().unwrap_or_default();
    if text(&product, "title").is_empty() {
        return Err(refuse(25002, "A user error has occurred. A title is required."));
    }
    if product.get("imageUrls").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Err(refuse(25002, "A user error has occurred. At least one picture is required."));
    }
    if item.record.get("condition").is_none() {
        return Err(refuse(25021, "The item condition is required for this category."));
    }
    let listing = offer.record.get("listingDescription").and_then(Value::as_str).unwrap_or_default();
    if listing.is_empty() && text(&product, "description").is_empty() {
        return Err(refuse(25016, "The description value is invalid. A description is required."));
    }
    let aspect = product
        .get("aspects")
        .and_then(|a| a.get("Brand"))
        .and_then(Value::as_array)
        .is_some_and(|b| !b.is_empty());
    if !aspect && text(&product, "brand").is_empty() {
        return Err(refuse(25029, "Brand is required for this category."));
    }
    if price(offer).is_none() {
        return Err(refuse(
            25003,
            "Invalid price. The price must be positive and in the currency of the marketplace.",
        ));
    }
    if units(state, offer) == 0 {
        return Err(refuse(25004, "Invalid quantity. The quantity must be at least 1 to publish."));
    }
    if !misc::known_category(text(&offer.record, "categoryId")) {
        return Err(refuse(25005, "Invalid category ID. It does not exist or is no leaf category."));
    }
    let policies =
        offer.record.get("listingPolicies").and_then(Value::as_object).cloned().unwrap_or_default();
    for ((kind, id), code) in POLICIES.iter().zip([25007, 25008, 25009]) {
        if text(&policies, &format!("{kind}PolicyId")) != *id {
            return Err(refuse(
                code,
                format!("Invalid {kind} policy. The policy is missing or not found for the marketplace."),
            ));
        }
    }
    let place = text(&offer.record, "merchantLocationKey");
    if place != LOCATION && !state.locations.contains_key(place) {
        return Err(refuse(
            25012,
            "Invalid inventory location. The merchantLocationKey is missing or unknown.",
        ));
    }
    Ok(())
}

fn publish_one(world: &World, state: &mut State, id: &str) -> Result<String, Fail> {
    let offer = state.offers.get(id).cloned().ok_or_else(|| no_offer(id))?;
    // Publishing a published offer answers with the listing there is.
    if let Some(listing) = offer.listing.as_ref().filter(|l| !l.ended) {
        return Ok(listing.id.clone());
    }
    publishable(state, &offer)?;
    let number = (offer.publications + 1).to_string();
    let mut stream = world.stream(&[NAME, "listing", &offer.sku, &offer.site, &number]);
    let listing = format!("11{}", stream.digits(10));
    let wait = stream.between(20_000, 90_000);
    if let Some(offer) = state.offers.get_mut(id) {
        offer.publications += 1;
        offer.listing = Some(Listing { id: listing.clone(), since_ms: world.now_ms(), ..Listing::default() });
        note(world, offer);
    }
    world.schedule(NAME, wait, "live", id, Value::Null);
    Ok(listing)
}

pub(super) fn publish(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let listing = publish_one(world, state, req.part(0))?;
    Ok(json(200, &j!({"listingId": listing, "warnings": []})))
}

pub(super) fn bulk_publish(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let answers = entries(req)?
        .iter()
        .map(|entry| {
            let id = entry.get("offerId").and_then(Value::as_str).unwrap_or_default();
            match publish_one(world, state, id) {
                Ok(listing) => j!({"statusCode": 200, "offerId": id, "listingId": listing, "errors": [], "warnings": []}),
                Err(refusal) => j!({"statusCode": refusal.status, "offerId": id, "errors": [refusal.detail()], "warnings": []}),
            }
        })
        .collect();
    Ok(bulk(answers))
}

pub(super) fn withdraw(world: &World, state: &mut State, req: &Req) -> Result<Response, Fail> {
    let id = req.part(0).to_owned();
    let offer = state.offers.get(&id).ok_or_else(|| no_offer(&id))?;
    let Some(listing) = offer.listing.as_ref().filter(|l| !l.ended).map(|l| l.id.clone()) else {
        return Err(refuse(25713, format!("This Offer is not available : offer {id} is not published.")));
    };
    end(world, state, &id);
    Ok(json(200, &j!({"listingId": listing, "warnings": []})))
}

pub(super) fn fees(_: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let ids = object(req)?.get("offers").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut sites: Vec<&'static str> = Vec::new();
    for id in &ids {
        let id = id.get("offerId").and_then(Value::as_str).unwrap_or_default();
        let offer = state.offers.get(id).ok_or_else(|| no_offer(id))?;
        if let Some(site) = site::find(&offer.site).filter(|s| !sites.contains(&s.id)) {
            sites.push(site.id);
        }
    }
    let summaries: Vec<Value> = sites
        .iter()
        .filter_map(|id| site::find(id))
        .map(|s| j!({"marketplaceId": s.id, "fees": [{"feeType": "InsertionFee", "amount": {"value": "0.0", "currency": s.currency}}], "warnings": []}))
        .collect();
    Ok(json(200, &j!({"feeSummaries": summaries})))
}

/// Ends the listing of an offer.
pub(super) fn end(world: &World, state: &mut State, id: &str) {
    let Some(offer) = state.offers.get_mut(id) else { return };
    if let Some(listing) = offer.listing.as_mut() {
        listing.ended = true;
        listing.live = false;
        note(world, offer);
    }
}

/// The records of a SKU changed: buyers see it after a while.
pub(super) fn touch_sku(world: &World, state: &mut State, sku: &str) {
    let ids: Vec<String> = state.offers.values().filter(|o| o.sku == sku).map(|o| o.id.clone()).collect();
    for id in ids {
        touch(world, state, &id);
    }
}

fn touch(world: &World, state: &mut State, id: &str) {
    let live = state.offers.get(id).and_then(|o| o.listing.as_ref()).is_some_and(|l| l.live);
    if live {
        let wait = world.stream(&[NAME, "lag", id, &world.now_ms().to_string()]).between(5_000, 60_000);
        world.schedule(NAME, wait, "visible", id, Value::Null);
    }
}

/// A published listing is now seen.
pub(super) fn go_live(world: &World, state: &mut State, id: &str) {
    if let Some(listing) = state.offers.get_mut(id).and_then(|o| o.listing.as_mut()).filter(|l| !l.ended) {
        listing.live = true;
    }
    settle(world, state, id);
}

/// Buyers see the records as they stand.
pub(super) fn settle(world: &World, state: &mut State, id: &str) {
    let Some(offer) = state.offers.get(id) else { return };
    let (units, price) = (units(state, offer), price(offer).unwrap_or(0));
    let Some(offer) = state.offers.get_mut(id) else { return };
    if let Some(listing) = offer.listing.as_mut().filter(|l| l.live) {
        listing.shown_quantity = units;
        listing.shown_price = price;
        note(world, offer);
    }
}

/// `units` of a SKU were sold (negative: came back) through an offer.
pub(super) fn sold(world: &World, state: &mut State, sku: &str, site: &str, units: i64) {
    let apply = |have: u64| {
        let amount = units.unsigned_abs();
        if units >= 0 { have.saturating_sub(amount) } else { have.saturating_add(amount) }
    };
    if let Some(item) = state.items.get_mut(sku) {
        item.quantity = apply(item.quantity);
        if units > 0 {
            item.sold += units.unsigned_abs();
        }
    }
    let mut ids = Vec::new();
    for offer in state.offers.values_mut().filter(|o| o.sku == sku) {
        if offer.site == site {
            offer.quantity = offer.quantity.map(apply);
            if let Some(listing) = offer.listing.as_mut() {
                listing.sold = if units >= 0 {
                    listing.sold + units.unsigned_abs()
                } else {
                    listing.sold.saturating_sub(units.unsigned_abs())
                };
                // The listing that was bought from shows it at once, its sisters after the lag.
                listing.shown_quantity = apply(listing.shown_quantity);
                note(world, offer);
            }
        } else {
            ids.push(offer.id.clone());
        }
    }
    for id in ids {
        touch(world, state, &id);
    }
}

fn note(world: &World, offer: &EbayOffer) {
    let Some(listing) = offer.listing.as_ref() else { return };
    let state = if listing.ended {
        "ended"
    } else if listing.live {
        "live"
    } else {
        "pending"
    };
    let record = ListingRecord {
        state: state.into(),
        id: listing.id.clone(),
        currency: currency(offer).into(),
        price: listing.shown_price,
        quantity: listing.shown_quantity,
    };
    world.ledger(|l| l.listing(NAME, &offer.site, &offer.sku, record));
}

/// What buyers see.
pub(super) fn for_sale(_: &World, state: &State) -> Vec<Offer> {
    let modern = state.offers.values().filter_map(|offer| {
        let listing = offer.listing.as_ref().filter(|l| l.live && !l.ended)?;
        let site = site::find(&offer.site)?;
        // eBay never sells more than the item has left, whatever a sister listing still shows.
        let left = state.items.get(&offer.sku).map_or(0, |i| i.quantity);
        Some(Offer {
            sku: offer.sku.clone(),
            listing: listing.id.clone(),
            site: site.id.into(),
            currency: site.currency.into(),
            price: listing.shown_price,
            available: listing.shown_quantity.min(left),
            countries: site.countries.iter().map(|c| (*c).to_owned()).collect(),
        })
    });
    let legacy = state.legacy.values().filter(|l| l.end_ms.is_none()).filter_map(|l| {
        let site = site::find(l.site)?;
        Some(Offer {
            sku: l.sku.clone(),
            listing: l.id.clone(),
            site: site.id.into(),
            currency: site.currency.into(),
            price: l.price,
            available: l.quantity,
            countries: site.countries.iter().map(|c| (*c).to_owned()).collect(),
        })
    });
    modern.chain(legacy).collect()
}

/// The title of a listing, for order lines; and its start, for Trading.
pub(super) fn title(state: &State, sku: &str) -> String {
    let item = state.items.get(sku).and_then(|i| i.record.get("product")).and_then(|p| p.get("title"));
    item.and_then(Value::as_str).unwrap_or(sku).to_owned()
}

/// Start of a listing as text.
pub(super) fn since(listing: &Listing) -> String {
    iso_millis(instant(listing.since_ms))
}
