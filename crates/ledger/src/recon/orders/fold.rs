//! One order: a fold over the rows and refunds that name it.
//!
//! In this order: what the rows sum to ([`Sums`]), what was to be paid ([`Due`]), where the order stands by the two ([`Standing`]), and
//! what is to be told of it.

use std::fmt::Display;

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::carriers::Carriers;
use super::sums::{Sums, contradicts, own};
use super::{Linked, OrderState, refunds};
use crate::facts::{Facts, Order, Refund};
use crate::import::Class;
use crate::recon::parts::Row;
use crate::recon::{Event, Found, Policy, Reason};

/// What is the same for all orders of a run.
pub(super) struct Frame<'a> {
    pub(super) carriers: Carriers<'a>,
    pub(super) policy: &'a Policy,
    /// Day of the report.
    pub(super) as_of: Date,
    pub(super) facts: &'a Facts,
}

/// An order and all that names it.
pub(super) struct Case<'a> {
    pub(super) order: &'a Order,
    /// Its rows, the oldest first, and the level that linked each.
    pub(super) rows: Vec<(&'a Row, &'static str)>,
    /// Refunds that we asked for.
    pub(super) refunds: &'a [&'a Refund],
    /// Its channel reports no payments.
    pub(super) untold: bool,
    /// Its own currency.
    pub(super) currency: Currency,
    /// Currency of what it brings.
    pub(super) balance: Currency,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        order: &'a Order,
        mut rows: Vec<(&'a Row, &'static str)>,
        refunds: &'a [&'a Refund],
        untold: bool,
    ) -> Case<'a> {
        rows.sort_by(|(a, _), (b, _)| {
            (a.tx.occurred.at, &a.tx.id, &a.tx.kind).cmp(&(b.tx.occurred.at, &b.tx.id, &b.tx.kind))
        });
        let currency = order.total.currency();
        let first = rows.iter().find(|(r, _)| r.sale().is_some()).or(rows.first());
        let balance = first.map_or(currency, |(r, _)| r.net.currency());
        Case { order, rows, refunds, untold, currency, balance }
    }

    /// An amount in the order's currency.
    pub(super) fn money(&self, minor: i64) -> Money {
        Money::from_minor(minor, self.currency)
    }

    /// The ids of its rows, then its own.
    pub(super) fn records(&self) -> Vec<String> {
        self.rows.iter().map(|(r, _)| r.tx.id.clone()).chain([self.order.id.clone()]).collect()
    }

    /// All that its rows moved has reached the bank.
    fn reached(&self, carriers: &Carriers<'a>) -> bool {
        let reached = |r: &'a Row| {
            let all = carriers.of(r);
            !all.is_empty() && all.iter().all(|(_, (state, ..))| *state == "Reconciled")
        };
        !self.rows.is_empty() && self.rows.iter().all(|(r, _)| reached(r))
    }
}

/// What happened to an order, state after state: one that it was in already is no event.
struct History(Vec<Event>);

impl History {
    fn push(&mut self, at: impl Display, state: &'static str) {
        if self.0.last().is_none_or(|e| e.state != state) {
            self.0.push(Event { at: at.to_string(), state });
        }
    }
}

pub(super) fn fold<'a>(frame: &Frame<'a>, case: &Case<'a>, found: &mut Found) -> OrderState {
    let o = case.order;
    let total = o.total.minor();
    let mut sums = Sums::default();
    let mut history = History(Vec::new());
    history.push(o.placed.at, "Expected");
    for (r, _) in &case.rows {
        sums.add(case, r, found);
        history.push(r.tx.occurred.at, sums.progress(total));
    }
    sums.settle_tax(total);
    let due = Due::of(frame, o, sums.gross);
    let standing = Standing::of(frame, case, &sums, &due);
    standing.tell(frame, case, &sums, &due, found);
    unequal(case, &sums, &due, found);
    let answered = refunds::judge(frame, case, &sums, &due, found);
    let (links, reached_on) = links(case, &frame.carriers);
    let state = standing.state();
    match standing {
        Standing::Free { .. } => history.push(o.placed.at, "Settled"),
        Standing::Missing => history.push(due.until, "Missing"),
        _ => {}
    }
    match (state, reached_on, case.rows.last()) {
        ("Reconciled", Some(at), _) => history.push(at, state),
        (_, _, Some((r, _))) => history.push(r.tx.occurred.at, state),
        (_, _, None) => history.push(frame.as_of, state),
    }
    let net = |m: i64| Money::from_minor(m, case.balance);
    OrderState {
        id: o.id.clone(),
        account: o.account.clone(),
        total: o.total,
        total_told: due.told,
        gross: case.money(sums.gross),
        refunded: case.money(sums.refunded),
        disputed: case.money(sums.disputed),
        fees: net(sums.fees),
        taxes: net(sums.taxes),
        net: net(sums.net),
        other: sums.other,
        open: due.open(sums.gross).map(|m| case.money(m)),
        untold: case.untold && sums.gross == 0,
        state,
        timeline: history.0,
        links,
        rows: case
            .rows
            .iter()
            .map(|(r, rule)| Linked {
                id: r.tx.id.clone(),
                provider: r.tx.provider,
                account: r.tx.account.clone(),
                rule,
                amount: r.tx.amount,
                day: r.tx.occurred.day(),
            })
            .collect(),
        requests: case.refunds.iter().map(|r| (*r).clone()).collect(),
        answered: case.money(answered),
        tracking: o.tracking.clone(),
        day: o.placed.day(),
    }
}

/// What was to be paid, by the channel's word, and until when.
pub(super) struct Due {
    /// It was called off before anything was paid.
    pub(super) void: bool,
    /// The channel has told a total: what was never paid may have none.
    told: bool,
    /// What should come, minor units.
    expected: i64,
    /// The channel says that a dispute of it is lost.
    lost: bool,
    /// Last day on which the payment is in time.
    until: Date,
    /// That day is over.
    pub(super) late: bool,
}

impl Due {
    /// Of an order for which `gross` was paid.
    fn of(frame: &Frame<'_>, o: &Order, gross: i64) -> Due {
        let total = o.total.minor();
        let word = o.payment_state.as_deref().unwrap_or_default().to_ascii_lowercase();
        let void = gross == 0 && ["cancel", "void"].iter().any(|w| word.contains(w));
        let told = total != 0 || !(void || word.contains("pending"));
        // A total with the duties on top is the order's total too.
        let with_duties = total + o.collected_duties.map_or(0, Money::minor);
        let expected = if !told || gross == with_duties {
            // Of a total that was not told, what the provider took is all that anybody has told.
            gross
        } else {
            total
        };
        let from = o.paid.as_ref().unwrap_or(&o.placed).day();
        let days = frame.facts.payment_days(&o.account, frame.policy.payment_days);
        Due {
            void,
            told,
            expected,
            lost: word.contains("lost") || word.contains("charged_back"),
            until: from.checked_add(jiff::Span::new().days(i64::from(days))).unwrap_or(from),
            late: from.until(frame.as_of).map_or(0, |d| d.get_days()) > days,
        }
    }

    /// What is still to be paid, minor units. `None`: nobody has told how much that is.
    fn open(&self, gross: i64) -> Option<i64> {
        if self.void { Some(0) } else { (self.told || gross != 0).then_some(self.expected - gross) }
    }
}

/// Where an order stands: the first of these that holds.
enum Standing {
    /// Called off, and nothing was paid.
    Void,
    /// How much is to be paid is not known yet, so nothing of it is late.
    TotalUntold,
    /// Nothing is due: nothing is waited for.
    Free { reached: bool },
    /// Its channel reports no payments: what came for it stands at the bank only.
    Untold,
    /// Nothing was paid, and its time is over.
    Missing,
    /// Nothing was paid yet.
    Awaited,
    /// A dispute took money of it, and is lost.
    WrittenOff,
    /// A dispute holds money of it.
    Disputed,
    /// More was paid than was due.
    Over,
    /// Less was paid than was due.
    Short { late: bool },
    /// What was due was paid.
    Paid { reached: bool },
}

impl Standing {
    fn of<'a>(frame: &Frame<'a>, case: &Case<'a>, sums: &Sums, due: &Due) -> Standing {
        let unpaid = sums.gross == 0;
        let free = unpaid && case.order.total.is_zero() && sums.disputed == 0;
        if due.void {
            Standing::Void
        } else if free && !due.told {
            Standing::TotalUntold
        } else if free {
            Standing::Free { reached: case.reached(&frame.carriers) }
        } else if unpaid && case.untold {
            Standing::Untold
        } else if unpaid && due.late {
            Standing::Missing
        } else if unpaid {
            Standing::Awaited
        } else if sums.disputed > 0 && due.lost {
            Standing::WrittenOff
        } else if sums.disputed > 0 {
            Standing::Disputed
        } else if sums.gross > due.expected {
            Standing::Over
        } else if sums.gross < due.expected {
            Standing::Short { late: due.late }
        } else {
            Standing::Paid { reached: case.reached(&frame.carriers) }
        }
    }

    /// The word for it in reports.
    fn state(&self) -> &'static str {
        match self {
            Standing::Void => "Void",
            Standing::TotalUntold | Standing::Untold | Standing::Awaited => "Expected",
            Standing::Free { reached: true } | Standing::Paid { reached: true } => "Reconciled",
            Standing::Free { reached: false } | Standing::Paid { reached: false } => "Settled",
            Standing::Missing => "Missing",
            Standing::WrittenOff => "WrittenOff",
            Standing::Disputed => "Disputed",
            Standing::Over => "Over",
            Standing::Short { late: true } => "Under",
            Standing::Short { late: false } => "Partial",
        }
    }

    /// Tells of a payment that is not there, or that a dispute holds.
    fn tell(&self, frame: &Frame<'_>, case: &Case<'_>, sums: &Sums, due: &Due, found: &mut Found) {
        let o = case.order;
        // Where no provider was heard, or a row of it is told as being in a foreign currency, no payment is called absent.
        let heard = || frame.facts.has("transactions") && !sums.foreign;
        let (reason, why) = match self {
            Standing::Untold => (
                Reason::Timing,
                format!(
                    "the channel of account {} reports no payments: order {} is open, and what came for it stands at the bank only",
                    o.account, o.id
                ),
            ),
            Standing::Missing if heard() => (
                Reason::OursOnly,
                format!("order {} was due by {} and no provider knows a payment", o.id, due.until),
            ),
            Standing::Awaited if heard() => {
                (Reason::Timing, format!("the payment of order {} is expected until {}", o.id, due.until))
            }
            Standing::Disputed => return disputed(case, sums, found),
            _ => return,
        };
        let evidence = vec![(format!("total of order {}", o.id), o.total.minor())];
        found.add(reason, o.total, vec![o.id.clone()], why, evidence);
    }
}

fn disputed(case: &Case<'_>, sums: &Sums, found: &mut Found) {
    let held = case.money(sums.disputed);
    let mut evidence = Vec::new();
    for (r, _) in &case.rows {
        let taken = r.parts.iter().filter(|p| p.class == Some(Class::Dispute));
        let taken = taken.filter_map(|p| own(r, p, case.currency));
        evidence.extend(taken.map(|m| (format!("taken in row {}", r.tx.id), -m)));
    }
    found.add(
        Reason::DisputeHold,
        held,
        case.records(),
        format!("{held} of order {} is held in a dispute", case.order.id),
        evidence,
    );
}

/// Tells of an order for which something was paid that is not what was due.
fn unequal(case: &Case<'_>, sums: &Sums, due: &Due, found: &mut Found) {
    if sums.gross == 0 || sums.gross == due.expected {
        return;
    }
    let id = &case.order.id;
    let off = sums.gross - due.expected;
    let twice = off > 0 && sums.sales.iter().filter(|(_, m)| *m == due.expected).count() > 1;
    let evidence = vec![("paid".to_owned(), sums.gross), ("total of the order".to_owned(), -due.expected)];
    let records: Vec<String> = sums.sales.iter().map(|(id, _)| id.clone()).chain([id.clone()]).collect();
    if twice {
        found.note(
            Reason::Duplicate,
            case.money(off),
            records,
            format!("order {id} was paid {} times", sums.sales.len()),
            evidence,
            0,
        );
        return;
    }
    // A row whose own numbers disagree is told as such: the same cent is not missing twice.
    let told = case.rows.iter().fold(0_i64, |sum, (r, _)| sum.saturating_add(contradicts(r, case.currency)));
    let counted = told.signum() == off.signum() && told.abs() <= off.abs();
    found.note(
        Reason::AmountMismatch,
        case.money(off),
        records,
        format!("order {id} is {}, the provider took {}", case.money(due.expected), case.money(sums.gross)),
        evidence,
        if counted { off - told } else { off },
    );
}

/// Records linked to the order, each once, and the last day or instant at which one of its documents reached the bank.
fn links<'a>(case: &Case<'a>, carriers: &Carriers<'a>) -> (Vec<String>, Option<&'a str>) {
    let mut links: Vec<String> = case.rows.iter().map(|(r, _)| r.tx.id.clone()).collect();
    let mut last: Option<&'a str> = None;
    for (r, _) in &case.rows {
        for (id, (_, bank, events)) in carriers.of(r) {
            links.push(id.to_owned());
            links.extend(bank.iter().cloned());
            last = last.max(events.iter().rev().find(|e| e.state == "Reconciled").map(|e| e.at.as_str()));
        }
    }
    links.extend(case.refunds.iter().map(|r| r.id.clone()));
    links.sort();
    links.dedup();
    (links, last)
}
