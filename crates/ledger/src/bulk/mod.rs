//! The first pass over files that are too large to hold: foot, then match by reference and amount, in one stream.
//!
//! [`crate::recon`] explains everything and holds every row for it. Ten million settlement lines need less: each statement must sum
//! to its own total, and each open order is settled when the lines that name it sum to what it is due, in its currency. Here a line
//! is read, counted and forgotten; memory holds the open items and one number per line for undoing. What does not settle is what the
//! full reconciliation then has to explain.
//!
//! The rules are the same as there, in one place (`recon/orders/side.rs`): what a line is to its order, and that a total may hold the
//! tax that the marketplace withholds or leave it out. A statement that does not foot is refused whole, and every item is as it was
//! before. The same statement again has no effect; another content under its id is a conflict, and the first version stays. A
//! reference is compared byte for byte, an amount to the last minor unit; nothing is matched by amount alone. A property test runs
//! both over the same files, whole and in pieces.

mod index;
mod lines;
mod settle;

pub use index::{Item, OpenItems};
pub use settle::{Footed, Report};

use std::io::Read;

use tradewind_domain::{Currency, Money};

use crate::import::{ImportResult, Refusal};

/// Reads open items from CSV with a title row. Columns are found by name: `id` (or `reference`), `currency`, and `total` (or
/// `amount`), in any order; others are left alone. Returns the number of rows.
///
/// # Errors
/// A column is missing, or a row has no reference, an unknown currency or no amount; the refusal names its line.
pub fn read_open_items<R: Read>(source: R, into: &mut OpenItems) -> ImportResult<u64> {
    let mut reader = csv::ReaderBuilder::new().has_headers(true).buffer_capacity(1 << 20).from_reader(source);
    let bad = |e: csv::Error| {
        let line = e.position().map_or(0, csv::Position::line);
        Refusal::malformed(line, format!("the row does not fit the title row: {e}"))
    };
    let head = reader.byte_headers().map_err(bad)?.clone();
    let find = |names: &[&str]| {
        head.iter()
            .position(|cell| {
                let cell = cell.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cell);
                names.iter().any(|n| cell.trim_ascii().eq_ignore_ascii_case(n.as_bytes()))
            })
            .ok_or_else(|| {
                Refusal::unsupported(format!("the title row has no column {}", names.join(" or ")))
            })
    };
    let (id, currency, total) =
        (find(&["id", "reference"])?, find(&["currency"])?, find(&["total", "amount"])?);
    let mut row = csv::ByteRecord::new();
    let mut known: Option<(Vec<u8>, Currency)> = None;
    let mut n = 0;
    while reader.read_byte_record(&mut row).map_err(bad)? {
        n += 1;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |i: usize| row.get(i).unwrap_or_default().trim_ascii();
        let code = cell(currency);
        let c = match &known {
            Some((had, c)) if had == code => *c,
            _ => {
                let text = String::from_utf8_lossy(code);
                let c = Currency::new(&text).map_err(|e| Refusal::malformed(line, e.to_string()))?;
                known = Some((code.to_vec(), c));
                c
            }
        };
        let amount = lines::plain(cell(total), c).ok_or_else(|| {
            Refusal::malformed(
                line,
                format!("'{}' is not an amount of {c}", String::from_utf8_lossy(cell(total))),
            )
        })?;
        into.add(cell(id), Money::from_minor(amount, c)).map_err(|why| Refusal::malformed(line, why))?;
    }
    Ok(n)
}
