//! Effective-dated duty and tax rules; a quote with every line explained.
//!
//! Rooms: [`pack`] holds the rules as data (one TOML per jurisdiction, checked whole when loaded), [`request`] is
//! the question, [`quote`] the engine and its answer, [`rates`] the seams to tariff store and rate book,
//! [`refund`] reverses charges, [`counter`] keeps China's yearly limit, [`calendar`] and [`docs`] list what the
//! packs say, [`batch`] streams many requests.
//!
//! Decisions where the rule sheet is silent:
//! - the answer is in the destination's currency when a rate leads there, else in the request's, and says so;
//! - `prices_include_tax` is about unit prices and discounts; freight and insurance are always without tax;
//! - a threshold in the request's own currency is measured on the prices as given, not on converted ones;
//! - goods whose exclusion from a relief depends on the HS code need one: without it the answer is indeterminate.

pub mod batch;
pub mod calendar;
pub mod counter;
pub mod docs;
mod fields;
pub mod pack;
pub mod quote;
pub mod rates;
pub mod refund;
pub mod request;
