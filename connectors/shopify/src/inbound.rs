//! Webhooks: base64(HMAC-SHA256(client secret, raw body)), then a hint by topic.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tradewind_connector::signing::{Hash, digest, hex, hmac_sha256_base64_matches};
use tradewind_connector::{Error, Hint, Inbound, InboundRequest, Kind};
use tradewind_domain::{OrderId, ReturnId, Sku};

/// Verifies and reads webhooks of one shop.
pub(crate) struct Hooks {
    pub(crate) domain: String,
    pub(crate) secret: SecretString,
    /// The secret before the last rotation; deliveries may use it for an hour.
    pub(crate) previous: Option<SecretString>,
}

/// The REST-shaped payload, as far as a hint needs it.
#[derive(Deserialize)]
struct Body {
    id: Option<u64>,
    order_id: Option<u64>,
    admin_graphql_api_id: Option<String>,
    #[serde(default)]
    variants: Vec<VariantBody>,
}
#[derive(Deserialize)]
struct VariantBody {
    sku: Option<String>,
}

impl Inbound for Hooks {
    fn verify(&self, request: &InboundRequest) -> Result<Vec<Hint>, Error> {
        let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let refused = |why: &str| Error::new(Kind::Unauthenticated, format!("webhook refused: {why}"));
        let given = header("x-shopify-hmac-sha256");
        let secrets = [Some(&self.secret), self.previous.as_ref()];
        let good = secrets
            .into_iter()
            .flatten()
            .any(|s| hmac_sha256_base64_matches(s.expose_secret().as_bytes(), &request.body, given));
        if given.is_empty() || !good {
            return Err(refused("the signature does not fit the body"));
        }
        if !header("x-shopify-shop-domain").eq_ignore_ascii_case(&self.domain) {
            return Err(refused("it is of another shop"));
        }
        let topic = header("x-shopify-topic").to_ascii_lowercase();
        if topic == "app/uninstalled" {
            return Ok(vec![Hint::Disconnected]);
        }
        let body: Body =
            serde_json::from_slice(&request.body).map_err(|e| Error::decode(format!("webhook: {e}")))?;
        let order = |id: Option<u64>| {
            let id = id.ok_or_else(|| Error::decode(format!("webhook {topic} names no order")))?;
            let id = OrderId::new(format!("gid://shopify/Order/{id}")).map_err(Error::decode)?;
            Ok(vec![Hint::Order(id)])
        };
        match topic.split_once('/') {
            Some(("orders", _)) => {
                match body.admin_graphql_api_id.filter(|g| g.starts_with("gid://shopify/Order/")) {
                    Some(gid) => Ok(vec![Hint::Order(OrderId::new(gid).map_err(Error::decode)?)]),
                    None => order(body.id),
                }
            }
            Some(("refunds" | "fulfillments", _)) => order(body.order_id),
            Some((what @ ("returns" | "disputes"), _)) => {
                let id = body.admin_graphql_api_id.or(body.id.map(|id| id.to_string()));
                let id = id.ok_or_else(|| Error::decode(format!("webhook {topic} names no case")))?;
                Ok(vec![match what {
                    "returns" => Hint::Return(ReturnId::new(id).map_err(Error::decode)?),
                    _ => Hint::Dispute(id),
                }])
            }
            Some(("products", _)) => {
                let skus = body
                    .variants
                    .iter()
                    .filter_map(|v| Sku::new(v.sku.clone()?).ok())
                    .map(Hint::Sku)
                    .collect();
                Ok(skus)
            }
            _ => Ok(vec![Hint::Unknown(topic)]),
        }
    }

    /// Shopify signs the body alone, so that stands in the id too. A repetition has "the original payload".
    fn delivery(&self, request: &InboundRequest) -> Option<String> {
        let id = request.headers.get("x-shopify-webhook-id")?.to_str().ok()?;
        Some(format!("{id} {}", hex(&digest(Hash::Sha256, &request.body))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// The vector of the fact sheet (verified there): secret `hush`.
    const BODY: &[u8] =
        br##"{"id":820982911946154508,"name":"#9999","total_price":"403.00","currency":"USD"}"##;
    const HMAC: &str = "WM3Get2PcvnjRWc6UYO1OPlaSeJUmn6WJPmK+7DWhI0=";

    fn request(hmac: &str, domain: &str) -> InboundRequest {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-shopify-hmac-sha256", hmac.parse().unwrap());
        headers.insert("x-shopify-shop-domain", domain.parse().unwrap());
        headers.insert("x-shopify-topic", "orders/create".parse().unwrap());
        InboundRequest {
            url: "https://us.example/hook".into(),
            headers,
            body: Bytes::from_static(BODY),
            received_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_signed_webhook_is_a_hint_and_a_forged_one_nothing() {
        let hooks = Hooks {
            domain: "s.myshopify.com".into(),
            secret: SecretString::from("hush".to_owned()),
            previous: None,
        };
        let hints = hooks.verify(&request(HMAC, "s.myshopify.com")).unwrap();
        assert_eq!(hints, vec![Hint::Order(OrderId::new("gid://shopify/Order/820982911946154508").unwrap())]);
        for (hmac, domain) in [("AAAA", "s.myshopify.com"), (HMAC, "t.myshopify.com")] {
            assert_eq!(hooks.verify(&request(hmac, domain)).unwrap_err().kind(), Kind::Unauthenticated);
        }
        for (topic, hint) in [
            ("returns/request", Hint::Return("820982911946154508".parse().unwrap())),
            ("disputes/create", Hint::Dispute("820982911946154508".to_owned())),
            ("themes/update", Hint::Unknown("themes/update".to_owned())),
        ] {
            let mut told = request(HMAC, "s.myshopify.com");
            told.headers.insert("x-shopify-topic", topic.parse().unwrap());
            assert_eq!(hooks.verify(&told).unwrap(), [hint]);
        }
        let rotated = Hooks {
            domain: "s.myshopify.com".into(),
            secret: SecretString::from("new".to_owned()),
            previous: Some(SecretString::from("hush".to_owned())),
        };
        assert!(rotated.verify(&request(HMAC, "s.myshopify.com")).is_ok());
    }

    #[test]
    fn a_repetition_is_known_and_the_id_of_another_delivery_cannot_be_claimed() {
        let hooks =
            Hooks { domain: "s.myshopify.com".into(), secret: SecretString::from("hush"), previous: None };
        let id = |body: &'static [u8]| {
            let mut r = request(HMAC, "s.myshopify.com");
            r.headers.insert("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043".parse().unwrap());
            r.body = Bytes::from_static(body);
            hooks.delivery(&r).unwrap()
        };
        assert_eq!(id(BODY), id(BODY));
        // The header is not signed: whoever has one signed body may write any id over it.
        assert_ne!(id(BODY), id(br#"{"id":1}"#));
        assert_eq!(hooks.delivery(&request(HMAC, "s.myshopify.com")), None);
    }
}
