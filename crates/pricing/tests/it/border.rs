//! Import charges in the sum: a jump, a region where they are not known, and the solver around both.

use tradewind_domain::{Currency, Decimal, Exact, Money, Rounding};
use tradewind_pricing::{Charged, ImportCharges, PriceBook, Pricer, PricingError};

use crate::{BOOK, desk, gbp, lamp, noon, rates};

/// 20 % tax contained in the price; duty 3.00 up to a net price of 150.00, above it 10 % of the net price, and not known
/// above a net price of 400.00.
struct Border {
    known_to: i64,
}

/// Above 400.00 net the rate is missing.
fn not_known() -> PricingError {
    PricingError::Landed { why: "rates.duty".to_owned(), lacks: None }
}

impl ImportCharges for Border {
    fn charges(&self, price: Money) -> Result<Vec<Charged>, PricingError> {
        let currency = price.currency();
        let round = |d: Decimal| Exact::new(d, currency).round(Rounding::HalfUp).unwrap();
        let net = round(price.decimal() / Decimal::new(12, 1));
        if net.minor() > self.known_to {
            return Err(not_known());
        }
        let duty = if net.minor() <= 15_000 {
            Money::from_minor(300, currency)
        } else {
            round(net.decimal() / Decimal::TEN)
        };
        let vat = round((net.decimal() + duty.decimal()) / Decimal::from(5));
        let charge = |label: &str, amount, contained| Charged {
            label: label.to_owned(),
            amount,
            origin: "rule".to_owned(),
            contained,
        };
        Ok(vec![charge("VAT", vat, true), charge("duty", duty, false)])
    }

    fn breaks(&self, _: Currency, limit: i64) -> Result<Vec<i64>, PricingError> {
        // The last gross prices whose rounded net is 150.00 and 400.00: 180.00 / 1.2 is 150.00, 180.01 / 1.2 is 150.008.
        Ok(vec![18_000, self.known_to * 12 / 10].into_iter().filter(|b| *b < limit).collect())
    }

    fn noise(&self, _: Currency) -> Decimal {
        Decimal::new(1, 2)
    }
}

fn with<T>(known_to: i64, purchase: &str, f: impl FnOnce(&Pricer<'_>) -> T) -> T {
    let text =
        BOOK.replace("vat = \"0.20\"", "vat = \"landed\"\nmarket = \"DE\"").replace("80.00 CNY", purchase);
    let (book, rates) = (PriceBook::parse(&text, "costs.toml").unwrap(), rates());
    let border = Border { known_to };
    f(&Pricer::new(&book, noon(), "ebay", &lamp(), desk(&rates), Some(&border)).unwrap())
}

#[test]
fn charges_are_rows_and_add_up() {
    with(40_000, "8.00 GBP", |p| {
        let d = p.derive(gbp("60.00")).unwrap();
        // net 50.00; VAT 20 % of 53.00 = 10.60; duty 3.00; purchase 8.00; freight 4.10; fee 6.00 + 0.30; returns 1.20
        let amounts: Vec<String> = d.lines.iter().map(|l| l.amount.amount()).collect();
        assert_eq!(amounts, ["-10.60", "-8.00", "-4.10", "-3.00", "-6.30", "-1.20"]);
        assert_eq!((d.net, d.margin), (gbp("49.40"), gbp("26.80")));
    });
}

#[test]
fn the_lowest_price_below_the_jump_is_found_and_the_cliff_shown() {
    with(40_000, "85.00 GBP", |p| {
        // At 180.00: net 150.00, VAT 30.60, duty 3.00, costs 89.10, fee 18.30, returns 3.60: left 35.40 of 149.40 (23.7 %).
        // At 180.01: duty 15.00, VAT 33.00: left 21.01 of 147.01 (14.3 %).
        let share: Decimal = "0.20".parse().unwrap();
        let s = p.price_for(share).unwrap();
        assert!(s.price.minor() <= 18_000, "{}", s.price);
        for lower in (s.price.minor() - 300)..s.price.minor() {
            assert!(!p.derive(Money::from_minor(lower, Currency::GBP)).unwrap().earns(share), "{lower}");
        }
        let cliff = s.cliffs.first().unwrap();
        assert_eq!(cliff.last_good, gbp("180.00"));
        let again = cliff.good_again.unwrap();
        assert!(p.derive(again).unwrap().earns(share));
        assert!(!p.derive(Money::from_minor(again.minor() - 1, Currency::GBP)).unwrap().earns(share));
        let (from, why) = s.unknown.unwrap();
        assert_eq!((from, why.as_str()), (gbp("480.01"), "rates.duty"));
    });
}

#[test]
fn what_is_not_known_is_no_price() {
    // Only prices up to 12.00 are known, and none of them pays for a purchase of 85.00.
    with(1_000, "85.00 GBP", |p| {
        assert_eq!(p.target_price().err(), Some(not_known()));
        assert!(matches!(p.guard(gbp("50.00")), Err(PricingError::Landed { .. })));
    });
}
