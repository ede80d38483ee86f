//! Filings and cancellations that an authority takes in later: asked about until they are done.

use tradewind_connector::{CallCx, Kind, Submitted};
use tradewind_domain::{DeclarationId, DeclarationState, IllegalStep};
use tradewind_store::Batch;
use tradewind_store::StoreError;
use tradewind_store::typed::{self, Record};

use super::super::{Fulfilled, unless_overtaken};
use super::unidentified;
use crate::gateway::{Gateway, Result};
use crate::records::{DeclarationRecord, FilingJob};

impl Gateway {
    /// Goes on with every filing that was deferred. An order whose filing turns out refused is stopped when its release is
    /// looked at.
    pub(in crate::fulfil) async fn go_on_filing(&self, done: &mut Fulfilled) -> Result<()> {
        for filed in self.declarations().await? {
            let Some(job) = &filed.waits else { continue };
            if job.handle.not_before.is_some_and(|t| t > self.now()) {
                continue;
            }
            let Some(customs) = self.accounts.get(&filed.account).cloned() else {
                done.absent(&filed.account);
                continue;
            };
            let Some(filing) = customs.customs().and_then(|c| c.declare()) else { continue };
            let id = &filed.declaration.id;
            match filing.poll(&CallCx::new(), &job.handle).await {
                Ok(answer) => {
                    let ended = matches!(answer, Submitted::Done(_)).then_some("declare: taken in");
                    self.alter(id, ended, |filed| {
                        filed.waits = None;
                        filed.heard(answer.clone(), job.withdrawal);
                        Ok(())
                    })
                    .await?;
                }
                // Nobody can ask: its receipts are all that will be heard of it.
                Err(e) if e.kind() == Kind::Unsupported => {
                    let e = unidentified(&e.to_string());
                    done.urge(format!(
                        "{id}: {e}: the authority took it in later, and only its receipts will tell"
                    ));
                    self.alter(id, None, |filed| {
                        filed.waits = None;
                        Ok(())
                    })
                    .await?;
                }
                Err(e) if e.kind().is_business() => {
                    done.refused(self.told_unidentified(&e));
                    let why = unidentified(&e.to_string());
                    let change = |filed: &mut DeclarationRecord| refused(filed, job, why.clone());
                    let step = self.alter(id, Some("declare: refused"), change).await;
                    unless_overtaken(step, id.as_str(), done)?;
                }
                Err(e) => {
                    done.refused(self.told_unidentified(&e));
                    done.postponed += 1;
                }
            }
        }
        Ok(())
    }

    /// Changes a declaration as it is stored by now. What changes nothing and leaves no trace is not written.
    pub(super) async fn alter(
        &self,
        id: &DeclarationId,
        audit: Option<&str>,
        change: impl Fn(&mut DeclarationRecord) -> Result<(), IllegalStep> + Send + Sync,
    ) -> Result<()> {
        loop {
            let Some(mut filed) = typed::get::<DeclarationRecord>(&*self.store, id.as_str()).await? else {
                return Ok(());
            };
            let before = filed.value.clone();
            change(&mut filed.value)?;
            if filed.value == before && audit.is_none() {
                return Ok(());
            }
            let mut batch = Batch::new();
            batch.put_back(&filed)?;
            if let Some(what) = audit {
                batch.audit(self.now(), what, filed.value.order.clone(), filed.value.key());
            }
            match self.store.commit(batch).await {
                Err(StoreError::Conflict { .. }) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// The authority did not take it in after all. What its receipts said meanwhile has the last word.
fn refused(filed: &mut DeclarationRecord, job: &FilingJob, why: String) -> Result<(), IllegalStep> {
    filed.waits = None;
    if !job.withdrawal && matches!(filed.state, DeclarationState::Sent | DeclarationState::Indeterminate) {
        filed.state.step(DeclarationState::Rejected)?;
    }
    filed.note = Some(why);
    Ok(())
}
