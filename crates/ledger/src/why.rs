//! Why: the proof behind one order, one payout, one cent.

use std::fmt::Write as _;

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
        .map(difference)
        .collect()
}

fn difference(d: &crate::recon::Difference) -> Value {
    let c = d.amount.currency();
    let evidence: Vec<Value> = d
        .evidence
        .iter()
        .map(|(what, m)| json!({"what": what, "amount": Money::from_minor(*m, c).amount()}))
        .collect();
    json!({"reason": d.reason.code(), "amount": d.amount, "records": d.records, "explanation": d.explanation, "evidence": evidence})
}

fn money(v: &Value) -> String {
    match v {
        Value::Object(m) => format!("{} {}", str(&m["amount"]), str(&m["currency"])),
        // What is not known is not zero.
        Value::Null => "–".to_owned(),
        other => str(other).to_owned(),
    }
}

fn str(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}

fn list(v: &Value) -> String {
    let items: Vec<&str> = v.as_array().into_iter().flatten().map(str).collect();
    items.join(", ")
}

/// An answer of this module for a person: what it is, the rows that prove it, what was booked, what does not agree.
#[must_use]
pub fn text(v: &Value) -> String {
    let mut s = String::new();
    for kind in ["order", "payout"] {
        if let Some(id) = v.get(kind).and_then(Value::as_str) {
            let _ = writeln!(s, "{kind} {id}: {}", str(&v["state"]));
        }
    }
    if let Some(others) = v.get("also_in_accounts") {
        let _ = writeln!(
            s,
            "  of account {}; accounts with the same number: {}",
            str(&v["account"]),
            list(others)
        );
    }
    for (name, key) in [
        ("total", "total"),
        ("paid", "gross"),
        ("refunded", "refunded"),
        ("net", "net"),
        ("amount", "amount"),
    ] {
        if let Some(m) = v.get(key) {
            let _ = writeln!(s, "  {name:<10}{:>24}", money(m));
        }
    }
    if let Some(bank) = v.get("bank").and_then(Value::as_array) {
        for b in bank {
            match b {
                Value::String(id) => {
                    let _ = writeln!(s, "  bank line {id}");
                }
                b => {
                    let _ = writeln!(
                        s,
                        "bank line {} is {}: {}",
                        str(&b["id"]),
                        str(&b["state"]),
                        list(&b["matched_to"])
                    );
                }
            }
        }
    }
    for m in v.get("matches").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(
            s,
            "  matched by {}: {} = {}, {} left",
            str(&m["rule"]),
            list(&m["left"]),
            list(&m["right"]),
            money(&m["residual"])
        );
    }
    for m in v.get("links").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(s, "  linked by {}: {} {}", str(&m["rule"]), str(&m["row"]), money(&m["amount"]));
    }
    for r in v.get("rows").and_then(Value::as_array).into_iter().flatten() {
        let place = format!("{}:{}", str(&r["file"]), r["row"]);
        let not = if r["booked"] == json!(false) { ", not booked" } else { "" };
        let _ = writeln!(s, "row {} {} of {} ({place}{not})", str(&r["id"]), str(&r["kind"]), str(&r["at"]));
        for p in r["parts"].as_array().into_iter().flatten() {
            let _ = writeln!(s, "  {:>16}  {:<18} {}", str(&p["amount"]), str(&p["class"]), str(&p["code"]));
        }
        let _ = writeln!(s, "  {:>16}  net", money(&r["net"]));
    }
    for e in v.get("entries").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(s, "entry {} of {}: {}", str(&e["id"]), str(&e["date"]), str(&e["text"]));
        for p in e["postings"].as_array().into_iter().flatten() {
            let _ =
                writeln!(s, "  {:>16} {}  {}", str(&p["amount"]), str(&p["currency"]), str(&p["account"]));
        }
    }
    for d in v.get("differences").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(s, "{} {}: {}", str(&d["reason"]), money(&d["amount"]), str(&d["explanation"]));
        for e in d["evidence"].as_array().into_iter().flatten() {
            let _ = writeln!(s, "  {:>16}  {}", str(&e["amount"]), str(&e["what"]));
        }
        let _ = writeln!(s, "  records: {}", list(&d["records"]));
    }
    s.truncate(s.trim_end().len());
    s
}

/// Everything behind an order; `None`: it is not known.
#[must_use]
pub fn order(o: &Outcome, id: &str) -> Option<Value> {
    order_of(o, id, None)
}

/// The same of one account, where it is named: two channels may use one number.
#[must_use]
pub fn order_of(o: &Outcome, id: &str, account: Option<&str>) -> Option<Value> {
    let mut all = o.orders.iter().filter(|x| x.id == id && account.is_none_or(|a| x.account == a));
    let x = all.next()?;
    // One number in several accounts: the first is shown, and the others are named.
    let others: Vec<&str> = all.map(|x| x.account.as_str()).collect();
    let mine = |r: &crate::recon::parts::Row| {
        x.rows.iter().any(|l| l.id == r.tx.id && l.provider == r.tx.provider && l.account == r.tx.account)
    };
    let mut ids: Vec<&str> = x.rows.iter().map(|r| r.id.as_str()).collect();
    ids.push(id);
    let links: Vec<Value> =
        x.rows.iter().map(|r| json!({"row": r.id, "rule": r.rule, "amount": r.amount})).collect();
    let mut v = json!({"order": id, "account": x.account, "state": x.state, "total": x.total_told.then_some(x.total), "gross": x.gross, "refunded": x.refunded,
        "net": x.net, "links": links, "rows": rows(o, mine), "entries": entries(o, &ids), "differences": differences(o, &ids)});
    if let Some(map) = v.as_object_mut().filter(|_| !others.is_empty()) {
        map.insert("also_in_accounts".to_owned(), json!(others));
    }
    Some(v)
}

fn evidence(m: &crate::recon::Match) -> Vec<Value> {
    let c = m.residual.currency();
    m.evidence
        .iter()
        .map(|(what, x)| json!({"what": what, "amount": Money::from_minor(*x, c).amount()}))
        .collect()
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
        .map(|m| json!({"rule": m.rule, "left": m.left, "right": m.right, "amount": m.amount, "residual": m.residual, "evidence": evidence(m)}))
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
    let found: Vec<Value> = o.differences.iter().filter(|d| same(d.amount)).map(difference).collect();
    let bank: Vec<Value> = o
        .bank
        .iter()
        .filter(|b| same(b.amount))
        .map(|b| json!({"id": b.id, "state": b.state, "matched_to": b.matched_to}))
        .collect();
    json!({"amount": amount, "differences": found, "rows": rows(o, |r| same(r.net) || r.parts.iter().any(|p| same(p.amount))), "bank": bank})
}
