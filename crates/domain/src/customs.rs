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
        /// Bytes went out. What certainly did not arrive is filed again as it is, what customs did not get to with what is known by then.
        Sent => [Matched, Draft, Acknowledged, Registered, Rejected, Released, Held, Indeterminate, Cancelled],
        /// The answer was lost; settled by reading receipts.
        Indeterminate => [Matched, Draft, Sent, Acknowledged, Registered, Rejected, Released, Held, Cancelled],
        /// The system took it in.
        Acknowledged => [Draft, Registered, Rejected, Held, Released, CancelPending, Cancelled],
        /// It has a number.
        Registered => [Held, Released, Rejected, CancelPending, Cancelled],
        /// Inspection or query.
        Held => [Released, Rejected, Registered, CancelPending, Cancelled],
        /// The authority lets the goods go.
        Released => [Assessed, CancelPending, Cancelled],
        /// Taxes are fixed.
        Assessed => [],
        /// A cancellation was asked. Refused, the declaration is again what it was, or has become since.
        CancelPending => [Cancelled, Acknowledged, Registered, Held, Released, Assessed, Rejected],
        /// Refused. Where the authority takes a correction under the same number, it starts over.
        Rejected => [Draft, Sent, Acknowledged, Registered, Held, Released],
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
    ///
    /// What is said of a cancellation and what is said of the declaration itself are two threads: while a cancellation
    /// is pending the declaration may move on, and when it is refused the declaration stands where it is by then — held
    /// goods stay held, released goods released.
    #[must_use]
    pub fn after<'a>(self, receipts: impl IntoIterator<Item = &'a CustomsReceipt>) -> DeclarationState {
        use DeclarationState::{Acknowledged, CancelPending, Cancelled, Registered, Rejected};
        let mut told: Vec<(Timestamp, DeclarationState, FiledDocument)> =
            receipts.into_iter().filter_map(|r| Some((r.at, r.state?, r.document))).collect();
        told.sort_unstable();
        // Only a numbered declaration can be cancelled: that much is known of one that begins as pending.
        let mut stands = if self == CancelPending { Registered } else { self };
        let mut pending = self == CancelPending;
        for (_, next, document) in told {
            match (document, next) {
                // It was taken in: what is acknowledged is the cancellation.
                (FiledDocument::Cancellation, CancelPending | Acknowledged | Registered) => {
                    pending |= stands.can_become(CancelPending);
                }
                (FiledDocument::Cancellation, Rejected) => pending = false,
                _ if stands.can_become(next) => {
                    stands = next;
                    // It came too late: the authority has decided on the goods.
                    pending &= !stands.is_settled();
                }
                _ => {}
            }
        }
        if pending && stands != Cancelled { CancelPending } else { stands }
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
    /// What the authority gave for it so far: its answers may name any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<CustomsReference>,
}

/// What an authority gave when it took in a filing, an amendment or a cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filed {
    /// In the order in which they were had; empty where it only says that it has it.
    pub references: Vec<CustomsReference>,
}

impl Filed {
    /// With one reference.
    #[must_use]
    pub fn with(kind: ReferenceKind, value: impl Into<String>, at: Timestamp) -> Filed {
        Filed { references: vec![CustomsReference::new(kind, value, at)] }
    }
}

/// A number under which an authority knows a filing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomsReference {
    /// What it numbers.
    pub kind: ReferenceKind,
    /// The number.
    pub value: String,
    /// When it was had.
    pub at: Timestamp,
    /// The document that it was given for: an answer that names nothing but this number is about that document.
    #[serde(default = "the_declaration", skip_serializing_if = "is_the_declaration")]
    pub document: FiledDocument,
}

impl CustomsReference {
    /// Of the document that is being filed: whoever asked knows which that is ([`Declaration::took`]).
    #[must_use]
    pub fn new(kind: ReferenceKind, value: impl Into<String>, at: Timestamp) -> CustomsReference {
        CustomsReference { kind, value: value.into(), at, document: FiledDocument::Declaration }
    }
}

const fn the_declaration() -> FiledDocument {
    FiledDocument::Declaration
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_the_declaration(document: &FiledDocument) -> bool {
    matches!(document, FiledDocument::Declaration)
}

/// What a reference of an authority numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// The declaration: MRN, 清单编号, entry number.
    Number,
    /// Our own number of it as the authority was told, where that is not the declaration's id: LRN.
    Own,
    /// One message about it, or the conversation that it begins: `X-Conversation-ID`, a message's GUID.
    Message,
    /// Something else, in the authority's word.
    Other(String),
}

impl std::fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ReferenceKind::Number => "number",
            ReferenceKind::Own => "own number",
            ReferenceKind::Message => "message",
            ReferenceKind::Other(word) => word,
        })
    }
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
    /// Takes in what the authority gave, each once. `asked`: what was filed, the declaration or a cancellation of it; what an
    /// adapter says of a reference (of the order's paper, the waybill's) stands, and the authority's number names the
    /// declaration, whichever call told it.
    pub fn took(&mut self, filed: Filed, asked: FiledDocument) {
        for mut reference in filed.references {
            let known = |r: &CustomsReference| r.kind == reference.kind && r.value == reference.value;
            if !self.references.iter().any(known) {
                if reference.document == FiledDocument::Declaration && reference.kind != ReferenceKind::Number
                {
                    reference.document = asked;
                }
                self.references.push(reference);
            }
        }
    }

    /// The document that an answer to this declaration is about. An adapter that reads nothing but a conversation's number takes the
    /// answer for one about the declaration; where a cancellation began that conversation, it is about the cancellation.
    #[must_use]
    pub fn document_of(&self, receipt: &CustomsReceipt) -> FiledDocument {
        let given = |r: &&CustomsReference| r.value == receipt.reference;
        match receipt.document {
            FiledDocument::Declaration => {
                self.references.iter().find(given).map_or(FiledDocument::Declaration, |r| r.document)
            }
            told => told,
        }
    }

    /// Whether an answer is about this declaration. Some answers name us; others name one of our documents by its own
    /// number, and what is said of the declaration, its cancellation or its taxes names the number that the authority gave
    /// (`number`), or another of its references.
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
                    || self.references.iter().any(|r| r.value == reference)
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
    /// What it means for the declaration; `None` when it means nothing or is unknown. Of a cancellation, `Rejected`
    /// says that the cancellation is refused: the declaration stands.
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

    #[test]
    fn an_answer_by_the_conversation_is_ours() {
        // uk-cds.md §5: a notification names the conversation of the submission before there is an MRN.
        let json = serde_json::json!({
            "id": "TD1", "flow": "import", "order": "O1", "platform": "p", "ordered_at": "2026-08-01T00:00:00Z",
            "buyer": {}, "from": {"country": "CN"}, "to": {"country": "GB"}, "lines": [],
            "goods": {"amount": "1.00", "currency": "GBP"}, "freight": {"amount": "0.00", "currency": "GBP"},
            "discount": {"amount": "0.00", "currency": "GBP"}, "taxes": {"amount": "0.00", "currency": "GBP"},
            "paid": {"amount": "1.00", "currency": "GBP"}, "gross": 100
        });
        let mut d: Declaration = serde_json::from_value(json).unwrap();
        let conversation = "8a3b2c5e-5b1c-4a52-9a3e-0c7e1d2f3a4b";
        let of = |document, reference: &str| CustomsReceipt {
            document,
            reference: reference.to_owned(),
            ..told(1, None)
        };
        let says = of(FiledDocument::Declaration, conversation);
        assert!(!d.is_answered_by(&says, None));
        for _ in 0..2 {
            d.took(
                Filed::with(ReferenceKind::Message, conversation, Timestamp::UNIX_EPOCH),
                FiledDocument::Declaration,
            );
        }
        assert_eq!(d.references.len(), 1, "twice the same is one");
        assert!(d.is_answered_by(&says, None) && d.is_answered_by(&says, Some("26GB1")));
        assert!(
            !d.is_answered_by(&of(FiledDocument::Order, conversation), None),
            "an order by its own number"
        );
        assert!(!d.is_answered_by(&of(FiledDocument::Declaration, "another"), None));
        // A cancellation begins a conversation of its own, and its answers name that alone (uk-cds.md §5).
        let second = "1f0c9a77-0a52-4b5e-8d31-6d2b8f4f9a10";
        let number = CustomsReference::new(ReferenceKind::Number, "26GB1", Timestamp::UNIX_EPOCH);
        let mut cancelled = Filed::with(ReferenceKind::Message, second, Timestamp::UNIX_EPOCH);
        cancelled.references.push(number);
        d.took(cancelled, FiledDocument::Cancellation);
        let about = |reference| d.document_of(&of(FiledDocument::Declaration, reference));
        assert_eq!(about(conversation), FiledDocument::Declaration);
        assert_eq!(about(second), FiledDocument::Cancellation);
        assert_eq!(about("26GB1"), FiledDocument::Declaration, "the number is the declaration's");
        assert_eq!(d.document_of(&of(FiledDocument::TaxBill, second)), FiledDocument::TaxBill);
        let refused = CustomsReceipt {
            document: about(second),
            state: Some(DeclarationState::Rejected),
            ..of(FiledDocument::Declaration, second)
        };
        let registered = told(0, Some(DeclarationState::Registered));
        assert_eq!(DeclarationState::Sent.after([&registered, &refused]), DeclarationState::Registered);
        let kept: Declaration = serde_json::from_value(serde_json::to_value(&d).unwrap()).unwrap();
        assert_eq!(kept, d);
        // As it was kept before references named their document.
        let old: CustomsReference =
            serde_json::from_str(r#"{"kind":"message","value":"1","at":"2026-08-01T00:00:00Z"}"#).unwrap();
        assert_eq!(old.document, FiledDocument::Declaration);
    }

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

    /// `Ok`: said of the declaration; `Err`: said of its cancellation.
    #[test]
    fn a_cancellation_is_accepted_or_leaves_the_declaration_where_it_is() {
        use DeclarationState::*;
        type Said = Result<DeclarationState, DeclarationState>;
        let (pending, refused, accepted): (Said, Said, Said) =
            (Err(CancelPending), Err(Rejected), Err(Cancelled));
        let cases: &[(&[Said], DeclarationState)] = &[
            (&[Ok(Registered), pending], CancelPending),
            // Refused: what it was before, whatever that was.
            (&[Ok(Registered), pending, refused], Registered),
            (&[Ok(Registered), Ok(Held), pending, refused], Held),
            (&[Ok(Registered), Ok(Released), pending, refused], Released),
            (&[Ok(Registered), Ok(Held), refused], Held),
            (&[Ok(Registered), Ok(Released), refused], Released),
            (&[Ok(Registered), Ok(Released), Ok(Assessed), pending, refused], Assessed),
            // It moved on while the cancellation was pending.
            (&[Ok(Registered), pending, Ok(Held)], CancelPending),
            (&[Ok(Registered), pending, Ok(Held), refused], Held),
            (&[Ok(Registered), pending, Ok(Released)], Released),
            (&[Ok(Registered), pending, Ok(Rejected), refused], Rejected),
            // That it was taken in moves nothing but itself.
            (&[Ok(Registered), Ok(Rejected), Err(Acknowledged)], Rejected),
            (&[Ok(Acknowledged), Err(Acknowledged)], CancelPending),
            (&[Ok(Acknowledged), Err(Registered), refused], Acknowledged),
            // Accepted, with or without an answer that it is pending.
            (&[Ok(Registered), pending, accepted], Cancelled),
            (&[Ok(Registered), accepted], Cancelled),
            (&[Ok(Registered), Ok(Held), accepted], Cancelled),
            (&[Ok(Registered), Ok(Held), pending, Ok(Registered), accepted], Cancelled),
            (&[Ok(Registered), accepted, Ok(Registered)], Cancelled),
            // Refused once, asked again.
            (&[Ok(Registered), pending, refused, pending, accepted], Cancelled),
        ];
        for (said, want) in cases {
            let receipts: Vec<CustomsReceipt> = said
                .iter()
                .enumerate()
                .map(|(i, said)| match *said {
                    Ok(state) => told(i as i64, Some(state)),
                    Err(state) => CustomsReceipt {
                        document: FiledDocument::Cancellation,
                        ..told(i as i64, Some(state))
                    },
                })
                .collect();
            for order in permutations(&receipts) {
                assert_eq!(Sent.after(&order), *want, "{said:?}");
                let doubled: Vec<_> = order.iter().chain(&order).cloned().collect();
                assert_eq!(Sent.after(&doubled), *want, "doubled {said:?}");
            }
        }
    }
}
