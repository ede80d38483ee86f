//! From the text of `tradewind.toml` to a configuration: what the reader refuses, and what only the whole shows.

use std::path::Path;

use tradewind_domain::{AccountId, Country, Currency};

use super::places::{Place, Places, place};
use super::{Config, ConfigError};

/// Customs channels that the rules know.
pub(super) const CHANNELS: &[&str] = &["courier", "express_hub", "post", "freight"];
/// Modes of transport that they know.
pub(super) const MODES: &[&str] = &["air", "ocean", "rail", "road", "post"];

type Checked = Result<(), ConfigError>;

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Unreadable, not TOML, a field unknown, missing, of wrong type or out of its range — with line and column.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            let why = match e.kind() {
                std::io::ErrorKind::NotFound => {
                    "there is no such file: write one with tradewind init, or name another with --config"
                        .to_owned()
                }
                _ => e.to_string(),
            };
            ConfigError::Unreadable { path: path.display().to_string(), why }
        })?;
        Config::parse(&text, &path.display().to_string())
    }

    /// Reads a configuration from text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &str) -> Result<Config, ConfigError> {
        let mut config: Config = toml::from_str(text).map_err(|e| {
            let Place { path, line, column } = place(text, path, e.span().map_or(0, |s| s.start));
            ConfigError::Invalid { path, line, column, message: in_words(e.message()) }
        })?;
        config.places = Places::of(text, path);
        for (n, account) in config.account.iter_mut().enumerate() {
            let names = account.secrets.keys();
            account.places = names
                .map(|name| (name.clone(), config.places.find(&format!("account.{n}.secrets.{name}"))))
                .collect();
        }
        config.check_names()?;
        config.fill_in()?;
        config.check_offers()?;
        config.check_listen()?;
        config.check_simulated()?;
        config.check_lanes()?;
        Ok(config)
    }

    /// A mistake that a connector found in an account, at the setting or secret that the message names in quotes; else at the
    /// account's settings.
    #[must_use]
    pub fn mistake_of(&self, account: &AccountId, message: impl Into<String>) -> ConfigError {
        let message = message.into();
        let at = |id: &AccountId| self.account.iter().position(|a| a.id == *id);
        let n = at(account).unwrap_or(self.account.len());
        let model = self.account.get(n).and_then(|a| at(a.like.as_ref()?));
        let enclosing = format!("account.{n}.settings");
        let words = message.split(['\'', '`', '"', '\u{2018}', '\u{2019}']).skip(1).step_by(2);
        // The account's own name is quoted too.
        let words: Vec<&str> = words.filter(|word| *word != account.as_str()).collect();
        let below = |n: usize| {
            let within = [format!("account.{n}.settings"), format!("account.{n}.secrets")];
            words.iter().find_map(|word| within.iter().find_map(|at| self.places.below_of(at, word)))
        };
        let place = below(n).or_else(|| below(model?)).unwrap_or_else(|| self.places.find(&enclosing));
        let Place { path, line, column } = place;
        ConfigError::Invalid { path, line, column, message }
    }

    /// A mistake in a value, by the name of the value (`shipping.carrier`), with its place.
    #[must_use]
    pub fn mistake(&self, name: &str, message: impl Into<String>) -> ConfigError {
        let Place { path, line, column } = self.places.find(name);
        ConfigError::Invalid { path, line, column, message: message.into() }
    }

    fn check_names(&self) -> Checked {
        for (n, account) in self.account.iter().enumerate() {
            if self.account.iter().take(n).any(|a| a.id == account.id) {
                let what = format!("account '{}' stands twice: give each its own id", account.id);
                return Err(self.mistake(&format!("account.{n}.id"), what));
            }
        }
        let Some(shipping) = &self.shipping else { return Ok(()) };
        let customs = shipping.customs.iter().map(|(to, id)| (format!("shipping.customs.{to}"), id));
        let named = std::iter::once(("shipping.carrier".to_owned(), &shipping.carrier)).chain(customs);
        for (name, id) in named {
            if !self.account.iter().any(|a| a.id == *id) {
                let what = format!("[shipping] names account '{id}', which no [[account]] defines");
                return Err(self.mistake(&name, what));
            }
        }
        Ok(())
    }

    /// Gives the accounts that are like another one what they leave out.
    fn fill_in(&mut self) -> Checked {
        let defined = self.account.clone();
        for (n, account) in defined.iter().enumerate() {
            let Some(like) = &account.like else { continue };
            let refused = |why: String| {
                let what = format!("account '{}' is like '{like}', {why}", account.id);
                Err(self.mistake(&format!("account.{n}.like"), what))
            };
            let Some(model) = defined.iter().find(|a| a.id == *like) else {
                return refused("which no [[account]] defines".to_owned());
            };
            if model.connector != account.connector {
                return refused(format!(
                    "which is one of {}: name one of {}",
                    model.connector, account.connector
                ));
            }
            if let Some(other) = &model.like {
                let remedy =
                    if *other == account.id { "define one of them in full" } else { "name that one" };
                return refused(format!("which is itself like '{other}': {remedy}"));
            }
            let Some(own) = self.account.get_mut(n) else { continue };
            for (name, value) in &model.settings {
                own.settings.entry(name).or_insert_with(|| value.clone());
            }
            for (name, source) in &model.secrets {
                if !own.secrets.contains_key(name) {
                    own.secrets.insert(name.clone(), source.clone());
                    own.places.extend(model.places.get(name).map(|p| (name.clone(), p.clone())));
                }
            }
            own.network = own.network.take().or_else(|| model.network.clone());
        }
        Ok(())
    }

    fn check_offers(&self) -> Checked {
        let selling = self.account.iter().enumerate();
        for (n, account, rules) in selling.filter_map(|(n, a)| Some((n, a, a.offers.as_ref()?))) {
            let at = |field: &str| format!("account.{n}.offers.{field}");
            for code in rules.rates.keys() {
                if Currency::new(code).is_err() {
                    let what = format!("'{code}' is no currency: ISO 4217, three letters, such as EUR");
                    return Err(self.mistake(&at(&format!("rates.{code}")), what));
                }
            }
            if let Some(ending) = rules.ending.filter(|e| e.normalize().scale() > rules.currency.exponent()) {
                let what = format!(
                    "{ending} is refused: prices in {} have {} decimals, and end with no more",
                    rules.currency,
                    rules.currency.exponent()
                );
                return Err(self.mistake(&at("ending"), what));
            }
            let Some(channel) = &rules.channel else { continue };
            if self.pricing.is_none() {
                let what = format!(
                    "account '{}' takes its prices from channel '{channel}' of a price book, and there is none: add [pricing] book = \"prices.toml\"",
                    account.id
                );
                return Err(self.mistake(&at("channel"), what));
            }
            if let Some(field) = rules.simple() {
                let what = format!(
                    "account '{}' has offers.{field} beside offers.channel: that stands in the price book, under [channels.{channel}]",
                    account.id
                );
                return Err(self.mistake(&at(field), what));
            }
        }
        Ok(())
    }

    fn check_listen(&self) -> Checked {
        let Some(url) = &self.listen.url else { return Ok(()) };
        let plain = |host: &str| !host.is_empty() && !host.contains([' ', '?', '#', '@']);
        if ["https://", "http://"].iter().any(|s| url.strip_prefix(s).is_some_and(plain)) {
            return Ok(());
        }
        let what = format!("[listen] url '{url}' is no address: write it as \"https://hooks.example.com\"");
        Err(self.mistake("listen.url", what))
    }

    fn check_simulated(&self) -> Checked {
        let Some(simulated) = &self.simulated else { return Ok(()) };
        let world = &simulated.world;
        if world.strip_prefix("http://").is_some_and(|host| !host.is_empty()) {
            return Ok(());
        }
        let what = format!(
            "[simulated] world '{world}' is no address of a simulated world: write it as \"http://127.0.0.1:9000\", or leave [simulated] out of a shop with real channels"
        );
        Err(self.mistake("simulated.world", what))
    }

    fn check_lanes(&self) -> Checked {
        for (name, lane) in &self.landed.to {
            if name != "*" && Country::new(name).is_err() {
                let what =
                    format!("[landed.to.{name}]: '{name}' is no country: ISO 3166-1 alpha-2, or \"*\"");
                return Err(self.mistake(&format!("landed.to.{name}"), what));
            }
            let closed =
                [("channel", &lane.channel, CHANNELS), ("mode_of_transport", &lane.mode_of_transport, MODES)];
            for (field, value, known) in closed {
                if let Some(v) = value.as_deref().filter(|v| !known.contains(v)) {
                    let what = format!("[landed.to.{name}] {field}: '{v}' is unknown: {}", known.join(", "));
                    return Err(self.mistake(&format!("landed.to.{name}.{field}"), what));
                }
            }
        }
        Ok(())
    }
}

/// What the TOML reader says, with what to write instead where its words are a programmer's.
fn in_words(message: &str) -> String {
    let decimal = message.starts_with("Invalid decimal")
        || (message.starts_with("invalid type: ") && message.contains("Decimal"));
    if decimal {
        return "is not a number as text: write it with a point and in quotes, such as \"0.15\"".to_owned();
    }
    match ["u8", "u32", "u64"].iter().find_map(|t| message.strip_suffix(&format!("expected {t}"))) {
        Some(what) => format!("{what}expected a whole number, zero or more"),
        None => message.to_owned(),
    }
}
