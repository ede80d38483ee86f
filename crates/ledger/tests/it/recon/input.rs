//! Faulty rows are named by file and row, and stop nothing.

use serde_json::json;

use super::{World, charge, order};

#[test]
fn a_faulty_row_is_named_and_the_rest_goes_on() {
    let good = charge("ch", "o", "2026-02-01", "EUR", "60.00", "0.00");
    for (bad, why) in [
        (
            json!({"id": "1.2346E+11", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "1.00"}),
            "spreadsheet",
        ),
        (
            json!({"id": "x", "provider": "nobody", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "1.00"}),
            "no importer for 'nobody'",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "02/01/2026", "currency": "EUR", "amount": "1.00"}),
            "occurred_at",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": 1.5}),
            "schema",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "1,00"}),
            "amount",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "1.001"}),
            "amount",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "JPY", "amount": "1.5"}),
            "amount",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "XQQ", "amount": "1"}),
            "XQQ",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "1.00", "net_currency": "USD"}),
            "needs net or rate",
        ),
        (
            json!({"id": "x", "provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "1.00", "net_currency": "USD", "rate": "0"}),
            "rate: 0 is not above zero",
        ),
        (
            json!({"provider": "stripe", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "1.00"}),
            "id",
        ),
    ] {
        let a = World::new()
            .file("orders", &[order("o", "2026-02-01", "EUR", "60.00")])
            .file("transactions", &[good.clone(), bad.clone()])
            .run();
        let errors = a.json["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{bad}");
        assert_eq!((&errors[0]["file"], &errors[0]["row"]), (&json!("transactions-2.jsonl"), &json!(2)));
        assert!(errors[0]["message"].as_str().unwrap().contains(why), "{why} in {}", errors[0]);
        assert_eq!((&a.json["status"], &a.order("o")["state"]), (&json!("incomplete"), &json!("Settled")));
    }
}

#[test]
fn a_mark_of_the_encoding_and_blank_lines_are_no_rows() {
    let text = format!(
        "\u{feff}{}\r\n\n  \n{}\n",
        order("a", "2026-02-01", "EUR", "1.00"),
        order("b", "2026-02-01", "EUR", "1.00")
    );
    let a = World::new().text("orders", &text).run();
    assert_eq!(a.json["orders"].as_array().unwrap().len(), 2);
    assert!(a.json.get("errors").is_none());
}

#[test]
fn a_code_that_no_table_maps_goes_to_suspense() {
    let row = json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "brand_new_row", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "-3.00"});
    let a = World::new().file("transactions", &[row]).run();
    let d = a.only("UNMAPPED_CODE");
    assert_eq!((&d["amount"], &d["records"]), (&json!("-3.00"), &json!(["x"])));
    assert!(d["explanation"].as_str().unwrap().contains("'brand_new_row'"));
    assert_eq!(
        (a.balance("EUR", "suspense:stripe"), &a.json["unexplained"]["EUR"]),
        ("3.00".to_owned(), &json!("-3.00"))
    );
    assert_eq!(a.json["status"], "differences");
}

#[test]
fn parts_that_do_not_make_their_row_are_named() {
    let row = json!({"id": "x", "provider": "amazon", "account": "eu", "kind": "Order", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR",
        "amount": "10.00", "components": [{"code": "ItemPrice/Principal", "amount": "9.00"}]});
    let a = World::new().file("transactions", &[row]).run();
    assert_eq!(
        a.only("AMOUNT_MISMATCH")["evidence"],
        json!([{"what": "row", "amount": "10.00"}, {"what": "parts", "amount": "-9.00"}])
    );
    assert_eq!(a.balance("EUR", "suspense"), "-1.00");
    // Stripe: net = amount − fee, on every row.
    let row = json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR",
        "amount": "10.00", "fee": "0.30", "net": "9.69"});
    let a = World::new().file("transactions", &[row]).run();
    assert_eq!(a.only("AMOUNT_MISMATCH")["amount"], "-0.01");
}

#[test]
fn rows_that_move_no_balance_are_not_booked() {
    let row = json!({"id": "x", "provider": "paypal", "account": "pp", "kind": "T1300", "event_code": "T1300", "occurred_at": "2026-02-01T10:00:00Z",
        "currency": "EUR", "amount": "10.00", "balance_affecting": false});
    let a = World::new().file("transactions", &[row]).run();
    assert_eq!((&a.json["trial_balance"], a.differences().len()), (&json!({}), 0));
}

#[test]
fn a_field_that_no_schema_has_is_refused_with_the_name_it_meant() {
    let row =
        super::with(charge("ch", "o", "2026-02-01", "EUR", "60.00", "0.00"), json!({"referst_to": "x"}));
    let quoted = super::with(
        order("o", "2026-02-01", "EUR", "60.00"),
        json!({"quoted": {"duty": "1.00", "tax": "2.00"}}),
    );
    for (kind, row, says) in [
        ("transactions", row, "unknown field 'referst_to': is it 'refers_to'? known are id, provider"),
        ("orders", quoted, "unknown field 'tax': is it 'vat'? known are duty, vat, fee"),
        (
            "orders",
            super::with(order("o", "2026-02-01", "EUR", "60.00"), json!({"zzzzzzzzz": 1})),
            "'zzzzzzzzz': known are",
        ),
    ] {
        let a = World::new().file(kind, &[row]).run();
        let e = &a.json["errors"][0];
        assert_eq!((&e["file"], &e["row"]), (&json!(format!("{kind}-1.jsonl")), &json!(1)));
        assert!(e["message"].as_str().unwrap().contains(says), "{says} in {e}");
        assert_eq!(a.json["status"], "incomplete");
    }
}

#[test]
fn amounts_that_cannot_be_summed_are_refused_with_the_largest_of_them() {
    // Three times thirty quadrillion are more than i64 minor units hold with room for sums.
    let rows: Vec<_> = (0..3)
        .map(|i| charge(&format!("c{i}"), "o", "2026-02-01", "EUR", "30000000000000000.00", "0.00"))
        .collect();
    let w = World::new().file("transactions", &rows);
    let told = tradewind_ledger::recon::run(&w.facts, &w.options).unwrap_err().to_string();
    assert!(told.contains("in EUR") && told.contains("transactions-1.jsonl, row 1"), "{told}");
}

#[test]
fn without_a_policy_the_base_is_the_currency_of_most_bank_lines() {
    let line = |id: &str, c: &str| super::bank_line(id, "2026-02-01", c, "1.00", "x");
    let a = World::new().file("bank", &[line("a", "USD"), line("b", "GBP"), line("c", "USD")]).run();
    assert_eq!(a.json["base"], "USD");
    // A tie: the first by name.
    let a = World::new().file("bank", &[line("a", "USD"), line("b", "GBP")]).run();
    assert_eq!(a.json["base"], "GBP");
}

#[test]
fn the_fee_of_a_row_that_no_table_maps_is_in_suspense_with_it() {
    let row = json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "brand_new_row", "occurred_at": "2026-02-01T10:00:00Z",
        "currency": "EUR", "amount": "-3.00", "fee": "0.25"});
    let a = World::new().file("transactions", &[row]).run();
    // −3.00 − 0.25 = −3.25, and no part of it is a processing fee.
    let codes: Vec<_> =
        a.differences().into_iter().filter(|(r, _)| r == "UNMAPPED_CODE").map(|(_, m)| m).collect();
    assert_eq!(codes, ["-3.00", "-0.25"]);
    assert_eq!((&a.json["unexplained"]["EUR"], &a.json["fees"]), (&json!("-3.25"), &json!({})));
    assert_eq!(a.balance("EUR", "suspense:stripe"), "3.25");
    // On a row that is known the field says that it is a fee; of which kind, Amazon's table has no word for.
    let row = json!({"id": "x", "provider": "amazon", "account": "eu", "kind": "ItemPrice/Principal", "occurred_at": "2026-02-01T10:00:00Z",
        "currency": "EUR", "amount": "10.00", "fee": "1.50"});
    let a = World::new().file("transactions", &[row]).run();
    a.none("UNMAPPED_CODE");
    assert_eq!(a.json["fees"], json!({"EUR": {"other": "1.50"}}));
}

#[test]
fn rates_are_read_by_the_titles_of_their_columns() {
    let sale = json!({"id": "ch", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-04-13T10:00:00Z",
        "currency": "EUR", "amount": "70.00", "rate": "1.15", "net_currency": "USD"});
    let run = |csv: &str| {
        World::new().file("transactions", std::slice::from_ref(&sale)).rates(csv).base("USD").run()
    };
    // 70.00 × 1.1684 = 81.79 less 80.50 = 1.29, whatever the order of the columns.
    let a = run("quote,base,date,source,rate\nUSD,EUR,2026-04-13,ECB,1.1684\n");
    assert_eq!(a.json["fx"]["conversion_cost"], "1.29");
    for (csv, says) in [
        ("date,base,qoute,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n", "'qoute': is it 'quote'?"),
        ("2026-04-13,EUR,USD,1.1684,ECB\n", "no such column: '2026-04-13'"),
        ("date,base,quote,rate\n2026-04-13,EUR,USD,1.1684\n", "no column 'source'"),
        ("date,base,base,rate,source\n", "column 'base' stands twice"),
    ] {
        let a = run(csv);
        let e = &a.json["errors"][0];
        assert!(
            e["file"] == "fx.csv" && e["row"] == 1 && e["message"].as_str().unwrap().contains(says),
            "{e}"
        );
        assert_eq!(a.json["fx"]["unmeasured"], json!(["ch"]));
    }
    let a = run("date,base,quote,rate,source\n\n2026-04-13,EUR,USD,1,1684,ECB\n");
    assert_eq!((&a.json["errors"][0]["file"], &a.json["errors"][0]["row"]), (&json!("fx.csv"), &json!(3)));
}

#[test]
fn two_rates_of_one_day_and_source_are_told() {
    let csv = "date,base,quote,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n2026-04-13,EUR,USD,1.1684,ECB\n2026-04-13,EUR,USD,1.6184,ECB\n2026-04-13,EUR,USD,1.1700,HMRC\n";
    let sale = json!({"id": "ch", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-04-13T10:00:00Z",
        "currency": "EUR", "amount": "70.00", "rate": "1.15", "net_currency": "USD"});
    let a = World::new().file("transactions", &[sale]).rates(csv).base("USD").run();
    let errors = a.json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!((&errors[0]["file"], &errors[0]["row"]), (&json!("fx.csv"), &json!(4)));
    assert!(
        errors[0]["message"]
            .as_str()
            .unwrap()
            .contains("1.6184 for EUR/USD of 2026-04-13 here and 1.1684 in row 2"),
        "{}",
        errors[0]
    );
    // 70.00 × 1.1684 = 81.79 less 80.50.
    assert_eq!(a.json["fx"]["conversion_cost"], "1.29");
}

#[test]
fn a_list_is_no_row_and_a_period_does_not_end_before_it_begins() {
    let a =
        World::new().text("orders", "[\"o\",\"shop\",\"2026-02-01T10:00:00Z\",\"EUR\",\"10.00\"]\n").run();
    assert!(
        a.json["errors"][0]["message"].as_str().unwrap().contains("this is a list"),
        "{}",
        a.json["errors"]
    );
    assert_eq!(a.json["orders"], json!([]));
    let s = json!({"id": "S1", "provider": "stripe", "account": "acct", "currency": "EUR", "total": "0.00",
        "period": {"from": "2026-07-01", "to": "2026-06-01"}});
    let a = World::new().file("statements", &[s]).run();
    let told = a.json["errors"][0]["message"].as_str().unwrap();
    assert!(told.contains("begins on 2026-07-01 and ends before that, on 2026-06-01"), "{told}");
}
