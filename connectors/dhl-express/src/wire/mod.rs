//! Wire types of MyDHL, trimmed to what we send and read.

use serde::{Deserialize, Serialize};
use tradewind_connector::{Error, Num};
use tradewind_domain::Address;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account<'a> {
    pub(crate) type_code: &'static str,
    pub(crate) number: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PostalAddress {
    pub(crate) postal_code: String,
    pub(crate) city_name: String,
    pub(crate) country_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) county_name: Option<String>,
    pub(crate) address_line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address_line2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address_line3: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    pub(crate) phone: String,
    pub(crate) company_name: String,
    pub(crate) full_name: String,
}

/// A text that must fit: refused rather than cut, because a cut address is a lost parcel.
pub(crate) fn limited(field: &str, text: &str, max: usize) -> Result<String, Error> {
    if text.chars().count() > max {
        return Err(Error::invalid(format!("{field} has more than {max} characters: shorten it")));
    }
    Ok(text.to_owned())
}

/// Street lines over 45 characters are broken at blanks into the three that MyDHL has.
fn street(lines: &[String]) -> Result<Vec<String>, Error> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        let mut current = String::new();
        for word in line.split_whitespace() {
            if !current.is_empty() && current.chars().count() + 1 + word.chars().count() > 45 {
                out.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        if !current.is_empty() {
            out.push(current);
        }
    }
    if out.len() > 3 || out.iter().any(|l| l.chars().count() > 45) {
        return Err(Error::invalid("the street does not fit three lines of 45 characters"));
    }
    Ok(out)
}

pub(crate) fn postal(address: &Address) -> Result<PostalAddress, Error> {
    let mut lines = street(&address.lines)?.into_iter();
    let first = lines.next().ok_or_else(|| Error::invalid("the address has no street line"))?;
    Ok(PostalAddress {
        // Must be there, may be blank for countries without codes.
        postal_code: limited("postcode", address.postcode.as_deref().unwrap_or_default(), 12)?,
        city_name: limited(
            "city",
            address.city.as_deref().ok_or_else(|| Error::invalid("the address has no city"))?,
            45,
        )?,
        country_code: address.country.code(),
        county_name: address.region.as_deref().map(|r| limited("region", r, 35)).transpose()?,
        address_line1: first,
        address_line2: lines.next(),
        address_line3: lines.next(),
    })
}

/// `fallback` is the configured number for receivers whose marketplace withholds theirs: MyDHL requires one, and
/// an invented one would send the courier's call nowhere.
pub(crate) fn contact(address: &Address, fallback: Option<&str>) -> Result<Contact, Error> {
    let name = address
        .name
        .as_deref()
        .or(address.company.as_deref())
        .ok_or_else(|| Error::invalid("the address has no name"))?;
    let company = address.company.as_deref().unwrap_or(name);
    Ok(Contact {
        email: address.email.clone(),
        phone: address.phone.as_deref().or(fallback).map(str::to_owned).ok_or_else(|| {
            Error::invalid(
                "the address has no phone number and MyDHL requires one: set `default_phone` in the account's settings",
            )
        })?,
        company_name: limited("company", company, 100)?,
        full_name: limited("name", name, 255)?,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Price {
    #[serde(default)]
    pub(crate) currency_type: Option<String>,
    #[serde(default)]
    pub(crate) price_currency: Option<String>,
    #[serde(default)]
    pub(crate) price: Option<Num>,
}

/// The price in billing currency, exactly.
pub(crate) fn billed(prices: &[Price]) -> Result<Option<tradewind_domain::Money>, Error> {
    let Some(price) = prices.iter().find(|p| p.currency_type.as_deref() == Some("BILLC")) else {
        return Ok(None);
    };
    let (Some(code), Some(amount)) = (&price.price_currency, price.price) else { return Ok(None) };
    // MyDHL may give more decimals than the currency has; what is billed is rounded half up.
    let exact = tradewind_domain::Exact::new(amount.0, tradewind_domain::Currency::new(code)?);
    Ok(Some(exact.round(tradewind_domain::Rounding::HalfUp)?))
}
