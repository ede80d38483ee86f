//! Foot first: a statement or payout that does not sum to its own total is refused whole, with the difference and the likeliest
//! cause. Then the chain of reserves.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::dedupe::Clean;
use super::parts::Row;
use super::{Event, Found, Reason};
use crate::facts::{Facts, Moment, Provider, Statement};
use crate::import::Class;

/// A statement and where it stands.
#[derive(Debug, Clone)]
pub struct StatementState {
    /// The provider's id.
    pub id: String,
    /// Who.
    pub provider: Provider,
    /// Our account at the provider.
    pub account: String,
    /// Σ of the rows, with the opening balance where the total has it.
    pub sum: Money,
    /// As stated.
    pub total: Money,
    /// `sum` is `total`.
    pub foots: bool,
    /// Rows that moved money, without reserves and what was carried forward.
    pub activity: Money,
    /// Reserve released from before.
    pub reserve_before: Money,
    /// Reserve held at the end.
    pub reserve_after: Money,
    /// Bank lines that it was paid by.
    pub bank: Vec<String>,
    /// State.
    pub state: &'static str,
    /// What happened.
    pub timeline: Vec<Event>,
    /// What the bank gets.
    pub converted: Option<Money>,
    /// Day of the transfer.
    pub deposit: Option<Date>,
    /// Bank trace.
    pub trace: Option<String>,
    /// The transfer came back.
    pub failed: bool,
    /// Its rows were not booked.
    pub refused: bool,
    /// A payout row or record pays it, so that it is no transfer itself.
    pub paid_by_payout: bool,
    /// Its total was carried into a later statement.
    pub carried_into: Option<String>,
    /// Last day covered.
    pub end: Option<Date>,
}

/// A payout and where it stands.
#[derive(Debug, Clone)]
pub struct PayoutState {
    /// The provider's id.
    pub id: String,
    /// Who.
    pub provider: Provider,
    /// Our account at the provider.
    pub account: String,
    /// As stated (or Σ of the members, where only they name it).
    pub amount: Money,
    /// Σ of the members, where there are any.
    pub sum: Option<Money>,
    /// `sum` is `amount`.
    pub foots: bool,
    /// The provider's words, in their order.
    pub history: Vec<String>,
    /// State.
    pub state: &'static str,
    /// What happened.
    pub timeline: Vec<Event>,
    /// Bank lines.
    pub bank: Vec<String>,
    /// What the bank gets.
    pub converted: Option<Money>,
    /// Arrival.
    pub arrival: Option<Date>,
    /// Bank trace.
    pub trace: Option<String>,
    /// Statement or common reference.
    pub group: Option<String>,
    /// It came back.
    pub failed: bool,
    /// It was called off before it left.
    pub void: bool,
    /// A row of the balance books the transfer.
    pub booked_by_row: bool,
    /// A row of the balance books its return.
    pub returned_by_row: bool,
    /// Last day of its members.
    pub last_member: Option<Date>,
}

/// A provider's word for money that came back.
#[must_use]
pub fn failed(status: &str) -> bool {
    let s = status.to_ascii_lowercase();
    ["fail", "return", "revers", "reject", "bounced"].iter().any(|w| s.contains(w))
}

fn void(status: &str) -> bool {
    let s = status.to_ascii_lowercase();
    s.contains("cancel") || s.contains("void")
}

type Doc = (Provider, String, String, Currency);

pub(super) fn run(
    clean: &Clean,
    rows: &mut [Row],
    facts: &Facts,
    found: &mut Found,
) -> (Vec<StatementState>, Vec<PayoutState>) {
    let mut members: BTreeMap<Doc, Vec<usize>> = BTreeMap::new();
    let mut paid: BTreeMap<Doc, Vec<usize>> = BTreeMap::new();
    for (i, r) in rows.iter().enumerate().filter(|(_, r)| r.tx.affects) {
        let of = |id: &str| (r.tx.provider, r.tx.account.clone(), id.to_owned(), r.net.currency());
        if let Some(s) = &r.tx.statement {
            members.entry(of(s)).or_default().push(i);
        }
        if let Some(p) = &r.tx.payout {
            paid.entry(of(p)).or_default().push(i);
        }
    }
    let mut statements: Vec<StatementState> = Vec::new();
    for (s, conflicted) in &clean.statements {
        let doc = (s.provider, s.account.clone(), s.id.clone(), s.currency);
        let list = members.get(&doc).map(Vec::as_slice).unwrap_or_default();
        statements.push(statement(s, *conflicted, list, rows, found));
    }
    for r in &facts.refused {
        let amount = r.difference.unwrap_or(Money::zero(Currency::EUR));
        found.note(
            Reason::NotFooting,
            amount,
            vec![r.file.clone()],
            r.message.clone(),
            Vec::new(),
            amount.minor(),
        );
    }
    chain(&mut statements, clean, rows, found);
    let payouts = payouts(clean, &paid, rows, &statements, found);
    for s in &mut statements {
        s.paid_by_payout = payouts.iter().any(|p| {
            p.provider == s.provider
                && p.account == s.account
                && (p.group.as_deref() == Some(s.id.as_str()) || p.id == s.id)
        }) || members
            .get(&(s.provider, s.account.clone(), s.id.clone(), s.total.currency()))
            .is_some_and(|m| {
                m.iter().filter_map(|i| rows.get(*i)).any(|r| r.is(Class::Payout) || r.tx.payout.is_some())
            });
    }
    (statements, payouts)
}

fn total_of<'a>(list: impl IntoIterator<Item = &'a Row>, keep: impl Fn(&Row) -> bool) -> i64 {
    list.into_iter().filter(|r| keep(r)).fold(0_i64, |s, r| s.saturating_add(r.net.minor()))
}

fn statement(
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
    let fits = |sum: i64, without: i64| -> Option<i64> {
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
    let shown = way.unwrap_or_else(|| if s.total.is_some() { sum } else { sum.saturating_add(opening) });
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
            format!("statement {}: the rows sum to {}, {} is stated, {off} is missing: {} Likeliest cause: {why}.", s.id, Money::from_minor(shown, c), Money::from_minor(total, c), if refused { "refused whole." } else { "" }),
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
        state: if refused { "Refused" } else { "Expected" },
        timeline: Vec::new(),
        converted: s.converted,
        deposit: s.deposit,
        trace: s.trace.clone(),
        failed: s.transfer_status.as_deref().is_some_and(failed),
        refused,
        paid_by_payout: false,
        carried_into: None,
        end: s.deposit.or(day(&s.to)).or(day(&s.from)),
    }
}

fn cause<'a>(off: i64, sum: i64, total: i64, rows: impl Iterator<Item = &'a Row>) -> String {
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

/// Reserves chain from statement to statement, and so do transfers that came back.
fn chain(statements: &mut [StatementState], clean: &Clean, rows: &mut [Row], found: &mut Found) {
    let mut by: BTreeMap<(Provider, String, Currency), Vec<usize>> = BTreeMap::new();
    for (i, s) in statements.iter().enumerate().filter(|(_, s)| !s.refused) {
        by.entry((s.provider, s.account.clone(), s.total.currency())).or_default().push(i);
    }
    let start =
        |i: usize| clean.statements.get(i).and_then(|(s, _)| s.from.as_ref().or(s.to.as_ref()).map(|m| m.at));
    for ((provider, ..), mut list) in by {
        list.sort_by(|a, b| {
            let k = |i: usize| (start(i), statements.get(i).map(|s| (s.end, s.id.clone())));
            k(*a).cmp(&k(*b))
        });
        let mut held: Option<(i64, String)> = None;
        let mut open: Option<usize> = None;
        for i in list {
            let Some(s) = statements.get(i) else { continue };
            let c = s.total.currency();
            if provider == Provider::Amazon {
                let (expected, from) = held.clone().unwrap_or((0, "no earlier statement".to_owned()));
                let gap = s.reserve_before.minor().saturating_sub(expected);
                if gap != 0 {
                    found.add(
                        Reason::ReserveChainGap,
                        Money::from_minor(gap, c),
                        vec![s.id.clone(), from.clone()].into_iter().filter(|r| held.is_some() || *r == s.id).collect(),
                        format!("statement {} releases {} of reserve, {from} held {}: a statement is missing or stands twice", s.id, s.reserve_before, Money::from_minor(expected, c)),
                        vec![("released".to_owned(), s.reserve_before.minor()), ("held before".to_owned(), expected.saturating_neg())],
                    );
                }
                held = Some((s.reserve_after.minor(), s.id.clone()));
            }
            // What a returned (or negative) transfer left behind comes back as opening balance or as a row.
            let (id, opening) =
                (s.id.clone(), clean.statements.get(i).and_then(|(s, _)| s.opening).map_or(0, Money::minor));
            if let Some(at) = open
                && let Some(left) =
                    statements.get(at).map(|s| (s.total.minor(), s.failed || s.total.is_negative()))
            {
                let mut carried = opening == left.0 && left.0 != 0;
                if !carried && left.1 {
                    for r in rows.iter_mut().filter(|r| {
                        r.tx.statement.as_deref() == Some(id.as_str())
                            && r.tx.provider == provider
                            && r.net.currency() == c
                            && r.net.minor() == left.0
                            && r.posts()
                    }) {
                        if matches!(r.main(), Some(Class::Transfer | Class::Payout) | None) && !carried {
                            r.carried = true;
                            carried = true;
                            if let Some(s) = statements.get_mut(i)
                                && r.main() != Some(Class::Payout)
                            {
                                s.activity = Money::from_minor(s.activity.minor().saturating_sub(left.0), c);
                            }
                        }
                    }
                }
                if carried && let Some(before) = statements.get_mut(at) {
                    before.carried_into = Some(id.clone());
                }
            }
            open = Some(i);
        }
        if let Some((after, id)) = held.filter(|(after, _)| *after != 0) {
            let c = statements.iter().find(|s| s.id == id).map_or(Currency::EUR, |s| s.total.currency());
            found.add(
                Reason::Reserve,
                Money::from_minor(after, c),
                vec![id.clone()],
                format!("held by {provider} at the end of statement {id}"),
                Vec::new(),
            );
        }
    }
    for s in statements.iter_mut().filter(|s| s.failed) {
        s.state = "Returned";
        let into = s.carried_into.clone();
        found.add(
            Reason::PayoutReturned,
            s.total,
            std::iter::once(s.id.clone()).chain(into.clone()).collect(),
            match into {
                Some(next) => format!(
                    "the transfer of {} for statement {} came back and is part of statement {next}",
                    s.total, s.id
                ),
                None => format!("the transfer of {} for statement {} came back", s.total, s.id),
            },
            Vec::new(),
        );
    }
}

fn payouts(
    clean: &Clean,
    paid: &BTreeMap<Doc, Vec<usize>>,
    rows: &[Row],
    statements: &[StatementState],
    found: &mut Found,
) -> Vec<PayoutState> {
    let mut out: Vec<PayoutState> = Vec::new();
    for (p, history) in &clean.payouts {
        out.push(PayoutState {
            id: p.id.clone(),
            provider: p.provider,
            account: p.account.clone(),
            amount: p.amount,
            sum: None,
            foots: true,
            history: history.clone(),
            state: "Expected",
            timeline: Vec::new(),
            bank: Vec::new(),
            converted: p.converted,
            arrival: p.arrival,
            trace: p.trace.clone(),
            group: p.group.clone(),
            failed: failed(&p.status),
            void: void(&p.status),
            booked_by_row: false,
            returned_by_row: false,
            last_member: None,
        });
    }
    // Payouts that only rows name: as members, or as the transfer itself.
    let known: std::collections::BTreeSet<(Provider, String, String)> =
        out.iter().map(|p| (p.provider, p.account.clone(), p.id.clone())).collect();
    let blank = |r: &Row, id: String, amount: Money| PayoutState {
        id,
        provider: r.tx.provider,
        account: r.tx.account.clone(),
        amount,
        sum: None,
        foots: true,
        history: Vec::new(),
        state: "Expected",
        timeline: Vec::new(),
        bank: Vec::new(),
        converted: None,
        arrival: None,
        trace: r.tx.source.clone().or(r.tx.refers_to.clone()),
        group: None,
        failed: false,
        void: false,
        booked_by_row: false,
        returned_by_row: false,
        last_member: None,
    };
    for (doc, list) in paid {
        let members: Vec<&Row> =
            list.iter().filter_map(|i| rows.get(*i)).filter(|r| !r.dropped && !r.refused).collect();
        let sum = total_of(members.iter().copied(), |r| !r.is(Class::Payout));
        let any = members.iter().any(|r| !r.is(Class::Payout));
        let statement = statements.iter().any(|s| s.provider == doc.0 && s.account == doc.1 && s.id == doc.2);
        if !known.contains(&(doc.0, doc.1.clone(), doc.2.clone()))
            && !statement
            && let Some(first) = members.first()
        {
            let row = members.iter().find(|r| r.is(Class::Payout) && r.net.is_negative());
            let amount = row.map_or(sum, |r| r.net.minor().saturating_neg());
            out.push(blank(first, doc.2.clone(), Money::from_minor(amount, doc.3)));
        }
        let Some(p) = out.iter_mut().find(|p| {
            p.provider == doc.0 && p.account == doc.1 && p.id == doc.2 && p.amount.currency() == doc.3
        }) else {
            continue;
        };
        p.last_member = members.iter().map(|r| r.tx.occurred.day()).max();
        if any {
            p.sum = Some(Money::from_minor(sum, doc.3));
            p.foots = sum == p.amount.minor();
            if !p.foots {
                let off = p.amount.minor().saturating_sub(sum);
                let mut records = vec![p.id.clone()];
                if members.len() <= 50 {
                    records.extend(members.iter().map(|r| r.tx.id.clone()));
                }
                found.note(
                    Reason::NotFooting,
                    Money::from_minor(off, doc.3),
                    records,
                    format!(
                        "payout {}: its rows sum to {}, {} was paid. Likeliest cause: {}.",
                        p.id,
                        Money::from_minor(sum, doc.3),
                        p.amount,
                        cause(off, sum, p.amount.minor(), members.iter().copied())
                    ),
                    vec![
                        ("payout".to_owned(), p.amount.minor()),
                        ("sum of the rows".to_owned(), sum.saturating_neg()),
                    ],
                    off,
                );
            }
        }
    }
    for r in rows.iter().filter(|r| r.posts() && r.is(Class::Payout)) {
        let names = |p: &PayoutState| {
            p.provider == r.tx.provider
                && p.account == r.tx.account
                && [
                    r.tx.payout.as_deref(),
                    r.tx.source.as_deref(),
                    r.tx.refers_to.as_deref(),
                    Some(r.tx.id.as_str()),
                ]
                .contains(&Some(p.id.as_str()))
        };
        match out.iter_mut().find(|p| names(p)) {
            Some(p) if r.net.minor().signum() == p.amount.minor().signum() => {
                p.returned_by_row = true;
                p.failed = true;
            }
            Some(p) => p.booked_by_row = true,
            None if r.net.is_negative() => {
                let mut p = blank(r, r.tx.id.clone(), r.net.negated());
                p.booked_by_row = true;
                p.last_member = Some(r.tx.occurred.day());
                out.push(p);
            }
            None => {}
        }
    }
    for p in &mut out {
        if p.void {
            p.state = "Void";
        } else if p.failed {
            p.state = "Returned";
            found.add(
                Reason::PayoutReturned,
                p.amount,
                vec![p.id.clone()],
                format!("payout {} came back: {}", p.id, p.history.join(" → ")),
                Vec::new(),
            );
        }
    }
    out.sort_by(|a, b| (a.provider, &a.account, &a.id).cmp(&(b.provider, &b.account, &b.id)));
    out
}
