//! The engine: prepare the order, select the rule, apply its formulas, add up.

mod answer;
mod charges;
mod collect;
mod fees;
mod finish;
mod fx;
mod known;
mod parcels;
mod prepare;
mod select;
mod words;

use std::sync::Arc;

use tradewind_domain::{Country, Money};

pub use answer::*;

use collect::{treatment, waive};
use finish::{Finished, finish, no_pack};
pub(crate) use known::{Known, Side};

use crate::pack::{Formula, Outcome, Pack, PackSet, Part};
use crate::rates::{FxSource, NoFx, NoTariff, TariffSource};
use crate::request::Request;
use prepare::Order;
use words::Region;

/// The request itself cannot be answered: the message names the field and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuoteError(pub String);

pub(crate) fn bad(field: &str, message: impl std::fmt::Display) -> QuoteError {
    QuoteError(format!("{field}: {message}"))
}

/// Packs with a tariff and a rate book: answers requests.
pub struct Engine<'a> {
    packs: &'a PackSet,
    tariff: &'a dyn TariffSource,
    book: &'a dyn FxSource,
    stored: bool,
}

impl<'a> Engine<'a> {
    /// An engine in which every rate comes from the request or the packs.
    #[must_use]
    pub fn new(packs: &'a PackSet) -> Engine<'a> {
        Engine { packs, tariff: &NoTariff, book: &NoFx, stored: false }
    }

    /// With a tariff for rates that the request leaves out.
    #[must_use]
    pub fn with_tariff(self, tariff: &'a dyn TariffSource) -> Engine<'a> {
        Engine { tariff, ..self }
    }

    /// With a rate book for exchange rates that the request leaves out.
    #[must_use]
    pub fn with_fx(self, book: &'a dyn FxSource) -> Engine<'a> {
        Engine { book, ..self }
    }

    /// For a request that was answered before, by packs of which only the ones it used need be here: whether some rule
    /// asks for its facts is not checked again.
    #[must_use]
    pub fn for_stored(self) -> Engine<'a> {
        Engine { stored: true, ..self }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The request contradicts itself or names what does not exist (country, currency, region, pack version,
    /// negative price). What is merely missing is in the answer.
    pub fn quote(&self, req: &Request) -> Result<Quote, QuoteError> {
        let mut whole = self.one(req)?;
        if let Some(split) = &req.parcels {
            whole.parcels = Some(self.split(req, split, &mut whole)?);
        }
        Ok(whole)
    }

    fn pack_for(&self, req: &Request, country: Country) -> Result<Option<&'a Arc<Pack>>, QuoteError> {
        let Some(pack) = self.packs.for_country(country) else { return Ok(None) };
        match req.pack_versions.as_ref().and_then(|v| v.get(pack.jurisdiction.as_ref())) {
            None => Ok(Some(pack)),
            Some(version) => match self.packs.version(&pack.jurisdiction, version) {
                Some(p) => Ok(Some(p)),
                None => Err(bad(
                    "pack_versions",
                    format!(
                        "{} {version} is not loaded: put the old file under versions/ of the packs folder and give --packs",
                        pack.jurisdiction
                    ),
                )),
            },
        }
    }

    fn one(&self, req: &Request) -> Result<Quote, QuoteError> {
        let code = req.destination.country.as_str();
        let region = req.destination.region.as_deref().unwrap_or("");
        let code = if code == "GB" && matches!(region, "NI" | "NIR" | "XI") { "XI" } else { code };
        let country = Country::new(code).map_err(|e| bad("destination.country", e))?;
        if let Some(from) = &req.ship_from {
            Country::new(from).map_err(|e| bad("ship_from", e))?;
        }
        closed("flow", req.flow.as_deref(), &["import_b2c", "import_b2b", "gift", "personal_effects"])?;
        closed("channel", req.channel.as_deref(), &["courier", "express_hub", "post", "freight"])?;
        closed(
            "mode_of_transport",
            req.mode_of_transport.as_deref(),
            &["air", "ocean", "rail", "road", "post"],
        )?;
        for line in req.lines.iter().filter(|_| !self.stored) {
            for fact in line.facts.keys() {
                if let Some(why) = self.packs.unknown_fact(fact) {
                    return Err(bad(&format!("lines.{}.facts.{fact}", line.id), why));
                }
            }
        }
        let Some(pack) = self.pack_for(req, country)? else { return no_pack(req, country) };
        if !region.is_empty()
            && !pack.regions.is_empty()
            && !pack.regions.iter().any(|r| r.as_ref() == region)
        {
            let all: Vec<&str> = pack.regions.iter().map(AsRef::as_ref).collect();
            return Err(bad(
                "destination.region",
                format!("'{region}' is no region of {country}: {}", all.join(", ")),
            ));
        }
        let at = prepare::instant(&req.legal_event_at, pack)?;
        let run = |side| self.evaluate(Order::new(req, pack, country, at, self.book)?, side);
        let answer = run(None)?;
        if answer.quote.status != Status::Indeterminate || answer.quote.rule.is_none() {
            return Ok(answer.quote);
        }
        // Something is missing: once more with its best value, once with its worst.
        Ok(answer.between(run(Some(Side::Low))?, run(Some(Side::High))?))
    }

    fn evaluate(&self, mut order: Order<'_>, side: Option<Side>) -> Result<Finished, QuoteError> {
        let mut known = Known::assuming(side);
        let selection = select::select(&order);
        if selection.near {
            known.flag("NEAR_THRESHOLD".to_owned());
        }
        if selection.assumed_channel {
            known.flag("CHANNEL_ASSUMED:courier".to_owned());
        }
        if order.cur != order.pack.currency_of(order.country) && order.req.quote_currency.is_none() {
            known.flag(format!("NOT_IN_DESTINATION_CURRENCY:{}", order.pack.currency_of(order.country)));
        }
        for m in &selection.missing {
            known.missing(m.clone());
        }
        // A stored quote says what it said, whatever has been learnt to be asked since.
        if !self.stored {
            for flag in words::check(order.req)? {
                known.flag(flag);
            }
            if let Some(wanted) = order.req.quote_currency.as_deref().filter(|w| *w != order.cur.code()) {
                known.missing(format!("fx.{}.{wanted}", order.source_cur));
            }
            let by_region = !order.pack.regions.is_empty() || order.country.code() == "XI";
            match words::region(order.country, order.region) {
                _ if by_region || order.region.is_empty() => {}
                Region::NotUsed => known.flag(format!("REGION_NOT_USED:{}", order.region)),
                Region::Apart => {
                    known.missing("destination.region".to_owned());
                    known.reason(&format!(
                        "{}-{} has tax rules of its own, which no pack holds: a quote for the rest of the country would be wrong",
                        order.country.code(),
                        order.region.trim_start_matches(order.country.code()).trim_start_matches('-'),
                    ));
                    return Ok(finish(
                        order,
                        None,
                        known,
                        Outcome::Indeterminate,
                        None,
                        Vec::new(),
                        Vec::new(),
                    ));
                }
            }
        }
        let Some(rule) = selection.rule.filter(|_| selection.missing.is_empty()) else {
            if selection.missing.is_empty() {
                known.missing(format!("rules.{}", order.pack.jurisdiction));
                known.reason(&format!(
                    "no rule of {} {} covers this order at that instant",
                    order.pack.jurisdiction, order.pack.version
                ));
            }
            return Ok(finish(order, None, known, Outcome::Indeterminate, None, Vec::new(), Vec::new()));
        };
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
            return Ok(finish(
                order,
                Some(rule),
                known,
                Outcome::Indeterminate,
                None,
                Vec::new(),
                Vec::new(),
            ));
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
            return Ok(finish(order, Some(rule), known, rule.outcome, None, Vec::new(), Vec::new()));
        }
        if order.pack.steps.base.is_some() && order.cur != order.pack.currency_of(order.country) {
            known.missing(format!("fx.{}.{}", order.source_cur, order.pack.currency_of(order.country)));
            return Ok(finish(
                order,
                Some(rule),
                known,
                Outcome::Indeterminate,
                None,
                Vec::new(),
                Vec::new(),
            ));
        }
        if order.pack.steps.unverified {
            known.flag(format!("UNVERIFIED_ROUNDING:{}", order.pack.jurisdiction));
        }
        for line in &order.lines {
            if line.hs.as_ref().is_some_and(|hs| self.tariff.knows(hs) == Some(false)) {
                known.flag(format!("HS_NOT_IN_NOMENCLATURE:{}", line.req.id));
            }
        }
        let treatment = treatment(&order, rule);
        if let Some(scheme) = &treatment.scheme
            && rule.sale.as_ref().is_some_and(|s| s.only_with_scheme)
            && order.req.scheme_id.as_deref().is_none_or(str::is_empty)
        {
            // The declaration must carry the number, or the tax is paid twice.
            known.flag(format!("SCHEME_ID_MISSING:{scheme}"));
        }
        let maker = charges::Maker { meta: &rule.meta, collector: &treatment.duty, pack: &order.pack.digest };
        charges::duty(&mut order, rule, &rule.duty, &maker, self.tariff, &mut known, true)?;
        for f in &rule.extra {
            charges::duty(&mut order, rule, f, &maker, self.tariff, &mut known, false)?;
        }
        if rule.layers {
            charges::layers(&mut order, rule, self.tariff, &mut known)?;
        }
        if let Some(set) = &rule.excise {
            for line in &mut order.lines {
                if line.hs.as_ref().is_some_and(|h| order.pack.in_set(set, h.as_str())) {
                    known.soft(format!("lines.{}.excise", line.req.id));
                    line.excise = None;
                }
            }
        }
        for p in &rule.partial {
            known.soft(p.to_string());
        }
        if let Some(f) = &rule.tax {
            if treatment.nobody {
                known.flag("NO_TAX_AT_SALE:SELLER_NOT_REGISTERED".to_owned());
            } else if treatment.reverse_charge {
                known.flag("REVERSE_CHARGE".to_owned());
            } else {
                // Where excise is owed and not known, the tax on the rest is computed as what is due at least: it is in
                // the bounds and among the charges, and the line's own tax stays unknown.
                let unknown: Vec<bool> = order.lines.iter().map(|l| l.excise.is_none()).collect();
                for line in &mut order.lines {
                    line.excise = Some(Money::zero(order.cur));
                }
                charges::tax(&mut order, rule, f, &treatment.tax, &mut known)?;
                let taxed = f.base.contains(&Part::Excise);
                for (line, _) in order.lines.iter_mut().zip(unknown).filter(|(_, u)| *u) {
                    line.excise = None;
                    if taxed {
                        line.vat = None;
                        for c in line.charges.iter_mut().filter(|c| is_tax_on(c, f)) {
                            c.note = Some("at least: the excise in its base is not known".into());
                        }
                    }
                }
            }
        }
        let waived = waive(&mut order, rule, &mut known)?;
        let fees = if rule.layers { fees::fees(&order, &mut known)? } else { Vec::new() };
        Ok(finish(order, Some(rule), known, Outcome::Quote, Some(treatment), fees, waived))
    }
}

/// The charge is one of this tax: by its base, which no duty shares.
fn is_tax_on(charge: &Charge, tax: &Formula) -> bool {
    charge.components.iter().any(|(p, _)| *p == Part::Excise) && charge.formula == tax.kind.name()
}

fn closed(field: &str, value: Option<&str>, known: &[&str]) -> Result<(), QuoteError> {
    match value {
        Some(v) if !known.contains(&v) => Err(bad(field, format!("'{v}' is unknown: {}", known.join(", ")))),
        _ => Ok(()),
    }
}
