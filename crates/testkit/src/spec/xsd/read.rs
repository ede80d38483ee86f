//! Schema files, and service definitions that hold schemas.

use std::collections::HashMap;
use std::path::PathBuf;

use super::super::SpecError;
use super::super::xml::{self, Element};
use super::{File, QName, XS, Xsd};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";

impl Xsd {
    /// Reads schema files and service definitions. Names are looked up in the own schema first, then in the others: that
    /// replaces `schemaLocation`, whose file names are not reliable.
    ///
    /// # Errors
    /// A file cannot be read or is neither.
    pub fn load(paths: &[PathBuf]) -> Result<Xsd, SpecError> {
        let mut files = Vec::new();
        for path in paths {
            let bytes = std::fs::read(path).map_err(|e| SpecError::new(path.display(), e))?;
            files.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
        Xsd::parse(&files)
    }

    /// From names and texts.
    ///
    /// # Errors
    /// A text is neither a schema nor a service definition.
    pub fn parse(texts: &[(String, String)]) -> Result<Xsd, SpecError> {
        let mut xsd = Xsd { files: Vec::new(), answers: HashMap::new() };
        for (name, text) in texts {
            let wrong = |why: String| SpecError::new(name, why);
            let root = xml::parse_without(&strip_doctype(text), Some((XS, "annotation"))).map_err(wrong)?;
            match (root.ns.as_str(), root.name.as_str()) {
                (XS, "schema") => xsd.files.push(schema(name, root, &[])),
                (WSDL, "definitions") => xsd.definitions(name, root).map_err(wrong)?,
                _ => return Err(wrong("neither an XML Schema nor a service definition".to_owned())),
            }
        }
        Ok(xsd)
    }

    /// The schemas of a service definition, and what its operations take and give.
    fn definitions(&mut self, name: &str, mut root: Element) -> Result<(), String> {
        let prefixes: HashMap<String, String> = root.declared.iter().cloned().collect();
        let own = root.attr("targetNamespace").unwrap_or_default().to_owned();
        // Messages are named in the definition's namespace, elements in that of their prefix.
        let local = |text: &str| text.split_once(':').map_or(text, |(_, local)| local).to_owned();
        let element = |text: &str| -> QName {
            let prefix = text.split_once(':').map_or("", |(prefix, _)| prefix);
            (prefixes.get(prefix).unwrap_or(&own).clone(), local(text))
        };
        let bodies: HashMap<String, QName> = root
            .all("message")
            .filter_map(|m| {
                Some((m.attr("name")?.to_owned(), element(m.all("part").next()?.attr("element")?)))
            })
            .collect();
        for operation in root.all("portType").flat_map(|p| p.all("operation")) {
            let body = |way: &str| {
                let message = operation.children.iter().find(|c| c.name == way)?.attr("message")?;
                bodies.get(&local(message)).cloned()
            };
            let (Some(request), Some(answer)) = (body("input"), body("output")) else {
                let called = operation.attr("name").unwrap_or_default();
                return Err(format!(
                    "operation '{called}' does not name the elements of its request and answer"
                ));
            };
            self.answers.insert(request, answer);
        }
        for child in std::mem::take(&mut root.children).into_iter().filter(|c| c.name == "types") {
            for child in child.children.into_iter().filter(|c| c.ns == XS && c.name == "schema") {
                self.files.push(schema(name, child, &root.declared));
            }
        }
        Ok(())
    }
}

/// The W3C's signature schema carries a DOCTYPE, which the reader refuses; in a schema file it says nothing.
fn strip_doctype(text: &str) -> std::borrow::Cow<'_, str> {
    let Some(start) = text.find("<!DOCTYPE") else { return text.into() };
    let rest = &text[start..];
    let end = match (rest.find('['), rest.find('>')) {
        (Some(open), Some(close)) if open < close => rest.find("]>").map(|i| i + 2),
        (_, close) => close.map(|i| i + 1),
    };
    format!("{}{}", &text[..start], &rest[end.unwrap_or(rest.len())..]).into()
}

/// A schema with the prefixes that are declared around it.
fn schema(name: &str, root: Element, around: &[(String, String)]) -> File {
    let target = root.attr("targetNamespace").unwrap_or_default().to_owned();
    let qualified = root.attr("elementFormDefault") == Some("qualified");
    let prefixes = around.iter().chain(&root.declared).cloned().collect();
    let named = root.children.into_iter().filter_map(|child| {
        let key = (child.name.clone(), child.attr("name")?.to_owned());
        Some((key, child))
    });
    File { name: name.to_owned(), target, qualified, prefixes, globals: named.collect() }
}
