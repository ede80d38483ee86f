//! PayPal: settlement report (STL), transaction report (TRR) and the Transaction Search API.
//!
//! Facts: paypal §5, §6. In the two reports an amount is an unsigned integer with **two implied decimals in every
//! currency, the yen included**, and the sign is the debit/credit column; in the API it is a signed decimal. A
//! transaction id is not unique, so the key adds event code, currency, side and initiation time — the same in
//! all three, so that a row that comes twice is one row.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;
use tradewind_domain::{Currency, Decimal, Money, parse_decimal};

use super::amount;
use super::error::{ImportResult, Refusal};
use super::json::{self, Wanted};
use super::number::Mark;
use super::row::{Document, Out, Stmt, Tx};
use super::table::{Header, Row, Table};
use super::time::{self, DayOrder, Moment};
use super::{Sidecar, TextReader};

/// An amount with two implied decimals. Some footers print `0.00` instead of `0`; any other point is refused.
fn implied(text: &str, currency: Currency, line: u64) -> ImportResult<Option<Money>> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = parse_decimal(text).ok().filter(|v| !text.contains('.') || v.is_zero()).ok_or_else(|| {
        Refusal::malformed(
            line,
            format!(
                "'{}' is not a whole number of hundredths, as this report prints amounts",
                amount::shorten(text)
            ),
        )
    })?;
    let scaled = value.checked_mul(Decimal::new(1, 2)).unwrap_or_default();
    amount::money(scaled, currency, line).map(Some)
}

/// Sums of one currency: what a footer states in four cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Activity {
    credits: Money,
    debits: Money,
    fee_credits: Money,
    fee_debits: Money,
}

impl Activity {
    fn none(c: Currency) -> Activity {
        let zero = Money::zero(c);
        Activity { credits: zero, debits: zero, fee_credits: zero, fee_debits: zero }
    }
    fn net(&self) -> Option<Money> {
        self.credits.try_sub(self.debits).ok()?.try_add(self.fee_credits).ok()?.try_sub(self.fee_debits).ok()
    }
}

#[derive(Debug)]
struct Footer {
    currency: Currency,
    activity: Activity,
    /// Opening and closing of the total, available and payable balance, in the report's order.
    balances: Vec<(Money, Money)>,
}

struct Section {
    account: String,
    from: Option<Moment>,
    to: Option<Moment>,
    rows: u64,
    counted: Option<(u64, u64)>,
    activity: BTreeMap<Currency, Activity>,
    footers: Vec<Footer>,
    transactions: Vec<Tx>,
}

struct Columns {
    id: usize,
    invoice: Option<usize>,
    reference: Option<usize>,
    reference_type: Option<usize>,
    event: usize,
    initiated: usize,
    completed: Option<usize>,
    side: usize,
    gross: usize,
    currency: usize,
    fee_side: Option<usize>,
    fee: Option<usize>,
    fee_currency: Option<usize>,
    custom: Option<usize>,
    bank: Option<usize>,
    status: Option<usize>,
}

impl Columns {
    fn find(h: &Header) -> ImportResult<Columns> {
        Ok(Columns {
            id: h.need(&["Transaction ID"])?,
            invoice: h.find("Invoice ID"),
            reference: h.find("PayPal Reference ID"),
            reference_type: h.find("PayPal Reference ID Type"),
            event: h.need(&["Transaction Event Code"])?,
            initiated: h.need(&["Transaction Initiation Date"])?,
            completed: h.find("Transaction Completion Date"),
            side: h.need(&["Transaction Debit or Credit"])?,
            gross: h.need(&["Gross Transaction Amount"])?,
            currency: h.need(&["Gross Transaction Currency"])?,
            fee_side: h.find("Fee Debit or Credit"),
            fee: h.find("Fee Amount"),
            fee_currency: h.find("Fee Currency"),
            custom: h.find("Custom Field"),
            bank: h.find("Bank Reference ID"),
            status: h.find("Transactional Status"),
        })
    }
}

/// Reads an STL or TRR file; which of the two it is, its columns say.
pub(super) fn report<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let text = TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252));
    let mut table = Table::new(text, sidecar.delimiter_or(b','), true);
    let mut columns: Option<Columns> = None;
    let mut sections: Vec<Section> = Vec::new();
    let mut report_footers: Vec<Footer> = Vec::new();
    let mut report_count: Option<(u64, u64)> = None;
    let mut rows = 0_u64;
    while let Some(row) = table.next()? {
        let tag = row.at(0).to_owned();
        match tag.as_str() {
            "RH" | "FH" | "" => {}
            "SH" => sections.push(Section::new(&row)),
            "CH" => {
                columns = Some(Columns::find(&Header::new(row.cells()))?);
                if sections.is_empty() {
                    sections.push(Section::new(&row));
                }
            }
            "SB" => {
                let (Some(c), Some(section)) = (&columns, sections.last_mut()) else {
                    return Err(Refusal::malformed(
                        row.line,
                        "a body row (SB) stands before its column header (CH)",
                    ));
                };
                rows += 1;
                section.body(&row, c)?;
            }
            "SF" | "RF" => {
                let footer = footer(&row)?;
                match (footer, tag.as_str(), sections.last_mut()) {
                    (Ok(f), "SF", Some(section)) => section.footers.push(f),
                    (Ok(f), ..) => report_footers.push(f),
                    (Err(n), "SF", Some(section)) => section.counted = Some((n, row.line)),
                    (Err(n), ..) => report_count = Some((n, row.line)),
                }
            }
            "SC" => {
                if let (Some(section), Ok(n)) = (sections.last_mut(), row.at(1).parse()) {
                    section.counted = Some((n, row.line));
                }
            }
            "RC" | "FF" => report_count = row.at(1).parse().ok().map(|n| (n, row.line)).or(report_count),
            other if columns.is_none() && sections.is_empty() => {
                return Err(Refusal::unsupported(format!(
                    "the first cell is '{}', not a record mark of a settlement or transaction report",
                    amount::shorten(other)
                )));
            }
            other => {
                return Err(Refusal::malformed(
                    row.line,
                    format!("unknown record mark '{}'", amount::shorten(other)),
                ));
            }
        }
    }
    let Some(columns) = columns else {
        return Err(Refusal::unsupported("no column header (CH): not a settlement or transaction report"));
    };
    for s in &sections {
        check_count(s.rows, s.counted)?;
    }
    check_count(rows, report_count)?;
    if columns.status.is_some() {
        return Ok(transaction_report(sections));
    }
    if rows == 0 && report_footers.is_empty() && report_count.is_some_and(|(n, _)| n == 0) {
        // A day without movements, in an account without a balance: its counts say that it is whole.
        return Ok(transaction_report(sections));
    }
    if sections.iter().any(|s| s.account.is_empty()) && sidecar.account.is_none() {
        return Err(Refusal::truncated(
            0,
            "a section of the settlement report has no header (SH), and so no account and no period: fetch it again, or say account = \"…\" in the sidecar",
        ));
    }
    settlement_report(sections, &report_footers)
}

fn check_count(rows: u64, counted: Option<(u64, u64)>) -> ImportResult<()> {
    match counted {
        Some((n, line)) if n != rows => Err(Refusal::truncated(
            line,
            format!(
                "the report counts {n} rows and has {rows}: rows are missing or were added; fetch the file again"
            ),
        )),
        _ => Ok(()),
    }
}

/// A footer with totals, or the row count of a footer that is only a count (`Err`).
fn footer(row: &Row<'_>) -> ImportResult<Result<Footer, u64>> {
    if let Ok(count) = row.at(1).parse::<u64>() {
        return Ok(Err(count));
    }
    let currency = amount::currency(row.at(1), row.line)?;
    let cell = |i: usize| -> ImportResult<Money> {
        Ok(implied(row.at(i), currency, row.line)?.unwrap_or(Money::zero(currency)))
    };
    let activity =
        Activity { credits: cell(2)?, debits: cell(3)?, fee_credits: cell(4)?, fee_debits: cell(5)? };
    let signed = |i: usize| -> ImportResult<Option<Money>> {
        let value = implied(row.at(i + 1), currency, row.line)?;
        Ok(match row.at(i) {
            "CR" => value,
            "DR" => value.map(Money::negated),
            _ => None,
        })
    };
    let mut balances = Vec::new();
    for i in [6, 10, 14] {
        if let (Some(open), Some(close)) = (signed(i)?, signed(i + 2)?) {
            balances.push((open, close));
        }
    }
    Ok(Ok(Footer { currency, activity, balances }))
}

impl Section {
    fn new(row: &Row<'_>) -> Section {
        let header = row.at(0) == "SH";
        let when = |i: usize| header.then(|| time::moment(row.at(i), "UTC", DayOrder::YearFirst)).flatten();
        Section {
            account: if header { row.at(3).to_owned() } else { String::new() },
            from: when(1),
            to: when(2),
            rows: 0,
            counted: None,
            activity: BTreeMap::new(),
            footers: Vec::new(),
            transactions: Vec::new(),
        }
    }

    fn body(&mut self, row: &Row<'_>, c: &Columns) -> ImportResult<()> {
        self.rows += 1;
        let currency = amount::currency(row.at(c.currency), row.line)?;
        let gross = implied(row.at(c.gross), currency, row.line)?
            .ok_or_else(|| Refusal::malformed(row.line, "the gross amount is empty"))?;
        let credit = side(row.at(c.side), row.line)?;
        let fee_currency = match row.some(c.fee_currency) {
            Some(code) => amount::currency(code, row.line)?,
            None => currency,
        };
        if fee_currency != currency {
            return Err(Refusal::malformed(
                row.line,
                format!(
                    "the fee is in {fee_currency} and the payment in {currency}: this report keeps them equal"
                ),
            ));
        }
        let fee = implied(row.opt(c.fee), currency, row.line)?.unwrap_or(Money::zero(currency));
        let fee_credit = if fee.is_zero() { false } else { side(row.opt(c.fee_side), row.line)? };
        let activity = self.activity.entry(currency).or_insert_with(|| Activity::none(currency));
        let slot = if credit { &mut activity.credits } else { &mut activity.debits };
        *slot = amount::add(*slot, gross, row.line)?;
        let slot = if fee_credit { &mut activity.fee_credits } else { &mut activity.fee_debits };
        *slot = amount::add(*slot, fee, row.line)?;
        let initiated = when(row.at(c.initiated), row.line)?;
        let completed = match row.some(c.completed) {
            Some(text) => when(text, row.line)?,
            None => initiated.clone(),
        };
        let raw = Raw {
            id: amount::id(row.at(c.id), row.line)?,
            event: row.at(c.event),
            initiated,
            completed,
            amount: if credit { gross } else { gross.negated() },
            fee: if fee_credit { fee.negated() } else { fee },
            has_fee: row.some(c.fee).is_some(),
            invoice: row.some(c.invoice),
            custom: row.some(c.custom),
            reference: row.some(c.reference),
            reference_is_transaction: matches!(row.opt(c.reference_type), "TXN" | ""),
            status: row.some(c.status),
        };
        let mut tx = raw.tx()?;
        if raw.event.starts_with("T04") {
            tx.payout = Some(raw.id.to_owned());
            tx.refers_to = row.some(c.bank).map(str::to_owned).or(tx.refers_to);
        }
        self.transactions.push(tx);
        Ok(())
    }
}

fn side(text: &str, line: u64) -> ImportResult<bool> {
    match text {
        "CR" => Ok(true),
        "DR" => Ok(false),
        other => Err(Refusal::malformed(line, format!("'{}' is neither CR nor DR", amount::shorten(other)))),
    }
}

fn when(text: &str, line: u64) -> ImportResult<Moment> {
    time::moment(text, "UTC", DayOrder::YearFirst)
        .ok_or_else(|| Refusal::malformed(line, format!("'{}' is not a date", amount::shorten(text))))
}

/// One row in the terms that the three sources share.
struct Raw<'a> {
    id: &'a str,
    event: &'a str,
    initiated: Moment,
    completed: Moment,
    amount: Money,
    /// Positive when it costs us.
    fee: Money,
    has_fee: bool,
    invoice: Option<&'a str>,
    custom: Option<&'a str>,
    reference: Option<&'a str>,
    reference_is_transaction: bool,
    status: Option<&'a str>,
}

impl Raw<'_> {
    fn tx(&self) -> ImportResult<Tx> {
        let side = if self.amount.is_negative() { "DR" } else { "CR" };
        let id =
            format!("{}:{}:{}:{side}:{}", self.id, self.event, self.amount.currency(), self.initiated.at);
        let mut tx = Tx::new(id, self.event, self.completed.clone(), self.amount);
        tx.event_code = Some(self.event.to_owned());
        tx.source = Some(self.id.to_owned());
        tx.fee = self.has_fee.then_some(self.fee);
        tx.net = Some(amount::add(self.amount, self.fee.negated(), 0)?);
        tx.order = self.invoice.or(self.custom).map(str::to_owned);
        tx.refers_to = self.reference.filter(|_| self.reference_is_transaction).map(str::to_owned);
        // Completed (S) rows move the balance; pending, denied and voided ones, authorisations (T13) and
        // display rows (T97, T98) do not: §6.3, §6.4.
        tx.affects = matches!(self.status, None | Some("S"))
            && !["T13", "T97", "T98"].iter().any(|family| self.event.starts_with(family));
        Ok(tx)
    }
}

fn transaction_report(sections: Vec<Section>) -> Document {
    let mut document = Document::default();
    for s in sections {
        document.account = document.account.or(Some(s.account).filter(|a| !a.is_empty()));
        document.transactions.extend(s.transactions);
    }
    payouts(&mut document);
    document
}

fn settlement_report(sections: Vec<Section>, report_footers: &[Footer]) -> ImportResult<Document> {
    if report_footers.is_empty() && sections.iter().all(|s| s.footers.is_empty()) {
        return Err(Refusal::truncated(
            0,
            "the settlement report has no footer (SF or RF), so it cannot be footed: it was cut off; fetch it again",
        ));
    }
    let single = sections.len() == 1;
    let mut whole: BTreeMap<Currency, Activity> = BTreeMap::new();
    let mut document = Document::default();
    for mut s in sections {
        let start = s.from.as_ref().map(|m| m.day().to_string()).unwrap_or_default();
        let name = |c: Currency| format!("STL/{}/{start}/{c}", s.account);
        for (currency, a) in &s.activity {
            let all = whole.entry(*currency).or_insert_with(|| Activity::none(*currency));
            for (slot, value) in [
                (&mut all.credits, a.credits),
                (&mut all.debits, a.debits),
                (&mut all.fee_credits, a.fee_credits),
                (&mut all.fee_debits, a.fee_debits),
            ] {
                *slot = amount::add(*slot, value, 0)?;
            }
        }
        let footers: &[Footer] = if s.footers.is_empty() && single { report_footers } else { &s.footers };
        let mut stated: BTreeMap<Currency, Stmt> = BTreeMap::new();
        for f in footers {
            let activity = s.activity.get(&f.currency).copied().unwrap_or(Activity::none(f.currency));
            let mut statement = check(&name(f.currency), f, &activity)?;
            statement.from.clone_from(&s.from);
            statement.to.clone_from(&s.to);
            stated.insert(f.currency, statement);
        }
        for (currency, activity) in &s.activity {
            let net = activity.net().unwrap_or(Money::zero(*currency));
            if !stated.contains_key(currency) && (single || !s.footers.is_empty()) {
                // A currency converted away completely has no balance, and so no footer.
                amount::foot(
                    &name(*currency),
                    net,
                    Money::zero(*currency),
                    "the currency has lines and no footer",
                )?;
                let mut statement = Stmt::new(name(*currency), net);
                statement.from.clone_from(&s.from);
                statement.to.clone_from(&s.to);
                stated.insert(*currency, statement);
            }
        }
        for tx in &mut s.transactions {
            tx.statement = stated.get(&tx.amount.currency()).map(|st| st.id.clone());
        }
        document.account = document.account.or(Some(s.account.clone()).filter(|a| !a.is_empty()));
        document.statements.extend(stated.into_values());
        document.transactions.append(&mut s.transactions);
    }
    for f in report_footers {
        let activity = whole.get(&f.currency).copied().unwrap_or(Activity::none(f.currency));
        check(&format!("report footer {}", f.currency), f, &activity)?;
    }
    payouts(&mut document);
    Ok(document)
}

/// Compares a footer with the lines: the four sums, then `opening + net = closing` of one balance.
///
/// The report states up to three balances (total, available, payable); which pair is which is not documented
/// reliably, so the pair that rolls forward is the one that the statement keeps.
fn check(name: &str, f: &Footer, a: &Activity) -> ImportResult<Stmt> {
    let cause = "rows are missing or doubled, or the file was edited";
    for (what, sum, total) in [
        ("gross credits", a.credits, f.activity.credits),
        ("gross debits", a.debits, f.activity.debits),
        ("fee credits", a.fee_credits, f.activity.fee_credits),
        ("fee debits", a.fee_debits, f.activity.fee_debits),
    ] {
        amount::foot(&format!("{name} {what}"), sum, total, cause)?;
    }
    let net = a.net().ok_or_else(|| Refusal::malformed(0, "the sums are out of range"))?;
    let mut statement = Stmt::new(name, net);
    let rolled = f.balances.iter().find(|(open, close)| open.try_add(net) == Ok(*close));
    match (rolled, f.balances.first()) {
        (Some((open, close)), _) => {
            statement.opening = Some(*open);
            statement.closing = Some(*close);
        }
        (None, Some((open, close))) => {
            let reached = amount::add(*open, net, 0)?;
            amount::foot(
                &format!("{name} closing balance"),
                reached,
                *close,
                "rows of this balance are missing",
            )?;
        }
        (None, None) => {}
    }
    Ok(statement)
}

/// Withdrawals to a bank (T04) are payouts as well as rows.
fn payouts(document: &mut Document) {
    for tx in document.transactions.iter().filter(|t| t.affects && t.kind.starts_with("T04")) {
        let Some(id) = tx.payout.clone().or(tx.source.clone()) else { continue };
        document.payouts.push(Out {
            id,
            amount: tx.net.unwrap_or(tx.amount).negated(),
            status: "completed".to_owned(),
            arrival: None,
            group: tx.statement.clone(),
            converted: None,
            trace: tx.refers_to.clone(),
        });
    }
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    transaction_info: Info<'a>,
}

#[derive(Deserialize)]
struct Info<'a> {
    transaction_id: String,
    transaction_event_code: String,
    transaction_initiation_date: String,
    #[serde(default)]
    transaction_updated_date: Option<String>,
    #[serde(borrow)]
    transaction_amount: Value<'a>,
    #[serde(borrow, default)]
    fee_amount: Option<Value<'a>>,
    #[serde(default)]
    transaction_status: Option<String>,
    #[serde(default)]
    invoice_id: Option<String>,
    #[serde(default)]
    custom_field: Option<String>,
    #[serde(default)]
    paypal_reference_id: Option<String>,
    #[serde(default)]
    paypal_reference_id_type: Option<String>,
    #[serde(default)]
    bank_reference_id: Option<String>,
}

#[derive(Deserialize)]
struct Value<'a> {
    currency_code: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

impl Value<'_> {
    fn money(&self) -> ImportResult<Money> {
        let currency = amount::currency(&self.currency_code, 0)?;
        amount::need(json::number_text(self.value), currency, Mark::Dot, 0)
    }
}

/// Reads Transaction Search answers (`transaction_details`), one page or many. A feed, not a ledger: no totals.
pub(super) fn search<R: Read>(source: R, _sidecar: &Sidecar) -> ImportResult<Document> {
    let mut document = Document::default();
    let fields =
        json::walk(source, &Wanted { arrays: &["transaction_details"], inside: &[] }, &mut |_, raw| {
            let detail: Detail<'_> = json::item(raw)?;
            let info = &detail.transaction_info;
            let amount_ = info.transaction_amount.money()?;
            let fee = info.fee_amount.as_ref().map(Value::money).transpose()?;
            if fee.is_some_and(|f| f.currency() != amount_.currency()) {
                return Err(Refusal::malformed(
                    0,
                    format!("{}: the fee has another currency", info.transaction_id),
                ));
            }
            let initiated = when(&info.transaction_initiation_date, 0)?;
            let row = Raw {
                id: amount::id(&info.transaction_id, 0)?,
                event: &info.transaction_event_code,
                completed: match &info.transaction_updated_date {
                    Some(text) => when(text, 0)?,
                    None => initiated.clone(),
                },
                initiated,
                amount: amount_,
                // The API signs the fee from our side: −0.52 is a cost of 0.52.
                fee: fee.map_or(Money::zero(amount_.currency()), Money::negated),
                has_fee: fee.is_some(),
                invoice: info.invoice_id.as_deref(),
                custom: info.custom_field.as_deref(),
                reference: info.paypal_reference_id.as_deref(),
                reference_is_transaction: matches!(
                    info.paypal_reference_id_type.as_deref(),
                    None | Some("TXN")
                ),
                status: info.transaction_status.as_deref(),
            };
            let mut tx = row.tx()?;
            if row.event.starts_with("T04") {
                tx.payout = Some(info.transaction_id.clone());
                tx.refers_to = info.bank_reference_id.clone().or(tx.refers_to);
            }
            document.transactions.push(tx);
            Ok(())
        })?;
    document.account = json::text(&fields, "account_number");
    payouts(&mut document);
    Ok(document)
}
