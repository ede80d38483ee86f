//! A shop beside standing channels, by hand: on the machine's own day, or in a time that the person moves.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{json, text, tradewind};

/// Ends the channels with the test.
pub(crate) struct Channels(Child);

impl Drop for Channels {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_shop_written_today_lists_on_every_channel() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    // The shop is written before the seven channels are told.
    let _channels = start(&shop, &[], 7);

    assert_eq!(tradewind(&shop, &["import"]).status.code(), Some(0));
    let planned = tradewind(&shop, &["plan", "--json"]);
    let told = text(&planned);
    // 3: some of the catalogue's rows are blocked on purpose.
    assert_eq!(planned.status.code(), Some(3), "{told:.400}");
    assert!(!told.contains("days old"), "its rates are taken at their age");
    let plan = json(&planned);
    let changes = plan["changes"].as_array().unwrap();
    for account in ["amazon-de", "amazon-us", "amazon-jp", "ebay-uk", "shop", "aliexpress"] {
        let all = changes.iter().filter(|c| c["account"] == account);
        let (created, other): (Vec<_>, Vec<_>) = all.partition(|c| c["do"] == "create");
        assert!(created.len() > other.len(), "{account}: {} created, {} not", created.len(), other.len());
    }
}

/// Starts channels beside a shop; how many there are to wait for.
pub(crate) fn start(shop: &Path, args: &[&str], channels: usize) -> Channels {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["simulate", "--shop"])
        .arg(shop)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let running = Channels(child);
    assert_eq!(lines.map_while(Result::ok).take(channels).count(), channels);
    running
}

/// As `docs/simulate.md` tells it: offers up, a day of buyers, parcels, customs, and the money in the bank.
#[test]
fn a_trade_is_walked_by_hand_to_its_payout() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    let channels = "shopify,paypal,dhl-express,china-ceb";
    let days =
        ["--scale", "0", "--channels", channels, "--first-day", "1", "--days", "1", "--faults", "mild"];
    let _channels = start(&shop, &days, 4);
    // Exit codes: 0 done, 2 changes made, 3 some rows are blocked on purpose, 5 in part (faults are on).
    let go = |args: &[&str]| {
        let output = tradewind(&shop, args);
        let code = output.status.code().unwrap();
        assert!([0, 2, 3, 5].contains(&code), "{args:?} {code}: {}", text(&output));
        output
    };
    let advance =
        |by: &str| json(&go(&["simulate", "advance", by, "--json"]))["now"].as_str().unwrap().to_owned();
    go(&["import"]);
    for _ in 0..3 {
        go(&["plan", "--out", "plan.json"]);
        go(&["apply", "plan.json"]);
        advance("2h");
        go(&["apply"]);
    }
    // The world began at 2026-03-02T00:00Z; what waited on the way moved it further.
    let morning = advance("18h");
    assert!(morning.starts_with("2026-03-03T"), "{morning}");
    for _ in 0..4 {
        advance("6h");
        go(&["orders"]);
        go(&["fulfil"]);
    }
    let stored = json(&go(&["orders", "--offline", "--json"]));
    let orders = stored["orders"].as_array().unwrap().len();
    assert!(orders >= 6, "twelve buyers came: {orders}");
    for _ in 0..14 {
        advance("1d");
        go(&["orders"]);
        go(&["fulfil"]);
        go(&["settle"]);
    }
    let stored = json(&go(&["orders", "--offline", "--json"]));
    let orders = stored["orders"].as_array().unwrap();
    let ended = |o: &&serde_json::Value| ["confirmed", "cancelled"].contains(&o["stage"].as_str().unwrap());
    assert_eq!(orders.iter().filter(ended).count(), orders.len(), "{stored}");
    let id = orders[0]["order"]["id"].as_str().unwrap();
    assert!(text(&go(&["why", "order", id])).contains("imported"), "{id}");
    let delivered = orders.iter().filter(|o| o["order"]["state"] == "delivered").count();
    assert!(delivered >= 4, "{stored}");
    let settled = json(&go(&["settle", "--json"]));
    let paid: Vec<&String> = settled["paid_out"].as_object().unwrap().keys().collect();
    assert_eq!(paid, ["paypal", "shop"], "{settled}");
}

/// Without more, the world begins now and runs as the machine's clock does; a faster one takes its shop along.
#[test]
fn the_clock_of_a_shop_is_that_of_its_world() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    let now = |shop: &Path, by: &str| -> jiff::Timestamp {
        let output = tradewind(shop, &["simulate", "advance", by, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        json(&output)["now"].as_str().unwrap().parse().unwrap()
    };
    let channels = start(
        &shop,
        &["--scale", "3600", "--start", "2026-03-02T00:00:00Z", "--channels", "dhl-express,paypal"],
        2,
    );
    let begun = std::time::Instant::now();
    let early = now(&shop, "0s");
    // Half an hour of the world is half a second of ours, or the machine's clock would be another.
    let (late, passed) = loop {
        let late = now(&shop, "0s");
        let passed = late.duration_since(early);
        if passed.as_secs() >= 1_800 {
            break (late, passed);
        }
        assert!(begun.elapsed().as_secs() < 60, "the world's clock does not run");
    };
    assert!(passed.as_millis() <= 3_600 * begun.elapsed().as_millis() as i128, "{passed:?}");
    // A move is for good.
    let moved = now(&shop, "1d");
    assert!(moved.duration_since(late).as_secs() >= 86_400);
    assert!(now(&shop, "0s") >= moved);
    assert_eq!(tradewind(&shop, &["settle"]).status.code(), Some(0));
    let wrong = tradewind(&shop, &["simulate", "advance", "--", "-1d"]);
    assert_ne!(wrong.status.code(), Some(0), "time goes forward");
    // The world is gone: what needs none goes on, and says in which time.
    drop(channels);
    let offline = tradewind(&shop, &["orders", "--offline"]);
    assert_eq!(offline.status.code(), Some(0), "{}", text(&offline));
    assert!(text(&offline).contains("no simulated world answers at"), "{}", text(&offline));
    let gone = tradewind(&shop, &["simulate", "advance", "1d"]);
    assert!(gone.status.code() != Some(0) && text(&gone).contains("start one with tradewind simulate"));
    // A shop with real channels has no world to move.
    std::fs::write(folder.path().join("tradewind.toml"), "").unwrap();
    let real = tradewind(folder.path(), &["simulate", "advance", "1d"]);
    assert!(
        real.status.code() != Some(0) && text(&real).contains("names no simulated world"),
        "{}",
        text(&real)
    );
}
