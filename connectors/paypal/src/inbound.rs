//! Webhooks: RSA over `transmission id|time|webhook id|crc32 of the body`, then a hint by event type.

use serde::Deserialize;
use tradewind_connector::signing::keys::{Scheme, verify};
use tradewind_connector::signing::{Hash, digest, from_base64, hex};
use tradewind_connector::{Error, Hint, Inbound, InboundRequest, Kind};
use tradewind_domain::{PayoutId, TransactionId};

use crate::config::Webhook;

/// A transmission older than this is refused; PayPal repeats one for up to three days with its first time.
const STALE: jiff::SignedDuration = jiff::SignedDuration::from_hours(4 * 24);

#[derive(Deserialize)]
struct Event {
    event_type: String,
    resource: Option<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    id: Option<String>,
    payout_batch_id: Option<String>,
    dispute_id: Option<String>,
    #[serde(default)]
    disputed_transactions: Vec<Disputed>,
}

#[derive(Deserialize)]
struct Disputed {
    seller_transaction_id: Option<String>,
}

impl Inbound for Webhook {
    fn verify(&self, request: &InboundRequest) -> Result<Vec<Hint>, Error> {
        let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let refused = |why: &str| Error::new(Kind::Unauthenticated, format!("webhook refused: {why}"));
        if header("paypal-auth-algo") != "SHA256withRSA" {
            return Err(refused("the signature algorithm is not SHA256withRSA"));
        }
        // Only certificates that were configured: an address in a header is the sender's word.
        let key = self
            .keys
            .get(header("paypal-cert-url"))
            .ok_or_else(|| refused("its certificate is not known: add its public key to webhook_keys"))?;
        let (id, time) = (header("paypal-transmission-id"), header("paypal-transmission-time"));
        let sent: jiff::Timestamp =
            time.parse().map_err(|_| refused("its transmission time is unreadable"))?;
        if request.received_at.duration_since(sent) > STALE {
            return Err(refused("it is too old"));
        }
        let mut crc = flate2::Crc::new();
        crc.update(&request.body);
        let message = format!("{id}|{time}|{}|{}", self.id, crc.sum());
        let signature = from_base64(header("paypal-transmission-sig"))
            .map_err(|_| refused("its signature is not base64"))?;
        if !verify(Scheme::RsaPkcs1Sha256, key, message.as_bytes(), &signature) {
            return Err(refused("the signature does not fit the body"));
        }
        let event: Event =
            serde_json::from_slice(&request.body).map_err(|e| Error::decode(format!("webhook: {e}")))?;
        hints(event)
    }

    /// The transmission, which is signed, and the body, of which only a CRC is: whoever saw one transmission can make
    /// another body that fits it, and must not have said with it that the true one came already.
    fn delivery(&self, request: &InboundRequest) -> Option<String> {
        let id = request.headers.get("paypal-transmission-id")?.to_str().ok()?;
        Some(format!("{id} {}", hex(&digest(Hash::Sha256, &request.body))))
    }
}

fn hints(event: Event) -> Result<Vec<Hint>, Error> {
    let kind = event.event_type;
    let resource = event.resource;
    let transaction = |id: Option<String>| match id {
        Some(id) => Ok(vec![Hint::Transaction(TransactionId::new(id).map_err(Error::decode)?)]),
        None => Err(Error::decode(format!("webhook {kind} names no resource"))),
    };
    if kind.starts_with("PAYMENT.CAPTURE.") {
        return transaction(resource.and_then(|r| r.id));
    }
    if kind.starts_with("CUSTOMER.DISPUTE.") {
        // The case, and the money that it holds back.
        let case = resource.as_ref().and_then(|r| r.dispute_id.clone());
        let paid =
            resource.and_then(|r| r.disputed_transactions.into_iter().find_map(|t| t.seller_transaction_id));
        let mut hints: Vec<Hint> = case.map(Hint::Dispute).into_iter().collect();
        if hints.is_empty() || paid.is_some() {
            hints.extend(transaction(paid)?);
        }
        return Ok(hints);
    }
    if kind.starts_with("PAYMENT.PAYOUTS")
        && let Some(id) = resource.and_then(|r| r.payout_batch_id.or(r.id))
    {
        return Ok(vec![Hint::Payout(PayoutId::new(id).map_err(Error::decode)?)]);
    }
    Ok(vec![Hint::Unknown(kind)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;
    use tradewind_connector::signing::keys::der;

    /// The signing vectors live beside the project; without them this check is skipped, and says so.
    fn vector() -> Option<(Value, Vec<u8>)> {
        let text = |name: &str| tradewind_material::sample(&format!("signing-vectors/{name}"));
        let all: Value = serde_json::from_str(&text("vectors.json")?).unwrap();
        let pem = text("test-rsa2048-public.pem")?;
        Some((find(&all).unwrap().clone(), der(&pem).unwrap()))
    }

    fn find(value: &Value) -> Option<&Value> {
        match value {
            Value::Object(map) => map.get("paypal_webhook").or_else(|| map.values().find_map(find)),
            Value::Array(list) => list.iter().find_map(find),
            _ => None,
        }
    }

    /// Names as in the details of a dispute (`v1/customer/disputes`), which is the event's resource.
    #[test]
    fn a_dispute_is_a_case_and_money() {
        let of = |resource: &str| {
            let event = format!(r#"{{"event_type":"CUSTOMER.DISPUTE.CREATED","resource":{resource}}}"#);
            hints(serde_json::from_str(&event).unwrap())
        };
        let case = Hint::Dispute("PP-000-1".to_owned());
        let both = r#"{"dispute_id":"PP-000-1","disputed_transactions":[{"seller_transaction_id":"8MC585209K746392H"}]}"#;
        let paid = Hint::Transaction("8MC585209K746392H".parse().unwrap());
        assert_eq!(of(both).unwrap(), [case.clone(), paid]);
        assert_eq!(of(r#"{"dispute_id":"PP-000-1"}"#).unwrap(), [case]);
        assert!(of("{}").is_err());
    }

    #[test]
    fn the_worked_vector_verifies_and_any_change_is_refused() {
        let Some((v, key)) = vector() else { return };
        let text = |name: &str| v[name].as_str().unwrap().to_owned();
        let cert = "https://api.paypal.com/v1/notifications/certs/CERT-1";
        let hook = Webhook { id: text("webhook_id"), keys: BTreeMap::from([(cert.to_owned(), key)]) };
        let request = |body: String, cert: &str, at: &str| {
            let mut headers = http::HeaderMap::new();
            for (name, value) in [
                ("paypal-auth-algo", "SHA256withRSA".to_owned()),
                ("paypal-cert-url", cert.to_owned()),
                ("paypal-transmission-id", text("transmission_id")),
                ("paypal-transmission-time", text("transmission_time")),
                ("paypal-transmission-sig", text("signature_with_test_key")),
            ] {
                headers.insert(name, value.parse().unwrap());
            }
            InboundRequest {
                url: String::new(),
                headers,
                body: body.into(),
                received_at: at.parse().unwrap(),
            }
        };
        let soon = "2026-01-06T12:00:05Z";
        let hints = hook.verify(&request(text("body"), cert, soon)).unwrap();
        assert_eq!(hints, vec![Hint::Transaction("8MC585209K746392H".parse().unwrap())]);
        let (again, other) = (request(text("body"), cert, soon), request("{}".to_owned(), cert, soon));
        assert_eq!(hook.delivery(&again), hook.delivery(&request(text("body"), cert, soon)));
        assert_ne!(hook.delivery(&again), hook.delivery(&other));
        for bad in [
            request(text("body").replace("115.00", "915.00"), cert, soon),
            request(text("body"), "https://evil.example/cert", soon),
            request(text("body"), cert, "2026-02-06T12:00:05Z"),
        ] {
            assert_eq!(hook.verify(&bad).unwrap_err().kind(), Kind::Unauthenticated);
        }
    }
}
