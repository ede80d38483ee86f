//! Price book: cost, freight, duty, fees and margin to a channel price, and back.
//!
//! [`PriceBook`] is the data, [`Pricer`] the engine: [`Pricer::derive`] goes from a price to its margin with every
//! input's `file:line`, [`Pricer::price_for`] from a margin to the lowest price that earns it, [`Pricer::guard`] is
//! what a plan and a send ask. Margins are shares of the net price (price without VAT). Every component is rounded
//! half up to the currency, as it will be charged, and the rounded components add up to the margin.

mod book;
mod engine;
mod solve;

pub use book::{Channel, DutyRule, Ending, Fee, Input, PriceBook, Promotion};
pub use engine::{Derivation, DutySource, Guard, Line, Pricer};
pub use solve::{Cliff, Solution};

use tradewind_domain::{Currency, Money, MoneyError};

/// Why there is no price or no margin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// The book cannot be read.
    #[error("{origin}: {what}")]
    Book {
        /// `file:line`.
        origin: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A channel without floor margin.
    #[error("{origin}: channel {channel} has no floor margin; write one, \"0\" if selling at cost is meant")]
    BlankFloor {
        /// The channel.
        channel: String,
        /// `file:line`.
        origin: String,
    },
    /// The SKU has no costs.
    #[error("SKU {0} has no costs in the price book: add [skus.{0}]")]
    UnknownSku(String),
    /// The channel has no terms.
    #[error("channel {0} has no terms in the price book: add [channels.{0}]")]
    UnknownChannel(String),
    /// A price in another currency, or not above zero.
    #[error("{price} is no price for a channel in {currency}")]
    BadPrice {
        /// The price given.
        price: Money,
        /// The channel's currency.
        currency: Currency,
    },
    /// No price earns the margin.
    #[error(
        "no price up to {limit} earns a margin of {margin}: fees, VAT, duty and returns take too much of each price"
    )]
    Unreachable {
        /// The share wanted.
        margin: tradewind_domain::Decimal,
        /// Where the search ended.
        limit: Money,
    },
    /// The duty of a net price is not known.
    #[error("duty: {0}")]
    Duty(String),
    /// A cost in another currency has no rate.
    #[error("{origin}: {error}")]
    Fx {
        /// `file:line` of the cost.
        origin: String,
        /// What the rate book says.
        error: tradewind_fx::FxError,
    },
    /// An amount does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
}
