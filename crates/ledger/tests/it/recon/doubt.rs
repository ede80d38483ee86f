//! Sets of transfers and of lines: what only one explanation fits, what several fit, and what was not looked at.

use proptest::prelude::*;
use serde_json::{Value, json};
use tradewind_ledger::recon::bank::subsets;

use super::{Answer, World, bank_line, payout};

fn sent(list: &[(String, i64)]) -> Vec<Value> {
    list.iter().map(|(id, m)| payout(id, "2026-05-11", "EUR", &text(*m), "paid")).collect()
}

fn text(m: i64) -> String {
    format!("{}{}.{:02}", if m < 0 { "-" } else { "" }, m.abs() / 100, m.abs() % 100)
}

/// Powers of two, in whole euros: every sum is of one set.
fn powers(n: u32) -> Vec<(String, i64)> {
    (0..n).map(|k| (format!("P{k:02}"), 100 << k)).collect()
}

#[test]
fn one_set_among_many_payouts_is_found() {
    // 2⁰ … 2²⁹ euros: 2⁴ + 2⁷ + 2²⁸ = 16 + 128 + 268,435,456.
    let a = World::new()
        .file("payouts", &sent(&powers(30)))
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "268435600.00", "STRIPE")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.bank("B")["matched_to"], json!(["P04", "P07", "P28"]));
}

#[test]
fn a_set_among_more_than_the_policy_searches_is_ambiguous_and_accuses_nobody() {
    // 1 + 2 + 4 + 8 are 15.00; 8.00 and 7.50 are near each other, and nothing more.
    let world = |most: usize| {
        World::new()
            .file("payouts", &sent(&powers(4)))
            .file(
                "bank",
                &[
                    bank_line("B", "2026-05-12", "EUR", "15.00", "STRIPE"),
                    bank_line("C", "2026-05-12", "EUR", "7.50", "STRIPE"),
                ],
            )
            .policy(&format!("max_candidates = {most}\n"))
            .until("2026-06-13")
            .run()
    };
    let a = world(3);
    let d = a.json["differences"]
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["records"].as_array().unwrap().contains(&json!("B")))
        .unwrap();
    assert_eq!((&d["reason"], &d["amount"]), (&json!("AMBIGUOUS"), &json!("15.00")));
    assert_eq!(d["records"], json!(["B", "P00", "P01", "P02", "P03"]));
    assert!(d["explanation"].as_str().unwrap().contains("more than 3 candidates; not searched"), "{d}");
    assert_eq!((&a.bank("B")["state"], &a.bank("B")["matched_to"]), (&json!("Ambiguous"), &json!([])));
    a.none("AMOUNT_MISMATCH");
    a.none("PROVIDER_ONLY");
    for p in ["P00", "P01", "P02", "P03"] {
        assert_eq!(a.payout(p)["state"], "Expected");
    }
    // 15.00 + 7.50.
    assert_eq!(a.json["unexplained"]["EUR"], "22.50");
    assert_eq!(world(4).bank("B")["matched_to"], json!(["P00", "P01", "P02", "P03"]));
    // What cannot be a part is no candidate: of 15.00 no payout of 16.00 or more is one.
    let mut more = powers(4);
    more.extend((4..9).map(|k| (format!("P{k:02}"), 100 << k)));
    let a = World::new()
        .file("payouts", &sent(&more))
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "15.00", "STRIPE")])
        .policy("max_candidates = 4\n")
        .until("2026-05-13")
        .run();
    assert_eq!(a.bank("B")["matched_to"], json!(["P00", "P01", "P02", "P03"]));
}

#[test]
fn a_transfer_whose_parts_were_not_searched_is_not_missing() {
    let lines: Vec<Value> = powers(4)
        .iter()
        .map(|(id, m)| bank_line(&id.replace('P', "B"), "2026-05-12", "EUR", &text(*m), "X"))
        .collect();
    let a = World::new()
        .file("payouts", &sent(&[("P".to_owned(), 1500)]))
        .file("bank", &lines)
        .policy("max_candidates = 3\n")
        .until("2026-06-13")
        .run();
    assert!(
        a.only("AMBIGUOUS")["explanation"].as_str().unwrap().contains("more than 3 candidates; not searched")
    );
    assert_eq!(
        (&a.only("AMBIGUOUS")["records"], &a.payout("P")["state"]),
        (&json!(["P"]), &json!("Expected"))
    );
    a.none("PROVIDER_ONLY");
}

#[test]
fn a_payout_in_doubt_is_accused_by_no_other_line() {
    // 600 + 400 or 250 + 750 are 1,000.00; 599.50 is near 600.00, and that may have come with the 1,000.00.
    let all =
        [("P1", 60_000), ("P2", 40_000), ("P3", 25_000), ("P4", 75_000)].map(|(id, m)| (id.to_owned(), m));
    let a = World::new()
        .file("payouts", &sent(&all))
        .file(
            "bank",
            &[
                bank_line("B", "2026-05-12", "EUR", "1000.00", "STRIPE"),
                bank_line("C", "2026-05-12", "EUR", "599.50", "STRIPE"),
            ],
        )
        .until("2026-05-13")
        .run();
    a.none("AMOUNT_MISMATCH");
    assert_eq!(a.only("OURS_ONLY")["records"], json!(["C"]));
}

#[test]
fn what_is_beyond_all_lines_in_doubt_has_not_arrived() {
    // 600 + 400 or 250 + 750 are the 1,000.00 that came; 2,000.00 were sent. Which 1,000.00 are on their way nobody says.
    let all =
        [("P1", 60_000), ("P2", 40_000), ("P3", 25_000), ("P4", 75_000)].map(|(id, m)| (id.to_owned(), m));
    let world = |day: &str| {
        World::new()
            .file("payouts", &sent(&all))
            .file("bank", &[bank_line("B", "2026-05-12", "EUR", "1000.00", "STRIPE")])
            .until(day)
            .run()
    };
    for (day, reason) in [("2026-05-13", "TIMING"), ("2026-06-13", "PROVIDER_ONLY")] {
        let a = world(day);
        let d = a.only(reason);
        assert_eq!((&d["amount"], &d["records"]), (&json!("1000.00"), &json!(["B", "P1", "P2", "P3", "P4"])));
        assert_eq!(a.json["differences"].as_array().unwrap().len(), 2);
        assert_eq!(a.json["unexplained"]["EUR"], "1000.00");
    }
}

#[test]
fn two_splits_that_share_a_line_are_both_ambiguous() {
    // 60 + 40 are 100.00, and 60 + 35 are 95.00: the 60.00 is of one of them.
    let a = World::new()
        .file("payouts", &sent(&[("P1".to_owned(), 10_000), ("P2".to_owned(), 9_500)]))
        .file(
            "bank",
            &[
                bank_line("B1", "2026-05-12", "EUR", "60.00", "X"),
                bank_line("B2", "2026-05-12", "EUR", "40.00", "X"),
                bank_line("B3", "2026-05-12", "EUR", "35.00", "X"),
            ],
        )
        .until("2026-05-13")
        .run();
    a.none("OURS_ONLY");
    let candidates = |b: &str| a.bank(b)["candidates"].clone();
    assert_eq!(candidates("B1"), json!([["P1"], ["P2"]]));
    assert_eq!((candidates("B2"), candidates("B3")), (json!([["P1"]]), json!([["P2"]])));
    assert!(["B1", "B2", "B3"].iter().all(|b| a.bank(b)["state"] == "Ambiguous"));
}

#[test]
fn no_part_of_a_transfer_goes_the_other_way() {
    // 150.00 in and 50.00 out are 100.00, and no transfer arrives so.
    let a = World::new()
        .file("payouts", &sent(&[("P1".to_owned(), 10_000)]))
        .file(
            "bank",
            &[
                bank_line("B1", "2026-05-12", "EUR", "150.00", "X"),
                bank_line("B2", "2026-05-12", "EUR", "-50.00", "X"),
            ],
        )
        .until("2026-05-13")
        .run();
    assert_eq!(a.payout("P1")["match"], Value::Null);
}

/// P1 was sent and came back; these lines, and these other payouts of the same 100.00.
fn back(lines: &[(&str, &str, &str, &str)], failed: &[&str], live: &[&str]) -> Answer {
    let of = |ids: &[&str], status: &str| -> Vec<Value> {
        ids.iter().map(|id| payout(id, "2026-05-11", "EUR", "100.00", status)).collect()
    };
    let lines: Vec<Value> =
        lines.iter().map(|(id, day, m, text)| bank_line(id, day, "EUR", m, text)).collect();
    World::new()
        .file("payouts", &[of(failed, "failed"), of(live, "paid")].concat())
        .file("bank", &lines)
        .until("2026-05-20")
        .run()
}

#[test]
fn one_line_out_and_one_back_are_the_transfer_that_came_back() {
    let out = ("B1", "2026-05-12", "100.00", "X");
    let home = ("B2", "2026-05-13", "-100.00", "RETURN");
    let a = back(&[out, home], &["P1"], &[]);
    assert_eq!((&a.bank("B1")["matched_to"], &a.bank("B2")["matched_to"]), (&json!(["P1"]), &json!(["P1"])));
    assert_eq!(
        (&a.payout("P1")["state"], &a.json["unexplained"]["EUR"]),
        (&json!("Returned"), &json!("0.00"))
    );
    assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
    // One of them names it.
    let a = back(&[("B1", "2026-05-12", "100.00", "STRIPE P1"), home], &["P1"], &[]);
    assert_eq!(a.bank("B2")["matched_to"], json!(["P1"]));
    let a = back(&[out, ("B2", "2026-05-13", "-100.00", "RETURN P1")], &["P1"], &[]);
    assert_eq!(a.bank("B1")["matched_to"], json!(["P1"]));
    // Back before it went, or alone: no pair.
    let a = back(&[("B1", "2026-05-13", "100.00", "X"), ("B2", "2026-05-12", "-100.00", "X")], &["P1"], &[]);
    assert_eq!((&a.bank("B1")["state"], &a.bank("B2")["state"]), (&json!("Unmatched"), &json!("Unmatched")));
    assert_eq!(back(&[out], &["P1"], &[]).bank("B1")["state"], "Unmatched");
}

#[test]
fn lines_that_could_be_of_two_transfers_that_came_back_are_ambiguous() {
    let out = ("B1", "2026-05-12", "100.00", "X");
    let home = ("B2", "2026-05-13", "-100.00", "X");
    for (a, of) in [
        // Two ways back.
        (back(&[out, home, ("B3", "2026-05-14", "-100.00", "X")], &["P1"], &[]), json!([["P1"]])),
        // Two transfers.
        (back(&[out, home], &["P1", "P3"], &[]), json!([["P1"], ["P3"]])),
        // One that came back and one that did not: the line out is of either.
        (back(&[out, home], &["P1"], &["P2"]), json!([["P1"], ["P2"]])),
    ] {
        assert_eq!((&a.bank("B1")["state"], &a.bank("B1")["candidates"]), (&json!("Ambiguous"), &of));
        assert_eq!(a.bank("B2")["state"], "Ambiguous");
        assert!(a.json["bank"].as_array().unwrap().iter().all(|b| b["matched_to"] == json!([])));
    }
    // As many lines as transfers: all of them are explained.
    let a = back(&[out, home, ("B3", "2026-05-12", "100.00", "X")], &["P1"], &["P2"]);
    assert!(
        a.json["bank"].as_array().unwrap().iter().all(|b| b["state"] == "Reconciled"),
        "{}",
        a.json["bank"]
    );
}

#[test]
fn a_name_of_two_transfers_is_no_proof_for_one() {
    // P1 of two accounts, 100.00 each.
    let other = |id: &str| {
        let mut p = payout(id, "2026-05-11", "EUR", "100.00", "paid");
        p["account"] = json!("second");
        p
    };
    let world = |lines: &[Value]| {
        World::new()
            .file("payouts", &[payout("P1", "2026-05-11", "EUR", "100.00", "paid"), other("P1")])
            .file("bank", lines)
            .until("2026-05-13")
            .run()
    };
    let (b, c) = (
        bank_line("B", "2026-05-12", "EUR", "100.00", "STRIPE P1"),
        bank_line("C", "2026-05-13", "EUR", "100.00", "STRIPE P1"),
    );
    let a = world(std::slice::from_ref(&b));
    assert_eq!(
        (&a.bank("B")["state"], &a.json["unexplained"]["EUR"]),
        (&json!("Ambiguous"), &json!("100.00"))
    );
    // Two lines: both arrived.
    let a = world(&[b, c]);
    assert_eq!((&a.bank("B")["state"], &a.bank("C")["state"]), (&json!("Reconciled"), &json!("Reconciled")));
    assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
    // Two transfers of one account, both named, and one of them came.
    let a = World::new()
        .file(
            "payouts",
            &[
                payout("P1", "2026-05-11", "EUR", "100.00", "paid"),
                payout("P2", "2026-05-11", "EUR", "100.00", "paid"),
            ],
        )
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "100.00", "STRIPE P1 P2")])
        .until("2026-05-13")
        .run();
    assert_eq!(a.bank("B")["candidates"], json!([["P1"], ["P2"]]));
}

#[test]
fn a_line_that_names_another_transfer_is_not_matched_by_its_amount() {
    // Both lines name P1, and P1 is 60.00. The 40.00 may be P2 and says that it is not.
    let a = World::new()
        .file("payouts", &sent(&[("P1".to_owned(), 6000), ("P2".to_owned(), 4000)]))
        .file(
            "bank",
            &[
                bank_line("B", "2026-05-12", "EUR", "60.00", "STRIPE P1"),
                bank_line("C", "2026-05-12", "EUR", "40.00", "STRIPE P1"),
            ],
        )
        .until("2026-05-13")
        .run();
    assert_eq!((&a.bank("B")["matched_to"], &a.bank("C")["matched_to"]), (&json!(["P1"]), &json!([])));
    assert_eq!(a.only("OURS_ONLY")["records"], json!(["C"]));
}

/// 100.00 sent as PO-77123, and lines that name it.
fn named(lines: &[(&str, &str, &str)]) -> World {
    let lines: Vec<Value> =
        lines.iter().map(|(id, m, text)| bank_line(id, "2026-05-12", "EUR", m, text)).collect();
    World::new()
        .file("payouts", &sent(&[("PO-77123".to_owned(), 10_000)]))
        .file("bank", &lines)
        .until("2026-05-13")
}

#[test]
fn parts_may_name_their_transfer_each_in_its_way() {
    let a = named(&[("B1", "60.00", "STRIPE PO-77123"), ("B2", "40.00", "stripe po77123 rest")]).run();
    let rule = |b: &str| a.outcome.matches.iter().find(|m| m.left == [b]).map(|m| m.rule);
    assert_eq!((rule("B1"), rule("B2")), (Some("reference"), Some("remittance")));
    assert_eq!((&a.payout("PO-77123")["state"], &a.json["differences"]), (&json!("Reconciled"), &json!([])));
    // One cent less than was sent is one difference of both lines.
    let a = named(&[("B1", "60.00", "STRIPE PO-77123"), ("B2", "39.99", "stripe po77123 rest")]).run();
    let d = a.only("AMOUNT_MISMATCH");
    assert_eq!((&d["amount"], &d["records"]), (&json!("-0.01"), &json!(["B1", "B2", "PO-77123"])));
    assert_eq!(
        (&a.json["unexplained"]["EUR"], &a.payout("PO-77123")["state"]),
        (&json!("-0.01"), &json!("Under"))
    );
    a.none("OURS_ONLY");
}

#[test]
fn a_pin_of_several_lines_that_are_not_what_was_sent_has_all_of_them() {
    // 61.00 + 38.50 = 99.50 of 100.00.
    let a = named(&[("B1", "61.00", "X"), ("B2", "38.50", "Y")])
        .file("decisions", &[json!({"kind": "pin", "records": ["B1", "B2", "PO-77123"]})])
        .run();
    assert_eq!(a.payout("PO-77123")["match"], json!(["B1", "B2"]));
    assert_eq!(
        (&a.only("AMOUNT_MISMATCH")["amount"], &a.json["unexplained"]["EUR"]),
        (&json!("-0.50"), &json!("-0.50"))
    );
    assert_eq!(
        (a.balance("EUR", "assets:in-transit"), a.balance("EUR", "suspense")),
        ("0.00".to_owned(), "0.50".to_owned())
    );
    a.none("OURS_ONLY");
}

#[test]
fn a_pin_that_cannot_be_kept_is_refused_by_name() {
    let all = [("P1".to_owned(), 10_000), ("P2".to_owned(), 5_000)];
    let world = |lines: &[Value], pins: &[Value]| {
        World::new()
            .file("payouts", &sent(&all))
            .file("bank", lines)
            .file("decisions", pins)
            .until("2026-05-13")
            .run()
    };
    let pin = |records: Value| json!({"kind": "pin", "records": records});
    let eur = |id: &str, m: &str| bank_line(id, "2026-05-12", "EUR", m, "X");
    // Each line is one of them: 100.00 and 50.00.
    let a = world(&[eur("B1", "100.00"), eur("B2", "50.00")], &[pin(json!(["B1", "B2", "P1", "P2"]))]);
    assert_eq!((&a.payout("P1")["match"], &a.payout("P2")["match"]), (&json!("B1"), &json!("B2")));
    // Two lines, two transfers, and no line is one of them.
    let a = world(&[eur("B1", "90.00"), eur("B2", "60.00")], &[pin(json!(["B1", "B2", "P1", "P2"]))]);
    let d = a.only("AMBIGUOUS");
    assert_eq!((&d["records"], &d["amount"]), (&json!(["B1", "B2", "P1", "P2"]), &json!("150.00")));
    // Two currencies.
    let usd = bank_line("B2", "2026-05-12", "USD", "40.00", "X");
    let a = world(&[eur("B1", "60.00"), usd], &[pin(json!(["B1", "B2", "P1"]))]);
    assert_eq!(a.only("CURRENCY_MISMATCH")["records"], json!(["B1", "B2", "P1"]));
    assert_eq!(a.payout("P1")["match"], Value::Null);
    // Two pins of one line.
    let a = world(&[eur("B1", "90.00")], &[pin(json!(["B1", "P1"])), pin(json!(["B1", "P2"]))]);
    assert_eq!(a.only("CONFLICT")["records"], json!(["B1", "P2"]));
}

#[test]
fn a_pin_of_a_transfer_that_came_back_is_of_its_way() {
    let pin = |records: Value| {
        World::new()
            .file("payouts", &[payout("P1", "2026-05-11", "EUR", "100.00", "failed")])
            .file(
                "bank",
                &[
                    bank_line("B1", "2026-05-12", "EUR", "100.00", "X"),
                    bank_line("B2", "2026-06-12", "EUR", "-100.00", "X"),
                ],
            )
            .file("decisions", &[json!({"kind": "pin", "records": records})])
            .until("2026-06-13")
            .run()
    };
    let a = pin(json!(["B1", "P1"]));
    assert_eq!((&a.bank("B1")["matched_to"], &a.bank("B2")["matched_to"]), (&json!(["P1"]), &json!([])));
    a.none("AMOUNT_MISMATCH");
    // A month later is no pair by itself, and is one by the user's word.
    let a = pin(json!(["B1", "B2", "P1"]));
    assert_eq!((&a.bank("B1")["matched_to"], &a.bank("B2")["matched_to"]), (&json!(["P1"]), &json!(["P1"])));
    assert_eq!(a.json["unexplained"]["EUR"], "0.00");
}

proptest! {
    /// Against all subsets, whichever way they are searched for.
    #[test]
    fn subsets_agree_with_brute_force(amounts in prop::collection::vec(prop_oneof![-400_i64..400, Just(100_i64), Just(-100_i64)], 0..11), target in -600_i64..900) {
        let mut all: Vec<Vec<usize>> = (0_u32..1 << amounts.len())
            .map(|set| (0..amounts.len()).filter(|i| set >> i & 1 == 1).collect::<Vec<_>>())
            .filter(|s| s.len() > 1 && s.iter().map(|i| amounts[*i]).sum::<i64>() == target)
            .collect();
        all.sort();
        let mut found = subsets(&amounts, target, usize::MAX, 40, &mut u64::from(u32::MAX)).unwrap();
        found.sort();
        prop_assert_eq!(found, all);
    }
}
