//! Apply: carries a plan out, item by item, through the four change states. Nothing is live before it was read
//! back; what nobody knows is settled by reading.

mod drafts;
mod judge;
mod mark;
mod quantities;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tradewind_connector::role::{Draft, ItemOutcome, Offers, Stock, StockChange};
use tradewind_connector::{CallCx, Connector, Error, Kind};
use tradewind_domain::{AccountId, ListingRef, Offer, ProductId, Sku};
use tradewind_store::Batch;

pub(crate) use self::drafts::cut;
use self::drafts::{Put, Ready};
use self::mark::{How, Sending};
pub use self::settle::Settled;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::plan::{Action, Change, Plan};
use crate::pricing::Prices;
use crate::records::{JobFacet, OfferRecord, offer_key};

/// Items of one call when the channel names no limit.
const DEFAULT_BATCH: usize = 20;

/// The items of one call, by the channel's bound.
pub(crate) fn batch_size(limit: Option<u32>) -> usize {
    limit.map_or(DEFAULT_BATCH, |n| n as usize).max(1)
}

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

/// One account's part of an apply.
struct Run<'a> {
    plan: &'a Plan,
    id: &'a AccountId,
    connector: &'a dyn Connector,
    /// The offers as the plan was held against them.
    offers: &'a BTreeMap<String, OfferRecord>,
}

impl Run<'_> {
    /// Names this making of the plan. What is planned from the same world is the same plan and has its id: a price that
    /// goes back and forth, a quantity that somebody raises again. Under the keys of the first time, the journal would answer
    /// that it is done.
    fn name(&self) -> String {
        format!("{}@{}", self.plan.id, self.plan.made_at)
    }

    /// The context of one of its writes.
    fn key(&self, part: &str) -> CallCx {
        CallCx::keyed(format!("{}/{part}", self.name()))
    }
}

/// The changes of an account, by what is done for them.
#[derive(Default)]
struct Work<'a> {
    creates: Vec<&'a Offer>,
    updates: Vec<Put<'a>>,
    lowers: Vec<StockChange>,
    raises: Vec<StockChange>,
    gone: Vec<ListingRef>,
}

impl<'a> Work<'a> {
    fn of(changes: &[&'a Change]) -> Work<'a> {
        let mut work = Work::default();
        let quantity = |key: &ListingRef, from: u32, to: u32| StockChange {
            key: key.clone(),
            quantity: to,
            expected: Some(from),
        };
        for change in changes {
            match &change.action {
                Some(Action::Create { offer }) => work.creates.push(offer),
                Some(Action::Update { offer, key, .. }) => {
                    work.updates.push(Put { offer, replaces: Some(key) });
                }
                Some(Action::Lower { key, from, to }) => work.lowers.push(quantity(key, *from, *to)),
                Some(Action::Raise { key, from, to }) => work.raises.push(quantity(key, *from, *to)),
                Some(Action::Withdraw { key }) => work.gone.push(key.clone()),
                None => {}
            }
        }
        work
    }
}

impl Applied {
    fn add(&mut self, part: Applied) {
        self.accepted += part.accepted;
        self.deferred += part.deferred;
        self.rejected += part.rejected;
        self.indeterminate += part.indeterminate;
        self.postponed += part.postponed;
        self.held += part.held;
        for text in part.errors {
            self.tell(text);
        }
    }

    pub(crate) fn tell(&mut self, text: String) {
        if self.errors.len() < 10 && !self.errors.contains(&text) {
            self.errors.push(text);
        }
    }

    /// Quantities that are not sent now, and why.
    fn waits(&mut self, account: &AccountId, skus: Vec<Sku>, why: &str) {
        if !skus.is_empty() {
            self.postponed += skus.len() as u32;
            let text = format!("its quantity is not set, {why}; apply the next plan");
            self.tell_items(account, BTreeMap::from([(text, skus)]));
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
        let (variants, offers) = (world.variants, &world.offers);
        let prices = Prices::new(&self.config, &self.engines, self.now());
        for change in plan.changes.iter().filter(|c| c.stop.is_none() && c.action.is_some()) {
            if let Err(stop) = prices.at_send(change, &variants) {
                applied.held += 1;
                applied.tell(format!("{} at {} held: {}", change.sku, change.account, stop.why));
                continue;
            }
            by_account.entry(&change.account).or_default().push(change);
        }
        let work = by_account.into_iter().map(|(id, changes)| async move {
            let mut applied = Applied::default();
            let connector = self.account(id)?.clone();
            let run = Run { plan, id, connector: connector.as_ref(), offers };
            self.apply_account(&run, &changes, &mut applied).await?;
            Ok::<_, GatewayError>(applied)
        });
        for part in self.at_once(work).await {
            applied.add(part?);
        }
        Ok(applied)
    }

    /// Does the work of several accounts: at once, for a channel that is slow or out of quota must not keep the stock of the
    /// others waiting; in turn, where time is virtual. The results are in the order of the accounts.
    pub(crate) async fn at_once<T>(&self, work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
        if !self.clock.moves_for_all() {
            return futures::future::join_all(work).await;
        }
        let mut done = Vec::new();
        for one in work {
            done.push(one.await);
        }
        done
    }

    /// Stock first: a late lower quantity oversells, a late title does not.
    async fn apply_account(&self, run: &Run<'_>, changes: &[&Change], applied: &mut Applied) -> Result<()> {
        let Some(market) = run.connector.marketplace() else { return Ok(()) };
        let work = Work::of(changes);
        if let Some(stock) = market.stock() {
            self.set_quantities(run, stock, &work, applied).await?;
        }
        let Some(offers) = market.offers() else { return Ok(()) };
        self.take_off_sale(run, offers, &work.gone, applied).await?;
        let bounds = &run.connector.capabilities().bounds;
        let products = match bounds.whole_products {
            true => drafts::by_product(run),
            false => BTreeMap::new(),
        };
        // A first load goes in bulk where the channel takes it: it takes effect late, and nothing sells there yet. A new
        // variant of a product that goes as a whole is no first load: its siblings may sell. Nor is what was sent or seen before: it
        // may have come late and sold, and is read first.
        let known =
            |sku: &Sku| run.offers.get(&offer_key(run.id, sku)).is_some_and(OfferRecord::may_be_there);
        let (mut loads, singles): (Vec<Put<'_>>, Vec<Put<'_>>) = work
            .creates
            .into_iter()
            .map(|offer| Put { offer, replaces: None })
            .partition(|put| !products.contains_key(&put.offer.product) && !known(&put.offer.sku));
        if bounds.bulk_from.is_some_and(|from| loads.len() >= from as usize) {
            let calls = drafts::cut(
                std::mem::take(&mut loads),
                batch_size(bounds.bulk_batch),
                bounds.whole_products,
                |put| &put.offer.product,
            );
            for (n, items) in calls.iter().enumerate() {
                self.list(run, offers, n, items, applied).await?;
            }
        }
        let puts: Vec<Put<'_>> = loads.into_iter().chain(singles).chain(work.updates).collect();
        let calls = drafts::cut(puts, batch_size(bounds.offers_batch), bounds.whole_products, |put| {
            &put.offer.product
        });
        for (n, items) in calls.iter().enumerate() {
            self.put_up(run, offers, (n, items), &products, applied).await?;
        }
        Ok(())
    }

    async fn set_quantities(
        &self,
        run: &Run<'_>,
        stock: &dyn Stock,
        work: &Work<'_>,
        applied: &mut Applied,
    ) -> Result<()> {
        let Run { id, connector, .. } = *run;
        let size = batch_size(connector.capabilities().bounds.stock_batch);
        let lowers = self.still_above(id, connector, work.lowers.clone(), applied).await?;
        for (n, items) in lowers.chunks(size).enumerate() {
            let mut items = items.to_vec();
            for item in &mut items {
                item.quantity = item.quantity.min(self.may_sell(id, &item.key.sku).await?);
            }
            self.set_stock(run, stock, &format!("stock/{n}"), items, applied).await?;
        }
        for (n, items) in work.raises.chunks(size).enumerate() {
            let items = self.still_fresh(id, connector, items, applied).await?;
            if !items.is_empty() {
                self.set_stock(run, stock, &format!("raise/{n}"), items, applied).await?;
            }
        }
        Ok(())
    }

    async fn take_off_sale(
        &self,
        run: &Run<'_>,
        offers: &dyn Offers,
        gone: &[ListingRef],
        applied: &mut Applied,
    ) -> Result<()> {
        let size = batch_size(run.connector.capabilities().bounds.offers_batch);
        for (n, items) in gone.chunks(size).enumerate() {
            let sending: Vec<Sending<'_>> = items.iter().map(|i| Sending::bare(&i.sku)).collect();
            let overtaken = self.mark(run, &sending, How::Withdrawn).await?;
            applied.postponed += overtaken.len() as u32;
            let items: Vec<ListingRef> =
                items.iter().filter(|i| !overtaken.contains(&i.sku)).cloned().collect();
            if items.is_empty() {
                continue;
            }
            let skus: Vec<Sku> = items.iter().map(|i| i.sku.clone()).collect();
            let part = format!("withdraw/{n}");
            let result = offers.withdraw(&run.key(&part), &items).await;
            self.outcome(run, &skus, JobFacet::Offers, &part, result, applied).await?;
        }
        Ok(())
    }

    /// Puts offers in one call, with the siblings of products that go as a whole.
    async fn put_up(
        &self,
        run: &Run<'_>,
        offers: &dyn Offers,
        (n, items): (usize, &[Put<'_>]),
        products: &BTreeMap<&ProductId, Vec<&Sku>>,
        applied: &mut Applied,
    ) -> Result<()> {
        let (mut ready, mut siblings) = self.ready(run, items, products, applied).await?;
        let sending: Vec<Sending<'_>> = ready
            .iter()
            .map(|one| Sending {
                quantity: Some((one.offer.quantity, one.shown)),
                ..Sending::new(&one.offer)
            })
            .collect();
        let overtaken = self.mark(run, &sending, How::Single).await?;
        applied.postponed += overtaken.len() as u32;
        // A product that goes as a whole does not go without a part of it.
        let whole = run.connector.capabilities().bounds.whole_products;
        let torn: BTreeSet<ProductId> = ready
            .iter()
            .filter(|one| whole && overtaken.contains(&one.offer.sku))
            .map(|one| one.offer.product.clone())
            .collect();
        ready.retain(|one| !overtaken.contains(&one.offer.sku));
        let (held, ready): (Vec<Ready>, Vec<Ready>) =
            ready.into_iter().partition(|one| torn.contains(&one.offer.product));
        if !held.is_empty() {
            let why =
                || Error::new(Kind::Conflict, "a variant of its product is being sent by another process");
            let held = held.iter().map(|one| ItemOutcome::err(&one.offer.sku, why())).collect();
            self.items(run.id, held, None, applied).await?;
        }
        if ready.is_empty() {
            return Ok(());
        }
        let skus: Vec<Sku> = ready.iter().map(|one| one.offer.sku.clone()).collect();
        let drafts = drafts::drafts(ready, &mut siblings);
        let part = format!("put/{n}");
        let result = offers.put(&run.key(&part), &drafts).await;
        self.outcome(run, &skus, JobFacet::Offers, &part, result, applied).await
    }

    /// Lists new offers in one submission.
    async fn list(
        &self,
        run: &Run<'_>,
        offers: &dyn Offers,
        n: usize,
        items: &[Put<'_>],
        applied: &mut Applied,
    ) -> Result<()> {
        let mut ready: Vec<Offer> = Vec::with_capacity(items.len());
        for Put { offer, .. } in items {
            let quantity = offer.quantity.min(self.may_sell(run.id, &offer.sku).await?);
            if quantity == 0 {
                applied.postponed += 1;
                continue;
            }
            ready.push(Offer { quantity, ..(*offer).clone() });
        }
        let sending: Vec<Sending<'_>> = ready.iter().map(Sending::new).collect();
        let overtaken = self.mark(run, &sending, How::Bulk).await?;
        applied.postponed += overtaken.len() as u32;
        ready.retain(|offer| !overtaken.contains(&offer.sku));
        if ready.is_empty() {
            return Ok(());
        }
        let skus: Vec<Sku> = ready.iter().map(|i| i.sku.clone()).collect();
        let part = format!("list/{n}");
        let result = offers.list(&run.key(&part), &Draft::of(ready)).await;
        self.outcome(run, &skus, JobFacet::Offers, &part, result, applied).await
    }
}
