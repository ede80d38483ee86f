//! What the fake remembers.

use super::auth::Issued;
use crate::core::buyers::Buyer;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct State {
    /// By SKU.
    pub(super) items: BTreeMap<String, Item>,
    /// By offer id.
    pub(super) offers: BTreeMap<String, EbayOffer>,
    /// Offers made so far per SKU and marketplace; part of the next id.
    pub(super) made: BTreeMap<(String, String), u64>,
    /// Listings made through Trading, by item id.
    pub(super) legacy: BTreeMap<String, Legacy>,
    pub(super) orders: BTreeMap<String, Order>,
    /// In order of booking.
    pub(super) transactions: Vec<Transaction>,
    pub(super) payouts: BTreeMap<String, Payout>,
    pub(super) disputes: BTreeMap<String, Dispute>,
    pub(super) returns: BTreeMap<String, ReturnCase>,
    /// Locations beyond the one that exists from the start.
    pub(super) locations: BTreeMap<String, Value>,
    pub(super) tokens: BTreeMap<String, Issued>,
    pub(super) issued: u64,
    /// Authorization codes with their end, in milliseconds.
    pub(super) codes: BTreeMap<String, i64>,
    /// Calls by (API, Pacific day).
    pub(super) calls: BTreeMap<(&'static str, i64), u64>,
    /// Revisions by (listing, Pacific day).
    pub(super) revisions: BTreeMap<(String, i64), u32>,
    pub(super) destinations: BTreeMap<String, Value>,
    pub(super) subscriptions: BTreeMap<String, Value>,
    /// `InvocationID`s of Trading seen.
    pub(super) invocations: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    /// The record as sent.
    pub(super) record: Map<String, Value>,
    pub(super) locale: String,
    /// Units left of the quantity last sent.
    pub(super) quantity: u64,
    /// Units sold since the item exists; marks at what count a quantity was sent.
    pub(super) sold: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct EbayOffer {
    pub(super) id: String,
    pub(super) sku: String,
    pub(super) site: String,
    pub(super) record: Map<String, Value>,
    /// Units left of the offer's own quantity; `None`: only the item's counts.
    pub(super) quantity: Option<u64>,
    pub(super) listing: Option<Listing>,
    pub(super) publications: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) id: String,
    pub(super) ended: bool,
    /// Buyers see it.
    pub(super) live: bool,
    pub(super) sold: u64,
    /// What buyers see: price and units, behind the records by the lag.
    pub(super) shown_price: i64,
    pub(super) shown_quantity: u64,
    pub(super) since_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Legacy {
    pub(super) id: String,
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) site: &'static str,
    pub(super) price: i64,
    pub(super) quantity: u64,
    pub(super) sold: u64,
    pub(super) start_ms: i64,
    pub(super) end_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pay {
    Pending,
    Paid,
    PartlyRefunded,
    Refunded,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cancel {
    None,
    /// (request id, asked at).
    Asked(String, i64),
    /// (request id, by, at).
    Done(String, &'static str, i64),
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) site: &'static str,
    pub(super) currency: &'static str,
    pub(super) buyer: Buyer,
    pub(super) username: String,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
    pub(super) paid_ms: Option<i64>,
    pub(super) pay: Pay,
    pub(super) cancel: Cancel,
    pub(super) lines: Vec<Line>,
    pub(super) collects: bool,
    pub(super) fees: Vec<(&'static str, i64)>,
    pub(super) parcels: Vec<ShippedParcel>,
    pub(super) delivered: BTreeSet<String>,
    pub(super) refunds: Vec<Refund>,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) sku: String,
    pub(super) listing: String,
    pub(super) title: String,
    pub(super) quantity: u32,
    pub(super) unit_price: i64,
    /// Whole line, without collected tax and shipping.
    pub(super) net: i64,
    pub(super) tax: i64,
    pub(super) shipping: i64,
    pub(super) shipped: u32,
    pub(super) refunded: i64,
}

#[derive(Debug, Clone)]
pub(super) struct ShippedParcel {
    pub(super) id: String,
    pub(super) carrier: String,
    pub(super) tracking: String,
    pub(super) shipped_ms: i64,
    /// (line, units).
    pub(super) lines: Vec<(String, u32)>,
}

#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) at_ms: i64,
    /// Without the collected tax.
    pub(super) amount: i64,
}

impl Order {
    /// Goods and shipping, without collected tax.
    pub(super) fn basis(&self) -> i64 {
        self.lines.iter().map(|l| l.net + l.shipping).sum()
    }

    pub(super) fn tax(&self) -> i64 {
        self.lines.iter().map(|l| l.tax).sum()
    }

    pub(super) fn fee(&self) -> i64 {
        self.fees.iter().map(|(_, f)| f).sum()
    }

    pub(super) fn refunded(&self) -> i64 {
        self.refunds.iter().map(|r| r.amount).sum()
    }

    pub(super) fn fulfilled(&self) -> bool {
        self.lines.iter().all(|l| l.shipped >= l.quantity)
    }

    pub(super) fn untouched(&self) -> bool {
        self.lines.iter().all(|l| l.shipped == 0)
    }

    pub(super) fn cancelled(&self) -> bool {
        matches!(self.cancel, Cancel::Done(..))
    }
}

/// (line, fee basis with tax, fees by type).
pub(super) type FeeLine = (String, i64, Vec<(&'static str, i64)>);

#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) id: String,
    /// `SALE`, `REFUND`.
    pub(super) kind: &'static str,
    pub(super) order: String,
    pub(super) site: &'static str,
    pub(super) currency: &'static str,
    pub(super) at_ms: i64,
    /// Signed: positive for the seller.
    pub(super) amount: i64,
    pub(super) basis: i64,
    pub(super) tax: i64,
    /// (line, fee basis with tax, fees); a refund carries fees given back.
    pub(super) lines: Vec<FeeLine>,
    pub(super) username: String,
    pub(super) payout: Option<String>,
}

impl Transaction {
    pub(super) fn fee(&self) -> i64 {
        self.lines.iter().flat_map(|(_, _, fees)| fees.iter().map(|(_, f)| f)).sum()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Payout {
    pub(super) id: String,
    pub(super) site: &'static str,
    pub(super) currency: &'static str,
    pub(super) amount: i64,
    pub(super) at_ms: i64,
    pub(super) arrived: bool,
    pub(super) count: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) currency: &'static str,
    pub(super) amount: i64,
    pub(super) username: String,
    /// (listing, line).
    pub(super) lines: Vec<(String, String)>,
    pub(super) opened_ms: i64,
    /// What the seller said.
    pub(super) answer: Option<&'static str>,
    /// How it ended, and when.
    pub(super) outcome: Option<(&'static str, i64)>,
    pub(super) revision: u32,
}

#[derive(Debug, Clone)]
pub(super) struct ReturnCase {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) item: String,
    pub(super) transaction: String,
    pub(super) quantity: u32,
    pub(super) currency: &'static str,
    /// Without collected tax.
    pub(super) amount: i64,
    pub(super) username: String,
    pub(super) opened_ms: i64,
    pub(super) closed: bool,
}
