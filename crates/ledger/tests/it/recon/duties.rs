//! The fifth leg: duties collected and quoted against duties charged in the payout and assessed at the border.

use serde_json::{Value, json};
use tradewind_ledger::export::{AccountMap, Books, Kind, write};
use tradewind_ledger::facts::Facts;

use crate::exports::Temp;

use super::{World, charge, order, with};

fn invoice(id: &str, tracking: &str, duty: &str, vat: &str, fee: &str, total: &str) -> Value {
    json!({"id": id, "tracking": tracking, "currency": "EUR", "duty": duty, "vat": vat, "fee": fee, "total": total})
}

#[test]
fn what_was_collected_falls_short_of_what_was_assessed() {
    // Model §8: collected 12.00, assessed 13.10, brokerage 8.00: variance −1.10, brokerage expense 8.00, joined by the parcel.
    let o = with(
        order("o", "2026-02-01", "EUR", "112.00"),
        json!({"collected_duties_taxes": "12.00", "tracking": "TRK1"}),
    );
    let a = World::new()
        .file("orders", &[o])
        .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "112.00", "0.00")])
        .file("carrier_invoices", &[invoice("INV1", "TRK1", "5.10", "8.00", "8.00", "21.10")])
        .run();
    let d = a.only("DUTY_VARIANCE");
    assert_eq!((&d["amount"], &d["records"]), (&json!("-1.10"), &json!(["INV1", "TRK1", "o"])));
    // 12.00 − 5.10 − 8.00 = −1.10.
    assert_eq!(
        d["evidence"],
        json!([{"what": "collected or quoted", "amount": "12.00"}, {"what": "duty assessed", "amount": "-5.10"},
            {"what": "import VAT assessed", "amount": "-8.00"}])
    );
    assert_eq!(a.balance("EUR", "expenses:brokerage"), "8.00");
    assert_eq!(a.balance("EUR", "expenses:duty"), "1.10");
    assert_eq!(a.balance("EUR", "assets:duty-clearing"), "0.00");
    assert_eq!(a.balance("EUR", "liabilities:carriers"), "-21.10");
    assert_eq!(a.balance("EUR", "income:sales"), "-100.00");
    assert!(a.order("o")["links"].as_array().unwrap().contains(&json!("INV1")));
    a.clean();
}

#[test]
fn the_variance_names_its_causes() {
    // Quoted duty 5.00, VAT 7.00, fee 6.00; assessed 5.10, 8.00, 8.00: duty −0.10, VAT −1.00, brokerage −2.00.
    let o = with(
        order("o", "2026-02-01", "EUR", "100.00"),
        json!({"tracking": "TRK1", "quoted": {"duty": "5.00", "vat": "7.00", "fee": "6.00"}}),
    );
    let a = World::new()
        .file("orders", &[o])
        .file("carrier_invoices", &[invoice("INV1", "TRK1", "5.10", "8.00", "8.00", "21.10")])
        .run();
    let all: Vec<&Value> =
        a.json["differences"].as_array().unwrap().iter().filter(|d| d["reason"] == "DUTY_VARIANCE").collect();
    let amounts: Vec<&str> = all.iter().map(|d| d["amount"].as_str().unwrap()).collect();
    assert_eq!(amounts, ["-2.00", "-1.10"]);
    assert!(all[0]["explanation"].as_str().unwrap().contains("brokerage quoted 6.00, charged 8.00"));
    let text = all[1]["explanation"].as_str().unwrap();
    for cause in ["duty: quoted 5.00, assessed 5.10", "import VAT: quoted 7.00, assessed 8.00"] {
        assert!(text.contains(cause), "{cause} in {text}");
    }
    let v = &a.json["landed_cost"][0];
    assert_eq!((&v["order"], &v["invoice"]), (&json!("o"), &json!("INV1")));
    assert_eq!(v["causes"], json!({"duty": "-0.10", "import_vat": "-1.00", "brokerage": "-2.00"}));
}

#[test]
fn a_quote_that_was_right_leaves_no_variance() {
    let o = with(
        order("o", "2026-02-01", "EUR", "113.10"),
        json!({"collected_duties_taxes": "13.10", "tracking": "TRK1"}),
    );
    let a = World::new()
        .file("orders", &[o])
        .file("carrier_invoices", &[invoice("INV1", "TRK1", "5.10", "8.00", "0.00", "13.10")])
        .run();
    a.none("DUTY_VARIANCE");
}

#[test]
fn an_invoice_for_a_parcel_of_nobody_and_a_duty_that_never_came() {
    let o = with(
        order("o", "2026-02-01", "EUR", "112.00"),
        json!({"collected_duties_taxes": "12.00", "tracking": "TRK1"}),
    );
    let run = |as_of: &str| {
        World::new()
            .file("orders", std::slice::from_ref(&o))
            .file("carrier_invoices", &[invoice("INV9", "TRK9", "1.00", "2.00", "3.00", "6.00")])
            .until(as_of)
            .run()
    };
    let a = run("2026-02-20");
    assert_eq!(
        (&a.only("PROVIDER_ONLY")["amount"], &a.only("PROVIDER_ONLY")["records"]),
        (&json!("6.00"), &json!(["INV9", "TRK9"]))
    );
    let a = run("2026-03-20");
    assert!(a.differences().contains(&("OURS_ONLY".to_owned(), "12.00".to_owned())), "{:?}", a.differences());
}

#[test]
fn duties_in_a_payout_post_to_the_duty_account() {
    // Shopify takes duty and import tax for the parcel out of the payout: 100.00 − 12.00 − 8.00 = 80.00.
    let row = |id: &str, kind: &str, amount: &str| {
        json!({"id": id, "provider": "shopify", "account": "shop", "kind": kind, "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR",
            "amount": amount, "fee": "0.00", "net": amount, "order": "o", "payout": "p"})
    };
    let p = json!({"id": "p", "provider": "shopify", "account": "shop", "currency": "EUR", "amount": "80.00", "status": "PAID", "arrival": "2026-02-03"});
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "100.00")])
        .file(
            "transactions",
            &[
                row("a", "CHARGE", "100.00"),
                row("b", "CUSTOMS_DUTY", "-12.00"),
                row("c", "IMPORT_TAX", "-8.00"),
            ],
        )
        .file("payouts", &[p])
        .file("bank", &[super::bank_line("B", "2026-02-03", "EUR", "80.00", "SHOPIFY")])
        .run();
    assert_eq!(
        (a.balance("EUR", "assets:duty-clearing"), a.balance("EUR", "expenses:import-vat")),
        ("12.00".to_owned(), "8.00".to_owned())
    );
    assert_eq!((&a.payout("p")["foots"], &a.payout("p")["match"]), (&json!(true), &json!("B")));
    assert_eq!((&a.order("o")["net"], &a.order("o")["fees"]), (&json!("80.00"), &json!("0.00")));
    a.clean();
}

#[test]
fn duties_in_a_payout_are_held_against_what_was_collected() {
    // 20.00 collected; Shopify takes 13.10 of duty and 8.00 of import tax: 21.10, 1.10 more. 120.00 − 21.10 = 98.90.
    let row = |id: &str, kind: &str, amount: &str| {
        json!({"id": id, "provider": "shopify", "account": "shop", "kind": kind, "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR",
            "amount": amount, "order": "o", "payout": "p"})
    };
    let p = json!({"id": "p", "provider": "shopify", "account": "shop", "currency": "EUR", "amount": "98.90", "status": "PAID", "arrival": "2026-02-03"});
    let a = World::new()
        .file(
            "orders",
            &[super::with(
                order("o", "2026-02-01", "EUR", "120.00"),
                json!({"collected_duties_taxes": "20.00", "tracking": "T"}),
            )],
        )
        .file(
            "transactions",
            &[
                row("a", "CHARGE", "120.00"),
                row("b", "CUSTOMS_DUTY", "-13.10"),
                row("c", "IMPORT_TAX", "-8.00"),
            ],
        )
        .file("payouts", &[p])
        .file("carrier_invoices", &[])
        .file("bank", &[super::bank_line("B", "2026-02-03", "EUR", "98.90", "SHOPIFY")])
        .until("2026-04-01")
        .run();
    // No carrier's invoice is late: the provider has charged it.
    assert_eq!(a.differences(), [("DUTY_VARIANCE".to_owned(), "-1.10".to_owned())]);
    assert_eq!(a.only("DUTY_VARIANCE")["records"], json!(["b", "c", "o"]));
    assert_eq!(
        (a.balance("EUR", "assets:duty-clearing"), a.balance("EUR", "expenses:import-vat")),
        ("0.00".to_owned(), "0.00".to_owned())
    );
    // Sales are what the buyer paid without the duties, and the 1.10 are a cost.
    assert_eq!(
        (a.balance("EUR", "income:sales"), a.balance("EUR", "assets:bank")),
        ("-100.00".to_owned(), "98.90".to_owned())
    );
    assert_eq!(a.order("o")["state"], "Reconciled");
    a.clean();
}

#[test]
fn duties_in_another_currency_are_a_mismatch_not_a_number() {
    let o = with(
        order("o", "2026-02-01", "GBP", "112.00"),
        json!({"collected_duties_taxes": "12.00", "tracking": "TRK1"}),
    );
    let a = World::new()
        .file("orders", &[o])
        .file("carrier_invoices", &[invoice("INV1", "TRK1", "5.10", "8.00", "8.00", "21.10")])
        .run();
    assert_eq!(a.only("CURRENCY_MISMATCH")["records"], json!(["INV1", "o"]));
    a.none("DUTY_VARIANCE");
    // Each amount says its currency, and no variance is told.
    let v = &a.json["landed_cost"][0];
    assert_eq!(
        (&v["currency"], &v["assessed"], &v["variance"]),
        (&json!("EUR"), &json!("13.10"), &json!(null))
    );
    assert_eq!((&v["collected_currency"], &v["collected"]), (&json!("GBP"), &json!("12.00")));
}

#[test]
fn two_orders_in_one_parcel_share_its_invoice() {
    let o = |account: &str, quoted: Value| {
        with(
            order("1001", "2026-02-01", "EUR", "100.00"),
            json!({"account": account, "tracking": "TRK1", "quoted": quoted}),
        )
    };
    let orders = [
        o("de", json!({"duty": "2.00", "vat": "4.00", "fee": "6.00"})),
        o("fr", json!({"duty": "4.00", "vat": "6.00", "fee": "6.00"})),
    ];
    let a = World::new()
        .file("orders", &orders)
        .file("carrier_invoices", &[invoice("INV1", "TRK1", "6.10", "10.01", "13.01", "29.12")])
        .run();
    // Duty 6.10 by 2 : 4 is 2.033… and 4.066…: 2.03 and 4.07. VAT 10.01 by 4 : 6 is 4.004 and 6.006: 4.00 and 6.01. Brokerage 13.01 by
    // 6 : 6 is 6.505 twice: the cent goes to the first, 6.51 and 6.50. Assessed: 6.03 and 10.08.
    let told: Vec<(&Value, &Value, &Value, &Value)> = a.json["landed_cost"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (&v["account"], &v["assessed"], &v["brokerage"], &v["variance"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("de"), &json!("6.03"), &json!("6.51"), &json!("-0.03")),
            (&json!("fr"), &json!("10.08"), &json!("6.50"), &json!("-0.08")),
        ]
    );
    // The shares are the invoice: 29.12 to the carrier, 13.01 of it brokerage.
    assert_eq!(a.balance("EUR", "liabilities:carriers"), "-29.12");
    assert_eq!(a.balance("EUR", "expenses:brokerage"), "13.01");
    a.none("PROVIDER_ONLY");
    let words = a.json["differences"].to_string();
    assert!(words.contains("its share of invoice INV1 over the 2 orders of parcel TRK1"), "{words}");
}

#[test]
fn without_quotes_a_shared_invoice_goes_by_what_was_collected_or_by_the_totals() {
    let share = |a: Value, b: Value| {
        let o = |id: &str, total: &str, more: Value| {
            with(with(order(id, "2026-02-01", "EUR", total), json!({"tracking": "TRK1"})), more)
        };
        let a = World::new()
            .file("orders", &[o("a", "10.00", a), o("b", "30.00", b)])
            .file("carrier_invoices", &[invoice("INV1", "TRK1", "4.00", "0.00", "0.00", "4.00")])
            .run();
        let all: Vec<String> = a.json["landed_cost"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["assessed"].as_str().unwrap().to_owned())
            .collect();
        all
    };
    // Collected 3 : 1; nothing collected, totals 10 : 30; one of the two says nothing, totals again.
    let collected = |m: &str| json!({"collected_duties_taxes": m});
    assert_eq!(share(collected("3.00"), collected("1.00")), ["3.00", "1.00"]);
    assert_eq!(share(json!({}), json!({})), ["1.00", "3.00"]);
    assert_eq!(share(collected("3.00"), json!({})), ["1.00", "3.00"]);
}

#[test]
fn an_invoice_that_does_not_foot_is_not_taken() {
    let a = World::new()
        .file("carrier_invoices", &[invoice("INV1", "TRK1", "5.10", "8.00", "8.00", "21.11")])
        .run();
    assert_eq!(a.json["status"], "incomplete");
    let e = &a.json["errors"][0];
    assert_eq!((&e["file"], &e["row"]), (&json!("carrier_invoices-1.jsonl"), &json!(1)));
    assert!(e["message"].as_str().unwrap().contains("does not foot"));
}

#[test]
fn two_carriers_may_use_one_invoice_number_and_an_invoice_may_list_several_parcels() {
    let o = |id: &str, parcel: &str| {
        with(
            order(id, "2026-02-01", "EUR", "112.00"),
            json!({"collected_duties_taxes": "12.00", "tracking": parcel}),
        )
    };
    let of = |row: Value, carrier: &str| with(row, json!({"account": carrier}));
    let a = World::new()
        .file("orders", &[o("a", "T1"), o("b", "T2")])
        .file(
            "carrier_invoices",
            &[
                of(invoice("INV1", "T1", "4.00", "8.00", "1.00", "13.00"), "dhl"),
                of(invoice("INV1", "T2", "5.00", "7.00", "2.00", "14.00"), "dhl"),
                of(invoice("INV1", "T9", "6.00", "0.00", "3.00", "9.00"), "ups"),
                of(invoice("INV1", "T9", "1.00", "0.00", "3.00", "4.00"), "dhl"),
            ],
        )
        .run();
    a.none("CONFLICT");
    // 13.00 + 14.00 + 9.00 + 4.00.
    assert_eq!(a.balance("EUR", "liabilities:carriers"), "-40.00");
    // The same row with another amount is a conflict still.
    let a = World::new()
        .file("carrier_invoices", &[invoice("INV1", "T1", "4.00", "8.00", "1.00", "13.00")])
        .file("carrier_invoices", &[invoice("INV1", "T1", "4.00", "8.00", "2.00", "14.00")])
        .run();
    assert_eq!(a.only("CONFLICT")["amount"], "1.00");
    assert_eq!(a.balance("EUR", "liabilities:carriers"), "-13.00");
}

#[test]
fn duty_and_import_vat_that_nobody_paid_for_are_two_costs() {
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "112.00")])
        .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "112.00", "0.00")])
        .file("carrier_invoices", &[invoice("INV1", "NOPE", "4.60", "8.50", "8.00", "21.10")])
        .run();
    assert_eq!(a.balance("EUR", "expenses:duty"), "4.60");
    assert_eq!(a.balance("EUR", "expenses:import-vat"), "8.50");
    assert_eq!(a.balance("EUR", "assets:duty-clearing"), "0.00");
}

#[test]
fn what_was_collected_beyond_the_quote_is_a_cause_of_its_own() {
    // Quoted 5.00 + 7.00, collected 15.00, assessed 5.50 + 6.50: 15.00 − 12.00 = 3.00 by collection, −0.50 duty, +0.50 VAT: 3.00.
    let o = with(
        order("o", "2026-02-01", "EUR", "115.00"),
        json!({"collected_duties_taxes": "15.00", "tracking": "TRK1", "quoted": {"duty": "5.00", "vat": "7.00", "fee": "8.00"}}),
    );
    let a = World::new()
        .file("orders", &[o])
        .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "115.00", "0.00")])
        .file("carrier_invoices", &[invoice("INV1", "TRK1", "5.50", "6.50", "8.00", "20.00")])
        .run();
    let row = &a.json["landed_cost"][0];
    assert_eq!(row["quoted"], json!({"duty": "5.00", "vat": "7.00", "fee": "8.00", "currency": "EUR"}));
    assert_eq!(row["variance"], "3.00");
    assert_eq!(row["causes"], json!({"collection": "3.00", "duty": "-0.50", "import_vat": "0.50"}));
    // The report as a file.
    let books = Books::from_outcome(&a.outcome, &Facts::default(), "t").unwrap();
    let temp = Temp::new("landed");
    write(Kind::Csv, &books, &AccountMap::default(), &temp.0).unwrap();
    let text = std::fs::read_to_string(temp.0.join("landed-cost.csv")).unwrap();
    assert_eq!(
        text.lines().nth(1).unwrap().trim_end(),
        "2026-02-01,o,shop,INV1,5.00,7.00,8.00,EUR,15.00,EUR,12.00,8.00,EUR,3.00,collection 3.00; duty -0.50; import_vat 0.50"
    );
}
