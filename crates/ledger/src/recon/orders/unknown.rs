//! Rows of no order that we know: whatever they paid, gave back or cost, nobody here can say for what.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use tradewind_domain::{Currency, Money};

use super::link::vetoed;
use super::side::{Side, returns, side};
use crate::facts::Provider;
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

/// What a row is to an order that is not there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Paid,
    Back,
    Cost,
}

/// What the row is, and how much of it: a payment as the buyer paid it, what was given back or taken as the provider states it, else
/// its costs. `None`: it is no order's business (transfers, reserves), or a code that no table maps, which is told as such.
fn what(r: &Row) -> Option<(What, Money)> {
    if let Some(m) = r.sale() {
        return Some((What::Paid, m));
    }
    let returned = returns(&r.tx.kind);
    let of = |keep: &dyn Fn(Side) -> bool| -> (bool, i64) {
        let sides = r
            .parts
            .iter()
            .filter_map(|p| p.class.map(|c| (side(c, p.amount.minor(), returned), p.amount.minor())));
        sides.filter(|(s, _)| keep(*s)).fold((false, 0), |(_, sum), (_, m)| (true, sum.saturating_add(m)))
    };
    let gone = |s: Side| matches!(s, Side::Back | Side::CollectedBack | Side::Disputed);
    let c = r.net.currency();
    match of(&gone) {
        (true, _) if r.tx.components.is_empty() || r.tx.fee.is_some() => Some((What::Back, r.tx.amount)),
        (true, sum) => Some((What::Back, Money::from_minor(sum, c))),
        (false, _) => match of(&|s| s != Side::Aside) {
            (true, sum) => Some((What::Cost, Money::from_minor(sum, c))),
            (false, _) => None,
        },
    }
}

/// Rows that name an order, or refer to a row that does.
fn names(rows: &[Row]) -> HashMap<usize, String> {
    let mut of: HashMap<usize, String> = HashMap::new();
    let mut by_id: HashMap<(Provider, &str, &str), String> = HashMap::new();
    let mut waiting = Vec::new();
    for (i, r) in rows.iter().enumerate().filter(|(_, r)| r.posts() && r.order.is_none()) {
        match r.tx.order.as_deref().filter(|o| !o.trim().is_empty()) {
            Some(order) => {
                by_id.insert((r.tx.provider, &r.tx.account, &r.tx.id), order.to_owned());
                of.insert(i, order.to_owned());
            }
            None => waiting.push((i, r)),
        }
    }
    // As far as rows are followed to a known order.
    for _ in 0..4 {
        let before = of.len();
        for (i, r) in &waiting {
            let up =
                r.tx.refers_to.as_deref().and_then(|k| by_id.get(&(r.tx.provider, r.tx.account.as_str(), k)));
            if let Some(order) = up.cloned().filter(|_| !of.contains_key(i)) {
                by_id.insert((r.tx.provider, &r.tx.account, &r.tx.id), order.clone());
                of.insert(*i, order);
            }
        }
        if of.len() == before {
            break;
        }
    }
    of
}

/// The rows of one order that is not here, or one row that names none.
#[derive(Default)]
struct Group {
    records: Vec<String>,
    evidence: Vec<(String, i64)>,
    sum: i64,
    kinds: BTreeSet<What>,
    vetoed: bool,
}

/// Names what no order has: one difference for each order that the rows name, one for each payment, refund or dispute that names none.
/// Costs that name no order are the account's (a subscription).
pub(super) fn report(clean: &Clean, rows: &[Row], found: &mut Found) {
    type Key<'a> = (Provider, &'a str, Option<&'a str>, &'a str, Currency);
    let of = names(rows);
    let known: BTreeMap<&str, Vec<usize>> = if of.is_empty() {
        BTreeMap::new()
    } else {
        let mut known: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, o) in clean.orders.iter().enumerate() {
            for name in std::iter::once(o.id.as_str()).chain(o.reference.as_deref()) {
                known.entry(name).or_default().push(i);
            }
        }
        known
    };
    let mut groups: BTreeMap<Key<'_>, Group> = BTreeMap::new();
    for (i, r) in rows.iter().enumerate().filter(|(_, r)| r.posts() && r.order.is_none()) {
        let Some((kind, m)) = what(r) else { continue };
        let order = of.get(&i).map(String::as_str);
        if order.is_none() && kind == What::Cost {
            continue;
        }
        let alone = if order.is_none() { r.tx.id.as_str() } else { "" };
        let g = groups.entry((r.tx.provider, &r.tx.account, order, alone, m.currency())).or_default();
        g.sum = g.sum.saturating_add(m.minor());
        g.records.push(r.tx.id.clone());
        let word = match kind {
            What::Paid => "paid",
            What::Back if m.is_negative() => "given back or taken",
            What::Back => "returned",
            What::Cost => "cost",
        };
        g.evidence.push((format!("{word} in row {}", r.tx.id), m.minor()));
        g.kinds.insert(kind);
        let mut named = order.and_then(|o| known.get(o)).into_iter().flatten();
        g.vetoed |= named.any(|o| vetoed(clean, clean.orders.get(*o), &r.tx.id));
    }
    for ((provider, _, order, _, currency), g) in groups {
        let did = if g.kinds.contains(&What::Paid) {
            "took a payment"
        } else if g.kinds.contains(&What::Back) {
            "gave money back, or took it,"
        } else {
            "charged"
        };
        let why = match order {
            Some(order) if g.vetoed => {
                format!("{provider} {did} for order {order}, and a veto says that it does not belong there")
            }
            Some(order) if known.contains_key(order) => {
                format!("{provider} {did} for order {order}, which several accounts have: pin the row to one")
            }
            Some(order) => format!("{provider} {did} for order {order}, which we do not know"),
            None => format!("{provider} {did} that names no order and fits none"),
        };
        // A payment says what the money is for, even where we do not know the order; money that only goes out says nothing.
        let unexplained = if g.kinds.contains(&What::Paid) { 0 } else { g.sum };
        found.note(
            Reason::ProviderOnly,
            Money::from_minor(g.sum, currency),
            g.records,
            why,
            g.evidence,
            unexplained,
        );
    }
}
