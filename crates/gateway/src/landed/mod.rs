//! Landed cost in the use cases: the rule packs, rate book and goods facts that a configuration names, and the pinned
//! quote of an order.
//!
//! [`Engines`] is loaded once with the configuration. [`Gateway::landed_cost`](crate::Gateway::landed_cost) answers
//! what an order costs at the border, keeps the answer with everything it was computed from, and gives the same bytes
//! ever after, whatever packs and rates are loaded later.

mod ask;
mod goods;
mod limit;
mod order;
mod pins;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tradewind_domain::{Country, Currency};
use tradewind_fx::calendar::Regime;
use tradewind_fx::{Policy, RateBook, import};
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::Engine;
use tradewind_landed_cost::rates::tariff::fx::CustomsRates;
use tradewind_landed_cost::rates::tariff::{TariffStore, folder};
use tradewind_landed_cost::rates::{FxRate, FxSource};
use tradewind_pricing::{Input, PriceBook};

pub(crate) use ask::{Article, Ask};
pub use goods::{Goods, GoodsFacts};
pub use order::Landed;
pub use pins::{TariffPins, TariffRow};

use crate::config::{Config, ConfigError, FxConfig, Lane, OfferRules};
use crate::pricing::Found;

/// What the pure engines work with, as the configuration names it.
#[derive(Debug, Clone)]
pub struct Engines {
    /// Rule packs.
    pub packs: PackSet,
    /// Exchange rates.
    pub rates: RateBook,
    /// Whose rates, and how old they may be.
    pub fx: FxConfig,
    /// What is known of commodities: rates and answers that no catalogue holds.
    pub goods: Goods,
    /// Official tariffs, for the duty rates that the goods facts leave out.
    pub tariff: Arc<TariffStore>,
    /// Price book, where one is configured.
    pub book: Option<PriceBook>,
    /// Hash of all of it: a plan made with other engines is stale.
    pub digest: String,
    /// Every instant at which law or price book change, rising.
    pub(crate) changes: Vec<Timestamp>,
    pub(crate) found: Found,
}

impl Engines {
    /// Reads every file that the configuration names.
    ///
    /// # Errors
    /// A file cannot be read or is refused: the message names it, with the line where there is one.
    pub fn load(config: &Config, folder: &Path) -> Result<Engines, ConfigError> {
        let packs = match &config.landed.packs {
            Some(dir) => PackSet::from_dir(&folder.join(dir)),
            None => PackSet::embedded(),
        };
        let packs = packs.map_err(|e| {
            let (file, line) = e.0.first().map_or(("", 0), |p| (p.file.as_str(), p.line as u64));
            ConfigError::refused(&e, file, line)
        })?;
        schemes(config, &packs)?;
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        packs.current().iter().for_each(|p| add(&p.digest));
        // As they could be written: a name of our own code decides nothing.
        let written = serde_json::to_string(&(&config.fx, &config.landed));
        add(&written.unwrap_or_else(|e| e.to_string()));
        let mut rates = RateBook::new();
        for file in &config.fx.files {
            let text = read(folder, file)?;
            add(&text);
            let read = import::any(&text, &file.display().to_string());
            read.map_err(|e| ConfigError::refused(&e, &e.file, e.line))?.into_book(&mut rates);
        }
        let goods = match &config.landed.goods {
            Some(file) => {
                let text = read(folder, file)?;
                add(&text);
                let goods = Goods::parse(&text, &file.display().to_string())?;
                goods.check(&packs)?;
                goods
            }
            None => Goods::default(),
        };
        let tariff = match &config.landed.tariffs {
            Some(dir) => {
                folder::load(&folder.join(dir)).map_err(|e| ConfigError::refused(&e, &e.file, e.line))?
            }
            None => TariffStore::default(),
        };
        for version in tariff.versions() {
            add(&format!("{} {} {}", version.jurisdiction, version.from, version.sha256));
        }
        if let Some(nomenclature) = tariff.nomenclature() {
            add(&nomenclature.sha256);
        }
        let book = match &config.pricing {
            Some(pricing) => {
                let text = read(folder, &pricing.book)?;
                add(&text);
                let name = pricing.book.display().to_string();
                let refused = |e: tradewind_pricing::PricingError| {
                    // Its origin is `file:line`.
                    let origin = e.origin().and_then(|o| o.rsplit_once(':'));
                    let place = origin.and_then(|(file, line)| Some((file, line.parse().ok()?)));
                    let (file, line) = place.unwrap_or((&name, 0));
                    ConfigError::refused(&e, file, line)
                };
                let mut book = PriceBook::parse(&text, &name).map_err(refused)?;
                // The book may ask for more than the guard, never for less.
                if let Some(value) = config.guard.margin_floor {
                    let origin = "tradewind.toml guard.margin_floor".to_owned();
                    book.raise_floors(&Input { value, origin }).map_err(refused)?;
                }
                Some(book)
            }
            None => None,
        };
        for (account, channel) in
            config.account.iter().filter_map(|a| Some((a, a.offers.as_ref()?.channel.as_ref()?)))
        {
            let known = book.as_ref().map(|b| &b.first.channels);
            let Some(terms) = known.and_then(|k| k.get(channel)) else {
                let all: Vec<&str> = known.into_iter().flat_map(|k| k.keys().map(String::as_str)).collect();
                let why = format!(
                    "account '{}' sells as channel '{channel}', which the price book does not have; it has {}",
                    account.id,
                    all.join(", ")
                );
                return Err(ConfigError::refused(&why, "", 0));
            };
            let currency = account.offers.as_ref().map(|o| o.currency);
            if currency != Some(terms.currency) {
                let why = format!(
                    "account '{}' sells in {}, its channel '{channel}' of the price book in {}: make them one",
                    account.id,
                    currency.map(|c| c.code().to_owned()).unwrap_or_default(),
                    terms.currency
                );
                return Err(ConfigError::refused(&why, "", 0));
            }
        }
        let digest = hex::encode(hash.finalize());
        let fx = config.fx.clone();
        let (tariff, changes, found) = (Arc::new(tariff), Vec::new(), Found::default());
        let mut engines = Engines { packs, rates, fx, goods, tariff, book, digest, changes, found };
        engines.changes = engines.instants();
        Ok(engines)
    }

    /// Whether the prices that these rules make contain the destination's VAT or GST.
    #[must_use]
    pub fn prices_contain_tax(&self, rules: &OfferRules, at: Timestamp) -> bool {
        match (&rules.channel, &self.book) {
            (Some(channel), Some(book)) => {
                book.at(at).channels.get(channel).is_some_and(|c| c.vat.rate().is_none_or(|r| !r.is_zero()))
            }
            _ => !rules.tax_included.is_zero(),
        }
    }

    /// How old a daily publication may be.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy { max_age_days: self.fx.max_age_days }
    }

    /// The rates a quote for this destination uses.
    #[must_use]
    pub fn rates_for(&self, destination: Country) -> DestinationRates<'_> {
        // A pack's rule on customs rates is that of its own currency: for a country of another one (Poland in the EU) the
        // quote engine asks no book, and the request states the rates of the day instead.
        let pack = self.packs.for_country(destination);
        let regime = pack.filter(|p| p.currency_of(destination) == p.currency).and_then(|p| p.fx);
        DestinationRates { engines: self, regime }
    }

    /// The quote engine over the configured packs and tariffs.
    #[must_use]
    pub fn quotes<'a>(&'a self, rates: &'a dyn FxSource) -> Engine<'a> {
        Engine::new(&self.packs).with_fx(rates).with_tariff(&*self.tariff)
    }
}

/// Every scheme is one that some rule asks for: with a mistyped one, no rule would apply, or that for everybody else.
fn schemes(config: &Config, packs: &PackSet) -> Result<(), ConfigError> {
    let declared = config.shipping.iter().flat_map(|s| &s.scheme);
    let declared = declared.map(|(to, name)| (format!("shipping.scheme.{to}"), Some(*to), name));
    let lanes = config.landed.to.iter().filter_map(|(to, lane)| {
        Some((format!("landed.to.{to}.scheme"), Country::new(to).ok(), lane.scheme.as_ref()?))
    });
    for (at, to, name) in declared.chain(lanes) {
        if let Some(why) = packs.unknown_scheme(to, name) {
            return Err(config.mistake(&at, format!("scheme '{name}': {why}")));
        }
    }
    Ok(())
}

pub(crate) fn read(folder: &Path, file: &Path) -> Result<String, ConfigError> {
    let path = folder.join(file);
    std::fs::read_to_string(&path)
        .map_err(|e| ConfigError::Unreadable { path: path.display().to_string(), why: e.to_string() })
}

/// Rates for one destination: the publication its customs uses when the book holds that publisher, else the
/// configured source of the day. The quote names the publication either way.
#[derive(Debug, Clone, Copy)]
pub struct DestinationRates<'a> {
    engines: &'a Engines,
    /// The destination's rule on customs rates, where it is known.
    regime: Option<Regime>,
}

impl DestinationRates<'_> {
    fn of_day(&self, from: Currency, to: Currency, at: Timestamp) -> Result<FxRate, String> {
        let day = at.in_tz("UTC").map_err(|e| e.to_string())?.date();
        let (engines, policy) = (self.engines, self.engines.policy());
        let rate =
            engines.rates.rate(&engines.fx.source, from, to, day, policy).map_err(|e| e.to_string())?;
        Ok(FxRate { rate: rate.rate, id: rate.id })
    }

    /// A rate by the destination's rule, or by none.
    pub(crate) fn any(&self, from: Currency, to: Currency, at: Timestamp) -> Option<FxRate> {
        match self.regime {
            Some(regime) => self.rate(regime, from, to, at).ok(),
            None => self.of_day(from, to, at).ok(),
        }
    }

    /// The rates that the request itself must state, as it states them: for a destination whose rule on customs rates is
    /// not known, the quote engine asks no book.
    pub(crate) fn stated(&self, from: Currency, to: Country, at: Timestamp) -> Value {
        let pack = self.engines.packs.for_country(to).filter(|_| self.regime.is_none());
        let mut wanted: Vec<Currency> = pack.map(|p| vec![p.currency_of(to), p.currency]).unwrap_or_default();
        wanted.retain(|c| *c != from);
        wanted.dedup();
        let stated = wanted.into_iter().filter_map(|c| {
            let rate = self.of_day(from, c, at).ok()?.rate;
            Some(json!({"from": from.code(), "to": c.code(), "rate": rate.to_string()}))
        });
        Value::Array(stated.collect())
    }
}

impl FxSource for DestinationRates<'_> {
    fn rate(&self, regime: Regime, from: Currency, to: Currency, at: Timestamp) -> Result<FxRate, String> {
        let (book, policy) = (&self.engines.rates, self.engines.policy());
        if book.sources().iter().any(|(s, _)| s == regime.source()) {
            return CustomsRates { book, policy }.rate(regime, from, to, at);
        }
        self.of_day(from, to, at)
    }
}

impl Config {
    /// How goods get into a country, with the name of its table; `"*"` is for the rest.
    #[must_use]
    pub fn lane(&self, to: Country) -> Option<(&str, &Lane)> {
        let own = self.landed.to.get_key_value(to.code());
        own.or_else(|| self.landed.to.get_key_value("*")).map(|(name, lane)| (name.as_str(), lane))
    }
}

impl Lane {
    /// Writes the lane into a quote request: only what it states.
    pub(crate) fn put(&self, request: &mut Map<String, Value>) {
        let texts = [
            ("channel", &self.channel),
            ("scheme", &self.scheme),
            ("scheme_id", &self.scheme_id),
            ("entry_type", &self.entry_type),
            ("mode_of_transport", &self.mode_of_transport),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                request.insert(name.to_owned(), json!(text));
            }
        }
        if let Some(term) = self.incoterm {
            request.insert("incoterm".to_owned(), json!(term.code()));
        }
        if let Some(registered) = self.seller_registered {
            request.insert("seller".to_owned(), json!({"registered": registered}));
        }
    }
}
