//! Keys and references: what makes a write that arrives twice harmless must be in the request.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tradewind_connector::{Access, CallCx, Safety};

use super::fixture::Case;
use super::report::{Group, Report};
use super::runs::render;
use super::script::{Answer, Sent, Step};
use super::{Bench, Call, Opening, Suite, happy_steps};

tokio::task_local! {
    static KEY: String;
}

/// The context of a call of the suite: its key is the suite's, which drives a keyed write with more than one.
#[must_use]
pub fn cx() -> CallCx {
    CallCx::keyed(KEY.try_with(Clone::clone).unwrap_or_else(|_| "k1".to_owned()))
}

async fn with_key<F: Future>(key: &str, drive: F) -> F::Output {
    KEY.scope(key.to_owned(), drive).await
}

impl Suite {
    /// What makes the writes of the happy conversation safe is in their requests.
    pub(super) async fn keys(
        &self,
        call: &Call,
        happy: &Case,
        cases: &BTreeMap<String, Vec<Case>>,
        report: &mut Report,
    ) {
        let label = happy.label();
        let Some(first) = self.with(happy, "k1", Opening::default(), call).await else { return };
        let first: Vec<Sent> = first.script.sent().into_iter().filter(|s| !s.token).collect();
        let of = |safe: fn(Safety) -> bool| -> Vec<usize> {
            let mine = |s: &Sent| s.writes.is_some() && call.safety_of(s).is_some_and(safe);
            first.iter().enumerate().filter(|(_, s)| mine(s)).map(|(at, _)| at).collect()
        };
        let keyed = of(|s| matches!(s, Safety::Keyed { .. }));
        if !keyed.is_empty() {
            // A process that comes back later has the key and nothing else of the first.
            let later = Opening { seed: 2, later: Duration::from_secs(90), ..Opening::default() };
            let again =
                self.with(happy, "k1", later, call).await.map(|b| b.script.calls()).unwrap_or_default();
            let other = self.with(happy, "k2", Opening::default(), call).await;
            let other = other.map(|b| b.script.calls()).unwrap_or_default();
            for at in keyed {
                let masked = |r: &tradewind_connector::WireRequest| self.masked(r);
                let one = first.get(at).map(|s| masked(&s.request));
                let (same, two) = (again.get(at).map(masked), other.get(at).map(masked));
                report.expect(Group::Faults, one.is_some() && two.is_some() && one != two, || {
                    format!(
                        "{label} #{}: a keyed write does not carry its key: k1 and k2 give one request",
                        at + 1
                    )
                });
                report.expect(Group::Faults, one.is_some() && one == same, || {
                    let (one, same) = (one.clone().unwrap_or_default(), same.clone().unwrap_or_default());
                    let differ = one.lines().zip(same.lines()).find(|(x, y)| x != y).unwrap_or_default();
                    format!("{label} #{}: one key gives two requests, a later process repeats nothing: {differ:?}", at + 1)
                });
            }
        }
        let read_back = of(|s| s == Safety::ReadBack);
        if read_back.is_empty() {
            return report.expect(Group::Faults, call.read_back.is_empty(), || {
                format!("{label}: names a reference, and writes nothing that is read back")
            });
        }
        for at in read_back {
            let text = first.get(at).map(|s| plain(&self.masked(&s.request))).unwrap_or_default();
            let found = call.read_back.iter().any(|(reference, _)| text.contains(reference.as_str()));
            report.expect(Group::Faults, found, || {
                let known: Vec<&str> = call.read_back.iter().map(|(r, _)| r.as_str()).collect();
                format!(
                    "{label} #{}: a write to be read back carries no reference {known:?}: name it with Call::read_back",
                    at + 1
                )
            });
        }
        for (reference, case) in &call.read_back {
            self.looked_up(call, reference, case, cases, report).await;
        }
    }

    /// The look-up asks for the reference, or what it finds hangs on the reference in the answer; and it writes nothing.
    async fn looked_up(
        &self,
        call: &Call,
        reference: &str,
        case: &str,
        cases: &BTreeMap<String, Vec<Case>>,
        report: &mut Report,
    ) {
        let label = format!("{}: the look-up of '{reference}' by {case}", call.op);
        let (op, name) = case.split_once('/').unwrap_or((case, ""));
        let found = cases.get(op).and_then(|own| own.iter().find(|c| c.name == name));
        let (Some(case), Some(by)) = (found, self.calls.iter().find(|c| c.op == op)) else {
            return report.fail(Group::Faults, format!("{label}: there is no such case of a call"));
        };
        let Some((bench, outcome)) = self.drive(by, case, happy_steps(case), None).await else { return };
        let written = bench
            .script
            .sent()
            .iter()
            .any(|s| s.writes.is_some() && by.safety_of(s).is_none_or(|safety| !safety.repeatable()));
        report.expect(Group::Faults, !written, || format!("{label}: writes again"));
        let asked = |b: &Bench| -> Vec<String> {
            let reads = b.script.sent().into_iter().filter(|s| !s.token && s.writes.is_none());
            reads.map(|s| plain(&self.masked(&s.request))).collect()
        };
        let requests = asked(&bench);
        if requests.iter().any(|r| r.contains(reference)) {
            return report.pass(Group::Faults);
        }
        // By an answer that names another, something else must come of it.
        let other = reference.chars().rev().collect::<String>() + "x";
        let steps = case.answers.iter().map(|a| {
            let body = String::from_utf8_lossy(&a.body).replace(reference, &other).into();
            Step::Answer(Answer { body, ..a.clone() })
        });
        let Some((without, missed)) = self.drive(by, case, steps.collect(), None).await else { return };
        let hangs = render(&missed) != render(&outcome)
            || asked(&without) != requests
            || without.script.calls().len() != bench.script.calls().len();
        report.expect(Group::Faults, hangs, || format!("{label}: the reference decides nothing"));
    }

    async fn with(&self, case: &Case, key: &str, opening: Opening, call: &Call) -> Option<Bench> {
        let opening = Opening { steps: happy_steps(case), ..opening };
        let bench = self.open_as(self.config(Access::ReadWrite).ok()?, opening).ok()?;
        let _ = with_key(key, (call.drive)(bench.connector.clone(), case.input.clone())).await;
        Some(bench)
    }
}

/// A shown request as the channel reads it: escapes of addresses and forms undone.
pub(super) fn plain(shown: &str) -> String {
    let undone: Vec<u8> = percent(shown.as_bytes());
    format!("{shown}\n{}", String::from_utf8_lossy(&undone))
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|d| std::str::from_utf8(d).ok());
        match digits.filter(|_| *byte == b'%').and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}
