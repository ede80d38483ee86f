//! Shopify Payments: balance transactions and payouts, from REST or GraphQL answers.
//!
//! Facts: shopify-payments §2–§4. Amounts are decimal strings in both; `net = amount − fee`. A payout foots with
//! its balance transactions when the file has them, never with its summary, which lacks duties.

use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;
use tradewind_domain::Money;

use super::Sidecar;
use super::amount;
use super::error::{ImportResult, Refusal};
use super::json::{self, Wanted};
use super::number::Mark;
use super::row::{Document, Out, Tx};
use super::time::{self, DayOrder};

#[derive(Deserialize)]
struct Rest<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    test: bool,
    #[serde(borrow, default)]
    payout_id: Option<&'a RawValue>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(borrow)]
    amount: &'a RawValue,
    #[serde(borrow, default)]
    fee: Option<&'a RawValue>,
    #[serde(borrow, default)]
    net: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source_order_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source_order_transaction_id: Option<&'a RawValue>,
    #[serde(default)]
    processed_at: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    id: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    test: bool,
    #[serde(borrow, default)]
    amount: Option<MoneyV2<'a>>,
    #[serde(borrow, default)]
    fee: Option<MoneyV2<'a>>,
    #[serde(borrow)]
    net: MoneyV2<'a>,
    #[serde(borrow, default)]
    source_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source_order_transaction_id: Option<&'a RawValue>,
    #[serde(default)]
    associated_order: Option<Named>,
    #[serde(default)]
    associated_payout: Option<Named>,
    #[serde(default)]
    transaction_date: Option<String>,
    #[serde(default)]
    issued_at: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    transaction_type: Option<String>,
    #[serde(default)]
    external_trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoneyV2<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    currency_code: String,
}

impl MoneyV2<'_> {
    fn money(&self) -> ImportResult<Money> {
        let currency = amount::currency(&self.currency_code, 0)?;
        amount::need(json::number_text(self.amount), currency, Mark::Dot, 0)
    }
}

#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
}

/// `gid://shopify/ShopifyPaymentsPayout/123` and `123` are one id.
fn bare(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

fn raw_id(raw: Option<&RawValue>) -> Option<String> {
    raw.map(json::number_text).filter(|t| !t.is_empty() && *t != "null").map(bare)
}

/// Reads REST (`transactions`, `payouts`) and GraphQL (`nodes`) answers, mixed as they come.
pub(super) fn answers<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut document = Document::default();
    let wanted = Wanted {
        arrays: &["transactions", "nodes", "edges"],
        inside: &[
            "data",
            "shopifyPaymentsAccount",
            "payouts",
            "balanceTransactions",
            "payout",
            "transaction",
        ],
    };
    json::walk(source, &wanted, &mut |_, raw| item(raw, sidecar, &mut document))?;
    foot(&document)?;
    Ok(document)
}

fn item(raw: &RawValue, sidecar: &Sidecar, document: &mut Document) -> ImportResult<()> {
    #[derive(Deserialize)]
    struct Edge<'a> {
        #[serde(borrow)]
        node: &'a RawValue,
    }
    if let Ok(edge) = serde_json::from_str::<Edge<'_>>(raw.get()) {
        return item(edge.node, sidecar, document);
    }
    if let Ok(node) = serde_json::from_str::<Node<'_>>(raw.get()) {
        return graph(&node, sidecar, document);
    }
    let r: Rest<'_> = json::item(raw)?;
    if r.test {
        return Ok(());
    }
    let code = r.currency.as_deref().or(sidecar.currency.as_deref());
    let currency = amount::currency(code.unwrap_or_default(), 0)?;
    let read = |raw: &RawValue| amount::need(json::number_text(raw), currency, Mark::Dot, 0);
    let id = bare(json::number_text(r.id));
    let gross = read(r.amount)?;
    let Some(kind) = r.kind else {
        document.payouts.push(Out {
            id,
            amount: gross,
            status: r.status.unwrap_or_default(),
            arrival: r.date.as_deref().and_then(|d| time::date(d, DayOrder::YearFirst)),
            group: None,
            converted: None,
            trace: None,
        });
        return Ok(());
    };
    let at = r.processed_at.as_deref().unwrap_or_default();
    let occurred = time::moment(at, sidecar.zone_or("UTC"), DayOrder::YearFirst)
        .ok_or_else(|| Refusal::malformed(0, format!("{id}: processed_at is no date")))?;
    let mut tx = Tx::new(id, kind, occurred, gross);
    let fee = r.fee.map(read).transpose()?;
    finish(&mut tx, fee, r.net.map(read).transpose()?)?;
    tx.payout = raw_id(r.payout_id);
    tx.source = raw_id(r.source_order_transaction_id).or(raw_id(r.source_id));
    tx.order = raw_id(r.source_order_id);
    document.transactions.push(tx);
    Ok(())
}

fn finish(tx: &mut Tx, fee: Option<Money>, net: Option<Money>) -> ImportResult<()> {
    let zero = Money::zero(tx.amount.currency());
    let expected = amount::add(tx.amount, fee.unwrap_or(zero).negated(), 0)?;
    if net.is_some_and(|n| n != expected) {
        return Err(Refusal::malformed(0, format!("{}: net is not amount less fee", tx.id)));
    }
    tx.fee = fee;
    tx.net = Some(expected);
    Ok(())
}

fn graph(n: &Node<'_>, sidecar: &Sidecar, document: &mut Document) -> ImportResult<()> {
    if n.test {
        return Ok(());
    }
    let net = n.net.money()?;
    let (Some(kind), Some(gross)) = (&n.kind, &n.amount) else {
        // A payout: a withdrawal debits the merchant's bank and comes with the opposite sign.
        let withdrawal = n.transaction_type.as_deref() == Some("WITHDRAWAL");
        document.payouts.push(Out {
            id: bare(&n.id),
            amount: if withdrawal && net.is_positive() { net.negated() } else { net },
            status: n.status.clone().unwrap_or_default(),
            arrival: n
                .issued_at
                .as_deref()
                .and_then(|d| time::moment(d, sidecar.zone_or("UTC"), DayOrder::YearFirst))
                .map(|m| m.day()),
            group: None,
            converted: None,
            trace: n.external_trace_id.clone(),
        });
        return Ok(());
    };
    let at = n.transaction_date.as_deref().unwrap_or_default();
    let occurred = time::moment(at, sidecar.zone_or("UTC"), DayOrder::YearFirst)
        .ok_or_else(|| Refusal::malformed(0, format!("{}: transactionDate is no date", n.id)))?;
    let mut tx = Tx::new(bare(&n.id), kind.clone(), occurred, gross.money()?);
    let fee = n.fee.as_ref().map(MoneyV2::money).transpose()?;
    finish(&mut tx, fee, Some(net))?;
    tx.payout = n.associated_payout.as_ref().and_then(|p| p.id.as_deref()).map(bare);
    tx.source = raw_id(n.source_order_transaction_id).or(raw_id(n.source_id));
    tx.order = n.associated_order.as_ref().and_then(|o| o.id.as_deref().map(bare).or_else(|| o.name.clone()));
    document.transactions.push(tx);
    Ok(())
}

/// The payout row itself (negative, types `payout` and `TRANSFER`) is outside the sum.
fn foot(document: &Document) -> ImportResult<()> {
    for p in &document.payouts {
        let mut members = document
            .transactions
            .iter()
            .filter(|t| t.payout.as_deref() == Some(p.id.as_str()) && !is_payout(&t.kind))
            .peekable();
        if members.peek().is_none() {
            continue;
        }
        let sum = members
            .filter_map(|t| t.net)
            .try_fold(Money::zero(p.amount.currency()), |s, n| amount::add(s, n, 0))?;
        amount::foot(
            &format!("payout {}", p.id),
            sum,
            p.amount,
            "pages of balance transactions are missing",
        )?;
    }
    Ok(())
}

fn is_payout(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("payout") || kind.eq_ignore_ascii_case("transfer")
}
