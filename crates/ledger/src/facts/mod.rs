//! Facts: what the books are made of, whoever said it, in one shape.
//!
//! A fact is immutable and remembers where it stood ([`Origin`]). Amounts are signed from our side; a fee is positive when it
//! costs us. Two rooms make facts: [`read`] from the normalised JSON-lines files, [`native`] from the importers' documents.

mod decision;
pub mod native;
pub mod read;
mod wire;
pub mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use tradewind_domain::{Currency, Decimal, Money};

pub use crate::import::{Moment, Provider};
use crate::journal::Draft;

/// Where a fact stood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Order of arrival of the document: the place of its file name in its folder.
    pub arrival: u32,
    /// The file, relative to the folder that was read.
    pub file: Arc<str>,
    /// Row of the file, 1-based.
    pub row: u64,
}

/// An order as we know it.
#[derive(Debug, Clone)]
pub struct Order {
    /// The channel's id.
    pub id: String,
    /// Our account.
    pub account: String,
    /// When the buyer bought.
    pub placed: Moment,
    /// What the buyer pays.
    pub total: Money,
    /// Our own reference, as given to the payment provider.
    pub reference: Option<String>,
    /// Duty and import tax collected at checkout; part of `total`.
    pub collected_duties: Option<Money>,
    /// When the channel says that it was paid.
    pub paid: Option<Moment>,
    /// The channel's word for the state of the payment.
    pub payment_state: Option<String>,
    /// Tracking number of the parcel.
    pub tracking: Option<String>,
    /// Quoted at checkout: duty, import VAT, brokerage.
    pub quoted: Option<Quoted>,
    /// Where it stood.
    pub origin: Origin,
}

/// A landed-cost quote in three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// Customs duty.
    pub duty: Money,
    /// Import VAT or GST.
    pub vat: Money,
    /// Brokerage and advancement.
    pub fee: Money,
}

/// A refund that we asked for.
#[derive(Debug, Clone)]
pub struct Refund {
    /// Our id.
    pub id: String,
    /// The order.
    pub order: String,
    /// Our account of that order, where it is told: two channels may use one order number.
    pub account: Option<String>,
    /// When asked.
    pub requested: Moment,
    /// Positive: what the buyer gets.
    pub amount: Money,
    /// Where it stood.
    pub origin: Origin,
}

/// An invoice of ours.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// Number.
    pub id: String,
    /// Orders it bills.
    pub orders: Vec<String>,
    /// Gross.
    pub gross: Money,
    /// Net.
    pub net: Money,
    /// VAT.
    pub vat: Money,
    /// Where it stood.
    pub origin: Origin,
}

/// One balance row of a provider.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// The provider's id.
    pub id: String,
    /// Who.
    pub provider: Provider,
    /// Our account at the provider.
    pub account: String,
    /// The provider's word for the kind of row.
    pub kind: String,
    /// The provider's finer code.
    pub event_code: Option<String>,
    /// The provider's id of what caused the row.
    pub source: Option<String>,
    /// When.
    pub occurred: Moment,
    /// Gross.
    pub amount: Money,
    /// Cost, in the currency of the net.
    pub fee: Option<Money>,
    /// What moved the balance, as stated.
    pub net: Option<Money>,
    /// Order reference as the provider gives it back.
    pub order: Option<String>,
    /// The row that this one corrects.
    pub refers_to: Option<String>,
    /// Payout that carried it.
    pub payout: Option<String>,
    /// Statement that lists it.
    pub statement: Option<String>,
    /// One unit of `amount`'s currency in the net's.
    pub rate: Option<Decimal>,
    /// Currency of the balance, where it is not that of `amount`.
    pub net_currency: Currency,
    /// The row moves the balance.
    pub affects: bool,
    /// Another document of the provider posts the same money: the row counts in its document's sum and is not booked.
    pub informs: bool,
    /// Parts in the provider's words.
    pub components: Vec<(String, Money)>,
    /// Where it stood.
    pub origin: Origin,
}

/// A statement, settlement, batch or bill.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The provider's id.
    pub id: String,
    /// Who.
    pub provider: Provider,
    /// Our account at the provider.
    pub account: String,
    /// Currency.
    pub currency: Currency,
    /// Start.
    pub from: Option<Moment>,
    /// End.
    pub to: Option<Moment>,
    /// Balance before.
    pub opening: Option<Money>,
    /// Balance after.
    pub closing: Option<Money>,
    /// What the rows must sum to.
    pub total: Option<Money>,
    /// When the money was sent.
    pub deposit: Option<Date>,
    /// What the bank gets, where the provider converts.
    pub converted: Option<Money>,
    /// Bank trace.
    pub trace: Option<String>,
    /// The provider's word for the state of the transfer.
    pub transfer_status: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// Money on its way from a provider to a bank.
#[derive(Debug, Clone)]
pub struct Payout {
    /// The provider's id.
    pub id: String,
    /// Who.
    pub provider: Provider,
    /// Our account at the provider.
    pub account: String,
    /// Amount sent; negative when the provider collects.
    pub amount: Money,
    /// The provider's word for its state.
    pub status: String,
    /// Day of arrival.
    pub arrival: Option<Date>,
    /// Statement, event group or common reference of a split payout.
    pub group: Option<String>,
    /// What arrives, where the provider converts.
    pub converted: Option<Money>,
    /// The bank's reference for it.
    pub trace: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// A line of a bank statement.
#[derive(Debug, Clone)]
pub struct BankLine {
    /// The bank's id.
    pub id: String,
    /// The account at the bank.
    pub account: String,
    /// Booking day.
    pub date: Date,
    /// Signed from our side.
    pub amount: Money,
    /// Remittance text.
    pub text: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// A carrier's invoice for what it advanced at the border.
#[derive(Debug, Clone)]
pub struct CarrierInvoice {
    /// Number.
    pub id: String,
    /// The carrier, or our account with it: two of them may use one number.
    pub account: String,
    /// Parcel.
    pub tracking: String,
    /// Customs duty.
    pub duty: Money,
    /// Import VAT or GST.
    pub vat: Money,
    /// Brokerage and advancement.
    pub fee: Money,
    /// As invoiced.
    pub total: Money,
    /// Where it stood.
    pub origin: Origin,
}

/// What a user decided; survives every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecisionKind {
    /// These records belong together.
    Pin,
    /// These records never belong together.
    Veto,
    /// A difference on these records is accepted.
    Accept,
}

/// A decision about records.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What.
    pub kind: DecisionKind,
    /// About which records.
    pub records: Vec<String>,
    /// For an accept: only differences of this reason, if it is one of the closed list; else a note.
    pub reason: Option<String>,
    /// For an accept: only a difference of this amount.
    pub amount: Option<Decimal>,
    /// For an accept: only a difference in this currency.
    pub currency: Option<Currency>,
    /// Where it stood.
    pub origin: Origin,
}

/// A period that was closed, and an entry as it was booked then: what comes later leaves it as it is.
#[derive(Debug, Clone)]
pub struct Closed {
    /// The last day of the period.
    pub until: Date,
    /// The entry and the day on which it is booked; a row without one only closes.
    pub entry: Option<(Draft, Date)>,
    /// Of a row without one: how many entries follow it in its file, and the hash over them.
    pub seal: Option<(usize, String)>,
    /// Where it stood.
    pub origin: Origin,
}

/// A row of `fx.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateRow {
    /// Published for this day.
    pub date: Date,
    /// One unit of this …
    pub base: Currency,
    /// … in that.
    pub quote: Currency,
    /// The rate.
    pub rate: Decimal,
    /// Who says so.
    pub source: String,
}

/// A row or file that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowError {
    /// The file.
    pub file: String,
    /// The row, 1-based; 0: the whole file.
    pub row: u64,
    /// What is wrong and what to do.
    pub message: String,
}

/// A native document that was refused whole because it does not sum to its own total.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The file.
    pub file: String,
    /// The reason of the closed list, or the importer's code.
    pub code: String,
    /// `total − sum`, where the document does not foot.
    pub difference: Option<Money>,
    /// In words.
    pub message: String,
}

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Orders.
    pub orders: Vec<Order>,
    /// Refunds that we asked for.
    pub refunds: Vec<Refund>,
    /// Invoices.
    pub invoices: Vec<Invoice>,
    /// Balance rows.
    pub transactions: Vec<Transaction>,
    /// Statements.
    pub statements: Vec<Statement>,
    /// Payouts; several versions of one id are its history.
    pub payouts: Vec<Payout>,
    /// Bank lines.
    pub bank: Vec<BankLine>,
    /// Carrier invoices.
    pub carrier: Vec<CarrierInvoice>,
    /// Decisions.
    pub decisions: Vec<Decision>,
    /// Closed periods, with their entries.
    pub closed: Vec<Closed>,
    /// Reference rates.
    pub rates: Vec<RateRow>,
    /// Rows that were not taken.
    pub errors: Vec<RowError>,
    /// Native documents refused whole.
    pub refused: Vec<Refused>,
    /// Accounts whose channel does not tell refunds: what the provider gave back there is not held against what was asked for.
    pub refunds_untold: BTreeSet<String>,
    /// Accounts whose channel tells no payments, payouts or settlements: an order there is open until somebody says otherwise, unless
    /// another provider pays such orders.
    pub payments_untold: BTreeSet<String>,
    /// Accounts whose channel takes longer to pay than the policy expects: the days until an order there is late.
    pub payment_days: BTreeMap<String, i32>,
    /// Which kinds of fact were given at all, with the number of rows.
    pub given: BTreeMap<&'static str, usize>,
}

impl Facts {
    /// Adds what another source knows. Arrival is told by [`Origin::arrival`], not by the order of the calls.
    pub fn extend(&mut self, other: Facts) {
        self.orders.extend(other.orders);
        self.refunds.extend(other.refunds);
        self.invoices.extend(other.invoices);
        self.transactions.extend(other.transactions);
        self.statements.extend(other.statements);
        self.payouts.extend(other.payouts);
        self.bank.extend(other.bank);
        self.carrier.extend(other.carrier);
        self.decisions.extend(other.decisions);
        self.closed.extend(other.closed);
        self.rates.extend(other.rates);
        self.errors.extend(other.errors);
        self.refused.extend(other.refused);
        self.refunds_untold.extend(other.refunds_untold);
        self.payments_untold.extend(other.payments_untold);
        self.payment_days.extend(other.payment_days);
        for (k, n) in other.given {
            *self.given.entry(k).or_insert(0) += n;
        }
    }

    /// Days after which an unpaid order of an account is late.
    #[must_use]
    pub(crate) fn payment_days(&self, account: &str, policy: i32) -> i32 {
        self.payment_days.get(account).map_or(policy, |days| policy.max(*days))
    }

    /// A kind of fact was given, even if empty.
    #[must_use]
    pub fn has(&self, kind: &str) -> bool {
        self.given.contains_key(kind)
    }
}

impl Transaction {
    /// What moved the balance: as stated; else `amount × rate − fee`.
    #[must_use]
    pub fn net_or_computed(&self) -> Money {
        if let Some(net) = self.net {
            return net;
        }
        let gross = self.gross_in_net();
        match self.fee {
            Some(fee) => gross.try_sub(fee).unwrap_or(gross),
            None => gross,
        }
    }

    /// The gross in the currency of the net: as the provider's own net and fee leave it, else by its rate.
    #[must_use]
    pub fn gross_in_net(&self) -> Money {
        if let Some(net) = self.net {
            return match self.fee {
                Some(fee) => net.try_add(fee).unwrap_or(net),
                None => net,
            };
        }
        if self.net_currency == self.amount.currency() {
            return self.amount;
        }
        self.rate
            .and_then(|r| self.amount.exact().times(r).ok())
            .and_then(|e| {
                tradewind_domain::Exact::new(e.value(), self.net_currency)
                    .round(tradewind_domain::Rounding::HalfUp)
                    .ok()
            })
            .unwrap_or(Money::zero(self.net_currency))
    }
}
