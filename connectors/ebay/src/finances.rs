//! Finances: transactions and payouts of one marketplace.
//!
//! A transaction learns its payout only when that begins. So a window gives the transactions dated in it *and* those
//! of the payouts dated in it, whenever they happened: each is seen again once its payout is known.

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tradewind_connector::role::{Payouts, Transactions};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse,
};
use tradewind_domain::{
    BalanceTransaction, Component, Money, OrderId, Payout, PayoutId, PayoutState, SourceTime, TransactionId,
};

use crate::Ebay;
use crate::config::Site;
use crate::orders::range;
use crate::wire::finances as w;

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Transactions,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["finances"],
    keep: true,
    doc: "https://developer.ebay.com/api-docs/sell/finances/overview.html",
};
static TRANSACTIONS: OpSpec = OpSpec { name: "finances.transactions", ..LIKE };
static PAYOUTS: OpSpec = OpSpec { name: "finances.payouts", facet: Facet::Payouts, ..LIKE };

/// Rows of a page: the most that eBay gives.
const ROWS: u32 = 1_000;
const PAYOUT_ROWS: u32 = 200;
/// A payout keeps its date while its status moves: it is looked at again for this long.
const PAYOUT_LIFE: SignedDuration = SignedDuration::from_hours(10 * 24);

/// Codes of the tax that eBay collects, in the ledger's table: what the buyer paid of it, and that eBay kept it.
const TAX: &str = "eBayCollectedTaxAmount";
const TAX_WITHHELD: &str = "eBayCollectedTaxAmount/Withheld";

/// Where a reading goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Place {
    /// Of these payouts, the first is being read; empty: by date.
    #[serde(default)]
    payouts: Vec<String>,
    offset: u32,
}

impl Place {
    fn of(cursor: Option<&Cursor>) -> Result<Place, Error> {
        match cursor {
            None => Ok(Place::default()),
            Some(c) => serde_json::from_str(&c.0)
                .map_err(|_| Error::invalid(format!("'{}' is not a cursor of this connector", c.0))),
        }
    }

    fn cursor(&self) -> Result<Cursor, Error> {
        let text = serde_json::to_string(self).map_err(|e| Error::invalid(e.to_string()))?;
        Ok(Cursor(text))
    }
}

fn request(site: &Site, path: &str) -> Result<WireRequest, Error> {
    WireRequest::new(Method::GET, &site.finances, &format!("/sell/finances/v1{path}"))?
        .header("x-ebay-c-marketplace-id", site.marketplace)
}

/// 204 stands for an empty list.
fn rows<T: Default + serde::de::DeserializeOwned>(response: &WireResponse) -> Result<T, Error> {
    if response.status == 204 { Ok(T::default()) } else { response.json() }
}

/// Does a page follow that begins at `end`? eBay says so twice; a list that repeats its `next` ends with its total.
fn more(next: bool, end: u32, total: Option<u32>) -> bool {
    next && total.is_none_or(|t| end < t)
}

struct List<'a>(&'a Site);

impl Operation for List<'_> {
    type In = (Window, Place);
    /// Transactions, and whether more follow.
    type Out = (Vec<Result<BalanceTransaction, Error>>, bool);

    fn spec(&self) -> &OpSpec {
        &TRANSACTIONS
    }

    fn encode(&self, cx: &OpCx<'_>, (window, place): &(Window, Place)) -> Result<WireRequest, Error> {
        let filter = match place.payouts.first() {
            Some(payout) => format!("payoutId:{{{payout}}}"),
            None => format!("transactionDate:{}", range(window, cx.now)),
        };
        // Oldest first: what comes in meanwhile does not move the pages.
        Ok(request(self.0, "/transaction")?
            .query("filter", filter)
            .query("sort", "transactionDate")
            .query("limit", ROWS.to_string())
            .query("offset", place.offset.to_string()))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        (_, place): &(Window, Place),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page: w::Transactions = rows(response)?;
        let more = more(page.next.is_some(), place.offset.saturating_add(ROWS), page.total);
        let read = |t: w::Transaction| transaction(&t);
        let items = page.transactions.read("transaction", "transactionId", read).collect();
        Ok((items, more))
    }
}

/// One movement. `bookingEntry` is the sign of `amount`, which is net of fees; the gross follows from the two.
fn transaction(t: &w::Transaction) -> Result<BalanceTransaction, Error> {
    let value = t.amount.money()?;
    let credit = match t.booking_entry.as_deref() {
        Some("CREDIT") => true,
        Some("DEBIT") => false,
        // A row of nothing has no side.
        None if value.is_zero() => true,
        other => {
            let text = format!("bookingEntry CREDIT or DEBIT of {}, got {other:?}", t.transaction_id);
            return Err(Error::decode(text));
        }
    };
    let net = if credit { value } else { value.negated() };
    // An amount that is net of order fees takes them along, whichever way it goes: they cost us where money comes in and
    // come back where it leaves (a refund, a credit taken back), and a refund taken back costs them again. Of any other
    // movement fees are fees. The ledger's importer has the same rule.
    let back = !credit && matches!(t.transaction_type.as_str(), "SALE" | "REFUND" | "CREDIT");
    let cost = |m: Money| if back { m.negated() } else { m };
    let fee = t.total_fee_amount.as_ref().map(|a| a.money()).transpose()?.map(cost);
    let amount = match fee {
        Some(fee) => net.try_add(fee)?,
        None => net,
    };
    let mut components = Vec::new();
    for fee in t.order_line_items.iter().flat_map(|l| l.marketplace_fees.iter().chain(&l.donations)) {
        components.push(Component {
            code: fee.fee_type.clone().unwrap_or_else(|| "CHARITY_DONATION".to_owned()),
            amount: cost(fee.amount.money()?).negated(),
        });
    }
    if let (true, Some(code)) = (components.is_empty(), &t.fee_type) {
        components.push(Component { code: code.clone(), amount: net });
    }
    // The buyer paid the tax too: an order's total holds it, the balance never does. Told as collected and withheld, which
    // make nothing together, as a settlement of Amazon's tells it. Last, where the ledger's importer has it.
    if let Some(tax) = &t.collected_tax
        && matches!(t.transaction_type.as_str(), "SALE" | "REFUND")
    {
        let tax = cost(tax.money()?);
        if !tax.is_zero() {
            components.push(Component { code: TAX.to_owned(), amount: tax });
            components.push(Component { code: TAX_WITHHELD.to_owned(), amount: tax.negated() });
        }
    }
    let entry = if credit { "CREDIT" } else { "DEBIT" };
    let reference = t.references.iter().find(|r| r.reference_type.as_deref() == Some("ORDER_ID"));
    let order = t.order_id.clone().or_else(|| reference?.reference_id.clone());
    Ok(BalanceTransaction {
        // eBay's id is unique per type and side only; the ledger's importer joins on the same three.
        id: TransactionId::new(format!("{}:{}:{entry}", t.transaction_id, t.transaction_type))?,
        kind: t.transaction_type.clone(),
        event_code: t.fee_type.clone(),
        occurred_at: SourceTime::utc(t.transaction_date),
        amount,
        fee,
        net: Some(net),
        rate: None,
        order: order.map(OrderId::new).transpose()?,
        refers_to: None,
        payout: t.payout_id.clone().map(PayoutId::new).transpose()?,
        statement: None,
        balance_affecting: t.transaction_status.as_deref() != Some("FAILED"),
        components,
    })
}

struct ListPayouts<'a>(&'a Site);

impl Operation for ListPayouts<'_> {
    type In = (Window, u32);
    type Out = (Vec<Result<Payout, Error>>, bool);

    fn spec(&self) -> &OpSpec {
        &PAYOUTS
    }

    fn encode(&self, cx: &OpCx<'_>, (window, offset): &(Window, u32)) -> Result<WireRequest, Error> {
        Ok(request(self.0, "/payout")?
            .query("filter", format!("payoutDate:{}", range(window, cx.now)))
            .query("sort", "payoutDate")
            .query("limit", PAYOUT_ROWS.to_string())
            .query("offset", offset.to_string()))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        (_, offset): &(Window, u32),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page: w::Payouts = rows(response)?;
        let more = more(page.next.is_some(), offset.saturating_add(PAYOUT_ROWS), page.total);
        let items = page.payouts.read("payout", "payoutId", |p: w::Payout| payout(&p)).collect();
        Ok((items, more))
    }
}

fn payout(p: &w::Payout) -> Result<Payout, Error> {
    Ok(Payout {
        id: PayoutId::new(p.payout_id.clone())?,
        amount: p.amount.money()?,
        state: match p.payout_status.as_str() {
            "SUCCEEDED" => PayoutState::Paid,
            "INITIATED" => PayoutState::InTransit,
            "REVERSED" => PayoutState::Returned,
            "TERMINAL_FAILED" => PayoutState::Failed,
            // eBay tries again by itself. A new word is no more than announced either; the raw one is kept.
            _ => PayoutState::Scheduled,
        },
        raw_status: p.payout_status.clone(),
        initiated_at: SourceTime::utc(p.payout_date),
        arrival: None,
        converted: p.amount.after()?,
        trace_id: p.bank_reference.clone(),
    })
}

#[async_trait]
impl Transactions for Ebay {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<BalanceTransaction, Error>>, Error> {
        let place = Place::of(cursor)?;
        let input = (window, place);
        let (mut items, more) = self.pipeline.call(&List(&self.site), &input, cx).await?;
        let (window, mut place) = input;
        if more {
            place.offset = place.offset.saturating_add(ROWS);
            return Ok(Page { items, next: Some(place.cursor()?) });
        }
        let left: Vec<String> = if place.payouts.is_empty() {
            // What belongs to a payout that cannot be read is not seen: that is told here as well.
            let (ids, odd): (Vec<_>, Vec<_>) =
                self.payouts_in(cx, window).await?.into_iter().partition(Result::is_ok);
            items.extend(odd.into_iter().filter_map(Result::err).map(Err));
            ids.into_iter().filter_map(Result::ok).collect()
        } else {
            place.payouts.into_iter().skip(1).collect()
        };
        let next = (!left.is_empty()).then(|| Place { payouts: left, offset: 0 }.cursor()).transpose()?;
        Ok(Page { items, next })
    }
}

impl Ebay {
    /// Ids of the payouts dated in a window.
    async fn payouts_in(&self, cx: &CallCx, window: Window) -> Result<Vec<Result<String, Error>>, Error> {
        let mut ids = Vec::new();
        let mut offset = 0;
        loop {
            let (payouts, more) = self.pipeline.call(&ListPayouts(&self.site), &(window, offset), cx).await?;
            ids.extend(payouts.into_iter().map(|p| p.map(|p| p.id.to_string())));
            if !more {
                return Ok(ids);
            }
            offset = offset.saturating_add(PAYOUT_ROWS);
        }
    }
}

#[async_trait]
impl Payouts for Ebay {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Payout, Error>>, Error> {
        let offset = Place::of(cursor)?.offset;
        let from = window.from.checked_sub(PAYOUT_LIFE).unwrap_or(Timestamp::MIN);
        let wide = Window { from, ..window };
        let (items, more) = self.pipeline.call(&ListPayouts(&self.site), &(wide, offset), cx).await?;
        let next = Place { payouts: Vec::new(), offset: offset.saturating_add(PAYOUT_ROWS) };
        let next = more.then(|| next.cursor()).transpose()?;
        Ok(Page { items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> BalanceTransaction {
        transaction(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn a_sale_is_gross_less_fees() {
        // The fact sheet's example: basis 87.50, fees 12.55 + 0.40 = 12.95, amount 87.50 − 12.95 = 74.55.
        let sale = read(
            r#"{"transactionId":"1","transactionType":"SALE","bookingEntry":"CREDIT","transactionDate":"2026-08-01T10:00:00.000Z",
                "amount":{"value":"74.55","currency":"USD"},"totalFeeAmount":{"value":"12.95","currency":"USD"},"orderId":"01-1",
                "orderLineItems":[{"lineItemId":"9","marketplaceFees":[{"feeType":"FINAL_VALUE_FEE","amount":{"value":"12.55","currency":"USD"}},
                {"feeType":"FINAL_VALUE_FEE_FIXED_PER_ORDER","amount":{"value":"0.40","currency":"USD"}}]}]}"#,
        );
        assert_eq!(sale.id.as_str(), "1:SALE:CREDIT");
        assert_eq!(
            (sale.amount.minor(), sale.fee.unwrap().minor(), sale.net.unwrap().minor()),
            (8_750, 1_295, 7_455)
        );
        assert_eq!(sale.components.iter().map(|c| c.amount.minor()).sum::<i64>(), -1_295);
    }

    #[test]
    fn a_refund_gives_fees_back() {
        // 50.00 goes back to the buyer, 6.63 of fees come back to us: 43.37 leave.
        let refund = read(
            r#"{"transactionId":"2","transactionType":"REFUND","bookingEntry":"DEBIT","transactionDate":"2026-08-01T10:00:00.000Z",
                "amount":{"value":"43.37","currency":"USD"},"totalFeeAmount":{"value":"6.63","currency":"USD"},
                "orderLineItems":[{"marketplaceFees":[{"feeType":"FINAL_VALUE_FEE","amount":{"value":"6.63","currency":"USD"}}]}]}"#,
        );
        assert_eq!(
            (refund.amount.minor(), refund.fee.unwrap().minor(), refund.net.unwrap().minor()),
            (-5_000, -663, -4_337)
        );
        assert_eq!(refund.components[0].amount.minor(), 663);
    }

    #[test]
    fn fees_go_the_way_of_the_booking() {
        // 43.37 with 6.63 of fees. Where money comes in it is net of what the fees cost: 43.37 + 6.63 = 50.00. Where it
        // leaves they come back with it: −43.37 − 6.63 = −50.00. A dispute's fees are fees: −43.37 + 6.63 = −36.74.
        // The ledger's importer has the same table.
        for (kind, entry, gross, fee) in [
            ("SALE", "CREDIT", 5_000, 663),
            ("SALE", "DEBIT", -5_000, -663),
            ("REFUND", "DEBIT", -5_000, -663),
            ("REFUND", "CREDIT", 5_000, 663),
            ("CREDIT", "CREDIT", 5_000, 663),
            ("CREDIT", "DEBIT", -5_000, -663),
            ("DISPUTE", "DEBIT", -3_674, 663),
        ] {
            let t = read(&format!(
                r#"{{"transactionId":"2","transactionType":"{kind}","bookingEntry":"{entry}","transactionDate":"2026-08-01T10:00:00.000Z",
                    "amount":{{"value":"43.37","currency":"USD"}},"totalFeeAmount":{{"value":"6.63","currency":"USD"}},
                    "orderLineItems":[{{"marketplaceFees":[{{"feeType":"FINAL_VALUE_FEE","amount":{{"value":"6.63","currency":"USD"}}}}]}}]}}"#
            ));
            let net = if entry == "CREDIT" { 4_337 } else { -4_337 };
            let got = (t.amount.minor(), t.fee.unwrap().minor(), t.net.unwrap().minor());
            assert_eq!(got, (gross, fee, net), "{kind} {entry}");
            assert_eq!(t.components[0].amount.minor(), -fee, "{kind} {entry}");
        }
    }

    #[test]
    fn tax_that_ebay_collects_is_paid_by_the_buyer_and_never_ours() {
        // The fact sheet's example whole: the buyer paid 87.50 + 7.22 = 94.72, of which 74.55 is ours after fees.
        let codes = |t: &BalanceTransaction| -> Vec<(String, i64)> {
            t.components.iter().map(|c| (c.code.clone(), c.amount.minor())).collect()
        };
        let tax = |m: i64| [(TAX.to_owned(), m), (TAX_WITHHELD.to_owned(), -m)];
        let sale = read(
            r#"{"transactionId":"1","transactionType":"SALE","bookingEntry":"CREDIT","transactionDate":"2026-08-01T10:00:00.000Z",
                "amount":{"value":"74.55","currency":"USD"},"totalFeeAmount":{"value":"12.95","currency":"USD"},"orderId":"01-1",
                "eBayCollectedTaxAmount":{"value":"7.22","currency":"USD"},
                "orderLineItems":[{"marketplaceFees":[{"feeType":"FINAL_VALUE_FEE","amount":{"value":"12.95","currency":"USD"}}]}]}"#,
        );
        assert_eq!((sale.amount.minor(), sale.net.unwrap().minor()), (8_750, 7_455));
        assert_eq!(codes(&sale)[1..], tax(722));
        // Half of it goes back, and half of the tax: 43.75 and 3.61. No fee comes back.
        let refund = read(
            r#"{"transactionId":"2","transactionType":"REFUND","bookingEntry":"DEBIT","transactionDate":"2026-08-02T10:00:00.000Z",
                "amount":{"value":"43.75","currency":"USD"},"totalFeeAmount":{"value":"0.0","currency":"USD"},"orderId":"01-1",
                "eBayCollectedTaxAmount":{"value":"3.61","currency":"USD"}}"#,
        );
        assert_eq!((refund.amount.minor(), refund.net.unwrap().minor()), (-4_375, -4_375));
        assert_eq!(codes(&refund), tax(-361));
        // The specification knows it on sales and refunds only.
        let credit = read(
            r#"{"transactionId":"3","transactionType":"CREDIT","bookingEntry":"CREDIT","transactionDate":"2026-08-02T10:00:00.000Z",
                "amount":{"value":"5.00","currency":"USD"},"eBayCollectedTaxAmount":{"value":"0.40","currency":"USD"}}"#,
        );
        assert_eq!(codes(&credit), []);
    }

    #[test]
    fn a_side_is_never_guessed() {
        let t: w::Transaction = serde_json::from_str(
            r#"{"transactionId":"3","transactionType":"ADJUSTMENT","transactionDate":"2026-08-01T10:00:00.000Z","amount":{"value":"1.00","currency":"USD"}}"#,
        )
        .unwrap();
        assert!(transaction(&t).is_err());
    }
}
