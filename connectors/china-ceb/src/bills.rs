//! Electronic tax bills (CEB816).

use jiff::Timestamp;
use rust_decimal::Decimal;
use tradewind_connector::{Error, Kind};
use tradewind_domain::{Currency, Declaration, Money, TaxBill, TaxCharge, parse_decimal};

use crate::receipts::instant;
use crate::xml::{CEB, Steps};

/// Kinds of tax, in the message's words.
const KINDS: [&str; 3] = ["customsTax", "valueAddedTax", "consumptionTax"];

/// A bill as one message tells it.
pub(crate) struct Told {
    bill: TaxBill,
    at: Timestamp,
    /// Void (status 3).
    void: bool,
}

/// The last word on each bill; void ones are gone.
pub(crate) fn current(mut told: Vec<Told>) -> Vec<TaxBill> {
    told.sort_by(|a, b| (&a.bill.number, a.at).cmp(&(&b.bill.number, b.at)));
    let mut bills: Vec<TaxBill> = Vec::new();
    for t in told {
        bills.retain(|b| b.number != t.bill.number);
        if !t.void {
            bills.push(t.bill);
        }
    }
    bills
}

#[derive(Default)]
struct Taxes {
    amounts: [Decimal; 3],
    base: Decimal,
}

fn yuan(value: Decimal) -> Result<Money, Error> {
    Ok(Money::from_decimal(value, Currency::new("CNY")?)?)
}

/// Bills of a declaration in a message; none when the message is another.
pub(crate) fn read(text: &str, declaration: &Declaration, number: &str) -> Result<Vec<Told>, Error> {
    let mut steps = Steps::new(text, CEB)?;
    if steps.child()? != Some("CEB816Message") {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    while let Some(name) = steps.child()? {
        if name != "Tax" {
            steps.skip()?;
            continue;
        }
        let (mut invt, mut no, mut status, mut at) = (String::new(), String::new(), String::new(), None);
        let mut head = Taxes::default();
        let mut lines = Vec::new();
        while let Some(part) = steps.child()? {
            let mut taxes = Taxes::default();
            while let Some(field) = steps.child()? {
                let value = steps.value()?;
                let value = value.trim();
                match field {
                    "invtNo" => value.clone_into(&mut invt),
                    "taxNo" => value.clone_into(&mut no),
                    "status" => value.clone_into(&mut status),
                    "returnTime" => at = Some(instant(value)?),
                    "taxPrice" => taxes.base = parse_decimal(value)?,
                    _ => {
                        for (slot, kind) in taxes.amounts.iter_mut().zip(KINDS) {
                            if kind == field {
                                *slot = parse_decimal(value)?;
                            }
                        }
                    }
                }
            }
            match part {
                "TaxHeadRd" => head = taxes,
                "TaxListRd" => lines.push(taxes),
                _ => {}
            }
        }
        if invt != number {
            continue;
        }
        let mut charges = Vec::new();
        for (i, kind) in KINDS.iter().enumerate() {
            let mut sum = Decimal::ZERO;
            for line in &lines {
                let amount = line.amounts.get(i).copied().unwrap_or_default();
                sum = sum.checked_add(amount).ok_or_else(|| Error::decode("the taxes overflow"))?;
                if !amount.is_zero() {
                    charges.push(TaxCharge {
                        kind: (*kind).to_owned(),
                        base: Some(yuan(line.base)?),
                        rate: None,
                        amount: yuan(amount)?,
                    });
                }
            }
            let total = head.amounts.get(i).copied().unwrap_or_default();
            if sum != total {
                return Err(Error::decode(format!(
                    "tax bill {no}: the lines' {kind} is {sum}, the head says {total}"
                )));
            }
        }
        let at = at.ok_or_else(|| Error::decode(format!("tax bill {no} without returnTime")))?;
        // 1 made, 2 summarised, 3 void (fact sheet, section 10). Another is neither owed nor not owed.
        let void = match status.as_str() {
            "1" | "2" => false,
            "3" => true,
            other => {
                return Err(Error::new(
                    Kind::UnknownCode,
                    format!("tax bill {no} has the status '{other}': whether it is owed is not known"),
                ));
            }
        };
        let bill = TaxBill { declaration: declaration.id.clone(), number: no, charges };
        found.push(Told { bill, at, void });
    }
    Ok(found)
}
