//! Prices and margins by hand arithmetic, and the laws of the solver.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside #[test] functions

use jiff::civil::{Date, date};
use proptest::prelude::*;
use tradewind_domain::{Currency, Decimal, Grams, Money};
use tradewind_fx::{Policy, RateBook, import};
use tradewind_pricing::{Article, Fx, Guard, Input, PriceBook, Pricer, PricingError};

mod book;
mod border;

const BOOK: &str = r#"
[skus.LAMP-01]
purchase = "80.00 CNY"
freight = "4.10 GBP"

[channels.ebay]
currency = "GBP"
vat = "0.20"
floor = "0.15"
target = "0.25"
returns = "0.02"
fees = [{ name = "channel fee", percent = "0.10", fixed = "0.30" }]

[[promotions]]
name = "summer"
channel = "ebay"
from = "2026-07-01T00:00:00Z"
until = "2026-08-01T00:00:00Z"
off = "0.10"
priority = 1
stacks = true

[[promotions]]
name = "extra"
channel = "ebay"
from = "2026-07-15T00:00:00Z"
until = "2026-08-01T00:00:00Z"
off = "0.50"
stacks = true
"#;

fn gbp(text: &str) -> Money {
    Money::parse(text, Currency::GBP).unwrap()
}

fn day() -> Date {
    date(2026, 3, 2)
}

fn rates() -> RateBook {
    let mut book = RateBook::new();
    import::any("date,base,quote,rate,source\n2026-03-02,CNY,GBP,0.1,desk\n", "fx.csv")
        .unwrap()
        .into_book(&mut book);
    book
}

fn desk(rates: &RateBook) -> Fx<'_> {
    Fx { rates, source: "DESK", date: day(), policy: Policy::default() }
}

/// A lamp of 500 g that the catalogue says was bought for 70.00 CNY.
fn lamp() -> Article {
    let at = |origin: &str| origin.to_owned();
    let purchase = Money::parse("70.00", Currency::CNY).unwrap().exact();
    Article {
        sku: "LAMP-01".to_owned(),
        purchase: Some(Input { value: purchase, origin: at("catalogue.csv:2") }),
        weight: Some(Input { value: Grams(500), origin: at("catalogue.csv:2") }),
    }
}

/// The second day of the rates, before any promotion.
fn noon() -> jiff::Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn with<T>(text: &str, f: impl FnOnce(&Pricer<'_>) -> T) -> T {
    let (book, rates) = (PriceBook::parse(text, "costs.toml").unwrap(), rates());
    f(&Pricer::new(&book, noon(), "ebay", &lamp(), desk(&rates), None).unwrap())
}

#[test]
fn a_derivation_adds_up_and_names_its_inputs() {
    with(BOOK, |p| {
        let d = p.derive(gbp("24.00")).unwrap();
        // VAT 24 − 24/1.2 = 4; purchase 80 × 0.1 = 8; freight 4.10; fee 2.40 + 0.30; returns 0.48; left 4.72
        let amounts: Vec<String> = d.lines.iter().map(|l| l.amount.amount()).collect();
        assert_eq!(amounts, ["-4.00", "-8.00", "-4.10", "-2.70", "-0.48"]);
        assert_eq!((d.net, d.margin), (gbp("20.00"), gbp("4.72")));
        assert!(d.lines[1].origin.starts_with("costs.toml:3, fx.csv:2"), "{}", d.lines[1].origin);
        assert_eq!(d.lines[2].origin, "costs.toml:4");
    });
}

/// Every amount of the printed table, as minor units.
fn printed(table: &str) -> Vec<i64> {
    let amount = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let text = words.iter().find(|w| {
            w.trim_start_matches('-')
                .split_once('.')
                .is_some_and(|(a, b)| b.len() == 2 && (a.to_owned() + b).bytes().all(|c| c.is_ascii_digit()))
        })?;
        text.replace('.', "").parse::<i64>().ok()
    };
    table.lines().filter_map(amount).collect()
}

#[test]
fn the_printed_table_adds_up() {
    let flat = BOOK.replace("\"80.00 CNY\"", "\"8.00 GBP\"");
    with(&flat, |p| {
        let rows = printed(&p.derive(gbp("24.00")).unwrap().table());
        // price, VAT, purchase, freight, fee, returns, margin: 24.00 − 4.00 − 8.00 − 4.10 − 2.70 − 0.48 = 4.72
        assert_eq!(rows, [2400, -400, -800, -410, -270, -48, 472]);
        assert_eq!(rows[..6].iter().sum::<i64>(), rows[6]);
    });
}

#[test]
fn the_guard_blocks_and_says_what_it_needs() {
    with(BOOK, |p| {
        assert!(matches!(p.guard(gbp("24.00")).unwrap(), Guard::Pass(_))); // 4.72 of 20.00 is 23.6 %
        let Guard::Blocked { needs, .. } = p.guard(gbp("18.00")).unwrap() else { panic!("not blocked") };
        // P/1.2·0.85 − 0.12·P = 12.40: P = 12.40 / (0.708333… − 0.12) = 21.0764…
        let needs = needs.unwrap();
        assert!((2105..=2110).contains(&needs.minor()), "{needs}");
        assert!(matches!(p.guard(needs).unwrap(), Guard::Pass(_)));
    });
}

#[test]
fn a_blank_floor_is_an_error() {
    for text in [BOOK.replace("floor = \"0.15\"\n", ""), BOOK.replace("\"0.15\"", "\"\"")] {
        let e = PriceBook::parse(&text, "costs.toml").unwrap_err();
        assert!(matches!(e, PricingError::BlankFloor { .. }), "{e}");
    }
}

#[test]
fn bad_books_are_refused_with_their_line() {
    for (from, to, says) in [
        ("\"80.00 CNY\"", "\"80,00 CNY\"", "costs.toml:3:"),
        ("\"80.00 CNY\"", "\"80.00\"", "costs.toml:3:"),
        ("\"80.00 CNY\"", "\"-1 CNY\"", "costs.toml:3:"),
        ("vat = \"0.20\"", "vat = \"20\"", "costs.toml:8:"),
        ("currency = \"GBP\"", "currency = \"QQQ\"", "costs.toml:7:"),
        ("returns = \"0.02\"", "retuns = \"0.02\"", "costs.toml:"),
        ("channel = \"ebay\"", "channel = \"ebuy\"", "costs.toml:16:"),
        ("until = \"2026-08-01T00:00:00Z\"", "until = \"2026-06-01T00:00:00Z\"", "costs.toml:18:"),
    ] {
        let e = PriceBook::parse(&BOOK.replacen(from, to, 1), "costs.toml").unwrap_err().to_string();
        assert!(e.starts_with(says), "{e} should start with {says}");
    }
}

#[test]
fn a_cost_without_a_fresh_rate_is_an_error() {
    let (book, rates) = (PriceBook::parse(BOOK, "costs.toml").unwrap(), rates());
    for (source, date) in [("DESK", date(2026, 4, 2)), ("ECB", day())] {
        let fx = Fx { source, date, ..desk(&rates) };
        let made = Pricer::new(&book, noon(), "ebay", &lamp(), fx, None);
        assert!(matches!(made.err(), Some(PricingError::Fx { .. })));
    }
}

/// Duty of 10 % on net prices above 20.00: prices above 24.00 fall short for a while.
fn cliff() -> String {
    BOOK.replace("returns = \"0.02\"", "returns = \"0.02\"\nduty = { rate = \"0.10\", above = \"20.00\" }")
}

#[test]
fn a_duty_threshold_is_a_cliff() {
    with(&cliff(), |p| {
        // At 24.00 the net is 20.00, not above: no duty. At 24.01 it is 20.01 × 10 % = 2.00.
        let no = p.derive(gbp("24.00")).unwrap();
        let yes = p.derive(gbp("24.01")).unwrap();
        assert_eq!(no.margin.minor(), 472);
        assert_eq!(yes.margin.minor(), 273); // 24.01 − 4.00 − 12.10 − 2.00 − 2.70 − 0.48
        let s = p.price_for("0.20".parse().unwrap()).unwrap();
        assert!(s.price.minor() < 2400);
        let c = s.cliffs.first().expect("the cliff is shown");
        assert_eq!(c.last_good, gbp("24.00"));
        let again = c.good_again.unwrap();
        assert!(again.minor() > 2401);
        assert!(p.derive(again).unwrap().earns("0.20".parse().unwrap()));
        assert!(
            !p.derive(Money::from_minor(again.minor() - 1, Currency::GBP))
                .unwrap()
                .earns("0.20".parse().unwrap())
        );
    });
}

#[test]
fn endings_go_up_and_keep_the_margin() {
    for (ending, modulus, rest) in [(".99", 100, 99), ("5", 10, 5), ("0", 10, 0)] {
        let text = cliff().replace("vat = \"0.20\"", &format!("vat = \"0.20\"\nending = \"{ending}\""));
        with(&text, |p| {
            let s = p.target_price().unwrap();
            assert_eq!(s.price.minor() % modulus, rest);
            assert!(s.derivation.earns("0.25".parse().unwrap()));
        });
    }
}

#[test]
fn tiers_and_minimums() {
    let text = BOOK.replace(
        "percent = \"0.10\", fixed = \"0.30\"",
        "tiers = [{ up_to = \"10.00\", percent = \"0.10\" }, { percent = \"0.05\" }], minimum = \"0.80\"",
    );
    with(&text, |p| {
        let fee = |price| p.derive(gbp(price)).unwrap().lines[3].amount.amount();
        assert_eq!(fee("5.00"), "-0.80"); // 0.50, below the minimum
        assert_eq!(fee("10.00"), "-1.00");
        assert_eq!(fee("30.00"), "-2.00"); // 10 × 10 % + 20 × 5 %
    });
}

#[test]
fn no_price_can_pay_for_everything() {
    let text = BOOK.replace("percent = \"0.10\"", "percent = \"0.85\"");
    with(&text, |p| assert!(matches!(p.target_price(), Err(PricingError::Unreachable { .. }))));
}

#[test]
fn promotions_stack_by_priority_inside_their_window() {
    with(BOOK, |p| {
        let at = |t: &str| p.promoted(gbp("50.00"), t.parse().unwrap()).unwrap();
        let price = |g: &Guard| match g {
            Guard::Pass(d) | Guard::Blocked { derivation: d, .. } => d.price,
        };
        let (g, names) = at("2026-06-30T23:59:59Z");
        assert_eq!((price(&g), names.len()), (gbp("50.00"), 0));
        let (g, names) = at("2026-07-01T00:00:00Z");
        assert_eq!((price(&g), names[0].name.as_str(), names.len()), (gbp("45.00"), "summer", 1));
        let (g, names) = at("2026-07-15T00:00:00Z");
        assert_eq!(price(&g), gbp("22.50")); // 50 × 0.9 × 0.5
        let names: Vec<&str> = names.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["summer", "extra"]);
        let (g, _) = at("2026-08-01T00:00:00Z");
        assert_eq!(price(&g), gbp("50.00"));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The lines add up to the margin, whatever the price.
    #[test]
    fn derivations_add_up(minor in 1_i64..5_000_000) {
        with(&cliff(), |p| {
            let d = p.derive(Money::from_minor(minor, Currency::GBP)).unwrap();
            let sum: i64 = d.lines.iter().map(|l| l.amount.minor()).sum();
            assert_eq!(minor + sum, d.margin.minor());
        });
    }

    /// price(margin(p)): the lowest price with the margin of p is at most p, earns it, and no lower price does.
    #[test]
    fn price_of_margin_round_trips(minor in 1_500_i64..6_000) {
        with(&cliff(), |p| {
            let d = p.derive(Money::from_minor(minor, Currency::GBP)).unwrap();
            // rounded down at ten digits so that p itself earns it
            let share = d.share().unwrap();
            let share = share - Decimal::new(1, 10);
            let s = p.price_for(share).unwrap();
            assert!(s.price.minor() <= minor, "{} > {minor}", s.price);
            assert!(s.derivation.earns(share));
            for lower in 1..s.price.minor() {
                assert!(!p.derive(Money::from_minor(lower, Currency::GBP)).unwrap().earns(share), "{lower}");
            }
        });
    }

    /// A promotion that passes the guard keeps the floor.
    #[test]
    fn a_promotion_never_passes_the_floor(minor in 100_i64..20_000, second in 0_i64..2_700_000) {
        with(BOOK, |p| {
            let at = jiff::Timestamp::from_second(1_782_864_000 + second).unwrap();
            let (guard, _) = p.promoted(Money::from_minor(minor, Currency::GBP), at).unwrap();
            if let Guard::Pass(d) = guard {
                assert!(d.margin.decimal() >= d.net.decimal() * "0.15".parse::<Decimal>().unwrap());
            }
        });
    }
}
