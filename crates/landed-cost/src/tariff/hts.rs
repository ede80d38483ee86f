//! The USITC's export of the Harmonized Tariff Schedule (CSV). A row without a rate inherits the one of its nearest
//! ancestor by indent; a parent row is no declarable code.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Leaf, Table, TariffError, grammar};
use crate::rates::Rate;

struct Row {
    indent: usize,
    general: Option<u32>,
    column2: Option<u32>,
}

/// Reads the whole table. `edition` names it in quotes, such as `2025-04`.
///
/// # Errors
/// A column that is missing, an indent that is no number, a code with other characters than digits and dots, no code.
pub fn read(text: &str, file: &str, edition: &str) -> Result<Table, TariffError> {
    let refuse = |line: u64, what: String| TariffError { file: file.to_owned(), line, what };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| refuse(1, e.to_string()))?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|h| h.trim() == name)
            .ok_or_else(|| refuse(1, format!("no column {name:?}: this is not the USITC's HTS export")))
    };
    let (number, indent) = (column("HTS Number")?, column("Indent")?);
    let (general, column2) = (column("General Rate of Duty")?, column("Column 2 Rate of Duty")?);

    let mut rates: Vec<Rate> = Vec::new();
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut intern = |text: &str| -> Option<u32> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        if let Some(&i) = seen.get(text) {
            return Some(i);
        }
        let i = u32::try_from(rates.len()).ok()?;
        rates.push(grammar::parse(text));
        seen.insert(text.to_owned(), i);
        Some(i)
    };

    let mut leaves: Vec<Leaf> = Vec::new();
    let mut above: Vec<Row> = Vec::new();
    let mut last: Option<(usize, Leaf)> = None;
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|e| refuse(e.position().map_or(0, csv::Position::line), e.to_string()))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |i: usize| record.get(i).unwrap_or_default().trim();
        let depth: usize = cell(indent)
            .parse()
            .map_err(|_| refuse(line, format!("indent {:?} is not a number", cell(indent))))?;
        // the row before is declarable unless this one stands below it
        if let Some((before, leaf)) = last.take()
            && depth <= before
        {
            leaves.push(leaf);
        }
        while above.last().is_some_and(|r| r.indent >= depth) {
            above.pop();
        }
        let row = Row {
            indent: depth,
            general: intern(cell(general)).or_else(|| above.last().and_then(|r| r.general)),
            column2: intern(cell(column2)).or_else(|| above.last().and_then(|r| r.column2)),
        };
        let code: String = cell(number).chars().filter(|c| *c != '.').collect();
        if !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse(line, format!("HTS number {:?} is not digits and dots", cell(number))));
        }
        if code.len() >= 8 {
            last = Some((
                depth,
                Leaf {
                    code: code.into(),
                    general: row.general,
                    column2: row.column2,
                    from: Timestamp::MIN,
                    until: Timestamp::MAX,
                    line,
                },
            ));
        }
        above.push(row);
    }
    leaves.extend(last.map(|(_, leaf)| leaf));
    if leaves.is_empty() {
        return Err(refuse(1, "holds no code of eight digits or more".to_owned()));
    }
    Ok(Table::new(&format!("HTS {edition}"), text, rates, leaves))
}
