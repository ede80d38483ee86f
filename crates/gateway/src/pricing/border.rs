//! The landed-cost engine as the price book sees it: what the border takes of one unit sold at a price.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rust_decimal::Decimal;
use tradewind_domain::{Country, Currency, Exact, Incoterm, Money, Rounding, Variant};
use tradewind_fx::calendar::Regime;
use tradewind_landed_cost::pack::{Pack, Provenance};
use tradewind_landed_cost::quote::{Charge, Engine, Quote, RateSource, Status};
use tradewind_landed_cost::rates::{FxRate, FxSource};
use tradewind_landed_cost::request::{Num, Request};
use tradewind_pricing::{Channel, Charged, ImportCharges, Lack, PricingError};

use crate::config::{Config, OfferRules};
use crate::landed::{Article, Ask, DestinationRates, Engines};

/// Rates as of one instant, whatever instant is asked: a law of the future is tried with the rates of today.
struct Frozen<'a>(DestinationRates<'a>, Timestamp);

impl FxSource for Frozen<'_> {
    fn rate(&self, regime: Regime, from: Currency, to: Currency, _: Timestamp) -> Result<FxRate, String> {
        self.0.rate(regime, from, to, self.1)
    }
}

/// What is asked of goods of one code and origin in one market, whatever they cost: goods that are alike in this share
/// the question and the prices at which its formulas change.
pub(crate) struct Question {
    request: Request,
    ours: bool,
    /// Where lane and goods facts stand.
    origin: String,
    breaks: Mutex<BTreeMap<(Currency, i64), Vec<i64>>>,
}

/// One article sold to one market, ready to be quoted at any price.
pub(crate) struct Border<'a> {
    engines: &'a Engines,
    rates: Frozen<'a>,
    question: Arc<Question>,
    /// The question's, with the price that was last asked about.
    request: RefCell<Request>,
    pack: Option<&'a Pack>,
    at: Timestamp,
    seen: RefCell<BTreeMap<i64, Result<Vec<Charged>, PricingError>>>,
}

/// What the formulas were; two prices with the same one are on the same straight line.
type Signature = Vec<(String, Option<Decimal>, i8)>;

fn unknown(what: impl std::fmt::Display) -> PricingError {
    PricingError::Landed { why: what.to_string(), lacks: None }
}

impl Question {
    /// Prepares the question. `law` is the instant whose rules apply, `now` the one whose exchange rates do.
    #[allow(clippy::too_many_arguments)] // each is one independent part of the question
    pub(crate) fn new(
        engines: &Engines,
        config: &Config,
        rules: &OfferRules,
        channel: &Channel,
        market: Country,
        variant: &Variant,
        law: Timestamp,
        now: Timestamp,
    ) -> Result<Question, PricingError> {
        let code = market.code();
        let (name, lane) = config.lane(market).ok_or_else(|| {
            unknown(format!("tradewind.toml does not say how goods get into {code}: add [landed.to.{code}]"))
        })?;
        let place = format!("tradewind.toml [landed.to.{name}]");
        let term = lane.incoterm.ok_or_else(|| {
            unknown(format!(
                "{place} does not say who pays import charges: add incoterm = \"DDP\" (we do) or \"DAP\" (the buyer does)"
            ))
        })?;
        let stated = channel.vat.rate();
        let article = Article {
            id: "1".to_owned(),
            price: Decimal::ONE,
            quantity: 1,
            discount: Decimal::ZERO,
            hs: variant.hs,
            origin: variant.origin,
        };
        let ask = Ask {
            from: config.shipping.as_ref().map(|s| s.from.country),
            rates: now,
            lane: Some(lane),
            incoterm: Some(term),
            sold_via: rules.sold_via,
            quote_currency: Some(channel.currency),
            prices_include_tax: stated != Some(Decimal::ZERO),
            vat: stated.filter(|r| !r.is_zero()),
            ..Ask::new(market, law, channel.currency, vec![article])
        };
        let (request, facts) = ask.request(engines);
        let request = Request::parse(&request.to_string()).map_err(unknown)?;
        let mut places = vec![place];
        places.extend(facts);
        Ok(Question {
            request,
            ours: term == Incoterm::Ddp,
            origin: places.join(", "),
            breaks: Mutex::default(),
        })
    }
}

impl<'a> Border<'a> {
    /// Asks a question that was prepared for this market and these instants.
    pub(crate) fn new(
        engines: &'a Engines,
        question: Arc<Question>,
        market: Country,
        law: Timestamp,
        now: Timestamp,
    ) -> Border<'a> {
        Border {
            engines,
            rates: Frozen(engines.rates_for(market), now),
            request: RefCell::new(question.request.clone()),
            question,
            pack: engines.packs.for_country(market).map(AsRef::as_ref),
            at: law,
            seen: RefCell::default(),
        }
    }

    pub(crate) fn quote(&self, price: Money) -> Result<Quote, PricingError> {
        let mut request = self.request.borrow_mut();
        for line in &mut request.lines {
            line.unit_price = Num(price.decimal());
        }
        let engine: Engine<'_> = self.engines.quotes(&self.rates);
        engine.quote(&request).map_err(unknown)
    }

    fn read(&self, quote: &Quote, price: Money) -> Result<Vec<Charged>, PricingError> {
        if quote.status != Status::Complete {
            // Line 1 is the article: it is the only one that is asked about.
            let facts = [("lines.1.hs", Lack::Hs), ("lines.1.origin", Lack::Origin)];
            let lacks = facts.into_iter().find(|(name, _)| quote.missing.iter().any(|m| m == name));
            let lacks = lacks.map(|(_, lack)| lack);
            return Err(PricingError::Landed { why: self.why_not(quote), lacks });
        }
        if quote.currency != price.currency().code() {
            return Err(unknown(format!(
                "no exchange rate between {} and {}: add a rate file under [fx]",
                price.currency(),
                quote.currency
            )));
        }
        let asked = &*self.question;
        let contains_tax = asked.request.prices_include_tax;
        let at_sale = quote.tax_treatment.collected_at_sale;
        let mut out = Vec::new();
        for line in &quote.lines {
            let vat: i64 = line.charges.iter().filter(|c| is_vat(&c.kind)).map(|c| c.amount.minor()).sum();
            if line.vat.map(Money::minor) != Some(vat) {
                return Err(unknown("the quote's VAT is not the sum of its VAT charges"));
            }
            for charge in line.charges.iter().filter(|c| !c.amount.is_zero()) {
                let tax = is_vat(&charge.kind);
                if asked.ours || (tax && at_sale) {
                    out.push(self.charged(charge, tax && contains_tax));
                }
            }
        }
        if contains_tax && !out.iter().any(|c| c.contained) {
            // The net price, and with it every threshold, would be computed without a tax that nobody takes out.
            return Err(unknown(format!(
                "the price is said to contain tax, and none is taken from this sale in {}: write vat = \"0\" for the channel, or the scheme of its lane",
                asked.request.destination.country
            )));
        }
        for fee in quote.fees.iter().filter(|f| asked.ours && !f.amount.is_zero()) {
            out.push(Charged {
                label: format!("fee {}", fee.kind),
                amount: fee.amount,
                origin: self.rule(&fee.rule_id, None).unwrap_or_else(|| fee.rule_id.to_string()),
                contained: false,
            });
        }
        Ok(out)
    }

    fn charged(&self, charge: &Charge, contained: bool) -> Charged {
        let rate =
            charge.rate.map(|r| format!(" {} % of {}", (r * Decimal::ONE_HUNDRED).normalize(), charge.base));
        let titled = |name: &str| self.rule(name, Some(&charge.title));
        let mut origin = titled(&charge.rule_id).unwrap_or_else(|| charge.rule_id.to_string());
        if let Some(layer) = titled(&charge.layer).filter(|l| *l != origin) {
            origin = format!("{origin}, {layer}");
        }
        match &charge.rate_source {
            RateSource::Request => origin = format!("{origin}, {}", self.question.origin),
            RateSource::Tariff(row) => origin = format!("{origin}, {row}"),
            RateSource::Pack | RateSource::None => {}
        }
        Charged {
            label: format!("{}{} ({})", charge.kind, rate.unwrap_or_default(), charge.layer),
            amount: charge.amount,
            origin,
            contained,
        }
    }

    /// `file:line` of a rule, layer, fee or rate by its name; of several rows of one name (the lists of Section 301) the
    /// one with this title.
    fn rule(&self, name: &str, title: Option<&str>) -> Option<String> {
        let pack = self.pack?;
        let metas = pack
            .rules
            .iter()
            .map(|r| &r.meta)
            .chain(pack.layers.iter().map(|l| &l.meta))
            .chain(pack.fees.iter().map(|f| &f.meta))
            .chain(pack.rates.iter().map(|r| &r.meta));
        let named =
            |m: &&Provenance| m.when.contains(self.at) && (m.id.as_ref() == name || m.row.as_ref() == name);
        let found: Vec<&Provenance> = metas.filter(named).collect();
        let exact = found.iter().find(|m| title == Some(m.title.as_ref()));
        exact.or(found.first()).map(|m| format!("{}:{}", pack.file, m.line))
    }

    /// What the quote at a price wants a person to know: rates that nobody verified, thresholds nearby.
    pub(crate) fn flags(&self, price: Money) -> Vec<String> {
        self.quote(price).map(|q| q.flags).unwrap_or_default()
    }

    fn why_not(&self, quote: &Quote) -> String {
        let mut parts = Vec::new();
        if !quote.missing.is_empty() {
            parts.push(format!("missing {}", quote.missing.join(", ").replace("lines.1.", "the SKU's ")));
        }
        parts.extend(quote.reason.clone());
        parts.extend(quote.fallback.as_ref().map(|f| format!("instead: {f}")));
        let status = match quote.status {
            Status::NotEligible => "not eligible",
            Status::Blocked => "blocked",
            Status::Partial => "partly known",
            _ => "not known",
        };
        let country = &self.question.request.destination.country;
        format!("import into {country} is {status}: {}", parts.join("; "))
    }

    fn signature(&self, minor: i64, currency: Currency) -> Signature {
        let price = Money::from_minor(minor, currency);
        let Ok(quote) = self.quote(price) else { return Vec::new() };
        let mut out = vec![(format!("{:?} {:?}", quote.status, quote.rule), None, 0)];
        for c in quote.lines.iter().flat_map(|l| &l.charges) {
            out.push((c.layer.to_string(), c.rate, i8::from(c.amount.is_zero() && !c.raw.is_zero())));
        }
        for f in &quote.fees {
            // Clamped below, above, or not: the amount against what the lines would give.
            let raw: Decimal =
                f.lines.iter().filter_map(|l| tradewind_domain::parse_decimal(&l.raw).ok()).sum();
            let raw = Exact::new(raw, currency).round(Rounding::HalfUp).map_or(0, Money::minor);
            out.push((f.kind.to_string(), None, raw.cmp(&f.amount.minor()) as i8));
        }
        out
    }

    /// Prices near which some rule of the pack may change: every bound of every rule, as net and as gross, in the
    /// price's currency.
    fn bounds(&self, currency: Currency) -> Vec<i64> {
        let unit = Decimal::from(10_i64.pow(currency.exponent()));
        let mut out = Vec::new();
        for rule in self.pack.iter().flat_map(|p| &p.rules) {
            for band in &rule.when.value {
                for bound in [&band.low, &band.high].into_iter().flatten() {
                    let rate = if band.currency == currency {
                        Some(Decimal::ONE)
                    } else {
                        self.rates.0.any(band.currency, currency, self.rates.1).map(|r| r.rate)
                    };
                    let minor = rate.and_then(|r| bound.amount.checked_mul(r)?.checked_mul(unit));
                    out.extend(minor.and_then(|m| i64::try_from(m.floor()).ok()));
                }
            }
        }
        out
    }

    fn find_breaks(&self, currency: Currency, limit: i64) -> Vec<i64> {
        // Sample widely, and on both sides of every bound that the pack names; between two samples of different
        // formulas, halve until the last price of the lower one is found.
        let mut samples: Vec<i64> = vec![1];
        while let Some(next) = samples.last().map(|l| l + l / 2 + 1).filter(|n| *n < limit) {
            samples.push(next);
        }
        for bound in self.bounds(currency) {
            // A net bound lies between itself and half as much again as gross.
            samples.extend([bound, bound + 1, bound + bound / 8, bound + bound / 4, bound + bound / 2]);
        }
        samples.push(limit - 1);
        samples.retain(|s| (1..limit).contains(s));
        samples.sort_unstable();
        samples.dedup();
        let mut out = Vec::new();
        let mut last: Option<(i64, Signature)> = None;
        for sample in samples {
            let here = self.signature(sample, currency);
            if let Some((mut low, mut before)) = last.take() {
                while before != here {
                    let (mut a, mut b) = (low, sample);
                    let mut right = here.clone();
                    while b - a > 1 {
                        let middle = a + (b - a) / 2;
                        let there = self.signature(middle, currency);
                        if there == before {
                            a = middle;
                        } else {
                            b = middle;
                            right = there;
                        }
                    }
                    out.push(a);
                    (low, before) = (b, right);
                }
            }
            last = Some((sample, here));
        }
        out
    }
}

fn is_vat(kind: &str) -> bool {
    const KINDS: [&str; 8] = ["vat", "gst", "hst", "qst", "pst", "igst", "icms", "sales_tax"];
    KINDS.contains(&kind) || kind.starts_with("consumption_tax_")
}

impl ImportCharges for Border<'_> {
    fn charges(&self, price: Money) -> Result<Vec<Charged>, PricingError> {
        if let Some(known) = self.seen.borrow().get(&price.minor()) {
            return known.clone();
        }
        let found = self.quote(price).and_then(|q| self.read(&q, price));
        self.seen.borrow_mut().insert(price.minor(), found.clone());
        found
    }

    fn breaks(&self, currency: Currency, limit: i64) -> Result<Vec<i64>, PricingError> {
        let known = || self.question.breaks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&(currency, limit)) {
            return Ok(found.clone());
        }
        let found = self.find_breaks(currency, limit);
        known().insert((currency, limit), found.clone());
        Ok(found)
    }

    fn noise(&self, currency: Currency) -> Decimal {
        // Each charge is rounded, and the net price before it; a pack may truncate to larger steps (Japan: base to
        // 1,000, duty and tax to 100).
        let unit = Decimal::new(1, currency.exponent());
        let steps = self.pack.map(|p| &p.steps);
        let step =
            |f: fn(&tradewind_landed_cost::pack::Steps) -> Option<Decimal>| steps.and_then(f).unwrap_or(unit);
        unit * Decimal::TEN + step(|s| s.base) + step(|s| s.duty) + step(|s| s.tax) + step(|s| s.tax)
    }
}
