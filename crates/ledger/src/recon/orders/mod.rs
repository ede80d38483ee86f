//! Orders: what was paid, given back, kept, and what is still open. A state is a fold over facts, never a stored field.

mod invoices;
mod link;
mod refunds;
pub(crate) mod side;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::dedupe::Clean;
use super::foot::{PayoutState, StatementState};
use super::parts::Row;
use super::{Event, Found, Match, Policy, Reason};
use crate::facts::{Facts, Order, Provider};
use crate::import::Class;
use side::{Side, settles, side};

/// An order and where it stands.
#[derive(Debug, Clone)]
pub struct OrderState {
    /// The channel's id.
    pub id: String,
    /// Our account.
    pub account: String,
    /// What the buyer pays.
    pub total: Money,
    /// The channel has told `total`: while a payment is pending, or where it never came, zero is no total.
    pub total_told: bool,
    /// Paid by the buyer, by the provider's word.
    pub gross: Money,
    /// Given back to the buyer.
    pub refunded: Money,
    /// Taken by disputes and not returned.
    pub disputed: Money,
    /// Costs, in the currency of the balance.
    pub fees: Money,
    /// Tax that others withheld.
    pub taxes: Money,
    /// What the order brought, in the currency of the balance.
    pub net: Money,
    /// What it cost and brought in other currencies than that one, where it did.
    pub other: BTreeMap<Currency, Other>,
    /// Not yet paid; `None`: nobody has told how much that is.
    pub open: Option<Money>,
    /// Its channel reports no payments, and nobody else told one.
    pub untold: bool,
    /// State.
    pub state: &'static str,
    /// What happened.
    pub timeline: Vec<Event>,
    /// Records linked to it: rows, payouts, statements, bank lines, invoices.
    pub links: Vec<String>,
    /// The rows.
    pub rows: Vec<Linked>,
    /// Refunds that we asked for, the oldest id first.
    pub requests: Vec<crate::facts::Refund>,
    /// What of `refunded` answers them: without tax that the marketplace gave back by itself.
    pub answered: Money,
    /// Tracking number.
    pub tracking: Option<String>,
    /// Day of the order.
    pub day: Date,
}

/// Costs and net of an order in one more currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Other {
    /// Costs, positive when they cost us.
    pub fees: i64,
    /// What it brought.
    pub net: i64,
}

/// A row of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The provider's id.
    pub id: String,
    /// Whose row.
    pub provider: Provider,
    /// Our account there.
    pub account: String,
    /// The level that linked it.
    pub rule: &'static str,
    /// What it moved, as the provider stated it.
    pub amount: Money,
    /// Day.
    pub day: Date,
}

#[allow(clippy::too_many_arguments)]
pub(super) fn run(
    clean: &Clean,
    rows: &mut [Row],
    statements: &[StatementState],
    payouts: &[PayoutState],
    policy: &Policy,
    as_of: Date,
    facts: &Facts,
    found: &mut Found,
) -> Vec<OrderState> {
    let of = link::link(clean, rows, policy);
    let asked = refunds::by_order(clean, facts, found);
    let carriers = Carriers::new(statements, payouts);
    let untold = untold(clean, &of, policy, facts);
    let mut out = Vec::with_capacity(clean.orders.len());
    for (at, (o, linked)) in clean.orders.iter().zip(&of).enumerate() {
        let mut mine: Vec<(&Row, &'static str)> =
            linked.iter().filter_map(|(i, rule)| rows.get(*i).map(|r| (r, *rule))).collect();
        mine.sort_by(|(a, _), (b, _)| {
            (a.tx.occurred.at, &a.tx.id, &a.tx.kind).cmp(&(b.tx.occurred.at, &b.tx.id, &b.tx.kind))
        });
        let refunds = asked.get(&at).map(Vec::as_slice).unwrap_or_default();
        let untold = untold.contains(o.account.as_str());
        out.push(fold(o, &mine, refunds, &carriers, untold, policy, as_of, facts, found));
    }
    if facts.has("orders") {
        unknown::report(clean, rows, found);
    }
    invoices::run(clean, facts, found);
    out
}

/// Accounts whose channel reports no payments: by the policy's word; by the channel's, where no row of any provider is of an order there.
fn untold<'a>(
    clean: &'a Clean,
    of: &[Vec<(usize, &'static str)>],
    policy: &'a Policy,
    facts: &'a Facts,
) -> BTreeSet<&'a str> {
    let paid: BTreeSet<&str> = clean
        .orders
        .iter()
        .zip(of)
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(o, _)| o.account.as_str())
        .collect();
    let by_channel = facts.payments_untold.iter().map(String::as_str).filter(|a| !paid.contains(a));
    by_channel.chain(policy.unreported.iter().map(String::as_str)).collect()
}

/// State, bank lines and history of a statement or payout.
type Carrier<'a> = (&'static str, &'a [String], &'a [Event]);

/// Documents by provider, account and id.
type ByKey<'a> = HashMap<(Provider, &'a str, &'a str), Vec<(Currency, Carrier<'a>)>>;

/// A part of a split payout: currency and id.
type Part<'a> = (Currency, &'a str, Carrier<'a>);

/// By provider, account and id; of one id, by currency: two accounts, or two balances of one account, may use one id.
struct Carriers<'a> {
    payouts: ByKey<'a>,
    /// Parts of split payouts, by the reference that they share.
    parts: HashMap<(Provider, &'a str, &'a str), Vec<Part<'a>>>,
    statements: ByKey<'a>,
}

impl<'a> Carriers<'a> {
    fn new(statements: &'a [StatementState], payouts: &'a [PayoutState]) -> Carriers<'a> {
        let mut out = Carriers { payouts: HashMap::new(), parts: HashMap::new(), statements: HashMap::new() };
        for s in statements {
            let key = (s.provider, s.account.as_str(), s.id.as_str());
            let carrier = (s.state, s.bank.as_slice(), s.timeline.as_slice());
            out.statements.entry(key).or_default().push((s.total.currency(), carrier));
        }
        for p in payouts {
            let key = (p.provider, p.account.as_str(), p.id.as_str());
            let carrier = (p.state, p.bank.as_slice(), p.timeline.as_slice());
            out.payouts.entry(key).or_default().push((p.amount.currency(), carrier));
            if let Some(group) = p.group.as_deref().filter(|_| !p.void) {
                let key = (p.provider, p.account.as_str(), group);
                out.parts.entry(key).or_default().push((p.amount.currency(), &p.id, carrier));
            }
        }
        out
    }
    /// What carries a row: its payout, all parts of its split payout, or its statement.
    fn of(&self, r: &'a Row) -> Vec<(&'a str, Carrier<'a>)> {
        let c = r.net.currency();
        // A document in another currency does not carry the row's money.
        let one = |map: &ByKey<'a>, id: Option<&'a str>| {
            let id = id?;
            let all = map.get(&(r.tx.provider, r.tx.account.as_str(), id))?;
            all.iter().find(|(x, _)| *x == c).map(|(_, carrier)| vec![(id, *carrier)])
        };
        let (payout, statement) = (r.tx.payout.as_deref(), r.tx.statement.as_deref());
        let parts = || {
            let all = self.parts.get(&(r.tx.provider, r.tx.account.as_str(), payout?))?;
            let mine: Vec<_> = all.iter().filter(|(x, ..)| *x == c).map(|(_, id, p)| (*id, *p)).collect();
            (!mine.is_empty()).then_some(mine)
        };
        one(&self.payouts, payout)
            .or_else(|| one(&self.statements, payout))
            .or_else(parts)
            .or_else(|| one(&self.statements, statement))
            .unwrap_or_default()
    }
}

#[derive(Default)]
struct Sums {
    gross: i64,
    refunded: i64,
    disputed: i64,
    fees: i64,
    taxes: i64,
    /// Of `gross`: tax that the marketplace collected.
    facilitator: i64,
    /// Of `refunded`: such tax that went back.
    facilitator_back: i64,
    net: i64,
    /// Costs and net in other currencies than the balance's.
    other: BTreeMap<Currency, Other>,
    sales: Vec<(String, i64)>,
    /// A row of it is in a currency that nothing links to the order's: told as such.
    foreign: bool,
    /// Rows that gave back: how much, and how much of it is tax that the marketplace had collected.
    returns: Vec<refunds::Given>,
}

/// A part in the order's own currency: where the row is one amount, as the row states it; else as the part is.
fn own(r: &Row, p: &super::parts::Part, c: Currency) -> Option<i64> {
    let single = r.tx.components.is_empty() || r.tx.fee.is_some();
    if p.amount.currency() == c {
        Some(p.amount.minor())
    } else if single && r.tx.amount.currency() == c {
        Some(r.tx.amount.minor())
    } else {
        None
    }
}

/// By how much the net that a sale's row states is not its amount less its fee.
fn contradicts(r: &Row, c: Currency) -> i64 {
    let own = r.main() == Some(Class::Sale) && r.tx.net.is_some() && r.tx.affects;
    if own && r.tx.amount.currency() == c && r.net.currency() == c {
        r.tx.gross_in_net().minor().saturating_sub(r.tx.amount.minor())
    } else {
        0
    }
}

/// `balance` is the currency of what the order brings.
fn add(s: &mut Sums, r: &Row, c: Currency, balance: Currency, found: &mut Found, order: &Order) {
    let returned = side::returns(&r.tx.kind);
    let (before, given, tax_back) = (s.gross, s.refunded, s.facilitator_back);
    for p in &r.parts {
        let m = p.amount.minor();
        let Some(class) = p.class else { continue };
        let value = match class {
            Class::Sale
            | Class::Shipping
            | Class::Promotion
            | Class::TaxSeller
            | Class::Refund
            | Class::Dispute => own(r, p, c),
            _ => Some(m),
        };
        let Some(v) = value else {
            if matches!(class, Class::Sale | Class::Refund | Class::Dispute) {
                s.foreign = true;
                found.note(
                    Reason::CurrencyMismatch,
                    p.amount,
                    vec![order.id.clone(), r.tx.id.clone()],
                    format!(
                        "order {} is in {c}, row {} is in {}: no rate of the provider links them",
                        order.id,
                        r.tx.id,
                        p.amount.currency()
                    ),
                    vec![(format!("{} in row {}", p.code, r.tx.id), p.amount.minor())],
                    0,
                );
            }
            continue;
        };
        match side(class, v, returned) {
            Side::Paid => s.gross += v,
            // In the balance's currency, while the order's sums are in its own.
            Side::Collected | Side::CollectedBack if p.amount.currency() != c => {}
            Side::Collected => {
                s.gross += v;
                s.facilitator += v;
            }
            Side::Back => s.refunded -= v,
            Side::CollectedBack => {
                s.refunded -= v;
                s.facilitator_back -= v;
            }
            Side::Disputed => s.disputed -= v,
            // What was withheld in another currency shows in the net of that currency.
            Side::Withheld if p.amount.currency() != balance => {}
            Side::Withheld => s.taxes -= v,
            Side::Fee if p.amount.currency() != balance => {
                s.other.entry(p.amount.currency()).or_default().fees -= v;
            }
            Side::Fee => s.fees -= v,
            Side::Aside => {}
        }
    }
    if r.net.currency() == balance {
        s.net += r.net.minor();
    } else {
        s.other.entry(r.net.currency()).or_default().net += r.net.minor();
    }
    if s.gross > before {
        s.sales.push((r.tx.id.clone(), s.gross - before));
    }
    if s.refunded != given {
        s.returns.push(refunds::Given { amount: s.refunded - given, tax: s.facilitator_back - tax_back });
    }
}

#[allow(clippy::too_many_arguments, clippy::too_many_lines)]
fn fold<'a>(
    o: &Order,
    mine: &[(&'a Row, &'static str)],
    refunds: &[&crate::facts::Refund],
    carriers: &Carriers<'a>,
    untold: bool,
    policy: &Policy,
    as_of: Date,
    facts: &Facts,
    found: &mut Found,
) -> OrderState {
    let c = o.total.currency();
    let net_currency =
        mine.iter().find(|(r, _)| r.sale().is_some()).or(mine.first()).map_or(c, |(r, _)| r.net.currency());
    let mut s = Sums::default();
    let mut timeline: Vec<Event> = Vec::new();
    let mut push = |at: String, state: &'static str| {
        if timeline.last().is_none_or(|e| e.state != state) {
            timeline.push(Event { at, state });
        }
    };
    push(o.placed.at.to_string(), "Expected");
    let total = o.total.minor();
    for (r, _) in mine {
        add(&mut s, r, c, net_currency, found, o);
        let state = if s.disputed > 0 {
            "Disputed"
        } else if s.gross == 0 {
            "Expected"
        } else if s.gross - s.facilitator >= total || s.gross >= total {
            "Settled"
        } else {
            "Partial"
        };
        push(r.tx.occurred.at.to_string(), state);
    }
    // Totals with and without the tax that the marketplace collects, and with the duties on top, are all the order's total.
    let duties = o.collected_duties.map_or(0, Money::minor);
    if s.gross != total && settles(s.gross, s.facilitator, total) {
        s.gross -= s.facilitator;
        s.refunded -= s.facilitator_back;
        s.taxes -= s.facilitator - s.facilitator_back;
        for g in &mut s.returns {
            g.amount -= g.tax;
            g.tax = 0;
        }
    }
    let word = o.payment_state.as_deref().unwrap_or_default().to_ascii_lowercase();
    let void = s.gross == 0 && ["cancel", "void"].iter().any(|w| word.contains(w));
    // What was never paid may have no total.
    let total_told = total != 0 || !(void || word.contains("pending"));
    let expected = if !total_told {
        // What the provider took is all that anybody has told.
        s.gross
    } else if s.gross != total && s.gross == total + duties {
        total + duties
    } else {
        total
    };
    let lost = word.contains("lost") || word.contains("charged_back");
    let money = |m: i64| Money::from_minor(m, c);
    let ids = |mine: &[(&Row, &'static str)]| -> Vec<String> {
        mine.iter().map(|(r, _)| r.tx.id.clone()).chain([o.id.clone()]).collect()
    };
    let due_from = o.paid.as_ref().unwrap_or(&o.placed).day();
    let late = due_from.until(as_of).map_or(0, |d| d.get_days()) > policy.payment_days;
    let due_day =
        due_from.checked_add(jiff::Span::new().days(i64::from(policy.payment_days))).unwrap_or(due_from);
    let reached = |r: &'a Row| {
        let all = carriers.of(r);
        !all.is_empty() && all.iter().all(|(_, (state, ..))| *state == "Reconciled")
    };
    let all_reached = !mine.is_empty() && mine.iter().all(|(r, _)| reached(r));
    // Nothing is due: nothing is waited for.
    let free = total == 0 && s.gross == 0 && s.disputed == 0;
    let state = if void {
        "Void"
    } else if free && !total_told {
        // How much is not known yet, so nothing of it is late.
        "Expected"
    } else if free {
        push(o.placed.at.to_string(), "Settled");
        if all_reached { "Reconciled" } else { "Settled" }
    } else if s.gross == 0 && untold {
        found.add(
            Reason::Timing,
            o.total,
            vec![o.id.clone()],
            format!(
                "the channel of account {} reports no payments: order {} is open, and what came for it stands at the bank only",
                o.account, o.id
            ),
            vec![(format!("total of order {}", o.id), total)],
        );
        "Expected"
    } else if s.gross == 0 && late {
        push(due_day.to_string(), "Missing");
        if facts.has("transactions") && !s.foreign {
            found.add(
                Reason::OursOnly,
                o.total,
                vec![o.id.clone()],
                format!("order {} was due by {due_day} and no provider knows a payment", o.id),
                vec![(format!("total of order {}", o.id), total)],
            );
        }
        "Missing"
    } else if s.gross == 0 {
        if facts.has("transactions") && !s.foreign {
            found.add(
                Reason::Timing,
                o.total,
                vec![o.id.clone()],
                format!("the payment of order {} is expected until {due_day}", o.id),
                vec![(format!("total of order {}", o.id), total)],
            );
        }
        "Expected"
    } else if s.disputed > 0 && lost {
        "WrittenOff"
    } else if s.disputed > 0 {
        found.add(
            Reason::DisputeHold,
            money(s.disputed),
            ids(mine),
            format!("{} of order {} is held in a dispute", money(s.disputed), o.id),
            mine.iter()
                .flat_map(|(r, _)| {
                    let taken = r.parts.iter().filter(|p| p.class == Some(Class::Dispute));
                    taken.filter_map(|p| own(r, p, c)).map(|m| (format!("taken in row {}", r.tx.id), -m))
                })
                .collect(),
        );
        "Disputed"
    } else if s.gross > expected {
        "Over"
    } else if s.gross < expected {
        if late { "Under" } else { "Partial" }
    } else if all_reached {
        "Reconciled"
    } else {
        "Settled"
    };
    if s.gross != 0 && s.gross != expected {
        let off = s.gross - expected;
        let twice = off > 0 && s.sales.iter().filter(|(_, m)| *m == expected).count() > 1;
        let evidence = vec![("paid".to_owned(), s.gross), ("total of the order".to_owned(), -expected)];
        let records: Vec<String> = s.sales.iter().map(|(id, _)| id.clone()).chain([o.id.clone()]).collect();
        if twice {
            found.note(
                Reason::Duplicate,
                money(off),
                records,
                format!("order {} was paid {} times", o.id, s.sales.len()),
                evidence,
                0,
            );
        } else {
            // A row whose own numbers disagree is told as such: the same cent is not missing twice.
            let told = mine.iter().fold(0_i64, |sum, (r, _)| sum.saturating_add(contradicts(r, c)));
            let counted = told.signum() == off.signum() && told.abs() <= off.abs();
            found.note(
                Reason::AmountMismatch,
                money(off),
                records,
                format!("order {} is {}, the provider took {}", o.id, money(expected), money(s.gross)),
                evidence,
                if counted { off - told } else { off },
            );
        }
    }
    let answered =
        refunds::judge(o, &s, mine, refunds, late, void, untold && s.gross == 0, policy, as_of, facts, found);
    let mut links: Vec<String> = mine.iter().map(|(r, _)| r.tx.id.clone()).collect();
    let mut last: Option<String> = None;
    for (r, _) in mine {
        for (id, (_, bank, events)) in carriers.of(r) {
            links.push(id.to_owned());
            links.extend(bank.iter().cloned());
            last = last.max(events.iter().rev().find(|e| e.state == "Reconciled").map(|e| e.at.clone()));
        }
    }
    links.extend(refunds.iter().map(|r| r.id.clone()));
    links.sort();
    links.dedup();
    if let ("Reconciled", Some(at)) = (state, last) {
        push(at, "Reconciled");
    } else if timeline.last().is_none_or(|e| e.state != state) {
        timeline.push(Event {
            at: mine.last().map_or_else(|| as_of.to_string(), |(r, _)| r.tx.occurred.at.to_string()),
            state,
        });
    }
    let net = |m: i64| Money::from_minor(m, net_currency);
    OrderState {
        id: o.id.clone(),
        account: o.account.clone(),
        total: o.total,
        total_told,
        gross: money(s.gross),
        refunded: money(s.refunded),
        disputed: money(s.disputed),
        fees: net(s.fees),
        taxes: net(s.taxes),
        net: net(s.net),
        other: s.other,
        open: match void || total_told || s.gross != 0 {
            true => Some(money(if void { 0 } else { expected - s.gross })),
            false => None,
        },
        untold: untold && s.gross == 0,
        state,
        timeline,
        links,
        rows: mine
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
        requests: refunds.iter().map(|r| (*r).clone()).collect(),
        answered: money(answered),
        tracking: o.tracking.clone(),
        day: o.placed.day(),
    }
}

/// The links of the order leg.
pub(super) fn matches(orders: &[OrderState]) -> Vec<Match> {
    orders
        .iter()
        .flat_map(|o| {
            o.rows.iter().map(|row| Match {
                rule: row.rule,
                left: vec![o.id.clone()],
                right: vec![row.id.clone()],
                amount: row.amount,
                residual: Money::zero(row.amount.currency()),
                evidence: Vec::new(),
                date: row.day,
            })
        })
        .collect()
}
