//! Booking a parcel. The shipment's id exists before the call and is the carrier's reference: a lost answer is
//! settled by looking it up, never by booking again blindly — most carriers bill a second label.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tradewind_connector::{CallCx, Connector, Error, Kind, Submitted};
use tradewind_domain::{
    Address, BookedShipment, Commodity, Dimensions, Grams, Incoterm, Invoice, LineQuantity, Money, Order,
    OrderLine, Parcel, Product, ShipmentId, ShipmentRequest, ShipmentState, Sku, TrackingState, Variant,
    Waybill,
};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Collection, StoreError};

use super::Fulfilled;
use crate::config::ShippingConfig;
use crate::gateway::{Gateway, GatewayError, LONGEST_CALL, Result};
use crate::records::{OrderRecord, ShipmentRecord, Stage};

/// How long a carrier's index may lag where its capabilities do not say.
const LOOKUP_LAG: SignedDuration = SignedDuration::from_mins(60);

/// How long a carrier's index may lag.
pub(super) fn lookup_lag(carrier: &dyn Connector) -> SignedDuration {
    let minutes = carrier.capabilities().bounds.visibility_lag_minutes;
    minutes.map_or(LOOKUP_LAG, |m| SignedDuration::from_mins(i64::from(m)))
}

impl Gateway {
    pub(super) async fn book(
        &self,
        record: OrderRecord,
        variants: &BTreeMap<Sku, (Product, Variant)>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let Some(shipping) = &self.config.shipping else {
            return Err(GatewayError::Config(
                "[shipping] is missing: parcels need a sender and a carrier account".to_owned(),
            ));
        };
        let carrier = self.account(&shipping.carrier)?.clone();
        let id = shipment_id(&record);
        let known = typed::get::<ShipmentRecord>(&*self.store, &id).await?;
        let known = match known {
            Some(sent) if sent.value.is_in_doubt() || sent.value.booked.is_some() => {
                return self.settle_booking(record, sent, done).await;
            }
            known => known,
        };
        // Anew for each try: one that certainly failed binds to nothing, and the buyer may have moved or cancelled a line since.
        let request = match self.shipment_request(&record, shipping, variants, &id)? {
            Ok(request) => request,
            Err(why) => return self.stage(record, Stage::Stuck, Some(why), Batch::new()).await,
        };
        let mut shipment = match known {
            Some(mut known) => {
                known.value.account = shipping.carrier.clone();
                known.value.request = request;
                known.value.ordered = ordered(&record.order);
                known
            }
            None => {
                self.quote(&record, shipping, variants, done).await?;
                let value = ShipmentRecord {
                    account: shipping.carrier.clone(),
                    order: record.key(),
                    request,
                    state: ShipmentState::Draft,
                    booked: None,
                    events: Vec::new(),
                    tracking: TrackingState::Unknown,
                    tracked_at: None,
                    sent_at: None,
                    missing_since: None,
                    voids: 0,
                    attempt: 0,
                    handle: None,
                    declares: false,
                    cleared: None,
                    ordered: ordered(&record.order),
                    agreed: None,
                    spare: Vec::new(),
                    note: None,
                };
                Versioned { value, version: 0 }
            }
        };
        // Nothing is booked for an order that was cancelled since it was read, and nothing that another process books.
        let Some(expect) = self.unchanged(&record).await? else { return Ok(()) };
        let parcel = &mut shipment.value;
        parcel.state.step(ShipmentState::CreatePending)?;
        parcel.attempt += 1;
        parcel.sent_at = Some(self.now());
        let mut batch = Batch::new();
        batch.put_back(&shipment)?.put_expecting(&record, expect)?;
        self.store.commit(batch).await?;
        shipment.version += 1;
        let Some(shipments) = carrier.logistics().and_then(|l| l.shipments()) else {
            return Err(GatewayError::Config(format!("account '{}' books no parcels", shipping.carrier)));
        };
        let cx = CallCx::keyed(format!("{id}/{}", shipment.value.attempt));
        let answer = shipments.create(&cx, &shipment.value.request).await;
        self.book_answered(record, shipment, answer, done).await
    }

    /// Writes what the carrier answered. It has: another process that wrote the parcel meanwhile (it looked for it) does not
    /// make the answer void, which may be the only one with the label.
    async fn book_answered(
        &self,
        record: OrderRecord,
        mut shipment: Versioned<ShipmentRecord>,
        answer: Result<Submitted<BookedShipment>, Error>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let attempt = shipment.value.attempt;
        loop {
            let by_now = &shipment.value;
            match (&answer, &by_now.booked) {
                (Ok(Submitted::Done(ours)), Some(theirs)) if theirs.waybill != ours.waybill => {
                    let ours = ours.waybill.clone();
                    return self.second_label(&record, shipment, ours, done).await;
                }
                // Found by the other process: its number alone, or with the papers.
                (Ok(Submitted::Done(_)), Some(theirs)) if theirs.documents.is_empty() => {}
                (Ok(Submitted::Done(_)), None) => {}
                // What is known by now is more than this answer says.
                (_, Some(_)) => return Ok(()),
                (_, None) if by_now.attempt != attempt => return Ok(()),
                (_, None) => {}
            }
            let id = by_now.request.id.to_string();
            match self.try_book_answered(record.clone(), shipment.clone(), answer.clone(), done).await {
                Err(GatewayError::Store(e @ StoreError::Conflict { collection, .. }))
                    if collection == Collection::Shipments.table() =>
                {
                    shipment = typed::get(&*self.store, &id).await?.ok_or(e)?;
                }
                other => return other,
            }
        }
    }

    /// Keeps the number of a label beside the one that the parcel has: nothing else will ever tell of it.
    async fn second_label(
        &self,
        record: &OrderRecord,
        mut shipment: Versioned<ShipmentRecord>,
        label: Waybill,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let id = shipment.value.request.id.to_string();
        loop {
            let parcel = &mut shipment.value;
            if parcel.spare.contains(&label) {
                return Ok(());
            }
            parcel.spare.push(label.clone());
            let theirs = parcel.booked.as_ref().map(|b| b.waybill.to_string()).unwrap_or_default();
            let told = format!("{theirs} and {label}: void one at the carrier");
            let mut batch = Batch::new();
            batch.put_back(&shipment)?.audit(self.now(), "two labels", record.key(), told.clone());
            match self.store.commit(batch).await {
                Err(e @ StoreError::Conflict { .. }) => {
                    shipment = typed::get(&*self.store, &id).await?.ok_or(e)?;
                }
                Err(e) => return Err(e.into()),
                Ok(()) => {
                    done.urge(format!("order {}: it has two labels, {told}", record.key()));
                    return Ok(());
                }
            }
        }
    }

    async fn try_book_answered(
        &self,
        record: OrderRecord,
        mut shipment: Versioned<ShipmentRecord>,
        answer: Result<Submitted<BookedShipment>, Error>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        match answer {
            Ok(Submitted::Done(booked)) => self.book_done(record, shipment, booked, done).await,
            Ok(Submitted::Deferred(handle)) => {
                shipment.value.state.step(ShipmentState::LabelPending)?;
                shipment.value.handle = Some(handle);
                let mut batch = Batch::new();
                batch.put_back(&shipment)?;
                self.store.commit(batch).await?;
                done.postponed += 1;
                Ok(())
            }
            Err(e) => self.book_failed(record, shipment, &e, done).await,
        }
    }

    /// Goes on with a booking that was sent: asks for its label, or looks it up where a process died in the middle or the
    /// answer was lost. Nothing is sent anew.
    pub(super) async fn settle_booking(
        &self,
        record: OrderRecord,
        mut shipment: Versioned<ShipmentRecord>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        if shipment.value.booked.is_some() {
            return self.booked(record, shipment).await;
        }
        let carrier = self.account(&shipment.value.account)?.clone();
        let Some(shipments) = carrier.logistics().and_then(|l| l.shipments()) else { return Ok(()) };
        match (shipment.value.state, shipment.value.handle.clone()) {
            (ShipmentState::LabelPending, Some(handle)) => {
                if handle.not_before.is_some_and(|t| t > self.now()) {
                    return Ok(());
                }
                match shipments.poll(&CallCx::new(), &handle).await {
                    // It does not know the job, or the question: whether there is a label the booking itself tells.
                    Err(e)
                        if matches!(e.kind(), Kind::NotFound | Kind::InvalidRequest | Kind::Unsupported) =>
                    {
                        done.refused(self.told(&e));
                        shipment.value.state.step(ShipmentState::CreateUnknown)?;
                        shipment.value.handle = None;
                        let mut batch = Batch::new();
                        batch.put_back(&shipment)?;
                        self.store.commit(batch).await?;
                        shipment.version += 1;
                        self.look_up(record, shipment, carrier.as_ref(), done).await
                    }
                    // Asking failed, the booking did not.
                    Err(e) if !e.kind().is_business() => {
                        done.refused(self.told(&e));
                        done.postponed += 1;
                        Ok(())
                    }
                    answer => self.book_answered(record, shipment, answer, done).await,
                }
            }
            _ => self.look_up(record, shipment, carrier.as_ref(), done).await,
        }
    }

    /// What an order that crosses a border costs there: quoted once, pinned, before its parcel is booked. An order that
    /// cannot be quoted is booked all the same; the note says why.
    async fn quote(
        &self,
        record: &OrderRecord,
        shipping: &ShippingConfig,
        variants: &BTreeMap<Sku, (Product, Variant)>,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let to = record.order.ship_to.as_ref().map(|a| a.country);
        if to.is_none_or(|country| country == shipping.from.country) {
            return Ok(());
        }
        match self.landed_cost_of(record, variants).await {
            Ok(_) => done.quoted += 1,
            Err(GatewayError::Quote(why)) => done.note(why),
            Err(e) => return Err(e),
        }
        Ok(())
    }

    async fn book_failed(
        &self,
        record: OrderRecord,
        mut shipment: Versioned<ShipmentRecord>,
        error: &Error,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let mut batch = Batch::new();
        if error.kind() == Kind::Indeterminate {
            shipment.value.state.step(ShipmentState::CreateUnknown)?;
            batch.put_back(&shipment)?;
            self.store.commit(batch).await?;
            done.postponed += 1;
        } else {
            shipment.value.state.step(ShipmentState::Draft)?;
            shipment.value.handle = None;
            batch.put_back(&shipment)?;
            if error.kind().is_business() {
                self.stage(record, Stage::Stuck, Some(error.to_string()), batch).await?;
            } else {
                self.store.commit(batch).await?;
                done.postponed += 1;
            }
        }
        done.refused(self.told(error));
        Ok(())
    }

    /// Asks the carrier whether it knows our reference. Only when it does not for longer than its index may lag
    /// is the booking made again.
    async fn look_up(
        &self,
        record: OrderRecord,
        mut shipment: Versioned<ShipmentRecord>,
        carrier: &dyn Connector,
        done: &mut Fulfilled,
    ) -> Result<()> {
        let Some(shipments) = carrier.logistics().and_then(|l| l.shipments()) else { return Ok(()) };
        let request = &shipment.value.request;
        match shipments.find(&CallCx::new(), &request.id, request.ship_at).await {
            Ok(Some(booked)) => self.book_answered(record, shipment, Ok(Submitted::Done(booked)), done).await,
            Ok(None) => {
                let now = self.now();
                let since = *shipment.value.missing_since.get_or_insert(now);
                // Another process may be in the middle of the call: whatever the lag, it is not made a second time.
                let under_way = shipment.value.state == ShipmentState::CreatePending
                    && shipment.value.sent_at.is_some_and(|at| now.duration_since(at) < LONGEST_CALL);
                if now.duration_since(since) > lookup_lag(carrier) && !under_way {
                    shipment.value.state.step(ShipmentState::Draft)?;
                    shipment.value.missing_since = None;
                }
                done.postponed += 1;
                let mut batch = Batch::new();
                batch.put_back(&shipment)?;
                Ok(self.store.commit(batch).await?)
            }
            Err(e) => {
                done.refused(self.told(&e));
                done.postponed += 1;
                Ok(())
            }
        }
    }

    async fn book_done(
        &self,
        record: OrderRecord,
        mut shipment: Versioned<ShipmentRecord>,
        booked: BookedShipment,
        done: &mut Fulfilled,
    ) -> Result<()> {
        for document in &booked.documents {
            self.store.keep_payload(&document.bytes).await?;
        }
        let new = shipment.value.booked.is_none();
        if new {
            shipment.value.state.step(ShipmentState::LabelCreated)?;
            shipment.value.missing_since = None;
        }
        shipment.value.booked = Some(booked);
        self.booked(record, shipment).await?;
        done.booked += u32::from(new);
        Ok(())
    }

    async fn booked(&self, mut record: OrderRecord, mut shipment: Versioned<ShipmentRecord>) -> Result<()> {
        shipment.value.declares = self.is_to_be_declared(&shipment.value);
        let id = shipment.value.request.id.to_string();
        let mut batch = Batch::new();
        batch.put_back(&shipment)?.audit(self.now(), "book", record.key(), id.clone());
        record.shipment = Some(id);
        let next = if shipment.value.declares { Stage::ToDeclare } else { Stage::ToConfirm };
        self.stage(record, next, None, batch).await
    }

    /// What is asked of the carrier, or why it cannot be.
    pub(crate) fn shipment_request(
        &self,
        record: &OrderRecord,
        shipping: &ShippingConfig,
        variants: &BTreeMap<Sku, (Product, Variant)>,
        id: &str,
    ) -> Result<Result<ShipmentRequest, String>> {
        let order = &record.order;
        let Some(to) = order.ship_to.clone() else {
            return Ok(Err("the channel did not give an address".to_owned()));
        };
        // Within one customs territory carriers are told of no goods: they would take the parcel for one to be declared. What
        // we declare ourselves may leave from a bonded warehouse of its own country.
        let seen_by_customs =
            shipping.from.passes_customs_to(&to) || shipping.customs.contains_key(&to.country);
        let mut contents = Vec::new();
        let mut values = Vec::new();
        let mut weight = shipping.packing_grams;
        for line in order.lines.iter().filter(|l| l.open() > 0) {
            let Some((product, variant)) = line.sku.as_ref().and_then(|s| variants.get(s)) else {
                return Ok(Err(format!(
                    "line {}: SKU '{}' is not in the catalogue",
                    line.id, line.channel_sku
                )));
            };
            let Some(grams) = variant.weight else {
                return Ok(Err(format!("SKU '{}' has no weight", variant.sku)));
            };
            let net = Grams(grams.0 * u64::from(line.open()));
            weight += net.0;
            let value = match open_value(line) {
                Ok(value) => value,
                Err(e) => return Ok(Err(format!("line {}: {e}", line.id))),
            };
            values.push(value);
            if !seen_by_customs {
                continue;
            }
            let (Some(hs), Some(origin)) = (variant.hs, variant.origin) else {
                return Ok(Err(format!(
                    "SKU '{}' has no HS code or origin, and the parcel passes customs",
                    variant.sku
                )));
            };
            let description = product
                .words_of(variant, &tradewind_domain::Locale("en".to_owned()))
                .map_or_else(|| line.title.clone(), |w| w.title.clone());
            contents.push(Commodity {
                sku: variant.sku.clone(),
                description,
                hs,
                origin,
                quantity: line.open(),
                unit_value: unit_value(value, line.open()),
                line_value: value,
                net,
            });
        }
        if values.is_empty() {
            return Ok(Err("nothing is open to ship".to_owned()));
        }
        let total = match Money::try_sum(order.currency, values) {
            Ok(total) => total,
            Err(e) => return Ok(Err(e.to_string())),
        };
        let id = ShipmentId::new(id).map_err(|e| GatewayError::Config(e.to_string()))?;
        let [length_mm, width_mm, height_mm] = shipping.parcel_mm;
        let now = self.now();
        Ok(Ok(ShipmentRequest {
            invoice: Invoice {
                number: id.to_string(),
                date: now.to_zoned(jiff::tz::TimeZone::UTC).date(),
                total,
                freight: order.shipping,
            },
            id,
            order: order.id.clone(),
            from: shipping.from.clone(),
            to: clean(to),
            parcels: vec![Parcel {
                weight: Grams(weight),
                dimensions: Dimensions { length_mm, width_mm, height_mm },
            }],
            contents,
            product: None,
            incoterm: order.incoterm.unwrap_or(Incoterm::Dap),
            registrations: order.registrations.clone(),
            sender_registrations: shipping.registrations.clone(),
            ship_at: hand_over(now),
        }))
    }
}

impl ShipmentRecord {
    /// Its order was cancelled or went another way after it was booked: the label is voided, is being voided, or a person was told
    /// to keep the parcel back. It serves no order any more, though its own be on again.
    pub(super) fn is_called_back(&self) -> bool {
        self.note.is_some() || matches!(self.state, ShipmentState::Voided | ShipmentState::VoidPending)
    }

    /// A booking was sent and what became of it is not known yet.
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(
            self.state,
            ShipmentState::CreatePending | ShipmentState::CreateUnknown | ShipmentState::LabelPending
        )
    }
}

/// Units of each line that an order is for, whatever of them left.
pub(super) fn ordered(order: &Order) -> Vec<LineQuantity> {
    let wanted = |l: &OrderLine| l.quantity.saturating_sub(l.cancelled);
    order.lines.iter().map(|l| LineQuantity { line: l.id.clone(), quantity: wanted(l) }).collect()
}

/// When a parcel that is booked now is handed over.
pub(crate) fn hand_over(now: Timestamp) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(2)).unwrap_or(now)
}

/// Value of what is still open of a line: its share of the line's total, exactly.
fn open_value(line: &OrderLine) -> Result<Money, tradewind_domain::MoneyError> {
    let ordered = line.quantity;
    if line.open() == ordered || ordered == 0 {
        return Ok(line.total);
    }
    let weights = [line.open(), ordered - line.open()].map(rust_decimal::Decimal::from);
    Ok(line.total.allocate(&weights)?.swap_remove(0))
}

/// Value of one unit for the paperwork: the line's value through its units, in whole minor units, rounded down.
fn unit_value(line: Money, quantity: u32) -> Money {
    Money::from_minor(line.minor() / i64::from(quantity.max(1)), line.currency())
}

/// Without the lines that a channel leaves blank.
pub(super) fn clean(mut address: Address) -> Address {
    address.lines.retain(|l| !l.trim().is_empty());
    address
}

/// Our id of an order's shipment: short enough for every carrier's reference field, and always the same.
pub(crate) fn shipment_id(record: &OrderRecord) -> String {
    let digest = Sha256::digest(record.key().as_bytes());
    format!("TW{}", hex::encode_upper(&digest[..9]))
}
