//! `tradewind.toml`: what the user writes. Every mistake is told with file, line and column.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tradewind_connector::{Access, AccountConfig, Patience, Secrets};
use tradewind_domain::{AccountId, Address, Country, Currency, Incoterm, Locale, Rounding, TaxId};

mod error;
pub use error::ConfigError;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where state is kept.
    #[serde(default)]
    pub store: StoreConfig,
    /// Catalogue files, in order.
    #[serde(default)]
    pub catalogue: Vec<CatalogueFile>,
    /// Stock policy.
    #[serde(default)]
    pub stock: StockConfig,
    /// Limits of what one apply may do.
    #[serde(default)]
    pub guard: GuardConfig,
    /// Sender and customs facts for parcels.
    pub shipping: Option<ShippingConfig>,
    /// Exchange rates.
    #[serde(default)]
    pub fx: FxConfig,
    /// Landed cost: duty, taxes and fees at the border.
    #[serde(default)]
    pub landed: LandedConfig,
    /// Price book.
    pub pricing: Option<PricingConfig>,
    /// Notifications of channels.
    #[serde(default)]
    pub listen: ListenConfig,
    /// Accounts.
    #[serde(default)]
    pub account: Vec<AccountEntry>,
}

/// Where state is kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Database file, relative to the configuration.
    pub path: PathBuf,
    /// Key file; made on first use, and needed ever after: back it up, apart from the store. A key in the environment
    /// variable `TRADEWIND_KEY` goes before it.
    pub key_file: PathBuf,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig { path: "tradewind.db".into(), key_file: "tradewind.key".into() }
    }
}

/// A catalogue file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// File, relative to the configuration.
    pub path: PathBuf,
    /// Format; told by the name and the header when left out.
    pub format: Option<Format>,
    /// Currency of prices in formats that name none (Shopify's product CSV).
    #[schemars(with = "Option<String>")]
    pub currency: Option<Currency>,
    /// Language of the words.
    #[serde(default = "english")]
    pub locale: String,
    /// Units in stock of rows that name none; left out: such a row is not offered.
    pub quantity: Option<u32>,
    /// Adds facts (HS code, origin, cost, weight) to SKUs of earlier files instead of new ones.
    #[serde(default)]
    pub facts: bool,
}

fn english() -> String {
    "en".to_owned()
}

/// A catalogue format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Our CSV.
    Csv,
    /// Our columns in the first sheet of a workbook.
    Xlsx,
    /// Our fields, one JSON object a line.
    Jsonl,
    /// Shopify's product export.
    ShopifyCsv,
    /// Google Merchant feed, RSS or Atom.
    GoogleXml,
    /// Google Merchant feed, tab-separated.
    GoogleTsv,
}

/// Stock policy.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StockConfig {
    /// Units never exposed, per SKU.
    pub buffer: u32,
}

/// Limits of what one apply may do.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// A price may move by this share at once (0.3 is 30 %).
    #[schemars(with = "String")]
    #[serde(with = "rust_decimal::serde::str")]
    pub price_jump: Decimal,
    /// This share of an account's live listings may be withdrawn at once.
    #[schemars(with = "String")]
    #[serde(with = "rust_decimal::serde::str")]
    pub mass_delete: Decimal,
    /// Margin over cost, fees and tax that a price must leave, as a share of the net price. No default: a
    /// missing floor blocks every offer of an account that has none either. Floors of the price book below it are
    /// raised to it.
    #[schemars(with = "Option<String>")]
    #[serde(with = "rust_decimal::serde::str_option")]
    pub margin_floor: Option<Decimal>,
    /// Offers must have HS code and origin, because their buyers may be abroad.
    pub customs_facts: bool,
}

impl Default for GuardConfig {
    fn default() -> GuardConfig {
        GuardConfig {
            price_jump: Decimal::new(30, 2),
            mass_delete: Decimal::new(20, 2),
            margin_floor: None,
            customs_facts: true,
        }
    }
}

/// Sender and customs facts for parcels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShippingConfig {
    /// Sender's address.
    #[schemars(with = "serde_json::Value")]
    pub from: Address,
    /// Sender's registrations.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    pub registrations: Vec<TaxId>,
    /// Carrier account.
    #[schemars(with = "String")]
    pub carrier: AccountId,
    /// Customs account per destination country, where we declare ourselves.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub customs: BTreeMap<Country, AccountId>,
    /// Customs scheme per destination country, as the rule packs of landed cost name it (China: `cbec_1210`). An order to
    /// which the scheme is not open is not filed.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub scheme: BTreeMap<Country, String>,
    /// The selling platform's name as customs knows it, for declarations.
    #[serde(default)]
    pub platform: String,
    /// Grams of packing added to each parcel.
    #[serde(default)]
    pub packing_grams: u64,
    /// Parcel dimensions in millimetres: length, width, height.
    pub parcel_mm: [u32; 3],
    /// Payment account whose transactions prove who paid, for declarations.
    #[schemars(with = "Option<String>")]
    pub payments: Option<AccountId>,
}

/// Exchange rates from published files.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FxConfig {
    /// Rate files (ECB or HMRC XML, ECB CSV, or date,base,quote,rate,source), relative to the configuration.
    pub files: Vec<PathBuf>,
    /// The publisher whose rates prices use.
    pub source: String,
    /// Days a daily publication may be old when it is used.
    pub max_age_days: i32,
}

impl Default for FxConfig {
    fn default() -> FxConfig {
        FxConfig { files: Vec::new(), source: "ECB".to_owned(), max_age_days: 5 }
    }
}

/// Notifications of channels (`tradewind listen`).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// The public address of your TLS proxy, such as `https://hooks.example.com`: channels send to `/hooks/ACCOUNT` behind
    /// it, and some sign the address.
    pub url: Option<String>,
}

impl ListenConfig {
    /// Where an account's channel sends to: the address to register there. Without `url` only the path is known.
    #[must_use]
    pub fn address(&self, account: &AccountId) -> String {
        format!("{}/hooks/{account}", self.url.as_deref().unwrap_or_default().trim_end_matches('/'))
    }
}

/// The price book.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PricingConfig {
    /// Price book file (TOML), relative to the configuration.
    pub book: PathBuf,
}

/// Landed cost: which rules, what is known of the goods, and how they get in.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LandedConfig {
    /// Folder of rule packs; the program's own when absent.
    pub packs: Option<PathBuf>,
    /// Folder of official tariffs, as `tradewind duty tariff import` keeps them: duty rates of goods for which the file of
    /// commodity facts states none. A rate stated there goes before the tariff's.
    pub tariffs: Option<PathBuf>,
    /// File of commodity facts: tariff rates and answers per HS prefix, destination and origin.
    pub goods: Option<PathBuf>,
    /// How goods get into a country, by its code; `"*"` for the rest.
    pub to: BTreeMap<String, Lane>,
}

/// How goods get into a country. What is left out is not assumed: a quote says what it misses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lane {
    /// Customs channel: `courier`, `express_hub`, `post` or `freight`.
    pub channel: Option<String>,
    /// Tax scheme: `ioss`, `voec`, `uk_omp`, ...
    pub scheme: Option<String>,
    /// Our number in that scheme.
    pub scheme_id: Option<String>,
    /// The destination's own entry type (US: `01`, `11`, `86`).
    pub entry_type: Option<String>,
    /// `air`, `ocean`, `rail`, `road` or `post`.
    pub mode_of_transport: Option<String>,
    /// `DDP`: import charges are ours; `DAP`: the buyer's.
    #[schemars(with = "Option<String>")]
    pub incoterm: Option<Incoterm>,
    /// Whether we are registered for the destination's tax.
    pub seller_registered: Option<bool>,
}

/// Whose sale it is in the eye of the tax office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SoldVia {
    /// A marketplace facilitates it.
    Marketplace,
    /// Our own shop.
    Shop,
}

/// An account.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// Name of the account, chosen by the user.
    #[schemars(with = "String")]
    pub id: AccountId,
    /// Connector's short name.
    pub connector: String,
    /// `read-only` (the default) or `read-write`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub access: Access,
    /// Selling rules; without them nothing is offered here.
    pub offers: Option<OfferRules>,
    /// The connector's own settings.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    pub settings: toml::Table,
    /// Secrets by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// Where the configuration names each secret; empty when it was not read from a text.
    #[serde(skip)]
    pub places: BTreeMap<String, Place>,
}

/// A place in a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// File.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// The same text once more, for the places of the secrets alone.
#[derive(Deserialize)]
struct Places {
    #[serde(default)]
    account: Vec<PlacesOfAccount>,
}

#[derive(Deserialize)]
struct PlacesOfAccount {
    #[serde(default)]
    secrets: BTreeMap<String, toml::Spanned<toml::Value>>,
}

/// How the catalogue becomes offers of one account.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferRules {
    /// Currency of the market.
    #[schemars(with = "String")]
    pub currency: Currency,
    /// Language of the market.
    #[serde(default = "english")]
    pub locale: String,
    /// The channel of the price book that makes the prices here: costs, fees, landed cost, margins, endings and
    /// promotions. Without it the simple rules below do.
    pub channel: Option<String>,
    /// Units of the market's currency for one unit of a catalogue currency, with the source of each rate.
    #[serde(default)]
    pub rates: BTreeMap<String, PinnedRate>,
    /// Price = catalogue price × rate × markup.
    #[serde(default = "one", with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub markup: Decimal,
    /// Prices end like this: "0.99" gives 12.99, "0" gives whole units.
    #[schemars(with = "Option<String>")]
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub ending: Option<Decimal>,
    /// VAT or GST contained in the price, as a share of the net price (0.19 is 19 %).
    #[serde(default, with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub tax_included: Decimal,
    /// Channel and payment fees as a share of the price.
    #[serde(default, with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub fees: Decimal,
    /// Margin floor of this account, before the general one.
    #[schemars(with = "Option<String>")]
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub margin_floor: Option<Decimal>,
    /// Category at the channel, by the catalogue's category; `"*"` for the rest.
    #[serde(default)]
    pub categories: BTreeMap<String, String>,
    /// Only products of these categories; empty means all.
    #[serde(default)]
    pub only: Vec<String>,
    /// Share of the stock exposed here, as parts of the sum over accounts (strict mode).
    #[serde(default = "one_part")]
    pub stock_parts: u32,
    /// The channel wants a GTIN.
    #[serde(default)]
    pub gtin_required: bool,
    /// Whose sale it is: `marketplace` or `shop`. Decides who collects which tax.
    pub sold_via: Option<SoldVia>,
}

fn one() -> Decimal {
    Decimal::ONE
}

fn one_part() -> u32 {
    1
}

/// A rate that the user pinned.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinnedRate {
    /// Units of the market's currency for one unit.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub rate: Decimal,
    /// Where it comes from: "ECB 2026-07-31".
    pub source: String,
}

/// Where a secret is. Never in the file itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file that holds nothing else.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A systemd credential (`LoadCredential=`).
    Credential(String),
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretSource::File(file) => write!(f, "file {}", file.display()),
            SecretSource::Env(var) => write!(f, "environment variable {var}"),
            SecretSource::Credential(id) => write!(f, "systemd credential {id}"),
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Unreadable, not TOML, a field unknown, missing or of wrong type — with line and column.
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
        let place = |offset: usize| {
            let before = text.get(..offset).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Place { path: path.to_owned(), line, column }
        };
        let at = |offset: usize, message: String| {
            let Place { path, line, column } = place(offset);
            ConfigError::Invalid { path, line, column, message }
        };
        let wrong = |e: toml::de::Error| at(e.span().map_or(0, |s| s.start), in_words(e.message()));
        let mut config: Config = toml::from_str(text).map_err(wrong)?;
        // A way of writing that has no place costs the place in messages, not the configuration.
        let places = toml::from_str(text).map_or_else(|_| Vec::new(), |p: Places| p.account);
        for (account, found) in config.account.iter_mut().zip(places) {
            account.places = found.secrets.iter().map(|(n, s)| (n.clone(), place(s.span().start))).collect();
        }
        let mut seen: Vec<&AccountId> = Vec::new();
        for account in &config.account {
            let offset = text.find(&format!("\"{}\"", account.id)).unwrap_or(0);
            if seen.contains(&&account.id) {
                return Err(at(
                    offset,
                    format!("account '{}' stands twice: give each its own id", account.id),
                ));
            }
            seen.push(&account.id);
        }
        if let Some(shipping) = &config.shipping {
            for id in
                std::iter::once(&shipping.carrier).chain(shipping.customs.values()).chain(&shipping.payments)
            {
                if !seen.contains(&id) {
                    let offset = text.find(&format!("\"{id}\"")).unwrap_or(0);
                    return Err(at(
                        offset,
                        format!("[shipping] names account '{id}', which no [[account]] defines"),
                    ));
                }
            }
        }
        for (account, rules) in config.account.iter().filter_map(|a| Some((a, a.offers.as_ref()?))) {
            let Some(channel) = &rules.channel else { continue };
            let offset = text.find(&format!("\"{}\"", account.id)).unwrap_or(0);
            if config.pricing.is_none() {
                return Err(at(
                    offset,
                    format!(
                        "account '{}' takes its prices from channel '{channel}' of a price book, and there is none: add [pricing] book = \"prices.toml\"",
                        account.id
                    ),
                ));
            }
            if let Some(field) = rules.simple() {
                return Err(at(
                    offset,
                    format!(
                        "account '{}' has offers.{field} beside offers.channel: that stands in the price book, under [channels.{channel}]",
                        account.id
                    ),
                ));
            }
        }
        if let Some(url) = &config.listen.url {
            let plain = |host: &str| !host.is_empty() && !host.contains([' ', '?', '#', '@']);
            if !["https://", "http://"].iter().any(|s| url.strip_prefix(s).is_some_and(plain)) {
                let offset = text.find("[listen]").unwrap_or(0);
                return Err(at(
                    offset,
                    format!("[listen] url '{url}' is no address: write it as \"https://hooks.example.com\""),
                ));
            }
        }
        for (name, lane) in &config.landed.to {
            let offset = text.find(&format!("[landed.to.{name}]")).unwrap_or(0);
            if name != "*" && Country::new(name).is_err() {
                return Err(at(
                    offset,
                    format!("[landed.to.{name}]: '{name}' is no country: ISO 3166-1 alpha-2, or \"*\""),
                ));
            }
            let closed = [
                ("channel", &lane.channel, &["courier", "express_hub", "post", "freight"][..]),
                ("mode_of_transport", &lane.mode_of_transport, &["air", "ocean", "rail", "road", "post"][..]),
            ];
            for (field, value, known) in closed {
                if let Some(v) = value.as_deref().filter(|v| !known.contains(v)) {
                    let what = format!("[landed.to.{name}] {field}: '{v}' is unknown: {}", known.join(", "));
                    return Err(at(offset, what));
                }
            }
        }
        Ok(config)
    }

    /// The JSON schema of the configuration, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
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
            SecretSource::Credential(id) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).unwrap_or_default();
                read(folder.join(id))
            }
        };
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

impl OfferRules {
    /// The first of the simple price rules that is set.
    fn simple(&self) -> Option<&'static str> {
        let set = [
            ("rates", !self.rates.is_empty()),
            ("markup", self.markup != Decimal::ONE),
            ("ending", self.ending.is_some()),
            ("tax_included", !self.tax_included.is_zero()),
            ("fees", !self.fees.is_zero()),
            ("margin_floor", self.margin_floor.is_some()),
        ];
        set.into_iter().find(|(_, set)| *set).map(|(name, _)| name)
    }

    /// The language as a type.
    #[must_use]
    pub fn locale(&self) -> Locale {
        Locale::parse(&self.locale).unwrap_or_else(|| Locale(self.locale.clone()))
    }

    /// Rounds a price to the market: the ending when there is one, else the currency's exponent half up.
    #[must_use]
    pub fn round_price(&self, exact: Decimal) -> Decimal {
        let step = Decimal::new(1, self.currency.exponent());
        match self.ending {
            // The smallest price with this ending that is not below the exact one.
            Some(ending) => {
                let whole = exact.floor();
                let candidate = whole + ending;
                if candidate >= exact { candidate } else { candidate + Decimal::ONE }
            }
            None => Rounding::HalfUp.to_step(exact, step),
        }
    }
}
