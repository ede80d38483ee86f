//! Rates.

use async_trait::async_trait;
use http::Method;
use jiff::civil;
use serde::Deserialize;
use tradewind_connector::role::{RateRequest, Rates};
use tradewind_connector::{
    CallCx, Error, Facet, OpCx, OpSpec, Operation, Priority, Records, Safety, WireRequest, WireResponse,
};
use tradewind_domain::RateQuote;

use crate::DhlExpress;
use crate::config::Settings;
use crate::wire::{self, Price};

static QUOTE: OpSpec = OpSpec {
    name: "rates",
    facet: Facet::Rates,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["calls", "daily"],
    keep: false,
    doc: "https://developer.dhl.com/api-reference/dhl-express-mydhl-api",
};

struct Quote<'a>(&'a Settings);

impl Operation for Quote<'_> {
    type In = RateRequest;
    type Out = Vec<Result<RateQuote, Error>>;

    fn spec(&self) -> &OpSpec {
        &QUOTE
    }

    fn encode(&self, _: &OpCx<'_>, r: &RateRequest) -> Result<WireRequest, Error> {
        let [parcel] = &r.parcels[..] else {
            return Err(Error::invalid("a rate is asked for one parcel at a time"));
        };
        let city = |a: &tradewind_domain::Address| {
            a.city.clone().ok_or_else(|| Error::invalid("the address has no city"))
        };
        let cm = |mm: u32| mm.div_ceil(10).max(1).to_string();
        let date = r.ship_at.to_zoned(self.0.zone()?).date().to_string();
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, "/rates")?
            .query("accountNumber", self.0.account_number.as_str())
            .query("originCountryCode", r.from.country.code())
            .query("originPostalCode", r.from.postcode.clone().unwrap_or_default())
            .query("originCityName", city(&r.from)?)
            .query("destinationCountryCode", r.to.country.code())
            .query("destinationPostalCode", r.to.postcode.clone().unwrap_or_default())
            .query("destinationCityName", city(&r.to)?)
            .query("weight", parcel.weight.kilograms().normalize().to_string())
            .query("length", cm(parcel.dimensions.length_mm))
            .query("width", cm(parcel.dimensions.width_mm))
            .query("height", cm(parcel.dimensions.height_mm))
            .query("plannedShippingDate", date)
            .query("isCustomsDeclarable", if r.value.is_some() { "true" } else { "false" })
            .query("unitOfMeasurement", "metric"))
    }

    fn decode(&self, _: &OpCx<'_>, _: &RateRequest, response: &WireResponse) -> Result<Self::Out, Error> {
        let found: Found = response.json()?;
        let quotes = found.products.read("product", "productCode", quote);
        Ok(quotes.filter_map(Result::transpose).collect())
    }
}

/// `None`: nothing is billed for it, so it is not offered.
fn quote(product: Product) -> Result<Option<RateQuote>, Error> {
    let Some(price) = wire::billed(&product.total_price)? else { return Ok(None) };
    let delivery = product.delivery_capabilities.and_then(|d| d.estimated_delivery_date_and_time);
    // The clock of the destination, without a zone.
    let local = |d: String| {
        d.parse::<civil::DateTime>()
            .map_err(|_| Error::decode(format!("a local time of delivery, got '{d}'")))
    };
    let delivery = delivery.map(local).transpose()?;
    Ok(Some(RateQuote { product: product.product_code, name: product.product_name, price, delivery }))
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    products: Records,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    #[serde(default)]
    product_name: String,
    product_code: String,
    #[serde(default)]
    total_price: Vec<Price>,
    #[serde(default)]
    delivery_capabilities: Option<Delivery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    #[serde(default)]
    estimated_delivery_date_and_time: Option<String>,
}

#[async_trait]
impl Rates for DhlExpress {
    async fn quote(
        &self,
        cx: &CallCx,
        request: &RateRequest,
    ) -> Result<Vec<Result<RateQuote, Error>>, Error> {
        self.pipeline.call(&Quote(&self.settings), request, cx).await
    }
}
