//! Customs declarations and what the authority answers.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::state::states;
use crate::{
    Address, Buyer, Country, DeclarationId, Grams, HsCode, Money, OrderId, Sku, TaxId, TransactionId, Waybill,
};

states! {
    /// The life of a declaration, in words that all authorities share.
    DeclarationState {
        /// Ours; may still be wrong.
        Draft => [Matched, Cancelled],
        /// Order, payment and waybill agree; nothing was sent yet.
        Matched => [Sent, Cancelled],
        /// Bytes went out.
        Sent => [Acknowledged, Registered, Rejected, Released, Held, Indeterminate],
        /// The answer was lost; settled by reading receipts.
        Indeterminate => [Sent, Acknowledged, Registered, Rejected, Released, Held],
        /// The system took it in.
        Acknowledged => [Registered, Rejected, Held, Released],
        /// It has a number.
        Registered => [Held, Released, Rejected, CancelPending],
        /// Inspection or query.
        Held => [Released, Rejected, Registered, CancelPending],
        /// The authority lets the goods go.
        Released => [Assessed, CancelPending],
        /// Taxes are fixed.
        Assessed => [],
        /// A cancellation was asked.
        CancelPending => [Cancelled, Registered, Released],
        /// Refused. A corrected declaration is a new one.
        Rejected => [],
        /// Cancelled.
        Cancelled => [],
    }
}

impl DeclarationState {
    /// Nothing more is awaited before goods may move or must stop.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(
            self,
            DeclarationState::Released
                | DeclarationState::Assessed
                | DeclarationState::Rejected
                | DeclarationState::Cancelled
        )
    }
}

/// Import or export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Leaving the territory.
    Export,
    /// Entering it.
    Import,
}

/// One article line of a declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclarationLine {
    /// SKU.
    pub sku: Sku,
    /// Name of the goods in the authority's language.
    pub name: String,
    /// Specification or model.
    #[serde(default)]
    pub specification: String,
    /// Commodity code, as many digits as the authority wants.
    pub hs: HsCode,
    /// Country of origin.
    pub origin: Country,
    /// Units.
    pub quantity: u32,
    /// Net weight of the line.
    pub net: Grams,
    /// Value of one unit.
    pub unit_value: Money,
    /// Value of the line.
    pub value: Money,
}

/// The payment as the payment provider has it: one of the three documents that must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredPayment {
    /// Provider's name as registered with customs.
    pub provider: String,
    /// Provider's registration with customs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_code: Option<String>,
    /// Transaction number.
    pub transaction: TransactionId,
    /// Amount paid.
    pub amount: Money,
    /// When.
    pub paid_at: Timestamp,
    /// The payer, who must be the buyer.
    pub payer: Buyer,
}

/// The waybill as the carrier has it: the third document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredWaybill {
    /// Carrier's name as registered with customs.
    pub carrier: String,
    /// Carrier's registration with customs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_code: Option<String>,
    /// Waybill.
    pub waybill: Waybill,
    /// Parcels.
    pub pieces: u32,
    /// Gross weight.
    pub gross: Grams,
    /// Freight.
    pub freight: Money,
    /// Insurance.
    pub insurance: Money,
}

/// A declaration for one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Our id; the authority's reference to us.
    pub id: DeclarationId,
    /// Import or export.
    pub flow: Flow,
    /// Order.
    pub order: OrderId,
    /// The platform's name as customs knows it.
    pub platform: String,
    /// When the order was placed.
    pub ordered_at: Timestamp,
    /// Buyer.
    pub buyer: Buyer,
    /// Sender.
    pub from: Address,
    /// Receiver.
    pub to: Address,
    /// Lines; at least one.
    pub lines: Vec<DeclarationLine>,
    /// Goods total.
    pub goods: Money,
    /// Freight charged to the buyer.
    pub freight: Money,
    /// Discount, positive.
    pub discount: Money,
    /// Taxes collected with the order.
    pub taxes: Money,
    /// What the buyer paid: goods + freight + taxes − discount.
    pub paid: Money,
    /// Payment document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<DeclaredPayment>,
    /// Waybill document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waybill: Option<DeclaredWaybill>,
    /// Registrations of the declarant, the platform, the enterprise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registrations: Vec<TaxId>,
    /// Gross weight.
    pub gross: Grams,
}

/// Why a declaration must not be filed: the three documents disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// Field, in words.
    pub field: String,
    /// What one document says.
    pub left: String,
    /// What the other says.
    pub right: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} is not {}", self.field, self.left, self.right)
    }
}

impl Declaration {
    /// The customs pre-match (三单对碰): order, payment and waybill must agree exactly before anything is
    /// filed. Returns every disagreement; empty means matched. What a document does not contain is not
    /// compared: the connector knows which documents its authority demands.
    #[must_use]
    pub fn pre_match(&self) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut differ = |field: &str, left: String, right: String| {
            if left != right {
                found.push(Mismatch { field: field.to_owned(), left, right });
            }
        };
        let goods = Money::try_sum(self.goods.currency(), self.lines.iter().map(|l| l.value));
        differ("sum of lines and goods total", shown(&goods), self.goods.to_string());
        for line in &self.lines {
            let value = line.unit_value.try_mul(i64::from(line.quantity));
            differ(
                &format!("line {} quantity × unit value", line.sku),
                shown(&value),
                line.value.to_string(),
            );
        }
        let paid = self
            .goods
            .try_add(self.freight)
            .and_then(|m| m.try_add(self.taxes))
            .and_then(|m| m.try_sub(self.discount));
        differ("goods + freight + taxes − discount and amount paid", shown(&paid), self.paid.to_string());
        if let Some(payment) = &self.payment {
            differ(
                "amount of the order and of the payment",
                self.paid.to_string(),
                payment.amount.to_string(),
            );
            differ("name of buyer and payer", named(&self.buyer), named(&payment.payer));
            differ("identity of buyer and payer", identity(&self.buyer), identity(&payment.payer));
        }
        if let Some(waybill) = &self.waybill {
            differ(
                "gross weight of declaration and waybill (g)",
                self.gross.0.to_string(),
                waybill.gross.0.to_string(),
            );
        }
        let net: u64 = self.lines.iter().map(|l| l.net.0).sum();
        if net > self.gross.0 {
            differ("net weight must not exceed gross weight (g)", net.to_string(), self.gross.0.to_string());
        }
        found
    }
}

fn shown(result: &Result<Money, crate::MoneyError>) -> String {
    match result {
        Ok(money) => money.to_string(),
        Err(e) => e.to_string(),
    }
}

fn named(buyer: &Buyer) -> String {
    buyer.name.clone().unwrap_or_default()
}

fn identity(buyer: &Buyer) -> String {
    buyer.tax_ids.iter().map(|t| t.value.as_str()).collect::<Vec<_>>().join(",")
}

/// One answer of the authority. Receipts may come in any order and more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomsReceipt {
    /// Our declaration it is about.
    pub declaration: DeclarationId,
    /// The authority's number (MRN, 清单编号, entry number), once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_ref: Option<String>,
    /// The document it answers (`order`, `payment`, `waybill`, `declaration`).
    pub document: String,
    /// The authority's code, verbatim.
    pub code: String,
    /// Its words.
    pub message: String,
    /// What it means for the declaration; `None` when it means nothing or is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeclarationState>,
    /// When the authority wrote it.
    pub at: Timestamp,
    /// Key for "have we seen it": stable across repetitions.
    pub key: String,
}

/// Taxes as assessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxBill {
    /// Declaration.
    pub declaration: DeclarationId,
    /// The authority's number of the bill.
    pub number: String,
    /// Amounts by the authority's kind.
    pub charges: Vec<TaxCharge>,
}

/// One assessed amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxCharge {
    /// Kind of tax in the authority's word.
    pub kind: String,
    /// Base, when told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Money>,
    /// Rate as a share, when told.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rust_decimal::serde::str_option")]
    pub rate: Option<Decimal>,
    /// Amount.
    pub amount: Money,
}
