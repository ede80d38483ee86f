//! Settings of one account, checked offline.

use std::collections::BTreeMap;

use serde::Deserialize;
use tradewind_connector::signing::keys::der;
use tradewind_connector::{AccountConfig, Error};
use tradewind_domain::Currency;
use url::Url;

/// Settings of one PayPal account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://api-m.paypal.com`, or the sandbox `https://api-m.sandbox.paypal.com`.
    #[serde(default = "live")]
    pub endpoint: String,
    /// Client id of the REST app.
    pub client_id: String,
    /// Currency in which the account's balance is mainly held; statements are listed under it.
    pub currency: String,
    /// Where settlement reports can be read over HTTPS: PayPal serves them by SFTP, so this is a mirror of
    /// `/ppreports/outgoing` (for example `rclone serve http`). Without it there are no statements.
    #[serde(default)]
    pub reports: Option<String>,
    /// Id of the webhook subscription; part of what PayPal signs.
    #[serde(default)]
    pub webhook_id: Option<String>,
    /// Public keys of PayPal's webhook certificates by certificate address, PEM or base64 of the
    /// SubjectPublicKeyInfo.
    #[serde(default)]
    pub webhook_keys: BTreeMap<String, String>,
}

fn live() -> String {
    "https://api-m.paypal.com".to_owned()
}

/// What operations know of the account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) base: Url,
    pub(crate) client_id: String,
    pub(crate) currency: Currency,
    pub(crate) reports: Option<Url>,
    pub(crate) webhook: Option<Webhook>,
}

/// What a webhook is verified with.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    /// By certificate address.
    pub(crate) keys: BTreeMap<String, Vec<u8>>,
}

impl Account {
    pub(crate) fn open(config: &AccountConfig) -> Result<Account, Error> {
        let s: Settings = config.settings()?;
        let bad = |what: String| Error::config(format!("settings of account '{}': {what}", config.account));
        let url =
            |name: &str, text: &str| Url::parse(text).map_err(|e| bad(format!("{name} = \"{text}\": {e}")));
        if s.client_id.trim().is_empty() {
            return Err(bad("client_id is blank".to_owned()));
        }
        let mut keys = BTreeMap::new();
        for (address, key) in &s.webhook_keys {
            // Keys of other hosts would let anybody sign.
            if !["https://api.paypal.com/", "https://api.sandbox.paypal.com/"]
                .iter()
                .any(|p| address.starts_with(p))
            {
                return Err(bad(format!(
                    "webhook_keys: '{address}' is not an address of PayPal's certificates"
                )));
            }
            keys.insert(address.clone(), der(key)?);
        }
        let webhook = match s.webhook_id {
            Some(id) if !keys.is_empty() => Some(Webhook { id, keys }),
            Some(_) => return Err(bad("webhook_id is given, but no webhook_keys to verify with".to_owned())),
            None => None,
        };
        Ok(Account {
            base: url("endpoint", &s.endpoint)?,
            client_id: s.client_id,
            currency: Currency::new(&s.currency).map_err(|e| bad(format!("currency: {e}")))?,
            reports: s.reports.as_deref().map(|r| url("reports", r)).transpose()?,
            webhook,
        })
    }
}
