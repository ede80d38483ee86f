//! Wire ↔ domain: amounts and times.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;
use serde::{Deserialize, Serialize};
use tradewind_connector::Error;
use tradewind_domain::{Currency, Money, SourceTime, parse_decimal};

/// `{"currency_code","value"}`; the value is a decimal string.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct WireMoney {
    currency_code: String,
    value: String,
}

/// Currencies that PayPal writes without decimals, whatever ISO 4217 says.
const WHOLE: &[&str] = &["HUF", "JPY", "TWD"];

impl WireMoney {
    pub(crate) fn money(&self) -> Result<Money, Error> {
        let currency = Currency::new(&self.currency_code).map_err(Error::decode)?;
        // `-.50` is allowed by the pattern of the specification.
        let text = match self.value.strip_prefix('-') {
            Some(rest) if rest.starts_with('.') => format!("-0{rest}"),
            None if self.value.starts_with('.') => format!("0{}", self.value),
            _ => self.value.clone(),
        };
        Ok(Money::from_decimal(parse_decimal(&text)?, currency)?)
    }

    pub(crate) fn of(money: Money) -> Result<WireMoney, Error> {
        let code = money.currency().code().to_owned();
        let amount = money.amount();
        let value = match amount.split_once('.') {
            Some((whole, fraction)) if WHOLE.contains(&code.as_str()) => {
                if fraction.bytes().any(|b| b != b'0') {
                    return Err(Error::invalid(format!(
                        "PayPal takes {code} only in whole units, not {amount}"
                    )));
                }
                whole.to_owned()
            }
            _ => amount,
        };
        Ok(WireMoney { currency_code: code, value })
    }
}

/// An instant with its offset: `2026-01-06T12:00:00Z`, `…+0000`, `…-08:00`. An offset that is not zero is kept.
pub(crate) fn time(text: &str) -> Result<SourceTime, Error> {
    let bad = |e: jiff::Error| Error::decode(format!("time '{text}': {e}"));
    let utc: Timestamp = text.parse().map_err(bad)?;
    let pieces = DateTimeParser::new().parse_pieces(text).map_err(bad)?;
    let offset = pieces.to_numeric_offset().filter(|o| !o.is_zero());
    Ok(match offset {
        Some(offset) => {
            let minutes = offset.seconds().abs() / 60;
            let sign = if offset.seconds() < 0 { '-' } else { '+' };
            SourceTime::local(utc, format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
        }
        None => SourceTime::utc(utc),
    })
}

/// An instant as PayPal wants it in a query: whole seconds, UTC.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(code: &str, value: &str) -> WireMoney {
        WireMoney { currency_code: code.into(), value: value.into() }
    }

    #[test]
    fn money_both_ways_at_0_2_and_3_decimals() {
        for (code, value, minor) in [
            ("EUR", "115.00", 11_500),
            ("EUR", "-3.44", -344),
            ("JPY", "100", 100),
            ("TND", "1.250", 1_250),
            ("USD", "-.50", -50),
            ("HUF", "500", 50_000),
        ] {
            assert_eq!(wire(code, value).money().unwrap().minor(), minor, "{value} {code}");
        }
        assert!(wire("JPY", "1.5").money().is_err());
        let huf = Currency::new("HUF").unwrap();
        assert_eq!(WireMoney::of(Money::from_minor(50_000, huf)).unwrap().value, "500");
        assert!(WireMoney::of(Money::from_minor(50_050, huf)).is_err());
    }

    #[test]
    fn times_keep_their_offset() {
        assert_eq!(
            time("2026-01-06T12:00:00+0000").unwrap(),
            SourceTime::utc("2026-01-06T12:00:00Z".parse().unwrap())
        );
        let pacific = time("2026-01-06T04:00:00-0800").unwrap();
        assert_eq!(pacific.utc.to_string(), "2026-01-06T12:00:00Z");
        assert_eq!(pacific.zone.as_deref(), Some("-08:00"));
        assert_eq!(seconds("2026-01-06T12:00:00.250Z".parse().unwrap()), "2026-01-06T12:00:00Z");
    }
}
