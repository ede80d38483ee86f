//! From TOML text to a [`Pack`]: parse, resolve, and refuse with file and line.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};
use toml::Spanned;
use tradewind_domain::Rounding;
use tradewind_fx::calendar::Regime;

use super::model::*;
use super::raw::*;
use crate::fields::meant;

/// What is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", if *line == 0 { String::new() } else { format!(":{line}") })]
pub struct PackError {
    /// File as named by the caller.
    pub file: String,
    /// Line, 1-based; 0 where it is about the whole file.
    pub line: usize,
    /// What, and what to do.
    pub message: String,
}

/// What every row says about itself.
struct Meta<'a> {
    id: &'a Spanned<String>,
    row: Option<&'a str>,
    title: &'a str,
    from: Option<&'a Spanned<String>>,
    to: Option<&'a Spanned<String>>,
    enabled: bool,
    invalidated: bool,
    confidence: Option<&'a str>,
    source: Option<&'a str>,
}

pub(super) struct Cx<'a> {
    pub(super) file: &'a str,
    text: &'a str,
    zone: TimeZone,
    pub(super) errors: Vec<PackError>,
}

impl Cx<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
    }

    pub(super) fn error(&mut self, line: usize, message: impl Into<String>) {
        self.errors.push(PackError { file: self.file.to_owned(), line, message: message.into() });
    }

    fn instant(&mut self, text: Option<&Spanned<String>>) -> Option<Timestamp> {
        let text = text?;
        let s = text.get_ref();
        let local: Option<DateTime> =
            if s.contains('T') { s.parse().ok() } else { s.parse::<Date>().ok().map(|d| d.at(0, 0, 0, 0)) };
        let instant = local.and_then(|l| l.to_zoned(self.zone.clone()).ok()).map(|z| z.timestamp());
        if instant.is_none() {
            let line = self.line(text.span().start);
            self.error(
                line,
                format!("'{s}' is no local date or time such as 2026-07-01 or 2026-07-24T00:01"),
            );
        }
        instant
    }

    fn interval(
        &mut self,
        line: usize,
        from: Option<&Spanned<String>>,
        to: Option<&Spanned<String>>,
    ) -> Interval {
        let when = Interval { from: self.instant(from), to: self.instant(to) };
        if let (Some(f), Some(t)) = (when.from, when.to)
            && f >= t
        {
            self.error(line, "'to' is not after 'from': the interval is empty");
        }
        when
    }

    fn meta(&mut self, m: Meta<'_>) -> Provenance {
        let Meta { id, row, title, from, to, enabled, invalidated, confidence, source } = m;
        let line = self.line(id.span().start);
        let name = id.get_ref();
        if source.is_none_or(|s| s.trim().is_empty()) {
            self.error(line, format!("'{name}' has no source: say where the rule was read"));
        }
        let grade = confidence.unwrap_or_default();
        if !matches!(grade, "A" | "B" | "C" | "K" | "A/B" | "A/K" | "B/K" | "B-" | "C/K") {
            self.error(
                line,
                format!("'{name}' has no confidence grade: expected A, B, C, K or A/B, A/K, B/K, B-, C/K"),
            );
        }
        if enabled && matches!(grade, "C" | "K" | "C/K") {
            self.error(line, format!("'{name}' is graded {grade} and enabled: set enabled = false"));
        }
        Provenance {
            id: name.as_str().into(),
            row: row.unwrap_or(name).into(),
            title: title.into(),
            when: self.interval(line, from, to),
            enabled,
            invalidated,
            confidence: grade.into(),
            source: source.unwrap_or_default().into(),
            line,
        }
    }
}

impl Pack {
    /// Reads one pack. `file` is named in errors.
    ///
    /// # Errors
    /// Every problem found: syntax, unknown keys and references, a missing source or grade, overlaps, gaps.
    pub fn parse(file: &str, text: &str) -> Result<Pack, Vec<PackError>> {
        let raw: RawPack = toml::from_str(text).map_err(|e| {
            let offset = e.span().map_or(0, |s| s.start);
            let line = text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1;
            let message = e.message().replace('\n', " ");
            let message = format!("{message}{}", meant(&message));
            vec![PackError { file: file.to_owned(), line, message }]
        })?;
        let mut cx = Cx { file, text, zone: TimeZone::UTC, errors: Vec::new() };
        match TimeZone::get(raw.zone.get_ref()) {
            Ok(zone) => cx.zone = zone,
            Err(_) => {
                let line = cx.line(raw.zone.span().start);
                cx.error(line, format!("'{}' is no time zone such as Europe/Brussels", raw.zone.get_ref()));
            }
        }
        let pack = build(&mut cx, raw);
        super::check::check(&mut cx, &pack);
        if cx.errors.is_empty() { Ok(pack) } else { Err(cx.errors) }
    }
}

fn build(cx: &mut Cx<'_>, raw: RawPack) -> Pack {
    let covers =
        Interval { from: cx.instant(Some(&raw.covers.from)), to: cx.instant(raw.covers.to.as_ref()) };
    let mut rules: Vec<Rule> = raw.rule.into_iter().map(|r| rule(cx, r)).collect();
    rules.sort_by_key(|r| std::cmp::Reverse(r.priority));
    let layers = raw.layer.into_iter().map(|l| layer(cx, l)).collect();
    let fees = raw.fee.into_iter().map(|f| fee(cx, f)).collect();
    let rates = raw
        .rate
        .into_iter()
        .map(|r| TaxRate {
            meta: cx.meta(Meta {
                id: &r.name,
                row: None,
                title: r.name.get_ref(),
                from: r.from.as_ref(),
                to: r.to.as_ref(),
                // A rate graded K is used and flagged; a rule graded K is not used.
                enabled: !matches!(r.confidence.as_deref(), Some("K" | "C")),
                invalidated: false,
                confidence: r.confidence.as_deref(),
                source: r.source.as_deref(),
            }),
            rate: r.rate.0,
            kind: r.kind.map(Into::into),
            also: r.also.map(Into::into),
        })
        .collect();
    Pack {
        jurisdiction: raw.jurisdiction.into(),
        name: raw.name,
        version: raw.version,
        digest: format!("sha256:{}", hex(&Sha256::digest(cx.text.as_bytes()))).into(),
        file: cx.file.to_owned(),
        text: cx.text.into(),
        destinations: raw.destinations,
        zone: cx.zone.clone(),
        currency: raw.currency,
        national: raw.national,
        fx: raw.fx.as_ref().and_then(|name| match name.get_ref().as_str() {
            "EU_ECB_PENULT_WED_MONTHLY" => Some(Regime::Eu),
            "UK_HMRC_MONTHLY" => Some(Regime::Uk),
            other => {
                let line = cx.line(name.span().start);
                cx.error(
                    line,
                    format!("fx rule '{other}' is unknown: EU_ECB_PENULT_WED_MONTHLY or UK_HMRC_MONTHLY"),
                );
                None
            }
        }),
        fx_unverified: raw.fx_unverified,
        regions: arcs(raw.regions),
        notes: raw.notes,
        covers,
        covered_flows: arcs(raw.covers.flows),
        steps: Steps {
            mode: match raw.rounding.mode.as_deref() {
                None | Some("half_up") => Rounding::HalfUp,
                Some("down") => Rounding::Down,
                Some("up") => Rounding::Up,
                Some("half_even") => Rounding::HalfEven,
                Some(other) => {
                    cx.error(
                        1,
                        format!("rounding mode '{other}' is unknown: half_up, half_even, down or up"),
                    );
                    Rounding::HalfUp
                }
            },
            duty: raw.rounding.duty_step.map(|d| d.0),
            tax: raw.rounding.tax_step.map(|d| d.0),
            base: raw.rounding.base_step.map(|d| d.0),
            base_unrounded: raw.rounding.base_unrounded,
            unverified: raw.rounding.unverified,
        },
        sets: raw.sets.into_iter().map(|(k, v)| (k.into(), arcs(v))).collect(),
        rules,
        layers,
        fees,
        rates,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

fn arcs(list: Vec<String>) -> Vec<Arc<str>> {
    list.into_iter().map(Into::into).collect()
}

fn sel(
    cx: &mut Cx<'_>,
    line: usize,
    what: &str,
    yes: Option<Vec<String>>,
    no: Option<Vec<String>>,
    known: &[&str],
) -> Option<Sel> {
    for v in yes.iter().flatten().chain(no.iter().flatten()) {
        let country = matches!(what, "ship_from" | "origin");
        let ok = if country {
            v == "EU" || tradewind_domain::Country::new(v).is_ok()
        } else {
            known.is_empty() || known.contains(&v.as_str())
        };
        if !ok {
            cx.error(line, format!("{what}: '{v}' is unknown"));
        }
    }
    match (yes, no) {
        (Some(v), None) => Some(Sel::In(arcs(v))),
        (None, Some(v)) => Some(Sel::NotIn(arcs(v))),
        (None, None) => None,
        (Some(_), Some(_)) => {
            cx.error(line, format!("{what} and {what}_not exclude each other: keep one"));
            None
        }
    }
}

const CHANNELS: [&str; 4] = ["courier", "express_hub", "post", "freight"];
const MODES: [&str; 5] = ["air", "ocean", "rail", "road", "post"];
const FLOWS: [&str; 4] = ["import_b2c", "import_b2b", "gift", "personal_effects"];

fn when(cx: &mut Cx<'_>, line: usize, w: RawWhen) -> When {
    When {
        channel: sel(cx, line, "channel", w.channel, None, &CHANNELS),
        scheme: sel(cx, line, "scheme", w.scheme, w.scheme_not, &[]),
        ship_from: sel(cx, line, "ship_from", w.ship_from, w.ship_from_not, &[]),
        entry: sel(cx, line, "entry", w.entry, w.entry_not, &[]),
        mode: sel(cx, line, "mode", w.mode, w.mode_not, &MODES),
        any_origin: w.any_origin.map(arcs),
        no_origin: w.no_origin.map(arcs),
        any_goods: w.any_goods.map(Into::into),
        no_goods: w.no_goods.map(Into::into),
        single_item: w.single_item,
        personal_use: w.personal_use,
        collects: w.collects,
        vat_number: w.vat_number,
        value: w.value.into_iter().map(|b| band(cx, line, b)).collect(),
    }
}

fn metric(cx: &mut Cx<'_>, line: usize, name: &str) -> Metric {
    match name {
        "intrinsic" => Metric::Intrinsic,
        "fob" => Metric::Fob,
        "cif" => Metric::Cif,
        "item" => Metric::Item,
        "customs_value" => Metric::CustomsValue,
        "year_total" => Metric::YearTotal,
        other => {
            cx.error(
                line,
                format!(
                    "metric '{other}' is unknown: intrinsic, fob, cif, item, customs_value or year_total"
                ),
            );
            Metric::Fob
        }
    }
}

fn band(cx: &mut Cx<'_>, line: usize, b: RawBand) -> Band {
    let low = match (b.over, b.from) {
        (Some(d), None) => Some(Bound { amount: d.0, inclusive: false }),
        (None, Some(d)) => Some(Bound { amount: d.0, inclusive: true }),
        (None, None) => None,
        _ => {
            cx.error(line, "a band has 'over' and 'from': keep one");
            None
        }
    };
    let high = match (b.upto, b.below) {
        (Some(d), None) => Some(Bound { amount: d.0, inclusive: true }),
        (None, Some(d)) => Some(Bound { amount: d.0, inclusive: false }),
        (None, None) => None,
        _ => {
            cx.error(line, "a band has 'upto' and 'below': keep one");
            None
        }
    };
    Band {
        metric: metric(cx, line, &b.metric),
        currency: b.currency,
        low,
        high,
        fixed: b.fixed.into_iter().map(|(k, v)| (k, v.0)).collect(),
    }
}

fn part(cx: &mut Cx<'_>, line: usize, name: &str) -> Part {
    match name {
        "goods" => Part::Goods,
        "freight" => Part::Freight,
        "insurance" => Part::Insurance,
        "duty" => Part::Duty,
        "excise" => Part::Excise,
        "consumption_tax" => Part::ConsumptionTax,
        "basic_duty" => Part::BasicDuty,
        other => {
            cx.error(line, format!("base part '{other}' is unknown"));
            Part::Goods
        }
    }
}

fn formula(cx: &mut Cx<'_>, line: usize, f: RawFormula, default_charge: &str) -> Formula {
    let negative = [f.rate, f.amount, f.cap, f.minus, f.factor, f.default, f.min, f.max];
    if negative.iter().flatten().chain(f.table.values()).any(|d| d.0 < Decimal::ZERO) {
        cx.error(line, format!("formula '{}' has a negative figure", f.kind));
    }
    let mut need = |v: Option<Dec>, key: &str| -> Decimal {
        v.map(|d| d.0).unwrap_or_else(|| {
            cx.error(line, format!("formula '{}' needs '{key}'", f.kind));
            Decimal::ZERO
        })
    };
    let table = |t: &BTreeMap<String, Dec>| -> Vec<(Arc<str>, Decimal)> {
        let mut rows: Vec<(Arc<str>, Decimal)> = t.iter().map(|(k, v)| (k.as_str().into(), v.0)).collect();
        rows.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.0.cmp(&b.0)));
        rows
    };
    let reference = |r: &Option<String>| -> Arc<str> { r.as_deref().unwrap_or_default().into() };
    let kind = match f.kind.as_str() {
        "free" => Kind::Free,
        "tariff" => Kind::Tariff,
        "ad_valorem" => Kind::AdValorem(need(f.rate, "rate")),
        "by_chapter" => {
            let mut rows: Vec<(Arc<str>, Option<Decimal>)> =
                table(&f.table).into_iter().map(|(k, r)| (k, Some(r))).collect();
            rows.extend(f.tariff_for.iter().map(|k| (k.as_str().into(), None)));
            rows.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.0.cmp(&b.0)));
            Kind::ByChapter(rows, f.default.map(|d| d.0))
        }
        "stated" => Kind::Stated(f.fact.as_deref().unwrap_or_default().into()),
        "by_class" => Kind::ByClass(table(&f.table)),
        "flat_per_hs_group" => Kind::FlatPerHsGroup {
            amount: need(f.amount, "amount"),
            currency: f.currency.unwrap_or(tradewind_domain::Currency::EUR),
            digits: f.digits.unwrap_or(6),
            by_entry: f.digits_by_entry.iter().map(|(k, v)| (k.as_str().into(), *v)).collect(),
        },
        "cap_net_of_mfn" => Kind::CapNetOfMfn(need(f.cap, "cap")),
        "percent_minus_fixed" => Kind::PercentMinusFixed {
            rate: need(f.rate, "rate"),
            minus: need(f.minus, "minus"),
            currency: f.currency.unwrap_or(tradewind_domain::Currency::USD),
        },
        "vat" => Kind::Vat(reference(&f.rate_ref)),
        "inclusive" => Kind::Inclusive(reference(&f.rate_ref)),
        "cbec_taxes" => Kind::CbecTaxes {
            rate_ref: reference(&f.rate_ref),
            factor: need(f.factor, "factor"),
            ask: f.ask.as_deref().unwrap_or_default().into(),
        },
        "truncated" => Kind::Truncated {
            rate_ref: reference(&f.rate_ref),
            national_share: need(f.national_share, "national_share"),
            local_num: need(f.local_num, "local_num"),
            local_den: need(f.local_den, "local_den"),
        },
        "per_entry" => Kind::PerEntry(need(f.amount, "amount")),
        "clamped" => {
            Kind::Clamped { rate: need(f.rate, "rate"), min: f.min.map(|d| d.0), max: f.max.map(|d| d.0) }
        }
        "unknown" => Kind::Unknown,
        other => {
            cx.error(
                line,
                format!(
                    "formula kind '{other}' is unknown: free, tariff, ad_valorem, by_chapter, by_class, flat_per_hs_group, stated, \
                     cap_net_of_mfn, percent_minus_fixed, vat, inclusive, cbec_taxes, truncated, per_entry, clamped or unknown"
                ),
            );
            Kind::Unknown
        }
    };
    if matches!(&kind, Kind::Stated(fact) if fact.is_empty()) {
        cx.error(line, "formula 'stated' needs 'fact'");
    }
    if kind.rate_ref() == Some("") {
        cx.error(line, format!("formula '{}' needs 'rate_ref'", f.kind));
    }
    let base = match f.base {
        None => vec![Part::Goods],
        Some(RawBase::One(s)) if s == "cif" => vec![Part::Goods, Part::Freight, Part::Insurance],
        Some(RawBase::One(s)) => vec![part(cx, line, if s == "fob" { "goods" } else { &s })],
        Some(RawBase::Many(list)) => list.iter().map(|s| part(cx, line, s)).collect(),
    };
    Formula {
        kind,
        charge: f.charge.as_deref().unwrap_or(default_charge).into(),
        base,
        unverified: f.unverified.unwrap_or(false),
    }
}

fn rule(cx: &mut Cx<'_>, r: RawRule) -> Rule {
    let meta = cx.meta(Meta {
        id: &r.id,
        row: r.row.as_deref(),
        title: &r.title,
        from: r.from.as_ref(),
        to: r.to.as_ref(),
        enabled: r.enabled,
        invalidated: r.invalidated,
        confidence: r.confidence.as_deref(),
        source: r.source.as_deref(),
    });
    let line = meta.line;
    for f in &r.flow {
        if !FLOWS.contains(&f.as_str()) {
            cx.error(line, format!("flow '{f}' is unknown: {}", FLOWS.join(", ")));
        }
    }
    let outcome = match r.outcome.as_deref() {
        None | Some("quote") => Outcome::Quote,
        Some("not_eligible") => Outcome::NotEligible,
        Some("blocked") => Outcome::Blocked,
        Some("indeterminate") => Outcome::Indeterminate,
        Some(other) => {
            cx.error(
                line,
                format!("outcome '{other}' is unknown: quote, not_eligible, blocked or indeterminate"),
            );
            Outcome::Indeterminate
        }
    };
    if outcome != Outcome::Quote && r.reason.is_none() {
        cx.error(line, format!("'{}' gives no quote and no reason: say why", meta.id));
    }
    let border = r.collector.unwrap_or_default();
    Rule {
        flow: arcs(r.flow),
        priority: r.priority.unwrap_or(0),
        when: when(cx, line, r.when),
        outcome,
        reason: r.reason.map(Into::into),
        fallback: r.fallback.map(Into::into),
        metric: metric(cx, line, r.metric.as_deref().unwrap_or("fob")),
        factor: r.factor.map(|d| d.0),
        duty: match r.duty {
            Some(f) => formula(cx, line, f, "duty"),
            None => Formula {
                kind: Kind::Free,
                charge: "duty".into(),
                base: vec![Part::Goods],
                unverified: false,
            },
        },
        extra: r.extra.into_iter().map(|f| formula(cx, line, f, "additional_duty")).collect(),
        tax: r.tax.map(|f| formula(cx, line, f, "vat")),
        sale: r.sale.map(|s| Sale {
            scheme: s.scheme.into(),
            only_with_scheme: s.only_with_scheme,
            nothing_if_unregistered: s.nothing_if_unregistered,
            reverse_charge: s.reverse_charge,
        }),
        duty_collector: border.duty.as_deref().unwrap_or("importer").into(),
        tax_collector: border.tax.as_deref().unwrap_or("importer").into(),
        waive: r.waive.map(|w| Waive {
            limit: match (w.upto, w.below) {
                (Some(d), _) => Bound { amount: d.0, inclusive: true },
                (None, Some(d)) => Bound { amount: d.0, inclusive: false },
                (None, None) => {
                    cx.error(line, "waive needs 'upto' or 'below'");
                    Bound { amount: Decimal::ZERO, inclusive: false }
                }
            },
            currency: w.currency,
            scheme_not: arcs(w.scheme_not),
        }),
        layers: r.layers,
        counter: r.counter,
        excise: r.excise.map(Into::into),
        flags: arcs(r.flags),
        partial: arcs(r.partial),
        meta,
    }
}

fn layer(cx: &mut Cx<'_>, l: RawLayer) -> Layer {
    let meta = cx.meta(Meta {
        id: &l.id,
        row: l.row.as_deref(),
        title: &l.title,
        from: l.from.as_ref(),
        to: l.to.as_ref(),
        enabled: l.enabled,
        invalidated: l.invalidated,
        confidence: l.confidence.as_deref(),
        source: l.source.as_deref(),
    });
    let line = meta.line;
    Layer {
        origin: sel(cx, line, "origin", l.origin, l.origin_not, &[]),
        list: l.list.map(Into::into),
        needs: arcs(l.needs),
        asked_of: arcs(l.asked_of),
        unless: arcs(l.unless),
        in_transit_until: cx.instant(l.in_transit_until.as_ref()),
        formula: formula(cx, line, l.formula, "additional_duty"),
        reason: l.reason.map(Into::into),
        flags: arcs(l.flags),
        meta,
    }
}

fn fee(cx: &mut Cx<'_>, f: RawFee) -> Fee {
    let meta = cx.meta(Meta {
        id: &f.id,
        row: f.row.as_deref(),
        title: &f.title,
        from: f.from.as_ref(),
        to: f.to.as_ref(),
        enabled: f.enabled,
        invalidated: false,
        confidence: f.confidence.as_deref(),
        source: f.source.as_deref(),
    });
    let line = meta.line;
    Fee {
        kind: f.kind.into(),
        entry: arcs(f.entry),
        channel: sel(cx, line, "channel", f.channel, None, &CHANNELS),
        mode: sel(cx, line, "mode", f.mode, None, &MODES),
        formula: formula(cx, line, f.formula, "fee"),
        meta,
    }
}
