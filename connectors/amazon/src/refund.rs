//! Giving money back on orders that the seller ships: feed `POST_PAYMENT_ADJUSTMENT_DATA`, message `OrderAdjustment`.
//! There is no REST call for it.
//!
//! Sources: "Feed Type Values" and "Order Feed Type Values" list the feed after the listings feeds were withdrawn; element
//! names and words are those of `OrderAdjustment.xsd` as public clients carry them; that the tax of a price that
//! contains it goes with `Principal`, and is refused beside it, is selling-partner-api-docs#767 (Japan). UNVERIFIED: that
//! it is the same in every other store outside the United States and Canada.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use tradewind_connector::{
    CallCx, Error, Facet, Handle, Kind, OpCx, OpSpec, Operation, Priority, Safety, Submitted, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{
    CancelReason, Currency, Decimal, Money, OrderLine, OrderLineId, OrderState, RefundRequest,
};

use crate::cancel::escaped;
use crate::config::{CA, Site, US};
use crate::feeds::{Feed, PATIENCE, Progress};
use crate::wire::orders as w;
use crate::{Amazon, map};

/// The flow of the handles.
pub(crate) const FLOW: &str = "refund";

/// A second feed gives the money a second time, and no call looks one up by our number. What became of a lost one is in
/// the order's transactions, up to two days later, and in the settlement, whose `merchant-adjustment-item-id` is our
/// number.
static REFUND: Feed = Feed::of(
    "POST_PAYMENT_ADJUSTMENT_DATA",
    "text/xml; charset=UTF-8",
    Facet::Refund,
    Priority::Orders,
    Safety::Unsafe,
);

static PAID: OpSpec = OpSpec {
    name: "orders.get",
    facet: Facet::Refund,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["orders.get"],
    keep: false,
    doc: "https://developer-docs.amazon.com/sp-api/docs/orders-api",
};

/// What was paid for each line, and the delivery that Amazon books on it.
struct Paid<'a>(&'a Site);

impl Operation for Paid<'_> {
    type In = RefundRequest;
    type Out = Vec<(OrderLine, Money)>;
    fn spec(&self) -> &OpSpec {
        &PAID
    }
    fn encode(&self, _: &OpCx<'_>, refund: &RefundRequest) -> Result<WireRequest, Error> {
        let path = format!("/orders/2026-01-01/orders/{}", segment(refund.order.as_str()));
        let request = WireRequest::new(Method::GET, &self.0.endpoint, &path)?;
        Ok(request.query("includedData", "PROCEEDS,FULFILLMENT,TAX"))
    }
    fn decode(&self, _: &OpCx<'_>, _: &RefundRequest, response: &WireResponse) -> Result<Self::Out, Error> {
        let order = response.json::<w::OneOrder>()?.order;
        let line = |item| map::order_line(item, self.0.currency, OrderState::Shipped);
        order.order_items.into_iter().map(line).collect()
    }
}

/// What one line gets back.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    line: OrderLineId,
    principal: Money,
    shipping: Money,
}

/// An amount over lines: the goods first, by what was paid for the units; what is more than the goods is delivery.
fn shares(
    refund: &RefundRequest,
    paid: &[(OrderLine, Money)],
    tax_on_top: bool,
    currency: Currency,
) -> Result<Vec<Share>, Error> {
    if refund.amount.currency() != currency || !refund.amount.is_positive() {
        return Err(Error::invalid(format!(
            "a refund of {}: an amount above zero in {currency}",
            refund.amount
        )));
    }
    let mut wanted: BTreeMap<&OrderLineId, u32> = BTreeMap::new();
    for l in &refund.lines {
        let units = wanted.entry(&l.line).or_default();
        *units = units.saturating_add(l.quantity);
    }
    if let Some(stray) = wanted.keys().find(|id| !paid.iter().any(|(l, _)| l.id == ***id)) {
        return Err(Error::invalid(format!("order {} has no line {stray}", refund.order)));
    }
    let mut lines = Vec::new();
    for (line, freight) in paid {
        let units =
            if wanted.is_empty() { line.quantity } else { wanted.get(&line.id).copied().unwrap_or(0) };
        if units == 0 {
            continue;
        }
        let Some(rest) = line.quantity.checked_sub(units) else {
            let text = format!(
                "line {} of order {} has {} units, not {units}",
                line.id, refund.order, line.quantity
            );
            return Err(Error::invalid(text));
        };
        let mut goods = line.total;
        if !tax_on_top {
            goods = line.taxes.iter().try_fold(goods, |sum, t| sum.try_add(t.amount))?;
        }
        let part = goods.allocate(&[Decimal::from(units), Decimal::from(rest)])?;
        lines.push((line.id.clone(), part.first().copied().unwrap_or(goods), *freight));
    }
    let goods = Money::try_sum(currency, lines.iter().map(|l| l.1))?;
    let freight = Money::try_sum(currency, lines.iter().map(|l| l.2))?;
    let most = goods.try_add(freight)?;
    if refund.amount.minor() > most.minor() {
        let on_top = if tax_on_top { ", without the tax on top, which Amazon collects" } else { "" };
        return Err(Error::invalid(format!(
            "a refund of {} on order {}: {most} was paid for these units and their delivery{on_top}",
            refund.amount, refund.order
        )));
    }
    let over = |amount: Money, of: &dyn Fn(&(OrderLineId, Money, Money)) -> Money| {
        let weights: Vec<Decimal> = lines.iter().map(|l| of(l).decimal()).collect();
        if amount.is_zero() { Ok(vec![amount; lines.len()]) } else { amount.allocate(&weights) }
    };
    let for_goods = if refund.amount.minor() < goods.minor() { refund.amount } else { goods };
    let principal = over(for_goods, &|l| l.1)?;
    let shipping = over(refund.amount.try_sub(for_goods)?, &|l| l.2)?;
    let shares = lines.iter().zip(principal).zip(shipping);
    Ok(shares
        .map(|((l, principal), shipping)| Share { line: l.0.clone(), principal, shipping })
        .filter(|s| s.principal.is_positive() || s.shipping.is_positive())
        .collect())
}

fn envelope(site: &Site, refund: &RefundRequest, shares: &[Share]) -> String {
    let reason = match refund.reason {
        CancelReason::OutOfStock => "NoInventory",
        CancelReason::BuyerRequest => "CustomerReturn",
        CancelReason::Undeliverable => "Undeliverable",
        CancelReason::PricingError => "PriceError",
        CancelReason::Restricted => "GeneralAdjustment",
    };
    let component = |kind: &str, amount: Money| {
        if !amount.is_positive() {
            return String::new();
        }
        format!(
            "<Component><Type>{kind}</Type><Amount currency=\"{}\">{}</Amount></Component>",
            amount.currency(),
            amount.decimal()
        )
    };
    let items: String = shares
        .iter()
        .map(|s| {
            format!(
                "<AdjustedItem><AmazonOrderItemCode>{}</AmazonOrderItemCode><MerchantAdjustmentItemID>{}</MerchantAdjustmentItemID>\
                 <AdjustmentReason>{reason}</AdjustmentReason><ItemPriceAdjustments>{}{}</ItemPriceAdjustments></AdjustedItem>",
                escaped(s.line.as_str()),
                escaped(refund.id.as_str()),
                component("Principal", s.principal),
                component("Shipping", s.shipping),
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <AmazonEnvelope xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:noNamespaceSchemaLocation=\"amzn-envelope.xsd\">\
         <Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{}</MerchantIdentifier></Header>\
         <MessageType>OrderAdjustment</MessageType><Message><MessageID>1</MessageID><OrderAdjustment>\
         <AmazonOrderID>{}</AmazonOrderID><ActionType>Refund</ActionType>{items}</OrderAdjustment></Message></AmazonEnvelope>",
        escaped(&site.seller_id),
        escaped(refund.order.as_str()),
    )
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Message", default)]
    messages: Vec<AnswerMessage>,
}

#[derive(Deserialize)]
struct AnswerMessage {
    #[serde(rename = "ProcessingReport")]
    report: Option<Report>,
}

#[derive(Deserialize)]
struct Report {
    #[serde(rename = "ProcessingSummary")]
    summary: Option<Summary>,
    #[serde(rename = "Result", default)]
    results: Vec<ReportResult>,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "MessagesSuccessful")]
    successful: u32,
    #[serde(rename = "MessagesWithError")]
    with_error: u32,
}

#[derive(Deserialize)]
struct ReportResult {
    #[serde(rename = "ResultMessageCode", default)]
    code: String,
    #[serde(rename = "ResultDescription", default)]
    description: String,
}

/// Asking again will not tell more: the money may have been given.
fn in_doubt(feed: &str, why: &str) -> Error {
    let text = format!(
        "feed {feed} {why}: whether the refund was given is in the transactions of the order, up to two days from now"
    );
    Error::new(Kind::Indeterminate, text).after_send()
}

/// What the processing report says of the one message. Anything but a plain yes or no is neither.
fn verdict(feed: &str, report: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(report);
    let answer: Answer = quick_xml::de::from_str(&text)
        .map_err(|e| in_doubt(feed, &format!("has a report that cannot be read ({e})")))?;
    let found = answer.messages.into_iter().find_map(|m| m.report);
    let Some((Some(summary), results)) = found.map(|r| (r.summary, r.results)) else {
        return Err(in_doubt(feed, "has a report that says nothing of the refund"));
    };
    match (summary.successful, summary.with_error) {
        (1, 0) => Ok(()),
        (0, 1) => {
            let said: Vec<String> = results.iter().map(|r| format!("{} {}", r.code, r.description)).collect();
            let why = format!("Amazon did not refund: {}", said.join("; "));
            Err(Error::new(Kind::Rejected, why).after_send())
        }
        (good, bad) => Err(in_doubt(
            feed,
            &format!("carried one message, and its report counts {good} good and {bad} bad"),
        )),
    }
}

impl Amazon {
    pub(crate) async fn refund_by_feed(
        &self,
        cx: &CallCx,
        refund: &RefundRequest,
    ) -> Result<Submitted<()>, Error> {
        let paid = self.pipeline.call(&Paid(&self.site), refund, cx).await?;
        let tax_on_top = [US, CA].contains(&self.site.marketplace_id);
        let shares = shares(refund, &paid, tax_on_top, self.site.currency)?;
        let bytes = Bytes::from(envelope(&self.site, refund, &shares));
        let feed = self.submit_feed(cx, &REFUND, bytes).await?;
        Ok(Submitted::Deferred(self.refunding(feed)))
    }

    fn refunding(&self, feed: String) -> Handle {
        Handle {
            flow: FLOW.to_owned(),
            id: feed,
            step: "poll".to_owned(),
            state: serde_json::Value::Null,
            not_before: self.pipeline.now().checked_add(PATIENCE).ok(),
        }
    }

    pub(crate) async fn poll_refund(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        let feed = handle.id.as_str();
        match self.feed_progress(cx, &REFUND, feed).await? {
            Progress::Running => Ok(Submitted::Deferred(self.refunding(handle.id.clone()))),
            Progress::Done(Some(report)) => verdict(feed, &report).map(Submitted::Done),
            Progress::Done(None) => Err(in_doubt(feed, "ended without a report")),
            Progress::Fatal => Err(in_doubt(feed, "was given up (FATAL)")),
            Progress::Lost(why) => Err(in_doubt(feed, &format!("cannot be read ({})", why.message()))),
            Progress::Cancelled => {
                let why = format!("feed {feed} was called off: nothing was refunded");
                Err(Error::new(Kind::Rejected, why).after_send())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(minor: i64) -> Money {
        Money::from_minor(minor, Currency::new("EUR").unwrap())
    }

    /// Two cups at 20.00 with 3.80 tax in all and 4.00 delivery; a saucer at 10.00, 1.90, delivery 1.00.
    fn paid() -> Vec<(OrderLine, Money)> {
        let line = |id: &str, units: u32, goods: &str, tax: &str| -> OrderLine {
            serde_json::from_value(serde_json::json!({"id": id, "quantity": units,
                "unit_price": {"amount": "10.00", "currency": "EUR"}, "total": {"amount": goods, "currency": "EUR"},
                "discount": {"amount": "0.00", "currency": "EUR"}, "taxes": [{"kind": "vat", "amount":
                {"amount": tax, "currency": "EUR"}, "collector": "marketplace", "included": false}]}))
            .unwrap()
        };
        vec![(line("1", 2, "20.00", "3.80"), eur(400)), (line("2", 1, "10.00", "1.90"), eur(100))]
    }

    fn ask(minor: i64, lines: &[(&str, u32)], tax_on_top: bool) -> Result<Vec<(String, i64, i64)>, String> {
        let lines: Vec<_> =
            lines.iter().map(|(l, q)| serde_json::json!({"line": l, "quantity": q})).collect();
        let refund: RefundRequest = serde_json::from_value(serde_json::json!({"id": "R-1", "order": "O-1",
            "lines": lines, "amount": eur(minor), "reason": "buyer_request"}))
        .unwrap();
        let found = shares(&refund, &paid(), tax_on_top, Currency::new("EUR").unwrap());
        let told = |s: Share| (s.line.to_string(), s.principal.minor(), s.shipping.minor());
        found.map(|s| s.into_iter().map(told).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn goods_first_and_delivery_with_what_is_more() {
        let row = |id: &str, p, s| (id.to_owned(), p, s);
        // 23.80 + 11.90 goods, 5.00 delivery: all of it is 40.70.
        assert_eq!(ask(4_070, &[], false).unwrap(), [row("1", 2_380, 400), row("2", 1_190, 100)]);
        // Half of the goods, 17.85: 11.90 and 5.95.
        assert_eq!(ask(1_785, &[], false).unwrap(), [row("1", 1_190, 0), row("2", 595, 0)]);
        // One cup of two is 11.90; 13.90 is that and 2.00 of its line's delivery.
        assert_eq!(ask(1_390, &[("1", 1)], false).unwrap(), [row("1", 1_190, 200)]);
        // The tax on top is not ours to give.
        assert_eq!(ask(2_000, &[("1", 2)], true).unwrap(), [row("1", 2_000, 0)]);
    }

    #[test]
    fn more_than_was_paid_is_no_refund() {
        for (minor, lines, on_top, why) in [
            (4_071, &[][..], false, "40.70 EUR was paid"),
            (1_591, &[("1", 1)][..], false, "15.90 EUR was paid"),
            (2_401, &[("1", 2)][..], true, "without the tax on top"),
            (100, &[("1", 3)][..], false, "has 2 units, not 3"),
            (100, &[("1", 1), ("1", 2)][..], false, "has 2 units, not 3"),
            (100, &[("9", 1)][..], false, "has no line 9"),
            (0, &[][..], false, "above zero"),
        ] {
            let error = ask(minor, lines, on_top).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_a_plain_yes_is_a_refund() {
        let report = |good: u32, bad: u32, result: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AmazonEnvelope><MessageType>ProcessingReport</MessageType><Message><MessageID>1</MessageID>\
<ProcessingReport><StatusCode>Complete</StatusCode><ProcessingSummary><MessagesProcessed>1</MessagesProcessed><MessagesSuccessful>{good}</MessagesSuccessful>\
<MessagesWithError>{bad}</MessagesWithError><MessagesWithWarning>0</MessagesWithWarning></ProcessingSummary>{result}</ProcessingReport></Message></AmazonEnvelope>"
            )
        };
        let said = |text: &str| verdict("1", text.as_bytes()).map_err(|e| (e.kind(), e.to_string()));
        assert!(said(&report(1, 0, "")).is_ok());
        let result = "<Result><MessageID>1</MessageID><ResultCode>Error</ResultCode><ResultMessageCode>18028</ResultMessageCode><ResultDescription>not eligible</ResultDescription></Result>";
        let (kind, text) = said(&report(0, 1, result)).unwrap_err();
        assert_eq!(kind, Kind::Rejected);
        assert!(text.contains("18028 not eligible"), "{text}");
        for odd in [report(0, 0, ""), report(1, 1, ""), "<AmazonEnvelope/>".to_owned(), "gone".to_owned()] {
            assert_eq!(said(&odd).unwrap_err().0, Kind::Indeterminate, "{odd}");
        }
    }
}
