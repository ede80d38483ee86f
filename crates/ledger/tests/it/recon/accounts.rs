//! Ids are of an account: two accounts of one provider, and two channels, may use the same ones, and nothing of theirs is merged.

use serde_json::{Value, json};

use super::{Answer, World, bank_line, charge, order, payout, with};

fn at(row: Value, account: &str) -> Value {
    with(row, json!({"account": account}))
}

/// Order, charge, payout and bank line of two accounts, all under the same four ids, with other amounts.
fn twins() -> Answer {
    World::new()
        .file(
            "orders",
            &[
                at(order("1001", "2026-02-01", "EUR", "60.00"), "de"),
                at(order("1001", "2026-02-01", "EUR", "25.00"), "fr"),
            ],
        )
        .file(
            "transactions",
            &[
                at(
                    with(charge("ch", "1001", "2026-02-01", "EUR", "60.00", "2.00"), json!({"payout": "po"})),
                    "de",
                ),
                at(
                    with(charge("ch", "1001", "2026-02-01", "EUR", "25.00", "1.00"), json!({"payout": "po"})),
                    "fr",
                ),
            ],
        )
        .file(
            "payouts",
            &[
                at(payout("po", "2026-02-03", "EUR", "58.00", "paid"), "de"),
                at(payout("po", "2026-02-03", "EUR", "24.00", "paid"), "fr"),
            ],
        )
        .file(
            "bank",
            &[
                at(bank_line("B", "2026-02-04", "EUR", "58.00", "STRIPE"), "bank-de"),
                at(bank_line("B", "2026-02-05", "EUR", "24.00", "STRIPE"), "bank-fr"),
            ],
        )
        .until("2026-02-06")
        .run()
}

#[test]
fn two_accounts_with_the_same_ids_are_not_merged() {
    let a = twins();
    assert_eq!(a.differences(), []);
    assert_eq!(a.json["status"], "reconciled");
    let orders = a.json["orders"].as_array().unwrap();
    let told: Vec<_> = orders.iter().map(|o| (&o["account"], &o["gross"], &o["net"], &o["state"])).collect();
    assert_eq!(
        told,
        [
            (&json!("de"), &json!("60.00"), &json!("58.00"), &json!("Reconciled")),
            (&json!("fr"), &json!("25.00"), &json!("24.00"), &json!("Reconciled")),
        ]
    );
    for (account, held) in [("bank-de", "58.00"), ("bank-fr", "24.00")] {
        assert_eq!(a.balance("EUR", &format!("assets:bank:{account}")), held);
    }
    assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
    assert_eq!(a.balance("EUR", "suspense"), "0.00");
    // Asked why, the rows are those of one account, and the other is named.
    let why = tradewind_ledger::why::order(&a.outcome, "1001").unwrap();
    assert_eq!((&why["account"], &why["also_in_accounts"]), (&json!("de"), &json!(["fr"])));
    assert_eq!(why["rows"].as_array().unwrap().len(), 1);
    assert!(tradewind_ledger::why::text(&why).contains("of account de; accounts with the same number: fr"));
}

#[test]
fn a_refund_finds_its_order_by_account_or_currency_and_else_is_named() {
    let orders = |second: &str| {
        [
            at(order("1001", "2026-02-01", "EUR", "60.00"), "de"),
            at(order("1001", "2026-02-01", second, "60.00"), "fr"),
        ]
    };
    let rows = |second: &str| {
        let back = json!({"id": "re", "provider": "stripe", "account": "de", "kind": "refund", "occurred_at": "2026-02-03T10:00:00Z",
            "currency": "EUR", "amount": "-10.00", "refers_to": "ch"});
        [
            at(charge("ch", "1001", "2026-02-01", "EUR", "60.00", "0.00"), "de"),
            at(charge("ch", "1001", "2026-02-01", second, "60.00", "0.00"), "fr"),
            back,
        ]
    };
    let asked = json!({"id": "q", "order": "1001", "requested_at": "2026-02-02T10:00:00Z", "currency": "EUR", "amount": "10.00"});
    let run = |second: &str, asked: Value| {
        World::new()
            .file("orders", &orders(second))
            .file("transactions", &rows(second))
            .file("refunds", &[asked])
            .until("2026-02-04")
            .run()
    };
    // The other order is in another currency; or the request says its account.
    assert_eq!(run("USD", asked.clone()).differences(), []);
    assert_eq!(run("EUR", at(asked.clone(), "de")).differences(), []);
    // Neither tells: the request is of none of the two, and says so; the refund that was made has no request.
    let a = run("EUR", asked);
    assert_eq!(
        a.differences(),
        [("PROVIDER_ONLY".to_owned(), "10.00".to_owned()), ("AMBIGUOUS".to_owned(), "10.00".to_owned())]
    );
    assert!(a.only("AMBIGUOUS")["explanation"].as_str().unwrap().contains("de, fr"));
}

#[test]
fn a_row_refers_to_the_row_of_its_own_account() {
    // Both accounts have a charge "ch"; the refund of 5.00 is of the second account's.
    let back = json!({"id": "re", "provider": "stripe", "account": "fr", "kind": "refund", "occurred_at": "2026-02-03T10:00:00Z",
        "currency": "EUR", "amount": "-5.00", "refers_to": "ch"});
    let a = World::new()
        .file("orders", &[order("a", "2026-02-01", "EUR", "60.00"), order("b", "2026-02-01", "EUR", "25.00")])
        .file(
            "transactions",
            &[
                at(charge("ch", "b", "2026-02-01", "EUR", "25.00", "0.00"), "fr"),
                at(charge("ch", "a", "2026-02-01", "EUR", "60.00", "0.00"), "de"),
                back,
            ],
        )
        .run();
    assert_eq!((&a.order("a")["refunded"], &a.order("b")["refunded"]), (&json!("0.00"), &json!("5.00")));
}

#[test]
fn one_id_of_two_rows_in_other_currencies_books_two_costs() {
    // The same id at two accounts, each sold in euros into a balance of dollars: two entries of exchange, and the run does not stop.
    let sold = |account: &str| {
        json!({"id": "x", "provider": "stripe", "account": account, "kind": "charge", "occurred_at": "2026-04-13T10:00:00Z", "currency": "EUR",
            "amount": "70.00", "rate": "1.15", "net_currency": "USD"})
    };
    let a = World::new()
        .file("transactions", &[sold("de"), sold("fr")])
        .rates("date,base,quote,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n")
        .base("USD")
        .run();
    // 81.79 − 80.50 = 1.29, twice.
    assert_eq!(a.json["fx"]["conversion_cost"], "2.58");
}

#[test]
fn two_lost_disputes_under_one_id_are_both_lost() {
    // PayPal repeats an id over events (paypal.md §5): the claim of 20.00 and its rest of 5.00, both lost.
    let row = |code: &str, amount: &str| {
        json!({"id": "9XY", "provider": "paypal", "account": "pp", "kind": code, "event_code": code, "occurred_at": "2026-02-03T10:00:00Z",
            "currency": "EUR", "amount": amount, "order": "o"})
    };
    let a = World::new()
        .file(
            "orders",
            &[with(order("o", "2026-02-01", "EUR", "60.00"), json!({"payment_state": "dispute_lost"}))],
        )
        .file("transactions", &[row("T0006", "60.00"), row("T1201", "-20.00"), row("T1106", "-5.00")])
        .run();
    assert_eq!(a.order("o")["state"], "WrittenOff");
    assert_eq!(
        (a.balance("EUR", "expenses:disputes-lost"), a.balance("EUR", "assets:disputed")),
        ("25.00".to_owned(), "0.00".to_owned())
    );
}
