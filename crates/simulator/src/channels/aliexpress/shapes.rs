//! Shapes that many answers share: money twice over, Pacific wall clock, lists that are wrapped.

use crate::core::clock::instant;
use crate::core::money;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json as j};

/// Los Angeles by its rule, so that no zone database is needed.
fn pacific() -> TimeZone {
    TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").unwrap_or(TimeZone::UTC)
}

/// Wall clock of Los Angeles, without an offset.
pub(super) fn wall(ms: i64) -> String {
    instant(ms).to_zoned(pacific()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The instant of such a wall clock; of an hour that comes twice the first.
pub(super) fn from_wall(value: &str) -> Option<i64> {
    let local: DateTime = DateTime::strptime("%Y-%m-%d %H:%M:%S", value).ok()?;
    let zoned = pacific().to_ambiguous_zoned(local).compatible().ok()?;
    Some(Timestamp::as_millisecond(zoned.timestamp()))
}

/// The instant of a wall clock as the list of releases wants it, `10/08/2013 00:00:00`.
pub(super) fn from_american(value: &str) -> Option<i64> {
    let local: DateTime = DateTime::strptime("%m/%d/%Y %H:%M:%S", value).ok()?;
    let zoned = pacific().to_ambiguous_zoned(local).compatible().ok()?;
    Some(Timestamp::as_millisecond(zoned.timestamp()))
}

/// Text of a JSON scalar, empty for anything else.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        _ => String::new(),
    }
}

/// The text of a field, empty if absent.
pub(super) fn field(value: &Value, name: &str) -> String {
    value.get(name).map(text).unwrap_or_default()
}

/// `SimpleMoney` of the order list.
pub(super) fn simple(minor: i64, currency: &str) -> Value {
    j!({"amount": money::text(minor, currency), "currency_code": currency})
}

/// `GlobalMoneyStr` of the order detail: cents with their factor beside the text.
pub(super) fn global(minor: i64, currency: &str) -> Value {
    let amount = money::text(minor, currency);
    j!({"cent": minor, "cent_factor": 10_i64.pow(money::exponent(currency)), "amount": amount,
        "currency_code": currency,
        "currency": {"default_fraction_digits": money::exponent(currency), "currency_code": currency,
            "symbol": currency, "display_name": currency, "numeric_code": 840}})
}

/// The same in a line's freight, refund and loan, where the metadata calls the text `amount_str`.
pub(super) fn global_str(minor: i64, currency: &str) -> Value {
    let mut value = global(minor, currency);
    if let Some(map) = value.as_object_mut()
        && let Some(amount) = map.remove("amount")
    {
        map.insert("amount_str".into(), amount);
    }
    value
}

/// List field → the name of its elements when lists are wrapped.
const LISTS: &[(&str, &str)] = &[
    ("target_list", "order_dto"),
    ("product_list", "order_product_dto"),
    ("child_order_list", "global_aeop_tp_child_order_dto"),
    ("child_order_ext_info_list", "global_aeop_tp_order_product_info_dto"),
    ("logistic_info_list", "global_aeop_tp_logistic_info_dto"),
    ("order_msg_list", "global_aeop_tp_order_msg_dto"),
    ("opr_log_dto_list", "global_aeop_tp_operation_log_dto"),
    ("aeop_a_e_product_display_d_t_o_list", "item_display_dto"),
    ("aeop_ae_product_s_k_us", "global_aeop_ae_product_sku"),
    ("aeop_s_k_u_property_list", "global_aeop_sku_property"),
    ("aeop_ae_product_propertys", "global_aeop_ae_product_property"),
    ("multi_language_subject_list", "global_subject"),
    ("multi_language_description_list", "global_description"),
    ("update_failed_list", "synchronize_product_response_dto"),
    ("update_successful_list", "synchronize_product_response_dto"),
    ("children_category_list", "category_info"),
    ("suggest_category_list", "suggest_category"),
    ("supporting_sku_attribute_list", "supported_sku_attribute_dto"),
    ("supporting_common_attribute_list", "supported_common_attribute_dto"),
    ("aliexpress_sku_value_list", "sku_value_simplified_info_dto"),
    ("result_list", "aeop_logistics_service_result"),
    ("data_list", "issue_api_issue_dto"),
    ("order_list", "order_loan_item_vo"),
    ("son_order_list", "son_order_loan_vo"),
    ("buyer_solution_list", "solution_api_dto"),
    ("seller_solution_list", "solution_api_dto"),
    ("platform_solution_list", "solution_api_dto"),
    ("process_dto_list", "api_issue_process_dto"),
    ("group_ids", "number"),
    ("id_path", "number"),
    ("name_path", "string"),
];

/// The same answer with every list wrapped once more, as the gateway gives it without `simplify=true`.
pub(super) fn wrapped(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(k, v)| {
                    let inner = LISTS.iter().find(|(name, _)| *name == k);
                    match (inner, v) {
                        (Some((_, inner)), Value::Array(items)) => {
                            let items: Vec<Value> = items.into_iter().map(wrapped).collect();
                            (k, j!({*inner: items}))
                        }
                        (_, v) => (k, wrapped(v)),
                    }
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(wrapped).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pacific_wall_clock_with_its_summer_time() {
        // 2026-03-08 10:00 UTC is the instant at which Los Angeles goes from 02:00 to 03:00.
        let change: Timestamp = "2026-03-08T10:00:00Z".parse().unwrap();
        assert_eq!(wall(change.as_millisecond() - 1_000), "2026-03-08 01:59:59");
        assert_eq!(wall(change.as_millisecond()), "2026-03-08 03:00:00");
        assert_eq!(from_wall("2026-03-08 03:00:00"), Some(change.as_millisecond()));
        assert_eq!(from_wall("2026-03-08T03:00:00"), None);
    }

    #[test]
    fn lists_are_wrapped_deep() {
        let v = wrapped(j!({"result": {"target_list": [{"product_list": [1]}], "total_count": 1}}));
        assert_eq!(v["result"]["target_list"]["order_dto"][0]["product_list"]["order_product_dto"][0], 1);
    }
}
