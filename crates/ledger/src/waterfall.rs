//! From sales to the bank, channel by channel: what the terminal prints and the workbook draws, in one place. `gross`, what the buyer
//! paid, is another figure: it is an order's, and the tax is in it.
//!
//! Counted from the journal's postings alone. Entries balance, so the steps of a waterfall sum to what reached the bank.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{Currency, Money};

use crate::import::Provider;

/// What a step does to the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Where it begins.
    Start,
    /// Gained or lost.
    Change,
    /// Ours still, but elsewhere.
    Aside,
}

/// One step, signed as it moves the money towards the bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// How much; never zero.
    pub amount: Money,
}

/// A channel in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waterfall {
    /// Channel or provider; `other` for what no single one of them did.
    pub channel: &'static str,
    /// Currency.
    pub currency: Currency,
    /// In their order.
    pub steps: Vec<Step>,
    /// What reached the bank: Σ of the steps.
    pub bank: Money,
}

/// The steps: what it is called, what it does, and the accounts that it sums.
const STEPS: [(&str, Kind, &[&str]); 13] = [
    ("sales without tax", Kind::Start, &["income:sales", "income:shipping", "contra:promotions"]),
    ("tax collected", Kind::Change, &["liabilities:tax", "liabilities:facilitator-tax"]),
    ("refunds", Kind::Change, &["contra:refunds"]),
    ("disputes", Kind::Change, &["assets:disputed", "expenses:disputes-lost"]),
    ("fees", Kind::Change, &["expenses:fees"]),
    (
        "duties, brokerage",
        Kind::Change,
        &[
            "assets:duty-clearing",
            "expenses:duty",
            "expenses:brokerage",
            "expenses:import-vat",
            "liabilities:carriers",
        ],
    ),
    (
        "withheld, loans, other",
        Kind::Change,
        &["assets:tax-withheld", "liabilities:loans", "income:reimbursement", "assets:transfer"],
    ),
    ("exchange, rounding", Kind::Change, &["equity:conversion", "pl:", "assets:fx-revaluation"]),
    ("there before", Kind::Change, &["equity:opening"]),
    ("reserve", Kind::Aside, &["assets:reserve"]),
    ("still at the provider", Kind::Aside, &["assets:clearing"]),
    ("on its way", Kind::Aside, &["assets:in-transit"]),
    ("suspense", Kind::Change, &["suspense"]),
];

/// Where an account goes that no step names.
const OTHER: usize = 6;

/// The channel of an entry: the one provider that its accounts name.
fn channel<'a>(accounts: impl Iterator<Item = &'a str>) -> &'static str {
    let mut names = BTreeSet::new();
    for account in accounts {
        names.extend(
            Provider::ALL
                .iter()
                .filter(|x| !matches!(x, Provider::Bank | Provider::Carrier))
                .filter(|x| account.split(':').any(|part| part == x.name()))
                .map(|x| x.name()),
        );
    }
    let mut names = names.into_iter();
    match (names.next(), names.next()) {
        (Some(one), None) => one,
        _ => "other",
    }
}

/// The waterfalls of a journal: of each entry its postings, account and amount.
pub fn of<'a>(entries: impl Iterator<Item = Vec<(&'a str, Money)>>) -> Vec<Waterfall> {
    let mut sums: BTreeMap<(&'static str, Currency), BTreeMap<usize, i64>> = BTreeMap::new();
    for postings in entries {
        let channel = channel(postings.iter().map(|(account, _)| *account));
        for (account, m) in postings {
            let step = STEPS.iter().position(|(.., names)| names.iter().any(|a| account.starts_with(a)));
            let (at, sign) = match step {
                Some(i) => (i, -1),
                None if account.starts_with("assets:bank") => (STEPS.len(), 1),
                None => (OTHER, -1),
            };
            let slot = sums.entry((channel, m.currency())).or_default().entry(at).or_insert(0);
            *slot = slot.saturating_add(m.minor().saturating_mul(sign));
        }
    }
    let mut out = Vec::with_capacity(sums.len());
    for ((channel, currency), sums) in sums {
        let steps: Vec<Step> = STEPS
            .iter()
            .enumerate()
            .filter_map(|(i, (name, kind, _))| {
                let m = sums.get(&i).copied().filter(|m| *m != 0)?;
                Some(Step { name, kind: *kind, amount: Money::from_minor(m, currency) })
            })
            .collect();
        let bank = Money::from_minor(sums.get(&STEPS.len()).copied().unwrap_or(0), currency);
        if !steps.is_empty() || !bank.is_zero() {
            out.push(Waterfall { channel, currency, steps, bank });
        }
    }
    out
}
