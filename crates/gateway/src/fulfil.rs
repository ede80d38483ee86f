//! Fulfilment: book the parcel, file the declaration, wait for the release, tell the marketplace. Each order is a
//! row with a stage; each step commits before and after its call, so a crash goes on where it stopped.

mod again;
pub(crate) mod book;
mod call_back;
mod cancel;
mod confirm;
pub(crate) mod declare;
pub(crate) mod held;
pub(crate) mod track;

use std::collections::BTreeMap;

use serde::Serialize;
use tradewind_domain::AccountId;
use tradewind_store::typed::{self, Record};
use tradewind_store::{Batch, Collection, Expect, Filter, StoreError};

pub(crate) use self::track::Ask;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::orders::{Pulled, advance};
use crate::records::{OrderRecord, Stage};

/// Numbers of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fulfilled {
    /// Landed costs quoted and pinned.
    pub quoted: u32,
    /// Parcels booked.
    pub booked: u32,
    /// Declarations filed.
    pub filed: u32,
    /// Declarations released.
    pub released: u32,
    /// Orders confirmed to their marketplaces.
    pub confirmed: u32,
    /// Cancellations that went to their marketplaces.
    pub cancelled: u32,
    /// Labels voided because their orders were cancelled, or shipped by somebody else.
    pub voided: u32,
    /// Orders found cancelled (or shipped by somebody else) after their parcel was booked, where the label cannot be voided: a
    /// person must stop it.
    pub after_cancellation: u32,
    /// Parcels that nobody waits for, with the carrier all the same: a person counts the shelf.
    pub left_after_all: u32,
    /// Orders that their marketplaces hold, or whose buyers want out, after their parcel was booked: a person keeps it back.
    pub kept_back: u32,
    /// Parcels whose state moved.
    pub moved: u32,
    /// Orders that need a person.
    pub stuck: u32,
    /// Units that orders take and that are not there, of orders that were read again in this round.
    pub oversold: u32,
    /// Steps that wait, or failed for now and are tried again.
    pub postponed: u32,
    /// Calls that a channel, carrier or authority did not answer with a yes.
    pub failed: u32,
    /// Steps that a defect of this program kept from being taken: the order stays as it was.
    #[serde(skip_serializing_if = "crate::records::is_zero")]
    pub defects: u32,
    /// Accounts that are not configured any more, and how many steps wait for each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gone: BTreeMap<AccountId, u32>,
    /// First reasons, for people, and all that a person must do.
    pub notes: Vec<String>,
}

impl Fulfilled {
    fn note(&mut self, text: impl Into<String>) {
        if self.notes.len() < 10 {
            self.notes.push(text.into());
        }
    }

    /// A call that failed, as people are told it.
    fn refused(&mut self, told: String) {
        self.failed += 1;
        self.note(told);
    }

    /// Anything went through.
    #[must_use]
    pub fn did_something(&self) -> bool {
        let done = [
            self.quoted,
            self.booked,
            self.filed,
            self.released,
            self.confirmed,
            self.cancelled,
            self.voided,
            self.moved,
        ];
        done.iter().any(|n| *n > 0)
    }

    /// What a person must do: said however much else is.
    fn urge(&mut self, text: String) {
        self.notes.push(text);
    }

    /// An order was read again, and this is what taking it in told: no pull tells it a second time.
    fn heard(&mut self, pulled: Pulled) {
        self.oversold = self.oversold.saturating_add(pulled.oversold);
        pulled.errors.into_iter().for_each(|text| self.urge(text));
    }

    /// A step of an account that was taken out of the configuration: it waits, and keeps back no other account's.
    fn absent(&mut self, id: &AccountId) {
        self.postponed += 1;
        *self.gone.entry(id.clone()).or_default() += 1;
    }

    fn urge_for_gone(&mut self) {
        for (id, steps) in &self.gone {
            self.notes.push(format!(
                "account '{id}' is not configured any more: {steps} steps of its orders, parcels or declarations wait until it \
                 is in the configuration again"
            ));
        }
    }
}

impl Gateway {
    /// One round over all open orders.
    ///
    /// # Errors
    /// The store failed. Failures of channels are counted and tried again in the next round.
    pub async fn fulfil(&self) -> Result<Fulfilled> {
        self.fulfil_asking(Ask::Due).await
    }

    /// [`Gateway::fulfil`], and carriers are asked about all parcels that are on their way, due or not.
    ///
    /// # Errors
    /// As there.
    pub async fn fulfil_and_track_all(&self) -> Result<Fulfilled> {
        self.fulfil_asking(Ask::All).await
    }

    async fn fulfil_asking(&self, which: Ask<'_>) -> Result<Fulfilled> {
        let mut done = Fulfilled::default();
        self.receipts(&mut done).await?;
        self.go_on_filing(&mut done).await?;
        self.withdraw(&mut done).await?;
        for listed in self.orders_in(Stage::Waiting).await? {
            if let Some(record) = self.still_in(&listed, Stage::Waiting).await? {
                let step = self.cancel(record, &mut done).await;
                unless_overtaken(step, &listed.key(), &mut done)?;
            }
        }
        let mut catalogue = None;
        for listed in self.orders_in(Stage::Stuck).await? {
            if let Some(record) = self.still_in(&listed, Stage::Stuck).await? {
                let step = self.judge_again(record, &mut catalogue, &mut done).await;
                unless_overtaken(step, &listed.key(), &mut done)?;
            }
        }
        for stage in [Stage::ToBook, Stage::ToDeclare, Stage::Declared, Stage::ToConfirm] {
            for listed in self.orders_in(stage).await? {
                let Some(record) = self.still_in(&listed, stage).await? else { continue };
                let step = match stage {
                    Stage::ToBook => {
                        let variants = match &mut catalogue {
                            Some(known) => known,
                            none => none.insert(self.variants().await?),
                        };
                        self.book(record, variants, &mut done).await
                    }
                    Stage::ToDeclare => self.declare(record, &mut done).await,
                    Stage::Declared => self.await_release(record, &mut done).await,
                    _ => self.confirm(record, &mut done).await,
                };
                unless_overtaken(step, &listed.key(), &mut done)?;
            }
        }
        self.call_back(&mut done).await?;
        self.track(which, &mut done).await?;
        done.urge_for_gone();
        self.name_stuck(&mut catalogue, &mut done).await?;
        Ok(done)
    }

    /// Orders in a stage.
    ///
    /// # Errors
    /// The store failed.
    pub async fn orders_in(&self, stage: Stage) -> Result<Vec<OrderRecord>> {
        let all = typed::list::<OrderRecord>(&*self.store, Filter::all().states(&[stage.name()])).await?;
        Ok(all.into_iter().map(|o| o.value).collect())
    }

    /// An order of a list, read again: calls were made since, and the pull may have taken something in.
    async fn still_in(&self, listed: &OrderRecord, stage: Stage) -> Result<Option<OrderRecord>> {
        let known = typed::get::<OrderRecord>(&*self.store, &listed.key()).await?;
        Ok(known.map(|k| k.value).filter(|r| r.stage == stage))
    }

    /// The condition that an order is still as a step read it, for the commit that stands before a call: nothing is
    /// begun for an order that was cancelled meanwhile. `None`: it is not.
    async fn unchanged(&self, record: &OrderRecord) -> Result<Option<Expect>> {
        let known = typed::get::<OrderRecord>(&*self.store, &record.key()).await?;
        Ok(known.filter(|k| k.value == *record).map(|k| k.expect()))
    }

    /// Moves an order on, in one commit with what belongs to it. `record` is the order as the step read it, with what the
    /// step learned; what the pull took in since is kept.
    async fn stage(
        &self,
        record: OrderRecord,
        stage: Stage,
        note: Option<String>,
        batch: Batch,
    ) -> Result<()> {
        loop {
            match self.try_stage(&record, stage, note.clone(), batch.clone()).await {
                // The pull was faster once more: laid over what it wrote.
                Err(GatewayError::Store(StoreError::Conflict { collection, .. }))
                    if collection == Collection::Orders.table() => {}
                other => return other.map(drop),
            }
        }
    }

    /// [`Gateway::stage`], once; the stage in which the order is now.
    async fn try_stage(
        &self,
        record: &OrderRecord,
        stage: Stage,
        note: Option<String>,
        mut batch: Batch,
    ) -> Result<Stage> {
        let known = typed::get::<OrderRecord>(&*self.store, &record.key()).await?;
        let expect = known.as_ref().map_or(Expect::Absent, typed::Versioned::expect);
        let stored = known.map_or_else(|| record.clone(), |k| k.value);
        let merged = merge(stored.clone(), record, stage, note);
        // What is judged in each round is not written in each.
        if batch.is_empty() && merged == stored {
            return Ok(merged.stage);
        }
        batch.put_expecting(&merged, expect)?;
        if merged.stage != stored.stage {
            let why = merged.note.as_deref().map(|n| format!(": {n}")).unwrap_or_default();
            batch.audit(self.now(), "stage", merged.key(), format!("{}{why}", merged.stage.name()));
        }
        self.store.commit(batch).await?;
        Ok(merged.stage)
    }
}

/// What a step learned, laid over what is stored now. The order itself is the pull's and never taken from the step. The
/// stage is the step's, unless somebody moved the order meanwhile: a cancellation stays, and an order that was put back to
/// waiting is judged anew from where the step has brought it.
fn merge(known: OrderRecord, step: &OrderRecord, stage: Stage, note: Option<String>) -> OrderRecord {
    let moved = known.stage != step.stage && known.stage != Stage::Waiting
        || matches!(known.stage, Stage::Cancelled | Stage::Confirmed) && stage != known.stage;
    let mut merged = OrderRecord {
        shipment: step.shipment.clone().or(known.shipment),
        declaration: step.declaration.clone().or(known.declaration),
        confirm_attempt: known.confirm_attempt.max(step.confirm_attempt),
        confirm: step.confirm.clone(),
        cancel: step.cancel.clone(),
        cancel_attempt: known.cancel_attempt.max(step.cancel_attempt),
        ..known
    };
    if !moved {
        merged.stage = stage;
        merged.note = note;
        merged.stuck_on = (stage == Stage::Stuck).then_some(step.order.updated_at.utc);
        advance(&mut merged);
    }
    merged
}

/// Another process was faster with the same parcel or shelf: nothing was written, and the next round looks again. An account
/// that is not open is counted, and stops nobody else's orders; nor does a defect in this one's states, which a person is told.
/// `of`: the order or declaration.
fn unless_overtaken(step: Result<()>, of: &str, done: &mut Fulfilled) -> Result<()> {
    match step {
        Err(GatewayError::Store(e @ StoreError::Conflict { .. })) => {
            done.note(e.to_string());
            done.postponed += 1;
            Ok(())
        }
        Err(GatewayError::Gone(id)) => {
            done.absent(&id);
            Ok(())
        }
        Err(e @ GatewayError::Defect(_)) => {
            tracing::error!(of, error = %e, "a step was not taken");
            done.defects += 1;
            done.urge(format!("{of}: {e}; report this, with what tradewind why tells of it"));
            Ok(())
        }
        other => other,
    }
}
