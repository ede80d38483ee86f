//! What keeps a parcel back between its label and its leaving: an order that its marketplace holds, or that is another one than was
//! booked.

use tradewind_domain::{Order, OrderState, ShipmentState, TrackingState};
use tradewind_store::typed::Record;

use super::Fulfilled;
use super::book::{clean, ordered};
use crate::records::{OrderRecord, ShipmentRecord};

/// Its buyer wants out, its money did not come or went back, or its marketplace holds it.
pub(crate) fn is_held(order: &Order) -> bool {
    matches!(
        order.state,
        OrderState::CancelRequested | OrderState::PendingPayment | OrderState::OnHold | OrderState::Exception
    )
}

impl Fulfilled {
    /// Nothing more is declared or told of an order that is held while its parcel is with us: said in each round.
    pub(super) fn keeps_back(&mut self, record: &OrderRecord, parcel: &ShipmentRecord) -> bool {
        if !is_held(&record.order) || parcel.has_left() {
            return false;
        }
        let label = parcel.booked.as_ref().map(|b| b.waybill.to_string()).unwrap_or_default();
        self.urge(format!(
            "order {}: its marketplace says that it is {} ({}), and label {label} is booked: keep the parcel back; it goes on when that \
             changes there, and is called back when it is cancelled there",
            record.key(),
            record.order.state,
            record.order.raw_status
        ));
        self.kept_back += 1;
        true
    }
}

impl ShipmentRecord {
    /// The carrier has it.
    pub(super) fn has_left(&self) -> bool {
        let moves = !matches!(self.tracking, TrackingState::Unknown | TrackingState::InfoReceived);
        let handed_over = matches!(
            self.state,
            ShipmentState::Manifested
                | ShipmentState::InTransit
                | ShipmentState::Delivered
                | ShipmentState::Returned
                | ShipmentState::Lost
        );
        moves || handed_over
    }

    /// What the order is now that it was not when its parcel was booked, unless a person lets it go as it is. Notes are kept in
    /// the open: of an address they name what differs, not what it says. What a channel does not tell any more did not change.
    pub(crate) fn changed_since(&self, order: &Order) -> Option<String> {
        if self.agreed == Some(order.updated_at.utc) {
            return None;
        }
        let mut what = Vec::new();
        if let Some(now) = order.ship_to.clone().map(clean) {
            let was = &self.request.to;
            let told = |now: &Option<String>, was: &Option<String>| now.is_some() && now != was;
            let fields = [
                ("name", told(&now.name, &was.name)),
                ("company", told(&now.company, &was.company)),
                ("street", !now.lines.is_empty() && now.lines != was.lines),
                ("city", told(&now.city, &was.city)),
                ("region", told(&now.region, &was.region)),
                ("postcode", told(&now.postcode, &was.postcode)),
                ("country", now.country != was.country),
            ];
            let differ: Vec<&str> = fields.iter().filter(|(_, d)| *d).map(|(name, _)| *name).collect();
            if !differ.is_empty() {
                what.push(format!("another address ({})", differ.join(", ")));
            }
        }
        if !self.ordered.is_empty() {
            for now in ordered(order) {
                let was = self.ordered.iter().find(|l| l.line == now.line).map_or(0, |l| l.quantity);
                if was != now.quantity {
                    let line = order.lines.iter().find(|l| l.id == now.line);
                    let sku = line.map(|l| l.channel_sku.as_str()).filter(|s| !s.is_empty());
                    let of = sku.map_or_else(|| format!("line {}", now.line), str::to_owned);
                    what.push(format!("{} of {of} instead of {was}", now.quantity));
                }
            }
        }
        let parcel = &self.request.id;
        (!what.is_empty()).then(|| {
            format!("its order is not what parcel {parcel} was booked for: it has {}", what.join(", "))
        })
    }
}
