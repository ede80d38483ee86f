//! What is known of commodities beyond HS code and origin: tariff rates and the answers that rules ask for (Section 301
//! list, anti-dumping, ...), per commodity prefix, destination and origin. Each has a source and keeps its line.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;
use tradewind_domain::{Country, HsCode};
use tradewind_landed_cost::pack::PackSet;

use crate::config::ConfigError;

/// All facts of a file.
#[derive(Debug, Clone, Default)]
pub struct Goods {
    /// Shorter prefixes first: a longer one overrides.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    hs: String,
    to: Vec<Country>,
    origin: Vec<Country>,
    rates: BTreeMap<String, String>,
    facts: BTreeMap<String, Value>,
    /// Line of each fact.
    places: BTreeMap<String, usize>,
    source: String,
    line: usize,
    file: String,
}

/// What applies to one line of goods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoodsFacts {
    /// `duty`, `vat`, `consumption_tax`, `postal_class`, as the request has them.
    pub rates: Map<String, Value>,
    /// Answers.
    pub facts: Map<String, Value>,
    /// `file:line (source)` of each entry used.
    pub origins: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    goods: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    hs: Spanned<String>,
    #[serde(default)]
    to: Vec<Country>,
    #[serde(default)]
    origin: Vec<Country>,
    #[serde(default)]
    rates: BTreeMap<String, String>,
    #[serde(default)]
    facts: BTreeMap<String, Spanned<toml::Value>>,
    source: Spanned<String>,
}

const RATES: [&str; 4] = ["duty", "vat", "consumption_tax", "postal_class"];

impl Goods {
    /// Reads a file; `file` is its name in messages.
    ///
    /// # Errors
    /// With line and remedy: no TOML, an HS prefix that is none, a rate that is no number, a missing source, two
    /// entries of one prefix that apply to the same goods.
    pub fn parse(text: &str, file: &str) -> Result<Goods, ConfigError> {
        let line_of = |offset: usize| {
            text.get(..offset).unwrap_or_default().bytes().filter(|b| *b == b'\n').count() + 1
        };
        let bad = |offset: usize, message: String| ConfigError::Invalid {
            path: file.to_owned(),
            line: line_of(offset),
            column: 1,
            message,
        };
        let raw: Raw =
            toml::from_str(text).map_err(|e| bad(e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
        let mut entries: Vec<Entry> = Vec::new();
        for r in raw.goods {
            let at = r.hs.span().start;
            let hs = r.hs.into_inner();
            if !(2..=10).contains(&hs.len()) || !hs.bytes().all(|b| b.is_ascii_digit()) {
                return Err(bad(at, format!("'{hs}' is no HS prefix: 2 to 10 digits, without points")));
            }
            if r.source.get_ref().trim().is_empty() {
                return Err(bad(r.source.span().start, "say where these facts come from".to_owned()));
            }
            for (name, rate) in &r.rates {
                if !RATES.contains(&name.as_str()) {
                    return Err(bad(at, format!("'{name}' is no rate: {}", RATES.join(", "))));
                }
                if tradewind_domain::parse_decimal(rate).is_err() || rate.starts_with('-') {
                    return Err(bad(at, format!("{name} = \"{rate}\" is no rate: write 9.8 % as \"0.098\"")));
                }
            }
            let (mut facts, mut places) = (BTreeMap::new(), BTreeMap::new());
            for (name, value) in r.facts {
                let place = value.span().start;
                let value = match value.into_inner() {
                    toml::Value::Boolean(b) => json!(b),
                    toml::Value::String(s) => json!(s),
                    other => {
                        return Err(bad(
                            place,
                            format!("{name}: {other} is no answer: write true, false or a text"),
                        ));
                    }
                };
                places.insert(name.clone(), line_of(place));
                facts.insert(name, value);
            }
            let entry = Entry {
                hs,
                to: r.to,
                origin: r.origin,
                rates: r.rates,
                facts,
                places,
                source: r.source.into_inner(),
                line: line_of(at),
                file: file.to_owned(),
            };
            if let Some(other) = entries.iter().find(|e| e.clashes(&entry)) {
                return Err(bad(
                    at,
                    format!(
                        "HS {} is told twice for the same goods, first at {file}:{}: keep one, or narrow to and origin",
                        entry.hs, other.line
                    ),
                ));
            }
            entries.push(entry);
        }
        entries.sort_by_key(|e| e.hs.len());
        Ok(Goods { entries })
    }

    /// Every fact is one that some rule asks for: a mistyped one would silently not count.
    pub(crate) fn check(&self, packs: &PackSet) -> Result<(), ConfigError> {
        for entry in &self.entries {
            for (fact, line) in &entry.places {
                if let Some(why) = packs.unknown_fact(fact) {
                    return Err(ConfigError::Invalid {
                        path: entry.file.clone(),
                        line: *line,
                        column: 1,
                        message: format!("facts.{fact}: {why}"),
                    });
                }
            }
        }
        Ok(())
    }

    /// What applies to goods: entries of longer prefixes override those of shorter ones, fact by fact.
    #[must_use]
    pub fn of(&self, hs: Option<&HsCode>, origin: Option<Country>, to: Country) -> GoodsFacts {
        let mut found = GoodsFacts::default();
        let Some(hs) = hs else { return found };
        for e in self.entries.iter().filter(|e| e.applies(hs.as_str(), origin, to)) {
            found.rates.extend(e.rates.iter().map(|(k, v)| (k.clone(), json!(v))));
            found.facts.extend(e.facts.iter().map(|(k, v)| (k.clone(), v.clone())));
            found.origins.push(format!("{}:{} ({})", e.file, e.line, e.source));
        }
        found
    }
}

impl Entry {
    fn applies(&self, hs: &str, origin: Option<Country>, to: Country) -> bool {
        hs.starts_with(&self.hs)
            && (self.to.is_empty() || self.to.contains(&to))
            && (self.origin.is_empty() || origin.is_some_and(|o| self.origin.contains(&o)))
    }

    fn clashes(&self, other: &Entry) -> bool {
        let meet =
            |a: &[Country], b: &[Country]| a.is_empty() || b.is_empty() || a.iter().any(|c| b.contains(c));
        let shared = self.rates.keys().any(|k| other.rates.contains_key(k))
            || self.facts.keys().any(|k| other.facts.contains_key(k));
        self.hs == other.hs && shared && meet(&self.to, &other.to) && meet(&self.origin, &other.origin)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FILE: &str = r#"
[[goods]]
hs = "69"
to = ["US"]
facts = { ad_cvd = "none" }
source = "no order found, read 2026-03-01"

[[goods]]
hs = "691200"
to = ["US"]
origin = ["CN"]
rates = { duty = "0.098" }
facts = { section_301_list = "4A" }
source = "HTS 6912.00.39"
"#;

    fn facts(hs: &str, origin: &str, to: &str) -> GoodsFacts {
        let goods = Goods::parse(FILE, "goods.toml").unwrap();
        goods.of(
            Some(&HsCode::new(hs).unwrap()),
            Some(Country::new(origin).unwrap()),
            Country::new(to).unwrap(),
        )
    }

    #[test]
    fn the_longer_prefix_adds_and_overrides() {
        let cn = facts("691200", "CN", "US");
        assert_eq!(cn.rates, *json!({"duty": "0.098"}).as_object().unwrap());
        assert_eq!(cn.facts, *json!({"ad_cvd": "none", "section_301_list": "4A"}).as_object().unwrap());
        assert_eq!(
            cn.origins,
            ["goods.toml:3 (no order found, read 2026-03-01)", "goods.toml:9 (HTS 6912.00.39)"]
        );
        assert_eq!(facts("691200", "VN", "US").rates.len(), 0);
        assert_eq!(facts("691200", "CN", "DE"), GoodsFacts::default());
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (from, to, says) in [
            ("hs = \"69\"", "hs = \"6x\"", "goods.toml:3:1: '6x' is no HS prefix"),
            ("\"0.098\"", "\"9,8\"", "goods.toml:9:1: duty = \"9,8\" is no rate"),
            ("{ duty", "{ dooty", "goods.toml:9:1: 'dooty' is no rate"),
            ("\"HTS 6912.00.39\"", "\" \"", "goods.toml:14:1: say where"),
            ("\"4A\"", "4", "goods.toml:13:1: section_301_list: 4 is no answer"),
            ("section_301_list = \"4A\"", "nothing = [", "goods.toml:"),
        ] {
            let told = Goods::parse(&FILE.replacen(from, to, 1), "goods.toml").unwrap_err().to_string();
            assert!(told.starts_with(says), "{told} should start with {says}");
        }
        let packs = PackSet::embedded().unwrap();
        assert!(Goods::parse(FILE, "goods.toml").unwrap().check(&packs).is_ok());
        let mistyped =
            Goods::parse(&FILE.replace("section_301_list", "section_301_lst"), "goods.toml").unwrap();
        let told = mistyped.check(&packs).unwrap_err().to_string();
        assert!(
            told.starts_with("goods.toml:13:1: facts.section_301_lst: no rule asks for this fact; did you mean 'section_301_list'"),
            "{told}"
        );
        let twice = FILE.replace("hs = \"691200\"", "hs = \"69\"").replace("section_301_list", "ad_cvd");
        let told = Goods::parse(&twice, "goods.toml").unwrap_err().to_string();
        assert!(told.contains("told twice") && told.contains("goods.toml:3"), "{told}");
    }
}
