//! Replaying the evidence: the numbers of a difference are looked up again in the facts that it names.

use std::collections::BTreeSet;

use serde_json::json;
use tradewind_domain::Money;
use tradewind_ledger::facts::Facts;
use tradewind_ledger::recon::{Difference, Outcome};

use super::{World, charge, order};

/// Every amount that a record of this id states, in minor units without sign. Ids of repeated rows end in `#n`.
fn amounts(facts: &Facts, o: &Outcome, record: &str) -> BTreeSet<u64> {
    let id = record.split('#').next().unwrap_or(record);
    let mut all: Vec<Money> = Vec::new();
    for x in facts.orders.iter().filter(|x| x.id == id) {
        all.extend([Some(x.total), x.collected_duties].into_iter().flatten());
        all.extend(x.quoted.iter().map(|q| q.duty.try_add(q.vat).unwrap()));
    }
    all.extend(facts.refunds.iter().filter(|x| x.id == id).map(|x| x.amount));
    all.extend(facts.invoices.iter().filter(|x| x.id == id).map(|x| x.gross));
    for t in facts.transactions.iter().filter(|x| x.id == id) {
        all.extend([Some(t.amount), t.fee, t.net].into_iter().flatten());
        all.extend(t.components.iter().map(|(_, m)| *m));
        // A payment of several parts: goods, shipping and tax together.
        all.extend(o.rows.iter().filter(|r| r.tx.id == id).flat_map(|r| [Some(r.net), r.sale()]).flatten());
    }
    for s in facts.statements.iter().filter(|x| x.id == id) {
        all.extend([s.total, s.opening, s.closing].into_iter().flatten());
        // The reserve is a part of a row of the statement.
        let of = facts.transactions.iter().filter(|t| t.statement.as_deref() == Some(id));
        all.extend(of.flat_map(|t| t.components.iter().map(|(_, m)| *m).chain([t.amount])));
    }
    for p in facts.payouts.iter().filter(|x| x.id == id) {
        all.extend([Some(p.amount), p.converted].into_iter().flatten());
    }
    for s in facts.statements.iter().filter(|x| x.id == id) {
        all.extend(s.converted);
    }
    all.extend(facts.bank.iter().filter(|x| x.id == id).map(|x| x.amount));
    for c in facts.carrier.iter().filter(|x| x.id == id) {
        all.extend([c.duty, c.vat, c.fee, c.total]);
    }
    all.into_iter().map(|m| m.minor().unsigned_abs()).collect()
}

/// The evidence of one difference against the facts: a lone number is one that a named record states (two numbers that disagree
/// prove themselves by their difference).
fn one(facts: &Facts, o: &Outcome, d: &Difference) -> Result<(), String> {
    let sum: i64 = d.evidence.iter().map(|(_, m)| *m).sum();
    if sum != d.amount.minor() {
        return Err(format!("{sum} is not the amount of {d:?}"));
    }
    let stated: BTreeSet<u64> = d.records.iter().flat_map(|r| amounts(facts, o, r)).collect();
    match d.evidence.as_slice() {
        [] => Err(format!("no evidence: {d:?}")),
        // Payouts and transfers that only rows tell of are sums of rows.
        [(what, m)] if !stated.contains(&m.unsigned_abs()) && !what.starts_with("sent as ") => {
            Err(format!("{what} {m} stands in none of the records of {d:?}: {stated:?}"))
        }
        _ => Ok(()),
    }
}

pub(super) fn all(facts: &Facts, o: &Outcome) {
    for d in &o.differences {
        one(facts, o, d).unwrap();
    }
}

#[test]
fn evidence_that_is_not_true_does_not_pass() {
    let w = World::new()
        .file(
            "orders",
            &[order("o", "2026-02-01", "EUR", "60.00"), order("late", "2026-01-01", "EUR", "9.00")],
        )
        .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "59.00", "0.00")]);
    let facts = w.facts.clone();
    let a = w.run();
    let o = &a.outcome;
    let find = |code: &str| o.differences.iter().find(|d| d.reason.code() == code).unwrap().clone();
    // Two numbers: 59.00 paid, 60.00 due. One number: 9.00 is what the order states.
    for code in ["AMOUNT_MISMATCH", "OURS_ONLY"] {
        let honest = find(code);
        assert_eq!(one(&facts, o, &honest), Ok(()));
        // The sum is not the amount.
        let mut lie = honest.clone();
        lie.evidence[0].1 += 1;
        assert!(one(&facts, o, &lie).is_err(), "{lie:?}");
        lie.evidence.clear();
        assert!(one(&facts, o, &lie).is_err(), "{lie:?}");
    }
    // Amount and evidence repeat each other and no record says so.
    let mut lie = find("OURS_ONLY");
    lie.amount = Money::from_minor(901, lie.amount.currency());
    lie.evidence = vec![("amount".to_owned(), 901)];
    assert!(one(&facts, o, &lie).is_err());
    assert_eq!(a.json["status"], json!("differences"));
}
