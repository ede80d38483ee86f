//! Settlement reports: Amazon schedules them, we find and fetch them. V2 flat file only; v1 and XML were switched
//! off on 2026-03-25.

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use std::io::Read as _;
use tradewind_connector::role::{MoneyDocument, Statements};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, MAX_BODY, OpCx, OpSpec, Operation, Page, Priority, Safety, Window,
    WireRequest, WireResponse, segment,
};
use tradewind_domain::{Statement, StatementId};
use url::Url;

use crate::Amazon;
use crate::auth::PRESIGNED;
use crate::config::Site;
use crate::wire::reports as w;

/// The type of settlement reports, V2.
pub(crate) const SETTLEMENT: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Statements,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &[],
    keep: false,
    doc: "https://developer-docs.amazon.com/sp-api/docs/reports-api-v2021-06-30-reference",
};
static LIST: OpSpec = OpSpec { name: "reports.list", buckets: &["reports.list"], ..LIKE };
static DOCUMENT: OpSpec = OpSpec { name: "reports.document", buckets: &["reports.document"], ..LIKE };
static DOWNLOAD: OpSpec = OpSpec { keep: true, ..download(Facet::Statements, Priority::Report) };

/// The report's number is what people quote, the document's is what is fetched: both are kept.
pub(crate) fn statement_id(report: &str, document: &str) -> Result<StatementId, Error> {
    StatementId::new(format!("{report}:{document}")).map_err(Error::from)
}

struct List<'a>(&'a Site);

impl Operation for List<'_> {
    type In = (Window, Option<Cursor>);
    type Out = Page<Result<Statement, Error>>;
    fn spec(&self) -> &OpSpec {
        &LIST
    }
    fn encode(
        &self,
        _: &OpCx<'_>,
        (window, cursor): &(Window, Option<Cursor>),
    ) -> Result<WireRequest, Error> {
        let request = WireRequest::new(Method::GET, &self.0.endpoint, "/reports/2021-06-30/reports")?;
        // A next token must be the only parameter, or the call fails.
        Ok(match cursor {
            Some(cursor) => request.query("nextToken", cursor.0.clone()),
            None => request
                .query("reportTypes", SETTLEMENT)
                // Without it, every account of the seller's region would collect every store's money.
                .query("marketplaceIds", self.0.marketplace_id)
                .query("createdSince", window.from.to_string())
                .query("createdUntil", window.to.to_string())
                .query("pageSize", "100"),
        })
    }
    fn decode(
        &self,
        _: &OpCx<'_>,
        _: &(Window, Option<Cursor>),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let page: w::Reports = response.json()?;
        let read = |report: w::Report| {
            let Some(document) = report.report_document_id.filter(|_| report.processing_status == "DONE")
            else {
                return Ok(None);
            };
            // A report of another store has another currency.
            let stores = report.marketplace_ids.unwrap_or_default();
            if !stores.is_empty() && !stores.iter().any(|id| id == self.0.marketplace_id) {
                return Ok(None);
            }
            Ok(Some(Statement {
                id: statement_id(&report.report_id, &document)?,
                currency: self.0.currency,
                from: report.data_start_time.unwrap_or(report.created_time),
                to: report.data_end_time.unwrap_or(report.created_time),
                total: None,
            }))
        };
        let items = page.reports.read("report", "reportId", read).filter_map(Result::transpose).collect();
        Ok(Page { items, next: page.next_token.map(Cursor) })
    }
}

pub(crate) struct Document<'a>(pub(crate) &'a Site, pub(crate) &'static OpSpec);

impl Operation for Document<'_> {
    type In = str;
    type Out = w::Document;
    fn spec(&self) -> &OpSpec {
        self.1
    }
    fn encode(&self, _: &OpCx<'_>, id: &str) -> Result<WireRequest, Error> {
        WireRequest::new(
            Method::GET,
            &self.0.endpoint,
            &format!("/reports/2021-06-30/documents/{}", segment(id)),
        )
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<w::Document, Error> {
        response.json()
    }
}

/// A download from a pre-signed address, on behalf of a facet.
pub(crate) const fn download(facet: Facet, priority: Priority) -> OpSpec {
    OpSpec { name: PRESIGNED, facet, priority, ..LIKE }
}

/// A download from a pre-signed address, which lives five minutes and takes no credential.
pub(crate) struct Download(pub(crate) &'static OpSpec);

impl Operation for Download {
    type In = w::Document;
    type Out = Bytes;
    fn spec(&self) -> &OpSpec {
        self.0
    }
    fn encode(&self, _: &OpCx<'_>, document: &w::Document) -> Result<WireRequest, Error> {
        let url = Url::parse(&document.url).map_err(|e| Error::decode(format!("document address: {e}")))?;
        let mut request = WireRequest::new(Method::GET, &url, "")?;
        request.url = url;
        Ok(request)
    }
    fn decode(&self, _: &OpCx<'_>, document: &w::Document, response: &WireResponse) -> Result<Bytes, Error> {
        match document.compression_algorithm.as_deref() {
            None => Ok(response.body.clone()),
            Some("GZIP") => {
                let mut plain = Vec::new();
                // Bounded: a small archive may unpack into anything.
                let limit = MAX_BODY as u64 + 1;
                flate2::read::GzDecoder::new(&response.body[..])
                    .take(limit)
                    .read_to_end(&mut plain)
                    .map_err(|e| Error::decode(format!("gzip: {e}")))?;
                if plain.len() > MAX_BODY {
                    return Err(Error::decode(format!("a document of at most {MAX_BODY} bytes")));
                }
                Ok(plain.into())
            }
            Some(other) => Err(Error::decode(format!("compression GZIP, got '{other}'"))),
        }
    }
}

#[async_trait]
impl Statements for Amazon {
    async fn list(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Statement, Error>>, Error> {
        self.pipeline.call(&List(&self.site), &(window, cursor.cloned()), cx).await
    }

    async fn fetch(&self, cx: &CallCx, id: &StatementId) -> Result<MoneyDocument, Error> {
        let document = id.as_str().split_once(':').map_or(id.as_str(), |(_, d)| d);
        let place = self.pipeline.call(&Document(&self.site, &DOCUMENT), document, cx).await?;
        let bytes = self.pipeline.call(&Download(&DOWNLOAD), &place, cx).await?;
        let file_name = format!("{}.txt", id.as_str().replace(':', "-"));
        Ok(MoneyDocument {
            id: id.clone(),
            provider: "amazon".to_owned(),
            format: "settlement-v2".to_owned(),
            file_name,
            bytes,
        })
    }
}
