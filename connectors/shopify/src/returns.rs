//! Returns: those of the orders that changed in the window. A return has no time of change of its own to search by,
//! but every step of one touches its order.

use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::{Cursor, Error, Facet, OpCx, OpSpec, Page, Priority, Safety, Window, WireResponse};
use tradewind_domain::{LineQuantity, Money, OrderId, Return, ReturnState, SourceTime};

use crate::config::Shop;
use crate::gql::{Connection, Each, data};
use crate::orders::MoneyV2;

pub(crate) static RETURNS: OpSpec = OpSpec {
    name: "returns.list",
    facet: Facet::Returns,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/objects/Return",
};
/// Five orders with ten returns of twenty lines stay below the 1,000 points that one query may cost.
pub(crate) const RETURNS_TEXT: &str = "query Returns($c: String, $q: String!) { orders(first: 5, after: $c, sortKey: UPDATED_AT, query: $q) { pageInfo { hasNextPage endCursor } nodes { id \
returns(first: 10) { pageInfo { hasNextPage endCursor } nodes { id status createdAt \
refunds(first: 5) { pageInfo { hasNextPage endCursor } nodes { totalRefundedSet { shopMoney { amount currencyCode } } } } \
returnLineItems(first: 20) { pageInfo { hasNextPage endCursor } nodes { quantity refundedQuantity ... on ReturnLineItem { fulfillmentLineItem { lineItem { id } } } } } } } } } }";

/// One page of a window.
#[derive(Debug)]
pub(crate) struct In {
    pub(crate) window: Window,
    pub(crate) after: Option<String>,
}

pub(crate) fn variables(_: &Shop, _: &OpCx<'_>, input: &In) -> Result<Value, Error> {
    let query = format!("updated_at:>='{}' AND updated_at:<'{}'", input.window.from, input.window.to);
    Ok(json!({"c": input.after, "q": query}))
}

#[derive(Deserialize)]
struct WireOrder {
    id: String,
    returns: Each,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireReturn {
    id: String,
    status: String,
    created_at: String,
    refunds: Connection<WireRefund>,
    return_line_items: Connection<WireLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRefund {
    total_refunded_set: Refunded,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refunded {
    shop_money: MoneyV2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLine {
    quantity: u32,
    refunded_quantity: u32,
    /// Absent for goods that were never a line of the order.
    fulfillment_line_item: Option<Fulfilled>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fulfilled {
    line_item: Ref,
}

#[derive(Deserialize)]
struct Ref {
    id: String,
}

pub(crate) fn read(
    _: &Shop,
    _: &OpCx<'_>,
    _: &In,
    response: &WireResponse,
) -> Result<Page<Result<Return, Error>>, Error> {
    #[derive(Deserialize)]
    struct Data {
        orders: Each,
    }
    let orders = data::<Data>(response)?.orders;
    let next = orders.next().map(Cursor);
    let mut items = Vec::new();
    for order in orders.nodes.read("returns of the order", "id", whole) {
        match order {
            Ok(WireOrder { id, returns }) => {
                items.extend(returns.nodes.read("return", "id", |r| one(&id, r)));
            }
            Err(e) => items.push(Err(e)),
        }
    }
    Ok(Page { items, next })
}

fn whole(order: WireOrder) -> Result<WireOrder, Error> {
    match order.returns.next() {
        None => Ok(order),
        Some(_) => Err(Error::decode("more returns than one page holds")),
    }
}

fn one(order: &str, r: WireReturn) -> Result<Return, Error> {
    if r.return_line_items.next().is_some() {
        return Err(Error::decode("more lines than one page holds"));
    }
    // A sum of the first five would be a wrong amount.
    if r.refunds.next().is_some() {
        return Err(Error::decode("more refunds than one page holds"));
    }
    let mut amount: Option<Money> = None;
    for refund in &r.refunds.nodes {
        let part = refund.total_refunded_set.shop_money.money()?;
        amount = Some(amount.map_or(Ok(part), |sum| sum.try_add(part))?);
    }
    let lines = &r.return_line_items.nodes;
    let refunded = !lines.is_empty() && lines.iter().all(|l| l.refunded_quantity >= l.quantity);
    let state = match r.status.as_str() {
        "REQUESTED" => ReturnState::Requested,
        "OPEN" if refunded => ReturnState::Refunded,
        "OPEN" => ReturnState::Approved,
        "DECLINED" => ReturnState::Declined,
        "CLOSED" | "CANCELED" => ReturnState::Closed,
        // A word that the schema does not have: not decided, as far as we understand; `raw_status` keeps it.
        _ => ReturnState::Requested,
    };
    let opened = r.created_at.parse().map_err(|e| Error::decode(format!("createdAt: {e}")))?;
    Ok(Return {
        id: r.id.try_into().map_err(Error::decode)?,
        order: OrderId::new(order).map_err(Error::decode)?,
        state,
        raw_status: r.status,
        lines: r
            .return_line_items
            .nodes
            .into_iter()
            .filter_map(|l| l.fulfillment_line_item.map(|f| (f.line_item.id, l.quantity)))
            .map(|(line, quantity)| {
                Ok(LineQuantity { line: line.try_into().map_err(Error::decode)?, quantity })
            })
            .collect::<Result<_, Error>>()?,
        skus: Vec::new(),
        amount,
        opened_at: SourceTime::utc(opened),
    })
}
