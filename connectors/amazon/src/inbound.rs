//! Notifications. Amazon delivers them to a queue (SQS) or an event bus (EventBridge) of the seller's AWS account, never
//! to a web address, and signs nothing: trust is AWS's own. What reaches us is forwarded by an EventBridge *API
//! destination*, whose connection adds a header with a key that we chose; or by a worker that empties the queue and
//! sends the message with the same header.
//!
//! Sources: SP-API, "Notifications API v1", "Set up notifications (Amazon EventBridge workflow)"; the schemas of the
//! notification types; Amazon EventBridge User Guide, "API destinations" and "Events and event patterns".

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tradewind_connector::signing::equal;
use tradewind_connector::{Error, Hint, Inbound, InboundRequest, Kind};
use tradewind_domain::{OrderId, Sku, StatementId};

use crate::reports::{SETTLEMENT, statement_id};

/// The header of an API destination's connection, of type API key, that carries the key.
pub(crate) const HEADER: &str = "x-api-key";

/// What a notification is checked with.
pub(crate) struct Hooks {
    pub(crate) key: SecretString,
    pub(crate) seller_id: String,
    pub(crate) marketplace_id: &'static str,
}

/// An EventBridge event has the notification in `detail`; a message of a queue is the notification.
#[derive(Deserialize)]
struct Envelope {
    detail: Option<Notification>,
}

/// Types published before 2021 write their names in lower case.
#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "NotificationType", alias = "notificationType")]
    kind: String,
    #[serde(rename = "Payload", alias = "payload", default)]
    payload: Payload,
    #[serde(rename = "NotificationMetadata", alias = "notificationMetadata", default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(rename = "NotificationId", alias = "notificationId")]
    notification_id: Option<String>,
}

/// The fields of the payloads that a hint needs, whichever type they are of.
#[derive(Deserialize, Default)]
struct Payload {
    #[serde(rename = "OrderChangeNotification")]
    order: Option<OrderChange>,
    #[serde(rename = "reportProcessingFinishedNotification")]
    report: Option<ReportDone>,
    #[serde(rename = "SellerId")]
    seller: Option<String>,
    #[serde(rename = "MarketplaceId")]
    marketplace: Option<String>,
    #[serde(rename = "Sku")]
    sku: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OrderChange {
    seller_id: String,
    amazon_order_id: String,
    summary: Option<Summary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    marketplace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReportDone {
    seller_id: String,
    report_id: String,
    report_type: String,
    processing_status: String,
    report_document_id: Option<String>,
}

impl Inbound for Hooks {
    fn verify(&self, request: &InboundRequest) -> Result<Vec<Hint>, Error> {
        let given = request.headers.get(HEADER).map(http::HeaderValue::as_bytes).unwrap_or_default();
        if !equal(self.key.expose_secret().as_bytes(), given) {
            return Err(refused("its x-api-key header is not the notification_key of this account"));
        }
        let bad = |e: serde_json::Error| Error::decode(format!("notification: {e}"));
        let envelope: Envelope = serde_json::from_slice(&request.body).map_err(bad)?;
        match envelope.detail {
            Some(notification) => self.hints(notification),
            None => self.hints(serde_json::from_slice(&request.body).map_err(bad)?),
        }
    }

    fn delivery(&self, request: &InboundRequest) -> Option<String> {
        let envelope: Envelope = serde_json::from_slice(&request.body).ok()?;
        let notification = match envelope.detail {
            Some(detail) => detail,
            None => serde_json::from_slice(&request.body).ok()?,
        };
        notification.metadata.notification_id
    }
}

impl Hooks {
    fn hints(&self, notification: Notification) -> Result<Vec<Hint>, Error> {
        let Notification { kind, payload, .. } = notification;
        let missing = |what: &str| Error::decode(format!("notification {kind} names no {what}"));
        match kind.as_str() {
            "ORDER_CHANGE" => {
                let order = payload.order.ok_or_else(|| missing("order"))?;
                if !self.ours(&order.seller_id, order.summary.and_then(|s| s.marketplace_id).as_deref()) {
                    return Ok(vec![]);
                }
                Ok(vec![Hint::Order(OrderId::new(order.amazon_order_id).map_err(Error::decode)?)])
            }
            "LISTINGS_ITEM_STATUS_CHANGE"
            | "LISTINGS_ITEM_ISSUES_CHANGE"
            | "LISTINGS_ITEM_MFN_QUANTITY_CHANGE" => {
                let seller = payload.seller.as_deref().ok_or_else(|| missing("seller"))?;
                if !self.ours(seller, payload.marketplace.as_deref()) {
                    return Ok(vec![]);
                }
                let sku = payload.sku.ok_or_else(|| missing("SKU"))?;
                Ok(vec![Hint::Sku(Sku::new(sku).map_err(Error::decode)?)])
            }
            "REPORT_PROCESSING_FINISHED" => {
                let report = payload.report.ok_or_else(|| missing("report"))?;
                if !self.ours(&report.seller_id, None) {
                    return Ok(vec![]);
                }
                match report.report_document_id {
                    Some(document)
                        if report.report_type == SETTLEMENT && report.processing_status == "DONE" =>
                    {
                        let id: StatementId = statement_id(&report.report_id, &document)?;
                        Ok(vec![Hint::Statement(id)])
                    }
                    _ => Ok(vec![Hint::Unknown(format!("{kind} {}", report.report_type))]),
                }
            }
            _ => Ok(vec![Hint::Unknown(kind)]),
        }
    }

    /// One application serves many sellers, whose notifications arrive at one queue: what is of another seller is
    /// genuine and says nothing to this account. Refused, the queue would deliver it again and again. An account is one
    /// marketplace; a seller's other marketplaces are other accounts. Some types name none.
    fn ours(&self, seller: &str, marketplace: Option<&str>) -> bool {
        seller == self.seller_id && marketplace.is_none_or(|m| m == self.marketplace_id)
    }
}

fn refused(why: &str) -> Error {
    Error::new(Kind::Unauthenticated, format!("notification refused: {why}"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    fn hooks() -> Hooks {
        Hooks {
            key: SecretString::from("a-key-of-ours"),
            seller_id: "A3TH9S8BH6GOGM".to_owned(),
            marketplace_id: "ATVPDKIKX0DER",
        }
    }

    fn request(key: &'static str, body: &Value) -> InboundRequest {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static(key));
        InboundRequest {
            url: "https://gateway.example/hooks/amazon-us".to_owned(),
            headers,
            body: body.to_string().into(),
            received_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn send(key: &'static str, body: &Value) -> Result<Vec<Hint>, Error> {
        hooks().verify(&request(key, body))
    }

    fn given(body: &Value) -> Result<Vec<Hint>, Error> {
        send("a-key-of-ours", body)
    }

    /// Field names and nesting as in the schema `OrderChangeNotification`.
    fn order(seller: &str, marketplace: &str) -> Value {
        json!({
            "NotificationVersion": "1.0", "NotificationType": "ORDER_CHANGE", "PayloadVersion": "1.0",
            "EventTime": "2026-03-02T09:00:00Z",
            "Payload": {"OrderChangeNotification": {
                "NotificationLevel": "OrderLevel", "SellerId": seller, "AmazonOrderId": "902-1845936-5435065",
                "OrderChangeType": "BuyerRequestedChange", "Summary": {"MarketplaceId": marketplace}}},
            "NotificationMetadata": {"NotificationId": "n-1"}
        })
    }

    #[test]
    fn an_order_is_read_again_whichever_way_it_came() {
        let id = OrderId::new("902-1845936-5435065").unwrap();
        let bare = order("A3TH9S8BH6GOGM", "ATVPDKIKX0DER");
        assert_eq!(given(&bare).unwrap(), [Hint::Order(id.clone())]);
        // EventBridge User Guide, "Events": version, id, detail-type, source, account, time, region, resources, detail.
        let event = json!({"version": "0", "id": "e-1", "detail-type": "ORDER_CHANGE", "account": "123456789012",
            "source": "aws.partner/sellingpartnerapi.amazon.com/app", "time": "2026-03-02T09:00:01Z",
            "region": "us-east-1", "resources": [], "detail": bare.clone()});
        assert_eq!(given(&event).unwrap(), [Hint::Order(id)]);
        // One notification, forwarded twice by two rules, is one.
        for body in [&bare, &event] {
            assert_eq!(hooks().delivery(&request("a-key-of-ours", body)).as_deref(), Some("n-1"));
        }
    }

    #[test]
    fn another_marketplace_or_seller_is_another_account() {
        assert!(given(&order("A3TH9S8BH6GOGM", "A1F83G8C2ARO7P")).unwrap().is_empty());
        assert!(given(&order("A1OTHER", "ATVPDKIKX0DER")).unwrap().is_empty());
        let listing = json!({"NotificationType": "LISTINGS_ITEM_STATUS_CHANGE", "Payload": {"SellerId": "A1OTHER",
            "MarketplaceId": "ATVPDKIKX0DER", "Sku": "NLS-SHOES-03"}});
        assert!(given(&listing).unwrap().is_empty());
    }

    #[test]
    fn without_the_key_nothing_is_believed() {
        let body = order("A3TH9S8BH6GOGM", "ATVPDKIKX0DER");
        for key in ["", "a-key-of-our", "another"] {
            assert_eq!(send(key, &body).unwrap_err().kind(), Kind::Unauthenticated, "{key}");
        }
    }

    #[test]
    fn listings_and_settlement_reports() {
        let listing = |kind: &str| {
            json!({"NotificationType": kind, "Payload": {"SellerId": "A3TH9S8BH6GOGM",
                "MarketplaceId": "ATVPDKIKX0DER", "Sku": "NLS-SHOES-03"}})
        };
        let sku = [Hint::Sku(Sku::new("NLS-SHOES-03").unwrap())];
        assert_eq!(given(&listing("LISTINGS_ITEM_STATUS_CHANGE")).unwrap(), sku);
        assert_eq!(given(&listing("LISTINGS_ITEM_ISSUES_CHANGE")).unwrap(), sku);
        // Names in lower case, as in the schema `ReportProcessingFinishedNotification`.
        let report = |kind: &str, status: &str| {
            json!({"notificationType": "REPORT_PROCESSING_FINISHED", "payload": {
                "reportProcessingFinishedNotification": {"sellerId": "A3TH9S8BH6GOGM", "reportId": "54517018502",
                "reportType": kind, "processingStatus": status, "reportDocumentId": "amzn1.tortuga.3.x"}}})
        };
        assert_eq!(
            given(&report("GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2", "DONE")).unwrap(),
            [Hint::Statement(StatementId::new("54517018502:amzn1.tortuga.3.x").unwrap())]
        );
        for (kind, status) in [
            ("GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2", "CANCELLED"),
            ("GET_FLAT_FILE_ACTIONABLE_ORDER_DATA", "DONE"),
        ] {
            assert!(matches!(given(&report(kind, status)).unwrap()[..], [Hint::Unknown(_)]));
        }
        // A topic of tomorrow is verified and left alone.
        assert_eq!(
            given(&json!({"NotificationType": "PRICING_HEALTH", "Payload": {}})).unwrap(),
            [Hint::Unknown("PRICING_HEALTH".to_owned())]
        );
        assert!(given(&json!({"NotificationType": "ORDER_CHANGE", "Payload": {}})).is_err());
        assert!(given(&json!({"hello": "world"})).is_err());
    }
}
