//! Payouts against their members, and those that only rows tell of.
//!
//! Rows name payouts in two ways: as the one that carries them ([`Members`], which are to sum to it), and, where a row is the transfer
//! itself, as what it books ([`Booked`]).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::members::Strangers;
use super::statement::{cause, total_of};
use super::{Doc, Id, PayoutState, StatementState, failed, void};
use crate::facts::{Payout, Provider};
use crate::import::Class;
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

/// Payouts with what their rows make of them: `paid` are the places of rows by the document that they name as their payout.
pub(super) fn run(
    clean: &Clean,
    paid: &BTreeMap<Doc, Vec<usize>>,
    rows: &[Row],
    statements: &[StatementState],
    strangers: &Strangers,
    found: &mut Found,
) -> Vec<PayoutState> {
    let mut out: Vec<PayoutState> = clean.payouts.iter().map(|(p, history)| reported(p, history)).collect();
    let known = Known::new(&out, statements);
    for (doc, list) in paid {
        let members = Members::new(doc, list, rows, &known);
        match known.named(doc) {
            Named::Payout(i) => {
                if let Some(p) = out.get_mut(i) {
                    members.check(p, found);
                }
            }
            Named::Parts(legs) => members.check_parts(legs, &mut out, found),
            Named::Nothing => {
                if let Some(mut p) = members.payout() {
                    members.check(&mut p, found);
                    out.push(p);
                }
            }
            Named::Other => {}
        }
    }
    foreign_members(&mut out, strangers, found);
    booked(&mut out, rows, found);
    bare(&mut out, rows, statements, found);
    returned(&mut out, found);
    out.sort_by(|a, b| (a.provider, &a.account, &a.id).cmp(&(b.provider, &b.account, &b.id)));
    out
}

fn id(p: &PayoutState) -> Id {
    (p.provider, p.account.clone(), p.id.clone())
}

/// A payout of which the provider keeps a record.
fn reported(p: &Payout, history: &[String]) -> PayoutState {
    PayoutState {
        history: history.to_vec(),
        converted: p.converted,
        arrival: p.arrival,
        trace: p.trace.clone(),
        group: p.group.clone(),
        failed: failed(&p.status),
        void: void(&p.status),
        ..blank(p.provider, &p.account, &p.id, p.amount)
    }
}

/// A payout that only rows tell of, by one of them.
fn unreported(r: &Row, id: &str, amount: Money) -> PayoutState {
    PayoutState {
        trace: r.tx.source.clone().or(r.tx.refers_to.clone()),
        ..blank(r.tx.provider, &r.tx.account, id, amount)
    }
}

/// A payout of which nothing is known beyond what it is.
fn blank(provider: Provider, account: &str, id: &str, amount: Money) -> PayoutState {
    PayoutState {
        id: id.to_owned(),
        provider,
        account: account.to_owned(),
        amount,
        sum: None,
        foots: true,
        history: Vec::new(),
        state: "Expected",
        timeline: Vec::new(),
        bank: Vec::new(),
        arrived: None,
        converted: None,
        arrival: None,
        trace: None,
        group: None,
        listed_in: None,
        failed: false,
        void: false,
        booked_by_row: false,
        returned_by_row: false,
        last_member: None,
    }
}

/// The documents that providers told of.
struct Known<'a> {
    /// Payouts, whatever their currency.
    payouts: BTreeSet<Id>,
    /// Their places.
    at: BTreeMap<Doc, usize>,
    /// Places of the parts of split payouts, by the reference that they share.
    parts: BTreeMap<Doc, Vec<usize>>,
    statements: BTreeSet<(Provider, &'a str, &'a str)>,
}

/// What a document is that rows name as their payout.
enum Named<'a> {
    /// A payout, by its place.
    Payout(usize),
    /// What the parts of a split payout share: these.
    Parts(&'a [usize]),
    /// Nothing that a provider told of: a payout of which only its rows tell.
    Nothing,
    /// A statement, or a payout in another currency: its rows are judged with it.
    Other,
}

impl<'a> Known<'a> {
    fn new(payouts: &[PayoutState], statements: &'a [StatementState]) -> Known<'a> {
        let mut out = Known {
            payouts: payouts.iter().map(id).collect(),
            at: BTreeMap::new(),
            parts: BTreeMap::new(),
            statements: statements.iter().map(|s| (s.provider, s.account.as_str(), s.id.as_str())).collect(),
        };
        for (i, p) in payouts.iter().enumerate() {
            let doc = |id: &String| (p.provider, p.account.clone(), id.clone(), p.amount.currency());
            out.at.insert(doc(&p.id), i);
            if let Some(group) = p.group.as_ref().filter(|_| !p.void) {
                out.parts.entry(doc(group)).or_default().push(i);
            }
        }
        out
    }

    fn named(&self, doc: &Doc) -> Named<'_> {
        if let Some(i) = self.at.get(doc) {
            Named::Payout(*i)
        } else if self.payouts.contains(&(doc.0, doc.1.clone(), doc.2.clone()))
            || self.statements.contains(&(doc.0, doc.1.as_str(), doc.2.as_str()))
        {
            Named::Other
        } else if let Some(legs) = self.parts.get(doc) {
            Named::Parts(legs)
        } else {
            Named::Nothing
        }
    }

    /// The row is of a transfer that came back. It is part of the next payout: it is about another payout than the one, `carrier`, that
    /// carries it.
    fn came_back(&self, r: &Row, carrier: &str) -> bool {
        [&r.tx.source, &r.tx.refers_to].into_iter().flatten().any(|id| {
            *id != carrier && self.payouts.contains(&(r.tx.provider, r.tx.account.clone(), id.clone()))
        })
    }
}

/// Rows that name one document as their payout.
struct Members<'a> {
    doc: &'a Doc,
    rows: Vec<&'a Row>,
    /// Σ of those that are part of the payout, minor units: not the transfer itself. `None`: there are none, and nothing is checked.
    sum: Option<i64>,
    /// Last day of a row.
    last: Option<Date>,
}

impl<'a> Members<'a> {
    fn new(doc: &'a Doc, list: &[usize], rows: &'a [Row], known: &Known<'_>) -> Members<'a> {
        let rows: Vec<&Row> =
            list.iter().filter_map(|i| rows.get(*i)).filter(|r| !r.dropped && !r.refused).collect();
        let counts = |r: &Row| !r.is(Class::Payout) || known.came_back(r, &doc.2);
        let sum = total_of(rows.iter().copied(), counts);
        Members {
            doc,
            sum: rows.iter().any(|r| counts(r)).then_some(sum),
            last: rows.iter().map(|r| r.tx.occurred.day()).max(),
            rows,
        }
    }

    fn money(&self, minor: i64) -> Money {
        Money::from_minor(minor, self.doc.3)
    }

    /// The payout that only they tell of: what the transfer among them moved, else their sum. `None`: there is no row.
    fn payout(&self) -> Option<PayoutState> {
        let first = self.rows.first()?;
        let transfer = self.rows.iter().find(|r| r.is(Class::Payout) && r.net.is_negative());
        let amount = match transfer {
            Some(r) => r.net.minor().saturating_neg(),
            None => self.sum.unwrap_or(0),
        };
        Some(unreported(first, &self.doc.2, self.money(amount)))
    }

    /// Whether the payout is what they sum to.
    fn check(&self, p: &mut PayoutState, found: &mut Found) {
        p.last_member = self.last;
        let Some(sum) = self.sum else { return };
        p.sum = Some(self.money(sum));
        p.foots = sum == p.amount.minor();
        if p.foots {
            return;
        }
        let off = p.amount.minor().saturating_sub(sum);
        let what = format!(
            "payout {}: its rows sum to {}, {} was paid. Likeliest cause: {}.",
            p.id,
            self.money(sum),
            p.amount,
            cause(off, sum, p.amount.minor(), self.rows.iter().copied())
        );
        let sent = vec![("payout".to_owned(), p.amount.minor())];
        self.tell(off, sum, vec![p.id.clone()], what, sent, found);
    }

    /// Whether the parts of a split payout are together what they sum to.
    fn check_parts(&self, legs: &[usize], out: &mut [PayoutState], found: &mut Found) {
        let parts = legs.iter().filter_map(|i| out.get(*i));
        let sent = parts.fold(0_i64, |s, p| s.saturating_add(p.amount.minor()));
        let foots = self.sum.is_none_or(|sum| sum == sent);
        let (mut records, mut evidence) = (Vec::new(), Vec::new());
        for i in legs {
            let Some(p) = out.get_mut(*i) else { continue };
            p.last_member = self.last.max(p.last_member);
            p.foots = p.foots && foots;
            records.push(p.id.clone());
            evidence.push((format!("sent as {}", p.id), p.amount.minor()));
        }
        let Some(sum) = self.sum.filter(|_| !foots) else { return };
        let off = sent.saturating_sub(sum);
        let id = &self.doc.2;
        records.push(id.clone());
        let what = format!(
            "payouts of {id}: its rows sum to {}, {} was paid in {} parts. Likeliest cause: {}.",
            self.money(sum),
            self.money(sent),
            legs.len(),
            cause(off, sum, sent, self.rows.iter().copied())
        );
        self.tell(off, sum, records, what, evidence, found);
    }

    /// Tells that `sum` is not what was sent, with the rows where they are not very many.
    fn tell(
        &self,
        off: i64,
        sum: i64,
        mut records: Vec<String>,
        what: String,
        mut evidence: Vec<(String, i64)>,
        found: &mut Found,
    ) {
        if self.rows.len() <= 50 {
            records.extend(self.rows.iter().map(|r| r.tx.id.clone()));
        }
        evidence.push(("sum of the rows".to_owned(), sum.saturating_neg()));
        found.note(Reason::NotFooting, self.money(off), records, what, evidence, off);
    }
}

/// Payouts that rows name, none of them in its currency: nothing makes their sum.
fn foreign_members(out: &mut [PayoutState], strangers: &Strangers, found: &mut Found) {
    for p in out
        .iter_mut()
        .filter(|p| p.sum.is_none() && !p.amount.is_zero() && strangers.payouts.contains(&id(p)))
    {
        let c = p.amount.currency();
        p.sum = Some(Money::zero(c));
        p.foots = false;
        found.note(
            Reason::NotFooting,
            p.amount,
            vec![p.id.clone()],
            format!("payout {}: {} was paid, and none of its rows is in {c}", p.id, p.amount),
            vec![("payout".to_owned(), p.amount.minor()), (format!("sum of the rows in {c}"), 0)],
            p.amount.minor(),
        );
    }
}

/// Rows that are a transfer, or its way back, against the payouts that they book. A transfer that books none is a payout itself.
fn booked(out: &mut Vec<PayoutState>, rows: &[Row], found: &mut Found) {
    let mut by_id: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
    for (i, p) in out.iter().enumerate() {
        by_id.entry(id(p)).or_default().push(i);
    }
    for r in rows.iter().filter(|r| r.posts() && r.is(Class::Payout)) {
        match Booked::by(r, &by_id, out) {
            Booked::Payout(i) => {
                if let Some(p) = out.get_mut(i) {
                    book(p, r);
                }
                continue;
            }
            Booked::Foreign(i) => {
                if let Some(p) = out.get(i) {
                    tell_foreign(p, r, found);
                }
            }
            Booked::Nothing => {}
        }
        if r.net.is_negative() {
            let mut p = unreported(r, &r.tx.id, r.net.negated());
            p.last_member = Some(r.tx.occurred.day());
            book(&mut p, r);
            by_id.entry(id(&p)).or_default().push(out.len());
            out.push(p);
        }
    }
}

/// What a row books that is a transfer.
enum Booked {
    /// This payout, in the row's currency or converted into it.
    Payout(usize),
    /// None; it names this one, which is in another currency, and nothing links the two.
    Foreign(usize),
    /// None that is known.
    Nothing,
}

impl Booked {
    fn by(r: &Row, by_id: &BTreeMap<Id, Vec<usize>>, payouts: &[PayoutState]) -> Booked {
        // What it is about comes before what carries it.
        let names = [
            r.tx.source.as_deref(),
            r.tx.refers_to.as_deref(),
            r.tx.payout.as_deref(),
            Some(r.tx.id.as_str()),
        ];
        let c = r.net.currency();
        // Of one id in several currencies, the row's own; or the one that the provider converted into it.
        let own = |i: &&usize| payouts.get(**i).is_some_and(|p| p.amount.currency() == c);
        let into =
            |i: &&usize| payouts.get(**i).is_some_and(|p| p.converted.is_some_and(|m| m.currency() == c));
        let mut foreign: Option<usize> = None;
        for name in names.into_iter().flatten() {
            let key = (r.tx.provider, r.tx.account.clone(), name.to_owned());
            let Some(all) = by_id.get(&key) else { continue };
            if let Some(i) = all.iter().find(own).or_else(|| all.iter().find(into)) {
                return Booked::Payout(*i);
            }
            // What the row names as its payout is told with the members.
            if r.tx.payout.as_deref() != Some(name) {
                foreign = foreign.or(all.first().copied());
            }
        }
        foreign.map_or(Booked::Nothing, Booked::Foreign)
    }
}

/// A row of the transfer's own sign is its way back; of the other, the transfer.
fn book(p: &mut PayoutState, r: &Row) {
    if r.net.minor().signum() == p.amount.minor().signum() {
        p.returned_by_row = true;
        p.failed = true;
    } else {
        p.booked_by_row = true;
        p.listed_in = p.listed_in.take().or(r.tx.statement.clone());
    }
}

fn tell_foreign(p: &PayoutState, r: &Row, found: &mut Found) {
    found.note(
        Reason::CurrencyMismatch,
        r.net,
        vec![p.id.clone(), r.tx.id.clone()],
        format!(
            "payout {} was sent as {}, row {} books {} for it: no rate of the provider links them",
            p.id, p.amount, r.tx.id, r.net
        ),
        vec![(format!("moved by row {}", r.tx.id), r.net.minor())],
        r.net.minor(),
    );
}

/// Payouts that no row names, in an account whose rows name payouts: what they took beyond the rows that no payout has, nobody can say.
fn bare(out: &mut [PayoutState], rows: &[Row], statements: &[StatementState], found: &mut Found) {
    type Purse = (Provider, String, Currency);
    let of = |p: &PayoutState| -> Purse { (p.provider, p.account.clone(), p.amount.currency()) };
    let mut purses: BTreeMap<Purse, (Vec<usize>, i64)> = BTreeMap::new();
    let named: BTreeSet<Purse> = out.iter().filter(|p| p.sum.is_some()).map(of).collect();
    for (i, p) in out.iter().enumerate().filter(|(_, p)| !p.void && !p.failed && named.contains(&of(p))) {
        let slot = purses.entry(of(p)).or_default();
        slot.1 = slot.1.saturating_add(p.amount.minor());
        if p.sum.is_none() && p.amount.is_positive() && p.group.is_none() {
            slot.0.push(i);
        }
    }
    for ((provider, account, c), (bare, sent)) in purses {
        // Settlements send too: what they take of the rows is theirs.
        let settles = statements.iter().any(|s| s.provider == provider && s.account == account);
        if bare.is_empty() || settles {
            continue;
        }
        let mine = rows.iter().filter(|r| {
            r.posts() && r.tx.provider == provider && r.tx.account == account && r.net.currency() == c
        });
        let made = total_of(mine, |r| !r.is(Class::Payout));
        let short = sent.saturating_sub(made);
        let took =
            bare.iter().filter_map(|i| out.get(*i)).fold(0_i64, |s, p| s.saturating_add(p.amount.minor()));
        let off = short.min(took);
        if off <= 0 {
            continue;
        }
        let mut evidence = Vec::new();
        for i in &bare {
            let Some(p) = out.get_mut(*i) else { continue };
            p.foots = false;
            p.sum = Some(Money::zero(c));
            evidence.push((format!("sent as {}", p.id), p.amount.minor()));
        }
        evidence.push(("rows that no other payout has".to_owned(), off.saturating_sub(took)));
        let ids: Vec<String> = bare.iter().filter_map(|i| out.get(*i)).map(|p| p.id.clone()).collect();
        found.note(
            Reason::NotFooting,
            Money::from_minor(off, c),
            ids.clone(),
            format!(
                "payout {}: {} was paid, no row names it, and the rows that no other payout has make {}. Likeliest cause: missing rows.",
                ids.join(", "),
                Money::from_minor(took, c),
                Money::from_minor(took.saturating_sub(off), c)
            ),
            evidence,
            off,
        );
    }
}

/// States that no bank line changes: called off, or come back.
fn returned(out: &mut [PayoutState], found: &mut Found) {
    for p in out {
        if p.void {
            p.state = "Void";
        } else if p.failed {
            p.state = "Returned";
            found.add(
                Reason::PayoutReturned,
                p.amount,
                vec![p.id.clone()],
                format!("payout {} came back: {}", p.id, p.history.join(" → ")),
                vec![(format!("sent as {}", p.id), p.amount.minor())],
            );
        }
    }
}
