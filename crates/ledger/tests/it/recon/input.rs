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
