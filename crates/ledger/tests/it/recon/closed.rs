//! A closed month stays as it was closed; what comes later, and what comes out otherwise, is booked in the next.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tradewind_ledger::answer;

use super::{Answer, World, charge, order, payout, with};

/// January: a sale, its payout.
fn january() -> World {
    World::new()
        .file("orders", &[order("o", "2026-01-28", "EUR", "60.00")])
        .file(
            "transactions",
            &[with(charge("ch", "o", "2026-01-28", "EUR", "60.00", "2.00"), json!({"payout": "po"}))],
        )
        .file("payouts", &[payout("po", "2026-01-30", "EUR", "58.00", "paid")])
}

fn closing() -> String {
    answer::closing(&january().until("2026-02-02").run().outcome, "2026-01-31".parse().unwrap()).unwrap()
}

/// (id, day booked) of every entry.
fn booked(a: &Answer) -> Vec<(String, String)> {
    a.outcome.journal.entries().iter().map(|e| (e.draft.id.clone(), e.booked.to_string())).collect()
}

/// Σ per account up to the end of January, by the day of booking.
fn january_of(a: &Answer) -> BTreeMap<String, i64> {
    let mut out = BTreeMap::new();
    for e in a.outcome.journal.entries().iter().filter(|e| e.booked.to_string().as_str() <= "2026-01-31") {
        for p in &e.draft.postings {
            *out.entry(p.account.clone()).or_insert(0) += p.minor;
        }
    }
    out
}

#[test]
fn what_was_closed_stays_and_what_comes_late_is_booked_next() {
    let open = january().until("2026-02-20").run();
    let late = charge("late", "", "2026-01-29", "EUR", "10.00", "0.00");
    let a = january().text("closed", &closing()).file("transactions", &[late]).until("2026-02-20").run();
    let row = |id: &str| format!("row:stripe:acct:{id}:charge::EUR+");
    assert_eq!(
        booked(&a),
        [
            (row("ch"), "2026-01-28".to_owned()),
            ("payout:stripe:acct:po:EUR".to_owned(), "2026-01-30".to_owned()),
            (row("late"), "2026-02-01".to_owned()),
        ]
    );
    assert_eq!(january_of(&a), january_of(&open));
    assert_eq!(a.balance("EUR", "income:sales"), "-70.00");
    // Nothing new: closing changes no byte of the entries.
    let same = january().text("closed", &closing()).until("2026-02-20").run();
    assert_eq!(booked(&same), booked(&open));
    assert_eq!(same.json["journal_head"], open.json["journal_head"]);
}

#[test]
fn what_comes_out_otherwise_is_corrected_in_the_next_month_and_once() {
    let open = january().until("2026-02-20").run();
    // The payout came back in February: its entry stands in January, the reversal in February.
    let back = || january().file("payouts", &[payout("po", "2026-01-30", "EUR", "58.00", "failed")]);
    let a = back().text("closed", &closing()).until("2026-02-20").run();
    assert_eq!(january_of(&a), january_of(&open));
    assert_eq!(
        booked(&a).last().unwrap(),
        &("payout:stripe:acct:po:EUR!reversed".to_owned(), "2026-02-01".to_owned())
    );
    assert_eq!(
        (a.balance("EUR", "assets:in-transit"), a.balance("EUR", "assets:clearing")),
        ("0.00".to_owned(), "58.00".to_owned())
    );
    // The row and the payout are gone: both are taken back in February.
    let gone = World::new().text("closed", &closing()).file("transactions", &[]).until("2026-02-20");
    let a = gone.clone().run();
    assert_eq!(january_of(&a), january_of(&open));
    let last: Vec<(String, String)> = booked(&a).split_off(2);
    assert_eq!(
        last,
        [
            ("row:stripe:acct:ch:charge::EUR+!corrected#1".to_owned(), "2026-02-01".to_owned()),
            ("payout:stripe:acct:po:EUR!corrected#1".to_owned(), "2026-02-01".to_owned()),
        ]
    );
    assert_eq!(a.json["trial_balance"], json!({}));
    // They say what they correct.
    let corrects: Vec<Option<&str>> =
        a.outcome.journal.entries().iter().map(|e| e.draft.reverses.as_deref()).collect();
    assert_eq!(
        corrects,
        [None, None, Some("row:stripe:acct:ch:charge::EUR+"), Some("payout:stripe:acct:po:EUR")]
    );
    // February is closed with the corrections: March makes no others.
    let february = answer::closing(&a.outcome, "2026-02-15".parse().unwrap()).unwrap();
    let b = gone.text("closed", &february).run();
    assert_eq!(booked(&b), booked(&a));
}

#[test]
fn a_file_that_is_not_what_was_closed_is_refused() {
    let refused = |text: &str, why: &str| {
        let a = january().text("closed", text).until("2026-02-20").run();
        assert!(a.json["errors"].to_string().contains(why), "{why}: {}", a.json["errors"]);
        assert_eq!(a.json["status"], "incomplete");
        // None of it is booked: the books are those of the facts.
        assert_eq!(booked(&a), booked(&january().until("2026-02-20").run()));
    };
    let tampered = closing().replacen("\"amount\":\"58.00\"", "\"amount\":\"59.00\"", 1);
    refused(&tampered, "does not balance in EUR");
    // It balances, and the fee is not the one that was closed.
    let fee = closing().replacen("\"58.00\"", "\"57.00\"", 1).replace("\"2.00\"", "\"3.00\"");
    assert_ne!(fee, closing());
    refused(&fee, "their hash is another one");
    let moved = closing().replacen("\"booked\":\"2026-01-28\"", "\"booked\":\"2026-01-27\"", 1);
    refused(&moved, "their hash is another one");
    // Cut at the end of a line: one of two entries is left.
    let text = closing();
    let cut: Vec<&str> = text.lines().collect();
    refused(&cut[..2].join("\n"), "2 entries were closed until 2026-01-31, 1 are here");
    refused(cut[0], "2 entries were closed until 2026-01-31, 0 are here");
    refused(&cut[1..].join("\n"), "close 2026-01-31 again");
    // Two contents under one id; and books that are not whole are not closed.
    let dearer = World::new()
        .file("orders", &[order("o", "2026-01-28", "EUR", "60.00")])
        .file(
            "transactions",
            &[with(charge("ch", "o", "2026-01-28", "EUR", "61.00", "2.00"), json!({"payout": "po"}))],
        )
        .file("payouts", &[payout("po", "2026-01-30", "EUR", "59.00", "paid")]);
    let other =
        answer::closing(&dearer.until("2026-02-02").run().outcome, "2026-01-31".parse().unwrap()).unwrap();
    let w = january().text("closed", &closing()).text("closed", &other).until("2026-02-20");
    let told = tradewind_ledger::recon::run(&w.facts, &w.options).unwrap_err().to_string();
    assert!(told.contains("closed with two contents"), "{told}");
    let broken = january().file("refunds", &[Value::Null]).until("2026-02-20").run();
    let day = |d: &str| d.parse().unwrap();
    assert!(
        answer::closing(&broken.outcome, day("2026-01-31")).unwrap_err().to_string().contains("not taken")
    );
    let early = january().until("2026-01-30").run();
    assert!(
        answer::closing(&early.outcome, day("2026-01-31")).unwrap_err().to_string().contains("before it")
    );
}
