//! Every export over books made from our own samples: balanced, stable, complete.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};
use tradewind_ledger::export::{AccountMap, Books, Kind, write};
use tradewind_ledger::facts::{Facts, native, read};
use tradewind_ledger::import::{Import, ImportedFile, Provider, Sidecar, read_bytes};
use tradewind_ledger::recon::{self, Options};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn import() -> Import {
    let files = [
        (Provider::Amazon, "amazon-eur.txt"),
        (Provider::Ebay, "ebay.json"),
        (Provider::Shopify, "shopify-rest.json"),
        (Provider::Stripe, "stripe-api.json"),
        (Provider::Wechatpay, "wechat-trade.csv"),
        (Provider::Alipay, "alipay-business.zip"),
    ];
    let mut import = Import::default();
    for (provider, name) in files {
        let document = read_bytes(provider, &fixture(name), &Sidecar::default()).unwrap();
        import.files.push(ImportedFile {
            path: name.into(),
            provider,
            account: document.account.clone().unwrap_or_else(|| provider.name().to_owned()),
            sha256: String::new(),
            document,
        });
    }
    import
}

/// Beside the documents: the bank's lines of the Amazon transfer and of one that nobody sent, and a reference rate.
fn facts(import: &Import) -> Facts {
    let mut all = native::from_import(import);
    let bank = concat!(
        r#"{"id":"B1","account":"main","date":"2026-06-17","currency":"EUR","amount":"1033.45","text":"AMAZON PAYMENTS 90000000001"}"#,
        "\n",
        r#"{"id":"B2","account":"main","date":"2026-06-18","currency":"EUR","amount":"7.77","text":"=1+1"}"#,
        "\n",
    );
    read::read_bytes("bank", "bank.jsonl", 0, bank.as_bytes(), &mut all);
    read::rates("fx.csv", b"date,base,quote,rate,source\n2026-06-16,EUR,USD,1.1500,ECB\n", &mut all);
    all
}

fn books_of(import: &Import) -> Books {
    let facts = facts(import);
    let options = Options { as_of: Some(Date::constant(2026, 6, 30)), ..Options::default() };
    let outcome = recon::run(&facts, &options).unwrap();
    Books::from_outcome(&outcome, &facts, "Example & Co").unwrap()
}

pub(crate) fn books() -> Books {
    books_of(&import())
}

pub(crate) struct Temp(pub(crate) PathBuf);

impl Temp {
    pub(crate) fn new(name: &str) -> Temp {
        let dir = std::env::temp_dir().join(format!("tradewind-export-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Temp(dir)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tree(dir: &Path, out: &mut BTreeMap<String, Vec<u8>>, root: &Path) {
    for e in fs::read_dir(dir).unwrap() {
        let path = e.unwrap().path();
        if path.is_dir() {
            tree(&path, out, root);
        } else {
            out.insert(
                path.strip_prefix(root).unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            );
        }
    }
}

fn all(books: &Books, name: &str) -> BTreeMap<String, Vec<u8>> {
    let temp = Temp::new(name);
    for (kind_name, kind) in Kind::ALL {
        if kind == Kind::Parquet && !cfg!(feature = "parquet") {
            continue;
        }
        let out = match kind {
            Kind::Xlsx => temp.0.join("books.xlsx"),
            Kind::Beancount => temp.0.join("books.beancount"),
            Kind::Hledger => temp.0.join("books.journal"),
            _ => temp.0.join(kind_name),
        };
        let files = write(kind, books, &AccountMap::default(), &out).unwrap();
        assert!(!files.is_empty() && files.iter().all(|f| f.is_file()), "{kind_name}");
    }
    let mut found = BTreeMap::new();
    tree(&temp.0, &mut found, &temp.0);
    found
}

#[test]
fn the_amazon_settlement_in_numbers() {
    let b = books();
    let eur = |t: &str| Money::parse(t, Currency::EUR).unwrap();
    let row = b.summary.iter().find(|s| s.channel == "amazon").unwrap();
    // Principal 1200; refund −20; fees −180 + 3 − 0.60 − 39 − 7.47 − 7.48 = −231.55; tax 228 − 228; reserve 150 − 65.
    assert_eq!((row.sales, row.refunds, row.fee_total()), (eur("1200"), eur("-20"), eur("-231.55")));
    assert_eq!(
        (row.taxes, row.reserve, row.closing, row.unexplained),
        (eur("0"), eur("85"), eur("0"), eur("0"))
    );
    assert_eq!(row.payouts, eur("-1033.45"), "the settlement was sent to the bank");
    assert_eq!(row.arrived, eur("1033.45"), "and the bank has it");
    let balance = b.trial_balance().unwrap();
    let eur_accounts = &balance[&Currency::EUR];
    let of = |name: &str| eur_accounts.get(name).copied().unwrap_or(eur("0"));
    assert_eq!(of("assets:clearing:amazon:amazon:EUR"), eur("0"));
    assert_eq!(of("assets:in-transit:amazon:amazon:EUR"), eur("0"));
    // 1033.45 and the 7.77 that nobody sent.
    assert_eq!((of("assets:bank:main"), of("suspense:bank")), (eur("1041.22"), eur("-7.77")));
    assert_eq!(of("income:sales:amazon"), eur("-1200"));
    // Tax 228 collected for us by the row's words, 228 withheld by the marketplace: together nothing.
    let tax = of("liabilities:tax:seller:amazon").try_add(of("liabilities:facilitator-tax:amazon"));
    assert_eq!(tax, Ok(eur("0")));
    for accounts in balance.values() {
        assert_eq!(accounts.values().map(|m| m.minor()).sum::<i64>(), 0);
    }
}

#[test]
fn same_books_same_bytes_in_any_order() {
    let first = all(&books(), "a");
    let mut turned = import();
    turned.files.reverse();
    for f in &mut turned.files {
        f.document.transactions.reverse();
    }
    let mut b = books_of(&turned);
    b.journal.reverse();
    b.lines.reverse();
    let second = all(&b, "b");
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (name, bytes) in &first {
        assert!(bytes == &second[name], "{name} differs");
    }
}

#[test]
fn overlapping_documents_post_once_and_conflicts_keep_the_first() {
    let whole = books();
    let mut twice = import();
    let mut copy = import();
    for f in &mut copy.files {
        f.path = format!("z-{}", f.path.display()).into();
    }
    // One row of the second copy says another amount.
    let changed = &mut copy.files[3].document.transactions[0];
    changed.net = changed.net.map(|n| n.try_add(Money::from_minor(1, n.currency())).unwrap());
    twice.files.extend(copy.files);
    let b = books_of(&twice);
    assert_eq!(b.trial_balance().unwrap(), whole.trial_balance().unwrap());
    assert_eq!((b.journal.len(), b.settlements.len()), (whole.journal.len(), whole.settlements.len()));
    let conflicts = |b: &Books| b.exceptions.iter().filter(|e| e.reason == "CONFLICT").count();
    assert_eq!((conflicts(&whole), conflicts(&b)), (0, 1));
}

#[test]
fn journals_split_at_month_end_and_add_up() {
    let mut b = books();
    // The same settlement over a month end: the first half of the Amazon entries moves to May.
    for (i, e) in b.journal.iter_mut().filter(|e| e.channel == "amazon").enumerate() {
        if i < 3 {
            e.date = Date::constant(2026, 5, 31);
        }
    }
    let temp = Temp::new("split");
    let files = write(Kind::Quickbooks, &b, &AccountMap::default(), &temp.0).unwrap();
    let mut reader = csv::Reader::from_path(&files[0]).unwrap();
    let mut numbers: BTreeMap<String, (String, i128)> = BTreeMap::new();
    let mut clearing = Money::zero(Currency::EUR);
    for row in reader.records() {
        let row = row.unwrap();
        let currency = Currency::new(&row[7]).unwrap();
        let money = |i: usize| {
            if row[i].is_empty() { Money::zero(currency) } else { Money::parse(&row[i], currency).unwrap() }
        };
        let moved = money(3).try_sub(money(4)).unwrap();
        assert!(row[0].len() <= 21);
        let slot = numbers.entry(row[0].to_owned()).or_insert((row[1].to_owned(), 0));
        assert_eq!(slot.0, row[1], "one date per journal");
        slot.1 += i128::from(moved.minor());
        if row[2].starts_with("assets:in-transit:amazon") && row[9] == *"amazon" {
            clearing = clearing.try_add(moved).unwrap();
        }
    }
    assert!(numbers.values().all(|(_, sum)| *sum == 0), "every journal balances");
    assert!(
        numbers.values().any(|(d, _)| d.starts_with("05/"))
            && numbers.values().any(|(d, _)| d.starts_with("06/"))
    );
    assert_eq!(
        clearing,
        Money::parse("1033.45", Currency::EUR).unwrap(),
        "the parts add up to the settlement"
    );
}

#[test]
fn text_cells_cannot_become_formulas() {
    let mut b = books();
    b.journal[0].text = "=HYPERLINK(\"http://x\")".to_owned();
    b.exceptions.push(tradewind_ledger::export::Exception {
        reason: "UNMAPPED_CODE".to_owned(),
        amount: Money::parse("-1.00", Currency::EUR).unwrap(),
        records: vec!["+1".to_owned()],
        explanation: "@x".to_owned(),
        evidence: "-1".to_owned(),
        unexplained: Money::parse("-1.00", Currency::EUR).unwrap(),
        state: "open",
        date: Date::constant(2026, 6, 1),
    });
    let temp = Temp::new("formula");
    write(Kind::Csv, &b, &AccountMap::default(), &temp.0).unwrap();
    let journal = fs::read_to_string(temp.0.join("journal.csv")).unwrap();
    assert!(journal.contains("'=HYPERLINK") && !journal.contains(",=HYPER"));
    let differences = fs::read_to_string(temp.0.join("differences.csv")).unwrap();
    assert!(differences.contains(",-1.00,EUR,-1.00,open,'+1,'@x,'-1"), "{differences}");
}

#[test]
fn unbalanced_books_are_not_exported() {
    let mut b = books();
    b.journal[0].postings[0].amount = b.journal[0].postings[0]
        .amount
        .try_add(Money::from_minor(1, b.journal[0].postings[0].amount.currency()))
        .unwrap();
    let temp = Temp::new("unbalanced");
    let error = write(Kind::Csv, &b, &AccountMap::default(), &temp.0).unwrap_err();
    assert!(error.to_string().contains("does not balance"));
    assert!(!temp.0.exists());
}

/// Writes the files that were checked by hand with `bean-check`, `hledger check` and LibreOffice: see docs/exports.md.
/// The cell is this text.
fn says(cell: &calamine::Data, text: &str) -> bool {
    matches!(cell, calamine::Data::String(s) if s == text)
}

/// The numbers of a column, by the titles in a row.
fn column(sheet: &calamine::Range<calamine::Data>, head: u32, title: &str) -> u32 {
    let (_, width) = sheet.get_size();
    (0..u32::try_from(width).unwrap())
        .find(|c| sheet.get_value((head, *c)).is_some_and(|v| says(v, title)))
        .unwrap_or_else(|| panic!("no column {title}"))
}

#[test]
fn a_spreadsheet_opens_the_workbook() {
    use calamine::{Data, Reader};
    let temp = Temp::new("workbook");
    let path = temp.0.join("books.xlsx");
    let b = books();
    write(Kind::Xlsx, &b, &AccountMap::default(), &path).unwrap();
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(&path).unwrap();
    assert_eq!(
        workbook.sheet_names(),
        ["Summary", "Waterfall", "Settlements", "Exceptions", "FX", "Trial balance", "Matches", "Lines"]
    );
    // Ids are text, amounts are numbers, days are dates; the lines of a settlement sum to its total.
    let lines = workbook.worksheet_range("Lines").unwrap();
    let (amount, trace, group, day) = (
        column(&lines, 0, "Amount"),
        column(&lines, 0, "Trace id"),
        column(&lines, 0, "Settlement"),
        column(&lines, 0, "Date"),
    );
    let mut settled = 0_i64;
    let height = u32::try_from(lines.get_size().0).unwrap();
    assert_eq!(height as usize, b.lines.len() + 1);
    for row in 1..height {
        assert!(matches!(lines.get_value((row, trace)), Some(Data::String(_))));
        assert!(matches!(lines.get_value((row, day)), Some(Data::DateTime(_))));
        let Some(Data::Float(n)) = lines.get_value((row, amount)) else { panic!("no number in row {row}") };
        if lines.get_value((row, group)) == Some(&Data::String("90000000001".to_owned())) {
            #[allow(clippy::cast_possible_truncation)]
            let minor = (n * 100.0).round() as i64; // back from a spreadsheet's number
            settled += minor;
        }
    }
    assert_eq!(settled, 103_345);
    // Debits and credits are equal, currency by currency.
    let trial = workbook.worksheet_range("Trial balance").unwrap();
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for row in 1..u32::try_from(trial.get_size().0).unwrap() {
        let number = |c: u32| match trial.get_value((row, c)) {
            Some(Data::Float(n)) => *n,
            _ => 0.0,
        };
        *sums.entry(trial.get_value((row, 0)).unwrap().to_string()).or_default() += number(2) - number(3);
    }
    assert!(sums.len() > 1 && sums.values().all(|s| s.abs() < 0.000_01), "{sums:?}");
    // The summary: closing is opening and everything between.
    let summary = workbook.worksheet_range("Summary").unwrap();
    let cell = |title: &str, row: u32| match summary.get_value((row, column(&summary, 3, title))) {
        Some(Data::Float(n)) => *n,
        other => panic!("{title}: {other:?}"),
    };
    let row = (4..20).find(|r| summary.get_value((*r, 0)).is_some_and(|v| says(v, "amazon"))).unwrap();
    let got = ["Sales", "Refunds", "Fees", "Taxes", "Reserve", "Payouts", "Closing", "Arrived"]
        .map(|t| cell(t, row));
    assert_eq!(got, [1200.0, -20.0, -231.55, 0.0, 85.0, -1033.45, 0.0, 1033.45]);
    // An exception's text stays text, whatever it begins with.
    let differences = workbook.worksheet_range("Exceptions").unwrap();
    let reasons: Vec<String> = (1..u32::try_from(differences.get_size().0).unwrap())
        .filter_map(|r| differences.get_value((r, 1)).map(ToString::to_string))
        .collect();
    assert!(reasons.iter().any(|r| r == "PROVIDER_ONLY" || r == "OURS_ONLY"), "{reasons:?}");
}

#[test]
fn the_workbook_says_what_exchange_could_not_be_measured() {
    use calamine::{Data, Reader};
    let mut b = books();
    // The open balances of the fixture in Icelandic and Kuwaiti money have no rate.
    assert!(
        b.fx_notes
            .iter()
            .any(|n| n.starts_with("not revalued, for want of a rate: 900 ISK (put it into fx.csv")),
        "{:?}",
        b.fx_notes
    );
    b.fx_notes.truncate(1);
    let temp = Temp::new("fx-notes");
    let path = temp.0.join("books.xlsx");
    write(Kind::Xlsx, &b, &AccountMap::default(), &path).unwrap();
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(&path).unwrap();
    let sheet = workbook.worksheet_range("FX").unwrap();
    let cells: Vec<&Data> = sheet.rows().filter_map(|r| r.first()).collect();
    assert!(cells.iter().any(|c| says(c, &b.fx_notes[0])), "{cells:?}");
}

#[test]
fn the_workbook_and_the_terminal_show_one_waterfall() {
    use calamine::{Data, Reader};
    let facts = facts(&import());
    let options = Options { as_of: Some(Date::constant(2026, 6, 30)), ..Options::default() };
    let outcome = recon::run(&facts, &options).unwrap();
    let books = Books::from_outcome(&outcome, &facts, "Example & Co").unwrap();
    let temp = Temp::new("waterfall");
    let path = temp.0.join("books.xlsx");
    write(Kind::Xlsx, &books, &AccountMap::default(), &path).unwrap();
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(&path).unwrap();
    let sheet = workbook.worksheet_range("Waterfall").unwrap();
    let mut drawn: Vec<(String, String, f64)> = Vec::new();
    let mut name = String::new();
    for row in 3..u32::try_from(sheet.get_size().0).unwrap() {
        match (sheet.get_value((row, 0)), sheet.get_value((row, 1))) {
            (Some(Data::String(step)), Some(Data::Float(m))) => {
                drawn.push((name.clone(), step.clone(), *m));
            }
            (Some(Data::String(title)), _) => name.clone_from(title),
            _ => {}
        }
    }
    let mut printed: Vec<(String, String, f64)> = Vec::new();
    for line in tradewind_ledger::report::text(&outcome).lines().skip(2) {
        match line.strip_prefix("  ") {
            // A name of 23 columns, an amount of 18.
            Some(step) => {
                let cut = |from: usize, to: usize| step.chars().skip(from).take(to).collect::<String>();
                printed.push((
                    name.clone(),
                    cut(0, 23).trim().to_owned(),
                    cut(23, 18).trim().replace(',', "").parse().unwrap(),
                ));
            }
            None if line.contains(" · ") && !line.contains("  ") => name = line.to_owned(),
            None if line.is_empty() => {}
            None => break,
        }
    }
    assert_eq!(drawn, printed);
    // Sales of 1,200.00 less 20.00, fees of 231.55 and what was held arrived as 1,033.45 (the sheet of the settlement).
    assert!(drawn.contains(&("amazon · EUR".to_owned(), "= bank".to_owned(), 1033.45)), "{drawn:?}");
    assert!(drawn.contains(&("amazon · EUR".to_owned(), "fees".to_owned(), -231.55)));
}

/// Runs a checker of another program, if it is installed; otherwise counts as skipped.
fn checked_by(program: &str, version: &[&str], check: &[&str], kind: Kind, file: &str) {
    use std::process::Command;
    if Command::new(program).args(version).output().is_err() {
        return tradewind_material::skipped(&format!("{program} is not installed"));
    }
    let temp = Temp::new(program);
    let path = temp.0.join(file);
    write(kind, &books(), &AccountMap::default(), &path).unwrap();
    let output = Command::new(program).args(check).arg(&path).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {said}");
    // And it bites: one cent more in one posting is refused.
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("1200.00 EUR"));
    fs::write(&path, text.replacen("1200.00 EUR", "1200.01 EUR", 1)).unwrap();
    let output = Command::new(program).args(check).arg(&path).output().unwrap();
    assert!(!output.status.success(), "{program} took an entry that is off by a cent");
}

#[test]
fn beancount_accepts_the_books() {
    checked_by("bean-check", &["--help"], &[], Kind::Beancount, "books.beancount");
}

#[test]
fn hledger_accepts_the_books() {
    checked_by("hledger", &["--version"], &["check", "-s", "-f"], Kind::Hledger, "books.journal");
}

#[test]
#[ignore = "writes to TRADEWIND_EXPORT_OUT, for a look by hand"]
fn write_for_a_look() {
    let Some(out) = std::env::var_os("TRADEWIND_EXPORT_OUT").map(PathBuf::from) else { return };
    let b = books();
    for (name, kind) in Kind::ALL {
        if kind == Kind::Parquet && !cfg!(feature = "parquet") {
            continue;
        }
        let path = match kind {
            Kind::Xlsx => out.join("books.xlsx"),
            Kind::Beancount => out.join("books.beancount"),
            Kind::Hledger => out.join("books.journal"),
            _ => out.join(name),
        };
        write(kind, &b, &AccountMap::default(), &path).unwrap();
    }
}
