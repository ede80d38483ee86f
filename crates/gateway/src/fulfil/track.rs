//! Tracking: scans in, folded into a state that does not depend on their order.

use tradewind_connector::CallCx;
use tradewind_domain::{AccountId, ShipmentState, TrackingEvent, TrackingState, Waybill, fold_tracking};
use tradewind_store::typed::{self, Versioned};
use tradewind_store::{Batch, Filter, StoreError};

use super::Fulfilled;
use crate::gateway::{Gateway, Result};
use crate::records::ShipmentRecord;

impl Gateway {
    /// Asks for scans of all parcels that are on their way, of one carrier's account or of all.
    pub(crate) async fn track(&self, only: Option<&AccountId>, done: &mut Fulfilled) -> Result<()> {
        let open = [ShipmentState::LabelCreated, ShipmentState::Manifested, ShipmentState::InTransit];
        let filter = only.map_or_else(Filter::all, |id| Filter::account(id.as_str()));
        let parcels = typed::list::<ShipmentRecord>(&*self.store, filter.states(&open)).await?;
        let mut by_account: std::collections::BTreeMap<AccountId, Vec<Versioned<ShipmentRecord>>> =
            std::collections::BTreeMap::new();
        for parcel in parcels {
            by_account.entry(parcel.value.account.clone()).or_default().push(parcel);
        }
        for (id, parcels) in by_account {
            let Some(carrier) = self.accounts.get(&id).cloned() else {
                done.absent(&id);
                continue;
            };
            let Some(tracking) = carrier.logistics().and_then(|l| l.tracking()) else { continue };
            let size = carrier.capabilities().bounds.tracking_batch.map_or(1, |n| n as usize).max(1);
            for chunk in parcels.chunks(size) {
                let waybills: Vec<Waybill> =
                    chunk.iter().filter_map(|p| Some(p.value.booked.as_ref()?.waybill.clone())).collect();
                let reports = match tracking.track(&CallCx::new(), &waybills).await {
                    Ok(reports) => reports,
                    Err(e) => {
                        done.refused(self.told(&e));
                        done.postponed += 1;
                        continue;
                    }
                };
                for parcel in chunk {
                    let Some(waybill) = parcel.value.booked.as_ref().map(|b| &b.waybill) else { continue };
                    let Some(report) = reports.iter().find(|r| r.waybill == *waybill) else { continue };
                    self.take_scans(parcel, &report.events, done).await?;
                }
            }
        }
        Ok(())
    }

    async fn take_scans(
        &self,
        parcel: &Versioned<ShipmentRecord>,
        events: &[TrackingEvent],
        done: &mut Fulfilled,
    ) -> Result<()> {
        let scanned = Versioned { value: scanned(&parcel.value, events), version: parcel.version };
        if scanned == *parcel {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put_back(&scanned)?;
        match self.store.commit(batch).await {
            Ok(()) => done.moved += u32::from(scanned.value.tracking != parcel.value.tracking),
            // Somebody wrote to the parcel meanwhile: the scans are told again in the next round.
            Err(StoreError::Conflict { .. }) => {}
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// All parcels.
    ///
    /// # Errors
    /// The store failed.
    pub async fn parcels(&self) -> Result<Vec<ShipmentRecord>> {
        let all = typed::list::<ShipmentRecord>(&*self.store, Filter::all()).await?;
        Ok(all.into_iter().map(|p| p.value).collect())
    }
}

/// A parcel with what its carrier tells: each scan is kept once, also one that does not move it.
fn scanned(parcel: &ShipmentRecord, events: &[TrackingEvent]) -> ShipmentRecord {
    let mut parcel = parcel.clone();
    for event in events {
        if !parcel.events.contains(event) {
            parcel.events.push(event.clone());
        }
    }
    let tracking = fold_tracking(&parcel.events);
    let state = shipment_state(tracking).filter(|_| tracking != parcel.tracking);
    if let Some(state) = state.filter(|s| parcel.state.can_become(*s)) {
        parcel.state = state;
    }
    parcel.tracking = tracking;
    parcel
}

/// What a parcel's place means for its shipment; `None` when it says nothing.
pub(super) fn shipment_state(tracking: TrackingState) -> Option<ShipmentState> {
    match tracking {
        TrackingState::Unknown
        | TrackingState::InfoReceived
        | TrackingState::Cancelled
        | TrackingState::Expired => None,
        TrackingState::Delivered => Some(ShipmentState::Delivered),
        TrackingState::Returned => Some(ShipmentState::Returned),
        TrackingState::Lost | TrackingState::Destroyed => Some(ShipmentState::Lost),
        _ => Some(ShipmentState::InTransit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between two scans that move a parcel there are days in which a person asks where it is.
    #[test]
    fn a_scan_that_does_not_move_the_parcel_is_kept_and_a_late_one_moves_it_not_back() {
        let parcel: ShipmentRecord = serde_json::from_value(serde_json::json!({
            "account": "dhl", "order": "shop/1", "state": "label_created", "booked": null, "events": [], "tracking": "unknown",
            "missing_since": null, "attempt": 1, "handle": null,
            "request": {"id": "TW1", "order": "1", "parcels": [], "contents": [], "incoterm": "DAP", "ship_at": "2026-03-02T10:00:00Z",
                "from": {"country": "CN"}, "to": {"country": "DE"},
                "invoice": {"number": "TW1", "date": "2026-03-02", "total": zero(), "freight": zero()}}
        }))
        .unwrap();
        let scan = |day: u8, state: &str| -> TrackingEvent {
            serde_json::from_value(serde_json::json!({
                "code": "X", "text": "", "state": state, "local": format!("2026-03-0{day}T10:00:00"), "utc": null, "place": ""
            }))
            .unwrap()
        };
        let first = scanned(&parcel, &[scan(3, "in_transit")]);
        assert_eq!((first.state, first.tracking), (ShipmentState::InTransit, TrackingState::InTransit));
        let second = scanned(&first, &[scan(3, "in_transit"), scan(4, "in_transit")]);
        assert_eq!((second.state, second.tracking), (first.state, first.tracking));
        assert_eq!(second.events, [scan(3, "in_transit"), scan(4, "in_transit")]);
        let third = scanned(&second, &[scan(6, "delivered")]);
        let late = scanned(&third, &[scan(5, "in_transit")]);
        assert_eq!((late.state, late.events.len()), (ShipmentState::Delivered, 4));
    }

    fn zero() -> serde_json::Value {
        serde_json::json!({"amount": "0.00", "currency": "EUR"})
    }
}
