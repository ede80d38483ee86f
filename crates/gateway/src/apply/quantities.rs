//! Quantities at the moment of sending: what a listing shows now, what it may show, and what is left to send of a plan.

use std::collections::BTreeMap;

use tradewind_connector::role::{Stock, StockChange};
use tradewind_connector::{CallCx, Connector};
use tradewind_domain::{AccountId, ListingRef, ListingState, LiveListing, Sku};
use tradewind_store::typed;

use super::mark::{How, Sending};
use super::{Applied, Run, batch_size};
use crate::gateway::{Gateway, Result};
use crate::records::{JobFacet, StockRecord};

impl Gateway {
    /// Sets quantities of listings, in one call.
    pub(super) async fn set_stock(
        &self,
        run: &Run<'_>,
        stock: &dyn Stock,
        part: &str,
        mut items: Vec<StockChange>,
        applied: &mut Applied,
    ) -> Result<()> {
        let sending: Vec<Sending<'_>> = items.iter().map(Sending::quantity).collect();
        let overtaken = self.mark(run, &sending, How::Quantity).await?;
        applied.postponed += overtaken.len() as u32;
        items.retain(|i| !overtaken.contains(&i.key.sku));
        if items.is_empty() {
            return Ok(());
        }
        let skus: Vec<Sku> = items.iter().map(|i| i.key.sku.clone()).collect();
        let result = stock.set(&run.key(part), &items).await;
        self.outcome(run, &skus, JobFacet::Stock, part, result, applied).await
    }

    /// Of quantities to raise, those that may be raised still, by what the channel shows now and what its listing was never
    /// given by now.
    pub(super) async fn still_fresh(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        raises: &[StockChange],
        applied: &mut Applied,
    ) -> Result<Vec<StockChange>> {
        let keys = raises.iter().map(|c| c.key.clone()).collect();
        // Without a reading nothing is raised: what the listing shows by now is not known.
        let Some(shown) = self.shown(id, connector, keys, applied).await? else {
            applied.waits(
                id,
                raises.iter().map(|c| c.key.sku.clone()).collect(),
                "its channel reads nothing back",
            );
            return Ok(Vec::new());
        };
        let mut still = Vec::with_capacity(raises.len());
        let mut waiting = Vec::new();
        for change in raises {
            let Some(live) = shown.get(&change.key.sku) else {
                applied.postponed += 1;
                continue;
            };
            let Some(now) = live.quantity.filter(|_| live.state == ListingState::Live) else {
                waiting.push(change.key.sku.clone());
                continue;
            };
            let most = self.may_show(id, &change.key.sku, now).await?.min(change.quantity);
            if most > now {
                still.push(StockChange { quantity: most, expected: Some(now), ..change.clone() });
            }
        }
        applied.waits(id, waiting, "the listing is not on sale at this moment, or tells no quantity");
        Ok(still)
    }

    /// Of quantities to lower, those that the channel still shows above what they should be.
    pub(super) async fn still_above(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        lowers: Vec<StockChange>,
        applied: &mut Applied,
    ) -> Result<Vec<StockChange>> {
        let keys = lowers.iter().map(|c| c.key.clone()).collect();
        let Some(shown) = self.shown(id, connector, keys, applied).await? else { return Ok(lowers) };
        let (mut above, mut waiting) = (Vec::with_capacity(lowers.len()), Vec::new());
        for change in lowers {
            let Some(live) = shown.get(&change.key.sku) else {
                applied.postponed += 1;
                continue;
            };
            match live.quantity {
                Some(now) if now > change.quantity => {
                    above.push(StockChange { expected: Some(now), ..change });
                }
                Some(_) => {}
                // Nothing of it sells.
                None if matches!(live.state, ListingState::Absent | ListingState::Inactive) => {}
                None => waiting.push(change.key.sku),
            }
        }
        applied.waits(id, waiting, "the listing tells no quantity at this moment");
        Ok(above)
    }

    /// What an account is allotted of a SKU at this moment: an apply takes its time, and other accounts sell and shelves are
    /// counted meanwhile.
    pub(super) async fn may_sell(&self, id: &AccountId, sku: &Sku) -> Result<u32> {
        let shelf = typed::get::<StockRecord>(&*self.store, sku.as_str()).await?;
        Ok(shelf.map_or(0, |s| s.value.allotted_to(id)))
    }

    /// The most that a listing may show which shows so many units at this moment.
    pub(super) async fn may_show(&self, id: &AccountId, sku: &Sku, shown: u32) -> Result<u32> {
        let shelf = typed::get::<StockRecord>(&*self.store, sku.as_str()).await?;
        Ok(shelf.map_or(0, |s| s.value.may_show(id, shown)))
    }

    /// What the channel shows at this moment. A channel counts its own sales down; what we last read may be older than a
    /// sale, and an absolute quantity that is sent on old knowledge would raise the listing again, over orders that were
    /// not imported yet. So it is read just before. `None`: the channel reads nothing back. A listing that could not be
    /// read is left out: the caller counts what was planned for it.
    pub(super) async fn shown(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        keys: Vec<ListingRef>,
        applied: &mut Applied,
    ) -> Result<Option<BTreeMap<Sku, LiveListing>>> {
        let Some(listings) = connector.marketplace().and_then(|m| m.listings()) else { return Ok(None) };
        let size = batch_size(connector.capabilities().bounds.listings_batch);
        let mut shown = BTreeMap::new();
        for chunk in keys.chunks(size) {
            let since = self.now();
            let found = match listings.read(&CallCx::new(), chunk).await {
                Ok(found) => found,
                Err(e) => {
                    applied.tell(self.told(&e));
                    continue;
                }
            };
            let mut read = Vec::with_capacity(chunk.len());
            for key in chunk {
                let sku = &key.sku;
                let Some(live) = found.iter().find(|l| l.key.sku == *sku) else { continue };
                shown.insert(sku.clone(), live.clone());
                read.push(live);
            }
            self.reread(id, since, &read).await?;
        }
        Ok(Some(shown))
    }
}
