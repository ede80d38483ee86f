//! An order as the Admin API writes it.

use serde::Deserialize;
use tradewind_connector::Error;
use tradewind_domain::{Currency, Exact, Money, parse_decimal};

use crate::gql::Connection;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MoneyV2 {
    pub(super) amount: String,
    pub(super) currency_code: String,
}

impl MoneyV2 {
    pub(crate) fn money(&self) -> Result<Money, Error> {
        let currency = Currency::new(&self.currency_code).map_err(Error::decode)?;
        // `19.9` and `19.90` are both written; digits beyond the currency's own must be zeros.
        Ok(Money::from_decimal(parse_decimal(&self.amount)?, currency)?)
    }
    pub(super) fn exact(&self) -> Result<Exact, Error> {
        let currency = Currency::new(&self.currency_code).map_err(Error::decode)?;
        Ok(Exact::new(parse_decimal(&self.amount)?, currency))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MoneyBag {
    pub(super) shop_money: MoneyV2,
    pub(super) presentment_money: Option<MoneyV2>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireOrder {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) cancelled_at: Option<String>,
    pub(super) currency_code: String,
    pub(super) taxes_included: bool,
    pub(super) display_financial_status: Option<String>,
    pub(super) display_fulfillment_status: String,
    pub(super) test: bool,
    pub(super) email: Option<String>,
    pub(super) total_price_set: MoneyBag,
    pub(super) total_refunded_set: MoneyBag,
    pub(super) total_shipping_price_set: MoneyBag,
    pub(super) shipping_line: Option<ShippingLine>,
    pub(super) shipping_address: Option<MailingAddress>,
    pub(super) localized_fields: Connection<LocalizedField>,
    #[serde(default)]
    pub(super) transactions: Vec<WireTransaction>,
    #[serde(default)]
    pub(super) fulfillments: Vec<Fulfillment>,
    pub(super) line_items: Connection<WireLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShippingLine {
    #[serde(default)]
    pub(super) tax_lines: Vec<TaxLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaxLine {
    pub(super) title: String,
    pub(super) channel_liable: Option<bool>,
    pub(super) price_set: MoneyBag,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MailingAddress {
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) company: Option<String>,
    pub(super) address1: Option<String>,
    pub(super) address2: Option<String>,
    pub(super) city: Option<String>,
    pub(super) province_code: Option<String>,
    pub(super) zip: Option<String>,
    pub(super) country_code_v2: Option<String>,
    pub(super) phone: Option<String>,
}

/// What the checkout asked of the buyer for customs or tax. Personal data: its debug form shows no value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LocalizedField {
    pub(super) key: String,
    pub(super) country_code: String,
    pub(super) value: String,
}

impl std::fmt::Debug for LocalizedField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalizedField({}, …)", self.key)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTransaction {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) gateway: Option<String>,
    pub(super) processed_at: Option<String>,
    pub(super) payment_id: Option<String>,
    pub(super) amount_set: MoneyBag,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fulfillment {
    pub(super) status: String,
    pub(super) total_quantity: u32,
    pub(super) display_status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireLine {
    pub(super) id: String,
    pub(super) sku: Option<String>,
    pub(super) title: String,
    pub(super) quantity: u32,
    pub(super) current_quantity: u32,
    pub(super) unfulfilled_quantity: u32,
    pub(super) original_unit_price_set: MoneyBag,
    pub(super) discounted_total_set: MoneyBag,
    pub(super) original_total_set: MoneyBag,
    #[serde(default)]
    pub(super) tax_lines: Vec<TaxLine>,
}
