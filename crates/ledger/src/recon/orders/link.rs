//! Rows to orders: what a user decided, by reference, by the row that a row refers to, then by a unique amount.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use tradewind_domain::Currency;

use crate::facts::{DecisionKind, Order, Provider, Transaction};
use crate::recon::Policy;
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::squeeze;

struct Keys<'a> {
    by_ref: HashMap<&'a str, Vec<usize>>,
    /// Letters and digits of the references only: providers drop what they do not like.
    squeezed: HashMap<String, Vec<usize>>,
}

impl<'a> Keys<'a> {
    fn new(orders: &'a [Order]) -> Keys<'a> {
        let mut by_ref: HashMap<&str, Vec<usize>> = HashMap::with_capacity(orders.len() * 2);
        for (i, o) in orders.iter().enumerate() {
            by_ref.entry(o.id.as_str()).or_default().push(i);
            if let Some(r) = o.reference.as_deref().filter(|r| *r != o.id) {
                by_ref.entry(r).or_default().push(i);
            }
        }
        let mut squeezed: HashMap<String, Vec<usize>> = HashMap::with_capacity(orders.len());
        for (key, list) in &by_ref {
            squeezed.entry(squeeze(key)).or_default().extend(list);
        }
        Keys { by_ref, squeezed }
    }

    /// L3: the same letters and digits, eight or more, and only one order has them.
    fn derived(&self, key: &str) -> Option<usize> {
        let key = squeeze(key);
        match self.squeezed.get(&key).filter(|_| key.chars().count() >= 8).map(Vec::as_slice)? {
            // An order may have the key as its id and as its reference.
            [one, rest @ ..] if rest.iter().all(|o| o == one) => Some(*one),
            _ => None,
        }
    }

    fn find(&self, key: &str, t: &Transaction, orders: &[Order]) -> Option<usize> {
        match self.by_ref.get(key).map(Vec::as_slice)? {
            [one] => Some(*one),
            many => {
                // One reference in several accounts: the row's own account decides
                // (the channel's, or the one that bears the provider's name), else the amount that only one of them is.
                let one = |keep: &dyn Fn(&Order) -> bool| -> Option<usize> {
                    let mut mine = many.iter().copied().filter(|i| orders.get(*i).is_some_and(keep));
                    mine.next().filter(|_| mine.next().is_none())
                };
                one(&|o| o.account == t.account)
                    .or_else(|| one(&|o| o.account == t.provider.name()))
                    .or_else(|| one(&|o| o.total == t.amount))
            }
        }
    }
}

/// Links rows to orders: by reference, by the row that a row refers to, then by a unique amount.
pub(super) fn link(clean: &Clean, rows: &mut [Row], policy: &Policy) -> Vec<Vec<(usize, &'static str)>> {
    let orders = &clean.orders;
    let keys = Keys::new(orders);
    let mut of: Vec<Vec<(usize, &'static str)>> = vec![Vec::new(); orders.len()];
    // Ids are the provider's within an account: two accounts may use one id.
    let mut by_id: HashMap<(Provider, String, String), usize> = HashMap::new();
    let pinned = pins(clean, rows);
    let mut derived: BTreeSet<usize> = BTreeSet::new();
    for (i, r) in rows.iter_mut().enumerate().filter(|(_, r)| r.posts()) {
        let direct = [r.tx.order.as_deref(), r.tx.source.as_deref().filter(|_| r.tx.order.is_none())];
        r.order = match pinned.get(&i) {
            Some(o) => Some(*o),
            None => direct.into_iter().flatten().find_map(|k| keys.find(k, &r.tx, orders)),
        };
        if r.order.is_none()
            && let Some(o) = r.tx.order.as_deref().and_then(|k| keys.derived(k))
        {
            r.order = Some(o);
            derived.insert(i);
        }
        r.order = r.order.filter(|o| !vetoed(clean, orders.get(*o), &r.tx.id));
        if let Some(o) = r.order {
            by_id.insert(key(&r.tx, &r.tx.id), o);
            if let Some(s) = &r.tx.source {
                by_id.entry(key(&r.tx, s)).or_insert(o);
            }
        }
    }
    follow(clean, rows, &mut by_id);
    for (i, r) in rows.iter().enumerate() {
        if let Some(slot) = r.order.and_then(|o| of.get_mut(o)) {
            let rule = match (pinned.contains_key(&i), derived.contains(&i)) {
                (true, _) => "pin",
                (_, true) => "remittance",
                _ => "reference",
            };
            slot.push((i, rule));
        }
    }
    let accounts: BTreeSet<String> = rows.iter().map(|r| r.tx.account.clone()).collect();
    // L4, L5: sales that name no order, orders that nobody paid; equal amounts in time.
    let fit = |o: &Order, r: &Row| {
        let days = o.placed.day().until(r.tx.occurred.day()).map_or(i32::MAX, |s| s.get_days());
        (-1..=policy.payment_days).contains(&days)
            && (o.account == r.tx.account
                || o.account.is_empty()
                || o.account == r.tx.provider.name()
                // Shops and providers often have names of their own.
                || !accounts.contains(&o.account))
            && !vetoed(clean, Some(o), &r.tx.id)
    };
    let mut buckets: BTreeMap<(Currency, i64), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (i, r) in rows.iter().enumerate().filter(|(_, r)| r.order.is_none() && r.tx.order.is_none()) {
        if let Some(m) = r.sale() {
            buckets.entry((m.currency(), m.minor())).or_default().1.push(i);
        }
    }
    if buckets.is_empty() {
        return of;
    }
    for (i, o) in orders.iter().enumerate().filter(|(i, _)| of.get(*i).is_some_and(Vec::is_empty)) {
        if let Some(b) = buckets.get_mut(&(o.total.currency(), o.total.minor())) {
            b.0.push(i);
        }
    }
    let mut links: Vec<(usize, usize, &'static str)> = Vec::new();
    for (os, rs) in buckets.into_values() {
        let fits =
            |o: usize, r: usize| matches!((orders.get(o), rows.get(r)), (Some(o), Some(r)) if fit(o, r));
        // Two are enough to know that one is not alone.
        let of_order =
            |o: usize| -> Vec<usize> { rs.iter().copied().filter(|r| fits(o, *r)).take(2).collect() };
        let (mut paid, mut used): (BTreeSet<usize>, BTreeSet<usize>) = (BTreeSet::new(), BTreeSet::new());
        for o in &os {
            if let [r] = of_order(*o).as_slice()
                && os.iter().filter(|k| fits(**k, *r)).take(2).count() == 1
            {
                links.push((*o, *r, "unique"));
                paid.insert(*o);
                used.insert(*r);
            }
        }
        let mut orders_left: Vec<usize> = os.iter().copied().filter(|o| !paid.contains(o)).collect();
        let mut rows_left: Vec<usize> = rs.iter().copied().filter(|r| !used.contains(r)).collect();
        orders_left.sort_by_key(|o| orders.get(*o).map(|o| (o.placed.at, o.id.clone())));
        rows_left.sort_by_key(|r| rows.get(*r).map(|r| (r.tx.occurred.at, r.tx.id.clone())));
        let accounts: BTreeSet<&str> =
            orders_left.iter().filter_map(|o| orders.get(*o)).map(|o| o.account.as_str()).collect();
        if accounts.len() == 1 {
            for o in &orders_left {
                if let Some(r) = rows_left.iter().copied().find(|r| !used.contains(r) && fits(*o, *r)) {
                    links.push((*o, r, "pool"));
                    used.insert(r);
                }
            }
        }
    }
    for (o, r, rule) in links {
        if let (Some(slot), Some(row)) = (of.get_mut(o), rows.get_mut(r)) {
            slot.push((r, rule));
            row.order = Some(o);
            by_id.insert(key(&row.tx, &row.tx.id), o);
            if let Some(s) = &row.tx.source {
                by_id.entry(key(&row.tx, s)).or_insert(o);
            }
        }
    }
    // What gives such a payment back goes where the payment went.
    for (i, o) in follow(clean, rows, &mut by_id) {
        if let Some(slot) = of.get_mut(o) {
            slot.push((i, "reference"));
        }
    }
    of
}

/// The provider's id of a row within an account.
fn key(t: &Transaction, id: &str) -> (Provider, String, String) {
    (t.provider, t.account.clone(), id.to_owned())
}

/// Rows that refer to a row of an order; a chain of them (a dispute's fee refers to the dispute) resolves in a few rounds.
fn follow(
    clean: &Clean,
    rows: &mut [Row],
    by_id: &mut HashMap<(Provider, String, String), usize>,
) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for _ in 0..4 {
        let mut more = Vec::new();
        for (i, r) in rows.iter_mut().enumerate().filter(|(_, r)| r.posts() && r.order.is_none()) {
            let up = [r.tx.refers_to.as_deref(), r.tx.source.as_deref()]
                .into_iter()
                .flatten()
                .find_map(|k| by_id.get(&key(&r.tx, k)).copied())
                .filter(|o| !vetoed(clean, clean.orders.get(*o), &r.tx.id));
            if let Some(o) = up {
                r.order = Some(o);
                all.push((i, o));
                more.push((key(&r.tx, &r.tx.id), o));
            }
        }
        if more.is_empty() {
            break;
        }
        by_id.extend(more);
    }
    all
}

/// Rows that a user put to an order.
fn pins(clean: &Clean, rows: &[Row]) -> HashMap<usize, usize> {
    let mut out = HashMap::new();
    for d in clean.decisions.iter().filter(|d| d.kind == DecisionKind::Pin) {
        let named: Vec<(usize, &Order)> =
            clean.orders.iter().enumerate().filter(|(_, o)| d.records.contains(&o.id)).collect();
        let mine = rows.iter().enumerate().filter(|(_, r)| r.posts() && d.records.contains(&r.tx.id));
        for (i, r) in mine {
            // One number in several accounts: the row's own account, else the first.
            let own = named.iter().find(|(_, o)| o.account == r.tx.account).or(named.first());
            if let Some((order, _)) = own {
                out.entry(i).or_insert(*order);
            }
        }
    }
    out
}

/// A user said that they never belong together.
pub(super) fn vetoed(clean: &Clean, order: Option<&Order>, row: &str) -> bool {
    let Some(order) = order else { return false };
    clean.decisions.iter().any(|d| {
        d.kind == DecisionKind::Veto && d.records.contains(&order.id) && d.records.iter().any(|r| r == row)
    })
}
