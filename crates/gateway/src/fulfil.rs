//! Fulfilment: book the parcel, file the declaration, wait for the release, tell the marketplace. Each order is a
//! row with a stage; each step commits before and after its call, so a crash goes on where it stopped.

mod book;
mod cancel;
mod confirm;
mod declare;
mod track;

use serde::Serialize;
use tradewind_store::Filter;
use tradewind_store::typed;

use crate::gateway::{Gateway, Result};
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
    /// Parcels whose state moved.
    pub moved: u32,
    /// Orders that need a person.
    pub stuck: u32,
    /// Steps that failed for now and are tried again.
    pub postponed: u32,
    /// First reasons, for people.
    pub notes: Vec<String>,
}

impl Fulfilled {
    fn note(&mut self, text: impl Into<String>) {
        if self.notes.len() < 10 {
            self.notes.push(text.into());
        }
    }
}

impl Gateway {
    /// One round over all open orders.
    ///
    /// # Errors
    /// The store failed. Failures of channels are counted and tried again in the next round.
    pub async fn fulfil(&self) -> Result<Fulfilled> {
        let mut done = Fulfilled::default();
        self.receipts(&mut done).await?;
        self.withdraw(&mut done).await?;
        for record in self.orders_in(Stage::Waiting).await? {
            self.cancel(record, &mut done).await?;
        }
        for stage in [Stage::ToBook, Stage::ToDeclare, Stage::Declared, Stage::ToConfirm] {
            for record in self.orders_in(stage).await? {
                // A later stage may be reached within the round: each step reads its order again.
                match stage {
                    Stage::ToBook => self.book(record, &mut done).await?,
                    Stage::ToDeclare => self.declare(record, &mut done).await?,
                    Stage::Declared => self.await_release(record, &mut done).await?,
                    _ => self.confirm(record, &mut done).await?,
                }
            }
        }
        self.track(&mut done).await?;
        done.stuck = self.orders_in(Stage::Stuck).await?.len() as u32;
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

    /// Moves an order on, in one commit with what belongs to it.
    async fn stage(
        &self,
        mut record: OrderRecord,
        stage: Stage,
        note: Option<String>,
        mut batch: tradewind_store::Batch,
    ) -> Result<()> {
        record.stage = stage;
        record.note = note;
        batch.put(&record)?;
        Ok(self.store.commit(batch).await?)
    }
}
