//! Listings: put, patch, delete, read (Listings Items 2021-08-01).

use async_trait::async_trait;
use http::Method;
use serde_json::{Map, Value, json};
use tradewind_connector::role::{
    Draft, DraftOffer, ItemOutcome, Listings, Offers, PriceChange, Prices, Stock, StockChange, offers_of,
    read_each,
};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, FieldError, Handle, Kind, Num, OpCx, OpSpec, Operation, Page, Priority,
    Safety, Submitted, Upstream, WireRequest, WireResponse, segment,
};
use tradewind_domain::{
    Currency, ListingId, ListingIssue, ListingRef, ListingState, LiveListing, Money, Offer, Sku,
};

use crate::Amazon;
use crate::bulk;
use crate::config::Site;
use crate::listings_report::SEARCHABLE;
use crate::wanted::report_in;
use crate::wire::listings as w;

/// Merchant-fulfilled stock.
pub(crate) const MERCHANT: &str = "DEFAULT";
/// A SKU's path; a SKU may hold any character.
fn path(site: &Site, sku: &Sku) -> String {
    format!("/listings/2021-08-01/items/{}/{}", segment(&site.seller_id), segment(sku.as_str()))
}

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Offers,
    // PUT, PATCH (absolute values) and DELETE by SKU: twice is the same as once.
    safety: Safety::Natural,
    priority: Priority::Content,
    buckets: &[],
    keep: false,
    doc: "https://developer-docs.amazon.com/sp-api/docs/listings-items-api",
};
static PUT: OpSpec = OpSpec { name: "listings.put", buckets: &["listings.put"], ..LIKE };
static PATCH_STOCK: OpSpec = OpSpec {
    name: "listings.patch_stock",
    facet: Facet::Stock,
    priority: Priority::Stock,
    buckets: &["listings.patch"],
    ..LIKE
};
static PATCH_PRICE: OpSpec = OpSpec {
    name: "listings.patch_price",
    facet: Facet::Prices,
    priority: Priority::Price,
    buckets: &["listings.patch"],
    ..LIKE
};
static DELETE: OpSpec =
    OpSpec { name: "listings.delete", facet: Facet::Withdraw, buckets: &["listings.delete"], ..LIKE };
static GET: OpSpec = OpSpec {
    name: "listings.get",
    facet: Facet::Listings,
    safety: Safety::Read,
    buckets: &["listings.get"],
    ..LIKE
};
static SWEEP: OpSpec = OpSpec {
    name: "listings.search",
    facet: Facet::Listings,
    safety: Safety::Read,
    buckets: &["listings.search"],
    ..LIKE
};

fn purchasable_offer(site: &Site, price: Money) -> Result<Value, Error> {
    if price.currency() != site.currency {
        return Err(Error::invalid(format!("this store sells in {}, the price is {price}", site.currency)));
    }
    Ok(json!({
        "marketplace_id": site.marketplace_id, "currency": price.currency(),
        "our_price": [{"schedule": [{"value_with_tax": Num(price.decimal()).to_value()?}]}],
    }))
}

fn availability(quantity: u32) -> Value {
    json!({"fulfillment_channel_code": MERCHANT, "quantity": quantity})
}

/// Attributes of a complete listing. Names are Amazon's, in snake case; every value is a list of objects.
fn attributes(site: &Site, offer: &Offer) -> Result<Map<String, Value>, Error> {
    let at = |value: Value| json!([{"value": value, "marketplace_id": site.marketplace_id}]);
    let text = |value: &str| json!([{"value": value, "language_tag": offer.locale.0.replace('-', "_"), "marketplace_id": site.marketplace_id}]);
    let mut all = Map::new();
    all.insert("condition_type".into(), at(json!("new_new")));
    all.insert("item_name".into(), text(&offer.content.title));
    if !offer.content.description.is_empty() {
        all.insert("product_description".into(), text(&offer.content.description));
    }
    if !offer.content.bullets.is_empty() {
        let bullets: Vec<Value> = offer.content.bullets.iter().map(|b| json!({"value": b, "language_tag": offer.locale.0.replace('-', "_"), "marketplace_id": site.marketplace_id})).collect();
        all.insert("bullet_point".into(), Value::Array(bullets));
    }
    if let Some(brand) = &offer.brand {
        all.insert("brand".into(), text(brand));
    }
    match &offer.gtin {
        Some(gtin) => {
            let kind = match gtin.as_str().len() {
                12 => "upc",
                14 => "gtin",
                _ => "ean",
            };
            all.insert(
                "externally_assigned_product_identifier".into(),
                json!([{"type": kind, "value": gtin.as_str(), "marketplace_id": site.marketplace_id}]),
            );
        }
        None => {
            all.insert("supplier_declared_has_product_identifier_exemption".into(), at(json!(true)));
        }
    }
    if let Some(origin) = offer.origin {
        all.insert("country_of_origin".into(), at(json!(origin.code())));
    }
    for (n, image) in offer.images.iter().enumerate() {
        let name = if n == 0 {
            "main_product_image_locator".to_owned()
        } else {
            format!("other_product_image_locator_{n}")
        };
        all.insert(name, json!([{"media_location": image, "marketplace_id": site.marketplace_id}]));
    }
    if let Some(colour) = offer.attributes.get("colour").or_else(|| offer.attributes.get("color")) {
        all.insert("color".into(), text(colour));
    }
    all.insert("fulfillment_availability".into(), json!([availability(offer.quantity)]));
    all.insert("purchasable_offer".into(), json!([purchasable_offer(site, offer.price)?]));
    Ok(all)
}

/// Most characters of a title.
const TITLE: usize = 200;

/// A complete listing, as PUT and the messages of a feed carry it.
pub(crate) fn complete(site: &Site, offer: &Offer) -> Result<w::Put, Error> {
    let title = offer.content.title.chars().count();
    if title > TITLE {
        return Err(Error::invalid(format!(
            "the title has {title} characters, Amazon takes {TITLE}: shorten it"
        )));
    }
    Ok(w::Put {
        product_type: offer.category.clone().unwrap_or_else(|| "PRODUCT".to_owned()),
        requirements: "LISTING",
        attributes: attributes(site, offer)?,
    })
}

/// What a submission's answer means: `INVALID` inside a 200 is a refusal, its issues are the field errors. `VALID`, like the
/// catalogue's number, is told of a preview alone, which stores nothing: of a submission it says nothing, and reading settles it.
fn submitted(response: &WireResponse) -> Result<(), Error> {
    let answer: w::Submission = response.json()?;
    match answer.status.as_str() {
        "ACCEPTED" => Ok(()),
        "INVALID" => {
            let fields: Vec<FieldError> = answer
                .issues
                .iter()
                .filter(|i| i.severity == "ERROR")
                .map(|i| FieldError {
                    field: i.attribute_names.join(","),
                    code: i.code.clone(),
                    message: i.message.clone(),
                })
                .collect();
            let message = "the listing was refused".to_owned();
            let upstream = Upstream {
                http: response.status,
                code: "INVALID".to_owned(),
                message,
                fields,
                ..Upstream::default()
            };
            Err(Error::upstream(Kind::Rejected, upstream))
        }
        other => Err(Error::new(Kind::UnknownCode, format!("submission status '{other}'")).after_send()),
    }
}

struct Put<'a>(&'a Site);

impl Operation for Put<'_> {
    type In = Offer;
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &PUT
    }
    fn subject(&self, offer: &Offer) -> String {
        offer.sku.to_string()
    }
    fn encode(&self, _: &OpCx<'_>, offer: &Offer) -> Result<WireRequest, Error> {
        WireRequest::new(Method::PUT, &self.0.endpoint, &path(self.0, &offer.sku))?
            .query("marketplaceIds", self.0.marketplace_id)
            .json(&complete(self.0, offer)?)
    }
    fn decode(&self, _: &OpCx<'_>, _: &Offer, response: &WireResponse) -> Result<(), Error> {
        submitted(response)
    }
}

/// A patch of one top-level attribute.
struct Patch<'a> {
    site: &'a Site,
    spec: &'static OpSpec,
}

enum Change {
    Quantity(Sku, u32),
    Price(Sku, Money),
}

impl Operation for Patch<'_> {
    type In = Change;
    type Out = ();
    fn spec(&self) -> &OpSpec {
        self.spec
    }
    fn subject(&self, change: &Change) -> String {
        match change {
            Change::Quantity(sku, _) | Change::Price(sku, _) => sku.to_string(),
        }
    }
    fn encode(&self, _: &OpCx<'_>, change: &Change) -> Result<WireRequest, Error> {
        let (sku, attribute, value) = match change {
            Change::Quantity(sku, quantity) => {
                (sku, "/attributes/fulfillment_availability", availability(*quantity))
            }
            Change::Price(sku, price) => {
                (sku, "/attributes/purchasable_offer", purchasable_offer(self.site, *price)?)
            }
        };
        // The product type PRODUCT is accepted for patches of the offer alone.
        let body = w::Patch {
            product_type: "PRODUCT",
            patches: vec![w::PatchOp { op: "replace", path: attribute, value: vec![value] }],
        };
        WireRequest::new(Method::PATCH, &self.site.endpoint, &path(self.site, sku))?
            .query("marketplaceIds", self.site.marketplace_id)
            .json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, _: &Change, response: &WireResponse) -> Result<(), Error> {
        submitted(response)
    }
}

struct Delete<'a>(&'a Site);

impl Operation for Delete<'_> {
    type In = Sku;
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &DELETE
    }
    fn subject(&self, sku: &Sku) -> String {
        sku.to_string()
    }
    fn encode(&self, _: &OpCx<'_>, sku: &Sku) -> Result<WireRequest, Error> {
        Ok(WireRequest::new(Method::DELETE, &self.0.endpoint, &path(self.0, sku))?
            .query("marketplaceIds", self.0.marketplace_id))
    }
    fn decode(&self, _: &OpCx<'_>, _: &Sku, response: &WireResponse) -> Result<(), Error> {
        submitted(response)
    }
}

const READ: &str = "summaries,issues,offers,fulfillmentAvailability";

struct Get<'a>(&'a Site);

impl Operation for Get<'_> {
    type In = Sku;
    type Out = LiveListing;
    fn spec(&self) -> &OpSpec {
        &GET
    }
    fn encode(&self, _: &OpCx<'_>, sku: &Sku) -> Result<WireRequest, Error> {
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, &path(self.0, sku))?
            .query("marketplaceIds", self.0.marketplace_id)
            .query("includedData", READ))
    }
    fn decode(&self, _: &OpCx<'_>, _: &Sku, response: &WireResponse) -> Result<LiveListing, Error> {
        listing(self.0, &response.json()?)
    }
}

struct Sweep<'a>(&'a Site);

impl Operation for Sweep<'_> {
    type In = Option<Cursor>;
    type Out = (u64, Page<Result<LiveListing, Error>>);
    fn spec(&self) -> &OpSpec {
        &SWEEP
    }
    fn encode(&self, _: &OpCx<'_>, cursor: &Option<Cursor>) -> Result<WireRequest, Error> {
        let path = format!("/listings/2021-08-01/items/{}", segment(&self.0.seller_id));
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, &path)?
            .query("marketplaceIds", self.0.marketplace_id)
            .query("includedData", READ)
            .query("pageSize", "20")
            .query_opt("pageToken", cursor.as_ref().map(|c| c.0.clone())))
    }
    fn decode(&self, _: &OpCx<'_>, _: &Option<Cursor>, response: &WireResponse) -> Result<Self::Out, Error> {
        let page: w::Items = response.json()?;
        let items = page.items.read("listing", "sku", |i: w::Item| listing(self.0, &i)).collect();
        let next = page.pagination.and_then(|p| p.next_token).map(Cursor);
        Ok((page.number_of_results, Page { items, next }))
    }
}

/// A listing as read back.
fn listing(site: &Site, item: &w::Item) -> Result<LiveListing, Error> {
    let summary = item.summaries.iter().find(|s| s.marketplace_id == site.marketplace_id);
    let issues: Vec<ListingIssue> = item
        .issues
        .iter()
        .map(|i| ListingIssue {
            code: i.code.clone(),
            message: i.message.clone(),
            blocking: i.severity == "ERROR",
            attribute: i.attribute_names.first().cloned(),
        })
        .collect();
    let quantity = item
        .fulfillment_availability
        .iter()
        .find(|a| a.fulfillment_channel_code == MERCHANT)
        .and_then(|a| a.quantity);
    let buyable = summary.is_some_and(|s| s.status.iter().any(|w| w == "BUYABLE"));
    let state = match (summary, buyable) {
        _ if buyable => ListingState::Live,
        _ if issues.iter().any(|i| i.blocking) => ListingState::Invalid,
        // Submitted, not yet in the catalogue.
        (None, _) => ListingState::Pending,
        (Some(s), _) if s.status.is_empty() => ListingState::Inactive,
        // DISCOVERABLE alone: shown, but not sold. With nothing on the shelf that is how it should be; with stock, the
        // offer is suppressed.
        (Some(s), _) if s.status.iter().any(|w| w == "DISCOVERABLE") => match quantity {
            Some(0) => ListingState::Live,
            _ => ListingState::Inactive,
        },
        // Words that the model does not have say neither that it sells nor that it does not.
        (Some(s), _) => ListingState::Other(s.status.join(" ")),
    };
    let offer = item.offers.iter().find(|o| o.marketplace_id == site.marketplace_id && o.offer_type == "B2C");
    let price = offer.map(|o| o.price.amount.money(Currency::new(&o.price.currency_code)?)).transpose()?;
    let asin = summary.and_then(|s| s.asin.clone());
    Ok(LiveListing {
        key: ListingRef { sku: Sku::new(item.sku.clone())?, listing: asin.map(ListingId::new).transpose()? },
        state,
        price,
        quantity,
        title: summary.and_then(|s| s.item_name.clone()),
        issues,
    })
}

#[async_trait]
impl Offers for Amazon {
    async fn put(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut outcomes = Vec::new();
        for DraftOffer { offer, .. } in offers_of(drafts) {
            let result = self.pipeline.call(&Put(&self.site), offer, &cx.step(offer.sku.as_str())).await;
            outcomes.push(ItemOutcome::of(&offer.sku, result.map(|()| None)));
        }
        Ok(Submitted::Done(outcomes))
    }

    async fn withdraw(
        &self,
        cx: &CallCx,
        listings: &[ListingRef],
    ) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut outcomes = Vec::with_capacity(listings.len());
        for key in listings {
            let result = self.pipeline.call(&Delete(&self.site), &key.sku, &cx.step(key.sku.as_str())).await;
            outcomes.push(ItemOutcome::of(&key.sku, result.map(|()| None)));
        }
        Ok(Submitted::Done(outcomes))
    }

    async fn list(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let offers: Vec<&Offer> = offers_of(drafts).map(|o| &o.offer).collect();
        self.list_by_feed(cx, &offers).await
    }

    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        match handle.flow.as_str() {
            bulk::FLOW => self.poll_listings(cx, handle).await,
            other => Err(Error::new(Kind::Unsupported, format!("Amazon listings know no flow '{other}'"))),
        }
    }
}

#[async_trait]
impl Stock for Amazon {
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let patch = Patch { site: &self.site, spec: &PATCH_STOCK };
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            let sku = &change.key.sku;
            let result = self
                .pipeline
                .call(&patch, &Change::Quantity(sku.clone(), change.quantity), &cx.step(sku.as_str()))
                .await;
            outcomes.push(ItemOutcome::of(sku, result.map(|()| None)));
        }
        Ok(Submitted::Done(outcomes))
    }
}

#[async_trait]
impl Prices for Amazon {
    async fn set(&self, cx: &CallCx, changes: &[PriceChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let patch = Patch { site: &self.site, spec: &PATCH_PRICE };
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            let sku = &change.key.sku;
            let result = self
                .pipeline
                .call(&patch, &Change::Price(sku.clone(), change.price), &cx.step(sku.as_str()))
                .await;
            outcomes.push(ItemOutcome::of(sku, result.map(|()| None)));
        }
        Ok(Submitted::Done(outcomes))
    }
}

#[async_trait]
impl Listings for Amazon {
    async fn read(&self, cx: &CallCx, keys: &[ListingRef]) -> Result<Vec<LiveListing>, Error> {
        read_each(keys, |key| async move { self.pipeline.call(&Get(&self.site), &key.sku, cx).await }).await
    }

    async fn sweep(
        &self,
        cx: &CallCx,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<LiveListing, Error>>, Error> {
        if let Some(report) = cursor.and_then(report_in) {
            return self.sweep_report(cx, report).await;
        }
        let (all, page) = self.pipeline.call(&Sweep(&self.site), &cursor.cloned(), cx).await?;
        // Asked on each page: listings may be added while it is paged.
        if all > SEARCHABLE { self.sweep_by_report(cx).await } else { Ok(page) }
    }
}
