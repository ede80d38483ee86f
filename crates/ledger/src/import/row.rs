//! What an importer says about a document, before it becomes facts.
//!
//! One vocabulary for all providers. Amounts are signed from our side; a fee is positive when it costs us;
//! `net = amount × rate − fee`. Components name the parts in the provider's own words: of the fee where there
//! is one, of the amount otherwise.

use jiff::civil::Date;
use tradewind_domain::{Decimal, Money};

use super::time::Moment;

/// One balance row of a provider.
#[derive(Debug, Clone)]
pub struct Tx {
    /// The provider's id made unique: what the same row is called in every document that carries it.
    pub id: String,
    /// The provider's own word for the kind of row.
    pub kind: String,
    /// The provider's finer code, where it has one.
    pub event_code: Option<String>,
    /// The provider's id of the thing that caused the row (charge, refund, dispute).
    pub source: Option<String>,
    /// When it happened, for the provider.
    pub occurred: Moment,
    /// Gross, in the currency of the sale.
    pub amount: Money,
    /// What it cost, in the currency of `net`.
    pub fee: Option<Money>,
    /// What moved the balance.
    pub net: Option<Money>,
    /// Our order reference as the provider gives it back.
    pub order: Option<String>,
    /// The provider row that this one corrects or belongs to.
    pub refers_to: Option<String>,
    /// The payout that carried it.
    pub payout: Option<String>,
    /// The statement that lists it.
    pub statement: Option<String>,
    /// One unit of `amount`'s currency in `net`'s currency, as the provider printed it.
    pub rate: Option<Decimal>,
    /// Whether the row moves the balance (an authorisation or a void does not).
    pub affects: bool,
    /// Another document of the provider posts the same money: the row counts in its own document's sum and is not booked.
    pub informs: bool,
    /// Parts in the provider's words.
    pub components: Vec<(String, Money)>,
}

impl Tx {
    /// A row with the fields that every row has.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: impl Into<String>, occurred: Moment, amount: Money) -> Tx {
        Tx {
            id: id.into(),
            kind: kind.into(),
            event_code: None,
            source: None,
            occurred,
            amount,
            fee: None,
            net: None,
            order: None,
            refers_to: None,
            payout: None,
            statement: None,
            rate: None,
            affects: true,
            informs: false,
            components: Vec::new(),
        }
    }
}

/// A statement, settlement, batch or bill with its own totals.
#[derive(Debug, Clone)]
pub struct Stmt {
    /// The provider's id, with the currency where one document has several.
    pub id: String,
    /// What the lines sum to, by the document's own word.
    pub total: Money,
    /// Balance before.
    pub opening: Option<Money>,
    /// Balance after.
    pub closing: Option<Money>,
    /// First day covered.
    pub from: Option<Moment>,
    /// End of the period covered.
    pub to: Option<Moment>,
    /// When the money was sent to the bank.
    pub deposit_date: Option<Date>,
    /// What the bank got, where the provider converted.
    pub converted_total: Option<Money>,
    /// The bank trace of the transfer.
    pub trace_id: Option<String>,
    /// The provider's word for the state of the transfer.
    pub transfer_status: Option<String>,
}

impl Stmt {
    /// A statement with its total.
    #[must_use]
    pub fn new(id: impl Into<String>, total: Money) -> Stmt {
        Stmt {
            id: id.into(),
            total,
            opening: None,
            closing: None,
            from: None,
            to: None,
            deposit_date: None,
            converted_total: None,
            trace_id: None,
            transfer_status: None,
        }
    }
}

/// Money on its way from a provider to a bank; negative when the provider collects.
#[derive(Debug, Clone)]
pub struct Out {
    /// The provider's id.
    pub id: String,
    /// Amount sent.
    pub amount: Money,
    /// The provider's word for its state.
    pub status: String,
    /// Day of arrival, where stated.
    pub arrival: Option<Date>,
    /// The statement or event group that it pays.
    pub group: Option<String>,
    /// What arrives, where the provider converts.
    pub converted: Option<Money>,
    /// The bank's reference for it.
    pub trace: Option<String>,
}

/// A line of a bank statement.
#[derive(Debug, Clone)]
pub struct Bank {
    /// The bank's id of the line, or one made of its content and place among equals.
    pub id: String,
    /// The account at the bank.
    pub account: String,
    /// Booking day.
    pub date: Date,
    /// Signed from our side.
    pub amount: Money,
    /// Remittance text.
    pub text: Option<String>,
}

/// A carrier's invoice for what it advanced at the border.
#[derive(Debug, Clone)]
pub struct Carrier {
    /// Invoice number and line.
    pub id: String,
    /// Tracking number.
    pub tracking: String,
    /// Customs duty.
    pub duty: Money,
    /// Import VAT or GST.
    pub vat: Money,
    /// Brokerage, advancement and other fees.
    pub fee: Money,
    /// As invoiced.
    pub total: Money,
}

impl Document {
    /// Two accounts do not both have it: it holds rows with ids, or more bank lines (which often have none, as the fee of a month) than
    /// chance makes equal. A day without movements looks alike everywhere.
    pub(super) fn is_telling(&self) -> bool {
        !self.transactions.is_empty()
            || !self.payouts.is_empty()
            || !self.carrier.is_empty()
            || self.bank.len() > 2
    }
}

/// Everything one document says.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The account as the document itself names it.
    pub account: Option<String>,
    /// Balance rows.
    pub transactions: Vec<Tx>,
    /// Statements.
    pub statements: Vec<Stmt>,
    /// Payouts.
    pub payouts: Vec<Out>,
    /// Bank lines.
    pub bank: Vec<Bank>,
    /// Carrier invoices.
    pub carrier: Vec<Carrier>,
    /// Things worth a look that did not stop the import: (line, text).
    pub warnings: Vec<(u64, String)>,
}
