//! One fact per key.
//!
//! The same row in two documents is one row (overlapping polls); equal rows *within* one document are counted, because two equal
//! fees can be real: documents are compared as multisets. Same key with other content is a `CONFLICT`, and the version that
//! arrived first is kept. Arrival is the order of file names; within one file, where no order means anything, the version that
//! sorts first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::Money;

use super::{Found, Reason};
use crate::facts::{
    BankLine, CarrierInvoice, Decision, Facts, Invoice, Order, Origin, Payout, Provider, Refund, Statement,
    Transaction,
};

/// Facts with one version each, in the order of their keys.
#[derive(Debug, Default)]
pub struct Clean {
    /// Orders.
    pub orders: Vec<Order>,
    /// Refunds asked for.
    pub refunds: Vec<Refund>,
    /// Invoices.
    pub invoices: Vec<Invoice>,
    /// Rows with the number of the copy (0 for the first) within their document.
    pub transactions: Vec<(Transaction, usize)>,
    /// Statements, and whether another version was refused.
    pub statements: Vec<(Statement, bool)>,
    /// Payouts: the statuses in their order, and the last version.
    pub payouts: Vec<(Payout, Vec<String>)>,
    /// Bank lines.
    pub bank: Vec<BankLine>,
    /// Carrier invoices.
    pub carrier: Vec<CarrierInvoice>,
    /// Decisions.
    pub decisions: Vec<Decision>,
}

/// Providers whose documents repeat rows that are equal in everything: no row of theirs has an id of its own.
#[must_use]
pub fn repeats(p: Provider) -> bool {
    matches!(p, Provider::Amazon | Provider::Adyen)
}

fn key(t: &Transaction) -> (Provider, String, String, String, bool) {
    let kind = match t.provider {
        Provider::Stripe | Provider::Shopify => String::new(),
        _ => format!("{}\0{}\0{}", t.kind, t.event_code.as_deref().unwrap_or_default(), t.amount.currency()),
    };
    // PayPal repeats ids; two rows of one id differ in event or sign (paypal.md §5).
    let sign = t.provider == Provider::Paypal && t.amount.is_negative();
    (t.provider, t.account.clone(), t.id.clone(), kind, sign)
}

/// What must not change in a row. Where it is (payout, statement) may: membership moves until a payout is paid.
fn content(t: &Transaction) -> String {
    format!(
        "{}|{:?}|{:?}|{:?}|{:?}|{}|{:?}|{:?}",
        t.kind, t.event_code, t.amount, t.fee, t.net, t.occurred.at, t.rate, t.components
    )
}

/// Takes one version per key; `same` tells equal content, `diff` the amount of a conflict, `merge` what a later equal version adds.
fn unique<T: Clone, K: Ord>(
    items: &[T],
    key: impl Fn(&T) -> K,
    content: impl Fn(&T) -> String,
    origin: impl Fn(&T) -> &Origin,
    what: &str,
    id: impl Fn(&T) -> String,
    amount: impl Fn(&T) -> Money,
    merge: impl Fn(&mut T, &T),
    found: &mut Found,
) -> Vec<(T, bool)> {
    let mut by: BTreeMap<K, Vec<(u32, String, &T)>> = BTreeMap::new();
    for t in items {
        by.entry(key(t)).or_default().push((origin(t).arrival, content(t), t));
    }
    let mut out = Vec::new();
    for mut versions in by.into_values() {
        versions.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let Some((_, first, kept)) = versions.first().cloned() else { continue };
        let mut value = kept.clone();
        let mut told = BTreeSet::new();
        for (_, text, other) in versions.iter().skip(1) {
            if *text == first {
                merge(&mut value, other);
            } else if told.insert(text.clone()) {
                let (old, new) = (amount(kept), amount(other));
                let delta = new.try_sub(old).unwrap_or(new);
                found.add(
                    Reason::Conflict,
                    delta,
                    vec![id(kept)],
                    format!(
                        "{what} {} stands with {old} in {} and with {new} in {}: the first version is kept",
                        id(kept),
                        origin(kept).file,
                        origin(other).file,
                    ),
                    vec![
                        ("second version".to_owned(), delta.minor().saturating_add(old.minor())),
                        ("first version".to_owned(), old.minor().saturating_neg()),
                    ],
                );
            }
        }
        out.push((value, !told.is_empty()));
    }
    out
}

pub(super) fn run(facts: &Facts, as_of: Date, found: &mut Found) -> Clean {
    let mut clean = Clean::default();
    let first = |v: Vec<_>| v.into_iter().map(|(t, _)| t).collect::<Vec<_>>();
    clean.orders = first(unique(
        &facts.orders,
        |o| (o.account.clone(), o.id.clone()),
        |o| format!("{:?}|{}|{:?}|{:?}", o.total, o.placed.at, o.collected_duties, o.reference),
        |o| &o.origin,
        "order",
        |o| o.id.clone(),
        |o| o.total,
        |o, later| {
            o.paid = later.paid.clone().or(o.paid.take());
            o.payment_state = later.payment_state.clone().or(o.payment_state.take());
            o.tracking = later.tracking.clone().or(o.tracking.take());
            o.quoted = later.quoted.or(o.quoted);
        },
        found,
    ));
    clean.refunds = unique(
        &facts.refunds,
        |r| r.id.clone(),
        |r| format!("{}|{:?}", r.order, r.amount),
        |r| &r.origin,
        "refund",
        |r| r.id.clone(),
        |r| r.amount,
        |_, _| {},
        found,
    )
    .into_iter()
    .map(|(t, _)| t)
    .collect();
    clean.invoices = unique(
        &facts.invoices,
        |r| r.id.clone(),
        |r| format!("{:?}|{:?}", r.orders, r.gross),
        |r| &r.origin,
        "invoice",
        |r| r.id.clone(),
        |r| r.gross,
        |_, _| {},
        found,
    )
    .into_iter()
    .map(|(t, _)| t)
    .collect();
    clean.bank = unique(
        &facts.bank,
        |b| (b.account.clone(), b.id.clone()),
        |b| format!("{:?}|{}|{:?}", b.amount, b.date, b.text),
        |b| &b.origin,
        "bank line",
        |b| b.id.clone(),
        |b| b.amount,
        |_, _| {},
        found,
    )
    .into_iter()
    .map(|(t, _)| t)
    .collect();
    clean.carrier = unique(
        &facts.carrier,
        |c| c.id.clone(),
        |c| format!("{}|{:?}|{:?}|{:?}", c.tracking, c.duty, c.vat, c.fee),
        |c| &c.origin,
        "carrier invoice",
        |c| c.id.clone(),
        |c| c.total,
        |_, _| {},
        found,
    )
    .into_iter()
    .map(|(t, _)| t)
    .collect();
    clean.statements = unique(
        &facts.statements,
        |s| (s.provider, s.account.clone(), s.id.clone(), s.currency),
        |s| format!("{:?}|{:?}|{:?}", s.total, s.opening, s.closing),
        |s| &s.origin,
        "statement",
        |s| s.id.clone(),
        |s| s.total.or(s.closing).unwrap_or(Money::zero(s.currency)),
        |s, later| {
            s.converted = later.converted.or(s.converted);
            s.trace = later.trace.clone().or(s.trace.take());
            s.transfer_status = later.transfer_status.clone().or(s.transfer_status.take());
            s.deposit = later.deposit.or(s.deposit);
        },
        found,
    );
    payouts(facts, found, &mut clean);
    transactions(facts, found, &mut clean);
    clean.decisions = facts.decisions.clone();
    clean.decisions.sort_by(|a, b| (a.kind, &a.records).cmp(&(b.kind, &b.records)));
    // A report of a day knows nothing that happened after it.
    clean.orders.retain(|o| o.placed.day() <= as_of);
    clean.bank.retain(|b| b.date <= as_of);
    clean.transactions.retain(|(t, _)| t.occurred.day() <= as_of);
    clean.refunds.retain(|r| r.requested.day() <= as_of);
    clean
}

/// How far along a status is: history is told in this order where files do not tell it.
fn rank(status: &str) -> u8 {
    let s = status.to_ascii_lowercase();
    if super::foot::failed(&s) {
        4
    } else if s.contains("paid") || s.contains("succeed") || s.contains("complete") {
        3
    } else if s.contains("transit") || s.contains("initiated") {
        2
    } else {
        1
    }
}

fn payouts(facts: &Facts, found: &mut Found, clean: &mut Clean) {
    let mut by: BTreeMap<(Provider, String, String), Vec<&Payout>> = BTreeMap::new();
    for p in &facts.payouts {
        by.entry((p.provider, p.account.clone(), p.id.clone())).or_default().push(p);
    }
    for mut versions in by.into_values() {
        versions.sort_by_key(|p| {
            (p.origin.arrival, rank(&p.status), p.status.clone(), format!("{:?}{:?}", p.amount, p.converted))
        });
        let Some(first) = versions.first() else { continue };
        let mut last = (*first).clone();
        let mut history: Vec<String> = Vec::new();
        for v in &versions {
            if v.amount != first.amount {
                let delta = v.amount.try_sub(first.amount).unwrap_or(v.amount);
                found.add(
                    Reason::Conflict,
                    delta,
                    vec![first.id.clone()],
                    format!(
                        "payout {} stands with {} in {} and with {} in {}: the first version is kept",
                        first.id, first.amount, first.origin.file, v.amount, v.origin.file
                    ),
                    Vec::new(),
                );
                continue;
            }
            if history.last() != Some(&v.status) {
                history.push(v.status.clone());
            }
            last.status = v.status.clone();
            last.arrival = v.arrival.or(last.arrival);
            last.converted = v.converted.or(last.converted);
            last.group = v.group.clone().or(last.group);
            last.trace = v.trace.clone().or(last.trace);
        }
        clean.payouts.push((last, history));
    }
}

fn transactions(facts: &Facts, found: &mut Found, clean: &mut Clean) {
    let mut by: BTreeMap<_, Vec<(u32, String, &Transaction)>> = BTreeMap::new();
    for t in &facts.transactions {
        by.entry(key(t)).or_default().push((t.origin.arrival, content(t), t));
    }
    for mut versions in by.into_values() {
        if versions.len() > 1 {
            versions.sort_by(|a, b| {
                (a.0, &a.1, &a.2.payout, &a.2.statement).cmp(&(b.0, &b.1, &b.2.payout, &b.2.statement))
            });
        }
        let Some((_, first, kept)) = versions.first().cloned() else { continue };
        let mut value = kept.clone();
        let mut copies: BTreeMap<u32, usize> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for (arrival, text, other) in &versions {
            if *text == first {
                *copies.entry(*arrival).or_insert(0) += 1;
                value.payout = other.payout.clone().or(value.payout.take());
                value.statement = other.statement.clone().or(value.statement.take());
                value.order = other.order.clone().or(value.order.take());
                value.refers_to = other.refers_to.clone().or(value.refers_to.take());
                value.affects = value.affects || other.affects;
            } else if told.insert(text.clone()) {
                let (old, new) = (kept.net_or_computed(), other.net_or_computed());
                let delta = new.try_sub(old).unwrap_or(new);
                found.add(
                    Reason::Conflict,
                    delta,
                    vec![kept.id.clone()],
                    format!("row {} of {} stands with {old} in {} and with {new} in {}: the first version is kept", kept.id, kept.provider, kept.origin.file, other.origin.file),
                    vec![("second version".to_owned(), delta.minor().saturating_add(old.minor())), ("first version".to_owned(), old.minor().saturating_neg())],
                );
            }
        }
        let n = copies.values().copied().max().unwrap_or(1);
        for copy in 1..n {
            let mut extra = value.clone();
            extra.id = format!("{}#{}", value.id, copy + 1);
            clean.transactions.push((extra, copy));
        }
        clean.transactions.push((value, 0));
    }
    clean.transactions.sort_by(|(a, i), (b, j)| {
        (a.provider, &a.account, &a.id, &a.kind, &a.event_code, a.amount.minor(), i).cmp(&(
            b.provider,
            &b.account,
            &b.id,
            &b.kind,
            &b.event_code,
            b.amount.minor(),
            j,
        ))
    });
}
