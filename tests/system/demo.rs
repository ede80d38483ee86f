//! The demo: whatever the faults, nothing is lost, doubled or oversold, and every payout is in the books.

use crate::{json, text, tradewind};

fn play(seed: &str, faults: &str) -> (serde_json::Value, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let output = tradewind(folder.path(), &["demo", "--json", "--seed", seed, "--faults", faults]);
    assert_eq!(output.status.code(), Some(0), "seed {seed}, faults {faults}: {}", text(&output));
    (json(&output), output.stdout)
}

fn assert_clean(end: &serde_json::Value) {
    let orders = &end["orders"];
    assert!(orders["placed"].as_u64().unwrap() >= 20, "{end}");
    assert_eq!(orders["placed"], orders["imported"], "{end}");
    for nothing in [
        &orders["lost"],
        &orders["doubled"],
        &orders["open"],
        &end["oversold"],
        &end["parcels"]["unknown"],
        &end["declarations"]["open"],
    ] {
        assert_eq!(nothing.as_u64(), Some(0), "{end}");
    }
    let confirmed = orders["confirmed"].as_u64().unwrap();
    assert_eq!(
        confirmed + orders["cancelled"].as_u64().unwrap(),
        orders["placed"].as_u64().unwrap(),
        "{end}"
    );
    // One parcel per order that left: a lost answer did not book a second, billable one.
    assert_eq!(end["parcels"]["booked"].as_u64(), Some(confirmed), "{end}");
    assert_eq!(end["parcels"]["delivered"].as_u64(), Some(confirmed), "{end}");
    assert_eq!(end["listings"]["intended"], end["listings"]["live"], "{end}");
    let money = end["money"].as_object().unwrap();
    assert!(money.len() >= 3, "three currencies: {end}");
    for (currency, money) in money {
        assert_eq!(money["paid_out"], money["collected"], "{currency}: {end}");
    }
    assert!(end["listings"]["live"].as_u64().unwrap() >= 200, "{end}");
    assert!(end["complaints"].as_array().unwrap().is_empty(), "{end}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (end, first) = play("1", "mild");
    assert_clean(&end);
    let (_, second) = play("1", "mild");
    assert_eq!(String::from_utf8_lossy(&first), String::from_utf8_lossy(&second));
}

#[test]
fn other_seeds_end_clean() {
    for seed in ["2", "3"] {
        assert_clean(&play(seed, "mild").0);
    }
}

#[test]
fn hostile_faults_end_clean() {
    let (end, _) = play("7", "hostile");
    assert_clean(&end);
    let unknown: u64 =
        end["calls"].as_object().unwrap().values().map(|c| c["indeterminate"].as_u64().unwrap()).sum();
    assert!(unknown > 0, "hostile faults lose answers, and they were settled by reading: {end}");
}
