//! The rate book as a quote sees it: the customs regime's publication, or none.

use jiff::Timestamp;
use tradewind_domain::Currency;
use tradewind_fx::calendar::Regime;
use tradewind_fx::{Policy, RateBook};

use crate::rates::{FxRate, FxSource};

/// Customs rates from the book.
#[derive(Debug, Clone, Copy)]
pub struct CustomsRates<'a> {
    /// The book.
    pub book: &'a RateBook,
    /// How old a daily publication may be.
    pub policy: Policy,
}

impl FxSource for CustomsRates<'_> {
    fn rate(&self, regime: Regime, from: Currency, to: Currency, at: Timestamp) -> Result<FxRate, String> {
        let zone = match regime {
            Regime::Eu => "Europe/Brussels",
            Regime::Uk => "Europe/London",
        };
        let day = at.in_tz(zone).map_err(|e| e.to_string())?.date();
        let rate = self.book.customs_rate(regime, from, to, day, self.policy).map_err(|e| e.to_string())?;
        Ok(FxRate { rate: rate.rate, id: rate.id })
    }
}
