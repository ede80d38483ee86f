//! Facts from the importers' documents.

use std::sync::Arc;

use tradewind_domain::Money;

use super::{BankLine, CarrierInvoice, Facts, Origin, Payout, Refused, RowError, Statement, Transaction};
use crate::import::{Import, RefusalKind};

/// Takes over everything that an import read, and what it refused.
#[must_use]
pub fn from_import(import: &Import) -> Facts {
    let mut facts = Facts::default();
    for (arrival, file) in (0_u32..).zip(&import.files) {
        let name: Arc<str> = file.path.to_string_lossy().into_owned().into();
        let origin = |row: usize| Origin { arrival, file: name.clone(), row: row as u64 + 1 };
        let d = &file.document;
        let mut count = |kind: &'static str, n: usize| {
            if n > 0 {
                *facts.given.entry(kind).or_insert(0) += n;
            }
        };
        count("transactions", d.transactions.len());
        count("statements", d.statements.len());
        count("payouts", d.payouts.len());
        count("bank", d.bank.len());
        count("carrier_invoices", d.carrier.len());
        for (i, t) in d.transactions.iter().enumerate() {
            let net_currency =
                t.net.map_or_else(|| t.fee.map_or(t.amount.currency(), Money::currency), Money::currency);
            facts.transactions.push(Transaction {
                id: t.id.clone(),
                provider: file.provider,
                account: file.account.clone(),
                kind: t.kind.clone(),
                event_code: t.event_code.clone(),
                source: t.source.clone(),
                occurred: t.occurred.clone(),
                amount: t.amount,
                fee: t.fee,
                net: t.net,
                order: t.order.clone(),
                refers_to: t.refers_to.clone(),
                payout: t.payout.clone(),
                statement: t.statement.clone(),
                rate: t.rate,
                net_currency,
                affects: t.affects,
                informs: t.informs,
                components: t.components.clone(),
                origin: origin(i),
            });
        }
        for (i, s) in d.statements.iter().enumerate() {
            facts.statements.push(Statement {
                id: s.id.clone(),
                provider: file.provider,
                account: file.account.clone(),
                currency: s.total.currency(),
                from: s.from.clone(),
                to: s.to.clone(),
                opening: s.opening,
                closing: s.closing,
                total: Some(s.total),
                deposit: s.deposit_date,
                converted: s.converted_total,
                trace: s.trace_id.clone(),
                transfer_status: s.transfer_status.clone(),
                origin: origin(i),
            });
        }
        for (i, p) in d.payouts.iter().enumerate() {
            facts.payouts.push(Payout {
                id: p.id.clone(),
                provider: file.provider,
                account: file.account.clone(),
                amount: p.amount,
                status: p.status.clone(),
                arrival: p.arrival,
                group: p.group.clone(),
                converted: p.converted,
                trace: p.trace.clone(),
                origin: origin(i),
            });
        }
        for (i, b) in d.bank.iter().enumerate() {
            facts.bank.push(BankLine {
                id: b.id.clone(),
                // A bank's CSV may name no account.
                account: if b.account.is_empty() { file.account.clone() } else { b.account.clone() },
                date: b.date,
                amount: b.amount,
                text: b.text.clone(),
                origin: origin(i),
            });
        }
        for (i, c) in d.carrier.iter().enumerate() {
            facts.carrier.push(CarrierInvoice {
                id: c.id.clone(),
                account: file.account.clone(),
                tracking: c.tracking.clone(),
                duty: c.duty,
                vat: c.vat,
                fee: c.fee,
                total: c.total,
                origin: origin(i),
            });
        }
    }
    for r in &import.refused {
        let file = r.path.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        if r.kind == RefusalKind::NotFooting {
            let file = file.clone();
            let difference = r
                .footing
                .as_deref()
                .and_then(|f| f.currency.and_then(|c| Money::parse(&f.difference, c).ok()));
            facts.refused.push(Refused {
                file,
                code: r.kind.code().to_owned(),
                difference,
                message: r.message.clone(),
            });
        }
        // Its difference is explained; that none of its rows is in the books must be seen too.
        facts.errors.push(RowError {
            file,
            row: r.line,
            message: format!("{}: {}", r.kind.code(), r.message),
        });
    }
    facts
}
