//! The workbook of a million lines in constant memory, and the plain writers beside it.
//!
//! `cargo bench -p tradewind-ledger --bench exports`; set `TRADEWIND_BENCH_ROWS` for another size. A million rows take
//! several seconds each, so there are ten samples and no warm-up to speak of.
#![allow(missing_docs, clippy::unwrap_used)] // a bench has no callers

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::civil::Date;
use tradewind_domain::{Currency, Money};
use tradewind_ledger::export::{Line, detail_workbook};

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

criterion_group!(benches, workbook);
criterion_main!(benches);
