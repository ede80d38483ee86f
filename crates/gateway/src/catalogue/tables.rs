//! Our own formats: CSV, workbook, JSON lines. The same columns in all three.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use calamine::{Data, Reader as _, Xlsx};
use tradewind_domain::Lines;

use super::rows::{COLUMNS, Fields, cell_number};
use super::{MAX_TEXT, Reader, Row};

/// The longest row of a delimited file, in bytes. A quote that is not closed would read the rest of the file into one
/// field otherwise.
const MAX_ROW: usize = 1024 * 1024;

/// A file of which one row may take only so much, and all rows together; what is left for a row is set before each. The
/// reader above it buffers, so a row may be longer by one buffer.
struct Bounded<'a> {
    file: std::fs::File,
    left: &'a Cell<usize>,
    total: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.total += n as u64;
        if self.total > MAX_TEXT {
            return Err(std::io::Error::other(format!(
                "the limit of {} MiB for one file is reached here: split the file, each part of a CSV with the header line, and name the parts as further [[catalogue]] entries",
                MAX_TEXT / 1_048_576
            )));
        }
        let Some(left) = self.left.get().checked_sub(n) else {
            return Err(std::io::Error::other(
                "a row is longer than 1 MiB: look for a quote that is not closed",
            ));
        };
        self.left.set(left);
        Ok(n)
    }
}

/// Tells `Lines` what goes by.
struct Counted<'a, R> {
    inner: R,
    lines: &'a RefCell<Lines>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.lines.borrow_mut().feed(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }
}

impl Reader {
    pub(super) fn read_table(&mut self, path: &Path, delimiter: u8) {
        self.each_record(path, delimiter, |reader, row, fields| {
            reader.take(row, &Fields(fields));
        });
    }

    /// Streams a delimited file with a header, as name → value per row. Checks UTF-8, the header, the number of
    /// fields; `check` columns against ours only where the format is ours.
    pub(super) fn each_record(
        &mut self,
        path: &Path,
        delimiter: u8,
        mut use_row: impl FnMut(&mut Reader, Row, BTreeMap<String, String>),
    ) {
        let own = delimiter == b',';
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) => return self.whole(format!("cannot be read: {e}")),
        };
        let left = Cell::new(MAX_ROW);
        let lines = RefCell::new(Lines::default());
        let mut csv = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(Counted { inner: Bounded { file, left: &left, total: 0 }, lines: &lines });
        let header: Vec<String> = match csv.byte_headers() {
            Ok(h) => match h.iter().map(|f| std::str::from_utf8(f).map(str::to_owned)).collect() {
                Ok(h) => h,
                Err(_) => return self.whole(WRONG_ENCODING),
            },
            Err(e) => return self.whole(format!("is no CSV: {e}")),
        };
        let header: Vec<String> =
            header.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        if own && header.iter().any(|h| h.eq_ignore_ascii_case("sku")) {
            for name in &header {
                if !Reader::known_column(&name.to_lowercase()) {
                    let problem = self.at(1).problem(
                        name,
                        format!(
                            "is no known column: use {}, attr:NAME or title:LANGUAGE",
                            COLUMNS.join(", ")
                        ),
                    );
                    self.problem(problem);
                }
            }
        } else if own && !header.iter().any(|h| h.eq_ignore_ascii_case("handle")) {
            let first = header.join(",");
            let remedy =
                match [(";", "';'"), ("\t", "a tab"), ("|", "'|'")].iter().find(|(d, _)| first.contains(d)) {
                    Some((_, name)) => {
                        format!("save it with commas between the fields (the header has {name})")
                    }
                    None => "name its column of SKUs 'sku', or say which format it is with format = \"…\""
                        .to_owned(),
                };
            let shown: String = first.chars().take(80).flat_map(char::escape_debug).collect();
            return self
                .whole(format!("has no column 'sku' in its first line, which reads '{shown}': {remedy}"));
        }
        let mut record = csv::ByteRecord::new();
        loop {
            left.set(MAX_ROW);
            let from = csv.position().byte();
            match csv.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => {
                    let line = lines.borrow_mut().of(from);
                    let text = match e.kind() {
                        csv::ErrorKind::Io(limit) => limit.to_string(),
                        _ => format!("is no CSV: {e}"),
                    };
                    let problem = self.at(line).problem("", text);
                    return self.problem(problem);
                }
            }
            let line = lines.borrow_mut().of(from);
            let row = self.at(line);
            if !self.goes_on(&row) {
                return;
            }
            if record.len() != header.len() {
                let text = format!(
                    "has {} fields where the header has {}: is a quote or a comma missing?",
                    record.len(),
                    header.len()
                );
                self.problem(row.problem("", text));
                continue;
            }
            let mut fields = BTreeMap::new();
            let mut readable = true;
            for (name, value) in header.iter().zip(&record) {
                match std::str::from_utf8(value) {
                    Ok(text) => {
                        let name = if own { name.to_lowercase() } else { name.clone() };
                        fields.insert(name, text.to_owned());
                    }
                    Err(_) => {
                        self.problem(row.problem(name, WRONG_ENCODING));
                        readable = false;
                    }
                }
            }
            if readable {
                use_row(self, row, fields);
            }
        }
    }

    pub(super) fn read_workbook(&mut self, path: &Path) {
        let opened: Result<Xlsx<_>, _> = calamine::open_workbook(path);
        let mut workbook = match opened {
            Ok(w) => w,
            Err(e) => return self.whole(format!("is no workbook: {e}")),
        };
        let sheet = match workbook.worksheet_range_at(0) {
            Some(Ok(range)) => range,
            Some(Err(e)) => return self.whole(format!("first sheet: {e}")),
            None => return self.whole("has no sheet"),
        };
        let top = u64::from(sheet.start().map_or(0, |(r, _)| r));
        let mut rows = sheet.rows();
        let Some(header) = rows.next() else { return self.whole("has no rows") };
        let header: Vec<String> = header.iter().map(|c| c.to_string().trim().to_lowercase()).collect();
        if !header.iter().any(|h| h == "sku") {
            return self.whole("has no column 'sku' in the first row of its first sheet");
        }
        for name in header.iter().filter(|h| !h.is_empty() && !Reader::known_column(h)) {
            let problem = self.at(top + 1).problem(
                name,
                format!("is no known column: use {}, attr:NAME or title:LANGUAGE", COLUMNS.join(", ")),
            );
            self.problem(problem);
        }
        for (n, cells) in rows.enumerate() {
            let row = self.at(top + 2 + n as u64);
            if cells.iter().all(|c| matches!(c, Data::Empty)) {
                continue;
            }
            if !self.goes_on(&row) {
                return;
            }
            let fields: BTreeMap<String, String> = header
                .iter()
                .zip(cells)
                .filter(|(h, _)| !h.is_empty())
                .map(|(h, c)| (h.clone(), cell(c)))
                .collect();
            self.take(row, &Fields(fields));
        }
    }

    pub(super) fn read_jsonl(&mut self, path: &Path) {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) => return self.whole(format!("cannot be read: {e}")),
        };
        let left = Cell::new(MAX_ROW);
        for (n, line) in BufReader::new(Bounded { file, left: &left, total: 0 }).lines().enumerate() {
            left.set(MAX_ROW);
            let row = self.at(n as u64 + 1);
            let line = match line {
                Ok(line) => line,
                Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                    return self.problem(row.problem("", WRONG_ENCODING));
                }
                Err(e) => return self.problem(row.problem("", e.to_string())),
            };
            if line.trim().is_empty() {
                continue;
            }
            if !self.goes_on(&row) {
                return;
            }
            // Values keep their text: a number is never read through a float.
            let object: BTreeMap<String, Box<serde_json::value::RawValue>> = match serde_json::from_str(&line)
            {
                Ok(o) => o,
                Err(e) => {
                    // The reader counts lines within the text it was given, which is one line: only the column says something.
                    let why = e.to_string();
                    let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
                    let column = e.column();
                    self.problem(row.problem("", format!("is no JSON object ({why}, column {column}): write one whole object per line, {{\"sku\": \"A\", …}}")));
                    continue;
                }
            };
            let mut fields = BTreeMap::new();
            for (name, raw) in object {
                if !Reader::known_column(&name) {
                    self.problem(row.problem(
                        &name,
                        format!("is no known field: use {}, attr:NAME or title:LANGUAGE", COLUMNS.join(", ")),
                    ));
                    continue;
                }
                match json_text(raw.get()) {
                    Some(text) => {
                        fields.insert(name, text);
                    }
                    None => self.problem(row.problem(&name, "must be a text, a number, or a list of texts")),
                }
            }
            self.take(row, &Fields(fields));
        }
    }
}

const WRONG_ENCODING: &str = "is not UTF-8: save the file as 'CSV UTF-8'";

fn cell(data: &Data) -> String {
    match data {
        Data::Empty => String::new(),
        Data::Float(_) | Data::Int(_) => cell_number(&data.to_string()),
        other => other.to_string(),
    }
}

/// A JSON value as text: strings unquoted, numbers as written, lists joined by `|`, null as blank.
fn json_text(raw: &str) -> Option<String> {
    let raw = raw.trim();
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'n' => Some(String::new()),
        b'[' => serde_json::from_str::<Vec<String>>(raw).ok().map(|v| v.join("|")),
        b'{' | b't' | b'f' => None,
        _ => Some(raw.to_owned()),
    }
}
