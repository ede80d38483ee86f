//! One amount into another currency, with the rate, the product before rounding and the rounding kept.

use serde::Serialize;
use tradewind_domain::{Exact, Money, Rounding};

use crate::{FxError, Rate};

/// A conversion that can be audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// What was converted.
    pub from: Money,
    /// The payable result.
    pub to: Money,
    /// The product before rounding.
    pub unrounded: Exact,
    /// How it was rounded.
    pub rounding: Rounding,
    /// The rate, with its publication and id.
    pub rate: Rate,
}

/// Converts `amount` with `rate`.
///
/// # Errors
/// [`FxError::WrongCurrency`] when the amount is not in `rate.from`; overflow.
pub fn convert(amount: Money, rate: &Rate, rounding: Rounding) -> Result<Conversion, FxError> {
    if amount.currency() != rate.from {
        return Err(FxError::WrongCurrency { amount: amount.currency(), from: rate.from });
    }
    let unrounded = Exact::new(amount.exact().times(rate.rate)?.value(), rate.to);
    Ok(Conversion { from: amount, to: unrounded.round(rounding)?, unrounded, rounding, rate: rate.clone() })
}

impl Serialize for Conversion {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = s.serialize_struct("Conversion", 5)?;
        out.serialize_field("from", &self.from)?;
        out.serialize_field("to", &self.to)?;
        out.serialize_field("unrounded", &self.unrounded.value().to_string())?;
        out.serialize_field("rounding", &format!("{:?}", self.rounding))?;
        out.serialize_field("rate", &self.rate)?;
        out.end()
    }
}
