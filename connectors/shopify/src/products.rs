//! Listings: products and their variants, as they are set; `variants` reads them back.
//!
//! A product groups the SKUs of one `ProductId`; its handle is made from that id, which makes `productSet` an
//! upsert that may be repeated. Variants are told apart by one option, `Variant`. `productSet` deletes variants
//! that are left out of its list, so the ones that exist are read first and kept.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tradewind_connector::role::{Draft, ItemOutcome};
use tradewind_connector::{Error, Facet, Kind, OpCx, OpSpec, Priority, Safety, WireResponse};
use tradewind_domain::{ListingId, Money, Offer};

use crate::config::Shop;
use crate::gql::{Connection, data};

/// The one option that tells variants of a product apart.
const OPTION: &str = "Variant";

// ---- read a product with its variants ------------------------------------------------------------

pub(crate) static READ_PRODUCT: OpSpec = OpSpec {
    name: "products.read",
    facet: Facet::Listings,
    safety: Safety::Read,
    priority: Priority::Content,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/productByIdentifier",
};
pub(crate) const READ_PRODUCT_TEXT: &str = "query Product($id: ProductIdentifierInput!) { productByIdentifier(identifier: $id) { id handle status \
variants(first: 250) { pageInfo { hasNextPage endCursor } nodes { id sku price selectedOptions { name value } } } } }";

/// A product as it stands.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Existing {
    pub(crate) id: String,
    pub(crate) variants: Connection<ExistingVariant>,
}

impl Existing {
    /// There are variants behind the page that was read.
    pub(crate) fn has_more(&self) -> bool {
        self.variants.next().is_some()
    }
}
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExistingVariant {
    pub(crate) id: String,
    pub(crate) sku: Option<String>,
    #[serde(default)]
    pub(crate) selected_options: Vec<SelectedOption>,
}
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SelectedOption {
    name: String,
    value: String,
}

pub(crate) fn read_product_variables(_: &Shop, _: &OpCx<'_>, handle: &str) -> Result<Value, Error> {
    Ok(json!({"id": {"handle": handle}}))
}

pub(crate) fn read_product(
    _: &Shop,
    _: &OpCx<'_>,
    _: &str,
    response: &WireResponse,
) -> Result<Option<Existing>, Error> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "productByIdentifier")]
        product: Option<Existing>,
    }
    Ok(data::<Data>(response)?.product)
}

// ---- upsert --------------------------------------------------------------------------------------

pub(crate) static SET_PRODUCT: OpSpec = OpSpec {
    name: "products.set",
    facet: Facet::Offers,
    // The handle identifies the product and every field is absolute.
    safety: Safety::Natural,
    priority: Priority::Content,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/productSet",
};
pub(crate) const SET_PRODUCT_TEXT: &str = "mutation Upsert($id: ProductSetIdentifiers, $in: ProductSetInput!) { productSet(identifier: $id, input: $in, synchronous: true) { \
product { id updatedAt variants(first: 250) { nodes { id sku } } } userErrors { field message code } } }";

/// Most variants of one product that one page reads: here and in the answer of `productSet`.
const VARIANTS: usize = 250;

/// `productSet` deletes every variant that it is not told, so all of them must have been read, and all be told back.
pub(crate) fn check_room(existing: Option<&Existing>, new: usize) -> Result<(), Error> {
    let there = existing.map_or(0, |e| e.variants.nodes.len());
    if !existing.is_some_and(Existing::has_more) && there + new <= VARIANTS {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "the product has {there} variants or more and would get {new} new ones: this connector keeps those of at most {VARIANTS}, and would delete the others; split it into several products"
        ),
    ))
}

/// What one `productSet` makes: the offers of one product, over what exists.
#[derive(Debug)]
pub(crate) struct Upsert<'a> {
    pub(crate) handle: String,
    pub(crate) offers: Vec<&'a Offer>,
    /// The product's, see [`images`].
    pub(crate) images: Vec<&'a str>,
    pub(crate) existing: Option<Existing>,
}

/// Most images of a product.
pub(crate) const IMAGES: u32 = 250;

/// The images of all variants, those that are not put now included: a product has one list of them. By SKU, so that the first one,
/// which buyers see, does not change with what is put.
pub(crate) fn images(draft: &Draft) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for image in draft.whole().into_iter().flat_map(|o| &o.offer.images) {
        if all.len() < IMAGES as usize && !all.contains(&image.as_str()) {
            all.push(image);
        }
    }
    all
}

/// A handle: lower-case letters, digits and hyphens. What else the id holds becomes its hexadecimal code, so that
/// different ids never meet.
pub(crate) fn handle(id: &str) -> String {
    id.chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '-' => c.to_string(),
            'A'..='Z' => c.to_ascii_lowercase().to_string(),
            c => format!("-{:x}-", u32::from(c)),
        })
        .collect()
}

/// The option value of an offer: its attributes, or its SKU when it has none.
fn option_value(offer: &Offer) -> String {
    let words: Vec<&str> = offer.attributes.values().map(String::as_str).filter(|v| !v.is_empty()).collect();
    let text = words.join(" / ");
    if text.is_empty() || text.chars().count() > 255 { offer.sku.to_string() } else { text }
}

pub(crate) fn set_product_variables(shop: &Shop, _: &OpCx<'_>, input: &Upsert<'_>) -> Result<Value, Error> {
    let first = input.offers.first().ok_or_else(|| Error::invalid("no offer to put"))?;
    let old: Vec<&ExistingVariant> = input.existing.iter().flat_map(|e| e.variants.nodes.iter()).collect();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut variants = Vec::new();
    for variant in
        old.iter().filter(|v| !input.offers.iter().any(|o| v.sku.as_deref() == Some(o.sku.as_str())))
    {
        let options: Vec<Value> =
            variant.selected_options.iter().map(|o| json!({"optionName": o.name, "name": o.value})).collect();
        for option in &variant.selected_options {
            taken.insert(option.value.clone(), variant.id.clone());
        }
        variants.push(json!({"id": variant.id, "optionValues": options}));
    }
    for offer in &input.offers {
        let known = old.iter().find(|v| v.sku.as_deref() == Some(offer.sku.as_str()));
        let mut value = option_value(offer);
        if taken.contains_key(&value) {
            value = offer.sku.to_string();
        }
        taken.insert(value.clone(), offer.sku.to_string());
        variants.push(variant(shop, offer, known.map(|v| v.id.as_str()), &value)?);
    }
    let values: Vec<Value> = taken.keys().map(|v| json!({"name": v})).collect();
    let mut product = Map::new();
    let mut put = |name: &str, value: Value| product.insert(name.to_owned(), value);
    if first.content.title.chars().count() > 255 {
        return Err(Error::invalid(format!("title of {} has more than 255 characters", first.sku)));
    }
    put("title", first.content.title.clone().into());
    put("descriptionHtml", description(first).into());
    put("handle", input.handle.clone().into());
    put("status", "ACTIVE".into());
    if let Some(brand) = &first.brand {
        put("vendor", brand.clone().into());
    }
    match first.category.as_deref() {
        Some(category) if category.starts_with(crate::categories::PREFIX) => put("category", category.into()),
        Some(category) => put("productType", category.into()),
        None => None,
    };
    put("productOptions", json!([{"name": OPTION, "position": 1, "values": values}]));
    // Files are authoritative, too: an empty list would take images away that somebody added by hand.
    if !input.images.is_empty() {
        let files: Vec<Value> =
            input.images.iter().map(|u| json!({"originalSource": u, "contentType": "IMAGE"})).collect();
        put("files", files.into());
    }
    put("variants", variants.into());
    let id = match &input.existing {
        Some(existing) => json!({"id": existing.id}),
        None => json!({"handle": input.handle}),
    };
    Ok(json!({"id": id, "in": product}))
}

fn description(offer: &Offer) -> String {
    let mut html = offer.content.description.clone();
    if !offer.content.bullets.is_empty() {
        let escape = |t: &str| t.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let items: String = offer.content.bullets.iter().map(|b| format!("<li>{}</li>", escape(b))).collect();
        html = format!("{html}<ul>{items}</ul>");
    }
    html
}

fn variant(shop: &Shop, offer: &Offer, id: Option<&str>, value: &str) -> Result<Value, Error> {
    if offer.price.currency() != shop.currency {
        return Err(Error::invalid(format!(
            "price of {} is in {}, but the shop sells in {}",
            offer.sku,
            offer.price.currency(),
            shop.currency
        )));
    }
    let mut item = Map::new();
    item.insert("tracked".into(), true.into());
    if let Some(origin) = offer.origin {
        item.insert("countryCodeOfOrigin".into(), origin.code().into());
    }
    if let Some(hs) = &offer.hs {
        item.insert("harmonizedSystemCode".into(), hs.hs6().into());
    }
    if let Some(weight) = offer.weight {
        item.insert("measurement".into(), json!({"weight": {"value": weight.0, "unit": "GRAMS"}}));
    }
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("sku", offer.sku.as_str().into());
    put("price", offer.price.amount().into());
    put("inventoryPolicy", "DENY".into());
    put("optionValues", json!([{"optionName": OPTION, "name": value}]));
    put("inventoryItem", Value::Object(item));
    if let Some(gtin) = &offer.gtin {
        put("barcode", gtin.as_str().into());
    }
    match id {
        Some(id) => put("id", id.into()),
        // Stock of a variant that exists is set by compare-and-set, never by overwriting.
        None => put(
            "inventoryQuantities",
            json!([{"locationId": shop.location, "name": "available", "quantity": offer.quantity}]),
        ),
    };
    Ok(Value::Object(map))
}

/// The product's id and its variants' ids by SKU.
#[derive(Debug)]
pub(crate) struct Upserted {
    pub(crate) product: String,
    pub(crate) outcomes: Vec<ItemOutcome>,
}

pub(crate) fn set_product(
    _: &Shop,
    _: &OpCx<'_>,
    input: &Upsert<'_>,
    response: &WireResponse,
) -> Result<Upserted, Error> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "productSet")]
        set: Set,
    }
    #[derive(Deserialize)]
    struct Set {
        product: Option<Existing>,
    }
    let product =
        data::<Data>(response)?.set.product.ok_or_else(|| Error::decode("productSet gave no product"))?;
    let outcomes = input
        .offers
        .iter()
        .map(|offer| {
            let found = product.variants.nodes.iter().find(|v| v.sku.as_deref() == Some(offer.sku.as_str()));
            match found.map(|v| ListingId::new(v.id.clone())) {
                Some(Ok(id)) => ItemOutcome::ok(&offer.sku, Some(id)),
                _ => ItemOutcome::err(&offer.sku, Error::decode("productSet does not mention this SKU")),
            }
        })
        .collect();
    Ok(Upserted { product: product.id, outcomes })
}

// ---- publish, archive, delete variants -----------------------------------------------------------

pub(crate) static PUBLISH: OpSpec = OpSpec {
    name: "products.publish",
    facet: Facet::Offers,
    safety: Safety::Natural,
    priority: Priority::Content,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/publishablePublish",
};
pub(crate) const PUBLISH_TEXT: &str = "mutation Publish($id: ID!, $in: [PublicationInput!]!) { publishablePublish(id: $id, input: $in) { userErrors { field message } } }";

pub(crate) fn publish_variables(shop: &Shop, _: &OpCx<'_>, product: &str) -> Result<Value, Error> {
    let publication =
        shop.publication.as_deref().ok_or_else(|| Error::config("no publication is configured"))?;
    Ok(json!({"id": product, "in": [{"publicationId": publication}]}))
}

pub(crate) fn nothing<I: ?Sized>(
    _: &Shop,
    _: &OpCx<'_>,
    _: &I,
    response: &WireResponse,
) -> Result<(), Error> {
    // User errors were found by the protocol; what is left is success, if the answer is one at all: a body that was
    // cut off says nothing of what was done.
    let payloads: BTreeMap<String, Option<serde::de::IgnoredAny>> = data(response)?;
    if payloads.is_empty() || payloads.values().any(Option::is_none) {
        return Err(Error::decode("the mutation gave no payload"));
    }
    Ok(())
}

pub(crate) static ARCHIVE: OpSpec = OpSpec {
    name: "products.archive",
    facet: Facet::Withdraw,
    safety: Safety::Natural,
    priority: Priority::Stock,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/productSet",
};

pub(crate) fn archive_variables(_: &Shop, _: &OpCx<'_>, product: &str) -> Result<Value, Error> {
    // Fields that are not given stay as they are; only lists that are given are authoritative.
    Ok(json!({"id": {"id": product}, "in": {"status": "ARCHIVED"}}))
}

pub(crate) static DELETE_VARIANTS: OpSpec = OpSpec {
    name: "products.delete_variants",
    facet: Facet::Withdraw,
    safety: Safety::Natural,
    priority: Priority::Stock,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/productVariantsBulkDelete",
};
pub(crate) const DELETE_VARIANTS_TEXT: &str = "mutation Delete($p: ID!, $v: [ID!]!) { productVariantsBulkDelete(productId: $p, variantsIds: $v) { userErrors { field message code } } }";

pub(crate) fn delete_variants_variables(
    _: &Shop,
    _: &OpCx<'_>,
    input: &(String, Vec<String>),
) -> Result<Value, Error> {
    Ok(json!({"p": input.0, "v": input.1}))
}

// ---- prices --------------------------------------------------------------------------------------

pub(crate) static SET_PRICES: OpSpec = OpSpec {
    name: "prices.set",
    facet: Facet::Prices,
    safety: Safety::Natural,
    priority: Priority::Price,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/productVariantsBulkUpdate",
};
pub(crate) const SET_PRICES_TEXT: &str = "mutation Price($p: ID!, $v: [ProductVariantsBulkInput!]!) { productVariantsBulkUpdate(productId: $p, variants: $v, allowPartialUpdates: false) { \
productVariants { id price } userErrors { field message code } } }";

/// Prices of variants of one product: (variant id, price).
#[derive(Debug)]
pub(crate) struct NewPrices {
    pub(crate) product: String,
    pub(crate) prices: Vec<(String, Money)>,
}

pub(crate) fn set_prices_variables(shop: &Shop, _: &OpCx<'_>, input: &NewPrices) -> Result<Value, Error> {
    if let Some((id, price)) = input.prices.iter().find(|(_, p)| p.currency() != shop.currency) {
        return Err(Error::invalid(format!(
            "price of {id} is in {}, but the shop sells in {}",
            price.currency(),
            shop.currency
        )));
    }
    let variants: Vec<Value> =
        input.prices.iter().map(|(id, p)| json!({"id": id, "price": p.amount()})).collect();
    Ok(json!({"p": input.product, "v": variants}))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tradewind_connector::role::Draft;

    use super::{Existing, check_room, handle, images};

    #[test]
    fn a_product_shows_the_images_of_all_its_variants() {
        let one = |sku: &str, images: &[&str]| {
            json!({"offer": {"sku": sku, "product": "CUP", "price": {"amount": "9.90", "currency": "EUR"}, "quantity": 1,
                "locale": "de", "content": {"title": "Tasse", "description": ""}, "images": images}})
        };
        // Blue alone is put; red and green stay, and both show the handle.
        let draft: Draft = serde_json::from_value(json!({"product": "CUP",
            "offers": [one("CUP-BLUE", &["blue.jpg", "handle.jpg"])],
            "siblings": [one("CUP-RED", &["red.jpg"]), one("CUP-AMBER", &["amber.jpg", "handle.jpg"])]}))
        .unwrap();
        assert_eq!(images(&draft), ["amber.jpg", "handle.jpg", "blue.jpg", "red.jpg"]);
    }

    #[test]
    fn a_product_of_which_variants_may_be_unread_is_not_set() {
        let product = |n: usize, more: bool| -> Existing {
            let nodes: Vec<_> =
                (0..n).map(|n| json!({"id": format!("gid://{n}"), "sku": n.to_string()})).collect();
            let page = json!({"hasNextPage": more, "endCursor": "c"});
            serde_json::from_value(json!({"id": "gid://p", "variants": {"nodes": nodes, "pageInfo": page}}))
                .unwrap()
        };
        // One page is 250 variants; the answer to 251 would be two.
        for (there, more, new, fits) in [
            (0, false, 250, true),
            (250, false, 0, true),
            (249, false, 1, true),
            (240, false, 11, false),
            (250, false, 1, false),
            (250, true, 0, false),
        ] {
            assert_eq!(check_room(Some(&product(there, more)), new).is_ok(), fits, "{there} and {new}");
        }
    }

    #[test]
    fn handles_are_plain_and_distinct() {
        assert_eq!(handle("Tea-Cup-1"), "tea-cup-1");
        assert_eq!(handle("tea cup"), "tea-20-cup");
        assert_ne!(handle("a.b"), handle("a_b"));
    }
}
