//! Settlements: footing, the chain of reserves, transfers that came back, negative totals.

use serde_json::{Value, json};

use super::{Answer, World, bank_line, with};

fn row(id: &str, statement: &str, day: &str, kind: &str, amount: &str) -> Value {
    json!({"id": id, "provider": "amazon", "account": "eu", "kind": kind, "occurred_at": format!("{day}T12:00:00Z"),
        "currency": "EUR", "amount": amount, "statement": statement})
}

fn sale(id: &str, statement: &str, day: &str, parts: &[(&str, &str)]) -> Value {
    let total: i64 = parts.iter().map(|(_, a)| a.replace('.', "").parse::<i64>().unwrap()).sum();
    let total = format!("{}{}.{:02}", if total < 0 { "-" } else { "" }, total.abs() / 100, total.abs() % 100);
    let parts: Vec<Value> = parts.iter().map(|(c, a)| json!({"code": c, "amount": a})).collect();
    with(row(id, statement, day, "Order", &total), json!({"components": parts}))
}

fn statement(id: &str, from: &str, to: &str, total: &str) -> Value {
    json!({"id": id, "provider": "amazon", "account": "eu", "currency": "EUR", "period": {"from": from, "to": to},
        "total": total, "deposit_date": to})
}

/// Model §8, reserve carry-over. S1: activity 900.00, reserve 120.00 held → 780.00. S2: 120.00 released, activity 410.00, 75.00
/// held → 455.00. Activity as sales 1,000.00 less commission 100.00, and sales of 410.00.
fn first() -> Vec<Value> {
    vec![
        sale(
            "s1-sales",
            "S1",
            "2026-03-05",
            &[("ItemPrice/Principal", "1000.00"), ("ItemFees/Commission", "-100.00")],
        ),
        row("s1-hold", "S1", "2026-03-14", "other-transaction/Current Reserve Amount", "-120.00"),
    ]
}

fn second() -> Vec<Value> {
    vec![
        row("s2-free", "S2", "2026-03-14", "other-transaction/Previous Reserve Amount Balance", "120.00"),
        sale("s2-sales", "S2", "2026-03-20", &[("ItemPrice/Principal", "410.00")]),
        row("s2-hold", "S2", "2026-03-28", "other-transaction/Current Reserve Amount", "-75.00"),
    ]
}

fn both() -> World {
    World::new()
        .file("transactions", &first())
        .file("transactions", &second())
        .file(
            "statements",
            &[
                statement("S1", "2026-03-01", "2026-03-14", "780.00"),
                statement("S2", "2026-03-14", "2026-03-28", "455.00"),
            ],
        )
        .file(
            "bank",
            &[
                bank_line("B1", "2026-03-16", "EUR", "780.00", "AMAZON PAYMENTS S1"),
                bank_line("B2", "2026-03-30", "EUR", "455.00", "AMAZON PAYMENTS S2"),
            ],
        )
}

#[test]
fn a_reserve_is_carried_over() {
    let a = both().run();
    let s1 = a.statement("S1");
    assert_eq!(
        (&s1["activity"], &s1["reserve_before"], &s1["reserve_after"]),
        (&json!("900.00"), &json!("0.00"), &json!("120.00"))
    );
    let s2 = a.statement("S2");
    assert_eq!(
        (&s2["activity"], &s2["reserve_before"], &s2["reserve_after"]),
        (&json!("410.00"), &json!("120.00"), &json!("75.00"))
    );
    assert_eq!((&s1["foots"], &s2["foots"]), (&json!(true), &json!(true)));
    assert_eq!((&s1["match"], &s2["match"]), (&json!("B1"), &json!("B2")));
    assert_eq!((&s1["state"], &s2["state"]), (&json!("Reconciled"), &json!("Reconciled")));
    // Revenue 1,310.00 after 100.00 of commission, reserve 75.00, bank 1,235.00.
    assert_eq!(a.balance("EUR", "income:sales"), "-1410.00");
    assert_eq!(a.balance("EUR", "expenses:fees:commission"), "100.00");
    assert_eq!(a.balance("EUR", "assets:reserve"), "75.00");
    assert_eq!(a.balance("EUR", "assets:bank"), "1235.00");
    assert_eq!(a.balance("EUR", "assets:clearing"), "0.00");
    assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
    assert_eq!(a.differences(), [("RESERVE".to_owned(), "75.00".to_owned())]);
    a.clean();
}

#[test]
fn a_reserve_without_the_statement_that_held_it_is_a_gap() {
    let a = World::new()
        .file("transactions", &second())
        .file("statements", &[statement("S2", "2026-03-14", "2026-03-28", "455.00")])
        .file("bank", &[bank_line("B2", "2026-03-30", "EUR", "455.00", "AMAZON PAYMENTS S2")])
        .run();
    let gap = a.only("RESERVE_CHAIN_GAP");
    assert_eq!((&gap["amount"], &gap["records"]), (&json!("120.00"), &json!(["S2"])));
    // The reserve was there before the books began: it opens with them, and 75.00 are held.
    assert_eq!(a.balance("EUR", "assets:reserve"), "75.00");
    assert_eq!(a.balance("EUR", "equity:opening"), "-120.00");
    assert_eq!(a.balance("EUR", "income:sales"), "-410.00");
}

#[test]
fn a_gap_inside_the_chain_is_in_suspense() {
    // S1 held 120.00, the next statement that we have releases 200.00: 80.00 were held by one that we do not have.
    let mut rows = second();
    rows[0]["amount"] = json!("200.00");
    let a = World::new()
        .file("transactions", &first())
        .file("transactions", &rows)
        .file(
            "statements",
            &[
                statement("S1", "2026-03-01", "2026-03-14", "780.00"),
                statement("S2", "2026-03-28", "2026-04-11", "535.00"),
            ],
        )
        .run();
    let gap = a.only("RESERVE_CHAIN_GAP");
    assert_eq!((&gap["amount"], &gap["records"]), (&json!("80.00"), &json!(["S1", "S2"])));
    assert_eq!(
        gap["evidence"],
        json!([{"what": "released", "amount": "200.00"}, {"what": "held before", "amount": "-120.00"}])
    );
    assert_eq!(a.balance("EUR", "assets:reserve"), "75.00");
    assert_eq!(a.balance("EUR", "suspense"), "-80.00");
}

#[test]
fn a_failed_transfer_rolled_forward_by_the_opening_balance_counts_once() {
    // Model §8: S1 640.00 came back; S2 opens with it, earns 310.00, sends 950.00. Revenue 950.00, not 1,590.00.
    failed(with(statement("S2", "2026-03-14", "2026-03-28", "950.00"), json!({"opening": "640.00"})), None);
}

#[test]
fn a_failed_transfer_rolled_forward_by_a_row_counts_once() {
    let row = row("again", "S2", "2026-03-15", "Transfer", "640.00");
    failed(statement("S2", "2026-03-14", "2026-03-28", "950.00"), Some(row));
}

fn failed(s2: Value, more: Option<Value>) {
    let mut rows = vec![
        sale("a", "S1", "2026-03-05", &[("ItemPrice/Principal", "640.00")]),
        sale("b", "S2", "2026-03-20", &[("ItemPrice/Principal", "310.00")]),
    ];
    rows.extend(more);
    let s1 =
        with(statement("S1", "2026-03-01", "2026-03-14", "640.00"), json!({"transfer_status": "Failed"}));
    let a = World::new()
        .file("transactions", &rows)
        .file("statements", &[s1, s2])
        .file("bank", &[bank_line("B", "2026-03-30", "EUR", "950.00", "AMAZON")])
        .run();
    assert_eq!(
        (&a.statement("S1")["state"], &a.statement("S1")["match"]),
        (&json!("Returned"), &Value::Null)
    );
    assert_eq!(
        (&a.statement("S2")["state"], &a.statement("S2")["match"]),
        (&json!("Reconciled"), &json!("B"))
    );
    assert_eq!(a.statement("S2")["activity"], "310.00");
    assert_eq!(a.only("PAYOUT_RETURNED")["amount"], "640.00");
    assert_eq!(a.only("PAYOUT_RETURNED")["records"], json!(["S1", "S2"]));
    assert_eq!(a.balance("EUR", "income:sales"), "-950.00");
    assert_eq!(a.balance("EUR", "assets:bank"), "950.00");
    assert_eq!(a.balance("EUR", "assets:clearing"), "0.00");
    assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
    // The return is a reversing entry that names what it takes back; the entry itself stands.
    let back: Vec<_> = a.outcome.journal.entries().iter().filter_map(|e| e.draft.reverses.clone()).collect();
    assert_eq!(back, ["close:amazon:eu:S1:EUR"]);
    a.clean();
}

#[test]
fn a_negative_total_is_collected_from_the_card() {
    // 64.90 of sales less 100.00 of advertising: −35.10.
    let rows = [
        sale("a", "S1", "2026-03-05", &[("ItemPrice/Principal", "64.90")]),
        row("ads", "S1", "2026-03-06", "Cost of Advertising/TransactionTotalAmount", "-100.00"),
    ];
    let a = World::new()
        .file("transactions", &rows)
        .file("statements", &[statement("S1", "2026-03-01", "2026-03-14", "-35.10")])
        .file("bank", &[bank_line("B", "2026-03-16", "EUR", "-35.10", "AMAZON CARD S1")])
        .run();
    assert_eq!(
        (&a.statement("S1")["state"], &a.statement("S1")["match"]),
        (&json!("Reconciled"), &json!("B"))
    );
    assert_eq!(a.balance("EUR", "assets:bank"), "-35.10");
    assert_eq!(a.balance("EUR", "assets:clearing"), "0.00");
    a.clean();
}

#[test]
fn a_negative_total_is_carried_into_the_next_statement() {
    let rows = [
        sale("a", "S1", "2026-03-05", &[("ItemPrice/Principal", "64.90")]),
        row("ads", "S1", "2026-03-06", "Cost of Advertising/TransactionTotalAmount", "-100.00"),
        sale("b", "S2", "2026-03-20", &[("ItemPrice/Principal", "135.10")]),
    ];
    let s2 = with(statement("S2", "2026-03-14", "2026-03-28", "100.00"), json!({"opening": "-35.10"}));
    let a = World::new()
        .file("transactions", &rows)
        .file("statements", &[statement("S1", "2026-03-01", "2026-03-14", "-35.10"), s2])
        .file("bank", &[bank_line("B", "2026-03-30", "EUR", "100.00", "AMAZON")])
        .run();
    assert_eq!(a.statement("S2")["match"], "B");
    assert_eq!(a.balance("EUR", "assets:bank"), "100.00");
    assert_eq!(a.balance("EUR", "assets:clearing"), "0.00");
    a.clean();
}

fn broken(rows: &[Value], total: &str) -> Answer {
    World::new()
        .file("transactions", rows)
        .file("statements", &[statement("S1", "2026-03-01", "2026-03-14", total)])
        .run()
}

#[test]
fn a_statement_that_does_not_foot_is_refused_whole() {
    let rows = [
        sale("a", "S1", "2026-03-05", &[("ItemPrice/Principal", "100.00")]),
        sale("b", "S1", "2026-03-06", &[("ItemPrice/Principal", "40.00")]),
    ];
    // 140.00 in rows. (total, difference, what the explanation must say)
    for (total, off, cause) in [
        ("155.00", "15.00", "missing rows, or one amount was changed"),
        ("100.00", "-40.00", "row b stands twice or does not belong here"),
        ("60.00", "-80.00", "the sign of row b"),
        ("14000.00", "13860.00", "decimal mark or scale"),
    ] {
        let a = broken(&rows, total);
        let d = a.only("NOT_FOOTING");
        assert_eq!((&d["amount"], &d["records"]), (&json!(off), &json!(["S1", "a", "b"])));
        assert!(d["explanation"].as_str().unwrap().contains(cause), "{d}");
        assert_eq!(
            (&a.statement("S1")["foots"], &a.statement("S1")["sum"]),
            (&json!(false), &json!("140.00"))
        );
        assert_eq!(a.statement("S1")["state"], "Refused");
        assert_eq!(a.json["status"], "incomplete");
        assert_eq!(a.json["unexplained"]["EUR"], off);
        assert_eq!(a.json["trial_balance"], json!({}), "not one row of it is booked");
    }
}

#[test]
fn opening_rows_and_closing_balance_foot() {
    // 1,000.00 + 138.00 − 38.00 = 1,100.00; the total is not given.
    let rows = [
        json!({"id": "p", "provider": "paypal", "account": "pp", "kind": "T0006", "event_code": "T0006", "occurred_at": "2026-01-06T12:00:00Z",
            "currency": "USD", "amount": "138.00", "statement": "STL"}),
        json!({"id": "r", "provider": "paypal", "account": "pp", "kind": "T1107", "event_code": "T1107", "occurred_at": "2026-01-06T13:00:00Z",
            "currency": "USD", "amount": "-38.00", "statement": "STL", "refers_to": "p"}),
    ];
    let s = |closing: &str| json!({"id": "STL", "provider": "paypal", "account": "pp", "currency": "USD", "opening": "1000.00", "closing": closing});
    let a = World::new().file("transactions", &rows).file("statements", &[s("1100.00")]).run();
    assert_eq!(a.statement("STL")["foots"], true);
    let a = World::new().file("transactions", &rows).file("statements", &[s("1100.01")]).run();
    assert_eq!(a.only("NOT_FOOTING")["amount"], "0.01");
}

#[test]
fn zero_and_three_decimals_foot_at_their_own_exponent() {
    for (currency, sale, fee, net) in
        [("JPY", "9800", "980", "8820"), ("KWD", "1.250", "0.038", "1.212"), ("ISK", "900", "27", "873")]
    {
        let rows = [
            json!({"id": "x", "provider": "adyen", "account": "m", "kind": "Settled", "occurred_at": "2026-01-06T12:00:00Z",
            "currency": currency, "amount": sale, "fee": fee, "net": net, "statement": "B1", "order": "o"}),
        ];
        let s = json!({"id": "B1", "provider": "adyen", "account": "m", "currency": currency, "total": net, "deposit_date": "2026-01-07"});
        let a = World::new()
            .file("orders", &[super::order("o", "2026-01-06", currency, sale)])
            .file("transactions", &rows)
            .file("statements", &[s])
            .file("bank", &[bank_line("B", "2026-01-08", currency, net, "ADYEN B1")])
            .run();
        assert_eq!((&a.order("o")["gross"], &a.order("o")["net"]), (&json!(sale), &json!(net)));
        assert_eq!(a.statement("B1")["match"], "B");
        assert_eq!(a.balance(currency, "assets:bank"), net);
        assert_eq!(a.json["unexplained"][currency].as_str().unwrap().trim_matches(['0', '.']), "");
    }
}

fn wallet(id: &str, from: &str, to: &str, opening: &str, closing: &str) -> Value {
    json!({"id": id, "provider": "alipay", "account": "wx", "currency": "CNY", "period": {"from": from, "to": to},
        "opening": opening, "closing": closing})
}

fn paid(id: &str, statement: Option<&str>, day: &str, amount: &str) -> Value {
    let code = if amount.starts_with('-') { "退款" } else { "交易" };
    with(
        json!({"id": id, "provider": "alipay", "account": "wx", "kind": code, "occurred_at": format!("{day}T04:00:00Z"),
            "currency": "CNY", "amount": amount}),
        json!({"statement": statement}),
    )
}

#[test]
fn a_wallet_opens_with_what_was_there_before() {
    // 100.00 there, 50.00 and 30.00 come: 180.00 in the wallet, and in the books.
    let a = World::new()
        .file(
            "transactions",
            &[paid("a", Some("W1"), "2026-03-05", "50.00"), paid("b", Some("W2"), "2026-04-05", "30.00")],
        )
        .file(
            "statements",
            &[
                wallet("W1", "2026-03-01", "2026-03-31", "100.00", "150.00"),
                wallet("W2", "2026-04-01", "2026-04-30", "150.00", "180.00"),
            ],
        )
        .run();
    assert_eq!(a.balance("CNY", "assets:clearing:alipay:wx"), "180.00");
    assert_eq!(a.balance("CNY", "equity:opening-balances"), "-100.00");
    a.none("AMOUNT_MISMATCH");
    let e = a.outcome.journal.entries().iter().find(|e| e.draft.id == "opening:alipay:wx:W1:CNY").unwrap();
    assert_eq!(e.booked.to_string(), "2026-03-01");
    // What is booked from before the first statement is in its opening already: 60.00 by a row, 40.00 of it are older.
    let a = World::new()
        .file(
            "transactions",
            &[paid("old", None, "2026-02-20", "60.00"), paid("a", Some("W1"), "2026-03-05", "50.00")],
        )
        .file("statements", &[wallet("W1", "2026-03-01", "2026-03-31", "100.00", "150.00")])
        .run();
    assert_eq!(
        (a.balance("CNY", "assets:clearing"), a.balance("CNY", "equity:opening-balances")),
        ("150.00".to_owned(), "-40.00".to_owned())
    );
}

#[test]
fn a_wallet_statement_that_is_missing_shows_between_its_neighbours() {
    // March closes with 150.00, May opens with 175.00: 25.00 came in April, and nobody knows of what.
    let rows = [paid("a", Some("W1"), "2026-03-05", "50.00"), paid("c", Some("W3"), "2026-05-05", "5.00")];
    let statements = [
        wallet("W1", "2026-03-01", "2026-03-31", "100.00", "150.00"),
        wallet("W3", "2026-05-01", "2026-05-31", "175.00", "180.00"),
    ];
    let a = World::new().file("transactions", &rows).file("statements", &statements).run();
    let d = a.only("AMOUNT_MISMATCH");
    assert_eq!((&d["amount"], &d["records"]), (&json!("25.00"), &json!(["W1", "W3"])));
    assert_eq!(a.json["unexplained"]["CNY"], "25.00");
    assert_eq!(
        (a.balance("CNY", "assets:clearing"), a.balance("CNY", "suspense")),
        ("180.00".to_owned(), "-25.00".to_owned())
    );
    // Rows of April without a statement explain it.
    let a = World::new()
        .file("transactions", &rows)
        .file("transactions", &[paid("b", None, "2026-04-10", "25.00")])
        .file("statements", &statements)
        .run();
    a.none("AMOUNT_MISMATCH");
    assert_eq!(a.balance("CNY", "assets:clearing"), "180.00");
}

#[test]
fn the_line_of_a_refused_statement_says_whose_it_is() {
    let rows = [sale("a", "S1", "2026-03-05", &[("ItemPrice/Principal", "100.00")])];
    for text in ["AMAZON", "AMAZON TRACE-77"] {
        let s = with(statement("S1", "2026-03-01", "2026-03-14", "99.99"), json!({"trace_id": "TRACE77"}));
        let a = World::new()
            .file("transactions", &rows)
            .file("statements", &[s])
            .file("bank", &[bank_line("B", "2026-03-16", "EUR", "99.99", text)])
            .run();
        let d = a.only("OURS_ONLY");
        assert_eq!(d["records"], json!(["B", "S1"]));
        assert!(d["explanation"].as_str().unwrap().contains("statement S1, which does not foot"), "{d}");
    }
}

/// S1's 640.00 came back; S2 is paid as usual; S3 carries the row: 50.00 + 640.00 = 690.00. And where no status tells it, the row itself
/// does: 310.00 + 640.00 = 950.00.
#[test]
fn a_failed_transfer_comes_back_late_or_without_a_status() {
    let back = |statement: &str, day: &str| {
        let code = "other-transaction/Failed Disbursement";
        with(
            row("again", statement, day, "Transfer", "640.00"),
            json!({"components": [{"code": code, "amount": "640.00"}]}),
        )
    };
    let s1 = statement("S1", "2026-03-01", "2026-03-14", "640.00");
    let rows = [
        sale("a", "S1", "2026-03-05", &[("ItemPrice/Principal", "640.00")]),
        sale("b", "S2", "2026-03-20", &[("ItemPrice/Principal", "310.00")]),
        sale("c", "S3", "2026-04-02", &[("ItemPrice/Principal", "50.00")]),
        back("S3", "2026-04-01"),
    ];
    let late = World::new()
        .file("transactions", &rows)
        .file(
            "statements",
            &[
                with(s1.clone(), json!({"transfer_status": "Failed"})),
                statement("S2", "2026-03-15", "2026-03-28", "310.00"),
                statement("S3", "2026-03-29", "2026-04-11", "690.00"),
            ],
        )
        .file(
            "bank",
            &[
                bank_line("B2", "2026-03-30", "EUR", "310.00", "AMAZON"),
                bank_line("B3", "2026-04-13", "EUR", "690.00", "AMAZON"),
            ],
        )
        .run();
    assert_eq!(late.only("PAYOUT_RETURNED")["records"], json!(["S1", "S3"]));
    assert_eq!(late.statement("S3")["activity"], "50.00");
    let rows = [rows[0].clone(), rows[1].clone(), back("S2", "2026-03-17")];
    let unsaid = World::new()
        .file("transactions", &rows)
        .file("statements", &[s1, statement("S2", "2026-03-15", "2026-03-28", "950.00")])
        .file("bank", &[bank_line("B", "2026-03-30", "EUR", "950.00", "AMAZON")])
        .run();
    assert_eq!(unsaid.only("PAYOUT_RETURNED")["records"], json!(["S1", "S2"]));
    assert_eq!(unsaid.statement("S2")["activity"], "310.00");
    for a in [late, unsaid] {
        assert_eq!(a.statement("S1")["state"], "Returned");
        assert_eq!(a.balance("EUR", "assets:clearing"), "0.00");
        assert_eq!(a.balance("EUR", "assets:in-transit"), "0.00");
        a.clean();
    }
}
