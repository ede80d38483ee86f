//! Decimal text as people and spreadsheets write it.

use tradewind_domain::{Decimal, parse_decimal};

/// Which mark separates whole from fraction in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// `1,234.56`
    Dot,
    /// `1.234,56`
    Comma,
}

/// A decimal written with the mark of its document: optional sign (in front or behind, `-` or `−`),
/// optional brackets for negative, grouping by the other mark, blank, apostrophe or thin blank.
///
/// Grouping must be regular (three digits after every group mark), so that `1,5` is never read as fifteen.
#[must_use]
pub(crate) fn parse(text: &str, mark: Mark) -> Option<Decimal> {
    let mut s = text.trim();
    let mut negative = false;
    if let Some(inner) = s.strip_prefix('(').and_then(|s| s.strip_suffix(')')) {
        negative = true;
        s = inner.trim();
    }
    for minus in ['-', '\u{2212}'] {
        if let Some(rest) = s.strip_prefix(minus).or_else(|| s.strip_suffix(minus)) {
            if negative {
                return None;
            }
            negative = true;
            s = rest.trim();
        }
    }
    if let Some(rest) = s.strip_prefix('+') {
        if negative {
            return None;
        }
        s = rest;
    }
    let (point, group) = match mark {
        Mark::Dot => ('.', ','),
        Mark::Comma => (',', '.'),
    };
    let (whole, fraction) = match s.split_once(point) {
        Some((w, f)) => (w, Some(f)),
        None => (s, None),
    };
    let mut plain = String::with_capacity(s.len() + 2);
    if negative {
        plain.push('-');
    }
    let is_group = |c: char| c == group || matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '\u{2019}');
    let mut groups = whole.split(is_group);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    if !rest.is_empty() && (first.is_empty() || first.len() > 3 || rest.iter().any(|g| g.len() != 3)) {
        return None;
    }
    if first.is_empty() && rest.is_empty() {
        fraction.filter(|f| !f.is_empty())?; // a mark alone is no number
        plain.push('0'); // ".11"
    }
    plain.push_str(first);
    for g in rest {
        plain.push_str(g);
    }
    if let Some(f) = fraction.filter(|f| !f.is_empty()) {
        plain.push('.');
        plain.push_str(f);
    }
    parse_decimal(&plain).ok()
}

/// A spreadsheet has turned an id into a number: `1.23457E+15`, `1E+15`, or fifteen digits and zeros for the rest.
#[must_use]
pub fn excel_mangled(id: &str) -> bool {
    // A number holds fifteen digits. Seven zeros or more where an id goes on are not chance.
    if id.len() >= 22 && id.bytes().all(|b| b.is_ascii_digit()) {
        return id.bytes().skip(15).all(|b| b == b'0');
    }
    let Some((mantissa, exponent)) = id.split_once(['E', 'e']) else { return false };
    let digits = exponent.strip_prefix('+').unwrap_or(exponent);
    (mantissa.contains(['.', ',']) || (exponent.starts_with('+') && !mantissa.is_empty()))
        && !digits.is_empty()
        && digits.len() <= 3
        && digits.bytes().all(|b| b.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(s: &str) -> Option<String> {
        parse(s, Mark::Dot).map(|d| d.to_string())
    }
    fn comma(s: &str) -> Option<String> {
        parse(s, Mark::Comma).map(|d| d.to_string())
    }

    #[test]
    fn both_marks() {
        assert_eq!(dot("1,234.56").as_deref(), Some("1234.56"));
        assert_eq!(comma("1.234,56").as_deref(), Some("1234.56"));
        assert_eq!(comma("-95,00").as_deref(), Some("-95.00"));
        assert_eq!(dot("(12.50)").as_deref(), Some("-12.50"));
        assert_eq!(dot("12.50-").as_deref(), Some("-12.50"));
        assert_eq!(dot(".11").as_deref(), Some("0.11"));
        assert_eq!(comma("1 234,5").as_deref(), Some("1234.5"));
    }

    #[test]
    fn irregular_grouping_is_not_a_number() {
        assert_eq!(dot("1,5"), None);
        assert_eq!(dot("95,00"), None);
        assert_eq!(dot("1.2.3"), None);
        assert_eq!(dot(""), None);
        assert_eq!(dot("-"), None);
        assert_eq!(dot("--1"), None);
        assert_eq!(dot("1e3"), None);
        assert_eq!((dot("."), comma(","), dot("-.")), (None, None, None));
    }

    #[test]
    fn mangled_ids() {
        assert!(excel_mangled("1.23457E+15"));
        assert!(excel_mangled("4,2E+27"));
        assert!(excel_mangled("2E+15"));
        // A transaction id of 28 digits after a spreadsheet: fifteen of them and zeros.
        assert!(excel_mangled("4200000263201900000000000000"));
        assert!(!excel_mangled("4200000263201902167700134212"));
        assert!(!excel_mangled("100000000000000000000") && !excel_mangled("E+15"));
        assert!(!excel_mangled("114-8829371-4410258"));
        assert!(!excel_mangled("12E4"));
        assert!(!excel_mangled("A1.2E+3"));
    }
}
