//! Simple types: restriction with its facets, list, union, and the built-in types.

use std::sync::LazyLock;

use super::super::Finding;
use super::{Node, Run, XS};

impl<'a> Run<'a> {
    /// Text by a declaration that has `type`, `base` or an inline simple type.
    pub(super) fn value(&mut self, node: Node<'a>, text: &str, at: &str) {
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

    pub(super) fn simple(&mut self, node: Node<'a>, text: &str, at: &str) {
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

    pub(super) fn builtin(&mut self, name: &str, raw: &str, at: &str) {
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
            "float" | "double" => {
                matches!(text, "INF" | "-INF" | "NaN")
                    || (text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
                        && text.parse::<f64>().is_ok())
            }
            "boolean" => matches!(text, "true" | "false" | "0" | "1"),
            "date" => date(text),
            "dateTime" => text.split_once('T').is_some_and(|(d, t)| date(d) && time(t)),
            "time" => time(text),
            "duration" => duration(text),
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

fn duration(text: &str) -> bool {
    static FORM: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        let form = r"^-?P(\d+Y)?(\d+M)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$";
        regex::Regex::new(form).ok()
    });
    !text.ends_with(['P', 'T']) && FORM.as_ref().is_some_and(|form| form.is_match(text))
}

fn offset(zone: &str) -> bool {
    zone.len() == 6 && zone.starts_with(['+', '-']) && zone.as_bytes().get(3) == Some(&b':')
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}
