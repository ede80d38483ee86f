//! What orders cost, and when the seller is paid.
//!
//! Shipment posts the sale: principal, tax, shipping, 15 % commission on principal and shipping, and
//! the withheld tax where the marketplace collects. A refund reverses all of it but keeps
//! `RefundCommission` = min(20 % of the commission, 5.00). Every seventh midnight each marketplace
//! closes a settlement: what was posted, a subscription fee if there was activity, plus the reserve
//! held back last time, less 10 % of a positive activity as the new reserve. Σ amount = total-amount.

use super::NAME;
use super::site::{Site, find};
use super::state::{Order, Report, Row, Settlement, State, Transaction};
use crate::core::clock::{DAY_MS, instant};
use crate::core::ledger::PayoutRecord;
use crate::core::money::{exponent, share, text};
use crate::core::world::World;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const COMMISSION_PERCENT: i64 = 15;
/// Days of a settlement period. Amazon's usual 14 is halved to keep simulated runs short.
pub(super) const PERIOD_DAYS: u32 = 7;
pub(super) const REPORT: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";

fn commission(net: i64, shipping: i64) -> i64 {
    share(net + shipping, COMMISSION_PERCENT, 100)
}

fn withheld(site: &Site) -> &'static str {
    if site.tax_inside {
        "MarketplaceFacilitatorVAT-Principal"
    } else {
        "MarketplaceFacilitatorTax-Principal"
    }
}

/// Keeps a transaction and books its fees and withheld tax.
fn post(
    world: &World,
    state: &mut State,
    kind: &'static str,
    order: Option<&str>,
    site: &Site,
    rows: Vec<Row>,
) {
    let rows: Vec<Row> = rows.into_iter().filter(|r| r.amount != 0).collect();
    if rows.is_empty() {
        return;
    }
    let sum = |wanted: &str| -rows.iter().filter(|r| r.kind == wanted).map(|r| r.amount).sum::<i64>();
    let (fees, tax) = (sum("ItemFees") + sum("other-transaction"), sum("ItemWithheldTax"));
    let balance: i64 = rows.iter().map(|r| r.amount).sum();
    world.ledger(|l| {
        l.fee(NAME, site.currency, fees);
        l.money(NAME, site.currency).withheld_tax += tax;
        l.money(NAME, site.currency).held += balance;
    });
    let nth = state
        .transactions
        .iter()
        .filter(|t| t.kind == kind && t.order.as_deref() == order && t.site == site.id)
        .count();
    let id = world
        .stream(&[NAME, "transaction", kind, order.unwrap_or_default(), site.id, &nth.to_string()])
        .hex(32);
    state.transactions.push(Transaction {
        id,
        kind,
        order: order.map(str::to_owned),
        site: site.id.into(),
        posted_ms: world.now_ms(),
        rows,
        settlement: None,
    });
}

/// The part of `whole` that belongs to `from..to` of `of` units, so that parts add up exactly.
fn part(whole: i64, from: i64, to: i64, of: i64) -> i64 {
    share(whole, to, of) - share(whole, from, of)
}

/// Units were shipped: `before` and `after` differ in `Line::shipped`.
pub(super) fn post_shipment(world: &World, state: &mut State, before: &Order, after: &Order) {
    let Some(site) = find(&after.site) else { return };
    let mut rows = Vec::new();
    for (old, new) in before.lines.iter().zip(&after.lines).filter(|(old, new)| old.shipped < new.shipped) {
        let (from, to, of) = (i64::from(old.shipped), i64::from(new.shipped), i64::from(new.quantity));
        let row = |kind, description, amount| Row {
            kind,
            description,
            amount,
            item: new.item.clone(),
            sku: new.sku.clone(),
            quantity: new.shipped - old.shipped,
        };
        rows.push(row("ItemPrice", "Principal", part(new.net, from, to, of)));
        rows.push(row("ItemPrice", "Tax", part(new.tax, from, to, of)));
        rows.push(row("ItemPrice", "Shipping", part(new.shipping, from, to, of)));
        rows.push(row("ItemFees", "Commission", -part(commission(new.net, new.shipping), from, to, of)));
        if after.facilitator {
            rows.push(row("ItemWithheldTax", withheld(site), -part(new.tax, from, to, of)));
        }
    }
    post(world, state, "Shipment", Some(&after.id), site, rows);
}

/// `amount` went back to the buyer; `order.refunded` already contains it.
pub(super) fn post_refund(world: &World, state: &mut State, order: &Order, amount: i64) {
    let Some(site) = find(&order.site) else { return };
    let (to, of) = (order.refunded, order.total());
    let from = to - amount;
    let mut rows = Vec::new();
    let mut left = amount;
    for (index, line) in order.lines.iter().enumerate() {
        let row = |kind, description, amount| Row {
            kind,
            description,
            amount,
            item: line.item.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
        };
        let (tax, shipping) = (part(line.tax, from, to, of), part(line.shipping, from, to, of));
        // The last line takes what rounding left.
        let last = index + 1 == order.lines.len();
        let net = if last { left - tax - shipping } else { part(line.net, from, to, of) };
        left -= net + tax + shipping;
        let fee = part(commission(line.net, line.shipping), from, to, of);
        let cap = 5 * 10_i64.pow(exponent(site.currency));
        rows.push(row("ItemPrice", "Principal", -net));
        rows.push(row("ItemPrice", "Tax", -tax));
        rows.push(row("ItemPrice", "Shipping", -shipping));
        rows.push(row("ItemFees", "Commission", fee));
        rows.push(row("ItemFees", "RefundCommission", -share(fee, 20, 100).min(cap)));
        if order.facilitator {
            rows.push(row("ItemWithheldTax", withheld(site), tax));
        }
    }
    post(world, state, "Refund", Some(&order.id), site, rows);
}

/// Closes the settlements that end at this midnight.
pub(super) fn close(world: &World, state: &mut State, day: u32) {
    if !day.is_multiple_of(PERIOD_DAYS) {
        return;
    }
    for site in super::site::SITES {
        close_site(world, state, site, day);
    }
}

fn close_site(world: &World, state: &mut State, site: &'static Site, day: u32) {
    let open = |t: &Transaction| t.site == site.id && t.settlement.is_none();
    if state.transactions.iter().any(open) {
        // 39.99 (or 4,900 yen) for the selling plan.
        let amount = if exponent(site.currency) == 0 { -4_900 } else { -3_999 };
        let row = Row {
            kind: "other-transaction",
            description: "Subscription Fee",
            amount,
            item: String::new(),
            sku: String::new(),
            quantity: 0,
        };
        post(world, state, "ServiceFee", None, site, vec![row]);
    }
    let opening = state.reserve.get(site.id).copied().unwrap_or_default();
    let activity: i64 = state.transactions.iter().filter(|t| open(t)).map(Transaction::total).sum();
    if opening == 0 && !state.transactions.iter().any(open) {
        return;
    }
    let reserve = if activity > 0 { share(activity, 10, 100) } else { 0 };
    let id = world.stream(&[NAME, "settlement", site.id, &day.to_string()]).digits(11);
    let mut orders = BTreeSet::new();
    for transaction in state.transactions.iter_mut().filter(|t| open(t)) {
        transaction.settlement = Some(id.clone());
        if transaction.kind == "Shipment" {
            orders.extend(transaction.order.clone());
        }
    }
    state.reserve.insert(site.id.into(), reserve);
    let end_ms = world.now_ms();
    let settlement = Settlement {
        id: id.clone(),
        site: site.id.into(),
        start_ms: end_ms - i64::from(PERIOD_DAYS) * DAY_MS,
        end_ms,
        opening,
        total: activity + opening - reserve,
    };
    world.ledger(|l| {
        let payout = PayoutRecord {
            currency: site.currency.into(),
            amount: settlement.total,
            at: crate::core::clock::iso_seconds(world.now()),
            orders: orders.into_iter().collect(),
        };
        l.paid_out(NAME, &id, payout);
        // What stays is the reserve.
        l.money(NAME, site.currency).held -= settlement.total;
    });
    let content = flat_file(state, site, &settlement, reserve);
    let report = Report {
        kind: REPORT.into(),
        marketplaces: vec![site.id.into()],
        created_ms: end_ms,
        ended_ms: Some(end_ms),
        data_start_ms: Some(settlement.start_ms),
        data_end_ms: Some(end_ms),
        status: "DONE",
        content: Some(content.into_bytes()),
    };
    state.reports.insert(format!("8{}", &id), report);
    state.settlements.push(settlement);
}

const COLUMNS: &str = "settlement-id\tsettlement-start-date\tsettlement-end-date\tdeposit-date\ttotal-amount\tcurrency\t\
transaction-type\torder-id\tmerchant-order-id\tadjustment-id\tshipment-id\tmarketplace-name\tamount-type\t\
amount-description\tamount\tfulfillment-id\tposted-date\tposted-date-time\torder-item-code\tmerchant-order-item-id\t\
merchant-adjustment-item-id\tsku\tquantity-purchased\tpromotion-id";

/// The V2 flat file. Euro marketplaces write a decimal comma and `dd.mm.yyyy`.
fn flat_file(state: &State, site: &Site, s: &Settlement, reserve: i64) -> String {
    let eu = site.is_eu();
    let amount = |minor: i64| {
        let plain = text(minor, site.currency);
        if eu { plain.replace('.', ",") } else { plain }
    };
    let day = if eu { "%d.%m.%Y" } else { "%Y-%m-%d" };
    let date = |at: Timestamp| at.strftime(day).to_string();
    let stamp = |ms: i64| instant(ms).strftime(&format!("{day} %H:%M:%S UTC")).to_string();
    let mut out = format!("{COLUMNS}\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}\t{}\t{}\t{}\t{}\t{}{}",
        s.id,
        stamp(s.start_ms),
        stamp(s.end_ms - 1_000),
        stamp(s.end_ms + 2 * DAY_MS),
        amount(s.total),
        site.currency,
        "\t".repeat(18)
    );
    for t in state.transactions.iter().filter(|t| t.settlement.as_deref() == Some(s.id.as_str())) {
        let kind = if t.kind == "Shipment" { "Order" } else { t.kind };
        let order = t.order.as_deref().unwrap_or_default();
        let shipment = if t.kind == "Shipment" {
            format!("D{}", t.id.chars().take(8).collect::<String>())
        } else {
            String::new()
        };
        let adjustment = if t.kind == "Refund" {
            format!("ADJ-{}", t.id.chars().take(8).collect::<String>())
        } else {
            String::new()
        };
        let network = if order.is_empty() { "" } else { "MFN" };
        for row in &t.rows {
            let quantity = if row.quantity == 0 { String::new() } else { row.quantity.to_string() };
            let _ = writeln!(
                out,
                "{}\t\t\t\t\t{}\t{kind}\t{order}\t\t{adjustment}\t{shipment}\t{}\t{}\t{}\t{}\t{network}\t{}\t{}\t{}\t\t\t{}\t{quantity}\t",
                s.id,
                site.currency,
                site.name,
                row.kind,
                row.description,
                amount(row.amount),
                date(instant(t.posted_ms)),
                stamp(t.posted_ms),
                row.item,
                row.sku,
            );
        }
    }
    for (description, value, at) in [
        ("Previous Reserve Amount Balance", s.opening, s.start_ms),
        ("Current Reserve Amount", -reserve, s.end_ms - 1_000),
    ] {
        if value != 0 {
            let _ = writeln!(
                out,
                "{}\t\t\t\t\t{}\tTransfer\t\t\t\t\t{}\tother-transaction\t{description}\t{}\t\t{}\t{}\t\t\t\t\t\t",
                s.id,
                site.currency,
                site.name,
                amount(value),
                date(instant(at)),
                stamp(at),
            );
        }
    }
    out
}

/// Sums of a transaction by (kind, description), for the finances API.
pub(super) fn sums(rows: &[Row]) -> BTreeMap<(&'static str, &'static str), i64> {
    let mut out = BTreeMap::new();
    for row in rows {
        *out.entry((row.kind, row.description)).or_default() += row.amount;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_add_up() {
        // 10.00 over three units: 3.33, 3.34, 3.33.
        assert_eq!([part(1_000, 0, 1, 3), part(1_000, 1, 2, 3), part(1_000, 2, 3, 3)], [333, 334, 333]);
    }
}
