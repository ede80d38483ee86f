//! Telling the marketplace that an order left. A lost answer is settled by reading the order.

use tradewind_connector::{CallCx, Connector, Error, Kind, Submitted};
use tradewind_domain::{LineQuantity, Order, OrderState, ShipmentNotice, Waybill};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, StoreError};

use super::Fulfilled;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::orders::Pulled;
use crate::records::{
    OrderRecord, Reservation, ReservationState, ShipmentRecord, Stage, StockRecord, reservation_key,
};

/// A marketplace that answers, and shows the order open all the same, is told so often. Then a person looks at it.
const MOST_TOLD: u32 = 5;

impl Gateway {
    /// Tells the marketplace that an order left, or asks what became of having told it.
    pub(super) async fn confirm(&self, mut record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        let account = record.order.account.clone();
        let connector = self.account(&account)?.clone();
        let shipment_id = record.shipment.clone().unwrap_or_default();
        let Some(shipment) = typed::get::<ShipmentRecord>(&*self.store, &shipment_id).await? else {
            return Ok(());
        };
        let shipment = shipment.value;
        let Some(booked) = shipment.booked.as_ref() else { return Ok(()) };
        let Some(actions) = connector.marketplace().and_then(|m| m.order_actions()) else {
            let why =
                format!("account '{account}' is told of no shipments: mark it as shipped in its own pages");
            return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await;
        };
        let asked = record.confirm.take();
        let lines = open_lines(&record.order);
        if lines.is_empty() {
            return self.confirmed(record, done).await;
        }
        if asked.is_none() {
            if done.keeps_back(&record, &shipment) {
                return Ok(());
            }
            if let Some(why) = shipment.changed_since(&record.order) {
                return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await;
            }
        }
        let notice = self.notice(&record.order, &shipment, &booked.waybill, lines)?;
        let answer = match &asked {
            Some(handle) if handle.not_before.is_some_and(|t| t > self.now()) => {
                done.postponed += 1;
                return Ok(());
            }
            Some(handle) => actions.poll(&CallCx::new(), handle).await,
            None => {
                let cx = CallCx::keyed(format!("{shipment_id}/confirm/{}", record.confirm_attempt));
                actions.ship(&cx, &notice).await
            }
        };
        match answer {
            Ok(Submitted::Done(())) => self.confirmed(record, done).await,
            Ok(Submitted::Deferred(handle)) => {
                done.postponed += 1;
                record.confirm = Some(handle);
                self.stage(record, Stage::ToConfirm, None, Batch::new()).await
            }
            Err(e) => {
                done.refused(self.told(&e));
                if may_have_arrived(&e, asked.is_some()) {
                    self.see_whether_told(&*connector, record, &e, done).await
                } else if e.kind().is_business() {
                    self.stage(record, Stage::Stuck, Some(e.to_string()), Batch::new()).await
                } else {
                    done.postponed += 1;
                    Ok(())
                }
            }
        }
    }

    fn notice(
        &self,
        order: &Order,
        shipment: &ShipmentRecord,
        waybill: &Waybill,
        lines: Vec<LineQuantity>,
    ) -> Result<ShipmentNotice> {
        Ok(ShipmentNotice {
            order: order.id.clone(),
            shipment: shipment.request.id.clone(),
            fulfilment: order.lines.iter().find_map(|l| l.fulfilment.clone()),
            lines,
            carrier: self.account(&shipment.account)?.info().id.to_string(),
            waybill: waybill.clone(),
            shipped_at: self.now(),
        })
    }

    /// Reads the order of which nobody says whether the marketplace took in that it left, `e` being what it said.
    async fn see_whether_told(
        &self,
        connector: &dyn Connector,
        mut record: OrderRecord,
        e: &Error,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let Some(orders) = connector.marketplace().and_then(|m| m.orders()) else { return Ok(()) };
        let now = match orders.get(&CallCx::new(), &record.order.id).await {
            Ok(now) => now,
            Err(e) => {
                done.refused(self.told(&e));
                done.postponed += 1;
                return Ok(());
            }
        };
        let state = now.state;
        // In by the pull's door: what is held for it follows its state.
        let mut pulled = Pulled::default();
        self.take_order(now, &mut pulled).await?;
        done.heard(pulled);
        if state.has_left() {
            return self.confirmed(record, done).await;
        }
        // Its parcel is called back within this round.
        if state == OrderState::Cancelled {
            return Ok(());
        }
        // It did not arrive: the next round tells it again, under a new key. Not for ever, where it was answered.
        record.confirm_attempt += 1;
        if e.kind() != Kind::Indeterminate && record.confirm_attempt >= MOST_TOLD {
            let why = format!(
                "its marketplace was told {} times that it left, and shows it {state} still: {e}",
                record.confirm_attempt
            );
            return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await;
        }
        done.postponed += 1;
        self.stage(record, Stage::ToConfirm, None, Batch::new()).await
    }

    /// The marketplace knows: the units leave the stock ledger in the same commit. All of it is read and written in its
    /// version: the pull may take an order in, or a cancellation, between the two.
    pub(super) async fn confirmed(&self, record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        loop {
            let mut batch = Batch::new();
            self.units_leave(&record, &mut batch).await?;
            batch.audit(self.now(), "confirm", record.key(), record.shipment.clone().unwrap_or_default());
            match self.try_stage(&record, Stage::Confirmed, None, batch).await {
                Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                Ok(stage) => {
                    done.confirmed += u32::from(stage == Stage::Confirmed);
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
    }

    async fn units_leave(&self, record: &OrderRecord, batch: &mut Batch) -> Result<()> {
        let order = &record.order;
        let mut stock: std::collections::BTreeMap<String, Versioned<StockRecord>> =
            std::collections::BTreeMap::new();
        for line in &order.lines {
            let key = reservation_key(&order.account, order.id.as_str(), line.id.as_str());
            let Some(mut held) = typed::get::<Reservation>(&*self.store, &key).await? else { continue };
            if held.value.state != ReservationState::Held {
                continue;
            }
            let sku = held.value.sku.to_string();
            if !stock.contains_key(&sku) {
                let Some(shelf) = typed::get::<StockRecord>(&*self.store, &sku).await? else { continue };
                stock.insert(sku.clone(), shelf);
            }
            if let Some(shelf) = stock.get_mut(&sku) {
                shelf.value.ship(held.value.quantity);
            }
            held.value.state = ReservationState::Shipped;
            batch.put_back(&held)?;
        }
        for shelf in stock.values() {
            batch.put_back(shelf)?;
        }
        Ok(())
    }
}

/// What of an order has not left yet.
fn open_lines(order: &Order) -> Vec<LineQuantity> {
    let open = order.lines.iter().filter(|l| l.open() > 0);
    open.map(|l| LineQuantity { line: l.id.clone(), quantity: l.open() }).collect()
}

/// The marketplace may know all the same: the call is in doubt, or was made before; or the channel does not know the job any more that
/// it was told in (`asked`).
fn may_have_arrived(e: &Error, asked: bool) -> bool {
    match e.kind() {
        Kind::Indeterminate | Kind::Duplicate | Kind::Conflict => true,
        Kind::NotFound | Kind::InvalidRequest | Kind::Unsupported => asked,
        _ => false,
    }
}
