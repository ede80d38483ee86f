//! What was sent against what arrived: levels, ambiguity, splits, conversions, due windows.

use serde_json::{Value, json};

use super::{Answer, World, bank_line, payout, with};

fn four(text: &str) -> Answer {
    let sent: Vec<Value> = [("P1", "600.00"), ("P2", "400.00"), ("P3", "250.00"), ("P4", "750.00")]
        .iter()
        .map(|(id, m)| payout(id, "2026-05-11", "EUR", m, "paid"))
        .collect();
    World::new()
        .file("payouts", &sent)
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "1000.00", text)])
        .until("2026-05-13")
        .run()
}

#[test]
fn one_deposit_that_two_sets_explain_is_ambiguous() {
    // Model §8: 600 + 400 and 250 + 750.
    let a = four("STRIPE TRANSFER");
    let b = a.bank("B");
    assert_eq!((&b["state"], &b["matched_to"]), (&json!("Ambiguous"), &json!([])));
    assert_eq!(b["candidates"], json!([["P1", "P2"], ["P3", "P4"]]));
    let d = a.only("AMBIGUOUS");
    assert_eq!((&d["amount"], &d["records"]), (&json!("1000.00"), &json!(["B", "P1", "P2", "P3", "P4"])));
    assert_eq!(a.json["unexplained"]["EUR"], "1000.00");
    assert_eq!(a.balance("EUR", "suspense"), "-1000.00");
    for p in ["P1", "P2", "P3", "P4"] {
        assert_eq!(a.payout(p)["match"], Value::Null);
    }
}

#[test]
fn a_text_that_names_the_payouts_decides() {
    let a = four("STRIPE P3 P4");
    assert_eq!(a.bank("B")["matched_to"], json!(["P3", "P4"]));
    assert_eq!(a.payout("P3")["state"], "Reconciled");
    assert_eq!(a.payout("P1")["match"], Value::Null);
    assert_eq!(a.json["unexplained"]["EUR"], "0.00");
}

#[test]
fn one_deposit_that_one_set_explains_is_matched() {
    // Of 600, 400 and 250 only 600 + 400 make 1,000.
    let sent: Vec<Value> = [("P1", "600.00"), ("P2", "400.00"), ("P3", "250.00")]
        .iter()
        .map(|(id, m)| payout(id, "2026-05-11", "EUR", m, "paid"))
        .collect();
    let a = World::new()
        .file("payouts", &sent)
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "1000.00", "STRIPE")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.bank("B")["matched_to"], json!(["P1", "P2"]));
    let m = a.outcome.matches.iter().find(|m| m.left == ["B"]).unwrap();
    assert_eq!((m.rule, m.residual.minor()), ("covering", 0));
    // P3 is still on its way.
    assert_eq!(a.only("TIMING")["records"], json!(["P3"]));
    assert_eq!(a.balance("EUR", "assets:in-transit"), "250.00");
}

#[test]
fn a_covering_set_is_never_made_of_two_accounts() {
    let other = with(payout("P2", "2026-05-11", "EUR", "400.00", "paid"), json!({"account": "second"}));
    let a = World::new()
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "600.00", "paid"), other])
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "1000.00", "STRIPE")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.bank("B")["matched_to"], json!([]));
}

#[test]
fn equal_amounts_pair_by_day_and_never_collapse() {
    // Three payouts of 50.00, two arrived: the two earliest, and the third stays open.
    let sent: Vec<Value> = [("P1", "2026-05-11"), ("P2", "2026-05-12"), ("P3", "2026-05-13")]
        .iter()
        .map(|(id, d)| payout(id, d, "EUR", "50.00", "paid"))
        .collect();
    let a = World::new()
        .file("payouts", &sent)
        .file(
            "bank",
            &[
                bank_line("B1", "2026-05-12", "EUR", "50.00", "STRIPE"),
                bank_line("B2", "2026-05-13", "EUR", "50.00", "STRIPE"),
            ],
        )
        .until("2026-05-14")
        .run();
    assert_eq!((&a.bank("B1")["matched_to"], &a.bank("B2")["matched_to"]), (&json!(["P1"]), &json!(["P2"])));
    assert_eq!(a.payout("P3")["match"], Value::Null);
    assert_eq!(a.balance("EUR", "assets:in-transit"), "50.00");
}

#[test]
fn a_reference_beats_an_equal_amount() {
    // Both payouts are 50.00; the text names the later one.
    let a = World::new()
        .file(
            "payouts",
            &[
                payout("po_early", "2026-05-11", "EUR", "50.00", "paid"),
                payout("po_late", "2026-05-11", "EUR", "50.00", "paid"),
            ],
        )
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "50.00", "STRIPE po_late")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.bank("B")["matched_to"], json!(["po_late"]));
}

#[test]
fn a_split_payout_arrives_in_two_lines() {
    // 100.00 sent, 60.00 and 40.00 arrive.
    let a = World::new()
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "100.00", "paid")])
        .file(
            "bank",
            &[
                bank_line("B1", "2026-05-12", "EUR", "60.00", "STRIPE"),
                bank_line("B2", "2026-05-12", "EUR", "40.00", "STRIPE"),
            ],
        )
        .until("2026-05-13")
        .run();
    assert_eq!(a.payout("P1")["match"], json!(["B1", "B2"]));
    assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
    a.clean();
}

#[test]
fn a_payout_split_by_currency_matches_each_leg_by_its_own_amount() {
    // ebay-finances: one payout reference, a USD leg to the wallet and a leg converted to CNY (40.00 at 7.175 = 287.00).
    let leg = |id: &str, amount: &str, more: Value| {
        with(
            json!({"id": id, "provider": "ebay", "account": "cn", "currency": "USD", "amount": amount, "status": "SUCCEEDED",
                "arrival": "2026-05-11", "group": "REF1"}),
            more,
        )
    };
    let a = World::new()
        .file(
            "payouts",
            &[
                leg("E1", "60.00", json!({})),
                leg("E2", "40.00", json!({"converted": {"amount": "287.00", "currency": "CNY"}})),
            ],
        )
        .file(
            "bank",
            &[
                bank_line("U", "2026-05-12", "USD", "60.00", "EBAY"),
                bank_line("C", "2026-05-12", "CNY", "287.00", "EBAY"),
            ],
        )
        .until("2026-05-13")
        .run();
    assert_eq!((&a.payout("E1")["match"], &a.payout("E2")["match"]), (&json!("U"), &json!("C")));
    assert_eq!(a.balance("USD", "assets:in-transit"), "0.00");
    a.clean();
}

#[test]
fn a_converted_settlement_matches_by_what_the_marketplace_converted() {
    // Model §8: USD 4,000.00 → GBP 2,950.00; at the reference 0.7451 it is 2,980.40: conversion cost 30.40 (1.02 %).
    let rows = [
        json!({"id": "x", "provider": "amazon", "account": "us", "kind": "Order", "occurred_at": "2026-04-02T12:00:00Z",
        "currency": "USD", "amount": "4000.00", "statement": "S1"}),
    ];
    let s = json!({"id": "S1", "provider": "amazon", "account": "us", "currency": "USD", "total": "4000.00", "deposit_date": "2026-04-13",
        "converted_total": {"amount": "2950.00", "currency": "GBP"}, "trace_id": "TRACE77"});
    let world =
        || World::new().file("transactions", &rows).file("statements", std::slice::from_ref(&s)).base("GBP");
    let a = world()
        .file("bank", &[bank_line("B", "2026-04-15", "GBP", "2950.00", "AMAZON TRACE77")])
        .rates("date,base,quote,rate,source\n2026-04-02,USD,GBP,0.7451,ECB cross\n2026-04-13,USD,GBP,0.7451,ECB cross\n")
        .run();
    assert_eq!(
        (&a.statement("S1")["state"], &a.statement("S1")["match"]),
        (&json!("Reconciled"), &json!("B"))
    );
    assert_eq!(
        (&a.only("FX_COST")["amount"], &a.only("FX_COST")["currency"]),
        (&json!("30.40"), &json!("GBP"))
    );
    assert_eq!(a.json["fx"]["conversion_cost"], "30.40");
    assert_eq!(a.balance("GBP", "pl:fx:conversion-cost"), "30.40");
    assert_eq!(a.balance("GBP", "assets:bank"), "2950.00");
    assert_eq!(a.balance("USD", "assets:in-transit"), "0.00");
    a.clean();
    // A line of 4,000.00 in the other currency is never the same money by number.
    let a = world().file("bank", &[bank_line("B", "2026-04-15", "GBP", "4000.00", "TRANSFER")]).run();
    assert_eq!(a.bank("B")["matched_to"], json!([]));
}

#[test]
fn what_has_not_arrived_is_timing_then_missing() {
    let world = |as_of: &str| {
        World::new()
            .file("payouts", &[payout("P1", "2026-05-11", "EUR", "80.00", "paid")])
            .file("bank", &[bank_line("B", "2026-05-11", "EUR", "1.00", "INTEREST")])
            .until(as_of)
            .run()
    };
    // Monday 11 May plus five business days is Monday 18 May.
    let a = world("2026-05-18");
    assert_eq!(a.only("TIMING")["amount"], "80.00");
    let open = |late: i32| json!([{"leg": "bank", "id": "P1", "amount": "80.00", "currency": "EUR", "due": "2026-05-18", "days_late": late}]);
    assert_eq!(a.json["ageing"], open(0));
    assert_eq!(world("2026-05-28").json["ageing"], open(10));
    assert_ne!(a.payout("P1")["state"], "Missing");
    let a = world("2026-05-19");
    assert_eq!(
        (&a.payout("P1")["state"], &a.only("PROVIDER_ONLY")["amount"]),
        (&json!("Missing"), &json!("80.00"))
    );
    // The line that fits nothing is ours only, and nobody can account for it.
    assert_eq!(a.only("OURS_ONLY")["records"], json!(["B"]));
    assert_eq!(a.json["unexplained"]["EUR"], "1.00");
}

#[test]
fn a_cent_short_is_named_and_tolerated_only_by_policy() {
    let world = || {
        World::new()
            .file("payouts", &[payout("P1", "2026-05-11", "EUR", "80.00", "paid")])
            .file("bank", &[bank_line("B", "2026-05-12", "EUR", "79.99", "STRIPE P1")])
            .until("2026-05-13")
    };
    let a = world().run();
    let d = a.only("AMOUNT_MISMATCH");
    assert_eq!((&d["amount"], &d["records"]), (&json!("-0.01"), &json!(["B", "P1"])));
    assert_eq!(
        d["evidence"],
        json!([{"what": "arrived", "amount": "79.99"}, {"what": "sent", "amount": "-80.00"}])
    );
    assert_eq!(a.json["unexplained"]["EUR"], "-0.01");
    assert_eq!(a.payout("P1")["state"], "Under");
    let a = world().policy("rounding_minor = 1\n").run();
    assert_eq!(a.only("ROUNDING")["amount"], "-0.01");
    assert_eq!(
        (&a.payout("P1")["state"], a.balance("EUR", "pl:rounding")),
        (&json!("Reconciled"), "0.01".to_owned())
    );
    assert_eq!(a.outcome.matches.iter().find(|m| m.left == ["B"]).unwrap().residual.minor(), -1);
    a.clean();
}

#[test]
fn a_cent_short_in_two_lines_is_told_once_with_the_last() {
    // 50.00 + 29.99 = 79.99 against 80.00.
    let a = World::new()
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "80.00", "paid")])
        .file(
            "bank",
            &[
                bank_line("B1", "2026-05-12", "EUR", "50.00", "STRIPE P1"),
                bank_line("B2", "2026-05-13", "EUR", "29.99", "STRIPE P1"),
            ],
        )
        .policy("rounding_minor = 1\n")
        .until("2026-05-14")
        .run();
    let d = a.only("ROUNDING");
    assert_eq!((&d["amount"], &d["records"]), (&json!("-0.01"), &json!(["B2", "P1"])));
    let left = |line: &str| a.outcome.matches.iter().find(|m| m.left == [line]).unwrap().residual.minor();
    assert_eq!((left("B1"), left("B2")), (0, -1));
    assert_eq!(
        (&a.payout("P1")["state"], a.balance("EUR", "pl:rounding")),
        (&json!("Reconciled"), "0.01".to_owned())
    );
    a.clean();
}

#[test]
fn a_named_payout_in_another_currency_needs_a_rate() {
    let world = || {
        World::new()
            .file("payouts", &[payout("P1", "2026-05-11", "USD", "100.00", "paid")])
            .file("bank", &[bank_line("B", "2026-05-12", "EUR", "91.00", "STRIPE P1")])
            .until("2026-05-13")
    };
    let a = world().run();
    assert_eq!(a.only("CURRENCY_MISMATCH")["records"], json!(["B", "P1"]));
    assert_eq!(a.bank("B")["matched_to"], json!([]));
    // 100.00 at 0.92 is 92.00; 91.00 is 1.09 % off, within the 3 % of the policy.
    let a = world().rates("date,base,quote,rate,source\n2026-05-11,USD,EUR,0.92,ECB\n").run();
    assert_eq!(a.bank("B")["matched_to"], json!(["P1"]));
    assert_eq!(a.only("FX_COST")["amount"], "1.00");
    a.none("CURRENCY_MISMATCH");
}

#[test]
fn a_converted_payout_in_two_lines_is_sent_once() {
    // 100.00 dollars, 91.00 euros of it in two lines of 46.00 and 45.00: 100.00 × 46/91 = 50.549… and 49.450…: 50.55 and 49.45.
    let sent = with(
        payout("po", "2026-05-11", "USD", "100.00", "paid"),
        json!({"converted": {"amount": "91.00", "currency": "EUR"}}),
    );
    let row = json!({"id": "ch", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-05-10T10:00:00Z",
        "currency": "USD", "amount": "100.00", "payout": "po"});
    let a = World::new()
        .file("transactions", &[row])
        .file("payouts", &[sent])
        .file(
            "bank",
            &[
                bank_line("B1", "2026-05-12", "EUR", "46.00", "STRIPE"),
                bank_line("B2", "2026-05-12", "EUR", "45.00", "STRIPE"),
            ],
        )
        .base("EUR")
        .until("2026-05-13")
        .run();
    assert_eq!(a.payout("po")["match"], json!(["B1", "B2"]));
    assert_eq!(a.balance("USD", "assets:in-transit"), "0.00");
    assert_eq!(
        (a.balance("USD", "equity:conversion"), a.balance("EUR", "equity:conversion")),
        ("100.00".to_owned(), "-91.00".to_owned())
    );
    let taken: Vec<String> = a
        .outcome
        .journal
        .entries()
        .iter()
        .filter(|e| e.draft.id.starts_with("bank:"))
        .flat_map(|e| &e.draft.postings)
        .filter(|p| p.account.starts_with("assets:in-transit"))
        .map(|p| p.amount().amount())
        .collect();
    assert_eq!(taken, ["-50.55", "-49.45"]);
    a.clean();
}

#[test]
fn money_that_fits_nothing_is_told_without_a_text_too() {
    // Nothing was sent, 100.00 came without a word: it is in suspense, so somebody has to say what it is.
    let line =
        json!({"id": "B", "account": "bank", "date": "2026-05-04", "currency": "EUR", "amount": "100.00"});
    let a = World::new().file("bank", &[line]).until("2026-05-05").run();
    let d = a.only("OURS_ONLY");
    assert_eq!((&d["amount"], &d["records"]), (&json!("100.00"), &json!(["B"])));
    assert_eq!(a.json["unexplained"]["EUR"], "100.00");
    assert_eq!(a.json["status"], "differences");
}

/// 100.00 sent as P1, and these lines.
fn one_sent(lines: &[(&str, &str, &str)]) -> World {
    let lines: Vec<Value> =
        lines.iter().map(|(id, m, text)| bank_line(id, "2026-05-12", "EUR", m, text)).collect();
    World::new()
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "100.00", "paid")])
        .file("bank", &lines)
        .until("2026-05-13")
}

#[test]
fn lines_that_name_one_transfer_are_together_what_was_sent() {
    let a = one_sent(&[("B1", "60.00", "STRIPE P1"), ("B2", "40.00", "STRIPE P1")]).run();
    assert_eq!((&a.bank("B1")["matched_to"], &a.bank("B2")["matched_to"]), (&json!(["P1"]), &json!(["P1"])));
    assert_eq!(a.payout("P1")["state"], "Reconciled");
    assert_eq!((&a.json["differences"], &a.json["unexplained"]["EUR"]), (&json!([]), &json!("0.00")));
    assert!(a.outcome.matches.iter().filter(|m| m.right == ["P1"]).all(|m| m.rule == "reference"));
}

#[test]
fn a_pin_of_several_lines_is_about_all_of_them() {
    let a = one_sent(&[("B1", "61.00", "X"), ("B2", "39.00", "Y")])
        .file("decisions", &[json!({"kind": "pin", "records": ["B1", "B2", "P1"]})])
        .run();
    for b in ["B1", "B2"] {
        assert_eq!(a.bank(b)["matched_to"], json!(["P1"]));
        assert_eq!(a.outcome.matches.iter().find(|m| m.left == [b]).unwrap().rule, "pin");
    }
    assert_eq!((&a.json["differences"], &a.json["unexplained"]["EUR"]), (&json!([]), &json!("0.00")));
}

#[test]
fn a_transfer_that_two_sets_of_lines_make_is_ambiguous() {
    // 60 + 40 or 70 + 30: 200.00 arrived where 100.00 was sent, and nothing tells which half is whose.
    let a =
        one_sent(&[("B1", "60.00", "X"), ("B2", "40.00", "X"), ("B3", "70.00", "X"), ("B4", "30.00", "X")])
            .run();
    for b in ["B1", "B2", "B3", "B4"] {
        assert_eq!((&a.bank(b)["state"], &a.bank(b)["candidates"]), (&json!("Ambiguous"), &json!([["P1"]])));
    }
    assert_eq!(a.json["unexplained"]["EUR"], "200.00");
}

#[test]
fn a_transfer_that_came_back_is_both_of_its_lines() {
    let paid = payout("P1", "2026-05-11", "EUR", "100.00", "paid");
    let failed = payout("P1", "2026-05-11", "EUR", "100.00", "failed");
    let a = World::new()
        .file("payouts", &[paid, failed])
        .file(
            "bank",
            &[
                bank_line("B1", "2026-05-12", "EUR", "100.00", "STRIPE P1"),
                bank_line("B2", "2026-05-13", "EUR", "-100.00", "STRIPE P1 RETURN"),
            ],
        )
        .until("2026-05-14")
        .run();
    for line in ["B1", "B2"] {
        assert_eq!(
            (&a.bank(line)["state"], &a.bank(line)["matched_to"]),
            (&json!("Reconciled"), &json!(["P1"]))
        );
    }
    assert_eq!(a.only("PAYOUT_RETURNED")["amount"], "100.00");
    assert_eq!(a.payout("P1")["state"], "Returned");
    // Out and back: nothing is on its way, nothing is open.
    assert_eq!(a.balance("EUR", "assets:bank"), "0.00");
    assert_eq!(a.json["unexplained"]["EUR"], "0.00");
    // A line that names it with another amount is no way back.
    let a = World::new()
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "100.00", "failed")])
        .file("bank", &[bank_line("B2", "2026-05-13", "EUR", "-99.00", "STRIPE P1 RETURN")])
        .until("2026-05-14")
        .run();
    assert_ne!(a.bank("B2")["state"], "Reconciled");
    assert_ne!(a.json["status"], "reconciled");
}
