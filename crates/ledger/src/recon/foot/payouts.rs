//! Payouts against their members, and those that only rows tell of.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{Currency, Money};

use super::members::Strangers;
use super::statement::{cause, total_of};
use super::{Doc, PayoutState, StatementState, failed, void};
use crate::facts::Provider;
use crate::import::Class;
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

/// Rows that name what the parts of a split payout share: together they are the parts of their currency.
fn split(
    doc: &Doc,
    legs: &[usize],
    members: &[&Row],
    sum: i64,
    any: bool,
    out: &mut [PayoutState],
    found: &mut Found,
) {
    let last = members.iter().map(|r| r.tx.occurred.day()).max();
    let sent = legs.iter().filter_map(|i| out.get(*i)).fold(0_i64, |s, p| s.saturating_add(p.amount.minor()));
    let off = sent.saturating_sub(sum);
    let mut evidence = Vec::new();
    for i in legs {
        let Some(p) = out.get_mut(*i) else { continue };
        p.last_member = last.max(p.last_member);
        p.foots = p.foots && (!any || off == 0);
        evidence.push((format!("sent as {}", p.id), p.amount.minor()));
    }
    if !any || off == 0 {
        return;
    }
    let mut records: Vec<String> =
        legs.iter().filter_map(|i| out.get(*i)).map(|p| p.id.clone()).chain([doc.2.clone()]).collect();
    if members.len() <= 50 {
        records.extend(members.iter().map(|r| r.tx.id.clone()));
    }
    evidence.push(("sum of the rows".to_owned(), sum.saturating_neg()));
    found.note(
        Reason::NotFooting,
        Money::from_minor(off, doc.3),
        records,
        format!(
            "payouts of {}: its rows sum to {}, {} was paid in {} parts. Likeliest cause: {}.",
            doc.2,
            Money::from_minor(sum, doc.3),
            Money::from_minor(sent, doc.3),
            legs.len(),
            cause(off, sum, sent, members.iter().copied())
        ),
        evidence,
        off,
    );
}

/// Payouts that no row names, in an account whose rows name payouts: what they took beyond the rows that no payout has, nobody can say.
fn bare(out: &mut [PayoutState], rows: &[Row], statements: &[StatementState], found: &mut Found) {
    type Purse = (Provider, String, Currency);
    let of = |p: &PayoutState| -> Purse { (p.provider, p.account.clone(), p.amount.currency()) };
    let mut purses: BTreeMap<Purse, (Vec<usize>, i64)> = BTreeMap::new();
    let named: BTreeSet<Purse> = out.iter().filter(|p| p.sum.is_some()).map(of).collect();
    for (i, p) in out.iter().enumerate().filter(|(_, p)| !p.void && !p.failed && named.contains(&of(p))) {
        let slot = purses.entry(of(p)).or_default();
        slot.1 = slot.1.saturating_add(p.amount.minor());
        if p.sum.is_none() && p.amount.is_positive() && p.group.is_none() {
            slot.0.push(i);
        }
    }
    for ((provider, account, c), (bare, sent)) in purses {
        // Settlements send too: what they take of the rows is theirs.
        let settles = statements.iter().any(|s| s.provider == provider && s.account == account);
        if bare.is_empty() || settles {
            continue;
        }
        let mine = rows.iter().filter(|r| {
            r.posts() && r.tx.provider == provider && r.tx.account == account && r.net.currency() == c
        });
        let made = total_of(mine, |r| !r.is(Class::Payout));
        let short = sent.saturating_sub(made);
        let took =
            bare.iter().filter_map(|i| out.get(*i)).fold(0_i64, |s, p| s.saturating_add(p.amount.minor()));
        let off = short.min(took);
        if off <= 0 {
            continue;
        }
        let mut evidence = Vec::new();
        for i in &bare {
            let Some(p) = out.get_mut(*i) else { continue };
            p.foots = false;
            p.sum = Some(Money::zero(c));
            evidence.push((format!("sent as {}", p.id), p.amount.minor()));
        }
        evidence.push(("rows that no other payout has".to_owned(), off.saturating_sub(took)));
        let ids: Vec<String> = bare.iter().filter_map(|i| out.get(*i)).map(|p| p.id.clone()).collect();
        found.note(
            Reason::NotFooting,
            Money::from_minor(off, c),
            ids.clone(),
            format!(
                "payout {}: {} was paid, no row names it, and the rows that no other payout has make {}. Likeliest cause: missing rows.",
                ids.join(", "),
                Money::from_minor(took, c),
                Money::from_minor(took.saturating_sub(off), c)
            ),
            evidence,
            off,
        );
    }
}

pub(super) fn run(
    clean: &Clean,
    paid: &BTreeMap<Doc, Vec<usize>>,
    rows: &[Row],
    statements: &[StatementState],
    strangers: &Strangers,
    found: &mut Found,
) -> Vec<PayoutState> {
    let mut out: Vec<PayoutState> = Vec::new();
    for (p, history) in &clean.payouts {
        out.push(PayoutState {
            id: p.id.clone(),
            provider: p.provider,
            account: p.account.clone(),
            amount: p.amount,
            sum: None,
            foots: true,
            history: history.clone(),
            state: "Expected",
            timeline: Vec::new(),
            bank: Vec::new(),
            arrived: None,
            converted: p.converted,
            arrival: p.arrival,
            trace: p.trace.clone(),
            group: p.group.clone(),
            listed_in: None,
            failed: failed(&p.status),
            void: void(&p.status),
            booked_by_row: false,
            returned_by_row: false,
            last_member: None,
        });
    }
    // Payouts that only rows name: as members, or as the transfer itself.
    let known: BTreeSet<(Provider, String, String)> =
        out.iter().map(|p| (p.provider, p.account.clone(), p.id.clone())).collect();
    let blank = |r: &Row, id: String, amount: Money| PayoutState {
        id,
        provider: r.tx.provider,
        account: r.tx.account.clone(),
        amount,
        sum: None,
        foots: true,
        history: Vec::new(),
        state: "Expected",
        timeline: Vec::new(),
        bank: Vec::new(),
        arrived: None,
        converted: None,
        arrival: None,
        trace: r.tx.source.clone().or(r.tx.refers_to.clone()),
        group: None,
        listed_in: None,
        failed: false,
        void: false,
        booked_by_row: false,
        returned_by_row: false,
        last_member: None,
    };
    let of_statements: BTreeSet<(Provider, &str, &str)> =
        statements.iter().map(|s| (s.provider, s.account.as_str(), s.id.as_str())).collect();
    let mut at: BTreeMap<Doc, usize> = BTreeMap::new();
    let doc = |p: &PayoutState| (p.provider, p.account.clone(), p.id.clone(), p.amount.currency());
    for (i, p) in out.iter().enumerate() {
        at.insert(doc(p), i);
    }
    // Parts of a split payout, by the reference that they share.
    let mut parts: BTreeMap<Doc, Vec<usize>> = BTreeMap::new();
    for (i, p) in out.iter().enumerate().filter(|(_, p)| !p.void) {
        if let Some(group) = p.group.clone() {
            parts.entry((p.provider, p.account.clone(), group, p.amount.currency())).or_default().push(i);
        }
    }
    for (doc, list) in paid {
        let members: Vec<&Row> =
            list.iter().filter_map(|i| rows.get(*i)).filter(|r| !r.dropped && !r.refused).collect();
        // A transfer that came back is part of the next payout: its row is about another payout than the one that carries it.
        let back = |r: &Row| {
            [&r.tx.source, &r.tx.refers_to]
                .into_iter()
                .flatten()
                .any(|id| *id != doc.2 && known.contains(&(r.tx.provider, r.tx.account.clone(), id.clone())))
        };
        let counts = |r: &Row| !r.is(Class::Payout) || back(r);
        let sum = total_of(members.iter().copied(), counts);
        let any = members.iter().any(|r| counts(r));
        let statement = of_statements.contains(&(doc.0, doc.1.as_str(), doc.2.as_str()));
        let own = known.contains(&(doc.0, doc.1.clone(), doc.2.clone()));
        if let Some(legs) = parts.get(doc).filter(|_| !own && !statement) {
            split(doc, legs, &members, sum, any, &mut out, found);
            continue;
        }
        if !own
            && !statement
            && let Some(first) = members.first()
        {
            let row = members.iter().find(|r| r.is(Class::Payout) && r.net.is_negative());
            let amount = row.map_or(sum, |r| r.net.minor().saturating_neg());
            at.insert(doc.clone(), out.len());
            out.push(blank(first, doc.2.clone(), Money::from_minor(amount, doc.3)));
        }
        let Some(p) = at.get(doc).and_then(|i| out.get_mut(*i)) else { continue };
        p.last_member = members.iter().map(|r| r.tx.occurred.day()).max();
        if any {
            p.sum = Some(Money::from_minor(sum, doc.3));
            p.foots = sum == p.amount.minor();
            if !p.foots {
                let off = p.amount.minor().saturating_sub(sum);
                let mut records = vec![p.id.clone()];
                if members.len() <= 50 {
                    records.extend(members.iter().map(|r| r.tx.id.clone()));
                }
                found.note(
                    Reason::NotFooting,
                    Money::from_minor(off, doc.3),
                    records,
                    format!(
                        "payout {}: its rows sum to {}, {} was paid. Likeliest cause: {}.",
                        p.id,
                        Money::from_minor(sum, doc.3),
                        p.amount,
                        cause(off, sum, p.amount.minor(), members.iter().copied())
                    ),
                    vec![
                        ("payout".to_owned(), p.amount.minor()),
                        ("sum of the rows".to_owned(), sum.saturating_neg()),
                    ],
                    off,
                );
            }
        }
    }
    // Rows name it, and none of them is in its currency: nothing makes its sum.
    for p in out.iter_mut().filter(|p| {
        p.sum.is_none()
            && !p.amount.is_zero()
            && strangers.payouts.contains(&(p.provider, p.account.clone(), p.id.clone()))
    }) {
        let c = p.amount.currency();
        p.sum = Some(Money::zero(c));
        p.foots = false;
        found.note(
            Reason::NotFooting,
            p.amount,
            vec![p.id.clone()],
            format!("payout {}: {} was paid, and none of its rows is in {c}", p.id, p.amount),
            vec![("payout".to_owned(), p.amount.minor()), (format!("sum of the rows in {c}"), 0)],
            p.amount.minor(),
        );
    }
    let mut by_id: BTreeMap<(Provider, String, String), Vec<usize>> = BTreeMap::new();
    for (i, p) in out.iter().enumerate() {
        by_id.entry((p.provider, p.account.clone(), p.id.clone())).or_default().push(i);
    }
    for r in rows.iter().filter(|r| r.posts() && r.is(Class::Payout)) {
        // What it is about comes before what carries it.
        let names = [
            r.tx.source.as_deref(),
            r.tx.refers_to.as_deref(),
            r.tx.payout.as_deref(),
            Some(r.tx.id.as_str()),
        ];
        let key = |id: &str| (r.tx.provider, r.tx.account.clone(), id.to_owned());
        // Of one id in several currencies, the row's own; or the one that the provider converted into it.
        let own = |i: &usize| out.get(*i).is_some_and(|p| p.amount.currency() == r.net.currency());
        let into = |i: &usize| {
            out.get(*i).is_some_and(|p| p.converted.is_some_and(|m| m.currency() == r.net.currency()))
        };
        let mut foreign: Option<usize> = None;
        let hit = names.into_iter().flatten().find_map(|id| {
            let all = by_id.get(&key(id))?;
            let hit = all.iter().find(|i| own(i)).or(all.iter().find(|i| into(i))).copied();
            // What the row names as its payout is told with the members.
            if hit.is_none() && r.tx.payout.as_deref() != Some(id) {
                foreign = foreign.or(all.first().copied());
            }
            hit
        });
        if let (None, Some(p)) = (hit, foreign.and_then(|i| out.get(i))) {
            found.note(
                Reason::CurrencyMismatch,
                r.net,
                vec![p.id.clone(), r.tx.id.clone()],
                format!(
                    "payout {} was sent as {}, row {} books {} for it: no rate of the provider links them",
                    p.id, p.amount, r.tx.id, r.net
                ),
                vec![(format!("moved by row {}", r.tx.id), r.net.minor())],
                r.net.minor(),
            );
        }
        match hit.and_then(|i| out.get_mut(i)) {
            Some(p) if r.net.minor().signum() == p.amount.minor().signum() => {
                p.returned_by_row = true;
                p.failed = true;
            }
            Some(p) => {
                p.booked_by_row = true;
                p.listed_in = p.listed_in.take().or(r.tx.statement.clone());
            }
            None if r.net.is_negative() => {
                let mut p = blank(r, r.tx.id.clone(), r.net.negated());
                p.booked_by_row = true;
                p.listed_in.clone_from(&r.tx.statement);
                p.last_member = Some(r.tx.occurred.day());
                by_id.entry(key(&r.tx.id)).or_default().push(out.len());
                out.push(p);
            }
            None => {}
        }
    }
    bare(&mut out, rows, statements, found);
    for p in &mut out {
        if p.void {
            p.state = "Void";
        } else if p.failed {
            p.state = "Returned";
            found.add(
                Reason::PayoutReturned,
                p.amount,
                vec![p.id.clone()],
                format!("payout {} came back: {}", p.id, p.history.join(" → ")),
                vec![(format!("sent as {}", p.id), p.amount.minor())],
            );
        }
    }
    out.sort_by(|a, b| (a.provider, &a.account, &a.id).cmp(&(b.provider, &b.account, &b.id)));
    out
}
