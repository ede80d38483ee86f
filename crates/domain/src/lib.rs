//! The shared vocabulary of cross-border trade.
//!
//! Pure: no I/O, no async, no clock. Every crate above speaks in these types; a value that would be wrong
//! (an amount without a currency, a GTIN with a bad check digit, an order state that cannot follow) does not
//! construct.

mod catalogue;
mod classification;
mod country;
mod currency;
mod customs;
mod ids;
mod language;
mod lines;
mod measure;
mod money;
mod near;
mod offer;
mod order;
mod party;
mod payment;
mod prematch;
mod shipment;
mod state;
mod territory;

pub use catalogue::*;
pub use classification::{Gtin, HsCode, InvalidGtin, InvalidHsCode};
pub use country::{Country, EU_MEMBERS, UnknownCountry};
pub use currency::{Currency, UnknownCurrency};
pub use customs::*;
pub use ids::*;
pub use language::{three_letter_codes_to_shorten, two_letter_language};
pub use lines::Lines;
pub use measure::*;
pub use money::{Exact, Money, MoneyBag, MoneyError, Rounding, parse_decimal};
pub use near::nearest;
pub use offer::*;
pub use order::*;
pub use party::*;
pub use payment::*;
pub use rust_decimal::Decimal;
pub use shipment::*;
pub use state::IllegalStep;
