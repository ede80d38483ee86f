//! What a user decided: which differences an accept is about, and decisions that are about nothing.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{Decimal, parse_decimal};

use super::{Difference, Reason};
use crate::facts::{Decision, DecisionKind, Facts, RowError};

/// A word of the closed list. Any other word is a note for people.
fn reason(d: &Decision) -> Option<Reason> {
    let word = d.reason.as_deref()?.trim();
    Reason::ALL.iter().copied().find(|r| r.code().eq_ignore_ascii_case(word))
}

/// The accept is about this difference: it names nothing that the difference does not, and the amount that was accepted has not
/// drifted.
pub(super) fn accepts(x: &Decision, d: &Difference) -> bool {
    let amount = || -> Option<Decimal> { parse_decimal(&d.amount.amount()).ok() };
    x.kind == DecisionKind::Accept
        && reason(x).is_none_or(|r| r == d.reason)
        && x.currency.is_none_or(|c| c == d.amount.currency())
        && x.amount.is_none_or(|a| amount() == Some(a))
        && x.records.iter().all(|r| d.records.contains(r))
}

/// Decisions that decide nothing, because what they name is not there: a row that was not taken. Everything that is known counts,
/// whatever the day of the report.
pub(super) fn idle(facts: &Facts, differences: &[Difference]) -> Vec<RowError> {
    if facts.decisions.is_empty() {
        return Vec::new();
    }
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for o in &facts.orders {
        known.extend(
            [Some(o.id.as_str()), o.reference.as_deref(), o.tracking.as_deref()].into_iter().flatten(),
        );
    }
    for t in &facts.transactions {
        let more = [&t.source, &t.order, &t.payout, &t.statement];
        known.extend(more.into_iter().flatten().map(String::as_str));
        known.insert(&t.id);
    }
    for p in &facts.payouts {
        known.extend([Some(p.id.as_str()), p.group.as_deref(), p.trace.as_deref()].into_iter().flatten());
    }
    for s in &facts.statements {
        known.extend([Some(s.id.as_str()), s.trace.as_deref()].into_iter().flatten());
    }
    known.extend(facts.refunds.iter().map(|x| x.id.as_str()));
    known.extend(facts.invoices.iter().map(|x| x.id.as_str()));
    known.extend(facts.bank.iter().map(|x| x.id.as_str()));
    known.extend(facts.carrier.iter().flat_map(|x| [x.id.as_str(), x.tracking.as_str()]));
    known.extend(differences.iter().flat_map(|d| d.records.iter().map(String::as_str)));
    let is_known = |r: &&String| {
        // Rows that stand several times in a document are told apart by #n.
        known.contains(r.as_str()) || r.rsplit_once('#').is_some_and(|(id, _)| known.contains(id))
    };
    let mut out = Vec::new();
    let against = contradictions(facts);
    for d in &facts.decisions {
        let strange: Vec<&str> = d.records.iter().filter(|r| !is_known(r)).map(String::as_str).collect();
        let here = d.records.len().saturating_sub(strange.len());
        let strange = strange.join(", ");
        let message = match d.kind {
            DecisionKind::Pin if d.records.len() < 2 => {
                "a pin says which records belong together: it names one only".to_owned()
            }
            DecisionKind::Pin if here < 2 => {
                format!("a pin needs two records, and none here is called {strange}")
            }
            DecisionKind::Accept if !strange.is_empty() => {
                format!("nothing is accepted: no record here is called {strange}")
            }
            DecisionKind::Veto if here == 0 => {
                format!("nothing is vetoed: no record here is called {strange}")
            }
            DecisionKind::Accept if !differences.iter().any(|x| accepts(d, x)) => {
                match drifted(d, differences) {
                    Some(message) => message,
                    None => continue,
                }
            }
            DecisionKind::Pin => match against.iter().find(|(pin, _)| *pin == d.records.as_slice()) {
                Some((_, message)) => message.clone(),
                None => continue,
            },
            _ => continue,
        };
        out.push(RowError { file: d.origin.file.to_string(), row: d.origin.row, message });
    }
    out
}

/// An accept whose records have a difference, and of another amount or currency: what was accepted is not what is here now.
fn drifted(d: &Decision, differences: &[Difference]) -> Option<String> {
    if d.amount.is_none() && d.currency.is_none() {
        return None;
    }
    let any = Decision { amount: None, currency: None, ..d.clone() };
    let near: Vec<String> =
        differences.iter().filter(|x| accepts(&any, x)).map(|x| x.amount.to_string()).collect();
    let said: Vec<String> =
        d.amount.map(|a| a.to_string()).into_iter().chain(d.currency.map(|c| c.to_string())).collect();
    (!near.is_empty()).then(|| {
        format!(
            "nothing is accepted: the difference of {} is {}, and the decision is about {}",
            d.records.join(", "),
            near.join(" and "),
            said.join(" ")
        )
    })
}

/// Pins that another decision contradicts: one of the two does nothing, and which nobody says.
fn contradictions(facts: &Facts) -> Vec<(&[String], String)> {
    let mut out: Vec<(&[String], String)> = Vec::new();
    let of = |kind| facts.decisions.iter().filter(move |d| d.kind == kind);
    for p in of(DecisionKind::Pin) {
        let within = |v: &&Decision| v.records.len() > 1 && v.records.iter().all(|r| p.records.contains(r));
        if let Some(v) = of(DecisionKind::Veto).find(within) {
            let what = v.records.join(" and ");
            let why = format!(
                "a pin says that {what} belong together, a veto that they do not: remove one of them"
            );
            out.push((&p.records, why));
        }
    }
    let orders: BTreeSet<&str> = facts.orders.iter().map(|o| o.id.as_str()).collect();
    let rows: BTreeSet<&str> = facts.transactions.iter().map(|t| t.id.as_str()).collect();
    let mut pins: Vec<&Decision> = of(DecisionKind::Pin).collect();
    pins.sort_by(|a, b| a.records.cmp(&b.records));
    let mut of_row: BTreeMap<&str, &str> = BTreeMap::new();
    for p in pins {
        let named = |all: &BTreeSet<&str>| -> Vec<&str> {
            p.records.iter().map(String::as_str).filter(|r| all.contains(r)).collect()
        };
        for row in named(&rows) {
            for order in named(&orders).into_iter().filter(|o| *o != row) {
                let had = *of_row.entry(row).or_insert(order);
                if had != order {
                    let why = format!(
                        "row {row} is pinned to order {had} and to order {order}: it is of one, remove the other pin"
                    );
                    out.push((&p.records, why));
                }
            }
        }
    }
    out
}
