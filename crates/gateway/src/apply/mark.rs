//! What the records say of an item: before it is sent, and when its channel has answered.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_connector::role::{ItemOutcome, StockChange};
use tradewind_connector::{Error, Kind, Submitted};
use tradewind_domain::{AccountId, ChangeState, Offer, Sku};
use tradewind_store::{Batch, Collection, Expect, StoreError, typed};

use super::{Applied, Run};
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{Asked, JobFacet, JobRecord, OfferRecord, QuantityAlone, StockRecord, offer_key};

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
    /// Its quantity alone, by such a call.
    Quantity,
    /// In a submission that takes effect late.
    Bulk,
    /// Taken down.
    Withdrawn,
}

impl Gateway {
    /// Writes what is about to be sent, before it is. What somebody else sent since the plan was held against the world is
    /// in the answer, and is not to be sent: his write may be on its way still, and whichever of the two came last would stay.
    pub(super) async fn mark(
        &self,
        run: &Run<'_>,
        sending: &[Sending<'_>],
        how: How,
    ) -> Result<BTreeSet<Sku>> {
        loop {
            match self.try_mark(run, sending, how).await {
                // A refresh wrote what it had read: the records are read again.
                Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                other => return other,
            }
        }
    }

    async fn try_mark(&self, run: &Run<'_>, sending: &[Sending<'_>], how: How) -> Result<BTreeSet<Sku>> {
        let id = run.id;
        let mut overtaken = BTreeSet::new();
        let mut batch = Batch::new();
        for Sending { sku, offer, quantity } in sending {
            let sku = *sku;
            let key = offer_key(id, sku);
            let known = typed::get::<OfferRecord>(&*self.store, &key).await?;
            let as_planned = run.offers.get(&key).map(|o| (o.state, o.sent_at));
            if known.as_ref().map(|k| (k.value.state, k.value.sent_at)) != as_planned {
                overtaken.insert(sku.clone());
                continue;
            }
            let expect = known.as_ref().map_or(Expect::Absent, typed::Versioned::expect);
            let mut record = known.map_or_else(|| OfferRecord::new(id.clone(), sku.clone()), |k| k.value);
            let mut took = 0;
            if let Some((quantity, shown)) = *quantity {
                // Taken with the mark: a process that dies leaves units unshown at worst, never shown twice.
                let shelf = typed::get::<StockRecord>(&*self.store, sku.as_str()).await?;
                let most = shelf.as_ref().map_or(0, |s| match shown {
                    Some(shown) => s.value.may_show(id, shown),
                    None => s.value.allotted_to(id),
                });
                // The shelf was counted or sold from since the quantity was made up. A quantity that is lowered goes all the same:
                // what is left above is lowered next.
                if quantity > most && shown.is_none_or(|shown| quantity >= shown || how != How::Quantity) {
                    overtaken.insert(sku.clone());
                    continue;
                }
                if let Some(mut shelf) = shelf {
                    let before = shelf.value.clone();
                    took = shelf.value.show(id, shown, quantity);
                    if shelf.value != before {
                        batch.put_back(&shelf)?;
                    }
                }
            }
            // Why the offer was refused is said still when its quantity alone goes.
            if how != How::Quantity || record.state != ChangeState::Rejected {
                record.note = None;
            }
            match (how, offer, quantity) {
                (How::Withdrawn, ..) => record.asked = Asked::Withdrawal,
                (How::Bulk, Some(offer), _) => record.sends(offer, Asked::Bulk),
                (_, Some(offer), _) => record.sends(offer, Asked::Offer),
                (_, None, Some((to, _))) => {
                    if let Some(desired) = record.desired.as_mut().filter(|d| d.quantity < *to) {
                        desired.quantity = *to;
                    }
                    // A quantity after a quantity: the offer stands as it stood before the first.
                    let before = match (&record.asked, record.state) {
                        (Asked::Quantity(last), ChangeState::Accepted | ChangeState::Indeterminate) => {
                            last.before
                        }
                        // How a withdrawal ended says nothing of the offer.
                        (Asked::Withdrawal, _) => ChangeState::Intended,
                        (_, state) => state,
                    };
                    record.asked = Asked::Quantity(QuantityAlone { to: *to, before, refused: None });
                }
                (_, None, None) => {}
            }
            record.took = took;
            // Another change than the one before, wherever that one stood.
            record.state = ChangeState::Sent;
            record.plan.clone_from(&run.plan.id);
            record.sent_at = Some(self.now());
            batch.put_expecting(&record, expect)?;
        }
        self.store.commit(batch).await?;
        Ok(overtaken)
    }

    pub(super) async fn outcome(
        &self,
        run: &Run<'_>,
        skus: &[Sku],
        facet: JobFacet,
        part: &str,
        result: Result<Submitted<Vec<ItemOutcome>>, Error>,
        applied: &mut Applied,
    ) -> Result<()> {
        let id = run.id;
        match result {
            Ok(Submitted::Done(items)) => self.items(id, items, None, applied).await,
            Ok(Submitted::Deferred(handle)) => {
                applied.deferred += skus.len() as u32;
                let job = JobRecord {
                    id: format!("{}/{id}/{part}", run.name()),
                    account: id.clone(),
                    facet,
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
            // What a defect keeps from being noted is as good as not known: settled by reading.
            if !record.step(state) {
                part.indeterminate += 1;
                part.tell(format!("{} at {id}: {}", item.sku, record.note.clone().unwrap_or_default()));
                batch.put_back(&known)?;
                continue;
            }
            *count += 1;
            match &item.result {
                Ok(accepted) => {
                    record.listing = accepted.listing.clone().or(record.listing.take());
                    record.was_taken();
                }
                Err(e) => {
                    let nothing = state != ChangeState::Indeterminate && !e.is_in_part();
                    if nothing {
                        record.was_not_taken();
                    } else if e.is_in_part() {
                        record.was_taken_in_part();
                    }
                    match &mut record.asked {
                        // The offer stands as it stood: a no to this quantity is none to it, and what was asked of it before is
                        // still to be settled.
                        Asked::Quantity(alone) if state == ChangeState::Rejected => {
                            alone.refused = Some(e.to_string());
                            record.state = alone.before;
                        }
                        Asked::Quantity(alone)
                            if state == ChangeState::Intended && alone.before != ChangeState::Live =>
                        {
                            record.state = alone.before;
                        }
                        _ => record.note = Some(e.to_string()),
                    }
                    // It has not happened: what it was to show is still to be shown.
                    if nothing && record.took > 0 {
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
