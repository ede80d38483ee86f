//! What is asked of the facts as a whole, before the work: their hash, their last day, their currency, and that their sums have room.

use std::collections::BTreeMap;

use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tradewind_domain::{Currency, Money};

use super::{Policy, ReconError};
use crate::facts::{Facts, Moment, Origin};

/// The hash of the sorted hashes of all facts, so that their order is of no account.
pub(super) fn hash(facts: &Facts) -> String {
    let mut all: Vec<[u8; 32]> = Vec::new();
    let mut take = |text: std::fmt::Arguments<'_>| {
        let mut one = Hashing(Sha256::new());
        // Writing to a hash cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut one, text);
        all.push(one.0.finalize().into());
    };
    macro_rules! facts {
        ($($list:ident),+) => {$(
            // The origin stays out: the same row elsewhere in the file is the same input.
            for f in &facts.$list {
                let mut f = f.clone();
                f.origin.row = 0;
                f.origin.file = "".into();
                take(format_args!("{}{f:?}", stringify!($list)));
            }
        )+};
    }
    facts!(orders, refunds, invoices, transactions, statements, payouts, bank, carrier, decisions, closed);
    facts.rates.iter().for_each(|r| take(format_args!("{r:?}")));
    facts.errors.iter().for_each(|r| take(format_args!("error{}", r.message)));
    facts.refused.iter().for_each(|r| take(format_args!("{r:?}")));
    all.sort_unstable();
    hex::encode(all.iter().fold(Sha256::new(), |sha, one| sha.chain_update(one)).finalize())
}

/// Takes the hash of what is written to it.
struct Hashing(Sha256);

impl std::fmt::Write for Hashing {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.0.update(s.as_bytes());
        Ok(())
    }
}

/// The last day that a fact names: the day of a report for which none is asked.
#[must_use]
pub fn last_day(facts: &Facts) -> Date {
    let first = facts
        .orders
        .iter()
        .map(|o| o.placed.day())
        .chain(facts.refunds.iter().map(|r| r.requested.day()))
        .chain(facts.transactions.iter().map(|t| t.occurred.day()))
        .chain(facts.statements.iter().filter_map(|s| s.deposit))
        // A statement is issued when its period is over: a report of an earlier day would not know it.
        .chain(facts.statements.iter().filter_map(|s| s.to.as_ref().map(Moment::day)))
        .chain(facts.bank.iter().map(|b| b.date))
        .max();
    let other = facts.payouts.iter().filter_map(|p| p.arrival).max();
    first.or(other).unwrap_or(jiff::civil::date(1970, 1, 1))
}

/// The policy's; else the currency of the bank lines, of the balances or of the orders, if there is only one; else the one of the most
/// bank lines, balance rows or orders, the first by name of several. Exchange is measured in it, and nothing else depends on it. An
/// input without any amount has nothing to measure, and says euro.
pub(super) fn base(facts: &Facts, policy: &Policy) -> Currency {
    type Counts = BTreeMap<Currency, usize>;
    let count = |all: &mut dyn Iterator<Item = Currency>| -> Counts {
        let mut out = Counts::new();
        all.for_each(|c| *out.entry(c).or_default() += 1);
        out
    };
    let kinds = [
        count(&mut facts.bank.iter().map(|b| b.amount.currency())),
        count(&mut facts.transactions.iter().map(|t| t.net_currency)),
        count(&mut facts.orders.iter().map(|o| o.total.currency())),
    ];
    let only = |k: &Counts| k.keys().next().copied().filter(|_| k.len() == 1);
    let most = |k: &Counts| {
        let top = k.values().max().copied();
        k.iter().find(|(_, n)| Some(**n) == top).map(|(c, _)| *c)
    };
    policy
        .base
        .or_else(|| kinds.iter().find_map(only))
        .or_else(|| kinds.iter().find_map(most))
        .unwrap_or(Currency::EUR)
}

/// Every sum of a run is of amounts of the facts, each at most a few times. So one look at all of them together proves that no sum
/// leaves its range, and the sums further on need no check of their own.
pub(super) fn in_range(facts: &Facts) -> Result<(), ReconError> {
    // Eight amounts of the size of all of them together still fit.
    const MOST: u128 = (i64::MAX / 8) as u128;
    let mut sums: BTreeMap<Currency, (u128, Money, &Origin)> = BTreeMap::new();
    macro_rules! take {
        ($($list:ident: $x:ident => [$($one:expr),*] $(, $more:expr)?;)+) => {$(
            for $x in &facts.$list {
                let all = [$(Some($one)),*].into_iter()$(.chain($more))?;
                for m in all.flatten().flatten() {
                    let slot = sums.entry(m.currency()).or_insert((0, m, &$x.origin));
                    slot.0 = slot.0.saturating_add(u128::from(m.minor().unsigned_abs()));
                    if m.minor().unsigned_abs() > slot.1.minor().unsigned_abs() {
                        (slot.1, slot.2) = (m, &$x.origin);
                    }
                }
            }
        )+};
    }
    take! {
        orders: o => [Some(o.total), o.collected_duties, o.quoted.map(|q| q.duty), o.quoted.map(|q| q.vat),
            o.quoted.map(|q| q.fee)];
        refunds: r => [Some(r.amount)];
        invoices: i => [Some(i.gross), Some(i.net), Some(i.vat)];
        transactions: t => [Some(t.amount), t.fee, t.net, Some(t.gross_in_net())],
            t.components.iter().map(|(_, m)| Some(Some(*m)));
        statements: s => [s.opening, s.closing, s.total, s.converted];
        payouts: p => [Some(p.amount), p.converted];
        bank: b => [Some(b.amount)];
        carrier: c => [Some(c.duty), Some(c.vat), Some(c.fee), Some(c.total)];
    }
    for (c, (sum, largest, origin)) in sums {
        if sum > MOST {
            return Err(ReconError::Range(format!(
                "the amounts in {c} are together more than can be summed; the largest is {largest} in {}, row {}: is its scale right?",
                origin.file, origin.row
            )));
        }
    }
    Ok(())
}
