//! Fees taken against fees agreed.
//!
//! What a provider may take on a sale is an agreement, so it is policy and not guessed from history: without a rule for a
//! provider nothing is said about its fees. With one, everything taken on a sale beyond the agreed kinds and amounts is
//! `FEE_UNEXPECTED`, and what was agreed and not taken `FEE_MISSING`.

use std::collections::BTreeMap;

use serde::Deserialize;
use tradewind_domain::{Currency, Decimal, Exact, Money, Rounding};

use super::dedupe::Clean;
use super::parts::Row;
use super::{Found, Policy, Reason, ReconError};
use crate::import::{Class, Provider};

/// A fee that was agreed: `percent` of what the buyer paid, plus a fixed amount per sale.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeRule {
    /// The provider's name.
    pub provider: String,
    /// Our account there; all accounts without it.
    #[serde(default)]
    pub account: Option<String>,
    /// Kind of fee, as the answer names it: `processing`, `commission`, `fixed`, …
    pub kind: String,
    /// Per cent of the sale.
    #[serde(default, with = "rust_decimal::serde::str")]
    pub percent: Decimal,
    /// Amount per sale, by currency.
    #[serde(default)]
    pub fixed: BTreeMap<Currency, String>,
    /// Minor units by which a fee may be off.
    #[serde(default)]
    pub tolerance_minor: i64,
}

impl FeeRule {
    pub(super) fn check(&self) -> Result<(), String> {
        let known = |c: &&Class| c.name().strip_prefix("fee.") == Some(self.kind.as_str());
        if !Class::ALL.iter().any(|c| known(&c)) {
            return Err(format!("policy: fee kind '{}' is unknown", self.kind));
        }
        if self.provider.parse::<Provider>().is_err() {
            let known: Vec<&str> = Provider::ALL.iter().map(|p| p.name()).collect();
            return Err(format!(
                "policy: fee of '{}': no such provider, known are {}",
                self.provider,
                known.join(", ")
            ));
        }
        if self.percent.is_sign_negative() && !self.percent.is_zero() || self.tolerance_minor < 0 {
            return Err(format!(
                "policy: fee of {}: percent and tolerance_minor are not negative",
                self.provider
            ));
        }
        for (c, text) in &self.fixed {
            Money::parse(text, *c).map_err(|e| format!("policy: fee of {}: {e}", self.provider))?;
        }
        Ok(())
    }

    /// What was agreed for a sale of `row`.
    fn agreed(&self, sale: Money, row: &str) -> Result<Money, ReconError> {
        let c = sale.currency();
        let range = |e: String| {
            ReconError::Range(format!("fee {} of {} on row {row}: {e}", self.kind, self.provider))
        };
        let share = sale
            .decimal()
            .checked_mul(self.percent)
            .and_then(|x| x.checked_div(Decimal::ONE_HUNDRED))
            .ok_or_else(|| range(format!("{}% of {sale}", self.percent)))?;
        let share = Exact::new(share, c).round(Rounding::HalfUp).map_err(|e| range(e.to_string()))?;
        let fixed = match self.fixed.get(&c) {
            Some(text) => Money::parse(text, c).map_err(|e| range(e.to_string()))?,
            None if self.fixed.is_empty() => Money::zero(c),
            // Nothing agreed is not the same as zero agreed.
            None => {
                return Err(ReconError::Setup(format!(
                    "policy: fee {} of {} has a fixed amount, but none in {c}, in which row {row} was sold: add {c} = \"0\" to `fixed` if there is none",
                    self.kind, self.provider
                )));
            }
        };
        share.try_add(fixed).map_err(|e| range(e.to_string()))
    }
}

pub(super) fn run(clean: &Clean, rows: &[Row], policy: &Policy, found: &mut Found) -> Result<(), ReconError> {
    if policy.fee.is_empty() {
        return Ok(());
    }
    for r in rows.iter().filter(|r| r.sale().is_some()) {
        let rules: Vec<&FeeRule> = policy
            .fee
            .iter()
            .filter(|f| {
                f.provider == r.tx.provider.name() && f.account.as_ref().is_none_or(|a| *a == r.tx.account)
            })
            .collect();
        if rules.is_empty() {
            continue;
        }
        let c = r.net.currency();
        let is_sale = |class: Option<Class>| {
            matches!(
                class,
                Some(
                    Class::Sale
                        | Class::Shipping
                        | Class::TaxSeller
                        | Class::TaxFacilitator
                        | Class::TaxWithheld
                )
            )
        };
        let paid = r.parts.iter().filter(|p| is_sale(p.class) && p.amount.is_positive());
        let paid = Money::from_minor(paid.fold(0_i64, |s, p| s.saturating_add(p.amount.minor())), c);
        let mut taken: BTreeMap<&str, i64> = BTreeMap::new();
        for p in &r.parts {
            if let Some(kind) = p.class.and_then(|k| k.name().strip_prefix("fee.")) {
                let slot = taken.entry(kind).or_insert(0);
                *slot = slot.saturating_sub(p.amount.minor());
            }
        }
        let mut say = |kind: &str, taken: i64, agreed: i64| {
            let off = Money::from_minor(taken.saturating_sub(agreed), c);
            let (reason, unexplained) = if off.is_positive() {
                (Reason::FeeUnexpected, off.minor())
            } else {
                (Reason::FeeMissing, 0)
            };
            let mut records = vec![r.tx.id.clone()];
            records.extend(r.order.and_then(|o| clean.orders.get(o)).map(|o| o.id.clone()));
            let money = |m: i64| Money::from_minor(m, c);
            found.note(
                reason,
                off,
                records,
                format!(
                    "{kind} on row {} of {}: {} was taken, {} was agreed for a sale of {paid}",
                    r.tx.id,
                    r.tx.provider,
                    money(taken),
                    money(agreed)
                ),
                vec![(format!("{kind} taken"), taken), (format!("{kind} agreed"), agreed.saturating_neg())],
                unexplained,
            );
        };
        for rule in &rules {
            let agreed = rule.agreed(paid, &r.tx.id)?;
            let had = taken.remove(rule.kind.as_str()).unwrap_or(0);
            if had.saturating_sub(agreed.minor()).saturating_abs() > rule.tolerance_minor {
                say(&rule.kind, had, agreed.minor());
            }
        }
        for (kind, had) in taken.into_iter().filter(|(_, had)| *had != 0) {
            say(kind, had, 0);
        }
    }
    Ok(())
}
