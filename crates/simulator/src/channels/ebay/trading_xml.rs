//! Trading XML: a small tree reader, the response frame, error blocks.
//!
//! Element order in answers follows the service definition: Timestamp, Ack, Errors, Version, Build,
//! then the call's own elements.

use super::errors::Fail;
use super::order_view::date;
use super::route::Req;
use crate::core::channel::raw;
use crate::core::world::World;
use axum::response::Response;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

/// Newest schema version that the fake speaks.
const VERSION: &str = "1331";

/// An element with its text, attributes and children.
#[derive(Debug, Default, Clone)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn parse(bytes: &[u8]) -> Option<Node> {
        let mut reader = Reader::from_reader(bytes);
        let mut stack: Vec<Node> = vec![Node::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => stack.push(Self::open(&start)?),
                Event::Empty(start) => {
                    let node = Self::open(&start)?;
                    stack.last_mut()?.children.push(node);
                }
                Event::End(_) => {
                    let node = stack.pop()?;
                    stack.last_mut()?.children.push(node);
                }
                Event::Text(text) => {
                    let text = text.as_ref().to_owned();
                    stack.last_mut()?.text.push_str(&text);
                }
                Event::CData(text) => {
                    let text = text.as_ref().to_owned();
                    stack.last_mut()?.text.push_str(&text);
                }
                Event::GeneralRef(name) => {
                    let name = name.as_ref().to_owned();
                    stack.last_mut()?.text.push_str(&reference(&name)?);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let root = stack.pop()?;
        if stack.is_empty() { root.children.into_iter().next() } else { None }
    }

    fn open(start: &quick_xml::events::BytesStart<'_>) -> Option<Node> {
        let name = start.local_name().as_ref().to_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let key = attribute.key.as_ref().to_owned();
            attributes.push((key, attribute.value.clone().into_owned()));
        }
        Some(Node { name, attributes, ..Node::default() })
    }

    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|c| c.name == name)
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// Trimmed text of the element at a path; empty if there is none.
    pub(super) fn get(&self, path: &[&str]) -> &str {
        let mut node = self;
        for name in path {
            match node.child(name) {
                Some(child) => node = child,
                None => return "",
            }
        }
        node.text.trim()
    }
}

fn reference(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).map(String::from);
    }
    Some(match name { "amp" => "&", "lt" => "<", "gt" => ">", "quot" => "\"", "apos" => "'", _ => return None }.to_owned())
}

/// `<name>escaped text</name>`.
pub(super) fn el(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// An amount with its currency attribute.
pub(super) fn amount(name: &str, text: &str, currency: &str) -> String {
    format!("<{name} currencyID=\"{currency}\">{text}</{name}>")
}

fn frame(call: &str, timestamp: &str, ack: &str, errors: &str, body: &str) -> Response {
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

/// A failure where no call is known (throttling, system trouble).
pub(super) fn plain_failure(code: &str, text: &str, class: &str) -> Response {
    frame("", "1970-01-01T00:00:00.000Z", "Failure", &error_block(code, text, class), "")
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
