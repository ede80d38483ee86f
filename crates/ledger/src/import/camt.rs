//! camt.053 bank statements (ISO 20022), read as a stream of events.
//!
//! Booked entries only; opening (OPBD, PRCD) plus entries must be the closing balance (CLBD). A document type declaration
//! is refused, so no entity is ever expanded beyond the five of XML.

use std::io::{BufReader, Read};

use quick_xml::events::{BytesStart, Event};
use tradewind_domain::Money;

use super::amount;
use super::bank::Ids;
use super::error::{ImportResult, Refusal};
use super::number::Mark;
use super::row::{Bank, Document};
use super::time::{self, DayOrder};
use super::{Sidecar, TextReader};

const MAX_DEPTH: usize = 64;
const MAX_TEXT: usize = 1 << 16;

#[derive(Default)]
struct Entry {
    amount: Option<(String, String)>,
    credit: Option<bool>,
    status: String,
    date: String,
    reference: String,
    end_to_end: Vec<String>,
    text: Vec<String>,
}

#[derive(Default)]
struct Balance {
    code: String,
    amount: Option<(String, String)>,
    credit: Option<bool>,
}

#[derive(Default)]
struct State {
    account: String,
    opening: Option<Money>,
    closing: Option<Money>,
    balance: Balance,
    entry: Entry,
    booked: Vec<Bank>,
    statements: u64,
}

/// Reads a `Document/BkToCstmrStmt`.
pub(super) fn statement<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let text = TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252));
    let mut reader = quick_xml::Reader::from_reader(BufReader::with_capacity(1 << 16, text));
    let mut buffer = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut content = String::new();
    let mut attribute = String::new();
    let mut state = State::default();
    let mut document = Document::default();
    let mut ids = Ids::new();
    let mut root = String::new();
    loop {
        let at = reader.buffer_position();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|e| Refusal::malformed(0, format!("not well-formed XML near byte {at}: {e}")))?;
        match event {
            Event::DocType(_) => {
                return Err(Refusal::malformed(
                    0,
                    "the XML declares a document type: bank statements do not; it is refused",
                ));
            }
            Event::Start(e) => {
                open(&e, &mut path, &mut content, &mut attribute)?;
                if path.len() == 2 {
                    root = path.last().cloned().unwrap_or_default();
                }
                state.start(&path);
            }
            Event::Empty(e) => {
                open(&e, &mut path, &mut content, &mut attribute)?;
                path.pop();
            }
            Event::Text(t) => {
                let piece = t.xml10_content();
                push(&mut content, &piece)?;
            }
            Event::CData(t) => {
                push(&mut content, t.as_ref())?;
            }
            Event::GeneralRef(r) => {
                let c = match r.resolve_char_ref() {
                    Ok(Some(c)) => c,
                    _ => match r.as_ref() {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => {
                            return Err(Refusal::malformed(
                                0,
                                "the XML uses an entity that XML does not have",
                            ));
                        }
                    },
                };
                content.push(c);
            }
            Event::End(_) => {
                state.end(&path, content.trim(), &attribute)?;
                match path.last().map(String::as_str) {
                    Some("Ntry") => state.finish_entry(sidecar, &mut ids)?,
                    Some("Bal") => state.finish_balance()?,
                    Some("Stmt") => state.finish_statement(&mut document)?,
                    _ => {}
                }
                path.pop();
                content.clear();
            }
            Event::Eof => break,
            _ => {}
        }
        buffer.clear();
    }
    if !path.is_empty() {
        return Err(Refusal::truncated(0, "the XML ends before its last element is closed"));
    }
    if state.statements == 0 {
        return Err(Refusal::unsupported(format!(
            "the XML holds '{}', not a bank statement (BkToCstmrStmt)",
            amount::shorten(&root)
        )));
    }
    Ok(document)
}

fn open(
    e: &BytesStart<'_>,
    path: &mut Vec<String>,
    content: &mut String,
    attribute: &mut String,
) -> ImportResult<()> {
    if path.len() >= MAX_DEPTH {
        return Err(Refusal::malformed(0, "the XML is nested deeper than any statement"));
    }
    path.push(e.local_name().as_ref().to_owned());
    content.clear();
    if path.last().is_some_and(|p| p == "Amt") {
        attribute.clear();
        for a in e.attributes().flatten() {
            if a.key.local_name().as_ref() == "Ccy" {
                attribute.push_str(&a.value);
            }
        }
    }
    Ok(())
}

fn push(content: &mut String, piece: &str) -> ImportResult<()> {
    if content.len() + piece.len() > MAX_TEXT {
        return Err(Refusal::malformed(0, "an element's text is longer than 64 KiB"));
    }
    content.push_str(piece);
    Ok(())
}

impl State {
    fn start(&mut self, path: &[String]) {
        match path.last().map(String::as_str) {
            Some("Stmt") => {
                self.account.clear();
                self.opening = None;
                self.closing = None;
                self.booked.clear();
            }
            Some("Ntry") => self.entry = Entry::default(),
            Some("Bal") => self.balance = Balance::default(),
            _ => {}
        }
    }

    fn end(&mut self, path: &[String], text: &str, attribute: &str) -> ImportResult<()> {
        let tail: Vec<&str> = path.iter().rev().take(4).map(String::as_str).collect();
        let in_entry = path.iter().any(|p| p == "Ntry");
        match tail.as_slice() {
            ["IBAN", "Id", "Acct", "Stmt"] => self.account = text.to_owned(),
            ["Id", "Othr", "Id", "Acct"] if !in_entry && self.account.is_empty() => {
                self.account = text.to_owned()
            }
            ["Cd", "CdOrPrtry", "Tp", "Bal"] => self.balance.code = text.to_owned(),
            ["Amt", "Bal", ..] => self.balance.amount = Some((text.to_owned(), attribute.to_owned())),
            ["CdtDbtInd", "Bal", ..] => self.balance.credit = Some(side(text)?),
            ["Amt", "Ntry", ..] => self.entry.amount = Some((text.to_owned(), attribute.to_owned())),
            ["CdtDbtInd", "Ntry", ..] => self.entry.credit = Some(side(text)?),
            ["Sts", "Ntry", ..] if !text.is_empty() => self.entry.status = text.to_owned(),
            ["Cd", "Sts", "Ntry", ..] => self.entry.status = text.to_owned(),
            ["Dt" | "DtTm", "BookgDt", "Ntry", ..] => self.entry.date = text.to_owned(),
            ["Dt" | "DtTm", "ValDt", "Ntry", ..] if self.entry.date.is_empty() => {
                self.entry.date = text.to_owned()
            }
            ["AcctSvcrRef", "Ntry", ..] => self.entry.reference = text.to_owned(),
            ["EndToEndId", ..] if in_entry && text != "NOTPROVIDED" => {
                self.entry.end_to_end.push(text.to_owned())
            }
            ["Ustrd", ..] | ["AddtlNtryInf", ..] if in_entry => self.entry.text.push(text.to_owned()),
            ["Ref", "CdtrRefInf", ..] if in_entry => self.entry.text.push(text.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn finish_balance(&mut self) -> ImportResult<()> {
        let b = std::mem::take(&mut self.balance);
        let (Some((text, code)), Some(credit)) = (b.amount, b.credit) else { return Ok(()) };
        let m = amount::need(&text, amount::currency(&code, 0)?, Mark::Dot, 0)?;
        let m = if credit { m } else { m.negated() };
        match b.code.as_str() {
            "OPBD" => self.opening = Some(m),
            "PRCD" if self.opening.is_none() => self.opening = Some(m),
            "CLBD" => self.closing = Some(m),
            _ => {}
        }
        Ok(())
    }

    fn finish_entry(&mut self, sidecar: &Sidecar, ids: &mut Ids) -> ImportResult<()> {
        let e = std::mem::take(&mut self.entry);
        if !matches!(e.status.as_str(), "BOOK" | "") {
            return Ok(());
        }
        let (Some((text, code)), Some(credit)) = (e.amount, e.credit) else {
            return Err(Refusal::malformed(0, "an entry (Ntry) has no amount or no credit/debit mark"));
        };
        let m = amount::need(&text, amount::currency(&code, 0)?, Mark::Dot, 0)?;
        let m = if credit { m } else { m.negated() };
        let date = time::date(e.date.split('T').next().unwrap_or_default(), DayOrder::DayFirst)
            .ok_or_else(|| Refusal::malformed(0, "an entry (Ntry) has no booking date"))?;
        let mut words = e.end_to_end;
        words.extend(e.text);
        words.retain(|w| !w.is_empty());
        let text = words.join(" ");
        let account = sidecar.account.clone().unwrap_or_else(|| self.account.clone());
        let id = ids.of(&account, &date.to_string(), m, &format!("{} {text}", e.reference));
        self.booked.push(Bank { id, account, date, amount: m, text: Some(text).filter(|t| !t.is_empty()) });
        Ok(())
    }

    fn finish_statement(&mut self, document: &mut Document) -> ImportResult<()> {
        self.statements += 1;
        let (Some(opening), Some(closing)) = (self.opening, self.closing) else {
            return Err(Refusal::malformed(
                0,
                format!("the statement of {} has no opening and closing balance (OPBD, CLBD)", self.account),
            ));
        };
        let mut reached = opening;
        for b in &self.booked {
            reached = amount::add(reached, b.amount, 0)?;
        }
        amount::foot(&format!("statement of {}", self.account), reached, closing, "entries are missing")?;
        document.bank.append(&mut self.booked);
        Ok(())
    }
}

fn side(text: &str) -> ImportResult<bool> {
    match text {
        "CRDT" => Ok(true),
        "DBIT" => Ok(false),
        other => Err(Refusal::malformed(0, format!("'{}' is neither CRDT nor DBIT", amount::shorten(other)))),
    }
}
