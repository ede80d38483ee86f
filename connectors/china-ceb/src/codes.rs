//! Countries in customs' old three-digit numbers (code set JGS-20), as this edition of the messages uses them.

use tradewind_domain::Country;

/// (ISO 3166, number). The first six are in the fact sheet's sources; Korea and all that follow are general knowledge:
/// UNVERIFIED against the code set itself.
const COUNTRIES: &[(&str, &str)] = &[
    ("CN", "142"),
    ("JP", "116"),
    ("US", "502"),
    ("GB", "303"),
    ("DE", "304"),
    ("FR", "305"),
    ("KR", "133"),
    ("HK", "110"),
    ("IN", "111"),
    ("ID", "112"),
    ("MY", "122"),
    ("PH", "129"),
    ("SG", "132"),
    ("TH", "136"),
    ("TR", "137"),
    ("AE", "138"),
    ("VN", "141"),
    ("TW", "143"),
    ("BE", "301"),
    ("DK", "302"),
    ("IE", "306"),
    ("IT", "307"),
    ("NL", "309"),
    ("GR", "310"),
    ("PT", "311"),
    ("ES", "312"),
    ("AT", "315"),
    ("FI", "318"),
    ("HU", "321"),
    ("NO", "326"),
    ("PL", "327"),
    ("RO", "328"),
    ("SE", "330"),
    ("CH", "331"),
    ("RU", "344"),
    ("CZ", "352"),
    ("BR", "410"),
    ("MX", "429"),
    ("CA", "501"),
    ("AU", "601"),
    ("NZ", "609"),
];

/// A country's number; `None` for one that this table does not have.
pub(crate) fn country(country: Country) -> Option<&'static str> {
    COUNTRIES.iter().find(|(iso, _)| *iso == country.code()).map(|(_, number)| *number)
}

/// China as a country.
pub(crate) const CHINA: &str = "142";
/// Currency number of the yuan, the only one of imports: another code set, which happens to give it the same number.
pub(crate) const CNY: &str = "142";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_have_three_digits() {
        for (i, (iso, number)) in COUNTRIES.iter().enumerate() {
            assert_eq!(number.len(), 3, "{iso}");
            assert!(!COUNTRIES[..i].iter().any(|(c, n)| c == iso || n == number), "{iso} or {number} twice");
            assert_eq!(country(Country::new(iso).unwrap()), Some(*number));
        }
    }
}
