//! Money at a provider: balance transactions, statements, payouts, and one taxonomy of fees for all.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::state::states;
use crate::{Currency, Money, OrderId, PayoutId, SourceTime, StatementId, TransactionId};

/// What a component of a settlement line is, in the words that all channels share. The channel's own code is
/// always kept beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeKind {
    /// Share of the sale: referral fee, final value fee.
    Commission,
    /// Fixed amount per order or item.
    PerOrder,
    /// Payment processing.
    Payment,
    /// Extra for a buyer in another country.
    International,
    /// Conversion into the payout currency.
    CurrencyConversion,
    /// Pick, pack and ship by the channel.
    Fulfilment,
    /// Storage by the channel.
    Storage,
    /// Label bought through the channel.
    ShippingLabel,
    /// Advertising.
    Advertising,
    /// Subscription.
    Subscription,
    /// Listing or insertion.
    Listing,
    /// Kept on a refund.
    RefundAdministration,
    /// Lost or fought chargeback.
    Dispute,
    /// Charged for a tax service, or a digital services tax passed on.
    Regulatory,
    /// For moving money to the bank.
    PayoutFee,
    /// Known to be a fee, of no kind above.
    Other,
}

/// A part of a balance transaction, in the provider's own code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The provider's word (Amazon: `amount-type/amount-description`).
    pub code: String,
    /// Signed from our side.
    pub amount: Money,
}

/// One movement of a provider's balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceTransaction {
    /// The provider's id.
    pub id: TransactionId,
    /// The provider's word for what it is.
    pub kind: String,
    /// A finer code, where there is one (PayPal `T0006`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_code: Option<String>,
    /// When.
    pub occurred_at: SourceTime,
    /// Gross, signed from our side.
    pub amount: Money,
    /// Fee, positive when it costs us; in the currency of `net`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Money>,
    /// What moved the balance: `amount` − `fee`, possibly converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<Money>,
    /// The provider's conversion rate: one unit of `amount`'s currency in `net`'s.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rust_decimal::serde::str_option")]
    pub rate: Option<Decimal>,
    /// Our or the channel's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// The movement it corrects or refunds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refers_to: Option<TransactionId>,
    /// The payout it is part of, once told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<PayoutId>,
    /// The statement it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementId>,
    /// Changes the balance (an authorisation does not).
    pub balance_affecting: bool,
    /// Parts, where the provider itemises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
}

states! {
    /// A payout on its way to the bank.
    PayoutState {
        /// Announced.
        Scheduled => [InTransit, Paid, Failed, Cancelled],
        /// Left the provider.
        InTransit => [Paid, Failed, Returned],
        /// The provider says it arrived. The bank line proves it.
        Paid => [Returned, Failed],
        /// Did not arrive.
        Failed => [Scheduled],
        /// Sent back by the bank.
        Returned => [Scheduled],
        /// Called off.
        Cancelled => [],
    }
}

/// A payout of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// The provider's id.
    pub id: PayoutId,
    /// Amount, positive when money comes to us.
    pub amount: Money,
    /// State.
    pub state: PayoutState,
    /// The provider's status, verbatim.
    pub raw_status: String,
    /// Created or initiated.
    pub initiated_at: SourceTime,
    /// Expected or actual arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Timestamp>,
    /// Amount in the bank's currency, when converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted: Option<Money>,
    /// Trace or reference shown on the bank statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// A settlement statement, as listed; its lines come as a document or as transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The provider's id.
    pub id: StatementId,
    /// Currency.
    pub currency: Currency,
    /// Start of the period.
    pub from: Timestamp,
    /// End of the period.
    pub to: Timestamp,
    /// Total as stated, when told in the listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
}

states! {
    /// A chargeback or claim.
    DisputeState {
        /// Opened, the seller must answer.
        NeedsResponse => [UnderReview, Won, Lost, Accepted],
        /// Being judged.
        UnderReview => [NeedsResponse, Won, Lost],
        /// Money stays.
        Won => [Lost],
        /// Money goes.
        Lost => [Won],
        /// The seller gave in.
        Accepted => [],
    }
}

/// A dispute as the provider tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The provider's id.
    pub id: String,
    /// Disputed payment, when the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// Amount at stake, positive.
    pub amount: Money,
    /// State.
    pub state: DisputeState,
    /// The provider's status, verbatim.
    pub raw_status: String,
    /// Opened.
    pub opened_at: SourceTime,
    /// Answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond_by: Option<Timestamp>,
}
