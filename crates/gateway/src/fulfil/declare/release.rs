//! What follows from the state of a declaration: its order goes on, is stopped, or waits; and a cancelled order's is withdrawn.

use jiff::SignedDuration;
use tradewind_connector::{CallCx, Submitted};
use tradewind_domain::{DeclarationId, DeclarationState, Filed, FiledDocument, OrderState};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Filter};

use super::receipts::is_about_it;
use crate::fulfil::Fulfilled;
use crate::gateway::{Gateway, Result};
use crate::records::{DeclarationRecord, OrderRecord, ReceiptRecord, ShipmentRecord, Stage};

/// After an answer that decides nothing, not before.
const FILED_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// Then a person looks at it.
const MOST_FILINGS: u32 = 5;
/// A system that takes declarations in says so within minutes.
const TAKEN_IN_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// An inspection takes days.
const DECIDED_WITHIN: SignedDuration = SignedDuration::from_hours(5 * 24);

impl Gateway {
    /// Withdraws what was filed for orders that were cancelled since. Customs answer with receipts; a declaration that
    /// they released already stays released.
    pub(in crate::fulfil) async fn withdraw(&self, done: &mut Fulfilled) -> Result<()> {
        for filed in self.declarations().await? {
            if filed.withdrawn || filed.state.is_settled() || filed.filed_at.is_none() {
                continue;
            }
            let Some(order) = typed::get::<OrderRecord>(&*self.store, &filed.order).await? else { continue };
            if order.value.order.state != OrderState::Cancelled {
                continue;
            }
            let Some(customs) = self.accounts.get(&filed.account).cloned() else {
                done.absent(&filed.account);
                continue;
            };
            let Some(filing) = customs.customs().and_then(|c| c.declare()) else { continue };
            let declaration = filed.numbered();
            let key = CallCx::keyed(format!("{}/withdraw", declaration.id));
            match filing.cancel(&key, &declaration, "the buyer cancelled the order").await {
                Ok(answer) => self.withdrew(&declaration.id, answer).await?,
                // Tried again in the next round; the declaration may have a number then.
                Err(e) => {
                    // What was given for the messages of a cancellation that is not one yet is kept.
                    let asked = FiledDocument::Cancellation;
                    self.alter(&declaration.id, None, |filed| {
                        filed.took(e.given().clone(), asked);
                        Ok(())
                    })
                    .await?;
                    done.refused(self.told_unidentified(&e));
                    done.postponed += 1;
                }
            }
        }
        Ok(())
    }

    /// Writes that a cancellation was asked for, on the declaration as it is stored by now.
    async fn withdrew(&self, id: &DeclarationId, answer: Submitted<Filed>) -> Result<()> {
        self.alter(id, Some("withdraw"), |filed| {
            filed.withdrawn = true;
            filed.heard(answer.clone(), true);
            Ok(())
        })
        .await
    }

    /// Moves an order on when its declaration is settled.
    pub(in crate::fulfil) async fn await_release(
        &self,
        record: OrderRecord,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let id = record.declaration.clone().unwrap_or_default();
        let Some(filed) = typed::get::<DeclarationRecord>(&*self.store, &id).await? else { return Ok(()) };
        let parcel = record.shipment.as_deref().unwrap_or_default();
        if let Some(parcel) = typed::get::<ShipmentRecord>(&*self.store, parcel).await?
            && done.keeps_back(&record, &parcel.value)
        {
            return Ok(());
        }
        match filed.value.state {
            DeclarationState::Released | DeclarationState::Assessed => {
                done.released += 1;
                let mut batch = Batch::new();
                // The parcel knows that it may move.
                let shipment = record.shipment.clone().unwrap_or_default();
                if let Some(mut parcel) = typed::get::<ShipmentRecord>(&*self.store, &shipment).await? {
                    parcel.value.cleared = filed.value.authority_ref.clone().or_else(|| Some(id.clone()));
                    batch.put_back(&parcel)?;
                }
                batch.audit(
                    self.now(),
                    "released",
                    record.key(),
                    filed.value.authority_ref.unwrap_or_default(),
                );
                self.stage(record, Stage::ToConfirm, None, batch).await
            }
            DeclarationState::Rejected | DeclarationState::Cancelled => {
                let why = filed.value.note.unwrap_or_else(|| "refused by customs".to_owned());
                self.stage(record, Stage::Stuck, Some(why), Batch::new()).await
            }
            _ => self.still_waits(record, filed, done).await,
        }
    }

    /// Files a declaration again of which customs said that they did not get to it, and tells of one that waits for too long.
    async fn still_waits(
        &self,
        record: OrderRecord,
        mut filed: Versioned<DeclarationRecord>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let Some(filed_at) = filed.value.filed_at else { return Ok(()) };
        let waited = self.now().duration_since(filed_at);
        let id = filed.value.declaration.id.clone();
        if filed.value.state == DeclarationState::Sent
            && filed.value.waits.is_none()
            && filed.value.filings < MOST_FILINGS
            && waited > FILED_AGAIN
        {
            // Once for each such answer. Filing again under the same number is safe: the authority keys on it.
            let mine = Filter::all().states(&[id.as_str()]);
            let receipts = typed::list::<ReceiptRecord>(&*self.store, mine).await?;
            let open = receipts.iter().filter(|r| r.value.0.state.is_none() && is_about_it(&r.value.0));
            if open.count() > filed.value.filings as usize {
                filed.value.file_anew()?;
                let mut batch = Batch::new();
                batch.put_back(&filed)?.audit(self.now(), "file again", record.key(), id.to_string());
                return self.stage(record, Stage::ToDeclare, None, batch).await;
            }
        }
        let patience = match filed.value.state {
            DeclarationState::Sent | DeclarationState::Acknowledged => TAKEN_IN_WITHIN,
            _ => DECIDED_WITHIN,
        };
        if waited > patience {
            let last = filed.value.note.as_deref().unwrap_or("nothing");
            let key = record.key();
            let more = if patience == TAKEN_IN_WITHIN {
                format!("; if they do not have it: tradewind fulfil --again {key}")
            } else {
                String::new()
            };
            done.urge(format!(
                "order {key}: its declaration {id} waits for customs since {filed_at} ({}; last heard: {last}): ask them{more}",
                filed.value.state
            ));
        }
        Ok(())
    }
}
