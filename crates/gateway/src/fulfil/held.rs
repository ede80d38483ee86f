//! What keeps a parcel back between its label and its leaving: an order that its marketplace holds, or that is another one than was
//! booked.

use tradewind_domain::{Order, ShipmentState};
use tradewind_store::typed::Record;

use super::Fulfilled;
use super::book::{clean, ordered};
use super::track::shipment_state;
use crate::records::{OrderRecord, ShipmentRecord};

impl Fulfilled {
    /// Nothing more is declared or told of an order that is held while its parcel is with us: said in each round.
    pub(super) fn keeps_back(&mut self, record: &OrderRecord, parcel: &ShipmentRecord) -> bool {
        if !record.order.state.is_held() || parcel.has_left() {
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
    /// The carrier has it, or had it, as its own state or its scans tell. That a carrier called it off or stopped telling says
    /// neither.
    pub(crate) fn has_left(&self) -> bool {
        let handed_over = matches!(
            self.state,
            ShipmentState::InTransit
                | ShipmentState::Delivered
                | ShipmentState::Returned
                | ShipmentState::Lost
        );
        handed_over || shipment_state(self.tracking).is_some()
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
