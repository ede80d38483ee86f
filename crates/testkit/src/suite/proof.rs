//! A channel that signs its answers: what it has not signed decides nothing.

use std::collections::BTreeMap;

use tradewind_connector::{Access, Kind};

use super::faults::kinds_of;
use super::fixture::{Case, CaseKind};
use super::report::{Group, Report};
use super::runs::render;
use super::script::{Answer, Step};
use super::{Call, Opening, Suite, happy_steps};

/// What a box on the way answers for the channel: no request, no login, no right, no such thing, too many.
const IN_BETWEEN: [u16; 5] = [400, 401, 403, 404, 429];

impl Suite {
    /// Whether answers must be proven is seen from the connector, so that no test leaves it out. A token of somebody else's is not used.
    pub(super) async fn proofs(&self, cases: &BTreeMap<String, Vec<Case>>, report: &mut Report) {
        let Ok(bench) = self.open(Access::ReadWrite, vec![], None) else { return };
        let wants = self.calls.iter().any(|c| bench.connector.pipeline().wants_proof(&c.op));
        report.expect(Group::Manifest, wants == self.proof.is_some(), || {
            let text = match wants {
                true => {
                    "unsigned answers are not believed: say how they are signed with Suite::signs_answers"
                }
                false => "answers are said to be signed, and a bare one is believed",
            };
            text.to_owned()
        });
        if self.proof.is_none() || self.tokens.is_empty() {
            return;
        }
        // Without a call that has a token, `dead_logins` fails.
        let Some((call, case)) = self.with_a_token(cases) else { return };
        let opening = Opening { steps: happy_steps(case), forges_tokens: true, ..Opening::default() };
        let Ok(config) = self.config(Access::ReadWrite) else { return };
        let Ok(bench) = self.open_as(config, opening) else { return };
        let outcome = (call.drive)(bench.connector.clone(), case.input.clone()).await;
        let sent = bench.script.calls().len();
        report.expect(Group::Faults, sent == 0 && !kinds_of(&outcome).is_empty(), || {
            format!("{}: a forged token is used: {sent} calls, outcome {}", case.label(), render(&outcome))
        });
    }

    /// Each answer of a case, forged, and what others answer in its place: a read fails, a write is in doubt. A refusal that is
    /// believed would free the key of a write that was carried out.
    pub(super) async fn forgeries(&self, call: &Call, case: &Case, report: &mut Report) {
        if self.proof.is_none() {
            return;
        }
        let label = case.label();
        let Some((calm, _)) = self.drive(call, case, happy_steps(case), None).await else { return };
        for (at, sent) in calm.script.sent().iter().filter(|s| !s.token).enumerate() {
            let Some(answer) = case.answers.get(at) else { continue };
            let n = at + 1;
            if answer.status >= 500 {
                report.skip(
                    Group::Faults,
                    format!("{label} #{n}: a server's error decides nothing, signed or not"),
                );
                continue;
            }
            let mut fakes = vec![("a forged answer".to_owned(), Step::Forged(answer.clone()))];
            if case.kind == CaseKind::Happy {
                let bare = |status| (format!("an unsigned {status}"), Step::Bare(front(status)));
                fakes.extend(IN_BETWEEN.map(bare));
            }
            let want = if sent.writes.is_some() { Kind::Indeterminate } else { Kind::Decode };
            for (name, fake) in fakes {
                let mut steps = happy_steps(case);
                steps[at] = fake;
                let Some((_, outcome)) = self.drive(call, case, steps, None).await else { return };
                let kinds = kinds_of(&outcome);
                report.expect(Group::Faults, kinds.iter().any(|k| k == want.name()), || {
                    format!("{label} #{n}: {name}: {want:?} expected, outcome {}", render(&outcome))
                });
            }
        }
    }

    /// The first call that carries a token, with its happy case.
    pub(super) fn with_a_token<'a>(
        &'a self,
        cases: &'a BTreeMap<String, Vec<Case>>,
    ) -> Option<(&'a Call, &'a Case)> {
        self.calls.iter().filter(|c| c.anonymous.is_none()).find_map(|call| {
            let own = cases.get(&call.op)?;
            own.iter().find(|c| c.kind == CaseKind::Happy).map(|case| (call, case))
        })
    }
}

fn front(status: u16) -> Answer {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    Answer { status, headers, body: format!("<html><h1>{status}</h1></html>").into() }
}
