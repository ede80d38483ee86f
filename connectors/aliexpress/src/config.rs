//! Settings and secrets, checked offline.

use std::collections::BTreeMap;

use serde::Deserialize;
use tradewind_connector::{AccountConfig, Error, SecretString};
use tradewind_domain::Currency;
use url::Url;

/// Settings of one seller account. See `example.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Gateway without path.
    pub(crate) endpoint: Url,
    pub(crate) app_key: String,
    /// The app's callback address, as registered: with it, `tradewind login` fetches the refresh token.
    pub(crate) callback: Option<Url>,
    /// The shop's product currency: offers in another are refused.
    pub(crate) currency: Currency,
    pub(crate) freight_template_id: u64,
    #[serde(default)]
    pub(crate) service_policy_id: u64,
    #[serde(default = "three")]
    pub(crate) shipping_lead_time_days: u32,
    pub(crate) default_category: Option<u64>,
    /// For carriers that AliExpress does not know.
    pub(crate) tracking_website: Option<String>,
    #[serde(default)]
    pub(crate) services: BTreeMap<String, String>,
}

const fn three() -> u32 {
    3
}

/// Settings with their secrets.
pub(crate) struct Login {
    pub(crate) settings: Settings,
    pub(crate) app_secret: SecretString,
    /// From the seller's consent; renewed with each access token, never moved in its end (60 days).
    /// What a login fetched is in the store and goes before it.
    pub(crate) refresh_token: Option<SecretString>,
}

/// # Errors
/// A setting or secret is missing or unusable; the message names it.
pub(crate) fn login(config: &AccountConfig) -> Result<Login, Error> {
    let settings: Settings = config.settings()?;
    if settings.app_key.trim().is_empty() {
        return Err(Error::config(
            "setting 'app_key' is blank: it is the number of your app in the AliExpress console",
        ));
    }
    let refresh_token = config.secrets.first_refresh_token(settings.callback.is_some())?;
    Ok(Login { app_secret: config.secrets.need("app_secret")?.clone(), refresh_token, settings })
}
