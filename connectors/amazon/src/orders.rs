//! Orders: search and get (2026-01-01), confirm a shipment (v0).

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use tradewind_connector::role::{Cancellation, Listed, OrderActions, Orders};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, Handle, OpCx, OpSpec, Operation, Page, Priority, Safety, Submitted, Window,
    WireRequest, WireResponse, segment,
};
use tradewind_domain::{Order, OrderId, RefundRequest, ShipmentNotice};

use crate::config::Site;
use crate::wire::orders as w;
use crate::{Amazon, map, paging, refund};

/// Parts of an order that are sent on request; items always are.
const INCLUDED: &str = "BUYER,RECIPIENT,PROCEEDS,CANCELLATION,FULFILLMENT,PACKAGES,TAX";

/// What the reads share.
const READ: OpSpec = OpSpec {
    name: "",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &[],
    keep: true,
    doc: "https://developer-docs.amazon.com/sp-api/docs/orders-api",
};
static SEARCH: OpSpec = OpSpec { name: "orders.search", buckets: &["orders.search"], ..READ };

/// The upper bound, when there is one, and the token. A bound must lie at least two minutes back; later changes come
/// with the next window.
fn before(window: Window, cursor: Option<&Cursor>, now: Timestamp) -> (Option<Timestamp>, Option<String>) {
    let latest = now.checked_sub(SignedDuration::from_mins(2)).unwrap_or(Timestamp::MIN);
    paging::thaw(cursor, Some(window.to).filter(|to| *to < latest))
}

struct Search<'a>(&'a Site);

impl Operation for Search<'_> {
    type In = (Window, Option<Cursor>);
    type Out = Page<Result<Order, Error>>;

    fn spec(&self) -> &OpSpec {
        &SEARCH
    }

    fn encode(
        &self,
        cx: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
    ) -> Result<WireRequest, Error> {
        let request = WireRequest::new(Method::GET, &self.0.endpoint, "/orders/2026-01-01/orders")?
            .query("marketplaceIds", self.0.marketplace_id)
            .query("lastUpdatedAfter", window.from.to_string())
            .query("maxResultsPerPage", "100")
            .query("includedData", INCLUDED);
        let (before, token) = before(*window, cursor.as_ref(), cx.now);
        Ok(request
            .query_opt("lastUpdatedBefore", before.map(|b| b.to_string()))
            .query_opt("paginationToken", token))
    }

    fn decode(
        &self,
        cx: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page: w::Orders = response.json()?;
        let read = |o: w::Order| map::order(o, cx.account, self.0.currency);
        let items = page.orders.read("order", "orderId", read).collect();
        let (before, _) = before(*window, cursor.as_ref(), cx.now);
        let next = page.pagination.and_then(|p| p.next_token);
        Ok(Page { items, next: next.map(|token| paging::freeze(before, token)) })
    }
}

static GET: OpSpec = OpSpec { name: "orders.get", buckets: &["orders.get"], ..READ };

struct Get<'a>(&'a Site);

impl Operation for Get<'_> {
    type In = OrderId;
    type Out = Order;

    fn spec(&self) -> &OpSpec {
        &GET
    }

    fn encode(&self, _: &OpCx<'_>, id: &OrderId) -> Result<WireRequest, Error> {
        let path = format!("/orders/2026-01-01/orders/{}", segment(id.as_str()));
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, &path)?.query("includedData", INCLUDED))
    }

    fn decode(&self, cx: &OpCx<'_>, _: &OrderId, response: &WireResponse) -> Result<Order, Error> {
        map::order(response.json::<w::OneOrder>()?.order, cx.account, self.0.currency)
    }
}

static CONFIRM: OpSpec = OpSpec {
    name: "orders.confirm",
    facet: Facet::Ship,
    // Keyed by (order, packageReferenceId): the same confirmation again edits the same package.
    safety: Safety::Natural,
    priority: Priority::Orders,
    buckets: &["orders.confirm"],
    keep: false,
    doc: "https://developer-docs.amazon.com/sp-api/reference/confirmshipment",
};

struct Confirm<'a>(&'a Site);

impl Operation for Confirm<'_> {
    type In = ShipmentNotice;
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &CONFIRM
    }

    fn subject(&self, notice: &ShipmentNotice) -> String {
        notice.order.to_string()
    }

    fn encode(&self, _: &OpCx<'_>, notice: &ShipmentNotice) -> Result<WireRequest, Error> {
        let (carrier_code, carrier_name) = carrier(&notice.carrier);
        let body = w::Confirmation {
            marketplace_id: self.0.marketplace_id,
            package_detail: w::PackageDetail {
                package_reference_id: package_reference(notice),
                carrier_code,
                carrier_name,
                tracking_number: notice.waybill.as_str(),
                ship_date: notice.shipped_at.to_string(),
                order_items: notice
                    .lines
                    .iter()
                    .map(|l| w::ConfirmedItem { order_item_id: l.line.as_str(), quantity: l.quantity })
                    .collect(),
            },
        };
        let path = format!("/orders/v0/orders/{}/shipmentConfirmation", segment(notice.order.as_str()));
        WireRequest::new(Method::POST, &self.0.endpoint, &path)?.json(&body)
    }

    fn decode(&self, _: &OpCx<'_>, _: &ShipmentNotice, response: &WireResponse) -> Result<(), Error> {
        if response.status == 204 {
            Ok(())
        } else {
            Err(Error::decode(format!("status 204, got {}", response.status)))
        }
    }
}

/// A positive number as text, unique per order: derived from our shipment, so that it is the same whenever the
/// confirmation is sent again.
fn package_reference(notice: &ShipmentNotice) -> String {
    let hash =
        notice.shipment.as_str().bytes().fold(0_u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
    (hash % 1_000_000_000 + 1).to_string()
}

/// Our carrier names → Amazon's codes; the rest goes as `Other` with its name.
fn carrier(name: &str) -> (&str, Option<&str>) {
    match name {
        "dhl-express" => ("DHL", None),
        "ups" => ("UPS", None),
        "fedex" => ("FedEx", None),
        "usps" => ("USPS", None),
        "royal-mail" => ("Royal Mail", None),
        other => ("Other", Some(other)),
    }
}

#[async_trait]
impl Orders for Amazon {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Listed, Error>>, Error> {
        let page = self.pipeline.call(&Search(&self.site), &(window, cursor.cloned()), cx).await?;
        Ok(page.map_read(Listed::Whole))
    }

    async fn get(&self, cx: &CallCx, id: &OrderId) -> Result<Order, Error> {
        self.pipeline.call(&Get(&self.site), id, cx).await
    }
}

#[async_trait]
impl OrderActions for Amazon {
    async fn ship(&self, cx: &CallCx, notice: &ShipmentNotice) -> Result<Submitted<()>, Error> {
        self.pipeline.call(&Confirm(&self.site), notice, cx).await.map(Submitted::Done)
    }

    async fn cancel(&self, cx: &CallCx, what: &Cancellation) -> Result<Submitted<()>, Error> {
        // Whether a feed that names some lines leaves the others is UNVERIFIED.
        what.only_whole()?;
        self.cancel_by_feed(cx, &what.order, what.reason).await
    }

    async fn refund(&self, cx: &CallCx, refund: &RefundRequest) -> Result<Submitted<()>, Error> {
        self.refund_by_feed(cx, refund).await
    }

    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        match handle.flow.as_str() {
            refund::FLOW => self.poll_refund(cx, handle).await,
            _ => self.poll_cancel(cx, handle).await,
        }
    }
}
