//! Making the readings that are owed: what several hints of an account ask for is read once, what fails is put off, and what
//! was told anew meanwhile stays owed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tradewind_connector::{CallCx, Error, RetryClass};
use tradewind_domain::{AccountId, OrderId, Sku, Waybill};
use tradewind_store::typed::{self, Versioned};
use tradewind_store::{Batch, Collection, Filter, StoreError};

use super::{HintRecord, Reading};
use crate::cases::PulledCases;
use crate::fulfil::{Ask, Fulfilled};
use crate::gateway::{Gateway, GatewayError, Result, ends_all};
use crate::money::Collected;
use crate::orders::{LEFT_TOLD, Pulled};
use crate::records::OfferRecord;

/// From so many orders on the list of what changed is cheaper than a call each.
const MANY: usize = 25;
/// First wait after a reading that failed; doubled with each.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(15);
/// No wait is longer.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// What could not be read for so long is given up, and told: as long as a first pull looks back.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What became of one reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Made.
    Read,
    /// Failed, and put off.
    PutOff {
        /// Why.
        error: String,
        /// Until when.
        until: Timestamp,
    },
    /// Failed for a month: nobody asks for it again.
    GivenUp {
        /// Why.
        error: String,
    },
}

/// A round over what an account owes.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    /// Each reading that was tried.
    pub tried: Vec<(Reading, Outcome)>,
    /// Orders that came in.
    pub pulled: Pulled,
    /// Returns and disputes that came in.
    pub cases: PulledCases,
    /// Money that came in.
    pub collected: Collected,
    /// The account as a whole cannot be read now (login, quota, outage): nothing more was tried.
    pub halted: Option<Error>,
    /// When the next reading is due.
    pub next: Option<Timestamp>,
}

/// Hints of one account, by the call that settles them.
#[derive(Default)]
struct Due {
    orders: Vec<(OrderId, Versioned<HintRecord>)>,
    all_orders: Option<Versioned<HintRecord>>,
    listings: Vec<Versioned<HintRecord>>,
    returns: Option<Versioned<HintRecord>>,
    disputes: Option<Versioned<HintRecord>>,
    money: Option<Versioned<HintRecord>>,
    parcels: Vec<(Waybill, Versioned<HintRecord>)>,
}

impl Gateway {
    /// Makes the readings of an account that are due. Each is as idempotent as the poll it stands for; a crash leaves it
    /// owed.
    ///
    /// # Errors
    /// The store failed. A channel that fails is in the result.
    pub async fn follow(&self, id: &AccountId) -> Result<Followed> {
        let mut round = Followed::default();
        let now = self.now();
        let mut due = Due::default();
        for hint in typed::list::<HintRecord>(&*self.store, Filter::account(id.as_str())).await? {
            if hint.value.due > now {
                continue;
            }
            match &hint.value.reading {
                Reading::Order(order) => due.orders.push((order.clone(), hint)),
                Reading::Orders => due.all_orders = Some(hint),
                Reading::Sku(_) | Reading::Listing(_) => due.listings.push(hint),
                Reading::Returns => due.returns = Some(hint),
                Reading::Disputes => due.disputes = Some(hint),
                Reading::Money => due.money = Some(hint),
                Reading::Parcel(waybill) => due.parcels.push((waybill.clone(), hint)),
            }
        }
        self.make(id, due, &mut round).await?;
        let left = self.owed(Some(id)).await?;
        round.next = left.iter().map(|h| h.due).min();
        Ok(round)
    }

    /// Stops where the account as a whole cannot be read: what was not tried stays due.
    async fn make(&self, id: &AccountId, mut due: Due, round: &mut Followed) -> Result<()> {
        if due.all_orders.is_some() || due.orders.len() > MANY {
            // The list may lag behind the notification: what it does not name is read by its number.
            round.pulled.awaited = due.orders.iter().map(|(order, _)| order.clone()).collect();
            let pulled = of_channel(self.pull_account(id, &mut round.pulled).await)?;
            let left = std::mem::take(&mut round.pulled.awaited);
            if let Err(e) = pulled {
                if self.ends(due.all_orders.take(), Err(e), round).await? {
                    return Ok(());
                }
            } else {
                let (open, seen): (Vec<_>, Vec<_>) =
                    due.orders.into_iter().partition(|(o, _)| left.contains(o));
                due.orders = open;
                let hints = seen.into_iter().map(|(_, hint)| hint).chain(due.all_orders.take());
                for hint in hints {
                    self.close(Some(hint), Ok(()), round).await?;
                }
            }
        }
        if self.by_number(id, due.orders, round).await? {
            return Ok(());
        }
        if !due.listings.is_empty() {
            let skus = self.skus_of(id, &due.listings).await?;
            let read = match skus.is_empty() {
                true => Ok(()),
                false => of_channel(self.refresh_some(id, Some(&skus)).await)?
                    .and_then(|done| done.unread.into_iter().next().map_or(Ok(()), Err)),
            };
            for hint in due.listings {
                if self.ends(Some(hint), read.clone(), round).await? {
                    return Ok(());
                }
            }
        }
        if due.returns.is_some() {
            let failed = self.pull_returns_of(id, &mut round.cases).await?;
            if self.ends(due.returns, unless_odd(failed), round).await? {
                return Ok(());
            }
        }
        if due.disputes.is_some() {
            let failed = self.pull_disputes_of(id, &mut round.cases).await?;
            if self.ends(due.disputes, unless_odd(failed), round).await? {
                return Ok(());
            }
        }
        if due.money.is_some() {
            let failed = self.collect_account(id, &mut round.collected).await?;
            if self.ends(due.money, unless_odd(failed), round).await? {
                return Ok(());
            }
        }
        self.scans(id, due.parcels, round).await
    }

    /// Asks for the scans of the parcels that were named.
    async fn scans(
        &self,
        id: &AccountId,
        parcels: Vec<(Waybill, Versioned<HintRecord>)>,
        round: &mut Followed,
    ) -> Result<()> {
        if parcels.is_empty() {
            return Ok(());
        }
        let named = parcels.iter().map(|(waybill, _)| waybill.clone()).collect();
        let mut moved = Fulfilled::default();
        let mut failed = self.track(Ask::These(id, &named), &mut moved).await?;
        // What a person must do, and what the carrier said instead of an answer.
        round.pulled.errors.append(&mut moved.notes);
        for (waybill, hint) in parcels {
            let read = failed.remove(&waybill).map_or(Ok(()), Err);
            if self.ends(Some(hint), read, round).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads orders one by one; whether the round is at its end.
    async fn by_number(
        &self,
        id: &AccountId,
        orders: Vec<(OrderId, Versioned<HintRecord>)>,
        round: &mut Followed,
    ) -> Result<bool> {
        for (order, hint) in orders {
            let read = of_channel(self.read_order(id, &order, &mut round.pulled).await)?;
            if self.ends(Some(hint), read, round).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Orders that a poll met and could not read: owed by their numbers, so that the poll need not go back for them.
    pub(crate) async fn owe_orders(&self, id: &AccountId, orders: Vec<(OrderId, Error)>) -> Result<()> {
        for (order, e) in orders {
            tracing::warn!(account = %id, %order, error = %e, "an order cannot be read");
            let now = self.now();
            let reading = Reading::Order(order);
            loop {
                let known = typed::get::<HintRecord>(&*self.store, &super::hint_key(id, &reading)).await?;
                // Written anew even if nothing changes: whoever reads it now may see what was before.
                let hint = known.unwrap_or_else(|| Versioned {
                    value: HintRecord {
                        account: id.clone(),
                        reading: reading.clone(),
                        told_at: now,
                        due: now.checked_add(wait(0, &e)).unwrap_or(now),
                        attempts: 1,
                        note: Some(e.kind().name().to_owned()),
                    },
                    version: 0,
                });
                let mut batch = Batch::new();
                batch.put_back(&hint)?;
                match self.store.commit(batch).await {
                    Ok(()) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Ok(())
    }

    /// Reads the orders of an account that are owed by their numbers and due, and says which are owed after all: an account
    /// with an order that cannot be read has not been read whole.
    pub(crate) async fn ask_again(&self, id: &AccountId, pulled: &mut Pulled) -> Result<()> {
        let now = self.now();
        let mut due = Vec::new();
        for hint in typed::list::<HintRecord>(&*self.store, Filter::account(id.as_str())).await? {
            if let Reading::Order(order) = hint.value.reading.clone()
                && hint.value.due <= now
            {
                due.push((order, hint));
            }
        }
        let mut round = Followed { pulled: std::mem::take(pulled), ..Followed::default() };
        let read = self.by_number(id, due, &mut round).await;
        *pulled = round.pulled;
        read?;
        let mut said: BTreeMap<String, String> = BTreeMap::new();
        for hint in self.owed(Some(id)).await?.into_iter().filter(|h| h.attempts > 0) {
            if let Reading::Order(order) = hint.reading {
                let why = pulled.unread.remove(&order).or(hint.note).unwrap_or_default();
                let text = format!(
                    "{id}: order {order} could not be read and is not imported, asked for again from {} (for 30 days): {why}",
                    hint.due
                );
                said.insert(order.to_string(), text);
            }
        }
        for (reading, outcome) in round.tried {
            let (Reading::Order(order), Outcome::PutOff { error, .. } | Outcome::GivenUp { error }) =
                (reading, &outcome)
            else {
                continue;
            };
            let text = match outcome {
                Outcome::GivenUp { .. } => format!(
                    "{id}: order {order} could not be read for 30 days and is not asked for any more, look it up there: {error}"
                ),
                _ => format!(
                    "{id}: order {order} could not be read and is not imported, asked for again (for 30 days): {error}"
                ),
            };
            said.insert(order.to_string(), text);
        }
        pulled.unread.clear();
        let more = said.len().saturating_sub(LEFT_TOLD);
        pulled.failed += u32::from(!said.is_empty());
        pulled.errors.extend(said.into_values().take(LEFT_TOLD));
        if more > 0 {
            pulled.errors.push(format!("{more} more orders of {id} could not be read"));
        }
        Ok(())
    }

    /// Settles a hint by what its reading ended with; whether the round is at its end. The one that ended it is put off,
    /// so that the next round begins with another.
    async fn ends(
        &self,
        hint: Option<Versioned<HintRecord>>,
        read: Result<(), Error>,
        round: &mut Followed,
    ) -> Result<bool> {
        self.close(hint, read.as_ref().map(drop), round).await?;
        round.halted = read.err().filter(halts);
        Ok(round.halted.is_some())
    }

    /// Takes away a hint whose reading was made, puts off one whose reading failed. One that was told anew since it was
    /// listed is left as it is: what was read may be older than what was told.
    async fn close(
        &self,
        hint: Option<Versioned<HintRecord>>,
        read: Result<(), &Error>,
        round: &mut Followed,
    ) -> Result<()> {
        let Some(mut hint) = hint else { return Ok(()) };
        let now = self.now();
        let reading = hint.value.reading.clone();
        let key = super::hint_key(&hint.value.account, &reading);
        let mut batch = Batch::new();
        let outcome = match read {
            Ok(()) => Outcome::Read,
            Err(e) if now.duration_since(hint.value.told_at) > GIVEN_UP => {
                batch.audit(now, "give up reading", key.clone(), e.kind().name());
                Outcome::GivenUp { error: e.to_string() }
            }
            Err(e) => {
                hint.value.due = now.checked_add(wait(hint.value.attempts, e)).unwrap_or(now);
                hint.value.attempts += 1;
                hint.value.note = Some(e.kind().name().to_owned());
                Outcome::PutOff { error: e.to_string(), until: hint.value.due }
            }
        };
        // The condition stands on the write: a deletion has none.
        batch.put_back(&hint)?;
        if !matches!(outcome, Outcome::PutOff { .. }) {
            batch.delete(Collection::Hints, key);
        }
        match self.store.commit(batch).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(e) => return Err(e.into()),
        }
        round.tried.push((reading, outcome));
        Ok(())
    }

    /// Reads one order by its number and takes it in.
    async fn read_order(&self, id: &AccountId, order: &OrderId, pulled: &mut Pulled) -> Result<()> {
        let connector = self.account(id)?.clone();
        let Some(orders) = connector.marketplace().and_then(|m| m.orders()) else { return Ok(()) };
        if pulled.offered_since.is_none() {
            pulled.offered_since = self.offered_since(id).await?;
        }
        let read = orders.get(&CallCx::new(), order).await?;
        pulled.seen += 1;
        self.take_order(read, pulled).await
    }

    /// The SKUs that hints name, and those of the listings they name. A listing that we do not know is none of ours.
    async fn skus_of(&self, id: &AccountId, hints: &[Versioned<HintRecord>]) -> Result<BTreeSet<Sku>> {
        let mut skus = BTreeSet::new();
        let mut listings = BTreeSet::new();
        for hint in hints {
            match &hint.value.reading {
                Reading::Sku(sku) => drop(skus.insert(sku.clone())),
                Reading::Listing(listing) => drop(listings.insert(listing.clone())),
                _ => {}
            }
        }
        if !listings.is_empty() {
            let offers = typed::list::<OfferRecord>(&*self.store, Filter::account(id.as_str())).await?;
            let named = |o: &OfferRecord| o.listing.as_ref().is_some_and(|l| listings.contains(l));
            skus.extend(offers.into_iter().filter(|o| named(&o.value)).map(|o| o.value.sku));
        }
        Ok(skus)
    }
}

/// The next reading of this account would end the same way: the channel is away, throttles, or knows us no more.
fn halts(error: &Error) -> bool {
    matches!(error.kind().retry(), RetryClass::IfSafe | RetryClass::AfterWait) || ends_all(error)
}

/// A record of a list that cannot be read is asked for by the next poll: the others came in, and the reading was made.
fn unless_odd(failed: Option<Error>) -> Result<(), Error> {
    let odd = |e: &Error| e.of_this_call() && e.kind().retry() != RetryClass::IfSafe;
    failed.filter(|e| !odd(e)).map_or(Ok(()), Err)
}

/// Failures of the channel apart from those of the store.
fn of_channel<T>(result: Result<T>) -> Result<Result<T, Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(GatewayError::Channel(e)) => Ok(Err(e)),
        Err(other) => Err(other),
    }
}

/// How long to put a reading off: doubled each time, and no shorter than the channel asks.
fn wait(attempts: u32, error: &Error) -> SignedDuration {
    let doubled = FIRST_WAIT.checked_mul(1 << attempts.min(8)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    error.wait().and_then(|w| SignedDuration::try_from(w).ok()).map_or(doubled, |asked| asked.max(doubled))
}

#[cfg(test)]
mod tests {
    use tradewind_connector::Kind;

    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_heed_the_channel() {
        let e = Error::new(Kind::NotFound, "not yet");
        let seconds = |n| wait(n, &e).as_secs();
        assert_eq!([seconds(0), seconds(1), seconds(2), seconds(30)], [15, 30, 60, 3_600]);
        let asked = e.clone().retry_after(Some(std::time::Duration::from_secs(7_200)));
        assert_eq!(wait(0, &asked).as_secs(), 7_200);
    }
}
