//! The way of a parcel: which scans it gets, and when.

use super::rates::border;
use super::{DhlExpress, NAME, Scan, Shipment};
use crate::core::channel::News;
use crate::core::rng::Stream;
use crate::core::world::World;
use serde_json::Value;

const HOUR: i64 = 3_600_000;

/// Minutes east of Greenwich of a country's scans (standard time; scans carry what is said here).
pub(super) fn offset_minutes(country: &str) -> i32 {
    match country {
        "CN" | "SG" => 480,
        "JP" | "KR" => 540,
        "US" | "CA" => -300,
        "MX" => -360,
        "BR" => -180,
        "AU" => 600,
        "GB" | "IE" | "PT" => 0,
        _ => 60,
    }
}

/// The scans of a shipment, drawn once from its own stream. Over a customs border one parcel in four meets
/// trouble in clearance, and all of them leave it.
pub(super) fn plan(shipment: &Shipment, prepaid_duties: bool, s: &mut Stream) -> Vec<Scan> {
    let (origin, destination) = (area(&shipment.from_city), area(&shipment.to_city));
    let mut at = shipment.planned_ms.max(shipment.created_ms) + s.between(HOUR, 4 * HOUR);
    let mut scans = Vec::new();
    {
        let mut scan = |after: i64, code, text, here: bool| {
            at += after;
            let (area, country) = if here { (&origin, &shipment.from) } else { (&destination, &shipment.to) };
            scans.push(Scan { at_ms: at, code, text, area: area.clone(), country: country.clone() });
        };
        scan(0, "PU", "Shipment picked up", true);
        scan(3 * HOUR, "PL", "Processed at origin facility", true);
        scan(s.between(2 * HOUR, 5 * HOUR), "DF", "Shipment has departed from a DHL facility", true);
        scan(s.between(10 * HOUR, 22 * HOUR), "AF", "Arrived at DHL sort facility", false);
        if border(&shipment.from, &shipment.to) {
            scan(HOUR, "IC", "Customs clearance status updated", false);
            match s.below(100) {
                0..=74 => {}
                75..=84 => {
                    scan(4 * HOUR, "UD", "Clearance event: uncontrollable delay", false);
                    scan(s.between(18 * HOUR, 40 * HOUR), "ES", "Entry submitted", false);
                }
                85..=92 if !prepaid_duties => {
                    scan(4 * HOUR, "HP", "Awaiting payment of duties and taxes by the consignee", false);
                    scan(s.between(12 * HOUR, 48 * HOUR), "PY", "Duties and taxes paid", false);
                }
                _ => scan(6 * HOUR, "SI", "Scheduled for inspection", false),
            }
            scan(s.between(3 * HOUR, 8 * HOUR), "CR", "Clearance processing complete", false);
        }
        scan(2 * HOUR, "AR", "Arrived at DHL delivery facility", false);
        scan(s.between(8 * HOUR, 14 * HOUR), "WC", "Shipment is out with courier for delivery", false);
        if s.chance(100) {
            scan(5 * HOUR, "NH", "Delivery attempted; recipient not home", false);
            scan(18 * HOUR, "WC", "Shipment is out with courier for delivery", false);
        }
        scan(s.between(HOUR, 6 * HOUR), "OK", "Delivered", false);
    }
    scans
}

fn area(city: &str) -> String {
    city.to_uppercase()
}

impl DhlExpress {
    pub(super) fn schedule(&self, world: &World, shipment: &Shipment) {
        for scan in &shipment.scans {
            world.schedule(NAME, scan.at_ms - world.now_ms(), "scan", &shipment.awb, Value::Null);
        }
    }

    /// A scan fell due: the oracle learns it; a delivery is told to the marketplaces.
    pub(super) fn scanned(&self, world: &World, awb: &str, at_ms: i64) {
        let books = self.books();
        let Some(shipment) = books.shipments.get(awb) else { return };
        let done = shipment.scans.iter().filter(|s| s.at_ms <= at_ms).count();
        let delivered = shipment.scans.iter().any(|s| s.at_ms <= at_ms && s.code == "OK");
        let reference = shipment.reference.clone();
        let bare = done >= 1 && shipment.paperless && !shipment.invoiced && shipment.uploaded_ms.is_none();
        drop(books);
        let news = world.ledger(|l| {
            if bare {
                l.complain(
                    NAME,
                    &format!("{awb} was handed over for paperless trade (WY) without an invoice"),
                );
            }
            let parcel = l.parcel(NAME, awb);
            parcel.scans = u32::try_from(done).unwrap_or(u32::MAX);
            let news = delivered && !parcel.delivered;
            parcel.delivered = delivered;
            news
        });
        if news {
            world.tell(
                NAME,
                News::Delivered { carrier: NAME.to_owned(), tracking: awb.to_owned(), reference },
            );
        }
    }
}
