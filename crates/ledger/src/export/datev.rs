//! DATEV booking batches (EXTF, header 700, category 21, format version 13): semicolons, Windows-1252, decimal comma, CR LF; one file per
//! month and currency.
//!
//! A DATEV row has an account and a counter account, our entries have many postings. Each posting becomes a row against one transit
//! account; since an entry balances, the transit account returns to zero. Accounts are numbers of one length: map them; an unmapped one
//! gets a number of its own, listed in `accounts.csv`, to be replaced.
//!
//! A row in another currency than its batch needs a rate and an amount in the batch's (fields 4 to 6), so each currency has a batch of
//! its own, whose header names it (field 22).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use encoding_rs::WINDOWS_1252;
use tradewind_domain::{Currency, Money};

use super::csv::{Sheet, guard};
use super::journals::summaries;
use super::{AccountMap, Books, ExportError, month, save};

/// Counter account of all rows where the map names none: transit (SKR03 1590).
const TRANSIT: &str = "1590";

/// The titles of the 125 fields of a row. `Art n` and `Inhalt n` stand for pairs.
const TITLES: [&str; 71] = [
    "Umsatz (ohne Soll/Haben-Kz)",
    "Soll/Haben-Kennzeichen",
    "WKZ Umsatz",
    "Kurs",
    "Basis-Umsatz",
    "WKZ Basis-Umsatz",
    "Konto",
    "Gegenkonto (ohne BU-Schlüssel)",
    "BU-Schlüssel",
    "Belegdatum",
    "Belegfeld 1",
    "Belegfeld 2",
    "Skonto",
    "Buchungstext",
    "Postensperre",
    "Diverse Adressnummer",
    "Geschäftspartnerbank",
    "Sachverhalt",
    "Zinssperre",
    "Beleglink",
    "Beleginfo - Art |Beleginfo - Inhalt ",
    "KOST1 - Kostenstelle",
    "KOST2 - Kostenstelle",
    "Kost-Menge",
    "EU-Land u. UStID (Bestimmung)",
    "EU-Steuersatz (Bestimmung)",
    "Abw. Versteuerungsart",
    "Sachverhalt L+L",
    "Funktionsergänzung L+L",
    "BU 49 Hauptfunktionstyp",
    "BU 49 Hauptfunktionsnummer",
    "BU 49 Funktionsergänzung",
    "Zusatzinformation - Art |Zusatzinformation- Inhalt ",
    "Stück",
    "Gewicht",
    "Zahlweise",
    "Forderungsart",
    "Veranlagungsjahr",
    "Zugeordnete Fälligkeit",
    "Skontotyp",
    "Auftragsnummer",
    "Buchungstyp",
    "USt-Schlüssel (Anzahlungen)",
    "EU-Land (Anzahlungen)",
    "Sachverhalt L+L (Anzahlungen)",
    "EU-Steuersatz (Anzahlungen)",
    "Erlöskonto (Anzahlungen)",
    "Herkunft-Kz",
    "Buchungs GUID",
    "KOST-Datum",
    "SEPA-Mandatsreferenz",
    "Skontosperre",
    "Gesellschaftername",
    "Beteiligtennummer",
    "Identifikationsnummer",
    "Zeichnernummer",
    "Postensperre bis",
    "Bezeichnung SoBil-Sachverhalt",
    "Kennzeichen SoBil-Buchung",
    "Festschreibung",
    "Leistungsdatum",
    "Datum Zuord. Steuerperiode",
    "Fälligkeit",
    "Generalumkehr (GU)",
    "Steuersatz",
    "Land",
    "Abrechnungsreferenz",
    "BVV-Position",
    "EU-Land u. UStID (Ursprung)",
    "EU-Steuersatz (Ursprung)",
    "Abw. Skontokonto",
];

fn titles() -> Vec<String> {
    let mut out = Vec::with_capacity(125);
    for t in TITLES {
        match t.split_once('|') {
            Some((kind, content)) => {
                let pairs = if kind.starts_with("Beleg") { 8 } else { 20 };
                out.extend((1..=pairs).flat_map(|n| [format!("{kind}{n}"), format!("{content}{n}")]));
            }
            None => out.push(t.to_owned()),
        }
    }
    out
}

/// Fields after the fourteenth that are text: empty, they are a pair of quotes.
fn is_text(field: usize) -> bool {
    matches!(
        field,
        16 | 20..=38 | 40 | 42 | 48..=87 | 91 | 95 | 96 | 98 | 102 | 103 | 105 | 107 | 109 | 110 | 112 | 118 | 120 | 121 | 123
    )
}

/// The numbers of the accounts: one length for all of them, and one digit more for persons.
struct Numbers {
    length: usize,
    transit: String,
    own: BTreeMap<String, String>,
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A setting of the map (`"datev:…" = "…"`): a number within bounds.
fn setting(
    map: &AccountMap,
    key: &str,
    or: u64,
    bounds: std::ops::RangeInclusive<u64>,
) -> Result<u64, ExportError> {
    let Some(text) = map.0.get(key) else { return Ok(or) };
    text.parse().ok().filter(|n| bounds.contains(n)).ok_or_else(|| {
        ExportError::Kind(format!(
            "accounts: \"{key}\" = \"{text}\": expected a number from {} to {}",
            bounds.start(),
            bounds.end()
        ))
    })
}

impl Numbers {
    fn new(map: &AccountMap, names: &BTreeSet<&str>) -> Result<Numbers, ExportError> {
        let mapped: BTreeSet<&str> = names.iter().map(|a| map.of(a)).filter(|n| is_number(n)).collect();
        let lengths: BTreeSet<usize> = mapped.iter().map(|n| n.len()).collect();
        let shortest = lengths.first().copied().unwrap_or(8);
        let told = setting(map, "datev:account-length", u64::try_from(shortest).unwrap_or(8), 4..=8)?;
        let length = usize::try_from(told).unwrap_or(8);
        if let Some(n) = mapped.iter().find(|n| n.len() != length && n.len() != length + 1) {
            return Err(ExportError::Kind(format!(
                "accounts: {n} has {} digits, others have {length}: DATEV's ledger accounts have one length (\"datev:account-length\"), persons one digit more",
                n.len()
            )));
        }
        let transit = match map.0.get("datev:transit") {
            Some(t) if is_number(t) && t.len() == length => t.clone(),
            Some(t) => {
                return Err(ExportError::Kind(format!(
                    "accounts: \"datev:transit\" = \"{t}\": expected a number of {length} digits"
                )));
            }
            // 1590 is 15900000 where accounts have eight digits.
            None => format!("{TRANSIT:0<length$}"),
        };
        if mapped.contains(transit.as_str()) {
            return Err(ExportError::Kind(format!(
                "accounts: {transit} is the transit account: name another one as \"datev:transit\", or map to another number"
            )));
        }
        let first = 9 * 10_u64.pow(u32::try_from(length.saturating_sub(1)).unwrap_or(3));
        let mut free =
            (first..).map(|n| n.to_string()).filter(|n| !mapped.contains(n.as_str()) && *n != transit);
        let mut own = BTreeMap::new();
        for account in names.iter().filter(|a| !is_number(map.of(a))) {
            match free.next().filter(|n| n.len() == length) {
                Some(n) => own.insert((*account).to_owned(), n),
                None => {
                    return Err(ExportError::Kind(format!(
                        "accounts: more accounts are not mapped than there are numbers of {length} digits from {first} up"
                    )));
                }
            };
        }
        Ok(Numbers { length, transit, own })
    }

    fn of<'a>(&'a self, map: &'a AccountMap, account: &'a str) -> &'a str {
        self.own.get(account).map_or_else(|| map.of(account), String::as_str)
    }
}

/// Text in quotes: without control characters, and what the code page lacks as a question mark (the encoder would write an HTML entity,
/// whose semicolon ends the field).
fn cell(text: &str, limit: usize) -> String {
    let known = |c: char| !WINDOWS_1252.encode(c.encode_utf8(&mut [0; 4])).2;
    let clean: String = text
        .chars()
        .map(|c| match c {
            '"' | ';' => ' ',
            c if c.is_control() => ' ',
            c if known(c) => c,
            _ => '?',
        })
        .take(limit)
        .collect();
    format!("\"{clean}\"")
}

/// Ten digits, a comma, two digits: whatever the currency's own exponent is. `None`: it does not fit.
fn amount(m: Money) -> Option<String> {
    let text = m.abs().amount();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (cents, rest) = fraction.split_at(fraction.len().min(2));
    (whole.len() <= 10 && rest.bytes().all(|b| b == b'0')).then(|| format!("{whole},{cents:0<2}"))
}

pub(super) fn write(books: &Books, map: &AccountMap, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let all = summaries(books)?;
    let names: BTreeSet<&str> = all.iter().flat_map(|s| &s.lines).map(|(a, _)| a.as_str()).collect();
    let numbers = Numbers::new(map, &names)?;
    let consultant = setting(map, "datev:consultant", 1001, 1001..=9_999_999)?;
    let client = setting(map, "datev:client", 1, 1..=99_999)?;
    let mut batches: BTreeMap<(String, Currency), Vec<_>> = BTreeMap::new();
    for s in &all {
        batches.entry((month(s.date), s.currency)).or_default().push(s);
    }
    let mut files = Vec::new();
    let mut unfit = Vec::new();
    for ((name, currency), parts) in batches {
        let Some(day) = parts.first().map(|s| s.date) else { continue };
        let (first, last) = (day.first_of_month(), day.last_of_month());
        let stamp = |d: jiff::civil::Date| d.strftime("%Y%m%d").to_string();
        let mut text = String::new();
        // The creation stamp is the books' day, so that the same books give the same bytes.
        let _ = write!(
            text,
            "\"EXTF\";700;21;\"Buchungsstapel\";13;{}000000000;;\"RE\";\"\";\"\";{consultant};{client};{}0101;{};{};{};{};\"\";1;0;0;\"{currency}\";;\"\";;;\"\";;;\"\";\"\"\r\n",
            stamp(books.as_of),
            day.year(),
            numbers.length,
            stamp(first),
            stamp(last),
            cell(&books.title, 30),
        );
        text.push_str(&titles().join(";"));
        text.push_str("\r\n");
        let mut fits = true;
        for s in parts {
            for (account, m) in &s.lines {
                let Some(amount) = amount(*m) else {
                    unfit.push(format!("{m} of {} in {name}", s.number));
                    fits = false;
                    continue;
                };
                let side = if m.is_negative() { "H" } else { "S" };
                let _ = write!(
                    text,
                    "{amount};\"{side}\";\"{currency}\";;;\"\";{};{};\"\";{};{};\"\";;{}",
                    numbers.of(map, account),
                    numbers.transit,
                    s.date.strftime("%d%m"),
                    cell(&s.number.to_ascii_uppercase(), 36),
                    cell(&format!("{} {account}", s.group), 60),
                );
                for field in 15..=125 {
                    text.push_str(if is_text(field) { ";\"\"" } else { ";" });
                }
                text.push_str("\r\n");
            }
        }
        if fits {
            let path = out.join(format!("EXTF_Buchungsstapel_{name}_{currency}.csv"));
            save(&path, &WINDOWS_1252.encode(&text).0)?;
            files.push(path);
        }
    }
    let mut sheet = Sheet::new(&["account", "number", "mapped"]);
    for account in names {
        let mapped = !numbers.own.contains_key(account);
        sheet.row([guard(account), numbers.of(map, account).to_owned(), mapped.to_string()]);
    }
    let path = out.join("accounts.csv");
    save(&path, &sheet.bytes())?;
    files.push(path);
    if let Some(first) = unfit.first() {
        return Err(ExportError::Amount(format!(
            "DATEV's amounts have ten digits and two decimals: {first} does not fit (so do {} in all). The batches of these months and currencies are not written, all others are",
            unfit.len()
        )));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_two_decimals_whatever_the_currency() {
        let a = |m: i64, c: &str| amount(Money::from_minor(m, Currency::new(c).unwrap()));
        assert_eq!(a(-123_456, "EUR").as_deref(), Some("1234,56"));
        assert_eq!(a(9_800, "JPY").as_deref(), Some("9800,00"));
        assert_eq!(a(1_250, "KWD").as_deref(), Some("1,25"));
        // 1.253 dinars, and eleven digits.
        assert_eq!((a(1_253, "KWD"), a(1_234_567_890_100, "EUR")), (None, None));
    }

    #[test]
    fn what_the_code_page_lacks_ends_no_field() {
        assert_eq!(cell("Müller; \"数\"\u{7}€", 60), "\"Müller   ?  €\"");
        assert_eq!(cell("abcdef", 3), "\"abc\"");
    }
}
