//! Rows that name a document: one that is in another currency, or one that is not here.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{Currency, Money};

use super::{Doc, Id, StatementState};
use crate::facts::{Facts, Provider};
use crate::recon::dedupe::Clean;
use crate::recon::parts::Row;
use crate::recon::{Found, Reason};

fn id((provider, account, id, _): &Doc) -> Id {
    (*provider, account.clone(), id.clone())
}

/// The currencies in which documents stand.
#[derive(Default)]
struct Known(BTreeMap<Id, BTreeSet<Currency>>);

impl Known {
    fn add(&mut self, provider: Provider, account: &str, id: &str, currency: Currency) {
        self.0.entry((provider, account.to_owned(), id.to_owned())).or_default().insert(currency);
    }
    /// The document is here, and not in this currency.
    fn others(&self, doc: &Doc) -> Option<&BTreeSet<Currency>> {
        self.0.get(&id(doc)).filter(|all| !all.contains(&doc.3))
    }
    fn has(&self, doc: &Doc) -> bool {
        self.0.contains_key(&id(doc))
    }
}

/// Rows by the document that they name, where they are no part of its sum: what they moved is in the books and in no document.
pub(super) struct Strangers {
    /// Payouts of which rows are in another currency.
    pub(super) payouts: BTreeSet<Id>,
}

pub(super) fn run(
    clean: &Clean,
    members: &BTreeMap<Doc, Vec<usize>>,
    paid: &BTreeMap<Doc, Vec<usize>>,
    statements: &[StatementState],
    rows: &mut [Row],
    facts: &Facts,
    found: &mut Found,
) -> Strangers {
    let (mut listed, mut sent, mut all_listed, mut all_sent) =
        (Known::default(), Known::default(), Known::default(), Known::default());
    for (s, _) in &clean.statements {
        listed.add(s.provider, &s.account, &s.id, s.currency);
        sent.add(s.provider, &s.account, &s.id, s.currency);
    }
    for (p, _) in &clean.payouts {
        for name in std::iter::once(&p.id).chain(&p.group) {
            sent.add(p.provider, &p.account, name, p.amount.currency());
        }
    }
    // Whatever the day of the report: a document of a later day is here, and not yet known.
    for s in &facts.statements {
        all_listed.add(s.provider, &s.account, &s.id, s.currency);
        all_sent.add(s.provider, &s.account, &s.id, s.currency);
    }
    for p in &facts.payouts {
        for name in std::iter::once(&p.id).chain(&p.group) {
            all_sent.add(p.provider, &p.account, name, p.amount.currency());
        }
    }
    // A statement that is refused is refused whole.
    for (doc, list) in members.iter().filter(|(doc, _)| listed.others(doc).is_some()) {
        let mut own = statements
            .iter()
            .filter(|s| s.provider == doc.0 && s.account == doc.1 && s.id == doc.2)
            .peekable();
        if own.peek().is_some() && own.all(|s| s.refused) {
            for i in list {
                if let Some(r) = rows.get_mut(*i) {
                    r.refused = true;
                }
            }
        }
    }
    let rows = &*rows;
    let mut out = Strangers { payouts: BTreeSet::new() };
    // What a row moved that names both documents counts once.
    let mut counted: BTreeSet<usize> = BTreeSet::new();
    for (what, docs, here, all) in
        [("statement", members, &listed, &all_listed), ("payout", paid, &sent, &all_sent)]
    {
        for (doc, list) in docs {
            let mine: Vec<(usize, &Row)> = list
                .iter()
                .filter_map(|i| rows.get(*i).map(|r| (*i, r)))
                .filter(|(_, r)| !r.dropped)
                .collect();
            if let Some(others) = here.others(doc) {
                let mine: Vec<(usize, &Row)> = mine.into_iter().filter(|(_, r)| !r.net.is_zero()).collect();
                if mine.is_empty() {
                    continue;
                }
                if what == "payout" {
                    out.payouts.insert(id(doc));
                }
                mismatch(what, doc, others, &mine, &counted, found);
                counted.extend(mine.iter().map(|(i, _)| *i));
            } else if facts.has(if what == "statement" { "statements" } else { "payouts" }) && !all.has(doc) {
                unknown(what, doc, mine.iter().filter(|(_, r)| !r.refused).map(|(_, r)| *r), found);
            }
        }
    }
    out
}

/// The document, its rows (the first of very many) and what they moved.
fn prove(doc: &Doc, rows: &[&Row]) -> (Vec<String>, Vec<(String, i64)>) {
    const MOST: usize = 50;
    let shown = rows.get(..MOST).unwrap_or(rows);
    let records = std::iter::once(doc.2.clone()).chain(shown.iter().map(|r| r.tx.id.clone())).collect();
    let mut evidence: Vec<(String, i64)> =
        shown.iter().map(|r| (format!("moved by row {}", r.tx.id), r.net.minor())).collect();
    if let Some(rest) = rows.get(MOST..).filter(|r| !r.is_empty()) {
        let sum = rest.iter().fold(0_i64, |s, r| s.saturating_add(r.net.minor()));
        evidence.push((format!("moved by {} more rows", rest.len()), sum));
    }
    (records, evidence)
}

fn mismatch(
    what: &str,
    doc: &Doc,
    others: &BTreeSet<Currency>,
    mine: &[(usize, &Row)],
    counted: &BTreeSet<usize>,
    found: &mut Found,
) {
    let rows: Vec<&Row> = mine.iter().map(|(_, r)| *r).collect();
    let sum = |keep: &dyn Fn(usize, &Row) -> bool| {
        mine.iter().filter(|(i, r)| keep(*i, r)).fold(0_i64, |s, (_, r)| s.saturating_add(r.net.minor()))
    };
    let (records, evidence) = prove(doc, &rows);
    let names: Vec<&str> = others.iter().map(Currency::code).collect();
    let ids: Vec<&str> = rows.iter().take(5).map(|r| r.tx.id.as_str()).collect();
    found.note(
        Reason::CurrencyMismatch,
        Money::from_minor(sum(&|_, _| true), doc.3),
        records,
        format!(
            "{what} {} is in {}; {} of its rows moved {} ({}{}), and no rate of the provider links them",
            doc.2,
            names.join(" and "),
            rows.len(),
            doc.3,
            ids.join(", "),
            if rows.len() > ids.len() { ", …" } else { "" }
        ),
        evidence,
        // Another document posts what only informs.
        sum(&|i, r| !r.tx.informs && !counted.contains(&i)),
    );
}

fn unknown<'a>(what: &str, doc: &Doc, mine: impl Iterator<Item = &'a Row>, found: &mut Found) {
    let rows: Vec<&Row> = mine.collect();
    if rows.is_empty() {
        return;
    }
    let (records, evidence) = prove(doc, &rows);
    let sum = evidence.iter().fold(0_i64, |s, (_, m)| s.saturating_add(*m));
    found.add(
        Reason::ProviderOnly,
        Money::from_minor(sum, doc.3),
        records,
        format!(
            "{what} {} is not among the {what}s, and {} of {}, account '{}', {} it: its total cannot be checked",
            doc.2,
            if rows.len() == 1 { "a row".to_owned() } else { format!("{} rows", rows.len()) },
            doc.0,
            doc.1,
            if rows.len() == 1 { "names" } else { "name" }
        ),
        evidence,
    );
}
