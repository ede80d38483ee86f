//! The chart of accounts, as data: `chart.toml` beside this file, or a legal entity's own of the same shape.

use std::collections::BTreeMap;

use serde::Deserialize;
use tradewind_domain::Currency;

use crate::import::Class;

/// Accounts by class of code and by role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Version, named by what used it.
    pub version: String,
    class: BTreeMap<String, String>,
    account: BTreeMap<String, String>,
}

/// What fills an account's pattern.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Provider or channel.
    pub provider: &'a str,
    /// Account at it, or at the bank.
    pub account: &'a str,
    /// Currency.
    pub currency: Currency,
}

impl Chart {
    /// The chart that comes with the program.
    ///
    /// # Errors
    /// As [`Chart::parse`]; a test proves that it does not happen.
    pub fn builtin() -> Result<Chart, String> {
        Chart::parse(include_str!("chart.toml"))
    }

    /// Reads a chart; every class and role must have an account.
    ///
    /// # Errors
    /// The text is no chart, or lacks an account.
    pub fn parse(text: &str) -> Result<Chart, String> {
        let chart: Chart = toml::from_str(text).map_err(|e| format!("chart of accounts: {}", e.message()))?;
        let class = |c: &Class| if c.is_fee() { "fee" } else { c.name() };
        if let Some(c) = Class::ALL.iter().map(class).find(|c| !chart.class.contains_key(*c)) {
            return Err(format!("chart of accounts: class '{c}' has no account"));
        }
        Ok(chart)
    }

    /// The account of a class of codes; suspense for an unmapped code.
    #[must_use]
    pub fn of_class(&self, class: Option<Class>, place: Place<'_>) -> String {
        let Some(class) = class else { return self.of("suspense", place) };
        let key = if class.is_fee() { "fee" } else { class.name() };
        let pattern = self.class.get(key).map(String::as_str).unwrap_or("suspense:{provider}");
        fill(&pattern.replace("{kind}", class.name().trim_start_matches("fee.")), place)
    }

    /// The account of a role (`clearing`, `bank`, …).
    #[must_use]
    pub fn of(&self, role: &str, place: Place<'_>) -> String {
        fill(self.account.get(role).map(String::as_str).unwrap_or("suspense:{provider}"), place)
    }
}

fn fill(pattern: &str, place: Place<'_>) -> String {
    pattern
        .replace("{provider}", place.provider)
        .replace("{account}", place.account)
        .replace("{currency}", place.currency.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_chart_names_every_class() {
        assert!(Chart::builtin().is_ok());
    }
}
