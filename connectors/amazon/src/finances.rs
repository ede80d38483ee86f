//! Balance transactions (2024-06-19) and payouts (v0 event groups).

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use tradewind_connector::role::{Payouts, Transactions};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse,
};
use tradewind_domain::{
    BalanceTransaction, Component, Currency, Money, OrderId, Payout, PayoutId, PayoutState, SourceTime,
    TransactionId,
};

use crate::Amazon;
use crate::config::{Site, US};
use crate::paging;
use crate::wire::finances as w;

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Transactions,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &[],
    keep: true,
    doc: "https://developer-docs.amazon.com/sp-api/docs/finances-api-v2024-06-19-reference",
};
static TRANSACTIONS: OpSpec = OpSpec { name: "finances.transactions", buckets: &["finances"], ..LIKE };
static GROUPS: OpSpec =
    OpSpec { name: "finances.groups", facet: Facet::Payouts, buckets: &["finances.v0"], ..LIKE };

/// A group is found by when it *started*, and closes up to a settlement period later (two weeks; longer while a
/// payout fails): each look goes back far enough to see every group that may have closed since the last.
const GROUP_LIFE: SignedDuration = SignedDuration::from_hours(45 * 24);

/// Upper bounds must lie at least two minutes back. Pages after the first keep the first one's.
fn upper(window: Window, cursor: Option<&Cursor>, now: Timestamp) -> (Timestamp, Option<String>) {
    let first = window.to.min(now.checked_sub(SignedDuration::from_mins(2)).unwrap_or(window.to));
    let (bound, token) = paging::thaw(cursor, Some(first));
    (bound.unwrap_or(first), token)
}

struct List<'a>(&'a Site);

impl Operation for List<'_> {
    type In = (Window, Option<Cursor>);
    type Out = Page<Result<BalanceTransaction, Error>>;
    fn spec(&self) -> &OpSpec {
        &TRANSACTIONS
    }
    fn encode(
        &self,
        cx: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
    ) -> Result<WireRequest, Error> {
        // The next token wants the same other arguments again.
        let (before, token) = upper(*window, cursor.as_ref(), cx.now);
        // "If you want to retrieve MFN orders in the US store, do not supply the marketplaceId parameter."
        let store = Some(self.0.marketplace_id).filter(|id| *id != US);
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, "/finances/2024-06-19/transactions")?
            .query("postedAfter", window.from.to_string())
            .query("postedBefore", before.to_string())
            .query_opt("marketplaceId", store)
            .query_opt("nextToken", token))
    }
    fn decode(
        &self,
        cx: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page = response.json::<w::Payload<w::Transactions>>()?.payload;
        // Rows of the region's other stores are theirs to read; a row that names no store is kept.
        let read = |t: w::Transaction| {
            let store = t.marketplace_details.as_ref().and_then(|m| m.marketplace_id.as_deref());
            let ours = store.is_none_or(|id| id == self.0.marketplace_id);
            ours.then(|| transaction(&t)).transpose()
        };
        let items = page.transactions.read("transaction", "transactionId", read);
        let items = items.filter_map(Result::transpose).collect();
        let (before, _) = upper(*window, cursor.as_ref(), cx.now);
        Ok(Page { items, next: page.next_token.map(|token| paging::freeze(Some(before), token)) })
    }
}

fn money(a: &w::Amount) -> Result<Money, Error> {
    a.currency_amount.money(Currency::new(&a.currency_code)?)
}

fn transaction(t: &w::Transaction) -> Result<BalanceTransaction, Error> {
    let related = |name: &str| {
        t.related_identifiers
            .iter()
            .find(|r| r.related_identifier_name == name)
            .map(|r| r.related_identifier_value.clone())
    };
    let mut components = Vec::new();
    leaves(&t.breakdowns, "", &mut components)?;
    let amount = money(&t.total_amount)?;
    Ok(BalanceTransaction {
        id: TransactionId::new(t.transaction_id.clone())?,
        kind: t.transaction_type.clone(),
        event_code: Some(t.transaction_status.clone()).filter(|s| !s.is_empty()),
        occurred_at: SourceTime::utc(t.posted_date),
        amount,
        fee: None,
        net: Some(amount),
        rate: None,
        order: related("ORDER_ID").map(OrderId::new).transpose()?,
        refers_to: related("DEFERRED_TRANSACTION_ID").map(TransactionId::new).transpose()?,
        payout: related("FINANCIAL_EVENT_GROUP_ID").map(PayoutId::new).transpose()?,
        statement: related("SETTLEMENT_ID").map(|s| s.try_into()).transpose()?,
        // A deferred transaction does not move the balance before it is released.
        balance_affecting: t.transaction_status != "DEFERRED",
        components,
    })
}

/// The leaves of the recursive breakdown, with their path as code: their sum is the total, branches would count
/// twice.
fn leaves(breakdowns: &[w::Breakdown], path: &str, out: &mut Vec<Component>) -> Result<(), Error> {
    for b in breakdowns {
        let code =
            if path.is_empty() { b.breakdown_type.clone() } else { format!("{path}/{}", b.breakdown_type) };
        match b.breakdowns.as_deref() {
            Some(inner) if !inner.is_empty() => leaves(inner, &code, out)?,
            _ => out.push(Component { code, amount: money(&b.breakdown_amount)? }),
        }
    }
    Ok(())
}

struct Groups<'a>(&'a Site);

impl Operation for Groups<'_> {
    type In = (Window, Option<Cursor>);
    type Out = Page<Result<Payout, Error>>;
    fn spec(&self) -> &OpSpec {
        &GROUPS
    }
    fn encode(
        &self,
        cx: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
    ) -> Result<WireRequest, Error> {
        let (before, token) = upper(*window, cursor.as_ref(), cx.now);
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, "/finances/v0/financialEventGroups")?
            .query("MaxResultsPerPage", "100")
            .query(
                "FinancialEventGroupStartedAfter",
                window.from.checked_sub(GROUP_LIFE).unwrap_or(Timestamp::MIN).to_string(),
            )
            .query("FinancialEventGroupStartedBefore", before.to_string())
            .query_opt("NextToken", token))
    }
    fn decode(
        &self,
        cx: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page = response.json::<w::Payload<w::Groups>>()?.payload;
        let read = |group: w::Group| {
            // The list is of the seller's whole region and names no store, only the store's currency.
            let ours =
                group.original_total.as_ref().is_none_or(|t| t.currency_code == self.0.currency.code());
            // An open group is a balance, not a payout.
            let closed = group.processing_status.as_deref() == Some("Closed");
            if ours && closed { payout(&group) } else { Ok(None) }
        };
        let items = page.financial_event_group_list.read("event group", "FinancialEventGroupId", read);
        let items = items.filter_map(Result::transpose).collect();
        let (before, _) = upper(*window, cursor.as_ref(), cx.now);
        Ok(Page { items, next: page.next_token.map(|token| paging::freeze(Some(before), token)) })
    }
}

fn payout(group: &w::Group) -> Result<Option<Payout>, Error> {
    let (Some(id), Some(total)) = (&group.financial_event_group_id, &group.original_total) else {
        return Ok(None);
    };
    let money = |a: &w::GroupAmount| -> Result<Money, Error> {
        a.currency_amount.money(Currency::new(&a.currency_code)?)
    };
    let amount = money(total)?;
    let converted = group.converted_total.as_ref().map(money).transpose()?;
    let raw = group.fund_transfer_status.clone().unwrap_or_default();
    let state = match raw.to_ascii_lowercase().as_str() {
        "succeeded" | "successful" | "success" => PayoutState::Paid,
        "failed" | "unsuccessful" => PayoutState::Failed,
        "processing" | "initiated" | "in progress" => PayoutState::InTransit,
        _ => PayoutState::Scheduled,
    };
    let at =
        group.financial_event_group_end.or(group.financial_event_group_start).or(group.fund_transfer_date);
    Ok(Some(Payout {
        id: PayoutId::new(id.clone())?,
        amount,
        state,
        raw_status: raw,
        initiated_at: SourceTime::utc(at.ok_or_else(|| Error::decode("a date in the event group"))?),
        arrival: group.fund_transfer_date,
        converted: converted.filter(|c| c.currency() != amount.currency()),
        trace_id: group.trace_id.clone(),
    }))
}

#[async_trait]
impl Transactions for Amazon {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<BalanceTransaction, Error>>, Error> {
        self.pipeline.call(&List(&self.site), &(window, cursor.cloned()), cx).await
    }
}

#[async_trait]
impl Payouts for Amazon {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Payout, Error>>, Error> {
        self.pipeline.call(&Groups(&self.site), &(window, cursor.cloned()), cx).await
    }
}
