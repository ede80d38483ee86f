//! The workbook of a million lines in constant memory, and the plain writers beside it.
//!
//! `cargo bench -p tradewind-ledger --bench exports`; set `TRADEWIND_BENCH_ROWS` for another size. A million rows take
//! several seconds each, so there are ten samples and no warm-up to speak of.
#![allow(missing_docs, clippy::unwrap_used)] // a bench has no callers

use std::io::{Read, Write};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::civil::Date;
use tradewind_domain::{Currency, Money};
use tradewind_ledger::export::{Line, detail_workbook};
use tradewind_ledger::import::{Provider, Sidecar, read_file};

fn line(i: i64) -> Line {
    Line {
        id: format!("28471003921|Order|114-{:07}-{:07}|{i}", i % 9_999_991, i % 7_777_777),
        channel: "amazon".to_owned(),
        account: "eu".to_owned(),
        date: Date::constant(2026, 6, 1),
        kind: "Order".to_owned(),
        code: "ItemPrice/Principal".to_owned(),
        class: "sale".to_owned(),
        order: format!("114-{:07}-{:07}", i % 9_999_991, i % 7_777_777),
        group: "28471003921".to_owned(),
        entry: format!("row:amazon:eu:{i}"),
        amount: Money::from_minor(i % 100_000 - 20_000, Currency::EUR),
    }
}

fn workbook(c: &mut Criterion) {
    let rows: i64 =
        std::env::var("TRADEWIND_BENCH_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let path = std::env::temp_dir().join(format!("tradewind-bench-{}.xlsx", std::process::id()));
    let mut group = c.benchmark_group("export");
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(u64::try_from(rows).unwrap()));
    group.bench_function("xlsx_lines_constant_memory", |b| {
        b.iter(|| {
            detail_workbook("Bench", Date::constant(2026, 6, 30), &mut (0..rows).map(line), &path).unwrap()
        });
    });
    group.finish();
    let _ = std::fs::remove_file(&path);
}

/// A settlement report made while it is read: two million rows are about 400 MB of text that never exist at once.
struct Report {
    rows: i64,
    next: i64,
    line: Vec<u8>,
    at: usize,
}

impl Report {
    fn new(rows: i64) -> Report {
        let titles = "settlement-id\tsettlement-start-date\tsettlement-end-date\tdeposit-date\ttotal-amount\tcurrency\t\
            transaction-type\torder-id\tmerchant-order-id\tadjustment-id\tshipment-id\tmarketplace-name\tamount-type\t\
            amount-description\tamount\tfulfillment-id\tposted-date\tposted-date-time\torder-item-code\t\
            merchant-order-item-id\tmerchant-adjustment-item-id\tsku\tquantity-purchased\tpromotion-id\n";
        // Every row is 1.25.
        let total = rows * 125;
        let head = format!(
            "{titles}9001\t2026-06-01 00:00:00 UTC\t2026-06-14 23:59:59 UTC\t2026-06-16 00:00:00 UTC\t{}.{:02}\tUSD{}\n",
            total / 100,
            total % 100,
            "\t".repeat(18)
        );
        Report { rows, next: 0, line: head.into_bytes(), at: 0 }
    }
}

impl Read for Report {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.line.len() {
            if self.next == self.rows {
                return Ok(0);
            }
            self.line.clear();
            self.at = 0;
            while self.next < self.rows && self.line.len() < 60_000 {
                let i = self.next / 4;
                let code = [
                    "ItemPrice\tPrincipal",
                    "ItemPrice\tShipping",
                    "ItemFees\tCommission",
                    "ItemFees\tFBAPerUnitFulfillmentFee",
                ][usize::try_from(self.next % 4).unwrap()];
                writeln!(
                    self.line,
                    "9001\t\t\t\t\tUSD\tOrder\t114-{:07}-{:07}\t\t\tDS{i:09}\tamazon.com\t{code}\t1.25\tAFN\t2026-06-05 00:00:00 UTC\t2026-06-05 08:14:22 UTC\t{i:011}\t\t\tNX-HD-1200\t1\t",
                    i / 10_000_000,
                    i % 10_000_000,
                )?;
                self.next += 1;
            }
        }
        let n = buf.len().min(self.line.len() - self.at);
        buf[..n].copy_from_slice(&self.line[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

fn import(c: &mut Criterion) {
    let rows: i64 =
        std::env::var("TRADEWIND_BENCH_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let mut group = c.benchmark_group("import");
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(u64::try_from(rows).unwrap()));
    group.bench_function("amazon_settlement_parse_and_foot", |b| {
        b.iter(|| {
            read_file(Provider::Amazon, Report::new(rows), &Sidecar::default()).unwrap().transactions.len()
        });
    });
    group.finish();
}

criterion_group!(benches, import, workbook);
criterion_main!(benches);
