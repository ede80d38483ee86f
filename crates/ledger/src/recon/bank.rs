//! Bank lines against what providers sent: matching in levels.
//!
//! Keys before numbers, unmatched before wrong. Each level looks at what the levels before left, frozen at its start, so that no
//! order of rows can change the result; a line and a transfer are used once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::dedupe::Clean;
use super::foot::{PayoutState, StatementState};
use super::parts::Row;
use super::{Event, Found, Match, Policy, Reason, business_days};
use crate::facts::{BankLine, DecisionKind, Facts, Provider};
use crate::rates::{Rates, times};

/// A bank line and where it stands.
#[derive(Debug, Clone)]
pub struct BankState {
    /// The bank's id.
    pub id: String,
    /// Account at the bank.
    pub account: String,
    /// Day.
    pub date: Date,
    /// Amount.
    pub amount: Money,
    /// State: `Reconciled`, `Ambiguous`, `Unmatched`.
    pub state: &'static str,
    /// Payouts and statements.
    pub matched_to: Vec<String>,
    /// Sets that fit, where more than one does.
    pub candidates: Vec<Vec<String>>,
}

/// A conversion between what was sent and what arrived.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// Bank line.
    pub line: String,
    /// Transfer.
    pub item: String,
    /// As sent.
    pub sent: Money,
    /// As arrived.
    pub arrived: Money,
    /// Day by which the rate is taken.
    pub date: Date,
}

/// What the matching of the bank gave.
#[derive(Debug, Default)]
pub struct Banking {
    /// Lines.
    pub lines: Vec<BankState>,
    /// Links.
    pub matches: Vec<Match>,
    /// Conversions.
    pub conversions: Vec<Conversion>,
    /// (line, role-account transfers): what each line takes from in-transit: line → (provider, account, amount sent).
    pub taken: BTreeMap<usize, Vec<(Provider, String, Money)>>,
}

#[derive(Debug, Clone)]
struct Item {
    id: String,
    provider: Provider,
    account: String,
    sent: Money,
    expect: Money,
    date: Option<Date>,
    refs: Vec<String>,
    /// Only a reference may claim it: a transfer that came back.
    reference_only: bool,
    /// Its absence after the window is worth a word.
    due: bool,
    statement: Option<usize>,
    payout: Option<usize>,
}

fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .filter(|w| !w.is_empty())
        .map(str::to_uppercase)
        .collect()
}

fn hints(text: &str) -> Vec<Provider> {
    let t = text.to_lowercase();
    let has = |w: &str| t.contains(w);
    let mut out = Vec::new();
    for p in Provider::ALL {
        let hit = match p {
            Provider::Amazon => has("amazon") || has("amzn"),
            Provider::Wechatpay => has("wechat") || has("tenpay") || has("财付通"),
            Provider::Alipay => has("alipay") || has("支付宝"),
            Provider::Carrier | Provider::Bank => false,
            p => has(p.name()),
        };
        if hit {
            out.push(p);
        }
    }
    out
}

fn items(statements: &[StatementState], payouts: &[PayoutState]) -> Vec<Item> {
    let mut out = Vec::new();
    for (i, s) in statements.iter().enumerate() {
        let transfers = s.provider == Provider::Amazon
            || s.deposit.is_some()
            || s.converted.is_some()
            || s.trace.is_some()
            || !payouts.iter().any(|p| p.provider == s.provider && p.account == s.account);
        if s.refused || s.paid_by_payout || s.total.is_zero() || !transfers {
            continue;
        }
        let carried = s.carried_into.is_some();
        out.push(Item {
            id: s.id.clone(),
            provider: s.provider,
            account: s.account.clone(),
            sent: s.total,
            expect: s.converted.unwrap_or(s.total),
            date: s.end,
            refs: s.trace.iter().cloned().chain([s.id.clone()]).collect(),
            reference_only: s.failed || carried,
            due: !s.failed && !carried && s.total.is_positive(),
            statement: Some(i),
            payout: None,
        });
    }
    for (i, p) in payouts.iter().enumerate() {
        if p.amount.is_zero() || p.void {
            continue;
        }
        out.push(Item {
            id: p.id.clone(),
            provider: p.provider,
            account: p.account.clone(),
            sent: p.amount,
            expect: p.converted.unwrap_or(p.amount),
            date: p.arrival.or(p.last_member),
            refs: p.trace.iter().cloned().chain([p.id.clone()]).collect(),
            reference_only: p.failed,
            due: !p.failed,
            statement: None,
            payout: Some(i),
        });
    }
    out.sort_by(|a, b| {
        (a.provider, &a.account, &a.id, a.expect.currency()).cmp(&(
            b.provider,
            &b.account,
            &b.id,
            b.expect.currency(),
        ))
    });
    out
}

struct Work<'a> {
    items: Vec<Item>,
    lines: &'a [BankLine],
    hints: Vec<Vec<Provider>>,
    item_of: Vec<Vec<usize>>,
    line_of: Vec<Vec<usize>>,
    rule: Vec<&'static str>,
    vetoes: Vec<&'a [String]>,
    policy: &'a Policy,
}

impl Work<'_> {
    fn open_item(&self, i: usize) -> bool {
        self.line_of.get(i).is_some_and(Vec::is_empty)
    }
    fn open_line(&self, l: usize) -> bool {
        self.item_of.get(l).is_some_and(Vec::is_empty)
    }
    fn vetoed(&self, l: usize, i: usize) -> bool {
        let (Some(line), Some(item)) = (self.lines.get(l), self.items.get(i)) else { return true };
        self.vetoes.iter().any(|v| v.contains(&line.id) && v.contains(&item.id))
    }
    /// Currency, window, the provider that the text names, no veto: the pair may belong together by number.
    fn may(&self, l: usize, i: usize) -> bool {
        let (Some(line), Some(item)) = (self.lines.get(l), self.items.get(i)) else { return false };
        if item.reference_only || line.amount.currency() != item.expect.currency() || self.vetoed(l, i) {
            return false;
        }
        if self.hints.get(l).is_some_and(|h| !h.is_empty() && !h.contains(&item.provider)) {
            return false;
        }
        item.date.is_none_or(|d| {
            let gap = business_days(d, line.date);
            gap >= -self.policy.bank_days_before && gap <= self.policy.bank_days_after
        })
    }
    fn link(&mut self, l: usize, items: &[usize], rule: &'static str) {
        if let (Some(of), Some(r)) = (self.item_of.get_mut(l), self.rule.get_mut(l)) {
            of.extend_from_slice(items);
            *r = rule;
        }
        for i in items {
            if let Some(of) = self.line_of.get_mut(*i) {
                of.push(l);
            }
        }
    }
    fn expect(&self, items: &[usize]) -> i64 {
        items.iter().filter_map(|i| self.items.get(*i)).fold(0_i64, |s, i| s.saturating_add(i.expect.minor()))
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn run(
    clean: &Clean,
    rows: &[Row],
    statements: &mut [StatementState],
    payouts: &mut [PayoutState],
    facts: &Facts,
    policy: &Policy,
    as_of: Date,
    rates: &Rates,
    found: &mut Found,
) -> Banking {
    let _ = rows;
    let mut lines: Vec<BankLine> = clean.bank.clone();
    lines.sort_by(|a, b| (a.date, &a.account, &a.id).cmp(&(b.date, &b.account, &b.id)));
    let items = items(statements, payouts);
    let (n, m) = (items.len(), lines.len());
    let mut w = Work {
        hints: lines.iter().map(|l| hints(l.text.as_deref().unwrap_or_default())).collect(),
        items,
        lines: &lines,
        item_of: vec![Vec::new(); m],
        line_of: vec![Vec::new(); n],
        rule: vec![""; m],
        vetoes: clean
            .decisions
            .iter()
            .filter(|d| d.kind == DecisionKind::Veto)
            .map(|d| d.records.as_slice())
            .collect(),
        policy,
    };
    let mut mismatch: Vec<(usize, Vec<usize>)> = Vec::new();
    pins(&mut w, clean, found);
    references(&mut w, &mut mismatch, rates, found);
    by_amount(&mut w);
    let mut candidates = covering(&mut w);
    pool_ambiguity(&w, &mut candidates);
    let ambiguous: BTreeSet<usize> = candidates.keys().copied().collect();
    near(&w, &ambiguous, &mut mismatch);
    finish(w, candidates, mismatch, statements, payouts, facts, as_of, rates, found)
}

fn pins(w: &mut Work<'_>, clean: &Clean, found: &mut Found) {
    for d in clean.decisions.iter().filter(|d| d.kind == DecisionKind::Pin) {
        let line = (0..w.lines.len())
            .find(|l| w.lines.get(*l).is_some_and(|x| d.records.contains(&x.id)) && w.open_line(*l));
        let items: Vec<usize> = (0..w.items.len())
            .filter(|i| w.items.get(*i).is_some_and(|x| d.records.contains(&x.id)) && w.open_item(*i))
            .collect();
        let Some(l) = line.filter(|_| !items.is_empty()) else { continue };
        let (expect, line) = (w.expect(&items), w.lines.get(l).map(|x| x.amount));
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

/// L1 and L3: the text names the transfer, as a word or squeezed into the text.
fn references(w: &mut Work<'_>, mismatch: &mut Vec<(usize, Vec<usize>)>, rates: &Rates, found: &mut Found) {
    let keys: Vec<Vec<(String, String)>> =
        w.items.iter().map(|i| i.refs.iter().map(|r| (r.to_uppercase(), squeeze(r))).collect()).collect();
    let mut by_word: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, list) in keys.iter().enumerate() {
        for (word, _) in list {
            by_word.entry(word).or_default().push(i);
        }
    }
    for (rule, squeezed) in [("reference", false), ("remittance", true)] {
        for l in 0..w.lines.len() {
            let Some(line) = w.lines.get(l).filter(|_| w.open_line(l)) else { continue };
            let Some(text) = &line.text else { continue };
            let mut named: Vec<usize> = if squeezed {
                let t = squeeze(text);
                (0..w.items.len())
                    .filter(|i| {
                        keys.get(*i)
                            .is_some_and(|k| k.iter().any(|(_, s)| s.len() >= 5 && t.contains(s.as_str())))
                    })
                    .collect()
            } else {
                words(text).iter().filter_map(|word| by_word.get(word.as_str())).flatten().copied().collect()
            };
            named.retain(|i| w.open_item(*i) && !w.vetoed(l, *i));
            named.sort_unstable();
            named.dedup();
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
                        Vec::new(),
                        0,
                    );
                }
            } else if !same.is_empty() && rounding(w.expect(&same), line.amount.minor(), w.policy) {
                w.link(l, &same, "tolerance");
            } else if !same.is_empty() && !mismatch.iter().any(|(_, m)| m.iter().any(|i| same.contains(i))) {
                mismatch.push((l, same));
            }
        }
    }
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
fn by_amount(w: &mut Work<'_>) {
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
        let pairs: Vec<(usize, usize)> =
            ls.iter().flat_map(|l| is.iter().map(|i| (*l, *i))).filter(|(l, i)| w.may(*l, *i)).collect();
        let lone = |l: usize, i: usize| {
            pairs.iter().filter(|(a, _)| *a == l).count() == 1
                && pairs.iter().filter(|(_, b)| *b == i).count() == 1
        };
        let unique: Vec<(usize, usize)> = pairs.iter().copied().filter(|(l, i)| lone(*l, *i)).collect();
        for (l, i) in unique {
            w.link(l, &[i], "unique");
        }
        // Pools: the rest, account by account; a line that could be of two accounts stays open.
        let account = |w: &Work<'_>, i: usize| w.items.get(i).map(|x| (x.provider, x.account.clone()));
        let mut pool: Vec<usize> = is.iter().copied().filter(|i| w.open_item(*i)).collect();
        pool.sort_by_key(|i| w.items.get(*i).map(|x| (x.date, x.id.clone())));
        for l in ls.iter().copied().filter(|l| w.open_line(*l)).collect::<Vec<_>>() {
            let fits: Vec<usize> = pool.iter().copied().filter(|i| w.open_item(*i) && w.may(l, *i)).collect();
            let mut accounts: Vec<_> =
                pairs.iter().filter(|(a, _)| *a == l).filter_map(|(_, i)| account(w, *i)).collect();
            accounts.sort();
            accounts.dedup();
            if accounts.len() == 1
                && let Some(i) = fits.first()
            {
                w.link(l, &[*i], "pool");
            }
        }
    }
}

/// Subsets of `amounts` that sum to `target`; at most `most` of them, and none at all after too many steps.
#[must_use]
pub fn subsets(amounts: &[i64], target: i64, most: usize) -> Option<Vec<Vec<usize>>> {
    fn go(
        amounts: &[i64],
        up: &[i64],
        down: &[i64],
        at: usize,
        left: i64,
        chosen: &mut Vec<usize>,
        out: &mut Vec<Vec<usize>>,
        most: usize,
        steps: &mut u64,
    ) {
        if out.len() >= most || *steps == 0 {
            return;
        }
        *steps -= 1;
        if left == 0 && chosen.len() > 1 {
            out.push(chosen.clone());
        }
        for i in at..amounts.len() {
            // What the rest can still reach, upwards and downwards.
            let (Some(a), Some(hi), Some(lo)) = (amounts.get(i), up.get(i), down.get(i)) else { return };
            if left > *hi || left < *lo {
                return;
            }
            chosen.push(i);
            go(amounts, up, down, i + 1, left - a, chosen, out, most, steps);
            chosen.pop();
        }
    }
    let mut up = vec![0_i64; amounts.len() + 1];
    let mut down = up.clone();
    for (i, a) in amounts.iter().enumerate().rev() {
        let (u, d) = (up.get(i + 1).copied().unwrap_or(0), down.get(i + 1).copied().unwrap_or(0));
        if let (Some(x), Some(y)) = (up.get_mut(i), down.get_mut(i)) {
            *x = u.saturating_add((*a).max(0));
            *y = d.saturating_add((*a).min(0));
        }
    }
    let mut out = Vec::new();
    let mut steps = 5_000_000_u64;
    go(amounts, &up, &down, 0, target, &mut Vec::new(), &mut out, most, &mut steps);
    (steps > 0).then_some(out)
}

/// L6: a set of transfers that covers a line, or of lines that covers a transfer, only when there is exactly one.
fn covering(w: &mut Work<'_>) -> BTreeMap<usize, Vec<Vec<String>>> {
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
        if let Some([one]) = subsets(&amounts, item.expect.minor(), 2).as_deref() {
            splits.push((i, one.iter().filter_map(|k| open.get(*k).copied()).collect()));
        }
    }
    for (i, set) in &splits {
        let shared = splits.iter().any(|(k, other)| k != i && other.iter().any(|l| set.contains(l)));
        if !shared {
            for l in set {
                w.link(*l, &[*i], "covering");
            }
        }
    }
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
fn pool_ambiguity(w: &Work<'_>, candidates: &mut BTreeMap<usize, Vec<Vec<String>>>) {
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
fn near(w: &Work<'_>, ambiguous: &BTreeSet<usize>, mismatch: &mut Vec<(usize, Vec<usize>)>) {
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
        let fits: Vec<usize> = items.iter().copied().filter(|i| close(*l, *i)).collect();
        if let [i] = fits.as_slice()
            && lines.iter().filter(|k| close(**k, *i)).count() == 1
        {
            mismatch.push((*l, fits));
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn finish(
    w: Work<'_>,
    candidates: BTreeMap<usize, Vec<Vec<String>>>,
    mismatch: Vec<(usize, Vec<usize>)>,
    statements: &mut [StatementState],
    payouts: &mut [PayoutState],
    facts: &Facts,
    as_of: Date,
    rates: &Rates,
    found: &mut Found,
) -> Banking {
    let _ = rates;
    let mut out = Banking::default();
    for (l, line) in w.lines.iter().enumerate() {
        let linked: &[usize] = w.item_of.get(l).map(Vec::as_slice).unwrap_or_default();
        let items: Vec<&Item> = linked.iter().filter_map(|i| w.items.get(*i)).collect();
        let mut state = BankState {
            id: line.id.clone(),
            account: line.account.clone(),
            date: line.date,
            amount: line.amount,
            state: "Unmatched",
            matched_to: items.iter().map(|i| i.id.clone()).collect(),
            candidates: Vec::new(),
        };
        if !items.is_empty() {
            state.state = "Reconciled";
            let c = line.amount.currency();
            let split = linked.iter().any(|i| w.line_of.get(*i).is_some_and(|ls| ls.len() > 1));
            let expect: i64 =
                items.iter().filter(|i| i.expect.currency() == c).map(|i| i.expect.minor()).sum();
            let residual = if split || items.iter().any(|i| i.expect.currency() != c) {
                0
            } else {
                line.amount.minor().saturating_sub(expect)
            };
            let rule = w.rule.get(l).copied().unwrap_or_default();
            if residual != 0 && rule == "tolerance" {
                found.add(
                    Reason::Rounding,
                    Money::from_minor(residual, c),
                    state.matched_to.iter().cloned().chain([line.id.clone()]).collect(),
                    format!(
                        "{} arrived against {}: within the rounding of the policy",
                        line.amount,
                        Money::from_minor(expect, c)
                    ),
                    vec![
                        ("arrived".to_owned(), line.amount.minor()),
                        ("sent".to_owned(), expect.saturating_neg()),
                    ],
                );
            }
            out.matches.push(Match {
                rule,
                left: vec![line.id.clone()],
                right: state.matched_to.clone(),
                amount: line.amount,
                residual: Money::from_minor(residual, c),
                date: line.date,
            });
            let mut taken = Vec::new();
            for item in &items {
                let sent = if split && item.sent.currency() == c { line.amount } else { item.sent };
                taken.push((item.provider, item.account.clone(), sent));
                if item.sent.currency() != c {
                    out.conversions.push(Conversion {
                        line: line.id.clone(),
                        item: item.id.clone(),
                        sent: item.sent,
                        arrived: if items.len() == 1 { line.amount } else { item.expect },
                        date: item.date.unwrap_or(line.date),
                    });
                }
            }
            out.taken.insert(l, taken);
        } else if let Some(sets) = candidates.get(&l) {
            state.state = "Ambiguous";
            state.candidates.clone_from(sets);
            let mut records: Vec<String> = sets.iter().flatten().cloned().collect();
            records.push(line.id.clone());
            found.note(
                Reason::Ambiguous,
                line.amount,
                records,
                format!(
                    "{} of {} could be {}: name the payout in a decision",
                    line.amount,
                    line.date,
                    sets.iter().map(|s| s.join(" + ")).collect::<Vec<_>>().join(", or ")
                ),
                Vec::new(),
                line.amount.minor(),
            );
        } else if let Some((_, is)) = mismatch.iter().find(|(k, _)| *k == l) {
            let expect = w.expect(is);
            let off = line.amount.minor().saturating_sub(expect);
            let c = line.amount.currency();
            found.note(
                Reason::AmountMismatch,
                Money::from_minor(off, c),
                is.iter()
                    .filter_map(|i| w.items.get(*i))
                    .map(|i| i.id.clone())
                    .chain([line.id.clone()])
                    .collect(),
                format!(
                    "{} arrived on {} where {} was sent: {} is unaccounted for",
                    line.amount,
                    line.date,
                    Money::from_minor(expect, c),
                    Money::from_minor(off, c)
                ),
                vec![
                    ("arrived".to_owned(), line.amount.minor()),
                    ("sent".to_owned(), expect.saturating_neg()),
                ],
                off,
            );
        } else if line.text.is_some() || !w.items.is_empty() {
            found.note(
                Reason::OursOnly,
                line.amount,
                vec![line.id.clone()],
                format!("the bank line of {} fits no payout or statement", line.date),
                Vec::new(),
                line.amount.minor(),
            );
        }
        out.lines.push(state);
    }
    let near_items: BTreeMap<usize, i64> = mismatch
        .iter()
        .flat_map(|(l, is)| {
            is.iter()
                .map(|i| (*i, w.lines.get(*l).map_or(0, |x| x.amount.minor()).saturating_sub(w.expect(is))))
        })
        .collect();
    let in_candidates: BTreeSet<&str> = candidates.values().flatten().flatten().map(String::as_str).collect();
    for (i, item) in w.items.iter().enumerate() {
        let lines: Vec<&BankLine> =
            w.line_of.get(i).into_iter().flatten().filter_map(|l| w.lines.get(*l)).collect();
        let last = lines.iter().map(|l| l.date).max();
        let late = item.date.is_some_and(|d| business_days(d, as_of) > w.policy.bank_days_after);
        let state = if item.reference_only {
            None
        } else if !lines.is_empty() {
            Some("Reconciled")
        } else if let Some(off) = near_items.get(&i) {
            Some(if *off < 0 { "Under" } else { "Over" })
        } else if late && item.due && facts.has("bank") {
            Some("Missing")
        } else {
            None
        };
        if item.due
            && lines.is_empty()
            && !near_items.contains_key(&i)
            && facts.has("bank")
            && !in_candidates.contains(item.id.as_str())
        {
            let reason = if late { Reason::ProviderOnly } else { Reason::Timing };
            let why = if late {
                format!("{} was sent for {} and has not reached the bank by {as_of}", item.expect, item.id)
            } else {
                format!("{} for {} is on its way to the bank", item.expect, item.id)
            };
            found.add(reason, item.expect, vec![item.id.clone()], why, Vec::new());
        }
        let ids: Vec<String> = lines.iter().map(|l| l.id.clone()).collect();
        let mut timeline: Vec<Event> =
            item.date.map(|d| Event { at: d.to_string(), state: "Expected" }).into_iter().collect();
        if let (Some(d), Some("Reconciled")) = (last, state) {
            timeline.push(Event { at: d.to_string(), state: "Reconciled" });
        } else if let (Some("Missing"), Some(d)) = (state, item.date) {
            let mut due = d;
            while business_days(d, due) <= w.policy.bank_days_after {
                due = due.tomorrow().unwrap_or(Date::MAX);
            }
            timeline.push(Event { at: due.to_string(), state: "Missing" });
        }
        if let Some(s) = item.statement.and_then(|s| statements.get_mut(s)) {
            s.bank.clone_from(&ids);
            s.state = state.unwrap_or(if s.failed { "Returned" } else { s.state });
            if s.failed {
                timeline.push(Event { at: s.end.unwrap_or(as_of).to_string(), state: "Returned" });
            }
            s.timeline.clone_from(&timeline);
        }
        if let Some(p) = item.payout.and_then(|p| payouts.get_mut(p)) {
            p.bank = ids;
            p.state = state.unwrap_or(if p.failed { "Returned" } else { p.state });
            if p.failed {
                timeline.push(Event {
                    at: p.arrival.or(p.last_member).unwrap_or(as_of).to_string(),
                    state: "Returned",
                });
            }
            p.timeline = timeline;
        }
    }
    // A statement that a payout pays stands where its payouts stand.
    for s in statements.iter_mut().filter(|s| s.paid_by_payout && !s.refused && !s.failed) {
        let mine: Vec<&PayoutState> = payouts
            .iter()
            .filter(|p| {
                p.provider == s.provider
                    && p.account == s.account
                    && (p.group.as_deref() == Some(s.id.as_str()) || p.id == s.id)
            })
            .collect();
        s.bank = mine.iter().flat_map(|p| p.bank.iter().cloned()).collect();
        s.state = if !mine.is_empty() && mine.iter().all(|p| p.state == "Reconciled") {
            "Reconciled"
        } else {
            "Settled"
        };
    }
    out
}
