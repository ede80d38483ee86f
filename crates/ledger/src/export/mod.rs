//! Exports: the books as files that finance opens, imports elsewhere, or checks with another program.
//!
//! This is the last room of the ledger: nothing is decided here. A [`Books`] holds what is to be written; [`Books::sort`] puts it in
//! its one order, so that the same facts give the same bytes whatever order they came in. No file holds the time at which it was
//! made.

mod beancount;
mod csv;
mod datev;
mod from_outcome;
mod hledger;
mod journals;
mod names;
#[cfg(feature = "parquet")]
mod parquet;
mod xlsx;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use tradewind_domain::{Currency, Decimal, Money};

pub use xlsx::{detail_workbook, workbook};

/// One account moved by one amount; positive is debit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Account of our chart, such as `assets:clearing:amazon:eu:EUR`.
    pub account: String,
    /// Debit positive, credit negative.
    pub amount: Money,
}

/// A journal entry: balanced per currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Stable id.
    pub id: String,
    /// Booking date in the entity's zone.
    pub date: Date,
    /// What happened, in a few words.
    pub text: String,
    /// Settlement, payout or statement that it belongs to; summaries group by it.
    pub group: String,
    /// Channel or provider, for dimensions.
    pub channel: String,
    /// Ids of the source rows.
    pub trace: Vec<String>,
    /// The entry that it takes back or corrects.
    pub reverses: String,
    /// Day that it belongs to: another one than `date` where that day is closed.
    pub meant: Date,
    /// Its place in the order of booking, which is the order of the hashes.
    pub number: usize,
    /// Hash over the entry and the hash of the one booked before it.
    pub hash: String,
    /// The postings.
    pub postings: Vec<Posting>,
}

/// Totals of one channel account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Channel or provider.
    pub channel: String,
    /// Account at it.
    pub account: String,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Balance before.
    pub opening: Money,
    /// Goods and shipping sold, gross.
    pub sales: Money,
    /// Given back to buyers (negative).
    pub refunds: Money,
    /// Costs by kind (negative).
    pub fees: BTreeMap<String, Money>,
    /// Taxes collected and withheld.
    pub taxes: Money,
    /// Held back (negative) and released.
    pub reserve: Money,
    /// Exchanged away or in.
    pub fx: Money,
    /// Everything else with a name: disputes, reimbursements, transfers, loans, duties.
    pub other: Money,
    /// Sent to the bank (negative).
    pub payouts: Money,
    /// What of it has arrived there by the bank's own lines (positive, as it was sent).
    pub arrived: Money,
    /// Balance after.
    pub closing: Money,
    /// What no table or match explains.
    pub unexplained: Money,
}

impl Summary {
    /// An empty row.
    #[must_use]
    pub fn new(channel: &str, account: &str, currency: Currency) -> Summary {
        let zero = Money::zero(currency);
        Summary {
            channel: channel.to_owned(),
            account: account.to_owned(),
            currency,
            opening: zero,
            sales: zero,
            refunds: zero,
            fees: BTreeMap::new(),
            taxes: zero,
            reserve: zero,
            fx: zero,
            other: zero,
            payouts: zero,
            arrived: zero,
            closing: zero,
            unexplained: zero,
        }
    }

    /// What `closing` must be: the opening balance and everything between.
    ///
    /// # Errors
    /// The sum is out of range.
    pub fn expected_closing(&self) -> Result<Money, ExportError> {
        Money::try_sum(
            self.currency,
            [
                self.opening,
                self.sales,
                self.refunds,
                self.fee_total(),
                self.taxes,
                self.reserve,
                self.fx,
                self.other,
                self.payouts,
                self.unexplained,
            ],
        )
        .map_err(|e| ExportError::Amount(e.to_string()))
    }

    /// Sum of the fees.
    #[must_use]
    pub fn fee_total(&self) -> Money {
        Money::try_sum(self.currency, self.fees.values().copied()).unwrap_or(Money::zero(self.currency))
    }
}

/// A settlement, statement or batch, or a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// `statement` or `payout`.
    pub kind: &'static str,
    /// The provider's id.
    pub id: String,
    /// Channel or provider.
    pub channel: String,
    /// Account at it.
    pub account: String,
    /// First day.
    pub from: Option<Date>,
    /// Last day.
    pub to: Option<Date>,
    /// Day of the transfer.
    pub deposit: Option<Date>,
    /// As stated.
    pub total: Money,
    /// Sum of its lines, where lines tell of it.
    pub sum: Option<Money>,
    /// What arrives after the provider's conversion.
    pub converted: Option<Money>,
    /// Bank lines that paid it.
    pub bank: Vec<String>,
    /// Where it stands.
    pub state: String,
}

/// A source line with where it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Unique id of the source row.
    pub id: String,
    /// Channel or provider.
    pub channel: String,
    /// Account at it.
    pub account: String,
    /// Day in the source's zone.
    pub date: Date,
    /// The provider's kind.
    pub kind: String,
    /// The provider's code.
    pub code: String,
    /// What it is in our books.
    pub class: String,
    /// Order reference.
    pub order: String,
    /// Settlement or payout.
    pub group: String,
    /// Signed from our side.
    pub amount: Money,
    /// The journal entry that booked it.
    pub entry: String,
}

/// A match between records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Stable id.
    pub id: String,
    /// The rule that linked them.
    pub rule: String,
    /// Records on one side.
    pub left: Vec<String>,
    /// Records on the other.
    pub right: Vec<String>,
    /// Amount matched.
    pub amount: Money,
    /// What remained.
    pub residual: Money,
    /// Booking date, for partitions.
    pub date: Date,
}

/// Something that does not agree, or needs a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Reason code of the closed list.
    pub reason: String,
    /// The amount in question.
    pub amount: Money,
    /// Ids that prove it.
    pub records: Vec<String>,
    /// In words.
    pub explanation: String,
    /// The numbers whose sum is `amount`.
    pub evidence: String,
    /// What part of it nobody can account for.
    pub unexplained: Money,
    /// `open`, `accepted` by a user, or `explained`: its reason accounts for all of it and asks nobody.
    pub state: &'static str,
    /// Day, for partitions.
    pub date: Date,
}

/// A row or document that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotTaken {
    /// The file.
    pub file: String,
    /// Its row; 0: the whole file.
    pub row: u64,
    /// What is wrong and what to do.
    pub message: String,
}

/// A rate that the books used or measured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FxRate {
    /// As of.
    pub date: Date,
    /// One unit of this …
    pub base: Currency,
    /// … in that.
    pub quote: Currency,
    /// The rate.
    pub rate: Decimal,
    /// Who says so.
    pub source: String,
}

/// Everything that an export can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// Legal entity or title.
    pub title: String,
    /// Last day included; stands for "when" in file properties.
    pub as_of: Date,
    /// Journal.
    pub journal: Vec<Entry>,
    /// Per channel, account and currency.
    pub summary: Vec<Summary>,
    /// Settlements.
    pub settlements: Vec<Settlement>,
    /// Source lines.
    pub lines: Vec<Line>,
    /// Matches.
    pub matches: Vec<Match>,
    /// Differences and exceptions.
    pub exceptions: Vec<Exception>,
    /// Rates.
    pub fx: Vec<FxRate>,
    /// What exchange could not be measured, in words.
    pub fx_notes: Vec<String>,
    /// Landed cost, order by order.
    pub landed: Vec<crate::recon::duties::Duty>,
    /// Rows and documents that were not taken.
    pub not_taken: Vec<NotTaken>,
}

impl Books {
    /// Empty books.
    #[must_use]
    pub fn new(title: &str, as_of: Date) -> Books {
        Books {
            title: title.to_owned(),
            as_of,
            journal: Vec::new(),
            summary: Vec::new(),
            settlements: Vec::new(),
            lines: Vec::new(),
            matches: Vec::new(),
            exceptions: Vec::new(),
            fx: Vec::new(),
            fx_notes: Vec::new(),
            landed: Vec::new(),
            not_taken: Vec::new(),
        }
    }

    /// Puts everything in its one order: by date, then id.
    pub fn sort(&mut self) {
        for e in &mut self.journal {
            e.trace.sort();
            e.postings.sort_by(|a, b| {
                a.account
                    .cmp(&b.account)
                    .then(a.amount.currency().cmp(&b.amount.currency()))
                    .then(a.amount.minor().cmp(&b.amount.minor()))
            });
        }
        self.journal.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.id.cmp(&b.id)));
        self.summary
            .sort_by(|a, b| (&a.channel, &a.account, a.currency).cmp(&(&b.channel, &b.account, b.currency)));
        self.settlements.sort_by(|a, b| {
            (&a.channel, &a.account, a.kind, &a.id, a.total.currency()).cmp(&(
                &b.channel,
                &b.account,
                b.kind,
                &b.id,
                b.total.currency(),
            ))
        });
        self.lines.sort_by(|a, b| {
            (a.date, &a.channel, &a.id, &a.code)
                .cmp(&(b.date, &b.channel, &b.id, &b.code))
                .then(a.amount.minor().cmp(&b.amount.minor()))
        });
        for m in &mut self.matches {
            m.left.sort();
            m.right.sort();
        }
        self.matches.sort_by(|a, b| (a.date, &a.id).cmp(&(b.date, &b.id)));
        for e in &mut self.exceptions {
            e.records.sort();
        }
        self.exceptions.sort_by(|a, b| {
            (a.date, &a.reason, &a.records, a.amount.currency(), a.amount.minor(), &a.explanation).cmp(&(
                b.date,
                &b.reason,
                &b.records,
                b.amount.currency(),
                b.amount.minor(),
                &b.explanation,
            ))
        });
        self.fx.sort_by(|a, b| {
            (a.date, a.base, a.quote, &a.source, a.rate).cmp(&(b.date, b.base, b.quote, &b.source, b.rate))
        });
        self.fx.dedup();
        self.not_taken.sort();
    }

    /// Σ per currency and account.
    ///
    /// # Errors
    /// A balance is out of range.
    pub fn trial_balance(&self) -> Result<BTreeMap<Currency, BTreeMap<String, Money>>, ExportError> {
        let mut out: BTreeMap<Currency, BTreeMap<String, Money>> = BTreeMap::new();
        for p in self.journal.iter().flat_map(|e| &e.postings) {
            let slot = out
                .entry(p.amount.currency())
                .or_default()
                .entry(p.account.clone())
                .or_insert(Money::zero(p.amount.currency()));
            *slot = slot.try_add(p.amount).map_err(|e| ExportError::Amount(e.to_string()))?;
        }
        Ok(out)
    }

    /// Refuses books that do not balance: every entry, per currency, and every summary. An export is the last place to notice.
    ///
    /// # Errors
    /// [`ExportError::Unbalanced`] names the entry, [`ExportError::Summary`] the channel.
    pub fn check(&self) -> Result<(), ExportError> {
        for e in &self.journal {
            let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
            for p in &e.postings {
                *sums.entry(p.amount.currency()).or_default() += i128::from(p.amount.minor());
            }
            if let Some((currency, _)) = sums.iter().find(|(_, s)| **s != 0) {
                return Err(ExportError::Unbalanced { entry: e.id.clone(), currency: *currency });
            }
        }
        for s in &self.summary {
            let expected = s.expected_closing()?;
            if expected != s.closing {
                return Err(ExportError::Summary {
                    name: format!("{} {} {}", s.channel, s.account, s.currency),
                    expected,
                    closing: s.closing,
                });
            }
        }
        Ok(())
    }
}

/// Why an export was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An entry does not sum to zero.
    #[error(
        "entry {entry} does not balance in {currency}: the export is refused; report this as a defect of the journal"
    )]
    Unbalanced {
        /// Its id.
        entry: String,
        /// The currency.
        currency: Currency,
    },
    /// The sums of a channel do not add up to its balance in the journal.
    #[error(
        "summary of {name}: opening and movements make {expected}, the journal's balance is {closing}: the export is refused; report this as a defect"
    )]
    Summary {
        /// Channel, account, currency.
        name: String,
        /// By the columns.
        expected: Money,
        /// By the journal.
        closing: Money,
    },
    /// An amount is out of range.
    #[error("{0}")]
    Amount(String),
    /// The workbook writer refused.
    #[error("workbook: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// The Parquet writer refused.
    #[error("parquet: {0}")]
    Parquet(String),
    /// The kind is unknown, or not compiled in.
    #[error("{0}")]
    Kind(String),
}

/// Kinds of export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Workbook.
    Xlsx,
    /// Journal, matches, differences, lines as CSV.
    Csv,
    /// The same as Parquet, partitioned by month.
    Parquet,
    /// Beancount text.
    Beancount,
    /// hledger text.
    Hledger,
    /// Xero manual journals.
    Xero,
    /// QuickBooks Online journal entries.
    Quickbooks,
    /// NetSuite journal entries.
    Netsuite,
    /// DATEV EXTF booking batches.
    Datev,
}

impl Kind {
    /// All kinds with their names.
    pub const ALL: [(&str, Kind); 9] = [
        ("xlsx", Kind::Xlsx),
        ("csv", Kind::Csv),
        ("parquet", Kind::Parquet),
        ("beancount", Kind::Beancount),
        ("hledger", Kind::Hledger),
        ("xero", Kind::Xero),
        ("quickbooks", Kind::Quickbooks),
        ("netsuite", Kind::Netsuite),
        ("datev", Kind::Datev),
    ];

    /// The kind of a name.
    ///
    /// # Errors
    /// The name is unknown; the message lists those that are.
    pub fn parse(name: &str) -> Result<Kind, ExportError> {
        Kind::ALL.iter().find(|(n, _)| *n == name).map(|(_, k)| *k).ok_or_else(|| {
            let known: Vec<&str> = Kind::ALL.iter().map(|(n, _)| *n).collect();
            ExportError::Kind(format!("no export '{name}': known are {}", known.join(", ")))
        })
    }
}

/// How our accounts are called in the program that imports: the longest prefix wins, unknown ones keep our name.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(transparent)]
pub struct AccountMap(pub BTreeMap<String, String>);

impl AccountMap {
    /// The other program's name of an account.
    #[must_use]
    pub fn of<'a>(&'a self, account: &'a str) -> &'a str {
        self.0
            .iter()
            .filter(|(prefix, _)| {
                account == prefix.as_str()
                    || (account.starts_with(prefix.as_str())
                        && account.as_bytes().get(prefix.len()) == Some(&b':'))
            })
            .max_by_key(|(prefix, _)| prefix.len())
            .map_or(account, |(_, name)| name)
    }
}

/// Writes one kind of export. `out` is a file for `xlsx`, `beancount` and `hledger`, a folder for the others. Returns the files.
///
/// # Errors
/// The books do not balance, or a file cannot be written.
pub fn write(kind: Kind, books: &Books, map: &AccountMap, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    books.check()?;
    let mut books = books.clone();
    books.sort();
    let single = |text: String| -> Result<Vec<PathBuf>, ExportError> {
        save(out, text.as_bytes())?;
        Ok(vec![out.to_owned()])
    };
    match kind {
        Kind::Xlsx => {
            if let Some(parent) = out.parent() {
                folder(parent)?;
            }
            xlsx::workbook(&books, out)?;
            Ok(vec![out.to_owned()])
        }
        Kind::Csv => csv::write(&books, out),
        Kind::Beancount => single(beancount::text(&books)),
        Kind::Hledger => single(hledger::text(&books)),
        Kind::Xero => journals::xero(&books, map, out),
        Kind::Quickbooks => journals::quickbooks(&books, map, out),
        Kind::Netsuite => journals::netsuite(&books, map, out),
        Kind::Datev => datev::write(&books, map, out),
        #[cfg(feature = "parquet")]
        Kind::Parquet => parquet::write(&books, out),
        #[cfg(not(feature = "parquet"))]
        Kind::Parquet => Err(ExportError::Kind(
            "this build has no Parquet export: build with the feature 'parquet'".to_owned(),
        )),
    }
}

fn folder(path: &Path) -> Result<(), ExportError> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(path).map_err(|source| ExportError::Io { path: path.to_owned(), source })
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    std::fs::write(path, bytes).map_err(|source| ExportError::Io { path: path.to_owned(), source })
}

/// `2026-06`.
fn month(date: Date) -> String {
    format!("{:04}-{:02}", date.year(), date.month())
}
