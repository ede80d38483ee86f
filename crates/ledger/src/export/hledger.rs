//! hledger journal text that `hledger check` accepts, with balance assertions at the end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tradewind_domain::Currency;

use super::{Books, names};

/// A description is one line without the signs that end it or start a comment.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, ';' | '|' | '=' | '(' | ')') { ' ' } else { c })
        .collect()
}

pub(super) fn text(books: &Books) -> String {
    let accounts = names::accounts(books);
    let name = |account: &str| accounts.get(account).map(String::as_str).unwrap_or("Assets:Other");
    let mut out = String::new();
    let _ = writeln!(out, "; {}\n", plain(&books.title));
    let currencies: BTreeSet<Currency> =
        books.journal.iter().flat_map(|e| &e.postings).map(|p| p.amount.currency()).collect();
    for c in &currencies {
        // The trailing point tells hledger that the mark is a point even without decimals.
        let zeros = "0".repeat(c.exponent() as usize);
        let _ = writeln!(out, "commodity 1000.{zeros} {c}");
    }
    let _ = writeln!(out);
    for theirs in accounts.values() {
        let _ = writeln!(out, "account {theirs}");
    }
    for e in &books.journal {
        let _ = writeln!(
            out,
            "\n{} * {} | {}  ; id: {}",
            e.date,
            plain(&e.channel),
            plain(&e.text),
            plain(&e.id).replace(',', " ")
        );
        if !e.group.is_empty() {
            let _ = writeln!(out, "    ; group: {}", plain(&e.group).replace(',', " "));
        }
        if !e.trace.is_empty() {
            let _ = writeln!(out, "    ; trace: {}", plain(&e.trace.join(" ")).replace(',', " "));
        }
        for p in &e.postings {
            let _ = writeln!(
                out,
                "    {:<60}  {:>16} {}",
                name(&p.account),
                p.amount.amount(),
                p.amount.currency()
            );
        }
    }
    let last = books.journal.last().map_or(books.as_of, |e| e.date).max(books.as_of);
    let balances = books.trial_balance().unwrap_or_default();
    if !balances.is_empty() {
        let _ = writeln!(out, "\n{last} * closing balances asserted");
        for (currency, rows) in balances {
            let zero = tradewind_domain::Money::zero(currency).amount();
            for (account, m) in rows {
                let _ = writeln!(
                    out,
                    "    {:<60}  {zero:>16} {currency} = {} {currency}",
                    name(&account),
                    m.amount()
                );
            }
        }
    }
    out
}
