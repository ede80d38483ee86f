//! The scale and the writing of amounts, per provider and per channel.
//!
//! The same ¥9,800 is `9800` in Stripe's API, `980000` in PayPal's settlement report, `"9800"` in PayPal's REST answers and
//! `9,800` in a spreadsheet (reconciliation model §8, "Exponents"). The currency alone never tells; the provider and the channel
//! do. Nothing is rounded: an amount that does not fit its currency is refused.

use tradewind_domain::{Currency, Decimal, Money, parse_decimal};

use crate::import::Provider;

/// How an amount came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// The provider's API.
    Api,
    /// A report file.
    File,
    /// REST answers, where the provider has other APIs too.
    Rest,
    /// PayPal's settlement report.
    Stl,
    /// A Chinese bill.
    Bill,
    /// A spreadsheet export.
    Csv,
}

/// Currencies that Stripe's API takes in whole units (stripe.md §2). MGA is among them although ISO gives it two decimals;
/// UGX is not, because Stripe keeps it at two for compatibility.
const STRIPE_WHOLE: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Integer-only in PayPal's REST amounts (paypal.md §3).
const PAYPAL_WHOLE: [&str; 3] = ["HUF", "JPY", "TWD"];

/// Minor-unit exponent of Stripe's API.
#[must_use]
pub fn stripe_exponent(currency: Currency) -> u32 {
    match currency.code() {
        c if STRIPE_WHOLE.contains(&c) => 0,
        "ISK" | "UGX" => 2,
        _ => currency.exponent(),
    }
}

/// Minor-unit exponent of Adyen's API (adyen.md §2: ISO but for CLP, CVE, IDR, ISK).
#[must_use]
pub fn adyen_exponent(currency: Currency) -> u32 {
    match currency.code() {
        "CLP" | "ISK" => 2,
        "CVE" | "IDR" => 0,
        _ => currency.exponent(),
    }
}

/// The amount that a provider wrote on a channel.
///
/// # Errors
/// Why the text is no amount there.
pub fn normalise(
    provider: Provider,
    channel: Channel,
    currency: Currency,
    text: &str,
) -> Result<Money, String> {
    let text = text.trim();
    match (provider, channel) {
        (Provider::Stripe, Channel::Api | Channel::Rest) => {
            let exponent = stripe_exponent(currency);
            let n = integer(text)?;
            match currency.code() {
                "ISK" | "UGX" if n % 100 != 0 => {
                    return Err(format!(
                        "Stripe sends {currency} in hundredths of whole units: {text} is not a multiple of 100"
                    ));
                }
                _ if currency.exponent() == 3 && n % 10 != 0 => {
                    return Err(format!(
                        "Stripe's {currency} amounts end in 0 (three decimals, the last unused): {text} does not"
                    ));
                }
                _ => {}
            }
            scaled(n, exponent, currency)
        }
        (Provider::Adyen, Channel::Api | Channel::Rest) => {
            scaled(integer(text)?, adyen_exponent(currency), currency)
        }
        // Unsigned, two implied decimals for every currency, yen included (paypal.md §6.1).
        (Provider::Paypal, Channel::Stl | Channel::File) => scaled(integer(text)?, 2, currency),
        (Provider::Paypal, Channel::Api | Channel::Rest) => {
            let value = plain(text)?;
            if PAYPAL_WHOLE.contains(&currency.code()) && !value.fract().is_zero() {
                return Err(format!("PayPal takes {currency} in whole units only: {text} has decimals"));
            }
            exact(value, currency)
        }
        // API amounts are fen; bills are yuan (wechatpay.md §3).
        (Provider::Wechatpay, Channel::Api | Channel::Rest) => {
            scaled(integer(text)?, currency.exponent(), currency)
        }
        (Provider::Wechatpay | Provider::Alipay, Channel::Bill | Channel::File | Channel::Csv) => {
            exact(plain(text.strip_prefix('`').unwrap_or(text).trim())?, currency)
        }
        (Provider::Stripe | Provider::Adyen, Channel::File) => exact(plain(text)?, currency),
        (_, Channel::Api | Channel::Rest) => exact(plain(text)?, currency),
        (_, Channel::Stl) => Err(format!("'stl' is PayPal's settlement report; {provider} has none")),
        (_, Channel::Bill) => Err(format!("'bill' is a WeChat Pay or Alipay document; {provider} has none")),
        (_, Channel::File | Channel::Csv) => local(text, currency),
    }
}

fn integer(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("'{text}' is not a whole number of minor units"));
    }
    text.parse().map_err(|_| format!("'{text}' is out of range"))
}

fn plain(text: &str) -> Result<Decimal, String> {
    let text = text.strip_prefix('+').unwrap_or(text);
    // PayPal's own pattern allows ".11".
    match text.strip_prefix('.') {
        Some(rest) => parse_decimal(&format!("0.{rest}")),
        None => parse_decimal(text),
    }
    .map_err(|e| e.to_string())
}

fn scaled(n: i64, exponent: u32, currency: Currency) -> Result<Money, String> {
    exact(Decimal::new(n, exponent), currency)
}

fn exact(value: Decimal, currency: Currency) -> Result<Money, String> {
    Money::from_decimal(value, currency).map_err(|e| e.to_string())
}

/// A number in either local writing. Where both readings make an amount of the currency and they differ, neither is taken.
fn local(text: &str, currency: Currency) -> Result<Money, String> {
    let read = |point: char, group: char| reading(text, point, group).and_then(|v| exact(v, currency).ok());
    match (read('.', ','), read(',', '.')) {
        (Some(a), Some(b)) if a == b => Ok(a),
        (Some(a), Some(b)) => Err(format!(
            "'{text}' is {a} with a decimal point and {b} with a decimal comma: the document's total must decide"
        )),
        (Some(a), None) | (None, Some(a)) => Ok(a),
        (None, None) => Err(format!("'{text}' is no amount of {currency}, with decimal point or comma")),
    }
}

/// Regular groups of three only: `1,5` is never fifteen.
fn reading(text: &str, point: char, group: char) -> Option<Decimal> {
    let (negative, body) = match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inner) => (true, inner.trim()),
        None => match text.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (true, rest.trim()),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        },
    };
    let (whole, fraction) = match body.split_once(point) {
        Some((w, f)) => (w, Some(f)),
        None => (body, None),
    };
    let mut parts = whole.split([group, ' ', '\'', '\u{a0}', '\u{202f}', '\u{2019}']);
    let first = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    if !rest.is_empty() && (first.is_empty() || first.len() > 3 || rest.iter().any(|p| p.len() != 3)) {
        return None;
    }
    let mut number = String::from(if negative { "-" } else { "" });
    number.push_str(if first.is_empty() && fraction.is_some() { "0" } else { first });
    rest.iter().for_each(|p| number.push_str(p));
    if let Some(f) = fraction {
        number.push('.');
        number.push_str(f);
    }
    parse_decimal(&number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(p: &str, ch: Channel, c: &str, text: &str) -> String {
        let result = normalise(p.parse().unwrap(), ch, Currency::new(c).unwrap(), text);
        result.map_or_else(|_| "refused".to_owned(), Money::amount)
    }

    #[test]
    fn nine_thousand_eight_hundred_yen_in_every_encoding() {
        assert_eq!(n("stripe", Channel::Api, "JPY", "9800"), "9800");
        assert_eq!(n("paypal", Channel::Stl, "JPY", "980000"), "9800");
        assert_eq!(n("paypal", Channel::Rest, "JPY", "9800"), "9800");
        assert_eq!(n("amazon", Channel::Csv, "JPY", "9,800"), "9800");
        assert_eq!(n("shopify", Channel::Api, "JPY", "9800.0"), "9800");
        assert_eq!(n("paypal", Channel::Stl, "JPY", "980050"), "refused");
    }

    #[test]
    fn scales_that_iso_does_not_tell() {
        assert_eq!(n("stripe", Channel::Api, "ISK", "90000"), "900");
        assert_eq!(n("stripe", Channel::Api, "ISK", "90001"), "refused");
        assert_eq!(n("stripe", Channel::Api, "KWD", "1250"), "1.250");
        assert_eq!(n("stripe", Channel::Api, "KWD", "1253"), "refused");
        assert_eq!(n("stripe", Channel::Api, "MGA", "500"), "500.00");
        assert_eq!(n("stripe", Channel::Api, "USD", "12.50"), "refused");
        assert_eq!(n("stripe", Channel::File, "USD", "12.50"), "12.50");
        assert_eq!(n("adyen", Channel::Api, "IDR", "15000"), "15000.00");
        assert_eq!(n("adyen", Channel::Api, "CLP", "150000"), "1500");
        assert_eq!(n("paypal", Channel::Rest, "TWD", "98.50"), "refused");
        assert_eq!(n("wechatpay", Channel::Api, "CNY", "19900"), "199.00");
        assert_eq!(n("wechatpay", Channel::Bill, "CNY", "`199.00"), "199.00");
        assert_eq!(n("alipay", Channel::Api, "CNY", "88.88"), "88.88");
    }

    #[test]
    fn local_writing_is_read_only_when_it_can_mean_one_thing() {
        assert_eq!(n("amazon", Channel::File, "EUR", "95,00"), "95.00");
        assert_eq!(n("amazon", Channel::File, "EUR", "1.234,56"), "1234.56");
        assert_eq!(n("amazon", Channel::File, "USD", "-1,234.56"), "-1234.56");
        assert_eq!(n("amazon", Channel::File, "USD", "1,234"), "1234.00");
        assert_eq!(n("amazon", Channel::File, "KWD", "1,250"), "refused");
        assert_eq!(n("amazon", Channel::File, "EUR", "1,5"), "1.50");
        assert_eq!(n("amazon", Channel::File, "KWD", "1.2345"), "refused");
        assert_eq!(n("amazon", Channel::File, "EUR", "1e3"), "refused");
    }
}
