//! How an account is connected to its simulated channel: where it listens and what it accepts. The one place of the
//! program that names simulated channels; a new one is a row of [`WIRING`].

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use jiff::civil::Date;
use serde::Deserialize;
use tradewind_simulator::Simulator;

use crate::files;

/// A shop's files, built into the program: the demo needs nothing but it.
const FILES: &[(&str, &str)] = &[
    ("catalogue.csv", include_str!("../../../config/demo/catalogue.csv")),
    ("shopify-export.csv", include_str!("../../../config/demo/shopify-export.csv")),
    ("google-feed.xml", include_str!("../../../config/demo/google-feed.xml")),
    ("customs-facts.jsonl", include_str!("../../../config/demo/customs-facts.jsonl")),
    ("prices.toml", include_str!("../../../config/demo/prices.toml")),
    ("goods.toml", include_str!("../../../config/demo/goods.toml")),
    ("rates.csv", RATES),
];
const RATES: &str = include_str!("../../../config/demo/rates.csv");
const CONFIG: &str = include_str!("../../../config/demo/tradewind.toml");
/// The public address of the shop's TLS proxy, which the simulator plays.
pub(crate) const PUBLIC: &str = "https://hooks.shop.example";

/// How the names of files end that hold a secret.
const SECRET: &str = ".secret";

/// Where a setting comes from.
enum Value {
    /// The channel's address with this behind it.
    Url(&'static str),
    /// A test credential of this name.
    Credential(&'static str),
}
use Value::{Credential, Url};

/// One kind of channel: settings (`table.name` for one in a table), and secrets with the name of the test credential.
struct Wiring {
    connector: &'static str,
    settings: &'static [(&'static str, Value)],
    secrets: &'static [(&'static str, &'static str)],
}

const WIRING: &[Wiring] = &[
    Wiring {
        connector: "amazon",
        settings: &[
            ("endpoint", Url("")),
            ("token_endpoint", Url("/auth/o2/token")),
            ("seller_id", Credential("seller_id")),
            ("client_id", Credential("client_id")),
        ],
        secrets: &[("client_secret", "client_secret"), ("refresh_token", "refresh_token")],
    },
    Wiring {
        connector: "shopify",
        settings: &[
            ("endpoint", Url("")),
            ("shop", Credential("shop_domain")),
            ("location", Credential("location_id")),
            ("publication", Credential("publication_id")),
        ],
        secrets: &[("access_token", "access_token"), ("client_secret", "client_secret")],
    },
    Wiring {
        connector: "aliexpress",
        settings: &[
            ("endpoint", Url("")),
            ("app_key", Credential("app_key")),
            ("callback", Credential("callback")),
        ],
        secrets: &[("app_secret", "app_secret"), ("refresh_token", "refresh_token")],
    },
    Wiring {
        connector: "ebay",
        settings: &[
            ("endpoint", Url("")),
            ("finances_endpoint", Url("")),
            ("consent_page", Url("/oauth2/authorize")),
            ("ru_name", Credential("ru_name")),
            ("client_id", Credential("client_id")),
            ("merchant_location", Credential("merchant_location_key")),
            ("fulfillment_policy", Credential("fulfillment_policy_id")),
            ("payment_policy", Credential("payment_policy_id")),
            ("return_policy", Credential("return_policy_id")),
            ("signing_jwe", Credential("signing_jwe")),
            ("notification_keys.7f1a52d6-5c1f-4c5e-9a4d-0d6f1f6f2a10", Credential("notification_key")),
        ],
        secrets: &[
            ("client_secret", "client_secret"),
            ("refresh_token", "refresh_token"),
            ("signing_key", "signing_key"),
        ],
    },
    Wiring {
        connector: "paypal",
        settings: &[
            ("endpoint", Url("")),
            ("reports", Url("/ppreports/outgoing")),
            ("client_id", Credential("client_id")),
        ],
        secrets: &[("client_secret", "client_secret")],
    },
    Wiring {
        connector: "dhl-express",
        settings: &[("endpoint", Url("")), ("account_number", Credential("account_number"))],
        secrets: &[("username", "username"), ("password", "password")],
    },
    Wiring {
        connector: "china-ceb",
        settings: &[
            ("endpoint", Url("")),
            ("signer.endpoint", Url("")),
            ("dxp_id", Credential("dxp_id")),
            ("receiver_id", Credential("receiver_id")),
        ],
        secrets: &[("bridge_password", "bridge_password"), ("signer_token", "signer_token")],
    },
];

/// A running simulated channel, as `GET /_sim/channels` tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Running {
    base_url: String,
    credentials: BTreeMap<String, String>,
}

/// Running channels by name.
pub(crate) type Channels = BTreeMap<String, Running>;

/// Accounts of the shop, with their connectors.
pub(crate) fn accounts() -> anyhow::Result<Vec<(String, String)>> {
    let config: toml::Table = CONFIG.parse().context("config/demo/tradewind.toml")?;
    let accounts = config.get("account").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |a: &toml::Value, name: &str| Some(a.get(name)?.as_str()?.to_owned());
    Ok(accounts.filter_map(|a| Some((text(a, "id")?, text(a, "connector")?))).collect())
}

/// The channels of a simulator in this process.
pub(crate) fn running(simulator: &Simulator) -> Channels {
    let of = |name: &str| Running {
        base_url: simulator.base_url(name),
        credentials: simulator.credentials(name).0,
    };
    simulator.channels().into_iter().map(|name| (name.to_owned(), of(name))).collect()
}

/// Writes the demo's shop into a folder, connected to these channels: `tradewind.toml`, the catalogue files, and the
/// test credentials as secret files, as a user's would be. Accounts whose channel does not run are left out.
///
/// The rates are real ones of February 2026. A shop whose commands run on a later day, `today`, is told to take them at
/// their age: a sample has no newer ones, and a shop without rates lists on no channel of another currency.
///
/// `world`: beside which commands are to be run by hand; they live in its time. The demo, which drives its world itself, names none.
pub(crate) fn write_shop(
    folder: &Path,
    channels: &Channels,
    today: Option<Date>,
    world: Option<&str>,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        // Whole or not at all: a demo that is killed here must know the half of a shop for its own when it goes on.
        let written = match name.ends_with(SECRET) {
            true => files::secret(&path, text),
            false => files::replace(&path, text.as_bytes()),
        };
        written.with_context(|| format!("{} cannot be written", path.display()))
    };
    for (name, text) in FILES {
        write(name, text)?;
    }
    let mut config: toml::Table = CONFIG.parse().context("config/demo/tradewind.toml")?;
    if let Some(accounts) = config.get_mut("account").and_then(toml::Value::as_array_mut) {
        let mut kept = Vec::new();
        for account in std::mem::take(accounts) {
            let connector =
                account.get("connector").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
            let Some(running) = channels.get(&connector) else { continue };
            kept.push(connect(account, &connector, running, &write)?);
        }
        *accounts = kept;
    }
    if let (Some(today), Some(fx)) = (today, config.get_mut("fx").and_then(toml::Value::as_table_mut)) {
        let allowed = fx.get("max_age_days").and_then(toml::Value::as_integer).unwrap_or_default();
        fx.insert("max_age_days".to_owned(), (allowed + age_of_rates(today)?).into());
    }
    if let Some(world) = world {
        let table = toml::Table::from_iter([("world".to_owned(), world.into())]);
        config.insert("simulated".to_owned(), table.into());
    }
    config.insert("listen".to_owned(), toml::Table::from_iter([("url".to_owned(), PUBLIC.into())]).into());
    // Where the customs account is left out, nothing is declared.
    let ids: Vec<String> = config
        .get("account")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|a| a.get("id").and_then(toml::Value::as_str).map(str::to_owned))
        .collect();
    // Without its carrier a shop ships nothing; naming an account that is not there would be a mistake.
    let carrier = config.get("shipping").and_then(|s| s.get("carrier")).and_then(toml::Value::as_str);
    if carrier.is_some_and(|carrier| ids.iter().all(|id| id != carrier)) {
        config.remove("shipping");
    }
    let customs = config.get_mut("shipping").and_then(|s| s.get_mut("customs"));
    if let Some(customs) = customs.and_then(toml::Value::as_table_mut) {
        customs.retain(|_, account| account.as_str().is_some_and(|a| ids.iter().any(|id| id == a)));
    }
    let text = toml::to_string(&config).context("the shop's configuration")?;
    write("tradewind.toml", &format!("{HEAD}{text}"))
}

/// The first line of a configuration that [`write_shop`] wrote.
const HEAD: &str = "# A shop connected to simulated channels: every name and credential is made up.\n";

/// Whether a folder has a configuration that is not to be written over; one that [`write_shop`] wrote may be.
pub(crate) fn foreign_shop(folder: &Path) -> bool {
    let file = folder.join("tradewind.toml");
    file.exists() && !std::fs::read_to_string(&file).is_ok_and(|text| text.starts_with(HEAD))
}

/// Days from the newest of the shop's rates to this day; zero before it.
fn age_of_rates(today: Date) -> anyhow::Result<i64> {
    let mut newest: Option<Date> = None;
    for row in RATES.lines().skip(1) {
        let day = row.split(',').next().unwrap_or_default();
        let day = day.parse().with_context(|| format!("config/demo/rates.csv: {row}"))?;
        newest = newest.max(Some(day));
    }
    let newest = newest.context("config/demo/rates.csv has no rate")?;
    Ok(i64::from(newest.until(today)?.get_days()).max(0))
}

/// Fills in where the account's channel listens and what it accepts.
fn connect(
    mut account: toml::Value,
    connector: &str,
    running: &Running,
    write: &impl Fn(&str, &str) -> anyhow::Result<()>,
) -> anyhow::Result<toml::Value> {
    let wiring = WIRING
        .iter()
        .find(|w| w.connector == connector)
        .with_context(|| format!("'{connector}' has no row in {}", file!()))?;
    let credential = |name: &str| {
        running
            .credentials
            .get(name)
            .cloned()
            .with_context(|| format!("the simulated channel '{connector}' names no credential '{name}'"))
    };
    let table = account.as_table_mut().context("an account is no table")?;
    let empty = || toml::Value::Table(toml::Table::new());
    let settings =
        table.entry("settings").or_insert_with(empty).as_table_mut().context("settings is no table")?;
    for (name, value) in wiring.settings {
        let value = match value {
            Url(path) => format!("{}{path}", running.base_url.trim_end_matches('/')),
            Credential(name) => credential(name)?,
        };
        match name.split_once('.') {
            None => settings.insert((*name).to_owned(), value.into()),
            Some((inner, name)) => settings
                .entry(inner)
                .or_insert_with(empty)
                .as_table_mut()
                .with_context(|| format!("settings.{inner} is no table"))?
                .insert(name.to_owned(), value.into()),
        };
    }
    let secrets =
        table.entry("secrets").or_insert_with(empty).as_table_mut().context("secrets is no table")?;
    for (name, given) in wiring.secrets {
        let file = format!("{connector}-{name}{SECRET}");
        write(&file, &credential(given)?)?;
        let source = toml::Table::from_iter([("file".to_owned(), toml::Value::from(file))]);
        secrets.insert((*name).to_owned(), toml::Value::Table(source));
    }
    Ok(account)
}
