//! An order split into parcels: a quote each, with the order's freight shared by value and the buyer's year carried on.

use rust_decimal::Decimal;
use tradewind_domain::Money;

use super::known::push;
use super::prepare::{round, weights};
use super::{Engine, Quote, QuoteError, bad};
use crate::request::{Num, Request};

impl Engine<'_> {
    pub(super) fn split(
        &self,
        req: &Request,
        split: &[Vec<String>],
        whole: &mut Quote,
    ) -> Result<Vec<Quote>, QuoteError> {
        let mut seen: Vec<&str> = Vec::new();
        for id in split.iter().flatten() {
            if !req.lines.iter().any(|l| &l.id == id) {
                return Err(bad("parcels", format!("'{id}' is no line of the order")));
            }
            if seen.contains(&id.as_str()) {
                return Err(bad("parcels", format!("line '{id}' is in two parcels")));
            }
            seen.push(id);
        }
        if let Some(line) = req.lines.iter().find(|l| !seen.contains(&l.id.as_str())) {
            return Err(bad("parcels", format!("line '{}' is in no parcel", line.id)));
        }
        let source = tradewind_domain::Currency::new(&req.currency).map_err(|e| bad("currency", e))?;
        // Freight of the order is shared by value in the request's currency, so that parcels add up to the order.
        let values: Vec<Money> = req
            .lines
            .iter()
            .map(|l| {
                let v = l.unit_price.0 * l.quantity.0 - l.discount.map_or(Decimal::ZERO, |d| d.0);
                round(v, source)
            })
            .collect::<Result<_, _>>()?;
        let w = weights(values.into_iter());
        let share = |n: Option<Num>| -> Result<Vec<Money>, QuoteError> {
            let total = round(n.map_or(Decimal::ZERO, |n| n.0), source)?;
            total.allocate(&w).map_err(|e| QuoteError(e.to_string()))
        };
        let (freight, insurance) = (share(req.freight)?, share(req.insurance)?);
        let mut out = Vec::with_capacity(split.len());
        let mut year = req.buyer.year_total_before.map(|n| n.0);
        for ids in split.iter().filter(|p| !p.is_empty()) {
            let mine = |m: &[Money]| -> Decimal {
                req.lines.iter().zip(m).filter(|(l, _)| ids.contains(&l.id)).map(|(_, m)| m.decimal()).sum()
            };
            let mut part = req.clone();
            part.parcels = None;
            part.lines.retain(|l| ids.contains(&l.id));
            part.freight = Some(Num(mine(&freight)));
            part.insurance = Some(Num(mine(&insurance)));
            part.buyer.year_total_before = year.map(Num);
            let mut quote = self.one(&part)?;
            if let Some(after) = quote.year_total_after {
                year = Some(after.decimal());
            }
            quote.parcel = Some(ids.clone());
            out.push(quote);
        }
        let known = |q: &Quote| q.totals.taxes.map(Money::decimal);
        let parts: Option<Decimal> = out.iter().map(known).sum();
        let slips =
            out.iter().any(|q| q.rule != whole.rule || !q.waived.is_empty() && whole.waived.is_empty());
        let cheaper = matches!((parts, known(whole)), (Some(p), Some(w)) if p < w);
        if out.len() > 1 && (slips || cheaper) {
            push(&mut whole.flags, "SPLIT_RISK".to_owned());
            for q in &mut out {
                push(&mut q.flags, "SPLIT_RISK".to_owned());
            }
        }
        Ok(out)
    }
}
