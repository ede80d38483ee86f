//! Every call through the suite. The fixtures' answers have the shapes of MyDHL's OpenAPI document and are checked
//! against it where it is at hand.

use jiff::Timestamp;
use serde::Deserialize;
use tradewind_connector::role::{Logistics, Pickup, RateRequest};
use tradewind_connector::{CallCx, Connector, Error, Facet, Safety};
use tradewind_domain::{Document, ShipmentId, ShipmentRequest, Waybill};
use tradewind_testkit::{Call, Suite, json};

fn logistics(c: &dyn Connector) -> Result<&dyn Logistics, Error> {
    c.logistics().ok_or_else(json::absent)
}

#[derive(Deserialize)]
struct Lookup {
    id: ShipmentId,
    shipped_at: Timestamp,
}

#[derive(Deserialize)]
struct Paper {
    waybill: Waybill,
    shipped_at: Timestamp,
    media_type: String,
    text: String,
}

#[derive(Deserialize)]
struct CallOff {
    confirmation: String,
    requester: String,
    reason: String,
}

#[tokio::test]
async fn conformance() {
    let key = || CallCx::keyed("k1");
    Suite::new(&tradewind_dhl_express::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("username", "conformance-user")
        .secret("password", "conformance-password")
        // MyDHL echoes it; nothing hangs on it, and it is new in every attempt.
        .fresh(&["message-reference"])
        .call(Call::new("rates", Facet::Rates, Safety::Read, |c, input| async move {
            let request: RateRequest = json::read(input)?;
            let rates = logistics(&*c)?.rates().ok_or_else(json::absent)?;
            json::write(rates.quote(&CallCx::new(), &request).await?)
        }))
        .call(Call::new("shipments.create", Facet::Shipments, Safety::ReadBack, move |c, input| async move {
            let request: ShipmentRequest = json::read(input)?;
            let shipments = logistics(&*c)?.shipments().ok_or_else(json::absent)?;
            json::write(shipments.create(&key(), &request).await?)
        }))
        .call(Call::new("shipments.find", Facet::Shipments, Safety::Read, |c, input| async move {
            let wanted: Lookup = json::read(input)?;
            let shipments = logistics(&*c)?.shipments().ok_or_else(json::absent)?;
            json::write(shipments.find(&CallCx::new(), &wanted.id, wanted.shipped_at).await?)
        }))
        .call(Call::new(
            "shipments.upload_image",
            Facet::Paperwork,
            Safety::Natural,
            move |c, input| async move {
                let p: Paper = json::read(input)?;
                let document = Document {
                    kind: "invoice".to_owned(),
                    media_type: p.media_type,
                    bytes: p.text.into_bytes(),
                };
                let paperwork = logistics(&*c)?.paperwork().ok_or_else(json::absent)?;
                json::write(paperwork.upload(&key(), &p.waybill, p.shipped_at, &document).await?)
            },
        ))
        .call(Call::new("tracking", Facet::Tracking, Safety::Read, |c, input| async move {
            let waybills: Vec<Waybill> = json::read(input)?;
            let tracking = logistics(&*c)?.tracking().ok_or_else(json::absent)?;
            json::write(tracking.track(&CallCx::new(), &waybills).await?)
        }))
        .call(Call::new("pickups.order", Facet::Pickups, Safety::Unsafe, move |c, input| async move {
            let pickup: Pickup = json::read(input)?;
            let pickups = logistics(&*c)?.pickups().ok_or_else(json::absent)?;
            json::write(pickups.order(&key(), &pickup).await?)
        }))
        .call(Call::new("pickups.cancel", Facet::Pickups, Safety::Natural, move |c, input| async move {
            let off: CallOff = json::read(input)?;
            let pickups = logistics(&*c)?.pickups().ok_or_else(json::absent)?;
            json::write(pickups.cancel(&key(), &off.confirmation, &off.requester, &off.reason).await?)
        }))
        .run()
        .await
        .assert();
}
