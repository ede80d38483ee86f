//! The rate a tariff prints for a line: ad valorem, specific or both; with a preference, if its proof is there.

use rust_decimal::Decimal;
use tradewind_domain::Country;

use super::super::Known;
use super::super::answer::RateSource;
use super::super::prepare::{Order, Work};
use super::{Rated, Resolved};
use crate::rates::{Lookup, Rate, TariffSource};
use crate::request::Fact;

/// The tariff's rate of a line: the request's, else the store's.
pub(super) fn tariff_rate(
    order: &Order<'_>,
    line: &Work<'_>,
    tariff: &dyn TariffSource,
    known: &mut Known,
) -> Resolved {
    let id = &line.req.id;
    if let Some(r) = line.req.rates.duty.or(order.req.rates.duty) {
        return Some(Rated::new(r.0, RateSource::Request));
    }
    let Some(hs) = &line.hs else {
        return known.lacks(format!("lines.{id}.hs"), Decimal::ZERO, None).map(Rated::assumed);
    };
    let Some(origin) = line.origin else {
        return known.lacks(format!("lines.{id}.origin"), Decimal::ZERO, None).map(Rated::assumed);
    };
    let want = format!("lines.{id}.rates.duty");
    match tariff.lookup(&order.pack.jurisdiction, hs, Country::new(origin).ok(), order.at) {
        Lookup::Found { rate, source, sha256, preference, .. } => {
            known.tariff(&order.pack.jurisdiction, sha256);
            let mut note = None;
            let mut rate = rate;
            if let Some(p) = preference {
                match line.fact("preference_proof") {
                    Some(Fact::Yes) => {
                        note = Some(format!("preference {}, proof of origin stated", p.programme));
                        rate = p.rate;
                    }
                    Some(Fact::Text(proof)) => {
                        note = Some(format!("preference {}, proof of origin {proof}", p.programme));
                        rate = p.rate;
                    }
                    Some(Fact::No) | None => {
                        known.flag(format!("PREFERENCE_UNUSED:{id}"));
                        note = Some(format!(
                            "preference {} of {} needs a proof of origin (facts.preference_proof)",
                            p.programme, p.rate
                        ));
                    }
                }
            }
            let mut out = printed(order, line, &rate, known)?;
            out.source = RateSource::Tariff(source.into());
            out.note = match (note, out.note) {
                (Some(a), Some(b)) => Some(format!("{b}; {a}")),
                (a, b) => a.or(b),
            };
            Some(out)
        }
        Lookup::Ambiguous { ad_valorem, .. } => {
            known.flag(format!("HS_TOO_SHORT:{id}"));
            let (low, high) = ad_valorem.map_or((Decimal::ZERO, None), |(l, h)| (l, Some(h)));
            known.lacks(want, low, high).map(Rated::assumed)
        }
        Lookup::Missing => known.lacks(want, Decimal::ZERO, None).map(Rated::assumed),
    }
}

/// The deposit or duty of a trade remedy that the tariff names for the line's origin: what the request answers, and
/// missing without an answer. It is a question of its own, whatever rate the duty has and where that comes from.
/// `None` when no measure stands, or the answer is that none applies.
pub(super) fn remedy(
    order: &Order<'_>,
    line: &Work<'_>,
    tariff: &dyn TariffSource,
    known: &mut Known,
) -> Option<Decimal> {
    let hs = line.hs.as_ref()?;
    let origin = line.origin.and_then(|o| Country::new(o).ok());
    if !tariff.remedy(&order.pack.jurisdiction, hs, origin, order.at) {
        return None;
    }
    match line.fact("ad_cvd") {
        Some(Fact::No) => None,
        Some(Fact::Text(_)) if line.number("ad_cvd").is_some() => line.number("ad_cvd"),
        _ => {
            known.soft(format!("lines.{}.facts.ad_cvd", line.req.id));
            None
        }
    }
}

/// A printed rate on this line: shares add up, and amounts per unit are multiplied by the line's quantity in that unit.
fn printed(order: &Order<'_>, line: &Work<'_>, rate: &Rate, known: &mut Known) -> Resolved {
    let id = &line.req.id;
    Some(match rate {
        Rate::Free => Rated::new(Decimal::ZERO, RateSource::None),
        Rate::AdValorem(r) => Rated::new(*r, RateSource::None),
        Rate::Specific { amount, currency, unit } => {
            let Some(quantity) = quantity(line, unit) else {
                let unit = if matches!(unit.as_str(), "g" | "t") { "kg" } else { unit };
                return known
                    .lacks(format!("lines.{id}.facts.quantity_{unit}"), Decimal::ZERO, None)
                    .map(Rated::assumed);
            };
            let total = amount.checked_mul(quantity)?;
            let Some((fixed, fx)) = order.fx.exchange(total, *currency, order.cur) else {
                return known
                    .lacks(format!("fx.{currency}.{}", order.cur), Decimal::ZERO, None)
                    .map(Rated::assumed);
            };
            Rated {
                rate: Decimal::ZERO,
                fixed,
                source: RateSource::None,
                note: Some(format!("{rate}, on {} {unit}", quantity.normalize())),
                fx,
            }
        }
        Rate::Compound(parts) => {
            let mut sum = Rated::new(Decimal::ZERO, RateSource::None);
            for p in parts {
                let one = printed(order, line, p, known)?;
                sum.rate = sum.rate.checked_add(one.rate)?;
                sum.fixed = sum.fixed.checked_add(one.fixed)?;
                sum.note = sum.note.or(one.note);
                sum.fx = sum.fx.or(one.fx);
            }
            sum
        }
        Rate::Unparsed(text) => {
            known.flag(format!("RATE_NOT_PARSED:{id}:{text}"));
            return known.lacks(format!("lines.{id}.rates.duty"), Decimal::ZERO, None).map(Rated::assumed);
        }
    })
}

/// The line's quantity in a tariff's unit: pieces from the order, mass from `facts.quantity_kg`, anything else from
/// the fact of that unit. A pair is not guessed from a piece.
fn quantity(line: &Work<'_>, unit: &str) -> Option<Decimal> {
    let kg = || line.number("quantity_kg");
    match unit {
        "each" => Some(line.req.quantity.0),
        "doz" => line.req.quantity.0.checked_div(Decimal::from(12)),
        "gross" => line.req.quantity.0.checked_div(Decimal::from(144)),
        "g" => kg()?.checked_mul(Decimal::ONE_THOUSAND),
        "t" => kg()?.checked_div(Decimal::ONE_THOUSAND),
        "l" => line.number("quantity_l").or_else(|| line.number("quantity_liter")),
        other => line.number(&format!("quantity_{other}")),
    }
}
