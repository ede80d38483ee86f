//! Inventory items: what a SKU is, and how many of it there are. The first half of a listing.

use std::collections::BTreeMap;

use http::Method;
use tradewind_connector::{
    Cursor, Error, Facet, Num, OpCx, OpSpec, Operation, Page, Priority, Safety, WireRequest, WireResponse,
    segment,
};
use tradewind_domain::{Decimal, Offer, Sku};

use crate::config::Site;
use crate::wire::inventory as w;

/// Items, offers and publications of one bulk call.
pub(crate) const BULK: usize = 25;
/// Items of a page.
const PAGE: u32 = 25;
const BASE: &str = "/sell/inventory/v1";
/// Longest description of an item; a listing's own may have 500,000 characters.
const DESCRIPTION: usize = 4_000;
const ASPECT_NAME: usize = 40;
const ASPECT_VALUE: usize = 50;

pub(crate) const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Offers,
    safety: Safety::Natural,
    priority: Priority::Content,
    buckets: &["inventory"],
    keep: false,
    doc: "https://developer.ebay.com/api-docs/sell/inventory/overview.html",
};
// Replaces the record of a SKU whole: twice is the same as once.
static PUT_ALL: OpSpec = OpSpec { name: "items.put_all", ..LIKE };
static PUT_ONE: OpSpec = OpSpec { name: "items.put", ..LIKE };
// A POST that only reads.
static GET_ALL: OpSpec =
    OpSpec { name: "items.get_all", facet: Facet::Listings, safety: Safety::Read, ..LIKE };
static LIST: OpSpec = OpSpec { name: "items.list", facet: Facet::Listings, safety: Safety::Read, ..LIKE };

/// A request of the Inventory API.
pub(crate) fn request(site: &Site, method: Method, path: &str) -> Result<WireRequest, Error> {
    WireRequest::new(method, &site.endpoint, &format!("{BASE}{path}"))
}

/// The record of a SKU.
///
/// # Errors
/// The offer holds what eBay cannot take.
pub(crate) fn item(offer: &Offer) -> Result<w::Item, Error> {
    let sku = offer.sku.as_str();
    if sku.chars().count() > 50 {
        return Err(Error::invalid(format!("SKU '{sku}' has more than the 50 characters that eBay takes")));
    }
    if offer.content.title.trim().is_empty() {
        return Err(Error::invalid(format!("'{sku}' has no title")));
    }
    if offer.images.is_empty() {
        return Err(Error::invalid(format!("'{sku}' has no image: eBay publishes nothing without one")));
    }
    if let Some(plain) = offer.images.iter().find(|i| !i.starts_with("https://")) {
        return Err(Error::invalid(format!("image '{plain}' of '{sku}' is not an https address")));
    }
    let text = description(offer);
    Ok(w::Item {
        availability: w::Availability {
            ship_to_location_availability: w::Quantity { quantity: offer.quantity },
        },
        condition: "NEW",
        product: w::Product {
            title: offer.content.title.clone(),
            description: if text.chars().count() <= DESCRIPTION { text } else { offer.content.title.clone() },
            aspects: aspects(offer)?,
            brand: offer.brand.clone(),
            ean: gtin(offer, &[8, 13]),
            upc: gtin(offer, &[12]),
            image_urls: offer.images.clone(),
        },
        package_weight_and_size: package(offer),
    })
}

/// What the listing says: the description, then the selling points. eBay wants one; without any, the title is it.
pub(crate) fn description(offer: &Offer) -> String {
    let mut text = offer.content.description.trim().to_owned();
    if !offer.content.bullets.is_empty() {
        text.push_str("<ul>");
        for bullet in &offer.content.bullets {
            text.push_str(&format!("<li>{}</li>", quick_xml::escape::partial_escape(bullet.as_str())));
        }
        text.push_str("</ul>");
    }
    if text.is_empty() { offer.content.title.clone() } else { text }
}

/// Item specifics. Names are the seller's: a category's own names come from the facet `Categories`.
fn aspects(offer: &Offer) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut all = BTreeMap::new();
    for (name, value) in &offer.attributes {
        for (what, text, most) in [("name", name, ASPECT_NAME), ("value", value, ASPECT_VALUE)] {
            if text.chars().count() > most {
                return Err(Error::invalid(format!(
                    "attribute '{name}' of '{}': its {what} has more than the {most} characters that eBay takes",
                    offer.sku
                )));
            }
        }
        if !name.is_empty() && !value.is_empty() {
            let mut letters = name.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            all.insert(format!("{first}{}", letters.as_str()), vec![value.clone()]);
        }
    }
    if let Some(brand) = &offer.brand {
        all.insert("Brand".to_owned(), vec![brand.clone()]);
    }
    Ok(all)
}

fn gtin(offer: &Offer, lengths: &[usize]) -> Vec<String> {
    let fits = offer.gtin.as_ref().map(|g| g.as_str()).filter(|g| lengths.contains(&g.len()));
    fits.map(str::to_owned).into_iter().collect()
}

fn package(offer: &Offer) -> Option<w::Package> {
    let weight = offer.weight.map(|g| w::Weight { value: g.0, unit: "GRAM" });
    // Whole millimetres as centimetres: one decimal, exactly.
    let cm = |mm: u32| Num(Decimal::new(i64::from(mm), 1));
    let dimensions = offer.dimensions.map(|d| w::Size {
        length: cm(d.length_mm),
        width: cm(d.width_mm),
        height: cm(d.height_mm),
        unit: "CENTIMETER",
    });
    (weight.is_some() || dimensions.is_some()).then_some(w::Package { dimensions, weight })
}

/// `bulkCreateOrReplaceInventoryItem`.
pub(crate) struct PutAll<'a>(pub(crate) &'a Site);

impl Operation for PutAll<'_> {
    type In = [w::NewItem];
    type Out = Vec<Result<w::Answer, Error>>;

    fn spec(&self) -> &OpSpec {
        &PUT_ALL
    }

    fn subject(&self, items: &[w::NewItem]) -> String {
        items.iter().map(|i| i.sku.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn encode(&self, _: &OpCx<'_>, items: &[w::NewItem]) -> Result<WireRequest, Error> {
        request(self.0, Method::POST, "/bulk_create_or_replace_inventory_item")?
            .header("content-language", self.0.language)?
            .json(&w::Requests { requests: items })
    }

    fn decode(&self, _: &OpCx<'_>, _: &[w::NewItem], response: &WireResponse) -> Result<Self::Out, Error> {
        Ok(response.json::<w::EachResponse>()?.responses.read("item", "sku", Ok).collect())
    }
}

/// `createOrReplaceInventoryItem`: one that the bulk call could not take for now.
pub(crate) struct PutOne<'a>(pub(crate) &'a Site);

impl Operation for PutOne<'_> {
    type In = w::NewItem;
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &PUT_ONE
    }

    fn subject(&self, item: &w::NewItem) -> String {
        item.sku.clone()
    }

    fn encode(&self, _: &OpCx<'_>, item: &w::NewItem) -> Result<WireRequest, Error> {
        request(self.0, Method::PUT, &format!("/inventory_item/{}", segment(&item.sku)))?
            .header("content-language", self.0.language)?
            .json(&item.item)
    }

    fn decode(&self, _: &OpCx<'_>, _: &w::NewItem, _: &WireResponse) -> Result<(), Error> {
        Ok(()) // 200, 201 or 204; the body, if any, holds warnings
    }
}

/// `bulkGetInventoryItem`.
pub(crate) struct GetAll<'a>(pub(crate) &'a Site);

impl Operation for GetAll<'_> {
    type In = [Sku];
    type Out = Vec<Result<w::Answer, Error>>;

    fn spec(&self) -> &OpSpec {
        &GET_ALL
    }

    fn encode(&self, _: &OpCx<'_>, skus: &[Sku]) -> Result<WireRequest, Error> {
        let requests: Vec<w::Sku<'_>> = skus.iter().map(|s| w::Sku { sku: s.as_str() }).collect();
        request(self.0, Method::POST, "/bulk_get_inventory_item")?.json(&w::Requests { requests: &requests })
    }

    fn decode(&self, _: &OpCx<'_>, _: &[Sku], response: &WireResponse) -> Result<Self::Out, Error> {
        Ok(response.json::<w::EachResponse>()?.responses.read("listing", "sku", Ok).collect())
    }
}

/// `getInventoryItems`. Its `offset` counts pages.
pub(crate) struct List<'a>(pub(crate) &'a Site);

impl Operation for List<'_> {
    type In = u32;
    type Out = Page<Result<(Sku, w::ReadItem), Error>>;

    fn spec(&self) -> &OpSpec {
        &LIST
    }

    fn encode(&self, _: &OpCx<'_>, page: &u32) -> Result<WireRequest, Error> {
        Ok(request(self.0, Method::GET, "/inventory_item")?
            .query("limit", PAGE.to_string())
            .query("offset", page.to_string()))
    }

    fn decode(&self, _: &OpCx<'_>, page: &u32, response: &WireResponse) -> Result<Self::Out, Error> {
        let items: w::Items = response.json()?;
        // A list that repeats its `next` ends with its total.
        let seen = page.saturating_add(1).saturating_mul(PAGE);
        let more = items.next.is_some() && items.total.is_none_or(|t| seen < t);
        let next = more.then(|| Cursor(page.saturating_add(1).to_string()));
        let with_sku = |item: w::ReadItem| {
            let sku = item.sku.as_deref().ok_or_else(|| Error::decode("an item without SKU"))?;
            Ok((Sku::new(sku)?, item))
        };
        Ok(Page { items: items.inventory_items.read("listing", "sku", with_sku).collect(), next })
    }
}
