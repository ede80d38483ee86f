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
mod difference;
pub mod duties;
pub mod fees;
pub mod foot;
pub mod fx;
mod input;
pub mod orders;
pub mod parts;
mod policy;
pub mod post;
pub(crate) mod wallet;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tradewind_domain::{Currency, Money};

use crate::chart::Chart;
use crate::facts::{Facts, Moment, RowError};
use crate::journal::Journal;
use crate::rates::Rates;

pub use difference::{Difference, Event, Found, Match, Reason};
pub use input::last_day;
pub use policy::{Options, Policy};

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

/// Letters and digits only, in capitals: providers and banks drop what they do not like.
pub(crate) fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// The entry that an entry corrects after its period was closed, or itself.
pub(crate) fn closed_base(id: &str) -> &str {
    closed::base(id)
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

/// Reconciles.
///
/// # Errors
/// A zone is unknown, or an entry does not balance (a defect).
pub fn run(facts: &Facts, options: &Options) -> Result<Outcome, ReconError> {
    let chart = Chart::builtin().map_err(ReconError::Setup)?;
    let policy = &options.policy;
    let as_of = options.as_of.unwrap_or_else(|| last_day(facts));
    let base = input::base(facts, policy);
    let rates = Rates::new(&facts.rates);
    input::in_range(facts)?;
    let input_hash = input::hash(facts);
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
    let unexplained = unexplained(&differences, &clean, &statements, &rows);
    let fees = fees_by_kind(&rows);
    let mut days = BTreeMap::new();
    for name in &options.zones {
        days.insert(name.clone(), by_day(&zone(name)?, &rows, &clean));
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

/// What nobody can account for, by currency; zero for every other currency of the facts.
fn unexplained(
    differences: &[Difference],
    clean: &dedupe::Clean,
    statements: &[foot::StatementState],
    rows: &[parts::Row],
) -> BTreeMap<Currency, i64> {
    let mut out = BTreeMap::new();
    let currencies = rows
        .iter()
        .map(|r| r.net.currency())
        .chain(clean.bank.iter().map(|b| b.amount.currency()))
        .chain(clean.orders.iter().map(|o| o.total.currency()))
        .chain(statements.iter().map(|s| s.total.currency()));
    for c in currencies {
        out.entry(c).or_insert(0);
    }
    for d in differences.iter().filter(|d| !d.accepted && d.unexplained != 0) {
        let slot: &mut i64 = out.entry(d.amount.currency()).or_insert(0);
        *slot = slot.saturating_add(d.unexplained);
    }
    out
}

/// Costs of what is booked, by currency and kind.
fn fees_by_kind(rows: &[parts::Row]) -> BTreeMap<Currency, BTreeMap<String, i64>> {
    let mut out: BTreeMap<Currency, BTreeMap<String, i64>> = BTreeMap::new();
    for p in rows.iter().filter(|r| r.posts()).flat_map(|r| &r.parts) {
        if let Some(class) = p.class.filter(|c| c.is_fee()) {
            let kind = class.name().trim_start_matches("fee.").to_owned();
            let slot = out.entry(p.amount.currency()).or_default().entry(kind).or_insert(0);
            *slot = slot.saturating_sub(p.amount.minor());
        }
    }
    out
}

/// Payments by the day of a zone: by the providers' word, or by the orders where no provider told of one.
fn by_day(
    tz: &TimeZone,
    rows: &[parts::Row],
    clean: &dedupe::Clean,
) -> BTreeMap<Date, BTreeMap<Currency, i64>> {
    let mut out: BTreeMap<Date, BTreeMap<Currency, i64>> = BTreeMap::new();
    let mut add = |at: &Moment, m: Money| {
        let slot = out.entry(at.day_in(tz)).or_default().entry(m.currency()).or_insert(0);
        *slot = slot.saturating_add(m.minor());
    };
    if rows.iter().any(|r| r.sale().is_some()) {
        rows.iter().filter_map(|r| r.sale().map(|m| (&r.tx.occurred, m))).for_each(|(at, m)| add(at, m));
    } else {
        clean.orders.iter().for_each(|o| add(o.paid.as_ref().unwrap_or(&o.placed), o.total));
    }
    out
}
