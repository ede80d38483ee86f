//! Finances API 2024-06-19 (transactions) and v0 (event groups).

use jiff::Timestamp;
use serde::Deserialize;
use tradewind_connector::{Num, Records};

#[derive(Debug, Deserialize)]
pub(crate) struct Payload<T> {
    pub(crate) payload: T,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transactions {
    #[serde(default)]
    pub(crate) transactions: Records,
    #[serde(default)]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
    pub(crate) transaction_id: String,
    pub(crate) transaction_type: String,
    #[serde(default)]
    pub(crate) transaction_status: String,
    pub(crate) posted_date: Timestamp,
    pub(crate) total_amount: Amount,
    #[serde(default)]
    pub(crate) marketplace_details: Option<Marketplace>,
    #[serde(default)]
    pub(crate) related_identifiers: Vec<Related>,
    #[serde(default)]
    pub(crate) breakdowns: Vec<Breakdown>,
}

/// Where it happened.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Marketplace {
    #[serde(default)]
    pub(crate) marketplace_id: Option<String>,
}

/// Money as a JSON number: read from its text.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Amount {
    pub(crate) currency_code: String,
    pub(crate) currency_amount: Num,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Related {
    pub(crate) related_identifier_name: String,
    pub(crate) related_identifier_value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Breakdown {
    pub(crate) breakdown_type: String,
    pub(crate) breakdown_amount: Amount,
    #[serde(default)]
    pub(crate) breakdowns: Option<Vec<Breakdown>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Groups {
    #[serde(default)]
    pub(crate) financial_event_group_list: Records,
    #[serde(default)]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Group {
    #[serde(default)]
    pub(crate) financial_event_group_id: Option<String>,
    #[serde(default)]
    pub(crate) processing_status: Option<String>,
    #[serde(default)]
    pub(crate) fund_transfer_status: Option<String>,
    #[serde(default)]
    pub(crate) original_total: Option<GroupAmount>,
    #[serde(default)]
    pub(crate) converted_total: Option<GroupAmount>,
    #[serde(default)]
    pub(crate) fund_transfer_date: Option<Timestamp>,
    #[serde(default)]
    pub(crate) trace_id: Option<String>,
    #[serde(default)]
    pub(crate) financial_event_group_start: Option<Timestamp>,
    #[serde(default)]
    pub(crate) financial_event_group_end: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupAmount {
    pub(crate) currency_code: String,
    pub(crate) currency_amount: Num,
}
