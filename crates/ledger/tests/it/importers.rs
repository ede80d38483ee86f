//! Every importer over our own small samples. Expected values are hand arithmetic over the fixture, or the fact sheet's.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use tradewind_domain::{Currency, Money};
use tradewind_ledger::import::{Document, Provider, Refusal, RefusalKind, Sidecar, Tx, read_bytes, read_dir};

use crate::samples::sums;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn read(provider: Provider, name: &str) -> Document {
    read_bytes(provider, &fixture(name), &Sidecar::default()).unwrap_or_else(|r| panic!("{name}: {r}"))
}

fn refused(provider: Provider, bytes: &[u8]) -> Refusal {
    read_bytes(provider, bytes, &Sidecar::default()).unwrap_err()
}

fn m(text: &str, code: &str) -> Money {
    Money::parse(text, Currency::new(code).unwrap()).unwrap()
}

fn find<'a>(d: &'a Document, id: &str) -> &'a Tx {
    d.transactions.iter().find(|t| t.id.starts_with(id)).unwrap_or_else(|| panic!("no {id}"))
}

fn replaced(name: &str, from: &str, to: &str) -> Vec<u8> {
    let bytes = fixture(name);
    let text: String = bytes.iter().map(|b| char::from(*b)).collect();
    assert!(text.contains(from));
    text.replacen(from, to, 1).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

#[test]
fn amazon_reads_decimal_commas_because_they_foot() {
    let d = read(Provider::Amazon, "amazon-eur.txt");
    // 1200 + 228 − 228 − 180 − 20 + 3 − 0.60 − 39 − 7.47 − 7.48 + 150 − 65 = 1033.45
    assert_eq!(d.statements[0].total, m("1033.45", "EUR"));
    assert_eq!(sums(&d)["90000000001"], m("1033.45", "EUR"));
    assert_eq!(d.statements[0].deposit_date.unwrap().to_string(), "2026-06-16");
    // One transaction per order event; rows without an order are one each: order, refund, 1 + 2 fees, 2 reserves.
    assert_eq!(d.transactions.len(), 7);
    let order = d.transactions.iter().find(|t| t.order.as_deref() == Some("302-0000001-0000001")).unwrap();
    assert_eq!((order.amount, order.components.len()), (m("1020.00", "EUR"), 4));
}

#[test]
fn amazon_row_order_does_not_matter() {
    let whole = read(Provider::Amazon, "amazon-eur.txt");
    let bytes = fixture("amazon-eur.txt");
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
    lines[2..].reverse();
    let turned = read_bytes(Provider::Amazon, &lines.join(&b'\n'), &Sidecar::default()).unwrap();
    let ids = |d: &Document| {
        d.transactions.iter().map(|t| (t.id.clone(), t.amount, t.components.clone())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&whole), ids(&turned));
}

#[test]
fn amazon_refuses_a_changed_cent_a_missing_row_and_a_part() {
    let r = refused(Provider::Amazon, &replaced("amazon-eur.txt", "1.200,00", "1.200,01"));
    assert_eq!(r.kind, RefusalKind::NotFooting);
    let f = r.footing.unwrap();
    assert_eq!((f.sum.as_str(), f.total.as_str(), f.difference.as_str()), ("1033.46", "1033.45", "-0.01"));
    let bytes = fixture("amazon-eur.txt");
    let cut: Vec<u8> = bytes.split_inclusive(|b| *b == b'\n').take(8).flatten().copied().collect();
    assert_eq!(refused(Provider::Amazon, &cut).kind, RefusalKind::NotFooting);
    let part: Vec<u8> = bytes
        .split_inclusive(|b| *b == b'\n')
        .enumerate()
        .filter(|(i, _)| *i != 1)
        .flat_map(|(_, l)| l)
        .copied()
        .collect();
    assert_eq!(refused(Provider::Amazon, &part).kind, RefusalKind::Truncated);
    let mangled = replaced("amazon-eur.txt", "302-0000001-0000001", "3.02001E+17");
    assert!(refused(Provider::Amazon, &mangled).message.contains("spreadsheet"));
}

#[test]
fn amazon_event_groups_name_what_the_bank_got() {
    let d = read(Provider::Amazon, "amazon-groups.json");
    assert_eq!(d.payouts.len(), 1, "the open group waits");
    assert_eq!(d.payouts[0].converted, Some(m("1189.50", "USD")));
}

#[test]
fn wechat_bills_split_at_backticks_and_chain() {
    let d = read(Provider::Wechatpay, "wechat-fund.csv");
    // 119.90 − 19.90 = 100.00 opening; 100 + 19.90 − 0.12 − 100 = 19.78 closing.
    assert_eq!(
        (d.statements[0].opening, d.statements[0].closing),
        (Some(m("100.00", "CNY")), Some(m("19.78", "CNY")))
    );
    assert_eq!(d.payouts[0].amount, m("100.00", "CNY"));
    let d = read(Provider::Wechatpay, "wechat-trade.csv");
    let sale = find(&d, "4200000001:SUCCESS");
    // Fee 0.11940 is 0.12 charged; 19.90 − 0.12 = 19.78.
    assert_eq!((sale.amount, sale.net.unwrap()), (m("19.90", "CNY"), m("19.78", "CNY")));
    let refund = find(&d, "5000001:REFUND");
    // −5.00 with 0.03 of the fee back: −4.97, in China already the 6th.
    assert_eq!((refund.amount, refund.net.unwrap()), (m("-5.00", "CNY"), m("-4.97", "CNY")));
    assert_eq!(
        (refund.occurred.day().to_string().as_str(), refund.refers_to.as_deref()),
        ("2026-01-06", Some("4200000001"))
    );
    let text = String::from_utf8(fixture("wechat-fund.csv")).unwrap();
    let swapped = text.replace("119.78", "119.79");
    assert_eq!(refused(Provider::Wechatpay, swapped.as_bytes()).kind, RefusalKind::NotFooting);
    let no_footer = text.split("资金流水总笔数").next().unwrap();
    assert_eq!(refused(Provider::Wechatpay, no_footer.as_bytes()).kind, RefusalKind::Truncated);
}

#[test]
fn alipay_gbk_in_a_zip() {
    let d = read(Provider::Alipay, "alipay-business.zip");
    assert_eq!(d.account.as_deref(), Some("20880000000000000156"));
    // 95.00 − 0.57 + 50.00 − 0.30 − 20.00 + 0.12 = 124.25
    assert_eq!(d.statements[0].total, m("124.25", "CNY"));
    let sale = find(&d, "2026010522001:交易");
    // Order 100.00, discount 5.00 of ours, service fee 0.57: net 94.43, costs 5.57.
    assert_eq!(
        (sale.amount, sale.fee.unwrap(), sale.net.unwrap()),
        (m("100", "CNY"), m("5.57", "CNY"), m("94.43", "CNY"))
    );
    assert_eq!(sale.order.as_deref(), Some("A-1"));
    let d = read(Provider::Alipay, "alipay-fund.csv");
    assert_eq!(
        (d.statements[0].opening, d.statements[0].closing),
        (Some(m("0", "CNY")), Some(m("44.43", "CNY")))
    );
    assert_eq!(d.payouts[0].amount, m("50.00", "CNY"));
}

#[test]
fn shopify_rest_and_graphql() {
    let d = read(Provider::Shopify, "shopify-rest.json");
    assert_eq!(d.transactions.len(), 3, "the test charge is left out");
    assert_eq!(find(&d, "1001").net, Some(m("91.94", "USD")));
    assert_eq!(find(&d, "1001").order.as_deref(), Some("9001"));
    let d = read(Provider::Shopify, "shopify-graphql.json");
    assert_eq!((d.payouts[0].amount, d.payouts[0].trace.as_deref()), (m("1200", "JPY"), Some("TR-9")));
    assert_eq!(find(&d, "1").amount, m("1250", "JPY"));
    let short = replaced(
        "shopify-graphql.json",
        "\"amount\":\"1200\",\"currencyCode\":\"JPY\"},\"externalTraceId\"",
        "\"amount\":\"1300\",\"currencyCode\":\"JPY\"},\"externalTraceId\"",
    );
    assert_eq!(refused(Provider::Shopify, &short).kind, RefusalKind::NotFooting);
}

#[test]
fn ebay_sign_is_the_booking_entry() {
    let d = read(Provider::Ebay, "ebay.json");
    let sale = find(&d, "10-1:SALE");
    // ebay-finances §6 example: basis 87.50, fees 12.55 + 0.40, amount 74.55; the tax is not ours.
    assert_eq!(
        (sale.amount, sale.fee.unwrap(), sale.net.unwrap()),
        (m("87.50", "USD"), m("12.95", "USD"), m("74.55", "USD"))
    );
    // … but the buyer paid it, 94.72 in all.
    let tax = [
        ("eBayCollectedTaxAmount".to_owned(), m("7.22", "USD")),
        ("eBayCollectedTaxAmount/Withheld".to_owned(), m("-7.22", "USD")),
    ];
    assert_eq!(sale.components[2..], tax);
    let refund = find(&d, "10-1:REFUND");
    // −17.35 with 2.65 of fees given back: −20.00 to the buyer.
    assert_eq!((refund.amount, refund.fee.unwrap()), (m("-20.00", "USD"), m("-2.65", "USD")));
    // 74.55 − 17.35 − 1.20 = 56.00
    assert_eq!((d.payouts[0].amount, d.payouts[0].converted), (m("56.00", "USD"), Some(m("404.32", "CNY"))));
    let fewer = replaced("ebay.json", "\"transactionCount\":3", "\"transactionCount\":4");
    assert_eq!(refused(Provider::Ebay, &fewer).kind, RefusalKind::Truncated);
}

#[test]
fn stripe_counts_in_its_own_units() {
    let d = read(Provider::Stripe, "stripe-api.json");
    assert_eq!(find(&d, "txn_1").amount, m("9800", "JPY"));
    assert_eq!(find(&d, "txn_1").order.as_deref(), Some("J-1"));
    assert_eq!(find(&d, "txn_2").amount, m("900", "ISK"));
    assert_eq!(find(&d, "txn_3").amount, m("1.250", "KWD"));
    assert_eq!((d.payouts[0].amount, d.payouts[0].trace.as_deref()), (m("9447", "JPY"), Some("TRACE1")));
    assert!(
        refused(Provider::Stripe, &replaced("stripe-api.json", "\"amount\":1250", "\"amount\":1253"))
            .message
            .contains("end in 0")
    );
    assert!(
        refused(Provider::Stripe, &replaced("stripe-api.json", "\"amount\":90000", "\"amount\":90050"))
            .message
            .contains("multiple of 100")
    );
}

#[test]
fn paypal_search_shares_keys_with_the_reports() {
    let d = read(Provider::Paypal, "paypal-search.json");
    assert_eq!(d.account.as_deref(), Some("ACC1"));
    assert_eq!(d.transactions[0].id, "8AB:T0006:JPY:CR:2026-01-06T11:57:02Z");
    assert_eq!((d.transactions[0].fee, d.transactions[0].net), (Some(m("44", "JPY")), Some(m("56", "JPY"))));
    assert_eq!(d.transactions[1].refers_to.as_deref(), Some("8AB"));
    assert!(!d.transactions[2].affects, "a voided authorisation moves nothing");
}

#[test]
fn paypal_hundredths_in_the_yen_too() {
    // paypal §6.1: ¥150 is printed 15000.
    let text = "SH,2026/01/06 00:00:00 -0800,2026/01/06 23:59:59 -0800,ACC\nCH,Transaction ID,Invoice ID,PayPal Reference ID,\
        PayPal Reference ID Type,Transaction Event Code,Transaction Initiation Date,Transaction Completion Date,\
        Transaction Debit or Credit,Gross Transaction Amount,Gross Transaction Currency,Fee Debit or Credit,Fee Amount,\
        Fee Currency,Bank Reference ID\nSB,T1,A-1,,,T0006,2026/01/06 03:12:28 -0800,2026/01/06 03:12:28 -0800,CR,15000,JPY,DR,4300,JPY,\n\
        SB,T2,,,,T0400,2026/01/06 05:12:28 -0800,2026/01/06 05:12:28 -0800,DR,10000,JPY,,,,BANK7\n\
        SF,JPY,15000,10000,0,4300,CR,0,CR,700,CR,0,CR,700,CR,0,CR,0,2\nSC,2\n";
    let d = read_bytes(Provider::Paypal, text.as_bytes(), &Sidecar::default()).unwrap();
    // 150 − 43 − 100 = 7
    assert_eq!((d.statements[0].total, d.statements[0].closing), (m("7", "JPY"), Some(m("7", "JPY"))));
    assert_eq!((d.payouts[0].amount, d.payouts[0].trace.as_deref()), (m("100", "JPY"), Some("BANK7")));
    let half = text.replace("CR,15000,JPY", "CR,15050,JPY");
    assert_eq!(refused(Provider::Paypal, half.as_bytes()).kind, RefusalKind::Malformed);
}

#[test]
fn paypal_an_empty_day_is_whole_when_it_counts_nothing() {
    let text = "RH,2026/03/03 00:00:00 +0000,A,ACC,009\nFH,01\nSH,2026/03/02 00:00:00 +0000,2026/03/02 23:59:59 +0000,ACC,\n\
        CH,Transaction ID,Invoice ID,PayPal Reference ID,PayPal Reference ID Type,Transaction Event Code,\
        Transaction Initiation Date,Transaction Completion Date,Transaction Debit or Credit,Gross Transaction Amount,\
        Gross Transaction Currency,Fee Debit or Credit,Fee Amount,Fee Currency,Bank Reference ID\nSC,0\nRC,0\nFF,0\n";
    let d = read_bytes(Provider::Paypal, text.as_bytes(), &Sidecar::default()).unwrap();
    assert!(d.transactions.is_empty() && d.statements.is_empty() && d.payouts.is_empty());
    // Without the counts nothing says that the file ends here.
    let cut = text.split("SC,0").next().unwrap();
    assert_eq!(refused(Provider::Paypal, cut.as_bytes()).kind, RefusalKind::Truncated);
}

#[test]
fn bank_formats_roll_forward() {
    let d = read(Provider::Bank, "bank.camt053.xml");
    assert_eq!(d.bank.len(), 2, "the pending entry waits");
    assert_eq!(d.bank[0].text.as_deref(), Some("90000000001 AMAZON PAYMENTS & CO 90000000001"));
    assert_eq!(d.bank[1].amount, m("-12.00", "EUR"));
    let d = read(Provider::Bank, "bank.mt940");
    // 100 + 1033.45 − 12 − 21.45 (a credit taken back) = 1100.00
    let amounts: Vec<String> = d.bank.iter().map(|b| b.amount.amount()).collect();
    assert_eq!(amounts, ["1033.45", "-12.00", "-21.45"]);
    assert!(d.bank[0].text.as_deref().unwrap().contains("AMAZON PAYMENTS?2190000000001"));
    let d = read(Provider::Bank, "bank-de.csv");
    assert_eq!(d.bank.iter().map(|b| b.amount.amount()).collect::<Vec<_>>(), ["1033.45", "-12.00", "-12.00"]);
    assert_ne!(d.bank[1].id, d.bank[2].id, "two equal fees are two");
    assert_eq!(
        refused(Provider::Bank, &replaced("bank.camt053.xml", "1121.45", "1121.46")).kind,
        RefusalKind::NotFooting
    );
    assert_eq!(
        refused(Provider::Bank, &replaced("bank.mt940", "1100,00", "1100,10")).kind,
        RefusalKind::NotFooting
    );
    assert_eq!(
        refused(Provider::Bank, &replaced("bank.mt940", ":62F:C260617EUR1100,00\n", "")).kind,
        RefusalKind::Truncated
    );
}

#[test]
fn xml_entities_are_not_expanded() {
    let bomb = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><Document>&b;</Document>"#;
    assert_eq!(refused(Provider::Bank, bomb.as_bytes()).kind, RefusalKind::Malformed);
    assert_eq!(refused(Provider::Bank, b"<Document><x>&b;</x></Document>").kind, RefusalKind::Malformed);
    let deep = "<a>".repeat(10_000);
    assert_eq!(refused(Provider::Bank, deep.as_bytes()).kind, RefusalKind::Malformed);
}

#[test]
fn a_latin1_statement_declares_its_encoding() {
    let bytes = replaced("bank.camt053.xml", "encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"");
    let bytes: Vec<u8> = String::from_utf8(bytes)
        .unwrap()
        .replace("PAYMENTS", "M\u{fc}nchen")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let d = read_bytes(Provider::Bank, &bytes, &Sidecar::default()).unwrap();
    assert!(d.bank[0].text.as_deref().unwrap().contains("München"));
}

#[test]
fn archives_unpack_within_bounds() {
    // 1.2 GiB of zeros in a ZIP of about a megabyte: stopped at the counted gigabyte, not at its word.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("a.csv", options).unwrap();
    let block = vec![b'0'; 1 << 20];
    for _ in 0..64 {
        zip.write_all(&block).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    // One line of 64 MiB is refused long before the bound.
    assert_eq!(refused(Provider::Alipay, &bytes).kind, RefusalKind::Malformed);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for i in 0..65 {
        zip.start_file(format!("{i}.csv"), options).unwrap();
    }
    let many = zip.finish().unwrap().into_inner();
    assert_eq!(refused(Provider::Alipay, &many).kind, RefusalKind::TooLarge);
}

#[test]
fn carrier_rows_foot() {
    let d = read(Provider::Carrier, "carrier.csv");
    assert_eq!((d.carrier[0].duty, d.carrier[0].total), (m("13.10", "EUR"), m("63.60", "EUR")));
    assert_eq!(d.carrier[1].id, "INV-1/1Z998");
    let r = refused(Provider::Carrier, &replaced("carrier.csv", "29.00", "29.10"));
    assert_eq!((r.kind, r.line), (RefusalKind::NotFooting, 3));
}

#[test]
fn a_folder_with_copies_sidecars_and_strangers() {
    let dir = std::env::temp_dir().join(format!("tradewind-import-{}", std::process::id()));
    let put = |path: &str, bytes: &[u8]| {
        let path = dir.join("settlements").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("amazon/a.txt", &fixture("amazon-eur.txt"));
    put("amazon/copy.txt", &fixture("amazon-eur.txt"));
    put("amazon/groups.json", &fixture("amazon-groups.json"));
    put("amazon/import.toml", b"account = \"eu\"\n");
    put("wechatpay/fund.csv", &fixture("wechat-fund.csv"));
    put("wechatpay/trade.csv", &fixture("wechat-trade.csv"));
    put("paypal/broken.csv", b"hello,world\n");
    put("nobody/x.csv", b"a,b\n");
    let import = read_dir(&dir).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(import.duplicates.len(), 1);
    assert_eq!(import.refused.len(), 2, "{:?}", import.refused);
    let by: BTreeMap<String, _> =
        import.files.iter().map(|f| (f.path.to_string_lossy().into_owned(), f)).collect();
    let amazon = by["settlements/amazon/a.txt"];
    assert_eq!(amazon.account, "eu");
    // The group is the settlement's: 1033.45 EUR, arrived as 1189.50 USD.
    assert_eq!(amazon.document.statements[0].converted_total, Some(m("1189.50", "USD")));
    assert_eq!(amazon.document.statements[0].trace_id.as_deref(), Some("TRACE-77"));
    // The trade bill posts the sale and its fee; the fund bill's rows of that sale inform, its withdrawal posts.
    let fund = by["settlements/wechatpay/fund.csv"];
    let informs: Vec<bool> = fund.document.transactions.iter().map(|t| t.informs).collect();
    assert_eq!(informs, [true, true, false]);
    // A fund bill names no merchant: it is of the account whose trades it repeats.
    assert_eq!(fund.account, "190000");
}
