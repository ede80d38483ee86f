//! The logistics role.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    Address, BookedShipment, Document, Incoterm, Money, Parcel, RateQuote, ShipmentId, ShipmentRequest,
    TrackingEvent, Waybill,
};

use crate::error::Error;
use crate::operation::{CallCx, Handle, Submitted};

/// A carrier.
pub trait Logistics: Send + Sync {
    /// Prices.
    fn rates(&self) -> Option<&dyn Rates> {
        None
    }
    /// Booking.
    fn shipments(&self) -> Option<&dyn Shipments> {
        None
    }
    /// Tracking.
    fn tracking(&self) -> Option<&dyn Tracking> {
        None
    }
    /// Pickups.
    fn pickups(&self) -> Option<&dyn Pickups> {
        None
    }
    /// Customs paperwork.
    fn paperwork(&self) -> Option<&dyn Paperwork> {
        None
    }
}

/// What to quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateRequest {
    /// Sender.
    pub from: Address,
    /// Receiver.
    pub to: Address,
    /// Parcels.
    pub parcels: Vec<Parcel>,
    /// Declared value; crossing a border when present.
    pub value: Option<Money>,
    /// Delivery terms.
    pub incoterm: Incoterm,
    /// Planned hand-over.
    pub ship_at: Timestamp,
}

/// Carrier prices.
#[async_trait]
pub trait Rates: Send + Sync {
    /// Products with their prices, in the carrier's order; one that could not be read is an error in its place.
    async fn quote(&self, cx: &CallCx, request: &RateRequest)
    -> Result<Vec<Result<RateQuote, Error>>, Error>;
}

/// Booking. Most carriers bill a second label when a booking is sent twice, so a lost answer is settled with
/// [`Shipments::find`].
#[async_trait]
pub trait Shipments: Send + Sync {
    /// Books; the request's id is the reference.
    async fn create(
        &self,
        cx: &CallCx,
        request: &ShipmentRequest,
    ) -> Result<Submitted<BookedShipment>, Error>;
    /// Looks a booking up by our reference. `None`: not there — or not visible yet, see the capability
    /// `visibility_lag_minutes`.
    async fn find(
        &self,
        cx: &CallCx,
        id: &ShipmentId,
        shipped_at: Timestamp,
    ) -> Result<Option<BookedShipment>, Error>;
    /// Goes on with a deferred booking.
    async fn poll(&self, _cx: &CallCx, _handle: &Handle) -> Result<Submitted<BookedShipment>, Error> {
        Err(Error::new(crate::error::Kind::Unsupported, "this carrier books at once"))
    }
    /// Voids a label. `Unsupported` where the carrier has no such call.
    async fn void(&self, _cx: &CallCx, _waybill: &Waybill) -> Result<(), Error> {
        Err(Error::new(crate::error::Kind::Unsupported, "this carrier has no call to void a label"))
    }
}

/// What a carrier knows of one waybill. Empty events: nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingReport {
    /// Waybill.
    pub waybill: Waybill,
    /// All scans known.
    pub events: Vec<TrackingEvent>,
    /// Scans that could not be read, by reason: one that is odd keeps back no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// Tracking.
#[async_trait]
pub trait Tracking: Send + Sync {
    /// One report per waybill asked for.
    async fn track(&self, cx: &CallCx, waybills: &[Waybill]) -> Result<Vec<TrackingReport>, Error>;
}

/// A pickup to order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pickup {
    /// Where.
    pub at: Address,
    /// From.
    pub ready: Timestamp,
    /// Until.
    pub close: Timestamp,
    /// Parcels.
    pub parcels: Vec<Parcel>,
}

/// Pickups.
#[async_trait]
pub trait Pickups: Send + Sync {
    /// Orders one; the carrier's confirmation number.
    async fn order(&self, cx: &CallCx, pickup: &Pickup) -> Result<String, Error>;
    /// Calls it off.
    async fn cancel(
        &self,
        cx: &CallCx,
        confirmation: &str,
        requester: &str,
        reason: &str,
    ) -> Result<(), Error>;
}

/// Customs paperwork for a booked shipment.
#[async_trait]
pub trait Paperwork: Send + Sync {
    /// Uploads a document for a waybill.
    async fn upload(
        &self,
        cx: &CallCx,
        waybill: &Waybill,
        shipped_at: Timestamp,
        document: &Document,
    ) -> Result<(), Error>;
}
