//! L6, and what is left in doubt: several transfers that make one line, several lines that make one transfer, and only when exactly
//! one set does.

use std::collections::{BTreeMap, BTreeSet};

use super::{Mismatch, Work};

/// Lines and transfers that more than one explanation fits, or for which not every explanation was looked at. Nothing accuses them.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Lines, with the sets that fit, by their ids.
    pub(super) lines: BTreeMap<usize, Vec<Vec<String>>>,
    /// Transfers in such a set.
    pub(super) items: BTreeSet<usize>,
    /// The same, line by line.
    of: BTreeMap<usize, BTreeSet<usize>>,
    /// Lines that too many transfers could make: those.
    pub(super) unsearched: BTreeMap<usize, Vec<usize>>,
    /// Transfers that too many lines could make: those.
    pub(super) torn: BTreeMap<usize, Vec<usize>>,
}

impl Doubts {
    /// The line is in doubt.
    pub(super) fn line(&self, l: usize) -> bool {
        self.lines.contains_key(&l) || self.unsearched.contains_key(&l)
    }
    /// The line could be a part of a transfer that was not searched for.
    pub(super) fn part_of(&self, l: usize) -> impl Iterator<Item = usize> {
        self.torn.iter().filter(move |(_, ls)| ls.contains(&l)).map(|(i, _)| *i)
    }
    /// Lines and the transfers that they could be, as far as they hang together.
    pub(super) fn groups(&self) -> Vec<(BTreeSet<usize>, BTreeSet<usize>)> {
        let mut out: Vec<(BTreeSet<usize>, BTreeSet<usize>)> = Vec::new();
        let unsearched = self.unsearched.iter().map(|(l, open)| (*l, open.iter().copied().collect()));
        for (l, items) in self.of.iter().map(|(l, i)| (*l, i.clone())).chain(unsearched) {
            let (near, far): (Vec<_>, Vec<_>) = out.into_iter().partition(|(_, g)| !g.is_disjoint(&items));
            let mut group = (BTreeSet::from([l]), items);
            for (ls, is) in near {
                group.0.extend(ls);
                group.1.extend(is);
            }
            out = far;
            out.push(group);
        }
        out
    }
    /// One more line that these sets fit.
    pub(super) fn add(&mut self, w: &Work<'_>, l: usize, sets: impl IntoIterator<Item = Vec<usize>>) {
        let slot = self.lines.entry(l).or_default();
        for set in sets {
            let mut names: Vec<String> =
                set.iter().filter_map(|i| w.items.get(*i)).map(|x| x.id.clone()).collect();
            names.sort();
            slot.push(names);
            self.of.entry(l).or_default().extend(&set);
            self.items.extend(set);
        }
        slot.sort();
        slot.dedup();
    }
}

/// A search from both ends holds the sums of each half: 2²⁰ of them at this many amounts.
const HALVES: usize = 40;

/// Sums that all such searches of a run may look at together: enough for 64 of the largest, or 16,000 among 24 amounts.
const SUMS: u64 = 1 << 26;

/// Subsets of two or more `amounts` that sum to `target`: at most `most` of them. `None`: more than `bound` amounts come into
/// question, or the search was given up, which up to 40 it is only where `budget`, in sums, does not last.
#[must_use]
pub fn subsets(
    amounts: &[i64],
    target: i64,
    most: usize,
    bound: usize,
    budget: &mut u64,
) -> Option<Vec<Vec<usize>>> {
    // An amount that the others cannot bring back to the target is in no subset.
    let mut open: Vec<usize> = (0..amounts.len()).collect();
    loop {
        let of = |i: &usize| amounts.get(*i).copied().unwrap_or_default();
        let low = open.iter().map(of).fold(0_i64, |s, a| s.saturating_add(a.min(0)));
        let high = open.iter().map(of).fold(0_i64, |s, a| s.saturating_add(a.max(0)));
        let before = open.len();
        open.retain(|i| {
            let (a, rest) = (of(i), target.saturating_sub(of(i)));
            rest >= low.saturating_sub(a.min(0)) && rest <= high.saturating_sub(a.max(0))
        });
        if open.len() == before {
            break;
        }
    }
    if open.len() < 2 {
        return Some(Vec::new());
    }
    if open.len() > bound {
        return None;
    }
    let list: Vec<i64> = open.iter().filter_map(|i| amounts.get(*i).copied()).collect();
    let (found, done) = walk(&list, target, most, if list.len() > HALVES { 5_000_000 } else { 200_000 });
    let sets = if done || found.len() > 1 {
        found
    } else if list.len() <= HALVES {
        *budget = budget.checked_sub(1 << list.len().div_ceil(2))?;
        halves(&list, target, most)
    } else {
        return None;
    };
    Some(sets.into_iter().map(|s| s.into_iter().filter_map(|k| open.get(k).copied()).collect()).collect())
}

/// Depth first within what the rest can still add: quick wherever the target is out of reach early.
fn walk(amounts: &[i64], target: i64, most: usize, steps: u64) -> (Vec<Vec<usize>>, bool) {
    let mut search = Search {
        amounts,
        reach: vec![(0, 0); amounts.len() + 1],
        most,
        steps,
        chosen: Vec::new(),
        found: Vec::new(),
    };
    let mut rest = (0_i64, 0_i64);
    for (a, slot) in amounts.iter().zip(search.reach.iter_mut()).rev() {
        rest = (rest.0.saturating_add((*a).min(0)), rest.1.saturating_add((*a).max(0)));
        *slot = rest;
    }
    search.from(0, target);
    (search.found, search.steps > 0)
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

/// Every subset of up to [`HALVES`] amounts that sums to the target, the first `most` of them: the sums of one half, sorted, against
/// those of the other.
fn halves(amounts: &[i64], target: i64, most: usize) -> Vec<Vec<usize>> {
    let (left, right) = amounts.split_at(amounts.len() / 2);
    let sums = |list: &[i64]| -> Vec<(i64, u32)> {
        let mut all: Vec<(i64, u32)> = vec![(0, 0)];
        for (i, a) in list.iter().enumerate() {
            let with: Vec<(i64, u32)> =
                all.iter().map(|(s, set)| (s.saturating_add(*a), set | 1 << i)).collect();
            all.extend(with);
        }
        all.sort_unstable();
        all
    };
    let (a, b) = (sums(left), sums(right));
    let mut out = Vec::new();
    let mut end = b.len();
    for (sum, set) in &a {
        let want = target.saturating_sub(*sum);
        while end > 0 && b.get(end - 1).is_some_and(|(s, _)| *s > want) {
            end -= 1;
        }
        let equal = b.get(..end).into_iter().flatten().rev().take_while(|(s, _)| *s == want);
        for (_, other) in equal {
            if set.count_ones() + other.count_ones() < 2 {
                continue;
            }
            let bits = |set: u32, n: usize| (0..n).filter(move |i| set >> i & 1 == 1);
            out.push(
                bits(*set, left.len()).chain(bits(*other, right.len()).map(|i| i + left.len())).collect(),
            );
            if out.len() >= most {
                return out;
            }
        }
    }
    out
}

/// L6: a set of transfers that covers a line, or of lines that covers a transfer, only when there is exactly one.
pub(super) fn covering(w: &mut Work<'_>, doubts: &mut Doubts) {
    let mut budget = SUMS;
    let mut solved: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut many: Vec<(usize, Vec<Vec<usize>>)> = Vec::new();
    let mut unsearched: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for l in (0..w.lines.len()).filter(|l| w.open_line(*l) && !doubts.line(*l)) {
        let Some(line) = w.lines.get(l) else { continue };
        let open: Vec<usize> = (0..w.items.len()).filter(|i| w.open_item(*i) && w.may(l, *i)).collect();
        let amounts: Vec<i64> =
            open.iter().filter_map(|i| w.items.get(*i)).map(|x| x.expect.minor()).collect();
        let Some(sets) = subsets(&amounts, line.amount.minor(), 8, w.policy.max_candidates, &mut budget)
        else {
            unsearched.insert(l, open);
            continue;
        };
        let sets: Vec<Vec<usize>> =
            sets.into_iter().map(|s| s.into_iter().filter_map(|k| open.get(k).copied()).collect()).collect();
        match sets.as_slice() {
            [] => {}
            [one] if one_account(w, one) => solved.push((l, one.clone())),
            _ => many.push((l, sets)),
        }
    }
    for (l, sets) in many {
        doubts.add(w, l, sets);
    }
    doubts.items.extend(unsearched.values().flatten());
    doubts.unsearched.extend(unsearched);
    let mut sure: Vec<(usize, Vec<usize>)> = Vec::new();
    let unsure = doubts.items.clone();
    for (l, set) in &solved {
        let shared = solved.iter().any(|(k, other)| k != l && other.iter().any(|i| set.contains(i)));
        if shared || set.iter().any(|i| unsure.contains(i)) {
            doubts.add(w, *l, [set.clone()]);
        } else {
            sure.push((*l, set.clone()));
        }
    }
    for (l, set) in sure {
        w.link(l, &set, "covering");
    }
    splits(w, doubts, &mut budget);
}

/// The other way round: one transfer that arrived in parts, each of its own sign.
fn splits(w: &mut Work<'_>, doubts: &mut Doubts, budget: &mut u64) {
    let mut solved: Vec<(usize, Vec<usize>)> = Vec::new();
    // Lines of a transfer that several sets of lines would make.
    let mut torn: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for i in (0..w.items.len()).filter(|i| w.open_item(*i)) {
        let Some(item) = w.items.get(i) else { continue };
        let part = |l: usize| {
            w.lines.get(l).is_some_and(|x| x.amount.minor().signum() == item.expect.minor().signum())
        };
        let open: Vec<usize> = (0..w.lines.len())
            .filter(|l| part(*l) && w.open_line(*l) && !doubts.line(*l) && w.may(*l, i))
            .collect();
        let amounts: Vec<i64> =
            open.iter().filter_map(|l| w.lines.get(*l)).map(|x| x.amount.minor()).collect();
        match subsets(&amounts, item.expect.minor(), 2, w.policy.max_candidates, budget).as_deref() {
            Some([one]) => solved.push((i, one.iter().filter_map(|k| open.get(*k).copied()).collect())),
            Some(many) => {
                for l in many.iter().flatten().filter_map(|k| open.get(*k)) {
                    torn.entry(*l).or_default().insert(i);
                }
            }
            None => {
                doubts.torn.insert(i, open);
            }
        }
    }
    let mut sure: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut shared: Vec<(usize, Vec<usize>)> = Vec::new();
    for (i, set) in solved.iter().cloned() {
        let by_other = solved.iter().any(|(k, other)| *k != i && other.iter().any(|l| set.contains(l)));
        let in_doubt = doubts.items.contains(&i)
            || set.iter().any(|l| torn.contains_key(l) || doubts.part_of(*l).next().is_some());
        if by_other || in_doubt { &mut shared } else { &mut sure }.push((i, set));
    }
    for (i, set) in shared {
        for l in set {
            let of = torn.entry(l).or_default();
            of.insert(i);
            of.extend(doubts.part_of(l));
        }
    }
    for (i, set) in sure {
        for l in set {
            w.link(l, &[i], "covering");
        }
    }
    for (l, items) in torn {
        doubts.add(w, l, items.into_iter().map(|i| vec![i]));
    }
}

fn one_account(w: &Work<'_>, set: &[usize]) -> bool {
    let mut all: Vec<_> =
        set.iter().filter_map(|i| w.items.get(*i)).map(|x| (x.provider, &x.account)).collect();
    all.sort();
    all.dedup();
    all.len() == 1
}

/// A line whose amount fits transfers of several accounts.
pub(super) fn pool_ambiguity(w: &Work<'_>, doubts: &mut Doubts) {
    for (l, line) in w.lines.iter().enumerate().filter(|(l, _)| w.open_line(*l)) {
        let fits: Vec<Vec<usize>> = w
            .items
            .iter()
            .enumerate()
            .filter(|(i, x)| w.open_item(*i) && x.expect == line.amount && w.may(l, *i))
            .map(|(i, _)| vec![i])
            .collect();
        if !fits.is_empty() {
            doubts.unsearched.remove(&l);
            doubts.add(w, l, fits);
        }
    }
}

/// A line and a transfer that miss each other by little, and nothing else is near: named, not matched.
pub(super) fn near(w: &Work<'_>, doubts: &Doubts, mismatch: &mut Vec<Mismatch>) {
    let used: BTreeSet<usize> = mismatch.iter().flat_map(|m| m.items.iter().copied()).collect();
    let taken: BTreeSet<usize> = mismatch.iter().flat_map(|m| m.lines.iter().copied()).collect();
    let close = |l: usize, i: usize| -> bool {
        let (Some(line), Some(item)) = (w.lines.get(l), w.items.get(i)) else { return false };
        let (a, b) = (line.amount.minor(), item.expect.minor());
        w.may(l, i)
            && a.signum() == b.signum()
            && a.saturating_sub(b).saturating_abs() <= 100.max(b.saturating_abs() / 50)
    };
    let lines: Vec<usize> = (0..w.lines.len())
        .filter(|l| w.open_line(*l) && !doubts.line(*l) && !taken.contains(l))
        .filter(|l| doubts.part_of(*l).next().is_none())
        .collect();
    let items: Vec<usize> = (0..w.items.len()).filter(|i| w.open_item(*i) && !used.contains(i)).collect();
    for l in &lines {
        let fits: Vec<usize> = items.iter().copied().filter(|i| close(*l, *i)).take(2).collect();
        if let [i] = fits.as_slice()
            && !doubts.items.contains(i)
            && !doubts.torn.contains_key(i)
            && lines.iter().filter(|k| close(**k, *i)).take(2).count() == 1
        {
            mismatch.push(Mismatch { lines: vec![*l], items: vec![*i] });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_searching_agree() {
        // 7 amounts of which many sums meet, every target from −12 to 40, against all subsets.
        let amounts = [3, 5, 8, -4, 13, 3, 1];
        for target in -12..40 {
            let mut want: Vec<Vec<usize>> = (0_u32..128)
                .map(|set| (0..7).filter(|i| set >> i & 1 == 1).collect::<Vec<usize>>())
                .filter(|s| s.len() > 1 && s.iter().filter_map(|i| amounts.get(*i)).sum::<i64>() == target)
                .collect();
            want.sort();
            let mut both = halves(&amounts, target, usize::MAX);
            both.sort();
            assert_eq!(both, want, "{target}");
            let (mut deep, done) = walk(&amounts, target, usize::MAX, 100_000);
            deep.sort();
            assert!(done && deep == want, "{target}");
        }
    }

    #[test]
    fn forty_amounts_are_always_decided() {
        // Even amounts around 2³⁹ never make an odd sum, and twenty of them are about 20 × 2³⁹: no bound cuts the search short.
        let amounts: Vec<i64> =
            (0..40).map(|k| (1_i64 << 39) + (1 << (k / 2 + 1)) * (k % 2 * 2 + 1)).collect();
        let target = amounts.iter().take(20).sum::<i64>() + 1;
        let mut budget = SUMS;
        assert_eq!(subsets(&amounts, target, 8, 40, &mut budget), Some(Vec::new()));
        assert_eq!(budget, SUMS - (1 << 20));
        assert_eq!(subsets(&amounts, target, 8, 40, &mut 0), None);
        // Above, it is given up, and says so.
        let more: Vec<i64> = amounts.iter().copied().chain([1 << 39]).collect();
        assert_eq!(subsets(&more, target, 8, 40, &mut budget), None);
        assert_eq!(subsets(&more, target, 8, 41, &mut budget), None);
    }
}
