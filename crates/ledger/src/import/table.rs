//! Rows of a delimited file, addressed by header text.
//!
//! Providers let merchants insert and reorder columns, so nothing here goes by position.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord};

use super::error::{ImportResult, Refusal};

/// A single record larger than this is an unclosed quote or an attack, not a row.
const MAX_RECORD: usize = 1 << 20;
/// More columns than any provider has.
const MAX_COLUMNS: usize = 1_000;

/// Column titles of a file and where they stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    names: Vec<String>,
}

impl Header {
    /// Titles as the file has them; compared without case, blanks and marks.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Header {
        Header { names: names.into_iter().map(key).collect() }
    }

    /// Position of a column.
    #[must_use]
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let wanted = key(name);
        self.names.iter().position(|n| *n == wanted)
    }

    /// Position of the first of several titles that stands in the file.
    #[must_use]
    pub(super) fn any(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|n| self.find(n))
    }

    /// Position of a column that the format must have.
    ///
    /// # Errors
    /// The column is missing; the refusal names it.
    pub(super) fn need(&self, names: &[&str]) -> ImportResult<usize> {
        self.any(names).ok_or_else(|| {
            // A title row of one cell that holds the others: somebody saved the file with another delimiter.
            if let ([one], Some(other)) =
                (self.names.as_slice(), self.names.first().and_then(|n| n.chars().find(|c| matches!(c, ';' | ',' | '\t'))))
                && one.split(other).count() > 2
            {
                return Refusal::unsupported(format!(
                    "the file is separated by {other:?}, which the provider's is not: import it as it was sent, or say delimiter = {other:?} in the sidecar"
                ));
            }
            Refusal::unsupported(format!(
                "column '{}' is missing: this is not the expected report, or its columns were renamed",
                names.first().copied().unwrap_or_default()
            ))
        })
    }
}

fn key(name: &str) -> String {
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '*' || c == '`')
        .chars()
        .map(|c| match c {
            '（' => '(',
            '）' => ')',
            c => c,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

/// Makes every line end a line feed. The CSV reader ends a record at the carriage return and counts the line only when it meets the
/// line feed, at the start of the next record: with CRLF every row would be named one line too early.
struct LineEnds<R> {
    inner: R,
    block: Vec<u8>,
    at: usize,
    len: usize,
    /// The last byte read was a carriage return; what follows decides about it.
    held: bool,
}

impl<R: Read> LineEnds<R> {
    fn new(inner: R) -> LineEnds<R> {
        LineEnds { inner, block: vec![0; 64 * 1024], at: 0, len: 0, held: false }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let start = usize::from(self.held);
        if let Some(first) = self.block.first_mut().filter(|_| self.held) {
            *first = b'\r';
        }
        let n = self.inner.read(self.block.get_mut(start..).unwrap_or_default())?;
        self.at = 0;
        self.len = start + n;
        self.held = false;
        if n == 0 {
            return Ok(());
        }
        let Some(block) = self.block.get_mut(..self.len) else { return Ok(()) };
        if block.last() == Some(&b'\r') {
            self.held = true;
            self.len -= 1;
        }
        if memchr::memchr(b'\r', block).is_none() {
            return Ok(());
        }
        let mut kept = 0;
        for i in 0..self.len {
            let (here, next) = (block.get(i).copied(), block.get(i + 1).copied());
            if here == Some(b'\r') && next == Some(b'\n') {
                continue;
            }
            if let (Some(to), Some(byte)) = (block.get_mut(kept), here) {
                *to = byte;
            }
            kept += 1;
        }
        self.len = kept;
        Ok(())
    }
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.len {
            self.fill()?;
            // Nothing is left, and nothing is held back for the next block.
            if self.len == 0 && !self.held {
                return Ok(0);
            }
        }
        let ready = self.block.get(self.at..self.len).unwrap_or_default();
        let n = ready.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), ready.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}

/// A streaming reader of records, with line numbers.
pub(super) struct Table<R> {
    reader: csv::Reader<LineEnds<R>>,
    record: StringRecord,
}

impl<R: Read> Table<R> {
    /// Records of `source` split at `delimiter`. `quoted` is false for formats that do not quote.
    pub(super) fn new(source: R, delimiter: u8, quoted: bool) -> Table<R> {
        Table {
            reader: ReaderBuilder::new()
                .delimiter(delimiter)
                .quoting(quoted)
                .has_headers(false)
                .flexible(true)
                .from_reader(LineEnds::new(source)),
            record: StringRecord::new(),
        }
    }

    /// The next record with its line, or `None` at the end.
    ///
    /// # Errors
    /// The text is broken, or the record is beyond reason.
    pub(super) fn next(&mut self) -> ImportResult<Option<Row<'_>>> {
        match self.reader.read_record(&mut self.record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                if self.record.as_slice().len() > MAX_RECORD || self.record.len() > MAX_COLUMNS {
                    return Err(Refusal::malformed(
                        line,
                        "a row is longer than 1 MiB: an opening quote has no end",
                    ));
                }
                Ok(Some(Row { record: &self.record, line }))
            }
            Err(e) => {
                let line = e.position().map_or(0, csv::Position::line);
                match e.into_kind() {
                    csv::ErrorKind::Io(io) => {
                        let mut r = Refusal::from(io);
                        r.line = r.line.max(line);
                        Err(r)
                    }
                    _ => Err(Refusal::malformed(line, "the row is not valid CSV")),
                }
            }
        }
    }
}

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    record: &'a StringRecord,
    /// Line of the file, 1-based.
    pub(super) line: u64,
}

impl<'a> Row<'a> {
    /// The cell at a position, trimmed; empty when the row is short.
    #[must_use]
    pub(super) fn at(&self, i: usize) -> &'a str {
        self.record.get(i).map(str::trim).unwrap_or_default()
    }

    /// The cell of an optional column; empty when the file has no such column.
    #[must_use]
    pub(super) fn opt(&self, i: Option<usize>) -> &'a str {
        i.map(|i| self.at(i)).unwrap_or_default()
    }

    /// The cell of an optional column, `None` when empty.
    #[must_use]
    pub(super) fn some(&self, i: Option<usize>) -> Option<&'a str> {
        Some(self.opt(i)).filter(|s| !s.is_empty())
    }

    /// Number of cells.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.record.len()
    }

    /// Cells in order.
    pub(super) fn cells(&self) -> impl Iterator<Item = &'a str> {
        self.record.iter().map(str::trim)
    }

    /// Every cell is empty.
    #[must_use]
    pub(super) fn is_blank(&self) -> bool {
        self.record.iter().all(|c| c.trim().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time: every block boundary there is.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            self.0 = rest;
            buf[0] = *first;
            Ok(1)
        }
    }

    #[test]
    fn line_ends_become_one() {
        for (text, want) in [
            ("a\r\nb\r\n", "a\nb\n"),
            ("a\r\r\nb\r", "a\r\nb\r"),
            ("\r\n\r\n", "\n\n"),
            ("ab", "ab"),
            ("", ""),
        ] {
            let mut whole = String::new();
            LineEnds::new(text.as_bytes()).read_to_string(&mut whole).unwrap();
            let mut dripped = String::new();
            LineEnds::new(Drip(text.as_bytes())).read_to_string(&mut dripped).unwrap();
            assert_eq!((whole.as_str(), dripped.as_str()), (want, want), "{text:?}");
        }
    }

    #[test]
    fn rows_are_named_by_their_line_whatever_ends_it() {
        for end in ["\n", "\r\n"] {
            let text = ["t", "\"two\nlines\"", "x", ""].join(end);
            let mut table = Table::new(text.as_bytes(), b',', true);
            let mut lines = Vec::new();
            while let Some(row) = table.next().unwrap() {
                lines.push(row.line);
            }
            assert_eq!(lines, [1, 2, 4], "{end:?}");
        }
    }
}
