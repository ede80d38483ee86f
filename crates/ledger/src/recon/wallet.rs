//! What stands in a wallet before its first statement, and what is missing between two.
//!
//! A bill lists a period of a balance that goes on: it opens with what was there. The books open with it too, or the wallet in the
//! trial balance would be the period's movement and not its balance. Settlements that are sent whole are not wallets: what they carry
//! forward stands in [`super::foot`] and [`super::post`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::dedupe::Clean;
use super::foot::{PayoutState, StatementState};
use super::parts::Row;
use super::{Found, Reason, post};
use crate::facts::{Moment, Provider, Statement};
use crate::import::{StatementKind, traits};

/// A balance that no row explains.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(super) provider: Provider,
    pub(super) account: String,
    /// The statement that opens with it.
    pub(super) statement: String,
    pub(super) date: Date,
    pub(super) amount: Money,
    /// Before the books began; else it came or went between two statements.
    pub(super) first: bool,
}

/// The id of its entry.
pub(crate) fn opening_entry(provider: &str, account: &str, statement: &str, c: Currency) -> String {
    format!("opening:{provider}:{account}:{statement}:{c}")
}

type Wallet<'a> = (Provider, &'a str, Currency);

pub(super) fn run(
    clean: &Clean,
    statements: &[StatementState],
    payouts: &[PayoutState],
    rows: &[Row],
    as_of: Date,
    found: &mut Found,
) -> Vec<Opening> {
    let mut wallets: BTreeMap<Wallet<'_>, Vec<(&Statement, Money)>> = BTreeMap::new();
    for ((s, _), state) in clean.statements.iter().zip(statements) {
        let is_bill = traits(s.provider).statement != StatementKind::Transfer && !post::sent_whole(state);
        if let Some(opening) = s.opening.filter(|_| is_bill && state.foots && !state.refused) {
            wallets.entry((s.provider, &s.account, s.currency)).or_default().push((s, opening));
        }
    }
    let mut out = Vec::new();
    for ((provider, account, c), mut list) in wallets {
        list.sort_by_key(|(s, _)| (start(s), s.to.as_ref().map(|m| m.at), s.id.clone()));
        let ids: BTreeSet<&str> = list.iter().map(|(s, _)| s.id.as_str()).collect();
        let mine: Vec<&Row> = rows
            .iter()
            .filter(|r| {
                r.posts()
                    && r.tx.provider == provider
                    && r.tx.account == account
                    && r.net.currency() == c
                    && !r.tx.statement.as_deref().is_some_and(|s| ids.contains(s))
            })
            .collect();
        // What no bill lists and is booked all the same, from one instant to another.
        let moved = |from: Option<Timestamp>, to: Timestamp| -> i64 {
            let within = |at: Timestamp| at < to && from.is_none_or(|f| at >= f);
            let rows = mine.iter().filter(|r| within(r.tx.occurred.at)).map(|r| r.net.minor());
            let sent = payouts
                .iter()
                .filter(|p| {
                    (p.provider, p.account.as_str(), p.amount.currency()) == (provider, account, c)
                        && !p.void
                        && !p.failed
                        && !p.booked_by_row
                        && !p.group.as_deref().is_some_and(|g| ids.contains(g))
                })
                .filter_map(|p| p.arrival.or(p.last_member).map(|d| (d, p.amount.minor())))
                .filter(|(d, _)| {
                    d.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).is_ok_and(|z| within(z.timestamp()))
                })
                .map(|(_, m)| m);
            rows.fold(0_i64, i64::saturating_add).saturating_sub(sent.fold(0_i64, i64::saturating_add))
        };
        let mut before: Option<&Statement> = None;
        for (s, opening) in list {
            let begins = start(s);
            let expected = match before {
                None => Some((begins.map_or(0, |at| moved(None, at)), None)),
                // A statement of days that another one covers, or after one that does not say where it ended, proves nothing.
                Some(b) => b.closing.zip(begins).zip(b.to.as_ref().map(|m| m.at)).and_then(
                    |((closing, begins), ended)| {
                        (begins >= ended).then(|| {
                            (closing.minor().saturating_add(moved(Some(ended), begins)), Some((b, closing)))
                        })
                    },
                ),
            };
            before = Some(s);
            let Some((expected, previous)) = expected else { continue };
            let gap = opening.minor().saturating_sub(expected);
            if gap == 0 {
                continue;
            }
            let amount = Money::from_minor(gap, c);
            if let Some((b, closing)) = previous {
                let mut evidence = vec![
                    (format!("opening of {}", s.id), opening.minor()),
                    (format!("closing of {}", b.id), closing.minor().saturating_neg()),
                ];
                let between = expected.saturating_sub(closing.minor());
                if between != 0 {
                    evidence.push(("booked between".to_owned(), between.saturating_neg()));
                }
                found.note(
                    Reason::AmountMismatch,
                    amount,
                    vec![s.id.clone(), b.id.clone()],
                    format!(
                        "statement {} opens with {opening}, {} closed with {closing}: {amount} came or went between them, a statement is missing",
                        s.id, b.id
                    ),
                    evidence,
                    gap,
                );
            }
            out.push(Opening {
                provider,
                account: account.to_owned(),
                statement: s.id.clone(),
                date: s.from.as_ref().or(s.to.as_ref()).map(Moment::day).or(s.deposit).unwrap_or(as_of),
                amount,
                first: previous.is_none(),
            });
        }
    }
    out
}

fn start(s: &Statement) -> Option<Timestamp> {
    s.from.as_ref().or(s.to.as_ref()).map(|m| m.at)
}
