//! Payment disputes (Fulfillment API v1) and returns (Post-Order v2, `GetSummaryResponse`).

use jiff::Timestamp;
use serde::Deserialize;
use tradewind_connector::Records;

use super::Amount;

/// `DisputeSummaryResponse`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disputes {
    #[serde(default)]
    pub(crate) payment_dispute_summaries: Records,
    #[serde(default)]
    pub(crate) next: Option<String>,
    #[serde(default)]
    pub(crate) total: Option<u32>,
}

/// What `PaymentDisputeSummary` and `PaymentDispute` have in common, and the ending of the latter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dispute {
    pub(crate) payment_dispute_id: String,
    pub(crate) payment_dispute_status: String,
    pub(crate) amount: Amount,
    pub(crate) open_date: Timestamp,
    #[serde(default)]
    pub(crate) order_id: Option<String>,
    #[serde(default)]
    pub(crate) respond_by_date: Option<Timestamp>,
    #[serde(default)]
    pub(crate) resolution: Option<Resolution>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resolution {
    #[serde(default)]
    pub(crate) reason_for_closure: Option<String>,
    #[serde(default)]
    pub(crate) protection_status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Returns {
    #[serde(default)]
    pub(crate) members: Records,
    #[serde(default)]
    pub(crate) pagination_output: Option<Pagination>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    #[serde(default)]
    pub(crate) total_entries: Option<u32>,
}

/// `ReturnSummaryType`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Return {
    pub(crate) return_id: String,
    pub(crate) order_id: String,
    #[serde(default)]
    pub(crate) state: String,
    pub(crate) status: String,
    pub(crate) creation_info: CreationInfo,
    #[serde(default)]
    pub(crate) seller_total_refund: Option<TotalRefund>,
    #[serde(default)]
    pub(crate) buyer_total_refund: Option<TotalRefund>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreationInfo {
    #[serde(default)]
    pub(crate) item: Option<ReturnItem>,
    pub(crate) creation_date: DateTime,
}

/// A time of Post-Order: an object around the text.
#[derive(Debug, Deserialize)]
pub(crate) struct DateTime {
    pub(crate) value: Timestamp,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReturnItem {
    #[serde(default)]
    pub(crate) item_id: Option<String>,
    #[serde(default)]
    pub(crate) transaction_id: Option<String>,
    #[serde(default)]
    pub(crate) return_quantity: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotalRefund {
    #[serde(default)]
    pub(crate) estimated_refund_amount: Option<Amount>,
    #[serde(default)]
    pub(crate) actual_refund_amount: Option<Amount>,
}
