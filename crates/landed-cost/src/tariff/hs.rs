//! The Harmonized System's nomenclature: chapters, headings, subheadings and their texts (CSV with the columns
//! `section,hscode,description,parent,level`). It has no rates; it tells an existing code from a mistyped one.

use std::collections::BTreeMap;

use tradewind_domain::{HsCode, Lines};

use super::{TariffError, checksum};

/// The nomenclature.
#[derive(Debug, Clone)]
pub struct Nomenclature {
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    texts: BTreeMap<Box<str>, Box<str>>,
}

impl Nomenclature {
    /// Reads the file.
    ///
    /// # Errors
    /// A column is missing, a code is not 2, 4 or 6 digits, or stands without its heading; no code.
    pub fn read(text: &str, file: &str) -> Result<Nomenclature, TariffError> {
        let refuse = |line: u64, what: String| TariffError { file: file.to_owned(), line, what };
        let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::Reader::from_reader(plain.as_bytes());
        let mut lines_of = Lines::of_text(plain);
        let mut line_at = |at: Option<&csv::Position>| at.map_or(0, |p| lines_of.of(p.byte()));
        let header = reader.headers().map_err(|e| refuse(1, e.to_string()))?.clone();
        let column = |name: &str| {
            header.iter().position(|h| h.trim() == name).ok_or_else(|| {
                refuse(1, format!("no column {name:?}: expected section,hscode,description,parent,level"))
            })
        };
        let (code_at, text_at) = (column("hscode")?, column("description")?);
        let mut texts = BTreeMap::new();
        let mut lines: Vec<(Box<str>, u64)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| refuse(line_at(e.position()), in_words(&e)))?;
            let line = line_at(record.position());
            let code = record.get(code_at).unwrap_or_default().trim();
            // The first row is the sum of all, no code.
            if code == "TOTAL" {
                continue;
            }
            if code.bytes().any(|b| !b.is_ascii_digit()) || !matches!(code.len(), 2 | 4 | 6) {
                return Err(refuse(line, format!("hscode {code:?} is not 2, 4 or 6 digits")));
            }
            texts.insert(code.into(), record.get(text_at).unwrap_or_default().trim().into());
            lines.push((code.into(), line));
        }
        if texts.is_empty() {
            return Err(refuse(1, "holds no code".to_owned()));
        }
        for (code, line) in lines {
            let parent = code.get(..code.len().saturating_sub(2)).unwrap_or_default();
            if !parent.is_empty() && !texts.contains_key(parent) {
                return Err(refuse(line, format!("{code} stands without its heading {parent}")));
            }
        }
        Ok(Nomenclature { sha256: checksum(text), texts })
    }

    /// Number of codes, of every level.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether it holds no code.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The subheading of a code exists.
    #[must_use]
    pub fn contains(&self, hs: &HsCode) -> bool {
        hs.as_str().get(..6).is_some_and(|six| self.texts.contains_key(six))
    }

    /// Chapter, heading and subheading of a code, each with its text.
    #[must_use]
    pub fn path(&self, code: &str) -> Vec<(&str, &str)> {
        [2, 4, 6]
            .iter()
            .filter_map(|n| self.texts.get_key_value(code.get(..*n)?))
            .map(|(k, v)| (k.as_ref(), v.as_ref()))
            .collect()
    }
}

/// What the CSV reader says, without the line that it counts: see [`Lines`].
fn in_words(e: &csv::Error) -> String {
    match e.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields where the header has {expected_len}")
        }
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => e.to_string(),
    }
}
