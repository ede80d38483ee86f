//! What an operator in trouble and an auditor ask: which calls were made, what was answered, and whether the journal is whole.

use serde_json::Value;
use tradewind_connector::{Exchange, Journal as _};
use tradewind_simulator::Fault;
use tradewind_store::{KeySource, SqliteStore};

use crate::cases::Shop;
use crate::{json, text, tradewind};

fn list<'a>(told: &'a Value, name: &str) -> &'a [Value] {
    told[name].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn a_booking_whose_answer_was_lost_is_a_call_in_doubt() {
    let shop = Shop::with_orders();
    // DHL makes the parcel, and every answer to that is lost.
    shop.simulator.set_fault("dhl-express", Some("createShipment"), Fault::DropAfter, 1);
    shop.run(&["orders"], 0);
    // 5: the others are booked.
    let told = json(&shop.run(&["fulfil", "--json"], 5));
    assert!(told["booked"].as_u64().is_some_and(|n| n > 0), "{told}");
    let orders = json(&shop.run(&["orders", "--offline", "--json"], 0));
    let in_stage = |stage: &str| -> Vec<&str> {
        let of = list(&orders, "orders").iter().filter(|o| o["stage"] == stage);
        of.filter_map(|o| o["order"]["id"].as_str()).collect()
    };
    let calls = |order: &str| json(&shop.run(&["why", "order", order, "--calls", "--json"], 0));
    let [order] = in_stage("to_book")[..] else { panic!("{orders}") };
    let told = &calls(order);
    // The booking, under the parcel's number; and each answer of the shop that lists the order.
    let parcel = told["shipments"][0]["request"]["id"].as_str().unwrap();
    let booking = list(told, "calls").iter().find(|c| c["outcome"] == "in_doubt").unwrap();
    assert_eq!(
        (&booking["account"], &booking["operation"], &booking["subject"], &booking["key"]),
        (&"dhl".into(), &"shipments.create".into(), &parcel.into(), &format!("{parcel}/1").into())
    );
    assert!(booking["status"].is_null() && booking["payload"].is_null(), "no answer came: {booking}");
    let read = list(told, "calls").iter().find(|c| c["account"] == "shop" && c["outcome"] == "answered");
    let read = read.expect("the answer that told of the order is kept");
    let id = |call: &Value| call["id"].as_str().unwrap().to_owned();

    // For a person: the same, in lines; one of them whole.
    let shown = text(&shop.run(&["why", "order", order, "--calls"], 0));
    let line = shown.lines().find(|l| l.contains(&id(booking))).unwrap();
    assert!(line.contains("shipments.create") && line.contains("in doubt"), "{line}");
    let one = text(&shop.run(&["why", "call", &id(booking), "--raw"], 0));
    for needle in ["it may have been carried out", parcel, "none is kept"] {
        assert!(one.contains(needle), "{needle} in {one}");
    }
    let raw = text(&shop.run(&["why", "call", &id(read), "--raw"], 0));
    assert!(raw.contains("status 200") && raw.contains(&format!("\"{order}\"")), "{raw}");
    // The body is shown on demand alone.
    let short = json(&shop.run(&["why", "call", &id(read), "--json"], 0));
    assert!(short["body"].is_null() && short["bytes"].as_u64().is_some_and(|n| n > 100), "{short}");
    let whole = json(&shop.run(&["why", "call", &id(read), "--json", "--raw"], 0));
    assert!(whole["body"].as_str().unwrap().contains(order));
    let told = text(&shop.run(&["why", "call", "w0"], 1));
    assert!(told.contains("no call 'w0' is kept"), "{told}");

    // Another order's booking is done, and answered.
    let booked = calls(in_stage("confirmed")[0]);
    let booking = list(&booked, "calls").iter().find(|c| c["operation"] == "shipments.create").unwrap();
    assert_eq!((&booking["outcome"], &booking["status"]), (&"done".into(), &201.into()), "{booking}");
    // A label is a document: its body is not printed.
    let label = json(&shop.run(&["why", "call", &id(booking), "--raw", "--json"], 0));
    let body = label["body"].as_str().unwrap();
    assert!(body.contains("characters left out") && body.len() < 20_000, "{body:.2000}");

    // What made the offer of a SKU.
    let offer = json(&shop.run(&["why", "offer", "A", "--channel", "shop", "--calls", "--json"], 0));
    assert!(list(&offer, "calls").iter().any(|c| c["outcome"] == "done"), "{offer}");
    // Without the word, nothing of it.
    assert!(json(&shop.run(&["why", "order", order, "--json"], 0))["calls"].is_null());
}

#[test]
fn a_journal_that_was_tampered_with_is_told() {
    let shop = crate::exits::Shop::open("read-write", None);
    // Importing makes the store; nothing that is told by the journal has happened.
    let told = json(&shop.run(&["check", "--json"], 0));
    assert_eq!(told["audit"], serde_json::json!({"whole": true, "entries": 1}), "{told}");
    shop.run(&["plan", "--out", "p"], 2);
    shop.run(&["apply", "p"], 0);
    let told = json(&shop.run(&["check", "--json"], 0));
    let entries = told["audit"]["entries"].as_u64().unwrap();
    assert!(entries > 1, "{told}");
    let said = text(&shop.run(&["check"], 0));
    assert!(said.contains(&format!("audit {entries} entries, chain whole")), "{said}");

    let tamper = |sql: &str| {
        let store = rusqlite::Connection::open(shop.path().join("tradewind.db")).unwrap();
        assert_eq!(store.execute(sql, []).unwrap(), 1, "{sql}");
    };
    tamper("UPDATE audit SET detail = detail || ' and more' WHERE seq = 2");
    let told = json(&shop.run(&["check", "--json"], 3));
    assert_eq!(
        (&told["ok"], &told["audit"]),
        (&false.into(), &serde_json::json!({"whole": false, "broken_at": 2})),
        "{told}"
    );
    let said = text(&shop.run(&["check"], 3));
    assert!(said.contains("is broken at entry 2") && said.contains("Keep a copy"), "{said}");
    assert!(!said.contains("entries, chain whole") && !said.contains("ok  "), "{said}");
    // One that is gone breaks it where it was, though the one behind it is as it was written.
    tamper("DELETE FROM audit WHERE seq = 1");
    assert_eq!(json(&shop.run(&["check", "--json"], 3))["audit"]["broken_at"], 1);
}

/// An answer has numbers of persons in fields that its connector does not know; the card is the example of GB 11643.
#[test]
fn a_raw_answer_shows_no_number_of_a_person_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tradewind.toml"), "").unwrap();
    crate::program::keep(folder.path(), crate::program::order_of("vat", "DE123456789"));
    let body = |order: &str| {
        let body = serde_json::json!({"orders": [{"id": order, "memo": "VAT DE123456789", "card": "11010519491231002X"}],
            "session_token": "hunter2hunter2"});
        body.to_string().into_bytes().into()
    };
    let key = KeySource::File(folder.path().join("tradewind.key"));
    let store = SqliteStore::open(&folder.path().join("tradewind.db"), &key).unwrap();
    // Another order's number begins with this one's; another account has an order of this number; one day is too early.
    for (account, order, day) in
        [("shop", "A-1", 1), ("shop", "A-12", 1), ("other", "A-1", 1), ("shop", "A-1", -2)]
    {
        let at = "2026-08-01T08:00:01Z".parse::<jiff::Timestamp>().unwrap();
        let kept = store.keep(Exchange {
            account: account.parse().unwrap(),
            connector: "shopify".parse().unwrap(),
            operation: "orders.search".into(),
            at: at + jiff::SignedDuration::from_hours(24 * (day - 1)),
            status: 200,
            body: body(order),
        });
        tokio::runtime::Runtime::new().unwrap().block_on(kept).unwrap();
    }
    drop(store);
    let listed =
        json(&tradewind(folder.path(), &["why", "order", "A-1", "--channel", "shop", "--calls", "--json"]));
    let ids: Vec<&str> = list(&listed, "calls").iter().filter_map(|c| c["id"].as_str()).collect();
    assert_eq!(ids, ["a1"], "{listed}");
    for args in [&["why", "call", "a1", "--raw"][..], &["why", "call", "a1", "--raw", "--json"]] {
        let shown = text(&tradewind(folder.path(), args));
        for (number, left) in
            [("DE123456789", "VAT …6789"), ("11010519491231002X", "…002X"), ("hunter2", "***")]
        {
            assert!(!shown.contains(number) && shown.contains(left), "{args:?}: {shown}");
        }
    }
}
