//! Exchange: provider rates book, reference rates measure.

use serde_json::{Value, json};
use tradewind_ledger::ops;
use tradewind_ledger::rates::Rates;

use super::{World, order, with};

fn row(id: &str, day: &str, amount: &str, rate: &str, more: Value) -> Value {
    with(
        json!({"id": id, "provider": "stripe", "account": "acct", "kind": if amount.starts_with('-') { "refund" } else { "charge" },
            "occurred_at": format!("{day}T10:00:00Z"), "currency": "EUR", "amount": amount, "rate": rate, "net_currency": "USD", "order": "o"}),
        more,
    )
}

#[test]
fn a_refund_at_another_rate_realises_the_difference() {
    // Model §8: EUR 70.00 at 1.10 = USD 77.00; refunded at 1.12 = USD 78.40; loss 1.40 although EUR nets to zero.
    let rows = [
        row("ch", "2026-02-01", "70.00", "1.10", json!({})),
        row("re", "2026-02-20", "-70.00", "1.12", json!({"refers_to": "ch"})),
    ];
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "EUR", "70.00")])
        .file("transactions", &rows)
        .base("USD")
        .run();
    let o = a.order("o");
    assert_eq!((&o["gross"], &o["refunded"]), (&json!("70.00"), &json!("70.00")));
    assert_eq!((&o["net"], &o["net_currency"]), (&json!("-1.40"), &json!("USD")));
    assert_eq!(a.json["fx"]["realised"], "-1.40");
    assert_eq!(a.balance("USD", "pl:fx:realised"), "1.40");
    // Nothing is left between the currencies: the loss is where it belongs.
    assert_eq!(
        (a.balance("USD", "equity:conversion"), a.balance("EUR", "equity:conversion")),
        ("0.00".to_owned(), "0.00".to_owned())
    );
    assert_eq!(
        (a.balance("EUR", "income:sales"), a.balance("EUR", "contra:refunds")),
        ("-70.00".to_owned(), "70.00".to_owned())
    );
    a.clean();
}

#[test]
fn a_conversion_posting_names_the_providers_rate() {
    let rows = [row("ch", "2026-02-01", "70.00", "1.10", json!({}))];
    let a = World::new().file("transactions", &rows).base("USD").run();
    let e = a.outcome.journal.entries().iter().find(|e| e.draft.trace == ["ch"]).unwrap();
    assert!(e.draft.text.ends_with("at 1.10"), "{}", e.draft.text);
    let postings: Vec<(&str, &str, String)> = e
        .draft
        .postings
        .iter()
        .map(|p| (p.account.as_str(), p.currency.code(), p.amount().amount()))
        .collect();
    assert_eq!(
        postings,
        [
            ("assets:clearing:stripe:acct:USD", "USD", "77.00".to_owned()),
            ("equity:conversion", "EUR", "70.00".to_owned()),
            ("equity:conversion", "USD", "-77.00".to_owned()),
            ("income:sales:stripe", "EUR", "-70.00".to_owned()),
        ]
    );
}

#[test]
fn the_providers_amount_wins_over_a_recomputed_one() {
    // adyen.md: 52.00 at the printed 0.593846153846154 is 30.88 (30.880000…); the ECB's 0.5937 would make 30.87.
    let row = json!({"id": "x", "provider": "adyen", "account": "m", "kind": "Settled", "occurred_at": "2026-02-01T10:00:00Z",
        "currency": "USD", "amount": "52.00", "rate": "0.593846153846154", "net_currency": "GBP", "net": "30.88", "fee": "0.00", "order": "o"});
    let a = World::new()
        .file("orders", &[order("o", "2026-02-01", "USD", "52.00")])
        .file("transactions", std::slice::from_ref(&row))
        .rates("date,base,quote,rate,source\n2026-02-01,USD,GBP,0.5937,ECB\n")
        .base("GBP")
        .run();
    assert_eq!((&a.order("o")["gross"], &a.order("o")["net"]), (&json!("52.00"), &json!("30.88")));
    // 52.00 × 0.5937 = 30.8724 → 30.87: the provider gave a cent more.
    assert_eq!(a.only("FX_COST")["amount"], "-0.01");
    a.clean();
    // One cent beside amount × rate is rounding; two are not.
    let off = |net: &str| World::new().file("transactions", &[with(row.clone(), json!({"net": net}))]).run();
    assert_eq!(off("30.87").only("ROUNDING")["amount"], "-0.01");
    assert_eq!(off("30.86").only("FX_OUT_OF_TOLERANCE")["amount"], "-0.02");
}

#[test]
fn a_rate_beyond_the_tolerance_has_its_own_reason() {
    // Reference 1.1684: 70.00 = 81.79 (81.788). At 1.10 the cost is 4.79, 5.9 %: beyond 3 %. At 1.15: 80.50, 1.29, within.
    let run = |rate: &str| {
        World::new()
            .file("transactions", &[row("ch", "2026-04-13", "70.00", rate, json!({}))])
            .rates("date,base,quote,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n")
            .base("USD")
            .run()
    };
    let a = run("1.10");
    assert_eq!(a.only("FX_OUT_OF_TOLERANCE")["amount"], "4.79");
    a.none("FX_COST");
    let a = run("1.15");
    assert_eq!(a.only("FX_COST")["amount"], "1.29");
    assert_eq!(
        (&a.json["fx"]["conversion_cost"], a.balance("USD", "pl:fx:conversion-cost")),
        (&json!("1.29"), "1.29".to_owned())
    );
    assert_eq!(
        a.only("FX_COST")["evidence"],
        json!([{"what": "at the reference rate", "amount": "81.79"}, {"what": "by the provider's rate", "amount": "-80.50"}])
    );
}

#[test]
fn a_conversion_inside_a_wallet_is_no_revenue() {
    // paypal.md §6.2: BRL 13.56 become USD 2.41; the legs refer to the payment.
    let pp = |id: &str, code: &str, currency: &str, amount: &str, more: Value| {
        with(
            json!({"id": id, "provider": "paypal", "account": "pp", "kind": code, "event_code": code, "occurred_at": "2026-01-06T12:00:00Z",
                "currency": currency, "amount": amount}),
            more,
        )
    };
    let rows = [
        pp("pay", "T0006", "BRL", "17.00", json!({"fee": "3.44", "order": "o"})),
        pp("c1", "T0200", "BRL", "-13.56", json!({"refers_to": "pay"})),
        pp("c2", "T0200", "USD", "2.41", json!({"refers_to": "pay"})),
    ];
    let a = World::new()
        .file("orders", &[order("o", "2026-01-06", "BRL", "17.00")])
        .file("transactions", &rows)
        .base("USD")
        .run();
    assert_eq!(a.balance("BRL", "income:sales"), "-17.00");
    assert_eq!(
        (a.balance("BRL", "assets:clearing"), a.balance("USD", "assets:clearing")),
        ("0.00".to_owned(), "2.41".to_owned())
    );
    assert_eq!(
        (a.balance("BRL", "equity:conversion"), a.balance("USD", "equity:conversion")),
        ("13.56".to_owned(), "-2.41".to_owned())
    );
    a.clean();
}

#[test]
fn open_balances_are_revalued_at_the_day_of_the_report() {
    // USD 1,000.00 booked at 0.90 = EUR 900.00; at 0.92 it is worth 920.00: unrealised +20.00 (fx-rates.md §6), as an entry of its own.
    let row = json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-01-10T10:00:00Z",
        "currency": "USD", "amount": "1000.00"});
    let a = World::new()
        .file("transactions", &[row])
        .rates("date,base,quote,rate,source\n2026-01-10,USD,EUR,0.90,t\n2026-01-31,USD,EUR,0.92,t\n")
        .base("EUR")
        .until("2026-01-31")
        .run();
    assert_eq!((&a.json["fx"]["unrealised"], &a.json["fx"]["realised"]), (&json!("20.00"), &json!("0.00")));
    assert_eq!(
        (a.balance("EUR", "pl:fx:unrealised"), a.balance("EUR", "assets:fx-revaluation")),
        ("-20.00".to_owned(), "20.00".to_owned())
    );
    assert!(
        a.outcome
            .journal
            .entries()
            .iter()
            .any(|e| e.draft.id == "fx:unrealised:USD:2026-01-31" && e.draft.postings.len() == 2)
    );
}

#[test]
fn cash_at_another_rate_realises_by_carrying_amount() {
    // Booked USD 1,000.00 at 0.90 = 900.00; sent and converted at 0.91, reference 0.91: realised +10.00, no conversion cost.
    let rows = [
        json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-01-10T10:00:00Z",
        "currency": "USD", "amount": "1000.00", "payout": "po"}),
    ];
    let po = json!({"id": "po", "provider": "stripe", "account": "acct", "currency": "USD", "amount": "1000.00", "status": "paid",
        "arrival": "2026-02-02", "converted": {"amount": "910.00", "currency": "EUR"}});
    let a = World::new()
        .file("transactions", &rows)
        .file("payouts", &[po])
        .file("bank", &[super::bank_line("B", "2026-02-02", "EUR", "910.00", "STRIPE po")])
        .rates("date,base,quote,rate,source\n2026-01-10,USD,EUR,0.90,t\n2026-02-02,USD,EUR,0.91,t\n")
        .base("EUR")
        .run();
    assert_eq!(
        (&a.json["fx"]["realised"], &a.json["fx"]["unrealised"], &a.json["fx"]["conversion_cost"]),
        (&json!("10.00"), &json!("0.00"), &json!("0.00"))
    );
    assert_eq!(a.balance("EUR", "pl:fx:realised"), "-10.00");
    a.clean();
}

#[test]
fn a_month_end_between_booking_and_cash_is_unrealised_first() {
    // fx-rates.md §6: USD 1,000.00 at 0.9000 = 900.00; month end 0.9200: +20.00 unrealised, carrying 920.00; cash on day 40 at
    // 0.9100 = 910.00: −10.00 realised against the carrying amount, +10.00 in all.
    let rows = [
        json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-01-01T10:00:00Z",
        "currency": "USD", "amount": "1000.00", "payout": "po"}),
    ];
    let po = json!({"id": "po", "provider": "stripe", "account": "acct", "currency": "USD", "amount": "1000.00", "status": "paid",
        "arrival": "2026-02-09", "converted": {"amount": "910.00", "currency": "EUR"}});
    let rates = "date,base,quote,rate,source\n2026-01-01,USD,EUR,0.9000,t\n2026-01-31,USD,EUR,0.9200,t\n2026-02-09,USD,EUR,0.9100,t\n";
    let a = World::new()
        .file("transactions", &rows)
        .file("payouts", &[po])
        .file("bank", &[super::bank_line("B", "2026-02-09", "EUR", "910.00", "STRIPE po")])
        .rates(rates)
        .base("EUR")
        .run();
    assert_eq!((&a.json["fx"]["unrealised"], &a.json["fx"]["realised"]), (&json!("20.00"), &json!("-10.00")));
    let ids: Vec<&str> = a
        .outcome
        .journal
        .entries()
        .iter()
        .map(|e| e.draft.id.as_str())
        .filter(|i| i.starts_with("fx:"))
        .collect();
    assert_eq!(ids, ["fx:unrealised:USD:2026-01-31", "fx:realised:stripe:acct:po:USD"]);
    assert_eq!(a.balance("EUR", "assets:fx-revaluation"), "10.00");
    a.clean();
}

#[test]
fn the_small_laws_answer_line_by_line() {
    let ask = |op: &str, v: Value| ops::run(op, &v.to_string(), &Rates::default()).unwrap();
    // Cumulative partial refunds of an allocation total the original; a negative amount mirrors the positive one.
    for total in ["0.01", "0.05", "1.00", "99.99", "1000000.01"] {
        for weights in [json!([1, 1, 1]), json!([1, 3, 3]), json!(["0.5", "0.25", "7"]), json!([0, 1, 2])] {
            let cents = |v: &Value| -> Vec<i64> {
                v["parts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|p| p.as_str().unwrap().replace('.', "").parse().unwrap())
                    .collect()
            };
            let up = cents(&ask("allocate", json!({"amount": total, "currency": "EUR", "weights": weights})));
            let down = cents(&ask(
                "allocate",
                json!({"amount": format!("-{total}"), "currency": "EUR", "weights": weights}),
            ));
            assert_eq!(up.iter().sum::<i64>(), total.replace('.', "").parse::<i64>().unwrap());
            assert_eq!(down, up.iter().map(|x| -x).collect::<Vec<_>>());
        }
    }
    assert_eq!(
        ask("normalise", json!({"provider": "stripe", "channel": "api", "currency": "KWD", "text": "1250"}))
            ["amount"],
        "1.250"
    );
    let no =
        ask("normalise", json!({"provider": "stripe", "channel": "api", "currency": "KWD", "text": "1253"}));
    assert_eq!(no["refused"], true);
    assert!(no["why"].is_string());
}

#[test]
fn a_conversion_without_a_reference_rate_is_not_free_but_unmeasured() {
    // EUR 70.00 at 1.10 = USD 77.00. What that cost nobody knows without a reference rate: named, not zero.
    let sale = || World::new().file("transactions", &[row("ch", "2026-04-13", "70.00", "1.10", json!({}))]);
    let rates = "date,base,quote,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n";
    let a = sale().base("USD").run();
    assert_eq!(
        a.json["fx"],
        json!({"realised": "0.00", "unrealised": "0.00", "conversion_cost": "0.00", "currency": "USD", "unmeasured": ["ch"]})
    );
    let told = tradewind_ledger::report::text(&a.outcome);
    assert!(told.contains("not measured, for want of a reference rate: ch"), "{told}");
    // Measured in dollars (70.00 × 1.1684 = 81.79), and no rate makes pounds of it: it is in the books and not in the total.
    let a = sale().rates(rates).base("GBP").run();
    assert_eq!(a.only("FX_OUT_OF_TOLERANCE")["amount"], "4.79");
    assert_eq!(
        (&a.json["fx"]["conversion_cost"], &a.json["fx"]["unmeasured"]),
        (&json!("0.00"), &json!(["ch"]))
    );
    // With the rate the shape is the documented one.
    let a = sale().rates(rates).base("USD").run();
    assert_eq!(a.json["fx"].as_object().unwrap().len(), 4, "{}", a.json["fx"]);
}

#[test]
fn a_wallet_exchange_or_payout_without_a_reference_rate_is_unmeasured() {
    let leg = |id: &str, currency: &str, amount: &str| {
        json!({"id": id, "provider": "paypal", "account": "pp", "kind": "T0200", "event_code": "T0200",
            "occurred_at": "2026-01-06T12:00:00Z", "currency": currency, "amount": amount, "refers_to": "pay"})
    };
    let a = World::new()
        .file("transactions", &[leg("c1", "BRL", "-13.56"), leg("c2", "USD", "2.41")])
        .base("USD")
        .run();
    assert_eq!(a.json["fx"]["unmeasured"], json!(["c1", "c2"]));
    let rows = [
        json!({"id": "x", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-01-10T10:00:00Z",
        "currency": "USD", "amount": "1000.00", "payout": "po"}),
    ];
    let po = json!({"id": "po", "provider": "stripe", "account": "acct", "currency": "USD", "amount": "1000.00", "status": "paid",
        "arrival": "2026-02-02", "converted": {"amount": "910.00", "currency": "EUR"}});
    let a = World::new()
        .file("transactions", &rows)
        .file("payouts", &[po])
        .file("bank", &[super::bank_line("B", "2026-02-02", "EUR", "910.00", "STRIPE po")])
        .base("EUR")
        .run();
    // Neither what the conversion cost nor what the balance gained between 10 January and 2 February.
    assert_eq!(a.json["fx"]["unmeasured"], json!(["B", "po"]));
    assert!(a.json["fx"].get("unrevalued").is_none(), "it is gone: {}", a.json["fx"]);
}

#[test]
fn an_open_balance_without_a_rate_is_told_as_not_revalued() {
    let usd = |id: &str, day: &str, amount: &str| {
        json!({"id": id, "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": format!("{day}T10:00:00Z"),
            "currency": "USD", "amount": amount})
    };
    // The first has no rate of its day; the second is booked at 0.90 and worth 0.92 × 1,000.00 = 920.00: +20.00.
    let a = World::new()
        .file("transactions", &[usd("a", "2026-01-05", "55.00"), usd("b", "2026-01-10", "1000.00")])
        .rates("date,base,quote,rate,source\n2026-01-10,USD,EUR,0.90,t\n2026-01-31,USD,EUR,0.92,t\n")
        .base("EUR")
        .until("2026-01-31")
        .run();
    assert_eq!(
        (&a.json["fx"]["unrealised"], &a.json["fx"]["unrevalued"]),
        (&json!("20.00"), &json!({"USD": "55.00"}))
    );
}

#[test]
fn a_refund_at_another_rate_is_told_once_where_the_balance_is_not_in_the_currency_of_the_books() {
    // 77.00 USD at 1.10 are 70.00 EUR; −78.40 at 1.12 are −70.00; at 1.12 the 77.00 are worth 68.75: −1.25, and once.
    let a = World::new()
        .file("orders", &[order("o", "2026-06-01", "EUR", "70.00")])
        .file(
            "transactions",
            &[
                row("ch", "2026-06-02", "70.00", "1.10", json!({})),
                row("re", "2026-06-10", "-70.00", "1.12", json!({"refers_to": "ch"})),
            ],
        )
        .rates("date,base,quote,rate,source\n2026-06-01,EUR,USD,1.10,t\n2026-06-10,EUR,USD,1.12,t\n")
        .base("EUR")
        .run();
    let fx = &a.json["fx"];
    assert_eq!((&fx["realised"], &fx["unrealised"]), (&json!("0.00"), &json!("-1.25")));
}

#[test]
fn dollars_at_the_bank_are_revalued_until_they_are_spent() {
    let row = json!({"id": "ch", "provider": "stripe", "account": "acct", "kind": "charge", "occurred_at": "2026-06-02T10:00:00Z",
        "currency": "USD", "amount": "1000.00", "payout": "po"});
    let po = json!({"id": "po", "provider": "stripe", "account": "acct", "currency": "USD", "amount": "1000.00", "status": "paid",
        "arrival": "2026-06-10"});
    let world = |spent: &[Value]| {
        let arrived = super::bank_line("B", "2026-06-10", "USD", "1000.00", "STRIPE po");
        World::new()
            .file("transactions", std::slice::from_ref(&row))
            .file("payouts", std::slice::from_ref(&po))
            .file("bank", &[&[arrived], spent].concat())
            .rates(
                "date,base,quote,rate,source\n2026-06-02,EUR,USD,1.10,t\n2026-06-10,EUR,USD,1.12,t\n2026-06-30,EUR,USD,1.15,t\n",
            )
            .base("EUR")
            .until("2026-06-30")
            .run()
    };
    // 1000 ÷ 1.15 − 1000 ÷ 1.10 = 869.565… − 909.090… = −39.525… → −39.53.
    assert_eq!(world(&[]).json["fx"]["unrealised"], "-39.53");
    // 400 spent at 1.12: −400 ÷ 1.15 + 400 ÷ 1.12 = +9.316… of that is none of ours: −30.208… → −30.21.
    let spent = super::bank_line("C", "2026-06-10", "USD", "-400.00", "OFFICE RENT");
    assert_eq!(world(&[spent]).json["fx"]["unrealised"], "-30.21");
}

#[test]
fn costs_in_another_currency_are_told_beside_and_not_added() {
    let row = |id: &str, kind: &str, currency: &str, amount: &str, fee: &str| {
        json!({"id": id, "provider": "stripe", "account": "acct", "kind": kind, "occurred_at": "2026-06-02T10:00:00Z",
            "currency": currency, "amount": amount, "fee": fee, "order": "o"})
    };
    let a = World::new()
        .file("orders", &[order("o", "2026-06-01", "USD", "100.00")])
        .file(
            "transactions",
            &[row("ch", "charge", "USD", "100.00", "3.00"), row("f", "stripe_fee", "JPY", "-150", "0")],
        )
        .base("USD")
        .run();
    let o = a.order("o");
    assert_eq!((&o["fees"], &o["net"], &o["net_currency"]), (&json!("3.00"), &json!("97.00"), &json!("USD")));
    assert_eq!(o["other"], json!({"JPY": {"fees": "150", "net": "-150"}}));
}
