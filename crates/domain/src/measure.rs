//! Quantities, weights, dimensions and instants with their units.

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// A weight in whole grams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Grams(pub u64);

/// A unit of weight as source files write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightUnit {
    /// Grams.
    Gram,
    /// Kilograms.
    Kilogram,
    /// Avoirdupois pounds, 453.59237 g exactly (international yard and pound agreement, 1959).
    Pound,
    /// Avoirdupois ounces, a sixteenth of a pound.
    Ounce,
}

impl WeightUnit {
    /// From its usual abbreviation, in any case; `None` when unknown.
    #[must_use]
    pub fn parse(text: &str) -> Option<WeightUnit> {
        Some(match text.to_ascii_lowercase().as_str() {
            "g" | "gram" | "grams" => WeightUnit::Gram,
            "kg" | "kilogram" | "kilograms" => WeightUnit::Kilogram,
            "lb" | "lbs" | "pound" | "pounds" => WeightUnit::Pound,
            "oz" | "ounce" | "ounces" => WeightUnit::Ounce,
            _ => return None,
        })
    }

    fn grams(self) -> Decimal {
        match self {
            WeightUnit::Gram => Decimal::ONE,
            WeightUnit::Kilogram => Decimal::ONE_THOUSAND,
            WeightUnit::Pound => Decimal::new(45_359_237, 5),
            WeightUnit::Ounce => Decimal::new(28_349_523_125, 9),
        }
    }
}

impl Grams {
    /// A weight from any unit, rounded **up**: a carrier never bills less than the parcel weighs. `None` for
    /// a negative value or one that does not fit.
    #[must_use]
    pub fn from_unit(value: Decimal, unit: WeightUnit) -> Option<Grams> {
        let grams = value.checked_mul(unit.grams())?;
        let whole = grams.round_dp_with_strategy(0, RoundingStrategy::ToPositiveInfinity);
        u64::try_from(whole).ok().map(Grams)
    }

    /// In kilograms, exactly.
    #[must_use]
    pub fn kilograms(self) -> Decimal {
        Decimal::from(self.0) / Decimal::ONE_THOUSAND
    }
}

/// Outer dimensions in whole millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dimensions {
    /// Longest side, mm.
    pub length_mm: u32,
    /// Middle side, mm.
    pub width_mm: u32,
    /// Shortest side, mm.
    pub height_mm: u32,
}

/// An instant in UTC that remembers the zone in which the channel told it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceTime {
    /// The instant.
    pub utc: Timestamp,
    /// IANA zone or fixed offset (`Asia/Shanghai`, `+08:00`) when the channel gave local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl SourceTime {
    /// An instant that came as UTC.
    #[must_use]
    pub const fn utc(utc: Timestamp) -> SourceTime {
        SourceTime { utc, zone: None }
    }

    /// An instant that came as local time of `zone`.
    #[must_use]
    pub fn local(utc: Timestamp, zone: impl Into<String>) -> SourceTime {
        SourceTime { utc, zone: Some(zone.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_round_up() {
        // 1 lb = 453.59237 g → 454 g; 0.5 oz = 14.17 g → 15 g.
        assert_eq!(Grams::from_unit(Decimal::ONE, WeightUnit::Pound), Some(Grams(454)));
        assert_eq!(Grams::from_unit(Decimal::new(5, 1), WeightUnit::Ounce), Some(Grams(15)));
        assert_eq!(Grams::from_unit(Decimal::new(25, 2), WeightUnit::Kilogram), Some(Grams(250)));
        assert_eq!(Grams::from_unit(Decimal::NEGATIVE_ONE, WeightUnit::Gram), None);
    }
}
