//! Adyen settlement detail report: one file per batch, the truth about a payout.
//!
//! Facts: adyen §2, §4. Columns are addressed by header text, because merchants reorder and extend them. A batch
//! nets to zero per currency, payouts included; anything else is an incomplete file.

use std::collections::BTreeMap;
use std::io::Read;

use tradewind_domain::{Currency, Decimal, Money};

use super::amount;
use super::error::{ImportResult, Refusal};
use super::number::{self, Mark};
use super::row::{Document, Out, Stmt, Tx};
use super::table::{Header, Row, Table};
use super::time::{self, DayOrder, Moment};
use super::{Sidecar, TextReader};

/// Row types in their documented spelling; the reports vary the case.
const TYPES: &[&str] = &[
    "Settled",
    "SettledReversed",
    "Refunded",
    "RefundedReversed",
    "Chargeback",
    "SecondChargeback",
    "ChargebackReversed",
    "Fee",
    "MiscCosts",
    "InvoiceDeduction",
    "DepositCorrection",
    "Balancetransfer",
    "MerchantPayout",
    "InternalCompanyPayout",
    "EpaPaid",
    "BankInstructionReturned",
    "MatchedStatement",
    "ManualCorrected",
    "AuthorisationSchemeFee",
    "PaymentCost",
    "PaidOut",
    "PaidOutReversed",
];

/// The component that carries what a row's own numbers do not explain; no table maps it.
pub(super) const RESIDUAL: &str = "ROW_RESIDUAL";

const FEES: [&str; 4] = ["Commission (NC)", "Markup (NC)", "Scheme Fees (NC)", "Interchange (NC)"];

struct Columns {
    merchant: usize,
    psp: usize,
    reference: Option<usize>,
    created: usize,
    created_zone: Option<usize>,
    booked: Option<usize>,
    booked_zone: Option<usize>,
    kind: usize,
    modification: usize,
    gross_currency: usize,
    gross_debit: usize,
    gross_credit: usize,
    rate: Option<usize>,
    net_currency: usize,
    net_debit: usize,
    net_credit: usize,
    fees: [Option<usize>; 4],
    batch: usize,
}

impl Columns {
    fn find(h: &Header) -> ImportResult<Columns> {
        Ok(Columns {
            merchant: h.need(&["Merchant Account"])?,
            psp: h.need(&["Psp Reference"])?,
            reference: h.find("Merchant Reference"),
            created: h.need(&["Creation Date"])?,
            created_zone: h.find("TimeZone"),
            booked: h.find("Booking Date"),
            booked_zone: h.find("Booking Date TimeZone"),
            kind: h.need(&["Type"])?,
            modification: h.need(&["Modification Reference"])?,
            gross_currency: h.need(&["Gross Currency"])?,
            gross_debit: h.need(&["Gross Debit (GC)"])?,
            gross_credit: h.need(&["Gross Credit (GC)"])?,
            rate: h.find("Exchange Rate"),
            net_currency: h.need(&["Net Currency"])?,
            net_debit: h.need(&["Net Debit (NC)"])?,
            net_credit: h.need(&["Net Credit (NC)"])?,
            fees: FEES.map(|n| h.find(n)),
            batch: h.need(&["Batch Number"])?,
        })
    }
}

/// Reads a settlement detail report. A file may hold several batches; each must net to zero per currency.
pub(super) fn settlement_detail<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let text = TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252));
    let mut table = Table::new(text, sidecar.delimiter_or(b','), true);
    let columns = match table.next()? {
        Some(row) => Columns::find(&Header::new(row.cells()))?,
        None => return Err(Refusal::unsupported("the file is empty")),
    };
    let mut document = Document::default();
    let mut batches: BTreeMap<(String, Currency), (Money, bool)> = BTreeMap::new();
    let mut last: BTreeMap<String, Moment> = BTreeMap::new();
    while let Some(row) = table.next()? {
        if row.is_blank() {
            continue;
        }
        let (tx, merchant) = read_row(&row, &columns, &mut document)?;
        document.account.get_or_insert(merchant);
        let net = tx.net.unwrap_or(tx.amount);
        let statement = tx.statement.clone().unwrap_or_default();
        let entry = batches
            .entry((statement.clone(), net.currency()))
            .or_insert((Money::zero(net.currency()), false));
        entry.0 = amount::add(entry.0, net, row.line)?;
        entry.1 |= tx.kind == "MerchantPayout";
        last.entry(statement)
            .and_modify(|m| {
                if tx.occurred.at > m.at {
                    *m = tx.occurred.clone();
                }
            })
            .or_insert_with(|| tx.occurred.clone());
        document.transactions.push(tx);
    }
    if document.transactions.is_empty() {
        return Err(Refusal::truncated(1, "the report has a header and no rows"));
    }
    for ((statement, currency), (sum, paid)) in &batches {
        let cause = if *paid {
            "rows are missing or were edited"
        } else {
            "the batch has no MerchantPayout row in this currency: the file is an excerpt or the batch is not closed"
        };
        amount::foot(statement, *sum, Money::zero(*currency), cause)?;
        let mut s = Stmt::new(statement.clone(), Money::zero(*currency));
        s.opening = Some(Money::zero(*currency));
        s.closing = Some(Money::zero(*currency));
        s.to = last.get(statement).cloned();
        document.statements.push(s);
    }
    Ok(document)
}

fn moment(text: &str, zone: &str, sidecar_line: u64) -> ImportResult<Moment> {
    let found = if zone.is_empty() {
        time::moment(text, "UTC", DayOrder::YearFirst)
    } else {
        time::moment_abbreviated(text, zone)
    };
    found.ok_or_else(|| {
        Refusal::malformed(
            sidecar_line,
            format!(
                "'{}' in zone '{}' is not a time that can be placed",
                amount::shorten(text),
                amount::shorten(zone)
            ),
        )
    })
}

/// Credit less debit; where both sides are filled (seen on edited rows) the side that `like` has.
fn signed(
    row: &Row<'_>,
    debit: usize,
    credit: usize,
    c: Currency,
    like: Option<Money>,
) -> ImportResult<Money> {
    let zero = Money::zero(c);
    let d = amount::major(row.at(debit), c, Mark::Dot, row.line)?.unwrap_or(zero);
    let k = amount::major(row.at(credit), c, Mark::Dot, row.line)?.unwrap_or(zero);
    Ok(match like {
        Some(n) if !d.is_zero() && !k.is_zero() => {
            if n.is_negative() {
                d.negated()
            } else {
                k
            }
        }
        _ => amount::add(k, d.negated(), row.line)?,
    })
}

fn read_row(row: &Row<'_>, c: &Columns, document: &mut Document) -> ImportResult<(Tx, String)> {
    let written = row.at(c.kind);
    let kind = TYPES.iter().find(|t| t.eq_ignore_ascii_case(written)).map_or(written, |t| *t);
    let net_currency = amount::currency(row.at(c.net_currency), row.line)?;
    let net = signed(row, c.net_debit, c.net_credit, net_currency, None)?;
    let occurred = match row.some(c.booked).filter(|b| b.len() > 10) {
        Some(booked) => moment(booked, row.opt(c.booked_zone), row.line)?,
        None => moment(row.at(c.created), row.opt(c.created_zone), row.line)?,
    };
    let batch = row.at(c.batch);
    if batch.is_empty() {
        return Err(Refusal::malformed(row.line, "the batch number is empty"));
    }
    let merchant = row.at(c.merchant).to_owned();
    let psp = amount::id(row.at(c.psp), row.line)?;
    let modification = row.at(c.modification);
    let unique = if modification.is_empty() { psp } else { modification };
    let id = format!("{merchant}/{batch}/{kind}/{unique}/{net_currency}");
    let gross_currency = row.at(c.gross_currency);
    let has_gross = !gross_currency.is_empty()
        && (!row.at(c.gross_debit).is_empty() || !row.at(c.gross_credit).is_empty());
    let mut tx = Tx::new(id, kind, occurred, net);
    tx.net = Some(net);
    tx.source = Some(unique.to_owned()).filter(|s| !s.is_empty());
    tx.refers_to = Some(psp).filter(|p| !p.is_empty() && *p != unique).map(str::to_owned);
    tx.order = row.some(c.reference).map(str::to_owned);
    tx.statement = Some(format!("{merchant}/{batch}/{net_currency}"));
    if has_gross {
        let currency = amount::currency(gross_currency, row.line)?;
        tx.amount = signed(row, c.gross_debit, c.gross_credit, currency, Some(net))?;
        let rate = match row.some(c.rate) {
            Some(text) => number::parse(text, Mark::Dot)
                .ok_or_else(|| Refusal::malformed(row.line, "the exchange rate is not a number"))?,
            None => Decimal::ONE,
        };
        tx.rate = (currency != net_currency).then_some(rate);
        let gross = amount::converted(tx.amount, rate, net_currency)
            .ok_or_else(|| Refusal::malformed(row.line, "the converted gross is out of range"))?;
        let mut explained = Money::zero(net_currency);
        for (name, at) in FEES.iter().zip(c.fees) {
            if let Some(fee) =
                amount::major(row.opt(at), net_currency, Mark::Dot, row.line)?.filter(|f| !f.is_zero())
            {
                explained = amount::add(explained, fee, row.line)?;
                tx.components.push(((*name).to_owned(), fee.negated()));
            }
        }
        let fee = amount::add(gross, net.negated(), row.line)?;
        let residual = amount::add(fee, explained.negated(), row.line)?;
        if !residual.is_zero() {
            tx.components.push((RESIDUAL.to_owned(), residual.negated()));
            document.warnings.push((
                row.line,
                format!(
                    "the row's gross {} × {rate} less its fees is not its net {}: {} unexplained",
                    tx.amount,
                    net,
                    residual.negated()
                ),
            ));
        }
        tx.fee = Some(fee);
    }
    if kind == "MerchantPayout" {
        let trace = modification.split_whitespace().next().unwrap_or_default();
        // The batch is part of it: what two batches paid is two transfers, whatever reference a bank gave them.
        let reference = if trace.is_empty() { String::new() } else { format!("{trace}/") };
        let id = format!("{reference}{batch}/{net_currency}");
        tx.payout = Some(id.clone());
        document.payouts.push(Out {
            id,
            amount: net.negated(),
            status: "paid".to_owned(),
            arrival: None,
            group: tx.statement.clone(),
            converted: None,
            trace: Some(trace.to_owned()).filter(|t| !t.is_empty()),
        });
    }
    Ok((tx, merchant))
}
