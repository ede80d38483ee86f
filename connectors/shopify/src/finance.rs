//! Money: payouts and balance transactions of Shopify Payments. A shop on another gateway has none.

use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::{Cursor, Error, Facet, OpCx, OpSpec, Page, Priority, Safety, Window, WireResponse};
use tradewind_domain::{
    BalanceTransaction, OrderId, Payout, PayoutId, PayoutState, SourceTime, TransactionId,
};

use crate::config::Shop;
use crate::gql::{Each, data};
use crate::orders::MoneyV2;

pub(crate) static PAYOUTS: OpSpec = OpSpec {
    name: "payouts.list",
    facet: Facet::Payouts,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/objects/ShopifyPaymentsPayout",
};
pub(crate) const PAYOUTS_TEXT: &str = "query Payouts($c: String, $q: String) { shopifyPaymentsAccount { payouts(first: 20, after: $c, query: $q, sortKey: ISSUED_AT) { pageInfo { hasNextPage endCursor } \
nodes { id issuedAt status externalTraceId transactionType net { amount currencyCode } } } } }";

pub(crate) static TRANSACTIONS: OpSpec = OpSpec {
    name: "transactions.list",
    facet: Facet::Transactions,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/objects/ShopifyPaymentsBalanceTransaction",
};
pub(crate) const TRANSACTIONS_TEXT: &str = "query Balance($c: String, $q: String) { shopifyPaymentsAccount { balanceTransactions(first: 50, after: $c, query: $q, sortKey: PROCESSED_AT) { pageInfo { hasNextPage endCursor } \
nodes { id type test transactionDate sourceType amount { amount currencyCode } fee { amount currencyCode } net { amount currencyCode } associatedOrder { id name } associatedPayout { id status } } } } }";

/// One page of a window.
#[derive(Debug)]
pub(crate) struct In {
    pub(crate) window: Window,
    pub(crate) after: Option<String>,
}

#[derive(Deserialize)]
struct Data<T> {
    #[serde(rename = "shopifyPaymentsAccount")]
    account: Option<T>,
}

pub(crate) fn payouts_variables(_: &Shop, _: &OpCx<'_>, input: &In) -> Result<Value, Error> {
    Ok(
        json!({"c": input.after, "q": format!("issued_at:>='{}' AND issued_at:<'{}'", input.window.from, input.window.to)}),
    )
}

pub(crate) fn transactions_variables(_: &Shop, _: &OpCx<'_>, input: &In) -> Result<Value, Error> {
    Ok(
        json!({"c": input.after, "q": format!("processed_at:>='{}' AND processed_at:<'{}'", input.window.from, input.window.to)}),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePayout {
    id: String,
    issued_at: String,
    status: String,
    external_trace_id: Option<String>,
    transaction_type: Option<String>,
    net: MoneyV2,
}

pub(crate) fn payouts(
    _: &Shop,
    _: &OpCx<'_>,
    input: &In,
    response: &WireResponse,
) -> Result<Page<Result<Payout, Error>>, Error> {
    #[derive(Deserialize)]
    struct Account {
        payouts: Each,
    }
    let Some(account) = data::<Data<Account>>(response)?.account else { return Ok(Page::last(Vec::new())) };
    let next = account.payouts.next().map(Cursor);
    let within = |p: &Payout| (input.window.from..input.window.to).contains(&p.initiated_at.utc);
    let items = account.payouts.nodes.read("payout", "id", |p| Ok(Some(payout(p)?).filter(within)));
    Ok(Page { items: items.filter_map(Result::transpose).collect(), next })
}

fn payout(p: WirePayout) -> Result<Payout, Error> {
    let at = p.issued_at.parse().map_err(|e| Error::decode(format!("issuedAt: {e}")))?;
    let state = match p.status.as_str() {
        "PAID" => PayoutState::Paid,
        "FAILED" => PayoutState::Failed,
        "CANCELED" => PayoutState::Cancelled,
        "IN_TRANSIT" => PayoutState::InTransit,
        "SCHEDULED" => PayoutState::Scheduled,
        other => return Err(Error::decode(format!("unknown status {other}"))),
    };
    let amount = p.net.money()?;
    // A withdrawal takes money back from the bank; some answers show it positive.
    let amount = match p.transaction_type.as_deref() {
        Some("WITHDRAWAL") if amount.is_positive() => amount.negated(),
        _ => amount,
    };
    Ok(Payout {
        id: PayoutId::new(p.id).map_err(Error::decode)?,
        amount,
        state,
        raw_status: p.status,
        initiated_at: SourceTime::utc(at),
        arrival: None,
        converted: None,
        trace_id: p.external_trace_id,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTransaction {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    test: bool,
    transaction_date: String,
    source_type: Option<String>,
    amount: MoneyV2,
    fee: MoneyV2,
    net: MoneyV2,
    associated_order: Option<Ref>,
    associated_payout: Option<PayoutRef>,
}
#[derive(Deserialize)]
struct Ref {
    id: String,
}
#[derive(Deserialize)]
struct PayoutRef {
    id: Option<String>,
}

pub(crate) fn transactions(
    _: &Shop,
    _: &OpCx<'_>,
    input: &In,
    response: &WireResponse,
) -> Result<Page<Result<BalanceTransaction, Error>>, Error> {
    #[derive(Deserialize)]
    struct Account {
        #[serde(rename = "balanceTransactions")]
        transactions: Each,
    }
    let Some(account) = data::<Data<Account>>(response)?.account else { return Ok(Page::last(Vec::new())) };
    let next = account.transactions.next().map(Cursor);
    let within = |t: &BalanceTransaction| (input.window.from..input.window.to).contains(&t.occurred_at.utc);
    let read = |t: WireTransaction| match t.test {
        true => Ok(None),
        false => Ok(Some(transaction(t)?).filter(within)),
    };
    let items = account.transactions.nodes.read("balance transaction", "id", read);
    Ok(Page { items: items.filter_map(Result::transpose).collect(), next })
}

fn transaction(t: WireTransaction) -> Result<BalanceTransaction, Error> {
    let at = t.transaction_date.parse().map_err(|e| Error::decode(format!("transactionDate: {e}")))?;
    let (amount, fee, net) = (t.amount.money()?, t.fee.money()?, t.net.money()?);
    // net = amount − fee holds for every row in the documentation; a row that breaks it is not understood.
    if amount.try_sub(fee)? != net {
        return Err(Error::decode(format!("{amount} − {fee} is not {net}")));
    }
    Ok(BalanceTransaction {
        id: TransactionId::new(t.id).map_err(Error::decode)?,
        kind: t.kind,
        event_code: t.source_type,
        occurred_at: SourceTime::utc(at),
        amount,
        fee: Some(fee),
        net: Some(net),
        rate: None,
        order: t.associated_order.map(|o| OrderId::new(o.id)).transpose().map_err(Error::decode)?,
        refers_to: None,
        payout: t
            .associated_payout
            .and_then(|p| p.id)
            .map(PayoutId::new)
            .transpose()
            .map_err(Error::decode)?,
        statement: None,
        balance_affecting: true,
        components: Vec::new(),
    })
}
