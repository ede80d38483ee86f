//! What a run tells: differences with their reasons, links between records, and what happened to them.

use jiff::civil::Date;
use tradewind_domain::Money;

macro_rules! reasons {
    ($($variant:ident = $name:literal, $doc:literal;)+) => {
        /// Why two things differ: a closed list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $doc] $variant,)+
        }
        impl Reason {
            /// All of them.
            pub const ALL: &[Reason] = &[$(Reason::$variant),+];

            /// The code in answers and exports.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    Timing = "TIMING", "Known on one side, not yet due on the other.";
    FeeUnexpected = "FEE_UNEXPECTED", "A fee that no rule foresees.";
    FeeMissing = "FEE_MISSING", "A fee that should be there.";
    FxCost = "FX_COST", "The provider's rate against the reference rate.";
    FxOutOfTolerance = "FX_OUT_OF_TOLERANCE", "The rate is further off than the policy allows.";
    Rounding = "ROUNDING", "Within the rounding that the policy allows.";
    TaxFacilitator = "TAX_FACILITATOR", "Facilitator tax does not net to zero.";
    Reserve = "RESERVE", "Held back by the provider.";
    ReserveChainGap = "RESERVE_CHAIN_GAP", "A reserve released that was never held, or the reverse.";
    Duplicate = "DUPLICATE", "The same thing twice.";
    Conflict = "CONFLICT", "The same key with other content; the first version is kept.";
    AmountMismatch = "AMOUNT_MISMATCH", "Two amounts that should be equal are not.";
    CurrencyMismatch = "CURRENCY_MISMATCH", "Two currencies where one was expected.";
    OverRefund = "OVER_REFUND", "More given back than was paid.";
    DisputeHold = "DISPUTE_HOLD", "Taken back by the provider while a dispute runs.";
    DutyVariance = "DUTY_VARIANCE", "Duties collected or quoted against duties assessed.";
    PayoutReturned = "PAYOUT_RETURNED", "A payout came back.";
    ProviderOnly = "PROVIDER_ONLY", "The provider knows it, we do not.";
    OursOnly = "OURS_ONLY", "We know it, the provider does not.";
    Ambiguous = "AMBIGUOUS", "More than one explanation fits.";
    UnmappedCode = "UNMAPPED_CODE", "A code that no table maps.";
    NotFooting = "NOT_FOOTING", "A document does not sum to its own total.";
}

impl Reason {
    /// It waits for a person even where every cent of it is booked to an account that explains it. The others say why a number is what
    /// it is, and pass by themselves: not yet due, held, measured, or assessed by somebody else.
    #[must_use]
    pub const fn asks(self) -> bool {
        match self {
            Reason::Timing
            | Reason::FxCost
            | Reason::Rounding
            | Reason::Reserve
            | Reason::ReserveChainGap
            | Reason::DisputeHold
            | Reason::DutyVariance
            | Reason::FeeMissing
            | Reason::PayoutReturned => false,
            Reason::FeeUnexpected
            | Reason::FxOutOfTolerance
            | Reason::TaxFacilitator
            | Reason::Duplicate
            | Reason::Conflict
            | Reason::AmountMismatch
            | Reason::CurrencyMismatch
            | Reason::OverRefund
            | Reason::ProviderOnly
            | Reason::OursOnly
            | Reason::Ambiguous
            | Reason::UnmappedCode
            | Reason::NotFooting => true,
        }
    }
}

/// Something that does not agree, with what proves it: `amount` is Σ of `evidence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Why.
    pub reason: Reason,
    /// How much.
    pub amount: Money,
    /// Ids of the records.
    pub records: Vec<String>,
    /// In words.
    pub explanation: String,
    /// The numbers whose sum is `amount`: (what it is, minor units in the currency of `amount`).
    pub evidence: Vec<(String, i64)>,
    /// What part of it nobody can account for.
    pub unexplained: i64,
    /// A user has accepted it.
    pub accepted: bool,
}

impl Difference {
    /// It stands in the way of `reconciled`: nobody can account for a part of it, or it asks a person, and none has accepted it.
    #[must_use]
    pub const fn open(&self) -> bool {
        !self.accepted && (self.unexplained != 0 || self.reason.asks())
    }
}

/// A link between records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The level that linked them: `pin`, `reference`, `membership`, `remittance`, `unique`, `pool`, `covering`, `tolerance`.
    pub rule: &'static str,
    /// On our side: orders, bank lines.
    pub left: Vec<String>,
    /// On the provider's.
    pub right: Vec<String>,
    /// Amount matched.
    pub amount: Money,
    /// What remained, and was posted.
    pub residual: Money,
    /// The numbers whose sum is the residual, in minor units of its currency.
    pub evidence: Vec<(String, i64)>,
    /// Day.
    pub date: Date,
}

/// Something that happened to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Instant or day, ISO 8601.
    pub at: String,
    /// The state it led to.
    pub state: &'static str,
}

/// Collects differences while the work goes on.
#[derive(Debug, Default)]
pub struct Found {
    /// So far.
    pub list: Vec<Difference>,
}

impl Found {
    /// Notes a difference whose amount is explained by its reason.
    pub fn add(
        &mut self,
        reason: Reason,
        amount: Money,
        records: Vec<String>,
        why: String,
        evidence: Vec<(String, i64)>,
    ) {
        self.note(reason, amount, records, why, evidence, 0);
    }

    /// Notes a difference, a part of which nobody can account for.
    pub fn note(
        &mut self,
        reason: Reason,
        amount: Money,
        mut records: Vec<String>,
        explanation: String,
        evidence: Vec<(String, i64)>,
        unexplained: i64,
    ) {
        records.sort();
        records.dedup();
        self.list.push(Difference {
            reason,
            amount,
            records,
            explanation,
            evidence,
            unexplained,
            accepted: false,
        });
    }
}
