//! Refresh: reads the listings that we know of again, before a plan compares with them. Few are read by SKU, many in one
//! sweep, where the channel has one that serves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tradewind_connector::role::Listings;
use tradewind_connector::{CallCx, Error, RetryClass, all_pages};
use tradewind_domain::{AccountId, ChangeState, ListingRef, ListingState, LiveListing, Sku};
use tradewind_store::{Batch, Filter, StoreError, typed};

use crate::apply::batch_size;
use crate::gateway::{Gateway, Result};
use crate::records::{Asked, OfferRecord, offer_key};

/// What a refresh read.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// Known listings that were read again.
    pub read: u32,
    /// Listings that could not be: what is known of them stays as it was. Asked for again by the next refresh.
    pub unread: Vec<Error>,
}

impl Gateway {
    /// Reads all known listings again: what plans compare with.
    ///
    /// # Errors
    /// The store or the channel failed.
    pub async fn refresh(&self, id: &AccountId) -> Result<Refreshed> {
        self.refresh_some(id, None).await
    }

    /// Reads known listings again: those of these SKUs, or all.
    pub(crate) async fn refresh_some(
        &self,
        id: &AccountId,
        only: Option<&BTreeSet<Sku>>,
    ) -> Result<Refreshed> {
        let connector = self.account(id)?.clone();
        let mut done = Refreshed::default();
        let Some(listings) = connector.marketplace().and_then(|m| m.listings()) else { return Ok(done) };
        let mut records: Vec<OfferRecord> =
            typed::list::<OfferRecord>(&*self.store, Filter::account(id.as_str()))
                .await?
                .into_iter()
                .map(|r| r.value)
                .filter(|r| only.is_none_or(|skus| skus.contains(&r.sku)))
                .collect();
        let bounds = &connector.capabilities().bounds;
        let size = batch_size(bounds.listings_batch);
        let mut odd = BTreeMap::new();
        if bounds.sweep_from.is_some_and(|from| records.len() >= from as usize) {
            let since = self.now();
            let (mut swept, named, unnamed) = sweep(listings).await?;
            (odd, done.unread) = (named, unnamed);
            let (there, rest): (Vec<_>, Vec<_>) =
                records.into_iter().map(|r| (swept.remove(&r.sku), r)).partition(|(live, _)| live.is_some());
            for chunk in there.chunks(size) {
                let found: Vec<&LiveListing> = chunk.iter().filter_map(|(live, _)| live.as_ref()).collect();
                done.read += self.reread(id, since, &found).await?;
            }
            // A sweep takes its time, and a listing that it left out is not therefore gone: it is asked for by name.
            records = rest.into_iter().map(|(_, r)| r).collect();
        }
        for chunk in records.chunks(size) {
            let keys: Vec<ListingRef> =
                chunk.iter().map(|r| ListingRef { sku: r.sku.clone(), listing: r.listing.clone() }).collect();
            let since = self.now();
            let mut found = BTreeMap::new();
            for (sku, read) in read_by_name(listings, &keys).await? {
                match read {
                    // The sweep has just shown that there is one, whatever it is.
                    Ok(live) if live.state == ListingState::Absent && odd.contains_key(&sku) => {}
                    Ok(live) => {
                        odd.remove(&sku);
                        found.insert(sku, live);
                    }
                    Err(e) => drop(odd.entry(sku).or_insert(e)),
                }
            }
            let found: Vec<&LiveListing> = chunk.iter().filter_map(|r| found.get(&r.sku)).collect();
            done.read += self.reread(id, since, &found).await?;
        }
        let asked = |sku: &Sku| only.is_none_or(|skus| skus.contains(sku));
        done.unread.extend(odd.into_iter().filter(|(sku, _)| asked(sku)).map(|(_, e)| e));
        for e in &mut done.unread {
            *e = e.clone().at(&connector.info().id, id, "listings");
            tracing::warn!(account = %id, error = %e, "a listing cannot be read");
        }
        Ok(done)
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
                    let shown = record.shows(live);
                    if record.step(if shown { ChangeState::Live } else { ChangeState::Intended }) {
                        record.note = None;
                    }
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

/// Whether it is about one listing that is odd, and says nothing of the channel.
fn is_odd(e: &Error) -> bool {
    e.of_this_call() && e.kind().retry() != RetryClass::IfSafe
}

/// Reads listings by name. One that is left out of the answer is asked for alone: that tells why, and which.
async fn read_by_name(
    listings: &dyn Listings,
    keys: &[ListingRef],
) -> Result<Vec<(Sku, Result<LiveListing, Error>)>> {
    let mut read = match listings.read(&CallCx::new(), keys).await {
        Ok(found) => found.into_iter().map(|l| (l.key.sku.clone(), Ok(l))).collect(),
        Err(e) if is_odd(&e) => Vec::new(),
        Err(e) => return Err(e.into()),
    };
    let open: Vec<&ListingRef> =
        keys.iter().filter(|k| !read.iter().any(|(sku, _): &(Sku, _)| *sku == k.sku)).collect();
    for key in open {
        let alone = match listings.read(&CallCx::new(), std::slice::from_ref(key)).await {
            Ok(found) => found
                .into_iter()
                .find(|l| l.key.sku == key.sku)
                .ok_or_else(|| Error::decode(format!("listing {}: the answer does not tell of it", key.sku))),
            Err(e) if !e.of_this_call() => return Err(e.into()),
            Err(e) if e.record().is_none() => Err(e.about(&format!("listing {}", key.sku))),
            Err(e) => Err(e),
        };
        read.push((key.sku.clone(), alone));
    }
    Ok(read)
}

/// Listings by SKU; those that could not be read, by SKU; and those of which not even that is known.
type Swept = (BTreeMap<Sku, LiveListing>, BTreeMap<Sku, Error>, Vec<Error>);

/// All listings of an account. One SKU in two listings is left to be read by name, as is one that could not be read.
async fn sweep(listings: &dyn Listings) -> Result<Swept> {
    let cx = CallCx::new();
    let cx = &cx;
    let pages = all_pages(|cursor| async move { listings.sweep(cx, cursor.as_ref()).await }).await?;
    let (mut swept, mut odd, mut unnamed) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut twice = Vec::new();
    for row in pages {
        match row {
            Ok(live) => {
                if let Some(other) = swept.insert(live.key.sku.clone(), live) {
                    twice.push(other.key.sku);
                }
            }
            Err(e) => match e.record().map(Sku::new) {
                Some(Ok(sku)) => drop(odd.insert(sku, e)),
                _ => unnamed.push(e),
            },
        }
    }
    for sku in twice.iter().chain(odd.keys()) {
        swept.remove(sku);
    }
    Ok((swept, odd, unnamed))
}
