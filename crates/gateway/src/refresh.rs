//! Refresh: reads the listings that we know of again, before a plan compares with them. Few are read by SKU, many in one
//! sweep, where the channel has one that serves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tradewind_connector::role::Listings;
use tradewind_connector::{CallCx, all_pages};
use tradewind_domain::{AccountId, ChangeState, ListingRef, LiveListing, Sku};
use tradewind_store::{Batch, Filter, StoreError, typed};

use crate::apply::batch_size;
use crate::gateway::{Gateway, Result};
use crate::records::{Asked, OfferRecord, offer_key};

impl Gateway {
    /// Reads all known listings again: what plans compare with. How many were read.
    ///
    /// # Errors
    /// The store or the channel failed.
    pub async fn refresh(&self, id: &AccountId) -> Result<u32> {
        self.refresh_some(id, None).await
    }

    /// Reads known listings again: those of these SKUs, or all.
    pub(crate) async fn refresh_some(&self, id: &AccountId, only: Option<&BTreeSet<Sku>>) -> Result<u32> {
        let connector = self.account(id)?.clone();
        let Some(listings) = connector.marketplace().and_then(|m| m.listings()) else { return Ok(0) };
        let mut records: Vec<OfferRecord> =
            typed::list::<OfferRecord>(&*self.store, Filter::account(id.as_str()))
                .await?
                .into_iter()
                .map(|r| r.value)
                .filter(|r| only.is_none_or(|skus| skus.contains(&r.sku)))
                .collect();
        let bounds = &connector.capabilities().bounds;
        let size = batch_size(bounds.listings_batch);
        let mut seen = 0;
        if bounds.sweep_from.is_some_and(|from| records.len() >= from as usize) {
            let since = self.now();
            let mut swept = sweep(listings).await?;
            let (there, rest): (Vec<_>, Vec<_>) =
                records.into_iter().map(|r| (swept.remove(&r.sku), r)).partition(|(live, _)| live.is_some());
            for chunk in there.chunks(size) {
                let found: Vec<&LiveListing> = chunk.iter().filter_map(|(live, _)| live.as_ref()).collect();
                seen += self.reread(id, since, &found).await?;
            }
            // A sweep takes its time, and a listing that it left out is not therefore gone: it is asked for by name.
            records = rest.into_iter().map(|(_, r)| r).collect();
        }
        for chunk in records.chunks(size) {
            let keys: Vec<ListingRef> =
                chunk.iter().map(|r| ListingRef { sku: r.sku.clone(), listing: r.listing.clone() }).collect();
            let since = self.now();
            let found = listings.read(&CallCx::new(), &keys).await?;
            let by_sku: BTreeMap<&Sku, &LiveListing> = found.iter().map(|l| (&l.key.sku, l)).collect();
            let found: Vec<&LiveListing> = chunk.iter().filter_map(|r| by_sku.get(&r.sku).copied()).collect();
            seen += self.reread(id, since, &found).await?;
        }
        Ok(seen)
    }

    /// Writes what was read since an instant into the offers as they are stored by now: reading takes its time, and what an
    /// apply wrote or read meanwhile is not overwritten. How many there are.
    pub(crate) async fn reread(
        &self,
        id: &AccountId,
        since: Timestamp,
        found: &[&LiveListing],
    ) -> Result<u32> {
        loop {
            let mut batch = Batch::new();
            let mut seen = 0;
            for live in found {
                let key = offer_key(id, &live.key.sku);
                let Some(mut known) = typed::get::<OfferRecord>(&*self.store, &key).await? else { continue };
                let record = &mut known.value;
                seen += 1;
                if record.read_at.is_some_and(|at| at > since) {
                    continue;
                }
                record.reads(live, self.now());
                // The channel refused the offer or had an objection, and lists it after all.
                let refused = record.state == ChangeState::Rejected && record.asked != Asked::Withdrawal;
                if refused && record.is_listed_after_all(live) {
                    record.state = if record.shows(live) { ChangeState::Live } else { ChangeState::Intended };
                    record.note = None;
                }
                batch.put_back(&known)?;
            }
            match self.store.commit(batch).await {
                Err(StoreError::Conflict { .. }) => {}
                other => return Ok(other.map(|()| seen)?),
            }
        }
    }
}

/// All listings of an account by SKU. One SKU in two listings is left to be read by name.
async fn sweep(listings: &dyn Listings) -> Result<BTreeMap<Sku, LiveListing>> {
    let cx = CallCx::new();
    let cx = &cx;
    let pages = all_pages(|cursor| async move { listings.sweep(cx, cursor.as_ref()).await }).await?;
    let mut swept = BTreeMap::new();
    let mut twice = Vec::new();
    for live in pages {
        if let Some(other) = swept.insert(live.key.sku.clone(), live) {
            twice.push(other.key.sku);
        }
    }
    for sku in twice {
        swept.remove(&sku);
    }
    Ok(swept)
}
