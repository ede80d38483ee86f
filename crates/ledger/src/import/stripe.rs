//! Stripe: balance reports (CSV) and balance transactions and payouts (API).
//!
//! Facts: stripe §2–§6. Two scalers for one provider: the API counts in Stripe's own smallest units, the CSV
//! reports print major units. A payout's members sum to it; a payout row itself is outside that sum.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;
use tradewind_domain::{Currency, Decimal, Money, parse_decimal};

use super::amount;
use super::error::{ImportResult, Refusal};
use super::json::{self, Wanted};
use super::number::Mark;
use super::row::{Document, Out, Tx};
use super::table::{Header, Table};
use super::time::{self, DayOrder, Moment};
use super::{Sidecar, TextReader};

/// Currencies that Stripe counts in whole units (§2). UGX stands here by the list; ISK does not: it keeps two
/// decimals for compatibility and must be whole.
const ZERO_DECIMAL: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
];
const WHOLE_AT_TWO: &[&str] = &["ISK", "UGX"];
const THREE_DECIMAL: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// An API amount: an integer in Stripe's smallest unit.
pub(super) fn smallest_unit(text: &str, currency: Currency) -> ImportResult<Money> {
    let bad = |why: &str| Refusal::malformed(0, format!("'{}' {currency} {why}", amount::shorten(text)));
    if text.contains('.') {
        return Err(bad("is not a whole number of smallest units, as the API gives amounts"));
    }
    let value = parse_decimal(text).map_err(|_| bad("is not a number"))?;
    let code = currency.code();
    let scale = if ZERO_DECIMAL.contains(&code) {
        0
    } else if THREE_DECIMAL.contains(&code) {
        3
    } else {
        2
    };
    if THREE_DECIMAL.contains(&code) && !(value % Decimal::TEN).is_zero() {
        return Err(bad("must end in 0: three-decimal currencies are counted in tens"));
    }
    if WHOLE_AT_TWO.contains(&code) && !(value % Decimal::ONE_HUNDRED).is_zero() {
        return Err(bad("must be a multiple of 100: the currency has no minor unit"));
    }
    let scaled = value.checked_mul(Decimal::new(1, scale)).ok_or_else(|| bad("is out of range"))?;
    amount::money(scaled, currency, 0)
}

struct Columns {
    id: usize,
    source: Option<usize>,
    charge: Option<usize>,
    created: usize,
    effective: Option<usize>,
    currency: usize,
    gross: usize,
    fee: usize,
    net: usize,
    category: usize,
    payout: Option<usize>,
    orders: Vec<usize>,
    trace: Option<usize>,
}

impl Columns {
    fn find(cells: &[String]) -> ImportResult<Columns> {
        let h = Header::new(cells.iter().map(String::as_str));
        let preferred = [
            "payment_metadata[order_id]",
            "payment_metadata[order]",
            "payment_metadata[external_identifier]",
        ];
        let mut orders: Vec<usize> = preferred.iter().filter_map(|n| h.find(n)).collect();
        for (i, name) in cells.iter().enumerate() {
            if name.starts_with("payment_metadata[") && !orders.contains(&i) {
                orders.push(i);
            }
        }
        Ok(Columns {
            id: h.need(&["balance_transaction_id"])?,
            source: h.find("source_id"),
            charge: h.find("charge_id"),
            created: h.need(&["created", "created_utc"])?,
            effective: h.any(&["automatic_payout_effective_at", "automatic_payout_effective_at_utc"]),
            currency: h.need(&["currency"])?,
            gross: h.need(&["gross"])?,
            fee: h.need(&["fee"])?,
            net: h.need(&["net"])?,
            category: h.need(&["reporting_category"])?,
            payout: h.any(&["automatic_payout_id", "payout_id"]),
            orders,
            trace: h.find("trace_id"),
        })
    }
}

struct Line {
    tx: Tx,
    effective: String,
    is_payout: bool,
    trace: Option<String>,
}

/// Reads an itemised balance or payout report.
pub(super) fn report<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let text = TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252));
    let mut table = Table::new(text, sidecar.delimiter_or(b','), true);
    let c = match table.next()? {
        Some(row) => Columns::find(&row.cells().map(str::to_owned).collect::<Vec<_>>())?,
        None => return Err(Refusal::unsupported("the file is empty")),
    };
    let mut lines: Vec<Line> = Vec::new();
    while let Some(row) = table.next()? {
        if row.is_blank() {
            continue;
        }
        let currency = amount::currency(row.at(c.currency), row.line)?;
        let gross = amount::need(row.at(c.gross), currency, Mark::Dot, row.line)?;
        let fee = amount::need(row.at(c.fee), currency, Mark::Dot, row.line)?;
        let net = amount::need(row.at(c.net), currency, Mark::Dot, row.line)?;
        let category = row.at(c.category);
        let is_payout = category.starts_with("payout");
        if !is_payout && amount::add(gross, fee.negated(), row.line)? != net {
            return Err(Refusal::malformed(
                row.line,
                format!(
                    "{} − {} is not {}: net must be gross less fee",
                    gross.amount(),
                    fee.amount(),
                    net.amount()
                ),
            ));
        }
        let occurred = time::moment(row.at(c.created), sidecar.zone_or("UTC"), DayOrder::YearFirst)
            .ok_or_else(|| Refusal::malformed(row.line, "the column 'created' holds no date"))?;
        let mut tx = Tx::new(amount::id(row.at(c.id), row.line)?, category, occurred, gross);
        tx.fee = Some(fee);
        tx.net = Some(net);
        tx.source = row.some(c.source).map(str::to_owned);
        tx.refers_to = row.some(c.charge).filter(|ch| Some(*ch) != row.some(c.source)).map(str::to_owned);
        tx.order = c.orders.iter().find_map(|i| row.some(Some(*i))).map(str::to_owned);
        tx.payout = row.some(c.payout).map(str::to_owned);
        if is_payout && tx.payout.is_none() {
            tx.payout.clone_from(&tx.source);
        }
        lines.push(Line {
            tx,
            effective: row.opt(c.effective).to_owned(),
            is_payout,
            trace: row.some(c.trace).map(str::to_owned),
        });
    }
    foot_payouts(&mut lines)?;
    let mut document = Document::default();
    for line in lines {
        if line.is_payout && line.tx.kind == "payout" {
            document.payouts.push(Out {
                id: line.tx.payout.clone().unwrap_or_else(|| line.tx.id.clone()),
                amount: line.tx.amount.negated(),
                status: "paid".to_owned(),
                arrival: time::moment(&line.effective, sidecar.zone_or("UTC"), DayOrder::YearFirst)
                    .map(|m| m.day()),
                group: None,
                converted: None,
                trace: line.trace,
            });
        }
        document.transactions.push(line.tx);
    }
    Ok(document)
}

/// Each payout in the file must be what its members sum to.
///
/// Fee rows can lack the payout id and carry only its effective time: they are members when the payout foots
/// with them and not without. The payout row is printed positive in payout reports and negative in balance
/// reports; the members tell which.
fn foot_payouts(lines: &mut [Line]) -> ImportResult<()> {
    let mut by_payout: BTreeMap<(String, Currency), Vec<usize>> = BTreeMap::new();
    let mut loose: BTreeMap<(String, Currency), Vec<usize>> = BTreeMap::new();
    for (i, l) in lines.iter().enumerate().filter(|(_, l)| !l.is_payout) {
        let currency = l.tx.amount.currency();
        match &l.tx.payout {
            Some(p) => by_payout.entry((p.clone(), currency)).or_default().push(i),
            None if !l.effective.is_empty() => {
                loose.entry((l.effective.clone(), currency)).or_default().push(i);
            }
            None => {}
        }
    }
    let sum = |lines: &[Line], at: &[usize], currency: Currency| -> ImportResult<Money> {
        at.iter().try_fold(Money::zero(currency), |s, i| {
            amount::add(s, lines.get(*i).and_then(|l| l.tx.net).unwrap_or(Money::zero(currency)), 0)
        })
    };
    for i in 0..lines.len() {
        let Some(line) = lines.get(i).filter(|l| l.is_payout) else { continue };
        let currency = line.tx.amount.currency();
        let stated = line.tx.net.unwrap_or(line.tx.amount);
        let outgoing = line.tx.kind == "payout";
        let id = line.tx.payout.clone().unwrap_or_default();
        let members = by_payout.get(&(id.clone(), currency)).cloned().unwrap_or_default();
        let extra = loose.get(&(line.effective.clone(), currency)).cloned().unwrap_or_default();
        let own = sum(lines, &members, currency)?;
        let all = amount::add(own, sum(lines, &extra, currency)?, 0)?;
        let is = |s: Money| s == stated || s.negated() == stated;
        let leaves = if !outgoing {
            stated.abs().negated()
        } else if members.is_empty() && extra.is_empty() {
            stated.abs()
        } else if is(own) {
            own
        } else if is(all) {
            for m in extra {
                if let Some(l) = lines.get_mut(m) {
                    l.tx.payout = Some(id.clone());
                }
            }
            all
        } else {
            let cause = "members of the payout are missing from the file, or a row was edited";
            return amount::foot(&format!("payout {id}"), own, stated, cause);
        };
        if let Some(l) = lines.get_mut(i) {
            l.tx.amount = leaves.negated();
            l.tx.net = Some(leaves.negated());
            l.tx.fee = Some(Money::zero(currency));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Object<'a> {
    id: String,
    #[serde(default)]
    object: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: String,
    #[serde(borrow, default)]
    fee: Option<&'a RawValue>,
    #[serde(borrow, default)]
    net: Option<&'a RawValue>,
    #[serde(borrow, default)]
    fee_details: Vec<FeeDetail<'a>>,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reporting_category: Option<String>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    arrival_date: Option<i64>,
    #[serde(default)]
    status: Option<String>,
    #[serde(borrow, default)]
    trace_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FeeDetail<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Expanded {
    id: Option<String>,
    charge: Option<String>,
    metadata: BTreeMap<String, serde_json::Value>,
}

fn unix(seconds: i64) -> ImportResult<Moment> {
    let at = jiff::Timestamp::from_second(seconds).map_err(|e| Refusal::malformed(0, e.to_string()))?;
    Ok(Moment { at, zone: "UTC".to_owned(), day_only: false })
}

/// Reads balance-transaction and payout objects: list answers, arrays or JSON Lines, mixed as they come.
pub(super) fn api<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut document = Document::default();
    json::walk(source, &Wanted { arrays: &["data"], inside: &[] }, &mut |_, raw| {
        let o: Object<'_> = json::item(raw)?;
        let currency = amount::currency(&o.currency, 0)?;
        let gross = smallest_unit(json::number_text(o.amount), currency)?;
        match o.object.as_str() {
            "balance_transaction" => document.transactions.push(transaction(&o, gross, sidecar)?),
            "payout" => document.payouts.push(Out {
                trace: o.trace_id.and_then(trace_value),
                arrival: o.arrival_date.map(unix).transpose()?.map(|m| m.day()),
                id: o.id,
                amount: gross,
                status: o.status.unwrap_or_default(),
                group: None,
                converted: None,
            }),
            other => {
                return Err(Refusal::unsupported(format!(
                    "an object of kind '{other}': expected balance_transaction or payout"
                )));
            }
        }
        Ok(())
    })?;
    if let Some(id) = &sidecar.payout {
        // Membership is a property of the query, not of the row: the sidecar says which payout was asked for.
        foot_members(&document, id)?;
    }
    Ok(document)
}

fn trace_value(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Trace {
        value: Option<String>,
    }
    serde_json::from_str::<Trace>(raw.get()).ok()?.value
}

fn transaction(o: &Object<'_>, gross: Money, sidecar: &Sidecar) -> ImportResult<Tx> {
    let currency = gross.currency();
    let read =
        |raw: Option<&RawValue>| raw.map(|r| smallest_unit(json::number_text(r), currency)).transpose();
    let fee = read(o.fee)?.unwrap_or(Money::zero(currency));
    let net = amount::add(gross, fee.negated(), 0)?;
    if read(o.net)?.is_some_and(|n| n != net) {
        return Err(Refusal::malformed(0, format!("{}: net is not amount less fee", o.id)));
    }
    let kind = o.reporting_category.clone().unwrap_or_else(|| o.kind.clone());
    let mut tx = Tx::new(amount::id(&o.id, 0)?, kind, unix(o.created)?, gross);
    tx.event_code = Some(o.kind.clone());
    tx.fee = Some(fee);
    tx.net = Some(net);
    if let Some(raw) = o.source.filter(|r| r.get() != "null") {
        if let Ok(id) = serde_json::from_str::<String>(raw.get()) {
            tx.source = Some(id);
        } else if let Ok(e) = serde_json::from_str::<Expanded>(raw.get()) {
            tx.source = e.id;
            tx.refers_to = e.charge;
            tx.order = ["order_id", "order", "external_identifier"]
                .iter()
                .find_map(|k| e.metadata.get(*k).and_then(|v| v.as_str()))
                .map(str::to_owned);
        }
    }
    for d in &o.fee_details {
        let c = amount::currency(&d.currency, 0)?;
        tx.components.push((d.kind.clone(), smallest_unit(json::number_text(d.amount), c)?.negated()));
    }
    if tx.kind.starts_with("payout") {
        tx.payout.clone_from(&tx.source);
    } else {
        tx.payout.clone_from(&sidecar.payout);
    }
    Ok(tx)
}

fn foot_members(document: &Document, id: &str) -> ImportResult<()> {
    let Some(stated) = document.payouts.iter().find(|p| p.id == id).map(|p| p.amount).or_else(|| {
        document.transactions.iter().find(|t| t.kind == "payout").and_then(|t| t.net).map(Money::negated)
    }) else {
        return Ok(());
    };
    let sum = document
        .transactions
        .iter()
        .filter(|t| !t.kind.starts_with("payout"))
        .filter_map(|t| t.net)
        .try_fold(Money::zero(stated.currency()), |s, n| amount::add(s, n, 0))?;
    amount::foot(&format!("payout {id}"), sum, stated, "pages of the answer are missing")
}
