//! What users and rate books say: `decisions.jsonl` and `fx.csv`.

use std::collections::BTreeMap;

use serde_json::Value;
use tradewind_domain::{Decimal, parse_decimal};

use super::read::{currency, day, parse, unknown_field};
use super::{Decision, DecisionKind, Facts, Origin, RateRow, RowError};

/// What a decision says beside its records.
const ASIDE: [&str; 16] = [
    "kind",
    "type",
    "action",
    "decision",
    "reason",
    "amount",
    "currency",
    "id",
    "note",
    "comment",
    "at",
    "date",
    "created_at",
    "by",
    "actor",
    "user",
];

/// Fields that name records: `records`, one of the kinds of file, or a side of a pair.
const RECORDS: [&str; 47] = [
    "records",
    "record",
    "ids",
    "order",
    "orders",
    "refund",
    "refunds",
    "document",
    "documents",
    "invoice",
    "invoices",
    "transaction",
    "transactions",
    "row",
    "rows",
    "line",
    "lines",
    "payment",
    "payments",
    "statement",
    "statements",
    "settlement",
    "settlements",
    "payout",
    "payouts",
    "bank",
    "bank_line",
    "bank_lines",
    "carrier_invoice",
    "carrier_invoices",
    "tracking",
    "left",
    "right",
    "a",
    "b",
    "from",
    "to",
    "with",
    "between",
    "pair",
    "match",
    "matched_to",
    "candidates",
    "source",
    "target",
    "targets",
    "items",
];

fn collect(field: &str, v: &Value, out: &mut Vec<String>) -> Result<(), String> {
    match v {
        Value::String(s) => out.push(s.clone()),
        Value::Array(items) => items.iter().try_for_each(|i| collect(field, i, out))?,
        Value::Object(map) if map.contains_key("id") => {
            map.get("id").map_or(Ok(()), |id| collect(field, id, out))?;
        }
        Value::Null => {}
        other => return Err(format!("{field}: {other} names no record: write its id as text")),
    }
    Ok(())
}

/// A decision names what it decides (`kind`, `type`, `action` or `decision`) and the records it is about. A field that is none of the
/// tables above is refused: read as a record or dropped, it would decide something else than what was meant.
pub(super) fn read(text: &str, origin: Origin) -> Result<Decision, String> {
    let map: BTreeMap<String, Value> = parse(text)?;
    let mut records = Vec::new();
    for (field, v) in &map {
        if RECORDS.contains(&field.as_str()) {
            collect(field, v, &mut records)?;
        } else if !ASIDE.contains(&field.as_str()) {
            let known: Vec<&str> = ASIDE.iter().chain(&RECORDS).copied().collect();
            return Err(unknown_field("the row does not fit its schema: unknown field", field, &known));
        }
    }
    let word = |field: &str| -> Result<Option<&str>, String> {
        match map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(t)) => Ok(Some(t)),
            Some(other) => Err(format!("{field}: {other} is no text: write \"{field}\": \"…\"")),
        }
    };
    let mut said = None;
    for field in ["kind", "type", "action", "decision"] {
        said = said.or(word(field)?);
    }
    let kind = match said.ok_or("a decision needs kind: pin, veto or accept")? {
        "pin" | "match" => DecisionKind::Pin,
        "veto" | "unmatch" => DecisionKind::Veto,
        "accept" => DecisionKind::Accept,
        other => return Err(format!("decision '{other}' is unknown: say pin, veto or accept")),
    };
    records.sort();
    records.dedup();
    if records.is_empty() {
        return Err("a decision names the records it is about".to_owned());
    }
    let reason = word("reason")?.map(str::to_owned);
    let amount = word("amount")?.map(parse_decimal).transpose().map_err(|e| format!("amount: {e}"))?;
    let currency = word("currency")?.map(currency).transpose()?;
    Ok(Decision { kind, records, reason, amount, currency, origin })
}

const COLUMNS: [&str; 5] = ["date", "base", "quote", "rate", "source"];

/// `date,base,quote,rate,source`, by the titles of its first row: read by place, two columns that changed it would be another rate.
pub fn rates(file: &str, bytes: &[u8], facts: &mut Facts) {
    *facts.given.entry("fx").or_insert(0) += 1;
    if bytes.trim_ascii().is_empty() {
        return;
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let columns = reader.headers().map_err(|e| e.to_string()).and_then(|titles| {
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, title) in titles.iter().enumerate() {
            let title = title.trim_start_matches('\u{feff}').to_ascii_lowercase();
            let Some(ours) = COLUMNS.iter().find(|c| **c == title) else {
                return Err(unknown_field("no such column:", &title, &COLUMNS));
            };
            if at.insert(ours, i).is_some() {
                return Err(format!("column '{title}' stands twice"));
            }
        }
        match COLUMNS.iter().find(|c| !at.contains_key(*c)) {
            Some(c) => Err(format!("no column '{c}': the first row is {}", COLUMNS.join(","))),
            None => Ok(at),
        }
    });
    let at = match columns {
        Ok(at) => at,
        Err(message) => {
            return facts.errors.push(RowError { file: file.to_owned(), row: 1, message });
        }
    };
    let mut seen = BTreeMap::new();
    let blank: Vec<bool> = bytes.split(|b| *b == b'\n').map(|l| l.trim_ascii().is_empty()).collect();
    for record in reader.records() {
        let at_line = match &record {
            Ok(r) => r.position(),
            Err(e) => e.position(),
        };
        // The reader stands before the blank lines that it skips.
        let row = (at_line.map_or(1, csv::Position::line)..)
            .find(|n| usize::try_from(*n).is_ok_and(|n| blank.get(n.saturating_sub(1)) != Some(&true)))
            .unwrap_or_default();
        let parsed = record.map_err(|e| e.to_string()).and_then(|r| {
            let cell = |c: &str| at.get(c).and_then(|i| r.get(*i)).unwrap_or_default();
            let rate: Decimal = parse_decimal(cell("rate")).map_err(|e| format!("rate: {e}"))?;
            if rate <= Decimal::ZERO {
                return Err("rate: must be above zero".to_owned());
            }
            Ok(RateRow {
                date: day("date", cell("date"))?,
                base: currency(cell("base"))?,
                quote: currency(cell("quote"))?,
                rate,
                source: cell("source").to_owned(),
            })
        });
        let parsed = parsed.and_then(|r| {
            let key = (r.date, r.base, r.quote, r.source.clone());
            let (had, first) = *seen.entry(key).or_insert((r.rate, row));
            if had == r.rate {
                return Ok(r);
            }
            Err(format!(
                "{} gives {} for {}/{} of {} here and {had} in row {first}: the first counts, remove the wrong one",
                if r.source.is_empty() { "the file" } else { &r.source },
                r.rate,
                r.base,
                r.quote,
                r.date
            ))
        });
        match parsed {
            Ok(r) => facts.rates.push(r),
            Err(message) => facts.errors.push(RowError { file: file.to_owned(), row, message }),
        }
    }
}
