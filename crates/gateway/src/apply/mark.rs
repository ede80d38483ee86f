//! What the records say of an item: before it is sent, and when its channel has answered.

use std::collections::BTreeMap;

use tradewind_connector::role::{ItemOutcome, StockChange};
use tradewind_connector::{Error, Kind, Submitted};
use tradewind_domain::{AccountId, ChangeState, Offer, Sku};
use tradewind_store::{Batch, Collection, Expect, StoreError, typed};

use super::Applied;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::plan::Plan;
use crate::records::{JobRecord, OfferRecord, StockRecord, offer_key};

/// An item that is about to be sent.
pub(super) struct Sending<'a> {
    pub(super) sku: &'a Sku,
    /// The complete offer, where one is sent.
    pub(super) offer: Option<&'a Offer>,
    /// The quantity that is sent, and what the listing shows now; `None`: there is none yet.
    pub(super) quantity: Option<(u32, Option<u32>)>,
}

impl<'a> Sending<'a> {
    /// Nothing of it but that it goes.
    pub(super) fn bare(sku: &'a Sku) -> Sending<'a> {
        Sending { sku, offer: None, quantity: None }
    }

    /// A new listing.
    pub(super) fn new(offer: &'a Offer) -> Sending<'a> {
        Sending { sku: &offer.sku, offer: Some(offer), quantity: Some((offer.quantity, None)) }
    }

    /// Another quantity of a listing.
    pub(super) fn quantity(change: &'a StockChange) -> Sending<'a> {
        Sending {
            sku: &change.key.sku,
            offer: None,
            quantity: change.expected.map(|q| (change.quantity, Some(q))),
        }
    }
}

/// How an offer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By a call that says what it did.
    Single,
    /// In a submission that takes effect late.
    Bulk,
    /// Taken down.
    Withdrawn,
}

impl Gateway {
    /// Writes what is about to be sent, before it is.
    pub(super) async fn mark(
        &self,
        id: &AccountId,
        sending: &[Sending<'_>],
        plan: &Plan,
        how: How,
    ) -> Result<()> {
        loop {
            match self.try_mark(id, sending, plan, how).await {
                // A refresh wrote what it had read: the records are read again.
                Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                other => return other,
            }
        }
    }

    async fn try_mark(&self, id: &AccountId, sending: &[Sending<'_>], plan: &Plan, how: How) -> Result<()> {
        let mut batch = Batch::new();
        for Sending { sku, offer, quantity } in sending {
            let sku = *sku;
            let known = typed::get::<OfferRecord>(&*self.store, &offer_key(id, sku)).await?;
            let expect = known.as_ref().map_or(Expect::Absent, typed::Versioned::expect);
            let mut record = known.map_or_else(
                || OfferRecord {
                    account: id.clone(),
                    sku: sku.clone(),
                    desired: None,
                    state: ChangeState::Intended,
                    plan: String::new(),
                    listing: None,
                    sent_at: None,
                    took: 0,
                    in_bulk: false,
                    live: None,
                    read_at: None,
                    note: None,
                    withdrawn: false,
                },
                |k| k.value,
            );
            if let Some(offer) = offer {
                record.desired = Some(Box::new((*offer).clone()));
            }
            record.took = 0;
            if let Some((quantity, shown)) = *quantity {
                if let Some(desired) = record.desired.as_mut().filter(|d| d.quantity < quantity) {
                    desired.quantity = quantity;
                }
                // Taken with the mark: a process that dies leaves units unshown at worst, never shown twice.
                let shelf = typed::get::<StockRecord>(&*self.store, sku.as_str()).await?;
                if let Some(mut shelf) = shelf {
                    let before = shelf.value.clone();
                    record.took = shelf.value.show(id, shown, quantity);
                    if shelf.value != before {
                        batch.put_back(&shelf)?;
                    }
                }
            }
            record.state = ChangeState::Sent;
            record.plan.clone_from(&plan.id);
            record.sent_at = Some(self.now());
            record.withdrawn = how == How::Withdrawn;
            record.in_bulk = how == How::Bulk;
            record.note = None;
            batch.put_expecting(&record, expect)?;
        }
        Ok(self.store.commit(batch).await?)
    }

    pub(super) async fn outcome(
        &self,
        id: &AccountId,
        skus: &[Sku],
        plan: &Plan,
        part: &str,
        result: Result<Submitted<Vec<ItemOutcome>>, Error>,
        applied: &mut Applied,
    ) -> Result<()> {
        match result {
            Ok(Submitted::Done(items)) => self.items(id, items, None, applied).await,
            Ok(Submitted::Deferred(handle)) => {
                applied.deferred += skus.len() as u32;
                let job = JobRecord {
                    id: format!("{}/{id}/{part}", plan.id),
                    account: id.clone(),
                    handle,
                    skus: skus.to_vec(),
                };
                let mut batch = Batch::new();
                batch.put(&job)?;
                Ok(self.store.commit(batch).await?)
            }
            Err(error) => {
                let items = skus.iter().map(|sku| ItemOutcome::err(sku, error.clone())).collect();
                self.items(id, items, None, applied).await
            }
        }
    }

    /// Writes what the channel said to each item; with it goes the job that asked.
    pub(super) async fn items(
        &self,
        id: &AccountId,
        items: Vec<ItemOutcome>,
        job: Option<&str>,
        applied: &mut Applied,
    ) -> Result<()> {
        loop {
            let mut part = Applied::default();
            match self.try_items(id, &items, job, &mut part).await {
                // A refresh wrote what it had read: the records are read again.
                Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                Err(e) => return Err(e),
                Ok(()) => {
                    applied.add(part);
                    break;
                }
            }
        }
        let mut said: BTreeMap<String, Vec<Sku>> = BTreeMap::new();
        for item in &items {
            if let Err(e) = &item.result {
                let told = format!("{e}{}", self.login_hint(id, e));
                said.entry(told).or_default().push(item.sku.clone());
            }
        }
        applied.tell_items(id, said);
        Ok(())
    }

    async fn try_items(
        &self,
        id: &AccountId,
        items: &[ItemOutcome],
        job: Option<&str>,
        part: &mut Applied,
    ) -> Result<()> {
        let mut batch = Batch::new();
        if let Some(job) = job {
            batch.delete(Collection::Jobs, job);
        }
        for item in items {
            let key = offer_key(id, &item.sku);
            let Some(mut known) = typed::get::<OfferRecord>(&*self.store, &key).await? else { continue };
            let record = &mut known.value;
            let (count, state) = match &item.result {
                Ok(_) => (&mut part.accepted, ChangeState::Accepted),
                Err(e) if e.kind() == Kind::Indeterminate => {
                    (&mut part.indeterminate, ChangeState::Indeterminate)
                }
                // Not a no to the offer: somebody sold or wrote meanwhile, and it is to be looked at anew.
                Err(e) if e.kind() == Kind::Conflict => (&mut part.postponed, ChangeState::Intended),
                Err(e) if e.kind().is_business() => (&mut part.rejected, ChangeState::Rejected),
                // An outage or a quota: nothing happened, the next plan tries again.
                Err(_) => (&mut part.postponed, ChangeState::Intended),
            };
            *count += 1;
            record.state = state;
            match &item.result {
                Ok(accepted) => record.listing = accepted.listing.clone().or(record.listing.take()),
                Err(e) => {
                    record.note = Some(e.to_string());
                    // It has not happened: what it was to show is still to be shown.
                    if state != ChangeState::Indeterminate && record.took > 0 {
                        let shelf = typed::get::<StockRecord>(&*self.store, item.sku.as_str()).await?;
                        if let Some(mut shelf) = shelf {
                            shelf.value.unshow(id, record.took);
                            batch.put_back(&shelf)?;
                        }
                        record.took = 0;
                    }
                }
            }
            batch.put_back(&known)?;
        }
        Ok(self.store.commit(batch).await?)
    }
}
