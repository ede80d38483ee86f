//! A validator for the part of XML Schema 1.0 that the official files use.
//!
//! Known: global and local elements, references, named and anonymous types, `sequence`, `choice`, `all`, `group`,
//! occurrence counts, `any`, simple and complex content extension, attributes, and simple types by restriction
//! (length, digits, range, pattern, enumeration facets), list and union. Not known: substitution groups, identity
//! constraints, `xsi:type`. A construct that is not known is a violation of its own, not a silent pass.

use std::collections::HashMap;
use std::path::PathBuf;

use super::xml::{self, Element};
use super::{Finding, SpecError, Violation};

const XS: &str = "http://www.w3.org/2001/XMLSchema";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

type QName = (String, String);

/// Schemas of one or more namespaces.
pub struct Xsd {
    files: Vec<File>,
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
    /// Reads schema files. Names are looked up in the own file first, then in the others: that replaces
    /// `schemaLocation`, whose file names are not reliable.
    ///
    /// # Errors
    /// A file cannot be read or is not a schema.
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
    /// A text is not a schema.
    pub fn parse(texts: &[(String, String)]) -> Result<Xsd, SpecError> {
        let files =
            texts.iter().map(|(name, text)| file(name, &strip_doctype(text))).collect::<Result<_, _>>()?;
        Ok(Xsd { files })
    }

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

/// The W3C's signature schema carries a DOCTYPE, which the reader refuses; in a schema file it says nothing.
fn strip_doctype(text: &str) -> String {
    let Some(start) = text.find("<!DOCTYPE") else { return text.to_owned() };
    let rest = &text[start..];
    let end = match (rest.find('['), rest.find('>')) {
        (Some(open), Some(close)) if open < close => rest.find("]>").map(|i| i + 2),
        (_, close) => close.map(|i| i + 1),
    };
    format!("{}{}", &text[..start], &rest[end.unwrap_or(rest.len())..])
}

fn file(name: &str, text: &str) -> Result<File, SpecError> {
    let root = xml::parse(text).map_err(|e| SpecError::new(name, e))?;
    if root.ns != XS || root.name != "schema" {
        return Err(SpecError::new(name, "not an XML Schema"));
    }
    let mut globals = HashMap::new();
    for child in &root.children {
        if let Some(n) = child.attr("name") {
            globals.insert((child.name.clone(), n.to_owned()), child.clone());
        }
    }
    Ok(File {
        name: name.to_owned(),
        target: root.attr("targetNamespace").unwrap_or_default().to_owned(),
        qualified: root.attr("elementFormDefault") == Some("qualified"),
        prefixes: root.declared.iter().cloned().collect(),
        globals,
    })
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

    /// Text by a declaration that has `type`, `base` or an inline simple type.
    fn value(&mut self, node: Node<'a>, text: &str, at: &str) {
        if let Some(el) = node.el.all("simpleType").next() {
            self.simple(Node { file: node.file, el }, text, at);
        } else if node.el.name == "simpleType" {
            self.simple(node, text, at);
        } else if let Some(name) = node.el.attr("type").or_else(|| node.el.attr("base")) {
            self.by_name(node.file, name, text, at);
            if node.el.name == "restriction" {
                self.facets(node, text, at);
            }
        }
    }

    fn by_name(&mut self, file: usize, name: &str, text: &str, at: &str) {
        let name = self.xsd.qname(file, name);
        if name.0 == XS {
            return self.builtin(&name.1, text, at);
        }
        match self.xsd.global("simpleType", &name, Some(file)) {
            Some(node) => self.simple(node, text, at),
            None => self.report(Finding::Syntax, at, format!("the schema has no simple type '{}'", name.1)),
        }
    }

    fn simple(&mut self, node: Node<'a>, text: &str, at: &str) {
        for el in &node.el.children {
            let here = Node { file: node.file, el };
            match el.name.as_str() {
                "restriction" => {
                    match el.attr("base") {
                        Some(base) => self.by_name(node.file, base, text, at),
                        None => {
                            for inner in el.all("simpleType") {
                                self.simple(Node { file: node.file, el: inner }, text, at);
                            }
                        }
                    }
                    self.facets(here, text, at);
                }
                "list" => {
                    for item in text.split_whitespace() {
                        if let Some(name) = el.attr("itemType") {
                            self.by_name(node.file, name, item, at);
                        }
                        for inner in el.all("simpleType") {
                            self.simple(Node { file: node.file, el: inner }, item, at);
                        }
                    }
                }
                "union" => {
                    let members = el.attr("memberTypes").unwrap_or_default();
                    let fits =
                        members.split_whitespace().any(|m| self.quiet(|r| r.by_name(node.file, m, text, at)))
                            || el
                                .all("simpleType")
                                .any(|t| self.quiet(|r| r.simple(Node { file: node.file, el: t }, text, at)));
                    if !fits {
                        self.report(
                            Finding::BadValue,
                            at,
                            format!("'{}' fits no member of the union", clip(text)),
                        );
                    }
                }
                "annotation" => {}
                name => self.report(Finding::Syntax, at, format!("the validator does not know xs:{name}")),
            }
        }
    }

    fn quiet(&self, check: impl FnOnce(&mut Run<'a>)) -> bool {
        let mut run = Run { xsd: self.xsd, found: Vec::new() };
        check(&mut run);
        run.found.is_empty()
    }

    fn facets(&mut self, node: Node<'a>, raw: &str, at: &str) {
        let base = node.el.attr("base").map(|b| self.xsd.qname(node.file, b).1).unwrap_or_default();
        let collapse =
            base != "string" || node.el.all("whiteSpace").any(|w| w.attr("value") == Some("collapse"));
        let text = if collapse { raw.trim() } else { raw };
        let length = text.chars().count();
        let mut choices = Vec::new();
        let mut patterns = Vec::new();
        for facet in &node.el.children {
            let limit = facet.attr("value").unwrap_or_default();
            let number = limit.parse::<usize>().unwrap_or(usize::MAX);
            let broken = match facet.name.as_str() {
                "length" => length != number,
                "minLength" => length < number,
                "maxLength" => length > number,
                "totalDigits" => digits(text).0 > number,
                "fractionDigits" => digits(text).1 > number,
                "minInclusive" => compare(text, limit).is_none_or(|o| o.is_lt()),
                "maxInclusive" => compare(text, limit).is_none_or(|o| o.is_gt()),
                "minExclusive" => compare(text, limit).is_none_or(|o| o.is_le()),
                "maxExclusive" => compare(text, limit).is_none_or(|o| o.is_ge()),
                "enumeration" => {
                    choices.push(limit);
                    false
                }
                "pattern" => {
                    patterns.push(limit);
                    false
                }
                _ => false,
            };
            if broken {
                self.report(Finding::BadValue, at, format!("'{}' breaks {} {limit}", clip(text), facet.name));
            }
        }
        if !choices.is_empty() && !choices.contains(&text) {
            self.report(
                Finding::BadValue,
                at,
                format!("'{}' is not one of {}", clip(text), choices.join(", ")),
            );
        }
        let fits = |p: &&str| regex::Regex::new(&format!("^(?:{p})$")).map_or(true, |r| r.is_match(text));
        if !patterns.is_empty() && !patterns.iter().any(fits) {
            self.report(
                Finding::BadValue,
                at,
                format!("'{}' does not fit {}", clip(text), patterns.join(" or ")),
            );
        }
    }

    fn builtin(&mut self, name: &str, raw: &str, at: &str) {
        let text = raw.trim();
        let integer = || text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_integer = || !integer().is_empty() && integer().bytes().all(|b| b.is_ascii_digit());
        let fits = match name {
            "decimal" => !text.is_empty() && digits(text).2,
            "integer" => is_integer(),
            "int" => is_integer() && text.parse::<i32>().is_ok(),
            "long" => is_integer() && text.parse::<i64>().is_ok(),
            "short" => is_integer() && text.parse::<i16>().is_ok(),
            "byte" => is_integer() && text.parse::<i8>().is_ok(),
            "nonNegativeInteger" | "unsignedInt" | "unsignedLong" => is_integer() && !text.starts_with('-'),
            "positiveInteger" => {
                is_integer() && !text.starts_with('-') && text.bytes().any(|b| matches!(b, b'1'..=b'9'))
            }
            "float" | "double" => text.parse::<f64>().is_ok(),
            "boolean" => matches!(text, "true" | "false" | "0" | "1"),
            "date" => date(text),
            "dateTime" => text.split_once('T').is_some_and(|(d, t)| date(d) && time(t)),
            "time" => time(text),
            "base64Binary" => text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b) || b.is_ascii_whitespace()),
            "hexBinary" => text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit()),
            "ID" | "NCName" | "IDREF" => {
                !text.is_empty()
                    && !text.contains([':', ' '])
                    && !text.starts_with(|c: char| c.is_ascii_digit())
            }
            // Texts, and addresses that may be nearly anything.
            "string" | "normalizedString" | "token" | "anyURI" | "anySimpleType" | "language" | "Name"
            | "NMTOKEN" | "QName" => true,
            other => {
                self.report(Finding::Syntax, at, format!("the validator does not know xs:{other}"));
                true
            }
        };
        if !fits {
            self.report(Finding::BadValue, at, format!("'{}' is not an xs:{name}", clip(text)));
        }
    }

    /// Name and namespace that an element particle expects.
    fn expected(&self, node: Node<'a>) -> QName {
        let decl = self.deref(node);
        let name = decl.el.attr("name").unwrap_or_default().to_owned();
        let file = self.xsd.files.get(decl.file);
        let global = node.el.attr("ref").is_some();
        let qualified =
            global || decl.el.attr("form").map_or(file.is_some_and(|f| f.qualified), |f| f == "qualified");
        let ns = if qualified { file.map(|f| f.target.clone()).unwrap_or_default() } else { String::new() };
        (ns, name)
    }

    /// Could this particle begin with that element?
    fn starts(&self, node: Node<'a>, given: &Element) -> bool {
        match node.el.name.as_str() {
            "element" => {
                let (ns, name) = self.expected(node);
                given.name == name && given.ns == ns
            }
            "any" => true,
            "sequence" => {
                for el in particles(node.el) {
                    let part = Node { file: node.file, el };
                    if self.starts(part, given) {
                        return true;
                    }
                    if !self.emptiable(part) {
                        return false;
                    }
                }
                false
            }
            "choice" | "all" => particles(node.el).any(|el| self.starts(Node { file: node.file, el }, given)),
            "group" => {
                let group = self.deref(node);
                particles(group.el).any(|el| self.starts(Node { file: group.file, el }, given))
            }
            _ => false,
        }
    }

    fn emptiable(&self, node: Node<'a>) -> bool {
        if bounds(node.el).0 == 0 {
            return true;
        }
        let inner = |el| self.emptiable(Node { file: node.file, el });
        match node.el.name.as_str() {
            "sequence" | "all" => particles(node.el).all(inner),
            "choice" => particles(node.el).any(inner),
            "group" => {
                let group = self.deref(node);
                particles(group.el).all(|el| self.emptiable(Node { file: group.file, el }))
            }
            _ => false,
        }
    }

    /// Consumes children from `next` on; XML Schema's rule of unique attribution makes the greedy match right.
    fn particle(&mut self, node: Node<'a>, given: &[Element], mut next: usize, at: &str) -> usize {
        let (least, most) = bounds(node.el);
        let mut count = 0;
        while count < most {
            let Some(child) = given.get(next).filter(|c| self.starts(node, c)) else { break };
            let before = next;
            next = match node.el.name.as_str() {
                "element" => {
                    let decl = self.deref(node);
                    let nth = if most > 1 { format!("[{}]", count + 1) } else { String::new() };
                    self.element(decl, child, &format!("{at}/{}{nth}", child.name));
                    next + 1
                }
                "any" => next + 1,
                "choice" => self.choice(node, given, next, at),
                "all" => self.all(node, given, next, at),
                _ => {
                    let body = self.deref(node);
                    let mut here = next;
                    for el in particles(body.el) {
                        here = self.particle(Node { file: body.file, el }, given, here, at);
                    }
                    here
                }
            };
            count += 1;
            if next == before {
                break;
            }
        }
        if count < least && !self.inner_empty(node) {
            let (finding, what) = match node.el.name.as_str() {
                "element" => (Finding::MissingField, format!("element '{}'", self.expected(node).1)),
                other => (Finding::MissingField, format!("one of the {other} of {}", self.names(node))),
            };
            let place = match node.el.name.as_str() {
                "element" => format!("{at}/{}", self.expected(node).1),
                _ => at.to_owned(),
            };
            let found = given.get(next).map_or("nothing".to_owned(), |c| format!("'{}'", c.name));
            self.report(
                finding,
                &place,
                format!("{what} is missing ({count} of at least {least}); found {found} in its place"),
            );
        }
        next
    }

    fn inner_empty(&self, node: Node<'a>) -> bool {
        match node.el.name.as_str() {
            "element" | "any" => false,
            "choice" => particles(node.el).any(|el| self.emptiable(Node { file: node.file, el })),
            _ => {
                let body = self.deref(node);
                particles(body.el).all(|el| self.emptiable(Node { file: body.file, el }))
            }
        }
    }

    fn names(&self, node: Node<'a>) -> String {
        let body = self.deref(node);
        let names: Vec<String> = particles(body.el)
            .filter(|el| el.name == "element")
            .map(|el| self.expected(Node { file: body.file, el }).1)
            .collect();
        names.join(", ")
    }

    fn choice(&mut self, node: Node<'a>, given: &[Element], next: usize, at: &str) -> usize {
        let Some(child) = given.get(next) else { return next };
        let chosen =
            particles(node.el).map(|el| Node { file: node.file, el }).find(|p| self.starts(*p, child));
        chosen.map_or(next, |p| self.particle(p, given, next, at))
    }

    fn all(&mut self, node: Node<'a>, given: &[Element], mut next: usize, at: &str) -> usize {
        let mut open: Vec<Node<'a>> = particles(node.el).map(|el| Node { file: node.file, el }).collect();
        while let Some(child) = given.get(next) {
            let Some(i) = open.iter().position(|p| self.starts(*p, child)) else { break };
            let part = open.remove(i);
            next = self.particle(part, given, next, at);
        }
        for missing in open.into_iter().filter(|p| bounds(p.el).0 > 0) {
            let name = self.expected(missing).1;
            self.report(
                Finding::MissingField,
                &format!("{at}/{name}"),
                format!("element '{name}' is missing"),
            );
        }
        next
    }
}

impl std::fmt::Debug for Xsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.files.iter().map(|x| &x.name)).finish()
    }
}

fn particles(el: &Element) -> impl Iterator<Item = &Element> {
    el.children
        .iter()
        .filter(|c| matches!(c.name.as_str(), "element" | "sequence" | "choice" | "all" | "any" | "group"))
}

fn bounds(el: &Element) -> (usize, usize) {
    let least = el.attr("minOccurs").and_then(|v| v.parse().ok()).unwrap_or(1);
    let most = match el.attr("maxOccurs") {
        Some("unbounded") => usize::MAX,
        Some(n) => n.parse().unwrap_or(1),
        None => 1,
    };
    (least, most)
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

/// Total digits, fraction digits, and whether the text is a decimal at all. Zeros that carry no value do not count.
fn digits(text: &str) -> (usize, usize, bool) {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let ok = !(whole.is_empty() && fraction.is_empty())
        && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0').len();
    (whole.trim_start_matches('0').len() + fraction, fraction, ok)
}

fn compare(a: &str, b: &str) -> Option<std::cmp::Ordering> {
    Some(a.parse::<rust_decimal::Decimal>().ok()?.cmp(&b.parse().ok()?))
}

fn date(text: &str) -> bool {
    let text = text.trim_end_matches('Z');
    text.get(..10).is_some_and(|d| d.parse::<jiff::civil::Date>().is_ok())
        && text.get(10..).is_some_and(|z| z.is_empty() || offset(z))
}

fn time(text: &str) -> bool {
    let split = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(split);
    clock.len() >= 8
        && clock.parse::<jiff::civil::Time>().is_ok()
        && (zone.is_empty() || zone == "Z" || offset(zone))
}

fn offset(zone: &str) -> bool {
    zone.len() == 6 && zone.starts_with(['+', '-']) && zone.as_bytes().get(3) == Some(&b':')
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}
