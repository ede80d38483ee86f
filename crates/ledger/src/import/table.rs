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

/// A streaming reader of records, with line numbers.
pub(super) struct Table<R> {
    reader: csv::Reader<R>,
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
                .from_reader(source),
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
