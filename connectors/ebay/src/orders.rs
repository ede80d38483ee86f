//! Orders in: getOrders by modification date, getOrder, and the parcels that eBay was told about.

use std::collections::HashMap;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use tradewind_connector::role::{Listed, Orders};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{Order, OrderId, OrderState};

use crate::config::Site;
use crate::wire::orders as w;
use crate::{Ebay, map};

const BASE: &str = "/sell/fulfillment/v1/order";
/// Puts the taxes that eBay remits into totals, so that an order foots.
const BREAKDOWN: &str = "TAX_BREAKDOWN";

pub(crate) const READ: OpSpec = OpSpec {
    name: "",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["fulfillment"],
    keep: true,
    doc: "https://developer.ebay.com/api-docs/sell/fulfillment/overview.html",
};
static SEARCH: OpSpec = OpSpec { name: "orders.search", ..READ };
static GET: OpSpec = OpSpec { name: "orders.get", ..READ };
static PARCELS: OpSpec = OpSpec { name: "orders.parcels", ..READ };

/// A request about one order.
pub(crate) fn about(site: &Site, method: Method, id: &OrderId, rest: &str) -> Result<WireRequest, Error> {
    WireRequest::new(method, &site.endpoint, &format!("{BASE}/{}{rest}", segment(id.as_str())))
}

/// eBay's date format: UTC with milliseconds.
pub(crate) fn millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `[a..b]` of a filter; open when `b` is still to come, because dates in the future are refused.
pub(crate) fn range(window: &Window, now: Timestamp) -> String {
    let to = if window.to <= now { millis(window.to) } else { String::new() };
    format!("[{}..{to}]", millis(window.from))
}

/// The query of a `next` address: it is followed word for word, but never to another host.
fn next(address: &str) -> Option<Cursor> {
    let query = address.split_once('?')?.1;
    Some(Cursor(query.to_owned()))
}

struct Search<'a>(&'a Site);

impl Operation for Search<'_> {
    type In = (Window, Option<Cursor>);
    type Out = Page<Result<w::Order, Error>>;

    fn spec(&self) -> &OpSpec {
        &SEARCH
    }

    fn encode(
        &self,
        cx: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
    ) -> Result<WireRequest, Error> {
        let mut request = WireRequest::new(Method::GET, &self.0.endpoint, BASE)?;
        if let Some(Cursor(query)) = cursor {
            for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
                request = request.query(&name, value);
            }
            return Ok(request);
        }
        Ok(request
            .query("filter", format!("lastmodifieddate:{}", range(window, cx.now)))
            .query("fieldGroups", BREAKDOWN)
            .query("limit", "200")
            .query("offset", "0"))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        _: &(Window, Option<Cursor>),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page: w::Orders = response.json()?;
        Ok(Page {
            next: page.next.as_deref().and_then(next),
            items: page.orders.read("order", "orderId", Ok).collect(),
        })
    }
}

/// `getOrder`, as it stands on the wire: cancellation requests are only here.
pub(crate) struct Get<'a>(pub(crate) &'a Site);

impl Operation for Get<'_> {
    type In = OrderId;
    type Out = w::Order;

    fn spec(&self) -> &OpSpec {
        &GET
    }

    fn encode(&self, _: &OpCx<'_>, id: &OrderId) -> Result<WireRequest, Error> {
        Ok(about(self.0, Method::GET, id, "")?.query("fieldGroups", BREAKDOWN))
    }

    fn decode(&self, _: &OpCx<'_>, _: &OrderId, response: &WireResponse) -> Result<w::Order, Error> {
        response.json()
    }
}

/// `getShippingFulfillments`.
pub(crate) struct Parcels<'a>(pub(crate) &'a Site);

impl Operation for Parcels<'_> {
    type In = OrderId;
    type Out = Vec<w::Fulfillment>;

    fn spec(&self) -> &OpSpec {
        &PARCELS
    }

    fn encode(&self, _: &OpCx<'_>, id: &OrderId) -> Result<WireRequest, Error> {
        about(self.0, Method::GET, id, "/shipping_fulfillment")
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        _: &OrderId,
        response: &WireResponse,
    ) -> Result<Vec<w::Fulfillment>, Error> {
        Ok(response.json::<w::Fulfillments>()?.fulfillments)
    }
}

impl Ebay {
    /// A domain order. Of one that is partly shipped, the parcels say how many units of each line left.
    async fn complete(&self, cx: &CallCx, order: w::Order) -> Result<Order, Error> {
        let named = |e: Error| e.about(&format!("order {}", order.order_id));
        // Whatever became of the money: the rest may be on hold.
        let partly = order.order_fulfillment_status == "IN_PROGRESS";
        let mut order = map::order(&order, self.pipeline.account()).map_err(named)?;
        if !partly || order.state == OrderState::Cancelled {
            return Ok(order);
        }
        let mut left: HashMap<String, u32> = HashMap::new();
        for parcel in self.pipeline.call(&Parcels(&self.site), &order.id, cx).await? {
            for units in parcel.line_items {
                // Without a quantity: all of the line.
                let n = units.quantity.unwrap_or(u32::MAX);
                let sum = left.entry(units.line_item_id).or_default();
                *sum = sum.saturating_add(n);
            }
        }
        for line in &mut order.lines {
            if let Some(n) = left.get(line.id.as_str()) {
                line.shipped = (*n).min(line.quantity);
            }
        }
        Ok(order)
    }
}

#[async_trait]
impl Orders for Ebay {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Listed, Error>>, Error> {
        let page = self.pipeline.call(&Search(&self.site), &(window, cursor.cloned()), cx).await?;
        let complete = |order: w::Order| async move {
            let number = order.order_id.clone();
            self.complete(cx, order).await.map_err(|e| e.of_record(number))
        };
        let page = page.complete(complete).await?;
        Ok(page.map_read(Listed::Whole))
    }

    async fn get(&self, cx: &CallCx, id: &OrderId) -> Result<Order, Error> {
        let order = self.pipeline.call(&Get(&self.site), id, cx).await?;
        self.complete(cx, order).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_is_odd_leaves_its_page_readable() {
        let times =
            r#""creationDate":"2026-08-01T00:00:00.000Z","lastModifiedDate":"2026-08-01T00:00:00.000Z""#;
        let page = format!(
            r#"{{"orders":[{{"orderId":"1",{times},"lineItems":"none"}},{{"orderId":"2",{times},"lineItems":[]}},{{}}]}}"#
        );
        let page: w::Orders = serde_json::from_str(&page).unwrap();
        let read: Vec<Result<w::Order, Error>> = page.orders.read("order", "orderId", Ok).collect();
        assert_eq!(read[1].as_ref().unwrap().order_id, "2");
        for (n, name) in [(0, "order 1: "), (2, "order ?: ")] {
            let told = read[n].as_ref().unwrap_err();
            assert!(told.message().contains(name) && told.of_this_call(), "{told}");
        }
    }
}
