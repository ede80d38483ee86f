//! MT940 messages (SWIFT): entries between an opening and a closing balance, over several pages where there are many.

use std::io::Read;

use tradewind_domain::{Currency, Money};

use super::Ids;
use crate::import::cn::Lines;
use crate::import::error::{ImportResult, Refusal};
use crate::import::number::Mark;
use crate::import::row::{Bank, Document};
use crate::import::time::{self, DayOrder};
use crate::import::{Sidecar, TextReader, amount};

/// Reads MT940 messages.
pub(in crate::import) fn mt940<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut lines = Lines::new(TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252)));
    let mut document = Document::default();
    let mut m = Message::default();
    let mut ids = Ids::new();
    let mut tag = String::new();
    let mut value = String::new();
    let mut line_no = 0;
    loop {
        let line = lines.next()?.map(str::to_owned);
        let number = lines.number;
        let next_tag = line.as_deref().and_then(tag_of);
        let ends = line.as_deref().is_none_or(|l| l.starts_with('-') && l.trim_end_matches('}') == "-");
        if next_tag.is_some() || ends {
            if !tag.is_empty() {
                m.field(&tag, &value, line_no, sidecar, &mut ids, &mut document)?;
            }
            tag.clear();
            value.clear();
        }
        match (line, next_tag) {
            (None, _) => break,
            (Some(_), Some((t, v))) => {
                tag = t;
                value = v;
                line_no = number;
            }
            (Some(l), None) if !ends && !tag.is_empty() => {
                value.push('\n');
                value.push_str(l.trim_end());
            }
            _ => {}
        }
    }
    m.close(line_no)?;
    if m.statements == 0 {
        return Err(Refusal::unsupported("no field :60F: found: not an MT940 statement"));
    }
    Ok(document)
}

fn tag_of(line: &str) -> Option<(String, String)> {
    let start = line.find(":20:").filter(|_| line.starts_with('{')).unwrap_or(0);
    let rest = line.get(start..)?.strip_prefix(':')?;
    let (tag, value) = rest.split_once(':')?;
    let ok = (2..=3).contains(&tag.len()) && tag.starts_with(|c: char| c.is_ascii_digit());
    ok.then(|| (tag.to_owned(), value.trim_end().to_owned()))
}

#[derive(Default)]
struct Message {
    account: String,
    balance: Option<Money>,
    opened_line: u64,
    statements: u64,
    pending: Option<(Bank, String)>,
    /// Where a page ended that another one continues.
    page: Option<Money>,
}

impl Message {
    fn flush(&mut self, ids: &mut Ids, document: &mut Document) {
        if let Some((mut bank, reference)) = self.pending.take() {
            let text = bank.text.clone().unwrap_or_default();
            bank.id = if reference.is_empty() {
                ids.of(&bank.account, &bank.date.to_string(), bank.amount, &text)
            } else {
                ids.of(&bank.account, &bank.date.to_string(), bank.amount, &format!("{reference} {text}"))
            };
            document.bank.push(bank);
        }
    }

    fn field(
        &mut self,
        tag: &str,
        value: &str,
        line: u64,
        sidecar: &Sidecar,
        ids: &mut Ids,
        document: &mut Document,
    ) -> ImportResult<()> {
        match tag {
            // A new message: the account of the one before is not its own.
            "20" => self.account = sidecar.account.clone().unwrap_or_default(),
            "25" | "25P" => {
                self.account = sidecar
                    .account
                    .clone()
                    .unwrap_or_else(|| value.lines().next().unwrap_or_default().to_owned());
            }
            "60F" | "60M" => {
                self.close(line)?;
                if self.account.is_empty() {
                    return Err(Refusal::malformed(
                        line,
                        "the statement names no account (:25:): say account = \"…\" in the sidecar, or fetch the message again",
                    ));
                }
                let opening = balance(value, line)?;
                if let Some(page) = self.page.take().filter(|_| tag == "60M") {
                    let cause = "a page of the statement is missing (:62M: to :60M:)";
                    amount::foot(&format!("statement of {}", self.account), page, opening, cause).map_err(
                        |mut r| {
                            r.line = line;
                            r
                        },
                    )?;
                }
                self.balance = Some(opening);
                self.opened_line = line;
                self.statements += 1;
            }
            "61" => {
                self.flush(ids, document);
                let open = self.balance.ok_or_else(|| {
                    Refusal::malformed(line, "an entry (:61:) stands before the opening balance (:60F:)")
                })?;
                let (bank, reference) = entry(value, &self.account, open.currency(), line)?;
                self.balance = Some(amount::add(open, bank.amount, line)?);
                self.pending = Some((bank, reference));
            }
            "86" => {
                if let Some((bank, _)) = self.pending.as_mut() {
                    let text = value.replace('\n', "");
                    bank.text = Some(match bank.text.take() {
                        Some(had) => format!("{had} {text}"),
                        None => text,
                    });
                }
            }
            "62F" | "62M" => {
                self.flush(ids, document);
                let closing = balance(value, line)?;
                let reached = self.balance.take().ok_or_else(|| {
                    Refusal::malformed(line, "a closing balance without an opening balance")
                })?;
                amount::foot(
                    &format!("statement of {}", self.account),
                    reached,
                    closing,
                    "entries are missing or the message was cut",
                )?;
                self.page = (tag == "62M").then_some(closing);
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&self, line: u64) -> ImportResult<()> {
        if self.balance.is_some() {
            return Err(Refusal::truncated(
                line.max(self.opened_line),
                "the statement has no closing balance (:62F:): the message was cut off",
            ));
        }
        Ok(())
    }
}

/// `C260101EUR1234,56`
fn balance(value: &str, line: u64) -> ImportResult<Money> {
    let bad = || Refusal::malformed(line, "a balance cannot be read: expected D/C, date, currency, amount");
    let negative = match value.chars().next() {
        Some('C') => false,
        Some('D') => true,
        _ => return Err(bad()),
    };
    let code = value.get(7..10).ok_or_else(bad)?;
    let text = value.get(10..).ok_or_else(bad)?;
    let m = amount::need(text.trim(), amount::currency(code, line)?, Mark::Comma, line)?;
    Ok(if negative { m.negated() } else { m })
}

/// `2601020102C100,00NTRFREF//BANKREF` and an optional second line.
fn entry(value: &str, account: &str, currency: Currency, line: u64) -> ImportResult<(Bank, String)> {
    let bad = |what: &str| Refusal::malformed(line, format!("an entry (:61:) has no {what}"));
    let first = value.lines().next().unwrap_or_default();
    let day = first.get(..6).ok_or_else(|| bad("value date"))?;
    let value_date = time::date(&format!("20{day}"), DayOrder::DayFirst).ok_or_else(|| bad("value date"))?;
    let mut rest = first.get(6..).unwrap_or_default();
    let mut date = value_date;
    if let Some(mmdd) = rest.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_digit())) {
        // The booking date has no year: it is the one nearest to the value date.
        let near = |year: i16| time::date(&format!("{year:04}{mmdd}"), DayOrder::DayFirst);
        let distance = |d: &jiff::civil::Date| value_date.until(*d).map_or(i32::MAX, |s| s.get_days().abs());
        date = [value_date.year() - 1, value_date.year(), value_date.year() + 1]
            .into_iter()
            .filter_map(near)
            .min_by_key(distance)
            .unwrap_or(value_date);
        rest = rest.get(4..).unwrap_or_default();
    }
    // RC takes a credit back, RD a debit.
    let (negative, after) = if let Some(r) = rest.strip_prefix("RC") {
        (true, r)
    } else if let Some(r) = rest.strip_prefix("RD") {
        (false, r)
    } else if let Some(r) = rest.strip_prefix('C') {
        (false, r)
    } else if let Some(r) = rest.strip_prefix('D') {
        (true, r)
    } else {
        return Err(bad("debit or credit mark"));
    };
    let after = after.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(after);
    let end = after.find(|c: char| !(c.is_ascii_digit() || c == ',')).unwrap_or(after.len());
    let (digits, tail) = after.split_at(end);
    let m = amount::need(digits, currency, Mark::Comma, line)?;
    let reference = tail.get(4..).unwrap_or_default().trim();
    let supplement = value.lines().nth(1).unwrap_or_default().trim();
    let text =
        [reference, supplement].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(" ");
    Ok((
        Bank {
            id: String::new(),
            account: account.to_owned(),
            date,
            amount: if negative { m.negated() } else { m },
            text: Some(text).filter(|t| !t.is_empty()),
        },
        reference.split_once("//").map_or("", |(_, bank)| bank).to_owned(),
    ))
}
