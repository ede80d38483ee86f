//! A bank's CSV: what its columns are, which decimal mark and order of days it has, and whether its balance follows from its amounts.

use std::collections::BTreeMap;
use std::io::Read;

use tradewind_domain::{Currency, Money};

use super::Ids;
use crate::import::error::{ImportResult, Refusal, RefusalKind};
use crate::import::number::{self, Mark};
use crate::import::row::{Bank, Document};
use crate::import::table::{Header, Table};
use crate::import::time::{self, DayOrder};
use crate::import::{Sidecar, TextReader, amount};

struct Columns {
    date: usize,
    amount: Option<usize>,
    debit: Option<usize>,
    credit: Option<usize>,
    currency: Option<usize>,
    account: Option<usize>,
    balance: Option<usize>,
    id: Option<usize>,
    text: Vec<usize>,
    /// S or H, DR or CR: the sign of an amount that has none.
    side: Option<usize>,
    /// Booked or not.
    status: Option<usize>,
    fee: Option<usize>,
}

impl Columns {
    fn find(h: &Header, sidecar: &Sidecar) -> Option<Columns> {
        let named = |ours: &str, titles: &[&str]| -> Option<usize> {
            match sidecar.columns.get(ours) {
                Some(title) => h.find(title),
                None => h.any(titles),
            }
        };
        let date = named(
            "date",
            &[
                "date",
                "booking date",
                "value date",
                "transaction date",
                "buchungstag",
                "posted",
                "记账日期",
                "交易日期",
            ],
        )?;
        let amount = named("amount", &["amount", "betrag", "transaction amount", "金额", "交易金额"]);
        let debit = named("debit", &["debit", "withdrawal", "paid out", "money out", "soll", "借方金额"]);
        let credit = named("credit", &["credit", "deposit", "paid in", "money in", "haben", "贷方金额"]);
        if amount.is_none() && (debit.is_none() || credit.is_none()) {
            return None;
        }
        let text = [
            "text",
            "description",
            "details",
            "reference",
            "remittance",
            "remittance information",
            "payee",
            "payer",
            "counterparty",
            "verwendungszweck",
            "memo",
            "摘要",
            "附言",
        ]
        .iter()
        .filter_map(|t| h.find(t))
        .collect();
        Some(Columns {
            date,
            amount,
            debit,
            credit,
            currency: named("currency", &["currency", "ccy", "währung", "waehrung", "币种"]),
            account: named("account", &["account", "account number", "iban", "账号"]),
            balance: named("balance", &["balance", "running balance", "saldo", "余额"]),
            id: named("id", &["id", "transaction id", "bank reference"]),
            side: named(
                "side",
                &[
                    "soll/haben",
                    "s/h",
                    "dr/cr",
                    "cr/dr",
                    "debit/credit",
                    "credit/debit",
                    "credit debit indicator",
                    "d/c",
                    "c/d",
                    "sign",
                    "type",
                    "transaction type",
                    "借贷标志",
                    "借贷",
                    "收/支",
                    "收支",
                ],
            ),
            status: named("status", &["status", "state", "transaction status", "交易状态"]),
            fee: named("fee", &["fee", "fees", "charge", "charges", "gebühr", "手续费"]),
            text: sidecar.columns.get("text").map_or(text, |t| h.find(t).into_iter().collect()),
        })
    }
}

/// Whether a word says that money came; `None`: it says nothing of it.
fn came(word: &str) -> Option<bool> {
    match word.to_lowercase().trim_end_matches('.') {
        "c" | "cr" | "credit" | "h" | "haben" | "+" | "in" | "贷" | "收" | "收入" => Some(true),
        "d" | "dr" | "db" | "debit" | "s" | "soll" | "-" | "out" | "借" | "支" | "支出" => Some(false),
        _ => None,
    }
}

/// Whether a word says that the line is booked; `None`: nobody knows the word.
fn booked(word: &str) -> Option<bool> {
    match word.to_lowercase().as_str() {
        "" | "completed" | "complete" | "booked" | "posted" | "settled" | "cleared" | "executed"
        | "success" | "successful" | "done" | "gebucht" | "成功" | "交易成功" => Some(true),
        "pending" | "reverted" | "declined" | "failed" | "cancelled" | "canceled" | "rejected"
        | "authorised" | "authorized" | "vorgemerkt" | "失败" | "处理中" => Some(false),
        _ => None,
    }
}

struct Pending {
    line: u64,
    side: String,
    /// It names a fee.
    fee: bool,
    /// Signed as it stands, in front or behind or in brackets.
    signed: bool,
    date: String,
    amount: String,
    negate: bool,
    currency: Currency,
    account: String,
    balance: String,
    id: String,
    text: String,
}

/// Reads a bank's CSV.
pub(in crate::import) fn csv<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut text = TextReader::new(source, sidecar.encoding_or(encoding_rs::WINDOWS_1252));
    let mut head = vec![0_u8; 8192];
    let n = fill(&mut text, &mut head)?;
    head.truncate(n);
    let delimiter = sidecar.delimiter.unwrap_or_else(|| sniff(&head));
    let mut table = Table::new(std::io::Cursor::new(head).chain(text), delimiter, true);
    let mut columns = None;
    let mut doubled = None;
    // Banks print an address block above the titles.
    for _ in 0..40 {
        let Some(row) = table.next()? else { break };
        columns = Columns::find(&Header::new(row.cells()), sidecar);
        if let Some(c) = &columns {
            let used = [Some(c.date), c.amount, c.debit, c.credit, c.currency, c.balance, c.side];
            let title = |at: usize| row.at(at).to_lowercase();
            doubled = used
                .into_iter()
                .flatten()
                .find(|at| row.cells().filter(|t| t.to_lowercase() == title(*at)).count() > 1)
                .map(|at| row.at(at).to_owned());
            break;
        }
    }
    if let Some(title) = doubled {
        return Err(Refusal::malformed(
            0,
            format!("two columns are called '{title}': rename the one that does not count"),
        ));
    }
    let Some(c) = columns else {
        return Err(Refusal::unsupported(
            "no title row with a date and an amount: name the columns in the sidecar ([columns] date = \"…\", amount = \"…\")",
        ));
    };
    let mut rows: Vec<Pending> = Vec::new();
    while let Some(row) = table.next()? {
        if row.is_blank() {
            continue;
        }
        let code = row.some(c.currency).or(sidecar.currency.as_deref()).ok_or_else(|| {
            Refusal::malformed(row.line, "the file names no currency: say currency = \"EUR\" in the sidecar")
        })?;
        match booked(row.opt(c.status)) {
            Some(true) => {}
            // As in camt.053: what is not booked is no line yet, or never becomes one.
            Some(false) => continue,
            None => {
                return Err(Refusal::malformed(
                    row.line,
                    format!(
                        "the state '{}' is unknown: is the line booked? Take every row with [columns] status = \"none\" in the sidecar",
                        amount::shorten(row.opt(c.status))
                    ),
                ));
            }
        }
        if let (Some(debit), Some(credit)) = (row.some(c.debit), row.some(c.credit))
            && row.some(c.amount).is_none()
            && !is_zero(debit)
            && !is_zero(credit)
        {
            return Err(Refusal::malformed(
                row.line,
                format!("the row has a debit of {debit} and a credit of {credit}"),
            ));
        }
        let (amount_text, negate) = match (row.some(c.amount), row.some(c.debit), row.some(c.credit)) {
            (Some(a), ..) => (a, false),
            (None, _, Some(credit)) if !is_zero(credit) => (credit, false),
            (None, Some(debit), _) => (debit, !debit.starts_with('-')),
            (None, None, Some(credit)) => (credit, false),
            (None, None, None) => return Err(Refusal::malformed(row.line, "the row has no amount")),
        };
        let has = |mark: &[char]| amount_text.contains(mark);
        rows.push(Pending {
            line: row.line,
            side: if row.some(c.amount).is_some() { row.opt(c.side).to_owned() } else { String::new() },
            fee: !is_zero(row.opt(c.fee)),
            signed: has(&['-', '\u{2212}', '(']),
            date: row.at(c.date).to_owned(),
            amount: amount_text.to_owned(),
            negate,
            currency: amount::currency(code, row.line)?,
            account: row.opt(c.account).to_owned(),
            balance: row.opt(c.balance).to_owned(),
            id: row.opt(c.id).to_owned(),
            text: c.text.iter().map(|i| row.at(*i)).filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" "),
        });
    }
    sides(&mut rows)?;
    finish_csv(rows, sidecar)
}

/// Amounts without signs get them from the column of sides, which must then have one in every row.
fn sides(rows: &mut [Pending]) -> ImportResult<()> {
    let told = rows.iter().filter(|r| came(&r.side).is_some()).count();
    if told == 0 {
        return Ok(());
    }
    if let Some(r) = rows.iter().find(|r| came(&r.side).is_none()) {
        // The amounts have signs, and the words are kinds of payment.
        if rows.iter().any(|r| r.signed) {
            return Ok(());
        }
        return Err(Refusal::malformed(
            r.line,
            format!(
                "the side '{}' is neither debit nor credit, as it is in other rows: say side = \"none\" in [columns] of the sidecar if the column is none",
                amount::shorten(&r.side)
            ),
        ));
    }
    if rows.iter().any(|r| r.signed) {
        // The amounts say it themselves; a side that contradicts one is somebody's mistake.
        let odd = rows.iter().find(|r| came(&r.side) == Some(r.signed) && !is_zero(&r.amount));
        return odd.map_or(Ok(()), |r| {
            Err(Refusal::malformed(
                r.line,
                format!("the side '{}' contradicts the sign of {}", r.side, r.amount),
            ))
        });
    }
    for r in rows {
        r.negate = came(&r.side) == Some(false);
    }
    Ok(())
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0' | b'.' | b','))
}

fn fill<R: Read>(source: &mut R, buf: &mut [u8]) -> ImportResult<usize> {
    let mut n = 0;
    while let Some(rest) = buf.get_mut(n..).filter(|r| !r.is_empty()) {
        match source.read(rest)? {
            0 => break,
            k => n += k,
        }
    }
    Ok(n)
}

fn sniff(head: &[u8]) -> u8 {
    let count = |d: u8| head.iter().filter(|b| **b == d).count();
    let (comma, semicolon, tab) = (count(b','), count(b';'), count(b'\t'));
    if semicolon > 0 && semicolon * 2 >= comma {
        b';'
    } else if tab > comma {
        b'\t'
    } else {
        b','
    }
}

type Read1 = Vec<(Money, Option<Money>)>;

fn read_all(rows: &[Pending], mark: Mark) -> Option<Read1> {
    rows.iter()
        .map(|r| {
            let m = Money::from_decimal(number::parse(&r.amount, mark)?, r.currency).ok()?;
            let balance = if r.balance.is_empty() {
                None
            } else {
                Some(Money::from_decimal(number::parse(&r.balance, mark)?, r.currency).ok()?)
            };
            Some((if r.negate { m.negated() } else { m }, balance))
        })
        .collect()
}

/// The running balance of every account and currency follows, top-down or bottom-up; `None` when there is none to check.
fn chain(rows: &[Pending], values: &Read1) -> Option<bool> {
    let mut by: BTreeMap<(&str, Currency), Read1> = BTreeMap::new();
    for (r, v) in rows.iter().zip(values) {
        by.entry((&r.account, r.currency)).or_default().push(*v);
    }
    let told: Vec<bool> = by.values().filter_map(|v| one_chain(v)).collect();
    (!told.is_empty()).then(|| told.into_iter().all(|ok| ok))
}

fn one_chain(values: &[(Money, Option<Money>)]) -> Option<bool> {
    let pairs: Option<Vec<(Money, Money)>> = values.iter().map(|(m, b)| Some((*m, (*b)?))).collect();
    let pairs = pairs.filter(|p| p.len() > 1)?;
    let down = pairs.windows(2).all(|w| w[0].1.try_add(w[1].0) == Ok(w[1].1));
    let up = pairs.windows(2).all(|w| w[1].1.try_add(w[0].0) == Ok(w[0].1));
    Some(down || up)
}

fn day_of(text: &str) -> &str {
    text.split([' ', 'T']).next().unwrap_or_default()
}

/// Whether day or month comes first in `03/04/2026`: the one order in which every date of the file is one. Where both are and they
/// differ, neither is taken: a line would be booked months away.
fn day_order(rows: &[Pending]) -> ImportResult<DayOrder> {
    let all = |order: DayOrder| -> Option<Vec<jiff::civil::Date>> {
        rows.iter().map(|r| time::date(day_of(&r.date), order)).collect()
    };
    match (all(DayOrder::DayFirst), all(DayOrder::MonthFirst)) {
        (Some(a), Some(b)) if a != b => Err(Refusal::malformed(
            0,
            "the dates read both with the day first and with the month first: say dates = \"day-first\" or \"month-first\" in the sidecar",
        )),
        (None, Some(_)) => Ok(DayOrder::MonthFirst),
        _ => Ok(DayOrder::DayFirst),
    }
}

fn finish_csv(rows: Vec<Pending>, sidecar: &Sidecar) -> ImportResult<Document> {
    let (dot, comma) = (read_all(&rows, Mark::Dot), read_all(&rows, Mark::Comma));
    let values = match (sidecar.decimal_mark, dot, comma) {
        (Some(Mark::Dot), Some(v), _) | (Some(Mark::Comma), _, Some(v)) => v,
        (None, Some(v), None) | (None, None, Some(v)) => v,
        (None, Some(a), Some(b)) if a == b => a,
        (None, Some(a), Some(b)) => match (chain(&rows, &a), chain(&rows, &b)) {
            (Some(true), Some(false)) => a,
            (Some(false), Some(true)) => b,
            _ => {
                return Err(Refusal::malformed(
                    0,
                    "the amounts read both with a decimal point and with a decimal comma: say decimal = \".\" or \",\" in the sidecar",
                ));
            }
        },
        _ => {
            let bad = rows.iter().find(|r| {
                number::parse(&r.amount, Mark::Dot).is_none()
                    && number::parse(&r.amount, Mark::Comma).is_none()
            });
            return Err(Refusal::malformed(
                bad.map_or(0, |r| r.line),
                "the amounts cannot all be read with one decimal mark: the file was edited or mixes formats",
            ));
        }
    };
    if let Some(r) = rows.iter().find(|r| r.fee).filter(|_| chain(&rows, &values).is_none()) {
        return Err(Refusal::malformed(
            r.line,
            "the row has a fee, and only a balance shows whether it is part of the amount: export the file with its balance, or say fee = \"none\" in [columns] of the sidecar if it is",
        ));
    }
    if chain(&rows, &values) == Some(false) {
        return Err(Refusal::new(
            RefusalKind::NotFooting,
            0,
            "the running balance does not follow from the amounts; likeliest cause: rows are missing or were re-sorted",
        ));
    }
    let order = sidecar.day_order.map_or_else(|| day_order(&rows), Ok)?;
    let mut ids = Ids::new();
    let mut document = Document::default();
    for (row, (amount_, _)) in rows.into_iter().zip(values) {
        let date = time::date(day_of(&row.date), order).ok_or_else(|| {
            Refusal::malformed(row.line, format!("'{}' is not a date", amount::shorten(&row.date)))
        })?;
        let account = sidecar.account.clone().unwrap_or(row.account);
        let id = if row.id.is_empty() {
            ids.of(&account, &date.to_string(), amount_, &row.text)
        } else {
            amount::id(&row.id, row.line)?.to_owned()
        };
        document.bank.push(Bank {
            id,
            account,
            date,
            amount: amount_,
            text: Some(row.text).filter(|t| !t.is_empty()),
        });
    }
    Ok(document)
}
