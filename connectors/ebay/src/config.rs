//! Settings of an account, and the table of marketplaces.

use std::collections::BTreeMap;

use serde::Deserialize;
use tradewind_connector::signing::keys::der;
use tradewind_connector::{Error, Secrets};
use tradewind_domain::Currency;
use url::Url;

/// Settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// `EBAY_DE`, `EBAY_US`, ...
    pub(crate) marketplace: String,
    /// Client id of the keyset (App ID).
    pub(crate) client_id: String,
    /// Key of the inventory location that offers ship from.
    pub(crate) merchant_location: String,
    /// Business policies of this marketplace.
    pub(crate) fulfillment_policy: String,
    pub(crate) payment_policy: String,
    pub(crate) return_policy: String,
    /// The public half of the signing key as eBay handed it out (JWE). With it, every call is signed.
    #[serde(default)]
    pub(crate) signing_jwe: Option<String>,
    /// Public keys of notifications by key id, PEM.
    #[serde(default)]
    pub(crate) notification_keys: BTreeMap<String, String>,
    /// What the token may do; each must be among what the seller consented to.
    #[serde(default = "scopes")]
    pub(crate) scopes: Vec<String>,
    /// The seller's name at eBay. Accounts of one name, keyset and scopes have one login.
    #[serde(default)]
    pub(crate) seller: Option<String>,
    /// `RuName` of the application, which stands for its redirect address: with it, `tradewind login` fetches the refresh token.
    #[serde(default)]
    pub(crate) ru_name: Option<String>,
    /// `auth.ebay.com/oauth2/authorize` unless given.
    #[serde(default)]
    pub(crate) consent_page: Option<Url>,
    /// `api.ebay.com` unless given.
    #[serde(default)]
    pub(crate) endpoint: Option<Url>,
    /// `apiz.ebay.com` unless given: Finances live there.
    #[serde(default)]
    pub(crate) finances_endpoint: Option<Url>,
}

/// What every call of the connector needs. An account that only reads does with fewer.
fn scopes() -> Vec<String> {
    ["", "sell.inventory", "sell.fulfillment", "sell.finances", DISPUTES].map(str::to_owned).to_vec()
}

/// The scope of payment disputes.
const DISPUTES: &str = "sell.payment.dispute";
const SCOPE: &str = "https://api.ebay.com/oauth/api_scope";

impl Settings {
    /// The scopes as eBay names them: short names stand behind the address of the common one, which is "".
    pub(crate) fn scopes(&self) -> Result<Vec<String>, Error> {
        if self.scopes.is_empty() {
            return Err(Error::config("scopes is empty: leave it out, or name what the seller consented to"));
        }
        let full = |name: &String| match name.as_str() {
            "" => Ok(SCOPE.to_owned()),
            name if name.starts_with("https://") => Ok(name.to_owned()),
            name if name.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_') => {
                Ok(format!("{SCOPE}/{name}"))
            }
            other => Err(Error::config(format!(
                "scopes: '{other}' is no scope: write \"sell.inventory\", or the whole address"
            ))),
        };
        self.scopes.iter().map(full).collect()
    }
}

/// May the token see payment disputes?
pub(crate) fn sees_disputes(scopes: &[String]) -> bool {
    scopes.iter().any(|s| s.strip_prefix(SCOPE).is_some_and(|rest| rest.strip_prefix('/') == Some(DISPUTES)))
}

/// An account's marketplace, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) endpoint: Url,
    pub(crate) finances: Url,
    pub(crate) marketplace: &'static str,
    /// `SiteID` of the Trading API; `None` where it has none.
    pub(crate) number: Option<&'static str>,
    pub(crate) currency: Currency,
    /// `de-DE`: `Content-Language` of what we write.
    pub(crate) language: &'static str,
    pub(crate) location: String,
    pub(crate) fulfillment_policy: String,
    pub(crate) payment_policy: String,
    pub(crate) return_policy: String,
}

/// (marketplace id, Trading `SiteID`, currency, language). eBay API references, "Marketplace ID values" and
/// "Site ID to Global ID mapping". Where a site has two languages, the first is taken.
const SITES: &[(&str, Option<&str>, &str, &str)] = &[
    ("EBAY_AT", Some("16"), "EUR", "de-AT"),
    ("EBAY_AU", Some("15"), "AUD", "en-AU"),
    ("EBAY_BE", Some("23"), "EUR", "fr-BE"),
    ("EBAY_CA", Some("2"), "CAD", "en-CA"),
    ("EBAY_CH", Some("193"), "CHF", "de-CH"),
    ("EBAY_DE", Some("77"), "EUR", "de-DE"),
    ("EBAY_ES", Some("186"), "EUR", "es-ES"),
    ("EBAY_FR", Some("71"), "EUR", "fr-FR"),
    ("EBAY_GB", Some("3"), "GBP", "en-GB"),
    ("EBAY_HK", Some("201"), "HKD", "zh-HK"),
    ("EBAY_IE", Some("205"), "EUR", "en-IE"),
    ("EBAY_IT", Some("101"), "EUR", "it-IT"),
    ("EBAY_MY", Some("207"), "MYR", "en-MY"),
    ("EBAY_NL", Some("146"), "EUR", "nl-NL"),
    ("EBAY_PH", Some("211"), "PHP", "en-PH"),
    ("EBAY_PL", Some("212"), "PLN", "pl-PL"),
    ("EBAY_SG", Some("216"), "SGD", "en-SG"),
    ("EBAY_TW", None, "TWD", "zh-TW"),
    ("EBAY_US", Some("0"), "USD", "en-US"),
];

impl Site {
    pub(crate) fn new(s: &Settings) -> Result<Site, Error> {
        let row = SITES.iter().find(|row| row.0 == s.marketplace).ok_or_else(|| {
            let known: Vec<&str> = SITES.iter().map(|r| r.0).collect();
            Error::config(format!(
                "marketplace '{}' is none of eBay's: use one of {}",
                s.marketplace,
                known.join(" ")
            ))
        })?;
        for (name, value) in [
            ("client_id", &s.client_id),
            ("merchant_location", &s.merchant_location),
            ("fulfillment_policy", &s.fulfillment_policy),
            ("payment_policy", &s.payment_policy),
            ("return_policy", &s.return_policy),
        ] {
            if value.trim().is_empty() {
                return Err(Error::config(format!(
                    "{name} must not be blank: eBay publishes nothing without it"
                )));
            }
        }
        let address = |given: &Option<Url>, own: &str| match given {
            Some(url) => Ok(url.clone()),
            None => Url::parse(own).map_err(|e| Error::config(e.to_string())),
        };
        Ok(Site {
            endpoint: address(&s.endpoint, "https://api.ebay.com")?,
            finances: address(&s.finances_endpoint, "https://apiz.ebay.com")?,
            marketplace: row.0,
            number: row.1,
            currency: Currency::new(row.2)?,
            language: row.3,
            location: s.merchant_location.clone(),
            fulfillment_policy: s.fulfillment_policy.clone(),
            payment_policy: s.payment_policy.clone(),
            return_policy: s.return_policy.clone(),
        })
    }

    /// `de_DE`: the locale in a body.
    pub(crate) fn locale(&self) -> String {
        self.language.replace('-', "_")
    }
}

/// Public keys of notifications as DER. eBay hands PEM out on one line, so the markers are cut by hand.
pub(crate) fn notification_keys(settings: &Settings) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    settings
        .notification_keys
        .iter()
        .map(|(id, pem)| {
            let body = pem.replace("-----BEGIN PUBLIC KEY-----", "").replace("-----END PUBLIC KEY-----", "");
            let key = der(&body)
                .map_err(|e| Error::config(format!("notification_keys '{id}': {}", e.message())))?;
            Ok((id.clone(), key))
        })
        .collect()
}

/// The signing key, when the settings ask for signatures.
pub(crate) fn signer(
    settings: &Settings,
    secrets: &Secrets,
) -> Result<Option<crate::signature::Signer>, Error> {
    match &settings.signing_jwe {
        None => Ok(None),
        Some(jwe) => crate::signature::Signer::new(jwe, secrets.need("signing_key")?).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_connector::AccountConfig;

    fn scopes_of(line: &str) -> Result<Vec<String>, Error> {
        let text = format!("{}\n{line}", crate::FACTORY.example);
        let secrets = Secrets::of(&[]);
        AccountConfig::of("test", &text, secrets)?.settings::<Settings>()?.scopes()
    }

    #[test]
    fn an_account_asks_for_the_scopes_it_names_and_no_more() {
        // Fact sheet §1: …/oauth/api_scope/sell.inventory, sell.fulfillment, sell.finances.
        let base = "https://api.ebay.com/oauth/api_scope";
        let of = |name: &str| format!("{base}/{name}");
        let all = [
            base.to_owned(),
            of("sell.inventory"),
            of("sell.fulfillment"),
            of("sell.finances"),
            of("sell.payment.dispute"),
        ];
        assert_eq!(scopes_of("").unwrap(), all);
        let few = scopes_of("scopes = [\"sell.fulfillment.readonly\"]").unwrap();
        assert_eq!(few, [of("sell.fulfillment.readonly")]);
        assert!(sees_disputes(&all) && !sees_disputes(&few));
        assert!(scopes_of("scopes = []").is_err() && scopes_of("scopes = [\"sell inventory\"]").is_err());
    }
}
