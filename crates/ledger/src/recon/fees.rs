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
use super::{Found, Policy, Reason};
use crate::import::Class;

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
        for (c, text) in &self.fixed {
            Money::parse(text, *c).map_err(|e| format!("policy: fee of {}: {e}", self.provider))?;
        }
        Ok(())
    }

    fn agreed(&self, sale: Money) -> Option<Money> {
        let c = sale.currency();
        let share = sale.decimal().checked_mul(self.percent)?.checked_div(Decimal::ONE_HUNDRED)?;
        let share = Exact::new(share, c).round(Rounding::HalfUp).ok()?;
        let fixed = self.fixed.get(&c).map_or(Some(Money::zero(c)), |t| Money::parse(t, c).ok())?;
        share.try_add(fixed).ok()
    }
}

pub(super) fn run(clean: &Clean, rows: &[Row], policy: &Policy, found: &mut Found) {
    if policy.fee.is_empty() {
        return;
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
            matches!(class, Some(Class::Sale | Class::Shipping | Class::TaxSeller | Class::TaxFacilitator))
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
            let Some(agreed) = rule.agreed(paid) else { continue };
            let had = taken.remove(rule.kind.as_str()).unwrap_or(0);
            if had.saturating_sub(agreed.minor()).saturating_abs() > rule.tolerance_minor {
                say(&rule.kind, had, agreed.minor());
            }
        }
        for (kind, had) in taken.into_iter().filter(|(_, had)| *had != 0) {
            say(kind, had, 0);
        }
    }
}
