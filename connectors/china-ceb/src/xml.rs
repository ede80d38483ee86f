//! Writing and reading XML by hand (`quick-xml`'s `Writer` and `Reader`): customs binds the order of elements, and
//! serde knows no namespaces.
//!
//! What is written is in the form of Canonical XML 1.0 from the start (no blanks between elements, no empty-element
//! tags, attributes sorted, `&lt; &gt; &amp;` alone escaped), so the bytes that are signed are the bytes that are sent.
//! What is read is bounded: size, depth, number of nodes; a document type declaration is refused and no entity but
//! XML's own five is expanded.

use std::borrow::Cow;

use quick_xml::events::{BytesEnd, BytesRef, BytesStart, BytesText, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};
use quick_xml::{Reader, Writer};
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

/// A step through a document of one namespace. The text in front of a step is in [`Steps::text`].
#[derive(Debug)]
enum Step<'a> {
    /// An element begins: its local name.
    Open(&'a str),
    /// The innermost element ends.
    Close,
    /// The document ends.
    End,
}

/// Reads a document step by step. Elements of other namespaces than the expected one (a signature) are skipped whole.
pub(crate) struct Steps<'a> {
    document: &'a str,
    reader: Reader<&'a [u8]>,
    spaces: Spaces,
    depth: usize,
    /// The end of an element written as `<x/>`.
    pending_close: bool,
    /// The text since the last step, its pieces joined; white space in front of it is left out.
    text: Cow<'a, str>,
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
        let document = text.trim_start_matches('\u{feff}').trim_start();
        let (reader, spaces) = (Reader::from_str(document), Spaces::of(namespace));
        Ok(Steps { document, reader, spaces, depth: 0, pending_close: false, text: Cow::Borrowed("") })
    }

    /// The next step.
    fn next(&mut self) -> Result<Step<'a>, Error> {
        self.text = Cow::Borrowed("");
        if std::mem::take(&mut self.pending_close) {
            return Ok(self.close());
        }
        loop {
            match self.reader.read_event().map_err(malformed)? {
                // Indentation: half of the texts of a message.
                Event::Text(text) if self.text.is_empty() && blank(&text) => {}
                Event::Text(text) => join(&mut self.text, text.xml10_content()),
                Event::CData(text) => join(&mut self.text, text.xml10_content()),
                Event::GeneralRef(reference) => join(&mut self.text, Cow::Owned(referred(&reference)?)),
                Event::DocType(_) => {
                    return Err(Error::decode("XML: a document type declaration is refused"));
                }
                Event::Start(start) => {
                    if self.spaces.open(&start)? {
                        return self.open(&start, ">");
                    }
                    self.reader.read_to_end(start.name()).map_err(malformed)?;
                    self.spaces.close();
                }
                Event::Empty(start) => {
                    if self.spaces.open(&start)? {
                        self.pending_close = true;
                        return self.open(&start, "/>");
                    }
                    self.spaces.close();
                }
                Event::End(_) => return Ok(self.close()),
                Event::Eof if self.depth > 0 => {
                    return Err(Error::decode("XML: the message ends inside an element"));
                }
                Event::Eof => return Ok(Step::End),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// `end`: what closes the tag that was just read.
    fn open(&mut self, start: &BytesStart<'_>, end: &str) -> Result<Step<'a>, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::decode(format!("XML: nested deeper than {MAX_DEPTH} elements")));
        }
        // An event lends its name no longer than it lives; the document, which has the same bytes, lends it as long as we want.
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let tag = position.checked_sub(end.len() + start.len()).and_then(|from| self.document.get(from..));
        let name = start.name();
        let tag = tag.filter(|tag| tag.starts_with(name.into_inner()));
        let written = tag.and_then(|tag| tag.get(..name.into_inner().len()));
        let written = written.ok_or_else(|| Error::decode("XML: the place of an element is not known"))?;
        Ok(Step::Open(written.split_once(':').map_or(written, |(_, local)| local)))
    }

    fn close(&mut self) -> Step<'a> {
        self.depth = self.depth.saturating_sub(1);
        self.spaces.close();
        Step::Close
    }

    /// The text of the element that was just opened, but for white space in front of it; its end is read too.
    pub(crate) fn value(&mut self) -> Result<Cow<'a, str>, Error> {
        match self.next()? {
            Step::Close => Ok(std::mem::take(&mut self.text)),
            Step::Open(_) => Err(Error::decode("XML: an element where a value was expected")),
            Step::End => Err(Error::decode("XML: the message ends inside an element")),
        }
    }

    /// The next child of the element we are in, or `None` at its end (which is read).
    pub(crate) fn child(&mut self) -> Result<Option<&'a str>, Error> {
        let step = self.next()?;
        if !blank(&self.text) {
            return Err(Error::decode("XML: text between elements"));
        }
        match step {
            Step::Open(name) => Ok(Some(name)),
            Step::Close | Step::End => Ok(None),
        }
    }

    /// Skips the element that was just opened.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Step::Open(_) => depth += 1,
                Step::Close => depth -= 1,
                Step::End => return Err(Error::decode("XML: the message ends inside an element")),
            }
        }
        Ok(())
    }
}

/// Which elements are of the namespace we read. An element without attributes declares nothing, so the answer for the
/// prefix of the element before holds for it too: nearly every element of a message is such a one.
struct Spaces {
    namespace: &'static str,
    declared: NamespaceResolver,
    level: usize,
    /// Levels at which attributes stand, the innermost last: there alone declarations begin.
    scopes: Vec<usize>,
    /// A prefix that is bound to our namespace, `""` for none; forgotten wherever a declaration begins or ends.
    ours: Option<String>,
}

impl Spaces {
    fn of(namespace: &'static str) -> Spaces {
        Spaces { namespace, declared: NamespaceResolver::default(), level: 0, scopes: vec![], ours: None }
    }

    /// Enters an element: whether it is of our namespace. Whichever it is, [`Spaces::close`] leaves it.
    fn open(&mut self, start: &BytesStart<'_>) -> Result<bool, Error> {
        self.level += 1;
        if !start.attributes_raw().is_empty() {
            self.declared.push(start).map_err(malformed)?;
            self.scopes.push(self.level);
            self.ours = None;
        }
        let prefix = start.name().prefix();
        let written = prefix.map_or("", |p| p.into_inner());
        // Nearly always both are empty, and then they are not compared byte by byte: of an empty text there is no address, and
        // to load nothing from nowhere costs some processors more than all else that is done for an element.
        let ours = self
            .ours
            .as_deref()
            .is_some_and(|ours| ours.len() == written.len() && (ours.is_empty() || ours == written));
        if !ours {
            match self.declared.resolve_prefix(prefix, true) {
                ResolveResult::Bound(Namespace(found)) if found == self.namespace => {
                    self.ours = Some(written.to_owned());
                }
                ResolveResult::Bound(_) | ResolveResult::Unbound => return Ok(false),
                ResolveResult::Unknown(prefix) => {
                    return Err(Error::decode(format!("XML: prefix '{prefix}' is not declared")));
                }
            }
        }
        Ok(true)
    }

    fn close(&mut self) {
        if self.scopes.pop_if(|level| *level == self.level).is_some() {
            self.declared.pop();
            self.ours = None;
        }
        self.level = self.level.saturating_sub(1);
    }
}

fn malformed(e: impl std::fmt::Display) -> Error {
    Error::decode(format!("XML: {e}"))
}

/// What a reference stands for: a character, or one of XML's own five entities.
fn referred(reference: &BytesRef<'_>) -> Result<String, Error> {
    if let Some(c) = reference.resolve_char_ref().map_err(malformed)? {
        return Ok(c.to_string());
    }
    let name = reference.xml10_content();
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::decode(format!("XML: entity '{name}' is refused"))),
    }
}

/// Whether a text holds nothing but white space; XML's own first, which is what stands between elements.
fn blank(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_whitespace()) || text.trim().is_empty()
}

fn join<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.to_mut().push_str(&piece);
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
        // A declaration holds in its element and no longer, in whatever form the element is written.
        for (text, found) in [
            ("<b>1</b><s xmlns='urn:other'/><b>2</b>", 2),
            ("<b xmlns=''>1</b><b>2</b>", 1),
            ("<b>1</b><s xmlns='urn:other'><b>1</b><s><b/></s></s><b>2</b>", 2),
            ("<x:b xmlns:x='urn:other'>1</x:b><b>2</b>", 1),
            (&*format!("<x:b xmlns:x='{CEB}'>1</x:b><b id='1'>2</b><x:b xmlns:x='urn:other'>1</x:b>"), 2),
            (&*format!("<s xmlns='urn:other'><b xmlns='{CEB}'>1</b></s><b xmlns='{CEB}'>2</b>"), 1),
        ] {
            assert_eq!(leaves(&inside(text)).unwrap().len(), found, "{text}");
        }
        for (bad, why) in [
            (format!("<!DOCTYPE a [<!ENTITY e 'x'>]>{}", inside("<b>&e;</b>")), "document type"),
            (inside("<b>&e;</b>"), "entity 'e' is refused"),
            (inside("<b>"), "XML"),
            (format!("<a xmlns='{CEB}'><b>1</b>"), "ends inside"),
            (inside("<x:b>1</x:b>"), "not declared"),
            (inside("<x:b xmlns:x='urn:other'/><x:b>1</x:b>"), "not declared"),
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
