//! Payment disputes (Fulfillment API): a list by the day on which they were opened; how a closed one ended is told with its
//! details alone.

use async_trait::async_trait;
use http::Method;
use jiff::SignedDuration;
use tradewind_connector::role::Disputes;
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, Kind, OpCx, OpSpec, Operation, Page, Priority, Safety, Window, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{Dispute, DisputeState, OrderId, SourceTime, TransactionId};

use crate::Ebay;
use crate::config::Site;
use crate::orders::{Get, millis};
use crate::spans::{Place, Span};
use crate::wire::cases as w;

static LIST: OpSpec = OpSpec {
    name: "disputes.list",
    facet: Facet::Disputes,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["fulfillment"],
    keep: true,
    doc: "https://developer.ebay.com/api-docs/sell/fulfillment/resources/payment_dispute/methods/getPaymentDisputeSummaries",
};
static DETAIL: OpSpec = OpSpec { name: "disputes.get", ..LIST };

/// Rows of a page: the most that eBay gives.
const ROWS: u32 = 200;
/// Card schemes end a case within half a year.
const LIFE: SignedDuration = SignedDuration::from_hours(180 * 24);

fn request(site: &Site, path: &str) -> Result<WireRequest, Error> {
    // Disputes live at `apiz`, as Finances do.
    WireRequest::new(Method::GET, &site.finances, &format!("/sell/fulfillment/v1{path}"))
}

struct List<'a>(&'a Site);

impl Operation for List<'_> {
    type In = Span;
    /// Disputes, and where the next page begins.
    type Out = (Vec<Result<w::Dispute, Error>>, Option<u32>);

    fn spec(&self) -> &OpSpec {
        &LIST
    }

    fn encode(&self, _: &OpCx<'_>, span: &Span) -> Result<WireRequest, Error> {
        Ok(request(self.0, "/payment_dispute_summary")?
            .query("open_date_from", millis(span.from))
            .query("open_date_to", millis(span.to))
            .query("limit", ROWS.to_string())
            .query("offset", span.offset.to_string()))
    }

    fn decode(&self, _: &OpCx<'_>, span: &Span, response: &WireResponse) -> Result<Self::Out, Error> {
        let page: w::Disputes = response.json()?;
        let end = span.offset.saturating_add(ROWS);
        let more = page.next.is_some() && page.total.is_none_or(|t| end < t);
        let found = page.payment_dispute_summaries.read("dispute", "paymentDisputeId", Ok).collect();
        Ok((found, more.then_some(end)))
    }
}

struct Detail<'a>(&'a Site);

impl Operation for Detail<'_> {
    type In = String;
    type Out = w::Dispute;

    fn spec(&self) -> &OpSpec {
        &DETAIL
    }

    fn encode(&self, _: &OpCx<'_>, id: &String) -> Result<WireRequest, Error> {
        request(self.0, &format!("/payment_dispute/{}", segment(id)))
    }

    fn decode(&self, _: &OpCx<'_>, _: &String, response: &WireResponse) -> Result<w::Dispute, Error> {
        response.json()
    }
}

fn read(d: &w::Dispute, transaction: Option<TransactionId>) -> Result<Dispute, Error> {
    let outcome = d.resolution.as_ref().and_then(|r| r.reason_for_closure.as_deref());
    let protection = d.resolution.as_ref().and_then(|r| r.protection_status.as_deref());
    let state = match (d.payment_dispute_status.as_str(), outcome) {
        ("ACTION_NEEDED", _) => DisputeState::NeedsResponse,
        ("CLOSED", Some("SELLER_WON")) => DisputeState::Won,
        ("CLOSED", Some("SELLER_LOST")) => match protection {
            // Lost to the buyer, and eBay pays him: the money stays.
            Some("FULLY_PROTECTED") => DisputeState::Won,
            None | Some("NOT_PROTECTED" | "PARTIALLY_PROTECTED") => DisputeState::Lost,
            // MANUAL_REVIEW: who pays is not decided. Nor is it by a word that no document names.
            Some(_) => DisputeState::UnderReview,
        },
        ("CLOSED", Some("SELLER_ACCEPT")) => DisputeState::Accepted,
        // OPEN asks nothing of the seller now. A word that no document names is not decided, as far as we understand;
        // `raw_status` keeps it.
        _ => DisputeState::UnderReview,
    };
    let words: Vec<&str> =
        [Some(d.payment_dispute_status.as_str()), outcome, protection].into_iter().flatten().collect();
    Ok(Dispute {
        id: d.payment_dispute_id.clone(),
        transaction,
        amount: d.amount.money()?,
        state,
        raw_status: words.join("/"),
        opened_at: SourceTime::utc(d.open_date),
        respond_by: d.respond_by_date,
    })
}

impl Ebay {
    /// The payment of a dispute's order, under the name that the order gives it: eBay itself names the order alone.
    async fn disputed(&self, cx: &CallCx, order: Option<&str>) -> Result<Option<TransactionId>, Error> {
        let Some(order) = order else { return Ok(None) };
        let order = match self.pipeline.call(&Get(&self.site), &OrderId::new(order)?, cx).await {
            Ok(order) => order,
            // eBay keeps disputes longer than orders.
            Err(e) if e.kind() == Kind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let payments = order.payment_summary.map(|p| p.payments).unwrap_or_default();
        let reference =
            payments.into_iter().filter(|p| p.payment_status == "PAID").find_map(|p| p.payment_reference_id);
        Ok(reference.map(TransactionId::new).transpose()?)
    }
}

impl Ebay {
    async fn dispute(&self, cx: &CallCx, summary: w::Dispute) -> Result<Dispute, Error> {
        let dispute = if summary.payment_dispute_status == "CLOSED" {
            self.pipeline.call(&Detail(&self.site), &summary.payment_dispute_id, cx).await?
        } else {
            summary
        };
        let payment = self.disputed(cx, dispute.order_id.as_deref()).await?;
        read(&dispute, payment)
    }
}

#[async_trait]
impl Disputes for Ebay {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Dispute, Error>>, Error> {
        let now = self.pipeline.now();
        let Some(span) = Place::of(cursor, &window, LIFE, now)?.span(&window, now) else {
            return Ok(Page::last(Vec::new()));
        };
        let (found, more) = self.pipeline.call(&List(&self.site), &span, cx).await?;
        let read = |summary: w::Dispute| async move {
            let id = summary.payment_dispute_id.clone();
            self.dispute(cx, summary).await.map_err(|e| e.about(&format!("dispute {id}")))
        };
        Page { items: found, next: Place::after(&span, more, &window, now)? }.complete(read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_word_has_its_state() {
        // DisputeStateEnum, OutcomeEnum and ProtectionStatusEnum of the Fulfillment API.
        let of = |status: &str, outcome: &str, protection: &str| {
            let mut resolution = serde_json::Map::new();
            for (name, word) in [("reasonForClosure", outcome), ("protectionStatus", protection)] {
                if !word.is_empty() {
                    resolution.insert(name.to_owned(), word.into());
                }
            }
            let mut dispute = serde_json::json!({
                "paymentDisputeId": "5000000001", "orderId": "01-1", "openDate": "2026-07-01T10:00:00.000Z",
                "amount": {"value": "35.00", "currency": "EUR"}, "paymentDisputeStatus": status,
            });
            if !resolution.is_empty() {
                dispute["resolution"] = resolution.into();
            }
            let d = read(&serde_json::from_str(&dispute.to_string()).unwrap(), None).unwrap();
            assert_eq!(d.amount.minor(), 3_500);
            (d.state, d.raw_status)
        };
        use DisputeState::{Accepted, Lost, NeedsResponse, UnderReview, Won};
        for (status, outcome, protection, state, raw) in [
            ("OPEN", "", "", UnderReview, "OPEN"),
            ("ACTION_NEEDED", "", "", NeedsResponse, "ACTION_NEEDED"),
            ("CLOSED", "SELLER_WON", "", Won, "CLOSED/SELLER_WON"),
            ("CLOSED", "SELLER_LOST", "", Lost, "CLOSED/SELLER_LOST"),
            ("CLOSED", "SELLER_LOST", "NOT_PROTECTED", Lost, "CLOSED/SELLER_LOST/NOT_PROTECTED"),
            ("CLOSED", "SELLER_LOST", "PARTIALLY_PROTECTED", Lost, "CLOSED/SELLER_LOST/PARTIALLY_PROTECTED"),
            ("CLOSED", "SELLER_LOST", "FULLY_PROTECTED", Won, "CLOSED/SELLER_LOST/FULLY_PROTECTED"),
            ("CLOSED", "SELLER_LOST", "MANUAL_REVIEW", UnderReview, "CLOSED/SELLER_LOST/MANUAL_REVIEW"),
            ("CLOSED", "SELLER_LOST", "BEAMED_UP", UnderReview, "CLOSED/SELLER_LOST/BEAMED_UP"),
            ("CLOSED", "SELLER_ACCEPT", "", Accepted, "CLOSED/SELLER_ACCEPT"),
            ("CLOSED", "BEAMED_UP", "", UnderReview, "CLOSED/BEAMED_UP"),
            ("CLOSED", "", "", UnderReview, "CLOSED"),
            ("BEAMED_UP", "", "", UnderReview, "BEAMED_UP"),
        ] {
            assert_eq!(of(status, outcome, protection), (state, raw.to_owned()));
        }
    }
}
