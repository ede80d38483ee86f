//! Trading XML: the response frame and error blocks.
//!
//! Element order in answers follows the service definition: Timestamp, Ack, Errors, Version, Build,
//! then the call's own elements.

use super::errors::Fail;
use super::order_view::date;
use super::route::Req;
use crate::core::channel::raw;
use crate::core::world::World;
use axum::response::Response;
use quick_xml::escape::escape;

/// Newest schema version that the fake speaks.
const VERSION: &str = "1331";

/// `<name>escaped text</name>`.
pub(super) fn el(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// An amount with its currency attribute.
pub(super) fn amount(name: &str, text: &str, currency: &str) -> String {
    format!("<{name} currencyID=\"{currency}\">{text}</{name}>")
}

/// An answer of a call: what all have, then `errors` and `body` in the places of the definition.
pub(super) fn frame(call: &str, timestamp: &str, ack: &str, errors: &str, body: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{call}Response xmlns=\"urn:ebay:apis:eBLBaseComponents\">\
         <Timestamp>{timestamp}</Timestamp><Ack>{ack}</Ack>{errors}<Version>{VERSION}</Version>\
         <Build>E{VERSION}_SIM_API</Build>{body}</{call}Response>"
    );
    raw(200, "text/xml;charset=utf-8", text)
}

pub(super) fn error_block(code: &str, text: &str, class: &str) -> String {
    format!(
        "<Errors>{}{}{}<SeverityCode>Error</SeverityCode>{}</Errors>",
        el("ShortMessage", text),
        el("LongMessage", text),
        el("ErrorCode", code),
        el("ErrorClassification", class)
    )
}

pub(super) fn success(world: &World, call: &str, body: &str) -> Response {
    frame(call, &date(world.now_ms()), "Success", "", body)
}

pub(super) fn failure(world: &World, call: &str, code: &str, text: &str) -> Response {
    frame(call, &date(world.now_ms()), "Failure", &error_block(code, text, "RequestError"), "")
}

/// A failure before the call is handled (throttling, system trouble), in the frame of the call's own answer.
pub(super) fn plain_failure(operation: &str, code: &str, text: &str, class: &str) -> Response {
    let call = operation.strip_prefix("Trading.").filter(|call| *call != "unknown").unwrap_or_default();
    frame(call, "1970-01-01T00:00:00.000Z", "Failure", &error_block(code, text, class), "")
}

pub(super) fn system_error(operation: &str) -> Response {
    plain_failure(operation, "10007", "Internal error to the application.", "SystemError")
}

/// A REST refusal said in XML: token troubles.
pub(super) fn refusal(world: &World, req: &Req, refusal: &Fail) -> Response {
    let (code, text) = match refusal.id {
        1001..=1003 => ("21916984", "Invalid IAF token."),
        1100 => ("21917053", "The token lacks the scope for this call."),
        _ => ("10007", "Internal error to the application."),
    };
    failure(world, req.header("x-ebay-api-call-name"), code, text)
}
