//! Wire types, hand-trimmed from the OpenAPI documents. Enumerations stay text: eBay adds values.

pub(crate) mod cases;
pub(crate) mod finances;
pub(crate) mod inventory;
pub(crate) mod orders;
pub(crate) mod taxonomy;

use serde::{Deserialize, Serialize};
use tradewind_connector::{Error, FieldError, Num, Upstream};
use tradewind_domain::{Currency, Money};

/// An amount: decimal text and currency. With a conversion, `value` is the converted one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Amount {
    pub(crate) value: Num,
    pub(crate) currency: String,
    #[serde(default)]
    pub(crate) converted_from_value: Option<Num>,
    #[serde(default)]
    pub(crate) converted_from_currency: Option<String>,
    #[serde(default)]
    pub(crate) converted_to_value: Option<Num>,
    #[serde(default)]
    pub(crate) converted_to_currency: Option<String>,
}

impl Amount {
    pub(crate) fn money(&self) -> Result<Money, Error> {
        self.value.money(Currency::new(&self.currency)?)
    }

    /// What it was before eBay converted it.
    pub(crate) fn before(&self) -> Result<Option<Money>, Error> {
        pair(self.converted_from_value, self.converted_from_currency.as_deref())
    }

    /// What eBay converts it to (payouts to mainland China).
    pub(crate) fn after(&self) -> Result<Option<Money>, Error> {
        pair(self.converted_to_value, self.converted_to_currency.as_deref())
    }
}

fn pair(value: Option<Num>, currency: Option<&str>) -> Result<Option<Money>, Error> {
    match (value, currency) {
        (Some(v), Some(c)) => v.money(Currency::new(c)?).map(Some),
        _ => Ok(None),
    }
}

/// An amount that we write.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewAmount {
    value: String,
    currency: String,
}

impl NewAmount {
    pub(crate) fn of(money: Money) -> NewAmount {
        NewAmount { value: money.amount(), currency: money.currency().code().to_owned() }
    }
}

/// `ErrorDetailV3` of all REST APIs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) error_id: i64,
    #[serde(default)]
    pub(crate) category: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) long_message: String,
}

impl Problem {
    fn words(&self) -> &str {
        if self.long_message.is_empty() { &self.message } else { &self.long_message }
    }
}

/// What a list of problems says: the first decides, the others are kept beside it.
pub(crate) fn upstream(http: u16, problems: &[Problem]) -> Upstream {
    let Some(first) = problems.first() else { return Upstream { http, ..Upstream::default() } };
    let fields = problems[1..]
        .iter()
        .map(|p| FieldError {
            field: String::new(),
            code: p.error_id.to_string(),
            message: p.words().to_owned(),
        })
        .collect();
    Upstream {
        http,
        code: first.error_id.to_string(),
        sub_code: Some(first.category.clone()).filter(|c| !c.is_empty()),
        message: first.words().to_owned(),
        request_id: None,
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_origin() {
        // Fulfillment API, Amount: value is the converted amount, convertedFrom the buyer's.
        let a: Amount = serde_json::from_str(
            r#"{"value":"18.50","currency":"USD","convertedFromValue":"17.00","convertedFromCurrency":"EUR"}"#,
        )
        .unwrap();
        assert_eq!(a.money().unwrap().minor(), 1_850);
        let before = a.before().unwrap().unwrap();
        assert_eq!((before.minor(), before.currency().code()), (1_700, "EUR"));
        assert!(a.after().unwrap().is_none());
        // "0.0" stands for nothing in every currency, the yen included.
        let zero: Amount = serde_json::from_str(r#"{"value":"0.0","currency":"JPY"}"#).unwrap();
        assert!(zero.money().unwrap().is_zero());
    }
}
