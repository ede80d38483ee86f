//! How a connector is opened: its factory, an account's configuration, its secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tradewind_domain::AccountId;

use crate::capability::Capabilities;
use crate::classify::ErrorTable;
use crate::error::Error;
use crate::limits::Limits;
use crate::pipeline::{Access, Parts, Patience, Pipeline};
use crate::protocol::Protocol;
use crate::role::{Connector, ConnectorInfo};
use crate::runtime::Runtime;

/// Secrets of one account, by name. No `Display`; the debug form shows the names.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<String, SecretString>,
    /// What was needed and is missing; one for all copies.
    missed: Arc<Mutex<BTreeSet<String>>>,
}

impl Secrets {
    /// From name and value.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, SecretString)>) -> Secrets {
        Secrets { values: values.into_iter().collect(), missed: Arc::default() }
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: SecretString) -> Secrets {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// What [`Secrets::need`] was asked for and did not have.
    #[must_use]
    pub fn missed(&self) -> BTreeSet<String> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For tests and the demo: plain pairs.
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Secrets {
        Secrets::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), SecretString::from((*v).to_owned()))))
    }

    /// A secret that must be there.
    ///
    /// # Errors
    /// It is missing or blank; the message names it and says where to put it.
    pub fn need(&self, name: &str) -> Result<&SecretString, Error> {
        match self.values.get(name) {
            Some(value) if !value.expose_secret().trim().is_empty() => Ok(value),
            _ => {
                self.missed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
                Err(Error::config(format!(
                    "secret '{name}' is missing: give it under [account.secrets] as {{ file = \"…\" }}, {{ env = \"…\" }} or {{ credential = \"…\" }}"
                )))
            }
        }
    }

    /// A secret that may be there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.values.get(name)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// The configuration of one account, as a connector sees it.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Account.
    pub account: AccountId,
    /// Read-only or not.
    pub access: Access,
    /// The connector's own settings.
    pub settings: toml::Table,
    /// Secrets.
    pub secrets: Secrets,
    /// Patience.
    pub patience: Patience,
}

impl AccountConfig {
    /// An account with settings, for tests and the demo: read-write.
    ///
    /// # Errors
    /// The id or the TOML is bad.
    pub fn of(account: &str, settings: &str, secrets: Secrets) -> Result<AccountConfig, Error> {
        Ok(AccountConfig {
            account: AccountId::new(account).map_err(|e| Error::config(e.to_string()))?,
            access: Access::ReadWrite,
            settings: settings.parse().map_err(|e| Error::config(format!("settings of {account}: {e}")))?,
            secrets,
            patience: Patience::default(),
        })
    }

    /// The connector's settings as its own type, which should say `#[serde(deny_unknown_fields)]`.
    ///
    /// # Errors
    /// A field is missing, unknown, or of another type; the message names it.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.settings.clone().try_into().map_err(|e| {
            Error::config(format!("settings of account '{}': {}", self.account, e.to_string().trim()))
        })
    }
}

/// How a connector is made: its line in the registry.
pub struct Factory {
    /// Short name, equal to the folder.
    pub id: &'static str,
    /// Identity.
    pub info: fn() -> ConnectorInfo,
    /// What it declares, before an account narrows it: for the matrix.
    pub capabilities: fn() -> Capabilities,
    /// `limits.toml`.
    pub limits: &'static str,
    /// `errors.toml`.
    pub errors: &'static str,
    /// Names of the secrets it needs.
    pub secrets: &'static [&'static str],
    /// An example of its settings, valid TOML: printed by `init`, checked by the conformance suite.
    pub example: &'static str,
    /// Checks settings and secrets offline, and opens the account. Makes no call.
    pub open: fn(AccountConfig, Runtime) -> Result<Arc<dyn Connector>, Error>,
}

/// What a connector alone knows of an account that it opens.
pub struct Opening {
    /// Application registration, for quotas and logins that its accounts share.
    pub app: String,
    /// What the account can do: what the connector declares, less what this account was not granted.
    pub capabilities: Capabilities,
    /// Tokens and signatures.
    pub protocol: Arc<dyn Protocol>,
}

impl Factory {
    /// The pipeline of an account, for [`Factory::open`]: with the connector's tables, and what the configuration says of the account.
    ///
    /// # Errors
    /// A table that is wrong.
    pub fn pipeline(
        &self,
        account: &AccountConfig,
        opening: Opening,
        runtime: Runtime,
    ) -> Result<Pipeline, Error> {
        let parts = Parts {
            info: (self.info)(),
            account: account.account.clone(),
            app: opening.app,
            access: account.access,
            capabilities: Arc::new(opening.capabilities),
            protocol: opening.protocol,
            limits: Limits::parse(self.limits)?,
            errors: ErrorTable::parse(self.errors)?,
            patience: account.patience,
        };
        Ok(Pipeline::new(parts, runtime))
    }

    /// Holds the connector's tables against each other, and opens the account.
    ///
    /// # Errors
    /// A table that is wrong in itself or names what the other does not have; and those of [`Factory::open`].
    pub fn opened(&self, config: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
        ErrorTable::parse(self.errors)?.check(&Limits::parse(self.limits)?)?;
        (self.open)(config, runtime)
    }
}
