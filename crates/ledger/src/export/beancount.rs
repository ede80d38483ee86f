//! Beancount v3 text that `bean-check` accepts.
//!
//! Accounts are opened on the first day; conversions are explicit postings, never `@` prices, because every entry balances per
//! currency already. The balances that the trial balance claims are asserted at the end (an assertion holds at the start of its day).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Books, names};

pub(super) fn quoted(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    format!("\"{clean}\"")
}

fn link(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/') { c } else { '-' })
        .collect();
    clean.trim_matches('-').to_owned()
}

pub(super) fn text(books: &Books) -> String {
    let accounts = names::accounts(books);
    let name = |account: &str| accounts.get(account).map(String::as_str).unwrap_or("Assets:Other");
    let mut out = String::new();
    let _ = writeln!(out, "option \"title\" {}\n", quoted(&books.title));
    let first = books.journal.first().map_or(books.as_of, |e| e.date);
    for theirs in accounts.values() {
        let _ = writeln!(out, "{first} open {theirs}");
    }
    for e in &books.journal {
        let link = link(&e.group);
        let link = if link.is_empty() { String::new() } else { format!(" ^{link}") };
        let _ = writeln!(out, "\n{} * {} {}{link}", e.date, quoted(&e.channel), quoted(&e.text));
        let _ = writeln!(out, "  id: {}", quoted(&e.id));
        if !e.trace.is_empty() {
            let _ = writeln!(out, "  trace: {}", quoted(&e.trace.join(" ")));
        }
        for p in &e.postings {
            let _ =
                writeln!(out, "  {:<60} {:>16} {}", name(&p.account), p.amount.amount(), p.amount.currency());
        }
    }
    let after = books
        .journal
        .last()
        .map_or(books.as_of, |e| e.date)
        .max(books.as_of)
        .tomorrow()
        .unwrap_or(books.as_of);
    let mut balances: BTreeMap<(String, String), String> = BTreeMap::new();
    for (currency, rows) in books.trial_balance().unwrap_or_default() {
        for (account, m) in rows {
            balances.insert((name(&account).to_owned(), currency.to_string()), m.amount());
        }
    }
    out.push('\n');
    for ((account, currency), amount) in balances {
        let _ = writeln!(out, "{after} balance {account:<60} {amount:>16} {currency}");
    }
    out
}
