//! A list of records in an answer, read record by record.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Error;

/// The records of a list, not yet read: the field's type in a wire struct, where `Vec<W>` would let one record that is odd
/// spoil the page. Cannot stand inside `flatten` or an untagged enum, which do not keep the text.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Records(Vec<Box<RawValue>>);

impl Records {
    /// Each record by itself: its wire type `W`, then what `map` makes of it. One that cannot be read is an error in its
    /// place, and its text names it by `what` it is and by its field `id` (a path with dots, where that lies deeper):
    /// `order 17-3: …`.
    ///
    /// A `map` that leaves records out gives `Option`s; `.filter_map(Result::transpose)` takes them away.
    pub fn read<W: DeserializeOwned, T>(
        &self,
        what: &'static str,
        id: &'static str,
        mut map: impl FnMut(W) -> Result<T, Error>,
    ) -> impl Iterator<Item = Result<T, Error>> {
        self.0.iter().map(move |raw| {
            let read = serde_json::from_str(raw.get()).map_err(|e| Error::decode(format!("JSON: {e}")));
            read.and_then(&mut map).map_err(|e| match named(raw, id) {
                Some(number) => e.of_named(what, number),
                None => e.about(&format!("{what} ?")),
            })
        })
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a record says in its field `id`, if it says something that can be shown.
fn named(raw: &RawValue, id: &str) -> Option<String> {
    let fields: Option<serde_json::Value> = serde_json::from_str(raw.get()).ok();
    match id.split('.').try_fold(fields.as_ref(), |at, name| at.map(|f| f.get(name))).flatten() {
        Some(serde_json::Value::String(name)) => Some(name.clone()),
        Some(serde_json::Value::Number(name)) => Some(name.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Page {
        rows: Records,
    }
    #[derive(Deserialize)]
    struct Row {
        id: u32,
        size: i32,
    }

    #[test]
    fn a_record_that_is_odd_is_an_error_in_its_place_and_named() {
        // Wrong shape, refused by `map`, without a name, left out; two are read.
        let page: Page = serde_json::from_str(
            r#"{"rows":[{"id":1,"size":10},{"id":2,"size":"ten"},{"id":3,"size":-1},7,{"id":5,"size":0},{"id":6,"size":60}]}"#,
        )
        .unwrap();
        assert!(page.rows.len() == 6 && !page.rows.is_empty());
        let sized = |r: Row| match r.size {
            0 => Ok(None),
            n if n < 0 => Err(Error::decode("a size")),
            n => Ok(Some((r.id, n))),
        };
        let read = page.rows.read("row", "id", sized).filter_map(Result::transpose);
        let read: Vec<_> = read.map(|r| r.map_err(|e| e.message().to_owned())).collect();
        assert_eq!((&read[0], &read[4]), (&Ok((1, 10)), &Ok((6, 60))));
        for (n, text) in [
            (1, "row 2: unexpected answer: JSON: invalid type"),
            (2, "row 3: unexpected answer: a size"),
            (3, "row ?: "),
        ] {
            assert!(read[n].as_ref().unwrap_err().starts_with(text), "{:?}", read[n]);
        }
        assert_eq!(read.len(), 5);
        let numbers = page.rows.read("row", "id", sized).filter_map(Result::err);
        let numbers: Vec<Option<String>> = numbers.map(|e| e.record().map(str::to_owned)).collect();
        assert_eq!(numbers, [Some("2".to_owned()), Some("3".to_owned()), None]);
    }
}
