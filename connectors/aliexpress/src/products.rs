//! Products: publish, edit, delete, stock, price, read back. One offer is one product with one SKU.

use http::Method;
use serde::Serialize;
use tradewind_connector::role::{ItemOutcome, PriceChange, StockChange};
use tradewind_connector::{
    Error, Facet, Kind, Num, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse,
};
use tradewind_domain::{ListingId, ListingRef, LiveListing, Offer};
use url::Url;

use crate::config::Settings;
use crate::map::{centimetres, kilograms, listing_state};
use crate::wire::{self, BatchAnswer, BatchRow, Id, Posted, Product, ProductPage, ProductSku, Rows, Wrapped};

/// Products in one batch update, as the metadata of both says.
pub(crate) const BATCH: usize = 20;
/// Statuses that `product.list.get` can be asked for; where most listings are comes first.
pub(crate) const STATUSES: [&str; 4] = ["onSelling", "auditing", "offline", "editingRequired"];
/// Largest quantity of a SKU.
pub(crate) const MAX_QUANTITY: u32 = 999_999;
/// Longest title, characters.
pub(crate) const TITLE: usize = 218;

/// A business call: the method in the query, everything else in the form.
pub(crate) fn business(
    endpoint: &Url,
    method: &str,
    fields: &[(&str, String)],
) -> Result<WireRequest, Error> {
    let mut form: Vec<(String, String)> = fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    form.push(("format".to_owned(), "json".to_owned()));
    form.push(("simplify".to_owned(), "true".to_owned()));
    Ok(WireRequest::new(Method::POST, endpoint, "/sync")?.query("method", method).form(form))
}

/// A DTO parameter: JSON as text.
pub(crate) fn dto<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::invalid(format!("request: {e}")))
}

pub(crate) fn listing_id(id: &Id) -> Result<ListingId, Error> {
    Ok(ListingId::new(id.0.clone())?)
}

const fn spec(
    name: &'static str,
    facet: Facet,
    safety: Safety,
    priority: Priority,
    doc: &'static str,
) -> OpSpec {
    OpSpec { name, facet, safety, priority, buckets: &["seller"], keep: false, doc }
}

// ---- find a product by SKU -------------------------------------------------------------------------------

pub(crate) struct Find {
    pub(crate) endpoint: Url,
}

/// Which SKU, in which status.
pub(crate) struct FindIn {
    pub(crate) sku: String,
    pub(crate) status: &'static str,
}

static FIND: OpSpec = spec(
    "product.find",
    Facet::Listings,
    Safety::Read,
    Priority::Content,
    "aliexpress.solution.product.list.get",
);

impl Operation for Find {
    type In = FindIn;
    type Out = Option<ListingId>;
    fn spec(&self) -> &OpSpec {
        &FIND
    }
    fn encode(&self, _: &OpCx<'_>, input: &FindIn) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Query<'a> {
            product_status_type: &'a str,
            sku_code: &'a str,
            current_page: u32,
            page_size: u32,
        }
        let query =
            Query { product_status_type: input.status, sku_code: &input.sku, current_page: 1, page_size: 20 };
        business(&self.endpoint, FIND.doc, &[("aeop_a_e_product_list_query", dto(&query)?)])
    }
    fn decode(&self, _: &OpCx<'_>, _: &FindIn, response: &WireResponse) -> Result<Option<ListingId>, Error> {
        let page: Wrapped<ProductPage> = wire::read(response)?;
        let rows = page.result.aeop_a_e_product_display_d_t_o_list.0;
        rows.first().map(|r| listing_id(&r.product_id)).transpose()
    }
    fn subject(&self, input: &FindIn) -> String {
        input.sku.clone()
    }
}

// ---- publish and edit ------------------------------------------------------------------------------------

pub(crate) struct Publish {
    pub(crate) settings: Settings,
}

pub(crate) struct Edit {
    pub(crate) settings: Settings,
}

/// An offer and the product that holds it already.
pub(crate) struct EditIn {
    pub(crate) offer: Offer,
    pub(crate) product: ListingId,
}

#[derive(Serialize)]
struct Subject<'a> {
    language: &'a str,
    subject: &'a str,
}
#[derive(Serialize)]
struct Description<'a> {
    language: &'a str,
    web_detail: String,
    mobile_detail: String,
}
#[derive(Serialize)]
struct Attribute<'a> {
    attribute_name: &'a str,
    attribute_value: &'a str,
}
#[derive(Serialize)]
struct SkuInfo<'a> {
    sku_code: &'a str,
    price: String,
    inventory: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ean_code: Option<String>,
}
#[derive(Serialize)]
struct ProductDto<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    multi_language_subject_list: Vec<Subject<'a>>,
    multi_language_description_list: Vec<Description<'a>>,
    aliexpress_category_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand_name: Option<&'a str>,
    main_image_urls_list: &'a [String],
    attribute_list: Vec<Attribute<'a>>,
    sku_info_list: Vec<SkuInfo<'a>>,
    inventory_deduction_strategy: &'static str,
    weight: String,
    package_length: u32,
    package_width: u32,
    package_height: u32,
    freight_template_id: u64,
    service_policy_id: u64,
    shipping_lead_time: u32,
}

/// What AliExpress cannot take is refused here, before anything is sent.
fn product<'a>(
    settings: &Settings,
    offer: &'a Offer,
    product: Option<&ListingId>,
) -> Result<ProductDto<'a>, Error> {
    let sku = offer.sku.as_str();
    let title = offer.content.title.trim();
    if title.is_empty() || title.chars().count() > TITLE {
        return Err(Error::invalid(format!("{sku}: the title must have 1 to {TITLE} characters")));
    }
    if offer.price.currency() != settings.currency {
        let text = format!(
            "{sku}: the shop's prices are in {}, the offer's in {}",
            settings.currency,
            offer.price.currency()
        );
        return Err(Error::invalid(text));
    }
    if offer.quantity == 0 || offer.quantity > MAX_QUANTITY {
        return Err(Error::invalid(format!(
            "{sku}: a product is published with 1 to {MAX_QUANTITY} pieces, not {}",
            offer.quantity
        )));
    }
    let category = match offer.category.as_deref() {
        Some(text) => text
            .parse()
            .map_err(|_| Error::invalid(format!("{sku}: category '{text}' is not an AliExpress number")))?,
        None => settings.default_category.ok_or_else(|| {
            Error::invalid(format!("{sku}: no category, and no 'default_category' in the account's settings"))
        })?,
    };
    let weight =
        offer.weight.ok_or_else(|| Error::invalid(format!("{sku}: AliExpress asks for a weight")))?;
    let size = offer
        .dimensions
        .ok_or_else(|| Error::invalid(format!("{sku}: AliExpress asks for the parcel's size")))?;
    if offer.images.is_empty() {
        return Err(Error::invalid(format!("{sku}: AliExpress asks for at least one image")));
    }
    // BCP 47 `pt-BR` is `pt` here.
    let language = offer.locale.0.split(['-', '_']).next().unwrap_or("en");
    let html = if offer.content.description.is_empty() { title } else { offer.content.description.as_str() };
    let bullets: String = offer.content.bullets.iter().map(|b| format!("<li>{b}</li>")).collect();
    let web = if bullets.is_empty() { html.to_owned() } else { format!("{html}<ul>{bullets}</ul>") };
    Ok(ProductDto {
        product_id: product.map(|p| Id(p.as_str().to_owned())),
        language: product.is_none().then_some(language),
        multi_language_subject_list: vec![Subject { language, subject: title }],
        multi_language_description_list: vec![Description {
            language,
            web_detail: module("html", &web)?,
            mobile_detail: module("text", title)?,
        }],
        aliexpress_category_id: category,
        brand_name: offer.brand.as_deref(),
        main_image_urls_list: &offer.images[..offer.images.len().min(6)],
        attribute_list: offer
            .attributes
            .iter()
            .map(|(k, v)| Attribute { attribute_name: k, attribute_value: v })
            .collect(),
        sku_info_list: vec![SkuInfo {
            sku_code: sku,
            price: offer.price.amount(),
            inventory: offer.quantity,
            ean_code: offer.gtin.as_ref().map(ToString::to_string),
        }],
        inventory_deduction_strategy: "payment_success_deduct",
        weight: kilograms(weight),
        package_length: centimetres(size.length_mm),
        package_width: centimetres(size.width_mm),
        package_height: centimetres(size.height_mm),
        freight_template_id: settings.freight_template_id,
        service_policy_id: settings.service_policy_id,
        shipping_lead_time: settings.shipping_lead_time_days,
    })
}

/// A description is a JSON text of modules.
fn module(kind: &str, content: &str) -> Result<String, Error> {
    let body = serde_json::json!({ "version": "2.0.0", "moduleList": [{ "type": kind, kind: { "content": content } }] });
    dto(&body)
}

static PUBLISH: OpSpec = spec(
    "product.post",
    Facet::Offers,
    Safety::ReadBack,
    Priority::Content,
    "aliexpress.solution.product.post",
);
static EDIT: OpSpec = spec(
    "product.edit",
    Facet::Offers,
    Safety::Natural,
    Priority::Content,
    "aliexpress.solution.product.edit",
);

impl Operation for Publish {
    type In = Offer;
    type Out = ListingId;
    fn spec(&self) -> &OpSpec {
        &PUBLISH
    }
    fn encode(&self, _: &OpCx<'_>, offer: &Offer) -> Result<WireRequest, Error> {
        let body = dto(&product(&self.settings, offer, None)?)?;
        business(&self.settings.endpoint, PUBLISH.doc, &[("post_product_request", body)])
    }
    fn decode(&self, _: &OpCx<'_>, _: &Offer, response: &WireResponse) -> Result<ListingId, Error> {
        let posted: Wrapped<Posted> = wire::read(response)?;
        listing_id(&posted.result.product_id)
    }
    fn subject(&self, offer: &Offer) -> String {
        offer.sku.to_string()
    }
}

impl Operation for Edit {
    type In = EditIn;
    type Out = ListingId;
    fn spec(&self) -> &OpSpec {
        &EDIT
    }
    fn encode(&self, _: &OpCx<'_>, input: &EditIn) -> Result<WireRequest, Error> {
        let body = dto(&product(&self.settings, &input.offer, Some(&input.product))?)?;
        business(&self.settings.endpoint, EDIT.doc, &[("edit_product_request", body)])
    }
    fn decode(&self, _: &OpCx<'_>, _: &EditIn, response: &WireResponse) -> Result<ListingId, Error> {
        let posted: Wrapped<Posted> = wire::read(response)?;
        listing_id(&posted.result.product_id)
    }
    fn subject(&self, input: &EditIn) -> String {
        input.offer.sku.to_string()
    }
}

// ---- delete ----------------------------------------------------------------------------------------------

pub(crate) struct Delete {
    pub(crate) endpoint: Url,
}

static DELETE: OpSpec = spec(
    "product.delete",
    Facet::Withdraw,
    Safety::Natural,
    Priority::Content,
    "aliexpress.solution.batch.product.delete",
);

impl Operation for Delete {
    type In = ListingId;
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &DELETE
    }
    fn encode(&self, _: &OpCx<'_>, id: &ListingId) -> Result<WireRequest, Error> {
        business(&self.endpoint, DELETE.doc, &[("product_ids", id.as_str().to_owned())])
    }
    fn decode(&self, _: &OpCx<'_>, _: &ListingId, response: &WireResponse) -> Result<(), Error> {
        // The metadata names no fields of the answer: well-formed and without an error is all there is.
        wire::read::<serde_json::Value>(response).map(|_| ())
    }
    fn subject(&self, id: &ListingId) -> String {
        id.to_string()
    }
}

// ---- stock and price -------------------------------------------------------------------------------------

pub(crate) struct SetStock {
    pub(crate) endpoint: Url,
}
pub(crate) struct SetPrice {
    pub(crate) settings: Settings,
}

/// A change with the product it belongs to.
pub(crate) struct On<T> {
    pub(crate) product: ListingId,
    pub(crate) change: T,
}

static STOCK: OpSpec = spec(
    "stock.update",
    Facet::Stock,
    Safety::Natural,
    Priority::Stock,
    "aliexpress.solution.batch.product.inventory.update",
);
static PRICE: OpSpec = spec(
    "price.update",
    Facet::Prices,
    Safety::Natural,
    Priority::Price,
    "aliexpress.solution.batch.product.price.update",
);

#[derive(Serialize)]
struct Row<T> {
    product_id: Id,
    multiple_sku_update_list: [T; 1],
}

impl Operation for SetStock {
    type In = [On<StockChange>];
    type Out = Vec<ItemOutcome>;
    fn spec(&self) -> &OpSpec {
        &STOCK
    }
    fn encode(&self, _: &OpCx<'_>, input: &[On<StockChange>]) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Quantity<'a> {
            sku_code: &'a str,
            inventory: u32,
        }
        let rows: Vec<Row<Quantity<'_>>> = input
            .iter()
            .map(|on| Row {
                product_id: Id(on.product.as_str().to_owned()),
                multiple_sku_update_list: [Quantity {
                    sku_code: on.change.key.sku.as_str(),
                    inventory: on.change.quantity.min(MAX_QUANTITY),
                }],
            })
            .collect();
        business(&self.endpoint, STOCK.doc, &[("mutiple_product_update_list", dto(&rows)?)])
    }
    fn decode(
        &self,
        _: &OpCx<'_>,
        input: &[On<StockChange>],
        response: &WireResponse,
    ) -> Result<Vec<ItemOutcome>, Error> {
        outcomes(input.iter().map(|on| (&on.change.key, &on.product)), response)
    }
}

impl Operation for SetPrice {
    type In = [On<PriceChange>];
    type Out = Vec<ItemOutcome>;
    fn spec(&self) -> &OpSpec {
        &PRICE
    }
    fn encode(&self, _: &OpCx<'_>, input: &[On<PriceChange>]) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Price<'a> {
            sku_code: &'a str,
            price: String,
        }
        let mut rows: Vec<Row<Price<'_>>> = Vec::with_capacity(input.len());
        for on in input {
            let sku = on.change.key.sku.as_str();
            if on.change.price.currency() != self.settings.currency {
                return Err(Error::invalid(format!(
                    "{sku}: the shop's prices are in {}",
                    self.settings.currency
                )));
            }
            rows.push(Row {
                product_id: Id(on.product.as_str().to_owned()),
                multiple_sku_update_list: [Price { sku_code: sku, price: on.change.price.amount() }],
            });
        }
        business(&self.settings.endpoint, PRICE.doc, &[("mutiple_product_update_list", dto(&rows)?)])
    }
    fn decode(
        &self,
        _: &OpCx<'_>,
        input: &[On<PriceChange>],
        response: &WireResponse,
    ) -> Result<Vec<ItemOutcome>, Error> {
        outcomes(input.iter().map(|on| (&on.change.key, &on.product)), response)
    }
}

/// One outcome per item, in input order; the answer names products in two lists. `update_success: false` beside
/// both lists is the normal form of partial success.
fn outcomes<'a>(
    items: impl Iterator<Item = (&'a ListingRef, &'a ListingId)>,
    response: &WireResponse,
) -> Result<Vec<ItemOutcome>, Error> {
    // Usually flat; some recordings wrap it in `result`.
    let answer: BatchAnswer = match wire::read::<Wrapped<BatchAnswer>>(response) {
        Ok(wrapped) => wrapped.result,
        Err(_) => wire::read(response)?,
    };
    let rows =
        |list: &Rows| list.0.read("product", "product_id", Ok).collect::<Vec<Result<BatchRow, Error>>>();
    let (failed, done) = (rows(&answer.update_failed_list), rows(&answer.update_successful_list));
    let told = !failed.is_empty() || !done.is_empty();
    let code = answer.update_error_code.filter(|c| !c.is_empty());
    if let (Some(code), false) = (&code, told) {
        let text = answer.update_error_message.unwrap_or_default();
        return Err(Error::new(Kind::Rejected, format!("{code}: {text}")).after_send());
    }
    let of = |rows: &[Result<BatchRow, Error>], product: &ListingId| {
        let names = |row: &Result<BatchRow, Error>| match row {
            Ok(row) => row.product_id.0 == product.as_str(),
            Err(odd) => odd.record() == Some(product.as_str()),
        };
        rows.iter().find(|row| names(row)).cloned()
    };
    Ok(items
        .map(|(key, product)| match (of(&failed, product), of(&done, product)) {
            // What became of it cannot be read; the others are told.
            (Some(Err(odd)), _) | (None, Some(Err(odd))) => ItemOutcome::err(&key.sku, odd),
            (Some(Ok(row)), _) => {
                let code = row.error_code.map(|c| c.0).unwrap_or_default();
                let text = format!("{code}: {}", row.error_message.unwrap_or_default());
                ItemOutcome::err(&key.sku, Error::new(Kind::Rejected, text).after_send())
            }
            (None, Some(Ok(_))) => ItemOutcome::ok(&key.sku, Some(product.clone())),
            (None, None) => {
                ItemOutcome::err(&key.sku, Error::decode("the answer does not mention this product"))
            }
        })
        .collect())
}

// ---- read back -------------------------------------------------------------------------------------------

pub(crate) struct Read {
    pub(crate) endpoint: Url,
}

/// A listing that is known to exist.
pub(crate) struct ReadIn {
    pub(crate) key: ListingRef,
    pub(crate) product: ListingId,
}

static READ: OpSpec = spec(
    "product.read",
    Facet::Listings,
    Safety::Read,
    Priority::Content,
    "aliexpress.solution.product.info.get",
);

impl Operation for Read {
    type In = ReadIn;
    type Out = LiveListing;
    fn spec(&self) -> &OpSpec {
        &READ
    }
    fn encode(&self, _: &OpCx<'_>, input: &ReadIn) -> Result<WireRequest, Error> {
        business(&self.endpoint, READ.doc, &[("product_id", input.product.as_str().to_owned())])
    }
    fn decode(&self, _: &OpCx<'_>, input: &ReadIn, response: &WireResponse) -> Result<LiveListing, Error> {
        let product: Wrapped<Product> = wire::read(response)?;
        let product = product.result;
        let key = ListingRef { sku: input.key.sku.clone(), listing: Some(listing_id(&product.product_id)?) };
        let skus = product.aeop_ae_product_s_k_us.0.read("SKU", "sku_code", Ok);
        let mut skus: Vec<Result<ProductSku, Error>> = skus.collect();
        let is_it = |s: &Result<ProductSku, Error>| {
            s.as_ref().is_ok_and(|s| s.sku_code.as_deref() == Some(key.sku.as_str()))
        };
        // Other SKUs of the product say nothing about this one. One that is odd and nameless may be it: not gone.
        let may_be = |s: &Result<ProductSku, Error>| {
            s.as_ref().is_err_and(|e| e.record().is_none_or(|code| code == key.sku.as_str()))
        };
        let Some(n) = skus.iter().position(is_it).or_else(|| skus.iter().position(may_be)) else {
            return Ok(LiveListing::absent(ListingRef { sku: key.sku, listing: None }));
        };
        let row = skus.swap_remove(n)?;
        let code = row.currency_code.as_deref().or(product.currency_code.as_deref());
        let code = code.ok_or_else(|| Error::decode("a product without currency_code"))?;
        let currency = code.parse().map_err(|_| Error::decode(format!("currency '{code}'")))?;
        let quantity = row.ipm_sku_stock.as_ref().map(|q| q.0.parse()).transpose();
        Ok(LiveListing {
            key,
            state: listing_state(&product.product_status_type),
            price: row.sku_price.map(|p: Num| p.money(currency)).transpose()?,
            quantity: quantity.map_err(|_| Error::decode("ipm_sku_stock"))?,
            title: product.subject.filter(|s| !s.is_empty()),
            issues: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_that_is_odd_leaves_its_own_product_in_doubt() {
        let answer = WireResponse::json_text(
            200,
            r#"{"update_success":false,"update_successful_list":[{"product_id":1},{"product_id":3}],
                "update_failed_list":[{"product_id":2,"error_message":{"en":"no"}},{"product_id":4,"error_code":"F1","error_message":"no"}]}"#,
        );
        let items: Vec<(ListingRef, ListingId)> = ["1", "2", "3", "4", "5"]
            .map(|n| (ListingRef { sku: n.parse().unwrap(), listing: None }, n.parse().unwrap()))
            .into();
        let told = outcomes(items.iter().map(|(key, product)| (key, product)), &answer).unwrap();
        let kinds: Vec<_> = told.into_iter().map(|i| i.result.map(|_| ()).map_err(|e| e.kind())).collect();
        let (unread, rejected) = (Err(Kind::Decode), Err(Kind::Rejected));
        assert_eq!(kinds, [Ok(()), unread, Ok(()), rejected, unread]);
    }
}
