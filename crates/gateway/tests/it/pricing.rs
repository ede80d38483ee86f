//! Prices through the price book with landed cost: hand arithmetic, guards at plan and at send, promotions.

use serde_json::{Value, json};
use tradewind_domain::{AccountId, Money, Product, Sku, Variant};
use tradewind_gateway::Engines;
use tradewind_gateway::config::Config;
use tradewind_gateway::desired::{Guard, Stop};
use tradewind_gateway::plan::{Action, Change};
use tradewind_gateway::pricing::{Judged, Priced, Prices};

use crate::shop::Shop;

const CONFIG: &str = r#"
[pricing]
book = "prices.toml"
[landed.to.DE]
channel = "courier"
incoterm = "DDP"
[[account]]
id = "shop"
connector = "none"
[account.offers]
currency = "EUR"
channel = "de"
sold_via = "marketplace"
"#;

const BOOK: &str = r#"
[costs]
packing = "0.40 EUR"
[channels.de]
currency = "EUR"
market = "DE"
vat = "landed"
floor = "0.20"
markup = "1"
ending = ".99"
returns = "0.02"
fees = [{ name = "referral", percent = "0.15" }]
[channels.de.costs]
freight = "1.00 EUR + 4.00 EUR/kg"
"#;

/// A mug of 250 g that cost `cost` to buy and is listed at `price`.
fn mug(price: &str, cost: &str) -> Variant {
    let money = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    let mug: Value = json!({"sku": "MUG-1", "price": money(price), "cost": money(cost),
        "hs": "691200", "origin": "CN", "weight": 250, "source": {"file": "catalogue.csv", "row": 2}});
    serde_json::from_value(mug).unwrap()
}

fn shop(config: &str, book: &str) -> Shop {
    Shop::open(config, &[("prices.toml", book)])
}

impl Shop {
    fn at(&self, instant: &str) -> Prices<'_> {
        Prices::new(&self.config, &self.engines, instant.parse().unwrap())
    }

    fn explain(&self, instant: &str, variant: &Variant) -> Result<Priced, Stop> {
        let prices = self.at(instant);
        prices.explain(prices.terms(&AccountId::new("shop").unwrap()).unwrap(), variant)
    }
}

const AUGUST: &str = "2026-08-01T10:00:00Z";

#[test]
fn a_price_with_landed_cost_by_hand() {
    let found = shop(CONFIG, BOOK).explain(AUGUST, &mug("29.90", "8.00")).unwrap();
    // 29.90 up to .99. Net 29.99 / 1.19 = 25.20; duty 3 EUR; VAT 4.79 + 19 % of 3.00 = 5.36; freight 1.00 + 4.00 × 0.25;
    // referral 4.4985; returns 0.5998. Left: 29.99 − 5.36 − 8.00 − 2.00 − 0.40 − 3.00 − 4.50 − 0.60 = 6.13.
    let d = &found.derivation;
    let rows: Vec<String> = d.lines.iter().map(|l| l.amount.amount()).collect();
    assert_eq!(rows, ["-5.36", "-8.00", "-2.00", "-0.40", "-3.00", "-4.50", "-0.60"]);
    assert_eq!(
        [found.price, d.net, d.margin].map(Money::amount),
        ["29.99", "24.63", "6.13"].map(str::to_owned)
    );
    let origin = |n: usize| d.lines[n].origin.as_str();
    assert_eq!(
        (origin(1), origin(2), origin(3)),
        ("catalogue.csv:2", "prices.toml:14, catalogue.csv:2", "prices.toml:3")
    );
    // The rule's own line in its pack.
    let eu = include_str!("../../../../config/duty/eu.toml");
    let line = 1 + eu.lines().position(|l| l == "id = \"EU-LV-3EUR\"").unwrap();
    assert_eq!(origin(4), format!("config/duty/eu.toml:{line}"));
    assert_eq!(found.notes, ["UNVERIFIED_RATE:DE.VAT.standard"]);
    assert_eq!(found.floor.origin, "prices.toml:8");
}

#[test]
fn below_the_floor_is_blocked_with_the_price_that_would_do() {
    let shop = shop(CONFIG, BOOK);
    let stop = shop.explain(AUGUST, &mug("14.90", "8.00")).unwrap_err();
    assert_eq!(stop.guard, Guard::MarginFloor);
    // 14.99: net 12.60; VAT 2.39 + 0.57 = 2.96; 14.99 − 2.96 − 8.00 − 2.00 − 0.40 − 3.00 − 2.25 − 0.30 = −3.92.
    assert!(stop.why.starts_with("14.99 EUR leaves -3.92 EUR"), "{}", stop.why);
    assert!(stop.why.contains("the floor is 20 % (prices.toml:8)"), "{}", stop.why);
    // The price it names keeps the floor, the one with the ending before it does not.
    let needs = stop.why.split(": ").last().unwrap().split_once(" EUR").unwrap().0.to_owned();
    let needs: Money = Money::parse(&needs, tradewind_domain::Currency::EUR).unwrap();
    let prices = shop.at(AUGUST);
    let terms = prices.terms(&AccountId::new("shop").unwrap()).unwrap();
    let judged = |minor| {
        prices.judge(terms, &mug("14.90", "8.00"), Money::from_minor(minor, needs.currency())).unwrap()
    };
    assert!(matches!(judged(needs.minor()), Judged::Keeps(_)));
    assert!(matches!(judged(needs.minor() - 100), Judged::Falls(..)));
}

#[test]
fn what_the_border_needs_and_nobody_knows_blocks() {
    let shop = self::shop(CONFIG, BOOK);
    let mut unknown = mug("29.90", "8.00");
    unknown.hs = None;
    let stop = shop.explain(AUGUST, &unknown).unwrap_err();
    assert_eq!(stop.guard, Guard::MissingHs, "{}", stop.why);
    // Above 150 EUR the tariff decides, and no rate is known: not zero.
    let stop = shop.explain(AUGUST, &mug("299.00", "8.00")).unwrap_err();
    assert_eq!(stop.guard, Guard::LandedCost, "{}", stop.why);
    assert!(stop.why.contains("rates.duty"), "{}", stop.why);
    // Who pays at the border is asked, not assumed.
    let silent = self::shop(&CONFIG.replace("incoterm = \"DDP\"\n", ""), BOOK);
    let stop = silent.explain(AUGUST, &mug("29.90", "8.00")).unwrap_err();
    assert!(stop.why.contains("[landed.to.DE] does not say who pays"), "{}", stop.why);
}

#[test]
fn the_buyer_pays_at_the_border_under_dap() {
    let shop = shop(&CONFIG.replace("DDP", "DAP"), &BOOK.replace("vat = \"landed\"", "vat = \"0\""));
    let found = shop.explain(AUGUST, &mug("29.90", "8.00")).unwrap();
    let labels: Vec<&str> =
        found.derivation.lines.iter().map(|l| l.label.split(' ').nth(1).unwrap()).collect();
    assert_eq!(labels, ["purchase", "freight", "packing", "referral", "returns"]);
}

#[test]
fn goods_facts_give_the_tariff_rate_and_are_named() {
    let goods =
        "[[goods]]\nhs = \"6912\"\nto = [\"DE\"]\nrates = { duty = \"0.05\" }\nsource = \"TARIC, test\"\n";
    let config = format!("[landed]\ngoods = \"goods.toml\"\n{CONFIG}");
    let shop = Shop::open(&config, &[("prices.toml", BOOK), ("goods.toml", goods)]);
    let found = shop.explain(AUGUST, &mug("299.00", "8.00")).unwrap();
    // 299.99 / 1.19 = 252.09; 5 % of it is 12.6045.
    let duty = found.derivation.lines.iter().find(|l| l.label.starts_with("- duty")).unwrap();
    assert_eq!(duty.amount.amount(), "-12.60");
    assert!(duty.origin.contains("goods.toml:2 (TARIC, test)"), "{}", duty.origin);
}

#[test]
fn the_law_of_a_day_moves_the_margin_and_the_guard_asks_again_at_send() {
    let shop = shop(CONFIG, BOOK);
    let cheap = mug("14.90", "2.00");
    // Until July no duty: 14.99 − 2.39 − 2.00 − 2.00 − 0.40 − 2.25 − 0.30 = 5.65 of 12.60. From then on 3 EUR and the tax
    // on them: 2.08 of 12.03 is 17.3 %.
    let planned = shop.explain("2026-06-30T21:59:59Z", &cheap).unwrap();
    assert_eq!(
        [planned.price, planned.derivation.margin].map(Money::amount),
        ["14.99", "5.65"].map(str::to_owned)
    );
    let product: Product =
        serde_json::from_value(json!({"id": "MUG", "content": {}, "variants": []})).unwrap();
    let offer = json!({"sku": "MUG-1", "product": "MUG", "price": planned.price, "quantity": 1, "locale": "en",
        "content": {"title": "Mug"}});
    let change = Change {
        account: AccountId::new("shop").unwrap(),
        sku: Sku::new("MUG-1").unwrap(),
        action: Some(Action::Create { offer: Box::new(serde_json::from_value(offer).unwrap()) }),
        cause: String::new(),
        stop: None,
    };
    let variants = [(change.sku.clone(), (product, cheap))].into();
    assert_eq!(shop.at("2026-06-30T21:59:59Z").at_send(&change, &variants), Ok(()));
    // Midnight in Brussels.
    let stop = shop.at("2026-06-30T22:00:00Z").at_send(&change, &variants).unwrap_err();
    assert_eq!(stop.guard, Guard::MarginFloor);
    assert!(stop.why.starts_with("14.99 EUR leaves 2.08 EUR (17.3 % of net)"), "{}", stop.why);
}

/// A plan of June, applied in August: the price it would put up does not go out.
#[tokio::test]
async fn apply_holds_a_price_that_no_longer_keeps_its_floor() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("prices.toml"), BOOK).unwrap();
    let gateway = crate::landed::gateway(dir.path(), CONFIG, Some("420222")).await;
    let mut product: Product =
        serde_json::from_value(json!({"id": "MUG", "content": {"en": {"title": "Mug"}}, "variants": []}))
            .unwrap();
    product.variants.push(mug("14.90", "2.00"));
    let mut batch = tradewind_store::Batch::new();
    batch.put(&tradewind_gateway::records::ProductRecord(product)).unwrap();
    gateway.store.commit(batch).await.unwrap();
    let mut plan = gateway.plan().await.unwrap();
    let offer = json!({"sku": "MUG-1", "product": "MUG", "price": {"amount": "14.99", "currency": "EUR"}, "quantity": 1,
        "locale": "en", "content": {"title": "Mug"}});
    plan.changes = vec![Change {
        account: AccountId::new("shop").unwrap(),
        sku: Sku::new("MUG-1").unwrap(),
        action: Some(Action::Create { offer: Box::new(serde_json::from_value(offer).unwrap()) }),
        cause: String::new(),
        stop: None,
    }];
    plan.id = plan.name();
    let applied = gateway.apply(&plan).await.unwrap();
    assert_eq!((applied.held, applied.accepted), (1, 0));
    assert!(
        applied.errors[0].contains("MUG-1 at shop held: 14.99 EUR leaves 2.08 EUR"),
        "{:?}",
        applied.errors
    );
}

#[test]
fn a_promotion_below_the_floor_is_left_out_and_named() {
    let promotion = |off: &str| {
        format!(
            "{BOOK}\n[[promotions]]\nname = \"summer\"\nchannel = \"de\"\nfrom = \"2026-08-01T00:00:00+02:00\"\nuntil = \"2026-08-15T00:00:00+02:00\"\noff = \"{off}\"\n"
        )
    };
    let variant = mug("29.90", "6.00");
    // Half off leaves next to nothing: the regular price stays.
    let found = shop(CONFIG, &promotion("0.50")).explain(AUGUST, &variant).unwrap();
    assert_eq!(found.price.amount(), "29.99");
    assert!(found.notes[0].starts_with("promotion summer left out: 15.00 EUR leaves"), "{:?}", found.notes);
    // 5 % off: 29.99 × 0.95 = 28.4905.
    let found = shop(CONFIG, &promotion("0.05")).explain(AUGUST, &variant).unwrap();
    assert_eq!(found.price.amount(), "28.49");
    let found = shop(CONFIG, &promotion("0.05")).explain("2026-08-14T22:00:00Z", &variant).unwrap();
    assert_eq!(found.price.amount(), "29.99");
}

#[test]
fn a_target_is_solved_through_the_duty_and_the_cliff_is_shown() {
    let book = BOOK.replace("markup = \"1\"", "target = \"0.30\"");
    let goods = "[[goods]]\nhs = \"6912\"\nto = [\"DE\"]\nrates = { duty = \"0.12\" }\nsource = \"test\"\n";
    let config = format!("[landed]\ngoods = \"goods.toml\"\n{CONFIG}");
    let shop = Shop::open(&config, &[("prices.toml", &book), ("goods.toml", goods)]);
    let variant = mug("1.00", "60.00");
    let found = shop.explain(AUGUST, &variant).unwrap();
    let target = "0.30".parse().unwrap();
    assert!(found.derivation.earns(target));
    let prices = shop.at(AUGUST);
    let terms = prices.terms(&AccountId::new("shop").unwrap()).unwrap();
    let earns = |minor: i64| match prices
        .judge(terms, &variant, Money::from_minor(minor, found.price.currency()))
        .unwrap()
    {
        Judged::Keeps(d) | Judged::Falls(d, _) => d.earns(target),
        Judged::Unknown(why) => panic!("{why}"),
    };
    // The ten prices with the ending below it earn less.
    assert_eq!(found.price.minor() % 100, 99);
    let before = found.price.minor() - 1_000;
    assert!((before..found.price.minor()).step_by(100).all(|p| !earns(p)));
    // 150.00 net is 178.50 gross, and 178.50 / 1.19 is 150.00 exactly; 178.51 / 1.19 = 150.008 is 150.01.
    assert_eq!(found.cliffs[0].last_good.amount(), "178.50");
    assert!(earns(17_850) && !earns(17_851));
    let again = found.cliffs[0].good_again.unwrap();
    assert!(earns(again.minor()) && !earns(again.minor() - 1));
}

#[test]
fn contradictions_of_configuration_and_book_are_told() {
    let refused = |config: &str, book: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("prices.toml"), book).unwrap();
        match Config::parse(config, "tradewind.toml") {
            Err(e) => e.to_string(),
            Ok(c) => Engines::load(&c, dir.path()).unwrap_err().to_string(),
        }
    };
    let told = refused(&CONFIG.replace("channel = \"de\"", "channel = \"dee\""), BOOK);
    assert!(told.contains("channel 'dee', which the price book does not have; it has de"), "{told}");
    let told = refused(&CONFIG.replace("channel = \"de\"", "channel = \"de\"\nfees = \"0.1\""), BOOK);
    assert!(told.contains("offers.fees beside offers.channel") && told.contains("[channels.de]"), "{told}");
    let told = refused(&CONFIG.replace("[pricing]\nbook = \"prices.toml\"\n", ""), BOOK);
    assert!(told.contains("add [pricing] book"), "{told}");
    let told = refused(CONFIG, &BOOK.replace("currency = \"EUR\"", "currency = \"USD\""));
    assert!(told.contains("sells in EUR") && told.contains("in USD"), "{told}");
    let told = refused(CONFIG, &BOOK.replace("floor = \"0.20\"", "floor = \"\""));
    assert!(told.starts_with("prices.toml:4: channel de has no floor margin"), "{told}");
    let told = refused(&CONFIG.replace("landed.to.DE", "landed.to.UK"), BOOK);
    assert!(told.contains("'UK' is no country"), "{told}");
}

/// With a target the catalogue's price decides nothing but whether there is one: what was found for a SKU that is alike
/// must not put up one whose price is zero.
#[test]
fn a_remembered_price_does_not_lift_a_zero_and_a_remembered_reason_names_its_own_sku() {
    let goods = "[[goods]]\nhs = \"6912\"\nto = [\"DE\"]\nrates = { duty = \"0.12\" }\nsource = \"test\"\n";
    let book = BOOK.replace("markup = \"1\"", "target = \"0.30\"");
    let config = format!("[landed]\ngoods = \"goods.toml\"\n{CONFIG}");
    let shop = Shop::open(&config, &[("prices.toml", &book), ("goods.toml", goods)]);
    let prices = shop.at(AUGUST);
    let terms = prices.terms(&AccountId::new("shop").unwrap()).unwrap();
    let first = mug("10.00", "8.00");
    assert!(prices.price(terms, &first).unwrap().is_positive());
    let stop =
        prices.price(terms, &Variant { price: Money::zero(first.price.currency()), ..first }).unwrap_err();
    assert_eq!(stop.guard, Guard::ZeroPrice);
    assert!(stop.why.contains("0.00 EUR (catalogue.csv:2)"), "{}", stop.why);
    // Two SKUs without a cost, otherwise alike: each reason names its own.
    for sku in ["MUG-1", "MUG-2"] {
        let variant = Variant { sku: Sku::new(sku).unwrap(), cost: None, ..mug("10.00", "8.00") };
        let stop = prices.price(terms, &variant).unwrap_err();
        assert!(stop.why.starts_with(&format!("SKU {sku} has no purchase cost")), "{}", stop.why);
        assert_eq!(prices.price(terms, &variant).unwrap_err(), stop);
    }
}

#[test]
fn the_general_floor_raises_the_channels() {
    let guard = |floor: &str| format!("[guard]\nmargin_floor = \"{floor}\"\n{CONFIG}");
    // As computed by hand above: 29.99 leaves 6.13 of 24.63 net, 24.9 %.
    let stop = shop(&guard("0.25"), BOOK).explain(AUGUST, &mug("29.90", "8.00")).unwrap_err();
    assert_eq!(stop.guard, Guard::MarginFloor);
    assert!(
        stop.why.contains("(24.9 % of net)")
            && stop.why.contains("the floor is 25 % (tradewind.toml guard.margin_floor)"),
        "{}",
        stop.why
    );
    // The channel may ask for more.
    let found = shop(&guard("0.10"), BOOK).explain(AUGUST, &mug("29.90", "8.00")).unwrap();
    assert_eq!(found.floor.origin, "prices.toml:8");
    // A scheduled floor is raised too, and a target below it could never be sold.
    let later = format!(
        "{BOOK}\n[[scheduled]]\nname = \"cheaper\"\nfrom = \"2026-07-15T00:00:00Z\"\n[scheduled.channels.de]\nfloor = \"0.01\"\n"
    );
    let stop = shop(&guard("0.25"), &later).explain(AUGUST, &mug("29.90", "8.00")).unwrap_err();
    assert!(stop.why.contains("the floor is 25 %"), "{}", stop.why);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("prices.toml"), BOOK.replace("markup = \"1\"", "target = \"0.30\""))
        .unwrap();
    let config = Config::parse(&guard("0.35"), "tradewind.toml").unwrap();
    let told = Engines::load(&config, dir.path()).unwrap_err().to_string();
    assert_eq!(
        told,
        "prices.toml:9: the target 0.30 is below the floor 0.35 (tradewind.toml guard.margin_floor): raise the one or lower the other"
    );
}
