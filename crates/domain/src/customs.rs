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
        /// Refused. Where the authority takes a correction under the same number, it starts over.
        Rejected => [Sent, Acknowledged, Registered, Held, Released],
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

    /// The state after these answers, in whatever order and however often they came: they are taken in the order in
    /// which the authority wrote them, and within one instant in the order of the states. An answer that means
    /// nothing, or that this machine does not allow, changes nothing.
    #[must_use]
    pub fn after<'a>(self, receipts: impl IntoIterator<Item = &'a CustomsReceipt>) -> DeclarationState {
        let mut told: Vec<(Timestamp, DeclarationState)> =
            receipts.into_iter().filter_map(|r| Some((r.at, r.state?))).collect();
        told.sort_unstable();
        told.into_iter().fold(self, |now, (_, next)| if now.can_become(next) { next } else { now })
    }
}

/// A document of a filing, of which an authority may speak on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FiledDocument {
    /// The order.
    Order,
    /// The payment.
    Payment,
    /// The waybill.
    Waybill,
    /// The declaration itself.
    Declaration,
    /// A cancellation of it.
    Cancellation,
    /// The tax bill on it.
    TaxBill,
    /// Something else.
    Other,
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

/// What a parcel holds, as its carrier was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedGoods {
    /// SKU.
    pub sku: Sku,
    /// Units.
    pub quantity: u32,
}

/// The means of transport that brings the goods, where an authority asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transport {
    /// Vessel or aircraft.
    pub means: String,
    /// Voyage or flight.
    pub voyage: String,
    /// Master transport document.
    pub bill: String,
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
    /// The receiver that the carrier was told.
    pub to: Address,
    /// The contents that the carrier was told.
    pub contents: Vec<PackedGoods>,
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
    /// Means of transport, where the goods come straight from abroad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// The authority's number, once it gave one: amendments and cancellations name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
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
    /// Whether an answer is about this declaration. Some answers name us; others name one of our documents by its own
    /// number, and a tax bill names the number that the authority gave (`number`).
    #[must_use]
    pub fn is_answered_by(&self, receipt: &CustomsReceipt, number: Option<&str>) -> bool {
        if let Some(id) = &receipt.declaration {
            return *id == self.id;
        }
        let reference = receipt.reference.as_str();
        match receipt.document {
            FiledDocument::Order => self.order.as_str() == reference,
            FiledDocument::Payment => {
                self.payment.as_ref().is_some_and(|p| p.transaction.as_str() == reference)
            }
            FiledDocument::Waybill => self.waybill.as_ref().is_some_and(|w| w.waybill.as_str() == reference),
            FiledDocument::Declaration | FiledDocument::Cancellation | FiledDocument::TaxBill => {
                number.or(self.number.as_deref()).is_some_and(|n| n == reference)
            }
            FiledDocument::Other => false,
        }
    }
}

/// One answer of the authority. Receipts may come in any order and more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomsReceipt {
    /// Our declaration it is about, when the answer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declaration: Option<DeclarationId>,
    /// The authority's number (MRN, 清单编号, entry number), once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_ref: Option<String>,
    /// The document it answers.
    pub document: FiledDocument,
    /// The number by which it names that document: of the order, the payment, the waybill, or the authority's own.
    pub reference: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(second: i64, state: Option<DeclarationState>) -> CustomsReceipt {
        CustomsReceipt {
            declaration: None,
            authority_ref: None,
            document: FiledDocument::Declaration,
            reference: String::new(),
            code: String::new(),
            message: String::new(),
            state,
            at: Timestamp::from_second(second).unwrap(),
            key: String::new(),
        }
    }

    /// All orders of up to five answers.
    fn permutations(of: &[CustomsReceipt]) -> Vec<Vec<CustomsReceipt>> {
        if of.len() < 2 {
            return vec![of.to_vec()];
        }
        (0..of.len())
            .flat_map(|i| {
                let mut rest = of.to_vec();
                let first = rest.remove(i);
                permutations(&rest).into_iter().map(move |mut p| {
                    p.insert(0, first.clone());
                    p
                })
            })
            .collect()
    }

    #[test]
    fn the_order_of_answers_does_not_matter() {
        use DeclarationState::*;
        let cases: &[(&[Option<DeclarationState>], DeclarationState)] = &[
            (&[Some(Acknowledged), Some(Registered), Some(Held), Some(Registered), Some(Released)], Released),
            (&[Some(Acknowledged), Some(Registered), Some(Held), None], Held),
            (&[Some(Acknowledged), Some(Rejected)], Rejected),
            // Corrected under the same number after a refusal.
            (
                &[Some(Acknowledged), Some(Rejected), Some(Acknowledged), Some(Registered), Some(Released)],
                Released,
            ),
            (&[None, None], Sent),
            (&[], Sent),
        ];
        for (states, want) in cases {
            let receipts: Vec<CustomsReceipt> =
                states.iter().enumerate().map(|(i, s)| told(i as i64, *s)).collect();
            for order in permutations(&receipts) {
                assert_eq!(Sent.after(&order), *want, "{states:?}");
                let doubled: Vec<_> = order.iter().chain(&order).cloned().collect();
                assert_eq!(Sent.after(&doubled), *want, "doubled {states:?}");
            }
        }
        // Within one instant the further state is the later one.
        assert_eq!(Sent.after(&[told(1, Some(Released)), told(1, Some(Acknowledged))]), Released);
    }
}
