//! Fulfillment API v1.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_connector::Records;

use super::{Amount, NewAmount};

/// `OrderSearchPagedCollection`. Each order is read by itself: one that is odd keeps back no other.
#[derive(Debug, Deserialize)]
pub(crate) struct Orders {
    #[serde(default)]
    pub(crate) orders: Records,
    #[serde(default)]
    pub(crate) next: Option<String>,
    #[serde(default)]
    pub(crate) total: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) order_id: String,
    pub(crate) creation_date: Timestamp,
    pub(crate) last_modified_date: Timestamp,
    #[serde(default)]
    pub(crate) order_fulfillment_status: String,
    #[serde(default)]
    pub(crate) order_payment_status: String,
    #[serde(default)]
    pub(crate) cancel_status: Option<CancelStatus>,
    #[serde(default)]
    pub(crate) buyer: Option<Buyer>,
    #[serde(default)]
    pub(crate) pricing_summary: Option<Pricing>,
    #[serde(default)]
    pub(crate) payment_summary: Option<Payments>,
    #[serde(default)]
    pub(crate) fulfillment_start_instructions: Vec<Instruction>,
    pub(crate) line_items: Vec<Line>,
    #[serde(default)]
    pub(crate) program: Option<Program>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelStatus {
    #[serde(default)]
    pub(crate) cancel_state: String,
    /// Filled by getOrder, always empty in getOrders.
    #[serde(default)]
    pub(crate) cancel_requests: Vec<CancelRequest>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelRequest {
    #[serde(default)]
    pub(crate) cancel_request_id: Option<String>,
    #[serde(default)]
    pub(crate) cancel_request_state: String,
    /// `Buyer` or `Seller`, "typically".
    #[serde(default)]
    pub(crate) cancel_initiator: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Buyer {
    #[serde(default)]
    pub(crate) username: Option<String>,
    #[serde(default)]
    pub(crate) tax_identifier: Option<TaxIdentifier>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaxIdentifier {
    #[serde(default)]
    pub(crate) taxpayer_id: Option<String>,
    #[serde(default)]
    pub(crate) tax_identifier_type: String,
    #[serde(default)]
    pub(crate) issuing_country: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pricing {
    #[serde(default)]
    pub(crate) total: Option<Amount>,
    /// What the prices were changed by after the commitment to buy.
    #[serde(default)]
    pub(crate) adjustment: Option<Amount>,
    /// Recycling fees and their like (with `TAX_BREAKDOWN`).
    #[serde(default)]
    pub(crate) fee: Option<Amount>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Payments {
    #[serde(default)]
    pub(crate) payments: Vec<Payment>,
    #[serde(default)]
    pub(crate) refunds: Vec<Refund>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    #[serde(default)]
    pub(crate) amount: Option<Amount>,
    #[serde(default)]
    pub(crate) payment_date: Option<Timestamp>,
    #[serde(default)]
    pub(crate) payment_reference_id: Option<String>,
    #[serde(default)]
    pub(crate) payment_status: String,
}

/// `OrderRefund`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refund {
    #[serde(default)]
    pub(crate) amount: Option<Amount>,
    #[serde(default)]
    pub(crate) refund_id: Option<String>,
    #[serde(default)]
    pub(crate) refund_status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instruction {
    #[serde(default)]
    pub(crate) shipping_step: Option<ShippingStep>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShippingStep {
    #[serde(default)]
    pub(crate) ship_to: Option<Contact>,
    /// Of an order that goes to a hub of eBay first: the label must carry it.
    #[serde(default)]
    pub(crate) ship_to_reference_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact {
    #[serde(default)]
    pub(crate) full_name: Option<String>,
    #[serde(default)]
    pub(crate) company_name: Option<String>,
    #[serde(default)]
    pub(crate) contact_address: Option<Address>,
    #[serde(default)]
    pub(crate) primary_phone: Option<Phone>,
    #[serde(default)]
    pub(crate) email: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phone {
    #[serde(default)]
    pub(crate) phone_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    #[serde(default)]
    pub(crate) address_line1: Option<String>,
    #[serde(default)]
    pub(crate) address_line2: Option<String>,
    #[serde(default)]
    pub(crate) city: Option<String>,
    #[serde(default)]
    pub(crate) county: Option<String>,
    #[serde(default)]
    pub(crate) state_or_province: Option<String>,
    #[serde(default)]
    pub(crate) postal_code: Option<String>,
    #[serde(default)]
    pub(crate) country_code: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) line_item_id: String,
    /// Optional: listings without a SKU sell too.
    #[serde(default)]
    pub(crate) sku: Option<String>,
    /// The listing, and the variation in it.
    #[serde(default)]
    pub(crate) legacy_item_id: Option<String>,
    #[serde(default)]
    pub(crate) legacy_variation_id: Option<String>,
    #[serde(default)]
    pub(crate) title: Option<String>,
    pub(crate) quantity: u32,
    /// Unit price × quantity.
    pub(crate) line_item_cost: Amount,
    #[serde(default)]
    pub(crate) discounted_line_item_cost: Option<Amount>,
    #[serde(default)]
    pub(crate) delivery_cost: Option<DeliveryCost>,
    #[serde(default)]
    pub(crate) taxes: Vec<Tax>,
    #[serde(default)]
    pub(crate) ebay_collect_and_remit_taxes: Vec<CollectedTax>,
    #[serde(default)]
    pub(crate) line_item_fulfillment_status: Option<String>,
    #[serde(default)]
    pub(crate) line_item_fulfillment_instructions: Option<LineInstructions>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryCost {
    #[serde(default)]
    pub(crate) shipping_cost: Option<Amount>,
    #[serde(default)]
    pub(crate) handling_cost: Option<Amount>,
    #[serde(default)]
    pub(crate) discount_amount: Option<Amount>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tax {
    #[serde(default)]
    pub(crate) tax_type: Option<String>,
    pub(crate) amount: Amount,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollectedTax {
    #[serde(default)]
    pub(crate) tax_type: Option<String>,
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) ebay_reference: Option<Reference>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineInstructions {
    #[serde(default)]
    pub(crate) ship_by_date: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Program {
    #[serde(default)]
    pub(crate) fulfillment_program: Option<FulfillmentProgram>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FulfillmentProgram {
    #[serde(default)]
    pub(crate) fulfilled_by: Option<String>,
}

/// `ShippingFulfillmentPagedCollection`.
#[derive(Debug, Deserialize)]
pub(crate) struct Fulfillments {
    #[serde(default)]
    pub(crate) fulfillments: Vec<Fulfillment>,
}

/// A parcel that eBay was told about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fulfillment {
    #[serde(default)]
    pub(crate) shipment_tracking_number: Option<String>,
    #[serde(default)]
    pub(crate) line_items: Vec<LineUnits>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineUnits {
    pub(crate) line_item_id: String,
    #[serde(default)]
    pub(crate) quantity: Option<u32>,
}

/// `ShippingFulfillmentDetails`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewFulfillment<'a> {
    pub(crate) line_items: Vec<NewLineUnits<'a>>,
    pub(crate) shipped_date: String,
    pub(crate) shipping_carrier_code: &'static str,
    pub(crate) tracking_number: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewLineUnits<'a> {
    pub(crate) line_item_id: &'a str,
    pub(crate) quantity: u32,
}

/// `IssueRefundRequest`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewRefund {
    pub(crate) reason_for_refund: &'static str,
    pub(crate) comment: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) refund_items: Vec<RefundItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_level_refund_amount: Option<NewAmount>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundItem {
    pub(crate) line_item_id: String,
    pub(crate) refund_amount: NewAmount,
}

/// `Refund`: the answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refunded {
    #[serde(default)]
    pub(crate) refund_id: Option<String>,
    #[serde(default)]
    pub(crate) refund_status: String,
}
