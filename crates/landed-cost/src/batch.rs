//! Many requests in constant memory: one object, an array, or JSON lines; each answer leaves before the next
//! question is read.

use std::io::{BufRead, Read};

use serde::de::{DeserializeSeed, Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How the requests came, and so how the answers should leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One object, or several after one another (JSON lines).
    Objects,
    /// An array.
    Array,
}

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The input is no JSON.
    #[error("the requests are no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The input cannot be read.
    #[error("the requests cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The caller stopped.
    #[error("{0}")]
    Stopped(String),
}

/// Whether an array or objects follow; skips blanks.
///
/// # Errors
/// The input cannot be read.
pub fn shape(input: &mut impl BufRead) -> Result<Shape, BatchError> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(Shape::Objects);
        }
        let blanks = buffer.iter().take_while(|b| b.is_ascii_whitespace()).count();
        if let Some(b) = buffer.get(blanks) {
            let array = *b == b'[';
            input.consume(blanks);
            return Ok(if array { Shape::Array } else { Shape::Objects });
        }
        input.consume(blanks);
    }
}

/// Calls `each` with the text of every request, in order. Returns how many there were.
///
/// # Errors
/// The input is no JSON, cannot be read, or `each` failed.
pub fn for_each(
    input: impl Read,
    shape: Shape,
    each: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<usize, BatchError> {
    let mut de = serde_json::Deserializer::from_reader(input);
    match shape {
        Shape::Objects => {
            let mut n = 0;
            for item in de.into_iter::<Box<RawValue>>() {
                each(item?.get()).map_err(BatchError::Stopped)?;
                n += 1;
            }
            Ok(n)
        }
        Shape::Array => {
            let mut stopped = None;
            let result = de.deserialize_seq(Each { each, stopped: &mut stopped });
            match (stopped, result) {
                (Some(s), _) => Err(BatchError::Stopped(s)),
                (None, r) => {
                    let n = r?;
                    de.end()?;
                    Ok(n)
                }
            }
        }
    }
}

struct Each<'a> {
    each: &'a mut dyn FnMut(&str) -> Result<(), String>,
    stopped: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of requests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut n = 0;
        while let Some(raw) = seq.next_element_seed(Raw)? {
            if let Err(e) = (self.each)(raw.get()) {
                *self.stopped = Some(e);
                return Err(serde::de::Error::custom("stopped"));
            }
            n += 1;
        }
        Ok(n)
    }
}

struct Raw;

impl<'de> DeserializeSeed<'de> for Raw {
    type Value = Box<RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        serde::Deserialize::deserialize(d)
    }
}
