//! The USITC's export of the Harmonized Tariff Schedule, as CSV or as JSON. A row without a rate inherits the one of its
//! nearest ancestor by indent; a parent row is no declarable code. The JSON has the footnotes, which name the Section
//! 301 list of a commodity ("See 9903.88.15."); the CSV has none, so the list stays unknown.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Leaf, Table, TariffError, checksum, grammar};
use crate::rates::Rate;

/// What a row says of the Section 301 list.
#[derive(Clone)]
enum List {
    /// The format has no footnotes, or they name headings outside the four lists.
    Unknown,
    /// No footnote of Section 301 so far.
    None,
    Is(&'static str),
}

/// A row as either format gives it.
struct Row<'a> {
    line: u64,
    number: &'a str,
    indent: &'a str,
    general: &'a str,
    special: &'a str,
    column2: &'a str,
    list: List,
}

struct Above {
    indent: usize,
    general: Option<u32>,
    column2: Option<u32>,
    special: Option<u32>,
    list: List,
}

#[derive(Default)]
struct Builder {
    rates: Vec<Rate>,
    rate_index: HashMap<String, u32>,
    specials: Vec<Box<str>>,
    special_index: HashMap<String, u32>,
    leaves: Vec<Leaf>,
    above: Vec<Above>,
    last: Option<(usize, Leaf)>,
}

impl Builder {
    fn rate(&mut self, text: &str) -> Option<u32> {
        if text.is_empty() {
            return None;
        }
        if let Some(&i) = self.rate_index.get(text) {
            return Some(i);
        }
        let i = u32::try_from(self.rates.len()).ok()?;
        self.rates.push(grammar::parse(text));
        self.rate_index.insert(text.to_owned(), i);
        Some(i)
    }

    fn special(&mut self, text: &str) -> Option<u32> {
        if text.is_empty() {
            return None;
        }
        if let Some(&i) = self.special_index.get(text) {
            return Some(i);
        }
        let i = u32::try_from(self.specials.len()).ok()?;
        self.specials.push(text.into());
        self.special_index.insert(text.to_owned(), i);
        Some(i)
    }

    fn push(&mut self, row: Row<'_>) -> Result<(), (u64, String)> {
        let line = row.line;
        let depth: usize = row
            .indent
            .trim()
            .parse()
            .map_err(|_| (line, format!("indent {:?} is not a number", row.indent)))?;
        // the row before is declarable unless this one stands below it
        if let Some((before, leaf)) = self.last.take()
            && depth <= before
        {
            self.leaves.push(leaf);
        }
        while self.above.last().is_some_and(|r| r.indent >= depth) {
            self.above.pop();
        }
        let (general, column2, special) =
            (self.rate(row.general.trim()), self.rate(row.column2.trim()), self.special(row.special.trim()));
        let parent = self.above.last();
        // The special column belongs to a rate: a row with a rate of its own does not take its parent's specials.
        let special = if general.is_some() { special } else { special.or(parent.and_then(|p| p.special)) };
        let above = Above {
            indent: depth,
            general: general.or(parent.and_then(|p| p.general)),
            column2: column2.or(parent.and_then(|p| p.column2)),
            special,
            list: match (row.list, parent) {
                (List::None, Some(p)) => p.list.clone(),
                (own, _) => own,
            },
        };
        let code: String = row.number.chars().filter(|c| !matches!(c, '.' | ' ')).collect();
        if !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err((line, format!("HTS number {:?} is not digits and dots", row.number)));
        }
        if code.len() >= 8 {
            let list = match &above.list {
                List::Unknown => None,
                List::None => Some("none".into()),
                List::Is(l) => Some((*l).into()),
            };
            let leaf = Leaf {
                code: code.into(),
                general: above.general,
                column2: above.column2,
                special: above.special,
                list,
                from: Timestamp::MIN,
                until: Timestamp::MAX,
                line,
            };
            self.last = Some((depth, leaf));
        }
        self.above.push(above);
        Ok(())
    }

    fn finish(mut self, text: &str, edition: &str) -> Result<Table, (u64, String)> {
        self.leaves.extend(self.last.map(|(_, leaf)| leaf));
        if self.leaves.is_empty() {
            return Err((1, "holds no code of eight digits or more".to_owned()));
        }
        self.leaves.sort_by(|a, b| a.code.cmp(&b.code).then(a.line.cmp(&b.line)));
        Ok(Table {
            name: format!("HTS {edition}"),
            sha256: checksum(text),
            whole: true,
            column2: true,
            rates: self.rates,
            specials: self.specials,
            leaves: self.leaves,
            measures: Vec::new(),
        })
    }
}

/// Reads the whole table from CSV. `edition` names it in quotes, such as `2025-04`.
///
/// # Errors
/// A column that is missing, an indent that is no number, a code with other characters than digits and dots, no code.
pub fn read(text: &str, file: &str, edition: &str) -> Result<Table, TariffError> {
    let refuse = |(line, what): (u64, String)| TariffError { file: file.to_owned(), line, what };
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(body.as_bytes());
    let header = reader.headers().map_err(|e| refuse((1, e.to_string())))?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|h| h.trim() == name)
            .ok_or_else(|| refuse((1, format!("no column {name:?}: this is not the USITC's HTS export"))))
    };
    let (number, indent) = (column("HTS Number")?, column("Indent")?);
    let (general, column2) = (column("General Rate of Duty")?, column("Column 2 Rate of Duty")?);
    let special = header.iter().position(|h| h.trim() == "Special Rate of Duty");
    let mut builder = Builder::default();
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|e| refuse((e.position().map_or(0, csv::Position::line), e.to_string())))?
    {
        let cell = |i: usize| record.get(i).unwrap_or_default();
        let row = Row {
            line: record.position().map_or(0, csv::Position::line),
            number: cell(number),
            indent: cell(indent),
            general: cell(general),
            special: special.map_or("", cell),
            column2: cell(column2),
            list: List::Unknown,
        };
        builder.push(row).map_err(refuse)?;
    }
    builder.finish(text, edition).map_err(refuse)
}

#[derive(Deserialize)]
struct JsonRow {
    #[serde(default, deserialize_with = "plain")]
    htsno: String,
    #[serde(deserialize_with = "plain")]
    indent: String,
    #[serde(default, deserialize_with = "plain")]
    general: String,
    #[serde(default, deserialize_with = "plain")]
    special: String,
    #[serde(default, deserialize_with = "plain")]
    other: String,
    #[serde(default)]
    footnotes: Option<Vec<Footnote>>,
}

#[derive(Deserialize)]
struct Footnote {
    #[serde(default)]
    value: Option<String>,
}

/// A text, a number or null, as text.
fn plain<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let raw = <&RawValue>::deserialize(d)?.get();
    if raw == "null" {
        return Ok(String::new());
    }
    if raw.starts_with('"') {
        return serde_json::from_str(raw).map_err(serde::de::Error::custom);
    }
    Ok(raw.to_owned())
}

/// The list that footnotes name: chapter 99 headings 9903.88.01, .02, .03 and .15 are lists 1, 2, 3 and 4A. Another heading
/// of Section 301 (exclusions alone, the increases of 2024-2026 in 9903.91) leaves it unknown.
fn list(footnotes: Option<&[Footnote]>) -> List {
    let text: String = footnotes
        .unwrap_or_default()
        .iter()
        .filter_map(|f| f.value.as_deref())
        .fold(String::new(), |s, v| s + v + " ");
    if text.contains("9903.91.") {
        return List::Unknown;
    }
    const LISTS: [(&str, &str); 4] =
        [("9903.88.01", "1"), ("9903.88.02", "2"), ("9903.88.03", "3"), ("9903.88.15", "4A")];
    let mut named = LISTS.iter().filter(|(heading, _)| text.contains(heading));
    match (named.next(), named.next()) {
        (Some((_, name)), None) => List::Is(name),
        (None, _) if !text.contains("9903.88.") => List::None,
        // Several, or headings outside the four lists: which one it is, is not said.
        _ => List::Unknown,
    }
}

/// Reads the whole table from JSON: an array of rows with `htsno`, `indent`, `general`, `special`, `other`, `footnotes`.
///
/// # Errors
/// As [`read`]; the line is the row's number.
pub fn read_json(text: &str, file: &str, edition: &str) -> Result<Table, TariffError> {
    let refuse = |(line, what): (u64, String)| TariffError { file: file.to_owned(), line, what };
    let rows: Vec<JsonRow> = serde_json::from_str(text)
        .map_err(|e| refuse((e.line() as u64, format!("this is not the USITC's HTS export: {e}"))))?;
    let mut builder = Builder::default();
    for (i, r) in rows.iter().enumerate() {
        let row = Row {
            line: i as u64 + 1,
            number: &r.htsno,
            indent: &r.indent,
            general: &r.general,
            special: &r.special,
            column2: &r.other,
            list: list(r.footnotes.as_deref()),
        };
        builder.push(row).map_err(refuse)?;
    }
    builder.finish(text, edition).map_err(refuse)
}
