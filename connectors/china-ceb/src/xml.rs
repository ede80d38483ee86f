//! Writing and reading XML by hand (`quick-xml`'s `Writer` and `NsReader`): customs binds the order of elements, and
//! serde knows no namespaces.
//!
//! What is written is in the form of Canonical XML 1.0 from the start (no blanks between elements, no empty-element
//! tags, attributes sorted, `&lt; &gt; &amp;` alone escaped), so the bytes that are signed are the bytes that are sent.
//! What is read is bounded: size, depth, number of nodes; a document type declaration is refused and no entity but
//! XML's own five is expanded.

use std::borrow::Cow;

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, Writer};
use tradewind_connector::Error;
use tradewind_domain::Mismatch;

/// Namespace of business messages.
pub(crate) const CEB: &str = "http://www.chinaport.gov.cn/ceb";
/// Namespace of the exchange platform's envelope.
pub(crate) const DXP: &str = "http://www.chinaport.gov.cn/dxp";
/// Namespace of signatures.
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Largest message that is read: a hundred nodes of ninety-nine lines stay far below.
pub(crate) const MAX_BYTES: usize = 16 << 20;
const MAX_DEPTH: usize = 16;

/// Writes elements of one prefix, and collects what customs would not take: length rules stand where a field is
/// written.
pub(crate) struct Elements {
    writer: Writer<Vec<u8>>,
    prefix: &'static str,
    name: String,
    faults: Vec<Mismatch>,
}

impl Elements {
    /// A writer of elements with a prefix (`""` for none).
    pub(crate) fn new(prefix: &'static str) -> Elements {
        Elements {
            writer: Writer::new(Vec::with_capacity(4096)),
            prefix,
            name: String::new(),
            faults: vec![],
        }
    }

    fn qualify(&mut self, name: &str) {
        self.name.clear();
        if !self.prefix.is_empty() {
            self.name.push_str(self.prefix);
            self.name.push(':');
        }
        self.name.push_str(name);
    }

    fn put(&mut self, event: Event<'_>) {
        // Writing into memory does not fail; were it to, the message would be wrong and is refused.
        if self.writer.write_event(event).is_err() {
            self.fault("message", "it cannot be written", "a well-formed message");
        }
    }

    /// Opens an element. Attributes come in canonical order: namespaces first.
    pub(crate) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.qualify(name);
        let qualified = std::mem::take(&mut self.name);
        let start = BytesStart::new(qualified.as_str()).with_attributes(attributes.iter().copied());
        self.put(Event::Start(start));
        self.name = qualified;
    }

    /// Closes an element.
    pub(crate) fn close(&mut self, name: &str) {
        self.qualify(name);
        let qualified = std::mem::take(&mut self.name);
        self.put(Event::End(BytesEnd::new(qualified.as_str())));
        self.name = qualified;
    }

    fn leaf(&mut self, name: &str, text: &str) {
        if text
            .chars()
            .any(|c| (c.is_control() && c != '\n' && c != '\t') || c == '\u{fffe}' || c == '\u{ffff}')
        {
            self.fault(name, "a control character", "text");
        }
        self.open(name, &[]);
        // Canonical XML leaves quotes as they are.
        self.put(Event::Text(BytesText::from_escaped(quick_xml::escape::partial_escape(text))));
        self.close(name);
    }

    /// A mandatory text of at most so many characters. Of a value that is too long only its length is reported: it may
    /// identify a person.
    pub(crate) fn text(&mut self, name: &str, text: &str, most: usize) {
        let length = text.chars().count();
        if text.trim().is_empty() {
            self.fault(name, "nothing", "a value: customs demands it");
        } else if length > most {
            self.fault(name, &format!("{length} characters"), &format!("at most {most}"));
        }
        self.leaf(name, text);
    }

    /// An optional text: left out when empty, because the schema refuses some empty elements.
    pub(crate) fn optional(&mut self, name: &str, text: &str, most: usize) {
        if !text.trim().is_empty() {
            self.text(name, text, most);
        }
    }

    /// A mandatory text of exactly so many characters.
    pub(crate) fn fixed(&mut self, name: &str, text: &str, length: usize) {
        let found = text.chars().count();
        if found != length {
            self.fault(name, &format!("{found} characters"), &format!("exactly {length}"));
        }
        self.leaf(name, text);
    }

    /// A decimal of at most 19 digits, five behind the point, not negative.
    pub(crate) fn number(&mut self, name: &str, value: rust_decimal::Decimal) {
        let value = value.normalize();
        let text = value.to_string();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if value.is_sign_negative() && !value.is_zero() || value.scale() > 5 || digits > 19 {
            self.fault(name, &text, "a number from 0 up with at most 19 digits, 5 of them behind the point");
        }
        self.leaf(name, &text);
    }

    /// A whole number.
    pub(crate) fn whole(&mut self, name: &str, value: usize) {
        self.leaf(name, &value.to_string());
    }

    /// Notes what customs would not take.
    pub(crate) fn fault(&mut self, field: &str, found: &str, wanted: &str) {
        self.faults.push(Mismatch {
            field: field.to_owned(),
            left: found.to_owned(),
            right: wanted.to_owned(),
        });
    }

    /// The text, or everything that is wrong with it.
    pub(crate) fn finish(self) -> Result<String, Vec<Mismatch>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        String::from_utf8(self.writer.into_inner()).map_err(|e| {
            vec![Mismatch { field: "message".to_owned(), left: e.to_string(), right: "UTF-8".to_owned() }]
        })
    }
}

/// What a message is refused for, in one error.
pub(crate) fn refused(faults: &[Mismatch]) -> Error {
    let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Error::invalid(format!("customs would not take it: {text}"))
}

/// A step through a document of one namespace.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// An element begins: its local name, `""` for one that nobody here reads.
    Open(&'static str),
    /// Text, with its pieces joined.
    Text(Cow<'a, str>),
    /// The innermost element ends.
    Close,
    /// The document ends.
    End,
}

/// Reads a document step by step. Elements of other namespaces than the expected one (a signature) are skipped whole.
pub(crate) struct Steps<'a> {
    reader: NsReader<&'a [u8]>,
    namespace: &'static str,
    depth: usize,
    /// The end of an element written as `<x/>`.
    pending_close: bool,
    /// A step that was looked at before it was taken.
    ahead: Option<Step<'a>>,
}

impl<'a> Steps<'a> {
    /// Over a text.
    pub(crate) fn new(text: &'a str, namespace: &'static str) -> Result<Steps<'a>, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::decode(format!(
                "a message of {} bytes, at most {MAX_BYTES} are read",
                text.len()
            )));
        }
        let reader = NsReader::from_str(text.trim_start_matches('\u{feff}').trim_start());
        Ok(Steps { reader, namespace, depth: 0, pending_close: false, ahead: None })
    }

    /// The next step. Blanks between elements come as text.
    pub(crate) fn next(&mut self) -> Result<Step<'a>, Error> {
        if let Some(step) = self.ahead.take() {
            return Ok(step);
        }
        if std::mem::take(&mut self.pending_close) {
            self.depth = self.depth.saturating_sub(1);
            return Ok(Step::Close);
        }
        let mut joined: Option<Cow<'a, str>> = None;
        loop {
            let (space, event) = self.reader.read_resolved_event().map_err(malformed)?;
            let ours = match space {
                ResolveResult::Bound(Namespace(found)) => found == self.namespace,
                ResolveResult::Unbound => false,
                ResolveResult::Unknown(prefix) => {
                    return Err(Error::decode(format!("XML: prefix '{prefix}' is not declared")));
                }
            };
            let step = match event {
                Event::Text(text) => {
                    join(&mut joined, text.xml10_content());
                    continue;
                }
                Event::CData(text) => {
                    join(&mut joined, text.xml10_content());
                    continue;
                }
                Event::GeneralRef(reference) => {
                    let piece = match reference.resolve_char_ref().map_err(malformed)? {
                        Some(c) => c.to_string(),
                        None => {
                            let name = reference.xml10_content();
                            quick_xml::escape::resolve_predefined_entity(&name)
                                .ok_or_else(|| Error::decode(format!("XML: entity '{name}' is refused")))?
                                .to_owned()
                        }
                    };
                    join(&mut joined, Cow::Owned(piece));
                    continue;
                }
                Event::DocType(_) => {
                    return Err(Error::decode("XML: a document type declaration is refused"));
                }
                Event::Start(start) if !ours => {
                    self.reader.read_to_end(start.name()).map_err(malformed)?;
                    continue;
                }
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(Error::decode(format!("XML: nested deeper than {MAX_DEPTH} elements")));
                    }
                    Step::Open(known(start.local_name().as_ref()))
                }
                Event::Empty(_) if !ours => continue,
                Event::Empty(start) => {
                    self.depth += 1;
                    self.pending_close = true;
                    Step::Open(known(start.local_name().as_ref()))
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Step::Close
                }
                Event::Eof if self.depth > 0 => {
                    return Err(Error::decode("XML: the message ends inside an element"));
                }
                Event::Eof => Step::End,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
            return Ok(match joined {
                Some(text) => {
                    self.ahead = Some(step);
                    Step::Text(text)
                }
                None => step,
            });
        }
    }

    /// The text of the element that was just opened; its end is read too.
    pub(crate) fn value(&mut self) -> Result<Cow<'a, str>, Error> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.next()? {
                Step::Text(piece) => text = piece,
                Step::Close => return Ok(text),
                Step::Open(_) => return Err(Error::decode("XML: an element where a value was expected")),
                Step::End => return Err(Error::decode("XML: the message ends inside an element")),
            }
        }
    }

    /// The next child of the element we are in, or `None` at its end (which is read).
    pub(crate) fn child(&mut self) -> Result<Option<&'static str>, Error> {
        loop {
            match self.next()? {
                Step::Open(name) => return Ok(Some(name)),
                Step::Close | Step::End => return Ok(None),
                Step::Text(text) if text.trim().is_empty() => {}
                Step::Text(_) => return Err(Error::decode("XML: text between elements")),
            }
        }
    }

    /// Skips the element that was just opened.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Step::Open(_) => depth += 1,
                Step::Close => depth -= 1,
                Step::Text(_) => {}
                Step::End => return Err(Error::decode("XML: the message ends inside an element")),
            }
        }
        Ok(())
    }
}

/// Names that are read here, so that no element costs an allocation.
fn known(name: &str) -> &'static str {
    macro_rules! names {
        ($($name:literal)*) => { match name { $($name => $name,)* _ => "" } };
    }
    names!(
        "guid" "orderNo" "payTransactionId" "logisticsNo" "copNo" "invtNo"
        "returnStatus" "returnTime" "returnInfo" "oriCopMsgId" "oriBizMessage" "status"
        "taxNo" "customsTax" "valueAddedTax" "consumptionTax" "taxPrice" "OrderReturn"
        "PaymentReturn" "LogisticsReturn" "InventoryReturn" "InvtCancelReturn" "MessageReturn" "Tax"
        "TaxHeadRd" "TaxListRd" "CEB311Message" "CEB411Message" "CEB511Message" "CEB621Message"
        "CEB623Message" "CEB312Message" "CEB412Message" "CEB512Message" "CEB622Message" "CEB624Message"
        "CEB816Message" "CEB900Message" "DxpMsg" "Data" "DxpRep" "Response"
        "ResponseCode" "ResponseInfo" "Results" "Result" "Code" "Info"
    )
}

fn malformed(e: impl std::fmt::Display) -> Error {
    Error::decode(format!("XML: {e}"))
}

fn join<'a>(joined: &mut Option<Cow<'a, str>>, piece: Cow<'a, str>) {
    match joined {
        Some(text) => text.to_mut().push_str(&piece),
        None => *joined = Some(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(text: &str) -> Result<Vec<(String, String)>, Error> {
        let mut steps = Steps::new(text, CEB)?;
        let mut found = Vec::new();
        steps.child()?;
        while let Some(name) = steps.child()? {
            found.push((name.to_owned(), steps.value()?.into_owned()));
        }
        Ok(found)
    }

    #[test]
    fn what_is_written_is_canonical_and_reads_back() {
        let mut w = Elements::new("ceb");
        w.open("OrderHead", &[("xmlns:ceb", CEB), ("guid", "x")]);
        w.text("orderNo", "1 < 2 & \"3\" > '4'", 60);
        w.optional("copNo", "", 60);
        w.number("freight", rust_decimal::Decimal::new(3_980_000, 4));
        w.close("OrderHead");
        let text = w.finish().unwrap();
        assert_eq!(
            text,
            "<ceb:OrderHead xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\" guid=\"x\"><ceb:orderNo>1 &lt; 2 &amp; \"3\" &gt; '4'</ceb:orderNo><ceb:freight>398</ceb:freight></ceb:OrderHead>"
        );
        let found = leaves(&text).unwrap();
        assert_eq!(found[0], ("orderNo".to_owned(), "1 < 2 & \"3\" > '4'".to_owned()));
    }

    #[test]
    fn rules_are_reported_with_the_field_and_without_the_value() {
        let mut w = Elements::new("ceb");
        w.text("buyerIdNumber", "99999919000101123X", 10);
        w.text("orderNo", " ", 60);
        w.fixed("currency", "CNY0", 3);
        w.number("weight", rust_decimal::Decimal::new(1, 6));
        let faults = w.finish().unwrap_err();
        let fields: Vec<&str> = faults.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(fields, ["buyerIdNumber", "orderNo", "currency", "weight"]);
        assert!(!refused(&faults).to_string().contains("99999919"));
    }

    #[test]
    fn hostile_documents_are_refused() {
        let inside = |s: &str| format!("<a xmlns='{CEB}'>{s}</a>");
        assert_eq!(leaves(&inside("<b>x&amp;&#65;y</b>")).unwrap()[0].1, "x&Ay");
        assert_eq!(leaves(&inside("<b><![CDATA[1 < 2]]></b>")).unwrap()[0].1, "1 < 2");
        assert_eq!(leaves(&inside("<b/><b>2</b>")).unwrap().len(), 2);
        // Elements of another namespace are skipped, whatever is in them.
        assert_eq!(leaves(&inside("<s xmlns='urn:other'><b>1</b></s><b>2</b>")).unwrap().len(), 1);
        for (bad, why) in [
            (format!("<!DOCTYPE a [<!ENTITY e 'x'>]>{}", inside("<b>&e;</b>")), "document type"),
            (inside("<b>&e;</b>"), "entity 'e' is refused"),
            (inside("<b>"), "XML"),
            (format!("<a xmlns='{CEB}'><b>1</b>"), "ends inside"),
            (inside("<x:b>1</x:b>"), "not declared"),
            (inside("stray"), "text between"),
        ] {
            let text = leaves(&bad).unwrap_err().to_string();
            assert!(text.contains(why), "{bad}: {text}");
        }
        let deep = format!("<a xmlns='{CEB}'>{}", "<b>".repeat(100));
        let mut steps = Steps::new(&deep, CEB).unwrap();
        let error = loop {
            match steps.next() {
                Ok(Step::End) => panic!("read to the end"),
                Ok(_) => {}
                Err(e) => break e.to_string(),
            }
        };
        assert!(error.contains("deeper than 16"), "{error}");
        assert!(Steps::new(&"x".repeat(MAX_BYTES + 1), CEB).is_err());
    }
}
