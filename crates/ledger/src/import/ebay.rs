//! eBay Finances: transactions and payouts.
//!
//! Facts: ebay-finances §2, §4–§6. `amount.value` has no sign: `bookingEntry` is the sign. For a sale it is already net of
//! the order's fees; the gross is the fee basis. A transaction id is unique per type only.

use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;
use tradewind_domain::{Money, parse_decimal};

use super::Sidecar;
use super::amount;
use super::error::{ImportResult, Refusal};
use super::json::{self, Wanted};
use super::number::Mark;
use super::row::{Document, Out, Tx};
use super::time::{self, DayOrder};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amount<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    currency: String,
    #[serde(borrow, default)]
    converted_to_value: Option<&'a RawValue>,
    #[serde(default)]
    converted_to_currency: Option<String>,
}

impl Amount<'_> {
    fn money(&self) -> ImportResult<Money> {
        let currency = amount::currency(&self.currency, 0)?;
        amount::need(json::number_text(self.value), currency, Mark::Dot, 0)
    }
    fn converted(&self) -> ImportResult<Option<Money>> {
        match (self.converted_to_value, &self.converted_to_currency) {
            (Some(v), Some(c)) => {
                amount::need(json::number_text(v), amount::currency(c, 0)?, Mark::Dot, 0).map(Some)
            }
            _ => Ok(None),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction<'a> {
    transaction_id: String,
    transaction_type: String,
    #[serde(default)]
    booking_entry: Option<String>,
    #[serde(default)]
    transaction_status: Option<String>,
    #[serde(default)]
    transaction_date: Option<String>,
    #[serde(borrow)]
    amount: Amount<'a>,
    #[serde(borrow, default)]
    total_fee_amount: Option<Amount<'a>>,
    #[serde(borrow, default, rename = "eBayCollectedTaxAmount")]
    collected_tax: Option<Amount<'a>>,
    #[serde(borrow, default)]
    order_line_items: Vec<Line<'a>>,
    #[serde(default)]
    fee_type: Option<String>,
    #[serde(default)]
    order_id: Option<String>,
    #[serde(default)]
    payout_id: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, default)]
    marketplace_fees: Vec<Fee<'a>>,
    #[serde(borrow, default)]
    donations: Vec<Fee<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fee<'a> {
    #[serde(default)]
    fee_type: Option<String>,
    #[serde(borrow)]
    amount: Amount<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    reference_id: Option<String>,
    #[serde(default)]
    reference_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payout<'a> {
    payout_id: String,
    payout_status: String,
    #[serde(borrow)]
    amount: Amount<'a>,
    #[serde(borrow, default)]
    total_amount: Option<Amount<'a>>,
    #[serde(default)]
    payout_date: Option<String>,
    #[serde(default)]
    payout_reference: Option<String>,
    #[serde(default)]
    bank_reference: Option<String>,
    #[serde(default)]
    transaction_count: Option<u64>,
}

/// Reads answers of `/transaction` and `/payout`, mixed as they come.
pub(super) fn answers<R: Read>(source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    let mut document = Document::default();
    let mut controls = Vec::new();
    json::walk(source, &Wanted { arrays: &["transactions", "payouts"], inside: &[] }, &mut |_, raw| {
        if let Ok(p) = serde_json::from_str::<Payout<'_>>(raw.get()) {
            controls.push((p.payout_id.clone(), p.transaction_count, total(&p)?));
            return payout(p, &mut document);
        }
        let t: Transaction<'_> = json::item(raw)?;
        document.transactions.extend(transaction(&t, sidecar)?);
        Ok(())
    })?;
    for (id, count, amount_) in controls {
        foot(&document, &id, count, amount_)?;
    }
    Ok(document)
}

fn total(p: &Payout<'_>) -> ImportResult<Money> {
    p.total_amount.as_ref().unwrap_or(&p.amount).money()
}

fn payout(p: Payout<'_>, document: &mut Document) -> ImportResult<()> {
    document.payouts.push(Out {
        amount: p.amount.money()?,
        converted: p.amount.converted()?,
        id: p.payout_id,
        status: p.payout_status,
        arrival: p
            .payout_date
            .as_deref()
            .and_then(|d| time::moment(d, "UTC", DayOrder::YearFirst))
            .map(|m| m.day()),
        // The two legs of a split payout (mainland China) share this.
        group: p.payout_reference,
        trace: p.bank_reference,
    });
    Ok(())
}

/// Foots only a payout whose members are all here, by eBay's own count.
fn foot(document: &Document, id: &str, count: Option<u64>, stated: Money) -> ImportResult<()> {
    let members: Vec<&Tx> =
        document.transactions.iter().filter(|t| t.payout.as_deref() == Some(id)).collect();
    if members.is_empty() {
        return Ok(());
    }
    let n = members.len() as u64;
    if let Some(count) = count.filter(|c| *c != n) {
        return Err(Refusal::truncated(
            0,
            format!(
                "payout {id} counts {count} transactions and the file has {n}: fetch all pages by payoutId"
            ),
        ));
    }
    let sum = members
        .iter()
        .filter_map(|t| t.net)
        .try_fold(Money::zero(stated.currency()), |s, m| amount::add(s, m, 0))?;
    amount::foot(
        &format!("payout {id}"),
        sum,
        stated,
        "transactions of the payout are missing or changed since",
    )
}

fn transaction(t: &Transaction<'_>, sidecar: &Sidecar) -> ImportResult<Option<Tx>> {
    let id = &t.transaction_id;
    let value = t.amount.money()?;
    let credit = match t.booking_entry.as_deref() {
        Some("CREDIT") => true,
        Some("DEBIT") => false,
        // A zero row (a void label) has no side.
        None if value.is_zero() => true,
        other => {
            return Err(Refusal::malformed(
                0,
                format!("{id}: bookingEntry is '{}', not CREDIT or DEBIT", other.unwrap_or_default()),
            ));
        }
    };
    let net = if credit { value } else { value.negated() };
    let date = t.transaction_date.as_deref().unwrap_or_default();
    let occurred = time::moment(date, sidecar.zone_or("UTC"), DayOrder::YearFirst)
        .ok_or_else(|| Refusal::malformed(0, format!("{id}: transactionDate is no date")))?;
    // An amount that is net of order fees takes them along, whichever way it goes: they cost us where money comes in and
    // come back where it leaves (a refund, a credit taken back), and a refund taken back costs them again. Of any other
    // movement fees are fees. The connector has the same rule.
    let back = !credit && matches!(t.transaction_type.as_str(), "SALE" | "REFUND" | "CREDIT");
    let signed = |m: Money| if back { m.negated() } else { m };
    let fee = match &t.total_fee_amount {
        Some(f) if !zero(f) => Some(signed(f.money()?)),
        Some(_) => Some(Money::zero(net.currency())),
        None => None,
    };
    let gross = match fee {
        Some(f) if f.currency() == net.currency() => amount::add(net, f, 0)?,
        Some(f) => {
            return Err(Refusal::malformed(
                0,
                format!("{id}: fees in {} on an amount in {}", f.currency(), net.currency()),
            ));
        }
        None => net,
    };
    let entry = if credit { "CREDIT" } else { "DEBIT" };
    let mut tx =
        Tx::new(format!("{id}:{}:{entry}", t.transaction_type), &t.transaction_type, occurred, gross);
    tx.event_code.clone_from(&t.fee_type);
    tx.source = Some(id.clone());
    tx.fee = fee;
    tx.net = Some(net);
    tx.order = t.order_id.clone().or_else(|| {
        t.references
            .iter()
            .find(|r| r.reference_type.as_deref() == Some("ORDER_ID"))
            .and_then(|r| r.reference_id.clone())
    });
    tx.payout.clone_from(&t.payout_id);
    tx.affects = t.transaction_status.as_deref() != Some("FAILED");
    if fee.is_some() {
        for f in t.order_line_items.iter().flat_map(|l| l.marketplace_fees.iter().chain(&l.donations)) {
            let code = f.fee_type.clone().unwrap_or_else(|| "CHARITY_DONATION".to_owned());
            tx.components.push((code, signed(f.amount.money()?).negated()));
        }
        tx.components.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.minor().cmp(&b.1.minor())));
    } else if let Some(code) = &t.fee_type {
        tx.components.push((code.clone(), net));
    }
    // The buyer paid this too, and it never was in the balance: collected and withheld make nothing together.
    if let Some(tax) = t.collected_tax.as_ref().filter(|tax| !zero(tax))
        && matches!(t.transaction_type.as_str(), "SALE" | "REFUND")
    {
        let tax = signed(tax.money()?);
        tx.components.push(("eBayCollectedTaxAmount".to_owned(), tax));
        tx.components.push(("eBayCollectedTaxAmount/Withheld".to_owned(), tax.negated()));
    }
    Ok(Some(tx))
}

fn zero(a: &Amount<'_>) -> bool {
    parse_decimal(json::number_text(a.value)).is_ok_and(|d| d.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_go_the_way_of_the_booking() {
        // 43.37 with 6.63 of fees: 43.37 + 6.63 = 50.00 where money comes in, −43.37 − 6.63 = −50.00 where it leaves; of
        // a dispute −43.37 + 6.63 = −36.74. The connector has the same table.
        for (kind, entry, gross, fee) in [
            ("SALE", "CREDIT", 5_000, 663),
            ("SALE", "DEBIT", -5_000, -663),
            ("REFUND", "DEBIT", -5_000, -663),
            ("REFUND", "CREDIT", 5_000, 663),
            ("CREDIT", "CREDIT", 5_000, 663),
            ("CREDIT", "DEBIT", -5_000, -663),
            ("DISPUTE", "DEBIT", -3_674, 663),
        ] {
            let text = format!(
                r#"{{"transactions":[{{"transactionId":"2","transactionType":"{kind}","bookingEntry":"{entry}","transactionDate":"2026-08-01T10:00:00.000Z",
                    "amount":{{"value":"43.37","currency":"USD"}},"totalFeeAmount":{{"value":"6.63","currency":"USD"}},
                    "orderLineItems":[{{"marketplaceFees":[{{"feeType":"FINAL_VALUE_FEE","amount":{{"value":"6.63","currency":"USD"}}}}]}}]}}]}}"#
            );
            let read = answers(text.as_bytes(), &Sidecar::default()).unwrap();
            let tx = &read.transactions[0];
            let net = if entry == "CREDIT" { 4_337 } else { -4_337 };
            let got = (tx.amount.minor(), tx.fee.unwrap().minor(), tx.net.unwrap().minor());
            assert_eq!(got, (gross, fee, net), "{kind} {entry}");
            assert_eq!(tx.components[0].1.minor(), -fee, "{kind} {entry}");
        }
    }
}
