//! What a pack must satisfy as a whole: no two rules for one case unless a priority says which wins, no case
//! without a rule, no name that leads nowhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::load::Cx;
use super::model::*;

pub(super) fn check(cx: &mut Cx<'_>, pack: &Pack) {
    references(cx, pack);
    rule_overlaps(cx, pack);
    row_overlaps(cx, pack);
    gaps(cx, pack);
}

fn span(pack: &Pack, i: Interval) -> String {
    let show = |t: Option<Timestamp>| {
        t.map_or_else(
            || "open".to_owned(),
            |t| t.to_zoned(pack.zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string(),
        )
    };
    format!("[{}, {}) {}", show(i.from), show(i.to), pack.zone.iana_name().unwrap_or("UTC"))
}

fn references(cx: &mut Cx<'_>, pack: &Pack) {
    for (i, rule) in pack.rules.iter().enumerate() {
        let line = rule.meta.line;
        if pack.rules.iter().take(i).any(|r| r.meta.id == rule.meta.id) {
            cx.error(line, format!("rule id '{}' is used twice", rule.meta.id));
        }
        let ask = match rule.tax.as_ref().map(|t| &t.kind) {
            Some(Kind::CbecTaxes { ask, .. }) => Some(ask),
            _ => None,
        };
        for set in [&rule.when.any_goods, &rule.when.no_goods, &rule.excise].into_iter().flatten().chain(ask)
        {
            if !pack.sets.contains_key(set) {
                cx.error(
                    line,
                    format!("rule '{}' names the set '{set}', which is not under [sets]", rule.meta.id),
                );
            }
        }
        let Some(template) = rule.tax.as_ref().and_then(|t| t.kind.rate_ref()) else { continue };
        if template.starts_with("request:") {
            continue;
        }
        let regions: Vec<&str> = if template.contains("{region}") {
            pack.regions.iter().map(AsRef::as_ref).collect()
        } else {
            vec![""]
        };
        for (country, region) in pack.destinations.iter().flat_map(|c| regions.iter().map(move |r| (*c, *r)))
        {
            let name = expand(template, country.code(), region);
            let rows: Vec<&TaxRate> = pack.rates.iter().filter(|r| r.meta.id.as_ref() == name).collect();
            if rows.is_empty() {
                cx.error(
                    line,
                    format!("rule '{}' refers to the rate '{name}', which has no [[rate]] row", rule.meta.id),
                );
                continue;
            }
            // Every start of the rule and every end of a row inside the rule must find a row.
            let needed = rule.meta.when.intersect(&pack.covers);
            let Some(needed) = needed else { continue };
            let mut instants: Vec<Timestamp> = needed.from.into_iter().collect();
            instants.extend(rows.iter().filter_map(|r| r.meta.when.to).filter(|t| needed.contains(*t)));
            for t in instants {
                if !rows.iter().any(|r| r.meta.when.contains(t)) {
                    cx.error(
                        line,
                        format!(
                            "gap: the rate '{name}' has no row at {}, where rule '{}' needs it",
                            t.to_zoned(pack.zone.clone()),
                            rule.meta.id
                        ),
                    );
                }
            }
        }
    }
}

fn sels_meet(a: Option<&Sel>, b: Option<&Sel>) -> bool {
    match (a, b) {
        (Some(Sel::In(x)), Some(other @ (Sel::In(_) | Sel::NotIn(_)))) => x.iter().any(|v| other.accepts(v)),
        (Some(other @ Sel::NotIn(_)), Some(Sel::In(x))) => x.iter().any(|v| other.accepts(v)),
        _ => true,
    }
}

fn bools_meet(a: Option<bool>, b: Option<bool>) -> bool {
    !matches!((a, b), (Some(x), Some(y)) if x != y)
}

fn bands_meet(a: &Band, b: &Band) -> bool {
    if a.metric != b.metric || a.currency != b.currency {
        return true;
    }
    let below = |low: Option<Bound>, high: Option<Bound>| match (low, high) {
        (Some(l), Some(h)) => l.amount < h.amount || (l.amount == h.amount && l.inclusive && h.inclusive),
        _ => true,
    };
    below(a.low, b.high) && below(b.low, a.high)
}

fn conditions_meet(a: &When, b: &When) -> bool {
    let subset = |x: &Option<Vec<Arc<str>>>, y: &Option<Vec<Arc<str>>>| matches!((x, y), (Some(x), Some(y)) if x.iter().all(|v| y.contains(v)));
    sels_meet(a.channel.as_ref(), b.channel.as_ref())
        && sels_meet(a.scheme.as_ref(), b.scheme.as_ref())
        && sels_meet(a.ship_from.as_ref(), b.ship_from.as_ref())
        && sels_meet(a.entry.as_ref(), b.entry.as_ref())
        && sels_meet(a.mode.as_ref(), b.mode.as_ref())
        && !subset(&a.any_origin, &b.no_origin)
        && !subset(&b.any_origin, &a.no_origin)
        && !(a.any_goods.is_some() && a.any_goods == b.no_goods)
        && !(b.any_goods.is_some() && b.any_goods == a.no_goods)
        && bools_meet(a.single_item, b.single_item)
        && bools_meet(a.personal_use, b.personal_use)
        && bools_meet(a.collects, b.collects)
        && bools_meet(a.vat_number, b.vat_number)
        && a.value.iter().all(|x| b.value.iter().all(|y| bands_meet(x, y)))
}

fn rule_overlaps(cx: &mut Cx<'_>, pack: &Pack) {
    for (i, a) in pack.rules.iter().enumerate() {
        for b in pack.rules.iter().skip(i + 1) {
            if a.priority != b.priority || !a.flow.iter().any(|f| b.flow.contains(f)) {
                continue;
            }
            let Some(common) = a.meta.when.intersect(&b.meta.when) else { continue };
            if conditions_meet(&a.when, &b.when) {
                let (first, second) = if a.meta.line <= b.meta.line { (a, b) } else { (b, a) };
                cx.error(
                    second.meta.line,
                    format!(
                        "rules '{}' (line {}) and '{}' (line {}) overlap in {}: narrow one, or set 'priority' on one",
                        first.meta.id,
                        first.meta.line,
                        second.meta.id,
                        second.meta.line,
                        span(pack, common)
                    ),
                );
            }
        }
    }
}

fn row_overlaps(cx: &mut Cx<'_>, pack: &Pack) {
    let mut clash = |a: &Provenance, b: &Provenance, what: &str| {
        if let Some(common) = a.when.intersect(&b.when) {
            cx.error(
                b.line,
                format!(
                    "{what} '{}' (line {}) and '{}' (line {}) overlap in {}: end the earlier one where the later begins",
                    a.id,
                    a.line,
                    b.id,
                    b.line,
                    span(pack, common)
                ),
            );
        }
    };
    for (i, a) in pack.rates.iter().enumerate() {
        for b in pack.rates.iter().skip(i + 1).filter(|b| a.meta.id == b.meta.id) {
            clash(&a.meta, &b.meta, "rates");
        }
    }
    for (i, a) in pack.layers.iter().enumerate() {
        for b in pack.layers.iter().skip(i + 1) {
            let lists = !matches!((&a.list, &b.list), (Some(x), Some(y)) if x != y);
            if a.meta.row == b.meta.row
                && lists
                && a.needs == b.needs
                && sels_meet(a.origin.as_ref(), b.origin.as_ref())
            {
                clash(&a.meta, &b.meta, "layers");
            }
        }
    }
    for (i, a) in pack.fees.iter().enumerate() {
        for b in pack.fees.iter().skip(i + 1).filter(|b| a.kind == b.kind) {
            let entries = a.entry.iter().any(|e| b.entry.contains(e));
            if entries
                && sels_meet(a.channel.as_ref(), b.channel.as_ref())
                && sels_meet(a.mode.as_ref(), b.mode.as_ref())
            {
                clash(&a.meta, &b.meta, "fees");
            }
        }
    }
}

/// One sample of every dimension that some rule asks about.
#[derive(Clone, Debug, Default)]
struct Case {
    text: [Option<Arc<str>>; 5],
    flags: [bool; 4],
    goods: Vec<Arc<str>>,
    origin: Vec<Arc<str>>,
    values: Vec<(Metric, Decimal)>,
}

fn gaps(cx: &mut Cx<'_>, pack: &Pack) {
    let mut instants: BTreeSet<Timestamp> = pack.covers.from.into_iter().collect();
    for r in &pack.rules {
        instants.extend(
            [r.meta.when.from, r.meta.when.to].into_iter().flatten().filter(|t| pack.covers.contains(*t)),
        );
    }
    for flow in &pack.covered_flows {
        let rules: Vec<&Rule> = pack.rules.iter().filter(|r| r.flow.contains(flow)).collect();
        let cases = cases(&rules);
        for t in &instants {
            let live: Vec<&&Rule> = rules.iter().filter(|r| r.meta.when.contains(*t)).collect();
            let hole = cases.iter().find(|c| !live.iter().any(|r| covers(&r.when, c)));
            if let Some(case) = hole {
                let next = instants.iter().find(|n| *n > t).copied().or(pack.covers.to);
                let line = rules.first().map_or(1, |r| r.meta.line);
                let end = live.iter().map(|r| r.meta.id.as_ref()).collect::<Vec<_>>().join(", ");
                cx.error(
                    line,
                    format!(
                        "gap: flow '{flow}' has no rule in {} for {}; rules in force then: {}. Add a rule, or narrow [covers]",
                        span(pack, Interval { from: Some(*t), to: next }),
                        describe(case),
                        if end.is_empty() { "none" } else { &end }
                    ),
                );
            }
        }
    }
}

fn describe(case: &Case) -> String {
    let mut parts: Vec<String> = ["channel", "scheme", "ship_from", "entry", "mode"]
        .iter()
        .zip(&case.text)
        .filter_map(|(n, v)| v.as_ref().map(|v| format!("{n} {v}")))
        .collect();
    parts.extend(case.goods.iter().map(|g| format!("goods in '{g}'")));
    parts.extend(case.origin.iter().map(|o| format!("origin {o}")));
    for (name, set) in ["single_item", "personal_use", "collects", "vat_number"].iter().zip(case.flags) {
        if set {
            parts.push((*name).to_owned());
        }
    }
    parts.extend(case.values.iter().map(|(m, v)| format!("{} {}", m.name(), v.normalize())));
    if parts.is_empty() { "every order".to_owned() } else { parts.join(", ") }
}

/// One way to set one dimension of a case.
type Variant = Box<dyn Fn(&mut Case)>;

fn cases(rules: &[&Rule]) -> Vec<Case> {
    let mut out = vec![Case::default()];
    let expand = |out: &mut Vec<Case>, variants: Vec<Variant>| {
        if variants.len() > 1 && out.len() < 60_000 {
            *out = out
                .iter()
                .flat_map(|c| {
                    variants.iter().map(move |v| {
                        let mut c = c.clone();
                        v(&mut c);
                        c
                    })
                })
                .collect();
        }
    };
    let picks: [fn(&When) -> Option<&Sel>; 5] = [
        |w| w.channel.as_ref(),
        |w| w.scheme.as_ref(),
        |w| w.ship_from.as_ref(),
        |w| w.entry.as_ref(),
        |w| w.mode.as_ref(),
    ];
    for (i, pick) in picks.into_iter().enumerate() {
        let mut values: BTreeSet<Arc<str>> = BTreeSet::new();
        for r in rules {
            if let Some(Sel::In(l) | Sel::NotIn(l)) = pick(&r.when) {
                values.extend(l.iter().cloned());
            }
        }
        if values.is_empty() {
            continue;
        }
        let closed = i == 0 && values.len() == 4;
        let mut variants: Vec<Variant> = Vec::new();
        for v in values.into_iter().chain((!closed).then(|| "other".into())) {
            variants.push(Box::new(move |c| c.text[i] = Some(v.clone())));
        }
        expand(&mut out, variants);
    }
    let bools: [fn(&When) -> Option<bool>; 4] =
        [|w| w.single_item, |w| w.personal_use, |w| w.collects, |w| w.vat_number];
    for (i, pick) in bools.into_iter().enumerate() {
        if rules.iter().any(|r| pick(&r.when).is_some()) {
            expand(&mut out, vec![Box::new(|_| {}), Box::new(move |c| c.flags[i] = true)]);
        }
    }
    let goods: BTreeSet<Arc<str>> =
        rules.iter().flat_map(|r| [&r.when.any_goods, &r.when.no_goods]).flatten().cloned().collect();
    for g in goods {
        expand(&mut out, vec![Box::new(|_| {}), Box::new(move |c| c.goods.push(g.clone()))]);
    }
    let origins: BTreeSet<Arc<str>> = rules
        .iter()
        .flat_map(|r| [&r.when.any_origin, &r.when.no_origin])
        .flatten()
        .flatten()
        .cloned()
        .collect();
    for o in origins {
        expand(&mut out, vec![Box::new(|_| {}), Box::new(move |c| c.origin.push(o.clone()))]);
    }
    let mut metrics: BTreeSet<Metric> = BTreeSet::new();
    metrics.extend(rules.iter().flat_map(|r| r.when.value.iter().map(|b| b.metric)));
    for m in metrics {
        let step = Decimal::new(1, 4);
        let mut samples: BTreeSet<Decimal> = [step].into();
        for b in rules.iter().flat_map(|r| &r.when.value).filter(|b| b.metric == m) {
            for bound in [b.low, b.high].into_iter().flatten() {
                samples
                    .extend([bound.amount, bound.amount + step].into_iter().filter(|d| *d > Decimal::ZERO));
            }
        }
        let variants: Vec<Variant> = samples
            .into_iter()
            .map(|s| Box::new(move |c: &mut Case| c.values.push((m, s))) as Variant)
            .collect();
        expand(&mut out, variants);
    }
    out
}

fn covers(w: &When, case: &Case) -> bool {
    let sels = [&w.channel, &w.scheme, &w.ship_from, &w.entry, &w.mode];
    let texts = sels.iter().zip(&case.text).all(|(s, v)| match (s, v) {
        (Some(s), Some(v)) => s.accepts(v),
        _ => true,
    });
    let flags = [w.single_item, w.personal_use, w.collects, w.vat_number]
        .iter()
        .zip(case.flags)
        .all(|(want, is)| want.is_none_or(|x| x == is));
    texts
        && flags
        && w.any_goods.as_ref().is_none_or(|g| case.goods.contains(g))
        && w.no_goods.as_ref().is_none_or(|g| !case.goods.contains(g))
        && w.any_origin.as_ref().is_none_or(|l| l.iter().any(|o| case.origin.contains(o)))
        && w.no_origin.as_ref().is_none_or(|l| !l.iter().any(|o| case.origin.contains(o)))
        && w.value.iter().all(|b| {
            case.values.iter().filter(|(m, _)| *m == b.metric).all(|(_, v)| in_band(b.low, b.high, *v))
        })
}

/// A value is between two bounds.
pub(crate) fn in_band(low: Option<Bound>, high: Option<Bound>, v: Decimal) -> bool {
    low.is_none_or(|l| v > l.amount || (l.inclusive && v == l.amount))
        && high.is_none_or(|h| v < h.amount || (h.inclusive && v == h.amount))
}
