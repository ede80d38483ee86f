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

fn folder(name: &str, files: &[(&str, &str)]) -> World {
    let dir = std::env::temp_dir().join(format!("tradewind-zones-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for (file, text) in files {
        std::fs::write(dir.join(file), text).unwrap();
    }
    let facts = tradewind_ledger::facts::read::read_dir(&dir).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    World { facts, ..World::default() }
}

const ALL: [&str; 4] = ["Asia/Shanghai", "America/Los_Angeles", "Europe/Berlin", "UTC"];

#[test]
fn a_day_without_a_zone_is_that_day_everywhere() {
    let a = World::new().file("transactions", &[at("a", "2026-06-30", "1.00")]).zones(&ALL).run();
    for z in ALL {
        assert_eq!(a.json["days"][z], json!({"2026-06-30": {"USD": "1.00"}}), "{z}");
    }
}

#[test]
fn a_day_is_of_its_accounts_zone_and_elsewhere_the_day_that_holds_most_of_it() {
    let row = at("a", "2026-06-30", "1.00").to_string();
    // 30 June in Shanghai is 2026-06-29T16:00Z to 06-30T16:00Z, its noon 04:00Z: 30 June in UTC and Berlin (06:00), 29 June in Los Angeles
    // (21:00 PDT). By its first instant it would be 29 June in Berlin (18:00) and in UTC.
    let shanghai = [
        ("Asia/Shanghai", "2026-06-30"),
        ("UTC", "2026-06-30"),
        ("Europe/Berlin", "2026-06-30"),
        ("America/Los_Angeles", "2026-06-29"),
    ];
    // 30 June in Los Angeles is 06-30T07:00Z to 07-01T07:00Z, its noon 19:00Z: 1 July in Shanghai (03:00).
    let angeles = [
        ("America/Los_Angeles", "2026-06-30"),
        ("UTC", "2026-06-30"),
        ("Europe/Berlin", "2026-06-30"),
        ("Asia/Shanghai", "2026-07-01"),
    ];
    for (n, (name, text, days)) in [
        ("import.toml", "zone = \"Asia/Shanghai\"\n", shanghai),
        ("transactions.toml", "zone = \"America/Los_Angeles\"\n", angeles),
        // The account's own wins.
        (
            "transactions.jsonl.toml",
            "zone = \"Asia/Shanghai\"\n[zones]\nacct = \"America/Los_Angeles\"\n",
            angeles,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let a = folder(&format!("day-{n}"), &[("transactions.jsonl", &row), (name, text)]).zones(&ALL).run();
        for (z, day) in days {
            assert_eq!(a.json["days"][z], json!({day: {"USD": "1.00"}}), "{z} of {name}");
        }
    }
}

#[test]
fn a_local_time_without_a_zone_is_of_its_account() {
    // 23:30 in Shanghai is 15:30Z: 30 June in UTC. Read as UTC it would be 1 July in Shanghai (07:30).
    let row = at("a", "2026-06-30T23:30:00", "1.00").to_string();
    let a = folder("local", &[("transactions.jsonl", &row), ("import.toml", "zone = \"Asia/Shanghai\"\n")])
        .zones(&["Asia/Shanghai", "UTC"])
        .run();
    for z in ["Asia/Shanghai", "UTC"] {
        assert_eq!(a.json["days"][z], json!({"2026-06-30": {"USD": "1.00"}}), "{z}");
    }
    // A zone in brackets is one: the same instant.
    let a = World::new()
        .file("transactions", &[at("a", "2026-06-30T23:30:00[Asia/Shanghai]", "1.00")])
        .zones(&["UTC"])
        .run();
    assert_eq!(a.json["days"]["UTC"], json!({"2026-06-30": {"USD": "1.00"}}));
}

#[test]
fn a_sidecar_that_names_no_zone_is_told() {
    let row = at("a", "2026-06-30", "1.00").to_string();
    for (text, says) in [
        ("zone = \"Asia/Shangai\"\n", "'Asia/Shangai' is unknown"),
        ("zones = 1\n", "map"),
        ("zoen = \"UTC\"\n", "zoen"),
    ] {
        let w = folder("bad", &[("transactions.jsonl", &row), ("import.toml", text)]);
        let [e] = w.facts.errors.as_slice() else { panic!("{:?}", w.facts.errors) };
        assert!(e.file == "import.toml" && e.message.contains(says), "{e:?}");
        assert_eq!(w.run().json["status"], "incomplete");
    }
}
