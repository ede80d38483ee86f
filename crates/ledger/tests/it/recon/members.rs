//! Rows and the documents that they name: other currencies, documents that are not here, documents of nothing.

use serde_json::{Value, json};

use super::{World, bank_line, charge, order, payout, with};

fn row(id: &str, currency: &str, amount: &str, more: Value) -> Value {
    with(charge(id, &format!("o-{id}"), "2026-05-08", currency, amount, "0.00"), more)
}

fn statement(id: &str, currency: &str, total: &str) -> Value {
    json!({"id": id, "provider": "stripe", "account": "acct", "currency": currency, "total": total,
        "period": {"from": "2026-05-01", "to": "2026-05-10"}, "deposit_date": "2026-05-11"})
}

#[test]
fn a_member_in_another_currency_than_its_payout_is_named_with_both() {
    // 100.00 euros were paid out, 60.00 euros and 40.00 dollars name the payout.
    let a = World::new()
        .file(
            "orders",
            &[order("o-a", "2026-05-08", "EUR", "60.00"), order("o-b", "2026-05-08", "USD", "40.00")],
        )
        .file(
            "transactions",
            &[
                row("a", "EUR", "60.00", json!({"payout": "P1"})),
                row("b", "USD", "40.00", json!({"payout": "P1"})),
            ],
        )
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "100.00", "paid")])
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "100.00", "STRIPE P1")])
        .until("2026-05-13")
        .run();
    let d = a.only("CURRENCY_MISMATCH");
    assert_eq!(
        (&d["amount"], &d["currency"], &d["records"]),
        (&json!("40.00"), &json!("USD"), &json!(["P1", "b"]))
    );
    let why = d["explanation"].as_str().unwrap();
    assert!(why.contains("EUR") && why.contains("USD") && why.contains("P1"), "{why}");
    // The payout lacks 40.00 euros, and 40.00 dollars are in no document.
    assert_eq!(a.only("NOT_FOOTING")["amount"], "40.00");
    assert_eq!(
        (&a.json["unexplained"]["USD"], &a.json["unexplained"]["EUR"]),
        (&json!("40.00"), &json!("40.00"))
    );
    assert_eq!(a.payout("P1")["foots"], false);
    assert_ne!(a.payout("P1")["state"], "Reconciled");
    // The dollars did not come with the euros.
    assert_eq!(a.order("o-b")["state"], "Settled");
    assert_eq!(a.order("o-b")["links"], json!(["b"]));
    assert_eq!(a.balance("USD", "assets:clearing"), "40.00");
}

#[test]
fn a_payout_of_which_no_row_is_in_its_currency_does_not_foot() {
    let a = World::new()
        .file("transactions", &[row("b", "USD", "100.00", json!({"payout": "P1"}))])
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "100.00", "paid")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.only("CURRENCY_MISMATCH")["records"], json!(["P1", "b"]));
    assert_eq!((&a.payout("P1")["foots"], &a.payout("P1")["sum"]), (&json!(false), &json!("0.00")));
    assert_eq!(a.only("NOT_FOOTING")["amount"], "100.00");
}

#[test]
fn a_member_in_another_currency_than_its_statement_is_named() {
    // The statement foots in its own currency; the dollars stand in none.
    let a = World::new()
        .file(
            "orders",
            &[order("o-a", "2026-05-08", "EUR", "60.00"), order("o-b", "2026-05-08", "USD", "40.00")],
        )
        .file(
            "transactions",
            &[
                row("a", "EUR", "60.00", json!({"statement": "S"})),
                row("b", "USD", "40.00", json!({"statement": "S"})),
            ],
        )
        .file("statements", &[statement("S", "EUR", "60.00")])
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "60.00", "STRIPE")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.only("CURRENCY_MISMATCH")["records"], json!(["S", "b"]));
    assert_eq!(a.json["unexplained"]["USD"], "40.00");
    assert_eq!(
        (&a.order("o-a")["state"], &a.order("o-b")["state"]),
        (&json!("Reconciled"), &json!("Settled"))
    );
    // A batch has a total in each of its currencies: nothing is strange.
    let a = World::new()
        .file(
            "transactions",
            &[
                row("a", "EUR", "60.00", json!({"statement": "S"})),
                row("b", "USD", "40.00", json!({"statement": "S"})),
            ],
        )
        .file("statements", &[statement("S", "EUR", "60.00"), statement("S", "USD", "40.00")])
        .until("2026-05-13")
        .run();
    a.none("CURRENCY_MISMATCH");
    assert_eq!(a.json["unexplained"]["USD"], "0.00");
}

#[test]
fn what_the_provider_converted_is_no_mismatch() {
    // Sold for 100.00 dollars at 0.9: 90.00 euros in the balance, paid out in euros. Sold in euros, paid out in euros, converted to pounds.
    let sold = row(
        "a",
        "USD",
        "100.00",
        json!({"rate": "0.9", "net_currency": "EUR", "payout": "P1", "fee": "0.00"}),
    );
    let converted = with(
        payout("P2", "2026-05-11", "EUR", "50.00", "paid"),
        json!({"converted": {"amount": "42.00", "currency": "GBP"}}),
    );
    let a = World::new()
        .file("transactions", &[sold, row("b", "EUR", "50.00", json!({"payout": "P2"}))])
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "90.00", "paid"), converted])
        .until("2026-05-13")
        .run();
    a.none("CURRENCY_MISMATCH");
    a.none("NOT_FOOTING");
}

#[test]
fn a_transfer_row_in_another_currency_books_no_payout_of_another() {
    // The balance lost 100.00 dollars for a payout that says 92.00 euros and no conversion.
    let row = json!({"id": "tx", "provider": "stripe", "account": "acct", "kind": "payout", "occurred_at": "2026-05-10T10:00:00Z",
        "currency": "USD", "amount": "-100.00", "source": "P1"});
    let a = World::new()
        .file("transactions", &[row])
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "92.00", "paid")])
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "92.00", "STRIPE P1")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.only("CURRENCY_MISMATCH")["records"], json!(["P1", "tx"]));
    assert_eq!(
        (&a.json["unexplained"]["USD"], a.balance("EUR", "assets:in-transit")),
        (&json!("-100.00"), "0.00".to_owned())
    );
}

#[test]
fn a_document_that_rows_name_and_nobody_has_is_told() {
    let world = || {
        World::new()
            .file(
                "transactions",
                &[
                    row("a", "EUR", "60.00", json!({"statement": "S1"})),
                    row("b", "EUR", "40.00", json!({"statement": "S2"})),
                    row("c", "EUR", "5.00", json!({"statement": "S2"})),
                ],
            )
            .until("2026-05-13")
    };
    let a = world().file("statements", &[statement("S1", "EUR", "60.00")]).run();
    let d = a.only("PROVIDER_ONLY");
    // 40.00 + 5.00.
    assert_eq!((&d["amount"], &d["records"]), (&json!("45.00"), &json!(["S2", "b", "c"])));
    assert!(d["explanation"].as_str().unwrap().contains("statement S2"), "{d}");
    assert_eq!(a.json["status"], "differences");
    // Where no statements are given at all, rows may name what they like; and a statement of a later day is here, and not known yet.
    world().run().none("PROVIDER_ONLY");
    let later =
        with(statement("S2", "EUR", "45.00"), json!({"period": {"from": "2026-05-01", "to": "2026-05-20"}}));
    world().file("statements", &[statement("S1", "EUR", "60.00"), later]).run().none("PROVIDER_ONLY");
}

#[test]
fn a_payout_that_rows_name_and_nobody_has_is_told() {
    let rows = [
        row("a", "EUR", "60.00", json!({"payout": "P1"})),
        row("b", "EUR", "40.00", json!({"payout": "P2"})),
    ];
    let a = World::new()
        .file("transactions", &rows)
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "60.00", "paid")])
        .until("2026-05-13")
        .run();
    let d = a.only("PROVIDER_ONLY");
    assert_eq!((&d["amount"], &d["records"]), (&json!("40.00"), &json!(["P2", "b"])));
    assert!(d["explanation"].as_str().unwrap().contains("payout P2"), "{d}");
    World::new().file("transactions", &rows).until("2026-05-13").run().none("PROVIDER_ONLY");
}

#[test]
fn rows_that_name_what_the_parts_of_a_split_payout_share_are_their_members() {
    let part = |id: &str, m: &str| with(payout(id, "2026-05-11", "EUR", m, "paid"), json!({"group": "REF"}));
    let world = |first: &str| {
        World::new()
            .file(
                "orders",
                &[order("o-a", "2026-05-08", "EUR", first), order("o-b", "2026-05-08", "EUR", "40.00")],
            )
            .file(
                "transactions",
                &[
                    row("a", "EUR", first, json!({"payout": "REF"})),
                    row("b", "EUR", "40.00", json!({"payout": "REF"})),
                ],
            )
            .file("payouts", &[part("P1", "70.00"), part("P2", "30.00")])
            .file(
                "bank",
                &[
                    bank_line("B1", "2026-05-12", "EUR", "70.00", "STRIPE"),
                    bank_line("B2", "2026-05-12", "EUR", "30.00", "STRIPE"),
                ],
            )
            .until("2026-05-13")
            .run()
    };
    // 60.00 + 40.00 are 70.00 + 30.00.
    let a = world("60.00");
    assert_eq!(a.json["differences"], json!([]));
    assert_eq!(a.json["payouts"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&a.order("o-a")["state"], &a.order("o-a")["links"]),
        (&json!("Reconciled"), &json!(["B1", "B2", "P1", "P2", "a"]))
    );
    let a = world("59.99");
    assert_eq!(a.only("NOT_FOOTING")["amount"], "0.01");
    assert!(a.only("NOT_FOOTING")["records"].as_array().unwrap().contains(&json!("REF")));
}

#[test]
fn a_document_of_nothing_is_done() {
    // 60.00 sold and given back: nothing is due at the bank.
    let back = json!({"id": "r", "provider": "stripe", "account": "acct", "kind": "refund", "occurred_at": "2026-05-09T10:00:00Z",
        "currency": "EUR", "amount": "-60.00", "refers_to": "a"});
    let both = |more: Value| [row("a", "EUR", "60.00", more.clone()), with(back.clone(), more)];
    let a = World::new()
        .file("orders", &[order("o-a", "2026-05-08", "EUR", "60.00")])
        .file("transactions", &both(json!({"statement": "S"})))
        .file("statements", &[statement("S", "EUR", "0.00")])
        .file("bank", &[])
        .until("2026-06-13")
        .run();
    assert_eq!(
        (&a.statement("S")["state"], &a.statement("S")["foots"]),
        (&json!("Reconciled"), &json!(true))
    );
    assert_eq!((&a.order("o-a")["state"], &a.json["status"]), (&json!("Reconciled"), &json!("reconciled")));
    let a = World::new()
        .file("transactions", &both(json!({"payout": "P"})))
        .file("payouts", &[payout("P", "2026-05-11", "EUR", "0.00", "paid")])
        .file("bank", &[])
        .until("2026-06-13")
        .run();
    assert_eq!((&a.payout("P")["state"], &a.json["status"]), (&json!("Reconciled"), &json!("reconciled")));
    // A zero that does not foot is not done.
    let a = World::new()
        .file("transactions", &[row("a", "EUR", "60.00", json!({"payout": "P"}))])
        .file("payouts", &[payout("P", "2026-05-11", "EUR", "0.00", "paid")])
        .until("2026-06-13")
        .run();
    assert_ne!(a.payout("P")["state"], "Reconciled");
    assert_eq!(a.only("NOT_FOOTING")["amount"], "-60.00");
}

#[test]
fn what_does_not_foot_is_never_reconciled() {
    let line = bank_line("B", "2026-05-12", "EUR", "60.00", "STRIPE S");
    // No row of the statement is here, and its money is.
    let a = World::new()
        .file("transactions", &[])
        .file("statements", &[statement("S", "EUR", "60.00")])
        .file("bank", std::slice::from_ref(&line))
        .until("2026-05-13")
        .run();
    assert_eq!(a.only("NOT_FOOTING")["amount"], "60.00");
    assert_eq!((&a.statement("S")["match"], &a.statement("S")["state"]), (&json!("B"), &json!("Settled")));
    // A payout, and the statement that it pays.
    let a = World::new()
        .file("transactions", &[row("a", "EUR", "59.00", json!({"payout": "S"}))])
        .file("payouts", &[payout("S", "2026-05-11", "EUR", "60.00", "paid")])
        .file("bank", &[line])
        .until("2026-05-13")
        .run();
    assert_eq!((&a.payout("S")["match"], &a.payout("S")["state"]), (&json!("B"), &json!("Settled")));
}

#[test]
fn a_balance_that_stays_is_not_sent() {
    // 1,000.00 + 138.00 = 1,138.00 are left in the wallet: nothing of it is due at the bank.
    let row = json!({"id": "p", "provider": "paypal", "account": "pp", "kind": "T0006", "event_code": "T0006",
        "occurred_at": "2026-01-06T12:00:00Z", "currency": "USD", "amount": "138.00", "statement": "STL"});
    let s = json!({"id": "STL", "provider": "paypal", "account": "pp", "currency": "USD", "opening": "1000.00", "closing": "1138.00",
        "period": {"from": "2026-01-06", "to": "2026-01-07"}});
    let a = World::new()
        .file("transactions", &[row])
        .file("statements", &[s])
        .file("bank", &[bank_line("B", "2026-01-30", "USD", "1138.00", "X")])
        .run();
    assert_eq!(
        (&a.statement("STL")["state"], &a.statement("STL")["match"]),
        (&json!("Settled"), &Value::Null)
    );
    assert_eq!(a.only("OURS_ONLY")["records"], json!(["B"]));
    a.none("PROVIDER_ONLY");
}

#[test]
fn a_payment_in_another_currency_is_told_once_and_not_as_none() {
    let a = World::new()
        .file("orders", &[order("o", "2026-05-02", "EUR", "55.00")])
        .file("transactions", &[charge("c", "o", "2026-05-02", "USD", "60.00", "0.00")])
        .until("2026-05-20")
        .run();
    assert_eq!(a.differences(), [("CURRENCY_MISMATCH".to_owned(), "60.00".to_owned())]);
}

#[test]
fn a_batch_whose_payout_is_a_row_of_it_stands_where_that_payout_stands() {
    // 50.00 − 1.00 = 49.00 leave as a row of the batch: it nets to zero.
    let row = |id: &str, kind: &str, amount: &str, more: Value| {
        with(
            json!({"id": id, "provider": "adyen", "account": "m", "kind": kind, "occurred_at": "2026-05-02T10:00:00Z", "currency": "EUR",
                "amount": amount, "statement": "B1"}),
            more,
        )
    };
    let world = |paid: &str, total: &str, line: &str| {
        World::new()
            .file("orders", &[order("o", "2026-05-02", "EUR", "50.00")])
            .file(
                "transactions",
                &[row("c", "Settled", "50.00", json!({"fee": "1.00", "order": "o"})), row("p", "MerchantPayout", paid, json!({}))],
            )
            .file("statements", &[json!({"id": "B1", "provider": "adyen", "account": "m", "currency": "EUR", "total": total})])
            .file("bank", &[bank_line("B", "2026-05-05", "EUR", line, "ADYEN")])
            .until("2026-05-06")
            .run()
    };
    let a = world("-49.00", "0.00", "49.00");
    assert_eq!(
        (&a.statement("B1")["state"], &a.statement("B1")["match"]),
        (&json!("Reconciled"), &json!("B"))
    );
    assert_eq!(a.order("o")["state"], "Reconciled");
    // 9.00 stay: the order's money is not all at the bank.
    let a = world("-40.00", "9.00", "40.00");
    assert_eq!((&a.statement("B1")["state"], &a.order("o")["state"]), (&json!("Settled"), &json!("Settled")));
}

#[test]
fn a_payout_without_rows_beside_payouts_with_rows_does_not_foot() {
    let world = |more: &[Value], status: &str| {
        World::new()
            .file("transactions", &[&[row("a", "EUR", "60.00", json!({"payout": "P1"}))], more].concat())
            .file(
                "payouts",
                &[
                    payout("P1", "2026-05-11", "EUR", "60.00", status),
                    payout("P2", "2026-05-12", "EUR", "40.00", "paid"),
                ],
            )
            .file("bank", &[bank_line("B", "2026-05-13", "EUR", "40.00", "STRIPE P2")])
            .until("2026-05-14")
            .run()
    };
    // 60.00 + 40.00 were paid out, and rows of 60.00 are here.
    let a = world(&[], "paid");
    let d = a.only("NOT_FOOTING");
    assert_eq!(
        (&d["amount"], &d["records"], &a.json["unexplained"]["EUR"]),
        (&json!("40.00"), &json!(["P2"]), &json!("40.00"))
    );
    assert_eq!((&a.payout("P2")["foots"], &a.payout("P2")["state"]), (&json!(false), &json!("Settled")));
    // 15.00 of it are rows that name no payout.
    assert_eq!(world(&[row("b", "EUR", "15.00", json!({}))], "paid").only("NOT_FOOTING")["amount"], "25.00");
    // All of it are; or the first payout came back and its money left with the second.
    world(&[row("b", "EUR", "40.00", json!({}))], "paid").none("NOT_FOOTING");
    world(&[], "failed").none("NOT_FOOTING");
}
