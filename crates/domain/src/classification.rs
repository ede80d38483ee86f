//! Product identification and classification: GTIN and HS codes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A Global Trade Item Number with a correct check digit (GTIN-8, -12, -13 or -14).
///
/// Check digit: GS1 General Specifications, section 7.9 — weights 3 and 1 from the right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gtin {
    digits: [u8; 14],
    len: u8,
}

/// Why a text is no GTIN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGtin {
    /// Not 8, 12, 13 or 14 digits.
    #[error("GTIN '{0}' must have 8, 12, 13 or 14 digits")]
    Shape(String),
    /// The last digit is wrong.
    #[error("GTIN {text}: check digit should be {expected}")]
    CheckDigit {
        /// The text as given.
        text: String,
        /// The digit that GS1's rule gives.
        expected: u8,
    },
}

impl Gtin {
    /// Checks shape and check digit.
    ///
    /// # Errors
    /// Wrong length, a character that is no digit, or a wrong check digit (the right one is named).
    pub fn new(text: &str) -> Result<Gtin, InvalidGtin> {
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 8 | 12 | 13 | 14) || !bytes.iter().all(u8::is_ascii_digit) {
            return Err(InvalidGtin::Shape(text.chars().take(40).collect()));
        }
        let (body, last) = bytes.split_at(bytes.len() - 1);
        let sum: u32 = body
            .iter()
            .rev()
            .enumerate()
            .map(|(i, b)| u32::from(b - b'0') * if i % 2 == 0 { 3 } else { 1 })
            .sum();
        let expected = ((10 - sum % 10) % 10) as u8;
        if last[0] - b'0' != expected {
            return Err(InvalidGtin::CheckDigit { text: text.to_owned(), expected });
        }
        let mut digits = [b'0'; 14];
        digits[14 - bytes.len()..].copy_from_slice(bytes);
        Ok(Gtin { digits, len: bytes.len() as u8 })
    }

    /// As written, 8 to 14 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[14 - usize::from(self.len)..]).unwrap_or_default()
    }

    /// Padded with zeros to 14 digits: the form in which GTINs compare.
    #[must_use]
    pub fn gtin14(&self) -> &str {
        std::str::from_utf8(&self.digits).unwrap_or_default()
    }
}

impl TryFrom<String> for Gtin {
    type Error = InvalidGtin;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Gtin::new(&text)
    }
}
impl From<Gtin> for String {
    fn from(g: Gtin) -> String {
        g.as_str().to_owned()
    }
}
impl FromStr for Gtin {
    type Err = InvalidGtin;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Gtin::new(s)
    }
}
impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
impl fmt::Debug for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A commodity code of the Harmonized System: the 6 international digits and up to 4 national ones.
///
/// Held without dots. Two- and four-digit headings are no codes to declare under and are refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HsCode {
    digits: [u8; 10],
    len: u8,
}

/// The text is no HS code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HS code '{0}' must have 6, 8 or 10 digits (dots and blanks are ignored), in chapters 01 to 99")]
pub struct InvalidHsCode(pub String);

impl HsCode {
    /// Checks the shape; `6109.10.00`, `6109 10 00` and `61091000` are the same code.
    ///
    /// # Errors
    /// Not 6, 8 or 10 digits, or chapter 00.
    pub fn new(text: &str) -> Result<HsCode, InvalidHsCode> {
        let bad = || InvalidHsCode(text.chars().take(40).collect());
        let plain: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'.' | b' ')).collect();
        if !matches!(plain.len(), 6 | 8 | 10)
            || !plain.iter().all(u8::is_ascii_digit)
            || plain.starts_with(b"00")
        {
            return Err(bad());
        }
        let mut digits = [b'0'; 10];
        digits[..plain.len()].copy_from_slice(&plain);
        Ok(HsCode { digits, len: plain.len() as u8 })
    }

    /// The digits without dots.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The six digits that all countries share.
    #[must_use]
    pub fn hs6(&self) -> &str {
        &self.as_str()[..6]
    }

    /// The chapter, the first two digits.
    #[must_use]
    pub fn chapter(&self) -> &str {
        &self.as_str()[..2]
    }

    /// Number of digits: 6, 8 or 10.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Never: a code has at least six digits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl TryFrom<String> for HsCode {
    type Error = InvalidHsCode;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        HsCode::new(&text)
    }
}
impl From<HsCode> for String {
    fn from(c: HsCode) -> String {
        c.as_str().to_owned()
    }
}
impl FromStr for HsCode {
    type Err = InvalidHsCode;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        HsCode::new(s)
    }
}
impl fmt::Display for HsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
impl fmt::Debug for HsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtin_check_digit() {
        // GS1's own example: 629104150021 → 3.
        assert!(Gtin::new("6291041500213").is_ok());
        let err = Gtin::new("5012345678901").unwrap_err();
        // 5·1+0·3+1·1+2·3+3·1+4·3+5·1+6·3+7·1+8·3+9·1+0·3 = 90 → 0
        assert_eq!(err, InvalidGtin::CheckDigit { text: "5012345678901".into(), expected: 0 });
        assert!(Gtin::new("123").is_err());
        assert!(Gtin::new("50123456789０0").is_err());
        assert_eq!(Gtin::new("96385074").unwrap().gtin14(), "00000096385074");
    }

    #[test]
    fn hs_code_shapes() {
        assert_eq!(HsCode::new("6109.10.00").unwrap().as_str(), "61091000");
        assert_eq!(HsCode::new("610910").unwrap().hs6(), "610910");
        for bad in ["6109", "61091", "00000000", "61 09 1x", ""] {
            assert!(HsCode::new(bad).is_err(), "{bad}");
        }
    }
}
