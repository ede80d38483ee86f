//! The marketplaces of the fake, with the tax rules that show in orders and settlements.
//!
//! Ids, countries and currencies: Amazon developer guide, table of marketplaces. Tax: a deliberate
//! simplification with round national rates; what matters is *who* collects. US and CA: the
//! marketplace adds sales tax and remits it. GB (goods up to 135 GBP) and EU (up to 150 EUR):
//! prices include VAT, the marketplace is the deemed supplier and remits it. Above, and elsewhere,
//! the seller is liable and nothing is withheld.

use crate::core::money::share;

/// One marketplace.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) id: &'static str,
    pub(super) country: &'static str,
    pub(super) currency: &'static str,
    /// As settlement files name it.
    pub(super) name: &'static str,
    /// Where its buyers live, most usual first.
    pub(super) buyers: &'static [&'static str],
    /// Percent.
    pub(super) tax: i64,
    /// Whether listing prices contain the tax.
    pub(super) tax_inside: bool,
    /// The marketplace collects up to this value of goods without tax, minor units. 0: never.
    pub(super) collects_up_to: i64,
}

const EU_BUYERS: &[&str] = &["DE", "AT", "FR", "NL", "BE", "PL"];

pub(super) const SITES: &[Site] = &[
    site("ATVPDKIKX0DER", "US", "USD", "Amazon.com", &["US"], 8, false, i64::MAX),
    site("A2EUQ1WTGCTBG2", "CA", "CAD", "Amazon.ca", &["CA"], 5, false, i64::MAX),
    site("A1AM78C64UM0Y8", "MX", "MXN", "Amazon.com.mx", &["MX"], 16, true, 0),
    site("A1F83G8C2ARO7P", "GB", "GBP", "Amazon.co.uk", &["GB", "IE"], 20, true, 13_500),
    site("A1PA6795UKMFR9", "DE", "EUR", "Amazon.de", EU_BUYERS, 19, true, 15_000),
    site("A13V1IB3VIYZZH", "FR", "EUR", "Amazon.fr", &["FR", "BE"], 20, true, 15_000),
    site("APJ6JRA9NG5V4", "IT", "EUR", "Amazon.it", &["IT"], 22, true, 15_000),
    site("A1RKKUPIHCS9HS", "ES", "EUR", "Amazon.es", &["ES"], 21, true, 15_000),
    site("A1805IZSGTT6HS", "NL", "EUR", "Amazon.nl", &["NL", "BE"], 21, true, 15_000),
    site("A1VC38T7YXB528", "JP", "JPY", "Amazon.co.jp", &["JP"], 10, true, 0),
];

#[allow(clippy::too_many_arguments)] // a table row, not an interface
const fn site(
    id: &'static str,
    country: &'static str,
    currency: &'static str,
    name: &'static str,
    buyers: &'static [&'static str],
    tax: i64,
    tax_inside: bool,
    collects_up_to: i64,
) -> Site {
    Site { id, country, currency, name, buyers, tax, tax_inside, collects_up_to }
}

/// The marketplace with this id.
pub(super) fn find(id: &str) -> Option<&'static Site> {
    SITES.iter().find(|s| s.id == id)
}

impl Site {
    pub(super) fn is_eu(&self) -> bool {
        self.currency == "EUR"
    }

    /// Splits the listed value of goods into (net, tax) and says whether the marketplace collects.
    pub(super) fn split(&self, listed: i64) -> (i64, i64, bool) {
        if !self.tax_inside {
            return (listed, share(listed, self.tax, 100), true);
        }
        let net = share(listed, 100, 100 + self.tax);
        if net <= self.collects_up_to { (net, listed - net, true) } else { (listed, 0, false) }
    }

    /// What a buyer pays for delivery of goods of this value: free from 35 units of currency.
    pub(super) fn shipping(&self, goods: i64) -> i64 {
        let (free_from, fee) = if self.currency == "JPY" { (3_500, 410) } else { (3_500, 499) };
        if goods >= free_from { 0 } else { fee }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_is_inside_outside_or_the_sellers() {
        // US: 8 % of 100.00 on top.
        assert_eq!(find("ATVPDKIKX0DER").unwrap().split(10_000), (10_000, 800, true));
        // DE: 119.00 contains 19.00.
        assert_eq!(find("A1PA6795UKMFR9").unwrap().split(11_900), (10_000, 1_900, true));
        // DE: 238.00 is 200.00 net, above 150.00: the seller is liable.
        assert_eq!(find("A1PA6795UKMFR9").unwrap().split(23_800), (23_800, 0, false));
        assert_eq!(find("A1VC38T7YXB528").unwrap().split(1_100), (1_100, 0, false));
    }
}
