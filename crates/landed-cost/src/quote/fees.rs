//! Fees per entry (US): a fixed amount, a share, or a share between a minimum and a maximum.

use rust_decimal::Decimal;
use tradewind_domain::Money;

use super::answer::{FeeLine, FeeShare};
use super::prepare::{Order, round};
use super::{Known, QuoteError};
use crate::pack::Kind;

pub(super) fn fees(order: &Order<'_>, known: &mut Known) -> Result<Vec<FeeLine>, QuoteError> {
    let value = order.goods();
    // 19 CFR 143.21: informal entry up to 2,500 USD. Used only when the request leaves the type open, and flagged.
    let entry = match order.req.entry_type.as_deref() {
        Some(e) => e,
        None => {
            let usd = order.fx.convert(value, order.cur, order.pack.currency);
            let e = if usd.is_some_and(|v| v <= Decimal::from(2500)) { "11" } else { "01" };
            known.flag(format!("ENTRY_TYPE_ASSUMED:{e}"));
            e
        }
    };
    let channel = order.req.channel.as_deref().unwrap_or("courier");
    let mode = order.req.mode_of_transport.as_deref().unwrap_or("air");
    let mut out = Vec::new();
    let mut covered = false;
    for fee in &order.pack.fees {
        if !fee.entry.iter().any(|e| e.as_ref() == entry) || !fee.meta.when.contains(order.at) {
            continue;
        }
        covered = true;
        if !fee.channel.as_ref().is_none_or(|s| s.accepts(channel))
            || !fee.mode.as_ref().is_none_or(|s| s.accepts(mode))
        {
            continue;
        }
        let mut local = |d: Decimal| -> Result<Option<Money>, QuoteError> {
            match order.fx.convert(d, order.pack.currency, order.cur) {
                Some(v) => round(v, order.cur).map(Some),
                None => {
                    known.fees_unknown = true;
                    known.missing(format!("fx.{}.{}", order.pack.currency, order.cur));
                    Ok(None)
                }
            }
        };
        let line = match &fee.formula.kind {
            Kind::PerEntry(amount) => {
                let Some(amount) = local(*amount)? else { continue };
                FeeLine {
                    kind: fee.kind.clone(),
                    amount,
                    why: format!("{}: {}", fee.meta.id, fee.meta.title),
                    rule_id: fee.meta.row.clone(),
                    lines: Vec::new(),
                }
            }
            Kind::Clamped { rate, min, max } => {
                let raw = value * rate;
                let (low, high) =
                    (min.map(&mut local).transpose()?.flatten(), max.map(&mut local).transpose()?.flatten());
                let plain = round(raw, order.cur)?;
                let (amount, end) = match (low, high) {
                    (Some(l), _) if plain.minor() < l.minor() => {
                        (l, format!(", raised to the minimum {}", l.decimal()))
                    }
                    (_, Some(h)) if plain.minor() > h.minor() => {
                        (h, format!(", held at the maximum {}", h.decimal()))
                    }
                    _ => (plain, String::new()),
                };
                FeeLine {
                    kind: fee.kind.clone(),
                    amount,
                    why: format!(
                        "{}: {}: {} % of {value} = {}{end}",
                        fee.meta.id,
                        fee.meta.title,
                        (rate * Decimal::ONE_HUNDRED).normalize(),
                        raw.normalize()
                    ),
                    rule_id: fee.meta.row.clone(),
                    lines: order
                        .lines
                        .iter()
                        .map(|l| FeeShare {
                            id: l.req.id.clone(),
                            raw: (l.goods.decimal() * rate).normalize().to_string(),
                        })
                        .collect(),
                }
            }
            _ => continue,
        };
        out.push(line);
    }
    if !covered {
        known.fees_unknown = true;
        known.soft(format!("fees.entry_type_{entry}"));
    }
    Ok(out)
}
