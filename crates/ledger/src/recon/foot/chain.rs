//! From statement to statement: reserves, and transfers that came back.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{Currency, Money};

use super::StatementState;
use crate::facts::Provider;
use crate::import::{Class, traits};
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

/// The provider's own word for a transfer that came back.
fn says_failed(r: &Row) -> bool {
    let words = r.tx.components.iter().map(|(code, _)| code).chain(&r.tx.event_code).chain([&r.tx.kind]);
    r.net.is_positive() && words.into_iter().any(|w| super::failed(w))
}

/// Reserves chain from statement to statement, and so do transfers that came back.
pub(super) fn run(statements: &mut [StatementState], clean: &Clean, rows: &mut [Row], found: &mut Found) {
    let mut by: BTreeMap<(Provider, String, Currency), Vec<usize>> = BTreeMap::new();
    for (i, s) in statements.iter().enumerate().filter(|(_, s)| !s.refused) {
        by.entry((s.provider, s.account.clone(), s.total.currency())).or_default().push(i);
    }
    let start =
        |i: usize| clean.statements.get(i).and_then(|(s, _)| s.from.as_ref().or(s.to.as_ref()).map(|m| m.at));
    // Rows that may bring a transfer back.
    let mut candidates: BTreeMap<(Provider, String, String), Vec<usize>> = BTreeMap::new();
    let may = |r: &&Row| {
        !r.net.is_zero() && r.posts() && matches!(r.main(), Some(Class::Transfer | Class::Payout) | None)
    };
    for (i, r) in rows.iter().enumerate().filter(|(_, r)| may(r)) {
        if let Some(s) = &r.tx.statement {
            candidates.entry((r.tx.provider, r.tx.account.clone(), s.clone())).or_default().push(i);
        }
    }
    for ((provider, account, c), mut list) in by {
        list.sort_by(|a, b| {
            let k = |i: usize| (start(i), statements.get(i).map(|s| (s.end, s.id.clone())));
            k(*a).cmp(&k(*b))
        });
        let mut held: Option<(i64, String)> = None;
        // What is still out, by its total; which of it did not leave, or came back; the statement before.
        let (mut out, mut back) = (BTreeMap::<i64, Vec<usize>>::new(), BTreeSet::<usize>::new());
        let mut last: Option<(usize, i64)> = None;
        for i in list {
            let Some(s) = statements.get(i) else { continue };
            if traits(provider).reserve_chain {
                let expected = held.as_ref().map_or(0, |(m, _)| *m);
                let gap = s.reserve_before.minor().saturating_sub(expected);
                let (before, id) = (s.reserve_before, s.id.clone());
                if let Some(s) = statements.get_mut(i) {
                    s.gap = Money::from_minor(gap, c);
                    s.first = held.is_none();
                }
                if gap != 0 {
                    // Before the first statement the books open with it; between two, nobody knows what it is (suspense).
                    let unexplained = if held.is_none() { 0 } else { gap };
                    found.note(
                        Reason::ReserveChainGap,
                        Money::from_minor(gap, c),
                        std::iter::once(id.clone()).chain(held.as_ref().map(|(_, from)| from.clone())).collect(),
                        match &held {
                            None => format!("statement {id} releases {before} of reserve, and no earlier statement is here that held it"),
                            Some((_, from)) => format!("statement {id} releases {before} of reserve, {from} held {}: a statement is missing or stands twice", Money::from_minor(expected, c)),
                        },
                        vec![("released".to_owned(), before.minor()), ("held before".to_owned(), expected.saturating_neg())],
                        unexplained,
                    );
                }
                held = statements.get(i).map(|s| (s.reserve_after.minor(), s.id.clone()));
            }
            // What a returned (or negative) transfer left behind comes back as opening balance or as a row.
            let Some(s) = statements.get(i) else { continue };
            let (id, opening) =
                (s.id.clone(), clean.statements.get(i).and_then(|(s, _)| s.opening).map_or(0, Money::minor));
            let mut into = |at: usize, failed: bool, out: &mut BTreeMap<i64, Vec<usize>>| {
                if let Some(before) = statements.get_mut(at) {
                    before.carried_into = Some(id.clone());
                    before.failed |= failed;
                    out.entry(before.total.minor()).or_default().retain(|x| *x != at);
                }
            };
            // An opening is of the statement just before.
            if let Some((at, _)) = last.filter(|(_, total)| opening == *total && opening != 0) {
                into(at, false, &mut out);
            }
            let mut moved = 0_i64;
            for r in candidates.get(&(provider, account.clone(), id.clone())).into_iter().flatten() {
                let Some(r) = rows.get_mut(*r).filter(|r| r.posts() && r.net.currency() == c) else {
                    continue;
                };
                let open = out.get(&r.net.minor()).map(Vec::as_slice).unwrap_or_default();
                // It may come back later than in the next statement. Where no status says that it did, the row does, if it can only
                // be of that one.
                let flagged = open.iter().rev().copied().find(|x| back.contains(x));
                let only = || open.first().copied().filter(|_| open.len() == 1 && says_failed(r));
                let Some(at) = flagged.or_else(only) else { continue };
                into(at, flagged.is_none(), &mut out);
                r.carried = true;
                if r.main() != Some(Class::Payout) {
                    moved = moved.saturating_add(r.net.minor());
                }
            }
            if let Some(s) = statements.get_mut(i) {
                s.activity = Money::from_minor(s.activity.minor().saturating_sub(moved), c);
                let total = s.total.minor();
                if total != 0 {
                    out.entry(total).or_default().push(i);
                }
                if s.failed || s.total.is_negative() {
                    back.insert(i);
                }
                last = Some((i, total));
            }
        }
        if let Some((after, id)) = held.filter(|(after, _)| *after != 0) {
            found.add(
                Reason::Reserve,
                Money::from_minor(after, c),
                vec![id.clone()],
                format!("held by {provider} at the end of statement {id}"),
                vec![(format!("held at the end of {id}"), after)],
            );
        }
    }
    for s in statements.iter_mut().filter(|s| s.failed) {
        s.state = "Returned";
        let into = s.carried_into.clone();
        found.add(
            Reason::PayoutReturned,
            s.total,
            std::iter::once(s.id.clone()).chain(into.clone()).collect(),
            match into {
                Some(next) => format!(
                    "the transfer of {} for statement {} came back and is part of statement {next}",
                    s.total, s.id
                ),
                None => format!("the transfer of {} for statement {} came back", s.total, s.id),
            },
            vec![(format!("total of statement {}", s.id), s.total.minor())],
        );
    }
}
