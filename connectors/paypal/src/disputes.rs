//! Disputes: a list by time of update, then the details that the list leaves out.

use serde::Deserialize;
use tradewind_connector::{
    Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Records, Safety, Window, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{Dispute, DisputeState, TransactionId};
use url::Url;

use crate::map::{WireMoney, time};

static LIST: OpSpec = OpSpec {
    name: "disputes.list",
    facet: Facet::Disputes,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["payments"],
    keep: true,
    doc: "https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_list",
};
static GET: OpSpec = OpSpec {
    name: "disputes.get",
    doc: "https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_get",
    ..LIST
};

/// `GET /v1/customer/disputes`: ids of disputes changed in a window.
pub(crate) struct List {
    pub(crate) base: Url,
}

/// A window and where to go on in it.
#[derive(Debug)]
pub(crate) struct ListIn {
    pub(crate) window: Window,
    pub(crate) token: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    items: Records,
    #[serde(default)]
    links: Vec<Link>,
}
#[derive(Deserialize)]
struct Item {
    dispute_id: String,
}
#[derive(Deserialize)]
struct Link {
    href: String,
    rel: String,
}

impl Operation for List {
    type In = ListIn;
    type Out = Page<Result<String, Error>>;

    fn spec(&self) -> &OpSpec {
        &LIST
    }
    fn encode(&self, _: &OpCx<'_>, input: &ListIn) -> Result<WireRequest, Error> {
        // Milliseconds are part of the format here.
        let stamp = |t: jiff::Timestamp| t.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        Ok(WireRequest::new(http::Method::GET, &self.base, "/v1/customer/disputes")?
            .query("update_time_after", stamp(input.window.from))
            .query("update_time_before", stamp(input.window.to))
            .query("page_size", "50")
            .query_opt("next_page_token", input.token.as_deref()))
    }
    fn decode(&self, _: &OpCx<'_>, _: &ListIn, response: &WireResponse) -> Result<Self::Out, Error> {
        let answer: Answer = response.json()?;
        let next = answer.links.iter().find(|l| l.rel == "next").map(|l| token(&l.href)).transpose()?;
        let items = answer.items.read("dispute", "dispute_id", |i: Item| Ok(i.dispute_id)).collect();
        Ok(Page { items, next })
    }
}

/// The page token of a `next` link; the link's host is not followed.
fn token(href: &str) -> Result<Cursor, Error> {
    let url = Url::parse(href).map_err(|e| Error::decode(format!("next link '{href}': {e}")))?;
    let found = url.query_pairs().find(|(k, _)| k == "next_page_token").map(|(_, v)| v.into_owned());
    found.map(Cursor).ok_or_else(|| Error::decode("the next link carries no next_page_token"))
}

/// `GET /v1/customer/disputes/{id}`.
pub(crate) struct Get {
    pub(crate) base: Url,
}

#[derive(Deserialize)]
struct Detail {
    dispute_id: String,
    create_time: String,
    status: String,
    dispute_amount: Option<WireMoney>,
    #[serde(default)]
    disputed_transactions: Vec<Disputed>,
    seller_response_due_date: Option<String>,
    dispute_outcome: Option<Outcome>,
}
#[derive(Deserialize)]
struct Disputed {
    seller_transaction_id: Option<String>,
    gross_amount: Option<WireMoney>,
}
#[derive(Deserialize)]
struct Outcome {
    outcome_code: Option<String>,
}

impl Operation for Get {
    type In = str;
    type Out = Dispute;

    fn spec(&self) -> &OpSpec {
        &GET
    }
    fn encode(&self, _: &OpCx<'_>, id: &str) -> Result<WireRequest, Error> {
        WireRequest::new(http::Method::GET, &self.base, &format!("/v1/customer/disputes/{}", segment(id)))
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Dispute, Error> {
        let d: Detail = response.json()?;
        let first = d.disputed_transactions.first();
        // A dispute that names no transaction still has a date by which to answer.
        let transaction = first
            .and_then(|t| t.seller_transaction_id.clone())
            .map(|t| TransactionId::new(t).map_err(Error::decode))
            .transpose()?;
        let amount = d
            .dispute_amount
            .as_ref()
            .or_else(|| first.and_then(|t| t.gross_amount.as_ref()))
            .ok_or_else(|| Error::decode(format!("dispute {} names no amount", d.dispute_id)))?;
        let outcome = d.dispute_outcome.and_then(|o| o.outcome_code);
        let raw_status = match &outcome {
            Some(outcome) => format!("{}/{outcome}", d.status),
            None => d.status.clone(),
        };
        Ok(Dispute {
            transaction,
            amount: amount.money()?,
            state: state(&d.status, outcome.as_deref()),
            raw_status,
            opened_at: time(&d.create_time)?,
            respond_by: d.seller_response_due_date.as_deref().map(time).transpose()?.map(|t| t.utc),
            id: d.dispute_id,
        })
    }
}

fn state(status: &str, outcome: Option<&str>) -> DisputeState {
    match (status, outcome) {
        ("WAITING_FOR_SELLER_RESPONSE" | "OPEN", _) => DisputeState::NeedsResponse,
        ("UNDER_REVIEW" | "WAITING_FOR_BUYER_RESPONSE" | "OTHER", _) => DisputeState::UnderReview,
        ("RESOLVED", Some("RESOLVED_BUYER_FAVOUR" | "RESOLVED_WITH_PAYOUT")) => DisputeState::Lost,
        ("RESOLVED", Some("RESOLVED_SELLER_FAVOUR" | "CANCELED_BY_BUYER" | "DENIED")) => DisputeState::Won,
        ("RESOLVED", Some("ACCEPTED")) => DisputeState::Accepted,
        // An ending that no document names: not decided, as far as we understand; the words stand in `raw_status`.
        _ => DisputeState::UnderReview,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_a_token_and_details_fold() {
        assert_eq!(
            token("https://api-m.paypal.com/v1/customer/disputes?page_size=50&next_page_token=a%2Bb")
                .unwrap()
                .0,
            "a+b"
        );
        assert!(token("https://api-m.paypal.com/v1/customer/disputes").is_err());
        let op = Get { base: Url::parse("https://api-m.paypal.com").unwrap() };
        let account = "paypal".parse().unwrap();
        let cx = OpCx { account: &account, now: jiff::Timestamp::UNIX_EPOCH, nonce: "", key: "" };
        let body = r#"{"dispute_id":"PP-000-1","create_time":"2026-03-04T10:00:00.000Z","status":"WAITING_FOR_SELLER_RESPONSE",
            "dispute_amount":{"currency_code":"EUR","value":"20.00"},"disputed_transactions":[{"seller_transaction_id":"5TY"}],
            "seller_response_due_date":"2026-03-14T10:00:00.000Z"}"#;
        let dispute = op.decode(&cx, "PP-000-1", &WireResponse::json_text(200, body)).unwrap();
        assert_eq!(
            (dispute.state, dispute.amount.minor(), dispute.transaction.unwrap().as_str()),
            (DisputeState::NeedsResponse, 2_000, "5TY")
        );
        assert_eq!(state("RESOLVED", Some("RESOLVED_BUYER_FAVOUR")), DisputeState::Lost);
        assert_eq!(state("RESOLVED", None), DisputeState::UnderReview);
    }
}
