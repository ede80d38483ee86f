//! From statement to statement: reserves, and transfers that came back.

use std::collections::BTreeMap;

use tradewind_domain::{Currency, Money};

use super::StatementState;
use crate::facts::Provider;
use crate::import::{Class, traits};
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

/// Reserves chain from statement to statement, and so do transfers that came back.
pub(super) fn run(statements: &mut [StatementState], clean: &Clean, rows: &mut [Row], found: &mut Found) {
    let mut by: BTreeMap<(Provider, String, Currency), Vec<usize>> = BTreeMap::new();
    for (i, s) in statements.iter().enumerate().filter(|(_, s)| !s.refused) {
        by.entry((s.provider, s.account.clone(), s.total.currency())).or_default().push(i);
    }
    let start =
        |i: usize| clean.statements.get(i).and_then(|(s, _)| s.from.as_ref().or(s.to.as_ref()).map(|m| m.at));
    for ((provider, account, c), mut list) in by {
        list.sort_by(|a, b| {
            let k = |i: usize| (start(i), statements.get(i).map(|s| (s.end, s.id.clone())));
            k(*a).cmp(&k(*b))
        });
        let mut held: Option<(i64, String)> = None;
        let mut open: Option<usize> = None;
        for i in list {
            let Some(s) = statements.get(i) else { continue };
            if traits(provider).reserve_chain {
                let (expected, from) = held.clone().unwrap_or((0, "no earlier statement".to_owned()));
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
                        format!("statement {id} releases {before} of reserve, {from} held {}: a statement is missing or stands twice", Money::from_minor(expected, c)),
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
            if let Some(at) = open
                && let Some(left) =
                    statements.get(at).map(|s| (s.total.minor(), s.failed || s.total.is_negative()))
            {
                let mut carried = opening == left.0 && left.0 != 0;
                if !carried && left.1 {
                    for r in rows.iter_mut().filter(|r| {
                        r.tx.statement.as_deref() == Some(id.as_str())
                            && r.tx.provider == provider
                            && r.tx.account == account
                            && r.net.currency() == c
                            && r.net.minor() == left.0
                            && r.posts()
                    }) {
                        if matches!(r.main(), Some(Class::Transfer | Class::Payout) | None) && !carried {
                            r.carried = true;
                            carried = true;
                            if let Some(s) = statements.get_mut(i)
                                && r.main() != Some(Class::Payout)
                            {
                                s.activity = Money::from_minor(s.activity.minor().saturating_sub(left.0), c);
                            }
                        }
                    }
                }
                if carried && let Some(before) = statements.get_mut(at) {
                    before.carried_into = Some(id.clone());
                }
            }
            open = Some(i);
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
