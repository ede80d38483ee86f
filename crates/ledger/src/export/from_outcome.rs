//! Books from a reconciliation: its journal as it was booked, its matches, its differences, and the sums that a month is closed
//! with.
//!
//! Nothing is posted here. The summary counts the parts of the rows that were booked, and takes payouts, arrivals and balances from
//! the journal's own postings, so that it can be checked against them: closing = opening + everything between.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tradewind_domain::{Currency, Decimal, Money, MoneyError, Rounding};

use super::{
    Books, Entry, Exception, ExportError, FxRate, Line, Match, NotTaken, Posting, Settlement, Summary,
};
use crate::chart::{Chart, Place};
use crate::facts::{Facts, Moment, Statement};
use crate::import::{Class, Provider};
use crate::rates::Rates;
use crate::recon::wallet::opening_entry;
use crate::recon::{self, Outcome, parts, post};

/// A balance at a provider: provider, account, currency.
type Key = (&'static str, String, Currency);

fn bad(e: MoneyError) -> ExportError {
    ExportError::Amount(e.to_string())
}

fn add(slot: &mut Money, m: Money) -> Result<(), ExportError> {
    *slot = slot.try_add(m).map_err(bad)?;
    Ok(())
}

/// Whose an entry is: the balance that it moves, and the settlement or payout that it belongs to.
struct Owner {
    key: Option<Key>,
    channel: String,
    group: String,
    /// It sends money to the bank or takes it back, and no row shows that.
    transfer: bool,
}

fn row_key(r: &parts::Row) -> Key {
    (r.tx.provider.name(), r.tx.account.clone(), r.net.currency())
}

fn group(r: &parts::Row) -> String {
    r.tx.payout.clone().or_else(|| r.tx.statement.clone()).unwrap_or_default()
}

fn owners(o: &Outcome) -> HashMap<String, Owner> {
    let mut out = HashMap::with_capacity(o.rows.len() + o.payouts.len());
    for r in o.rows.iter().filter(|r| r.posts()) {
        out.insert(
            post::row_entry(r),
            Owner {
                key: Some(row_key(r)),
                channel: r.tx.provider.name().to_owned(),
                group: group(r),
                transfer: false,
            },
        );
    }
    let mut transfer = |entry: String, key: Key, group: &str| {
        let channel = key.0.to_owned();
        out.insert(entry, Owner { key: Some(key), channel, group: group.to_owned(), transfer: true });
    };
    for s in &o.statements {
        let key = (s.provider.name(), s.account.clone(), s.total.currency());
        transfer(post::close_entry(s), key, &s.id);
    }
    for p in &o.payouts {
        let key = (p.provider.name(), p.account.clone(), p.amount.currency());
        transfer(post::payout_entry(p), key.clone(), &p.id);
        transfer(post::returned_entry(p), key, &p.id);
    }
    for s in &o.statements {
        let (provider, c) = (s.provider.name(), s.total.currency());
        out.insert(
            opening_entry(provider, &s.account, &s.id, c),
            Owner {
                key: Some((provider, s.account.clone(), c)),
                channel: provider.to_owned(),
                group: s.id.clone(),
                transfer: false,
            },
        );
    }
    for b in &o.bank {
        out.insert(
            format!("bank:{}:{}", b.account, b.id),
            Owner { key: None, channel: "bank".to_owned(), group: b.matched_to.join(" + "), transfer: false },
        );
    }
    out
}

/// The accounts of the balances at providers, by name.
struct Accounts {
    clearing: HashMap<String, Key>,
    transit: HashMap<String, Key>,
    opening: String,
}

impl Accounts {
    fn new(o: &Outcome, chart: &Chart) -> Accounts {
        let mut a = Accounts {
            clearing: HashMap::new(),
            transit: HashMap::new(),
            opening: chart.of("opening", Place { provider: "", account: "", currency: o.base }),
        };
        let keys = o
            .rows
            .iter()
            .map(row_key)
            .chain(o.statements.iter().map(|s| (s.provider.name(), s.account.clone(), s.total.currency())))
            .chain(o.payouts.iter().map(|p| (p.provider.name(), p.account.clone(), p.amount.currency())));
        let keys: std::collections::BTreeSet<Key> = keys.collect();
        for key in keys {
            let place = Place { provider: key.0, account: &key.1, currency: key.2 };
            a.clearing.insert(chart.of("clearing", place), key.clone());
            a.transit.insert(chart.of_class(Some(Class::Payout), place), key.clone());
        }
        a
    }
}

type Sums = BTreeMap<Key, Summary>;

fn of<'a>(sums: &'a mut Sums, key: &Key) -> &'a mut Summary {
    sums.entry(key.clone()).or_insert_with(|| Summary::new(key.0, &key.1, key.2))
}

/// Where a part of a row stands in the summary.
fn slot(row: &mut Summary, class: Option<Class>) -> &mut Money {
    match class {
        Some(Class::Sale | Class::Shipping | Class::Promotion | Class::Coupon) => &mut row.sales,
        Some(Class::Refund) => &mut row.refunds,
        Some(
            Class::TaxSeller
            | Class::TaxFacilitator
            | Class::TaxWithheld
            | Class::Withholding
            | Class::ImportVat
            | Class::Duty,
        ) => &mut row.taxes,
        Some(Class::Reserve) => &mut row.reserve,
        Some(Class::Conversion) => &mut row.fx,
        Some(Class::Payout) => &mut row.payouts,
        Some(class) if class.is_fee() => row
            .fees
            .entry(class.name().trim_start_matches("fee.").to_owned())
            .or_insert(Money::zero(row.currency)),
        Some(_) => &mut row.other,
        None => &mut row.unexplained,
    }
}

/// The channel of an entry that is neither row nor transfer: the provider that its id names; else the kind of entry stands for it
/// (duties, exchange).
fn channel(entry: &str) -> String {
    let mut parts = entry.split(':');
    let kind = parts.next().unwrap_or_default();
    parts.next().filter(|p| p.parse::<Provider>().is_ok()).unwrap_or(kind).to_owned()
}

fn journal(o: &Outcome, chart: &Chart, books: &mut Books, sums: &mut Sums) -> Result<(), ExportError> {
    let owners = owners(o);
    let accounts = Accounts::new(o, chart);
    for (number, e) in (1..).zip(o.journal.entries()) {
        let d = &e.draft;
        let owner = owners.get(d.reverses.as_deref().unwrap_or_else(|| recon::closed_base(&d.id)));
        let mut postings = Vec::with_capacity(d.postings.len());
        for p in &d.postings {
            let amount = p.amount();
            if let Some(key) = accounts.clearing.get(&p.account) {
                add(&mut of(sums, key).closing, amount)?;
            }
            let of_owner = owner.and_then(|w| w.key.as_ref().map(|k| (w, k)));
            if let Some((_, key)) = of_owner.filter(|_| p.account == accounts.opening) {
                add(&mut of(sums, key).opening, amount.negated())?;
            }
            // What came or went between two statements of a wallet is in no row.
            let between = of_owner.filter(|(_, key)| {
                let place = Place { provider: key.0, account: &key.1, currency: key.2 };
                recon::closed_base(&d.id).starts_with("opening:") && p.account == chart.of("suspense", place)
            });
            if let Some((_, key)) = between {
                add(&mut of(sums, key).unexplained, amount.negated())?;
            }
            if let Some(key) = accounts.transit.get(&p.account) {
                if owner.is_some_and(|w| w.transfer) {
                    add(&mut of(sums, key).payouts, amount.negated())?;
                } else if owner.is_some_and(|w| w.key.is_none()) {
                    add(&mut of(sums, key).arrived, amount.negated())?;
                }
            }
            postings.push(Posting { account: p.account.clone(), amount });
        }
        books.journal.push(Entry {
            id: d.id.clone(),
            date: e.booked,
            text: d.text.clone(),
            group: owner.map(|w| w.group.clone()).unwrap_or_default(),
            channel: owner.map_or_else(|| channel(&d.id), |w| w.channel.clone()),
            trace: d.trace.clone(),
            reverses: d.reverses.clone().unwrap_or_default(),
            meant: d.date,
            number,
            hash: e.hash.clone(),
            postings,
        });
    }
    Ok(())
}

/// What is booked after the report's day has moved no balance yet: a row stands in no summary before its entry does, and a correction
/// that is still to come is taken out of what the rows say now.
fn lines(o: &Outcome, chart: &Chart, books: &mut Books, sums: &mut Sums) -> Result<(), ExportError> {
    let later: BTreeSet<&str> = o.later.iter().map(|e| e.draft.id.as_str()).collect();
    if !later.is_empty() {
        let rows: HashMap<String, Key> = o.rows.iter().map(|r| (post::row_entry(r), row_key(r))).collect();
        let accounts = Accounts::new(o, chart);
        for d in o.later.iter().map(|e| &e.draft) {
            // Corrections of rows alone: what transfers and openings moved is counted from the journal.
            let base = recon::closed_base(&d.id);
            if base == d.id || !rows.contains_key(base) {
                continue;
            }
            for p in &d.postings {
                if let Some(key) = accounts.clearing.get(&p.account) {
                    add(&mut of(sums, key).other, p.amount().negated())?;
                }
            }
        }
    }
    for r in o.rows.iter().filter(|r| r.posts()) {
        let entry = post::row_entry(r);
        if later.contains(entry.as_str()) {
            continue;
        }
        let row = of(sums, &row_key(r));
        let order =
            r.order.and_then(|i| o.orders.get(i)).map(|x| x.id.clone()).or_else(|| r.tx.order.clone());
        for p in &r.parts {
            add(slot(row, p.class), p.amount)?;
            books.lines.push(Line {
                id: r.tx.id.clone(),
                channel: r.tx.provider.name().to_owned(),
                account: r.tx.account.clone(),
                date: r.tx.occurred.day(),
                kind: r.tx.kind.clone(),
                code: p.code.clone(),
                class: p.class.map_or_else(|| "unmapped".to_owned(), |c| c.name().to_owned()),
                order: order.clone().unwrap_or_default(),
                group: group(r),
                amount: p.amount,
                entry: entry.clone(),
            });
        }
    }
    Ok(())
}

fn settlements(o: &Outcome, facts: &Facts, books: &mut Books) {
    let mut periods: HashMap<(&str, &str, &str, Currency), &Statement> = HashMap::new();
    for s in &facts.statements {
        let key = (s.provider.name(), s.account.as_str(), s.id.as_str(), s.currency);
        // Several versions: the one that arrived first is the one that counts.
        let had = periods.entry(key).or_insert(s);
        if s.origin.arrival < had.origin.arrival {
            *had = s;
        }
    }
    for s in &o.statements {
        let key = (s.provider.name(), s.account.as_str(), s.id.as_str(), s.total.currency());
        let period = periods.get(&key);
        books.settlements.push(Settlement {
            kind: "statement",
            id: s.id.clone(),
            channel: s.provider.name().to_owned(),
            account: s.account.clone(),
            from: period.and_then(|p| p.from.as_ref()).map(Moment::day),
            to: period.and_then(|p| p.to.as_ref()).map(Moment::day),
            deposit: s.deposit,
            total: s.total,
            sum: Some(s.sum),
            converted: s.converted,
            bank: s.bank.clone(),
            state: if s.foots { s.state.to_owned() } else { format!("{}, not footing", s.state) },
        });
    }
    for p in &o.payouts {
        books.settlements.push(Settlement {
            kind: "payout",
            id: p.id.clone(),
            channel: p.provider.name().to_owned(),
            account: p.account.clone(),
            from: None,
            to: p.last_member,
            deposit: p.arrival,
            total: p.amount,
            sum: p.sum,
            converted: p.converted,
            bank: p.bank.clone(),
            state: if p.foots || p.sum.is_none() {
                p.state.to_owned()
            } else {
                format!("{}, not footing", p.state)
            },
        });
    }
}

fn matches(o: &Outcome, books: &mut Books) {
    for m in &o.matches {
        let mut sha = Sha256::new();
        for part in [m.rule].into_iter().chain(m.left.iter().chain(&m.right).map(String::as_str)) {
            sha.update((part.len() as u64).to_be_bytes());
            sha.update(part.as_bytes());
        }
        // Two accounts may use the same ids.
        sha.update(format!("{} {}", m.amount, m.date).as_bytes());
        let digest = hex::encode(sha.finalize());
        books.matches.push(Match {
            id: format!("m-{}", digest.get(..16).unwrap_or_default()),
            rule: m.rule.to_owned(),
            left: m.left.clone(),
            right: m.right.clone(),
            amount: m.amount,
            residual: m.residual,
            date: m.date,
        });
    }
}

fn exceptions(o: &Outcome, books: &mut Books) {
    let mut days: HashMap<&str, Date> = HashMap::new();
    for r in &o.rows {
        days.entry(r.tx.id.as_str()).or_insert_with(|| r.tx.occurred.day());
    }
    for b in &o.bank {
        days.entry(b.id.as_str()).or_insert(b.date);
    }
    for s in &o.statements {
        days.entry(s.id.as_str()).or_insert(s.end.unwrap_or(o.as_of));
    }
    for p in &o.payouts {
        days.entry(p.id.as_str()).or_insert(p.arrival.or(p.last_member).unwrap_or(o.as_of));
    }
    for x in &o.orders {
        days.entry(x.id.as_str()).or_insert(x.day);
    }
    for d in &o.differences {
        let c = d.amount.currency();
        let evidence: Vec<String> = d
            .evidence
            .iter()
            .map(|(what, m)| format!("{what} {}", Money::from_minor(*m, c).amount()))
            .collect();
        books.exceptions.push(Exception {
            reason: d.reason.code().to_owned(),
            amount: d.amount,
            records: d.records.clone(),
            explanation: d.explanation.clone(),
            evidence: evidence.join("; "),
            unexplained: Money::from_minor(if d.accepted { 0 } else { d.unexplained }, c),
            state: match (d.accepted, d.open()) {
                (true, _) => "accepted",
                (false, true) => "open",
                (false, false) => "explained",
            },
            date: d.records.iter().filter_map(|r| days.get(r.as_str())).min().copied().unwrap_or(o.as_of),
        });
    }
}

/// The rates that the books used, with the reference rates that they were measured by.
fn rates(o: &Outcome, facts: &Facts, books: &mut Books) {
    let reference = Rates::new(&facts.rates);
    let mut out = Vec::new();
    let mut crossing = |base: Currency, quote: Currency, rate: Option<Decimal>, date: Date, who: String| {
        if base == quote {
            return;
        }
        if let Some(rate) = rate {
            out.push(FxRate { date, base, quote, rate: trimmed(rate), source: who });
        }
        if let Some(f) = reference.find(base, quote, date) {
            out.push(FxRate { date: f.date, base, quote, rate: trimmed(f.rate), source: f.source });
        }
    };
    for r in o.rows.iter().filter(|r| r.posts()) {
        let who = format!("{} {}", r.tx.provider.name(), r.tx.id);
        crossing(r.tx.amount.currency(), r.net.currency(), r.tx.rate, r.tx.occurred.day(), who);
    }
    let implied = |sent: Money, arrived: Money| {
        (!sent.is_zero()).then(|| arrived.decimal().checked_div(sent.decimal())).flatten()
    };
    for s in &o.statements {
        if let Some(converted) = s.converted {
            let who = format!("{} settlement {}: implied by what arrived", s.provider.name(), s.id);
            let day = s.deposit.or(s.end).unwrap_or(o.as_of);
            crossing(s.total.currency(), converted.currency(), implied(s.total, converted), day, who);
        }
    }
    for p in &o.payouts {
        if let Some(converted) = p.converted {
            let who = format!("{} payout {}: implied by what arrived", p.provider.name(), p.id);
            let day = p.arrival.or(p.last_member).unwrap_or(o.as_of);
            crossing(p.amount.currency(), converted.currency(), implied(p.amount, converted), day, who);
        }
    }
    // Open balances are revalued at the report's day.
    for c in books
        .journal
        .iter()
        .flat_map(|e| &e.postings)
        .map(|p| p.amount.currency())
        .collect::<std::collections::BTreeSet<_>>()
    {
        crossing(c, o.base, None, o.as_of, String::new());
    }
    books.fx = out;
}

/// At most twelve decimals; enough for one yen in a billion.
fn trimmed(rate: Decimal) -> Decimal {
    Rounding::HalfUp.to_step(rate, Decimal::new(1, 12)).normalize()
}

impl Books {
    /// The books of a reconciliation. `facts` are what it was run over: they add periods, rates and what was not taken.
    ///
    /// # Errors
    /// A sum is out of range, an entry does not balance, or a summary does not add up to the journal's balance (a defect).
    pub fn from_outcome(o: &Outcome, facts: &Facts, title: &str) -> Result<Books, ExportError> {
        let chart = Chart::builtin().map_err(ExportError::Amount)?;
        let mut books = Books::new(title, o.as_of);
        let mut sums = Sums::new();
        journal(o, &chart, &mut books, &mut sums)?;
        lines(o, &chart, &mut books, &mut sums)?;
        settlements(o, facts, &mut books);
        matches(o, &mut books);
        exceptions(o, &mut books);
        rates(o, facts, &mut books);
        books.fx_notes = o.fx.notes();
        books.landed.clone_from(&o.duties);
        books.not_taken = o
            .errors
            .iter()
            .map(|e| NotTaken { file: e.file.clone(), row: e.row, message: e.message.clone() })
            .collect();
        books.summary = sums.into_values().collect();
        books.sort();
        books.check()?;
        Ok(books)
    }
}
