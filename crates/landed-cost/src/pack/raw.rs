//! A rule pack as it stands in its TOML file, before references are resolved. Unknown keys are refused.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use toml::Spanned;
use tradewind_domain::{Country, Currency, parse_decimal};

/// A decimal written as a string, so that no float is ever parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dec(pub(super) Decimal);

impl<'de> Deserialize<'de> for Dec {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        parse_decimal(&text).map(Dec).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPack {
    pub(super) jurisdiction: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) destinations: Vec<Country>,
    pub(super) zone: Spanned<String>,
    pub(super) currency: Currency,
    #[serde(default)]
    pub(super) national: BTreeMap<Country, Currency>,
    pub(super) fx: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fx_unverified: bool,
    #[serde(default)]
    pub(super) regions: Vec<String>,
    #[serde(default)]
    pub(super) notes: Vec<String>,
    pub(super) covers: RawCovers,
    #[serde(default)]
    pub(super) rounding: RawRounding,
    #[serde(default)]
    pub(super) sets: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) rule: Vec<RawRule>,
    #[serde(default)]
    pub(super) layer: Vec<RawLayer>,
    #[serde(default)]
    pub(super) fee: Vec<RawFee>,
    #[serde(default)]
    pub(super) rate: Vec<RawRate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCovers {
    pub(super) from: Spanned<String>,
    pub(super) to: Option<Spanned<String>>,
    pub(super) flows: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRounding {
    pub(super) mode: Option<String>,
    pub(super) duty_step: Option<Dec>,
    pub(super) tax_step: Option<Dec>,
    pub(super) base_step: Option<Dec>,
    #[serde(default)]
    pub(super) base_unrounded: bool,
    #[serde(default)]
    pub(super) unverified: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWhen {
    pub(super) channel: Option<Vec<String>>,
    pub(super) scheme: Option<Vec<String>>,
    pub(super) scheme_not: Option<Vec<String>>,
    pub(super) ship_from: Option<Vec<String>>,
    pub(super) ship_from_not: Option<Vec<String>>,
    pub(super) entry: Option<Vec<String>>,
    pub(super) entry_not: Option<Vec<String>>,
    pub(super) mode: Option<Vec<String>>,
    pub(super) mode_not: Option<Vec<String>>,
    pub(super) any_origin: Option<Vec<String>>,
    pub(super) no_origin: Option<Vec<String>>,
    pub(super) any_goods: Option<String>,
    pub(super) no_goods: Option<String>,
    pub(super) single_item: Option<bool>,
    pub(super) personal_use: Option<bool>,
    pub(super) collects: Option<bool>,
    pub(super) vat_number: Option<bool>,
    #[serde(default)]
    pub(super) value: Vec<RawBand>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBand {
    pub(super) metric: String,
    pub(super) currency: Currency,
    pub(super) over: Option<Dec>,
    pub(super) from: Option<Dec>,
    pub(super) upto: Option<Dec>,
    pub(super) below: Option<Dec>,
    #[serde(default)]
    pub(super) fixed: BTreeMap<Currency, Dec>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFormula {
    pub(super) kind: String,
    pub(super) charge: Option<String>,
    pub(super) base: Option<RawBase>,
    pub(super) rate: Option<Dec>,
    pub(super) rate_ref: Option<String>,
    pub(super) amount: Option<Dec>,
    pub(super) currency: Option<Currency>,
    pub(super) digits: Option<usize>,
    #[serde(default)]
    pub(super) digits_by_entry: BTreeMap<String, usize>,
    pub(super) cap: Option<Dec>,
    pub(super) minus: Option<Dec>,
    pub(super) factor: Option<Dec>,
    #[serde(default)]
    pub(super) table: BTreeMap<String, Dec>,
    pub(super) default: Option<Dec>,
    #[serde(default)]
    pub(super) tariff_for: Vec<String>,
    pub(super) fact: Option<String>,
    pub(super) min: Option<Dec>,
    pub(super) max: Option<Dec>,
    pub(super) national_share: Option<Dec>,
    pub(super) local_num: Option<Dec>,
    pub(super) local_den: Option<Dec>,
    pub(super) ask: Option<String>,
    pub(super) unverified: Option<bool>,
}

/// A customs value basis (`"cif"`) or a list of components (`["goods", "duty"]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RawBase {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWaive {
    pub(super) upto: Option<Dec>,
    pub(super) below: Option<Dec>,
    pub(super) currency: Currency,
    #[serde(default)]
    pub(super) scheme_not: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: Spanned<String>,
    pub(super) row: Option<String>,
    pub(super) title: String,
    pub(super) flow: Vec<String>,
    pub(super) from: Option<Spanned<String>>,
    pub(super) to: Option<Spanned<String>>,
    pub(super) priority: Option<i32>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) invalidated: bool,
    pub(super) confidence: Option<String>,
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) when: RawWhen,
    pub(super) outcome: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) fallback: Option<String>,
    pub(super) metric: Option<String>,
    pub(super) factor: Option<Dec>,
    pub(super) duty: Option<RawFormula>,
    #[serde(default)]
    pub(super) extra: Vec<RawFormula>,
    pub(super) tax: Option<RawFormula>,
    pub(super) sale: Option<RawSale>,
    pub(super) collector: Option<RawCollector>,
    pub(super) waive: Option<RawWaive>,
    #[serde(default)]
    pub(super) layers: bool,
    #[serde(default)]
    pub(super) counter: bool,
    #[serde(default)]
    pub(super) excise: Option<String>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
    #[serde(default)]
    pub(super) partial: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSale {
    pub(super) scheme: String,
    #[serde(default)]
    pub(super) only_with_scheme: bool,
    #[serde(default)]
    pub(super) nothing_if_unregistered: bool,
    #[serde(default)]
    pub(super) reverse_charge: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCollector {
    pub(super) duty: Option<String>,
    pub(super) tax: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLayer {
    pub(super) id: Spanned<String>,
    pub(super) row: Option<String>,
    pub(super) title: String,
    pub(super) from: Option<Spanned<String>>,
    pub(super) to: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) invalidated: bool,
    pub(super) confidence: Option<String>,
    pub(super) source: Option<String>,
    pub(super) origin: Option<Vec<String>>,
    pub(super) origin_not: Option<Vec<String>>,
    pub(super) list: Option<String>,
    #[serde(default)]
    pub(super) needs: Vec<String>,
    #[serde(default)]
    pub(super) asked_of: Vec<String>,
    #[serde(default)]
    pub(super) unless: Vec<String>,
    pub(super) in_transit_until: Option<Spanned<String>>,
    pub(super) formula: RawFormula,
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFee {
    pub(super) id: Spanned<String>,
    pub(super) row: Option<String>,
    pub(super) kind: String,
    pub(super) title: String,
    pub(super) from: Option<Spanned<String>>,
    pub(super) to: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) confidence: Option<String>,
    pub(super) source: Option<String>,
    pub(super) entry: Vec<String>,
    pub(super) channel: Option<Vec<String>>,
    pub(super) mode: Option<Vec<String>>,
    pub(super) formula: RawFormula,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRate {
    #[serde(rename = "ref")]
    pub(super) name: Spanned<String>,
    pub(super) rate: Dec,
    pub(super) kind: Option<String>,
    pub(super) from: Option<Spanned<String>>,
    pub(super) to: Option<Spanned<String>>,
    pub(super) confidence: Option<String>,
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) also: Option<String>,
}

fn yes() -> bool {
    true
}
