//! Daily bills of WeChat Pay and Alipay in a folder: trade bill and fund bill tell the same money, which is booked once, finds its order
//! by its reference and leaves for the bank by the fund bill.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tradewind_ledger::answer;
use tradewind_ledger::facts::{Facts, native, read};
use tradewind_ledger::import::read_dir;
use tradewind_ledger::recon::{self, Options};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn run(provider: &str, files: &[(&str, Vec<u8>)], rows: &[(&str, Value)]) -> Value {
    let names: String = files.iter().map(|(n, _)| *n).collect();
    let dir = std::env::temp_dir().join(format!("tradewind-bills-{}-{provider}-{names}", std::process::id()));
    let folder = dir.join("settlements").join(provider);
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let import = read_dir(&dir).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    assert!(import.refused.is_empty(), "{:?}", import.refused);
    let mut facts = Facts::default();
    for (kind, row) in rows {
        read::read_bytes(kind, &format!("{kind}.jsonl"), 0, row.to_string().as_bytes(), &mut facts);
    }
    facts.extend(native::from_import(&import));
    let as_of = Some("2026-01-20".parse().unwrap());
    answer::json(&recon::run(&facts, &Options { as_of, ..Options::default() }).unwrap()).unwrap()
}

fn order(id: &str, total: &str) -> Value {
    json!({"id": id, "account": "shop", "placed_at": "2026-01-05T08:59:00+08:00", "currency": "CNY", "total": total})
}

fn bank(amount: &str, text: &str) -> Value {
    json!({"id": "B", "account": "cn", "date": "2026-01-06", "currency": "CNY", "amount": amount, "text": text})
}

fn differences(a: &Value) -> Vec<(&str, &str)> {
    let list = a["differences"].as_array().unwrap().iter();
    list.map(|d| (d["reason"].as_str().unwrap(), d["amount"].as_str().unwrap())).collect()
}

#[test]
fn wechat_trade_and_fund_bill_are_one_payment() {
    let rows = [
        ("orders", order("A-1", "19.90")),
        (
            "refunds",
            json!({"id": "R-1", "order": "A-1", "requested_at": "2026-01-05T20:00:00+08:00", "currency": "CNY", "amount": "5.00"}),
        ),
        ("bank", bank("100.00", "财付通 1000000001")),
    ];
    let a = run(
        "wechatpay",
        &[("fund.csv", fixture("wechat-fund.csv")), ("trade.csv", fixture("wechat-trade.csv"))],
        &rows,
    );
    assert_eq!(differences(&a), [], "{}", a["differences"]);
    // 19.90 paid, 5.00 back; fee 0.11940 is 0.12 and 0.03 of it comes back: 19.90 − 5.00 − 0.09 = 14.81.
    let o = &a["orders"][0];
    assert_eq!(
        (&o["gross"], &o["refunded"], &o["fees"], &o["net"]),
        (&json!("19.90"), &json!("5.00"), &json!("0.09"), &json!("14.81"))
    );
    let books = &a["trial_balance"]["CNY"];
    assert_eq!(books["income:sales:wechatpay"], "-19.90");
    // One account, although the fund bill names none; the withdrawal of 100.00 is at the bank. The wallet opened with 100.00:
    // 100.00 + 14.81 − 100.00 = 14.81.
    assert_eq!(
        (&books["assets:clearing:wechatpay:190000:CNY"], &books["assets:bank:cn"]),
        (&json!("14.81"), &json!("100.00"))
    );
    assert_eq!(books["equity:opening-balances"], "-100.00");
    // Both bills foot over all their rows: the fund bill over 19.90 − 0.12 − 100.00 = −80.22.
    let mut bills: Vec<(&Value, &Value, &Value)> =
        a["statements"].as_array().unwrap().iter().map(|s| (&s["foots"], &s["sum"], &s["account"])).collect();
    bills.sort_by_key(|b| b.1.as_str());
    assert_eq!(
        bills,
        [
            (&json!(true), &json!("-80.22"), &json!("190000")),
            (&json!(true), &json!("14.81"), &json!("190000"))
        ]
    );
}

#[test]
fn a_trade_bill_alone_is_no_transfer_that_the_bank_misses() {
    let rows = [("orders", order("A-1", "19.90")), ("bank", bank("1.00", "INTEREST"))];
    let a = run("wechatpay", &[("trade.csv", fixture("wechat-trade.csv"))], &rows);
    assert_eq!(differences(&a), [("OURS_ONLY", "1.00")]);
}

#[test]
fn alipay_business_and_account_detail_are_one_payment_and_a_coupon_is_ours() {
    // the order is 100.00, we fund a coupon of 5.00; 95.00 less 0.57 arrive. 20.00 back, 0.12 of the fee too:
    // 100.00 − 5.00 − 0.57 − 20.00 + 0.12 = 74.55. A-2: 50.00 less 0.30.
    let rows = [
        ("orders", order("A-1", "100.00")),
        ("orders", order("A-2", "50.00")),
        ("bank", bank("50.00", "支付宝 W1")),
    ];
    let a = run(
        "alipay",
        &[("account.csv", fixture("alipay-fund.csv")), ("business.zip", fixture("alipay-business.zip"))],
        &rows,
    );
    assert_eq!(differences(&a), [], "{}", a["differences"]);
    let o = &a["orders"][0];
    assert_eq!((&o["gross"], &o["open"], &o["net"]), (&json!("100.00"), &json!("0.00"), &json!("74.55")));
    assert_eq!(a["orders"][1]["net"], "49.70");
    let books = &a["trial_balance"]["CNY"];
    assert_eq!(
        (&books["income:sales:alipay"], &books["contra:promotions:alipay"]),
        (&json!("-150.00"), &json!("5.00"))
    );
    assert_eq!(books["assets:bank:cn"], "50.00");
}
