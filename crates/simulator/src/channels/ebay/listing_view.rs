//! How items and offers look to a client.

use super::state::{EbayOffer, Item};
use crate::core::world::World;
use serde_json::{Value, json as j};

/// The record with the units that are left now. `aspects` go out as they came: an object of lists,
/// as the wire has it (the published schema says string, see the fact sheet).
pub(super) fn item(_: &World, sku: &str, item: &Item) -> Value {
    let mut record = item.record.clone();
    record.insert("sku".into(), sku.into());
    record.insert("locale".into(), item.locale.clone().into());
    record.insert("availability".into(), j!({"shipToLocationAvailability": {"quantity": item.quantity}}));
    Value::Object(record)
}

pub(super) fn offer(offer: &EbayOffer) -> Value {
    let mut record = offer.record.clone();
    record.insert("offerId".into(), offer.id.clone().into());
    record.insert("sku".into(), offer.sku.clone().into());
    record.insert("marketplaceId".into(), offer.site.clone().into());
    record.insert("format".into(), "FIXED_PRICE".into());
    record.entry("listingDuration").or_insert_with(|| "GTC".into());
    match offer.quantity {
        Some(quantity) => record.insert("availableQuantity".into(), quantity.into()),
        None => record.remove("availableQuantity"),
    };
    let published = offer.listing.as_ref().filter(|l| !l.ended);
    record.insert("status".into(), if published.is_some() { "PUBLISHED" } else { "UNPUBLISHED" }.into());
    if let Some(listing) = published {
        // In search only after a while; until then eBay knows the listing but does not show it.
        let status = if !listing.live {
            "INACTIVE"
        } else if listing.shown_quantity == 0 {
            "OUT_OF_STOCK"
        } else {
            "ACTIVE"
        };
        record.insert(
            "listing".into(),
            j!({"listingId": listing.id, "listingStatus": status, "soldQuantity": listing.sold, "listingOnHold": false}),
        );
    }
    Value::Object(record)
}

/// Adds `next` and `prev` of a page-counted list.
pub(super) fn paging(answer: &mut Value, path: &str, query: &str, limit: usize, page: usize, pages: usize) {
    let Some(map) = answer.as_object_mut() else { return };
    let link = |n: usize| Value::from(format!("{path}?{query}limit={limit}&offset={n}"));
    if page + 1 < pages {
        map.insert("next".into(), link(page + 1));
    }
    if page > 0 {
        map.insert("prev".into(), link(page - 1));
    }
}
