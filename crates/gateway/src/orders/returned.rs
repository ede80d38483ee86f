//! Units that came back with cancelled orders (ADR 3): their listings are read once that can tell, and what they do not show
//! is fresh again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tradewind_domain::{AccountId, ChangeState, ListingState, Sku};
use tradewind_store::typed;
use tradewind_store::{Batch, Filter, StoreError};

use super::overlap;
use crate::apply::Applied;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::progress::back;
use crate::records::{OfferRecord, StockRecord, offer_key};

impl Gateway {
    /// Reads the listings of units that came back to an account, where the last reading was too early to tell whether they are
    /// shown. What its channel said meanwhile is told.
    pub(crate) async fn read_returned(&self, id: &AccountId, applied: &mut Applied) -> Result<()> {
        let overlap = overlap(self.account(id)?.as_ref());
        let mut due: BTreeSet<Sku> = BTreeSet::new();
        let returned = Filter::all().states(&[StockRecord::RETURNED]);
        for shelf in typed::list::<StockRecord>(&*self.store, returned).await? {
            // A reading of this moment would tell no more than the last one.
            let ripe = |heard_at: &Timestamp| back(self.now(), overlap) >= *heard_at;
            let heard_at = shelf.value.returned.get(id).map(|r| r.heard_at);
            let Some(heard_at) = heard_at.filter(ripe) else { continue };
            let key = offer_key(id, &shelf.value.sku);
            let Some(offer) = typed::get::<OfferRecord>(&*self.store, &key).await? else { continue };
            let offer = offer.value;
            let tells =
                |at: Timestamp| back(at, overlap) >= heard_at && offer.sent_at.is_none_or(|sent| sent < at);
            // One that is on its way is read back in any case.
            if offer.state == ChangeState::Live && !offer.read_at.is_some_and(tells) {
                due.insert(shelf.value.sku);
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        match self.refresh_some(id, Some(&due)).await {
            Ok(read) => read.unread.iter().for_each(|e| applied.tell(self.told(e))),
            Err(GatewayError::Channel(e)) => applied.tell(self.told(&e)),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Units that came back to an account with cancelled orders, as far as its listings do not show them, are fresh again. Known
    /// from a listing that was read after all that we heard of, once every sale before that reading is heard of too.
    pub(super) async fn look_for_returned(&self, id: &AccountId, read_to: Timestamp) -> Result<()> {
        if self.owes_orders(id).await? {
            return Ok(());
        }
        let overlap = overlap(self.account(id)?.as_ref());
        let returned = Filter::all().states(&[StockRecord::RETURNED]);
        for mut shelf in typed::list::<StockRecord>(&*self.store, returned).await? {
            let Some(heard_at) = shelf.value.returned.get(id).map(|r| r.heard_at) else { continue };
            let key = offer_key(id, &shelf.value.sku);
            let Some(offer) = typed::get::<OfferRecord>(&*self.store, &key).await? else { continue };
            let offer = offer.value;
            let (Some(live), Some(read_at)) = (&offer.live, offer.read_at) else { continue };
            // Some channels take a listing off sale with its last unit.
            let shown = match (&live.state, live.quantity) {
                (ListingState::Live, Some(shown)) => shown,
                (ListingState::Inactive, Some(0)) => 0,
                _ => continue,
            };
            let told = back(read_at, overlap) >= heard_at && back(read_to, overlap) >= read_at;
            // What is on its way may show another quantity than was read.
            let still = offer.state == ChangeState::Live && offer.sent_at.is_none_or(|at| at < read_at);
            if told && still {
                shelf.value.found(id, shown);
                let mut batch = Batch::new();
                batch.put_back(&shelf)?;
                match self.store.commit(batch).await {
                    // Somebody sold or counted meanwhile: looked at again by the next pull.
                    Ok(()) | Err(StoreError::Conflict { .. }) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Ok(())
    }
}
