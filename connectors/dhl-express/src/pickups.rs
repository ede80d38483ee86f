//! Pickups.

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use tradewind_connector::role::{Pickup, Pickups};
use tradewind_connector::{
    CallCx, Error, Facet, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse, segment,
};

use crate::DhlExpress;
use crate::config::Settings;
use crate::wire::{self, Account};

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Pickups,
    // A second order books a second courier, and there is no lookup.
    safety: Safety::Unsafe,
    priority: Priority::Orders,
    buckets: &["calls", "daily"],
    keep: false,
    doc: "https://developer.dhl.com/api-reference/dhl-express-mydhl-api",
};
static ORDER: OpSpec = OpSpec { name: "pickups.order", ..LIKE };
static CANCEL: OpSpec = OpSpec { name: "pickups.cancel", safety: Safety::Natural, ..LIKE };

struct Order<'a>(&'a Settings);

impl Operation for Order<'_> {
    type In = Pickup;
    type Out = String;
    fn spec(&self) -> &OpSpec {
        &ORDER
    }
    fn encode(&self, _: &OpCx<'_>, p: &Pickup) -> Result<WireRequest, Error> {
        let close = p.close.to_zoned(self.0.zone()?).strftime("%H:%M").to_string();
        let packages: Vec<_> = p
            .parcels
            .iter()
            .map(|b| {
                let cm = |mm: u32| mm.div_ceil(10).max(1);
                let d = b.dimensions;
                // Whole kilograms, rounded up.
                json!({"weight": b.weight.0.div_ceil(1000).max(1), "dimensions": {"length": cm(d.length_mm), "width": cm(d.width_mm), "height": cm(d.height_mm)}})
            })
            .collect();
        let body = json!({
            "plannedPickupDateAndTime": self.0.local(p.ready)?,
            "closeTime": close,
            "location": "reception",
            "accounts": [Account { type_code: "shipper", number: &self.0.account_number }],
            "customerDetails": {"shipperDetails": {"postalAddress": wire::postal(&p.at)?, "contactInformation": wire::contact(&p.at, self.0.default_phone.as_deref())?}},
            "shipmentDetails": [{"productCode": self.0.product, "isCustomsDeclarable": false, "unitOfMeasurement": "metric", "packages": packages}],
        });
        WireRequest::new(Method::POST, &self.0.endpoint, "/pickups")?.json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, _: &Pickup, response: &WireResponse) -> Result<String, Error> {
        let answer: Ordered = response.json()?;
        answer
            .dispatch_confirmation_numbers
            .into_iter()
            .next()
            .ok_or_else(|| Error::decode("a confirmation number"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ordered {
    #[serde(default)]
    dispatch_confirmation_numbers: Vec<String>,
}

struct Cancel<'a>(&'a Settings);

impl Operation for Cancel<'_> {
    type In = (String, String, String);
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &CANCEL
    }
    fn encode(
        &self,
        _: &OpCx<'_>,
        (confirmation, requester, reason): &(String, String, String),
    ) -> Result<WireRequest, Error> {
        // Both are required, although many clients leave them out.
        Ok(WireRequest::new(
            Method::DELETE,
            &self.0.endpoint,
            &format!("/pickups/{}", segment(confirmation)),
        )?
        .query("requestorName", requester.clone())
        .query("reason", reason.clone()))
    }
    fn decode(&self, _: &OpCx<'_>, _: &(String, String, String), _: &WireResponse) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Pickups for DhlExpress {
    async fn order(&self, cx: &CallCx, pickup: &Pickup) -> Result<String, Error> {
        self.pipeline.call(&Order(&self.settings), pickup, cx).await
    }
    async fn cancel(
        &self,
        cx: &CallCx,
        confirmation: &str,
        requester: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let input = (confirmation.to_owned(), requester.to_owned(), reason.to_owned());
        self.pipeline.call(&Cancel(&self.settings), &input, cx).await
    }
}
