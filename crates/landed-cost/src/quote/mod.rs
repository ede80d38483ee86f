//! The engine: prepare the order, select the rule, apply its formulas, add up.

mod answer;
mod charges;
mod collect;
mod fees;
mod finish;
mod fx;
mod known;
mod owed;
mod parcels;
mod prepare;
mod ruling;
mod select;
mod words;

use std::sync::Arc;

use tradewind_domain::Country;

pub use answer::*;

use finish::{Answer, Finished, finish, no_pack};
pub(crate) use known::{Known, Side};

use crate::pack::{Outcome, Pack, PackSet};
use crate::rates::{FxSource, NoFx, NoTariff, TariffSource};
use crate::request::Request;
use prepare::Order;
use ruling::Ruling;

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

    /// Answers for one order: as far as things are known, or for a bound, with every gap filled from that side.
    fn evaluate(&self, mut order: Order<'_>, side: Option<Side>) -> Result<Finished, QuoteError> {
        let mut known = Known::assuming(side);
        let answer = match self.ruling(&order, &mut known)? {
            Ruling::Open => Answer::Nothing(None, Outcome::Indeterminate),
            Ruling::Ends(rule, outcome) => Answer::Nothing(Some(rule), outcome),
            Ruling::Applies(rule) => Answer::Amounts(rule, self.owed(&mut order, rule, &mut known)?),
        };
        Ok(finish(order, known, answer))
    }
}

fn closed(field: &str, value: Option<&str>, known: &[&str]) -> Result<(), QuoteError> {
    match value {
        Some(v) if !known.contains(&v) => Err(bad(field, format!("'{v}' is unknown: {}", known.join(", ")))),
        _ => Ok(()),
    }
}
