//! Importers: a file is read whole or refused whole. Currencies that ISO 4217 does not list today (legacy ones in
//! ECB history, HMRC's own codes) are left out and named.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tradewind_domain::{Currency, Decimal, Lines, parse_decimal};

use crate::{Publication, Quote, RateBook};

/// What a file held.
#[derive(Debug, Clone)]
pub struct Import {
    /// One per day (or period), source and base.
    pub publications: Vec<Publication>,
    /// Codes that were left out because they are no currency of today.
    pub skipped: BTreeSet<String>,
}

impl Import {
    /// Adds everything to a book.
    pub fn into_book(self, book: &mut RateBook) {
        for p in self.publications {
            book.add(p);
        }
    }
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", if *line == 0 { String::new() } else { format!(":{line}") })]
pub struct ImportError {
    /// The file as named.
    pub file: String,
    /// Line from 1; 0 where the format has no useful lines.
    pub line: u64,
    /// What is wrong and what was expected.
    pub what: String,
}

/// A file under its name, with its checksum.
struct Source<'a> {
    file: &'a str,
    sha256: String,
}

impl<'a> Source<'a> {
    fn new(text: &str, file: &'a str) -> Source<'a> {
        Source { file, sha256: hex::encode(Sha256::digest(text.as_bytes())) }
    }

    fn refuse(&self, line: u64, what: impl Into<String>) -> ImportError {
        ImportError { file: self.file.to_owned(), line, what: what.into() }
    }

    fn rate(&self, text: &str, line: u64) -> Result<Decimal, ImportError> {
        match parse_decimal(text) {
            Ok(r) if r > Decimal::ZERO => Ok(r),
            _ => Err(self.refuse(line, format!("rate {text:?} is not a decimal number above zero"))),
        }
    }

    fn publication(&self, source: &str, base: Currency, date: Date) -> Publication {
        Publication {
            source: source.to_owned(),
            base,
            date,
            valid_to: None,
            quotes: BTreeMap::new(),
            file: self.file.to_owned(),
            sha256: self.sha256.clone(),
        }
    }
}

/// Recognises the format and reads it: ECB XML or CSV (daily or history), HMRC monthly XML, plain CSV.
///
/// # Errors
/// The format is none of these, or its reader refuses.
pub fn any(text: &str, file: &str) -> Result<Import, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.trim_start();
    if head.starts_with('<') {
        return if head.contains("exchangeRateMonthList") {
            hmrc_xml(text, file)
        } else {
            ecb_xml(text, file)
        };
    }
    let header = head.lines().next().unwrap_or_default();
    let columns: Vec<String> = header.split(',').map(|c| c.trim().to_ascii_lowercase()).collect();
    if ["base", "quote", "rate"].iter().all(|c| columns.iter().any(|h| h == c)) {
        plain_csv(text, file)
    } else if columns.first().is_some_and(|c| c == "date") {
        ecb_csv(text, file)
    } else {
        Err(Source::new(text, file).refuse(
            1,
            "not a rate file: expected ECB or HMRC XML, an ECB CSV (Date,USD,…) or a CSV with date,base,quote,rate,source",
        ))
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Cube")]
    cube: Days,
}

#[derive(Deserialize)]
struct Days {
    #[serde(rename = "Cube", default)]
    days: Vec<Day>,
}

#[derive(Deserialize)]
struct Day {
    #[serde(rename = "@time")]
    time: String,
    #[serde(rename = "Cube", default)]
    quotes: Vec<EcbQuote>,
}

#[derive(Deserialize)]
struct EcbQuote {
    #[serde(rename = "@currency")]
    currency: String,
    #[serde(rename = "@rate")]
    rate: String,
}

/// ECB reference rates in XML: `eurofxref-daily.xml`, `-hist-90d.xml`, `-hist.xml`.
///
/// # Errors
/// Not that XML, a date or a rate that is none, a currency twice on one day, no rates at all.
pub fn ecb_xml(text: &str, file: &str) -> Result<Import, ImportError> {
    let src = Source::new(text, file);
    let envelope: Envelope = quick_xml::de::from_str(text)
        .map_err(|e| src.refuse(0, format!("not ECB reference-rate XML: {e}")))?;
    let mut out = Import { publications: Vec::new(), skipped: BTreeSet::new() };
    for day in envelope.cube.days {
        let date: Date = day
            .time
            .parse()
            .map_err(|_| src.refuse(0, format!("time {:?} is not a date (YYYY-MM-DD)", day.time)))?;
        let mut publication = src.publication("ECB", Currency::EUR, date);
        for q in day.quotes {
            let rate = src.rate(&q.rate, 0)?;
            let Ok(currency) = Currency::new(&q.currency) else {
                out.skipped.insert(q.currency);
                continue;
            };
            if publication.quotes.insert(currency, Quote { rate, line: 0 }).is_some() {
                return Err(src.refuse(0, format!("{currency} stands twice on {date}")));
            }
        }
        out.publications.push(publication);
    }
    not_empty(&src, out)
}

/// ECB reference rates in CSV, daily (`13 April 2026`, blanks after commas) or history (ISO dates, `N/A`).
///
/// # Errors
/// As [`ecb_xml`], with the line.
pub fn ecb_csv(text: &str, file: &str) -> Result<Import, ImportError> {
    let src = Source::new(text, file);
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| src.refuse(1, e.to_string()))?.clone();
    let mut lines = Lines::of_text(text);
    let mut line_at = |at: Option<&csv::Position>| at.map_or(0, |p| lines.of(p.byte()));
    let mut out = Import { publications: Vec::new(), skipped: BTreeSet::new() };
    let columns: Vec<Option<Currency>> = header
        .iter()
        .skip(1)
        .map(|code| {
            let known = Currency::new(code).ok();
            if known.is_none() && !code.is_empty() {
                out.skipped.insert(code.to_owned());
            }
            known
        })
        .collect();
    for record in reader.records() {
        let record = record.map_err(|e| {
            src.refuse(line_at(e.position()), format!("not a row of the table: {}", in_words(&e)))
        })?;
        let line = line_at(record.position());
        let text = record.get(0).unwrap_or_default();
        let date = text
            .parse::<Date>()
            .or_else(|_| Date::strptime("%d %B %Y", text))
            .map_err(|_| src.refuse(line, format!("{text:?} is not a date (2026-04-13 or 13 April 2026)")))?;
        let mut publication = src.publication("ECB", Currency::EUR, date);
        for (cell, currency) in record.iter().skip(1).zip(&columns) {
            let (Some(currency), false) = (currency, matches!(cell, "" | "N/A")) else { continue };
            let quote = Quote { rate: src.rate(cell, line)?, line };
            if publication.quotes.insert(*currency, quote).is_some() {
                return Err(src.refuse(1, format!("column {currency} stands twice")));
            }
        }
        out.publications.push(publication);
    }
    not_empty(&src, out)
}

#[derive(Deserialize)]
struct MonthList {
    #[serde(rename = "@Period")]
    period: String,
    #[serde(rename = "exchangeRate", default)]
    rates: Vec<MonthRate>,
}

#[derive(Deserialize)]
struct MonthRate {
    #[serde(rename = "currencyCode")]
    code: String,
    #[serde(rename = "rateNew")]
    rate: String,
}

/// HMRC's monthly list: foreign units per pound, valid for the period it prints.
///
/// # Errors
/// Not that XML, a period or rate that is none, one currency at two rates, no rates at all.
pub fn hmrc_xml(text: &str, file: &str) -> Result<Import, ImportError> {
    let src = Source::new(text, file);
    let list: MonthList =
        quick_xml::de::from_str(text).map_err(|e| src.refuse(0, format!("not HMRC monthly XML: {e}")))?;
    let bad =
        || src.refuse(0, format!("Period {:?} is not like \"01/Nov/2026 to 30/Nov/2026\"", list.period));
    let (start, end) = list.period.split_once(" to ").ok_or_else(bad)?;
    let day = |t: &str| Date::strptime("%d/%b/%Y", t.trim()).map_err(|_| bad());
    let (start, end) = (day(start)?, day(end)?);
    if end < start {
        return Err(bad());
    }
    let mut out = Import { publications: Vec::new(), skipped: BTreeSet::new() };
    let mut publication =
        Publication { valid_to: Some(end), ..src.publication("HMRC", Currency::GBP, start) };
    for row in list.rates {
        let rate = src.rate(row.rate.trim(), 0)?;
        let Ok(currency) = Currency::new(row.code.trim()) else {
            out.skipped.insert(row.code);
            continue;
        };
        match publication.quotes.insert(currency, Quote { rate, line: 0 }) {
            Some(before) if before.rate != rate => {
                return Err(src.refuse(0, format!("{currency} stands at {} and at {rate}", before.rate)));
            }
            _ => {}
        }
    }
    if !publication.quotes.is_empty() {
        out.publications.push(publication);
    }
    not_empty(&src, out)
}

#[derive(Deserialize)]
struct PlainRow {
    date: String,
    base: String,
    quote: String,
    rate: String,
    #[serde(default)]
    source: String,
}

/// A CSV with `date,base,quote,rate,source`: one unit of `base` is `rate` units of `quote`. An empty source is `CSV`.
///
/// # Errors
/// A column missing, a value that is none, a currency that does not exist, a pair twice for one day, no rows.
pub fn plain_csv(text: &str, file: &str) -> Result<Import, ImportError> {
    let src = Source::new(text, file);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut days: BTreeMap<(String, Currency, Date), Publication> = BTreeMap::new();
    let headers = reader.headers().map_err(|e| src.refuse(1, e.to_string()))?.clone();
    let mut lines = Lines::of_text(text);
    let mut line_at = |at: Option<&csv::Position>| at.map_or(0, |p| lines.of(p.byte()));
    for record in reader.records() {
        let record = record.map_err(|e| src.refuse(line_at(e.position()), in_words(&e)))?;
        let line = line_at(record.position());
        let row: PlainRow = record.deserialize(Some(&headers)).map_err(|e| {
            src.refuse(line, format!("expected date,base,quote,rate,source: {}", in_words(&e)))
        })?;
        let date: Date = row
            .date
            .parse()
            .map_err(|_| src.refuse(line, format!("date {:?} is not YYYY-MM-DD", row.date)))?;
        let currency = |c: &str| Currency::new(c).map_err(|e| src.refuse(line, e.to_string()));
        let (base, quote) = (currency(&row.base)?, currency(&row.quote)?);
        if base == quote {
            return Err(src.refuse(line, format!("{base} is quoted in itself")));
        }
        let rate = src.rate(&row.rate, line)?;
        let source = if row.source.is_empty() { "CSV".to_owned() } else { row.source.to_uppercase() };
        let publication =
            days.entry((source.clone(), base, date)).or_insert_with(|| src.publication(&source, base, date));
        if publication.quotes.insert(quote, Quote { rate, line }).is_some() {
            return Err(src.refuse(line, format!("{base}/{quote} of {source} stands twice on {date}")));
        }
    }
    not_empty(&src, Import { publications: days.into_values().collect(), skipped: BTreeSet::new() })
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

fn not_empty(src: &Source<'_>, import: Import) -> Result<Import, ImportError> {
    if import.publications.is_empty() { Err(src.refuse(0, "holds no rate at all")) } else { Ok(import) }
}
