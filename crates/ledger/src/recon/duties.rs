//! The fifth leg: duties quoted and collected against duties assessed, joined by the parcel.

use jiff::civil::Date;
use tradewind_domain::Money;

use super::dedupe::Clean;
use super::orders::OrderState;
use super::{Found, Policy, Reason};
use crate::facts::Facts;

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
}

pub(super) fn run(
    clean: &Clean,
    states: &mut [OrderState],
    policy: &Policy,
    as_of: Date,
    facts: &Facts,
    found: &mut Found,
) -> Vec<Duty> {
    let mut out = Vec::new();
    let mut used = std::collections::BTreeSet::new();
    for (o, state) in clean.orders.iter().zip(states.iter_mut()) {
        let c = o.total.currency();
        let zero = Money::zero(c);
        let invoices: Vec<_> =
            o.tracking.iter().flat_map(|t| clean.carrier.iter().filter(move |i| i.tracking == *t)).collect();
        let collected = o.collected_duties.unwrap_or(zero);
        let quoted = o.quoted.map(|q| (q.duty, q.vat, q.fee));
        let expected = o
            .collected_duties
            .or(quoted.map(|(d, v, _)| Money::from_minor(d.minor().saturating_add(v.minor()), c)));
        let paid = state.gross.is_positive();
        let provider = facts
            .transactions
            .iter()
            .find(|t| state.rows.first().is_some_and(|(id, _)| *id == t.id))
            .map_or_else(|| "channel".to_owned(), |t| t.provider.name().to_owned());
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
            if !variance.is_zero() {
                let mut causes = String::new();
                if let Some((d, v, f)) = quoted {
                    for (name, q, a) in
                        [("duty", d, i.duty), ("import VAT", v, i.vat), ("brokerage", f, i.fee)]
                    {
                        if let Ok(off) = q.try_sub(a)
                            && !off.is_zero()
                        {
                            causes.push_str(&format!(
                                "; {name}: quoted {}, assessed {}",
                                q.amount(),
                                a.amount()
                            ));
                        }
                    }
                }
                found.add(
                    Reason::DutyVariance,
                    variance,
                    vec![o.id.clone(), i.id.clone(), i.tracking.clone()],
                    format!("order {}: {} collected or quoted for duty and import VAT, {assessed} assessed{causes}; brokerage {}", o.id, e.unwrap_or(zero), i.fee),
                    vec![
                        ("collected or quoted".to_owned(), e.map_or(0, Money::minor)),
                        ("duty assessed".to_owned(), i.duty.minor().saturating_neg()),
                        ("import VAT assessed".to_owned(), i.vat.minor().saturating_neg()),
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
        });
    }
    out
}
