//! Amount text to money, with the refusal that names the line.

use tradewind_domain::{Currency, Decimal, Exact, Money, Rounding};

use super::error::{Footing, ImportResult, Refusal};
use super::number::{self, Mark};

/// The currency of a code in either case.
pub(crate) fn currency(code: &str, line: u64) -> ImportResult<Currency> {
    Currency::new(&code.trim().to_ascii_uppercase()).map_err(|e| Refusal::malformed(line, e.to_string()))
}

/// An amount in major units; an empty cell is `None`.
pub(crate) fn major(text: &str, currency: Currency, mark: Mark, line: u64) -> ImportResult<Option<Money>> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = number::parse(text, mark)
        .ok_or_else(|| Refusal::malformed(line, format!("'{}' is not an amount", shorten(text))))?;
    money(value, currency, line).map(Some)
}

/// An amount in major units that must be there.
pub(crate) fn need(text: &str, currency: Currency, mark: Mark, line: u64) -> ImportResult<Money> {
    major(text, currency, mark, line)?.ok_or_else(|| Refusal::malformed(line, "the amount is empty"))
}

/// A decimal as money, never rounded.
pub(crate) fn money(value: Decimal, currency: Currency, line: u64) -> ImportResult<Money> {
    Money::from_decimal(value, currency).map_err(|e| Refusal::malformed(line, e.to_string()))
}

/// `amount × rate`, rounded half-up at the target's exponent: what providers print as the converted gross.
pub(crate) fn converted(amount: Money, rate: Decimal, to: Currency) -> Option<Money> {
    let value = amount.decimal().checked_mul(rate)?;
    Exact::new(value, to).round(Rounding::HalfUp).ok()
}

pub(crate) fn add(a: Money, b: Money, line: u64) -> ImportResult<Money> {
    a.try_add(b).map_err(|e| Refusal::malformed(line, e.to_string()))
}

/// Refuses when the lines do not sum to the stated total.
pub(crate) fn foot(statement: &str, sum: Money, total: Money, cause: &str) -> ImportResult<()> {
    if sum == total {
        return Ok(());
    }
    let difference = total.try_sub(sum).map_or_else(|_| "?".to_owned(), Money::amount);
    Err(Refusal::not_footing(
        Footing {
            statement: statement.to_owned(),
            currency: Some(total.currency()),
            sum: sum.amount(),
            total: total.amount(),
            difference,
        },
        cause,
    ))
}

/// At most forty characters of a cell, for a message.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Refuses an id that a spreadsheet has turned into a number.
pub(crate) fn id(text: &str, line: u64) -> ImportResult<&str> {
    if number::excel_mangled(text) {
        return Err(Refusal::malformed(
            line,
            format!(
                "the id '{}' was rewritten by a spreadsheet: import the file as the provider sent it",
                shorten(text)
            ),
        ));
    }
    Ok(text)
}
