//! Bank lines against what providers sent: matching in levels.
//!
//! Keys before numbers, unmatched before wrong. Each level looks at what the levels before left, frozen at its start, so that no
//! order of rows can change the result; a line and a transfer are used once.

mod covering;
mod levels;
mod pins;
mod returned;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::Money;

use super::dedupe::Clean;
use super::foot::{PayoutState, StatementState};
use super::{Found, Match, Policy, ReconError, business_days};
use crate::facts::{BankLine, DecisionKind, Facts, Provider};
use crate::import::{StatementKind, traits};
use crate::rates::Rates;

use covering::Doubts;
pub use covering::subsets;
use settle::Settling;

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
    /// Bank line, by its place in [`Banking::lines`].
    pub at: usize,
    /// Its id.
    pub line: String,
    /// Transfer.
    pub item: String,
    /// Whose.
    pub provider: Provider,
    /// Our account there.
    pub account: String,
    /// As sent: this line's part of it, where the transfer arrived in several lines.
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
    /// What each line takes from in-transit, by the place of the line.
    pub taken: BTreeMap<usize, Vec<Taken>>,
    /// Lines that only the policy's rounding explains, by the place of the line.
    pub tolerated: BTreeSet<usize>,
}

/// What a line takes from a provider's transfers in transit.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Whose.
    pub provider: Provider,
    /// Our account there.
    pub account: String,
    /// As sent.
    pub sent: Money,
    /// What arrived for it, where that is in another currency.
    pub arrived: Option<Money>,
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
    /// The way back of a transfer that came back: claimed by a line that names it with its exact amount, or by none.
    back: bool,
    /// What sent it; of the way back: nothing.
    document: Option<Document>,
}

/// The document whose money a transfer is, by its place among those of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Document {
    Statement(usize),
    Payout(usize),
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .filter(|w| !w.is_empty())
        .map(str::to_uppercase)
        .collect()
}

fn hints(text: &str) -> Vec<Provider> {
    let t = text.to_lowercase();
    Provider::ALL.into_iter().filter(|p| traits(*p).names.iter().any(|n| t.contains(n.as_str()))).collect()
}

fn items(statements: &[StatementState], payouts: &[PayoutState]) -> Vec<Item> {
    let mut out = Vec::new();
    for (i, s) in statements.iter().enumerate() {
        let alone =
            || !s.stays && !payouts.iter().any(|p| p.provider == s.provider && p.account == s.account);
        let transfers = s.sends() || traits(s.provider).statement == StatementKind::Either && alone();
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
            back: false,
            document: Some(Document::Statement(i)),
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
            back: false,
            document: Some(Document::Payout(i)),
        });
    }
    let came_back = |i: &&Item| match i.document {
        Some(Document::Statement(s)) => statements.get(s).is_some_and(|s| s.failed),
        Some(Document::Payout(p)) => payouts.get(p).is_some_and(|p| p.failed),
        None => false,
    };
    let returns: Vec<Item> = out
        .iter()
        .filter(came_back)
        .map(|i| Item {
            sent: i.sent.negated(),
            expect: i.expect.negated(),
            back: true,
            document: None,
            ..i.clone()
        })
        .collect();
    out.extend(returns);
    out.sort_by(|a, b| {
        (a.provider, &a.account, &a.id, a.expect.currency(), a.back).cmp(&(
            b.provider,
            &b.account,
            &b.id,
            b.expect.currency(),
            b.back,
        ))
    });
    out
}

/// Lines that belong to transfers, by name or by little, and are not what was sent.
struct Mismatch {
    lines: Vec<usize>,
    items: Vec<usize>,
}

struct Work<'a> {
    items: Vec<Item>,
    lines: &'a [BankLine],
    hints: Vec<Vec<Provider>>,
    item_of: Vec<Vec<usize>>,
    line_of: Vec<Vec<usize>>,
    rule: Vec<&'static str>,
    vetoes: Vec<&'a [String]>,
    /// Lines whose text names a transfer of another amount, and those transfers: numbers alone may not claim them.
    named_lines: BTreeSet<usize>,
    named_items: BTreeSet<usize>,
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
        self.items.get(i).is_some_and(|x| !x.reference_only) && self.fits(l, i)
    }
    /// So far as currency, text and vetoes tell.
    fn speaks_of(&self, l: usize, i: usize) -> bool {
        let (Some(line), Some(item)) = (self.lines.get(l), self.items.get(i)) else { return false };
        !self.named_lines.contains(&l)
            && !self.named_items.contains(&i)
            && line.amount.currency() == item.expect.currency()
            && !self.vetoed(l, i)
            && self.hints.get(l).is_none_or(|h| h.is_empty() || h.contains(&item.provider))
    }
    /// And the window, of a transfer that came back too.
    fn fits(&self, l: usize, i: usize) -> bool {
        let (Some(line), Some(item)) = (self.lines.get(l), self.items.get(i)) else { return false };
        self.speaks_of(l, i)
            && item.date.is_none_or(|d| {
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
    statements: &mut [StatementState],
    payouts: &mut [PayoutState],
    facts: &Facts,
    policy: &Policy,
    as_of: Date,
    rates: &Rates,
    found: &mut Found,
) -> Result<Banking, ReconError> {
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
        named_lines: BTreeSet::new(),
        named_items: BTreeSet::new(),
        policy,
    };
    let mut mismatch: Vec<Mismatch> = Vec::new();
    let mut doubts = Doubts::default();
    pins::pins(&mut w, clean, found);
    levels::references(&mut w, &mut mismatch, &mut doubts, rates, found);
    returned::contested(&w, &mut doubts);
    levels::by_amount(&mut w, &doubts);
    returned::run(&mut w, &mut doubts);
    covering::covering(&mut w, &mut doubts);
    covering::pool_ambiguity(&w, &mut doubts);
    covering::near(&w, &doubts, &mut mismatch);
    let settling =
        Settling { w: &w, doubts: &doubts, mismatch: &mismatch, bank_known: facts.has("bank"), as_of };
    settling.finish(statements, payouts, found)
}
