//! What the links say: states of lines, statements and payouts, and the differences that remain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::Money;

use super::{BankState, Banking, Conversion, Item, Taken, Work};
use crate::facts::{BankLine, Facts};
use crate::recon::foot::{PayoutState, StatementState};
use crate::recon::{Event, Found, Match, Reason, ReconError, business_days};

#[allow(clippy::too_many_arguments)]
pub(super) fn finish(
    w: &Work<'_>,
    candidates: &BTreeMap<usize, Vec<Vec<String>>>,
    mismatch: &[(usize, Vec<usize>)],
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
            let expect: i64 =
                items.iter().filter(|i| i.expect.currency() == c).map(|i| i.expect.minor()).sum();
            let residual = if split || items.iter().any(|i| i.expect.currency() != c) {
                0
            } else {
                line.amount.minor().saturating_sub(expect)
            };
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
                        line.amount,
                        Money::from_minor(expect, c)
                    ),
                    vec![
                        ("arrived".to_owned(), line.amount.minor()),
                        ("sent".to_owned(), expect.saturating_neg()),
                    ],
                );
            }
            let crossed = items.iter().any(|i| i.expect.currency() != c);
            let mut evidence = vec![("arrived".to_owned(), line.amount.minor())];
            if crossed {
                let names = state.matched_to.join(" + ");
                evidence.push((
                    format!("by its value in this currency {names}"),
                    line.amount.minor().saturating_neg(),
                ));
            } else {
                // Of a transfer in several lines: the other lines beside this one, against all that was sent.
                let others: BTreeSet<usize> = linked
                    .iter()
                    .filter_map(|i| w.line_of.get(*i))
                    .flatten()
                    .copied()
                    .filter(|k| *k != l)
                    .collect();
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
                vec![(format!("arrived as {}", line.id), line.amount.minor())],
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
        } else {
            found.note(
                Reason::OursOnly,
                line.amount,
                vec![line.id.clone()],
                format!("the bank line of {} fits no payout or statement", line.date),
                vec![(format!("arrived as {}", line.id), line.amount.minor())],
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
            let evidence = vec![(format!("sent as {}", item.id), item.expect.minor())];
            found.add(reason, item.expect, vec![item.id.clone()], why, evidence);
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
        s.arrived = mine.iter().filter_map(|p| p.arrived).max();
        s.state = if !mine.is_empty() && mine.iter().all(|p| p.state == "Reconciled") {
            "Reconciled"
        } else {
            "Settled"
        };
    }
    Ok(out)
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
            out.extend(lines.iter().map(|(l, x)| ((*l, i), x.amount)));
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
