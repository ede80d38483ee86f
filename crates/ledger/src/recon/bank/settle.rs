//! What the links say: states of lines, statements and payouts, and the differences that remain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::Money;

use super::covering::Doubts;
use super::{BankState, Banking, Conversion, Item, Mismatch, Taken, Work};
use crate::facts::{BankLine, Facts};
use crate::recon::foot::{PayoutState, StatementState};
use crate::recon::{Event, Found, Match, Reason, ReconError, business_days, squeeze};

#[allow(clippy::too_many_arguments)]
pub(super) fn finish(
    w: &Work<'_>,
    doubts: &Doubts,
    mismatch: &[Mismatch],
    statements: &mut [StatementState],
    payouts: &mut [PayoutState],
    facts: &Facts,
    as_of: Date,
    found: &mut Found,
) -> Result<Banking, ReconError> {
    let mut out = Banking::default();
    let parts = parts(w)?;
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
            let crossed = items.iter().any(|i| i.expect.currency() != c);
            let expect: i64 =
                items.iter().filter(|i| i.expect.currency() == c).map(|i| i.expect.minor()).sum();
            let others: Vec<usize> = others(w, l, linked);
            let brought = others
                .iter()
                .filter_map(|k| w.lines.get(*k))
                .fold(line.amount.minor(), |s, x| s.saturating_add(x.amount.minor()));
            // What several lines of one transfer leave of it is told with the last of them.
            let last = others.iter().all(|k| *k < l);
            let residual = if crossed || split && !last { 0 } else { brought.saturating_sub(expect) };
            let rule = w.rule.get(l).copied().unwrap_or_default();
            if rule == "tolerance" {
                out.tolerated.insert(l);
            }
            if residual != 0 && rule == "tolerance" {
                found.add(
                    Reason::Rounding,
                    Money::from_minor(residual, c),
                    state.matched_to.iter().cloned().chain([line.id.clone()]).collect(),
                    format!(
                        "{} arrived against {}: within the rounding of the policy",
                        Money::from_minor(brought, c),
                        Money::from_minor(expect, c)
                    ),
                    vec![("arrived".to_owned(), brought), ("sent".to_owned(), expect.saturating_neg())],
                );
            }
            let mut evidence = vec![("arrived".to_owned(), line.amount.minor())];
            if crossed {
                let names = state.matched_to.join(" + ");
                evidence.push((
                    format!("by its value in this currency {names}"),
                    line.amount.minor().saturating_neg(),
                ));
            } else if split && !last && brought != expect {
                evidence.push((
                    format!("its part of {}", state.matched_to.join(" + ")),
                    line.amount.minor().saturating_neg(),
                ));
            } else {
                // Of a transfer in several lines: the other lines beside this one, against all that was sent.
                evidence.extend(
                    others
                        .iter()
                        .filter_map(|k| w.lines.get(*k))
                        .map(|x| (format!("arrived as {}", x.id), x.amount.minor())),
                );
                evidence.extend(
                    items.iter().map(|i| (format!("sent as {}", i.id), i.expect.minor().saturating_neg())),
                );
            }
            out.matches.push(Match {
                rule,
                left: vec![line.id.clone()],
                right: state.matched_to.clone(),
                amount: line.amount,
                residual: Money::from_minor(residual, c),
                evidence,
                date: line.date,
            });
            let arrivals = arrivals(w, line.amount, linked)?;
            let mut taken = Vec::new();
            for (i, item) in linked.iter().filter_map(|i| w.items.get(*i).map(|x| (*i, x))) {
                let sent = parts.get(&(l, i)).copied().unwrap_or(item.sent);
                let arrived = match (item.sent.currency() != c, item.expect.currency() == c) {
                    (false, _) => None,
                    (true, _) if items.len() == 1 => Some(line.amount),
                    (true, true) => Some(item.expect),
                    (true, false) => arrivals.get(&i).copied(),
                };
                taken.push(Taken { provider: item.provider, account: item.account.clone(), sent, arrived });
                if let Some(arrived) = arrived {
                    out.conversions.push(Conversion {
                        at: l,
                        line: line.id.clone(),
                        item: item.id.clone(),
                        provider: item.provider,
                        account: item.account.clone(),
                        sent,
                        arrived,
                        date: item.date.unwrap_or(line.date),
                    });
                }
            }
            out.taken.insert(l, taken);
        } else if let Some(sets) = doubts.lines.get(&l) {
            state.state = "Ambiguous";
            state.candidates.clone_from(sets);
            ambiguous(line, sets, found);
        } else if let Some(open) = doubts.unsearched.get(&l) {
            state.state = "Ambiguous";
            unsearched(w, line, open, found);
        } else if let Some(m) = mismatch.iter().find(|m| m.lines.contains(&l)) {
            // Once for all its lines.
            if m.lines.first() == Some(&l) {
                unequal(w, m, found);
            }
        } else {
            let torn: Vec<&str> =
                doubts.part_of(l).filter_map(|i| w.items.get(i)).map(|x| x.id.as_str()).collect();
            let also = if torn.is_empty() {
                String::new()
            } else {
                format!(
                    " alone; it may be a part of {}, which was not searched among so many lines",
                    torn.join(" or ")
                )
            };
            let refused = statements.iter().find(|s| s.refused && of_refused(line, s));
            let also = match refused {
                Some(s) => format!(
                    " that was taken: it is of statement {}, which does not foot and is refused whole",
                    s.id
                ),
                None => also,
            };
            found.note(
                Reason::OursOnly,
                line.amount,
                refused.map(|s| s.id.clone()).into_iter().chain([line.id.clone()]).collect(),
                format!("the bank line of {} fits no payout or statement{also}", line.date),
                vec![(format!("arrived as {}", line.id), line.amount.minor())],
                line.amount.minor(),
            );
        }
        out.lines.push(state);
    }
    let near_items: BTreeMap<usize, i64> =
        mismatch.iter().flat_map(|m| m.items.iter().map(|i| (*i, off(w, m)))).collect();
    for (i, item) in w.items.iter().enumerate() {
        let lines: Vec<&BankLine> =
            w.line_of.get(i).into_iter().flatten().filter_map(|l| w.lines.get(*l)).collect();
        let last = lines.iter().map(|l| l.date).max();
        let late = item.date.is_some_and(|d| business_days(d, as_of) > w.policy.bank_days_after);
        // It may be here, in lines that were not searched, or in one that others fit too: nobody says that it is missing.
        let torn = doubts.torn.get(&i);
        let foots = item.statement.and_then(|s| statements.get(s)).is_none_or(|s| s.foots)
            && item.payout.and_then(|p| payouts.get(p)).is_none_or(|p| p.foots);
        let state = if item.reference_only {
            None
        } else if !lines.is_empty() && !foots {
            // The money is here, and what it is made of is not known.
            Some("Settled")
        } else if !lines.is_empty() {
            Some("Reconciled")
        } else if let Some(off) = near_items.get(&i) {
            Some(if *off < 0 { "Under" } else { "Over" })
        } else if late && item.due && facts.has("bank") && !doubts.items.contains(&i) && torn.is_none() {
            Some("Missing")
        } else {
            None
        };
        if item.due
            && lines.is_empty()
            && !near_items.contains_key(&i)
            && facts.has("bank")
            && !doubts.items.contains(&i)
        {
            let reason = match (late, torn) {
                (false, _) => Reason::Timing,
                (true, None) => Reason::ProviderOnly,
                (true, Some(_)) => Reason::Ambiguous,
            };
            let why = match (late, torn) {
                (false, _) => format!("{} for {} is on its way to the bank", item.expect, item.id),
                (true, None) => {
                    format!(
                        "{} was sent for {} and has not reached the bank by {as_of}",
                        item.expect, item.id
                    )
                }
                (true, Some(parts)) => format!(
                    "no line alone is the {} of {}, and {} lines may be parts of it: {}. Pin its lines in a decision",
                    item.expect,
                    item.id,
                    parts.len(),
                    bound(parts.len(), w.policy.max_candidates)
                ),
            };
            let evidence = vec![(format!("sent as {}", item.id), item.expect.minor())];
            found.add(reason, item.expect, vec![item.id.clone()], why, evidence);
        }
        let ids: Vec<String> = lines.iter().map(|l| l.id.clone()).collect();
        let mut timeline: Vec<Event> =
            // A line may be a day ahead of the arrival that its payout names.
            item.date
                .map(|d| Event { at: last.map_or(d, |l| d.min(l)).to_string(), state: "Expected" })
                .into_iter()
                .collect();
        if let (Some(d), Some(state @ ("Reconciled" | "Settled"))) = (last, state) {
            timeline.push(Event { at: d.to_string(), state });
        } else if let (Some("Missing"), Some(d)) = (state, item.date) {
            let mut due = d;
            while business_days(d, due) <= w.policy.bank_days_after {
                due = due.tomorrow().unwrap_or(Date::MAX);
            }
            timeline.push(Event { at: due.to_string(), state: "Missing" });
        }
        if let Some(s) = item.statement.and_then(|s| statements.get_mut(s)) {
            s.bank.clone_from(&ids);
            s.arrived = last;
            s.state = state.unwrap_or(if s.failed { "Returned" } else { s.state });
            if s.failed {
                timeline.push(Event { at: s.end.unwrap_or(as_of).to_string(), state: "Returned" });
            }
            s.timeline.clone_from(&timeline);
        }
        if let Some(p) = item.payout.and_then(|p| payouts.get_mut(p)) {
            p.bank = ids;
            p.arrived = last;
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
    if facts.has("bank") {
        beyond_doubt(w, doubts, as_of, found);
    }
    without_lines(w, statements, payouts);
    Ok(out)
}

/// Which of the transfers in doubt have arrived nobody says, and how much of them together has not is sure: what they are beyond the
/// lines that they could be.
fn beyond_doubt(w: &Work<'_>, doubts: &Doubts, as_of: Date, found: &mut Found) {
    for (lines, items) in doubts.groups() {
        let items: Vec<&Item> = items
            .iter()
            .filter(|i| w.open_item(**i))
            .filter_map(|i| w.items.get(*i))
            .filter(|x| x.due && !x.reference_only && x.expect.is_positive())
            .collect();
        let lines: Vec<&BankLine> = lines.iter().filter_map(|l| w.lines.get(*l)).collect();
        let Some(c) = items.first().map(|x| x.expect.currency()) else { continue };
        let late = |x: &Item| x.date.is_some_and(|d| business_days(d, as_of) > w.policy.bank_days_after);
        let sum = |list: &[&Item]| list.iter().fold(0_i64, |s, x| s.saturating_add(x.expect.minor()));
        let came = lines
            .iter()
            .filter(|x| x.amount.is_positive())
            .fold(0_i64, |s, x| s.saturating_add(x.amount.minor()));
        let overdue: Vec<&Item> = items.iter().copied().filter(|x| late(x)).collect();
        let missing = sum(&overdue).saturating_sub(came).max(0);
        // What came may be of those that are late, as far as they go; the rest of it is of the others.
        let rest = sum(&items).saturating_sub(came).max(0).saturating_sub(missing);
        let waiting: Vec<&Item> =
            if missing > 0 { items.iter().copied().filter(|x| !late(x)).collect() } else { items };
        for (reason, minor, of) in
            [(Reason::ProviderOnly, missing, &overdue), (Reason::Timing, rest, &waiting)]
        {
            if minor == 0 {
                continue;
            }
            let mut evidence: Vec<(String, i64)> =
                of.iter().map(|x| (format!("sent as {}", x.id), x.expect.minor())).collect();
            evidence.push((
                "arrived, at most".to_owned(),
                minor.saturating_sub(of.iter().fold(0_i64, |s, x| s.saturating_add(x.expect.minor()))),
            ));
            let why = format!(
                "of {} transfers together {} has not reached the bank by {as_of}: they are {}, and at most {} of them are {}",
                of.len(),
                Money::from_minor(minor, c),
                Money::from_minor(sum(of), c),
                Money::from_minor(sum(of).saturating_sub(minor), c),
                lines.iter().map(|x| x.id.as_str()).collect::<Vec<_>>().join(", ")
            );
            let records = of.iter().map(|x| x.id.clone()).chain(lines.iter().map(|x| x.id.clone()));
            found.add(reason, Money::from_minor(minor, c), records.collect(), why, evidence);
        }
    }
}

/// Documents to which no bank line of their own is due.
fn without_lines(w: &Work<'_>, statements: &mut [StatementState], payouts: &mut [PayoutState]) {
    let nothing = |at: Option<Date>| -> Vec<Event> {
        let at = at.map(|d| d.to_string());
        at.into_iter()
            .flat_map(|at| [("Expected", at.clone()), ("Reconciled", at)])
            .map(|(state, at)| Event { at, state })
            .collect()
    };
    for p in payouts.iter_mut().filter(|p| p.amount.is_zero() && p.foots && !p.void && !p.failed) {
        p.state = "Reconciled";
        p.timeline = nothing(p.arrival.or(p.last_member));
    }
    let sent: BTreeSet<usize> = w.items.iter().filter_map(|i| i.statement).collect();
    for (i, s) in statements.iter_mut().enumerate().filter(|(_, s)| !s.refused && !s.failed) {
        if s.paid_by_payout {
            // It stands where its payouts stand.
            let of = |p: &&PayoutState| p.provider == s.provider && p.account == s.account;
            let mut mine: Vec<&PayoutState> = payouts
                .iter()
                .filter(of)
                .filter(|p| p.group.as_deref() == Some(s.id.as_str()) || p.id == s.id)
                .collect();
            if mine.is_empty() {
                // Payouts that are rows of it, where they take everything that it made.
                let listed = |p: &&PayoutState| {
                    p.listed_in.as_deref() == Some(s.id.as_str()) && p.amount.currency() == s.total.currency()
                };
                mine = payouts.iter().filter(of).filter(listed).collect();
                let out = mine.iter().fold(0_i64, |sum, p| sum.saturating_add(p.amount.minor()));
                let made = s.activity.minor().saturating_add(s.reserve_before.minor());
                if s.stays || out != made.saturating_sub(s.reserve_after.minor()) {
                    mine.clear();
                }
            }
            s.bank = mine.iter().flat_map(|p| p.bank.iter().cloned()).collect();
            s.arrived = mine.iter().filter_map(|p| p.arrived).max();
            let arrived = !mine.is_empty() && mine.iter().all(|p| p.state == "Reconciled");
            s.state = if arrived && s.foots { "Reconciled" } else { "Settled" };
        } else if s.foots && s.total.is_zero() {
            s.state = "Reconciled";
            s.timeline = nothing(s.end);
        } else if s.foots && !sent.contains(&i) {
            // A balance, which stays with the provider.
            s.state = "Settled";
        }
    }
    // What was carried into a later statement is where that one is.
    let carried: Vec<(usize, bool)> = statements
        .iter()
        .enumerate()
        .filter(|(_, s)| !s.refused && !s.failed && s.foots)
        .filter_map(|(i, s)| {
            let mut next = s;
            let mut left = statements.len();
            while let Some(into) = next.carried_into.as_deref().filter(|_| left > 0) {
                next = statements.iter().find(|x| {
                    x.id == into
                        && x.provider == s.provider
                        && x.account == s.account
                        && x.total.currency() == s.total.currency()
                })?;
                left -= 1;
            }
            s.carried_into.as_ref().map(|_| (i, next.state == "Reconciled"))
        })
        .collect();
    for (i, done) in carried {
        if let Some(s) = statements.get_mut(i) {
            s.state = if done { "Reconciled" } else { "Settled" };
        }
    }
}

/// Why a set was not searched for.
fn bound(n: usize, most: usize) -> String {
    if n > most {
        format!("more than {most} candidates; not searched")
    } else {
        format!("{n} candidates; the search was given up")
    }
}

/// The line is what a refused statement would have sent: it names it, or is its amount.
fn of_refused(line: &BankLine, s: &StatementState) -> bool {
    let text = squeeze(line.text.as_deref().unwrap_or_default());
    let names = std::iter::once(&s.id).chain(&s.trace).map(|r| squeeze(r));
    s.converted.unwrap_or(s.total) == line.amount
        || names.into_iter().any(|r| r.len() >= 5 && text.contains(&r))
}

/// The other lines of the transfers of a line.
fn others(w: &Work<'_>, l: usize, linked: &[usize]) -> Vec<usize> {
    let all: BTreeSet<usize> =
        linked.iter().filter_map(|i| w.line_of.get(*i)).flatten().copied().filter(|k| *k != l).collect();
    all.into_iter().collect()
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

/// What arrived less what was sent.
fn off(w: &Work<'_>, m: &Mismatch) -> i64 {
    let arrived = m.lines.iter().filter_map(|l| w.lines.get(*l));
    arrived.fold(0_i64, |s, x| s.saturating_add(x.amount.minor())).saturating_sub(w.expect(&m.items))
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

/// A line that a user pinned to several transfers of one other currency: each brought a part of what their own amounts in this
/// currency leave of the line, in proportion to what was sent.
fn arrivals(w: &Work<'_>, amount: Money, linked: &[usize]) -> Result<BTreeMap<usize, Money>, ReconError> {
    let c = amount.currency();
    let items = || linked.iter().filter_map(|i| w.items.get(*i).map(|x| (*i, x)));
    let open: Vec<(usize, &Item)> = items().filter(|(_, x)| x.expect.currency() != c).collect();
    if open.len() < 2 {
        return Ok(BTreeMap::new());
    }
    let known = items().filter(|(_, x)| x.expect.currency() == c);
    let rest = known.fold(amount.minor(), |s, (_, x)| s.saturating_sub(x.expect.minor()));
    let weights: Vec<_> = open.iter().map(|(_, x)| x.sent.decimal().abs()).collect();
    let shares = Money::from_minor(rest, c).allocate(&weights).map_err(|e| {
        ReconError::Range(format!("{amount} cannot be shared over {} transfers: {e}", open.len()))
    })?;
    Ok(open.into_iter().map(|(i, _)| i).zip(shares).collect())
}

/// A transfer that arrived in several lines: each takes a part of what was sent, in proportion to what it brought (largest
/// remainder), so that the parts are the transfer. Where no currency is crossed, a line's part is its own amount.
fn parts(w: &Work<'_>) -> Result<BTreeMap<(usize, usize), Money>, ReconError> {
    let mut out = BTreeMap::new();
    for (i, item) in w.items.iter().enumerate() {
        let lines: Vec<(usize, &BankLine)> =
            w.line_of.get(i).into_iter().flatten().filter_map(|l| w.lines.get(*l).map(|x| (*l, x))).collect();
        if lines.len() < 2 {
            continue;
        }
        if lines.iter().all(|(_, x)| x.amount.currency() == item.sent.currency()) {
            // What a pin leaves of it is the last line's, as of a transfer in one line.
            let sum = lines.iter().fold(0_i64, |s, (_, x)| s.saturating_add(x.amount.minor()));
            let rest = item.sent.minor().saturating_sub(sum);
            out.extend(lines.iter().enumerate().map(|(n, (l, x))| {
                let own = if n + 1 == lines.len() { rest } else { 0 };
                let part = Money::from_minor(x.amount.minor().saturating_add(own), x.amount.currency());
                ((*l, i), part)
            }));
            continue;
        }
        let weights: Vec<_> = lines.iter().map(|(_, x)| x.amount.decimal().abs()).collect();
        let shares = item.sent.allocate(&weights).map_err(|e| {
            ReconError::Range(format!(
                "transfer {} cannot be shared over its {} lines: {e}",
                item.id,
                lines.len()
            ))
        })?;
        out.extend(lines.iter().zip(shares).map(|((l, _), share)| ((*l, i), share)));
    }
    Ok(out)
}
