//! The fifth leg: duties quoted and collected against duties assessed, joined by the parcel.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};
use jiff::civil::Date;
use tradewind_domain::Money;

use super::dedupe::Clean;
use super::orders::OrderState;
use super::parts::Row;
use super::{Found, Policy, Reason};
use crate::facts::{CarrierInvoice, Facts};

/// What an order's border cost, for the journal.
#[derive(Debug, Clone)]
pub struct Duty {
    /// The order, where the parcel is one of ours.
    pub order: Option<String>,
    /// Carrier invoice.
    pub invoice: Option<String>,
    /// Collected from the buyer.
    pub collected: Money,
    /// Duty and import VAT as assessed.
    pub assessed: Money,
    /// Brokerage.
    pub fee: Money,
    /// `collected − assessed`.
    pub variance: Money,
    /// The order was paid.
    pub paid: bool,
    /// Provider of the order's rows: its sales account carries what was collected.
    pub provider: String,
    /// Day.
    pub date: Date,
    /// Quoted or collected against assessed, by cause (`duty`, `import_vat`, `brokerage`): positive when it cost less than quoted.
    pub causes: Vec<(&'static str, Money)>,
}

pub(super) fn run(
    clean: &Clean,
    states: &mut [OrderState],
    rows: &[Row],
    policy: &Policy,
    as_of: Date,
    facts: &Facts,
    found: &mut Found,
) -> Vec<Duty> {
    let mut out = Vec::new();
    let mut used = BTreeSet::new();
    let mut by_parcel: HashMap<&str, Vec<&CarrierInvoice>> = HashMap::new();
    for i in &clean.carrier {
        by_parcel.entry(i.tracking.as_str()).or_default().push(i);
    }
    let mut provider_of: HashMap<usize, &'static str> = HashMap::new();
    for r in rows.iter().filter(|r| r.posts()) {
        if let Some(o) = r.order {
            provider_of.entry(o).or_insert(r.tx.provider.name());
        }
    }
    for (at, (o, state)) in clean.orders.iter().zip(states.iter_mut()).enumerate() {
        let c = o.total.currency();
        let zero = Money::zero(c);
        let invoices =
            o.tracking.as_deref().and_then(|t| by_parcel.get(t)).map(Vec::as_slice).unwrap_or_default();
        let collected = o.collected_duties.unwrap_or(zero);
        let quoted = o.quoted.map(|q| (q.duty, q.vat, q.fee));
        let expected = o
            .collected_duties
            .or(quoted.map(|(d, v, _)| Money::from_minor(d.minor().saturating_add(v.minor()), c)));
        let paid = state.gross.is_positive();
        let provider = provider_of.get(&at).copied().unwrap_or("channel").to_owned();
        if invoices.is_empty() {
            let age = o.placed.day().until(as_of).map_or(0, |d| d.get_days());
            if let Some(e) = expected.filter(|e| !e.is_zero())
                && facts.has("carrier_invoices")
            {
                let late = age > policy.late_days;
                found.add(
                    if late { Reason::OursOnly } else { Reason::Timing },
                    e,
                    vec![o.id.clone()],
                    format!(
                        "duties of order {} are {}: no carrier invoice has come",
                        o.id,
                        if late { "late" } else { "expected" }
                    ),
                    Vec::new(),
                );
            }
            if !collected.is_zero() {
                out.push(Duty {
                    order: Some(o.id.clone()),
                    invoice: None,
                    collected,
                    assessed: zero,
                    fee: zero,
                    variance: zero,
                    paid,
                    provider,
                    date: o.placed.day(),
                    causes: Vec::new(),
                });
            }
            continue;
        }
        let mut first = true;
        for i in invoices {
            used.insert(i.id.clone());
            state.links.push(i.id.clone());
            if i.total.currency() != c {
                found.note(
                    Reason::CurrencyMismatch,
                    i.total,
                    vec![o.id.clone(), i.id.clone()],
                    format!(
                        "duties of order {} were collected in {c} and assessed in {}",
                        o.id,
                        i.total.currency()
                    ),
                    Vec::new(),
                    0,
                );
            }
            let assessed =
                Money::from_minor(i.duty.minor().saturating_add(i.vat.minor()), i.total.currency());
            let e = if first { expected } else { Some(Money::zero(i.total.currency())) };
            let collected_here = if first { collected } else { Money::zero(c) };
            first = false;
            let variance =
                e.and_then(|e| e.try_sub(assessed).ok()).unwrap_or(Money::zero(i.total.currency()));
            let mut causes: Vec<(&'static str, Money)> = Vec::new();
            for (name, q, a) in quoted.iter().flat_map(|(d, v, f)| {
                [("duty", *d, i.duty), ("import_vat", *v, i.vat), ("brokerage", *f, i.fee)]
            }) {
                causes.extend(q.try_sub(a).ok().filter(|off| !off.is_zero()).map(|off| (name, off)));
            }
            if !variance.is_zero() {
                let mut words = String::new();
                for (name, q, a) in quoted.iter().flat_map(|(d, v, f)| {
                    [("duty", *d, i.duty), ("import VAT", *v, i.vat), ("brokerage", *f, i.fee)]
                }) {
                    if q.currency() == a.currency() && q != a {
                        words.push_str(&format!("; {name}: quoted {}, assessed {}", q.amount(), a.amount()));
                    }
                }
                found.add(
                    Reason::DutyVariance,
                    variance,
                    vec![o.id.clone(), i.id.clone(), i.tracking.clone()],
                    format!("order {}: {} collected or quoted for duty and import VAT, {assessed} assessed{words}; brokerage {}", o.id, e.unwrap_or(zero), i.fee),
                    vec![
                        ("collected or quoted".to_owned(), e.map_or(0, Money::minor)),
                        ("duty assessed".to_owned(), i.duty.minor().saturating_neg()),
                        ("import VAT assessed".to_owned(), i.vat.minor().saturating_neg()),
                    ],
                );
            }
            // Brokerage is a cost of its own; it varies only where a quote promised one.
            if let Some((_, _, q)) = quoted.filter(|(_, _, q)| !q.is_zero())
                && let Ok(off) = q.try_sub(i.fee)
                && !off.is_zero()
            {
                found.add(
                    Reason::DutyVariance,
                    off,
                    vec![o.id.clone(), i.id.clone(), i.tracking.clone()],
                    format!("order {}: brokerage quoted {}, charged {}", o.id, q.amount(), i.fee.amount()),
                    vec![
                        ("brokerage quoted".to_owned(), q.minor()),
                        ("brokerage charged".to_owned(), i.fee.minor().saturating_neg()),
                    ],
                );
            }
            out.push(Duty {
                order: Some(o.id.clone()),
                invoice: Some(i.id.clone()),
                collected: collected_here,
                assessed,
                fee: i.fee,
                variance,
                paid,
                provider: provider.clone(),
                date: o.placed.day(),
                causes,
            });
        }
        state.links.sort();
        state.links.dedup();
    }
    for i in clean.carrier.iter().filter(|i| !used.contains(&i.id)) {
        let c = i.total.currency();
        found.add(
            Reason::ProviderOnly,
            i.total,
            vec![i.id.clone(), i.tracking.clone()],
            format!("carrier invoice {} is for parcel {}, which no order has", i.id, i.tracking),
            Vec::new(),
        );
        out.push(Duty {
            order: None,
            invoice: Some(i.id.clone()),
            collected: Money::zero(c),
            assessed: Money::from_minor(i.duty.minor().saturating_add(i.vat.minor()), c),
            fee: i.fee,
            variance: Money::zero(c),
            paid: false,
            provider: "channel".to_owned(),
            date: as_of,
            causes: Vec::new(),
        });
    }
    out
}
