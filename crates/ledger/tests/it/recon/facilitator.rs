//! Tax that the marketplace collects and withholds: it nets to zero, statement by statement.

use serde_json::{Value, json};

use super::{Answer, World, order};

/// Model §8: the buyer pays 60.50 (50.00 + 10.50 tax); commission 15 % of 60.50 = 9.08 (9.075 half up); `withheld` as stated.
fn sale(withheld: &str, total: &str) -> Answer {
    let rows = [
        json!({"id": "t1", "provider": "amazon", "account": "eu", "kind": "Order", "occurred_at": "2026-03-05T12:00:00Z",
        "currency": "EUR", "amount": total, "statement": "S1", "order": "o", "components": [
            {"code": "ItemPrice/Principal", "amount": "50.00"}, {"code": "ItemPrice/Tax", "amount": "10.50"},
            {"code": "ItemWithheldTax/MarketplaceFacilitatorVAT-Principal", "amount": withheld},
            {"code": "ItemFees/Commission", "amount": "-9.08"}]}),
    ];
    let s = json!({"id": "S1", "provider": "amazon", "account": "eu", "currency": "EUR", "total": total, "deposit_date": "2026-03-14"});
    World::new()
        .file("orders", &[order("o", "2026-03-05", "EUR", "60.50")])
        .file("transactions", &rows)
        .file("statements", &[s])
        .run()
}

#[test]
fn what_is_withheld_is_nobodys_turnover_and_nobodys_liability() {
    let a = sale("-10.50", "40.92");
    let o = a.order("o");
    assert_eq!((&o["net"], &o["fees"], &o["taxes"]), (&json!("40.92"), &json!("9.08"), &json!("10.50")));
    assert_eq!((&o["gross"], &o["open"], &o["state"]), (&json!("60.50"), &json!("0.00"), &json!("Settled")));
    assert_eq!(a.balance("EUR", "income:sales"), "-50.00");
    assert_eq!(a.balance("EUR", "liabilities:tax"), "0.00");
    assert_eq!(a.balance("EUR", "liabilities:facilitator-tax"), "0.00");
    a.none("TAX_FACILITATOR");
    a.clean();
}

#[test]
fn tax_that_nobody_withholds_is_the_sellers() {
    let a = sale("0.00", "51.42");
    assert_eq!(a.balance("EUR", "liabilities:tax:seller"), "-10.50");
    assert_eq!(a.balance("EUR", "liabilities:facilitator-tax"), "0.00");
    a.none("TAX_FACILITATOR");
}

#[test]
fn a_cent_too_much_or_too_little_withheld_is_named() {
    // 10.50 collected: 10.51 withheld is one cent taken; 10.49 leaves one cent that nobody declares.
    for (withheld, total, off) in [("-10.51", "40.91", "-0.01"), ("-10.49", "40.93", "0.01")] {
        let a = sale(withheld, total);
        let d = a.only("TAX_FACILITATOR");
        assert_eq!((&d["amount"], &d["records"]), (&json!(off), &json!(["o", "t1"])));
        assert_eq!(d["evidence"][0]["amount"], "10.50");
        assert_eq!(d["evidence"][1]["amount"], Value::String(withheld.to_owned()));
        assert_eq!(a.json["unexplained"]["EUR"], off);
    }
}

#[test]
fn a_refund_gives_the_withheld_tax_back() {
    let row = |id: &str, kind: &str, parts: [(&str, &str); 4], total: &str| {
        let parts: Vec<Value> = parts.iter().map(|(c, a)| json!({"code": c, "amount": a})).collect();
        json!({"id": id, "provider": "amazon", "account": "eu", "kind": kind, "occurred_at": "2026-03-05T12:00:00Z", "currency": "EUR",
            "amount": total, "statement": "S1", "order": "o", "components": parts})
    };
    // Half of it: 25.00 + 5.25 tax, 5.25 released, commission 4.54 back.
    let codes = [
        "ItemPrice/Principal",
        "ItemPrice/Tax",
        "ItemWithheldTax/MarketplaceFacilitatorVAT-Principal",
        "ItemFees/Commission",
    ];
    let parts =
        |m: [&'static str; 4]| [(codes[0], m[0]), (codes[1], m[1]), (codes[2], m[2]), (codes[3], m[3])];
    let rows = [
        row("t1", "Order", parts(["50.00", "10.50", "-10.50", "-9.08"]), "40.92"),
        row("t2", "Refund", parts(["-25.00", "-5.25", "5.25", "4.54"]), "-20.46"),
    ];
    let s = json!({"id": "S1", "provider": "amazon", "account": "eu", "currency": "EUR", "total": "20.46", "deposit_date": "2026-03-14"});
    let a = World::new()
        .file("orders", &[order("o", "2026-03-05", "EUR", "60.50")])
        .file("transactions", &rows)
        .file("statements", &[s])
        .run();
    let o = a.order("o");
    assert_eq!((&o["refunded"], &o["net"], &o["fees"]), (&json!("30.25"), &json!("20.46"), &json!("4.54")));
    assert_eq!(a.balance("EUR", "liabilities:facilitator-tax"), "0.00");
    assert_eq!(
        (a.balance("EUR", "income:sales"), a.balance("EUR", "contra:refunds")),
        ("-50.00".to_owned(), "25.00".to_owned())
    );
    a.none("TAX_FACILITATOR");
    a.clean();
}

/// The example of ebay-finances §6: basis 87.50, tax 7.22 collected by eBay, fees 12.95, so 74.55 is ours. Then half of it goes
/// back, and half of the tax, 43.75 and 3.61; no fee comes back.
fn ebay(total: &str) -> Answer {
    ebay_world(total).run()
}

fn ebay_world(total: &str) -> World {
    let row = |id: &str, kind: &str, amount: &str, fee: &str, parts: &[(&str, &str)]| {
        let parts: Vec<Value> = parts.iter().map(|(c, a)| json!({"code": c, "amount": a})).collect();
        json!({"id": id, "provider": "ebay", "account": "uk", "kind": kind, "occurred_at": "2026-03-05T12:00:00Z", "currency": "GBP",
            "amount": amount, "fee": fee, "order": "o", "components": parts})
    };
    let rows = [
        row(
            "1:SALE:CREDIT",
            "SALE",
            "87.50",
            "12.95",
            &[
                ("FINAL_VALUE_FEE", "-12.55"),
                ("FINAL_VALUE_FEE_FIXED_PER_ORDER", "-0.40"),
                ("eBayCollectedTaxAmount", "7.22"),
                ("eBayCollectedTaxAmount/Withheld", "-7.22"),
            ],
        ),
        row(
            "2:REFUND:DEBIT",
            "REFUND",
            "-43.75",
            "0.00",
            &[("eBayCollectedTaxAmount", "-3.61"), ("eBayCollectedTaxAmount/Withheld", "3.61")],
        ),
    ];
    World::new().file("orders", &[order("o", "2026-03-05", "GBP", total)]).file("transactions", &rows)
}

#[test]
fn an_ebay_order_is_paid_with_the_tax_that_ebay_keeps() {
    // The order's total holds the tax (94.72), or leaves it out (87.50): either is paid in full, and 74.55 − 43.75 = 30.80 is ours.
    for (total, refunded, taxes) in [("94.72", "47.36", "3.61"), ("87.50", "43.75", "0.00")] {
        let a = ebay(total);
        let o = a.order("o");
        assert_eq!(
            (&o["gross"], &o["open"], &o["state"]),
            (&json!(total), &json!("0.00"), &json!("Settled"))
        );
        assert_eq!((&o["refunded"], &o["taxes"]), (&json!(refunded), &json!(taxes)));
        assert_eq!((&o["fees"], &o["net"]), (&json!("12.95"), &json!("30.80")));
        assert_eq!(a.balance("GBP", "income:sales"), "-87.50");
        assert_eq!(a.balance("GBP", "contra:refunds"), "43.75");
        assert_eq!(a.balance("GBP", "liabilities:facilitator-tax"), "0.00");
        a.none("AMOUNT_MISMATCH");
        a.none("TAX_FACILITATOR");
        a.clean();
    }
}

#[test]
fn a_refund_whose_tax_goes_back_by_itself_is_the_one_we_asked_for() {
    // Asked for 43.75, the goods; eBay gives 3.61 of tax back beside them (ebay-finances §2, §4). Or asked for with it, 47.36.
    let run = |total: &str, asked: &str| {
        let q = json!({"id": "q", "order": "o", "requested_at": "2026-03-05T11:00:00Z", "currency": "GBP", "amount": asked});
        ebay_world(total).file("refunds", &[q]).run()
    };
    for (total, asked) in [("94.72", "43.75"), ("94.72", "47.36"), ("87.50", "43.75")] {
        assert_eq!(run(total, asked).differences(), [], "{total} {asked}");
    }
    // A penny more than was asked for is named.
    let a = run("94.72", "47.35");
    assert_eq!(a.only("PROVIDER_ONLY")["amount"], "0.01");
}

#[test]
fn an_ebay_order_paid_a_cent_short_is_still_named() {
    // 94.72 was paid of 94.73.
    let a = ebay("94.73");
    assert_eq!(a.only("AMOUNT_MISMATCH")["amount"], "-0.01");
    assert_eq!(a.json["unexplained"]["GBP"], "-0.01");
}
