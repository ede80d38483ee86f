//! The price book: a TOML file of costs per SKU and terms per channel. Each input keeps its line.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;
use tradewind_domain::{Currency, Decimal, Money, parse_decimal};

use crate::PricingError;

/// A value with the `file:line` it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input<T> {
    /// The value.
    pub value: T,
    /// `file:line`.
    pub origin: String,
}

/// One fee of a channel or payment provider, on the price the buyer pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fee {
    /// Its name in the derivation.
    pub name: String,
    /// Marginal tiers: up to this price (`None`: without end), this share of the part inside.
    pub tiers: Vec<(Option<Decimal>, Decimal)>,
    /// Added to every sale.
    pub fixed: Decimal,
    /// The share is never less.
    pub minimum: Option<Decimal>,
    /// Where it stands.
    pub origin: String,
}

/// Duty on the net price (price without VAT), when it is above a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyRule {
    /// Share of the net price.
    pub rate: Decimal,
    /// No duty up to and including this net price.
    pub above: Decimal,
    /// Where it stands.
    pub origin: String,
}

/// The last digits of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    pub(crate) modulus: i64,
    pub(crate) rest: i64,
}

/// The terms of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Prices are in this currency.
    pub currency: Currency,
    /// VAT contained in the price.
    pub vat: Input<Decimal>,
    /// The least margin as a share of the net price. Blank is an error, not zero.
    pub floor: Input<Decimal>,
    /// The wanted margin as a share of the net price.
    pub target: Input<Decimal>,
    /// Share of the price set aside for returns.
    pub returns: Option<Input<Decimal>>,
    /// Channel and payment fees.
    pub fees: Vec<Fee>,
    /// Built-in duty rule; a landed-cost engine may take its place.
    pub duty: Option<DutyRule>,
    /// Price ending.
    pub ending: Option<Ending>,
}

/// A promotion window, half-open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Its name.
    pub name: String,
    /// Channel it runs on.
    pub channel: String,
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub until: Timestamp,
    /// Share taken off.
    pub off: Decimal,
    /// The higher one wins.
    pub priority: i32,
    /// May be combined with others that say so too.
    pub stacks: bool,
    /// Where it stands.
    pub origin: String,
}

/// A whole book.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    /// Cost components by SKU, in the order of the alphabet.
    pub skus: BTreeMap<String, BTreeMap<String, Input<Money>>>,
    /// Terms by channel.
    pub channels: BTreeMap<String, Channel>,
    /// All promotions.
    pub promotions: Vec<Promotion>,
}

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBook {
    #[serde(default)]
    skus: BTreeMap<String, BTreeMap<String, Text>>,
    channels: BTreeMap<String, Spanned<RawChannel>>,
    #[serde(default)]
    promotions: Vec<RawPromotion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    currency: Text,
    vat: Text,
    floor: Option<Text>,
    target: Text,
    returns: Option<Text>,
    ending: Option<Text>,
    duty: Option<RawDuty>,
    #[serde(default)]
    fees: Vec<RawFee>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDuty {
    rate: Text,
    above: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFee {
    name: Text,
    percent: Option<Text>,
    #[serde(default)]
    tiers: Vec<RawTier>,
    fixed: Option<Text>,
    minimum: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    up_to: Option<Text>,
    percent: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPromotion {
    name: Text,
    channel: Text,
    from: Text,
    until: Text,
    off: Text,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    stacks: bool,
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
}

impl Reader<'_> {
    fn origin(&self, span: Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or_default();
        format!("{}:{}", self.file, before.matches('\n').count() + 1)
    }

    fn refuse(&self, t: &Text, what: &str) -> PricingError {
        PricingError::Book { origin: self.origin(t.span()), what: format!("{:?} {what}", t.get_ref()) }
    }

    /// A number from zero up to (and without) one.
    fn share(&self, t: &Text) -> Result<Input<Decimal>, PricingError> {
        let value = parse_decimal(t.get_ref())
            .ok()
            .filter(|v| *v >= Decimal::ZERO && *v < Decimal::ONE)
            .ok_or_else(|| self.refuse(t, "is not a share such as \"0.15\" (from 0 to below 1)"))?;
        Ok(Input { value, origin: self.origin(t.span()) })
    }

    fn amount(&self, t: &Text) -> Result<Decimal, PricingError> {
        parse_decimal(t.get_ref())
            .ok()
            .filter(|v| *v >= Decimal::ZERO)
            .ok_or_else(|| self.refuse(t, "is not an amount of zero or more"))
    }

    fn money(&self, t: &Text) -> Result<Input<Money>, PricingError> {
        let value = t
            .get_ref()
            .split_once(' ')
            .and_then(|(amount, code)| Money::parse(amount, Currency::new(code).ok()?).ok())
            .filter(|m| !m.is_negative())
            .ok_or_else(|| self.refuse(t, "is not an amount with its currency, such as \"78.40 CNY\""))?;
        Ok(Input { value, origin: self.origin(t.span()) })
    }

    fn ending(&self, t: &Text) -> Result<Ending, PricingError> {
        let digits: String = t.get_ref().chars().filter(|c| *c != '.').collect();
        let rest = digits.parse::<i64>().ok().filter(|_| (1..=4).contains(&digits.len()));
        let rest = rest
            .filter(|r| *r >= 0)
            .ok_or_else(|| self.refuse(t, "is not an ending such as \".99\", \"5\" or \"0\""))?;
        Ok(Ending { modulus: (0..digits.len()).fold(1, |m, _| m * 10), rest })
    }

    fn fee(&self, f: &RawFee) -> Result<Fee, PricingError> {
        let mut tiers = Vec::new();
        if let Some(p) = &f.percent {
            tiers.push((None, self.share(p)?.value));
        }
        let mut below = Decimal::ZERO;
        for (n, t) in f.tiers.iter().enumerate() {
            let end = t.up_to.as_ref().map(|u| self.amount(u)).transpose()?;
            let last = n + 1 == f.tiers.len();
            if f.percent.is_some() || last != end.is_none() || end.is_some_and(|e| e <= below) {
                return Err(self.refuse(
                    &f.name,
                    "has wrong tiers: no percent beside them, up_to rising, and only the last without up_to",
                ));
            }
            below = end.unwrap_or(below);
            tiers.push((end, self.share(&t.percent)?.value));
        }
        let fixed = f.fixed.as_ref().map(|t| self.amount(t)).transpose()?;
        let minimum = f.minimum.as_ref().map(|t| self.amount(t)).transpose()?;
        if tiers.is_empty() && fixed.is_none() {
            return Err(self.refuse(&f.name, "has neither percent, tiers nor fixed"));
        }
        Ok(Fee {
            name: f.name.get_ref().clone(),
            tiers,
            fixed: fixed.unwrap_or_default(),
            minimum,
            origin: self.origin(f.name.span()),
        })
    }
}

impl PriceBook {
    /// Reads a book. `file` is its name in messages and derivations.
    ///
    /// # Errors
    /// [`PricingError::Book`] with file, line and what is expected; a channel without floor is one.
    pub fn parse(text: &str, file: &str) -> Result<PriceBook, PricingError> {
        let r = Reader { text, file };
        let raw: RawBook = toml::from_str(text).map_err(|e| PricingError::Book {
            origin: r.origin(e.span().unwrap_or_default()),
            what: e.message().to_owned(),
        })?;
        let mut book = PriceBook::default();
        for (sku, costs) in &raw.skus {
            let costs: Result<_, PricingError> =
                costs.iter().map(|(name, t)| Ok((name.clone(), r.money(t)?))).collect();
            book.skus.insert(sku.clone(), costs?);
        }
        for (name, spanned) in &raw.channels {
            let c = spanned.get_ref();
            let blank =
                || PricingError::BlankFloor { channel: name.clone(), origin: r.origin(spanned.span()) };
            let floor = c.floor.as_ref().filter(|f| !f.get_ref().trim().is_empty()).ok_or_else(blank)?;
            let duty = c.duty.as_ref().map(|d| {
                Ok::<_, PricingError>(DutyRule {
                    rate: r.share(&d.rate)?.value,
                    above: r.amount(&d.above)?,
                    origin: r.origin(d.rate.span()),
                })
            });
            let channel = Channel {
                currency: Currency::new(c.currency.get_ref())
                    .map_err(|_| r.refuse(&c.currency, "is not a currency"))?,
                vat: r.share(&c.vat)?,
                floor: r.share(floor)?,
                target: r.share(&c.target)?,
                returns: c.returns.as_ref().map(|t| r.share(t)).transpose()?,
                fees: c.fees.iter().map(|f| r.fee(f)).collect::<Result<_, _>>()?,
                duty: duty.transpose()?,
                ending: c.ending.as_ref().map(|t| r.ending(t)).transpose()?,
            };
            book.channels.insert(name.clone(), channel);
        }
        for p in &raw.promotions {
            let instant = |t: &Text| {
                t.get_ref()
                    .parse::<Timestamp>()
                    .map_err(|_| r.refuse(t, "is not an instant like 2026-07-01T00:00:00+02:00"))
            };
            let (from, until) = (instant(&p.from)?, instant(&p.until)?);
            if until <= from {
                return Err(r.refuse(&p.until, "is not after the start of the promotion"));
            }
            if !book.channels.contains_key(p.channel.get_ref()) {
                return Err(r.refuse(&p.channel, "is not a channel of this book"));
            }
            book.promotions.push(Promotion {
                name: p.name.get_ref().clone(),
                channel: p.channel.get_ref().clone(),
                from,
                until,
                off: r.share(&p.off)?.value,
                priority: p.priority,
                stacks: p.stacks,
                origin: r.origin(p.name.span()),
            });
        }
        Ok(book)
    }
}
