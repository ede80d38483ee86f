//! Creating shipments: validation as MyDHL documents it, the label, the bill; paperless uploads; pickups.

use super::rates::{border, price_cents, product};
use super::{
    ACCOUNT, Ask, DhlExpress, NAME, Shipment, UPLOAD_GAP_MS, absent, bad, milli, number, pdf, scans, schema,
    text,
};
use crate::core::channel::{json, set};
use crate::core::clock::{DAY_MS, iso_seconds, plus_ms};
use crate::core::money;
use crate::core::world::World;
use axum::response::Response;
use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Value, json as j};

const INCOTERMS: &[&str] = &[
    "EXW", "FCA", "CPT", "CIP", "DPU", "DAP", "DDP", "FAS", "FOB", "CFR", "CIF", "DAF", "DAT", "DDU", "DEQ",
    "DES",
];
const TOP_KEYS: &[&str] = &[
    "plannedShippingDateAndTime",
    "pickup",
    "productCode",
    "localProductCode",
    "getRateEstimates",
    "accounts",
    "valueAddedServices",
    "outputImageProperties",
    "customerReferences",
    "identifiers",
    "customerDetails",
    "content",
    "documentImages",
    "onDemandDelivery",
    "requestOndemandDeliveryURL",
    "shipmentNotification",
    "prepaidCharges",
    "getTransliteratedResponse",
    "estimatedDeliveryDate",
    "getAdditionalInformation",
    "parentShipment",
];

/// `2026-03-02T17:00:00 GMT+01:00`, the only form MyDHL takes.
pub(super) fn planned(value: &str) -> Option<i64> {
    let (local, zone) = value.split_once(" GMT")?;
    if local.len() != 19 || zone.len() != 6 {
        return None;
    }
    format!("{local}{zone}").parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// The carrier is asked to draw the invoice from the customs block.
fn asks_for_invoice(body: &Value) -> bool {
    let options = body.pointer("/outputImageProperties/imageOptions").and_then(Value::as_array);
    options.into_iter().flatten().any(|o| {
        o.get("typeCode").and_then(Value::as_str) == Some("invoice")
            && o.get("isRequested") == Some(&Value::Bool(true))
    })
}

/// An invoice, commercial or pro forma, comes with the booking.
fn sends_invoice(body: &Value) -> bool {
    let images = body.get("documentImages").and_then(Value::as_array);
    images.into_iter().flatten().any(|i| {
        i.get("typeCode").and_then(Value::as_str).is_some_and(|code| ["INV", "PNV", "CIN"].contains(&code))
    })
}

fn at(body: &Value, pointer: &str) -> String {
    body.pointer(pointer).map(text).unwrap_or_default()
}

/// Required text of 1 to `most` characters under `pointer`; `Err` is the schema complaint.
fn need(body: &Value, pointer: &str, most: usize) -> Result<String, String> {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    match body.pointer(pointer) {
        None | Some(Value::Null) => Err(format!("#{parent}: required key [{key}] not found")),
        Some(Value::String(s)) if s.is_empty() => {
            Err(format!("#{pointer}: expected minLength: 1, actual: 0"))
        }
        Some(Value::String(s)) if s.chars().count() > most => {
            Err(format!("#{pointer}: expected maxLength: {most}, actual: {}", s.chars().count()))
        }
        Some(Value::String(s)) => Ok(s.clone()),
        Some(_) => Err(format!("#{pointer}: expected type: String")),
    }
}

fn party(body: &Value, who: &str) -> Result<(), String> {
    let base = format!("/customerDetails/{who}");
    match body.pointer(&format!("{base}/postalAddress/postalCode")) {
        Some(Value::String(s)) if s.chars().count() <= 12 => {}
        _ => return Err(format!("#{base}/postalAddress: required key [postalCode] not found")),
    }
    need(body, &format!("{base}/postalAddress/cityName"), 45)?;
    if need(body, &format!("{base}/postalAddress/countryCode"), 2)?.len() != 2 {
        return Err(format!("#{base}/postalAddress/countryCode: expected minLength: 2"));
    }
    need(body, &format!("{base}/postalAddress/addressLine1"), 45)?;
    need(body, &format!("{base}/contactInformation/phone"), 70)?;
    need(body, &format!("{base}/contactInformation/companyName"), 100)?;
    need(body, &format!("{base}/contactInformation/fullName"), 255)?;
    Ok(())
}

/// Everything the schema asks for; answers 422.
fn check(body: &Value) -> Result<(), String> {
    let Some(map) = body.as_object() else { return Err("#: expected type: JSONObject".into()) };
    if let Some(extra) = map.keys().find(|k| !TOP_KEYS.contains(&k.as_str())) {
        return Err(format!("#: extraneous key [{extra}] is not permitted"));
    }
    need(body, "/plannedShippingDateAndTime", 29)?;
    if !body.pointer("/pickup/isRequested").is_some_and(Value::is_boolean) {
        return Err("#/pickup: required key [isRequested] not found".into());
    }
    need(body, "/productCode", 6)?;
    need(body, "/accounts/0/number", 12)?;
    need(body, "/accounts/0/typeCode", 15)?;
    party(body, "shipperDetails")?;
    party(body, "receiverDetails")?;
    let description = need(body, "/content/description", 70)?;
    if description.starts_with(char::is_whitespace) {
        return Err("#/content/description: string does not match pattern ^[^\\s]".into());
    }
    if !INCOTERMS.contains(&need(body, "/content/incoterm", 3)?.as_str()) {
        return Err("#/content/incoterm: is not a valid enum value".into());
    }
    if !["metric", "imperial"].contains(&need(body, "/content/unitOfMeasurement", 8)?.as_str()) {
        return Err("#/content/unitOfMeasurement: is not a valid enum value".into());
    }
    let packages = body.pointer("/content/packages").and_then(Value::as_array);
    match packages {
        Some(p) if !p.is_empty() && p.len() <= 999 => {
            for (n, package) in p.iter().enumerate() {
                if !package.get("weight").is_some_and(Value::is_number)
                    || milli(package.get("weight").unwrap_or(&Value::Null)).is_none_or(|g| g < 1)
                {
                    return Err(format!("#/content/packages/{n}/weight: expected a number from 0.001"));
                }
                for side in ["length", "width", "height"] {
                    let sides = package.get("dimensions");
                    if sides.is_some_and(|d| !d.get(side).is_some_and(Value::is_number)) {
                        return Err(format!(
                            "#/content/packages/{n}/dimensions: required key [{side}] not found"
                        ));
                    }
                }
            }
        }
        _ => return Err("#/content: required key [packages] not found".into()),
    }
    if let Some(references) = body.get("customerReferences").and_then(Value::as_array) {
        for n in 0..references.len() {
            need(body, &format!("/customerReferences/{n}/value"), 35)?;
        }
    }
    match body.pointer("/content/isCustomsDeclarable") {
        Some(Value::Bool(true)) => customs(body),
        Some(Value::Bool(false)) => Ok(()),
        _ => Err("#/content: required key [isCustomsDeclarable] not found".into()),
    }
}

fn customs(body: &Value) -> Result<(), String> {
    if !body.pointer("/content/declaredValue").is_some_and(Value::is_number) {
        return Err("#/content: required key [declaredValue] not found".into());
    }
    need(body, "/content/declaredValueCurrency", 3)?;
    let base = "/content/exportDeclaration";
    let Some(lines) = body.pointer(&format!("{base}/lineItems")).and_then(Value::as_array) else {
        return Err(format!("#{base}: required key [lineItems] not found"));
    };
    if lines.is_empty() || lines.len() > 1_000 {
        return Err(format!("#{base}/lineItems: expected 1 to 1000 items"));
    }
    for (n, line) in lines.iter().enumerate() {
        let here = format!("{base}/lineItems/{n}");
        need(body, &format!("{here}/description"), 512)?;
        need(body, &format!("{here}/manufacturerCountry"), 2)?;
        for key in ["number", "price"] {
            if !line.get(key).is_some_and(Value::is_number) {
                return Err(format!("#{here}: required key [{key}] not found"));
            }
        }
        if line.pointer("/quantity/value").and_then(Value::as_i64).is_none_or(|q| q < 1) {
            return Err(format!("#{here}/quantity: required key [value] not found"));
        }
        need(body, &format!("{here}/quantity/unitOfMeasurement"), 8)?;
        let weight = line.get("weight");
        if !weight.is_some_and(|w| {
            w.get("netValue").is_some_and(Value::is_number)
                || w.get("grossValue").is_some_and(Value::is_number)
        }) {
            return Err(format!("#{here}: required key [weight] not found"));
        }
        for code in line.get("commodityCodes").and_then(Value::as_array).into_iter().flatten() {
            let value = text(code.get("value").unwrap_or(&Value::Null));
            if !(2..=18).contains(&value.len()) {
                return Err(format!("#{here}/commodityCodes: expected 2 to 18 characters"));
            }
        }
    }
    if body.pointer(&format!("{base}/invoice")).is_some() {
        need(body, &format!("{base}/invoice/number"), 35)?;
        let date = need(body, &format!("{base}/invoice/date"), 35)?;
        if date.parse::<jiff::civil::Date>().is_err() {
            return Err(format!("#{base}/invoice/date: [{date}] is not a valid date"));
        }
    }
    Ok(())
}

/// A number with the mod-7 check digit of air waybills.
fn awb(serial: &str) -> String {
    let check = serial.parse::<u64>().unwrap_or(0) % 7;
    format!("{serial}{check}")
}

/// What a booking asks for, once nothing speaks against it.
struct Wanted {
    planned_ms: i64,
    code: String,
    from: String,
    to: String,
    services: Vec<String>,
}

impl Wanted {
    /// Reads a body that fits the schema; an error is the channel's complaint.
    fn of(body: &Value, now: i64) -> Result<Wanted, String> {
        let Some(planned_ms) = planned(&at(body, "/plannedShippingDateAndTime")) else {
            return Err("998: ShipTimeStamp is not well formatted.(Expected Sample Format : '2010-02-11T17:10:09 GMT+01:00')".to_owned());
        };
        if planned_ms < now || planned_ms > now + 10 * DAY_MS {
            return Err("998: ShipTimeStamp must not lie in the past nor more than 10 days ahead".to_owned());
        }
        if at(body, "/accounts/0/number") != ACCOUNT {
            return Err("8007: The account number is invalid or not active".to_owned());
        }
        if body.get("identifiers").and_then(Value::as_array).is_some_and(|i| !i.is_empty()) {
            return Err("3501: Identifiers are not allowed for this account".to_owned());
        }
        let (from, to) = (
            at(body, "/customerDetails/shipperDetails/postalAddress/countryCode"),
            at(body, "/customerDetails/receiverDetails/postalAddress/countryCode"),
        );
        let declarable = body.pointer("/content/isCustomsDeclarable") == Some(&Value::Bool(true));
        if border(&from, &to) && !declarable {
            return Err("7008: This lane needs a customs declaration: content.isCustomsDeclarable".to_owned());
        }
        let code = at(body, "/productCode");
        let (lane, _) = product(&from, &to);
        if code != lane && !(code == "T" && lane == "P") && !(code == "D" && lane == "P" && !declarable) {
            return Err(format!(
                "7008: The requested product {code} is not available between this origin and destination"
            ));
        }
        let services: Vec<String> = body
            .get("valueAddedServices")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|s| text(s.get("serviceCode").unwrap_or(&Value::Null)))
            .collect();
        for (n, service) in services.iter().enumerate() {
            let fits = match service.as_str() {
                "WY" | "DD" => border(&from, &to),
                "II" | "SF" | "NN" => true,
                _ => false,
            };
            if !fits {
                return Err(format!(
                    "7008: The requested Special Service Code  #/valueAddedServices/{n}/serviceCode '{service}' is not available between this origin and destination."
                ));
            }
        }
        Ok(Wanted { planned_ms, code, from, to, services })
    }
}

/// The label, and the papers that were asked for beside it.
fn documents(body: &Value, awb: &str, label: &str) -> Vec<Value> {
    let mut documents = vec![j!({"imageFormat": "PDF", "content": label, "typeCode": "label"})];
    let options = body.pointer("/outputImageProperties/imageOptions").and_then(Value::as_array);
    for option in options.into_iter().flatten() {
        let kind = text(option.get("typeCode").unwrap_or(&Value::Null));
        if ["invoice", "waybillDoc", "shipmentReceipt"].contains(&kind.as_str())
            && option.get("isRequested") != Some(&Value::Bool(false))
        {
            let bytes = pdf::page(&[kind.clone(), format!("AWB {awb}")]);
            let content = base64::engine::general_purpose::STANDARD.encode(bytes);
            documents.push(j!({"imageFormat": "PDF", "content": content, "typeCode": kind}));
        }
    }
    documents
}

impl DhlExpress {
    pub(super) fn create(&self, ask: &Ask<'_>, world: &World) -> Response {
        let body = &ask.body;
        if let Err(complaint) = check(body) {
            return schema(ask, &complaint);
        }
        let now = world.now_ms();
        let wanted = match Wanted::of(body, now) {
            Ok(wanted) => wanted,
            Err(complaint) => return bad(ask, &complaint),
        };
        if ask.query("validateDataOnly") == Some("true") {
            return json(201, &j!({"warnings": []}));
        }
        let Wanted { planned_ms, code, from, to, services } = wanted;
        let weights =
            body.pointer("/content/packages").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut grams: i64 = weights.iter().filter_map(|p| milli(p.get("weight")?)).sum();
        if at(body, "/content/unitOfMeasurement") == "imperial" {
            grams = grams * 45_359 / 100_000;
        }
        let reference = at(body, "/customerReferences/0/value");
        let mut books = self.books();
        let earlier = books.references.get(&reference).map_or(0, Vec::len);
        let ordinal = earlier.to_string();
        let mut draw = world.stream(&[NAME, "awb", &reference, &ordinal]);
        let mut number_ = awb(&draw.digits(9));
        while books.shipments.contains_key(&number_) {
            number_ = awb(&draw.digits(9));
        }
        let pieces: Vec<String> = weights.iter().map(|_| format!("JD01{}", draw.digits(16))).collect();
        let receiver = at(body, "/customerDetails/receiverDetails/contactInformation/fullName");
        let label = pdf::page(&[
            "DHL EXPRESS (simulated)".to_owned(),
            format!("AWB {number_}"),
            format!("{from} -> {to}  product {code}"),
            format!("Ref {reference}"),
            receiver.clone(),
        ]);
        let label = base64::engine::general_purpose::STANDARD.encode(label);
        let mut shipment = Shipment {
            awb: number_.clone(),
            pieces: pieces.clone(),
            reference: reference.clone(),
            account: ACCOUNT.to_owned(),
            product: code.clone(),
            created_ms: now,
            planned_ms,
            paperless: services.iter().any(|s| s == "WY"),
            invoiced: asks_for_invoice(body) || sends_invoice(body),
            uploaded_ms: None,
            from: from.clone(),
            to: to.clone(),
            from_city: at(body, "/customerDetails/shipperDetails/postalAddress/cityName"),
            to_city: at(body, "/customerDetails/receiverDetails/postalAddress/cityName"),
            receiver,
            grams,
            scans: Vec::new(),
            label: label.clone(),
        };
        shipment.scans = scans::plan(
            &shipment,
            services.iter().any(|s| s == "DD"),
            &mut world.stream(&[NAME, "scans", &number_]),
        );
        let cents = price_cents(&code, &from, &to, grams);
        books.references.entry(reference.clone()).or_default().push(number_.clone());
        books.shipments.insert(number_.clone(), shipment.clone());
        drop(books);
        world.ledger(|l| {
            l.fee(NAME, "EUR", cents);
            let parcel = l.parcel(NAME, &number_);
            parcel.reference = reference.clone();
            parcel.country = to;
            parcel.booked = true;
            if earlier > 0 && !reference.is_empty() {
                l.complain(
                    NAME,
                    &format!("reference {reference} was booked {} times, each is billed", earlier + 1),
                );
            }
        });
        self.schedule(world, &shipment);
        let documents = documents(body, &number_, &label);
        let base = format!("{}/mydhlapi", world.base_url(NAME));
        let packages: Vec<Value> = pieces
            .iter()
            .enumerate()
            .map(|(n, p)| j!({"referenceNumber": n + 1, "trackingNumber": p, "trackingUrl": format!("{base}/shipments/{number_}/tracking?pieceTrackingNumber={p}")}))
            .collect();
        let mut answer = j!({"shipmentTrackingNumber": number_, "trackingUrl": format!("{base}/shipments/{number_}/tracking"),
            "packages": packages, "documents": documents,
            "shipmentCharges": [
                {"currencyType": "BILLC", "priceCurrency": "EUR", "price": number(&money::text(cents, "EUR"))},
                {"currencyType": "BASEC", "priceCurrency": "EUR", "price": number(&money::text(cents, "EUR"))}],
            "estimatedDeliveryDate": {"estimatedDeliveryDate": iso_seconds(plus_ms(world.now(), 3 * DAY_MS)).get(..10), "estimatedDeliveryType": "QDDC"}});
        if body.pointer("/pickup/isRequested") == Some(&Value::Bool(true))
            && let Some(map) = answer.as_object_mut()
        {
            let confirmation = format!("PRG{}", world.stream(&[NAME, "pickup-of", &number_]).digits(12));
            self.books().pickups.insert(confirmation.clone(), true);
            map.insert("cancelPickupUrl".into(), format!("{base}/pickups/{confirmation}").into());
            map.insert("dispatchConfirmationNumber".into(), confirmation.into());
        }
        let mut response = json(201, &answer);
        set(&mut response, "location", &format!("{base}/shipments/{number_}"));
        response
    }

    pub(super) fn upload(&self, ask: &Ask<'_>, world: &World) -> Response {
        let number = ask.path.split('/').nth(2).unwrap_or_default();
        let images = ask.body.get("documentImages").and_then(Value::as_array).cloned().unwrap_or_default();
        if images.is_empty() {
            return schema(ask, "#: required key [documentImages] not found");
        }
        for key in ["originalPlannedShippingDate", "productCode"] {
            if text(ask.body.get(key).unwrap_or(&Value::Null)).is_empty() {
                return schema(ask, &format!("#: required key [{key}] not found"));
            }
        }
        let engine = base64::engine::general_purpose::STANDARD;
        if images.iter().any(|i| engine.decode(text(i.get("content").unwrap_or(&Value::Null))).is_err()) {
            return bad(ask, "1506: Invalid image combination");
        }
        let now = world.now_ms();
        let mut books = self.books();
        let Some(shipment) = books.shipments.get_mut(number) else {
            return absent(ask, "7096: AWB number is invalid");
        };
        if !shipment.paperless {
            return bad(ask, "7008: The shipment was created without the service WY");
        }
        if now < shipment.uploaded_ms.unwrap_or(shipment.created_ms) + UPLOAD_GAP_MS {
            return bad(
                ask,
                "1504: At least 10 minutes must pass between the shipment and the upload, and between uploads",
            );
        }
        if shipment.scans.first().is_some_and(|s| s.at_ms <= now) {
            return bad(ask, "1504: The shipment has already been collected");
        }
        shipment.uploaded_ms = Some(now);
        json(200, &j!({}))
    }

    pub(super) fn image(&self, ask: &Ask<'_>) -> Response {
        let number = ask.path.split('/').nth(2).unwrap_or_default();
        for key in ["shipperAccountNumber", "typeCode", "pickupYearAndMonth"] {
            if ask.query(key).is_none() {
                return bad(ask, &format!("Missing mandatory parameters: {key}"));
            }
        }
        let books = self.books();
        match books.shipments.get(number) {
            Some(s) if ask.query("typeCode") == Some("waybill") => json(
                200,
                &j!({"documents": [{"shipmentTrackingNumber": number, "typeCode": "waybill", "encodingFormat": "pdf", "content": s.label}]}),
            ),
            _ => absent(ask, "1504: image not found"),
        }
    }

    pub(super) fn pickup(&self, ask: &Ask<'_>, world: &World) -> Response {
        match planned(&at(&ask.body, "/plannedPickupDateAndTime")) {
            None => return bad(ask, "998: plannedPickupDateAndTime is not well formatted"),
            Some(ms) if ms < world.now_ms() => return bad(ask, "998: the pickup lies in the past"),
            Some(_) => {}
        }
        if at(&ask.body, "/accounts/0/number") != ACCOUNT {
            return bad(
                ask,
                "8003: Account not allowed for this service. Please contact your DHL Express representative.",
            );
        }
        let content = ask.body.to_string();
        let mut books = self.books();
        let count = books.pickup_counts.entry(content.clone()).or_default();
        *count += 1;
        let ordinal = count.to_string();
        let number = format!("PRG{}", world.stream(&[NAME, "pickup", &content, &ordinal]).digits(12));
        books.pickups.insert(number.clone(), true);
        json(
            201,
            &j!({"dispatchConfirmationNumbers": [number], "readyByTime": "12:00",
                "nextPickupDate": at(&ask.body, "/plannedPickupDateAndTime").get(..10)}),
        )
    }

    pub(super) fn update_pickup(&self, ask: &Ask<'_>, world: &World) -> Response {
        let number = ask.path.split('/').nth(2).unwrap_or_default();
        if self.books().pickups.get(number) != Some(&true) {
            return absent(ask, "7163: no pickup found");
        }
        match planned(&at(&ask.body, "/plannedPickupDateAndTime")) {
            Some(ms) if ms >= world.now_ms() => json(200, &j!({"dispatchConfirmationNumber": number})),
            _ => bad(ask, "998: plannedPickupDateAndTime is not well formatted or lies in the past"),
        }
    }

    pub(super) fn cancel_pickup(&self, ask: &Ask<'_>) -> Response {
        let number = ask.path.split('/').nth(2).unwrap_or_default();
        for key in ["requestorName", "reason"] {
            if ask.query(key).is_none_or(str::is_empty) {
                return bad(ask, &format!("Missing mandatory parameters: {key}"));
            }
        }
        match self.books().pickups.get_mut(number) {
            Some(open) if *open => {
                *open = false;
                json(200, &j!({}))
            }
            _ => absent(ask, "7163: no pickup found"),
        }
    }
}
