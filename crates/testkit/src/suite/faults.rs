//! The fault matrix: one fault at each request of the happy conversation, and what must come of it.

use bytes::Bytes;
use serde_json::Value;
use tradewind_connector::{Access, Clock, Cursor, Kind, Page, Safety, WireRequest, all_pages};

use super::fixture::{Case, show};
use super::report::{Group, Report};
use super::runs::render;
use super::script::{Answer, Step};
use super::{Bench, Call, Outcome, Suite};

/// What must come of a fault.
#[derive(Clone, Copy)]
enum Want {
    /// The request is repeated once and the outcome is the happy one.
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
        self.drawn(call, happy, report).await;
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
        let mut matrix: Vec<(String, Step, Want)> = vec![
            ("500".into(), Step::Answer(self.broken.clone()), lost()),
            ("hang after send".into(), Step::Hang, lost()),
            ("refused connection".into(), Step::Refused, Want::Recovers),
        ];
        for answer in &self.throttled {
            let wait = answer.headers.iter().any(|(n, _)| n == "retry-after");
            let name =
                format!("{} {}", answer.status, if wait { "with retry-after" } else { "without a time" });
            matrix.push((name, Step::Answer(answer.clone()), Want::Recovers));
        }
        if let Some(answer) = &self.skewed {
            let ten_minutes = jiff::SignedDuration::from_mins(10);
            let ahead = calm.clock.now().checked_add(ten_minutes).unwrap_or(jiff::Timestamp::MAX);
            let ahead = ahead.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let answer = answer.clone().with("date", &ahead);
            matrix.push(("skewed clock".into(), Step::Answer(answer), Want::Recovers));
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
                matrix.push(("truncated body".into(), step, want));
            }
            None => report.skip(Group::Faults, format!("{label}: no body whose loss would show")),
        }
        for (name, step, want) in matrix {
            let is_429 = name.contains("retry-after");
            let mut steps = happy_steps(happy);
            match want {
                Want::Recovers => steps.insert(at.min(steps.len()), step),
                // The answer itself is lost: what follows gets its own.
                Want::InDoubt | Want::Shows => match steps.get_mut(at) {
                    Some(answer) => *answer = step,
                    None => steps.push(step),
                },
            }
            let Some((bench, outcome)) = self.drive(call, happy, steps, None).await else { continue };
            let requests = bench.script.calls();
            self.leaks(label, &outcome, report);
            match want {
                Want::Recovers => {
                    report.expect(Group::Faults, requests.len() == count + 1, || {
                        format!("{label}: {name}: {} requests, {} were right", requests.len(), count + 1)
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
                    let mut rest = requests.iter().skip(at).map(|r| without_headers(&self.masked(r)));
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
                report.expect(Group::Faults, waited >= 6, || {
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
    async fn drive(
        &self,
        call: &Call,
        happy: &Case,
        steps: Vec<Step>,
        rest: Option<Answer>,
    ) -> Option<(Bench, Outcome)> {
        let bench = self.open(Access::ReadWrite, steps, rest).ok()?;
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
            report.expect(Group::Faults, x.is_some() && x != y, || {
                format!("{label}: {name}: '{field}' is not fresh in the second attempt")
            });
        }
    }

    fn masked(&self, request: &WireRequest) -> String {
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
        let mut text = show(&r);
        for name in &self.volatile {
            // <name>…</name> and "name":"…" in bodies.
            for pattern in [format!("<{name}>[^<]*<"), format!("\"{name}\":\\s*\"[^\"]*\"")] {
                if let Ok(re) = regex::Regex::new(&pattern) {
                    text = re.replace_all(&text, "").into_owned();
                }
            }
        }
        text
    }

    async fn drawn(&self, call: &Call, happy: &Case, report: &mut Report) {
        let Ok(bench) = self.open(Access::ReadWrite, happy_steps(happy), None) else { return };
        let pipeline = bench.connector.pipeline();
        let names: Vec<String> = pipeline
            .limits()
            .bucket
            .iter()
            .map(|b| b.name.clone())
            .chain(pipeline.limits().window.iter().map(|w| w.name.clone()))
            .filter(|n| n != "token")
            .collect();
        if names.is_empty() {
            return report.skip(Group::Faults, format!("{}: limits.toml names no bucket", call.op));
        }
        let before: Vec<Option<u32>> = names.iter().map(|n| pipeline.available(n)).collect();
        let _ = (call.drive)(bench.connector.clone(), happy.input.clone()).await;
        let pipeline = bench.connector.pipeline();
        let after: Vec<Option<u32>> = names.iter().map(|n| pipeline.available(n)).collect();
        let signalled = before.iter().zip(&after).any(|(b, a)| b != a);
        if signalled {
            report.pass(Group::Faults);
        } else {
            // Per-object buckets and buckets with a fast refill show nothing here.
            report.skip(Group::Faults, format!("{}: no account bucket shows the draw", call.op));
        }
    }

    fn dead_token(&self) -> Answer {
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
        let Some(answer) = happy.answers.first().filter(|_| has_next && happy.answers.len() == 1) else {
            return report.skip(Group::Faults, format!("{}: the happy case is the last page", call.op));
        };
        let Ok(bench) = self.open(Access::ReadWrite, vec![], Some(answer.clone())) else { return };
        let pages = all_pages(|cursor| {
            let mut input = happy.input.clone();
            if let (Value::Object(map), Some(Cursor(text))) = (&mut input, cursor) {
                map.insert("cursor".to_owned(), Value::String(text));
            }
            let future = (call.drive)(bench.connector.clone(), input);
            async move {
                let page = future.await?;
                let next = page.get("next").and_then(Value::as_str).map(|t| Cursor(t.to_owned()));
                Ok(Page::<Value> { items: Vec::new(), next })
            }
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
}

fn happy_steps(happy: &Case) -> Vec<Step> {
    happy.answers.iter().cloned().map(Step::Answer).collect()
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
    let address = shown.lines().next().unwrap_or_default();
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
    request.query.iter().chain(form).find(|(k, _)| k == field).map(|(_, v)| v.clone())
}
