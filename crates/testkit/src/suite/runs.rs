//! Manifest, settings, codec, declaration, robustness, specification.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use tradewind_connector::{Access, Connector, Facet, Kind, SeededChance, WireRequest};

use super::fixture::{self, Case, CaseKind};
use super::report::{Group, Report};
use super::script::{Answer, Step};
use super::{Call, Opening, Outcome, Suite, json};
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
            for (kind, name) in
                [(CaseKind::BusinessError, "business-error"), (CaseKind::RateLimit, "rate-limit")]
            {
                report.expect(Group::Manifest, has(kind), || {
                    format!("{} has no {name} case in tests/fixtures", call.op)
                });
            }
            // Not every answer has an enumeration.
            if has(CaseKind::UnknownEnum) {
                report.pass(Group::Manifest);
            } else {
                report.skip(Group::Manifest, format!("{} has no unknown-enum case", call.op));
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
            let refused = self.open_as(config, Opening::default()).err();
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
            let refused = self.open_as(config, Opening::default()).err();
            let named = refused.as_ref().is_some_and(|e| e.to_string().contains(name));
            report.expect(Group::Settings, named, || {
                format!("the missing secret '{name}' is not named: {refused:?}")
            });
        }
    }

    pub(super) fn declared(&self, report: &mut Report) {
        let Ok(bench) = self.open(Access::ReadWrite, vec![], None) else { return };
        let declared = (self.factory.capabilities)();
        let there = accessors(bench.connector.as_ref());
        for facet in Facet::ALL.into_iter().filter(|f| *f != Facet::Auth) {
            if bench.connector.capabilities().support(facet).works() {
                let found = there.iter().any(|(_, facets)| facets.contains(&facet));
                report.expect(Group::Declaration, found, || {
                    format!("{facet:?} is declared, but its accessor gives none")
                });
            }
        }
        for (name, facets) in there {
            let known = facets.iter().any(|f| declared.support(*f).works());
            report.expect(Group::Declaration, known, || {
                format!("{name} is there, but none of {facets:?} is declared: the guard refuses all of it")
            });
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
            self.left_behind(&label, &bench, report);
            let requests = bench.script.calls();
            let golden = |n: usize, request: &WireRequest| {
                fixture::golden(&case.folder.join(fixture::numbered("request", n)), &self.show(request))
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

    pub(super) fn specification(
        &self,
        call: &Call,
        case: &Case,
        requests: &[WireRequest],
        report: &mut Report,
    ) {
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
        let (before, mut uncovered) = (report.count(Group::Specification), 0);
        for (i, request) in requests.iter().enumerate() {
            let address = request.url.as_str();
            if let Some((_, why)) = self.unspecified.iter().find(|(part, _)| address.contains(part.as_str()))
            {
                report.skip(Group::Specification, format!("{label} #{}: {why}", i + 1));
                uncovered += 1;
                continue;
            }
            let answer = case.answers.get(i);
            // An unknown enumeration value is there to contradict the specification.
            let answer = answer.filter(|_| case.kind != CaseKind::UnknownEnum);
            check_exchange(&set, self.documents, request, answer, &format!("{label} #{}", i + 1), report);
        }
        if case.kind == CaseKind::Happy
            && uncovered < requests.len()
            && report.count(Group::Specification) == before
        {
            report.fail(
                Group::Specification,
                format!("{label}: nothing of it was held against the specification"),
            );
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
        let writes: Vec<String> =
            calm.script.sent().iter().filter(|s| s.writes.is_some()).map(|s| self.show(&s.request)).collect();
        let sent = bench.script.calls().iter().filter(|r| writes.contains(&self.show(r))).count();
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

    /// One record of a list is odd: it is an error in its place, and the others are what they were.
    pub(super) async fn odd_record(&self, call: &Call, case: &Case, report: &mut Report) {
        let (Some(pointer), Some(answer)) = (&call.records, case.answers.first()) else { return };
        let mut body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(records) =
            body.pointer_mut(pointer).and_then(|at| at.as_array_mut()).filter(|r| !r.is_empty())
        else {
            let text = format!("{}: its first answer has no records at '{pointer}'", case.label());
            return report.fail(Group::Robustness, text);
        };
        // No record of any channel is a number.
        records.insert(0, 7.into());
        let mut odd = case.clone();
        odd.answers[0] = Answer { body: body.to_string().into(), ..answer.clone() };
        let Some((_, normal)) = self.drive(call, case, super::happy_steps(case), None).await else { return };
        let Some((_, outcome)) = self.drive(call, &odd, super::happy_steps(&odd), None).await else { return };
        let items = |outcome: &Outcome| {
            outcome.as_ref().ok().and_then(|o| o.get("items")?.as_array().cloned()).unwrap_or_default()
        };
        let (others, found) = (items(&normal), items(&outcome));
        let told = found.first().is_some_and(|first| first.get("error").is_some());
        report.expect(Group::Robustness, told && found.get(1..) == Some(&others[..]), || {
            format!("{}: one odd record keeps back others: {}", case.label(), render(&outcome))
        });
    }

    pub(super) fn leaks(&self, label: &str, outcome: &Outcome, report: &mut Report) {
        let text = match outcome {
            Ok(value) => value.to_string(),
            Err(e) => format!("{e} {e:?}"),
        };
        for (name, value) in self.secrets_to_keep() {
            report.expect(Group::Secrets, !text.contains(value.as_str()), || {
                format!("{label}: the secret '{name}' is in the outcome")
            });
        }
    }

    /// What a bench leaves behind besides its outcome: intents, and what is told of kept answers.
    pub(super) fn left_behind(&self, label: &str, bench: &super::Bench, report: &mut Report) {
        let intents = bench.journal.begun();
        let kept = bench.journal.kept();
        let text = format!("{intents:?}")
            + &kept
                .iter()
                .map(|k| format!("{} {} {}", k.account, k.connector, k.operation))
                .collect::<String>();
        for (name, value) in self.secrets_to_keep() {
            report.expect(Group::Secrets, !text.contains(value.as_str()), || {
                format!("{label}: the secret '{name}' is in an intent or in what is told of a kept answer")
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
    // A channel that has OpenAPI documents as well speaks XML at some addresses only.
    let xml = xml_text(&body);
    if let Some(schema) = set.xsd.as_ref().filter(|_| set.documents.is_empty() || xml.is_some()) {
        let told = answer.map(|a| &a.body);
        let mut unread = Vec::new();
        for (what, body) in [("request", Some(&body)), ("answer", told)] {
            let Some(body) = body.filter(|b| !b.is_empty()) else { continue };
            // A body that is XML itself, and what an envelope or a list holds.
            let found: Vec<String> = xml_text(body).into_iter().chain(inner(body)).collect();
            for document in &found {
                tell(what, schema.check(document));
            }
            if found.is_empty() {
                unread.push(format!("{label}: there is no XML document in the {what}"));
            }
        }
        if let Some((asked, told)) = xml.zip(told)
            && let Some(unpaired) = schema.exchange(&asked, xml_text(told).as_deref())
        {
            tell("answer", vec![unpaired]);
        }
        for why in unread {
            report.skip(Group::Specification, why);
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

/// A body that is an XML document. A byte order mark or a blank before the first tag makes it no less one.
fn xml_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    text.starts_with('<').then(|| text.to_owned())
}

/// The outcome as goldens hold it.
pub(super) fn render(outcome: &Outcome) -> String {
    let value = match outcome {
        Ok(value) => value.clone(),
        Err(e) => serde_json::json!({ "error": json::error(e) }),
    };
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// The accessors that give something, with the facets that each serves.
fn accessors(c: &dyn Connector) -> Vec<(&'static str, &'static [Facet])> {
    let (m, p, l, d) = (c.marketplace(), c.payments(), c.logistics(), c.customs());
    let all: [(&'static str, bool, &'static [Facet]); 27] = [
        ("Marketplace::offers", m.and_then(|m| m.offers()).is_some(), &[Facet::Offers, Facet::Withdraw]),
        ("Marketplace::stock", m.and_then(|m| m.stock()).is_some(), &[Facet::Stock]),
        ("Marketplace::prices", m.and_then(|m| m.prices()).is_some(), &[Facet::Prices]),
        ("Marketplace::listings", m.and_then(|m| m.listings()).is_some(), &[Facet::Listings]),
        ("Marketplace::categories", m.and_then(|m| m.categories()).is_some(), &[Facet::Categories]),
        ("Marketplace::orders", m.and_then(|m| m.orders()).is_some(), &[Facet::Orders]),
        (
            "Marketplace::order_actions",
            m.and_then(|m| m.order_actions()).is_some(),
            &[Facet::Acknowledge, Facet::Ship, Facet::Cancel, Facet::Refund],
        ),
        ("Marketplace::returns", m.and_then(|m| m.returns()).is_some(), &[Facet::Returns]),
        ("Marketplace::fee_estimates", m.and_then(|m| m.fee_estimates()).is_some(), &[Facet::FeeEstimates]),
        ("Marketplace::statements", m.and_then(|m| m.statements()).is_some(), &[Facet::Statements]),
        ("Marketplace::transactions", m.and_then(|m| m.transactions()).is_some(), &[Facet::Transactions]),
        ("Marketplace::payouts", m.and_then(|m| m.payouts()).is_some(), &[Facet::Payouts]),
        ("Payments::statements", p.and_then(|p| p.statements()).is_some(), &[Facet::Statements]),
        ("Payments::transactions", p.and_then(|p| p.transactions()).is_some(), &[Facet::Transactions]),
        ("Payments::payouts", p.and_then(|p| p.payouts()).is_some(), &[Facet::Payouts]),
        ("Payments::refunds", p.and_then(|p| p.refunds()).is_some(), &[Facet::Refund]),
        ("Payments::disputes", p.and_then(|p| p.disputes()).is_some(), &[Facet::Disputes]),
        (
            "Payments::customs_payments",
            p.and_then(|p| p.customs_payments()).is_some(),
            &[Facet::CustomsPayment],
        ),
        ("Logistics::rates", l.and_then(|l| l.rates()).is_some(), &[Facet::Rates]),
        (
            "Logistics::shipments",
            l.and_then(|l| l.shipments()).is_some(),
            &[Facet::Shipments, Facet::VoidShipment],
        ),
        ("Logistics::tracking", l.and_then(|l| l.tracking()).is_some(), &[Facet::Tracking]),
        ("Logistics::pickups", l.and_then(|l| l.pickups()).is_some(), &[Facet::Pickups]),
        ("Logistics::paperwork", l.and_then(|l| l.paperwork()).is_some(), &[Facet::Paperwork]),
        (
            "Customs::declare",
            d.and_then(|d| d.declare()).is_some(),
            &[Facet::Declare, Facet::Amend, Facet::CancelDeclaration],
        ),
        ("Customs::receipts", d.and_then(|d| d.receipts()).is_some(), &[Facet::Receipts]),
        ("Customs::tax_bills", d.and_then(|d| d.tax_bills()).is_some(), &[Facet::TaxBills]),
        ("Connector::inbound", c.inbound().is_some(), &[Facet::Webhooks]),
    ];
    all.into_iter().filter(|(_, there, _)| *there).map(|(name, _, facets)| (name, facets)).collect()
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
