//! What a seller does with an order: ship (Fulfillment), refund (Fulfillment), cancel (Post-Order v2, which is where
//! cancelling is; the Fulfillment API only shows it). eBay has no acknowledgement.

use async_trait::async_trait;
use http::Method;
use serde::{Deserialize, Serialize};
use tradewind_connector::role::{Cancellation, OrderActions};
use tradewind_connector::{
    CallCx, Error, Facet, Handle, Kind, OpCx, OpSpec, Operation, Safety, Submitted, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{
    CancelReason, Decimal, LineQuantity, Money, OrderId, OrderLineId, OrderState, RefundRequest,
    ShipmentNotice,
};

use crate::Ebay;
use crate::config::Site;
use crate::orders::{Get, Parcels, READ, about, millis};
use crate::wire::{NewAmount, orders as w};

const LIKE: OpSpec = OpSpec { facet: Facet::Ship, safety: Safety::ReadBack, keep: false, ..READ };
// A second parcel with the same number would be a second fulfilment: the number is looked up before each send.
static SHIP: OpSpec = OpSpec { name: "orders.ship", ..LIKE };
// No reference of ours is taken or shown: two partial refunds of the same amount cannot be told apart.
static REFUND: OpSpec =
    OpSpec { name: "orders.refund", facet: Facet::Refund, safety: Safety::Unsafe, ..LIKE };
// An order is cancelled once; its cancelState shows it, and is read before each send.
static CANCEL: OpSpec = OpSpec {
    name: "cancellations.create",
    facet: Facet::Cancel,
    buckets: &["post_order"],
    doc: "https://developer.ebay.com/Devzone/post-order/post-order_v2_cancellation__post.html",
    ..LIKE
};
static APPROVE: OpSpec = OpSpec { name: "cancellations.approve", ..CANCEL };

const FLOW_REFUND: &str = "refund";
/// Longest comment of a refund.
const COMMENT: usize = 100;

struct Ship<'a>(&'a Site);

impl Operation for Ship<'_> {
    type In = ShipmentNotice;
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &SHIP
    }

    fn subject(&self, notice: &ShipmentNotice) -> String {
        notice.order.to_string()
    }

    fn encode(&self, _: &OpCx<'_>, notice: &ShipmentNotice) -> Result<WireRequest, Error> {
        let tracking = tracking(notice);
        if tracking.is_empty() {
            return Err(Error::invalid(format!("waybill '{}' has no letter or digit", notice.waybill)));
        }
        let body = w::NewFulfillment {
            line_items: notice
                .lines
                .iter()
                .map(|l| w::NewLineUnits { line_item_id: l.line.as_str(), quantity: l.quantity })
                .collect(),
            shipped_date: millis(notice.shipped_at),
            shipping_carrier_code: carrier(&notice.carrier),
            tracking_number: tracking,
        };
        about(self.0, Method::POST, &notice.order, "/shipping_fulfillment")?.json(&body)
    }

    fn decode(&self, _: &OpCx<'_>, _: &ShipmentNotice, response: &WireResponse) -> Result<(), Error> {
        if response.status == 201 {
            Ok(())
        } else {
            Err(Error::decode(format!("status 201, got {}", response.status)))
        }
    }
}

/// A waybill as eBay takes it: letters and digits (UNVERIFIED that nothing else is taken).
fn tracking(notice: &ShipmentNotice) -> String {
    notice.waybill.as_str().chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Our carrier names → eBay's codes (GeteBayDetails, ShippingCarrierDetails); the rest goes as `Other`.
fn carrier(name: &str) -> &'static str {
    match name {
        "dhl-express" => "DHL",
        "ups" => "UPS",
        "fedex" => "FedEx",
        "usps" => "USPS",
        "royal-mail" => "Royal Mail",
        _ => "Other",
    }
}

/// A refund with its amount per line; none means the whole order.
type RefundIn = (RefundRequest, Vec<(OrderLineId, Money)>);

struct Refund<'a>(&'a Site);

impl Operation for Refund<'_> {
    type In = RefundIn;
    type Out = w::Refunded;

    fn spec(&self) -> &OpSpec {
        &REFUND
    }

    fn subject(&self, (refund, _): &RefundIn) -> String {
        refund.order.to_string()
    }

    fn encode(&self, _: &OpCx<'_>, (refund, lines): &RefundIn) -> Result<WireRequest, Error> {
        if !refund.amount.is_positive() {
            return Err(Error::invalid(format!("a refund of {} is none", refund.amount)));
        }
        let item = |(line, amount): &(OrderLineId, Money)| w::RefundItem {
            line_item_id: line.to_string(),
            refund_amount: NewAmount::of(*amount),
        };
        let body = w::NewRefund {
            reason_for_refund: reason(refund.reason),
            comment: refund.id.as_str().chars().take(COMMENT).collect(),
            refund_items: lines.iter().map(item).collect(),
            order_level_refund_amount: lines.is_empty().then(|| NewAmount::of(refund.amount)),
        };
        about(self.0, Method::POST, &refund.order, "/issue_refund")?.json(&body)
    }

    fn decode(&self, _: &OpCx<'_>, _: &RefundIn, response: &WireResponse) -> Result<w::Refunded, Error> {
        response.json()
    }
}

/// `ReasonForRefundEnum`.
fn reason(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::BuyerRequest => "BUYER_CANCEL",
        CancelReason::OutOfStock | CancelReason::Undeliverable | CancelReason::Restricted => "SELLER_CANCEL",
        CancelReason::PricingError => "OTHER_ADJUSTMENT",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewCancellation<'a> {
    legacy_order_id: &'a str,
    cancel_reason: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    cancel_id: String,
}

/// `POST /post-order/v2/cancellation`. Since version 1113 of the Trading API an order has one id everywhere.
struct Cancel<'a>(&'a Site);

impl Operation for Cancel<'_> {
    type In = (OrderId, CancelReason);
    type Out = String;

    fn spec(&self) -> &OpSpec {
        &CANCEL
    }

    fn subject(&self, (order, _): &(OrderId, CancelReason)) -> String {
        order.to_string()
    }

    fn encode(&self, _: &OpCx<'_>, (order, reason): &(OrderId, CancelReason)) -> Result<WireRequest, Error> {
        // CancelReasonEnum, the values that a seller may give.
        let cancel_reason = match reason {
            CancelReason::BuyerRequest => "BUYER_ASKED_CANCEL",
            CancelReason::Undeliverable => "ADDRESS_ISSUES",
            CancelReason::OutOfStock | CancelReason::PricingError | CancelReason::Restricted => {
                "OUT_OF_STOCK_OR_CANNOT_FULFILL"
            }
        };
        let body = NewCancellation { legacy_order_id: order.as_str(), cancel_reason };
        WireRequest::new(Method::POST, &self.0.endpoint, "/post-order/v2/cancellation")?.json(&body)
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        _: &(OrderId, CancelReason),
        response: &WireResponse,
    ) -> Result<String, Error> {
        Ok(response.json::<Created>()?.cancel_id)
    }
}

/// Grants a buyer's request.
struct Approve<'a>(&'a Site);

impl Operation for Approve<'_> {
    type In = String;
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &APPROVE
    }

    fn subject(&self, request: &String) -> String {
        request.clone()
    }

    fn encode(&self, _: &OpCx<'_>, request: &String) -> Result<WireRequest, Error> {
        let path = format!("/post-order/v2/cancellation/{}/approve", segment(request));
        WireRequest::new(Method::POST, &self.0.endpoint, &path)
    }

    fn decode(&self, _: &OpCx<'_>, _: &String, _: &WireResponse) -> Result<(), Error> {
        Ok(()) // 200; the body is not documented
    }
}

impl Ebay {
    /// Was this parcel told already? The number is the reference.
    async fn is_told(&self, cx: &CallCx, notice: &ShipmentNotice) -> Result<bool, Error> {
        let number = tracking(notice);
        let parcels = self.pipeline.call(&Parcels(&self.site), &notice.order, cx).await?;
        Ok(parcels.iter().any(|p| p.shipment_tracking_number.as_deref() == Some(number.as_str())))
    }

    /// The amount of each line: all of it for one line; by what was paid for the units where there are several.
    async fn shares(&self, cx: &CallCx, refund: &RefundRequest) -> Result<Vec<(OrderLineId, Money)>, Error> {
        if refund.lines.len() < 2 {
            return Ok(refund.lines.iter().map(|l| (l.line.clone(), refund.amount)).collect());
        }
        let order = self.pipeline.call(&Get(&self.site), &refund.order, cx).await?;
        let weight = |wanted: &LineQuantity| {
            let line = order.line_items.iter().find(|l| l.line_item_id == wanted.line.as_str()).ok_or_else(
                || Error::invalid(format!("order {} has no line {}", refund.order, wanted.line)),
            )?;
            let paid = line.discounted_line_item_cost.as_ref().unwrap_or(&line.line_item_cost);
            let cost = paid.money()?.decimal();
            Ok::<Decimal, Error>(cost * Decimal::from(wanted.quantity) / Decimal::from(line.quantity.max(1)))
        };
        let weights = refund.lines.iter().map(weight).collect::<Result<Vec<_>, _>>()?;
        let parts = refund.amount.allocate(&weights)?;
        let lines = refund.lines.iter().map(|l| l.line.clone());
        Ok(lines.zip(parts).filter(|(_, part)| part.is_positive()).collect())
    }
}

/// What a refund's status says. eBay works on it for a while.
fn refunded(id: Option<String>, status: &str) -> Result<Submitted<()>, Error> {
    match status {
        "REFUNDED" => Ok(Submitted::Done(())),
        "PENDING" => Ok(Submitted::Deferred(Handle {
            flow: FLOW_REFUND.to_owned(),
            id: id.ok_or_else(|| Error::decode("a pending refund without id"))?,
            step: "PENDING".to_owned(),
            state: serde_json::Value::Null,
            not_before: None,
        })),
        "FAILED" => Err(Error::new(Kind::Rejected, "eBay could not refund the order").after_send()),
        other => Err(Error::new(Kind::UnknownCode, format!("refund status '{other}'")).after_send()),
    }
}

/// What a wish to cancel comes to, as the order stands.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// It is cancelled.
    Done,
    /// The buyer asks for it: by this request.
    Grant(String),
    /// Nobody asks: the seller cancels.
    Create,
}

fn wish(now: &w::Order, believed: OrderState) -> Result<Wish, Error> {
    let status = now.cancel_status.as_ref();
    let requests = status.map(|c| c.cancel_requests.as_slice()).unwrap_or_default();
    let open = requests.iter().find(|r| r.cancel_request_state == "REQUESTED");
    let order = &now.order_id;
    let conflict = |text: String| Error::new(Kind::Conflict, format!("order {order}: {text}, read it again"));
    let unknown = |text: String| Error::new(Kind::UnknownCode, format!("order {order}: {text}"));
    match (status.map_or("", |c| c.cancel_state.as_str()), open) {
        ("CANCELED", _) => Ok(Wish::Done),
        ("NONE_REQUESTED" | "IN_PROGRESS", Some(open)) => grant(open, order, &conflict, &unknown),
        ("IN_PROGRESS", None) => {
            let states: Vec<&str> = requests.iter().map(|r| r.cancel_request_state.as_str()).collect();
            Err(conflict(format!(
                "a cancellation is under way ({}) and not ours to grant",
                states.join(", ")
            )))
        }
        ("NONE_REQUESTED", None) if believed == OrderState::CancelRequested => {
            Err(conflict("the buyer does not ask to cancel any more".to_owned()))
        }
        // A request that was refused is over. Any other says that somebody cancels already, whatever the order's own state.
        ("NONE_REQUESTED", None) => match requests.iter().find(|r| r.cancel_request_state != "REJECTED") {
            None => Ok(Wish::Create),
            Some(r) if r.cancel_request_state == "COMPLETED" => {
                Err(conflict("a cancellation was completed and the order does not show it yet".to_owned()))
            }
            Some(r) => Err(unknown(format!("cancelRequestState '{}'", r.cancel_request_state))),
        },
        // It is "always returned": without it nobody knows whether the order is being cancelled.
        ("", _) => Err(Error::decode(format!("order {order}: no cancelStatus.cancelState"))),
        (other, _) => Err(unknown(format!("cancelState '{other}'"))),
    }
}

/// An open request is granted to the buyer alone.
fn grant(
    open: &w::CancelRequest,
    order: &str,
    conflict: &dyn Fn(String) -> Error,
    unknown: &dyn Fn(String) -> Error,
) -> Result<Wish, Error> {
    match open.cancel_initiator.as_deref() {
        Some(who) if who.eq_ignore_ascii_case("Buyer") => {
            let id = open.cancel_request_id.clone();
            id.map(Wish::Grant).ok_or_else(|| Error::decode(format!("order {order}: a request without id")))
        }
        // Ours, from eBay's own pages or in an answer that was lost: eBay carries it out, nobody grants it.
        Some(who) if who.eq_ignore_ascii_case("Seller") => {
            Err(conflict("the seller's own cancellation is under way".to_owned()))
        }
        who => {
            Err(unknown(format!("a request to cancel by '{}', not by buyer or seller", who.unwrap_or(""))))
        }
    }
}

#[async_trait]
impl OrderActions for Ebay {
    async fn ship(&self, cx: &CallCx, notice: &ShipmentNotice) -> Result<Submitted<()>, Error> {
        if self.is_told(cx, notice).await? {
            return Ok(Submitted::Done(()));
        }
        match self.pipeline.call(&Ship(&self.site), notice, cx).await {
            // The answer was lost: the parcel is there, or it is still in doubt.
            Err(e) if e.kind() == Kind::Indeterminate => match self.is_told(cx, notice).await {
                Ok(true) => Ok(Submitted::Done(())),
                _ => Err(e),
            },
            other => other.map(Submitted::Done),
        }
    }

    async fn cancel(&self, cx: &CallCx, what: &Cancellation) -> Result<Submitted<()>, Error> {
        what.only_whole()?;
        let (order, reason) = (&what.order, what.reason);
        // As it is now, and only getOrder names the buyer's request. Without this look an answer that was lost would
        // become a second cancellation, and a request that the buyer took back a cancellation by the seller, which
        // counts against him.
        let now = self.pipeline.call(&Get(&self.site), &order.id, cx).await?;
        match wish(&now, order.state)? {
            Wish::Done => {}
            Wish::Grant(request) => self.pipeline.call(&Approve(&self.site), &request, cx).await?,
            Wish::Create => {
                self.pipeline.call(&Cancel(&self.site), &(order.id.clone(), reason), cx).await?;
            }
        }
        Ok(Submitted::Done(()))
    }

    async fn refund(&self, cx: &CallCx, refund: &RefundRequest) -> Result<Submitted<()>, Error> {
        let lines = self.shares(cx, refund).await?;
        let answer = self.pipeline.call(&Refund(&self.site), &(refund.clone(), lines), cx).await?;
        // The order goes along: its refunds are looked up there.
        let submitted = refunded(answer.refund_id, &answer.refund_status)?;
        Ok(match submitted {
            Submitted::Deferred(handle) => {
                Submitted::Deferred(Handle { state: serde_json::json!(refund.order), ..handle })
            }
            done @ Submitted::Done(()) => done,
        })
    }

    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        let order: OrderId = serde_json::from_value(handle.state.clone())
            .map_err(|e| Error::invalid(format!("this handle is not of an eBay refund: {e}")))?;
        let now = self.pipeline.call(&Get(&self.site), &order, cx).await?;
        let refunds = now.payment_summary.map(|p| p.refunds).unwrap_or_default();
        match refunds.into_iter().find(|r| r.refund_id.as_deref() == Some(handle.id.as_str())) {
            Some(found) => match refunded(found.refund_id, &found.refund_status)? {
                Submitted::Done(()) => Ok(Submitted::Done(())),
                Submitted::Deferred(_) => Ok(Submitted::Deferred(handle.clone())),
            },
            // Not shown yet.
            None => Ok(Submitted::Deferred(handle.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_order_that_nobody_cancels_is_cancelled_by_the_seller() {
        // A request: whose, and how it stands (`CancelRequestStateEnum`: COMPLETED, REJECTED, REQUESTED).
        let order = |state: &str, request: &str| -> w::Order {
            let requests = match request.split_once(' ') {
                None => String::new(),
                Some((who, r)) => {
                    let by =
                        if who == "-" { String::new() } else { format!(r#","cancelInitiator":"{who}""#) };
                    format!(r#"{{"cancelRequestId":"77","cancelRequestState":"{r}"{by}}}"#)
                }
            };
            let state = if state.is_empty() { String::new() } else { format!(r#""cancelState":"{state}","#) };
            let text = format!(
                r#"{{"orderId":"1","creationDate":"2026-08-01T00:00:00.000Z","lastModifiedDate":"2026-08-01T00:00:00.000Z","lineItems":[],
                    "cancelStatus":{{{state}"cancelRequests":[{requests}]}}}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let grant = || Ok(Wish::Grant("77".to_owned()));
        use OrderState::{CancelRequested, ReadyToShip};
        for (state, request, believed, want) in [
            ("NONE_REQUESTED", "", ReadyToShip, Ok(Wish::Create)),
            ("IN_PROGRESS", "Buyer REQUESTED", CancelRequested, grant()),
            ("NONE_REQUESTED", "Buyer REQUESTED", ReadyToShip, grant()),
            // The buyer asked since we read the order.
            ("IN_PROGRESS", "Buyer REQUESTED", ReadyToShip, grant()),
            // The seller's own, in eBay's pages or in an answer that was lost, is nobody's to grant.
            ("IN_PROGRESS", "Seller REQUESTED", CancelRequested, Err(Kind::Conflict)),
            ("IN_PROGRESS", "Seller REQUESTED", ReadyToShip, Err(Kind::Conflict)),
            ("NONE_REQUESTED", "Seller REQUESTED", ReadyToShip, Err(Kind::Conflict)),
            // Neither, or nobody knows whose.
            ("IN_PROGRESS", "CS REQUESTED", CancelRequested, Err(Kind::UnknownCode)),
            ("IN_PROGRESS", "- REQUESTED", CancelRequested, Err(Kind::UnknownCode)),
            // Our answer was lost, or eBay cancelled it.
            ("CANCELED", "Seller COMPLETED", ReadyToShip, Ok(Wish::Done)),
            ("CANCELED", "", CancelRequested, Ok(Wish::Done)),
            // The buyer asks no more: that is not a wish of the seller's.
            ("NONE_REQUESTED", "", CancelRequested, Err(Kind::Conflict)),
            ("NONE_REQUESTED", "Buyer REJECTED", CancelRequested, Err(Kind::Conflict)),
            ("IN_PROGRESS", "Buyer COMPLETED", CancelRequested, Err(Kind::Conflict)),
            ("IN_PROGRESS", "", ReadyToShip, Err(Kind::Conflict)),
            // The order's own state may lag behind a request; only one that was refused is over.
            ("NONE_REQUESTED", "Buyer REJECTED", ReadyToShip, Ok(Wish::Create)),
            ("NONE_REQUESTED", "Seller COMPLETED", ReadyToShip, Err(Kind::Conflict)),
            ("NONE_REQUESTED", "Buyer BEAMED_UP", ReadyToShip, Err(Kind::UnknownCode)),
            ("BEAMED_UP", "", ReadyToShip, Err(Kind::UnknownCode)),
            ("BEAMED_UP", "Buyer REQUESTED", ReadyToShip, Err(Kind::UnknownCode)),
            // "This field is always returned": its absence is not a no.
            ("", "", ReadyToShip, Err(Kind::Decode)),
            ("", "Buyer REQUESTED", CancelRequested, Err(Kind::Decode)),
        ] {
            let got = wish(&order(state, request), believed).map_err(|e| e.kind());
            assert_eq!(got, want, "{state} {request} {believed}");
        }
    }
}
