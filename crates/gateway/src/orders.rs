//! Orders in: an overlapping poll, each order imported once, its stock reserved in the same commit.

mod reserve;
mod returned;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tradewind_connector::role::{Listed, Orders};
use tradewind_connector::{CallCx, Connector, Cursor, Error, Facet, Window};
use tradewind_domain::{AccountId, Order, OrderId, OrderState};
use tradewind_store::typed::{self, Record};
use tradewind_store::{Batch, Expect};

pub(crate) use self::reserve::Waiting;
use crate::gateway::{Gateway, GatewayError, Result};
use crate::hints::Reading;
use crate::progress::{Progress, back};
use crate::records::{CursorRecord, OrderRecord, Stage, order_key};
use crate::unreached::Unreached;

/// How far a first pull looks back.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Overlap where the channel names no visibility lag: orders turn up late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);

/// Orders of an account that are named when they cannot be read.
pub(crate) const LEFT_TOLD: usize = 5;

/// Numbers of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Pulled {
    /// Accounts asked.
    pub asked: u32,
    /// Orders seen.
    pub seen: u32,
    /// Imported for the first time.
    pub new: u32,
    /// Known and changed.
    pub changed: u32,
    /// Accounts that could not be read; tried again next time.
    pub failed: u32,
    /// Units that orders take and that are not there: to be got, or the order is cancelled.
    pub oversold: u32,
    /// Why, for people.
    pub errors: Vec<String>,
    /// Since when orders of the account that is read came in as they were placed; `None` in its first pull, which finds what
    /// was sold and shipped before we came.
    #[serde(skip)]
    pub offered_since: Option<Timestamp>,
    /// Orders that somebody waits for: taken off as they come in.
    #[serde(skip)]
    pub awaited: BTreeSet<OrderId>,
    /// Orders of the account that is read which could not be, and why.
    #[serde(skip)]
    pub(crate) unread: BTreeMap<OrderId, String>,
    #[serde(skip)]
    unreached: Unreached,
}

impl Pulled {
    /// What another account told.
    fn add(&mut self, part: Pulled) {
        self.asked += part.asked;
        self.seen += part.seen;
        self.new += part.new;
        self.changed += part.changed;
        self.failed += part.failed;
        self.oversold = self.oversold.saturating_add(part.oversold);
        self.errors.extend(part.errors);
        self.unreached.add(part.unreached);
    }
}

impl Gateway {
    /// Pulls orders of all marketplaces.
    ///
    /// # Errors
    /// The store failed. A channel that fails is counted and read again next time, from where it stood.
    pub async fn pull(&self) -> Result<Pulled> {
        let work = self.marketplaces().map(|(id, ..)| async move {
            let mut pulled = Pulled::default();
            let read_to = self.now();
            let read = match self.pull_account(id, &mut pulled).await {
                Ok(()) => self.ask_again(id, &mut pulled).await,
                failed => failed,
            };
            if read.is_ok() && pulled.failed == 0 {
                self.look_for_returned(id, read_to).await?;
            }
            match read {
                Ok(()) => {}
                Err(GatewayError::Channel(e)) => {
                    tracing::info!(account = %id, error = %e, "orders could not be read; tried again later");
                    pulled.failed += 1;
                    let login = self.login_hint(id, &e);
                    let text = format!("orders could not be read, tried again next time: {e}{login}");
                    pulled.unreached.note(&text, format!("orders of {id}"), &e);
                    pulled.errors.push(text);
                }
                Err(other) => return Err(other),
            }
            // Whatever it lacks, it is one account.
            pulled.failed = pulled.failed.min(1);
            Ok(pulled)
        });
        let mut pulled = Pulled::default();
        for part in self.at_once(work).await {
            pulled.add(part?);
        }
        std::mem::take(&mut pulled.unreached).told_once(&mut pulled.errors);
        Ok(pulled)
    }

    /// Since when an order that is seen for the first time was sold from what is offered; `None` before the first pull.
    pub(crate) async fn offered_since(&self, id: &AccountId) -> Result<Option<Timestamp>> {
        let overlap = overlap(self.account(id)?.as_ref());
        let known = typed::get::<CursorRecord>(&*self.store, &format!("{id}/orders")).await?;
        Ok(known.and_then(|c| c.value.until).map(|until| back(until, overlap)))
    }

    /// All that an account sold before an instant is heard of. So it is where its channel tells no orders: it never will be.
    pub(crate) async fn all_heard_before(&self, id: &AccountId, at: Timestamp) -> Result<bool> {
        let connector = self.account(id)?;
        let tells = connector.marketplace().is_some_and(|m| m.orders().is_some());
        if !tells || !connector.capabilities().support(Facet::Orders).works() {
            return Ok(true);
        }
        if self.owes_orders(id).await? {
            return Ok(false);
        }
        Ok(self.offered_since(id).await?.is_some_and(|until| until >= at))
    }

    /// Orders of an account are known to be there, and were not read yet.
    async fn owes_orders(&self, id: &AccountId) -> Result<bool> {
        let owed = |h: &crate::hints::HintRecord| matches!(h.reading, Reading::Order(_) | Reading::Orders);
        Ok(self.owed(Some(id)).await?.iter().any(owed))
    }

    pub(crate) async fn pull_account(&self, id: &AccountId, pulled: &mut Pulled) -> Result<()> {
        let connector = self.account(id)?.clone();
        let Some(orders) = connector.marketplace().and_then(|m| m.orders()) else { return Ok(()) };
        pulled.asked += 1;
        let bounds = &connector.capabilities().bounds;
        let overlap = overlap(connector.as_ref());
        let now = self.now();
        let mut progress = Progress::of(&*self.store, id, "orders", FIRST_LOOK).await?;
        if let Some(gone) = progress.given_up() {
            pulled.errors.push(format!("{id}: {gone}"));
        }
        // An order that is seen for the first time and was placed since then was sold from what is offered.
        pulled.offered_since = progress.until().map(|until| back(until, overlap));
        let window = Window { from: back(progress.since(now), overlap), to: now };
        let parts = window.split(bounds.window_hours.unwrap_or(24 * 30));
        let mut owed = Vec::new();
        let read = self.parts_of(id, orders, parts, &mut progress, &mut owed, pulled).await;
        let left = progress.left();
        let at = |e: Error| e.at(&connector.info().id, id, "orders");
        for e in left.iter().take(LEFT_TOLD) {
            let e = at(e.clone());
            tracing::warn!(account = %id, error = %e, "an order cannot be read");
            pulled.errors.push(format!(
                "an order could not be read and is not imported, tried again next time (for 30 days): {e}"
            ));
        }
        if left.len() > LEFT_TOLD {
            pulled.errors.push(format!("{} more orders of {id} could not be read", left.len() - LEFT_TOLD));
        }
        if read.is_ok() && !left.is_empty() {
            pulled.failed += 1;
        }
        read
    }

    /// Reads the parts of a window. What could be read is in. What could not be is owed by its number, and the window goes on;
    /// only a part with orders that cannot even be told by a number, and those behind it, are read again by the next pull.
    async fn parts_of(
        &self,
        id: &AccountId,
        orders: &dyn Orders,
        parts: Vec<Window>,
        progress: &mut Progress,
        owed: &mut Vec<(OrderId, Error)>,
        pulled: &mut Pulled,
    ) -> Result<()> {
        for part in parts {
            let mut cursor: Option<Cursor> = None;
            let mut seen = std::collections::HashSet::new();
            loop {
                match self.page_of(orders, part, cursor.as_ref(), (progress, owed), pulled).await? {
                    None => break,
                    Some(next) if seen.insert(next.clone()) => cursor = Some(next),
                    Some(_) => {
                        let e = tradewind_connector::Error::decode("the same page cursor twice");
                        return Err(e.into());
                    }
                }
            }
            // Before the window moves: a crash between the two reads a part twice, and loses none.
            pulled.unread.extend(owed.iter().map(|(order, e)| (order.clone(), e.to_string())));
            self.owe_orders(id, std::mem::take(owed)).await?;
            progress.read(&*self.store, part.to).await?;
        }
        Ok(())
    }

    /// Takes in one page of changed orders; where the next one begins. An order that cannot be read is left, the reason kept.
    async fn page_of(
        &self,
        orders: &dyn Orders,
        part: Window,
        cursor: Option<&Cursor>,
        (progress, owed): (&mut Progress, &mut Vec<(OrderId, Error)>),
        pulled: &mut Pulled,
    ) -> Result<Option<Cursor>> {
        let page = orders.changed(&CallCx::new(), part, cursor).await?;
        for listed in page.items {
            let listed = match listed {
                Ok(listed) => listed,
                Err(e) => {
                    match e.record().map(OrderId::new) {
                        Some(Ok(order)) => owed.push((order, e)),
                        _ => progress.leave(e),
                    }
                    continue;
                }
            };
            let number = match &listed {
                Listed::Whole(order) => order.id.clone(),
                Listed::Named(id) => id.clone(),
            };
            match listed.read(orders, &CallCx::new()).await {
                Ok(order) => {
                    pulled.seen += 1;
                    self.take_order(order, pulled).await?;
                }
                Err(e) if e.of_this_call() => owed.push((number, e)),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(page.next)
    }

    /// Imports one order: keyed upsert, stock reserved, all in one commit. Idempotent.
    ///
    /// # Errors
    /// The store failed.
    pub async fn take_order(&self, order: Order, pulled: &mut Pulled) -> Result<()> {
        loop {
            match self.try_take_order(&order, pulled).await {
                // Somebody changed the same record meanwhile: read again.
                Err(GatewayError::Store(tradewind_store::StoreError::Conflict { .. })) => {}
                other => {
                    if other.is_ok() {
                        pulled.awaited.remove(&order.id);
                    }
                    return other;
                }
            }
        }
    }

    async fn try_take_order(&self, order: &Order, pulled: &mut Pulled) -> Result<()> {
        let known =
            typed::get::<OrderRecord>(&*self.store, &order_key(&order.account, order.id.as_str())).await?;
        if known.as_ref().is_some_and(|k| k.value.order == *order) {
            return Ok(());
        }
        // An overlapping poll may bring an older version after a newer one.
        if known.as_ref().is_some_and(|k| k.value.order.updated_at.utc > order.updated_at.utc) {
            return Ok(());
        }
        let mut batch = Batch::new();
        let new = known.is_none();
        let before = known.as_ref().map(|k| k.value.clone());
        let version = known.as_ref().map_or(Expect::Absent, |k| Expect::Version(k.version));
        let mut record = known.map_or_else(
            || OrderRecord {
                order: order.clone(),
                stage: Stage::Waiting,
                imported_at: self.now(),
                shipment: None,
                declaration: None,
                confirm_attempt: 0,
                confirm: None,
                cancel: None,
                cancel_attempt: 0,
                elsewhere: false,
                stuck_on: None,
                note: None,
            },
            |k| k.value,
        );
        record.order = order.clone();
        advance(&mut record);
        // What had left before we came is not on the shelf that was counted; what was sold from our offers since is.
        let old = new && pulled.offered_since.is_none_or(|since| order.placed_at.utc < since);
        let reading = reserve::Reading { before: before.as_ref(), old };
        let told = self.reserve(&reading, &record, &mut batch).await?;
        batch.put_expecting(&record, version)?;
        if new {
            batch.audit(
                self.now(),
                "import order",
                record.key(),
                match order.told_total() {
                    Some(total) => format!("{} {total}", order.raw_status),
                    None => order.raw_status.clone(),
                },
            );
        } else if before.is_some_and(|b| (b.order.state, b.stage) != (order.state, record.stage)) {
            let told = format!("{} ({}), {}", order.state, order.raw_status, record.stage.name());
            batch.audit(self.now(), "order changed", record.key(), told);
        }
        self.store.commit(batch).await?;
        pulled.oversold = pulled.oversold.saturating_add(told.oversold);
        pulled.errors.extend(told.errors);
        if new {
            pulled.new += 1
        } else {
            pulled.changed += 1
        }
        Ok(())
    }
}

/// The stage that follows from what the channel now says.
pub(crate) fn advance(record: &mut OrderRecord) {
    let order = &record.order;
    match order.state {
        OrderState::Cancelled if !matches!(record.stage, Stage::Confirmed | Stage::Cancelled) => {
            // What it waited for, or was stopped by, is over, and so is the asking.
            (record.note, record.stuck_on, record.cancel) = (None, None, None);
            record.stage = Stage::Cancelled;
        }
        // A buyer who wants out stops what has not left yet; so does money that did not come or went back.
        state if state.is_held() && record.stage <= Stage::ToBook => record.stage = Stage::Waiting,
        // Shipped by somebody else, or our confirmation arrived although its answer was lost.
        // So it is with one that was cancelled in between, whose parcel was called back.
        state if state.has_left() && (record.shipment.is_none() || record.stage == Stage::Cancelled) => {
            // A label of ours that is found later, or is booked at this moment, is not what left.
            record.elsewhere = true;
            record.stage = Stage::Confirmed;
        }
        state if state.is_shippable() && record.stage == Stage::Waiting && !order.channel_fulfilled => {
            record.stage = Stage::ToBook;
        }
        // Cancelled there, and on after all: the buyer paid again.
        state if state.is_shippable() && record.stage == Stage::Cancelled && !order.channel_fulfilled => {
            let begun = record.shipment.is_some() || record.declaration.is_some();
            record.stage = if begun { Stage::Stuck } else { Stage::ToBook };
            record.stuck_on = None;
            record.note = begun.then(|| {
                "on again after it was cancelled and its parcel called back: ship it by hand, or cancel it on the channel"
                    .to_owned()
            });
        }
        _ => {}
    }
}

/// How far a poll goes back behind the one before: orders turn up late.
fn overlap(connector: &dyn Connector) -> SignedDuration {
    let lag = connector.capabilities().bounds.visibility_lag_minutes;
    lag.map_or(OVERLAP, |m| SignedDuration::from_mins(i64::from(m)).max(OVERLAP))
}
