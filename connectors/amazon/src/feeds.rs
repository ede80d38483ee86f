//! Feeds 2021-06-30: the asynchronous way in. upload → create → poll → result; each step is an operation. What goes
//! through here: cancelling an order (`cancel.rs`), giving money back (`refund.rs`) and many new listings at once (`bulk.rs`).

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};
use tradewind_connector::{
    CallCx, Error, Facet, Kind, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse, segment,
};
use url::Url;

use crate::Amazon;
use crate::config::Site;
use crate::reports;

/// A feed is not worth asking about sooner.
pub(crate) const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);

/// What a feed carries, and the operations that carry it on behalf of a facet.
pub(crate) struct Feed {
    kind: &'static str,
    content_type: &'static str,
    document: OpSpec,
    upload: OpSpec,
    create: OpSpec,
    get: OpSpec,
    result: OpSpec,
    report: OpSpec,
}

impl Feed {
    pub(crate) const fn of(
        kind: &'static str,
        content_type: &'static str,
        facet: Facet,
        priority: Priority,
        create: Safety,
    ) -> Feed {
        // A document that nobody refers to does nothing. A feed is another thing: creating is not idempotent, each try
        // whose answer was lost makes one more, and whether two of them do what one does is for the caller to say.
        let like = OpSpec {
            name: "",
            facet,
            safety: Safety::Natural,
            priority,
            buckets: &[],
            keep: false,
            doc: "https://developer-docs.amazon.com/sp-api/docs/feeds-api-v2021-06-30-reference",
        };
        Feed {
            kind,
            content_type,
            document: OpSpec { name: "feeds.document", buckets: &["feeds.document"], ..like },
            upload: OpSpec { name: crate::auth::PRESIGNED, ..like },
            create: OpSpec { name: "feeds.create", safety: create, buckets: &["feeds.create"], ..like },
            get: OpSpec { name: "feeds.get", safety: Safety::Read, buckets: &["feeds.get"], ..like },
            result: OpSpec { name: "feeds.result", safety: Safety::Read, buckets: &["feeds.result"], ..like },
            report: reports::download(facet, priority),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    feed_document_id: String,
    url: String,
}

struct CreateDocument<'a>(&'a Site, &'static Feed);

impl Operation for CreateDocument<'_> {
    type In = ();
    type Out = Place;
    fn spec(&self) -> &OpSpec {
        &self.1.document
    }
    fn encode(&self, _: &OpCx<'_>, (): &()) -> Result<WireRequest, Error> {
        let body = serde_json::json!({"contentType": self.1.content_type});
        WireRequest::new(Method::POST, &self.0.endpoint, "/feeds/2021-06-30/documents")?.json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, (): &(), response: &WireResponse) -> Result<Place, Error> {
        response.json()
    }
}

/// Raw bytes to the pre-signed address, with the announced media type and no header of ours.
struct Upload(&'static Feed);

impl Operation for Upload {
    type In = (String, Bytes);
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &self.0.upload
    }
    fn encode(&self, _: &OpCx<'_>, (place, bytes): &(String, Bytes)) -> Result<WireRequest, Error> {
        let url = Url::parse(place).map_err(|e| Error::decode(format!("upload address: {e}")))?;
        let mut request = WireRequest::new(Method::PUT, &url, "")?.bytes(self.0.content_type, bytes.clone());
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

struct Create<'a>(&'a Site, &'static Feed);

impl Operation for Create<'_> {
    type In = String;
    type Out = String;
    fn spec(&self) -> &OpSpec {
        &self.1.create
    }
    fn encode(&self, _: &OpCx<'_>, document: &String) -> Result<WireRequest, Error> {
        let body = NewFeed {
            feed_type: self.1.kind,
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
struct State {
    processing_status: String,
    #[serde(default)]
    result_feed_document_id: Option<String>,
}

struct Get<'a>(&'a Site, &'static Feed);

impl Operation for Get<'_> {
    type In = str;
    type Out = State;
    fn spec(&self) -> &OpSpec {
        &self.1.get
    }
    fn encode(&self, _: &OpCx<'_>, id: &str) -> Result<WireRequest, Error> {
        WireRequest::new(Method::GET, &self.0.endpoint, &format!("/feeds/2021-06-30/feeds/{}", segment(id)))
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<State, Error> {
        response.json()
    }
}

struct ResultDocument<'a>(&'a Site, &'static Feed);

impl Operation for ResultDocument<'_> {
    type In = str;
    type Out = crate::wire::reports::Document;
    fn spec(&self) -> &OpSpec {
        &self.1.result
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

/// How far a feed is.
pub(crate) enum Progress {
    /// In the queue, or worked on.
    Running,
    /// Processed; with its report, where there is one.
    Done(Option<Bytes>),
    /// Called off before it was worked on: nothing of it took effect.
    Cancelled,
    /// Given up: some, none or all of it may have taken effect.
    Fatal,
    /// Processed, or not known any more, and what became of it cannot be read; asking again will not help.
    Lost(Error),
}

/// An error of a step before the feed was created. A document that nobody refers to does nothing, so there is no doubt:
/// nothing was done, whatever happened to the upload.
fn without_effect(error: Error) -> Error {
    let Some(cause) = error.cause() else { return error };
    match error.upstream_ref() {
        Some(upstream) => Error::upstream(cause, upstream.clone()),
        None => Error::new(cause, error.message()),
    }
    .retry_after(error.wait())
}

/// An answer that will be the same the next time.
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), Kind::Decode | Kind::NotFound)
}

impl Amazon {
    /// Uploads a document and makes a feed of it. Its number.
    pub(crate) async fn submit_feed(
        &self,
        cx: &CallCx,
        feed: &'static Feed,
        bytes: Bytes,
    ) -> Result<String, Error> {
        // Not from the journal of an earlier try: its address lives five minutes, and a document more does nothing.
        let now = self.pipeline.now();
        let fresh = |step: &str| cx.step(&format!("{step}/{now}"));
        let document = CreateDocument(&self.site, feed);
        let place = self.pipeline.call(&document, &(), &fresh("document")).await.map_err(without_effect)?;
        let upload = (place.url, bytes);
        self.pipeline.call(&Upload(feed), &upload, &fresh("upload")).await.map_err(without_effect)?;
        self.pipeline.call(&Create(&self.site, feed), &place.feed_document_id, &cx.step("create")).await
    }

    /// Asks how far a feed is, and fetches the report of one that is done.
    pub(crate) async fn feed_progress(
        &self,
        cx: &CallCx,
        feed: &'static Feed,
        id: &str,
    ) -> Result<Progress, Error> {
        let state = match self.pipeline.call(&Get(&self.site, feed), id, cx).await {
            Err(e) if e.kind() == Kind::NotFound => return Ok(Progress::Lost(e)),
            state => state?,
        };
        match state.processing_status.as_str() {
            "IN_QUEUE" | "IN_PROGRESS" => Ok(Progress::Running),
            "CANCELLED" => Ok(Progress::Cancelled),
            "FATAL" => Ok(Progress::Fatal),
            "DONE" => {
                let Some(result) = state.result_feed_document_id else { return Ok(Progress::Done(None)) };
                match self.report(cx, feed, &result).await {
                    Ok(report) => Ok(Progress::Done(Some(report))),
                    Err(e) if is_final(&e) => Ok(Progress::Lost(e)),
                    Err(e) => Err(e),
                }
            }
            other => Err(Error::new(Kind::UnknownCode, format!("feed {id} is '{other}'"))),
        }
    }

    async fn report(&self, cx: &CallCx, feed: &'static Feed, document: &str) -> Result<Bytes, Error> {
        let place = self.pipeline.call(&ResultDocument(&self.site, feed), document, cx).await?;
        self.pipeline.call(&reports::Download(&feed.report), &place, cx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_feed_nothing_is_in_doubt() {
        let lost = Error::new(Kind::Transport, "broke").after_send().into_indeterminate();
        assert_eq!(without_effect(lost).kind(), Kind::Transport);
        let refused = Error::new(Kind::PermissionDenied, "no role");
        assert_eq!(without_effect(refused).kind(), Kind::PermissionDenied);
    }

    #[test]
    fn only_what_will_not_change_ends_the_questions() {
        assert!(is_final(&Error::decode("gzip")) && is_final(&Error::new(Kind::NotFound, "404")));
        for kind in [Kind::Unavailable, Kind::Transport, Kind::RateLimited, Kind::Unauthenticated] {
            assert!(!is_final(&Error::new(kind, "")), "{kind:?}");
        }
    }
}
