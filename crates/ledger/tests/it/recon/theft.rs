//! A thief takes one cent somewhere. It is found, and named by the record that it was taken from.

use serde_json::{Value, json};

use super::{Answer, World, bank_line, order, with};

type Files = Vec<(&'static str, Vec<Value>)>;

/// A month that closes to the cent: Stripe with a payout, Amazon with a reserve and facilitator tax and a converted total, a refund,
/// duties, an invoice.
fn month() -> Files {
    let stripe = |id: &str, kind: &str, order: &str, amount: &str, fee: &str, net: &str| {
        json!({"id": id, "provider": "stripe", "account": "acct", "kind": kind, "occurred_at": "2026-03-02T10:00:00Z", "currency": "EUR",
            "amount": amount, "fee": fee, "net": net, "order": order, "payout": "po_march"})
    };
    let amazon = |id: &str, kind: &str, amount: &str, more: Value| {
        with(
            json!({"id": id, "provider": "amazon", "account": "us", "kind": kind, "occurred_at": "2026-03-03T10:00:00Z", "currency": "USD",
                "amount": amount, "statement": "S1"}),
            more,
        )
    };
    vec![
        (
            "orders",
            vec![
                with(
                    order("w-1", "2026-03-02", "EUR", "112.00"),
                    json!({"collected_duties_taxes": "13.10", "tracking": "TRK1"}),
                ),
                with(
                    order("w-2", "2026-03-02", "EUR", "80.00"),
                    json!({"tracking": "TRK2", "quoted": {"duty": "2.00", "vat": "3.00", "fee": "0.00"}}),
                ),
                order("a-1", "2026-03-02", "USD", "60.50"),
            ],
        ),
        (
            "refunds",
            vec![
                json!({"id": "q-1", "order": "w-2", "requested_at": "2026-03-02T11:00:00Z", "currency": "EUR", "amount": "15.00"}),
            ],
        ),
        (
            "documents",
            vec![
                json!({"id": "inv-1", "orders": ["w-1"], "gross": "112.00", "net": "94.12", "vat": "17.88", "currency": "EUR"}),
            ],
        ),
        (
            "transactions",
            vec![
                stripe("ch-1", "charge", "w-1", "112.00", "1.93", "110.07"),
                stripe("ch-2", "charge", "w-2", "80.00", "1.45", "78.55"),
                stripe("re-2", "refund", "w-2", "-15.00", "0.00", "-15.00"),
                // 50.00 + 10.50 − 10.50 − 9.08 = 40.92.
                amazon(
                    "am-1",
                    "Order",
                    "40.92",
                    json!({"order": "a-1", "components": [
                    {"code": "ItemPrice/Principal", "amount": "50.00"}, {"code": "ItemPrice/Tax", "amount": "10.50"},
                    {"code": "ItemWithheldTax/MarketplaceFacilitatorTax-Principal", "amount": "-10.50"},
                    {"code": "ItemFees/Commission", "amount": "-9.08"}]}),
                ),
                amazon("am-2", "other-transaction/Current Reserve Amount", "-4.00", json!({})),
            ],
        ),
        (
            "statements",
            vec![
                json!({"id": "S1", "provider": "amazon", "account": "us", "currency": "USD", "total": "36.92", "deposit_date": "2026-03-16",
                "period": {"from": "2026-03-01", "to": "2026-03-14"}, "converted_total": {"amount": "33.80", "currency": "EUR"}, "trace_id": "TRACE1"}),
            ],
        ),
        (
            // 110.07 + 78.55 − 15.00 = 173.62.
            "payouts",
            vec![
                json!({"id": "po_march", "provider": "stripe", "account": "acct", "currency": "EUR", "amount": "173.62", "status": "paid", "arrival": "2026-03-04"}),
            ],
        ),
        (
            "bank",
            vec![
                bank_line("B1", "2026-03-05", "EUR", "173.62", "STRIPE po_march"),
                bank_line("B2", "2026-03-18", "EUR", "33.80", "AMAZON TRACE1"),
            ],
        ),
        (
            "carrier_invoices",
            vec![
                json!({"id": "ci-1", "tracking": "TRK1", "currency": "EUR", "duty": "5.10", "vat": "8.00", "fee": "8.00", "total": "21.10"}),
                json!({"id": "ci-2", "tracking": "TRK2", "currency": "EUR", "duty": "2.00", "vat": "3.00", "fee": "0.00", "total": "5.00"}),
            ],
        ),
    ]
}

fn run(files: &Files) -> Answer {
    let mut w = World::new().until("2026-03-20");
    for (kind, rows) in files {
        w = w.file(kind, rows);
    }
    w.run()
}

/// Paths of all amounts of a row.
fn amounts(v: &Value, path: &str, out: &mut Vec<String>) {
    match v {
        Value::String(s)
            if s.contains('.')
                && s.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit() || b == b'.') =>
        {
            out.push(path.to_owned())
        }
        Value::Object(m) => m.iter().for_each(|(k, v)| amounts(v, &format!("{path}/{k}"), out)),
        Value::Array(a) => a.iter().enumerate().for_each(|(i, v)| amounts(v, &format!("{path}/{i}"), out)),
        _ => {}
    }
}

fn shift(v: &mut Value, by: i64) {
    let minor: i64 = v.as_str().unwrap().replace('.', "").parse().unwrap();
    let m = minor + by;
    *v = json!(format!("{}{}.{:02}", if m < 0 { "-" } else { "" }, m.abs() / 100, m.abs() % 100));
}

#[test]
fn the_month_closes_to_the_cent() {
    let a = run(&month());
    a.clean();
    assert_eq!(a.differences(), [("RESERVE".to_owned(), "4.00".to_owned())]);
    assert!(
        a.json["orders"].as_array().unwrap().iter().all(|o| o["state"] == "Reconciled"),
        "{}",
        a.json["orders"]
    );
    assert_eq!(a.json["status"], "reconciled");
}

#[test]
fn one_cent_taken_anywhere_is_found_and_named() {
    let honest = run(&month());
    let known = honest.json["differences"].as_array().unwrap().clone();
    let mut tried = 0;
    for (f, (kind, rows)) in month().iter().enumerate() {
        for (r, row) in rows.iter().enumerate() {
            let mut paths = Vec::new();
            amounts(row, "", &mut paths);
            for path in paths {
                for by in [-1, 1] {
                    let mut stolen = month();
                    shift(stolen[f].1[r].pointer_mut(&path).unwrap(), by);
                    let a = run(&stolen);
                    let id = row["id"].as_str().unwrap();
                    let new: Vec<&Value> = a.json["differences"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter(|d| !known.contains(d))
                        .collect();
                    let named = new.iter().any(|d| {
                        matches!(d["amount"].as_str(), Some("0.01" | "-0.01"))
                            && d["records"].as_array().unwrap().contains(&json!(id))
                    });
                    // A row that contradicts itself is not taken at all, and named by file and row.
                    let refused =
                        a.json["errors"].as_array().is_some_and(|e| e.iter().any(|e| e["row"] == r + 1));
                    assert!(
                        named || refused,
                        "{kind}/{id}{path} {by:+}: {:?} {}",
                        a.differences(),
                        a.json.get("errors").unwrap_or(&Value::Null)
                    );
                    assert_ne!(a.json["result_hash"], honest.json["result_hash"]);
                    tried += 1;
                }
            }
        }
    }
    // Every amount of the month was tried, up and down.
    assert_eq!(tried, 2 * 39, "amounts");
}

#[test]
fn a_cent_taken_along_the_whole_way_is_seen_by_what_was_agreed() {
    // Fee, net, payout and bank line all say one cent less: every document foots. Only the agreement knows: 1.5 % + 0.25 of 112.00 is
    // 1.93 and of 80.00 is 1.45.
    let agreed = "[[fee]]\nprovider = \"stripe\"\nkind = \"processing\"\npercent = \"1.5\"\nfixed = { EUR = \"0.25\" }\n";
    let with_policy = |files: &Files| {
        let mut w = World::new().policy(agreed).until("2026-03-20");
        for (kind, rows) in files {
            w = w.file(kind, rows);
        }
        w.run()
    };
    with_policy(&month()).none("FEE_UNEXPECTED");
    let mut stolen = month();
    for (kind, row, path, by) in [
        ("transactions", 0, "/fee", 1),
        ("transactions", 0, "/net", -1),
        ("payouts", 0, "/amount", -1),
        ("bank", 0, "/amount", -1),
    ] {
        let file = stolen.iter_mut().find(|(k, _)| *k == kind).unwrap();
        shift(file.1[row].pointer_mut(path).unwrap(), by);
    }
    let a = with_policy(&stolen);
    assert_eq!(
        (&a.only("FEE_UNEXPECTED")["amount"], &a.only("FEE_UNEXPECTED")["records"]),
        (&json!("0.01"), &json!(["ch-1", "w-1"]))
    );
}
