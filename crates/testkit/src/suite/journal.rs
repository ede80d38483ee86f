//! What becomes of a write when our own store fails, and of doubt when the next try says nothing.

use std::sync::Arc;

use async_trait::async_trait;
use tradewind_connector::{
    Access, Begun, Error, Exchange, Intent, Journal, Kind, Memory, Outcome as Ended, Over, Result, TokenSet,
};

use super::faults::kinds_of;
use super::fixture::Case;
use super::report::{Group, Report};
use super::runs::render;
use super::script::{Sent, Step};
use super::{Bench, Call, Opening, Outcome, Suite, happy_steps};

/// What a failing store cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frail {
    Begin,
    Keep,
    Finish,
}

/// A journal that fails at one thing.
pub(super) struct Failing {
    pub(super) inner: Arc<Memory>,
    pub(super) at: Option<Frail>,
}

impl Failing {
    fn unless(&self, at: Frail) -> Result<()> {
        if self.at == Some(at) {
            return Err(Error::new(Kind::Internal, format!("the store is full (scripted, {at:?})")));
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for Failing {
    async fn begin(&self, intent: &Arc<Intent>) -> Result<Begun> {
        self.unless(Frail::Begin)?;
        self.inner.begin(intent).await
    }
    async fn finish(&self, intent: &Arc<Intent>, generation: u32, outcome: Ended) -> Result<()> {
        self.unless(Frail::Finish)?;
        self.inner.finish(intent, generation, outcome).await
    }
    async fn keep(&self, exchange: Exchange) -> Result<()> {
        self.unless(Frail::Keep)?;
        self.inner.keep(exchange).await
    }
    async fn load_token(&self, owner: &str, audience: &str) -> Result<Option<TokenSet>> {
        self.inner.load_token(owner, audience).await
    }
    async fn save_token(
        &self,
        owner: &str,
        audience: &str,
        token: &TokenSet,
        over: Over<'_>,
    ) -> Result<bool> {
        self.inner.save_token(owner, audience, token, over).await
    }
}

impl Suite {
    /// A store that fails at one thing, and a network that stays away after a lost answer.
    pub(super) async fn our_own_failures(&self, call: &Call, happy: &Case, report: &mut Report) {
        let label = happy.label();
        let Some((calm, normal)) = self.with_store(call, happy, None).await else { return };
        let sent: Vec<Sent> = calm.script.sent().into_iter().filter(|s| !s.token).collect();
        let writes: Vec<&Sent> = sent.iter().filter(|s| s.writes.is_some()).collect();
        if !writes.is_empty() {
            let Some((bench, outcome)) = self.with_store(call, happy, Some(Frail::Begin)).await else {
                return;
            };
            let written: Vec<String> = writes.iter().map(|s| self.show(&s.request)).collect();
            let left = bench.script.calls().iter().filter(|r| written.contains(&self.show(r))).count();
            report.expect(Group::Faults, left == 0 && told(&outcome, Kind::Internal), || {
                format!(
                    "{label}: {left} writes left although their intent could not be kept; outcome {}",
                    render(&outcome)
                )
            });
            let Some((_, outcome)) = self.with_store(call, happy, Some(Frail::Finish)).await else { return };
            report.expect(Group::Faults, render(&outcome) == render(&normal), || {
                format!(
                    "{label}: an outcome that cannot be kept hides what the channel did: {}",
                    render(&outcome)
                )
            });
        }
        let kept = calm.journal.kept();
        if !kept.is_empty() {
            let Some((_, outcome)) = self.with_store(call, happy, Some(Frail::Keep)).await else { return };
            let write = kept.iter().any(|k| writes.iter().any(|s| s.writes.as_deref() == Some(&k.operation)));
            let right =
                if write { told(&outcome, Kind::Indeterminate) } else { !kinds_of(&outcome).is_empty() };
            report.expect(Group::Faults, right, || {
                format!("{label}: an answer that cannot be kept is used all the same: {}", render(&outcome))
            });
        }
        for (at, sent) in sent.iter().enumerate().filter(|(_, s)| s.writes.is_some()) {
            if call.safety_of(sent).is_none_or(|safety| safety.is_read()) {
                continue;
            }
            let mut steps = happy_steps(happy);
            steps.truncate(at);
            steps.push(Step::Hang);
            // Then no connection any more.
            let Some((_, outcome)) = self.drive(call, happy, steps, None).await else { return };
            report.expect(Group::Faults, told(&outcome, Kind::Indeterminate), || {
                format!(
                    "{label} #{}: hang, then no connection: Indeterminate expected, outcome {}",
                    at + 1,
                    render(&outcome)
                )
            });
        }
    }

    async fn with_store(&self, call: &Call, happy: &Case, frail: Option<Frail>) -> Option<(Bench, Outcome)> {
        let opening = Opening { steps: happy_steps(happy), frail, ..Opening::default() };
        let bench = self.open_as(self.config(Access::ReadWrite).ok()?, opening).ok()?;
        let outcome = (call.drive)(bench.connector.clone(), happy.input.clone()).await;
        Some((bench, outcome))
    }
}

fn told(outcome: &Outcome, kind: Kind) -> bool {
    kinds_of(outcome).iter().any(|k| k == kind.name())
}
