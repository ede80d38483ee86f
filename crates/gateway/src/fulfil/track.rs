//! Tracking: scans in, folded into a state that does not depend on their order.

use tradewind_connector::CallCx;
use tradewind_domain::{AccountId, ShipmentState, TrackingState, Waybill, fold_tracking};
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
                    let mut scanned = parcel.clone();
                    let parcel = &mut scanned.value;
                    for event in &report.events {
                        if !parcel.events.contains(event) {
                            parcel.events.push(event.clone());
                        }
                    }
                    let tracking = fold_tracking(&parcel.events);
                    if tracking == parcel.tracking {
                        continue;
                    }
                    parcel.tracking = tracking;
                    let state = shipment_state(tracking);
                    if let Some(state) = state.filter(|s| parcel.state.can_become(*s)) {
                        parcel.state = state;
                    }
                    let mut batch = Batch::new();
                    batch.put_back(&scanned)?;
                    match self.store.commit(batch).await {
                        Ok(()) => done.moved += 1,
                        // Somebody wrote to the parcel meanwhile: the scans are told again in the next round.
                        Err(StoreError::Conflict { .. }) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
            }
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
