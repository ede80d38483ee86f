//! The calls behind an order or an offer, as they are kept: for a person who must know what a channel really said.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tradewind_domain::AccountId;
use tradewind_store::{CallFilter, KeptCall};

use crate::gateway::{Gateway, Result};
use crate::history::History;
use crate::records::OfferRecord;

/// A channel's clock may go ahead of ours: an answer about an order can be kept "before" it was placed.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

impl Gateway {
    /// The kept calls that are about an order, its parcel, declaration and cases, or whose answers name one of them, oldest
    /// first. An answer that lists many orders is one of them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn calls_of_order(&self, history: &History) -> Result<Vec<KeptCall>> {
        let order = &history.order.order;
        let mut ids: BTreeMap<&AccountId, Vec<String>> = BTreeMap::new();
        let mut add = |account, id: &dyn ToString| ids.entry(account).or_default().push(id.to_string());
        add(&order.account, &order.id);
        for parcel in &history.shipments {
            // Confirmations to the marketplace go out under the parcel's number.
            add(&order.account, &parcel.request.id);
            add(&parcel.account, &parcel.request.id);
            let booked = parcel.booked.iter().map(|b| &b.waybill);
            booked.chain(&parcel.spare).for_each(|waybill| add(&parcel.account, waybill));
        }
        for filed in &history.declarations {
            add(&filed.account, &filed.declaration.id);
            add(&filed.account, &order.id);
            filed.authority_ref.iter().for_each(|number| add(&filed.account, number));
        }
        history.returns.iter().for_each(|case| add(&case.account, &case.case.id));
        history.disputes.iter().for_each(|case| add(&case.account, &case.case.id));
        // Which account a payment came in at is not told; its number is the provider's, and no other's.
        for payment in order.payments.iter().filter_map(|p| p.transaction.as_ref()) {
            self.config.account.iter().for_each(|a| add(&a.id, payment));
        }
        let since = order.placed_at.utc.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
        self.calls(ids, since).await
    }

    /// The kept calls that are about an offer, its product or its listing, or whose answers name one of them, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn calls_of_offer(&self, offer: &OfferRecord) -> Result<Vec<KeptCall>> {
        let mut words = vec![offer.sku.to_string()];
        words.extend(offer.listing.iter().map(ToString::to_string));
        words.extend(offer.desired.iter().map(|d| d.product.to_string()));
        self.calls(BTreeMap::from([(&offer.account, words)]), Timestamp::MIN).await
    }

    async fn calls(&self, ids: BTreeMap<&AccountId, Vec<String>>, since: Timestamp) -> Result<Vec<KeptCall>> {
        let mut found = Vec::new();
        for (account, words) in ids {
            let filter = CallFilter { account: account.to_string(), since, words };
            found.extend(self.store.calls(filter).await?);
        }
        found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(found)
    }
}
