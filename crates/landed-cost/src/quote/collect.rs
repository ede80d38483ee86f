//! Who collects the tax — at sale through a scheme, or at the border — and the tax too small to be collected.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use tradewind_domain::Money;

use super::known::Known;
use super::prepare::{Order, round};
use super::{QuoteError, Waived};
use crate::pack::Rule;

/// Who collects, and when.
pub(super) struct Treatment {
    pub(super) at_sale: bool,
    pub(super) scheme: Option<Arc<str>>,
    pub(super) tax: Arc<str>,
    pub(super) duty: Arc<str>,
    pub(super) reverse_charge: bool,
    pub(super) nobody: bool,
}

/// Who collects: at sale through a scheme, or at the border.
pub(super) fn treatment(order: &Order<'_>, rule: &Rule) -> Treatment {
    let req = order.req;
    let marketplace = req.sold_via.as_deref() == Some("marketplace");
    let ddp = req.incoterm.as_deref() == Some("DDP");
    let border = |c: &Arc<str>| -> Arc<str> {
        if ddp && c.as_ref() == "importer" { "ddp_carrier".into() } else { c.clone() }
    };
    let mut t = Treatment {
        at_sale: false,
        scheme: None,
        tax: border(&rule.tax_collector),
        duty: border(&rule.duty_collector),
        reverse_charge: false,
        nobody: false,
    };
    let Some(sale) = &rule.sale else { return t };
    let stated = req.scheme.as_deref() == Some(sale.scheme.as_ref());
    if sale.only_with_scheme && !stated {
        return t;
    }
    if sale.reverse_charge && req.buyer.vat_number.as_deref().is_some_and(|v| !v.is_empty()) {
        t.reverse_charge = true;
        t.tax = "buyer".into();
        return t;
    }
    if sale.nothing_if_unregistered && !marketplace && !stated && req.seller.registered == Some(false) {
        t.nobody = true;
        return t;
    }
    t.at_sale = true;
    t.scheme = Some(sale.scheme.clone());
    t.tax = if marketplace { "marketplace".into() } else { "seller".into() };
    t
}

/// A tax so small that it is not collected (China's post, Switzerland).
pub(super) fn waive(
    order: &mut Order<'_>,
    rule: &Rule,
    known: &mut Known,
) -> Result<Vec<Waived>, QuoteError> {
    let Some(w) = &rule.waive else { return Ok(Vec::new()) };
    let scheme = order.req.scheme.as_deref().unwrap_or("none");
    if w.scheme_not.iter().any(|s| s.as_ref() == scheme) {
        return Ok(Vec::new());
    }
    let sums: Option<Decimal> = order.lines.iter().map(|l| Some(l.duty?.decimal() + l.vat?.decimal())).sum();
    let Some(total) = sums.filter(|t| !t.is_zero()) else { return Ok(Vec::new()) };
    let Some(measured) = order.fx.convert(total, order.cur, w.currency) else {
        known.missing(format!("fx.{}.{}", order.cur, w.currency));
        return Ok(Vec::new());
    };
    let inside = measured < w.limit.amount || (w.limit.inclusive && measured == w.limit.amount);
    if !inside {
        return Ok(Vec::new());
    }
    let zero = Money::zero(order.cur);
    let mut by_kind: BTreeMap<Arc<str>, Decimal> = BTreeMap::new();
    for line in &mut order.lines {
        for c in &mut line.charges {
            *by_kind.entry(c.kind.clone()).or_default() += c.amount.decimal();
            c.amount = zero;
            c.note = Some("not collected: the tax of the consignment is within the exemption".into());
        }
        (line.duty, line.vat, line.consumption) = (Some(zero), Some(zero), Some(zero));
    }
    let sign = if w.limit.inclusive { "≤" } else { "<" };
    by_kind
        .into_iter()
        // A charge of nothing was not waived.
        .filter(|(_, computed)| !computed.is_zero())
        .map(|(kind, computed)| {
            Ok(Waived {
                kind,
                computed: round(computed, order.cur)?,
                why: format!(
                    "{}: tax {total} {sign} {} {}: not collected",
                    rule.meta.row, w.limit.amount, w.currency
                ),
            })
        })
        .collect()
}
