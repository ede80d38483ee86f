//! Reconciliation, case by case. Figures are from the reconciliation model (§8) or worked by hand in a comment.
//!
//! Every [`World::run`] also proves the laws that hold for any input: entries balance, the chain of hashes holds, the evidence of
//! a difference sums to its amount and is no mere repetition of it where two numbers disagree, nothing is matched twice, and
//! neither the order of the rows nor a second run changes a byte.

mod accounts;
mod bank;
mod books;
mod closed;
mod decisions;
mod doubt;
mod duties;
mod facilitator;
mod fx;
mod history;
mod input;
mod members;
mod orders;
mod properties;
mod reasons;
mod replay;
mod statements;
mod status;
mod strangers;
mod theft;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tradewind_domain::{Currency, Money};
use tradewind_ledger::answer;
use tradewind_ledger::facts::{Facts, read};
use tradewind_ledger::recon::{self, Options, Outcome, Policy};

/// What is known, document by document.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) facts: Facts,
    pub(crate) options: Options,
    documents: u32,
}

/// What came out.
pub(crate) struct Answer {
    pub(crate) json: Value,
    pub(crate) outcome: Outcome,
}

impl World {
    pub(crate) fn new() -> World {
        World::default()
    }

    /// One document (file) of a kind; documents arrive in the order of the calls.
    pub(crate) fn file(mut self, kind: &str, rows: &[Value]) -> World {
        let text: String = rows.iter().map(|r| format!("{r}\n")).collect();
        self.documents += 1;
        let name = format!("{kind}-{}.jsonl", self.documents);
        read::read_bytes(kind, &name, self.documents, text.as_bytes(), &mut self.facts);
        self
    }

    /// Text of a document, as it is.
    pub(crate) fn text(mut self, kind: &str, text: &str) -> World {
        self.documents += 1;
        read::read_bytes(kind, &format!("{kind}.jsonl"), self.documents, text.as_bytes(), &mut self.facts);
        self
    }

    pub(crate) fn rates(mut self, csv: &str) -> World {
        read::rates("fx.csv", csv.as_bytes(), &mut self.facts);
        self
    }

    pub(crate) fn until(mut self, day: &str) -> World {
        self.options.as_of = Some(day.parse().unwrap());
        self
    }

    pub(crate) fn base(mut self, code: &str) -> World {
        self.options.policy.base = Some(Currency::new(code).unwrap());
        self
    }

    pub(crate) fn policy(mut self, text: &str) -> World {
        let base = self.options.policy.base;
        self.options.policy = Policy::parse(text).unwrap();
        self.options.policy.base = self.options.policy.base.or(base);
        self
    }

    pub(crate) fn zones(mut self, zones: &[&str]) -> World {
        self.options.zones = zones.iter().map(|z| (*z).to_owned()).collect();
        self
    }

    pub(crate) fn run(self) -> Answer {
        let outcome = recon::run(&self.facts, &self.options).unwrap();
        let json = answer::json(&outcome).unwrap();
        laws(&outcome);
        replay::all(&self.facts, &outcome);
        let again = answer::json(&recon::run(&self.facts, &self.options).unwrap()).unwrap();
        assert_eq!(json.to_string(), again.to_string(), "a second run");
        let turned = answer::json(&recon::run(&reversed(&self.facts), &self.options).unwrap()).unwrap();
        assert_eq!(json["input_hash"], turned["input_hash"], "input hash, rows reversed");
        let (mut a, mut b) = (json.clone(), turned);
        // Errors tell the rows of a file, which are other rows now.
        a.as_object_mut().unwrap().remove("errors");
        b.as_object_mut().unwrap().remove("errors");
        assert_eq!(a, b, "rows reversed");
        Answer { json, outcome }
    }
}

/// The same facts, the rows of every kind in reverse.
pub(crate) fn reversed(facts: &Facts) -> Facts {
    let mut f = facts.clone();
    f.orders.reverse();
    f.refunds.reverse();
    f.invoices.reverse();
    f.transactions.reverse();
    f.statements.reverse();
    f.payouts.reverse();
    f.bank.reverse();
    f.carrier.reverse();
    f.decisions.reverse();
    f.closed.reverse();
    f.rates.reverse();
    f
}

/// What holds for any input.
pub(crate) fn laws(o: &Outcome) {
    o.journal.verify().unwrap();
    let mut all: BTreeMap<Currency, i128> = BTreeMap::new();
    for e in o.journal.entries() {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for p in &e.draft.postings {
            *sums.entry(p.currency).or_default() += i128::from(p.minor);
            *all.entry(p.currency).or_default() += i128::from(p.minor);
        }
        assert!(sums.values().all(|s| *s == 0), "entry {} balances: {sums:?}", e.draft.id);
    }
    assert!(all.values().all(|s| *s == 0), "Σ all balances: {all:?}");
    for d in &o.differences {
        let sum: i64 = d.evidence.iter().map(|(_, m)| *m).sum();
        assert_eq!(sum, d.amount.minor(), "evidence of {d:?}");
        assert!(!d.evidence.is_empty() && !d.records.is_empty() && !d.explanation.is_empty(), "{d:?}");
        assert!(d.unexplained.unsigned_abs() <= d.amount.minor().unsigned_abs(), "{d:?}");
    }
    // Injective: a bank line is used by one match; a transfer by one, or by several lines that are its parts.
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for m in o.matches.iter().filter(|m| o.bank.iter().any(|b| m.left.contains(&b.id))) {
        for l in &m.left {
            // Two banks may use one id.
            let n = lines.entry(l).or_default();
            *n += 1;
            assert!(*n <= o.bank.iter().filter(|b| b.id == *l).count(), "bank line {l} is matched twice");
        }
        let replay: i64 = m.evidence.iter().map(|(_, a)| *a).sum();
        assert_eq!(replay, m.residual.minor(), "replay of {m:?}");
    }
    let mut rows = BTreeSet::new();
    for x in &o.orders {
        for row in &x.rows {
            let row = (row.provider, row.account.clone(), row.id.clone(), row.amount.to_string());
            assert!(rows.insert(row.clone()), "row {row:?} is linked to two orders");
        }
    }
    // What is at the bank is what the bank says, cent by cent.
    let balance = o.journal.trial_balance().unwrap();
    let mut bank: BTreeMap<(Currency, String), i64> = BTreeMap::new();
    for b in &o.bank {
        *bank.entry((b.amount.currency(), format!("assets:bank:{}", b.account))).or_default() +=
            b.amount.minor();
    }
    for ((c, account), sum) in bank.into_iter().filter(|(_, s)| *s != 0) {
        let booked = balance.get(&c).and_then(|a| a.get(&account)).copied();
        assert_eq!(booked, Some(Money::from_minor(sum, c)), "{account}");
    }
}

fn find<'a>(list: &'a Value, id: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|x| x["id"] == id).unwrap_or_else(|| panic!("{id} in {list}"))
}

impl Answer {
    pub(crate) fn order(&self, id: &str) -> &Value {
        find(&self.json["orders"], id)
    }
    pub(crate) fn statement(&self, id: &str) -> &Value {
        find(&self.json["statements"], id)
    }
    pub(crate) fn payout(&self, id: &str) -> &Value {
        find(&self.json["payouts"], id)
    }
    pub(crate) fn bank(&self, id: &str) -> &Value {
        find(&self.json["bank"], id)
    }
    /// (reason, amount) of every difference.
    pub(crate) fn differences(&self) -> Vec<(String, String)> {
        let list = self.json["differences"].as_array().unwrap();
        list.iter()
            .map(|d| (d["reason"].as_str().unwrap().to_owned(), d["amount"].as_str().unwrap().to_owned()))
            .collect()
    }
    /// The one difference of a reason.
    pub(crate) fn only(&self, reason: &str) -> &Value {
        let list: Vec<&Value> =
            self.json["differences"].as_array().unwrap().iter().filter(|d| d["reason"] == reason).collect();
        match list.as_slice() {
            [one] => one,
            other => panic!("{reason}: {} of them in {:?}", other.len(), self.differences()),
        }
    }
    pub(crate) fn none(&self, reason: &str) {
        assert!(self.differences().iter().all(|(r, _)| r != reason), "{:?}", self.json["differences"]);
    }
    /// Balance of all accounts that start so; `0` in the currency's writing when there is none.
    pub(crate) fn balance(&self, currency: &str, account: &str) -> String {
        let c = Currency::new(currency).unwrap();
        let sum = self.outcome.journal.trial_balance().unwrap().get(&c).map_or(0, |accounts| {
            accounts.iter().filter(|(a, _)| a.starts_with(account)).map(|(_, m)| m.minor()).sum()
        });
        Money::from_minor(sum, c).amount()
    }
    /// Nothing is left that nobody can account for.
    pub(crate) fn clean(&self) {
        let left = self.json["unexplained"].as_object().unwrap();
        let zero = |v: &Value| v.as_str().unwrap().chars().all(|c| matches!(c, '0' | '.'));
        assert!(left.values().all(zero), "{left:?} {:?}", self.json["differences"]);
        for e in self.outcome.journal.entries() {
            assert!(e.draft.postings.iter().all(|p| !p.account.starts_with("suspense")), "{:?}", e.draft);
        }
    }
}

/// A sale in a provider's balance: gross less fee, on an order.
pub(crate) fn charge(id: &str, order: &str, day: &str, currency: &str, amount: &str, fee: &str) -> Value {
    json!({"id": id, "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": format!("{day}T10:00:00Z"),
        "currency": currency, "amount": amount, "fee": fee, "order": order})
}

pub(crate) fn order(id: &str, day: &str, currency: &str, total: &str) -> Value {
    json!({"id": id, "account": "shop", "placed_at": format!("{day}T09:00:00Z"), "currency": currency, "total": total, "lines": []})
}

pub(crate) fn bank_line(id: &str, day: &str, currency: &str, amount: &str, text: &str) -> Value {
    json!({"id": id, "account": "main", "date": day, "currency": currency, "amount": amount, "text": text})
}

pub(crate) fn payout(id: &str, arrival: &str, currency: &str, amount: &str, status: &str) -> Value {
    json!({"id": id, "provider": "stripe", "account": "acct", "currency": currency, "amount": amount, "status": status,
        "arrival": arrival})
}

/// Adds fields to an object.
pub(crate) fn with(mut row: Value, more: Value) -> Value {
    let map = row.as_object_mut().unwrap();
    for (k, v) in more.as_object().unwrap() {
        map.insert(k.clone(), v.clone());
    }
    row
}
