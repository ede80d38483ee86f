//! Orders in: getOrders by modification date, getOrder, and the parcels that eBay was told about.

use std::collections::HashMap;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use tradewind_connector::role::{Listed, Orders};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse, backwards, segment,
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

/// Orders in one page.
const ROWS: u32 = 200;

/// The query of a `next` address, at another offset: otherwise it is followed word for word, but never to another host. It
/// keeps the bounds of the window as they were at first.
fn at_offset(query: &str, offset: u32) -> Cursor {
    let others = query.split('&').filter(|pair| !pair.starts_with("offset="));
    let offset = format!("offset={offset}");
    Cursor(others.chain([offset.as_str()]).collect::<Vec<_>>().join("&"))
}

/// A number of a `next` address: its offset, its limit.
fn number(query: &str, name: &str) -> Result<u32, Error> {
    let found = url::form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name);
    let bad = || Error::decode(format!("the next page '{query}' tells no {name}"));
    found.and_then(|(_, value)| value.parse().ok()).ok_or_else(bad)
}

/// Where to go on. `cursor`: the query of the page that was read, `None` of the first; `first`: the `next` of that, and the
/// number of all orders.
fn next(cursor: Option<&Cursor>, first: Option<&str>, total: Option<u32>) -> Result<Option<Cursor>, Error> {
    let (query, asked, total) = match (cursor, first) {
        (Some(Cursor(query)), _) => (query.as_str(), Some(number(query, "offset")?), 0),
        (None, Some(address)) => {
            let query = address.split_once('?').map_or("", |(_, query)| query);
            let total = total.ok_or_else(|| Error::decode("a page with another behind it, and no total"))?;
            (query, None, total)
        }
        (None, None) => return Ok(None),
    };
    // Pages by their number, as the order of reading goes; eBay counts orders.
    let rows = number(query, "limit")?.max(1);
    let page = backwards(asked.map(|offset| offset / rows + 1), total.div_ceil(rows));
    Ok(page.map(|page| at_offset(query, (page - 1) * rows)))
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
            .query("limit", ROWS.to_string())
            .query("offset", "0"))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        (_, cursor): &(Window, Option<Cursor>),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page: w::Orders = response.json()?;
        Ok(Page {
            next: next(cursor.as_ref(), page.next.as_deref(), page.total)?,
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
    fn pages_keep_the_window_of_the_first() {
        let query = "filter=lastmodifieddate%3A%5B2026-08-01T00%3A00%3A00.000Z..%5D&limit=200&offset=200";
        let address = format!("https://api.ebay.com/sell/fulfillment/v1/order?{query}");
        // 401 orders are three pages of 200: the last begins at 400, then 200, then 0.
        let mut cursor = next(None, Some(&address), Some(401)).unwrap();
        for offset in [400, 200, 0] {
            let Cursor(found) = cursor.as_ref().unwrap();
            assert_eq!(*found, query.replace("offset=200", &format!("offset={offset}")));
            cursor = next(cursor.as_ref(), None, None).unwrap();
        }
        assert_eq!(cursor, None);
        assert!(next(None, Some(&address), None).is_err());
    }

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
