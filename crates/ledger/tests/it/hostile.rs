//! Files as a hurried person hands them over: doubled rows, other editors, other delimiters, missing heads. Each gives the right figure
//! or a refusal that says what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use tradewind_domain::Currency;
use tradewind_ledger::facts::{native, read};
use tradewind_ledger::import::{Import, ImportedFile, Provider, RefusalKind, Sidecar, read_bytes, read_dir};
use tradewind_ledger::recon::{self, Options, Outcome};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

fn books(provider: Provider, bytes: &[u8]) -> Outcome {
    let document = read_bytes(provider, bytes, &Sidecar::default()).unwrap_or_else(|r| panic!("{r}"));
    let account = document.account.clone().unwrap_or_else(|| provider.name().to_owned());
    let mut import = Import::default();
    import.files.push(ImportedFile { path: "f".into(), provider, account, sha256: String::new(), document });
    recon::run(&native::from_import(&import), &Options::default()).unwrap()
}

fn reasons(o: &Outcome) -> Vec<&str> {
    o.differences.iter().map(|d| d.reason.code()).collect()
}

fn refused(provider: Provider, bytes: &[u8], says: &str) {
    let r = read_bytes(provider, bytes, &Sidecar::default()).unwrap_err();
    assert!(r.to_string().contains(says), "{says} in {r}");
}

#[test]
fn a_row_that_stands_twice_counts_once_where_ids_are_unique() {
    // Pages of an interface that overlap, or a copied line: Stripe's id is of one row.
    let once = text("stripe-api.json");
    let row = once.lines().find(|l| l.contains("\"ISK\"") || l.contains("\"isk\"")).unwrap();
    let row = row.trim_end_matches(',');
    let twice = once.replacen(row, &format!("{row},{row}"), 1);
    let (a, b) = (books(Provider::Stripe, once.as_bytes()), books(Provider::Stripe, twice.as_bytes()));
    assert_eq!(b.journal.trial_balance().unwrap(), a.journal.trial_balance().unwrap());
    assert_eq!((reasons(&a), reasons(&b)), (vec![], vec!["DUPLICATE"]));
    // Another content under the id is a conflict, and one of the two counts.
    let other = row.replacen("90000", "80000", 2);
    assert_ne!(other, row);
    let c = books(Provider::Stripe, once.replacen(row, &format!("{row},{other}"), 1).as_bytes());
    assert_eq!(reasons(&c), ["CONFLICT"]);
    let isk = Currency::new("ISK").unwrap();
    let sales = |o: &Outcome| o.journal.trial_balance().unwrap()[&isk]["income:sales:stripe"].amount();
    assert!([sales(&a), "-800".to_owned()].contains(&sales(&c)), "{}", sales(&c));
}

#[test]
fn equal_rows_that_the_total_proves_are_two() {
    let bill = text("wechat-trade.csv");
    let row = bill.lines().find(|l| l.contains("`SUCCESS,`OTHERS")).unwrap();
    let twice = bill.replacen(row, &format!("{row}\n{row}"), 1);
    // The footer counts two rows: the copy refuses the bill.
    refused(Provider::Wechatpay, twice.as_bytes(), "counts 2.0 rows and the file has 3");
    // A footer that counts both: 2 × 19.90, fee 2 × 0.1194 − 0.03 = 0.2088.
    let (head, _) = twice.split_once("总交易单数").unwrap();
    let footer = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\n`3.0,`39.80,`5.00,`0.0,`0.21,`39.80,`5.00\n";
    let o = books(Provider::Wechatpay, format!("{head}{footer}").as_bytes());
    assert_eq!(reasons(&o), [] as [&str; 0]);
    // 2 × (19.90 − 0.12) − 5.00 + 0.03 = 34.59.
    let cny = Currency::new("CNY").unwrap();
    assert_eq!(
        o.journal.trial_balance().unwrap()[&cny]["assets:clearing:wechatpay:190000:CNY"].amount(),
        "34.59"
    );
}

#[test]
fn json_with_a_mark_or_in_utf16_is_the_same_json() {
    for (provider, name) in [
        (Provider::Stripe, "stripe-api.json"),
        (Provider::Ebay, "ebay.json"),
        (Provider::Shopify, "shopify-rest.json"),
        (Provider::Paypal, "paypal-search.json"),
        (Provider::Amazon, "amazon-groups.json"),
    ] {
        let plain = text(name);
        let whole = format!("{:?}", read_bytes(provider, plain.as_bytes(), &Sidecar::default()).unwrap());
        let marked = format!("\u{feff}{plain}");
        let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [marked.as_bytes(), &wide] {
            let read =
                read_bytes(provider, bytes, &Sidecar::default()).unwrap_or_else(|r| panic!("{name}: {r}"));
            assert_eq!(format!("{read:?}"), whole, "{name}");
        }
    }
}

#[test]
fn a_file_saved_with_another_delimiter_says_so() {
    let adyen = "Merchant Account,Psp Reference,Creation Date,Type,Net Debit (NC),Net Credit (NC)\n";
    refused(Provider::Adyen, adyen.replace(',', ";").as_bytes(), "separated by ';'");
    let amazon: Vec<u8> =
        fixture("amazon-eur.txt").into_iter().map(|b| if b == b'\t' { b',' } else { b }).collect();
    refused(Provider::Amazon, &amazon, "separated by ','");
}

#[test]
fn an_account_number_that_a_spreadsheet_rewrote_is_refused() {
    let bytes = fixture("alipay-fund.csv");
    let (bill, ..) = encoding_rs::GB18030.decode(&bytes);
    let rewritten = bill.replacen("20880000000000000156", "2.0880E+19", 1);
    assert_ne!(rewritten, bill);
    refused(Provider::Alipay, rewritten.as_bytes(), "rewritten by a spreadsheet");
    // Fifteen digits, and zeros where the transaction's number goes on.
    let trade =
        text("wechat-trade.csv").replacen("4200000001202601050000000001", "4200000001202600000000000000", 1);
    if trade != text("wechat-trade.csv") {
        refused(Provider::Wechatpay, trade.as_bytes(), "rewritten by a spreadsheet");
    }
}

#[test]
fn a_bank_message_without_its_account_is_refused() {
    let one = text("bank.mt940");
    let headless =
        one.replacen(":25:12030000/0000202051\r\n", "", 1).replacen(":25:12030000/0000202051\n", "", 1);
    assert_ne!(headless, one);
    refused(Provider::Bank, headless.as_bytes(), "names no account (:25:)");
    // Nor is it of the message before it.
    refused(Provider::Bank, format!("{one}\n{headless}").as_bytes(), "names no account (:25:)");
    let named = Sidecar::parse("account = \"main\"").unwrap();
    let document = read_bytes(Provider::Bank, headless.as_bytes(), &named).unwrap();
    assert!(document.bank.iter().all(|b| b.account == "main"));
}

#[test]
fn a_page_that_is_missing_from_a_bank_statement_is_told() {
    let pages = |second: &str| {
        format!(
            ":20:S\n:25:A\n:60F:C260616EUR100,00\n:61:2606170617C50,00NTRFX\n:62M:C260617EUR150,00\n-\n:20:S\n:25:A\n:60M:C260617EUR{second},00\n:61:2606170617D20,00NTRFX\n:62F:C260617EUR{},00\n-\n",
            second.parse::<i64>().unwrap() - 20
        )
    };
    let d = read_bytes(Provider::Bank, pages("150").as_bytes(), &Sidecar::default()).unwrap();
    assert_eq!(d.bank.len(), 2);
    // The first page ends with 150.00, the next begins with 170.00.
    refused(Provider::Bank, pages("170").as_bytes(), "a page of the statement is missing");
}

#[test]
fn a_banks_csv_without_an_account_has_the_files_own() {
    let o = books(Provider::Bank, &fixture("bank-de.csv"));
    // 1,033.45 − 12.00 − 12.00.
    assert_eq!(o.journal.trial_balance().unwrap()[&Currency::EUR]["assets:bank:bank"].amount(), "1009.45");
}

#[test]
fn a_settlement_report_whose_head_was_cut_off_is_refused() {
    let body = concat!(
        "CH,Transaction ID,Transaction Event Code,Transaction Initiation Date,Transaction Debit or Credit,Gross Transaction Amount,Gross Transaction Currency\n",
        "SB,A1,T0006,2026/01/06 03:12:28 -0800,CR,1000,USD\n",
        "SF,USD,1000,0,0,0,CR,0,CR,1000\n"
    );
    let r = read_bytes(Provider::Paypal, body.as_bytes(), &Sidecar::default()).unwrap_err();
    assert_eq!(r.kind, RefusalKind::Truncated);
    assert!(r.to_string().contains("no header (SH)"), "{r}");
    let head = "SH,2026/01/06 00:00:00 -0800,2026/01/06 23:59:59 -0800,ACC1\n";
    let whole =
        read_bytes(Provider::Paypal, format!("{head}{body}").as_bytes(), &Sidecar::default()).unwrap();
    assert_eq!(whole.account.as_deref(), Some("ACC1"));
    let named = Sidecar::parse("account = \"ACC1\"").unwrap();
    assert!(read_bytes(Provider::Paypal, body.as_bytes(), &named).is_ok());
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Folder {
        let dir = std::env::temp_dir().join(format!("tradewind-hostile-{name}-{}", std::process::id()));
        for (file, bytes) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Folder(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn one_file_in_two_accounts_lies_wrong_in_one() {
    let bill = fixture("amazon-eur.txt");
    let f = Folder::new(
        "twice",
        &[
            ("settlements/amazon/de/a.txt", &bill),
            ("settlements/amazon/de/again.txt", &bill),
            ("settlements/amazon/de/import.toml", b"account = \"de\""),
            ("settlements/amazon/fr/b.txt", &bill),
            ("settlements/amazon/fr/import.toml", b"account = \"fr\""),
        ],
    );
    let import = read_dir(&f.0).unwrap();
    assert_eq!((import.files.len(), import.duplicates.len()), (1, 1));
    let [r] = import.refused.as_slice() else { panic!("{:?}", import.refused) };
    assert!(r.to_string().contains("account 'de'") && r.to_string().contains("account 'fr'"), "{r}");
}

#[test]
fn one_settlement_in_two_accounts_lies_wrong_in_one_whatever_its_bytes() {
    let (bill, mut longer) = (fixture("amazon-eur.txt"), fixture("amazon-eur.txt"));
    longer.extend(b"\r\n");
    let f = Folder::new(
        "same",
        &[
            ("settlements/amazon/de/a.txt", &bill),
            ("settlements/amazon/de/import.toml", b"account = \"de\""),
            ("settlements/amazon/fr/b.txt", &longer),
            ("settlements/amazon/fr/import.toml", b"account = \"fr\""),
        ],
    );
    let import = read_dir(&f.0).unwrap();
    assert_eq!(import.files.len(), 1);
    let [r] = import.refused.as_slice() else { panic!("{:?}", import.refused) };
    assert!(r.to_string().contains("says the same as") && r.to_string().contains("account 'fr'"), "{r}");
}

#[test]
fn dates_that_read_both_ways_are_not_guessed() {
    let csv = |days: [&str; 2]| {
        format!("Date,Description,Amount,Currency\n{},A,10.00,USD\n{},B,-4.00,USD\n", days[0], days[1])
    };
    let days = |text: &str, sidecar: &str| -> Vec<String> {
        let d = read_bytes(Provider::Bank, text.as_bytes(), &Sidecar::parse(sidecar).unwrap()).unwrap();
        d.bank.iter().map(|b| b.date.to_string()).collect()
    };
    refused(
        Provider::Bank,
        csv(["03/04/2026", "03/05/2026"]).as_bytes(),
        "both with the day first and with the month first",
    );
    assert_eq!(
        days(&csv(["03/04/2026", "03/05/2026"]), "dates = \"month-first\""),
        ["2026-03-04", "2026-03-05"]
    );
    // One date that can only be read one way decides for the file.
    assert_eq!(days(&csv(["03/04/2026", "03/25/2026"]), ""), ["2026-03-04", "2026-03-25"]);
    assert_eq!(days(&csv(["03/04/2026", "25/04/2026"]), ""), ["2026-04-03", "2026-04-25"]);
    // The same either way, and with points the day is first.
    assert_eq!(days(&csv(["04/04/2026", "05/05/2026"]), ""), ["2026-04-04", "2026-05-05"]);
    assert_eq!(days(&csv(["03.04.2026", "03.05.2026"]), ""), ["2026-04-03", "2026-05-03"]);
    // Stripe prints the year first: what does not was rewritten by a spreadsheet.
    let stripe = "balance_transaction_id,created,currency,gross,fee,net,reporting_category\ntxn_1,2/1/2026 10:11:12,usd,1.00,0.00,1.00,charge\n";
    refused(Provider::Stripe, stripe.as_bytes(), "holds no date");
}

#[test]
fn a_file_that_is_called_almost_like_one_is_told() {
    let row: &[u8] = b"{\"id\":\"o\",\"account\":\"shop\",\"placed_at\":\"2026-02-01T09:00:00Z\",\"currency\":\"EUR\",\"total\":\"1.00\"}\n";
    let f = Folder::new(
        "names",
        &[
            ("orders.jsonl", row),
            ("orders-2.jsonl", row),
            ("closed-2026-01-31.jsonl", b"{\"until\":\"2026-01-31\"}\n"),
            ("order-lines.jsonl", b""),
            ("notes.jsonl", b""),
            ("policy.toml", b""),
            ("transaction-2.jsonl", b""),
            ("Refunds.jsonl", b""),
            ("carrier-invoices.jsonl", b""),
            ("FX.csv", b""),
            ("settlement/stripe/x.csv", b""),
        ],
    );
    let facts = read::read_dir(&f.0).unwrap();
    let told: Vec<(&str, bool)> =
        facts.errors.iter().map(|e| (e.file.as_str(), e.message.contains("nobody reads"))).collect();
    assert_eq!(
        told,
        [
            ("FX.csv", true),
            ("Refunds.jsonl", true),
            ("carrier-invoices.jsonl", true),
            ("settlement", true),
            ("transaction-2.jsonl", true),
        ]
    );
    assert!(
        facts.errors.iter().any(|e| e.message.contains("is it 'carrier_invoices.jsonl'?")),
        "{:?}",
        facts.errors
    );
    assert!(facts.errors.iter().any(|e| e.message.contains("is it 'settlements'?")), "{:?}", facts.errors);
}

/// Amounts of a bank's CSV, in its order.
fn amounts(csv: &str) -> Vec<String> {
    let d = read_bytes(Provider::Bank, csv.as_bytes(), &Sidecar::default())
        .unwrap_or_else(|r| panic!("{csv}: {r}"));
    d.bank.iter().map(|b| b.amount.amount()).collect()
}

#[test]
fn a_banks_amounts_have_the_side_that_a_column_gives_them() {
    assert_eq!(
        amounts(
            "Datum;Text;Betrag;Soll/Haben;Währung;Date\n;a;10,00;H;EUR;01.06.2026\n;b;4,00;S;EUR;02.06.2026\n"
        ),
        ["10.00", "-4.00"]
    );
    assert_eq!(
        amounts(
            "Date,Description,Amount,Type,Currency\n2026-06-01,a,10.00,CR,EUR\n2026-06-02,b,4.00,DR,EUR\n"
        ),
        ["10.00", "-4.00"]
    );
    // Signed amounts: the words are kinds of payment.
    assert_eq!(
        amounts(
            "Date,Description,Amount,Type,Currency\n2026-06-01,a,10.00,Credit,EUR\n2026-06-02,b,-4.00,Card payment,EUR\n"
        ),
        ["10.00", "-4.00"]
    );
    refused(
        Provider::Bank,
        b"Date,Description,Amount,Type,Currency\n2026-06-01,a,10.00,CR,EUR\n2026-06-02,b,4.00,FEE,EUR\n",
        "'FEE' is neither debit nor credit",
    );
    refused(
        Provider::Bank,
        b"Date,Description,Amount,Type,Currency\n2026-06-01,a,10.00,CR,EUR\n2026-06-02,b,-4.00,CR,EUR\n",
        "'CR' contradicts the sign of -4.00",
    );
    refused(
        Provider::Bank,
        b"Date,Description,Debit,Credit,Currency\n2026-06-01,a,3.00,10.00,EUR\n",
        "a debit of 3.00 and a credit of 10.00",
    );
    refused(
        Provider::Bank,
        b"Date,Description,Amount,Amount,Currency\n2026-06-01,a,10.00,99.00,EUR\n",
        "two columns are called 'Amount'",
    );
}

#[test]
fn a_banks_csv_books_what_is_booked() {
    assert_eq!(
        amounts(
            "Date,Description,Amount,Currency,State\n2026-06-01,a,10.00,EUR,PENDING\n2026-06-01,b,11.00,EUR,COMPLETED\n2026-06-01,c,12.00,EUR,REVERTED\n"
        ),
        ["11.00"]
    );
    refused(
        Provider::Bank,
        b"Date,Description,Amount,Currency,State\n2026-06-01,a,10.00,EUR,MAYBE\n",
        "the state 'MAYBE' is unknown",
    );
    // 10.00 less a fee of 1.00: 9.00 came, or 10.00? A balance says it.
    refused(
        Provider::Bank,
        b"Date,Description,Amount,Fee,Currency\n2026-06-01,a,10.00,1.00,EUR\n",
        "the row has a fee",
    );
    assert_eq!(
        amounts(
            "Date,Description,Amount,Fee,Balance,Currency\n2026-06-01,a,10.00,1.00,110.00,EUR\n2026-06-02,b,-4.00,0.00,106.00,EUR\n"
        ),
        ["10.00", "-4.00"]
    );
    refused(
        Provider::Bank,
        b"Date,Description,Amount,Fee,Balance,Currency\n2026-06-01,a,10.00,0.00,110.00,EUR\n2026-06-02,b,-4.00,1.00,105.00,EUR\n",
        "the running balance does not follow",
    );
}

#[test]
fn each_account_and_currency_of_a_file_has_its_own_balance() {
    assert_eq!(
        amounts(
            "Date,Account,Amount,Balance,Currency\n2026-06-01,A,10.00,110.00,EUR\n2026-06-02,B,-4.00,50.00,EUR\n2026-06-03,A,1.00,111.00,EUR\n2026-06-03,B,2.00,52.00,EUR\n"
        ),
        ["10.00", "-4.00", "1.00", "2.00"]
    );
    refused(
        Provider::Bank,
        b"Date,Account,Amount,Balance,Currency\n2026-06-01,A,10.00,110.00,EUR\n2026-06-02,B,-4.00,50.00,EUR\n2026-06-03,A,1.00,112.00,EUR\n",
        "the running balance does not follow",
    );
}

#[test]
fn a_parcel_that_a_carrier_bills_twice_is_paid_once() {
    let line = "I,T,EUR,13.10,42.50,8.00,63.60\n";
    let head = "Invoice Number,Waybill,Currency,Duty,Import VAT,Disbursement Fee,Total\n";
    let o = books(Provider::Carrier, format!("{head}{line}{line}").as_bytes());
    assert_eq!(reasons(&o), ["DUPLICATE", "PROVIDER_ONLY"]);
    assert_eq!(o.journal.trial_balance().unwrap()[&Currency::EUR]["liabilities:carriers"].amount(), "-63.60");
    // Another charge for the parcel is another line: 63.60 + 5.00.
    let o = books(Provider::Carrier, format!("{head}{line}I,T,EUR,0.00,0.00,5.00,5.00\n").as_bytes());
    assert_eq!(o.journal.trial_balance().unwrap()[&Currency::EUR]["liabilities:carriers"].amount(), "-68.60");
    assert!(!reasons(&o).contains(&"DUPLICATE"));
}
