//! Presigned documents and feeds.
//!
//! A document link lives five minutes. A feed waits 1 to 5 minutes in the queue and as long in
//! progress, then shows a result document; its messages count one by one.

use super::NAME;
use super::errors::{invalid, missing};
use super::listings::{parse, submit};
use super::orders;
use super::route::Req;
use super::site::{Site, find};
use super::state::{Document, Feed, State};
use crate::core::channel::{json, raw};
use crate::core::clock::{instant, iso_seconds};
use crate::core::rng::number;
use crate::core::world::{Event, World};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json as j};
use std::collections::BTreeMap;
use std::io::Write as _;

/// A link lives this long.
pub(super) const LINK_MS: i64 = 300_000;

fn forbidden() -> Response {
    raw(
        403,
        "application/xml",
        "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
    )
}

/// Keeps `bytes` as a downloadable document; returns id and url.
pub(super) fn publish(
    world: &World,
    state: &mut State,
    kind: &str,
    content_type: &str,
    bytes: Vec<u8>,
    gzip: bool,
) -> (String, String) {
    let n = state.next();
    let id = format!("amzn1.{kind}.{:016x}.{n}", number(world.seed(), &[NAME, kind, &n.to_string()]));
    let bytes = if gzip { compress(&bytes) } else { bytes };
    let document = Document {
        content_type: content_type.into(),
        bytes: Some(bytes),
        gzip,
        expires_ms: world.now_ms() + LINK_MS,
    };
    state.documents.insert(id.clone(), document);
    let url = link(world, &id);
    (id, url)
}

fn link(world: &World, id: &str) -> String {
    format!(
        "{}/document/{id}?X-Amz-Expires=300&X-Amz-Signature={:016x}",
        world.base_url(NAME),
        number(world.seed(), &["link", id])
    )
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// `createFeedDocument`.
pub(super) fn create(world: &World, state: &mut State, req: &Req) -> Response {
    let body: Value = serde_json::from_slice(&req.body).unwrap_or(Value::Null);
    let Some(content_type) = body.get("contentType").and_then(Value::as_str) else {
        return invalid("contentType is required");
    };
    let n = state.next();
    let id =
        format!("amzn1.tortuga.4.na.{:016x}.{n}", number(world.seed(), &[NAME, "document", &n.to_string()]));
    let document = Document {
        content_type: content_type.into(),
        bytes: None,
        gzip: false,
        expires_ms: world.now_ms() + LINK_MS,
    };
    state.documents.insert(id.clone(), document);
    let url = link(world, &id);
    json(201, &j!({"feedDocumentId": id, "url": url}))
}

/// `PUT` to the presigned link.
pub(super) fn upload(world: &World, state: &mut State, req: &Req) -> Response {
    let now = world.now_ms();
    let Some(document) = state.documents.get_mut(req.part(0)) else { return forbidden() };
    if now > document.expires_ms {
        return forbidden();
    }
    if req.header("content-type") != document.content_type {
        return raw(403, "application/xml", "<Error><Code>SignatureDoesNotMatch</Code></Error>");
    }
    document.bytes = Some(req.body.to_vec());
    raw(200, "text/plain", "")
}

/// `GET` of the presigned link.
pub(super) fn download(world: &World, state: &State, req: &Req) -> Response {
    match state.documents.get(req.part(0)) {
        Some(Document { bytes: Some(bytes), content_type, expires_ms, .. })
            if world.now_ms() <= *expires_ms =>
        {
            raw(200, content_type, bytes.clone())
        }
        _ => forbidden(),
    }
}

/// `createFeed`.
pub(super) fn create_feed(world: &World, state: &mut State, req: &Req) -> Response {
    let body: Value = serde_json::from_slice(&req.body).unwrap_or(Value::Null);
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let marketplaces: Vec<String> = body
        .get("marketplaceIds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|m| m.as_str().map(str::to_owned))
        .collect();
    let (kind, document) = (text("feedType"), text("inputFeedDocumentId"));
    if !["JSON_LISTINGS_FEED", "POST_ORDER_ACKNOWLEDGEMENT_DATA", "POST_PAYMENT_ADJUSTMENT_DATA"]
        .contains(&kind.as_str())
    {
        return invalid(&format!("Invalid feedType: {kind}"));
    }
    if marketplaces.is_empty() || marketplaces.len() > 25 || marketplaces.iter().any(|m| find(m).is_none()) {
        return invalid("marketplaceIds must have 1 to 25 valid values");
    }
    let Some(bytes) = state.documents.get(&document).and_then(|d| d.bytes.as_ref()) else {
        return invalid("inputFeedDocumentId names no uploaded document");
    };
    let content = String::from_utf8_lossy(bytes).into_owned();
    let lag = world.stream(&[NAME, "feed", &content]).between(60_000, 300_000);
    let id = (50_000_000_000 + state.next()).to_string();
    let feed = Feed {
        kind,
        marketplaces,
        document,
        created_ms: world.now_ms(),
        started_ms: None,
        ended_ms: None,
        status: "IN_QUEUE",
        result: None,
    };
    state.feeds.insert(id.clone(), feed);
    world.schedule(NAME, lag, "feed-start", &id, j!({}));
    world.schedule(NAME, 2 * lag, "feed-end", &id, j!({}));
    json(202, &j!({"feedId": id}))
}

fn show(id: &str, feed: &Feed) -> Value {
    let mut map = Map::new();
    let mut put = |k: &str, v: Value| map.insert(k.to_owned(), v);
    put("feedId", id.into());
    put("feedType", feed.kind.clone().into());
    put("marketplaceIds", j!(feed.marketplaces));
    put("createdTime", iso_seconds(instant(feed.created_ms)).into());
    put("processingStatus", feed.status.into());
    if let Some(ms) = feed.started_ms {
        put("processingStartTime", iso_seconds(instant(ms)).into());
    }
    if let Some(ms) = feed.ended_ms {
        put("processingEndTime", iso_seconds(instant(ms)).into());
    }
    if let Some(result) = &feed.result {
        put("resultFeedDocumentId", result.clone().into());
    }
    Value::Object(map)
}

/// `getFeed`.
pub(super) fn get_feed(state: &State, req: &Req) -> Response {
    state
        .feeds
        .get(req.part(0))
        .map_or_else(|| missing("Feed not found"), |f| json(200, &show(req.part(0), f)))
}

/// `getFeeds`, newest first, no paging below 100.
pub(super) fn get_feeds(state: &State, req: &Req) -> Response {
    let (kinds, statuses) = (req.list("feedTypes"), req.list("processingStatuses"));
    if kinds.is_empty() {
        return invalid("feedTypes is required without nextToken");
    }
    let feeds: Vec<Value> = state
        .feeds
        .iter()
        .rev()
        .filter(|(_, f)| {
            kinds.contains(&f.kind.as_str()) && (statuses.is_empty() || statuses.contains(&f.status))
        })
        .take(100)
        .map(|(id, f)| show(id, f))
        .collect();
    json(200, &j!({"feeds": feeds}))
}

/// `cancelFeed`: only while queued.
pub(super) fn cancel_feed(state: &mut State, req: &Req) -> Response {
    match state.feeds.get_mut(req.part(0)) {
        Some(feed) if feed.status == "IN_QUEUE" => {
            feed.status = "CANCELLED";
            json(200, &j!({}))
        }
        Some(_) => invalid("The feed is not in the queue any more"),
        None => missing("Feed not found"),
    }
}

/// `getFeedDocument`: a fresh link each time.
pub(super) fn get_document(world: &World, state: &mut State, req: &Req) -> Response {
    let id = req.part(0);
    let Some(document) = state.documents.get_mut(id) else { return missing("Document not found") };
    document.expires_ms = world.now_ms() + LINK_MS;
    let mut body = j!({"feedDocumentId": id, "url": link(world, id)});
    if document.gzip
        && let Some(map) = body.as_object_mut()
    {
        map.insert("compressionAlgorithm".into(), "GZIP".into());
    }
    json(200, &body)
}

/// A feed starts.
pub(super) fn start(world: &World, state: &mut State, event: &Event) {
    if let Some(feed) = state.feeds.get_mut(&event.key).filter(|f| f.status == "IN_QUEUE") {
        feed.status = "IN_PROGRESS";
        feed.started_ms = Some(world.now_ms());
    }
}

/// A feed ends: its messages take effect one by one.
pub(super) fn end(world: &World, state: &mut State, event: &Event) {
    let Some(feed) = state.feeds.get(&event.key).filter(|f| f.status == "IN_PROGRESS").cloned() else {
        return;
    };
    let bytes = state.documents.get(&feed.document).and_then(|d| d.bytes.clone()).unwrap_or_default();
    let site = feed.marketplaces.first().and_then(|m| find(m));
    let outcome = match (feed.kind.as_str(), site) {
        ("JSON_LISTINGS_FEED", Some(site)) => listings_feed(world, state, site, &event.key, &bytes),
        ("POST_ORDER_ACKNOWLEDGEMENT_DATA", _) => {
            Some(orders::acknowledgement_feed(world, state, &event.key, &bytes))
        }
        ("POST_PAYMENT_ADJUSTMENT_DATA", _) => {
            Some(orders::adjustment_feed(world, state, &event.key, &bytes))
        }
        _ => None,
    };
    let result = outcome
        .map(|(content_type, bytes)| publish(world, state, "tortuga.result", content_type, bytes, true).0);
    if let Some(feed) = state.feeds.get_mut(&event.key) {
        feed.status = if result.is_some() { "DONE" } else { "FATAL" };
        feed.result = result;
        feed.ended_ms = Some(world.now_ms());
    }
}

/// `JSON_LISTINGS_FEED` version 2.0; `None` when the document is no such feed at all.
fn listings_feed(
    world: &World,
    state: &mut State,
    site: &'static Site,
    feed: &str,
    bytes: &[u8],
) -> Option<(&'static str, Vec<u8>)> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let header = document.get("header")?;
    if header.get("sellerId")?.as_str()? != super::SELLER_ID || header.get("version")?.as_str()? != "2.0" {
        return None;
    }
    let messages = document.get("messages")?.as_array()?;
    let (mut issues, mut accepted) = (Vec::new(), 0_u64);
    let mut seen: BTreeMap<u64, ()> = BTreeMap::new();
    for message in messages {
        let id = message.get("messageId").and_then(Value::as_u64).unwrap_or_default();
        let sku = message.get("sku").and_then(Value::as_str).unwrap_or_default();
        let duplicate = seen.insert(id, ()).is_some() || id == 0;
        let operation = match message.get("operationType").and_then(Value::as_str) {
            Some("UPDATE") => Some("put"),
            Some("PATCH" | "PARTIAL_UPDATE") => Some("patch"),
            Some("DELETE") => Some("delete"),
            _ => None,
        };
        let found = match operation {
            Some(operation) if !duplicate => match parse(operation, message) {
                Ok(submission) => submit(world, state, site, sku, submission, false, false),
                Err(error) => vec![j!({"code": "BAD_REQUEST", "message": error})],
            },
            _ => vec![
                j!({"code": "BAD_REQUEST", "message": "messageId must be unique and positive, operationType known"}),
            ],
        };
        if found.is_empty() {
            accepted += 1;
        }
        for issue in found {
            let mut line = j!({"messageId": id.max(1), "code": issue["code"], "severity": "ERROR", "message": issue["message"]});
            if let Some(map) = line.as_object_mut() {
                if !sku.is_empty() {
                    map.insert("sku".into(), sku.into());
                }
                if let Some(name) = issue.pointer("/attributeNames/0") {
                    map.insert("attributeName".into(), name.clone());
                }
            }
            issues.push(line);
        }
    }
    let processed = u64::try_from(messages.len()).unwrap_or_default();
    let report = j!({
        "header": {"sellerId": super::SELLER_ID, "version": "2.0", "feedId": feed},
        "issues": issues,
        "summary": {"errors": issues.len(), "warnings": 0, "messagesProcessed": processed,
                    "messagesAccepted": accepted, "messagesInvalid": processed - accepted},
    });
    Some(("application/json", serde_json::to_vec(&report).unwrap_or_default()))
}
