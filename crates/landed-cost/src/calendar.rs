//! What changes when: every start and end of a rule, layer, fee or rate.

use jiff::Timestamp;
use serde::Serialize;

use crate::pack::{Pack, Provenance};

/// A change of law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Legal time of the destination, with offset and zone.
    pub at: String,
    /// The instant.
    pub instant: Timestamp,
    /// Pack.
    pub jurisdiction: String,
    /// Row.
    pub rule: String,
    /// `starts` or `ends`.
    pub what: &'static str,
    /// For a person.
    pub title: String,
    /// Used in quotes.
    pub enabled: bool,
    /// Grade.
    pub confidence: String,
}

/// The changes of some packs inside `[from, to)`, by instant.
#[must_use]
pub fn changes<'a>(
    packs: impl Iterator<Item = &'a Pack>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Vec<Change> {
    let mut out = Vec::new();
    for pack in packs {
        let metas: Vec<&Provenance> = pack
            .rules
            .iter()
            .map(|r| &r.meta)
            .chain(pack.layers.iter().map(|l| &l.meta))
            .chain(pack.fees.iter().map(|f| &f.meta))
            .chain(pack.rates.iter().map(|r| &r.meta))
            .collect();
        for m in metas {
            for (what, instant) in [("starts", m.when.from), ("ends", m.when.to)] {
                let Some(t) = instant else { continue };
                if from.is_some_and(|f| t < f) || to.is_some_and(|e| t >= e) {
                    continue;
                }
                out.push(Change {
                    at: t.to_zoned(pack.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
                    instant: t,
                    jurisdiction: pack.jurisdiction.to_string(),
                    rule: m.id.to_string(),
                    what,
                    title: m.title.to_string(),
                    enabled: m.enabled,
                    confidence: m.confidence.to_string(),
                });
            }
        }
    }
    out.sort_by(|a, b| {
        a.instant
            .cmp(&b.instant)
            .then_with(|| a.jurisdiction.cmp(&b.jurisdiction))
            .then_with(|| a.rule.cmp(&b.rule))
    });
    out
}
