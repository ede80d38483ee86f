//! Returns (Post-Order v2): a search by the day on which the buyer asked. A return is of one line of an order.

use async_trait::async_trait;
use http::Method;
use jiff::SignedDuration;
use tradewind_connector::role::Returns;
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, Kind, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse,
};
use tradewind_domain::{
    LineQuantity, Money, OrderId, OrderLineId, Return, ReturnId, ReturnState, SourceTime,
};

use crate::Ebay;
use crate::config::Site;
use crate::orders::{Get, millis};
use crate::spans::{Place, Span};
use crate::wire::{cases as w, orders};

static SEARCH: OpSpec = OpSpec {
    name: "returns.search",
    facet: Facet::Returns,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["post_order"],
    keep: true,
    doc: "https://developer.ebay.com/devzone/post-order/post-order_v2_return_search__get.html",
};

/// Rows of a page. The most is not documented; integrations that are public ask for this many.
const ROWS: u32 = 100;
/// From the buyer's wish to the refund eBay counts weeks; a case that was escalated takes longer.
const LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);

struct Search<'a>(&'a Site);

impl Operation for Search<'_> {
    type In = Span;
    /// Returns, and where the next page begins.
    type Out = (Vec<Result<w::Return, Error>>, Option<u32>);

    fn spec(&self) -> &OpSpec {
        &SEARCH
    }

    fn encode(&self, _: &OpCx<'_>, span: &Span) -> Result<WireRequest, Error> {
        // By what does not change, so that pages do not move. What the account bought is not ours to see here.
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, "/post-order/v2/return/search")?
            .query("role", "SELLER")
            .query("creation_date_range_from", millis(span.from))
            .query("creation_date_range_to", millis(span.to))
            .query("sort", "-FILING_DATE")
            .query("limit", ROWS.to_string())
            .query("offset", span.offset.to_string()))
    }

    fn decode(&self, _: &OpCx<'_>, span: &Span, response: &WireResponse) -> Result<Self::Out, Error> {
        let page: w::Returns = response.json()?;
        let got = u32::try_from(page.members.len()).unwrap_or(u32::MAX);
        let more = more(span.offset, got, page.pagination_output.and_then(|p| p.total_entries))?;
        Ok((page.members.read("return", "returnId", Ok).collect(), more))
    }
}

/// Where the next page begins, after `got` entries from `offset` on.
fn more(offset: u32, got: u32, total: Option<u32>) -> Result<Option<u32>, Error> {
    let end = offset.saturating_add(got);
    let more = match total {
        // The offset counts entries, says the reference. If it counted pages, the rest would be lost here in silence.
        Some(total) if got == 0 && offset < total => {
            return Err(Error::decode(format!("of {total} returns none came from entry {offset} on")));
        }
        Some(total) => end < total,
        None => got >= ROWS,
    };
    Ok(more.then_some(end))
}

/// `ReturnStatusEnum` and what was paid back.
fn state(status: &str, paid: bool) -> ReturnState {
    match status {
        "CLOSED" | "REPLACED" | "REPLACEMENT_CLOSED" => ReturnState::Closed,
        "RETURN_REJECTED" => ReturnState::Declined,
        "LESS_THAN_A_FULL_REFUND_ISSUED" => ReturnState::Refunded,
        _ if paid => ReturnState::Refunded,
        "ITEM_DELIVERED" => ReturnState::Received,
        "ITEM_SHIPPED" => ReturnState::InTransit,
        "READY_FOR_SHIPPING" | "RETURN_LABEL_REQUESTED" | "WAITING_FOR_RETURN_LABEL" => ReturnState::Approved,
        // Asked for, proposed, or with eBay (ESCALATED): nobody agreed. A word that no document names is not decided
        // either; `raw_status` keeps it.
        _ => ReturnState::Requested,
    }
}

/// What the seller pays or paid. As an estimate of the seller's side eBay writes it negative.
fn amount(r: &w::Return) -> Result<Option<Money>, Error> {
    let sides = [r.seller_total_refund.as_ref(), r.buyer_total_refund.as_ref()];
    let given = sides.iter().flatten().find_map(|s| s.actual_refund_amount.as_ref());
    let found = given.or_else(|| sides.iter().flatten().find_map(|s| s.estimated_refund_amount.as_ref()));
    found.map(|a| a.money().map(Money::abs)).transpose()
}

/// The line of the order, by its id or, where it stands alone, by its listing. Whether Post-Order's transaction is
/// Fulfillment's line is not documented; a line that cannot be told is not guessed.
fn line<'a>(item: &w::ReturnItem, order: &'a orders::Order) -> Option<&'a str> {
    let by_id = order.line_items.iter().find(|l| Some(&l.line_item_id) == item.transaction_id.as_ref());
    let mut of_listing =
        order.line_items.iter().filter(|l| item.item_id.is_some() && l.legacy_item_id == item.item_id);
    let alone = match (of_listing.next(), of_listing.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    by_id.or(alone).map(|l| l.line_item_id.as_str())
}

fn read(r: &w::Return, order: Option<&orders::Order>) -> Result<Return, Error> {
    let item = r.creation_info.item.as_ref();
    let mut lines = Vec::new();
    if let (Some(item), Some(order)) = (item, order)
        && let (Some(line), Some(quantity)) = (line(item, order), item.return_quantity)
    {
        lines.push(LineQuantity { line: OrderLineId::new(line)?, quantity });
    }
    let paid = [&r.seller_total_refund, &r.buyer_total_refund]
        .into_iter()
        .flatten()
        .any(|t| t.actual_refund_amount.is_some());
    Ok(Return {
        id: ReturnId::new(r.return_id.clone())?,
        order: OrderId::new(r.order_id.clone())?,
        state: state(&r.status, paid),
        raw_status: format!("{}/{}", r.state, r.status),
        lines,
        skus: Vec::new(),
        amount: amount(r)?,
        opened_at: SourceTime::utc(r.creation_info.creation_date.value),
    })
}

impl Ebay {
    /// The search names a listing, not a line: that is the order's to say.
    async fn located(&self, cx: &CallCx, r: &w::Return) -> Result<Return, Error> {
        let order = match self.pipeline.call(&Get(&self.site), &OrderId::new(&*r.order_id)?, cx).await {
            Ok(order) => Some(order),
            Err(e) if e.kind() == Kind::NotFound => None,
            Err(e) => return Err(e),
        };
        read(r, order.as_ref())
    }
}

#[async_trait]
impl Returns for Ebay {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Return, Error>>, Error> {
        let now = self.pipeline.now();
        let Some(span) = Place::of(cursor, &window, LIFE, now)?.span(&window, now) else {
            return Ok(Page::last(Vec::new()));
        };
        let (found, more) = self.pipeline.call(&Search(&self.site), &span, cx).await?;
        let read = |r: w::Return| async move {
            self.located(cx, &r).await.map_err(|e| e.about(&format!("return {}", r.return_id)))
        };
        Page { items: found, next: Place::after(&span, more, &window, now)? }.complete(read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(status: &str, rest: &str) -> w::Return {
        let text = format!(
            r#"{{"returnId":"5000019190","orderId":"01-1","state":"S","status":"{status}",
                "creationInfo":{{"item":{{"itemId":"110","transactionId":"7","returnQuantity":2}},
                "creationDate":{{"value":"2026-07-01T10:00:00.000Z"}}}}{rest}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_documented_word_has_its_state() {
        // ReturnStatusEnum of the Post-Order API; those of replacements are not supported by eBay at present.
        use ReturnState::{Approved, Closed, Declined, InTransit, Received, Refunded, Requested};
        for (status, unpaid, paid) in [
            ("RETURN_REQUESTED", Requested, Refunded),
            ("RETURN_REQUESTED_TIMEOUT", Requested, Refunded),
            ("WAITING_FOR_RMA", Requested, Refunded),
            ("PARTIAL_REFUND_REQUESTED", Requested, Refunded),
            ("PARTIAL_REFUND_DECLINED", Requested, Refunded),
            ("PARTIAL_REFUND_FAILED", Requested, Refunded),
            ("ESCALATED", Requested, Refunded),
            ("UNKNOWN", Requested, Refunded),
            ("RETURN_LABEL_REQUESTED", Approved, Refunded),
            ("WAITING_FOR_RETURN_LABEL", Approved, Refunded),
            ("READY_FOR_SHIPPING", Approved, Refunded),
            ("ITEM_SHIPPED", InTransit, Refunded),
            ("ITEM_DELIVERED", Received, Refunded),
            ("LESS_THAN_A_FULL_REFUND_ISSUED", Refunded, Refunded),
            ("RETURN_REJECTED", Declined, Declined),
            ("CLOSED", Closed, Closed),
            ("BEAMED_UP", Requested, Refunded),
        ] {
            assert_eq!((state(status, false), state(status, true)), (unpaid, paid), "{status}");
        }
    }

    #[test]
    fn what_was_paid_stands_before_what_is_expected() {
        let estimate = r#","sellerTotalRefund":{"estimatedRefundAmount":{"value":-19.99,"currency":"EUR"}},
            "buyerTotalRefund":{"estimatedRefundAmount":{"value":19.99,"currency":"EUR"}}"#;
        let r = read(&wire("ITEM_SHIPPED", estimate), None).unwrap();
        assert_eq!((r.amount.unwrap().minor(), r.state), (1_999, ReturnState::InTransit));
        let given = r#","sellerTotalRefund":{"estimatedRefundAmount":{"value":19.99,"currency":"EUR"}},
            "buyerTotalRefund":{"estimatedRefundAmount":{"value":19.99,"currency":"EUR"},"actualRefundAmount":{"value":15.00,"currency":"EUR"}}"#;
        let r = read(&wire("ITEM_DELIVERED", given), None).unwrap();
        assert_eq!((r.amount.unwrap().minor(), r.state), (1_500, ReturnState::Refunded));
        assert_eq!(read(&wire("CLOSED", ""), None).unwrap().amount, None);
    }

    #[test]
    fn a_line_is_named_only_where_it_is_known() {
        let order = |lines: &[(&str, &str)]| -> orders::Order {
            let times =
                r#""creationDate":"2026-06-01T00:00:00.000Z","lastModifiedDate":"2026-06-01T00:00:00.000Z""#;
            let lines: Vec<String> = lines
                .iter()
                .map(|(id, item)| {
                    format!(
                        r#"{{"lineItemId":"{id}","legacyItemId":"{item}","title":"t","quantity":3,
                            "lineItemCost":{{"value":"30.00","currency":"EUR"}},"total":{{"value":"30.00","currency":"EUR"}}}}"#
                    )
                })
                .collect();
            serde_json::from_str(&format!(
                r#"{{"orderId":"01-1",{times},"lineItems":[{}]}}"#,
                lines.join(",")
            ))
            .unwrap()
        };
        let of = |lines: &[(&str, &str)]| {
            let r = read(&wire("ITEM_SHIPPED", ""), Some(&order(lines))).unwrap();
            r.lines.first().map(|l| (l.line.to_string(), l.quantity))
        };
        // The transaction is the line; the listing is of one line alone; of two, and nobody knows which.
        assert_eq!(of(&[("6", "110"), ("7", "110")]), Some(("7".to_owned(), 2)));
        assert_eq!(of(&[("8", "110"), ("9", "111")]), Some(("8".to_owned(), 2)));
        assert_eq!(of(&[("8", "110"), ("9", "110")]), None);
        assert_eq!(of(&[("8", "112")]), None);
        assert_eq!(read(&wire("ITEM_SHIPPED", ""), None).unwrap().lines, []);
    }

    #[test]
    fn an_empty_page_before_the_end_is_no_end() {
        for (offset, got, total, want) in [
            (0, 0, Some(0), Ok(None)),
            (0, 100, Some(101), Ok(Some(100))),
            (100, 1, Some(101), Ok(None)),
            // A page that is shorter than we asked for: eBay has a limit of its own.
            (0, 50, Some(101), Ok(Some(50))),
            (100, 0, Some(101), Err(Kind::Decode)),
            (0, 99, None, Ok(None)),
            (0, 100, None, Ok(Some(100))),
        ] {
            assert_eq!(more(offset, got, total).map_err(|e| e.kind()), want, "{offset} {got} {total:?}");
        }
    }
}
