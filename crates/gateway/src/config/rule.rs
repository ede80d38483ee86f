//! What numbers and names of the configuration must be. It is asked where they are read, so that the reader adds the place.
//! A guard whose limit is `"20"` where 20 % is meant would be switched off without a word.

use std::fmt::Display;

use rust_decimal::Decimal;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use tradewind_domain::{Country, two_letter_language};

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    rust_decimal::serde::str::deserialize(from)
}

fn refused<T, E: Error>(value: impl Display, what: &str) -> Result<T, E> {
    Err(E::custom(format!("{value} is refused: {what}")))
}

/// What was meant by a number that is too large for a share.
fn percent(value: Decimal) -> String {
    match value.checked_div(Decimal::ONE_HUNDRED) {
        Some(share) if value > Decimal::ONE && share <= Decimal::ONE => {
            format!("; for {value} % write \"{}\"", share.normalize())
        }
        _ => String::new(),
    }
}

/// A share of something: from none to all of it.
pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    in_share(number(from)?)
}

/// The same, or in so many words no limit: what is more than all, such as a price that is to triple.
pub(super) fn share_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
    let value = toml::Value::deserialize(from)?;
    match value.as_str() {
        Some("none") => Ok(None),
        // Whatever is no number as text, in the reader's own words for it.
        Some(text) => text.parse().map_err(|_| Error::custom("Invalid decimal")).and_then(in_share).map(Some),
        None => Err(Error::custom("Invalid decimal")),
    }
}

fn in_share<E: Error>(value: Decimal) -> Result<Decimal, E> {
    if value < Decimal::ZERO || value > Decimal::ONE {
        return refused(value, &format!("this is a share, from \"0\" to \"1\"{}", percent(value)));
    }
    Ok(value)
}

fn in_part<E: Error>(value: Decimal) -> Result<Decimal, E> {
    if value < Decimal::ZERO || value >= Decimal::ONE {
        return refused(
            value,
            &format!("this is a share of a price, from \"0\" to below \"1\"{}", percent(value)),
        );
    }
    Ok(value)
}

/// A share of a price that leaves something of it.
pub(super) fn part<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    in_part(number(from)?)
}

/// The same, where it may be left out.
pub(super) fn part_option<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
    rust_decimal::serde::str_option::deserialize(from)?.map(in_part).transpose()
}

/// A factor: a rate, a markup.
pub(super) fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    let value = number(from)?;
    if value <= Decimal::ZERO {
        return refused(value, "this is a factor, above zero, such as \"1.25\"");
    }
    Ok(value)
}

/// The ending of a price: less than one unit. Which decimals the currency has is asked when both are known.
pub(super) fn ending<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
    match rust_decimal::serde::str_option::deserialize(from)? {
        Some(value) if value < Decimal::ZERO || value >= Decimal::ONE => refused(
            value,
            "this is what prices end with, from \"0\" (whole units) to below \"1\", such as \"0.99\"",
        ),
        other => Ok(other),
    }
}

/// Parts of the stock.
pub(super) fn parts<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        0 => refused(
            0,
            "an account without a part of the stock sells nothing: 1 or more, or leave out its [account.offers]",
        ),
        parts => Ok(parts),
    }
}

/// Length, width and height.
pub(super) fn sides<'de, D: Deserializer<'de>>(from: D) -> Result<[u32; 3], D::Error> {
    let sides = <[u32; 3]>::deserialize(from)?;
    if sides.contains(&0) {
        return refused(
            format!("{sides:?}"),
            "a parcel has length, width and height in millimetres, such as [300, 200, 120]",
        );
    }
    Ok(sides)
}

/// Days back.
pub(super) fn days<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    match i32::deserialize(from)? {
        days if days < 0 => refused(days, "these are days, zero or more"),
        days => Ok(days),
    }
}

/// A language tag in its short form: a language, a script where it matters, a region.
pub(super) fn locale<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let tag = String::deserialize(from)?;
    let mut parts = tag.split('-');
    let language =
        parts.next().is_some_and(|l| matches!(l.len(), 2 | 3) && l.bytes().all(|b| b.is_ascii_lowercase()));
    let mut rest = parts.peekable();
    rest.next_if(|s| s.len() == 4 && s.bytes().all(|b| b.is_ascii_alphabetic()));
    rest.next_if(|r| Country::new(r).is_ok() || (r.len() == 3 && r.bytes().all(|b| b.is_ascii_digit())));
    if !language || rest.next().is_some() {
        return refused(
            format!("'{tag}'"),
            "this is a language, and a region where it matters, such as \"de\" or \"zh-CN\"",
        );
    }
    if let Some((three, two)) = tag.split('-').next().and_then(|l| Some((l, two_letter_language(l)?))) {
        let short = tag.replacen(three, two, 1);
        return refused(format!("'{tag}'"), &format!("this language has a code of two letters: \"{short}\""));
    }
    Ok(tag)
}
