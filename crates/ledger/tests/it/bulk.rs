//! The bulk pass against the importer: the same file, the same sums, the same refusals; and against the reconciliation: the same
//! orders settled.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tradewind_domain::{Currency, Money};
use tradewind_ledger::bulk::{OpenItems, read_open_items};
use tradewind_ledger::facts::{Facts, native, read};
use tradewind_ledger::import::{Import, ImportedFile, Provider, RefusalKind, Sidecar, read_bytes};
use tradewind_ledger::recon::{self, Options};

fn fixture() -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/amazon-eur.txt")).unwrap()
}

fn eur(text: &str) -> Money {
    Money::parse(text, Currency::EUR).unwrap()
}

#[test]
fn a_settlement_settles_its_orders() {
    let mut open = OpenItems::new();
    // Goods 1200 and tax 228; commission, withheld tax and refunds are not what the buyer paid.
    open.add(b"302-0000001-0000001", eur("1428.00")).unwrap();
    open.add(b"302-9999999-0000001", eur("5.00")).unwrap();
    let r = open.settle(Provider::Amazon, fixture().as_slice()).unwrap();
    assert_eq!((r.settlements[0].id.as_str(), r.settlements[0].total), ("90000000001", eur("1033.45")));
    assert_eq!((r.lines, r.matched, r.mismatched), (12, 1, 0));
    let left: Vec<&str> = open.unsettled().map(|i| i.reference).collect();
    assert_eq!(left, ["302-9999999-0000001"]);
    // The same document again has no effect.
    let r = open.settle(Provider::Amazon, fixture().as_slice()).unwrap();
    assert_eq!((r.matched, r.mismatched, r.repeated), (0, 0, vec!["90000000001".to_owned()]));
    assert_eq!(open.get("302-0000001-0000001").unwrap().paid, eur("1428.00"));
}

#[test]
fn a_refused_report_changes_nothing() {
    let text: String = fixture().iter().map(|b| char::from(*b)).collect();
    let bytes = |t: String| t.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let mut open = OpenItems::new();
    open.add(b"302-0000001-0000001", eur("1428.00")).unwrap();
    for (from, to, kind) in [
        ("1.200,00", "1.200,01", RefusalKind::NotFooting),
        ("1.200,00", "1.200,x", RefusalKind::Malformed),
        ("amount-type", "type", RefusalKind::Unsupported),
        ("\t1.033,45", "\t", RefusalKind::Malformed),
    ] {
        let r = open.settle(Provider::Amazon, bytes(text.replacen(from, to, 1)).as_slice()).unwrap_err();
        assert_eq!(r.kind, kind, "{r}");
        assert_eq!(open.get("302-0000001-0000001").unwrap().paid, eur("0"), "{to}");
    }
    let r = open.settle(Provider::Stripe, text.as_bytes()).unwrap_err();
    assert_eq!(r.kind, RefusalKind::Unsupported);
}

#[test]
fn open_items_from_csv() {
    let mut open = OpenItems::new();
    let csv = "\u{feff}Total,Currency,\"Id\"\n12.50,EUR,a\n1250,JPY,\"b,c\"\n12.50,EUR,a\n12.51,EUR,a\n";
    assert_eq!(read_open_items(csv.as_bytes(), &mut open).unwrap(), 4);
    assert_eq!((open.len(), open.conflicts()), (2, 1));
    assert_eq!(open.get("a").unwrap().due, eur("12.50"));
    assert_eq!(open.get("b,c").unwrap().due, Money::parse("1250", Currency::new("JPY").unwrap()).unwrap());
    for (csv, line) in [
        ("id,total\na,1\n", 0),
        ("id,currency,total\na,EUR,1.234\n", 2),
        ("id,currency,total\na,XXQ,1\n", 2),
        ("id,currency,total\n,EUR,1\n", 2),
        ("id,currency,total\na,EUR\n", 2),
    ] {
        let r = read_open_items(csv.as_bytes(), &mut OpenItems::new()).unwrap_err();
        assert_eq!(r.line, line, "{csv}: {r}");
    }
}

pub(crate) const TITLES: &str = "settlement-id\tsettlement-start-date\tsettlement-end-date\tdeposit-date\ttotal-amount\tcurrency\t\
    transaction-type\torder-id\tmerchant-order-id\tadjustment-id\tshipment-id\tmarketplace-name\tamount-type\t\
    amount-description\tamount\tfulfillment-id\tposted-date\tposted-date-time\torder-item-code\t\
    merchant-order-item-id\tmerchant-adjustment-item-id\tsku\tquantity-purchased\tpromotion-id\n";

fn written(minor: i64, comma: bool) -> String {
    let text = Money::from_minor(minor, Currency::EUR).amount();
    if comma { text.replace('.', ",") } else { text }
}

/// A report of (order, code, amount) rows whose stated total is off by `off`.
fn report(rows: &[(u8, u8, i64)], off: i64, comma: bool) -> String {
    const CODES: [&str; 5] = [
        "ItemPrice\tPrincipal",
        "ItemPrice\tShipping",
        "ItemPrice\tTax",
        "ItemFees\tCommission",
        "ItemFees\tNobodyKnows",
    ];
    let total: i64 = rows.iter().map(|r| r.2).sum::<i64>() + off;
    let mut text = format!(
        "{TITLES}7\t2026-06-01 00:00:00 UTC\t2026-06-14 00:00:00 UTC\t2026-06-16 00:00:00 UTC\t{}\tEUR{}\n",
        written(total, comma),
        "\t".repeat(18)
    );
    for (order, code, minor) in rows {
        let _ = writeln!(
            text,
            "7\t\t\t\t\tEUR\tOrder\torder-{order}\t\t\tS\tamazon.de\t{}\t{}\tAFN\t05.06.2026\t2026-06-05 08:14:22 UTC\t1\t\t\tX\t1\t",
            CODES[usize::from(*code) % CODES.len()],
            written(*minor, comma)
        );
    }
    text
}

/// Blocks of a megabyte are read by several threads: their number shows in nothing.
#[test]
fn the_number_of_threads_does_not_matter() {
    // 20,000 rows are more than two megabytes; every seventh names an order that is not open, and the marks are commas.
    let rows: Vec<(u8, u8, i64)> = (0..20_000_i64)
        .map(|i| (u8::try_from(i % 7).unwrap(), u8::try_from(i % 5).unwrap(), i * 37 % 90_000 + 1))
        .collect();
    let text = report(&rows, 0, true);
    assert!(text.len() > 2 << 20);
    let run = |text: &str, threads: usize| {
        let mut open = OpenItems::new();
        for i in 0..6 {
            open.add(format!("order-{i}").as_bytes(), eur("1.00")).unwrap();
        }
        let result = open.settle_with(Provider::Amazon, text.as_bytes(), threads);
        let paid: Vec<i64> = open.unsettled().map(|i| i.paid.minor()).collect();
        (result, paid)
    };
    let (one, paid) = run(&text, 1);
    let one = one.unwrap();
    assert_eq!(
        (one.lines, one.mismatched, one.unknown.as_slice()),
        (20_000, 6, ["order-6".to_owned()].as_slice())
    );
    let by_hand = |order: u8| rows.iter().filter(|r| r.0 == order && r.1 < 3).map(|r| r.2).sum::<i64>();
    assert_eq!(paid, (0..6).map(by_hand).collect::<Vec<_>>());
    for threads in [2, 3, 8] {
        let (other, also) = run(&text, threads);
        assert_eq!((other.unwrap(), also), (one.clone(), paid.clone()), "{threads} threads");
    }
    // The first fault of the file is named by its line: titles, summary, then row 15,000.
    let line = 15_002;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for at in [line, line + 4_000] {
        lines[at - 1] = lines[at - 1].replacen("\tAFN", "x\tAFN", 1);
    }
    let broken = lines.join("\r\n");
    for threads in [1, 2, 8] {
        let (result, paid) = run(&broken, threads);
        let refusal = result.unwrap_err();
        assert_eq!((refusal.kind, refusal.line), (RefusalKind::Malformed, line as u64), "{refusal}");
        assert_eq!(paid, vec![0; 6]);
    }
}

/// A source that breaks down in a thread takes the whole pass with it: what the other threads read settles nothing.
#[test]
fn a_thread_that_breaks_down_settles_nothing() {
    struct Breaking<'a>(&'a [u8], usize);
    impl std::io::Read for Breaking<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            assert!(
                self.1 < 3 << 20,
                "breaks down on purpose, behind the blocks that are read before there are threads"
            );
            let n = self.0.read(into)?;
            self.1 += n;
            Ok(n)
        }
    }
    let rows: Vec<(u8, u8, i64)> = (0..40_000_i64).map(|i| (0, 0, i + 1)).collect();
    let text = report(&rows, 0, true);
    assert!(text.len() > 4 << 20);
    let mut open = OpenItems::new();
    open.add(b"order-0", eur("1.00")).unwrap();
    let refusal = open.settle_with(Provider::Amazon, Breaking(text.as_bytes(), 0), 2).unwrap_err();
    assert!(refusal.message.contains("nothing was settled"), "{refusal}");
    assert_eq!(open.get("order-0").unwrap().paid, eur("0"));
}

/// An amount that reads two ways waits until its settlement's mark is known.
#[test]
fn an_amount_that_reads_two_ways_waits() {
    let mut open = OpenItems::new();
    open.add(b"order-0", eur("1200.50")).unwrap();
    // The total is written 1.200 and so is the first amount; the second one, 0,50, tells that it is twelve hundred.
    let text = report(&[(0, 0, 120_000), (0, 0, 50), (1, 3, -50)], 0, true).replace("1200,00", "1.200");
    let r = open.settle(Provider::Amazon, text.as_bytes()).unwrap();
    assert_eq!((r.settlements[0].total, r.matched, r.lines), (eur("1200.00"), 1, 3));
    let silent = report(&[(0, 0, 120_000)], 0, true).replace("1200,00", "1.200");
    let r = open.settle(Provider::Amazon, silent.as_bytes()).unwrap_err();
    assert_eq!((r.kind, r.line), (RefusalKind::Malformed, 2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the importer takes, the bulk pass takes, with the same sums per settlement; what the one refuses, the other does.
    #[test]
    fn importer_and_bulk_pass_agree(
        rows in prop::collection::vec((0..6_u8, 0..5_u8, 1..100_000_i64), 1..40),
        off in prop_oneof![4 => Just(0_i64), 1 => -3..3_i64],
        comma in any::<bool>(),
        due in prop::collection::vec(1..100_000_i64, 6),
    ) {
        let text = report(&rows, off, comma);
        // What the buyer paid, by hand: goods, shipping and tax of the order.
        let paid = |order: u8| rows.iter().filter(|r| r.0 == order && r.1 < 3).map(|r| r.2).sum::<i64>();
        let mut open = OpenItems::new();
        let mut orders = String::new();
        for (i, d) in (0_u8..).zip(&due) {
            // Every other order is due exactly what comes.
            let d = if i % 2 == 0 && paid(i) > 0 { paid(i) } else { *d };
            open.add(format!("order-{i}").as_bytes(), Money::from_minor(d, Currency::EUR)).unwrap();
            let _ = writeln!(
                orders,
                "{{\"id\":\"order-{i}\",\"account\":\"amazon\",\"placed_at\":\"2026-06-05T00:00:00Z\",\"currency\":\"EUR\",\"total\":\"{}\",\"lines\":[]}}",
                Money::from_minor(d, Currency::EUR).amount()
            );
        }
        let bulk = open.settle(Provider::Amazon, text.as_bytes());
        let whole = read_bytes(Provider::Amazon, text.as_bytes(), &Sidecar::default());
        prop_assert_eq!(bulk.is_ok(), off == 0);
        prop_assert_eq!(whole.is_ok(), off == 0);
        let (Ok(bulk), Ok(document)) = (bulk, whole) else { return Ok(()) };
        prop_assert_eq!(bulk.settlements[0].total, document.statements[0].total);
        prop_assert_eq!(bulk.lines, rows.len() as u64);
        for i in 0..6_u8 {
            let item = open.get(&format!("order-{i}")).unwrap();
            prop_assert_eq!(item.paid.minor(), paid(i));
        }
        // The reconciliation calls the same orders paid in full.
        let mut facts = Facts::default();
        read::read_bytes("orders", "orders.jsonl", 0, orders.as_bytes(), &mut facts);
        let mut import = Import::default();
        import.files.push(ImportedFile {
            path: "a.txt".into(),
            provider: Provider::Amazon,
            account: "amazon".to_owned(),
            sha256: String::new(),
            document,
        });
        facts.extend(native::from_import(&import));
        let o = recon::run(&facts, &Options::default()).unwrap();
        let gross: BTreeMap<&str, i64> = o.orders.iter().map(|x| (x.id.as_str(), x.gross.minor())).collect();
        for i in 0..6_u8 {
            // A row without goods is no sale to the reconciliation: shipping or tax alone.
            if rows.iter().any(|r| r.0 == i && r.1 == 0) {
                prop_assert_eq!(gross[format!("order-{i}").as_str()], paid(i), "order {}", i);
            }
        }
    }

    /// Whatever the bytes: no panic, and nothing is settled by a report that is refused.
    #[test]
    fn broken_bytes_are_refused(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        noise in prop::collection::vec(any::<u8>(), 0..300),
        pure in any::<bool>(),
    ) {
        let mut bytes = if pure { noise } else { fixture() };
        for (at, value) in damage {
            if !bytes.is_empty() {
                let i = at.index(bytes.len());
                bytes[i] = value;
            }
        }
        let mut open = OpenItems::new();
        open.add(b"302-0000001-0000001", eur("1428.00")).unwrap();
        if open.settle(Provider::Amazon, bytes.as_slice()).is_err() {
            prop_assert_eq!(open.get("302-0000001-0000001").unwrap().paid, eur("0"));
        }
    }
}
