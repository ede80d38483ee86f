//! What the rows of an order sum to, part by part.

use std::collections::BTreeMap;

use tradewind_domain::Currency;

use super::Other;
use super::fold::Case;
use super::refunds::Given;
use super::side::{Side, returns, settles, side};
use crate::import::Class;
use crate::recon::parts::{Part, Row};
use crate::recon::{Found, Reason};

/// Sums of the rows of one order, in minor units: what was paid, given back and disputed in the order's own currency, what it cost and
/// brought in that of the balance.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) gross: i64,
    pub(super) refunded: i64,
    pub(super) disputed: i64,
    pub(super) fees: i64,
    pub(super) taxes: i64,
    /// Of `gross`: tax that the marketplace collected.
    facilitator: i64,
    /// Of `refunded`: such tax that went back.
    facilitator_back: i64,
    pub(super) net: i64,
    /// Costs and net in other currencies than the balance's.
    pub(super) other: BTreeMap<Currency, Other>,
    /// Rows that paid, and how much.
    pub(super) sales: Vec<(String, i64)>,
    /// A row of it is in a currency that nothing links to the order's: told as such.
    pub(super) foreign: bool,
    /// Rows that gave back: how much, and how much of it is tax that the marketplace had collected.
    pub(super) returns: Vec<Given>,
}

impl Sums {
    /// One more row of the order.
    pub(super) fn add(&mut self, case: &Case<'_>, r: &Row, found: &mut Found) {
        let returned = returns(&r.tx.kind);
        let (before, given, tax_back) = (self.gross, self.refunded, self.facilitator_back);
        for p in &r.parts {
            let Some(class) = p.class else { continue };
            match value(r, p, class, case.currency) {
                Some(v) => self.put(case, p.amount.currency(), side(class, v, returned), v),
                None if matches!(class, Class::Sale | Class::Refund | Class::Dispute) => {
                    self.foreign = true;
                    foreign(case, r, p, found);
                }
                None => {}
            }
        }
        if r.net.currency() == case.balance {
            self.net += r.net.minor();
        } else {
            self.other.entry(r.net.currency()).or_default().net += r.net.minor();
        }
        if self.gross > before {
            self.sales.push((r.tx.id.clone(), self.gross - before));
        }
        if self.refunded != given {
            self.returns.push(Given { amount: self.refunded - given, tax: self.facilitator_back - tax_back });
        }
    }

    /// An amount, by the side of the order on which it stands; `c` is the currency of its part.
    fn put(&mut self, case: &Case<'_>, c: Currency, side: Side, v: i64) {
        match side {
            Side::Paid => self.gross += v,
            // In the balance's currency, while the order's sums are in its own.
            Side::Collected | Side::CollectedBack if c != case.currency => {}
            Side::Collected => {
                self.gross += v;
                self.facilitator += v;
            }
            Side::Back => self.refunded -= v,
            Side::CollectedBack => {
                self.refunded -= v;
                self.facilitator_back -= v;
            }
            Side::Disputed => self.disputed -= v,
            // What was withheld in another currency shows in the net of that currency.
            Side::Withheld if c != case.balance => {}
            Side::Withheld => self.taxes -= v,
            Side::Fee if c != case.balance => self.other.entry(c).or_default().fees -= v,
            Side::Fee => self.fees -= v,
            Side::Aside => {}
        }
    }

    /// What the rows so far say of an order of that total.
    pub(super) fn progress(&self, total: i64) -> &'static str {
        if self.disputed > 0 {
            "Disputed"
        } else if self.gross == 0 {
            "Expected"
        } else if self.gross - self.facilitator >= total || self.gross >= total {
            "Settled"
        } else {
            "Partial"
        }
    }

    /// Totals with and without the tax that the marketplace collects are both the order's total: where it is the one without, the
    /// sums are without that tax as well.
    pub(super) fn settle_tax(&mut self, total: i64) {
        if self.gross == total || !settles(self.gross, self.facilitator, total) {
            return;
        }
        self.gross -= self.facilitator;
        self.refunded -= self.facilitator_back;
        self.taxes -= self.facilitator - self.facilitator_back;
        for g in &mut self.returns {
            g.amount -= g.tax;
            g.tax = 0;
        }
    }
}

/// What a part counts: of what stands against the order's total, in the order's currency, if something links the two; else as it is.
fn value(r: &Row, p: &Part, class: Class, c: Currency) -> Option<i64> {
    match class {
        Class::Sale
        | Class::Shipping
        | Class::Promotion
        | Class::TaxSeller
        | Class::Refund
        | Class::Dispute => own(r, p, c),
        _ => Some(p.amount.minor()),
    }
}

/// A part in the order's own currency: where the row is one amount, as the row states it; else as the part is.
pub(super) fn own(r: &Row, p: &Part, c: Currency) -> Option<i64> {
    let single = r.tx.components.is_empty() || r.tx.fee.is_some();
    if p.amount.currency() == c {
        Some(p.amount.minor())
    } else if single && r.tx.amount.currency() == c {
        Some(r.tx.amount.minor())
    } else {
        None
    }
}

/// Tells of a payment, refund or dispute that cannot be counted.
fn foreign(case: &Case<'_>, r: &Row, p: &Part, found: &mut Found) {
    let order = &case.order.id;
    found.note(
        Reason::CurrencyMismatch,
        p.amount,
        vec![order.clone(), r.tx.id.clone()],
        format!(
            "order {order} is in {}, row {} is in {}: no rate of the provider links them",
            case.currency,
            r.tx.id,
            p.amount.currency()
        ),
        vec![(format!("{} in row {}", p.code, r.tx.id), p.amount.minor())],
        0,
    );
}

/// By how much the net that a sale's row states is not its amount less its fee.
pub(super) fn contradicts(r: &Row, c: Currency) -> i64 {
    let own = r.main() == Some(Class::Sale) && r.tx.net.is_some() && r.tx.affects;
    if own && r.tx.amount.currency() == c && r.net.currency() == c {
        r.tx.gross_in_net().minor().saturating_sub(r.tx.amount.minor())
    } else {
        0
    }
}
