//! One statement against its own total.

use tradewind_domain::Money;

use super::{StatementState, failed};
use crate::facts::{Moment, Statement};
use crate::import::Class;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

pub(super) fn total_of<'a>(list: impl IntoIterator<Item = &'a Row>, keep: impl Fn(&Row) -> bool) -> i64 {
    list.into_iter().filter(|r| keep(r)).fold(0_i64, |s, r| s.saturating_add(r.net.minor()))
}

pub(super) fn foot(
    s: &Statement,
    conflicted: bool,
    list: &[usize],
    rows: &mut [Row],
    found: &mut Found,
) -> StatementState {
    let c = s.currency;
    let opening = s.opening.map_or(0, Money::minor);
    let total = s.total.map_or_else(|| s.closing.map_or(0, Money::minor), Money::minor);
    let pick = |rows: &[Row], f: &dyn Fn(&Row) -> bool| total_of(list.iter().filter_map(|i| rows.get(*i)), f);
    // The sum that a total can mean: of all rows; with the balance before; without the transfer to the bank.
    // Where both balances are stated beside a total, the rows must lead from one to the other as well.
    let moves = s.total.and(s.opening).and(s.closing).map(|c| c.minor().saturating_sub(opening));
    let fits = |sum: i64, without: i64| -> Option<i64> {
        if moves.is_some_and(|m| m != sum && m != without && m.saturating_add(opening) != total) {
            return None;
        }
        let mut ways = Vec::new();
        if s.total.is_some() {
            ways.extend([sum, sum.saturating_add(opening), without, without.saturating_add(opening)]);
        } else {
            ways.push(sum.saturating_add(opening));
        }
        ways.into_iter().find(|w| *w == total)
    };
    let sums =
        |rows: &[Row]| (pick(rows, &|r| !r.dropped), pick(rows, &|r| !r.dropped && !r.is(Class::Payout)));
    let (sum, without) = sums(rows);
    let mut way = fits(sum, without);
    if way.is_none() && list.iter().filter_map(|i| rows.get(*i)).any(|r| r.copy > 0) {
        // The total knows whether repeated rows are real.
        for drop in [true, false] {
            let before: Vec<bool> = list.iter().filter_map(|i| rows.get(*i)).map(|r| r.dropped).collect();
            for i in list {
                if let Some(r) = rows.get_mut(*i) {
                    r.dropped = r.copy > 0 && drop;
                }
            }
            let (a, b) = sums(rows);
            way = fits(a, b);
            if way.is_some() {
                break;
            }
            for (i, was) in list.iter().zip(before) {
                if let Some(r) = rows.get_mut(*i) {
                    r.dropped = was;
                }
            }
        }
    }
    if way.is_none() && conflicted {
        // Another version of the document came later: its rows are not this one's.
        let first = list.iter().filter_map(|i| rows.get(*i)).map(|r| r.tx.origin.arrival).min().unwrap_or(0);
        let early = |r: &Row| !r.dropped && r.tx.origin.arrival == first;
        way = fits(pick(rows, &early), pick(rows, &|r| early(r) && !r.is(Class::Payout)));
        if way.is_some() {
            for i in list {
                if let Some(r) = rows.get_mut(*i) {
                    r.dropped = r.dropped || r.tx.origin.arrival != first;
                }
            }
        }
    }
    let foots = way.is_some();
    let mut shown = way.unwrap_or_else(|| if s.total.is_some() { sum } else { sum.saturating_add(opening) });
    if !foots && shown == total {
        // The total holds and the balances do not: the difference is theirs.
        shown = total.saturating_sub(moves.unwrap_or(0).saturating_sub(sum));
    }
    let refused = !foots && !list.is_empty();
    if !foots {
        let off = Money::from_minor(total.saturating_sub(shown), c);
        let mut records = vec![s.id.clone()];
        if list.len() <= 50 {
            records.extend(list.iter().filter_map(|i| rows.get(*i)).map(|r| r.tx.id.clone()));
        }
        let why = cause(off.minor(), shown, total, list.iter().filter_map(|i| rows.get(*i)));
        found.note(
            Reason::NotFooting,
            off,
            records,
            format!(
                "statement {}: the rows sum to {}, {} is stated, {off} is missing{} Likeliest cause: {why}.",
                s.id,
                Money::from_minor(shown, c),
                Money::from_minor(total, c),
                if refused { ": refused whole." } else { "." }
            ),
            vec![("total".to_owned(), total), ("sum of the rows".to_owned(), shown.saturating_neg())],
            off.minor(),
        );
    }
    if refused {
        for i in list {
            if let Some(r) = rows.get_mut(*i) {
                r.refused = true;
            }
        }
    }
    let (mut before, mut after, mut activity) = (0_i64, 0_i64, 0_i64);
    for r in list.iter().filter_map(|i| rows.get(*i)).filter(|r| !r.dropped) {
        for p in &r.parts {
            let m = p.amount.minor();
            match p.class {
                Some(Class::Reserve) if m > 0 => before = before.saturating_add(m),
                Some(Class::Reserve) => after = after.saturating_sub(m),
                Some(Class::Payout) => {}
                _ => activity = activity.saturating_add(m),
            }
        }
    }
    let day = |m: &Option<Moment>| m.as_ref().map(Moment::day);
    StatementState {
        id: s.id.clone(),
        provider: s.provider,
        account: s.account.clone(),
        sum: Money::from_minor(shown, c),
        total: Money::from_minor(total, c),
        foots,
        activity: Money::from_minor(activity, c),
        reserve_before: Money::from_minor(before, c),
        reserve_after: Money::from_minor(after, c),
        bank: Vec::new(),
        arrived: None,
        state: if refused { "Refused" } else { "Expected" },
        timeline: Vec::new(),
        converted: s.converted,
        deposit: s.deposit,
        trace: s.trace.clone(),
        failed: s.transfer_status.as_deref().is_some_and(failed),
        refused,
        paid_by_payout: false,
        stays: s.closing.is_some_and(|m| !m.is_zero()),
        carried_into: None,
        end: s.deposit.or(day(&s.to)).or(day(&s.from)),
        gap: Money::zero(c),
        first: false,
    }
}

pub(super) fn cause<'a>(off: i64, sum: i64, total: i64, rows: impl Iterator<Item = &'a Row>) -> String {
    let rows: Vec<&Row> = rows.collect();
    if rows.is_empty() {
        return "no row of the statement is here".to_owned();
    }
    if sum != 0 && (total == sum.saturating_mul(100) || sum == total.saturating_mul(100)) {
        return "decimal mark or scale: the two differ by a factor of one hundred".to_owned();
    }
    if let Some(r) = rows.iter().find(|r| r.net.minor() == off.saturating_neg()) {
        return format!("row {} stands twice or does not belong here", r.tx.id);
    }
    if let Some(r) = rows.iter().find(|r| r.net.minor() != 0 && r.net.minor().saturating_mul(-2) == off) {
        return format!("the sign of row {}", r.tx.id);
    }
    "missing rows, or one amount was changed".to_owned()
}
