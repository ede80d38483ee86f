//! Documents to which no bank line of their own is due: they send nothing, payouts send their money, or a later statement does.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::recon::Event;
use crate::recon::bank::{Document, Work};
use crate::recon::foot::{PayoutState, StatementState};

pub(super) fn run(w: &Work<'_>, statements: &mut [StatementState], payouts: &mut [PayoutState]) {
    for p in payouts.iter_mut().filter(|p| p.amount.is_zero() && p.foots && !p.void && !p.failed) {
        p.state = "Reconciled";
        p.timeline = nothing_due(p.arrival.or(p.last_member));
    }
    let sends: BTreeSet<usize> = w
        .items
        .iter()
        .filter_map(|i| match i.document {
            Some(Document::Statement(s)) => Some(s),
            _ => None,
        })
        .collect();
    for (i, s) in statements.iter_mut().enumerate().filter(|(_, s)| !s.refused && !s.failed) {
        if s.paid_by_payout {
            with_its_payouts(s, payouts);
        } else if s.foots && s.total.is_zero() {
            s.state = "Reconciled";
            s.timeline = nothing_due(s.end);
        } else if s.foots && !sends.contains(&i) {
            // A balance, which stays with the provider.
            s.state = "Settled";
        }
    }
    for (i, state) in carried(statements) {
        if let Some(s) = statements.get_mut(i) {
            s.state = state;
        }
    }
}

/// The history of a document of zero: expected and there on one day.
fn nothing_due(day: Option<Date>) -> Vec<Event> {
    day.into_iter()
        .flat_map(|d| ["Expected", "Reconciled"].map(|state| Event { at: d.to_string(), state }))
        .collect()
}

/// A statement that payouts pay stands where these stand: those that name it, else those that are rows of it, where they take
/// everything that it made.
fn with_its_payouts(s: &mut StatementState, payouts: &[PayoutState]) {
    let of = |p: &&PayoutState| p.provider == s.provider && p.account == s.account;
    let mut mine: Vec<&PayoutState> = payouts
        .iter()
        .filter(of)
        .filter(|p| p.group.as_deref() == Some(s.id.as_str()) || p.id == s.id)
        .collect();
    if mine.is_empty() {
        let listed = |p: &&PayoutState| {
            p.listed_in.as_deref() == Some(s.id.as_str()) && p.amount.currency() == s.total.currency()
        };
        mine = payouts.iter().filter(of).filter(listed).collect();
        let out = mine.iter().fold(0_i64, |sum, p| sum.saturating_add(p.amount.minor()));
        let made = s.activity.minor().saturating_add(s.reserve_before.minor());
        if s.stays || out != made.saturating_sub(s.reserve_after.minor()) {
            mine.clear();
        }
    }
    let arrived = !mine.is_empty() && mine.iter().all(|p| p.state == "Reconciled");
    s.bank = mine.iter().flat_map(|p| p.bank.iter().cloned()).collect();
    s.arrived = mine.iter().filter_map(|p| p.arrived).max();
    s.state = if arrived && s.foots { "Reconciled" } else { "Settled" };
}

/// The states of statements that were carried into later ones: each is where the last one of its chain is.
fn carried(statements: &[StatementState]) -> Vec<(usize, &'static str)> {
    statements
        .iter()
        .enumerate()
        .filter(|(_, s)| !s.refused && !s.failed && s.foots && s.carried_into.is_some())
        .filter_map(|(i, s)| {
            let mut next = s;
            // No chain is longer than all of them: one that runs in a circle ends too.
            let mut left = statements.len();
            while let Some(into) = next.carried_into.as_deref().filter(|_| left > 0) {
                next = statements.iter().find(|x| {
                    x.id == into
                        && x.provider == s.provider
                        && x.account == s.account
                        && x.total.currency() == s.total.currency()
                })?;
                left -= 1;
            }
            Some((i, if next.state == "Reconciled" { "Reconciled" } else { "Settled" }))
        })
        .collect()
}
