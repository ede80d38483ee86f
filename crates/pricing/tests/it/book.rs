//! The price book: costs and their precedence, scheduled editions, and what it refuses.

use tradewind_domain::{Currency, Money};
use tradewind_pricing::{Input, PriceBook, Pricer, PricingError};

use crate::{BOOK, desk, gbp, lamp, noon, rates};

/// Label and amount of the costs on `ebay` at an instant.
fn costs_at(text: &str, at: &str) -> Vec<(String, String)> {
    let (book, rates) = (PriceBook::parse(text, "costs.toml").unwrap(), rates());
    let p = Pricer::new(&book, at.parse().unwrap(), "ebay", &lamp(), desk(&rates), None).unwrap();
    let d = p.derive(gbp("100.00")).unwrap();
    let costs = d
        .lines
        .iter()
        .filter(|l| !["- VAT", "- channel", "- returns"].iter().any(|s| l.label.starts_with(s)));
    costs.map(|l| (l.label.clone(), l.amount.amount())).collect()
}

fn rows(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(l, a)| ((*l).to_owned(), (*a).to_owned())).collect()
}

#[test]
fn costs_come_from_all_the_channel_the_sku_and_the_catalogue() {
    let plain = BOOK.replace("[skus.LAMP-01]\npurchase = \"80.00 CNY\"\nfreight = \"4.10 GBP\"\n", "");
    // The catalogue: 70.00 CNY at 0.1 is 7.00.
    assert_eq!(
        costs_at(&plain, "2026-03-02T00:00:00Z"),
        rows(&[("- purchase 70.00 CNY × 0.1 GBP", "-7.00")])
    );
    let all = format!("[costs]\npacking = \"0.35 GBP\"\nfreight = \"9.00 GBP\"\n{plain}");
    let with_channel = all.replace(
        "[channels.ebay]",
        "[channels.ebay.costs]\nfreight = \"1.20 GBP + 5.00 GBP/kg\"\n[channels.ebay]",
    );
    // 0.5 kg: 1.20 + 2.50. The channel's freight goes before everybody's.
    assert_eq!(
        costs_at(&with_channel, "2026-03-02T00:00:00Z"),
        rows(&[
            ("- purchase 70.00 CNY × 0.1 GBP", "-7.00"),
            ("- freight 1.20 GBP + 5.00 GBP/kg × 0.5 kg", "-3.70"),
            ("- packing", "-0.35"),
        ])
    );
    // The SKU's own goes before the channel's.
    let own = format!("[skus.LAMP-01]\nfreight = \"2.00 GBP\"\n{with_channel}");
    assert_eq!(costs_at(&own, "2026-03-02T00:00:00Z")[1], ("- freight".to_owned(), "-2.00".to_owned()));
}

#[test]
fn what_a_cost_needs_and_nobody_knows_is_an_error() {
    let (rates, plain) = (rates(), BOOK.replace("purchase = \"80.00 CNY\"\n", ""));
    let book = PriceBook::parse(&plain.replace("4.10 GBP", "4.10 GBP/kg"), "costs.toml").unwrap();
    let mut article = lamp();
    article.weight = None;
    let told = Pricer::new(&book, noon(), "ebay", &article, desk(&rates), None).err().unwrap().to_string();
    assert!(told.starts_with("costs.toml:3: freight of SKU LAMP-01 is per kilogram"), "{told}");
    article.purchase = None;
    let told = Pricer::new(&book, noon(), "ebay", &article, desk(&rates), None).err().unwrap();
    assert_eq!(told, PricingError::NoPurchase("LAMP-01".to_owned()));
    let told = Pricer::new(&book, noon(), "amazon", &lamp(), desk(&rates), None).err().unwrap();
    assert_eq!(told, PricingError::UnknownChannel("amazon".to_owned()));
}

#[test]
fn a_scheduled_edition_holds_from_its_first_instant() {
    let text = format!(
        "{BOOK}
[[scheduled]]
name = \"winter\"
from = \"2026-11-01T00:00:00Z\"
[scheduled.skus.LAMP-01]
freight = \"5.10 GBP\"
[scheduled.channels.ebay]
floor = \"0.12\"

[[scheduled]]
name = \"autumn\"
from = \"2026-09-01T00:00:00Z\"
[scheduled.costs]
packing = \"0.40 GBP\"
"
    );
    let book = PriceBook::parse(&text, "costs.toml").unwrap();
    let floor = |at: &str| book.at(at.parse().unwrap()).channels["ebay"].floor.clone();
    assert_eq!(floor("2026-10-31T23:59:59Z").value.to_string(), "0.15");
    assert_eq!(floor("2026-11-01T00:00:00Z").value.to_string(), "0.12");
    assert_eq!(floor("2026-11-01T00:00:00Z").origin, "costs.toml:37");
    assert_eq!(book.at("2026-11-01T00:00:00Z".parse().unwrap()).name, "winter");
    // Autumn's packing stays in winter: a change touches only what it names.
    let names =
        |at: &str| costs_at(&text, at).into_iter().map(|(l, a)| format!("{l} {a}")).collect::<Vec<_>>();
    let at = "- purchase 80.00 CNY × 0.1 GBP -8.00";
    assert_eq!(names("2026-08-31T23:59:59Z"), [at, "- freight -4.10"]);
    assert_eq!(names("2026-09-01T00:00:00Z"), [at, "- freight -4.10", "- packing -0.40"]);
    assert_eq!(names("2026-11-01T00:00:00Z"), [at, "- freight -5.10", "- packing -0.40"]);
    // A mistake in an edition of the future is told today.
    let told = PriceBook::parse(&text.replace("\"5.10 GBP\"", "\"5,10 GBP\""), "costs.toml").unwrap_err();
    assert!(told.to_string().starts_with("costs.toml:35: "), "{told}");
    let told = PriceBook::parse(&text.replace("2026-11-01", "2026-09-01"), "costs.toml").unwrap_err();
    assert!(told.to_string().contains("write them as one"), "{told}");
}

#[test]
fn contradictions_are_refused_with_line_and_remedy() {
    for (from, to, says) in [
        ("target = \"0.25\"", "target = \"0.10\"", "costs.toml:10: the target 0.10 is below the floor 0.15"),
        (
            "target = \"0.25\"",
            "target = \"0.25\"\nmarkup = \"1\"",
            "costs.toml:11: \"1\" is a markup beside a target",
        ),
        ("target = \"0.25\"\n", "", "costs.toml:6: channel ebay has neither target nor markup"),
        ("vat = \"0.20\"\n", "", "costs.toml:6: channel ebay has no vat"),
        ("vat = \"0.20\"", "vat = \"landed\"", "costs.toml:8: \"landed\" needs the country"),
        ("vat = \"0.20\"", "vat = \"landed\"\nmarket = \"UK\"", "costs.toml:9: \"UK\" is no country"),
        (
            "\"4.10 GBP\"",
            "\"4.10 GBP + 1.00 EUR/kg\"",
            "costs.toml:4: \"4.10 GBP + 1.00 EUR/kg\" has two currencies",
        ),
        ("\"4.10 GBP\"", "\"4.10 GBP + 1.00 GBP\"", "costs.toml:4: "),
        (
            "returns =",
            "market = \"DE\"\nduty = { rate = \"0.1\", above = \"1\" }\nreturns =",
            "costs.toml:12: \"0.1\" is a duty of its own",
        ),
    ] {
        let told = PriceBook::parse(&BOOK.replacen(from, to, 1), "costs.toml").unwrap_err().to_string();
        assert!(told.starts_with(says), "{told}\nshould start with\n{says}");
    }
}

#[test]
fn a_market_without_landed_cost_is_no_price() {
    let (rates, text) = (rates(), BOOK.replace("vat = ", "market = \"DE\"\nvat = "));
    let book = PriceBook::parse(&text, "costs.toml").unwrap();
    let told = Pricer::new(&book, noon(), "ebay", &lamp(), desk(&rates), None).err().unwrap().to_string();
    assert!(told.contains("costs.toml:8: channel ebay sells to DE, and no landed cost"), "{told}");
}

#[test]
fn a_markup_makes_the_catalogue_price_and_says_how() {
    let (rates, text) = (rates(), BOOK.replace("target = \"0.25\"", "markup = \"1.5\"\nending = \".99\""));
    let book = PriceBook::parse(&text, "costs.toml").unwrap();
    let p = Pricer::new(&book, noon(), "ebay", &lamp(), desk(&rates), None).unwrap();
    let asked =
        Input { value: Money::parse("200.00", Currency::CNY).unwrap(), origin: "catalogue.csv:2".to_owned() };
    // 200.00 × 0.1 × 1.5 = 30.00, up to the next .99
    let (price, steps) = p.marked_up(&asked).unwrap();
    assert_eq!(price, gbp("30.99"));
    let steps: Vec<&str> = steps.iter().map(|(l, _)| l.as_str()).collect();
    assert_eq!(steps, ["catalogue price 200.00 CNY", "× 0.1 GBP", "× markup 1.5", "up to the ending"]);
    assert!(matches!(p.target_price(), Err(PricingError::NoPriceRule)));
}

#[test]
fn a_promotion_for_some_skus_leaves_the_others_alone() {
    let text = BOOK.replace("off = \"0.10\"", "off = \"0.10\"\nskus = [\"LAMP-02\"]");
    let (book, rates) = (PriceBook::parse(&text, "costs.toml").unwrap(), rates());
    let names = |sku: &str| {
        let mut article = lamp();
        article.sku = sku.to_owned();
        let p = Pricer::new(&book, noon(), "ebay", &article, desk(&rates), None).unwrap();
        let (_, found) = p.promoted(gbp("50.00"), "2026-07-02T00:00:00Z".parse().unwrap()).unwrap();
        found.iter().map(|p| p.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("LAMP-01"), Vec::<String>::new());
    let text_two = text.replace("[skus.LAMP-01]", "[skus.LAMP-02]");
    let book = PriceBook::parse(&text_two, "costs.toml").unwrap();
    let mut article = lamp();
    article.sku = "LAMP-02".to_owned();
    let p = Pricer::new(&book, noon(), "ebay", &article, desk(&rates), None).unwrap();
    let (_, found) = p.promoted(gbp("50.00"), "2026-07-02T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(found.len(), 1);
}
