//! The large cases, measured as a user meets them: one process each, wall time and peak memory in one line of JSON.
//!
//! `cargo bench -p tradewind-ledger --bench large -- COMMAND`; `benches/compare.py` runs them beside DuckDB on the same files.
//!
//! - `generate DIR ORDERS LINES` writes `orders.csv` and `settlement.txt` (Amazon V2), and `statement.txt` of 10,000 lines
//! - `match DIR` reads both, foots, and matches by reference and amount
//! - `incremental DIR` loads the orders, then times the statement alone
//! - `full DIR` is the whole reconciliation over the same facts
//! - `xlsx ROWS PATH` writes a workbook of lines
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)] // a bench has no callers

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};
use tradewind_ledger::bulk::{OpenItems, read_open_items};
use tradewind_ledger::export::{Line, detail_workbook};
use tradewind_ledger::facts::{self, Facts};
use tradewind_ledger::import::{Import, ImportedFile, Provider, Sidecar, read_file};
use tradewind_ledger::recon;

/// Lines of the small statement, and of one settlement of the large file.
const SMALL: u64 = 10_000;

fn id(i: u64) -> String {
    format!("114-{:07}-{:07}", i / 10_000_000, i % 10_000_000)
}

/// 10.00 to 999.99 in no order.
fn cents(i: u64) -> u64 {
    i.wrapping_mul(2_654_435_761) % 99_000 + 1_000
}

fn titles(out: &mut impl Write) {
    writeln!(
        out,
        "settlement-id\tsettlement-start-date\tsettlement-end-date\tdeposit-date\ttotal-amount\tcurrency\t\
         transaction-type\torder-id\tmerchant-order-id\tadjustment-id\tshipment-id\tmarketplace-name\tamount-type\t\
         amount-description\tamount\tfulfillment-id\tposted-date\tposted-date-time\torder-item-code\t\
         merchant-order-item-id\tmerchant-adjustment-item-id\tsku\tquantity-purchased\tpromotion-id"
    )
    .unwrap();
}

/// A settlement of these lines: the sale, its shipping, commission and fulfilment in turn, per order of `per_order` lines.
fn settlement(out: &mut impl Write, number: u64, lines: std::ops::Range<u64>, orders: u64, per_order: u64) {
    let row = |line: u64| -> (u64, &'static str, i64) {
        let order = (line / per_order).wrapping_mul(7_919).wrapping_add(13) % orders;
        let c = i64::try_from(cents(order)).unwrap();
        match line % per_order {
            0 => (order, "ItemPrice\tPrincipal", c),
            1 => (order, "ItemFees\tCommission", -c * 15 / 100),
            _ => (order, "ItemFees\tFBAPerUnitFulfillmentFee", -325),
        }
    };
    let total: i64 = lines.clone().map(|l| row(l).2).sum();
    let money = |m: i64| {
        format!("{}{}.{:02}", if m < 0 { "-" } else { "" }, m.unsigned_abs() / 100, m.unsigned_abs() % 100)
    };
    writeln!(
        out,
        "{number}\t2026-06-01 00:00:00 UTC\t2026-06-14 23:59:59 UTC\t2026-06-16 00:00:00 UTC\t{}\tUSD{}",
        money(total),
        "\t".repeat(18)
    )
    .unwrap();
    for line in lines {
        let (order, code, m) = row(line);
        writeln!(
            out,
            "{number}\t\t\t\t\tUSD\tOrder\t{}\t\t\tDS{order:09}\tamazon.com\t{code}\t{}\tAFN\t2026-06-05 00:00:00 UTC\t\
             2026-06-05 08:14:22 UTC\t{order:011}\t\t\tNX-HD-1200\t1\t",
            id(order),
            money(m)
        )
        .unwrap();
    }
}

fn generate(dir: &Path, orders: u64, lines: u64) {
    std::fs::create_dir_all(dir).unwrap();
    let mut out = BufWriter::new(File::create(dir.join("orders.csv")).unwrap());
    writeln!(out, "id,account,placed_at,currency,total").unwrap();
    for i in 0..orders {
        let c = cents(i);
        writeln!(out, "{},us,2026-06-01T08:14:22Z,USD,{}.{:02}", id(i), c / 100, c % 100).unwrap();
    }
    out.flush().unwrap();
    let per_order = (lines / orders).max(1);
    let mut out = BufWriter::new(File::create(dir.join("settlement.txt")).unwrap());
    titles(&mut out);
    let step = lines.div_ceil(50).max(1);
    for n in 0..lines.div_ceil(step) {
        settlement(&mut out, 9_000 + n, n * step..((n + 1) * step).min(lines), orders, per_order);
    }
    out.flush().unwrap();
    let mut out = BufWriter::new(File::create(dir.join("statement.txt")).unwrap());
    titles(&mut out);
    settlement(&mut out, 8_999, 0..SMALL, orders, 1);
    out.flush().unwrap();
}

/// Peak memory of this process in MiB, by the kernel's count.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok())
        .map_or(0, |kb| kb / 1024)
}

fn say(what: &str, from: Instant, counts: serde_json::Value) {
    let line = serde_json::json!({
        "what": what, "milliseconds": u64::try_from(from.elapsed().as_millis()).unwrap_or(u64::MAX),
        "peak_mib": peak(), "counts": counts,
    });
    println!("{line}");
}

fn bulk(dir: &Path) {
    let from = Instant::now();
    let mut open = OpenItems::new();
    let orders = read_open_items(File::open(dir.join("orders.csv")).unwrap(), &mut open).unwrap();
    let r = open.settle(Provider::Amazon, File::open(dir.join("settlement.txt")).unwrap()).unwrap();
    let unsettled = open.unsettled().count();
    say(
        "match",
        from,
        serde_json::json!({"orders": orders, "lines": r.lines, "settlements": r.settlements.len(),
            "matched": r.matched, "mismatched": r.mismatched, "provider_only": r.provider_only, "open": unsettled}),
    );
}

fn incremental(dir: &Path) {
    let mut open = OpenItems::new();
    let orders = read_open_items(File::open(dir.join("orders.csv")).unwrap(), &mut open).unwrap();
    let from = Instant::now();
    let r = open.settle(Provider::Amazon, File::open(dir.join("statement.txt")).unwrap()).unwrap();
    say("incremental", from, serde_json::json!({"open": orders, "lines": r.lines, "matched": r.matched}));
}

fn full(dir: &Path) {
    let from = Instant::now();
    let mut all = Facts::default();
    let mut reader = csv::Reader::from_path(dir.join("orders.csv")).unwrap();
    let mut jsonl = String::new();
    for row in reader.records() {
        let r = row.unwrap();
        jsonl.push_str(&format!(
            "{{\"id\":\"{}\",\"account\":\"amazon\",\"placed_at\":\"{}\",\"currency\":\"{}\",\"total\":\"{}\",\"lines\":[]}}\n",
            &r[0], &r[2], &r[3], &r[4]
        ));
    }
    facts::read::read_bytes("orders", "orders.jsonl", 0, jsonl.as_bytes(), &mut all);
    drop(jsonl);
    let document =
        read_file(Provider::Amazon, File::open(dir.join("settlement.txt")).unwrap(), &Sidecar::default())
            .unwrap();
    let mut import = Import::default();
    import.files.push(ImportedFile {
        path: "settlement.txt".into(),
        provider: Provider::Amazon,
        account: "amazon".to_owned(),
        sha256: String::new(),
        document,
    });
    all.extend(facts::native::from_import(&import));
    drop(import);
    let read = u64::try_from(from.elapsed().as_millis()).unwrap_or(u64::MAX);
    let o = recon::run(&all, &recon::Options::default()).unwrap();
    say(
        "full",
        from,
        serde_json::json!({"read_milliseconds": read, "orders": o.orders.len(), "rows": o.rows.len(),
            "entries": o.journal.entries().len(), "differences": o.differences.len()}),
    );
}

fn xlsx(rows: i64, path: &Path) {
    let from = Instant::now();
    let line = |i: i64| {
        let order = id(u64::try_from(i).unwrap_or(0));
        Line {
            id: format!("9001|Order|{order}|{i}"),
            channel: "amazon".to_owned(),
            account: "us".to_owned(),
            date: Date::constant(2026, 6, 5),
            kind: "Order".to_owned(),
            code: "ItemPrice/Principal".to_owned(),
            class: "sale".to_owned(),
            entry: format!("row:amazon:us:9001|Order|{order}|{i}"),
            order,
            group: "9001".to_owned(),
            amount: Money::from_minor(i % 100_000 - 20_000, Currency::EUR),
        }
    };
    detail_workbook("Bench", Date::constant(2026, 6, 30), &mut (0..rows).map(line), path).unwrap();
    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    say("xlsx", from, serde_json::json!({"rows": rows, "bytes": bytes}));
}

fn main() {
    // `cargo bench` adds its own flags.
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |s: &str| s.replace('_', "").parse::<u64>().unwrap();
    match words.as_slice() {
        ["generate", dir, orders, lines] => generate(Path::new(dir), number(orders), number(lines)),
        ["match", dir] => bulk(Path::new(dir)),
        ["incremental", dir] => incremental(Path::new(dir)),
        ["full", dir] => full(Path::new(dir)),
        ["xlsx", rows, path] => xlsx(i64::try_from(number(rows)).unwrap(), &PathBuf::from(path)),
        _ => println!("generate DIR ORDERS LINES | match DIR | incremental DIR | full DIR | xlsx ROWS PATH"),
    }
}
