//! Orders that are stuck: judged anew in each round by what is known by then, and once more when a person says so.

use std::collections::BTreeMap;

use tradewind_domain::{DeclarationState, OrderState, Product, ShipmentRequest, Sku, Variant};
use tradewind_store::Batch;
use tradewind_store::typed::{self, Record};

use super::Fulfilled;
use super::book::shipment_id;
use super::declare::declaration_id;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{DeclarationRecord, OrderRecord, ShipmentRecord, Stage};

/// What an order needs that is on again after its parcel was called back.
const CALLED_BACK: &str =
    "its parcel was called back: ship it by hand and mark it as shipped there, or cancel it on the channel";
/// Stuck orders that a round names, with what they need.
const NAMED: usize = 10;

/// The catalogue, read when it is first needed.
pub(super) type Variants = Option<BTreeMap<Sku, (Product, Variant)>>;

/// What can be done about an order that is stuck.
enum Next {
    /// It left by another way than ours.
    Left,
    /// What stopped it is gone.
    Go(Stage),
    /// A person must do something; `why`, where it is known better than from the order's note.
    Needs { why: Option<String>, what: String },
}

impl Next {
    fn needs(what: impl Into<String>) -> Next {
        Next::Needs { why: None, what: what.into() }
    }
}

impl Gateway {
    /// Moves a stuck order on where what stopped it is gone.
    pub(super) async fn judge_again(
        &self,
        record: OrderRecord,
        variants: &mut Variants,
        done: &mut Fulfilled,
    ) -> Result<()> {
        match self.next_step(&record, variants).await? {
            Next::Go(stage) => self.stage(record, stage, None, Batch::new()).await,
            Next::Needs { why: Some(why), .. } if record.note.as_ref() != Some(&why) => {
                self.stage(record, Stage::Stuck, Some(why), Batch::new()).await
            }
            Next::Needs { .. } => Ok(()),
            Next::Left => {
                if let Some(parcel) = &record.shipment {
                    done.urge(format!(
                        "order {}: it was marked as shipped there, not by us: if the label of parcel {parcel} was not used, void it at the carrier",
                        record.key()
                    ));
                }
                self.confirmed(record, done).await
            }
        }
    }

    /// Says of the orders that are stuck what they need.
    pub(super) async fn name_stuck(&self, variants: &mut Variants, done: &mut Fulfilled) -> Result<()> {
        let stuck = self.orders_in(Stage::Stuck).await?;
        done.stuck = stuck.len() as u32;
        for record in stuck.iter().take(NAMED) {
            let why = record.note.as_deref().unwrap_or("nobody wrote why");
            let what = self.needs_of(record, variants).await?;
            done.urge(format!("order {} is stuck: {why}; {what}", record.key()));
        }
        if stuck.len() > NAMED {
            done.urge(format!(
                "{} more orders are stuck: tradewind orders --offline --stage stuck lists them",
                stuck.len() - NAMED
            ));
        }
        Ok(())
    }

    /// What a stuck order needs, for people; `None`: it is not stuck.
    ///
    /// # Errors
    /// The store failed.
    pub async fn what_it_needs(&self, record: &OrderRecord) -> Result<Option<String>> {
        match record.stage {
            Stage::Stuck => self.needs_of(record, &mut None).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn needs_of(&self, record: &OrderRecord, variants: &mut Variants) -> Result<String> {
        match self.next_step(record, variants).await {
            Ok(Next::Needs { what, .. }) => Ok(what),
            Ok(Next::Go(_) | Next::Left) => Ok("the next round goes on with it".to_owned()),
            Err(e @ GatewayError::Gone(_)) => Ok(format!("{e}: put it back")),
            Err(e) => Err(e),
        }
    }

    /// A person has put right what stopped an order, where nobody else can see it: it is tried once more.
    ///
    /// # Errors
    /// There is no such order, it is not stuck, or another try is no remedy; the store failed.
    pub async fn try_again(&self, key: &str) -> Result<Stage> {
        let refused = |why: String| GatewayError::Config(format!("order '{key}' {why}"));
        let Some(known) = typed::get::<OrderRecord>(&*self.store, key).await? else {
            return Err(refused(
                "is not known: tradewind orders lists them, ACCOUNT/ORDER names one".to_owned(),
            ));
        };
        let record = known.value;
        // Of one that waits for customs a person may know that they lost it.
        if !matches!(record.stage, Stage::Stuck | Stage::Declared) {
            return Err(refused(format!("is {}: only a stuck one is tried again", record.stage.name())));
        }
        if !record.order.state.is_shippable() {
            let what = self.needs_of(&record, &mut None).await?;
            return Err(refused(format!("is not to be shipped now: {what}")));
        }
        let mut batch = Batch::new();
        let parcel = typed::get::<ShipmentRecord>(&*self.store, &shipment_id(&record)).await?;
        if parcel.as_ref().is_some_and(|p| p.value.is_called_back()) {
            return Err(refused(format!("is not tried again: {CALLED_BACK}")));
        }
        let stage = match parcel.filter(|p| p.value.booked.is_some() && record.shipment.is_some()) {
            None => Stage::ToBook,
            Some(parcel) if self.is_to_be_declared(&parcel.value) => {
                let id = declaration_id(parcel.value.request.id.as_str());
                let filed = typed::get::<DeclarationRecord>(&*self.store, &id).await?;
                match filed {
                    Some(filed) if filed.value.state == DeclarationState::Cancelled => {
                        return Err(refused(
                            "was cancelled at customs, and a declaration is not filed twice: cancel the order at its \
                             marketplace, or ship it another way and mark it as shipped there"
                                .to_owned(),
                        ));
                    }
                    // Filed anew, with what is known by now, under the same number.
                    Some(mut filed)
                        if matches!(
                            filed.value.state,
                            DeclarationState::Rejected
                                | DeclarationState::Sent
                                | DeclarationState::Acknowledged
                                | DeclarationState::Indeterminate
                        ) =>
                    {
                        filed.value.file_anew()?;
                        batch.put_back(&filed)?;
                        Stage::ToDeclare
                    }
                    Some(filed) if record.stage == Stage::Declared => {
                        let state = filed.value.state;
                        return Err(refused(format!(
                            "is in the hands of customs ({state}): it goes on when they decide, nothing is to be filed again"
                        )));
                    }
                    _ => Stage::ToDeclare,
                }
            }
            Some(mut parcel) => {
                // That it is not what was booked was told, and whoever says so knows it.
                let changed = parcel.value.changed_since(&record.order);
                if changed.is_some() && changed == record.note {
                    parcel.value.agreed = Some(record.order.updated_at.utc);
                    batch.put_back(&parcel)?;
                }
                Stage::ToConfirm
            }
        };
        batch.audit(self.now(), "try again", record.key(), stage.name());
        self.stage(record, stage, None, batch).await?;
        Ok(stage)
    }

    /// We declare parcels to its country, or did when it was booked, and this one was not released yet.
    pub(super) fn is_to_be_declared(&self, parcel: &ShipmentRecord) -> bool {
        let customs = self.config.shipping.as_ref().map(|s| &s.customs);
        let named = customs.is_some_and(|c| c.contains_key(&parcel.request.to.country));
        parcel.cleared.is_none() && (parcel.declares || named)
    }

    async fn next_step(&self, record: &OrderRecord, variants: &mut Variants) -> Result<Next> {
        match record.order.state {
            state if state.has_left() => return Ok(Next::Left),
            OrderState::CancelRequested => {
                return Ok(Next::needs(
                    "cancel it, or refuse that, in the channel's own pages: the next pull takes over what is decided there",
                ));
            }
            state if !state.is_shippable() => {
                return Ok(Next::needs(format!(
                    "its marketplace says that it is {state}: nothing is done before that changes"
                )));
            }
            _ => {}
        }
        let Some(shipping) = &self.config.shipping else {
            return Ok(Next::needs("[shipping] is missing in the configuration"));
        };
        let once_more = format!("tradewind fulfil --again {}", record.key());
        let id = shipment_id(record);
        let parcel = typed::get::<ShipmentRecord>(&*self.store, &id).await?.map(|p| p.value);
        let parcel = match parcel {
            Some(parcel) if parcel.is_called_back() => return Ok(Next::needs(CALLED_BACK)),
            Some(parcel) if parcel.booked.is_some() && record.shipment.is_some() => parcel,
            Some(parcel) if parcel.booked.is_some() || parcel.is_in_doubt() => {
                return Ok(Next::Go(Stage::ToBook));
            }
            parcel => {
                let known = match variants {
                    Some(known) => known,
                    none => none.insert(self.variants().await?),
                };
                let wanted = match self.shipment_request(record, shipping, known, &id)? {
                    Ok(wanted) => wanted,
                    Err(why) => {
                        let what =
                            "put that right in the catalogue or in the order: it is booked by itself then";
                        return Ok(Next::Needs { why: Some(why), what: what.to_owned() });
                    }
                };
                let refused =
                    |p: &ShipmentRecord| p.account == shipping.carrier && is_same(&p.request, &wanted);
                return Ok(match parcel {
                    Some(parcel) if refused(&parcel) => Next::needs(format!(
                        "the carrier refused it: once the order, the catalogue or [shipping] says something else it is booked by \
                         itself; as it is: {once_more}"
                    )),
                    _ => Next::Go(Stage::ToBook),
                });
            }
        };
        if self.is_to_be_declared(&parcel) {
            return self.next_at_customs(record, &parcel, &once_more).await;
        }
        if let Some(why) = parcel.changed_since(&record.order) {
            let what = format!(
                "void its label and ship the order by hand, or have the carrier send the parcel elsewhere; where it is right as it is: \
                 {once_more}"
            );
            return Ok(Next::Needs { why: Some(why), what });
        }
        // It stopped when the marketplace was told, or that is all that is left to do.
        Ok(match record.stuck_on {
            Some(then) if then == record.order.updated_at.utc => Next::needs(format!(
                "its marketplace refused the shipment: told again when the order changes there; as it is: {once_more}; or mark it \
                 as shipped there"
            )),
            None => Next::needs(format!("to go on: {once_more}")),
            Some(_) => Next::Go(Stage::ToConfirm),
        })
    }

    async fn next_at_customs(
        &self,
        record: &OrderRecord,
        parcel: &ShipmentRecord,
        once_more: &str,
    ) -> Result<Next> {
        let id = declaration_id(parcel.request.id.as_str());
        let filed = typed::get::<DeclarationRecord>(&*self.store, &id).await?;
        Ok(match filed.map(|f| f.value.state) {
            None | Some(DeclarationState::Draft) => match self.declarable(record, parcel).await? {
                Ok(_) => Next::Go(Stage::ToDeclare),
                Err(why) => Next::Needs {
                    why: Some(why),
                    what: "it is filed by itself when that is put right".to_owned(),
                },
            },
            Some(DeclarationState::Matched | DeclarationState::Sent | DeclarationState::Indeterminate) => {
                Next::Go(Stage::ToDeclare)
            }
            Some(DeclarationState::Rejected) => Next::needs(format!(
                "customs refused it: when they take it after all it goes on by itself; to file it once more, with what is known \
                 by now: {once_more}"
            )),
            Some(DeclarationState::Cancelled) => Next::needs(
                "cancel the order at its marketplace, or ship it another way and mark it as shipped there",
            ),
            // They took it after all.
            Some(_) => Next::Go(Stage::Declared),
        })
    }
}

/// A carrier would be asked the same: all but the days.
fn is_same(sent: &ShipmentRequest, wanted: &ShipmentRequest) -> bool {
    let mut sent = sent.clone();
    sent.ship_at = wanted.ship_at;
    sent.invoice.date = wanted.invoice.date;
    sent == *wanted
}
