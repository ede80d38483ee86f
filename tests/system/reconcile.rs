//! `reconcile`, `why` and `money` through the binary: a folder as finance has it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{json, text, tradewind};

const SETTLEMENT: &[u8] = include_bytes!("../../crates/ledger/tests/fixtures/amazon-eur.txt");

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn lines(folder: &Path, name: &str, rows: &[Value]) {
    let text: String = rows.iter().map(|r| format!("{r}\n")).collect();
    write(folder, name, text);
}

/// A native settlement of 1,033.45 with its sidecar, the order that it settles, and the bank line.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let f = dir.path();
    write(f, "settlements/amazon/90000000001.txt", SETTLEMENT);
    write(f, "settlements/amazon/90000000001.txt.toml", "account = \"eu\"\n");
    lines(
        f,
        "orders.jsonl",
        &[
            json!({"id": "302-0000001-0000001", "account": "eu", "placed_at": "2026-06-02T10:00:00+02:00", "currency": "EUR", "total": "1428.00"}),
        ],
    );
    lines(
        f,
        "bank.jsonl",
        &[
            json!({"id": "B1", "account": "DE89", "date": "2026-06-17", "currency": "EUR", "amount": "1033.45", "text": "AMAZON 90000000001"}),
        ],
    );
    dir
}

#[test]
fn a_folder_reconciles_in_json_and_for_people() {
    let dir = folder();
    let run = tradewind(dir.path(), &["reconcile", "--input", ".", "--json"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let a = json(&run);
    let s = &a["statements"][0];
    assert_eq!(
        (&s["foots"], &s["total"], &s["match"], &s["state"]),
        (&json!(true), &json!("1033.45"), &json!("B1"), &json!("Reconciled"))
    );
    // 1,200.00 + 228.00 of tax, 228.00 withheld, 180.00 of commission: 1,020.00.
    let o = &a["orders"][0];
    assert_eq!(
        (&o["net"], &o["fees"], &o["taxes"], &o["state"]),
        (&json!("1020.00"), &json!("180.00"), &json!("228.00"), &json!("Reconciled"))
    );
    // The settlement gives 20.00 back on an order that the folder does not have.
    assert_eq!(a["unexplained"]["EUR"], "-20.00");
    assert_eq!(a["trial_balance"]["EUR"]["assets:bank:DE89"], "1033.45");
    // The same folder gives the same bytes.
    assert_eq!(run.stdout, tradewind(dir.path(), &["reconcile", "--input", ".", "--json"]).stdout);

    let run = tradewind(dir.path(), &["reconcile", "--input", "."]);
    let shown = String::from_utf8(run.stdout).unwrap();
    assert!(
        shown.contains("amazon · EUR") && shown.contains("= bank") && shown.contains("1,033.45"),
        "{shown}"
    );
    assert!(shown.lines().all(|l| l.chars().count() <= 80), "{shown}");

    for (args, needle) in [
        (vec!["why", "order", "302-0000001-0000001", "--input", "."], "ItemFees/Commission"),
        (vec!["why", "payout", "90000000001", "--input", "."], "matched by reference: B1"),
        (vec!["why", "cent", "-180.00", "EUR", "--input", "."], "fee.commission"),
    ] {
        let run = tradewind(dir.path(), &args);
        assert!(run.status.success() && text(&run).contains(needle), "{args:?}: {}", text(&run));
    }
    let run = tradewind(dir.path(), &["why", "payout", "nobody", "--input", "."]);
    assert_eq!(run.status.code(), Some(1));
}

/// An account that left the configuration, or was never in it: what is known of its order is in the books.
#[test]
fn an_order_that_no_account_told_is_explained_by_the_books() {
    let (files, shop) = (folder(), tempfile::tempdir().unwrap());
    assert_eq!(tradewind(shop.path(), &["init"]).status.code(), Some(0));
    let with = files.path().to_str().unwrap();
    let why = ["why", "order", "302-0000001-0000001", "--with", with];
    let run = tradewind(shop.path(), &why);
    assert!(run.status.success() && text(&run).contains("ItemFees/Commission"), "{}", text(&run));
    let all = json(&tradewind(shop.path(), &[&why[..], &["--json"]].concat()));
    // As in the test above: 1,020.00 of 1,428.00.
    assert!(all["money"].to_string().contains("1020.00"), "{all}");
    assert!(all.get("order").is_none(), "{all}");
}

#[test]
fn a_second_version_is_told_by_the_order_of_the_names() {
    let dir = folder();
    let f = dir.path();
    let order = |total: &str| json!({"id": "x", "account": "eu", "placed_at": "2026-06-02T10:00:00Z", "currency": "EUR", "total": total});
    lines(f, "orders/1.jsonl", &[order("10.00")]);
    lines(f, "orders/2.jsonl", &[order("11.00")]);
    std::fs::remove_file(f.join("orders.jsonl")).unwrap();
    let a = json(&tradewind(f, &["reconcile", "--input", ".", "--json"]));
    let conflict = a["differences"].as_array().unwrap().iter().find(|d| d["reason"] == "CONFLICT").unwrap();
    assert_eq!(conflict["amount"], "1.00");
    assert_eq!(a["orders"][0]["total"], "10.00");
}

#[test]
fn what_is_not_taken_is_named_and_the_exit_says_so() {
    let dir = folder();
    let f = dir.path();
    lines(
        f,
        "refunds.jsonl",
        &[json!({"id": "r", "order": "o", "requested_at": "2026-06-02", "currency": "EUR", "amount": 5})],
    );
    // A settlement with one cent missing is refused whole.
    let mut broken = SETTLEMENT.to_vec();
    let at = broken.windows(8).position(|w| w == b"1.200,00").unwrap();
    broken[at..at + 8].copy_from_slice(b"1.199,99");
    write(f, "settlements/amazon/90000000001.txt", broken);
    let run = tradewind(f, &["reconcile", "--input", ".", "--json"]);
    assert_eq!(run.status.code(), Some(5), "{}", text(&run));
    let a = json(&run);
    assert_eq!(a["status"], "incomplete");
    assert_eq!((&a["errors"][0]["file"], &a["errors"][0]["row"]), (&json!("refunds.jsonl"), &json!(1)));
    let d = a["differences"].as_array().unwrap().iter().find(|d| d["reason"] == "NOT_FOOTING").unwrap();
    assert_eq!((&d["amount"], &d["currency"]), (&json!("0.01"), &json!("EUR")));
    // A policy with a mistake says where.
    write(f, "policy.toml", "rounding_minor = 0\nfx_tolerence = \"0.1\"\n");
    let run = tradewind(f, &["reconcile", "--input", ".", "--policy", "policy.toml"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run).contains("line 2"), "{}", text(&run));
}

/// Not a row of it is in the books: that must not look like success.
#[test]
fn a_refused_document_alone_is_exit_five() {
    let dir = folder();
    let f = dir.path();
    let mut broken = SETTLEMENT.to_vec();
    let at = broken.windows(8).position(|w| w == b"1.200,00").unwrap();
    broken[at..at + 8].copy_from_slice(b"1.199,99");
    write(f, "settlements/amazon/90000000001.txt", broken);
    let run = tradewind(f, &["reconcile", "--input", ".", "--json"]);
    assert_eq!(run.status.code(), Some(5), "{}", text(&run));
    let a = json(&run);
    assert_eq!(a["status"], "incomplete");
    let error = &a["errors"][0];
    assert_eq!(error["file"], "settlements/amazon/90000000001.txt", "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("NOT_FOOTING: "), "{error}");
    let run = tradewind(f, &["export", "csv", "--input", ".", "--out", "books"]);
    assert_eq!(run.status.code(), Some(5), "{}", text(&run));
    assert!(text(&run).contains("not taken: settlements/amazon/90000000001.txt:"), "{}", text(&run));
    assert!(f.join("books/not-taken.csv").exists());
}

/// The same for a statement in the normalised form.
#[test]
fn a_statement_that_does_not_foot_is_exit_five() {
    let dir = tempfile::tempdir().unwrap();
    let f = dir.path();
    let row = |amount: &str| {
        json!({"id": "t", "provider": "amazon", "kind": "Order", "occurred_at": "2026-06-02T10:00:00Z", "currency": "EUR",
            "amount": amount, "statement": "S1", "components": [{"code": "ItemPrice/Principal", "amount": amount}]})
    };
    let total = json!({"id": "S1", "provider": "amazon", "currency": "EUR", "total": "10.00"});
    lines(f, "statements.jsonl", &[total]);
    lines(f, "transactions.jsonl", &[row("10.00")]);
    assert_eq!(tradewind(f, &["reconcile", "--input", "."]).status.code(), Some(0));
    lines(f, "transactions.jsonl", &[row("9.99")]);
    let run = tradewind(f, &["reconcile", "--input", "."]);
    assert_eq!(run.status.code(), Some(5), "{}", text(&run));
    let run = tradewind(f, &["export", "csv", "--input", ".", "--out", "books"]);
    assert_eq!(run.status.code(), Some(5), "{}", text(&run));
    assert!(text(&run).contains("not taken: settlement S1"), "{}", text(&run));
}

#[test]
fn a_period_is_closed_once_and_late_facts_post_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let f = dir.path();
    let row = |id: &str, day: &str| json!({"id": id, "provider": "stripe", "kind": "charge", "occurred_at": day, "currency": "EUR", "amount": "5.00"});
    lines(f, "transactions.jsonl", &[row("a", "2026-01-30"), row("b", "2026-02-02")]);
    let close = ["reconcile", "--input", ".", "--close", "2026-01-31"];
    let run = tradewind(f, &close);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    lines(f, "transactions-2.jsonl", &[row("late", "2026-01-29")]);
    assert_eq!(tradewind(f, &["export", "csv", "--input", ".", "--out", "books"]).status.code(), Some(0));
    let journal = std::fs::read_to_string(f.join("books/journal.csv")).unwrap();
    for (day, id) in [("2026-01-30", "a"), ("2026-02-01", "late"), ("2026-02-02", "b")] {
        assert!(journal.contains(&format!("{day},row:stripe:stripe:{id}:")), "{day} {id} in {journal}");
    }
    let run = tradewind(f, &close);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run).contains("closed already"), "{}", text(&run));
}

#[test]
fn the_small_laws_take_one_object_or_lines_of_them() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "fx.csv",
        "date,base,quote,rate,source\n2026-04-13,EUR,USD,1.1684,ECB\n2026-04-13,EUR,JPY,186.75,ECB\n",
    );
    let ask = |op: &str, input: &str| -> Vec<Value> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
            .current_dir(dir.path())
            .args(["money", op, "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        String::from_utf8(out.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let two = "{\"amount\":\"50.00\",\"currency\":\"EUR\",\"weights\":[1,1,1]}\n{\"amount\":\"-1\",\"currency\":\"JPY\",\"weights\":[1,1]}\n";
    assert_eq!(
        ask("allocate", two),
        [json!({"parts": ["16.67", "16.67", "16.66"]}), json!({"parts": ["-1", "0"]})]
    );
    // fx-rates.md §2.1: USD→JPY on 2026-04-13 = 186.75 / 1.1684 = 159.8339609…; 100.00 USD = 15,983 JPY.
    let yen = &ask("convert", r#"{"amount":"100.00","from":"USD","to":"JPY","date":"2026-04-13"}"#)[0];
    assert_eq!((&yen["amount"], &yen["currency"]), (&json!("15983"), &json!("JPY")));
    assert_eq!(
        ask("normalise", r#"{"provider":"paypal","channel":"stl","currency":"JPY","text":"980000"}"#)[0]["amount"],
        "9800"
    );
}
