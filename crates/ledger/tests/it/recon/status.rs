//! `status` follows from the differences: what asks a person, or what nobody can account for, is never `reconciled`.

use serde_json::{Value, json};
use tradewind_domain::Currency;
use tradewind_ledger::recon::{Difference, Reason};

use super::{World, bank_line, charge, order, payout, with};

fn status(w: World) -> Value {
    w.run().json["status"].clone()
}

#[test]
fn what_passes_by_itself_is_reconciled_and_what_asks_is_not() {
    let o = || order("o", "2026-02-01", "EUR", "60.00");
    let paid = || charge("ch", "o", "2026-02-01", "EUR", "60.00", "0.00");
    let whole = || World::new().file("orders", &[o()]).file("transactions", &[paid()]).until("2026-02-02");
    assert_eq!(status(whole()), "reconciled");
    // Not yet due.
    assert_eq!(status(whole().file("orders", &[order("n", "2026-02-02", "EUR", "5.00")])), "reconciled");
    // Due, and not there; a payout that never arrived; a payment nobody ordered; an order paid twice.
    assert_eq!(status(whole().file("orders", &[order("n", "2026-01-02", "EUR", "5.00")])), "differences");
    let sent = [payout("po", "2026-01-02", "EUR", "5.00", "paid")];
    assert_eq!(status(whole().file("payouts", &sent).file("bank", &[])), "differences");
    let x = || with(paid(), json!({"id": "x", "order": "unknown"}));
    assert_eq!(status(whole().file("transactions", &[x()])), "differences");
    assert_eq!(status(whole().file("transactions", &[with(paid(), json!({"id": "c2"}))])), "differences");
    // Until a user has accepted it.
    let accept = [json!({"kind": "accept", "records": ["x"]})];
    assert_eq!(status(whole().file("transactions", &[x()]).file("decisions", &accept)), "reconciled");
    // An invoice over another sum than its order.
    let bill = |gross: &str| json!({"id": "i", "orders": ["o"], "gross": gross, "net": gross, "vat": "0.00", "currency": "EUR"});
    assert_eq!(status(whole().file("documents", &[bill("60.00")])), "reconciled");
    let a = whole().file("documents", &[bill("59.99")]).run();
    assert_eq!((&a.json["status"], &a.json["unexplained"]["EUR"]), (&json!("differences"), &json!("-0.01")));
    // A bank line that fits nothing.
    let line = [bank_line("B", "2026-02-02", "EUR", "5.00", "GIFT")];
    assert_eq!(status(whole().file("bank", &line)), "differences");
}

#[test]
fn a_rate_that_does_not_make_the_stated_net_is_unexplained() {
    // 52.00 at 0.5 is 26.00; 30.00 is stated: 4.00 that no rate explains.
    let row = json!({"id": "x", "provider": "adyen", "account": "m", "kind": "Settled", "occurred_at": "2026-02-01T10:00:00Z",
        "currency": "USD", "amount": "52.00", "rate": "0.5", "net_currency": "GBP", "net": "30.00", "fee": "0.00"});
    let a = World::new().file("transactions", &[row]).base("GBP").run();
    assert_eq!(a.only("FX_OUT_OF_TOLERANCE")["amount"], "4.00");
    assert_eq!((&a.json["unexplained"]["GBP"], &a.json["status"]), (&json!("4.00"), &json!("differences")));
}

#[test]
fn a_rate_beyond_the_tolerance_is_booked_and_asks() {
    // 70.00 at 1.05 is 73.50; at the reference 1.1684 81.79: 8.29, ten per cent. It is exchange, so nothing is unexplained.
    let row = json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-04-13T10:00:00Z",
        "currency": "EUR", "amount": "70.00", "rate": "1.05", "net_currency": "USD"});
    let a = World::new()
        .file("transactions", &[row])
        .rates("date,base,quote,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n")
        .base("USD")
        .run();
    assert_eq!(a.only("FX_OUT_OF_TOLERANCE")["amount"], "8.29");
    assert_eq!((&a.json["unexplained"]["USD"], &a.json["status"]), (&json!("0.00"), &json!("differences")));
}

#[test]
fn a_gap_between_two_statements_is_unexplained_and_one_before_the_first_is_not() {
    let row = |s: &str, kind: &str, day: &str, amount: &str| {
        json!({"id": format!("{s}{kind}"), "provider": "amazon", "account": "eu", "kind": format!("other-transaction/{kind}"),
            "occurred_at": format!("{day}T10:00:00Z"), "currency": "EUR", "amount": amount, "statement": s})
    };
    let statement = |s: &str, day: &str, total: &str| {
        json!({"id": s, "provider": "amazon", "account": "eu", "currency": "EUR", "total": total, "deposit_date": day,
            "period": {"from": day, "to": day}})
    };
    let (before, now) = ("Previous Reserve Amount Balance", "Current Reserve Amount");
    let first = || {
        World::new()
            .file(
                "transactions",
                &[row("S1", before, "2026-02-01", "10.00"), row("S1", now, "2026-02-01", "-4.00")],
            )
            .file("statements", &[statement("S1", "2026-02-03", "6.00")])
    };
    let a = first().run();
    assert_eq!((&a.json["unexplained"]["EUR"], &a.json["status"]), (&json!("0.00"), &json!("reconciled")));
    // S1 held 4.00; S2 releases 5.00: 1.00 that nobody held, in suspense.
    let a = first()
        .file("transactions", &[row("S2", before, "2026-02-14", "5.00")])
        .file("statements", &[statement("S2", "2026-02-15", "5.00")])
        .run();
    assert_eq!((&a.json["unexplained"]["EUR"], &a.json["status"]), (&json!("1.00"), &json!("differences")));
    assert_eq!(a.balance("EUR", "suspense"), "-1.00");
}

#[test]
fn every_reason_says_whether_it_asks() {
    let difference = |reason: Reason, unexplained: i64, accepted: bool| Difference {
        reason,
        amount: tradewind_domain::Money::from_minor(1, Currency::EUR),
        records: Vec::new(),
        explanation: String::new(),
        evidence: Vec::new(),
        unexplained,
        accepted,
    };
    for r in Reason::ALL {
        // Unexplained money is open whatever the reason, and an accepted difference never.
        assert!(difference(*r, 1, false).open() && !difference(*r, 1, true).open());
        assert_eq!(difference(*r, 0, false).open(), r.asks());
    }
}
