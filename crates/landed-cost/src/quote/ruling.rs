//! Which rule decides an order, and whether its formulas may be applied.

use super::known::Known;
use super::prepare::Order;
use super::words::{self, Region};
use super::{Engine, QuoteError, select};
use crate::pack::{Outcome, Rule};

/// What the packs say of an order. Why, and what is missing, is among what is [`Known`].
pub(super) enum Ruling<'p> {
    /// No rule holds, or which one does cannot be told.
    Open,
    /// This rule holds, and gives no amounts.
    Ends(&'p Rule, Outcome),
    /// The formulas of this rule give the amounts.
    Applies(&'p Rule),
}

impl Engine<'_> {
    /// Selects the rule and tells what was assumed on the way.
    pub(super) fn ruling<'p>(&self, order: &Order<'p>, known: &mut Known) -> Result<Ruling<'p>, QuoteError> {
        let selection = select::select(order);
        if selection.near {
            known.flag("NEAR_THRESHOLD".to_owned());
        }
        if selection.assumed_channel {
            known.flag("CHANNEL_ASSUMED:courier".to_owned());
        }
        let own = order.pack.currency_of(order.country);
        if order.cur != own && order.req.quote_currency.is_none() {
            known.flag(format!("NOT_IN_DESTINATION_CURRENCY:{own}"));
        }
        let found = selection.missing.is_empty();
        for m in selection.missing {
            known.missing(m);
        }
        // A stored quote says what it said, whatever has been learnt to be asked since.
        if !self.stored && !covered(order, known)? {
            return Ok(Ruling::Open);
        }
        match selection.rule {
            Some(rule) if found => Ok(self.verdict(order, rule, known)),
            _ if found => {
                known.missing(format!("rules.{}", order.pack.jurisdiction));
                known.reason(&format!(
                    "no rule of {} {} covers this order at that instant",
                    order.pack.jurisdiction, order.pack.version
                ));
                Ok(Ruling::Open)
            }
            _ => Ok(Ruling::Open),
        }
    }

    /// What the rule that holds says, and how sure it is.
    fn verdict<'p>(&self, order: &Order<'p>, rule: &'p Rule, known: &mut Known) -> Ruling<'p> {
        for f in &rule.flags {
            known.flag_as(f);
        }
        if !rule.meta.enabled {
            known.flag(format!("DISABLED_RULE:{}", rule.meta.row));
            known.missing(format!("rule {}", rule.meta.row));
            known.reason(&format!(
                "rule {} is disabled (confidence {}): {}",
                rule.meta.row, rule.meta.confidence, rule.meta.title
            ));
            return Ruling::Ends(rule, Outcome::Indeterminate);
        }
        if rule.meta.confidence.contains('K') {
            known.flag(format!("UNVERIFIED_RULE:{}", rule.meta.row));
        }
        if rule.outcome != Outcome::Quote {
            if let Some(r) = &rule.reason {
                known.reason(r);
            }
            if rule.outcome == Outcome::Indeterminate {
                known.missing(format!("rule {}", rule.meta.row));
            }
            return Ruling::Ends(rule, rule.outcome);
        }
        // Bases that the law rounds are rounded in the destination's currency.
        let own = order.pack.currency_of(order.country);
        if order.pack.steps.base.is_some() && order.cur != own {
            known.missing(format!("fx.{}.{own}", order.source_cur));
            return Ruling::Ends(rule, Outcome::Indeterminate);
        }
        if order.pack.steps.unverified {
            known.flag(format!("UNVERIFIED_ROUNDING:{}", order.pack.jurisdiction));
        }
        for line in &order.lines {
            if line.hs.as_ref().is_some_and(|hs| self.tariff.knows(hs) == Some(false)) {
                known.flag(format!("HS_NOT_IN_NOMENCLATURE:{}", line.req.id));
            }
        }
        Ruling::Applies(rule)
    }
}

/// Reads the words of the request that no rule asks for. False: the destination is a region that no pack covers.
fn covered(order: &Order<'_>, known: &mut Known) -> Result<bool, QuoteError> {
    for flag in words::check(order.req)? {
        known.flag(flag);
    }
    if let Some(wanted) = order.req.quote_currency.as_deref().filter(|w| *w != order.cur.code()) {
        known.missing(format!("fx.{}.{wanted}", order.source_cur));
    }
    let by_region = !order.pack.regions.is_empty() || order.country.code() == "XI";
    if by_region || order.region.is_empty() {
        return Ok(true);
    }
    match words::region(order.country, order.region) {
        Region::NotUsed => {
            known.flag(format!("REGION_NOT_USED:{}", order.region));
            Ok(true)
        }
        Region::Apart => {
            known.missing("destination.region".to_owned());
            known.reason(&format!(
                "{}-{} has tax rules of its own, which no pack holds: a quote for the rest of the country would be wrong",
                order.country.code(),
                order.region.trim_start_matches(order.country.code()).trim_start_matches('-'),
            ));
            Ok(false)
        }
    }
}
