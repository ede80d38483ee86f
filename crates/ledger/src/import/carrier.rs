//! Carriers' duty and tax invoices as CSV.
//!
//! No two carriers agree on titles, so the importer knows the usual ones and takes others from the sidecar. Each row must
//! foot: duty + VAT + fee = total.

use std::collections::BTreeMap;
use std::io::Read;

use tradewind_domain::Money;

use super::amount;
use super::error::{ImportResult, Refusal};
use super::number::{self, Mark};
use super::row::{Carrier, Document};
use super::table::{Header, Table};
use super::{Sidecar, TextReader};

const TITLES: &[(&str, &[&str])] = &[
    ("invoice", &["invoice number", "invoice no", "invoice", "invoice id", "rechnungsnummer"]),
    (
        "tracking",
        &[
            "tracking number",
            "tracking",
            "waybill",
            "awb",
            "airway bill number",
            "shipment number",
            "sendungsnummer",
        ],
    ),
    ("currency", &["currency", "currency code", "invoice currency", "währung"]),
    ("duty", &["duty", "customs duty", "duties", "import duty", "zoll"]),
    ("vat", &["vat", "import vat", "tax", "gst", "import tax", "einfuhrumsatzsteuer"]),
    (
        "fee",
        &[
            "fee",
            "fees",
            "brokerage",
            "disbursement fee",
            "advancement fee",
            "handling fee",
            "duty tax processing",
        ],
    ),
    ("total", &["total", "total amount", "amount", "invoice total", "gesamt"]),
];

/// Reads an invoice file.
pub(super) fn invoice<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let text = TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252));
    let mut table = Table::new(text, sidecar.delimiter_or(b','), true);
    let header = match table.next()? {
        Some(row) if row.len() == 1 && row.at(0).contains(';') => {
            return Err(Refusal::unsupported(
                "the file is separated by ';': say delimiter = \";\" in the sidecar",
            ));
        }
        Some(row) => Header::new(row.cells()),
        None => return Err(Refusal::unsupported("the file is empty")),
    };
    let mut at: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for (ours, titles) in TITLES {
        let found = match sidecar.columns.get(*ours) {
            Some(title) => Some(header.need(&[title.as_str()])?),
            None => header.any(titles),
        };
        at.insert(ours, found);
    }
    let column = |name: &str| at.get(name).copied().flatten();
    let tracking = header_need(column("tracking"), "tracking")?;
    let total = header_need(column("total"), "total")?;
    if column("duty").is_none() && column("vat").is_none() {
        return Err(Refusal::unsupported("no duty and no VAT column: not a duty and tax invoice"));
    }
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    while let Some(row) = table.next()? {
        if !row.is_blank() {
            rows.push((row.line, row.cells().map(str::to_owned).collect()));
        }
    }
    let mark = sidecar.decimal_mark.map_or_else(|| reading(&rows, total), Ok)?;
    let mut document = Document::default();
    let mut seen: BTreeMap<String, Vec<[Money; 4]>> = BTreeMap::new();
    for (line, cells) in rows {
        let cell = |i: Option<usize>| i.and_then(|i| cells.get(i)).map(String::as_str).unwrap_or_default();
        let code = Some(cell(column("currency"))).filter(|c| !c.is_empty()).or(sidecar.currency.as_deref());
        let currency = amount::currency(code.unwrap_or_default(), line)?;
        let money = |name: &str| -> ImportResult<Money> {
            Ok(amount::major(cell(column(name)), currency, mark, line)?.unwrap_or(Money::zero(currency)))
        };
        let (duty, vat, fee) = (money("duty")?, money("vat")?, money("fee")?);
        let stated = amount::need(cell(Some(total)), currency, mark, line)?;
        let sum = amount::add(amount::add(duty, vat, line)?, fee, line)?;
        let tracking = amount::id(cell(Some(tracking)), line)?.to_owned();
        let invoice = cell(column("invoice"));
        amount::foot(
            &format!("invoice {invoice} {tracking}"),
            sum,
            stated,
            "a charge column is not mapped; name it in the sidecar",
        )
        .map_err(|mut r| {
            r.line = line;
            r
        })?;
        let base = if invoice.is_empty() { tracking.clone() } else { format!("{invoice}/{tracking}") };
        // A parcel may have several lines; one that is equal in everything is the same line again.
        let lines = seen.entry(base.clone()).or_default();
        let charges = [duty, vat, fee, stated];
        let n = lines.iter().position(|l| *l == charges).unwrap_or(lines.len());
        if n == lines.len() {
            lines.push(charges);
        }
        let id = if n == 0 { base } else { format!("{base}#{}", n + 1) };
        document.carrier.push(Carrier { id, tracking, duty, vat, fee, total: stated });
    }
    Ok(document)
}

fn header_need(i: Option<usize>, name: &str) -> ImportResult<usize> {
    i.ok_or_else(|| {
        Refusal::unsupported(format!("no {name} column: name it in the sidecar ([columns] {name} = \"…\")"))
    })
}

/// The one decimal mark under which every total is a number; a point where both do with the same value.
fn reading(rows: &[(u64, Vec<String>)], total: usize) -> ImportResult<Mark> {
    let all =
        |mark: Mark| rows.iter().all(|(_, c)| c.get(total).is_some_and(|t| number::parse(t, mark).is_some()));
    let equal = || {
        rows.iter().all(|(_, c)| {
            c.get(total).is_some_and(|t| number::parse(t, Mark::Dot) == number::parse(t, Mark::Comma))
        })
    };
    match (all(Mark::Dot), all(Mark::Comma)) {
        (true, false) => Ok(Mark::Dot),
        (false, true) => Ok(Mark::Comma),
        (true, true) if equal() => Ok(Mark::Dot),
        _ => Err(Refusal::malformed(
            0,
            "the totals do not read with one decimal mark: say decimal = \".\" or \",\"",
        )),
    }
}
