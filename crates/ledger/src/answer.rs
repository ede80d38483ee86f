//! The answer, as programs read it; [`crate::report`] is for people.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tradewind_domain::{Currency, Money};

use crate::facts::RowError;
use crate::journal::JournalError;
use crate::recon::{Event, Outcome};

fn text(minor: i64, c: Currency) -> Value {
    Value::String(Money::from_minor(minor, c).amount())
}

fn timeline(events: &[Event]) -> Value {
    events.iter().map(|e| json!({"at": e.at, "state": e.state})).collect()
}

/// One id as itself, several as a list, none as null.
fn one_or_many(ids: &[String]) -> Value {
    match ids {
        [] => Value::Null,
        [one] => json!(one),
        many => json!(many),
    }
}

/// `incomplete` when rows or documents were not taken; `differences` when one stands open ([`crate::recon::Difference::open`]) or
/// money is unexplained; else `reconciled`.
#[must_use]
pub fn status(o: &Outcome) -> &'static str {
    if !o.errors.is_empty() || o.statements.iter().any(|s| s.refused) {
        "incomplete"
    } else if o.differences.iter().any(crate::recon::Difference::open)
        || o.unexplained.values().any(|m| *m != 0)
    {
        "differences"
    } else {
        "reconciled"
    }
}

/// The answer as JSON: `docs/reconcile.md` names every field.
///
/// # Errors
/// A balance of the journal is out of range.
pub fn json(o: &Outcome) -> Result<Value, JournalError> {
    let mut out = Map::new();
    out.insert("status".to_owned(), json!(status(o)));
    out.insert("as_of".to_owned(), json!(o.as_of.to_string()));
    out.insert("base".to_owned(), json!(o.base));
    out.insert(
        "statements".to_owned(),
        o.statements
            .iter()
            .map(|s| {
                json!({"id": s.id, "provider": s.provider.name(), "account": s.account, "currency": s.total.currency(),
                "sum": s.sum.amount(), "total": s.total.amount(), "foots": s.foots, "activity": s.activity.amount(),
                "reserve_before": s.reserve_before.amount(), "reserve_after": s.reserve_after.amount(),
                "match": one_or_many(&s.bank), "state": s.state, "timeline": timeline(&s.timeline)})
            })
            .collect(),
    );
    out.insert(
        "payouts".to_owned(),
        o.payouts
            .iter()
            .map(|p| {
                json!({"id": p.id, "provider": p.provider.name(), "account": p.account, "currency": p.amount.currency(),
                "amount": p.amount.amount(), "sum": p.sum.map(Money::amount), "foots": p.foots,
                "converted": p.converted, "match": one_or_many(&p.bank), "state": p.state,
                "timeline": timeline(&p.timeline)})
            })
            .collect(),
    );
    out.insert(
        "orders".to_owned(),
        o.orders
            .iter()
            .map(|x| {
                json!({"id": x.id, "account": x.account, "state": x.state, "currency": x.total.currency(),
                "total": x.total.amount(), "gross": x.gross.amount(), "refunded": x.refunded.amount(),
                "disputed": x.disputed.amount(), "fees": x.fees.amount(), "taxes": x.taxes.amount(),
                "net": x.net.amount(), "net_currency": x.net.currency(), "open": x.open.amount(),
                "timeline": timeline(&x.timeline), "links": x.links})
            })
            .collect(),
    );
    out.insert(
        "bank".to_owned(),
        o.bank
            .iter()
            .map(|b| {
                let mut v = json!({"id": b.id, "account": b.account, "date": b.date.to_string(), "state": b.state,
                "currency": b.amount.currency(), "amount": b.amount.amount(), "matched_to": b.matched_to});
                if let Some(map) = v.as_object_mut().filter(|_| !b.candidates.is_empty()) {
                    map.insert("candidates".to_owned(), json!(b.candidates));
                }
                v
            })
            .collect(),
    );
    out.insert(
        "differences".to_owned(),
        o.differences
            .iter()
            .map(|d| {
                let c = d.amount.currency();
                let evidence: Vec<Value> =
                    d.evidence.iter().map(|(what, m)| json!({"what": what, "amount": text(*m, c)})).collect();
                json!({"reason": d.reason.code(), "amount": d.amount.amount(), "currency": c, "records": d.records,
                "explanation": d.explanation, "evidence": evidence, "accepted": d.accepted})
            })
            .collect(),
    );
    let balance = o.journal.trial_balance()?;
    let balance: BTreeMap<String, BTreeMap<String, String>> = balance
        .into_iter()
        .map(|(c, accounts)| (c.to_string(), accounts.into_iter().map(|(a, m)| (a, m.amount())).collect()))
        .collect();
    out.insert("trial_balance".to_owned(), json!(balance));
    let mut fx = json!({"realised": o.fx.realised.amount(), "unrealised": o.fx.unrealised.amount(),
        "conversion_cost": o.fx.cost.amount(), "currency": o.base});
    if let Some(map) = fx.as_object_mut() {
        // What no reference rate measures is not zero: it is named.
        if !o.fx.unmeasured.is_empty() {
            map.insert("unmeasured".to_owned(), json!(o.fx.unmeasured));
        }
        if !o.fx.unrevalued.is_empty() {
            let sums: Map<String, Value> =
                o.fx.unrevalued.iter().map(|(c, m)| (c.to_string(), text(*m, *c))).collect();
            map.insert("unrevalued".to_owned(), Value::Object(sums));
        }
    }
    out.insert("fx".to_owned(), fx);
    out.insert("fees".to_owned(), by_currency(&o.fees));
    let unexplained: Map<String, Value> =
        o.unexplained.iter().map(|(c, m)| (c.to_string(), text(*m, *c))).collect();
    out.insert("unexplained".to_owned(), Value::Object(unexplained));
    if !o.ageing.is_empty() {
        out.insert(
            "ageing".to_owned(),
            o.ageing
                .iter()
                .map(|e| {
                    json!({"leg": e.leg, "id": e.id, "amount": text(e.minor, e.currency), "currency": e.currency,
                        "due": e.due.to_string(), "days_late": e.days_late})
                })
                .collect(),
        );
    }
    if !o.duties.is_empty() {
        out.insert(
            "landed_cost".to_owned(),
            o.duties
                .iter()
                .map(|d| {
                    let causes: Map<String, Value> =
                        d.causes.iter().map(|(k, m)| ((*k).to_owned(), json!(m.amount()))).collect();
                    let mut v = json!({"order": d.order, "account": d.account, "invoice": d.invoice,
                        "currency": d.assessed.currency(), "collected": d.collected.amount(),
                        "assessed": d.assessed.amount(), "brokerage": d.fee.amount(),
                        "variance": d.variance.map(Money::amount), "causes": causes});
                    // Collected in one currency and assessed in another: each says its own, and no variance is told.
                    if let Some(map) =
                        v.as_object_mut().filter(|_| d.collected.currency() != d.assessed.currency())
                    {
                        map.insert("collected_currency".to_owned(), json!(d.collected.currency()));
                    }
                    v
                })
                .collect(),
        );
    }
    if !o.days.is_empty() {
        let days: Map<String, Value> = o
            .days
            .iter()
            .map(|(zone, dates)| {
                let dates: Map<String, Value> = dates
                    .iter()
                    .map(|(d, sums)| {
                        let sums: Map<String, Value> =
                            sums.iter().map(|(c, m)| (c.to_string(), text(*m, *c))).collect();
                        (d.to_string(), Value::Object(sums))
                    })
                    .collect();
                (zone.clone(), Value::Object(dates))
            })
            .collect();
        out.insert("days".to_owned(), Value::Object(days));
    }
    if !o.errors.is_empty() {
        out.insert(
            "errors".to_owned(),
            o.errors
                .iter()
                .map(|RowError { file, row, message }| json!({"file": file, "row": row, "message": message}))
                .collect(),
        );
    }
    out.insert("journal_head".to_owned(), json!(o.journal.head()));
    out.insert("input_hash".to_owned(), json!(o.input_hash));
    // Row numbers of errors say where, not what: they stay out of the hash, as does the hash of the input.
    let mut hashed = out.clone();
    hashed.remove("input_hash");
    hashed.remove("errors");
    let bytes = serde_json::to_vec(&Value::Object(hashed)).unwrap_or_default();
    out.insert("result_hash".to_owned(), json!(hex::encode(Sha256::digest(&bytes))));
    Ok(Value::Object(out))
}

/// Why a period is not closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotClosed(String);

/// The entries up to a day as they are booked now, one JSON object a line: kept as `closed-….jsonl` among the facts, they stay as they
/// are, and what comes later is booked after that day.
///
/// # Errors
/// Rows or documents were not taken, or the day is not over on the day of the report.
pub fn closing(o: &Outcome, until: jiff::civil::Date) -> Result<String, NotClosed> {
    if status(o) == "incomplete" {
        return Err(NotClosed(format!(
            "not closed until {until}: rows or documents were not taken, and would be missing in the closed books; see errors"
        )));
    }
    if until > o.as_of {
        return Err(NotClosed(format!(
            "not closed until {until}: the report is of {}, which is before it",
            o.as_of
        )));
    }
    let mut out = format!("{}\n", json!({"until": until.to_string()}));
    for e in o.journal.entries().iter().filter(|e| e.booked <= until) {
        let postings: Vec<Value> = e
            .draft
            .postings
            .iter()
            .map(|p| json!({"account": p.account, "currency": p.currency, "amount": p.amount().amount()}))
            .collect();
        let d = &e.draft;
        let row = json!({"until": until.to_string(), "id": d.id, "date": d.date.to_string(), "booked": e.booked.to_string(),
            "text": d.text, "trace": d.trace, "reverses": d.reverses, "postings": postings});
        out.push_str(&format!("{row}\n"));
    }
    Ok(out)
}

fn by_currency(sums: &BTreeMap<Currency, BTreeMap<String, i64>>) -> Value {
    let map: Map<String, Value> = sums
        .iter()
        .map(|(c, kinds)| {
            let kinds: Map<String, Value> = kinds.iter().map(|(k, m)| (k.clone(), text(*m, *c))).collect();
            (c.to_string(), Value::Object(kinds))
        })
        .collect();
    Value::Object(map)
}
