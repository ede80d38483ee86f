//! Transaction Search and balances.

use super::answers::{fail, invalid, money};
use super::{ACCOUNT, Row, State};
use crate::core::channel::json;
use crate::core::clock::{instant, iso_seconds};
use crate::core::money::minor;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

const WINDOW_MS: i64 = 31 * 86_400_000;
const FRESH_MS: i64 = 300_000;
const MOST: usize = 10_000;

type Query = [(String, String)];

fn get<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
}

/// An instant with seconds and offset, as the specification demands.
fn instant_of(text: &str) -> Option<i64> {
    let zone = text.ends_with('Z') || text.get(19..).is_some_and(|rest| rest.contains(['+', '-']));
    let seconds = text.as_bytes().get(16) == Some(&b':');
    // `-0700` as well as `-07:00`.
    let text = match text.len().checked_sub(5).and_then(|at| text.get(at..).map(|zone| (at, zone))) {
        Some((at, zone)) if zone.starts_with(['+', '-']) => {
            format!("{}{}:{}", text.get(..at)?, zone.get(..3)?, zone.get(3..)?)
        }
        _ => text.to_owned(),
    };
    text.parse::<jiff::Timestamp>().ok().filter(|_| zone && seconds).map(|t| t.as_millisecond())
}

fn view(row: &Row, all: bool) -> Value {
    let time = iso_seconds(instant(row.at_ms));
    let mut info = j!({"transaction_id": row.id, "transaction_event_code": row.code, "transaction_initiation_date": time,
        "transaction_updated_date": time, "transaction_amount": money(row.amount, &row.currency), "transaction_status": "S",
        "protection_eligibility": "01"});
    if let Some(map) = info.as_object_mut() {
        if row.fee != 0 {
            map.insert("fee_amount".into(), money(row.fee, &row.currency));
        }
        if !row.invoice.is_empty() {
            map.insert("invoice_id".into(), row.invoice.clone().into());
        }
        if !row.reference.is_empty() {
            map.insert("paypal_reference_id".into(), row.reference.clone().into());
            map.insert("paypal_reference_id_type".into(), "TXN".into());
        }
        if !row.bank.is_empty() {
            map.insert("bank_reference_id".into(), row.bank.clone().into());
        }
    }
    let mut value = j!({"transaction_info": info});
    if all && !row.payer.is_empty() {
        let mut payer = j!({"email_address": row.payer, "address_status": "Y", "payer_status": "Y"});
        if let Some(map) = payer.as_object_mut().filter(|_| !row.country.is_empty()) {
            map.insert("country_code".into(), row.country.clone().into());
        }
        if let Some(map) = value.as_object_mut() {
            map.insert("payer_info".into(), payer);
        }
    }
    value
}

/// `stale_ms`: the index stands so long ago.
pub(super) fn transactions(world: &World, state: &State, query: &Query, stale_ms: i64) -> Response {
    let bound = |name: &str| get(query, name).and_then(instant_of);
    let (Some(start), Some(end)) = (bound("start_date"), bound("end_date")) else {
        return invalid(
            "INVALID_PARAMETER_VALUE",
            "start_date and end_date are required: date-time with seconds and offset.",
        );
    };
    if end < start || end - start > WINDOW_MS {
        return invalid("INVALID_DATE_RANGE", "The date range is negative or longer than 31 days.");
    }
    let whole = |name: &str, default: usize| get(query, name).map_or(Some(default), |v| v.parse().ok());
    let (Some(size), Some(page)) = (whole("page_size", 100), whole("page", 1)) else {
        return invalid("INVALID_PARAMETER_VALUE", "page or page_size is not a number.");
    };
    if size == 0 || size > 500 || page == 0 {
        return invalid("INVALID_PARAMETER_VALUE", "page_size must be between 1 and 500, page at least 1.");
    }
    let now = world.now_ms() - stale_ms;
    let fresh = now - FRESH_MS;
    let range = match get(query, "transaction_amount") {
        None => None,
        Some(text) => match text
            .split_once(" TO ")
            .and_then(|(a, b)| Some((a.parse::<i64>().ok()?, b.parse::<i64>().ok()?)))
        {
            Some(range) => Some(range),
            None => {
                return invalid(
                    "INVALID_PARAMETER_VALUE",
                    "transaction_amount must look like `500 TO 1005`.",
                );
            }
        },
    };
    let mut rows: Vec<&Row> = state
        .rows
        .iter()
        .filter(|r| r.visible_ms <= now && r.at_ms >= start && r.at_ms <= end.min(fresh))
        .filter(|r| get(query, "transaction_id").is_none_or(|id| id == r.id))
        .filter(|r| get(query, "transaction_type").is_none_or(|code| code == r.code))
        .filter(|r| get(query, "transaction_currency").is_none_or(|c| c == r.currency))
        .filter(|_| get(query, "transaction_status").is_none_or(|s| s == "S"))
        .filter(|r| range.is_none_or(|(a, b)| r.amount.abs() >= a && r.amount.abs() <= b))
        .collect();
    if rows.len() > MOST {
        return fail(
            400,
            "RESULTSET_TOO_LARGE",
            "Result set size is greater than the maximum limit. Change the filter criteria and try again.",
            "",
            "",
        );
    }
    rows.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
    let all = get(query, "fields").is_some_and(|f| f.split(',').any(|f| f == "all" || f == "payer_info"));
    let list: Vec<Value> = rows.iter().skip((page - 1) * size).take(size).map(|r| view(r, all)).collect();
    let time = |ms: i64| iso_seconds(instant(ms));
    let mut answer = j!({"transaction_details": list, "account_number": ACCOUNT, "start_date": time(start), "end_date": time(end.min(fresh)),
        "last_refreshed_datetime": time(fresh), "page": page, "total_items": rows.len(), "total_pages": rows.len().div_ceil(size),
        "links": [{"href": format!("{}/v1/reporting/transactions", world.base_url(super::NAME)), "rel": "self", "method": "GET"}]});
    // The schema knows no empty list: without rows the member is left out.
    if let Some(map) = answer.as_object_mut().filter(|_| list.is_empty()) {
        map.remove("transaction_details");
    }
    json(200, &answer)
}

pub(super) fn balances(world: &World, state: &State, query: &Query) -> Response {
    let at = match get(query, "as_of_time") {
        None => world.now_ms(),
        Some(text) => match instant_of(text) {
            Some(at) => at,
            None => return invalid("INVALID_PARAMETER_VALUE", "as_of_time is no date-time with offset."),
        },
    };
    let wanted = get(query, "currency_code").filter(|c| *c != "ALL");
    let list: Vec<Value> = state
        .balances
        .keys()
        .filter(|c| wanted.is_none_or(|w| w == c.as_str()))
        .map(|c| {
            let sum: i64 = state.rows.iter().filter(|r| r.currency == **c && r.at_ms <= at).map(|r| r.amount + r.fee).sum();
            j!({"currency": c, "primary": c == "USD", "total_balance": money(sum, c), "available_balance": money(sum, c),
                "withheld_balance": money(minor("0", c).unwrap_or(0), c)})
        })
        .collect();
    let time = |ms: i64| iso_seconds(instant(ms));
    json(
        200,
        &j!({"balances": list, "account_id": ACCOUNT, "as_of_time": time(at), "last_refresh_time": time(world.now_ms())}),
    )
}
