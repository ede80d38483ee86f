//! Drafts: the offers of a product as they go to a channel, with what it shows of that product at this moment.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_connector::role::{Draft, DraftOffer};
use tradewind_domain::{
    AccountId, ChangeState, ListingId, ListingRef, ListingState, LiveListing, Offer, ProductId, Sku,
};
use tradewind_store::typed;

use super::{Applied, Run};
use crate::gateway::{Gateway, Result};
use crate::records::{Asked, Gone, Made, OfferRecord, is_gone, offer_key};

/// An offer to put up, and the listing it replaces.
#[derive(Clone, Copy)]
pub(super) struct Put<'a> {
    pub(super) offer: &'a Offer,
    pub(super) replaces: Option<&'a ListingRef>,
}

/// An offer that is about to be put.
pub(super) struct Ready {
    pub(super) offer: Offer,
    /// The channel's id of the listing that it replaces.
    pub(super) listing: Option<ListingId>,
    /// What that listing shows.
    pub(super) shown: Option<u32>,
}

/// Cuts what is to be put into calls. Where a product goes as a whole, its offers stand together and no call holds a part of
/// them, though it be larger than the channel's batch.
pub(crate) fn cut<T: Clone>(
    puts: Vec<T>,
    most: usize,
    whole: bool,
    product: impl Fn(&T) -> &ProductId,
) -> Vec<Vec<T>> {
    if !whole {
        return puts.chunks(most).map(<[T]>::to_vec).collect();
    }
    let mut products: BTreeMap<ProductId, Vec<T>> = BTreeMap::new();
    for put in puts {
        products.entry(product(&put).clone()).or_default().push(put);
    }
    let mut calls: Vec<Vec<T>> = Vec::new();
    for product in products.into_values() {
        match calls.last_mut().filter(|call| call.len() + product.len() <= most) {
            Some(call) => call.extend(product),
            None => calls.push(product),
        }
    }
    calls
}

/// The SKUs of each product that an account has offers of.
pub(super) fn by_product<'a>(run: &Run<'a>) -> BTreeMap<&'a ProductId, Vec<&'a Sku>> {
    let prefix = format!("{}/", run.id);
    let mine = run.offers.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
    let mut known: BTreeMap<&ProductId, Vec<&Sku>> = BTreeMap::new();
    for desired in mine.filter_map(|(_, record)| record.desired.as_ref()) {
        known.entry(&desired.product).or_default().push(&desired.sku);
    }
    known
}

impl Gateway {
    /// What is about to be put in one call: one that replaces a listing takes no more units than the listing shows and was never
    /// given. So does one that was sent before and not seen since: it may have come late, and sold. One that was there and is gone is
    /// put up again when all that it sold is heard of, and not before. With it, where products go as a whole, the siblings by product.
    pub(super) async fn ready(
        &self,
        run: &Run<'_>,
        puts: &[Put<'_>],
        products: &BTreeMap<&ProductId, Vec<&Sku>>,
        applied: &mut Applied,
    ) -> Result<(Vec<Ready>, BTreeMap<ProductId, Vec<DraftOffer>>)> {
        let Run { id, connector, .. } = *run;
        let mut keys: Vec<ListingRef> = puts.iter().filter_map(|p| p.replaces.cloned()).collect();
        let mut again: BTreeSet<&Sku> = BTreeSet::new();
        for put in puts.iter().filter(|p| p.replaces.is_none()) {
            let sku = &put.offer.sku;
            let known = typed::get::<OfferRecord>(&*self.store, &offer_key(id, sku)).await?;
            if let Some(before) = known.filter(|k| k.value.may_be_there()) {
                keys.push(ListingRef { sku: sku.clone(), listing: before.value.listing });
                again.insert(sku);
            }
        }
        let others = self.others(run, puts, products).await?;
        keys.extend(others.iter().map(|o| ListingRef { sku: o.sku.clone(), listing: o.listing.clone() }));
        // Of siblings nothing is planned: what waits because one could not be read is counted below.
        let shown = self.shown(id, connector, keys, applied).await?;
        let mut ready = Vec::with_capacity(puts.len());
        for put in puts {
            let mut one = Ready {
                offer: put.offer.clone(),
                listing: put.replaces.and_then(|r| r.listing.clone()),
                shown: None,
            };
            let sku = &put.offer.sku;
            if let Some(shown) = shown.as_ref().filter(|_| put.replaces.is_some() || again.contains(sku)) {
                let Some(live) = shown.get(sku) else {
                    applied.postponed += 1;
                    continue;
                };
                let absent = live.state == ListingState::Absent;
                if absent && put.replaces.is_some() {
                    // There is nothing to update any more, and what it sold last is not known: the next plan decides.
                    applied.postponed += 1;
                    continue;
                }
                if is_gone(live)
                    && let Gone::Since(at) = self.gone(id, sku).await?
                    && !self.all_heard_before(id, at).await?
                {
                    applied.postponed += 1;
                    applied.tell(format!(
                        "{sku} at {id} waits: its listing was seen to be gone at {at}, and what it sold before may not be heard of yet; \
                         pull the orders, then apply the next plan"
                    ));
                    continue;
                }
                if !absent {
                    one.listing = live.key.listing.clone().or(one.listing);
                    one.shown = live.quantity;
                    if let Some(now) = one.shown {
                        one.offer.quantity = one.offer.quantity.min(self.may_show(id, sku, now).await?);
                    }
                }
            }
            one.offer.quantity = one.offer.quantity.min(self.may_sell(id, sku).await?);
            if one.offer.quantity == 0 && put.replaces.is_none() {
                // Nothing is left to put up: the next plan knows.
                applied.postponed += 1;
                continue;
            }
            ready.push(one);
        }
        let mut siblings: BTreeMap<ProductId, Vec<DraftOffer>> = BTreeMap::new();
        if products.is_empty() {
            return Ok((ready, siblings));
        }
        // What is there and cannot be told again would be taken off sale: its product waits.
        let mut waiting: BTreeMap<&ProductId, String> = BTreeMap::new();
        if let Some(shown) = &shown {
            let unread = |p: &&Put<'_>| {
                (p.replaces.is_some() || again.contains(&p.offer.sku)) && !shown.contains_key(&p.offer.sku)
            };
            for put in puts.iter().filter(unread) {
                waiting.insert(&put.offer.product, format!("{} could not be read", put.offer.sku));
            }
        }
        for other in &others {
            let live = shown.as_ref().and_then(|s| s.get(&other.sku));
            let Some(desired) = &other.desired else { continue };
            match self.sibling(run, other, desired, live, shown.is_some()).await? {
                Ok(Some(sibling)) => siblings.entry(desired.product.clone()).or_default().push(sibling),
                Ok(None) => {}
                Err(why) => drop(waiting.insert(&desired.product, why)),
            }
        }
        ready.retain(|one| match waiting.get(&one.offer.product) {
            None => true,
            Some(why) => {
                applied.postponed += 1;
                applied.tell(format!(
                    "{} at {id} waits: its product goes as a whole, and {why}; apply the next plan",
                    one.offer.sku
                ));
                false
            }
        });
        Ok((ready, siblings))
    }

    /// Since when a listing is gone, as it was read last.
    async fn gone(&self, id: &AccountId, sku: &Sku) -> Result<Gone> {
        let known = typed::get::<OfferRecord>(&*self.store, &offer_key(id, sku)).await?;
        Ok(known.map_or(Gone::No, |k| k.value.gone))
    }

    /// The offers of the same products that are not put, as they are stored by now.
    async fn others(
        &self,
        run: &Run<'_>,
        puts: &[Put<'_>],
        products: &BTreeMap<&ProductId, Vec<&Sku>>,
    ) -> Result<Vec<OfferRecord>> {
        let put: BTreeSet<&Sku> = puts.iter().map(|p| &p.offer.sku).collect();
        let of: BTreeSet<&ProductId> = puts.iter().map(|p| &p.offer.product).collect();
        let skus: Vec<&Sku> = of
            .into_iter()
            .filter_map(|product| products.get(product))
            .flatten()
            .copied()
            .filter(|sku| !put.contains(*sku))
            .collect();
        let mut others = Vec::new();
        for sku in skus {
            let known = typed::get::<OfferRecord>(&*self.store, &offer_key(run.id, sku)).await?;
            // One whose withdrawal certainly was not done stays until it is: left out it would go, wanted again or not.
            let gone = |r: &OfferRecord| {
                r.asked == Asked::Withdrawal
                    && !matches!(r.state, ChangeState::Intended | ChangeState::Rejected)
            };
            others.extend(known.map(|k| k.value).filter(|record| !gone(record)));
        }
        Ok(others)
    }

    /// A variant that stays, as the channel shows it at this moment: what was last sent, with the price and the units of now.
    /// `None`: it is not there. The error is why that cannot be said.
    async fn sibling(
        &self,
        run: &Run<'_>,
        record: &OfferRecord,
        desired: &Offer,
        live: Option<&LiveListing>,
        readable: bool,
    ) -> Result<Result<Option<DraftOffer>, String>> {
        let open = matches!(record.state, ChangeState::Sent | ChangeState::Indeterminate);
        let accepted = record.state == ChangeState::Accepted;
        let there = match live {
            Some(live) => live.state != ListingState::Absent,
            None if readable => return Ok(Err(format!("{} could not be read", record.sku))),
            // The channel reads nothing back: what it took is there.
            None => accepted,
        };
        if open || accepted && !there {
            return Ok(Err(format!("what was sent of {} is not settled", record.sku)));
        }
        if !there {
            return Ok(Ok(None));
        }
        let quantity = live.and_then(|l| l.quantity).unwrap_or(desired.quantity);
        let quantity = quantity.min(self.may_sell(run.id, &record.sku).await?);
        let price = live.and_then(|l| l.price).unwrap_or(desired.price);
        let listing = live.and_then(|l| l.key.listing.clone()).or_else(|| record.listing.clone());
        // What was sent since and certainly not taken is not told by the way.
        let made = match &record.made {
            Made::Before(was) => was,
            _ => desired,
        };
        Ok(Ok(Some(DraftOffer {
            offer: Offer { quantity, price, ..made.clone() },
            listing,
            shown: live.and_then(|l| l.quantity),
        })))
    }
}

/// The drafts of one call.
pub(super) fn drafts(ready: Vec<Ready>, siblings: &mut BTreeMap<ProductId, Vec<DraftOffer>>) -> Vec<Draft> {
    let offers =
        ready.into_iter().map(|one| DraftOffer { offer: one.offer, listing: one.listing, shown: one.shown });
    let mut drafts = Draft::group(offers);
    for draft in &mut drafts {
        draft.siblings = siblings.remove(&draft.product).unwrap_or_default();
    }
    drafts
}
