//! What the fake remembers.

use super::auth::Restricted;
use crate::core::buyers::Buyer;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct State {
    /// By (marketplace id, SKU).
    pub(super) listings: BTreeMap<(String, String), Listing>,
    /// Submissions so far by (marketplace id, SKU); outlives deletion.
    pub(super) submissions: BTreeMap<(String, String), u64>,
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) documents: BTreeMap<String, Document>,
    pub(super) feeds: BTreeMap<String, Feed>,
    pub(super) reports: BTreeMap<String, Report>,
    /// In order of posting.
    pub(super) transactions: Vec<Transaction>,
    pub(super) settlements: Vec<Settlement>,
    /// Orders that buyers sent back, and when they asked, by the order's id.
    pub(super) returns: BTreeMap<String, i64>,
    /// Reserve held back at the end of the last settlement, by marketplace id.
    pub(super) reserve: BTreeMap<String, i64>,
    pub(super) restricted: BTreeMap<String, Restricted>,
    pub(super) destinations: BTreeMap<String, (String, Value)>,
    /// By notification type: (subscription id, destination id, payload version).
    pub(super) subscriptions: BTreeMap<String, (String, String, String)>,
    /// Makes document, feed and report ids distinct; they name nothing in the outcome.
    pub(super) counter: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) product_type: String,
    pub(super) asin: String,
    /// As submitted.
    pub(super) attributes: Map<String, Value>,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
    /// The product page exists; before, the SKU is known but has no status.
    pub(super) published: bool,
    /// Price that buyers see, minor units.
    pub(super) price: Option<i64>,
    /// Units that buyers can still order.
    pub(super) available: u64,
    /// Submission number whose price and quantity are live.
    pub(super) price_from: u64,
    pub(super) stock_from: u64,
    /// Units ordered (less those of cancelled orders) since creation.
    pub(super) sold: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Unshipped,
    PartiallyShipped,
    Shipped,
    Cancelled,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) site: String,
    pub(super) currency: String,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
    pub(super) status: Status,
    pub(super) lines: Vec<Line>,
    pub(super) buyer: Buyer,
    /// The marketplace collects and remits the tax.
    pub(super) facilitator: bool,
    pub(super) packages: Vec<Package>,
    pub(super) cancel_requested: bool,
    pub(super) cancelled_by: Option<&'static str>,
    /// Given back so far, minor units.
    pub(super) refunded: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) item: String,
    pub(super) sku: String,
    pub(super) asin: String,
    pub(super) title: String,
    pub(super) quantity: u32,
    pub(super) unit_price: i64,
    /// Goods without collected tax, whole line.
    pub(super) net: i64,
    pub(super) tax: i64,
    pub(super) shipping: i64,
    pub(super) shipped: u32,
}

impl Line {
    pub(super) fn total(&self) -> i64 {
        self.net + self.tax + self.shipping
    }
}

impl Order {
    pub(super) fn total(&self) -> i64 {
        self.lines.iter().map(Line::total).sum()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) reference: String,
    pub(super) carrier: String,
    pub(super) service: String,
    pub(super) tracking: String,
    pub(super) shipped_ms: i64,
    pub(super) created_ms: i64,
    pub(super) delivered: bool,
    /// (order item id, quantity).
    pub(super) items: Vec<(String, u32)>,
}

#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) content_type: String,
    /// `None` until uploaded.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) gzip: bool,
    pub(super) expires_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) kind: String,
    pub(super) marketplaces: Vec<String>,
    pub(super) document: String,
    pub(super) created_ms: i64,
    pub(super) started_ms: Option<i64>,
    pub(super) ended_ms: Option<i64>,
    pub(super) status: &'static str,
    pub(super) result: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) kind: String,
    pub(super) marketplaces: Vec<String>,
    pub(super) created_ms: i64,
    pub(super) ended_ms: Option<i64>,
    pub(super) data_start_ms: Option<i64>,
    pub(super) data_end_ms: Option<i64>,
    pub(super) status: &'static str,
    /// Finished content, kept apart from its (expiring) download link.
    pub(super) content: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) id: String,
    /// `Shipment`, `Refund`, `ServiceFee`.
    pub(super) kind: &'static str,
    pub(super) order: Option<String>,
    pub(super) site: String,
    pub(super) posted_ms: i64,
    pub(super) rows: Vec<Row>,
    /// The settlement that covers it.
    pub(super) settlement: Option<String>,
}

impl Transaction {
    pub(super) fn total(&self) -> i64 {
        self.rows.iter().map(|r| r.amount).sum()
    }
}

/// One amount, in the words of the settlement file.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) description: &'static str,
    pub(super) amount: i64,
    pub(super) item: String,
    pub(super) sku: String,
    pub(super) quantity: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Settlement {
    pub(super) id: String,
    pub(super) site: String,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) opening: i64,
    pub(super) total: i64,
}

impl State {
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}
