//! The price book: costs per SKU and terms per channel. Each input keeps its `file:line`. [`crate::parse`] reads it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use tradewind_domain::{Country, Currency, Decimal, Money};

use crate::PricingError;

/// A value with the `file:line` it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input<T> {
    /// The value.
    pub value: T,
    /// `file:line`.
    pub origin: String,
}

/// One cost component of a sold unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Per unit.
    pub flat: Option<Money>,
    /// Per kilogram of packed weight.
    pub per_kg: Option<Money>,
}

/// Costs by name: `purchase`, `packing`, `freight`, or any other.
pub type Costs = BTreeMap<String, Input<Cost>>;

/// One fee of a channel or payment provider, on the price the buyer pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fee {
    /// Its name in the derivation.
    pub name: String,
    /// Marginal tiers: up to this price (`None`: without end), this share of the part inside.
    pub tiers: Vec<(Option<Decimal>, Decimal)>,
    /// Added to every sale.
    pub fixed: Decimal,
    /// The share is never less.
    pub minimum: Option<Decimal>,
    /// Where it stands.
    pub origin: String,
}

/// Duty on the net price (price without VAT), when it is above a threshold: for a channel without market, whose duty
/// the seller knows better than the rule packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyRule {
    /// Share of the net price.
    pub rate: Decimal,
    /// No duty up to and including this net price.
    pub above: Decimal,
    /// Where it stands.
    pub origin: String,
}

/// The tax that a price contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vat {
    /// This share of the net price. `"0"`: the price contains none.
    Rate(Input<Decimal>),
    /// What the landed cost of the channel's market says; the text is `file:line`.
    Landed(String),
}

impl Vat {
    /// The stated rate; `None` when the landed cost has it.
    #[must_use]
    pub fn rate(&self) -> Option<Decimal> {
        match self {
            Vat::Rate(r) => Some(r.value),
            Vat::Landed(_) => None,
        }
    }

    /// `file:line`.
    #[must_use]
    pub fn origin(&self) -> &str {
        match self {
            Vat::Rate(r) => &r.origin,
            Vat::Landed(at) => at,
        }
    }
}

/// The last digits of a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub(crate) modulus: i64,
    pub(crate) rest: i64,
    /// `file:line`.
    pub origin: String,
}

impl Ending {
    /// The lowest amount in minor units with this ending that is not below `minor`.
    #[must_use]
    pub fn up(&self, minor: i64) -> i64 {
        minor.saturating_add(self.rest.saturating_sub(minor).rem_euclid(self.modulus))
    }
}

/// The terms of one channel: one account in one market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Prices are in this currency.
    pub currency: Currency,
    /// The country the buyers are in: its landed cost is part of the sum. Without it nothing crosses a border.
    pub market: Option<Input<Country>>,
    /// Tax contained in the price.
    pub vat: Vat,
    /// The least margin as a share of the net price. Blank is an error, not zero.
    pub floor: Input<Decimal>,
    /// The wanted margin as a share of the net price; without it the price is the catalogue's, times `markup`.
    pub target: Option<Input<Decimal>>,
    /// Factor on the catalogue price where there is no target.
    pub markup: Option<Input<Decimal>>,
    /// Share of the price set aside for returns.
    pub returns: Option<Input<Decimal>>,
    /// Channel and payment fees.
    pub fees: Vec<Fee>,
    /// Costs of every unit sold here.
    pub costs: Costs,
    /// Built-in duty rule, for a channel without market.
    pub duty: Option<DutyRule>,
    /// Price ending.
    pub ending: Option<Ending>,
}

/// A promotion window, half-open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Its name.
    pub name: String,
    /// Channel it runs on.
    pub channel: String,
    /// SKUs it is for; empty means all.
    pub skus: Vec<String>,
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub until: Timestamp,
    /// Share taken off.
    pub off: Decimal,
    /// The higher one wins.
    pub priority: i32,
    /// May be combined with others that say so too.
    pub stacks: bool,
    /// Where it stands.
    pub origin: String,
}

/// The book as it stands between two scheduled changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edition {
    /// Name of the scheduled change it came with; empty for the first.
    pub name: String,
    /// Costs of every SKU, unless its channel or the SKU itself says otherwise.
    pub costs: Costs,
    /// Cost components by SKU, in the order of the alphabet.
    pub skus: BTreeMap<String, Costs>,
    /// Terms by channel.
    pub channels: BTreeMap<String, Channel>,
}

/// A whole book: every edition, and the promotions.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    /// The first edition, in force until the first scheduled one.
    pub first: Edition,
    /// Scheduled editions by their first instant, rising.
    pub scheduled: Vec<(Timestamp, Edition)>,
    /// All promotions.
    pub promotions: Vec<Promotion>,
}

impl PriceBook {
    /// Raises every floor below this one to it, in every edition: the general floor is the least of all.
    ///
    /// # Errors
    /// A channel's target is below it: no price for that target could ever go out.
    pub fn raise_floors(&mut self, least: &Input<Decimal>) -> Result<(), PricingError> {
        let editions = std::iter::once(&mut self.first).chain(self.scheduled.iter_mut().map(|(_, e)| e));
        for terms in editions.flat_map(|e| e.channels.values_mut()) {
            if terms.floor.value >= least.value {
                continue;
            }
            if let Some(target) = terms.target.as_ref().filter(|t| t.value < least.value) {
                return Err(PricingError::Book {
                    origin: target.origin.clone(),
                    what: format!(
                        "the target {} is below the floor {} ({}): raise the one or lower the other",
                        target.value, least.value, least.origin
                    ),
                });
            }
            terms.floor.clone_from(least);
        }
        Ok(())
    }

    /// The edition in force at an instant.
    #[must_use]
    pub fn at(&self, instant: Timestamp) -> &Edition {
        self.scheduled.iter().rev().find(|(from, _)| *from <= instant).map_or(&self.first, |(_, e)| e)
    }

    /// Every instant at which the book says something else: editions, and both ends of promotions.
    #[must_use]
    pub fn changes(&self) -> Vec<Timestamp> {
        let mut all: Vec<Timestamp> = self.scheduled.iter().map(|(from, _)| *from).collect();
        all.extend(self.promotions.iter().flat_map(|p| [p.from, p.until]));
        all.sort_unstable();
        all.dedup();
        all
    }
}
