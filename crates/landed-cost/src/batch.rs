//! Many requests in constant memory: one object, an array, or JSON lines; each answer leaves before the next
//! question is read.

use std::cell::Cell;
use std::io::{BufRead, Read};
use std::rc::Rc;

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

/// A reader that knows on which line it stands: messages name the line of the file.
#[derive(Debug)]
pub struct Lines<R> {
    inner: R,
    line: Rc<Cell<usize>>,
}

impl<R: BufRead> Lines<R> {
    /// At line 1.
    pub fn new(inner: R) -> Lines<R> {
        Lines { inner, line: Rc::new(Cell::new(1)) }
    }
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(out)?;
        let passed = out.get(..n).unwrap_or_default().iter().filter(|b| **b == b'\n').count();
        self.line.set(self.line.get() + passed);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Lines<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        if let Ok(buffer) = self.inner.fill_buf() {
            let passed = buffer.iter().take(n).filter(|b| **b == b'\n').count();
            self.line.set(self.line.get() + passed);
        }
        self.inner.consume(n);
    }
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

/// What is called for each request: the line it begins on, and its text.
pub type OnRequest<'a> = &'a mut dyn FnMut(usize, &str) -> Result<(), String>;

/// Calls `each` for every request, in order. Returns how many there were.
///
/// # Errors
/// The input is no JSON, cannot be read, or `each` failed.
pub fn for_each<R: BufRead>(input: Lines<R>, shape: Shape, each: OnRequest<'_>) -> Result<usize, BatchError> {
    let line = input.line.clone();
    // A request has been read to its end, and not a byte further, when it is handed over.
    let mut each = |text: &str| {
        let inside = text.bytes().filter(|b| *b == b'\n').count();
        each(line.get().saturating_sub(inside), text)
    };
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
            let result = de.deserialize_seq(Each { each: &mut each, stopped: &mut stopped });
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
