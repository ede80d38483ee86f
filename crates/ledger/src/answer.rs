//! The answer, as programs read it; [`crate::report`] is for people.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tradewind_domain::{Currency, Money};

use crate::facts::RowError;
use crate::journal::JournalError;
use crate::recon::ageing::Expectation;
use crate::recon::bank::BankState;
use crate::recon::duties::Duty;
use crate::recon::foot::{PayoutState, StatementState};
use crate::recon::orders::OrderState;
use crate::recon::{Difference, Event, Outcome};

fn text(minor: i64, c: Currency) -> String {
    Money::from_minor(minor, c).amount()
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

/// `incomplete` when rows or documents were not taken; `differences` when one stands open ([`Difference::open`]) or
/// money is unexplained; else `reconciled`.
#[must_use]
pub fn status(o: &Outcome) -> &'static str {
    if !o.errors.is_empty() || o.statements.iter().any(|s| s.refused) {
        "incomplete"
    } else if o.differences.iter().any(Difference::open) || o.unexplained.values().any(|m| *m != 0) {
        "differences"
    } else {
        "reconciled"
    }
}

/// Why an answer cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// A balance of the journal is out of range.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The answer has no JSON form: a defect of ours.
    #[error("the answer cannot be written: {0}")]
    Form(#[from] serde_json::Error),
}

/// The answer, ready to be written: `docs/reconcile.md` names every field. Items are made while they are written, one at a time, so
/// that the text of a large answer never stands in memory.
pub struct Answer<'a> {
    outcome: &'a Outcome,
    balance: ByCurrency,
    result_hash: String,
}

/// Amounts by currency and name, both in order.
type ByCurrency = BTreeMap<String, BTreeMap<String, String>>;

impl<'a> Answer<'a> {
    /// Sums the books and takes the hash of the answer.
    ///
    /// # Errors
    /// A balance of the journal is out of range.
    pub fn of(outcome: &'a Outcome) -> Result<Answer<'a>, AnswerError> {
        let balance = outcome.journal.trial_balance()?;
        let balance = balance
            .into_iter()
            .map(|(c, accounts)| {
                (c.to_string(), accounts.into_iter().map(|(a, m)| (a, m.amount())).collect())
            })
            .collect();
        let mut answer = Answer { outcome, balance, result_hash: String::new() };
        let mut sha = Hashing(Sha256::new());
        serde_json::to_writer(&mut sha, &Hashed(&answer))?;
        answer.result_hash = hex::encode(sha.0.finalize());
        Ok(answer)
    }

    /// What the hash is of. Row numbers of errors say where, not what: they stay out of it, as does the hash of the input.
    fn entries<M: SerializeMap>(&self, out: &mut M) -> Result<(), M::Error> {
        let o = self.outcome;
        out.serialize_entry("status", status(o))?;
        out.serialize_entry("as_of", &o.as_of.to_string())?;
        out.serialize_entry("base", &o.base)?;
        out.serialize_entry("statements", &List(&o.statements, statement))?;
        out.serialize_entry("payouts", &List(&o.payouts, payout))?;
        out.serialize_entry("orders", &List(&o.orders, order))?;
        out.serialize_entry("bank", &List(&o.bank, bank))?;
        out.serialize_entry("differences", &List(&o.differences, difference))?;
        out.serialize_entry("trial_balance", &self.balance)?;
        out.serialize_entry("fx", &exchange(o))?;
        out.serialize_entry("fees", &by_currency(&o.fees))?;
        let unexplained: BTreeMap<String, String> =
            o.unexplained.iter().map(|(c, m)| (c.to_string(), text(*m, *c))).collect();
        out.serialize_entry("unexplained", &unexplained)?;
        if !o.ageing.is_empty() {
            out.serialize_entry("ageing", &List(&o.ageing, expectation))?;
        }
        if !o.duties.is_empty() {
            out.serialize_entry("landed_cost", &List(&o.duties, duty))?;
        }
        if !o.days.is_empty() {
            let days: BTreeMap<&str, ByCurrency> = o
                .days
                .iter()
                .map(|(zone, dates)| {
                    let sums = |sums: &BTreeMap<Currency, i64>| {
                        sums.iter().map(|(c, m)| (c.to_string(), text(*m, *c))).collect()
                    };
                    (zone.as_str(), dates.iter().map(|(d, all)| (d.to_string(), sums(all))).collect())
                })
                .collect();
            out.serialize_entry("days", &days)?;
        }
        out.serialize_entry("journal_head", &o.journal.head())
    }
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_map(None)?;
        self.entries(&mut out)?;
        if !self.outcome.errors.is_empty() {
            out.serialize_entry("errors", &List(&self.outcome.errors, error))?;
        }
        out.serialize_entry("input_hash", &self.outcome.input_hash)?;
        out.serialize_entry("result_hash", &self.result_hash)?;
        out.end()
    }
}

struct Hashed<'a>(&'a Answer<'a>);

impl Serialize for Hashed<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_map(None)?;
        self.0.entries(&mut out)?;
        out.end()
    }
}

/// Takes the hash of what is written to it.
struct Hashing(Sha256);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A list whose items are made one at a time.
struct List<'a, T>(&'a [T], fn(&T) -> Value);

impl<T> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(self.1))
    }
}

/// The whole answer as a value; [`Answer`] writes it without holding it.
///
/// # Errors
/// As of [`Answer::of`].
pub fn json(o: &Outcome) -> Result<Value, AnswerError> {
    Ok(serde_json::to_value(Answer::of(o)?)?)
}

fn exchange(o: &Outcome) -> Value {
    let mut fx = json!({"realised": o.fx.realised.amount(), "unrealised": o.fx.unrealised.amount(),
        "conversion_cost": o.fx.cost.amount(), "currency": o.base});
    if let Some(map) = fx.as_object_mut() {
        // What no reference rate measures is not zero: it is named.
        if !o.fx.unmeasured.is_empty() {
            map.insert("unmeasured".to_owned(), json!(o.fx.unmeasured));
        }
        if !o.fx.unrevalued.is_empty() {
            let sums: BTreeMap<String, String> =
                o.fx.unrevalued.iter().map(|(c, m)| (c.to_string(), text(*m, *c))).collect();
            map.insert("unrevalued".to_owned(), json!(sums));
        }
    }
    fx
}

fn statement(s: &StatementState) -> Value {
    json!({"id": s.id, "provider": s.provider.name(), "account": s.account, "currency": s.total.currency(),
        "sum": s.sum.amount(), "total": s.total.amount(), "foots": s.foots, "activity": s.activity.amount(),
        "reserve_before": s.reserve_before.amount(), "reserve_after": s.reserve_after.amount(),
        "match": one_or_many(&s.bank), "state": s.state, "timeline": timeline(&s.timeline)})
}

fn payout(p: &PayoutState) -> Value {
    json!({"id": p.id, "provider": p.provider.name(), "account": p.account, "currency": p.amount.currency(),
        "amount": p.amount.amount(), "sum": p.sum.map(Money::amount), "foots": p.foots,
        "converted": p.converted, "match": one_or_many(&p.bank), "state": p.state,
        "timeline": timeline(&p.timeline)})
}

fn order(x: &OrderState) -> Value {
    let mut v = json!({"id": x.id, "account": x.account, "state": x.state, "currency": x.total.currency(),
        "total": x.total_told.then(|| x.total.amount()), "gross": x.gross.amount(), "refunded": x.refunded.amount(),
        "disputed": x.disputed.amount(), "fees": x.fees.amount(), "taxes": x.taxes.amount(),
        "net": x.net.amount(), "net_currency": x.net.currency(), "open": x.open.map(Money::amount),
        "timeline": timeline(&x.timeline), "links": x.links});
    if let Some(map) = v.as_object_mut().filter(|_| !x.other.is_empty()) {
        let other: Map<String, Value> = x
            .other
            .iter()
            .map(|(c, o)| (c.to_string(), json!({"fees": text(o.fees, *c), "net": text(o.net, *c)})))
            .collect();
        map.insert("other".to_owned(), Value::Object(other));
    }
    v
}

fn bank(b: &BankState) -> Value {
    let mut v = json!({"id": b.id, "account": b.account, "date": b.date.to_string(), "state": b.state,
        "currency": b.amount.currency(), "amount": b.amount.amount(), "matched_to": b.matched_to});
    if let Some(map) = v.as_object_mut().filter(|_| !b.candidates.is_empty()) {
        map.insert("candidates".to_owned(), json!(b.candidates));
    }
    v
}

fn difference(d: &Difference) -> Value {
    let c = d.amount.currency();
    let evidence: Vec<Value> =
        d.evidence.iter().map(|(what, m)| json!({"what": what, "amount": text(*m, c)})).collect();
    json!({"reason": d.reason.code(), "amount": d.amount.amount(), "currency": c, "records": d.records,
        "explanation": d.explanation, "evidence": evidence, "accepted": d.accepted})
}

fn expectation(e: &Expectation) -> Value {
    json!({"leg": e.leg, "id": e.id, "amount": text(e.minor, e.currency), "currency": e.currency,
        "due": e.due.to_string(), "days_late": e.days_late})
}

fn duty(d: &Duty) -> Value {
    let causes: Map<String, Value> =
        d.causes.iter().map(|(k, m)| ((*k).to_owned(), json!(m.amount()))).collect();
    let mut v = json!({"order": d.order, "account": d.account, "invoice": d.invoice,
        "currency": d.assessed.currency(), "quoted": d.quoted.map(|q| json!({"duty": q.duty.amount(), "vat": q.vat.amount(),
            "fee": q.fee.amount(), "currency": q.duty.currency()})), "collected": d.collected.amount(),
        "assessed": d.assessed.amount(), "brokerage": d.fee.amount(),
        "variance": d.variance.map(Money::amount), "causes": causes});
    // Collected in one currency and assessed in another: each says its own, and no variance is told.
    if let Some(map) = v.as_object_mut().filter(|_| d.collected.currency() != d.assessed.currency()) {
        map.insert("collected_currency".to_owned(), json!(d.collected.currency()));
    }
    v
}

fn error(RowError { file, row, message }: &RowError) -> Value {
    json!({"file": file, "row": row, "message": message})
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
    let entries = || o.journal.entries().iter().filter(|e| e.booked <= until);
    let head = crate::journal::chained(entries().map(|e| (&e.draft, e.booked)));
    let mut out =
        format!("{}\n", json!({"until": until.to_string(), "entries": entries().count(), "head": head}));
    for e in entries() {
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

fn by_currency(sums: &BTreeMap<Currency, BTreeMap<String, i64>>) -> ByCurrency {
    sums.iter()
        .map(|(c, kinds)| (c.to_string(), kinds.iter().map(|(k, m)| (k.clone(), text(*m, *c))).collect()))
        .collect()
}
