//! A small XML tree reader: elements by local name, text unescaped. For requests, which are small.

use quick_xml::Reader;
use quick_xml::events::Event;

/// An element with its text, attributes and children.
#[derive(Debug, Default, Clone)]
pub(in crate::channels) struct Node {
    pub(in crate::channels) name: String,
    pub(in crate::channels) text: String,
    pub(in crate::channels) attributes: Vec<(String, String)>,
    pub(in crate::channels) children: Vec<Node>,
}

impl Node {
    pub(in crate::channels) fn parse(bytes: &[u8]) -> Option<Node> {
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

    pub(in crate::channels) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|c| c.name == name)
    }

    pub(in crate::channels) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// Trimmed text of the element at a path; empty if there is none.
    pub(in crate::channels) fn get(&self, path: &[&str]) -> &str {
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
    Some(
        match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "apos" => "'",
            _ => return None,
        }
        .to_owned(),
    )
}
