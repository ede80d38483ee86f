//! `tradewind.toml`: what the user writes. Every mistake is told with file, line and column.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_connector::Access;
use tradewind_domain::{AccountId, Address, Country, Currency, Incoterm, Locale, Rounding, TaxId};

mod error;
mod network;
mod places;
mod read;
mod rule;
mod schema;
mod secret;

pub use error::ConfigError;
pub use places::{Place, Places};
pub use secret::SecretSource;

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
    /// Channels that are simulated, in a time of their own.
    pub simulated: Option<SimulatedConfig>,
    /// Accounts.
    #[serde(default)]
    pub account: Vec<AccountEntry>,
    /// Where each value stands; of nothing when it was not read from a text.
    #[serde(skip)]
    pub places: Places,
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
    #[schemars(schema_with = "schema::currency_option")]
    pub currency: Option<Currency>,
    /// Language of the words.
    #[serde(default = "english", deserialize_with = "rule::locale")]
    #[schemars(schema_with = "schema::locale")]
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
    /// A price may move by this share at once (0.3 is 30 %), or by any: `"none"`.
    #[schemars(schema_with = "schema::share_or_none")]
    #[serde(
        serialize_with = "rust_decimal::serde::str_option::serialize",
        deserialize_with = "rule::share_or_none"
    )]
    pub price_jump: Option<Decimal>,
    /// This share of an account's live listings may be withdrawn at once.
    #[schemars(schema_with = "schema::share")]
    #[serde(serialize_with = "rust_decimal::serde::str::serialize", deserialize_with = "rule::share")]
    pub mass_delete: Decimal,
    /// Margin over cost, fees and tax that a price must leave, as a share of the net price. No default: a
    /// missing floor blocks every offer of an account that has none either. Floors of the price book below it are
    /// raised to it.
    #[schemars(schema_with = "schema::part_option")]
    #[serde(
        serialize_with = "rust_decimal::serde::str_option::serialize",
        deserialize_with = "rule::part_option"
    )]
    pub margin_floor: Option<Decimal>,
    /// Offers must have HS code and origin, because their buyers may be abroad.
    pub customs_facts: bool,
}

impl Default for GuardConfig {
    fn default() -> GuardConfig {
        GuardConfig {
            price_jump: Some(Decimal::new(30, 2)),
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
    #[schemars(schema_with = "schema::address")]
    pub from: Address,
    /// Sender's registrations.
    #[serde(default)]
    #[schemars(schema_with = "schema::registrations")]
    pub registrations: Vec<TaxId>,
    /// Carrier account.
    #[schemars(schema_with = "schema::account")]
    pub carrier: AccountId,
    /// Customs account per destination country, where we declare ourselves.
    #[serde(default)]
    #[schemars(schema_with = "schema::by_country")]
    pub customs: BTreeMap<Country, AccountId>,
    /// Customs scheme per destination country, as the rule packs of landed cost name it (China: `cbec_1210`). An order to
    /// which the scheme is not open is not filed.
    #[serde(default)]
    #[schemars(schema_with = "schema::by_country")]
    pub scheme: BTreeMap<Country, String>,
    /// The selling platform's name as customs knows it, for declarations.
    #[serde(default)]
    pub platform: String,
    /// Grams of packing added to each parcel.
    #[serde(default)]
    pub packing_grams: u64,
    /// Parcel dimensions in millimetres: length, width, height.
    #[serde(deserialize_with = "rule::sides")]
    #[schemars(schema_with = "schema::sides")]
    pub parcel_mm: [u32; 3],
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
    #[serde(deserialize_with = "rule::days")]
    #[schemars(range(min = 0))]
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

/// Channels that are simulated (`tradewind simulate --shop` writes it). Commands then live in the time of their world, and
/// what would wait moves it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatedConfig {
    /// The address of any of its channels, such as `http://127.0.0.1:9000`.
    pub world: String,
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
    #[schemars(schema_with = "schema::lanes")]
    pub to: BTreeMap<String, Lane>,
}

/// How goods get into a country. What is left out is not assumed: a quote says what it misses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lane {
    /// Customs channel: `courier`, `express_hub`, `post` or `freight`.
    #[schemars(schema_with = "schema::channel_option")]
    pub channel: Option<String>,
    /// Tax scheme: `ioss`, `voec`, `uk_omp`, ...
    pub scheme: Option<String>,
    /// Our number in that scheme.
    pub scheme_id: Option<String>,
    /// The destination's own entry type (US: `01`, `11`, `86`).
    pub entry_type: Option<String>,
    /// `air`, `ocean`, `rail`, `road` or `post`.
    #[schemars(schema_with = "schema::mode_option")]
    pub mode_of_transport: Option<String>,
    /// `DDP`: import charges are ours; `DAP`: the buyer's.
    #[schemars(schema_with = "schema::incoterm_option")]
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
    #[schemars(schema_with = "schema::account")]
    pub id: AccountId,
    /// Connector's short name.
    pub connector: String,
    /// Another account of the connector, defined in full: what this one leaves out of its settings, secrets and network is
    /// taken from there. Access and selling rules are its own.
    #[serde(default)]
    #[schemars(schema_with = "schema::account_option")]
    pub like: Option<AccountId>,
    /// `read-only` (the default) or `read-write`.
    #[serde(default)]
    #[schemars(schema_with = "schema::access")]
    pub access: Access,
    /// Selling rules; without them nothing is offered here.
    pub offers: Option<OfferRules>,
    /// The connector's own settings.
    #[serde(default)]
    #[schemars(schema_with = "schema::settings")]
    pub settings: toml::Table,
    /// Secrets by name.
    #[serde(default, deserialize_with = "secret::all")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// How its requests leave, where that is not the plain way.
    pub network: Option<NetworkEntry>,
    /// Where the configuration names each secret; empty when it was not read from a text.
    #[serde(skip)]
    pub places: BTreeMap<String, Place>,
}

/// How the requests of an account leave: through a proxy, to a server with a certificate of its own, or to one that asks for ours.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkEntry {
    /// Proxy: `http://host:port`. It takes the name in `http://name@host:port` with the secret `proxy_password`. Without one, what
    /// the environment says (`HTTPS_PROXY`, `NO_PROXY`).
    pub proxy: Option<String>,
    /// PEM file with certificates of an authority that is believed beside those of the system.
    pub authority: Option<PathBuf>,
    /// PEM file with our client certificate and its chain, for a server that asks for one (mutual TLS). Its key is the secret
    /// `tls_key`.
    pub certificate: Option<PathBuf>,
}

/// How the catalogue becomes offers of one account.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferRules {
    /// Currency of the market.
    #[schemars(schema_with = "schema::currency")]
    pub currency: Currency,
    /// Language of the market.
    #[serde(default = "english", deserialize_with = "rule::locale")]
    #[schemars(schema_with = "schema::locale")]
    pub locale: String,
    /// The channel of the price book that makes the prices here: costs, fees, landed cost, margins, endings and
    /// promotions. Without it the simple rules below do.
    pub channel: Option<String>,
    /// Units of the market's currency for one unit of a catalogue currency, with the source of each rate.
    #[serde(default)]
    #[schemars(schema_with = "schema::rates")]
    pub rates: BTreeMap<String, PinnedRate>,
    /// Price = catalogue price × rate × markup.
    #[serde(
        default = "one",
        serialize_with = "rust_decimal::serde::str::serialize",
        deserialize_with = "rule::positive"
    )]
    #[schemars(schema_with = "schema::factor")]
    pub markup: Decimal,
    /// Prices end like this: "0.99" gives 12.99, "0" gives whole units.
    #[schemars(schema_with = "schema::part_option")]
    #[serde(
        default,
        serialize_with = "rust_decimal::serde::str_option::serialize",
        deserialize_with = "rule::ending"
    )]
    pub ending: Option<Decimal>,
    /// VAT or GST contained in the price, as a share of the net price (0.19 is 19 %).
    #[serde(
        default,
        serialize_with = "rust_decimal::serde::str::serialize",
        deserialize_with = "rule::share"
    )]
    #[schemars(schema_with = "schema::share")]
    pub tax_included: Decimal,
    /// Channel and payment fees as a share of the price.
    #[serde(
        default,
        serialize_with = "rust_decimal::serde::str::serialize",
        deserialize_with = "rule::part"
    )]
    #[schemars(schema_with = "schema::part")]
    pub fees: Decimal,
    /// Margin floor of this account, before the general one.
    #[schemars(schema_with = "schema::part_option")]
    #[serde(
        default,
        serialize_with = "rust_decimal::serde::str_option::serialize",
        deserialize_with = "rule::part_option"
    )]
    pub margin_floor: Option<Decimal>,
    /// Category at the channel, by the catalogue's category; `"*"` for the rest.
    #[serde(default)]
    pub categories: BTreeMap<String, String>,
    /// Only products of these categories; empty means all.
    #[serde(default)]
    pub only: Vec<String>,
    /// Share of the stock exposed here, as parts of the sum over accounts (strict mode). Units are allotted as they are counted:
    /// an account that is added later gets its part of what is counted on top.
    #[serde(default = "one_part", deserialize_with = "rule::parts")]
    #[schemars(range(min = 1))]
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
    #[serde(serialize_with = "rust_decimal::serde::str::serialize", deserialize_with = "rule::positive")]
    #[schemars(schema_with = "schema::factor")]
    pub rate: Decimal,
    /// Where it comes from: "ECB 2026-07-31".
    pub source: String,
}

impl Config {
    /// The JSON schema of the configuration, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
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
