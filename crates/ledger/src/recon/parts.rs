//! What a balance row is made of, read through the provider's table.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};
use tradewind_domain::Money;

use super::dedupe::Clean;
use super::{Found, Reason};
use crate::facts::{Provider, Transaction};
use crate::import::{Class, CodeTable, tables, traits};

/// A part of a row's net.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The provider's word.
    pub code: String,
    /// What it is; `None`: no table maps it.
    pub class: Option<Class>,
    /// Signed from our side, in the currency of the net.
    pub amount: Money,
}

impl Part {
    /// Tax that the marketplace collected, or withheld of it.
    pub(super) fn facilitator(&self) -> bool {
        matches!(self.class, Some(Class::TaxFacilitator | Class::TaxWithheld))
    }
}

/// A balance row, ready to be booked.
#[derive(Debug, Clone)]
pub struct Row {
    /// The fact.
    pub tx: Transaction,
    /// What moved the balance.
    pub net: Money,
    /// Parts; they sum to `net`.
    pub parts: Vec<Part>,
    /// A repeated row of one document that does not count.
    pub dropped: bool,
    /// The copy's number; 0 for the first.
    pub copy: usize,
    /// Its statement was refused whole.
    pub refused: bool,
    /// It only repeats a balance that was there before (a returned transfer carried forward).
    pub carried: bool,
    /// The order that it was linked to, by index.
    pub order: Option<usize>,
}

impl Row {
    /// The row is booked.
    #[must_use]
    pub fn posts(&self) -> bool {
        self.tx.affects && !self.tx.informs && !self.dropped && !self.refused && !self.carried
    }

    /// The class of the whole row, where it has only one part besides fees.
    #[must_use]
    pub fn main(&self) -> Option<Class> {
        self.parts.iter().find(|p| p.class.is_none_or(|c| !c.is_fee())).and_then(|p| p.class)
    }

    /// Every part is of a class.
    #[must_use]
    pub fn is(&self, class: Class) -> bool {
        !self.parts.is_empty() && self.main() == Some(class)
    }

    /// The payment that the row is, in the currency of the sale.
    #[must_use]
    pub fn sale(&self) -> Option<Money> {
        if !self.posts() {
            return None;
        }
        if self.tx.components.is_empty() || self.tx.fee.is_some() {
            return (self.main() == Some(Class::Sale) && self.tx.amount.is_positive())
                .then_some(self.tx.amount);
        }
        let sold: i64 = self
            .parts
            .iter()
            .filter(|p| matches!(p.class, Some(Class::Sale | Class::Shipping | Class::TaxSeller)))
            .map(|p| p.amount.minor())
            .sum();
        (self.parts.iter().any(|p| p.class == Some(Class::Sale)) && sold > 0)
            .then(|| Money::from_minor(sold, self.net.currency()))
    }
}

/// The tables, each lookup made once.
struct Codes {
    tables: &'static BTreeMap<Provider, CodeTable>,
    seen: HashMap<(Provider, String, String), Option<Class>>,
}

impl Codes {
    fn new() -> Codes {
        Codes { tables: tables(), seen: HashMap::new() }
    }

    fn class(&mut self, p: Provider, kind: &str, code: &str) -> Option<Class> {
        let key = (p, kind.to_owned(), code.to_owned());
        if let Some(hit) = self.seen.get(&key) {
            return *hit;
        }
        let class = self.tables.get(&p).and_then(|t| t.class(kind, code));
        self.seen.insert(key, class);
        class
    }

    /// The class of a row by its finer code, then its kind.
    fn row(&mut self, t: &Transaction) -> (String, Option<Class>) {
        if let Some(code) = &t.event_code
            && let Some(class) = self.class(t.provider, &t.kind, code)
        {
            return (code.clone(), Some(class));
        }
        if let Some(class) = self.class(t.provider, &t.kind, &t.kind) {
            return (t.kind.clone(), Some(class));
        }
        (t.event_code.clone().unwrap_or_else(|| t.kind.clone()), None)
    }
}

fn sum(parts: &[Part]) -> i64 {
    parts.iter().fold(0_i64, |s, p| s.saturating_add(p.amount.minor()))
}

/// Splits every row.
pub(super) fn split(clean: &Clean, found: &mut Found) -> Vec<Row> {
    let mut codes = Codes::new();
    clean
        .transactions
        .iter()
        .map(|(t, copy)| {
            let (net, parts) = row(t, &mut codes, found);
            Row {
                tx: t.clone(),
                net,
                parts,
                dropped: *copy > 0 && !traits(t.provider).repeats,
                copy: *copy,
                refused: false,
                carried: false,
                order: None,
            }
        })
        .collect()
}

fn row(t: &Transaction, codes: &mut Codes, found: &mut Found) -> (Money, Vec<Part>) {
    let net = t.net_or_computed();
    let c = net.currency();
    let (code, class) = codes.row(t);
    check(t, class, net, found);
    let gross = t.gross_in_net();
    let fee = t.fee.filter(|f| f.currency() == c).unwrap_or(Money::zero(c));
    let listed: Vec<Part> = t
        .components
        .iter()
        .filter(|(_, m)| m.currency() == c)
        .map(|(code, m)| Part {
            code: code.clone(),
            class: codes.class(t.provider, &t.kind, code),
            amount: *m,
        })
        .collect();
    let listed_sum = sum(&listed);
    // Facilitator tax that nets to nothing says nothing of gross or fee: those are told from what else is listed.
    let (aside, listed): (Vec<Part>, Vec<Part>) = if listed_sum == net.minor() {
        (Vec::new(), listed)
    } else {
        listed.into_iter().partition(|p| p.facilitator())
    };
    let (aside, listed) = if sum(&aside) == 0 {
        (aside, listed)
    } else {
        (Vec::new(), listed.into_iter().chain(aside).collect())
    };
    // A row of which no word is known says nothing of its fee either.
    let unknown = class.is_none() && listed.iter().chain(&aside).all(|p| p.class.is_none());
    let fee_part = |codes: &mut Codes, amount: i64| {
        let own = codes.tables.get(&t.provider).and_then(|table| table.fee(&t.kind));
        let class = own.or(Some(Class::OtherFee)).filter(|_| !unknown);
        Part { code: "FEE".to_owned(), class, amount: Money::from_minor(amount, c) }
    };
    let main = |amount: i64| Part { code: code.clone(), class, amount: Money::from_minor(amount, c) };
    let mut parts = if listed.is_empty() {
        vec![main(gross.minor()), fee_part(codes, fee.minor().saturating_neg())]
    } else if listed_sum == net.minor() {
        listed
    } else if !fee.is_zero() && listed_sum == gross.minor() {
        let mut parts = listed;
        parts.push(fee_part(codes, fee.minor().saturating_neg()));
        parts
    } else if !fee.is_zero() && (listed_sum == fee.minor().saturating_neg() || listed_sum == fee.minor()) {
        let flip = listed_sum == fee.minor();
        let mut parts = vec![main(gross.minor())];
        parts.extend(
            listed.into_iter().map(|p| if flip { Part { amount: p.amount.negated(), ..p } } else { p }),
        );
        parts
    } else if !fee.is_zero() && listed.iter().all(|p| p.class.is_some_and(Class::is_fee)) {
        // Some of the fee is detailed; the rest is a fee without a name.
        let mut parts = vec![main(gross.minor())];
        let rest = fee.minor().saturating_neg().saturating_sub(listed_sum);
        parts.extend(listed);
        parts.push(fee_part(codes, rest));
        parts
    } else {
        let rest = net.minor().saturating_sub(listed_sum);
        let off = Money::from_minor(rest, c);
        found.note(
            Reason::AmountMismatch,
            off,
            vec![t.id.clone()],
            format!(
                "the parts of row {} sum to {}, the row is {net}: {off} is in suspense",
                t.id,
                Money::from_minor(listed_sum, c)
            ),
            vec![("row".to_owned(), net.minor()), ("parts".to_owned(), listed_sum.saturating_neg())],
            if t.affects { rest } else { 0 },
        );
        let mut parts = listed;
        parts.push(Part { code: "unaccounted".to_owned(), class: None, amount: off });
        parts
    };
    parts.extend(aside);
    parts.retain(|p| !p.amount.is_zero());
    (net, parts)
}

/// `net = amount × rate − fee`, by the provider's own numbers.
fn check(t: &Transaction, class: Option<Class>, net: Money, found: &mut Found) {
    let Some(stated) = t.net else { return };
    // Stripe's payout rows carry a gross of another kind (stripe.md §6).
    if class == Some(Class::Payout) {
        return;
    }
    let fee = t.fee.map_or(0, Money::minor);
    let gross = if t.amount.currency() == stated.currency() {
        Some(t.amount)
    } else {
        t.rate.and_then(|r| crate::rates::times(t.amount, r, stated.currency()))
    };
    let Some(gross) = gross else { return };
    let off = stated.minor().saturating_sub(gross.minor().saturating_sub(fee));
    if off == 0 || !t.affects {
        return;
    }
    let amount = Money::from_minor(off, net.currency());
    let converted = t.amount.currency() != stated.currency();
    let evidence = vec![
        ("net as stated".to_owned(), stated.minor()),
        (
            if converted { "amount × rate".to_owned() } else { "amount".to_owned() },
            gross.minor().saturating_neg(),
        ),
        ("fee".to_owned(), fee),
    ];
    let why = format!(
        "row {}: net {stated} is stated, amount less fee is {}",
        t.id,
        Money::from_minor(gross.minor().saturating_sub(fee), net.currency())
    );
    if converted && off.abs() <= 1 {
        found.add(Reason::Rounding, amount, vec![t.id.clone()], why, evidence);
    } else if converted {
        found.note(Reason::FxOutOfTolerance, amount, vec![t.id.clone()], why, evidence, off);
    } else {
        found.note(Reason::AmountMismatch, amount, vec![t.id.clone()], why, evidence, off);
    }
}

/// Facilitator tax: what the marketplace withholds is the tax that it collected, order by order within a statement. The tax parts
/// become facilitator tax as far as they are withheld, row by row and then across the rows of the order. What is withheld beyond
/// them is a difference, and so is the rest of a part that is withheld only in part.
pub(super) fn facilitator(rows: &mut [Row], found: &mut Found) {
    type Key = (Provider, String, String, String, tradewind_domain::Currency);
    let key = |r: &Row| -> Key {
        let doc = r.tx.statement.clone().or(r.tx.payout.clone()).unwrap_or_default();
        (r.tx.provider, r.tx.account.clone(), doc, r.tx.order.clone().unwrap_or_default(), r.net.currency())
    };
    // What is collected as such nets out with what is withheld of it; the rest is withheld of the tax parts.
    let held = |r: &Row| {
        r.parts.iter().filter(|p| p.facilitator()).fold(0_i64, |s, p| s.saturating_add(p.amount.minor()))
    };
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (i, r) in rows.iter().enumerate().filter(|(_, r)| r.posts()) {
        let touched = |p: &Part| p.facilitator() || p.class == Some(Class::TaxSeller);
        if r.parts.iter().any(touched) {
            groups.entry(key(r)).or_default().push(i);
        }
    }
    for ((_, _, doc, order, currency), members) in groups {
        let of_rows: Vec<i64> = members.iter().filter_map(|i| rows.get(*i)).map(held).collect();
        let withheld = of_rows.iter().fold(0_i64, |s, m| s.saturating_add(*m));
        if of_rows.iter().all(|m| *m == 0) {
            continue;
        }
        // What stays of parts of which only a piece was withheld.
        let (mut left, mut torn) = (0_i64, BTreeMap::new());
        for i in &members {
            let Some(r) = rows.get_mut(*i) else { continue };
            let mine = held(r).saturating_neg();
            left = left.saturating_add(withhold(*i, r, mine, &mut torn));
        }
        for i in &members {
            let Some(r) = rows.get_mut(*i) else { continue };
            left = withhold(*i, r, left, &mut torn);
        }
        let off = torn.values().fold(0_i64, |s, m| s.saturating_add(*m)).saturating_sub(left);
        if off != 0 {
            let amount = Money::from_minor(off, currency);
            let mut records: Vec<String> =
                members.iter().filter_map(|i| rows.get(*i)).map(|r| r.tx.id.clone()).collect();
            records.extend((!order.is_empty()).then_some(order));
            let collected = off.saturating_sub(withheld);
            let place = if doc.is_empty() { String::new() } else { format!("{doc}: ") };
            found.note(
                Reason::TaxFacilitator,
                amount,
                records,
                format!(
                    "{place}{} collected as tax, {} withheld by the facilitator: it does not net to zero",
                    Money::from_minor(collected, currency),
                    Money::from_minor(withheld, currency)
                ),
                vec![("collected".to_owned(), collected), ("withheld".to_owned(), withheld)],
                off,
            );
        }
    }
}

/// Turns up to `left` of a row's tax parts into facilitator tax; what could not be turned. `torn` holds, by row and code, what stays
/// of a part that was turned only in part.
fn withhold(row: usize, r: &mut Row, mut left: i64, torn: &mut BTreeMap<(usize, String), i64>) -> i64 {
    let mut out = Vec::with_capacity(r.parts.len());
    for p in r.parts.drain(..) {
        let m = p.amount.minor();
        if p.class != Some(Class::TaxSeller) || left == 0 || m.signum() != left.signum() {
            out.push(p);
            continue;
        }
        let take = if m.abs() <= left.abs() { m } else { left };
        left = left.saturating_sub(take);
        let currency = p.amount.currency();
        out.push(Part {
            class: Some(Class::TaxFacilitator),
            amount: Money::from_minor(take, currency),
            code: p.code.clone(),
        });
        let rest = torn.entry((row, p.code.clone())).or_insert(0);
        *rest = if *rest == m || m == take { 0 } else { *rest };
        if m != take {
            *rest = m.saturating_sub(take);
            out.push(Part { amount: Money::from_minor(m.saturating_sub(take), currency), ..p });
        }
    }
    r.parts = out;
    left
}

/// Codes that no table maps, and repeated rows that did not count.
pub(super) fn report(rows: &[Row], found: &mut Found) {
    for r in rows {
        if r.dropped && r.copy > 0 && r.tx.affects {
            found.add(
                Reason::Duplicate,
                r.net,
                vec![r.tx.id.split('#').next().unwrap_or_default().to_owned()],
                format!("row {} stands more than once in {}: it counts once", r.tx.id, r.tx.origin.file),
                vec![("the row that stands again".to_owned(), r.net.minor())],
            );
        }
        if !r.posts() {
            continue;
        }
        for p in r.parts.iter().filter(|p| p.class.is_none() && p.code != "unaccounted") {
            found.note(
                Reason::UnmappedCode,
                p.amount,
                vec![r.tx.id.clone()],
                format!(
                    "{} code '{}' on a row of kind '{}' is in no table: {} is in suspense",
                    r.tx.provider, p.code, r.tx.kind, p.amount
                ),
                vec![(format!("{} in row {}", p.code, r.tx.id), p.amount.minor())],
                p.amount.minor(),
            );
        }
    }
}
