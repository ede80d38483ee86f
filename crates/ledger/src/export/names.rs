//! Account names in plain-text accounting: five roots, words of letters, digits and dashes.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::Books;

/// Beancount's names of all accounts of the books. Two of ours never share one of theirs.
pub(super) fn accounts(books: &Books) -> BTreeMap<String, String> {
    let ours: BTreeSet<&str> =
        books.journal.iter().flat_map(|e| &e.postings).map(|p| p.account.as_str()).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut out = BTreeMap::new();
    for account in ours {
        let mut name = one(account);
        if !taken.insert(name.clone()) {
            let digest = hex::encode(Sha256::digest(account.as_bytes()));
            name = format!("{name}-{}", digest.get(..6).unwrap_or_default());
            taken.insert(name.clone());
        }
        out.insert(account.to_owned(), name);
    }
    out
}

fn one(account: &str) -> String {
    let mut parts = account.split(':').filter(|p| !p.is_empty());
    let first = parts.next().unwrap_or_default();
    let (root, keep) = match first.to_ascii_lowercase().as_str() {
        "assets" => ("Assets", false),
        "liabilities" => ("Liabilities", false),
        "equity" => ("Equity", false),
        "income" => ("Income", false),
        "expenses" => ("Expenses", false),
        // Reductions of income, gains and losses stand with income; what is not explained, with assets.
        "contra" => ("Income", false),
        "pl" => ("Income", true),
        _ => ("Assets", true),
    };
    let mut out = root.to_owned();
    for part in keep.then_some(first).into_iter().chain(parts) {
        out.push(':');
        out.push_str(&word(part));
    }
    if out == root {
        out.push_str(":Other");
    }
    out
}

fn word(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for c in part.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(if out.is_empty() { c.to_ascii_uppercase() } else { c });
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-').to_owned();
    if out.is_empty() {
        let digest = hex::encode(Sha256::digest(part.as_bytes()));
        return format!("X{}", digest.get(..6).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_words() {
        assert_eq!(one("assets:clearing:amazon:eu shop:EUR"), "Assets:Clearing:Amazon:Eu-shop:EUR");
        assert_eq!(one("pl:fx:realised"), "Income:Pl:Fx:Realised");
        assert_eq!(one("suspense:paypal"), "Assets:Suspense:Paypal");
        assert_eq!(one("contra:refunds"), "Income:Refunds");
        assert!(one("assets:金").starts_with("Assets:X"));
        assert_eq!(one("assets"), "Assets:Other");
    }
}
