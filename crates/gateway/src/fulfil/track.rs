//! Tracking: scans in, folded into a state that does not depend on their order. Carriers are asked by the age of what is known.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tradewind_connector::role::TrackingReport;
use tradewind_connector::{CallCx, Error};
use tradewind_domain::{AccountId, ShipmentState, TrackingEvent, TrackingState, Waybill, fold_tracking};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Filter, StoreError};

use super::Fulfilled;
use crate::gateway::{Gateway, Result};
use crate::records::ShipmentRecord;

/// Before the carrier has it: a label is scanned once somebody fetched the parcel, hours later.
const FRESH: SignedDuration = SignedDuration::from_hours(4);
/// On its way.
const UNDER_WAY: SignedDuration = SignedDuration::from_hours(6);
/// With the courier: delivered within hours.
const NEAR: SignedDuration = SignedDuration::from_hours(1);
/// Of which nothing new was told for [`LONG`].
const QUIET: SignedDuration = SignedDuration::from_hours(12);
/// After so long without a scan it lies somewhere, or is at sea, or was never handed over: half a day more or less tells nothing.
const LONG: SignedDuration = SignedDuration::from_hours(14 * 24);
/// After so long it is lost, or its label was thrown away: a word may still come, and is no longer waited for each day.
const GONE_QUIET: SignedDuration = SignedDuration::from_hours(60 * 24);
const SELDOM: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A round takes its time: what was asked in the midst of one is due in the round that begins so long after it began.
const SLACK: SignedDuration = SignedDuration::from_mins(15);

/// Which parcels are asked about. Only such as are on their way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask<'a> {
    /// Those that are due ([`ShipmentRecord::due_at`]).
    Due,
    /// All: a person wants to know.
    All,
    /// These of one carrier's account: it sent word that something is new.
    These(&'a AccountId, &'a BTreeSet<Waybill>),
}

impl Gateway {
    /// Asks for scans of parcels that are on their way, and keeps them and when it was asked. What a carrier did not answer was not
    /// asked: it is due still, and comes back with the reason.
    pub(crate) async fn track(
        &self,
        which: Ask<'_>,
        done: &mut Fulfilled,
    ) -> Result<BTreeMap<Waybill, Error>> {
        let open = [ShipmentState::LabelCreated, ShipmentState::InTransit];
        let filter = match which {
            Ask::These(id, _) => Filter::account(id.as_str()),
            Ask::Due | Ask::All => Filter::all(),
        };
        let now = self.now();
        let waybill = |p: &ShipmentRecord| p.booked.as_ref().map(|b| b.waybill.clone());
        let asked = |p: &ShipmentRecord| match which {
            Ask::Due => p.due_at().is_none_or(|at| at <= now),
            Ask::All => true,
            Ask::These(_, named) => waybill(p).is_some_and(|w| named.contains(&w)),
        };
        let mut unanswered = BTreeMap::new();
        let mut by_account: BTreeMap<AccountId, Vec<Versioned<ShipmentRecord>>> = BTreeMap::new();
        for parcel in typed::list::<ShipmentRecord>(&*self.store, filter.states(&open)).await? {
            // An account that is gone is told of in each round, whatever is due.
            let of = by_account.entry(parcel.value.account.clone()).or_default();
            if parcel.value.booked.is_some() && asked(&parcel.value) {
                of.push(parcel);
            }
        }
        for (id, parcels) in by_account {
            let Some(carrier) = self.accounts.get(&id).cloned() else {
                done.absent(&id);
                continue;
            };
            let Some(tracking) = carrier.logistics().and_then(|l| l.tracking()) else { continue };
            let size = carrier.capabilities().bounds.tracking_batch.map_or(1, |n| n as usize).max(1);
            for chunk in parcels.chunks(size) {
                let asked_at = self.now();
                let waybills: Vec<Waybill> = chunk.iter().filter_map(|p| waybill(&p.value)).collect();
                let reports = match tracking.track(&CallCx::new(), &waybills).await {
                    Ok(reports) => reports,
                    Err(e) => {
                        done.refused(self.told(&e));
                        done.postponed += 1;
                        unanswered.extend(waybills.into_iter().map(|waybill| (waybill, e.clone())));
                        continue;
                    }
                };
                for parcel in chunk {
                    let of = |r: &&TrackingReport| waybill(&parcel.value).as_ref() == Some(&r.waybill);
                    if let Some(report) = reports.iter().find(of) {
                        self.keep_scans(parcel.clone(), report, asked_at, done).await?;
                    }
                }
            }
        }
        Ok(unanswered)
    }

    /// Keeps what was told of a parcel. What somebody wrote to it meanwhile stays: the scans are laid over it.
    async fn keep_scans(
        &self,
        mut parcel: Versioned<ShipmentRecord>,
        report: &TrackingReport,
        asked_at: Timestamp,
        done: &mut Fulfilled,
    ) -> Result<()> {
        loop {
            let tracked_at = parcel.value.tracked_at.max(Some(asked_at));
            let scanned = ShipmentRecord { tracked_at, ..scanned(&parcel.value, &report.events) };
            let moved = scanned.tracking != parcel.value.tracking;
            let was_here = !parcel.value.has_left();
            parcel.value = scanned;
            let mut batch = Batch::new();
            let after_all = match was_here && parcel.value.has_left() {
                true => self.left_after_all(&mut parcel.value, &mut batch).await?,
                false => None,
            };
            batch.put_back(&parcel)?;
            match self.store.commit(batch).await {
                Ok(()) => {
                    done.moved += u32::from(moved);
                    if let Some(why) = report.unread.first() {
                        let order = &parcel.value.request.order;
                        done.urge(format!(
                            "{}: {} of the scans of {} (order {order}) cannot be read, and are not counted: {why}",
                            parcel.value.account, report.unread.len(), report.waybill
                        ));
                    }
                    if let Some(told) = after_all {
                        done.left_after_all += 1;
                        done.urge(told);
                    }
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {
                    let known = typed::get::<ShipmentRecord>(&*self.store, &parcel.value.key()).await?;
                    // It has another label by now: these are not its scans.
                    let same =
                        |p: &ShipmentRecord| p.booked.as_ref().is_some_and(|b| b.waybill == report.waybill);
                    let Some(known) = known.filter(|k| same(&k.value)) else { return Ok(()) };
                    parcel = known;
                }
                Err(e) => return Err(e.into()),
            }
        }
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

impl ShipmentRecord {
    /// From when on its carrier is to be asked again; `None`: at once. By the age of what is known, as is the custom at DHL, which
    /// gives an application a quota for a day (fresh 4 h, on its way 6 to 12 h, with the courier 1 h): asking in each round would use
    /// it up where rounds are many, and tells nothing more. A booking counts as an asking: nobody scans it within minutes.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        let since = self.tracked_at.or(self.sent_at)?;
        let news = self.events.iter().map(scanned_at).max().or(self.sent_at);
        let silent = news.map_or(SignedDuration::ZERO, |at| since.duration_since(at));
        let pause = match self.tracking {
            _ if silent >= GONE_QUIET => SELDOM,
            _ if silent >= LONG => QUIET,
            TrackingState::OutForDelivery => NEAR,
            tracking if shipment_state(tracking).is_some() => UNDER_WAY,
            _ => FRESH,
        };
        Some(since.checked_add(pause - SLACK).unwrap_or(since))
    }
}

/// When a scan first told that the carrier has a parcel.
pub(super) fn handed_over_at(parcel: &ShipmentRecord) -> Option<Timestamp> {
    let with_carrier = |e: &&TrackingEvent| e.state.and_then(shipment_state).is_some();
    parcel.events.iter().filter(with_carrier).map(scanned_at).min()
}

/// When a parcel was scanned; where no offset was told, as if its wall clock showed UTC.
pub(crate) fn scanned_at(scan: &TrackingEvent) -> Timestamp {
    let wall = || scan.local.to_zoned(jiff::tz::TimeZone::UTC).map_or(Timestamp::MIN, |z| z.timestamp());
    scan.utc.unwrap_or_else(wall)
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
