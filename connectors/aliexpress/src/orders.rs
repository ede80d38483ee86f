//! Orders in, shipments out.

use serde::Serialize;
use tradewind_connector::{
    Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest, WireResponse,
    backwards,
};
use tradewind_domain::{Order, OrderId, ShipmentNotice};
use url::Url;

use crate::config::Settings;
use crate::map;
use crate::products::{business, dto};
use crate::wire::{self, Id, OrderPage, OrderResult, OrderRow, Wrapped};

/// Orders in one page; the sibling list method allows 50 (fact sheet §6).
const PAGE: u32 = 50;

static LIST: OpSpec = OpSpec {
    name: "orders.list",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["seller"],
    keep: true,
    doc: "aliexpress.solution.order.get",
};
static GET: OpSpec = OpSpec {
    name: "orders.get",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["seller"],
    keep: true,
    doc: "aliexpress.solution.order.info.get",
};
static SHIP: OpSpec = OpSpec {
    name: "orders.ship",
    facet: Facet::Ship,
    // The waybill can be read back in the order's `logistic_info_list`.
    safety: Safety::ReadBack,
    priority: Priority::Orders,
    buckets: &["seller"],
    keep: false,
    doc: "aliexpress.solution.order.fulfill",
};

/// Ids of orders changed in a window.
pub(crate) struct List {
    pub(crate) endpoint: Url,
}

/// A window and a page of it.
pub(crate) struct ListIn {
    pub(crate) window: Window,
    pub(crate) cursor: Option<Cursor>,
}

impl ListIn {
    /// The page of the cursor; `None` at the beginning.
    fn asked(&self) -> Result<Option<u32>, Error> {
        let Some(Cursor(text)) = &self.cursor else { return Ok(None) };
        let bad = || Error::invalid(format!("cursor '{text}' is not a page number"));
        text.parse().map(Some).map_err(|_| bad())
    }
    fn page(&self) -> Result<u32, Error> {
        Ok(self.asked()?.unwrap_or(1))
    }
}

impl Operation for List {
    type In = ListIn;
    type Out = Page<Result<OrderId, Error>>;
    fn spec(&self) -> &OpSpec {
        &LIST
    }
    fn encode(&self, _: &OpCx<'_>, input: &ListIn) -> Result<WireRequest, Error> {
        #[derive(Serialize)]
        struct Query {
            modified_date_start: String,
            modified_date_end: String,
            page_size: u32,
            current_page: u32,
        }
        let query = Query {
            modified_date_start: map::pacific(input.window.from)?,
            modified_date_end: map::pacific(input.window.to)?,
            page_size: PAGE,
            current_page: input.page()?,
        };
        business(&self.endpoint, LIST.doc, &[("param0", dto(&query)?)])
    }
    fn decode(&self, _: &OpCx<'_>, input: &ListIn, response: &WireResponse) -> Result<Self::Out, Error> {
        let page: Wrapped<OrderPage> = wire::read(response)?;
        let page = page.result;
        let number = |id: &Option<Id>| id.as_ref().and_then(|i| i.0.parse::<u32>().ok());
        // Both are always told (metadata). Without the number of the last page, all others would be left out.
        let last = match number(&page.total_page) {
            Some(last) => last,
            None if page.target_list.0.is_empty() => 1,
            None => return Err(Error::decode("the list of orders has no total_page")),
        };
        let here = input.page()?;
        // A page that is not there any more may be told by another number.
        if here <= last && number(&page.current_page).is_some_and(|n| n != here) {
            return Err(Error::decode("the answer is of another page"));
        }
        let id = |row: OrderRow| Ok(OrderId::new(row.order_id.0)?);
        let items = page.target_list.0.read("order", "order_id", id).collect();
        let next = backwards(input.asked()?, last).map(|page| Cursor(page.to_string()));
        Ok(Page { items, next })
    }
}

/// An order, and the waybills that the channel was told of.
pub(crate) struct Detail {
    pub(crate) order: Order,
    pub(crate) waybills: Vec<String>,
}

/// One order, complete.
pub(crate) struct Get {
    pub(crate) endpoint: Url,
}

impl Operation for Get {
    type In = OrderId;
    type Out = Detail;
    fn spec(&self) -> &OpSpec {
        &GET
    }
    fn encode(&self, _: &OpCx<'_>, id: &OrderId) -> Result<WireRequest, Error> {
        // 31: all five parts of the detail (metadata of the method).
        #[derive(Serialize)]
        struct Query {
            order_id: Id,
            ext_info_bit_flag: u32,
        }
        let query = Query { order_id: Id(id.as_str().to_owned()), ext_info_bit_flag: 31 };
        business(&self.endpoint, GET.doc, &[("param1", dto(&query)?)])
    }
    fn decode(&self, cx: &OpCx<'_>, _: &OrderId, response: &WireResponse) -> Result<Detail, Error> {
        let detail: Wrapped<OrderResult> = wire::read(response)?;
        let data = detail.result.data;
        let order = map::order(cx.account, &data)?;
        let waybills = data.logistic_info_list.0.into_iter().filter_map(|l| l.logistics_no).collect();
        Ok(Detail { order, waybills })
    }
    fn subject(&self, id: &OrderId) -> String {
        id.to_string()
    }
}

/// Tells that units left.
pub(crate) struct Ship {
    pub(crate) settings: Settings,
}

/// A notice, and whether it covers all that is open.
pub(crate) struct ShipIn {
    pub(crate) notice: ShipmentNotice,
    pub(crate) all: bool,
}

impl Operation for Ship {
    type In = ShipIn;
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &SHIP
    }
    fn encode(&self, _: &OpCx<'_>, input: &ShipIn) -> Result<WireRequest, Error> {
        let notice = &input.notice;
        let mut fields = vec![
            ("out_ref", notice.order.as_str().to_owned()),
            ("send_type", if input.all { "all" } else { "part" }.to_owned()),
            ("logistics_no", notice.waybill.as_str().to_owned()),
        ];
        match self.settings.services.get(&notice.carrier) {
            Some(service) => fields.push(("service_name", service.clone())),
            None => {
                let site = self.settings.tracking_website.clone().ok_or_else(|| {
                    let text = format!(
                        "carrier '{}' has no entry under [services] and there is no 'tracking_website'",
                        notice.carrier
                    );
                    Error::config(text)
                })?;
                fields.push(("service_name", "Other".to_owned()));
                fields.push(("tracking_website", site));
            }
        }
        business(&self.settings.endpoint, SHIP.doc, &fields)
    }
    fn decode(&self, _: &OpCx<'_>, _: &ShipIn, response: &WireResponse) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        struct Answer {
            result_success: bool,
        }
        let answer: Wrapped<Answer> = wire::read(response)?;
        // `false` was found by the protocol already.
        if answer.result.result_success { Ok(()) } else { Err(Error::decode("result_success is not true")) }
    }
    fn subject(&self, input: &ShipIn) -> String {
        input.notice.order.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_does_not_tell_how_many_there_are_is_not_taken_for_the_last() {
        let list = List { endpoint: "https://h.example".parse().unwrap() };
        let (account, at) = ("ali".parse().unwrap(), "2026-08-01T00:00:00Z".parse().unwrap());
        let cx = OpCx { account: &account, now: at, nonce: "n", key: "k" };
        let input = ListIn { window: Window { from: at, to: at }, cursor: None };
        let read = |page: &str| {
            let text = format!(r#"{{"result":{{"success":true{page}}}}}"#);
            list.decode(&cx, &input, &WireResponse::json_text(200, text))
        };
        for pages in ["", r#","total_page":"many""#] {
            let said = read(&format!(r#","target_list":[{{"order_id":1}}]{pages}"#)).unwrap_err();
            assert!(said.message().contains("no total_page"), "{said}");
        }
        let none = read("").unwrap();
        assert!(none.items.is_empty() && none.next.is_none());
    }
}
