//! What the port remembers.

use std::collections::{BTreeMap, BTreeSet};

/// A document's head fields by name, and its lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Document {
    pub(super) head: BTreeMap<String, String>,
    pub(super) lines: Vec<BTreeMap<String, String>>,
}

impl Document {
    /// A head field; empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.head.get(name).map_or("", String::as_str)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// `CopMsgId`s taken in.
    pub(super) seen: BTreeSet<String>,
    /// Waiting to be read: type and bytes.
    pub(super) inbox: BTreeMap<String, (String, Vec<u8>)>,
    /// Stored documents by order number.
    pub(super) orders: BTreeMap<String, Document>,
    pub(super) payments: BTreeMap<String, Document>,
    pub(super) waybills: BTreeMap<String, Document>,
    /// Lists by `copNo`.
    pub(super) lists: BTreeMap<String, List>,
    /// Yuan (fen) used by (buyer id, year).
    pub(super) used: BTreeMap<(String, String), rust_decimal::Decimal>,
    /// Receipts sent: position is the index plus one. (order number, message type, `DxpMsg`).
    pub(super) sent: Vec<(String, String, String)>,
}

/// A declaration list and where it stands.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) document: Document,
    pub(super) pre_no: String,
    pub(super) invt_no: String,
    /// Last `returnStatus`.
    pub(super) status: &'static str,
    /// How often customs looked for the three documents.
    pub(super) looks: u32,
    /// Amount booked against the buyer's yearly limit, and the year.
    pub(super) booked: Option<(rust_decimal::Decimal, String)>,
    /// Counts submissions, so that events of a replaced one are recognised.
    pub(super) version: u32,
}
