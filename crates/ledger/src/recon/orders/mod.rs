//! Orders: what was paid, given back, kept, and what is still open. A state is a fold over facts, never a stored field.

mod carriers;
mod fold;
mod invoices;
mod link;
mod refunds;
pub(crate) mod side;
mod sums;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::dedupe::Clean;
use super::foot::{PayoutState, StatementState};
use super::parts::Row;
use super::{Event, Found, Match, Policy};
use crate::facts::{Facts, Provider};
use carriers::Carriers;
use fold::{Case, Frame};

/// An order and where it stands.
#[derive(Debug, Clone)]
pub struct OrderState {
    /// The channel's id.
    pub id: String,
    /// Our account.
    pub account: String,
    /// What the buyer pays.
    pub total: Money,
    /// The channel has told `total`: while a payment is pending, or where it never came, zero is no total.
    pub total_told: bool,
    /// Paid by the buyer, by the provider's word.
    pub gross: Money,
    /// Given back to the buyer.
    pub refunded: Money,
    /// Taken by disputes and not returned.
    pub disputed: Money,
    /// Costs, in the currency of the balance.
    pub fees: Money,
    /// Tax that others withheld.
    pub taxes: Money,
    /// What the order brought, in the currency of the balance.
    pub net: Money,
    /// What it cost and brought in other currencies than that one, where it did.
    pub other: BTreeMap<Currency, Other>,
    /// Not yet paid; `None`: nobody has told how much that is.
    pub open: Option<Money>,
    /// Its channel reports no payments, and nobody else told one.
    pub untold: bool,
    /// State.
    pub state: &'static str,
    /// What happened.
    pub timeline: Vec<Event>,
    /// Records linked to it: rows, payouts, statements, bank lines, invoices.
    pub links: Vec<String>,
    /// The rows.
    pub rows: Vec<Linked>,
    /// Refunds that we asked for, the oldest id first.
    pub requests: Vec<crate::facts::Refund>,
    /// What of `refunded` answers them: without tax that the marketplace gave back by itself.
    pub answered: Money,
    /// Tracking number.
    pub tracking: Option<String>,
    /// Day of the order.
    pub day: Date,
}

/// Costs and net of an order in one more currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Other {
    /// Costs, positive when they cost us.
    pub fees: i64,
    /// What it brought.
    pub net: i64,
}

/// A row of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The provider's id.
    pub id: String,
    /// Whose row.
    pub provider: Provider,
    /// Our account there.
    pub account: String,
    /// The level that linked it.
    pub rule: &'static str,
    /// What it moved, as the provider stated it.
    pub amount: Money,
    /// Day.
    pub day: Date,
}

#[allow(clippy::too_many_arguments)]
pub(super) fn run(
    clean: &Clean,
    rows: &mut [Row],
    statements: &[StatementState],
    payouts: &[PayoutState],
    policy: &Policy,
    as_of: Date,
    facts: &Facts,
    found: &mut Found,
) -> Vec<OrderState> {
    let of = link::link(clean, rows, policy);
    let asked = refunds::by_order(clean, facts, found);
    let untold = untold(clean, &of, policy, facts);
    let frame = Frame { carriers: Carriers::new(statements, payouts), policy, as_of, facts };
    let mut out = Vec::with_capacity(clean.orders.len());
    for (at, (order, linked)) in clean.orders.iter().zip(&of).enumerate() {
        let linked = linked.iter().filter_map(|(i, rule)| rows.get(*i).map(|r| (r, *rule))).collect();
        let refunds = asked.get(&at).map(Vec::as_slice).unwrap_or_default();
        let case = Case::new(order, linked, refunds, untold.contains(order.account.as_str()));
        out.push(fold::fold(&frame, &case, found));
    }
    if facts.has("orders") {
        unknown::report(clean, rows, found);
    }
    invoices::run(clean, facts, found);
    out
}

/// Accounts whose channel reports no payments: by the policy's word; by the channel's, where no row of any provider is of an order there.
fn untold<'a>(
    clean: &'a Clean,
    of: &[Vec<(usize, &'static str)>],
    policy: &'a Policy,
    facts: &'a Facts,
) -> BTreeSet<&'a str> {
    let paid: BTreeSet<&str> = clean
        .orders
        .iter()
        .zip(of)
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(o, _)| o.account.as_str())
        .collect();
    let by_channel = facts.payments_untold.iter().map(String::as_str).filter(|a| !paid.contains(a));
    by_channel.chain(policy.unreported.iter().map(String::as_str)).collect()
}

/// The links of the order leg.
pub(super) fn matches(orders: &[OrderState]) -> Vec<Match> {
    orders
        .iter()
        .flat_map(|o| {
            o.rows.iter().map(|row| Match {
                rule: row.rule,
                left: vec![o.id.clone()],
                right: vec![row.id.clone()],
                amount: row.amount,
                residual: Money::zero(row.amount.currency()),
                evidence: Vec::new(),
                date: row.day,
            })
        })
        .collect()
}
