//! What should have arrived and has not: every leg declares until when, and how late it is.

use jiff::civil::{Date, Weekday};
use tradewind_domain::Money;

use super::dedupe::Clean;
use super::foot::{PayoutState, StatementState};
use super::orders::OrderState;
use super::{Policy, duties::Duty};
use crate::facts::Facts;

/// Something that is expected and is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expectation {
    /// Last day on which it is in time.
    pub due: Date,
    /// Leg: `payment`, `refund`, `bank`, `duty`.
    pub leg: &'static str,
    /// Of which record.
    pub id: String,
    /// Minor units of `currency`.
    pub minor: i64,
    /// Currency.
    pub currency: tradewind_domain::Currency,
    /// Days after `due`; zero or less is not late.
    pub days_late: i32,
}

fn days(from: Date, n: i32) -> Date {
    from.checked_add(jiff::Span::new().days(i64::from(n))).unwrap_or(from)
}

fn business(from: Date, n: i32) -> Date {
    let mut day = from;
    let mut left = n;
    while left > 0 {
        let Ok(next) = day.tomorrow() else { break };
        day = next;
        left -= i32::from(!matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
    }
    day
}

/// Everything that is open, the oldest first.
#[allow(clippy::too_many_arguments)]
pub(super) fn run(
    clean: &Clean,
    orders: &[OrderState],
    statements: &[StatementState],
    payouts: &[PayoutState],
    duties: &[Duty],
    policy: &Policy,
    as_of: Date,
    facts: &Facts,
) -> Vec<Expectation> {
    let mut out = Vec::new();
    let mut add = |leg: &'static str, id: &str, amount: Money, due: Date| {
        let days_late = due.until(as_of).map_or(0, |s| s.get_days());
        out.push(Expectation {
            due,
            leg,
            id: id.to_owned(),
            minor: amount.minor(),
            currency: amount.currency(),
            days_late,
        });
    };
    if facts.has("transactions") {
        for (o, state) in clean.orders.iter().zip(orders) {
            let Some(open) = state.open.filter(|m| m.is_positive()) else { continue };
            if !matches!(state.state, "Void" | "WrittenOff") && !state.untold {
                let from = o.paid.as_ref().unwrap_or(&o.placed).day();
                add("payment", &o.id, open, days(from, facts.payment_days(&o.account, policy.payment_days)));
            }
        }
        for state in orders.iter().filter(|s| !s.untold) {
            // The oldest request is served first: requests are in the order of their ids.
            let mut left = state.answered.minor();
            for r in &state.requests {
                let served = r.amount.minor().min(left).max(0);
                left = left.saturating_sub(served);
                let open = r.amount.minor().saturating_sub(served);
                if open > 0 {
                    let open = Money::from_minor(open, r.amount.currency());
                    add("refund", &r.id, open, days(r.requested.day(), policy.late_days));
                }
            }
        }
    }
    if facts.has("bank") {
        for p in payouts.iter().filter(|p| p.bank.is_empty() && !p.failed && !p.void && !p.amount.is_zero()) {
            if let Some(from) = p.arrival.or(p.last_member) {
                add("bank", &p.id, p.converted.unwrap_or(p.amount), business(from, policy.bank_days_after));
            }
        }
        for s in statements {
            let sent = !s.refused && !s.failed && !s.paid_by_payout && s.carried_into.is_none();
            if sent
                && s.sends()
                && s.bank.is_empty()
                && s.total.is_positive()
                && let Some(from) = s.end
            {
                add("bank", &s.id, s.converted.unwrap_or(s.total), business(from, policy.bank_days_after));
            }
        }
    }
    if facts.has("carrier_invoices") {
        for d in duties.iter().filter(|d| d.invoice.is_none() && d.charged.is_none()) {
            let id = d.order.as_deref().unwrap_or_default();
            add("duty", id, d.collected, days(d.date, policy.late_days));
        }
    }
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn business_days_skip_weekends() {
        // Monday 11 May 2026 + 5 is Monday 18 May; Friday 15 May + 1 is Monday; + 0 stays.
        assert_eq!(business(date(2026, 5, 11), 5), date(2026, 5, 18));
        assert_eq!(business(date(2026, 5, 15), 1), date(2026, 5, 18));
        assert_eq!(business(date(2026, 5, 16), 0), date(2026, 5, 16));
    }
}
