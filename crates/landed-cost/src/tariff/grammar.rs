//! The rate grammar: `Free`, `16.5%`, `13.3¢/kg`, `$1.055/kg`, `0.9¢ each`, `90¢/pr. + 20%`, and the UK's
//! `10.20 % + 93.10 EUR / 100 kg`. A rate with a condition in words ("on drained weight", "on the case") is not covered.

use tradewind_domain::{Currency, Decimal, parse_decimal};

use crate::rates::{Preference, Rate};

/// Reads a printed rate; what the grammar does not cover comes back whole as [`Rate::Unparsed`].
#[must_use]
pub fn parse(text: &str) -> Rate {
    let text = text.trim();
    let parts: Option<Vec<Rate>> = text.split('+').map(|p| term(p.trim())).collect();
    match parts {
        Some(mut parts) if parts.len() == 1 => parts.remove(0),
        // "Free + 5%" is nobody's rate
        Some(parts) if !parts.contains(&Rate::Free) => Rate::Compound(parts),
        _ => Rate::Unparsed(text.to_owned()),
    }
}

/// The surcharge of "The duty provided in the applicable subheading + 25%" (chapter 99): 0.25; zero when nothing is
/// added. `None` for any other text.
#[must_use]
pub fn surcharge(text: &str) -> Option<Decimal> {
    let rest = text.trim().strip_prefix("The duty provided in the applicable subheading")?.trim();
    if rest.is_empty() {
        return Some(Decimal::ZERO);
    }
    // the table writes the sign both ways: heading 9903.88.01 has the word
    percent(rest.strip_prefix('+').or_else(|| rest.strip_prefix("plus "))?.trim())
}

/// The rate of the special column for an origin, such as `Free (A+,AU,BH) 2.5% (JP)`: the programme whose code is the
/// origin's, the USMCA's (S, S+: Canada and Mexico) or CAFTA-DR's (P, P+). Programmes by country list (A, D, E, J) are
/// not applied: the lists are not in the table.
#[must_use]
pub fn special(text: &str, origin: &str) -> Option<Preference> {
    let mut rest = text;
    while let Some((rate, tail)) = rest.split_once('(') {
        let (codes, tail) = tail.split_once(')')?;
        for code in codes.split(',').map(str::trim) {
            let plain = code.trim_end_matches(['+', '*']);
            let fits = match plain {
                "S" => matches!(origin, "CA" | "MX"),
                "P" => matches!(origin, "CR" | "DO" | "SV" | "GT" | "HN" | "NI"),
                other => other == origin,
            };
            if fits {
                return Some(Preference { rate: parse(rate), programme: code.to_owned() });
            }
        }
        rest = tail;
    }
    None
}

fn percent(text: &str) -> Option<Decimal> {
    parse_decimal(text.strip_suffix('%')?.trim_end())
        .ok()
        .filter(|p| !p.is_sign_negative())?
        .checked_div(Decimal::ONE_HUNDRED)
}

fn term(text: &str) -> Option<Rate> {
    if text == "Free" {
        return Some(Rate::Free);
    }
    if let Some(rate) = percent(text) {
        return Some(Rate::AdValorem(rate));
    }
    let (amount, currency, unit) = if let Some(dollars) = text.strip_prefix('$') {
        let end = dollars.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = dollars.split_at(end);
        (parse_decimal(number).ok()?, Currency::USD, unit)
    } else if let Some((number, unit)) = text.split_once('¢') {
        (parse_decimal(number).ok()?.checked_div(Decimal::ONE_HUNDRED)?, Currency::USD, unit)
    } else {
        // UK: "93.10 EUR / 100 kg"
        let (number, rest) = text.split_once(' ')?;
        let (code, unit) = rest.split_once(' ')?;
        (parse_decimal(number).ok()?, Currency::new(code).ok()?, unit)
    };
    if amount.is_sign_negative() {
        return None;
    }
    let (amount, unit) = per(amount, unit.trim())?;
    Some(Rate::Specific { amount, currency, unit })
}

/// `each`, `/kg`, `/ 100 kg`: the amount for one unit, and the unit. Only known units; words after them are a condition.
fn per(amount: Decimal, unit: &str) -> Option<(Decimal, String)> {
    if unit == "each" {
        return Some((amount, "each".to_owned()));
    }
    let unit = unit.strip_prefix('/')?.trim();
    let (count, unit) = match unit.split_once(' ') {
        Some((n, u)) if n.bytes().all(|b| b.is_ascii_digit()) => (parse_decimal(n).ok()?, u.trim()),
        _ => (Decimal::ONE, unit),
    };
    let unit = unit.trim_end_matches('.').to_lowercase();
    const UNITS: [&str; 16] = [
        "kg", "g", "t", "liter", "l", "hl", "bbl", "pr", "doz", "gross", "m", "m2", "m3", "no", "item", "ton",
    ];
    UNITS.contains(&unit.as_str()).then_some(())?;
    let unit = if matches!(unit.as_str(), "no" | "item") { "each".to_owned() } else { unit };
    Some((amount.checked_div(count)?, unit))
}
