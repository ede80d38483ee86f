//! The marketplace role.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    FeeKind, ListingId, ListingRef, LiveListing, Money, Offer, Order, OrderId, ProductId, RefundRequest,
    Return, ShipmentNotice, Sku,
};

use crate::error::{Error, Kind};
use crate::operation::{CallCx, Handle, Submitted};
use crate::page::{Cursor, Page, Window};
use crate::role::cancellation::Cancellation;
use crate::role::money::{Payouts, Statements, Transactions};

/// A channel that sells.
pub trait Marketplace: Send + Sync {
    /// Create, update, withdraw.
    fn offers(&self) -> Option<&dyn Offers> {
        None
    }
    /// Quantities alone.
    fn stock(&self) -> Option<&dyn Stock> {
        None
    }
    /// Prices alone.
    fn prices(&self) -> Option<&dyn Prices> {
        None
    }
    /// Read-back: without it nothing is ever `live`.
    fn listings(&self) -> Option<&dyn Listings> {
        None
    }
    /// Category and attribute schemas.
    fn categories(&self) -> Option<&dyn Categories> {
        None
    }
    /// Orders in.
    fn orders(&self) -> Option<&dyn Orders> {
        None
    }
    /// Ship, cancel, refund.
    fn order_actions(&self) -> Option<&dyn OrderActions> {
        None
    }
    /// Returns.
    fn returns(&self) -> Option<&dyn Returns> {
        None
    }
    /// Settlement documents.
    fn statements(&self) -> Option<&dyn Statements> {
        None
    }
    /// Balance transactions.
    fn transactions(&self) -> Option<&dyn Transactions> {
        None
    }
    /// Payouts.
    fn payouts(&self) -> Option<&dyn Payouts> {
        None
    }
    /// What would a sale cost?
    fn fee_estimates(&self) -> Option<&dyn FeeEstimates> {
        None
    }
}

/// What the channel said to one item of a batch.
#[derive(Debug, Clone)]
pub struct ItemOutcome {
    /// Which item.
    pub sku: Sku,
    /// Accepted for processing — not live yet — or an error of this item alone.
    pub result: Result<Accepted, Error>,
}

/// An accepted item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Accepted {
    /// The channel's id, when told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<ListingId>,
    /// Remarks that do not block.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl ItemOutcome {
    /// Accepted.
    #[must_use]
    pub fn ok(sku: &Sku, listing: Option<ListingId>) -> ItemOutcome {
        ItemOutcome { sku: sku.clone(), result: Ok(Accepted { listing, warnings: Vec::new() }) }
    }

    /// As a call about this item alone ended.
    #[must_use]
    pub fn of(sku: &Sku, result: Result<Option<ListingId>, Error>) -> ItemOutcome {
        result.map_or_else(|e| ItemOutcome::err(sku, e), |listing| ItemOutcome::ok(sku, listing))
    }

    /// Refused.
    #[must_use]
    pub fn err(sku: &Sku, error: Error) -> ItemOutcome {
        ItemOutcome { sku: sku.clone(), result: Err(error) }
    }
}

/// An offer, and what the channel calls its listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftOffer {
    /// The offer.
    pub offer: Offer,
    /// The channel's id, as it was read a moment before; `None`: it shows no listing of this SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<ListingId>,
    /// The units that it showed then, from which the offer's quantity was made up. A channel with compare-and-set compares with
    /// this, and writes no quantity where the two are the same: what is sold since must not come back. `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<u32>,
}

/// Offers of one product that are put in one call, and what the channel has of that product besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The product.
    pub product: ProductId,
    /// What is to be put.
    pub offers: Vec<DraftOffer>,
    /// The product's other variants as the channel shows them now. They stay as they are: a channel that takes a product as
    /// one document is told them again. Only given where [`Bounds::whole_products`](crate::Bounds) says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<DraftOffer>,
}

impl Draft {
    /// Drafts of offers of which the channel has nothing yet: one for each run of offers of one product.
    pub fn of(offers: impl IntoIterator<Item = Offer>) -> Vec<Draft> {
        Draft::group(offers.into_iter().map(|offer| DraftOffer { offer, listing: None, shown: None }))
    }

    /// One draft for each run of offers of one product, in their order.
    pub fn group(offers: impl IntoIterator<Item = DraftOffer>) -> Vec<Draft> {
        let mut drafts: Vec<Draft> = Vec::new();
        for one in offers {
            match drafts.last_mut().filter(|d| d.product == one.offer.product) {
                Some(draft) => draft.offers.push(one),
                None => drafts.push(Draft {
                    product: one.offer.product.clone(),
                    offers: vec![one],
                    siblings: Vec::new(),
                }),
            }
        }
        drafts
    }

    /// The whole product: what is put and what stays, by SKU.
    #[must_use]
    pub fn whole(&self) -> Vec<&DraftOffer> {
        let mut all: Vec<&DraftOffer> = self.offers.iter().chain(&self.siblings).collect();
        all.sort_by(|a, b| a.offer.sku.cmp(&b.offer.sku));
        all
    }

    /// The channel's id of a variant that is there: it names the product where ids hold it. `None`: the product is new.
    #[must_use]
    pub fn listing(&self) -> Option<&ListingId> {
        self.offers.iter().chain(&self.siblings).find_map(|o| o.listing.as_ref())
    }
}

/// The offers to be put, in the order in which outcomes are told.
pub fn offers_of(drafts: &[Draft]) -> impl Iterator<Item = &DraftOffer> {
    drafts.iter().flat_map(|d| &d.offers)
}

/// Create, update, withdraw offers.
///
/// Outcomes are one per offer to be put (siblings have none), in input order. An `Err` of the whole call means that nothing is known to be
/// accepted; the error's kind says whether something may have been.
#[async_trait]
pub trait Offers: Send + Sync {
    /// Makes the listings be as given, completely: a field left out is taken away where the channel can.
    ///
    /// The drafts of a call are of different products, unless the channel takes each SKU alone.
    async fn put(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>, Error>;
    /// Takes them off sale.
    async fn withdraw(
        &self,
        cx: &CallCx,
        listings: &[ListingRef],
    ) -> Result<Submitted<Vec<ItemOutcome>>, Error>;
    /// Lists many offers that the channel does not show yet, in one submission that takes its time. For first loads:
    /// a quantity that takes effect minutes later must not meet a listing that sells. Called from
    /// [`Bounds::bulk_from`](crate::Bounds) offers on; where products go as a whole, with products of which nothing is there.
    async fn list(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        self.put(cx, drafts).await
    }
    /// Goes on with a deferred submission.
    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<Vec<ItemOutcome>>, Error>;
}

/// An absolute quantity to expose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockChange {
    /// Which.
    pub key: ListingRef,
    /// Units to expose.
    pub quantity: u32,
    /// What we believe the channel shows now, for channels with compare-and-set.
    pub expected: Option<u32>,
}

/// Sets quantities.
#[async_trait]
pub trait Stock: Send + Sync {
    /// One outcome per input, in input order.
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error>;
    /// Goes on with a deferred submission: a feed.
    async fn poll(&self, _cx: &CallCx, _handle: &Handle) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        Err(undeferred("quantities"))
    }
}

/// A price to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceChange {
    /// Which.
    pub key: ListingRef,
    /// New price.
    pub price: Money,
}

/// Sets prices.
#[async_trait]
pub trait Prices: Send + Sync {
    /// One outcome per input, in input order.
    async fn set(&self, cx: &CallCx, changes: &[PriceChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error>;
    /// Goes on with a deferred submission: a feed.
    async fn poll(&self, _cx: &CallCx, _handle: &Handle) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        Err(undeferred("prices"))
    }
}

/// Reads listings back.
#[async_trait]
pub trait Listings: Send + Sync {
    /// The listings asked for, in any order; one that does not exist comes as `Absent`. One that is left out of the
    /// answer was not read and is asked for again; `Err` means that nothing was read. A channel that reads one by one
    /// uses [`read_each`], so that one broken connection does not throw away what the others said; one that reads many
    /// in a call leaves out the one that it cannot understand.
    async fn read(&self, cx: &CallCx, keys: &[ListingRef]) -> Result<Vec<LiveListing>, Error>;
    /// All listings, page by page. `Unsupported` where the channel cannot.
    ///
    /// A listing that cannot be read is an `Err` in its place, with its SKU in [`Error::of_record`] where one is told: it
    /// keeps back no other, and is not therefore absent. The outer `Err` says that the page was not read.
    async fn sweep(
        &self,
        cx: &CallCx,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<LiveListing, Error>>, Error>;
}

/// Reads listings one by one, for channels without a batch: what could be read is kept, what could not is left out.
/// `NotFound` is an answer: the listing is absent. An error that the next call would meet as well (a quota, a login)
/// ends the round.
///
/// # Errors
/// The last one, when nothing could be read.
pub async fn read_each<F, Fut>(keys: &[ListingRef], read: F) -> Result<Vec<LiveListing>, Error>
where
    F: Fn(ListingRef) -> Fut,
    Fut: Future<Output = Result<LiveListing, Error>>,
{
    let mut found = Vec::with_capacity(keys.len());
    let mut failed = None;
    for key in keys {
        match read(key.clone()).await {
            Ok(listing) => found.push(listing),
            Err(e) if e.kind() == Kind::NotFound => found.push(LiveListing::absent(key.clone())),
            Err(e) => {
                let alone = e.of_this_call();
                failed = Some(e);
                if !alone {
                    break;
                }
            }
        }
    }
    match failed {
        Some(e) if found.is_empty() => Err(e),
        _ => Ok(found),
    }
}

/// A category of the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// The channel's id.
    pub id: String,
    /// Path of names, root first.
    pub path: Vec<String>,
    /// May carry listings.
    pub leaf: bool,
}

/// An attribute that a category asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryAttribute {
    /// The channel's name.
    pub name: String,
    /// Must be given.
    pub required: bool,
    /// Allowed values; empty means free text.
    pub values: Vec<String>,
}

/// Category and attribute schemas.
#[async_trait]
pub trait Categories: Send + Sync {
    /// Categories whose names match the words.
    async fn find(&self, cx: &CallCx, words: &str) -> Result<Vec<Category>, Error>;
    /// What a category asks for.
    async fn attributes(&self, cx: &CallCx, category: &str) -> Result<Vec<CategoryAttribute>, Error>;
}

/// An order as a channel's list of orders has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a list is all of one form; most tell whole orders")]
pub enum Listed {
    /// The list tells it, complete with lines.
    Whole(Order),
    /// The list tells its number alone: whoever pulls reads it with [`Orders::get`], and keeps it, before the next.
    Named(OrderId),
}

impl Listed {
    /// The whole order, read by its number where the list told no more.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn read(self, orders: &dyn Orders, cx: &CallCx) -> Result<Order, Error> {
        match self {
            Listed::Whole(order) => Ok(order),
            Listed::Named(id) => orders.get(cx, &id).await,
        }
    }
}

/// Orders in. Polls overlap: the same order may come again, changed or not.
#[async_trait]
pub trait Orders: Send + Sync {
    /// Orders created or changed in the window, each as the channel's list has it: [`Listed::Whole`] or
    /// [`Listed::Named`]. Do not call [`Orders::get`] in here.
    ///
    /// An order that cannot be read is an `Err` in its place, with its number in the text: it keeps back no other. So
    /// decode a page order by order, and where the list leaves something out that takes a call per order, use
    /// [`Page::complete`]. The outer `Err` says that the page was not read.
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Listed, Error>>, Error>;
    /// One order.
    async fn get(&self, cx: &CallCx, id: &OrderId) -> Result<Order, Error>;
}

/// What a seller does with an order. Support per action is in the capabilities; an action that the channel
/// does not have answers `Unsupported`.
#[async_trait]
pub trait OrderActions: Send + Sync {
    /// Accept the order.
    async fn acknowledge(&self, _cx: &CallCx, _order: &OrderId) -> Result<(), Error> {
        Err(unsupported("acknowledge"))
    }
    /// Tell that units left: lines and units of one parcel. What else is open may follow in another.
    async fn ship(&self, cx: &CallCx, notice: &ShipmentNotice) -> Result<Submitted<()>, Error>;
    /// Cancel what is open, or some of it. What the channel would cancel beyond that is refused before anything is sent:
    /// [`Cancellation::only_whole`], [`Cancellation::whole_lines`], [`Cancellation::units`].
    async fn cancel(&self, _cx: &CallCx, _what: &Cancellation) -> Result<Submitted<()>, Error> {
        Err(unsupported("cancel"))
    }
    /// Give money back.
    async fn refund(&self, _cx: &CallCx, _refund: &RefundRequest) -> Result<Submitted<()>, Error> {
        Err(unsupported("refund"))
    }
    /// Goes on with a deferred action.
    async fn poll(&self, _cx: &CallCx, _handle: &Handle) -> Result<Submitted<()>, Error> {
        Err(unsupported("deferred order actions"))
    }
}

fn undeferred(what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{what} of this channel are never deferred"))
}

fn unsupported(what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("this channel has no call to {what} an order"))
}

/// Returns.
#[async_trait]
pub trait Returns: Send + Sync {
    /// Cases opened or changed in the window.
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Return, Error>>, Error>;
}

/// An estimated fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeEstimate {
    /// Kind.
    pub kind: FeeKind,
    /// The channel's word.
    pub code: String,
    /// Amount, positive when it costs us.
    pub amount: Money,
}

/// Fee estimates.
#[async_trait]
pub trait FeeEstimates: Send + Sync {
    /// What a sale at this price would cost.
    async fn estimate(&self, cx: &CallCx, key: &ListingRef, price: Money) -> Result<Vec<FeeEstimate>, Error>;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn keys() -> Vec<ListingRef> {
        ["A", "B", "C"].map(|s| ListingRef { sku: s.parse().unwrap(), listing: None }).to_vec()
    }

    /// Reads with an error for some SKUs; which SKUs came back and how many calls were made.
    async fn round(error_for: &[(&str, Kind)]) -> (Result<Vec<String>, Kind>, usize) {
        let calls = Cell::new(0);
        let result = read_each(&keys(), |key| {
            calls.set(calls.get() + 1);
            let error = error_for.iter().find(|(s, _)| *s == key.sku.as_str()).map(|(_, k)| *k);
            async move { error.map_or_else(|| Ok(LiveListing::absent(key)), |k| Err(Error::new(k, "no"))) }
        })
        .await;
        let skus = |l: Vec<LiveListing>| l.iter().map(|l| l.key.sku.to_string()).collect();
        (result.map(skus).map_err(|e| e.kind()), calls.get())
    }

    #[tokio::test]
    async fn one_broken_read_does_not_lose_the_others() {
        let names = |n: &[&str]| Ok(n.iter().map(|s| (*s).to_owned()).collect());
        assert_eq!(round(&[("B", Kind::Transport)]).await, (names(&["A", "C"]), 3));
        // Absence is an answer.
        assert_eq!(round(&[("B", Kind::NotFound)]).await, (names(&["A", "B", "C"]), 3));
        // A quota stops the round and keeps what was read.
        assert_eq!(round(&[("B", Kind::QuotaExhausted)]).await, (names(&["A"]), 2));
        // Nothing was read: that is an error.
        let all = [("A", Kind::Unavailable), ("B", Kind::Unavailable), ("C", Kind::Transport)];
        assert_eq!(round(&all).await, (Err(Kind::Transport), 3));
        assert_eq!(round(&[("A", Kind::NeedsReauth)]).await, (Err(Kind::NeedsReauth), 1));
    }
}
