//! The fault matrix: one fault at each request of the happy conversation, and what must come of it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tradewind_connector::{Access, Clock, Cursor, Kind, Page, Safety, WireRequest, all_pages};

use super::fixture::Case;
use super::report::{Group, Report};
use super::runs::render;
use super::script::{Answer, Sent, Step};
use super::{Bench, Call, Opening, Outcome, Suite, happy_steps};

/// How long an answer takes in the fault matrix: a signature with the second in it must be another one in the next attempt.
const LATENCY: Duration = Duration::from_secs(1);

/// What must come of a fault.
#[derive(Clone, Copy)]
enum Want {
    /// The request is repeated once per fault and the outcome is the happy one.
    Recovers,
    /// Nobody knows whether it was carried out: said so, and not sent again.
    InDoubt,
    /// The outcome shows that something is missing.
    Shows,
}

/// A request of the happy conversation, which is faulted.
struct Turn {
    at: usize,
    safety: Safety,
    label: String,
}

impl Suite {
    pub(super) async fn faults(&self, call: &Call, happy: &Case, report: &mut Report) {
        let label = happy.label();
        let Some((calm, normal)) = self.drive(call, happy, happy_steps(happy), None).await else { return };
        self.drawn(&calm, &label, report);
        if self.skewed.is_none() {
            report
                .skip(Group::Faults, format!("{label}: the channel has no way to tell that a clock is off"));
        }
        for (at, sent) in calm.script.sent().iter().filter(|s| !s.token).enumerate() {
            let label = if at == 0 { label.clone() } else { format!("{label} #{}", at + 1) };
            let Some(safety) = call.safety_of(sent) else {
                let operation = sent.writes.as_deref().unwrap_or_default();
                report.fail(
                    Group::Faults,
                    format!("{label}: writes '{operation}', which the call does not announce"),
                );
                continue;
            };
            self.turn(call, happy, &calm, &normal, &Turn { at, safety, label }, report).await;
        }
        self.refused_twice(call, happy, report).await;
        self.repeated_cursor(call, happy, &normal, report).await;
    }

    /// Every fault at one request.
    async fn turn(
        &self,
        call: &Call,
        happy: &Case,
        calm: &Bench,
        normal: &Outcome,
        turn: &Turn,
        report: &mut Report,
    ) {
        let (label, at) = (&turn.label, turn.at);
        let expected = render(normal);
        let count = calm.script.calls().len();
        // A lost answer: a read fails or is repeated; a write that may not be repeated is in doubt.
        let lost = || if turn.safety.repeatable() { Want::Recovers } else { Want::InDoubt };
        let broken = || Step::Answer(self.broken.clone());
        let mut matrix: Vec<(String, Vec<Step>, Want)> = vec![
            ("500".into(), vec![broken()], lost()),
            ("hang after send".into(), vec![Step::Hang], lost()),
            ("refused connection".into(), vec![Step::Refused], Want::Recovers),
            ("refused connection, then a hang".into(), vec![Step::Refused, Step::Hang], lost()),
        ];
        if turn.safety.repeatable() {
            matrix.push(("500, then a refused connection".into(), vec![broken(), Step::Refused], lost()));
            matrix.push(("hang, then 500".into(), vec![Step::Hang, broken()], lost()));
        }
        if let Some(answer) = self.throttled.first() {
            let slow = || Step::Answer(answer.clone());
            matrix.push(("throttled, then 500".into(), vec![slow(), broken()], lost()));
            matrix.push((
                "refused connection, then throttled".into(),
                vec![Step::Refused, slow()],
                Want::Recovers,
            ));
        }
        for answer in &self.throttled {
            let wait = answer.headers.iter().any(|(n, _)| n == "retry-after");
            let name =
                format!("{} {}", answer.status, if wait { "with retry-after" } else { "without a time" });
            matrix.push((name, vec![Step::Answer(answer.clone())], Want::Recovers));
        }
        if let Some(answer) = &self.skewed {
            let ten_minutes = jiff::SignedDuration::from_mins(10);
            let ahead = calm.clock.now().checked_add(ten_minutes).unwrap_or(jiff::Timestamp::MAX);
            let ahead = ahead.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let answer = answer.clone().with("date", &ahead);
            matrix.push(("skewed clock".into(), vec![Step::Answer(answer)], Want::Recovers));
        }
        let cut = happy.answers.get(at).filter(|a| a.body.len() > 8 && !expected_free(&expected));
        match cut {
            Some(_) if call.open_ended.is_some() => {
                let why = call.open_ended.as_deref().unwrap_or_default();
                report.skip(Group::Faults, format!("{label}: a cut body does not show: {why}"));
            }
            Some(whole) => {
                let half = Bytes::copy_from_slice(&whole.body[..whole.body.len() / 2]);
                let step = Step::Answer(Answer { body: half, ..whole.clone() });
                let want = if turn.safety.is_read() { Want::Shows } else { Want::InDoubt };
                matrix.push(("truncated body".into(), vec![step], want));
            }
            None => report.skip(Group::Faults, format!("{label}: no body whose loss would show")),
        }
        for (name, mut faults, want) in matrix {
            let is_429 = name.contains("retry-after");
            let mut steps = happy_steps(happy);
            let more = match want {
                Want::Recovers => faults.len(),
                // The answer itself is lost: what follows gets its own.
                Want::InDoubt | Want::Shows => {
                    if let Some(last) = faults.pop() {
                        match steps.get_mut(at) {
                            Some(answer) => *answer = last,
                            None => steps.push(last),
                        }
                    }
                    faults.len()
                }
            };
            let place = at.min(steps.len());
            steps.splice(place..place, faults);
            let Some((bench, outcome)) = self.drive(call, happy, steps, None).await else { continue };
            let requests = bench.script.calls();
            self.leaks(label, &outcome, report);
            self.left_behind(label, &bench, report);
            match want {
                Want::Recovers => {
                    report.expect(Group::Faults, requests.len() == count + more, || {
                        format!("{label}: {name}: {} requests, {} were right", requests.len(), count + more)
                    });
                    report.expect(Group::Faults, render(&outcome) == expected, || {
                        format!("{label}: {name}: outcome {}", render(&outcome))
                    });
                    self.same_attempts(label, &name, requests.get(at..).unwrap_or_default(), report);
                }
                Want::InDoubt => {
                    let kinds = kinds_of(&outcome);
                    report.expect(
                        Group::Faults,
                        kinds.iter().any(|k| k == Kind::Indeterminate.name()),
                        || format!("{label}: {name}: Indeterminate expected, outcome {}", render(&outcome)),
                    );
                    // Whatever a flow does next — look it up, go on with other items — it does not send it again, under
                    // whatever key in a header. A fresh key in address or body would make it another request to this
                    // check, unless the suite names that field as volatile.
                    let mut rest = requests.iter().skip(at + more).map(|r| without_headers(&self.masked(r)));
                    let doubtful = rest.next();
                    report.expect(
                        Group::Faults,
                        doubtful.is_some() && !rest.any(|r| Some(r) == doubtful),
                        || format!("{label}: {name}: a write whose answer was lost was sent again"),
                    );
                }
                // An error, or less than was asked for; never the outcome of a whole answer.
                Want::Shows => {
                    let told = kinds_of(&outcome).iter().any(|k| k == Kind::Decode.name());
                    report.expect(Group::Faults, told || render(&outcome) != expected, || {
                        format!("{label}: {name}: nothing shows that an answer was cut off")
                    });
                    let first_fails = at > 0 || told;
                    report.expect(Group::Faults, first_fails, || {
                        format!("{label}: {name}: Decode expected, outcome {}", render(&outcome))
                    });
                }
            }
            if is_429 {
                let waited = bench.clock.now().duration_since(calm.clock.now()).as_secs();
                report.expect(Group::Faults, waited >= 7, || {
                    format!("{label}: {name}: waited {waited} s of 7")
                });
                report.expect(Group::Faults, bench.connector.pipeline().counts().throttled >= 1, || {
                    format!("{label}: {name}: not counted as throttled")
                });
            }
        }
        self.reauthenticates(call, happy, calm, &expected, turn, report).await;
    }

    /// Opens and drives.
    pub(super) async fn drive(
        &self,
        call: &Call,
        happy: &Case,
        steps: Vec<Step>,
        rest: Option<Answer>,
    ) -> Option<(Bench, Outcome)> {
        let opening = Opening { steps, rest, latency: LATENCY, ..Opening::default() };
        let bench = self.open_as(self.config(Access::ReadWrite).ok()?, opening).ok()?;
        let outcome = (call.drive)(bench.connector.clone(), happy.input.clone()).await;
        Some((bench, outcome))
    }

    /// The first two of these requests are attempts of one call: equal, but for what may and what must differ.
    fn same_attempts(&self, label: &str, name: &str, requests: &[WireRequest], report: &mut Report) {
        let [first, second, ..] = requests else { return };
        let (a, b) = (self.masked(first), self.masked(second));
        report.expect(Group::Faults, a == b, || {
            let differ = a.lines().zip(b.lines()).find(|(x, y)| x != y).unwrap_or_default();
            format!("{label}: {name}: the second attempt is another request (idempotency key?): {differ:?}")
        });
        for field in &self.fresh {
            let (x, y) = (value_of(first, field), value_of(second, field));
            if x.is_none() && y.is_none() {
                continue; // not every request is signed; one that is must come up, see `freshness`
            }
            report.compared(field);
            report.expect(Group::Faults, x.is_some() && x != y, || {
                format!("{label}: {name}: '{field}' is not fresh in the second attempt")
            });
        }
    }

    /// What may differ between attempts says which part must.
    pub(super) fn freshness(&self, report: &mut Report) {
        for field in &self.fresh {
            report.expect(Group::Faults, report.was_compared(field), || {
                format!("'{field}' is said to be fresh in every attempt, and no request has it")
            });
        }
        match &self.steady {
            Some(why) => report.skip(Group::Faults, format!("nothing need be fresh in an attempt: {why}")),
            None if self.fresh.is_empty() && !self.volatile.is_empty() => report.fail(
                Group::Faults,
                format!(
                    "of {:?} none is said to be fresh in every attempt: use Suite::fresh, or Suite::steady",
                    self.volatile
                ),
            ),
            None => {}
        }
    }

    pub(super) fn masked(&self, request: &WireRequest) -> String {
        let mut r = request.clone();
        for name in &self.volatile {
            r.headers.remove(name.as_str());
            for (_, v) in r.query.iter_mut().filter(|(k, _)| k == name) {
                v.clear();
            }
            if let tradewind_connector::Body::Form(fields) = &mut r.body {
                for (_, v) in fields.iter_mut().filter(|(k, _)| k == name) {
                    v.clear();
                }
            }
        }
        let mut text = self.show(&r);
        for name in &self.volatile {
            for re in in_bodies(name) {
                text = re.replace_all(&text, "").into_owned();
            }
        }
        text
    }

    /// Every request of the calm conversation drew from a quota.
    fn drawn(&self, calm: &Bench, label: &str, report: &mut Report) {
        if calm.connector.pipeline().limits().names().all(|n| n == "token") {
            return report.skip(Group::Faults, format!("{label}: limits.toml names no bucket"));
        }
        for (at, sent) in calm.script.sent().iter().filter(|s: &&Sent| !s.token).enumerate() {
            let address = sent.request.url.as_str();
            if let Some((_, why)) = self.unmetered.iter().find(|(part, _)| address.contains(part.as_str())) {
                report.skip(Group::Faults, format!("{label} #{}: draws from no quota: {why}", at + 1));
                continue;
            }
            report.expect(Group::Faults, sent.drew, || {
                let (method, path) = (&sent.request.method, sent.request.url.path());
                format!("{label} #{}: {method} {path} draws from no bucket or window of limits.toml", at + 1)
            });
        }
    }

    pub(super) fn dead_token(&self) -> Answer {
        self.unauthorized.clone().unwrap_or_else(|| Answer::json(401, "{}"))
    }

    async fn reauthenticates(
        &self,
        call: &Call,
        happy: &Case,
        calm: &Bench,
        expected: &str,
        turn: &Turn,
        report: &mut Report,
    ) {
        let label = &turn.label;
        if let Some(why) = &call.anonymous {
            return report.skip(Group::Faults, format!("{label}: no token to renew: {why}"));
        }
        if self.tokens.is_empty() {
            return report.skip(Group::Faults, format!("{label}: no token endpoint, nothing to refresh"));
        }
        let mut steps = happy_steps(happy);
        steps.insert(turn.at.min(steps.len()), Step::Answer(self.dead_token()));
        let Some((bench, outcome)) = self.drive(call, happy, steps, None).await else { return };
        let tokens = |b: &Bench| b.script.sent().iter().filter(|s| s.token).count();
        let (had, have) = (tokens(calm), tokens(&bench));
        let (count, sent) = (calm.script.calls().len(), bench.script.calls().len());
        report.expect(Group::Faults, have == had + 1 && sent == count + 1, || {
            format!(
                "{label}: 401: {have} token requests and {sent} calls; {} and {} were right",
                had + 1,
                count + 1
            )
        });
        report.expect(Group::Faults, render(&outcome) == *expected, || {
            format!("{label}: 401: outcome {}", render(&outcome))
        });
    }

    /// Refused again with a fresh token: no endless loop.
    async fn refused_twice(&self, call: &Call, happy: &Case, report: &mut Report) {
        if call.anonymous.is_some() || self.tokens.is_empty() {
            return;
        }
        let label = happy.label();
        let Some((_, outcome)) = self.drive(call, happy, vec![], Some(self.dead_token())).await else {
            return;
        };
        let kinds = kinds_of(&outcome);
        let known = ["unauthenticated", "needs_reauth"];
        report.expect(Group::Faults, kinds.iter().any(|k| known.contains(&k.as_str())), || {
            format!("{label}: 401 twice: outcome {}", render(&outcome))
        });
    }

    async fn repeated_cursor(&self, call: &Call, happy: &Case, normal: &Outcome, report: &mut Report) {
        if !call.paged {
            return;
        }
        let has_next = normal.as_ref().is_ok_and(|v| v.get("next").is_some_and(|n| !n.is_null()));
        // The same answer for ever: `cursor_is_sent` shows that a page of several answers goes on.
        let Some(answer) = happy.answers.first().filter(|_| has_next && happy.answers.len() == 1) else {
            return;
        };
        let Ok(bench) = self.open(Access::ReadWrite, vec![], Some(answer.clone())) else { return };
        let pages = all_pages(|cursor| {
            let future = (call.drive)(bench.connector.clone(), at_cursor(&happy.input, cursor));
            async move { Ok(Page::<Value> { items: Vec::new(), next: next_of(&future.await?) }) }
        });
        let outcome = pages.await;
        let sent = bench.script.calls().len();
        // A page number moves on by itself; the end is then the channel's total, which the answer repeats.
        let ended = match &outcome {
            Err(e) => e.kind() == Kind::Decode,
            Ok(_) => true,
        };
        report.expect(Group::Faults, ended && sent < 1000, || {
            format!("{}: the same page for ever: {sent} requests, {:?}", call.op, outcome.err())
        });
    }

    /// The second page is asked for by another request than the first.
    pub(super) async fn cursor_is_sent(&self, call: &Call, cases: &[Case], report: &mut Report) {
        for case in cases {
            let Some((one, outcome)) = self.drive(call, case, happy_steps(case), None).await else { return };
            let Some(cursor) = outcome.ok().as_ref().and_then(next_of) else { continue };
            let second = Case { input: at_cursor(&case.input, Some(cursor.clone())), ..case.clone() };
            let Some((two, _)) = self.drive(call, &second, happy_steps(case), None).await else { return };
            let first_of = |b: &Bench| b.script.calls().first().map(|r| self.masked(r));
            let (first, next) = (first_of(&one), first_of(&two));
            return report.expect(Group::Faults, next.is_some() && first != next, || {
                format!(
                    "{}: the cursor {:?} is in no request: the second page is the first again",
                    case.label(),
                    cursor.0
                )
            });
        }
        let text = format!("{}: no case has a next page: nothing shows that the cursor is sent", call.op);
        report.fail(Group::Faults, text);
    }
}

/// The input of a page.
fn at_cursor(input: &Value, cursor: Option<Cursor>) -> Value {
    let mut input = if input.is_null() { Value::Object(serde_json::Map::new()) } else { input.clone() };
    if let (Value::Object(map), Some(Cursor(text))) = (&mut input, cursor) {
        map.insert("cursor".to_owned(), Value::String(text));
    }
    input
}

fn next_of(page: &Value) -> Option<Cursor> {
    page.get("next").and_then(Value::as_str).map(|t| Cursor(t.to_owned()))
}

fn expected_free(expected: &str) -> bool {
    // An outcome that says nothing cannot show that the answer was cut.
    matches!(expected.trim(), "null" | "[]" | "{}")
}

/// The kinds of error in an outcome: of the call, or of its items.
pub(super) fn kinds_of(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Err(e) => vec![e.kind().name().to_owned()],
        Ok(value) => {
            let mut kinds = Vec::new();
            let mut open = vec![value];
            while let Some(v) = open.pop() {
                match v {
                    Value::Object(map) => {
                        if let Some(kind) =
                            map.get("error").and_then(|e| e.get("kind")).and_then(Value::as_str)
                        {
                            kinds.push(kind.to_owned());
                        }
                        open.extend(map.values());
                    }
                    Value::Array(items) => open.extend(items),
                    _ => {}
                }
            }
            kinds
        }
    }
}

/// Address and body of a request as goldens show it.
fn without_headers(shown: &str) -> String {
    let address = shown.lines().take(2).collect::<Vec<_>>().join("\n");
    let body = shown.split_once("\n\n").map(|(_, body)| body).unwrap_or_default();
    format!("{address}\n{body}")
}

fn value_of(request: &WireRequest, field: &str) -> Option<String> {
    if let Some(v) = request.headers.get(field) {
        return Some(String::from_utf8_lossy(v.as_bytes()).into_owned());
    }
    let form = match &request.body {
        tradewind_connector::Body::Form(fields) => fields.as_slice(),
        _ => &[],
    };
    let named = request.query.iter().chain(form).find(|(k, _)| k == field).map(|(_, v)| v.clone());
    named.or_else(|| {
        let (_, body) = request.body_bytes()?;
        let text = String::from_utf8_lossy(&body);
        in_bodies(field).iter().find_map(|re| re.find(&text).map(|m| m.as_str().to_owned()))
    })
}

/// How a field stands in a body: `<name>…<`, `"name":"…"`, `"name":1`.
fn in_bodies(name: &str) -> Vec<regex::Regex> {
    let name = regex::escape(name);
    let patterns =
        [format!("<{name}>[^<]*<"), format!("\"{name}\":\\s*\"[^\"]*\""), format!("\"{name}\":\\s*[0-9.]+")];
    patterns.iter().filter_map(|pattern| regex::Regex::new(pattern).ok()).collect()
}
