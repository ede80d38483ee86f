//! What happened to an order, oldest first: from every record of the store that is of it and tells when.

use jiff::Timestamp;
use serde::Serialize;
use tradewind_domain::{AccountId, DeclarationId};
use tradewind_store::{Filter, typed};

use crate::cases::{DisputeCase, ReturnCase};
use crate::fulfil::book::shipment_id;
use crate::fulfil::declare::{declaration_id, unidentified};
use crate::fulfil::track::scanned_at;
use crate::gateway::{Gateway, Result};
use crate::records::{DeclarationRecord, OrderRecord, ReceiptRecord, ShipmentRecord, order_key};

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Happened {
    /// When: as its source tells.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// Who says so: a channel, a carrier, an authority, or our own record.
    pub source: String,
}

/// All that is kept of an order.
#[derive(Debug, Clone, Serialize)]
pub struct History {
    /// The order as last read.
    pub order: OrderRecord,
    /// Its parcel, if one was begun.
    pub shipments: Vec<ShipmentRecord>,
    /// Its declarations.
    pub declarations: Vec<DeclarationRecord>,
    /// The authority's answers to them, without numbers that identify persons.
    pub receipts: Vec<ReceiptRecord>,
    /// Its returns.
    pub returns: Vec<ReturnCase>,
    /// Its disputes.
    pub disputes: Vec<DisputeCase>,
    /// What happened, oldest first.
    pub timeline: Vec<Happened>,
}

/// The lines, as they are found.
#[derive(Default)]
struct Lines(Vec<Happened>);

impl Lines {
    fn add(&mut self, at: Timestamp, what: impl Into<String>, source: impl Into<String>) {
        self.0.push(Happened { at, what: what.into(), source: source.into() });
    }
}

impl Gateway {
    /// All that is kept of an order; `None`: it was never imported.
    ///
    /// # Errors
    /// The store failed.
    pub async fn history(&self, account: &AccountId, order: &str) -> Result<Option<History>> {
        let key = order_key(account, order);
        let Some(record) = typed::get::<OrderRecord>(&*self.store, &key).await?.map(|r| r.value) else {
            return Ok(None);
        };
        let parcel = shipment_id(&record);
        let filed = declaration_id(&parcel);
        let shipments: Vec<ShipmentRecord> =
            typed::get(&*self.store, &parcel).await?.map(|p| p.value).into_iter().collect();
        let declarations: Vec<DeclarationRecord> =
            typed::get(&*self.store, &filed).await?.map(|d| d.value).into_iter().collect();
        let mut receipts: Vec<ReceiptRecord> = Vec::new();
        for filed in &declarations {
            receipts.extend(self.receipts_of(&filed.declaration.id).await?);
        }
        // As they are told everywhere: customs quote identity cards. The record itself keeps their words whole.
        for ReceiptRecord(receipt) in &mut receipts {
            receipt.message = unidentified(&receipt.message);
        }
        let (returns, disputes) = self.cases_of(account, order).await?;
        let mut lines = Lines::default();
        of_order(&record, &mut lines);
        // What was begun, before what the journal says of its end: of one instant the lines keep the order in which they stand here.
        shipments.iter().for_each(|parcel| of_parcel(parcel, &mut lines));
        declarations.iter().for_each(|filed| of_declaration(filed, &mut lines));
        let journal = self.store.audit_of(&key).await?;
        if !journal.iter().any(|row| row.action == "import order") {
            lines.add(record.imported_at, "imported", "our record");
        }
        for row in journal {
            lines.add(row.at, in_words(&row.action, &row.detail), "our journal");
        }
        for ReceiptRecord(receipt) in &receipts {
            let means = receipt.state.map(|s| format!(": {s}")).unwrap_or_default();
            let what = format!("customs answered {} {}{means}", receipt.code, receipt.message);
            let filed = declarations.iter().find(|d| Some(&d.declaration.id) == receipt.declaration.as_ref());
            lines.add(receipt.at, what, filed.map_or_else(String::new, |d| d.account.to_string()));
        }
        for case in &returns {
            let refund = case.case.amount.map(|m| format!(", refund {m}")).unwrap_or_default();
            let what = format!("return {} opened, now {}{refund}", case.case.id, case.case.raw_status);
            lines.add(case.case.opened_at.utc, what, case.account.to_string());
        }
        for case in &disputes {
            let c = &case.case;
            let what = format!("dispute {} over {} opened, now {}", c.id, c.amount, c.raw_status);
            lines.add(c.opened_at.utc, what, case.account.to_string());
        }
        let mut timeline = lines.0;
        let mut told = std::collections::HashSet::new();
        timeline.retain(|line| told.insert(line.clone()));
        timeline.sort_by_key(|line| line.at);
        Ok(Some(History { order: record, shipments, declarations, receipts, returns, disputes, timeline }))
    }

    async fn receipts_of(&self, declaration: &DeclarationId) -> Result<Vec<ReceiptRecord>> {
        let filter = Filter::all().states(&[declaration.as_str()]);
        let all = typed::list::<ReceiptRecord>(&*self.store, filter).await?;
        Ok(all.into_iter().map(|r| r.value).collect())
    }
}

fn of_order(record: &OrderRecord, lines: &mut Lines) {
    let order = &record.order;
    let channel = order.account.to_string();
    let total = order.told_total().map_or_else(|| "total not told yet".to_owned(), |t| t.to_string());
    lines.add(order.placed_at.utc, format!("placed: {total}, {} lines", order.lines.len()), channel.clone());
    for payment in &order.payments {
        if let Some(at) = payment.paid_at {
            lines.add(at, format!("paid: {} by {}", payment.amount, payment.provider), channel.clone());
        }
    }
    // The channel's own instant of its last change: of an order that is over, when that came about.
    if order.updated_at.utc > order.placed_at.utc {
        let what = format!("last change: {} ({})", order.state, order.raw_status);
        lines.add(order.updated_at.utc, what, channel);
    }
}

fn of_parcel(parcel: &ShipmentRecord, lines: &mut Lines) {
    let (id, carrier) = (&parcel.request.id, parcel.account.to_string());
    if let Some(at) = parcel.sent_at {
        let booked = match &parcel.booked {
            Some(b) => format!("waybill {}", b.waybill),
            None => format!("{}", parcel.state),
        };
        lines.add(at, format!("parcel {id} sent for booking: {booked}"), "our record");
    }
    for scan in &parcel.events {
        let place = if scan.place.is_empty() { String::new() } else { format!(", {}", scan.place) };
        let zone = if scan.utc.is_none() { " (local time)" } else { "" };
        let what = format!("parcel {id}: {} {}{place}{zone}", scan.code, scan.text);
        lines.add(scanned_at(scan), what, carrier.clone());
    }
}

fn of_declaration(filed: &DeclarationRecord, lines: &mut Lines) {
    let (id, customs) = (&filed.declaration.id, filed.account.to_string());
    if let Some(at) = filed.filed_at {
        lines.add(at, format!("declaration {id} filed, now {}", filed.state), "our record");
    }
    for r in &filed.declaration.references {
        lines.add(r.at, format!("declaration {id}: {} {}", r.kind, r.value), customs.clone());
    }
}

/// The journal's verb with what it was about.
fn in_words(action: &str, detail: &str) -> String {
    let verb = match action {
        "import order" => "imported as",
        "order changed" => "channel changed it:",
        "book" => "booked: parcel",
        "declare" => "declared:",
        "released" => "released by customs:",
        "confirm" => "confirmed to the channel: parcel",
        "void" => "label void: parcel",
        "quote" => "landed cost:",
        other => other,
    };
    format!("{verb} {detail}").trim_end().to_owned()
}
