//! Finances API v1.

use jiff::Timestamp;
use serde::Deserialize;
use tradewind_connector::Records;

use super::Amount;

/// `Transactions`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Transactions {
    #[serde(default)]
    pub(crate) transactions: Records,
    #[serde(default)]
    pub(crate) next: Option<String>,
    /// Rows of the whole list.
    #[serde(default)]
    pub(crate) total: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
    pub(crate) transaction_id: String,
    pub(crate) transaction_type: String,
    #[serde(default)]
    pub(crate) transaction_status: Option<String>,
    pub(crate) transaction_date: Timestamp,
    /// Never negative: `booking_entry` is the sign.
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) booking_entry: Option<String>,
    #[serde(default)]
    pub(crate) total_fee_amount: Option<Amount>,
    /// Of sales and refunds: tax that eBay collected from the buyer and remits. In neither `amount` nor the fees.
    #[serde(default, rename = "eBayCollectedTaxAmount")]
    pub(crate) collected_tax: Option<Amount>,
    #[serde(default)]
    pub(crate) order_line_items: Vec<Line>,
    #[serde(default)]
    pub(crate) fee_type: Option<String>,
    #[serde(default)]
    pub(crate) order_id: Option<String>,
    /// Absent until a payout takes it.
    #[serde(default)]
    pub(crate) payout_id: Option<String>,
    #[serde(default)]
    pub(crate) references: Vec<Reference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    #[serde(default)]
    pub(crate) marketplace_fees: Vec<Fee>,
    #[serde(default)]
    pub(crate) donations: Vec<Fee>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fee {
    #[serde(default)]
    pub(crate) fee_type: Option<String>,
    pub(crate) amount: Amount,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    #[serde(default)]
    pub(crate) reference_id: Option<String>,
    #[serde(default)]
    pub(crate) reference_type: Option<String>,
}

/// `Payouts`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Payouts {
    #[serde(default)]
    pub(crate) payouts: Records,
    #[serde(default)]
    pub(crate) next: Option<String>,
    /// Rows of the whole list.
    #[serde(default)]
    pub(crate) total: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payout {
    pub(crate) payout_id: String,
    #[serde(default)]
    pub(crate) payout_status: String,
    pub(crate) amount: Amount,
    pub(crate) payout_date: Timestamp,
    #[serde(default)]
    pub(crate) bank_reference: Option<String>,
}
