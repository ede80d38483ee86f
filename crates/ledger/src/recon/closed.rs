//! Closed periods: what was booked when a period was closed stays as it is, and what came later is booked on the first open day.
//!
//! A run makes all entries anew from the facts. An entry of a closed period is booked as it stood then; where the facts make another
//! one of it now, or none, the difference is an entry of its own on the first open day. So the books are those of the facts, and the
//! closed months are those that were closed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::ReconError;
use crate::facts::Closed;
use crate::journal::{Draft, Journal, Posting};

const CORRECTED: &str = "!corrected#";

/// The entry that an entry corrects, or itself.
pub(super) fn base(id: &str) -> &str {
    id.split_once(CORRECTED).map_or(id, |(base, _)| base)
}

type Sums = BTreeMap<(String, Currency), i64>;

fn add(sums: &mut Sums, postings: &[Posting], sign: i64) -> Result<(), ReconError> {
    for p in postings {
        let slot = sums.entry((p.account.clone(), p.currency)).or_insert(0);
        *slot = p
            .minor
            .checked_mul(sign)
            .and_then(|m| slot.checked_add(m))
            .ok_or_else(|| ReconError::Range(format!("{} in a closed period", p.account)))?;
    }
    Ok(())
}

/// What the closed periods hold of one entry: the entry and its corrections.
#[derive(Default)]
struct Held {
    sums: Sums,
    entries: usize,
    date: Option<Date>,
    trace: Vec<String>,
}

/// Books `drafts` and their reversals (id, day, why) around the closed periods. Of periods closed after the day of the report nothing is
/// known yet.
pub(super) fn book(
    drafts: Vec<Draft>,
    reversals: Vec<(String, Date, String)>,
    closed: &[Closed],
    until: Option<Date>,
    as_of: Date,
) -> Result<Journal, ReconError> {
    let mut journal = Journal::new();
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    let mut kept: BTreeMap<&str, (&Closed, &Draft, Date)> = BTreeMap::new();
    for c in closed.iter().filter(|c| c.until <= as_of) {
        let Some((draft, booked)) = &c.entry else { continue };
        let (had, old, _) = *kept.entry(&draft.id).or_insert((c, draft, *booked));
        if old != draft {
            let (a, b) = (had.origin.clone().min(c.origin.clone()), had.origin.clone().max(c.origin.clone()));
            return Err(ReconError::Setup(format!(
                "entry {} was closed with two contents, in {} row {} and in {} row {}: remove the file that is not the books",
                draft.id, a.file, a.row, b.file, b.row
            )));
        }
    }
    let mut in_order: Vec<(&Draft, Date)> = kept.values().map(|(_, d, booked)| (*d, *booked)).collect();
    in_order.sort_by(|(a, x), (b, y)| (x, a.date, &a.id).cmp(&(y, b.date, &b.id)));
    for (draft, booked) in in_order {
        let slot = held.entry(base(&draft.id).to_owned()).or_default();
        add(&mut slot.sums, &draft.postings, 1)?;
        slot.entries += 1;
        slot.date = slot.date.max(Some(draft.date));
        slot.trace.extend(draft.trace.iter().cloned());
        journal.keep(draft.clone(), booked)?;
    }
    let last = closed.iter().map(|c| c.until).filter(|d| *d <= as_of).max();
    if let Some(until) = until.max(last) {
        journal.close(until);
    }
    // The reversal of a closed entry is made of what the facts say of it now, like the entry itself.
    let mut more: Vec<Draft> = Vec::new();
    let mut open_reversals = Vec::new();
    let by_id: BTreeMap<&str, &Draft> = drafts.iter().map(|d| (d.id.as_str(), d)).collect();
    for (id, date, why) in reversals {
        let name = format!("{id}!reversed");
        match by_id.get(id.as_str()).filter(|_| held.contains_key(&id) || held.contains_key(&name)) {
            Some(d) => more.push(Draft {
                id: name,
                date,
                text: why,
                trace: d.trace.clone(),
                reverses: Some(id),
                postings: d
                    .postings
                    .iter()
                    .map(|p| Posting::new(p.account.clone(), p.amount().negated()))
                    .collect(),
            }),
            None => open_reversals.push((id, date, why)),
        }
    }
    let mut fresh: Vec<Draft> = Vec::new();
    for d in drafts.into_iter().chain(more) {
        match held.remove(&d.id) {
            None => fresh.push(d),
            Some(h) => fresh.extend(correction(&d.id.clone(), Some(d), h)?),
        }
    }
    for (id, h) in held {
        fresh.extend(correction(&id, None, h)?);
    }
    fresh.sort_by(|a, b| (a.date, &a.id).cmp(&(b.date, &b.id)));
    for d in fresh {
        journal.post(d)?;
    }
    for (id, date, why) in open_reversals {
        journal.reverse(&id, date, &why)?;
    }
    Ok(journal)
}

/// The difference between what is closed of an entry and what the facts make of it now.
fn correction(id: &str, now: Option<Draft>, mut held: Held) -> Result<Option<Draft>, ReconError> {
    let mut sums = Sums::new();
    if let Some(d) = &now {
        add(&mut sums, &d.postings, 1)?;
    }
    for (key, m) in &held.sums {
        let slot = sums.entry(key.clone()).or_insert(0);
        *slot = slot.checked_sub(*m).ok_or_else(|| ReconError::Range(format!("the correction of {id}")))?;
    }
    sums.retain(|_, m| *m != 0);
    if sums.is_empty() {
        return Ok(None);
    }
    let text = if now.is_some() { "came out otherwise" } else { "is no entry any more" };
    held.trace.extend(now.iter().flat_map(|d| d.trace.iter().cloned()));
    Ok(Some(Draft {
        id: format!("{id}{CORRECTED}{}", held.entries),
        date: now.as_ref().map(|d| d.date).or(held.date).unwrap_or(Date::MIN),
        text: format!("correction after its period was closed: {id} {text}"),
        trace: held.trace,
        reverses: Some(id.to_owned()),
        postings: sums
            .into_iter()
            .map(|((account, c), m)| Posting::new(account, Money::from_minor(m, c)))
            .collect(),
    }))
}
