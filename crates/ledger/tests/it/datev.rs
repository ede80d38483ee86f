//! DATEV booking batches, read by a reader of their own.
//!
//! The format by name and number of field: DATEV's own pages (developer.datev.de, DATEV-Format: Einstieg, Header, Buchungsstapel; header
//! 700, format version 13), and, written by others, the Ruby gem `ledermann/datev` (lib/datev/base/header.rb, booking.rb and its example
//! file, which DATEV's test program took) and the Rust crate `datev-types` 0.4 (header.rs). `aliuyar1234/datev-lint` counts one
//! reserved field more before the consultant than all of them, and is not followed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};
use tradewind_ledger::export::{AccountMap, Books, Entry, Kind, Posting, write};

use crate::exports::{Temp, books};

/// A field as it stands: text in quotes, or bare.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Text(String),
    Bare(String),
}

impl Field {
    fn value(&self) -> &str {
        match self {
            Field::Text(s) | Field::Bare(s) => s,
        }
    }
}

/// Semicolons; text in quotes, quotes in it doubled (Einstieg, "Technischer Aufbau").
fn fields(line: &str) -> Vec<Field> {
    let mut out = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(mut text) => {
                let mut value = String::new();
                loop {
                    let end = text.find('"').expect("the quote is closed");
                    value.push_str(&text[..end]);
                    text = &text[end + 1..];
                    match text.strip_prefix('"') {
                        Some(more) => {
                            value.push('"');
                            text = more;
                        }
                        None => break,
                    }
                }
                (Field::Text(value), text)
            }
            None => {
                let end = rest.find(';').unwrap_or(rest.len());
                (Field::Bare(rest[..end].to_owned()), &rest[end..])
            }
        };
        out.push(field);
        match after.strip_prefix(';') {
            Some(more) => rest = more,
            None => {
                assert_eq!(after, "", "a field ends with ';' or the line: {line}");
                return out;
            }
        }
    }
}

struct Batch {
    header: Vec<Field>,
    titles: Vec<String>,
    rows: Vec<Vec<Field>>,
}

fn digits(text: &str, n: usize) -> bool {
    text.len() == n && text.bytes().all(|b| b.is_ascii_digit())
}

fn day(text: &str) -> Date {
    assert!(digits(text, 8), "{text}");
    format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]).parse().unwrap()
}

/// Header fields that are text, of DATEV's example; field 23, 25, 26, 28 and 29 are reserved or a number.
const HEADER_TEXT: [usize; 11] = [1, 4, 8, 9, 10, 17, 18, 22, 24, 30, 31];

/// Reads a batch, and holds it against the expressions of the format.
fn read(path: &Path) -> Batch {
    let bytes = fs::read(path).unwrap();
    let (text, _, bad) = encoding_rs::WINDOWS_1252.decode(&bytes);
    assert!(!bad && !bytes.starts_with(b"\xef\xbb\xbf"));
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("EXTF_") && name.ends_with(".csv"), "{name}");
    let lines: Vec<&str> = text.strip_suffix("\r\n").expect("CR LF at the end").split("\r\n").collect();
    assert!(lines.iter().all(|l| !l.contains(['\r', '\n'])), "CR LF at the end of each line");
    let header = fields(lines[0]);
    assert_eq!(header.len(), 31);
    for (i, f) in header.iter().enumerate() {
        let text = HEADER_TEXT.contains(&(i + 1)) || i + 1 == 27;
        assert_eq!(matches!(f, Field::Text(_)), text, "header field {}", i + 1);
    }
    let h = |n: usize| header[n - 1].value();
    // 1 Kennzeichen, 2 Versionsnummer, 3 Formatkategorie, 4 Formatname, 5 Formatversion.
    assert_eq!([h(1), h(2), h(3), h(4), h(5)], ["EXTF", "700", "21", "Buchungsstapel", "13"]);
    // 6 Erzeugt am: YYYYMMDDHHMMSSFFF; 7 importiert am is DATEV's.
    assert!(digits(h(6), 17) && h(7).is_empty());
    // 11 Beraternummer 1001–9999999, 12 Mandantennummer 1–99999.
    assert!((1001..=9_999_999).contains(&h(11).parse::<u32>().unwrap()));
    assert!((1..=99_999).contains(&h(12).parse::<u32>().unwrap()));
    // 13 WJ-Beginn, 14 Sachkontenlänge 4–8, 15 Datum von, 16 Datum bis within the financial year.
    let (year, length, from, to) = (day(h(13)), h(14).parse::<usize>().unwrap(), day(h(15)), day(h(16)));
    assert!((4..=8).contains(&length) && year <= from && from <= to);
    assert!(year.until(to).unwrap().get_days() < 366);
    // 17 Bezeichnung ≤ 30, 19 Buchungstyp 1 = Finanzbuchführung, 20 Rechnungslegungszweck, 21 Festschreibung, 22 WKZ.
    assert!(h(17).chars().count() <= 30);
    assert_eq!([h(19), h(20), h(21)], ["1", "0", "0"]);
    assert!(Currency::new(h(22)).is_ok());
    let titles: Vec<String> = lines[1].split(';').map(str::to_owned).collect();
    let rows: Vec<Vec<Field>> = lines[2..].iter().map(|l| fields(l)).collect();
    for row in &rows {
        assert_eq!(row.len(), 125);
        let f = |n: usize| row[n - 1].value();
        // 1 Umsatz: ^\d{1,10}[,]\d{2}$, positive and never 0,00.
        let (whole, cents) = f(1).split_once(',').unwrap();
        assert!(
            (1..=10).contains(&whole.len()) && digits(whole, whole.len()) && digits(cents, 2),
            "{}",
            f(1)
        );
        assert_ne!(f(1).trim_matches(['0', ',']), "");
        // 2 Soll/Haben, of field 7. 3 WKZ as in the header: else 4 Kurs, 5 Basis-Umsatz and 6 WKZ Basis-Umsatz would be needed.
        assert!(matches!(&row[1], Field::Text(s) if s == "S" || s == "H"));
        assert_eq!(row[2], Field::Text(h(22).to_owned()));
        assert_eq!([f(4), f(5), f(6)], ["", "", ""]);
        // 7 Konto, 8 Gegenkonto: digits of the length of field 14, one more for persons.
        for n in [7, 8] {
            assert!(matches!(&row[n - 1], Field::Bare(_)) && digits(f(n), f(n).len()), "{}", f(n));
            assert!(f(n).len() == length || f(n).len() == length + 1, "{} of {length}", f(n));
        }
        // 9 BU-Schlüssel: none. 10 Belegdatum: TTMM within 15 and 16.
        assert_eq!(row[8], Field::Text(String::new()));
        assert!(matches!(&row[9], Field::Bare(_)) && digits(f(10), 4));
        let date: Date = format!("{}-{}-{}", from.year(), &f(10)[2..], &f(10)[..2]).parse().unwrap();
        assert!(from <= date && date <= to, "{date}");
        // 11 Belegfeld 1: up to 36 of letters, digits and _$&%*+-/. 14 Buchungstext up to 60.
        assert!(!f(11).is_empty() && f(11).len() <= 36);
        assert!(
            f(11).chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_$&%*+-/".contains(c))
        );
        assert!(f(14).chars().count() <= 60);
        assert!(!f(14).contains("&#"), "an entity is no text: {}", f(14));
        assert!(row[14..].iter().all(|x| x.value().is_empty()));
    }
    Batch { header, titles, rows }
}

/// Σ by account, debit positive, in hundredths.
fn sums(batch: &Batch) -> BTreeMap<String, i64> {
    let mut out: BTreeMap<String, i64> = BTreeMap::new();
    for row in &batch.rows {
        let amount: i64 = row[0].value().replace(',', "").parse().unwrap();
        let signed = if row[1].value() == "S" { amount } else { -amount };
        *out.entry(row[6].value().to_owned()).or_default() += signed;
        // S is of the account, so the counter account is credited.
        *out.entry(row[7].value().to_owned()).or_default() -= signed;
    }
    out
}

fn map(pairs: &[(&str, &str)]) -> AccountMap {
    AccountMap(pairs.iter().map(|(a, n)| ((*a).to_owned(), (*n).to_owned())).collect())
}

#[test]
fn batches_are_what_the_format_says_and_hold_the_books() {
    let temp = Temp::new("datev-format");
    let b = books();
    let files = write(Kind::Datev, &b, &map(&[("income:sales", "8200"), ("expenses:fees", "4970")]), &temp.0)
        .unwrap();
    let batches: Vec<Batch> =
        files.iter().filter(|f| !f.ends_with("accounts.csv")).map(|f| read(f)).collect();
    // Of the fields that the books fill, and marks along the way, their number and title.
    for (n, title) in [
        (1, "Umsatz (ohne Soll/Haben-Kz)"),
        (2, "Soll/Haben-Kennzeichen"),
        (3, "WKZ Umsatz"),
        (7, "Konto"),
        (8, "Gegenkonto (ohne BU-Schlüssel)"),
        (9, "BU-Schlüssel"),
        (10, "Belegdatum"),
        (11, "Belegfeld 1"),
        (14, "Buchungstext"),
        (21, "Beleginfo - Art 1"),
        (36, "Beleginfo - Inhalt 8"),
        (48, "Zusatzinformation - Art 1"),
        (87, "Zusatzinformation- Inhalt 20"),
        (114, "Festschreibung"),
        (117, "Fälligkeit"),
        (125, "Abw. Skontokonto"),
    ] {
        assert!(batches.iter().all(|x| x.titles.len() == 125 && x.titles[n - 1] == title), "{n} {title}");
    }
    // What is in all batches of a currency is the trial balance, account by account; the transit account is zero.
    let numbers = fs::read_to_string(temp.0.join("accounts.csv")).unwrap();
    let number: BTreeMap<&str, &str> = numbers
        .lines()
        .skip(1)
        .map(|l| {
            let cells: Vec<&str> = l.split(',').collect();
            (cells[0], cells[1])
        })
        .collect();
    let mut booked: BTreeMap<(String, String), i64> = BTreeMap::new();
    for x in &batches {
        for (account, m) in sums(x) {
            *booked.entry((x.header[21].value().to_owned(), account)).or_default() += m;
        }
    }
    let mut expected: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (c, accounts) in b.trial_balance().unwrap() {
        // An account that returned to zero in every part of the books is in none of them.
        for (account, m) in accounts.into_iter().filter(|(_, m)| !m.is_zero()) {
            // Hundredths, as DATEV writes every currency.
            let hundredths = match c.exponent() {
                0 => m.minor() * 100,
                2 => m.minor(),
                _ => m.minor() / 10,
            };
            *expected.entry((c.to_string(), number[account.as_str()].to_owned())).or_default() += hundredths;
        }
    }
    booked.retain(|_, m| *m != 0);
    expected.retain(|_, m| *m != 0);
    assert_eq!(booked, expected);
    assert!(batches.iter().all(|x| sums(x).get("1590") == Some(&0)), "transit returns to zero in each batch");
    assert!(number.values().any(|n| *n == "8200"));
}

fn one(amount: &str, currency: &str, title: &str) -> Books {
    let c = Currency::new(currency).unwrap();
    let m = Money::parse(amount, c).unwrap();
    let mut b = Books::new(title, Date::constant(2026, 6, 30));
    b.journal.push(Entry {
        id: "e".to_owned(),
        date: Date::constant(2026, 6, 5),
        text: "t".to_owned(),
        group: "Stück 数; \"x\"".to_owned(),
        channel: "stripe".to_owned(),
        trace: Vec::new(),
        reverses: String::new(),
        meant: Date::constant(2026, 6, 5),
        number: 1,
        hash: String::new(),
        postings: vec![
            Posting { account: "assets:bank:main".to_owned(), amount: m },
            Posting { account: "income:sales:stripe".to_owned(), amount: m.negated() },
        ],
    });
    b
}

#[test]
fn yen_have_decimals_and_what_does_not_fit_is_refused() {
    let temp = Temp::new("datev-yen");
    let files = write(Kind::Datev, &one("9800", "JPY", "Büro 数"), &AccountMap::default(), &temp.0).unwrap();
    let x = read(&files[0]);
    // Debit of the bank: S on the account; sales: H. Unmapped accounts have eight digits, and so has the transit account.
    let row = |n: usize| [1, 2, 3, 7, 8, 10, 14].map(|f| x.rows[n][f - 1].value().to_owned());
    assert_eq!(
        row(0),
        ["9800,00", "S", "JPY", "90000000", "15900000", "0506", "Stück ?   x  assets:bank:main"]
    );
    assert_eq!(row(1)[..4], ["9800,00", "H", "JPY", "90000001"]);
    assert_eq!((x.header[13].value(), x.header[16].value()), ("8", "Büro ?"));
    // A thousandth of a dinar has no place.
    let told = write(Kind::Datev, &one("1.253", "KWD", "t"), &AccountMap::default(), &temp.0)
        .unwrap_err()
        .to_string();
    assert!(told.contains("1.253 KWD") && told.contains("two decimals"), "{told}");
    assert!(!temp.0.join("EXTF_Buchungsstapel_2026-06_KWD.csv").exists());
}

#[test]
fn account_numbers_have_one_length() {
    let temp = Temp::new("datev-length");
    let go = |pairs: &[(&str, &str)]| write(Kind::Datev, &one("1.00", "EUR", "t"), &map(pairs), &temp.0);
    // Six digits, and a person with seven.
    let files = go(&[
        ("income:sales", "820000"),
        ("assets:bank", "1000001"),
        ("datev:consultant", "29098"),
        ("datev:client", "55003"),
    ])
    .unwrap();
    let x = read(&files[0]);
    assert_eq!((x.header[13].value(), x.header[10].value(), x.header[11].value()), ("6", "29098", "55003"));
    assert_eq!(x.rows[0][7].value(), "159000");
    for (pairs, says) in [
        (&[("income:sales", "8200"), ("assets:bank", "120000")][..], "120000 has 6 digits, others have 4"),
        (&[("income:sales", "1590")], "1590 is the transit account"),
        (&[("income:sales", "8200"), ("datev:transit", "99")], "expected a number of 4 digits"),
        (&[("datev:consultant", "7")], "from 1001 to 9999999"),
    ] {
        let told = go(pairs).unwrap_err().to_string();
        assert!(told.contains(says), "{says} in {told}");
    }
    let files = go(&[("income:sales", "1590"), ("datev:transit", "1360")]).unwrap();
    assert_eq!(read(&files[0]).rows[0][7].value(), "1360");
}
