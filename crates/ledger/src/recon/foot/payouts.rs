//! Payouts against their members, and those that only rows tell of.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::Money;

use super::statement::{cause, total_of};
use super::{Doc, PayoutState, StatementState, failed, void};
use crate::facts::Provider;
use crate::import::Class;
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

pub(super) fn run(
    clean: &Clean,
    paid: &BTreeMap<Doc, Vec<usize>>,
    rows: &[Row],
    statements: &[StatementState],
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
    for (doc, list) in paid {
        let members: Vec<&Row> =
            list.iter().filter_map(|i| rows.get(*i)).filter(|r| !r.dropped && !r.refused).collect();
        let sum = total_of(members.iter().copied(), |r| !r.is(Class::Payout));
        let any = members.iter().any(|r| !r.is(Class::Payout));
        let statement = of_statements.contains(&(doc.0, doc.1.as_str(), doc.2.as_str()));
        if !known.contains(&(doc.0, doc.1.clone(), doc.2.clone()))
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
    let mut by_id: BTreeMap<(Provider, String, String), Vec<usize>> = BTreeMap::new();
    for (i, p) in out.iter().enumerate() {
        by_id.entry((p.provider, p.account.clone(), p.id.clone())).or_default().push(i);
    }
    for r in rows.iter().filter(|r| r.posts() && r.is(Class::Payout)) {
        let names = [
            r.tx.payout.as_deref(),
            r.tx.source.as_deref(),
            r.tx.refers_to.as_deref(),
            Some(r.tx.id.as_str()),
        ];
        let key = |id: &str| (r.tx.provider, r.tx.account.clone(), id.to_owned());
        // Of one id in several currencies, the row's own.
        let own = |i: &&usize| out.get(**i).is_some_and(|p| p.amount.currency() == r.net.currency());
        let hit = names.into_iter().flatten().find_map(|id| {
            let all = by_id.get(&key(id))?;
            all.iter().find(own).or(all.first()).copied()
        });
        match hit.and_then(|i| out.get_mut(i)) {
            Some(p) if r.net.minor().signum() == p.amount.minor().signum() => {
                p.returned_by_row = true;
                p.failed = true;
            }
            Some(p) => p.booked_by_row = true,
            None if r.net.is_negative() => {
                let mut p = blank(r, r.tx.id.clone(), r.net.negated());
                p.booked_by_row = true;
                p.last_member = Some(r.tx.occurred.day());
                by_id.entry(key(&r.tx.id)).or_default().push(out.len());
                out.push(p);
            }
            None => {}
        }
    }
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
