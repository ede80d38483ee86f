//! What orders hold of the shelf. The key (account, order, line) makes it happen once however often an order is told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tradewind_domain::{OrderLine, Sku};
use tradewind_store::Batch;
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Expect, Filter};

use crate::gateway::{Gateway, Result};
use crate::records::{
    OrderRecord, Reservation, ReservationState, ShipmentRecord, Stage, StockRecord, reservation_key,
};

/// How an order that was read stands to what is known of it.
pub(super) struct Reading<'a> {
    /// The order as it was known; `None`: it is new.
    pub(super) before: Option<&'a OrderRecord>,
    /// It is new to us and was placed before we offered anything: what had left by now was not on the shelf that was counted.
    pub(super) old: bool,
}

/// Units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Units {
    /// They are not on the shelf any more, or never were on the one that was counted.
    gone: u32,
    /// Held for the order.
    held: u32,
}

/// What a reading makes of the units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    /// To be held, or to leave.
    units: u32,
    /// They left.
    leave: bool,
}

impl Gateway {
    /// Brings the reservations of an order in line with its lines. Nothing is held for what a channel ships from its own shelf, nor
    /// for what had left already when we first saw the order. What left without a parcel of ours leaves the stock here, and so does
    /// what left with a parcel of ours whose order was cancelled: it does not go on sale again. A line that grew holds more, and
    /// what a cancellation gave back is held again when the order is on after all. What a person must know is in the answer.
    pub(super) async fn reserve(
        &self,
        reading: &Reading<'_>,
        record: &OrderRecord,
        batch: &mut Batch,
    ) -> Result<Told> {
        let order = &record.order;
        let now = self.now();
        let sells = self.stock_parts().get(&order.account).is_some_and(|parts| *parts > 0);
        let turn = Turn {
            reading,
            record,
            out: self.parcel_is_out(record).await?,
            buffer: sells.then_some(self.config.stock.buffer),
            now,
        };
        let mut shelves: BTreeMap<Sku, (StockRecord, Versioned<StockRecord>)> = BTreeMap::new();
        let mut told = Told::default();
        for line in &order.lines {
            let key = reservation_key(&order.account, order.id.as_str(), line.id.as_str());
            let known = typed::get::<Reservation>(&*self.store, &key).await?;
            // What is held is held of the shelf that it was taken from, whatever the channel calls the line by now.
            let Some(sku) = known.as_ref().map(|k| &k.value.sku).or(line.sku.as_ref()) else { continue };
            if !shelves.contains_key(sku) {
                let Some(shelf) = typed::get::<StockRecord>(&*self.store, sku.as_str()).await? else {
                    // Held from its first import on (`hold_for`).
                    continue;
                };
                shelves.insert(sku.clone(), (shelf.value.clone(), shelf));
            }
            let Some((_, shelf)) = shelves.get_mut(sku) else { continue };
            let missing = shelf.value.oversold;
            let turned = turn.line(&mut shelf.value, line, known.as_ref().map(|k| &k.value));
            if let Some(units) = shelf.value.oversold.checked_sub(missing).filter(|n| *n > 0) {
                told.oversold(record, sku, units);
            }
            let Some((reservation, more)) = turned else { continue };
            let shipped = reading.before.is_some_and(|b| b.stage == Stage::Confirmed);
            if shipped
                && more > 0
                && reservation.state == ReservationState::Held
                && record.stage == Stage::Confirmed
            {
                told.errors.push(format!(
                    "order {} grew by {more} of {sku} after it was shipped: they are held for it, ship them by hand",
                    record.key()
                ));
            }
            if known.as_ref().map(|k| &k.value) != Some(&reservation) {
                batch.put_expecting(&reservation, known.map_or(Expect::Absent, |k| k.expect()))?;
            }
        }
        for (before, shelf) in shelves.values() {
            if shelf.value != *before {
                batch.put_back(shelf)?;
            }
        }
        for text in &told.errors {
            batch.audit(now, "stock", record.key(), text.clone());
        }
        Ok(told)
    }

    /// A cancelled order's parcel is with its carrier: its units are not on the shelf, whatever the channel says of the order.
    async fn parcel_is_out(&self, record: &OrderRecord) -> Result<bool> {
        let Some(id) = record.shipment.as_ref().filter(|_| record.stage == Stage::Cancelled) else {
            return Ok(false);
        };
        let parcel = typed::get::<ShipmentRecord>(&*self.store, id).await?;
        Ok(parcel.is_some_and(|p| p.value.has_left()))
    }

    /// Open orders, for SKUs that are counted for the first time.
    pub(crate) async fn waiting(&self) -> Result<Waiting> {
        let open: Vec<&str> = Stage::ALL
            .into_iter()
            .filter(|s| !matches!(s, Stage::Confirmed | Stage::Cancelled))
            .map(Stage::name)
            .collect();
        let orders = typed::list::<OrderRecord>(&*self.store, Filter::all().states(&open)).await?;
        let mut lines: BTreeMap<Sku, Vec<(usize, usize)>> = BTreeMap::new();
        for (order, known) in orders.iter().enumerate() {
            for (n, line) in known.value.order.lines.iter().enumerate() {
                let Some(sku) = &line.sku else { continue };
                lines.entry(sku.clone()).or_default().push((order, n));
            }
        }
        Ok(Waiting { orders, lines, read: BTreeSet::new() })
    }

    /// Holds what open orders wait for of a SKU that was just counted for the first time: orders for it came in before, when there
    /// was no shelf to take them from. What of them left by now was not counted.
    pub(crate) async fn hold_for(
        &self,
        waiting: &mut Waiting,
        shelf: &mut StockRecord,
        batch: &mut Batch,
    ) -> Result<()> {
        let Waiting { orders, lines, read } = waiting;
        for (n, line) in lines.get(&shelf.sku).into_iter().flatten() {
            let Some(known) = orders.get(*n) else { continue };
            let order = &known.value.order;
            let Some(line) = order.lines.get(*line) else { continue };
            let key = reservation_key(&order.account, order.id.as_str(), line.id.as_str());
            if typed::get::<Reservation>(&*self.store, &key).await?.is_some() {
                continue;
            }
            let all = due(&known.value, line);
            let of = Units { gone: line.shipped.min(all), held: 0 };
            let wanted = Wanted { units: all - of.gone, leave: false };
            shelf.reserve(&order.account, wanted.units);
            let reservation = reserved(&known.value, line, &shelf.sku, of, wanted);
            batch.put_expecting(&reservation, Expect::Absent)?;
            // Cancelled meanwhile, it would be held for nobody: the order must be as it was read.
            if read.insert(*n) {
                batch.put_back(known)?;
            }
        }
        Ok(())
    }
}

/// Open orders, as they were read.
pub(crate) struct Waiting {
    orders: Vec<Versioned<OrderRecord>>,
    /// Where the lines of a SKU stand: order, and line of it.
    lines: BTreeMap<Sku, Vec<(usize, usize)>>,
    /// Those that are in the commit already.
    read: BTreeSet<usize>,
}

/// What a person must know of a reservation.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) errors: Vec<String>,
    /// Units that were sold and are not there.
    pub(super) oversold: u32,
}

impl Told {
    fn oversold(&mut self, record: &OrderRecord, sku: &Sku, units: u32) {
        self.oversold = self.oversold.saturating_add(units);
        self.errors.push(format!(
            "order {} takes {units} of {sku} that are not there: get them, or cancel it on the channel",
            record.key()
        ));
    }
}

/// Units of a line that the buyer gets, or has. What left is not given back by a cancellation of the rest.
fn due(record: &OrderRecord, line: &OrderLine) -> u32 {
    if record.order.channel_fulfilled {
        0
    } else if record.stage == Stage::Cancelled {
        line.shipped
    } else {
        line.quantity.saturating_sub(line.cancelled).max(line.shipped)
    }
}

/// All of an order left. One that is confirmed and open again grew: what was added is here.
fn left(record: &OrderRecord) -> bool {
    record.stage == Stage::Confirmed && record.order.state.has_left()
}

/// What the reading before wanted of a line.
fn due_before(reading: &Reading<'_>, line: &OrderLine) -> u32 {
    let known = reading.before.and_then(|b| Some((b, b.order.lines.iter().find(|l| l.id == line.id)?)));
    known.map_or(0, |(before, line)| due(before, line))
}

/// The units of a line as they stood before a reading.
fn units_of(
    reading: &Reading<'_>,
    record: &OrderRecord,
    line: &OrderLine,
    known: Option<&Reservation>,
) -> Units {
    let Some(known) = known else {
        let gone = match reading.before {
            // An open order would have been held for since the SKU was counted first: it left before that.
            Some(before) if before.stage == Stage::Confirmed && before.shipment.is_none() => {
                due_before(reading, line)
            }
            Some(_) => 0,
            None if reading.old && left(record) => due(record, line),
            None if reading.old => line.shipped.min(due(record, line)),
            None => 0,
        };
        return Units { gone, held: 0 };
    };
    let gone = known.gone.unwrap_or_else(|| due_before(reading, line).saturating_sub(known.quantity));
    match known.state {
        ReservationState::Held => Units { gone, held: known.quantity },
        ReservationState::Shipped => Units { gone: gone.saturating_add(known.quantity), held: 0 },
        ReservationState::Released => Units { gone, held: 0 },
    }
}

/// A reading of an order, and what is needed besides to bring shelves in line with it.
struct Turn<'a> {
    reading: &'a Reading<'a>,
    record: &'a OrderRecord,
    /// The order is cancelled, and its parcel is with the carrier.
    out: bool,
    /// The account sells, and what comes back is its own again.
    buffer: Option<u32>,
    now: Timestamp,
}

impl Turn<'_> {
    /// Brings the shelf of a line in line with what the reading makes of it: the reservation that the line has then, and how many
    /// units it takes more than were held. `None`: there is nothing to hold, and nothing was.
    fn line(
        &self,
        shelf: &mut StockRecord,
        line: &OrderLine,
        known: Option<&Reservation>,
    ) -> Option<(Reservation, u32)> {
        let of = units_of(self.reading, self.record, line, known);
        let wanted = wanted(self.reading, self.record, line, of, known.is_none(), self.out);
        if known.is_some() && of.held == 0 && wanted.units == 0 {
            return None;
        }
        let account = &self.record.order.account;
        let more = wanted.units.saturating_sub(of.held);
        let less = of.held.saturating_sub(wanted.units);
        if more > 0 {
            shelf.reserve(account, more);
        }
        if more > 0 || known.is_none() {
            shelf.heard(account, self.now);
        }
        match self.buffer {
            Some(buffer) if less > 0 => shelf.give_back(account, less, buffer, self.now),
            _ => shelf.release(less),
        }
        if wanted.leave {
            shelf.ship(wanted.units);
        }
        if self.out && wanted.units > 0 && self.buffer.is_some() {
            shelf.gone_with_cancelled(account, self.now);
        }
        Some((reserved(self.record, line, &shelf.sku, of, wanted), more))
    }
}

/// The reservation of a line.
fn reserved(record: &OrderRecord, line: &OrderLine, sku: &Sku, of: Units, wanted: Wanted) -> Reservation {
    Reservation {
        account: record.order.account.clone(),
        order: record.order.id.to_string(),
        line: line.id.to_string(),
        sku: sku.clone(),
        quantity: wanted.units,
        state: match wanted {
            Wanted { units: 0, .. } => ReservationState::Released,
            Wanted { leave: true, .. } => ReservationState::Shipped,
            Wanted { leave: false, .. } => ReservationState::Held,
        },
        gone: Some(of.gone),
    }
}

/// What a reading makes of them. `new`: nothing is reserved for the line; `out`: the order is cancelled, and its parcel is with the
/// carrier.
fn wanted(
    reading: &Reading<'_>,
    record: &OrderRecord,
    line: &OrderLine,
    of: Units,
    new: bool,
    out: bool,
) -> Wanted {
    let units = due(record, line).saturating_sub(of.gone);
    if record.stage == Stage::Cancelled {
        return Wanted { units: if out { units.max(of.held) } else { units }, leave: true };
    }
    // What a parcel of ours holds was in the catalogue, and so on a shelf that was counted: it was never reserved (an earlier version
    // did not, for a SKU that was imported after its order), and it left.
    let ours = reading.before.is_some_and(|b| b.stage == Stage::Confirmed && b.shipment.is_some());
    let unheld = new && ours && due_before(reading, line) > 0;
    Wanted { units, leave: left(record) || unheld }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tradewind_domain::{AccountId, Order, OrderState};

    use super::*;
    use crate::orders::advance;

    const STATES: [OrderState; 6] = [
        OrderState::PendingPayment,
        OrderState::ReadyToShip,
        OrderState::PartiallyShipped,
        OrderState::Cancelled,
        OrderState::Shipped,
        OrderState::OnHold,
    ];

    fn order(state: OrderState, quantity: u32, cancelled: u32, shipped: u32) -> Order {
        let eur = json!({"amount": "1.00", "currency": "EUR"});
        serde_json::from_value(json!({
            "account": "a", "id": "1", "placed_at": {"utc": "2026-08-01T08:00:00Z"}, "updated_at": {"utc": "2026-08-01T08:00:00Z"},
            "state": state, "raw_status": "", "currency": "EUR", "shipping": eur, "total": eur, "refunded": eur,
            "lines": [{"id": "1", "sku": "S", "quantity": quantity, "cancelled": cancelled, "shipped": shipped,
                "unit_price": eur, "total": eur, "discount": eur}]
        }))
        .unwrap()
    }

    fn record(order: Order) -> OrderRecord {
        let record = json!({"order": order, "stage": "waiting", "imported_at": "2026-08-01T08:00:00Z", "shipment": null,
            "declaration": null, "note": null});
        serde_json::from_value(record).unwrap()
    }

    proptest! {
        /// However a line is told, it grows, shrinks, is cancelled, is on again, leaves in part or in whole: what is promised is what
        /// its reservation holds, what is missing on the shelf is what left, nothing twice; and what the buyer is to get is held or
        /// has left.
        #[test]
        fn a_line_holds_what_its_buyer_gets(
            old in any::<bool>(),
            readings in prop::collection::vec((0_usize..6, 1_u32..6, 0_u32..3, 0_u32..3), 1..30),
        ) {
            let account: AccountId = "a".parse().unwrap();
            let (now, start) = (Timestamp::UNIX_EPOCH, 20);
            let mut shelf = StockRecord::new("S".parse().unwrap());
            shelf.count(start, None, true);
            shelf.allot(&[(account.clone(), 1)].into(), 0);
            let (mut before, mut held): (Option<OrderRecord>, Option<Reservation>) = (None, None);
            let mut never = 0;
            for (state, quantity, cancelled, shipped) in readings {
                let cancelled = cancelled.min(quantity);
                let order = order(STATES[state], quantity, cancelled, shipped.min(quantity - cancelled));
                let mut record = before.clone().unwrap_or_else(|| record(order.clone()));
                record.order = order;
                advance(&mut record);
                let reading = Reading { before: before.as_ref(), old: old && before.is_none() };
                let line = &record.order.lines[0];
                if before.is_none() {
                    never = units_of(&reading, &record, line, None).gone;
                }
                let turn = Turn { reading: &reading, record: &record, out: false, buffer: Some(0), now };
                let turned = turn.line(&mut shelf, line, held.as_ref());
                held = turned.map(|(reservation, _)| reservation).or(held);
                let reading = Reading { before: Some(&record), old: false };
                let after = units_of(&reading, &record, line, held.as_ref());
                prop_assert_eq!(shelf.reserved, after.held);
                prop_assert_eq!(start - shelf.on_hand, after.gone - never);
                prop_assert_eq!(after.gone + after.held, after.gone.max(due(&record, line)));
                prop_assert!(shelf.is_safe() && shelf.oversold == 0, "{:?}", shelf);
                let allotted: u32 = shelf.allotted.values().sum();
                prop_assert_eq!(allotted + shelf.reserved, shelf.on_hand);
                before = Some(record);
            }
        }
    }
}
