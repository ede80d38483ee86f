//! Feeds 2021-06-30: the asynchronous way in. Used for what has no call of its own: cancelling an order
//! (`POST_ORDER_ACKNOWLEDGEMENT_DATA`, the only seller-initiated cancel).
//!
//! upload → create → poll → result. Each step is an operation; what a restart needs is in the [`Handle`].

use bytes::Bytes;
use http::Method;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tradewind_connector::{
    CallCx, Error, Facet, Handle, Kind, OpCx, OpSpec, Operation, Priority, Safety, Submitted, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{CancelReason, Order};
use url::Url;

use crate::Amazon;
use crate::config::Site;
use crate::reports;

const CONTENT_TYPE: &str = "text/xml; charset=UTF-8";
const CANCEL: &str = "POST_ORDER_ACKNOWLEDGEMENT_DATA";
/// A feed is not worth asking about sooner.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Cancel,
    // A document that nobody refers to does nothing; the same cancellation twice cancels once.
    safety: Safety::Natural,
    priority: Priority::Orders,
    buckets: &[],
    keep: false,
    doc: "https://developer-docs.amazon.com/sp-api/docs/feeds-api-v2021-06-30-reference",
};
static DOCUMENT: OpSpec = OpSpec { name: "feeds.document", buckets: &["feeds.document"], ..LIKE };
static UPLOAD: OpSpec = OpSpec { name: crate::auth::PRESIGNED, ..LIKE };
static CREATE: OpSpec = OpSpec { name: "feeds.create", buckets: &["feeds.create"], ..LIKE };
static GET: OpSpec = OpSpec { name: "feeds.get", safety: Safety::Read, buckets: &["feeds.get"], ..LIKE };
static RESULT: OpSpec =
    OpSpec { name: "feeds.result", safety: Safety::Read, buckets: &["feeds.result"], ..LIKE };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    feed_document_id: String,
    url: String,
}

struct CreateDocument<'a>(&'a Site);

impl Operation for CreateDocument<'_> {
    type In = ();
    type Out = Place;
    fn spec(&self) -> &OpSpec {
        &DOCUMENT
    }
    fn encode(&self, _: &OpCx<'_>, (): &()) -> Result<WireRequest, Error> {
        let body = serde_json::json!({"contentType": CONTENT_TYPE});
        WireRequest::new(Method::POST, &self.0.endpoint, "/feeds/2021-06-30/documents")?.json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, (): &(), response: &WireResponse) -> Result<Place, Error> {
        response.json()
    }
}

/// Raw bytes to the pre-signed address, with the announced media type and no header of ours.
struct Upload;

impl Operation for Upload {
    type In = (String, Bytes);
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &UPLOAD
    }
    fn encode(&self, _: &OpCx<'_>, (place, bytes): &(String, Bytes)) -> Result<WireRequest, Error> {
        let url = Url::parse(place).map_err(|e| Error::decode(format!("upload address: {e}")))?;
        let mut request = WireRequest::new(Method::PUT, &url, "")?.bytes(CONTENT_TYPE, bytes.clone());
        request.url = url;
        Ok(request)
    }
    fn decode(&self, _: &OpCx<'_>, _: &(String, Bytes), _: &WireResponse) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewFeed<'a> {
    feed_type: &'a str,
    marketplace_ids: [&'a str; 1],
    input_feed_document_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    feed_id: String,
}

struct Create<'a>(&'a Site);

impl Operation for Create<'_> {
    type In = String;
    type Out = String;
    fn spec(&self) -> &OpSpec {
        &CREATE
    }
    fn encode(&self, _: &OpCx<'_>, document: &String) -> Result<WireRequest, Error> {
        let body = NewFeed {
            feed_type: CANCEL,
            marketplace_ids: [self.0.marketplace_id],
            input_feed_document_id: document,
        };
        WireRequest::new(Method::POST, &self.0.endpoint, "/feeds/2021-06-30/feeds")?.json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, _: &String, response: &WireResponse) -> Result<String, Error> {
        Ok(response.json::<Created>()?.feed_id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feed {
    processing_status: String,
    #[serde(default)]
    result_feed_document_id: Option<String>,
}

struct Get<'a>(&'a Site);

impl Operation for Get<'_> {
    type In = str;
    type Out = Feed;
    fn spec(&self) -> &OpSpec {
        &GET
    }
    fn encode(&self, _: &OpCx<'_>, id: &str) -> Result<WireRequest, Error> {
        WireRequest::new(Method::GET, &self.0.endpoint, &format!("/feeds/2021-06-30/feeds/{}", segment(id)))
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Feed, Error> {
        response.json()
    }
}

struct ResultDocument<'a>(&'a Site);

impl Operation for ResultDocument<'_> {
    type In = str;
    type Out = crate::wire::reports::Document;
    fn spec(&self) -> &OpSpec {
        &RESULT
    }
    fn encode(&self, _: &OpCx<'_>, id: &str) -> Result<WireRequest, Error> {
        WireRequest::new(
            Method::GET,
            &self.0.endpoint,
            &format!("/feeds/2021-06-30/documents/{}", segment(id)),
        )
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Self::Out, Error> {
        response.json()
    }
}

/// Text as XML content.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An order acknowledgement that cancels all lines.
fn envelope(site: &Site, order: &Order, reason: CancelReason) -> String {
    let reason = match reason {
        CancelReason::OutOfStock => "NoInventory",
        CancelReason::BuyerRequest => "BuyerCanceled",
        CancelReason::Undeliverable => "ShippingAddressUndeliverable",
        CancelReason::PricingError => "PricingError",
        CancelReason::Restricted => "GeneralAdjustment",
    };
    let items: String = order
        .lines
        .iter()
        .map(|l| format!("<Item><AmazonOrderItemCode>{}</AmazonOrderItemCode><CancelReason>{reason}</CancelReason></Item>", escaped(l.id.as_str())))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <AmazonEnvelope xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:noNamespaceSchemaLocation=\"amzn-envelope.xsd\">\
         <Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{}</MerchantIdentifier></Header>\
         <MessageType>OrderAcknowledgement</MessageType><Message><MessageID>1</MessageID><OrderAcknowledgement>\
         <AmazonOrderID>{}</AmazonOrderID><StatusCode>Failure</StatusCode>{items}</OrderAcknowledgement></Message></AmazonEnvelope>",
        escaped(&site.seller_id),
        escaped(order.id.as_str()),
    )
}

impl Amazon {
    pub(crate) async fn cancel_by_feed(
        &self,
        cx: &CallCx,
        order: &Order,
        reason: CancelReason,
    ) -> Result<Submitted<()>, Error> {
        let place = self.pipeline.call(&CreateDocument(&self.site), &(), &cx.step("document")).await?;
        let upload = (place.url, Bytes::from(envelope(&self.site, order, reason)));
        self.pipeline.call(&Upload, &upload, &cx.step("upload")).await?;
        let feed =
            self.pipeline.call(&Create(&self.site), &place.feed_document_id, &cx.step("create")).await?;
        Ok(Submitted::Deferred(self.handle(feed)))
    }

    fn handle(&self, feed: String) -> Handle {
        let not_before = self.pipeline.now().checked_add(PATIENCE).ok();
        Handle {
            flow: "cancel".to_owned(),
            id: feed,
            step: "poll".to_owned(),
            state: serde_json::Value::Null,
            not_before,
        }
    }

    pub(crate) async fn poll_feed(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        let feed = self.pipeline.call(&Get(&self.site), &handle.id, cx).await?;
        match feed.processing_status.as_str() {
            "IN_QUEUE" | "IN_PROGRESS" => Ok(Submitted::Deferred(self.handle(handle.id.clone()))),
            "DONE" => {
                let Some(id) = feed.result_feed_document_id else { return Ok(Submitted::Done(())) };
                let place = self.pipeline.call(&ResultDocument(&self.site), &id, cx).await?;
                let report = self.pipeline.call(&reports::Download, &place, cx).await?;
                let text = String::from_utf8_lossy(&report);
                // A processing report counts what went wrong; the order itself is read again anyway.
                if text.contains("<MessagesWithError>0</MessagesWithError>")
                    || !text.contains("<MessagesWithError>")
                {
                    Ok(Submitted::Done(()))
                } else {
                    Err(Error::new(
                        Kind::Rejected,
                        format!("Amazon did not cancel: {}", tradewind_connector::snippet(&report)),
                    )
                    .after_send())
                }
            }
            other => {
                Err(Error::new(Kind::Rejected, format!("feed {} ended as {other}", handle.id)).after_send())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn xml_content_is_escaped() {
        assert_eq!(super::escaped("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}
