//! Our invoices against the orders that they bill, and against their own net and VAT.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use tradewind_domain::Money;

use crate::facts::{Facts, Invoice, Order};
use crate::recon::dedupe::Clean;
use crate::recon::{Found, Reason};

pub(super) fn run(clean: &Clean, facts: &Facts, found: &mut Found) {
    let mut by_id: HashMap<&str, Vec<&Order>> = HashMap::new();
    for o in &clean.orders {
        by_id.entry(o.id.as_str()).or_default().push(o);
    }
    // An invoice has no day: on the day of the report its order may not have been placed yet.
    let later: BTreeSet<&str> =
        facts.orders.iter().map(|o| o.id.as_str()).filter(|id| !by_id.contains_key(id)).collect();
    // Orders by the invoices that bill the whole of them.
    let mut whole: BTreeMap<(&str, &str), (&Order, Vec<&str>)> = BTreeMap::new();
    for d in &clean.invoices {
        let c = d.gross.currency();
        let gross = ("billed gross".to_owned(), d.gross.minor());
        let inner = d.net.minor().saturating_add(d.vat.minor());
        if inner != d.gross.minor() {
            let evidence = vec![
                gross,
                ("billed net".to_owned(), d.net.minor().saturating_neg()),
                ("billed VAT".to_owned(), d.vat.minor().saturating_neg()),
            ];
            off(d, d.gross.minor().saturating_sub(inner), "its net and VAT make", evidence, found);
            continue;
        }
        if !facts.has("orders") || d.orders.iter().any(|id| later.contains(id.as_str())) {
            continue;
        }
        let unknown: Vec<&str> =
            d.orders.iter().map(String::as_str).filter(|id| !by_id.contains_key(id)).collect();
        let all = |id: &String| by_id.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let own = |id: &String| -> Vec<&Order> {
            all(id).iter().copied().filter(|o| o.total.currency() == c).collect()
        };
        if !unknown.is_empty() {
            let mut left = d.gross.minor();
            let mut evidence = vec![gross];
            for id in &d.orders {
                if let [o] = own(id).as_slice() {
                    left = left.saturating_sub(o.total.minor());
                    evidence.push((format!("total of order {id}"), o.total.minor().saturating_neg()));
                }
            }
            found.add(
                Reason::OursOnly,
                Money::from_minor(left, c),
                records(d),
                format!("invoice {} bills order {}, which is not here", d.id, unknown.join(", ")),
                evidence,
            );
            continue;
        }
        if let Some(id) = d.orders.iter().find(|id| own(id).is_empty()) {
            let theirs: BTreeSet<String> = all(id).iter().map(|o| o.total.currency().to_string()).collect();
            let theirs: Vec<String> = theirs.into_iter().collect();
            found.add(
                Reason::CurrencyMismatch,
                d.gross,
                records(d),
                format!("invoice {} bills {}, order {id} is in {}", d.id, d.gross, theirs.join(", ")),
                vec![gross],
            );
            continue;
        }
        // One number in several accounts: of the invoice's currency; if that does not tell, nothing is said.
        let listed: Option<Vec<&Order>> =
            d.orders.iter().map(|id| <[&Order; 1]>::try_from(own(id)).ok().map(|[o]| o)).collect();
        let Some(listed) = listed.filter(|l| !l.is_empty()) else { continue };
        let sum = listed.iter().fold(0_i64, |s, o| s.saturating_add(o.total.minor()));
        if sum != d.gross.minor() {
            let mut evidence = vec![gross];
            evidence.extend(
                listed.iter().map(|o| (format!("total of order {}", o.id), o.total.minor().saturating_neg())),
            );
            off(d, d.gross.minor().saturating_sub(sum), "its orders make", evidence, found);
            continue;
        }
        for o in listed.into_iter().filter(|o| !o.total.is_zero()) {
            whole.entry((o.account.as_str(), o.id.as_str())).or_insert((o, Vec::new())).1.push(&d.id);
        }
    }
    for (o, bills) in whole.into_values().filter(|(_, bills)| bills.len() > 1) {
        let further: Vec<(String, i64)> =
            bills.iter().skip(1).map(|id| (format!("billed again in {id}"), o.total.minor())).collect();
        let sum = further.iter().fold(0_i64, |s, (_, m)| s.saturating_add(*m));
        found.add(
            Reason::Duplicate,
            Money::from_minor(sum, o.total.currency()),
            bills.iter().map(|id| (*id).to_owned()).chain([o.id.clone()]).collect(),
            format!("order {} was billed whole {} times: {}", o.id, bills.len(), bills.join(", ")),
            further,
        );
    }
}

fn records(d: &Invoice) -> Vec<String> {
    std::iter::once(d.id.clone()).chain(d.orders.iter().cloned()).collect()
}

fn off(d: &Invoice, off: i64, what: &str, evidence: Vec<(String, i64)>, found: &mut Found) {
    let c = d.gross.currency();
    let made = Money::from_minor(d.gross.minor().saturating_sub(off), c);
    found.note(
        Reason::AmountMismatch,
        Money::from_minor(off, c),
        records(d),
        format!("invoice {} bills {}, {what} {made}", d.id, d.gross),
        evidence,
        off,
    );
}
