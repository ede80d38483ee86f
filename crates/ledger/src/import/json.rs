//! JSON answers and exports, item by item, with number texts untouched.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{ImportResult, Refusal};

/// The text of a JSON number or of a string that holds one.
pub(crate) fn number_text(raw: &RawValue) -> &str {
    raw.get().trim().trim_matches('"')
}

/// What a walk over a document should look for.
pub(crate) struct Wanted<'a> {
    /// Arrays whose elements are items.
    pub(crate) arrays: &'a [&'a str],
    /// Objects to look into.
    pub(crate) inside: &'a [&'a str],
}

/// Fields that are neither items nor containers, by name (the outermost wins).
pub(crate) type Fields = BTreeMap<String, Box<RawValue>>;

/// Largest field kept beside the items; more is skipped.
const MAX_FIELD: usize = 1 << 16;

/// Calls `each(array name, item)` for every item of every wanted array, in file order, without holding the file.
///
/// The stream may hold several JSON values (pages one after the other, JSON Lines). A top-level array is an array
/// named `""`. An object without a wanted array is itself an item named `""`.
pub(crate) fn walk<R: Read>(
    source: R,
    wanted: &Wanted<'_>,
    each: &mut dyn FnMut(&str, &RawValue) -> ImportResult<()>,
) -> ImportResult<Fields> {
    let mut state = State { wanted, each, fields: Fields::new(), failed: None, found: false, entered: false };
    let mut stream =
        serde_json::Deserializer::from_reader(std::io::BufReader::with_capacity(1 << 16, source));
    loop {
        let mut lone = Fields::new();
        state.found = false;
        state.entered = false;
        let result = (Top { state: &mut state, lone: &mut lone, depth: 0, name: String::new() })
            .deserialize(&mut stream);
        if let Some(refusal) = state.failed.take() {
            return Err(refusal);
        }
        match result {
            Ok(()) => {}
            Err(e) if e.is_eof() && !state.entered => break,
            Err(e) => return Err(broken(&e)),
        }
        if state.found {
            for (k, v) in lone {
                state.fields.entry(k).or_insert(v);
            }
        } else if !lone.is_empty() {
            let text = serde_json::to_string(&lone).map_err(|e| broken(&e))?;
            let raw = RawValue::from_string(text).map_err(|e| broken(&e))?;
            (state.each)("", &raw)?;
        }
    }
    Ok(state.fields)
}

fn broken(e: &serde_json::Error) -> Refusal {
    if e.is_io() {
        return Refusal::new(super::error::RefusalKind::Unreadable, e.line() as u64, e.to_string());
    }
    if e.is_eof() {
        return Refusal::truncated(e.line() as u64, "the JSON ends in the middle: fetch it again");
    }
    Refusal::malformed(e.line() as u64, format!("not the JSON expected: {e}"))
}

struct State<'a> {
    wanted: &'a Wanted<'a>,
    each: &'a mut dyn FnMut(&str, &RawValue) -> ImportResult<()>,
    fields: Fields,
    failed: Option<Refusal>,
    found: bool,
    entered: bool,
}

struct Top<'s, 'a> {
    state: &'s mut State<'a>,
    lone: &'s mut Fields,
    depth: usize,
    name: String,
}

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.state.entered = true;
        self.state.found = true;
        while let Some(item) = seq.next_element::<Box<RawValue>>()? {
            if let Err(refusal) = (self.state.each)(&self.name, &item) {
                self.state.failed = Some(refusal);
                return Err(serde::de::Error::custom("refused"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.state.entered = true;
        while let Some(key) = map.next_key::<String>()? {
            let (arrays, inside) = (self.state.wanted.arrays, self.state.wanted.inside);
            let is = |names: &[&str]| names.contains(&key.as_str());
            if is(arrays) || (self.depth < 8 && is(inside)) {
                map.next_value_seed(Top {
                    state: &mut *self.state,
                    lone: &mut *self.lone,
                    depth: self.depth + 1,
                    name: key,
                })?;
            } else if self.state.found && self.depth > 0 {
                map.next_value::<IgnoredAny>()?;
            } else {
                let raw = map.next_value::<Box<RawValue>>()?;
                if raw.get().len() <= MAX_FIELD {
                    self.lone.entry(key).or_insert(raw);
                }
            }
        }
        Ok(())
    }
}

/// A text field of a raw object field map.
pub(crate) fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
}

/// One item as a typed value.
pub(crate) fn item<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> ImportResult<T> {
    serde_json::from_str(raw.get())
        .map_err(|e| Refusal::malformed(0, format!("an item is not as documented: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut seen = Vec::new();
        let fields = walk(
            text.as_bytes(),
            &Wanted { arrays: &["data", "items"], inside: &["payload"] },
            &mut |name, raw| {
                seen.push((name.to_owned(), raw.get().to_owned()));
                Ok(())
            },
        )
        .unwrap();
        (seen, fields.into_keys().collect())
    }

    #[test]
    fn pages_arrays_lines_and_lone_objects() {
        let (seen, fields) = run(r#"{"a":1,"data":[{"x":1.10},{"x":2}],"b":2}
            {"data":[{"x":3}]}"#);
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[0].1, r#"{"x":1.10}"#);
        assert_eq!(fields, ["a", "b"]);
        assert_eq!(run("[1,2]").0.len(), 2);
        assert_eq!(run("{\"x\":1}\n{\"x\":2}\n").0.len(), 2);
        assert_eq!(run(r#"{"payload":{"items":[7]}}"#).0, [("items".to_owned(), "7".to_owned())]);
        assert_eq!(run("").0.len(), 0);
    }

    #[test]
    fn cut_json_is_truncated() {
        let r = walk(
            r#"{"data":[{"x":1},{"x":"#.as_bytes(),
            &Wanted { arrays: &["data"], inside: &[] },
            &mut |_, _| Ok(()),
        );
        assert_eq!(r.unwrap_err().kind.code(), "TRUNCATED");
    }
}
