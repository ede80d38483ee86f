//! The rate book as a quote sees it: the customs regime's publication, or none.

use jiff::Timestamp;
use tradewind_domain::Currency;
use tradewind_fx::calendar::Regime;
use tradewind_fx::{Policy, RateBook};

use crate::rates::{FxRate, FxSource};

/// Customs rates of one regime.
#[derive(Debug, Clone)]
pub struct CustomsRates<'a> {
    /// The book.
    pub book: &'a RateBook,
    /// Whose rule.
    pub regime: Regime,
    /// How old a daily publication may be.
    pub policy: Policy,
}

impl FxSource for CustomsRates<'_> {
    fn rate(&self, from: Currency, to: Currency, at: Timestamp) -> Option<FxRate> {
        let zone = match self.regime {
            Regime::Eu => "Europe/Brussels",
            Regime::Uk => "Europe/London",
        };
        let day = at.in_tz(zone).ok()?.date();
        let rate = self.book.customs_rate(self.regime, from, to, day, self.policy).ok()?;
        Some(FxRate { rate: rate.rate, id: rate.id })
    }
}
