//! What the gateway keeps in the store, and under which keys.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_connector::{Handle, Submitted};
use tradewind_domain::{
    AccountId, BalanceTransaction, BookedShipment, CustomsReceipt, Declaration, DeclarationState, Dispute,
    Filed, FiledDocument, IllegalStep, LineQuantity, Money, Order, Payout, Product, ReferenceKind, Return,
    ShipmentRequest, ShipmentState, Sku, Statement, TrackingEvent, TrackingState, Waybill,
};
use tradewind_store::Collection;
use tradewind_store::typed::Record;

use crate::landed::TariffPins;

pub(crate) fn is_zero(n: &u32) -> bool {
    *n == 0
}

macro_rules! record {
    ($type:ty, $collection:ident, |$r:ident| $key:expr, $account:expr, $state:expr) => {
        impl Record for $type {
            const COLLECTION: Collection = Collection::$collection;
            fn key(&self) -> String {
                let $r = self;
                let _ = $r;
                $key
            }
            fn account(&self) -> String {
                let $r = self;
                let _ = $r;
                $account
            }
            fn state(&self) -> String {
                let $r = self;
                let _ = $r;
                $state
            }
        }
    };
}

mod offer;
pub(crate) use self::offer::is_gone;
pub use self::offer::{Asked, Gone, Made, OfferRecord, QuantityAlone, offer_key};

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProductRecord(pub Product);
record!(ProductRecord, Products, |r| r.0.id.to_string(), String::new(), String::new());

/// Stock of one SKU: what is on the shelf, and how much of it each account may still sell. Σ allotted ≤ on hand
/// less what is reserved: that is the proof against overselling in strict mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRecord {
    /// SKU.
    pub sku: Sku,
    /// Units on the shelf, reserved ones included.
    pub on_hand: u32,
    /// Units promised to orders and not shipped.
    pub reserved: u32,
    /// Units each account may still sell.
    pub allotted: BTreeMap<AccountId, u32>,
    /// Of these, such as were never put on its listing: a delivery came after it was listed, or the channel shows no more at
    /// once. A listing may be raised by these and by no others (ADR 3).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fresh: BTreeMap<AccountId, u32>,
    /// Of what an account may still sell, such as came back with cancelled orders: whether its listing shows them is not known
    /// yet (ADR 3).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub returned: BTreeMap<AccountId, Returned>,
    /// Units sold beyond what was allotted. Anything above zero is an oversell: told when it is taken in.
    pub oversold: u32,
    /// The count that was last taken from the catalogue's files: only another one is news (ADR 3). It stays while the SKU is in no
    /// file. `None`: none was, or an earlier version took it, which did not keep it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<u32>,
}
record!(StockRecord, Stock, |r| r.sku.to_string(), String::new(), {
    if r.returned.is_empty() { String::new() } else { StockRecord::RETURNED.to_owned() }
});

impl StockRecord {
    /// The state of a record with units that came back.
    pub const RETURNED: &'static str = "returned";
}

/// Units that came back to an account; none where they had left when their order was cancelled, and the channel may show them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// How many.
    pub units: u32,
    /// When we last heard of a sale or a cancellation there: only a listing that is read later can tell.
    pub heard_at: Timestamp,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Held for the order.
    Held,
    /// Gone with a parcel.
    Shipped,
    /// Given back.
    Released,
}

/// Units held for an order line. Its key is the import key of invariant 5: an order imported twice reserves once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Account.
    pub account: AccountId,
    /// Order.
    pub order: String,
    /// Line.
    pub line: String,
    /// SKU.
    pub sku: Sku,
    /// Units.
    pub quantity: u32,
    /// State.
    pub state: ReservationState,
    /// Units of the line beside these that are not on the shelf any more: they left before it was counted, or before the line
    /// grew. `None`: an earlier version wrote it; then it is all that the order held too little of when it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<u32>,
}
record!(
    Reservation,
    Reservations,
    |r| reservation_key(&r.account, &r.order, &r.line),
    r.account.to_string(),
    format!("{:?}", r.state)
);

/// Key of a reservation.
#[must_use]
pub fn reservation_key(account: &AccountId, order: &str, line: &str) -> String {
    format!("{account}/{order}/{line}")
}

/// How far an order has come in our hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Imported, not shippable yet (unpaid, on hold).
    Waiting,
    /// To be booked.
    ToBook,
    /// To be declared.
    ToDeclare,
    /// Declared, waiting for the authority.
    Declared,
    /// To be told to the marketplace.
    ToConfirm,
    /// The marketplace knows. Nothing more to ship.
    Confirmed,
    /// Cancelled before it left.
    Cancelled,
    /// Somebody must look at it; the note says why.
    Stuck,
}

impl Stage {
    /// All of them, in the order in which an order passes them.
    pub const ALL: [Stage; 8] = [
        Stage::Waiting,
        Stage::ToBook,
        Stage::ToDeclare,
        Stage::Declared,
        Stage::ToConfirm,
        Stage::Confirmed,
        Stage::Cancelled,
        Stage::Stuck,
    ];

    /// The name under which it is filtered.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::ToBook => "to_book",
            Stage::ToDeclare => "to_declare",
            Stage::Declared => "declared",
            Stage::ToConfirm => "to_confirm",
            Stage::Confirmed => "confirmed",
            Stage::Cancelled => "cancelled",
            Stage::Stuck => "stuck",
        }
    }
}

/// An order with what we did about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// The order as last read.
    pub order: Order,
    /// How far it has come.
    pub stage: Stage,
    /// First imported.
    pub imported_at: Timestamp,
    /// Our shipment.
    pub shipment: Option<String>,
    /// Our declaration.
    pub declaration: Option<String>,
    /// Confirmations tried: part of the idempotency key.
    #[serde(default)]
    pub confirm_attempt: u32,
    /// A confirmation that the channel works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Handle>,
    /// A cancellation that the channel works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Handle>,
    /// Cancellations tried: part of the idempotency key.
    #[serde(default)]
    pub cancel_attempt: u32,
    /// It left by another way than a parcel of ours, as the channel told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// While it is stuck: how recent the order was at the channel that was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_on: Option<Timestamp>,
    /// Why it is where it is.
    pub note: Option<String>,
}

impl OrderRecord {
    /// Nobody waits for a parcel of ours: it was cancelled, or left by another way.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        self.stage == Stage::Cancelled || self.stage == Stage::Confirmed && self.elsewhere
    }
}
record!(
    OrderRecord,
    Orders,
    |r| order_key(&r.order.account, r.order.id.as_str()),
    r.order.account.to_string(),
    r.stage.name().to_owned()
);

/// Key of an order.
#[must_use]
pub fn order_key(account: &AccountId, order: &str) -> String {
    format!("{account}/{order}")
}

/// A parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentRecord {
    /// Carrier account.
    pub account: AccountId,
    /// Order it fulfils.
    pub order: String,
    /// What was asked for.
    pub request: ShipmentRequest,
    /// State.
    pub state: ShipmentState,
    /// What the carrier answered.
    pub booked: Option<BookedShipment>,
    /// Scans.
    pub events: Vec<TrackingEvent>,
    /// Where it is.
    pub tracking: TrackingState,
    /// When its carrier last answered what it knows of it, news or not. `None`: never, or not since an earlier version, which
    /// did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked_at: Option<Timestamp>,
    /// When its booking was last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// First looked up after a lost answer, and not found.
    pub missing_since: Option<Timestamp>,
    /// Calls that were to void its label.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub voids: u32,
    /// Bookings tried: part of the idempotency key, so that a booking that was proved not to exist can be made again.
    pub attempt: u32,
    /// A booking that takes longer.
    pub handle: Option<Handle>,
    /// We declare it: decided when it was booked, and not undone by a configuration that names no customs for it later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declares: bool,
    /// Released by customs, under this number of theirs.
    #[serde(default)]
    pub cleared: Option<String>,
    /// Units of each line that the order was for when it was booked. Parcels of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordered: Vec<LineQuantity>,
    /// A person lets it go though its order was changed since: as the order was at the channel at this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Timestamp>,
    /// Labels that were booked for it besides: for a person to void.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<Waybill>,
    /// What a person must know of it: its order was cancelled after it was booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
record!(ShipmentRecord, Shipments, |r| r.request.id.to_string(), r.account.to_string(), r.state.to_string());

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclarationRecord {
    /// Customs account.
    pub account: AccountId,
    /// Order.
    pub order: String,
    /// What is declared.
    pub declaration: Declaration,
    /// State.
    pub state: DeclarationState,
    /// The authority's number.
    pub authority_ref: Option<String>,
    /// Why it is where it is.
    pub note: Option<String>,
    /// Filed at.
    pub filed_at: Option<Timestamp>,
    /// Times that it was to be filed anew after a refusal: part of the idempotency key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filings: u32,
    /// We asked for its cancellation.
    #[serde(default)]
    pub withdrawn: bool,
    /// The authority works on the last filing or cancellation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<FilingJob>,
}

/// A filing or a cancellation that an authority takes in later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilingJob {
    /// It is the cancellation.
    pub withdrawal: bool,
    /// What to ask with.
    pub handle: Handle,
}

impl DeclarationRecord {
    /// Of an order, not filed yet.
    #[must_use]
    pub fn new(account: AccountId, order: String, declaration: Declaration) -> DeclarationRecord {
        DeclarationRecord {
            account,
            order,
            declaration,
            state: DeclarationState::Matched,
            authority_ref: None,
            note: None,
            filed_at: None,
            filings: 0,
            withdrawn: false,
            waits: None,
        }
    }

    /// What is declared, with the number that the authority gave since.
    #[must_use]
    pub fn numbered(&self) -> Declaration {
        Declaration { number: self.authority_ref.clone(), ..self.declaration.clone() }
    }

    /// To be filed once more under the same number, with what is known by then.
    pub(crate) fn file_anew(&mut self) -> Result<(), IllegalStep> {
        self.state.step(DeclarationState::Draft)?;
        self.filings += 1;
        self.waits = None;
        Ok(())
    }

    /// Takes in what the authority gave for a filing or a cancellation, whichever was asked for.
    pub fn took(&mut self, filed: Filed, asked: FiledDocument) {
        let mut numbers = filed.references.iter().filter(|r| r.kind == ReferenceKind::Number);
        self.authority_ref = numbers.next_back().map(|r| r.value.clone()).or(self.authority_ref.take());
        self.declaration.took(filed, asked);
    }

    /// Takes in the answer to a filing or a cancellation.
    pub fn heard(&mut self, answer: Submitted<Filed>, withdrawal: bool) {
        match answer {
            Submitted::Done(filed) => {
                let asked = if withdrawal { FiledDocument::Cancellation } else { FiledDocument::Declaration };
                self.took(filed, asked);
            }
            Submitted::Deferred(handle) => self.waits = Some(FilingJob { withdrawal, handle }),
        }
    }
}
record!(
    DeclarationRecord,
    Declarations,
    |r| r.declaration.id.to_string(),
    r.account.to_string(),
    r.state.to_string()
);

/// A declaration that counts towards what its buyer may import in a year, found by buyer and year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowanceRecord {
    /// The declaration.
    pub declaration: String,
    /// Hash of the buyer, and the year; empty where nothing limits them.
    pub of: String,
}
record!(AllowanceRecord, Allowances, |r| r.declaration.clone(), String::new(), r.of.clone());

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReceiptRecord(pub CustomsReceipt);
record!(
    ReceiptRecord,
    Receipts,
    |r| r.0.key.clone(),
    String::new(),
    r.0.declaration.as_ref().map(ToString::to_string).unwrap_or_default()
);

/// An exchange rate that a quote used, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedRate {
    /// The publication.
    pub id: String,
    /// An amount in this currency ...
    pub from: String,
    /// ... times the rate is the amount in this one.
    pub to: String,
    /// Decimal text.
    pub rate: String,
}

/// The landed cost of an order with all it was computed from: the same answer can be made from it at any time. The
/// text of each rule pack is kept as a payload under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteRecord {
    /// Account.
    pub account: AccountId,
    /// Order, by its key.
    pub order: String,
    /// When; also the instant whose law it is.
    pub made_at: Timestamp,
    /// The request, JSON, as `tradewind quote --request` takes it.
    pub request: String,
    /// Exchange rates used.
    pub fx: Vec<QuotedRate>,
    /// Digest of each pack used, by jurisdiction.
    pub packs: BTreeMap<String, String>,
    /// What the tariffs answered, row by row.
    #[serde(default, skip_serializing_if = "TariffPins::is_empty")]
    pub tariff: TariffPins,
    /// The answer, JSON, byte for byte.
    pub answer: String,
    /// Where the destination keeps a yearly limit per buyer (China): whose and which year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
}
record!(
    QuoteRecord,
    Quotes,
    |r| r.order.clone(),
    r.account.to_string(),
    r.counted.as_ref().map(|c| c.buyer.clone()).unwrap_or_default()
);

/// What an order takes of its buyer's yearly limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The buyer's identity, hashed.
    pub buyer: String,
    /// Calendar year in which the order was placed, legal time of the destination.
    pub year: i16,
    /// Dutiable value of the order.
    pub value: Money,
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    /// Account.
    pub account: AccountId,
    /// The movement.
    pub transaction: BalanceTransaction,
}
record!(
    TransactionRecord,
    Transactions,
    |r| format!("{}/{}", r.account, r.transaction.id),
    r.account.to_string(),
    r.transaction.kind.clone()
);

/// A payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutRecord {
    /// Account.
    pub account: AccountId,
    /// The payout.
    pub payout: Payout,
}
record!(
    PayoutRecord,
    Payouts,
    |r| format!("{}/{}", r.account, r.payout.id),
    r.account.to_string(),
    r.payout.state.to_string()
);

/// A settlement statement with its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRecord {
    /// Account.
    pub account: AccountId,
    /// The statement.
    pub statement: Statement,
    /// Provider in the ledger's words.
    pub provider: String,
    /// Format in the ledger's words.
    pub format: String,
    /// File name.
    pub file_name: String,
    /// Hash of the kept payload.
    pub payload: String,
}
record!(
    StatementRecord,
    Statements,
    |r| format!("{}/{}", r.account, r.statement.id),
    r.account.to_string(),
    r.format.clone()
);

/// A return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnRecord {
    /// Account.
    pub account: AccountId,
    /// The case as last read.
    pub case: Return,
}
record!(
    ReturnRecord,
    Returns,
    |r| format!("{}/{}", r.account, r.case.id),
    r.account.to_string(),
    r.case.state.to_string()
);

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeRecord {
    /// Account.
    pub account: AccountId,
    /// The case as last read.
    pub case: Dispute,
}
record!(
    DisputeRecord,
    Disputes,
    |r| format!("{}/{}", r.account, r.case.id),
    r.account.to_string(),
    r.case.state.to_string()
);

/// How far a stream of an account was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRecord {
    /// Account.
    pub account: AccountId,
    /// Stream: `orders`, `transactions`, `receipts`, `returns` ...
    pub stream: String,
    /// Everything before this instant was read.
    pub until: Option<Timestamp>,
    /// Up to here it was listed as well, but something in it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_to: Option<Timestamp>,
    /// The channel's own cursor.
    pub cursor: Option<String>,
    /// Where money was read: the connector of the account. The books go by it when the account has left the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
}
record!(
    CursorRecord,
    Cursors,
    |r| format!("{}/{}", r.account, r.stream),
    r.account.to_string(),
    String::new()
);

/// Which facet a submission was made by, and is asked about by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobFacet {
    /// Offers put, listed or withdrawn.
    #[default]
    Offers,
    /// Quantities alone.
    Stock,
}

/// A submission that the channel works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Key.
    pub id: String,
    /// Account.
    pub account: AccountId,
    /// What it was made by.
    #[serde(default)]
    pub facet: JobFacet,
    /// The handle to ask with.
    pub handle: Handle,
    /// SKUs it is about, in order.
    pub skus: Vec<Sku>,
}
record!(JobRecord, Jobs, |r| r.id.clone(), r.account.to_string(), "deferred".to_owned());
