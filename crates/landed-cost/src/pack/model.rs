//! A rule pack in memory: typed, resolved, ready to be evaluated.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use tradewind_domain::{Country, Currency, Rounding};
use tradewind_fx::calendar::Regime;

/// A half-open interval of instants: `from ≤ t < to`; open ends where `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    /// First instant inside.
    pub from: Option<Timestamp>,
    /// First instant outside.
    pub to: Option<Timestamp>,
}

impl Interval {
    /// `t` is inside.
    #[must_use]
    pub fn contains(&self, t: Timestamp) -> bool {
        self.from.is_none_or(|f| f <= t) && self.to.is_none_or(|e| t < e)
    }

    /// The common part; `None` when there is none.
    #[must_use]
    pub fn intersect(&self, other: &Interval) -> Option<Interval> {
        let from = match (self.from, other.from) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        let to = match (self.to, other.to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        match (from, to) {
            (Some(f), Some(t)) if f >= t => None,
            _ => Some(Interval { from, to }),
        }
    }
}

/// Where a rule stands and how sure it is.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// Unique name inside the pack.
    pub id: Arc<str>,
    /// The name quoted in explanations: the row of the rule sheet.
    pub row: Arc<str>,
    /// One line for a person.
    pub title: Arc<str>,
    /// When it applies, in instants.
    pub when: Interval,
    /// Whether it may be used in quotes.
    pub enabled: bool,
    /// Struck down by a court after the fact: never used, shown as such.
    pub invalidated: bool,
    /// Grade of the sheet: A, B, C, K or a pair.
    pub confidence: Arc<str>,
    /// Where the rule was read.
    pub source: Arc<str>,
    /// Line in the pack's file, 1-based.
    pub line: usize,
}

/// A list that a value must be in, or must not be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sel {
    /// One of these.
    In(Vec<Arc<str>>),
    /// None of these.
    NotIn(Vec<Arc<str>>),
}

impl Sel {
    /// The value passes.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Sel::In(list) => list.iter().any(|v| v.as_ref() == value),
            Sel::NotIn(list) => !list.iter().any(|v| v.as_ref() == value),
        }
    }
}

/// What a threshold measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Goods without freight and insurance (EU, GB).
    Intrinsic,
    /// Goods, as customs value (US, AU, CA).
    Fob,
    /// Goods, freight and insurance.
    Cif,
    /// The dearest single item.
    Item,
    /// The customs value after the rule's factor (Japan).
    CustomsValue,
    /// The buyer's year total with this order (China).
    YearTotal,
}

impl Metric {
    /// The name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::Intrinsic => "intrinsic",
            Metric::Fob => "fob",
            Metric::Cif => "cif",
            Metric::Item => "item",
            Metric::CustomsValue => "customs_value",
            Metric::YearTotal => "year_total",
        }
    }
}

/// An end of a band: the amount, and whether it is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Amount in the band's currency.
    pub amount: Decimal,
    /// The amount itself is inside the band.
    pub inclusive: bool,
}

/// A value condition: metric between two bounds.
#[derive(Debug, Clone)]
pub struct Band {
    /// What is measured.
    pub metric: Metric,
    /// Currency of the bounds.
    pub currency: Currency,
    /// Lower end.
    pub low: Option<Bound>,
    /// Upper end.
    pub high: Option<Bound>,
    /// The same limit as printed by a state in its own currency (Denmark: 1,150 DKK for 150 EUR).
    pub fixed: BTreeMap<Currency, Decimal>,
}

/// When a rule applies, besides its interval and flow. Every part must hold.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// Customs channel.
    pub channel: Option<Sel>,
    /// Tax scheme of the order.
    pub scheme: Option<Sel>,
    /// Country the parcel is sent from.
    pub ship_from: Option<Sel>,
    /// Entry type of the destination.
    pub entry: Option<Sel>,
    /// Mode of transport.
    pub mode: Option<Sel>,
    /// Some line's origin is in the list.
    pub any_origin: Option<Vec<Arc<str>>>,
    /// No line's origin is in the list.
    pub no_origin: Option<Vec<Arc<str>>>,
    /// Some line's commodity is in the named set.
    pub any_goods: Option<Arc<str>>,
    /// No line's commodity is in the named set.
    pub no_goods: Option<Arc<str>>,
    /// The order is one indivisible item.
    pub single_item: Option<bool>,
    /// The buyer imports for personal use.
    pub personal_use: Option<bool>,
    /// A marketplace or a registered seller collects tax at sale.
    pub collects: Option<bool>,
    /// The buyer gave a VAT number.
    pub vat_number: Option<bool>,
    /// Value bands.
    pub value: Vec<Band>,
}

/// What makes up a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Goods.
    Goods,
    /// Allocated freight.
    Freight,
    /// Allocated insurance.
    Insurance,
    /// Duty with all its layers.
    Duty,
    /// Excise.
    Excise,
    /// Consumption tax.
    ConsumptionTax,
    /// The first duty charge alone (India: the surcharge's base).
    BasicDuty,
}

impl Part {
    /// Index into a line's amounts.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Part::Goods => "goods",
            Part::Freight => "freight",
            Part::Insurance => "insurance",
            Part::Duty => "duty",
            Part::Excise => "excise",
            Part::ConsumptionTax => "consumption_tax",
            Part::BasicDuty => "basic_duty",
        }
    }
}

/// The closed set of formula kinds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A stated zero.
    Free,
    /// The tariff's rate for the commodity and origin.
    Tariff,
    /// A fixed rate.
    AdValorem(Decimal),
    /// A rate by the leading digits of the commodity code, the longest prefix first, and the rate of all others;
    /// `None` is the tariff's.
    ByChapter(Vec<(Arc<str>, Option<Decimal>)>, Option<Decimal>),
    /// A rate by the class that the request states (China's postal articles).
    ByClass(Vec<(Arc<str>, Decimal)>),
    /// A flat amount per distinct commodity group, shared inside the group by value (C12).
    FlatPerHsGroup {
        /// Amount per group.
        amount: Decimal,
        /// Its currency.
        currency: Currency,
        /// Digits that make a group.
        digits: usize,
        /// Other digit counts by entry type (H1 counts ten).
        by_entry: Vec<(Arc<str>, usize)>,
    },
    /// A rate that the request states under a fact's name (anti-dumping); no answer is no zero.
    Stated(Arc<str>),
    /// max(0, cap − MFN ad valorem).
    CapNetOfMfn(Decimal),
    /// A rate less a fixed amount per consignment.
    PercentMinusFixed {
        /// Rate.
        rate: Decimal,
        /// Amount taken off, shared by value.
        minus: Decimal,
        /// Its currency.
        currency: Currency,
    },
    /// A tax of the VAT kind, by reference to the rate table.
    Vat(Arc<str>),
    /// A tax inside its own base: base / (1 − r) × r ("por dentro").
    Inclusive(Arc<str>),
    /// China: consumption tax inside its base, then VAT on value and the full consumption tax; both times a factor.
    CbecTaxes {
        /// Rate reference of the VAT.
        rate_ref: Arc<str>,
        /// Share that is due: 0.70 in the cross-border scheme.
        factor: Decimal,
        /// Name of the set of goods whose consumption tax rate must be stated.
        ask: Arc<str>,
    },
    /// Japan: base and tax truncated, national and local part.
    Truncated {
        /// Rate reference of the combined rate.
        rate_ref: Arc<str>,
        /// Share of the national tax in the combined rate.
        national_share: Decimal,
        /// Local tax as a fraction of the national tax: numerator.
        local_num: Decimal,
        /// Denominator.
        local_den: Decimal,
    },
    /// A fee per entry.
    PerEntry(Decimal),
    /// A share with a minimum and a maximum per entry.
    Clamped {
        /// Rate.
        rate: Decimal,
        /// Least per entry.
        min: Option<Decimal>,
        /// Most per entry.
        max: Option<Decimal>,
    },
    /// The sources do not say: indeterminate, with the reason of the row.
    Unknown,
}

impl Kind {
    /// The name in packs and answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Free => "free",
            Kind::Tariff => "tariff",
            Kind::AdValorem(_) => "ad_valorem",
            Kind::ByChapter(..) => "by_chapter",
            Kind::ByClass(_) => "by_class",
            Kind::FlatPerHsGroup { .. } => "flat_per_hs_group",
            Kind::Stated(_) => "stated",
            Kind::CapNetOfMfn(_) => "cap_net_of_mfn",
            Kind::PercentMinusFixed { .. } => "percent_minus_fixed",
            Kind::Vat(_) => "vat",
            Kind::Inclusive(_) => "inclusive",
            Kind::CbecTaxes { .. } => "cbec_taxes",
            Kind::Truncated { .. } => "truncated",
            Kind::PerEntry(_) => "per_entry",
            Kind::Clamped { .. } => "clamped",
            Kind::Unknown => "unknown",
        }
    }

    /// The reference to the rate table, of a tax.
    #[must_use]
    pub fn rate_ref(&self) -> Option<&str> {
        match self {
            Kind::Vat(r)
            | Kind::Inclusive(r)
            | Kind::CbecTaxes { rate_ref: r, .. }
            | Kind::Truncated { rate_ref: r, .. } => Some(r),
            _ => None,
        }
    }
}

/// A formula with what it is applied to.
#[derive(Debug, Clone)]
pub struct Formula {
    /// How.
    pub kind: Kind,
    /// Kind of the charge in answers: `duty`, `combined_tax`, `vat`, `gst`, ...
    pub charge: Arc<str>,
    /// To what.
    pub base: Vec<Part>,
    /// A rate inside the formula is graded K: the quote says so.
    pub unverified: bool,
}

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A quote.
    Quote,
    /// Not eligible for the scheme.
    NotEligible,
    /// May not be imported this way.
    Blocked,
    /// The sources do not say.
    Indeterminate,
}

/// Tax collected by the seller's side at sale.
#[derive(Debug, Clone)]
pub struct Sale {
    /// Scheme named on the declaration.
    pub scheme: Arc<str>,
    /// Only when the order states that scheme; else at the border.
    pub only_with_scheme: bool,
    /// Nobody collects when neither a marketplace nor a registered seller sells.
    pub nothing_if_unregistered: bool,
    /// A buyer with a VAT number accounts for the tax.
    pub reverse_charge: bool,
}

/// A tax that is not collected when it is small.
#[derive(Debug, Clone)]
pub struct Waive {
    /// The limit.
    pub limit: Bound,
    /// Its currency.
    pub currency: Currency,
    /// Schemes in which it is collected all the same.
    pub scheme_not: Vec<Arc<str>>,
}

/// A regime: what applies to a consignment.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where it stands.
    pub meta: Provenance,
    /// Flows it is for.
    pub flow: Vec<Arc<str>>,
    /// Order among rules that match together; the higher wins.
    pub priority: i32,
    /// Conditions.
    pub when: When,
    /// Decision.
    pub outcome: Outcome,
    /// For a person, when there is no quote.
    pub reason: Option<Arc<str>>,
    /// What to do instead.
    pub fallback: Option<Arc<str>>,
    /// Metric named in the valuation when there is no band.
    pub metric: Metric,
    /// Factor on the goods value (Japan's 0.6), with freight left out.
    pub factor: Option<Decimal>,
    /// Duty.
    pub duty: Formula,
    /// Further duties on top, in order.
    pub extra: Vec<Formula>,
    /// Tax.
    pub tax: Option<Formula>,
    /// Collection at sale.
    pub sale: Option<Sale>,
    /// Who collects duty at the border.
    pub duty_collector: Arc<str>,
    /// Who collects tax at the border.
    pub tax_collector: Arc<str>,
    /// Small-tax waiver.
    pub waive: Option<Waive>,
    /// The pack's layers and fees apply.
    pub layers: bool,
    /// The buyer's yearly counter moves.
    pub counter: bool,
    /// Set of goods under excise, which is not computed: such quotes are partial.
    pub excise: Option<Arc<str>>,
    /// Flags raised.
    pub flags: Vec<Arc<str>>,
    /// Things the sources say exist and give no figure for: the quote is partial.
    pub partial: Vec<Arc<str>>,
}

/// An additional duty per line.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Where it stands.
    pub meta: Provenance,
    /// Origins it hits.
    pub origin: Option<Sel>,
    /// Section 301 list it needs.
    pub list: Option<Arc<str>>,
    /// Facts of the line that it needs (`section_232`).
    pub needs: Vec<Arc<str>>,
    /// Prefixes of commodities for which these facts must be answered: silence is no "no" there.
    pub asked_of: Vec<Arc<str>>,
    /// Facts of the line that take it out.
    pub unless: Vec<Arc<str>>,
    /// Goods in transit before the start are out until this instant.
    pub in_transit_until: Option<Timestamp>,
    /// How much.
    pub formula: Formula,
    /// Why, when it is unknown.
    pub reason: Option<Arc<str>>,
    /// Flags raised when it is charged.
    pub flags: Vec<Arc<str>>,
}

/// A fee per entry.
#[derive(Debug, Clone)]
pub struct Fee {
    /// Where it stands.
    pub meta: Provenance,
    /// Kind in answers.
    pub kind: Arc<str>,
    /// Entry types.
    pub entry: Vec<Arc<str>>,
    /// Channels.
    pub channel: Option<Sel>,
    /// Modes of transport.
    pub mode: Option<Sel>,
    /// How much.
    pub formula: Formula,
}

/// A row of the rate table.
#[derive(Debug, Clone)]
pub struct TaxRate {
    /// Where it stands; the id is the reference.
    pub meta: Provenance,
    /// The rate.
    pub rate: Decimal,
    /// Kind of the charge, when it differs by row (`hst`).
    pub kind: Option<Arc<str>>,
    /// A tax that comes on top and has no figure here (Quebec's): the quote is partial.
    pub also: Option<Arc<str>>,
}

/// Rounding of a jurisdiction.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// How.
    pub mode: Rounding,
    /// Duty to a multiple of this.
    pub duty: Option<Decimal>,
    /// Tax to a multiple of this.
    pub tax: Option<Decimal>,
    /// Bases truncated to a multiple of this (Japan).
    pub base: Option<Decimal>,
    /// Tax bases take the unrounded duty (China).
    pub base_unrounded: bool,
    /// The steps are graded K: quotes say so.
    pub unverified: bool,
}

/// The rules of one jurisdiction, one version.
#[derive(Debug, Clone)]
pub struct Pack {
    /// `EU`, `US`, ...
    pub jurisdiction: Arc<str>,
    /// For a person.
    pub name: String,
    /// Label of the version.
    pub version: String,
    /// `sha256:` and the digest of the file's bytes.
    pub digest: Arc<str>,
    /// Name of the file.
    pub file: String,
    /// The file, whole: whoever pins a quote keeps it.
    pub text: Arc<str>,
    /// Countries it covers.
    pub destinations: Vec<Country>,
    /// Legal time.
    pub zone: TimeZone,
    /// Currency of thresholds and, where no national one is given, of quotes.
    pub currency: Currency,
    /// National currencies that differ.
    pub national: BTreeMap<Country, Currency>,
    /// The customs exchange rate rule, where the rate book knows it; otherwise rates come with the request.
    pub fx: Option<Regime>,
    /// The rule on exchange rates is graded K: quotes that convert say so.
    pub fx_unverified: bool,
    /// Regions that rates depend on.
    pub regions: Vec<Arc<str>>,
    /// Remarks for the generated document.
    pub notes: Vec<String>,
    /// The span that the rules must fill without a gap.
    pub covers: Interval,
    /// The flows that must be filled.
    pub covered_flows: Vec<Arc<str>>,
    /// Rounding.
    pub steps: Steps,
    /// Named sets of commodity prefixes.
    pub sets: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Regimes, the highest priority first.
    pub rules: Vec<Rule>,
    /// Layers.
    pub layers: Vec<Layer>,
    /// Fees.
    pub fees: Vec<Fee>,
    /// Rate table.
    pub rates: Vec<TaxRate>,
}

impl Pack {
    /// The currency in which customs of a destination assesses.
    #[must_use]
    pub fn currency_of(&self, country: Country) -> Currency {
        self.national.get(&country).copied().unwrap_or(self.currency)
    }

    /// A commodity is in a named set.
    #[must_use]
    pub fn in_set(&self, set: &str, hs: &str) -> bool {
        self.sets.get(set).is_some_and(|list| list.iter().any(|p| hs.starts_with(p.as_ref())))
    }

    /// The row of the rate table in force.
    #[must_use]
    pub fn tax_rate(&self, reference: &str, at: Timestamp) -> Option<&TaxRate> {
        self.rates.iter().find(|r| r.meta.id.as_ref() == reference && r.meta.when.contains(at))
    }
}

/// `{country}` and `{region}` filled in.
#[must_use]
pub fn expand<'a>(template: &'a str, country: &str, region: &str) -> Cow<'a, str> {
    if template.contains('{') {
        template.replace("{country}", country).replace("{region}", region).into()
    } else {
        template.into()
    }
}
