//! Money of orders that we do not know, invoices without an order, orders without money.

use serde_json::{Value, json};

use super::{Answer, World, charge, order, with};

fn row(id: &str, kind: &str, amount: &str, more: Value) -> Value {
    with(
        json!({"id": id, "provider": "stripe", "account": "acct", "kind": kind, "occurred_at": "2026-02-02T10:00:00Z",
            "currency": "EUR", "amount": amount}),
        more,
    )
}

/// An order that is paid, and these rows.
fn beside(rows: &[Value]) -> World {
    World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "100.00")])
        .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "100.00", "0.00")])
        .file("transactions", rows)
        .until("2026-02-03")
}

fn told(a: &Answer) -> (Value, Value, Value, Value) {
    let d = a.only("PROVIDER_ONLY");
    (
        d["amount"].clone(),
        d["records"].clone(),
        a.json["unexplained"]["EUR"].clone(),
        a.json["status"].clone(),
    )
}

#[test]
fn money_of_an_order_that_we_do_not_know_is_named_whatever_its_kind() {
    let lone = |r: Value, amount: &str| {
        let a = beside(std::slice::from_ref(&r)).run();
        let want = (json!(amount), json!([r["id"]]), json!(amount), json!("differences"));
        assert_eq!(told(&a), want, "{r}");
        assert!(a.only("PROVIDER_ONLY")["explanation"].as_str().unwrap().contains("which we do not know"));
    };
    lone(row("r", "refund", "-30.00", json!({"order": "O9"})), "-30.00");
    lone(
        row("d", "adjustment", "-77.00", json!({"order": "O7", "event_code": "dispute", "fee": "15.00"})),
        "-77.00",
    );
    lone(row("f", "ItemFees/Commission", "-15.00", json!({"order": "O77", "provider": "amazon"})), "-15.00");
    // One order, one difference: paid 60.00, 20.00 of it given back by a row that only refers to the payment. As for any payment of an
    // order that we do not know, the money is known and the order is not.
    let a = beside(&[
        charge("x", "O9", "2026-02-01", "EUR", "60.00", "2.00"),
        row("y", "refund", "-20.00", json!({"refers_to": "x"})),
    ])
    .run();
    assert_eq!(told(&a), (json!("40.00"), json!(["x", "y"]), json!("0.00"), json!("differences")));
}

#[test]
fn what_names_no_order_is_named_unless_it_is_a_cost_of_the_account() {
    let a = beside(&[row("r", "refund", "-30.00", json!({}))]).run();
    assert_eq!(told(&a), (json!("-30.00"), json!(["r"]), json!("-30.00"), json!("differences")));
    // A monthly fee is no order's; without any orders nobody says that one is missing.
    beside(&[row("f", "stripe_fee", "-9.00", json!({}))]).run().none("PROVIDER_ONLY");
    let alone =
        World::new().file("transactions", &[row("r", "refund", "-30.00", json!({"order": "O9"}))]).run();
    alone.none("PROVIDER_ONLY");
}

#[test]
fn a_refund_follows_a_payment_that_was_linked_by_its_amount() {
    // The payment names no order and is 100.00, as the only order; the refund refers to the payment.
    let pay = row("ch", "charge", "100.00", json!({"fee": "0.00"}));
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "100.00")])
        .file("transactions", &[pay, row("r", "refund", "-30.00", json!({"refers_to": "ch"}))])
        .run();
    assert_eq!((&a.order("o")["refunded"], &a.order("o")["links"]), (&json!("30.00"), &json!(["ch", "r"])));
    a.none("PROVIDER_ONLY");
}

#[test]
fn a_vetoed_row_says_that_it_was_vetoed() {
    let a = beside(&[]).file("decisions", &[json!({"kind": "veto", "records": ["o", "ch"]})]).run();
    let d = a.only("PROVIDER_ONLY");
    assert_eq!((&d["amount"], &d["records"]), (&json!("100.00"), &json!(["ch"])));
    let why = d["explanation"].as_str().unwrap();
    assert!(why.contains("veto") && !why.contains("do not know"), "{why}");
}

#[test]
fn money_given_back_without_a_payment_is_too_much() {
    let run = |rows: &[Value], asked: &[Value], day: &str| {
        let w = World::new()
            .file("orders", &[order("o", "2026-02-01", "EUR", "100.00")])
            .file("transactions", rows)
            .until(day);
        if asked.is_empty() { w.run() } else { w.file("refunds", asked).run() }
    };
    let q = json!({"id": "q", "order": "o", "requested_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "30.00"});
    let back = |m: &str| row("r", "refund", m, json!({"order": "o"}));
    // 30.00 given back, nothing paid.
    let a = run(&[back("-30.00")], &[], "2026-02-03");
    let d = a.only("OVER_REFUND");
    assert_eq!((&d["amount"], &d["records"]), (&json!("30.00"), &json!(["o", "r"])));
    // 130.00 given back, 30.00 asked for, nothing paid: 130.00 too much, 100.00 beyond the request.
    let a = run(&[back("-130.00")], std::slice::from_ref(&q), "2026-02-03");
    assert_eq!(
        (&a.only("OVER_REFUND")["amount"], &a.only("PROVIDER_ONLY")["amount"]),
        (&json!("130.00"), &json!("100.00"))
    );
    // Only asked for: the payment may still come; once it is missing (7 days), the request is of nothing.
    let a = run(&[], std::slice::from_ref(&q), "2026-02-03");
    a.none("OVER_REFUND");
    assert!(a.differences().contains(&("TIMING".to_owned(), "-30.00".to_owned())), "{:?}", a.differences());
    let a = run(&[], &[q], "2026-02-09");
    assert_eq!(a.only("OVER_REFUND")["amount"], "30.00");
}

#[test]
fn an_invoice_needs_its_order_its_currency_and_to_be_the_only_one() {
    let bill = |id: &str, orders: &[&str], gross: &str, c: &str| json!({"id": id, "orders": orders, "gross": gross, "net": gross, "vat": "0.00", "currency": c});
    let run = |bills: &[Value]| beside(&[]).file("documents", bills).run();
    let a = run(&[bill("I", &["O9"], "50.00", "EUR")]);
    let d = a.only("OURS_ONLY");
    assert_eq!((&d["amount"], &d["records"]), (&json!("50.00"), &json!(["I", "O9"])));
    // 150.00 for a known order of 100.00 and an unknown one: 50.00 is the unknown one's.
    assert_eq!(run(&[bill("I", &["o", "O9"], "150.00", "EUR")]).only("OURS_ONLY")["amount"], "50.00");
    let a = run(&[bill("I", &["o"], "100.00", "USD")]);
    let d = a.only("CURRENCY_MISMATCH");
    assert_eq!(
        (&d["amount"], &d["currency"], &d["records"]),
        (&json!("100.00"), &json!("USD"), &json!(["I", "o"]))
    );
    let a = run(&[bill("I", &["o"], "100.00", "EUR"), bill("J", &["o"], "100.00", "EUR")]);
    let d = a.only("DUPLICATE");
    assert_eq!((&d["amount"], &d["records"]), (&json!("100.00"), &json!(["I", "J", "o"])));
    // An order that is placed after the day of the report is no unknown one.
    let a = beside(&[])
        .file("orders", &[order("n", "2026-02-05", "EUR", "5.00")])
        .file("documents", &[bill("I", &["n"], "5.00", "EUR")])
        .run();
    a.none("OURS_ONLY");
}

#[test]
fn an_order_of_nothing_is_settled() {
    let w = World::new().file("orders", &[order("o", "2026-02-01", "EUR", "0.00")]).file("transactions", &[]);
    let a = w.until("2026-03-01").run();
    assert_eq!(
        (&a.order("o")["state"], &a.order("o")["open"], &a.json["status"]),
        (&json!("Settled"), &json!("0.00"), &json!("reconciled"))
    );
    assert!(a.differences().is_empty(), "{:?}", a.differences());
    assert!(a.json.get("ageing").is_none_or(|l| l.as_array().unwrap().is_empty()));
}
