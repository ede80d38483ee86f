//! What exchange cost and earned.
//!
//! Three numbers, never mixed: *conversion cost* is the provider's rate against the reference rate of the day; *realised* is what
//! rates moved between booking and settling; *unrealised* is what they moved on balances that are still open.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::bank::Banking;
use super::foot::{PayoutState, StatementState};
use super::parts::Row;
use super::{Found, Policy, Reason};
use crate::import::Class;
use crate::rates::{Rates, times};

/// Totals in the currency of the books, and the entries behind them.
#[derive(Debug, Clone)]
pub struct Fx {
    /// Gains (losses negative) on what was settled.
    pub realised: Money,
    /// Gains on what is open.
    pub unrealised: Money,
    /// Cost of conversions: positive when it costs us.
    pub cost: Money,
    /// (id, day, what, amount): entries of their own.
    pub entries: Vec<(String, Date, Kind, Money)>,
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Realised gain; its counterpart stands in the conversion account.
    Realised,
    /// Realised by carrying amount; its counterpart is the revaluation account of the base currency.
    Carrying,
    /// Unrealised gain.
    Unrealised,
    /// Cost of a conversion.
    Cost,
}

#[allow(clippy::too_many_arguments, clippy::too_many_lines)]
pub(super) fn run(
    rows: &[Row],
    banking: &Banking,
    statements: &[StatementState],
    payouts: &[PayoutState],
    base: Currency,
    as_of: Date,
    rates: &Rates,
    policy: &Policy,
    found: &mut Found,
) -> Fx {
    let mut fx = Fx {
        realised: Money::zero(base),
        unrealised: Money::zero(base),
        cost: Money::zero(base),
        entries: Vec::new(),
    };
    let in_base = |m: Money, on: Date| -> Money {
        if m.currency() == base {
            m
        } else {
            rates.convert(m, base, on).map_or(Money::zero(base), |(x, _)| x)
        }
    };
    // A row whose sale is in another currency than the balance.
    let mut charges: BTreeMap<(usize, Currency, Currency), (i64, i64)> = BTreeMap::new();
    let mut by_id: BTreeMap<&str, &Row> = BTreeMap::new();
    for r in rows.iter().filter(|r| r.posts() && r.tx.amount.currency() != r.net.currency()) {
        by_id.insert(&r.tx.id, r);
        if let Some(s) = &r.tx.source {
            by_id.entry(s).or_insert(r);
        }
        if let Some(o) = r.order.filter(|_| r.tx.amount.is_positive()) {
            let slot = charges.entry((o, r.tx.amount.currency(), r.net.currency())).or_insert((0, 0));
            slot.0 += r.tx.amount.minor();
            slot.1 += r.tx.gross_in_net().minor();
        }
    }
    for r in rows.iter().filter(|r| r.posts() && r.tx.amount.currency() != r.net.currency()) {
        let day = r.tx.occurred.day();
        let gross = r.tx.gross_in_net();
        let (from, to) = (r.tx.amount, gross.currency());
        if let Some(reference) = rates.find(from.currency(), to, day)
            && let Some(value) = times(from, reference.rate, to)
        {
            measure(
                &r.tx.id,
                std::slice::from_ref(&r.tx.id),
                value,
                gross,
                day,
                &reference,
                policy,
                base,
                &in_base,
                &mut fx,
                found,
            );
        }
        // Given back at another rate than it was taken at: the difference is realised.
        if from.is_negative() {
            let charge =
                r.tx.refers_to
                    .as_deref()
                    .and_then(|id| by_id.get(id))
                    .filter(|c| {
                        c.tx.amount.is_positive()
                            && c.tx.amount.currency() == from.currency()
                            && c.net.currency() == to
                    })
                    .map(|c| (c.tx.amount.minor(), c.tx.gross_in_net().minor()))
                    .or_else(|| r.order.and_then(|o| charges.get(&(o, from.currency(), to)).copied()));
            if let Some((foreign, local)) = charge.filter(|(f, _)| *f != 0) {
                let at_charge = Money::from_minor(local, to)
                    .decimal()
                    .checked_mul(from.decimal())
                    .and_then(|x| x.checked_div(Money::from_minor(foreign, from.currency()).decimal()))
                    .and_then(|x| {
                        tradewind_domain::Exact::new(x, to).round(tradewind_domain::Rounding::HalfUp).ok()
                    });
                if let Some(gain) = at_charge.and_then(|x| gross.try_sub(x).ok()).filter(|g| !g.is_zero()) {
                    fx.realised = fx.realised.try_add(in_base(gain, day)).unwrap_or(fx.realised);
                    fx.entries.push((format!("fx:realised:{}", r.tx.id), day, Kind::Realised, gain));
                }
            }
        }
    }
    conversions(rows, rates, policy, base, &in_base, &mut fx, found);
    // Payouts that arrived in another currency.
    for c in &banking.conversions {
        let to = c.arrived.currency();
        let reference = rates.find(c.sent.currency(), to, c.date).or_else(|| {
            let line = banking.lines.iter().find(|l| l.id == c.line)?;
            rates.find(c.sent.currency(), to, line.date)
        });
        let Some(reference) = reference else { continue };
        let Some(value) = times(c.sent, reference.rate, to) else { continue };
        measure(
            &format!("{}:{}", c.line, c.item),
            &[c.line.clone(), c.item.clone()],
            value,
            c.arrived,
            c.date,
            &reference,
            policy,
            base,
            &in_base,
            &mut fx,
            found,
        );
        // Realised by carrying amount: what the members were worth when they were booked.
        if to == base {
            let members: Vec<&Row> = rows
                .iter()
                .filter(|r| r.posts() && !r.is(Class::Payout) && r.net.currency() == c.sent.currency())
                .filter(|r| {
                    r.tx.payout.as_deref() == Some(&c.item) || r.tx.statement.as_deref() == Some(&c.item)
                })
                .collect();
            let total: i64 = members.iter().map(|r| r.net.minor()).sum();
            let carried: Option<i64> = members
                .iter()
                .map(|r| rates.convert(r.net, base, r.tx.occurred.day()).map(|(m, _)| m.minor()))
                .sum();
            if let Some(carried) = carried.filter(|_| !members.is_empty() && total == c.sent.minor()) {
                let gain = Money::from_minor(value.minor().saturating_sub(carried), base);
                if gain.minor().unsigned_abs() > members.len() as u64 {
                    fx.realised = fx.realised.try_add(gain).unwrap_or(fx.realised);
                    fx.entries.push((
                        format!("fx:realised:{}:{}", c.line, c.item),
                        c.date,
                        Kind::Carrying,
                        gain,
                    ));
                }
            }
        }
    }
    // Open balances at the closing rate.
    if !rates.is_empty() {
        let arrived = |r: &Row| {
            payouts.iter().any(|p| {
                p.provider == r.tx.provider
                    && p.account == r.tx.account
                    && r.tx.payout.as_deref() == Some(&p.id)
                    && !p.bank.is_empty()
            }) || statements.iter().any(|s| {
                s.provider == r.tx.provider
                    && s.account == r.tx.account
                    && r.tx.statement.as_deref() == Some(&s.id)
                    && !s.bank.is_empty()
            })
        };
        let mut open: BTreeMap<Currency, i64> = BTreeMap::new();
        for r in rows.iter().filter(|r| r.posts() && r.net.currency() != base && !r.is(Class::Payout)) {
            if arrived(r) {
                continue;
            }
            if let (Some((then, _)), Some((now, _))) =
                (rates.convert(r.net, base, r.tx.occurred.day()), rates.convert(r.net, base, as_of))
            {
                let slot = open.entry(r.net.currency()).or_insert(0);
                *slot = slot.saturating_add(now.minor().saturating_sub(then.minor()));
            }
        }
        for (c, gain) in open.into_iter().filter(|(_, g)| *g != 0) {
            let gain = Money::from_minor(gain, base);
            fx.unrealised = fx.unrealised.try_add(gain).unwrap_or(fx.unrealised);
            fx.entries.push((format!("fx:unrealised:{c}:{as_of}"), as_of, Kind::Unrealised, gain));
        }
    }
    fx.entries.sort_by(|a, b| a.0.cmp(&b.0));
    fx
}

#[allow(clippy::too_many_arguments)]
fn measure(
    id: &str,
    records: &[String],
    value: Money,
    actual: Money,
    day: Date,
    reference: &crate::rates::Found,
    policy: &Policy,
    base: Currency,
    in_base: &dyn Fn(Money, Date) -> Money,
    fx: &mut Fx,
    found: &mut Found,
) {
    let _ = base;
    let Ok(cost) = value.try_sub(actual) else { return };
    if cost.is_zero() {
        return;
    }
    fx.cost = fx.cost.try_add(in_base(cost, day)).unwrap_or(fx.cost);
    fx.entries.push((format!("fx:cost:{id}"), day, Kind::Cost, cost));
    let limit = value.decimal().abs().checked_mul(policy.fx_tolerance).unwrap_or_default();
    let reason = if cost.decimal().abs() > limit { Reason::FxOutOfTolerance } else { Reason::FxCost };
    found.add(
        reason,
        cost,
        records.to_vec(),
        format!(
            "{actual} by the provider's rate, {value} at {} of {} ({})",
            reference.rate, reference.date, reference.source
        ),
        vec![
            ("at the reference rate".to_owned(), value.minor()),
            ("by the provider's rate".to_owned(), actual.minor().saturating_neg()),
        ],
    );
}

/// Exchanges inside a wallet: the two legs share what they refer to (paypal.md §6.2).
#[allow(clippy::too_many_arguments)]
fn conversions(
    rows: &[Row],
    rates: &Rates,
    policy: &Policy,
    base: Currency,
    in_base: &dyn Fn(Money, Date) -> Money,
    fx: &mut Fx,
    found: &mut Found,
) {
    let mut pairs: BTreeMap<(crate::facts::Provider, &str, String), Vec<&Row>> = BTreeMap::new();
    for r in rows.iter().filter(|r| r.posts() && r.is(Class::Conversion)) {
        let key =
            r.tx.refers_to.clone().or(r.tx.order.clone()).unwrap_or_else(|| r.tx.occurred.at.to_string());
        pairs.entry((r.tx.provider, r.tx.account.as_str(), key)).or_default().push(r);
    }
    for ((.., key), legs) in pairs {
        let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
        legs.iter().for_each(|r| *sums.entry(r.net.currency()).or_default() += r.net.minor());
        let out: Vec<_> = sums.iter().filter(|(_, m)| **m < 0).collect();
        let into: Vec<_> = sums.iter().filter(|(_, m)| **m > 0).collect();
        let ([(from, sent)], [(to, got)], Some(day)) =
            (out.as_slice(), into.as_slice(), legs.iter().map(|r| r.tx.occurred.day()).max())
        else {
            continue;
        };
        let Some(reference) = rates.find(**from, **to, day) else { continue };
        let Some(value) = times(Money::from_minor(sent.saturating_neg(), **from), reference.rate, **to)
        else {
            continue;
        };
        let ids: Vec<String> = legs.iter().map(|r| r.tx.id.clone()).collect();
        measure(
            &key,
            &ids,
            value,
            Money::from_minor(**got, **to),
            day,
            &reference,
            policy,
            base,
            in_base,
            fx,
            found,
        );
    }
}
