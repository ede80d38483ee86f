//! Channel prices through the price book: what a SKU should cost where, what is left of it, and whether that keeps the
//! floor. The same question is asked by `plan`, again by `apply` before anything is sent, and by `why price`.

mod border;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tradewind_domain::{AccountId, Country, Currency, Decimal, Exact, HsCode, Money, Product, Sku, Variant};
use tradewind_landed_cost::calendar;
use tradewind_pricing::{
    Article, Channel, Cliff, Derivation, Fx, Guard as Floor, Input, Lack, Pricer, PricingError,
};

use crate::config::{AccountEntry, Config, OfferRules};
use crate::desired::{Guard, Stop, above_zero, source};
use crate::landed::Engines;
use crate::plan::{Action, Change};
use border::{Border, Question};

/// A price with everything that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Priced {
    /// The price.
    pub price: Money,
    /// How it was chosen: what, and where it stands.
    pub steps: Vec<Step>,
    /// What becomes of it; the lines add up.
    pub derivation: Derivation,
    /// The least share of the net price that must be left.
    pub floor: Input<Decimal>,
    /// The share wanted, where the channel has one.
    pub target: Option<Input<Decimal>>,
    /// Prices above it that earn less, because a charge jumps.
    pub cliffs: Vec<Cliff>,
    /// What else a person should know: promotions left out, prices at which charges are not known.
    pub notes: Vec<String>,
    /// Why it may not go out all the same: the floor is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}

/// One step on the way to a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was done.
    pub what: String,
    /// `file:line`.
    pub origin: String,
}

/// What a price leaves at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The floor is kept.
    Keeps(Derivation),
    /// It is not.
    Falls(Derivation, Option<Money>),
    /// A charge is not known.
    Unknown(String),
}

/// Prices remembered at most.
const REMEMBERED: usize = 200_000;

/// Prices found before, for a plan that is made often. A price stays as it is until law, book or exchange rates
/// change: the key names all three. SKUs that are alike share a price, but not the reason why there is none: its words
/// name the SKU and the row of its file, so they are part of the key of a reason.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<HashMap<Box<str>, Result<Money, Stop>>>);

impl Found {
    fn get(&self, shared: &str, own: &str) -> Option<Result<Money, Stop>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(shared).or_else(|| all.get(own)).cloned()
    }

    fn put(&self, shared: String, own: String, found: Result<Money, Stop>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A process that runs for months meets many states of the world; what is forgotten is found again.
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let key = if found.is_ok() { shared } else { own };
        all.insert(key.into_boxed_str(), found);
    }
}

impl Clone for Found {
    /// Another set of engines knows nothing yet.
    fn clone(&self) -> Found {
        Found::default()
    }
}

fn percent(share: Option<Decimal>) -> String {
    share.map_or_else(|| "?".to_owned(), |s| (s * Decimal::ONE_HUNDRED).round_dp(1).normalize().to_string())
}

/// Prices of a configuration at an instant.
pub struct Prices<'a> {
    /// Configuration.
    pub config: &'a Config,
    /// Price book, packs, rates, goods facts.
    pub engines: &'a Engines,
    /// Now: exchange rates, promotions.
    pub now: Timestamp,
    /// The instant whose law and edition of the book apply; `now`, but for a look ahead.
    pub law: Timestamp,
    questions: Mutex<HashMap<Alike<'a>, Arc<Question>>>,
}

/// What decides a question at the border: channel, whose sale it is, code, origin, and the instants of law and rates.
type Alike<'a> = (&'a str, Option<&'static str>, Option<HsCode>, Option<Country>, Timestamp, Timestamp);

/// An account's terms: entry, rules, name of its channel in the price book.
pub type Terms<'a> = (&'a AccountEntry, &'a OfferRules, &'a str);

impl<'a> Prices<'a> {
    /// Prices of now.
    #[must_use]
    pub fn new(config: &'a Config, engines: &'a Engines, now: Timestamp) -> Prices<'a> {
        Prices { config, engines, now, law: now, questions: Mutex::default() }
    }

    /// The same under the law and the edition of the book of another instant.
    #[must_use]
    pub fn under(self, law: Timestamp) -> Prices<'a> {
        Prices { law, ..self }
    }

    /// The accounts whose prices come from the price book.
    pub fn accounts(&self) -> impl Iterator<Item = Terms<'a>> {
        self.config.account.iter().filter_map(|entry| {
            let rules = entry.offers.as_ref()?;
            Some((entry, rules, rules.channel.as_deref()?))
        })
    }

    /// The terms of one account; `None` when its prices come from simple rules.
    #[must_use]
    pub fn terms(&self, account: &AccountId) -> Option<Terms<'a>> {
        self.accounts().find(|(entry, ..)| entry.id == *account)
    }

    /// The price of a SKU, remembered until something changes.
    ///
    /// # Errors
    /// A guard stops it.
    pub fn price(&self, terms: Terms<'a>, variant: &Variant) -> Result<Money, Stop> {
        // Before anything is looked up: with a target the key does not hold the catalogue's price.
        above_zero(variant)?;
        let shared = self.key(terms, variant);
        let own = format!("{shared} {} {}", variant.sku, source(variant));
        if let Some(known) = self.engines.found.get(&shared, &own) {
            return known;
        }
        // The price alone: what a person should know besides costs another quote.
        let found = self.with(terms, variant, |pricer, _| self.choose(pricer, variant, &source(variant)));
        let found = found.and_then(kept).map(|p| p.price);
        self.engines.found.put(shared, own, found.clone());
        found
    }

    /// Everything that decides a price. The SKU itself only where the book names it: variants of one product share.
    fn key(&self, (entry, rules, channel): Terms<'_>, variant: &Variant) -> String {
        let sku = variant.sku.as_str();
        let edition = self.engines.book.as_ref().map(|b| b.at(self.law));
        let terms = edition.and_then(|e| e.channels.get(channel));
        let promoted =
            self.engines.book.iter().flat_map(|b| &b.promotions).any(|p| p.skus.iter().any(|s| s == sku));
        let own = edition.and_then(|e| e.skus.get(sku));
        // A target makes its price without the catalogue's.
        let asked =
            terms.filter(|t| t.target.is_some()).map_or_else(|| variant.price.to_string(), |_| String::new());
        let epoch = self.engines.changes.partition_point(|t| *t <= self.law);
        let running = self.engines.changes.partition_point(|t| *t <= self.now);
        let mut currencies: Vec<Currency> = vec![variant.price.currency()];
        currencies.extend(variant.cost.map(|c| c.currency()));
        let tables = [edition.map(|e| &e.costs), terms.map(|t| &t.costs), own];
        for cost in tables.into_iter().flatten().flat_map(|t| t.values()) {
            currencies
                .extend([cost.value.flat, cost.value.per_kg].into_iter().flatten().map(Money::currency));
        }
        let fx = terms.map_or_else(String::new, |t| self.publications(t, currencies));
        format!(
            "{epoch} {running} {fx} {} {channel} {:?} {asked} {:?} {:?} {:?} {:?} {}",
            entry.id,
            rules.sold_via,
            variant.cost,
            variant.weight,
            variant.hs,
            variant.origin,
            if own.is_some() || promoted { sku } else { "" }
        )
    }

    /// The publications that today's rates come from; a rate that is missing or stale shows as such.
    fn publications(&self, terms: &Channel, mut currencies: Vec<Currency>) -> String {
        let Ok(today) = self.now.in_tz("UTC") else { return String::new() };
        currencies.sort_unstable();
        currencies.dedup();
        let mut out = String::new();
        for from in currencies.into_iter().filter(|c| *c != terms.currency) {
            let (book, policy) = (&self.engines.rates, self.engines.policy());
            let rate = book.rate(&self.engines.fx.source, from, terms.currency, today.date(), policy);
            out.push_str(&rate.map_or_else(|_| format!("no {from}"), |r| r.id));
        }
        let market = terms.market.as_ref().map(|m| m.value);
        let limits = market.and_then(|m| Some((m, self.engines.packs.for_country(m)?.currency)));
        if let Some((market, currency)) = limits.filter(|(_, c)| *c != terms.currency) {
            let rate = self.engines.rates_for(market).any(currency, terms.currency, self.now);
            out.push_str(&rate.map_or_else(|| format!("no {currency}"), |r| r.id));
        }
        out
    }

    /// The price of a SKU with all that made it.
    ///
    /// # Errors
    /// A guard stops it: the floor is not kept, an input is missing, a charge at the border is not known.
    pub fn explain(&self, terms: Terms<'a>, variant: &Variant) -> Result<Priced, Stop> {
        kept(self.sum(terms, variant)?)
    }

    /// The price of a SKU with all that made it, also when it does not keep its floor: `stop` says so then.
    ///
    /// # Errors
    /// There is no sum: an input is missing, a charge at the border is not known.
    pub fn sum(&self, terms: Terms<'a>, variant: &Variant) -> Result<Priced, Stop> {
        above_zero(variant)?;
        self.with(terms, variant, |pricer, border| {
            let mut priced = self.choose(pricer, variant, &source(variant))?;
            priced.notes.extend(border.into_iter().flat_map(|b| b.flags(priced.price)));
            Ok(priced)
        })
    }

    /// What a price leaves under the law of `self.law`.
    ///
    /// # Errors
    /// An input other than a charge at the border is missing.
    pub fn judge(&self, terms: Terms<'a>, variant: &Variant, price: Money) -> Result<Judged, Stop> {
        let judged = self.with(terms, variant, |pricer, _| match pricer.guard(price) {
            Ok(Floor::Pass(d)) => Ok(Judged::Keeps(d)),
            Ok(Floor::Blocked { derivation, needs }) => Ok(Judged::Falls(derivation, needs)),
            Err(e) => Err(stop_of(e)),
        });
        match judged {
            Err(s) if s.guard == Guard::LandedCost => Ok(Judged::Unknown(s.why)),
            other => other,
        }
    }

    /// Whether a price may go out now; what `apply` asks before it sends.
    ///
    /// # Errors
    /// Why not.
    pub fn may_go(&self, terms: Terms<'a>, variant: &Variant, price: Money) -> Result<(), Stop> {
        match self.judge(terms, variant, price)? {
            Judged::Keeps(_) => Ok(()),
            Judged::Unknown(why) => Err(Stop::new(Guard::LandedCost, why)),
            Judged::Falls(d, needs) => {
                let floor = self.with(terms, variant, |p, _| Ok(p.terms().floor.clone()))?;
                Err(below(&d, &floor, needs))
            }
        }
    }

    /// The guard at send: a change that puts a price up is judged again at this moment.
    ///
    /// # Errors
    /// Why it may not go.
    pub fn at_send(&self, change: &Change, variants: &BTreeMap<Sku, (Product, Variant)>) -> Result<(), Stop> {
        let Some(Action::Create { offer } | Action::Update { offer, .. }) = &change.action else {
            return Ok(());
        };
        let (Some(terms), Some((_, variant))) = (self.terms(&change.account), variants.get(&change.sku))
        else {
            return Ok(());
        };
        self.may_go(terms, variant, offer.price)
    }

    fn with<T>(
        &self,
        (_, rules, channel): Terms<'a>,
        variant: &Variant,
        f: impl FnOnce(&Pricer<'_>, Option<&Border<'_>>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let Some(book) = &self.engines.book else {
            return Err(Stop::new(
                Guard::MissingRate,
                "offers.channel names a channel of the price book, and there is none: add [pricing] book = \"prices.toml\"",
            ));
        };
        let terms = book.at(self.law).channels.get(channel);
        let terms = terms.ok_or_else(|| stop_of(PricingError::UnknownChannel(channel.to_owned())))?;
        let market = terms.market.as_ref();
        let border = market.map(|m| {
            let question = self.question(rules, channel, terms, m.value, variant)?;
            Ok(Border::new(self.engines, question, m.value, self.law, self.now))
        });
        let border = border.transpose().map_err(stop_of)?;
        let source = source(variant);
        let article = Article {
            sku: variant.sku.to_string(),
            purchase: variant.cost.map(|value| Input::<Exact> { value, origin: source.clone() }),
            weight: variant.weight.map(|value| Input { value, origin: source.clone() }),
        };
        let date = self.now.in_tz("UTC").map(|z| z.date());
        let fx = Fx {
            rates: &self.engines.rates,
            source: &self.engines.fx.source,
            date: date.map_err(|e| Stop::new(Guard::MissingRate, e.to_string()))?,
            policy: self.engines.policy(),
        };
        let import = border.as_ref().map(|b| b as &dyn tradewind_pricing::ImportCharges);
        let pricer = Pricer::new(book, self.law, channel, &article, fx, import).map_err(stop_of)?;
        f(&pricer, border.as_ref())
    }

    fn question(
        &self,
        rules: &OfferRules,
        channel: &'a str,
        terms: &Channel,
        market: Country,
        variant: &Variant,
    ) -> Result<Arc<Question>, PricingError> {
        let via = rules.sold_via.map(|v| v.code());
        let alike = (channel, via, variant.hs, variant.origin, self.law, self.now);
        let known = || self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = known().get(&alike) {
            return Ok(Arc::clone(question));
        }
        let (law, now) = (self.law, self.now);
        let question = Question::new(self.engines, self.config, rules, terms, market, variant, law, now)?;
        Ok(Arc::clone(known().entry(alike).or_insert(Arc::new(question))))
    }

    fn choose(&self, pricer: &Pricer<'_>, variant: &Variant, source: &str) -> Result<Priced, Stop> {
        let terms = pricer.terms();
        let (mut notes, mut cliffs) = (Vec::new(), Vec::new());
        let (regular, mut steps) = if let Some(target) = &terms.target {
            let solved = pricer.target_price().map_err(stop_of)?;
            cliffs = solved.cliffs;
            if let Some((from, why)) = solved.unknown {
                notes.push(format!("from {from} on: {why}"));
            }
            let mut steps = vec![Step {
                what: format!("lowest price that earns {} % of net", percent(Some(target.value))),
                origin: target.origin.clone(),
            }];
            if let Some(ending) = &terms.ending {
                steps.push(Step { what: "up to the ending".to_owned(), origin: ending.origin.clone() });
            }
            (solved.price, steps)
        } else {
            let asked = Input { value: variant.price, origin: source.to_owned() };
            let (price, steps) = pricer.marked_up(&asked).map_err(stop_of)?;
            (price, steps.into_iter().map(|(what, origin)| Step { what, origin }).collect())
        };
        let (mut guard, running) = pricer.promoted(regular, self.now).map_err(stop_of)?;
        if let (Floor::Blocked { derivation, .. }, false) = (&guard, running.is_empty()) {
            // A promotion never passes the floor: the regular price stays, and the plan says so.
            let names: Vec<&str> = running.iter().map(|p| p.name.as_str()).collect();
            notes.push(format!(
                "promotion {} left out: {} leaves {} %, the floor is {} %",
                names.join(" + "),
                derivation.price,
                percent(derivation.share()),
                percent(Some(terms.floor.value))
            ));
            guard = pricer.guard(regular).map_err(stop_of)?;
        } else {
            steps.extend(running.iter().map(|p| Step {
                what: format!("promotion {} −{} %", p.name, percent(Some(p.off))),
                origin: p.origin.clone(),
            }));
        }
        let (derivation, stop) = match guard {
            Floor::Pass(derivation) => (derivation, None),
            Floor::Blocked { derivation, needs } => {
                let stop = below(&derivation, &terms.floor, needs);
                (derivation, Some(stop))
            }
        };
        Ok(Priced {
            price: derivation.price,
            steps,
            derivation,
            floor: terms.floor.clone(),
            target: terms.target.clone(),
            cliffs,
            notes,
            stop,
        })
    }
}

/// The price, unless it does not keep its floor.
fn kept(priced: Priced) -> Result<Priced, Stop> {
    match priced.stop {
        Some(stop) => Err(stop),
        None => Ok(priced),
    }
}

fn below(d: &Derivation, floor: &Input<Decimal>, needs: Option<Money>) -> Stop {
    let remedy = needs.map_or_else(
        || "no price keeps it".to_owned(),
        |p| format!("{p} would keep it; see tradewind why price"),
    );
    Stop::new(
        Guard::MarginFloor,
        format!(
            "{} leaves {} ({} % of net) after landed cost, the floor is {} % ({}): {remedy}",
            d.price,
            d.margin,
            percent(d.share()),
            percent(Some(floor.value)),
            floor.origin
        ),
    )
}

fn stop_of(e: PricingError) -> Stop {
    let guard = match &e {
        PricingError::Landed { lacks: Some(Lack::Hs), .. } => Guard::MissingHs,
        PricingError::Landed { lacks: Some(Lack::Origin), .. } => Guard::MissingOrigin,
        PricingError::Landed { lacks: None, .. } => Guard::LandedCost,
        PricingError::NoPurchase(_) | PricingError::NoWeight { .. } => Guard::MissingCost,
        PricingError::Fx { .. } => Guard::MissingRate,
        PricingError::Unreachable { .. } => Guard::MarginFloor,
        PricingError::BlankFloor { .. } => Guard::BlankFloor,
        PricingError::BadPrice { .. } => Guard::ZeroPrice,
        _ => Guard::Limits,
    };
    Stop::new(guard, e.to_string())
}

impl Engines {
    /// Every instant at which law or price book change, rising.
    pub(crate) fn instants(&self) -> Vec<Timestamp> {
        let packs = self.packs.current().iter().map(AsRef::as_ref);
        let mut all: Vec<Timestamp> =
            calendar::changes(packs, None, None).into_iter().map(|c| c.instant).collect();
        all.extend(self.tariff.instants());
        all.extend(self.book.iter().flat_map(tradewind_pricing::PriceBook::changes));
        all.sort_unstable();
        all.dedup();
        all
    }
}
