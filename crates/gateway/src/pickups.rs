//! Couriers: a pickup is ordered for parcels that are booked and not handed over.
//!
//! Carriers have no call to look a pickup up by a number of ours, and a second order sends a second courier. So the record
//! stands before the call, holds its parcels, and one whose answer was lost holds them until a person has asked the carrier.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_connector::role::{Pickup, Pickups};
use tradewind_connector::{CallCx, Connector, Error, Facet, Kind};
use tradewind_domain::{AccountId, ShipmentState, TrackingState};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Collection, Expect, Filter};

use crate::gateway::{Gateway, GatewayError, Result};
use crate::records::{OrderRecord, ShipmentRecord, Stage};

/// How a pickup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickupState {
    /// The order went out; its answer was not written yet.
    Sent,
    /// The carrier confirmed it.
    Booked,
    /// The answer was lost: a courier may come, or not.
    Unknown,
    /// The carrier refused it, or it never reached the carrier.
    Failed,
    /// Called off.
    Cancelled,
}

impl PickupState {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PickupState::Sent => "sent",
            PickupState::Booked => "booked",
            PickupState::Unknown => "unknown",
            PickupState::Failed => "failed",
            PickupState::Cancelled => "cancelled",
        }
    }
}

/// A pickup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickupRecord {
    /// Our short name for it: `P1`, `P2` ...
    pub id: String,
    /// Carrier account.
    pub account: AccountId,
    /// What was ordered.
    pub pickup: Pickup,
    /// Our shipments that it fetches.
    pub shipments: Vec<String>,
    /// How it stands.
    pub state: PickupState,
    /// The carrier's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Why it is where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Record for PickupRecord {
    const COLLECTION: Collection = Collection::Pickups;
    fn key(&self) -> String {
        self.id.clone()
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn state(&self) -> String {
        self.state.name().to_owned()
    }
}

impl PickupRecord {
    /// A courier comes for its parcels, or may: no other is ordered. Once the hours are over they wait again.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        matches!(self.state, PickupState::Sent | PickupState::Booked | PickupState::Unknown)
            && now < self.pickup.close
    }

    /// A person must ask the carrier whether a courier comes.
    #[must_use]
    pub fn is_in_doubt(&self, now: Timestamp) -> bool {
        matches!(self.state, PickupState::Sent | PickupState::Unknown) && now < self.pickup.close
    }
}

/// What came of ordering pickups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ordered {
    /// Carriers asked.
    pub asked: u32,
    /// Carriers that refused, or were not reached.
    pub failed: u32,
    /// Orders whose answer was lost.
    pub unknown: u32,
    /// Pickups, as they stand now.
    pub pickups: Vec<PickupRecord>,
    /// What a person should know.
    pub notes: Vec<String>,
}

fn pickups_of(connector: &dyn Connector) -> Option<&dyn Pickups> {
    let works = connector.capabilities().support(Facet::Pickups).works();
    connector.logistics().and_then(|l| l.pickups()).filter(|_| works)
}

impl Gateway {
    /// Pickups that are stored, in the order in which they were made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn pickups(&self) -> Result<Vec<PickupRecord>> {
        let all = typed::list::<PickupRecord>(&*self.store, Filter::all()).await?;
        let mut all: Vec<PickupRecord> = all.into_iter().map(|p| p.value).collect();
        all.sort_by_key(number);
        Ok(all)
    }

    /// Parcels that are booked, not handed over and not waited for by a courier, by carrier account. A parcel whose order was
    /// cancelled or shipped by somebody else is kept back, and one whose order is held by its marketplace or changed before that
    /// was told.
    ///
    /// # Errors
    /// The store failed.
    pub async fn waiting_for_courier(&self) -> Result<BTreeMap<AccountId, Vec<ShipmentRecord>>> {
        let now = self.now();
        let held: BTreeSet<String> =
            self.pickups().await?.into_iter().filter(|p| p.holds(now)).flat_map(|p| p.shipments).collect();
        let booked = Filter::all().states(&[ShipmentState::LabelCreated]);
        let mut waiting: BTreeMap<AccountId, Vec<ShipmentRecord>> = BTreeMap::new();
        for parcel in typed::list::<ShipmentRecord>(&*self.store, booked).await? {
            let s = parcel.value;
            let here = matches!(s.tracking, TrackingState::Unknown | TrackingState::InfoReceived);
            if here && s.note.is_none() && !held.contains(s.request.id.as_str()) {
                // Or is to be kept back, and only the call that voids its label did not get through yet.
                let order = typed::get::<OrderRecord>(&*self.store, &s.order).await?;
                // Once the marketplace was told, it goes: fulfilling does not look at it any more, and nobody would be told.
                let kept = |o: &OrderRecord| {
                    let held = o.order.state.is_held() || s.changed_since(&o.order).is_some();
                    o.is_unwanted() || held && o.stage != Stage::Confirmed
                };
                if order.is_some_and(|o| kept(&o.value)) {
                    continue;
                }
                waiting.entry(s.account.clone()).or_default().push(s);
            }
        }
        Ok(waiting)
    }

    /// Orders a courier of each carrier (or of one) for its waiting parcels, between two instants.
    ///
    /// # Errors
    /// The hours are no hours to come; the carrier has no call for it; the store failed. What a carrier answers is counted.
    pub async fn order_pickups(
        &self,
        carrier: Option<&AccountId>,
        ready: Timestamp,
        close: Timestamp,
    ) -> Result<Ordered> {
        if ready >= close || ready <= self.now() {
            return Err(GatewayError::Config(format!(
                "a pickup from {ready} until {close}: the hours must lie ahead, and end after they begin"
            )));
        }
        if let Some(id) = carrier
            && pickups_of(self.account(id)?.as_ref()).is_none()
        {
            return Err(GatewayError::Config(format!("account '{id}' has no call to order a pickup")));
        }
        let mut ordered = Ordered::default();
        for (id, parcels) in self.waiting_for_courier().await? {
            if carrier.is_some_and(|c| *c != id) {
                continue;
            }
            let n = parcels.len();
            let Some(connector) = self.accounts.get(&id).cloned() else {
                ordered
                    .notes
                    .push(format!("{n} parcels of {id} wait, and that account is not configured any more"));
                continue;
            };
            let Some(facet) = pickups_of(connector.as_ref()) else {
                ordered.notes.push(format!("{n} parcels of {id} wait, and it has no call to order a pickup"));
                continue;
            };
            ordered.asked += 1;
            let record = self.intend(&id, &parcels, (ready, close)).await?;
            let cx = CallCx::keyed(format!("pickup/{}", record.value.id));
            let answer = facet.order(&cx, &record.value.pickup).await;
            self.ordered(record, answer, &mut ordered).await?;
        }
        Ok(ordered)
    }

    /// Writes the pickup that is about to be ordered. Two processes that do it at once take the same number: one of them is
    /// told, and orders nothing.
    async fn intend(
        &self,
        id: &AccountId,
        parcels: &[ShipmentRecord],
        (ready, close): (Timestamp, Timestamp),
    ) -> Result<Versioned<PickupRecord>> {
        let last = self.pickups().await?.iter().map(number).max().unwrap_or(0);
        let record = PickupRecord {
            id: format!("P{}", last + 1),
            account: id.clone(),
            pickup: Pickup {
                at: self.sender()?.from.clone(),
                ready,
                close,
                parcels: parcels.iter().flat_map(|s| s.request.parcels.iter().cloned()).collect(),
            },
            shipments: parcels.iter().map(|s| s.request.id.to_string()).collect(),
            state: PickupState::Sent,
            confirmation: None,
            sent_at: self.now(),
            note: None,
        };
        let mut batch = Batch::new();
        batch.put_expecting(&record, Expect::Absent)?;
        self.store.commit(batch).await?;
        Ok(Versioned { value: record, version: 1 })
    }

    async fn ordered(
        &self,
        mut record: Versioned<PickupRecord>,
        answer: std::result::Result<String, Error>,
        ordered: &mut Ordered,
    ) -> Result<()> {
        let p = &mut record.value;
        match answer {
            Ok(confirmation) => {
                p.state = PickupState::Booked;
                p.confirmation = Some(confirmation);
            }
            Err(e) if e.kind() == Kind::Indeterminate => {
                p.state = PickupState::Unknown;
                p.note = Some(e.to_string());
                ordered.unknown += 1;
                ordered.notes.push(format!(
                    "{}: it is not known whether {} has the order: ask there, then tradewind pickup settle {} --confirmation NUMBER or --none",
                    p.id, p.account, p.id
                ));
            }
            Err(e) => {
                p.state = PickupState::Failed;
                p.note = Some(e.to_string());
                ordered.failed += 1;
                let login = self.login_hint(&p.account, &e);
                ordered.notes.push(format!("{}: {} takes no order: {e}{login}", p.id, p.account));
            }
        }
        self.settle_pickup_as(&record).await?;
        ordered.pickups.push(record.value);
        Ok(())
    }

    async fn settle_pickup_as(&self, record: &Versioned<PickupRecord>) -> Result<()> {
        let p = &record.value;
        let mut batch = Batch::new();
        batch.put_back(record)?.audit(self.now(), "pickup", p.id.clone(), p.state.name());
        Ok(self.store.commit(batch).await?)
    }

    async fn pickup(&self, id: &str) -> Result<Versioned<PickupRecord>> {
        let known = typed::get::<PickupRecord>(&*self.store, id).await?;
        known.ok_or_else(|| {
            GatewayError::Config(format!("there is no pickup '{id}': tradewind pickup lists them"))
        })
    }

    /// Calls a confirmed pickup off; its parcels wait again.
    ///
    /// # Errors
    /// It is not one that can be called off; the carrier says no, or is not reached: it stays as it was.
    pub async fn cancel_pickup(&self, id: &str, reason: &str) -> Result<PickupRecord> {
        let mut record = self.pickup(id).await?;
        let p = &mut record.value;
        let (PickupState::Booked, Some(confirmation)) = (p.state, p.confirmation.clone()) else {
            let state = p.state.name();
            return Err(GatewayError::Config(format!(
                "pickup {id} is {state}: only a booked one is called off"
            )));
        };
        let connector = self.account(&p.account)?.clone();
        let facet = pickups_of(connector.as_ref()).ok_or_else(|| {
            GatewayError::Config(format!("account '{}' has no call for pickups any more", p.account))
        })?;
        let from = &p.pickup.at;
        let requester = from.name.as_deref().or(from.company.as_deref()).unwrap_or("sender").to_owned();
        let cx = CallCx::keyed(format!("pickup/{id}/cancel/{}", record.version));
        facet.cancel(&cx, &confirmation, &requester, reason).await?;
        p.state = PickupState::Cancelled;
        p.note = Some(reason.to_owned());
        self.settle_pickup_as(&record).await?;
        Ok(record.value)
    }

    /// What a person learned at the carrier about a pickup whose answer was lost: its number, or that there is none.
    ///
    /// # Errors
    /// It is not in doubt; the store failed.
    pub async fn settle_pickup(&self, id: &str, confirmation: Option<String>) -> Result<PickupRecord> {
        let mut record = self.pickup(id).await?;
        let p = &mut record.value;
        if !matches!(p.state, PickupState::Sent | PickupState::Unknown) {
            let state = p.state.name();
            return Err(GatewayError::Config(format!("pickup {id} is {state}: there is nothing to settle")));
        }
        p.state = if confirmation.is_some() { PickupState::Booked } else { PickupState::Failed };
        p.note = Some("as the carrier told a person".to_owned());
        p.confirmation = confirmation;
        self.settle_pickup_as(&record).await?;
        Ok(record.value)
    }
}

fn number(p: &PickupRecord) -> u64 {
    p.id.strip_prefix('P').and_then(|n| n.parse().ok()).unwrap_or(0)
}
