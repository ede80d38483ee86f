//! The book: publications by source, base and date; as-of look-ups that name the publication they used.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::{Date, Weekday};
use serde::Serialize;
use tradewind_domain::{Currency, Decimal};

use crate::calendar::Regime;

/// One quotation inside a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Units of the quoted currency for one unit of the base. Always above zero.
    pub rate: Decimal,
    /// Line of the file, from 1; 0 where the format has no useful lines (XML).
    pub line: u64,
}

/// What a source published for one day, or for one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The publisher in upper case: `ECB`, `HMRC`, or what a CSV names.
    pub source: String,
    /// One unit of this currency is quoted in all others.
    pub base: Currency,
    /// The day the rates are of; for a monthly publication its first day.
    pub date: Date,
    /// Last day of validity, when the publication says so (HMRC). Without it the age policy decides.
    pub valid_to: Option<Date>,
    /// The quotations.
    pub quotes: BTreeMap<Currency, Quote>,
    /// The file as the user named it.
    pub file: String,
    /// SHA-256 of the file, hexadecimal: the version.
    pub sha256: String,
}

/// How old a daily publication may be when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Days between the publication and the day asked for. The longest closure of the ECB calendar is five days
    /// (Christmas next to a weekend, Easter is four).
    pub max_age_days: i32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { max_age_days: 5 }
    }
}

/// How the pair was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "path")]
pub enum Path {
    /// Both currencies are the same: one.
    Same,
    /// Printed as it is.
    Direct,
    /// One divided by the printed rate.
    Inverse,
    /// Through the base of the source: both legs from the same publication.
    Cross {
        /// That base.
        base: Currency,
    },
}

/// A rate with its provenance: an amount in `from` times `rate` is the amount in `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// The currency converted.
    pub from: Currency,
    /// The currency of the result.
    pub to: Currency,
    /// The multiplier, up to 28 significant digits; only money is rounded.
    pub rate: Decimal,
    /// The publisher.
    pub source: String,
    /// The publication used.
    pub published: Date,
    /// Last day of the publication's period, where it has one (HMRC's month).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Date>,
    /// The day asked for.
    pub asked: Date,
    /// Direct, inverse or through a base.
    #[serde(flatten)]
    pub path: Path,
    /// `file` or `file:line` of the quotation(s).
    pub origin: String,
    /// Pin this on a document: [`RateBook::pinned`] gives the same rate for ever.
    pub id: String,
}

impl Rate {
    /// What a reader has to know when the publication is not of the day asked for: `no ECB rate on Saturday
    /// 2026-03-07; Friday 2026-03-06 used`.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let within = self.valid_to.is_some_and(|end| self.asked <= end);
        (self.published != self.asked && self.path != Path::Same && !within).then(|| {
            format!(
                "no {} rate on {} {}; {} {} used",
                self.source,
                day(self.asked),
                self.asked,
                day(self.published),
                self.published
            )
        })
    }
}

fn day(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "1 {} = {} {} ({} {}",
            self.from,
            self.rate.normalize(),
            self.to,
            self.source,
            self.published
        )?;
        match self.path {
            Path::Same | Path::Direct => {}
            Path::Inverse => f.write_str(", inverse")?,
            Path::Cross { base } => write!(f, ", cross through {base}")?,
        }
        f.write_str(")")
    }
}

/// Why there is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FxError {
    /// The source never quoted the pair up to that day.
    #[error(
        "no {from}/{to} rate from {origin} on or before {date}: load a publication that has it (--file of `fx rate`, --rates of `quote`)"
    )]
    Missing {
        /// Currency to convert.
        from: Currency,
        /// Currency wanted.
        to: Currency,
        /// The publisher asked.
        origin: String,
        /// The day asked for.
        date: Date,
    },
    /// There is one, but too old.
    #[error(
        "the latest {from}/{to} rate from {origin} on or before {date} is of {latest}, {}: import a newer file",
        age_text(*.age, *.max, *.ended)
    )]
    Stale {
        /// Currency to convert.
        from: Currency,
        /// Currency wanted.
        to: Currency,
        /// The publisher asked.
        origin: String,
        /// The day asked for.
        date: Date,
        /// The newest publication.
        latest: Date,
        /// Its age in days (for a period: days since its end).
        age: i32,
        /// What the policy allows.
        max: i32,
        /// Last day of its period, for a publication that has one.
        ended: Option<Date>,
    },
    /// A pinned id that this book cannot reproduce.
    #[error("rate id {0:?} is not in the book: import the publication it names")]
    UnknownId(String),
    /// The division does not fit.
    #[error("the {0}/{1} rate overflows")]
    Overflow(Currency, Currency),
    /// The amount is of another currency than the rate.
    #[error("an amount in {amount} cannot be converted with a rate from {from}")]
    WrongCurrency {
        /// The currency of the amount.
        amount: Currency,
        /// What the rate converts.
        from: Currency,
    },
    /// The converted amount does not fit.
    #[error(transparent)]
    Money(#[from] tradewind_domain::MoneyError),
}

fn age_text(age: i32, max: i32, ended: Option<Date>) -> String {
    match ended {
        Some(end) => format!("which ended on {end}"),
        None => format!("{age} days old; the policy allows {max}"),
    }
}

type Versions = BTreeMap<Date, Vec<Publication>>;

/// All publications, every version kept; the newest version of a day answers.
#[derive(Debug, Clone, Default)]
pub struct RateBook {
    by_source: BTreeMap<(String, Currency), Versions>,
}

impl RateBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> RateBook {
        RateBook::default()
    }

    /// Adds a publication. The same file again changes nothing; a different file for the same day is a new version.
    pub fn add(&mut self, publication: Publication) {
        let versions = self
            .by_source
            .entry((publication.source.clone(), publication.base))
            .or_default()
            .entry(publication.date)
            .or_default();
        if !versions.contains(&publication) {
            versions.push(publication);
        }
    }

    /// Number of publications, versions counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_source.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    /// Whether nothing was imported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// The publishers and the last day each has.
    #[must_use]
    pub fn sources(&self) -> Vec<(String, Date)> {
        let mut out: BTreeMap<String, Date> = BTreeMap::new();
        for ((source, _), days) in &self.by_source {
            if let Some((&last, _)) = days.last_key_value() {
                let seen = out.entry(source.clone()).or_insert(last);
                *seen = (*seen).max(last);
            }
        }
        out.into_iter().collect()
    }

    /// What a source published, day by day; of a day published twice the newest version.
    pub fn published<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a Publication> {
        let of = self.by_source.iter().filter(move |((s, _), _)| s == source);
        of.flat_map(|(_, days)| days.values().filter_map(|versions| versions.last()))
    }

    /// The rate of the newest publication on or before `date` that quotes the pair.
    ///
    /// # Errors
    /// [`FxError::Missing`], [`FxError::Stale`] beyond the policy (or after the period of a monthly publication).
    pub fn rate(
        &self,
        source: &str,
        from: Currency,
        to: Currency,
        date: Date,
        policy: Policy,
    ) -> Result<Rate, FxError> {
        if from == to {
            return Ok(Rate {
                from,
                to,
                rate: Decimal::ONE,
                source: source.to_owned(),
                published: date,
                valid_to: None,
                asked: date,
                path: Path::Same,
                origin: "same currency".to_owned(),
                id: format!("{source} {date} {from}/{to}"),
            });
        }
        let found = self
            .by_source
            .iter()
            .filter(|((s, _), _)| s == source)
            .filter_map(|(_, days)| {
                days.range(..=date).rev().find_map(|(_, versions)| {
                    versions.iter().rev().find_map(|p| pair(p, from, to, date).map(|r| (p, r)))
                })
            })
            // the newest; of the same day a printed rate before a cross
            .max_by_key(|(p, r)| (p.date, !matches!(r, Ok(Rate { path: Path::Cross { .. }, .. }))));
        let origin = source.to_owned();
        let Some((publication, rate)) = found else {
            return Err(FxError::Missing { from, to, origin, date });
        };
        let rate = rate?;
        let age = |since: Date| since.until(date).map_or(i32::MAX, |s| s.get_days());
        let (age, max) = match publication.valid_to {
            Some(end) if end >= date => (0, 0),
            Some(end) => (age(end), 0),
            None => (age(publication.date), policy.max_age_days),
        };
        if age > max {
            let (latest, ended) = (publication.date, publication.valid_to);
            return Err(FxError::Stale { from, to, origin, date, latest, age, max, ended });
        }
        Ok(rate)
    }

    /// The rate customs uses for a declaration of `date`.
    ///
    /// # Errors
    /// As [`RateBook::rate`].
    pub fn customs_rate(
        &self,
        regime: Regime,
        from: Currency,
        to: Currency,
        date: Date,
        policy: Policy,
    ) -> Result<Rate, FxError> {
        self.rate(regime.source(), from, to, regime.rate_date(date), policy)
    }

    /// The rate that an id on a document names, whatever was imported since.
    ///
    /// # Errors
    /// [`FxError::UnknownId`].
    pub fn pinned(&self, id: &str) -> Result<Rate, FxError> {
        let unknown = || FxError::UnknownId(id.to_owned());
        let mut words = id.rsplitn(4, ' ');
        let (version, pair_text, date, source) = (words.next(), words.next(), words.next(), words.next());
        let (Some(version), Some(pair_text), Some(date), Some(source)) = (version, pair_text, date, source)
        else {
            return Err(unknown());
        };
        let date: Date = date.parse().map_err(|_| unknown())?;
        let (from, to) = pair_text.split_once('/').ok_or_else(unknown)?;
        let (from, to) =
            (Currency::new(from).map_err(|_| unknown())?, Currency::new(to).map_err(|_| unknown())?);
        self.by_source
            .iter()
            .filter(|((s, _), _)| s == source)
            .filter_map(|(_, days)| days.get(&date))
            .flatten()
            .filter_map(|p| pair(p, from, to, date)?.ok())
            .find(|r| r.id.ends_with(version) && r.id == id)
            .ok_or_else(unknown)
    }
}

/// The pair out of one publication; `None` when it does not quote it.
fn pair(p: &Publication, from: Currency, to: Currency, asked: Date) -> Option<Result<Rate, FxError>> {
    let overflow = FxError::Overflow(from, to);
    let at = |q: &Quote| if q.line == 0 { p.file.clone() } else { format!("{}:{}", p.file, q.line) };
    let (rate, path, origin) = if from == p.base {
        let q = p.quotes.get(&to)?;
        (Some(q.rate), Path::Direct, at(q))
    } else if to == p.base {
        let q = p.quotes.get(&from)?;
        (Decimal::ONE.checked_div(q.rate), Path::Inverse, at(q))
    } else {
        let (a, b) = (p.quotes.get(&from)?, p.quotes.get(&to)?);
        let origin = if a.line == b.line { at(a) } else { format!("{}, {}", at(a), at(b)) };
        (b.rate.checked_div(a.rate), Path::Cross { base: p.base }, origin)
    };
    Some(rate.filter(|r| *r > Decimal::ZERO).ok_or(overflow).map(|rate| Rate {
        from,
        to,
        rate,
        source: p.source.clone(),
        published: p.date,
        valid_to: p.valid_to,
        asked,
        path,
        origin,
        id: format!("{} {} {from}/{to} {}", p.source, p.date, p.sha256.get(..12).unwrap_or(&p.sha256)),
    }))
}
