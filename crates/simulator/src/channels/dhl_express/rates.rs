//! Prices: rates, products, a minimal landed cost. The tariff is invented; its shape is MyDHL's.

use super::{Ask, bad, milli, number, schema, text};
use crate::core::channel::json;
use crate::core::clock::{DAY_MS, iso_seconds, plus_ms};
use crate::core::money;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

const EU: &[&str] = &[
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// A customs border lies between the two countries.
pub(super) fn border(from: &str, to: &str) -> bool {
    from != to && !(EU.contains(&from) && EU.contains(&to))
}

/// The product of a lane: domestic, inside the EU, worldwide non-document.
pub(super) fn product(from: &str, to: &str) -> (&'static str, &'static str) {
    match (from == to, border(from, to)) {
        (true, _) => ("N", "EXPRESS DOMESTIC"),
        (false, false) => ("U", "EXPRESS WORLDWIDE"),
        (false, true) => ("P", "EXPRESS WORLDWIDE"),
    }
}

/// Euro cents: 14.50, 9.80 more over a border, 3.75 per started half kilogram; `T` (before noon) 12.00 more.
pub(super) fn price_cents(product: &str, from: &str, to: &str, grams: i64) -> i64 {
    let halves = grams.max(1).div_euclid(500) + i64::from(grams.max(1) % 500 != 0);
    1_450 + if border(from, to) { 980 } else { 0 } + 375 * halves + if product == "T" { 1_200 } else { 0 }
}

pub(super) fn rates(ask: &Ask<'_>, from_query: bool, world: &World) -> Response {
    let get = |name: &str, pointer: &str| -> String {
        if from_query {
            ask.query(name).unwrap_or_default().to_owned()
        } else {
            ask.body.pointer(pointer).map(text).unwrap_or_default()
        }
    };
    let from = get("originCountryCode", "/customerDetails/shipperDetails/countryCode");
    let to = get("destinationCountryCode", "/customerDetails/receiverDetails/countryCode");
    let account = get("accountNumber", "/accounts/0/number");
    let unit = get("unitOfMeasurement", "/unitOfMeasurement");
    let day = get("plannedShippingDate", "/plannedShippingDateAndTime");
    for (name, value) in [
        ("originCountryCode", &from),
        ("destinationCountryCode", &to),
        ("accountNumber", &account),
        ("unitOfMeasurement", &unit),
        ("plannedShippingDate", &day),
    ] {
        if value.is_empty() {
            return bad(ask, &format!("Missing mandatory parameters: {name}"));
        }
    }
    if account != super::ACCOUNT {
        return bad(ask, "8007: The account number is invalid or not active");
    }
    let weights: Vec<Value> = if from_query {
        vec![Value::String(get("weight", ""))]
    } else {
        ask.body
            .get("packages")
            .and_then(Value::as_array)
            .map(|p| p.iter().map(|p| p.get("weight").cloned().unwrap_or(Value::Null)).collect())
            .unwrap_or_default()
    };
    let mut grams = 0_i64;
    for weight in &weights {
        match milli(weight) {
            Some(g) if g > 0 => grams += g,
            _ => return schema(ask, "#/packages/0/weight: expected a number not less than 0.001"),
        }
    }
    if unit == "imperial" {
        // 1 lb = 453.59237 g, rounded down to whole grams.
        grams = grams * 45_359 / 100_000;
    }
    let (code, name) = product(&from, &to);
    let mut products = vec![quote(code, name, &from, &to, grams, world, 3)];
    if border(&from, &to) {
        products.push(quote("T", "EXPRESS 12:00", &from, &to, grams, world, 2));
    }
    json(
        200,
        &j!({"products": products,
             "exchangeRates": [{"currentExchangeRate": number("1.08"), "currency": "USD", "baseCurrency": "EUR"}]}),
    )
}

fn quote(code: &str, name: &str, from: &str, to: &str, grams: i64, world: &World, days: i64) -> Value {
    let cents = price_cents(code, from, to, grams);
    let price = || number(&money::text(cents, "EUR"));
    let delivery = iso_seconds(plus_ms(world.now(), days * DAY_MS));
    let shown = delivery.get(..10).unwrap_or_default();
    j!({"productName": name, "productCode": code, "localProductCode": code, "localProductCountryCode": from,
        "networkTypeCode": "TD", "isCustomerAgreement": false,
        "weight": {"volumetric": number("0.5"), "provided": number(&money::text(grams, "KWD")), "unitOfMeasurement": "metric"},
        "totalPrice": [
            {"currencyType": "BILLC", "priceCurrency": "EUR", "price": price()},
            {"currencyType": "PULCL", "priceCurrency": "EUR", "price": price()},
            {"currencyType": "BASEC", "priceCurrency": "EUR", "price": price()}],
        "detailedPriceBreakdown": [{"currencyType": "BILLC", "priceCurrency": "EUR",
            "breakdown": [{"name": name, "price": price(), "priceCurrency": "EUR"}]}],
        "pickupCapabilities": {"nextBusinessDay": false, "localCutoffDateAndTime": format!("{}T17:00:00", iso_seconds(world.now()).get(..10).unwrap_or_default()),
            "originServiceAreaCode": from, "pickupAdditionalDays": 0},
        "deliveryCapabilities": {"deliveryTypeCode": "QDDC", "estimatedDeliveryDateAndTime": format!("{shown}T23:59:00"),
            "destinationServiceAreaCode": to, "totalTransitDays": days},
        "pricingDate": iso_seconds(world.now()).get(..10)})
}

/// Duty 5 % of goods and 20 % tax of goods with duty, for every destination: the shape matters here, the
/// engine of the gateway does not ask a carrier for the law.
pub(super) fn landed_cost(ask: &Ask<'_>) -> Response {
    let currency = text(ask.body.get("currencyCode").unwrap_or(&Value::Null));
    let items = ask.body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if currency.len() != 3 {
        return schema(ask, "#: required key [currencyCode] not found");
    }
    if items.is_empty() {
        return schema(ask, "#: required key [items] not found");
    }
    let mut goods = 0_i64;
    for (n, item) in items.iter().enumerate() {
        let unit = money::minor(&text(item.get("unitPrice").unwrap_or(&Value::Null)), &currency);
        let quantity = item.get("quantity").and_then(Value::as_i64);
        let (Some(unit), Some(quantity)) = (unit, quantity) else {
            return schema(ask, &format!("#/items/{n}: required keys [unitPrice, quantity] not found"));
        };
        goods += unit * quantity;
    }
    let duty = money::share(goods, 5, 100);
    let tax = money::share(goods + duty, 20, 100);
    let amount = |minor: i64| number(&money::text(minor, &currency));
    let row = |name: &str, code: &str, minor: i64| j!({"name": name, "typeCode": code, "price": amount(minor), "priceCurrency": currency});
    json(
        200,
        &j!({"products": [{"productCode": "P", "weight": {"provided": number("0.5"), "unitOfMeasurement": "metric"},
            "totalPrice": [{"currencyType": "BILLC", "priceCurrency": currency, "price": amount(duty + tax)}],
            "detailedPriceBreakdown": [{"currencyType": "BILLC", "priceCurrency": currency,
                "breakdown": [row("TOTAL DUTIES", "DUTY", duty), row("TOTAL TAXES", "TAX", tax), row("TOTAL FEES", "FEE", 0)]}]}],
            "warnings": ["200203: only a ballpark estimate"]}),
    )
}

pub(super) fn address(ask: &Ask<'_>) -> Response {
    let country = ask.query("countryCode").unwrap_or_default();
    if country.is_empty() || ask.query("type").is_none() {
        return bad(ask, "Missing mandatory parameters: type, countryCode");
    }
    let city = ask.query("cityName").unwrap_or("CITY").to_uppercase();
    json(
        200,
        &j!({"address": [{"countryCode": country, "postalCode": ask.query("postalCode").unwrap_or_default(),
            "cityName": city, "serviceArea": {"code": country, "description": city}}]}),
    )
}
