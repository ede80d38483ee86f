//! Parcels that nobody waits for: their orders were cancelled after the label was booked, or were shipped by somebody else while it was
//! booked. Where the carrier can void a label, it is voided.
//! Where it cannot, order and parcel say so: a person must keep the parcel back, and the label may be billed. Whether he did, its scans
//! tell.

use tradewind_connector::{CallCx, Error, Facet, Kind};
use tradewind_domain::{OrderLine, ShipmentState};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Filter};

use super::book::lookup_lag;
use super::track::handed_over_at;
use super::{Fulfilled, unless_overtaken};
use crate::gateway::{Gateway, Result};
use crate::records::{OrderRecord, ShipmentRecord, Stage};

impl Gateway {
    pub(super) async fn call_back(&self, done: &mut Fulfilled) -> Result<()> {
        // A booking that was under way when the cancellation came, or the news that somebody else shipped: without its outcome
        // a label may exist that nobody knows, and no other step looks at such an order.
        let doubt = [ShipmentState::CreatePending, ShipmentState::CreateUnknown, ShipmentState::LabelPending];
        let open = typed::list::<ShipmentRecord>(&*self.store, Filter::all().states(&doubt)).await?;
        for parcel in open {
            let order = typed::get::<OrderRecord>(&*self.store, &parcel.value.order).await?;
            let Some(order) = order.map(|o| o.value).filter(OrderRecord::is_unwanted) else {
                continue;
            };
            let key = order.key();
            let step = self.settle_booking(order, parcel, done).await;
            unless_overtaken(step, &key, done)?;
        }
        for order in self.orders_in(Stage::Cancelled).await? {
            let Some(id) = &order.shipment else { continue };
            let Some(parcel) = typed::get::<ShipmentRecord>(&*self.store, id).await? else { continue };
            let key = order.key();
            let step = self.stop_parcel(order, parcel, done).await;
            unless_overtaken(step, &key, done)?;
        }
        // Confirmed orders are many, labels that wait are few.
        let labelled = [ShipmentState::LabelCreated, ShipmentState::VoidPending];
        for parcel in typed::list::<ShipmentRecord>(&*self.store, Filter::all().states(&labelled)).await? {
            let order = typed::get::<OrderRecord>(&*self.store, &parcel.value.order).await?;
            let left = |o: &OrderRecord| o.stage == Stage::Confirmed && o.is_unwanted();
            let Some(order) = order.map(|o| o.value).filter(left) else { continue };
            let key = order.key();
            let step = self.stop_parcel(order, parcel, done).await;
            unless_overtaken(step, &key, done)?;
        }
        Ok(())
    }

    async fn stop_parcel(
        &self,
        order: OrderRecord,
        mut parcel: Versioned<ShipmentRecord>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let Some(waybill) = parcel.value.booked.as_ref().map(|b| b.waybill.clone()) else { return Ok(()) };
        // Voided, or told already.
        let told = parcel.value.note.is_some();
        if told || parcel.value.state == ShipmentState::Voided {
            return Ok(());
        }
        let carrier = self.account(&parcel.value.account)?.clone();
        let name = &carrier.info().name;
        let shipments = carrier.logistics().and_then(|l| l.shipments());
        let void = shipments.filter(|_| carrier.capabilities().support(Facet::VoidShipment).works());
        let (Some(shipments), ShipmentState::LabelCreated | ShipmentState::VoidPending) =
            (void, parcel.value.state)
        else {
            let why = match (void, parcel.value.state) {
                (None, ShipmentState::LabelCreated) => format!("{name} has no call to void a label"),
                (_, state) => format!("the parcel is {state} already"),
            };
            return self.tell(order, parcel, &why, done).await;
        };
        if parcel.value.state == ShipmentState::VoidPending {
            // The answer was lost, or a process died: is the label still there?
            let request = &parcel.value.request;
            return match shipments.find(&CallCx::new(), &request.id, request.ship_at).await {
                Ok(None) => {
                    // A young label may not be in the carrier's index yet: that it is not there proves nothing so soon.
                    let now = self.now();
                    let since = *parcel.value.missing_since.get_or_insert(now);
                    if now.duration_since(since) > lookup_lag(carrier.as_ref()) {
                        return self.voided(order, parcel, done).await;
                    }
                    done.postponed += 1;
                    let mut batch = Batch::new();
                    batch.put_back(&parcel)?;
                    Ok(self.store.commit(batch).await?)
                }
                Ok(Some(_)) => {
                    // It is: asked again in the next round, under a new key.
                    parcel.value.attempt += 1;
                    parcel.value.missing_since = None;
                    self.not_voided(parcel, done).await
                }
                Err(e) => {
                    done.refused(self.told(&e));
                    done.postponed += 1;
                    Ok(())
                }
            };
        }
        parcel.value.state.step(ShipmentState::VoidPending)?;
        parcel.value.voids += 1;
        parcel.value.missing_since = None;
        let mut batch = Batch::new();
        batch.put_back(&parcel)?;
        self.store.commit(batch).await?;
        parcel.version += 1;
        let cx = CallCx::keyed(format!("{}/void/{}", parcel.value.request.id, parcel.value.attempt));
        match shipments.void(&cx, &waybill).await {
            Ok(()) => self.voided(order, parcel, done).await,
            Err(e) => self.void_failed(order, parcel, &e, done).await,
        }
    }

    async fn voided(
        &self,
        order: OrderRecord,
        mut parcel: Versioned<ShipmentRecord>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let id = parcel.value.request.id.to_string();
        parcel.value.state.step(ShipmentState::Voided)?;
        parcel.value.note = Some(format!("voided: its order was {}", fate(&order)));
        let mut batch = Batch::new();
        batch.put_back(&parcel)?.audit(self.now(), "void", order.key(), id.clone());
        done.voided += 1;
        let (stage, note) = (order.stage, format!("{}; the label of parcel {id} is void", fate(&order)));
        self.stage(order, stage, Some(note), batch).await
    }

    async fn void_failed(
        &self,
        order: OrderRecord,
        mut parcel: Versioned<ShipmentRecord>,
        error: &Error,
        done: &mut Fulfilled,
    ) -> Result<()> {
        // The first call was carried out after all. (A conflict may also mean that the parcel left: that is told.)
        if parcel.value.voids > 1 && matches!(error.kind(), Kind::NotFound | Kind::Duplicate) {
            return self.voided(order, parcel, done).await;
        }
        if error.kind().is_business() {
            done.failed += 1;
            parcel.value.state.step(ShipmentState::LabelCreated)?;
            return self
                .tell(order, parcel, &format!("the carrier does not void its label: {error}"), done)
                .await;
        }
        done.refused(self.told(error));
        if error.kind() == Kind::Indeterminate {
            // Stays as it is: the next round looks whether the label is still there.
            done.postponed += 1;
            return Ok(());
        }
        self.not_voided(parcel, done).await
    }

    async fn not_voided(&self, mut parcel: Versioned<ShipmentRecord>, done: &mut Fulfilled) -> Result<()> {
        done.postponed += 1;
        parcel.value.state.step(ShipmentState::LabelCreated)?;
        let mut batch = Batch::new();
        batch.put_back(&parcel)?;
        Ok(self.store.commit(batch).await?)
    }

    /// Writes on order and parcel what a person must do, once.
    async fn tell(
        &self,
        order: OrderRecord,
        mut parcel: Versioned<ShipmentRecord>,
        why: &str,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let waybill = parcel.value.booked.as_ref().map(|b| b.waybill.to_string()).unwrap_or_default();
        let note = format!(
            "{} after parcel {waybill} was booked, and {why}: keep it back, or have it returned; the carrier may bill it",
            fate(&order)
        );
        parcel.value.note = Some(note.clone());
        let mut batch = Batch::new();
        batch.put_back(&parcel)?.audit(
            self.now(),
            if order.stage == Stage::Cancelled { "after cancellation" } else { "beside another parcel" },
            order.key(),
            parcel.value.request.id.to_string(),
        );
        done.after_cancellation += 1;
        done.urge(format!("order {}: {note}", order.key()));
        let stage = order.stage;
        self.stage(order, stage, Some(note), batch).await
    }

    /// A parcel was scanned for the first time: what a person must know if nobody waits for it. Its units are on the shelf by our
    /// count: given back when its order was cancelled, or never taken where somebody else shipped. They are not taken off: a count of
    /// the shelf may have done so since.
    ///
    /// The order goes into the commit as it was read: cancelled in between, its units would be given back and nobody told.
    pub(super) async fn left_after_all(
        &self,
        parcel: &mut ShipmentRecord,
        batch: &mut Batch,
    ) -> Result<Option<String>> {
        let Some(mut order) = typed::get::<OrderRecord>(&*self.store, &parcel.order).await? else {
            return Ok(None);
        };
        if !order.value.is_unwanted() {
            batch.put_back(&order)?;
            return Ok(None);
        }
        let waybill = parcel.booked.as_ref().map(|b| b.waybill.to_string()).unwrap_or_default();
        let at = handed_over_at(parcel).map(|at| format!(" since {at}")).unwrap_or_default();
        let units = contents(parcel, &order.value);
        let note = format!(
            "{}, and the carrier has parcel {waybill} all the same{at}: {units} in it are on the shelf by our count; count the shelf, and \
             have the parcel returned; the carrier may bill it",
            fate(&order.value)
        );
        parcel.note = Some(note.clone());
        order.value.note = Some(note.clone());
        let key = order.value.key();
        let what = format!("parcel {}: {units}", parcel.request.id);
        batch.put_back(&order)?.audit(self.now(), "left after all", key.clone(), what);
        Ok(Some(format!("order {key}: {note}")))
    }
}

/// The units of a parcel, in words. What of its order's lines left before by another way is not in it.
fn contents(parcel: &ShipmentRecord, order: &OrderRecord) -> String {
    let units = |line: &OrderLine| {
        let booked = parcel.ordered.iter().find(|l| l.line == line.id).map(|l| l.quantity);
        let ordered = booked.or(parcel.ordered.is_empty().then_some(line.quantity)).unwrap_or(0);
        // Of one that somebody else shipped, that is what he shipped.
        let before = if order.stage == Stage::Cancelled { line.shipped } else { 0 };
        let of = line.sku.as_ref().map_or(line.channel_sku.as_str(), |sku| sku.as_str());
        Some(ordered.saturating_sub(before)).filter(|n| *n > 0).map(|n| format!("{n} of {of}"))
    };
    let units: Vec<String> = order.order.lines.iter().filter_map(units).collect();
    if units.is_empty() { "the units".to_owned() } else { units.join(", ") }
}

/// Why nobody waits for the parcel of an order.
fn fate(order: &OrderRecord) -> &'static str {
    if order.stage == Stage::Cancelled { "cancelled" } else { "shipped by somebody else" }
}
