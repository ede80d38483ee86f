//! The simulator's own money: whole minor units and a currency code. No type is shared with the
//! gateway's domain model, so that a mistake there cannot hide behind the same mistake here.

/// How many decimals `currency` has (ISO 4217): 0, 2 or 3.
#[must_use]
pub fn exponent(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// `2999`, `USD` → `29.99`; `-5`, `USD` → `-0.05`; `1200`, `JPY` → `1200`.
#[must_use]
pub fn text(minor: i64, currency: &str) -> String {
    let exponent = exponent(currency);
    if exponent == 0 {
        return minor.to_string();
    }
    let unit = 10_u64.pow(exponent);
    let sign = if minor < 0 { "-" } else { "" };
    let abs = minor.unsigned_abs();
    let width = usize::try_from(exponent).unwrap_or(2);
    format!("{sign}{}.{:0width$}", abs / unit, abs % unit)
}

/// Reads `29.99` as 2999 minor units of USD. More decimals than the currency has are accepted only
/// when they are zero; anything else is `None`.
#[must_use]
pub fn minor(text: &str, currency: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let places = usize::try_from(exponent(currency)).ok()?;
    let kept: String = fraction.chars().chain("000".chars()).take(places).collect();
    if fraction.chars().skip(places).any(|c| c != '0') {
        return None;
    }
    let value: i64 = format!("{whole}{kept}").parse().ok()?;
    Some(if negative { -value } else { value })
}

/// `amount × parts / whole`, half away from zero.
#[must_use]
pub fn share(amount: i64, parts: i64, whole: i64) -> i64 {
    let whole = i128::from(whole.max(1));
    let product = i128::from(amount) * i128::from(parts);
    let half = if product < 0 { -(whole / 2) } else { whole / 2 };
    i64::try_from((product + half) / whole).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back_at_0_2_and_3_decimals() {
        for (minor_units, currency, shown) in [
            (2999, "USD", "29.99"),
            (-5, "USD", "-0.05"),
            (1200, "JPY", "1200"),
            (1, "KWD", "0.001"),
            (0, "EUR", "0.00"),
        ] {
            assert_eq!(text(minor_units, currency), shown);
            assert_eq!(minor(shown, currency), Some(minor_units));
        }
        assert_eq!(minor("1.5", "USD"), Some(150));
        assert_eq!(minor("1.500", "USD"), Some(150));
        for bad in ["1.505", "", ".5", "1e3", "1,5", "+1", "--1"] {
            assert_eq!(minor(bad, "USD"), None, "{bad}");
        }
    }

    #[test]
    fn shares_round_half_away_from_zero() {
        // 15 % of 10.03 = 1.5045 → 1.50; of 10.10 = 1.515 → 1.52; and the same below zero.
        assert_eq!(share(1003, 15, 100), 150);
        assert_eq!(share(1010, 15, 100), 152);
        assert_eq!(share(-1010, 15, 100), -152);
    }
}
