//! Bank lines: what the levels made of each, what it took from which transfer, and the difference that it leaves.

use std::collections::BTreeSet;

use tradewind_domain::Money;

use super::shares::{Parts, arrivals, parts};
use super::{Settling, bound, off};
use crate::facts::BankLine;
use crate::recon::bank::{BankState, Banking, Conversion, Item, Mismatch, Taken, Work};
use crate::recon::foot::StatementState;
use crate::recon::{Found, Match, Reason, ReconError, squeeze};

/// Judges each line: its state, its links, what it takes from the money in transit, and its difference.
pub(super) fn run(
    s: &Settling<'_>,
    statements: &[StatementState],
    found: &mut Found,
) -> Result<Banking, ReconError> {
    let mut out = Banking::default();
    let parts = parts(s.w)?;
    for (l, line) in s.w.lines.iter().enumerate() {
        let mut state = BankState {
            id: line.id.clone(),
            account: line.account.clone(),
            date: line.date,
            amount: line.amount,
            state: "Unmatched",
            matched_to: Vec::new(),
            candidates: Vec::new(),
        };
        match Verdict::of(s, l, line) {
            Verdict::Linked(arrival) => {
                state.state = "Reconciled";
                state.matched_to = arrival.items.iter().map(|(_, x)| x.id.clone()).collect();
                arrival.rounding(&state.matched_to, &mut out, found);
                out.matches.push(arrival.link(&state.matched_to));
                arrival.take(&parts, &mut out)?;
            }
            Verdict::Ambiguous(sets) => {
                state.state = "Ambiguous";
                state.candidates = sets.to_vec();
                ambiguous(line, sets, found);
            }
            Verdict::Unsearched(open) => {
                state.state = "Ambiguous";
                unsearched(s.w, line, open, found);
            }
            // Once for all its lines.
            Verdict::Unequal(m) if m.lines.first() == Some(&l) => unequal(s.w, m, found),
            Verdict::Unequal(_) => {}
            Verdict::Alone => alone(s, l, line, statements, found),
        }
        out.lines.push(state);
    }
    Ok(out)
}

/// What the levels made of a line: the first of these that holds.
enum Verdict<'a> {
    /// It is of these transfers.
    Linked(Arrival<'a>),
    /// More than one set of transfers makes it, by their ids.
    Ambiguous(&'a [Vec<String>]),
    /// These open transfers may make it together, and were too many to be searched.
    Unsearched(&'a [usize]),
    /// It belongs to transfers, and is not what was sent.
    Unequal(&'a Mismatch),
    /// Nothing fits it.
    Alone,
}

impl<'a> Verdict<'a> {
    fn of(s: &Settling<'a>, l: usize, line: &'a BankLine) -> Verdict<'a> {
        if let Some(arrival) = Arrival::of(s.w, l, line) {
            Verdict::Linked(arrival)
        } else if let Some(sets) = s.doubts.lines.get(&l) {
            Verdict::Ambiguous(sets)
        } else if let Some(open) = s.doubts.unsearched.get(&l) {
            Verdict::Unsearched(open)
        } else if let Some(m) = s.mismatch.iter().find(|m| m.lines.contains(&l)) {
            Verdict::Unequal(m)
        } else {
            Verdict::Alone
        }
    }
}

/// A line that is linked, beside the transfers that it is of.
struct Arrival<'a> {
    /// Place of the line.
    at: usize,
    line: &'a BankLine,
    /// The level that linked it.
    rule: &'static str,
    /// Its transfers, with their places.
    items: Vec<(usize, &'a Item)>,
    /// The other lines of these transfers.
    others: Vec<&'a BankLine>,
    /// What its transfers should bring in its currency, minor units.
    sent: i64,
    /// What it and the others brought, minor units.
    brought: i64,
    share: Share,
}

/// How the amount of a line stands to what was sent. It decides where a difference between the two is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    /// A transfer of it was sent in another currency, and nobody said what that would bring: it brought this, and leaves nothing.
    Exchanged,
    /// Other lines of its transfers come after it: what all of them leave is told with the last.
    Part,
    /// It is the last or the only line: what all of them brought less what was sent is its residual.
    Last,
}

impl<'a> Arrival<'a> {
    /// `None`: the line is of no transfer.
    fn of(w: &'a Work<'a>, at: usize, line: &'a BankLine) -> Option<Arrival<'a>> {
        let linked: &[usize] = w.item_of.get(at).map(Vec::as_slice).unwrap_or_default();
        let items: Vec<(usize, &Item)> =
            linked.iter().filter_map(|i| w.items.get(*i).map(|x| (*i, x))).collect();
        if items.is_empty() {
            return None;
        }
        let c = line.amount.currency();
        let others: BTreeSet<usize> =
            linked.iter().filter_map(|i| w.line_of.get(*i)).flatten().copied().filter(|k| *k != at).collect();
        let share = if items.iter().any(|(_, x)| x.expect.currency() != c) {
            Share::Exchanged
        } else if others.last().is_some_and(|k| *k > at) {
            Share::Part
        } else {
            Share::Last
        };
        let others: Vec<&BankLine> = others.into_iter().filter_map(|k| w.lines.get(k)).collect();
        Some(Arrival {
            at,
            line,
            rule: w.rule.get(at).copied().unwrap_or_default(),
            sent: items.iter().filter(|(_, x)| x.expect.currency() == c).map(|(_, x)| x.expect.minor()).sum(),
            brought: others.iter().fold(line.amount.minor(), |s, x| s.saturating_add(x.amount.minor())),
            items,
            others,
            share,
        })
    }

    /// What is left between what arrived and what was sent, told with this line.
    fn residual(&self) -> Money {
        let minor = match self.share {
            Share::Last => self.brought.saturating_sub(self.sent),
            Share::Exchanged | Share::Part => 0,
        };
        Money::from_minor(minor, self.line.amount.currency())
    }

    /// Tells a residual that only the rounding of the policy explains.
    fn rounding(&self, names: &[String], out: &mut Banking, found: &mut Found) {
        if self.rule != "tolerance" {
            return;
        }
        out.tolerated.insert(self.at);
        let residual = self.residual();
        if residual.is_zero() {
            return;
        }
        let c = self.line.amount.currency();
        found.add(
            Reason::Rounding,
            residual,
            names.iter().cloned().chain([self.line.id.clone()]).collect(),
            format!(
                "{} arrived against {}: within the rounding of the policy",
                Money::from_minor(self.brought, c),
                Money::from_minor(self.sent, c)
            ),
            vec![("arrived".to_owned(), self.brought), ("sent".to_owned(), self.sent.saturating_neg())],
        );
    }

    /// The link, with numbers that lead from what arrived to what is left.
    fn link(&self, names: &[String]) -> Match {
        Match {
            rule: self.rule,
            left: vec![self.line.id.clone()],
            right: names.to_vec(),
            amount: self.line.amount,
            residual: self.residual(),
            evidence: self.evidence(names),
            date: self.line.date,
        }
    }

    fn evidence(&self, names: &[String]) -> Vec<(String, i64)> {
        let own = self.line.amount.minor();
        let mut out = vec![("arrived".to_owned(), own)];
        let only = match self.share {
            Share::Exchanged => Some(format!("by its value in this currency {}", names.join(" + "))),
            Share::Part if self.brought != self.sent => Some(format!("its part of {}", names.join(" + "))),
            Share::Part | Share::Last => None,
        };
        if let Some(what) = only {
            out.push((what, own.saturating_neg()));
        } else {
            // Of a transfer in several lines: the other lines beside this one, against all that was sent.
            out.extend(self.others.iter().map(|x| (format!("arrived as {}", x.id), x.amount.minor())));
            let sent = |x: &Item| (format!("sent as {}", x.id), x.expect.minor().saturating_neg());
            out.extend(self.items.iter().map(|(_, x)| sent(x)));
        }
        out
    }

    /// What the line takes from each of its transfers, and the conversion where that came in another currency.
    fn take(&self, parts: &Parts, out: &mut Banking) -> Result<(), ReconError> {
        let c = self.line.amount.currency();
        let arrivals = arrivals(self.line.amount, &self.items)?;
        let mut taken = Vec::with_capacity(self.items.len());
        for (i, item) in &self.items {
            let sent = parts.get(&(self.at, *i)).copied().unwrap_or(item.sent);
            let arrived = if item.sent.currency() == c {
                None
            } else if self.items.len() == 1 {
                Some(self.line.amount)
            } else if item.expect.currency() == c {
                Some(item.expect)
            } else {
                arrivals.get(i).copied()
            };
            taken.push(Taken { provider: item.provider, account: item.account.clone(), sent, arrived });
            if let Some(arrived) = arrived {
                out.conversions.push(Conversion {
                    at: self.at,
                    line: self.line.id.clone(),
                    item: item.id.clone(),
                    provider: item.provider,
                    account: item.account.clone(),
                    sent,
                    arrived,
                    date: item.date.unwrap_or(self.line.date),
                });
            }
        }
        out.taken.insert(self.at, taken);
        Ok(())
    }
}

fn ambiguous(line: &BankLine, sets: &[Vec<String>], found: &mut Found) {
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
        vec![(format!("arrived as {}", line.id), line.amount.minor())],
        line.amount.minor(),
    );
}

fn unsearched(w: &Work<'_>, line: &BankLine, open: &[usize], found: &mut Found) {
    let ids = open.iter().filter_map(|i| w.items.get(*i)).map(|x| x.id.clone());
    found.note(
        Reason::Ambiguous,
        line.amount,
        ids.chain([line.id.clone()]).collect(),
        format!(
            "{} of {} is none of {} open payouts alone, and may be several of them together: {}. Name the payouts in a decision",
            line.amount,
            line.date,
            open.len(),
            bound(open.len(), w.policy.max_candidates)
        ),
        vec![(format!("arrived as {}", line.id), line.amount.minor())],
        line.amount.minor(),
    );
}

fn unequal(w: &Work<'_>, m: &Mismatch, found: &mut Found) {
    let lines: Vec<&BankLine> = m.lines.iter().filter_map(|l| w.lines.get(*l)).collect();
    let Some(first) = lines.first() else { return };
    let (expect, c) = (w.expect(&m.items), first.amount.currency());
    let off = off(w, m);
    let items = m.items.iter().filter_map(|i| w.items.get(*i)).map(|i| i.id.clone());
    let arrived = if lines.len() == 1 {
        vec![("arrived".to_owned(), first.amount.minor())]
    } else {
        lines.iter().map(|x| (format!("arrived as {}", x.id), x.amount.minor())).collect()
    };
    let days: BTreeSet<String> = lines.iter().map(|x| x.date.to_string()).collect();
    found.note(
        Reason::AmountMismatch,
        Money::from_minor(off, c),
        items.chain(lines.iter().map(|x| x.id.clone())).collect(),
        format!(
            "{} arrived on {} where {} was sent: {} is unaccounted for",
            Money::from_minor(off.saturating_add(expect), c),
            days.into_iter().collect::<Vec<_>>().join(" and "),
            Money::from_minor(expect, c),
            Money::from_minor(off, c)
        ),
        arrived.into_iter().chain([("sent".to_owned(), expect.saturating_neg())]).collect(),
        off,
    );
}

/// A line that nothing fits: with the refused statement that it is of, or the transfers that it may be a part of, where there are any.
fn alone(s: &Settling<'_>, l: usize, line: &BankLine, statements: &[StatementState], found: &mut Found) {
    let refused = statements.iter().find(|x| x.refused && of_refused(line, x));
    let torn: Vec<&str> =
        s.doubts.part_of(l).filter_map(|i| s.w.items.get(i)).map(|x| x.id.as_str()).collect();
    let also = match refused {
        Some(x) => {
            format!(" that was taken: it is of statement {}, which does not foot and is refused whole", x.id)
        }
        None if torn.is_empty() => String::new(),
        None => format!(
            " alone; it may be a part of {}, which was not searched among so many lines",
            torn.join(" or ")
        ),
    };
    found.note(
        Reason::OursOnly,
        line.amount,
        refused.map(|x| x.id.clone()).into_iter().chain([line.id.clone()]).collect(),
        format!("the bank line of {} fits no payout or statement{also}", line.date),
        vec![(format!("arrived as {}", line.id), line.amount.minor())],
        line.amount.minor(),
    );
}

/// The line is what a refused statement would have sent: it names it, or is its amount.
fn of_refused(line: &BankLine, s: &StatementState) -> bool {
    let text = squeeze(line.text.as_deref().unwrap_or_default());
    let names = std::iter::once(&s.id).chain(&s.trace).map(|r| squeeze(r));
    s.converted.unwrap_or(s.total) == line.amount
        || names.into_iter().any(|r| r.len() >= 5 && text.contains(&r))
}
