//! One fact per key.
//!
//! The same row in two documents is one row (overlapping polls); equal rows *within* one document are counted, because two equal
//! fees can be real: documents are compared as multisets. Same key with other content is a `CONFLICT`, and the version that
//! arrived first is kept. Arrival is the order of file names; within one file, where no order means anything, the version that
//! sorts first.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::{Found, Reason, squeeze};
use crate::facts::{
    BankLine, CarrierInvoice, Decision, Facts, Invoice, Order, Origin, Payout, Provider, Refund, Statement,
    Transaction,
};
use crate::import::{Deferred, traits};

/// Facts with one version each, in the order of their keys.
#[derive(Debug, Default)]
pub struct Clean {
    /// Orders.
    pub orders: Vec<Order>,
    /// Refunds asked for.
    pub refunds: Vec<Refund>,
    /// Invoices.
    pub invoices: Vec<Invoice>,
    /// Rows with the number of the copy (0 for the first) within their document.
    pub transactions: Vec<(Transaction, usize)>,
    /// Statements, and whether another version was refused.
    pub statements: Vec<(Statement, bool)>,
    /// Payouts: the statuses in their order, and the last version.
    pub payouts: Vec<(Payout, Vec<String>)>,
    /// Bank lines.
    pub bank: Vec<BankLine>,
    /// Carrier invoices.
    pub carrier: Vec<CarrierInvoice>,
    /// Decisions.
    pub decisions: Vec<Decision>,
}

fn key(t: &Transaction) -> (Provider, String, String, String, bool) {
    let of = traits(t.provider);
    let kind = if of.own_ids {
        String::new()
    } else {
        format!("{}\0{}\0{}", t.kind, t.event_code.as_deref().unwrap_or_default(), t.amount.currency())
    };
    let sign = of.signed_ids && t.amount.is_negative();
    (t.provider, t.account.clone(), t.id.clone(), kind, sign)
}

/// What must not change in a row. Where it is (payout, statement) may: membership moves until a payout is paid.
fn content(t: &Transaction) -> String {
    format!(
        "{}|{:?}|{:?}|{:?}|{:?}|{}|{:?}|{:?}",
        t.kind, t.event_code, t.amount, t.fee, t.net, t.occurred.at, t.rate, t.components
    )
}

/// A fact of which one version counts.
trait Versioned: Clone {
    /// What two versions of one fact share.
    type Key: Ord;
    /// Its name in an explanation.
    const WHAT: &'static str;
    fn key(&self) -> Self::Key;
    /// What must not change between versions.
    fn content(&self) -> String;
    fn origin(&self) -> &Origin;
    fn id(&self) -> &str;
    /// The amount that a conflict is about.
    fn amount(&self) -> Money;
    /// What versions of equal content may add, but not contradict: its amount.
    fn converted(&self) -> Option<Money> {
        None
    }
    /// Takes over what a later version of equal content adds.
    fn merge(&mut self, _later: &Self) {}
}

impl Versioned for Order {
    type Key = (String, String);
    const WHAT: &'static str = "order";
    fn key(&self) -> Self::Key {
        (self.account.clone(), self.id.clone())
    }
    fn content(&self) -> String {
        format!("{:?}|{}|{:?}|{:?}", self.total, self.placed.at, self.collected_duties, self.reference)
    }
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn amount(&self) -> Money {
        self.total
    }
    fn merge(&mut self, later: &Self) {
        self.paid = later.paid.clone().or(self.paid.take());
        self.payment_state = later.payment_state.clone().or(self.payment_state.take());
        self.tracking = later.tracking.clone().or(self.tracking.take());
        self.quoted = later.quoted.or(self.quoted);
    }
}

macro_rules! versioned {
    ($what:literal, $t:ident, $k:ty, $x:ident => $key:expr, $content:expr, $amount:expr) => {
        impl Versioned for $t {
            type Key = $k;
            const WHAT: &'static str = $what;
            fn key(&self) -> $k {
                let $x = self;
                $key
            }
            fn content(&self) -> String {
                let $x = self;
                $content
            }
            fn origin(&self) -> &Origin {
                &self.origin
            }
            fn id(&self) -> &str {
                &self.id
            }
            fn amount(&self) -> Money {
                let $x = self;
                $amount
            }
        }
    };
}

versioned!("refund", Refund, (Option<String>, String), r => (r.account.clone(), r.id.clone()), format!("{}|{:?}", r.order, r.amount), r.amount);
versioned!("invoice", Invoice, String, i => i.id.clone(), format!("{:?}|{:?}", i.orders, i.gross), i.gross);
versioned!("bank line", BankLine, (String, String), b => (b.account.clone(), b.id.clone()),
    format!("{:?}|{}|{:?}", b.amount, b.date, b.text), b.amount);
// An invoice may list several parcels, and two carriers may use one number.
versioned!("carrier invoice", CarrierInvoice, (String, String, String), c => (c.account.clone(), c.id.clone(), c.tracking.clone()),
    format!("{:?}|{:?}|{:?}", c.duty, c.vat, c.fee), c.total);

impl Versioned for Statement {
    type Key = (Provider, String, String, Currency);
    const WHAT: &'static str = "statement";
    fn key(&self) -> Self::Key {
        (self.provider, self.account.clone(), self.id.clone(), self.currency)
    }
    fn content(&self) -> String {
        format!("{:?}|{:?}|{:?}", self.total, self.opening, self.closing)
    }
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn amount(&self) -> Money {
        self.total.or(self.closing).unwrap_or(Money::zero(self.currency))
    }
    fn converted(&self) -> Option<Money> {
        self.converted
    }
    fn merge(&mut self, later: &Self) {
        self.converted = self.converted.or(later.converted);
        self.trace = later.trace.clone().or(self.trace.take());
        self.transfer_status = later.transfer_status.clone().or(self.transfer_status.take());
        self.deposit = later.deposit.or(self.deposit);
    }
}

/// Takes one version per key, and tells whether another one was refused.
fn unique<T: Versioned>(items: &[T], found: &mut Found) -> Vec<(T, bool)> {
    let mut by: BTreeMap<T::Key, Vec<(u32, String, &T)>> = BTreeMap::new();
    for t in items {
        by.entry(t.key()).or_default().push((t.origin().arrival, t.content(), t));
    }
    let mut out = Vec::with_capacity(by.len());
    for mut versions in by.into_values() {
        let told_as = |t: &T| t.converted().map(|m| (m.currency(), m.minor()));
        versions.sort_by(|a, b| (a.0, &a.1, told_as(a.2)).cmp(&(b.0, &b.1, told_as(b.2))));
        let Some((_, first, kept)) = versions.first().cloned() else { continue };
        let mut value = kept.clone();
        let (mut told, mut counted) = (BTreeSet::new(), BTreeSet::new());
        for (_, text, other) in versions.iter().skip(1) {
            if *text == first {
                let pair = value.converted().zip(other.converted()).filter(|(a, b)| a != b);
                if let Some((old, new)) = pair.filter(|(_, b)| counted.insert((b.currency(), b.minor()))) {
                    converted(T::WHAT, (kept.id(), kept.origin(), old), (other.origin(), new), found);
                }
                value.merge(other);
            } else if told.insert(text.clone()) {
                let (old, new) = (kept.amount(), other.amount());
                let delta = new.try_sub(old).unwrap_or(new);
                found.add(
                    Reason::Conflict,
                    delta,
                    vec![kept.id().to_owned()],
                    format!(
                        "{} {} stands with {old} in {} and with {new} in {}: the first version is kept",
                        T::WHAT,
                        kept.id(),
                        kept.origin().file,
                        other.origin().file,
                    ),
                    vec![
                        ("second version".to_owned(), delta.minor().saturating_add(old.minor())),
                        ("first version".to_owned(), old.minor().saturating_neg()),
                    ],
                );
            }
        }
        out.push((value, !told.is_empty()));
    }
    out
}

/// Two versions that are converted into other amounts: the bank's line is one of them, and who came last must not decide which.
fn converted(what: &str, first: (&str, &Origin, Money), second: (&Origin, Money), found: &mut Found) {
    let ((id, origin, old), (later, new)) = (first, second);
    let (delta, evidence) = match new.try_sub(old) {
        Ok(delta) => (
            delta,
            vec![
                ("second version converted".to_owned(), new.minor()),
                ("first version converted".to_owned(), old.minor().saturating_neg()),
            ],
        ),
        Err(_) => (new, vec![("second version converted".to_owned(), new.minor())]),
    };
    found.add(
        Reason::Conflict,
        delta,
        vec![id.to_owned()],
        format!(
            "{what} {id} is converted into {old} in {} and into {new} in {}: the first version is kept",
            origin.file, later.file
        ),
        evidence,
    );
}

fn first<T: Versioned>(items: &[T], found: &mut Found) -> Vec<T> {
    unique(items, found).into_iter().map(|(t, _)| t).collect()
}

pub(super) fn run(facts: &Facts, as_of: Date, found: &mut Found) -> Clean {
    let mut clean = Clean {
        orders: first(&facts.orders, found),
        refunds: first(&facts.refunds, found),
        invoices: first(&facts.invoices, found),
        bank: first(&facts.bank, found),
        carrier: first(&facts.carrier, found),
        statements: unique(&facts.statements, found),
        ..Clean::default()
    };
    billed_twice(facts, found);
    payouts(facts, found, &mut clean);
    transactions(facts, found, &mut clean);
    deferred(&mut clean.transactions);
    clean.decisions = facts.decisions.clone();
    clean.decisions.sort_by(|a, b| (a.kind, &a.records).cmp(&(b.kind, &b.records)));
    // A report of a day knows nothing that happened after it.
    clean.orders.retain(|o| o.placed.day() <= as_of);
    clean.bank.retain(|b| b.date <= as_of);
    // Nor does it know a document that lists something later: on that day the document was not there.
    let mut later: BTreeSet<(Provider, String, String)> = BTreeSet::new();
    clean.transactions.retain(|(t, _)| {
        let known = t.occurred.day() <= as_of;
        if !known {
            let documents = t.statement.iter().chain(&t.payout);
            later.extend(documents.map(|d| (t.provider, t.account.clone(), d.clone())));
        }
        known
    });
    clean.statements.retain(|(s, _)| {
        let issued = s.to.as_ref().map(crate::facts::Moment::day).or(s.deposit);
        issued.is_none_or(|d| d <= as_of) && !later.contains(&(s.provider, s.account.clone(), s.id.clone()))
    });
    clean.payouts.retain(|(p, _)| !later.contains(&(p.provider, p.account.clone(), p.id.clone())));
    clean.refunds.retain(|r| r.requested.day() <= as_of);
    clean
}

/// A provider that defers sales shows one as a transaction of its own and shows it again when it is released: one of them is the money
/// (amazon-settlement.md §7). A deferred one moves no balance; a deferred one marked as released does not either where its release
/// stands beside it, linked by the id that it refers to or by its own id.
fn deferred(rows: &mut [(Transaction, usize)]) {
    let word = |t: &Transaction| -> Option<(&'static Deferred, String)> {
        traits(t.provider).deferred.as_ref().zip(t.event_code.clone())
    };
    let mut released: BTreeSet<(Provider, String, String)> = BTreeSet::new();
    for (t, _) in rows.iter() {
        if word(t).is_some_and(|(d, code)| code == d.released) {
            let ids = t.refers_to.iter().chain([&t.id]);
            released.extend(ids.map(|id| (t.provider, t.account.clone(), id.clone())));
        }
    }
    for (t, _) in rows.iter_mut() {
        let Some((d, code)) = word(t) else { continue };
        let twice = code == d.both && released.contains(&(t.provider, t.account.clone(), t.id.clone()));
        if code == d.held || twice {
            t.affects = false;
        }
    }
}

/// A line of a carrier's invoice that stands twice in one document counts once, and is told: a parcel that is billed twice would be paid
/// twice.
fn billed_twice(facts: &Facts, found: &mut Found) {
    let mut by: BTreeMap<_, Vec<&CarrierInvoice>> = BTreeMap::new();
    for c in &facts.carrier {
        by.entry((c.origin.arrival, c.key(), c.content())).or_default().push(c);
    }
    for c in by.values().filter(|v| v.len() > 1).filter_map(|v| v.first()) {
        found.add(
            Reason::Duplicate,
            c.total,
            vec![c.id.clone(), c.tracking.clone()],
            format!(
                "carrier invoice {} bills parcel {} more than once in {}: it counts once",
                c.id, c.tracking, c.origin.file
            ),
            vec![("the line that stands again".to_owned(), c.total.minor())],
        );
    }
}

/// How far along a status is: history is told in this order where files do not tell it.
fn rank(status: &str) -> u8 {
    let s = status.to_ascii_lowercase();
    if super::foot::failed(&s) {
        4
    } else if s.contains("paid") || s.contains("succeed") || s.contains("complete") {
        3
    } else if s.contains("transit") || s.contains("initiated") {
        2
    } else {
        1
    }
}

fn payouts(facts: &Facts, found: &mut Found, clean: &mut Clean) {
    let mut by: BTreeMap<(Provider, String, String), Vec<&Payout>> = BTreeMap::new();
    for p in &facts.payouts {
        by.entry((p.provider, p.account.clone(), p.id.clone())).or_default().push(p);
    }
    for mut versions in by.into_values() {
        versions.sort_by_key(|p| {
            (p.origin.arrival, rank(&p.status), p.status.clone(), format!("{:?}{:?}", p.amount, p.converted))
        });
        let Some(first) = versions.first() else { continue };
        let mut last = (*first).clone();
        let mut history: Vec<String> = Vec::new();
        let mut counted = BTreeSet::new();
        for v in &versions {
            if v.amount != first.amount {
                let delta = v.amount.try_sub(first.amount).unwrap_or(v.amount);
                found.add(
                    Reason::Conflict,
                    delta,
                    vec![first.id.clone()],
                    format!(
                        "payout {} stands with {} in {} and with {} in {}: the first version is kept",
                        first.id, first.amount, first.origin.file, v.amount, v.origin.file
                    ),
                    vec![
                        ("second version".to_owned(), delta.minor().saturating_add(first.amount.minor())),
                        ("first version".to_owned(), first.amount.minor().saturating_neg()),
                    ],
                );
                continue;
            }
            if history.last() != Some(&v.status) {
                history.push(v.status.clone());
            }
            last.status = v.status.clone();
            last.arrival = v.arrival.or(last.arrival);
            let pair = last.converted.zip(v.converted).filter(|(a, b)| a != b);
            if let Some((old, new)) = pair.filter(|(_, b)| counted.insert((b.currency(), b.minor()))) {
                converted("payout", (&first.id, &first.origin, old), (&v.origin, new), found);
            }
            last.converted = last.converted.or(v.converted);
            last.group = v.group.clone().or(last.group);
            last.trace = v.trace.clone().or(last.trace);
        }
        clean.payouts.push((last, history));
    }
}

/// The names of orders: a row may call its order by its id in one document and by its reference in the next.
struct Names<'a> {
    orders: &'a [Order],
    by: OnceCell<BTreeMap<&'a str, BTreeSet<usize>>>,
}

impl Names<'_> {
    /// Two names of one order, or one whose punctuation the provider dropped.
    fn one(&self, a: &str, b: &str) -> bool {
        let by = self.by.get_or_init(|| {
            let mut by: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
            for (i, o) in self.orders.iter().enumerate() {
                for name in std::iter::once(o.id.as_str()).chain(o.reference.as_deref()) {
                    by.entry(name).or_default().insert(i);
                }
            }
            by
        });
        squeeze(a) == squeeze(b)
            || by.get(a).zip(by.get(b)).is_some_and(|(a, b)| a.intersection(b).next().is_some())
    }
}

/// The same row of the same amount for another order: no money differs, and whose it is does.
fn moved(what: &str, first: (&Transaction, &str), second: (&Transaction, &str), found: &mut Found) {
    let ((kept, a), (other, b)) = (first, second);
    let net = kept.net_or_computed();
    found.add(
        Reason::Conflict,
        Money::zero(net.currency()),
        vec![kept.id.clone()],
        format!(
            "row {} of {} names {a} as its {what} in {} and {b} in {}: the first version is kept",
            kept.id, kept.provider, kept.origin.file, other.origin.file
        ),
        vec![
            (format!("second version, of {b}"), net.minor()),
            (format!("first version, of {a}"), net.minor().saturating_neg()),
        ],
    );
}

fn transactions(facts: &Facts, found: &mut Found, clean: &mut Clean) {
    let mut by: BTreeMap<_, Vec<(u32, String, &Transaction)>> = BTreeMap::new();
    for t in &facts.transactions {
        by.entry(key(t)).or_default().push((t.origin.arrival, content(t), t));
    }
    let orders = std::mem::take(&mut clean.orders);
    let same = Names { orders: &orders, by: OnceCell::new() };
    for mut versions in by.into_values() {
        if versions.len() > 1 {
            versions.sort_by(|a, b| {
                let places = |t: &Transaction| {
                    (t.payout.clone(), t.statement.clone(), t.order.clone(), t.refers_to.clone())
                };
                (a.0, &a.1, places(a.2)).cmp(&(b.0, &b.1, places(b.2)))
            });
        }
        let Some((_, first, kept)) = versions.first().cloned() else { continue };
        let mut value = kept.clone();
        let mut copies: BTreeMap<u32, usize> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for (arrival, text, other) in &versions {
            if *text == first {
                *copies.entry(*arrival).or_insert(0) += 1;
                value.payout = other.payout.clone().or(value.payout.take());
                value.statement = other.statement.clone().or(value.statement.take());
                for (what, old, new) in [
                    ("order", &mut value.order, &other.order),
                    ("row that it refers to", &mut value.refers_to, &other.refers_to),
                ] {
                    match (old.as_deref(), new.as_deref()) {
                        (None, _) => old.clone_from(new),
                        (Some(a), Some(b))
                            if a != b && !same.one(a, b) && told.insert(format!("{what} {b}")) =>
                        {
                            moved(what, (kept, a), (other, b), found);
                        }
                        _ => {}
                    }
                }
                value.affects = value.affects || other.affects;
                value.informs = value.informs && other.informs;
            } else if told.insert(text.clone()) {
                let (old, new) = (kept.net_or_computed(), other.net_or_computed());
                let delta = new.try_sub(old).unwrap_or(new);
                found.add(
                    Reason::Conflict,
                    delta,
                    vec![kept.id.clone()],
                    format!("row {} of {} stands with {old} in {} and with {new} in {}: the first version is kept", kept.id, kept.provider, kept.origin.file, other.origin.file),
                    vec![("second version".to_owned(), delta.minor().saturating_add(old.minor())), ("first version".to_owned(), old.minor().saturating_neg())],
                );
            }
        }
        let n = copies.values().copied().max().unwrap_or(1);
        for copy in 1..n {
            let mut extra = value.clone();
            extra.id = format!("{}#{}", value.id, copy + 1);
            clean.transactions.push((extra, copy));
        }
        clean.transactions.push((value, 0));
    }
    drop(same);
    clean.orders = orders;
    clean.transactions.sort_by(|(a, i), (b, j)| {
        (a.provider, &a.account, &a.id, &a.kind, &a.event_code, a.amount.minor(), i).cmp(&(
            b.provider,
            &b.account,
            &b.id,
            &b.kind,
            &b.event_code,
            b.amount.minor(),
            j,
        ))
    });
}
