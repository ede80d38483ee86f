//! Shopify's search syntax, as far as connectors use it: `field:value`, `field:>='x'`, AND by juxtaposition,
//! OR between groups.

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: String,
    op: &'static str,
    value: String,
    negated: bool,
}

/// A parsed filter: groups of terms, any of which must hold whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter(Vec<Vec<Term>>);

impl Filter {
    pub(super) fn read(text: &str) -> Filter {
        let mut groups = vec![Vec::new()];
        for word in words(text) {
            match word.as_str() {
                "OR" => groups.push(Vec::new()),
                "AND" => {}
                word => {
                    let (negated, word) = match word.strip_prefix('-') {
                        Some(rest) => (true, rest),
                        None => (false, word),
                    };
                    let (field, rest) = word.split_once(':').unwrap_or(("", word));
                    let op =
                        [">=", "<=", ">", "<", "="].into_iter().find(|op| rest.starts_with(op)).unwrap_or("");
                    let value = rest.get(op.len()..).unwrap_or_default().to_owned();
                    if let Some(group) = groups.last_mut() {
                        group.push(Term { field: field.to_owned(), op, value, negated });
                    }
                }
            }
        }
        groups.retain(|g| !g.is_empty());
        Filter(groups)
    }

    /// Whether an object matches; `get` gives the object's value of a field, `None` for a field that is not
    /// searched (Shopify ignores such terms).
    pub(super) fn holds(&self, get: impl Fn(&str) -> Option<String>) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|group| {
                group.iter().all(|t| {
                    let Some(have) = get(&t.field) else { return true };
                    let (have, want) = (have.to_lowercase(), t.value.to_lowercase());
                    let hit = match t.op {
                        ">=" => have >= want,
                        "<=" => have <= want,
                        ">" => have > want,
                        "<" => have < want,
                        _ => match want.strip_suffix('*') {
                            Some(prefix) => have.starts_with(prefix),
                            None => have == want,
                        },
                    };
                    hit != t.negated
                })
            })
    }
}

/// Splits at blanks outside quotes; quotes and parentheses are dropped, `\` escapes.
fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => word.extend(chars.next()),
            (c, Some(q)) if c == q => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => quote = Some(c),
            ('(' | ')', None) => {}
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            (c, None) => word.push(c),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_groups_quotes() {
        let f = Filter::read("updated_at:>='2026-03-02T00:00:00Z' AND -status:cancelled OR name:\"#1 a\"");
        let at = |when: &str, status: &str, name: &str| {
            let (when, status, name) = (when.to_owned(), status.to_owned(), name.to_owned());
            move |field: &str| match field {
                "updated_at" => Some(when.clone()),
                "status" => Some(status.clone()),
                "name" => Some(name.clone()),
                _ => None,
            }
        };
        assert!(f.holds(at("2026-03-02T00:00:00Z", "open", "x")));
        assert!(!f.holds(at("2026-03-02T00:00:00Z", "cancelled", "x")));
        assert!(!f.holds(at("2026-03-01T23:59:59Z", "open", "x")));
        assert!(f.holds(at("2026-03-01T23:59:59Z", "open", "#1 a")));
        assert!(Filter::read("").holds(|_| None));
    }
}
