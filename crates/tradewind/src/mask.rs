//! What identifies a buyer is not printed: numbers that customs and tax offices know a person by keep their last four
//! characters. The store holds them whole, for declarations and labels.

use serde::Serialize;
use serde_json::Value;
use tradewind_domain::last_four;
use tradewind_gateway::records::OrderRecord;

/// Kinds of number that belong to a person, wherever they stand; under `tax_ids` every kind does.
const PERSONAL: [&str; 3] = ["pccc", "cpf", "chinese_id"];

/// A record as JSON, with personal numbers masked.
pub(crate) fn json<T: Serialize>(record: &T) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(record)?;
    hide(&mut value, false);
    Ok(value)
}

/// An order as JSON, likewise; a total that its channel has not told is null, not zero.
pub(crate) fn order(record: &OrderRecord) -> anyhow::Result<Value> {
    let mut value = json(record)?;
    if record.order.told_total().is_none() {
        value["order"]["total"] = Value::Null;
    }
    Ok(value)
}

fn hide(value: &mut Value, personal: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|v| hide(v, personal)),
        Value::Object(map) => {
            let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
            if (personal || PERSONAL.contains(&kind))
                && let Some(Value::String(number)) = map.get_mut("value")
            {
                *number = last_four(number);
            }
            for (name, inner) in map.iter_mut() {
                hide(inner, name == "tax_ids");
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn numbers_of_persons_are_masked_wherever_they_stand() {
        let order = json!({
            "buyer": {"name": "Ada", "tax_ids": [{"kind": "vat", "value": "DE123456789"}, {"kind": "other", "value": "123"}]},
            "registrations": [{"kind": "ioss", "value": "IM2500000000"}, {"kind": "cpf", "value": "52998224725"}],
            "lines": [{"kind": "gift", "value": "whole"}],
        });
        let shown = super::json(&order).unwrap();
        assert_eq!(
            shown,
            json!({
                "buyer": {"name": "Ada", "tax_ids": [{"kind": "vat", "value": "…6789"}, {"kind": "other", "value": "…3"}]},
                "registrations": [{"kind": "ioss", "value": "IM2500000000"}, {"kind": "cpf", "value": "…4725"}],
                "lines": [{"kind": "gift", "value": "whole"}],
            })
        );
    }
}
