//! Line quotes per second on one core, against a hand-written function of the same EU rule in the same run; cold loads.
//!
//! `cargo bench -p tradewind-landed-cost --bench quotes`. The HTS of 36,000 rows is read from the data folder
//! (`TRADEWIND_DATA`) when it is there, else a table of that size is made up.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a bench has no callers

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::Engine;
use tradewind_landed_cost::rates::tariff::hts;
use tradewind_landed_cost::request::{LineRequest, Request};

const HS: [&str; 6] = ["420222", "610910", "392690", "950300", "851830", "640411"];

fn order(head: &str, lines: usize, facts: &str) -> Request {
    let body: Vec<String> = (0..lines)
        .map(|i| {
            format!(
                r#"{{"id": "{i}", "unit_price": "{}.{:02}", "quantity": {}, "hs": "{}", "origin": "CN", "rates": {{"duty": "0.047"}}, "facts": {facts}}}"#,
                2 + i % 4,
                (i * 37) % 100,
                1 + i % 2,
                HS[i % HS.len()]
            )
        })
        .collect();
    Request::parse(&format!("{{{head}, \"freight\": \"5.00\", \"lines\": [{}]}}", body.join(","))).unwrap()
}

const EU: &str = r#""destination": {"country": "FR"}, "ship_from": "CN", "legal_event_at": "2026-08-01T12:00:00+02:00", "channel": "courier",
    "scheme": "ioss", "sold_via": "marketplace", "currency": "EUR""#;
const US: &str = r#""destination": {"country": "US"}, "ship_from": "CN", "legal_event_at": "2026-08-10T12:00:00-04:00", "channel": "courier",
    "entry_type": "11", "currency": "USD""#;
const US_FACTS: &str = r#"{"section_301_list": "4A", "ad_cvd": false}"#;

/// The same EU rule by hand, in cents, for one fixed set of circumstances: freight by largest remainder, 3 EUR per HS6
/// shared by value, VAT per line rounded half up. No provenance, no dates, no missing facts, no other country.
struct ByHand {
    goods: i64,
    hs6: u32,
}

fn by_hand(lines: &[ByHand], freight: i64, out: &mut Vec<(i64, i64, i64)>) -> i64 {
    fn share(total: i64, weights: &[i64]) -> Vec<i64> {
        let sum: i64 = weights.iter().sum();
        let mut parts: Vec<i64> = weights.iter().map(|w| total * w / sum).collect();
        let mut left = total - parts.iter().sum::<i64>();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|i| (-(total * weights[*i] % sum), *i));
        for i in order {
            if left == 0 {
                break;
            }
            parts[i] += 1;
            left -= 1;
        }
        parts
    }
    let weights: Vec<i64> = lines.iter().map(|l| l.goods).collect();
    let freight = share(freight, &weights);
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, l) in lines.iter().enumerate() {
        groups.entry(l.hs6).or_default().push(i);
    }
    let mut duty = vec![0; lines.len()];
    for members in groups.values() {
        let w: Vec<i64> = members.iter().map(|i| lines[*i].goods).collect();
        for (i, d) in members.iter().zip(share(300, &w)) {
            duty[*i] = d;
        }
    }
    out.clear();
    let mut landed = 0;
    for (i, l) in lines.iter().enumerate() {
        let base = l.goods + freight[i] + duty[i];
        let vat = (base * 20 + 50) / 100;
        out.push((freight[i], duty[i], vat));
        landed += base + vat;
    }
    landed
}

fn hand(order: &Request) -> Vec<ByHand> {
    let cents = |l: &LineRequest| {
        i64::try_from(
            (l.unit_price.0 * l.quantity.0 * rust_decimal::Decimal::ONE_HUNDRED)
                .trunc()
                .normalize()
                .mantissa(),
        )
        .unwrap()
    };
    let one = |l: &LineRequest| ByHand { goods: cents(l), hs6: l.hs.as_deref().unwrap().parse().unwrap() };
    order.lines.iter().map(one).collect()
}

fn quotes(c: &mut Criterion) {
    let packs = PackSet::embedded().unwrap();
    let engine = Engine::new(&packs);
    let mut group = c.benchmark_group("quote");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(30);
    for n in [1_usize, 20] {
        group.throughput(Throughput::Elements(n as u64));
        let eu = order(EU, n, "{}");
        assert!(serde_json::to_string(&engine.quote(&eu).unwrap()).unwrap().contains("\"complete\""));
        group.bench_function(format!("eu_{n}_lines"), |b| b.iter(|| engine.quote(black_box(&eu)).unwrap()));
        let us = order(US, n, US_FACTS);
        assert!(serde_json::to_string(&engine.quote(&us).unwrap()).unwrap().contains("\"complete\""));
        group.bench_function(format!("us_stack_{n}_lines"), |b| {
            b.iter(|| engine.quote(black_box(&us)).unwrap())
        });
        let hand = hand(&eu);
        // Both say the same before either is measured.
        let mut out = Vec::new();
        let landed = by_hand(&hand, 500, &mut out);
        assert_eq!(engine.quote(&eu).unwrap().totals.landed.unwrap().minor(), landed);
        group.bench_function(format!("eu_by_hand_{n}_lines"), |b| {
            b.iter(|| by_hand(black_box(&hand), 500, &mut out));
        });
    }
    let text = serde_json::json!({"destination": {"country": "FR"}, "legal_event_at": "2026-08-01T12:00:00+02:00", "currency": "EUR", "scheme": "ioss",
        "lines": [{"id": "1", "unit_price": "30.00", "hs": "420222", "origin": "CN"}]})
    .to_string();
    group.throughput(Throughput::Elements(1));
    group.bench_function("eu_json_to_json", |b| {
        b.iter(|| {
            let r = Request::parse(black_box(&text)).unwrap();
            serde_json::to_string(&engine.quote(&r).unwrap()).unwrap()
        });
    });
    group.finish();
}

fn loads(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4)).sample_size(20);
    group.bench_function("all_packs_cold", |b| b.iter(|| PackSet::embedded().unwrap()));
    let published = tradewind_material::sample("tariff/us-hts/htsdata-2025-04.csv");
    let hts_text = published.unwrap_or_else(|| {
        let mut s = String::from("HTS Number,Indent,Description,Unit of Quantity,General Rate of Duty,Special Rate of Duty,Column 2 Rate of Duty,Quota Quantity,Additional Duties\n");
        for i in 0..36_000 {
            let (heading, rest) = (1_000 + i / 10, i % 10);
            s.push_str(&format!("{heading}.{rest}0.00.00,1,\"Made up, {i}\",,{}.{}%,,45%,,\n", i % 40, i % 10));
        }
        s
    });
    println!("hts: {} rows", hts_text.lines().count());
    group.bench_function("hts_36000_rows", |b| {
        b.iter(|| hts::read(black_box(&hts_text), "hts.csv", "bench").unwrap())
    });
    group.finish();
}

/// Requests made up as they are read: JSON lines that never stand in memory together.
struct Lines {
    line: Vec<u8>,
    at: usize,
    left: usize,
}

impl std::io::Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let n = buffer.len().min(self.line.len() - self.at);
        buffer[..n].copy_from_slice(&self.line[self.at..self.at + n]);
        self.at += n;
        if self.at == self.line.len() {
            (self.at, self.left) = (0, self.left - 1);
        }
        Ok(n)
    }
}

/// Most memory this process ever held, in KiB (Linux).
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

/// Nanoseconds this thread has been on a core (Linux): on a shared machine the clock on the wall measures the others too.
fn on_core() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Line quotes per second of one core, engine and hand-written function in the same run.
fn per_core_second(_: &mut Criterion) {
    let packs = PackSet::embedded().unwrap();
    let engine = Engine::new(&packs);
    let rate = |name: &str, lines: usize, run: &mut dyn FnMut()| -> u64 {
        let mut spent = |rounds: usize| -> Option<u64> {
            let start = on_core()?;
            for _ in 0..rounds {
                run();
            }
            on_core().map(|end| end.saturating_sub(start))
        };
        // Some kernels count in ticks of milliseconds: fewer than fifty of them would be a guess.
        let mut rounds = 40_000 / lines;
        let mut best = loop {
            let Some(first) = spent(rounds) else { return 0 };
            if first >= 200_000_000 {
                break first;
            }
            rounds *= 4;
        };
        for _ in 0..4 {
            best = best.min(spent(rounds).unwrap_or(u64::MAX));
        }
        let per_second = (rounds * lines) as u64 * 1_000_000_000 / best.max(1);
        println!(
            "per core second: {name}, {lines} lines an order: {per_second} lines, {} ns a line",
            best / (rounds * lines) as u64
        );
        per_second
    };
    for n in [1_usize, 20] {
        let eu = order(EU, n, "{}");
        let us = order(US, n, US_FACTS);
        let hand = hand(&eu);
        let mut out = Vec::new();
        let e = rate("EU", n, &mut || drop(black_box(engine.quote(black_box(&eu)).unwrap())));
        rate("US stack", n, &mut || drop(black_box(engine.quote(black_box(&us)).unwrap())));
        let h = rate("EU by hand", n, &mut || {
            black_box(by_hand(black_box(&hand), 500, &mut out));
        });
        println!("per core second: by hand / engine = {}", h / e.max(1));
    }
}

/// A batch of a million requests, JSON in and JSON out, run once: its rate, and that the peak does not move with length.
fn batch(_: &mut Criterion) {
    let Some(most) = std::env::var("TRADEWIND_BENCH_BATCH").ok().and_then(|n| n.parse().ok()) else {
        println!("batch: skipped; TRADEWIND_BENCH_BATCH=1000000 runs it");
        return;
    };
    let packs = PackSet::embedded().unwrap();
    let engine = Engine::new(&packs);
    for n in [10_000_usize, most] {
        let line = format!(
            "{{{EU}, \"lines\": [{{\"id\": \"1\", \"unit_price\": \"30.00\", \"hs\": \"420222\", \"origin\": \"CN\"}}]}}\n"
        );
        let input =
            std::io::BufReader::new(Lines { line: line.replace('\n', " ").into_bytes(), at: 0, left: n });
        let mut sink = std::io::sink();
        let start = std::time::Instant::now();
        let count = tradewind_landed_cost::batch::for_each(
            tradewind_landed_cost::batch::Lines::new(input),
            tradewind_landed_cost::batch::Shape::Objects,
            &mut |_, text| {
                let request = Request::parse(text).map_err(|e| e.to_string())?;
                let quote = engine.quote(&request).map_err(|e| e.to_string())?;
                serde_json::to_writer(&mut sink, &quote).map_err(|e| e.to_string())
            },
        )
        .unwrap();
        assert_eq!(count, n);
        println!("batch: {n} requests in {:?}, peak {:?} KiB", start.elapsed(), peak());
    }
}

criterion_group!(benches, per_core_second, batch, quotes, loads);
criterion_main!(benches);
