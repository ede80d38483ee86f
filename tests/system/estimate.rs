//! The calls that a plan tells beforehand are those that its apply makes: counted at the simulated channels.

use serde_json::Value;
use std::collections::BTreeMap;

use super::shop::start;
use super::{get, json, text, tradewind};

/// Calls that reached each channel so far.
fn counted(channel: &str) -> BTreeMap<String, u64> {
    let answer = get(&format!("{channel}/_sim/journal"));
    // From the first bracket to the last, whatever the transfer's encoding put around it.
    let body = &answer[answer.find('[').unwrap()..=answer.rfind(']').unwrap()];
    let mut counts = BTreeMap::new();
    for line in serde_json::from_str::<Vec<Value>>(body).unwrap() {
        *counts.entry(line["channel"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// Sixteen variants of three products on four marketplaces, six accounts: AliExpress looks for each SKU status by status, eBay
/// lists in three steps, Shopify by product. Within 20 %: a login and a late publication are in no estimate.
#[test]
fn a_plan_tells_the_calls_that_its_apply_makes() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    let _channels = start(&shop, &[], 7);
    // The first rows of the first catalogue file alone.
    let config = std::fs::read_to_string(shop.join("tradewind.toml")).unwrap();
    let world = config.split_once("[simulated]").unwrap().1.split_once("world = \"").unwrap().1;
    let address = world.split('"').next().unwrap().trim_end_matches('/').to_owned();
    let (head, rest) = config.split_once("[[catalogue]]").unwrap();
    let after = rest.rsplit_once("[[catalogue]]").unwrap().1.split_once("\n[").unwrap().1;
    let config = format!("{head}[[catalogue]]\npath = \"catalogue.csv\"\n\n[{after}");
    std::fs::write(shop.join("tradewind.toml"), config).unwrap();
    let rows = std::fs::read_to_string(shop.join("catalogue.csv")).unwrap();
    let rows: String = rows.lines().take(17).map(|l| format!("{l}\n")).collect();
    std::fs::write(shop.join("catalogue.csv"), rows).unwrap();

    assert_eq!(tradewind(&shop, &["import"]).status.code(), Some(0));
    let planned = tradewind(&shop, &["plan", "--json", "--out", "p"]);
    let plan = json(&planned);
    let estimated = |accounts: &[&str]| -> u64 {
        accounts
            .iter()
            .map(|a| plan["calls"][*a].as_u64().unwrap_or_else(|| panic!("{a}: {}", text(&planned))))
            .sum()
    };
    let before = counted(&address);
    let applied = tradewind(&shop, &["apply", "p", "--json"]);
    let after = counted(&address);
    for (channel, accounts) in [
        ("amazon", &["amazon-de", "amazon-us", "amazon-jp"][..]),
        ("ebay", &["ebay-uk"]),
        ("shopify", &["shop"]),
        ("aliexpress", &["aliexpress"]),
    ] {
        let made = after[channel] - before.get(channel).copied().unwrap_or(0);
        let estimated = estimated(accounts);
        assert!(
            made.abs_diff(estimated) * 5 <= made,
            "{channel}: {estimated} estimated, {made} made; {}",
            text(&applied)
        );
    }
}
