//! Which rule decides: every condition is true, false, or not known.

use rust_decimal::Decimal;
use tradewind_domain::Currency;

use super::prepare::Order;
use crate::pack::{Band, Metric, Rule, Sel, in_band};
use crate::request::Fact;

/// The rule, or what is missing to find it.
pub(super) struct Selection<'p> {
    pub(super) rule: Option<&'p Rule>,
    pub(super) missing: Vec<String>,
    pub(super) near: bool,
    /// Something that the request left out was assumed.
    pub(super) assumed_channel: bool,
}

pub(super) fn select<'p>(order: &Order<'p>) -> Selection<'p> {
    let flow = order.req.flow.as_deref().unwrap_or("import_b2c");
    let mut out = Selection { rule: None, missing: Vec::new(), near: false, assumed_channel: false };
    let mut open: Vec<&'p Rule> = Vec::new();
    for rule in &order.pack.rules {
        if !rule.flow.iter().any(|f| f.as_ref() == flow) || !rule.meta.when.contains(order.at) {
            continue;
        }
        out.assumed_channel |= rule.when.channel.is_some() && order.req.channel.is_none();
        let mut missing = Vec::new();
        let mut near = false;
        let holds = holds(order, rule, &mut missing, &mut near);
        out.near |= near;
        if !holds {
            continue;
        }
        if !missing.is_empty() {
            open.push(rule);
            for m in missing {
                if !out.missing.contains(&m) {
                    out.missing.push(m);
                }
            }
        } else if out.rule.is_none_or(|r| r.priority < rule.priority) {
            out.rule = Some(rule);
        }
    }
    // Whatever the unknown turns out to be, one of the open rules holds (the packs have no gaps); when they all say
    // the same, it need not be known: 380 CNY by post, from Hong Kong or from elsewhere.
    let covered = order.pack.covered_flows.iter().any(|f| f.as_ref() == flow);
    if let ([first, rest @ ..], None, true) = (open.as_slice(), out.rule, covered)
        && !rest.is_empty()
        && rest.iter().all(|r| same(first, r))
    {
        out.missing.clear();
        out.rule = Some(first);
    }
    out
}

/// Two rules of one row that differ in their conditions only.
fn same(a: &Rule, b: &Rule) -> bool {
    let says = |r: &Rule| {
        format!(
            "{:?}",
            (
                (&r.meta.row, r.meta.enabled, r.priority, r.outcome, &r.reason, r.metric, r.factor),
                (&r.duty, &r.extra, &r.tax, &r.sale, &r.duty_collector, &r.tax_collector, &r.waive),
                (r.layers, r.counter, &r.excise, &r.flags, &r.partial),
            )
        )
    };
    says(a) == says(b)
}

/// False when some condition is known to fail; else what is not known is in `missing`.
fn holds(order: &Order<'_>, rule: &Rule, missing: &mut Vec<String>, near: &mut bool) -> bool {
    let w = &rule.when;
    let req = order.req;
    let text =
        |sel: &Option<Sel>, value: Option<&str>, name: &str, missing: &mut Vec<String>| match (sel, value) {
            (None, _) => true,
            (Some(s), Some(v)) => s.accepts(v),
            (Some(_), None) => {
                missing.push(name.to_owned());
                true
            }
        };
    let entry = req.entry_type.as_deref().unwrap_or("none");
    if !text(&w.channel, Some(req.channel.as_deref().unwrap_or("courier")), "channel", missing)
        || !text(&w.scheme, Some(req.scheme.as_deref().unwrap_or("none")), "scheme", missing)
        || !text(&w.entry, Some(entry), "entry_type", missing)
        || !text(
            &w.mode,
            Some(req.mode_of_transport.as_deref().unwrap_or("air")),
            "mode_of_transport",
            missing,
        )
        || !text(&w.ship_from, req.ship_from.as_deref(), "ship_from", missing)
    {
        return false;
    }
    let collects = req.sold_via.as_deref() == Some("marketplace") || req.seller.registered != Some(false);
    let single = order.lines.len() == 1
        && order.lines.first().is_some_and(|l| {
            l.req.quantity.0 == Decimal::ONE && matches!(l.fact("indivisible"), Some(Fact::Yes))
        });
    for (want, is) in [
        (w.single_item, single),
        (w.personal_use, req.buyer.personal_use.unwrap_or(false)),
        (w.collects, collects),
        (w.vat_number, req.buyer.vat_number.as_deref().is_some_and(|v| !v.is_empty())),
    ] {
        if want.is_some_and(|x| x != is) {
            return false;
        }
    }
    if !any(order, w.any_origin.as_deref(), true, missing)
        || !any(order, w.no_origin.as_deref(), false, missing)
    {
        return false;
    }
    if !goods(order, w.any_goods.as_deref(), true, missing)
        || !goods(order, w.no_goods.as_deref(), false, missing)
    {
        return false;
    }
    let mut inside = true;
    for band in &w.value {
        match measure(order, rule, band) {
            Measured::Value(v) => {
                *near |= is_near(band, order.cur, v);
                inside &= in_band(band.low, band.high, v);
            }
            Measured::Missing(m) => missing.push(m),
        }
    }
    inside
}

fn any(
    order: &Order<'_>,
    list: Option<&[std::sync::Arc<str>]>,
    want: bool,
    missing: &mut Vec<String>,
) -> bool {
    let Some(list) = list else { return true };
    let mut unknown = Vec::new();
    for line in &order.lines {
        match line.origin {
            Some(o) if list.iter().any(|l| l.as_ref() == o) => return want,
            Some(_) => {}
            None => unknown.push(format!("lines.{}.origin", line.req.id)),
        }
    }
    if unknown.is_empty() {
        return !want;
    }
    missing.extend(unknown);
    true
}

fn goods(order: &Order<'_>, set: Option<&str>, want: bool, missing: &mut Vec<String>) -> bool {
    let Some(set) = set else { return true };
    let mut unknown = Vec::new();
    for line in &order.lines {
        match &line.hs {
            Some(hs) if order.pack.in_set(set, hs.as_str()) => return want,
            Some(_) => {}
            None => unknown.push(format!("lines.{}.hs", line.req.id)),
        }
    }
    if unknown.is_empty() {
        return !want;
    }
    missing.extend(unknown);
    true
}

pub(super) enum Measured {
    Value(Decimal),
    Missing(String),
}

/// The metric of a band in the band's currency. Prices given in that currency are measured as they stand, so that a
/// conversion back and forth cannot move a value over its threshold.
pub(super) fn measure(order: &Order<'_>, rule: &Rule, band: &Band) -> Measured {
    let to = band.currency;
    let fixed = band.fixed.contains_key(&order.cur);
    let direct = order.source_cur == to;
    let (goods, cif): (Decimal, Decimal) = if direct {
        let goods = order.lines.iter().map(|l| l.source).sum::<Decimal>();
        (goods, goods + order.freight_source)
    } else {
        (order.goods(), order.cif())
    };
    let item = || {
        order
            .lines
            .iter()
            .map(|l| (if direct { l.source } else { l.goods.decimal() }) / l.req.quantity.0)
            .max()
            .unwrap_or_default()
    };
    let value = match band.metric {
        Metric::Intrinsic | Metric::Fob => goods,
        Metric::Cif => cif,
        Metric::Item => item(),
        Metric::CustomsValue => rule.factor.map_or(cif, |f| goods * f),
        Metric::YearTotal => match order.req.buyer.year_total_before {
            Some(before) => {
                return match order.fx.convert(order.cif(), order.cur, to) {
                    Some(v) => Measured::Value(before.0 + v),
                    None => Measured::Missing(format!("fx.{}.{to}", order.cur)),
                };
            }
            None => return Measured::Missing("buyer.year_total_before".to_owned()),
        },
    };
    if direct || (fixed && order.cur != to) {
        // A state's own printed limit: scale so that the pack's bound means the printed one.
        if fixed && !direct {
            let printed = band.fixed.get(&order.cur).copied().unwrap_or(Decimal::ONE);
            let bound = band.high.or(band.low).map_or(Decimal::ONE, |b| b.amount);
            return Measured::Value(value * bound / printed);
        }
        return Measured::Value(value);
    }
    match order.fx.convert(value, order.cur, to) {
        Some(v) => Measured::Value(v),
        None => Measured::Missing(format!("fx.{}.{to}", order.cur)),
    }
}

/// Within 2 % of a bound.
fn is_near(band: &Band, _cur: Currency, v: Decimal) -> bool {
    let two = Decimal::new(2, 2);
    [band.low, band.high].into_iter().flatten().any(|b| (v - b.amount).abs() <= b.amount * two)
}
