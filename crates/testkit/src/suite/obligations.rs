//! What every connector owes beside the fault matrix: a dead login, refusals with status 200, currencies without and
//! with three decimals, abilities that were taken away.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;
use tradewind_connector::{Access, Kind};
use tradewind_domain::{Currency, Decimal};

use super::faults::kinds_of;
use super::fixture::Case;
use super::report::{Group, Report};
use super::runs::render;
use super::script::Answer;
use super::{Call, Opening, Suite, happy_steps};

impl Suite {
    /// A login that the token endpoint refuses pauses the account: nothing else is sent.
    pub(super) async fn dead_logins(&self, cases: &BTreeMap<String, Vec<Case>>, report: &mut Report) {
        if self.tokens.is_empty() {
            return report.skip(Group::Faults, "no token endpoint, no login that dies");
        }
        let Some((call, case)) = self.with_a_token(cases) else {
            return report.fail(Group::Faults, "no call with a token: a dead login cannot be shown");
        };
        let tokens = self.tokens.iter().map(|(path, _)| (path.clone(), self.dead_login.clone())).collect();
        let opening = Opening { tokens: Some(tokens), steps: happy_steps(case), ..Opening::default() };
        let Ok(config) = self.config(Access::ReadWrite) else { return };
        let Ok(bench) = self.open_as(config, opening) else { return };
        let outcome = (call.drive)(bench.connector.clone(), case.input.clone()).await;
        let (asked, sent) = (bench.script.sent().len(), bench.script.calls().len());
        // A client that logs in by its own secret has no login to renew: the secret in the configuration is wrong.
        let person = [Kind::NeedsReauth.name(), Kind::Config.name()];
        let told = kinds_of(&outcome).iter().any(|k| person.contains(&k.as_str()));
        report.expect(Group::Faults, told && sent == 0 && asked == 1, || {
            format!(
                "{}: a dead login: needs_reauth (or config) after one token request expected; {asked} requests, {sent} of them calls, outcome {}",
                case.label(),
                render(&outcome)
            )
        });
        self.leaks(&case.label(), &outcome, report);
    }

    /// A refusal with status 200 is a refusal.
    pub(super) async fn refusals(&self, call: &Call, happy: &Case, report: &mut Report) {
        let label = happy.label();
        let mut answers = self.in_200.iter().filter(|(ops, _)| call.op.starts_with(ops.as_str())).peekable();
        if answers.peek().is_none() {
            return match &self.never_in_200 {
                Some(why) => report.skip(Group::Faults, format!("{label}: never refused with status 200: {why}")),
                None => report.fail(
                    Group::Faults,
                    format!("{label}: say how it is refused with status 200: Suite::refuses_in_200, or never_refuses_in_200"),
                ),
            };
        }
        for (_, answer) in answers {
            // The last request of the conversation: those before it may be of another kind.
            let mut steps = happy_steps(happy);
            steps.pop();
            let Some((_, outcome)) = self.drive(call, happy, steps, Some(answer.clone())).await else {
                return;
            };
            let kinds = kinds_of(&outcome);
            // Indeterminate is what becomes of a code that no table knows, for a write.
            let read = !kinds.is_empty() && !kinds.iter().any(|k| k == Kind::Decode.name());
            report.expect(Group::Faults, read, || {
                format!("{label}: a refusal with status 200 comes out as {}", render(&outcome))
            });
            self.leaks(&label, &outcome, report);
        }
    }

    /// An ability that was taken away is refused: no write is begun, and a call that only reads sends nothing.
    pub(super) async fn revoked(&self, call: &Call, happy: &Case, report: &mut Report) {
        let Ok(bench) = self.open(Access::ReadWrite, happy_steps(happy), None) else { return };
        for facet in call.also.iter().chain([&call.facet]) {
            bench.connector.pipeline().revoke(*facet);
        }
        let outcome = (call.drive)(bench.connector.clone(), happy.input.clone()).await;
        let (begun, sent) = (bench.journal.begun().len(), bench.script.calls().len());
        let told = kinds_of(&outcome).iter().any(|k| k == Kind::Unsupported.name());
        let unsent = begun == 0 && (sent == 0 || !call.safety.is_read());
        report.expect(Group::Declaration, told && unsent, || {
            format!(
                "{}: {:?} was taken away, and {sent} requests left, {begun} writes were begun; outcome {}",
                call.op,
                call.facet,
                render(&outcome)
            )
        });
    }

    /// The same conversation in a currency without decimals and in one with three: an amount is the same number or is
    /// refused, it is never rounded or shifted.
    pub(super) async fn money(&self, call: &Call, happy: &Case, report: &mut Report) {
        let label = happy.label();
        let Some((calm, normal)) = self.drive(call, happy, happy_steps(happy), None).await else { return };
        let Ok(plain) = &normal else { return };
        let mut found = Vec::new();
        amounts(&happy.input, &mut found);
        let given = found.len();
        amounts(plain, &mut found);
        let Some((_, currency)) = found.first().cloned() else { return };
        let sent = |bench: &super::Bench| -> Vec<Decimal> {
            bench.script.calls().iter().flat_map(|r| numbers(&super::keys::plain(&self.masked(r)))).collect()
        };
        let calm_sent = sent(&calm);
        for (other, exponent) in [(Currency::JPY, 0_u32), (Currency::KWD, 3)] {
            let code = other.to_string();
            let Some(case) = in_currency(happy, &currency, &code, exponent) else { return };
            let settings = swap(&self.settings, &currency, &code);
            let opening = Opening { steps: happy_steps(&case), ..Opening::default() };
            let Ok(mut config) = self.config(Access::ReadWrite) else { return };
            let Ok(table) = settings.parse() else { return };
            config.settings = table;
            let Ok(bench) = self.open_as(config, opening) else {
                report.skip(Group::Robustness, format!("{label}: does not open for {code}"));
                continue;
            };
            let outcome = (call.drive)(bench.connector.clone(), case.input.clone()).await;
            let refused = outcome.is_err() || !kinds_of(&outcome).is_empty();
            if !refused {
                let mut shifted = Vec::new();
                if let Ok(value) = &outcome {
                    compare(plain, value, &currency, &code, exponent, given > 0, &mut shifted);
                }
                report.expect(Group::Robustness, shifted.is_empty(), || {
                    format!("{label}: in {code} amounts changed: {}", shifted.join(", "))
                });
            }
            if given == 0 {
                continue;
            }
            // What was sent of the input's amounts, in units or in hundredths, is sent again, in units or minor units.
            let mut before = Vec::new();
            amounts(&happy.input, &mut before);
            let now = sent(&bench);
            for (amount, _) in before.iter().filter(|(_, c)| *c == currency) {
                let (Some(was), Some(is)) = (number(amount), number(&respell(amount, exponent))) else {
                    continue;
                };
                if was.scale() == 0 {
                    continue; // a whole number may be any other's: a quantity's, an id's
                }
                let (units, minor) =
                    (calm_sent.contains(&was), calm_sent.contains(&(was * Decimal::ONE_HUNDRED)));
                let scaled = is * Decimal::from(10_u32.pow(exponent));
                let right = (units && now.contains(&is)) || (minor && now.contains(&scaled));
                if (units || minor) && (!refused || now.contains(&is)) {
                    report.expect(Group::Robustness, right, || {
                        format!("{label}: {is} {code} is in no request: {now:?}")
                    });
                }
            }
        }
    }
}

/// Every `{"amount", "currency"}`.
fn amounts(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            let text = |name| map.get(name).and_then(Value::as_str);
            if let (Some(amount), Some(currency)) = (text("amount"), text("currency")) {
                found.push((amount.to_owned(), currency.to_owned()));
            }
            map.values().for_each(|v| amounts(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| amounts(v, found)),
        _ => {}
    }
}

/// The case with its currency exchanged, in its input and in its answers. The input's amounts get the decimals of the
/// other currency; the answers keep theirs, as a channel that writes every amount with two would.
fn in_currency(case: &Case, from: &str, to: &str, exponent: u32) -> Option<Case> {
    let mut input = case.input.clone();
    respell_all(&mut input, from, exponent);
    let input = serde_json::from_str(&swap(&input.to_string(), from, to)).ok()?;
    let answers = case.answers.iter().map(|a| {
        let body = swap(&String::from_utf8_lossy(&a.body), from, to).into();
        Answer { body, ..a.clone() }
    });
    Some(Case { input, answers: answers.collect(), ..case.clone() })
}

fn respell_all(value: &mut Value, from: &str, exponent: u32) {
    match value {
        Value::Object(map) => {
            let mine = map.get("currency").and_then(Value::as_str) == Some(from);
            if let (true, Some(Value::String(amount))) = (mine, map.get_mut("amount")) {
                *amount = respell(amount, exponent);
            }
            map.values_mut().for_each(|v| respell_all(v, from, exponent));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| respell_all(v, from, exponent)),
        _ => {}
    }
}

/// 19.99 as 1999, or as 19.990.
fn respell(amount: &str, exponent: u32) -> String {
    if exponent == 0 { amount.replace('.', "") } else { format!("{amount}0") }
}

fn swap(text: &str, from: &str, to: &str) -> String {
    match Regex::new(&format!(r"\b{}\b", regex::escape(from))) {
        Ok(word) => word.replace_all(text, to).into_owned(),
        Err(_) => text.to_owned(),
    }
}

fn number(text: &str) -> Option<Decimal> {
    tradewind_domain::parse_decimal(text).ok().map(|d| d.normalize())
}

fn numbers(text: &str) -> Vec<Decimal> {
    let Ok(pattern) = Regex::new(r"\b[0-9]+(\.[0-9]+)?\b") else { return Vec::new() };
    pattern.find_iter(text).filter_map(|m| number(m.as_str())).collect()
}

/// Amounts at the same place that are another number than before. One that may come from the input may have been
/// respelled with it.
fn compare(
    before: &Value,
    after: &Value,
    from: &str,
    to: &str,
    exponent: u32,
    given: bool,
    shifted: &mut Vec<String>,
) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let text = |m: &serde_json::Map<String, Value>, name: &str| {
                m.get(name).and_then(Value::as_str).map(str::to_owned)
            };
            let money = |m| Some((text(m, "amount")?, text(m, "currency")?));
            if let (Some((was, c)), Some((is, d))) = (money(a), money(b))
                && (c.as_str(), d.as_str()) == (from, to)
            {
                let same =
                    number(&was) == number(&is) || (given && number(&respell(&was, exponent)) == number(&is));
                if !same {
                    shifted.push(format!("{was} {from} is {is} {to}"));
                }
            }
            for (name, inner) in a {
                if let Some(other) = b.get(name) {
                    compare(inner, other, from, to, exponent, given, shifted);
                }
            }
        }
        // A record that is refused alone may be left out: what follows then stands in another's place.
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (x, y) in a.iter().zip(b) {
                compare(x, y, from, to, exponent, given, shifted);
            }
        }
        _ => {}
    }
}
