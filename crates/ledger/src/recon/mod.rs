//! Reconciliation: facts in, an explained state out.
//!
//! A pure function: the same facts give the same outcome whatever their order, and running it again changes nothing, so an
//! incremental run and a rebuild cannot differ. The rooms, in the order of the work: [`dedupe`] (one fact per key), [`parts`] (what
//! a row is made of), [`foot`] (statements and payouts sum to their own totals, or are refused whole), [`bank`] (matching in
//! levels), [`orders`] (states as folds), [`post`] (the journal), [`fx`] (what exchange cost and earned).

pub mod ageing;
pub mod bank;
mod closed;
mod decided;
pub mod dedupe;
pub mod duties;
pub mod fees;
pub mod foot;
pub mod fx;
pub mod orders;
pub mod parts;
pub mod post;
pub(crate) mod wallet;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tradewind_domain::{Currency, Decimal, Money};

use crate::chart::Chart;
use crate::facts::{Facts, RowError};
use crate::journal::Journal;
use crate::rates::Rates;

/// What may be explained, and when something is late. All fields have defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Currency of the books.
    pub base: Option<Currency>,
    /// Largest relative distance from the reference rate that counts as a conversion cost.
    #[serde(with = "rust_decimal::serde::str")]
    pub fx_tolerance: Decimal,
    /// Largest rounding residual that is posted, in minor units.
    pub rounding_minor: i64,
    /// Days after which an unpaid order is missing.
    pub payment_days: i32,
    /// Business days that a bank line may be ahead of its payout.
    pub bank_days_before: i32,
    /// Business days that it may be behind.
    pub bank_days_after: i32,
    /// Days after which a carrier's invoice, or a refund, is late.
    pub late_days: i32,
    /// Most open payouts among which a covering set is searched.
    pub max_candidates: usize,
    /// Accounts whose channel reports no payments: an order there is open, and not missing.
    pub unreported: Vec<String>,
    /// Books closed up to this day: later facts post to the next.
    pub closed_until: Option<Date>,
    /// Fees that were agreed with providers.
    pub fee: Vec<fees::FeeRule>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            base: None,
            fx_tolerance: Decimal::new(3, 2),
            rounding_minor: 0,
            payment_days: 7,
            bank_days_before: 1,
            bank_days_after: 5,
            late_days: 30,
            max_candidates: 40,
            unreported: Vec::new(),
            closed_until: None,
            fee: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// The text is no policy; the message says where.
    pub fn parse(text: &str) -> Result<Policy, String> {
        let line = |at: usize| text.get(..at).map_or(1, |t| t.matches('\n').count() + 1);
        let policy: Policy = toml::from_str(text).map_err(|e| {
            let place = e.span().map(|s| format!("line {}: ", line(s.start))).unwrap_or_default();
            format!("policy: {place}{}", e.message())
        })?;
        let days = [policy.payment_days, policy.bank_days_before, policy.bank_days_after, policy.late_days];
        if policy.fx_tolerance.is_sign_negative() && !policy.fx_tolerance.is_zero()
            || policy.rounding_minor < 0
            || days.iter().any(|d| *d < 0)
        {
            return Err("policy: fx_tolerance, rounding_minor and the days are not negative".to_owned());
        }
        policy.fee.iter().try_for_each(fees::FeeRule::check)?;
        Ok(policy)
    }
}

/// What a run is asked.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The day of the report; by default the last day that a fact names.
    pub as_of: Option<Date>,
    /// Policy.
    pub policy: Policy,
    /// Zones for the report of days.
    pub zones: Vec<String>,
}

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

impl Difference {
    /// It stands in the way of `reconciled`: nobody can account for a part of it, or it asks a person, and none has accepted it.
    #[must_use]
    pub const fn open(&self) -> bool {
        !self.accepted && (self.unexplained != 0 || self.reason.asks())
    }
}

/// Letters and digits only, in capitals: providers and banks drop what they do not like.
pub(crate) fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// The entry that an entry corrects after its period was closed, or itself.
pub(crate) fn closed_base(id: &str) -> &str {
    closed::base(id)
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

/// Everything that a run found.
#[derive(Debug)]
pub struct Outcome {
    /// The day of the report.
    pub as_of: Date,
    /// Currency of the books.
    pub base: Currency,
    /// Statements.
    pub statements: Vec<foot::StatementState>,
    /// Payouts.
    pub payouts: Vec<foot::PayoutState>,
    /// Orders.
    pub orders: Vec<orders::OrderState>,
    /// Bank lines.
    pub bank: Vec<bank::BankState>,
    /// Differences.
    pub differences: Vec<Difference>,
    /// Links.
    pub matches: Vec<Match>,
    /// The books.
    pub journal: Journal,
    /// What is booked after the day of the report, where one was asked for: it is not in the books of that day.
    pub later: Vec<crate::journal::Entry>,
    /// Exchange.
    pub fx: fx::Fx,
    /// Costs by currency and kind, minor units, positive when they cost us.
    pub fees: BTreeMap<Currency, BTreeMap<String, i64>>,
    /// What nobody can account for, by currency.
    pub unexplained: BTreeMap<Currency, i64>,
    /// The same payments by each zone's day.
    pub days: BTreeMap<String, BTreeMap<Date, BTreeMap<Currency, i64>>>,
    /// Rows that were not taken.
    pub errors: Vec<RowError>,
    /// Hash of the facts, whatever their order.
    pub input_hash: String,
    /// The rows after dedupe, for explanations.
    pub rows: Vec<parts::Row>,
    /// What is expected and not there.
    pub ageing: Vec<ageing::Expectation>,
    /// Landed cost: collected and quoted against charged and assessed, order by order.
    pub duties: Vec<duties::Duty>,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReconError {
    /// The journal refused an entry: a defect of ours.
    #[error("the journal refused an entry: {0}")]
    Journal(#[from] crate::journal::JournalError),
    /// The chart of accounts is unusable, or a zone is unknown.
    #[error("{0}")]
    Setup(String),
    /// Amounts are too large to be summed: what and where.
    #[error("out of range: {0}")]
    Range(String),
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

/// Days between two days, business days of the bank only (Monday to Friday).
#[must_use]
pub fn business_days(from: Date, to: Date) -> i32 {
    let (a, b, sign) = if from <= to { (from, to, 1) } else { (to, from, -1) };
    let days = a.until(b).map_or(i32::MAX, |s| s.get_days());
    let weeks = days / 7;
    let mut n = weeks.saturating_mul(5);
    let mut d = a.checked_add(jiff::Span::new().days(i64::from(weeks) * 7)).unwrap_or(b);
    while d < b {
        d = d.tomorrow().unwrap_or(b);
        if !matches!(d.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday) {
            n = n.saturating_add(1);
        }
    }
    n * sign
}

/// A zone by its IANA name or offset.
///
/// # Errors
/// It is unknown.
pub fn zone(name: &str) -> Result<TimeZone, ReconError> {
    if matches!(name, "UTC" | "Z") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| {
        ReconError::Setup(format!("zone '{name}' is unknown: use an IANA name such as Asia/Shanghai"))
    })
}

/// The hash of the sorted hashes of all facts, so that their order is of no account.
fn hash(facts: &Facts) -> String {
    let mut all: Vec<[u8; 32]> = Vec::new();
    let mut take = |text: std::fmt::Arguments<'_>| {
        let mut one = Hashing(Sha256::new());
        // Writing to a hash cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut one, text);
        all.push(one.0.finalize().into());
    };
    macro_rules! facts {
        ($($list:ident),+) => {$(
            // The origin stays out: the same row elsewhere in the file is the same input.
            for f in &facts.$list {
                let mut f = f.clone();
                f.origin.row = 0;
                f.origin.file = "".into();
                take(format_args!("{}{f:?}", stringify!($list)));
            }
        )+};
    }
    facts!(orders, refunds, invoices, transactions, statements, payouts, bank, carrier, decisions, closed);
    facts.rates.iter().for_each(|r| take(format_args!("{r:?}")));
    facts.errors.iter().for_each(|r| take(format_args!("error{}", r.message)));
    facts.refused.iter().for_each(|r| take(format_args!("{r:?}")));
    all.sort_unstable();
    hex::encode(all.iter().fold(Sha256::new(), |sha, one| sha.chain_update(one)).finalize())
}

/// Takes the hash of what is written to it.
struct Hashing(Sha256);

impl std::fmt::Write for Hashing {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.0.update(s.as_bytes());
        Ok(())
    }
}

/// The last day that a fact names: the day of a report for which none is asked.
#[must_use]
pub fn last_day(facts: &Facts) -> Date {
    let first = facts
        .orders
        .iter()
        .map(|o| o.placed.day())
        .chain(facts.refunds.iter().map(|r| r.requested.day()))
        .chain(facts.transactions.iter().map(|t| t.occurred.day()))
        .chain(facts.statements.iter().filter_map(|s| s.deposit))
        // A statement is issued when its period is over: a report of an earlier day would not know it.
        .chain(facts.statements.iter().filter_map(|s| s.to.as_ref().map(crate::facts::Moment::day)))
        .chain(facts.bank.iter().map(|b| b.date))
        .max();
    let other = facts.payouts.iter().filter_map(|p| p.arrival).max();
    first.or(other).unwrap_or(jiff::civil::date(1970, 1, 1))
}

/// The policy's; else the currency of the bank lines, of the balances or of the orders, if there is only one; else the one of the most
/// bank lines, balance rows or orders, the first by name of several. Exchange is measured in it, and nothing else depends on it. An
/// input without any amount has nothing to measure, and says euro.
fn base(facts: &Facts, policy: &Policy) -> Currency {
    type Counts = BTreeMap<Currency, usize>;
    let count = |all: &mut dyn Iterator<Item = Currency>| -> Counts {
        let mut out = Counts::new();
        all.for_each(|c| *out.entry(c).or_default() += 1);
        out
    };
    let kinds = [
        count(&mut facts.bank.iter().map(|b| b.amount.currency())),
        count(&mut facts.transactions.iter().map(|t| t.net_currency)),
        count(&mut facts.orders.iter().map(|o| o.total.currency())),
    ];
    let only = |k: &Counts| k.keys().next().copied().filter(|_| k.len() == 1);
    let most = |k: &Counts| {
        let top = k.values().max().copied();
        k.iter().find(|(_, n)| Some(**n) == top).map(|(c, _)| *c)
    };
    policy
        .base
        .or_else(|| kinds.iter().find_map(only))
        .or_else(|| kinds.iter().find_map(most))
        .unwrap_or(Currency::EUR)
}

/// Every sum of a run is of amounts of the facts, each at most a few times. So one look at all of them together proves that no sum
/// leaves its range, and the sums further on need no check of their own.
fn in_range(facts: &Facts) -> Result<(), ReconError> {
    // Eight amounts of the size of all of them together still fit.
    const MOST: u128 = (i64::MAX / 8) as u128;
    let mut sums: BTreeMap<Currency, (u128, Money, &crate::facts::Origin)> = BTreeMap::new();
    macro_rules! take {
        ($($list:ident: $x:ident => [$($one:expr),*] $(, $more:expr)?;)+) => {$(
            for $x in &facts.$list {
                let all = [$(Some($one)),*].into_iter()$(.chain($more))?;
                for m in all.flatten().flatten() {
                    let slot = sums.entry(m.currency()).or_insert((0, m, &$x.origin));
                    slot.0 = slot.0.saturating_add(u128::from(m.minor().unsigned_abs()));
                    if m.minor().unsigned_abs() > slot.1.minor().unsigned_abs() {
                        (slot.1, slot.2) = (m, &$x.origin);
                    }
                }
            }
        )+};
    }
    take! {
        orders: o => [Some(o.total), o.collected_duties, o.quoted.map(|q| q.duty), o.quoted.map(|q| q.vat),
            o.quoted.map(|q| q.fee)];
        refunds: r => [Some(r.amount)];
        invoices: i => [Some(i.gross), Some(i.net), Some(i.vat)];
        transactions: t => [Some(t.amount), t.fee, t.net, Some(t.gross_in_net())],
            t.components.iter().map(|(_, m)| Some(Some(*m)));
        statements: s => [s.opening, s.closing, s.total, s.converted];
        payouts: p => [Some(p.amount), p.converted];
        bank: b => [Some(b.amount)];
        carrier: c => [Some(c.duty), Some(c.vat), Some(c.fee), Some(c.total)];
    }
    for (c, (sum, largest, origin)) in sums {
        if sum > MOST {
            return Err(ReconError::Range(format!(
                "the amounts in {c} are together more than can be summed; the largest is {largest} in {}, row {}: is its scale right?",
                origin.file, origin.row
            )));
        }
    }
    Ok(())
}

/// Reconciles.
///
/// # Errors
/// A zone is unknown, or an entry does not balance (a defect).
pub fn run(facts: &Facts, options: &Options) -> Result<Outcome, ReconError> {
    let chart = Chart::builtin().map_err(ReconError::Setup)?;
    let policy = &options.policy;
    let as_of = options.as_of.unwrap_or_else(|| last_day(facts));
    let base = base(facts, policy);
    let rates = Rates::new(&facts.rates);
    in_range(facts)?;
    let input_hash = hash(facts);
    let mut found = Found::default();

    let clean = dedupe::run(facts, as_of, &mut found);
    let mut rows = parts::split(&clean, &mut found);
    let (mut statements, mut payouts) = foot::run(&clean, &mut rows, facts, &mut found);
    parts::facilitator(&mut rows, &mut found);
    parts::report(&rows, &mut found);
    let banking = bank::run(&clean, &mut statements, &mut payouts, facts, policy, as_of, &rates, &mut found)?;
    let openings = wallet::run(&clean, &statements, &payouts, &rows, as_of, &mut found);
    let mut order_states =
        orders::run(&clean, &mut rows, &statements, &payouts, policy, as_of, facts, &mut found);
    let duties = duties::run(&clean, &mut order_states, &rows, policy, as_of, facts, &mut found)?;
    fees::run(&clean, &rows, policy, &mut found)?;
    let fx = fx::run(&rows, &banking, base, as_of, &rates, policy, &mut found)?;

    let mut differences = found.list;
    for d in &mut differences {
        d.accepted = clean.decisions.iter().any(|x| decided::accepts(x, d));
    }
    differences.sort_by(|a, b| {
        (a.reason, a.amount.currency(), &a.records, a.amount.minor(), &a.explanation).cmp(&(
            b.reason,
            b.amount.currency(),
            &b.records,
            b.amount.minor(),
            &b.explanation,
        ))
    });
    let mut unexplained: BTreeMap<Currency, i64> = BTreeMap::new();
    for c in rows
        .iter()
        .map(|r| r.net.currency())
        .chain(clean.bank.iter().map(|b| b.amount.currency()))
        .chain(clean.orders.iter().map(|o| o.total.currency()))
        .chain(statements.iter().map(|s| s.total.currency()))
    {
        unexplained.entry(c).or_insert(0);
    }
    for d in differences.iter().filter(|d| !d.accepted && d.unexplained != 0) {
        let slot = unexplained.entry(d.amount.currency()).or_insert(0);
        *slot = slot.saturating_add(d.unexplained);
    }
    let mut fees: BTreeMap<Currency, BTreeMap<String, i64>> = BTreeMap::new();
    for r in rows.iter().filter(|r| r.posts()) {
        for p in &r.parts {
            if let Some(class) = p.class.filter(|c| c.is_fee()) {
                let kind = class.name().trim_start_matches("fee.").to_owned();
                let slot = fees.entry(p.amount.currency()).or_default().entry(kind).or_insert(0);
                *slot = slot.saturating_sub(p.amount.minor());
            }
        }
    }
    let mut days = BTreeMap::new();
    for name in &options.zones {
        let tz = zone(name)?;
        let mut by_day: BTreeMap<Date, BTreeMap<Currency, i64>> = BTreeMap::new();
        let mut add = |at: &crate::facts::Moment, m: Money| {
            let slot = by_day.entry(at.day_in(&tz)).or_default().entry(m.currency()).or_insert(0);
            *slot = slot.saturating_add(m.minor());
        };
        if rows.iter().any(|r| r.sale().is_some()) {
            rows.iter().filter_map(|r| r.sale().map(|m| (&r.tx.occurred, m))).for_each(|(at, m)| add(at, m));
        } else {
            clean.orders.iter().for_each(|o| add(o.paid.as_ref().unwrap_or(&o.placed), o.total));
        }
        days.insert(name.clone(), by_day);
    }
    let ageing = ageing::run(&clean, &order_states, &statements, &payouts, &duties, policy, as_of, facts);
    let journal = post::run(
        &chart,
        &post::Facts {
            rows: &rows,
            statements: &statements,
            openings: &openings,
            payouts: &payouts,
            orders: &order_states,
            banking: &banking,
            duties: &duties,
            fx: &fx,
            clean: &clean,
            closed: &facts.closed,
        },
        policy,
        as_of,
    )?;
    // The books of a day that was asked for end with it, whatever is known of later days. By default they hold all that is known.
    let (journal, later) = match options.as_of {
        Some(day) => journal.until(day)?,
        None => (journal, Vec::new()),
    };
    let mut matches = banking.matches;
    matches.extend(orders::matches(&order_states));
    matches.sort_by(|a, b| (a.rule, &a.left, &a.right).cmp(&(b.rule, &b.left, &b.right)));
    let mut errors = facts.errors.clone();
    errors.extend(decided::idle(facts, &differences));
    errors.sort();
    Ok(Outcome {
        as_of,
        base,
        statements,
        payouts,
        orders: order_states,
        bank: banking.lines,
        differences,
        matches,
        journal,
        later,
        fx,
        fees,
        unexplained,
        days,
        errors,
        input_hash,
        rows,
        ageing,
        duties,
    })
}
