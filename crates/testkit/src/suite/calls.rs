//! Ready-made [`Call`]s: each drives one facet of the contract, so that a connector's test only says which it has.
//!
//! Inputs (`input.json`): the domain type of the facet; windows come as `{"window": {"from", "to"}, "cursor": …}`.
//! Outcomes: the domain type as JSON; item outcomes as [`json::outcomes`] shows them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as j};
use tradewind_connector::role::{
    Cancellation, Draft, Logistics, Marketplace, Payments, Pickup, PriceChange, RateRequest, StockChange,
};
use tradewind_connector::{Connector, Cursor, Error, Facet, Handle, Page, Safety, Submitted, Window};
use tradewind_domain::{
    Document, Filed, ListingRef, Money, Offer, OrderId, RefundRequest, ShipmentId, ShipmentNotice,
    ShipmentRequest, StatementId, Waybill,
};

use super::{Call, cx, json};

#[derive(Deserialize)]
struct Windowed {
    window: Window,
    cursor: Option<Cursor>,
}

fn market(c: &dyn Connector) -> Result<&dyn Marketplace, Error> {
    c.marketplace().ok_or_else(json::absent)
}
fn money(c: &dyn Connector) -> Result<&dyn Payments, Error> {
    c.payments().ok_or_else(json::absent)
}
fn carrier(c: &dyn Connector) -> Result<&dyn Logistics, Error> {
    c.logistics().ok_or_else(json::absent)
}
fn input<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    json::read(value)
}

/// When to ask again depends on how long the call took, and says nothing of what was done.
pub(super) fn untimed<T>(mut done: Submitted<T>) -> Submitted<T> {
    if let Submitted::Deferred(handle) = &mut done {
        handle.not_before = None;
    }
    done
}

/// What an authority gave for a filing. When it was had depends on how long the call took.
///
/// # Errors
/// It is not serialisable.
pub fn filed(mut done: Submitted<Filed>) -> Result<Value, Error> {
    if let Submitted::Done(filed) = &mut done {
        filed.references.iter_mut().for_each(|r| r.at = jiff::Timestamp::UNIX_EPOCH);
    }
    json::write(untimed(done))
}

fn timeless(done: Submitted<()>) -> Result<Value, Error> {
    json::write(untimed(done))
}

/// The records of a page, one that cannot be read as an error in its place: see [`Call::records`].
fn each<T: Serialize>(page: Page<Result<T, Error>>) -> Result<Value, Error> {
    Ok(j!({ "items": json::records(page.items)?, "next": page.next }))
}

macro_rules! call {
    ($(#[$doc:meta])* $name:ident, $facet:ident, |$c:ident, $v:ident| $body:expr) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(op: &str, safety: Safety) -> Call {
            Call::new(op, Facet::$facet, safety, |$c, $v| async move { $body })
        }
    };
}

/// A list of offers of which the channel has nothing, or of drafts.
///
/// # Errors
/// The input is neither.
pub fn drafts(value: Value) -> Result<Vec<Draft>, Error> {
    let are_drafts = value.as_array().is_some_and(|all| all.iter().any(|one| one.get("offers").is_some()));
    if are_drafts { input(value) } else { Ok(Draft::of(input::<Vec<Offer>>(value)?)) }
}

call!(/// `Offers::put` of a list of [`drafts`].
    put, Offers, |c, v| {
    json::outcomes(market(&*c)?.offers().ok_or_else(json::absent)?.put(&cx(), &drafts(v)?).await?)
});
/// `Offers::list` of a list of [`drafts`]: one submission for many.
#[must_use]
pub fn list(op: &str, safety: Safety) -> Call {
    let call = Call::new(op, Facet::Offers, safety, |c, v| async move {
        let listed = market(&*c)?.offers().ok_or_else(json::absent)?.list(&cx(), &drafts(v)?).await?;
        json::outcomes(untimed(listed))
    });
    call.bulk()
}
call!(/// `Offers::withdraw` of a list of references.
    withdraw, Withdraw, |c, v| {
    let keys: Vec<ListingRef> = input(v)?;
    json::outcomes(market(&*c)?.offers().ok_or_else(json::absent)?.withdraw(&cx(), &keys).await?)
});
call!(/// `Stock::set`.
    stock, Stock, |c, v| {
    let changes: Vec<StockChange> = input(v)?;
    json::outcomes(untimed(market(&*c)?.stock().ok_or_else(json::absent)?.set(&cx(), &changes).await?))
});
call!(/// `Prices::set`.
    prices, Prices, |c, v| {
    let changes: Vec<PriceChange> = input(v)?;
    json::outcomes(untimed(market(&*c)?.prices().ok_or_else(json::absent)?.set(&cx(), &changes).await?))
});
call!(/// `Listings::read`.
    read, Listings, |c, v| {
    let keys: Vec<ListingRef> = input(v)?;
    json::write(market(&*c)?.listings().ok_or_else(json::absent)?.read(&cx(), &keys).await?)
});
call!(/// `Listings::sweep`; input `{"cursor"}`. A listing that cannot be read is an `error` in its place.
    sweep, Listings, |c, v| {
    let cursor: Option<Cursor> = input(v.get("cursor").cloned().unwrap_or_default())?;
    let page = market(&*c)?.listings().ok_or_else(json::absent)?.sweep(&cx(), cursor.as_ref()).await?;
    each(page)
});
call!(/// `Categories::find`; input is the words.
    categories, Categories, |c, v| {
    let words: String = input(v)?;
    json::write(market(&*c)?.categories().ok_or_else(json::absent)?.find(&cx(), &words).await?)
});
call!(/// `Categories::attributes`; input is the category.
    attributes, Categories, |c, v| {
    let category: String = input(v)?;
    json::write(market(&*c)?.categories().ok_or_else(json::absent)?.attributes(&cx(), &category).await?)
});
call!(/// `Orders::changed`, each order read where the list names it alone; that this read fails is the outcome's error.
    orders, Orders, |c, v| {
    let w: Windowed = input(v)?;
    let facet = market(&*c)?.orders().ok_or_else(json::absent)?;
    let page = facet.changed(&cx(), w.window, w.cursor.as_ref()).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for listed in page.items {
        items.push(match listed {
            Ok(listed) => Ok(listed.read(facet, &cx()).await?),
            Err(odd) => Err(odd),
        });
    }
    each(Page { items, next: page.next })
});
call!(/// `Orders::get`; input is the order's id.
    order, Orders, |c, v| {
    let id: OrderId = input(v)?;
    json::write(market(&*c)?.orders().ok_or_else(json::absent)?.get(&cx(), &id).await?)
});
call!(/// `OrderActions::ship`.
    ship, Ship, |c, v| {
    let notice: ShipmentNotice = input(v)?;
    timeless(market(&*c)?.order_actions().ok_or_else(json::absent)?.ship(&cx(), &notice).await?)
});
call!(/// `OrderActions::cancel`; input `{"order", "reason"}`, with `"lines"` where not all of it is cancelled.
    cancel, Cancel, |c, v| {
    let what: Cancellation = input(v)?;
    timeless(market(&*c)?.order_actions().ok_or_else(json::absent)?.cancel(&cx(), &what).await?)
});
call!(/// `OrderActions::refund`.
    refund_order, Refund, |c, v| {
    let refund: RefundRequest = input(v)?;
    timeless(market(&*c)?.order_actions().ok_or_else(json::absent)?.refund(&cx(), &refund).await?)
});
call!(/// `Returns::changed`.
    returns, Returns, |c, v| {
    let w: Windowed = input(v)?;
    each(market(&*c)?.returns().ok_or_else(json::absent)?.changed(&cx(), w.window, w.cursor.as_ref()).await?)
});
call!(/// `FeeEstimates::estimate`; input `{"key", "price"}`.
    fees, FeeEstimates, |c, v| {
    #[derive(Deserialize)]
    struct Sale {
        key: ListingRef,
        price: Money,
    }
    let sale: Sale = input(v)?;
    let fees = market(&*c)?.fee_estimates().ok_or_else(json::absent)?;
    json::write(fees.estimate(&cx(), &sale.key, sale.price).await?)
});
call!(/// `Transactions::changed`, of a marketplace or a payment provider.
    transactions, Transactions, |c, v| {
    let w: Windowed = input(v)?;
    let facet = c.marketplace().and_then(Marketplace::transactions).or_else(|| c.payments().and_then(Payments::transactions));
    each(facet.ok_or_else(json::absent)?.changed(&cx(), w.window, w.cursor.as_ref()).await?)
});
call!(/// `Payouts::changed`, of a marketplace or a payment provider.
    payouts, Payouts, |c, v| {
    let w: Windowed = input(v)?;
    let facet = c.marketplace().and_then(Marketplace::payouts).or_else(|| c.payments().and_then(Payments::payouts));
    each(facet.ok_or_else(json::absent)?.changed(&cx(), w.window, w.cursor.as_ref()).await?)
});
call!(/// `Statements::list`, of a marketplace or a payment provider.
    statements, Statements, |c, v| {
    let w: Windowed = input(v)?;
    let facet = c.marketplace().and_then(Marketplace::statements).or_else(|| c.payments().and_then(Payments::statements));
    each(facet.ok_or_else(json::absent)?.list(&cx(), w.window, w.cursor.as_ref()).await?)
});
call!(/// `Statements::fetch`; input is the statement's id; the bytes are shown as text.
    statement, Statements, |c, v| {
    let id: StatementId = input(v)?;
    let facet = c.marketplace().and_then(Marketplace::statements).or_else(|| c.payments().and_then(Payments::statements));
    let document = facet.ok_or_else(json::absent)?.fetch(&cx(), &id).await?;
    let text = String::from_utf8_lossy(&document.bytes).into_owned();
    Ok(j!({ "document": json::write(&document)?, "text": text }))
});
call!(/// `Refunds::refund` of a payment provider.
    refund, Refund, |c, v| {
    let refund: RefundRequest = input(v)?;
    timeless(money(&*c)?.refunds().ok_or_else(json::absent)?.refund(&cx(), &refund).await?)
});
call!(/// `Refunds::poll` of a payment provider; input is the handle.
    refund_poll, Refund, |c, v| {
    let handle: Handle = input(v)?;
    timeless(money(&*c)?.refunds().ok_or_else(json::absent)?.poll(&cx(), &handle).await?)
});
call!(/// `Disputes::changed`.
    disputes, Disputes, |c, v| {
    let w: Windowed = input(v)?;
    each(money(&*c)?.disputes().ok_or_else(json::absent)?.changed(&cx(), w.window, w.cursor.as_ref()).await?)
});
call!(/// `Rates::quote`.
    rates, Rates, |c, v| {
    let request: RateRequest = input(v)?;
    let quotes = carrier(&*c)?.rates().ok_or_else(json::absent)?.quote(&cx(), &request).await?;
    Ok(j!({ "items": json::records(quotes)? }))
});
call!(/// `Shipments::create`.
    book, Shipments, |c, v| {
    let request: ShipmentRequest = input(v)?;
    json::write(carrier(&*c)?.shipments().ok_or_else(json::absent)?.create(&cx(), &request).await?)
});
call!(/// `Shipments::find`; input `{"id", "shipped_at"}`.
    find, Shipments, |c, v| {
    #[derive(Deserialize)]
    struct Find {
        id: ShipmentId,
        shipped_at: jiff::Timestamp,
    }
    let x: Find = input(v)?;
    json::write(carrier(&*c)?.shipments().ok_or_else(json::absent)?.find(&cx(), &x.id, x.shipped_at).await?)
});
call!(/// `Tracking::track`.
    track, Tracking, |c, v| {
    let waybills: Vec<Waybill> = input(v)?;
    json::write(carrier(&*c)?.tracking().ok_or_else(json::absent)?.track(&cx(), &waybills).await?)
});
call!(/// `Pickups::order`.
    pickup, Pickups, |c, v| {
    let pickup: Pickup = input(v)?;
    json::write(carrier(&*c)?.pickups().ok_or_else(json::absent)?.order(&cx(), &pickup).await?)
});
call!(/// `Pickups::cancel`; input `{"confirmation", "requester", "reason"}`.
    cancel_pickup, Pickups, |c, v| {
    #[derive(Deserialize)]
    struct Cancel {
        confirmation: String,
        requester: String,
        reason: String,
    }
    let x: Cancel = input(v)?;
    let pickups = carrier(&*c)?.pickups().ok_or_else(json::absent)?;
    json::write(pickups.cancel(&cx(), &x.confirmation, &x.requester, &x.reason).await?)
});
call!(/// `Paperwork::upload`; input `{"waybill", "shipped_at", "media_type", "text"}`.
    upload, Paperwork, |c, v| {
    #[derive(Deserialize)]
    struct Upload {
        waybill: Waybill,
        shipped_at: jiff::Timestamp,
        media_type: String,
        text: String,
    }
    let x: Upload = input(v)?;
    let document = Document { kind: "invoice".to_owned(), media_type: x.media_type, bytes: x.text.into_bytes() };
    let paperwork = carrier(&*c)?.paperwork().ok_or_else(json::absent)?;
    json::write(paperwork.upload(&cx(), &x.waybill, x.shipped_at, &document).await?)
});
