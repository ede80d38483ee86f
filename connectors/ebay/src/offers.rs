//! Offers: a SKU on a marketplace, published as a listing.
//!
//! Putting one is two steps and their look-ups: items in bulk → which offers are there → missing ones created in
//! bulk, others replaced → unpublished ones published in bulk. An item that a bulk call could not take *for now* goes
//! once more alone, where the pipeline retries it. A repetition of the whole by a later plan finds what is there.

use async_trait::async_trait;
use http::Method;
use tradewind_connector::role::{Accepted, Draft, ItemOutcome, Offers, offers_of};
use tradewind_connector::{
    CallCx, Error, Facet, Handle, Kind, OpCx, OpSpec, Operation, Safety, Submitted, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{ListingId, ListingRef, Offer, Sku};

use crate::Ebay;
use crate::config::Site;
use crate::items::{self, BULK, LIKE, request};
use crate::trading::EndItem;
use crate::wire::{self, NewAmount, inventory as w};

const FORMAT: &str = "FIXED_PRICE";

static FIND: OpSpec = OpSpec { name: "offers.find", facet: Facet::Listings, safety: Safety::Read, ..LIKE };
// A second offer of a SKU is refused (25729), and the SKU looks up the first: never doubled, but a repetition is not
// answered with the offer's id either.
static CREATE_ALL: OpSpec = OpSpec { name: "offers.create_all", safety: Safety::ReadBack, ..LIKE };
static CREATE: OpSpec = OpSpec { name: "offers.create", safety: Safety::ReadBack, ..LIKE };
static UPDATE: OpSpec = OpSpec { name: "offers.update", buckets: &["inventory", "revisions"], ..LIKE };
// An offer has one listing at most, so that a repeated publication cannot make a second. What eBay answers to the
// repetition is UNVERIFIED; an error is settled by the read-back.
static PUBLISH_ALL: OpSpec = OpSpec { name: "offers.publish_all", ..LIKE };
static PUBLISH: OpSpec = OpSpec { name: "offers.publish", ..LIKE };
static WITHDRAW: OpSpec = OpSpec { name: "offers.withdraw", facet: Facet::Withdraw, ..LIKE };

/// `getOffers` of one SKU.
struct Find<'a>(&'a Site);

impl Operation for Find<'_> {
    type In = Sku;
    type Out = Vec<w::ReadOffer>;

    fn spec(&self) -> &OpSpec {
        &FIND
    }

    fn encode(&self, _: &OpCx<'_>, sku: &Sku) -> Result<WireRequest, Error> {
        Ok(request(self.0, Method::GET, "/offer")?
            .query("sku", sku.as_str())
            .query("marketplace_id", self.0.marketplace)
            .query("format", FORMAT))
    }

    fn decode(&self, _: &OpCx<'_>, _: &Sku, response: &WireResponse) -> Result<Vec<w::ReadOffer>, Error> {
        Ok(response.json::<w::Offers>()?.offers)
    }
}

/// `bulkCreateOffer`.
struct CreateAll<'a>(&'a Site);

impl Operation for CreateAll<'_> {
    type In = [w::NewOffer];
    type Out = Vec<Result<w::Answer, Error>>;

    fn spec(&self) -> &OpSpec {
        &CREATE_ALL
    }

    fn subject(&self, offers: &[w::NewOffer]) -> String {
        offers.iter().filter_map(|o| Some(o.key.as_ref()?.sku.as_str())).collect::<Vec<_>>().join(" ")
    }

    fn encode(&self, _: &OpCx<'_>, offers: &[w::NewOffer]) -> Result<WireRequest, Error> {
        request(self.0, Method::POST, "/bulk_create_offer")?
            .header("content-language", self.0.language)?
            .json(&w::Requests { requests: offers })
    }

    fn decode(&self, _: &OpCx<'_>, _: &[w::NewOffer], response: &WireResponse) -> Result<Self::Out, Error> {
        Ok(response.json::<w::EachResponse>()?.responses.read("offer", "sku", Ok).collect())
    }
}

/// `createOffer`; its answer's id.
struct Create<'a>(&'a Site);

impl Operation for Create<'_> {
    type In = w::NewOffer;
    type Out = String;

    fn spec(&self) -> &OpSpec {
        &CREATE
    }

    fn subject(&self, offer: &w::NewOffer) -> String {
        offer.key.as_ref().map(|k| k.sku.clone()).unwrap_or_default()
    }

    fn encode(&self, _: &OpCx<'_>, offer: &w::NewOffer) -> Result<WireRequest, Error> {
        request(self.0, Method::POST, "/offer")?.header("content-language", self.0.language)?.json(offer)
    }

    fn decode(&self, _: &OpCx<'_>, _: &w::NewOffer, response: &WireResponse) -> Result<String, Error> {
        response.json::<w::Answer>()?.offer_id.ok_or_else(|| Error::decode("the new offer has no id"))
    }
}

/// `updateOffer`: replaces it whole.
struct Update<'a>(&'a Site);

impl Operation for Update<'_> {
    /// SKU, the channel's id of the offer, and the offer.
    type In = (Sku, String, w::NewOffer);
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &UPDATE
    }

    fn subject(&self, (sku, _, _): &Self::In) -> String {
        sku.to_string()
    }

    /// The same object as of a change of price or quantity: all of them revise one listing.
    fn object(&self, (sku, _, _): &Self::In) -> Option<String> {
        Some(sku.to_string())
    }

    fn encode(&self, _: &OpCx<'_>, (_, id, offer): &Self::In) -> Result<WireRequest, Error> {
        request(self.0, Method::PUT, &format!("/offer/{}", segment(id)))?
            .header("content-language", self.0.language)?
            .json(offer)
    }

    fn decode(&self, _: &OpCx<'_>, _: &Self::In, _: &WireResponse) -> Result<(), Error> {
        Ok(()) // 200 with the id that we gave, or 204
    }
}

/// `bulkPublishOffer`.
struct PublishAll<'a>(&'a Site);

impl Operation for PublishAll<'_> {
    type In = [w::OfferId];
    type Out = Vec<Result<w::Answer, Error>>;

    fn spec(&self) -> &OpSpec {
        &PUBLISH_ALL
    }

    fn subject(&self, offers: &[w::OfferId]) -> String {
        offers.iter().map(|o| o.offer_id.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn encode(&self, _: &OpCx<'_>, offers: &[w::OfferId]) -> Result<WireRequest, Error> {
        request(self.0, Method::POST, "/bulk_publish_offer")?.json(&w::Requests { requests: offers })
    }

    fn decode(&self, _: &OpCx<'_>, _: &[w::OfferId], response: &WireResponse) -> Result<Self::Out, Error> {
        Ok(response.json::<w::EachResponse>()?.responses.read("offer", "offerId", Ok).collect())
    }
}

/// `publishOffer`, `withdrawOffer`: the listing it is about.
struct Turn<'a> {
    site: &'a Site,
    on: bool,
}

impl Operation for Turn<'_> {
    type In = String;
    type Out = w::Answer;

    fn spec(&self) -> &OpSpec {
        if self.on { &PUBLISH } else { &WITHDRAW }
    }

    fn subject(&self, id: &String) -> String {
        id.clone()
    }

    fn encode(&self, _: &OpCx<'_>, id: &String) -> Result<WireRequest, Error> {
        let verb = if self.on { "publish" } else { "withdraw" };
        request(self.site, Method::POST, &format!("/offer/{}/{verb}", segment(id)))
    }

    fn decode(&self, _: &OpCx<'_>, _: &String, response: &WireResponse) -> Result<w::Answer, Error> {
        response.json()
    }
}

/// Most characters of a title (Inventory API, `product.title`).
const TITLE: usize = 80;

/// The offer's record. The quantity stands in the item alone: an offer's own would hide it.
fn record(site: &Site, offer: &Offer) -> Result<w::NewOffer, Error> {
    if offer.price.currency() != site.currency {
        return Err(Error::invalid(format!(
            "{} sells in {}, the price is {}",
            site.marketplace, site.currency, offer.price
        )));
    }
    let title = offer.content.title.chars().count();
    if title > TITLE {
        return Err(Error::invalid(format!(
            "the title of '{}' has {title} characters, eBay takes {TITLE}: shorten it",
            offer.sku
        )));
    }
    let category = offer.category.clone().ok_or_else(|| {
        Error::invalid(format!(
            "'{}' has no category of eBay's: map it under offers.categories of the account",
            offer.sku
        ))
    })?;
    Ok(w::NewOffer {
        key: Some(w::OfferKey {
            sku: offer.sku.to_string(),
            marketplace_id: site.marketplace,
            format: FORMAT,
        }),
        category_id: category,
        // Our words and pictures, not those of a product that eBay finds by the GTIN.
        include_catalog_product_details: false,
        listing_description: items::description(offer),
        listing_duration: "GTC",
        listing_policies: w::Policies {
            fulfillment_policy_id: site.fulfillment_policy.clone(),
            payment_policy_id: site.payment_policy.clone(),
            return_policy_id: site.return_policy.clone(),
        },
        merchant_location_key: site.location.clone(),
        pricing_summary: w::Pricing { price: NewAmount::of(offer.price) },
    })
}

/// An offer on its way through the steps.
struct Job<'a> {
    offer: &'a Offer,
    record: Option<w::NewOffer>,
    item: Option<w::NewItem>,
    /// The channel's offer, once known, and its listing, when published.
    id: Option<String>,
    listing: Option<String>,
    /// The item was written, and with it the quantity that a published offer shows.
    written: bool,
    /// Settled: nothing more to do for it.
    end: Option<Result<Accepted, Error>>,
}

impl<'a> Job<'a> {
    fn new(site: &Site, offer: &'a Offer) -> Job<'a> {
        let made = items::item(offer).and_then(|item| Ok((item, record(site, offer)?)));
        let mut job =
            Job { offer, record: None, item: None, id: None, listing: None, written: false, end: None };
        match made {
            Ok((item, record)) => {
                job.item = Some(w::NewItem { sku: offer.sku.to_string(), locale: site.locale(), item });
                job.record = Some(record);
            }
            Err(e) => job.end = Some(Err(e)),
        }
        job
    }

    fn open(&self) -> bool {
        self.end.is_none()
    }

    fn fail(&mut self, error: Error) {
        self.end = Some(Err(if self.written { error.in_part() } else { error }));
    }

    fn accept(&mut self, listing: Option<String>, warnings: Vec<String>) {
        self.end = Some(match listing.map(ListingId::new).transpose() {
            Ok(listing) => Ok(Accepted { listing, warnings }),
            Err(e) => Err(e.into()),
        });
    }
}

/// Tell again later, alone: eBay had trouble with this one item.
fn transient(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::RateLimited | Kind::Maintenance)
}

/// eBay's way to say that a SKU has no offer: a 404 with one of these ids. A 404 without any is somebody else's.
fn says_no_offer(error: &Error) -> bool {
    error.upstream_ref().is_some_and(|u| matches!(u.code.as_str(), "25702" | "25710" | "25713"))
}

/// What a bulk answer says of the item of this name. One that cannot be read leaves that item alone in doubt.
fn said<'a>(
    answers: &'a [Result<w::Answer, Error>],
    of: impl Fn(&w::Answer) -> Option<&str>,
    name: &str,
) -> Result<&'a w::Answer, Error> {
    let about = |answer: &&Result<w::Answer, Error>| match answer {
        Ok(answer) => of(answer) == Some(name),
        Err(odd) => odd.record() == Some(name),
    };
    match answers.iter().find(about) {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(odd)) => Err(odd.clone().into_indeterminate()),
        None => Err(unmentioned()),
    }
}

fn unmentioned() -> Error {
    Error::decode("the bulk answer does not mention this item").into_indeterminate()
}

impl Ebay {
    /// The error of one item inside a bulk answer, through the same table as every other.
    pub(crate) fn item_error(&self, answer: &w::Answer) -> Error {
        let upstream =
            wire::upstream(answer.status_code.unwrap_or(207), answer.errors.as_deref().unwrap_or_default());
        self.pipeline.errors().classify(upstream)
    }

    /// The offer of a SKU on our marketplace, if there is one.
    pub(crate) async fn offer_of(&self, cx: &CallCx, sku: &Sku) -> Result<Option<w::ReadOffer>, Error> {
        match self.pipeline.call(&Find(&self.site), sku, cx).await {
            Ok(offers) => Ok(offers.into_iter().find(|o| {
                o.marketplace_id == self.site.marketplace && (o.format.is_empty() || o.format == FORMAT)
            })),
            Err(e) if says_no_offer(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    async fn put_items(&self, cx: &CallCx, jobs: &mut [Job<'_>]) {
        let open: Vec<usize> = (0..jobs.len()).filter(|n| jobs[*n].open()).collect();
        let items: Vec<w::NewItem> = open.iter().filter_map(|n| jobs[*n].item.clone()).collect();
        if items.is_empty() {
            return;
        }
        let answers = match self.pipeline.call(&items::PutAll(&self.site), &items, &cx.step("items")).await {
            Ok(answers) => answers,
            Err(e) => return open.iter().for_each(|n| jobs[*n].fail(e.clone())),
        };
        for (n, item) in open.into_iter().zip(&items) {
            let error = match said(&answers, |a| a.sku.as_deref(), &item.sku) {
                Ok(a) if a.is_fine() => {
                    jobs[n].written = true;
                    continue;
                }
                Ok(a) => self.item_error(a),
                Err(e) => e,
            };
            if !transient(&error) {
                jobs[n].fail(error);
                continue;
            }
            let step = cx.step(&format!("item/{}", item.sku));
            match self.pipeline.call(&items::PutOne(&self.site), item, &step).await {
                Ok(_) => jobs[n].written = true,
                Err(e) => jobs[n].fail(e),
            }
        }
    }

    /// Which offers are there; those are replaced.
    async fn find_and_update(&self, cx: &CallCx, jobs: &mut [Job<'_>]) {
        for job in jobs.iter_mut().filter(|j| j.open()) {
            let found = match self.offer_of(cx, &job.offer.sku).await {
                Ok(found) => found,
                Err(e) => {
                    job.fail(e);
                    continue;
                }
            };
            let (Some(found), Some(record)) = (found, &job.record) else { continue };
            let published = found.status == "PUBLISHED";
            job.listing = found.listing.and_then(|l| l.listing_id).filter(|_| published);
            job.id = Some(found.offer_id.clone());
            if published && job.offer.quantity == 0 {
                // eBay checks a published offer as if it were published anew, and wants a unit for that.
                let listing = job.listing.clone();
                job.accept(
                    listing,
                    vec!["out of stock: eBay takes the rest of the offer when there is a unit".to_owned()],
                );
                continue;
            }
            let record = w::NewOffer { key: None, ..record.clone() };
            let input = (job.offer.sku.clone(), found.offer_id, record);
            let step = cx.step(&format!("update/{}", job.offer.sku));
            if let Err(e) = self.pipeline.call(&Update(&self.site), &input, &step).await {
                job.fail(e);
            } else if published {
                let listing = job.listing.clone();
                job.accept(listing, Vec::new());
            }
        }
    }

    async fn create(&self, cx: &CallCx, jobs: &mut [Job<'_>]) {
        let open: Vec<usize> = (0..jobs.len()).filter(|n| jobs[*n].open() && jobs[*n].id.is_none()).collect();
        let records: Vec<w::NewOffer> = open.iter().filter_map(|n| jobs[*n].record.clone()).collect();
        if records.is_empty() {
            return;
        }
        // We have just read that there is none: this is a new intention, whatever an earlier plan of the same name
        // tried. Against a doubled offer stand the look-up before it and eBay's own refusal (25729).
        let cx = cx.step(&format!("at {}", self.pipeline.now()));
        let answers = match self.pipeline.call(&CreateAll(&self.site), &records, &cx.step("create")).await {
            Ok(answers) => answers,
            // Lost: read what came of it, item by item.
            Err(e) if e.kind() == Kind::Indeterminate => {
                for n in open {
                    self.adopt(&cx, &mut jobs[n], &e).await;
                }
                return;
            }
            Err(e) => return open.iter().for_each(|n| jobs[*n].fail(e.clone())),
        };
        for (n, record) in open.into_iter().zip(&records) {
            let job = &mut jobs[n];
            let error = match said(&answers, |a| a.sku.as_deref(), job.offer.sku.as_str()) {
                Ok(a) if a.is_fine() && a.offer_id.is_some() => {
                    job.id.clone_from(&a.offer_id);
                    continue;
                }
                Ok(a) => self.item_error(a),
                Err(e) => e,
            };
            if transient(&error) {
                let step = cx.step(&format!("create/{}", job.offer.sku));
                match self.pipeline.call(&Create(&self.site), record, &step).await {
                    Ok(id) => job.id = Some(id),
                    Err(e) => self.adopt(&cx, job, &e).await,
                }
            } else {
                self.adopt(&cx, job, &error).await;
            }
        }
    }

    /// After a creation in doubt, or one that met an offer: take the offer that is there; else `error` stands.
    async fn adopt(&self, cx: &CallCx, job: &mut Job<'_>, error: &Error) {
        if !matches!(error.kind(), Kind::Indeterminate | Kind::Duplicate) {
            return job.fail(error.clone());
        }
        match self.offer_of(cx, &job.offer.sku).await {
            Ok(Some(found)) => job.id = Some(found.offer_id),
            _ => job.fail(error.clone()),
        }
    }

    async fn publish(&self, cx: &CallCx, jobs: &mut [Job<'_>]) {
        for job in jobs.iter_mut().filter(|j| j.open() && j.offer.quantity == 0) {
            job.accept(None, vec!["not published: eBay wants at least one unit".to_owned()]);
        }
        let open: Vec<usize> = (0..jobs.len()).filter(|n| jobs[*n].open()).collect();
        let ids: Vec<w::OfferId> =
            open.iter().filter_map(|n| Some(w::OfferId { offer_id: jobs[*n].id.clone()? })).collect();
        if ids.is_empty() {
            return;
        }
        let answers = match self.pipeline.call(&PublishAll(&self.site), &ids, &cx.step("publish")).await {
            Ok(answers) => answers,
            Err(e) => return open.iter().for_each(|n| jobs[*n].fail(e.clone())),
        };
        for (n, id) in open.into_iter().zip(&ids) {
            let error = match said(&answers, |a| a.offer_id.as_deref(), &id.offer_id) {
                Ok(a) if a.is_fine() => {
                    jobs[n].accept(a.listing_id.clone(), a.remarks());
                    continue;
                }
                Ok(a) => self.item_error(a),
                Err(e) => e,
            };
            if !transient(&error) {
                jobs[n].fail(error);
                continue;
            }
            // System errors at publication are common and pass (fact: eBay's forum, 25001).
            let step = cx.step(&format!("publish/{}", id.offer_id));
            match self.pipeline.call(&Turn { site: &self.site, on: true }, &id.offer_id, &step).await {
                Ok(a) => jobs[n].accept(a.listing_id.clone(), a.remarks()),
                Err(e) => jobs[n].fail(e),
            }
        }
    }

    async fn withdraw_one(&self, cx: &CallCx, key: &ListingRef) -> Result<(), Error> {
        let step = cx.step(&format!("withdraw/{}", key.sku));
        let done = match (self.offer_of(cx, &key.sku).await?, &key.listing) {
            (Some(offer), _) if offer.status != "PUBLISHED" => return Ok(()),
            (Some(offer), _) => self
                .pipeline
                .call(&Turn { site: &self.site, on: false }, &offer.offer_id, &step)
                .await
                .map(|_| ()),
            // Not of the Inventory API, but there: a legacy listing.
            (None, Some(listing)) => self.pipeline.call(&EndItem(&self.site), listing, &step).await,
            (None, None) => return Ok(()),
        };
        match done {
            // Off sale already: what was wanted.
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Duplicate) => Ok(()),
            other => other,
        }
    }
}

/// Outcomes of a batch. When quota let nothing through, that is the answer to the whole call: nothing is known to be
/// accepted, and the caller should wait. Not when it let a first step through: that is of the items it was made for.
pub(crate) fn settled(outcomes: Vec<ItemOutcome>) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
    let quota = |o: &ItemOutcome| matches!(&o.result, Err(e) if matches!(e.kind(), Kind::RateLimited | Kind::QuotaExhausted) && !e.is_in_part());
    if !outcomes.is_empty()
        && outcomes.iter().all(quota)
        && let Some(Err(e)) = outcomes.first().map(|o| o.result.clone())
    {
        return Err(e);
    }
    Ok(Submitted::Done(outcomes))
}

#[async_trait]
impl Offers for Ebay {
    async fn put(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let offers: Vec<&Offer> = offers_of(drafts).map(|o| &o.offer).collect();
        let mut outcomes = Vec::with_capacity(offers.len());
        for (n, chunk) in offers.chunks(BULK).enumerate() {
            let cx = cx.step(&n.to_string());
            let mut jobs: Vec<Job<'_>> = chunk.iter().map(|o| Job::new(&self.site, o)).collect();
            self.put_items(&cx, &mut jobs).await;
            self.find_and_update(&cx, &mut jobs).await;
            self.create(&cx, &mut jobs).await;
            self.publish(&cx, &mut jobs).await;
            outcomes.extend(jobs.into_iter().map(|job| ItemOutcome {
                sku: job.offer.sku.clone(),
                result: job.end.unwrap_or_else(|| Err(unmentioned())),
            }));
        }
        settled(outcomes)
    }

    async fn withdraw(
        &self,
        cx: &CallCx,
        listings: &[ListingRef],
    ) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut outcomes = Vec::with_capacity(listings.len());
        for key in listings {
            let done = self.withdraw_one(cx, key).await.map(|()| key.listing.clone());
            outcomes.push(ItemOutcome::of(&key.sku, done));
        }
        settled(outcomes)
    }

    async fn poll(&self, _: &CallCx, _: &Handle) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        Err(Error::new(Kind::Unsupported, "eBay answers offers at once"))
    }
}

#[cfg(test)]
mod tests {
    use tradewind_connector::{AccountConfig, Secrets};

    use super::*;

    #[test]
    fn a_replaced_offer_counts_for_the_listing_that_a_change_of_price_counts_for() {
        let account = AccountConfig::of("ebay-de", crate::FACTORY.example, Secrets::of(&[])).unwrap();
        let site = Site::new(&account.settings().unwrap()).unwrap();
        let offer: Offer = serde_json::from_value(serde_json::json!({
            "sku": "MUG-1", "product": "MUG", "price": {"amount": "19.99", "currency": site.currency}, "quantity": 5,
            "locale": "de", "content": {"title": "Tasse", "description": "Eine Tasse."}, "category": "20625",
        }))
        .unwrap();
        let input = (offer.sku.clone(), "8209815010".to_owned(), record(&site, &offer).unwrap());
        let update = Update(&site);
        assert!(update.spec().buckets.contains(&"revisions"));
        // `stock.rs` counts by SKU; eBay's own id of the offer would be a second counter.
        assert_eq!(update.object(&input).as_deref(), Some("MUG-1"));
    }
}
