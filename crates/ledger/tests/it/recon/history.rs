//! Late, repeated and changing facts.

use serde_json::{Value, json};

use super::{World, bank_line, charge, order, payout, with};

#[test]
fn the_same_document_again_changes_nothing() {
    let build = |times: usize| {
        let mut w = World::new();
        for _ in 0..times {
            w = w
                .file("orders", &[order("o", "2026-02-01", "EUR", "60.00")])
                .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "60.00", "2.39")])
                .file("payouts", &[payout("po", "2026-02-03", "EUR", "57.61", "paid")])
                .file("bank", &[bank_line("B", "2026-02-04", "EUR", "57.61", "STRIPE")]);
        }
        w.run()
    };
    assert_eq!(build(1).json["result_hash"], build(3).json["result_hash"]);
}

#[test]
fn overlapping_polls_count_a_row_once() {
    let row = |id: &str| charge(id, "", "2026-02-01", "EUR", "10.00", "0.00");
    let a = World::new()
        .file("transactions", &[row("a"), row("b")])
        .file("transactions", &[row("b"), row("c")])
        .run();
    assert_eq!(a.balance("EUR", "income:sales"), "-30.00");
    assert!(a.differences().is_empty());
}

#[test]
fn identical_fee_rows_are_compared_as_multisets() {
    // Adyen repeats equal fee rows: two in one document are two; three in a later, longer one are three in all, not five.
    let fee = || json!({"id": "fee", "provider": "adyen", "account": "m", "kind": "Fee", "occurred_at": "2026-02-01T10:00:00Z", "currency": "EUR", "amount": "-0.10"});
    let rows = |n: usize| (0..n).map(|_| fee()).collect::<Vec<Value>>();
    let a = World::new().file("transactions", &rows(2)).run();
    assert_eq!(a.balance("EUR", "expenses:fees"), "0.20");
    let a = World::new().file("transactions", &rows(2)).file("transactions", &rows(3)).run();
    assert_eq!(a.balance("EUR", "expenses:fees"), "0.30");
    a.clean();
    // A provider whose ids are unique does not repeat rows: the copy is a duplicate, and counts once.
    let same = charge("ch", "", "2026-02-01", "EUR", "10.00", "0.00");
    let a = World::new().file("transactions", &[same.clone(), same]).run();
    assert_eq!(
        (a.balance("EUR", "income:sales"), &a.only("DUPLICATE")["amount"]),
        ("-10.00".to_owned(), &json!("10.00"))
    );
}

#[test]
fn one_paypal_id_with_two_events_is_two_rows() {
    let row = |code: &str, amount: &str| {
        json!({"id": "9XY", "provider": "paypal", "account": "pp", "kind": code, "event_code": code, "occurred_at": "2026-02-01T10:00:00Z",
            "currency": "EUR", "amount": amount})
    };
    let a = World::new().file("transactions", &[row("T0006", "50.00"), row("T1107", "-50.00")]).run();
    assert_eq!(
        (a.balance("EUR", "income:sales"), a.balance("EUR", "contra:refunds")),
        ("-50.00".to_owned(), "50.00".to_owned())
    );
    a.none("CONFLICT");
}

#[test]
fn another_content_under_the_same_key_is_a_conflict_and_the_first_stays() {
    let row = |amount: &str| charge("ch", "o", "2026-02-01", "EUR", amount, "0.00");
    let o = || order("o", "2026-02-01", "EUR", "60.00");
    let a = World::new()
        .file("orders", &[o()])
        .file("transactions", &[row("60.00")])
        .file("transactions", &[row("61.50")])
        .run();
    let d = a.only("CONFLICT");
    assert_eq!((&d["amount"], &d["records"]), (&json!("1.50"), &json!(["ch"])));
    assert_eq!(
        d["evidence"],
        json!([{"what": "second version", "amount": "61.50"}, {"what": "first version", "amount": "-60.00"}])
    );
    assert_eq!(a.order("o")["gross"], "60.00");
    // The other order of arrival keeps the other version.
    let a = World::new()
        .file("orders", &[o()])
        .file("transactions", &[row("61.50")])
        .file("transactions", &[row("60.00")])
        .run();
    assert_eq!((&a.order("o")["gross"], &a.only("CONFLICT")["amount"]), (&json!("61.50"), &json!("-1.50")));
    // Orders, statements, payouts and bank lines too.
    let a = World::new()
        .file("orders", &[o()])
        .file("orders", &[order("o", "2026-02-01", "EUR", "59.00")])
        .file("payouts", &[payout("po", "2026-02-03", "EUR", "10.00", "paid")])
        .file("payouts", &[payout("po", "2026-02-03", "EUR", "12.00", "paid")])
        .file("bank", &[bank_line("B", "2026-02-04", "EUR", "10.00", "STRIPE")])
        .file("bank", &[bank_line("B", "2026-02-04", "EUR", "10.50", "STRIPE")])
        .until("2026-02-04")
        .run();
    let conflicts: Vec<(String, String)> =
        a.differences().into_iter().filter(|(r, _)| r == "CONFLICT").collect();
    assert_eq!(conflicts.iter().map(|(_, m)| m.as_str()).collect::<Vec<_>>(), ["0.50", "-1.00", "2.00"]);
    assert_eq!(a.bank("B")["matched_to"], json!(["po"]));
}

#[test]
fn a_payout_that_was_paid_and_then_failed_is_reversed() {
    let a = World::new()
        .file(
            "transactions",
            &[with(charge("ch", "", "2026-02-01", "EUR", "60.00", "2.39"), json!({"payout": "po"}))],
        )
        .file("payouts", &[payout("po", "2026-02-03", "EUR", "57.61", "paid")])
        .file("payouts", &[payout("po", "2026-02-03", "EUR", "57.61", "failed")])
        .file("bank", &[bank_line("X", "2026-02-03", "EUR", "1.00", "INTEREST")])
        .run();
    assert_eq!(a.payout("po")["state"], "Returned");
    let d = a.only("PAYOUT_RETURNED");
    assert_eq!(d["amount"], "57.61");
    assert!(d["explanation"].as_str().unwrap().contains("paid → failed"), "{d}");
    // The money is back in the balance: the entry and its reversal both stand.
    assert_eq!(
        (a.balance("EUR", "assets:clearing"), a.balance("EUR", "assets:in-transit")),
        ("57.61".to_owned(), "0.00".to_owned())
    );
    let back: Vec<_> =
        a.outcome.journal.entries().iter().filter_map(|e| e.draft.reverses.as_deref()).collect();
    assert_eq!(back, ["payout:stripe:acct:po:EUR"]);
}

#[test]
fn membership_moves_until_a_payout_is_paid() {
    // Shopify moves a charge from one scheduled payout to the next; the last word counts, and it is no conflict.
    let row = |p: &str| {
        with(
            charge("ch", "", "2026-02-01", "EUR", "60.00", "0.00"),
            json!({"provider": "shopify", "kind": "CHARGE", "payout": p}),
        )
    };
    let p = |id: &str, amount: &str, status: &str| {
        with(payout(id, "2026-02-05", "EUR", amount, status), json!({"provider": "shopify"}))
    };
    let a = World::new()
        .file("transactions", &[row("p1")])
        .file("transactions", &[row("p2")])
        .file("payouts", &[p("p2", "60.00", "PAID")])
        .run();
    a.none("CONFLICT");
    assert_eq!((&a.payout("p2")["sum"], &a.payout("p2")["foots"]), (&json!("60.00"), &json!(true)));
}

#[test]
fn a_payout_that_its_rows_do_not_make_is_named() {
    let row = with(charge("ch", "", "2026-02-01", "EUR", "60.00", "2.39"), json!({"payout": "po"}));
    let a = World::new()
        .file("transactions", &[row])
        .file("payouts", &[payout("po", "2026-02-03", "EUR", "57.60", "paid")])
        .run();
    let d = a.only("NOT_FOOTING");
    assert_eq!((&d["amount"], &d["records"]), (&json!("-0.01"), &json!(["ch", "po"])));
    assert_eq!(a.payout("po")["foots"], false);
}

#[test]
fn late_data_closes_what_was_missing() {
    let world = || {
        World::new()
            .file("orders", &[order("o", "2026-02-01", "EUR", "60.00")])
            .file("transactions", &[])
            .until("2026-02-20")
    };
    assert_eq!(world().run().order("o")["state"], "Missing");
    let a = world().file("transactions", &[charge("ch", "o", "2026-02-18", "EUR", "60.00", "0.00")]).run();
    assert_eq!(a.order("o")["state"], "Settled");
    a.none("OURS_ONLY");
}

#[test]
fn a_report_of_a_day_knows_nothing_of_the_days_after() {
    let world = |as_of: &str| {
        World::new()
            .file(
                "orders",
                &[order("o", "2026-02-01", "EUR", "60.00"), order("later", "2026-02-10", "EUR", "10.00")],
            )
            .file("transactions", &[charge("ch", "o", "2026-02-05", "EUR", "60.00", "0.00")])
            .until(as_of)
            .run()
    };
    let a = world("2026-02-03");
    assert_eq!((&a.order("o")["state"], a.json["orders"].as_array().unwrap().len()), (&json!("Expected"), 1));
    assert_eq!(world("2026-02-10").order("o")["state"], "Settled");
}

#[test]
fn a_closed_period_takes_nothing_more() {
    let world = || {
        World::new().file(
            "transactions",
            &[
                charge("ch", "", "2026-01-30", "EUR", "60.00", "0.00"),
                charge("c2", "", "2026-02-02", "EUR", "5.00", "0.00"),
            ],
        )
    };
    let dates = |w: World| -> Vec<(String, String)> {
        w.run()
            .outcome
            .journal
            .entries()
            .iter()
            .map(|e| (e.draft.date.to_string(), e.booked.to_string()))
            .collect()
    };
    let same = |d: &str| (d.to_owned(), d.to_owned());
    assert_eq!(dates(world()), [same("2026-01-30"), same("2026-02-02")]);
    // January is closed: what is dated into it is booked on the first open day, and says for which day it was meant.
    assert_eq!(
        dates(world().policy("closed_until = \"2026-01-31\"\n")),
        [("2026-01-30".to_owned(), "2026-02-01".to_owned()), same("2026-02-02")]
    );
}

#[test]
fn a_deferred_sale_and_its_release_are_one_sale() {
    let row = |id: &str, status: &str, day: &str, more: Value| {
        with(
            json!({"id": id, "provider": "amazon", "account": "eu", "kind": "Shipment", "event_code": status, "occurred_at": format!("{day}T10:00:00Z"),
                "currency": "EUR", "amount": "50.00", "order": "o", "components": [{"code": "ItemPrice/Principal", "amount": "50.00"}]}),
            more,
        )
    };
    let run = |rows: &[Value]| {
        World::new()
            .file("orders", &[order("o", "2026-02-01", "EUR", "50.00")])
            .file("transactions", rows)
            .until("2026-02-10")
            .run()
    };
    // Deferred: no money yet.
    let a = run(&[row("D", "DEFERRED", "2026-02-02", json!({}))]);
    assert_eq!(
        (a.balance("EUR", "income:sales"), &a.order("o")["open"]),
        ("0.00".to_owned(), &json!("50.00"))
    );
    // Released: once, whether the first row changed its word, stayed, or is gone.
    let release = row("R", "RELEASED", "2026-02-09", json!({"refers_to": "D"}));
    for first in ["DEFERRED", "DEFERRED_RELEASED"] {
        let a = run(&[row("D", first, "2026-02-02", json!({})), release.clone()]);
        assert_eq!(
            (a.balance("EUR", "income:sales"), &a.order("o")["state"]),
            ("-50.00".to_owned(), &json!("Settled"))
        );
    }
    let a = run(&[row("D", "DEFERRED_RELEASED", "2026-02-02", json!({}))]);
    assert_eq!(a.balance("EUR", "income:sales"), "-50.00");
}

#[test]
fn a_second_version_that_converts_otherwise_is_a_conflict() {
    // 110.00 USD, then 90.00: the first is kept, and the bank's line is of it.
    let conv = |m: &str| json!({"converted": {"amount": m, "currency": "USD"}});
    let sent = || super::payout("po", "2026-05-04", "EUR", "100.00", "paid");
    let run = |first: serde_json::Value, second: serde_json::Value| {
        World::new()
            .file("payouts", &[first])
            .file("payouts", &[second])
            .file("bank", &[super::bank_line("B", "2026-05-04", "USD", "110.00", "")])
            .run()
    };
    let a = run(super::with(sent(), conv("110.00")), super::with(sent(), conv("90.00")));
    let d = a.only("CONFLICT");
    assert_eq!(
        (&d["amount"], &d["currency"], &d["records"]),
        (&json!("-20.00"), &json!("USD"), &json!(["po"]))
    );
    assert_eq!(a.bank("B")["matched_to"], json!(["po"]));
    // Where only one version has it, it adds.
    let a = run(sent(), super::with(sent(), conv("110.00")));
    a.none("CONFLICT");
    assert_eq!(a.bank("B")["matched_to"], json!(["po"]));
    // Statements alike.
    let s = |m: &str| json!({"id": "S", "provider": "amazon", "account": "eu", "currency": "EUR", "total": "0.00", "converted_total": {"amount": m, "currency": "USD"}});
    let a = World::new().file("statements", &[s("110.00")]).file("statements", &[s("90.00")]).run();
    assert_eq!(a.only("CONFLICT")["amount"], "-20.00");
}

#[test]
fn a_row_that_names_another_order_in_its_second_version_is_a_conflict() {
    let orders = [
        super::with(super::order("o1", "2026-02-01", "EUR", "60.00"), json!({"reference": "#1001"})),
        super::order("o2", "2026-02-01", "EUR", "60.00"),
    ];
    let run = |second: &str| {
        World::new()
            .file("orders", &orders)
            .file("transactions", &[super::charge("ch", "o1", "2026-02-01", "EUR", "60.00", "0.00")])
            .file("transactions", &[super::charge("ch", second, "2026-02-01", "EUR", "60.00", "0.00")])
            .until("2026-02-02")
            .run()
    };
    let a = run("o2");
    let d = a.only("CONFLICT");
    assert_eq!((&d["amount"], &d["records"]), (&json!("0.00"), &json!(["ch"])));
    assert!(d["explanation"].as_str().unwrap().contains("o2"));
    assert_eq!((&a.order("o1")["state"], &a.order("o2")["state"]), (&json!("Settled"), &json!("Expected")));
    // Another name of the same order is no other order.
    run("#1001").none("CONFLICT");
}

#[test]
fn a_payout_that_came_back_is_part_of_the_next_one() {
    // Stripe: P1 of 50.00 failed; its failure is a row of P2, which is 50.00 + 20.00. Sales are 70.00, not 120.00.
    let row = |id: &str, kind: &str, day: &str, amount: &str, more: Value| {
        super::with(
            json!({"id": id, "provider": "stripe", "account": "acct", "kind": kind, "occurred_at": format!("{day}T10:00:00Z"), "currency": "EUR",
                "amount": amount}),
            more,
        )
    };
    let a = World::new()
        .file(
            "orders",
            &[
                super::order("w", "2026-05-02", "EUR", "50.00"),
                super::order("v", "2026-05-08", "EUR", "20.00"),
            ],
        )
        .file(
            "transactions",
            &[
                row("c", "charge", "2026-05-02", "50.00", json!({"order": "w", "payout": "P1"})),
                row("o", "payout", "2026-05-05", "-50.00", json!({"source": "P1", "payout": "P1"})),
                row("f", "payout_failure", "2026-05-08", "50.00", json!({"source": "P1", "payout": "P2"})),
                row("d", "charge", "2026-05-08", "20.00", json!({"order": "v", "payout": "P2"})),
                row("n", "payout", "2026-05-11", "-70.00", json!({"source": "P2", "payout": "P2"})),
            ],
        )
        .file(
            "payouts",
            &[
                super::payout("P1", "2026-05-06", "EUR", "50.00", "failed"),
                super::payout("P2", "2026-05-12", "EUR", "70.00", "paid"),
            ],
        )
        .file("bank", &[super::bank_line("B", "2026-05-13", "EUR", "70.00", "STRIPE P2")])
        .run();
    assert_eq!(a.differences(), [("PAYOUT_RETURNED".to_owned(), "50.00".to_owned())]);
    assert_eq!(
        (&a.payout("P1")["state"], &a.payout("P2")["state"]),
        (&json!("Returned"), &json!("Reconciled"))
    );
    assert_eq!((&a.payout("P2")["sum"], &a.payout("P2")["foots"]), (&json!("70.00"), &json!(true)));
    assert_eq!(
        (a.balance("EUR", "assets:clearing"), a.balance("EUR", "assets:in-transit")),
        ("0.00".to_owned(), "0.00".to_owned())
    );
    assert_eq!(
        (a.balance("EUR", "assets:bank"), a.balance("EUR", "income:sales")),
        ("70.00".to_owned(), "-70.00".to_owned())
    );
    a.clean();
}
