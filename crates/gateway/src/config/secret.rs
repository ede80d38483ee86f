//! Secrets: where the configuration says that they are, and their values read from there.
//!
//! A secret that stands in the file itself is refused, and no message shows it: messages go to logs and to other people.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tradewind_connector::{AccountConfig, Patience, Secrets};

use super::{AccountEntry, ConfigError, Place};

/// Where a secret is. Never in the file itself.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file that holds nothing else.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A systemd credential (`LoadCredential=`).
    Credential(String),
}

const INLINE: &str = "a secret does not stand here: name a file, an environment variable or a systemd credential that \
    holds it: { file = \"...\" }, { env = \"...\" } or { credential = \"...\" }";

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SecretSource, D::Error> {
        // Whatever stands here is read whole, since a reader's own messages quote what they did not expect.
        let value = toml::Value::deserialize(from).map_err(|_| D::Error::custom(INLINE))?;
        let source = value.as_table().filter(|t| t.len() == 1).and_then(|t| {
            let (kind, name) = t.iter().next()?;
            let name = name.as_str()?.to_owned();
            match kind.as_str() {
                "file" => Some(SecretSource::File(name.into())),
                "env" => Some(SecretSource::Env(name)),
                "credential" => Some(SecretSource::Credential(name)),
                _ => None,
            }
        });
        source.ok_or_else(|| D::Error::custom(INLINE))
    }
}

/// The secrets of an account, by name.
pub(super) fn all<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, SecretSource>, D::Error> {
    struct ByName;
    impl<'de> Visitor<'de> for ByName {
        type Value = BTreeMap<String, SecretSource>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("secrets by name")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut all = BTreeMap::new();
            while let Some((name, source)) = entries.next_entry()? {
                all.insert(name, source);
            }
            Ok(all)
        }
        // The words of the reader for these would show the value.
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(E::custom(INLINE))
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Err(E::custom(INLINE))
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Err(E::custom(INLINE))
        }
    }
    from.deserialize_any(ByName)
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::File(file) => write!(f, "file {}", file.display()),
            SecretSource::Env(var) => write!(f, "environment variable {var}"),
            SecretSource::Credential(id) => write!(f, "systemd credential {id}"),
        }
    }
}

impl AccountEntry {
    /// As the connector sees it: secrets read, paths resolved against the folder of the configuration.
    ///
    /// # Errors
    /// A secret cannot be read; its value never appears in the message.
    pub fn resolve(&self, folder: &Path) -> Result<AccountConfig, ConfigError> {
        let (account, problems) = self.resolve_each(folder);
        problems.into_iter().next().map_or(Ok(account), |(_, problem)| Err(problem))
    }

    /// As the connector sees it, without the secrets that cannot be read, and these with their problems.
    #[must_use]
    pub fn resolve_each(&self, folder: &Path) -> (AccountConfig, Vec<(String, ConfigError)>) {
        let (mut secrets, mut problems) = (Vec::new(), Vec::new());
        for (name, source) in &self.secrets {
            match self.secret(name, source, folder) {
                Ok(value) => secrets.push((name.clone(), value)),
                Err(problem) => problems.push((name.clone(), problem)),
            }
        }
        let account = AccountConfig {
            account: self.id.clone(),
            access: self.access,
            settings: self.settings.clone(),
            secrets: Secrets::new(secrets),
            patience: Patience::default(),
        };
        (account, problems)
    }

    fn secret(&self, name: &str, source: &SecretSource, folder: &Path) -> Result<SecretString, ConfigError> {
        let read = |file: PathBuf| {
            let value = std::fs::read_to_string(&file).map_err(|e| e.to_string());
            (file.display().to_string(), value)
        };
        let (from, value) = match source {
            SecretSource::File(file) => read(folder.join(file)),
            SecretSource::Env(var) => {
                (format!("${var}"), std::env::var(var).map_err(|_| "is not set".to_owned()))
            }
            SecretSource::Credential(id) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
                Some(folder) => read(PathBuf::from(folder).join(id)),
                // Only systemd sets it; a file of that name in the folder of the moment is not the credential.
                None => {
                    let why = "$CREDENTIALS_DIRECTORY is not set: systemd sets it for a service with LoadCredential=";
                    (format!("systemd credential {id}"), Err(why.to_owned()))
                }
            },
        };
        let value = value.and_then(|text| match text.trim().is_empty() {
            true => Err("is there, and empty".to_owned()),
            false => Ok(text),
        });
        let text = value.map_err(|why| {
            let remedy = format!(
                "{why}: secret '{name}' of account '{}' is read from there, put its value in place",
                self.id
            );
            match self.places.get(name).cloned() {
                Some(Place { path, line, column }) => {
                    ConfigError::Invalid { path, line, column, message: format!("{from}: {remedy}") }
                }
                None => ConfigError::Unreadable { path: from, why: remedy },
            }
        })?;
        Ok(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// What the login of the account is made of, for a channel that refuses it: names and sources, never a value.
    #[must_use]
    pub fn login(&self) -> String {
        let named = |(name, source): (&String, &SecretSource)| format!("'{name}' ({source})");
        self.secrets.iter().map(named).collect::<Vec<_>>().join(", ")
    }
}
