//! What the two Chinese bill families share: lines, cells, sums with names, a running balance.

use std::io::{BufRead, BufReader, Read};

use tradewind_domain::{Currency, Decimal, Exact, Money, Rounding};

use super::TextReader;
use super::amount;
use super::error::{Footing, ImportResult, Refusal};
use super::number::{self, Mark};
use super::row::Tx;

/// Longest line of a bill.
const MAX_LINE: usize = 1 << 20;

/// Lines of a text with numbers, one at a time.
pub(super) struct Lines<R> {
    reader: BufReader<TextReader<R>>,
    buffer: Vec<u8>,
    /// Number of the line last given.
    pub(super) number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(text: TextReader<R>) -> Lines<R> {
        Lines { reader: BufReader::with_capacity(1 << 16, text), buffer: Vec::new(), number: 0 }
    }

    /// The next line without its end, or `None`.
    pub(super) fn next(&mut self) -> ImportResult<Option<&str>> {
        self.buffer.clear();
        self.number += 1;
        let n = (&mut self.reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut self.buffer)?;
        if n == 0 {
            return Ok(None);
        }
        if n > MAX_LINE {
            return Err(Refusal::malformed(self.number, "a line is longer than 1 MiB"));
        }
        let text = std::str::from_utf8(&self.buffer)
            .map_err(|_| Refusal::malformed(self.number, "the line is not valid text"))?;
        Ok(Some(text.trim_end_matches(['\r', '\n'])))
    }
}

/// A yuan amount; empty is zero.
pub(super) fn yuan(text: &str, line: u64) -> ImportResult<Decimal> {
    if text.is_empty() {
        return Ok(Decimal::ZERO);
    }
    number::parse(text.trim_start_matches('¥'), Mark::Dot)
        .ok_or_else(|| Refusal::malformed(line, format!("'{}' is not an amount", amount::shorten(text))))
}

/// Yuan as money; a fee printed with five decimals is rounded half-up to the fen, as it was charged.
pub(super) fn fen(value: Decimal, currency: Currency, line: u64) -> ImportResult<Money> {
    Exact::new(value, currency).round(Rounding::HalfUp).map_err(|e| Refusal::malformed(line, e.to_string()))
}

/// Refuses when a named sum is not what the footer states, at the footer's own precision.
pub(super) fn foot(what: &str, sum: Decimal, stated: Decimal) -> ImportResult<()> {
    let step = Decimal::new(1, stated.scale().max(2));
    if Rounding::HalfUp.to_step(sum, step) == stated {
        return Ok(());
    }
    Err(Refusal::not_footing(
        Footing {
            statement: what.to_owned(),
            currency: Some(Currency::CNY),
            sum: sum.normalize().to_string(),
            total: stated.to_string(),
            difference: stated.checked_sub(sum).unwrap_or_default().normalize().to_string(),
        },
        "rows are missing or doubled, or the file was edited",
    ))
}

/// Refuses a wrong row count.
pub(super) fn count(what: &str, rows: u64, stated: Decimal, line: u64) -> ImportResult<()> {
    if Decimal::from(rows) == stated {
        return Ok(());
    }
    Err(Refusal::truncated(line, format!("{what}: the footer counts {stated} rows and the file has {rows}")))
}

/// Opening and closing of a chain of (movement, balance after), in time order; refuses a break.
pub(super) fn chain(what: &str, rows: &[(Money, Money, u64)]) -> ImportResult<Option<(Money, Money)>> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
    let opening = amount::add(first.1, first.0.negated(), first.2)?;
    let mut balance = opening;
    for (movement, after, line) in rows {
        balance = amount::add(balance, *movement, *line)?;
        if balance != *after {
            let mut r = amount::foot(
                &format!("{what} balance"),
                balance,
                *after,
                "a row before this line is missing, or rows were re-sorted",
            )
            .err()
            .unwrap_or_else(|| Refusal::malformed(*line, "the balance does not follow"));
            r.line = *line;
            return Err(r);
        }
    }
    Ok(Some((opening, last.1)))
}

/// Rows of a fund bill in the order of their balance: as filed, or by time where the file is newest first.
pub(super) fn ordered(rows: &mut [(Tx, Money, u64)]) {
    let descending = rows.windows(2).all(|w| w[0].0.occurred.at >= w[1].0.occurred.at)
        && rows.first().zip(rows.last()).is_some_and(|(a, b)| a.0.occurred.at > b.0.occurred.at);
    if descending {
        rows.reverse();
    } else {
        rows.sort_by_key(|r| r.0.occurred.at);
    }
}
