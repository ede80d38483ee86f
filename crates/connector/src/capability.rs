//! What a connector can do for an account, as data: abilities in four states, and limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tradewind_domain::{Currency, Incoterm};

/// An ability. Each is one facet trait of a role, or part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // each is described by the facet trait of its name
pub enum Facet {
    // marketplace
    Offers,
    Withdraw,
    Stock,
    Prices,
    Listings,
    Categories,
    Orders,
    Acknowledge,
    Ship,
    Cancel,
    Refund,
    Returns,
    FeeEstimates,
    // money, of marketplaces and payment providers
    Statements,
    Transactions,
    Payouts,
    Disputes,
    CustomsPayment,
    // logistics
    Rates,
    Shipments,
    VoidShipment,
    Tracking,
    Pickups,
    Paperwork,
    // customs
    Declare,
    Amend,
    CancelDeclaration,
    Receipts,
    TaxBills,
    // all
    Webhooks,
    /// Token and key endpoints; always allowed.
    Auth,
}

impl Facet {
    /// Every ability, in the order of the connector matrix.
    pub const ALL: [Facet; 31] = [
        Facet::Offers,
        Facet::Withdraw,
        Facet::Stock,
        Facet::Prices,
        Facet::Listings,
        Facet::Categories,
        Facet::Orders,
        Facet::Acknowledge,
        Facet::Ship,
        Facet::Cancel,
        Facet::Refund,
        Facet::Returns,
        Facet::FeeEstimates,
        Facet::Statements,
        Facet::Transactions,
        Facet::Payouts,
        Facet::Disputes,
        Facet::CustomsPayment,
        Facet::Rates,
        Facet::Shipments,
        Facet::VoidShipment,
        Facet::Tracking,
        Facet::Pickups,
        Facet::Paperwork,
        Facet::Declare,
        Facet::Amend,
        Facet::CancelDeclaration,
        Facet::Receipts,
        Facet::TaxBills,
        Facet::Webhooks,
        Facet::Auth,
    ];
}

/// How an ability is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// The channel has it.
    Native,
    /// We build it from other calls; slower, or with a caveat in the connector's README.
    Emulated,
    /// The channel does not have it.
    Unsupported,
    /// The channel has it, this connector does not yet.
    NotImplemented,
}

impl Support {
    /// Calls may be made.
    #[must_use]
    pub const fn works(self) -> bool {
        matches!(self, Support::Native | Support::Emulated)
    }
}

/// The least that a seller can cancel at a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancels {
    /// The order, all that is open of it.
    #[default]
    Orders,
    /// A line, all that is open of it.
    Lines,
    /// A unit.
    Units,
}

impl Cancels {
    fn is_orders(&self) -> bool {
        *self == Cancels::Orders
    }
}

/// Limits of the channel that the planner and the guard respect. `None` means: none is documented.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bounds {
    /// Items in one call of `Offers`.
    pub offers_batch: Option<u32>,
    /// From how many new listings on one bulk submission (`Offers::list`) serves better than calls one by one; `None`
    /// where there is no such submission.
    pub bulk_from: Option<u32>,
    /// From how many known listings on one sweep (`Listings::sweep`) serves better than reading them by SKU; `None` where a
    /// sweep shows less or costs more.
    pub sweep_from: Option<u32>,
    /// Most offers in one bulk submission.
    pub bulk_batch: Option<u32>,
    /// Items in one call of `Stock`.
    pub stock_batch: Option<u32>,
    /// Items in one call of `Prices`.
    pub prices_batch: Option<u32>,
    /// Listings in one read-back.
    pub listings_batch: Option<u32>,
    /// Parcels in one tracking call.
    pub tracking_batch: Option<u32>,
    /// Calls that the changes of listings take: for the estimate of a plan.
    pub efforts: Efforts,
    /// Bytes of a title in UTF-8.
    pub title_bytes: Option<u32>,
    /// Characters of a title.
    pub title_chars: Option<u32>,
    /// Variants of a product stand in one listing, under one title and one description: the product's. Otherwise each SKU
    /// is a listing with words of its own.
    pub variants_share_words: bool,
    /// A product goes to the channel as a whole, all variants in one document: what is left out is taken off sale. Offers then
    /// come with their siblings ([`Draft`](crate::role::Draft)), and no batch cuts a product in two.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole_products: bool,
    /// The least that one cancellation takes of an order.
    #[serde(skip_serializing_if = "Cancels::is_orders")]
    pub cancels: Cancels,
    /// Images per listing.
    pub images: Option<u32>,
    /// Largest quantity.
    pub max_quantity: Option<u32>,
    /// Currencies accepted; empty means: not restricted.
    pub currencies: Vec<Currency>,
    /// Incoterms accepted; empty means: not restricted.
    pub incoterms: Vec<Incoterm>,
    /// Widest window of one orders or transactions query, in hours.
    pub window_hours: Option<u32>,
    /// How late a change may become visible to a query, in minutes: the overlap of polls.
    pub visibility_lag_minutes: Option<u32>,
    /// How long after it happened a movement of money, a payout or a settlement document may still turn up or change (its
    /// payout, its state), in hours: the overlap of their windows where that is more than a day.
    pub money_lag_hours: Option<u32>,
}

/// Calls that are made for one call of a facet with so many items: a connector may find, publish and correct by calls of their
/// own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effort {
    /// Of the call itself.
    pub batch: u32,
    /// Of each product in it.
    pub product: u32,
    /// Of each item in it.
    pub item: u32,
}

impl Effort {
    /// So many calls, however many items there are.
    #[must_use]
    pub const fn batch(calls: u32) -> Effort {
        Effort { batch: calls, product: 0, item: 0 }
    }

    /// So many calls for each product.
    #[must_use]
    pub const fn product(calls: u32) -> Effort {
        Effort { batch: 0, product: calls, item: 0 }
    }

    /// So many calls for each item.
    #[must_use]
    pub const fn item(calls: u32) -> Effort {
        Effort { batch: 0, product: 0, item: calls }
    }

    /// And so many for each call of the facet.
    #[must_use]
    pub const fn and_batch(mut self, calls: u32) -> Effort {
        self.batch = calls;
        self
    }
}

/// What the changes of listings take, each as a call of its facet. By default one call each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Efforts {
    /// A new listing, put.
    pub create: Effort,
    /// A listing that is there, put.
    pub update: Effort,
    /// New listings in a bulk submission, with the questions about it.
    pub bulk: Effort,
    /// A quantity.
    pub quantity: Effort,
    /// A withdrawal.
    pub withdraw: Effort,
    /// A read-back.
    pub read: Effort,
}

impl Default for Efforts {
    fn default() -> Efforts {
        let one = Effort::batch(1);
        Efforts { create: one, update: one, bulk: one, quantity: one, withdraw: one, read: one }
    }
}

/// What an account can do: declared by the connector, narrowed by what was granted and configured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    support: BTreeMap<Facet, Support>,
    /// Limits.
    pub bounds: Bounds,
}

impl Capabilities {
    /// From a table; a facet not named is [`Support::Unsupported`].
    #[must_use]
    pub fn new(support: &[(Facet, Support)], bounds: Bounds) -> Capabilities {
        Capabilities { support: support.iter().copied().collect(), bounds }
    }

    /// How an ability is supported.
    #[must_use]
    pub fn support(&self, facet: Facet) -> Support {
        match facet {
            Facet::Auth => Support::Native,
            _ => self.support.get(&facet).copied().unwrap_or(Support::Unsupported),
        }
    }

    /// Takes an ability away: not granted, or switched off in the configuration.
    pub fn revoke(&mut self, facet: Facet) {
        self.support.insert(facet, Support::Unsupported);
    }

    /// The declared table, for the generated matrix.
    pub fn iter(&self) -> impl Iterator<Item = (Facet, Support)> + '_ {
        self.support.iter().map(|(f, s)| (*f, *s))
    }
}
