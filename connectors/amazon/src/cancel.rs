//! Cancelling an order: feed `POST_ORDER_ACKNOWLEDGEMENT_DATA`, the only cancellation that a seller can start.

use bytes::Bytes;
use tradewind_connector::{CallCx, Error, Facet, Handle, Kind, Priority, Safety, Submitted, snippet};
use tradewind_domain::{CancelReason, Order};

use crate::Amazon;
use crate::config::Site;
use crate::feeds::{Feed, PATIENCE, Progress};

/// An order that is cancelled twice is cancelled: a feed more does no harm.
static CANCEL: Feed = Feed::of(
    "POST_ORDER_ACKNOWLEDGEMENT_DATA",
    "text/xml; charset=UTF-8",
    Facet::Cancel,
    Priority::Orders,
    Safety::Natural,
);

/// Text as XML content.
pub(crate) fn escaped(text: &str) -> String {
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
        let bytes = Bytes::from(envelope(&self.site, order, reason));
        let feed = self.submit_feed(cx, &CANCEL, bytes).await?;
        Ok(Submitted::Deferred(self.cancelling(feed)))
    }

    fn cancelling(&self, feed: String) -> Handle {
        Handle {
            flow: "cancel".to_owned(),
            id: feed,
            step: "poll".to_owned(),
            state: serde_json::Value::Null,
            not_before: self.pipeline.now().checked_add(PATIENCE).ok(),
        }
    }

    pub(crate) async fn poll_cancel(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        match self.feed_progress(cx, &CANCEL, &handle.id).await? {
            Progress::Running => Ok(Submitted::Deferred(self.cancelling(handle.id.clone()))),
            // The order itself is read again anyway.
            Progress::Done(None) => Ok(Submitted::Done(())),
            Progress::Done(Some(report)) => {
                let text = String::from_utf8_lossy(&report);
                // A processing report counts what went wrong.
                if text.contains("<MessagesWithError>0</MessagesWithError>")
                    || !text.contains("<MessagesWithError>")
                {
                    Ok(Submitted::Done(()))
                } else {
                    let why = format!("Amazon did not cancel: {}", snippet(&report));
                    Err(Error::new(Kind::Rejected, why).after_send())
                }
            }
            Progress::Cancelled => {
                let why = format!("feed {} was called off: the order is as it was", handle.id);
                Err(Error::new(Kind::Rejected, why).after_send())
            }
            // It may have taken effect: reading the order settles it.
            Progress::Fatal => {
                let why = format!("feed {} was given up (FATAL)", handle.id);
                Err(Error::new(Kind::Indeterminate, why).after_send())
            }
            Progress::Lost(why) => Err(why.into_indeterminate()),
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
