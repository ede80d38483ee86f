//! Manifest, settings, codec, declaration, robustness, specification.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use tradewind_connector::{Access, Connector, Facet, Kind, SeededChance, WireRequest};

use super::fixture::{self, Case, CaseKind};
use super::report::{Group, Report};
use super::script::{Answer, Step};
use super::{Call, Outcome, Suite, json};
use crate::spec::SpecSet;

impl Suite {
    pub(super) fn manifest(&self, cases: &BTreeMap<String, Vec<Case>>, report: &mut Report) {
        for (facet, support) in
            (self.factory.capabilities)().iter().filter(|(f, s)| s.works() && *f != Facet::Webhooks)
        {
            let covered = self.calls.iter().any(|c| c.facet == facet || c.also.contains(&facet));
            report.expect(Group::Manifest, covered, || {
                format!("{facet:?} is declared {support:?}, but no call of the suite exercises it")
            });
        }
        for call in &self.calls {
            let own = cases.get(&call.op).map(Vec::as_slice).unwrap_or_default();
            let has = |kind| own.iter().any(|c| c.kind == kind);
            report.expect(Group::Manifest, has(CaseKind::Happy), || {
                format!("{} has no happy case in tests/fixtures", call.op)
            });
            for (kind, name) in [
                (CaseKind::BusinessError, "business-error"),
                (CaseKind::RateLimit, "rate-limit"),
                (CaseKind::UnknownEnum, "unknown-enum"),
            ] {
                if has(kind) {
                    report.pass(Group::Manifest);
                } else {
                    report.skip(Group::Manifest, format!("{} has no {name} case", call.op));
                }
            }
        }
        for op in cases.keys().filter(|op| !self.calls.iter().any(|c| c.op == **op)) {
            report.fail(Group::Manifest, format!("fixtures of '{op}' belong to no call"));
        }
    }

    pub(super) fn settings_checks(&self, report: &mut Report) {
        let opened = self.open(Access::ReadWrite, vec![], None);
        match &opened {
            Ok(bench) => {
                report.expect(Group::Settings, bench.script.sent().is_empty(), || {
                    "opening made a request".to_owned()
                });
                report.expect(Group::Settings, bench.connector.info().id.as_str() == self.factory.id, || {
                    "info().id is not the factory's id".to_owned()
                });
            }
            Err(e) => report.fail(Group::Settings, format!("the settings do not open: {e}")),
        }
        if let Ok(mut config) = self.config(Access::ReadWrite) {
            config.settings.insert("no_such_setting".to_owned(), true.into());
            let refused = self.open_with(config, vec![], None).err();
            let named = refused.as_ref().is_some_and(|e| e.to_string().contains("no_such_setting"));
            report.expect(Group::Settings, named, || {
                format!("an unknown setting is not refused by name: {refused:?}")
            });
        }
        for name in self.factory.secrets {
            if let Some((_, why)) = self.optional.iter().find(|(n, _)| n == name) {
                report.skip(Group::Settings, format!("the secret '{name}' may be missing: {why}"));
                continue;
            }
            let Ok(mut config) = self.config(Access::ReadWrite) else { continue };
            let left: Vec<(&str, &str)> = self
                .secrets
                .iter()
                .filter(|(k, _)| k != name)
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect();
            config.secrets = tradewind_connector::Secrets::of(&left);
            let refused = self.open_with(config, vec![], None).err();
            let named = refused.as_ref().is_some_and(|e| e.to_string().contains(name));
            report.expect(Group::Settings, named, || {
                format!("the missing secret '{name}' is not named: {refused:?}")
            });
        }
    }

    pub(super) fn declared(&self, report: &mut Report) {
        let Ok(bench) = self.open(Access::ReadWrite, vec![], None) else { return };
        for facet in Facet::ALL {
            let works = bench.connector.capabilities().support(facet).works();
            // Facets that share a trait are told apart by what their call answers.
            if let (Some(there), true) = (present(bench.connector.as_ref(), facet), works) {
                report.expect(Group::Declaration, there, || {
                    format!("{facet:?} is declared, but its accessor gives none")
                });
            }
        }
    }

    pub(super) async fn codec(&self, call: &Call, cases: &[Case], report: &mut Report) {
        for case in cases {
            let label = case.label();
            let steps = case.answers.iter().cloned().map(Step::Answer).collect();
            // A rate-limit answer is met by a retry; it gets the same answer again until patience ends.
            let rest = (case.kind == CaseKind::RateLimit).then(|| case.answers.last().cloned()).flatten();
            let bench = match self.open(Access::ReadWrite, steps, rest) {
                Ok(bench) => bench,
                Err(e) => return report.fail(Group::Codec, format!("{label}: {e}")),
            };
            let outcome = (call.drive)(bench.connector.clone(), case.input.clone()).await;
            self.leaks(&label, &outcome, report);
            let requests = bench.script.calls();
            let golden = |n: usize, request: &WireRequest| {
                fixture::golden(&case.folder.join(fixture::numbered("request", n)), &fixture::show(request))
            };
            let shown = if case.kind == CaseKind::RateLimit { 1 } else { requests.len() };
            for (i, request) in requests.iter().take(shown).enumerate() {
                let result = golden(i + 1, request);
                report.expect(Group::Codec, result.is_ok(), || {
                    format!("{label}: {}", result.err().unwrap_or_default())
                });
            }
            report.expect(Group::Codec, bench.script.unused() == 0, || {
                format!("{label}: {} of the recorded answers were never asked for", bench.script.unused())
            });
            let text = render(&outcome);
            let result = fixture::golden(&case.folder.join("expected"), &text);
            report.expect(Group::Codec, result.is_ok(), || {
                format!("{label}: {}", result.err().unwrap_or_default())
            });
            self.case_kind(case, &outcome, report);
            self.specification(call, case, &requests, report);
        }
    }

    /// The outcome must be what the kind of the case says.
    fn case_kind(&self, case: &Case, outcome: &Outcome, report: &mut Report) {
        let label = case.label();
        let refused = match outcome {
            Err(_) => true,
            Ok(value) => value.to_string().contains("\"error\":"),
        };
        match case.kind {
            // Kept in the outcome, or told apart as an unknown code: neither success nor failure.
            CaseKind::UnknownEnum => {
                let open = [Kind::UnknownCode.name(), Kind::Indeterminate.name()];
                let kinds = super::faults::kinds_of(outcome);
                let right = kinds.iter().all(|k| open.contains(&k.as_str()));
                report.expect(Group::Codec, right, || format!("{label}: {}", render(outcome)));
            }
            CaseKind::Happy => {
                report.expect(Group::Codec, outcome.is_ok(), || format!("{label}: {}", render(outcome)));
            }
            CaseKind::BusinessError => {
                report.expect(Group::Codec, refused, || {
                    format!("{label}: a business error was taken for success")
                });
            }
            CaseKind::RateLimit => {
                let kinds = super::faults::kinds_of(outcome);
                let limit = [Kind::RateLimited.name(), Kind::QuotaExhausted.name()];
                let right = kinds.iter().any(|k| limit.contains(&k.as_str()));
                report.expect(Group::Codec, right, || format!("{label}: a rate limit came out as {kinds:?}"));
            }
            CaseKind::Other => {}
        }
    }

    fn specification(&self, call: &Call, case: &Case, requests: &[WireRequest], report: &mut Report) {
        let label = case.label();
        if let Some(why) = &call.no_spec {
            return report.skip(Group::Specification, format!("{label}: {why}"));
        }
        let channel = self.spec.as_deref().unwrap_or(self.factory.id);
        let set = match self.spec_set.clone().map_or_else(|| SpecSet::for_channel(channel), Ok) {
            Ok(set) => set,
            Err(why) => return report.skip(Group::Specification, format!("{label}: {why}")),
        };
        if case.kind == CaseKind::RateLimit {
            return;
        }
        for (i, request) in requests.iter().enumerate() {
            let address = request.url.as_str();
            if let Some((_, why)) = self.unspecified.iter().find(|(part, _)| address.contains(part.as_str()))
            {
                report.skip(Group::Specification, format!("{label} #{}: {why}", i + 1));
                continue;
            }
            let answer = case.answers.get(i);
            // An unknown enumeration value is there to contradict the specification.
            let answer = answer.filter(|_| case.kind != CaseKind::UnknownEnum);
            check_exchange(&set, self.documents, request, answer, &format!("{label} #{}", i + 1), report);
        }
    }

    /// A conversation that writes, on an account that may not: it may look things up, no more.
    pub(super) async fn read_only(&self, call: &Call, case: &Case, report: &mut Report) {
        let steps = || case.answers.iter().cloned().map(Step::Answer).collect();
        let Ok(calm) = self.open(Access::ReadWrite, steps(), None) else { return };
        let _ = (call.drive)(calm.connector.clone(), case.input.clone()).await;
        if calm.journal.begun().is_empty() {
            return report.expect(Group::Declaration, call.safety.is_read(), || {
                format!("{}: announced as a write, and the happy case writes nothing", call.op)
            });
        }
        let Ok(bench) = self.open(Access::ReadOnly, steps(), None) else { return };
        let outcome = (call.drive)(bench.connector.clone(), case.input.clone()).await;
        let begun = bench.journal.begun().len();
        let refused = match &outcome {
            Err(e) => e.to_string().contains("read-only"),
            Ok(v) => v.to_string().contains("read-only"),
        };
        // A read-only pipeline begins no intent; beyond that, no request may be one of the calm run's writes.
        let writes: Vec<String> = calm
            .script
            .sent()
            .iter()
            .filter(|s| s.writes.is_some())
            .map(|s| fixture::show(&s.request))
            .collect();
        let sent = bench.script.calls().iter().filter(|r| writes.contains(&fixture::show(r))).count();
        report.expect(Group::Declaration, begun == 0 && sent == 0 && refused, || {
            format!("{}: a read-only account sent {sent} writes; outcome {}", call.op, render(&outcome))
        });
    }

    pub(super) async fn mutilated(&self, call: &Call, case: &Case, report: &mut Report) {
        if case.answers.iter().all(|a| a.body.is_empty()) {
            return report.skip(Group::Robustness, format!("{}: the answer has no body", call.op));
        }
        let chance = SeededChance::new(7);
        for (at, answer) in case.answers.iter().enumerate().filter(|(_, a)| !a.body.is_empty()) {
            for round in 0..if at == 0 { 48 } else { 16 } {
                let body = mutilate(&answer.body, round, &chance);
                let answer = Answer { body, ..answer.clone() };
                let steps = case.answers.iter().take(at).cloned().map(Step::Answer).collect();
                let Ok(bench) = self.open(Access::ReadWrite, steps, Some(answer.clone())) else { return };
                // The call runs as a task of its own: a panic in it is caught, and is the failure.
                let task = tokio::spawn((call.drive)(bench.connector.clone(), case.input.clone()));
                match task.await {
                    Ok(outcome) => {
                        report.pass(Group::Robustness);
                        self.leaks(&case.label(), &outcome, report);
                    }
                    Err(e) => {
                        let body =
                            String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
                        let text = format!("{} #{}: {e} on answer {body}", case.label(), at + 1);
                        return report.fail(Group::Robustness, text);
                    }
                }
            }
        }
    }

    pub(super) fn leaks(&self, label: &str, outcome: &Outcome, report: &mut Report) {
        let text = match outcome {
            Ok(value) => value.to_string(),
            Err(e) => format!("{e} {e:?}"),
        };
        for (name, value) in self.secrets.iter().filter(|(_, v)| v.len() >= 6) {
            report.expect(Group::Secrets, !text.contains(value.as_str()), || {
                format!("{label}: the secret '{name}' is in the outcome")
            });
        }
    }
}

/// Validates one exchange against a channel's specification.
pub(crate) fn check_exchange(
    set: &SpecSet,
    inner: fn(&[u8]) -> Vec<String>,
    request: &WireRequest,
    answer: Option<&Answer>,
    label: &str,
    report: &mut Report,
) {
    let url = request.full_url();
    let (content_type, body) = request.body_bytes().unwrap_or_default();
    let mut headers: HeaderMap = request.headers.clone();
    if let Ok(value) = content_type.parse()
        && !content_type.is_empty()
    {
        headers.entry(http::header::CONTENT_TYPE).or_insert(value);
    }
    let mut tell = |what: &str, found: Vec<crate::spec::Violation>| {
        let some: Vec<String> = found.iter().take(3).map(ToString::to_string).collect();
        report.expect(Group::Specification, found.is_empty(), || {
            format!("{label}: {} of the {what}: {}", found.len(), some.join("; "))
        });
    };
    if let Some(schema) = &set.graphql {
        if request.url.path().ends_with("graphql.json") {
            tell("request", schema.request_body(&body));
            if let Some(answer) = answer.filter(|a| a.status < 300) {
                tell("answer", schema.response_body(&body, &answer.body));
            }
        } else {
            let why = format!("{label}: {} is no GraphQL: the schema does not cover it", request.url.path());
            report.skip(Group::Specification, why);
        }
        return;
    }
    if let Some(methods) = &set.top {
        let params: Vec<(String, String)> =
            url.query_pairs().into_owned().chain(url::form_urlencoded::parse(&body).into_owned()).collect();
        tell("request", methods.request(&params));
        if let Some(answer) = answer.filter(|a| a.status < 300) {
            tell("answer", methods.response(&params, &answer.body));
        }
        return;
    }
    if let Some(schema) = &set.xsd {
        // A body that is XML itself, and what an envelope or a list holds.
        let documents = |body: &[u8]| {
            let own = body.starts_with(b"<").then(|| String::from_utf8_lossy(body).into_owned());
            own.into_iter().chain(inner(body)).collect::<Vec<_>>()
        };
        for document in documents(&body) {
            tell("request", schema.check(&document));
        }
        for document in answer.map(|a| documents(&a.body)).unwrap_or_default() {
            tell("answer", schema.check(&document));
        }
        return;
    }
    let verdict = set.request(&request.method, &url, &headers, &body);
    tell("request", verdict.violations);
    let mut excused = verdict.excused;
    if let Some(answer) = answer {
        let path = request.url.path();
        let verdict = set.response(&request.method, path, answer.status, &answer.header_map(), &answer.body);
        tell("answer", verdict.violations);
        excused.extend(verdict.excused);
    }
    for reason in excused {
        report.excuse(format!("{label}: {reason}"));
    }
}

/// The outcome as goldens hold it.
pub(super) fn render(outcome: &Outcome) -> String {
    let value = match outcome {
        Ok(value) => value.clone(),
        Err(e) => serde_json::json!({ "error": json::error(e) }),
    };
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// Is the facet's accessor there? `None` for facets that are a method of another's trait.
fn present(c: &dyn Connector, facet: Facet) -> Option<bool> {
    let m = c.marketplace();
    let p = c.payments();
    let l = c.logistics();
    let d = c.customs();
    Some(match facet {
        Facet::Offers | Facet::Withdraw => m.and_then(|m| m.offers()).is_some(),
        Facet::Stock => m.and_then(|m| m.stock()).is_some(),
        Facet::Prices => m.and_then(|m| m.prices()).is_some(),
        Facet::Listings => m.and_then(|m| m.listings()).is_some(),
        Facet::Categories => m.and_then(|m| m.categories()).is_some(),
        Facet::Orders => m.and_then(|m| m.orders()).is_some(),
        Facet::Acknowledge | Facet::Ship | Facet::Cancel => m.and_then(|m| m.order_actions()).is_some(),
        Facet::Returns => m.and_then(|m| m.returns()).is_some(),
        Facet::FeeEstimates => m.and_then(|m| m.fee_estimates()).is_some(),
        Facet::Rates => l.and_then(|l| l.rates()).is_some(),
        Facet::Shipments | Facet::VoidShipment => l.and_then(|l| l.shipments()).is_some(),
        Facet::Tracking => l.and_then(|l| l.tracking()).is_some(),
        Facet::Webhooks => c.inbound().is_some(),
        Facet::Refund => m.and_then(|m| m.order_actions()).is_some() || p.is_some(),
        Facet::Statements | Facet::Transactions | Facet::Payouts => m.is_some() || p.is_some(),
        Facet::Disputes | Facet::CustomsPayment => p.is_some() || m.is_some(),
        Facet::Pickups | Facet::Paperwork => l.is_some(),
        Facet::Declare | Facet::Amend | Facet::CancelDeclaration | Facet::Receipts | Facet::TaxBills => {
            d.is_some()
        }
        Facet::Auth => return None,
    })
}

/// One of several kinds of damage, repeatable.
fn mutilate(body: &Bytes, round: u64, chance: &SeededChance) -> Bytes {
    use tradewind_connector::Chance;
    let pick = |n: usize| usize::try_from(chance.next_u64() % (n.max(1) as u64)).unwrap_or(0);
    let text = String::from_utf8_lossy(body);
    match round % 8 {
        0 => Bytes::copy_from_slice(&body[..pick(body.len())]),
        1 => {
            let mut bytes = body.to_vec();
            for _ in 0..4 {
                let at = pick(bytes.len());
                if let Some(b) = bytes.get_mut(at) {
                    *b ^= u8::try_from(1 + pick(255)).unwrap_or(1);
                }
            }
            bytes.into()
        }
        2 => text.replace('"', "").into(),
        3 => text.replacen(|c: char| c.is_ascii_digit(), "-", 1 + pick(20)).into(),
        4 => text.replace(|c: char| c.is_ascii_digit(), "99999999999999999999").into(),
        5 => text.replace('[', "{").replace(']', "}").into(),
        6 => text.replacen("\":", "\":null,\"x\":", 1 + pick(6)).into(),
        _ => (0..pick(200)).map(|_| u8::try_from(pick(256)).unwrap_or(0)).collect::<Vec<u8>>().into(),
    }
}
