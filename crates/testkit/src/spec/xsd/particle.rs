//! Particles: which elements may stand where, and how often.

use super::super::Finding;
use super::super::xml::Element;
use super::{Node, QName, Run};

impl<'a> Run<'a> {
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
            "any" => self.admits(node, given),
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

    /// May this element stand at the wildcard? An element of the schema's own namespace only if the schema declares it, unless
    /// nothing is looked at (`skip`). The Recommendation lets a lax wildcard take any name; then a wildcard before further
    /// elements (eBay's base types end with one) would take these, and a misspelt name would pass everywhere. So a declared
    /// element goes before a wildcard, as in XML Schema 1.1, and what a complete schema does not declare is not there.
    fn admits(&self, node: Node<'a>, given: &Element) -> bool {
        let target = self.xsd.files.get(node.file).map_or("", |f| f.target.as_str());
        let fits = |word: &str| match word {
            "##any" => true,
            "##other" => given.ns != target && !given.ns.is_empty(),
            "##targetNamespace" => given.ns == target,
            "##local" => given.ns.is_empty(),
            uri => given.ns == uri,
        };
        node.el.attr("namespace").unwrap_or("##any").split_whitespace().any(fits)
            && (given.ns != target
                || node.el.attr("processContents") == Some("skip")
                || self.declared(node, given).is_some())
    }

    fn declared(&self, node: Node<'a>, given: &Element) -> Option<Node<'a>> {
        self.xsd.global("element", &(given.ns.clone(), given.name.clone()), Some(node.file))
    }

    /// What stands at a wildcard: looked at where it is declared (`lax`), or has to be (`strict`, the default).
    fn wildcard(&mut self, node: Node<'a>, given: &Element, at: &str) {
        let process = node.el.attr("processContents").unwrap_or("strict");
        let here = format!("{at}/{}", given.name);
        match self.declared(node, given).filter(|_| process != "skip") {
            Some(decl) => self.element(decl, given, &here),
            None if process == "strict" => {
                let text = format!("no schema declares the element {{{}}}{}", given.ns, given.name);
                self.report(Finding::UnknownField, &here, text);
            }
            None => {}
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
    pub(super) fn particle(&mut self, node: Node<'a>, given: &[Element], mut next: usize, at: &str) -> usize {
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
                "any" => {
                    self.wildcard(node, child, at);
                    next + 1
                }
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
