//! The DHL Express fake, through plain HTTP.

use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tradewind_simulator::{Fault, Simulator};

async fn start() -> Simulator {
    Simulator::builder().seed(3).channels(["dhl-express"]).start().await.unwrap()
}

fn order(reference: &str) -> Value {
    let party = |country: &str, city: &str| {
        json!({"postalAddress": {"postalCode": "10000", "cityName": city, "countryCode": country, "addressLine1": "Street 1"},
               "contactInformation": {"phone": "+100", "companyName": "Co", "fullName": "A B"}})
    };
    json!({"plannedShippingDateAndTime": "2026-03-02T18:00:00 GMT+08:00", "pickup": {"isRequested": true},
        "productCode": "P", "accounts": [{"typeCode": "shipper", "number": "950000001"}],
        "valueAddedServices": [{"serviceCode": "WY"}],
        "outputImageProperties": {"imageOptions": [{"typeCode": "invoice", "isRequested": true, "invoiceType": "commercial"}]},
        "customerReferences": [{"value": reference, "typeCode": "CU"}],
        "customerDetails": {"shipperDetails": party("CN", "Shenzhen"), "receiverDetails": party("DE", "Hamburg")},
        "content": {"packages": [{"weight": 1.2, "dimensions": {"length": 10, "width": 10, "height": 10}}],
            "isCustomsDeclarable": true, "declaredValue": 20.0, "declaredValueCurrency": "EUR", "description": "Cups",
            "incoterm": "DAP", "unitOfMeasurement": "metric",
            "exportDeclaration": {"lineItems": [{"number": 1, "description": "Cup", "price": 10.0, "quantity": {"value": 2, "unitOfMeasurement": "PCS"},
                "commodityCodes": [{"typeCode": "outbound", "value": "691110"}], "manufacturerCountry": "CN", "weight": {"netValue": 0.5, "grossValue": 0.6}}],
                "invoice": {"number": "INV-1", "date": "2026-03-02"}}}})
}

async fn call(sim: &Simulator, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let request = Client::new()
        .request(method.parse().unwrap(), format!("{}/mydhlapi{path}", sim.base_url("dhl-express")))
        .basic_auth("sim-dhl-user", Some("sim-dhl-password"))
        .header("x-version", "3.1.0");
    let request = match body {
        Some(b) => request.json(b),
        None => request,
    };
    let response: Response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_shipment_is_booked_found_after_a_lag_scanned_and_delivered() {
    let sim = start().await;
    let (status, booked) = call(&sim, "POST", "/shipments", Some(&order("ORDER-1"))).await;
    assert_eq!(status, 201, "{booked}");
    let awb = booked["shipmentTrackingNumber"].as_str().unwrap().to_owned();
    // Air waybill: nine digits and their remainder modulo seven.
    let number: u64 = awb.parse().unwrap();
    assert_eq!((awb.len(), number / 10 % 7), (10, number % 10));
    use base64::Engine as _;
    let label = base64::engine::general_purpose::STANDARD
        .decode(booked["documents"][0]["content"].as_str().unwrap())
        .unwrap();
    assert!(label.starts_with(b"%PDF-1.4"));
    // 14.50 + 9.80 + 3 started half kilograms at 3.75 = 35.55
    assert_eq!(booked["shipmentCharges"][0]["price"].to_string(), "35.55");
    let find = "/tracking?shipmentReference=ORDER-1&shipperAccountNumber=950000001&trackingView=shipment-details-only";
    assert_eq!(call(&sim, "GET", find, None).await.0, 404, "not yet findable");
    assert_eq!(
        call(&sim, "GET", &format!("/shipments/{awb}/tracking"), None).await.0,
        404,
        "not yet scanned"
    );
    sim.advance(Duration::from_secs(181));
    let (status, found) = call(&sim, "GET", find, None).await;
    assert_eq!((status, found["shipments"][0]["shipmentTrackingNumber"].as_str()), (200, Some(awb.as_str())));
    sim.advance(Duration::from_secs(10 * 86_400));
    let (_, tracked) =
        call(&sim, "GET", &format!("/shipments/{awb}/tracking?requestGMTOffsetPerEvent=true"), None).await;
    let events = tracked["shipments"][0]["events"].as_array().unwrap();
    assert_eq!(events[0]["typeCode"], "OK");
    assert_eq!((&events[0]["GMTOffset"], &events[0]["signedBy"]), (&json!("+01:00"), &json!("A B")));
    assert_eq!(events.last().unwrap()["typeCode"], "PU");
    assert!(events.iter().any(|e| e["typeCode"] == "IC") && events.iter().any(|e| e["typeCode"] == "CR"));
    let parcel = sim.ledger().parcels["dhl-express"][&awb].clone();
    assert!(parcel.delivered && parcel.booked && parcel.reference == "ORDER-1");
    assert!(sim.ledger().complaints.is_empty());
}

#[tokio::test]
async fn paperless_trade_without_an_invoice_is_complained_about_at_the_hand_over() {
    let sim = start().await;
    let mut bare = order("BARE");
    bare.as_object_mut().unwrap().remove("outputImageProperties");
    assert_eq!(call(&sim, "POST", "/shipments", Some(&bare)).await.0, 201);
    assert_eq!(call(&sim, "POST", "/shipments", Some(&order("DRAWN"))).await.0, 201);
    assert!(sim.ledger().complaints.is_empty(), "it may still be uploaded");
    sim.advance(Duration::from_secs(10 * 86_400));
    let complaints = sim.ledger().complaints;
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(format!("{complaints:?}").contains("without an invoice"));
}

#[tokio::test]
async fn the_same_reference_twice_is_two_bills_and_there_is_no_void() {
    let sim = start().await;
    sim.set_fault("dhl-express", Some("createShipment"), Fault::DropAfter, 1);
    let lost = Client::builder()
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
        .post(format!("{}/mydhlapi/shipments", sim.base_url("dhl-express")))
        .basic_auth("sim-dhl-user", Some("sim-dhl-password"))
        .header("x-version", "3.1.0")
        .json(&order("R"))
        .send()
        .await;
    assert!(lost.is_err());
    let (_, second) = call(&sim, "POST", "/shipments", Some(&order("R"))).await;
    let ledger = sim.ledger();
    assert_eq!(ledger.parcels["dhl-express"].len(), 2);
    assert_eq!(ledger.money["dhl-express"]["EUR"].fees, 7_110);
    assert_eq!(ledger.complaints.len(), 1);
    let awb = second["shipmentTrackingNumber"].as_str().unwrap();
    assert_eq!(call(&sim, "DELETE", &format!("/shipments/{awb}"), None).await.0, 404);
}

#[tokio::test]
async fn refusals_say_why() {
    let sim = start().await;
    for (pointer, value, status, says) in [
        ("/plannedShippingDateAndTime", json!("2026-03-02T18:00:00+08:00"), 400, "998"),
        ("/plannedShippingDateAndTime", json!("2026-03-01T18:00:00 GMT+08:00"), 400, "998"),
        ("/accounts/0/number", json!("1"), 400, "8007"),
        ("/productCode", json!("N"), 400, "7008"),
        ("/content/isCustomsDeclarable", json!(false), 400, "7008"),
        ("/content/description", json!(" Cups"), 422, "pattern"),
        ("/content/incoterm", json!("XXX"), 422, "enum"),
        ("/content/exportDeclaration/lineItems/0/quantity", json!({}), 422, "quantity"),
        ("/content/packages/0/weight", json!(0), 422, "weight"),
        ("/customerReferences/0/value", json!("x".repeat(36)), 422, "maxLength"),
    ] {
        let mut body = order("R");
        *body.pointer_mut(pointer).unwrap() = value;
        let (got, problem) = call(&sim, "POST", "/shipments", Some(&body)).await;
        assert_eq!(got, status, "{pointer}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        assert_eq!(problem["status"], status.to_string());
    }
    let mut body = order("R");
    body["surprise"] = json!(1);
    assert_eq!(call(&sim, "POST", "/shipments", Some(&body)).await.0, 422);
    assert!(sim.ledger().parcels.is_empty());
    let url = format!("{}/mydhlapi/products", sim.base_url("dhl-express"));
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 401);
    let no_version = Client::new().get(&url).basic_auth("sim-dhl-user", Some("sim-dhl-password"));
    assert_eq!(no_version.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn paperless_documents_wait_ten_minutes_and_pickups_need_a_reason() {
    let sim = start().await;
    let (_, booked) = call(&sim, "POST", "/shipments", Some(&order("R"))).await;
    let path = format!("/shipments/{}/upload-image", booked["shipmentTrackingNumber"].as_str().unwrap());
    let body = json!({"originalPlannedShippingDate": "2026-03-02", "productCode": "P",
        "accounts": [{"typeCode": "shipper", "number": "950000001"}],
        "documentImages": [{"typeCode": "INV", "imageFormat": "PDF", "content": "JVBERi0="}]});
    assert_eq!(call(&sim, "PATCH", &path, Some(&body)).await.0, 400);
    sim.advance(Duration::from_secs(600));
    assert_eq!(call(&sim, "PATCH", &path, Some(&body)).await.0, 200);
    assert_eq!(call(&sim, "PATCH", &path, Some(&body)).await.0, 400);
    let pickup = booked["dispatchConfirmationNumber"].as_str().unwrap();
    assert_eq!(call(&sim, "DELETE", &format!("/pickups/{pickup}"), None).await.0, 400);
    assert_eq!(
        call(&sim, "DELETE", &format!("/pickups/{pickup}?requestorName=a&reason=b"), None).await.0,
        200
    );
    assert_eq!(
        call(&sim, "DELETE", &format!("/pickups/{pickup}?requestorName=a&reason=b"), None).await.0,
        404
    );
}

#[tokio::test]
async fn rates_and_landed_cost_are_exact_numbers() {
    let sim = start().await;
    let (_, rates) = call(&sim, "GET", "/rates?accountNumber=950000001&originCountryCode=CN&originCityName=Shenzhen&destinationCountryCode=DE&destinationCityName=Hamburg&weight=0.5&length=1&width=1&height=1&plannedShippingDate=2026-03-02&isCustomsDeclarable=true&unitOfMeasurement=metric", None).await;
    // 14.50 + 9.80 + 3.75
    assert_eq!(rates["products"][0]["totalPrice"][0]["price"].to_string(), "28.05");
    assert_eq!(rates["products"][1]["productCode"], "T");
    let (_, cost) = call(
        &sim,
        "POST",
        "/landed-cost",
        Some(&json!({"currencyCode": "EUR", "items": [{"number": 1, "unitPrice": 10.0, "quantity": 2}]})),
    )
    .await;
    // duty 5 % of 20.00 = 1.00; tax 20 % of 21.00 = 4.20
    assert_eq!(cost["products"][0]["totalPrice"][0]["price"].to_string(), "5.2");
}

#[tokio::test]
async fn a_lie_tells_less_than_was_done() {
    let sim = start().await;
    let lie = |operation: &str| sim.set_fault("dhl-express", Some(operation), Fault::Lie, 1);
    // Booked, and answered as a mere check of the data is.
    lie("createShipment");
    let (status, told) = call(&sim, "POST", "/shipments", Some(&order("R-1"))).await;
    assert_eq!((status, &told), (201, &json!({"warnings": []})));
    let ledger = sim.ledger();
    let (awb, parcel) = ledger.parcels["dhl-express"].first_key_value().unwrap();
    assert!(parcel.booked && parcel.reference == "R-1");
    // By reference it is found after three minutes, and by an index that stands 50 minutes ago only after 53.
    let find = "/tracking?shipmentReference=R-1&shipperAccountNumber=950000001";
    sim.advance(Duration::from_secs(52 * 60));
    lie("trackMany");
    assert_eq!(call(&sim, "GET", find, None).await.0, 404);
    assert_eq!(call(&sim, "GET", find, None).await.0, 200);
    sim.advance(Duration::from_secs(60));
    lie("trackMany");
    assert_eq!(call(&sim, "GET", find, None).await.0, 200);
    // Scans of yesterday: the last one is not told yet.
    sim.advance(Duration::from_secs(12 * 3_600));
    let events = async |path: &str| {
        let (_, told) = call(&sim, "GET", path, None).await;
        told["shipments"][0]["events"].as_array().map_or(0, Vec::len)
    };
    let path = format!("/shipments/{awb}/tracking");
    let mut older = 0;
    for _ in 0..9 {
        let today = events(&path).await;
        sim.advance(Duration::from_secs(24 * 3_600));
        lie("track");
        assert_eq!(events(&path).await, today);
        older += usize::from(events(&path).await > today);
    }
    assert!(older > 0, "it was scanned on at least one day");
    // A courier is ordered, and the number that calls him off is left out.
    let pickup = json!({"plannedPickupDateAndTime": "2026-03-20T14:00:00 GMT+08:00", "closeTime": "18:00",
        "accounts": [{"typeCode": "shipper", "number": "950000001"}],
        "customerDetails": {"shipperDetails": {"postalAddress": {"postalCode": "518057", "cityName": "Shenzhen", "countryCode": "CN", "addressLine1": "Street 1"},
            "contactInformation": {"phone": "+100", "companyName": "Co", "fullName": "A B"}}},
        "shipmentDetails": [{"productCode": "P", "isCustomsDeclarable": false, "unitOfMeasurement": "metric", "packages": [{"weight": 1}]}]});
    let honest = call(&sim, "POST", "/pickups", Some(&pickup)).await;
    assert!(honest.1.get("dispatchConfirmationNumbers").is_some(), "{honest:?}");
    lie("createPickup");
    assert_eq!(call(&sim, "POST", "/pickups", Some(&pickup)).await, (honest.0, json!({"warnings": []})));
}
