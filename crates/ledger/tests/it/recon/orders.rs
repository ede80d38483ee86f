//! Orders: payments, refunds, disputes, and what is still open.

use serde_json::{Value, json};

use super::{Answer, World, charge, order, with};

fn refund(id: &str, of: &str, day: &str, amount: &str) -> Value {
    json!({"id": id, "provider": "stripe", "account": "acct", "kind": "refund", "occurred_at": format!("{day}T10:00:00Z"),
        "currency": "EUR", "amount": amount, "refers_to": of})
}

fn asked(id: &str, order: &str, day: &str, amount: &str) -> Value {
    json!({"id": id, "order": order, "requested_at": format!("{day}T10:00:00Z"), "currency": "EUR", "amount": amount})
}

#[test]
fn partial_refunds_keep_the_fee_and_over_refund_is_named() {
    // Model §8: 60.00, fee 2.39; refund 15.00: cash 42.61, the fee stays 2.39 whatever the number of refunds.
    let rows = [
        charge("ch", "o", "2026-02-01", "EUR", "60.00", "2.39"),
        refund("r1", "ch", "2026-02-03", "-15.00"),
        refund("r2", "ch", "2026-02-04", "-20.00"),
        refund("r3", "ch", "2026-02-05", "-25.00"),
        refund("r4", "ch", "2026-02-06", "-5.00"),
    ];
    let run = |n: usize| {
        World::new()
            .file("orders", &[order("o", "2026-02-01", "EUR", "60.00")])
            .file("transactions", &rows[..=n])
            .run()
    };
    // (refunds, refunded, net): 60.00 − 2.39 − 15.00 = 42.61; − 35.00 = 22.61; − 60.00 = −2.39; − 65.00 = −7.39.
    for (n, refunded, net) in
        [(1, "15.00", "42.61"), (2, "35.00", "22.61"), (3, "60.00", "-2.39"), (4, "65.00", "-7.39")]
    {
        let a = run(n);
        let o = a.order("o");
        assert_eq!((&o["refunded"], &o["fees"], &o["net"]), (&json!(refunded), &json!("2.39"), &json!(net)));
        assert_eq!(o["gross"], "60.00");
        if n == 4 {
            let d = a.only("OVER_REFUND");
            assert_eq!(
                (&d["amount"], &d["records"]),
                (&json!("5.00"), &json!(["ch", "o", "r1", "r2", "r3", "r4"]))
            );
        } else {
            a.none("OVER_REFUND");
        }
    }
}

#[test]
fn a_fee_that_is_given_back_is_posted_as_the_row_says() {
    // PayPal gives 0.47 back on a refund of 15.00: 57.61 − 14.53 = 43.08, fee 2.39 − 0.47 = 1.92.
    let rows = [
        charge("ch", "o", "2026-02-01", "EUR", "60.00", "2.39"),
        with(refund("r1", "ch", "2026-02-03", "-15.00"), json!({"fee": "-0.47"})),
    ];
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "60.00")])
        .file("transactions", &rows)
        .run();
    assert_eq!((&a.order("o")["fees"], &a.order("o")["net"]), (&json!("1.92"), &json!("43.08")));
    assert_eq!(a.json["fees"]["EUR"]["processing"], "1.92");
}

#[test]
fn refunds_asked_for_and_made_are_held_against_each_other() {
    let orders = [order("o", "2026-02-01", "EUR", "60.00")];
    let run = |rows: &[Value], asked: &[Value], as_of: &str| {
        World::new()
            .file("orders", &orders)
            .file("transactions", rows)
            .file("refunds", asked)
            .until(as_of)
            .run()
    };
    let paid = charge("ch", "o", "2026-02-01", "EUR", "60.00", "0.00");
    let made = refund("r1", "ch", "2026-02-03", "-15.00");
    let a = run(&[paid.clone(), made.clone()], &[asked("q", "o", "2026-02-02", "15.00")], "2026-02-10");
    assert!(a.differences().is_empty(), "{:?}", a.differences());
    // Asked, not made: in time, then late (30 days).
    let a = run(std::slice::from_ref(&paid), &[asked("q", "o", "2026-02-02", "15.00")], "2026-02-10");
    assert_eq!(a.only("TIMING")["amount"], "-15.00");
    let a = run(std::slice::from_ref(&paid), &[asked("q", "o", "2026-02-02", "15.00")], "2026-03-10");
    assert_eq!(a.only("OURS_ONLY")["amount"], "-15.00");
    // More than asked for.
    let a = run(
        &[paid, refund("r1", "ch", "2026-02-03", "-16.00")],
        &[asked("q", "o", "2026-02-02", "15.00")],
        "2026-02-10",
    );
    assert_eq!(
        (&a.only("PROVIDER_ONLY")["amount"], &a.only("PROVIDER_ONLY")["records"]),
        (&json!("1.00"), &json!(["ch", "o", "q", "r1"]))
    );
    let _ = made;
}

fn disputed(more: &[Value], word: &str) -> Answer {
    // Model §8: sale 80.00, fee 2.62 → 77.38; withdrawal −80.00 with a fee of 15.00 → −95.00.
    let mut rows = vec![
        charge("ch", "o", "2026-02-01", "EUR", "80.00", "2.62"),
        json!({"id": "d1", "provider": "stripe", "account": "acct", "kind": "adjustment", "event_code": "dispute", "occurred_at": "2026-02-20T10:00:00Z",
            "currency": "EUR", "amount": "-80.00", "fee": "15.00", "refers_to": "ch"}),
    ];
    rows.extend_from_slice(more);
    let o = with(order("o", "2026-02-01", "EUR", "80.00"), json!({"payment_state": word}));
    World::new().file("orders", &[o]).file("transactions", &rows).run()
}

#[test]
fn a_chargeback_runs_is_lost_or_won() {
    let a = disputed(&[], "paid");
    assert_eq!((&a.order("o")["state"], &a.order("o")["net"]), (&json!("Disputed"), &json!("-17.62")));
    assert_eq!(a.only("DISPUTE_HOLD")["amount"], "80.00");
    assert_eq!(a.balance("EUR", "assets:disputed"), "80.00");
    let a = disputed(&[], "chargeback_lost");
    assert_eq!((&a.order("o")["state"], &a.order("o")["net"]), (&json!("WrittenOff"), &json!("-17.62")));
    a.none("DISPUTE_HOLD");
    assert_eq!(
        (a.balance("EUR", "assets:disputed"), a.balance("EUR", "expenses:disputes-lost")),
        ("0.00".to_owned(), "80.00".to_owned())
    );
    // Won, the fee stays: −17.62 + 80.00 = 62.38.
    let back = json!({"id": "d2", "provider": "stripe", "account": "acct", "kind": "adjustment", "event_code": "dispute_reversal",
        "occurred_at": "2026-03-20T10:00:00Z", "currency": "EUR", "amount": "80.00", "fee": "0.00", "refers_to": "ch"});
    let a = disputed(&[back], "paid");
    assert_eq!((&a.order("o")["state"], &a.order("o")["net"]), (&json!("Settled"), &json!("62.38")));
    assert_eq!(a.balance("EUR", "assets:disputed"), "0.00");
    // 2.62 + 15.00.
    assert_eq!(a.order("o")["fees"], "17.62");
    a.none("DISPUTE_HOLD");
}

#[test]
fn an_order_waits_is_paid_in_parts_and_goes_missing() {
    let orders = [order("o", "2026-02-01", "EUR", "60.00")];
    let half = |id: &str, day: &str| charge(id, "o", day, "EUR", "30.00", "0.00");
    let run = |rows: &[Value], as_of: &str| {
        World::new().file("orders", &orders).file("transactions", rows).until(as_of).run()
    };
    let a = run(&[], "2026-02-08");
    assert_eq!((&a.order("o")["state"], &a.only("TIMING")["amount"]), (&json!("Expected"), &json!("60.00")));
    let a = run(&[], "2026-02-09");
    assert_eq!(
        (&a.order("o")["state"], &a.only("OURS_ONLY")["amount"]),
        (&json!("Missing"), &json!("60.00"))
    );
    let a = run(&[half("a", "2026-02-02")], "2026-02-03");
    assert_eq!((&a.order("o")["state"], &a.order("o")["open"]), (&json!("Partial"), &json!("30.00")));
    let a = run(&[half("a", "2026-02-02")], "2026-02-20");
    assert_eq!(a.order("o")["state"], "Under");
    // Due by 8 February, seven days after the order: twelve days late.
    assert_eq!(
        a.json["ageing"],
        json!([{"leg": "payment", "id": "o", "amount": "30.00", "currency": "EUR", "due": "2026-02-08", "days_late": 12}])
    );
    // Late data still closes it.
    let a = run(&[half("a", "2026-02-02"), half("b", "2026-02-19")], "2026-02-20");
    assert_eq!((&a.order("o")["state"], &a.order("o")["open"]), (&json!("Settled"), &json!("0.00")));
    let states: Vec<&str> =
        a.order("o")["timeline"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Expected", "Partial", "Settled"]);
}

/// docs/reconcile.md, `payment_state`: what is not known is not zero, and an unpaid order is `Expected`.
#[test]
fn a_total_that_is_not_told_yet_is_expected_and_not_zero() {
    let unpaid = with(order("o", "2026-02-01", "JPY", "0"), json!({"payment_state": "PENDING"}));
    // A month later too: how much is late nobody knows.
    for as_of in ["2026-02-02", "2026-03-02"] {
        let a = World::new().file("orders", std::slice::from_ref(&unpaid)).until(as_of).run();
        let o = a.order("o");
        assert_eq!(
            (&o["state"], &o["total"], &o["open"]),
            (&json!("Expected"), &Value::Null, &Value::Null),
            "{o}"
        );
        assert_eq!(a.json["differences"], json!([]));
        let shown = tradewind_ledger::why::text(&tradewind_ledger::why::order(&a.outcome, "o").unwrap());
        assert!(shown.contains("order o: Expected") && !shown.contains("total                            0"));
        assert!(shown.lines().any(|l| l.contains("total") && l.ends_with('–')), "{shown}");
    }
    // Paid before the order was read again: what the provider took is no difference to a total that nobody told.
    let a = World::new()
        .file("orders", &[with(order("o", "2026-02-01", "EUR", "0.00"), json!({"payment_state": "PENDING"}))])
        .file("transactions", &[charge("ch", "o", "2026-02-02", "EUR", "60.00", "0.00")])
        .run();
    assert_eq!((&a.order("o")["state"], &a.order("o")["total"]), (&json!("Settled"), &Value::Null));
    a.none("AMOUNT_MISMATCH");
    // One that costs nothing is paid.
    let a = World::new().file("orders", &[order("o", "2026-02-01", "EUR", "0.00")]).run();
    assert_eq!((&a.order("o")["state"], &a.order("o")["total"]), (&json!("Settled"), &json!("0.00")));
}

#[test]
fn a_payment_taken_twice_is_a_duplicate() {
    let rows = [
        charge("a", "o", "2026-02-01", "EUR", "60.00", "0.00"),
        charge("b", "o", "2026-02-01", "EUR", "60.00", "0.00"),
    ];
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "60.00")])
        .file("transactions", &rows)
        .run();
    let d = a.only("DUPLICATE");
    assert_eq!(
        (&d["amount"], &d["records"], &a.order("o")["state"]),
        (&json!("60.00"), &json!(["a", "b", "o"]), &json!("Over"))
    );
}

#[test]
fn what_the_provider_took_and_we_do_not_know_is_named() {
    let rows = [charge("a", "unknown", "2026-02-01", "EUR", "60.00", "0.00")];
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "75.00")])
        .file("transactions", &rows)
        .until("2026-02-02")
        .run();
    assert_eq!(
        (&a.only("PROVIDER_ONLY")["amount"], &a.only("PROVIDER_ONLY")["records"]),
        (&json!("60.00"), &json!(["a"]))
    );
}

#[test]
fn payments_without_a_reference_pair_by_a_unique_amount_only() {
    let pay = |id: &str, hour: &str, amount: &str| {
        json!({"id": id, "provider": "alipay", "account": "cn", "kind": "交易", "event_code": "交易", "occurred_at": format!("2026-02-01T{hour}:00:00Z"),
            "currency": "CNY", "amount": amount})
    };
    // 88.00 is unique; of two orders of 50.00 and two payments of 50.00 the earlier pairs with the earlier.
    let orders = [
        order("o1", "2026-02-01", "CNY", "88.00"),
        with(order("o2", "2026-02-01", "CNY", "50.00"), json!({"placed_at": "2026-02-01T08:00:00Z"})),
        with(order("o3", "2026-02-01", "CNY", "50.00"), json!({"placed_at": "2026-02-01T09:00:00Z"})),
    ];
    let a = World::new()
        .file("orders", &orders)
        .file("transactions", &[pay("t3", "12", "50.00"), pay("t2", "11", "50.00"), pay("t1", "10", "88.00")])
        .run();
    let rules: Vec<(&str, &str, &str)> =
        a.outcome.matches.iter().map(|m| (m.rule, m.left[0].as_str(), m.right[0].as_str())).collect();
    assert_eq!(rules, [("pool", "o2", "t2"), ("pool", "o3", "t3"), ("unique", "o1", "t1")]);
}

#[test]
fn an_order_is_reconciled_when_its_payout_reached_the_bank() {
    let paid = with(charge("ch", "o", "2026-02-01", "EUR", "60.00", "2.39"), json!({"payout": "po"}));
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "60.00")])
        .file("transactions", &[paid])
        .file("payouts", &[super::payout("po", "2026-02-03", "EUR", "57.61", "paid")])
        .file("bank", &[super::bank_line("B", "2026-02-04", "EUR", "57.61", "STRIPE")])
        .run();
    assert_eq!(a.order("o")["state"], "Reconciled");
    assert_eq!(a.order("o")["links"], json!(["B", "ch", "po"]));
    assert_eq!(
        a.order("o")["timeline"].as_array().unwrap().last().unwrap(),
        &json!({"at": "2026-02-04", "state": "Reconciled"})
    );
    assert_eq!(a.json["status"], "reconciled");
    assert!(a.differences().is_empty());
    a.clean();
}

#[test]
fn an_invoice_bills_what_its_orders_are() {
    let invoice = |gross: &str, net: &str, vat: &str| json!({"id": "INV", "orders": ["o1", "o2"], "gross": gross, "net": net, "vat": vat, "currency": "EUR"});
    let orders = [order("o1", "2026-02-01", "EUR", "60.00"), order("o2", "2026-02-01", "EUR", "59.00")];
    let run =
        |i: Value| World::new().file("orders", &orders).file("documents", &[i]).until("2026-02-02").run();
    // 119.00 = 100.00 + 19.00.
    run(invoice("119.00", "100.00", "19.00")).none("AMOUNT_MISMATCH");
    assert_eq!(run(invoice("119.01", "100.01", "19.00")).only("AMOUNT_MISMATCH")["amount"], "0.01");
    assert_eq!(run(invoice("119.00", "100.00", "18.99")).only("AMOUNT_MISMATCH")["amount"], "0.01");
}

#[test]
fn a_reference_that_lost_its_punctuation_still_names_its_order() {
    let orders = [
        order("gid://shop/Order/2256834066510", "2026-02-01", "EUR", "60.00"),
        order("gid://shop/Order/22568340665101", "2026-02-01", "EUR", "60.00"),
    ];
    let a = World::new()
        .file("orders", &orders)
        .file(
            "transactions",
            &[charge("ch", "gid:shopOrder2256834066510", "2026-02-01", "EUR", "60.00", "0.00")],
        )
        .until("2026-02-02")
        .run();
    assert_eq!(a.order("gid://shop/Order/2256834066510")["state"], "Settled");
    assert_eq!(a.outcome.matches[0].rule, "remittance");
    // Two orders of the same letters and digits, or too few of them: nothing is guessed.
    for (one, two, named) in [("A-12345678", "A/12345678", "A12345678"), ("A-1", "B-1", "A1")] {
        let a = World::new()
            .file(
                "orders",
                &[order(one, "2026-02-01", "EUR", "60.00"), order(two, "2026-02-01", "EUR", "60.00")],
            )
            .file("transactions", &[charge("ch", named, "2026-02-01", "EUR", "60.00", "0.00")])
            .until("2026-02-02")
            .run();
        assert!(a.outcome.matches.is_empty(), "{:?}", a.outcome.matches);
    }
}

#[test]
fn an_order_of_a_channel_that_reports_no_payments_is_open_and_not_missing() {
    let world = || {
        World::new()
            .file(
                "orders",
                &[
                    with(order("o", "2026-02-01", "USD", "35.90"), json!({"account": "ali"})),
                    order("s", "2026-02-01", "USD", "10.00"),
                ],
            )
            .file("transactions", &[charge("ch", "s", "2026-02-01", "USD", "10.00", "0.00")])
            .file("refunds", &[json!({"id": "r", "order": "o", "requested_at": "2026-02-02", "currency": "USD", "amount": "35.90"})])
            .until("2026-04-01")
    };
    // As long as nobody says so, nobody paid it.
    let a = world().run();
    assert_eq!((&a.order("o")["state"], &a.json["status"]), (&json!("Missing"), &json!("differences")));
    let untold = |a: &Answer| {
        assert_eq!((&a.order("o")["state"], &a.order("o")["open"]), (&json!("Expected"), &json!("35.90")));
        assert_eq!(a.only("TIMING")["records"], json!(["o"]));
        assert!(a.only("TIMING")["explanation"].as_str().unwrap().contains("reports no payments"));
        assert_eq!((&a.json["status"], a.json.get("ageing")), (&json!("reconciled"), None));
    };
    untold(&world().policy("unreported = [\"ali\"]\n").run());
    let mut w = world();
    w.facts.payments_untold.insert("ali".to_owned());
    untold(&w.run());
    // Another provider pays orders of that account: then it would tell.
    let mut w = world();
    w.facts.payments_untold.insert("shop".to_owned());
    assert_eq!(w.run().order("o")["state"], "Missing");
    let mut w = world().file("orders", &[order("t", "2026-02-01", "USD", "12.00")]);
    w.facts.payments_untold.insert("shop".to_owned());
    assert_eq!(w.run().order("t")["state"], "Missing");
}

#[test]
fn an_order_is_late_when_its_channel_pays_no_more() {
    // Paid on 1 February: the policy's seven days end on the 8th, the channel's thirty on 3 March.
    for (days, until, state) in [
        (None, "2026-02-08", "Expected"),
        (None, "2026-02-09", "Missing"),
        (Some(30), "2026-03-03", "Expected"),
        (Some(30), "2026-03-04", "Missing"),
        // A patient policy stays as it is.
        (Some(3), "2026-02-08", "Expected"),
    ] {
        let mut w = World::new()
            .file("orders", &[with(order("o", "2026-02-01", "USD", "35.90"), json!({"account": "ali"}))])
            .file("transactions", &[charge("ch", "s", "2026-02-01", "USD", "10.00", "0.00")])
            .until(until);
        w.facts.payment_days.extend(days.map(|d| ("ali".to_owned(), d)));
        let a = w.run();
        assert_eq!(a.order("o")["state"], state, "{days:?} {until}");
    }
}

#[test]
fn a_cent_that_a_row_contradicts_is_missing_once() {
    // 10.00 − 1.00 is 9.00, and 8.99 is stated: 9.99 less 1.00 would be it. One cent, told with the row and with its order.
    let row = with(charge("c", "o", "2026-02-01", "EUR", "10.00", "1.00"), json!({"net": "8.99"}));
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "10.00")])
        .file("transactions", &[row])
        .until("2026-02-02")
        .run();
    assert_eq!(a.json["unexplained"]["EUR"], "-0.01");
    assert!(a.differences().iter().all(|(reason, amount)| reason == "AMOUNT_MISMATCH" && amount == "-0.01"));
}

#[test]
fn a_refund_that_comes_back_and_was_never_given_is_a_difference() {
    // A refund with a plus sign: 30.00 more than was paid, and none of it ours to keep without a word.
    let back = json!({"id": "re", "provider": "stripe", "account": "acct", "kind": "refund", "occurred_at": "2026-02-02T10:00:00Z",
        "currency": "EUR", "amount": "30.00", "order": "o"});
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "100.00")])
        .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", "100.00", "0.00"), back])
        .run();
    let d = a.only("AMOUNT_MISMATCH");
    assert_eq!((&d["amount"], &d["records"]), (&json!("-30.00"), &json!(["ch", "o", "re"])));
    assert_eq!(a.json["unexplained"]["EUR"], "-30.00");
}

#[test]
fn a_payment_with_the_duties_on_top_of_the_total_is_all_of_it() {
    // 100.00, and 12.00 of duties collected at checkout: 112.00. A cent less is neither total, and 11.99 more than the order's.
    let paid = |amount: &str| {
        let order =
            with(order("o", "2026-02-01", "EUR", "100.00"), json!({"collected_duties_taxes": "12.00"}));
        World::new()
            .file("orders", &[order])
            .file("transactions", &[charge("ch", "o", "2026-02-01", "EUR", amount, "0.00")])
            .until("2026-02-02")
            .run()
    };
    let a = paid("112.00");
    assert_eq!((&a.order("o")["state"], &a.order("o")["open"]), (&json!("Settled"), &json!("0.00")));
    a.none("AMOUNT_MISMATCH");
    let a = paid("111.99");
    assert_eq!((&a.order("o")["state"], &a.order("o")["open"]), (&json!("Over"), &json!("-11.99")));
    assert_eq!(a.only("AMOUNT_MISMATCH")["amount"], "11.99");
}
