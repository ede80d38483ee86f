//! Reads a price book from TOML. Every message names file, line and remedy; scheduled editions are read and checked
//! now, not on their day.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;
use tradewind_domain::{Country, Currency, Decimal, Money, parse_decimal};

use crate::PricingError;
use crate::book::{Channel, Cost, Costs, DutyRule, Edition, Ending, Fee, Input, PriceBook, Promotion, Vat};

type Text = Spanned<String>;
type RawCosts = BTreeMap<String, Text>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBook {
    #[serde(default)]
    costs: RawCosts,
    #[serde(default)]
    skus: BTreeMap<String, RawCosts>,
    channels: BTreeMap<String, Spanned<RawChannel>>,
    #[serde(default)]
    promotions: Vec<RawPromotion>,
    #[serde(default)]
    scheduled: Vec<RawEdition>,
}

/// What a scheduled change may touch: the same tables, each field replacing the one before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEdition {
    name: Text,
    from: Text,
    #[serde(default)]
    costs: RawCosts,
    #[serde(default)]
    skus: BTreeMap<String, RawCosts>,
    #[serde(default)]
    channels: BTreeMap<String, Spanned<RawChannel>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    currency: Option<Text>,
    market: Option<Text>,
    vat: Option<Text>,
    floor: Option<Text>,
    target: Option<Text>,
    markup: Option<Text>,
    returns: Option<Text>,
    ending: Option<Text>,
    duty: Option<RawDuty>,
    fees: Option<Vec<RawFee>>,
    #[serde(default)]
    costs: RawCosts,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct RawDuty {
    rate: Text,
    above: Text,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct RawFee {
    name: Text,
    percent: Option<Text>,
    #[serde(default)]
    tiers: Vec<RawTier>,
    fixed: Option<Text>,
    minimum: Option<Text>,
}

#[derive(Deserialize, Clone)]
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
    #[serde(default)]
    skus: Vec<String>,
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

    fn input<T>(&self, t: &Text, value: T) -> Input<T> {
        Input { value, origin: self.origin(t.span()) }
    }

    /// A number from zero up to (and without) one.
    fn share(&self, t: &Text) -> Result<Input<Decimal>, PricingError> {
        let value = parse_decimal(t.get_ref())
            .ok()
            .filter(|v| *v >= Decimal::ZERO && *v < Decimal::ONE)
            .ok_or_else(|| self.refuse(t, "is not a share such as \"0.15\" (from 0 to below 1)"))?;
        Ok(self.input(t, value))
    }

    fn amount(&self, t: &Text) -> Result<Decimal, PricingError> {
        parse_decimal(t.get_ref())
            .ok()
            .filter(|v| *v >= Decimal::ZERO)
            .ok_or_else(|| self.refuse(t, "is not an amount of zero or more"))
    }

    /// `78.40 CNY`, `8.40 EUR/kg`, or both with a plus between.
    fn cost(&self, t: &Text) -> Result<Input<Cost>, PricingError> {
        let wrong = || {
            self.refuse(
                t,
                "is not a cost: write an amount with its currency (\"78.40 CNY\"), one per weight (\"8.40 EUR/kg\"), or both (\"2.10 EUR + 8.40 EUR/kg\")",
            )
        };
        let mut cost = Cost { flat: None, per_kg: None };
        for term in t.get_ref().split('+') {
            let term = term.trim();
            let (money, slot) = match term.strip_suffix("/kg") {
                Some(money) => (money, &mut cost.per_kg),
                None => (term, &mut cost.flat),
            };
            let value = money
                .split_once(' ')
                .and_then(|(amount, code)| Money::parse(amount, Currency::new(code.trim()).ok()?).ok())
                .filter(|m| !m.is_negative());
            if value.is_none() || slot.is_some() {
                return Err(wrong());
            }
            *slot = value;
        }
        if let (Some(a), Some(b)) = (cost.flat, cost.per_kg)
            && a.currency() != b.currency()
        {
            return Err(self.refuse(t, "has two currencies: write it as two costs"));
        }
        Ok(self.input(t, cost))
    }

    fn costs(&self, raw: &RawCosts) -> Result<Costs, PricingError> {
        raw.iter().map(|(name, t)| Ok((name.clone(), self.cost(t)?))).collect()
    }

    fn ending(&self, t: &Text) -> Result<Ending, PricingError> {
        let digits: String = t.get_ref().chars().filter(|c| *c != '.').collect();
        let rest = digits.parse::<i64>().ok().filter(|_| (1..=4).contains(&digits.len()));
        let rest = rest
            .filter(|r| *r >= 0)
            .ok_or_else(|| self.refuse(t, "is not an ending such as \".99\", \"5\" or \"0\""))?;
        Ok(Ending { modulus: (0..digits.len()).fold(1, |m, _| m * 10), rest, origin: self.origin(t.span()) })
    }

    fn instant(&self, t: &Text) -> Result<Timestamp, PricingError> {
        t.get_ref()
            .parse::<Timestamp>()
            .map_err(|_| self.refuse(t, "is not an instant like 2026-07-01T00:00:00+02:00"))
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

    fn channel(&self, name: &str, c: &RawChannel, span: Range<usize>) -> Result<Channel, PricingError> {
        let at = self.origin(span);
        let missing = |field: &str, example: &str| PricingError::Book {
            origin: at.clone(),
            what: format!("channel {name} has no {field}: write {field} = \"{example}\""),
        };
        let blank = || PricingError::BlankFloor { channel: name.to_owned(), origin: at.clone() };
        let floor = c.floor.as_ref().filter(|f| !f.get_ref().trim().is_empty()).ok_or_else(blank)?;
        let currency = c.currency.as_ref().ok_or_else(|| missing("currency", "EUR"))?;
        let vat = c.vat.as_ref().ok_or_else(|| missing("vat", "0"))?;
        let market = c.market.as_ref().map(|t| {
            Country::new(t.get_ref()).map(|v| self.input(t, v)).map_err(|_| {
                self.refuse(t, "is no country: write its two letters (ISO 3166-1), such as \"DE\"")
            })
        });
        let market = market.transpose()?;
        let vat_value = match vat.get_ref().as_str() {
            "landed" if market.is_some() => Vat::Landed(self.origin(vat.span())),
            "landed" => {
                return Err(self.refuse(vat, "needs the country whose tax it is: add market = \"DE\""));
            }
            _ => Vat::Rate(self.share(vat)?),
        };
        let duty = c.duty.as_ref().map(|d| {
            if market.is_some() {
                return Err(self.refuse(
                    &d.rate,
                    "is a duty of its own beside a market: the rule packs have it, remove one of the two",
                ));
            }
            Ok(DutyRule {
                rate: self.share(&d.rate)?.value,
                above: self.amount(&d.above)?,
                origin: self.origin(d.rate.span()),
            })
        });
        let markup = c.markup.as_ref().map(|t| {
            if c.target.is_some() {
                return Err(
                    self.refuse(t, "is a markup beside a target margin: a price comes from one of them")
                );
            }
            let value = self.amount(t)?;
            if value.is_zero() {
                Err(self.refuse(t, "would make every price zero"))
            } else {
                Ok(self.input(t, value))
            }
        });
        if c.target.is_none() && c.markup.is_none() {
            return Err(PricingError::Book {
                origin: at,
                what: format!(
                    "channel {name} has neither target nor markup: write target = \"0.25\" for a price that earns a margin, or markup = \"1\" for the catalogue's"
                ),
            });
        }
        let floor = self.share(floor)?;
        let target = c.target.as_ref().map(|t| self.share(t)).transpose()?;
        if let Some(t) = target.as_ref().filter(|t| t.value < floor.value) {
            return Err(PricingError::Book {
                origin: t.origin.clone(),
                what: format!("the target {} is below the floor {} ({})", t.value, floor.value, floor.origin),
            });
        }
        Ok(Channel {
            currency: Currency::new(currency.get_ref())
                .map_err(|_| self.refuse(currency, "is not a currency: ISO 4217, such as \"EUR\""))?,
            market,
            vat: vat_value,
            floor,
            target,
            markup: markup.transpose()?,
            returns: c.returns.as_ref().map(|t| self.share(t)).transpose()?,
            fees: c.fees.iter().flatten().map(|f| self.fee(f)).collect::<Result<_, _>>()?,
            costs: self.costs(&c.costs)?,
            duty: duty.transpose()?,
            ending: c.ending.as_ref().map(|t| self.ending(t)).transpose()?,
        })
    }

    fn promotion(&self, p: &RawPromotion, book: &PriceBook) -> Result<Promotion, PricingError> {
        let (from, until) = (self.instant(&p.from)?, self.instant(&p.until)?);
        if until <= from {
            return Err(self.refuse(&p.until, "is not after the start of the promotion"));
        }
        if !book.first.channels.contains_key(p.channel.get_ref()) {
            return Err(self.refuse(&p.channel, "is not a channel of this book"));
        }
        Ok(Promotion {
            name: p.name.get_ref().clone(),
            channel: p.channel.get_ref().clone(),
            skus: p.skus.clone(),
            from,
            until,
            off: self.share(&p.off)?.value,
            priority: p.priority,
            stacks: p.stacks,
            origin: self.origin(p.name.span()),
        })
    }

    fn edition(
        &self,
        name: &str,
        costs: &RawCosts,
        skus: &BTreeMap<String, RawCosts>,
        channels: &BTreeMap<String, (RawChannel, Range<usize>)>,
    ) -> Result<Edition, PricingError> {
        let skus: Result<_, PricingError> =
            skus.iter().map(|(sku, costs)| Ok((sku.clone(), self.costs(costs)?))).collect();
        let channels: Result<_, PricingError> = channels
            .iter()
            .map(|(name, (c, span))| Ok((name.clone(), self.channel(name, c, span.clone())?)))
            .collect();
        Ok(Edition { name: name.to_owned(), costs: self.costs(costs)?, skus: skus?, channels: channels? })
    }
}

impl RawChannel {
    /// Each field that the change states replaces the one before; costs are replaced one by one.
    fn change(&mut self, by: &RawChannel) {
        fn take<T: Clone>(slot: &mut Option<T>, by: &Option<T>) {
            if by.is_some() {
                slot.clone_from(by);
            }
        }
        take(&mut self.currency, &by.currency);
        take(&mut self.market, &by.market);
        take(&mut self.vat, &by.vat);
        take(&mut self.floor, &by.floor);
        // A price comes from a target or from a markup: stating one takes the other away.
        if by.target.is_some() {
            self.markup = None;
        }
        if by.markup.is_some() {
            self.target = None;
        }
        take(&mut self.target, &by.target);
        take(&mut self.markup, &by.markup);
        take(&mut self.returns, &by.returns);
        take(&mut self.ending, &by.ending);
        take(&mut self.duty, &by.duty);
        take(&mut self.fees, &by.fees);
        self.costs.extend(by.costs.clone());
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
        let (mut costs, mut skus) = (raw.costs, raw.skus);
        let mut channels: BTreeMap<String, (RawChannel, Range<usize>)> =
            raw.channels.into_iter().map(|(n, c)| (n, (c.get_ref().clone(), c.span()))).collect();
        let mut book = PriceBook { first: r.edition("", &costs, &skus, &channels)?, ..PriceBook::default() };
        let mut changes = Vec::new();
        for e in &raw.scheduled {
            changes.push((r.instant(&e.from)?, e));
        }
        changes.sort_by_key(|(from, _)| *from);
        for (from, e) in changes {
            if book.scheduled.last().is_some_and(|(last, _)| *last == from) {
                return Err(r.refuse(&e.from, "is the start of another scheduled change: write them as one"));
            }
            costs.extend(e.costs.clone());
            for (sku, by) in &e.skus {
                skus.entry(sku.clone()).or_default().extend(by.clone());
            }
            for (name, by) in &e.channels {
                match channels.get_mut(name) {
                    Some((known, _)) => known.change(by.get_ref()),
                    None => {
                        channels.insert(name.clone(), (by.get_ref().clone(), by.span()));
                    }
                }
            }
            book.scheduled.push((from, r.edition(e.name.get_ref(), &costs, &skus, &channels)?));
        }
        for p in &raw.promotions {
            let promotion = r.promotion(p, &book)?;
            book.promotions.push(promotion);
        }
        Ok(book)
    }
}
