//! The price book through the program: plan, `why price`, `duty what-if`.

use serde_json::Value;

use crate::{json, text, tradewind};

const CONFIG: &str = r#"
[[catalogue]]
path = "c.csv"
[pricing]
book = "prices.toml"
[landed.to.DE]
channel = "courier"
incoterm = "DDP"
[[account]]
id = "shop"
connector = "amazon"
access = "read-write"
settings = { marketplace = "DE", seller_id = "S", client_id = "C" }
secrets = { client_secret = { file = "s" }, refresh_token = { file = "s" } }
[account.offers]
currency = "EUR"
channel = "de"
sold_via = "marketplace"
"#;

const BOOK: &str = r#"[costs]
packing = "0.40 EUR"
[channels.de]
currency = "EUR"
market = "DE"
vat = "landed"
floor = "0.20"
markup = "1"
ending = ".99"
fees = [{ name = "referral", percent = "0.15" }]
[channels.de.costs]
freight = "2.00 EUR"
"#;

const ROWS: &str = "sku,title,price,currency,cost,cost_currency,quantity,hs,origin\n\
    DEAR,Dear,49.90,EUR,8,EUR,3,691200,CN\n\
    EDGE,Edge,14.90,EUR,2,EUR,3,691200,CN\n\
    LOW,Low,9.90,EUR,8,EUR,3,691200,CN\n\
    NOHS,No code,49.90,EUR,8,EUR,3,,CN\n";

fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in
        [("tradewind.toml", CONFIG), ("prices.toml", BOOK), ("c.csv", ROWS), ("s", "secret")]
    {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    assert_eq!(tradewind(folder.path(), &["import"]).status.code(), Some(0));
    folder
}

fn minor(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}

#[test]
fn why_price_is_a_table_that_adds_up_with_the_place_of_each_input() {
    let folder = shop();
    let run = |args: &[&str]| tradewind(folder.path(), args);
    let why = json(&run(&["why", "price", "DEAR", "--channel", "shop", "--json"]));
    let amount = |v: &Value| minor(v["amount"].as_str().unwrap());
    let d = &why["derivation"];
    let rows: Vec<i64> = d["lines"].as_array().unwrap().iter().map(|l| amount(&l["amount"])).collect();
    assert_eq!(amount(&d["price"]) + rows.iter().sum::<i64>(), amount(&d["margin"]), "{why}");
    // The same for a person, from the printed text alone: the first amount of each row between price and margin.
    let shown = text(&run(&["why", "price", "DEAR", "--channel", "shop"]));
    let table: Vec<&str> =
        shown.lines().skip_while(|l| !l.starts_with("price EUR")).take_while(|l| !l.is_empty()).collect();
    let printed: Vec<i64> = table
        .iter()
        .map(|row| {
            // Two spaces before an amount; labels have single ones.
            let cell = row
                .split("  ")
                .map(str::trim)
                .find(|c| {
                    c.contains('.')
                        && c.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit() || b == b'.')
                })
                .unwrap();
            minor(cell)
        })
        .collect();
    let (margin, parts) = printed.split_last().unwrap();
    assert_eq!(parts.iter().sum::<i64>(), *margin, "{shown}");
    assert_eq!(parts[0], 4_999, "{shown}");
    for place in [
        "prices.toml:2",
        "prices.toml:12",
        "c.csv:2",
        "prices.toml:10",
        "config/duty/eu.toml:",
        "prices.toml:7",
    ] {
        assert!(shown.contains(place), "{place} is not in:\n{shown}");
    }
}

#[test]
fn why_shows_the_sum_of_a_blocked_price_too() {
    let folder = shop();
    let output = tradewind(folder.path(), &["why", "price", "LOW", "--channel", "shop"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let shown = text(&output);
    for words in ["c.csv:4", "= margin EUR", "BLOCKED 9.99 EUR leaves", "would keep it"] {
        assert!(shown.contains(words), "{words} is not in:\n{shown}");
    }
}

#[test]
fn the_plan_blocks_below_the_floor_on_landed_cost_and_says_why() {
    let folder = shop();
    let output = tradewind(folder.path(), &["plan", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let plan = json(&output);
    let of =
        |sku: &str| plan["changes"].as_array().unwrap().iter().find(|c| c["sku"] == sku).unwrap().clone();
    assert_eq!(of("DEAR")["offer"]["price"]["amount"], "49.99");
    let low = of("LOW");
    assert_eq!(low["stop"]["guard"], "margin_floor");
    let told = low["stop"]["why"].as_str().unwrap();
    assert!(told.contains("after landed cost") && told.contains("prices.toml:7"), "{told}");
    assert_eq!(of("NOHS")["stop"]["guard"], "missing_hs");
    let shown = text(&tradewind(folder.path(), &["plan"]));
    assert!(shown.contains("BLOCKED 9.99 EUR leaves"), "{shown}");
}

#[test]
fn what_if_lists_the_skus_whose_margin_flips() {
    let folder = shop();
    let ask = |date: &str, from: &str| {
        tradewind(folder.path(), &["duty", "what-if", "--json", "--from", from, "--date", date])
    };
    // EDGE at 14.99 before the 3 EUR: VAT 2.39, purchase 2.00, freight 2.00, packing 0.40, referral 2.25: 5.95 of 12.60.
    // After: duty 3.00, VAT 2.96: 2.38 of 12.03 is 19.8 %, below 20 %. DEAR moves and keeps its floor.
    let output = ask("2026-07-01T00:00:00+02:00", "2026-06-30T23:59:00+02:00");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let found = json(&output);
    assert_eq!((&found["flips"], &found["asked"]), (&serde_json::json!(1), &serde_json::json!(4)), "{found}");
    let row = &found["rows"][0];
    assert_eq!(
        (row["sku"].as_str(), row["after"]["state"].as_str()),
        (Some("EDGE"), Some("below")),
        "{found}"
    );
    assert_eq!(
        (&row["before"]["margin"]["amount"], &row["after"]["margin"]["amount"]),
        (&"5.95".into(), &"2.38".into())
    );
    assert_eq!(row["after"]["share"], "19.8");
    // The minute before, nothing flips; a date is noon there.
    let same = ask("2026-06-30T23:59:59+02:00", "2026-06-30");
    assert_eq!((same.status.code(), &json(&same)["flips"]), (Some(0), &serde_json::json!(0)));
    let shown =
        text(&tradewind(folder.path(), &["duty", "what-if", "--from", "2026-06-30", "--date", "2026-07-01"]));
    assert!(shown.contains("EDGE") && shown.contains("2.38 (19.8 %) below the floor"), "{shown}");
    let bad = tradewind(folder.path(), &["duty", "what-if", "--date", "July"]);
    assert!(text(&bad).contains("'July' is neither a date"), "{}", text(&bad));
}

/// The duty rate of a price comes from the stored tariff where the goods file states none, and `why price` names the row.
#[test]
fn the_stored_tariff_is_in_the_price_and_why_names_the_row() {
    let folder = shop();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let run = |args: &[&str]| tradewind(folder.path(), args);
    let config = CONFIG
        .replace(
            "[landed.to.DE]",
            "[landed]\ngoods = \"goods.toml\"\ntariffs = \"tariffs\"\n[landed.to.US]\nentry_type = \"11\"",
        )
        .replace("marketplace = \"DE\"", "marketplace = \"US\"")
        .replace("\"EUR\"", "\"USD\"")
        .replace("channel = \"de\"", "channel = \"us\"");
    let book = BOOK
        .replace("EUR", "USD")
        .replace(".de", ".us")
        .replace("\"DE\"", "\"US\"")
        .replace("\"landed\"", "\"0\"");
    let goods = "[[goods]]\nhs = \"6912\"\nfacts = { ad_cvd = \"none\", section_301_list = \"4A\" }\nsource = \"a test\"\n";
    write("tradewind.toml", &config);
    write("prices.toml", &book);
    write("goods.toml", goods);
    write("c.csv", &ROWS.replace("EUR", "USD").replace("691200,", "6912004400,"));
    let why = ["why", "price", "DEAR", "--channel", "shop", "--at", "2026-08-10T16:00:00Z"];
    let output = run(&why);
    assert!(text(&output).contains("duty tariff import"), "{}", text(&output));
    write(
        "hts.csv",
        "HTS Number,Indent,Description,Unit of Quantity,General Rate of Duty,Special Rate of Duty,Column 2 Rate of Duty,Quota Quantity,Additional Duties\n\
         6912.00.44.00,0,Mugs,,10%,,25%,,\n",
    );
    let output =
        run(&["duty", "tariff", "import", "hts.csv", "--from", "2026-01-01", "--edition", "2026-01"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(run(&["import"]).status.code(), Some(0));
    let shown = text(&run(&why));
    // 49.99 USD: 10 % of the tariff 5.00, list 4A 7.5 % 3.75, forced labour 12.5 % 6.25.
    for words in ["HTS 2026-01 6912004400 line 2 sha256:", "-5.00", "-3.75", "-6.25", "config/duty/us.toml:"]
    {
        assert!(shown.contains(words), "{words} is not in:\n{shown}");
    }
    // A rate of the goods file goes before it: 49.99 × 2 % = 1.00.
    write("goods.toml", &goods.replace("facts", "rates = { duty = \"0.02\" }\nfacts"));
    let shown = text(&run(&why));
    assert!(shown.contains("-1.00") && !shown.contains("HTS 2026-01"), "{shown}");
    // A fact that no rule asks for is refused with its place.
    write("goods.toml", &goods.replace("section_301_list", "section_301_lists"));
    let shown = text(&run(&why));
    assert!(
        shown.contains("goods.toml:3:1: facts.section_301_lists")
            && shown.contains("did you mean 'section_301_list'"),
        "{shown}"
    );
}
