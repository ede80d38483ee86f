//! Settings of an account, and the table of stores.

use serde::Deserialize;
use tradewind_connector::Error;
use tradewind_domain::Currency;
use url::Url;

/// Settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Country code of the store: `DE`, `US`, `GB`.
    pub(crate) marketplace: String,
    /// The seller's id (merchant token).
    pub(crate) seller_id: String,
    /// LWA client id of the application.
    pub(crate) client_id: String,
    /// From how many new listings on a feed is sent instead of a call for each.
    pub(crate) bulk_from: Option<u32>,
    /// API address; the region's own when left out.
    pub(crate) endpoint: Option<Url>,
    /// LWA token endpoint; Amazon's own when left out.
    pub(crate) token_endpoint: Option<Url>,
}

/// A feed is worked on within minutes; PUT takes five listings a second, so a thousand take as long.
pub(crate) const BULK_FROM: u32 = 1_000;

/// A store, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) endpoint: Url,
    /// In which a seller's consent holds: `eu`, `na`, `fe`.
    pub(crate) region: &'static str,
    pub(crate) marketplace_id: &'static str,
    pub(crate) currency: Currency,
    pub(crate) seller_id: String,
}

const NA: &str = "https://sellingpartnerapi-na.amazon.com";
const EU: &str = "https://sellingpartnerapi-eu.amazon.com";
const FE: &str = "https://sellingpartnerapi-fe.amazon.com";

/// The store of the United States, for which the finances API has a rule of its own.
pub(crate) const US: &str = "ATVPDKIKX0DER";

/// The store of Japan, whose reports come in an encoding of their own.
pub(crate) const JP: &str = "A1VC38T7YXB528";
/// The store of Canada.
pub(crate) const CA: &str = "A2EUQ1WTGCTBG2";

/// (country, marketplace id, host, currency). SP-API Developer Guide, "Marketplace IDs".
const SITES: &[(&str, &str, &str, &str)] = &[
    ("AE", "A2VIGQ35RCS4UG", EU, "AED"),
    ("AU", "A39IBJ37TRP1C6", FE, "AUD"),
    ("BE", "AMEN7PMS3EDWL", EU, "EUR"),
    ("BR", "A2Q3Y263D00KWC", NA, "BRL"),
    ("CA", CA, NA, "CAD"),
    ("DE", "A1PA6795UKMFR9", EU, "EUR"),
    ("EG", "ARBP9OOSHTCHU", EU, "EGP"),
    ("ES", "A1RKKUPIHCS9HS", EU, "EUR"),
    ("FR", "A13V1IB3VIYZZH", EU, "EUR"),
    ("GB", "A1F83G8C2ARO7P", EU, "GBP"),
    ("IE", "A28R8C7NBKEWEA", EU, "EUR"),
    ("IN", "A21TJRUUN4KGV", EU, "INR"),
    ("IT", "APJ6JRA9NG5V4", EU, "EUR"),
    ("JP", JP, FE, "JPY"),
    ("MX", "A1AM78C64UM0Y8", NA, "MXN"),
    ("NL", "A1805IZSGTT6HS", EU, "EUR"),
    ("PL", "A1C3SOZRARQ6R3", EU, "PLN"),
    ("SA", "A17E79C6D8DWNP", EU, "SAR"),
    ("SE", "A2NODRKZP88ZB9", EU, "SEK"),
    ("SG", "A19VAU5U5O7RUS", FE, "SGD"),
    ("TR", "A33AVAJ2PDY3EV", EU, "TRY"),
    ("US", US, NA, "USD"),
];

impl Site {
    pub(crate) fn new(settings: &Settings) -> Result<Site, Error> {
        let row = SITES.iter().find(|row| row.0 == settings.marketplace).ok_or_else(|| {
            let known: Vec<&str> = SITES.iter().map(|r| r.0).collect();
            Error::config(format!(
                "marketplace '{}' is no Amazon store: use one of {}",
                settings.marketplace,
                known.join(" ")
            ))
        })?;
        if settings.seller_id.trim().is_empty() || settings.client_id.trim().is_empty() {
            return Err(Error::config("seller_id and client_id must not be blank"));
        }
        let endpoint = match &settings.endpoint {
            Some(url) => url.clone(),
            None => Url::parse(row.2).map_err(|e| Error::config(e.to_string()))?,
        };
        Ok(Site {
            endpoint,
            region: match row.2 {
                NA => "na",
                EU => "eu",
                _ => "fe",
            },
            marketplace_id: row.1,
            currency: Currency::new(row.3)?,
            seller_id: settings.seller_id.clone(),
        })
    }
}
