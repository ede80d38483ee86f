//! Money: one transaction per sale and refund, one payout per marketplace and day.
//!
//! Rules (fact sheet of the Finances API): a sale's `amount` is the fee basis without collected tax,
//! less the fees; a refund's is what goes back less the fees given back. A return keeps the fixed
//! fee; a cancellation gives all fees back. `amount.value` is positive, `bookingEntry` is the sign.

use super::errors::{Fail, fail};
use super::order_view::{date, money};
use super::route::{Req, range};
use super::state::{FeeLine, Order, Payout, State, Transaction};
use super::{NAME, site};
use crate::core::channel::{json, raw};
use crate::core::clock::iso_seconds;
use crate::core::ledger::PayoutRecord;
use crate::core::money::share;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};
use std::collections::BTreeMap;

/// Funds are processing for two days.
const HOLD_MS: i64 = 2 * 86_400_000;
/// A started payout reaches the bank the next day.
const TRANSIT_MS: i64 = 86_400_000;

pub(super) fn sale(world: &World, state: &mut State, order: &Order) {
    let basis = order.basis();
    // The variable fees follow the lines; the first line takes what rounding leaves, and the fixed fee.
    let paid = basis + order.tax();
    let mut lines: Vec<FeeLine> = Vec::new();
    for (kind, total) in &order.fees {
        let fixed = *kind == "FINAL_VALUE_FEE_FIXED_PER_ORDER";
        let mut rest = *total;
        for (at, line) in order.lines.iter().enumerate().rev() {
            let value = line.net + line.tax + line.shipping;
            let part = if at == 0 {
                rest
            } else if fixed {
                0
            } else {
                share(*total, value, paid)
            };
            rest -= part;
            match lines.iter_mut().find(|(id, ..)| *id == line.id) {
                Some((_, _, fees)) => fees.push((kind, part)),
                None => lines.push((line.id.clone(), value, vec![(kind, part)])),
            }
        }
    }
    for (_, _, fees) in &mut lines {
        fees.retain(|(_, fee)| *fee != 0);
    }
    lines.reverse();
    let fee = order.fee();
    world.ledger(|l| {
        l.fee(NAME, order.currency, fee);
        l.money(NAME, order.currency).withheld_tax += order.tax();
        l.money(NAME, order.currency).held += basis - fee;
    });
    state.transactions.push(Transaction {
        id: world.stream(&[NAME, "sale", &order.id]).digits(12),
        kind: "SALE",
        order: order.id.clone(),
        site: order.site,
        currency: order.currency,
        at_ms: world.now_ms(),
        amount: basis - fee,
        basis,
        tax: order.tax(),
        lines,
        username: order.username.clone(),
        payout: None,
    });
}

fn back(
    world: &World,
    state: &mut State,
    order: &Order,
    id: &str,
    amount: i64,
    tax: i64,
    fees: Vec<(&'static str, i64)>,
) {
    let fee: i64 = fees.iter().map(|(_, f)| f).sum();
    world.ledger(|l| {
        l.fee(NAME, order.currency, -fee);
        l.money(NAME, order.currency).withheld_tax -= tax;
        l.money(NAME, order.currency).held += fee - amount;
    });
    let line = order.lines.first().map(|l| l.id.clone()).unwrap_or_default();
    state.transactions.push(Transaction {
        id: id.to_owned(),
        kind: "REFUND",
        order: order.id.clone(),
        site: order.site,
        currency: order.currency,
        at_ms: world.now_ms(),
        amount: fee - amount,
        basis: amount,
        tax,
        lines: vec![(line, amount + tax, fees)],
        username: order.username.clone(),
        payout: None,
    });
}

/// `amount` went back to the buyer, and the collected tax with it in proportion.
pub(super) fn refunded(world: &World, state: &mut State, order: &Order, id: &str, amount: i64) {
    let basis = order.basis();
    let before = order.refunded() - amount;
    // As the difference of two roundings, so that parts add up to the whole.
    let part = |whole: i64| share(whole, before + amount, basis) - share(whole, before, basis);
    let tax = part(order.tax());
    let fees: Vec<(&'static str, i64)> = order
        .fees
        .iter()
        .filter(|(k, _)| *k != "FINAL_VALUE_FEE_FIXED_PER_ORDER")
        .map(|(k, f)| (*k, part(*f)))
        .collect();
    world.ledger(|l| l.refunded(NAME, &order.id, amount + tax));
    back(world, state, order, id, amount, tax, fees);
}

/// A paid order was cancelled: everything goes back, all fees too.
pub(super) fn cancelled(world: &World, state: &mut State, order: &Order) {
    let id = world.stream(&[NAME, "cancel-refund", &order.id]).digits(12);
    back(world, state, order, &id, order.basis(), order.tax(), order.fees.clone());
}

/// Starts the day's payouts.
pub(super) fn pay_out(world: &World, state: &mut State) {
    let now = world.now_ms();
    let mut due: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    for (at, t) in state.transactions.iter().enumerate() {
        // Refunds count at once; sales when their hold is over.
        if t.payout.is_none() && (t.kind == "REFUND" || now - t.at_ms >= HOLD_MS) {
            due.entry(t.site).or_default().push(at);
        }
    }
    for (site, rows) in due {
        let sum: i64 = rows.iter().filter_map(|r| state.transactions.get(*r)).map(|t| t.amount).sum();
        let Some(currency) = site::find(site).map(|s| s.currency) else { continue };
        // Nothing to pay: the debt is taken from later funds.
        if sum <= 0 {
            continue;
        }
        let id = world.stream(&[NAME, "payout", site, &now.to_string()]).digits(10);
        let mut orders = Vec::new();
        for row in &rows {
            if let Some(t) = state.transactions.get_mut(*row) {
                t.payout = Some(id.clone());
                if t.kind == "SALE" {
                    orders.push(t.order.clone());
                }
            }
        }
        let payout = Payout {
            id: id.clone(),
            site,
            currency,
            amount: sum,
            at_ms: now,
            arrived: false,
            count: rows.len(),
        };
        state.payouts.insert(id.clone(), payout);
        let record =
            PayoutRecord { currency: currency.into(), amount: sum, at: iso_seconds(world.now()), orders };
        world.ledger(|l| {
            l.paid_out(NAME, &id, record);
            l.money(NAME, currency).held -= sum;
        });
        world.schedule(NAME, TRANSIT_MS, "payout-arrives", &id, Value::Null);
    }
}

pub(super) fn arrived(state: &mut State, id: &str) {
    if let Some(payout) = state.payouts.get_mut(id) {
        payout.arrived = true;
    }
}

fn refuse(id: u32, text: impl Into<String>) -> Fail {
    let text = text.into();
    fail(400, id, "API_FINANCES", "REQUEST", text.clone(), text)
}

/// The specification lists no id for a filter or marketplace that it does not know; the fake takes this one.
const UNLISTED: u32 = 135_999;

fn site_of(req: &Req) -> Result<&str, Fail> {
    let given = req.header("x-ebay-c-marketplace-id");
    // Required by the specification, with a default.
    let given = if given.is_empty() { "EBAY_US" } else { given };
    if site::find(given).is_some() {
        Ok(given)
    } else {
        Err(refuse(UNLISTED, format!("Invalid marketplace id: {given}")))
    }
}

fn status(state: &State, t: &Transaction, now: i64) -> &'static str {
    match &t.payout {
        Some(id) if state.payouts.get(id).is_some_and(|p| p.arrived) => "COMPLETED",
        Some(_) => "PAYOUT",
        None if now - t.at_ms >= HOLD_MS || t.kind == "REFUND" => "FUNDS_AVAILABLE_FOR_PAYOUT",
        None => "FUNDS_PROCESSING",
    }
}

fn view(state: &State, t: &Transaction, now: i64) -> Value {
    let c = t.currency;
    let lines: Vec<Value> = t
        .lines
        .iter()
        .map(|(id, basis, fees)| {
            let fees: Vec<Value> =
                fees.iter().map(|(kind, fee)| j!({"feeType": kind, "amount": money(*fee, c)})).collect();
            j!({"lineItemId": id, "feeBasisAmount": money(*basis, c), "marketplaceFees": fees})
        })
        .collect();
    let mut value = j!({
        "transactionId": t.id, "orderId": t.order, "transactionType": t.kind, "buyer": {"username": t.username},
        "salesRecordReference": "0", "amount": money(t.amount.abs(), c),
        "bookingEntry": if t.amount >= 0 { "CREDIT" } else { "DEBIT" },
        "transactionDate": date(t.at_ms), "transactionStatus": status(state, t, now),
        "totalFeeBasisAmount": money(t.basis, c), "totalFeeAmount": money(t.fee(), c),
        "eBayCollectedTaxAmount": money(t.tax, c), "orderLineItems": lines,
        "references": [{"referenceId": t.order, "referenceType": "ORDER_ID"}],
        "paymentsEntity": "eBay Commerce Inc.",
    });
    if let (Some(payout), Some(map)) = (&t.payout, value.as_object_mut()) {
        map.insert("payoutId".into(), payout.clone().into());
    }
    value
}

fn chosen<'a>(state: &'a State, req: &Req, now: i64) -> Result<Vec<&'a Transaction>, Fail> {
    let site = site_of(req)?;
    let mut rows: Vec<&Transaction> = state.transactions.iter().filter(|t| t.site == site).collect();
    for (name, value) in req.filters() {
        let any = |text: &str| value.split('|').any(|v| v == text);
        match name.as_str() {
            "transactionDate" => {
                let (from, to) = range(&value).ok_or_else(|| {
                    refuse(135_008, format!("The value of transaction date filter is invalid: {value}"))
                })?;
                // Only a start: 90 days from there.
                let to = to.or(from.map(|f| f + 90 * 86_400_000));
                rows.retain(|t| from.is_none_or(|f| t.at_ms >= f) && to.is_none_or(|e| t.at_ms <= e));
            }
            "transactionType" => rows.retain(|t| any(t.kind)),
            "transactionStatus" => rows.retain(|t| any(status(state, t, now))),
            "orderId" => rows.retain(|t| any(&t.order)),
            "payoutId" => rows.retain(|t| t.payout.as_deref().is_some_and(any)),
            "transactionId" => rows.retain(|t| any(&t.id)),
            "buyerUsername" => rows.retain(|t| any(&t.username)),
            other => return Err(refuse(UNLISTED, format!("Unsupported filter: {other}"))),
        }
    }
    Ok(rows)
}

fn page(req: &Req, path: &str, name: &str, all: Vec<Value>, most: usize) -> Result<Response, Fail> {
    let bad = |v: String| refuse(135_003, format!("The value of pagination is invalid: {v}"));
    let limit = req.count("limit", 20, most).map_err(bad)?.max(1);
    let offset = req.count("offset", 0, usize::MAX).map_err(bad)?;
    let total = all.len();
    let rows: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
    if rows.is_empty() {
        return Ok(raw(204, "application/json", ""));
    }
    let rest: String = req
        .raw_query
        .split('&')
        .filter(|p| !p.is_empty() && !p.starts_with("limit=") && !p.starts_with("offset="))
        .map(|p| format!("{p}&"))
        .collect();
    let link = |offset: usize| format!("https://apiz.ebay.com{path}?{rest}limit={limit}&offset={offset}");
    let mut answer = j!({"href": link(offset), "limit": limit, "offset": offset, "total": total, name: rows});
    if let Some(map) = answer.as_object_mut() {
        if offset + limit < total {
            map.insert("next".into(), link(offset + limit).into());
        }
        if offset > 0 {
            map.insert("prev".into(), link(offset.saturating_sub(limit)).into());
        }
    }
    Ok(json(200, &answer))
}

pub(super) fn transactions(world: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let now = world.now_ms();
    let mut rows = chosen(state, req, now)?;
    // Newest first, unless an ascending sort is asked for.
    rows.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
    if req.get("sort") != Some("transactionDate") {
        rows.reverse();
    }
    let all = rows.into_iter().map(|t| view(state, t, now)).collect();
    page(req, "/sell/finances/v1/transaction", "transactions", all, 1_000)
}

pub(super) fn transaction_summary(state: &State, req: &Req) -> Result<Response, Fail> {
    let rows = chosen(state, req, i64::MAX)?;
    let Some(currency) = site::find(site_of(req)?).map(|s| s.currency) else {
        return Err(refuse(UNLISTED, "Invalid marketplace id"));
    };
    let sum = |kind: &str| {
        let of: Vec<i64> = rows.iter().filter(|t| t.kind == kind).map(|t| t.amount).collect();
        (of.len(), of.iter().sum::<i64>())
    };
    let entry = |n: i64| if n >= 0 { "CREDIT" } else { "DEBIT" };
    let ((credits, credit), (refunds, refund)) = (sum("SALE"), sum("REFUND"));
    Ok(json(
        200,
        &j!({"creditCount": credits, "creditAmount": money(credit.abs(), currency), "creditBookingEntry": entry(credit),
        "refundCount": refunds, "refundAmount": money(refund.abs(), currency), "refundBookingEntry": entry(refund)}),
    ))
}

fn payout_view(p: &Payout) -> Value {
    let c = p.currency;
    let mut value = j!({
        "payoutId": p.id, "payoutStatus": if p.arrived { "SUCCEEDED" } else { "INITIATED" },
        "payoutStatusDescription": if p.arrived { "Funds sent" } else { "Payout initiated" },
        "amount": money(p.amount, c), "totalAmount": money(p.amount, c), "totalFee": money(0, c), "payoutDate": date(p.at_ms),
        "lastAttemptedPayoutDate": date(p.at_ms), "transactionCount": p.count,
        "payoutInstrument": {"instrumentType": "BANK", "nickname": "Simulated bank", "accountLastFourDigits": "0042"},
    });
    if let Some(map) = value.as_object_mut().filter(|_| p.arrived) {
        map.insert("bankReference".into(), format!("EBAY{}", p.id).into());
    }
    value
}

fn chosen_payouts<'a>(state: &'a State, req: &Req) -> Result<Vec<&'a Payout>, Fail> {
    let site = site_of(req)?;
    let mut rows: Vec<&Payout> = state.payouts.values().filter(|p| p.site == site).collect();
    for (name, value) in req.filters() {
        match name.as_str() {
            "payoutDate" | "lastAttemptedPayoutDate" => {
                let (from, to) = range(&value).ok_or_else(|| {
                    refuse(135_004, format!("The value of payout date filter is invalid: {value}"))
                })?;
                rows.retain(|p| from.is_none_or(|f| p.at_ms >= f) && to.is_none_or(|t| p.at_ms <= t));
            }
            "payoutStatus" => rows
                .retain(|p| value.split('|').any(|v| v == if p.arrived { "SUCCEEDED" } else { "INITIATED" })),
            other => return Err(refuse(UNLISTED, format!("Unsupported filter: {other}"))),
        }
    }
    rows.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
    Ok(rows)
}

pub(super) fn payouts(_: &World, state: &State, req: &Req) -> Result<Response, Fail> {
    let mut rows = chosen_payouts(state, req)?;
    if req.get("sort") != Some("payoutDate") {
        rows.reverse();
    }
    page(req, "/sell/finances/v1/payout", "payouts", rows.into_iter().map(payout_view).collect(), 200)
}

pub(super) fn payout(state: &State, req: &Req) -> Result<Response, Fail> {
    let id = req.part(0);
    let found = state.payouts.get(id).ok_or_else(|| {
        let text = format!("Payout {id} is not found");
        fail(404, 135_001, "API_FINANCES", "REQUEST", text.clone(), text)
    })?;
    Ok(json(200, &payout_view(found)))
}

pub(super) fn payout_summary(state: &State, req: &Req) -> Result<Response, Fail> {
    let rows = chosen_payouts(state, req)?;
    let currency = site::find(site_of(req)?).map_or("USD", |s| s.currency);
    let amount: i64 = rows.iter().map(|p| p.amount).sum();
    let count: usize = rows.iter().map(|p| p.count).sum();
    Ok(json(
        200,
        &j!({"amount": money(amount, currency), "payoutCount": rows.len(), "transactionCount": count}),
    ))
}

pub(super) fn funds(state: &State, req: &Req) -> Result<Response, Fail> {
    let site = site_of(req)?;
    let currency = site::find(site).map_or("USD", |s| s.currency);
    let open: i64 =
        state.transactions.iter().filter(|t| t.site == site && t.payout.is_none()).map(|t| t.amount).sum();
    Ok(json(
        200,
        &j!({"totalFunds": money(open, currency), "processingFunds": money(open, currency),
        "availableFunds": money(0, currency), "fundsOnHold": money(0, currency)}),
    ))
}
