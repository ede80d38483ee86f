//! Accounts that do not sell any more: what of theirs is on sale still, and when their units are for others again.

use std::collections::BTreeMap;

use tradewind_domain::AccountId;
use tradewind_store::Batch;
use tradewind_store::typed;

use crate::config::Config;
use crate::gateway::{Gateway, Result};
use crate::records::{OfferRecord, StockRecord, offer_key};

/// Listings on sale, when they were last read, of an account that does not sell any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untended {
    /// The account.
    pub account: AccountId,
    /// How many.
    pub listings: u32,
    /// It is in the configuration, without `[account.offers]`: the next plan takes down what we put up. Otherwise nobody can.
    pub configured: bool,
}

impl std::fmt::Display for Untended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Untended { account, listings, configured } = self;
        if *configured {
            return write!(
                f,
                "account '{account}' has no [account.offers] any more, and {listings} listings that we put up there were on sale when \
                 they were last read: `tradewind plan` and `apply` take them down, or put [account.offers] back"
            );
        }
        write!(
            f,
            "account '{account}' is not in the configuration any more, and {listings} listings of it were on sale when they were last \
             read: take them down there, or put its [[account]] back"
        )
    }
}

/// The listings of accounts that do not sell any more, by account.
pub fn untended<'a>(config: &Config, offers: impl IntoIterator<Item = &'a OfferRecord>) -> Vec<Untended> {
    let mut found: BTreeMap<&AccountId, Untended> = BTreeMap::new();
    for offer in offers.into_iter().filter(|o| o.is_on_sale()) {
        let entry = config.account.iter().find(|a| a.id == offer.account);
        let theirs = match entry {
            // What we found there and never touched is not ours to take down.
            Some(entry) => entry.offers.is_none() && offer.desired.is_some(),
            None => true,
        };
        if theirs {
            let (account, configured) = (offer.account.clone(), entry.is_some());
            let known = found.entry(&offer.account).or_insert(Untended { account, listings: 0, configured });
            known.listings += 1;
        }
    }
    found.into_values().collect()
}

impl Gateway {
    /// Takes the units of a shelf back from accounts that do not sell any more, as soon as that sells nothing twice: nothing was ever
    /// put up there, or the listing was seen to be down and all that it sold before is heard of. Of an account that is not in the
    /// configuration neither can be known: its units stay where they are.
    pub(crate) async fn take_back(&self, shelf: &mut StockRecord, batch: &mut Batch) -> Result<bool> {
        let silent = self.config.account.iter().filter(|a| a.offers.is_none()).map(|a| &a.id);
        let mut some = false;
        for id in silent.filter(|id| self.accounts.contains_key(*id)) {
            let units = shelf.allotted_to(id);
            if units == 0 {
                continue;
            }
            if let Some(offer) = typed::get::<OfferRecord>(&*self.store, &offer_key(id, &shelf.sku)).await? {
                let Some(read_at) = offer.value.read_at.filter(|_| offer.value.is_down()) else { continue };
                if !self.all_heard_before(id, read_at).await? {
                    continue;
                }
                // As it was read: it may be put up again at this moment.
                batch.put_back(&offer)?;
            }
            shelf.take_back(id);
            let text = format!("{units} units back from {id}, which does not sell any more");
            batch.audit(self.now(), "stock", shelf.sku.to_string(), text);
            some = true;
        }
        Ok(some)
    }
}
