//! The books of a day end with that day.

use serde_json::json;
use tradewind_ledger::answer;
use tradewind_ledger::export::Books;

use super::{World, bank_line, charge, order, payout, with};

/// A sale of the end of June, paid out in July.
fn over_the_month_end() -> World {
    World::new()
        .file("orders", &[order("o", "2026-06-28", "EUR", "10.00")])
        .file(
            "transactions",
            &[with(charge("t", "o", "2026-06-29", "EUR", "10.00", "0.00"), json!({"payout": "po"}))],
        )
        .file("payouts", &[payout("po", "2026-07-03", "EUR", "10.00", "paid")])
        .file("bank", &[bank_line("b", "2026-07-03", "EUR", "10.00", "STRIPE po")])
}

/// On 30 June the ten euros of the sale of 29 June are with the provider: the payout arrives on 3 July.
#[test]
fn what_is_booked_after_the_day_is_not_in_its_books() {
    let w = over_the_month_end();
    let facts = w.facts.clone();
    let a = w.clone().until("2026-06-30").run();
    assert_eq!(a.balance("EUR", "assets:clearing"), "10.00");
    assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
    assert!(a.outcome.journal.entries().iter().all(|e| e.booked.to_string().as_str() <= "2026-06-30"));
    let books = Books::from_outcome(&a.outcome, &facts, "t").unwrap();
    assert_eq!(books.summary[0].closing.amount(), "10.00");
    assert_eq!(books.summary[0].payouts.amount(), "0.00");
    // And on the day itself it is on its way and arrives.
    let a = w.until("2026-07-03").run();
    assert_eq!(
        (a.balance("EUR", "assets:clearing"), a.balance("EUR", "assets:bank")),
        ("0.00".to_owned(), "10.00".to_owned())
    );
}

/// A row of a closed June is booked on 1 July: the books of 30 June do not hold it, and the summary adds up without it; nor do they hold
/// the correction of one that was closed with another fee.
#[test]
fn a_closed_month_is_what_was_closed_on_its_last_day_too() {
    let late = over_the_month_end().policy("closed_until = \"2026-06-30\"");
    let facts = late.facts.clone();
    let a = late.until("2026-06-30").run();
    assert_eq!(a.json["trial_balance"], json!({}));
    Books::from_outcome(&a.outcome, &facts, "t").unwrap();
    let closed = answer::closing(
        &over_the_month_end().until("2026-06-30").run().outcome,
        "2026-06-30".parse().unwrap(),
    );
    // The row now says a fee of one: clearing 9.00 by the facts, 10.00 as it was closed.
    let now = World::new()
        .file("orders", &[order("o", "2026-06-28", "EUR", "10.00")])
        .file("transactions", &[charge("t", "o", "2026-06-29", "EUR", "10.00", "1.00")])
        .text("closed", &closed.unwrap());
    let facts = now.facts.clone();
    let a = now.clone().until("2026-06-30").run();
    assert_eq!(a.balance("EUR", "assets:clearing"), "10.00");
    Books::from_outcome(&a.outcome, &facts, "t").unwrap();
    let a = now.until("2026-07-01").run();
    assert_eq!(a.balance("EUR", "assets:clearing"), "9.00");
    Books::from_outcome(&a.outcome, &facts, "t").unwrap();
}

/// What is held, or measured against a rate, asks nobody: an export does not call it open.
#[test]
fn exports_call_open_what_is_open() {
    let row = |id: &str, kind: &str, code: &str, amount: &str| {
        json!({"id": id, "provider": "amazon", "account": "acct", "kind": kind, "occurred_at": "2026-06-02T10:00:00Z",
            "currency": "EUR", "amount": amount, "statement": "S1", "components": [{"code": code, "amount": amount}]})
    };
    let w = World::new()
        .file(
            "transactions",
            &[
                row("a", "Order", "ItemPrice/Principal", "10.00"),
                row("r", "other-transaction", "other-transaction/Current Reserve Amount", "-4.00"),
            ],
        )
        .file(
            "statements",
            &[json!({"id": "S1", "provider": "amazon", "account": "acct", "currency": "EUR",
            "period": {"from": "2026-06-01", "to": "2026-06-14"}, "total": "6.00"})],
        );
    let facts = w.facts.clone();
    let a = w.run();
    let books = Books::from_outcome(&a.outcome, &facts, "t").unwrap();
    let state: Vec<_> = books.exceptions.iter().map(|e| (e.reason.as_str(), e.state)).collect();
    assert!(state.contains(&("RESERVE", "explained")), "{state:?}");
}

#[test]
fn a_statement_that_ends_after_the_last_row_is_there() {
    let w = |total: &str| {
        World::new()
            .file("orders", &[order("o", "2026-06-01", "EUR", "10.00")])
            .file(
                "transactions",
                &[with(charge("t", "o", "2026-06-02", "EUR", "10.00", "0.00"), json!({"statement": "S"}))],
            )
            .file(
                "statements",
                &[json!({"id": "S", "provider": "stripe", "account": "acct", "currency": "EUR",
            "period": {"from": "2026-06-01", "to": "2026-06-14"}, "total": total})],
            )
    };
    assert_eq!(w("10.00").run().json["statements"].as_array().unwrap().len(), 1);
    assert_eq!(w("11.00").run().statement("S")["state"], "Refused");
}

#[test]
fn a_period_that_ends_before_it_begins_is_refused() {
    let statement = |from: &str, to: &str| {
        World::new()
            .file(
                "statements",
                &[json!({"id": "S", "provider": "stripe", "account": "acct", "currency": "EUR",
            "period": {"from": from, "to": to}, "total": "0.00"})],
            )
            .run()
    };
    let a = statement("2026-06-14", "2026-06-01");
    assert!(a.json["errors"][0]["message"].as_str().unwrap().contains("the wrong way round"), "{}", a.json);
    // A day lasts until its end.
    assert!(statement("2026-06-14T10:00:00Z", "2026-06-14").json["errors"].is_null());
}
