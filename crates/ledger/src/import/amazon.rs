//! Amazon settlement reports: the V2 flat file, and the financial event groups that say what was converted.
//!
//! Facts: amazon-settlement §1–§6. The file is tab-separated, unquoted, in the number format of the
//! marketplace; its second row is a summary with the total and no amount. The reading (comma or dot) is never
//! guessed from the currency: it is the one under which the lines sum to the total.

use std::collections::BTreeMap;
use std::io::Read;

use foldhash::HashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use tradewind_domain::{Currency, Decimal, Money};

use super::amount;
use super::error::{Footing, ImportResult, Refusal};
use super::json::{self, Wanted};
use super::number::{self, Mark};
use super::row::{Document, Out, Stmt, Tx};
use super::table::{Header, Row, Table};
use super::time::{self, DayOrder, Moment};
use super::{Sidecar, TextReader};

/// A component's amount under both readings of its text.
#[derive(Clone, Copy)]
struct Readings {
    dot: Option<Decimal>,
    comma: Option<Decimal>,
}

impl Readings {
    fn of(text: &str) -> Readings {
        // Without a comma, a point and up to two digits behind it can only be a decimal point, and the other way round.
        let dot = number::parse(text, Mark::Dot);
        let comma = if dot.is_some() && text.rfind('.').is_some_and(|i| text.len() - i <= 3) {
            None
        } else {
            number::parse(text, Mark::Comma)
        };
        Readings { dot, comma }
    }
    fn get(&self, mark: Mark) -> Option<Decimal> {
        match mark {
            Mark::Dot => self.dot,
            Mark::Comma => self.comma,
        }
    }
}

struct Part {
    code: String,
    amount: Readings,
    line: u64,
}

struct Group {
    kind: String,
    order: Option<String>,
    adjustment: Option<String>,
    occurred: Moment,
    parts: Vec<Part>,
    /// Rows of one order are one event; rows without an order are one event each.
    joined: bool,
}

struct Settlement {
    currency: Currency,
    total: Option<(Readings, String, u64)>,
    from: Option<Moment>,
    to: Option<Moment>,
    deposit: Option<Moment>,
    groups: HashMap<String, Group>,
}

struct Columns {
    settlement: usize,
    start: Option<usize>,
    end: Option<usize>,
    deposit: Option<usize>,
    total: usize,
    currency: usize,
    kind: usize,
    order: Option<usize>,
    adjustment: Option<usize>,
    shipment: Option<usize>,
    marketplace: Option<usize>,
    amount_type: usize,
    description: usize,
    amount: usize,
    posted: Option<usize>,
    posted_time: Option<usize>,
}

impl Columns {
    fn find(h: &Header) -> ImportResult<Columns> {
        Ok(Columns {
            settlement: h.need(&["settlement-id"])?,
            start: h.find("settlement-start-date"),
            end: h.find("settlement-end-date"),
            deposit: h.find("deposit-date"),
            total: h.need(&["total-amount"])?,
            currency: h.need(&["currency"])?,
            kind: h.need(&["transaction-type"])?,
            order: h.find("order-id"),
            adjustment: h.find("adjustment-id"),
            shipment: h.find("shipment-id"),
            marketplace: h.find("marketplace-name"),
            amount_type: h.need(&["amount-type"])?,
            description: h.need(&["amount-description"])?,
            amount: h.need(&["amount"])?,
            posted: h.find("posted-date"),
            posted_time: h.find("posted-date-time"),
        })
    }
}

/// Reads a V2 flat file. One file may hold several settlements; each must foot, or none is taken.
pub(super) fn flat_file<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut table =
        Table::new(TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252)), b'\t', false);
    let columns = match table.next()? {
        Some(row) => Columns::find(&Header::new(row.cells()))?,
        None => return Err(Refusal::unsupported("the file is empty")),
    };
    let mut settlements: BTreeMap<String, Settlement> = BTreeMap::new();
    while let Some(row) = table.next()? {
        if row.is_blank() {
            continue;
        }
        read_row(&row, &columns, sidecar, &mut settlements)?;
    }
    if settlements.is_empty() {
        return Err(Refusal::truncated(1, "the file has a header and no settlement"));
    }
    let mut document = Document::default();
    for (id, settlement) in settlements {
        finish(&id, settlement, sidecar, &mut document)?;
    }
    Ok(document)
}

fn read_row(
    row: &Row<'_>,
    c: &Columns,
    sidecar: &Sidecar,
    settlements: &mut BTreeMap<String, Settlement>,
) -> ImportResult<()> {
    let id = amount::id(row.at(c.settlement), row.line)?;
    if id.is_empty() {
        return Err(Refusal::malformed(row.line, "the settlement-id is empty"));
    }
    let currency = amount::currency(row.at(c.currency), row.line)?;
    if !settlements.contains_key(id) {
        settlements.insert(
            id.to_owned(),
            Settlement {
                currency,
                total: None,
                from: None,
                to: None,
                deposit: None,
                groups: HashMap::default(),
            },
        );
    }
    let Some(s) = settlements.get_mut(id) else { return Ok(()) };
    if s.currency != currency {
        return Err(Refusal::malformed(
            row.line,
            format!("settlement {id} mixes {} and {currency}: a settlement has one currency", s.currency),
        ));
    }
    let order = sidecar.day_order.unwrap_or(if row.opt(c.marketplace).eq_ignore_ascii_case("amazon.com") {
        DayOrder::MonthFirst
    } else {
        DayOrder::DayFirst
    });
    let when = |text: &str| -> ImportResult<Option<Moment>> {
        if text.is_empty() {
            return Ok(None);
        }
        time::moment(text, sidecar.zone_or("UTC"), order)
            .map(Some)
            .ok_or_else(|| Refusal::malformed(row.line, format!("'{}' is not a date", amount::shorten(text))))
    };
    let total = row.at(c.total);
    let value = row.at(c.amount);
    if !total.is_empty() && value.is_empty() {
        // The summary row. Its total is never added to the amounts.
        if let Some((first, text, _)) = &s.total
            && (first.dot != Readings::of(total).dot || first.comma != Readings::of(total).comma)
        {
            return Err(Refusal::malformed(
                row.line,
                format!(
                    "settlement {id} states two totals, {text} and {total}: the parts are of different versions"
                ),
            ));
        }
        s.total = Some((Readings::of(total), total.to_owned(), row.line));
        s.from = when(row.opt(c.start))?.or(s.from.take());
        s.to = when(row.opt(c.end))?.or(s.to.take());
        s.deposit = when(row.opt(c.deposit))?.or(s.deposit.take());
        return Ok(());
    }
    let readings = Readings::of(value);
    if readings.dot.is_none() && readings.comma.is_none() {
        return Err(Refusal::malformed(row.line, format!("'{}' is not an amount", amount::shorten(value))));
    }
    let posted = row.some(c.posted_time).unwrap_or(row.opt(c.posted));
    let occurred = when(posted)?.ok_or_else(|| Refusal::malformed(row.line, "the row has no posted date"))?;
    let kind = row.at(c.kind);
    let code = format!("{}/{}", row.at(c.amount_type), row.at(c.description));
    let order_id = row.some(c.order).map(|o| amount::id(o, row.line)).transpose()?;
    let adjustment = row.some(c.adjustment);
    let key = match order_id {
        Some(o) => {
            format!("{kind}|{o}|{}|{}|{posted}", row.opt(c.shipment), adjustment.unwrap_or_default())
        }
        None => format!("{kind}|{code}|{}|{posted}", adjustment.unwrap_or_default()),
    };
    let group = s.groups.entry(key).or_insert_with(|| Group {
        kind: kind.to_owned(),
        order: order_id.map(str::to_owned),
        adjustment: adjustment.map(str::to_owned),
        occurred,
        parts: Vec::new(),
        joined: order_id.is_some(),
    });
    group.parts.push(Part { code, amount: readings, line: row.line });
    Ok(())
}

/// The sum under one reading; `None` when a cell is no amount of the currency under it.
fn sum(s: &Settlement, mark: Mark) -> Option<Money> {
    s.groups.values().flat_map(|g| &g.parts).try_fold(Money::zero(s.currency), |sum, p| {
        sum.try_add(Money::from_decimal(p.amount.get(mark)?, s.currency).ok()?).ok()
    })
}

fn finish(id: &str, s: Settlement, sidecar: &Sidecar, out: &mut Document) -> ImportResult<()> {
    let Some((total, total_text, total_line)) = &s.total else {
        return Err(Refusal::truncated(
            0,
            format!(
                "settlement {id} has no summary row: this is a part of the report; import all its parts in one file"
            ),
        ));
    };
    let reading = |mark: Mark| -> (Option<Money>, Option<Money>) {
        (sum(&s, mark), total.get(mark).and_then(|d| Money::from_decimal(d, s.currency).ok()))
    };
    let (dot, comma) = (reading(Mark::Dot), reading(Mark::Comma));
    let foots = |(sum, total): (Option<Money>, Option<Money>)| sum.is_some() && sum == total;
    let mark = match (sidecar.decimal_mark, foots(dot), foots(comma)) {
        (Some(mark), ..) if foots(reading(mark)) => mark,
        (None, true, false) => Mark::Dot,
        (None, false, true) => Mark::Comma,
        // Whole numbers read the same either way.
        (None, true, true) if dot == comma => Mark::Dot,
        _ => return Err(no_reading(id, &s, dot, comma, total_text)),
    };
    let (_, Some(total)) = reading(mark) else {
        return Err(Refusal::malformed(*total_line, "the total is no amount"));
    };
    let mut statement = Stmt::new(id, total);
    statement.from = s.from;
    statement.to = s.to;
    statement.deposit_date = s.deposit.map(|d| d.day());
    out.statements.push(statement);
    let mut groups: Vec<(String, Group)> = s.groups.into_iter().collect();
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, group) in groups {
        emit(id, &key, group, s.currency, mark, out)?;
    }
    Ok(())
}

fn no_reading(
    id: &str,
    s: &Settlement,
    dot: (Option<Money>, Option<Money>),
    comma: (Option<Money>, Option<Money>),
    total_text: &str,
) -> Refusal {
    let show = |m: Option<Money>| m.map_or_else(|| "no amount".to_owned(), Money::amount);
    // The reading under which every cell is an amount is the one to report.
    let (sum, total) = if dot.0.is_some() && dot.1.is_some() { dot } else { comma };
    let difference = match (sum, total) {
        (Some(s), Some(t)) => t.try_sub(s).map_or_else(|_| "?".to_owned(), Money::amount),
        _ => "?".to_owned(),
    };
    let cause = if sum.is_none() {
        "the file mixes decimal commas and points"
    } else if s.groups.is_empty() {
        "the file has no lines"
    } else {
        "rows are missing or doubled, or the file was edited"
    };
    Refusal::not_footing(
        Footing {
            statement: format!("settlement {id}"),
            currency: Some(s.currency),
            sum: show(sum),
            total: total.map_or_else(|| total_text.to_owned(), Money::amount),
            difference,
        },
        &format!("{cause} (read with a point: {}; with a comma: {})", show(dot.0), show(comma.0)),
    )
}

fn emit(
    id: &str,
    key: &str,
    group: Group,
    currency: Currency,
    mark: Mark,
    out: &mut Document,
) -> ImportResult<()> {
    let mut parts = Vec::with_capacity(group.parts.len());
    for p in &group.parts {
        let value =
            p.amount.get(mark).ok_or_else(|| Refusal::malformed(p.line, "the amount has another format"))?;
        parts.push((p.code.clone(), amount::money(value, currency, p.line)?));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.minor().cmp(&b.1.minor())));
    let make = |suffix: String, components: Vec<(String, Money)>| -> ImportResult<Tx> {
        let total =
            components.iter().try_fold(Money::zero(currency), |sum, (_, m)| amount::add(sum, *m, 0))?;
        let mut tx = Tx::new(format!("{id}|{key}{suffix}"), &group.kind, group.occurred.clone(), total);
        tx.net = Some(total);
        tx.order.clone_from(&group.order);
        tx.source.clone_from(&group.adjustment);
        tx.statement = Some(id.to_owned());
        tx.components = components;
        Ok(tx)
    };
    if group.joined {
        out.transactions.push(make(String::new(), parts)?);
    } else {
        for (n, part) in parts.into_iter().enumerate() {
            let suffix = if n == 0 { String::new() } else { format!("|{}", n + 1) };
            out.transactions.push(make(suffix, vec![part])?);
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventGroup<'a> {
    financial_event_group_id: String,
    #[serde(default)]
    processing_status: Option<String>,
    #[serde(default)]
    fund_transfer_status: Option<String>,
    #[serde(borrow, default)]
    original_total: Option<CurrencyAmount<'a>>,
    #[serde(borrow, default)]
    converted_total: Option<CurrencyAmount<'a>>,
    #[serde(default)]
    fund_transfer_date: Option<String>,
    #[serde(default)]
    trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CurrencyAmount<'a> {
    currency_code: String,
    #[serde(borrow)]
    currency_amount: &'a RawValue,
}

impl CurrencyAmount<'_> {
    fn money(&self) -> ImportResult<Money> {
        let currency = amount::currency(&self.currency_code, 0)?;
        let text = json::number_text(self.currency_amount);
        amount::need(text, currency, Mark::Dot, 0)
    }
}

/// Reads `listFinancialEventGroups` answers: closed groups become payouts with what the bank received.
pub(super) fn event_groups<R: Read>(source: R) -> ImportResult<Document> {
    let mut document = Document::default();
    let wanted = Wanted { arrays: &["FinancialEventGroupList"], inside: &["payload"] };
    json::walk(source, &wanted, &mut |_, raw| {
        let g: EventGroup<'_> = json::item(raw)?;
        // An open group is still moving: it is read again when it has closed.
        if g.processing_status.as_deref() == Some("Open") {
            return Ok(());
        }
        let Some(original) = &g.original_total else { return Ok(()) };
        let amount = original.money()?;
        let converted = g.converted_total.as_ref().map(CurrencyAmount::money).transpose()?;
        document.payouts.push(Out {
            id: g.financial_event_group_id,
            amount,
            status: g.fund_transfer_status.unwrap_or_else(|| "Unknown".to_owned()),
            arrival: g
                .fund_transfer_date
                .as_deref()
                .and_then(|d| time::moment(d, "UTC", DayOrder::DayFirst))
                .map(|m| m.day()),
            group: None,
            converted: converted.filter(|c| c.currency() != amount.currency()),
            trace: g.trace_id,
        });
        Ok(())
    })?;
    Ok(document)
}
