//! Books straight from documents: each row posted as its statement says, before any matching.
//!
//! Useful by itself (a month's settlements as journals), and the base on which the matcher's links are added. Per row: clearing takes
//! the net, the parts go to the accounts of their classes, and what no table maps goes to suspense with `UNMAPPED_CODE`. A row
//! whose gross is in another currency than its net crosses through `equity:conversion` at the provider's own amounts.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tradewind_domain::{Currency, Decimal, Money, Rounding};

use super::{Books, Entry, Exception, ExportError, FxRate, Line, Posting, Settlement, Summary};
use crate::import::{Class, CodeTable, Import, ImportedFile, Provider, Refusal, Tx};

struct Part {
    code: String,
    class: Option<Class>,
    amount: Money,
}

fn account_of(class: Class, provider: &str, account: &str, currency: Currency) -> String {
    match class {
        Class::Sale => format!("income:sales:{provider}"),
        Class::Shipping => format!("income:shipping:{provider}"),
        Class::Promotion => format!("contra:promotions:{provider}"),
        Class::TaxSeller => format!("liabilities:tax:seller:{provider}"),
        Class::TaxFacilitator => format!("liabilities:facilitator-tax:{provider}"),
        Class::Refund => format!("contra:refunds:{provider}"),
        Class::Dispute => format!("assets:disputed:{provider}"),
        Class::Reimbursement => format!("income:reimbursement:{provider}"),
        Class::Reserve => format!("assets:reserve:{provider}:{account}:{currency}"),
        Class::Payout => format!("assets:in-transit:{provider}:{account}:{currency}"),
        Class::Conversion => "equity:conversion".to_owned(),
        Class::Transfer | Class::None => format!("assets:transfer:{provider}:{account}:{currency}"),
        Class::Loan => format!("liabilities:loans:{provider}"),
        Class::Duty => "assets:duty-clearing".to_owned(),
        Class::ImportVat => "expenses:import-vat".to_owned(),
        Class::Withholding => format!("assets:tax-withheld:{provider}"),
        fee => format!("expenses:fees:{}:{provider}", fee.name().trim_start_matches("fee.")),
    }
}

/// The parts of a row's net, in the net's currency: they sum to it.
fn parts(tx: &Tx, table: &CodeTable) -> Result<Vec<Part>, ExportError> {
    let bad = |e: tradewind_domain::MoneyError| ExportError::Amount(e.to_string());
    let net = tx.net.unwrap_or(tx.amount);
    let part = |code: &str, amount: Money| Part {
        code: code.to_owned(),
        class: table.class(&tx.kind, code),
        amount,
    };
    let Some(fee) = tx.fee else {
        if tx.components.is_empty() {
            return Ok(vec![part(&tx.kind, net)]);
        }
        let mut out: Vec<Part> = tx.components.iter().map(|(c, m)| part(c, *m)).collect();
        let sum = Money::try_sum(net.currency(), out.iter().map(|p| p.amount)).map_err(bad)?;
        let rest = net.try_sub(sum).map_err(bad)?;
        if !rest.is_zero() {
            out.push(part(&tx.kind, rest));
        }
        return Ok(out);
    };
    // Gross in the net's currency is what the net and the fee leave; the provider's own conversion.
    let gross = net.try_add(fee).map_err(bad)?;
    let mut out = vec![part(&tx.kind, gross)];
    let mut named = Money::zero(net.currency());
    for (code, m) in tx.components.iter().filter(|(_, m)| m.currency() == net.currency()) {
        named = named.try_add(*m).map_err(bad)?;
        out.push(part(code, *m));
    }
    let rest = fee.negated().try_sub(named).map_err(bad)?;
    if !rest.is_zero() {
        out.push(part("FEE", rest));
    }
    out.retain(|p| !p.amount.is_zero());
    Ok(out)
}

impl Books {
    /// Posts the rows of an import up to a day.
    ///
    /// # Errors
    /// An amount is out of range.
    pub fn from_import(import: &Import, title: &str, as_of: Date) -> Result<Books, ExportError> {
        let mut books = Books::new(title, as_of);
        let mut sums: BTreeMap<(String, String, Currency), Summary> = BTreeMap::new();
        // Arrival is the order of the file names; the first version of a row or statement stays.
        let mut files: Vec<&ImportedFile> = import.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut seen = Seen::default();
        for file in files {
            post_file(file, &mut seen, &mut books, &mut sums)?;
        }
        for r in &import.refused {
            books.exceptions.push(refusal(r, as_of));
        }
        books.summary = sums.into_values().collect();
        books.sort();
        books.check()?;
        Ok(books)
    }
}

fn refusal(r: &Refusal, as_of: Date) -> Exception {
    let footing = r.footing.as_deref();
    let currency = footing.and_then(|f| f.currency).unwrap_or(Currency::EUR);
    let amount =
        footing.and_then(|f| Money::parse(&f.difference, currency).ok()).unwrap_or(Money::zero(currency));
    Exception {
        reason: r.kind.code().to_owned(),
        amount,
        records: r.path.iter().map(|p| p.display().to_string()).collect(),
        explanation: r.message.clone(),
        date: as_of,
    }
}

/// What has been posted, by provider, account and id, with the money it moved.
#[derive(Default)]
struct Seen(BTreeMap<(Provider, String, String), Money>);

impl Seen {
    /// The record is seen for the first time. The same again has no effect; the same id with other money is a conflict, and the first version stays.
    fn first(&mut self, file: &ImportedFile, id: &str, money: Money, date: Date, books: &mut Books) -> bool {
        let key = (file.provider, file.account.clone(), id.to_owned());
        match self.0.get(&key) {
            None => {
                self.0.insert(key, money);
                true
            }
            Some(had) => {
                if *had != money {
                    books.exceptions.push(Exception {
                        reason: "CONFLICT".to_owned(),
                        amount: money,
                        records: vec![id.to_owned()],
                        explanation: format!(
                            "{} says {money} where an earlier document says {had}: the first version is kept",
                            file.path.display()
                        ),
                        date,
                    });
                }
                false
            }
        }
    }
}

type Sums = BTreeMap<(String, String, Currency), Summary>;

fn post_file(
    file: &ImportedFile,
    seen: &mut Seen,
    books: &mut Books,
    sums: &mut Sums,
) -> Result<(), ExportError> {
    let provider = file.provider.name();
    let bad = |e: tradewind_domain::MoneyError| ExportError::Amount(e.to_string());
    let mut statement_sums: BTreeMap<&str, Money> = BTreeMap::new();
    let table = CodeTable::builtin(file.provider);
    for tx in &file.document.transactions {
        let net = tx.net.unwrap_or(tx.amount);
        if let Some(s) = &tx.statement {
            let slot = statement_sums.entry(s.as_str()).or_insert(Money::zero(net.currency()));
            *slot = slot.try_add(net).map_err(bad)?;
        }
        let day = tx.occurred.day();
        if let Some(table) = table.as_ref().filter(|_| tx.affects && day <= books.as_of)
            && seen.first(file, &tx.id, net, day, books)
        {
            post(file, tx, table, books, sums)?;
        }
    }
    transfers(file, table.is_some(), seen, books, sums)?;
    for s in &file.document.statements {
        if !seen.first(file, &format!("statement {}", s.id), s.total, books.as_of, books) {
            continue;
        }
        let sum = statement_sums.get(s.id.as_str()).copied().unwrap_or(Money::zero(s.total.currency()));
        if let (Some(converted), false) = (s.converted_total, s.total.is_zero())
            && let Some(rate) = converted.decimal().checked_div(s.total.decimal())
        {
            books.fx.push(FxRate {
                date: s.deposit_date.unwrap_or(books.as_of),
                base: s.total.currency(),
                quote: converted.currency(),
                rate: Rounding::HalfUp.to_step(rate, Decimal::new(1, 12)),
                source: format!("{provider} settlement {} (implied by what arrived)", s.id),
            });
        }
        if let Some(opening) = s.opening {
            let row = sums
                .entry((provider.to_owned(), file.account.clone(), s.total.currency()))
                .or_insert_with(|| Summary::new(provider, &file.account, s.total.currency()));
            if row.opening.is_zero() {
                row.opening = opening;
                row.closing = row.closing.try_add(opening).map_err(bad)?;
            }
        }
        books.settlements.push(Settlement {
            id: s.id.clone(),
            channel: provider.to_owned(),
            account: file.account.clone(),
            from: s.from.as_ref().map(crate::import::Moment::day),
            to: s.to.as_ref().map(crate::import::Moment::day),
            deposit: s.deposit_date,
            total: s.total,
            sum,
            converted: s.converted_total,
            state: if sum == s.total { "foots".to_owned() } else { "not footing".to_owned() },
        });
    }
    Ok(())
}

/// Money sent to the bank that no balance row shows: an Amazon settlement's total, a payout listed by itself.
fn transfers(
    file: &ImportedFile,
    has_rows: bool,
    seen: &mut Seen,
    books: &mut Books,
    sums: &mut Sums,
) -> Result<(), ExportError> {
    if !has_rows {
        return Ok(());
    }
    let provider = file.provider.name();
    let account = &file.account;
    let bad = |e: tradewind_domain::MoneyError| ExportError::Amount(e.to_string());
    let mut sent: Vec<(String, Date, Money)> = Vec::new();
    if file.provider == Provider::Amazon {
        sent.extend(file.document.statements.iter().map(|s| {
            let day = s.deposit_date.or(s.to.as_ref().map(crate::import::Moment::day)).unwrap_or(books.as_of);
            (s.id.clone(), day, s.total)
        }));
    }
    for p in &file.document.payouts {
        let failed = ["fail", "cancel", "revers"].iter().any(|w| p.status.to_ascii_lowercase().contains(w));
        let own = file.document.transactions.iter().any(|t| {
            t.payout.as_deref() == Some(p.id.as_str()) && t.net.unwrap_or(t.amount) == p.amount.negated()
        });
        if !failed && !own && file.provider != Provider::Amazon {
            sent.push((p.id.clone(), p.arrival.unwrap_or(books.as_of), p.amount));
        }
    }
    let as_of = books.as_of;
    for (id, date, amount) in sent.into_iter().filter(|(_, d, m)| !m.is_zero() && *d <= as_of) {
        if !seen.first(file, &format!("transfer {id}"), amount, date, books) {
            continue;
        }
        let c = amount.currency();
        let row = sums
            .entry((provider.to_owned(), account.clone(), c))
            .or_insert_with(|| Summary::new(provider, account, c));
        row.payouts = row.payouts.try_sub(amount).map_err(bad)?;
        row.closing = row.closing.try_sub(amount).map_err(bad)?;
        books.journal.push(Entry {
            id: format!("{provider}:{account}:transfer:{id}"),
            date,
            text: format!("transfer {id}"),
            group: id.clone(),
            channel: provider.to_owned(),
            trace: vec![id],
            postings: vec![
                Posting { account: format!("assets:in-transit:{provider}:{account}:{c}"), amount },
                Posting {
                    account: format!("assets:clearing:{provider}:{account}:{c}"),
                    amount: amount.negated(),
                },
            ],
        });
    }
    Ok(())
}

fn post(
    file: &ImportedFile,
    tx: &Tx,
    table: &CodeTable,
    books: &mut Books,
    sums: &mut Sums,
) -> Result<(), ExportError> {
    let provider = file.provider.name();
    let account = &file.account;
    let net = tx.net.unwrap_or(tx.amount);
    let c = net.currency();
    let bad = |e: tradewind_domain::MoneyError| ExportError::Amount(e.to_string());
    let row = sums
        .entry((provider.to_owned(), account.clone(), c))
        .or_insert_with(|| Summary::new(provider, account, c));
    let day = tx.occurred.day();
    let group = tx
        .payout
        .clone()
        .filter(|_| file.provider != Provider::Paypal)
        .or(tx.statement.clone())
        .unwrap_or_default();
    let mut postings = Vec::new();
    if !net.is_zero() {
        postings.push(Posting { account: format!("assets:clearing:{provider}:{account}:{c}"), amount: net });
    }
    row.closing = row.closing.try_add(net).map_err(bad)?;
    for p in parts(tx, table)? {
        let name = p
            .class
            .map_or_else(|| format!("suspense:{provider}"), |class| account_of(class, provider, account, c));
        postings.push(Posting { account: name, amount: p.amount.negated() });
        let slot = match p.class {
            Some(Class::Sale | Class::Shipping | Class::Promotion) => &mut row.sales,
            Some(Class::Refund) => &mut row.refunds,
            Some(
                Class::TaxSeller
                | Class::TaxFacilitator
                | Class::Withholding
                | Class::ImportVat
                | Class::Duty,
            ) => &mut row.taxes,
            Some(Class::Reserve) => &mut row.reserve,
            Some(Class::Conversion) => &mut row.fx,
            Some(Class::Payout) => &mut row.payouts,
            Some(class) if class.is_fee() => {
                row.fees.entry(class.name().trim_start_matches("fee.").to_owned()).or_insert(Money::zero(c))
            }
            Some(_) => &mut row.other,
            None => &mut row.unexplained,
        };
        *slot = slot.try_add(p.amount).map_err(bad)?;
        if p.class.is_none() {
            books.exceptions.push(Exception {
                reason: "UNMAPPED_CODE".to_owned(),
                amount: p.amount,
                records: vec![tx.id.clone()],
                explanation: format!(
                    "{provider} code '{}' on a row of kind '{}' is in no table: posted to suspense",
                    p.code, tx.kind
                ),
                date: day,
            });
        }
        books.lines.push(Line {
            id: tx.id.clone(),
            channel: provider.to_owned(),
            account: account.clone(),
            date: day,
            kind: tx.kind.clone(),
            code: p.code,
            class: p.class.map_or_else(|| "unmapped".to_owned(), |class| class.name().to_owned()),
            order: tx.order.clone().unwrap_or_default(),
            group: group.clone(),
            amount: p.amount,
        });
    }
    if let Some(rate) = tx.rate {
        books.fx.push(FxRate {
            date: day,
            base: tx.amount.currency(),
            quote: c,
            rate,
            source: format!("{provider} {}", tx.id),
        });
    }
    if !postings.is_empty() {
        books.journal.push(Entry {
            id: format!("{provider}:{account}:{}", tx.id),
            date: day,
            text: tx.order.as_ref().map_or_else(|| tx.kind.clone(), |o| format!("{} {o}", tx.kind)),
            group,
            channel: provider.to_owned(),
            trace: vec![tx.id.clone()],
            postings,
        });
    }
    Ok(())
}
