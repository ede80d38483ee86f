//! Reports API 2021-06-30.

use jiff::Timestamp;
use serde::Deserialize;
use tradewind_connector::Records;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reports {
    #[serde(default)]
    pub(crate) reports: Records,
    #[serde(default)]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) report_id: String,
    pub(crate) processing_status: String,
    pub(crate) created_time: Timestamp,
    #[serde(default)]
    pub(crate) data_start_time: Option<Timestamp>,
    #[serde(default)]
    pub(crate) data_end_time: Option<Timestamp>,
    #[serde(default)]
    pub(crate) marketplace_ids: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) report_document_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) compression_algorithm: Option<String>,
}
