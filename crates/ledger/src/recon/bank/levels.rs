//! The levels that look at one line and one transfer: references, equal amounts.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{Currency, Money};

use super::covering::Doubts;
use super::{Mismatch, Work, words};
use crate::facts::Provider;
use crate::rates::{Rates, times};
use crate::recon::squeeze;
use crate::recon::{Found, Policy, Reason};

/// Whether these lines are together what the transfer should bring.
pub(super) fn sums_to(w: &Work<'_>, lines: &[usize], i: usize) -> bool {
    let Some(item) = w.items.get(i) else { return false };
    let mut amounts = lines.iter().filter_map(|l| w.lines.get(*l)).map(|x| x.amount);
    one_currency(w, lines, i)
        && amounts.try_fold(0_i64, |s, a| s.checked_add(a.minor())) == Some(item.expect.minor())
}

/// Whether these lines are in the currency in which the transfer should arrive.
pub(super) fn one_currency(w: &Work<'_>, lines: &[usize], i: usize) -> bool {
    let Some(item) = w.items.get(i) else { return false };
    lines.iter().filter_map(|l| w.lines.get(*l)).all(|x| x.amount.currency() == item.expect.currency())
}

/// L1 and L3: the text names the transfer, as a word or squeezed into the text. What is exact in either way comes before what only
/// the policy explains, and before what disagrees.
pub(super) fn references(
    w: &mut Work<'_>,
    mismatch: &mut Vec<Mismatch>,
    doubts: &mut Doubts,
    rates: &Rates,
    found: &mut Found,
) {
    let keys = Keys::new(w);
    let names = |w: &Work<'_>, squeezed: bool| -> Vec<Vec<usize>> {
        (0..w.lines.len()).map(|l| keys.names(w, l, squeezed)).collect()
    };
    let words = names(w, false);
    // One line of a transfer may have its id as a word, another squeezed into its text.
    let rule = |l: usize, i: usize| {
        if words.get(l).is_some_and(|n| n.contains(&i)) { "reference" } else { "remittance" }
    };
    together(w, &words, rule);
    exact(w, &words, "reference", doubts);
    let squeezed = names(w, true);
    together(w, &squeezed, rule);
    exact(w, &squeezed, "remittance", doubts);
    let either: Vec<Vec<usize>> = words
        .iter()
        .zip(&squeezed)
        .map(|(a, b)| a.iter().chain(b).copied().collect::<BTreeSet<usize>>().into_iter().collect())
        .collect();
    together(w, &either, rule);
    for (i, lines) in groups(w, &either) {
        // Lines that name one transfer in its currency and are together not what was sent: one difference, not one each.
        if lines.len() > 1 && one_currency(w, &lines, i) {
            let sum = lines
                .iter()
                .filter_map(|l| w.lines.get(*l))
                .fold(0_i64, |s, x| s.saturating_add(x.amount.minor()));
            w.named_lines.extend(&lines);
            w.named_items.insert(i);
            if rounding(w.expect(&[i]), sum, w.policy) {
                for l in lines {
                    w.link(l, &[i], "tolerance");
                }
            } else {
                mismatch.push(Mismatch { lines, items: vec![i] });
            }
        }
    }
    inexact(w, words, mismatch, rates, found);
    inexact(w, squeezed, mismatch, rates, found);
    // A line that names a transfer which others made is not another one's by its number.
    let beside: Vec<usize> = (0..w.lines.len()).filter(|l| w.open_line(*l) && keys.mentions(w, *l)).collect();
    w.named_lines.extend(beside);
}

/// What texts may call transfers.
struct Keys {
    of: Vec<Vec<(String, String)>>,
    by_word: BTreeMap<String, Vec<usize>>,
}

impl Keys {
    fn new(w: &Work<'_>) -> Keys {
        let of: Vec<Vec<(String, String)>> =
            w.items.iter().map(|i| i.refs.iter().map(|r| (r.to_uppercase(), squeeze(r))).collect()).collect();
        let mut by_word: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, list) in of.iter().enumerate() {
            for (word, _) in list {
                by_word.entry(word.clone()).or_default().push(i);
            }
        }
        Keys { of, by_word }
    }

    /// The text of a line names a transfer, open or not.
    fn mentions(&self, w: &Work<'_>, l: usize) -> bool {
        let text = w.lines.get(l).and_then(|x| x.text.as_deref()).unwrap_or_default();
        words(text)
            .iter()
            .filter_map(|word| self.by_word.get(word.as_str()))
            .flatten()
            .any(|i| !w.vetoed(l, *i) && w.items.get(*i).is_some_and(|x| !x.back))
    }

    /// The open transfers that the text of an open line names.
    fn names(&self, w: &Work<'_>, l: usize, squeezed: bool) -> Vec<usize> {
        let line = w.lines.get(l).filter(|_| w.open_line(l));
        let Some((text, amount)) = line.and_then(|x| x.text.as_ref().map(|t| (t, x.amount))) else {
            return Vec::new();
        };
        let mut named: Vec<usize> = if squeezed {
            let t = squeeze(text);
            let inside = |i: &usize| {
                self.of.get(*i).is_some_and(|k| k.iter().any(|(_, s)| s.len() >= 5 && stands_in(s, &t)))
            };
            (0..w.items.len()).filter(inside).collect()
        } else {
            words(text).iter().filter_map(|word| self.by_word.get(word.as_str())).flatten().copied().collect()
        };
        let fits = |i: usize| w.items.get(i).is_some_and(|x| !x.back || x.expect == amount);
        named.retain(|i| w.open_item(*i) && !w.vetoed(l, *i) && fits(*i));
        named.sort_unstable();
        named.dedup();
        named
    }
}

/// Open lines by the one open transfer that they name.
fn groups(w: &Work<'_>, named: &[Vec<usize>]) -> BTreeMap<usize, Vec<usize>> {
    let mut out: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (l, list) in named.iter().enumerate().filter(|(l, _)| w.open_line(*l) && !w.named_lines.contains(l)) {
        if let [i] = list.as_slice()
            && w.open_item(*i)
        {
            out.entry(*i).or_default().push(l);
        }
    }
    out
}

/// One transfer in several lines, each of which names it and nothing else.
fn together(w: &mut Work<'_>, named: &[Vec<usize>], rule: impl Fn(usize, usize) -> &'static str) {
    for (i, lines) in groups(w, named) {
        if lines.len() > 1 && sums_to(w, &lines, i) {
            for l in lines {
                w.link(l, &[i], rule(l, i));
            }
        }
    }
}

/// The open transfers that a line names, and those of them in its own currency.
fn still(w: &Work<'_>, l: usize, named: &[usize]) -> Option<(Money, Vec<usize>, Vec<usize>)> {
    let line = w.lines.get(l).filter(|_| w.open_line(l) && !w.named_lines.contains(&l))?;
    let named: Vec<usize> = named.iter().copied().filter(|i| w.open_item(*i)).collect();
    let c = line.amount.currency();
    let same =
        named.iter().copied().filter(|i| w.items.get(*i).is_some_and(|x| x.expect.currency() == c)).collect();
    (!named.is_empty()).then_some((line.amount, named, same))
}

/// A text that names transfers which are together the line, or one that is. Where several are it, they go to the lines that name them in
/// order, if there are lines for all of them.
fn exact(w: &mut Work<'_>, named: &[Vec<usize>], rule: &'static str, doubts: &mut Doubts) {
    let equal = |w: &Work<'_>, l: usize| -> Option<Vec<usize>> {
        let (amount, _, same) = still(w, l, named.get(l)?)?;
        Some(same.into_iter().filter(|i| w.items.get(*i).is_some_and(|x| x.expect == amount)).collect())
    };
    for (l, list) in named.iter().enumerate() {
        let Some((amount, _, same)) = still(w, l, list) else { continue };
        let fits = equal(w, l).unwrap_or_default();
        if !same.is_empty() && w.expect(&same) == amount.minor() {
            w.link(l, &same, rule);
        } else if let Some(i) = fits.first() {
            let rivals = || (0..named.len()).filter(|k| equal(w, *k).as_ref() == Some(&fits)).count();
            if fits.len() == 1 || rivals() >= fits.len() {
                w.link(l, &[*i], rule);
            } else {
                w.named_lines.insert(l);
                doubts.add(w, l, fits.into_iter().map(|i| vec![i]));
            }
        }
    }
}

/// A text that names transfers of another amount or currency: explained by the policy, or named.
fn inexact(
    w: &mut Work<'_>,
    named: Vec<Vec<usize>>,
    mismatch: &mut Vec<Mismatch>,
    rates: &Rates,
    found: &mut Found,
) {
    for (l, list) in named.into_iter().enumerate() {
        let Some((amount, named, same)) = still(w, l, &list) else { continue };
        let (Some(line), c) = (w.lines.get(l), amount.currency()) else { continue };
        if let [i] = named.as_slice()
            && let Some(item) = w.items.get(*i).cloned()
            && item.expect.currency() != c
        {
            // Named, in another currency: only a reference rate within the tolerance explains it.
            let date = item.date.unwrap_or(line.date);
            let near = rates
                .find(item.sent.currency(), c, date)
                .or_else(|| rates.find(item.sent.currency(), c, line.date))
                .and_then(|f| times(item.sent, f.rate, c))
                .is_some_and(|r| within(r, amount, w.policy));
            w.named_lines.insert(l);
            w.named_items.insert(*i);
            if near {
                w.link(l, &[*i], "tolerance");
            } else {
                found.note(
                    Reason::CurrencyMismatch,
                    amount,
                    vec![line.id.clone(), item.id.clone()],
                    format!(
                        "{} names {}, which was sent as {}; {amount} arrived and no rate explains it",
                        line.id, item.id, item.sent
                    ),
                    vec![(format!("arrived as {}", line.id), amount.minor())],
                    0,
                );
            }
        } else if !same.is_empty() && rounding(w.expect(&same), amount.minor(), w.policy) {
            w.named_lines.insert(l);
            w.named_items.extend(&same);
            w.link(l, &same, "tolerance");
        } else if !same.is_empty() && !mismatch.iter().any(|m| m.items.iter().any(|i| same.contains(i))) {
            w.named_lines.insert(l);
            w.named_items.extend(&same);
            mismatch.push(Mismatch { lines: vec![l], items: same });
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
pub(super) fn by_amount(w: &mut Work<'_>, doubts: &Doubts) {
    let mut buckets: BTreeMap<(Currency, i64), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (i, item) in w.items.iter().enumerate().filter(|(i, x)| w.open_item(*i) && !x.reference_only) {
        buckets.entry((item.expect.currency(), item.expect.minor())).or_default().0.push(i);
    }
    for (l, line) in w.lines.iter().enumerate().filter(|(l, _)| w.open_line(*l) && !doubts.line(*l)) {
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
