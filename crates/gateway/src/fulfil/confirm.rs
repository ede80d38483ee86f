//! Telling the marketplace that an order left. A lost answer is settled by reading the order.

use tradewind_connector::{CallCx, Kind, Submitted};
use tradewind_domain::{LineQuantity, OrderState, ShipmentNotice};
use tradewind_store::Batch;
use tradewind_store::typed::{self, Record};

use super::Fulfilled;
use crate::gateway::{Gateway, Result};
use crate::records::{OrderRecord, Reservation, ReservationState, ShipmentRecord, Stage, StockRecord};

impl Gateway {
    pub(super) async fn confirm(&self, mut record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        let account = record.order.account.clone();
        let connector = self.account(&account)?.clone();
        let shipment_id = record.shipment.clone().unwrap_or_default();
        let Some(shipment) = typed::get::<ShipmentRecord>(&*self.store, &shipment_id).await? else {
            return Ok(());
        };
        let (Some(actions), Some(booked)) =
            (connector.marketplace().and_then(|m| m.order_actions()), shipment.value.booked.as_ref())
        else {
            return Ok(());
        };
        let lines: Vec<LineQuantity> = record
            .order
            .lines
            .iter()
            .filter(|l| l.open() > 0)
            .map(|l| LineQuantity { line: l.id.clone(), quantity: l.open() })
            .collect();
        if lines.is_empty() {
            return self.confirmed(record, done).await;
        }
        let carrier = self.account(&shipment.value.account)?.info().id.to_string();
        let notice = ShipmentNotice {
            order: record.order.id.clone(),
            shipment: shipment.value.request.id.clone(),
            fulfilment: record.order.lines.iter().find_map(|l| l.fulfilment.clone()),
            lines,
            carrier,
            waybill: booked.waybill.clone(),
            shipped_at: self.now(),
        };
        let cx = CallCx::keyed(format!("{shipment_id}/confirm/{}", record.confirm_attempt));
        match actions.ship(&cx, &notice).await {
            Ok(Submitted::Done(())) => self.confirmed(record, done).await,
            Ok(Submitted::Deferred(_)) => {
                done.postponed += 1;
                Ok(())
            }
            Err(e)
                if e.kind() == Kind::Indeterminate
                    || e.kind() == Kind::Duplicate
                    || e.kind() == Kind::Conflict =>
            {
                // Read: did it arrive?
                done.note(e.to_string());
                let Some(orders) = connector.marketplace().and_then(|m| m.orders()) else { return Ok(()) };
                match orders.get(&CallCx::new(), &record.order.id).await {
                    Ok(now)
                        if matches!(
                            now.state,
                            OrderState::Shipped | OrderState::Delivered | OrderState::AwaitingPickup
                        ) =>
                    {
                        record.order = now;
                        self.confirmed(record, done).await
                    }
                    Ok(now) if now.state == OrderState::Cancelled => {
                        record.order = now;
                        self.stage(
                            record,
                            Stage::Cancelled,
                            Some("cancelled while the parcel was booked: call the parcel back".to_owned()),
                            Batch::new(),
                        )
                        .await
                    }
                    Ok(now) => {
                        // It did not arrive: the next round tells it again, under a new key.
                        record.order = now;
                        record.confirm_attempt += 1;
                        done.postponed += 1;
                        self.stage(record, Stage::ToConfirm, None, Batch::new()).await
                    }
                    Err(e) => {
                        done.note(e.to_string());
                        done.postponed += 1;
                        Ok(())
                    }
                }
            }
            Err(e) if e.kind().is_business() => {
                done.note(e.to_string());
                self.stage(record, Stage::Stuck, Some(e.to_string()), Batch::new()).await
            }
            Err(e) => {
                done.note(e.to_string());
                done.postponed += 1;
                Ok(())
            }
        }
    }

    /// The marketplace knows: the units leave the stock ledger in the same commit.
    async fn confirmed(&self, record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        done.confirmed += 1;
        let order = &record.order;
        let mut batch = Batch::new();
        let mut stock: std::collections::BTreeMap<String, StockRecord> = std::collections::BTreeMap::new();
        for line in &order.lines {
            let key = format!("{}/{}/{}", order.account, order.id, line.id);
            let Some(held) = typed::get::<Reservation>(&*self.store, &key).await? else { continue };
            if held.value.state != ReservationState::Held {
                continue;
            }
            let sku = held.value.sku.to_string();
            if !stock.contains_key(&sku) {
                let Some(shelf) = typed::get::<StockRecord>(&*self.store, &sku).await? else { continue };
                stock.insert(sku.clone(), shelf.value);
            }
            if let Some(shelf) = stock.get_mut(&sku) {
                shelf.ship(held.value.quantity);
            }
            batch.put(&Reservation { state: ReservationState::Shipped, ..held.value })?;
        }
        for shelf in stock.values() {
            batch.put(shelf)?;
        }
        batch.audit(self.now(), "confirm", record.key(), record.shipment.clone().unwrap_or_default());
        self.stage(record, Stage::Confirmed, None, batch).await
    }
}
