//! DATEV booking batches (EXTF, format 700, category 21): semicolons, Windows-1252, decimal comma, one file per month.
//!
//! A DATEV row has an account and a counter account, our entries have many postings. Each posting becomes a row against one transit
//! account; since an entry balances, the transit account returns to zero. Accounts are numbers: map them (`[accounts]` in the
//! export settings); an unmapped one gets a number of its own from 90000000 up, listed in `accounts.csv`, to be replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use encoding_rs::WINDOWS_1252;

use super::csv::{Sheet, guard};
use super::journals::summaries;
use super::{AccountMap, Books, ExportError, month, save};

/// Counter account of all rows: transit (SKR03 1590).
const TRANSIT: &str = "1590";

fn number(map: &AccountMap, own: &BTreeMap<String, String>, account: &str) -> String {
    let mapped = map.of(account);
    if !mapped.is_empty() && mapped.bytes().all(|b| b.is_ascii_digit()) {
        return mapped.to_owned();
    }
    own.get(account).cloned().unwrap_or_default()
}

fn cell(text: &str, limit: usize) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c == '"' || c == ';' || c.is_control() { ' ' } else { c })
        .take(limit)
        .collect();
    format!("\"{clean}\"")
}

pub(super) fn write(books: &Books, map: &AccountMap, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let all = summaries(books)?;
    let names: BTreeSet<&str> = all.iter().flat_map(|s| &s.lines).map(|(a, _)| a.as_str()).collect();
    let own: BTreeMap<String, String> =
        names.iter().enumerate().map(|(i, a)| ((*a).to_owned(), (90_000_000 + i).to_string())).collect();
    let mut months: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for s in &all {
        months.entry(month(s.date)).or_default().push(s);
    }
    let mut files = Vec::new();
    for (name, parts) in months {
        let Some(day) = parts.first().map(|s| s.date) else { continue };
        let (first, last) = (day.first_of_month(), day.last_of_month());
        let stamp = |d: jiff::civil::Date| d.strftime("%Y%m%d").to_string();
        let mut text = String::new();
        // The creation stamp is the books' day, so that the same books give the same bytes.
        let _ = write!(
            text,
            "\"EXTF\";700;21;\"Buchungsstapel\";13;{}000000000;;\"RE\";\"\";\"\";1001;1;{}0101;8;{};{};{};\"\";1;0;0;\"EUR\";;;;;;;;;\r\n",
            stamp(books.as_of),
            day.year(),
            stamp(first),
            stamp(last),
            cell(&books.title, 30),
        );
        text.push_str(
            "Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;WKZ Umsatz;Kurs;Basis-Umsatz;WKZ Basis-Umsatz;Konto;Gegenkonto (ohne BU-Schlüssel);BU-Schlüssel;Belegdatum;Belegfeld 1;Belegfeld 2;Skonto;Buchungstext\r\n",
        );
        for s in parts {
            for (account, m) in &s.lines {
                let side = if m.is_negative() { "H" } else { "S" };
                let _ = write!(
                    text,
                    "{};\"{side}\";\"{}\";;;;{};{TRANSIT};;{};{};{};;{}\r\n",
                    m.abs().amount().replace('.', ","),
                    s.currency,
                    number(map, &own, account),
                    s.date.strftime("%d%m"),
                    cell(&s.number, 36),
                    cell("", 12),
                    cell(&format!("{} {account}", s.group), 60),
                );
            }
        }
        let path = out.join(format!("EXTF_Buchungsstapel_{name}.csv"));
        save(&path, &WINDOWS_1252.encode(&text).0)?;
        files.push(path);
    }
    let mut sheet = Sheet::new(&["account", "number", "mapped"]);
    for account in names {
        let n = number(map, &own, account);
        let mapped = own.get(account) != Some(&n);
        sheet.row([guard(account), n, mapped.to_string()]);
    }
    let path = out.join("accounts.csv");
    save(&path, &sheet.bytes())?;
    files.push(path);
    Ok(files)
}
