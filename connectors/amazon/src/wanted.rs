//! Reports that are asked for (Reports 2021-06-30): create → ask → fetch. What goes through here: all listings
//! (`listings_report.rs`) and returns (`returns.rs`).
//!
//! The reader's cursor carries the report's number and how often it was asked about, so a restart goes on with the same
//! report. A document is read whole, once: its address lives five minutes and can be had anew only once a minute, so
//! pages of rows would cost more calls than they spare memory. What bounds it is the largest body that is taken.

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, Kind, OpCx, OpSpec, Operation, Priority, Safety, Window, WireRequest,
    WireResponse, segment,
};

use crate::Amazon;
use crate::config::{JP, Site};
use crate::reports::{self, Download};
use crate::wire::reports as w;

/// What a cursor of a report begins with; page tokens are base64 and have no colon.
const CURSOR: &str = "report:";
/// A report is asked about this often, which at 7.5 seconds each is an hour; then a person should look.
const MOST_POLLS: u32 = 480;
/// What a question costs of its bucket: all of it. The quota would allow two a second; one in 7.5 seconds is enough.
const QUESTION: u32 = 15;

/// A type of report, and the operations that fetch it on behalf of a facet.
pub(crate) struct Wanted {
    kind: &'static str,
    options: &'static [(&'static str, &'static str)],
    create: OpSpec,
    get: OpSpec,
    document: OpSpec,
    download: OpSpec,
}

impl Wanted {
    pub(crate) const fn of(
        kind: &'static str,
        options: &'static [(&'static str, &'static str)],
        facet: Facet,
        priority: Priority,
        keep: bool,
    ) -> Wanted {
        let like = OpSpec {
            name: "",
            facet,
            // A report that nobody fetches does nothing: asked for twice it is written twice.
            safety: Safety::Read,
            priority,
            buckets: &[],
            keep: false,
            doc: "https://developer-docs.amazon.com/sp-api/docs/reports-api-v2021-06-30-reference",
        };
        Wanted {
            kind,
            options,
            create: OpSpec { name: "reports.create", buckets: &["reports.create"], ..like },
            get: OpSpec { name: "reports.get", buckets: &["reports.get"], ..like },
            document: OpSpec { name: "reports.document", buckets: &["reports.document"], ..like },
            download: OpSpec { keep, ..reports::download(facet, priority) },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewReport<'a> {
    report_type: &'a str,
    marketplace_ids: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    data_start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_end_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    report_options: BTreeMap<&'a str, &'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    report_id: String,
}

struct Create<'a>(&'a Site, &'static Wanted);

impl Operation for Create<'_> {
    type In = Option<Window>;
    type Out = String;
    fn spec(&self) -> &OpSpec {
        &self.1.create
    }
    fn encode(&self, _: &OpCx<'_>, span: &Option<Window>) -> Result<WireRequest, Error> {
        let body = NewReport {
            report_type: self.1.kind,
            marketplace_ids: [self.0.marketplace_id],
            data_start_time: span.map(|s| s.from),
            data_end_time: span.map(|s| s.to),
            report_options: self.1.options.iter().copied().collect(),
        };
        WireRequest::new(Method::POST, &self.0.endpoint, "/reports/2021-06-30/reports")?.json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, _: &Option<Window>, response: &WireResponse) -> Result<String, Error> {
        Ok(response.json::<Created>()?.report_id)
    }
}

struct Get<'a>(&'a Site, &'static Wanted);

impl Operation for Get<'_> {
    type In = str;
    type Out = w::Report;
    fn spec(&self) -> &OpSpec {
        &self.1.get
    }
    fn weight(&self, _: &str) -> u32 {
        QUESTION
    }
    fn encode(&self, _: &OpCx<'_>, id: &str) -> Result<WireRequest, Error> {
        let path = format!("/reports/2021-06-30/reports/{}", segment(id));
        WireRequest::new(Method::GET, &self.0.endpoint, &path)
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<w::Report, Error> {
        response.json()
    }
}

/// The document as text.
struct Text<'a>(&'a Site, &'static Wanted);

impl Operation for Text<'_> {
    type In = w::Document;
    type Out = String;
    fn spec(&self) -> &OpSpec {
        &self.1.download
    }
    fn encode(&self, cx: &OpCx<'_>, document: &w::Document) -> Result<WireRequest, Error> {
        Download(&self.1.download).encode(cx, document)
    }
    fn decode(
        &self,
        cx: &OpCx<'_>,
        document: &w::Document,
        response: &WireResponse,
    ) -> Result<String, Error> {
        let bytes = Download(&self.1.download).decode(cx, document, response)?;
        text(&bytes, response.header("content-type").unwrap_or_default(), self.0.marketplace_id)
    }
}

/// A document's text: in the charset that its answer names; without one, UTF-8 where it is that, and else what the
/// store's reports are seen in: Shift JIS in Japan, Windows-1252 elsewhere (sellers' reports, not documented).
fn text(bytes: &[u8], content_type: &str, store: &str) -> Result<String, Error> {
    let charset = content_type.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let encoding = match charset {
        Some(label) => encoding_rs::Encoding::for_label(label.as_bytes())
            .ok_or_else(|| Error::decode(format!("a document in a known charset, got '{label}'")))?,
        None if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None if store == JP => encoding_rs::SHIFT_JIS,
        None => encoding_rs::WINDOWS_1252,
    };
    // A character that is lost may be one of a SKU.
    let (text, broken) = encoding.decode_with_bom_removal(bytes);
    if broken {
        return Err(Error::decode(format!("a document in {}: it has bytes that are none", encoding.name())));
    }
    Ok(text.into_owned())
}

/// How far a report is.
pub(crate) enum Progress {
    /// Ask again, from here.
    Running(Cursor),
    Done(String),
    /// Cancelled by itself, because there is nothing to report.
    Nothing,
}

fn place(polls: u32, id: &str) -> Cursor {
    Cursor(format!("{CURSOR}{polls}:{id}"))
}

/// The report in a cursor, and how often it was asked about. `None`: a cursor of another kind.
pub(crate) fn report_in(cursor: &Cursor) -> Option<(u32, &str)> {
    let (polls, id) = cursor.0.strip_prefix(CURSOR)?.split_once(':')?;
    Some((polls.parse().ok()?, id))
}

impl Amazon {
    /// Asks for a report. From where to go on.
    pub(crate) async fn want(
        &self,
        cx: &CallCx,
        wanted: &'static Wanted,
        span: Option<Window>,
    ) -> Result<Cursor, Error> {
        let id = self.pipeline.call(&Create(&self.site, wanted), &span, cx).await?;
        Ok(place(0, &id))
    }

    /// Asks how far a report is, and fetches one that is done.
    pub(crate) async fn wanted(
        &self,
        cx: &CallCx,
        wanted: &'static Wanted,
        (polls, id): (u32, &str),
    ) -> Result<Progress, Error> {
        let ended = |how: &str| {
            Error::new(Kind::Unavailable, format!("report {id} ({}) {how}: read anew", wanted.kind))
        };
        let report = self.pipeline.call(&Get(&self.site, wanted), id, cx).await?;
        match report.processing_status.as_str() {
            "IN_QUEUE" | "IN_PROGRESS" if polls >= MOST_POLLS => {
                Err(ended(&format!("is not done after {polls} questions")))
            }
            "IN_QUEUE" | "IN_PROGRESS" => Ok(Progress::Running(place(polls + 1, id))),
            "CANCELLED" => Ok(Progress::Nothing),
            "FATAL" => Err(ended("was given up (FATAL)")),
            "DONE" => {
                let document = report
                    .report_document_id
                    .ok_or_else(|| Error::decode(format!("report {id} is done and has no document")))?;
                let get = reports::Document(&self.site, &wanted.document);
                let document = self.pipeline.call(&get, document.as_str(), cx).await?;
                let text = self.pipeline.call(&Text(&self.site, wanted), &document, cx).await?;
                Ok(Progress::Done(text))
            }
            other => Err(Error::new(Kind::UnknownCode, format!("report {id} is '{other}'"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_in_the_charset_that_it_comes_in() {
        let read = |bytes: &[u8], content_type: &str, store: &str| {
            text(bytes, content_type, store).map_err(|e| e.kind())
        };
        // ü: 0xFC in Windows-1252, 0xC3 0xBC in UTF-8. テ: 0x83 0x65 in Shift JIS.
        assert_eq!(read(b"T\xc3\xbcr", "text/plain", "A1PA6795UKMFR9").unwrap(), "Tür");
        assert_eq!(read(b"T\xfcr", "text/plain", "A1PA6795UKMFR9").unwrap(), "Tür");
        assert_eq!(read(b"\x83\x65", "text/plain", JP).unwrap(), "テ");
        assert_eq!(read(b"\x83\x65", "text/plain;charset=Shift_JIS", "A1PA6795UKMFR9").unwrap(), "テ");
        assert_eq!(read(b"\xef\xbb\xbfsku", "text/plain; charset=UTF-8", JP).unwrap(), "sku");
        // What is announced and is not so, or is not known, is no text.
        assert_eq!(read(b"T\xfcr", "text/plain; charset=\"utf-8\"", JP), Err(Kind::Decode));
        assert_eq!(read(b"T", "text/plain; charset=klingon", JP), Err(Kind::Decode));
    }

    #[test]
    fn a_cursor_of_a_report_is_known_from_a_page_token() {
        assert_eq!(report_in(&place(3, "50000018")), Some((3, "50000018")));
        for other in ["bmV4dA==", "report:x:1", "report:1"] {
            assert_eq!(report_in(&Cursor(other.to_owned())), None, "{other}");
        }
    }
}
