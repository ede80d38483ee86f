//! Read-back. The item tells title and quantity, the offer price and listing; a listing is live when eBay says
//! ACTIVE, not when it was published.

use std::collections::HashMap;

use async_trait::async_trait;
use tradewind_connector::role::{Listings, read_each};
use tradewind_connector::{CallCx, Cursor, Error, Kind, Page};
use tradewind_domain::{ListingId, ListingIssue, ListingRef, ListingState, LiveListing, Sku};

use crate::Ebay;
use crate::items::{BULK, GetAll, List};
use crate::trading::GetItem;
use crate::wire::inventory as w;

/// One listing out of its two halves. An offer that is not published has no listing: absent.
fn listing(sku: &Sku, item: &w::ReadItem, offer: Option<&w::ReadOffer>) -> Result<LiveListing, Error> {
    let published = offer.filter(|o| o.status == "PUBLISHED").and_then(|o| Some((o, o.listing.as_ref()?)));
    let Some((offer, shown)) = published else {
        return Ok(match offer.map(|o| o.status.as_str()) {
            // A status that this version does not know is not "not there".
            Some(raw) if !matches!(raw, "UNPUBLISHED" | "PUBLISHED") => LiveListing {
                state: ListingState::Other(raw.to_owned()),
                ..LiveListing::absent(ListingRef { sku: sku.clone(), listing: None })
            },
            _ => LiveListing::absent(ListingRef { sku: sku.clone(), listing: None }),
        });
    };
    let mut issues = Vec::new();
    let mut issue = |code: &str, message: &str| {
        issues.push(ListingIssue {
            code: code.to_owned(),
            message: message.to_owned(),
            blocking: true,
            attribute: None,
        });
    };
    let state = match shown.listing_status.as_deref().unwrap_or_default() {
        _ if shown.listing_on_hold => {
            issue("listingOnHold", "eBay holds the listing back until a policy question is settled");
            ListingState::Invalid
        }
        "EBAY_ENDED" => {
            issue("EBAY_ENDED", "eBay ended the listing");
            ListingState::Invalid
        }
        "ACTIVE" | "OUT_OF_STOCK" => ListingState::Live,
        // Published, not yet shown.
        "INACTIVE" => ListingState::Pending,
        "ENDED" | "NOT_LISTED" => ListingState::Inactive,
        other => ListingState::Other(other.to_owned()),
    };
    let price =
        offer.pricing_summary.as_ref().and_then(|p| p.price.as_ref()).map(|p| p.money()).transpose()?;
    // An offer's own quantity narrows the item's.
    let quantity = match (item.quantity(), offer.available_quantity) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Ok(LiveListing {
        key: ListingRef {
            sku: sku.clone(),
            listing: shown.listing_id.clone().map(ListingId::new).transpose()?,
        },
        state,
        price,
        quantity,
        title: item.title(),
        issues,
    })
}

impl Ebay {
    async fn read_legacy(&self, cx: &CallCx, key: &ListingRef, id: &ListingId) -> Result<LiveListing, Error> {
        let input = (key.sku.clone(), id.clone());
        match self.pipeline.call(&GetItem(&self.site), &input, cx).await {
            // Not ours, or gone; or the site has no Trading API.
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Unsupported) => {
                Ok(LiveListing::absent(key.clone()))
            }
            other => other,
        }
    }

    /// The items in bulk, then the offer of each: what could be read is kept, what could not is left out.
    async fn read_chunk(&self, cx: &CallCx, keys: &[ListingRef]) -> Result<Vec<LiveListing>, Error> {
        let skus: Vec<Sku> = keys.iter().map(|k| k.sku.clone()).collect();
        let answers = self.pipeline.call(&GetAll(&self.site), &skus, cx).await?;
        let about = |a: &Result<w::Answer, Error>| match a {
            Ok(answer) => answer.sku.clone(),
            Err(e) => e.record().map(str::to_owned),
        };
        let answers: HashMap<String, Result<w::Answer, Error>> =
            answers.into_iter().filter_map(|a| Some((about(&a)?, a))).collect();
        let answers = &answers;
        read_each(keys, |key| {
            async move {
                let answer = answers.get(key.sku.as_str());
                let answer = answer.ok_or_else(|| Error::decode(format!("no answer about '{}'", key.sku)))?;
                let answer = answer.as_ref().map_err(Error::clone)?;
                if let (true, Some(item)) = (answer.is_fine(), &answer.inventory_item) {
                    let offer = self.offer_of(cx, &key.sku).await?;
                    return listing(&key.sku, item, offer.as_ref());
                }
                let error = self.item_error(answer);
                match &key.listing {
                    // Not of the Inventory API, but it has a number: a legacy listing, perhaps.
                    Some(id) if error.kind() == Kind::NotFound => self.read_legacy(cx, &key, id).await,
                    _ => Err(error),
                }
            }
        })
        .await
    }
}

#[async_trait]
impl Listings for Ebay {
    async fn read(&self, cx: &CallCx, keys: &[ListingRef]) -> Result<Vec<LiveListing>, Error> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(BULK) {
            found.extend(self.read_chunk(cx, chunk).await?);
        }
        Ok(found)
    }

    async fn sweep(
        &self,
        cx: &CallCx,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<LiveListing, Error>>, Error> {
        let page = match cursor {
            Some(c) => {
                c.0.parse()
                    .map_err(|_| Error::invalid(format!("'{}' is not a cursor of this connector", c.0)))?
            }
            None => 0,
        };
        let page = self.pipeline.call(&List(&self.site), &page, cx).await?;
        page.complete(|(sku, item)| async move {
            let read = async {
                let offer = self.offer_of(cx, &sku).await?;
                listing(&sku, &item, offer.as_ref())
            };
            read.await.map_err(|e| e.of_named("listing", sku.as_str()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(offer: &str) -> LiveListing {
        let item: w::ReadItem = serde_json::from_str(
            r#"{"sku":"A","availability":{"shipToLocationAvailability":{"quantity":5}},"product":{"title":"T"}}"#,
        )
        .unwrap();
        let offer: w::ReadOffer = serde_json::from_str(offer).unwrap();
        listing(&"A".parse().unwrap(), &item, Some(&offer)).unwrap()
    }

    #[test]
    fn published_is_not_yet_live() {
        let with = |status: &str, hold: bool| {
            read(&format!(
                r#"{{"offerId":"1","status":"PUBLISHED","availableQuantity":3,"pricingSummary":{{"price":{{"value":"9.90","currency":"EUR"}}}},
                     "listing":{{"listingId":"11","listingStatus":"{status}","listingOnHold":{hold}}}}}"#
            ))
        };
        assert_eq!(with("INACTIVE", false).state, ListingState::Pending);
        let live = with("ACTIVE", false);
        assert_eq!(
            (live.state, live.quantity, live.price.unwrap().minor()),
            (ListingState::Live, Some(3), 990)
        );
        assert_eq!(with("OUT_OF_STOCK", false).state, ListingState::Live);
        assert_eq!(with("ACTIVE", true).state, ListingState::Invalid);
        assert_eq!(with("ENDED", false).state, ListingState::Inactive);
        assert_eq!(with("SOMETHING_NEW", false).state, ListingState::Other("SOMETHING_NEW".into()));
        assert_eq!(read(r#"{"offerId":"1","status":"UNPUBLISHED"}"#).state, ListingState::Absent);
        assert_eq!(
            read(r#"{"offerId":"1","status":"NEW_WORD"}"#).state,
            ListingState::Other("NEW_WORD".into())
        );
    }
}
