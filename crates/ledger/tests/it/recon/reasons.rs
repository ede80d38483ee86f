//! The list of reasons is closed, and every one of them can be reached.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tradewind_ledger::recon::Reason;

use super::{Answer, World, bank_line, charge, order, payout, with};

fn fees(fee: &str, policy: &str) -> Answer {
    World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "100.00")])
        .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "100.00", fee)])
        .policy(policy)
        .until("2026-02-02")
        .run()
}

/// 1.5 % + 0.25 of 100.00 is 1.75.
const AGREED: &str =
    "[[fee]]\nprovider = \"stripe\"\nkind = \"processing\"\npercent = \"1.5\"\nfixed = { EUR = \"0.25\" }\n";

#[test]
fn fees_are_held_against_what_was_agreed() {
    let a = fees("1.75", AGREED);
    a.none("FEE_UNEXPECTED");
    a.none("FEE_MISSING");
    // One cent more than agreed.
    let d = fees("1.76", AGREED);
    let d = d.only("FEE_UNEXPECTED");
    assert_eq!((&d["amount"], &d["records"]), (&json!("0.01"), &json!(["ch", "o"])));
    assert_eq!(
        d["evidence"],
        json!([{"what": "processing taken", "amount": "1.76"}, {"what": "processing agreed", "amount": "-1.75"}])
    );
    // None at all, and less than agreed.
    assert_eq!(fees("0.00", AGREED).only("FEE_MISSING")["amount"], "-1.75");
    assert_eq!(fees("1.00", AGREED).only("FEE_MISSING")["amount"], "-0.75");
    // Within the tolerance of the rule; and a rule for somebody else says nothing.
    fees("1.76", &format!("{AGREED}tolerance_minor = 1\n")).none("FEE_UNEXPECTED");
    fees("9.99", &AGREED.replace("stripe", "paypal")).none("FEE_UNEXPECTED");
    fees("9.99", "").none("FEE_UNEXPECTED");
}

#[test]
fn a_fee_of_a_kind_that_was_never_agreed_is_unexpected() {
    // What was agreed for sales is all that may be taken on them: a commission beside the processing fee is not.
    let row = with(
        charge("ch", "o", "2026-02-01", "EUR", "100.00", "6.75"),
        json!({"provider": "ebay", "kind": "SALE", "components": [{"code": "FINAL_VALUE_FEE", "amount": "-1.75"}, {"code": "AD_FEE", "amount": "-5.00"}]}),
    );
    let policy = AGREED.replace("stripe", "ebay").replace("processing", "commission");
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "100.00")])
        .file("transactions", &[row])
        .policy(&policy)
        .run();
    let d = a.only("FEE_UNEXPECTED");
    assert_eq!(d["amount"], "5.00");
    assert!(d["explanation"].as_str().unwrap().contains("advertising"), "{d}");
}

#[test]
fn a_fixed_fee_without_a_sales_currency_is_a_question_not_zero() {
    let w = World::new()
        .file("transactions", &[charge("ch", "o", "2026-02-01", "USD", "100.00", "1.75")])
        .policy(AGREED);
    let told = tradewind_ledger::recon::run(&w.facts, &w.options).unwrap_err().to_string();
    assert!(
        told.contains("none in USD") && told.contains("row ch") && told.contains("USD = \"0\""),
        "{told}"
    );
    let policy = |text: &str| tradewind_ledger::recon::Policy::parse(text).unwrap_err();
    for text in ["rounding_minor = -1\n", "fx_tolerance = \"-0.01\"\n", "late_days = -1\n"] {
        assert!(policy(text).contains("not negative"), "{text}");
    }
    assert!(policy(&AGREED.replace("stripe", "strip")).contains("no such provider"));
    assert!(policy(&AGREED.replace("\"1.5\"", "\"-1.5\"")).contains("not negative"));
}

fn reserve() -> World {
    let row = |kind: &str, amount: &str| {
        json!({"id": kind, "provider": "amazon", "account": "eu", "kind": format!("other-transaction/{kind}"), "occurred_at": "2026-02-01T10:00:00Z",
            "currency": "EUR", "amount": amount, "statement": "S"})
    };
    World::new()
        .file("transactions", &[row("Previous Reserve Amount Balance", "10.00"), row("Current Reserve Amount", "-4.00")])
        .file("statements", &[json!({"id": "S", "provider": "amazon", "account": "eu", "currency": "EUR", "total": "6.00", "deposit_date": "2026-02-03"})])
}

#[test]
fn every_reason_of_the_list_is_reached() {
    let sent = |m: &[&str]| -> Vec<Value> {
        m.iter().enumerate().map(|(i, m)| payout(&format!("P{i}"), "2026-05-11", "EUR", m, "paid")).collect()
    };
    let o = || order("o", "2026-02-01", "EUR", "60.00");
    let paid = || charge("ch", "o", "2026-02-01", "EUR", "60.00", "0.00");
    let taken = |amount: &str| {
        with(
            paid(),
            json!({"id": "d", "kind": "adjustment", "event_code": "dispute", "amount": amount, "refers_to": "ch"}),
        )
    };
    let gone = json!({"id": "r", "provider": "stripe", "account": "acct", "kind": "refund", "occurred_at": "2026-02-03T10:00:00Z", "currency": "EUR", "amount": "-61.00", "order": "o"});
    let dollars = json!({"id": "usd", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-04-13T10:00:00Z", "currency": "EUR",
        "amount": "70.00", "rate": "1.15", "net_currency": "USD"});
    let rates = "date,base,quote,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n";
    let facilitated = json!({"id": "t", "provider": "amazon", "account": "eu", "kind": "Order", "occurred_at": "2026-03-05T12:00:00Z", "currency": "EUR",
        "amount": "-1.00", "order": "o", "components": [{"code": "ItemWithheldTax/MarketplaceFacilitatorVAT-Principal", "amount": "-1.00"}]});
    let duty = with(o(), json!({"collected_duties_taxes": "1.00", "tracking": "T"}));
    let carrier = json!({"id": "I", "tracking": "T", "currency": "EUR", "duty": "2.00", "vat": "0.00", "fee": "0.00", "total": "2.00"});
    let worlds = [
        World::new().file("orders", &[o()]).file("transactions", &[]).until("2026-02-02"),
        World::new().file("orders", &[o()]).file("transactions", &[]).until("2026-03-02"),
        World::new().file("orders", &[o()]).file("transactions", &[with(paid(), json!({"order": "x"}))]).until("2026-02-02"),
        World::new().file("orders", &[o()]).file("transactions", &[paid(), taken("-60.00")]),
        World::new().file("orders", &[o()]).file("transactions", &[paid(), gone]),
        World::new().file("orders", &[o()]).file("transactions", &[paid()]).file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "61.00", "0.00")]),
        World::new().file("transactions", &[paid(), paid()]),
        World::new().file("transactions", &[with(paid(), json!({"kind": "brand_new_row"}))]),
        World::new().file("transactions", &[facilitated]),
        World::new().file("orders", &[duty]).file("carrier_invoices", &[carrier]),
        World::new().file("payouts", &sent(&["6.00", "4.00", "3.00", "7.00"])).file("bank", &[bank_line("B", "2026-05-12", "EUR", "10.00", "STRIPE")]),
        World::new().file("payouts", &sent(&["6.00"])).file("bank", &[bank_line("B", "2026-05-12", "EUR", "5.99", "STRIPE P0")]),
        World::new().file("payouts", &sent(&["6.00"])).file("bank", &[bank_line("B", "2026-05-12", "EUR", "5.99", "STRIPE P0")]).policy("rounding_minor = 1\n"),
        World::new().file("payouts", &sent(&["6.00"])).file("bank", &[bank_line("B", "2026-05-12", "USD", "5.99", "STRIPE P0")]),
        World::new().file("payouts", &[payout("P", "2026-05-11", "EUR", "6.00", "failed")]),
        World::new().file("transactions", std::slice::from_ref(&dollars)).rates(rates).base("USD"),
        World::new().file("transactions", &[with(dollars, json!({"rate": "1.05"}))]).rates(rates).base("USD"),
        World::new()
            .file("transactions", &[with(paid(), json!({"statement": "S"}))])
            .file("statements", &[json!({"id": "S", "provider": "stripe", "account": "acct", "currency": "EUR", "total": "59.00"})]),
        World::new().file("orders", &[o()]).file("transactions", &[paid()]).policy(AGREED),
        World::new().file("orders", &[o()]).file("transactions", &[with(paid(), json!({"fee": "9.00"}))]).policy(AGREED),
        reserve(),
    ];
    let mut seen = BTreeSet::new();
    for w in worlds {
        seen.extend(w.run().outcome.differences.iter().map(|d| d.reason));
    }
    let missing: Vec<&str> = Reason::ALL.iter().filter(|r| !seen.contains(r)).map(|r| r.code()).collect();
    assert!(missing.is_empty(), "not reached: {missing:?}");
    assert_eq!(Reason::ALL.len(), 22, "the list is closed");
}
