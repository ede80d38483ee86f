//! A small XML tree with resolved namespaces, for schema files and for the messages checked against them.
//!
//! Messages come from outside: a document type declaration is refused, so no entity is ever expanded but XML's five.

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

/// An element.
#[derive(Debug, Clone, Default)]
pub struct Element {
    /// Namespace; empty for none.
    pub ns: String,
    /// Local name.
    pub name: String,
    /// Attributes: namespace, local name, value. Namespace declarations are not among them.
    pub attrs: Vec<(String, String, String)>,
    /// Prefixes declared on this element: prefix (empty for the default) and namespace.
    pub declared: Vec<(String, String)>,
    /// Child elements.
    pub children: Vec<Element>,
    /// Text, all pieces joined.
    pub text: String,
}

impl Element {
    /// An attribute without namespace.
    #[must_use]
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs.iter().find(|(ns, n, _)| ns.is_empty() && n == name).map(|(_, _, v)| v.as_str())
    }

    /// Children of a name, whatever their namespace.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }
}

/// Deepest nesting that is read.
const DEPTH: usize = 200;

/// Reads a document. A byte order mark is skipped.
///
/// # Errors
/// Not well-formed, nested too deeply, or with a document type declaration.
pub fn parse(text: &str) -> Result<Element, String> {
    parse_without(text, None)
}

/// Reads a document, without the elements of this namespace and name and all that they hold: the notes of a schema, which
/// are most of it.
pub(super) fn parse_without(text: &str, skipped: Option<(&str, &str)>) -> Result<Element, String> {
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    let mut stack: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    loop {
        let event =
            reader.read_event().map_err(|e| format!("XML at byte {}: {e}", reader.error_position()))?;
        match event {
            Event::DocType(_) => return Err("a document type declaration is refused".to_owned()),
            Event::Start(start) => {
                if stack.len() >= DEPTH {
                    return Err(format!("nested deeper than {DEPTH} elements"));
                }
                let started = element(&reader, &start)?;
                if skipped == Some((&started.ns, &started.name)) {
                    reader
                        .read_to_end(start.name())
                        .map_err(|e| format!("XML at byte {}: {e}", reader.error_position()))?;
                    continue;
                }
                stack.push(started);
            }
            Event::Empty(start) => {
                let done = element(&reader, &start)?;
                close(done, &mut stack, &mut root)?;
            }
            Event::End(_) => {
                let done = stack.pop().ok_or("an end tag without a start tag")?;
                close(done, &mut stack, &mut root)?;
            }
            Event::Text(t) => {
                let piece = t.xml10_content();
                match stack.last_mut() {
                    Some(top) => top.text.push_str(&piece),
                    None if piece.trim().is_empty() => {}
                    None => return Err("text outside the root element".to_owned()),
                }
            }
            Event::CData(t) => {
                let piece = t.xml10_content();
                if let Some(top) = stack.last_mut() {
                    top.text.push_str(&piece);
                }
            }
            Event::GeneralRef(r) => {
                let c = match r.resolve_char_ref().map_err(|e| e.to_string())? {
                    Some(c) => c.to_string(),
                    None => {
                        let name = r.xml10_content();
                        let found = quick_xml::escape::resolve_predefined_entity(&name);
                        found.ok_or_else(|| format!("entity '{name}' is refused"))?.to_owned()
                    }
                };
                if let Some(top) = stack.last_mut() {
                    top.text.push_str(&c);
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match (stack.is_empty(), root) {
        (true, Some(root)) => Ok(root),
        (true, None) => Err("no root element".to_owned()),
        (false, _) => Err("the document ends inside an element".to_owned()),
    }
}

fn close(done: Element, stack: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    match stack.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return Err("a second root element".to_owned()),
    }
    Ok(())
}

fn element(reader: &NsReader<&[u8]>, start: &quick_xml::events::BytesStart<'_>) -> Result<Element, String> {
    let space = |r: ResolveResult<'_>| match r {
        ResolveResult::Bound(ns) => Ok(ns.as_ref().to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(p) => Err(format!("prefix '{}' is not declared", p)),
    };
    let (ns, local) = reader.resolver().resolve_element(start.name());
    let mut out = Element { ns: space(ns)?, name: local.as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Explicit1_0)
            .map_err(|e| e.to_string())?
            .into_owned();
        let key = attribute.key.as_ref().to_owned();
        if key == "xmlns" || key.starts_with("xmlns:") {
            out.declared.push((key.trim_start_matches("xmlns").trim_start_matches(':').to_owned(), value));
            continue;
        }
        let (ns, local) = reader.resolver().resolve_attribute(attribute.key);
        out.attrs.push((space(ns)?, local.as_ref().to_owned(), value));
    }
    Ok(out)
}
