//! Parts put together by the place in the file: the settlements, each footed, and what their lines brought.

use std::collections::BTreeSet;

use tradewind_domain::Money;

use super::part::{Brought, Foot, Part, Place, Tax, mixed, two_totals};
use super::{Footed, Report, SHOWN, lost};
use crate::import::{Footing, ImportResult, Refusal};

/// Everything that a file told.
pub(super) struct Told {
    pub(super) report: Report,
    pub(super) brought: Vec<Brought>,
    pub(super) taxes: Vec<Tax>,
    pub(super) feet: Vec<Foot>,
}

/// Puts the parts together: the first fault of the file, or one report and what was brought.
pub(super) fn together(mut parts: Vec<Part<'_>>) -> ImportResult<Told> {
    let mut counts: Vec<(usize, u64)> =
        parts.iter_mut().flat_map(|p| std::mem::take(&mut p.counts)).collect();
    counts.sort_unstable();
    let number = |(block, line): Place| {
        line + counts.iter().take_while(|(b, _)| *b < block).map(|(_, n)| n).sum::<u64>()
    };
    if let Some((place, mut refusal)) =
        parts.iter_mut().filter_map(|p| p.error.take()).min_by_key(|(place, _)| *place)
    {
        if place.1 > 0 {
            refusal.line = number(place);
        }
        return Err(refusal);
    }
    let mut all: Vec<Foot> = Vec::new();
    let mut taxes: Vec<Tax> = Vec::new();
    for p in &mut parts {
        gather(p, &mut all, &mut taxes)?;
    }
    // Amounts that read two ways, now that the marks are known.
    let mut later: Vec<(Place, Vec<u8>)> =
        parts.iter_mut().flat_map(|p| std::mem::take(&mut p.later)).collect();
    later.sort();
    if let Some(last) = parts.last_mut().filter(|_| !later.is_empty()) {
        for (place, line) in later {
            let id =
                line.split(|b| *b == b'\t').nth(last.columns.settlement).unwrap_or_default().trim_ascii();
            let Some(mark) = all.iter().find(|f| f.id == id).and_then(|f| f.mark) else {
                return Err(Refusal::malformed(
                    number(place),
                    "the amount reads two ways and no row of its settlement tells which: use reconcile",
                ));
            };
            last.line(place, &line, Some(mark)).map_err(|mut r| {
                r.line = number(place);
                r
            })?;
        }
        gather(last, &mut all, &mut taxes)?;
    }
    let mut report = Report::default();
    let mut unknown: Vec<(Place, String)> = Vec::new();
    let mut brought = Vec::new();
    for p in parts {
        report.lines += p.report.lines;
        report.provider_only += p.report.provider_only;
        report.currency_mismatch += p.report.currency_mismatch;
        report.unmapped += p.report.unmapped;
        unknown.extend(p.unknown);
        brought.push(p.brought);
    }
    unknown.sort();
    let mut told = BTreeSet::new();
    unknown.retain(|(_, u)| told.insert(u.clone()));
    report.unknown = unknown.into_iter().take(SHOWN).map(|(_, u)| u).collect();
    // The numbers of the settlements in `taxes` tell them apart and nothing else.
    all.sort_by_key(|f| f.first);
    if all.is_empty() {
        return Err(Refusal::truncated(1, "the file has a header and no settlement"));
    }
    report.settlements = all.iter().map(footed).collect::<ImportResult<_>>()?;
    Ok(Told { report, brought, taxes, feet: all })
}

/// Takes a part's settlements and taxes over, under the settlements' numbers in `all`.
fn gather(p: &mut Part<'_>, all: &mut Vec<Foot>, taxes: &mut Vec<Tax>) -> ImportResult<()> {
    let mut numbers = Vec::new();
    for f in std::mem::take(&mut p.feet) {
        numbers.push(merge(all, f)?);
    }
    for t in std::mem::take(&mut p.taxes) {
        let number = numbers.get(t.settlement as usize).copied().ok_or_else(lost)?;
        taxes.push(Tax { settlement: u32::try_from(number).map_err(|_| lost())?, ..t });
    }
    Ok(())
}

/// The settlement's number in `all`.
fn merge(all: &mut Vec<Foot>, f: Foot) -> ImportResult<usize> {
    let Some((at, had)) = all.iter_mut().enumerate().find(|(_, h)| h.id == f.id) else {
        all.push(f);
        return Ok(all.len() - 1);
    };
    if had.currency != f.currency {
        return Err(mixed(&f.id, had.currency, f.currency.code()));
    }
    if let (Some(a), Some(b)) = (had.mark, f.mark)
        && a != b
    {
        let id = String::from_utf8_lossy(&f.id).into_owned();
        return Err(Refusal::malformed(0, format!("settlement {id} mixes decimal commas and points")));
    }
    if let (Some(a), Some(b)) = (had.total, f.total)
        && a != b
    {
        return Err(two_totals(&f.id));
    }
    had.mark = had.mark.or(f.mark);
    had.total = had.total.or(f.total);
    had.sum += f.sum;
    had.lines += f.lines;
    had.digest = had.digest.wrapping_add(f.digest);
    had.first = had.first.min(f.first);
    Ok(at)
}

/// A settlement, if it sums to its own total.
fn footed(f: &Foot) -> ImportResult<Footed> {
    let id = String::from_utf8_lossy(&f.id).into_owned();
    let Some(total) = f.total else {
        return Err(Refusal::truncated(
            0,
            format!("settlement {id} has no summary row: this is a part of the report"),
        ));
    };
    if i128::from(total) == f.sum {
        return Ok(Footed { id, total: Money::from_minor(total, f.currency), lines: f.lines });
    }
    let show = |m: i128| {
        i64::try_from(m)
            .map_or_else(|_| "out of range".to_owned(), |m| Money::from_minor(m, f.currency).amount())
    };
    Err(Refusal::not_footing(
        Footing {
            statement: format!("settlement {id}"),
            currency: Some(f.currency),
            sum: show(f.sum),
            total: show(i128::from(total)),
            difference: show(i128::from(total) - f.sum),
        },
        "rows are missing or doubled, or the file was edited",
    ))
}
