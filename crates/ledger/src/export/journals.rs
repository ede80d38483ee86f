//! Journal imports of Xero, QuickBooks Online and NetSuite: one summary per settlement, month and currency.
//!
//! Bookkeepers import a settlement as one document, not an order at a time. A settlement that spans a month end becomes one journal
//! per month; each balances by itself, because every entry does, and the clearing account carries over. A journal has one currency,
//! as all three programs require. The document number is made of the settlement's id, so that a second import updates or is refused
//! as a duplicate instead of doubling.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tradewind_domain::{Currency, Money};

use super::csv::{Sheet, guard};
use super::{AccountMap, Books, ExportError, month, save};

/// One document for another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) number: String,
    pub(super) group: String,
    pub(super) channel: String,
    pub(super) currency: Currency,
    /// Last booking day of the part.
    pub(super) date: Date,
    /// Account → balance moved; never zero.
    pub(super) lines: Vec<(String, Money)>,
}

pub(super) fn summaries(books: &Books) -> Result<Vec<Summary>, ExportError> {
    type Key = (String, String, Currency, String);
    let mut parts: BTreeMap<Key, (Date, BTreeMap<String, Money>)> = BTreeMap::new();
    for e in &books.journal {
        for p in &e.postings {
            let c = p.amount.currency();
            let key = (month(e.date), e.group.clone(), c, e.channel.clone());
            let part = parts.entry(key).or_insert((e.date, BTreeMap::new()));
            part.0 = part.0.max(e.date);
            let slot = part.1.entry(p.account.clone()).or_insert(Money::zero(c));
            *slot = slot.try_add(p.amount).map_err(|e| ExportError::Amount(e.to_string()))?;
        }
    }
    Ok(parts
        .into_iter()
        .map(|((month, group, currency, channel), (date, lines))| Summary {
            number: number(&channel, &group, &month, currency),
            group,
            channel,
            currency,
            date,
            lines: lines.into_iter().filter(|(_, m)| !m.is_zero()).collect(),
        })
        .filter(|s| !s.lines.is_empty())
        .collect())
}

/// At most 21 signs (QuickBooks' limit), unique and stable: `AMAZ-2606-1a2b3c4d5e`.
fn number(channel: &str, group: &str, month: &str, currency: Currency) -> String {
    let digest = hex::encode(Sha256::digest(format!("{channel}\0{group}\0{month}\0{currency}").as_bytes()));
    let tag: String =
        channel.chars().filter(char::is_ascii_alphanumeric).take(4).collect::<String>().to_ascii_uppercase();
    let compact: String = month.chars().filter(char::is_ascii_digit).skip(2).collect();
    format!("{tag}-{compact}-{}", digest.get(..10).unwrap_or_default())
}

fn sides(m: Money) -> (String, String) {
    if m.is_negative() { (String::new(), m.abs().amount()) } else { (m.amount(), String::new()) }
}

fn by_currency(all: Vec<Summary>) -> BTreeMap<Currency, Vec<Summary>> {
    let mut out: BTreeMap<Currency, Vec<Summary>> = BTreeMap::new();
    for s in all {
        out.entry(s.currency).or_default().push(s);
    }
    out
}

/// Manual journals. Xero's manual journals carry no currency: import only the file of the organisation's base currency.
pub(super) fn xero(books: &Books, map: &AccountMap, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut files = Vec::new();
    for (currency, all) in by_currency(summaries(books)?) {
        let mut s = Sheet::new(&[
            "*Narration",
            "*Date",
            "Description",
            "*AccountCode",
            "*TaxRate",
            "*Amount",
            "TrackingName1",
            "TrackingOption1",
        ]);
        for j in &all {
            for (account, m) in &j.lines {
                s.row([
                    guard(&format!("{} {}", j.number, j.group)),
                    j.date.strftime("%d/%m/%Y").to_string(),
                    guard(account),
                    guard(map.of(account)),
                    "Tax Exempt".to_owned(),
                    m.amount(),
                    "Channel".to_owned(),
                    guard(&j.channel),
                ]);
            }
        }
        let path = out.join(format!("xero-manual-journals-{currency}.csv"));
        save(&path, &s.bytes())?;
        files.push(path);
    }
    Ok(files)
}

/// Journal entries. The exchange rate is left to QuickBooks, which takes home units per foreign unit of the day.
pub(super) fn quickbooks(books: &Books, map: &AccountMap, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut s = Sheet::new(&[
        "*JournalNo",
        "*JournalDate",
        "*AccountName",
        "*Debits",
        "*Credits",
        "Description",
        "Name",
        "Currency",
        "Location",
        "Class",
    ]);
    for j in summaries(books)? {
        for (account, m) in &j.lines {
            let (debit, credit) = sides(*m);
            s.row([
                j.number.clone(),
                j.date.strftime("%m/%d/%Y").to_string(),
                guard(map.of(account)),
                debit,
                credit,
                guard(&format!("{} {account}", j.group)),
                String::new(),
                j.currency.to_string(),
                String::new(),
                guard(&j.channel),
            ]);
        }
    }
    let path = out.join("quickbooks-journal-entries.csv");
    save(&path, &s.bytes())?;
    Ok(vec![path])
}

/// Journal entries by CSV import.
pub(super) fn netsuite(books: &Books, map: &AccountMap, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut s = Sheet::new(&[
        "External ID",
        "Date",
        "Currency",
        "Account",
        "Debit",
        "Credit",
        "Memo",
        "Subsidiary",
        "Department",
        "Line",
    ]);
    for j in summaries(books)? {
        for (n, (account, m)) in j.lines.iter().enumerate() {
            let (debit, credit) = sides(*m);
            s.row([
                j.number.clone(),
                j.date.strftime("%m/%d/%Y").to_string(),
                j.currency.to_string(),
                guard(map.of(account)),
                debit,
                credit,
                guard(&format!("{} {account}", j.group)),
                guard(&books.title),
                guard(&j.channel),
                (n + 1).to_string(),
            ]);
        }
    }
    let path = out.join("netsuite-journal-entries.csv");
    save(&path, &s.bytes())?;
    Ok(vec![path])
}
