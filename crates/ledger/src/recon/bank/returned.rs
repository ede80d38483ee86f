//! Transfers that came back, whose lines name nothing: one line out and one line back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::Work;
use super::covering::Doubts;
use crate::recon::business_days;

/// A line out and a line back; `None`: that way is matched already.
type Pair = (Option<usize>, Option<usize>);

/// A transfer that came back, by the places of its two ways.
#[derive(Clone, Copy)]
struct Trip {
    out: usize,
    back: usize,
}

fn trips(w: &Work<'_>) -> Vec<Trip> {
    let mut out = Vec::new();
    for (back, b) in w.items.iter().enumerate().filter(|(_, x)| x.back) {
        let there = w.items.iter().position(|x| {
            !x.back
                && x.reference_only
                && (x.provider, &x.account, &x.id) == (b.provider, &b.account, &b.id)
                && x.expect == b.expect.negated()
        });
        out.extend(there.map(|there| Trip { out: there, back }));
    }
    out
}

fn date(w: &Work<'_>, l: usize) -> Option<Date> {
    w.lines.get(l).map(|x| x.date)
}

/// The pairs of lines that could be both ways of a transfer; none where both are matched already.
fn pairs(w: &Work<'_>, t: Trip, doubts: &Doubts) -> Vec<Pair> {
    let linked = |i: usize| w.line_of.get(i).and_then(|ls| ls.first()).copied();
    let amount = |i: usize| w.items.get(i).map(|x| x.expect);
    let open = |i: usize| {
        (0..w.lines.len()).filter(move |l| {
            w.open_line(*l) && !doubts.line(*l) && w.lines.get(*l).map(|x| x.amount) == amount(i)
        })
    };
    let follows = |a: Date, b: Date| {
        let gap = business_days(a, b);
        a <= b && gap <= w.policy.bank_days_after
    };
    let after = |a: usize, b: usize| date(w, a).zip(date(w, b)).is_some_and(|(a, b)| follows(a, b));
    let backs = |from: usize| -> Vec<usize> {
        open(t.back).filter(|l| w.speaks_of(*l, t.back) && after(from, *l)).collect()
    };
    match (linked(t.out), linked(t.back)) {
        (Some(_), Some(_)) => Vec::new(),
        (Some(out), None) => backs(out).into_iter().map(|b| (None, Some(b))).collect(),
        (None, Some(back)) => {
            open(t.out).filter(|l| w.fits(*l, t.out) && after(*l, back)).map(|l| (Some(l), None)).collect()
        }
        (None, None) => open(t.out)
            .filter(|l| w.fits(*l, t.out))
            .flat_map(|out| backs(out).into_iter().map(move |b| (Some(out), Some(b))))
            .collect(),
    }
}

/// Live transfers that a line's amount fits as well.
fn live(w: &Work<'_>, l: usize) -> BTreeSet<usize> {
    let Some(line) = w.lines.get(l) else { return BTreeSet::new() };
    let fits = |i: &usize| {
        w.open_item(*i) && w.may(l, *i) && w.items.get(*i).is_some_and(|x| x.expect == line.amount)
    };
    (0..w.items.len()).filter(fits).collect()
}

fn lines(pairs: &[Pair]) -> BTreeSet<usize> {
    pairs.iter().flat_map(|(a, b)| [*a, *b]).flatten().collect()
}

/// Before amounts are compared: a line that is the way out of a transfer that came back, or a live transfer of the same amount, and
/// there are fewer lines than transfers.
pub(super) fn contested(w: &Work<'_>, doubts: &mut Doubts) {
    let mut all: Vec<(BTreeSet<usize>, BTreeSet<usize>)> = Vec::new();
    for t in trips(w) {
        let found = pairs(w, t, doubts);
        let outs: BTreeSet<usize> = found.iter().filter_map(|(a, _)| *a).collect();
        let rivals: BTreeSet<usize> = outs.iter().flat_map(|l| live(w, *l)).collect();
        if !rivals.is_empty() && outs.len() <= rivals.len() {
            all.push((lines(&found), rivals.into_iter().chain([t.out]).collect()));
        }
    }
    for (ls, items) in all {
        for l in ls {
            let amount = w.lines.get(l).map(|x| x.amount);
            // The way back is of the transfer that came back alone.
            let of: Vec<usize> = items
                .iter()
                .copied()
                .filter(|i| w.items.get(*i).is_some_and(|x| Some(x.expect) == amount || x.reference_only))
                .collect();
            doubts.add(w, l, of.into_iter().map(|i| vec![i]));
        }
    }
}

/// One pair of lines, and no other transfer for either of them: matched. Several: named, not matched.
pub(super) fn run(w: &mut Work<'_>, doubts: &mut Doubts) {
    let all: Vec<(Trip, Vec<Pair>)> =
        trips(w).into_iter().map(|t| (t, pairs(w, t, doubts))).filter(|(_, p)| !p.is_empty()).collect();
    let mut users: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, found) in &all {
        for l in lines(found) {
            *users.entry(l).or_insert(0) += 1;
        }
    }
    let mut links = Vec::new();
    for (t, found) in &all {
        let alone = |l: usize| users.get(&l) == Some(&1) && live(w, l).is_empty();
        match found.as_slice() {
            [(a, b)] if [*a, *b].into_iter().flatten().all(alone) => links.push((*t, *a, *b)),
            many => {
                for l in lines(many) {
                    let also: Vec<usize> = live(w, l).into_iter().chain([t.out]).collect();
                    doubts.add(w, l, also.into_iter().map(|i| vec![i]));
                }
            }
        }
    }
    for (t, out, back) in links {
        for (l, i) in [(out, t.out), (back, t.back)] {
            if let Some(l) = l {
                w.link(l, &[i], "unique");
            }
        }
    }
}
