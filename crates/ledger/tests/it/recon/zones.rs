//! The same payments by each zone's report day: what moves between days, and that nothing moves between totals.

use serde_json::{Value, json};

use super::{World, charge, with};

fn at(id: &str, instant: &str, amount: &str) -> Value {
    with(charge(id, "", "2026-01-01", "USD", amount, "0.00"), json!({"occurred_at": instant}))
}

#[test]
fn days_are_cut_where_each_zone_cuts_them() {
    // Model §8: 2026-06-30T23:30Z is 1 July in Shanghai (07:30) and 30 June in Los Angeles (16:30).
    // Over the US change of 1 November 2026 (09:00Z): 2026-11-01T06:59Z is 31 October 23:59 PDT (−7); 2026-11-02T07:30Z is
    // 1 November 23:30 PST (−8), and would be 2 November with −7. 1 November has 25 hours there.
    // Berlin leaves summer time on 25 October: 2026-10-25T22:30Z is 23:30 CET of that day, and would be the 26th in CEST.
    let rows = [
        at("a", "2026-06-30T23:30:00Z", "1.00"),
        at("b", "2026-11-01T06:59:00Z", "2.00"),
        at("c", "2026-11-02T07:30:00Z", "4.00"),
        at("d", "2026-10-25T22:30:00Z", "8.00"),
    ];
    let a = World::new()
        .file("transactions", &rows)
        .zones(&["Asia/Shanghai", "America/Los_Angeles", "Europe/Berlin"])
        .run();
    let usd = |m: &str| json!({"USD": m});
    assert_eq!(
        a.json["days"],
        json!({
            "Asia/Shanghai": {"2026-07-01": usd("1.00"), "2026-10-26": usd("8.00"), "2026-11-01": usd("2.00"), "2026-11-02": usd("4.00")},
            "America/Los_Angeles": {"2026-06-30": usd("1.00"), "2026-10-25": usd("8.00"), "2026-10-31": usd("2.00"), "2026-11-01": usd("4.00")},
            "Europe/Berlin": {"2026-07-01": usd("1.00"), "2026-10-25": usd("8.00"), "2026-11-01": usd("2.00"), "2026-11-02": usd("4.00")},
        })
    );
}

#[test]
fn an_unknown_zone_is_refused() {
    let mut w = World::new().file("transactions", &[at("a", "2026-06-30T23:30:00Z", "1.00")]);
    w.options.zones = vec!["Mars/Olympus".to_owned()];
    let e = tradewind_ledger::recon::run(&w.facts, &w.options).unwrap_err();
    assert!(e.to_string().contains("'Mars/Olympus' is unknown"), "{e}");
}
