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

/// What a statement says of itself, in minor units.
struct Claim {
    /// The balance before; zero where none is stated.
    opening: i64,
    /// The total, or the balance at the end where there is none.
    total: i64,
    /// It is a total: which may be with or without the balance before, and with or without the transfer to the bank.
    is_total: bool,
    /// What the balances say that moved, where both stand beside a total: the rows must lead from one to the other as well.
    moves: Option<i64>,
}

impl Claim {
    fn of(s: &Statement) -> Claim {
        let opening = s.opening.map_or(0, Money::minor);
        Claim {
            opening,
            total: s.total.or(s.closing).map_or(0, Money::minor),
            is_total: s.total.is_some(),
            moves: s.total.and(s.opening).and(s.closing).map(|c| c.minor().saturating_sub(opening)),
        }
    }

    /// Rows that sum to `sum`, and to `without` the transfer to the bank, make what is claimed.
    fn is_met(&self, sum: i64, without: i64) -> bool {
        let with_before = |m: i64| m.saturating_add(self.opening);
        if self.moves.is_some_and(|m| m != sum && m != without && with_before(m) != self.total) {
            return false;
        }
        if self.is_total {
            [sum, with_before(sum), without, with_before(without)].contains(&self.total)
        } else {
            with_before(sum) == self.total
        }
    }
}

/// The rows of a statement, by their places.
struct Listed<'a> {
    list: &'a [usize],
    rows: &'a mut [Row],
}

impl Listed<'_> {
    fn iter(&self) -> impl Iterator<Item = &Row> {
        self.list.iter().filter_map(|i| self.rows.get(*i))
    }

    fn each(&mut self, mut change: impl FnMut(&mut Row)) {
        for i in self.list {
            if let Some(r) = self.rows.get_mut(*i) {
                change(r);
            }
        }
    }

    /// Those that are kept make what is claimed.
    fn meet(&self, claim: &Claim, keep: impl Fn(&Row) -> bool) -> bool {
        let sum = total_of(self.iter(), &keep);
        let without = total_of(self.iter(), |r| keep(r) && !r.is(Class::Payout));
        claim.is_met(sum, without)
    }

    /// The total knows whether repeated rows are real. Where neither without them nor with them the rows make it, they stay as they
    /// were.
    fn meet_by_copies(&mut self, claim: &Claim) -> bool {
        if self.iter().all(|r| r.copy == 0) {
            return false;
        }
        let before: Vec<bool> = self.iter().map(|r| r.dropped).collect();
        for drop in [true, false] {
            self.each(|r| r.dropped = r.copy > 0 && drop);
            if self.meet(claim, |r| !r.dropped) {
                return true;
            }
        }
        let mut before = before.into_iter();
        self.each(|r| r.dropped = before.next().unwrap_or(r.dropped));
        false
    }

    /// Another version of the document came later: its rows are not this one's, if those of the first make the total.
    fn meet_by_first_version(&mut self, claim: &Claim) -> bool {
        let first = self.iter().map(|r| r.tx.origin.arrival).min().unwrap_or(0);
        let met = self.meet(claim, |r| !r.dropped && r.tx.origin.arrival == first);
        if met {
            self.each(|r| r.dropped = r.dropped || r.tx.origin.arrival != first);
        }
        met
    }
}

/// Holds a statement against its rows, which are refused whole where they do not make it. `conflicted`: another version of it was
/// refused.
pub(super) fn foot(
    s: &Statement,
    conflicted: bool,
    list: &[usize],
    rows: &mut [Row],
    found: &mut Found,
) -> StatementState {
    let c = s.currency;
    let claim = Claim::of(s);
    let mut listed = Listed { list, rows };
    let sum = total_of(listed.iter(), |r| !r.dropped);
    let foots = listed.meet(&claim, |r| !r.dropped)
        || listed.meet_by_copies(&claim)
        || conflicted && listed.meet_by_first_version(&claim);
    let refused = !foots && !list.is_empty();
    let shown = if foots { claim.total } else { short_of(&claim, sum) };
    if !foots {
        tell(s, &claim, shown, &listed, found);
    }
    if refused {
        listed.each(|r| r.refused = true);
    }
    let moved = Moved::by(listed.iter().filter(|r| !r.dropped));
    let day = |m: &Option<Moment>| m.as_ref().map(Moment::day);
    StatementState {
        id: s.id.clone(),
        provider: s.provider,
        account: s.account.clone(),
        sum: Money::from_minor(shown, c),
        total: Money::from_minor(claim.total, c),
        foots,
        activity: Money::from_minor(moved.activity, c),
        reserve_before: Money::from_minor(moved.released, c),
        reserve_after: Money::from_minor(moved.held, c),
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

/// What rows that sum to `sum` make instead of the total.
fn short_of(claim: &Claim, sum: i64) -> i64 {
    let shown = if claim.is_total { sum } else { sum.saturating_add(claim.opening) };
    if shown == claim.total {
        // The total holds and the balances do not: the difference is theirs.
        claim.total.saturating_sub(claim.moves.unwrap_or(0).saturating_sub(sum))
    } else {
        shown
    }
}

/// Tells that the rows make `shown`, and with the rows where they are not very many.
fn tell(s: &Statement, claim: &Claim, shown: i64, listed: &Listed<'_>, found: &mut Found) {
    let money = |m: i64| Money::from_minor(m, s.currency);
    let off = money(claim.total.saturating_sub(shown));
    let mut records = vec![s.id.clone()];
    if listed.list.len() <= 50 {
        records.extend(listed.iter().map(|r| r.tx.id.clone()));
    }
    let why = cause(off.minor(), shown, claim.total, listed.iter());
    found.note(
        Reason::NotFooting,
        off,
        records,
        format!(
            "statement {}: the rows sum to {}, {} is stated, {off} is missing{} Likeliest cause: {why}.",
            s.id,
            money(shown),
            money(claim.total),
            if listed.list.is_empty() { "." } else { ": refused whole." }
        ),
        vec![("total".to_owned(), claim.total), ("sum of the rows".to_owned(), shown.saturating_neg())],
        off.minor(),
    );
}

/// What the rows of a statement moved, in minor units; the transfer to the bank is none of it.
#[derive(Default)]
struct Moved {
    /// Reserve from before.
    released: i64,
    /// Reserve at the end.
    held: i64,
    activity: i64,
}

impl Moved {
    fn by<'a>(rows: impl Iterator<Item = &'a Row>) -> Moved {
        let mut out = Moved::default();
        for p in rows.flat_map(|r| &r.parts) {
            let m = p.amount.minor();
            match p.class {
                Some(Class::Reserve) if m > 0 => out.released = out.released.saturating_add(m),
                Some(Class::Reserve) => out.held = out.held.saturating_sub(m),
                Some(Class::Payout) => {}
                _ => out.activity = out.activity.saturating_add(m),
            }
        }
        out
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
