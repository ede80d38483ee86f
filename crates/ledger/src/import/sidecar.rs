//! What a file does not say about itself: the TOML beside it.

use encoding_rs::Encoding;
use serde::Deserialize;

use super::error::{ImportResult, Refusal};
use super::number::Mark;
use super::time::{self, DayOrder};

/// Settings beside a file (`NAME.toml`) or a folder (`import.toml`), all optional.
///
/// ```toml
/// account = "eu-shop"
/// zone = "Europe/Berlin"
/// ```
#[derive(Debug, Clone, Default)]
pub struct Sidecar {
    /// The account in our books; without it the one that the document names, then the provider's name.
    pub account: Option<String>,
    /// Zone of local times (IANA name or offset).
    pub zone: Option<String>,
    /// Report kind, where the content leaves it open.
    pub report: Option<String>,
    /// Encoding label, where the text is neither marked nor UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// Decimal mark, where the document does not prove it.
    pub decimal_mark: Option<Mark>,
    /// Order of day and month in slashed dates.
    pub day_order: Option<DayOrder>,
    /// Field delimiter.
    pub delimiter: Option<u8>,
    /// Currency of a file that names none.
    pub currency: Option<String>,
    /// The payout that an API answer was asked for.
    pub payout: Option<String>,
    /// Column names of a generic file: our name → its title.
    pub columns: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    account: Option<String>,
    zone: Option<String>,
    report: Option<String>,
    encoding: Option<String>,
    decimal: Option<String>,
    dates: Option<String>,
    delimiter: Option<String>,
    currency: Option<String>,
    payout: Option<String>,
    #[serde(default)]
    columns: std::collections::BTreeMap<String, String>,
}

impl Sidecar {
    /// Reads the TOML text.
    ///
    /// # Errors
    /// The text is no TOML, has an unknown key, or names a zone or encoding that does not exist.
    pub fn parse(text: &str) -> ImportResult<Sidecar> {
        let bad = |why: String| Refusal::malformed(0, format!("sidecar: {why}"));
        let w: Wire = toml::from_str(text).map_err(|e| bad(e.message().to_owned()))?;
        if let Some(z) = &w.zone {
            time::zone(z).ok_or_else(|| {
                bad(format!("zone '{z}' is unknown: use an IANA name such as Europe/Berlin"))
            })?;
        }
        let encoding = match &w.encoding {
            Some(label) => Some(Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                bad(format!("encoding '{label}' is unknown: try utf-8, gbk or windows-1252"))
            })?),
            None => None,
        };
        let decimal_mark = match w.decimal.as_deref() {
            None => None,
            Some("." | "point" | "dot") => Some(Mark::Dot),
            Some("," | "comma") => Some(Mark::Comma),
            Some(other) => return Err(bad(format!("decimal = '{other}': say '.' or ','"))),
        };
        let day_order = match w.dates.as_deref() {
            None => None,
            Some("day-first") => Some(DayOrder::DayFirst),
            Some("month-first") => Some(DayOrder::MonthFirst),
            Some(other) => return Err(bad(format!("dates = '{other}': say 'day-first' or 'month-first'"))),
        };
        let delimiter = match w.delimiter.as_deref() {
            None => None,
            Some(d) if d.len() == 1 => d.bytes().next(),
            Some(other) => return Err(bad(format!("delimiter = '{other}': one character"))),
        };
        Ok(Sidecar {
            account: w.account,
            zone: w.zone,
            report: w.report,
            encoding,
            decimal_mark,
            day_order,
            delimiter,
            currency: w.currency,
            payout: w.payout,
            columns: w.columns,
        })
    }

    /// The zone of local times.
    #[must_use]
    pub fn zone_or<'a>(&'a self, default: &'a str) -> &'a str {
        self.zone.as_deref().unwrap_or(default)
    }

    /// The encoding of unmarked text that is not UTF-8.
    #[must_use]
    pub fn encoding_or(&self, default: &'static Encoding) -> &'static Encoding {
        self.encoding.unwrap_or(default)
    }

    /// The field delimiter.
    #[must_use]
    pub fn delimiter_or(&self, default: u8) -> u8 {
        self.delimiter.unwrap_or(default)
    }
}
