//! Delimited text of all kinds, and JSON lines.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tradewind_domain::Lines;

use super::rows::Fields;
use super::{MAX_TEXT, Reader, Row, columns};

/// The longest row of a delimited file, in bytes. A quote that is not closed would read the rest of the file into one
/// field otherwise.
pub(super) const MAX_ROW: usize = 1024 * 1024;

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

/// Which columns a delimited file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Ours.
    Own,
    /// Shopify's.
    Shopify,
    /// Google's attributes, with tabs between them.
    Google,
}

/// Where in a field the reader stands, as far as quotes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    /// At the beginning of a field, where alone a quote opens.
    Begin,
    Plain,
    Open,
    /// After a quote within a quoted field: a second one is text, all else goes on unquoted.
    After,
}

/// Follows the quotes as the parser takes them, which says nothing when the file ends inside one.
struct Quotes {
    delimiter: u8,
    state: Quote,
    offset: u64,
    line: u64,
    after_cr: bool,
    /// The line where the last quote opened.
    opened: u64,
    /// The file was read to its end.
    ended: bool,
}

impl Quotes {
    fn new(delimiter: u8) -> Quotes {
        Quotes {
            delimiter,
            state: Quote::Begin,
            offset: 0,
            line: 1,
            after_cr: false,
            opened: 0,
            ended: false,
        }
    }

    /// The line of a quote that the file never closes; known once the file is read to its end, which is when its last row is.
    fn unclosed(&self) -> Option<u64> {
        (self.ended && self.state == Quote::Open).then_some(self.opened)
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.ended |= bytes.is_empty();
        for byte in bytes {
            self.state = match (self.state, byte) {
                (Quote::Begin, b'"') => {
                    self.opened = self.line;
                    Quote::Open
                }
                (Quote::Open, b'"') => Quote::After,
                (Quote::After, b'"') | (Quote::Open, _) => Quote::Open,
                (_, b'\n' | b'\r') => Quote::Begin,
                (_, byte) if *byte == self.delimiter => Quote::Begin,
                // A byte order mark stands before the first field, not in it.
                (Quote::Begin, 0xef | 0xbb | 0xbf) if self.offset < 3 => Quote::Begin,
                _ => Quote::Plain,
            };
            if *byte == b'\r' || (*byte == b'\n' && !self.after_cr) {
                self.line += 1;
            }
            self.after_cr = *byte == b'\r';
            self.offset += 1;
        }
    }
}

/// Tells `Lines` and `Quotes` what goes by.
struct Counted<'a, R> {
    inner: R,
    lines: &'a RefCell<Lines>,
    quotes: &'a RefCell<Quotes>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let bytes = buffer.get(..n).unwrap_or_default();
        self.lines.borrow_mut().feed(bytes);
        self.quotes.borrow_mut().feed(bytes);
        Ok(n)
    }
}

impl Reader {
    pub(super) fn read_table(&mut self, path: &Path) {
        self.each_record(path, Table::Own, |reader, row, fields| {
            reader.take(row, &Fields(fields));
        });
    }

    /// Our names of a file's columns; `None` where a column is not read. Unknown columns of our own formats are problems,
    /// and so are columns that stand twice, of which one would win silently.
    pub(super) fn columns(&mut self, kind: Table, header: &[String], line: u64) -> Vec<Option<String>> {
        let mut names: Vec<Option<String>> = Vec::with_capacity(header.len());
        for name in header {
            let ours = match kind {
                Table::Own => match columns::own(name) {
                    Ok(ours) => Some(ours),
                    Err(why) => {
                        self.problem(self.at(line).problem(name, why));
                        None
                    }
                },
                Table::Shopify => Some(columns::shopify(name)).filter(|n| !n.is_empty()),
                Table::Google => Some(name.to_lowercase().replace(' ', "_")).filter(|n| !n.is_empty()),
            };
            let twice = ours.as_ref().is_some_and(|n| names.iter().flatten().any(|known| known == n));
            let may =
                kind == Table::Google && ours.as_ref().is_some_and(|n| n == JOINED || !columns::is_google(n));
            if twice && !may {
                let why = "stands twice in the header: delete or rename one of the columns";
                self.problem(self.at(line).problem(name, why));
            }
            names.push(ours);
        }
        names
    }

    /// Streams a delimited file with a header, as name → value per row. Checks UTF-8, quotes, the header, the number of
    /// fields.
    pub(super) fn each_record(
        &mut self,
        path: &Path,
        kind: Table,
        mut use_row: impl FnMut(&mut Reader, Row, BTreeMap<String, String>),
    ) {
        let delimiter = if kind == Table::Google { b'\t' } else { b',' };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) => return self.whole(format!("cannot be read: {e}")),
        };
        let left = Cell::new(MAX_ROW);
        let lines = RefCell::new(Lines::default());
        let quotes = RefCell::new(Quotes::new(delimiter));
        let mut csv = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(Counted {
            inner: Bounded { file, left: &left, total: 0 },
            lines: &lines,
            quotes: &quotes,
        });
        let header: Vec<String> = match csv.byte_headers() {
            Ok(h) => match h.iter().map(|f| std::str::from_utf8(f).map(str::to_owned)).collect() {
                Ok(h) => h,
                Err(_) => return self.whole(WRONG_ENCODING),
            },
            Err(e) => return self.whole(format!("is no CSV: {e}")),
        };
        let header: Vec<String> =
            header.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let key = match kind {
            Table::Own => "sku",
            Table::Shopify => "handle",
            Table::Google => "id",
        };
        let has_key = header.iter().any(|h| match kind {
            Table::Shopify => columns::shopify(h) == key,
            Table::Own | Table::Google => h.eq_ignore_ascii_case(key),
        });
        if !has_key {
            let first = header.join(",");
            let remedy =
                match [(";", "';'"), ("\t", "a tab"), ("|", "'|'")].iter().find(|(d, _)| first.contains(d)) {
                    Some((_, name)) if kind != Table::Google => {
                        format!("save it with commas between the fields (the header has {name})")
                    }
                    _ => "name its column so, or say which format it is with format = \"…\"".to_owned(),
                };
            let shown: String = first.chars().take(80).flat_map(char::escape_debug).collect();
            return self
                .whole(format!("has no column '{key}' in its first line, which reads '{shown}': {remedy}"));
        }
        let names = self.columns(kind, &header, 1);
        if let Some(line) = quotes.borrow().unclosed() {
            return self.problem(self.at(line).problem("", UNCLOSED));
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
            if let Some(line) = quotes.borrow().unclosed() {
                return self.problem(self.at(line).problem("", UNCLOSED));
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
            for ((name, ours), value) in header.iter().zip(&names).zip(&record) {
                let Some(ours) = ours else { continue };
                match std::str::from_utf8(value) {
                    Ok(text) => match fields.get_mut(ours) {
                        Some(known) if ours == JOINED => *known = format!("{known},{text}"),
                        _ => {
                            fields.insert(ours.clone(), text.to_owned());
                        }
                    },
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
                Ok(line) if n == 0 => line.trim_start_matches('\u{feff}').to_owned(),
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
            let object = match serde_json::from_str::<Pairs>(&line) {
                Ok(Pairs(pairs)) => pairs,
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
                let name = match columns::own(&name) {
                    Ok(ours) => ours,
                    Err(why) => {
                        self.problem(row.problem(&name, why));
                        continue;
                    }
                };
                if fields.contains_key(&name) {
                    self.problem(row.problem(&name, "stands twice in this object: delete one of them"));
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

/// The fields of an object as they stand, doubles too. Values keep their text.
struct Pairs(Vec<(String, Box<serde_json::value::RawValue>)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Pairs, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Visitor)
    }
}

/// The attribute of Google's that may have several columns; others that do are not read.
const JOINED: &str = "additional_image_link";
const UNCLOSED: &str = "a quote opens here that is not closed, and all that follows would be one field: close it, or double a quote that is part of the text";
const WRONG_ENCODING: &str = "is not UTF-8: save the file as 'CSV UTF-8'";

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
