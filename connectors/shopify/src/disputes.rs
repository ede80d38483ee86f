//! Disputes of Shopify Payments.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::{Cursor, Error, Facet, OpCx, OpSpec, Page, Priority, Safety, Window, WireResponse};
use tradewind_domain::{Dispute, DisputeState, SourceTime, TransactionId};

use crate::config::Shop;
use crate::gql::{Each, data};
use crate::orders::MoneyV2;

pub(crate) static DISPUTES: OpSpec = OpSpec {
    name: "disputes.list",
    facet: Facet::Disputes,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/disputes",
};
/// The payments of an order are a plain list: `first` would cut it, and nothing would tell.
pub(crate) const DISPUTES_TEXT: &str = "query Disputes($c: String, $q: String) { disputes(first: 20, after: $c, query: $q) { pageInfo { hasNextPage endCursor } \
nodes { id status type initiatedAt evidenceDueBy amount { amount currencyCode } order { id transactions { id kind status } } } } }";

/// Disputes can be searched by when they began, not by when they changed: each look goes back as far as one may
/// still change. Card schemes end a case within half a year.
const LIFE: SignedDuration = SignedDuration::from_hours(180 * 24);

/// One page of a window.
#[derive(Debug)]
pub(crate) struct In {
    pub(crate) window: Window,
    pub(crate) after: Option<String>,
}

pub(crate) fn variables(_: &Shop, _: &OpCx<'_>, input: &In) -> Result<Value, Error> {
    let from = input.window.from.checked_sub(LIFE).unwrap_or(Timestamp::UNIX_EPOCH);
    let query = format!("initiated_at:>='{from}' AND initiated_at:<'{}'", input.window.to);
    Ok(json!({"c": input.after, "q": query}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDispute {
    id: String,
    status: String,
    #[serde(rename = "type")]
    kind: String,
    initiated_at: String,
    evidence_due_by: Option<String>,
    amount: MoneyV2,
    order: Option<WireOrder>,
}

#[derive(Deserialize)]
struct WireOrder {
    #[serde(default)]
    transactions: Vec<Paid>,
}

#[derive(Deserialize)]
struct Paid {
    id: String,
    kind: String,
    status: String,
}

pub(crate) fn read(
    _: &Shop,
    _: &OpCx<'_>,
    _: &In,
    response: &WireResponse,
) -> Result<Page<Result<Dispute, Error>>, Error> {
    #[derive(Deserialize)]
    struct Data {
        disputes: Each,
    }
    let disputes = data::<Data>(response)?.disputes;
    let next = disputes.next().map(Cursor);
    Ok(Page { items: disputes.nodes.read("dispute", "id", one).collect(), next })
}

fn one(d: WireDispute) -> Result<Dispute, Error> {
    let state = match d.status.as_str() {
        "NEEDS_RESPONSE" => DisputeState::NeedsResponse,
        "UNDER_REVIEW" => DisputeState::UnderReview,
        // Prevented: settled before it became a chargeback.
        "WON" | "PREVENTED" => DisputeState::Won,
        "LOST" | "CHARGE_REFUNDED" => DisputeState::Lost,
        "ACCEPTED" => DisputeState::Accepted,
        // A word that the schema does not have: not decided, as far as we understand; `raw_status` keeps it.
        _ => DisputeState::UnderReview,
    };
    // The schema allows a dispute without order (a charge of another shop on the same account, an order that was
    // deleted). It is a dispute all the same, and has a date by which to answer.
    let paid = d.order.into_iter().flat_map(|o| o.transactions);
    let paid = paid
        .into_iter()
        .find(|t| matches!(t.kind.as_str(), "SALE" | "CAPTURE") && t.status == "SUCCESS")
        .map(|t| TransactionId::new(t.id).map_err(Error::decode))
        .transpose()?;
    let time = |name: &str, text: &str| {
        text.parse::<Timestamp>().map_err(|e| Error::decode(format!("{name} '{text}': {e}")))
    };
    Ok(Dispute {
        transaction: paid,
        amount: d.amount.money()?,
        state,
        raw_status: format!("{}/{}", d.kind, d.status),
        opened_at: SourceTime::utc(time("initiatedAt", &d.initiated_at)?),
        respond_by: d.evidence_due_by.as_deref().map(|t| time("evidenceDueBy", t)).transpose()?,
        id: d.id,
    })
}
