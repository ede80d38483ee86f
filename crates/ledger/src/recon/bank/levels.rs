//! The levels themselves: pins, references, equal amounts, covering sets.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{Currency, Money};

use super::{Work, words};
use crate::facts::{DecisionKind, Provider};
use crate::rates::{Rates, times};
use crate::recon::dedupe::Clean;
use crate::recon::squeeze;
use crate::recon::{Found, Policy, Reason};

pub(super) fn pins(w: &mut Work<'_>, clean: &Clean, found: &mut Found) {
    for d in clean.decisions.iter().filter(|d| d.kind == DecisionKind::Pin) {
        let lines: Vec<usize> = (0..w.lines.len())
            .filter(|l| w.lines.get(*l).is_some_and(|x| d.records.contains(&x.id)) && w.open_line(*l))
            .collect();
        let items: Vec<usize> = (0..w.items.len())
            .filter(|i| w.items.get(*i).is_some_and(|x| d.records.contains(&x.id)) && w.open_item(*i))
            .collect();
        // One transfer in several lines, which together are what was sent.
        if let [i] = items.as_slice()
            && lines.len() > 1
            && sums_to(w, &lines, *i)
        {
            for l in lines {
                w.link(l, &[*i], "pin");
            }
            continue;
        }
        let Some(l) = lines.first().copied().filter(|_| !items.is_empty()) else { continue };
        let (expect, line) = (w.expect(&items), w.lines.get(l).map(|x| x.amount));
        let foreign: BTreeSet<Currency> = items
            .iter()
            .filter_map(|i| w.items.get(*i))
            .map(|i| i.expect.currency())
            .filter(|c| Some(*c) != line.map(Money::currency))
            .collect();
        if let Some(amount) = line.filter(|_| foreign.len() > 1) {
            found.add(
                Reason::CurrencyMismatch,
                amount,
                d.records.clone(),
                format!(
                    "pinned by a user: {amount} against transfers in {}: what each brought cannot be told, pin those of one currency",
                    foreign.iter().map(Currency::code).collect::<Vec<_>>().join(" and ")
                ),
                vec![("arrived".to_owned(), amount.minor())],
            );
            continue;
        }
        let same = items
            .iter()
            .filter_map(|i| w.items.get(*i))
            .all(|i| Some(i.expect.currency()) == line.map(Money::currency));
        if let Some(amount) = line.filter(|a| same && a.minor() != expect) {
            let off = amount.minor().saturating_sub(expect);
            found.note(
                Reason::AmountMismatch,
                Money::from_minor(off, amount.currency()),
                d.records.clone(),
                format!(
                    "pinned by a user: {amount} arrived against {}",
                    Money::from_minor(expect, amount.currency())
                ),
                vec![("arrived".to_owned(), amount.minor()), ("sent".to_owned(), expect.saturating_neg())],
                off,
            );
        }
        w.link(l, &items, "pin");
    }
}

/// Whether these lines are together what the transfer should bring.
fn sums_to(w: &Work<'_>, lines: &[usize], i: usize) -> bool {
    let Some(item) = w.items.get(i) else { return false };
    let amounts = || lines.iter().filter_map(|l| w.lines.get(*l)).map(|x| x.amount);
    amounts().all(|a| a.currency() == item.expect.currency())
        && amounts().try_fold(0_i64, |s, a| s.checked_add(a.minor())) == Some(item.expect.minor())
}

/// L1 and L3: the text names the transfer, as a word or squeezed into the text.
pub(super) fn references(
    w: &mut Work<'_>,
    mismatch: &mut Vec<(usize, Vec<usize>)>,
    rates: &Rates,
    found: &mut Found,
) {
    let keys: Vec<Vec<(String, String)>> =
        w.items.iter().map(|i| i.refs.iter().map(|r| (r.to_uppercase(), squeeze(r))).collect()).collect();
    let mut by_word: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, list) in keys.iter().enumerate() {
        for (word, _) in list {
            by_word.entry(word).or_default().push(i);
        }
    }
    for (rule, squeezed) in [("reference", false), ("remittance", true)] {
        let names = |w: &Work<'_>, l: usize| -> Vec<usize> {
            let line = w.lines.get(l).filter(|_| w.open_line(l));
            let Some(text) = line.and_then(|x| x.text.as_ref()) else { return Vec::new() };
            let mut named: Vec<usize> = if squeezed {
                let t = squeeze(text);
                let inside = |i: &usize| {
                    keys.get(*i).is_some_and(|k| k.iter().any(|(_, s)| s.len() >= 5 && stands_in(s, &t)))
                };
                (0..w.items.len()).filter(inside).collect()
            } else {
                words(text).iter().filter_map(|word| by_word.get(word.as_str())).flatten().copied().collect()
            };
            let amount = line.map(|x| x.amount);
            let exact = |i: usize| w.items.get(i).is_some_and(|x| !x.back || Some(x.expect) == amount);
            named.retain(|i| w.open_item(*i) && !w.vetoed(l, *i) && exact(*i));
            named.sort_unstable();
            named.dedup();
            named
        };
        let all: Vec<Vec<usize>> = (0..w.lines.len()).map(|l| names(w, l)).collect();
        // One transfer in several lines, each of which names it and nothing else.
        let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (l, named) in all.iter().enumerate() {
            if let [i] = named.as_slice() {
                parts.entry(*i).or_default().push(l);
            }
        }
        for (i, ls) in parts {
            if ls.len() > 1 && !w.named_items.contains(&i) && sums_to(w, &ls, i) {
                for l in ls {
                    w.link(l, &[i], rule);
                }
            }
        }
        for (l, mut named) in all.into_iter().enumerate() {
            let Some(line) = w.lines.get(l).filter(|_| w.open_line(l)) else { continue };
            named.retain(|i| w.open_item(*i));
            if named.is_empty() {
                continue;
            }
            let c = line.amount.currency();
            let same: Vec<usize> = named
                .iter()
                .copied()
                .filter(|i| w.items.get(*i).is_some_and(|x| x.expect.currency() == c))
                .collect();
            let one = same.iter().copied().find(|i| w.items.get(*i).is_some_and(|x| x.expect == line.amount));
            if !same.is_empty() && w.expect(&same) == line.amount.minor() {
                w.link(l, &same, rule);
            } else if let Some(i) = one {
                w.link(l, &[i], rule);
            } else if let [i] = named.as_slice()
                && let Some(item) = w.items.get(*i).cloned()
                && item.expect.currency() != c
            {
                // Named, in another currency: only a reference rate within the tolerance explains it.
                let date = item.date.unwrap_or(line.date);
                let near = rates
                    .find(item.sent.currency(), c, date)
                    .or_else(|| rates.find(item.sent.currency(), c, line.date))
                    .and_then(|f| times(item.sent, f.rate, c))
                    .is_some_and(|r| within(r, line.amount, w.policy));
                w.named_lines.insert(l);
                w.named_items.insert(*i);
                if near {
                    w.link(l, &[*i], "tolerance");
                } else {
                    found.note(
                        Reason::CurrencyMismatch,
                        line.amount,
                        vec![line.id.clone(), item.id.clone()],
                        format!(
                            "{} names {}, which was sent as {}; {} arrived and no rate explains it",
                            line.id, item.id, item.sent, line.amount
                        ),
                        vec![(format!("arrived as {}", line.id), line.amount.minor())],
                        0,
                    );
                }
            } else if !same.is_empty() && rounding(w.expect(&same), line.amount.minor(), w.policy) {
                w.named_lines.insert(l);
                w.named_items.extend(&same);
                w.link(l, &same, "tolerance");
            } else if !same.is_empty() && !mismatch.iter().any(|(_, m)| m.iter().any(|i| same.contains(i))) {
                w.named_lines.insert(l);
                w.named_items.extend(&same);
                mismatch.push((l, same));
            }
        }
    }
}

/// A squeezed reference within a squeezed text, and not as a piece of a longer number.
fn stands_in(key: &str, text: &str) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let (starts, ends) = (digit(key.chars().next()), digit(key.chars().next_back()));
    text.match_indices(key).any(|(at, _)| {
        let (before, after) = (text.get(..at), text.get(at + key.len()..));
        let before = before.and_then(|t| t.chars().next_back());
        let after = after.and_then(|t| t.chars().next());
        !(starts && digit(before) || ends && digit(after))
    })
}

fn rounding(a: i64, b: i64, policy: &Policy) -> bool {
    policy.rounding_minor > 0 && a.saturating_sub(b).saturating_abs() <= policy.rounding_minor
}

fn within(reference: Money, actual: Money, policy: &Policy) -> bool {
    let off = reference.decimal().checked_sub(actual.decimal()).map(|d| d.abs());
    let limit = reference.decimal().abs().checked_mul(policy.fx_tolerance);
    matches!((off, limit), (Some(o), Some(l)) if o <= l)
}

/// L4 and L5: one candidate on each side; or pools of equal amounts of one account, paired by day and id.
pub(super) fn by_amount(w: &mut Work<'_>) {
    let mut buckets: BTreeMap<(Currency, i64), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (i, item) in w.items.iter().enumerate().filter(|(i, x)| w.open_item(*i) && !x.reference_only) {
        buckets.entry((item.expect.currency(), item.expect.minor())).or_default().0.push(i);
    }
    for (l, line) in w.lines.iter().enumerate().filter(|(l, _)| w.open_line(*l)) {
        if let Some(b) = buckets.get_mut(&(line.amount.currency(), line.amount.minor())) {
            b.1.push(l);
        }
    }
    for (is, ls) in buckets.into_values() {
        // Who fits whom, frozen before anything is linked. Two are enough to know that one is not alone.
        let fits_line = |w: &Work<'_>, l: usize| -> Vec<usize> {
            is.iter().copied().filter(|i| w.may(l, *i)).take(2).collect()
        };
        let mut unique: Vec<(usize, usize)> = Vec::new();
        for l in &ls {
            if let [i] = fits_line(w, *l).as_slice()
                && ls.iter().filter(|k| w.may(**k, *i)).take(2).count() == 1
            {
                unique.push((*l, *i));
            }
        }
        for (l, i) in unique {
            w.link(l, &[i], "unique");
        }
        // Pools: the rest, account by account; a line that could be of two accounts stays open.
        let mut pools: BTreeMap<(Provider, String), Vec<usize>> = BTreeMap::new();
        for i in &is {
            if let Some(x) = w.items.get(*i) {
                pools.entry((x.provider, x.account.clone())).or_default().push(*i);
            }
        }
        for pool in pools.values_mut() {
            pool.sort_by_key(|i| w.items.get(*i).map(|x| (x.date, x.id.clone())));
        }
        for l in ls.iter().copied().filter(|l| w.open_line(*l)).collect::<Vec<_>>() {
            let mut mine = pools.values().filter(|pool| pool.iter().any(|i| w.may(l, *i)));
            let (Some(pool), None) = (mine.next(), mine.next()) else { continue };
            if let Some(i) = pool.iter().copied().find(|i| w.open_item(*i) && w.may(l, *i)) {
                w.link(l, &[i], "pool");
            }
        }
    }
}

/// Subsets of two or more `amounts` that sum to `target`: at most `most` of them, and `None` where the search was given up.
#[must_use]
pub fn subsets(amounts: &[i64], target: i64, most: usize) -> Option<Vec<Vec<usize>>> {
    let mut search = Search {
        amounts,
        reach: vec![(0, 0); amounts.len() + 1],
        most,
        steps: 5_000_000,
        chosen: Vec::new(),
        found: Vec::new(),
    };
    let mut rest = (0_i64, 0_i64);
    for (a, slot) in amounts.iter().zip(search.reach.iter_mut()).rev() {
        rest = (rest.0.saturating_add((*a).min(0)), rest.1.saturating_add((*a).max(0)));
        *slot = rest;
    }
    search.from(0, target);
    (search.steps > 0).then_some(search.found)
}

struct Search<'a> {
    amounts: &'a [i64],
    /// The least and the most that the amounts from here on can still add.
    reach: Vec<(i64, i64)>,
    most: usize,
    steps: u64,
    chosen: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn from(&mut self, at: usize, left: i64) {
        if self.found.len() >= self.most || self.steps == 0 {
            return;
        }
        self.steps -= 1;
        if left == 0 && self.chosen.len() > 1 {
            self.found.push(self.chosen.clone());
        }
        for i in at..self.amounts.len() {
            let (Some(a), Some((low, high))) = (self.amounts.get(i), self.reach.get(i)) else { return };
            if left > *high || left < *low {
                return;
            }
            self.chosen.push(i);
            self.from(i + 1, left.saturating_sub(*a));
            self.chosen.pop();
        }
    }
}

/// L6: a set of transfers that covers a line, or of lines that covers a transfer, only when there is exactly one.
pub(super) fn covering(w: &mut Work<'_>) -> BTreeMap<usize, Vec<Vec<String>>> {
    let mut ambiguous: BTreeMap<usize, Vec<Vec<String>>> = BTreeMap::new();
    let names = |w: &Work<'_>, set: &[usize]| -> Vec<String> {
        let mut v: Vec<String> = set.iter().filter_map(|i| w.items.get(*i)).map(|x| x.id.clone()).collect();
        v.sort();
        v
    };
    let mut solved: Vec<(usize, Vec<usize>)> = Vec::new();
    for l in (0..w.lines.len()).filter(|l| w.open_line(*l)) {
        let Some(line) = w.lines.get(l) else { continue };
        let open: Vec<usize> = (0..w.items.len()).filter(|i| w.open_item(*i) && w.may(l, *i)).collect();
        if open.len() < 2 || open.len() > w.policy.max_candidates {
            continue;
        }
        let amounts: Vec<i64> =
            open.iter().filter_map(|i| w.items.get(*i)).map(|x| x.expect.minor()).collect();
        let Some(sets) = subsets(&amounts, line.amount.minor(), 8) else { continue };
        let sets: Vec<Vec<usize>> =
            sets.into_iter().map(|s| s.into_iter().filter_map(|k| open.get(k).copied()).collect()).collect();
        match sets.as_slice() {
            [] => {}
            [one] if one_account(w, one) => solved.push((l, one.clone())),
            many => {
                let mut list: Vec<Vec<String>> = many.iter().map(|s| names(w, s)).collect();
                list.sort();
                ambiguous.insert(l, list);
            }
        }
    }
    for (l, set) in &solved {
        let shared = solved.iter().any(|(k, other)| k != l && other.iter().any(|i| set.contains(i)))
            || ambiguous.values().any(|sets| sets.iter().flatten().any(|id| names(w, set).contains(id)));
        if shared {
            let list = vec![names(w, set)];
            ambiguous.entry(*l).or_insert(list);
        }
    }
    for (l, set) in solved {
        if !ambiguous.contains_key(&l) {
            w.link(l, &set, "covering");
        }
    }
    // The other way round: one transfer that arrived in parts.
    let mut splits: Vec<(usize, Vec<usize>)> = Vec::new();
    // Lines of a transfer that several sets of lines would make.
    let mut torn: BTreeMap<usize, BTreeSet<Vec<String>>> = BTreeMap::new();
    for i in (0..w.items.len()).filter(|i| w.open_item(*i)) {
        let Some(item) = w.items.get(i) else { continue };
        let open: Vec<usize> = (0..w.lines.len())
            .filter(|l| w.open_line(*l) && !ambiguous.contains_key(l) && w.may(*l, i))
            .collect();
        if open.len() < 2 || open.len() > w.policy.max_candidates {
            continue;
        }
        let amounts: Vec<i64> =
            open.iter().filter_map(|l| w.lines.get(*l)).map(|x| x.amount.minor()).collect();
        match subsets(&amounts, item.expect.minor(), 2).as_deref() {
            Some([one]) => splits.push((i, one.iter().filter_map(|k| open.get(*k).copied()).collect())),
            Some(many) => {
                for l in many.iter().flatten().filter_map(|k| open.get(*k)) {
                    torn.entry(*l).or_default().insert(vec![item.id.clone()]);
                }
            }
            None => {}
        }
    }
    for (i, set) in &splits {
        let shared = splits.iter().any(|(k, other)| k != i && other.iter().any(|l| set.contains(l)))
            || set.iter().any(|l| torn.contains_key(l));
        if !shared {
            for l in set {
                w.link(*l, &[*i], "covering");
            }
        }
    }
    ambiguous.extend(torn.into_iter().map(|(l, sets)| (l, sets.into_iter().collect())));
    ambiguous
}

fn one_account(w: &Work<'_>, set: &[usize]) -> bool {
    let mut all: Vec<_> =
        set.iter().filter_map(|i| w.items.get(*i)).map(|x| (x.provider, &x.account)).collect();
    all.sort();
    all.dedup();
    all.len() == 1
}

/// A line whose amount fits transfers of several accounts.
pub(super) fn pool_ambiguity(w: &Work<'_>, candidates: &mut BTreeMap<usize, Vec<Vec<String>>>) {
    for (l, line) in w.lines.iter().enumerate().filter(|(l, _)| w.open_line(*l)) {
        let fits: Vec<Vec<String>> = w
            .items
            .iter()
            .enumerate()
            .filter(|(i, x)| w.open_item(*i) && x.expect == line.amount && w.may(l, *i))
            .map(|(_, x)| vec![x.id.clone()])
            .collect();
        if !fits.is_empty() {
            let slot = candidates.entry(l).or_default();
            slot.extend(fits);
            slot.sort();
            slot.dedup();
        }
    }
}

/// A line and a transfer that miss each other by little, and nothing else is near: named, not matched.
pub(super) fn near(w: &Work<'_>, ambiguous: &BTreeSet<usize>, mismatch: &mut Vec<(usize, Vec<usize>)>) {
    let used: BTreeSet<usize> = mismatch.iter().flat_map(|(_, i)| i.iter().copied()).collect();
    let taken: BTreeSet<usize> = mismatch.iter().map(|(l, _)| *l).collect();
    let close = |l: usize, i: usize| -> bool {
        let (Some(line), Some(item)) = (w.lines.get(l), w.items.get(i)) else { return false };
        let (a, b) = (line.amount.minor(), item.expect.minor());
        w.may(l, i)
            && a.signum() == b.signum()
            && a.saturating_sub(b).saturating_abs() <= 100.max(b.saturating_abs() / 50)
    };
    let lines: Vec<usize> = (0..w.lines.len())
        .filter(|l| w.open_line(*l) && !ambiguous.contains(l) && !taken.contains(l))
        .collect();
    let items: Vec<usize> = (0..w.items.len()).filter(|i| w.open_item(*i) && !used.contains(i)).collect();
    for l in &lines {
        let fits: Vec<usize> = items.iter().copied().filter(|i| close(*l, *i)).take(2).collect();
        if let [i] = fits.as_slice()
            && lines.iter().filter(|k| close(**k, *i)).take(2).count() == 1
        {
            mismatch.push((*l, fits));
        }
    }
}
