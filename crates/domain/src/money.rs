//! Money: an exact amount with its currency.
//!
//! Two types share the work. [`Money`] is an amount that can be paid: a whole number of minor units of its
//! currency. [`Exact`] is an amount that has not been rounded yet: a rate times a base, a unit price with
//! more decimals than the currency has. The only way from the second to the first is [`Exact::round`], which
//! names its [`Rounding`]; that is the one rounding place of the system.

use std::fmt;
use std::iter::Sum;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use crate::currency::Currency;

/// How an exact amount becomes a payable one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Half away from zero: 2.345 → 2.35, −2.345 → −2.35. What most tax offices and marketplaces use.
    HalfUp,
    /// Half to even: 2.345 → 2.34. Banker's rounding.
    HalfEven,
    /// Towards zero: 2.349 → 2.34. Japanese customs truncates so.
    Down,
    /// Away from zero: 2.341 → 2.35.
    Up,
}

impl Rounding {
    fn strategy(self) -> RoundingStrategy {
        match self {
            Rounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
            Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
            Rounding::Down => RoundingStrategy::ToZero,
            Rounding::Up => RoundingStrategy::AwayFromZero,
        }
    }

    /// `value` rounded to a whole multiple of `step` (0.05 in Switzerland, 10 in Korea). A step of zero or
    /// below returns the value unchanged. This and [`Exact::round`] are the only callers of a rounding function.
    #[must_use]
    pub fn to_step(self, value: Decimal, step: Decimal) -> Decimal {
        if step <= Decimal::ZERO {
            return value;
        }
        match value.checked_div(step) {
            Some(n) => n.round_dp_with_strategy(0, self.strategy()) * step,
            None => value,
        }
    }
}

/// Why an amount could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Two amounts of different currencies met.
    #[error("cannot combine {left} with {right}: convert one of them with a rate first")]
    CurrencyMismatch {
        /// Currency on the left.
        left: Currency,
        /// Currency on the right.
        right: Currency,
    },
    /// The result does not fit (beyond ±9.2 × 10^18 minor units).
    #[error("amount out of range: {0}")]
    Overflow(String),
    /// The text is not a plain decimal number.
    #[error("'{0}' is not an amount: expected digits with an optional '-' and '.', such as 12.50")]
    Malformed(String),
    /// The text has more decimals than the currency's minor unit.
    #[error("'{text}' has more decimals than {currency} allows ({allowed})")]
    TooPrecise {
        /// The text as given.
        text: String,
        /// Its currency.
        currency: Currency,
        /// Decimals allowed by ISO 4217.
        allowed: u32,
    },
    /// There was nothing to allocate to.
    #[error("cannot allocate {0}: the weights are empty, negative, or sum to zero")]
    NoWeights(Money),
}

/// A plain decimal number from its text: optional sign, digits, at most one point.
///
/// Stricter than [`Decimal::from_str_exact`]: no exponent, no underscore, no blank, no digit dropped.
///
/// # Errors
/// [`MoneyError::Malformed`], also when more than 28 significant digits are given.
pub fn parse_decimal(text: &str) -> Result<Decimal, MoneyError> {
    let malformed = || MoneyError::Malformed(text.chars().take(40).collect());
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut halves = digits.splitn(2, '.');
    let whole = halves.next().unwrap_or_default();
    let fraction = halves.next();
    let ok = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !ok(whole) || !fraction.is_none_or(ok) {
        return Err(malformed());
    }
    Decimal::from_str_exact(text).map_err(|_| malformed())
}

/// A payable amount: whole minor units of one currency. Signed.
///
/// Serialised as `{"amount":"12.50","currency":"EUR"}`, the text always at the currency's exponent.
///
/// ```
/// use tradewind_domain::{Currency, Money};
/// let price = Money::parse("12.50", Currency::EUR)?;
/// assert_eq!(price.minor(), 1250);
/// assert_eq!(price.try_add(Money::from_minor(5, Currency::EUR))?.to_string(), "12.55 EUR");
/// assert!(price.try_add(Money::from_minor(5, Currency::USD)).is_err());
/// # Ok::<(), tradewind_domain::MoneyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// An amount of `minor` minor units (cents of EUR, yen of JPY, fils of KWD).
    #[must_use]
    pub const fn from_minor(minor: i64, currency: Currency) -> Money {
        Money { minor, currency }
    }

    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Money {
        Money { minor: 0, currency }
    }

    /// An amount from its decimal text in major units.
    ///
    /// # Errors
    /// The text is malformed, or has non-zero decimals beyond the currency's exponent: an amount is never
    /// rounded silently. Use [`Exact`] for unit prices with more decimals.
    pub fn parse(text: &str, currency: Currency) -> Result<Money, MoneyError> {
        Money::from_decimal(parse_decimal(text)?, currency)
    }

    /// An amount from a decimal in major units that needs no rounding.
    ///
    /// # Errors
    /// [`MoneyError::TooPrecise`] when it would need rounding; [`MoneyError::Overflow`].
    pub fn from_decimal(value: Decimal, currency: Currency) -> Result<Money, MoneyError> {
        let normal = value.normalize();
        if normal.scale() > currency.exponent() {
            return Err(MoneyError::TooPrecise {
                text: value.to_string(),
                currency,
                allowed: currency.exponent(),
            });
        }
        Exact { value: normal, currency }.round(Rounding::Down)
    }

    /// Minor units, signed.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount in major units, at the currency's exponent: 12.50.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }

    /// The amount as text in major units without the currency, at the currency's exponent: `"12.50"`.
    #[must_use]
    pub fn amount(self) -> String {
        self.decimal().to_string()
    }

    /// As an exact amount, to go on calculating.
    #[must_use]
    pub fn exact(self) -> Exact {
        Exact { value: self.decimal(), currency: self.currency }
    }

    fn same(self, other: Money) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency })
        }
    }

    /// Sum.
    ///
    /// # Errors
    /// Currencies differ, or overflow.
    pub fn try_add(self, other: Money) -> Result<Money, MoneyError> {
        self.same(other)?;
        let minor = self
            .minor
            .checked_add(other.minor)
            .ok_or_else(|| MoneyError::Overflow(format!("{self} + {other}")))?;
        Ok(Money { minor, ..self })
    }

    /// Difference.
    ///
    /// # Errors
    /// Currencies differ, or overflow.
    pub fn try_sub(self, other: Money) -> Result<Money, MoneyError> {
        self.same(other)?;
        let minor = self
            .minor
            .checked_sub(other.minor)
            .ok_or_else(|| MoneyError::Overflow(format!("{self} - {other}")))?;
        Ok(Money { minor, ..self })
    }

    /// A whole multiple: unit price times quantity.
    ///
    /// # Errors
    /// Overflow.
    pub fn try_mul(self, n: i64) -> Result<Money, MoneyError> {
        let minor = self.minor.checked_mul(n).ok_or_else(|| MoneyError::Overflow(format!("{self} × {n}")))?;
        Ok(Money { minor, ..self })
    }

    /// Sum of many.
    ///
    /// # Errors
    /// A currency differs from `currency`, or overflow.
    pub fn try_sum<I: IntoIterator<Item = Money>>(currency: Currency, items: I) -> Result<Money, MoneyError> {
        items.into_iter().try_fold(Money::zero(currency), Money::try_add)
    }

    /// The amount with the opposite sign. Saturates at the end of the range.
    #[must_use]
    pub const fn negated(self) -> Money {
        Money { minor: self.minor.saturating_neg(), currency: self.currency }
    }

    /// The amount without its sign.
    #[must_use]
    pub const fn abs(self) -> Money {
        Money { minor: self.minor.saturating_abs(), currency: self.currency }
    }

    /// Exactly nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// Above zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Splits the amount by weights, without losing or inventing a minor unit.
    ///
    /// Largest remainder: every part gets its share rounded towards zero, and the units left over go one
    /// each to the parts with the largest remainder, the earlier part first on a tie. The parts of −x are
    /// the negated parts of x. A weight of zero gets nothing.
    ///
    /// # Errors
    /// No weights, a negative weight, or all weights zero.
    pub fn allocate(self, weights: &[Decimal]) -> Result<Vec<Money>, MoneyError> {
        let total: Option<Decimal> = weights.iter().try_fold(Decimal::ZERO, |sum, w| {
            if w.is_sign_negative() && !w.is_zero() { None } else { sum.checked_add(*w) }
        });
        let total = match total {
            Some(t) if t > Decimal::ZERO => t,
            _ => return Err(MoneyError::NoWeights(self)),
        };
        let ints = integer_weights(weights, total)
            .ok_or_else(|| MoneyError::Overflow(format!("{self} by weights")))?;
        let sum: i128 = ints.iter().sum();
        let magnitude = i128::from(self.minor).abs();
        let mut parts = Vec::with_capacity(ints.len());
        let mut order: Vec<(i128, usize)> = Vec::with_capacity(ints.len());
        let mut left = magnitude;
        for (i, w) in ints.iter().enumerate() {
            let product = magnitude
                .checked_mul(*w)
                .ok_or_else(|| MoneyError::Overflow(format!("{self} by weights")))?;
            parts.push(product / sum);
            left -= product / sum;
            order.push((product % sum, i));
        }
        order.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, i) in order.into_iter().filter(|(rest, _)| *rest > 0).take(usize::try_from(left).unwrap_or(0))
        {
            parts[i] += 1;
        }
        let sign = i128::from(self.minor.signum());
        parts
            .into_iter()
            .map(|p| {
                i64::try_from(p * sign)
                    .map(|minor| Money { minor, currency: self.currency })
                    .map_err(|_| MoneyError::Overflow(format!("{self} by weights")))
            })
            .collect()
    }
}

/// Weights as integers in the same proportion, small enough that minor units times a weight fit `i128`.
fn integer_weights(weights: &[Decimal], total: Decimal) -> Option<Vec<i128>> {
    let scale = weights.iter().map(|w| w.normalize().scale()).max().unwrap_or(0).min(28);
    let factor = |w: &Decimal| -> Option<i128> {
        let n = w.normalize();
        n.mantissa().checked_mul(10_i128.checked_pow(scale.checked_sub(n.scale())?)?)
    };
    let ints: Option<Vec<i128>> = weights.iter().map(factor).collect();
    // 9.2e18 minor units × weight must stay below 1.7e38.
    match ints {
        Some(v) if v.iter().sum::<i128>() < 18_000_000_000_000_000_000 => Some(v),
        _ => {
            // Too fine to multiply exactly: keep 17 digits of each share of the total.
            let unit = Decimal::new(1, 17);
            weights
                .iter()
                .map(|w| Some(w.checked_div(total)?.checked_div(unit)?.trunc().normalize().mantissa()))
                .collect()
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.decimal(), self.currency))
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    amount: std::borrow::Cow<'a, str>,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Wire { amount: self.amount().into(), currency: self.currency }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(d)?;
        Money::parse(&wire.amount, wire.currency).map_err(serde::de::Error::custom)
    }
}

/// An amount that has not been rounded: any decimal, in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exact {
    #[serde(rename = "amount", with = "rust_decimal::serde::str")]
    value: Decimal,
    currency: Currency,
}

impl Exact {
    /// An exact amount in major units.
    #[must_use]
    pub const fn new(value: Decimal, currency: Currency) -> Exact {
        Exact { value, currency }
    }

    /// The value in major units.
    #[must_use]
    pub const fn value(self) -> Decimal {
        self.value
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Times a pure number: a rate, a share, a quantity.
    ///
    /// # Errors
    /// Overflow.
    pub fn times(self, factor: Decimal) -> Result<Exact, MoneyError> {
        let value = self
            .value
            .checked_mul(factor)
            .ok_or_else(|| MoneyError::Overflow(format!("{} × {factor}", self.value)))?;
        Ok(Exact { value, ..self })
    }

    /// Sum.
    ///
    /// # Errors
    /// Currencies differ, or overflow.
    pub fn try_add(self, other: Exact) -> Result<Exact, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency });
        }
        let value = self
            .value
            .checked_add(other.value)
            .ok_or_else(|| MoneyError::Overflow(format!("{} + {}", self.value, other.value)))?;
        Ok(Exact { value, ..self })
    }

    /// To a payable amount at the currency's own exponent: the one rounding place of the system.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] beyond the range of [`Money`].
    pub fn round(self, rounding: Rounding) -> Result<Money, MoneyError> {
        let exponent = self.currency.exponent();
        let overflow = || MoneyError::Overflow(format!("{} {}", self.value, self.currency));
        let rounded = self.value.round_dp_with_strategy(exponent, rounding.strategy());
        let up = 10_i128.pow(exponent - rounded.scale().min(exponent));
        let minor = rounded.mantissa().checked_mul(up).ok_or_else(overflow)?;
        let minor = i64::try_from(minor).map_err(|_| overflow())?;
        Ok(Money { minor, currency: self.currency })
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.value, self.currency))
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Amounts kept apart per currency: what a report shows when several currencies meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoneyBag(std::collections::BTreeMap<Currency, i64>);

impl MoneyBag {
    /// Empty.
    #[must_use]
    pub fn new() -> MoneyBag {
        MoneyBag::default()
    }

    /// Adds an amount to its currency's total.
    ///
    /// # Errors
    /// Overflow.
    pub fn add(&mut self, amount: Money) -> Result<(), MoneyError> {
        let slot = self.0.entry(amount.currency).or_insert(0);
        *slot = slot
            .checked_add(amount.minor)
            .ok_or_else(|| MoneyError::Overflow(format!("total in {}", amount.currency)))?;
        Ok(())
    }

    /// The total of a currency; zero when it never occurred.
    #[must_use]
    pub fn get(&self, currency: Currency) -> Money {
        Money::from_minor(self.0.get(&currency).copied().unwrap_or(0), currency)
    }

    /// The totals by currency code.
    pub fn iter(&self) -> impl Iterator<Item = Money> + '_ {
        self.0.iter().map(|(c, minor)| Money::from_minor(*minor, *c))
    }

    /// Every total is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.values().all(|m| *m == 0)
    }
}

impl Sum<Money> for MoneyBag {
    fn sum<I: Iterator<Item = Money>>(iter: I) -> Self {
        let mut bag = MoneyBag::new();
        for m in iter {
            let slot = bag.0.entry(m.currency).or_insert(0);
            *slot = slot.saturating_add(m.minor);
        }
        bag
    }
}

impl Serialize for MoneyBag {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.iter().map(|m| (m.currency(), m.amount())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur(s: &str) -> Money {
        Money::parse(s, Currency::EUR).unwrap()
    }

    #[test]
    fn text_is_exact_or_refused() {
        assert_eq!(eur("12.5").minor(), 1250);
        assert_eq!(eur("-0.01").minor(), -1);
        assert_eq!(eur("12.500").minor(), 1250);
        for bad in ["", "-", "1,50", "1.", ".5", " 1", "1e3", "1_000", "+1", "1.2.3", "NaN", "--1"] {
            assert!(matches!(Money::parse(bad, Currency::EUR), Err(MoneyError::Malformed(_))), "{bad}");
        }
        assert!(matches!(Money::parse("1.005", Currency::EUR), Err(MoneyError::TooPrecise { .. })));
        assert!(matches!(Money::parse("1.5", Currency::JPY), Err(MoneyError::TooPrecise { .. })));
        assert_eq!(Money::parse("1.005", Currency::KWD).unwrap().minor(), 1005);
        assert!(Money::parse("99999999999999999999", Currency::JPY).is_err());
    }

    #[test]
    fn json_is_a_string_and_a_code() {
        let json = serde_json::to_string(&Money::from_minor(5, Currency::KWD)).unwrap();
        assert_eq!(json, r#"{"amount":"0.005","currency":"KWD"}"#);
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), Money::from_minor(5, Currency::KWD));
        assert!(serde_json::from_str::<Money>(r#"{"amount":1.5,"currency":"EUR"}"#).is_err());
    }

    #[test]
    fn rounding_is_named() {
        let x = |s: &str| Exact::new(Decimal::from_str_exact(s).unwrap(), Currency::EUR);
        for (value, half_up, half_even, down, up) in
            [("2.345", 235, 234, 234, 235), ("-2.345", -235, -234, -234, -235), ("2.341", 234, 234, 234, 235)]
        {
            assert_eq!(x(value).round(Rounding::HalfUp).unwrap().minor(), half_up);
            assert_eq!(x(value).round(Rounding::HalfEven).unwrap().minor(), half_even);
            assert_eq!(x(value).round(Rounding::Down).unwrap().minor(), down);
            assert_eq!(x(value).round(Rounding::Up).unwrap().minor(), up);
        }
        // Switzerland rounds cash to 0.05: 7.62 → 7.60, 7.63 → 7.65 (hand arithmetic: 152.4 and 152.6 steps).
        let step = Decimal::new(5, 2);
        assert_eq!(Rounding::HalfUp.to_step(Decimal::new(762, 2), step), Decimal::new(760, 2));
        assert_eq!(Rounding::HalfUp.to_step(Decimal::new(763, 2), step), Decimal::new(765, 2));
    }

    #[test]
    fn allocation_by_largest_remainder() {
        // 1.00 by 1:1:1 → 33.33 each, one cent left, all remainders equal: the first part gets it.
        let thirds = eur("1.00").allocate(&[Decimal::ONE; 3]).unwrap();
        assert_eq!(thirds.iter().map(|m| m.minor()).collect::<Vec<_>>(), [34, 33, 33]);
        // 0.05 by 3:7 → 1.5 and 3.5 cents; remainders tie; the first part gets the cent.
        let parts = eur("0.05").allocate(&[Decimal::from(3), Decimal::from(7)]).unwrap();
        assert_eq!(parts.iter().map(|m| m.minor()).collect::<Vec<_>>(), [2, 3]);
        assert!(eur("1.00").allocate(&[]).is_err());
        assert!(eur("1.00").allocate(&[Decimal::ZERO]).is_err());
        assert!(eur("1.00").allocate(&[Decimal::ONE, Decimal::NEGATIVE_ONE]).is_err());
    }

    proptest! {
        #[test]
        fn allocation_conserves_and_mirrors(minor in -10_i64.pow(12)..10_i64.pow(12),
                                            weights in prop::collection::vec(0_i64..1_000_000_000, 1..20)) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let weights: Vec<Decimal> = weights.into_iter().map(|w| Decimal::new(w, 4)).collect();
            let whole = Money::from_minor(minor, Currency::USD);
            let parts = whole.allocate(&weights).unwrap();
            prop_assert_eq!(parts.iter().map(|p| p.minor()).sum::<i64>(), minor);
            prop_assert!(parts.iter().all(|p| p.minor().signum() * minor.signum() >= 0));
            let mirrored: Vec<Money> = whole.negated().allocate(&weights).unwrap();
            prop_assert_eq!(mirrored, parts.iter().map(|p| p.negated()).collect::<Vec<_>>());
        }

        #[test]
        fn text_round_trips(minor in any::<i64>(), i in 0_usize..150) {
            let currency = Currency::all().nth(i).unwrap();
            let money = Money::from_minor(minor, currency);
            prop_assert_eq!(Money::parse(&money.amount(), currency).unwrap(), money);
        }
    }
}
