//! Tracking by number and by reference, and proof of delivery.

use super::scans::offset_minutes;
use super::{
    Ask, DhlExpress, REFERENCE_LAG_MS, STALE_REFERENCE_MS, STALE_SCANS_MS, Shipment, absent, bad, number, pdf,
};
use crate::core::channel::json;
use crate::core::clock::{instant, local};
use crate::core::money;
use crate::core::world::World;
use axum::response::Response;
use base64::Engine as _;
use serde_json::{Value, json as j};

fn show(s: &Shipment, ask: &Ask<'_>, now_ms: i64) -> Value {
    // The parameter exists for one shipment only; the call for many does not know it.
    let single = ask.path.starts_with("/shipments/");
    let offset = single && ask.query("requestGMTOffsetPerEvent") == Some("true");
    let view = ask.query("trackingView").unwrap_or("all-checkpoints");
    // Newest first, as MyDHL lists them.
    let mut events: Vec<Value> = s
        .scans
        .iter()
        .filter(|e| e.at_ms <= now_ms)
        .rev()
        .map(|e| {
            let minutes = offset_minutes(&e.country);
            let at = instant(e.at_ms);
            let mut event = j!({"date": local(at, minutes, "%Y-%m-%d"), "time": local(at, minutes, "%H:%M:%S"),
                "typeCode": e.code, "description": e.text,
                "serviceArea": [{"code": e.area.get(..3).unwrap_or("XXX"), "description": e.area}]});
            if let Some(map) = event.as_object_mut() {
                if offset {
                    let sign = if minutes < 0 { '-' } else { '+' };
                    let m = minutes.unsigned_abs();
                    map.insert("GMTOffset".into(), format!("{sign}{:02}:{:02}", m / 60, m % 60).into());
                }
                if e.code == "OK" {
                    map.insert("signedBy".into(), s.receiver.clone().into());
                }
            }
            event
        })
        .collect();
    match view {
        "last-checkpoint" => events.truncate(1),
        "shipment-details-only" => events.clear(),
        _ => {}
    }
    let created = local(instant(s.created_ms), offset_minutes(&s.from), "%Y-%m-%dT%H:%M:%S");
    j!({"shipmentTrackingNumber": s.awb, "status": "Success", "shipmentTimestamp": created, "productCode": s.product,
        "description": "goods",
        // Names are blanked for data protection.
        "shipperDetails": {"name": "", "postalAddress": {"cityName": s.from_city, "countryCode": s.from}},
        "receiverDetails": {"name": "", "postalAddress": {"cityName": s.to_city, "countryCode": s.to}},
        "totalWeight": number(&money::text(s.grams, "KWD")), "unitOfMeasurements": "metric",
        "shipperReferences": [{"value": s.reference, "typeCode": "CU"}],
        "events": events, "numberOfPieces": s.pieces.len()})
}

impl DhlExpress {
    /// A shipment that tracking by number already knows: scanned at least once.
    fn scanned_shipment(&self, awb: &str, now_ms: i64) -> Option<Shipment> {
        let books = self.books();
        let shipment = books.shipments.get(awb)?;
        shipment.scans.iter().any(|s| s.at_ms <= now_ms).then(|| shipment.clone())
    }

    pub(super) fn track_one(&self, ask: &Ask<'_>, world: &World) -> Response {
        let awb = ask.path.split('/').nth(2).unwrap_or_default();
        let now = ask.as_of(world, STALE_SCANS_MS);
        match self.scanned_shipment(awb, now) {
            Some(s) => json(200, &j!({"shipments": [show(&s, ask, now)]})),
            None => absent(ask, &format!("No Shipments Found for AWBNumber | {awb}")),
        }
    }

    pub(super) fn track_many(&self, ask: &Ask<'_>, world: &World) -> Response {
        let by_reference = ask.query("shipmentReference").is_some();
        let now = ask.as_of(world, if by_reference { STALE_REFERENCE_MS } else { STALE_SCANS_MS });
        let numbers: Vec<&str> = ask
            .query
            .iter()
            .filter(|(k, _)| k == "shipmentTrackingNumber")
            .flat_map(|(_, v)| v.split(','))
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .collect();
        if numbers.len() > 200 {
            return bad(ask, "At most 200 tracking numbers are allowed");
        }
        let found: Vec<Value> = if let Some(reference) = ask.query("shipmentReference") {
            let Some(account) = ask.query("shipperAccountNumber") else {
                return bad(ask, "Missing mandatory parameters: shipperAccountNumber");
            };
            let books = self.books();
            let awbs = books.references.get(reference).cloned().unwrap_or_default();
            awbs.iter()
                .filter_map(|awb| books.shipments.get(awb))
                .filter(|s| s.account == account && s.created_ms + REFERENCE_LAG_MS <= now)
                .filter(|s| in_range(s, ask))
                .map(|s| show(s, ask, now))
                .collect()
        } else if numbers.is_empty() {
            return bad(ask, "Missing mandatory parameters: shipmentTrackingNumber");
        } else {
            numbers.iter().filter_map(|n| self.scanned_shipment(n, now)).map(|s| show(&s, ask, now)).collect()
        };
        if found.is_empty() {
            let asked = ask.query("shipmentReference").map_or_else(
                || format!("AWBNumber | {}", numbers.join(",")),
                |reference| format!("ReferenceID | {reference}"),
            );
            return absent(ask, &format!("No Shipments Found for {asked}"));
        }
        json(200, &j!({"shipments": found}))
    }

    pub(super) fn proof(&self, ask: &Ask<'_>, world: &World) -> Response {
        let awb = ask.path.split('/').nth(2).unwrap_or_default();
        let delivered = self
            .scanned_shipment(awb, world.now_ms())
            .filter(|s| s.scans.iter().any(|e| e.code == "OK" && e.at_ms <= world.now_ms()));
        match delivered {
            Some(s) => {
                let bytes = pdf::page(&[format!("Proof of delivery {awb}"), s.receiver]);
                let content = base64::engine::general_purpose::STANDARD.encode(bytes);
                json(
                    200,
                    &j!({"documents": [{"encodingFormat": "PDF", "content": content, "typeCode": "POD"}]}),
                )
            }
            None => absent(ask, "7163: no proof of delivery found"),
        }
    }
}

/// The window of the reference search is days of pickup.
fn in_range(s: &Shipment, ask: &Ask<'_>) -> bool {
    let day = local(instant(s.planned_ms), offset_minutes(&s.from), "%Y-%m-%d");
    let after = ask.query("dateRangeFrom").is_none_or(|from| from.get(..10).unwrap_or(from) <= day.as_str());
    let before = ask.query("dateRangeTo").is_none_or(|to| day.as_str() <= to.get(..10).unwrap_or(to));
    after && before
}
