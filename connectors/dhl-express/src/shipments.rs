//! Booking, lookup by reference, paperless-trade documents.

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::role::{Paperwork, Shipments};
use tradewind_connector::{
    CallCx, Error, Facet, Kind, Num, OpCx, OpSpec, Operation, Priority, Safety, Submitted, WireRequest,
    WireResponse, segment, signing,
};
use tradewind_domain::{
    BookedShipment, Commodity, Document, Incoterm, Money, ShipmentId, ShipmentRequest, TaxId, TaxIdKind,
    Waybill,
};

use crate::DhlExpress;
use crate::config::Settings;
use crate::wire::{self, Account, Price};

static CREATE: OpSpec = OpSpec { name: "shipments.create", ..LIKE };
static FIND: OpSpec = OpSpec { name: "shipments.find", safety: Safety::Read, keep: false, ..LIKE };
static UPLOAD: OpSpec = OpSpec {
    name: "shipments.upload_image",
    facet: Facet::Paperwork,
    safety: Safety::Natural,
    keep: false,
    ..LIKE
};
/// What the operations share.
const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Shipments,
    // No idempotency at all: a second POST is a second waybill and a second bill. Our reference can be looked up.
    safety: Safety::ReadBack,
    priority: Priority::Orders,
    buckets: &["calls", "daily"],
    keep: true,
    doc: "https://developer.dhl.com/api-reference/dhl-express-mydhl-api",
};

fn amount(money: Money) -> Result<Value, Error> {
    Num(money.decimal()).to_value()
}

/// Millimetres as centimetres, rounded up: a carrier never bills less than the box is.
fn centimetres(mm: u32) -> u32 {
    mm.div_ceil(10).max(1)
}

/// Whether the parcel crosses a border with goods that customs want to see.
fn declarable(r: &ShipmentRequest) -> bool {
    r.from.passes_customs_to(&r.to) && !r.contents.is_empty()
}

/// The product of the lane. Goods that customs see go with the worldwide one, be it within a country (the Canary Islands):
/// which product DHL takes there is UNVERIFIED.
fn product<'a>(r: &ShipmentRequest, s: &'a Settings) -> &'a str {
    match r.from.passes_customs_to(&r.to) {
        false if r.from.country == r.to.country => &s.domestic_product,
        false if r.from.country.is_eu() && r.to.country.is_eu() => &s.eu_product,
        _ => &s.product,
    }
}

struct Create<'a>(&'a Settings);

impl Operation for Create<'_> {
    type In = ShipmentRequest;
    type Out = BookedShipment;

    fn spec(&self) -> &OpSpec {
        &CREATE
    }

    fn subject(&self, request: &ShipmentRequest) -> String {
        request.id.to_string()
    }

    fn encode(&self, _: &OpCx<'_>, r: &ShipmentRequest) -> Result<WireRequest, Error> {
        let s = self.0;
        let mut accounts = vec![Account { type_code: "shipper", number: &s.account_number }];
        let mut services = Vec::new();
        let declarable = declarable(r);
        let mut images = vec![json!({"typeCode": "label", "templateName": "ECOM26_84_001"})];
        if declarable {
            // Paperless trade needs an invoice to pass on: MyDHL draws one from the customs block, and we keep it.
            services.push(json!({"serviceCode": "WY"}));
            images.push(json!({"typeCode": "invoice", "templateName": "COMMERCIAL_INVOICE_P_10", "isRequested": true, "invoiceType": "commercial"}));
        }
        if declarable && r.incoterm == Incoterm::Ddp {
            // The incoterm alone bills nothing: duties go to an account by this service.
            services.push(json!({"serviceCode": "DD"}));
            accounts.push(Account { type_code: "duties-taxes", number: &s.account_number });
        }
        let mut packages = Vec::with_capacity(r.parcels.len());
        for parcel in &r.parcels {
            let d = parcel.dimensions;
            packages.push(json!({
                "weight": Num(parcel.weight.kilograms()).to_value()?,
                "dimensions": {"length": centimetres(d.length_mm), "width": centimetres(d.width_mm), "height": centimetres(d.height_mm)},
            }));
        }
        let mut content = json!({
            "packages": packages, "isCustomsDeclarable": declarable, "unitOfMeasurement": "metric",
            "incoterm": r.incoterm.code(), "description": description(r, s)?,
        });
        if declarable {
            content["declaredValue"] = amount(r.invoice.total)?;
            content["declaredValueCurrency"] = json!(r.invoice.total.currency());
            content["exportDeclaration"] = declaration(r)?;
        }
        let body = json!({
            "plannedShippingDateAndTime": s.local(r.ship_at)?,
            "pickup": {"isRequested": false},
            "productCode": r.product.as_deref().unwrap_or_else(|| product(r, s)),
            "accounts": accounts,
            "valueAddedServices": services,
            "customerReferences": [{"typeCode": "CU", "value": wire::limited("shipment id", r.id.as_str(), 35)?}],
            "outputImageProperties": {"encodingFormat": s.label, "imageOptions": images},
            "customerDetails": {
                "shipperDetails": party(&r.from, &r.sender_registrations, "business", s)?,
                "receiverDetails": party(&r.to, &r.registrations, "direct_consumer", s)?,
            },
            "content": content,
        });
        WireRequest::new(Method::POST, &s.endpoint, "/shipments")?.json(&without_empty(body))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        r: &ShipmentRequest,
        response: &WireResponse,
    ) -> Result<BookedShipment, Error> {
        let answer: Created = response.json()?;
        let mut documents = Vec::with_capacity(answer.documents.len());
        for d in answer.documents {
            documents.push(Document {
                kind: d.type_code,
                media_type: media_type(&d.image_format),
                bytes: signing::from_base64(&d.content)?,
            });
        }
        let mut warnings = answer.warnings;
        if declarable(r) && !documents.iter().any(|d| d.kind == "invoice") {
            warnings.push(
                "MyDHL sent no commercial invoice: put a printed one on the parcel, or upload it".to_owned(),
            );
        }
        Ok(BookedShipment {
            id: r.id.clone(),
            waybill: Waybill::new(answer.shipment_tracking_number)?,
            pieces: answer
                .packages
                .into_iter()
                .filter_map(|p| p.tracking_number)
                .map(Waybill::new)
                .collect::<Result<_, _>>()?,
            charge: wire::billed(&answer.shipment_charges)?,
            documents,
            warnings,
        })
    }
}

/// Optional lists must be absent rather than empty.
fn without_empty(mut body: Value) -> Value {
    if let Value::Object(map) = &mut body {
        map.retain(|_, v| !matches!(v, Value::Array(a) if a.is_empty()));
    }
    body
}

fn media_type(format: &str) -> String {
    match format.to_ascii_uppercase().as_str() {
        "PDF" => "application/pdf".to_owned(),
        "ZPL" | "LP2" | "EPL" => "application/octet-stream".to_owned(),
        other => format!("image/{}", other.to_ascii_lowercase()),
    }
}

fn description(r: &ShipmentRequest, s: &Settings) -> Result<String, Error> {
    let text = r.contents.first().map_or(s.description.as_str(), |c| c.description.trim());
    // A summary for the label: this one line is cut, the customs lines below are not.
    Ok(text.chars().take(70).collect())
}

fn party(
    address: &tradewind_domain::Address,
    ids: &[TaxId],
    kind: &str,
    s: &Settings,
) -> Result<Value, Error> {
    let mut party = json!({"postalAddress": wire::postal(address)?, "contactInformation": wire::contact(address, s.default_phone.as_deref())?, "typeCode": kind});
    let registrations: Vec<Value> = ids
        .iter()
        .filter_map(|id| {
            let code = match id.kind {
                TaxIdKind::Vat => "VAT",
                TaxIdKind::Eori => "EOR",
                // IOSS, VOEC and foreign GST registrations travel under one code.
                TaxIdKind::Ioss | TaxIdKind::Voec | TaxIdKind::Gst => "SDT",
                TaxIdKind::Ein => "EIN",
                _ => return None,
            };
            let issuer = id.country.unwrap_or(address.country);
            Some(json!({"typeCode": code, "number": id.value, "issuerCountryCode": issuer.code()}))
        })
        .collect();
    if !registrations.is_empty() {
        party["registrationNumbers"] = json!(registrations);
    }
    Ok(party)
}

fn declaration(r: &ShipmentRequest) -> Result<Value, Error> {
    if r.contents.len() > 999 {
        return Err(Error::invalid("more than 999 customs lines in one shipment: split it"));
    }
    if let Some(odd) = r.contents.iter().find(|c| c.unit_value.currency() != r.invoice.total.currency()) {
        return Err(Error::invalid(format!(
            "line {} is in {}, the invoice in {}",
            odd.sku,
            odd.unit_value.currency(),
            r.invoice.total.currency()
        )));
    }
    let lines = r.contents.iter().enumerate().map(|(n, c)| line(n, c)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "lineItems": lines,
        "invoice": {"number": wire::limited("invoice number", &r.invoice.number, 35)?, "date": r.invoice.date.to_string()},
        "exportReasonType": "commercial_purpose_or_sale",
        "shipmentType": "commercial",
        "placeOfIncoterm": wire::limited("city", r.to.city.as_deref().unwrap_or_default(), 256)?,
    }))
}

fn line(n: usize, c: &Commodity) -> Result<Value, Error> {
    let net = c.net.kilograms();
    Ok(json!({
        "number": n + 1,
        "description": wire::limited("description of the goods", &c.description, 512)?,
        "price": amount(c.unit_value)?,
        // The line's own total: quantity × rounded unit price may be a cent off.
        "preCalculatedLineItemTotalValue": amount(c.line_value)?,
        "quantity": {"value": c.quantity, "unitOfMeasurement": "PCS"},
        "commodityCodes": [{"typeCode": "outbound", "value": c.hs.as_str()}, {"typeCode": "inbound", "value": c.hs.as_str()}],
        "exportReasonType": "permanent",
        "manufacturerCountry": c.origin.code(),
        "weight": {"netValue": Num(net).to_value()?, "grossValue": Num(net).to_value()?},
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    shipment_tracking_number: String,
    #[serde(default)]
    packages: Vec<CreatedPackage>,
    #[serde(default)]
    documents: Vec<CreatedDocument>,
    #[serde(default)]
    shipment_charges: Vec<Price>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedPackage {
    #[serde(default)]
    tracking_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedDocument {
    #[serde(default)]
    image_format: String,
    #[serde(default)]
    type_code: String,
    content: String,
}

/// Looks a booking up by our reference: how a lost answer is settled.
struct Find<'a>(&'a Settings);

impl Operation for Find<'_> {
    type In = (ShipmentId, Timestamp);
    type Out = Option<BookedShipment>;

    fn spec(&self) -> &OpSpec {
        &FIND
    }

    fn encode(&self, _: &OpCx<'_>, (id, shipped_at): &(ShipmentId, Timestamp)) -> Result<WireRequest, Error> {
        let zone = self.0.zone()?;
        let day = |offset: i64| {
            let at = shipped_at.checked_add(SignedDuration::from_hours(24 * offset)).unwrap_or(*shipped_at);
            at.to_zoned(zone.clone()).date().to_string()
        };
        Ok(WireRequest::new(Method::GET, &self.0.endpoint, "/tracking")?
            .query("shipmentReference", id.as_str())
            .query("shipmentReferenceType", "CU")
            .query("shipperAccountNumber", self.0.account_number.as_str())
            .query("dateRangeFrom", day(-7))
            .query("dateRangeTo", day(7)))
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        (id, _): &(ShipmentId, Timestamp),
        response: &WireResponse,
    ) -> Result<Option<BookedShipment>, Error> {
        let found: Found = response.json()?;
        let Some(waybill) = found.shipments.into_iter().find_map(|s| s.shipment_tracking_number) else {
            return Ok(None);
        };
        let warning = "found by reference after a lost answer: print its label from MyDHL".to_owned();
        Ok(Some(BookedShipment {
            id: id.clone(),
            waybill: Waybill::new(waybill)?,
            pieces: Vec::new(),
            charge: None,
            documents: Vec::new(),
            warnings: vec![warning],
        }))
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    shipments: Vec<FoundShipment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundShipment {
    #[serde(default)]
    shipment_tracking_number: Option<String>,
}

struct Upload<'a>(&'a Settings);

impl Operation for Upload<'_> {
    type In = (Waybill, Timestamp, Document);
    type Out = ();

    fn spec(&self) -> &OpSpec {
        &UPLOAD
    }

    fn encode(
        &self,
        _: &OpCx<'_>,
        (waybill, shipped_at, document): &(Waybill, Timestamp, Document),
    ) -> Result<WireRequest, Error> {
        let date = shipped_at.to_zoned(self.0.zone()?).date().to_string();
        let format = match document.media_type.as_str() {
            "application/pdf" => "PDF",
            "image/png" => "PNG",
            "image/jpeg" => "JPEG",
            other => return Err(Error::invalid(format!("MyDHL takes PDF, PNG and JPEG, not {other}"))),
        };
        let body = json!({
            "originalPlannedShippingDate": date,
            "accounts": [Account { type_code: "shipper", number: &self.0.account_number }],
            "productCode": self.0.product,
            "documentImages": [{"typeCode": "INV", "imageFormat": format, "content": signing::base64(&document.bytes)}],
        });
        let path = format!("/shipments/{}/upload-image", segment(waybill.as_str()));
        WireRequest::new(Method::PATCH, &self.0.endpoint, &path)?.json(&body)
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        _: &(Waybill, Timestamp, Document),
        _: &WireResponse,
    ) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Shipments for DhlExpress {
    async fn create(
        &self,
        cx: &CallCx,
        request: &ShipmentRequest,
    ) -> Result<Submitted<BookedShipment>, Error> {
        self.pipeline.call(&Create(&self.settings), request, cx).await.map(Submitted::Done)
    }

    async fn find(
        &self,
        cx: &CallCx,
        id: &ShipmentId,
        shipped_at: Timestamp,
    ) -> Result<Option<BookedShipment>, Error> {
        match self.pipeline.call(&Find(&self.settings), &(id.clone(), shipped_at), cx).await {
            // 404: no data, or too early.
            Err(e) if e.kind() == Kind::NotFound && says_absent(&e) => Ok(None),
            // What somebody between us and DHL, or a path that moved, answers proves nothing: a second label would be billed.
            Err(e) if e.kind() == Kind::NotFound => {
                let text = format!("a 404 that does not say 'no data': {}", e.message());
                Err(Error::new(Kind::Unavailable, text).after_send())
            }
            other => other,
        }
    }
}

/// DHL's own word that it knows nothing by a reference (OpenAPI, `GET /tracking` 404: texts alone).
fn says_absent(error: &Error) -> bool {
    error.upstream_ref().is_some_and(|u| {
        let text = u.message.to_lowercase();
        text.contains("no data") || text.contains("no shipments found")
    })
}

#[async_trait]
impl Paperwork for DhlExpress {
    async fn upload(
        &self,
        cx: &CallCx,
        waybill: &Waybill,
        shipped_at: Timestamp,
        document: &Document,
    ) -> Result<(), Error> {
        // MyDHL refuses a document within ten minutes of the booking; the caller schedules it.
        self.pipeline
            .call(&Upload(&self.settings), &(waybill.clone(), shipped_at, document.clone()), cx)
            .await
    }
}
