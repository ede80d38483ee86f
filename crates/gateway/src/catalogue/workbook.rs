//! Workbooks: our columns in the first sheet. Read cell by cell, since a sheet may name a cell far away and is as large as
//! the corner between, and only after its unpacked size is known.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use calamine::{DataRef, Reader as _, Xlsx};

use super::rows::{Fields, cell_number};
use super::tables::{MAX_ROW, Table};
use super::{MAX_TEXT, Reader};

/// The most that all parts of a workbook may unpack to; shared texts are held in memory.
const MAX_UNPACKED: u64 = 512 * 1024 * 1024;
/// Columns of a sheet.
const MAX_COLUMNS: usize = 1024;

/// The cells of one row: column, and text or what is wrong with it.
type Cells = BTreeMap<u32, Result<String, &'static str>>;

impl Reader {
    pub(super) fn read_workbook(&mut self, path: &Path) {
        match unpacked(path) {
            Ok(Some(size)) if size > MAX_UNPACKED => {
                let (size, limit) = (size / 1_048_576, MAX_UNPACKED / 1_048_576);
                return self.whole(format!(
                    "unpacks to {size} MiB, and the limit is {limit} MiB: delete what it holds beside the catalogue, export it as CSV or split it"
                ));
            }
            Ok(Some(_)) => {}
            Ok(None) => return self.whole("is no workbook: save it as .xlsx again"),
            Err(e) => return self.whole(format!("cannot be read: {e}")),
        }
        let opened: Result<Xlsx<_>, _> = calamine::open_workbook(path);
        let mut workbook = match opened {
            Ok(w) => w,
            Err(e) => return self.whole(format!("is no workbook: {e}")),
        };
        let Some(name) = workbook.sheet_names().first().cloned() else { return self.whole("has no sheet") };
        let mut cells = match workbook.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            Err(e) => return self.whole(format!("first sheet: {e}")),
        };
        let mut header = None;
        let (mut at, mut row, mut bytes, mut total) = (0, Cells::new(), 0_usize, 0_u64);
        loop {
            let cell = match cells.next_cell() {
                Ok(cell) => cell,
                Err(e) => return self.whole(format!("first sheet: {e}")),
            };
            let place = cell.as_ref().map(calamine::Cell::get_position);
            if place.is_none_or(|(r, _)| r != at) && !row.is_empty() {
                bytes = 0;
                if !self.workbook_row(&mut header, at, std::mem::take(&mut row)) {
                    return;
                }
            }
            let (Some(cell), Some((r, column))) = (cell, place) else { break };
            at = r;
            if let Some(value) = value(cell.get_value()) {
                let size = value.as_ref().map_or(0, String::len);
                bytes += size;
                total += size as u64;
                let here = self.at(u64::from(r) + 1);
                if row.len() >= MAX_COLUMNS || bytes > MAX_ROW {
                    return self.problem(here.problem("", format!("the row has more than {MAX_COLUMNS} cells or 1 MiB of text: delete what is no catalogue")));
                }
                if total > MAX_TEXT {
                    return self.problem(here.problem(
                        "",
                        format!(
                            "the limit of {} MiB of text for one file is reached here: split the file",
                            MAX_TEXT / 1_048_576
                        ),
                    ));
                }
                row.insert(column, value);
            }
        }
        if header.is_none() {
            self.whole("has no rows");
        }
    }

    /// Takes one row that holds something; the first is the header. False: reading ends.
    fn workbook_row(&mut self, header: &mut Option<BTreeMap<u32, String>>, at: u32, cells: Cells) -> bool {
        let row = self.at(u64::from(at) + 1);
        let Some(names) = header else {
            let texts: Vec<String> = cells
                .values()
                .map(|c| c.as_ref().map_or_else(|_| String::new(), |t| t.trim().to_owned()))
                .collect();
            if !texts.iter().any(|t| t.eq_ignore_ascii_case("sku")) {
                self.whole("has no column 'sku' in the first row of its first sheet: the first row that holds something names the columns");
                return false;
            }
            let ours = self.columns(Table::Own, &texts, row.row);
            *header = Some(cells.keys().zip(ours).filter_map(|(c, n)| Some((*c, n?))).collect());
            return true;
        };
        if !self.goes_on(&row) {
            return false;
        }
        let mut fields = BTreeMap::new();
        let mut readable = true;
        for (column, text) in cells {
            let Some(name) = names.get(&column) else {
                self.once(row.problem(
                    "",
                    format!(
                        "cell {} stands under no known column name and is not read",
                        cell_name(at, column)
                    ),
                ));
                continue;
            };
            match text {
                Ok(text) => {
                    fields.insert(name.clone(), text);
                }
                Err(what) => {
                    let cell = cell_name(at, column);
                    self.problem(row.problem(name, format!("cell {cell} holds {what}, not a text or a number: format the column as text and type the value again")));
                    readable = false;
                }
            }
        }
        if readable && !fields.is_empty() {
            self.take(row, &Fields(fields));
        }
        true
    }
}

/// A cell's text; nothing for an empty one.
fn value(data: &DataRef<'_>) -> Option<Result<String, &'static str>> {
    Some(match data {
        DataRef::Empty => return None,
        DataRef::String(text) if text.trim().is_empty() => return None,
        DataRef::SharedString(text) if text.trim().is_empty() => return None,
        DataRef::String(text) => Ok(text.clone()),
        DataRef::SharedString(text) => Ok((*text).to_owned()),
        DataRef::Int(number) => Ok(number.to_string()),
        DataRef::Float(number) => Ok(cell_number(&number.to_string())),
        DataRef::Bool(_) => Err("a truth value"),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => Err("a date or time"),
        DataRef::Error(_) => Err("an error of a formula"),
    })
}

/// `D3`.
fn cell_name(row: u32, column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or_default()));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect::<String>() + &(u64::from(row) + 1).to_string()
}

/// What the parts of a zip archive unpack to together, as its directory says (APPNOTE.TXT, 4.3.12 and 4.3.16); `None` for
/// what is no archive.
fn unpacked(path: &Path) -> std::io::Result<Option<u64>> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    // The end record is 22 bytes and a comment of at most 65,535.
    let tail = length.min(22 + 65_535);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let Some(from) = end.windows(4).rposition(|w| w == b"PK\x05\x06") else { return Ok(None) };
    let number = |bytes: &[u8], at: usize, len: usize| {
        bytes.get(at..at + len).map(|b| b.iter().rev().fold(0_u64, |n, byte| (n << 8) | u64::from(*byte)))
    };
    let (Some(size), Some(offset)) = (number(&end, from + 12, 4), number(&end, from + 16, 4)) else {
        return Ok(None);
    };
    // A zip64 archive says elsewhere where its directory is, and is for more than we take.
    if size >= 0xffff_ffff || offset >= 0xffff_ffff {
        return Ok(Some(u64::MAX));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut directory = Vec::new();
    file.take(size.min(length)).read_to_end(&mut directory)?;
    let (mut at, mut total) = (0, 0_u64);
    while directory.get(at..at + 4) == Some(b"PK\x01\x02") {
        let field = |offset, len| number(&directory, at + offset, len).unwrap_or_default();
        total = total.saturating_add(field(24, 4));
        let variable = field(28, 2) + field(30, 2) + field(32, 2);
        at += 46 + usize::try_from(variable).unwrap_or_default();
    }
    Ok(Some(total))
}
