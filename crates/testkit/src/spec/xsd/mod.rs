//! A validator for the part of XML Schema 1.0 that the official files use.
//!
//! Known: global and local elements, references, named and anonymous types, `sequence`, `choice`, `all`, `group`,
//! occurrence counts, wildcards, simple and complex content extension, attributes, and simple types by restriction
//! (length, digits, range, pattern, enumeration facets), list and union. Not known: substitution groups, identity
//! constraints, `xsi:type`. A construct that is not known is a violation of its own, not a silent pass.
//!
//! A service definition (WSDL 1.1) is read as the schemas of its types, and pairs each request with its answer
//! ([`Xsd::exchange`]).

mod particle;
mod read;
mod simple;

use std::collections::HashMap;

use super::xml::{self, Element};
use super::{Finding, Violation};

const XS: &str = "http://www.w3.org/2001/XMLSchema";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

type QName = (String, String);

/// Schemas of one or more namespaces.
pub struct Xsd {
    files: Vec<File>,
    /// Of service definitions: the element of an operation's answer, by that of its request.
    answers: HashMap<QName, QName>,
}

struct File {
    name: String,
    target: String,
    qualified: bool,
    prefixes: HashMap<String, String>,
    /// Global declarations by kind (`element`, `complexType`, ...) and local name.
    globals: HashMap<(String, String), Element>,
}

/// A node of a schema file.
#[derive(Clone, Copy)]
struct Node<'a> {
    file: usize,
    el: &'a Element,
}

impl Xsd {
    /// Number of global elements: what can stand at the root of a message.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.files.iter().flat_map(|f| f.globals.keys()).filter(|(kind, _)| kind == "element").count()
    }

    /// Checks a message against the global element of its root.
    #[must_use]
    pub fn check(&self, message: &str) -> Vec<Violation> {
        let root = match xml::parse(message) {
            Ok(root) => root,
            Err(e) => return vec![Violation::new(Finding::Syntax, "/", e)],
        };
        let Some(decl) = self.global("element", &(root.ns.clone(), root.name.clone()), None) else {
            let text = format!("no schema declares the element {{{}}}{}", root.ns, root.name);
            return vec![Violation::new(Finding::UnknownField, format!("/{}", root.name), text)];
        };
        let mut run = Run { xsd: self, found: Vec::new() };
        run.element(decl, &root, &format!("/{}", root.name));
        run.found
    }

    /// Holds request and answer against the operations of a service definition: there is one that takes this request, and the
    /// answer is its own. Without a definition there is nothing to say.
    #[must_use]
    pub fn exchange(&self, request: &str, answer: Option<&str>) -> Option<Violation> {
        if self.answers.is_empty() {
            return None;
        }
        let name = |text: &str| xml::parse(text).map(|root| (root.ns, root.name));
        let asked = name(request).ok()?; // what is not well-formed is found by `check`
        let at = format!("/{}", asked.1);
        let Some(due) = self.answers.get(&asked) else {
            return Some(Violation::new(Finding::UnknownOperation, at, "no operation takes this request"));
        };
        match answer.map(name) {
            None => Some(Violation::new(Finding::BadBody, at, "the answer is no XML document")),
            Some(Ok(given)) if given != *due => {
                let text = format!("is answered with '{}', and not with '{}'", due.1, given.1);
                Some(Violation::new(Finding::UnknownField, at, text))
            }
            Some(_) => None,
        }
    }

    fn global(&self, kind: &str, name: &QName, prefer: Option<usize>) -> Option<Node<'_>> {
        let own = prefer.into_iter();
        let rest = (0..self.files.len()).filter(|i| Some(*i) != prefer);
        own.chain(rest).find_map(|i| {
            let f = self.files.get(i).filter(|f| f.target == name.0)?;
            f.globals.get(&(kind.to_owned(), name.1.clone())).map(|el| Node { file: i, el })
        })
    }

    fn qname(&self, file: usize, text: &str) -> QName {
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        let ns = self.files.get(file).and_then(|f| f.prefixes.get(prefix)).cloned().unwrap_or_default();
        (ns, local.to_owned())
    }
}

struct Run<'a> {
    xsd: &'a Xsd,
    found: Vec<Violation>,
}

impl<'a> Run<'a> {
    fn report(&mut self, finding: Finding, at: &str, text: impl Into<String>) {
        self.found.push(Violation::new(finding, at, text));
    }

    /// Follows `ref` of an element, attribute or group.
    fn deref(&self, node: Node<'a>) -> Node<'a> {
        let Some(reference) = node.el.attr("ref") else { return node };
        let name = self.xsd.qname(node.file, reference);
        self.xsd.global(&node.el.name, &name, Some(node.file)).unwrap_or(node)
    }

    fn element(&mut self, decl: Node<'a>, given: &Element, at: &str) {
        if given.attrs.iter().any(|(ns, n, v)| ns == XSI && n == "nil" && v == "true") {
            if decl.el.attr("nillable") != Some("true") {
                self.report(Finding::BadValue, at, "xsi:nil is not allowed here");
            }
            return;
        }
        if given.attrs.iter().any(|(ns, n, _)| ns == XSI && n == "type") {
            return self.report(Finding::Syntax, at, "the validator does not know xsi:type");
        }
        if decl.el.attr("default").is_some() && given.children.is_empty() && given.text.is_empty() {
            return; // stands for the default
        }
        if let Some(fixed) = decl.el.attr("fixed")
            && given.text.trim() != fixed
        {
            self.report(Finding::BadValue, at, format!("must be '{fixed}'"));
        }
        let inline =
            decl.el.children.iter().find(|c| matches!(c.name.as_str(), "complexType" | "simpleType"));
        if let Some(el) = inline {
            return self.of_type(Node { file: decl.file, el }, given, at);
        }
        let Some(type_name) = decl.el.attr("type") else { return }; // anyType
        let name = self.xsd.qname(decl.file, type_name);
        if name.0 == XS {
            if name.1 != "anyType" {
                self.leaf(given, at);
                self.builtin(&name.1, &given.text, at);
            }
            return;
        }
        match self.named_type(decl.file, &name) {
            Some(node) => self.of_type(node, given, at),
            None => self.report(Finding::Syntax, at, format!("the schema has no type '{}'", name.1)),
        }
    }

    fn named_type(&self, file: usize, name: &QName) -> Option<Node<'a>> {
        let xsd = self.xsd;
        xsd.global("complexType", name, Some(file)).or_else(|| xsd.global("simpleType", name, Some(file)))
    }

    /// A simple type holds no elements.
    fn leaf(&mut self, given: &Element, at: &str) {
        for child in &given.children {
            self.report(Finding::UnknownField, &format!("{at}/{}", child.name), "no element may stand here");
        }
        self.no_attributes(given, at, &[]);
    }

    fn no_attributes(&mut self, given: &Element, at: &str, allowed: &[String]) {
        for (ns, name, _) in &given.attrs {
            if ns != XSI && !(ns.is_empty() && allowed.contains(name)) {
                self.report(Finding::UnknownField, &format!("{at}/@{name}"), "no such attribute");
            }
        }
    }

    fn of_type(&mut self, node: Node<'a>, given: &Element, at: &str) {
        if node.el.name == "simpleType" {
            self.leaf(given, at);
            return self.simple(node, &given.text, at);
        }
        let mut parts = Vec::new();
        let mut attributes = Vec::new();
        let mut text = None;
        let mut any_attribute = false;
        self.content(node, &mut parts, &mut attributes, &mut text, &mut any_attribute, at);
        self.attributes(&attributes, any_attribute, given, at);
        match text {
            Some(base) => {
                for child in &given.children {
                    self.report(
                        Finding::UnknownField,
                        &format!("{at}/{}", child.name),
                        "no element may stand here",
                    );
                }
                self.value(base, &given.text, at);
            }
            None => {
                let mut next = 0;
                for part in parts {
                    next = self.particle(part, &given.children, next, at);
                }
                if let Some(extra) = given.children.get(next) {
                    let text = format!("element '{}' is not expected here", extra.name);
                    self.report(Finding::UnknownField, &format!("{at}/{}", extra.name), text);
                }
                if node.el.attr("mixed") != Some("true") && !given.text.trim().is_empty() {
                    self.report(Finding::BadValue, at, "text between elements");
                }
            }
        }
    }

    /// Collects what a complex type is made of, base types first.
    fn content(
        &mut self,
        node: Node<'a>,
        parts: &mut Vec<Node<'a>>,
        attributes: &mut Vec<Node<'a>>,
        text: &mut Option<Node<'a>>,
        any: &mut bool,
        at: &str,
    ) {
        for el in &node.el.children {
            let here = Node { file: node.file, el };
            match el.name.as_str() {
                "sequence" | "choice" | "all" | "group" => parts.push(here),
                "attribute" => attributes.push(here),
                "anyAttribute" => *any = true,
                "attributeGroup" => {
                    let group = self.deref(here);
                    self.content(group, parts, attributes, text, any, at);
                }
                "simpleContent" | "complexContent" => self.content(here, parts, attributes, text, any, at),
                "extension" | "restriction" => {
                    let base = self.xsd.qname(node.file, el.attr("base").unwrap_or_default());
                    if base.0 == XS || node.el.name == "simpleContent" {
                        *text = Some(here);
                    }
                    if base.0 != XS
                        && let Some(base) = self.named_type(node.file, &base)
                    {
                        if base.el.name == "simpleType" {
                            *text = Some(base);
                        } else if el.name == "extension" {
                            self.content(base, parts, attributes, text, any, at);
                        }
                    }
                    self.content(here, parts, attributes, text, any, at);
                }
                "annotation" => {}
                name if is_facet(name) || name == "simpleType" => {}
                name => self.report(
                    Finding::Syntax,
                    at,
                    format!("the validator does not know xs:{name} in a type"),
                ),
            }
        }
    }

    fn attributes(&mut self, declared: &[Node<'a>], any: bool, given: &Element, at: &str) {
        let mut names = Vec::new();
        for node in declared {
            let usage = node.el.attr("use");
            let decl = self.deref(*node);
            let Some(name) = decl.el.attr("name") else { continue };
            names.push(name.to_owned());
            let here = format!("{at}/@{name}");
            match given.attr(name) {
                None if usage == Some("required") => {
                    self.report(Finding::MissingField, &here, "required attribute")
                }
                None => {}
                Some(value) => {
                    if decl.el.attr("fixed").is_some_and(|f| f != value) {
                        self.report(Finding::BadValue, &here, "not the fixed value");
                    }
                    self.value(decl, value, &here);
                }
            }
        }
        if !any {
            self.no_attributes(given, at, &names);
        }
    }
}

impl std::fmt::Debug for Xsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.files.iter().map(|x| &x.name)).finish()
    }
}

fn is_facet(name: &str) -> bool {
    matches!(
        name,
        "length"
            | "minLength"
            | "maxLength"
            | "pattern"
            | "enumeration"
            | "whiteSpace"
            | "totalDigits"
            | "fractionDigits"
            | "minInclusive"
            | "maxInclusive"
            | "minExclusive"
            | "maxExclusive"
    )
}
