//! Apply: carries a plan out, item by item, through the four change states. Nothing is live before it was read
//! back; what nobody knows is settled by reading.

mod judge;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use tradewind_connector::role::{ItemOutcome, Stock, StockChange};
use tradewind_connector::{CallCx, Connector, Error, Kind, Submitted};
use tradewind_domain::{AccountId, ChangeState, ListingRef, ListingState, LiveListing, Offer, Sku};
use tradewind_store::typed::{self, Versioned};
use tradewind_store::{Batch, Collection, Expect, Filter, StoreError};

use crate::gateway::{Gateway, GatewayError, LONGEST_CALL, Result};
use crate::plan::{Action, Change, Plan};
use crate::pricing::Prices;
use crate::records::{JobRecord, OfferRecord, StockRecord, offer_key};

/// Items of one call when the channel names no limit.
pub(crate) const DEFAULT_BATCH: usize = 20;

/// What became of a plan's changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Accepted by their channels.
    pub accepted: u32,
    /// The channel works on them.
    pub deferred: u32,
    /// Refused by their channels.
    pub rejected: u32,
    /// Nobody knows yet; settled by `settle`.
    pub indeterminate: u32,
    /// Not sent, to be tried again: an outage, a quota.
    pub postponed: u32,
    /// Not sent: the margin floor, kept when the plan was made, is not kept now (law, rates or promotions moved).
    pub held: u32,
    /// First errors, for people.
    pub errors: Vec<String>,
}

/// What a read-back found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Settled {
    /// Now live as intended.
    pub live: u32,
    /// Refused after all.
    pub rejected: u32,
    /// Still being processed.
    pub waiting: u32,
    /// Of these, such as could not be read: their channel did not answer.
    pub unread: u32,
    /// Was never carried out: intended again.
    pub again: u32,
}

/// An offer to put up, and the listing it replaces.
struct Put<'a> {
    offer: &'a Offer,
    replaces: Option<&'a ListingRef>,
}

/// An item that is about to be sent.
struct Sending<'a> {
    sku: &'a Sku,
    /// The complete offer, where one is sent.
    offer: Option<&'a Offer>,
    /// The quantity that is sent, and what the listing shows now; `None`: there is none yet.
    quantity: Option<(u32, Option<u32>)>,
}

impl<'a> Sending<'a> {
    /// Nothing of it but that it goes.
    fn bare(sku: &'a Sku) -> Sending<'a> {
        Sending { sku, offer: None, quantity: None }
    }

    /// A new listing.
    fn new(offer: &'a Offer) -> Sending<'a> {
        Sending { sku: &offer.sku, offer: Some(offer), quantity: Some((offer.quantity, None)) }
    }

    /// Another quantity of a listing.
    fn quantity(change: &'a StockChange) -> Sending<'a> {
        Sending {
            sku: &change.key.sku,
            offer: None,
            quantity: change.expected.map(|q| (change.quantity, Some(q))),
        }
    }
}

/// How an offer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// By a call that says what it did.
    Single,
    /// In a submission that takes effect late.
    Bulk,
    /// Taken down.
    Withdrawn,
}

impl Applied {
    fn tell(&mut self, text: String) {
        if self.errors.len() < 10 && !self.errors.contains(&text) {
            self.errors.push(text);
        }
    }

    /// What was said to items of an account, once for all that were told the same.
    fn tell_items(&mut self, account: &AccountId, said: BTreeMap<String, Vec<Sku>>) {
        for (text, skus) in said {
            let named: Vec<&str> = skus.iter().take(3).map(Sku::as_str).collect();
            let more = match skus.len().saturating_sub(named.len()) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            self.tell(format!("{}{more} at {account}: {text}", named.join(", ")));
        }
    }
}

impl Gateway {
    /// Applies a plan.
    ///
    /// # Errors
    /// The plan is stale or was edited, or the store failed. Failures of channels are in the result.
    pub async fn apply(&self, plan: &Plan) -> Result<Applied> {
        let name = plan.name();
        if name != plan.id {
            return Err(GatewayError::Edited { id: plan.id.clone(), name });
        }
        let world = self.world().await?;
        if world.inputs(self).hash() != plan.inputs {
            return Err(GatewayError::Stale(
                "catalogue, rules, stock or live listings changed since it was made".to_owned(),
            ));
        }
        let mut begin = Batch::new();
        begin.put(plan)?.audit(
            self.now(),
            "apply",
            plan.id.clone(),
            format!("{} changes", plan.changes.len()),
        );
        self.store.commit(begin).await?;
        let mut by_account: BTreeMap<&AccountId, Vec<&Change>> = BTreeMap::new();
        let mut applied = Applied::default();
        let variants = world.variants;
        let prices = Prices::new(&self.config, &self.engines, self.now());
        for change in plan.changes.iter().filter(|c| c.stop.is_none() && c.action.is_some()) {
            if let Err(stop) = prices.at_send(change, &variants) {
                applied.held += 1;
                applied.tell(format!("{} at {} held: {}", change.sku, change.account, stop.why));
                continue;
            }
            by_account.entry(&change.account).or_default().push(change);
        }
        for (id, changes) in by_account {
            let connector = self.account(id)?.clone();
            self.apply_account(plan, id, connector.as_ref(), &changes, &mut applied).await?;
        }
        Ok(applied)
    }

    async fn apply_account(
        &self,
        plan: &Plan,
        id: &AccountId,
        connector: &dyn Connector,
        changes: &[&Change],
        applied: &mut Applied,
    ) -> Result<()> {
        let Some(market) = connector.marketplace() else { return Ok(()) };
        let bounds = &connector.capabilities().bounds;
        let batch = |limit: Option<u32>| limit.map_or(DEFAULT_BATCH, |n| n as usize).max(1);
        let mut creates: Vec<&Offer> = Vec::new();
        let mut puts: Vec<Put<'_>> = Vec::new();
        let mut lowers: Vec<StockChange> = Vec::new();
        let mut raises: Vec<StockChange> = Vec::new();
        let mut gone: Vec<ListingRef> = Vec::new();
        for change in changes {
            match &change.action {
                Some(Action::Create { offer }) => creates.push(offer),
                Some(Action::Update { offer, key, .. }) => puts.push(Put { offer, replaces: Some(key) }),
                Some(Action::Lower { key, from, to }) => {
                    lowers.push(StockChange { key: key.clone(), quantity: *to, expected: Some(*from) })
                }
                Some(Action::Raise { key, from, to }) => {
                    raises.push(StockChange { key: key.clone(), quantity: *to, expected: Some(*from) })
                }
                Some(Action::Withdraw { key }) => gone.push(key.clone()),
                None => {}
            }
        }
        // Stock first: a late lower quantity oversells, a late title does not.
        if let Some(stock) = market.stock() {
            let lowers = self.still_above(id, connector, lowers, applied).await?;
            for (n, items) in lowers.chunks(batch(bounds.stock_batch)).enumerate() {
                let mut items = items.to_vec();
                for item in &mut items {
                    item.quantity = item.quantity.min(self.may_sell(id, &item.key.sku).await?);
                }
                self.set_stock(id, stock, plan, &format!("stock/{n}"), &items, applied).await?;
            }
            for (n, items) in raises.chunks(batch(bounds.stock_batch)).enumerate() {
                let items = self.still_fresh(id, connector, items, applied).await?;
                if !items.is_empty() {
                    self.set_stock(id, stock, plan, &format!("raise/{n}"), &items, applied).await?;
                }
            }
        }
        let Some(offers) = market.offers() else { return Ok(()) };
        for (n, items) in gone.chunks(batch(bounds.offers_batch)).enumerate() {
            let skus: Vec<Sku> = items.iter().map(|i| i.sku.clone()).collect();
            let sending: Vec<Sending<'_>> = skus.iter().map(Sending::bare).collect();
            self.mark(id, &sending, plan, How::Withdrawn).await?;
            let cx = CallCx::keyed(format!("{}/withdraw/{n}", plan.id));
            let result = offers.withdraw(&cx, items).await;
            self.outcome(id, &skus, plan, &format!("withdraw/{n}"), result, applied).await?;
        }
        // A first load goes in bulk where the channel takes it: it takes effect late, and nothing sells there yet.
        if bounds.bulk_from.is_some_and(|from| creates.len() >= from as usize) {
            for (n, items) in creates.chunks(batch(bounds.bulk_batch)).enumerate() {
                let mut ready: Vec<Offer> = Vec::with_capacity(items.len());
                for offer in items {
                    let quantity = offer.quantity.min(self.may_sell(id, &offer.sku).await?);
                    if quantity == 0 {
                        applied.postponed += 1;
                        continue;
                    }
                    ready.push(Offer { quantity, ..(*offer).clone() });
                }
                let items = ready;
                if items.is_empty() {
                    continue;
                }
                let skus: Vec<Sku> = items.iter().map(|i| i.sku.clone()).collect();
                let sending: Vec<Sending<'_>> = items.iter().map(Sending::new).collect();
                self.mark(id, &sending, plan, How::Bulk).await?;
                let cx = CallCx::keyed(format!("{}/list/{n}", plan.id));
                let result = offers.list(&cx, &items).await;
                self.outcome(id, &skus, plan, &format!("list/{n}"), result, applied).await?;
            }
        } else {
            puts.splice(0..0, creates.into_iter().map(|offer| Put { offer, replaces: None }));
        }
        for (n, items) in puts.chunks(batch(bounds.offers_batch)).enumerate() {
            let items = self.never_above(id, connector, items, applied).await?;
            if items.is_empty() {
                continue;
            }
            let skus: Vec<Sku> = items.iter().map(|(offer, _)| offer.sku.clone()).collect();
            let sending: Vec<Sending<'_>> = items
                .iter()
                .map(|(offer, shown)| Sending {
                    quantity: Some((offer.quantity, *shown)),
                    ..Sending::new(offer)
                })
                .collect();
            self.mark(id, &sending, plan, How::Single).await?;
            let items: Vec<Offer> = items.into_iter().map(|(offer, _)| offer).collect();
            let cx = CallCx::keyed(format!("{}/put/{n}", plan.id));
            let result = offers.put(&cx, &items).await;
            self.outcome(id, &skus, plan, &format!("put/{n}"), result, applied).await?;
        }
        Ok(())
    }

    /// Sets quantities of listings, in one call.
    async fn set_stock(
        &self,
        id: &AccountId,
        stock: &dyn Stock,
        plan: &Plan,
        part: &str,
        items: &[StockChange],
        applied: &mut Applied,
    ) -> Result<()> {
        let skus: Vec<Sku> = items.iter().map(|i| i.key.sku.clone()).collect();
        let sending: Vec<Sending<'_>> = items.iter().map(Sending::quantity).collect();
        self.mark(id, &sending, plan, How::Single).await?;
        let cx = CallCx::keyed(format!("{}/{part}", plan.id));
        let result = stock.set(&cx, items).await;
        self.outcome(id, &skus, plan, part, result, applied).await
    }

    /// Of quantities to raise, those that may be raised still, by what the channel shows now and what its listing was never
    /// given by now.
    async fn still_fresh(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        raises: &[StockChange],
        applied: &mut Applied,
    ) -> Result<Vec<StockChange>> {
        let keys = raises.iter().map(|c| c.key.clone()).collect();
        // Without a reading nothing is raised: what the listing shows by now is not known.
        let Some(shown) = self.shown(id, connector, keys, applied).await? else { return Ok(Vec::new()) };
        let mut still = Vec::with_capacity(raises.len());
        for change in raises {
            let Some(live) = shown.get(&change.key.sku).filter(|l| l.state == ListingState::Live) else {
                continue;
            };
            let Some(now) = live.quantity else { continue };
            let most = self.may_show(id, &change.key.sku, now).await?.min(change.quantity);
            if most > now {
                still.push(StockChange { quantity: most, expected: Some(now), ..change.clone() });
            }
        }
        Ok(still)
    }

    /// Of quantities to lower, those that the channel still shows above what they should be.
    async fn still_above(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        lowers: Vec<StockChange>,
        applied: &mut Applied,
    ) -> Result<Vec<StockChange>> {
        let keys = lowers.iter().map(|c| c.key.clone()).collect();
        let Some(shown) = self.shown(id, connector, keys, applied).await? else { return Ok(lowers) };
        let above = lowers.into_iter().filter_map(|change| {
            let now = shown.get(&change.key.sku)?.quantity.filter(|q| *q > change.quantity)?;
            Some(StockChange { expected: Some(now), ..change })
        });
        Ok(above.collect())
    }

    /// Offers that are about to be put, and what their listings show now; one that replaces a listing takes no more units than the
    /// listing shows and was never given. So does one that was sent before and not seen since: it may have come late,
    /// and sold.
    async fn never_above(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        puts: &[Put<'_>],
        applied: &mut Applied,
    ) -> Result<Vec<(Offer, Option<u32>)>> {
        let mut keys: Vec<ListingRef> = puts.iter().filter_map(|p| p.replaces.cloned()).collect();
        let mut again: BTreeSet<&Sku> = BTreeSet::new();
        for put in puts.iter().filter(|p| p.replaces.is_none()) {
            let sku = &put.offer.sku;
            let known = typed::get::<OfferRecord>(&*self.store, &offer_key(id, sku)).await?;
            if let Some(before) = known.filter(|k| k.value.sent_at.is_some()) {
                keys.push(ListingRef { sku: sku.clone(), listing: before.value.listing });
                again.insert(sku);
            }
        }
        let shown = self.shown(id, connector, keys, applied).await?;
        let mut offers = Vec::with_capacity(puts.len());
        for put in puts {
            let mut offer = put.offer.clone();
            let mut before = None;
            if let Some(shown) =
                shown.as_ref().filter(|_| put.replaces.is_some() || again.contains(&offer.sku))
            {
                let Some(live) = shown.get(&offer.sku) else { continue };
                let absent = live.state == ListingState::Absent;
                if absent && put.replaces.is_some() {
                    // There is nothing to update any more, and what it sold last is not known: the next plan decides.
                    applied.postponed += 1;
                    continue;
                }
                if !absent {
                    before = live.quantity;
                    if let Some(now) = before {
                        offer.quantity = offer.quantity.min(self.may_show(id, &offer.sku, now).await?);
                    }
                }
            }
            offer.quantity = offer.quantity.min(self.may_sell(id, &offer.sku).await?);
            if offer.quantity == 0 && put.replaces.is_none() {
                // Nothing is left to put up: the next plan knows.
                applied.postponed += 1;
                continue;
            }
            offers.push((offer, before));
        }
        Ok(offers)
    }

    /// What an account is allotted of a SKU at this moment: an apply takes its time, and other accounts sell and shelves are
    /// counted meanwhile.
    async fn may_sell(&self, id: &AccountId, sku: &Sku) -> Result<u32> {
        let shelf = typed::get::<StockRecord>(&*self.store, sku.as_str()).await?;
        Ok(shelf.and_then(|s| s.value.allotted.get(id).copied()).unwrap_or(0))
    }

    /// The most that a listing may show which shows so many units at this moment.
    async fn may_show(&self, id: &AccountId, sku: &Sku, shown: u32) -> Result<u32> {
        let shelf = typed::get::<StockRecord>(&*self.store, sku.as_str()).await?;
        Ok(shelf.map_or(0, |s| s.value.may_show(id, shown)))
    }

    /// What the channel shows at this moment. A channel counts its own sales down; what we last read may be older than a
    /// sale, and an absolute quantity that is sent on old knowledge would raise the listing again, over orders that were
    /// not imported yet. So it is read just before. `None`: the channel reads nothing back. A listing that could not be
    /// read is left out, and what was planned for it is counted as postponed.
    async fn shown(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        keys: Vec<ListingRef>,
        applied: &mut Applied,
    ) -> Result<Option<BTreeMap<Sku, LiveListing>>> {
        let Some(listings) = connector.marketplace().and_then(|m| m.listings()) else { return Ok(None) };
        let size =
            connector.capabilities().bounds.listings_batch.map_or(DEFAULT_BATCH, |n| n as usize).max(1);
        let mut shown = BTreeMap::new();
        for chunk in keys.chunks(size) {
            let since = self.now();
            let found = match listings.read(&CallCx::new(), chunk).await {
                Ok(found) => found,
                Err(e) => {
                    applied.tell(self.told(&e));
                    applied.postponed += chunk.len() as u32;
                    continue;
                }
            };
            let mut read = Vec::with_capacity(chunk.len());
            for key in chunk {
                let sku = &key.sku;
                let Some(live) = found.iter().find(|l| l.key.sku == *sku) else {
                    applied.postponed += 1;
                    continue;
                };
                shown.insert(sku.clone(), live.clone());
                read.push(live);
            }
            self.reread(id, since, &read).await?;
        }
        Ok(Some(shown))
    }

    /// Writes what is about to be sent, before it is.
    async fn mark(&self, id: &AccountId, sending: &[Sending<'_>], plan: &Plan, how: How) -> Result<()> {
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

    async fn outcome(
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
    async fn items(
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
                    applied.accepted += part.accepted;
                    applied.indeterminate += part.indeterminate;
                    applied.rejected += part.rejected;
                    applied.postponed += part.postponed;
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

    /// Asks for the results of deferred submissions, then reads back everything that is not known to be live. What
    /// channels said meanwhile is in the second answer.
    ///
    /// # Errors
    /// The store failed. Channels that fail are asked again next time.
    pub async fn settle(&self) -> Result<(Settled, Applied)> {
        let mut applied = Applied::default();
        for job in typed::list::<JobRecord>(&*self.store, Filter::all()).await? {
            let Versioned { value: job, version } = job;
            if job.handle.not_before.is_some_and(|t| t > self.now()) {
                applied.deferred += job.skus.len() as u32;
                continue;
            }
            let connector = self.account(&job.account)?.clone();
            let Some(offers) = connector.marketplace().and_then(|m| m.offers()) else { continue };
            match offers.poll(&CallCx::new(), &job.handle).await {
                Ok(Submitted::Deferred(handle)) => {
                    applied.deferred += job.skus.len() as u32;
                    let mut batch = Batch::new();
                    batch.put_back(&Versioned { value: JobRecord { handle, ..job }, version })?;
                    match self.store.commit(batch).await {
                        // Another process asked as well; it knows as much, or that it is done.
                        Err(StoreError::Conflict { .. }) => {}
                        written => written?,
                    }
                }
                Ok(Submitted::Done(items)) => {
                    self.items(&job.account, items, Some(&job.id), &mut applied).await?;
                }
                Err(e) => {
                    applied.tell(self.told(&e));
                    applied.deferred += job.skus.len() as u32;
                }
            }
        }
        let mut settled = Settled::default();
        for id in self.accounts.keys() {
            self.read_back(id, &mut settled, &mut applied).await?;
        }
        Ok((settled, applied))
    }

    async fn read_back(&self, id: &AccountId, settled: &mut Settled, applied: &mut Applied) -> Result<()> {
        let connector = self.account(id)?.clone();
        let Some(listings) = connector.marketplace().and_then(|m| m.listings()) else { return Ok(()) };
        let open = [ChangeState::Accepted, ChangeState::Indeterminate];
        let mut records =
            typed::list::<OfferRecord>(&*self.store, Filter::account(id.as_str()).states(&open)).await?;
        // A process that died between sending and writing left `Sent`: nobody knows, unless a job still asks.
        let jobs = typed::list::<JobRecord>(&*self.store, Filter::account(id.as_str())).await?;
        let sent = typed::list::<OfferRecord>(
            &*self.store,
            Filter::account(id.as_str()).states(&[ChangeState::Sent]),
        )
        .await?;
        let asked: HashSet<&Sku> = jobs.iter().flat_map(|j| &j.value.skus).collect();
        for record in sent.into_iter().filter(|r| !asked.contains(&r.value.sku)) {
            // Or another process is in the middle of the call, and what is to be seen now is not yet what it does.
            let at = record.value.sent_at;
            if at.is_some_and(|at| self.now().duration_since(at) < LONGEST_CALL) {
                settled.waiting += 1;
            } else {
                records.push(record);
            }
        }
        let size =
            connector.capabilities().bounds.listings_batch.map_or(DEFAULT_BATCH, |n| n as usize).max(1);
        for chunk in records.chunks(size) {
            let keys: Vec<ListingRef> = chunk
                .iter()
                .map(|r| ListingRef { sku: r.value.sku.clone(), listing: r.value.listing.clone() })
                .collect();
            let found = match listings.read(&CallCx::new(), &keys).await {
                Ok(found) => found,
                Err(e) => {
                    applied.tell(self.told(&e));
                    settled.waiting += chunk.len() as u32;
                    settled.unread += chunk.len() as u32;
                    continue;
                }
            };
            loop {
                match self.judge_chunk(id, chunk, &found, settled, applied).await {
                    // Somebody wrote one of them: they are read again.
                    Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                    other => break other?,
                }
            }
        }
        Ok(())
    }

    /// Judges offers by what was read of them. One that was sent anew during the reading is not in it as it is now: it is
    /// asked for again.
    async fn judge_chunk(
        &self,
        id: &AccountId,
        chunk: &[Versioned<OfferRecord>],
        found: &[LiveListing],
        settled: &mut Settled,
        applied: &mut Applied,
    ) -> Result<()> {
        let mut batch = Batch::new();
        let mut part = Settled::default();
        let mut said: BTreeMap<String, Vec<Sku>> = BTreeMap::new();
        for listed in chunk {
            let key = offer_key(id, &listed.value.sku);
            let Some(mut known) = typed::get::<OfferRecord>(&*self.store, &key).await? else { continue };
            let record = &mut known.value;
            if (record.state, record.sent_at) != (listed.value.state, listed.value.sent_at) {
                part.waiting += 1;
                continue;
            }
            let live = found.iter().find(|l| l.key.sku == record.sku);
            judge::judge(record, live, self.now(), &mut part);
            if record.state == ChangeState::Rejected {
                let why = record.note.clone().unwrap_or_default();
                said.entry(format!("refused after all: {why}")).or_default().push(record.sku.clone());
            }
            if live.is_some() {
                record.read_at = Some(self.now());
                batch.put_back(&known)?;
            }
        }
        self.store.commit(batch).await?;
        settled.live += part.live;
        settled.rejected += part.rejected;
        settled.waiting += part.waiting;
        settled.again += part.again;
        applied.tell_items(id, said);
        Ok(())
    }
}
