//! Foot first: a statement or payout that does not sum to its own total is refused whole, with the difference and the likeliest
//! cause. Then the chain of reserves.

mod chain;
mod members;
mod payouts;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::dedupe::Clean;
use super::parts::Row;
use super::{Event, Found, Reason};
use crate::facts::{Facts, Provider};
use crate::import::{Class, StatementKind, traits};

/// A statement and where it stands.
#[derive(Debug, Clone)]
pub struct StatementState {
    /// The provider's id.
    pub id: String,
    /// Who.
    pub provider: Provider,
    /// Our account at the provider.
    pub account: String,
    /// Σ of the rows, with the opening balance where the total has it.
    pub sum: Money,
    /// As stated.
    pub total: Money,
    /// `sum` is `total`.
    pub foots: bool,
    /// Rows that moved money, without reserves and what was carried forward.
    pub activity: Money,
    /// Reserve released from before.
    pub reserve_before: Money,
    /// Reserve held at the end.
    pub reserve_after: Money,
    /// Bank lines that it was paid by.
    pub bank: Vec<String>,
    /// Day of the last of them.
    pub arrived: Option<Date>,
    /// State.
    pub state: &'static str,
    /// What happened.
    pub timeline: Vec<Event>,
    /// What the bank gets.
    pub converted: Option<Money>,
    /// Day of the transfer.
    pub deposit: Option<Date>,
    /// Bank trace.
    pub trace: Option<String>,
    /// The transfer came back.
    pub failed: bool,
    /// Its rows were not booked.
    pub refused: bool,
    /// A payout row or record pays it, so that it is no transfer itself.
    pub paid_by_payout: bool,
    /// Its total was carried into a later statement.
    pub carried_into: Option<String>,
    /// It says what is left at its end: a balance, which stays where it is.
    pub stays: bool,
    /// Last day covered.
    pub end: Option<Date>,
    /// Reserve released here that no earlier statement held (or the reverse, negative).
    pub gap: Money,
    /// It is the first of its account and currency.
    pub first: bool,
}

impl StatementState {
    /// Its total goes to the bank, by the provider's custom or by its own word.
    #[must_use]
    pub fn sends(&self) -> bool {
        traits(self.provider).statement == StatementKind::Transfer
            || self.deposit.is_some()
            || self.converted.is_some()
            || self.trace.is_some()
    }
}

/// A payout and where it stands.
#[derive(Debug, Clone)]
pub struct PayoutState {
    /// The provider's id.
    pub id: String,
    /// Who.
    pub provider: Provider,
    /// Our account at the provider.
    pub account: String,
    /// As stated (or Σ of the members, where only they name it).
    pub amount: Money,
    /// Σ of the members, where there are any.
    pub sum: Option<Money>,
    /// `sum` is `amount`.
    pub foots: bool,
    /// The provider's words, in their order.
    pub history: Vec<String>,
    /// State.
    pub state: &'static str,
    /// What happened.
    pub timeline: Vec<Event>,
    /// Bank lines.
    pub bank: Vec<String>,
    /// Day of the last of them.
    pub arrived: Option<Date>,
    /// What the bank gets.
    pub converted: Option<Money>,
    /// Arrival.
    pub arrival: Option<Date>,
    /// Bank trace.
    pub trace: Option<String>,
    /// Statement or common reference.
    pub group: Option<String>,
    /// The statement whose row books it.
    pub listed_in: Option<String>,
    /// It came back.
    pub failed: bool,
    /// It was called off before it left.
    pub void: bool,
    /// A row of the balance books the transfer.
    pub booked_by_row: bool,
    /// A row of the balance books its return.
    pub returned_by_row: bool,
    /// Last day of its members.
    pub last_member: Option<Date>,
}

/// A provider's word for money that came back.
#[must_use]
pub fn failed(status: &str) -> bool {
    let s = status.to_ascii_lowercase();
    ["fail", "return", "revers", "reject", "bounced"].iter().any(|w| s.contains(w))
}

fn void(status: &str) -> bool {
    let s = status.to_ascii_lowercase();
    s.contains("cancel") || s.contains("void")
}

/// A document of a provider: whose, our account there, its id, and its currency.
type Doc = (Provider, String, String, Currency);

/// A document of any currency.
type Id = (Provider, String, String);

pub(super) fn run(
    clean: &Clean,
    rows: &mut [Row],
    facts: &Facts,
    found: &mut Found,
) -> (Vec<StatementState>, Vec<PayoutState>) {
    let mut members: BTreeMap<Doc, Vec<usize>> = BTreeMap::new();
    let mut paid: BTreeMap<Doc, Vec<usize>> = BTreeMap::new();
    for (i, r) in rows.iter().enumerate().filter(|(_, r)| r.tx.affects) {
        let of = |id: &str| (r.tx.provider, r.tx.account.clone(), id.to_owned(), r.net.currency());
        if let Some(s) = &r.tx.statement {
            members.entry(of(s)).or_default().push(i);
        }
        if let Some(p) = &r.tx.payout {
            paid.entry(of(p)).or_default().push(i);
        }
    }
    let mut statements: Vec<StatementState> = Vec::new();
    for (s, conflicted) in &clean.statements {
        let doc = (s.provider, s.account.clone(), s.id.clone(), s.currency);
        let list = members.get(&doc).map(Vec::as_slice).unwrap_or_default();
        statements.push(statement::foot(s, *conflicted, list, rows, found));
    }
    // A document that names no difference stands among what was not taken.
    for (r, amount) in facts.refused.iter().filter_map(|r| r.difference.map(|m| (r, m))) {
        found.note(
            Reason::NotFooting,
            amount,
            vec![r.file.clone()],
            r.message.clone(),
            vec![("difference that the importer names".to_owned(), amount.minor())],
            amount.minor(),
        );
    }
    chain::run(&mut statements, clean, rows, found);
    let strangers = members::run(clean, &members, &paid, &statements, rows, facts, found);
    let payouts = payouts::run(clean, &paid, rows, &statements, &strangers, found);
    let named: BTreeSet<(Provider, &str, &str)> = payouts
        .iter()
        .flat_map(|p| {
            [Some(p.id.as_str()), p.group.as_deref()]
                .into_iter()
                .flatten()
                .map(|id| (p.provider, p.account.as_str(), id))
        })
        .collect();
    for s in &mut statements {
        s.paid_by_payout = named.contains(&(s.provider, s.account.as_str(), s.id.as_str()))
            || members.get(&(s.provider, s.account.clone(), s.id.clone(), s.total.currency())).is_some_and(
                |m| {
                    m.iter()
                        .filter_map(|i| rows.get(*i))
                        .any(|r| r.is(Class::Payout) && !r.carried || r.tx.payout.is_some())
                },
            );
    }
    (statements, payouts)
}
