//! Refunds of captures (Payments v2), safe to repeat by `PayPal-Request-Id`, which is kept 45 days.

use serde::{Deserialize, Serialize};
use tradewind_connector::signing::{Hash, digest, hex};
use tradewind_connector::{
    Error, Facet, Handle, Kind, OpCx, OpSpec, Operation, Priority, Safety, Submitted, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::RefundRequest;
use url::Url;

use crate::map::WireMoney;
use crate::transactions::plain_id;

/// The flow of a handle.
pub(crate) const FLOW: &str = "refund";

const REFUND: OpSpec = OpSpec {
    name: "refunds.create",
    facet: Facet::Refund,
    safety: Safety::Keyed { ttl: std::time::Duration::from_secs(45 * 24 * 3600) },
    priority: Priority::Orders,
    buckets: &["payments"],
    keep: true,
    doc: "https://developer.paypal.com/docs/api/payments/v2/#captures_refund",
};

pub(crate) static CREATE: OpSpec = REFUND;
static GET: OpSpec = OpSpec {
    name: "refunds.get",
    safety: Safety::Read,
    doc: "https://developer.paypal.com/docs/api/payments/v2/#refunds_get",
    ..REFUND
};

/// `GET /v2/payments/refunds/{id}`: what became of one that was pending.
pub(crate) struct Get {
    pub(crate) base: Url,
}

impl Operation for Get {
    type In = str;
    type Out = Submitted<()>;

    fn spec(&self) -> &OpSpec {
        &GET
    }
    fn encode(&self, _: &OpCx<'_>, id: &str) -> Result<WireRequest, Error> {
        WireRequest::new(http::Method::GET, &self.base, &format!("/v2/payments/refunds/{}", segment(id)))
    }
    fn decode(&self, _: &OpCx<'_>, id: &str, response: &WireResponse) -> Result<Submitted<()>, Error> {
        let answer: Answer = response.json()?;
        let status = answer.status.ok_or_else(|| Error::decode("the refund has no status"))?;
        state(id, id.to_owned(), Some(&status))
    }
}

/// `POST /v2/payments/captures/{id}/refund`.
pub(crate) struct Refund {
    pub(crate) base: Url,
}

#[derive(Serialize)]
struct Body<'a> {
    amount: WireMoney,
    custom_id: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    id: Option<String>,
    status: Option<String>,
}

impl Operation for Refund {
    type In = RefundRequest;
    type Out = Submitted<()>;

    fn spec(&self) -> &OpSpec {
        &CREATE
    }

    fn encode(&self, cx: &OpCx<'_>, refund: &RefundRequest) -> Result<WireRequest, Error> {
        if !refund.amount.is_positive() {
            return Err(Error::invalid(format!("refund {} must be of a positive amount", refund.id)));
        }
        let transaction = refund.transaction.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "refund {} names no payment: PayPal refunds a capture, give its transaction id",
                refund.id
            ))
        })?;
        let path = format!("/v2/payments/captures/{}/refund", segment(plain_id(transaction)));
        let custom_id = refund.id.as_str().get(..127).unwrap_or(refund.id.as_str());
        WireRequest::new(http::Method::POST, &self.base, &path)?
            // 1 to 108 characters: a digest of our key always fits.
            .header("paypal-request-id", &hex(&digest(Hash::Sha256, cx.key.as_bytes())))?
            .header("prefer", "return=minimal")?
            .json(&Body { amount: WireMoney::of(refund.amount)?, custom_id })
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        refund: &RefundRequest,
        response: &WireResponse,
    ) -> Result<Submitted<()>, Error> {
        let answer: Answer = response.json()?;
        let id = answer.id.ok_or_else(|| Error::decode("the refund has no id"))?;
        // `return=minimal` gives the status; should it be left out, the 201 stands for itself.
        state(refund.id.as_str(), id, answer.status.as_deref())
    }

    fn subject(&self, refund: &RefundRequest) -> String {
        refund.order.to_string()
    }
}

/// How a refund stands. `name`: what we call it; `id`: what PayPal does.
fn state(name: &str, id: String, status: Option<&str>) -> Result<Submitted<()>, Error> {
    match status {
        Some("COMPLETED") | None => Ok(Submitted::Done(())),
        Some("PENDING") => Ok(Submitted::Deferred(Handle {
            flow: FLOW.to_owned(),
            id,
            step: "PENDING".to_owned(),
            state: serde_json::Value::Null,
            not_before: None,
        })),
        Some(ended @ ("FAILED" | "CANCELLED")) => {
            Err(Error::new(Kind::Rejected, format!("refund {name} ended as {ended}")).after_send())
        }
        Some(other) => {
            let text = format!("refund {name} has the unknown status {other}");
            Err(Error::new(Kind::UnknownCode, text).after_send())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_domain::{CancelReason, Currency, Money};

    fn refund() -> RefundRequest {
        RefundRequest {
            id: "r-1".parse().unwrap(),
            order: "1001".parse().unwrap(),
            lines: Vec::new(),
            amount: Money::from_minor(1_999, Currency::new("EUR").unwrap()),
            reason: CancelReason::BuyerRequest,
            transaction: Some("8MC585209K746392H:T0006:EUR:CR:2026-03-02T10:00:00Z".parse().unwrap()),
        }
    }

    #[test]
    fn a_refund_carries_its_key_and_plain_capture_id() {
        let op = Refund { base: Url::parse("https://api-m.paypal.com").unwrap() };
        let account = "paypal".parse().unwrap();
        let cx = OpCx { account: &account, now: jiff::Timestamp::UNIX_EPOCH, nonce: "n", key: "refund/r-1" };
        let request = op.encode(&cx, &refund()).unwrap();
        assert_eq!(request.url.path(), "/v2/payments/captures/8MC585209K746392H/refund");
        assert_eq!(request.headers["paypal-request-id"].len(), 64);
        assert_eq!(
            &request.body_bytes().unwrap().1[..],
            br#"{"amount":{"currency_code":"EUR","value":"19.99"},"custom_id":"r-1"}"#
        );
        let done = |text: &str| op.decode(&cx, &refund(), &WireResponse::json_text(201, text));
        assert!(matches!(done(r#"{"id":"1","status":"COMPLETED"}"#), Ok(Submitted::Done(()))));
        assert!(matches!(done(r#"{"id":"1","status":"PENDING"}"#), Ok(Submitted::Deferred(_))));
        assert_eq!(done(r#"{"id":"1","status":"FAILED"}"#).unwrap_err().kind(), Kind::Rejected);
        assert_eq!(done(r#"{"id":"1","status":"NEW"}"#).unwrap_err().kind(), Kind::UnknownCode);
        let nameless = RefundRequest { transaction: None, ..refund() };
        assert_eq!(op.encode(&cx, &nameless).unwrap_err().kind(), Kind::InvalidRequest);
    }
}
