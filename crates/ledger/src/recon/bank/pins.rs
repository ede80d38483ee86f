//! What a user pinned: lines and transfers that belong together.

use std::collections::BTreeSet;

use tradewind_domain::{Currency, Money};

use super::Work;
use super::levels::one_currency;
use crate::facts::{Decision, DecisionKind};
use crate::recon::dedupe::Clean;
use crate::recon::{Found, Reason};

pub(super) fn pins(w: &mut Work<'_>, clean: &Clean, found: &mut Found) {
    let mut seen: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for d in clean.decisions.iter().filter(|d| d.kind == DecisionKind::Pin) {
        let lines: Vec<usize> = (0..w.lines.len())
            .filter(|l| w.lines.get(*l).is_some_and(|x| d.records.contains(&x.id)))
            .collect();
        let items: Vec<usize> = (0..w.items.len())
            .filter(|i| w.items.get(*i).is_some_and(|x| d.records.contains(&x.id)))
            .collect();
        // The same pin twice is one.
        let again = !seen.insert(d.records.iter().map(String::as_str).collect());
        if lines.is_empty() || items.is_empty() || again {
            continue;
        }
        let used = lines.iter().any(|l| !w.open_line(*l)) || items.iter().any(|i| !w.open_item(*i));
        if used {
            let (amount, evidence) = arrived(w, &lines);
            let why = "pinned by a user, and another pin has one of these lines or transfers: which pin holds, nobody says; remove one";
            found.add(Reason::Conflict, amount, d.records.clone(), why.to_owned(), evidence);
        } else {
            pin(w, d, lines, items, found);
        }
    }
}

/// What the lines of the first line's currency brought, one by one.
fn arrived(w: &Work<'_>, lines: &[usize]) -> (Money, Vec<(String, i64)>) {
    let all = || lines.iter().filter_map(|l| w.lines.get(*l));
    let c = all().next().map_or(Currency::EUR, |x| x.amount.currency());
    let mine: Vec<(String, i64)> = all()
        .filter(|x| x.amount.currency() == c)
        .map(|x| (format!("arrived as {}", x.id), x.amount.minor()))
        .collect();
    let sum = mine.iter().fold(0_i64, |s, (_, m)| s.saturating_add(*m));
    (Money::from_minor(sum, c), mine)
}

fn codes<'a>(all: impl Iterator<Item = &'a Currency>) -> String {
    all.map(Currency::code).collect::<Vec<_>>().join(" and ")
}

fn pin(w: &mut Work<'_>, d: &Decision, lines: Vec<usize>, mut items: Vec<usize>, found: &mut Found) {
    if let Some(pairs) = pairs(w, &lines, &items) {
        for (l, i) in pairs {
            w.link(l, &[i], "pin");
        }
        return;
    }
    let (sum, evidence) = arrived(w, &lines);
    // Of a transfer that came back: the way of the money.
    let way = |i: &usize| {
        w.items.get(*i).is_none_or(|x| x.expect.is_negative() == sum.is_negative() || !x.reference_only)
    };
    if items.iter().any(way) {
        items = items.iter().copied().filter(|i| way(i)).collect();
    }
    let of_lines: BTreeSet<Currency> =
        lines.iter().filter_map(|l| w.lines.get(*l)).map(|x| x.amount.currency()).collect();
    let of_items: BTreeSet<Currency> =
        items.iter().filter_map(|i| w.items.get(*i)).map(|x| x.expect.currency()).collect();
    let foreign: Vec<Currency> = of_items.iter().copied().filter(|c| *c != sum.currency()).collect();
    if of_lines.len() > 1 {
        let why = format!(
            "pinned by a user: lines in {} against transfers in {}: what each brought cannot be told, pin the lines of one currency; the pin does nothing",
            codes(of_lines.iter()),
            codes(of_items.iter())
        );
        found.add(Reason::CurrencyMismatch, sum, d.records.clone(), why, evidence);
        return;
    }
    if foreign.len() > 1 {
        let why = format!(
            "pinned by a user: {sum} against transfers in {}: what each brought cannot be told, pin those of one currency",
            codes(foreign.iter())
        );
        found.add(Reason::CurrencyMismatch, sum, d.records.clone(), why, evidence);
        return;
    }
    if lines.len() > 1 && items.len() > 1 {
        let why = format!(
            "pinned by a user: {} lines against {} transfers: which line brought which cannot be told, pin each line with its own; the pin does nothing",
            lines.len(),
            items.len()
        );
        found.add(Reason::Ambiguous, sum, d.records.clone(), why, evidence);
        return;
    }
    let expect = w.expect(&items);
    if items.iter().all(|i| one_currency(w, &lines, *i)) && sum.minor() != expect {
        let off = sum.minor().saturating_sub(expect);
        found.note(
            Reason::AmountMismatch,
            Money::from_minor(off, sum.currency()),
            d.records.clone(),
            format!("pinned by a user: {sum} arrived against {}", Money::from_minor(expect, sum.currency())),
            vec![("arrived".to_owned(), sum.minor()), ("sent".to_owned(), expect.saturating_neg())],
            off,
        );
    }
    for l in lines {
        w.link(l, &items, "pin");
    }
}

/// Each line with a transfer of its own amount, where all that is named finds one. An id may be of several: of lines at two banks, of a
/// transfer and its way back; one of them is enough.
fn pairs(w: &Work<'_>, lines: &[usize], items: &[usize]) -> Option<Vec<(usize, usize)>> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for l in lines {
        let amount = w.lines.get(*l)?.amount;
        let free = |i: &usize| !out.iter().any(|(_, used)| used == i);
        let fits = |i: &&usize| free(i) && w.items.get(**i).is_some_and(|x| x.expect == amount);
        if let Some(i) = items.iter().find(fits) {
            out.push((*l, *i));
        }
    }
    let found: BTreeSet<&str> = out
        .iter()
        .flat_map(|(l, i)| [w.lines.get(*l).map(|x| x.id.as_str()), w.items.get(*i).map(|x| x.id.as_str())])
        .flatten()
        .collect();
    let all = lines
        .iter()
        .filter_map(|l| w.lines.get(*l).map(|x| x.id.as_str()))
        .chain(items.iter().filter_map(|i| w.items.get(*i).map(|x| x.id.as_str())));
    all.into_iter().all(|id| found.contains(id)).then_some(out)
}
