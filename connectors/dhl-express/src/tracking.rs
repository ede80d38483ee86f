//! Tracking.

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use tradewind_connector::role::{Tracking, TrackingReport};
use tradewind_connector::{
    CallCx, Error, Facet, Kind, OpCx, OpSpec, Operation, Priority, Records, Safety, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{CustomsCondition as C, CustomsDirection, TrackingEvent, TrackingState as T, Waybill};

use crate::DhlExpress;
use crate::config::Settings;

static TRACK: OpSpec = OpSpec {
    name: "tracking",
    facet: Facet::Tracking,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["calls", "daily"],
    keep: true,
    doc: "https://developer.dhl.com/api-reference/dhl-express-mydhl-api",
};

struct Track<'a>(&'a Settings);

impl Operation for Track<'_> {
    type In = Waybill;
    type Out = TrackingReport;

    fn spec(&self) -> &OpSpec {
        &TRACK
    }

    fn encode(&self, _: &OpCx<'_>, waybill: &Waybill) -> Result<WireRequest, Error> {
        // Only this path takes the flag, the one for many waybills does not; without it, times are local and carry no
        // zone at all.
        let path = format!("/shipments/{}/tracking", segment(waybill.as_str()));
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, &path)?
            .query("trackingView", "all-checkpoints")
            .query("requestGMTOffsetPerEvent", "true"))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        waybill: &Waybill,
        response: &WireResponse,
    ) -> Result<TrackingReport, Error> {
        let found: Found = response.json()?;
        let mut report = nothing_of(waybill);
        let shipment = found.shipments.iter().find(|s| s.shipment_tracking_number == waybill.as_str());
        for scan in shipment.into_iter().flat_map(|s| s.events.read("scan", "typeCode", event)) {
            match scan {
                Ok(event) => report.events.push(event),
                Err(e) => report.unread.push(e.message().to_owned()),
            }
        }
        Ok(report)
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    shipments: Vec<Shipment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shipment {
    shipment_tracking_number: String,
    #[serde(default)]
    events: Records,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    date: String,
    time: String,
    #[serde(rename = "GMTOffset", default)]
    offset: Option<String>,
    #[serde(default)]
    type_code: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    service_area: Vec<Area>,
}

#[derive(Deserialize)]
struct Area {
    #[serde(default)]
    code: String,
    #[serde(default)]
    description: Option<String>,
}

/// A report without a scan.
fn nothing_of(waybill: &Waybill) -> TrackingReport {
    TrackingReport { waybill: waybill.clone(), events: Vec::new(), unread: Vec::new() }
}

fn event(e: Event) -> Result<TrackingEvent, Error> {
    let local: jiff::civil::DateTime = format!("{}T{}", e.date, e.time)
        .parse()
        .map_err(|_| Error::decode(format!("event time '{} {}'", e.date, e.time)))?;
    // An offset that was not given is not invented.
    let utc = e.offset.as_ref().and_then(|o| format!("{}T{}{o}", e.date, e.time).parse().ok());
    Ok(TrackingEvent {
        state: state(&e.type_code),
        code: e.type_code,
        text: e.description,
        local,
        utc,
        place: e.service_area.into_iter().next().map(|a| a.description.unwrap_or(a.code)).unwrap_or_default(),
    })
}

/// Event codes of the reference data set `trackingEventCode`. A code that is not here says nothing of the state.
fn state(code: &str) -> Option<T> {
    let customs = |condition| T::Customs { direction: CustomsDirection::Import, condition };
    Some(match code {
        "DUMMY_PU" => T::InfoReceived,
        "PU" | "SA" => T::Accepted,
        "AF" | "DF" | "PL" | "TR" | "CI" | "UV" | "LV" | "TD" | "IR" | "MS" | "MC" | "RW" | "CU" | "AR"
        | "FD" | "TP" => T::InTransit,
        "IC" | "RR" | "ES" | "SI" => customs(C::InProgress),
        "CD" | "UD" | "BN" | "BL" | "HI" | "DP" => customs(C::Held),
        "HP" | "DI" => customs(C::PaymentDue),
        "CR" | "BR" | "PY" | "HO" => customs(C::Released),
        "WC" => T::OutForDelivery,
        "CC" => T::AvailableForPickup,
        "NH" | "ND" | "MD" | "CA" => T::DeliveryAttempted,
        "BA" | "CM" | "AD" | "RD" | "OH" | "SS" | "ST" | "TI" | "DM" => T::Exception,
        "OK" | "DD" => T::Delivered,
        "RT" => T::Returned,
        "DS" => T::Destroyed,
        _ => return None,
    })
}

#[async_trait]
impl Tracking for DhlExpress {
    async fn track(&self, cx: &CallCx, waybills: &[Waybill]) -> Result<Vec<TrackingReport>, Error> {
        let mut reports = Vec::with_capacity(waybills.len());
        // One by one: the call for many gives no offsets, and a 404 for a waybill without scans would hide the others.
        for waybill in waybills {
            match self.pipeline.call(&Track(&self.settings), waybill, cx).await {
                Ok(found) => reports.push(found),
                // No scan yet.
                Err(e) if e.kind() == Kind::NotFound => reports.push(nothing_of(waybill)),
                Err(e) => return Err(e),
            }
        }
        Ok(reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_kept_and_none_is_invented() {
        let parse = |offset: &str| {
            let json = format!(
                r#"{{"date":"2026-08-01","time":"09:26:00"{offset},"typeCode":"OK","description":"Delivered"}}"#
            );
            event(serde_json::from_str(&json).unwrap()).unwrap()
        };
        // 09:26 at −07:00 is 16:26Z, not 09:26Z.
        assert_eq!(parse(r#","GMTOffset":"-07:00""#).utc.unwrap().to_string(), "2026-08-01T16:26:00Z");
        assert_eq!(parse("").utc, None);
        assert_eq!(parse("").state, Some(T::Delivered));
        assert_eq!(state("XX"), None);
    }
}
