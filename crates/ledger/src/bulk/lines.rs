//! Lines and amounts as bytes: what a stream of millions of rows needs to be read at the speed of the disk.

use std::io::Read;

use memchr::memrchr;
use tradewind_domain::{Currency, Money};

use crate::import::{ImportResult, Mark, Refusal, RefusalKind, read_number};

/// Read at once; also the longest line.
const BLOCK: usize = 1 << 20;

/// Whole lines of a stream, block by block.
pub(super) struct Blocks<R> {
    source: R,
    /// The beginning of a line whose end was not read yet.
    tail: Vec<u8>,
    next: usize,
    done: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(source: R) -> Blocks<R> {
        Blocks { source, tail: Vec::new(), next: 0, done: false }
    }

    /// Fills `block` with the next whole lines and gives its number, or `None` at the end.
    ///
    /// # Errors
    /// The source fails, or a line is longer than a block.
    pub(super) fn next(&mut self, block: &mut Vec<u8>) -> ImportResult<Option<usize>> {
        block.clear();
        if self.done {
            return Ok(None);
        }
        block.append(&mut self.tail);
        let start = block.len();
        block.resize(start + BLOCK, 0);
        let mut filled = start;
        while let Some(room) = block.get_mut(filled..).filter(|r| !r.is_empty()) {
            match self.source.read(room)? {
                0 => {
                    self.done = true;
                    break;
                }
                n => filled += n,
            }
        }
        block.truncate(filled);
        if !self.done {
            let Some(end) = memrchr(b'\n', block) else {
                return Err(Refusal::new(
                    RefusalKind::Malformed,
                    0,
                    "a line is longer than 1 MiB: this is no settlement report",
                ));
            };
            self.tail.extend_from_slice(block.get(end + 1..).unwrap_or_default());
            block.truncate(end + 1);
        }
        let number = self.next;
        self.next += 1;
        Ok(Some(number))
    }
}

/// The lines of a block, without their ends.
pub(super) fn of(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let block = block.strip_suffix(b"\n").unwrap_or(block);
    let empty = block.is_empty();
    let mut ends = memchr::memchr_iter(b'\n', block);
    let mut start = 0;
    let mut over = empty;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        let end = ends.next().unwrap_or_else(|| {
            over = true;
            block.len()
        });
        let line = block.get(start..end).unwrap_or_default();
        start = end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// Minor units of an amount written plainly: a sign, digits, the mark and exactly the currency's decimals; or whole units.
fn fast(text: &[u8], exponent: u32, mark: u8) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    let mut after: Option<u32> = None;
    for b in digits {
        if b.is_ascii_digit() {
            value = value.checked_mul(10)?.checked_add(i64::from(b - b'0'))?;
            if let Some(n) = &mut after {
                *n += 1;
            }
        } else if *b == mark && after.is_none() {
            after = Some(0);
        } else {
            return None;
        }
    }
    let value = match after {
        Some(n) if n == exponent && exponent > 0 => value,
        None => value.checked_mul(10_i64.pow(exponent))?,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

fn slow(text: &[u8], c: Currency, mark: Mark) -> Option<i64> {
    let d = read_number(std::str::from_utf8(text).ok()?, mark)?;
    Money::from_decimal(d, c).ok().map(Money::minor)
}

/// Minor units under one reading.
pub(super) fn amount(text: &[u8], c: Currency, mark: Mark) -> Option<i64> {
    let sign = if mark == Mark::Dot { b'.' } else { b',' };
    fast(text, c.exponent(), sign).or_else(|| slow(text, c, mark))
}

/// Minor units of a decimal with a point: our own files.
pub(super) fn plain(text: &[u8], c: Currency) -> Option<i64> {
    fast(text, c.exponent(), b'.')
        .or_else(|| Money::parse(std::str::from_utf8(text).ok()?, c).ok().map(Money::minor))
}

/// What a text says about the mark of its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Only this mark reads it.
    Proven(Mark, i64),
    /// The same under both.
    Either(i64),
    /// Different under the two: the text alone does not tell.
    Open,
    /// No amount.
    No,
}

/// Reads a text whose mark is not known yet, by the rule of the importer: without a comma, a point and up to two digits behind it
/// can only be a decimal point, and the other way round.
pub(super) fn undecided(text: &[u8], c: Currency) -> Reading {
    let short = |mark: u8| memrchr(mark, text).is_some_and(|i| text.len() - i <= 3);
    let dot = amount(text, c, Mark::Dot);
    let comma = if dot.is_some() && short(b'.') { None } else { amount(text, c, Mark::Comma) };
    match (dot, comma) {
        (Some(a), Some(b)) if a == b => Reading::Either(a),
        (Some(_), Some(_)) => Reading::Open,
        (Some(a), None) => Reading::Proven(Mark::Dot, a),
        (None, Some(b)) => Reading::Proven(Mark::Comma, b),
        (None, None) => Reading::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_minor_units() {
        let (eur, jpy, kwd) = (Currency::EUR, Currency::new("JPY").unwrap(), Currency::new("KWD").unwrap());
        assert_eq!(amount(b"12.34", eur, Mark::Dot), Some(1234));
        assert_eq!(amount(b"-12,34", eur, Mark::Comma), Some(-1234));
        assert_eq!(amount(b"1.200,00", eur, Mark::Comma), Some(120_000));
        assert_eq!(amount(b"12", eur, Mark::Dot), Some(1200));
        assert_eq!(amount(b"12.3", eur, Mark::Dot), Some(1230));
        assert_eq!(amount(b"12.345", eur, Mark::Dot), None, "no third decimal of a cent");
        assert_eq!(amount(b"1250", jpy, Mark::Dot), Some(1250));
        assert_eq!(amount(b"1.250", kwd, Mark::Dot), Some(1250));
        for no in ["", "-", ".", "1..2", "1e3", "NaN", "--1"] {
            assert_eq!(amount(no.as_bytes(), eur, Mark::Dot), None, "{no}");
        }
        // i64::MAX is 92,233,720,368,547,758.07.
        assert_eq!(amount(b"92233720368547758.07", eur, Mark::Dot), Some(i64::MAX));
        assert_eq!(amount(b"92233720368547758.08", eur, Mark::Dot), None);
    }

    #[test]
    fn marks_are_proven_or_open() {
        let eur = Currency::EUR;
        assert_eq!(undecided(b"1.5", eur), Reading::Proven(Mark::Dot, 150));
        assert_eq!(undecided(b"1,50", eur), Reading::Proven(Mark::Comma, 150));
        assert_eq!(undecided(b"15", eur), Reading::Either(1500));
        // One thousand two hundred and thirty-four, because there are no tenths of a cent; but 1.200 could be 1.20.
        assert_eq!(undecided(b"1.234", eur), Reading::Proven(Mark::Comma, 123_400));
        assert_eq!(undecided(b"1.200", eur), Reading::Open);
        assert_eq!(undecided(b"x", eur), Reading::No);
    }

    #[test]
    fn lines_across_blocks() {
        let long = "x".repeat(700_000);
        let text = format!("a\r\n{long}\n\n{long}\nlast");
        let mut blocks = Blocks::new(text.as_bytes());
        let (mut block, mut got, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(n) = blocks.next(&mut block).unwrap() {
            numbers.push(n);
            got.extend(of(&block).map(<[u8]>::len));
        }
        assert_eq!(got, [1, 700_000, 0, 700_000, 4]);
        assert_eq!(numbers, [0, 1]);
        let endless = "x".repeat(BLOCK + 1);
        assert_eq!(
            Blocks::new(endless.as_bytes()).next(&mut block).unwrap_err().kind,
            RefusalKind::Malformed
        );
        assert_eq!(Blocks::new(b"".as_slice()).next(&mut block).unwrap(), Some(0));
        assert_eq!(of(b"").count(), 0);
        assert_eq!(of(b"a\n\n").collect::<Vec<_>>(), [b"a".as_slice(), b""]);
    }
}
