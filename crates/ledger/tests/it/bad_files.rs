//! Files as they arrive damaged or rewritten: what must not matter does not, and what matters refuses with its place.

use std::fs;
use std::path::PathBuf;

use tradewind_ledger::import::{Document, Provider, RefusalKind, Sidecar, read_bytes};

/// Text fixtures with their delimiter.
const TEXT: &[(Provider, &str, u8)] = &[
    (Provider::Amazon, "amazon-eur.txt", b'\t'),
    (Provider::Wechatpay, "wechat-fund.csv", b','),
    (Provider::Wechatpay, "wechat-trade.csv", b','),
    (Provider::Alipay, "alipay-fund.csv", b','),
    (Provider::Bank, "bank-de.csv", b';'),
    (Provider::Carrier, "carrier.csv", b','),
];

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// Everything that a document says, as text.
fn said(d: &Document) -> String {
    format!("{:?}{:?}{:?}{:?}{:?}", d.transactions, d.statements, d.payouts, d.bank, d.carrier)
}

fn read(provider: Provider, bytes: &[u8]) -> String {
    said(&read_bytes(provider, bytes, &Sidecar::default()).unwrap())
}

#[test]
fn byte_order_marks_and_line_ends_do_not_matter() {
    for (provider, name, _) in TEXT {
        let bytes = fixture(name);
        let whole = read(*provider, &bytes);
        let unix: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'\r').collect();
        let mut windows = Vec::new();
        for b in &unix {
            if *b == b'\n' {
                windows.push(b'\r');
            }
            windows.push(*b);
        }
        assert_eq!(read(*provider, &unix), whole, "{name} with LF");
        assert_eq!(read(*provider, &windows), whole, "{name} with CRLF");
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let marked = format!("\u{feff}{}", text.trim_start_matches('\u{feff}'));
            assert_eq!(read(*provider, marked.as_bytes()), whole, "{name} with a mark");
        }
    }
}

#[test]
fn another_delimiter_or_no_title_row_refuses() {
    for (provider, name, delimiter) in TEXT {
        let bytes = fixture(name);
        let other: Vec<u8> = bytes.iter().map(|b| if b == delimiter { b'|' } else { *b }).collect();
        let r = read_bytes(*provider, &other, &Sidecar::default()).unwrap_err();
        assert!(
            matches!(r.kind, RefusalKind::Unsupported | RefusalKind::Malformed | RefusalKind::Truncated),
            "{name}: {r}"
        );
        assert!(r.message.len() > 20, "{name}: {r}");
        // The German bank puts a line of its own before the titles.
        let titles = if *name == "bank-de.csv" { 2 } else { 1 };
        let headless: Vec<u8> =
            bytes.split_inclusive(|b| *b == b'\n').skip(titles).flatten().copied().collect();
        let r = read_bytes(*provider, &headless, &Sidecar::default()).unwrap_err();
        assert!(
            matches!(r.kind, RefusalKind::Unsupported | RefusalKind::Malformed | RefusalKind::Truncated),
            "{name}: {r}"
        );
    }
}

#[test]
fn a_cell_that_is_no_amount_is_named_by_its_line() {
    // One cell of one row is broken; the refusal names that row and shows the cell.
    for (provider, name, from, line) in [
        (Provider::Amazon, "amazon-eur.txt", "-180,00", 6),
        (Provider::Carrier, "carrier.csv", "13.10", 2),
        (Provider::Bank, "bank-de.csv", "1.033,45", 0),
    ] {
        let text: String = fixture(name).iter().map(|b| char::from(*b)).collect();
        assert!(text.contains(from), "{name}");
        let line = if line > 0 {
            line
        } else {
            text.lines().position(|l| l.contains(from)).map_or(0, |i| i as u64 + 1)
        };
        let broken: Vec<u8> =
            text.replacen(from, "12x4", 1).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let r = read_bytes(provider, &broken, &Sidecar::default()).unwrap_err();
        assert_eq!((r.kind, r.line), (RefusalKind::Malformed, line), "{name}: {r}");
        // The bank's file is read as a whole first, for its decimal mark; the others show the cell.
        assert!(provider == Provider::Bank || r.message.contains("12x4"), "{name}: {r}");
    }
}

#[test]
fn nothing_binary_and_nothing_empty_is_taken() {
    for provider in Provider::ALL {
        for bytes in [
            b"".as_slice(),
            b"\n\n\n",
            b"\0\0\0\0",
            b"PK\x03\x04 no archive",
            b"\x1f\x8b no gzip",
            b"[",
            b"<a>",
            b"{}",
        ] {
            let r = read_bytes(provider, bytes, &Sidecar::default());
            assert!(
                r.is_err() || r.is_ok_and(|d| d.transactions.is_empty() && d.statements.is_empty()),
                "{provider}"
            );
        }
    }
}
