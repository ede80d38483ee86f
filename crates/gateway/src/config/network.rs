//! How the requests of an account leave, read from where the configuration says.

use std::path::Path;

use tradewind_connector::{Network, Secrets};
use url::Url;

use super::{AccountEntry, ConfigError};

/// The key of `[account.network] certificate`.
const KEY: &str = "tls_key";
/// The password of the name in `[account.network] proxy`.
const PASSWORD: &str = "proxy_password";

impl AccountEntry {
    /// How its requests leave; `None`: the plain way. `secrets`: the account's, read.
    ///
    /// # Errors
    /// A file cannot be read, a secret is missing, or the proxy's address is none.
    pub fn network(&self, folder: &Path, secrets: &Secrets) -> Result<Option<Network>, ConfigError> {
        let Some(entry) = &self.network else { return Ok(None) };
        let wrong = |what: &str| ConfigError::Refused {
            message: format!("[account.network] of account '{}': {what}", self.id),
            place: None,
        };
        let read = |file: &Path| {
            let file = folder.join(file);
            std::fs::read(&file).map_err(|e| ConfigError::Unreadable {
                path: file.display().to_string(),
                why: format!("{e}: [account.network] of account '{}' names it", self.id),
            })
        };
        let secret = |name: &str| {
            let missing = || wrong(&format!("secret '{name}' is missing: give it under [account.secrets]"));
            secrets.get(name).cloned().ok_or_else(missing)
        };
        let mut network = Network::default();
        if let Some(text) = &entry.proxy {
            let mut proxy: Url = text.parse().map_err(|_| wrong("proxy is no address: http://host:port"))?;
            if !matches!(proxy.scheme(), "http" | "https") || proxy.host_str().is_none() {
                return Err(wrong("proxy is no address of an HTTP proxy: http://host:port"));
            }
            if proxy.password().is_some() {
                return Err(wrong("a password does not stand in proxy: give it as secret 'proxy_password'"));
            }
            if !proxy.username().is_empty() {
                network.proxy_login = Some((proxy.username().to_owned(), secret(PASSWORD)?));
                let _ = proxy.set_username("");
            }
            network.proxy = Some(proxy);
        }
        network.authority = entry.authority.as_deref().map(read).transpose()?;
        if let Some(file) = &entry.certificate {
            network.identity = Some((read(file)?, secret(KEY)?));
        }
        Ok(Some(network))
    }
}
