//! The fault matrix: one fault before the happy answers, and what must come of it.

use bytes::Bytes;
use serde_json::Value;
use tradewind_connector::{Access, Clock, Cursor, Kind, Page, WireRequest, all_pages};

use super::fixture::{Case, show};
use super::report::{Group, Report};
use super::runs::render;
use super::script::{Answer, Step};
use super::{Bench, Call, Outcome, Suite};

/// What must come of a fault.
enum Want {
    /// The fault is repeated once and the outcome is the happy one.
    Recovers,
    /// An error of this kind after so many requests.
    Fails(Kind, usize),
}

impl Suite {
    pub(super) async fn faults(&self, call: &Call, happy: &Case, report: &mut Report) {
        let label = happy.label();
        let Some((calm, normal)) = self.drive(call, happy, vec![], None).await else { return };
        let expected = render(&normal);
        let count = calm.script.calls().len();
        self.drawn(call, happy, report).await;

        let repeatable = call.safety.repeatable();
        // A lost answer: a read fails or is repeated; a write that may not be repeated is in doubt.
        let lost = || if repeatable { Want::Recovers } else { Want::Fails(Kind::Indeterminate, 1) };
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
        } else {
            report
                .skip(Group::Faults, format!("{label}: the channel has no way to tell that a clock is off"));
        }
        let cut = happy.answers.first().filter(|a| a.body.len() > 8 && !expected_free(&expected));
        match cut {
            Some(_) if call.open_ended.is_some() => {
                let why = call.open_ended.as_deref().unwrap_or_default();
                report.skip(Group::Faults, format!("{label}: a cut body does not show: {why}"));
            }
            Some(first) => {
                let half = Bytes::copy_from_slice(&first.body[..first.body.len() / 2]);
                let want = if call.safety.is_read() { Kind::Decode } else { Kind::Indeterminate };
                let step = Step::Answer(Answer { body: half, ..first.clone() });
                matrix.push(("truncated body".into(), step, Want::Fails(want, 1)));
            }
            None => report.skip(Group::Faults, format!("{label}: no body whose loss would show")),
        }
        for (name, step, want) in matrix {
            let is_429 = name.contains("retry-after");
            let Some((bench, outcome)) = self.drive(call, happy, vec![step], None).await else { continue };
            let requests = bench.script.calls();
            self.leaks(&label, &outcome, report);
            match want {
                Want::Recovers => {
                    report.expect(Group::Faults, requests.len() == count + 1, || {
                        format!("{label}: {name}: {} requests, {} were right", requests.len(), count + 1)
                    });
                    report.expect(Group::Faults, render(&outcome) == expected, || {
                        format!("{label}: {name}: outcome {}", render(&outcome))
                    });
                    self.same_attempts(&label, &name, &requests, report);
                }
                Want::Fails(kind, n) => {
                    let kinds = kinds_of(&outcome);
                    report.expect(Group::Faults, kinds.iter().any(|k| k == kind.name()), || {
                        format!("{label}: {name}: {kind:?} expected, outcome {}", render(&outcome))
                    });
                    // A batch call may go on with the calls after the doubtful one.
                    report.expect(
                        Group::Faults,
                        requests.len() >= n && requests.len() <= count.max(n),
                        || format!("{label}: {name}: {} requests, {n} were right", requests.len()),
                    );
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
        self.reauthenticates(call, happy, count, &expected, report).await;
        self.repeated_cursor(call, happy, &normal, report).await;
    }

    /// Opens, puts the steps before the happy answers, drives.
    async fn drive(
        &self,
        call: &Call,
        happy: &Case,
        mut steps: Vec<Step>,
        rest: Option<Answer>,
    ) -> Option<(Bench, Outcome)> {
        steps.extend(happy.answers.iter().cloned().map(Step::Answer));
        let bench = self.open(Access::ReadWrite, steps, rest).ok()?;
        let outcome = (call.drive)(bench.connector.clone(), happy.input.clone()).await;
        Some((bench, outcome))
    }

    /// The first two requests are attempts of one call: equal, but for what may and what must differ.
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
        let steps = happy.answers.iter().cloned().map(Step::Answer).collect();
        let Ok(bench) = self.open(Access::ReadWrite, steps, None) else { return };
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

    async fn reauthenticates(
        &self,
        call: &Call,
        happy: &Case,
        count: usize,
        expected: &str,
        report: &mut Report,
    ) {
        let label = happy.label();
        let dead = self.unauthorized.clone().unwrap_or_else(|| Answer::json(401, "{}"));
        if let Some(why) = &call.anonymous {
            return report.skip(Group::Faults, format!("{label}: no token to renew: {why}"));
        }
        if self.tokens.is_empty() {
            return report.skip(Group::Faults, format!("{label}: no token endpoint, nothing to refresh"));
        }
        let Some((bench, outcome)) = self.drive(call, happy, vec![Step::Answer(dead.clone())], None).await
        else {
            return;
        };
        let sent = bench.script.sent();
        let tokens = sent.iter().filter(|s| s.token).count();
        let right = tokens == 2 || (tokens == 1 && sent.first().is_some_and(|s| !s.token));
        report.expect(Group::Faults, right && sent.len() - tokens == count + 1, || {
            format!(
                "{label}: 401: {tokens} token requests and {} calls; one refresh and {} calls were right",
                sent.len() - tokens,
                count + 1
            )
        });
        report.expect(Group::Faults, render(&outcome) == *expected, || {
            format!("{label}: 401: outcome {}", render(&outcome))
        });
        // Refused again with a fresh token: no endless loop.
        let Ok(bench) = self.open(Access::ReadWrite, vec![], Some(dead)) else { return };
        let outcome = (call.drive)(bench.connector.clone(), happy.input.clone()).await;
        let kinds = kinds_of(&outcome);
        let known = ["unauthenticated", "needs_reauth"];
        report.expect(Group::Faults, kinds.iter().any(|k| known.contains(&k.as_str())), || {
            format!("{label}: 401 twice: outcome {}", render(&outcome))
        });
        report.expect(Group::Faults, !bench.journal.keys().is_empty() || call.safety.is_read(), || {
            format!("{label}: a write without an intent in the journal")
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
