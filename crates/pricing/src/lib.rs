//! Price book: cost, freight, duty, fees and margin to a channel price, and back.
//!
//! [`PriceBook`] is the data, [`Pricer`] the engine: [`Pricer::derive`] goes from a price to its margin with every
//! input's `file:line`, [`Pricer::price_for`] from a margin to the lowest price that earns it, [`Pricer::guard`] is
//! what a plan and a send ask. Margins are shares of the net price (price without VAT). Every component is rounded
//! half up to the currency, as it will be charged, and the rounded components add up to the margin.
//!
//! What the border takes comes through [`ImportCharges`]; the gateway puts the landed-cost engine behind it.

mod book;
mod engine;
mod parse;
mod solve;

pub use book::{Channel, Cost, Costs, DutyRule, Edition, Ending, Fee, Input, PriceBook, Promotion, Vat};
pub use engine::{Article, Charged, Derivation, Fx, Guard, ImportCharges, Line, Pricer};
pub use solve::{Cliff, Solution};

use tradewind_domain::{Currency, Money, MoneyError};

/// A fact of an article that the border asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Its HS code.
    Hs,
    /// Its country of origin.
    Origin,
}

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
    /// Nobody says what the SKU costs to buy.
    #[error(
        "SKU {0} has no purchase cost: add the column cost to the catalogue, or purchase under [skus.{0}] in the price book"
    )]
    NoPurchase(String),
    /// A cost per weight, and no weight.
    #[error(
        "{origin}: {cost} of SKU {sku} is per kilogram, and its weight is not known: add the column weight"
    )]
    NoWeight {
        /// The SKU.
        sku: String,
        /// The component.
        cost: String,
        /// `file:line` of the cost.
        origin: String,
    },
    /// The channel says neither which margin nor which markup makes its prices.
    #[error("the channel has no such price rule: write target or markup in its table")]
    NoPriceRule,
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
    /// An import charge is not known.
    #[error("landed cost not known: {why}")]
    Landed {
        /// What is missing, in words.
        why: String,
        /// The article's own fact that is missing, where it is one.
        lacks: Option<Lack>,
    },
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

impl PricingError {
    /// Where it stands in the price book: `file:line`.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        match self {
            PricingError::Book { origin, .. }
            | PricingError::BlankFloor { origin, .. }
            | PricingError::NoWeight { origin, .. }
            | PricingError::Fx { origin, .. } => Some(origin),
            _ => None,
        }
    }
}
