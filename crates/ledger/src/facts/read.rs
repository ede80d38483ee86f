//! The normalised JSON-lines files and `fx.csv`, row by row.
//!
//! A row that does not fit its schema is named (file, row, why) and left out; the rest goes on, and the answer says that rows are
//! missing. A kind may come as one file (`orders.jsonl`), as several (`orders-2.jsonl`) or as a folder (`orders/*.jsonl`): the
//! order of the names is the order of arrival.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;
use tradewind_domain::{Currency, Decimal, Money, nearest, parse_decimal};

pub use super::decision::rates;
use super::{
    BankLine, CarrierInvoice, Closed, Facts, Invoice, Moment, Order, Origin, Payout, Provider, Quoted,
    Refund, RowError, Statement, Transaction, decision, wire, zones::Zones,
};
use crate::journal::{Draft, Posting, chained};

/// The kinds of normalised file, by the stem of their names.
pub const KINDS: [&str; 10] = [
    "orders",
    "refunds",
    "documents",
    "transactions",
    "statements",
    "payouts",
    "bank",
    "carrier_invoices",
    "decisions",
    "closed",
];

/// Reads every normalised file of a folder.
///
/// # Errors
/// The folder or a file cannot be read. Faulty rows are in [`Facts::errors`].
pub fn read_dir(dir: &Path) -> std::io::Result<Facts> {
    let mut facts = Facts::default();
    for kind in KINDS {
        for (arrival, path) in (0_u32..).zip(files(dir, kind)?) {
            let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
            let bytes = fs::read(&path)?;
            let mut one = Facts::default();
            read_bytes(kind, &name, arrival, &bytes, &mut one);
            Zones::beside(dir, &path, &mut one.errors)?.settle(&mut one);
            facts.extend(one);
        }
    }
    strangers(dir, &mut facts)?;
    let fx = dir.join("fx.csv");
    if fx.is_file() {
        let bytes = fs::read(&fx)?;
        rates("fx.csv", &bytes, &mut facts);
    }
    Ok(facts)
}

fn files(dir: &Path, kind: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut names: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    names.sort();
    for path in names {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name == kind {
            let mut inner: Vec<PathBuf> =
                fs::read_dir(&path)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
            inner.sort();
            out.extend(inner.into_iter().filter(|p| p.extension().is_some_and(|e| e == "jsonl")));
        } else if let Some(stem) = name.strip_suffix(".jsonl") {
            let tail = stem.strip_prefix(kind);
            if tail.is_some_and(|t| t.is_empty() || t.starts_with(['-', '.', '_']) && !is_other(stem, kind)) {
                out.push(path);
            }
        }
    }
    Ok(out)
}

/// A file or folder that is called almost like one that is read, and is not: what it says would be missing without a word.
fn strangers(dir: &Path, facts: &mut Facts) -> std::io::Result<()> {
    let mut names: Vec<(String, bool)> = Vec::new();
    for e in fs::read_dir(dir)? {
        let path = e?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        names.push((name, path.is_dir()));
    }
    names.sort();
    for (name, is_dir) in names {
        let lower = name.to_lowercase();
        let meant = if is_dir {
            let known: Vec<&str> = KINDS.iter().copied().chain(["settlements"]).collect();
            nearest(&name, &known).filter(|k| *k != name).map(str::to_owned)
        } else if let Some(stem) = lower.strip_suffix(".jsonl") {
            let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
            nearest(stem, &KINDS)
                .filter(|k| !name.starts_with(k) || !name.ends_with(".jsonl"))
                .map(|k| format!("{k}.jsonl"))
        } else {
            (lower.starts_with("fx") && lower.ends_with(".csv") && name != "fx.csv")
                .then(|| "fx.csv".to_owned())
        };
        if let Some(meant) = meant {
            let message =
                format!("nobody reads '{name}': is it '{meant}'? Rename it, or move it out of the folder");
            facts.errors.push(RowError { file: name, row: 0, message });
        }
    }
    Ok(())
}

fn is_other(stem: &str, kind: &str) -> bool {
    KINDS.iter().any(|k| *k != kind && k.len() > kind.len() && stem.starts_with(k))
}

/// A closing is what its first row says of it, entry by entry, or it is refused whole: its entries are the books, and whoever changes
/// one changes a month that was closed.
fn sealed(facts: &mut Facts, from: usize) {
    let rows = facts.closed.split_off(from);
    let mut parts: Vec<Vec<Closed>> = Vec::new();
    for c in rows {
        match parts.last_mut() {
            Some(part) if c.entry.is_some() => part.push(c),
            _ => parts.push(vec![c]),
        }
    }
    for part in parts {
        let Some(first) = part.first() else { continue };
        let entries: Vec<(&Draft, Date)> =
            part.iter().filter_map(|c| c.entry.as_ref().map(|(d, booked)| (d, *booked))).collect();
        let why = match &first.seal {
            // A row that only closes has nothing that could be changed.
            None if entries.is_empty() => None,
            None => Some(format!(
                "no row says what the {} entries were when they were closed ('entries' and 'head'): remove the file and close {} again",
                entries.len(),
                first.until
            )),
            Some((n, _)) if *n != entries.len() => Some(format!(
                "{n} entries were closed until {}, {} are here: take the file as it was written",
                first.until,
                entries.len()
            )),
            Some((_, head)) if chained(entries.into_iter()) != *head => Some(format!(
                "the entries closed until {} are not those that were closed, their hash is another one: take the file as it was written",
                first.until
            )),
            Some(_) => None,
        };
        match why {
            None => facts.closed.extend(part),
            Some(message) => {
                let (file, row) = (first.origin.file.to_string(), first.origin.row);
                facts.errors.push(RowError { file, row, message });
            }
        }
    }
}

/// Reads one file of a kind into `facts`.
pub fn read_bytes(kind: &str, file: &str, arrival: u32, bytes: &[u8], facts: &mut Facts) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let name: Arc<str> = file.into();
    let known = KINDS.iter().find(|k| **k == kind).copied().unwrap_or("other");
    let rows = bytes.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
    *facts.given.entry(known).or_insert(0) += rows;
    let closed = facts.closed.len();
    for (row, line) in (1_u64..).zip(bytes.split(|b| *b == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let origin = Origin { arrival, file: name.clone(), row };
        let result = std::str::from_utf8(line)
            .map_err(|e| format!("the row is not UTF-8: {e}"))
            .and_then(|text| read_row(kind, text, origin, facts));
        if let Err(message) = result {
            facts.errors.push(RowError { file: file.to_owned(), row, message });
        }
    }
    if kind == "closed" {
        sealed(facts, closed);
    }
}

/// A field that no schema has is refused, with the name that it may have meant: it would be read by nobody, and what it says would
/// be missing without a word.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    // A list would be read as the fields of a row in their order, which nobody means.
    if text.trim_start().starts_with('[') {
        return Err(
            "a row is one JSON object a line, and this is a list: write its elements one a line".to_owned()
        );
    }
    serde_json::from_str(text).map_err(|e| {
        let told = e.to_string();
        let unknown = told.strip_prefix("unknown field `").and_then(|t| t.split_once('`'));
        match unknown {
            Some((field, rest)) => {
                let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
                unknown_field("the row does not fit its schema: unknown field", field, &known)
            }
            None => format!("the row does not fit its schema: {told}"),
        }
    })
}

/// A name that nobody reads, with the one that it may have meant.
pub(super) fn unknown_field(what: &str, field: &str, known: &[&str]) -> String {
    let near = nearest(field, known).map_or_else(String::new, |k| format!("is it '{k}'? "));
    format!("{what} '{field}': {near}known are {}", known.join(", "))
}

fn read_row(kind: &str, text: &str, origin: Origin, facts: &mut Facts) -> Result<(), String> {
    match kind {
        "orders" => facts.orders.push(order(parse(text)?, origin)?),
        "refunds" => facts.refunds.push(refund(parse(text)?, origin)?),
        "documents" => facts.invoices.push(invoice(parse(text)?, origin)?),
        "transactions" => facts.transactions.push(transaction(parse(text)?, origin)?),
        "statements" => facts.statements.push(statement(parse(text)?, origin)?),
        "payouts" => facts.payouts.push(payout(parse(text)?, origin)?),
        "bank" => facts.bank.push(bank(parse(text)?, origin)?),
        "carrier_invoices" => facts.carrier.push(carrier(parse(text)?, origin)?),
        "decisions" => facts.decisions.push(decision::read(text, origin)?),
        "closed" => facts.closed.push(closed(parse(text)?, origin)?),
        other => return Err(format!("'{other}' is no kind of fact")),
    }
    Ok(())
}

pub(super) fn currency(code: &str) -> Result<Currency, String> {
    Currency::new(code).map_err(|e| e.to_string())
}

fn money(field: &str, text: &str, c: Currency) -> Result<Money, String> {
    Money::parse(text, c).map_err(|e| format!("{field}: {e}"))
}

fn optional(field: &str, text: Option<&str>, c: Currency) -> Result<Option<Money>, String> {
    text.map(|t| money(field, t, c)).transpose()
}

fn provider(name: &str) -> Result<Provider, String> {
    name.parse::<Provider>().map_err(|r| r.message)
}

fn named(field: &str, id: &str) -> Result<String, String> {
    if id.trim().is_empty() {
        return Err(format!("{field} is empty"));
    }
    if crate::import::excel_mangled(id) {
        return Err(format!("{field} '{id}' was rewritten by a spreadsheet: export it again as text"));
    }
    Ok(id.to_owned())
}

fn text(t: Option<std::borrow::Cow<'_, str>>) -> Option<String> {
    t.map(std::borrow::Cow::into_owned).filter(|s| !s.is_empty())
}

/// An ISO 8601 instant, local time or day. What names no zone gets none here: it is of its account's ([`Zones`]), and stands as if in
/// UTC until that is known.
///
/// # Errors
/// The text is none of these.
pub fn moment(field: &str, text: &str) -> Result<Moment, String> {
    let bad = || format!("{field}: '{text}' is not an ISO 8601 date or time, such as 2026-06-30T23:30:00Z");
    if text.contains('[') {
        let zoned: Zoned = text.parse().map_err(|_| bad())?;
        let zone = zoned.time_zone().iana_name().map_or_else(|| zoned.offset().to_string(), str::to_owned);
        return Ok(Moment { at: zoned.timestamp(), zone, day_only: false });
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        let zone = text
            .rfind(['+', '-'])
            .filter(|i| *i > 10)
            .and_then(|i| text.get(i..))
            .filter(|_| !text.ends_with(['Z', 'z']))
            .unwrap_or("UTC");
        return Ok(Moment { at, zone: zone.to_owned(), day_only: false });
    }
    let day_only = matches!(text.len(), 8 | 10);
    let local: DateTime = if day_only {
        text.parse::<Date>().map_err(|_| bad())?.to_datetime(Time::midnight())
    } else {
        text.parse().map_err(|_| bad())?
    };
    let at = local.to_zoned(TimeZone::UTC).map_err(|_| bad())?.timestamp();
    Ok(Moment { at, zone: String::new(), day_only })
}

pub(super) fn day(field: &str, text: &str) -> Result<Date, String> {
    moment(field, text).map(|m| {
        // The day as written, in the offset in which it was written.
        text.get(..10).and_then(|d| d.parse().ok()).unwrap_or_else(|| m.day())
    })
}

fn account(given: Option<std::borrow::Cow<'_, str>>, or: &str) -> String {
    text(given).unwrap_or_else(|| or.to_owned())
}

fn order(w: wire::Order<'_>, origin: Origin) -> Result<Order, String> {
    let c = currency(&w.currency)?;
    let quoted = match &w.quoted {
        Some(q) => {
            let part = |f: &str, t: &Option<std::borrow::Cow<'_, str>>| {
                t.as_deref().map_or(Ok(Money::zero(c)), |t| money(f, t, c))
            };
            Some(Quoted {
                duty: part("quoted.duty", &q.duty)?,
                vat: part("quoted.vat", &q.vat)?,
                fee: part("quoted.fee", &q.fee)?,
            })
        }
        None => None,
    };
    Ok(Order {
        id: named("id", &w.id)?,
        account: account(w.account, ""),
        placed: moment("placed_at", &w.placed_at)?,
        total: money("total", &w.total, c)?,
        reference: text(w.reference),
        collected_duties: optional("collected_duties_taxes", w.collected_duties_taxes.as_deref(), c)?,
        paid: w.paid_at.as_deref().map(|t| moment("paid_at", t)).transpose()?,
        payment_state: text(w.payment_state),
        tracking: text(w.tracking),
        quoted,
        origin,
    })
}

fn refund(w: wire::Refund<'_>, origin: Origin) -> Result<Refund, String> {
    let c = currency(&w.currency)?;
    Ok(Refund {
        id: named("id", &w.id)?,
        order: named("order", &w.order)?,
        account: text(w.account),
        requested: moment("requested_at", &w.requested_at)?,
        amount: money("amount", &w.amount, c)?.abs(),
        origin,
    })
}

fn invoice(w: wire::Invoice<'_>, origin: Origin) -> Result<Invoice, String> {
    let c = currency(&w.currency)?;
    Ok(Invoice {
        id: named("id", &w.id)?,
        orders: w.orders.into_iter().map(std::borrow::Cow::into_owned).collect(),
        gross: money("gross", &w.gross, c)?,
        net: money("net", &w.net, c)?,
        vat: money("vat", &w.vat, c)?,
        origin,
    })
}

fn transaction(w: wire::Transaction<'_>, origin: Origin) -> Result<Transaction, String> {
    let c = currency(&w.currency)?;
    let net_currency = w.net_currency.as_deref().map_or(Ok(c), currency)?;
    let provider = provider(&w.provider)?;
    let rate = w.rate.as_deref().map(parse_decimal).transpose().map_err(|e| format!("rate: {e}"))?;
    if let Some(r) = rate.filter(|r| *r <= Decimal::ZERO) {
        return Err(format!("rate: {r} is not above zero: it would make nothing of the amount"));
    }
    if net_currency != c && rate.is_none() && w.net.is_none() {
        return Err(format!("amount in {c}, balance in {net_currency}: the row needs net or rate"));
    }
    let mut components = Vec::new();
    for part in w.components.unwrap_or_default() {
        // Parts of the fee stand in the balance's currency, like the fee.
        let in_c = if w.fee.is_some() || w.net.is_some() { net_currency } else { c };
        components.push((part.code.into_owned(), money("components.amount", &part.amount, in_c)?));
    }
    Ok(Transaction {
        id: named("id", &w.id)?,
        provider,
        account: account(w.account, provider.name()),
        kind: w.kind.into_owned(),
        event_code: text(w.event_code),
        source: text(w.source),
        occurred: moment("occurred_at", &w.occurred_at)?,
        amount: money("amount", &w.amount, c)?,
        fee: optional("fee", w.fee.as_deref(), net_currency)?,
        net: optional("net", w.net.as_deref(), net_currency)?,
        order: text(w.order),
        refers_to: text(w.refers_to),
        payout: text(w.payout),
        statement: text(w.statement),
        rate,
        net_currency,
        affects: w.balance_affecting.unwrap_or(true),
        informs: false,
        components,
        origin,
    })
}

fn pair(field: &str, w: Option<wire::Amount<'_>>) -> Result<Option<Money>, String> {
    w.map(|a| money(field, &a.amount, currency(&a.currency)?)).transpose()
}

fn statement(w: wire::Statement<'_>, origin: Origin) -> Result<Statement, String> {
    let c = currency(&w.currency)?;
    let provider = provider(&w.provider)?;
    let (from, to) = w.period.map_or((None, None), |p| (p.from, p.to));
    let total = optional("total", w.total.as_deref(), c)?;
    let closing = optional("closing", w.closing.as_deref(), c)?;
    if total.is_none() && closing.is_none() {
        return Err("a statement needs total or closing, or nothing can be footed".to_owned());
    }
    let from = from.as_deref().map(|t| moment("period.from", t)).transpose()?;
    let to = to.as_deref().map(|t| moment("period.to", t)).transpose()?;
    if let Some((from, to)) = from.as_ref().zip(to.as_ref()).filter(|(from, to)| {
        // A day is over at its end.
        if from.day_only || to.day_only { from.day() > to.day() } else { from.at > to.at }
    }) {
        return Err(format!(
            "period: it begins on {} and ends before that, on {}: are from and to the wrong way round?",
            from.day(),
            to.day()
        ));
    }
    Ok(Statement {
        id: named("id", &w.id)?,
        provider,
        account: account(w.account, provider.name()),
        currency: c,
        from,
        to,
        opening: optional("opening", w.opening.as_deref(), c)?,
        closing,
        total,
        deposit: w.deposit_date.as_deref().map(|t| day("deposit_date", t)).transpose()?,
        converted: pair("converted_total", w.converted_total)?,
        trace: text(w.trace_id),
        transfer_status: text(w.transfer_status),
        origin,
    })
}

fn payout(w: wire::Payout<'_>, origin: Origin) -> Result<Payout, String> {
    let c = currency(&w.currency)?;
    let provider = provider(&w.provider)?;
    Ok(Payout {
        id: named("id", &w.id)?,
        provider,
        account: account(w.account, provider.name()),
        amount: money("amount", &w.amount, c)?,
        status: w.status.into_owned(),
        arrival: w.arrival.as_deref().map(|t| day("arrival", t)).transpose()?,
        group: text(w.group),
        converted: pair("converted", w.converted)?,
        trace: text(w.trace_id),
        origin,
    })
}

fn bank(w: wire::Bank<'_>, origin: Origin) -> Result<BankLine, String> {
    let c = currency(&w.currency)?;
    Ok(BankLine {
        id: named("id", &w.id)?,
        account: account(w.account, "bank"),
        date: day("date", &w.date)?,
        amount: money("amount", &w.amount, c)?,
        text: text(w.text),
        origin,
    })
}

fn carrier(w: wire::Carrier<'_>, origin: Origin) -> Result<CarrierInvoice, String> {
    let c = currency(&w.currency)?;
    let part = |f: &str, t: &Option<std::borrow::Cow<'_, str>>| {
        t.as_deref().map_or(Ok(Money::zero(c)), |t| money(f, t, c))
    };
    let (duty, vat, fee) = (part("duty", &w.duty)?, part("vat", &w.vat)?, part("fee", &w.fee)?);
    let sum = Money::try_sum(c, [duty, vat, fee]).map_err(|e| e.to_string())?;
    let total = w.total.as_deref().map_or(Ok(sum), |t| money("total", t, c))?;
    if total != sum {
        return Err(format!("the invoice does not foot: duty + vat + fee = {sum}, total = {total}"));
    }
    Ok(CarrierInvoice {
        id: named("id", &w.id)?,
        account: account(w.account, Provider::Carrier.name()),
        tracking: named("tracking", &w.tracking)?,
        duty,
        vat,
        fee,
        total,
        origin,
    })
}

/// A row of a closed period: written by [`crate::answer::closing`].
fn closed(w: wire::Closed<'_>, origin: Origin) -> Result<Closed, String> {
    let until = day("until", &w.until)?;
    let Some(id) = text(w.id) else {
        let seal = w.entries.zip(w.head.map(std::borrow::Cow::into_owned));
        return Ok(Closed { until, entry: None, seal, origin });
    };
    let date = day("date", w.date.as_deref().ok_or("an entry needs its date")?)?;
    let booked = w.booked.as_deref().map_or(Ok(date), |t| day("booked", t))?;
    if booked > until {
        return Err(format!(
            "entry {id} is booked on {booked}, after the period that was closed until {until}"
        ));
    }
    let mut postings = Vec::with_capacity(w.postings.len());
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    for p in &w.postings {
        let amount = money("postings.amount", &p.amount, currency(&p.currency)?)?;
        *sums.entry(amount.currency()).or_default() += i128::from(amount.minor());
        postings.push(Posting::new(p.account.clone(), amount));
    }
    if let Some((c, _)) = sums.into_iter().find(|(_, s)| *s != 0) {
        return Err(format!("entry {id} does not balance in {c}: take the file as it was written"));
    }
    let draft = Draft {
        id,
        date,
        text: w.text.map(std::borrow::Cow::into_owned).unwrap_or_default(),
        trace: w.trace,
        reverses: text(w.reverses),
        postings,
    };
    Ok(Closed { until, entry: Some((draft, booked)), seal: None, origin })
}
