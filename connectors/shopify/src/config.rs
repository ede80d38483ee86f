//! Settings of one shop, checked offline.

use serde::Deserialize;
use tradewind_connector::{AccountConfig, Error};
use tradewind_domain::Currency;

/// Settings of one shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `my-shop.myshopify.com`.
    pub shop: String,
    /// Where the shop answers, when not at `https://{shop}` (a test double).
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Version of the Admin API.
    #[serde(default = "version")]
    pub api_version: String,
    /// The shop's currency; every amount of the Admin API's `shopMoney` is in it.
    pub currency: String,
    /// Location whose stock we own: `gid://shopify/Location/1`.
    pub location: String,
    /// Sales channel on which products are published; none means: publishing is left to the shop's settings.
    #[serde(default)]
    pub publication: Option<String>,
    /// Client id of the app, for the client-credentials and refresh grants; not needed with a fixed access token.
    #[serde(default)]
    pub client_id: Option<String>,
    /// From how many variants on a sweep over all listings is one bulk query instead of pages.
    #[serde(default = "bulk_from")]
    pub bulk_from: u32,
}

/// Twenty pages of fifty cost what a bucket of the standard plan holds.
fn bulk_from() -> u32 {
    1_000
}

fn version() -> String {
    super::API_VERSION.to_owned()
}

/// What operations know of the shop.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) base: url::Url,
    pub(crate) domain: String,
    pub(crate) version: String,
    pub(crate) currency: Currency,
    pub(crate) location: String,
    pub(crate) publication: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) bulk_from: u32,
}

impl Shop {
    /// Reads and checks the settings.
    pub(crate) fn open(config: &AccountConfig) -> Result<Shop, Error> {
        let s: Settings = config.settings()?;
        let bad = |what: String| Error::config(format!("settings of account '{}': {what}", config.account));
        if s.shop.contains('/') || !s.shop.contains('.') {
            return Err(bad(format!(
                "shop = \"{}\" must be a host name such as my-shop.myshopify.com",
                s.shop
            )));
        }
        for (name, value, kind) in [
            ("location", Some(&s.location), "Location"),
            ("publication", s.publication.as_ref(), "Publication"),
        ] {
            if let Some(value) = value
                && !value.starts_with(&format!("gid://shopify/{kind}/"))
            {
                return Err(bad(format!("{name} = \"{value}\" must be a global id, gid://shopify/{kind}/…")));
            }
        }
        let text = s.endpoint.clone().unwrap_or_else(|| format!("https://{}", s.shop));
        let base = text.parse().map_err(|e| bad(format!("endpoint = \"{text}\": {e}")))?;
        // A count of `productVariants` is capped at the limit it was asked with, an Int: from 1 to what an Int holds.
        if !(1..=i32::MAX.unsigned_abs()).contains(&s.bulk_from) {
            return Err(bad(format!(
                "bulk_from = {} must be a number of variants from 1 to {}",
                s.bulk_from,
                i32::MAX
            )));
        }
        let currency = Currency::new(&s.currency).map_err(|e| bad(format!("currency: {e}")))?;
        Ok(Shop {
            base,
            domain: s.shop,
            version: s.api_version,
            currency,
            location: s.location,
            publication: s.publication,
            client_id: s.client_id,
            bulk_from: s.bulk_from,
        })
    }
}

#[cfg(test)]
mod tests {
    use tradewind_connector::Secrets;

    use super::*;

    #[test]
    fn a_sweep_in_bulk_starts_at_a_count_that_the_api_can_take() {
        let open = |bulk_from: u32| {
            let settings = format!(
                "shop = \"tea.myshopify.com\"\ncurrency = \"EUR\"\nlocation = \"gid://shopify/Location/1\"\nbulk_from = {bulk_from}"
            );
            Shop::open(&AccountConfig::of("tea", &settings, Secrets::default()).unwrap())
        };
        // GraphQL's Int has 32 bits and a sign: at most 2^31 - 1.
        for good in [1, 1_000, 2_147_483_647] {
            assert_eq!(open(good).unwrap().bulk_from, good);
        }
        for bad in [0, 2_147_483_648, u32::MAX] {
            let told = open(bad).unwrap_err();
            assert_eq!(told.kind(), tradewind_connector::Kind::Config);
            assert!(told.to_string().contains(&format!("bulk_from = {bad} must be")), "{told}");
        }
    }
}
