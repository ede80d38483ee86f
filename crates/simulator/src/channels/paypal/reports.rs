//! The daily sweep to the bank, and the settlement report (STL, version 9).
//!
//! Amounts in the report are whole numbers with two implied decimals for every currency, JPY too.

use super::{ACCOUNT, NAME, Row, State, blank, book, nobody};
use crate::core::clock::{instant, iso_seconds, local};
use crate::core::ledger::PayoutRecord;
use crate::core::money::exponent;
use crate::core::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const DAY_MS: i64 = 86_400_000;
const COLUMNS: &str = "CH,Transaction ID,Invoice ID,PayPal Reference ID,PayPal Reference ID Type,Transaction Event Code,Transaction Initiation Date,Transaction Completion Date,Transaction Debit or Credit,Gross Transaction Amount,Gross Transaction Currency,Fee Debit or Credit,Fee Amount,Fee Currency,Custom Field,Consumer ID,Payment Tracking ID,Store ID,Bank Reference ID,Credit Transactional Fee,Credit Promotional Fee,Credit Term";

/// Sends every positive balance to the bank.
pub(super) fn sweep(world: &World, state: &mut State) {
    let due: Vec<(String, i64)> =
        state.balances.iter().filter(|(_, b)| **b > 0).map(|(c, b)| (c.clone(), *b)).collect();
    for (currency, amount) in due {
        let mut stream = world.stream(&[NAME, "sweep", &currency, &world.now_ms().to_string()]);
        let id = stream.alnum(17);
        let row = Row {
            id: id.clone(),
            code: "T0400",
            currency: currency.clone(),
            amount: -amount,
            bank: stream.digits(12),
            ..blank(world, &nobody())
        };
        book(world, state, row);
        let covered = state.unswept.remove(&currency).unwrap_or_default();
        let orders = covered.iter().map(|(_, order)| order.clone()).collect();
        let record =
            PayoutRecord { currency: currency.clone(), amount, at: iso_seconds(world.now()), orders };
        world.ledger(|l| {
            l.paid_out(NAME, &id, record);
            // The orders belong to the shop that sold them.
            for (channel, order) in &covered {
                if let Some(order) = l.order(channel, order) {
                    order.payout = Some(id.clone());
                }
            }
        });
    }
}

/// Minor units to the report's hundredths.
fn hundredths(amount: i64, currency: &str) -> i64 {
    match exponent(currency) {
        0 => amount.abs() * 100,
        3 => amount.abs() / 10,
        _ => amount.abs(),
    }
}

fn side(amount: i64) -> &'static str {
    if amount < 0 { "DR" } else { "CR" }
}

/// A cell, quoted when it must be.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The report of the day that just ended.
pub(super) fn settlement(world: &World, state: &mut State) {
    let end = world.now_ms();
    let start = end - DAY_MS;
    let time = |ms: i64| local(instant(ms), 0, "%Y/%m/%d %H:%M:%S +0000");
    let date = local(instant(start), 0, "%Y%m%d");
    let rows: Vec<&Row> = state.rows.iter().filter(|r| r.at_ms >= start && r.at_ms < end).collect();
    let mut text = format!(
        "RH,{},A,{ACCOUNT},009\nFH,01\nSH,{},{},{ACCOUNT},\n{COLUMNS}\n",
        time(end),
        time(start),
        time(end - 1_000)
    );
    for r in &rows {
        let kind = if r.reference.is_empty() { "" } else { "TXN" };
        let (fee_side, fee, fee_currency) = if r.fee == 0 {
            ("", String::new(), "")
        } else {
            (side(r.fee), hundredths(r.fee, &r.currency).to_string(), r.currency.as_str())
        };
        let _ = writeln!(
            text,
            "SB,{},{},{},{kind},{},{},{},{},{},{},{fee_side},{fee},{fee_currency},,,,,{},,,",
            r.id,
            cell(&r.invoice),
            r.reference,
            r.code,
            time(r.at_ms),
            time(r.at_ms),
            side(r.amount),
            hundredths(r.amount, &r.currency),
            r.currency,
            r.bank
        );
    }
    let currencies: BTreeSet<&str> =
        state.rows.iter().filter(|r| r.at_ms < end).map(|r| r.currency.as_str()).collect();
    let mut footers: BTreeMap<&str, String> = BTreeMap::new();
    for c in currencies {
        let of: Vec<&&Row> = rows.iter().filter(|r| r.currency == c).collect();
        let sum = |f: &dyn Fn(&Row) -> i64| of.iter().map(|r| hundredths(f(r), c)).sum::<i64>();
        let credits = sum(&|r| r.amount.max(0));
        let debits = sum(&|r| r.amount.min(0));
        let fee_credits = sum(&|r| r.fee.max(0));
        let fee_debits = sum(&|r| r.fee.min(0));
        let balance = |until: i64| {
            state
                .rows
                .iter()
                .filter(|r| r.currency == c && r.at_ms < until)
                .map(|r| r.amount + r.fee)
                .sum::<i64>()
        };
        let pair = |minor: i64| format!("{},{}", side(minor), hundredths(minor, c));
        let (open, close) = (pair(balance(start)), pair(balance(end)));
        footers.insert(c, format!("{c},{credits},{debits},{fee_credits},{fee_debits},{open},{close},{open},{close},CR,0,CR,0,{}", of.len()));
    }
    for kind in ["SF", "RF"] {
        for footer in footers.values() {
            let _ = writeln!(text, "{kind},{footer}");
        }
        let count = if kind == "SF" { "SC" } else { "RC" };
        let _ = writeln!(text, "{count},{}", rows.len());
    }
    let _ = writeln!(text, "FF,{}", rows.len());
    state.reports.insert(format!("STL-{date}.01.009.CSV"), text);
}
