//! What a channel says when it is asked: its fees beside ours, its categories.

use crate::exits::Shop;
use crate::{json, text};

/// The simulated Amazon takes 15 % (its `fees`), of 20.00 EUR: 3.00.
#[test]
fn the_channels_fees_stand_beside_what_the_price_was_made_with() {
    let shop = Shop::open("read-only", None);
    let ask = ["why", "price", "A", "--channel", "store", "--ask"];
    // The shop's rules assume no fee at all.
    let told = text(&shop.run(&ask, 2));
    assert!(told.contains("the channel takes 3.00 EUR more than the price was made for"), "{told}");
    let path = shop.path().join("tradewind.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let with = |fees: &str| {
        std::fs::write(&path, format!("{config}fees = \"{fees}\"\n")).unwrap();
        // One estimate a second, and each run of the program begins with a bucket of its own.
        shop.simulator.advance(std::time::Duration::from_secs(5));
    };
    with("0.16");
    let mut as_json = ask.to_vec();
    as_json.push("--json");
    let told = json(&shop.run(&as_json, 2));
    let fees = &told["fees"];
    // 16 % of 20.00 is 3.20.
    assert_eq!(
        (&fees["estimated_total"]["amount"], &fees["assumed_total"]["amount"], &fees["difference"]["amount"]),
        (&"3.00".into(), &"3.20".into(), &"-0.20".into()),
        "{told}"
    );
    assert_eq!(
        (&fees["estimated"][0]["kind"], &fees["estimated"][0]["code"]),
        (&"commission".into(), &"ReferralFee".into())
    );
    assert!(told["lines"].is_array(), "what made the price is told as without --ask: {told}");
    with("0.15");
    assert!(text(&shop.run(&ask, 0)).contains("no difference"));
    // Without --ask nobody is called.
    let plain = text(&shop.run(&ask[..5], 0));
    assert!(!plain.contains("estimates"), "{plain}");
    // A channel that tells no categories, and one that cannot be reached, are told apart.
    let told = text(&shop.run(&["categories", "--channel", "nobody", "mug"], 1));
    assert!(told.contains("there is no account 'nobody': there are store"), "{told}");
    assert_eq!(shop.run(&["categories", "--channel", "store"], 1).status.code(), Some(1));
}

/// The simulated branch of Shopify's taxonomy (shopify/taxonomy.rs).
#[test]
fn categories_are_found_by_words_and_tell_what_they_ask_for() {
    let shop = crate::cases::Shop::connected();
    let found = json(&shop.run(&["categories", "--channel", "shop", "shirts", "--json"], 0));
    let tee = found.as_array().unwrap().iter().find(|c| c["path"][3] == "T-Shirts").expect("in the branch");
    assert_eq!(
        tee["path"],
        serde_json::json!(["Apparel & Accessories", "Clothing", "Clothing Tops", "T-Shirts"])
    );
    let id = tee["id"].as_str().unwrap();
    let shown = text(&shop.run(&["categories", "--channel", "shop", "shirts"], 0));
    for needle in [id, "Clothing Tops › T-Shirts", "[account.offers] of shop"] {
        assert!(shown.contains(needle), "{needle} in {shown}");
    }
    let asked = text(&shop.run(&["categories", "--channel", "shop", "--attributes", id], 0));
    // A hundred patterns do not fit a terminal; all are in the JSON.
    assert!(asked.contains("Crew, Henley, V-neck") && asked.contains("… (100)"), "{asked}");
    let all = json(&shop.run(&["categories", "--channel", "shop", "--attributes", id, "--json"], 0));
    let pattern = all.as_array().unwrap().iter().find(|a| a["name"] == "Pattern").unwrap();
    assert_eq!(pattern["values"].as_array().unwrap().len(), 100);
    let none = text(&shop.run(&["categories", "--channel", "shop", "zeppelins"], 0));
    assert!(none.contains("no category of shop matches 'zeppelins'"), "{none}");
    // A provider of payments has none.
    let told = text(&shop.run(&["categories", "--channel", "paypal", "shirts"], 1));
    assert!(told.contains("'paypal' has no call that tells categories"), "{told}");
}
