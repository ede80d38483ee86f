//! What a run is asked, and what may be explained.

use jiff::civil::Date;
use serde::Deserialize;
use tradewind_domain::{Currency, Decimal};

use super::fees;

/// What may be explained, and when something is late. All fields have defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Currency of the books.
    pub base: Option<Currency>,
    /// Largest relative distance from the reference rate that counts as a conversion cost.
    #[serde(with = "rust_decimal::serde::str")]
    pub fx_tolerance: Decimal,
    /// Largest rounding residual that is posted, in minor units.
    pub rounding_minor: i64,
    /// Days after which an unpaid order is missing.
    pub payment_days: i32,
    /// Business days that a bank line may be ahead of its payout.
    pub bank_days_before: i32,
    /// Business days that it may be behind.
    pub bank_days_after: i32,
    /// Days after which a carrier's invoice, or a refund, is late.
    pub late_days: i32,
    /// Most open payouts among which a covering set is searched.
    pub max_candidates: usize,
    /// Accounts whose channel reports no payments: an order there is open, and not missing.
    pub unreported: Vec<String>,
    /// Books closed up to this day: later facts post to the next.
    pub closed_until: Option<Date>,
    /// Fees that were agreed with providers.
    pub fee: Vec<fees::FeeRule>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            base: None,
            fx_tolerance: Decimal::new(3, 2),
            rounding_minor: 0,
            payment_days: 7,
            bank_days_before: 1,
            bank_days_after: 5,
            late_days: 30,
            max_candidates: 40,
            unreported: Vec::new(),
            closed_until: None,
            fee: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// The text is no policy; the message says where.
    pub fn parse(text: &str) -> Result<Policy, String> {
        let line = |at: usize| text.get(..at).map_or(1, |t| t.matches('\n').count() + 1);
        let policy: Policy = toml::from_str(text).map_err(|e| {
            let place = e.span().map(|s| format!("line {}: ", line(s.start))).unwrap_or_default();
            format!("policy: {place}{}", e.message())
        })?;
        let days = [policy.payment_days, policy.bank_days_before, policy.bank_days_after, policy.late_days];
        if policy.fx_tolerance.is_sign_negative() && !policy.fx_tolerance.is_zero()
            || policy.rounding_minor < 0
            || days.iter().any(|d| *d < 0)
        {
            return Err("policy: fx_tolerance, rounding_minor and the days are not negative".to_owned());
        }
        policy.fee.iter().try_for_each(fees::FeeRule::check)?;
        Ok(policy)
    }
}

/// What a run is asked.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The day of the report; by default the last day that a fact names.
    pub as_of: Option<Date>,
    /// Policy.
    pub policy: Policy,
    /// Zones for the report of days.
    pub zones: Vec<String>,
}
