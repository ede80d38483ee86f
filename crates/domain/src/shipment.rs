//! Parcels: shipments, waybills, tracking events and how they fold into a state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::states;
use crate::{
    Address, Country, Dimensions, Grams, HsCode, Incoterm, Money, OrderId, ShipmentId, Sku, TaxId, Waybill,
};

states! {
    /// A shipment, from our side.
    ShipmentState {
        /// Ours, not booked.
        Draft => [CreatePending],
        /// The booking went out. Refused, or never gone out, it is a draft again.
        CreatePending => [LabelCreated, LabelPending, CreateUnknown, Draft],
        /// The answer was lost: only reading by reference leaves this state.
        CreateUnknown => [LabelCreated, Draft],
        /// Booked, the label follows. Where the carrier cannot be asked for it, the booking is looked up by its reference.
        LabelPending => [LabelCreated, CreateUnknown, Draft],
        /// Waybill and label are there.
        LabelCreated => [InTransit, VoidPending, Delivered, Returned, Lost],
        /// The carrier scanned it.
        InTransit => [Delivered, Returned, Lost],
        /// A void was asked.
        VoidPending => [Voided, LabelCreated, InTransit],
        /// Voided.
        Voided => [],
        /// Delivered.
        Delivered => [Returned],
        /// Came back.
        Returned => [],
        /// Lost or destroyed.
        Lost => [],
    }
}

/// What is in a parcel, for the customs block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commodity {
    /// SKU.
    pub sku: Sku,
    /// Plain words that customs accepts: "cotton T-shirt", not a brand.
    pub description: String,
    /// Commodity code.
    pub hs: HsCode,
    /// Country of origin.
    pub origin: Country,
    /// Units.
    pub quantity: u32,
    /// Value of one unit.
    pub unit_value: Money,
    /// Value of the line; Σ equals the invoice.
    pub line_value: Money,
    /// Net weight of the line.
    pub net: Grams,
}

/// One physical parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Gross weight.
    pub weight: Grams,
    /// Outer dimensions.
    pub dimensions: Dimensions,
}

/// A request to book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentRequest {
    /// Our id: written before the call, sent as the carrier's reference, and looked up when the answer is lost.
    pub id: ShipmentId,
    /// The order it fulfils.
    pub order: OrderId,
    /// Sender.
    pub from: Address,
    /// Receiver.
    pub to: Address,
    /// Parcels; at least one.
    pub parcels: Vec<Parcel>,
    /// Contents, where customs want to see them: empty where the parcel passes none ([`Address::passes_customs_to`]), unless we
    /// declare it ourselves.
    pub contents: Vec<Commodity>,
    /// Carrier product code; `None` lets the connector's configuration decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Delivery terms. No default: a wrong one makes the buyer pay twice.
    pub incoterm: Incoterm,
    /// Registration numbers to print and transmit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registrations: Vec<TaxId>,
    /// Sender's registrations (EORI, VAT).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sender_registrations: Vec<TaxId>,
    /// Invoice number and date for the customs paperwork.
    pub invoice: Invoice,
    /// Planned hand-over.
    pub ship_at: Timestamp,
}

/// Commercial invoice data for the customs paperwork.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Number.
    pub number: String,
    /// Issued.
    pub date: jiff::civil::Date,
    /// Total of the contents.
    pub total: Money,
    /// Freight on the invoice.
    pub freight: Money,
}

/// A document that came with a booking.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// `label`, `invoice`, `waybill_doc`, ...
    pub kind: String,
    /// Media type.
    pub media_type: String,
    /// The bytes.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({}, {}, {} bytes)", self.kind, self.media_type, self.bytes.len())
    }
}

/// A booked shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedShipment {
    /// Our id.
    pub id: ShipmentId,
    /// The carrier's number.
    pub waybill: Waybill,
    /// Numbers of the pieces, when they have their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Waybill>,
    /// Charge, when told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Money>,
    /// Label and other papers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    /// Remarks of the carrier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A carrier's offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateQuote {
    /// Carrier product code.
    pub product: String,
    /// Its name.
    pub name: String,
    /// Price.
    pub price: Money,
    /// Estimated delivery, by the clock of the destination: carriers name no zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<jiff::civil::DateTime>,
}

/// Where a parcel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackingState {
    /// Not known yet.
    Unknown,
    /// The carrier has the data, not the parcel.
    InfoReceived,
    /// Picked up or handed in.
    Accepted,
    /// Moving.
    InTransit,
    /// At customs.
    Customs {
        /// Which border.
        direction: CustomsDirection,
        /// How it stands.
        condition: CustomsCondition,
    },
    /// With the courier.
    OutForDelivery,
    /// Waiting for the receiver.
    AvailableForPickup,
    /// The courier did not succeed.
    DeliveryAttempted,
    /// Something is wrong.
    Exception,
    /// Delivered.
    Delivered,
    /// On its way back.
    Returning,
    /// Back.
    Returned,
    /// Lost.
    Lost,
    /// Destroyed.
    Destroyed,
    /// Called off.
    Cancelled,
    /// The carrier stopped telling.
    Expired,
}

/// Which border a customs event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomsDirection {
    /// Leaving.
    Export,
    /// Passing.
    Transit,
    /// Entering.
    Import,
    /// Not told.
    Unknown,
}

/// How a parcel stands at customs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomsCondition {
    /// Being processed.
    InProgress,
    /// Held: documents, inspection.
    Held,
    /// Somebody must pay.
    PaymentDue,
    /// Released.
    Released,
}

/// One scan. An offset that the carrier did not give is never invented.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrackingEvent {
    /// The carrier's code, verbatim.
    pub code: String,
    /// Its words.
    pub text: String,
    /// Mapped state; `None` for a code that says nothing of the state, or one this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TrackingState>,
    /// Local wall-clock time as told.
    pub local: jiff::civil::DateTime,
    /// The instant, when an offset or the place's zone is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc: Option<Timestamp>,
    /// Place, as told.
    #[serde(default)]
    pub place: String,
}

/// The state of a parcel: the last state-bearing scan. The result does not depend on the order in which the
/// scans arrived. `Delivered` is reopened only by a return.
#[must_use]
pub fn fold_tracking(events: &[TrackingEvent]) -> TrackingState {
    let mut scans: Vec<&TrackingEvent> = events.iter().filter(|e| e.state.is_some()).collect();
    scans.sort_by(|a, b| {
        let at =
            |e: &TrackingEvent| e.utc.map_or(e.local, |u| u.to_zoned(jiff::tz::TimeZone::UTC).datetime());
        at(a)
            .cmp(&at(b))
            .then(a.state.cmp(&b.state))
            .then_with(|| a.code.cmp(&b.code))
            .then_with(|| a.place.cmp(&b.place))
    });
    let mut state = TrackingState::Unknown;
    for next in scans.into_iter().filter_map(|e| e.state) {
        let reopens = matches!(next, TrackingState::Returning | TrackingState::Returned);
        if state != TrackingState::Delivered || reopens {
            state = next;
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(hour: i8, state: Option<TrackingState>) -> TrackingEvent {
        let local = jiff::civil::date(2026, 8, 1).at(hour, 0, 0, 0);
        TrackingEvent {
            code: format!("C{hour}"),
            text: String::new(),
            state,
            local,
            utc: None,
            place: String::new(),
        }
    }

    #[test]
    fn folding_ignores_arrival_order_and_unknown_codes() {
        let mut events = vec![
            event(1, Some(TrackingState::Accepted)),
            event(3, Some(TrackingState::Delivered)),
            event(2, Some(TrackingState::InTransit)),
            event(9, None),
            event(5, Some(TrackingState::InTransit)),
        ];
        assert_eq!(fold_tracking(&events), TrackingState::Delivered);
        events.reverse();
        assert_eq!(fold_tracking(&events), TrackingState::Delivered);
        events.push(event(10, Some(TrackingState::Returning)));
        assert_eq!(fold_tracking(&events), TrackingState::Returning);
        assert_eq!(fold_tracking(&[]), TrackingState::Unknown);
    }
}
