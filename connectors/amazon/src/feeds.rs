//! Feeds 2021-06-30: the asynchronous way in. upload → create → poll → result; each step is an operation. What goes
//! through here: cancelling an order (`cancel.rs`) and many new listings at once (`bulk.rs`).

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
    ) -> Feed {
        // A document that nobody refers to does nothing; the feeds we send say what is to be, so twice is once.
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
            create: OpSpec { name: "feeds.create", buckets: &["feeds.create"], ..like },
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
}

impl Amazon {
    /// Uploads a document and makes a feed of it. Its number.
    pub(crate) async fn submit_feed(
        &self,
        cx: &CallCx,
        feed: &'static Feed,
        bytes: Bytes,
    ) -> Result<String, Error> {
        let place = self.pipeline.call(&CreateDocument(&self.site, feed), &(), &cx.step("document")).await?;
        self.pipeline.call(&Upload(feed), &(place.url, bytes), &cx.step("upload")).await?;
        self.pipeline.call(&Create(&self.site, feed), &place.feed_document_id, &cx.step("create")).await
    }

    /// Asks how far a feed is, and fetches the report of one that is done.
    pub(crate) async fn feed_progress(
        &self,
        cx: &CallCx,
        feed: &'static Feed,
        id: &str,
    ) -> Result<Progress, Error> {
        let state = self.pipeline.call(&Get(&self.site, feed), id, cx).await?;
        match state.processing_status.as_str() {
            "IN_QUEUE" | "IN_PROGRESS" => Ok(Progress::Running),
            "CANCELLED" => Ok(Progress::Cancelled),
            "FATAL" => Ok(Progress::Fatal),
            "DONE" => {
                let Some(result) = state.result_feed_document_id else { return Ok(Progress::Done(None)) };
                let place = self.pipeline.call(&ResultDocument(&self.site, feed), &result, cx).await?;
                self.pipeline
                    .call(&reports::Download(&feed.report), &place, cx)
                    .await
                    .map(|report| Progress::Done(Some(report)))
            }
            other => Err(Error::new(Kind::UnknownCode, format!("feed {id} is '{other}'"))),
        }
    }
}
