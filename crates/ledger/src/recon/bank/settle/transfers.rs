//! Transfers: where each is by what its lines say, and what of them has not reached the bank.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tradewind_domain::Money;

use super::{Settling, bound, off};
use crate::facts::BankLine;
use crate::recon::bank::{Document, Item};
use crate::recon::foot::{PayoutState, StatementState};
use crate::recon::{Event, Found, Reason, business_days};

/// Judges each transfer, tells of those that are not there, and writes the verdict into the document that sent it.
pub(super) fn run(
    s: &Settling<'_>,
    statements: &mut [StatementState],
    payouts: &mut [PayoutState],
    found: &mut Found,
) {
    let unequal: BTreeMap<usize, i64> =
        s.mismatch.iter().flat_map(|m| m.items.iter().map(|i| (*i, off(s.w, m)))).collect();
    for (i, item) in s.w.items.iter().enumerate() {
        let lines: Vec<&BankLine> =
            s.w.line_of.get(i).into_iter().flatten().filter_map(|l| s.w.lines.get(*l)).collect();
        let here = if item.reference_only {
            Whereabouts::Untold
        } else if !lines.is_empty() {
            Whereabouts::Arrived
        } else if let Some(off) = unequal.get(&i) {
            Whereabouts::Unequal(*off)
        } else {
            Whereabouts::absent(s, i, item)
        };
        here.tell(s, item, found);
        let last = lines.iter().map(|l| l.date).max();
        let bank: Vec<String> = lines.iter().map(|l| l.id.clone()).collect();
        match item.document {
            Some(Document::Statement(at)) => {
                let Some(x) = statements.get_mut(at) else { continue };
                let state = here.state(x.foots);
                x.bank = bank;
                x.arrived = last;
                x.state = state.unwrap_or(if x.failed { "Returned" } else { x.state });
                x.timeline = here.timeline(s, item, state, last);
                if x.failed {
                    x.timeline.push(returned(x.end.unwrap_or(s.as_of)));
                }
            }
            Some(Document::Payout(at)) => {
                let Some(x) = payouts.get_mut(at) else { continue };
                let state = here.state(x.foots);
                x.bank = bank;
                x.arrived = last;
                x.state = state.unwrap_or(if x.failed { "Returned" } else { x.state });
                x.timeline = here.timeline(s, item, state, last);
                if x.failed {
                    x.timeline.push(returned(x.arrival.or(x.last_member).unwrap_or(s.as_of)));
                }
            }
            None => {}
        }
    }
}

fn returned(day: Date) -> Event {
    Event { at: day.to_string(), state: "Returned" }
}

/// Where the money of a transfer is.
enum Whereabouts<'a> {
    /// At the bank.
    Arrived,
    /// Lines are of it, and what arrived less what was sent is this, minor units.
    Unequal(i64),
    /// On its way: the bank has days left for it.
    Waiting,
    /// Late, and no line could be it.
    Missing,
    /// Late, and these lines may be parts of it, and were too many to be searched.
    Torn(&'a [usize]),
    /// Nobody says, so it is not called missing: nothing of it is due, a line that others fit too may be it, or the bank was not heard.
    Untold,
}

impl<'a> Whereabouts<'a> {
    /// Of a transfer that no line is of.
    fn absent(s: &Settling<'a>, i: usize, item: &Item) -> Whereabouts<'a> {
        if !item.due || !s.bank_known || s.doubts.items.contains(&i) {
            Whereabouts::Untold
        } else if !s.late(item) {
            Whereabouts::Waiting
        } else if let Some(parts) = s.doubts.torn.get(&i) {
            Whereabouts::Torn(parts)
        } else {
            Whereabouts::Missing
        }
    }

    /// The state of a document that foots or does not. `None`: as it was.
    fn state(&self, foots: bool) -> Option<&'static str> {
        match self {
            // The money is here, and what it is made of is not known.
            Whereabouts::Arrived if !foots => Some("Settled"),
            Whereabouts::Arrived => Some("Reconciled"),
            Whereabouts::Unequal(off) if *off < 0 => Some("Under"),
            Whereabouts::Unequal(_) => Some("Over"),
            Whereabouts::Missing => Some("Missing"),
            Whereabouts::Waiting | Whereabouts::Torn(_) | Whereabouts::Untold => None,
        }
    }

    /// Tells of a transfer that is due and not there.
    fn tell(&self, s: &Settling<'_>, item: &Item, found: &mut Found) {
        let Item { id, expect, .. } = item;
        let (reason, why) = match self {
            Whereabouts::Arrived | Whereabouts::Unequal(_) | Whereabouts::Untold => return,
            Whereabouts::Waiting => (Reason::Timing, format!("{expect} for {id} is on its way to the bank")),
            Whereabouts::Missing => (
                Reason::ProviderOnly,
                format!("{expect} was sent for {id} and has not reached the bank by {}", s.as_of),
            ),
            Whereabouts::Torn(parts) => (
                Reason::Ambiguous,
                format!(
                    "no line alone is the {expect} of {id}, and {} lines may be parts of it: {}. Pin its lines in a decision",
                    parts.len(),
                    bound(parts.len(), s.w.policy.max_candidates)
                ),
            ),
        };
        let evidence = vec![(format!("sent as {id}"), expect.minor())];
        found.add(reason, *expect, vec![id.clone()], why, evidence);
    }

    /// What happened to the transfer, `last` being the day of its last line.
    fn timeline(
        &self,
        s: &Settling<'_>,
        item: &Item,
        state: Option<&'static str>,
        last: Option<Date>,
    ) -> Vec<Event> {
        // A line may be a day ahead of the arrival that its payout names.
        let expected = item.date.map(|d| (last.map_or(d, |l| d.min(l)), "Expected"));
        let since = match self {
            Whereabouts::Arrived => last,
            Whereabouts::Missing => item.date.map(|d| {
                let mut due = d;
                while business_days(d, due) <= s.w.policy.bank_days_after {
                    due = due.tomorrow().unwrap_or(Date::MAX);
                }
                due
            }),
            _ => None,
        };
        expected
            .into_iter()
            .chain(since.zip(state))
            .map(|(day, state)| Event { at: day.to_string(), state })
            .collect()
    }
}

/// Which of the transfers in doubt have arrived nobody says, and how much of them together has not is sure: what they are beyond the
/// lines that they could be.
pub(super) fn beyond_doubt(s: &Settling<'_>, found: &mut Found) {
    if !s.bank_known {
        return;
    }
    let (w, as_of) = (s.w, s.as_of);
    for (lines, items) in s.doubts.groups() {
        let items: Vec<&Item> = items
            .iter()
            .filter(|i| w.open_item(**i))
            .filter_map(|i| w.items.get(*i))
            .filter(|x| x.due && !x.reference_only && x.expect.is_positive())
            .collect();
        let lines: Vec<&BankLine> = lines.iter().filter_map(|l| w.lines.get(*l)).collect();
        let Some(c) = items.first().map(|x| x.expect.currency()) else { continue };
        let sum = |list: &[&Item]| list.iter().fold(0_i64, |s, x| s.saturating_add(x.expect.minor()));
        let came = lines
            .iter()
            .filter(|x| x.amount.is_positive())
            .fold(0_i64, |s, x| s.saturating_add(x.amount.minor()));
        let overdue: Vec<&Item> = items.iter().copied().filter(|x| s.late(x)).collect();
        let missing = sum(&overdue).saturating_sub(came).max(0);
        // What came may be of those that are late, as far as they go; the rest of it is of the others.
        let rest = sum(&items).saturating_sub(came).max(0).saturating_sub(missing);
        let waiting: Vec<&Item> =
            if missing > 0 { items.iter().copied().filter(|x| !s.late(x)).collect() } else { items };
        for (reason, minor, of) in
            [(Reason::ProviderOnly, missing, &overdue), (Reason::Timing, rest, &waiting)]
        {
            if minor == 0 {
                continue;
            }
            let mut evidence: Vec<(String, i64)> =
                of.iter().map(|x| (format!("sent as {}", x.id), x.expect.minor())).collect();
            evidence.push((
                "arrived, at most".to_owned(),
                minor.saturating_sub(of.iter().fold(0_i64, |s, x| s.saturating_add(x.expect.minor()))),
            ));
            let why = format!(
                "of {} transfers together {} has not reached the bank by {as_of}: they are {}, and at most {} of them are {}",
                of.len(),
                Money::from_minor(minor, c),
                Money::from_minor(sum(of), c),
                Money::from_minor(sum(of).saturating_sub(minor), c),
                lines.iter().map(|x| x.id.as_str()).collect::<Vec<_>>().join(", ")
            );
            let records = of.iter().map(|x| x.id.clone()).chain(lines.iter().map(|x| x.id.clone()));
            found.add(reason, Money::from_minor(minor, c), records.collect(), why, evidence);
        }
    }
}
