//! Marketplaces: currency, Trading site, tax. Rates are the standard rates of the countries (state
//! sales tax: an invented flat 8 %); limits are the consignment values up to which the marketplace
//! collects (150 EUR, 135 GBP, 1000 AUD).

use crate::core::buyers::Buyer;
use crate::core::money::share;

#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) id: &'static str,
    /// Trading `SiteID`.
    pub(super) number: &'static str,
    pub(super) trading: &'static str,
    pub(super) currency: &'static str,
    pub(super) countries: &'static [&'static str],
    tax: i64,
    tax_inside: bool,
    limit: i64,
    pub(super) tax_type: &'static str,
    /// Name and number of the marketplace's own registration.
    pub(super) registration: Option<(&'static str, &'static str)>,
    /// Fixed fee per order, minor units.
    pub(super) fixed_fee: i64,
}

const IOSS: Option<(&str, &str)> = Some(("IOSS", "IM2760000742"));

const SITES: &[Site] = &[
    Site {
        id: "EBAY_US",
        number: "0",
        trading: "US",
        currency: "USD",
        countries: &["US", "CA"],
        tax: 8,
        tax_inside: false,
        limit: i64::MAX,
        tax_type: "STATE_SALES_TAX",
        registration: None,
        fixed_fee: 40,
    },
    Site {
        id: "EBAY_GB",
        number: "3",
        trading: "UK",
        currency: "GBP",
        countries: &["GB"],
        tax: 20,
        tax_inside: true,
        limit: 13_500,
        tax_type: "VAT",
        registration: None,
        fixed_fee: 30,
    },
    Site {
        id: "EBAY_DE",
        number: "77",
        trading: "Germany",
        currency: "EUR",
        countries: &["DE", "AT"],
        tax: 19,
        tax_inside: true,
        limit: 15_000,
        tax_type: "VAT",
        registration: IOSS,
        fixed_fee: 35,
    },
    Site {
        id: "EBAY_FR",
        number: "71",
        trading: "France",
        currency: "EUR",
        countries: &["FR"],
        tax: 20,
        tax_inside: true,
        limit: 15_000,
        tax_type: "VAT",
        registration: IOSS,
        fixed_fee: 35,
    },
    Site {
        id: "EBAY_IT",
        number: "101",
        trading: "Italy",
        currency: "EUR",
        countries: &["IT"],
        tax: 22,
        tax_inside: true,
        limit: 15_000,
        tax_type: "VAT",
        registration: IOSS,
        fixed_fee: 35,
    },
    Site {
        id: "EBAY_ES",
        number: "186",
        trading: "Spain",
        currency: "EUR",
        countries: &["ES"],
        tax: 21,
        tax_inside: true,
        limit: 15_000,
        tax_type: "VAT",
        registration: IOSS,
        fixed_fee: 35,
    },
    Site {
        id: "EBAY_AU",
        number: "15",
        trading: "Australia",
        currency: "AUD",
        countries: &["AU"],
        tax: 10,
        tax_inside: true,
        limit: 100_000,
        tax_type: "GST",
        registration: Some(("ABN", "64652016681")),
        fixed_fee: 30,
    },
];

pub(super) fn find(id: &str) -> Option<&'static Site> {
    SITES.iter().find(|s| s.id == id)
}

pub(super) fn by_number(number: &str) -> Option<&'static Site> {
    SITES.iter().find(|s| s.number == number)
}

impl Site {
    /// Whether eBay collects tax on an order of `listed` minor units sent to `buyer`.
    pub(super) fn collects(&self, listed: i64, buyer: &Buyer) -> bool {
        let home = self.tax_inside || self.countries.first() == Some(&buyer.country.as_str());
        home && listed <= self.limit
    }

    /// (net, tax) of a listed amount.
    pub(super) fn split(&self, listed: i64, collects: bool) -> (i64, i64) {
        match (collects, self.tax_inside) {
            (false, _) => (listed, 0),
            (true, true) => {
                let net = share(listed, 100, 100 + self.tax);
                (net, listed - net)
            }
            (true, false) => (listed, share(listed, self.tax, 100)),
        }
    }

    /// What the buyer pays for delivery.
    pub(super) fn shipping(&self, listed: i64) -> i64 {
        if listed >= 5_000 { 0 } else { 499 }
    }
}
