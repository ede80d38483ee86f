//! Why: the proof behind one order, one payout, one cent.

use serde_json::{Value, json};
use tradewind_domain::Money;

use crate::recon::Outcome;

fn entries(o: &Outcome, ids: &[&str]) -> Vec<Value> {
    o.journal
        .entries()
        .iter()
        .filter(|e| e.draft.trace.iter().any(|t| ids.contains(&t.as_str())))
        .map(|e| {
            let postings: Vec<Value> = e
                .draft
                .postings
                .iter()
                .map(|p| json!({"account": p.account, "amount": p.amount().amount(), "currency": p.currency}))
                .collect();
            json!({"id": e.draft.id, "date": e.booked.to_string(), "text": e.draft.text, "postings": postings,
                "trace": e.draft.trace, "hash": e.hash})
        })
        .collect()
}

fn rows(o: &Outcome, keep: impl Fn(&crate::recon::parts::Row) -> bool) -> Vec<Value> {
    o.rows
        .iter()
        .filter(|r| keep(r))
        .map(|r| {
            let parts: Vec<Value> = r
                .parts
                .iter()
                .map(|p| json!({"code": p.code, "class": p.class.map_or("unmapped", crate::import::Class::name), "amount": p.amount.amount()}))
                .collect();
            json!({"id": r.tx.id, "kind": r.tx.kind, "at": r.tx.occurred.at.to_string(), "net": r.net, "parts": parts,
                "file": &*r.tx.origin.file, "row": r.tx.origin.row, "booked": r.posts()})
        })
        .collect()
}

fn differences(o: &Outcome, ids: &[&str]) -> Vec<Value> {
    o.differences
        .iter()
        .filter(|d| d.records.iter().any(|r| ids.contains(&r.as_str())))
        .map(|d| json!({"reason": d.reason.code(), "amount": d.amount, "records": d.records, "explanation": d.explanation}))
        .collect()
}

/// Everything behind an order; `None`: it is not known.
#[must_use]
pub fn order(o: &Outcome, id: &str) -> Option<Value> {
    let x = o.orders.iter().find(|x| x.id == id)?;
    let mine: Vec<&str> = x.rows.iter().map(|(id, _)| id.as_str()).collect();
    let mut ids = mine.clone();
    ids.push(id);
    let links: Vec<Value> = x.rows.iter().map(|(row, rule)| json!({"row": row, "rule": rule})).collect();
    Some(
        json!({"order": id, "state": x.state, "total": x.total, "gross": x.gross, "net": x.net, "links": links,
        "rows": rows(o, |r| mine.contains(&r.tx.id.as_str())), "entries": entries(o, &ids), "differences": differences(o, &ids)}),
    )
}

/// Everything behind a payout or statement; `None`: it is not known.
#[must_use]
pub fn payout(o: &Outcome, id: &str) -> Option<Value> {
    let (state, amount, bank) =
        o.payouts
            .iter()
            .find(|p| p.id == id)
            .map(|p| (p.state, p.amount, &p.bank))
            .or_else(|| o.statements.iter().find(|s| s.id == id).map(|s| (s.state, s.total, &s.bank)))?;
    let matches: Vec<Value> = o
        .matches
        .iter()
        .filter(|m| m.right.iter().any(|r| r == id))
        .map(|m| json!({"rule": m.rule, "left": m.left, "right": m.right, "amount": m.amount, "residual": m.residual}))
        .collect();
    Some(json!({"payout": id, "state": state, "amount": amount, "bank": bank, "matches": matches,
        "rows": rows(o, |r| r.tx.payout.as_deref() == Some(id) || r.tx.statement.as_deref() == Some(id)),
        "entries": entries(o, &[id]), "differences": differences(o, &[id])}))
}

/// Where an amount can come from: differences, rows, parts and bank lines of exactly that amount, either sign.
#[must_use]
pub fn cent(o: &Outcome, amount: Money) -> Value {
    let same = |m: Money| {
        m.currency() == amount.currency() && m.minor().unsigned_abs() == amount.minor().unsigned_abs()
    };
    let found: Vec<Value> = o
        .differences
        .iter()
        .filter(|d| same(d.amount))
        .map(|d| json!({"reason": d.reason.code(), "amount": d.amount, "records": d.records, "explanation": d.explanation}))
        .collect();
    let bank: Vec<Value> = o
        .bank
        .iter()
        .filter(|b| same(b.amount))
        .map(|b| json!({"id": b.id, "state": b.state, "matched_to": b.matched_to}))
        .collect();
    json!({"amount": amount, "differences": found, "rows": rows(o, |r| same(r.net) || r.parts.iter().any(|p| same(p.amount))), "bank": bank})
}
