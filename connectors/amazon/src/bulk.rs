//! Many new listings at once: feed `JSON_LISTINGS_FEED` 2.0, one message per SKU. Asynchronous, and partly refused as
//! it may be: the processing report says which messages were not taken.
//!
//! Only for first loads. A feed takes effect minutes after it was sent, and its quantities would overwrite what a
//! listing that sells shows by then.
//!
//! Source: SP-API, "Manage listings with feeds"; schemas `listings-feed-schema-v2` and
//! `listings-feed-processing-report-schema-v2`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tradewind_connector::role::{Accepted, ItemOutcome};
use tradewind_connector::{
    CallCx, Error, Facet, FieldError, Handle, Kind, Priority, Safety, Submitted, Upstream,
};
use tradewind_domain::{Offer, Sku};

use crate::Amazon;
use crate::config::Site;
use crate::feeds::{Feed, PATIENCE, Progress};
use crate::listings;
use crate::wire::listings as w;

/// The flow of the handles.
pub(crate) const FLOW: &str = "listings";
/// Most messages of one feed; the schema's `maxItems` is 25,000. Less, so that a document of listings of some four
/// kilobytes each stays near eight megabytes, which one attempt uploads in its time, and so that a refusal costs less.
pub(crate) const MOST: u32 = 2_000;

/// Most bytes of a feed document: "keep file size less than 10 MiB" (SP-API, Feeds API Best Practices).
const MOST_BYTES: usize = 10 * 1024 * 1024 - 1;

/// A second feed of a lost answer would write its quantities over what the first one's listings have sold.
static LISTINGS: Feed = Feed::of(
    "JSON_LISTINGS_FEED",
    "application/json; charset=UTF-8",
    Facet::Offers,
    Priority::Content,
    Safety::ReadBack,
);

#[derive(Serialize)]
struct Document<'a> {
    header: Header<'a>,
    messages: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Header<'a> {
    seller_id: &'a str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    message_id: usize,
    sku: &'a str,
    operation_type: &'static str,
    #[serde(flatten)]
    listing: w::Put,
}

/// A feed of at most so many bytes and [`MOST`] messages, and why offers are not in it: they cannot be written, or there is no room for them.
fn document(
    site: &Site,
    offers: &[&Offer],
    most: usize,
) -> Result<(Option<Bytes>, Vec<Option<Error>>), Error> {
    let unwritten = |e: serde_json::Error| Error::invalid(format!("the feed cannot be written: {e}"));
    let mut document =
        Document { header: Header { seller_id: &site.seller_id, version: "2.0" }, messages: Vec::new() };
    let empty = serde_json::to_vec(&document).map_err(unwritten)?.len();
    let mut size = empty;
    let mut faults = Vec::with_capacity(offers.len());
    for (n, offer) in offers.iter().enumerate() {
        let listing = match listings::complete(site, offer) {
            Ok(listing) => listing,
            Err(e) => {
                faults.push(Some(e));
                continue;
            }
        };
        let sku = offer.sku.as_str();
        let message = Message { message_id: n + 1, sku, operation_type: "UPDATE", listing };
        let message = to_raw_value(&message).map_err(unwritten)?;
        // With the comma behind it.
        let bytes = message.get().len() + 1;
        faults.push(if empty + bytes > most {
            Some(Error::invalid(format!(
                "its listing takes {bytes} bytes, and a feed takes {most}: shorten its texts"
            )))
        } else if size + bytes > most || document.messages.len() >= MOST as usize {
            let text = format!("the feed is full ({most} bytes, {MOST} listings): the next plan lists it");
            Some(Error::new(Kind::Unavailable, text))
        } else {
            size += bytes;
            document.messages.push(message);
            None
        });
    }
    if document.messages.is_empty() {
        return Ok((None, faults));
    }
    let bytes = serde_json::to_vec(&document).map_err(unwritten)?;
    Ok((Some(bytes.into()), faults))
}

/// What a restart needs to read the report: each SKU, and why it is not in the feed.
#[derive(Serialize, Deserialize)]
struct Sent {
    sku: Sku,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
    /// Nothing is wrong with it: there was no room.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    later: bool,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    issues: Vec<Issue>,
    summary: Summary,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issue {
    /// Absent when the complaint is about the feed, not about a message.
    #[serde(default)]
    message_id: Option<usize>,
    #[serde(default)]
    code: String,
    severity: String,
    message: String,
    #[serde(default)]
    attribute_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    messages_accepted: usize,
}

/// What the report says of each message; without one, why there is none. A message that was refused without its number
/// being named is somewhere among the others: then none of them is known to be accepted, and reading settles it.
fn outcomes(sent: &[Sent], report: Result<&Report, &str>) -> Vec<ItemOutcome> {
    let mut errors: BTreeMap<usize, Vec<FieldError>> = BTreeMap::new();
    let mut warnings: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut about_all = String::new();
    for issue in report.map_or(&[][..], |r| r.issues.as_slice()) {
        match (issue.message_id, issue.severity.as_str()) {
            (Some(id), "ERROR") => errors.entry(id).or_default().push(FieldError {
                field: issue.attribute_name.clone().unwrap_or_default(),
                code: issue.code.clone(),
                message: issue.message.clone(),
            }),
            (Some(id), _) => warnings.entry(id).or_default().push(issue.message.clone()),
            (None, "ERROR") => about_all.clone_from(&issue.message),
            (None, _) => {}
        }
    }
    let in_feed = sent.iter().filter(|s| s.left_out.is_none()).count();
    let accepted = report.map_or(0, |r| r.summary.messages_accepted);
    let all_named = report.is_ok() && in_feed == accepted + errors.len();
    let outcome = |(n, item): (usize, &Sent)| {
        let id = n + 1;
        if let Some(why) = &item.left_out {
            let kind = if item.later { Kind::Unavailable } else { Kind::InvalidRequest };
            return ItemOutcome::err(&item.sku, Error::new(kind, why.clone()));
        }
        if let Some(fields) = errors.remove(&id) {
            let upstream = Upstream {
                http: 200,
                code: "INVALID".to_owned(),
                message: "the listing was refused".to_owned(),
                fields,
                ..Upstream::default()
            };
            return ItemOutcome::err(&item.sku, Error::upstream(Kind::Rejected, upstream));
        }
        if all_named {
            let warnings = warnings.remove(&id).unwrap_or_default();
            return ItemOutcome { sku: item.sku.clone(), result: Ok(Accepted { listing: None, warnings }) };
        }
        let why = match (report, about_all.as_str()) {
            (Err(why), _) => why.to_owned(),
            (Ok(_), "") => format!(
                "the report counts {accepted} of {in_feed} messages as accepted and does not name all others"
            ),
            (Ok(_), about) => format!("the feed: {about}"),
        };
        ItemOutcome::err(&item.sku, Error::new(Kind::Indeterminate, why).after_send())
    };
    sent.iter().enumerate().map(outcome).collect()
}

/// A report that cannot be read will not be readable the next time: then reading the listings settles it.
fn reported(feed: &str, sent: &[Sent], report: &[u8]) -> Vec<ItemOutcome> {
    match serde_json::from_slice::<Report>(report) {
        Ok(report) => outcomes(sent, Ok(&report)),
        Err(e) => outcomes(sent, Err(&format!("the report of feed {feed} cannot be read: {e}"))),
    }
}

impl Amazon {
    pub(crate) async fn list_by_feed(
        &self,
        cx: &CallCx,
        offers: &[&Offer],
    ) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let (bytes, faults) = document(&self.site, offers, MOST_BYTES)?;
        let sent: Vec<Sent> = offers
            .iter()
            .zip(&faults)
            .map(|(o, fault)| Sent {
                sku: o.sku.clone(),
                left_out: fault.as_ref().map(|e| e.message().to_owned()),
                later: fault.as_ref().is_some_and(|e| e.kind() == Kind::Unavailable),
            })
            .collect();
        let Some(bytes) = bytes else {
            return Ok(Submitted::Done(outcomes(&sent, Err("nothing was sent"))));
        };
        let feed = self.submit_feed(cx, &LISTINGS, bytes).await?;
        let state = serde_json::to_value(&sent).map_err(|e| Error::invalid(e.to_string()))?;
        Ok(Submitted::Deferred(self.listing(feed, state)))
    }

    fn listing(&self, feed: String, state: serde_json::Value) -> Handle {
        Handle {
            flow: FLOW.to_owned(),
            id: feed,
            step: "poll".to_owned(),
            state,
            not_before: self.pipeline.now().checked_add(PATIENCE).ok(),
        }
    }

    pub(crate) async fn poll_listings(
        &self,
        cx: &CallCx,
        handle: &Handle,
    ) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let sent: Vec<Sent> = serde_json::from_value(handle.state.clone())
            .map_err(|e| Error::invalid(format!("the job of feed {} is not readable: {e}", handle.id)))?;
        let done = match self.feed_progress(cx, &LISTINGS, &handle.id).await? {
            Progress::Running => {
                return Ok(Submitted::Deferred(self.listing(handle.id.clone(), handle.state.clone())));
            }
            Progress::Done(Some(bytes)) => reported(&handle.id, &sent, &bytes),
            Progress::Done(None) => outcomes(&sent, Err("the feed ended without a report")),
            Progress::Fatal => outcomes(&sent, Err("the feed was given up (FATAL)")),
            Progress::Lost(e) => {
                let why = format!("the report of feed {} cannot be had: {}", handle.id, e.message());
                outcomes(&sent, Err(&why))
            }
            Progress::Cancelled => {
                let why = || Error::new(Kind::Unavailable, format!("feed {} was called off", handle.id));
                sent.iter().map(|s| ItemOutcome::err(&s.sku, why())).collect()
            }
        };
        Ok(Submitted::Done(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(n: usize) -> Vec<Sent> {
        (1..=n)
            .map(|i| Sent { sku: format!("S-{i}").parse().unwrap(), left_out: None, later: false })
            .collect()
    }

    fn kinds(sent: &[Sent], report: Option<&str>) -> Vec<Option<Kind>> {
        let report: Option<Report> = report.map(|r| serde_json::from_str(r).unwrap());
        let report = report.as_ref().ok_or("no report");
        outcomes(sent, report).iter().map(|o| o.result.as_ref().err().map(Error::kind)).collect()
    }

    #[test]
    fn a_feed_is_bounded_in_bytes() {
        let site = Site {
            endpoint: "https://example.test".parse().unwrap(),
            region: "eu",
            marketplace_id: "A1PA6795UKMFR9",
            currency: tradewind_domain::Currency::new("EUR").unwrap(),
            seller_id: "A1".to_owned(),
        };
        let offer = |sku: &str, words: usize| -> Offer {
            serde_json::from_value(
                serde_json::json!({"sku": sku, "product": "P", "price": {"amount": "9.90", "currency": "EUR"},
                "quantity": 1, "locale": "de", "content": {"title": "T", "description": "w".repeat(words)}}),
            )
            .unwrap()
        };
        let size = |offers: &[&Offer]| document(&site, offers, MOST_BYTES).unwrap().0.unwrap().len();
        let three = [offer("S-1", 10), offer("S-2", 10), offer("S-3", 10)];
        let offers: Vec<&Offer> = three.iter().collect();
        // Room for two of three, to the byte: the third is not refused, it waits.
        for (most, fits) in [(size(&offers[..2]) + 1, 2), (size(&offers[..2]), 1)] {
            let (bytes, faults) = document(&site, &offers, most).unwrap();
            assert!(bytes.unwrap().len() <= most);
            let kinds: Vec<_> = faults.iter().map(|f| f.as_ref().map(Error::kind)).collect();
            let mut want = vec![Some(Kind::Unavailable); 3];
            want[..fits].fill(None);
            assert_eq!(kinds, want, "{most}");
        }
        // One that no feed has room for is refused, and those behind it go.
        let (bytes, faults) = document(&site, &[&offer("S-1", 5_000), &offer("S-2", 10)], 4_000).unwrap();
        assert_eq!(faults[0].as_ref().unwrap().kind(), Kind::InvalidRequest);
        assert!(bytes.is_some() && faults[1].is_none());
        // What waits is told as not done, neither refused nor in doubt.
        let mut two = sent(2);
        (two[1].left_out, two[1].later) = (Some("the feed is full".to_owned()), true);
        let one = r#"{"summary":{"errors":0,"warnings":0,"messagesProcessed":1,"messagesAccepted":1,"messagesInvalid":0}}"#;
        assert_eq!(kinds(&two, Some(one)), [None, Some(Kind::Unavailable)]);
    }

    #[test]
    fn each_message_gets_its_own_answer() {
        // As in the schema's example: messages 4 and 5 of which several complaints are one refusal each.
        let report = r#"{"header":{"sellerId":"A1","version":"2.0","feedId":"1"},"issues":[
            {"messageId":2,"sku":"S-2","code":"90220","severity":"ERROR","message":"'[batteries_required]' is required but not supplied."},
            {"messageId":2,"sku":"S-2","code":"90220","severity":"ERROR","message":"'[color]' is required but not supplied.","attributeName":"color"},
            {"messageId":3,"sku":"S-3","code":"18027","severity":"WARNING","message":"the main image has text"}],
            "summary":{"errors":2,"warnings":1,"messagesProcessed":3,"messagesAccepted":2,"messagesInvalid":1}}"#;
        let found = outcomes(&sent(3), Ok(&serde_json::from_str(report).unwrap()));
        assert!(found[0].result.is_ok());
        let refused = found[1].result.as_ref().unwrap_err();
        assert_eq!((refused.kind(), refused.fields().len()), (Kind::Rejected, 2));
        assert_eq!(found[2].result.as_ref().unwrap().warnings, ["the main image has text"]);
    }

    #[test]
    fn what_the_report_does_not_say_is_not_success() {
        // One of two was not accepted and nothing names it.
        let hidden = r#"{"issues":[],"summary":{"errors":1,"warnings":0,"messagesProcessed":2,"messagesAccepted":1,"messagesInvalid":1}}"#;
        assert_eq!(kinds(&sent(2), Some(hidden)), [Some(Kind::Indeterminate); 2]);
        // A complaint about the feed as a whole.
        let whole = r#"{"issues":[{"severity":"ERROR","message":"not JSON"}],"summary":{"errors":1,"warnings":0,"messagesProcessed":0,"messagesAccepted":0,"messagesInvalid":0}}"#;
        assert_eq!(kinds(&sent(2), Some(whole)), [Some(Kind::Indeterminate); 2]);
        assert_eq!(kinds(&sent(1), None), [Some(Kind::Indeterminate)]);
        // Cut off, or of another shape.
        for report in [&b"{\"issues\":["[..], b"<html>", b"", b"{}"] {
            let found = reported("1", &sent(2), report);
            assert!(found.iter().all(|o| o.result.as_ref().is_err_and(|e| e.kind() == Kind::Indeterminate)));
        }
        // An offer that was left out is told with its reason, and does not count as missing.
        let mut two = sent(2);
        two[0].left_out = Some("this store sells in EUR".to_owned());
        let one = r#"{"summary":{"errors":0,"warnings":0,"messagesProcessed":1,"messagesAccepted":1,"messagesInvalid":0}}"#;
        assert_eq!(kinds(&two, Some(one)), [Some(Kind::InvalidRequest), None]);
    }
}
