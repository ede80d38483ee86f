//! Wire types, hand-trimmed to what is used. Field names as the method metadata spells them.
//!
//! Two oddities of the gateway are met here once: numbers beyond 2^53, which are read as text ([`Id`]), and lists
//! that are wrapped in an object of one member unless `simplify=true` is honoured ([`List`], [`Rows`]).

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use tradewind_connector::{Error, Num, Records, WireResponse};
use tradewind_domain::{Currency, Decimal, Money};

/// A number or text, kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(d)?;
        let text = raw.get();
        let id = match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map_err(D::Error::custom)?,
            Some(b'-' | b'0'..=b'9') => text.to_owned(),
            // Also `null`, which would be a name like another.
            _ => String::new(),
        };
        if id.is_empty() {
            return Err(D::Error::custom("a number or text was expected"));
        }
        Ok(Id(id))
    }
}

/// Digits go out as a JSON number, as the metadata types them.
impl Serialize for Id {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0.parse::<u64>() {
            Ok(n) => s.serialize_u64(n),
            Err(_) => s.serialize_str(&self.0),
        }
    }
}

/// `[…]` or `{"order_dto":[…]}`: a list that is a part of one record.
#[derive(Debug, Clone)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        unwrapped(d).map(List)
    }
}

/// The same two shapes, record by record: one that is odd keeps back no other.
#[derive(Debug, Default)]
pub(crate) struct Rows(pub(crate) Records);

impl Rows {
    /// Whether pages follow this one, of `size` rows each. A success says how many rows there are, if none: an answer that does not
    /// say it is no empty list.
    pub(crate) fn more(&self, total: Option<Id>, page: u32, size: u32, list: &str) -> Result<bool, Error> {
        let total: u32 = total
            .and_then(|n| n.0.parse().ok())
            .ok_or_else(|| Error::decode(format!("the list of {list} has no total_item")))?;
        Ok(!self.0.is_empty() && page.saturating_mul(size) < total)
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        unwrapped(d).map(Rows)
    }
}

/// The list itself, or the one member of the object around it; `null` is none.
fn unwrapped<'de, L: DeserializeOwned + Default, D: Deserializer<'de>>(d: D) -> Result<L, D::Error> {
    let raw = Box::<RawValue>::deserialize(d)?;
    let text = raw.get();
    if text == "null" {
        return Ok(L::default());
    }
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(D::Error::custom);
    }
    let wrapped: BTreeMap<String, L> = serde_json::from_str(text).map_err(D::Error::custom)?;
    Ok(wrapped.into_values().next().unwrap_or_default())
}

/// What stands under `aliexpress_…_response`, or the whole where the gateway leaves that away.
pub(crate) fn root(body: &Value) -> &Value {
    let named =
        body.as_object().and_then(|m| m.iter().find(|(k, v)| k.ends_with("_response") && v.is_object()));
    named.map_or(body, |(_, v)| v)
}

/// Reads the answer of a method. Exact: the member's text is read, not a value that went through a float.
///
/// # Errors
/// Not JSON of that shape.
pub(crate) fn read<T: DeserializeOwned>(response: &WireResponse) -> Result<T, Error> {
    let body: BTreeMap<String, Box<RawValue>> = response.json()?;
    let named = body.iter().find(|(k, v)| k.ends_with("_response") && v.get().trim_start().starts_with('{'));
    match named {
        Some((_, raw)) => serde_json::from_str(raw.get()).map_err(|e| Error::decode(format!("JSON: {e}"))),
        None => response.json(),
    }
}

/// `result` around what a method gives.
#[derive(Deserialize)]
pub(crate) struct Wrapped<T> {
    pub(crate) result: T,
}

/// An amount: text, and in detail answers the minor units beside it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Amount {
    amount: Option<Num>,
    amount_str: Option<Num>,
    cent: Option<Num>,
    cent_factor: Option<Num>,
    pub(crate) currency_code: String,
}

impl Amount {
    /// `cent / cent_factor` when given: a public sample shows `amount: 0` beside right cents (fact sheet §6).
    ///
    /// # Errors
    /// An unknown currency, more decimals than it has, or no amount at all.
    pub(crate) fn money(&self) -> Result<Money, Error> {
        let currency: Currency = self
            .currency_code
            .parse()
            .map_err(|_| Error::decode(format!("currency '{}'", self.currency_code)))?;
        let value = match (self.cent, self.cent_factor) {
            (Some(Num(cent)), Some(Num(factor))) if factor > Decimal::ZERO => {
                cent.checked_div(factor).ok_or_else(|| Error::decode("cents out of range"))?
            }
            _ => self
                .amount
                .or(self.amount_str)
                .map(|n| n.0)
                .ok_or_else(|| Error::decode("an amount without number"))?,
        };
        Num(value).money(currency)
    }
}

/// Answer of both batch updates.
#[derive(Deserialize)]
pub(crate) struct BatchAnswer {
    pub(crate) update_error_code: Option<String>,
    pub(crate) update_error_message: Option<String>,
    #[serde(default)]
    pub(crate) update_failed_list: Rows,
    #[serde(default)]
    pub(crate) update_successful_list: Rows,
}

#[derive(Clone, Deserialize)]
pub(crate) struct BatchRow {
    pub(crate) product_id: Id,
    #[serde(default)]
    pub(crate) error_code: Option<Id>,
    #[serde(default)]
    pub(crate) error_message: Option<String>,
}

/// Result of `product.list.get`.
#[derive(Deserialize)]
pub(crate) struct ProductPage {
    #[serde(default)]
    pub(crate) aeop_a_e_product_display_d_t_o_list: List<ProductRow>,
}

#[derive(Deserialize)]
pub(crate) struct ProductRow {
    pub(crate) product_id: Id,
}

/// Result of `product.post` and `product.edit`.
#[derive(Deserialize)]
pub(crate) struct Posted {
    pub(crate) product_id: Id,
}

/// Result of `product.info.get`.
#[derive(Deserialize)]
pub(crate) struct Product {
    pub(crate) product_id: Id,
    #[serde(default)]
    pub(crate) product_status_type: String,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    pub(crate) currency_code: Option<String>,
    #[serde(default)]
    pub(crate) aeop_ae_product_s_k_us: Rows,
}

#[derive(Deserialize)]
pub(crate) struct ProductSku {
    pub(crate) sku_code: Option<String>,
    pub(crate) sku_price: Option<Num>,
    pub(crate) ipm_sku_stock: Option<Id>,
    pub(crate) currency_code: Option<String>,
}

/// Result of `order.get`.
#[derive(Deserialize)]
pub(crate) struct OrderPage {
    #[serde(default)]
    pub(crate) target_list: Rows,
    pub(crate) total_page: Option<Id>,
    pub(crate) current_page: Option<Id>,
}

#[derive(Deserialize)]
pub(crate) struct OrderRow {
    pub(crate) order_id: Id,
}

/// Result of `order.info.get`.
#[derive(Deserialize)]
pub(crate) struct OrderResult {
    pub(crate) data: OrderDetail,
}

#[derive(Deserialize)]
pub(crate) struct OrderDetail {
    pub(crate) id: Id,
    pub(crate) order_status: String,
    pub(crate) gmt_create: String,
    pub(crate) gmt_modified: Option<String>,
    pub(crate) gmt_pay_success: Option<String>,
    pub(crate) order_amount: Amount,
    pub(crate) logistics_amount: Option<Amount>,
    pub(crate) fund_status: Option<String>,
    pub(crate) order_end_reason: Option<String>,
    pub(crate) frozen_status: Option<String>,
    pub(crate) buyerloginid: Option<String>,
    pub(crate) buyer_signer_fullname: Option<String>,
    pub(crate) receipt_address: Option<ReceiptAddress>,
    #[serde(default)]
    pub(crate) child_order_list: List<ChildOrder>,
    pub(crate) refund_info: Option<RefundInfo>,
    #[serde(default)]
    pub(crate) logistic_info_list: List<LogisticInfo>,
}

/// A parcel that the order was told of.
#[derive(Deserialize)]
pub(crate) struct LogisticInfo {
    pub(crate) logistics_no: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ChildOrder {
    pub(crate) child_order_id: Option<Id>,
    pub(crate) id: Option<Id>,
    pub(crate) sku_code: Option<String>,
    #[serde(default)]
    pub(crate) product_name: String,
    pub(crate) product_count: Id,
    pub(crate) product_price: Amount,
    pub(crate) child_order_discount_info: Option<Amount>,
    pub(crate) order_status: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct RefundInfo {
    pub(crate) refund_status: Option<String>,
    pub(crate) refund_cash_amt: Option<Amount>,
}

#[derive(Deserialize)]
pub(crate) struct ReceiptAddress {
    pub(crate) contact_person: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) province: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) address2: Option<String>,
    pub(crate) detail_address: Option<String>,
    pub(crate) zip: Option<String>,
    pub(crate) mobile_no: Option<String>,
    pub(crate) phone_country: Option<String>,
    pub(crate) phone_area: Option<String>,
    pub(crate) phone_number: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_two_shapes_and_ids_keep_all_digits() {
        let ids = |list: &str| {
            let page: OrderPage = serde_json::from_str(&format!(r#"{{"target_list":{list}}}"#)).unwrap();
            let read = page.target_list.0.read("order", "order_id", |r: OrderRow| Ok(r.order_id.0));
            read.map(|r| r.map_err(|e| e.message().to_owned())).collect::<Vec<_>>()
        };
        let big = [Ok("9007199254740993".to_owned())];
        assert_eq!(ids(r#"[{"order_id":9007199254740993}]"#), big);
        assert_eq!(ids(r#"{"order_dto":[{"order_id":"9007199254740993"}]}"#), big);
        assert!(ids("null").is_empty() && ids("{}").is_empty() && ids("[]").is_empty());
        // What names no order is no order of that name.
        for odd in ["null", "true", r#""""#, "{}"] {
            let read = ids(&format!(r#"[{{"order_id":{odd}}},{{"order_id":9007199254740993}}]"#));
            assert!(read[0].as_ref().is_err_and(|e| e.contains("a number or text was expected")), "{read:?}");
            assert_eq!(read[1..], big);
        }
    }

    #[test]
    fn cents_beat_the_text() {
        // Fact sheet §6: amount 0 beside cent 333100 and cent_factor 100.
        let a: Amount =
            serde_json::from_str(r#"{"amount":"0","cent":333100,"cent_factor":100,"currency_code":"USD"}"#)
                .unwrap();
        assert_eq!(a.money().unwrap().amount(), "3331.00");
        let a: Amount = serde_json::from_str(r#"{"amount":"1200","currency_code":"JPY"}"#).unwrap();
        assert_eq!(a.money().unwrap().amount(), "1200");
        let a: Amount = serde_json::from_str(r#"{"amount":"1.005","currency_code":"KWD"}"#).unwrap();
        assert_eq!(a.money().unwrap().amount(), "1.005");
        let a: Amount = serde_json::from_str(r#"{"amount":"1.005","currency_code":"USD"}"#).unwrap();
        assert!(a.money().is_err());
    }
}
