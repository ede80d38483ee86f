//! Notifications: ECDSA over the raw body, with the key that the header names. Keys are configured, never fetched on a
//! sender's word.

use std::collections::BTreeMap;

use serde::Deserialize;
use tradewind_connector::signing::keys::{Scheme, verify};
use tradewind_connector::signing::{Hash, digest, from_base64, hex};
use tradewind_connector::{
    ChallengeAnswer, Error, ExposeSecret, Hint, Inbound, InboundRequest, Kind, SecretString,
};
use tradewind_domain::OrderId;

/// What notifications are verified with: public keys as DER, by key id.
pub(crate) struct Hooks {
    pub(crate) keys: BTreeMap<String, Vec<u8>>,
    /// Chosen for the destination; proves to eBay that the address is ours.
    pub(crate) token: Option<SecretString>,
}

/// Content of `x-ebay-signature`, base64.
#[derive(Deserialize)]
struct Header {
    kid: String,
    signature: String,
    digest: String,
}

#[derive(Deserialize)]
struct Message {
    metadata: Metadata,
    notification: Option<Notification>,
}

#[derive(Deserialize)]
struct Metadata {
    topic: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    notification_id: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    order: Option<OrderData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderData {
    #[serde(default)]
    order_id: Option<String>,
}

impl Inbound for Hooks {
    fn verify(&self, request: &InboundRequest) -> Result<Vec<Hint>, Error> {
        let refused = |why: &str| Error::new(Kind::Unauthenticated, format!("notification refused: {why}"));
        let header = request.headers.get("x-ebay-signature").and_then(|v| v.to_str().ok());
        let header = from_base64(header.ok_or_else(|| refused("no x-ebay-signature header"))?)
            .map_err(|_| refused("its signature header is not base64"))?;
        let header: Header =
            serde_json::from_slice(&header).map_err(|_| refused("its signature header is not understood"))?;
        let key = self.keys.get(&header.kid).ok_or_else(|| {
            refused(&format!("its key '{}' is not known: add it to notification_keys", header.kid))
        })?;
        let scheme = match header.digest.as_str() {
            "SHA1" => Scheme::EcdsaP256Sha1,
            "SHA256" => Scheme::EcdsaP256Sha256,
            _ => return Err(refused("its digest is neither SHA1 nor SHA256")),
        };
        let signature = from_base64(&header.signature).map_err(|_| refused("its signature is not base64"))?;
        if !verify(scheme, key, &request.body, &signature) {
            return Err(refused("the signature does not fit the body"));
        }
        let message: Message =
            serde_json::from_slice(&request.body).map_err(|e| Error::decode(format!("notification: {e}")))?;
        hints(message)
    }

    /// In the body, which is signed as a whole. A repetition counts up `publishAttemptCount` beside it.
    fn delivery(&self, request: &InboundRequest) -> Option<String> {
        let message: Message = serde_json::from_slice(&request.body).ok()?;
        message.notification?.notification_id
    }

    fn challenge(&self, request: &InboundRequest) -> Option<ChallengeAnswer> {
        let (endpoint, query) = request.url.split_once('?')?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let code = pairs.find(|(name, _)| name == "challenge_code")?.1;
        let response = challenge_response(&code, self.token.as_ref()?.expose_secret(), endpoint);
        let body = serde_json::json!({"challengeResponse": response}).to_string();
        Some(ChallengeAnswer { content_type: "application/json", body })
    }
}

fn hints(message: Message) -> Result<Vec<Hint>, Error> {
    let topic = message.metadata.topic;
    match topic.as_str() {
        // One message per line item, and again after a failed payment: a hint to read the order, no more.
        "ORDER_CONFIRMATION" | "ITEM_MARKED_SHIPPED" => {
            let order = message.notification.and_then(|n| n.data?.order?.order_id);
            let id = order.ok_or_else(|| Error::decode(format!("{topic} names no order")))?;
            Ok(vec![Hint::Order(OrderId::new(id)?)])
        }
        "AUTHORIZATION_REVOCATION" => Ok(vec![Hint::Disconnected]),
        // MARKETPLACE_ACCOUNT_DELETION, which every production keyset must take, comes here too.
        _ => Ok(vec![Hint::Unknown(topic)]),
    }
}

/// The answer to eBay's challenge when a destination is registered (`GET endpoint?challenge_code=…`): the value of
/// `challengeResponse`. `token` is the verification token that was chosen for the destination.
#[must_use]
pub fn challenge_response(code: &str, token: &str, endpoint: &str) -> String {
    hex(&digest(Hash::Sha256, format!("{code}{token}{endpoint}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, header and body of the public test of eBay's event notification SDK.
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhhxXKtR+TOvtDbgTPCkSof02qgBB7IsYOyf76ilExJ/upAa/vKIKheOoCyOpcLmi4t0b4uepb7LLjmMr90FUg==";
    const HEADER: &str = "eyJhbGciOiJlY2RzYSIsImtpZCI6Ijk5MzYyNjFhLTdkN2ItNDYyMS1hMGYxLTk2Y2NiNDI4YWY0OSIsInNpZ25hdHVyZSI6Ik1FWUNJUUNmeGZJV3V4bVdjSUJRSjljNS9YN2lHREpxczJSQ0dzQkVhQWppbnlycmZBSWhBSVY2d0djVGlCdVY1S0pVaWYyaG9reXJMK1E5c3NIa2FkK214Mm5FRTI1dyIsImRpZ2VzdCI6IlNIQTEifQ==";
    const BODY: &str = r#"{"metadata":{"topic":"MARKETPLACE_ACCOUNT_DELETION","schemaVersion":"1.0","deprecated":false},"notification":{"notificationId":"49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d","eventDate":"2021-03-19T20:43:59.462Z","publishDate":"2021-03-19T20:43:59.679Z","publishAttemptCount":1,"data":{"username":"test_user","userId":"ma8vp1jySJC","eiasToken":"nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY+gAZGEpwmdj6x9nY+seQ=="}}}"#;

    fn hooks(id: &str) -> Hooks {
        Hooks {
            keys: BTreeMap::from([(id.to_owned(), from_base64(KEY).unwrap())]),
            token: Some(SecretString::from("71745723-d031-455c-bfa5-f90d11b4f20a")),
        }
    }

    fn request(body: &str) -> InboundRequest {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-ebay-signature", HEADER.parse().unwrap());
        InboundRequest {
            url: String::new(),
            headers,
            body: body.to_owned().into(),
            received_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_published_vector_verifies_and_any_change_is_refused() {
        let id = "9936261a-7d7b-4621-a0f1-96ccb428af49";
        let hints = hooks(id).verify(&request(BODY)).unwrap();
        assert_eq!(hints, vec![Hint::Unknown("MARKETPLACE_ACCOUNT_DELETION".into())]);
        for (hooks, body) in
            [(hooks(id), BODY.replace("test_user", "best_user")), (hooks("other"), BODY.to_owned())]
        {
            assert_eq!(hooks.verify(&request(&body)).unwrap_err().kind(), Kind::Unauthenticated);
        }
        assert_eq!(
            hooks(id).delivery(&request(BODY)).unwrap(),
            "49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d"
        );
        let bare = InboundRequest { headers: http::HeaderMap::new(), ..request(BODY) };
        assert_eq!(hooks(id).verify(&bare).unwrap_err().kind(), Kind::Unauthenticated);
    }

    #[test]
    fn topics_become_hints() {
        let of = |text: &str| hints(serde_json::from_str(text).unwrap());
        assert_eq!(
            of(r#"{"metadata":{"topic":"ORDER_CONFIRMATION"},"notification":{"data":{"order":{"orderId":"01-2-3"}}}}"#).unwrap(),
            vec![Hint::Order("01-2-3".parse().unwrap())]
        );
        assert!(of(r#"{"metadata":{"topic":"ORDER_CONFIRMATION"},"notification":{"data":{}}}"#).is_err());
        assert_eq!(
            of(r#"{"metadata":{"topic":"AUTHORIZATION_REVOCATION"}}"#).unwrap(),
            vec![Hint::Disconnected]
        );
    }

    /// Code, token, address and answer of the fact sheet.
    #[test]
    fn the_challenge_of_the_fact_sheet() {
        let answer = "ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb";
        let asked = |query: &str| {
            let url = format!("http://www.testendpoint.com/webhook{query}");
            hooks("k").challenge(&InboundRequest { url, ..request("") })
        };
        let told = asked("?challenge_code=a8628072-3d33-45ee-9004-bee86830a22d").unwrap();
        assert_eq!(told.body, format!(r#"{{"challengeResponse":"{answer}"}}"#));
        assert_eq!((asked(""), asked("?code=1")), (None, None));
        let hooks = Hooks { token: None, ..hooks("k") };
        let url = "http://www.testendpoint.com/webhook?challenge_code=1".to_owned();
        assert_eq!(hooks.challenge(&InboundRequest { url, ..request("") }), None);
    }
}
