//! Returns: a partial refund reverses charges in proportion, with cumulative rounding, so that the refunds of all
//! pieces add up to the charge exactly.

use std::sync::Arc;

use rust_decimal::Decimal;
use tradewind_domain::{Money, MoneyError, Rounding};

use crate::quote::Line;

/// What to give back of `charged` when `returned_now` of `quantity` pieces come back after `returned_before`.
///
/// The rounded share of everything returned so far, less the rounded share of what was returned before. Whether
/// the tax office gives it back too is another question: duty collected at sale usually is not refundable there.
///
/// # Errors
/// More pieces returned than bought, a quantity of zero, or overflow.
pub fn refund(
    charged: Money,
    quantity: Decimal,
    returned_before: Decimal,
    returned_now: Decimal,
) -> Result<Money, MoneyError> {
    let after = returned_before + returned_now;
    if quantity <= Decimal::ZERO
        || returned_before < Decimal::ZERO
        || returned_now < Decimal::ZERO
        || after > quantity
    {
        return Err(MoneyError::Overflow(format!("{after} returned of {quantity}")));
    }
    let share = |n: Decimal| {
        let part = charged.decimal().checked_mul(n).and_then(|v| v.checked_div(quantity));
        let part = part.ok_or_else(|| MoneyError::Overflow(charged.to_string()))?;
        tradewind_domain::Exact::new(part, charged.currency()).round(Rounding::HalfUp)
    };
    share(after)?.try_sub(share(returned_before)?)
}

/// The part of one charge that is reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversal {
    /// Kind of the charge.
    pub kind: Arc<str>,
    /// Its layer.
    pub layer: Arc<str>,
    /// Its rule.
    pub rule_id: Arc<str>,
    /// What to give back.
    pub amount: Money,
}

/// Reverses every charge of a quoted line, each by itself, so that each adds up over the pieces.
///
/// # Errors
/// As [`refund`].
pub fn line(
    line: &Line,
    quantity: Decimal,
    returned_before: Decimal,
    returned_now: Decimal,
) -> Result<Vec<Reversal>, MoneyError> {
    line.charges
        .iter()
        .map(|c| {
            Ok(Reversal {
                kind: c.kind.clone(),
                layer: c.layer.clone(),
                rule_id: c.rule_id.clone(),
                amount: refund(c.amount, quantity, returned_before, returned_now)?,
            })
        })
        .collect()
}
