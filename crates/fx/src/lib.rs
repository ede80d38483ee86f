//! Rate book: where a rate came from, as of when; conversion and rounding.
//!
//! Pure: importers take text, look-ups take dates. A rate is never guessed: what the book does not have, or has
//! only older than the policy allows, is an error that says what to import.
//!
//! - [`import`] reads the publications (ECB, HMRC, plain CSV) into [`Publication`]s;
//! - [`RateBook`] keeps every version of each and answers as of a date;
//! - [`calendar`] knows which day's rate customs uses;
//! - [`convert`] turns one [`tradewind_domain::Money`] into another and keeps how.

mod book;
pub mod calendar;
mod convert;
pub mod import;

pub use book::{FxError, Path, Policy, Publication, Quote, Rate, RateBook};
pub use convert::{Conversion, convert};
