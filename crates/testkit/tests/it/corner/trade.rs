//! What the corner shop sells, and what it takes back.

use async_trait::async_trait;
use serde_json::{Value, json};
use tradewind_connector::role::{
    Cancellation, Draft, DraftOffer, ItemOutcome, Offers, OrderActions, offers_of,
};
use tradewind_connector::*;
use tradewind_domain::{ListingRef, ShipmentNotice, Sku};

use super::{CANCELS, Corner, Defect, LOADS, Ordering, SPEC, Send, Takes, is, takes};

static PRODUCT: OpSpec = OpSpec { name: "products.put", facet: Facet::Offers, ..SPEC };
static VARIANTS: OpSpec = OpSpec { name: "products.get", facet: Facet::Offers, safety: Safety::Read, ..SPEC };
static MANY: OpSpec = OpSpec { name: "offers.many", facet: Facet::Offers, ..SPEC };
static LOAD: OpSpec = OpSpec { name: "offers.load", facet: Facet::Offers, ..SPEC };
static LOADED: OpSpec = OpSpec { name: "offers.loaded", facet: Facet::Offers, safety: Safety::Read, ..SPEC };
static CANCEL: OpSpec = OpSpec { name: "orders.cancel", facet: Facet::Cancel, ..SPEC };

impl Corner {
    /// A product in one document: what it leaves out goes off sale.
    async fn put_product(&self, cx: &CallCx, draft: &Draft) -> Result<Value> {
        let row = |o: &DraftOffer| json!({ "sku": o.offer.sku, "quantity": o.offer.quantity });
        let mut rows: Vec<Value> = draft.offers.iter().map(row).collect();
        if takes(Takes::WholeAsRead) {
            let read = Send { spec: &VARIANTS, path: "/variants", body: json!({ "of": draft.product }) };
            let there = self.pipeline.call(&read, &(), cx).await?;
            let put = |id: &Value| {
                draft.offers.iter().any(|o| o.listing.as_ref().is_some_and(|l| *id == l.as_str()))
            };
            let there = there["variants"].as_array().cloned().unwrap_or_default();
            rows.extend(there.into_iter().filter(|id| !put(id)).map(|id| json!({ "id": id })));
        } else {
            rows.extend(draft.siblings.iter().map(|o| match is(Defect::PutsSiblingsAsShown) {
                true => json!({ "sku": o.offer.sku, "quantity": o.shown }),
                false => row(o),
            }));
        }
        if is(Defect::DropsSiblings) {
            rows.truncate(draft.offers.len());
        }
        let title = draft.offers.first().map(|o| o.offer.content.title.clone());
        let body = json!({ "product": draft.product, "title": title, "variants": rows });
        self.pipeline.call(&Send { spec: &PRODUCT, path: "/products", body }, &(), cx).await
    }
}

#[async_trait]
impl Offers for Corner {
    async fn put(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>> {
        let mut out = Vec::new();
        if is(Defect::IgnoresTheBatch) {
            let skus: Vec<&str> = offers_of(drafts).map(|o| o.offer.sku.as_str()).collect();
            let all = Send { spec: &MANY, path: "/offers", body: json!({ "skus": skus }) };
            self.pipeline.call(&all, &(), cx).await?;
        }
        for draft in drafts {
            if takes(Takes::Offers) {
                for DraftOffer { offer, .. } in &draft.offers {
                    let done = self.pipeline.call(&Send::offer(offer), &(), cx).await.map(|_| None);
                    out.push(ItemOutcome::of(&offer.sku, done));
                }
                continue;
            }
            let done = self.put_product(cx, draft).await.map(|_| None);
            out.extend(draft.offers.iter().map(|o| ItemOutcome::of(&o.offer.sku, done.clone())));
        }
        Ok(Submitted::Done(told(out)))
    }
    async fn list(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>> {
        let mut all: Vec<&Sku> = offers_of(drafts).map(|o| &o.offer.sku).collect();
        let title = |o: &DraftOffer| o.offer.content.title.clone();
        if offers_of(drafts).map(title).any(|t| t.chars().count() > 10 || t.len() > 14) {
            return Err(Error::invalid("the title has more than 10 characters, or 14 bytes"));
        }
        let room = match () {
            () if is(Defect::OverfillsTheBulk) => all.len(),
            () if is(Defect::FillsHalfTheBulk) => 2,
            () => 3,
        };
        let sent: Vec<&Sku> = all.iter().take(room).copied().collect();
        self.pipeline
            .call(&Send { spec: &LOAD, path: "/load", body: json!({ "skus": sent }) }, &(), cx)
            .await?;
        if is(Defect::LosesTheRest) {
            all.truncate(room);
        }
        let state = json!({ "all": all, "sent": sent.len() });
        let (flow, id) = ("load".to_owned(), "L1".to_owned());
        Ok(Submitted::Deferred(Handle { flow, id, step: String::new(), state, not_before: None }))
    }
    async fn withdraw(&self, _: &CallCx, _: &[ListingRef]) -> Result<Submitted<Vec<ItemOutcome>>> {
        Err(Error::new(Kind::Unsupported, "no"))
    }
    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<Vec<ItemOutcome>>> {
        if !LOADS.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Unsupported, "no"));
        }
        let body = json!({ "job": handle.id });
        let answer = self.pipeline.call(&Send { spec: &LOADED, path: "/loaded", body }, &(), cx).await?;
        if answer["done"] != true {
            return Ok(Submitted::Deferred(handle.clone()));
        }
        let all: Vec<Sku> = serde_json::from_value(handle.state["all"].clone())
            .map_err(|e| Error::invalid(format!("the job is not readable: {e}")))?;
        let sent = handle.state["sent"].as_u64();
        let outcome = |(n, sku): (usize, &Sku)| match u64::try_from(n).ok() < sent {
            true => ItemOutcome::ok(sku, None),
            false => ItemOutcome::err(sku, Error::new(Kind::Unavailable, "the load is full")),
        };
        Ok(Submitted::Done(told(all.iter().enumerate().map(outcome).collect())))
    }
}

/// The outcomes as they are told.
fn told(mut outcomes: Vec<ItemOutcome>) -> Vec<ItemOutcome> {
    if is(Defect::ReversesOutcomes) {
        outcomes.reverse();
    }
    if is(Defect::LeavesOutcomesOut) {
        outcomes.pop();
    }
    outcomes
}

#[async_trait]
impl OrderActions for Corner {
    async fn ship(&self, _: &CallCx, _: &ShipmentNotice) -> Result<Submitted<()>> {
        Err(Error::new(Kind::Unsupported, "no"))
    }
    async fn cancel(&self, cx: &CallCx, what: &Cancellation) -> Result<Submitted<()>> {
        let least = CANCELS.lock().unwrap().unwrap_or_default();
        let lines = match least {
            _ if is(Defect::CancelsAnything) => Value::Null,
            Cancels::Orders if is(Defect::TakesWholeLines) => what.whole_lines().map(|_| Value::Null)?,
            Cancels::Orders => what.only_whole().map(|()| Value::Null)?,
            Cancels::Lines if is(Defect::NamesNoLines) => what.whole_lines().map(|_| Value::Null)?,
            Cancels::Lines => what.whole_lines()?.iter().map(|l| json!(l.id)).collect(),
            Cancels::Units if is(Defect::CancelsMoreThanIsOpen) => json!(what.lines),
            Cancels::Units if is(Defect::NamesNoUnits) => {
                what.units()?.iter().map(|(l, _)| json!(l.id)).collect()
            }
            Cancels::Units => {
                what.units()?.iter().map(|(l, n)| json!({ "line": l.id, "quantity": n })).collect()
            }
        };
        let body = json!({ "order": what.order.id, "lines": lines });
        self.pipeline.call(&Send { spec: &CANCEL, path: "/cancel", body }, &(), cx).await?;
        Ok(Submitted::Done(()))
    }
}
